//! The memory in which the kernel puts records: a page with positions, then the data, which begin anew
//! behind the last byte.
//!
//! ```text
//! … | not used | record, record, rec | page | ord, record | not used | …
//!              tail                  end   data           head
//! ```
//! Records have whole words, so the head of one is never divided. Both positions count all bytes that
//! there have been. The kernel moves the head and does not write between tail and head; whoever
//! has read a record moves the tail behind it.

use super::record::{HEAD_BYTES, record_bytes};
use memmap2::{MmapOptions, MmapRaw};
use perf_event_open_sys::bindings::perf_event_mmap_page;
use std::io;
use std::mem::offset_of;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE_BYTES: usize = 4096;
/// Pages of the data: at least what everybody may have, at most this. The kernel clears them all.
const DATA_PAGES: (usize, usize) = (128, 1024);
/// So much of a second finds a place, should the reader's thread have to wait.
const SECONDS: f64 = 0.06;

/// How many pages so many bytes per second want.
fn pages(bytes_per_second: f64) -> usize {
    let (least, most) = DATA_PAGES;
    let mut pages = least;
    while pages < most && bytes_per_second * SECONDS > (pages * PAGE_BYTES) as f64 {
        pages *= 2;
    }
    pages
}

/// The memory of a ring.
#[derive(Debug)]
pub(super) struct Ring {
    map: MmapRaw,
    data_bytes: usize,
}

impl Ring {
    /// A ring of this event for so many bytes per second, or as many as are permitted.
    pub(super) fn new(event: &OwnedFd, bytes_per_second: f64) -> io::Result<Self> {
        let pages = pages(bytes_per_second);
        Self::with_pages(event, pages).or_else(|_| Self::with_pages(event, DATA_PAGES.0))
    }

    fn with_pages(event: &OwnedFd, pages: usize) -> io::Result<Self> {
        let data_bytes = pages * PAGE_BYTES;
        let map = MmapOptions::new().len(PAGE_BYTES + data_bytes).map_raw(event)?;
        Ok(Self { map, data_bytes })
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        assert!(offset + size_of::<AtomicU64>() <= PAGE_BYTES, "a field of the first page");
        let place = self.map.as_mut_ptr().wrapping_add(offset).cast::<u64>();
        // SAFETY: the place lies in the map, which lives as long as this one. The kernel keeps
        // positions there, aligned, and accesses them as atomic ones.
        unsafe { AtomicU64::from_ptr(place) }
    }

    fn head(&self) -> &AtomicU64 {
        self.position(offset_of!(perf_event_mmap_page, data_head))
    }

    fn tail(&self) -> &AtomicU64 {
        self.position(offset_of!(perf_event_mmap_page, data_tail))
    }

    /// Shows each record where it is, and then frees its place. `joined` is space for one that is divided.
    pub(super) fn read(&mut self, joined: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
        let mut tail = self.tail().load(Ordering::Relaxed);
        let head = self.head().load(Ordering::Acquire);
        while tail < head {
            let left = usize::try_from(head - tail).unwrap_or(usize::MAX);
            let size = record_bytes(self.data(tail, HEAD_BYTES.min(left)));
            let Some(size) = size.filter(|&size| size <= left) else {
                // Not what the kernel writes; what follows cannot be told apart.
                self.tail().store(head, Ordering::Release);
                return;
            };
            let first = self.data(tail, size);
            if first.len() == size {
                each(first);
            } else {
                joined.clear();
                joined.extend_from_slice(first);
                let rest = size - first.len();
                joined.extend_from_slice(self.data(tail + first.len() as u64, rest));
                each(joined);
            }
            tail += size as u64;
            self.tail().store(tail, Ordering::Release);
        }
    }

    /// What is at a position between tail and head: so many bytes, or fewer where the data end.
    fn data(&self, position: u64, len: usize) -> &[u8] {
        let place = usize::try_from(position % self.data_bytes as u64).unwrap_or(0);
        let len = len.min(self.data_bytes - place);
        let data = self.map.as_mut_ptr().wrapping_add(PAGE_BYTES + place).cast_const();
        // SAFETY: `len` bytes from there lie in the map. The kernel writes nothing between the tail
        // and the head, and `read` alone moves the tail, when it no longer has what this gave.
        unsafe { std::slice::from_raw_parts(data, len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memmap2::MmapMut;

    #[test]
    fn rings_are_as_large_as_their_rate_wants() {
        let at_rate = |rate: f64| pages(6_700.0 * rate);
        assert_eq!([997.0, 2_000.0, 10_000.0].map(at_rate), [128, 256, 1024]);
    }

    /// A ring of two pages, whose tail and head are here.
    fn ring(tail: u64, head: u64) -> Ring {
        let data_bytes = 2 * PAGE_BYTES;
        let map = MmapMut::map_anon(PAGE_BYTES + data_bytes).unwrap();
        let ring = Ring { map: map.into(), data_bytes };
        ring.tail().store(tail, Ordering::Relaxed);
        ring.head().store(head, Ordering::Relaxed);
        ring
    }

    /// Writes as the kernel does.
    fn write(ring: &Ring, position: u64, bytes: &[u8]) {
        for (i, &byte) in bytes.iter().enumerate() {
            let place = usize::try_from(position).unwrap() + i;
            let place = PAGE_BYTES + place % ring.data_bytes;
            // SAFETY: the place is in the map, and nobody has a reference to what is there.
            unsafe { ring.map.as_mut_ptr().wrapping_add(place).write(byte) };
        }
    }

    /// A record of so many bytes.
    fn record(size: u16, filling: u8) -> Vec<u8> {
        let mut out = vec![filling; usize::from(size)];
        out[..8].copy_from_slice(&[9, 0, 0, 0, 2, 0, size.to_le_bytes()[0], size.to_le_bytes()[1]]);
        out
    }

    fn read(ring: &mut Ring) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        ring.read(&mut Vec::new(), |record| found.push(record.to_vec()));
        assert_eq!(ring.tail().load(Ordering::Relaxed), ring.head().load(Ordering::Relaxed));
        found
    }

    #[test]
    fn records_are_whole_also_where_the_data_begin_anew() {
        let data = 2 * PAGE_BYTES as u64;
        // The last words of the data, in the third round.
        for start in [0, 3 * data - 40, 3 * data - 24, 3 * data - 8] {
            let records = [record(24, 1), record(32, 2), record(8, 3)];
            let bytes = records.concat();
            let mut ring = ring(start, start + bytes.len() as u64);
            write(&ring, start, &bytes);
            assert_eq!(read(&mut ring), records, "{start}");
            assert_eq!(read(&mut ring).len(), 0, "{start}");
        }
    }

    #[test]
    fn what_is_no_record_ends_the_reading() {
        for size in [0, 4, 48, u16::MAX] {
            let mut bytes = record(64, 1);
            bytes[6..8].copy_from_slice(&size.to_le_bytes());
            let mut ring = ring(80, 120);
            write(&ring, 80, &bytes);
            assert_eq!(read(&mut ring).len(), 0, "{size}");
        }
    }
}
