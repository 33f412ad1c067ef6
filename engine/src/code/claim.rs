//! Who compiles a function: one thread, while others that want it sleep.

use rustix::thread::futex;
use std::sync::atomic::{AtomicU32, Ordering};

/// States of a function.
pub(super) mod state {
    /// Not compiled and nobody compiles it.
    pub(in crate::code) const IDLE: u32 = 0;
    /// A thread compiles it.
    pub(in crate::code) const COMPILING: u32 = 1;
    /// A thread compiles it and others wait.
    pub(in crate::code) const AWAITED: u32 = 2;
    /// Its slot has the address of its code.
    pub(in crate::code) const DONE: u32 = 3;
}

/// The right to compile a function; leaving it wakes who waits.
pub(super) struct Claim<'a> {
    pub(super) state: &'a AtomicU32,
    /// The state it leaves behind: idle again, unless the code was published.
    pub(super) next: u32,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.state.swap(self.next, Ordering::Release) == state::AWAITED {
            // A failing wake means there is nobody; waiters look at the state themselves.
            let _ = futex::wake(self.state, futex::Flags::PRIVATE, u32::MAX >> 1);
        }
    }
}

/// Sleeps until the state is no longer `seen`, one of the compiling ones. May wake early.
pub(super) fn wait(state: &AtomicU32, seen: u32) {
    let (from, to) = (state::COMPILING, state::AWAITED);
    if seen == from
        && state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_err()
    {
        return;
    }
    // Interruptions and a state that changed meanwhile are reasons to look again, as is a wake-up.
    let _ = futex::wait(state, futex::Flags::PRIVATE, to, None);
}
