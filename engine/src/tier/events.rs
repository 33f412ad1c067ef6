//! What happens to functions on their way through the tiers, as events for the host.
//!
//! Off, an event costs one predictable branch, never in machine code. On, it goes into a ring of the thread
//! on which it happens, without a lock but for the thread's first. Rings grow as they are filled, up to a
//! bound; when nobody reads, the oldest events of the thread give way and are counted: a thread that has much
//! to tell takes no place of others. Threads that have ended share the place of one. An observer hears of an
//! event on the thread where it happens.

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Events that are kept of a thread, and of all threads together that have ended.
const CAPACITY: usize = 1 << 16;
/// One in so many slow paths is measured: to read the CPU clock takes as long as a slow path.
const MEASURED: u32 = 32;

/// A step in the life of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierEvent {
    /// When, since the engine was made.
    pub at: Duration,
    /// Number of the thread on which it happened, small and never used twice in a process.
    pub thread: u32,
    /// [`Module::id`](crate::Module::id) of the module.
    pub module: u64,
    /// Index of the function, imports count; none for events of the whole module.
    pub func: Option<u32>,
    /// Offset of the `loop` operator in the module, for code that is entered at a loop header.
    pub loop_offset: Option<u32>,
    /// What happened.
    pub kind: TierEventKind,
}

/// What a [`TierEvent`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierEventKind {
    /// A module was made.
    ModuleLoaded {
        /// Functions with a body.
        functions: usize,
        /// Bytes of the code section.
        code_section_bytes: usize,
    },
    /// A function is called for the first time and is compiled now.
    LazyCompileStarted,
    /// It is compiled.
    LazyCompiled {
        /// Whether by the optimising compiler.
        optimized: bool,
        /// CPU time.
        cpu: Duration,
        /// Bytes of machine code.
        code_bytes: usize,
    },
    /// A counter ran down, and optimised code was asked for.
    Requested {
        /// What all threads have counted, in bytes of machine code.
        counted: u64,
        /// CPU time that the compilation is expected to take.
        expected: Duration,
    },
    /// The function still runs in the baseline while it waits: it moves forward in the queue.
    Reprioritized,
    /// A thread begins with the compilation.
    Dequeued {
        /// Requests that wait behind it.
        waiting: usize,
    },
    /// The optimising compiler is done.
    Compiled {
        /// CPU time.
        cpu: Duration,
        /// Bytes of machine code.
        code_bytes: usize,
        /// Whether with all optimisations.
        full: bool,
        /// Calls that have the callee's body in their place.
        inlined: usize,
    },
    /// The next call, or the next turn of the loop, enters the code.
    Published,
    /// Optimised code that took the place of other code is called for the first time.
    FirstEntered,
    /// Execution goes over from the baseline to optimised code at a loop header.
    OsrEntered,
    /// The function stays as it is for now, or for good.
    Rejected {
        /// Why.
        reason: TierRejection,
    },
    /// The slow path of a counter took this much of the program's thread. Not every one is measured.
    SlowPath {
        /// CPU time of the thread.
        cpu: Duration,
        /// How many slow paths of the engine this one stands for.
        count: u32,
    },
}

impl TierEventKind {
    /// A name for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ModuleLoaded { .. } => "module-loaded",
            Self::LazyCompileStarted => "lazy-compile-started",
            Self::LazyCompiled { .. } => "lazy-compiled",
            Self::Requested { .. } => "requested",
            Self::Reprioritized => "reprioritized",
            Self::Dequeued { .. } => "dequeued",
            Self::Compiled { .. } => "compiled",
            Self::Published => "published",
            Self::FirstEntered => "first-entered",
            Self::OsrEntered => "osr-entered",
            Self::Rejected { .. } => "rejected",
            Self::SlowPath { .. } => "slow-path",
        }
    }
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierRejection {
    /// The queue was full; the function asks again when it stays hot.
    QueueFull,
    /// Requests that are worth more took its place; the function asks again when it stays hot.
    Evicted,
    /// There is as much optimised code as the configuration allows.
    CodeLimit,
    /// The module is gone.
    ModuleDropped,
    /// The compiler cannot do it. The function stays in the baseline for good.
    Failed(String),
}

impl fmt::Display for TierRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull => f.write_str("queue full"),
            Self::Evicted => f.write_str("evicted from the queue"),
            Self::CodeLimit => f.write_str("limit of optimised code reached"),
            Self::ModuleDropped => f.write_str("module dropped"),
            Self::Failed(message) => f.write_str(message),
        }
    }
}

/// Hears of events as they happen: see
/// [`Config::event_observer`](crate::Config::event_observer).
pub trait TierEventObserver: fmt::Debug + Send + Sync {
    /// Something happened, on this thread. Called with nothing locked; a program or a compilation
    /// waits until it returns.
    fn event(&self, event: &TierEvent);
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) module: u64,
    pub(crate) func: Option<u32>,
    pub(crate) loop_offset: Option<u32>,
}

/// The events of an engine.
#[derive(Debug)]
pub(crate) struct Events {
    start: Instant,
    /// Where it stays: threads know their rings by its address.
    kept: Option<Box<Kept>>,
    observer: Option<Arc<dyn TierEventObserver>>,
    slow_paths: AtomicU32,
}

/// What is kept of all threads.
#[derive(Debug, Default)]
struct Kept {
    /// A thread adds its ring once, and who reads looks at all of them.
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    rings: Vec<Arc<Ring>>,
    /// Events of threads that have ended, and those that a reader left to the next one.
    rest: VecDeque<TierEvent>,
    /// How many were lost by rings that are no longer there, and from the rest.
    lost: u64,
}

/// The events of one thread.
#[derive(Debug)]
struct Ring {
    sender: Sender<TierEvent>,
    receiver: Receiver<TierEvent>,
    lost: AtomicU64,
}

thread_local! {
    /// The rings of this thread, each with the address of its [`Kept`], which it does not outlive.
    static RINGS: RefCell<Vec<(*const Kept, Weak<Ring>)>> = const { RefCell::new(Vec::new()) };
}

impl Ring {
    fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver, lost: AtomicU64::new(0) }
    }

    /// Whether its thread has ended: nothing but the list has a way to it.
    fn has_ended(self: &Arc<Self>) -> bool {
        let ended = Arc::weak_count(self) == 0 && Arc::strong_count(self) == 1;
        // What the thread did before it let go is seen from here on.
        fence(Ordering::Acquire);
        ended
    }

    fn keep(&self, event: TierEvent) {
        if self.sender.len() >= CAPACITY && self.receiver.try_recv().is_ok() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        // The receiver is here, so there always is one.
        let _ = self.sender.send(event);
    }
}

impl Kept {
    fn keep(&self, event: TierEvent) {
        let kept = RINGS.try_with(|rings| match rings.try_borrow_mut() {
            Ok(mut rings) => self.ring_of(&mut rings),
            // Nobody tells of events while this is borrowed.
            Err(_) => self.add(Arc::new(Ring::new())),
        });
        // A thread that ends has no ring any more.
        kept.unwrap_or_else(|_| self.add(Arc::new(Ring::new()))).keep(event);
    }

    /// This thread's ring.
    fn ring_of(&self, rings: &mut Vec<(*const Self, Weak<Ring>)>) -> Arc<Ring> {
        let of = std::ptr::from_ref(self);
        let known = rings.iter().find(|known| known.0 == of).and_then(|known| known.1.upgrade());
        known.unwrap_or_else(|| {
            rings.retain(|known| known.1.strong_count() > 0);
            let ring = Arc::new(Ring::new());
            rings.push((of, Arc::downgrade(&ring)));
            self.add(Arc::clone(&ring));
            ring
        })
    }

    fn add(&self, ring: Arc<Ring>) -> Arc<Ring> {
        let mut list = self.list();
        list.collect_ended();
        list.rings.push(Arc::clone(&ring));
        ring
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// Moves what ended threads have left to the rest.
    fn collect_ended(&mut self) {
        let Self { rings, rest, lost } = self;
        rings.retain(|ring| {
            let ended = ring.has_ended();
            if ended {
                rest.extend(ring.receiver.try_iter());
                *lost += ring.lost.load(Ordering::Relaxed);
            }
            !ended
        });
        let over = rest.len().saturating_sub(CAPACITY);
        rest.drain(..over);
        *lost += over as u64;
    }

    /// Takes the events of all threads out that happened until then, by their time. Others may
    /// already be in rings that are read late while what led to them is not in those read early.
    fn drain(&mut self, until: Duration) -> Vec<TierEvent> {
        self.collect_ended();
        let mut events: Vec<TierEvent> = self.rest.drain(..).collect();
        for ring in &self.rings {
            events.extend(ring.receiver.try_iter().take(CAPACITY));
        }
        events.sort_by_key(|event| event.at);
        let later = events.partition_point(|event| event.at <= until);
        self.rest = events.split_off(later).into();
        events
    }

    fn lost(&self) -> u64 {
        let now = self.rings.iter().map(|ring| ring.lost.load(Ordering::Relaxed)).sum::<u64>();
        now + self.lost
    }
}

impl Events {
    /// Events that are kept when `enabled`, and that the observer hears of.
    pub(crate) fn new(enabled: bool, observer: Option<Arc<dyn TierEventObserver>>) -> Self {
        let kept = enabled.then(|| Box::new(Kept::default()));
        Self { start: Instant::now(), kept, observer, slow_paths: AtomicU32::new(0) }
    }

    /// Whether anybody wants events: what an event takes to make is only worth it then.
    #[inline]
    pub(crate) fn enabled(&self) -> bool {
        self.kept.is_some() || self.observer.is_some()
    }

    /// How many slow paths the one that begins now stands for; `None` when it is not measured. The
    /// first is, when anybody wants events.
    pub(crate) fn measured_slow_path(&self) -> Option<u32> {
        if !self.enabled() {
            return None;
        }
        match self.slow_paths.fetch_add(1, Ordering::Relaxed) {
            0 => Some(1),
            before => before.is_multiple_of(MEASURED).then_some(MEASURED),
        }
    }

    /// Tells of an event.
    #[inline]
    pub(crate) fn emit(&self, subject: Subject, kind: impl FnOnce() -> TierEventKind) {
        if self.enabled() {
            self.tell(subject, kind());
        }
    }

    #[cold]
    fn tell(&self, subject: Subject, kind: TierEventKind) {
        let Subject { module, func, loop_offset } = subject;
        let at = self.now();
        let event = TierEvent { at, thread: thread_number(), module, func, loop_offset, kind };
        if let Some(observer) = &self.observer {
            observer.event(&event);
        }
        if let Some(kept) = &self.kept {
            kept.keep(event);
        }
    }

    /// When an event would be that happens now.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Takes all events out, by their time.
    pub(crate) fn drain(&self) -> Vec<TierEvent> {
        let until = self.now();
        self.kept.as_ref().map(|kept| kept.list().drain(until)).unwrap_or_default()
    }

    /// How many events gave way to younger ones.
    pub(crate) fn lost(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.list().lost())
    }
}

/// A small number for this thread.
pub(crate) fn thread_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: Cell<Option<u32>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        let found = number.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        number.set(Some(found));
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject { module: 3, func: Some(7), loop_offset: None };

    #[test]
    fn nothing_is_made_when_they_are_off() {
        let events = Events::new(false, None);
        assert!(!events.enabled());
        events.emit(SUBJECT, || panic!("must not be made"));
        assert!(events.drain().is_empty());
    }

    #[test]
    fn events_come_out_in_order_and_once() {
        let events = Events::new(true, None);
        events.emit(SUBJECT, || TierEventKind::LazyCompileStarted);
        events.emit(SUBJECT, || TierEventKind::Published);
        let drained = events.drain();
        assert_eq!(drained.len(), 2);
        assert!(drained[0].at <= drained[1].at);
        assert_eq!((drained[0].module, drained[0].func), (3, Some(7)));
        assert_eq!(drained[1].kind.name(), "published");
        assert!(events.drain().is_empty());
    }

    #[test]
    fn a_slow_path_that_is_measured_stands_for_others() {
        let events = Events::new(true, None);
        let counts: Vec<u32> = (0..100).filter_map(|_| events.measured_slow_path()).collect();
        assert_eq!(counts, [1, MEASURED, MEASURED, MEASURED]);
        assert_eq!(Events::new(false, None).measured_slow_path(), None);
    }

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<TierEvent>>);

    impl TierEventObserver for Heard {
        fn event(&self, event: &TierEvent) {
            self.0.lock().unwrap().push(event.clone());
        }
    }

    #[test]
    fn an_observer_hears_of_what_is_kept_and_of_what_is_not() {
        for kept in [true, false] {
            let heard = Arc::new(Heard::default());
            let events = Events::new(kept, Some(heard.clone()));
            assert!(events.enabled());
            events.emit(SUBJECT, || TierEventKind::Published);
            let expected = if kept { heard.0.lock().unwrap().clone() } else { Vec::new() };
            assert_eq!(events.drain(), expected);
            assert_eq!(heard.0.lock().unwrap()[0].kind, TierEventKind::Published);
        }
    }

    #[test]
    fn the_oldest_give_way() {
        let events = Events::new(true, None);
        for waiting in 0..CAPACITY + 10 {
            events.emit(SUBJECT, || TierEventKind::Dequeued { waiting });
        }
        assert_eq!(events.lost(), 10);
        let drained = events.drain();
        assert_eq!(drained.len(), CAPACITY);
        assert_eq!(drained[0].kind, TierEventKind::Dequeued { waiting: 10 });
    }

    #[test]
    fn a_thread_takes_no_place_of_others() {
        let events = Events::new(true, None);
        events.emit(SUBJECT, || TierEventKind::Published);
        std::thread::scope(|scope| {
            let tell = |waiting| events.emit(SUBJECT, || TierEventKind::Dequeued { waiting });
            // Joined, for a scope does not wait for what belongs to a thread.
            scope.spawn(move || (0..CAPACITY + 10).for_each(tell)).join().unwrap();
        });
        assert_eq!(events.lost(), 10);
        let drained = events.drain();
        assert_eq!((drained.len(), &drained[0].kind), (CAPACITY + 1, &TierEventKind::Published));
        assert!(drained.is_sorted_by_key(|event| event.at));
        // The ring of the thread that ended is gone, and what it lost is not forgotten.
        assert_eq!(events.kept.as_ref().unwrap().list().rings.len(), 1);
        assert_eq!(events.lost(), 10);
    }

    #[test]
    fn threads_that_have_ended_share_the_place_of_one() {
        let events = Events::new(true, None);
        let together = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            let tell = || {
                events.emit(SUBJECT, || TierEventKind::Published);
                together.wait();
                for waiting in 1..CAPACITY {
                    events.emit(SUBJECT, || TierEventKind::Dequeued { waiting });
                }
            };
            let threads = [(); 3].map(|()| scope.spawn(tell));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(events.lost(), 0);
        // Whose ring comes next has those of ended threads collected.
        events.emit(SUBJECT, || TierEventKind::Published);
        assert_eq!(events.lost(), 2 << 16);
        {
            let list = events.kept.as_ref().unwrap().list();
            assert_eq!((list.rings.len(), list.rest.len()), (1, CAPACITY));
        }
        assert_eq!(events.drain().len(), CAPACITY + 1);
        assert_eq!(events.lost(), 2 << 16);
    }

    #[test]
    fn what_happens_while_events_are_read_is_left_to_the_next_reader() {
        let events = Events::new(true, None);
        events.emit(SUBJECT, || TierEventKind::LazyCompileStarted);
        let mut list = events.kept.as_ref().unwrap().list();
        assert!(list.drain(Duration::ZERO).is_empty());
        drop(list);
        assert_eq!(events.drain().len(), 1);
    }

    #[test]
    fn all_threads_are_heard() {
        let events = Events::new(true, None);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..CAPACITY / 2 {
                        events.emit(SUBJECT, || TierEventKind::Published);
                    }
                });
            }
        });
        assert_eq!(u64::try_from(events.drain().len()).unwrap() + events.lost(), 2 << 16);
    }
}
