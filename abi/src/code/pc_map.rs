//! Pc maps: from code offsets to offsets in the module.
//!
//! An entry holds from its code offset up to the next entry. Calls are looked up with the return
//! address less one. Example: `[(0x10, 0x120), (0x18, 0x124)]` maps 0x10..0x18 to byte 0x120 of the
//! module and what follows to 0x124.

/// Wasm offsets by code offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PcMap {
    entries: Vec<(u32, u32)>,
}

impl PcMap {
    /// A map from entries (code offset, module offset) in any order.
    #[must_use]
    pub fn from_unsorted(mut entries: Vec<(u32, u32)>) -> Self {
        if !entries.is_sorted_by_key(|entry| entry.0) {
            entries.sort_by_key(|entry| entry.0);
        }
        Self { entries }
    }

    /// The module offset of the operator that the instruction at `offset` belongs to.
    #[must_use]
    pub fn lookup(&self, offset: u32) -> Option<u32> {
        let after = self.entries.partition_point(|entry| entry.0 <= offset);
        Some(self.entries[after.checked_sub(1)?].1)
    }

    /// All entries in order.
    #[must_use]
    pub fn entries(&self) -> &[(u32, u32)] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_holds_up_to_the_next() {
        let map = PcMap::from_unsorted(vec![(0x18, 0x124), (0x10, 0x120)]);
        assert_eq!(map.lookup(0x0f), None);
        assert_eq!(map.lookup(0x17), Some(0x120));
        assert_eq!(map.lookup(0x99), Some(0x124));
    }
}
