//! Linear memories as machine code sees them.

use crate::types::MemoryType;

/// Base and current length of a memory; owned by the store (by the shared memory when shared).
#[repr(C)]
#[derive(Debug)]
pub struct MemoryDef {
    /// First byte.
    pub base: *mut u8,
    /// Bytes accessible now. Other threads grow a shared memory, so it is read anew at each use.
    pub len_bytes: u64,
}

/// A memory in an instance: imports and definitions look the same.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MemorySlot {
    /// The base of a memory that never moves ([`MemoryStyle::Guarded`] and shared memories);
    /// of no meaning for others.
    pub base: *mut u8,
    /// The memory.
    pub def: *mut MemoryDef,
}

/// How accesses to a memory are kept in bounds; part of the key of compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryStyle {
    /// 4 GiB and a guard are reserved: the base is fixed, and an access whose constant offset plus
    /// size is at most `guard_bytes` needs no check.
    Guarded {
        /// Bytes behind the 4 GiB that are never accessible.
        guard_bytes: u64,
    },
    /// Every access compares with the current length.
    Checked {
        /// Whether the base can change when the memory grows.
        may_move: bool,
    },
}

impl MemoryStyle {
    /// Whether [`MemorySlot::base`] holds for the life of the instance.
    #[must_use]
    pub const fn has_fixed_base(self) -> bool {
        !matches!(self, Self::Checked { may_move: true })
    }
}

impl MemoryType {
    /// Whether a 32-bit address and guard pages alone can bound accesses to such a memory.
    #[must_use]
    pub const fn can_be_guarded(&self) -> bool {
        !self.is_64 && self.page_size_log2 == 16
    }
}
