//! OSR maps: the state of the frame at each loop header of baseline code.
//!
//! Keyed by the return address of the header's slow-path call (the call of
//! [`crate::builtin::Builtin::hot_function`]), where every register holds what it holds at the
//! header. An entry names where each local, and each operand below and of the loop, is. The frame is
//! taken down with [`super::CompiledFunction::saved`] and the map's return area.
//!
//! ```text
//! (func (param i64) (result i64) (local f32 v128)    local_slots  [56, 64, 80]
//!   i64.const 7
//!   local.get 0
//!   loop (param i64) ...                             return offset 131:
//!                                                      locals    [(0, Int(3)), (1, Float(0))]
//!                                                      operands  [Const(7), Slot(96)]
//! ```
//!
//! A place holds a value's bits from its low end on. What lies above the bits of the value's type,
//! in a register or a slot, means nothing.

/// Where a value is at a loop header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OsrPlace {
    /// In the frame, from this distance below the frame pointer up.
    Slot(u32),
    /// In a general register.
    Int(u8),
    /// In a vector register.
    Float(u8),
    /// A constant of a type other than `v128`.
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
    /// Where the address of the return area is, as distance below the frame pointer, when the function's
    /// type has one and the map entries.
    pub return_area: Option<u32>,
    /// Canonical slot of each local, as distance below the frame pointer.
    pub local_slots: Box<[u32]>,
    entries: Vec<(u32, OsrEntry)>,
}

impl OsrMap {
    /// Distance of the vmctx below the frame pointer in every frame of the baseline tier.
    pub const VMCTX_SLOT: u32 = 8;

    /// A map with the canonical slots of all locals and entries in any order.
    #[must_use]
    pub fn new(
        return_area: Option<u32>,
        local_slots: Box<[u32]>,
        mut entries: Vec<(u32, OsrEntry)>,
    ) -> Self {
        entries.sort_by_key(|entry| entry.0);
        Self { return_area, local_slots, entries }
    }

    /// All states, by return address.
    #[must_use]
    pub fn entries(&self) -> &[(u32, OsrEntry)] {
        &self.entries
    }

    /// The state behind a return address.
    #[must_use]
    pub fn lookup(&self, return_offset: u32) -> Option<&OsrEntry> {
        let i = self.entries.binary_search_by_key(&return_offset, |entry| entry.0).ok()?;
        Some(&self.entries[i].1)
    }
}
