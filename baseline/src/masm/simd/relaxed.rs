//! Relaxed operators, where the hardware's choice takes fewer instructions, and the deterministic
//! profile's choice where no other operator has it.

use super::{HIGH_HALF, splat16};
use crate::masm::vex::*;
use crate::masm::{Asm, XSCRATCH, Xmm};

/// A fused multiplication and addition in its two forms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FusedOp {
    /// `d = d * x + y`
    multiply: Vex,
    /// `d = x * y + d`
    accumulate: Vex,
}

macro_rules! fused {
    ($($name:ident = $multiply:ident $accumulate:ident;)*) => {
        impl FusedOp {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub(crate) const $name: Self =
                    Self { multiply: $multiply, accumulate: $accumulate };
            )*
        }
    };
}

fused! {
    MADD_PS = VFMADD213PS VFMADD231PS;
    MADD_PD = VFMADD213PD VFMADD231PD;
    NMADD_PS = VFNMADD213PS VFNMADD231PS;
    NMADD_PD = VFNMADD213PD VFNMADD231PD;
}

impl Asm {
    /// `i8x16.relaxed_laneselect` and those of wider lanes: `blend` looks at the top bit of each
    /// of its lanes.
    pub(crate) fn relaxed_laneselect(&mut self, blend: Vex, d: Xmm, a: Xmm, b: Xmm, mask: Xmm) {
        self.vrrri(blend, d, b, a, mask.0 << 4);
    }

    /// `i16x8.relaxed_laneselect`: the top bit of a lane is spread over its two bytes first.
    pub(crate) fn i16x8_relaxed_laneselect(&mut self, d: Xmm, a: Xmm, b: Xmm, mask: Xmm) {
        self.vshift_ri(PSRAW, XSCRATCH, mask, 15);
        self.vrrri(imm::VPBLENDVB, d, b, a, XSCRATCH.0 << 4);
    }

    /// `relaxed_madd` or `relaxed_nmadd`, fused, in the form that destroys what `d` already holds.
    pub(crate) fn fused_madd(&mut self, op: FusedOp, d: Xmm, a: Xmm, b: Xmm, c: Xmm) {
        if d == c {
            return self.vrrr(op.accumulate, d, a, b);
        }
        if d == b {
            return self.vrrr(op.multiply, d, a, c);
        }
        if d != a {
            self.mov_xx(d, a);
        }
        self.vrrr(op.multiply, d, b, c);
    }

    /// `relaxed_madd`, not fused.
    pub(crate) fn unfused_madd(&mut self, mul: Vex, add: Vex, d: Xmm, a: Xmm, b: Xmm, c: Xmm) {
        self.vrrr(mul, XSCRATCH, a, b);
        self.vrrr(add, d, XSCRATCH, c);
    }

    /// `relaxed_nmadd`, not fused: `c - a * b`, as the negation of a product is exact.
    pub(crate) fn unfused_nmadd(&mut self, mul: Vex, sub: Vex, d: Xmm, a: Xmm, b: Xmm, c: Xmm) {
        self.vrrr(mul, XSCRATCH, a, b);
        self.vrrr(sub, d, c, XSCRATCH);
    }

    /// `i16x8.relaxed_dot_i8x16_i7x16_s` of the deterministic profile: signed, and saturated.
    pub(crate) fn i16x8_signed_dot(&mut self, d: Xmm, a: Xmm, b: Xmm, t: Xmm) {
        self.vrr(VPMOVSXBW, XSCRATCH, a);
        self.vrr(VPMOVSXBW, t, b);
        self.vrrr(VPMADDWD, XSCRATCH, XSCRATCH, t);
        self.vrri(imm::VPSHUFD, t, a, HIGH_HALF);
        self.vrri(imm::VPSHUFD, d, b, HIGH_HALF);
        self.vrr(VPMOVSXBW, t, t);
        self.vrr(VPMOVSXBW, d, d);
        self.vrrr(VPMADDWD, d, d, t);
        self.vrrr(VPACKSSDW, d, XSCRATCH, d);
    }

    /// `i32x4.relaxed_dot_i8x16_i7x16_add_s`
    pub(crate) fn i32x4_relaxed_dot_add(&mut self, d: Xmm, a: Xmm, b: Xmm, c: Xmm) {
        self.vrrr(VPMADDUBSW, XSCRATCH, b, a);
        self.add_pairs(d, XSCRATCH, c);
    }

    /// `d` = pairs of `dot` added, plus `c`.
    pub(crate) fn add_pairs(&mut self, d: Xmm, dot: Xmm, c: Xmm) {
        let ones = self.pool_u128(splat16(1));
        self.vrrm(VPMADDWD, XSCRATCH, dot, ones);
        self.vrrr(VPADDD, d, XSCRATCH, c);
    }
}
