//! The machine code of one module, compiled when it is first called.
//!
//! ```text
//! arena data:  [ entry slot of function 0 | of 1 | … ]         8 bytes each
//! arena text:  [ stub of 0 | stub of 1 | … ][ thunk ][ code … ] 16 bytes a stub
//! ```
//!
//! # Life of a function
//! 1. Its slot points to the second half of its stub, which pushes the function's index and jumps
//!    to the thunk. Whoever calls the function, directly through the slot or through the stub's
//!    first half (`jmp [slot]`), comes there.
//! 2. The thunk adds the module's address and goes to the process-wide `lazy_common`, which saves
//!    the arguments and calls [`ModuleCode::enter`].
//! 3. One thread wins the function's state and compiles; others that come meanwhile sleep on it.
//! 4. The code is placed behind all other code, its tables become findable by address, and last
//!    the slot gets its address in one atomic store: the function is published.
//! 5. `lazy_common` restores the arguments and jumps to the code.
//! 6. When the function is hot, [`crate::tier`] compiles it again; that code is placed in the same
//!    way and takes over with the same store to the slot. Frames in the old code go on there, or
//!    leave it at a loop for an OSR body ([`ModuleCode::osr_body`]). When somebody wants events, the
//!    first caller comes by the stub once more ([`super::first_entries`]).
//!
//! With a tier plan that says so, step 3 optimises at once.

use super::block_counts::BlockCounts;
use super::claim::{Claim, state, wait};
use super::common;
use super::compile::CompileFn;
use super::counters::Counters;
use super::first_entries::FirstEntries;
use super::function_table::{FunctionCode, FunctionTable, Tier};
use super::observer::{CodeObserver, PublishedCode};
use super::osr_bodies::{OsrBodies, OsrBody};
use super::stats::{CodeStats, Totals, thread_cpu_ns};
use crate::tier::event::{EventKind, TierRejection};
use crate::tier::{ModuleTiering, Plan};
use crate::vm::CodePtr;
use crate::vm::code_map::Registration;
use crate::vm::code_memory::{CodeArena, MAX_ARENA_BYTES};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use upshift_abi::code::{
    CODE_LINE_BYTES, CompileError, CompiledFunction, CountedBlock, Reloc, RelocTarget,
};
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::index::{DefinedFuncIndex, FuncIndex};
use upshift_abi::layout::InstanceLayout;
use upshift_abi::module::{ExternIndex, Module};
use upshift_abi::names::NameSection;
use upshift_abi::profile::turn_word;
use upshift_abi::trap::Trap;
use upshift_baseline::stubs;
use upshift_optimizer::{Effort, Entry, Request};

/// Reserved bytes of text for each byte of the module's code section. Both tiers and the bodies that
/// loops go over to take some 4 to 16; what is not used costs address space only.
const TEXT_PER_WASM_BYTE: usize = 32;
/// Reserved bytes of text for each function, for what is inlined in it.
const TEXT_PER_FUNCTION: usize = 2 << 10;
/// Least bytes of text reserved for code: a few functions may have much inlined in them.
const MIN_TEXT_BYTES: usize = 4 << 20;
/// Alignment of stubs.
const STUB_ALIGN: usize = 16;
/// Functions a thread takes at a time when all are compiled.
const BATCH: usize = 16;

/// What code is compiled from.
#[derive(Clone)]
pub(crate) struct ModuleSource {
    /// The declarations.
    pub(crate) module: Arc<Module>,
    /// The bytes it was decoded from.
    pub(crate) bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    /// Layout of its instances.
    pub(crate) layout: Arc<InstanceLayout>,
    /// Settings of the engine.
    pub(crate) config: Arc<CodegenConfig>,
    /// The section of names, read when one is asked for.
    pub(crate) names: Arc<OnceLock<Option<NameSection>>>,
    /// What baseline code counts.
    pub(crate) counters: Arc<Counters>,
}

impl fmt::Debug for ModuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleSource").field("name", &self.module.name).finish_non_exhaustive()
    }
}

impl ModuleSource {
    /// The name of a function: from the name section, else of its first export.
    pub(crate) fn function_name(&self, index: FuncIndex) -> Option<&str> {
        let bytes = (*self.bytes).as_ref();
        let parse = || Some(NameSection::parse(bytes, self.module.name_section.clone()?));
        let names = self.names.get_or_init(parse).as_ref();
        names.and_then(|names| names.function_name(bytes, index.0)).or_else(|| {
            let mut exports = self.module.exports.iter();
            let export = exports.find(|export| export.item == ExternIndex::Func(index));
            export.map(|export| &*export.name)
        })
    }

    /// What a compiler needs for a function.
    pub(crate) fn input(&self, func: DefinedFuncIndex) -> FunctionInput<'_> {
        FunctionInput {
            module: &self.module,
            bytes: (*self.bytes).as_ref(),
            layout: &self.layout,
            func,
            config: &self.config,
            calls: self.config.counts_hotness().then_some(self),
        }
    }
}

/// See the module head.
#[derive(Debug)]
pub(crate) struct ModuleCode {
    /// Goes first when the module is dropped, so that no look-up finds what is being torn down.
    registration: OnceLock<Registration>,
    me: Weak<Self>,
    source: ModuleSource,
    compile: CompileFn,
    functions: FunctionTable,
    osr_bodies: OsrBodies,
    first_entries: FirstEntries,
    /// Held while code is placed, so that addresses and table entries ascend together.
    placing: Mutex<()>,
    states: Box<[AtomicU32]>,
    block_counts: BlockCounts,
    totals: Totals,
    /// What becomes of hot functions; without it everything stays in the baseline.
    tiering: Option<ModuleTiering>,
    /// Hears of code that is about to be published.
    observer: Option<Arc<dyn CodeObserver>>,
    arena: CodeArena,
}

impl ModuleCode {
    /// Reserves memory for the code of a module. Nothing is compiled yet.
    pub(crate) fn new(
        source: ModuleSource,
        compile: CompileFn,
        tiering: Option<ModuleTiering>,
        observer: Option<Arc<dyn CodeObserver>>,
    ) -> io::Result<Arc<Self>> {
        common::initialize()?;
        let count = source.module.bodies.len();
        let stub_bytes = count * stubs::LAZY_STUB_BYTES;
        let wasm_bytes = source.module.code_section.len();
        let slot_bytes = count * size_of::<usize>();
        let most = MAX_ARENA_BYTES.saturating_sub(stub_bytes + 2 * slot_bytes);
        let text = wasm_bytes * TEXT_PER_WASM_BYTE + count * TEXT_PER_FUNCTION;
        let text = text.max(MIN_TEXT_BYTES).min(most);
        let arena = CodeArena::new(count, stub_bytes + text)?;
        let code = Arc::new_cyclic(|me: &Weak<Self>| {
            write_stubs(&arena, count, me.as_ptr().expose_provenance());
            Self {
                registration: OnceLock::new(),
                me: Weak::clone(me),
                source,
                compile,
                functions: FunctionTable::default(),
                osr_bodies: OsrBodies::default(),
                first_entries: FirstEntries::default(),
                placing: Mutex::new(()),
                states: (0..count).map(|_| AtomicU32::new(state::IDLE)).collect(),
                block_counts: BlockCounts::new(wasm_bytes),
                totals: Totals::default(),
                tiering,
                observer,
                arena,
            }
        });
        let registration = code.arena.register(Arc::as_ptr(&code))?;
        code.registration.set(registration).expect("set once");
        Ok(code)
    }

    /// What the code is compiled from.
    pub(crate) fn source(&self) -> &ModuleSource {
        &self.source
    }

    /// A handle that keeps the code.
    pub(crate) fn to_arc(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// A handle that does not keep the code.
    pub(crate) fn to_weak(&self) -> Weak<Self> {
        Weak::clone(&self.me)
    }

    /// What becomes of hot functions.
    pub(crate) fn tiering(&self) -> Option<&ModuleTiering> {
        self.tiering.as_ref()
    }

    /// The stub of a function: what its `FuncRef.code` points to. It stays when the function's
    /// code changes.
    pub(crate) fn stub(&self, index: DefinedFuncIndex) -> CodePtr {
        CodePtr::new(self.arena.text_address() + index.index() * stubs::LAZY_STUB_BYTES)
    }

    /// The counters for an instance that this thread makes.
    pub(crate) fn counters(&self) -> *mut i32 {
        if self.source.config.block_counts {
            return self.block_counts.shard();
        }
        self.source.counters.shard(|func| self.start_value(DefinedFuncIndex::new(func)))
    }

    /// The basic blocks of a function that has run, with how often each was entered. The compiler
    /// says once more which blocks there are: it gives the same for the same input.
    pub(crate) fn counted_blocks(&self, func: DefinedFuncIndex) -> Vec<(CountedBlock, u64)> {
        let module = &self.source.module;
        let start = module.bodies[func.index()].range.start;
        if !self.source.config.block_counts
            || self.block_counts.sum(start - module.code_section.start) == 0
        {
            return Vec::new();
        }
        let blocks = (self.compile)(&self.source.input(func)).map_or(Vec::new(), |f| f.blocks);
        let counted = |block: CountedBlock| (block, self.block_counts.sum(block.counter(module)));
        blocks.into_iter().map(counted).collect()
    }

    /// How often a function was entered, or the loop at this position in it turned, in the baseline and
    /// in optimised code.
    pub(crate) fn turns(&self, func: DefinedFuncIndex, position: Option<usize>) -> [u64; 2] {
        let module = &self.source.module;
        [false, true]
            .map(|optimized| self.source.counters.sum(turn_word(module, func, position, optimized)))
    }

    /// What a function's counters start from.
    pub(crate) fn start_value(&self, func: DefinedFuncIndex) -> i32 {
        match self.plan(func) {
            Plan::Counted(value) => value,
            Plan::Baseline | Plan::Optimized { .. } => i32::MAX,
        }
    }

    /// What all threads have counted of a function whose counters were not armed again yet.
    pub(crate) fn counted(&self, func: DefinedFuncIndex) -> u64 {
        self.source.counters.counted(func.index(), self.start_value(func))
    }

    /// Sets a function's counters, of all threads.
    pub(crate) fn rearm(&self, func: DefinedFuncIndex, value: i32) {
        self.source.counters.rearm(func.index(), value);
    }

    fn plan(&self, func: DefinedFuncIndex) -> Plan {
        let body = &self.source.module.bodies[func.index()];
        self.tiering.as_ref().map_or(Plan::Baseline, |tiering| tiering.plan(func, body))
    }

    /// What was compiled so far.
    pub(crate) fn stats(&self) -> CodeStats {
        self.totals.read()
    }

    /// Counts time that the optimising compiler took in the background.
    pub(crate) fn add_optimizer_time(&self, ns: u64) {
        self.totals.add_time(Tier::Optimized, ns);
    }

    /// Takes note that a frame goes over to the OSR body of a loop.
    pub(crate) fn note_osr_entry(&self, func: DefinedFuncIndex, loop_offset: u32) {
        self.totals.add_osr_entry();
        self.emit_of(func, Some(loop_offset), || EventKind::OsrEntered);
    }

    /// The address of a function's code, compiled now when it was not yet.
    pub(crate) fn ensure_compiled(&self, index: DefinedFuncIndex) -> Result<usize, CompileError> {
        let state = &self.states[index.index()];
        loop {
            let seen = state.load(Ordering::Acquire);
            match seen {
                state::DONE => return Ok(self.entry(index)),
                state::IDLE => {
                    let (from, to) = (state::IDLE, state::COMPILING);
                    let won =
                        state.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed);
                    if won.is_ok() {
                        let claim = Claim { state, next: state::IDLE };
                        self.compile_claimed(index, claim)?;
                    }
                }
                _ => wait(state, seen),
            }
        }
    }

    /// Compiles every function that was not compiled yet, on `threads` threads.
    pub(crate) fn compile_all(&self, threads: usize) -> Result<(), CompileError> {
        let next = AtomicUsize::new(0);
        let error = Mutex::new(None);
        let work = || {
            if let Err(failed) = self.compile_batches(&next) {
                next.store(self.states.len(), Ordering::Relaxed);
                error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failed);
            }
        };
        let threads = threads.min(self.states.len().div_ceil(BATCH));
        let pool = match threads {
            0 | 1 => None,
            _ => rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok(),
        };
        match pool {
            Some(pool) => drop(pool.broadcast(|_| work())),
            None => work(),
        }
        match error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Compiles batches of functions until none is left.
    fn compile_batches(&self, next: &AtomicUsize) -> Result<(), CompileError> {
        let count = self.states.len();
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            if start >= count {
                return Ok(());
            }
            for i in start..count.min(start + BATCH) {
                let state = &self.states[i];
                let (from, to) = (state::IDLE, state::COMPILING);
                let won = state.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed);
                if won.is_ok() {
                    let claim = Claim { state, next: state::IDLE };
                    self.compile_claimed(DefinedFuncIndex::new(i), claim)?;
                }
            }
        }
    }

    /// Compiles a function for the first time, in the tier that its plan says.
    fn compile_claimed(
        &self,
        index: DefinedFuncIndex,
        mut claim: Claim<'_>,
    ) -> Result<(), CompileError> {
        self.emit(index, || EventKind::LazyCompileStarted);
        let optimized = match self.plan(index) {
            Plan::Optimized { required } => self.optimize_claimed(index, required)?,
            Plan::Baseline | Plan::Counted(_) => false,
        };
        if !optimized {
            let start = thread_cpu_ns();
            let compiled = (self.compile)(&self.source.input(index))?;
            let code_bytes = compiled.code.len();
            self.publish(index, Tier::Baseline, compiled)?;
            self.compiled(index, Tier::Baseline, code_bytes, start);
        }
        claim.next = state::DONE;
        Ok(())
    }

    /// Optimises a function that has no code. When it does not work out although it is not
    /// required, `false`.
    fn optimize_claimed(
        &self,
        index: DefinedFuncIndex,
        required: bool,
    ) -> Result<bool, CompileError> {
        let Some(tiering) = &self.tiering else { return Ok(false) };
        let start = thread_cpu_ns();
        let request = Request { entry: Entry::Function, effort: Effort::Full };
        let input = self.source.input(index);
        let optimized = tiering.controller().optimize(&input, request).and_then(|compiled| {
            let code_bytes = compiled.code.len();
            self.publish(index, Tier::Optimized, compiled)?;
            Ok(code_bytes)
        });
        match optimized {
            Ok(code_bytes) => {
                tiering.add_code(code_bytes);
                self.compiled(index, Tier::Optimized, code_bytes, start);
                Ok(true)
            }
            Err(error) if required => Err(error),
            Err(error) => {
                let reason = TierRejection::Failed(error.to_string());
                self.emit(index, || EventKind::Rejected { reason });
                Ok(false)
            }
        }
    }

    /// Takes note of code that is published.
    fn compiled(&self, index: DefinedFuncIndex, tier: Tier, code_bytes: usize, start_ns: u64) {
        let ns = thread_cpu_ns().saturating_sub(start_ns);
        self.totals.add_time(tier, ns);
        let (optimized, cpu) = (tier == Tier::Optimized, Duration::from_nanos(ns));
        self.emit(index, || EventKind::LazyCompiled { optimized, cpu, code_bytes });
    }

    fn emit(&self, index: DefinedFuncIndex, kind: impl FnOnce() -> EventKind) {
        self.emit_of(index, None, kind);
    }

    fn emit_of(
        &self,
        index: DefinedFuncIndex,
        loop_offset: Option<u32>,
        kind: impl FnOnce() -> EventKind,
    ) {
        if let Some(tiering) = &self.tiering {
            tiering.controller().events().emit(tiering.subject(index, loop_offset), kind);
        }
    }

    /// Publishes optimised code of a function, whether it had code before or not: its address.
    pub(crate) fn publish_optimized(
        &self,
        index: DefinedFuncIndex,
        compiled: CompiledFunction,
    ) -> Result<usize, CompileError> {
        let state = &self.states[index.index()];
        loop {
            match state.load(Ordering::Acquire) {
                state::DONE => return self.replace(index, compiled),
                state::IDLE => {
                    let (from, to) = (state::IDLE, state::COMPILING);
                    let won =
                        state.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed);
                    if won.is_ok() {
                        let mut claim = Claim { state, next: state::IDLE };
                        let address = self.publish(index, Tier::Optimized, compiled)?;
                        self.emit(index, || EventKind::Published);
                        claim.next = state::DONE;
                        return Ok(address);
                    }
                }
                // Baseline code that comes later would take the slot.
                seen => wait(state, seen),
            }
        }
    }

    /// Places code and makes it the function's current code: its address.
    fn publish(
        &self,
        index: DefinedFuncIndex,
        tier: Tier,
        compiled: CompiledFunction,
    ) -> Result<usize, CompileError> {
        let address = self.place(index, tier, compiled)?;
        self.slot(index).store(address, Ordering::Release);
        Ok(address)
    }

    /// Places optimised code of a function that has code, to be entered by the next caller.
    fn replace(
        &self,
        index: DefinedFuncIndex,
        compiled: CompiledFunction,
    ) -> Result<usize, CompileError> {
        let address = self.place(index, Tier::Optimized, compiled)?;
        self.emit(index, || EventKind::Published);
        if self.tiering.as_ref().is_some_and(|tiering| tiering.controller().events().enabled()) {
            let stub = self.lazy_entry(index);
            self.first_entries.expect((index, address), self.slot(index), stub);
        } else {
            self.slot(index).store(address, Ordering::Release);
        }
        Ok(address)
    }

    /// A caller came by the stub: the code it goes on in.
    pub(crate) fn enter(&self, index: DefinedFuncIndex) -> Result<usize, CompileError> {
        self.ensure_compiled(index)?;
        let address = self.slot(index).load(Ordering::Acquire);
        if address != self.lazy_entry(index) {
            return Ok(address);
        }
        let (address, first) = self.first_entries.enter(index, self.slot(index));
        if first {
            self.emit(index, || EventKind::FirstEntered);
        }
        Ok(address)
    }

    /// Places an OSR body, to be found by [`Self::osr_body`]: its address.
    pub(crate) fn publish_osr(
        &self,
        index: DefinedFuncIndex,
        loop_offset: u32,
        compiled: CompiledFunction,
    ) -> Result<usize, CompileError> {
        let frame_bytes = compiled.frame_bytes;
        let address = self.place(index, Tier::Osr, compiled)?;
        self.emit_of(index, Some(loop_offset), || EventKind::Published);
        self.osr_bodies.set(index, loop_offset, OsrBody { address, frame_bytes });
        Ok(address)
    }

    /// The code that may take over from baseline frames of a function at the loop at
    /// `loop_offset`.
    pub(crate) fn osr_body(&self, index: DefinedFuncIndex, loop_offset: u32) -> Option<OsrBody> {
        self.osr_bodies.get(index, loop_offset)
    }

    /// Places code so that its address leads to its tables. Nothing leads to the code yet.
    fn place(
        &self,
        index: DefinedFuncIndex,
        tier: Tier,
        mut tables: CompiledFunction,
    ) -> Result<usize, CompileError> {
        let mut code = std::mem::take(&mut tables.code);
        let relocs = std::mem::take(&mut tables.relocs);
        assert!(!code.is_empty(), "a function has code");
        let len = code.len();
        let span = {
            let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
            let phase = usize::from(tables.phase);
            let span = self.arena.allocate_at(len, CODE_LINE_BYTES, phase);
            let span = span.ok_or_else(|| self.full(index))?;
            self.functions.push(FunctionCode { index, tier, start: span.offset, len, tables });
            span
        };
        let address = self.arena.text_address() + span.offset;
        self.relocate(&mut code, address, &relocs);
        self.arena.write(span, &code);
        self.totals.add_code(tier, len);
        self.observe(index, tier, (address, &code));
        Ok(address)
    }

    fn observe(&self, index: DefinedFuncIndex, tier: Tier, (address, bytes): (usize, &[u8])) {
        let Some(observer) = &self.observer else { return };
        let func = self.source.module.func_index(index);
        let name = self.source.function_name(func);
        let code = PublishedCode { func: func.0, name, kind: tier.into(), address, bytes };
        observer.published(&code);
    }

    fn full(&self, index: DefinedFuncIndex) -> CompileError {
        let func = self.source.module.func_index(index).0;
        CompileError::ModuleCodeTooLarge { func, limit: self.arena.text_bytes() as u64 }
    }

    /// Fills in the places of `code`, which will run at `address`, that depend on addresses.
    fn relocate(&self, code: &mut [u8], address: usize, relocs: &[Reloc]) {
        let words = self.arena.words();
        for reloc in relocs {
            let RelocTarget::EntrySlot(target) = reloc.target;
            let target = (&raw const words[target.index()]).addr();
            let place = reloc.offset as usize;
            let from = address + place + 4;
            code[place..place + 4].copy_from_slice(&displacement(from, target).to_le_bytes());
        }
    }

    /// The current entry point of a function: its code, or its lazy stub.
    fn entry(&self, index: DefinedFuncIndex) -> usize {
        let address = self.slot(index).load(Ordering::Acquire);
        if address != self.lazy_entry(index) {
            return address;
        }
        self.first_entries.next(index, self.slot(index))
    }

    fn slot(&self, index: DefinedFuncIndex) -> &AtomicUsize {
        &self.arena.words()[index.index()]
    }

    /// The part of a function's stub that comes to the engine.
    fn lazy_entry(&self, index: DefinedFuncIndex) -> usize {
        let stub = index.index() * stubs::LAZY_STUB_BYTES;
        self.arena.text_address() + stub + stubs::LAZY_STUB_SLOW
    }

    /// Offset of an address in the arena's text.
    pub(crate) fn text_offset(&self, pc: usize) -> Option<usize> {
        pc.checked_sub(self.arena.text_address())
    }

    /// The code that contains `pc`; async-signal-safe.
    pub(crate) fn function_at(&self, pc: usize) -> Option<&FunctionCode> {
        self.functions.find(self.text_offset(pc)?)
    }

    /// What `f` makes of each piece of code and its address.
    pub(crate) fn all_functions<R>(&self, f: impl Fn(&FunctionCode, usize) -> R) -> Vec<R> {
        let text = self.arena.text_address();
        self.functions.iter().map(|function| f(function, text + function.start)).collect()
    }

    /// All code of a function, each with its address and bytes, in the order in which it was made.
    pub(crate) fn codes_of(
        &self,
        index: DefinedFuncIndex,
    ) -> impl Iterator<Item = (&FunctionCode, usize, &[u8])> {
        let text = self.arena.text_address();
        let functions = self.functions.iter().filter(move |function| function.index == index);
        functions.map(move |function| {
            let bytes = self.arena.text(function.start, function.len);
            (function, text + function.start, bytes)
        })
    }

    /// The trap of the instruction at `pc`; async-signal-safe.
    pub(crate) fn trap_at(&self, pc: usize) -> Option<Trap> {
        let function = self.function_at(pc)?;
        let offset = self.text_offset(pc)? - function.start;
        function.tables.traps.lookup(u32::try_from(offset).ok()?)
    }

    /// Whether an interruption may be taken at `pc`; `None` when that is not code of a function.
    /// Async-signal-safe.
    pub(crate) fn polls_at(&self, pc: usize) -> Option<bool> {
        let function = self.function_at(pc)?;
        let offset = u32::try_from(self.text_offset(pc)? - function.start).ok()?;
        Some(function.tables.polls.binary_search(&offset).is_ok())
    }

    /// A function's current code, its address and bytes, when it is compiled.
    pub(crate) fn code_of(&self, index: DefinedFuncIndex) -> Option<(&FunctionCode, usize, &[u8])> {
        let state = self.states.get(index.index())?.load(Ordering::Acquire);
        if state != state::DONE {
            return None;
        }
        let address = self.entry(index);
        let function = self.function_at(address)?;
        Some((function, address, self.arena.text(function.start, function.len)))
    }
}

/// Writes all lazy stubs and the thunk, and points the slots to them.
fn write_stubs(arena: &CodeArena, count: usize, module: usize) {
    let (text, words) = (arena.text_address(), arena.words());
    let thunk = text + count * stubs::LAZY_STUB_BYTES;
    let mut code = Vec::with_capacity(count * stubs::LAZY_STUB_BYTES);
    for (i, word) in words.iter().enumerate().take(count) {
        let stub = text + i * stubs::LAZY_STUB_BYTES;
        let slot = (&raw const *word).addr();
        let index = u32::try_from(i).expect("function indices have 32 bits");
        code.extend(stubs::lazy_stub(
            index,
            displacement(stub + stubs::LAZY_STUB_SLOT_FROM, slot),
            displacement(stub + stubs::LAZY_STUB_BYTES, thunk),
        ));
        word.store(stub + stubs::LAZY_STUB_SLOW, Ordering::Relaxed);
    }
    code.extend(stubs::lazy_thunk(module as u64, common::lazy_common() as u64));
    let offset = arena.append(&code, STUB_ALIGN).expect("the arena was sized for its stubs");
    assert_eq!(offset, 0, "stubs come first");
}

/// The 32-bit displacement from one address to another of the same arena.
fn displacement(from: usize, to: usize) -> i32 {
    let distance = to.cast_signed() - from.cast_signed();
    i32::try_from(distance).expect("an arena is smaller than 2 GiB")
}
