//! The frame: slots of locals and operands below the frame pointer.
//!
//! ```text
//! [rbp + 16 ..]  stack arguments of the caller
//! [rbp +  8]     return address
//! [rbp]          caller's frame pointer
//! [rbp -  8]     vmctx
//! [rbp - 16]     saved rbx      (only stored when the function uses it)
//! [rbp - 24]     saved r12
//! [rbp - 32]     saved r13
//! [rbp - 40]     saved r14
//! [rbp - 48]     address of the return area, or unused
//! ...            locals, each 8 bytes (16 for v128), in order
//! ...            operand slots by stack position
//! [rsp ..]       stack arguments of calls
//! ```
//!
//! A slot is named by its distance below the frame pointer: slot 24 is the 8 bytes at `[rbp - 24]`.

use crate::masm::Addr;
use crate::value::{Reg, Ty};
use upshift_abi::code::OsrMap;

/// Slot of the vmctx.
pub(crate) const VMCTX_SLOT: u32 = OsrMap::VMCTX_SLOT;
/// Slots of the callee-saved registers, in the order of [`upshift_abi::conv::CALLEE_SAVED`].
pub(crate) const SAVED_SLOTS: [u32; 4] = [16, 24, 32, 40];
/// Slot of the return area's address.
pub(crate) const RETURN_AREA_SLOT: u32 = 48;
/// Where slots of locals begin.
const FIXED_BYTES: u32 = 48;

/// Largest frame a function may have.
pub(crate) const MAX_FRAME_BYTES: u64 = 1 << 24;

/// A local.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    /// Its class.
    pub(crate) ty: Ty,
    /// The register that caches it.
    pub(crate) reg: Option<Reg>,
    /// Its frame slot.
    pub(crate) slot: u32,
    /// Operands that stand for its present value.
    pub(crate) latent: u32,
}

/// Slots of one function.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// All locals, parameters first.
    pub(crate) locals: Vec<Local>,
    /// Slots of reference locals, for stack maps.
    pub(crate) ref_slots: Vec<u32>,
    /// End of the locals' slots: where operand slots begin.
    locals_end: u32,
    /// Furthest slot in use.
    deepest: u32,
    /// Bytes of stack arguments of the call that needs most.
    outgoing: u32,
}

impl Frame {
    /// Forgets the previous function.
    pub(crate) fn clear(&mut self) {
        self.locals.clear();
        self.ref_slots.clear();
        self.locals_end = FIXED_BYTES;
        self.deepest = FIXED_BYTES;
        self.outgoing = 0;
    }

    /// Adds a local.
    pub(crate) fn add_local(&mut self, ty: Ty) {
        self.locals_end += ty.slot_bytes();
        if ty == Ty::Ref {
            self.ref_slots.push(self.locals_end);
        }
        self.locals.push(Local { ty, reg: None, slot: self.locals_end, latent: 0 });
        self.deepest = self.locals_end;
    }

    /// Where operand slots begin.
    pub(crate) const fn operand_base(&self) -> u32 {
        self.locals_end
    }

    /// Notes that `slot` is in use.
    #[inline]
    pub(crate) fn touch(&mut self, slot: u32) {
        self.deepest = self.deepest.max(slot);
    }

    /// Makes room for stack arguments.
    pub(crate) fn need_outgoing(&mut self, bytes: u32) {
        self.outgoing = self.outgoing.max(bytes);
    }

    /// Bytes below the frame pointer, a multiple of 16.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.deepest.next_multiple_of(16)) + u64::from(self.outgoing)
    }
}

/// The memory operand of a slot.
#[inline]
pub(crate) fn slot_addr(slot: u32) -> Addr {
    Addr::Frame(-(slot as i32))
}
