//! Shifts of vector lanes.

use super::lowerings;
use crate::compiler::FuncCompiler;
use crate::masm::{Asm, Gpr, LaneShift, Xmm};
use crate::value::{Ty, Value};

/// A sequence for a constant count.
type ByConstant = fn(&mut Asm, Xmm, Xmm, u32);
/// A sequence for a count in a register, with a temporary.
type ByRegister = fn(&mut Asm, Xmm, Xmm, Gpr, Xmm);

impl FuncCompiler<'_> {
    lowerings! {
        i16x8_shl = vshift(LaneShift::I16X8_SHL);
        i16x8_shr_s = vshift(LaneShift::I16X8_SHR_S);
        i16x8_shr_u = vshift(LaneShift::I16X8_SHR_U);
        i32x4_shl = vshift(LaneShift::I32X4_SHL);
        i32x4_shr_s = vshift(LaneShift::I32X4_SHR_S);
        i32x4_shr_u = vshift(LaneShift::I32X4_SHR_U);
        i64x2_shl = vshift(LaneShift::I64X2_SHL);
        i64x2_shr_u = vshift(LaneShift::I64X2_SHR_U);
        i8x16_shl = vshift_seq(Asm::i8x16_shl_const, Asm::i8x16_shl);
        i8x16_shr_s = vshift_seq(Asm::i8x16_shr_s_const, Asm::i8x16_shr_s);
        i8x16_shr_u = vshift_seq(Asm::i8x16_shr_u_const, Asm::i8x16_shr_u);
        i64x2_shr_s = vshift_seq(Asm::i64x2_shr_s_const, Asm::i64x2_shr_s);
    }

    /// A shift that the hardware has.
    fn vshift(&mut self, shift: LaneShift) {
        let count = self.pop();
        if let Value::Const(bits) = count.value() {
            let (a, d) = self.vunary_operand(0);
            self.asm.vshift_const(shift, d.reg.xmm(), a, bits as u32);
            return self.push_dest(d, Ty::V128);
        }
        let count = self.read_gpr(count);
        let (a, d) = self.vunary_operand(0);
        self.asm.vshift_var(shift, d.reg.xmm(), a, count);
        self.push_dest(d, Ty::V128);
    }

    /// A shift that takes a sequence.
    fn vshift_seq(&mut self, by_constant: ByConstant, by_register: ByRegister) {
        let count = self.pop();
        if let Value::Const(bits) = count.value() {
            let (a, d) = self.vunary_operand(0);
            by_constant(&mut self.asm, d.reg.xmm(), a, bits as u32);
            return self.push_dest(d, Ty::V128);
        }
        let count = self.read_gpr(count);
        let (a, d) = self.vunary_operand(0);
        let t = self.alloc_xmm();
        by_register(&mut self.asm, d.reg.xmm(), a, count, t);
        self.push_dest(d, Ty::V128);
    }
}
