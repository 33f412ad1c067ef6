//! Single lanes: splats, extraction and replacement, and lanes in memory.

use super::{HIGH_HALF, splat8, splat16, splat32, splat64};
use crate::masm::vex::*;
use crate::masm::{Addr, Asm, Gpr, Prec, Width, Xmm};

/// Width of a lane that is handled as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneWidth {
    /// 8 bits.
    L8,
    /// 16 bits.
    L16,
    /// 32 bits.
    L32,
    /// 64 bits.
    L64,
}

impl LaneWidth {
    /// Bytes of a lane.
    pub(crate) const fn bytes(self) -> u32 {
        match self {
            Self::L8 => 1,
            Self::L16 => 2,
            Self::L32 => 4,
            Self::L64 => 8,
        }
    }

    /// A vector whose lanes all are the low bits of `value`.
    pub(crate) const fn splat(self, value: u64) -> u128 {
        match self {
            Self::L8 => splat8(value as u8),
            Self::L16 => splat16(value as u16),
            Self::L32 => splat32(value as u32),
            Self::L64 => splat64(value),
        }
    }

    /// Width of the general register that holds a lane.
    const fn register(self) -> Width {
        if matches!(self, Self::L64) { Width::W64 } else { Width::W32 }
    }

    const fn broadcast(self) -> Vex {
        match self {
            Self::L8 => VPBROADCASTB,
            Self::L16 => VPBROADCASTW,
            Self::L32 => VPBROADCASTD,
            Self::L64 => VPBROADCASTQ,
        }
    }

    const fn insert(self) -> Vex {
        match self {
            Self::L8 => imm::VPINSRB,
            Self::L16 => imm::VPINSRW,
            Self::L32 => imm::VPINSRD,
            Self::L64 => imm::VPINSRQ,
        }
    }

    const fn extract(self) -> Vex {
        match self {
            Self::L8 => imm::VPEXTRB,
            Self::L16 => imm::VPEXTRW,
            Self::L32 => imm::VPEXTRD,
            Self::L64 => imm::VPEXTRQ,
        }
    }
}

impl Asm {
    /// `splat` of an integer.
    pub(crate) fn splat_int(&mut self, lane: LaneWidth, d: Xmm, s: Gpr) {
        self.mov_xr(lane.register(), d, s);
        self.vrr(lane.broadcast(), d, d);
    }

    /// `splat` of a float.
    pub(crate) fn splat_float(&mut self, p: Prec, d: Xmm, s: Xmm) {
        self.vrr(if p == Prec::Single { VBROADCASTSS } else { VMOVDDUP }, d, s);
    }

    /// `extract_lane` of an integer, zero-extended.
    pub(crate) fn extract_int(&mut self, lane: LaneWidth, d: Gpr, s: Xmm, index: u8) {
        match (lane, index) {
            (LaneWidth::L32 | LaneWidth::L64, 0) => self.mov_rx(lane.register(), d, s),
            _ => self.vextract(lane.extract(), d, s, index),
        }
    }

    /// `extract_lane` of a float.
    pub(crate) fn extract_float(&mut self, p: Prec, d: Xmm, s: Xmm, index: u8) {
        match (p, index) {
            (_, 0) if d == s => {}
            (_, 0) => self.mov_xx(d, s),
            (Prec::Single, _) => self.vrri(imm::VPSHUFD, d, s, index),
            (Prec::Double, _) => self.vrri(imm::VPSHUFD, d, s, HIGH_HALF),
        }
    }

    /// `replace_lane` by an integer.
    pub(crate) fn replace_int(&mut self, lane: LaneWidth, d: Xmm, a: Xmm, s: Gpr, index: u8) {
        self.vinsert(lane.insert(), d, a, s, index);
    }

    /// `replace_lane` by a float.
    pub(crate) fn replace_float(&mut self, p: Prec, d: Xmm, a: Xmm, s: Xmm, index: u8) {
        match (p, index) {
            (Prec::Single, _) => self.vrrri(imm::VINSERTPS, d, a, s, index << 4),
            (Prec::Double, 0) => self.vrrr(VMOVSD, d, a, s),
            (Prec::Double, _) => self.vrrr(VUNPCKLPD, d, a, s),
        }
    }

    /// A lane replaced by one in memory.
    pub(crate) fn load_lane(&mut self, lane: LaneWidth, d: Xmm, a: Xmm, mem: Addr, index: u8) {
        self.vrrmi(lane.insert(), d, a, mem, index);
    }

    /// A lane to memory.
    pub(crate) fn store_lane(&mut self, lane: LaneWidth, mem: Addr, s: Xmm, index: u8) {
        match (lane, index) {
            (LaneWidth::L32, 0) => self.fstore(Prec::Single, mem, s),
            (LaneWidth::L64, 0) => self.fstore(Prec::Double, mem, s),
            _ => self.vrmi(lane.extract(), s, mem, index),
        }
    }
}
