//! A ring of words between a signal handler that writes and a reader on any thread. Neither waits.
//!
//! ```text
//! one entry: n, n words
//! ```

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// See the module head. One thread writes; one at a time reads.
#[derive(Debug)]
pub(super) struct Words {
    /// A power of two of them.
    words: Box<[AtomicU64]>,
    /// Words that were written, and that were read; both only grow.
    written: AtomicUsize,
    read: AtomicUsize,
    lost: AtomicU64,
}

impl Words {
    /// A ring of these words, which are all zero.
    pub(super) fn new(words: Box<[AtomicU64]>) -> Self {
        assert!(words.len().is_power_of_two(), "places are found by masking");
        let (written, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { words, written, read, lost: AtomicU64::new(0) }
    }

    fn place(&self, at: usize) -> &AtomicU64 {
        &self.words[at & (self.words.len() - 1)]
    }

    /// Adds an entry; one that finds no place is counted. Async-signal-safe.
    pub(super) fn push(&self, head: &[u64], tail: impl ExactSizeIterator<Item = u64>) {
        let start = self.written.load(Ordering::Relaxed);
        let used = start.wrapping_sub(self.read.load(Ordering::Acquire));
        let len = head.len() + tail.len();
        if used + len + 1 > self.words.len() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.place(start).store(len as u64, Ordering::Relaxed);
        let mut at = start.wrapping_add(1);
        for word in head.iter().copied().chain(tail) {
            self.place(at).store(word, Ordering::Relaxed);
            at = at.wrapping_add(1);
        }
        self.written.store(at, Ordering::Release);
    }

    /// Takes all entries out.
    pub(super) fn take(&self) -> Vec<Vec<u64>> {
        let end = self.written.load(Ordering::Acquire);
        let mut at = self.read.load(Ordering::Relaxed);
        let mut entries = Vec::new();
        while at != end {
            let len = usize::try_from(self.place(at).load(Ordering::Relaxed)).unwrap_or(0);
            let first = at.wrapping_add(1);
            let word = |i| self.place(first.wrapping_add(i)).load(Ordering::Relaxed);
            entries.push((0..len).map(word).collect());
            at = first.wrapping_add(len);
        }
        self.read.store(end, Ordering::Release);
        entries
    }

    /// How many entries found no place since this was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(len: usize) -> Words {
        Words::new((0..len).map(|_| AtomicU64::new(0)).collect())
    }

    #[test]
    fn entries_come_out_as_they_went_in() {
        let ring = ring(8);
        for round in 0..20 {
            ring.push(&[round], [round + 1, round + 2].into_iter());
            ring.push(&[], [7].into_iter());
            assert_eq!(ring.take(), [vec![round, round + 1, round + 2], vec![7]]);
        }
        assert_eq!((ring.take_lost(), ring.take().len()), (0, 0));
    }

    #[test]
    fn what_finds_no_place_is_counted() {
        let ring = ring(8);
        for _ in 0..5 {
            ring.push(&[1, 2], [3].into_iter());
        }
        assert_eq!((ring.take().len(), ring.take_lost(), ring.take_lost()), (2, 3, 0));
        ring.push(&[1, 2], [3].into_iter());
        assert_eq!(ring.take(), [[1, 2, 3]]);
    }

    #[test]
    fn a_reader_beside_the_writer_sees_whole_entries() {
        let ring = ring(64);
        std::thread::scope(|scope| {
            let writer =
                scope.spawn(|| (0..100_000).for_each(|i| ring.push(&[i], [i, i].into_iter())));
            let mut found = 0;
            loop {
                let done = writer.is_finished();
                let entries = ring.take();
                assert!(entries.iter().all(|entry| entry.len() == 3 && entry[0] == entry[2]));
                found += entries.len() as u64;
                if done {
                    break;
                }
            }
            assert_eq!(found + ring.take_lost(), 100_000);
        });
    }
}
