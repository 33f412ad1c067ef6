//! Wide arithmetic: 128-bit integers in halves.

use crate::compiler::FuncCompiler;
use crate::masm::{Asm, Gpr, RAX, RDX, Width};
use crate::value::Ty;

impl FuncCompiler<'_> {
    /// `i64.add128`
    pub(crate) fn i64_add128(&mut self) {
        self.carry_chain(|asm, d, s| asm.add_rr(Width::W64, d, s), Asm::adc_rr);
    }

    /// `i64.sub128`
    pub(crate) fn i64_sub128(&mut self) {
        self.carry_chain(|asm, d, s| asm.sub_rr(Width::W64, d, s), Asm::sbb_rr);
    }

    /// Combines the low halves by `low`, then the high halves and the carry by `high`.
    fn carry_chain(&mut self, low: fn(&mut Asm, Gpr, Gpr), high: fn(&mut Asm, Gpr, Gpr)) {
        let (b_high, b_low) = (self.pop(), self.pop());
        let (a_high, a_low) = (self.pop(), self.pop());
        let b_high = self.read_gpr(b_high);
        let b_low = self.read_gpr(b_low);
        let a_high = self.own_gpr(a_high);
        let a_low = self.own_gpr(a_low);
        low(&mut self.asm, a_low, b_low);
        high(&mut self.asm, a_high, b_high);
        self.push_gpr(a_low, Ty::I64);
        self.push_gpr(a_high, Ty::I64);
    }

    /// `i64.mul_wide_s` and `i64.mul_wide_u`
    pub(crate) fn i64_mul_wide(&mut self, signed: bool) {
        self.vacate(RAX.into());
        self.vacate(RDX.into());
        let (b, a) = (self.pop(), self.pop());
        let b = self.read_gpr(b);
        self.load_into(RAX.into(), a);
        if signed {
            self.asm.imul_wide(Width::W64, b);
        } else {
            self.asm.mul(Width::W64, b);
        }
        self.push_gpr(RAX, Ty::I64);
        self.push_gpr(RDX, Ty::I64);
    }
}
