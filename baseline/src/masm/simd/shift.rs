//! Shifts of lanes, by a constant or by a count in a register.

use super::{splat8, splat64};
use crate::masm::vex::*;
use crate::masm::{Asm, Gpr, XSCRATCH, Xmm};

/// A shift that the hardware has for the lanes' width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneShift {
    by_register: Vex,
    by_constant: ShiftImm,
    lane_bits: u8,
}

macro_rules! lane_shifts {
    ($($name:ident = $by_register:ident $by_constant:ident $lane_bits:literal;)*) => {
        impl LaneShift {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub(crate) const $name: Self = Self {
                    by_register: $by_register,
                    by_constant: $by_constant,
                    lane_bits: $lane_bits,
                };
            )*
        }
    };
}

lane_shifts! {
    I16X8_SHL = VPSLLW PSLLW 16;
    I16X8_SHR_S = VPSRAW PSRAW 16;
    I16X8_SHR_U = VPSRLW PSRLW 16;
    I32X4_SHL = VPSLLD PSLLD 32;
    I32X4_SHR_S = VPSRAD PSRAD 32;
    I32X4_SHR_U = VPSRLD PSRLD 32;
    I64X2_SHL = VPSLLQ PSLLQ 64;
    I64X2_SHR_U = VPSRLQ PSRLQ 64;
}

impl Asm {
    /// A shift by a constant below the lanes' width.
    pub(crate) fn vshift_const(&mut self, shift: LaneShift, d: Xmm, a: Xmm, count: u32) {
        self.vshift_ri(shift.by_constant, d, a, count as u8 & (shift.lane_bits - 1));
    }

    /// A shift by a register.
    pub(crate) fn vshift_var(&mut self, shift: LaneShift, d: Xmm, a: Xmm, count: Gpr) {
        self.vshift_count(XSCRATCH, count, shift.lane_bits, 0);
        self.vrrr(shift.by_register, d, a, XSCRATCH);
    }

    /// `i8x16.shl` by a constant: bits that came from the lane below are cleared.
    pub(crate) fn i8x16_shl_const(&mut self, d: Xmm, a: Xmm, count: u32) {
        let count = count as u8 & 7;
        let mask = self.pool_u128(splat8(0xff << count));
        self.vshift_ri(PSLLW, d, a, count);
        self.vrrm(VPAND, d, d, mask);
    }

    /// `i8x16.shr_u` by a constant.
    pub(crate) fn i8x16_shr_u_const(&mut self, d: Xmm, a: Xmm, count: u32) {
        let count = count as u8 & 7;
        let mask = self.pool_u128(splat8(0xff >> count));
        self.vshift_ri(PSRLW, d, a, count);
        self.vrrm(VPAND, d, d, mask);
    }

    /// `i8x16.shr_s` by a constant, on lanes twice as wide with the byte on top.
    pub(crate) fn i8x16_shr_s_const(&mut self, d: Xmm, a: Xmm, count: u32) {
        let count = (count as u8 & 7) + 8;
        self.vrrr(VPUNPCKLBW, XSCRATCH, a, a);
        self.vrrr(VPUNPCKHBW, d, a, a);
        self.vshift_ri(PSRAW, XSCRATCH, XSCRATCH, count);
        self.vshift_ri(PSRAW, d, d, count);
        self.vrrr(VPACKSSWB, d, XSCRATCH, d);
    }

    /// `i64x2.shr_s` by a constant: a logical shift whose shifted sign bit is extended by
    /// `(x ^ sign) - sign`.
    pub(crate) fn i64x2_shr_s_const(&mut self, d: Xmm, a: Xmm, count: u32) {
        let count = count as u8 & 63;
        let sign = self.pool_u128(splat64(1 << 63 >> count));
        self.vshift_ri(PSRLQ, d, a, count);
        self.vrrm(VPXOR, d, d, sign);
        self.vrrm(VPSUBQ, d, d, sign);
    }

    /// `i8x16.shl`: the mask is the low byte of shifted ones.
    pub(crate) fn i8x16_shl(&mut self, d: Xmm, a: Xmm, count: Gpr, t: Xmm) {
        self.vshift_count(XSCRATCH, count, 8, 0);
        self.vones(t);
        self.vrrr(VPSLLW, t, t, XSCRATCH);
        self.vrrr(VPSLLW, d, a, XSCRATCH);
        self.vrr(VPBROADCASTB, t, t);
        self.vrrr(VPAND, d, d, t);
    }

    /// `i8x16.shr_u`: the mask is the high byte of shifted ones.
    pub(crate) fn i8x16_shr_u(&mut self, d: Xmm, a: Xmm, count: Gpr, t: Xmm) {
        self.vshift_count(XSCRATCH, count, 8, 0);
        self.vones(t);
        self.vrrr(VPSRLW, t, t, XSCRATCH);
        self.vrrr(VPSRLW, d, a, XSCRATCH);
        self.vshift_ri(PSRLW, t, t, 8);
        self.vrr(VPBROADCASTB, t, t);
        self.vrrr(VPAND, d, d, t);
    }

    /// `i8x16.shr_s`, like [`Self::i8x16_shr_s_const`].
    pub(crate) fn i8x16_shr_s(&mut self, d: Xmm, a: Xmm, count: Gpr, t: Xmm) {
        self.vshift_count(XSCRATCH, count, 8, 8);
        self.vrrr(VPUNPCKHBW, t, a, a);
        self.vrrr(VPUNPCKLBW, d, a, a);
        self.vrrr(VPSRAW, t, t, XSCRATCH);
        self.vrrr(VPSRAW, d, d, XSCRATCH);
        self.vrrr(VPACKSSWB, d, d, t);
    }

    /// `i64x2.shr_s`, like [`Self::i64x2_shr_s_const`].
    pub(crate) fn i64x2_shr_s(&mut self, d: Xmm, a: Xmm, count: Gpr, t: Xmm) {
        let sign = self.pool_u128(splat64(1 << 63));
        self.vshift_count(XSCRATCH, count, 64, 0);
        self.vload(t, sign);
        self.vrrr(VPSRLQ, t, t, XSCRATCH);
        self.vrrr(VPSRLQ, d, a, XSCRATCH);
        self.vrrr(VPXOR, d, d, t);
        self.vrrr(VPSUBQ, d, d, t);
    }
}
