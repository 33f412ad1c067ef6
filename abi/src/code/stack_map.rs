//! Stack maps: which frame slots hold references at a safepoint.
//!
//! Keyed by return address offset. A map lists slots as positive distances below the frame pointer:
//! the entry 24 means the 8 bytes at `[rbp - 24]`. All maps share one vector of slots.

/// Reference slots by return address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackMaps {
    /// Return address offset, start and end in `slots`.
    sites: Vec<(u32, u32, u32)>,
    slots: Vec<u32>,
}

impl StackMaps {
    /// Adds the map of the call that returns to `return_offset`; offsets must ascend.
    ///
    /// # Panics
    /// When offsets do not ascend.
    pub fn push(&mut self, return_offset: u32, slots: impl IntoIterator<Item = u32>) {
        assert!(self.sites.last().is_none_or(|last| last.0 < return_offset), "ascending offsets");
        let start = self.slots.len();
        self.slots.extend(slots);
        let bound = |n: usize| u32::try_from(n).expect("slots of one function fit 32 bits");
        if self.slots.len() > start {
            self.sites.push((return_offset, bound(start), bound(self.slots.len())));
        }
    }

    /// The slots at a return address; empty when there are none.
    #[must_use]
    pub fn lookup(&self, return_offset: u32) -> &[u32] {
        match self.sites.binary_search_by_key(&return_offset, |site| site.0) {
            Ok(i) => &self.slots[self.sites[i].1 as usize..self.sites[i].2 as usize],
            Err(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_by_return_address() {
        let mut maps = StackMaps::default();
        maps.push(0x10, [24, 32]);
        maps.push(0x20, []);
        maps.push(0x30, [8]);
        assert_eq!(maps.lookup(0x10), [24, 32]);
        assert_eq!(maps.lookup(0x20), [0u32; 0]);
        assert_eq!(maps.lookup(0x30), [8]);
    }
}
