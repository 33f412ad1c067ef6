//! Sampling: a timer interrupts one thread, and its signal handler notes the stack.
//!
//! # A sample is taken
//! 1. The kernel's timer runs on the monotonic clock and sends `SIGPROF` to the sampled thread. What a
//!    sample weighs is the CPU time of the thread since the last one, so time that the thread waits
//!    does not count, and a timer that is late loses nothing.
//! 2. The handler runs on the thread's alternate stack. When the interrupted instruction is machine
//!    code, frame pointers lead from there to the entry trampoline. When it is host code, which keeps
//!    none, the store knows where machine code was left ([`ActivationProbe`]).
//! 3. Return addresses go to a buffer that was reserved before: the handler allocates nothing, takes
//!    no lock and looks nothing up.
//! 4. When sampling stops, the buffer becomes a [`Recording`].
//!
//! ```text
//! frames | flags << 32, time ns, CPU ns, address of the instruction, return addresses …
//! ```

use anyhow::{Result, bail};
use libc::{c_int, c_void, siginfo_t};
use std::cell::UnsafeCell;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use upshift::{ActivationProbe, is_machine_code};

/// Samples per second unless asked otherwise; a prime number, so that loops do not run in step.
pub const DEFAULT_RATE: u32 = 997;
/// Most samples per second.
pub const MAX_RATE: u32 = 100_000;
/// What reports call this way of sampling.
const SOURCE: &str = "timer on the monotonic clock, weighted by the thread's CPU time";
/// Words of the buffer; memory is only used as it is filled.
const BUFFER_WORDS: usize = 16 << 20;
/// Frames of a sample at most.
const MAX_FRAMES: usize = 512;
/// Words before the addresses of a sample.
const HEAD_WORDS: usize = 3;

/// What the handler reads and writes.
struct State {
    buffer: UnsafeCell<Vec<u64>>,
    used: AtomicUsize,
    lost: AtomicU64,
    last_cpu: AtomicU64,
    stack_end: usize,
    probe: ActivationProbe,
}

static STATE: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());

/// A stack at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSample {
    /// When, on the monotonic clock.
    pub at: Duration,
    /// CPU time of the thread since the last sample.
    pub cpu: Duration,
    /// The address of the interrupted instruction, then return addresses outwards.
    pub addresses: Vec<usize>,
}

/// What a sampler noted.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What interrupted the thread; nothing when no samples were asked for.
    pub source: Option<&'static str>,
    /// Samples per second that were asked for.
    pub rate: u32,
    /// The samples in their order.
    pub samples: Vec<RawSample>,
    /// Samples that found the buffer full.
    pub lost: u64,
    /// CPU time of the thread between start and end.
    pub cpu: Duration,
    /// Time between start and end.
    pub wall: Duration,
}

/// Samples the thread that made it, until [`Sampler::stop`].
#[derive(Debug)]
pub struct Sampler {
    state: *mut State,
    timer: libc::timer_t,
    rate: u32,
    started: (Duration, Duration),
}

impl Sampler {
    /// Starts to sample the calling thread, which has the store of `probe`.
    ///
    /// # Errors
    /// When a sampler runs in the process already, the rate is 0 or above [`MAX_RATE`], or the system
    /// has no timer left.
    pub fn start(rate: u32, probe: ActivationProbe) -> Result<Self> {
        if !(1..=MAX_RATE).contains(&rate) {
            bail!("a sampling rate is between 1 and {MAX_RATE} per second");
        }
        let started = (clock(libc::CLOCK_MONOTONIC), clock(libc::CLOCK_THREAD_CPUTIME_ID));
        let state = Box::new(State {
            buffer: UnsafeCell::new(vec![0; BUFFER_WORDS]),
            used: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            last_cpu: AtomicU64::new(nanos(started.1)),
            stack_end: stack_end(),
            probe,
        });
        let state = Box::into_raw(state);
        let free =
            STATE.compare_exchange(ptr::null_mut(), state, Ordering::AcqRel, Ordering::Relaxed);
        if free.is_err() {
            // SAFETY: nobody else has seen the new state.
            drop(unsafe { Box::from_raw(state) });
            bail!("another profiler runs in this process");
        }
        match start_timer(rate) {
            Ok(timer) => Ok(Self { state, timer, rate, started }),
            Err(error) => {
                STATE.store(ptr::null_mut(), Ordering::Release);
                // SAFETY: the handler finds no state any more, and runs on this thread only.
                drop(unsafe { Box::from_raw(state) });
                Err(error)
            }
        }
    }

    /// Stops, and gives what was noted.
    #[must_use]
    pub fn stop(self) -> Recording {
        self.disarm();
        // SAFETY: the sampler owns the state, and the handler does not find it any more.
        let state = unsafe { &*self.state };
        // SAFETY: no signal comes any more, so nobody writes.
        let words = unsafe { &*state.buffer.get() };
        let used = state.used.load(Ordering::Acquire).min(words.len());
        Recording {
            source: Some(SOURCE),
            rate: self.rate,
            samples: decode(&words[..used]),
            lost: state.lost.load(Ordering::Relaxed),
            cpu: clock(libc::CLOCK_THREAD_CPUTIME_ID).saturating_sub(self.started.1),
            wall: clock(libc::CLOCK_MONOTONIC).saturating_sub(self.started.0),
        }
    }

    fn disarm(&self) {
        // SAFETY: the timer is the sampler's own.
        unsafe { libc::timer_delete(self.timer) };
        STATE.store(ptr::null_mut(), Ordering::Release);
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        if STATE.load(Ordering::Acquire) == self.state {
            self.disarm();
        }
        // SAFETY: made by `Box::into_raw`; the timer is gone, the handler runs on this thread only
        // and finds no state.
        drop(unsafe { Box::from_raw(self.state) });
    }
}

/// The samples of a buffer.
fn decode(words: &[u64]) -> Vec<RawSample> {
    let mut samples = Vec::new();
    let mut rest = words;
    while let [count, at, cpu, tail @ ..] = rest {
        let count = usize::try_from(*count).unwrap_or(0).min(tail.len());
        let address = |&word: &u64| usize::try_from(word).unwrap_or(0);
        samples.push(RawSample {
            at: Duration::from_nanos(*at),
            cpu: Duration::from_nanos(*cpu),
            addresses: tail[..count].iter().map(address).collect(),
        });
        rest = &tail[count..];
    }
    samples
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The monotonic clock in nanoseconds, as the kernel's tools use it.
pub(crate) fn monotonic_ns() -> u64 {
    nanos(clock(libc::CLOCK_MONOTONIC))
}

/// A clock; async-signal-safe.
fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the structure, which is ours.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The address behind this thread's stack, 0 when the system does not say.
fn stack_end() -> usize {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: has no conditions.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: asks for the attributes of the calling thread.
    let found = unsafe { libc::pthread_getattr_np(thread, attributes.as_mut_ptr()) };
    if found != 0 {
        return 0;
    }
    let (mut low, mut size) = (ptr::null_mut::<c_void>(), 0);
    let (low_at, size_at) = (&raw mut low, &raw mut size);
    // SAFETY: the attributes were filled in above.
    unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), low_at, size_at) };
    // SAFETY: as above.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    low.addr() + size
}

fn start_timer(rate: u32) -> Result<libc::timer_t> {
    // SAFETY: all zero is a valid value of the structure.
    let mut action: libc::sigaction = unsafe { zeroed() };
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler is async-signal-safe and stays: a late signal finds no state.
    let installed = unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) };
    // SAFETY: as for the action.
    let mut event: libc::sigevent = unsafe { zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGPROF;
    // SAFETY: a system call without arguments.
    event.sigev_notify_thread_id = unsafe { libc::gettid() };
    let mut timer: libc::timer_t = ptr::null_mut();
    let timer_at = &raw mut timer;
    // SAFETY: writes the timer's number, which is ours.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, timer_at) };
    if installed != 0 || made != 0 {
        bail!("no timer to sample with: {}", std::io::Error::last_os_error());
    }
    let interval = Duration::from_secs(1) / rate;
    let interval = libc::timespec {
        tv_sec: i64::try_from(interval.as_secs())?,
        tv_nsec: interval.subsec_nanos().into(),
    };
    let times = libc::itimerspec { it_interval: interval, it_value: interval };
    // SAFETY: the timer was made above.
    let armed = unsafe { libc::timer_settime(timer, 0, &raw const times, ptr::null_mut()) };
    if armed != 0 {
        bail!("the timer cannot be set: {}", std::io::Error::last_os_error());
    }
    Ok(timer)
}

extern "C" fn on_signal(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the state is freed by the thread that the handler runs on, after it was taken out of
    // here.
    let Some(state) = (unsafe { STATE.load(Ordering::Acquire).as_ref() }) else { return };
    // SAFETY: `errno` of this thread, which the interrupted code may be about to read.
    let errno_at = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let errno = unsafe { errno_at.read() };
    // SAFETY: the kernel passes a context.
    let registers = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let register = |number: c_int| {
        let word = usize::try_from(number).ok().and_then(|number| registers.get(number));
        word.map_or(0, |word| usize::try_from(word.cast_unsigned()).unwrap_or(0))
    };
    let (pc, fp) = (register(libc::REG_RIP), register(libc::REG_RBP));
    let sp = register(libc::REG_RSP);
    take_sample(state, pc, fp, sp);
    // SAFETY: as above.
    unsafe { errno_at.write(errno) };
}

fn take_sample(state: &State, pc: usize, fp: usize, sp: usize) {
    let start = state.used.load(Ordering::Relaxed);
    if start + HEAD_WORDS + MAX_FRAMES > BUFFER_WORDS {
        state.lost.fetch_add(1, Ordering::Relaxed);
        return;
    }
    // SAFETY: only this handler writes the buffer, it does not interrupt itself, and `stop` reads
    // it when no signal comes any more.
    let buffer = unsafe { &mut *state.buffer.get() };
    let cpu = nanos(clock(libc::CLOCK_THREAD_CPUTIME_ID));
    let last = state.last_cpu.swap(cpu, Ordering::Relaxed);
    let addresses = &mut buffer[start + HEAD_WORDS..start + HEAD_WORDS + MAX_FRAMES];
    addresses[0] = pc as u64;
    let mut count = 1;
    let mut from = Some(fp);
    if !is_machine_code(pc) {
        from = state.probe.left_at().map(|(fp, pc)| {
            addresses[1] = pc as u64;
            count = 2;
            fp
        });
    }
    if let Some(fp) = from {
        count += walk(fp, (sp, state.stack_end), &mut addresses[count..]);
    }
    buffer[start] = count as u64;
    buffer[start + 1] = nanos(clock(libc::CLOCK_MONOTONIC));
    buffer[start + 2] = cpu.saturating_sub(last);
    state.used.store(start + HEAD_WORDS + count, Ordering::Release);
}

/// Notes the return addresses of machine code that frame pointers lead to; how many.
fn walk(fp: usize, (low, high): (usize, usize), addresses: &mut [u64]) -> usize {
    let (mut fp, mut count) = (fp, 0);
    while fp >= low && fp + 16 <= high && fp.is_multiple_of(8) && count < addresses.len() {
        let frame = ptr::with_exposed_provenance::<[usize; 2]>(fp);
        // SAFETY: the words lie between the stack pointer and the end of this thread's stack.
        let [next, return_address] = unsafe { frame.read() };
        if !is_machine_code(return_address) {
            break;
        }
        addresses[count] = return_address as u64;
        count += 1;
        if next <= fp {
            break;
        }
        fp = next;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift::{Engine, Store};

    #[test]
    fn samples_weigh_the_time_that_was_spent() {
        let store = Store::new(&Engine::default(), ());
        let sampler = Sampler::start(2000, ActivationProbe::new(&store)).unwrap();
        assert!(Sampler::start(100, ActivationProbe::new(&store)).is_err(), "one at a time");
        let end = clock(libc::CLOCK_THREAD_CPUTIME_ID) + Duration::from_millis(100);
        while clock(libc::CLOCK_THREAD_CPUTIME_ID) < end {
            std::hint::spin_loop();
        }
        let recording = sampler.stop();
        let weight: Duration = recording.samples.iter().map(|sample| sample.cpu).sum();
        assert!(!recording.samples.is_empty() && recording.lost == 0);
        assert!(weight <= recording.cpu);
        assert!(recording.samples.iter().all(|sample| !sample.addresses.is_empty()));
    }

    #[test]
    fn buffers_are_read_as_written() {
        let words = [2, 5, 7, 100, 200, 1, 6, 8, 300];
        let samples = decode(&words);
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0].addresses, [100, 200]);
        assert_eq!(
            (samples[1].at, samples[1].cpu),
            (Duration::from_nanos(6), Duration::from_nanos(8))
        );
    }

    #[test]
    fn rates_are_bounded() {
        let store = Store::new(&Engine::default(), ());
        assert!(Sampler::start(0, ActivationProbe::new(&store)).is_err());
        assert!(Sampler::start(1_000_000, ActivationProbe::new(&store)).is_err());
    }
}
