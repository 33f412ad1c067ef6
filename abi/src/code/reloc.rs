//! Relocations: 32-bit places in code that depend on the final address.

use crate::index::DefinedFuncIndex;

/// One place to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reloc {
    /// Offset of the 4-byte little-endian displacement. It is relative to the byte after it.
    pub offset: u32,
    /// What it refers to.
    pub target: RelocTarget,
}

/// What a relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocTarget {
    /// The entry slot of a function of the same module: 8 bytes that hold its current entry point.
    EntrySlot(DefinedFuncIndex),
}
