//! Stack maps: which frame slots hold references at a safepoint.
//!
//! Slots are positive distances below the frame pointer: the entry 24 means the 8 bytes at
//! `[rbp - 24]`. Some slots hold references at every safepoint of the function (those of locals in
//! baseline code); others are listed for each return address. All lists share one vector.

/// Reference slots by return address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackMaps {
    /// Slots that hold references at every safepoint.
    always: Vec<u32>,
    /// Return address offset, start and end in `slots`.
    sites: Vec<(u32, u32, u32)>,
    slots: Vec<u32>,
}

impl StackMaps {
    /// Maps of a function whose slots `always` hold references at every safepoint.
    #[must_use]
    pub fn new(always: Vec<u32>) -> Self {
        Self { always, ..Self::default() }
    }

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

    /// The slots at a return address.
    pub fn lookup(&self, return_offset: u32) -> impl Iterator<Item = u32> + '_ {
        let site = self.sites.binary_search_by_key(&return_offset, |site| site.0).ok();
        let listed = site.map(|i| self.sites[i].1 as usize..self.sites[i].2 as usize);
        let listed = &self.slots[listed.unwrap_or(0..0)];
        self.always.iter().chain(listed).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_by_return_address() {
        let mut maps = StackMaps::new(vec![16]);
        maps.push(0x10, [24, 32]);
        maps.push(0x20, []);
        maps.push(0x30, [8]);
        assert_eq!(maps.lookup(0x10).collect::<Vec<_>>(), [16, 24, 32]);
        assert_eq!(maps.lookup(0x20).collect::<Vec<_>>(), [16]);
        assert_eq!(maps.lookup(0x30).collect::<Vec<_>>(), [16, 8]);
    }
}
