//! Integer arithmetic, comparisons and reductions.

use super::{splat8, splat16};
use crate::masm::vex::*;
use crate::masm::{Asm, Gpr, SCRATCH, Width, XSCRATCH, Xmm};

impl Asm {
    /// `v128.not`
    pub(crate) fn v128_not(&mut self, d: Xmm, a: Xmm) {
        self.vones(XSCRATCH);
        self.vrrr(VPXOR, d, a, XSCRATCH);
    }

    /// `v128.bitselect`: bits of `a` where `mask` is set, of `b` elsewhere.
    pub(crate) fn v128_bitselect(&mut self, d: Xmm, a: Xmm, b: Xmm, mask: Xmm) {
        self.vrrr(VPAND, XSCRATCH, a, mask);
        self.vrrr(VPANDN, d, mask, b);
        self.vrrr(VPOR, d, d, XSCRATCH);
    }

    /// Negation by the lanes' subtraction.
    pub(crate) fn vneg(&mut self, sub: Vex, d: Xmm, a: Xmm) {
        self.vzero(XSCRATCH);
        self.vrrr(sub, d, XSCRATCH, a);
    }

    /// `i64x2.abs`: the negated lane where the sign bit is set.
    pub(crate) fn i64x2_abs(&mut self, d: Xmm, a: Xmm) {
        self.vneg(VPSUBQ, XSCRATCH, a);
        self.vrrri(imm::VBLENDVPD, d, a, XSCRATCH, a.0 << 4);
    }

    /// `i64x2.mul`: the low product, plus both cross products shifted up.
    pub(crate) fn i64x2_mul(&mut self, d: Xmm, a: Xmm, b: Xmm, t: Xmm) {
        self.vshift_ri(PSRLQ, XSCRATCH, a, 32);
        self.vrrr(VPMULUDQ, XSCRATCH, XSCRATCH, b);
        self.vshift_ri(PSRLQ, t, b, 32);
        self.vrrr(VPMULUDQ, t, t, a);
        self.vrrr(VPADDQ, XSCRATCH, XSCRATCH, t);
        self.vshift_ri(PSLLQ, XSCRATCH, XSCRATCH, 32);
        self.vrrr(VPMULUDQ, d, a, b);
        self.vrrr(VPADDQ, d, d, XSCRATCH);
    }

    /// `i8x16.popcnt`: a table lookup for each half of a byte.
    pub(crate) fn i8x16_popcnt(&mut self, d: Xmm, a: Xmm, t: Xmm) {
        let table =
            self.pool_u128(u128::from_le_bytes([0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4]));
        let low_nibbles = self.pool_u128(splat8(0x0f));
        self.vload(t, table);
        self.vrrm(VPAND, XSCRATCH, a, low_nibbles);
        self.vrrr(VPSHUFB, XSCRATCH, t, XSCRATCH);
        self.vshift_ri(PSRLW, d, a, 4);
        self.vrrm(VPAND, d, d, low_nibbles);
        self.vrrr(VPSHUFB, d, t, d);
        self.vrrr(VPADDB, d, d, XSCRATCH);
    }

    /// `i16x8.q15mulr_sat_s`: the hardware's product, whose only overflow is corrected.
    pub(crate) fn i16x8_q15mulr_sat_s(&mut self, d: Xmm, a: Xmm, b: Xmm) {
        let overflow = self.pool_u128(splat16(0x8000));
        self.vrrr(VPMULHRSW, d, a, b);
        self.vrrm(VPCMPEQW, XSCRATCH, d, overflow);
        self.vrrr(VPXOR, d, d, XSCRATCH);
    }

    /// The opposite of comparison `op`.
    pub(crate) fn vcompare_not(&mut self, op: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.vrrr(op, d, a, b);
        self.vones(XSCRATCH);
        self.vrrr(VPXOR, d, d, XSCRATCH);
    }

    /// Whether the minimum or maximum `op` of the operands is `a`, lane by lane compared by `eq`.
    pub(crate) fn vcompare_by(&mut self, op: Vex, eq: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.vrrr(op, XSCRATCH, a, b);
        self.vrrr(eq, d, a, XSCRATCH);
    }

    /// The opposite of [`Self::vcompare_by`].
    pub(crate) fn vcompare_by_not(&mut self, op: Vex, eq: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.vcompare_by(op, eq, d, a, b);
        self.vones(XSCRATCH);
        self.vrrr(VPXOR, d, d, XSCRATCH);
    }

    /// Sets the zero flag when no bit of `a` is set.
    pub(crate) fn vtest_any(&mut self, a: Xmm) {
        self.vrr(VPTEST, a, a);
    }

    /// Sets the zero flag when no lane is zero, lanes compared by `eq`.
    pub(crate) fn vtest_all(&mut self, eq: Vex, a: Xmm) {
        self.vzero(XSCRATCH);
        self.vrrr(eq, XSCRATCH, XSCRATCH, a);
        self.vrr(VPTEST, XSCRATCH, XSCRATCH);
    }

    /// `i16x8.bitmask`
    pub(crate) fn i16x8_bitmask(&mut self, d: Gpr, a: Xmm) {
        self.vzero(XSCRATCH);
        self.vrrr(VPACKSSWB, XSCRATCH, a, XSCRATCH);
        self.vmask_to_gpr(VPMOVMSKB, d, XSCRATCH);
    }

    /// Puts a shift count, taken modulo the width of a lane plus `extra`, into the low quarter of
    /// `d`.
    pub(super) fn vshift_count(&mut self, d: Xmm, count: Gpr, lane_bits: u8, extra: u8) {
        self.mov_rr(Width::W32, SCRATCH, count);
        self.and_ri(Width::W32, SCRATCH, i32::from(lane_bits - 1));
        if extra != 0 {
            self.add_ri(Width::W32, SCRATCH, i32::from(extra));
        }
        self.mov_xr(Width::W32, d, SCRATCH);
    }
}
