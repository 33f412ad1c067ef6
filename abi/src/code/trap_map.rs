//! Trap maps: which instruction may fault, and what trap that is.
//!
//! Sorted pairs of code offset and trap code. Example: a `ud2` at offset 0x40 for `unreachable` and
//! a load at 0x10 give `[(0x10, MemoryOutOfBounds), (0x40, Unreachable)]`.

use crate::trap::Trap;

/// Traps by the offset of the faulting instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrapMap {
    offsets: Vec<u32>,
    codes: Vec<u8>,
}

impl TrapMap {
    /// A map from pairs in any order. Offsets must be unique.
    #[must_use]
    pub fn from_unsorted(mut entries: Vec<(u32, Trap)>) -> Self {
        if !entries.is_sorted_by_key(|entry| entry.0) {
            entries.sort_unstable_by_key(|entry| entry.0);
        }
        Self::from_sorted(entries.into_iter())
    }

    /// A map from pairs in ascending order of their offsets, which must be unique.
    #[must_use]
    pub fn from_sorted(entries: impl Iterator<Item = (u32, Trap)> + Clone) -> Self {
        debug_assert!(entries.clone().is_sorted_by(|a, b| a.0 < b.0), "one trap per instruction");
        Self {
            offsets: entries.clone().map(|entry| entry.0).collect(),
            codes: entries.map(|entry| entry.1 as u8).collect(),
        }
    }

    /// The trap of the instruction at `offset`.
    #[must_use]
    pub fn lookup(&self, offset: u32) -> Option<Trap> {
        let i = self.offsets.binary_search(&offset).ok()?;
        Trap::from_u8(self.codes[i])
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Trap)> + '_ {
        self.offsets.iter().zip(&self.codes).filter_map(|(&o, &c)| Some((o, Trap::from_u8(c)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_exact_offsets_only() {
        let map = TrapMap::from_unsorted(vec![
            (0x40, Trap::Unreachable),
            (0x10, Trap::MemoryOutOfBounds),
        ]);
        assert_eq!(map.lookup(0x10), Some(Trap::MemoryOutOfBounds));
        assert_eq!(map.lookup(0x40), Some(Trap::Unreachable));
        assert_eq!(map.lookup(0x11), None);
    }
}
