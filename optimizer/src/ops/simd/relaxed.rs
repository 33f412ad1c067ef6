//! Relaxed operators: the choice of the deterministic profile, or that of the hardware.
//!
//! Both choices are those of the baseline tier, bit for bit: code changes tiers while it runs.

use super::widen::SIGNED;
use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

/// Lowering of an operator.
type Body<'f, 'b> = fn(&mut Lowering<'f, 'b>, &[Value]) -> Value;

impl<'f, 'b> Lowering<'f, 'b> {
    lowerings! {
        i8x16_relaxed_swizzle = relaxed(Self::i8x16_swizzle, |l, v| {
            l.ins().x86_pshufb(v[0], v[1])
        });
        i32x4_relaxed_trunc_f32x4_s = relaxed(Self::i32x4_trunc_sat_f32x4_s, |l, v| {
            l.vconvert(v, F32X4, Opcode::X86Cvtt2dq, I32X4)
        });
        i32x4_relaxed_trunc_f32x4_u = always(Self::i32x4_trunc_sat_f32x4_u);
        i32x4_relaxed_trunc_f64x2_s_zero = relaxed(Self::i32x4_trunc_sat_f64x2_s_zero, |l, v| {
            l.trunc_zero(v, Opcode::X86Cvtt2dq, Opcode::Snarrow)
        });
        i32x4_relaxed_trunc_f64x2_u_zero = always(Self::i32x4_trunc_sat_f64x2_u_zero);
        i8x16_relaxed_laneselect = relaxed(Self::v128_bitselect, |l, v| l.blend(v, I8X16));
        i16x8_relaxed_laneselect = relaxed(Self::v128_bitselect, Self::blend_words);
        i32x4_relaxed_laneselect = relaxed(Self::v128_bitselect, |l, v| l.blend(v, I32X4));
        i64x2_relaxed_laneselect = relaxed(Self::v128_bitselect, |l, v| l.blend(v, I64X2));
        f32x4_relaxed_min = relaxed(Self::f32x4_min, |l, v| l.hardware_min(v, F32X4));
        f32x4_relaxed_max = relaxed(Self::f32x4_max, |l, v| l.hardware_max(v, F32X4));
        f64x2_relaxed_min = relaxed(Self::f64x2_min, |l, v| l.hardware_min(v, F64X2));
        f64x2_relaxed_max = relaxed(Self::f64x2_max, |l, v| l.hardware_max(v, F64X2));
        i16x8_relaxed_q15mulr_s = relaxed(Self::i16x8_q15mulr_sat_s, |l, v| {
            l.vbinary(v, I16X8, Opcode::X86Pmulhrsw)
        });
        f32x4_relaxed_madd = multiply_add(F32X4, Self::madd);
        f32x4_relaxed_nmadd = multiply_add(F32X4, Self::nmadd);
        f64x2_relaxed_madd = multiply_add(F64X2, Self::madd);
        f64x2_relaxed_nmadd = multiply_add(F64X2, Self::nmadd);
    }

    /// Either lowering.
    fn relaxed(
        &mut self,
        args: &[Value],
        deterministic: Body<'f, 'b>,
        hardware: Body<'f, 'b>,
    ) -> Value {
        if self.relaxed_deterministic { deterministic(self, args) } else { hardware(self, args) }
    }

    /// The same lowering in either case.
    fn always(&mut self, args: &[Value], body: Body<'f, 'b>) -> Value {
        body(self, args)
    }

    /// The first operand where the top bit of the mask's lane is set, else the second.
    fn blend(&mut self, args: &[Value], lanes: Type) -> Value {
        let (a, b) = self.pair(args, lanes);
        let mask = self.cast(args[2], lanes);
        let result = self.ins().blendv(mask, a, b);
        self.pack(result)
    }

    /// A blend of 16-bit lanes: the top bit of a lane is spread over its two bytes first.
    fn blend_words(&mut self, args: &[Value]) -> Value {
        let mask = self.cast(args[2], I16X8);
        let count = self.ins().iconst(I32, 15);
        let mask = self.ins().sshr(mask, count);
        self.blend(&[args[0], args[1], mask], I8X16)
    }

    fn hardware_min(&mut self, args: &[Value], lanes: Type) -> Value {
        let (a, b) = self.pair(args, lanes);
        let result = self.lesser(a, b);
        self.float_lanes(result)
    }

    fn hardware_max(&mut self, args: &[Value], lanes: Type) -> Value {
        let (a, b) = self.pair(args, lanes);
        let result = self.greater(a, b);
        self.float_lanes(result)
    }

    /// `body` of three vectors of floats.
    fn multiply_add(&mut self, args: &[Value], lanes: Type, body: Body<'f, 'b>) -> Value {
        let (a, b) = self.pair(args, lanes);
        let c = self.cast(args[2], lanes);
        let result = body(self, &[a, b, c]);
        self.float_lanes(result)
    }

    /// `a * b + c`, fused by the hardware.
    fn madd(&mut self, args: &[Value]) -> Value {
        let &[a, b, c] = args else { unreachable!("three operands") };
        if !self.relaxed_deterministic {
            return self.ins().fma(a, b, c);
        }
        let product = self.ins().fmul(a, b);
        self.ins().fadd(product, c)
    }

    /// `-(a * b) + c`, fused by the hardware.
    fn nmadd(&mut self, args: &[Value]) -> Value {
        let &[a, b, c] = args else { unreachable!("three operands") };
        if !self.relaxed_deterministic {
            let negated = self.ins().fneg(a);
            return self.ins().fma(negated, b, c);
        }
        let product = self.ins().fmul(a, b);
        self.ins().fsub(c, product)
    }

    /// Products of signed bytes with, in hardware, unsigned ones; the sums of pairs saturate.
    pub(crate) fn i16x8_relaxed_dot_i8x16_i7x16_s(&mut self, args: &[Value]) -> Value {
        let result = self.dot_bytes(args);
        self.pack(result)
    }

    /// Pairs of the narrower dot product, added to the third operand.
    pub(crate) fn i32x4_relaxed_dot_i8x16_i7x16_add_s(&mut self, args: &[Value]) -> Value {
        let dot = self.dot_bytes(args);
        let sums = self.pair_sums(dot, SIGNED);
        let addend = self.cast(args[2], I32X4);
        let result = self.ins().iadd(sums, addend);
        self.pack(result)
    }

    fn dot_bytes(&mut self, args: &[Value]) -> Value {
        let (a, b) = (args[0], args[1]);
        if !self.relaxed_deterministic {
            return self.ins().x86_pmaddubsw(a, b);
        }
        let half = |this: &mut Self, op: Opcode| {
            let (a, b) = (this.one(op, I8X16, a), this.one(op, I8X16, b));
            this.dot(a, b)
        };
        let low = half(self, SIGNED.0);
        let high = half(self, SIGNED.1);
        self.ins().snarrow(low, high)
    }
}
