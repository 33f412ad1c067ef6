//! Operators that change the width of integer lanes.

use super::{HIGH_HALF, splat8, splat16, splat32};
use crate::masm::vex::*;
use crate::masm::{Asm, XSCRATCH, Xmm};

impl Asm {
    /// An extension `op` of the upper half of `a`.
    pub(crate) fn vextend_high(&mut self, op: Vex, d: Xmm, a: Xmm) {
        self.vrri(imm::VPSHUFD, d, a, HIGH_HALF);
        self.vrr(op, d, d);
    }

    /// `i16x8.extmul_low`: both operands extended by `op`.
    pub(crate) fn i16x8_extmul_low(&mut self, op: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.vrr(op, XSCRATCH, a);
        self.vrr(op, d, b);
        self.vrrr(VPMULLW, d, d, XSCRATCH);
    }

    /// `i16x8.extmul_high`
    pub(crate) fn i16x8_extmul_high(&mut self, op: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.vextend_high(op, XSCRATCH, a);
        self.vextend_high(op, d, b);
        self.vrrr(VPMULLW, d, d, XSCRATCH);
    }

    /// `i32x4.extmul`: low and high halves of the products, interleaved by `unpack`.
    pub(crate) fn i32x4_extmul(&mut self, high: Vex, unpack: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.vrrr(VPMULLW, XSCRATCH, a, b);
        self.vrrr(high, d, a, b);
        self.vrrr(unpack, d, XSCRATCH, d);
    }

    /// `i64x2.extmul_low`: products of even lanes, after each lane was doubled.
    pub(crate) fn i64x2_extmul_low(&mut self, mul: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.i64x2_extmul(mul, d, a, b, 0x50);
    }

    /// `i64x2.extmul_high`
    pub(crate) fn i64x2_extmul_high(&mut self, mul: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.i64x2_extmul(mul, d, a, b, 0xfa);
    }

    fn i64x2_extmul(&mut self, mul: Vex, d: Xmm, a: Xmm, b: Xmm, lanes: u8) {
        self.vrri(imm::VPSHUFD, XSCRATCH, a, lanes);
        self.vrri(imm::VPSHUFD, d, b, lanes);
        self.vrrr(mul, d, d, XSCRATCH);
    }

    /// `i16x8.extadd_pairwise_i8x16_s`: products with ones, added in pairs.
    pub(crate) fn i16x8_extadd_pairwise_i8x16_s(&mut self, d: Xmm, a: Xmm) {
        let ones = self.pool_u128(splat8(1));
        self.vload(XSCRATCH, ones);
        self.vrrr(VPMADDUBSW, d, XSCRATCH, a);
    }

    /// `i16x8.extadd_pairwise_i8x16_u`
    pub(crate) fn i16x8_extadd_pairwise_i8x16_u(&mut self, d: Xmm, a: Xmm) {
        let ones = self.pool_u128(splat8(1));
        self.vrrm(VPMADDUBSW, d, a, ones);
    }

    /// `i32x4.extadd_pairwise_i16x8_s`
    pub(crate) fn i32x4_extadd_pairwise_i16x8_s(&mut self, d: Xmm, a: Xmm) {
        let ones = self.pool_u128(splat16(1));
        self.vrrm(VPMADDWD, d, a, ones);
    }

    /// `i32x4.extadd_pairwise_i16x8_u`
    pub(crate) fn i32x4_extadd_pairwise_i16x8_u(&mut self, d: Xmm, a: Xmm) {
        let low = self.pool_u128(splat32(0xffff));
        self.vshift_ri(PSRLD, XSCRATCH, a, 16);
        self.vrrm(VPAND, d, a, low);
        self.vrrr(VPADDD, d, d, XSCRATCH);
    }
}
