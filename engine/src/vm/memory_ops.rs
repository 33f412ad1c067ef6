//! Bulk operations on memories, for runtime functions and the embedder.
//!
//! Bounds are checked before anything is written. Large operations run in chunks and ask `poll`
//! between them, so that they can be interrupted; an `Err` of it ends them half done. Memories may
//! be shared, so bytes are only touched through raw pointers.

use super::memory::MemoryPtr;
use anyhow::Error;
use std::ptr;
use upshift_abi::trap::Trap;

/// Bytes moved between two polls.
const CHUNK: usize = 1 << 20;

/// Asked between chunks.
pub(crate) type Poll<'a> = &'a mut dyn FnMut() -> Result<(), Error>;

impl MemoryPtr {
    /// `memory.fill`
    pub(crate) fn fill(self, dst: u64, value: u8, len: u64, poll: Poll<'_>) -> Result<(), Error> {
        let (dst, len) = self.checked(dst, len)?;
        for chunk in chunks(len, false) {
            // SAFETY: the whole range was checked against the length, which never shrinks.
            unsafe { ptr::write_bytes(dst.wrapping_add(chunk.0), value, chunk.1) };
            poll_after(len, poll)?;
        }
        Ok(())
    }

    /// `memory.copy` from `source` (maybe the same memory) to `self`.
    pub(crate) fn copy(
        self,
        dst: u64,
        (source, src): (Self, u64),
        len: u64,
        poll: Poll<'_>,
    ) -> Result<(), Error> {
        let (from, _) = source.checked(src, len)?;
        let (to, len) = self.checked(dst, len)?;
        let backwards = from.addr() < to.addr() && to.addr() < from.addr() + len;
        for (start, count) in chunks(len, backwards) {
            // SAFETY: both ranges were checked against the lengths, which never shrink; chunks
            // go in the direction that reads every byte before it is overwritten.
            unsafe { ptr::copy(from.wrapping_add(start), to.wrapping_add(start), count) };
            poll_after(len, poll)?;
        }
        Ok(())
    }

    /// `memory.copy` within the memory, when that is in bounds and does not poll; else nothing is
    /// written.
    pub(super) fn copy_small(self, dst: u64, src: u64, len: u64) -> bool {
        let parts = self.parts();
        let (Ok((from, _)), Ok((to, len))) = (within(parts, src, len), within(parts, dst, len))
        else {
            return false;
        };
        if len > CHUNK {
            return false;
        }
        // SAFETY: both ranges were checked against the length, which never shrinks.
        unsafe { ptr::copy(from, to, len) };
        true
    }

    /// `memory.fill`, likewise.
    pub(super) fn fill_small(self, dst: u64, value: u8, len: u64) -> bool {
        let Ok((dst, len)) = self.checked(dst, len) else { return false };
        if len > CHUNK {
            return false;
        }
        // SAFETY: the range was checked against the length, which never shrinks.
        unsafe { ptr::write_bytes(dst, value, len) };
        true
    }

    /// `memory.init`: `len` bytes of `data` from `src` on.
    pub(crate) fn init(
        self,
        dst: u64,
        (data, src): (&[u8], u64),
        len: u64,
        poll: Poll<'_>,
    ) -> Result<(), Error> {
        let (to, len) = self.checked(dst, len)?;
        let from = usize::try_from(src)
            .ok()
            .and_then(|src| data.get(src..src.checked_add(len)?))
            .ok_or(Trap::MemoryOutOfBounds)?;
        for (start, count) in chunks(len, false) {
            // SAFETY: both ranges were checked; a segment is never part of a memory.
            unsafe {
                ptr::copy_nonoverlapping(
                    from.as_ptr().wrapping_add(start),
                    to.wrapping_add(start),
                    count,
                );
            };
            poll_after(len, poll)?;
        }
        Ok(())
    }

    /// Reads `buffer.len()` bytes.
    pub(crate) fn read(self, offset: u64, buffer: &mut [u8]) -> Result<(), Trap> {
        let (from, len) = self.checked(offset, buffer.len() as u64)?;
        // SAFETY: the range was checked; a buffer of Rust is never part of a memory in use.
        unsafe { ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), len) };
        Ok(())
    }

    /// Writes `data`.
    pub(crate) fn write(self, offset: u64, data: &[u8]) -> Result<(), Trap> {
        let (to, len) = self.checked(offset, data.len() as u64)?;
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to, len) };
        Ok(())
    }

    /// The address of an aligned atomic cell of `size` bytes, for wait and notify: the key of its
    /// wait queue.
    pub(crate) fn atomic_address(self, offset: u64, size: u64) -> Result<usize, Trap> {
        if !offset.is_multiple_of(size) {
            return Err(Trap::HeapMisaligned);
        }
        Ok(self.checked(offset, size)?.0.addr())
    }

    /// Reads an aligned 32-bit cell atomically.
    pub(crate) fn load_u32(self, offset: u64) -> Result<u32, Trap> {
        self.atomic_address(offset, 4)?;
        let (place, _) = self.checked(offset, 4)?;
        // SAFETY: in bounds and aligned (memories start at a page).
        let cell = unsafe { std::sync::atomic::AtomicU32::from_ptr(place.cast::<u32>()) };
        Ok(cell.load(std::sync::atomic::Ordering::SeqCst))
    }

    /// Reads an aligned 64-bit cell atomically.
    pub(crate) fn load_u64(self, offset: u64) -> Result<u64, Trap> {
        self.atomic_address(offset, 8)?;
        let (place, _) = self.checked(offset, 8)?;
        // SAFETY: in bounds and aligned (memories start at a page).
        let cell = unsafe { std::sync::atomic::AtomicU64::from_ptr(place.cast::<u64>()) };
        Ok(cell.load(std::sync::atomic::Ordering::SeqCst))
    }

    /// The place and length of a range that lies in the memory.
    fn checked(self, start: u64, len: u64) -> Result<(*mut u8, usize), Trap> {
        within(self.parts(), start, len)
    }
}

/// The place and length of a range that lies in a memory with this first byte and length.
fn within((base, size): (*mut u8, usize), start: u64, len: u64) -> Result<(*mut u8, usize), Trap> {
    let end = start.checked_add(len).ok_or(Trap::MemoryOutOfBounds)?;
    if end > size as u64 {
        return Err(Trap::MemoryOutOfBounds);
    }
    let fits = |n: u64| usize::try_from(n).expect("below the memory's length");
    Ok((base.wrapping_add(fits(start)), fits(len)))
}

/// Start and length of each chunk of an operation.
fn chunks(len: usize, backwards: bool) -> impl Iterator<Item = (usize, usize)> {
    let count = len.div_ceil(CHUNK);
    (0..count).map(move |i| {
        let start = if backwards { count - 1 - i } else { i } * CHUNK;
        (start, CHUNK.min(len - start))
    })
}

/// Asks `poll` when the operation has more than one chunk.
fn poll_after(len: usize, poll: Poll<'_>) -> Result<(), Error> {
    if len > CHUNK { poll() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{LinearMemory, MemoryPlan};
    use super::*;
    use upshift_abi::layout::MemoryStyle;
    use upshift_abi::types::MemoryType;

    fn memory(pages: u64) -> LinearMemory {
        LinearMemory::new(MemoryPlan {
            ty: MemoryType {
                is_64: false,
                shared: false,
                minimum: pages,
                maximum: None,
                page_size_log2: 16,
            },
            style: MemoryStyle::Checked { may_move: true },
            max_reserved_bytes: 0,
        })
        .unwrap()
    }

    #[test]
    fn overlapping_copies_over_chunks_behave_like_memmove() {
        for (src, dst) in [(0u64, 700_000u64), (700_000, 0)] {
            let mut memory = memory(64);
            let bytes: Vec<u8> =
                (0..4_000_000u32).map(|i| ((i * 7) >> 3).to_le_bytes()[0]).collect();
            memory.data_mut()[..bytes.len()].copy_from_slice(&bytes);
            let mut model = memory.data().to_vec();
            let at = |n: u64| usize::try_from(n).unwrap();
            model.copy_within(at(src)..at(src) + 3_000_000, at(dst));
            let handle = memory.ptr();
            let mut polls = 0;
            handle
                .copy(dst, (handle, src), 3_000_000, &mut || {
                    polls += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!(polls, 3);
            assert!(memory.data() == model);
        }
    }

    #[test]
    fn bounds_are_checked_first() {
        let memory = memory(1);
        let handle = memory.ptr();
        let never: Poll<'_> = &mut || Ok(());
        let trap = |r: Result<(), Error>| r.unwrap_err().downcast::<Trap>().unwrap();
        assert_eq!(trap(handle.fill(65535, 1, 2, never)), Trap::MemoryOutOfBounds);
        assert_eq!(trap(handle.fill(u64::MAX, 1, 2, never)), Trap::MemoryOutOfBounds);
        handle.fill(65536, 1, 0, never).unwrap();
        assert_eq!(memory.data()[65535], 0);
        assert_eq!(trap(handle.init(0, (b"ab", 1), 2, never)), Trap::MemoryOutOfBounds);
        assert_eq!(handle.load_u32(2), Err(Trap::HeapMisaligned));
    }
}
