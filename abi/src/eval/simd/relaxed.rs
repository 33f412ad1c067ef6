//! Relaxed vector operators.
//!
//! Each operator's own function is the deterministic profile's: the first choice of
//! [§4.3.6](https://webassembly.github.io/spec/core/exec/numerics.html#relaxed-operations).
//! [`relaxed_alternatives`] gives the others.

use super::lanes::{Lane, V128, build, compare, map, zip, zip3};
use super::*;
use crate::eval::{self, functions};
use crate::ops::SimdOp;

functions! {
    i8x16_relaxed_swizzle(a: V128, indices: V128) -> V128 = i8x16_swizzle(a, indices);
    i32x4_relaxed_trunc_f32x4_s(a: V128) -> V128 = i32x4_trunc_sat_f32x4_s(a);
    i32x4_relaxed_trunc_f32x4_u(a: V128) -> V128 = i32x4_trunc_sat_f32x4_u(a);
    i32x4_relaxed_trunc_f64x2_s_zero(a: V128) -> V128 = i32x4_trunc_sat_f64x2_s_zero(a);
    i32x4_relaxed_trunc_f64x2_u_zero(a: V128) -> V128 = i32x4_trunc_sat_f64x2_u_zero(a);
    f32x4_relaxed_madd(a: V128, b: V128, c: V128) -> V128 = f32x4_add(f32x4_mul(a, b), c);
    f32x4_relaxed_nmadd(a: V128, b: V128, c: V128) -> V128 =
        f32x4_add(f32x4_mul(f32x4_neg(a), b), c);
    f64x2_relaxed_madd(a: V128, b: V128, c: V128) -> V128 = f64x2_add(f64x2_mul(a, b), c);
    f64x2_relaxed_nmadd(a: V128, b: V128, c: V128) -> V128 =
        f64x2_add(f64x2_mul(f64x2_neg(a), b), c);
    i8x16_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 = v128_bitselect(a, b, mask);
    i16x8_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 = v128_bitselect(a, b, mask);
    i32x4_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 = v128_bitselect(a, b, mask);
    i64x2_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 = v128_bitselect(a, b, mask);
    f32x4_relaxed_min(a: V128, b: V128) -> V128 = f32x4_min(a, b);
    f32x4_relaxed_max(a: V128, b: V128) -> V128 = f32x4_max(a, b);
    f64x2_relaxed_min(a: V128, b: V128) -> V128 = f64x2_min(a, b);
    f64x2_relaxed_max(a: V128, b: V128) -> V128 = f64x2_max(a, b);
    i16x8_relaxed_q15mulr_s(a: V128, b: V128) -> V128 = i16x8_q15mulr_sat_s(a, b);
    i16x8_relaxed_dot_i8x16_i7x16_s(a: V128, b: V128) -> V128 = dot_i8(a, b, |y| y.into());
    i32x4_relaxed_dot_i8x16_i7x16_add_s(a: V128, b: V128, c: V128) -> V128 =
        i32x4_add(i32x4_extadd_pairwise_i16x8_s(i16x8_relaxed_dot_i8x16_i7x16_s(a, b)), c);
}

/// Saturated sums of pairs of products, the second factor widened by `wide`.
fn dot_i8(a: V128, b: V128, wide: impl Fn(i8) -> i16) -> V128 {
    let product = |i: usize| i32::from(i16::from(i8::get(&a, i))) * i32::from(wide(i8::get(&b, i)));
    build(|i| {
        let sum = product(2 * i) + product(2 * i + 1);
        let clamped = sum.clamp(i16::MIN.into(), i16::MAX.into());
        i16::try_from(clamped).expect("clamped to the range of the lane")
    })
}

/// A mask whose lanes are all copies of their top bit.
fn top_bit_mask<T: Lane + PartialOrd + Default>(mask: V128) -> V128 {
    compare::<T>(mask, [0; 16], |x, y| x < y)
}

/// Whether a float has an integer part below `limit`, and not below `-limit - 1` or, for
/// an unsigned conversion, 0.
fn in_range(x: f64, signed: bool) -> bool {
    let (low, high) =
        if signed { (-2_147_483_648.0, 2_147_483_648.0) } else { (0.0, 4_294_967_296.0) };
    x.trunc() >= low && x.trunc() < high
}

/// `exact` with the lanes that do not fit replaced by `other`.
fn out_of_range(exact: V128, fits: impl Fn(usize) -> bool, other: u32) -> V128 {
    build(|i| if fits(i) { u32::get(&exact, i) } else { other })
}

/// The results, other than the deterministic profile's, that `op` may have. Minimum and maximum
/// list what hardware does; an allowed NaN may also be any other.
#[must_use]
pub(in crate::eval) fn relaxed_alternatives(op: SimdOp, v: &[V128]) -> Vec<V128> {
    use SimdOp as Op;
    match op {
        Op::i8x16_relaxed_swizzle => vec![relaxed_swizzle_wrapping(v[0], v[1])],
        Op::i32x4_relaxed_trunc_f32x4_s | Op::i32x4_relaxed_trunc_f32x4_u => {
            let signed = op == Op::i32x4_relaxed_trunc_f32x4_s;
            let fits = |i| in_range(f32::from_bits(u32::get(&v[0], i)).into(), signed);
            trunc_alternatives(eval_unary(op, v[0]), fits, signed)
        }
        Op::i32x4_relaxed_trunc_f64x2_s_zero | Op::i32x4_relaxed_trunc_f64x2_u_zero => {
            let signed = op == Op::i32x4_relaxed_trunc_f64x2_s_zero;
            let fits = |i| i >= 2 || in_range(f64::from_bits(u64::get(&v[0], i)), signed);
            trunc_alternatives(eval_unary(op, v[0]), fits, signed)
        }
        Op::f32x4_relaxed_madd => vec![fused_f32(v[0], v[1], v[2])],
        Op::f32x4_relaxed_nmadd => vec![fused_f32(f32x4_neg(v[0]), v[1], v[2])],
        Op::f64x2_relaxed_madd => vec![fused_f64(v[0], v[1], v[2])],
        Op::f64x2_relaxed_nmadd => vec![fused_f64(f64x2_neg(v[0]), v[1], v[2])],
        Op::i8x16_relaxed_laneselect => vec![v128_bitselect(v[0], v[1], top_bit_mask::<i8>(v[2]))],
        Op::i16x8_relaxed_laneselect => vec![v128_bitselect(v[0], v[1], top_bit_mask::<i16>(v[2]))],
        Op::i32x4_relaxed_laneselect => vec![v128_bitselect(v[0], v[1], top_bit_mask::<i32>(v[2]))],
        Op::i64x2_relaxed_laneselect => vec![v128_bitselect(v[0], v[1], top_bit_mask::<i64>(v[2]))],
        Op::f32x4_relaxed_min => vec![f32x4_pmin(v[0], v[1]), f32x4_pmin(v[1], v[0])],
        Op::f32x4_relaxed_max => vec![f32x4_pmax(v[0], v[1]), f32x4_pmax(v[1], v[0])],
        Op::f64x2_relaxed_min => vec![f64x2_pmin(v[0], v[1]), f64x2_pmin(v[1], v[0])],
        Op::f64x2_relaxed_max => vec![f64x2_pmax(v[0], v[1]), f64x2_pmax(v[1], v[0])],
        Op::i16x8_relaxed_q15mulr_s => vec![q15mulr_wrapping(v[0], v[1])],
        Op::i16x8_relaxed_dot_i8x16_i7x16_s => vec![dot_unsigned(v[0], v[1])],
        Op::i32x4_relaxed_dot_i8x16_i7x16_add_s => {
            vec![i32x4_add(i32x4_extadd_pairwise_i16x8_s(dot_unsigned(v[0], v[1])), v[2])]
        }
        _ => Vec::new(),
    }
}

fn eval_unary(op: SimdOp, a: V128) -> V128 {
    let bits = eval::apply(op, &[u128::from_le_bytes(a)]).expect("vector operators do not trap");
    bits.to_le_bytes()
}

fn trunc_alternatives(exact: V128, fits: impl Fn(usize) -> bool, signed: bool) -> Vec<V128> {
    let others: &[u32] = if signed { &[1 << 31] } else { &[u32::MAX, u32::MAX - 1, 1 << 31] };
    others.iter().map(|&other| out_of_range(exact, &fits, other)).collect()
}

fn relaxed_swizzle_wrapping(a: V128, indices: V128) -> V128 {
    map::<u8>(indices, |i| if i < 128 { a[usize::from(i % 16)] } else { 0 })
}

fn fused_f32(a: V128, b: V128, c: V128) -> V128 {
    let fused = |x, y, z| f32::from_bits(x).mul_add(f32::from_bits(y), f32::from_bits(z)).to_bits();
    zip3::<u32>(a, b, c, fused)
}

fn fused_f64(a: V128, b: V128, c: V128) -> V128 {
    let fused = |x, y, z| f64::from_bits(x).mul_add(f64::from_bits(y), f64::from_bits(z)).to_bits();
    zip3::<u64>(a, b, c, fused)
}

fn q15mulr_wrapping(a: V128, b: V128) -> V128 {
    let saturated = i16x8_q15mulr_sat_s(a, b);
    let overflows = zip::<i16>(a, b, |x, y| i16::from(x == i16::MIN && y == i16::MIN));
    zip::<i16>(saturated, overflows, |x, o| if o != 0 { i16::MIN } else { x })
}

fn dot_unsigned(a: V128, b: V128) -> V128 {
    dot_i8(a, b, |y| y.cast_unsigned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(op: SimdOp, operands: &[V128]) -> Vec<V128> {
        let bits: Vec<u128> = operands.iter().map(|v| u128::from_le_bytes(*v)).collect();
        eval::relaxed_results(op, &bits).into_iter().map(u128::to_le_bytes).collect()
    }

    #[test]
    fn all_choices_are_listed() {
        let min = i16x8_splat(i16::MIN.into());
        assert_eq!(
            results(SimdOp::i16x8_relaxed_q15mulr_s, &[min, min]),
            [i16x8_splat(0x7fff), min]
        );
        let (a, b) = (i8x16_splat(-128), i8x16_splat(-127));
        assert_eq!(
            results(SimdOp::i16x8_relaxed_dot_i8x16_i7x16_s, &[a, b]),
            [i16x8_splat(32512), i16x8_splat(-32768)]
        );
        let inf = f32x4_splat(f32::INFINITY.to_bits());
        assert_eq!(
            results(SimdOp::i32x4_relaxed_trunc_f32x4_s, &[inf]),
            [i32x4_splat(i32::MAX), i32x4_splat(i32::MIN)]
        );
        assert_eq!(results(SimdOp::i32x4_add, &[a, b]).len(), 1);
    }

    #[test]
    fn fusing_is_a_choice() {
        let splat = |x: f32| f32x4_splat(x.to_bits());
        let operands = [splat(f32::MAX), splat(2.0), splat(-f32::MAX)];
        assert_eq!(
            results(SimdOp::f32x4_relaxed_madd, &operands),
            [splat(f32::INFINITY), splat(f32::MAX)]
        );
    }
}
