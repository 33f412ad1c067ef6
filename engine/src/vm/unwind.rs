//! Walking the wasm frames of a store.
//!
//! Every frame of machine code is `push rbp; mov rbp, rsp`, stubs included, so from the frame that
//! left machine code (`exit_fp`, `exit_pc`) a chain of frame pointers leads to the frame of the
//! entry trampoline (`entry_fp`). The trampoline's `ActivationLink` has the same fields of the
//! activation outside of it.
//!
//! ```text
//! exit_fp ─► wasm frame ─► wasm frame ─► trampoline (= entry_fp)    thread.outer ─┐
//!                                                                                 ▼
//! link.exit_fp ─► wasm frame ─► … ─► trampoline (= link.entry_fp)      ActivationLink ─► …
//! ```

use std::marker::PhantomData;
use upshift_abi::layout::{ActivationLink, ThreadContext};

/// A wasm frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// A place in the frame's code.
    pub(crate) pc: usize,
    /// Whether `pc` is the instruction that faulted; else it is a return address, and the call is
    /// what lies before it.
    pub(crate) is_exact: bool,
    /// Its frame pointer.
    pub(super) fp: usize,
}

/// Most frames that are kept for a backtrace.
const MAX_KEPT_FRAMES: usize = 1 << 20;

/// The wasm frames of all activations, innermost first: all of them, as each may hold references. Takes no
/// memory, however deep the stack is.
///
/// It borrows the context whose store's frames it reads, so it does not outlive the borrow of the store in
/// which they stay as they are: who has machine code run or return needs the store.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    /// The next frame of the activation that is looked through.
    next: Frame,
    entry_fp: usize,
    outer: *const ActivationLink,
    context: PhantomData<&'a ThreadContext>,
}

/// Begins to walk.
///
/// # Safety
/// `thread` is a context whose store this thread has; its exit and activation fields describe the
/// stack of this thread as machine code left it, and do so during `'a`.
pub(super) unsafe fn walk<'a>(thread: *const ThreadContext) -> Walk<'a> {
    // SAFETY: the caller vouches for `thread`.
    let thread = unsafe { &*thread };
    let (pc, fp) = (address(thread.exit_pc), address(thread.exit_fp));
    let next = Frame { pc, is_exact: thread.trap_code != 0, fp };
    Walk { next, entry_fp: address(thread.entry_fp), outer: thread.outer, context: PhantomData }
}

impl Iterator for Walk<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        while !self.outer.is_null() {
            let Frame { fp, .. } = self.next;
            if fp == 0 || fp >= self.entry_fp || !fp.is_multiple_of(8) {
                self.go_out();
                continue;
            }
            let place = std::ptr::with_exposed_provenance::<[usize; 2]>(fp);
            // SAFETY: `fp` is aligned and lies between the exit and the entry frame of this stack;
            // the saved frame pointer and the return address are the two words at it.
            let [caller, pc] = unsafe { place.read() };
            // Callers' frames lie higher.
            let fp = if caller > fp { caller } else { 0 };
            return Some(std::mem::replace(&mut self.next, Frame { pc, is_exact: false, fp }));
        }
        None
    }
}

impl Walk<'_> {
    /// The frames that a backtrace has.
    pub(crate) fn kept(self) -> Vec<Frame> {
        self.take(MAX_KEPT_FRAMES).collect()
    }

    /// Goes on to the activation outside.
    fn go_out(&mut self) {
        // SAFETY: the link lies in the frame of a trampoline that has not returned.
        let link = unsafe { self.outer.read() };
        let (pc, fp) = (address(link.exit_pc), address(link.exit_fp));
        self.next = Frame { pc, is_exact: false, fp };
        self.entry_fp = address(link.entry_fp);
        self.outer = std::ptr::with_exposed_provenance(address(link.outer));
    }
}

fn address(word: u64) -> usize {
    usize::try_from(word).expect("addresses have 64 bits")
}
