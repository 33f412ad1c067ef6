//! Scalar float operators.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

/// The canonical NaN of `f32`.
pub(crate) const NAN_F32: u32 = 0x7fc0_0000;
/// The canonical NaN of `f64`.
pub(crate) const NAN_F64: u64 = 0x7ff8_0000_0000_0000;

impl Lowering<'_, '_> {
    lowerings! {
        f32_eq = float_compare(FloatCC::Equal);
        f32_ne = float_compare(FloatCC::NotEqual);
        f32_lt = float_compare(FloatCC::LessThan);
        f32_gt = float_compare(FloatCC::GreaterThan);
        f32_le = float_compare(FloatCC::LessThanOrEqual);
        f32_ge = float_compare(FloatCC::GreaterThanOrEqual);
        f64_eq = float_compare(FloatCC::Equal);
        f64_ne = float_compare(FloatCC::NotEqual);
        f64_lt = float_compare(FloatCC::LessThan);
        f64_gt = float_compare(FloatCC::GreaterThan);
        f64_le = float_compare(FloatCC::LessThanOrEqual);
        f64_ge = float_compare(FloatCC::GreaterThanOrEqual);
        f32_abs = unary(Opcode::Fabs, F32);
        f32_neg = unary(Opcode::Fneg, F32);
        f32_copysign = binary(Opcode::Fcopysign);
        f64_abs = unary(Opcode::Fabs, F64);
        f64_neg = unary(Opcode::Fneg, F64);
        f64_copysign = binary(Opcode::Fcopysign);
        f32_ceil = float_unary(Opcode::Ceil, F32);
        f32_floor = float_unary(Opcode::Floor, F32);
        f32_trunc = float_unary(Opcode::Trunc, F32);
        f32_nearest = float_unary(Opcode::Nearest, F32);
        f32_sqrt = float_unary(Opcode::Sqrt, F32);
        f64_ceil = float_unary(Opcode::Ceil, F64);
        f64_floor = float_unary(Opcode::Floor, F64);
        f64_trunc = float_unary(Opcode::Trunc, F64);
        f64_nearest = float_unary(Opcode::Nearest, F64);
        f64_sqrt = float_unary(Opcode::Sqrt, F64);
        f32_add = float_binary(Opcode::Fadd);
        f32_sub = float_binary(Opcode::Fsub);
        f32_mul = float_binary(Opcode::Fmul);
        f32_div = float_binary(Opcode::Fdiv);
        f32_min = float_binary(Opcode::Fmin);
        f32_max = float_binary(Opcode::Fmax);
        f64_add = float_binary(Opcode::Fadd);
        f64_sub = float_binary(Opcode::Fsub);
        f64_mul = float_binary(Opcode::Fmul);
        f64_div = float_binary(Opcode::Fdiv);
        f64_min = float_binary(Opcode::Fmin);
        f64_max = float_binary(Opcode::Fmax);
    }

    fn float_compare(&mut self, args: &[Value], cond: FloatCC) -> Value {
        let bit = self.ins().fcmp(cond, args[0], args[1]);
        self.truth(bit)
    }

    /// Arithmetic of one operand, the result of type `ty`.
    pub(crate) fn float_unary(&mut self, args: &[Value], op: Opcode, ty: Type) -> Value {
        let result = self.one(op, ty, args[0]);
        self.canonical(result)
    }

    fn float_binary(&mut self, args: &[Value], op: Opcode) -> Value {
        let result = self.binary(args, op);
        self.canonical(result)
    }

    /// A float, or lanes of floats, with NaNs replaced by the canonical one where the
    /// configuration asks for it.
    pub(crate) fn canonical(&mut self, value: Value) -> Value {
        if !self.nan_canonicalize {
            return value;
        }
        let is_nan = self.ins().fcmp(FloatCC::Unordered, value, value);
        match self.type_of(value) {
            F32 => {
                let nan = self.ins().f32const(Ieee32::with_bits(NAN_F32));
                self.ins().select(is_nan, nan, value)
            }
            F64 => {
                let nan = self.ins().f64const(Ieee64::with_bits(NAN_F64));
                self.ins().select(is_nan, nan, value)
            }
            ty => {
                let nan = self.constant(ty, canonical_nans(ty));
                let mask = self.cast(is_nan, ty);
                self.ins().bitselect(mask, nan, value)
            }
        }
    }
}

/// The canonical NaN in all lanes of a vector of type `ty`.
fn canonical_nans(ty: Type) -> u128 {
    if ty == F32X4 {
        u128::from(NAN_F32) * 0x1_0000_0001_0000_0001_0000_0001
    } else {
        u128::from(NAN_F64) * 0x1_0000_0000_0000_0001
    }
}
