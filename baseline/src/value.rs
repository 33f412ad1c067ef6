//! What the compiler knows about a value: its class, and where it is.

use crate::masm::{Cond, Gpr, Prec, Width, Xmm};
use upshift_abi::types::ValType;

/// The classes of values that code generation tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    /// 32-bit integer, zero-extended in a register.
    I32,
    /// 64-bit integer.
    I64,
    /// Single precision float.
    F32,
    /// Double precision float.
    F64,
    /// Vector.
    V128,
    /// Reference: 64 bits, always also in its frame slot at a safepoint.
    Ref,
}

impl Ty {
    /// The class of a wasm type.
    #[inline]
    pub(crate) const fn of(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::I32,
            ValType::I64 => Self::I64,
            ValType::F32 => Self::F32,
            ValType::F64 => Self::F64,
            ValType::V128 => Self::V128,
            ValType::Ref(_) => Self::Ref,
        }
    }

    /// Whether values live in vector registers.
    #[inline]
    pub(crate) const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::V128)
    }

    /// Bytes of a frame slot.
    #[inline]
    pub(crate) const fn slot_bytes(self) -> u32 {
        if matches!(self, Self::V128) { 16 } else { 8 }
    }

    /// Width of an integer or reference.
    #[inline]
    pub(crate) const fn width(self) -> Width {
        if matches!(self, Self::I32 | Self::F32) { Width::W32 } else { Width::W64 }
    }

    /// Precision of a scalar float.
    #[inline]
    pub(crate) const fn prec(self) -> Prec {
        if matches!(self, Self::F32) { Prec::Single } else { Prec::Double }
    }
}

/// A register of either class: 0 to 15 general, 16 to 31 vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reg(pub(crate) u8);

impl Reg {
    /// The register's bit in a set.
    #[inline]
    pub(crate) const fn bit(self) -> u32 {
        1 << self.0
    }

    /// Its subscript.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether it is a vector register.
    #[inline]
    pub(crate) const fn is_float(self) -> bool {
        self.0 >= 16
    }

    /// The general register.
    #[inline]
    pub(crate) fn gpr(self) -> Gpr {
        debug_assert!(!self.is_float(), "a general register");
        Gpr(self.0)
    }

    /// The vector register.
    #[inline]
    pub(crate) fn xmm(self) -> Xmm {
        debug_assert!(self.is_float(), "a vector register");
        Xmm(self.0 - 16)
    }
}

impl From<Gpr> for Reg {
    #[inline]
    fn from(r: Gpr) -> Self {
        Self(r.0)
    }
}

impl From<Xmm> for Reg {
    #[inline]
    fn from(r: Xmm) -> Self {
        Self(r.0 + 16)
    }
}

/// Where an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A constant: the bits of an integer, float or null reference.
    Const(u64),
    /// In a register that belongs to the operand.
    Reg(Reg),
    /// The present value of a local, not copied yet.
    Local(u32),
    /// In the operand's own frame slot.
    Slot,
    /// A comparison result that only lives in the flags; the next operator consumes it.
    Flags(Cond),
}

/// An entry of the operand stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    /// Where it is.
    pub(crate) value: Value,
    /// Its class.
    pub(crate) ty: Ty,
    /// Its own frame slot: distance below the frame pointer.
    pub(crate) slot: u32,
}
