//! Conversions between integer and float lanes.
//!
//! Those between lanes of different widths are written as the pairs of instructions that
//! instruction selection knows for them.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

impl Lowering<'_, '_> {
    lowerings! {
        i32x4_trunc_sat_f32x4_s = vconvert(F32X4, Opcode::FcvtToSintSat, I32X4);
        i32x4_trunc_sat_f32x4_u = vconvert(F32X4, Opcode::FcvtToUintSat, I32X4);
        i32x4_trunc_sat_f64x2_s_zero =
            trunc_zero(Opcode::FcvtToSintSat, Opcode::Snarrow);
        i32x4_trunc_sat_f64x2_u_zero =
            trunc_zero(Opcode::FcvtToUintSat, Opcode::Uunarrow);
        f32x4_convert_i32x4_s = vconvert(I32X4, Opcode::FcvtFromSint, F32X4);
        f32x4_convert_i32x4_u = vconvert(I32X4, Opcode::FcvtFromUint, F32X4);
        f64x2_convert_low_i32x4_s = convert_low(Opcode::SwidenLow, Opcode::FcvtFromSint);
        f64x2_convert_low_i32x4_u = convert_low(Opcode::UwidenLow, Opcode::FcvtFromUint);
    }

    /// One instruction for as many lanes.
    pub(super) fn vconvert(&mut self, args: &[Value], from: Type, op: Opcode, to: Type) -> Value {
        let a = self.cast(args[0], from);
        let result = self.one(op, to, a);
        self.pack(result)
    }

    /// Two doubles to integers in the low half, zero in the upper one.
    pub(super) fn trunc_zero(&mut self, args: &[Value], convert: Opcode, narrow: Opcode) -> Value {
        let a = self.cast(args[0], F64X2);
        let wide = self.one(convert, I64X2, a);
        let zero = self.constant(I64X2, 0);
        let result = self.two(narrow, wide, zero);
        self.pack(result)
    }

    /// The integers in the low half to two doubles.
    fn convert_low(&mut self, args: &[Value], widen: Opcode, convert: Opcode) -> Value {
        let a = self.cast(args[0], I32X4);
        let wide = self.one(widen, I32X4, a);
        let result = self.one(convert, F64X2, wide);
        self.pack(result)
    }

    pub(crate) fn f32x4_demote_f64x2_zero(&mut self, args: &[Value]) -> Value {
        let a = self.cast(args[0], F64X2);
        let result = self.ins().fvdemote(a);
        self.float_lanes(result)
    }

    pub(crate) fn f64x2_promote_low_f32x4(&mut self, args: &[Value]) -> Value {
        let a = self.cast(args[0], F32X4);
        let result = self.ins().fvpromote_low(a);
        self.float_lanes(result)
    }
}
