//! The life of one call of a function.
//!
//! 1. The guest calls; a [`Progress`] is created for the call.
//! 2. An attempt runs the function with the guest's memory at hand ([`Env`]). It never blocks.
//! 3. It ends the call (success, error code, host error), or it returns a [`Wait`]: a descriptor is
//!    not ready, a timer is not due, or a long transfer has done a part.
//! 4. The caller lets go of the memory, waits through its [`Waiter`], which the host can interrupt,
//!    and makes the next attempt. What is already done is in the progress.

use crate::ctx::WasiCtx;
use crate::descriptor::Descriptor;
use crate::error::{Failure, Result, Wait};
use crate::memory::{GuestMemory, Span};
use crate::types::Errno;
use rustix::event::PollFd;
use rustix::time::Timespec;
use std::sync::Arc;
use std::time::Duration;

/// Longest path that a guest can name, as on the host.
const MAX_PATH_BYTES: usize = 4096;

/// How often a stream that has no descriptor to wait on is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Waits for the host's descriptors in a way that the host can interrupt.
pub trait Waiter {
    /// Returns when one of `fds` is ready or `timeout` has passed, or earlier for no reason.
    /// With neither descriptors nor time this only looks for an interruption.
    ///
    /// # Errors
    ///
    /// An error ends the guest's execution.
    fn wait(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> anyhow::Result<()>;
}

/// What an attempt at a function can use.
pub(crate) struct Env<'a> {
    pub(crate) ctx: &'a WasiCtx,
    pub(crate) memory: GuestMemory<'a>,
    pub(crate) progress: &'a mut Progress,
}

/// What the attempts of one call have done so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes transferred.
    pub(crate) done: u32,
    /// The vector that comes next, and how much of it is done.
    pub(crate) index: u32,
    pub(crate) offset: u32,
    /// Where a directory's entries go on.
    pub(crate) cookie: Option<u64>,
    /// When the call began, on the monotonic clock.
    pub(crate) started: Option<Timespec>,
}

impl Env<'_> {
    /// The descriptor `fd`, if it has the rights `wanted`.
    pub(crate) fn descriptor(&self, fd: u32, wanted: u64) -> Result<Arc<Descriptor>> {
        let descriptor = self.ctx.table.get(fd)?;
        descriptor.require(wanted)?;
        Ok(descriptor)
    }

    /// The directory `fd`, if it has the rights `wanted`.
    pub(crate) fn directory(&self, fd: u32, wanted: u64) -> Result<Arc<Descriptor>> {
        let descriptor = self.ctx.table.get(fd)?;
        descriptor.dir()?;
        descriptor.require(wanted)?;
        Ok(descriptor)
    }

    /// The path that the guest names.
    pub(crate) fn path(&self, span: Span) -> Result<String> {
        self.memory.check(span)?;
        if span.len() >= MAX_PATH_BYTES {
            return Err(Errno::Nametoolong.into());
        }
        let mut bytes = vec![0; span.len()];
        self.memory.read_bytes(span.address, &mut bytes)?;
        if bytes.contains(&0) {
            return Err(Errno::Inval.into());
        }
        String::from_utf8(bytes).map_err(|_| Errno::Ilseq.into())
    }
}

/// Runs a call to its end: `attempt` is made until it no longer wants to wait.
pub(crate) fn complete(
    mut attempt: impl FnMut(&mut Progress) -> Result,
    mut wait: impl FnMut(&Wait) -> anyhow::Result<()>,
) -> anyhow::Result<Errno> {
    let mut progress = Progress::default();
    loop {
        match attempt(&mut progress) {
            Ok(()) => return Ok(Errno::Success),
            Err(Failure::Errno(errno)) => return Ok(errno),
            Err(Failure::Host(error)) => return Err(error),
            Err(Failure::Wait(request)) => wait(&request)?,
        }
    }
}

impl Wait {
    /// Waits for what an attempt needs.
    pub(crate) fn perform(&self, waiter: &dyn Waiter) -> anyhow::Result<()> {
        let mut timeout = self.timeout;
        let mut fds = Vec::with_capacity(self.targets.len());
        for (descriptor, interest) in &self.targets {
            match descriptor.pollable() {
                Some(fd) => fds.push(PollFd::from_borrowed_fd(fd, (*interest).into())),
                None => timeout = Some(timeout.map_or(RETRY, |t| t.min(RETRY))),
            }
        }
        waiter.wait(&mut fds, timeout)
    }
}
