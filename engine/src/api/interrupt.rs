//! Interrupting a store from other threads, and host calls that can be interrupted while they
//! block.

use crate::Result;
#[cfg(doc)]
use crate::Trap;
use crate::store::interrupt::InterruptState;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What follows when a store's epoch deadline was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateDeadline {
    /// Go on, with a new deadline this many ticks from now.
    Continue(u64),
    /// Leave with [`Trap::Interrupt`].
    Interrupt,
}

/// Interrupts a store, from any thread. Cheap to clone; may outlive the store.
#[derive(Clone, Debug)]
pub struct InterruptHandle {
    state: Arc<InterruptState>,
}

impl InterruptHandle {
    pub(crate) fn new(state: Arc<InterruptState>) -> Self {
        Self { state }
    }

    /// Makes WebAssembly code that runs in the store leave with [`Trap::Interrupt`], also when it
    /// waits in a host call that uses [`Interruption`]. When nothing runs, the next code that
    /// loops or calls a function does.
    /// One call ends one activation.
    pub fn interrupt(&self) {
        self.state.interrupt();
    }
}

/// Lets a host function block without becoming deaf to interruption; from
/// [`Caller::interruption`](crate::Caller::interruption).
#[derive(Clone, Copy, Debug)]
pub struct Interruption<'a> {
    state: &'a InterruptState,
}

impl<'a> Interruption<'a> {
    pub(crate) fn new(state: &'a InterruptState) -> Self {
        Self { state }
    }

    /// Whether the store was interrupted or its deadline passed.
    ///
    /// # Errors
    /// [`Trap::Interrupt`] if so; a host function returns it to its caller.
    pub fn check(&self) -> Result<()> {
        Ok(self.state.check()?)
    }

    /// Waits like `ppoll` until one of `fds` is ready or the timeout is over (`None` waits for
    /// ever), and returns how many are ready.
    ///
    /// # Errors
    /// [`Trap::Interrupt`] as soon as the store is interrupted, or what the system says.
    pub fn poll(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let event = self.state.event()?;
        let mut all: SmallVec<[PollFd<'_>; 8]> = fds.iter().cloned().collect();
        all.push(PollFd::new(event, PollFlags::IN));
        loop {
            self.check()?;
            let left = end.map(|end| timespec(end.saturating_duration_since(Instant::now())));
            match poll(&mut all, left.as_ref()) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let woken = all.last().is_some_and(|event| !event.revents().is_empty());
            if woken {
                self.state.drain();
                self.check()?;
            }
            let ready = all[..fds.len()].iter().any(|fd| !fd.revents().is_empty());
            if ready || end.is_some_and(|end| Instant::now() >= end) {
                return Ok(poll(fds, Some(&Timespec::default()))?);
            }
        }
    }

    /// Sleeps.
    ///
    /// # Errors
    /// [`Trap::Interrupt`] as soon as the store is interrupted.
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        self.poll(&mut [], Some(duration)).map(drop)
    }
}

/// A duration as the system wants it; what does not fit waits for centuries.
fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::MAX / 4, tv_nsec: 0 })
}
