//! Conversions between integer and float lanes.

use super::float::{FloatCompare, Lanes};
use super::{splat32, splat64};
use crate::masm::vex::*;
use crate::masm::{Asm, XSCRATCH, Xmm};

/// 2^31 as `f32`.
const TWO_31_F32: u128 = splat32(0x4f00_0000);
/// 2^52 as `f64`: added to an integer below 2^32, it leaves that integer in the low half.
const TWO_52_F64: u128 = splat64(0x4330_0000_0000_0000);

impl Asm {
    /// `i32x4.trunc_sat_f32x4_s`: NaNs become 0 first; what was too large comes out of the
    /// conversion as the least integer and is inverted.
    pub(crate) fn i32x4_trunc_sat_f32x4_s(&mut self, d: Xmm, a: Xmm) {
        let two_31 = self.pool_u128(TWO_31_F32);
        self.vcmp(Lanes::F32x4, FloatCompare::Eq, XSCRATCH, a, a);
        self.vrrr(VANDPS, XSCRATCH, XSCRATCH, a);
        self.vrr(VCVTTPS2DQ, d, XSCRATCH);
        self.vcmp_mem(Lanes::F32x4, FloatCompare::Ge, XSCRATCH, XSCRATCH, two_31);
        self.vrrr(VPXOR, d, d, XSCRATCH);
    }

    /// `i32x4.trunc_sat_f32x4_u`: the sum of the conversions of the value and of what exceeds
    /// 2^31, the latter saturated between 0 and 2^31 - 1.
    pub(crate) fn i32x4_trunc_sat_f32x4_u(&mut self, d: Xmm, a: Xmm, t: Xmm) {
        let two_31 = self.pool_u128(TWO_31_F32);
        self.vzero(t);
        self.vrrr(VMAXPS, d, a, t);
        self.vrrm(VSUBPS, XSCRATCH, d, two_31);
        self.vrr(VCVTTPS2DQ, d, d);
        self.vcmp_mem(Lanes::F32x4, FloatCompare::Ge, t, XSCRATCH, two_31);
        self.vrr(VCVTTPS2DQ, XSCRATCH, XSCRATCH);
        self.vrrr(VPXOR, XSCRATCH, XSCRATCH, t);
        self.vzero(t);
        self.vrrr(VPMAXSD, XSCRATCH, XSCRATCH, t);
        self.vrrr(VPADDD, d, d, XSCRATCH);
    }

    /// `i32x4.trunc_sat_f64x2_s_zero`: NaNs become 0 and large values the largest integer first.
    pub(crate) fn i32x4_trunc_sat_f64x2_s_zero(&mut self, d: Xmm, a: Xmm) {
        let largest = self.pool_u128(splat64(2_147_483_647_f64.to_bits()));
        self.vcmp(Lanes::F64x2, FloatCompare::Eq, XSCRATCH, a, a);
        self.vrrm(VANDPD, XSCRATCH, XSCRATCH, largest);
        self.vrrr(VMINPD, XSCRATCH, a, XSCRATCH);
        self.vrr(VCVTTPD2DQ, d, XSCRATCH);
    }

    /// `i32x4.trunc_sat_f64x2_u_zero`: the integer is the low half of the value plus 2^52.
    pub(crate) fn i32x4_trunc_sat_f64x2_u_zero(&mut self, d: Xmm, a: Xmm) {
        let largest = self.pool_u128(splat64(4_294_967_295_f64.to_bits()));
        let two_52 = self.pool_u128(TWO_52_F64);
        self.vzero(XSCRATCH);
        self.vrrr(VMAXPD, d, a, XSCRATCH);
        self.vrrm(VMINPD, d, d, largest);
        self.vround(Lanes::F64x2, d, d, 3);
        self.vrrm(VADDPD, d, d, two_52);
        self.vrrri(imm::VSHUFPS, d, d, XSCRATCH, 0x88);
    }

    /// `f32x4.convert_i32x4_u`: the low 16 bits, exact, plus the upper ones, exact when halved.
    pub(crate) fn f32x4_convert_i32x4_u(&mut self, d: Xmm, a: Xmm) {
        self.vshift_ri(PSLLD, XSCRATCH, a, 16);
        self.vshift_ri(PSRLD, XSCRATCH, XSCRATCH, 16);
        self.vrrr(VPSUBD, d, a, XSCRATCH);
        self.vrr(VCVTDQ2PS, XSCRATCH, XSCRATCH);
        self.vshift_ri(PSRLD, d, d, 1);
        self.vrr(VCVTDQ2PS, d, d);
        self.vrrr(VADDPS, d, d, d);
        self.vrrr(VADDPS, d, d, XSCRATCH);
    }

    /// `f64x2.convert_low_i32x4_u`: an integer is the low half of itself plus 2^52.
    pub(crate) fn f64x2_convert_low_i32x4_u(&mut self, d: Xmm, a: Xmm) {
        let upper_half = self.pool_u128(splat32(0x4330_0000));
        let two_52 = self.pool_u128(TWO_52_F64);
        self.vrrm(VUNPCKLPS, d, a, upper_half);
        self.vrrm(VSUBPD, d, d, two_52);
    }
}
