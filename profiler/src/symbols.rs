//! From addresses to names.

use crate::host_names::HostNames;
use crate::maps::{self, Mapping};
use crate::names::Names;
use crate::profile::{Category, Frame, FunctionId, Functions};
use crate::source::{SourceFrame, SourceLine, SourceMap};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write};
use upshift::{CodeKind, CodeLocation, Module};
use wasmparser::{BinaryReader, FunctionBody, Operator};

/// Addresses of the kernel begin here.
pub(crate) const KERNEL_START: usize = 1 << 63;

/// Finds what addresses stand for, each once.
#[derive(Debug)]
pub struct Symbols<'a> {
    module: &'a Module,
    names: Names<'a>,
    source: SourceMap<'a>,
    /// Lines of source of the frames that were found and have one.
    lines: BTreeMap<(u32, FunctionId), SourceLine>,
    known: HashMap<(usize, Category), Vec<Frame>>,
    wasm: HashMap<(u32, Category), FunctionId>,
    /// Functions that the module's compiler inlined, by the function that they are in.
    inlined: HashMap<(u32, Category, String), FunctionId>,
    host: HashMap<(String, Category), FunctionId>,
    host_names: HostNames,
    maps: Vec<Mapping>,
}

impl<'a> Symbols<'a> {
    /// The symbols of a module and of the process.
    #[must_use]
    pub fn new(module: &'a Module) -> Self {
        let maps = maps::of_process();
        Self {
            module,
            names: Names::new(module),
            source: SourceMap::new(module),
            lines: BTreeMap::new(),
            known: HashMap::new(),
            wasm: HashMap::new(),
            inlined: HashMap::new(),
            host: HashMap::new(),
            host_names: HostNames::new(&maps),
            maps,
        }
    }

    /// The frame of an address, behind those of functions that were inlined there. `exact` is an
    /// instruction, others are return addresses. Code of the host is of the category `host`.
    pub fn frames(
        &mut self,
        functions: &mut Functions,
        address: usize,
        (exact, host): (bool, Category),
    ) -> Vec<Frame> {
        let inside = if exact { address } else { address.saturating_sub(1) };
        if let Some(known) = self.known.get(&(inside, host)) {
            return known.clone();
        }
        let frames = self.look_up(functions, inside, host);
        self.known.insert((inside, host), frames.clone());
        frames
    }

    fn look_up(&mut self, functions: &mut Functions, address: usize, host: Category) -> Vec<Frame> {
        let mut frames = Vec::new();
        for location in self.module.code_frames(address) {
            self.add_frames(functions, location, &mut frames);
        }
        if !frames.is_empty() {
            return frames;
        }
        let (name, category) = if address >= KERNEL_START {
            ("the kernel".to_owned(), host)
        } else if let Some(name) = upshift::stub_name(address) {
            (format!("{name} (stub)"), Category::Stub)
        } else if upshift::is_machine_code(address) {
            ("calls through references (stubs)".to_owned(), Category::Stub)
        } else if self.is_stub(address) {
            ("stubs of the engine".to_owned(), Category::Stub)
        } else {
            (self.host_name(address), host)
        };
        let function = *self
            .host
            .entry((name, category))
            .or_insert_with_key(|(name, _)| functions.add(name.clone(), category, None));
        vec![Frame { function, module_offset: None }]
    }

    /// The frame of a function of the module, behind those of functions that its compiler inlined there.
    fn add_frames(
        &mut self,
        functions: &mut Functions,
        location: CodeLocation,
        frames: &mut Vec<Frame>,
    ) {
        let category = match location.kind {
            CodeKind::Optimized => Category::Optimized,
            CodeKind::Osr => Category::Osr,
            _ => Category::Baseline,
        };
        let (index, module_offset) = (location.func, location.module_offset);
        let mut source = module_offset.map_or(Vec::new(), |offset| self.source.frames(offset));
        let own = source.pop().unwrap_or(SourceFrame { name: None, line: None });
        for SourceFrame { name, line } in source {
            let name = name.map_or_else(|| "inlined function".to_owned(), |name| demangle(&name));
            let function =
                *self.inlined.entry((index, category, name)).or_insert_with_key(|(_, _, name)| {
                    functions.add_inlined(name.clone(), category, index)
                });
            self.add_frame((function, module_offset), line, frames);
        }
        let (module, names) = (self.module, &mut self.names);
        let function = *self.wasm.entry((index, category)).or_insert_with(|| {
            let named = module.function_name(index).filter(|name| !name.is_empty());
            let named = named.or(own.name.as_deref());
            let name = named.map_or_else(|| unnamed(index), |name| readable(name, index));
            functions.add(names.distinct(name, index), category, Some(index))
        });
        self.add_frame((function, module_offset), own.line, frames);
    }

    fn add_frame(
        &mut self,
        (function, module_offset): (FunctionId, Option<u32>),
        line: Option<SourceLine>,
        frames: &mut Vec<Frame>,
    ) {
        if let (Some(offset), Some(line)) = (module_offset, line) {
            self.lines.insert((offset, function), line);
        }
        frames.push(Frame { function, module_offset });
    }

    /// The lines of all frames that were found, by offset and function, and the names of functions.
    pub(crate) fn into_parts(self) -> (BTreeMap<(u32, FunctionId), SourceLine>, Names<'a>) {
        (self.lines, self.names)
    }

    /// Whether it is code that all modules share.
    fn is_stub(&self, address: usize) -> bool {
        self.mapped(address).contains(&format!("memfd:{}", upshift::CODE_MAPPING_NAME))
    }

    /// What is mapped at an address.
    fn mapped(&self, address: usize) -> &str {
        let inside = |map: &&Mapping| map.range.contains(&(address as u64));
        self.maps.iter().find(inside).map_or("", |map| map.path.as_str())
    }

    /// The name of a function of the host; where there is none, what it is part of.
    fn host_name(&mut self, address: usize) -> String {
        self.host_names.find(address).unwrap_or_else(|| {
            match self.mapped(address).rsplit('/').next().filter(|name| !name.is_empty()) {
                Some(name) => format!("code in {name}"),
                None => "unknown host code".to_owned(),
            }
        })
    }
}

/// The operators of a function of a module, each with its offset in the module; none when the
/// function has no body.
pub(crate) fn operators(
    module: &Module,
    index: u32,
) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(Operator<'_>, u32)>>> {
    let range = module.function_body_range(index).unwrap_or_default();
    let bytes = &module.bytes()[range.clone()];
    let body = FunctionBody::new(BinaryReader::new(bytes, range.start as u64));
    let operators = body.get_operators_reader()?.into_iter_with_offsets();
    Ok(operators.map(|found| {
        let (operator, offset) = found?;
        Ok((operator, u32::try_from(offset)?))
    }))
}

/// The name of a function of a module, readable, and no longer than `MOST_CHARS`.
#[must_use]
pub fn function_name(module: &Module, index: u32) -> String {
    module.function_name(index).map_or_else(|| unnamed(index), |name| readable(name, index))
}

/// The name of a function as people read it. An empty one is none.
pub(crate) fn readable(name: &str, index: u32) -> String {
    if name.is_empty() { unnamed(index) } else { demangle(name) }
}

/// What stands for the name of a function that has none.
#[must_use]
pub fn unnamed(index: u32) -> String {
    format!("func[{index}]")
}

/// Characters of a name that are kept. Each sample of a deep stack has many names, and a short mangled name can
/// stand for millions of characters.
const MOST_CHARS: usize = 1000;

/// A name as its programmer wrote it, for Rust and C++, and no longer than `MOST_CHARS`.
#[must_use]
pub fn demangle(name: &str) -> String {
    let mut out = Shortened::default();
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return out.written(|out| write!(out, "{rust:#}"));
    }
    let cpp = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name).ok()).flatten();
    let options = cpp_demangle::DemangleOptions::new();
    match cpp {
        Some(symbol) if symbol.structured_demangle(&mut out, &options).is_ok() || out.is_full() => {
            out.text
        }
        _ => kept(name),
    }
}

/// As much of a text as is kept of a name.
pub(crate) fn kept(text: &str) -> String {
    Shortened::default().written(|out| out.write_str(text))
}

/// Text that takes `MOST_CHARS` and refuses what follows.
#[derive(Default)]
struct Shortened {
    text: String,
    chars: usize,
}

impl Shortened {
    fn is_full(&self) -> bool {
        self.chars > MOST_CHARS
    }

    /// What was written, with `…` behind it when that was not all.
    fn written(mut self, write: impl FnOnce(&mut Self) -> fmt::Result) -> String {
        // It fails when there is more than is kept.
        let _ = write(&mut self);
        self.text
    }
}

impl Write for Shortened {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for c in part.chars() {
            self.chars += 1;
            if self.is_full() {
                self.text.push('…');
                return Err(fmt::Error);
            }
            self.text.push(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_demangled() {
        assert_eq!(
            demangle("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"),
            "core::fmt::Write::write_fmt"
        );
        assert_eq!(demangle("_Z3fooi"), "foo(int)");
        assert_eq!(demangle("main"), "main");
        assert_eq!(demangle("_Zbroken"), "_Zbroken");
    }

    #[test]
    fn long_names_are_cut() {
        let cut = |name: &str| {
            let name = demangle(name);
            assert_eq!(
                (name.chars().count(), name.ends_with('…')),
                (MOST_CHARS + 1, true),
                "{name}"
            );
            name
        };
        assert_eq!(demangle(&"ü".repeat(MOST_CHARS)), "ü".repeat(MOST_CHARS));
        cut(&"ü".repeat(MOST_CHARS + 1));
        // Each argument has an earlier one twice, by a reference.
        let mut name = "_Z1f1AI1BE".to_owned();
        for back in "0123456789ABCD".chars() {
            name.push_str(&format!("S_IS{back}_S{back}_E"));
        }
        assert!(cut(&name).starts_with("f(A<B>, A<B, B>, A<A<B>, A<B> >, "), "{name}");
        let mut name = "_RIC0TppE".to_owned();
        for back in ["2", "6", "e", "m", "u", "C", "K", "S", "10", "18"] {
            name.push_str(&format!("TB{back}_B{back}_E"));
        }
        name.push('E');
        cut(&name);
    }
}
