//! Float vector operators: the scalar ones on every lane.

use super::lanes::{Lane, V128, build, compare, map, zip};
use crate::eval::{self, functions};

/// Declares one operator per row: name, lane bits, scalar operator.
macro_rules! unary {
    ($($name:ident $lane:ident $scalar:ident;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128) -> V128 {
            map::<$lane>(a, eval::$scalar)
        }
    )*};
}

/// Like `unary`.
macro_rules! binary {
    ($($name:ident $lane:ident $scalar:ident;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128, b: V128) -> V128 {
            zip::<$lane>(a, b, eval::$scalar)
        }
    )*};
}

/// Like `unary`.
macro_rules! comparisons {
    ($($name:ident $lane:ident $scalar:ident;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128, b: V128) -> V128 {
            compare::<$lane>(a, b, |x, y| eval::$scalar(x, y) != 0)
        }
    )*};
}

unary! {
    f32x4_ceil u32 f32_ceil;
    f32x4_floor u32 f32_floor;
    f32x4_trunc u32 f32_trunc;
    f32x4_nearest u32 f32_nearest;
    f32x4_abs u32 f32_abs;
    f32x4_neg u32 f32_neg;
    f32x4_sqrt u32 f32_sqrt;
    f64x2_ceil u64 f64_ceil;
    f64x2_floor u64 f64_floor;
    f64x2_trunc u64 f64_trunc;
    f64x2_nearest u64 f64_nearest;
    f64x2_abs u64 f64_abs;
    f64x2_neg u64 f64_neg;
    f64x2_sqrt u64 f64_sqrt;
}

binary! {
    f32x4_add u32 f32_add;
    f32x4_sub u32 f32_sub;
    f32x4_mul u32 f32_mul;
    f32x4_div u32 f32_div;
    f32x4_min u32 f32_min;
    f32x4_max u32 f32_max;
    f64x2_add u64 f64_add;
    f64x2_sub u64 f64_sub;
    f64x2_mul u64 f64_mul;
    f64x2_div u64 f64_div;
    f64x2_min u64 f64_min;
    f64x2_max u64 f64_max;
}

comparisons! {
    f32x4_eq u32 f32_eq;
    f32x4_ne u32 f32_ne;
    f32x4_lt u32 f32_lt;
    f32x4_gt u32 f32_gt;
    f32x4_le u32 f32_le;
    f32x4_ge u32 f32_ge;
    f64x2_eq u64 f64_eq;
    f64x2_ne u64 f64_ne;
    f64x2_lt u64 f64_lt;
    f64x2_gt u64 f64_gt;
    f64x2_le u64 f64_le;
    f64x2_ge u64 f64_ge;
}

/// Lane `i` of `f64` bits converted to a 32-bit lane, 0 in the upper half.
fn low_half(a: &V128, i: usize, f: impl Fn(u64) -> u32) -> u32 {
    if i < 2 { f(u64::get(a, i)) } else { 0 }
}

functions! {
    f32x4_pmin(a: V128, b: V128) -> V128 =
        zip::<u32>(a, b, |x, y| if eval::f32_lt(y, x) != 0 { y } else { x });
    f32x4_pmax(a: V128, b: V128) -> V128 =
        zip::<u32>(a, b, |x, y| if eval::f32_lt(x, y) != 0 { y } else { x });
    f64x2_pmin(a: V128, b: V128) -> V128 =
        zip::<u64>(a, b, |x, y| if eval::f64_lt(y, x) != 0 { y } else { x });
    f64x2_pmax(a: V128, b: V128) -> V128 =
        zip::<u64>(a, b, |x, y| if eval::f64_lt(x, y) != 0 { y } else { x });
    i32x4_trunc_sat_f32x4_s(a: V128) -> V128 =
        map::<u32>(a, |x| eval::i32_trunc_sat_f32_s(x).cast_unsigned());
    i32x4_trunc_sat_f32x4_u(a: V128) -> V128 =
        map::<u32>(a, |x| eval::i32_trunc_sat_f32_u(x).cast_unsigned());
    i32x4_trunc_sat_f64x2_s_zero(a: V128) -> V128 =
        build(|i| low_half(&a, i, |x| eval::i32_trunc_sat_f64_s(x).cast_unsigned()));
    i32x4_trunc_sat_f64x2_u_zero(a: V128) -> V128 =
        build(|i| low_half(&a, i, |x| eval::i32_trunc_sat_f64_u(x).cast_unsigned()));
    f32x4_convert_i32x4_s(a: V128) -> V128 =
        map::<u32>(a, |x| eval::f32_convert_i32_s(x.cast_signed()));
    f32x4_convert_i32x4_u(a: V128) -> V128 =
        map::<u32>(a, |x| eval::f32_convert_i32_u(x.cast_signed()));
    f64x2_convert_low_i32x4_s(a: V128) -> V128 =
        build(|i| eval::f64_convert_i32_s(i32::get(&a, i)));
    f64x2_convert_low_i32x4_u(a: V128) -> V128 =
        build(|i| eval::f64_convert_i32_u(i32::get(&a, i)));
    f32x4_demote_f64x2_zero(a: V128) -> V128 = build(|i| low_half(&a, i, eval::f32_demote_f64));
    f64x2_promote_low_f32x4(a: V128) -> V128 =
        build(|i| eval::f64_promote_f32(u32::get(&a, i)));
}

#[cfg(test)]
mod tests {
    use super::super::{f32x4_splat, f64x2_splat, i32x4_splat};
    use super::*;

    #[test]
    fn pseudo_minimum_returns_the_first_operand_unless_the_second_is_less() {
        let (zero, neg_zero) = (f32x4_splat(0), f32x4_splat(0x8000_0000));
        assert_eq!(f32x4_pmin(zero, neg_zero), zero);
        assert_eq!(f32x4_pmax(neg_zero, zero), neg_zero);
        let signaling = f32x4_splat(0x7fa0_0000);
        assert_eq!(f32x4_pmin(signaling, zero), signaling);
        assert_eq!(f32x4_pmin(zero, signaling), zero);
    }

    #[test]
    fn half_vectors() {
        let two = f64x2_splat(f64::to_bits(2.0));
        let converted = i32x4_trunc_sat_f64x2_s_zero(two);
        assert_eq!(u128::from_le_bytes(converted), 0x2_0000_0002);
        assert_eq!(f64x2_convert_low_i32x4_u(i32x4_splat(2)), two);
        assert_eq!(f64x2_promote_low_f32x4(f32x4_splat(f32::to_bits(2.0))), two);
        assert_eq!(f32x4_demote_f64x2_zero(two)[8..], [0; 8]);
    }
}
