//! What tiering knows of one module: which functions it may optimise and how far each is.

use super::controller::{Controller, Job, Mode};
use super::events::Subject;
use super::policy::StartRule;
use crate::api::function_set::FunctionSet;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use upshift_abi::hotness::EXACT_ENTRY_COST;
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::module::{Body, Module};

/// How far a function, or a loop's OSR body, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Progress {
    /// Nobody asked.
    Cold,
    /// Somebody asked, but it has to run a bit longer, or a loop of it goes first.
    Deferred,
    /// It waits in the queue or is being compiled.
    Requested,
    /// Its optimised code is published.
    Optimized,
    /// It stays as it is for good.
    Failed,
    /// A frame of it went over to the code of a loop: who runs it in the baseline next asks for it.
    Transferred,
}

impl Progress {
    const ALL: [Self; 6] = [
        Self::Cold,
        Self::Deferred,
        Self::Requested,
        Self::Optimized,
        Self::Failed,
        Self::Transferred,
    ];
}

/// An atomic [`Progress`].
#[derive(Debug)]
pub(crate) struct ProgressCell(AtomicU8);

impl ProgressCell {
    const fn new() -> Self {
        Self(AtomicU8::new(Progress::Cold as u8))
    }

    /// How far it is. Whoever sees [`Progress::Optimized`] finds the code.
    pub(crate) fn get(&self) -> Progress {
        Progress::ALL[usize::from(self.0.load(Ordering::Acquire))]
    }

    /// Sets it.
    pub(crate) fn set(&self, progress: Progress) {
        self.0.store(progress as u8, Ordering::Release);
    }

    /// Sets it to `to` if it is `from`; whether it was.
    pub(crate) fn advance(&self, from: Progress, to: Progress) -> bool {
        let (from, to) = (from as u8, to as u8);
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// How much of a function may be optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    Nothing,
    /// Some of its loops.
    Loops,
    All,
}

/// What a function's first code is, and what comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Baseline code for good.
    Baseline,
    /// Baseline code with a counter that starts at this value.
    Counted(i32),
    /// Optimised code at the first call; without it the function cannot run when that is
    /// `required`, else it gets baseline code.
    Optimized {
        /// See above.
        required: bool,
    },
}

/// See the module head.
#[derive(Debug)]
pub(crate) struct ModuleTiering {
    controller: Arc<Controller>,
    id: u64,
    /// Index of the first function with a body.
    imported: u32,
    /// What may be optimised, by defined index; everything when there is no set. Loops that may not be have
    /// failed from the beginning.
    only: Option<Box<[Allowed]>>,
    rule: StartRule,
    functions: Box<[ProgressCell]>,
    loops: OnceLock<Loops>,
    /// Bytes of optimised code; the controller's sum contains them.
    code_bytes: AtomicU64,
}

/// The loops of a module, in the order of [`Body::loops`] of one function after the other.
#[derive(Debug)]
struct Loops {
    /// Number of the first loop of each function.
    first: Box<[u32]>,
    progress: Box<[ProgressCell]>,
    /// [`Probe`] of each function.
    probes: Box<[AtomicU64]>,
}

/// What is known of how a function's loops turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probe {
    /// How often its counter fired in a row.
    pub(crate) fires: u8,
    /// Whether enough was seen.
    pub(crate) done: bool,
    /// Whether the function was entered meanwhile.
    pub(crate) entered: bool,
    /// How often its counter fired since.
    pub(crate) polls: u8,
    /// How often its counter went down from the greatest start value before that.
    pub(crate) waits: u8,
    /// Position in [`Body::loops`] of the outermost loop whose header was seen.
    pub(crate) outermost: u32,
}

impl Probe {
    fn unpack(word: u64) -> Self {
        let [fires, flags, polls, waits, a, b, c, d] = word.to_le_bytes();
        let outermost = u32::from_le_bytes([a, b, c, d]);
        Self { fires, done: flags & 1 != 0, entered: flags & 2 != 0, polls, waits, outermost }
    }

    fn pack(self) -> u64 {
        let flags = u8::from(self.done) | u8::from(self.entered) << 1;
        let [a, b, c, d] = self.outermost.to_le_bytes();
        u64::from_le_bytes([self.fires, flags, self.polls, self.waits, a, b, c, d])
    }
}

impl ModuleTiering {
    /// What an engine does with a module. `name` tells a function's name by its index.
    pub(crate) fn new<'a>(
        controller: Arc<Controller>,
        module: &Module,
        name: impl Fn(u32) -> Option<&'a str>,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let count = module.bodies.len();
        let imported = module.func_index(DefinedFuncIndex(0)).0;
        let set = controller.settings().only.clone();
        let mut tiering = Self {
            rule: controller.start_rule(),
            controller,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            imported,
            only: None,
            functions: (0..count).map(|_| ProgressCell::new()).collect(),
            loops: OnceLock::new(),
            code_bytes: AtomicU64::new(0),
        };
        if let Some(set) = set {
            tiering.allow(module, &set, name);
        }
        tiering
    }

    /// Allows to optimise what is in a set, and nothing else.
    fn allow<'a>(
        &mut self,
        module: &Module,
        set: &FunctionSet,
        name: impl Fn(u32) -> Option<&'a str>,
    ) {
        let mut only = Vec::with_capacity(module.bodies.len());
        for (index, body) in (self.imported..).zip(&module.bodies) {
            let name = || name(index);
            let has =
                |&position: &usize| set.contains_loop(index, name, body.loop_offset(position));
            if set.contains(index, name) {
                only.push(Allowed::All);
            } else if !(0..body.loops.len()).any(|position| has(&position)) {
                only.push(Allowed::Nothing);
            } else {
                let func = DefinedFuncIndex::new(only.len());
                for position in (0..body.loops.len()).filter(|position| !has(position)) {
                    self.osr_body(module, func, position).set(Progress::Failed);
                }
                only.push(Allowed::Loops);
            }
        }
        self.only = Some(only.into());
    }

    fn allowed(&self, func: DefinedFuncIndex) -> Allowed {
        self.only.as_ref().map_or(Allowed::All, |only| only[func.index()])
    }

    /// Whether loops of a function may be optimised, but not the function.
    pub(crate) fn only_loops(&self, func: DefinedFuncIndex) -> bool {
        self.allowed(func) == Allowed::Loops
    }

    /// The engine's controller.
    pub(crate) fn controller(&self) -> &Arc<Controller> {
        &self.controller
    }

    /// The module's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// How start values are made.
    pub(crate) fn rule(&self) -> StartRule {
        self.rule
    }

    /// A function as events name it.
    pub(crate) fn subject(&self, func: DefinedFuncIndex, loop_offset: Option<u32>) -> Subject {
        Subject { module: Some(self.id), func: Some(self.imported + func.0), loop_offset }
    }

    /// The module as events name it.
    pub(crate) fn module_subject(&self) -> Subject {
        Subject { module: Some(self.id), func: None, loop_offset: None }
    }

    /// What becomes of a function.
    pub(crate) fn plan(&self, func: DefinedFuncIndex, body: &Body) -> Plan {
        let mode = self.controller.settings().mode;
        match (self.allowed(func), mode) {
            (Allowed::Nothing, _) | (Allowed::Loops, Mode::Optimizer) => return Plan::Baseline,
            (Allowed::Loops, Mode::Zeal { .. }) => return Plan::Counted(0),
            (Allowed::Loops | Allowed::All, _) => {}
        }
        match mode {
            Mode::Baseline => Plan::Baseline,
            Mode::Optimizer => Plan::Optimized { required: true },
            Mode::Tiered(_) => Plan::Counted(self.rule.units(body.range.len())),
            Mode::Deterministic { entries } => {
                let entries = i32::try_from(entries).unwrap_or(i32::MAX);
                Plan::Counted(
                    i32::from(EXACT_ENTRY_COST).saturating_mul(entries.saturating_sub(1).max(0)),
                )
            }
            // A loop's OSR body is entered from baseline code only.
            Mode::Zeal { seed: None } if !body.loops.is_empty() => Plan::Counted(0),
            Mode::Zeal { seed: None } => Plan::Optimized { required: false },
            Mode::Zeal { seed: Some(seed) } => match scramble(seed, func.0) % 3 {
                0 => Plan::Baseline,
                1 => Plan::Optimized { required: false },
                _ => Plan::Counted(0),
            },
        }
    }

    /// How far a function is.
    pub(crate) fn function(&self, func: DefinedFuncIndex) -> &ProgressCell {
        &self.functions[func.index()]
    }

    /// How far the OSR body of a function's `position`-th loop is.
    pub(crate) fn osr_body(
        &self,
        module: &Module,
        func: DefinedFuncIndex,
        position: usize,
    ) -> &ProgressCell {
        let loops = self.loops(module);
        &loops.progress[loops.first[func.index()] as usize + position]
    }

    /// How far what a job is about is.
    pub(super) fn progress(&self, module: &Module, job: &Job) -> &ProgressCell {
        let body = &module.bodies[job.func.index()];
        let position = job.subject.loop_offset.and_then(|offset| body.loop_position(offset));
        match position {
            Some(position) => self.osr_body(module, job.func, position),
            None => self.function(job.func),
        }
    }

    /// The probe of a function.
    pub(crate) fn probe(&self, module: &Module, func: DefinedFuncIndex) -> Probe {
        Probe::unpack(self.loops(module).probes[func.index()].load(Ordering::Relaxed))
    }

    /// Sets the probe of a function. Threads that do so at once overwrite each other, which makes
    /// the probe longer or shorter.
    pub(crate) fn set_probe(&self, module: &Module, func: DefinedFuncIndex, probe: Probe) {
        self.loops(module).probes[func.index()].store(probe.pack(), Ordering::Relaxed);
    }

    fn loops(&self, module: &Module) -> &Loops {
        self.loops.get_or_init(|| {
            let mut total = 0;
            let first = module.bodies.iter().map(|body| {
                let first = total;
                total += u32::try_from(body.loops.len()).expect("a module has less than 4 GiB");
                first
            });
            Loops {
                first: first.collect(),
                progress: (0..total).map(|_| ProgressCell::new()).collect(),
                probes: (0..module.bodies.len()).map(|_| AtomicU64::new(0)).collect(),
            }
        })
    }

    /// Counts optimised code that is about to be published; `false` when there would be too much.
    pub(crate) fn add_code(&self, bytes: usize) -> bool {
        let added = self.controller.add_code(bytes as u64);
        if added {
            self.code_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        added
    }

    /// It was not published after all.
    pub(crate) fn remove_code(&self, bytes: usize) {
        self.code_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.controller.remove_code(bytes as u64);
    }
}

impl Drop for ModuleTiering {
    fn drop(&mut self) {
        self.controller.remove_code(*self.code_bytes.get_mut());
    }
}

/// A number that depends on all bits of its arguments.
fn scramble(seed: u64, value: u32) -> u64 {
    let mut x = seed ^ (u64::from(value) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_pack() {
        let (fires, polls, waits) = (47, 255, 254);
        let probe = Probe { fires, done: true, entered: false, polls, waits, outermost: u32::MAX };
        assert_eq!(Probe::unpack(probe.pack()), probe);
        let other = Probe { entered: true, waits: 1, outermost: 1 << 20, ..Probe::default() };
        assert_eq!(Probe::unpack(other.pack()), other);
        assert_eq!(Probe::unpack(0), Probe::default());
    }

    #[test]
    fn progress_advances_once() {
        let cell = ProgressCell::new();
        assert!(cell.advance(Progress::Cold, Progress::Requested));
        assert!(!cell.advance(Progress::Cold, Progress::Requested));
        cell.set(Progress::Optimized);
        assert_eq!(cell.get(), Progress::Optimized);
    }

    #[test]
    fn seeds_choose_every_tier() {
        let mut seen = [0; 3];
        for func in 0..300 {
            seen[usize::try_from(scramble(5, func) % 3).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count > 60), "{seen:?}");
        assert_ne!(scramble(1, 0), scramble(2, 0));
    }
}
