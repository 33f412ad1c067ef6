//! Integer operators.

use crate::trap::Trap;

/// Declares an operator for both widths per row: names, operands, result, body.
macro_rules! both_widths {
    ($($n32:ident $n64:ident($($arg:ident),*) = $body:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($n32), "`.")]
        #[inline]
        pub fn $n32($($arg: i32),*) -> i32 {
            $body
        }

        #[doc = concat!("The operator `", stringify!($n64), "`.")]
        #[inline]
        pub fn $n64($($arg: i64),*) -> i64 {
            $body
        }
    )*};
}

/// Like `both_widths`, for operators with a truth value as result.
macro_rules! predicates {
    ($($n32:ident $n64:ident($($arg:ident),*) = $body:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($n32), "`.")]
        #[inline]
        pub fn $n32($($arg: i32),*) -> i32 {
            i32::from($body)
        }

        #[doc = concat!("The operator `", stringify!($n64), "`.")]
        #[inline]
        pub fn $n64($($arg: i64),*) -> i32 {
            i32::from($body)
        }
    )*};
}

/// Like `both_widths`, for operators that trap: the body gives `None` when the result overflows.
macro_rules! divisions {
    ($($n32:ident $n64:ident($a:ident, $b:ident) = $body:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($n32), "`.")]
        ///
        /// # Errors
        /// The trap of a zero divisor or of an overflow.
        #[inline]
        pub fn $n32($a: i32, $b: i32) -> Result<i32, Trap> {
            if $b == 0 {
                return Err(Trap::IntegerDivisionByZero);
            }
            $body.ok_or(Trap::IntegerOverflow)
        }

        #[doc = concat!("The operator `", stringify!($n64), "`.")]
        ///
        /// # Errors
        /// The trap of a zero divisor or of an overflow.
        #[inline]
        pub fn $n64($a: i64, $b: i64) -> Result<i64, Trap> {
            if $b == 0 {
                return Err(Trap::IntegerDivisionByZero);
            }
            $body.ok_or(Trap::IntegerOverflow)
        }
    )*};
}

/// A count of bits as an integer of the operator's width.
trait BitCount {
    fn of(count: u32) -> Self;
}

impl BitCount for i32 {
    fn of(count: u32) -> Self {
        count.cast_signed()
    }
}

impl BitCount for i64 {
    fn of(count: u32) -> Self {
        count.into()
    }
}

/// The low 32 bits of a shift count; more never matter, as counts are taken modulo the width.
trait ShiftCount {
    fn count(self) -> u32;
}

impl ShiftCount for i32 {
    fn count(self) -> u32 {
        self.cast_unsigned()
    }
}

impl ShiftCount for i64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "low bits")]
    fn count(self) -> u32 {
        self as u32
    }
}

both_widths! {
    i32_add i64_add(a, b) = a.wrapping_add(b);
    i32_sub i64_sub(a, b) = a.wrapping_sub(b);
    i32_mul i64_mul(a, b) = a.wrapping_mul(b);
    i32_and i64_and(a, b) = a & b;
    i32_or i64_or(a, b) = a | b;
    i32_xor i64_xor(a, b) = a ^ b;
    i32_shl i64_shl(a, b) = a.wrapping_shl(b.count());
    i32_shr_s i64_shr_s(a, b) = a.wrapping_shr(b.count());
    i32_shr_u i64_shr_u(a, b) = a.cast_unsigned().wrapping_shr(b.count()).cast_signed();
    i32_rotl i64_rotl(a, b) = a.rotate_left(b.count());
    i32_rotr i64_rotr(a, b) = a.rotate_right(b.count());
    i32_clz i64_clz(a) = BitCount::of(a.leading_zeros());
    i32_ctz i64_ctz(a) = BitCount::of(a.trailing_zeros());
    i32_popcnt i64_popcnt(a) = BitCount::of(a.count_ones());
    i32_extend8_s i64_extend8_s(a) = a << (width_of(a) - 8) >> (width_of(a) - 8);
    i32_extend16_s i64_extend16_s(a) = a << (width_of(a) - 16) >> (width_of(a) - 16);
}

/// The width of an integer in bits.
fn width_of<T>(_: T) -> usize {
    size_of::<T>() * 8
}

/// The operator `i64_extend32_s`.
#[inline]
pub fn i64_extend32_s(a: i64) -> i64 {
    a << 32 >> 32
}

predicates! {
    i32_eqz i64_eqz(a) = a == 0;
    i32_eq i64_eq(a, b) = a == b;
    i32_ne i64_ne(a, b) = a != b;
    i32_lt_s i64_lt_s(a, b) = a < b;
    i32_lt_u i64_lt_u(a, b) = a.cast_unsigned() < b.cast_unsigned();
    i32_gt_s i64_gt_s(a, b) = a > b;
    i32_gt_u i64_gt_u(a, b) = a.cast_unsigned() > b.cast_unsigned();
    i32_le_s i64_le_s(a, b) = a <= b;
    i32_le_u i64_le_u(a, b) = a.cast_unsigned() <= b.cast_unsigned();
    i32_ge_s i64_ge_s(a, b) = a >= b;
    i32_ge_u i64_ge_u(a, b) = a.cast_unsigned() >= b.cast_unsigned();
}

divisions! {
    i32_div_s i64_div_s(a, b) = a.checked_div(b);
    i32_div_u i64_div_u(a, b) =
        a.cast_unsigned().checked_div(b.cast_unsigned()).map(|q| q.cast_signed());
    i32_rem_s i64_rem_s(a, b) = Some(a.wrapping_rem(b));
    i32_rem_u i64_rem_u(a, b) =
        a.cast_unsigned().checked_rem(b.cast_unsigned()).map(|r| r.cast_signed());
}

/// `i64.add128`: low and high half of the sum of two 128-bit integers in halves.
#[inline]
pub fn i64_add128(a_low: i64, a_high: i64, b_low: i64, b_high: i64) -> (i64, i64) {
    halves(join(a_low, a_high).wrapping_add(join(b_low, b_high)))
}

/// `i64.sub128`: low and high half of the difference of two 128-bit integers in halves.
#[inline]
pub fn i64_sub128(a_low: i64, a_high: i64, b_low: i64, b_high: i64) -> (i64, i64) {
    halves(join(a_low, a_high).wrapping_sub(join(b_low, b_high)))
}

/// `i64.mul_wide_s`: low and high half of the signed product.
#[inline]
pub fn i64_mul_wide_s(a: i64, b: i64) -> (i64, i64) {
    halves(i128::from(a) * i128::from(b))
}

/// `i64.mul_wide_u`: low and high half of the unsigned product.
#[inline]
pub fn i64_mul_wide_u(a: i64, b: i64) -> (i64, i64) {
    let product = u128::from(a.cast_unsigned()) * u128::from(b.cast_unsigned());
    halves(product.cast_signed())
}

fn join(low: i64, high: i64) -> i128 {
    i128::from(high) << 64 | i128::from(low.cast_unsigned())
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a 128-bit integer")]
fn halves(value: i128) -> (i64, i64) {
    (value as i64, (value >> 64) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_traps() {
        assert_eq!(i32_div_s(i32::MIN, -1), Err(Trap::IntegerOverflow));
        assert_eq!(i64_div_s(1, 0), Err(Trap::IntegerDivisionByZero));
        assert_eq!(i32_rem_s(i32::MIN, -1), Ok(0));
        assert_eq!(i64_rem_s(i64::MIN, -1), Ok(0));
        assert_eq!(i32_rem_s(-7, 2), Ok(-1));
        assert_eq!(i32_div_u(-1, 2), Ok(i32::MAX));
        assert_eq!(i64_rem_u(-1, 10), Ok(5));
    }

    #[test]
    fn shift_counts_are_taken_modulo_the_width() {
        assert_eq!(i32_shl(1, 33), 2);
        assert_eq!(i32_shr_s(i32::MIN, -1), -1);
        assert_eq!(i64_shr_u(-1, 127), 1);
        assert_eq!(i64_rotl(i64::MIN, (1 << 32) + 1), 1);
        assert_eq!(i32_rotr(1, 33), i32::MIN);
    }

    #[test]
    fn counting_and_extending() {
        assert_eq!((i32_clz(0), i32_ctz(0), i64_clz(0), i64_ctz(0)), (32, 32, 64, 64));
        assert_eq!(i64_popcnt(-1), 64);
        assert_eq!((i32_extend8_s(0x180), i64_extend8_s(0x7f)), (-128, 127));
        assert_eq!((i32_extend16_s(0x8000), i64_extend16_s(0x8000)), (-32768, -32768));
        assert_eq!(i64_extend32_s(0xffff_ffff), -1);
        assert_eq!((i32_lt_u(-1, 0), i32_lt_s(-1, 0), i64_eqz(0)), (0, 1, 1));
    }

    #[test]
    fn wide_arithmetic() {
        assert_eq!(i64_add128(-1, 0, 1, 0), (0, 1));
        assert_eq!(i64_sub128(0, 0, 1, 0), (-1, -1));
        assert_eq!(i64_mul_wide_s(-1, -1), (1, 0));
        assert_eq!(i64_mul_wide_u(-1, -1), (1, -2));
    }
}
