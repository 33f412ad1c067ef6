//! Reference semantics of the simple operators of [`crate::ops`].
//!
//! Each operator has a typed function of its own name: [`i32_add`], [`f64_min`],
//! [`simd::i8x16_add`]. Floats are passed as their bits (`u32`, `u64`), vectors as [`V128`].
//! [`apply`] finds the function of an operator, for constant folding and as the oracle of generated
//! tests: there every value is a `u128` whose low bits hold the scalar and
//! whose upper bits are zero (in operands they are ignored).
//!
//! Where WebAssembly lets a result be one of several NaNs
//! ([§4.3.3](https://webassembly.github.io/spec/core/exec/numerics.html#nan-propagation)), the
//! functions give what x86-64 hardware does: the first NaN operand, quieted, or the negative
//! canonical NaN when no operand is one. Relaxed vector operators give the result of the
//! deterministic profile; [`relaxed_results`] lists all results that are allowed.

mod convert;
mod float;
mod int;
pub mod simd;

pub use convert::*;
pub use float::*;
pub use int::*;

use crate::ops::{LaneOp, ScalarOp, SimdOp, SimpleOp};
use crate::trap::Trap;
use crate::types::ValType;
use simd::V128;

/// Declares one function per row: `name(operands) -> result = body;`.
macro_rules! functions {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = $body:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name($($arg: $ty),*) -> $ret {
            $body
        }
    )*};
}
use functions;

/// A value of an operator's operand or result type.
trait Value: Sized {
    fn from_bits(bits: u128) -> Self;
    fn to_bits(self) -> u128;
}

macro_rules! integer_values {
    ($($ty:ident)*) => {$(
        impl Value for $ty {
            fn from_bits(bits: u128) -> Self {
                let mut bytes = [0; size_of::<$ty>()];
                bytes.copy_from_slice(&bits.to_le_bytes()[..size_of::<$ty>()]);
                Self::from_le_bytes(bytes)
            }

            fn to_bits(self) -> u128 {
                u128::from_le_bytes(widen(&self.to_le_bytes()))
            }
        }
    )*};
}

integer_values! { i32 i64 u32 u64 }

impl Value for V128 {
    fn from_bits(bits: u128) -> Self {
        bits.to_le_bytes()
    }

    fn to_bits(self) -> u128 {
        u128::from_le_bytes(self)
    }
}

/// Zero-extends little-endian bytes to 16.
fn widen(bytes: &[u8]) -> [u8; 16] {
    let mut wide = [0; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    wide
}

/// What a reference function returns: a value, or a value or a trap.
trait Outcome {
    fn outcome(self) -> Result<u128, Trap>;
}

impl<T: Value> Outcome for T {
    fn outcome(self) -> Result<u128, Trap> {
        Ok(self.to_bits())
    }
}

/// The result of an operator that may trap.
struct Fallible<T>(Result<T, Trap>);

impl<T: Value> Outcome for Fallible<T> {
    fn outcome(self) -> Result<u128, Trap> {
        self.0.map(Value::to_bits)
    }
}

/// Hands out operands in order.
struct Operands<'a>(std::slice::Iter<'a, u128>);

impl Operands<'_> {
    /// The next operand; its type is that of the reference function's parameter.
    fn next<T: Value>(&mut self, _ty: ValType) -> T {
        T::from_bits(*self.0.next().expect("as many operands as the operator has parameters"))
    }
}

macro_rules! wrap_outcome {
    (total $call:expr) => {
        $call
    };
    (traps $call:expr) => {
        Fallible($call)
    };
}

macro_rules! define_apply_scalar {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $effect:ident;)*) => {
        fn apply_scalar(op: ScalarOp, mut operands: Operands<'_>) -> Result<u128, Trap> {
            match op {
                $(ScalarOp::$name => {
                    wrap_outcome!($effect $name($(operands.next(ValType::$param)),*)).outcome()
                })*
            }
        }
    };
}

macro_rules! define_apply_simd {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident total;)*) => {
        fn apply_simd(op: SimdOp, mut operands: Operands<'_>) -> u128 {
            match op {
                $(SimdOp::$name => {
                    simd::$name($(operands.next(ValType::$param)),*).to_bits()
                })*
            }
        }
    };
}

macro_rules! define_apply_lane {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $lanes:literal;)*) => {
        /// The result of an operator with lane `lane`.
        ///
        /// # Panics
        /// When there are fewer operands than parameters, or the lane is too large.
        #[must_use]
        pub fn apply_lane(op: LaneOp, lane: u8, operands: &[u128]) -> u128 {
            let mut operands = Operands(operands.iter());
            match op {
                $(LaneOp::$name => {
                    simd::$name($(operands.next(ValType::$param),)* lane).to_bits()
                })*
            }
        }
    };
}

crate::for_each_scalar_op! { define_apply_scalar }
crate::for_each_simd_op! { define_apply_simd }
crate::for_each_lane_op! { define_apply_lane }

/// The result of an operator.
///
/// # Errors
/// The trap that the operands cause.
///
/// # Panics
/// When there are fewer operands than parameters.
pub fn apply(op: impl Into<SimpleOp>, operands: &[u128]) -> Result<u128, Trap> {
    let operands = Operands(operands.iter());
    match op.into() {
        SimpleOp::Scalar(op) => apply_scalar(op, operands),
        SimpleOp::Simd(op) => Ok(apply_simd(op, operands)),
    }
}

/// All results that the specification allows for an operator, the deterministic profile's first.
/// Lanes are not mixed: an implementation makes one choice for a whole operator. Operators that
/// are not relaxed have one result (whose NaNs still stand for all allowed NaNs).
///
/// # Panics
/// When there are fewer operands than parameters.
#[must_use]
pub fn relaxed_results(op: SimdOp, operands: &[u128]) -> Vec<u128> {
    let mut results = vec![apply_simd(op, Operands(operands.iter()))];
    let vectors: Vec<V128> = operands.iter().map(|bits| bits.to_le_bytes()).collect();
    for other in simd::relaxed_alternatives(op, &vectors) {
        let bits = other.to_bits();
        if !results.contains(&bits) {
            results.push(bits);
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apply_reads_low_bits_and_clears_high_ones() {
        let garbage = 0xdead_beef_u128 << 64;
        assert_eq!(apply(ScalarOp::i32_add, &[garbage | 0xffff_ffff, 2]), Ok(1));
        assert_eq!(apply(ScalarOp::i32_sub, &[0, 1]), Ok(0xffff_ffff));
        assert_eq!(apply(ScalarOp::i64_extend_i32_s, &[0x8000_0000]), Ok(0xffff_ffff_8000_0000));
        assert_eq!(apply(ScalarOp::i32_div_u, &[1, 0]), Err(Trap::IntegerDivisionByZero));
        assert_eq!(apply(SimdOp::i8x16_splat, &[0x1ff]), Ok(u128::MAX));
        assert_eq!(apply_lane(LaneOp::i8x16_extract_lane_s, 1, &[0x8000]), 0xffff_ff80);
    }

    #[test]
    fn every_row_has_a_function() {
        for op in SimpleOp::all() {
            let operands: Vec<u128> = op.params().iter().map(|_| 1).collect();
            assert!(apply(op, &operands).is_ok(), "{}", op.name());
        }
        for &op in LaneOp::ALL {
            let _ = apply_lane(op, op.lanes() - 1, &[1, 1]);
        }
    }
}
