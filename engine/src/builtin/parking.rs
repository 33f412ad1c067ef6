//! Wait queues of atomic cells.
//!
//! A fixed number of buckets, chosen by the cell's address, each with a list of waiting threads in
//! the order in which they came. A thread looks at the cell's value and joins the list under the
//! bucket's lock, and who notifies takes the same lock, so a change of the value before a notify
//! is either seen or followed by the wake-up.

use crate::api::shared_memory::WaitResult;
use crate::store::interrupt::InterruptState;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

const BUCKETS: usize = 256;

#[derive(Debug)]
struct Waiter {
    key: usize,
    thread: Thread,
    notified: AtomicBool,
}

type Queue = VecDeque<Arc<Waiter>>;

static QUEUES: [Mutex<Queue>; BUCKETS] = [const { Mutex::new(VecDeque::new()) }; BUCKETS];

fn queue(key: usize) -> MutexGuard<'static, Queue> {
    // Cells are 4-byte aligned; the multiplication spreads neighbours and pages alike.
    let hash = (key >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - 8);
    QUEUES[hash % BUCKETS].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits in the queue of `key` if `unchanged` holds, until notified or for `timeout`. `None` when
/// somebody asked for the store first; who waited looks at the wishes then.
pub(crate) fn wait(
    key: usize,
    unchanged: &dyn Fn() -> bool,
    timeout: Option<Duration>,
    interrupts: Option<&InterruptState>,
) -> Option<WaitResult> {
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let thread = thread::current();
    let waiter = Arc::new(Waiter { key, thread: thread.clone(), notified: AtomicBool::new(false) });
    {
        let mut queue = queue(key);
        if !unchanged() {
            return Some(WaitResult::Mismatch);
        }
        queue.push_back(Arc::clone(&waiter));
    }
    if let Some(interrupts) = interrupts {
        interrupts.set_waiting(Some(thread));
    }
    let result = park(&waiter, end, interrupts);
    if let Some(interrupts) = interrupts {
        interrupts.set_waiting(None);
    }
    let mut queue = queue(key);
    match queue.iter().position(|other| Arc::ptr_eq(other, &waiter)) {
        // Notified, maybe at the last moment, and counted by the notifier: another wait, as after
        // a wish that lets the guest go on, would sleep through it. Wishes stay noted.
        None => Some(WaitResult::Ok),
        Some(position) => {
            queue.remove(position);
            result
        }
    }
}

/// Sleeps until one of the reasons to wake holds.
fn park(
    waiter: &Waiter,
    end: Option<Instant>,
    interrupts: Option<&InterruptState>,
) -> Option<WaitResult> {
    loop {
        if waiter.notified.load(Ordering::Acquire) {
            return Some(WaitResult::Ok);
        }
        if interrupts.is_some_and(InterruptState::is_wanted) {
            return None;
        }
        match end {
            None => thread::park(),
            Some(end) => match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => thread::park_timeout(left),
                _ => return Some(WaitResult::TimedOut),
            },
        }
    }
}

/// Wakes up to `count` threads that wait for `key`: how many.
pub(crate) fn notify(key: usize, count: u32) -> u32 {
    let mut queue = queue(key);
    let mut woken = 0;
    let mut position = 0;
    while woken < count && position < queue.len() {
        if queue[position].key != key {
            position += 1;
            continue;
        }
        if let Some(waiter) = queue.remove(position) {
            waiter.notified.store(true, Ordering::Release);
            waiter.thread.unpark();
            woken += 1;
        }
    }
    woken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_value_does_not_wait() {
        assert_eq!(wait(64, &|| false, None, None), Some(WaitResult::Mismatch));
    }

    #[test]
    fn waits_time_out_and_leave_no_trace() {
        let short = Some(Duration::from_millis(2));
        assert_eq!(wait(128, &|| true, short, None), Some(WaitResult::TimedOut));
        assert_eq!(notify(128, u32::MAX), 0);
    }

    #[test]
    fn notify_wakes_as_many_as_asked() {
        let waiting: Vec<_> =
            (0..3).map(|_| thread::spawn(|| wait(4096, &|| true, None, None))).collect();
        let mut woken = 0;
        while woken < 3 {
            let now = notify(4096, 1);
            assert!(now <= 1);
            woken += now;
            thread::yield_now();
        }
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), Some(WaitResult::Ok));
        }
    }
}
