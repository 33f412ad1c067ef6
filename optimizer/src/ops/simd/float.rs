//! Float arithmetic and comparisons of vectors.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

impl Lowering<'_, '_> {
    lowerings! {
        f32x4_add = vfbinary(F32X4, Opcode::Fadd);
        f32x4_sub = vfbinary(F32X4, Opcode::Fsub);
        f32x4_mul = vfbinary(F32X4, Opcode::Fmul);
        f32x4_div = vfbinary(F32X4, Opcode::Fdiv);
        f32x4_min = vfbinary(F32X4, Opcode::Fmin);
        f32x4_max = vfbinary(F32X4, Opcode::Fmax);
        f64x2_add = vfbinary(F64X2, Opcode::Fadd);
        f64x2_sub = vfbinary(F64X2, Opcode::Fsub);
        f64x2_mul = vfbinary(F64X2, Opcode::Fmul);
        f64x2_div = vfbinary(F64X2, Opcode::Fdiv);
        f64x2_min = vfbinary(F64X2, Opcode::Fmin);
        f64x2_max = vfbinary(F64X2, Opcode::Fmax);
        f32x4_ceil = vfunary(F32X4, Opcode::Ceil);
        f32x4_floor = vfunary(F32X4, Opcode::Floor);
        f32x4_trunc = vfunary(F32X4, Opcode::Trunc);
        f32x4_nearest = vfunary(F32X4, Opcode::Nearest);
        f32x4_sqrt = vfunary(F32X4, Opcode::Sqrt);
        f64x2_ceil = vfunary(F64X2, Opcode::Ceil);
        f64x2_floor = vfunary(F64X2, Opcode::Floor);
        f64x2_trunc = vfunary(F64X2, Opcode::Trunc);
        f64x2_nearest = vfunary(F64X2, Opcode::Nearest);
        f64x2_sqrt = vfunary(F64X2, Opcode::Sqrt);
        f32x4_abs = vunary(F32X4, Opcode::Fabs);
        f32x4_neg = vunary(F32X4, Opcode::Fneg);
        f64x2_abs = vunary(F64X2, Opcode::Fabs);
        f64x2_neg = vunary(F64X2, Opcode::Fneg);
    }

    lowerings! {
        f32x4_eq = vfcompare(F32X4, FloatCC::Equal);
        f32x4_ne = vfcompare(F32X4, FloatCC::NotEqual);
        f32x4_lt = vfcompare(F32X4, FloatCC::LessThan);
        f32x4_gt = vfcompare(F32X4, FloatCC::GreaterThan);
        f32x4_le = vfcompare(F32X4, FloatCC::LessThanOrEqual);
        f32x4_ge = vfcompare(F32X4, FloatCC::GreaterThanOrEqual);
        f64x2_eq = vfcompare(F64X2, FloatCC::Equal);
        f64x2_ne = vfcompare(F64X2, FloatCC::NotEqual);
        f64x2_lt = vfcompare(F64X2, FloatCC::LessThan);
        f64x2_gt = vfcompare(F64X2, FloatCC::GreaterThan);
        f64x2_le = vfcompare(F64X2, FloatCC::LessThanOrEqual);
        f64x2_ge = vfcompare(F64X2, FloatCC::GreaterThanOrEqual);
        f32x4_pmin = pseudo_min(F32X4);
        f32x4_pmax = pseudo_max(F32X4);
        f64x2_pmin = pseudo_min(F64X2);
        f64x2_pmax = pseudo_max(F64X2);
    }

    /// Arithmetic of one operand.
    fn vfunary(&mut self, args: &[Value], lanes: Type, op: Opcode) -> Value {
        let a = self.cast(args[0], lanes);
        let result = self.one(op, lanes, a);
        self.float_lanes(result)
    }

    /// Arithmetic of two operands.
    pub(super) fn vfbinary(&mut self, args: &[Value], lanes: Type, op: Opcode) -> Value {
        let (a, b) = self.pair(args, lanes);
        let result = self.two(op, a, b);
        self.float_lanes(result)
    }

    /// The result of arithmetic as it is on the stack.
    pub(super) fn float_lanes(&mut self, lanes: Value) -> Value {
        let lanes = self.canonical(lanes);
        self.pack(lanes)
    }

    fn vfcompare(&mut self, args: &[Value], lanes: Type, cond: FloatCC) -> Value {
        let (a, b) = self.pair(args, lanes);
        let mask = self.ins().fcmp(cond, a, b);
        self.pack(mask)
    }

    /// `pmin`: the second operand where it is less, else the first.
    fn pseudo_min(&mut self, args: &[Value], lanes: Type) -> Value {
        let (a, b) = self.pair(args, lanes);
        let result = self.lesser(b, a);
        self.pack(result)
    }

    /// `pmax`: the second operand where it is greater, else the first.
    fn pseudo_max(&mut self, args: &[Value], lanes: Type) -> Value {
        let (a, b) = self.pair(args, lanes);
        let result = self.greater(b, a);
        self.pack(result)
    }

    /// The hardware's minimum: `x` where it is less than `y`, else `y`. Instruction selection
    /// knows this form.
    pub(super) fn lesser(&mut self, x: Value, y: Value) -> Value {
        let mask = self.ins().fcmp(FloatCC::LessThan, x, y);
        self.choose(mask, x, y)
    }

    /// The hardware's maximum: `x` where it is greater than `y`, else `y`.
    pub(super) fn greater(&mut self, x: Value, y: Value) -> Value {
        let mask = self.ins().fcmp(FloatCC::LessThan, y, x);
        self.choose(mask, x, y)
    }

    fn choose(&mut self, mask: Value, x: Value, y: Value) -> Value {
        let lanes = self.type_of(x);
        let mask = self.cast(mask, lanes);
        self.ins().bitselect(mask, x, y)
    }
}
