//! Entering machine code and coming back.
//!
//! # Life of an activation
//! 1. [`enter`] prepares the OS thread (signal stack), sets the stack limit when it is the
//!    outermost activation, and calls the entry trampoline of the function's type.
//! 2. The trampoline saves the outer activation in an `ActivationLink`, loads the arguments and
//!    calls the function. A return stores the results and leaves with 0.
//! 3. A runtime function, host function or trap that wants to leave notes the reason in the
//!    context ([`super::context`]) and sets `pending`; the stub that called it jumps to the
//!    handler of the innermost trampoline, which leaves with 1. No frame in between runs again.
//! 4. [`enter`] takes the reason and returns it as [`Exit`].

use super::context::ContextCell;
use super::func::FuncPtr;
use super::host::{Exit, VmHost};
use super::{alt_stack, signals};
use std::cell::Cell;
use std::ptr::NonNull;
use upshift_abi::layout::{Instance, ThreadContext};

/// A value between host and machine code: scalars and references zero-extended in the first half.
pub(crate) type Slot = [u64; 2];

/// The code of an entry trampoline; see `code::common::EntryStub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trampoline {
    /// Its address.
    address: usize,
    /// Slots it reads or writes.
    slots: u32,
}

type TrampolineFn =
    unsafe extern "C" fn(*mut ThreadContext, *mut Instance, *const u8, *mut Slot) -> u32;

impl Trampoline {
    /// The trampoline at `address`, which uses `slots` slots.
    pub(crate) fn new(address: usize, slots: usize) -> Self {
        let slots = u32::try_from(slots).expect("a function type has few values");
        Self { address, slots }
    }

    /// The number of slots that [`enter`] needs: the larger of parameter and result count.
    pub(crate) fn slots(self) -> usize {
        self.slots as usize
    }
}

/// Calls a function. Arguments are in `slots` from the first on, and results are left there.
///
/// `host` is the store that everything reachable from `callee` belongs to, and `trampoline` that
/// of the function's own type; references in `slots` belong to the store and have their types.
pub(crate) fn enter(
    host: &mut (dyn VmHost + 'static),
    trampoline: Trampoline,
    callee: FuncPtr,
    slots: &mut [Slot],
) -> Result<(), Exit> {
    assert!(slots.len() >= trampoline.slots(), "a slot for each argument and result");
    signals::ensure_installed();
    alt_stack::ensure();
    let cell: NonNull<ContextCell> = host.context().cell();
    // SAFETY: the store, which the caller has borrowed, owns the context.
    let cell = unsafe { cell.as_ref() };
    let outer = cell.host();
    let runner = cell.settings().by_signal.then(|| cell.runner().enter());
    if outer.is_none() {
        cell.arm(stack_limit(cell.settings().max_stack_bytes));
    }
    cell.set_host(Some(NonNull::from(host)));
    // A host function called from here has no wasm caller.
    let caller = cell.replace_caller(std::ptr::null_mut());
    let record = callee.read();
    let address = std::ptr::with_exposed_provenance::<u8>(trampoline.address);
    // SAFETY: `code::common` made the trampoline with this signature, and the type's entry keeps it.
    let entry = unsafe { std::mem::transmute::<*const u8, TrampolineFn>(address) };
    // SAFETY: the caller vouches for callee and trampoline; the slots are checked above; the
    // context has a valid limit and knows its store.
    let left = unsafe { entry(cell.thread(), record.vmctx, record.code, slots.as_mut_ptr()) };
    if let Some(before) = runner {
        cell.runner().leave(before);
    }
    cell.set_host(outer);
    cell.replace_caller(caller);
    match left {
        0 => Ok(()),
        _ => Err(cell.take_exit().expect("whoever sets `pending` notes the reason")),
    }
}

/// Stack that host code may use below the limit of wasm code, where the stack is large enough.
const HOST_STACK_BYTES: usize = 256 << 10;

/// The lowest address that wasm code entered now may use.
fn stack_limit(max_stack_bytes: usize) -> u64 {
    let here = Cell::new(0u8);
    let here = (&raw const here).addr();
    let (low, size) = thread_stack();
    let reserve = HOST_STACK_BYTES.min(size / 4);
    let limit = here.saturating_sub(max_stack_bytes).max(low.saturating_add(reserve));
    limit as u64
}

/// Lowest address and size of this OS thread's stack; 0 when the system does not say.
fn thread_stack() -> (usize, usize) {
    thread_local! {
        static STACK: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    }
    STACK.with(|stack| {
        let found = stack.get().unwrap_or_else(query_stack);
        stack.set(Some(found));
        found
    })
}

fn query_stack() -> (usize, usize) {
    main_thread_stack().unwrap_or_else(query_thread_attributes)
}

/// The stack of the main thread, which the C library would look up in a long text of the kernel.
/// `None` on other threads.
fn main_thread_stack() -> Option<(usize, usize)> {
    if rustix::thread::gettid() != rustix::process::getpid() {
        return None;
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current?;
    // SAFETY: reads an entry of the auxiliary vector.
    let program_name = unsafe { libc::getauxval(libc::AT_EXECFN) };
    // The kernel puts the program's name right at the end of the stack.
    let end = usize::try_from(program_name).ok().filter(|&name| name != 0)?;
    let size = usize::try_from(limit).ok()?;
    // The stack may grow a little less than the limit says: what is randomised comes off.
    let size = size.saturating_sub(STACK_SLACK_BYTES);
    Some((end.checked_sub(size)?, size))
}

/// Part of the main thread's stack that may be lost to its random offset and environment.
const STACK_SLACK_BYTES: usize = 64 << 10;

fn query_thread_attributes() -> (usize, usize) {
    // SAFETY: all-zero bytes are a valid `pthread_attr_t` to be filled in.
    let mut attr: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    // SAFETY: has no preconditions.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: asks about this very thread and fills `attr`.
    let failed = unsafe { libc::pthread_getattr_np(this, &raw mut attr) };
    if failed != 0 {
        return (0, 0);
    }
    let (mut low, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: `attr` was filled by the call above.
    unsafe { libc::pthread_attr_getstack(&raw const attr, &raw mut low, &raw mut size) };
    // SAFETY: as above; it is not used again.
    unsafe { libc::pthread_attr_destroy(&raw mut attr) };
    (low.addr(), size)
}
