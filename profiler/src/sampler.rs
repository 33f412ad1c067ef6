//! Sampling: something interrupts one thread again and again, and its stack is noted.
//!
//! There are two sources, chosen when sampling starts:
//! - The kernel's task clock (`perf`): the kernel itself notes the stack, in CPU time of the thread,
//!   and a thread of the profiler reads it from a ring. Needs a kernel that permits
//!   `perf_event_open`.
//! - A timer (`timer`): works everywhere. Its signal handler notes the stack.
//!
//! Either way a sample weighs the CPU time of the thread since the one before, so time that the thread
//! waits does not count, and what is late loses nothing. A sampler is of one thread; others may
//! have their own.

mod host;
mod perf;
mod record;
mod timer;

use crate::symbols::KERNEL_START;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use upshift::ActivationProbe;

/// Samples per second unless asked otherwise; a prime number, so that loops do not run in step.
pub const DEFAULT_RATE: u32 = 997;
/// Most samples per second.
pub const MAX_RATE: u32 = 100_000;
/// Frames of a sample at most.
const MAX_FRAMES: usize = 512;
/// Words that samples may take; memory is only used as it is filled.
const BUFFER_WORDS: usize = 16 << 20;
/// Words of a sample beside its addresses.
const HEAD_WORDS: usize = 3;

/// What interrupts the thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The kernel's task clock where that is permitted, else a timer.
    #[default]
    Auto,
    /// The kernel's task clock.
    Perf,
    /// A timer and its signals.
    Timer,
}

/// What the rate of samples is measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// CPU time of the thread.
    Cpu,
    /// The time that passes.
    #[default]
    Wall,
}

/// A stack at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSample {
    /// When, on the monotonic clock.
    pub at: Duration,
    /// CPU time of the thread since the last sample.
    pub cpu: Duration,
    /// The address of the interrupted instruction, then return addresses outwards. An address of
    /// the kernel stands before that of the instruction that called it.
    pub addresses: Vec<usize>,
}

impl RawSample {
    /// The address of the interrupted instruction of the program, when there is one.
    #[must_use]
    pub fn interrupted(&self) -> Option<usize> {
        self.addresses.iter().copied().find(|&address| address < KERNEL_START)
    }
}

/// What a sampler noted.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What interrupted the thread; nothing when no samples were asked for.
    pub source: Option<&'static str>,
    /// Samples per second that were asked for.
    pub rate: u32,
    /// Seconds of which clock.
    pub clock: Clock,
    /// The samples in their order.
    pub samples: Vec<RawSample>,
    /// Samples that found no place.
    pub lost: u64,
    /// CPU time of the thread between start and end.
    pub cpu: Duration,
    /// Time between start and end.
    pub wall: Duration,
}

/// Samples the thread that made it, until [`Sampler::stop`]. It stays on that thread.
#[derive(Debug)]
pub struct Sampler {
    running: Running,
    rate: u32,
    /// The monotonic clock and the thread's CPU clock.
    started: (Duration, Duration),
}

#[derive(Debug)]
enum Running {
    Perf(perf::Ring),
    Timer(timer::Timer),
}

impl Sampler {
    /// Starts to sample the calling thread, which has the store of `probe`.
    ///
    /// # Errors
    /// When a sampler runs on this thread already, the rate is 0 or above [`MAX_RATE`], or the system
    /// has no timer left.
    pub fn start(rate: u32, probe: ActivationProbe) -> Result<Self> {
        Self::start_with(Source::Auto, rate, probe)
    }

    /// The same with this source.
    ///
    /// # Errors
    /// Also when the system does not permit the source.
    pub fn start_with(source: Source, rate: u32, probe: ActivationProbe) -> Result<Self> {
        if !(1..=MAX_RATE).contains(&rate) {
            bail!("a sampling rate is between 1 and {MAX_RATE} per second");
        }
        let claim = timer::Claim::new()?;
        let ring = match source {
            Source::Timer => None,
            Source::Auto => perf::Ring::start(rate, claim.clone()).ok(),
            Source::Perf => match perf::Ring::start(rate, claim.clone()) {
                Ok(ring) => Some(ring),
                Err(error) => bail!("the kernel permits no sampling by its task clock: {error}"),
            },
        };
        let running = match ring {
            Some(ring) => Running::Perf(ring),
            None => Running::Timer(timer::Timer::start(rate, probe, claim)?),
        };
        let started = (timer::monotonic(), timer::thread_cpu());
        Ok(Self { running, rate, started })
    }

    /// Stops, and gives what was noted.
    #[must_use]
    pub fn stop(self) -> Recording {
        let cpu = timer::thread_cpu().saturating_sub(self.started.1);
        let wall = timer::monotonic().saturating_sub(self.started.0);
        let (source, clock, Noted { samples, lost }) = match self.running {
            Running::Perf(ring) => (ring.source(), Clock::Cpu, ring.stop()),
            Running::Timer(timer) => (timer::SOURCE, Clock::Wall, timer.stop()),
        };
        Recording { source: Some(source), rate: self.rate, clock, samples, lost, cpu, wall }
    }
}

/// Samples that were taken, and how many were lost.
#[derive(Debug, Default)]
struct Noted {
    samples: Vec<RawSample>,
    lost: u64,
}

/// The monotonic clock in nanoseconds, as the kernel's tools use it.
pub(crate) fn monotonic_ns() -> u64 {
    nanos(timer::monotonic())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift::{Engine, Store};

    /// The sources that this system permits.
    fn sources(store: &Store<()>) -> Vec<Source> {
        let perf = Sampler::start_with(Source::Perf, 100, ActivationProbe::new(store));
        let perf = perf.ok().map(|_| Source::Perf);
        [Source::Timer, Source::Auto].into_iter().chain(perf).collect()
    }

    fn work(time: Duration) {
        let end = timer::thread_cpu() + time;
        while timer::thread_cpu() < end {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn samples_weigh_the_time_that_was_spent() {
        let store = Store::new(&Engine::default(), ());
        for source in sources(&store) {
            let sampler = Sampler::start_with(source, 2000, ActivationProbe::new(&store)).unwrap();
            let other = Sampler::start(100, ActivationProbe::new(&store));
            assert!(other.is_err(), "one at a time");
            work(Duration::from_millis(100));
            let recording = sampler.stop();
            let weight: Duration = recording.samples.iter().map(|sample| sample.cpu).sum();
            assert!(!recording.samples.is_empty() && recording.lost == 0, "{source:?}");
            assert!(weight <= recording.cpu + Duration::from_millis(1), "{source:?}");
            assert!(recording.samples.is_sorted_by_key(|sample| sample.at));
            assert!(recording.samples.iter().all(|sample| !sample.addresses.is_empty()));
            assert!(recording.source.is_some_and(|name| !name.is_empty()));
        }
    }

    #[test]
    fn each_thread_may_have_its_own() {
        let engine = Engine::default();
        let sample = || {
            let store = Store::new(&engine, ());
            let sampler = Sampler::start_with(Source::Timer, 5000, ActivationProbe::new(&store));
            let sampler = sampler.unwrap();
            work(Duration::from_millis(50));
            sampler.stop().samples.len()
        };
        let counts = std::thread::scope(|scope| {
            let threads = [scope.spawn(sample), scope.spawn(sample)];
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    }

    #[test]
    fn rates_are_bounded() {
        let store = Store::new(&Engine::default(), ());
        assert!(Sampler::start(0, ActivationProbe::new(&store)).is_err());
        assert!(Sampler::start(1_000_000, ActivationProbe::new(&store)).is_err());
    }
}
