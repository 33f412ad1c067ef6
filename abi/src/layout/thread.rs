//! The per-thread execution context that `r15` points to.

use crate::builtin::BUILTIN_COUNT;
use crate::conv::CALLEE_SAVED;
use core::ffi::c_void;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64};

/// Hot fields lie below this offset, so that machine code reaches them with an 8-bit displacement.
pub const HOT_FIELD_RANGE: usize = 128;

/// Stack below the software limit that is always there.
///
/// A function whose frame is smaller compares `rsp` itself with the limit, a larger frame compares
/// `rsp - frame`. Runtime functions called from wasm code run in what is left of it, above the
/// guard page, so the engine reserves at least this much *and* the stack its own functions need
/// below the limit.
pub const STACK_HEADROOM_BYTES: u32 = 4096;

/// Most bytes that bulk operators on memory write without asking the engine.
pub const SMALL_BULK_BYTES: u32 = 128;

/// State of one thread of execution: what wasm code of all instances of a store shares.
///
/// It belongs to the store, not to the OS thread. Code reads it through `r15` and never caches a
/// field over a call, a loop header or a poll.
#[repr(C)]
#[derive(Debug)]
pub struct ThreadContext {
    /// Lowest address the stack pointer may reach; all ones when an interruption is requested.
    /// Written by other threads, compared by function entries and loop headers.
    pub stack_limit: AtomicU64,
    /// Fuel left, when fuel is charged; negative means used up.
    pub fuel: i64,
    /// Frame pointer of the wasm frame that last called out of wasm code.
    pub exit_fp: u64,
    /// Return address (or faulting pc) in that frame.
    pub exit_pc: u64,
    /// Stack pointer that the innermost entry trampoline continues with after a trap.
    pub entry_sp: u64,
    /// Its frame pointer.
    pub entry_fp: u64,
    /// The address it continues at.
    pub entry_handler: u64,
    /// Instance whose code last called an import or through a function reference.
    pub caller: *mut super::Instance,
    /// Non-zero when the builtin that just ran does not go back to its caller: the exit stub tests
    /// it and goes on at `landing`.
    pub pending: u32,
    /// Code byte of the trap a signal handler or stub found ([`crate::trap::Trap`]).
    pub trap_code: u32,
    /// Buffer that on-stack replacement passes live values through, 16 bytes each, aligned to 16:
    /// all locals, then the operand stack from the bottom. Only valid in the entry block of an
    /// OSR body.
    pub osr_buffer: *mut u8,
    /// Where the next object goes, as offset in the heap, and the end of the room for objects.
    pub alloc_cursor: u64,
    /// See [`Self::alloc_cursor`].
    pub alloc_limit: u64,
    /// Where the next entry of the log of written objects goes; there is always room for one per
    /// object. An entry is the object's offset in the heap.
    pub gc_log: *mut u32,
    /// Work that baseline code may do until it charges a function's counter
    /// ([`crate::hotness`]); below zero when it must.
    pub work_budget: i32,
    /// What the next refill of the budget is drawn from.
    pub work_seed: u32,

    /// The limit that `stack_limit` holds when nothing was requested.
    pub true_stack_limit: AtomicU64,
    /// Why `stack_limit` was poisoned: a bit set that the engine defines; 0 when nothing is asked.
    pub interrupt: AtomicU32,
    /// Most bytes that the stubs of `memory.copy` and `memory.fill` write without asking the engine:
    /// [`SMALL_BULK_BYTES`], or 0 where these operators cost fuel.
    pub small_bulk: u32,
    /// Outer activation: the entry state that the innermost entry trampoline saved.
    pub outer: *const ActivationLink,
    /// The faulting address of the last memory fault.
    pub fault_address: u64,
    /// The engine's own state of this thread (a store).
    pub host: *mut c_void,
    /// Entry stub of each builtin, in the order of [`crate::builtin::Builtin`].
    pub builtins: [*const u8; BUILTIN_COUNT],
    /// Where the stub goes on that finds [`Self::pending`] set: the handler of the innermost entry
    /// trampoline, or a landing pad of wasm code when an exception was thrown.
    pub landing: Landing,
    /// Addresses, in frames that are left, of what [`CALLEE_SAVED`] hold at the landing; 0 where the register
    /// still holds it.
    pub landing_saved: [u64; CALLEE_SAVED.len()],
    /// Where `throw` builds its exception: an [`super::ExnHeader`] and as many fields as the tag of
    /// the store with most has. It is copied when somebody wants a reference to it.
    pub exn_buffer: *mut u8,
    /// Bytes that [`crate::builtin::Builtin::gc_refill`] is to make room for.
    pub alloc_request: u64,
    /// A value that a builtin takes besides its arguments: references and scalars in the low half.
    pub value: [u64; 2],
    /// Function records by their position in objects; grows, so it is read anew at each use.
    pub func_table: *const *const super::FuncRef,
    /// Exceptions by their position in objects; grows, so it is read anew at each use.
    pub exn_table: *const *const super::ExnHeader,
    /// A byte for each [`super::CARD_SHIFT`] of the heap, not 0 when an array was written there.
    pub gc_cards: *mut u8,
    /// Not 0 when a global was written since the last collection that may refer to an object.
    pub globals_written: u8,
}

/// Where machine code goes on, other than by a return.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// The address.
    pub pc: u64,
    /// The stack pointer there.
    pub sp: u64,
    /// The frame pointer there.
    pub fp: u64,
    /// What `rax` holds there: the address of the exception, at a landing pad.
    pub exn: u64,
}

/// What an entry trampoline saves of the activation it interrupts, and restores when it leaves.
///
/// It lies in the trampoline's frame; a stack walk goes from activation to activation through
/// [`ThreadContext::outer`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ActivationLink {
    /// [`ThreadContext::exit_fp`] of the interrupted activation, 0 if there was none.
    pub exit_fp: u64,
    /// [`ThreadContext::exit_pc`] of it.
    pub exit_pc: u64,
    /// [`ThreadContext::entry_sp`] of it.
    pub entry_sp: u64,
    /// [`ThreadContext::entry_fp`] of it.
    pub entry_fp: u64,
    /// [`ThreadContext::entry_handler`] of it.
    pub entry_handler: u64,
    /// [`ThreadContext::caller`] of it.
    pub caller: u64,
    /// [`ThreadContext::outer`] of it.
    pub outer: u64,
    /// Padding that keeps the frame aligned.
    pub reserved: u64,
}

/// What the stub of [`crate::builtin::Builtin::hot_function`] loads its registers from to leave a
/// baseline frame for an OSR body, as if that had been called instead of the baseline code. All
/// other registers are dead at the entry of an OSR body.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OsrTransfer {
    /// Address of the OSR body.
    pub target: u64,
    /// Stack pointer: where the return address of the baseline frame is.
    pub rsp: u64,
    /// Frame pointer of the caller.
    pub rbp: u64,
    /// First integer argument: the vmctx, or the address of the return area.
    pub rdi: u64,
    /// Second integer argument: the vmctx when the first is the address of the return area.
    pub rsi: u64,
    /// The caller's values of [`crate::conv::CALLEE_SAVED`].
    pub callee_saved: [u64; CALLEE_SAVED.len()],
}

const _: () = assert!(offset_of!(ThreadContext, stack_limit) == 0);
const _: () = assert!(offset_of!(ThreadContext, work_seed) < HOT_FIELD_RANGE);
