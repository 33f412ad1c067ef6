//! [`WasmBacktrace`]: the wasm frames that an error passed.

use crate::Error;
use crate::code::{FrameSymbol, symbolize};
use crate::store::StoreInner;
use crate::vm::{Exit, ExitReason, Frame};
use std::fmt;
use std::sync::OnceLock;
use upshift_abi::names::NameSection;

/// Frames that a backtrace shows at most; a deep recursion has many alike.
const MAX_FRAMES: usize = 64;

/// The WebAssembly frames between an error and the host's call, innermost first. It is attached
/// to errors as context: `error.downcast_ref::<WasmBacktrace>()`.
///
/// Names are looked up when they are asked for: errors that only pass through, like a program's
/// exit, cost no reading of name sections.
pub struct WasmBacktrace {
    symbols: Vec<FrameSymbol>,
    omitted: usize,
    frames: OnceLock<Vec<FrameInfo>>,
}

/// A frame of a [`WasmBacktrace`].
#[derive(Debug)]
pub struct FrameInfo {
    module_name: Option<String>,
    func_index: u32,
    func_name: Option<String>,
    module_offset: Option<usize>,
    func_start: usize,
}

impl WasmBacktrace {
    /// The frames of a store now, for use in host functions.
    pub fn capture(store: impl super::store::AsContext) -> Self {
        let frames = store.as_context().inner().context().walk().kept();
        Self::new(&frames)
    }

    fn new(frames: &[Frame]) -> Self {
        let shown = frames.iter().take(MAX_FRAMES);
        let mut symbols: Vec<FrameSymbol> = shown.flat_map(|&frame| symbolize(frame)).collect();
        let beyond = symbols.len().saturating_sub(MAX_FRAMES);
        symbols.truncate(MAX_FRAMES);
        Self {
            symbols,
            omitted: frames.len().saturating_sub(MAX_FRAMES) + beyond,
            frames: OnceLock::new(),
        }
    }

    /// The frames, innermost first.
    #[must_use]
    pub fn frames(&self) -> &[FrameInfo] {
        self.frames.get_or_init(|| {
            let mut known = KnownNames::default();
            self.symbols.iter().map(|symbol| known.describe(symbol)).collect()
        })
    }
}

impl fmt::Debug for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmBacktrace").field("frames", &self.frames()).finish()
    }
}

impl FrameInfo {
    /// The index of the function in its module.
    #[must_use]
    pub fn func_index(&self) -> u32 {
        self.func_index
    }

    /// The name of the function, if it has one.
    #[must_use]
    pub fn func_name(&self) -> Option<&str> {
        self.func_name.as_deref()
    }

    /// The module's own name.
    #[must_use]
    pub fn module_name(&self) -> Option<&str> {
        self.module_name.as_deref()
    }

    /// Offset in the module's binary of the operator that was executing.
    #[must_use]
    pub fn module_offset(&self) -> Option<usize> {
        self.module_offset
    }

    /// The same, from the start of the function's body.
    #[must_use]
    pub fn func_offset(&self) -> Option<usize> {
        self.module_offset?.checked_sub(self.func_start)
    }
}

impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error while executing at wasm backtrace:")?;
        for (i, frame) in self.frames().iter().enumerate() {
            write!(f, "\n    {i:>3}: ")?;
            if let Some(offset) = frame.module_offset {
                write!(f, "{offset:#6x} - ")?;
            }
            let module = frame.module_name.as_deref().unwrap_or("<unknown>");
            match &frame.func_name {
                Some(name) => write!(f, "{module}!{name}")?,
                None => write!(f, "{module}!<wasm function {}>", frame.func_index)?,
            }
        }
        if self.omitted > 0 {
            write!(f, "\n    ... {} more frames", self.omitted)?;
        }
        Ok(())
    }
}

/// The name section of the module described last: neighbours are usually of the same module.
#[derive(Default)]
struct KnownNames(Option<(usize, NameSection)>);

impl KnownNames {
    fn describe(&mut self, symbol: &FrameSymbol) -> FrameInfo {
        let source = symbol.code.source();
        let module = &source.module;
        let bytes = (*source.bytes).as_ref();
        let index = module.func_index(symbol.func);
        if let Some(range) = &module.name_section
            && self.0.as_ref().is_none_or(|known| known.0 != bytes.as_ptr().addr())
        {
            self.0 = Some((bytes.as_ptr().addr(), NameSection::parse(bytes, range.clone())));
        }
        let names = self.0.as_ref().filter(|_| module.name_section.is_some());
        let name = names.and_then(|(_, names)| names.function_name(bytes, index.0));
        FrameInfo {
            module_name: module.name.clone(),
            func_index: index.0,
            func_name: name.map(str::to_owned),
            module_offset: symbol.module_offset.map(|offset| offset as usize),
            func_start: module.bodies[symbol.func.index()].range.start,
        }
    }
}

/// The error of a call that was left; resumes the panic of a host function.
#[cold]
pub(crate) fn exit_error(store: &mut StoreInner, exit: Exit) -> Error {
    store.note_exit(&exit);
    match exit.reason {
        ExitReason::Panic(panic) => std::panic::resume_unwind(panic),
        ExitReason::Error(error) if exit.frames.is_empty() => error,
        ExitReason::Error(error) if error.is::<WasmBacktrace>() => error,
        ExitReason::Error(error) => error.context(WasmBacktrace::new(&exit.frames)),
    }
}
