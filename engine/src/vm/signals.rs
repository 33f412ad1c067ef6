//! Hardware faults of machine code as traps.
//!
//! The handlers are installed once per process for SIGSEGV, SIGBUS, SIGILL and SIGFPE, and with them
//! those of [`super::step`]. A fault is
//! a wasm trap when its pc has an entry in the trap map of the function it lies in; then the
//! handler notes frame, pc and trap in the thread context (`r15`) and returns to the trap stub,
//! which calls [`super::shims`]. Every other fault goes to the handler that was there before.
//!
//! The handler looks tables up without locks or allocation, so it may run at any point.

use super::{code_map, step};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use upshift_abi::layout::ThreadContext;
use upshift_abi::trap::Trap;

/// The signals that machine code raises.
const FAULTS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
/// The signals with handlers: these, and those of [`step`].
const SIGNALS: [c_int; 6] = [FAULTS[0], FAULTS[1], FAULTS[2], FAULTS[3], step::KICK, libc::SIGTRAP];

/// Bytes below the stack pointer that interrupted code may use.
const RED_ZONE_BYTES: i64 = 128;

/// Where a trapping thread goes on.
static TRAP_STUB: AtomicUsize = AtomicUsize::new(0);

/// What was installed before us, by position in [`SIGNALS`]; written once, never freed.
static PREVIOUS: [AtomicPtr<libc::sigaction>; SIGNALS.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS.len()];

/// Installs the handlers; `trap_stub` is the address of the stub that trapping threads go to.
pub(crate) fn install(trap_stub: usize) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        TRAP_STUB.store(trap_stub, Ordering::SeqCst);
        for (signal, previous) in SIGNALS.iter().zip(&PREVIOUS) {
            install_one(*signal, previous);
        }
    });
}

/// Installs the handlers when no engine did yet.
#[inline]
pub(super) fn ensure_installed() {
    if TRAP_STUB.load(Ordering::Relaxed) == 0 {
        crate::code::common::initialize().expect("an engine was made before code runs");
    }
}

fn install_one(signal: c_int, previous: &AtomicPtr<libc::sigaction>) {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks for the current action only.
    let failed = unsafe { libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) };
    assert_eq!(failed, 0, "the signals exist");
    // SAFETY: filled by the successful call.
    let old = unsafe { old.assume_init() };
    previous.store(Box::into_raw(Box::new(old)), Ordering::SeqCst);
    // SAFETY: all-zero bytes are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handle as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the set is part of the local structure.
    unsafe { libc::sigemptyset(&raw mut action.sa_mask) };
    if !FAULTS.contains(&signal) {
        // It may arrive in a system call of the host.
        action.sa_flags |= libc::SA_RESTART;
        // Signal stacks are small, and no handler should run within another one.
        // SAFETY: as above.
        unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    }
    // SAFETY: `handle` is async-signal-safe and passes on what is not ours.
    let failed = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0, "the signals can be handled");
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid, exclusive `ucontext_t` to an SA_SIGINFO handler.
    let interrupted = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let is_ours = match signal {
        // SAFETY: the kernel passes a valid `siginfo_t`.
        libc::SIGTRAP => step::trapped(interrupted, unsafe { &*info }),
        step::KICK => step::kicked(interrupted),
        // SAFETY: as above.
        _ => faulted(interrupted, unsafe { &*info }),
    };
    if !is_ours {
        // SAFETY: these are the arguments of the kernel.
        unsafe { pass_on(signal, info, context) };
    }
}

/// Has the thread trap if machine code faulted.
fn faulted(interrupted: &mut libc::ucontext_t, info: &libc::siginfo_t) -> bool {
    let registers = &mut interrupted.uc_mcontext.gregs;
    let pc = usize::try_from(registers[reg(libc::REG_RIP)].cast_unsigned()).unwrap_or(0);
    let Some(trap) = code_map::trap_at(pc) else { return false };
    // SAFETY: the union holds an address for all four signals.
    let address = unsafe { info.si_addr() }.addr();
    // SAFETY: the pc lies in machine code at an instruction that may trap, where `r15` is the
    // thread context and `rbp` the frame.
    unsafe { redirect(registers, trap, address) };
    true
}

/// Makes the interrupted thread go on in the trap stub.
///
/// # Safety
/// `registers` are those of a thread at a trapping instruction of machine code.
unsafe fn redirect(registers: &mut [libc::greg_t; 23], trap: Trap, fault_address: usize) {
    let word = |register: c_int| registers[reg(register)].cast_unsigned();
    let thread = usize::try_from(word(libc::REG_R15)).unwrap_or(0);
    let thread = ptr::with_exposed_provenance_mut::<ThreadContext>(thread);
    let (fp, pc) = (word(libc::REG_RBP), word(libc::REG_RIP));
    // SAFETY: `r15` is the thread context in all machine code, and this thread has its store.
    unsafe { (*thread).exit_fp = fp };
    // SAFETY: as above.
    unsafe { (*thread).exit_pc = pc };
    // SAFETY: as above.
    unsafe { (*thread).trap_code = trap as u32 };
    // SAFETY: as above.
    unsafe { (*thread).fault_address = fault_address as u64 };
    let stub = TRAP_STUB.load(Ordering::Relaxed) as u64;
    registers[reg(libc::REG_RIP)] = stub.cast_signed();
    registers[reg(libc::REG_RSP)] = (registers[reg(libc::REG_RSP)] - RED_ZONE_BYTES) & !15;
}

/// Position of a register among those of an interrupted thread.
pub(super) fn reg(register: c_int) -> usize {
    register.unsigned_abs() as usize
}

/// Does what would have happened without us.
///
/// # Safety
/// The arguments are those of a signal handler.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let position = SIGNALS.iter().position(|&s| s == signal).unwrap_or(0);
    let previous = PREVIOUS[position].load(Ordering::SeqCst);
    // SAFETY: stored before the handler was installed, never freed.
    let previous = unsafe { &*previous };
    let handler = previous.sa_sigaction;
    // SAFETY: valid as the caller vouches.
    let sent_by_process = unsafe { (*info).si_code } <= 0;
    match handler {
        libc::SIG_IGN if sent_by_process => {}
        libc::SIG_DFL | libc::SIG_IGN if signal == step::KICK => {}
        libc::SIG_DFL | libc::SIG_IGN => reset_to_default(signal, sent_by_process),
        _ if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            type Action = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: the flag says that the address is a function of this type.
            let action = unsafe { std::mem::transmute::<usize, Action>(handler) };
            action(signal, info, context);
        }
        _ => {
            // SAFETY: without the flag the address is a function of this type.
            let action = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
            action(signal);
        }
    }
}

/// Restores the default action. A fault happens again when the handler returns; a signal that some
/// process sent is raised again, and arrives when this handler's mask is lifted.
fn reset_to_default(signal: c_int, sent_by_process: bool) {
    // SAFETY: all-zero bytes are a valid `sigaction`, with the default action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = libc::SIG_DFL;
    // SAFETY: the default action is always allowed.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if sent_by_process {
        // SAFETY: sends a signal to this thread.
        unsafe { libc::raise(signal) };
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    extern "C" fn simple(signal: c_int) {
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(if signal == libc::SIGSEGV { 41 } else { 1 }) };
    }

    extern "C" fn siginfo(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        // SAFETY: the argument of a signal handler.
        let info = unsafe { &*info };
        // SAFETY: the signal is a fault, so there is an address.
        let address = unsafe { info.si_addr() }.addr();
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(if address == 16 { 42 } else { 1 }) };
    }

    fn set(signal: c_int, handler: usize, flags: c_int) {
        // SAFETY: all-zero bytes are a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        // SAFETY: the handlers of this test are valid for their flags.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }

    fn fault() {
        let place = ptr::without_provenance::<u8>(16);
        // SAFETY: none; this is the fault that the test is about, in a process of its own.
        unsafe { place.read_volatile() };
    }

    fn send(signal: c_int) {
        let this = i32::try_from(std::process::id()).unwrap();
        // SAFETY: sends a signal to this very process.
        unsafe { libc::kill(this, signal) };
    }

    /// One case of a test that runs in a process of its own.
    pub(crate) fn signal_case(case: &str, initialize: impl FnOnce()) {
        match case {
            "simple" => {
                set(libc::SIGSEGV, simple as *const () as usize, 0);
                initialize();
                fault();
            }
            "siginfo" => {
                set(libc::SIGSEGV, siginfo as *const () as usize, libc::SA_SIGINFO);
                initialize();
                fault();
            }
            "default" => {
                set(libc::SIGSEGV, libc::SIG_DFL, 0);
                initialize();
                fault();
            }
            "ignored" => {
                set(libc::SIGILL, libc::SIG_IGN, 0);
                initialize();
                send(libc::SIGILL);
                // SAFETY: ends the process.
                unsafe { libc::_exit(43) };
            }
            _ => {
                set(libc::SIGFPE, libc::SIG_DFL, 0);
                initialize();
                send(libc::SIGFPE);
            }
        }
    }
}
