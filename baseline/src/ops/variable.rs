//! Locals, globals, constants, `drop` and `select`.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Width};
use crate::ops::object::thread_field;
use crate::value::{Reg, Ty, Value};
use std::mem::offset_of;
use upshift_abi::index::GlobalIndex;
use upshift_abi::layout::{GlobalPlace, ThreadContext};

impl FuncCompiler<'_> {
    /// `local.set`
    pub(crate) fn local_set(&mut self, index: u32) {
        let operand = self.pop();
        if operand.value() == Value::Local(index) {
            return;
        }
        self.detach_latent(index);
        let local = self.frame.locals[index as usize];
        let keeps_register = local.reg.filter(|r| self.regs.hot & r.bit() != 0);
        match (operand.value(), keeps_register) {
            (Value::Reg(r), None) => {
                if let Some(old) = local.reg {
                    self.regs.release(old);
                }
                self.bind_local(index, r, true);
            }
            (_, Some(r)) => {
                self.load_into(r, operand);
                self.regs.state.dirty |= r.bit();
            }
            (_, None) => {
                let r = match local.reg {
                    Some(r) => r,
                    None => self.alloc_for(local.ty),
                };
                self.load_into(r, operand);
                self.bind_local(index, r, true);
            }
        }
        self.write_through(index);
    }

    /// `local.tee`
    pub(crate) fn local_tee(&mut self, index: u32) {
        self.local_set(index);
        self.push_local(index);
    }

    /// `drop`
    pub(crate) fn drop_operand(&mut self) {
        self.pop();
    }

    /// `select` of values of any type.
    pub(crate) fn select(&mut self) {
        let condition = self.pop();
        let if_zero = self.pop();
        let if_not = self.pop();
        let ty = if_not.ty();
        let then = self.read(if_not);
        let dest = match if_zero.value() {
            Value::Reg(r) => r,
            _ => {
                let r = self.alloc_for(ty);
                self.load_into(r, if_zero);
                r
            }
        };
        let cond = self.condition(condition);
        if ty.is_float() {
            let skip = self.asm.jcc_short(cond.negate());
            self.move_reg(dest, then);
            self.asm.end_short(skip);
        } else {
            self.asm.cmov(cond, Width::W64, dest.gpr(), then.gpr());
        }
        self.push(Value::Reg(dest), ty);
    }

    /// `global.get`
    pub(crate) fn global_get(&mut self, index: GlobalIndex) {
        let ty = Ty::of(self.src.input.module.globals[index.index()].ty.content);
        let mem = self.global_cell(index);
        let r = self.alloc_for(ty);
        self.load_scalar(r, ty, mem);
        self.push(Value::Reg(r), ty);
    }

    /// `global.set`
    pub(crate) fn global_set(&mut self, index: GlobalIndex) {
        let operand = self.pop();
        let ty = Ty::of(self.src.input.module.globals[index.index()].ty.content);
        let r = self.read(operand);
        let mem = self.global_cell(index);
        match ty {
            // The upper half is zero: the cell holds the value zero-extended.
            Ty::I32 | Ty::I64 | Ty::Ref => self.asm.store_w(Width::W64, mem, r.gpr()),
            Ty::F32 | Ty::F64 => self.asm.fstore(ty.prec(), mem, r.xmm()),
            Ty::V128 => self.asm.vstore(mem, r.xmm()),
        }
        let is_constant = matches!(operand.value(), Value::Const(_));
        if self.src.input.module.global_is_noted(index) && !is_constant {
            self.asm.store_imm(1, thread_field(offset_of!(ThreadContext, globals_written)), 1);
        }
    }

    fn load_scalar(&mut self, r: Reg, ty: Ty, mem: Addr) {
        match ty {
            Ty::I32 | Ty::I64 | Ty::Ref => self.asm.load_w(ty.width(), r.gpr(), mem),
            Ty::F32 | Ty::F64 => self.asm.fload(ty.prec(), r.xmm(), mem),
            Ty::V128 => self.asm.vload(r.xmm(), mem),
        }
    }

    fn global_cell(&mut self, index: GlobalIndex) -> Addr {
        let vmctx = self.vmctx();
        match self.src.input.layout.global(index) {
            GlobalPlace::Inline(offset) => Addr::Base(vmctx, offset as i32),
            GlobalPlace::Pointer(offset) => {
                let r = self.alloc_gpr();
                self.asm.load_w(Width::W64, r, Addr::Base(vmctx, offset as i32));
                Addr::Base(r, 0)
            }
        }
    }
}
