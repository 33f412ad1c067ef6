//! Arenas of machine code.
//!
//! ```text
//! reservation:  [ data: RW, anonymous ][ text: RX, shared mapping of a memfd ]
//! elsewhere:                           [ alias: RW, shared mapping of the memfd ]
//! ```
//!
//! Nothing is ever writable and executable. Text is written through the alias, before anybody
//! knows its address, and never again. The file is sparse, so what is not used costs nothing. The
//! data part holds entry slots: words that machine code reads relative to its pc.

use super::code_map::{GRANULE_BYTES, Registration};
use super::pages::{Reservation, page_bytes, sparse_file};
use crate::code::ModuleCode;
use memmap2::{MmapOptions, MmapRaw};
use rustix::mm::{self, Advice};
use std::io;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What machine code and stubs are called in the list of a process's mappings, behind `memfd:`.
pub const CODE_MAPPING_NAME: &str = "upshift-code";

/// Most bytes of an arena, so that everything in it is in reach of 32-bit displacements.
pub(crate) const MAX_ARENA_BYTES: usize = (1 << 31) - (1 << 20);

/// Text below this is not asked for ahead of use.
const POPULATE_FROM: usize = 256 << 10;
/// Most text asked for ahead of use.
const MAX_POPULATE_BYTES: usize = 1 << 20;

/// Memory for machine code and its data words.
#[derive(Debug)]
pub(crate) struct CodeArena {
    pages: Reservation,
    alias: MmapRaw,
    /// Start of data in `pages`, at a granule.
    start: usize,
    data_bytes: usize,
    text_bytes: usize,
    /// Bytes of text handed out.
    used: AtomicUsize,
    /// Bytes of the alias whose pages were asked for ahead of use.
    populated: AtomicUsize,
}

/// A part of an arena's text that belongs to nobody else and was not written yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Offset in the text.
    pub(crate) offset: usize,
    /// Length.
    pub(crate) len: usize,
}

impl CodeArena {
    /// An arena with room for `words` data words and `text_bytes` of text, both rounded up.
    pub(crate) fn new(words: usize, text_bytes: usize) -> io::Result<Self> {
        let data_bytes = words.saturating_mul(size_of::<usize>()).next_multiple_of(page_bytes());
        let total = data_bytes.saturating_add(text_bytes);
        if total > MAX_ARENA_BYTES {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        }
        let total = total.next_multiple_of(GRANULE_BYTES);
        let text_bytes = total - data_bytes;
        let pages = Reservation::new(total + GRANULE_BYTES - page_bytes())?;
        let base = pages.base().as_ptr().addr();
        let start = base.next_multiple_of(GRANULE_BYTES) - base;
        let file = sparse_file(CODE_MAPPING_NAME, text_bytes)?;
        pages.commit(start..start + data_bytes)?;
        let text = start + data_bytes;
        pages.map_executable(text..text + text_bytes, file.as_fd(), 0)?;
        let alias = MmapOptions::new().len(text_bytes).map_raw(&file)?;
        Ok(Self {
            pages,
            alias,
            start,
            data_bytes,
            text_bytes,
            used: AtomicUsize::new(0),
            populated: AtomicUsize::new(0),
        })
    }

    /// Makes `module` known as the owner of the arena's addresses.
    pub(crate) fn register(&self, module: *const ModuleCode) -> io::Result<Registration> {
        let start = self.pages.base().as_ptr().addr() + self.start;
        Registration::new(start..start + self.data_bytes + self.text_bytes, module)
    }

    /// Address of the first byte of text, as code runs there.
    pub(crate) fn text_address(&self) -> usize {
        self.pages.base().as_ptr().expose_provenance() + self.start + self.data_bytes
    }

    /// Bytes of text handed out.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes of text there are.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Takes `len` bytes of text, aligned; `None` when the arena is full.
    pub(crate) fn allocate(&self, len: usize, align: usize) -> Option<Span> {
        self.allocate_at(len, align, 0)
    }

    /// Takes `len` bytes of text that begin `phase` bytes behind a multiple of `align`; `None` when
    /// the arena is full.
    pub(crate) fn allocate_at(&self, len: usize, align: usize, phase: usize) -> Option<Span> {
        debug_assert!(align.is_power_of_two() && align <= page_bytes() && phase < align);
        let start = |used: usize| used + (phase.wrapping_sub(used) & (align - 1));
        let fits = |used: usize| start(used).checked_add(len).filter(|&end| end <= self.text_bytes);
        let old = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Span { offset: start(old), len })
    }

    /// Writes a part that was allocated; the bytes can be run when this has returned.
    pub(crate) fn write(&self, span: Span, bytes: &[u8]) {
        assert_eq!(span.len, bytes.len(), "a span is written as a whole");
        assert!(span.offset + span.len <= self.text_bytes);
        self.populate(span.offset + span.len);
        let place = self.alias.as_mut_ptr().wrapping_add(span.offset);
        // SAFETY: the span lies in the alias, and `allocate` gave it to the caller alone.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    }

    /// Asks for pages ahead of `end`, an eighth of what is there already: one call of the kernel
    /// for many pages is cheaper than a fault for each. Small arenas go without.
    fn populate(&self, end: usize) {
        let populated = self.populated.load(Ordering::Relaxed);
        if end <= populated.max(POPULATE_FROM) {
            return;
        }
        let start = end.next_multiple_of(page_bytes()).max(populated);
        let ahead = (end / 8).next_multiple_of(page_bytes()).min(MAX_POPULATE_BYTES);
        let next = (start + ahead).min(self.text_bytes);
        let (from, order) = (populated, Ordering::Relaxed);
        if self.populated.compare_exchange(from, next, order, order).is_ok() && start < next {
            let place = self.alias.as_mut_ptr().wrapping_add(start).cast();
            // Without it, pages come by faults.
            // SAFETY: the range lies in the alias; making pages present changes no content.
            let _ = unsafe { mm::madvise(place, next - start, Advice::LinuxPopulateWrite) };
        }
    }

    /// Allocates and writes; the offset in the text, `None` when the arena is full.
    pub(crate) fn append(&self, bytes: &[u8], align: usize) -> Option<usize> {
        let span = self.allocate(bytes.len(), align)?;
        let offset = span.offset;
        self.write(span, bytes);
        Some(offset)
    }

    /// The bytes of text that were written at `offset`.
    pub(crate) fn text(&self, offset: usize, len: usize) -> &[u8] {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.used_bytes()));
        let place = self.alias.as_ptr().wrapping_add(offset);
        // SAFETY: the range was handed out; callers ask for code that was published, which is
        // never written again.
        unsafe { std::slice::from_raw_parts(place, len) }
    }

    /// The data words, which machine code reads.
    pub(crate) fn words(&self) -> &[AtomicUsize] {
        let data = self.pages.base().as_ptr().wrapping_add(self.start).cast::<AtomicUsize>();
        // SAFETY: the data part is committed for the life of the arena, zero at first, and only
        // accessed as atomic words.
        unsafe { std::slice::from_raw_parts(data, self.data_bytes / size_of::<usize>()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_begins_where_it_asked_to_in_a_line() {
        let arena = CodeArena::new(1, 1 << 16).unwrap();
        let mut end = 0;
        for (len, phase) in [(1, 0), (7, 5), (40, 5), (3, 31), (32, 0), (1, 30)] {
            let span = arena.allocate_at(len, 32, phase).unwrap();
            assert_eq!((span.offset % 32, span.len), (phase, len));
            assert!((end..end + 32).contains(&span.offset), "{span:?} behind {end}");
            end = span.offset + len;
        }
        assert_eq!(arena.allocate_at(1 << 20, 32, 3), None);
    }
}
