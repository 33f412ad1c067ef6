//! Waiting for descriptors and clocks.
//!
//! An attempt asks the host once, without waiting, which subscriptions have happened. If none has,
//! the call waits for the same descriptors until the earliest time, and attempts again.

use crate::call::Env;
use crate::clock::{host_clock, to_nanoseconds};
use crate::descriptor::{Descriptor, Kind};
use crate::error::{Failure, Interest, Result, Wait};
use crate::memory::Span;
use crate::types::subclockflags::SUBSCRIPTION_CLOCK_ABSTIME;
use crate::types::{Errno, Event, Subscription, clockid, eventrwflags, eventtype, rights};
use rustix::event::{PollFd, PollFlags};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::Arc;
use std::time::Duration;

/// Most subscriptions of one call: enough for every descriptor to be read and written.
const MAX_SUBSCRIPTIONS: u32 = 16 << 10;

/// The arguments of `poll_oneoff`, and how its subscriptions lie in memory.
pub(crate) struct Poll {
    pub(crate) subscriptions: u32,
    pub(crate) events: u32,
    pub(crate) count: u32,
    pub(crate) out: u32,
}

pub(crate) fn poll_oneoff(env: &mut Env<'_>, poll: &Poll) -> Result {
    poll_with(env, poll, Subscription::SIZE, |env, address| {
        Ok(Subscription::from_bytes(&env.memory.read_array(address)?))
    })
}

/// `poll_oneoff` for subscriptions of `size` bytes that `read` reads.
pub(crate) fn poll_with(
    env: &mut Env<'_>,
    poll: &Poll,
    size: usize,
    read: impl Fn(&Env<'_>, u32) -> Result<Subscription>,
) -> Result {
    if poll.count == 0 || poll.count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    let bytes = |size: usize| poll.count * u32::try_from(size).unwrap_or(u32::MAX);
    env.memory.check(Span::new(poll.subscriptions, bytes(size)))?;
    env.memory.check(Span::new(poll.events, bytes(Event::SIZE)))?;
    env.memory.check(Span::new(poll.out, 4))?;
    let started = *env.progress.started.get_or_insert_with(|| clock_gettime(ClockId::Monotonic));
    let mut waiting = Waiting { events: Vec::new(), files: Vec::new(), timeout: None };
    for address in (poll.subscriptions..).step_by(size).take(poll.count as usize) {
        waiting.subscribe(env, &read(env, address)?, started);
    }
    waiting.poll_files()?;
    if waiting.events.is_empty() {
        return Err(waiting.into_wait());
    }
    for (event, address) in waiting.events.iter().zip((poll.events..).step_by(Event::SIZE)) {
        env.memory.write(address, &event.to_bytes())?;
    }
    let count = u32::try_from(waiting.events.len()).map_err(|_| Errno::Overflow)?;
    Ok(env.memory.write_u32(poll.out, count)?)
}

/// What has happened, and what has not.
struct Waiting {
    events: Vec<Event>,
    files: Vec<File>,
    /// Until the earliest clock.
    timeout: Option<Duration>,
}

struct File {
    descriptor: Arc<Descriptor>,
    interest: Interest,
    event: Event,
}

impl Waiting {
    fn subscribe(&mut self, env: &Env<'_>, subscription: &Subscription, started: Timespec) {
        let userdata = subscription.userdata;
        let event = Event { userdata, type_: subscription.tag, ..Event::default() };
        let result = match subscription.tag {
            eventtype::CLOCK => self.subscribe_clock(subscription, event, started),
            eventtype::FD_READ => self.subscribe_file(env, subscription.id, Interest::Read, event),
            eventtype::FD_WRITE => {
                self.subscribe_file(env, subscription.id, Interest::Write, event)
            }
            _ => Err(Errno::Inval.into()),
        };
        // What is wrong with one subscription is reported with it.
        if let Err(Failure::Errno(errno)) = result {
            self.events.push(Event { error: errno as u16, ..event });
        }
    }

    fn subscribe_clock(
        &mut self,
        subscription: &Subscription,
        event: Event,
        started: Timespec,
    ) -> Result {
        let clock = host_clock(subscription.id)?;
        let left = match subscription.flags {
            0 => {
                let now = to_nanoseconds(clock_gettime(ClockId::Monotonic));
                let end = to_nanoseconds(started).saturating_add(subscription.timeout);
                end.saturating_sub(now)
            }
            SUBSCRIPTION_CLOCK_ABSTIME => {
                if !matches!(subscription.id, clockid::REALTIME | clockid::MONOTONIC) {
                    return Err(Errno::Notsup.into());
                }
                subscription.timeout.saturating_sub(to_nanoseconds(clock_gettime(clock)))
            }
            _ => return Err(Errno::Inval.into()),
        };
        if left == 0 {
            self.events.push(event);
        } else {
            let left = Duration::from_nanos(left);
            self.timeout = Some(self.timeout.map_or(left, |timeout| timeout.min(left)));
        }
        Ok(())
    }

    fn subscribe_file(
        &mut self,
        env: &Env<'_>,
        fd: u32,
        interest: Interest,
        event: Event,
    ) -> Result {
        let right = match interest {
            Interest::Read => rights::FD_READ,
            Interest::Write => rights::FD_WRITE,
        };
        let descriptor = env.ctx.table.get(fd)?;
        if matches!(descriptor.kind, Kind::Dir(_)) {
            return Err(Errno::Badf.into());
        }
        descriptor.require(rights::POLL_FD_READWRITE)?;
        descriptor.require(right)?;
        if descriptor.pollable().is_none() {
            // A stream that cannot be waited for: the guest finds out by trying.
            let nbytes = u64::from(interest == Interest::Read);
            self.events.push(Event { nbytes, ..event });
        } else {
            self.files.push(File { descriptor, interest, event });
        }
        Ok(())
    }

    fn poll_files(&mut self) -> Result {
        if self.files.is_empty() {
            return Ok(());
        }
        let mut fds = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let fd = file.descriptor.pollable().ok_or(Errno::Badf)?;
            fds.push(PollFd::from_borrowed_fd(fd, file.interest.into()));
        }
        rustix::event::poll(&mut fds, Some(&Timespec::default()))?;
        for (file, fd) in self.files.iter().zip(&fds) {
            if !fd.revents().is_empty() {
                self.events.push(file.happened(fd.revents()));
            }
        }
        Ok(())
    }

    fn into_wait(self) -> Failure {
        let targets = self.files.into_iter().map(|file| (file.descriptor, file.interest)).collect();
        Failure::Wait(Wait { targets, timeout: self.timeout })
    }
}

impl File {
    fn happened(&self, state: PollFlags) -> Event {
        let mut event = self.event;
        if state.contains(PollFlags::NVAL) {
            event.error = Errno::Badf as u16;
        } else if state.contains(PollFlags::ERR) {
            event.error = Errno::Io as u16;
        } else if state.contains(PollFlags::HUP) {
            event.flags = eventrwflags::FD_READWRITE_HANGUP;
        }
        if self.interest == Interest::Read {
            let fd = self.descriptor.pollable();
            let ready = fd.and_then(|fd| rustix::io::ioctl_fionread(fd).ok()).unwrap_or(0);
            event.nbytes = ready.max(1);
        }
        event
    }
}
