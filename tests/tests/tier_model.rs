//! A model of the protocol between programs, the tier controller and publishing, run through every
//! order in which its steps can happen.
//!
//! What is modelled, with the names of the engine: a function's progress (cold, requested,
//! optimised), which decides who may ask; the channel to the dispatcher, of one place, which refuses
//! when it is full; placing code and the one store to the entry slot that publishes it; the counter
//! that is armed and set to zero; code that finds no place because there is a limit; and the module that
//! may go between any two steps. Each step is
//! one atomic operation of the engine, and all threads see them in one order: where a store has to be seen before a
//! load of the same thread, the engine has a fence. Steps of different threads interleave in all ways; that the
//! hardware keeps each thread's stores in order is what release and acquire are there for.

use std::collections::HashSet;

/// How far the function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Progress {
    Cold,
    Requested,
    Optimized,
}

/// What a thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// A program's counter fires; it may happen this often.
    Fire(u8),
    /// It won the right to ask, and sends.
    Send(u8),
    /// There was no place: the function is cold again, and its counter armed.
    GiveBack(u8),
    /// Somebody asked already: the counter is armed to wait for that.
    Arm(u8),
    /// It looks whether the code came meanwhile.
    Look(u8),
    /// A call, or a turn of the loop, after all that.
    Call,
    /// The worker looks for a request.
    Take,
    /// It compiles, holding nothing.
    Compile,
    /// It takes a reference to the module.
    Upgrade,
    /// It places the code and its tables.
    Place,
    /// There is too much code: the function is cold again.
    Refuse,
    /// It stores the address to the slot.
    Publish,
    /// It says that the function is optimised.
    Note,
    /// It sets the counter to zero.
    Wake,
    /// The last reference to the module goes, if the worker has none.
    Drop,
    /// Nothing.
    End,
}

/// Everything that threads share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    progress: Progress,
    channel_full: bool,
    /// The request in the channel is about another function.
    foreign: bool,
    compiled: u8,
    /// How often there is no room for the code.
    refusals: u8,
    placed: bool,
    published: bool,
    counter_is_zero: bool,
    module_dropped: bool,
    /// The module's memory is gone: nobody refers to it.
    module_freed: bool,
    worker_holds_module: bool,
    threads: Vec<Step>,
}

impl State {
    fn new(threads: &[Step]) -> Self {
        Self {
            progress: Progress::Cold,
            channel_full: false,
            foreign: false,
            compiled: 0,
            refusals: 0,
            placed: false,
            published: false,
            counter_is_zero: false,
            module_dropped: false,
            module_freed: false,
            worker_holds_module: false,
            threads: threads.to_vec(),
        }
    }

    /// Lets a thread make its next step; `None` when it has none now.
    fn step(&self, thread: usize) -> Option<Self> {
        let mut next = self.clone();
        next.threads[thread] = match self.threads[thread] {
            Step::End => return None,
            Step::Fire(0) => Step::Call,
            Step::Fire(left) if self.progress == Progress::Cold => {
                next.progress = Progress::Requested;
                Step::Send(left - 1)
            }
            Step::Fire(left) if self.progress == Progress::Requested => Step::Arm(left - 1),
            Step::Fire(left) => Step::Fire(left - 1),
            Step::Arm(left) => {
                next.counter_is_zero = false;
                Step::Look(left)
            }
            Step::Look(left) => {
                next.counter_is_zero |= self.progress == Progress::Optimized;
                Step::Fire(left)
            }
            Step::Send(left) if self.channel_full => Step::GiveBack(left),
            Step::Send(left) => {
                next.channel_full = true;
                Step::Fire(left)
            }
            Step::GiveBack(left) => {
                next.progress = Progress::Cold;
                Step::Fire(left)
            }
            Step::Call => {
                assert!(!self.module_freed, "a program keeps its module");
                assert!(!self.published || self.placed, "published code is complete");
                if self.counter_is_zero && self.progress == Progress::Optimized {
                    assert!(self.placed, "a body that is found is complete");
                }
                Step::End
            }
            _ => next.work(self.threads[thread])?,
        };
        Some(next)
    }

    /// Steps of the worker, and of whoever drops the module.
    fn work(&mut self, step: Step) -> Option<Step> {
        Some(match step {
            Step::Take if !self.channel_full => return None,
            Step::Take => {
                self.channel_full = false;
                if std::mem::take(&mut self.foreign) { Step::Take } else { Step::Compile }
            }
            Step::Compile => {
                self.compiled += 1;
                Step::Upgrade
            }
            Step::Upgrade if self.module_dropped => Step::Take,
            Step::Upgrade => {
                self.worker_holds_module = true;
                if self.refusals == 0 { Step::Place } else { Step::Refuse }
            }
            Step::Refuse => {
                self.refusals -= 1;
                self.progress = Progress::Cold;
                self.worker_holds_module = false;
                self.module_freed = self.module_dropped;
                Step::Take
            }
            Step::Place => {
                assert!(!self.module_freed, "the worker holds the module");
                self.placed = true;
                Step::Publish
            }
            Step::Publish => {
                assert!(!self.module_freed, "the worker holds the module");
                self.published = true;
                Step::Note
            }
            Step::Note => {
                assert_eq!(self.progress, Progress::Requested, "nobody else changes it");
                self.progress = Progress::Optimized;
                Step::Wake
            }
            Step::Wake => {
                self.counter_is_zero = true;
                self.worker_holds_module = false;
                self.module_freed = self.module_dropped;
                Step::Take
            }
            Step::Drop => {
                self.module_dropped = true;
                self.module_freed = !self.worker_holds_module;
                Step::End
            }
            _ => return None,
        })
    }
}

/// Goes through all orders; `check` sees each state in which nothing can happen any more. Returns
/// the number of states.
fn explore(start: State, check: impl Fn(&State)) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        let mut is_last = true;
        for thread in 0..state.threads.len() {
            if let Some(next) = state.step(thread) {
                is_last = false;
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        if is_last {
            check(&state);
        }
    }
    seen.len()
}

#[test]
fn a_function_is_compiled_once_and_published_complete() {
    let threads = [Step::Fire(3), Step::Fire(3), Step::Fire(2), Step::Take];
    let states = explore(State::new(&threads), |end| {
        assert_eq!(end.compiled, 1);
        assert_eq!(end.progress, Progress::Optimized);
        assert!(end.published && end.counter_is_zero && !end.channel_full);
    });
    assert!(states > 500, "{states}");
}

#[test]
fn a_request_without_a_place_is_made_again() {
    // Somebody else's request has the place, and is not about this function.
    let mut start = State::new(&[Step::Fire(3), Step::Take]);
    (start.channel_full, start.foreign) = (true, true);
    explore(start, |end| {
        // Its request was refused each time, or it was compiled: it never waits for nothing.
        assert_ne!(end.progress, Progress::Requested);
    });
}

#[test]
fn code_without_room_is_asked_for_again() {
    let mut start = State::new(&[Step::Fire(4), Step::Fire(2), Step::Take]);
    start.refusals = 1;
    let states = explore(start, |end| {
        // Whoever fired again had it compiled again.
        assert_ne!(end.progress, Progress::Requested);
        assert_eq!(end.published, end.compiled == 2);
        assert!(!end.published || end.counter_is_zero);
    });
    assert!(states > 100, "{states}");
}

#[test]
fn a_module_goes_whatever_the_worker_does() {
    let states = explore(State::new(&[Step::Fire(2), Step::Take]), |_| {});
    // The program ends, then its module goes while the worker is anywhere.
    let mut start = State::new(&[Step::Drop, Step::Take]);
    (start.progress, start.channel_full) = (Progress::Requested, true);
    let with_drop = explore(start, |end| {
        assert!(end.module_freed);
        assert_eq!(end.compiled, 1);
        assert_eq!(end.placed, end.published, "nothing is half done");
    });
    assert!(states > 10 && with_drop > 10);
}
