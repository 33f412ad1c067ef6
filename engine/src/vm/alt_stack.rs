//! The alternate signal stack of each thread that runs machine code.
//!
//! A fault on a used-up stack can only be handled on another stack. Threads of Rust's standard
//! library have one; others get one of ours at their first entry, freed when the thread ends.

use super::pages::{Reservation, page_bytes};
use std::cell::{Cell, RefCell};
use std::ptr;

/// Bytes of a signal stack that we install.
const ALT_STACK_BYTES: usize = 64 << 10;
/// An existing signal stack at least this large is respected.
const ENOUGH_BYTES: usize = 8 << 10;

thread_local! {
    /// Whether this thread was looked at.
    static CHECKED: Cell<bool> = const { Cell::new(false) };
    /// The stack that we installed.
    static INSTALLED: RefCell<Option<AltStack>> = const { RefCell::new(None) };
}

/// Makes sure that this thread has an alternate signal stack.
#[inline]
pub(super) fn ensure() {
    CHECKED.with(|checked| {
        if !checked.replace(true) {
            install();
        }
    });
}

#[cold]
fn install() {
    // SAFETY: all-zero bytes are a valid `stack_t` to be filled in.
    let mut old: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: asks for the current stack of this thread.
    unsafe { libc::sigaltstack(ptr::null(), &raw mut old) };
    if old.ss_flags & libc::SS_DISABLE == 0 && old.ss_size >= ENOUGH_BYTES {
        return;
    }
    let guard = page_bytes();
    // Without a signal stack faults on a used-up stack kill the process, as they did before;
    // everything else works.
    let Ok(pages) = Reservation::new(guard + ALT_STACK_BYTES) else { return };
    if pages.commit(guard..guard + ALT_STACK_BYTES).is_err() {
        return;
    }
    let new = libc::stack_t {
        ss_sp: pages.base().as_ptr().wrapping_add(guard).cast(),
        ss_flags: 0,
        ss_size: ALT_STACK_BYTES,
    };
    // SAFETY: the memory is committed, used for nothing else and lives until `AltStack` is dropped.
    if unsafe { libc::sigaltstack(&raw const new, ptr::null_mut()) } == 0 {
        INSTALLED.with(|installed| *installed.borrow_mut() = Some(AltStack { _pages: pages, old }));
    }
}

/// A signal stack in use by this thread.
struct AltStack {
    _pages: Reservation,
    old: libc::stack_t,
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // SAFETY: restores what the thread had before; the thread is ending and runs no machine
        // code any more, so nobody stands on our stack.
        unsafe { libc::sigaltstack(&raw const self.old, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current() -> libc::stack_t {
        // SAFETY: all-zero bytes are a valid `stack_t`.
        let mut stack: libc::stack_t = unsafe { std::mem::zeroed() };
        // SAFETY: asks only.
        unsafe { libc::sigaltstack(ptr::null(), &raw mut stack) };
        stack
    }

    #[test]
    fn threads_get_a_signal_stack_of_their_own() {
        let stacks: Vec<usize> = (0..2)
            .map(|_| {
                std::thread::spawn(|| {
                    let none = libc::stack_t {
                        ss_sp: ptr::null_mut(),
                        ss_flags: libc::SS_DISABLE,
                        ss_size: 0,
                    };
                    // SAFETY: takes the stack of the standard library away from this thread.
                    unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
                    ensure();
                    let stack = current();
                    assert_eq!(stack.ss_flags & libc::SS_DISABLE, 0);
                    assert_eq!(stack.ss_size, ALT_STACK_BYTES);
                    stack.ss_sp.addr()
                })
                .join()
                .unwrap()
            })
            .collect();
        assert_eq!(stacks.len(), 2);
    }

    #[test]
    fn an_existing_signal_stack_is_respected() {
        std::thread::spawn(|| {
            let before = current();
            ensure();
            assert_eq!(before.ss_sp, current().ss_sp);
        })
        .join()
        .unwrap();
    }
}
