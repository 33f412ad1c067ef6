//! Basic blocks with exact counts.
//!
//! ```text
//! offset   operator        block (after, end)
//! 0x30                     (0x30, 0x34)   the body begins at 0x30; its counter counts entries
//! 0x32     local.get 0
//! 0x34     loop            (0x34, 0x3a)   counts turns of the loop
//! 0x36     local.get 0
//! 0x38     br_if 0 …
//! ```

use crate::module::Module;

/// A basic block whose entries are counted: the operators in `after + 1 ..= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedBlock {
    /// Offset in the module of the operator that the block stands behind; the start of the body
    /// for the first block.
    pub after: u32,
    /// Offset of its last operator; `after` when it has none.
    pub end: u32,
}

impl CountedBlock {
    /// The number of its 64-bit counter: each byte of the code section has one.
    ///
    /// # Panics
    /// When the block is not of this module.
    #[must_use]
    pub fn counter(&self, module: &Module) -> usize {
        let start = module.code_section.start;
        (self.after as usize).checked_sub(start).expect("bodies lie in the code section")
    }
}
