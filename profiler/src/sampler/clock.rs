//! Clocks, and who a thread is.

use crate::sampler::nanos;
use std::time::Duration;

/// The monotonic clock; async-signal-safe.
pub(crate) fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC).unwrap_or_default()
}

/// CPU time of this thread; async-signal-safe.
pub(crate) fn thread_cpu() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// The monotonic clock in nanoseconds, as the kernel's tools use it.
pub(crate) fn monotonic_ns() -> u64 {
    nanos(monotonic())
}

/// The system's number of this thread.
pub(super) fn thread_id() -> i32 {
    // SAFETY: a system call without arguments.
    unsafe { libc::gettid() }
}

/// The CPU clock of one thread, which others may read, too.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The clock of this thread.
    pub(super) fn new() -> Self {
        let mut clock = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: has no conditions.
        let thread = unsafe { libc::pthread_self() };
        // SAFETY: asks for the clock of the calling thread, which is there.
        unsafe { libc::pthread_getcpuclockid(thread, &raw mut clock) };
        Self(clock)
    }

    /// CPU time; `None` when the thread has ended.
    pub(super) fn now(self) -> Option<Duration> {
        read(self.0)
    }
}

fn read(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the structure, which is ours.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    (read == 0).then(|| Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// What the system accounts for a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Page faults, those that needed a device included.
    pub(crate) faults: u64,
    /// Page faults that needed a device.
    pub(crate) major_faults: u64,
    /// How often it gave its processor up, or had to.
    pub(crate) switches: u64,
}

/// What the system accounts for this thread; async-signal-safe.
pub(crate) fn usage() -> Usage {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: writes to the structure, which is ours. The function is a system call.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: all zero is a valid value of it.
    let usage = unsafe { usage.assume_init() };
    let sum = |a: i64, b: i64| a.saturating_add(b).cast_unsigned();
    Usage {
        faults: sum(usage.ru_minflt, usage.ru_majflt),
        major_faults: sum(usage.ru_majflt, 0),
        switches: sum(usage.ru_nvcsw, usage.ru_nivcsw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_by_its_clock_until_it_ends() {
        let (ready, clock) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            ready.send((ThreadClock::new(), thread_id())).unwrap();
            stopped.recv().ok();
        });
        let (clock, id) = clock.recv().unwrap();
        assert!(clock.now().is_some());
        assert_ne!(id, thread_id());
        stop.send(()).unwrap();
        thread.join().unwrap();
        // Who joins a thread may be told a little before the system forgets it.
        let is_gone = |_| {
            std::thread::sleep(Duration::from_millis(1));
            clock.now().is_none()
        };
        assert!((0..10_000).any(is_gone));
    }

    #[test]
    fn faults_are_counted() {
        let before = usage();
        std::hint::black_box(vec![1u8; 64 << 20]);
        std::thread::sleep(Duration::from_millis(1));
        let after = usage();
        assert!(after.faults > before.faults && after.switches > before.switches);
    }
}
