//! Interruption of code that does not poll.
//!
//! Loops have no instruction for interruption. The tables of their functions name the places where
//! one may be taken ([`upshift_abi::code::CompiledFunction::polls`]), at least one in each turn of a
//! loop, and a thread is brought to the next of them by the processor's trap flag:
//!
//! 1. Who wants something poisons the limit and sends [`KICK`] to the thread, at once and again each
//!    millisecond until the request is taken ([`super::kicker`]).
//! 2. When the signal finds the thread in machine code of a context with a request, the trap flag is
//!    set. A runtime or host function that returns while there is one sets it, too ([`begin`]); while
//!    it runs, the flag is off ([`end`]).
//! 3. After each instruction, SIGTRAP arrives. At a place for polls, the thread is made to call
//!    `loop_poll` as if the code had that call; the stub keeps all registers. Functions that are
//!    entered on the way compare the limit and call by themselves.
//! 4. The steps end when the request is taken, or when the thread has been outside of machine code
//!    for [`AWAY_STEPS`] instructions; the next signal tries again.

use super::code_map;
use super::context::ContextCell;
use super::shims::Thread;
use super::signals::reg;
use std::cell::Cell;
use std::ptr;
use upshift_abi::builtin::Builtin;
use upshift_abi::layout::ThreadContext;

/// The signal that asks a thread to go step by step. Nothing happens when it is sent in vain.
pub(super) const KICK: libc::c_int = libc::SIGURG;
/// The flag that has the processor trap after each instruction.
const TRAP_FLAG: libc::greg_t = 1 << 8;
/// Instructions that a thread goes on with outside of machine code before it runs freely again: the
/// way back from a runtime function, and small ones as a whole.
const AWAY_STEPS: u32 = 5000;
/// In place of a number of steps: the next trap is the last.
const LAST: u32 = u32::MAX;

thread_local! {
    /// Steps that are left outside of machine code; 0 when this thread does not go step by step.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// Goes step by step from here.
#[cold]
pub(super) fn begin() {
    // A blocked trap would end the process.
    unblock();
    LEFT.set(AWAY_STEPS);
    // SAFETY: changes nothing but the flag, which the handler of SIGTRAP, installed before any code
    // runs, takes back.
    unsafe {
        std::arch::asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq");
    }
}

/// Ends the steps: the next trap, right behind this, is the last.
#[inline]
pub(super) fn end() {
    if LEFT.get() != 0 {
        LEFT.set(LAST);
    }
}

/// Lets the signals through in this thread.
#[cold]
pub(super) fn unblock() {
    // SAFETY: all-zero bytes are a set to be filled in.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is a local variable.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in [KICK, libc::SIGTRAP] {
        // SAFETY: as above; the signals exist.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: the set is valid, and the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
}

/// What [`KICK`] does; whether it was meant for us.
pub(super) fn kicked(interrupted: &mut libc::ucontext_t) -> bool {
    if polls_at(interrupted).is_none() || !is_requested(interrupted) {
        return false;
    }
    // Also at a place for polls the next one is taken, so that each poll is followed by an instruction.
    LEFT.set(AWAY_STEPS);
    interrupted.uc_mcontext.gregs[reg(libc::REG_EFL)] |= TRAP_FLAG;
    // A blocked trap would end the process.
    // SAFETY: the set is part of the interrupted context.
    unsafe { libc::sigdelset(&raw mut interrupted.uc_sigmask, libc::SIGTRAP) };
    true
}

/// What a trap does; whether it was that of a step.
pub(super) fn trapped(interrupted: &mut libc::ucontext_t, info: &libc::siginfo_t) -> bool {
    let left = LEFT.get();
    if left == 0 || info.si_code != libc::TRAP_TRACE {
        return false;
    }
    let left = match polls_at(interrupted) {
        _ if left == LAST => 0,
        None => left - 1,
        // Code of another store, or the request was taken.
        Some(_) if !is_requested(interrupted) => 0,
        Some(true) if left == AWAY_STEPS => {
            // SAFETY: at such a place the builtin may be called.
            unsafe { call_poll(interrupted) };
            0
        }
        // A place right behind a call may be where the thread was made to make it: every poll is
        // followed by an instruction, so that endless requests do not stop the program.
        Some(_) => AWAY_STEPS,
    };
    LEFT.set(left);
    if left == 0 {
        interrupted.uc_mcontext.gregs[reg(libc::REG_EFL)] &= !TRAP_FLAG;
    }
    true
}

/// Whether somebody asked for the store whose code was interrupted.
fn is_requested(interrupted: &libc::ucontext_t) -> bool {
    // SAFETY: the thread was interrupted in code of a function, where `r15` is its context.
    unsafe { ContextCell::of(thread(interrupted)) }.is_requested()
}

/// When machine code was left by a call that stands nowhere in it, has the exit be behind the place
/// by a byte: so what looks for the call in front of its return address finds the place, and what
/// looks for the handlers of a call finds none.
///
/// # Safety
/// `thread` is the `r15` of the machine code that called the runtime.
pub(super) unsafe fn correct_exit(thread: Thread) {
    // SAFETY: the caller vouches for `thread`.
    let pc = unsafe { (*thread).exit_pc };
    if usize::try_from(pc).is_ok_and(|pc| code_map::polls_at(pc) == Some(true)) {
        // SAFETY: as above.
        unsafe { (*thread).exit_pc = pc + 1 };
    }
}

fn polls_at(interrupted: &libc::ucontext_t) -> Option<bool> {
    code_map::polls_at(usize::try_from(word(interrupted, libc::REG_RIP)).ok()?)
}

fn thread(interrupted: &libc::ucontext_t) -> *mut ThreadContext {
    let address = usize::try_from(word(interrupted, libc::REG_R15)).unwrap_or(0);
    ptr::with_exposed_provenance_mut(address)
}

fn word(interrupted: &libc::ucontext_t, register: libc::c_int) -> u64 {
    interrupted.uc_mcontext.gregs[reg(register)].cast_unsigned()
}

/// Has the interrupted thread call `loop_poll` and come back to where it is.
///
/// # Safety
/// The thread is at a place for polls.
unsafe fn call_poll(interrupted: &mut libc::ucontext_t) {
    let thread = thread(interrupted);
    // SAFETY: `r15` is the thread context at such a place.
    let stub = unsafe { (*thread).builtins[Builtin::loop_poll as usize] };
    let pc = word(interrupted, libc::REG_RIP);
    let sp = word(interrupted, libc::REG_RSP) - 8;
    let place = ptr::with_exposed_provenance_mut(usize::try_from(sp).unwrap_or(0));
    // SAFETY: the code keeps nothing below the stack pointer, and the function's entry made sure
    // that there is room for calls.
    unsafe { ptr::write::<u64>(place, pc) };
    let registers = &mut interrupted.uc_mcontext.gregs;
    registers[reg(libc::REG_RSP)] = sp.cast_signed();
    registers[reg(libc::REG_RIP)] = (stub.expose_provenance() as u64).cast_signed();
}
