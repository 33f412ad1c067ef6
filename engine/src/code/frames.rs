//! What a frame's pc means.

use super::module_code::ModuleCode;
use crate::vm::{Frame, code_map};
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

/// What a frame stands for, which belongs to a store that is still alive: its function and operator,
/// and before it, innermost first, functions whose bodies were inlined there.
pub(crate) fn symbolize(frame: Frame) -> Vec<FrameSymbol> {
    symbols(frame).unwrap_or_default()
}

fn symbols(frame: Frame) -> Option<Vec<FrameSymbol>> {
    let pc = if frame.is_exact { frame.pc } else { frame.pc.checked_sub(1)? };
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
