//! What happens to functions on their way through the tiers, collections, exceptions and traps, as events
//! for the host.
//!
//! Off, an event costs one predictable branch, never in machine code. On, it goes into a ring of the thread
//! on which it happens, without a lock but for the thread's first. Rings grow as they are filled, up to a
//! bound; when nobody reads, the oldest events of the thread give way and are counted: a thread that has much
//! to tell takes no place of others. Nor do collections, exceptions and traps, which a program has as long as
//! it runs, of what happens to functions: each of these [`Topic`]s has its own room. Threads that have ended
//! share the place of one. An observer hears of an event on the thread where it happens.

use super::event::{Event, EventKind, EventObserver};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Events of a topic that are kept of a thread, and of all threads together that have ended.
const CAPACITY: usize = 1 << 16;
/// One in so many slow paths is measured: to read the CPU clock takes as long as a slow path.
const MEASURED: u32 = 32;

/// What events have room together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// Functions on their way through the tiers.
    Tiers,
    /// What the program does: its collections, exceptions and traps.
    Program,
}

impl Topic {
    fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Collected { .. } | EventKind::Thrown { .. } | EventKind::Trapped { .. } => {
                Self::Program
            }
            _ => Self::Tiers,
        }
    }
}

/// One for each topic.
type ByTopic<T> = [T; 2];

/// What an event is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) module: Option<u64>,
    pub(crate) func: Option<u32>,
    pub(crate) loop_offset: Option<u32>,
}

/// The events of an engine.
#[derive(Debug)]
pub(crate) struct Events {
    start: Instant,
    /// Where it stays: threads know their rings by its address.
    kept: Option<Box<Kept>>,
    observer: Option<Arc<dyn EventObserver>>,
    /// Whether the observer has panicked.
    observer_failed: AtomicBool,
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
    rest: ByTopic<VecDeque<Event>>,
    /// How many were lost by rings that are no longer there, and from the rest.
    lost: u64,
}

/// The events of one thread.
#[derive(Debug)]
struct Ring {
    rooms: ByTopic<Room>,
    lost: AtomicU64,
}

/// Where the events of a topic are.
#[derive(Debug)]
struct Room {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Room {
    fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
    }
}

thread_local! {
    /// The rings of this thread, each with the address of its [`Kept`], which it does not outlive.
    static RINGS: RefCell<Vec<(*const Kept, Weak<Ring>)>> = const { RefCell::new(Vec::new()) };
}

impl Ring {
    fn new() -> Self {
        Self { rooms: [Room::new(), Room::new()], lost: AtomicU64::new(0) }
    }

    /// Whether its thread has ended: nothing but the list has a way to it.
    fn has_ended(self: &Arc<Self>) -> bool {
        let ended = Arc::weak_count(self) == 0 && Arc::strong_count(self) == 1;
        // What the thread did before it let go is seen from here on.
        fence(Ordering::Acquire);
        ended
    }

    fn keep(&self, event: Event) {
        let Room { sender, receiver } = &self.rooms[Topic::of(&event.kind) as usize];
        if sender.len() >= CAPACITY && receiver.try_recv().is_ok() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        // The receiver is here, so there always is one.
        let _ = sender.send(event);
    }
}

impl Kept {
    fn keep(&self, event: Event) {
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
                for (rest, room) in rest.iter_mut().zip(&ring.rooms) {
                    rest.extend(room.receiver.try_iter());
                }
                *lost += ring.lost.load(Ordering::Relaxed);
            }
            !ended
        });
        for rest in rest {
            let over = rest.len().saturating_sub(CAPACITY);
            rest.drain(..over);
            *lost += over as u64;
        }
    }

    /// Takes the events of all threads out that happened until then, by their time. Others may
    /// already be in rings that are read late while what led to them is not in those read early.
    fn drain(&mut self, until: Duration) -> Vec<Event> {
        self.collect_ended();
        let mut events: Vec<Event> = self.rest.iter_mut().flat_map(|rest| rest.drain(..)).collect();
        for room in self.rings.iter().flat_map(|ring| &ring.rooms) {
            events.extend(room.receiver.try_iter().take(CAPACITY));
        }
        events.sort_by_key(|event| event.at);
        let later = events.partition_point(|event| event.at <= until);
        for event in events.split_off(later) {
            self.rest[Topic::of(&event.kind) as usize].push_back(event);
        }
        events
    }

    fn lost(&self) -> u64 {
        let now = self.rings.iter().map(|ring| ring.lost.load(Ordering::Relaxed)).sum::<u64>();
        now + self.lost
    }
}

impl Events {
    /// Events that are kept when `enabled`, and that the observer hears of.
    pub(crate) fn new(enabled: bool, observer: Option<Arc<dyn EventObserver>>) -> Self {
        let kept = enabled.then(|| Box::new(Kept::default()));
        let (observer_failed, slow_paths) = (AtomicBool::new(false), AtomicU32::new(0));
        Self { start: Instant::now(), kept, observer, observer_failed, slow_paths }
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
    pub(crate) fn emit(&self, subject: Subject, kind: impl FnOnce() -> EventKind) {
        if self.enabled() {
            self.tell(self.now(), subject, kind());
        }
    }

    /// Tells of an event that was some time ago.
    #[cold]
    pub(crate) fn tell(&self, at: Duration, subject: Subject, kind: EventKind) {
        let Subject { module, func, loop_offset } = subject;
        let event = Event { at, thread: thread_number(), module, func, loop_offset, kind };
        if let Some(observer) = &self.observer
            && !self.observer_failed.load(Ordering::Relaxed)
            // Who tells may be in a state that a panic must not leave, such as without its heap.
            && catch_unwind(AssertUnwindSafe(|| observer.event(&event))).is_err()
        {
            self.observer_failed.store(true, Ordering::Relaxed);
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
    pub(crate) fn drain(&self) -> Vec<Event> {
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

    const SUBJECT: Subject = Subject { module: Some(3), func: Some(7), loop_offset: None };

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
        events.emit(SUBJECT, || EventKind::LazyCompileStarted);
        events.emit(SUBJECT, || EventKind::Published);
        let drained = events.drain();
        assert_eq!(drained.len(), 2);
        assert!(drained[0].at <= drained[1].at);
        assert_eq!((drained[0].module, drained[0].func), (Some(3), Some(7)));
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
    struct Heard(Mutex<Vec<Event>>);

    impl EventObserver for Heard {
        fn event(&self, event: &Event) {
            self.0.lock().unwrap().push(event.clone());
        }
    }

    #[test]
    fn an_observer_hears_of_what_is_kept_and_of_what_is_not() {
        for kept in [true, false] {
            let heard = Arc::new(Heard::default());
            let events = Events::new(kept, Some(heard.clone()));
            assert!(events.enabled());
            events.emit(SUBJECT, || EventKind::Published);
            let expected = if kept { heard.0.lock().unwrap().clone() } else { Vec::new() };
            assert_eq!(events.drain(), expected);
            assert_eq!(heard.0.lock().unwrap()[0].kind, EventKind::Published);
        }
    }

    #[test]
    fn the_oldest_give_way() {
        let events = Events::new(true, None);
        for waiting in 0..CAPACITY + 10 {
            events.emit(SUBJECT, || EventKind::Dequeued { waiting });
        }
        assert_eq!(events.lost(), 10);
        let drained = events.drain();
        assert_eq!(drained.len(), CAPACITY);
        assert_eq!(drained[0].kind, EventKind::Dequeued { waiting: 10 });
    }

    #[test]
    fn collections_and_exceptions_take_no_place_of_functions() {
        let events = Events::new(true, None);
        events.emit(SUBJECT, || EventKind::Published);
        let tell = || {
            for thrown in 0..CAPACITY as u64 + 10 {
                events.emit(SUBJECT, || EventKind::Thrown { thrown, caught: 0 });
            }
            events.emit(SUBJECT, || EventKind::FirstEntered);
        };
        tell();
        // Nor where the events of threads are that have ended.
        std::thread::scope(|scope| scope.spawn(tell).join().unwrap());
        assert_eq!(events.lost(), 20);
        let drained = events.drain();
        let of_functions = drained.iter().filter(|event| Topic::of(&event.kind) == Topic::Tiers);
        let names: Vec<&str> = of_functions.map(|event| event.kind.name()).collect();
        assert_eq!(names[0], "published");
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(drained.len(), 2 * CAPACITY + 3);
        assert!(drained.is_sorted_by_key(|event| event.at));
    }

    #[test]
    fn a_thread_takes_no_place_of_others() {
        let events = Events::new(true, None);
        events.emit(SUBJECT, || EventKind::Published);
        std::thread::scope(|scope| {
            let tell = |waiting| events.emit(SUBJECT, || EventKind::Dequeued { waiting });
            // Joined, for a scope does not wait for what belongs to a thread.
            scope.spawn(move || (0..CAPACITY + 10).for_each(tell)).join().unwrap();
        });
        assert_eq!(events.lost(), 10);
        let drained = events.drain();
        assert_eq!((drained.len(), &drained[0].kind), (CAPACITY + 1, &EventKind::Published));
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
                events.emit(SUBJECT, || EventKind::Published);
                together.wait();
                for waiting in 1..CAPACITY {
                    events.emit(SUBJECT, || EventKind::Dequeued { waiting });
                }
            };
            let threads = [(); 3].map(|()| scope.spawn(tell));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(events.lost(), 0);
        // Whose ring comes next has those of ended threads collected.
        events.emit(SUBJECT, || EventKind::Published);
        assert_eq!(events.lost(), 2 << 16);
        {
            let list = events.kept.as_ref().unwrap().list();
            assert_eq!((list.rings.len(), list.rest[0].len()), (1, CAPACITY));
        }
        assert_eq!(events.drain().len(), CAPACITY + 1);
        assert_eq!(events.lost(), 2 << 16);
    }

    #[test]
    fn what_happens_while_events_are_read_is_left_to_the_next_reader() {
        let events = Events::new(true, None);
        events.emit(SUBJECT, || EventKind::LazyCompileStarted);
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
                        events.emit(SUBJECT, || EventKind::Published);
                    }
                });
            }
        });
        assert_eq!(u64::try_from(events.drain().len()).unwrap() + events.lost(), 2 << 16);
    }
}
