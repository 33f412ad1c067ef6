//! Vector operators that need more than one instruction.
//!
//! Each function is the lowering of the WebAssembly operator (or operators) of its name. The
//! destination may be the register of a source; a further temporary that a function asks for
//! (`t`) may not be any other of its registers. The assembler's own temporary is used freely.

mod convert;
mod float;
mod int;
mod lane;
mod relaxed;
mod shift;
mod shuffle;
mod widen;

use super::vex::{VPCMPEQD, VPXOR};
use super::{Asm, Xmm};

pub(crate) use float::{FloatCompare, Lanes};
pub(crate) use lane::LaneWidth;
pub(crate) use relaxed::FusedOp;
pub(crate) use shift::LaneShift;

/// Upper half of the register to both halves, for [`super::vex::imm::VPSHUFD`].
const HIGH_HALF: u8 = 0xee;

/// A vector of sixteen equal bytes.
const fn splat8(value: u8) -> u128 {
    u128::from_le_bytes([value; 16])
}

/// A vector of eight equal 16-bit lanes.
const fn splat16(value: u16) -> u128 {
    splat32((value as u32) << 16 | value as u32)
}

/// A vector of four equal 32-bit lanes.
const fn splat32(value: u32) -> u128 {
    splat64((value as u64) << 32 | value as u64)
}

/// A vector of two equal 64-bit lanes.
const fn splat64(value: u64) -> u128 {
    (value as u128) << 64 | value as u128
}

impl Asm {
    /// All bits clear.
    #[inline]
    pub(crate) fn vzero(&mut self, d: Xmm) {
        self.vrrr(VPXOR, d, d, d);
    }

    /// All bits set.
    #[inline]
    pub(crate) fn vones(&mut self, d: Xmm) {
        self.vrrr(VPCMPEQD, d, d, d);
    }

    /// `v128.const`
    pub(crate) fn v128_const(&mut self, d: Xmm, bits: u128) {
        match bits {
            0 => self.vzero(d),
            u128::MAX => self.vones(d),
            _ => {
                let constant = self.pool_u128(bits);
                self.vload(d, constant);
            }
        }
    }
}
