//! Float arithmetic and comparisons.

use super::{splat32, splat64};
use crate::masm::vex::*;
use crate::masm::{Addr, Asm, XSCRATCH, Xmm};

/// The lanes of a float vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lanes {
    /// Four of single precision.
    F32x4,
    /// Two of double precision.
    F64x2,
}

/// The predicates of comparisons that the hardware has, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FloatCompare {
    /// Equal.
    Eq = 0,
    /// Less.
    Lt = 1,
    /// Less or equal.
    Le = 2,
    /// One of them is a NaN.
    Unordered = 3,
    /// Not equal, or one of them is a NaN.
    Ne = 4,
    /// Greater or equal.
    Ge = 13,
}

impl Lanes {
    /// The instruction for these lanes.
    const fn pick(self, single: Vex, double: Vex) -> Vex {
        match self {
            Self::F32x4 => single,
            Self::F64x2 => double,
        }
    }

    const fn sign_mask(self) -> u128 {
        match self {
            Self::F32x4 => splat32(1 << 31),
            Self::F64x2 => splat64(1 << 63),
        }
    }

    const fn canonical_nan(self) -> u128 {
        match self {
            Self::F32x4 => splat32(0x7fc0_0000),
            Self::F64x2 => splat64(0x7ff8_0000_0000_0000),
        }
    }
}

impl Asm {
    /// Compares lanes.
    pub(crate) fn vcmp(&mut self, lanes: Lanes, cmp: FloatCompare, d: Xmm, a: Xmm, b: Xmm) {
        self.vrrri(lanes.pick(imm::VCMPPS, imm::VCMPPD), d, a, b, cmp as u8);
    }

    /// Compares lanes with those in memory.
    pub(super) fn vcmp_mem(&mut self, lanes: Lanes, cmp: FloatCompare, d: Xmm, a: Xmm, mem: Addr) {
        self.vrrmi(lanes.pick(imm::VCMPPS, imm::VCMPPD), d, a, mem, cmp as u8);
    }

    /// `abs`
    pub(crate) fn vfabs(&mut self, lanes: Lanes, d: Xmm, a: Xmm) {
        let magnitude = self.pool_u128(!lanes.sign_mask());
        self.vrrm(VPAND, d, a, magnitude);
    }

    /// `neg`
    pub(crate) fn vfneg(&mut self, lanes: Lanes, d: Xmm, a: Xmm) {
        let sign = self.pool_u128(lanes.sign_mask());
        self.vrrm(VPXOR, d, a, sign);
    }

    /// `nearest`, `floor`, `ceil`, `trunc` by mode 0 to 3; no precision exception.
    pub(crate) fn vround(&mut self, lanes: Lanes, d: Xmm, a: Xmm, mode: u8) {
        self.vrri(lanes.pick(imm::VROUNDPS, imm::VROUNDPD), d, a, mode | 8);
    }

    /// `min`. The hardware's minimum returns its second operand when one is a NaN or both are
    /// zero, so both orders are computed: together they have the sign of -0 and any NaN, which
    /// then becomes canonical.
    pub(crate) fn vfmin(&mut self, lanes: Lanes, d: Xmm, a: Xmm, b: Xmm) {
        let min = lanes.pick(VMINPS, VMINPD);
        self.vrrr(min, XSCRATCH, a, b);
        self.vrrr(min, d, b, a);
        self.vrrr(lanes.pick(VORPS, VORPD), XSCRATCH, XSCRATCH, d);
        self.canonical_or(lanes, d);
    }

    /// `max`. Like [`Self::vfmin`]; where the two orders differ, subtracting the difference of
    /// their bits leaves +0 of two zeros, and a NaN a NaN.
    pub(crate) fn vfmax(&mut self, lanes: Lanes, d: Xmm, a: Xmm, b: Xmm) {
        let max = lanes.pick(VMAXPS, VMAXPD);
        self.vrrr(max, XSCRATCH, a, b);
        self.vrrr(max, d, b, a);
        self.vrrr(lanes.pick(VXORPS, VXORPD), d, d, XSCRATCH);
        self.vrrr(lanes.pick(VORPS, VORPD), XSCRATCH, XSCRATCH, d);
        self.vrrr(lanes.pick(VSUBPS, VSUBPD), XSCRATCH, XSCRATCH, d);
        self.canonical_or(lanes, d);
    }

    /// `d` = the scratch register, with NaNs made canonical (of either sign).
    fn canonical_or(&mut self, lanes: Lanes, d: Xmm) {
        self.vcmp(lanes, FloatCompare::Unordered, d, XSCRATCH, XSCRATCH);
        self.vrrr(lanes.pick(VORPS, VORPD), XSCRATCH, XSCRATCH, d);
        // The payload bits below the quiet bit.
        match lanes {
            Lanes::F32x4 => self.vshift_ri(PSRLD, d, d, 10),
            Lanes::F64x2 => self.vshift_ri(PSRLQ, d, d, 13),
        }
        self.vrrr(lanes.pick(VANDNPS, VANDNPD), d, d, XSCRATCH);
    }

    /// Replaces NaNs by the positive canonical one.
    pub(crate) fn vcanonicalize(&mut self, lanes: Lanes, d: Xmm) {
        let nan = self.pool_u128(lanes.canonical_nan());
        self.vcmp(lanes, FloatCompare::Unordered, XSCRATCH, d, d);
        let blend = lanes.pick(imm::VBLENDVPS, imm::VBLENDVPD);
        self.vrrmi(blend, d, d, nan, XSCRATCH.0 << 4);
    }
}
