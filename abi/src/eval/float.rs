//! Float operators, on bit patterns.

/// The bits of a float: `u32` or `u64`.
pub(super) trait FloatBits: Copy + PartialEq {
    /// The float with such bits.
    type Float: Copy + PartialOrd;
    /// The sign bit.
    const SIGN: Self;
    /// The canonical NaN with a clear sign.
    const CANONICAL_NAN: Self;
    fn float(self) -> Self::Float;
    fn bits(float: Self::Float) -> Self;
    fn or(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn not(self) -> Self;

    /// The sign bit alone.
    fn sign(self) -> Self {
        self.and(Self::SIGN)
    }

    /// All bits but the sign.
    fn magnitude(self) -> Self {
        self.and(Self::SIGN.not())
    }

    /// Whether it is a NaN of any kind.
    fn is_nan(self) -> bool {
        let float = self.float();
        float.partial_cmp(&float).is_none()
    }

    /// The NaN that x86-64 makes of a NaN operand: the quiet bit set, the rest kept.
    fn quiet(self) -> Self {
        self.or(Self::CANONICAL_NAN)
    }
}

macro_rules! float_bits {
    ($($bits:ident $float:ident $nan:literal;)*) => {$(
        impl FloatBits for $bits {
            type Float = $float;
            const SIGN: Self = 1 << ($bits::BITS - 1);
            const CANONICAL_NAN: Self = $nan;

            fn float(self) -> $float {
                $float::from_bits(self)
            }

            fn bits(float: $float) -> Self {
                float.to_bits()
            }

            fn or(self, other: Self) -> Self {
                self | other
            }

            fn and(self, other: Self) -> Self {
                self & other
            }

            fn xor(self, other: Self) -> Self {
                self ^ other
            }

            fn not(self) -> Self {
                !self
            }
        }
    )*};
}

float_bits! {
    u32 f32 0x7fc0_0000;
    u64 f64 0x7ff8_0000_0000_0000;
}

/// `f` of a float; of a NaN the quieted NaN.
fn unary<B: FloatBits>(a: B, f: impl FnOnce(B::Float) -> B::Float) -> B {
    if a.is_nan() { a.quiet() } else { generated(B::bits(f(a.float()))) }
}

/// `f` of two floats; the first NaN operand, quieted, when there is one.
fn binary<B: FloatBits>(a: B, b: B, f: impl FnOnce(B::Float, B::Float) -> B::Float) -> B {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => a.quiet(),
        (_, true) => b.quiet(),
        _ => generated(B::bits(f(a.float(), b.float()))),
    }
}

/// A result computed from numbers: when it is a NaN, the hardware's.
fn generated<B: FloatBits>(result: B) -> B {
    if result.is_nan() { B::CANONICAL_NAN.or(B::SIGN) } else { result }
}

fn min<B: FloatBits>(a: B, b: B) -> B {
    match a.float().partial_cmp(&b.float()) {
        None => binary(a, b, |x, _| x),
        Some(std::cmp::Ordering::Less) => a,
        Some(std::cmp::Ordering::Greater) => b,
        Some(std::cmp::Ordering::Equal) => a.or(b),
    }
}

fn max<B: FloatBits>(a: B, b: B) -> B {
    match a.float().partial_cmp(&b.float()) {
        None => binary(a, b, |x, _| x),
        Some(std::cmp::Ordering::Less) => b,
        Some(std::cmp::Ordering::Greater) => a,
        Some(std::cmp::Ordering::Equal) => a.and(b),
    }
}

/// The bits with every NaN replaced by the canonical one with a clear sign.
fn canonical<B: FloatBits>(a: B) -> B {
    if a.is_nan() { B::CANONICAL_NAN } else { a }
}

/// Declares an operator for both widths per row: names, operands, body.
macro_rules! both_widths {
    ($($n32:ident $n64:ident($($arg:ident),*) = $body:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($n32), "`.")]
        #[inline]
        pub fn $n32($($arg: u32),*) -> u32 {
            $body
        }

        #[doc = concat!("The operator `", stringify!($n64), "`.")]
        #[inline]
        pub fn $n64($($arg: u64),*) -> u64 {
            $body
        }
    )*};
}

/// Like `both_widths`, for comparisons.
macro_rules! comparisons {
    ($($n32:ident $n64:ident($op:tt);)*) => {$(
        #[doc = concat!("The operator `", stringify!($n32), "`.")]
        #[inline]
        pub fn $n32(a: u32, b: u32) -> i32 {
            i32::from(a.float() $op b.float())
        }

        #[doc = concat!("The operator `", stringify!($n64), "`.")]
        #[inline]
        pub fn $n64(a: u64, b: u64) -> i32 {
            i32::from(a.float() $op b.float())
        }
    )*};
}

both_widths! {
    f32_abs f64_abs(a) = a.magnitude();
    f32_neg f64_neg(a) = a.xor(FloatBits::SIGN);
    f32_copysign f64_copysign(a, b) = a.magnitude().or(b.sign());
    f32_ceil f64_ceil(a) = unary(a, |x| x.ceil());
    f32_floor f64_floor(a) = unary(a, |x| x.floor());
    f32_trunc f64_trunc(a) = unary(a, |x| x.trunc());
    f32_nearest f64_nearest(a) = unary(a, |x| x.round_ties_even());
    f32_sqrt f64_sqrt(a) = unary(a, |x| x.sqrt());
    f32_add f64_add(a, b) = binary(a, b, |x, y| x + y);
    f32_sub f64_sub(a, b) = binary(a, b, |x, y| x - y);
    f32_mul f64_mul(a, b) = binary(a, b, |x, y| x * y);
    f32_div f64_div(a, b) = binary(a, b, |x, y| x / y);
    f32_min f64_min(a, b) = min(a, b);
    f32_max f64_max(a, b) = max(a, b);
}

comparisons! {
    f32_eq f64_eq(==);
    f32_ne f64_ne(!=);
    f32_lt f64_lt(<);
    f32_gt f64_gt(>);
    f32_le f64_le(<=);
    f32_ge f64_ge(>=);
}

/// The bits of an `f32` with any NaN made canonical.
#[inline]
#[must_use]
pub fn canonicalize_f32(a: u32) -> u32 {
    canonical(a)
}

/// The bits of an `f64` with any NaN made canonical.
#[inline]
#[must_use]
pub fn canonicalize_f64(a: u64) -> u64 {
    canonical(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEG_ZERO: u32 = 0x8000_0000;
    const SIGNALING: u32 = 0xffa0_0001;

    fn f(x: f32) -> u32 {
        x.to_bits()
    }

    #[test]
    fn nan_operands_are_quieted_and_kept() {
        assert_eq!(f32_add(f(1.0), SIGNALING), 0xffe0_0001);
        assert_eq!(f32_min(SIGNALING, f32::NAN.to_bits()), 0xffe0_0001);
        assert_eq!(f64_sqrt(f64::to_bits(-1.0)), 0xfff8_0000_0000_0000);
        assert_eq!(f32_sub(f(f32::INFINITY), f(f32::INFINITY)), 0xffc0_0000);
        assert_eq!(f32_neg(SIGNALING), 0x7fa0_0001);
        assert_eq!(f32_abs(SIGNALING), 0x7fa0_0001);
        assert_eq!(canonicalize_f32(SIGNALING), 0x7fc0_0000);
    }

    #[test]
    fn zeros_are_ordered_by_min_and_max() {
        assert_eq!((f32_min(0, NEG_ZERO), f32_min(NEG_ZERO, 0)), (NEG_ZERO, NEG_ZERO));
        assert_eq!((f32_max(0, NEG_ZERO), f32_max(NEG_ZERO, 0)), (0, 0));
        assert_eq!(f32_max(f(1.0), f(-1.0)), f(1.0));
        assert_eq!(f32_eq(0, NEG_ZERO), 1);
        assert_eq!((f32_ne(SIGNALING, SIGNALING), f32_ge(SIGNALING, 0)), (1, 0));
    }

    #[test]
    fn rounding_keeps_the_sign_of_zero() {
        assert_eq!(f32_nearest(f(-0.5)), NEG_ZERO);
        assert_eq!((f32_nearest(f(2.5)), f32_nearest(f(3.5))), (f(2.0), f(4.0)));
        assert_eq!((f32_ceil(f(-0.25)), f32_trunc(f(-0.75))), (NEG_ZERO, NEG_ZERO));
        assert_eq!(f32_floor(f(-0.25)), f(-1.0));
        assert_eq!(f32_copysign(f(3.0), NEG_ZERO), f(-3.0));
    }
}
