//! The extern "C" functions that machine code calls through its stubs.
//!
//! Each turns raw arguments into handles and calls the store ([`VmHost`]). An `Err` or a panic is
//! noted in the context, whose `pending` the stub tests before it goes back to machine code.
//! Nothing unwinds through machine code. Arguments are zero-extended by the code that calls.
//!
//! Safety of all of them: `thread` is `r15` of the machine code that [`super::enter`] runs on this
//! thread, so its context and store are alive and this thread has them; `instance` is that code's
//! vmctx.

use super::context::{ContextCell, Poll};
use super::entry::Slot;
use super::exception::ExnPtr;
use super::func::{FuncPtr, HostFunc, TagPtr};
use super::host::VmHost;
use super::instance::InstanceRef;
use super::memory::MemoryPtr;
use super::osr::hot_function;
use super::roots::Registers;
use super::step;
use crate::code::ModuleCode;
use anyhow::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::Ordering;
use upshift_abi::builtin::{BUILTIN_COUNT, Builtin, unpack_indices};
use upshift_abi::index::{
    DataIndex, DefinedFuncIndex, ElemIndex, MemoryIndex, TableIndex, TypeIndex,
};
use upshift_abi::layout::{Instance, STACK_HEADROOM_BYTES, ThreadContext};
use upshift_abi::trap::Trap;

/// What the stub of a host function calls; the address is the first field of [`HostFunc`].
pub(super) type HostHandler = extern "C" fn(*mut ThreadContext, *const HostFunc, *mut Slot);

/// The registers that the stubs of register-preserving builtins save, by hardware number.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct SavedRegisters {
    /// Vector registers.
    pub(crate) vectors: [Slot; 16],
    /// General registers; those of rsp and rbp are meaningless.
    pub(crate) ints: [u64; 16],
}

/// The `r15` of machine code.
pub(super) type Thread = *mut ThreadContext;

macro_rules! addresses {
    ($($name:ident)*) => {
        /// Address of the implementation of each builtin, in table order.
        pub(crate) fn builtin_addresses() -> [u64; BUILTIN_COUNT] {
            let table = [$((Builtin::$name, $name as *const () as usize as u64)),*];
            debug_assert!(table.iter().zip(Builtin::ALL).all(|(row, builtin)| row.0 == *builtin));
            table.map(|row| row.1)
        }
    };
}
upshift_abi::for_each_builtin!(addresses);

/// Address of what the trap stub calls.
pub(crate) fn raise_address() -> u64 {
    raise as *const () as usize as u64
}

/// Address of what the common part of all lazy stubs calls.
pub(crate) fn lazy_address() -> u64 {
    lazy_compile as *const () as usize as u64
}

/// Runs `body` with the store; when it fails, notes why and returns `failed`.
pub(super) fn run<R>(
    thread: Thread,
    failed: R,
    body: impl FnOnce(&mut dyn VmHost) -> Result<R, Error>,
) -> R {
    run_or(thread, failed, fail, body)
}

/// [`run`] of what wasm code did not ask for: an exception that it ends with is no exception of that code. It may
/// come from where a function has no frame yet, so its caller's registers are not in that frame either.
fn run_poll(thread: Thread, body: impl FnOnce(&mut dyn VmHost) -> Result<(), Error>) {
    run_or(thread, (), |cell, _, error| cell.leave_with(Ok(error)), body);
}

fn run_or<R>(
    thread: Thread,
    failed: R,
    fail: impl FnOnce(&ContextCell, &dyn VmHost, Error),
    body: impl FnOnce(&mut dyn VmHost) -> Result<R, Error>,
) -> R {
    // SAFETY: `thread` is as the module head says.
    let cell = unsafe { ContextCell::of(thread) };
    let mut host = cell.host().expect("machine code runs within `enter`");
    // SAFETY: `enter` has the store borrowed mutably and does not use it before machine code is
    // done, and runtime functions nest strictly.
    let host = unsafe { host.as_mut() };
    step::end();
    cell.runner().set_away(true);
    let result = match catch_unwind(AssertUnwindSafe(|| body(host))) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            fail(cell, host, error);
            failed
        }
        Err(panic) => {
            cell.leave_with(Err(panic));
            failed
        }
    };
    cell.runner().set_away(false);
    back(cell);
    result
}

/// [`run`] of what could not be done quickly. Apart, so that what was done quickly saves no registers.
#[inline(never)]
fn run_apart(thread: Thread, body: impl FnOnce(&mut dyn VmHost) -> Result<(), Error>) {
    run(thread, (), body);
}

/// Looks for requests on the way back to machine code, which may not poll.
fn back(cell: &ContextCell) {
    if cell.is_requested() && cell.settings().by_signal {
        step::begin();
    }
}

/// Throws the exception that an error carries, or leaves with the error.
#[cold]
fn fail(cell: &ContextCell, host: &dyn VmHost, error: Error) {
    let Some(exn) = host.thrown(&error) else { return cell.leave_with(Ok(error)) };
    let caught = cell.find_handler(exn.tag());
    if caught.is_none() {
        cell.count_uncaught();
    }
    if let Some(throws) = cell.throws_to_tell() {
        host.threw(throws);
    }
    match caught {
        Some(caught) => cell.land(caught, exn),
        None => cell.leave_with(Ok(error)),
    }
}

/// Tells of exceptions that were thrown, when it is time to.
#[inline]
fn tell_of_throws(thread: Thread, cell: &ContextCell) {
    if let Some(throws) = cell.throws_to_tell() {
        run_apart(thread, |host| {
            host.threw(throws);
            Ok(())
        });
    }
}

/// The vmctx of a caller.
fn instance(vmctx: *mut Instance) -> InstanceRef {
    InstanceRef::from_ptr(vmctx).expect("code has a vmctx")
}

/// An index that code passes as 64 bits.
fn index(word: u64) -> u32 {
    unpack_indices(word).0
}

/// The low half of an argument of 32 bits.
fn low(word: u64) -> u32 {
    unpack_indices(word).0
}

pub(super) extern "C" fn host_function(thread: Thread, record: *const HostFunc, slots: *mut Slot) {
    // SAFETY: the record is the vmctx of a host function's `FuncRef`, whose holder keeps it alive.
    let func = unsafe { &*record };
    // SAFETY: the stub made for the function's type provides this many slots, for this call only.
    let slots = unsafe { std::slice::from_raw_parts_mut(slots, func.slots()) };
    run(thread, (), |host| func.call(host, slots));
}

extern "C" fn raise(thread: Thread) {
    // SAFETY: `thread` is as the module head says.
    let cell = unsafe { ContextCell::of(thread) };
    // SAFETY: as above.
    let code = unsafe { (*thread).trap_code };
    let trap = u8::try_from(code).ok().and_then(Trap::from_u8);
    cell.leave_with(Ok(Error::from(trap.expect("the signal handler wrote a trap"))));
}

extern "C" fn lazy_compile(thread: Thread, module: *const ModuleCode, func: u32) -> *const u8 {
    // SAFETY: the stub's arena belongs to the module, which the store keeps.
    let module = unsafe { &*module };
    run(thread, ptr::null(), |_| {
        let address = module.enter(DefinedFuncIndex(func))?;
        Ok(ptr::with_exposed_provenance(address))
    })
}

extern "C" fn memory_grow(thread: Thread, vmctx: *mut Instance, memory: u64, delta: u64) -> u64 {
    run(thread, u64::MAX, |host| {
        let old = host.memory_grow(instance(vmctx), MemoryIndex(index(memory)), delta)?;
        Ok(old.unwrap_or(u64::MAX))
    })
}

extern "C" fn memory_fill(
    thread: Thread,
    vmctx: *mut Instance,
    memory: u64,
    dst: u64,
    value: u64,
    len: u64,
) {
    let value = value.to_le_bytes()[0];
    if memory == 0
        && let Some(memory) = memory0(thread, vmctx)
        && memory.fill_small(dst, value, len)
    {
        return;
    }
    run_apart(thread, |host| {
        host.memory_fill(instance(vmctx), MemoryIndex(index(memory)), dst, value, len)
    });
}

/// The first memory, for an operator that is done without asking the store: it costs no fuel, and
/// nobody asked for the store.
fn memory0(thread: Thread, vmctx: *mut Instance) -> Option<MemoryPtr> {
    // SAFETY: `thread` is as the module head says.
    let cell = unsafe { ContextCell::of(thread) };
    if cell.settings().fuel || cell.is_requested() {
        return None;
    }
    // SAFETY: code passes its vmctx, and has an operator on the memory that it names.
    Some(MemoryPtr::from_ptr(unsafe { (*vmctx).memory0.def }))
}

/// Whether `memory.copy` was done without asking the store.
fn copy_quickly(thread: Thread, vmctx: *mut Instance, indices: u64, args: [u64; 3]) -> bool {
    let [dst, src, len] = args;
    let memory = if indices == 0 { memory0(thread, vmctx) } else { None };
    memory.is_some_and(|memory| memory.copy_small(dst, src, len))
}

/// Bulk operators between two places, which differ in what their two indices are; one of them has a
/// function that may have done it already.
macro_rules! bulk {
    ($($name:ident($first:ident, $second:ident) $(unless $quick:ident)?;)*) => {$(
        extern "C" fn $name(
            thread: Thread,
            vmctx: *mut Instance,
            indices: u64,
            dst: u64,
            src: u64,
            len: u64,
        ) {
            $(if $quick(thread, vmctx, indices, [dst, src, len]) {
                return;
            })?
            run_apart(thread, |host| {
                let (first, second) = unpack_indices(indices);
                let indices = ($first(first), $second(second));
                host.$name(instance(vmctx), indices, dst, src, len)
            });
        }
    )*};
}

bulk! {
    memory_copy(MemoryIndex, MemoryIndex) unless copy_quickly;
    memory_init(MemoryIndex, DataIndex);
    table_copy(TableIndex, TableIndex);
    table_init(TableIndex, ElemIndex);
}

extern "C" fn data_drop(thread: Thread, vmctx: *mut Instance, data: u64) {
    run(thread, (), |host| {
        host.data_drop(instance(vmctx), DataIndex(index(data)));
        Ok(())
    });
}

extern "C" fn table_grow(
    thread: Thread,
    vmctx: *mut Instance,
    table: u64,
    init: u64,
    delta: u64,
) -> u64 {
    run(thread, u64::MAX, |host| {
        let old = host.table_grow(instance(vmctx), TableIndex(index(table)), init, delta)?;
        Ok(old.unwrap_or(u64::MAX))
    })
}

extern "C" fn table_fill(
    thread: Thread,
    vmctx: *mut Instance,
    table: u64,
    dst: u64,
    value: u64,
    len: u64,
) {
    run(thread, (), |host| {
        host.table_fill(instance(vmctx), TableIndex(index(table)), dst, value, len)
    });
}

extern "C" fn elem_drop(thread: Thread, vmctx: *mut Instance, elem: u64) {
    run(thread, (), |host| {
        host.elem_drop(instance(vmctx), ElemIndex(index(elem)));
        Ok(())
    });
}

extern "C" fn memory_atomic_notify(
    thread: Thread,
    vmctx: *mut Instance,
    memory: u64,
    address: u64,
    count: u64,
) -> u64 {
    run(thread, 0, |host| {
        let memory = MemoryIndex(index(memory));
        Ok(host.memory_atomic_notify(instance(vmctx), memory, address, low(count))?.into())
    })
}

extern "C" fn memory_atomic_wait32(
    thread: Thread,
    vmctx: *mut Instance,
    memory: u64,
    address: u64,
    expected: u64,
    timeout: i64,
) -> u64 {
    run(thread, 0, |host| {
        let memory = MemoryIndex(index(memory));
        let (instance, expected) = (instance(vmctx), low(expected));
        Ok(host.memory_atomic_wait32(instance, memory, address, expected, timeout)?.into())
    })
}

extern "C" fn memory_atomic_wait64(
    thread: Thread,
    vmctx: *mut Instance,
    memory: u64,
    address: u64,
    expected: u64,
    timeout: i64,
) -> u64 {
    run(thread, 0, |host| {
        let memory = MemoryIndex(index(memory));
        let instance = instance(vmctx);
        Ok(host.memory_atomic_wait64(instance, memory, address, expected, timeout)?.into())
    })
}

extern "C" fn throw(thread: Thread, _vmctx: *mut Instance) {
    // SAFETY: `thread` is as the module head says.
    let cell = unsafe { ContextCell::of(thread) };
    let exn = cell.built_exception().expect("a module with tags has a buffer");
    match cell.find_handler(exn.tag()) {
        Some(caught) if !caught.by_ref => {
            cell.land(caught, exn);
            back(cell);
        }
        caught => run(thread, (), |host| {
            let exn = host.copy_exception()?;
            match caught {
                Some(caught) => cell.land(caught, exn),
                None => return Err(host.uncaught(exn)),
            }
            Ok(())
        }),
    }
    tell_of_throws(thread, cell);
}

extern "C" fn throw_ref(thread: Thread, _vmctx: *mut Instance, exn: u64) {
    // SAFETY: `thread` is as the module head says.
    let cell = unsafe { ContextCell::of(thread) };
    let exn = ExnPtr::from_bits(exn);
    match exn.and_then(|exn| Some((cell.find_handler(exn.tag())?, exn))) {
        Some((caught, exn)) => {
            cell.land(caught, exn);
            back(cell);
        }
        None => run(thread, (), |host| match exn {
            Some(exn) => Err(host.uncaught(exn)),
            None => Err(Trap::NullReference.into()),
        }),
    }
    tell_of_throws(thread, cell);
}

extern "C" fn exn_new(thread: Thread, _vmctx: *mut Instance) -> u64 {
    run(thread, 0, |host| Ok(host.copy_exception()?.bits()))
}

extern "C" fn zeal_throw(thread: Thread, _vmctx: *mut Instance) {
    // SAFETY: `thread` is as the module head says.
    let cell = unsafe { ContextCell::of(thread) };
    run(thread, (), |host| {
        if host.zeal_throws()
            && let Some(caught) = cell.find_handler(TagPtr(0))
        {
            // The handler catches all and does not look at the exception.
            cell.set_landing(caught.landing(0));
        }
        Ok(())
    });
}

extern "C" fn gc_refill(thread: Thread, registers: *mut SavedRegisters) {
    run(thread, (), |host| {
        let bytes = host.context().alloc_request();
        host.gc_refill(bytes, Registers::new(registers))
    });
}

extern "C" fn func_heap_index(thread: Thread, _registers: *mut SavedRegisters) {
    run(thread, (), |host| {
        let func = FuncPtr::from_bits(host.context().passed_value()[0]);
        let position = host.func_heap_index(func.expect("a function"))?;
        host.context().pass_value([position.into(), 0]);
        Ok(())
    });
}

extern "C" fn array_alloc(thread: Thread, vmctx: *mut Instance, ty: u64, length: u64) -> u64 {
    run(thread, 0, |host| {
        let array = host.array_alloc(instance(vmctx), TypeIndex(index(ty)), low(length))?;
        Ok(array.into())
    })
}

extern "C" fn array_new_data(
    thread: Thread,
    vmctx: *mut Instance,
    ty_data: u64,
    offset: u64,
    length: u64,
) -> u64 {
    let (ty, data) = unpack_indices(ty_data);
    let (ty, range) = (TypeIndex(ty), (low(offset), low(length)));
    run(thread, 0, |host| {
        Ok(host.array_new_data(instance(vmctx), ty, DataIndex(data), range)?.into())
    })
}

extern "C" fn array_new_elem(
    thread: Thread,
    vmctx: *mut Instance,
    ty_elem: u64,
    offset: u64,
    length: u64,
) -> u64 {
    let (ty, elem) = unpack_indices(ty_elem);
    let (ty, range) = (TypeIndex(ty), (low(offset), low(length)));
    run(thread, 0, |host| {
        Ok(host.array_new_elem(instance(vmctx), ty, ElemIndex(elem), range)?.into())
    })
}

extern "C" fn array_fill(
    thread: Thread,
    _vmctx: *mut Instance,
    array: u64,
    index: u64,
    length: u64,
) {
    run(thread, (), |host| host.array_fill(array, low(index), low(length)));
}

extern "C" fn array_copy(
    thread: Thread,
    _vmctx: *mut Instance,
    dst: u64,
    src: u64,
    indices: u64,
    length: u64,
) {
    run(thread, (), |host| host.array_copy((dst, src), unpack_indices(indices), low(length)));
}

extern "C" fn array_init_data(
    thread: Thread,
    vmctx: *mut Instance,
    array: u64,
    data: u64,
    indices: u64,
    length: u64,
) {
    let (data, indices) = (DataIndex(index(data)), unpack_indices(indices));
    run(thread, (), |host| {
        host.array_init_data((instance(vmctx), data), array, indices, low(length))
    });
}

extern "C" fn array_init_elem(
    thread: Thread,
    vmctx: *mut Instance,
    array: u64,
    elem: u64,
    indices: u64,
    length: u64,
) {
    let (elem, indices) = (ElemIndex(index(elem)), unpack_indices(indices));
    run(thread, (), |host| {
        host.array_init_elem((instance(vmctx), elem), array, indices, low(length))
    });
}

/// Its stub does everything, as those of the next two.
extern "C" fn note_call_target() {}

extern "C" fn refill_budget() {}

extern "C" fn charge_budget() {}

extern "C" fn stack_check(thread: Thread, _registers: *mut SavedRegisters) {
    // SAFETY: `thread` is as the module head says.
    let found = unsafe { ContextCell::of(thread) }.poll();
    run_poll(thread, |host| {
        if let Poll::Requested(bits) = found {
            host.interrupted(bits)?;
        }
        // The code goes on behind its check, so a request must not hide that the stack is used up.
        // SAFETY: as above.
        if found == Poll::Nothing || unsafe { is_stack_used_up(thread) } {
            return Err(Trap::StackOverflow.into());
        }
        Ok(())
    });
}

/// Whether the function that called `stack_check` has no room for its frame.
///
/// # Safety
/// `thread` is as the module head says.
unsafe fn is_stack_used_up(thread: Thread) -> bool {
    // SAFETY: the caller vouches for `thread`.
    let context = unsafe { &*thread };
    let pc = usize::try_from(context.exit_pc).expect("addresses have 64 bits");
    let frame = super::code_map::with_module(pc, |module| {
        module.function_at(pc).map_or(0, |function| function.tables.frame_bytes)
    });
    // Small frames fit the headroom below the limit, and their functions compare rsp itself.
    let frame = frame.filter(|&bytes| bytes > STACK_HEADROOM_BYTES / 2).unwrap_or(0);
    // The small frame that stands now begins one word below the function's stack pointer.
    let entry_sp = context.exit_fp + 8;
    entry_sp.saturating_sub(u64::from(frame)) < context.true_stack_limit.load(Ordering::SeqCst)
}

extern "C" fn loop_poll(thread: Thread, _registers: *mut SavedRegisters) {
    // SAFETY: `thread` is as the module head says, and its frames are this thread's.
    unsafe { step::correct_exit(thread) };
    // SAFETY: `thread` is as the module head says.
    match unsafe { ContextCell::of(thread) }.poll() {
        Poll::Nothing | Poll::Stale => {}
        Poll::Requested(bits) => run_poll(thread, |host| host.interrupted(bits)),
    }
}

extern "C" fn out_of_fuel(thread: Thread, _registers: *mut SavedRegisters) {
    run(thread, (), |host| host.out_of_fuel());
}
