//! Sampling: something interrupts a thread again and again, and its stack is noted.
//!
//! There are three sources, chosen when sampling starts:
//! - The processor's cycles (`perf`), where the machine counts them.
//! - The kernel's task clock (`perf`): the kernel itself notes the stack, in CPU time of the thread,
//!   and a thread of the profiler reads it from a ring. Needs a kernel that permits
//!   `perf_event_open`.
//! - A timer (`timer`): works everywhere. Its signal handler notes the stack.
//!
//! Whatever it is, a sample weighs the CPU time of the thread since the one before, so time that the
//! thread waits does not count, and what is late loses nothing. It has what was counted since then,
//! too ([`COUNTERS`]). A sampler is of one thread; others may have their own, and
//! [`Profiler`](crate::Profiler) has many.

pub(crate) mod clock;
mod event;
mod host;
mod perf;
mod record;
mod ring;
mod scale;
mod timer;
mod words;

use crate::symbols::KERNEL_START;
use anyhow::{Result, bail};
use clock::ThreadClock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use upshift::ActivationProbe;

/// The monotonic clock, which samples have their times of.
#[must_use]
pub fn monotonic() -> Duration {
    clock::monotonic()
}

/// Samples per second unless asked otherwise; a prime number, so that loops do not run in step.
pub const DEFAULT_RATE: u32 = 997;
/// Most samples per second.
pub const MAX_RATE: u32 = 100_000;
/// What samples count beside time, where the machine and its permissions have it.
pub const COUNTERS: [&str; 6] =
    ["cycles", "instructions", "branch-misses", "cache-misses", "page-faults", "context-switches"];
/// Frames of a sample at most.
const MAX_FRAMES: usize = 512;
/// Words that samples may take before somebody fetches them; memory is only used as it is filled.
const BUFFER_WORDS: usize = 16 << 20;
/// Words of a sample beside its addresses.
const HEAD_WORDS: usize = 2 + COUNTERS.len();

/// What interrupts the thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The first of the others that the system permits.
    #[default]
    Auto,
    /// Cycles of the processor.
    Cycles,
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
    /// What was counted since then, in the order of [`COUNTERS`]; those that are not there are 0.
    pub counts: [u64; COUNTERS.len()],
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

/// What a sampler noted of a thread.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The thread's name.
    pub thread: String,
    /// The system's number of it.
    pub thread_id: i32,
    /// The number that events have of it, when it is one of an engine's threads that optimize.
    pub compiler: Option<u32>,
    /// What interrupted the thread; nothing when no samples were asked for.
    pub source: Option<&'static str>,
    /// Samples per second that were asked for.
    pub rate: u32,
    /// Seconds of which clock.
    pub clock: Clock,
    /// Which of [`COUNTERS`] there are.
    pub counted: [bool; COUNTERS.len()],
    /// The samples in their order.
    pub samples: Vec<RawSample>,
    /// Samples that found no place.
    pub lost: u64,
    /// CPU time of the thread between start and end.
    pub cpu: Duration,
    /// When it started, on the monotonic clock.
    pub started: Duration,
    /// Time between start and end.
    pub wall: Duration,
}

impl Recording {
    /// Adds what was noted next.
    pub(crate) fn append(&mut self, next: Self) {
        self.samples.extend(next.samples);
        self.lost += next.lost;
        self.cpu += next.cpu;
        self.wall += next.wall;
    }
}

/// Samples the thread that made it, until [`Sampler::stop`]. It stays on that thread.
#[derive(Debug)]
pub struct Sampler {
    track: Arc<Track>,
    /// What a timer's handler uses.
    _handled: Option<timer::Handled>,
    _stays: PhantomData<*const ()>,
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
        Self::start_named(thread_name(), source, rate, Some(probe))
    }

    /// The same of a thread that is called so, and may have no store.
    pub(crate) fn start_named(
        thread: String,
        source: Source,
        rate: u32,
        probe: Option<ActivationProbe>,
    ) -> Result<Self> {
        if !(1..=MAX_RATE).contains(&rate) {
            bail!("a sampling rate is between 1 and {MAX_RATE} per second");
        }
        let claim = Claim::new()?;
        let cpu = ThreadClock::new();
        let (running, since, handled) = match kernel_sampling(source, rate)? {
            Some(kernel) => {
                let since = Moment::now(cpu);
                kernel.enable()?;
                (Running::Perf(kernel), since, None)
            }
            None => {
                let (timer, handled) = timer::new(rate, probe)?;
                let since = Moment { at: clock::monotonic(), cpu: handled.started() };
                (Running::Timer(timer), since, Some(handled))
            }
        };
        let (running, claim) = (Some(running), Some(claim));
        let state = Mutex::new(State { running, since, ended: None, claim });
        let track = Track { thread, thread_id: clock::thread_id(), rate, cpu, state };
        Ok(Self { track: Arc::new(track), _handled: handled, _stays: PhantomData })
    }

    /// Stops, and gives what was noted.
    #[must_use]
    pub fn stop(self) -> Recording {
        self.track.stop()
    }

    /// What other threads have of it.
    pub(crate) fn track(&self) -> &Arc<Track> {
        &self.track
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.track.pause();
    }
}

/// The kernel's sampling, when `source` wants it, not running yet; `None` when a timer is to be taken.
fn kernel_sampling(source: Source, rate: u32) -> Result<Option<perf::Kernel>> {
    let new = |leader| perf::Kernel::new(leader, rate);
    match source {
        Source::Timer => Ok(None),
        Source::Auto => {
            let first = new(event::Leader::Cycles);
            Ok(first.or_else(|_| new(event::Leader::TaskClock)).ok())
        }
        Source::Cycles => match new(event::Leader::Cycles) {
            Ok(kernel) => Ok(Some(kernel)),
            Err(error) => bail!("the system permits no sampling by cycles: {error}"),
        },
        Source::Perf => match new(event::Leader::TaskClock) {
            Ok(kernel) => Ok(Some(kernel)),
            Err(error) => bail!("the kernel permits no sampling by its task clock: {error}"),
        },
    }
}

pub(crate) fn thread_name() -> String {
    std::thread::current().name().unwrap_or("thread").to_owned()
}

/// The right to sample a thread.
#[derive(Debug)]
struct Claim(i32);

static CLAIMED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

impl Claim {
    fn new() -> Result<Self> {
        let thread = clock::thread_id();
        if !lock(&CLAIMED).insert(thread) {
            bail!("another profiler samples this thread");
        }
        Ok(Self(thread))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&CLAIMED).remove(&self.0);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sampling of a thread, for all threads.
#[derive(Debug)]
pub(crate) struct Track {
    thread: String,
    thread_id: i32,
    rate: u32,
    cpu: ThreadClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Until all of it was taken.
    running: Option<Running>,
    /// When what is noted now began.
    since: Moment,
    /// When no more samples were taken.
    ended: Option<Moment>,
    claim: Option<Claim>,
}

/// A time of a thread, on the monotonic clock and its CPU clock.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Duration,
    cpu: Duration,
}

impl Moment {
    fn now(cpu: ThreadClock) -> Self {
        Self { at: clock::monotonic(), cpu: cpu.now().unwrap_or_default() }
    }
}

#[derive(Debug)]
enum Running {
    Perf(perf::Kernel),
    Timer(timer::Timer),
}

impl Track {
    /// Takes what was noted since the last time. Sampling goes on.
    pub(crate) fn take(&self) -> Recording {
        let mut state = lock(&self.state);
        let mut recording = Recording {
            thread: self.thread.clone(),
            thread_id: self.thread_id,
            rate: self.rate,
            started: state.since.at,
            ..Recording::default()
        };
        let Some(running) = &state.running else { return recording };
        let now = state.ended.unwrap_or_else(|| Moment::now(self.cpu));
        recording.wall = now.at.saturating_sub(state.since.at);
        recording.cpu = now.cpu.saturating_sub(state.since.cpu);
        let (source, clock, counted, noted) = match running {
            Running::Perf(kernel) => {
                (kernel.source(), Clock::Cpu, kernel.counted(), kernel.take(recording.cpu))
            }
            Running::Timer(timer) => (timer::SOURCE, Clock::Wall, timer::COUNTED, timer.take()),
        };
        (recording.source, recording.clock) = (Some(source), clock);
        (recording.samples, recording.lost) = (noted.samples, noted.lost);
        recording.counted = counted;
        state.since = now;
        if state.ended.is_some() {
            state.running = None;
        }
        recording
    }

    /// Has no more samples taken.
    fn pause(&self) {
        let mut state = lock(&self.state);
        if state.ended.is_some() {
            return;
        }
        state.ended = Some(Moment::now(self.cpu));
        match &state.running {
            Some(Running::Perf(kernel)) => kernel.disable(),
            Some(Running::Timer(timer)) => timer.disarm(),
            None => {}
        }
        state.claim = None;
    }

    /// Ends the sampling, and gives what is left.
    fn stop(&self) -> Recording {
        self.pause();
        self.take()
    }

    /// Whether there is nothing left to take.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.state).running.is_none()
    }
}

/// Samples that were taken, and how many were lost.
#[derive(Debug, Default)]
struct Noted {
    samples: Vec<RawSample>,
    lost: u64,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
