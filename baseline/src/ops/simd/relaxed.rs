//! Relaxed operators: the hardware's choice, or that of the deterministic profile.

use super::lowerings;
use crate::compiler::FuncCompiler;
use crate::masm::Lanes::{F32x4, F64x2};
use crate::masm::vex::*;
use crate::masm::{Asm, FusedOp, Lanes, Xmm};
use crate::value::Ty;

/// Lowering of a fused or unfused multiplication and addition.
type MulAdd = fn(&mut Asm, Xmm, Xmm, Xmm, Xmm);

impl FuncCompiler<'_> {
    lowerings! {
        i8x16_relaxed_swizzle = relaxed(Self::i8x16_swizzle, |c| c.vbinary(VPSHUFB));
        i32x4_relaxed_trunc_f32x4_s =
            relaxed(Self::i32x4_trunc_sat_f32x4_s, |c| c.vunary(VCVTTPS2DQ));
        i32x4_relaxed_trunc_f32x4_u = i32x4_trunc_sat_f32x4_u();
        i32x4_relaxed_trunc_f64x2_s_zero =
            relaxed(Self::i32x4_trunc_sat_f64x2_s_zero, |c| c.vunary(VCVTTPD2DQ));
        i32x4_relaxed_trunc_f64x2_u_zero = i32x4_trunc_sat_f64x2_u_zero();
        i8x16_relaxed_laneselect = relaxed(Self::v128_bitselect, |c| {
            c.vternary_seq(|asm, d, a, b, m| asm.relaxed_laneselect(imm::VPBLENDVB, d, a, b, m));
        });
        i16x8_relaxed_laneselect =
            relaxed(Self::v128_bitselect, |c| c.vternary_seq(Asm::i16x8_relaxed_laneselect));
        i32x4_relaxed_laneselect = relaxed(Self::v128_bitselect, |c| {
            c.vternary_seq(|asm, d, a, b, m| asm.relaxed_laneselect(imm::VBLENDVPS, d, a, b, m));
        });
        i64x2_relaxed_laneselect = relaxed(Self::v128_bitselect, |c| {
            c.vternary_seq(|asm, d, a, b, m| asm.relaxed_laneselect(imm::VBLENDVPD, d, a, b, m));
        });
        f32x4_relaxed_min = relaxed(Self::f32x4_min, |c| c.vfarith(F32x4, VMINPS));
        f32x4_relaxed_max = relaxed(Self::f32x4_max, |c| c.vfarith(F32x4, VMAXPS));
        f64x2_relaxed_min = relaxed(Self::f64x2_min, |c| c.vfarith(F64x2, VMINPD));
        f64x2_relaxed_max = relaxed(Self::f64x2_max, |c| c.vfarith(F64x2, VMAXPD));
        i16x8_relaxed_q15mulr_s =
            relaxed(Self::i16x8_q15mulr_sat_s, |c| c.vbinary(VPMULHRSW));
        i16x8_relaxed_dot_i8x16_i7x16_s = relaxed(
            |c| c.vbinary_seq_temp(Asm::i16x8_signed_dot),
            |c| c.vbinary_swapped(VPMADDUBSW)
        );
        i32x4_relaxed_dot_i8x16_i7x16_add_s = relaxed(
            Self::signed_dot_add,
            |c| c.vternary_seq(Asm::i32x4_relaxed_dot_add)
        );
        f32x4_relaxed_madd = relaxed_madd(F32x4, FusedOp::MADD_PS,
            |asm, d, a, b, c| asm.unfused_madd(VMULPS, VADDPS, d, a, b, c));
        f32x4_relaxed_nmadd = relaxed_madd(F32x4, FusedOp::NMADD_PS,
            |asm, d, a, b, c| asm.unfused_nmadd(VMULPS, VSUBPS, d, a, b, c));
        f64x2_relaxed_madd = relaxed_madd(F64x2, FusedOp::MADD_PD,
            |asm, d, a, b, c| asm.unfused_madd(VMULPD, VADDPD, d, a, b, c));
        f64x2_relaxed_nmadd = relaxed_madd(F64x2, FusedOp::NMADD_PD,
            |asm, d, a, b, c| asm.unfused_nmadd(VMULPD, VSUBPD, d, a, b, c));
    }

    fn is_deterministic(&self) -> bool {
        self.src.input.config.relaxed_simd_deterministic
    }

    /// Either lowering.
    fn relaxed(&mut self, deterministic: fn(&mut Self), hardware: fn(&mut Self)) {
        if self.is_deterministic() { deterministic(self) } else { hardware(self) }
    }

    fn relaxed_madd(&mut self, lanes: Lanes, fused: FusedOp, unfused: MulAdd) {
        let (a, b, c, d) = self.vternary_operands();
        if self.is_deterministic() {
            unfused(&mut self.asm, d.reg.xmm(), a, b, c);
        } else {
            self.asm.fused_madd(fused, d.reg.xmm(), a, b, c);
        }
        self.push_float_vector(lanes, d);
    }

    /// Pairs of the narrower dot product, added to the third operand.
    fn signed_dot_add(&mut self) {
        let (a, b, c, d) = self.vternary_operands();
        let (dot, t) = (self.alloc_xmm(), self.alloc_xmm());
        self.asm.i16x8_signed_dot(dot, a, b, t);
        self.asm.add_pairs(d.reg.xmm(), dot, c);
        self.push_dest(d, Ty::V128);
    }
}
