//! Reservations of dropped guarded memories, kept for the next ones.
//!
//! Reserving, committing and unmapping 4 GiB of address space costs several system calls, more
//! than running a small program. A reservation that is given back is made zero and inaccessible
//! beyond its first [`KEPT_BYTES`]; taking it again commits or takes away the difference only.
//!
//! Small memories are overwritten, which costs less than giving their pages back and faulting them
//! in again, and needs no lock of the kernel. The lists are in shards, one for some threads, so
//! that threads that make and drop instances do not meet.

use super::pages::Reservation;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lists of kept reservations.
const SHARDS: usize = 16;
/// Most reservations kept in each.
const MAX_KEPT: usize = 8;
/// Memories up to this size are overwritten.
const MAX_CLEARED: usize = 256 << 10;
/// Bytes that stay accessible in a kept reservation.
const KEPT_BYTES: usize = 1 << 20;
/// A memory that had more than this is unmapped instead: zeroing it costs as much.
const MAX_COMMITTED: usize = 64 << 20;

/// Reservations and how much of each is accessible (and zero).
type Kept = Vec<(Reservation, usize)>;

static KEPT: [Mutex<Kept>; SHARDS] = [const { Mutex::new(Vec::new()) }; SHARDS];

/// The list of this thread.
fn kept() -> MutexGuard<'static, Kept> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    KEPT[SHARD.get()].lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reservation of `reserved` bytes of which exactly `committed` are accessible, all zero.
pub(super) fn take(reserved: usize, committed: usize, reusable: bool) -> Option<Reservation> {
    if !reusable {
        return None;
    }
    let (reservation, accessible) = {
        let mut kept = kept();
        let position = kept.iter().rposition(|(pages, _)| pages.len() == reserved)?;
        kept.swap_remove(position)
    };
    let adjusted = if committed > accessible {
        reservation.commit(accessible..committed)
    } else {
        reservation.protect_none(committed..accessible)
    };
    adjusted.ok().map(|()| reservation)
}

/// Keeps a reservation whose first `committed` bytes are accessible, or unmaps it.
pub(super) fn give(reservation: Reservation, committed: usize) {
    if committed <= MAX_CLEARED {
        reservation.clear(0..committed);
    } else if committed > MAX_COMMITTED || reservation.zero(0..committed).is_err() {
        return;
    }
    let accessible = committed.min(KEPT_BYTES);
    if reservation.protect_none(accessible..committed).is_err() {
        return;
    }
    let mut kept = kept();
    if kept.len() < MAX_KEPT {
        kept.push((reservation, accessible));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_reservation_is_zero() {
        // A length of its own keeps other tests away.
        let len = (5 << 20) + 4096;
        let reservation = Reservation::new(len).unwrap();
        reservation.commit(0..4 << 20).unwrap();
        let (first, last) = (reservation.base().as_ptr(), (4 << 20) - 1);
        // SAFETY: committed above.
        unsafe { first.write(1) };
        // SAFETY: as above.
        unsafe { first.wrapping_add(last).write(1) };
        give(reservation, 4 << 20);
        assert!(take(len + 4096, 4096, true).is_none());
        let reservation = take(len, 4 << 20, true).unwrap();
        assert_eq!(reservation.base().as_ptr(), first);
        // SAFETY: `take` committed it again.
        assert_eq!(unsafe { first.read() }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { first.wrapping_add(last).read() }, 0);
    }
}
