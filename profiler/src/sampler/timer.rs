//! A timer interrupts the thread, and its signal handler notes the stack.
//!
//! # A sample is taken
//! 1. The kernel's timer runs on the monotonic clock and sends `SIGPROF` to the sampled thread.
//! 2. The handler runs on the thread's alternate stack and finds the thread's state in a thread-local
//!    variable. When the interrupted instruction is machine code, frame pointers lead from there to
//!    the entry trampoline. When it is host code, which keeps none, the store knows where machine
//!    code was left ([`ActivationProbe`]).
//! 3. Return addresses go to a ring that was reserved before ([`super::words`]): the handler
//!    allocates nothing, takes no lock and looks nothing up.
//! 4. Who takes samples out, on whatever thread, reads the ring.
//!
//! A timer that fires while the thread waits for a processor is heard when it gets one, at the place
//! where it lost it. Threads often lose it at the end of a system call, so such a stack says nothing of
//! where time went. It is not noted; the next that is heard in time weighs what it would have weighed.
//!
//! ```text
//! time ns, CPU ns, counts, address of the instruction, return addresses …
//! ```

use super::clock::{monotonic, thread_cpu, thread_id, usage};
use super::words::Words;
use super::{BUFFER_WORDS, COUNTERS, HEAD_WORDS, MAX_FRAMES, Noted, RawSample, lock, nanos};
use anyhow::{Result, bail};
use libc::{c_int, c_void, siginfo_t};
use std::cell::Cell;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use upshift::{ActivationProbe, is_machine_code};

/// What reports call this way of sampling.
pub(super) const SOURCE: &str = "timer on the monotonic clock, weighted by the thread's CPU time";
/// Which of [`COUNTERS`] the handler reads.
pub(super) const COUNTED: [bool; COUNTERS.len()] = [false, false, false, false, true, true];

/// A signal is in time when it comes within this part of an interval after the timer fired, or within
/// this time, which signals need.
const PART_IN_TIME: u64 = 8;
const NS_IN_TIME: u64 = 50_000;

/// What the handler reads and writes.
#[derive(Debug)]
struct State {
    ring: Arc<Words>,
    /// CPU time, page faults and context switches at the last sample.
    last: Cell<[u64; 3]>,
    /// When the timer was set, on the monotonic clock, and its interval, in nanoseconds.
    set_at: u64,
    interval: u64,
    /// Where a stack is put together; the handler's own stack is small.
    addresses: Box<[Cell<u64>; MAX_FRAMES]>,
    stack_end: usize,
    probe: Option<ActivationProbe>,
}

impl State {
    fn totals() -> [u64; 3] {
        let usage = usage();
        [nanos(thread_cpu()), usage.faults, usage.switches]
    }

    /// Whether a signal at this time comes when the timer fired.
    fn in_time(&self, now: u64) -> bool {
        let late = now.saturating_sub(self.set_at) % self.interval;
        late <= (self.interval / PART_IN_TIME).max(NS_IN_TIME)
    }
}

thread_local! {
    /// The state of this thread's timer. Neither initialized lazily nor dropped, so that the handler
    /// may look at it.
    static STATE: Cell<*const State> = const { Cell::new(ptr::null()) };
}

/// The timer of a thread and what it noted, for all threads.
#[derive(Debug)]
pub(super) struct Timer {
    ring: Arc<Words>,
    timer: Mutex<Option<Id>>,
}

/// The number of a timer.
#[derive(Debug)]
struct Id(libc::timer_t);

// SAFETY: the C library lets every thread use a timer's number.
unsafe impl Send for Id {}

/// The state of the thread's handler; goes on that thread, when it takes no more samples.
#[derive(Debug)]
pub(super) struct Handled {
    state: *mut State,
    started: Duration,
}

impl Handled {
    /// CPU time of the thread that the first sample's weight counts from.
    pub(super) fn started(&self) -> Duration {
        self.started
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        STATE.set(ptr::null());
        // SAFETY: made by `Box::into_raw`; the handler runs on this thread, to which this is bound by
        // its pointer, and finds no state any more.
        drop(unsafe { Box::from_raw(self.state) });
    }
}

/// A timer that samples the calling thread.
pub(super) fn new(rate: u32, probe: Option<ActivationProbe>) -> Result<(Timer, Handled)> {
    let id = make_timer()?;
    let words = Box::new_zeroed_slice(BUFFER_WORDS);
    // SAFETY: all zero is a valid value of a number.
    let words: Box<[AtomicU64]> = unsafe { words.assume_init() };
    let ring = Arc::new(Words::new(words));
    let timer = Timer { ring: Arc::clone(&ring), timer: Mutex::new(Some(id)) };
    let addresses = Box::new([const { Cell::new(0) }; MAX_FRAMES]);
    let interval = Duration::from_secs(1) / rate.max(1);
    let state = Box::new(State {
        ring,
        addresses,
        stack_end: stack_end(),
        probe,
        interval: nanos(interval),
        set_at: nanos(monotonic()),
        last: Cell::new(State::totals()),
    });
    let (set_at, cpu) = (Duration::from_nanos(state.set_at), state.last.get()[0]);
    let state = Box::into_raw(state);
    STATE.set(state);
    let handled = Handled { state, started: Duration::from_nanos(cpu) };
    timer.arm(set_at, interval)?;
    Ok((timer, handled))
}

impl Timer {
    /// Takes samples from now on.
    fn arm(&self, set_at: Duration, interval: Duration) -> Result<()> {
        match &*lock(&self.timer) {
            Some(id) => set_timer(id.0, set_at, interval),
            None => bail!("the timer is gone"),
        }
    }

    /// Takes no more samples, but for one that is on its way.
    pub(super) fn disarm(&self) {
        if let Some(id) = lock(&self.timer).take() {
            // SAFETY: the timer was made by `make_timer`, and is deleted once: it was taken out.
            unsafe { libc::timer_delete(id.0) };
        }
    }

    /// Takes what was noted since the last time.
    pub(super) fn take(&self) -> Noted {
        let samples = self.ring.take().iter().filter_map(|words| decode(words)).collect();
        Noted { samples, lost: self.ring.take_lost() }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// The sample of an entry.
fn decode(words: &[u64]) -> Option<RawSample> {
    let (head, addresses) = words.split_first_chunk::<HEAD_WORDS>()?;
    let [at, cpu, counts @ ..] = *head;
    let address = |&word: &u64| usize::try_from(word).unwrap_or(0);
    Some(RawSample {
        at: Duration::from_nanos(at),
        cpu: Duration::from_nanos(cpu),
        counts,
        addresses: addresses.iter().map(address).collect(),
    })
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

fn make_timer() -> Result<Id> {
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
    event.sigev_notify_thread_id = thread_id();
    let mut timer: libc::timer_t = ptr::null_mut();
    let timer_at = &raw mut timer;
    // SAFETY: writes the timer's number, which is ours.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, timer_at) };
    if installed != 0 || made != 0 {
        bail!("no timer to sample with: {}", std::io::Error::last_os_error());
    }
    Ok(Id(timer))
}

fn set_timer(timer: libc::timer_t, set_at: Duration, interval: Duration) -> Result<()> {
    let spec = |time: Duration| -> Result<libc::timespec> {
        let (tv_sec, tv_nsec) = (i64::try_from(time.as_secs())?, time.subsec_nanos().into());
        Ok(libc::timespec { tv_sec, tv_nsec })
    };
    let times =
        libc::itimerspec { it_interval: spec(interval)?, it_value: spec(set_at + interval)? };
    let at = libc::TIMER_ABSTIME;
    // SAFETY: the timer was made by `make_timer`.
    let armed = unsafe { libc::timer_settime(timer, at, &raw const times, ptr::null_mut()) };
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
    let now = nanos(monotonic());
    if !state.in_time(now) {
        return;
    }
    let totals = State::totals();
    let last = state.last.replace(totals);
    let [cpu, faults, switches] = std::array::from_fn(|i| totals[i].saturating_sub(last[i]));
    let head: [u64; HEAD_WORDS] = [now, cpu, 0, 0, 0, 0, faults, switches];
    let addresses = &state.addresses[..];
    addresses[0].set(pc as u64);
    let mut count = 1;
    let mut from = Some(fp);
    if !is_machine_code(pc) {
        from = state.probe.as_ref().and_then(ActivationProbe::left_at).map(|(fp, pc)| {
            addresses[1].set(pc as u64);
            count = 2;
            fp
        });
    }
    if let Some(fp) = from {
        count += walk(fp, (sp, state.stack_end), &addresses[count..]);
    }
    state.ring.push(&head, addresses[..count].iter().map(Cell::get));
}

/// Notes the return addresses of machine code that frame pointers lead to; how many.
fn walk(fp: usize, (low, high): (usize, usize), addresses: &[Cell<u64>]) -> usize {
    let (mut fp, mut count) = (fp, 0);
    while fp >= low && fp + 16 <= high && fp.is_multiple_of(8) && count < addresses.len() {
        let frame = ptr::with_exposed_provenance::<[usize; 2]>(fp);
        // SAFETY: the words lie between the stack pointer and the end of this thread's stack.
        let [next, return_address] = unsafe { frame.read() };
        if !is_machine_code(return_address) {
            break;
        }
        addresses[count].set(return_address as u64);
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
    fn signals_that_come_late_are_told_by_the_time() {
        let state = |interval| State {
            ring: Arc::new(Words::new(Box::new([const { AtomicU64::new(0) }; 2]))),
            last: Cell::default(),
            set_at: 5_000_000,
            interval,
            addresses: Box::new([const { Cell::new(0) }; MAX_FRAMES]),
            stack_end: 0,
            probe: None,
        };
        let slow = state(1_000_000);
        let at = [6_000_000, 6_124_000, 9_050_000, 6_130_000, 6_990_000];
        assert_eq!(at.map(|now| slow.in_time(now)), [true, true, true, false, false]);
        let fast = state(100_000);
        assert_eq!([5_140_000, 5_160_000].map(|now| fast.in_time(now)), [true, false]);
    }

    #[test]
    fn entries_are_read_as_written() {
        let sample = decode(&[6, 8, 0, 0, 0, 0, 3, 1, 100, 200]).unwrap();
        assert_eq!(sample.addresses, [100, 200]);
        assert_eq!((sample.at, sample.cpu), (Duration::from_nanos(6), Duration::from_nanos(8)));
        assert_eq!(sample.counts, [0, 0, 0, 0, 3, 1]);
        assert_eq!(decode(&[6, 8, 0]), None);
    }
}
