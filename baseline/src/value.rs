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

/// An entry of the operand stack: where it is, its class, and its own frame slot.
///
/// Two words, so that it travels in registers, and is read from the stack just as it was written
/// there: reading a number of small writes at once would stall.
///
/// ```text
/// bits   the payload of the value: constant, register, local, condition
/// meta   kind of value | class << 8 | slot << 32
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    bits: u64,
    meta: u64,
}

/// Kinds of values in an [`Operand`].
mod kind {
    pub(super) const CONST: u8 = 0;
    pub(super) const REG: u8 = 1;
    pub(super) const LOCAL: u8 = 2;
    pub(super) const SLOT: u8 = 3;
    pub(super) const FLAGS: u8 = 4;
}

impl Operand {
    /// An operand with its frame slot, the distance below the frame pointer.
    #[inline(always)]
    pub(crate) const fn new(value: Value, ty: Ty, slot: u32) -> Self {
        let (kind, bits) = Self::encode(value);
        Self { bits, meta: kind as u64 | (ty as u64) << 8 | (slot as u64) << 32 }
    }

    #[inline(always)]
    const fn encode(value: Value) -> (u8, u64) {
        match value {
            Value::Const(bits) => (kind::CONST, bits),
            Value::Reg(r) => (kind::REG, r.0 as u64),
            Value::Local(index) => (kind::LOCAL, index as u64),
            Value::Slot => (kind::SLOT, 0),
            Value::Flags(cond) => (kind::FLAGS, cond.0 as u64),
        }
    }

    /// Where it is.
    #[inline(always)]
    pub(crate) const fn value(self) -> Value {
        match self.meta as u8 {
            kind::CONST => Value::Const(self.bits),
            kind::REG => Value::Reg(Reg(self.bits as u8)),
            kind::LOCAL => Value::Local(self.bits as u32),
            kind::SLOT => Value::Slot,
            _ => Value::Flags(Cond(self.bits as u8)),
        }
    }

    /// Moves it.
    #[inline(always)]
    pub(crate) const fn set_value(&mut self, value: Value) {
        let (kind, bits) = Self::encode(value);
        self.bits = bits;
        self.meta = self.meta & !0xff | kind as u64;
    }

    /// Its class.
    #[inline(always)]
    pub(crate) const fn ty(self) -> Ty {
        match (self.meta >> 8) as u8 {
            0 => Ty::I32,
            1 => Ty::I64,
            2 => Ty::F32,
            3 => Ty::F64,
            4 => Ty::V128,
            _ => Ty::Ref,
        }
    }

    /// Its own frame slot: distance below the frame pointer.
    #[inline(always)]
    pub(crate) const fn slot(self) -> u32 {
        (self.meta >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_keep_what_they_are_made_of() {
        let types = [Ty::I32, Ty::I64, Ty::F32, Ty::F64, Ty::V128, Ty::Ref];
        let values = [
            Value::Const(u64::MAX),
            Value::Reg(Reg(31)),
            Value::Local(50_000),
            Value::Slot,
            Value::Flags(Cond::G),
        ];
        for ty in types {
            for value in values {
                let mut operand = Operand::new(value, ty, u32::MAX);
                assert_eq!((operand.value(), operand.ty(), operand.slot()), (value, ty, u32::MAX));
                operand.set_value(Value::Slot);
                assert_eq!((operand.value(), operand.ty()), (Value::Slot, ty));
            }
        }
    }
}
