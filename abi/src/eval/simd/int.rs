//! Integer vector operators that keep the lane width, and operators on whole vectors.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lanes wrap: `as` is the semantics that is stated here"
)]

use super::lanes::{Lane, V128, build, compare, lanes, map, zip, zip3};
use crate::eval::functions;

/// Declares one operator per name and lane type of a row, all with the same body.
macro_rules! lanewise {
    (@unary $name:ident $lane:ident $body:expr) => {
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128) -> V128 {
            map::<$lane>(a, $body)
        }
    };
    (@binary $name:ident $lane:ident $body:expr) => {
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128, b: V128) -> V128 {
            zip::<$lane>(a, b, $body)
        }
    };
    (@compare $name:ident $lane:ident $body:expr) => {
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128, b: V128) -> V128 {
            compare::<$lane>(a, b, $body)
        }
    };
    (@shift $name:ident $lane:ident $body:expr) => {
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128, count: i32) -> V128 {
            let count = count.cast_unsigned() % $lane::BITS;
            let shift: fn($lane, u32) -> $lane = $body;
            map::<$lane>(a, |x| shift(x, count))
        }
    };
    (@all_true $name:ident $lane:ident) => {
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128) -> i32 {
            i32::from(lanes::<$lane>(&a).all(|x| x != 0))
        }
    };
    (@bitmask $name:ident $lane:ident) => {
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128) -> i32 {
            lanes::<$lane>(&a).rev().fold(0, |mask, x| mask << 1 | i32::from(x < 0))
        }
    };
    ($shape:ident: $($($name:ident $lane:ident)* = $body:tt;)*) => {
        $(lanewise! { @row $shape $body $($name $lane)* })*
    };
    (@row $shape:ident ($body:expr) $($name:ident $lane:ident)*) => {
        $(lanewise! { @$shape $name $lane $body })*
    };
    ($shape:ident: $($name:ident $lane:ident)*) => {
        $(lanewise! { @$shape $name $lane })*
    };
}

lanewise! { unary:
    i8x16_abs i8 i16x8_abs i16 i32x4_abs i32 i64x2_abs i64 = (|x| x.wrapping_abs());
    i8x16_neg i8 i16x8_neg i16 i32x4_neg i32 i64x2_neg i64 = (|x| x.wrapping_neg());
    i8x16_popcnt u8 = (|x| x.count_ones() as u8);
    v128_not u64 = (|x| !x);
}

lanewise! { binary:
    i8x16_add i8 i16x8_add i16 i32x4_add i32 i64x2_add i64 = (|x, y| x.wrapping_add(y));
    i8x16_sub i8 i16x8_sub i16 i32x4_sub i32 i64x2_sub i64 = (|x, y| x.wrapping_sub(y));
    i16x8_mul i16 i32x4_mul i32 i64x2_mul i64 = (|x, y| x.wrapping_mul(y));
    i8x16_add_sat_s i8 i8x16_add_sat_u u8 i16x8_add_sat_s i16 i16x8_add_sat_u u16 =
        (|x, y| x.saturating_add(y));
    i8x16_sub_sat_s i8 i8x16_sub_sat_u u8 i16x8_sub_sat_s i16 i16x8_sub_sat_u u16 =
        (|x, y| x.saturating_sub(y));
    i8x16_min_s i8 i8x16_min_u u8 i16x8_min_s i16 i16x8_min_u u16 i32x4_min_s i32 i32x4_min_u u32 =
        (|x, y| x.min(y));
    i8x16_max_s i8 i8x16_max_u u8 i16x8_max_s i16 i16x8_max_u u16 i32x4_max_s i32 i32x4_max_u u32 =
        (|x, y| x.max(y));
    i8x16_avgr_u u8 i16x8_avgr_u u16 = (|x, y| (u32::from(x) + u32::from(y)).div_ceil(2) as _);
    i16x8_q15mulr_sat_s i16 = (|x, y| q15mulr(x, y).min(i32::from(i16::MAX)) as i16);
    v128_and u64 = (|x, y| x & y);
    v128_andnot u64 = (|x, y| x & !y);
    v128_or u64 = (|x, y| x | y);
    v128_xor u64 = (|x, y| x ^ y);
}

/// The rounded product of two fixed-point numbers with 15 fraction bits, before saturation.
fn q15mulr(x: i16, y: i16) -> i32 {
    (i32::from(x) * i32::from(y) + 0x4000) >> 15
}

lanewise! { compare:
    i8x16_eq u8 i16x8_eq u16 i32x4_eq u32 i64x2_eq u64 = (|x, y| x == y);
    i8x16_ne u8 i16x8_ne u16 i32x4_ne u32 i64x2_ne u64 = (|x, y| x != y);
    i8x16_lt_s i8 i16x8_lt_s i16 i32x4_lt_s i32 i64x2_lt_s i64 = (|x, y| x < y);
    i8x16_lt_u u8 i16x8_lt_u u16 i32x4_lt_u u32 = (|x, y| x < y);
    i8x16_gt_s i8 i16x8_gt_s i16 i32x4_gt_s i32 i64x2_gt_s i64 = (|x, y| x > y);
    i8x16_gt_u u8 i16x8_gt_u u16 i32x4_gt_u u32 = (|x, y| x > y);
    i8x16_le_s i8 i16x8_le_s i16 i32x4_le_s i32 i64x2_le_s i64 = (|x, y| x <= y);
    i8x16_le_u u8 i16x8_le_u u16 i32x4_le_u u32 = (|x, y| x <= y);
    i8x16_ge_s i8 i16x8_ge_s i16 i32x4_ge_s i32 i64x2_ge_s i64 = (|x, y| x >= y);
    i8x16_ge_u u8 i16x8_ge_u u16 i32x4_ge_u u32 = (|x, y| x >= y);
}

lanewise! { shift:
    i8x16_shl i8 i16x8_shl i16 i32x4_shl i32 i64x2_shl i64 = (|x, count| x << count);
    i8x16_shr_s i8 i16x8_shr_s i16 i32x4_shr_s i32 i64x2_shr_s i64 = (|x, count| x >> count);
    i8x16_shr_u u8 i16x8_shr_u u16 i32x4_shr_u u32 i64x2_shr_u u64 = (|x, count| x >> count);
}

lanewise! { all_true:
    i8x16_all_true i8
    i16x8_all_true i16
    i32x4_all_true i32
    i64x2_all_true i64
}

lanewise! { bitmask:
    i8x16_bitmask i8
    i16x8_bitmask i16
    i32x4_bitmask i32
    i64x2_bitmask i64
}

/// Replaces a lane.
fn replace<T: Lane>(mut a: V128, value: T, lane: u8) -> V128 {
    value.set(&mut a, lane.into());
    a
}

functions! {
    v128_any_true(a: V128) -> i32 = i32::from(a != [0; 16]);
    v128_bitselect(a: V128, b: V128, mask: V128) -> V128 =
        zip3::<u64>(a, b, mask, |x, y, m| x & m | y & !m);
    i8x16_splat(a: i32) -> V128 = build(|_| a as u8);
    i16x8_splat(a: i32) -> V128 = build(|_| a as u16);
    i32x4_splat(a: i32) -> V128 = build(|_| a);
    i64x2_splat(a: i64) -> V128 = build(|_| a);
    f32x4_splat(a: u32) -> V128 = build(|_| a);
    f64x2_splat(a: u64) -> V128 = build(|_| a);
    i8x16_swizzle(a: V128, indices: V128) -> V128 =
        map::<u8>(indices, |i| a.get(usize::from(i)).copied().unwrap_or(0));
    i8x16_shuffle(a: V128, b: V128, indices: V128) -> V128 =
        map::<u8>(indices, |i| if i < 16 { a[usize::from(i)] } else { b[usize::from(i) - 16] });
    i8x16_extract_lane_s(a: V128, lane: u8) -> i32 = i8::get(&a, lane.into()).into();
    i8x16_extract_lane_u(a: V128, lane: u8) -> i32 = u8::get(&a, lane.into()).into();
    i16x8_extract_lane_s(a: V128, lane: u8) -> i32 = i16::get(&a, lane.into()).into();
    i16x8_extract_lane_u(a: V128, lane: u8) -> i32 = u16::get(&a, lane.into()).into();
    i32x4_extract_lane(a: V128, lane: u8) -> i32 = i32::get(&a, lane.into());
    i64x2_extract_lane(a: V128, lane: u8) -> i64 = i64::get(&a, lane.into());
    f32x4_extract_lane(a: V128, lane: u8) -> u32 = u32::get(&a, lane.into());
    f64x2_extract_lane(a: V128, lane: u8) -> u64 = u64::get(&a, lane.into());
    i8x16_replace_lane(a: V128, value: i32, lane: u8) -> V128 = replace(a, value as u8, lane);
    i16x8_replace_lane(a: V128, value: i32, lane: u8) -> V128 = replace(a, value as u16, lane);
    i32x4_replace_lane(a: V128, value: i32, lane: u8) -> V128 = replace(a, value, lane);
    i64x2_replace_lane(a: V128, value: i64, lane: u8) -> V128 = replace(a, value, lane);
    f32x4_replace_lane(a: V128, value: u32, lane: u8) -> V128 = replace(a, value, lane);
    f64x2_replace_lane(a: V128, value: u64, lane: u8) -> V128 = replace(a, value, lane);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturation_and_rounding() {
        let min = i16x8_splat(i16::MIN.into());
        assert_eq!(i16x8_q15mulr_sat_s(min, min), i16x8_splat(0x7fff));
        assert_eq!(i8x16_add_sat_s(i8x16_splat(100), i8x16_splat(100)), i8x16_splat(127));
        assert_eq!(i8x16_sub_sat_u(i8x16_splat(1), i8x16_splat(2)), [0; 16]);
        assert_eq!(i8x16_avgr_u(i8x16_splat(255), i8x16_splat(254)), i8x16_splat(255));
        assert_eq!(i8x16_abs(i8x16_splat(-128)), i8x16_splat(-128));
    }

    #[test]
    fn lanes_are_little_endian() {
        let a: V128 = std::array::from_fn(|i| i as u8);
        assert_eq!(i32x4_extract_lane(a, 1), 0x0706_0504);
        assert_eq!(i8x16_bitmask(i8x16_replace_lane([0; 16], -1, 3)), 8);
        assert_eq!(i8x16_swizzle(a, i8x16_splat(16)), [0; 16]);
        assert_eq!(i8x16_shuffle(a, i8x16_splat(9), i8x16_splat(31)), i8x16_splat(9));
        assert_eq!(i16x8_shl(i16x8_splat(1), 17), i16x8_splat(2));
        assert_eq!(i64x2_lt_s(i64x2_splat(-1), [0; 16]), [0xff; 16]);
    }
}
