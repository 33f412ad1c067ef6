//! The execution context of a store, and the right to interrupt it from other threads.
//!
//! # Interruption
//! 1. [`Interrupter::request`] sets its bits in `interrupt`, then poisons `stack_limit`.
//! 2. Function entries compare the stack pointer with `stack_limit`, find it too low and call
//!    `stack_check`. Loops do not compare: a signal makes the thread call `loop_poll` at the next
//!    header ([`super::step`]). Where signals are not wanted, loop headers compare and call, too.
//! 3. These swap `interrupt` with 0, write the true limit, and read `interrupt` again: when it is
//!    set, they poison the limit again. So does [`ContextCell::arm`], which an entry calls.
//! 4. Bits that were taken go to [`super::VmHost::interrupted`].
//!
//! All accesses are sequentially consistent, and whoever restores the limit reads the word after
//! it, so either it sees the bits or the requester's poison comes after its write: no request is
//! lost. Machine code only reads the limit, so the requester needs no `membarrier`; code that
//! wrote it with plain stores would.

use super::exception::ExnPtr;
use super::host::{Exit, ExitReason, VmHost};
use super::kicker::{self, Runner};
use super::osr::Handover;
use super::raise::{LandingSaved, RaiseCache, ThrowCounts, Throws};
use super::step;
use super::unwind::{self, Walk};
use anyhow::Error;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;
use upshift_abi::builtin::BUILTIN_COUNT;
use upshift_abi::conv::CALLEE_SAVED;
use upshift_abi::hotness;
use upshift_abi::layout::{ActivationLink, Instance, Landing, SMALL_BULK_BYTES, ThreadContext};

/// `stack_limit` of a context that shall poll.
const POISON: u64 = u64::MAX;

/// What `r15` points to, and the engine's state beside it.
#[repr(C)]
pub(super) struct ContextCell {
    /// Read and written by machine code.
    thread: UnsafeCell<ThreadContext>,
    /// The store, while it runs machine code.
    host: UnsafeCell<Option<NonNull<dyn VmHost>>>,
    /// Why the innermost activation is being left.
    exit: UnsafeCell<Option<Exit>>,
    /// What on-stack replacement passes on.
    osr: UnsafeCell<Handover>,
    /// Handlers by return address.
    raise_cache: UnsafeCell<RaiseCache>,
    /// The thread that runs machine code of the store, while one does.
    runner: Runner,
    settings: Settings,
}

/// What the settings of an engine mean for its contexts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    /// Stack that wasm code may use.
    pub(crate) max_stack_bytes: usize,
    /// Whether code that does not poll is interrupted by signals.
    pub(crate) by_signal: bool,
    /// Whether operators cost fuel.
    pub(crate) fuel: bool,
    /// Whether somebody wants events: searches for handlers of exceptions are timed, and told of.
    pub(crate) times_throws: bool,
}

// SAFETY: other threads reach the cell only through `Interrupter`, which touches nothing but the
// atomic fields; everything else is used by the thread that has the store.
unsafe impl Send for ContextCell {}
// SAFETY: as above.
unsafe impl Sync for ContextCell {}

/// The execution context of a store. Its address never changes.
#[derive(Clone)]
pub(crate) struct Context {
    cell: Arc<ContextCell>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// A context in which nothing runs.
    pub(crate) fn new(settings: Settings) -> Self {
        let builtins = crate::code::common::builtin_table();
        let cell = Arc::new(ContextCell {
            thread: UnsafeCell::new(empty_thread_context(builtins)),
            host: UnsafeCell::new(None),
            exit: UnsafeCell::new(None),
            osr: UnsafeCell::new(Handover::default()),
            raise_cache: UnsafeCell::new(RaiseCache::default()),
            runner: Runner::default(),
            settings,
        });
        let host: *const ContextCell = Arc::as_ptr(&cell);
        // SAFETY: the cell is new, nobody else uses it.
        let thread = unsafe { &mut *cell.thread.get() };
        thread.host = host.cast_mut().cast::<c_void>();
        thread.small_bulk = if settings.fuel { 0 } else { SMALL_BULK_BYTES };
        Self { cell }
    }

    /// Exceptions that were thrown so far.
    pub(crate) fn throw_counts(&self) -> ThrowCounts {
        // SAFETY: the field belongs to the thread that has the store, which is this one, and nothing is
        // thrown meanwhile.
        unsafe { &*self.cell.raise_cache() }.counts()
    }

    /// Exceptions that nobody was told of yet, and how long ago they were.
    pub(crate) fn take_throws(&self, now: Duration) -> Option<(Throws, Duration)> {
        // SAFETY: as in `throw_counts`.
        unsafe { &mut *self.cell.raise_cache() }.take_rest(now)
    }

    /// Fuel left; negative or zero when it is used up.
    pub(crate) fn fuel(&self) -> i64 {
        let fuel = self.thread_ptr().wrapping_byte_add(std::mem::offset_of!(ThreadContext, fuel));
        // SAFETY: the field belongs to the thread that has the store, which is this one.
        unsafe { fuel.cast::<i64>().read() }
    }

    /// Sets the fuel that is left.
    pub(crate) fn set_fuel(&self, fuel: i64) {
        let place = self.thread_ptr().wrapping_byte_add(std::mem::offset_of!(ThreadContext, fuel));
        // SAFETY: as in `fuel`.
        unsafe { place.cast::<i64>().write(fuel) };
    }

    /// The instance whose code called the host function that runs now: what `Caller::get_export`
    /// looks into. `None` when it was not called by wasm code.
    pub(crate) fn caller(&self) -> Option<super::InstanceRef> {
        let place =
            self.thread_ptr().wrapping_byte_add(std::mem::offset_of!(ThreadContext, caller));
        // SAFETY: as in `fuel`.
        let caller = unsafe { place.cast::<*mut Instance>().read() };
        super::InstanceRef::from_ptr(caller)
    }

    /// Whether machine code of the store is below this call on the stack.
    #[cfg(test)]
    pub(crate) fn is_active(&self) -> bool {
        // SAFETY: the field belongs to the thread that has the store.
        unsafe { (*self.cell.host.get()).is_some() }
    }

    /// A handle that interrupts the store from any thread.
    pub(crate) fn interrupter(&self) -> Interrupter {
        Interrupter { cell: Arc::clone(&self.cell) }
    }

    /// Bits that were requested and not yet handled.
    #[cfg(test)]
    pub(crate) fn requested(&self) -> u32 {
        self.cell.interrupt().load(SeqCst)
    }

    /// The wasm frames of all activations, innermost first; for a backtrace in a host function.
    pub(crate) fn walk(&self) -> Walk<'_> {
        self.cell.walk()
    }

    /// What a profiler asks, on the thread that has the store.
    pub(crate) fn probe(&self) -> Probe {
        Probe { cell: Arc::clone(&self.cell) }
    }

    /// Sets where `throw` builds its exceptions.
    pub(super) fn set_exn_buffer(&self, buffer: *mut u8) {
        let place =
            self.thread_ptr().wrapping_byte_add(std::mem::offset_of!(ThreadContext, exn_buffer));
        // SAFETY: as in `fuel`.
        unsafe { place.cast::<*mut u8>().write(buffer) };
    }

    /// Frame pointer of the outermost activation's entry trampoline, 0 without any.
    pub(super) fn outermost_frame(&self) -> usize {
        // SAFETY: the fields belong to the thread that has the store, which is this one.
        let thread = unsafe { &*self.thread_ptr() };
        let (mut frame, mut outer) = (thread.entry_fp, thread.outer);
        // SAFETY: links lie in the frames of trampolines that have not returned.
        while let Some(link) = unsafe { outer.as_ref() }
            && link.outer != 0
        {
            frame = link.entry_fp;
            let address = usize::try_from(link.outer).expect("addresses have 64 bits");
            outer = ptr::with_exposed_provenance::<ActivationLink>(address);
        }
        if thread.outer.is_null() {
            return 0;
        }
        usize::try_from(frame).expect("addresses have 64 bits")
    }

    /// The cell, valid as long as the context.
    pub(super) fn cell(&self) -> NonNull<ContextCell> {
        NonNull::from(&*self.cell)
    }

    pub(super) fn thread_ptr(&self) -> *mut ThreadContext {
        self.cell.thread.get()
    }
}

/// Looks at a context from a signal handler of the thread that has the store.
pub(crate) struct Probe {
    cell: Arc<ContextCell>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    /// Frame pointer and pc that machine code was left with last; `None` when there is none on the
    /// stack.
    pub(crate) fn left_at(&self) -> Option<(usize, usize)> {
        let thread = self.cell.thread.get();
        // SAFETY: the cell is alive: only the addresses of its fields are taken.
        let outer = unsafe { &raw const (*thread).outer };
        // SAFETY: as above.
        let fp = unsafe { &raw const (*thread).exit_fp };
        // SAFETY: as above.
        let pc = unsafe { &raw const (*thread).exit_pc };
        // SAFETY: the thread that writes the field is the one that was interrupted; a volatile
        // read takes what is there.
        let outer = unsafe { outer.read_volatile() };
        // SAFETY: as above.
        let fp = unsafe { fp.read_volatile() };
        // SAFETY: as above.
        let pc = unsafe { pc.read_volatile() };
        let address = |word| usize::try_from(word).ok();
        if outer.is_null() { None } else { Some((address(fp)?, address(pc)?)) }
    }
}

/// Interrupts a store; may outlive it.
#[derive(Clone)]
pub(crate) struct Interrupter {
    cell: Arc<ContextCell>,
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupter").finish_non_exhaustive()
    }
}

impl Interrupter {
    /// Makes running wasm code, or the next that runs, call [`VmHost::interrupted`] with these
    /// bits. `bits` must not be 0.
    pub(crate) fn request(&self, bits: u32) {
        debug_assert!(bits != 0, "a request has a reason");
        self.cell.interrupt().fetch_or(bits, SeqCst);
        self.cell.stack_limit().store(POISON, SeqCst);
        if self.cell.runner.is_reachable() {
            kicker::kick(&self.cell);
        }
    }
}

/// What a poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poll {
    /// Nothing was asked: at a function entry, the stack is used up.
    Nothing,
    /// The limit had been poisoned for a request that was handled meanwhile.
    Stale,
    /// These bits were asked for.
    Requested(u32),
}

impl ContextCell {
    /// The structure that machine code sees.
    pub(super) fn thread(&self) -> *mut ThreadContext {
        self.thread.get()
    }

    /// The cell of the context that `thread` belongs to.
    ///
    /// # Safety
    /// `thread` is the `r15` of machine code that [`super::enter`] runs on this thread.
    pub(super) unsafe fn of<'a>(thread: *mut ThreadContext) -> &'a Self {
        // SAFETY: the caller vouches for `thread`, which `Context::new` gave its own address.
        let host = unsafe { (*thread).host };
        // SAFETY: `Context::new` wrote the cell's address, and `enter` keeps the store alive.
        unsafe { &*host.cast::<Self>() }
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
    }

    /// The running store.
    pub(super) fn host(&self) -> Option<NonNull<dyn VmHost>> {
        // SAFETY: the field belongs to the thread that has the store.
        unsafe { *self.host.get() }
    }

    /// Replaces the running store.
    pub(super) fn set_host(&self, host: Option<NonNull<dyn VmHost>>) {
        // SAFETY: as in `host`.
        unsafe { *self.host.get() = host };
    }

    /// What on-stack replacement passes on.
    pub(super) fn osr(&self) -> *mut Handover {
        self.osr.get()
    }

    /// Frame pointer and pc of the frame that machine code was left from.
    pub(super) fn exit_frame(&self) -> (usize, usize) {
        let thread = self.thread.get();
        let address = |word| usize::try_from(word).expect("addresses have 64 bits");
        // SAFETY: the field belongs to the thread that has the store.
        let fp = unsafe { (*thread).exit_fp };
        // SAFETY: as above.
        let pc = unsafe { (*thread).exit_pc };
        (address(fp), address(pc))
    }

    /// Frame pointer of the innermost entry trampoline.
    pub(super) fn entry_frame(&self) -> usize {
        // SAFETY: the field belongs to the thread that has the store.
        let fp = unsafe { (*self.thread.get()).entry_fp };
        usize::try_from(fp).expect("addresses have 64 bits")
    }

    /// The exception that machine code just built in its buffer; `None` when it has none.
    pub(super) fn built_exception(&self) -> Option<ExnPtr> {
        // SAFETY: the field belongs to the thread that has the store.
        let buffer = unsafe { (*self.thread.get()).exn_buffer };
        ExnPtr::from_bits(buffer.expose_provenance() as u64)
    }

    /// What throwing knows of return addresses, and has counted.
    pub(super) fn raise_cache(&self) -> *mut RaiseCache {
        self.raise_cache.get()
    }

    /// Where the stub that goes on elsewhere gets registers from.
    pub(super) fn landing_saved(&self) -> LandingSaved {
        let thread = self.thread.get();
        // SAFETY: only the address of the field is taken, and `thread` is valid.
        LandingSaved(unsafe { &raw mut (*thread).landing_saved })
    }

    /// Has the stub that called the runtime go on elsewhere. [`Self::landing_saved`] is as it must be there.
    pub(super) fn set_landing(&self, landing: Landing) {
        let thread = self.thread.get();
        // SAFETY: the field belongs to the thread that has the store.
        unsafe { (*thread).landing = landing };
        // SAFETY: as above.
        unsafe { (*thread).pending = 1 };
    }

    /// Replaces the buffer that OSR bodies read.
    pub(super) fn set_osr_buffer(&self, buffer: *mut u8) {
        let thread = self.thread.get();
        // SAFETY: the field belongs to the thread that has the store.
        unsafe { (*thread).osr_buffer = buffer };
    }

    /// Replaces the instance whose code called out last.
    pub(super) fn replace_caller(&self, caller: *mut Instance) -> *mut Instance {
        let thread = self.thread.get();
        // SAFETY: the field belongs to the thread that has the store.
        let place = unsafe { &raw mut (*thread).caller };
        // SAFETY: as above.
        unsafe { place.replace(caller) }
    }

    /// Takes the reason of the exit.
    pub(super) fn take_exit(&self) -> Option<Exit> {
        let thread = self.thread.get();
        // SAFETY: the field belongs to the thread that has the store.
        unsafe { (*thread).pending = 0 };
        // SAFETY: as above.
        unsafe { (*thread).trap_code = 0 };
        // SAFETY: as above.
        unsafe { (*self.exit.get()).take() }
    }

    /// Notes why the innermost activation is left, with the frames as they are now.
    pub(super) fn leave(&self, reason: ExitReason) {
        let frames = match reason {
            ExitReason::Error(_) => self.walk().kept(),
            ExitReason::Panic(_) => Vec::new(),
        };
        // SAFETY: the field belongs to the thread that has the store.
        unsafe { *self.exit.get() = Some(Exit { reason, frames }) };
        // SAFETY: the fields belong to the thread that has the store.
        let ThreadContext { entry_sp: sp, entry_fp: fp, entry_handler: pc, .. } =
            *unsafe { &*self.thread.get() };
        self.landing_saved().forget();
        self.set_landing(Landing { pc, sp, fp, exn: 0 });
    }

    /// [`Self::leave`] for what a runtime function or host function returned.
    pub(super) fn leave_with(&self, outcome: std::thread::Result<Error>) {
        self.leave(match outcome {
            Ok(error) => ExitReason::Error(error),
            Err(panic) => ExitReason::Panic(panic),
        });
    }

    /// The wasm frames of all activations, innermost first.
    pub(super) fn walk(&self) -> Walk<'_> {
        // SAFETY: the thread that has the store calls this outside of machine code, so the exit
        // and activation fields describe its stack. Frames go when a call into the store returns to
        // machine code, which ends the borrows of that call.
        unsafe { unwind::walk(self.thread.get()) }
    }

    /// Where the thread is that runs the store.
    pub(super) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Whether somebody asked for the store.
    pub(super) fn is_requested(&self) -> bool {
        self.interrupt().load(SeqCst) != 0
    }

    /// Sets the limit of a new outermost activation.
    pub(super) fn arm(&self, limit: u64) {
        self.true_stack_limit().store(limit, SeqCst);
        self.restore_limit();
    }

    /// Takes the requests of a poll and restores the limit.
    pub(super) fn poll(&self) -> Poll {
        step::end();
        let bits = self.interrupt().swap(0, SeqCst);
        let limit = self.stack_limit().load(SeqCst);
        let true_limit = self.true_stack_limit().load(SeqCst);
        self.restore_limit();
        match bits {
            0 if limit == true_limit => Poll::Nothing,
            0 => Poll::Stale,
            _ => Poll::Requested(bits),
        }
    }

    /// Writes the true limit, then poisons it again when something was requested meanwhile.
    fn restore_limit(&self) {
        let true_limit = self.true_stack_limit().load(SeqCst);
        self.stack_limit().store(true_limit, SeqCst);
        if self.interrupt().load(SeqCst) != 0 {
            self.stack_limit().store(POISON, SeqCst);
        }
    }

    fn stack_limit(&self) -> &AtomicU64 {
        let thread = self.thread.get();
        // SAFETY: the field is atomic and lives as long as the cell; no `&mut ThreadContext`
        // exists after `Context::new`.
        unsafe { &(*thread).stack_limit }
    }

    /// The limit when nothing is requested.
    pub(super) fn true_stack_limit(&self) -> &AtomicU64 {
        let thread = self.thread.get();
        // SAFETY: as in `stack_limit`.
        unsafe { &(*thread).true_stack_limit }
    }

    fn interrupt(&self) -> &AtomicU32 {
        let thread = self.thread.get();
        // SAFETY: as in `stack_limit`.
        unsafe { &(*thread).interrupt }
    }
}

/// The first budget of a store and its seed.
fn first_budget() -> (i32, u32) {
    static STORES: AtomicU32 = AtomicU32::new(0);
    hotness::first_budget(STORES.fetch_add(1, Relaxed))
}

fn empty_thread_context(builtins: [*const u8; BUILTIN_COUNT]) -> ThreadContext {
    let (work_budget, work_seed) = first_budget();
    ThreadContext {
        stack_limit: AtomicU64::new(POISON),
        fuel: 0,
        exit_fp: 0,
        exit_pc: 0,
        entry_sp: 0,
        entry_fp: 0,
        entry_handler: 0,
        caller: ptr::null_mut(),
        pending: 0,
        trap_code: 0,
        osr_buffer: ptr::null_mut(),
        alloc_cursor: 0,
        alloc_limit: 0,
        true_stack_limit: AtomicU64::new(POISON),
        interrupt: AtomicU32::new(0),
        small_bulk: 0,
        outer: ptr::null(),
        fault_address: 0,
        landing: Landing::default(),
        landing_saved: [0; CALLEE_SAVED.len()],
        exn_buffer: ptr::null_mut(),
        gc_log: ptr::null_mut(),
        work_budget,
        work_seed,
        gc_cards: ptr::null_mut(),
        globals_written: 0,
        alloc_request: 0,
        value: [0; 2],
        func_table: ptr::null(),
        exn_table: ptr::null(),
        host: ptr::null_mut(),
        builtins,
    }
}
