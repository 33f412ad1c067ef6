//! Conversions between integer and float lanes.

use super::lowerings;
use crate::compiler::FuncCompiler;
use crate::masm::Asm;
use crate::masm::Lanes::{F32x4, F64x2};
use crate::masm::vex::*;

impl FuncCompiler<'_> {
    lowerings! {
        i32x4_trunc_sat_f32x4_s = vunary_seq(Asm::i32x4_trunc_sat_f32x4_s);
        i32x4_trunc_sat_f32x4_u = vunary_seq_temp(Asm::i32x4_trunc_sat_f32x4_u);
        i32x4_trunc_sat_f64x2_s_zero = vunary_seq(Asm::i32x4_trunc_sat_f64x2_s_zero);
        i32x4_trunc_sat_f64x2_u_zero = vunary_seq(Asm::i32x4_trunc_sat_f64x2_u_zero);
        f32x4_convert_i32x4_s = vunary(VCVTDQ2PS);
        f32x4_convert_i32x4_u = vunary_seq(Asm::f32x4_convert_i32x4_u);
        f64x2_convert_low_i32x4_s = vunary(VCVTDQ2PD);
        f64x2_convert_low_i32x4_u = vunary_seq(Asm::f64x2_convert_low_i32x4_u);
        f32x4_demote_f64x2_zero = vfunary(F32x4, |asm, d, a| asm.vrr(VCVTPD2PS, d, a));
        f64x2_promote_low_f32x4 = vfunary(F64x2, |asm, d, a| asm.vrr(VCVTPS2PD, d, a));
    }
}
