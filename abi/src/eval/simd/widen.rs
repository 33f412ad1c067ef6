//! Operators that change the width of integer lanes.

use super::lanes::{Lane, V128, build};

/// Declares one operator per row: name, narrow lane, wide lane, first narrow lane read.
macro_rules! extend {
    ($($name:ident $narrow:ident $wide:ident $first:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128) -> V128 {
            build(|i| $wide::from($narrow::get(&a, $first + i)))
        }
    )*};
}

/// Like `extend`, for products.
macro_rules! extmul {
    ($($name:ident $narrow:ident $wide:ident $first:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128, b: V128) -> V128 {
            let wide = |v: &V128, i: usize| $wide::from($narrow::get(v, $first + i));
            build(|i| wide(&a, i).wrapping_mul(wide(&b, i)))
        }
    )*};
}

/// Declares one operator per row: name, narrow lane, wide lane.
macro_rules! extadd {
    ($($name:ident $narrow:ident $wide:ident;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128) -> V128 {
            let wide = |i: usize| $wide::from($narrow::get(&a, i));
            build(|i| wide(2 * i) + wide(2 * i + 1))
        }
    )*};
}

/// Declares one operator per row: name, wide lane, narrow lane it saturates to.
macro_rules! narrow {
    ($($name:ident $wide:ident $narrow:ident;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "`.")]
        #[inline]
        pub fn $name(a: V128, b: V128) -> V128 {
            let saturate = |x: $wide| {
                let clamped = x.clamp($narrow::MIN.into(), $narrow::MAX.into());
                $narrow::try_from(clamped).expect("clamped to the range of the lane")
            };
            build(|i| match i.checked_sub($wide::COUNT) {
                None => saturate($wide::get(&a, i)),
                Some(i) => saturate($wide::get(&b, i)),
            })
        }
    )*};
}

extend! {
    i16x8_extend_low_i8x16_s i8 i16 0;
    i16x8_extend_high_i8x16_s i8 i16 8;
    i16x8_extend_low_i8x16_u u8 u16 0;
    i16x8_extend_high_i8x16_u u8 u16 8;
    i32x4_extend_low_i16x8_s i16 i32 0;
    i32x4_extend_high_i16x8_s i16 i32 4;
    i32x4_extend_low_i16x8_u u16 u32 0;
    i32x4_extend_high_i16x8_u u16 u32 4;
    i64x2_extend_low_i32x4_s i32 i64 0;
    i64x2_extend_high_i32x4_s i32 i64 2;
    i64x2_extend_low_i32x4_u u32 u64 0;
    i64x2_extend_high_i32x4_u u32 u64 2;
}

extmul! {
    i16x8_extmul_low_i8x16_s i8 i16 0;
    i16x8_extmul_high_i8x16_s i8 i16 8;
    i16x8_extmul_low_i8x16_u u8 u16 0;
    i16x8_extmul_high_i8x16_u u8 u16 8;
    i32x4_extmul_low_i16x8_s i16 i32 0;
    i32x4_extmul_high_i16x8_s i16 i32 4;
    i32x4_extmul_low_i16x8_u u16 u32 0;
    i32x4_extmul_high_i16x8_u u16 u32 4;
    i64x2_extmul_low_i32x4_s i32 i64 0;
    i64x2_extmul_high_i32x4_s i32 i64 2;
    i64x2_extmul_low_i32x4_u u32 u64 0;
    i64x2_extmul_high_i32x4_u u32 u64 2;
}

extadd! {
    i16x8_extadd_pairwise_i8x16_s i8 i16;
    i16x8_extadd_pairwise_i8x16_u u8 u16;
    i32x4_extadd_pairwise_i16x8_s i16 i32;
    i32x4_extadd_pairwise_i16x8_u u16 u32;
}

narrow! {
    i8x16_narrow_i16x8_s i16 i8;
    i8x16_narrow_i16x8_u i16 u8;
    i16x8_narrow_i32x4_s i32 i16;
    i16x8_narrow_i32x4_u i32 u16;
}

/// The operator `i32x4_dot_i16x8_s`.
#[inline]
pub fn i32x4_dot_i16x8_s(a: V128, b: V128) -> V128 {
    let product = |i: usize| i32::from(i16::get(&a, i)) * i32::from(i16::get(&b, i));
    build(|i| product(2 * i).wrapping_add(product(2 * i + 1)))
}

#[cfg(test)]
mod tests {
    use super::super::{i8x16_splat, i16x8_splat, i32x4_splat};
    use super::*;

    #[test]
    fn narrowing_saturates() {
        let wide = i16x8_splat(300);
        assert_eq!(i8x16_narrow_i16x8_s(wide, wide), i8x16_splat(127));
        assert_eq!(i8x16_narrow_i16x8_u(i16x8_splat(-1), wide)[7..9], [0, 255]);
        assert_eq!(i16x8_narrow_i32x4_u(i32x4_splat(70_000), i32x4_splat(70_000)), i16x8_splat(-1));
    }

    #[test]
    fn dot_wraps_only_at_its_extreme() {
        let min = i16x8_splat(i16::MIN.into());
        assert_eq!(i32x4_dot_i16x8_s(min, min), i32x4_splat(i32::MIN));
        assert_eq!(i16x8_extmul_high_i8x16_u([255; 16], [255; 16]), i16x8_splat(65025));
        assert_eq!(i16x8_extadd_pairwise_i8x16_s([0x80; 16]), i16x8_splat(-256));
        assert_eq!(i64x2_extend_high_i32x4_s([0xff; 16]), [0xff; 16]);
    }
}
