//! Widening operators of vectors.
//!
//! Products and sums of widened lanes are written out: instruction selection knows them.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

/// The halves of a vector, widened: low, high.
pub(super) type Widening = (Opcode, Opcode);

/// Widening that copies the sign.
pub(super) const SIGNED: Widening = (Opcode::SwidenLow, Opcode::SwidenHigh);
/// Widening with zeroes.
const UNSIGNED: Widening = (Opcode::UwidenLow, Opcode::UwidenHigh);

impl Lowering<'_, '_> {
    lowerings! {
        i16x8_extend_low_i8x16_s = extend(I8X16, Opcode::SwidenLow);
        i16x8_extend_low_i8x16_u = extend(I8X16, Opcode::UwidenLow);
        i16x8_extend_high_i8x16_s = extend(I8X16, Opcode::SwidenHigh);
        i16x8_extend_high_i8x16_u = extend(I8X16, Opcode::UwidenHigh);
        i32x4_extend_low_i16x8_s = extend(I16X8, Opcode::SwidenLow);
        i32x4_extend_low_i16x8_u = extend(I16X8, Opcode::UwidenLow);
        i32x4_extend_high_i16x8_s = extend(I16X8, Opcode::SwidenHigh);
        i32x4_extend_high_i16x8_u = extend(I16X8, Opcode::UwidenHigh);
        i64x2_extend_low_i32x4_s = extend(I32X4, Opcode::SwidenLow);
        i64x2_extend_low_i32x4_u = extend(I32X4, Opcode::UwidenLow);
        i64x2_extend_high_i32x4_s = extend(I32X4, Opcode::SwidenHigh);
        i64x2_extend_high_i32x4_u = extend(I32X4, Opcode::UwidenHigh);
        i16x8_extmul_low_i8x16_s = extmul(I8X16, Opcode::SwidenLow);
        i16x8_extmul_low_i8x16_u = extmul(I8X16, Opcode::UwidenLow);
        i16x8_extmul_high_i8x16_s = extmul(I8X16, Opcode::SwidenHigh);
        i16x8_extmul_high_i8x16_u = extmul(I8X16, Opcode::UwidenHigh);
        i32x4_extmul_low_i16x8_s = extmul(I16X8, Opcode::SwidenLow);
        i32x4_extmul_low_i16x8_u = extmul(I16X8, Opcode::UwidenLow);
        i32x4_extmul_high_i16x8_s = extmul(I16X8, Opcode::SwidenHigh);
        i32x4_extmul_high_i16x8_u = extmul(I16X8, Opcode::UwidenHigh);
        i64x2_extmul_low_i32x4_s = extmul(I32X4, Opcode::SwidenLow);
        i64x2_extmul_low_i32x4_u = extmul(I32X4, Opcode::UwidenLow);
        i64x2_extmul_high_i32x4_s = extmul(I32X4, Opcode::SwidenHigh);
        i64x2_extmul_high_i32x4_u = extmul(I32X4, Opcode::UwidenHigh);
        i16x8_extadd_pairwise_i8x16_s = extadd(I8X16, SIGNED);
        i16x8_extadd_pairwise_i8x16_u = extadd(I8X16, UNSIGNED);
        i32x4_extadd_pairwise_i16x8_s = extadd(I16X8, SIGNED);
        i32x4_extadd_pairwise_i16x8_u = extadd(I16X8, UNSIGNED);
    }

    pub(crate) fn i32x4_dot_i16x8_s(&mut self, args: &[Value]) -> Value {
        let (a, b) = self.pair(args, I16X8);
        let result = self.dot(a, b);
        self.pack(result)
    }

    /// Half of the lanes, widened.
    fn extend(&mut self, args: &[Value], from: Type, op: Opcode) -> Value {
        let a = self.cast(args[0], from);
        let wide = self.one(op, from, a);
        self.pack(wide)
    }

    /// The products of half of the lanes.
    fn extmul(&mut self, args: &[Value], from: Type, op: Opcode) -> Value {
        let (a, b) = self.pair(args, from);
        let (a, b) = (self.one(op, from, a), self.one(op, from, b));
        let product = self.ins().imul(a, b);
        self.pack(product)
    }

    fn extadd(&mut self, args: &[Value], from: Type, widening: Widening) -> Value {
        let a = self.cast(args[0], from);
        let sums = self.pair_sums(a, widening);
        self.pack(sums)
    }

    /// The sums of neighbouring lanes, twice as wide.
    pub(super) fn pair_sums(&mut self, a: Value, (low, high): Widening) -> Value {
        let from = self.type_of(a);
        let (low, high) = (self.one(low, from, a), self.one(high, from, a));
        self.ins().iadd_pairwise(low, high)
    }

    /// The sums of the products of neighbouring 16-bit lanes.
    pub(super) fn dot(&mut self, a: Value, b: Value) -> Value {
        let half = |this: &mut Self, op: Opcode| {
            let (a, b) = (this.one(op, I16X8, a), this.one(op, I16X8, b));
            this.ins().imul(a, b)
        };
        let low = half(self, SIGNED.0);
        let high = half(self, SIGNED.1);
        self.ins().iadd_pairwise(low, high)
    }
}
