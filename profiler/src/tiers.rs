//! What the tiers did, from the engine's events.

use crate::incidents::Incident;
use crate::names::Names;
use crate::symbols::unnamed;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use upshift::{Event, EventKind, Module};

/// The tiers' work on a function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionTiers {
    /// Index in the module.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Steps of its life, by their time since the engine was made, in milliseconds.
    pub steps: Vec<Step>,
    /// CPU time of its baseline compilation, in milliseconds.
    pub baseline_compile_ms: f64,
    /// Bytes of its baseline code.
    pub baseline_code_bytes: usize,
    /// CPU time that the optimising compiler took, OSR bodies included, in milliseconds.
    pub optimizer_compile_ms: f64,
    /// Bytes of its optimised code, OSR bodies included.
    pub optimizer_code_bytes: usize,
    /// Time from the first request to the first publication, in milliseconds.
    pub tier_up_ms: Option<f64>,
    /// Time from the first publication to the first call of the code, in milliseconds; none when it was
    /// never called: entered at a loop, or inlined.
    pub first_entry_ms: Option<f64>,
    /// Time that the request waited for a thread which was the first to be compiled, in milliseconds.
    pub waited_ms: f64,
    /// Entries at loops: offset of the loop in the module, and when.
    pub osr_entries: Vec<(u32, f64)>,
}

/// Names of the steps that begin and end a compilation on the first call.
const LAZY_COMPILE_STARTED: &str = "lazy-compile-started";
const LAZY_COMPILED: &str = "lazy-compiled";

/// How requests waited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waiting {
    /// How many were left when one was begun, at most.
    pub most: usize,
    /// How long they waited, in milliseconds.
    pub median_ms: f64,
    /// How long the one that waited longest did.
    pub longest_ms: f64,
}

/// A step in a function's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds since the engine was made.
    pub at_ms: f64,
    /// Number of the thread.
    pub thread: u32,
    /// What happened, as [`EventKind::name`] says.
    pub what: Cow<'static, str>,
    /// The loop, for code that is entered at one.
    pub loop_offset: Option<u32>,
}

impl FunctionTiers {
    /// Compilations on the first call, on the thread that called: when each began, and its last step.
    pub(crate) fn lazy_compilations(&self) -> impl Iterator<Item = (f64, &Step)> {
        let mut began = None;
        self.steps.iter().filter_map(move |step| match &*step.what {
            LAZY_COMPILE_STARTED => {
                began = Some(step.at_ms);
                None
            }
            LAZY_COMPILED => Some((began.take().unwrap_or(step.at_ms), step)),
            _ => None,
        })
    }

    /// Steps that are no part of compilations, and not too many.
    pub(crate) fn moments(&self) -> impl Iterator<Item = &Step> {
        const LEFT_OUT: [&str; 5] =
            ["slow-path", "compiled", "dequeued", LAZY_COMPILE_STARTED, LAZY_COMPILED];
        self.steps.iter().filter(|step| !LEFT_OUT.contains(&&*step.what))
    }
}

/// What the tiers did in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TierReport {
    /// Functions that anything happened to, by index.
    pub functions: Vec<FunctionTiers>,
    /// Time from the start of an optimising compilation to its end: start, end, thread, function.
    pub compilations: Vec<Compilation>,
    /// Requests that waited behind each that was begun: when, and how many.
    pub queue: Vec<(f64, usize)>,
    /// Machine code that was made: when, and how many bytes.
    pub code_growth: Vec<(f64, usize)>,
    /// How long each request waited that was begun: when, and for how many milliseconds.
    pub waits: Vec<(f64, f64)>,
    /// Optimising compilations that were not over in the end.
    pub unfinished: Vec<Unfinished>,
    /// CPU time of the slow paths of counters, in milliseconds: an estimate.
    pub slow_path_ms: f64,
    /// How often one was taken.
    pub slow_paths: usize,
    /// Requests that came to nothing.
    pub rejections: usize,
    /// The same by their reasons.
    pub rejected: BTreeMap<String, usize>,
    /// Collections, exceptions and traps.
    pub incidents: Vec<Incident>,
    /// Events that were lost.
    pub lost: u64,
}

/// An optimising compilation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compilation {
    /// Index of the function.
    pub func: u32,
    /// The loop, for an OSR body.
    pub loop_offset: Option<u32>,
    /// Start and end, in milliseconds since the engine was made.
    pub span_ms: (f64, f64),
    /// Number of the thread.
    pub thread: u32,
    /// CPU time, in milliseconds.
    pub cpu_ms: f64,
    /// Bytes of code.
    pub code_bytes: usize,
}

/// An optimising compilation that began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Index of the function.
    pub func: u32,
    /// The loop, for an OSR body.
    pub loop_offset: Option<u32>,
    /// When, in milliseconds since the engine was made.
    pub began_ms: f64,
}

/// When what is not over yet began, by function and loop.
#[derive(Default)]
struct Open {
    requested: BTreeMap<(u32, Option<u32>), f64>,
    started: BTreeMap<(u32, Option<u32>), f64>,
    /// Slow paths that stand for others: CPU time in milliseconds, and for how many.
    slow_paths: Vec<(f64, u32)>,
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl TierReport {
    /// The report of a module's events, in their order, with those of no module.
    #[must_use]
    pub fn new(module: &Module, events: &[Event], lost: u64) -> Self {
        let mut report = Self { lost, ..Self::default() };
        let mut functions: BTreeMap<u32, FunctionTiers> = BTreeMap::new();
        let mut open = Open::default();
        let mut names = Names::new(module);
        let own = Some(module.id());
        for event in events.iter().filter(|event| event.module.is_none() || event.module == own) {
            if let Some(incident) = Incident::new((module, &mut names), event) {
                report.incidents.push(incident);
                continue;
            }
            let Some(index) = event.func else { continue };
            let function = functions.entry(index).or_insert_with(|| FunctionTiers {
                index,
                name: names.of(index),
                ..FunctionTiers::default()
            });
            function.steps.push(Step {
                at_ms: ms(event.at),
                thread: event.thread,
                what: Cow::Borrowed(event.kind.name()),
                loop_offset: event.loop_offset,
            });
            report.add(event, function, &mut open);
        }
        report.functions = functions.into_values().map(with_tier_up).collect();
        report.end(open);
        report
    }

    /// Adds what only all events together tell.
    fn end(&mut self, mut open: Open) {
        let unfinished = open.started.into_iter();
        let unfinished = unfinished.map(|((func, loop_offset), began_ms)| Unfinished {
            func,
            loop_offset,
            began_ms,
        });
        self.unfinished = unfinished.collect();
        // Few are measured, and an interruption of one takes longer than all others. So it is the median that
        // is of all.
        open.slow_paths.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((median_ms, _)) = open.slow_paths.get(open.slow_paths.len() / 2) {
            let all = sum(open.slow_paths.iter().map(|&(_, count)| f64::from(count)));
            self.slow_path_ms += median_ms * all;
        }
    }

    fn add(&mut self, event: &Event, function: &mut FunctionTiers, open: &mut Open) {
        let at = ms(event.at);
        let key = (function.index, event.loop_offset);
        match &event.kind {
            &EventKind::LazyCompiled { optimized, cpu, code_bytes } => {
                let (time, bytes) = match optimized {
                    true => {
                        (&mut function.optimizer_compile_ms, &mut function.optimizer_code_bytes)
                    }
                    false => (&mut function.baseline_compile_ms, &mut function.baseline_code_bytes),
                };
                *time += ms(cpu);
                *bytes += code_bytes;
                self.code_growth.push((at, code_bytes));
            }
            EventKind::Requested { .. } => {
                open.requested.insert(key, at);
            }
            &EventKind::Dequeued { waiting } => {
                open.started.insert(key, at);
                self.queue.push((at, waiting));
                if let Some(asked) = open.requested.remove(&key) {
                    let waited = (at - asked).max(0.0);
                    let is_first = |step: &&Step| step.what == "dequeued";
                    if function.steps.iter().filter(is_first).count() == 1 {
                        function.waited_ms = waited;
                    }
                    self.waits.push((at, waited));
                }
            }
            &EventKind::Compiled { cpu, code_bytes, .. } => {
                function.optimizer_compile_ms += ms(cpu);
                function.optimizer_code_bytes += code_bytes;
                self.code_growth.push((at, code_bytes));
                let start = open.started.remove(&key).unwrap_or(at - ms(cpu));
                self.compilations.push(Compilation {
                    func: function.index,
                    loop_offset: event.loop_offset,
                    span_ms: (start, at),
                    thread: event.thread,
                    cpu_ms: ms(cpu),
                    code_bytes,
                });
            }
            EventKind::OsrEntered => {
                function.osr_entries.push((event.loop_offset.unwrap_or(0), at));
            }
            &EventKind::SlowPath { cpu, count } => {
                self.slow_paths += usize::try_from(count).unwrap_or(0);
                match count {
                    1 => self.slow_path_ms += ms(cpu),
                    _ => open.slow_paths.push((ms(cpu), count)),
                }
            }
            EventKind::Rejected { reason } => {
                open.requested.remove(&key);
                open.started.remove(&key);
                self.rejections += 1;
                *self.rejected.entry(reason.to_string()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Replaces the names of functions by their numbers, for reports that leave the house.
    pub fn redact(&mut self) {
        for function in &mut self.functions {
            function.name = unnamed(function.index);
        }
        self.incidents.iter_mut().for_each(Incident::redact);
    }

    /// How requests waited for threads that optimise; nothing when none was begun.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        let mut waits: Vec<f64> = self.waits.iter().map(|&(_, ms)| ms).collect();
        waits.sort_by(f64::total_cmp);
        Some(Waiting {
            most: self.queue.iter().map(|&(_, waiting)| waiting).max().unwrap_or(0),
            median_ms: *waits.get(waits.len() / 2)?,
            longest_ms: *waits.last()?,
        })
    }

    /// Numbers of the threads that optimised in the background.
    pub(crate) fn optimizers(&self) -> BTreeSet<u32> {
        self.compilations.iter().map(|of| of.thread).collect()
    }

    /// CPU time of all optimising compilations, in milliseconds.
    #[must_use]
    pub fn optimizer_ms(&self) -> f64 {
        sum(self.functions.iter().map(|function| function.optimizer_compile_ms))
    }

    /// CPU time of all baseline compilations, in milliseconds.
    #[must_use]
    pub fn baseline_ms(&self) -> f64 {
        sum(self.functions.iter().map(|function| function.baseline_compile_ms))
    }

    /// Bytes of machine code that the baseline made, and the optimizing compiler.
    #[must_use]
    pub fn code_bytes(&self) -> (usize, usize) {
        let functions = self.functions.iter();
        functions.fold((0, 0), |(baseline, optimizer), function| {
            (baseline + function.baseline_code_bytes, optimizer + function.optimizer_code_bytes)
        })
    }
}

/// A sum that is 0 when there is nothing; `Iterator::sum` starts from -0.
pub(crate) fn sum(times: impl Iterator<Item = f64>) -> f64 {
    times.fold(0.0, |sum, time| sum + time)
}

/// When code for calls was published first, not for entries at a loop.
fn function_published(function: &FunctionTiers) -> Option<f64> {
    let mut steps = function.steps.iter();
    let published = |step: &&Step| step.what == "published" && step.loop_offset.is_none();
    steps.find(published).map(|step| step.at_ms)
}

fn with_tier_up(mut function: FunctionTiers) -> FunctionTiers {
    let first = |what| function.steps.iter().find(|step| step.what == what).map(|step| step.at_ms);
    let (requested, published) = (first("requested"), function_published(&function));
    let entered = first("first-entered");
    if let (Some(requested), Some(published)) = (requested, first("published")) {
        function.tier_up_ms = Some((published - requested).max(0.0));
    }
    function.first_entry_ms =
        entered.zip(published).map(|(at, published)| (at - published).max(0.0));
    function
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_tell_how_long_requests_waited() {
        let mut config = upshift::Config::new();
        config.profiling(true).deterministic_tiering(2);
        let engine = upshift::Engine::new(&config).unwrap();
        let module = Module::new(&engine, "(module (func $f (export \"f\")))").unwrap();
        let mut store = upshift::Store::new(&engine, ());
        let instance = upshift::Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        for _ in 0..5 {
            f.call(&mut store, ()).unwrap();
        }
        let mut report = TierReport::new(&module, &engine.events(), 0);
        assert_eq!((report.queue.len(), report.waits.len()), (1, 1), "{report:?}");
        let function = &report.functions[0];
        assert!(function.first_entry_ms.is_some(), "{report:?}");
        assert!(function.waited_ms >= 0.0 && function.tier_up_ms >= Some(function.waited_ms));
        assert_eq!(report.code_growth.len(), 2, "{report:?}");
        let (baseline, optimizer) = report.code_bytes();
        assert!(baseline > 0 && optimizer > 0);
        let grown: usize = report.code_growth.iter().map(|growth| growth.1).sum();
        assert_eq!(baseline + optimizer, grown);
        assert_eq!((function.name.as_str(), report.rejected.len()), ("f", 0));
        report.redact();
        assert_eq!(report.functions[0].name, "func[0]");
    }

    #[test]
    fn a_function_waited_as_long_as_what_was_compiled_first() {
        let mut config = upshift::Config::new();
        config.profiling(true);
        let engine = upshift::Engine::new(&config).unwrap();
        let module = Module::new(&engine, "(module (func (loop)))").unwrap();
        let loaded = engine.events().remove(0);
        let loop_offset = u32::try_from(module.function_body_range(0).unwrap().start + 1).ok();
        let expected = Duration::ZERO;
        let requested = || EventKind::Requested { counted: 1, expected };
        let dequeued = EventKind::Dequeued { waiting: 0 };
        // The function asks first, and its loop is compiled first.
        let steps = [
            (10, None, requested()),
            (12, loop_offset, requested()),
            (15, loop_offset, dequeued.clone()),
            (60, None, dequeued),
        ];
        let events = steps.map(|(ms, loop_offset, kind)| {
            let mut event = loaded.clone();
            (event.at, event.func) = (Duration::from_millis(ms), Some(0));
            (event.loop_offset, event.kind) = (loop_offset, kind);
            event
        });
        let report = TierReport::new(&module, &events, 0);
        assert!((report.functions[0].waited_ms - 3.0).abs() < 1e-9, "{report:?}");
        assert_eq!(report.waits.len(), 2);
        // Half of two is the second.
        let waiting = Waiting { most: 0, median_ms: 50.0, longest_ms: 50.0 };
        assert_eq!(report.waiting(), Some(waiting));
        assert_eq!(TierReport::default().waiting(), None);
    }

    /// An engine's first event, and the module that it is of.
    fn first_event() -> (Module, Event) {
        let mut config = upshift::Config::new();
        config.profiling(true);
        let engine = upshift::Engine::new(&config).unwrap();
        let module = Module::new(&engine, "(module (func $f))").unwrap();
        (module, engine.events().remove(0))
    }

    #[test]
    fn slow_paths_that_were_interrupted_do_not_stand_for_others() {
        let (module, first) = first_event();
        let slow = |us, count| {
            let cpu = Duration::from_micros(us);
            let mut event = first.clone();
            (event.func, event.kind) = (Some(0), EventKind::SlowPath { cpu, count });
            event
        };
        let events =
            [slow(500, 1), slow(3, 32), slow(2, 32), slow(900, 32), slow(1, 32), slow(2, 32)];
        let report = TierReport::new(&module, &events, 0);
        assert_eq!(report.slow_paths, 1 + 5 * 32);
        assert!((report.slow_path_ms - (0.5 + 5.0 * 32.0 * 0.002)).abs() < 1e-9, "{report:?}");
    }

    #[test]
    fn what_was_not_over_in_the_end_is_told() {
        let (module, first) = first_event();
        let event = |func, ms, kind| {
            let mut event = first.clone();
            (event.at, event.func, event.kind) = (Duration::from_millis(ms), Some(func), kind);
            event
        };
        let reason = upshift::TierRejection::QueueFull;
        let events = [
            event(0, 1, EventKind::Dequeued { waiting: 0 }),
            event(0, 2, EventKind::Rejected { reason }),
            event(0, 7, EventKind::Dequeued { waiting: 0 }),
        ];
        let unfinished = |events| TierReport::new(&module, events, 0).unfinished;
        assert_eq!(unfinished(&events[..2]), []);
        let expected = Unfinished { func: 0, loop_offset: None, began_ms: 7.0 };
        assert_eq!(unfinished(&events), [expected]);
    }

    #[test]
    fn nothing_takes_no_time() {
        let nothing = TierReport::default();
        for time in [nothing.baseline_ms(), nothing.optimizer_ms()] {
            assert_eq!(format!("{time:.1}"), "0.0");
        }
    }
}
