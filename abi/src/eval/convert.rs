//! Conversions between scalar types.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` between numbers is the semantics that is stated here"
)]

use super::functions;
use crate::trap::Trap;

const TWO_31: f64 = 2_147_483_648.0;
const TWO_32: f64 = 4_294_967_296.0;
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// The value of `f32` bits; exact in an `f64`.
fn wide(bits: u32) -> f64 {
    f32::from_bits(bits).into()
}

/// `value` without its fraction, when `low <= value < high` holds then.
fn truncate(value: f64, low: f64, high: f64) -> Result<f64, Trap> {
    let whole = value.trunc();
    if value.is_nan() {
        Err(Trap::BadConversionToInteger)
    } else if whole < low || whole >= high {
        Err(Trap::ConversionOverflow)
    } else {
        Ok(whole)
    }
}

functions! {
    i32_trunc_f32_s(a: u32) -> Result<i32, Trap> =
        truncate(wide(a), -TWO_31, TWO_31).map(|x| x as i32);
    i32_trunc_f32_u(a: u32) -> Result<i32, Trap> =
        truncate(wide(a), 0.0, TWO_32).map(|x| (x as u32).cast_signed());
    i32_trunc_f64_s(a: u64) -> Result<i32, Trap> =
        truncate(f64::from_bits(a), -TWO_31, TWO_31).map(|x| x as i32);
    i32_trunc_f64_u(a: u64) -> Result<i32, Trap> =
        truncate(f64::from_bits(a), 0.0, TWO_32).map(|x| (x as u32).cast_signed());
    i64_trunc_f32_s(a: u32) -> Result<i64, Trap> =
        truncate(wide(a), -TWO_63, TWO_63).map(|x| x as i64);
    i64_trunc_f32_u(a: u32) -> Result<i64, Trap> =
        truncate(wide(a), 0.0, TWO_64).map(|x| (x as u64).cast_signed());
    i64_trunc_f64_s(a: u64) -> Result<i64, Trap> =
        truncate(f64::from_bits(a), -TWO_63, TWO_63).map(|x| x as i64);
    i64_trunc_f64_u(a: u64) -> Result<i64, Trap> =
        truncate(f64::from_bits(a), 0.0, TWO_64).map(|x| (x as u64).cast_signed());
    i32_trunc_sat_f32_s(a: u32) -> i32 = f32::from_bits(a) as i32;
    i32_trunc_sat_f32_u(a: u32) -> i32 = (f32::from_bits(a) as u32).cast_signed();
    i32_trunc_sat_f64_s(a: u64) -> i32 = f64::from_bits(a) as i32;
    i32_trunc_sat_f64_u(a: u64) -> i32 = (f64::from_bits(a) as u32).cast_signed();
    i64_trunc_sat_f32_s(a: u32) -> i64 = f32::from_bits(a) as i64;
    i64_trunc_sat_f32_u(a: u32) -> i64 = (f32::from_bits(a) as u64).cast_signed();
    i64_trunc_sat_f64_s(a: u64) -> i64 = f64::from_bits(a) as i64;
    i64_trunc_sat_f64_u(a: u64) -> i64 = (f64::from_bits(a) as u64).cast_signed();
    f32_convert_i32_s(a: i32) -> u32 = (a as f32).to_bits();
    f32_convert_i32_u(a: i32) -> u32 = (a.cast_unsigned() as f32).to_bits();
    f32_convert_i64_s(a: i64) -> u32 = (a as f32).to_bits();
    f32_convert_i64_u(a: i64) -> u32 = (a.cast_unsigned() as f32).to_bits();
    f64_convert_i32_s(a: i32) -> u64 = f64::from(a).to_bits();
    f64_convert_i32_u(a: i32) -> u64 = f64::from(a.cast_unsigned()).to_bits();
    f64_convert_i64_s(a: i64) -> u64 = (a as f64).to_bits();
    f64_convert_i64_u(a: i64) -> u64 = (a.cast_unsigned() as f64).to_bits();
    i32_wrap_i64(a: i64) -> i32 = a as i32;
    i64_extend_i32_s(a: i32) -> i64 = a.into();
    i64_extend_i32_u(a: i32) -> i64 = a.cast_unsigned().into();
    i32_reinterpret_f32(a: u32) -> i32 = a.cast_signed();
    i64_reinterpret_f64(a: u64) -> i64 = a.cast_signed();
    f32_reinterpret_i32(a: i32) -> u32 = a.cast_unsigned();
    f64_reinterpret_i64(a: i64) -> u64 = a.cast_unsigned();
}

/// The operator `f32_demote_f64`. A NaN keeps its sign and the upper part of its payload.
#[inline]
pub fn f32_demote_f64(a: u64) -> u32 {
    let value = f64::from_bits(a);
    if value.is_nan() {
        let sign = (a >> 32) as u32 & 0x8000_0000;
        let payload = (a >> 29) as u32 & 0x003f_ffff;
        return sign | 0x7fc0_0000 | payload;
    }
    (value as f32).to_bits()
}

/// The operator `f64_promote_f32`. A NaN keeps its sign and payload.
#[inline]
pub fn f64_promote_f32(a: u32) -> u64 {
    if f32::from_bits(a).is_nan() {
        let sign = u64::from(a & 0x8000_0000) << 32;
        let payload = u64::from(a & 0x003f_ffff) << 29;
        return sign | 0x7ff8_0000_0000_0000 | payload;
    }
    wide(a).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_is_exact_at_the_limits() {
        let f32_bits = |x: f32| x.to_bits();
        let f64_bits = |x: f64| x.to_bits();
        assert_eq!(i32_trunc_f64_s(f64_bits(-2_147_483_648.9)), Ok(i32::MIN));
        assert_eq!(i32_trunc_f64_s(f64_bits(2_147_483_647.9)), Ok(i32::MAX));
        assert_eq!(i32_trunc_f32_s(f32_bits(2_147_483_648.0)), Err(Trap::ConversionOverflow));
        assert_eq!(i32_trunc_f32_u(f32_bits(-0.9)), Ok(0));
        assert_eq!(i64_trunc_f32_u(f32_bits(-1.0)), Err(Trap::ConversionOverflow));
        assert_eq!(i64_trunc_f64_s(f64_bits(-TWO_63)), Ok(i64::MIN));
        assert_eq!(i64_trunc_f64_u(f64_bits(TWO_64)), Err(Trap::ConversionOverflow));
        assert_eq!(i64_trunc_f64_s(f64::NAN.to_bits()), Err(Trap::BadConversionToInteger));
        assert_eq!(i32_trunc_sat_f32_u(f32_bits(f32::INFINITY)), -1);
        assert_eq!(i64_trunc_sat_f64_s(f64::NAN.to_bits()), 0);
    }

    #[test]
    fn unsigned_integers_round_once() {
        assert_eq!(f32_convert_i64_u(-1), f32::to_bits(18_446_744_073_709_551_616.0));
        assert_eq!(f32_convert_i64_s(0x7fff_ff40_0000_0001), f32::to_bits(9.223_371_5e18));
        assert_eq!(f64_convert_i64_u(-1), f64::to_bits(TWO_64));
        assert_eq!(f32_convert_i32_u(-1), f32::to_bits(4_294_967_296.0));
    }

    #[test]
    fn nans_keep_what_fits() {
        assert_eq!(f64_promote_f32(0xffa0_0001), 0xfffc_0000_2000_0000);
        assert_eq!(f32_demote_f64(0xfff4_0000_2000_0000), 0xffe0_0001);
    }
}
