//! A timer interrupts the thread, and its signal handler notes the stack.
//!
//! # A sample is taken
//! 1. The kernel's timer runs on the monotonic clock and sends `SIGPROF` to the sampled thread.
//! 2. The handler runs on the thread's alternate stack and finds the thread's state in a thread-local
//!    variable. When the interrupted instruction is machine code, frame pointers lead from there to
//!    the entry trampoline. When it is host code, which keeps none, the store knows where machine
//!    code was left ([`ActivationProbe`]).
//! 3. Return addresses go to a buffer that was reserved before: the handler allocates nothing, takes
//!    no lock and looks nothing up.
//! 4. When sampling stops, the buffer becomes samples.
//!
//! ```text
//! addresses, time ns, CPU ns, address of the instruction, return addresses …
//! ```

use super::{BUFFER_WORDS, HEAD_WORDS, MAX_FRAMES, Noted, RawSample, nanos};
use anyhow::{Result, bail};
use libc::{c_int, c_void, siginfo_t};
use std::cell::{Cell, UnsafeCell};
use std::mem::{MaybeUninit, zeroed};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use upshift::{ActivationProbe, is_machine_code};

/// What reports call this way of sampling.
pub(super) const SOURCE: &str = "timer on the monotonic clock, weighted by the thread's CPU time";

/// What the handler reads and writes.
#[derive(Debug)]
struct State {
    buffer: UnsafeCell<Vec<u64>>,
    used: AtomicUsize,
    lost: AtomicU64,
    last_cpu: AtomicU64,
    stack_end: usize,
    probe: ActivationProbe,
}

thread_local! {
    /// The state of this thread's timer. Neither initialized lazily nor dropped, so that the handler
    /// may look at it.
    static STATE: Cell<*const State> = const { Cell::new(ptr::null()) };
    /// Whether this thread has a sampler.
    static CLAIMED: Cell<bool> = const { Cell::new(false) };
}

/// The right to sample this thread.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    _claimed: Rc<Claimed>,
}

#[derive(Debug)]
struct Claimed;

impl Claim {
    pub(super) fn new() -> Result<Self> {
        if CLAIMED.replace(true) {
            bail!("another profiler samples this thread");
        }
        Ok(Self { _claimed: Rc::new(Claimed) })
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        CLAIMED.set(false);
    }
}

/// A timer that samples the thread that made it.
#[derive(Debug)]
pub(super) struct Timer {
    /// Made by `Box::into_raw`, for the handler has it too.
    state: *mut State,
    timer: libc::timer_t,
    _claim: Claim,
}

impl Timer {
    /// Starts.
    pub(super) fn start(rate: u32, probe: ActivationProbe, claim: Claim) -> Result<Self> {
        let timer = make_timer()?;
        let state = Box::new(State {
            buffer: UnsafeCell::new(vec![0; BUFFER_WORDS]),
            used: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            last_cpu: AtomicU64::new(nanos(thread_cpu())),
            stack_end: stack_end(),
            probe,
        });
        let running = Self { state: Box::into_raw(state), timer, _claim: claim };
        STATE.set(running.state);
        set_timer(timer, rate)?;
        Ok(running)
    }

    /// Stops, and gives what was noted.
    pub(super) fn stop(self) -> Noted {
        self.disarm();
        // SAFETY: the state is this one's own until it is dropped.
        let state = unsafe { &*self.state };
        // SAFETY: the handler runs on this thread and finds no state any more, so nobody writes.
        let words = unsafe { &*state.buffer.get() };
        let used = state.used.load(Ordering::Acquire).min(words.len());
        Noted { samples: decode(&words[..used]), lost: state.lost.load(Ordering::Relaxed) }
    }

    fn disarm(&self) {
        if ptr::eq(STATE.replace(ptr::null()), self.state) {
            // SAFETY: the timer is this one's own, and is deleted once: the state was there still.
            unsafe { libc::timer_delete(self.timer) };
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
        // SAFETY: made by `Box::into_raw`; the handler runs on this thread and finds no state.
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

/// The monotonic clock; async-signal-safe.
pub(super) fn monotonic() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

/// CPU time of this thread; async-signal-safe.
pub(super) fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

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

fn make_timer() -> Result<libc::timer_t> {
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
    Ok(timer)
}

fn set_timer(timer: libc::timer_t, rate: u32) -> Result<()> {
    let interval = Duration::from_secs(1) / rate;
    let interval = libc::timespec {
        tv_sec: i64::try_from(interval.as_secs())?,
        tv_nsec: interval.subsec_nanos().into(),
    };
    let times = libc::itimerspec { it_interval: interval, it_value: interval };
    // SAFETY: the timer was made by `make_timer`.
    let armed = unsafe { libc::timer_settime(timer, 0, &raw const times, ptr::null_mut()) };
    if armed != 0 {
        bail!("the timer cannot be set: {}", std::io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn on_signal(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the state is freed by the thread that the handler runs on, after it was taken out of
    // here.
    let Some(state) = (unsafe { STATE.get().as_ref() }) else { return };
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
    // it when the handler finds no state any more.
    let buffer = unsafe { &mut *state.buffer.get() };
    let cpu = nanos(thread_cpu());
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
    buffer[start + 1] = nanos(monotonic());
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
}
