//! Memory of a store's objects, and what machine code reads and writes to allocate.
//!
//! ```text
//! 0 ─ inaccessible ─ NULL_GUARD_BYTES ─ objects ──────────────────────── 4 GiB ─ one page
//! ```
//!
//! All of it is reserved once and costs memory as it is touched. An offset is any 32-bit number:
//! whatever a corrupt object holds, an access stays within the reservation, or faults in the guard.

use super::context::Context;
use super::exception::ExnPtr;
use super::func::FuncPtr;
use super::pages::{Reservation, page_bytes};
use crate::fallible;
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::mem::offset_of;
use std::ops::Range;
use upshift_abi::layout::{
    CARD_SHIFT, ExnHeader, FuncRef, NULL_GUARD_BYTES, OBJECT_ALIGN, ThreadContext,
};

/// Objects up to this size are copied word by word.
const INLINE_COPY_BYTES: u32 = 128;
/// Offset from which on the memory of large heaps comes in huge pages.
const HUGE_PAGES_START: usize = 8 << 20;
/// Cards that are looked at together.
const CARDS_PER_WORD: usize = size_of::<u64>();
/// Bytes of address space for objects.
pub(crate) const HEAP_BYTES: u64 = 1 << 32;

/// See the module head.
#[derive(Debug)]
pub(crate) struct HeapMemory {
    memory: Reservation,
    /// Offsets of old objects that were written; machine code appends.
    log: Reservation,
    /// A byte for each card ([`CARD_SHIFT`]) of memory, not 0 when it was written; machine code
    /// marks.
    cards: Reservation,
}

macro_rules! accesses {
    ($($read:ident $write:ident $ty:ty;)*) => {$(
        /// Reads at an offset.
        #[inline]
        pub(crate) fn $read(&self, offset: u32) -> $ty {
            let place = self.place(offset).cast::<$ty>();
            // SAFETY: the place lies in the reservation, which this thread has.
            unsafe { place.read_unaligned() }
        }

        /// Writes at an offset.
        #[inline]
        pub(crate) fn $write(&mut self, offset: u32, value: $ty) {
            let place = self.place(offset).cast::<$ty>();
            // SAFETY: as above.
            unsafe { place.write_unaligned(value) };
        }
    )*};
}

impl HeapMemory {
    /// Address space for a heap; nothing is in use.
    pub(crate) fn new() -> std::io::Result<Self> {
        let len = usize::try_from(HEAP_BYTES).expect("addresses have 64 bits");
        let reserve = |len| {
            fallible::permit().map_err(|_| std::io::ErrorKind::OutOfMemory)?;
            Ok::<_, std::io::Error>(Reservation::new_committed(len)?)
        };
        let memory = reserve(len + page_bytes())?;
        memory.protect_none(0..NULL_GUARD_BYTES as usize)?;
        // One entry for each object that there can be, and one more.
        let log = reserve(len / 2 / OBJECT_ALIGN as usize * 4 + page_bytes())?;
        let cards = reserve(len >> CARD_SHIFT)?;
        Ok(Self { memory, log, cards })
    }

    /// Has memory come in huge pages from some offset on, where the system has them: collections
    /// and programs visit large heaps in no order, and much of what that costs is finding pages.
    pub(crate) fn prefer_huge_pages(&self) {
        let len = usize::try_from(HEAP_BYTES).expect("addresses have 64 bits");
        // Where the system has none, pages stay small.
        let _ = self.memory.prefer_huge_pages(HUGE_PAGES_START..len);
    }

    /// What offsets count from; never changes.
    pub(crate) fn base(&self) -> *mut u8 {
        self.memory.base().as_ptr()
    }

    #[inline]
    fn place(&self, offset: u32) -> *mut u8 {
        self.base().wrapping_add(offset as usize)
    }

    accesses! {
        read_u8 write_u8 u8;
        read_u16 write_u16 u16;
        read_u32 write_u32 u32;
        read_u64 write_u64 u64;
        read_u128 write_u128 u128;
    }

    /// Words that lie one behind the other.
    pub(crate) fn words(&self, offset: u32, count: u32) -> &[u32] {
        let end = u64::from(offset) + u64::from(count) * size_of::<u32>() as u64;
        assert!(offset.is_multiple_of(4) && end <= HEAP_BYTES, "words of the heap");
        let place = self.place(offset).cast::<u32>();
        // SAFETY: they lie in the reservation, aligned, and nothing writes there while the heap is
        // borrowed: machine code is not running.
        unsafe { std::slice::from_raw_parts(place, count as usize) }
    }

    /// Copies `len` bytes; the ranges may overlap.
    pub(crate) fn copy(&mut self, to: u32, from: u32, len: u32) {
        assert!(u64::from(to.max(from)) + u64::from(len) <= HEAP_BYTES, "within the heap");
        // SAFETY: both ranges lie in the reservation.
        unsafe { std::ptr::copy(self.place(from), self.place(to), len as usize) };
    }

    /// Copies an object of `len` bytes, a multiple of 8, to where nothing is.
    #[inline]
    pub(crate) fn copy_object(&mut self, to: u32, from: u32, len: u32) {
        if len > INLINE_COPY_BYTES {
            return self.copy(to, from, len);
        }
        // Small objects are so frequent that a call would cost more than the copy.
        for at in (0..len).step_by(size_of::<u64>()) {
            let word = self.read_u64(from.wrapping_add(at));
            self.write_u64(to.wrapping_add(at), word);
        }
    }

    /// Has the processor fetch what lies at an offset.
    #[inline]
    pub(crate) fn prefetch(&self, offset: u32) {
        let place = self.place(offset).cast::<i8>();
        // SAFETY: a hint, which never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place) };
    }

    /// Sets `len` bytes.
    pub(crate) fn fill(&mut self, at: u32, byte: u8, len: u32) {
        assert!(u64::from(at) + u64::from(len) <= HEAP_BYTES, "within the heap");
        // SAFETY: the range lies in the reservation.
        unsafe { self.place(at).write_bytes(byte, len as usize) };
    }

    /// Copies bytes of the host into the heap.
    pub(crate) fn write_bytes(&mut self, at: u32, bytes: &[u8]) {
        assert!(u64::from(at) + bytes.len() as u64 <= HEAP_BYTES, "within the heap");
        // SAFETY: the range lies in the reservation, which no slice of Rust's is part of.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.place(at), bytes.len()) };
    }

    /// Gives the whole pages of a range back; it reads as zero afterwards.
    pub(crate) fn release(&mut self, range: Range<u64>) {
        let position = |at: u64| usize::try_from(at).expect("addresses have 64 bits");
        let start = position(range.start).next_multiple_of(page_bytes());
        let end = position(range.end) / page_bytes() * page_bytes();
        if start < end {
            // Advice that the kernel does not take leaves everything as it is.
            let _ = self.memory.zero(start..end);
        }
    }

    /// The number of offsets in the log.
    pub(crate) fn log_len(&self, context: &Context) -> usize {
        let end = context.field::<*mut u32>(offset_of!(ThreadContext, gc_log));
        (end.addr() - self.log.base().as_ptr().addr()) / size_of::<u32>()
    }

    /// An offset in the log.
    pub(crate) fn logged(&self, position: usize) -> u32 {
        assert!(position < self.log.len() / size_of::<u32>(), "an object is in the log once");
        let place = self.log.base().as_ptr().cast::<u32>().wrapping_add(position);
        // SAFETY: the place lies in the reservation, where machine code and `log` write.
        unsafe { place.read() }
    }

    /// Empties the log; its offsets can be read until others are written.
    pub(crate) fn empty_log(&self, context: &Context) {
        let start = self.log.base().as_ptr().cast::<u32>();
        context.set_field(offset_of!(ThreadContext, gc_log), start);
    }

    /// Tells machine code where the log and the cards are.
    pub(crate) fn set_barrier(&self, context: &Context) {
        self.empty_log(context);
        context.set_field(offset_of!(ThreadContext, gc_cards), self.cards.base().as_ptr());
    }

    /// The cards with these numbers.
    fn cards_mut(&mut self, cards: Range<u32>) -> &mut [u8] {
        assert!(cards.start <= cards.end && cards.end as usize <= self.cards.len());
        let first = self.cards.base().as_ptr().wrapping_add(cards.start as usize);
        // SAFETY: they lie in the reservation, of which `&mut self` has the only borrow, and
        // machine code is not running.
        unsafe { std::slice::from_raw_parts_mut(first, cards.len()) }
    }

    /// Marks cards, as machine code does.
    pub(crate) fn mark_cards(&mut self, cards: Range<u32>) {
        self.cards_mut(cards).fill(1);
    }

    /// The first of the cards that is marked, which it is not afterwards; those behind are left.
    pub(crate) fn take_card(&mut self, cards: &mut Range<u32>) -> Option<u32> {
        let found = first_marked(self.cards_mut(cards.clone()));
        let Some(found) = found else {
            cards.start = cards.end;
            return None;
        };
        let card = cards.start + u32::try_from(found).expect("one of the cards");
        self.cards_mut(card..card + 1).fill(0);
        cards.start = card + 1;
        Some(card)
    }

    /// Adds an object to the log, as machine code does.
    pub(crate) fn log(&mut self, context: &Context, offset: u32) {
        let end = context.field::<*mut u32>(offset_of!(ThreadContext, gc_log));
        let last = self.log.base().as_ptr().addr() + self.log.len() - size_of::<u32>();
        assert!(end.addr() <= last, "an object is in the log once");
        // SAFETY: there is room.
        unsafe { end.write(offset) };
        context.set_field(offset_of!(ThreadContext, gc_log), end.wrapping_add(1));
    }
}

fn first_marked(cards: &[u8]) -> Option<usize> {
    let clear = |word: &&[u8]| word.iter().all(|&card| card == 0);
    let skipped = CARDS_PER_WORD * cards.chunks(CARDS_PER_WORD).take_while(clear).count();
    let found = cards.get(skipped..)?.iter().position(|&card| card != 0)?;
    Some(skipped + found)
}

impl Context {
    /// Where the next object goes, and the end of the room for objects.
    pub(crate) fn allocation(&self) -> (u64, u64) {
        let cursor = self.field(offset_of!(ThreadContext, alloc_cursor));
        (cursor, self.field(offset_of!(ThreadContext, alloc_limit)))
    }

    /// Sets what [`Self::allocation`] says.
    pub(crate) fn set_allocation(&self, cursor: u64, limit: u64) {
        assert!(limit <= HEAP_BYTES && cursor <= limit, "room within the heap");
        self.set_field(offset_of!(ThreadContext, alloc_cursor), cursor);
        self.set_field(offset_of!(ThreadContext, alloc_limit), limit);
    }

    /// Takes note of a write to a global that may refer to an object, as machine code does.
    pub(crate) fn note_global_write(&self) {
        self.set_field(offset_of!(ThreadContext, globals_written), 1u8);
    }

    /// Whether a global was written since the last time.
    pub(crate) fn take_global_writes(&self) -> bool {
        let written: u8 = self.field(offset_of!(ThreadContext, globals_written));
        self.set_field(offset_of!(ThreadContext, globals_written), 0u8);
        written != 0
    }

    /// What a refill is to make room for.
    pub(crate) fn alloc_request(&self) -> u32 {
        let bytes: u64 = self.field(offset_of!(ThreadContext, alloc_request));
        u32::try_from(bytes).expect("machine code allocates small objects")
    }

    /// The value that machine code passes besides the arguments.
    pub(crate) fn passed_value(&self) -> [u64; 2] {
        self.field(offset_of!(ThreadContext, value))
    }

    /// Passes a value to machine code.
    pub(crate) fn pass_value(&self, value: [u64; 2]) {
        self.set_field(offset_of!(ThreadContext, value), value);
    }

    /// Sets the table of function records; it is to be set again whenever it moves.
    pub(crate) fn set_func_table(&self, table: &[Option<FuncPtr>]) {
        let table: *const *const FuncRef = table.as_ptr().cast();
        self.set_field(offset_of!(ThreadContext, func_table), table);
    }

    /// Sets the table of exceptions; it is to be set again whenever it moves.
    pub(crate) fn set_exn_table(&self, table: &[Option<ExnPtr>]) {
        let table: *const *const ExnHeader = table.as_ptr().cast();
        self.set_field(offset_of!(ThreadContext, exn_table), table);
    }

    fn field<T: Copy>(&self, offset: usize) -> T {
        let place = self.thread_ptr().wrapping_byte_add(offset).cast::<T>();
        // SAFETY: the callers name fields of this type, which belong to the thread that has the
        // store, which is this one.
        unsafe { place.read() }
    }

    fn set_field<T: Copy>(&self, offset: usize, value: T) {
        let place = self.thread_ptr().wrapping_byte_add(offset).cast::<T>();
        // SAFETY: as in `field`.
        unsafe { place.write(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Settings;

    #[test]
    fn what_is_written_is_read_and_released_pages_are_zero() {
        let mut heap = HeapMemory::new().unwrap();
        heap.write_u32(NULL_GUARD_BYTES, 7);
        heap.write_u64(u32::MAX - 7, 9);
        heap.write_u128(1 << 20, 5 << 100);
        assert_eq!(heap.words((1 << 20) + 8, 3), [0, 5 << 4, 0]);
        assert_eq!(heap.read_u32(NULL_GUARD_BYTES), 7);
        assert_eq!((heap.read_u64(u32::MAX - 7), heap.read_u128(1 << 20)), (9, 5 << 100));
        heap.copy(1 << 21, 1 << 20, 16);
        assert_eq!(heap.read_u128(1 << 21), 5 << 100);
        heap.release(1 << 20..2 << 20);
        assert_eq!((heap.read_u128(1 << 20), heap.read_u128(1 << 21)), (0, 5 << 100));
    }

    #[test]
    fn cards_are_taken_once() {
        let mut heap = HeapMemory::new().unwrap();
        heap.mark_cards(100..103);
        heap.mark_cards(120..121);
        let mut take = |mut cards: Range<u32>| -> Vec<u32> {
            std::iter::from_fn(|| heap.take_card(&mut cards)).collect()
        };
        assert_eq!(take(101..120), [101, 102]);
        assert_eq!(take(0..1000), [100, 120]);
        assert_eq!(take(0..1000), []);
    }

    #[test]
    fn the_log_is_what_was_appended() {
        let mut heap = HeapMemory::new().unwrap();
        let context = Context::new(Settings::default());
        heap.set_barrier(&context);
        heap.log(&context, 8);
        heap.log(&context, 16);
        assert_eq!(heap.log_len(&context), 2);
        assert_eq!([heap.logged(0), heap.logged(1)], [8, 16]);
        heap.empty_log(&context);
        assert_eq!(heap.log_len(&context), 0);
    }
}
