//! What a compiler hands to the engine: machine code and the tables that describe it.
//!
//! All offsets count from the first byte of [`CompiledFunction::code`], which is the entry point.
//! Tables are sorted by offset; the compiler asserts it when it writes, the engine when it reads.

mod counted_block;
mod handler_map;
mod inline_map;
mod osr_map;
mod pc_map;
mod reloc;
mod stack_map;
mod trap_map;

use crate::conv::CALLEE_SAVED;
use crate::index::DefinedFuncIndex;

pub use counted_block::CountedBlock;
pub use handler_map::{Handler, HandlerMap, HandlerSite};
pub use inline_map::{InlineFrame, InlineMap};
pub use osr_map::{OsrEntry, OsrMap, OsrPlace};
pub use pc_map::PcMap;
pub use reloc::{Reloc, RelocTarget};
pub use stack_map::StackMaps;
pub use trap_map::TrapMap;

/// Bytes of code that processors decode together. [`CodegenConfig::slow_jumps`] tells why that matters.
///
/// [`CodegenConfig::slow_jumps`]: crate::config::CodegenConfig::slow_jumps
pub const CODE_LINE_BYTES: usize = 32;

/// Instructions of `len` bytes in all that do nothing, as few as there can be.
pub fn nops(len: usize) -> impl Iterator<Item = u8> {
    let longest = NOPS[NOPS.len() - 1];
    let rest = (len % longest.len()).checked_sub(1).map_or(&[][..], |last| NOPS[last]);
    std::iter::repeat_n(longest, len / longest.len()).flatten().chain(rest).copied()
}

/// `nop` of one to nine bytes.
const NOPS: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// The result of compiling one function in one tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompiledFunction {
    /// Machine code, entry first; position-independent but for [`Self::relocs`].
    pub code: Vec<u8>,
    /// Places to fill in when the address is known.
    pub relocs: Vec<Reloc>,
    /// Instructions that may fault.
    pub traps: TrapMap,
    /// Wasm offsets of calls and traps.
    pub pcs: PcMap,
    /// Code of other functions' bodies.
    pub inlined: InlineMap,
    /// Frame slots that hold references at safepoints.
    pub stack_maps: StackMaps,
    /// Exception handlers of call sites.
    pub handlers: HandlerMap,
    /// Where the frame holds the caller's values of [`CALLEE_SAVED`], in bytes below the frame pointer; 0
    /// where the function leaves the register as it is. They are there at every call but that of
    /// [`crate::builtin::Builtin::stack_check`], which comes before the frame and never throws.
    pub saved: [u32; CALLEE_SAVED.len()],
    /// Loop headers where optimised code can take over.
    pub osr: OsrMap,
    /// Places in the code, ascending, where the builtin `loop_poll` may be called without a call
    /// instruction: all registers but the stack pointer are kept, and the return address is the
    /// place. Every turn of a loop that does not poll by itself passes one; loops without code of
    /// their own between them have the same.
    pub polls: Vec<u32>,
    /// Basic blocks whose entries are counted, by offset.
    pub blocks: Vec<CountedBlock>,
    /// Bytes of the frame below the saved frame pointer.
    pub frame_bytes: u32,
    /// Where in a line of [`CODE_LINE_BYTES`] the code is to begin.
    pub phase: u8,
}

impl CompiledFunction {
    /// What the code at `offset` belongs to when it is that of `func`: functions and the offsets of
    /// their operators in the module, where the table has them. The innermost inlined body comes
    /// first, then who calls it; `func` is the last.
    pub fn frames_at(
        &self,
        func: DefinedFuncIndex,
        offset: u32,
    ) -> impl Iterator<Item = (DefinedFuncIndex, Option<u32>)> + '_ {
        let mut at = self.pcs.lookup(offset);
        let inlined = self.inlined.lookup(offset).map(move |frame| (frame.func, frame.call));
        let inlined = inlined.map(Some).chain([None]);
        inlined.map(move |frame| match frame {
            Some((inner, call)) => (inner, at.replace(call)),
            None => (func, at),
        })
    }
}

/// Why a function cannot be compiled although it is valid: an implementation limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The frame would exceed the limit.
    #[error("function {func}: its frame needs {bytes} bytes, more than the limit of {limit}")]
    FrameTooLarge {
        /// Function index.
        func: u32,
        /// Bytes it would need.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The code would exceed the limit.
    #[error("function {func}: its machine code exceeds the limit of {limit} bytes")]
    CodeTooLarge {
        /// Function index.
        func: u32,
        /// Bytes allowed.
        limit: u64,
    },
    /// Calls and allocations would keep more references alive than stack maps may have.
    #[error("function {func}: its stack maps exceed the limit of {limit} references in all")]
    StackMapsTooLarge {
        /// Function index.
        func: u32,
        /// References allowed.
        limit: usize,
    },
    /// The code of the whole module would exceed what was reserved for it.
    #[error(
        "function {func}: with it, the module's machine code exceeds the limit of {limit} bytes"
    )]
    ModuleCodeTooLarge {
        /// Function index.
        func: u32,
        /// Bytes reserved.
        limit: u64,
    },
    /// The body could not be decoded; cannot happen for a validated module.
    #[error("function {func}: {message}")]
    Malformed {
        /// Function index.
        func: u32,
        /// What the decoder said.
        message: String,
    },
    /// An operator of a proposal that this tier does not have.
    #[error("function {func}, offset {offset:#x}: {operator} is not supported")]
    Unsupported {
        /// Function index.
        func: u32,
        /// Offset in the module.
        offset: u64,
        /// The operator's name.
        operator: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nops_fill_a_gap() {
        for len in 0..40 {
            assert_eq!(nops(len).count(), len);
        }
        assert_eq!(nops(11).collect::<Vec<_>>(), [NOPS[8], NOPS[1]].concat());
        assert_eq!(nops(9).collect::<Vec<_>>(), NOPS[8]);
    }
}
