//! What a frame's pc means.

use super::module_code::ModuleCode;
use crate::tier::events::Subject;
use crate::vm::{Context, Frame, code_map};
use std::sync::Arc;
use upshift_abi::index::DefinedFuncIndex;

/// A frame with names for its numbers.
#[derive(Clone, Debug)]
pub(crate) struct FrameSymbol {
    /// The module's code; leads to the module and its bytes.
    pub(crate) code: Arc<ModuleCode>,
    /// The function.
    pub(crate) func: DefinedFuncIndex,
    /// Offset of the operator in the module's bytes, where the code's table has it.
    pub(crate) module_offset: Option<u32>,
}

/// The function of the machine code that called out of itself last; nothing when none is on the stack.
pub(crate) fn innermost(context: &Context) -> Subject {
    let left = context.probe().left_at();
    let symbols = left.and_then(|(_, pc)| symbols(pc.checked_sub(1)?)).unwrap_or_default();
    symbols.first().map(FrameSymbol::subject).unwrap_or_default()
}

impl FrameSymbol {
    /// The function as events name it.
    pub(crate) fn subject(&self) -> Subject {
        let tiering = self.code.tiering();
        tiering.map(|tiering| tiering.subject(self.func, None)).unwrap_or_default()
    }
}

/// What a frame stands for, which belongs to a store that is still alive: its function and operator,
/// and before it, innermost first, functions whose bodies were inlined there.
pub(crate) fn symbolize(frame: Frame) -> Vec<FrameSymbol> {
    symbols(if frame.is_exact { frame.pc } else { frame.pc.saturating_sub(1) }).unwrap_or_default()
}

fn symbols(pc: usize) -> Option<Vec<FrameSymbol>> {
    code_map::with_module(pc, |module| {
        let function = module.function_at(pc)?;
        let offset = u32::try_from(module.text_offset(pc)? - function.start).ok()?;
        let code = module.to_arc()?;
        let frames = function.tables.frames_at(function.index, offset);
        let symbol =
            |(func, module_offset)| FrameSymbol { code: Arc::clone(&code), func, module_offset };
        Some(frames.map(symbol).collect())
    })
    .flatten()
}
