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

/// The function and operator of a frame, which belongs to a store that is still alive.
pub(crate) fn symbolize(frame: Frame) -> Option<FrameSymbol> {
    let pc = if frame.is_exact { frame.pc } else { frame.pc.checked_sub(1)? };
    code_map::with_module(pc, |module| {
        let function = module.function_at(pc)?;
        let offset = u32::try_from(module.text_offset(pc)? - function.start).ok()?;
        Some(FrameSymbol {
            code: module.to_arc()?,
            func: function.index,
            module_offset: function.tables.pcs.lookup(offset),
        })
    })
    .flatten()
}
