//! The tier controller of an engine: takes requests, has them compiled in the background, publishes.
//!
//! # Life of a request
//! 1. A counter goes below zero on a thread that runs the program; `hot` decides that the function
//!    (or one of its loops) is worth it and wins the right to ask: its progress goes from cold to
//!    requested. The request is sent without waiting; when there is no place for it, the function
//!    is cold again.
//! 2. The dispatcher, a thread that the first request starts, puts it into the queue: each function
//!    and loop once, those first that are worth most ([`super::queue`]). Requests of modules
//!    that are gone are thrown away.
//! 3. When a thread of the pool is free and the CPU share allows it, it gets the first of the
//!    queue. It holds on to the module's source while it compiles, but not to its code, so that a
//!    module is gone at once when it is dropped.
//! 4. The code is published ([`crate::code::ModuleCode`]): one store for a function; a loop's body
//!    becomes findable by its loop, and the counters are set to zero so that the next turn finds it.
//! 5. A compiler that fails or panics leaves the function in the baseline for good.
//!
//! The program's threads never wait here: they send with `try_send` and touch atomics.

use super::cost::CostModel;
use super::event::{EventKind, EventObserver, TierRejection};
use super::events::{Events, Subject};
use super::module_tier::{Probe, Progress};
use super::policy::{MAX_START_UNITS, POLL_UNITS, StartRule, Thresholds};
use super::queue::{Added, Queue};
use crate::api::function_set::FunctionSet;
use crate::code::{ModuleCode, OptimizeFn, thread_cpu_ns};
use crossbeam_channel::{Receiver, Sender, bounded, never, unbounded};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::FunctionInput;
use upshift_abi::index::DefinedFuncIndex;
use upshift_optimizer::{Effort, Entry, Request};

/// Requests on their way to the dispatcher; it takes them faster than programs send them.
const CHANNEL_CAPACITY: usize = 1024;
/// Nice value of the threads that compile: beside programs that use all cores they get about a
/// third of a core.
const COMPILE_NICE: i32 = 5;
/// Nothing is compiled any more when less than one in so many parts of what optimized code may take is left.
const ROOM_PARTS: u64 = 64;
/// Stack of the threads that compile.
const COMPILE_STACK_BYTES: usize = 8 << 20;

/// How an engine tiers.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    /// Threads that compile.
    pub(crate) threads: usize,
    /// Percent of these threads' time that may be used.
    pub(crate) cpu_share: u32,
    /// Bytes of optimised code of all modules together.
    pub(crate) max_code_bytes: u64,
    /// Requests that may wait.
    pub(crate) queue_capacity: usize,
    pub(crate) events: bool,
    pub(crate) observer: Option<Arc<dyn EventObserver>>,
    /// The functions that may be optimised.
    pub(crate) only: Option<FunctionSet>,
}

/// What is compiled by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything by the baseline compiler.
    Baseline,
    /// Everything by the optimising compiler, at the first call.
    Optimizer,
    /// First by the baseline compiler, then what is hot in the background.
    Tiered(Thresholds),
    /// The same on the program's own thread, when a function was entered that often.
    Deterministic { entries: u32 },
    /// As much tiering as possible, on the program's own thread.
    Zeal { seed: Option<u64> },
}

/// A compilation that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) code: Weak<ModuleCode>,
    pub(crate) func: DefinedFuncIndex,
    pub(crate) request: Request,
    /// What events say of it.
    pub(crate) subject: Subject,
    /// Whether a full compilation follows, for the next time the queue is empty.
    pub(crate) upgrade: bool,
}

/// What a job is about; the queue has each once.
type Key = (Option<u64>, DefinedFuncIndex, Entry);

impl Job {
    fn key(&self) -> Key {
        (self.subject.module, self.func, self.request.entry)
    }
}

enum Message {
    Add { job: Job, worth: u64 },
    Raise { key: Key, worth: u64 },
    Stop,
}

/// See the module head.
pub(crate) struct Controller {
    settings: Settings,
    model: CostModel,
    events: Events,
    optimize: OptimizeFn,
    code_bytes: AtomicU64,
    waiting: AtomicUsize,
    stopped: AtomicBool,
    /// The way to the dispatcher, when it was started.
    sender: OnceLock<Option<Sender<Message>>>,
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Controller {
    /// A controller that compiles with `optimize`. It has no threads before they are needed.
    pub(crate) fn new(settings: Settings, optimize: OptimizeFn) -> Arc<Self> {
        Arc::new(Self {
            events: Events::new(settings.events, settings.observer.clone()),
            settings,
            model: CostModel::default(),
            optimize,
            code_bytes: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            sender: OnceLock::new(),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// What is known of the costs.
    pub(crate) fn model(&self) -> &CostModel {
        &self.model
    }

    /// Whether requests are compiled where they are made.
    pub(crate) fn is_synchronous(&self) -> bool {
        matches!(self.settings.mode, Mode::Deterministic { .. } | Mode::Zeal { .. })
    }

    /// How the start values of a module that is loaded now are made.
    pub(crate) fn start_rule(&self) -> StartRule {
        match self.settings.mode {
            Mode::Tiered(Thresholds { start_percent: percent, .. }) => {
                StartRule::Cost { percent, scale: self.model.scale() }
            }
            _ => StartRule::Never,
        }
    }

    /// Counts optimised code that is about to be published; `false` when there would be too much.
    pub(super) fn add_code(&self, bytes: u64) -> bool {
        let most = self.settings.max_code_bytes;
        let added = |now: u64| now.checked_add(bytes).filter(|&sum| sum <= most);
        self.code_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_ok()
    }

    pub(super) fn remove_code(&self, bytes: u64) {
        self.code_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether there is so little room for code that hardly any would fit.
    fn is_full(&self) -> bool {
        let most = self.settings.max_code_bytes;
        self.code_bytes.load(Ordering::Relaxed) >= most - most / ROOM_PARTS
    }

    /// Sends a request; `false` when there is no place for it.
    pub(super) fn send(self: &Arc<Self>, job: Job, worth: u64) -> bool {
        let Some(sender) = self.dispatcher() else { return false };
        sender.try_send(Message::Add { job, worth }).is_ok()
    }

    /// Has a request that waits, if it does, move forward. With a full channel, which makes this
    /// `false`, there will be another occasion.
    pub(super) fn raise(
        &self,
        module: u64,
        func: DefinedFuncIndex,
        entry: Entry,
        worth: u64,
    ) -> bool {
        let Some(Some(sender)) = self.sender.get() else { return false };
        sender.try_send(Message::Raise { key: (Some(module), func, entry), worth }).is_ok()
    }

    /// Ends the dispatcher. Compilations that run come to nothing.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(Some(sender)) = self.sender.get() {
            // With a full channel the dispatcher runs and sees the flag.
            let _ = sender.try_send(Message::Stop);
        }
    }

    fn dispatcher(self: &Arc<Self>) -> Option<&Sender<Message>> {
        let start = || {
            let (sender, receiver) = bounded(CHANNEL_CAPACITY);
            let controller = Arc::clone(self);
            let builder = std::thread::Builder::new().name("upshift-tier".to_owned());
            let started = builder.spawn(move || Dispatcher::new(controller, receiver).run());
            started.is_ok().then_some(sender)
        };
        self.sender.get_or_init(start).as_ref()
    }

    /// Compiles and publishes, with events for each step; whether there is a full compilation to
    /// follow.
    pub(super) fn work(&self, job: &Job) -> bool {
        let Err(reason) = self.try_work(job) else { return job.upgrade };
        if reason == TierRejection::CodeLimit {
            // Other modules may make room for it.
            self.give_back(job, reason);
            return false;
        }
        if let Some(code) = job.code.upgrade()
            && let Some(tiering) = code.tiering()
        {
            // One that has quick code keeps that.
            let progress = tiering.progress(&code.source().module, job);
            progress.advance(Progress::Requested, Progress::Failed);
        }
        self.events.emit(job.subject, || EventKind::Rejected { reason });
        false
    }

    fn try_work(&self, job: &Job) -> Result<(), TierRejection> {
        let code = job.code.upgrade().ok_or(TierRejection::ModuleDropped)?;
        let source = code.source().clone();
        drop(code);
        let bytes = source.module.bodies[job.func.index()].range.len();
        if self.is_full() {
            return Err(TierRejection::CodeLimit);
        }
        let waiting = self.waiting.load(Ordering::Relaxed);
        self.events.emit(job.subject, || EventKind::Dequeued { waiting });
        let start = thread_cpu_ns();
        let result = self.optimize(&source.input(job.func), job.request);
        let cpu_ns = thread_cpu_ns().saturating_sub(start);
        drop(source);
        let full = job.request.effort == Effort::Full;
        let compiled = result.map_err(failed)?;
        self.events.emit(job.subject, || EventKind::Compiled {
            cpu: Duration::from_nanos(cpu_ns),
            code_bytes: compiled.code.len(),
            full,
            inlined: compiled.inlined.frames().len(),
        });
        if full {
            self.model.learn(bytes, cpu_ns);
        }
        let code = job.code.upgrade().ok_or(TierRejection::ModuleDropped)?;
        self.publish(&code, job, compiled, cpu_ns)
    }

    /// Compiles. A panic of the compiler is an error like others.
    pub(crate) fn optimize(
        &self,
        input: &FunctionInput<'_>,
        request: Request,
    ) -> Result<CompiledFunction, CompileError> {
        let compile = AssertUnwindSafe(|| (self.optimize)(input, request));
        catch_unwind(compile).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("without a message");
            let func = input.module.func_index(input.func).0;
            Err(CompileError::Malformed { func, message: format!("the compiler panicked: {text}") })
        })
    }

    fn publish(
        &self,
        code: &Arc<ModuleCode>,
        job: &Job,
        compiled: CompiledFunction,
        cpu_ns: u64,
    ) -> Result<(), TierRejection> {
        let tiering = code.tiering().ok_or(TierRejection::ModuleDropped)?;
        let bytes = compiled.code.len();
        if bytes as u64 > self.settings.max_code_bytes {
            return Err(TierRejection::Failed(format!(
                "{bytes} bytes are above the limit of code"
            )));
        }
        if !tiering.add_code(bytes) {
            return Err(TierRejection::CodeLimit);
        }
        let published = match job.request.entry {
            Entry::Function => code.publish_optimized(job.func, compiled),
            Entry::Loop { offset } => code.publish_osr(job.func, offset, compiled),
        };
        if let Err(error) = published {
            tiering.remove_code(bytes);
            return Err(failed(error));
        }
        code.add_optimizer_time(cpu_ns);
        tiering.progress(&code.source().module, job).set(Progress::Optimized);
        // Pairs with that of `hot`: it sees the code, or its counter is set to zero here.
        fence(Ordering::SeqCst);
        if job.subject.loop_offset.is_some() {
            // The next header finds the body, or its loop is watched for.
            let module = &code.source().module;
            let waits = tiering.probe(module, job.func).waits;
            tiering.set_probe(module, job.func, Probe { waits, ..Probe::default() });
            code.rearm(job.func, 0);
        }
        Ok(())
    }

    /// Makes a request that will not be compiled now possible again.
    pub(super) fn give_back(&self, job: &Job, reason: TierRejection) {
        let Some(code) = job.code.upgrade() else { return };
        let Some(tiering) = code.tiering() else { return };
        self.events.emit(job.subject, || EventKind::Rejected { reason: reason.clone() });
        let progress = tiering.progress(&code.source().module, job);
        if progress.advance(Progress::Requested, Progress::Cold) {
            code.rearm(job.func, wait_after(&reason, code.start_value(job.func)));
        }
    }
}

/// The thread that owns the queue.
struct Dispatcher {
    controller: Arc<Controller>,
    requests: Receiver<Message>,
    queue: Queue<Key, Job>,
    pool: Option<rayon::ThreadPool>,
    running: usize,
    /// When the CPU share allows the next compilation.
    next_start: Instant,
    /// Where threads tell that they are done: the CPU time it took, and the job again when a full
    /// compilation follows.
    done_sender: Sender<(Duration, Option<Job>)>,
    done: Receiver<(Duration, Option<Job>)>,
}

impl Dispatcher {
    fn new(controller: Arc<Controller>, requests: Receiver<Message>) -> Self {
        let builder = rayon::ThreadPoolBuilder::new()
            .num_threads(controller.settings.threads)
            .thread_name(|i| format!("upshift-opt-{i}"))
            .stack_size(COMPILE_STACK_BYTES)
            .start_handler(|_| lower_priority());
        let (done_sender, done) = unbounded();
        Self {
            queue: Queue::new(controller.settings.queue_capacity),
            controller,
            requests,
            // Without threads this one compiles.
            pool: builder.build().ok(),
            running: 0,
            next_start: Instant::now(),
            done_sender,
            done,
        }
    }

    fn run(mut self) {
        loop {
            if self.controller.stopped.load(Ordering::Acquire) {
                return;
            }
            self.start_jobs();
            let timer = match self.next_start.saturating_duration_since(Instant::now()) {
                wait if self.queue.len() > 0 && !wait.is_zero() => crossbeam_channel::after(wait),
                _ => never(),
            };
            crossbeam_channel::select! {
                recv(self.requests) -> message => match message {
                    Ok(message) => self.take(message),
                    Err(_) => return,
                },
                recv(self.done) -> message => if let Ok((cpu, again)) = message {
                    self.finish(cpu, again);
                },
                recv(timer) -> _ => {}
            }
        }
    }

    /// Takes a message, and all others that are there: the best of them is to come first.
    fn take(&mut self, first: Message) {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Add { job, worth } => self.add(job, worth),
                Message::Raise { key, worth } => {
                    self.queue.raise(&key, worth);
                }
                Message::Stop => return,
            }
            next = self.requests.try_recv().ok();
        }
        self.note_waiting();
    }

    fn add(&mut self, job: Job, worth: u64) {
        if self.queue.len() >= self.controller.settings.queue_capacity {
            for job in self.queue.take_if(|job| job.code.strong_count() == 0) {
                self.cancelled(&job);
            }
        }
        match self.queue.add(job.key(), worth, job) {
            Added::Waiting | Added::Merged => {}
            Added::InsteadOf(job) => self.controller.give_back(&job, TierRejection::Evicted),
            Added::Refused(job) => self.controller.give_back(&job, TierRejection::QueueFull),
        }
    }

    fn cancelled(&self, job: &Job) {
        let reason = TierRejection::ModuleDropped;
        self.controller.events.emit(job.subject, || EventKind::Rejected { reason });
    }

    /// Gives jobs to threads that have none.
    fn start_jobs(&mut self) {
        while self.running < self.controller.settings.threads && self.next_start <= Instant::now() {
            let Some(job) = self.queue.pop() else { break };
            if job.code.strong_count() == 0 {
                self.cancelled(&job);
                continue;
            }
            self.note_waiting();
            self.running += 1;
            let controller = Arc::clone(&self.controller);
            let done = self.done_sender.clone();
            let work = move || {
                let start = thread_cpu_ns();
                let upgrade = controller.work(&job);
                let cpu = Duration::from_nanos(thread_cpu_ns().saturating_sub(start));
                // A dispatcher that is gone does not want to know.
                let _ = done.send((cpu, upgrade.then_some(job)));
            };
            match &self.pool {
                Some(pool) => pool.spawn(work),
                None => work(),
            }
        }
    }

    fn finish(&mut self, cpu: Duration, again: Option<Job>) {
        self.running -= 1;
        let share = self.controller.settings.cpu_share;
        if share < 100 {
            let threads = u32::try_from(self.controller.settings.threads).unwrap_or(1).max(1);
            let pause = cpu * (100 - share) / share.max(1) / threads;
            self.next_start = self.next_start.max(Instant::now()) + pause;
        }
        if let Some(mut job) = again {
            job.upgrade = false;
            job.request.effort = Effort::Full;
            // When there is no place, the quick code stays.
            if let Added::InsteadOf(job) | Added::Refused(job) = self.queue.add(job.key(), 0, job) {
                let reason = TierRejection::QueueFull;
                self.controller.events.emit(job.subject, || EventKind::Rejected { reason });
            }
            self.note_waiting();
        }
    }

    fn note_waiting(&self) {
        self.controller.waiting.store(self.queue.len(), Ordering::Relaxed);
    }
}

/// What a function runs before it asks again that starts from this value: one that is asked for at its first call
/// does not ask at each, and where there is no room, none will be soon.
fn wait_after(reason: &TierRejection, start: i32) -> i32 {
    match reason {
        TierRejection::CodeLimit => i32::try_from(MAX_START_UNITS).expect("it has so many bits"),
        _ => start.max(POLL_UNITS),
    }
}

fn failed(error: CompileError) -> TierRejection {
    TierRejection::Failed(error.to_string())
}

/// Lets the program's threads go first. Where that is not possible, compiling goes on as it is.
fn lower_priority() {
    let thread = rustix::thread::gettid();
    let _ = rustix::process::setpriority_process(Some(thread), COMPILE_NICE);
}
