//! Float arithmetic and comparisons of vectors.

use super::lowerings;
use crate::compiler::FuncCompiler;
use crate::masm::Lanes::{F32x4, F64x2};
use crate::masm::vex::*;
use crate::masm::{Asm, FloatCompare, Lanes, Xmm};
use crate::ops::int::Dest;
use crate::value::Ty;

/// A sequence for either kind of lanes.
type FloatSeq = fn(&mut Asm, Lanes, Xmm, Xmm, Xmm);

impl FuncCompiler<'_> {
    lowerings! {
        f32x4_add = vfarith(F32x4, VADDPS);
        f32x4_sub = vfarith(F32x4, VSUBPS);
        f32x4_mul = vfarith(F32x4, VMULPS);
        f32x4_div = vfarith(F32x4, VDIVPS);
        f32x4_min = vfarith_seq(F32x4, Asm::vfmin);
        f32x4_max = vfarith_seq(F32x4, Asm::vfmax);
        f64x2_add = vfarith(F64x2, VADDPD);
        f64x2_sub = vfarith(F64x2, VSUBPD);
        f64x2_mul = vfarith(F64x2, VMULPD);
        f64x2_div = vfarith(F64x2, VDIVPD);
        f64x2_min = vfarith_seq(F64x2, Asm::vfmin);
        f64x2_max = vfarith_seq(F64x2, Asm::vfmax);
        f32x4_sqrt = vfunary(F32x4, |asm, d, a| asm.vrr(VSQRTPS, d, a));
        f32x4_nearest = vfunary(F32x4, |asm, d, a| asm.vround(F32x4, d, a, 0));
        f32x4_floor = vfunary(F32x4, |asm, d, a| asm.vround(F32x4, d, a, 1));
        f32x4_ceil = vfunary(F32x4, |asm, d, a| asm.vround(F32x4, d, a, 2));
        f32x4_trunc = vfunary(F32x4, |asm, d, a| asm.vround(F32x4, d, a, 3));
        f64x2_sqrt = vfunary(F64x2, |asm, d, a| asm.vrr(VSQRTPD, d, a));
        f64x2_nearest = vfunary(F64x2, |asm, d, a| asm.vround(F64x2, d, a, 0));
        f64x2_floor = vfunary(F64x2, |asm, d, a| asm.vround(F64x2, d, a, 1));
        f64x2_ceil = vfunary(F64x2, |asm, d, a| asm.vround(F64x2, d, a, 2));
        f64x2_trunc = vfunary(F64x2, |asm, d, a| asm.vround(F64x2, d, a, 3));
    }

    lowerings! {
        f32x4_abs = vunary_seq(|asm, d, a| asm.vfabs(F32x4, d, a));
        f32x4_neg = vunary_seq(|asm, d, a| asm.vfneg(F32x4, d, a));
        f64x2_abs = vunary_seq(|asm, d, a| asm.vfabs(F64x2, d, a));
        f64x2_neg = vunary_seq(|asm, d, a| asm.vfneg(F64x2, d, a));
        f32x4_pmin = vbinary_swapped(VMINPS);
        f32x4_pmax = vbinary_swapped(VMAXPS);
        f64x2_pmin = vbinary_swapped(VMINPD);
        f64x2_pmax = vbinary_swapped(VMAXPD);
        f32x4_eq = vbinary_seq(|asm, d, a, b| asm.vcmp(F32x4, FloatCompare::Eq, d, a, b));
        f32x4_ne = vbinary_seq(|asm, d, a, b| asm.vcmp(F32x4, FloatCompare::Ne, d, a, b));
        f32x4_lt = vbinary_seq(|asm, d, a, b| asm.vcmp(F32x4, FloatCompare::Lt, d, a, b));
        f32x4_gt = vbinary_seq(|asm, d, a, b| asm.vcmp(F32x4, FloatCompare::Lt, d, b, a));
        f32x4_le = vbinary_seq(|asm, d, a, b| asm.vcmp(F32x4, FloatCompare::Le, d, a, b));
        f32x4_ge = vbinary_seq(|asm, d, a, b| asm.vcmp(F32x4, FloatCompare::Le, d, b, a));
        f64x2_eq = vbinary_seq(|asm, d, a, b| asm.vcmp(F64x2, FloatCompare::Eq, d, a, b));
        f64x2_ne = vbinary_seq(|asm, d, a, b| asm.vcmp(F64x2, FloatCompare::Ne, d, a, b));
        f64x2_lt = vbinary_seq(|asm, d, a, b| asm.vcmp(F64x2, FloatCompare::Lt, d, a, b));
        f64x2_gt = vbinary_seq(|asm, d, a, b| asm.vcmp(F64x2, FloatCompare::Lt, d, b, a));
        f64x2_le = vbinary_seq(|asm, d, a, b| asm.vcmp(F64x2, FloatCompare::Le, d, a, b));
        f64x2_ge = vbinary_seq(|asm, d, a, b| asm.vcmp(F64x2, FloatCompare::Le, d, b, a));
    }

    /// Arithmetic of one instruction.
    pub(super) fn vfarith(&mut self, lanes: Lanes, op: Vex) {
        let d = self.vbinary_result(op);
        self.push_float_vector(lanes, d);
    }

    /// Arithmetic of a sequence.
    fn vfarith_seq(&mut self, lanes: Lanes, emit: FloatSeq) {
        let (a, b, d) = self.vbinary_operands(0);
        emit(&mut self.asm, lanes, d.reg.xmm(), a, b);
        self.push_float_vector(lanes, d);
    }

    /// Arithmetic of one operand.
    pub(super) fn vfunary(&mut self, lanes: Lanes, emit: fn(&mut Asm, Xmm, Xmm)) {
        let (a, d) = self.vunary_operand(0);
        emit(&mut self.asm, d.reg.xmm(), a);
        self.push_float_vector(lanes, d);
    }

    /// Pushes the result of arithmetic, its NaNs made canonical where that is asked for.
    pub(super) fn push_float_vector(&mut self, lanes: Lanes, d: Dest) {
        if self.src.input.config.nan_canonicalize {
            self.asm.vcanonicalize(lanes, d.reg.xmm());
        }
        self.push_dest(d, Ty::V128);
    }
}
