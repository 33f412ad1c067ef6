//! The slow path of the hotness counters: what to do about a function that ran long.
//!
//! Runs on the program's thread, so it only touches atomics and sends without waiting, unless the
//! engine was told to compile right here.
//!
//! A function that was entered once or twice until it was hot, and is in a loop now, is one whose
//! calls take long: the loop gets its OSR body first. When the counter fires again after a frame
//! went over to the body, the function is asked for.
//!
//! Which loop gets an OSR body: its code contains all loops around it, too, but those would have a
//! second way in, so the outermost loop that turns often is the best. When a loop's counter fires,
//! the counter is left at zero for the next [`PROBE_FIRES`] headers that charge it, to see which of
//! them come by.
//! - The function is entered meanwhile: calls come all the time, and they will find the function's
//!   code. No loop needs a body.
//! - Else the outermost loop that was seen gets one. As long as it is not there, no other loop of
//!   the function asks: whichever is entered first, the frame is in optimised code for good.
//! - When it is there, the headers are watched in the same way, so that it is entered. When its
//!   loop is over by then, the loop that runs now gets a body after the function has spent as much
//!   time again as that takes.

use super::controller::{Controller, Job, Mode};
use super::cost::CostModel;
use super::event::{EventKind, TierRejection};
use super::module_tier::{ModuleTiering, Plan, Probe, Progress, ProgressCell};
use super::policy::{
    FEW_ENTRIES, MAX_OSR_BODIES, MAX_POLL_SHIFT, MAX_START_UNITS, POLL_UNITS, PROBE_FIRES,
    RETURN_UNITS,
};
use crate::code::{ModuleCode, thread_cpu_ns};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;
use upshift_abi::hotness::entries;
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::module::Body;
use upshift_optimizer::{Effort, Entry, Request};

/// Worth of a request is work done per cost, in this many parts.
const WORTH_ONE: u64 = 1000;
/// A loop that runs right now is worth this many times a function that may be called again.
const LOOP_WORTH: u64 = 4;
/// A loop whose function takes this long to compile fully gets a quick compilation: code at a loop
/// is left only by leaving the function, so it is the full one in all other cases.
const QUICK_LOOP_NS: u64 = 2_000_000_000;

/// The counter of `func` went below zero at its entry, or at the header of the loop at
/// `loop_offset`. Re-arms the counter; afterwards [`ModuleCode::osr_body`] may know a body.
pub(crate) fn hot(code: &ModuleCode, func: DefinedFuncIndex, loop_offset: Option<u32>) {
    let Some(tiering) = code.tiering() else { return code.rearm(func, i32::MAX) };
    let events = tiering.controller().events();
    let measured = events.measured_slow_path().map(|count| (thread_cpu_ns(), count));
    let body = &code.source().module.bodies[func.index()];
    let position = loop_offset.and_then(|offset| body.loop_position(offset));
    let (sent_ns, waits_for, asked) = (Cell::new(None), Cell::new(None), Cell::new(None));
    let site = Site { code, tiering, func, body, sent_ns, waits_for, asked };
    let next = site.fired(position);
    code.rearm(func, next);
    // Pairs with that of the controller's `publish`.
    fence(Ordering::SeqCst);
    // Published in between, the code would be seen when the counter, which its publication had set to zero,
    // fires the next time.
    if site.waits_for.get().is_some_and(|it| site.osr(it).get() == Progress::Optimized) {
        code.rearm(func, 0);
    }
    // Refused in between, it would ask when the counter that waits for the code fires.
    if site.asked.get().is_some_and(|entry| site.cell(entry).get() == Progress::Cold) {
        code.rearm(func, code.start_value(func).max(POLL_UNITS));
    }
    // One that sends a request takes many times as long as others and stands for itself.
    let start = match (site.sent_ns.get(), measured) {
        (Some(sent), measured) => Some((measured.map_or(sent, |(start, _)| start), 1)),
        (None, measured) => measured,
    };
    if let Some((start, count)) = start {
        let cpu = Duration::from_nanos(thread_cpu_ns().saturating_sub(start));
        events.emit(tiering.subject(func, loop_offset), || EventKind::SlowPath { cpu, count });
    }
}

/// A function whose counter fired.
struct Site<'a> {
    code: &'a ModuleCode,
    tiering: &'a ModuleTiering,
    func: DefinedFuncIndex,
    body: &'a Body,
    /// CPU time of the thread when a request was about to be sent, when somebody wants to know.
    sent_ns: Cell<Option<u64>>,
    /// The loop whose code the counter was armed to wait for.
    waits_for: Cell<Option<usize>>,
    /// What was asked for.
    asked: Cell<Option<Entry>>,
}

impl Site<'_> {
    /// What the counter starts from next.
    fn fired(&self, position: Option<usize>) -> i32 {
        if !matches!(self.tiering.plan(self.func, self.body), Plan::Counted(_)) {
            return i32::MAX;
        }
        let function = self.tiering.function(self.func);
        match function.get() {
            _ if self.tiering.only_loops(self.func) => {}
            Progress::Failed => return i32::MAX,
            before @ (Progress::Cold | Progress::Deferred | Progress::Transferred) => {
                if let Some(more) = self.missing(function) {
                    return more;
                }
                let first = position.filter(|_| before != Progress::Transferred);
                if let Some(position) = first.filter(|&position| self.loop_comes_first(position)) {
                    let transfers = self.osr(position).get() == Progress::Optimized;
                    let now = if transfers { Progress::Transferred } else { Progress::Deferred };
                    function.advance(before, now);
                } else if let Some(more) = self.ask_for_function(function) {
                    return more;
                }
            }
            Progress::Requested | Progress::Optimized => {}
        }
        match position {
            Some(position) => self.loop_fired(position),
            // The loops go on to ask for bodies of their own.
            None if !self.body.loops.is_empty() => self.entered(),
            None => i32::MAX,
        }
    }

    /// A function with loops was entered.
    fn entered(&self) -> i32 {
        let probe = self.probe();
        // Calls find no other code where only loops get any.
        if probe.fires > 0 && !probe.done && !self.tiering.only_loops(self.func) {
            self.set_probe(Probe { done: true, entered: true, ..probe });
        }
        self.poll_units()
    }

    /// How much longer the function shall run before anything is asked for; that is said once, and as
    /// often as it takes for one that needs more than fits into a counter.
    fn missing(&self, function: &ProgressCell) -> Option<i32> {
        let (model, bytes) = (self.controller().model(), self.body.range.len());
        let more = self.tiering.rule().missing(model, bytes, self.counted())?;
        let first = function.advance(Progress::Cold, Progress::Deferred);
        if !self.starts_greatest() {
            return first.then_some(more);
        }
        let goes_over = [Progress::Requested, Progress::Optimized]
            .into_iter()
            .any(|progress| self.loops_that_are(progress).next().is_some());
        if function.get() != Progress::Deferred || goes_over {
            return None;
        }
        let probe = self.probe();
        let waits = probe.waits.checked_add(1)?;
        self.set_probe(Probe { waits, ..probe });
        // As much each time, so that their number tells the sum.
        Some(self.code.start_value(self.func))
    }

    /// What was counted of the function, those units included after which its counter was armed again
    /// because it fired too early.
    fn counted(&self) -> u64 {
        let counted = self.code.counted(self.func);
        if !self.starts_greatest() {
            return counted;
        }
        counted.saturating_add(u64::from(self.probe().waits) * MAX_START_UNITS)
    }

    /// Whether the function may need more than fits into a counter.
    fn starts_greatest(&self) -> bool {
        let start = u64::try_from(self.code.start_value(self.func)).unwrap_or(0);
        start == MAX_START_UNITS
    }

    /// Whether the loop that runs now gets code before its function does: frames of the function
    /// stay long, so that calls of it are rare. No loop does where one could not be compiled, or
    /// where several have code already.
    fn loop_comes_first(&self, position: usize) -> bool {
        if !matches!(self.controller().settings().mode, Mode::Tiered(_))
            || self.loops_that_are(Progress::Failed).next().is_some()
        {
            return false;
        }
        self.osr(position).get() == Progress::Optimized
            || self.loops_that_are(Progress::Requested).next().is_some()
            || self.loops_that_are(Progress::Optimized).count() < MAX_OSR_BODIES
                && entries(self.counted()) <= FEW_ENTRIES
    }

    /// Asks for the function. When that cannot be now: what it shall run before the next try.
    fn ask_for_function(&self, function: &ProgressCell) -> Option<i32> {
        let counted = self.counted();
        let model = self.controller().model();
        let bytes = self.body.range.len();
        let states = [Progress::Cold, Progress::Deferred, Progress::Transferred];
        if !states.into_iter().any(|state| function.advance(state, Progress::Requested)) {
            return None;
        }
        let cost_ns = model.expected_ns(bytes);
        let ran_ns = CostModel::ns_of_units(counted);
        let (effort, upgrade) = match self.controller().settings().mode {
            Mode::Tiered(thresholds) => {
                let least = cost_ns.saturating_mul(u64::from(thresholds.full_percent)) / 100;
                let full = ran_ns >= least;
                (if full { Effort::Full } else { Effort::Quick }, !full && thresholds.upgrade)
            }
            _ => (Effort::Full, false),
        };
        let job = self.job(Request { entry: Entry::Function, effort }, upgrade);
        if self.submit(job, counted, 1) {
            return None;
        }
        function.set(Progress::Cold);
        Some(self.code.start_value(self.func).max(POLL_UNITS))
    }

    /// The same for a loop: asks for its body, or for one of a loop around it.
    fn loop_fired(&self, position: usize) -> i32 {
        let inner = self.osr(position).get();
        if self.controller().is_synchronous() {
            if inner == Progress::Cold {
                self.ask_for_loop(position);
            }
            // So every header gets a body at its first turn.
            return self.poll_units();
        }
        match inner {
            Progress::Optimized => return RETURN_UNITS,
            // Another one may be optimised.
            Progress::Failed if self.tiering.only_loops(self.func) => return POLL_UNITS,
            Progress::Failed => return i32::MAX,
            // Loops are never deferred, and frames go over to them.
            Progress::Requested | Progress::Cold | Progress::Deferred | Progress::Transferred => {}
        }
        if let Some(waiting) = self.loops_that_are(Progress::Requested).next() {
            let entry = Entry::Loop { offset: self.body.loop_offset(waiting) };
            let (id, events) = (self.tiering.id(), self.controller().events());
            if self.controller().raise(id, self.func, entry, WORTH_ONE * LOOP_WORTH) {
                let subject = self.tiering.subject(self.func, Some(self.body.loop_offset(waiting)));
                events.emit(subject, || EventKind::Reprioritized);
            }
            self.waits_for.set(Some(waiting));
            let probe = self.probe();
            let polls = probe.polls.saturating_add(1);
            self.set_probe(Probe { polls, ..probe });
            // The code's publication sets the counter to zero, so looks may become rare.
            return POLL_UNITS << polls.min(MAX_POLL_SHIFT);
        }
        self.watch(position)
    }

    /// Watches which headers come by, then asks for the best body.
    fn watch(&self, position: usize) -> i32 {
        let mut probe = self.probe();
        if !probe.done {
            let here = u32::try_from(position).unwrap_or(u32::MAX);
            let first = probe.fires == 0;
            let seen = usize::try_from(probe.outermost).unwrap_or(usize::MAX);
            // Loops of another nest start anew.
            if first || here < probe.outermost || !self.is_within(position, seen) {
                probe.outermost = here;
            }
            probe.fires += 1;
            probe.done = u32::from(probe.fires) > PROBE_FIRES;
            self.set_probe(probe);
            if !probe.done {
                return 0;
            }
        }
        if probe.entered {
            // With the function's code there, only frames that stay long come here again.
            let over = self.tiering.function(self.func).get() == Progress::Optimized;
            if over {
                self.set_probe(Probe { waits: probe.waits, ..Probe::default() });
            }
            return POLL_UNITS;
        }
        if self.loops_that_are(Progress::Optimized).next().is_some() {
            let cost_ns = self.controller().model().expected_ns(self.body.range.len());
            let polls = CostModel::units_of_ns(cost_ns) / u64::from(POLL_UNITS.unsigned_abs());
            if u64::from(probe.polls) < polls.min(250) {
                self.set_probe(Probe { polls: probe.polls + 1, ..probe });
                return POLL_UNITS;
            }
        }
        self.set_probe(Probe { waits: probe.waits, ..Probe::default() });
        let outermost = usize::try_from(probe.outermost).unwrap_or(position);
        let best =
            self.is_within(position, outermost) && self.osr(outermost).get() == Progress::Cold;
        if self.ask_for_loop(if best { outermost } else { position }) {
            POLL_UNITS
        } else {
            POLL_UNITS.saturating_mul(8)
        }
    }

    /// Asks for a loop's body; whether there is hope.
    fn ask_for_loop(&self, position: usize) -> bool {
        let bodies = self.loops_that_are(Progress::Optimized).count();
        if bodies >= MAX_OSR_BODIES && !self.controller().is_synchronous() {
            return false;
        }
        let cell = self.osr(position);
        if !cell.advance(Progress::Cold, Progress::Requested) {
            return true;
        }
        let cost_ns = self.controller().model().expected_ns(self.body.range.len());
        let quick = cost_ns > QUICK_LOOP_NS && !self.controller().is_synchronous();
        let effort = if quick { Effort::Quick } else { Effort::Full };
        let entry = Entry::Loop { offset: self.body.loop_offset(position) };
        let counted = self.counted();
        let sent = self.submit(self.job(Request { entry, effort }, false), counted, LOOP_WORTH);
        if !sent {
            cell.set(Progress::Cold);
        }
        sent
    }

    /// Compiles now, or sends the request; `false` when there was no place.
    fn submit(&self, job: Job, counted: u64, factor: u64) -> bool {
        let controller = self.controller();
        if !controller.is_synchronous() && controller.events().enabled() {
            self.sent_ns.set(Some(thread_cpu_ns()));
        }
        let subject = job.subject;
        self.asked.set(Some(job.request.entry));
        let expected_ns = controller.model().expected_ns(self.body.range.len());
        controller.events().emit(subject, || EventKind::Requested {
            counted,
            expected: Duration::from_nanos(expected_ns),
        });
        if controller.is_synchronous() {
            controller.work(&job);
            return true;
        }
        let worth = CostModel::ns_of_units(counted).saturating_mul(WORTH_ONE * factor);
        let sent = controller.send(job, worth / expected_ns.max(1) + 1);
        if !sent {
            let reason = TierRejection::QueueFull;
            controller.events().emit(subject, || EventKind::Rejected { reason });
        }
        sent
    }

    fn job(&self, request: Request, upgrade: bool) -> Job {
        let loop_offset = match request.entry {
            Entry::Function => None,
            Entry::Loop { offset } => Some(offset),
        };
        let subject = self.tiering.subject(self.func, loop_offset);
        Job { code: self.code.to_weak(), func: self.func, request, subject, upgrade }
    }

    fn poll_units(&self) -> i32 {
        if self.controller().is_synchronous() { 0 } else { POLL_UNITS }
    }

    /// Whether a loop is in another one, or the same.
    fn is_within(&self, inner: usize, outer: usize) -> bool {
        let Some(scan) = self.body.loops.get(outer) else { return false };
        (outer..=outer + scan.inner_loops as usize).contains(&inner)
    }

    /// The loops of the function whose bodies are this far.
    fn loops_that_are(&self, progress: Progress) -> impl Iterator<Item = usize> {
        (0..self.body.loops.len()).filter(move |&position| self.osr(position).get() == progress)
    }

    fn cell(&self, entry: Entry) -> &ProgressCell {
        let position = match entry {
            Entry::Loop { offset } => self.body.loop_position(offset),
            Entry::Function => None,
        };
        position.map_or_else(|| self.tiering.function(self.func), |position| self.osr(position))
    }

    fn osr(&self, position: usize) -> &ProgressCell {
        self.tiering.osr_body(&self.code.source().module, self.func, position)
    }

    fn probe(&self) -> Probe {
        self.tiering.probe(&self.code.source().module, self.func)
    }

    fn set_probe(&self, probe: Probe) {
        self.tiering.set_probe(&self.code.source().module, self.func, probe);
    }

    fn controller(&self) -> &Arc<Controller> {
        self.tiering.controller()
    }
}
