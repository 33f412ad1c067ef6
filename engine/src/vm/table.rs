//! Tables: elements of 8 bytes that machine code reads and writes through [`TableDef`].
//!
//! Of a table with cards, collections look at what was written only: [`TablePtr::update_young`] at
//! what was since the last time, [`TablePtr::visit`] at all that was ever. Memory that nobody wrote is
//! not touched. Machine code marks the cards of `table.set`; all other ways to write lead here.

use crate::fallible::{self, OutOfMemory};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::ptr::{self, NonNull};
use upshift_abi::layout::{TABLE_CARD_SHIFT, TABLE_CARD_WRITTEN, TABLE_CARD_YOUNG, TableDef};
use upshift_abi::trap::Trap;

/// A table that a store owns.
#[derive(Debug)]
pub(crate) struct TableBox {
    /// The elements: `def.base` points to them. Only touched through that pointer.
    elements: Vec<u64>,
    /// The cards, none when the table has none: `def.cards` points to them, as above.
    cards: Option<Vec<u8>>,
    def: Box<UnsafeCell<TableDef>>,
}

// SAFETY: the table owns its elements; it is used by the thread that has the store.
unsafe impl Send for TableBox {}
// SAFETY: shared references give out nothing but the address.
unsafe impl Sync for TableBox {}

impl TableBox {
    /// A table of `len` elements with these bits; `None` when there is no memory for it.
    pub(crate) fn new(len: u64, init: u64, has_cards: bool) -> Option<Self> {
        let len = usize::try_from(len).ok()?;
        let elements = if init == 0 {
            zeroed(len)?
        } else {
            let mut elements = Vec::new();
            elements.try_reserve_exact(len).ok()?;
            elements.resize(len, init);
            elements
        };
        let cards = if has_cards { Some(zeroed(cards_for(len))?) } else { None };
        let (base, cards_at) = (ptr::null_mut(), ptr::null_mut());
        let def = TableDef { base, len: 0, cards: cards_at, is_written: 0 };
        let mut table = Self { elements, cards, def: Box::new(UnsafeCell::new(def)) };
        table.publish();
        table.ptr().mark(0..len, init);
        Some(table)
    }

    /// Tells machine code where everything is.
    fn publish(&mut self) {
        let def = self.def.get_mut();
        def.base = self.elements.as_mut_ptr();
        def.len = self.elements.len() as u64;
        def.cards = self.cards.as_mut().map_or(ptr::null_mut(), Vec::as_mut_ptr);
    }

    /// The handle, valid as long as `self`.
    pub(crate) fn ptr(&self) -> TablePtr {
        TablePtr::from_ptr(self.def.get())
    }

    /// Grows by `delta` elements with these bits: the old length, or `None` when there is no
    /// memory for it. Limits of the type and of the host are the caller's to check.
    pub(crate) fn grow(&mut self, delta: u64, init: u64) -> Option<u64> {
        let old = self.elements.len();
        let delta = usize::try_from(delta).ok()?;
        let len = old.checked_add(delta)?;
        let reserved = self.reserve(len);
        if reserved.is_ok() {
            if let Some(cards) = &mut self.cards {
                cards.resize(cards_for(len), 0);
            }
            self.elements.resize(len, init);
        }
        // Also when there is no room for all: what there is may have moved.
        self.publish();
        reserved.ok()?;
        self.ptr().mark(old..len, init);
        Some(old as u64)
    }

    /// Makes room for `len` elements and their cards.
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        fallible::reserve(&mut self.elements, len)?;
        match &mut self.cards {
            Some(cards) => fallible::reserve(cards, cards_for(len)),
            None => Ok(()),
        }
    }
}

/// Zeroes without touching them.
fn zeroed<T: Copy + Default>(len: usize) -> Option<Vec<T>> {
    let mut probe = Vec::<T>::new();
    // A failing reservation is an answer, not an abort; the kernel commits nothing for it.
    probe.try_reserve_exact(len).ok()?;
    drop(probe);
    Some(vec![T::default(); len])
}

/// The number of cards of `len` elements.
const fn cards_for(len: usize) -> usize {
    len.div_ceil(1 << TABLE_CARD_SHIFT)
}

/// A handle of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TablePtr(NonNull<TableDef>);

// SAFETY: a handle; the module head of `vm` says who keeps the table alive and who uses it.
unsafe impl Send for TablePtr {}
// SAFETY: as above.
unsafe impl Sync for TablePtr {}

impl TablePtr {
    pub(super) fn from_ptr(def: *mut TableDef) -> Self {
        Self(NonNull::new(def).expect("tables are connected before they are used"))
    }

    pub(super) fn as_ptr(self) -> *mut TableDef {
        self.0.as_ptr()
    }

    /// Number of elements.
    pub(crate) fn len(self) -> u64 {
        self.parts().1 as u64
    }

    /// The bits of an element.
    pub(crate) fn get(self, index: u64) -> Option<u64> {
        let place = self.place(self.checked(index, 1).ok()?.start);
        // SAFETY: the index was checked.
        Some(unsafe { place.read() })
    }

    /// Sets the bits of an element.
    pub(crate) fn set(self, index: u64, bits: u64) -> Result<(), Trap> {
        self.write(index, &[bits])
    }

    /// Replaces the elements that were written since the last time, but for null, by what `update`
    /// returns for them. Only for tables with cards.
    pub(crate) fn update_young(self, mut update: impl FnMut(u64) -> u64) {
        if !self.take_written() {
            return;
        }
        let mut left = 0..cards_for(self.parts().1);
        while let Some(card) = self.next_card(&mut left, TABLE_CARD_YOUNG) {
            let mut is_null = true;
            for place in self.elements_of(card) {
                // SAFETY: the element is one of the table's.
                let bits = unsafe { place.read() };
                if bits == 0 {
                    continue;
                }
                is_null = false;
                let new = update(bits);
                if new != bits {
                    // SAFETY: as above.
                    unsafe { place.write(new) };
                }
            }
            let state = if is_null { 0 } else { TABLE_CARD_WRITTEN & !TABLE_CARD_YOUNG };
            self.set_cards(card..card + 1, state);
        }
    }

    /// Calls `visit` with all elements but null. Only for tables with cards.
    pub(crate) fn visit(self, mut visit: impl FnMut(u64)) {
        let mut left = 0..cards_for(self.parts().1);
        while let Some(card) = self.next_card(&mut left, TABLE_CARD_WRITTEN) {
            for place in self.elements_of(card) {
                // SAFETY: the element is one of the table's.
                let bits = unsafe { place.read() };
                if bits != 0 {
                    visit(bits);
                }
            }
        }
    }

    /// `table.fill`
    pub(crate) fn fill(self, dst: u64, bits: u64, len: u64) -> Result<(), Trap> {
        let range = self.checked(dst, len)?;
        for i in range.clone() {
            // SAFETY: the whole range was checked.
            unsafe { self.place(i).write(bits) };
        }
        self.mark(range, bits);
        Ok(())
    }

    /// `table.copy` from `source` (maybe the same table) to `self`.
    pub(crate) fn copy(self, dst: u64, (source, src): (Self, u64), len: u64) -> Result<(), Trap> {
        let from = source.checked(src, len)?;
        let range = self.checked(dst, len)?;
        // SAFETY: both ranges were checked; `copy` allows overlap.
        unsafe { ptr::copy(source.place(from.start), self.place(range.start), range.len()) };
        self.mark(range, u64::MAX);
        Ok(())
    }

    /// Writes elements from `dst` on; for `table.init` and segments.
    pub(crate) fn write(self, dst: u64, bits: &[u64]) -> Result<(), Trap> {
        let range = self.checked(dst, bits.len() as u64)?;
        let to = self.place(range.start);
        // SAFETY: the range was checked; a slice of Rust is never part of a table.
        unsafe { ptr::copy_nonoverlapping(bits.as_ptr(), to, bits.len()) };
        self.mark(range, u64::MAX);
        Ok(())
    }

    /// Marks the cards of elements that were written, unless what was written is null.
    fn mark(self, range: Range<usize>, bits: u64) {
        if range.is_empty() || bits == 0 || self.cards().is_null() {
            return;
        }
        let shift = TABLE_CARD_SHIFT as usize;
        self.set_cards(range.start >> shift..((range.end - 1) >> shift) + 1, TABLE_CARD_WRITTEN);
        // SAFETY: as in `parts`.
        unsafe { (*self.0.as_ptr()).is_written = 1 };
    }

    fn set_cards(self, cards: Range<usize>, state: u8) {
        assert!(cards.end <= cards_for(self.parts().1), "cards of the table");
        let first = self.cards().wrapping_add(cards.start);
        // SAFETY: they are cards of the table.
        unsafe { first.write_bytes(state, cards.len()) };
    }

    /// Whether a card was marked since the last time.
    fn take_written(self) -> bool {
        let place = self.0.as_ptr();
        // SAFETY: as in `parts`.
        let written = unsafe { (*place).is_written };
        // SAFETY: as in `parts`.
        unsafe { (*place).is_written = 0 };
        written != 0
    }

    /// The first of the cards in `left` that has any of these bits; those behind are left.
    fn next_card(self, left: &mut Range<usize>, bits: u8) -> Option<usize> {
        let first = self.cards().wrapping_add(left.start);
        assert!(left.end <= cards_for(self.parts().1) && !self.cards().is_null());
        // SAFETY: they are cards of the table, which nobody writes now.
        let cards = unsafe { std::slice::from_raw_parts(first, left.len()) };
        let clear = |word: &&[u8]| word.iter().fold(0, |all, card| all | card) & bits == 0;
        let skipped = CARDS_AT_ONCE * cards.chunks(CARDS_AT_ONCE).take_while(clear).count();
        let found = cards.get(skipped..).unwrap_or(&[]).iter().position(|card| card & bits != 0);
        let card = found.map(|found| left.start + skipped + found);
        left.start = card.map_or(left.end, |card| card + 1);
        card
    }

    /// The elements that a card stands for.
    fn elements_of(self, card: usize) -> impl Iterator<Item = *mut u64> {
        let first = card << TABLE_CARD_SHIFT;
        let end = self.parts().1.min((card + 1) << TABLE_CARD_SHIFT);
        (first..end).map(move |i| self.place(i))
    }

    /// Where an element is.
    fn place(self, index: usize) -> *mut u64 {
        self.parts().0.wrapping_add(index)
    }

    /// The first card, null when the table has none.
    fn cards(self) -> *mut u8 {
        // SAFETY: as in `parts`.
        unsafe { (*self.0.as_ptr()).cards }
    }

    fn parts(self) -> (*mut u64, usize) {
        // SAFETY: the holder of the handle keeps the table alive and has the store.
        let TableDef { base, len, .. } = unsafe { self.0.as_ptr().read() };
        (base, usize::try_from(len).expect("it is allocated"))
    }

    fn checked(self, start: u64, len: u64) -> Result<Range<usize>, Trap> {
        let end = start.checked_add(len).ok_or(Trap::TableOutOfBounds)?;
        if end > self.len() {
            return Err(Trap::TableOutOfBounds);
        }
        let fits = |n: u64| usize::try_from(n).expect("below the table's length");
        Ok(fits(start)..fits(end))
    }
}

/// Cards that are looked at together.
const CARDS_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_that_is_refused_leaves_the_table_where_it_is() {
        for refused in 0..2 {
            let mut table = TableBox::new(300, 7, true).unwrap();
            let (grown, _) = fallible::refusing(refused..refused + 1, || table.grow(1 << 20, 9));
            assert_eq!(grown, None, "{refused}");
            let (base, len) = table.ptr().parts();
            assert_eq!((base.cast_const(), len), (table.elements.as_ptr(), 300));
            assert_eq!((table.ptr().get(299), table.ptr().get(300)), (Some(7), None));
            assert_eq!(table.grow(1 << 20, 9), Some(300));
            assert_eq!(table.ptr().get(300 + (1 << 20) - 1), Some(9));
        }
    }

    #[test]
    fn elements_survive_growth() {
        let mut table = TableBox::new(2, 0, true).unwrap();
        let handle = table.ptr();
        handle.set(1, 7).unwrap();
        assert_eq!(table.grow(1000, 9), Some(2));
        assert_eq!((handle.len(), handle.get(1), handle.get(2)), (1002, Some(7), Some(9)));
        assert_eq!((handle.get(0), handle.get(1002)), (Some(0), None));
        assert_eq!(young(handle).len(), 1001);
    }

    #[test]
    fn ranges_are_checked_before_anything_is_written() {
        let table = TableBox::new(4, 1, false).unwrap();
        let handle = table.ptr();
        assert_eq!(handle.fill(2, 5, 3), Err(Trap::TableOutOfBounds));
        assert_eq!(handle.copy(0, (handle, 3), 2), Err(Trap::TableOutOfBounds));
        handle.write(1, &[2, 3]).unwrap();
        handle.copy(0, (handle, 1), 3).unwrap();
        assert_eq!([0, 1, 2, 3].map(|i| handle.get(i).unwrap()), [2, 3, 1, 1]);
    }

    fn young(table: TablePtr) -> Vec<u64> {
        let mut found = Vec::new();
        table.update_young(|bits| {
            found.push(bits);
            bits + 1
        });
        found
    }

    fn all(table: TablePtr) -> Vec<u64> {
        let mut found = Vec::new();
        table.visit(|bits| found.push(bits));
        found
    }

    const PAGE: u64 = 1 << TABLE_CARD_SHIFT;

    #[test]
    fn only_what_was_written_is_looked_at() {
        let table = TableBox::new(100 * PAGE, 0, true).unwrap();
        let handle = table.ptr();
        assert!(young(handle).is_empty() && all(handle).is_empty());
        handle.set(70 * PAGE, 5).unwrap();
        handle.write(71 * PAGE - 1, &[6, 7]).unwrap();
        handle.fill(99 * PAGE, 0, PAGE).unwrap();
        assert_eq!(young(handle), [5, 6, 7]);
        assert!(young(handle).is_empty(), "nothing was written since");
        assert_eq!(all(handle), [6, 7, 8]);
        handle.copy(0, (handle, 70 * PAGE), 1).unwrap();
        assert_eq!((young(handle), all(handle)), (vec![6], vec![7, 6, 7, 8]));
        handle.set(71 * PAGE, 0).unwrap();
        assert_eq!(all(handle), [7, 6, 7]);
    }

    #[test]
    fn what_a_table_begins_with_is_looked_at() {
        let table = TableBox::new(PAGE + 1, 3, true).unwrap();
        assert_eq!(young(table.ptr()).len(), 129);
        table.ptr().fill(0, 0, PAGE).unwrap();
        table.ptr().set(0, 0).unwrap();
        assert!(young(table.ptr()).is_empty());
        assert_eq!(all(table.ptr()), [4]);
    }
}
