//! OSR maps: the state of the frame at each loop header of baseline code.
//!
//! Keyed by the return address of the header's slow-path call (the call of
//! [`crate::builtin::Builtin::hot_function`]), where every register holds what it holds at the
//! header. An entry names where each local, and each operand below and of the loop, is.

/// Where a value is at a loop header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OsrPlace {
    /// In the frame, at this distance below the frame pointer.
    Slot(u32),
    /// In a general register.
    Int(u8),
    /// In a vector register.
    Float(u8),
    /// A constant.
    Const(u64),
}

/// State at one loop header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsrEntry {
    /// Offset of the `loop` operator in the module.
    pub loop_offset: u32,
    /// Only places that differ from the canonical frame slot, as (local, place).
    pub locals: Box<[(u32, OsrPlace)]>,
    /// The operand stack, bottom first.
    pub operands: Box<[OsrPlace]>,
}

/// States by return address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsrMap {
    /// Canonical slot of each local, as distance below the frame pointer.
    pub local_slots: Box<[u32]>,
    entries: Vec<(u32, OsrEntry)>,
}

impl OsrMap {
    /// A map with the canonical slots of all locals and entries in any order.
    #[must_use]
    pub fn new(local_slots: Box<[u32]>, mut entries: Vec<(u32, OsrEntry)>) -> Self {
        entries.sort_by_key(|entry| entry.0);
        Self { local_slots, entries }
    }

    /// The state behind a return address.
    #[must_use]
    pub fn lookup(&self, return_offset: u32) -> Option<&OsrEntry> {
        let i = self.entries.binary_search_by_key(&return_offset, |entry| entry.0).ok()?;
        Some(&self.entries[i].1)
    }
}
