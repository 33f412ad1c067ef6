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

/// Most frames that a walk yields; more than any stack holds that is not absurdly large.
const MAX_FRAMES: usize = 1 << 20;

/// One activation: where it left machine code, and the frame it was entered from.
#[derive(Clone, Copy)]
struct Activation {
    exit_fp: u64,
    exit_pc: u64,
    entry_fp: u64,
    outer: *const ActivationLink,
}

/// The wasm frames of all activations, innermost first.
///
/// # Safety
/// `thread` is a context whose store this thread has; its exit and activation fields describe the
/// stack of this thread as machine code left it.
pub(super) unsafe fn walk(thread: *const ThreadContext) -> Vec<Frame> {
    let mut frames = Vec::new();
    // SAFETY: the caller vouches for `thread`.
    let thread = unsafe { &*thread };
    let mut activation = Activation {
        exit_fp: thread.exit_fp,
        exit_pc: thread.exit_pc,
        entry_fp: thread.entry_fp,
        outer: thread.outer,
    };
    let mut is_exact = thread.trap_code != 0;
    while !activation.outer.is_null() && frames.len() < MAX_FRAMES {
        // SAFETY: the activation's frames are on this thread's stack.
        unsafe { walk_activation(activation, is_exact, &mut frames) };
        is_exact = false;
        // SAFETY: the link lies in the frame of a trampoline that has not returned.
        let link = unsafe { activation.outer.read() };
        activation = Activation {
            exit_fp: link.exit_fp,
            exit_pc: link.exit_pc,
            entry_fp: link.entry_fp,
            outer: std::ptr::with_exposed_provenance(address(link.outer)),
        };
    }
    frames
}

/// The frames of one activation.
///
/// # Safety
/// As for [`walk`].
unsafe fn walk_activation(activation: Activation, mut is_exact: bool, frames: &mut Vec<Frame>) {
    let (mut fp, mut pc) = (address(activation.exit_fp), address(activation.exit_pc));
    let entry_fp = address(activation.entry_fp);
    while fp != 0 && fp < entry_fp && fp.is_multiple_of(8) && frames.len() < MAX_FRAMES {
        frames.push(Frame { pc, is_exact, fp });
        is_exact = false;
        let frame = std::ptr::with_exposed_provenance::<[usize; 2]>(fp);
        // SAFETY: `fp` is aligned and lies between the exit and the entry frame of this stack;
        // the saved frame pointer and the return address are the two words at it.
        let [next, return_address] = unsafe { frame.read() };
        if next <= fp {
            break;
        }
        (fp, pc) = (next, return_address);
    }
}

fn address(word: u64) -> usize {
    usize::try_from(word).expect("addresses have 64 bits")
}
