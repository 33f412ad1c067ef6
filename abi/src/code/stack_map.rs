//! Stack maps: which frame slots hold references at a safepoint.
//!
//! Slots are positive distances below the frame pointer: the entry 24 means the 8 bytes at
//! `[rbp - 24]`. Some slots hold references at every safepoint of the function (those of locals in
//! baseline code); others are listed for each return address. All lists share one vector.
//!
//! At a call of a builtin that preserves every register, general registers may hold references too:
//! the stub saves them, and the collector changes what the stub restores.

/// Reference slots by return address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackMaps {
    /// Slots that hold references at every safepoint.
    always: Vec<u32>,
    sites: Vec<Site>,
    slots: Vec<u32>,
}

/// What holds references at a return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Site {
    return_offset: u32,
    /// Its part of the slots.
    start: u32,
    end: u32,
    /// General registers by hardware number.
    registers: u16,
}

impl StackMaps {
    /// Maps of a function whose slots `always` hold references at every safepoint.
    #[must_use]
    pub fn new(always: Vec<u32>) -> Self {
        Self { always, ..Self::default() }
    }

    /// Adds the map of the call that returns to `return_offset`; offsets must ascend. `registers`
    /// is a set of general registers by hardware number, empty but for calls that preserve them.
    ///
    /// # Panics
    /// When offsets do not ascend.
    pub fn push(
        &mut self,
        return_offset: u32,
        slots: impl IntoIterator<Item = u32>,
        registers: u16,
    ) {
        let last = self.sites.last();
        assert!(last.is_none_or(|last| last.return_offset < return_offset), "ascending offsets");
        let bound = |n: usize| u32::try_from(n).expect("slots of one function fit 32 bits");
        let start = bound(self.slots.len());
        self.slots.extend(slots);
        let end = bound(self.slots.len());
        if end > start || registers != 0 {
            self.sites.push(Site { return_offset, start, end, registers });
        }
    }

    /// The slots at a return address.
    pub fn lookup(&self, return_offset: u32) -> impl Iterator<Item = u32> + '_ {
        let listed = self.site(return_offset).map(|site| site.start as usize..site.end as usize);
        let listed = &self.slots[listed.unwrap_or(0..0)];
        self.always.iter().chain(listed).copied()
    }

    /// The general registers that hold references at a return address, by hardware number.
    #[must_use]
    pub fn registers(&self, return_offset: u32) -> u16 {
        self.site(return_offset).map_or(0, |site| site.registers)
    }

    fn site(&self, return_offset: u32) -> Option<&Site> {
        let found = self.sites.binary_search_by_key(&return_offset, |site| site.return_offset);
        found.ok().map(|i| &self.sites[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_by_return_address() {
        let mut maps = StackMaps::new(vec![16]);
        maps.push(0x10, [24, 32], 0);
        maps.push(0x20, [], 0);
        maps.push(0x30, [8], 1 << 3);
        assert_eq!(maps.lookup(0x10).collect::<Vec<_>>(), [16, 24, 32]);
        assert_eq!(maps.lookup(0x20).collect::<Vec<_>>(), [16]);
        assert_eq!(maps.lookup(0x30).collect::<Vec<_>>(), [16, 8]);
        assert_eq!((maps.registers(0x10), maps.registers(0x30)), (0, 8));
    }
}
