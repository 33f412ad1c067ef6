//! The operand stack: pushing, popping and moving operands into registers.
//!
//! An operand may be latent (a constant, or the present value of a local), in a register, or in its
//! own frame slot. Only the top [`WINDOW`] operands may be latent locals or live in registers;
//! deeper ones are constants or in their slots, so that everything that looks through the stack
//! looks at a bounded number of entries whatever the input.

use crate::compiler::FuncCompiler;
use crate::frame::{VMCTX_SLOT, slot_addr};
use crate::masm::{Addr, Gpr, SCRATCH, Width, Xmm};
use crate::regs::{CALL_CLOBBERED, Choice, GPRS, Holder, XMMS, regs_in};
use crate::value::{Operand, Reg, Ty, Value};
use std::mem::offset_of;
use upshift_abi::layout::{Instance, MemorySlot};

/// How many operands from the top may be latent or in registers.
pub(crate) const WINDOW: usize = 64;
/// Operands that get a register each when the local they stand for changes; the others go to their
/// slots, for an operator must not lock all registers.
const REGISTER_COPIES: u32 = 4;

impl FuncCompiler<'_> {
    /// Pushes an operand. Inlined everywhere: what a caller knows of the value is then written to
    /// the stack as it is, without a detour through memory that stalls the loads behind it.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: Value, ty: Ty) {
        let below = match self.stack.last() {
            Some(top) => top.slot(),
            None => self.frame.operand_base(),
        };
        let slot = below + ty.slot_bytes();
        if let Value::Reg(r) = value {
            self.regs.give(r, self.stack.len());
        }
        self.ref_operands += u32::from(ty == Ty::Ref);
        self.stack.push(Operand::new(value, ty, slot));
        if self.stack.len() > WINDOW {
            self.settle(self.stack.len() - 1 - WINDOW);
        }
    }

    /// Pushes the value in a general register that this operator obtained.
    #[inline]
    pub(crate) fn push_gpr(&mut self, r: Gpr, ty: Ty) {
        self.push(Value::Reg(r.into()), ty);
    }

    /// Pushes the value in a vector register that this operator obtained.
    #[inline]
    pub(crate) fn push_xmm(&mut self, r: Xmm, ty: Ty) {
        self.push(Value::Reg(r.into()), ty);
    }

    /// Pushes a local's present value.
    #[inline]
    pub(crate) fn push_local(&mut self, index: u32) {
        let local = &mut self.frame.locals[index as usize];
        local.latent += 1;
        let ty = local.ty;
        self.push(Value::Local(index), ty);
    }

    /// Pops an operand. Its register, or that of the local it stands for, stays locked until the
    /// operator ends; a register of its own belongs to the operator now.
    #[inline]
    pub(crate) fn pop(&mut self) -> Operand {
        let operand = self.stack.pop().expect("validation keeps the stack from underflow");
        self.ref_operands -= u32::from(operand.ty() == Ty::Ref);
        match operand.value() {
            Value::Reg(r) => {
                self.regs.release(r);
                self.regs.lock(r);
            }
            Value::Local(index) => {
                let local = &mut self.frame.locals[index as usize];
                local.latent -= 1;
                if let Some(r) = local.reg {
                    self.regs.lock(r);
                }
            }
            Value::Const(_) | Value::Slot | Value::Flags(_) => {}
        }
        operand
    }

    /// Pushes an operand that was just popped back, unchanged and at the same place.
    pub(crate) fn push_again(&mut self, operand: Operand) {
        match operand.value() {
            Value::Local(index) => self.push_local(index),
            value => self.push(value, operand.ty()),
        }
    }

    /// A general register of the operator's own.
    #[inline]
    pub(crate) fn alloc_gpr(&mut self) -> Gpr {
        self.alloc(GPRS).gpr()
    }

    /// A vector register of the operator's own.
    #[inline]
    pub(crate) fn alloc_xmm(&mut self) -> Xmm {
        self.alloc(XMMS).xmm()
    }

    /// A register of the class a value of `ty` needs.
    #[inline]
    pub(crate) fn alloc_for(&mut self, ty: Ty) -> Reg {
        self.alloc(if ty.is_float() { XMMS } else { GPRS })
    }

    /// A register out of `class`; leaves the flags alone.
    pub(crate) fn alloc(&mut self, class: u32) -> Reg {
        match self.regs.choose(class) {
            Choice::Free(r) => r,
            Choice::Evict(r) => {
                self.evict(r);
                r
            }
        }
    }

    /// Frees register `r`, saving what it holds.
    pub(crate) fn evict(&mut self, r: Reg) {
        let holder = self.regs.holder(r);
        if let Some(position) = holder.as_operand() {
            let operand = self.stack[position];
            self.store_slot(operand.slot(), operand.ty(), r);
            self.stack[position].set_value(Value::Slot);
        } else if let Some(index) = holder.as_local() {
            let local = self.frame.locals[index as usize];
            if self.regs.state.dirty & r.bit() != 0 {
                self.store_slot(local.slot, local.ty, r);
            }
            self.frame.locals[index as usize].reg = None;
        }
        self.regs.release(r);
    }

    /// Makes `r` free and locks it. A local or operand in it moves to another register when one is
    /// free.
    pub(crate) fn vacate(&mut self, r: Reg) {
        self.regs.lock(r);
        if self.regs.state.used & r.bit() == 0 {
            return;
        }
        let holder = self.regs.holder(r);
        let dirty = self.regs.state.dirty & r.bit() != 0;
        let class = if r.is_float() { XMMS } else { GPRS };
        if class & !self.regs.state.used & !self.regs.locked == 0 {
            return self.evict(r);
        }
        let other = self.alloc(class);
        self.regs.locked &= !other.bit();
        self.move_reg(other, r);
        self.regs.release(r);
        if let Some(position) = holder.as_operand() {
            self.stack[position].set_value(Value::Reg(other));
            self.regs.give(other, position);
        } else {
            self.regs.cache(other, holder, dirty);
            if let Some(index) = holder.as_local() {
                self.frame.locals[index as usize].reg = Some(other);
            }
        }
    }

    /// Register to register within a class.
    #[inline]
    pub(crate) fn move_reg(&mut self, d: Reg, s: Reg) {
        if d == s {
            return;
        }
        if d.is_float() {
            self.asm.mov_xx(d.xmm(), s.xmm());
        } else {
            self.asm.mov_rr(Width::W64, d.gpr(), s.gpr());
        }
    }

    /// Stores a register to a slot.
    pub(crate) fn store_slot(&mut self, slot: u32, ty: Ty, r: Reg) {
        self.frame.touch(slot);
        let mem = slot_addr(slot);
        match ty {
            Ty::I32 | Ty::I64 | Ty::Ref => self.asm.store_w(ty.width(), mem, r.gpr()),
            Ty::F32 | Ty::F64 => self.asm.fstore(ty.prec(), mem, r.xmm()),
            Ty::V128 => self.asm.vstore(mem, r.xmm()),
        }
    }

    /// Loads a register from a slot.
    pub(crate) fn load_slot(&mut self, r: Reg, ty: Ty, slot: u32) {
        let mem = slot_addr(slot);
        match ty {
            Ty::I32 | Ty::I64 | Ty::Ref => self.asm.load_w(ty.width(), r.gpr(), mem),
            Ty::F32 | Ty::F64 => self.asm.fload(ty.prec(), r.xmm(), mem),
            Ty::V128 => self.asm.vload(r.xmm(), mem),
        }
    }

    /// Loads constant bits into a register; leaves the flags alone.
    pub(crate) fn load_const(&mut self, r: Reg, ty: Ty, bits: u64) {
        if !r.is_float() {
            self.asm.mov_ri(r.gpr(), bits);
        } else if bits == 0 {
            self.asm.vxorps(r.xmm(), r.xmm(), r.xmm());
        } else {
            let mem = self.asm.pool_u64(bits);
            self.asm.fload(ty.prec(), r.xmm(), mem);
        }
    }

    /// The register a popped operand is in, loading it if need be. It may be that of a local and
    /// must not be written.
    pub(crate) fn read(&mut self, operand: Operand) -> Reg {
        match operand.value() {
            Value::Reg(r) => r,
            Value::Local(index) => self.cached_local(index),
            Value::Const(_) | Value::Slot => {
                let r = self.alloc_for(operand.ty());
                self.load_into(r, operand);
                r
            }
            Value::Flags(cond) => {
                let r = self.alloc(GPRS);
                self.asm.setcc(cond, r.gpr());
                r
            }
        }
    }

    /// [`Self::read`] of an integer or reference.
    #[inline]
    pub(crate) fn read_gpr(&mut self, operand: Operand) -> Gpr {
        self.read(operand).gpr()
    }

    /// [`Self::read`] of a float or vector.
    #[inline]
    pub(crate) fn read_xmm(&mut self, operand: Operand) -> Xmm {
        self.read(operand).xmm()
    }

    /// A register with the value of a popped operand that the operator may overwrite.
    pub(crate) fn own(&mut self, operand: Operand) -> Reg {
        match operand.value() {
            Value::Reg(r) => r,
            Value::Const(_) | Value::Slot | Value::Local(_) | Value::Flags(_) => {
                let r = self.alloc_for(operand.ty());
                self.load_into(r, operand);
                r
            }
        }
    }

    /// [`Self::own`] of an integer or reference.
    #[inline]
    pub(crate) fn own_gpr(&mut self, operand: Operand) -> Gpr {
        self.own(operand).gpr()
    }

    /// Loads a popped operand into a register of the operator's own.
    pub(crate) fn load_into(&mut self, r: Reg, operand: Operand) {
        match operand.value() {
            Value::Const(bits) => self.load_const(r, operand.ty(), bits),
            Value::Reg(s) => self.move_reg(r, s),
            Value::Local(index) => {
                let local = self.frame.locals[index as usize];
                match local.reg {
                    Some(s) => self.move_reg(r, s),
                    None => self.load_slot(r, local.ty, local.slot),
                }
            }
            Value::Slot => self.load_slot(r, operand.ty(), operand.slot()),
            Value::Flags(cond) => self.asm.setcc(cond, r.gpr()),
        }
    }

    /// The memory operand of a popped operand that is in a frame slot and in no register.
    #[inline]
    pub(crate) fn memory_of(&self, operand: Operand) -> Option<Addr> {
        match operand.value() {
            Value::Slot => Some(slot_addr(operand.slot())),
            Value::Local(_) | Value::Const(_) | Value::Reg(_) | Value::Flags(_) => None,
        }
    }

    /// The register that caches a local, loading it if need be; locked.
    pub(crate) fn cached_local(&mut self, index: u32) -> Reg {
        let local = self.frame.locals[index as usize];
        if let Some(r) = local.reg {
            self.regs.lock(r);
            return r;
        }
        let r = self.alloc_for(local.ty);
        self.load_slot(r, local.ty, local.slot);
        self.bind_local(index, r, false);
        r
    }

    /// Lets `r` cache a local.
    #[inline]
    pub(crate) fn bind_local(&mut self, index: u32, r: Reg, dirty: bool) {
        self.regs.cache(r, Holder::local(index), dirty);
        self.frame.locals[index as usize].reg = Some(r);
    }

    /// References are in their slots at every safepoint: stores a reference local right away.
    #[inline]
    pub(crate) fn write_through(&mut self, index: u32) {
        let local = self.frame.locals[index as usize];
        if local.ty == Ty::Ref
            && let Some(r) = local.reg
        {
            self.store_slot(local.slot, local.ty, r);
            self.regs.state.dirty &= !r.bit();
        }
    }

    /// The register that holds the vmctx; locked.
    pub(crate) fn vmctx(&mut self) -> Gpr {
        let found = self.find_cached(Holder::VMCTX, 0);
        let r = found.unwrap_or_else(|| {
            let r = self.alloc_lasting();
            self.asm.load_w(Width::W64, r.gpr(), slot_addr(VMCTX_SLOT));
            self.regs.cache(r, Holder::VMCTX, false);
            r
        });
        self.regs.lock(r);
        r.gpr()
    }

    /// The register that holds the base of memory 0, which never moves; locked.
    pub(crate) fn memory0_base(&mut self) -> Gpr {
        let found = self.find_cached(Holder::MEMORY0, 1);
        let r = found.unwrap_or_else(|| {
            let vmctx = self.vmctx();
            let r = self.alloc_lasting();
            let base = offset_of!(Instance, memory0) + offset_of!(MemorySlot, base);
            self.asm.load_w(Width::W64, r.gpr(), Addr::Base(vmctx, base as i32));
            self.regs.cache(r, Holder::MEMORY0, false);
            r
        });
        self.regs.lock(r);
        r.gpr()
    }

    /// The register that holds the base of the heap of objects, which never moves; locked.
    pub(crate) fn heap_base(&mut self) -> Gpr {
        let found = self.find_cached(Holder::HEAP, 2);
        let r = found.unwrap_or_else(|| {
            let vmctx = self.vmctx();
            let r = self.alloc_lasting();
            let heap = Addr::Base(vmctx, offset_of!(Instance, heap) as i32);
            self.asm.load_w(Width::W64, r.gpr(), heap);
            self.regs.cache(r, Holder::HEAP, false);
            r
        });
        self.regs.lock(r);
        r.gpr()
    }

    /// A register for a value that is used all over: one that survives calls once calls are made.
    fn alloc_lasting(&mut self) -> Reg {
        let lasting = crate::regs::CALLEE_SAVED_GPRS & !self.regs.state.used & !self.regs.locked;
        if self.makes_calls && lasting != 0 { self.alloc(lasting) } else { self.alloc(GPRS) }
    }

    /// The register that holds `holder`; `hint` is where it was found last.
    fn find_cached(&mut self, holder: Holder, hint: usize) -> Option<Reg> {
        let state = &self.regs.state;
        let last = self.hints[hint];
        if state.holders[last.index()] == holder {
            return Some(last);
        }
        let found = regs_in(state.used & GPRS).find(|r| state.holders[r.index()] == holder)?;
        self.hints[hint] = found;
        Some(found)
    }

    /// Puts the operand at a position into its slot unless it is a constant.
    pub(crate) fn settle(&mut self, position: usize) {
        let operand = self.stack[position];
        match operand.value() {
            Value::Const(_) | Value::Slot => return,
            Value::Reg(r) => {
                self.store_slot(operand.slot(), operand.ty(), r);
                self.regs.release(r);
            }
            Value::Local(index) => {
                self.frame.locals[index as usize].latent -= 1;
                self.copy_local(index, operand.slot());
            }
            Value::Flags(cond) => {
                let r = self.alloc(GPRS);
                self.asm.setcc(cond, r.gpr());
                self.store_slot(operand.slot(), operand.ty(), r);
            }
        }
        self.stack[position].set_value(Value::Slot);
    }

    /// Copies a local's value to an operand slot; leaves the flags alone.
    fn copy_local(&mut self, index: u32, slot: u32) {
        let local = self.frame.locals[index as usize];
        if let Some(r) = local.reg {
            self.store_slot(slot, local.ty, r);
        } else if local.ty.is_float() {
            self.load_slot(Reg::from(crate::masm::XSCRATCH), local.ty, local.slot);
            self.store_slot(slot, local.ty, Reg::from(crate::masm::XSCRATCH));
        } else {
            self.load_slot(Reg::from(SCRATCH), local.ty, local.slot);
            self.store_slot(slot, local.ty, Reg::from(SCRATCH));
        }
    }

    /// Copies an operand to a slot that need not be its own.
    pub(crate) fn copy_to_slot(&mut self, operand: Operand, slot: u32) {
        self.frame.touch(slot);
        match operand.value() {
            Value::Reg(r) => self.store_slot(slot, operand.ty(), r),
            Value::Local(index) => self.copy_local(index, slot),
            Value::Slot if operand.slot() == slot => {}
            Value::Slot | Value::Const(_) | Value::Flags(_) => {
                let r: Reg = if operand.ty().is_float() {
                    crate::masm::XSCRATCH.into()
                } else {
                    SCRATCH.into()
                };
                self.load_into(r, operand);
                self.store_slot(slot, operand.ty(), r);
            }
        }
    }

    /// Puts all operands into their slots, constants excepted.
    pub(crate) fn settle_all(&mut self) {
        let start = self.stack.len().saturating_sub(WINDOW);
        for position in start..self.stack.len() {
            self.settle(position);
        }
    }

    /// Before a local changes: gives operands that stand for its value a copy of their own.
    pub(crate) fn detach_latent(&mut self, index: u32) {
        let local = self.frame.locals[index as usize];
        let mut left = local.latent;
        if left == 0 {
            return;
        }
        if let Some(r) = local.reg {
            self.regs.lock(r);
        }
        let (mut position, mut copies) = (self.stack.len(), 0);
        while left > 0 {
            position -= 1;
            let operand = self.stack[position];
            if operand.value() != Value::Local(index) {
                continue;
            }
            left -= 1;
            copies += 1;
            if copies > REGISTER_COPIES {
                self.settle(position);
                continue;
            }
            let r = self.alloc_for(local.ty);
            self.load_into(r, operand);
            self.stack[position].set_value(Value::Reg(r));
            self.regs.give(r, position);
        }
        self.frame.locals[index as usize].latent = 0;
    }

    /// Before a call: nothing that matters stays in a register the call destroys, and references
    /// are in their slots only. When the call `throws` in a scope of handlers, all locals are in
    /// their slots.
    pub(crate) fn flush_for_call(&mut self, throws: bool) {
        let handled = throws && self.scope() != crate::handlers::NONE;
        let dirty = self.regs.state.dirty & if handled { u32::MAX } else { CALL_CLOBBERED };
        for r in regs_in(dirty) {
            let index = self.regs.holder(r).as_local().expect("only locals are dirty");
            let local = self.frame.locals[index as usize];
            self.store_slot(local.slot, local.ty, r);
        }
        self.regs.state.dirty &= !dirty;
        for r in regs_in(self.regs.operands) {
            let position = self.regs.holder(r).as_operand().expect("an operand's register");
            if r.bit() & CALL_CLOBBERED != 0 || self.stack[position].ty() == Ty::Ref {
                self.settle(position);
            }
        }
    }

    /// After a call: registers it destroyed cache nothing, nor does any cache a reference.
    pub(crate) fn forget_after_call(&mut self) {
        let refs = if self.frame.ref_slots.is_empty() { 0 } else { self.regs.state.used };
        for r in regs_in(self.regs.state.used & CALL_CLOBBERED | refs) {
            let local = self.regs.holder(r).as_local();
            let is_ref = local.is_some_and(|index| self.frame.locals[index as usize].ty == Ty::Ref);
            if r.bit() & CALL_CLOBBERED != 0 || is_ref {
                if let Some(index) = local {
                    self.frame.locals[index as usize].reg = None;
                }
                self.regs.release(r);
            }
        }
    }
}
