//! Conversions between integers and floats.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::{Opcode, Value, types::*};

impl Lowering<'_, '_> {
    // The instructions that truncate trap by themselves, with "integer overflow" out of range.
    lowerings! {
        i32_wrap_i64 = unary(Opcode::Ireduce, I32);
        i64_extend_i32_s = unary(Opcode::Sextend, I64);
        i64_extend_i32_u = unary(Opcode::Uextend, I64);
        i32_trunc_f32_s = unary(Opcode::FcvtToSint, I32);
        i32_trunc_f32_u = unary(Opcode::FcvtToUint, I32);
        i32_trunc_f64_s = unary(Opcode::FcvtToSint, I32);
        i32_trunc_f64_u = unary(Opcode::FcvtToUint, I32);
        i64_trunc_f32_s = unary(Opcode::FcvtToSint, I64);
        i64_trunc_f32_u = unary(Opcode::FcvtToUint, I64);
        i64_trunc_f64_s = unary(Opcode::FcvtToSint, I64);
        i64_trunc_f64_u = unary(Opcode::FcvtToUint, I64);
        i32_trunc_sat_f32_s = unary(Opcode::FcvtToSintSat, I32);
        i32_trunc_sat_f32_u = unary(Opcode::FcvtToUintSat, I32);
        i32_trunc_sat_f64_s = unary(Opcode::FcvtToSintSat, I32);
        i32_trunc_sat_f64_u = unary(Opcode::FcvtToUintSat, I32);
        i64_trunc_sat_f32_s = unary(Opcode::FcvtToSintSat, I64);
        i64_trunc_sat_f32_u = unary(Opcode::FcvtToUintSat, I64);
        i64_trunc_sat_f64_s = unary(Opcode::FcvtToSintSat, I64);
        i64_trunc_sat_f64_u = unary(Opcode::FcvtToUintSat, I64);
        f32_convert_i32_s = unary(Opcode::FcvtFromSint, F32);
        f32_convert_i32_u = unary(Opcode::FcvtFromUint, F32);
        f32_convert_i64_s = unary(Opcode::FcvtFromSint, F32);
        f32_convert_i64_u = unary(Opcode::FcvtFromUint, F32);
        f64_convert_i32_s = unary(Opcode::FcvtFromSint, F64);
        f64_convert_i32_u = unary(Opcode::FcvtFromUint, F64);
        f64_convert_i64_s = unary(Opcode::FcvtFromSint, F64);
        f64_convert_i64_u = unary(Opcode::FcvtFromUint, F64);
        f32_demote_f64 = float_unary(Opcode::Fdemote, F32);
        f64_promote_f32 = float_unary(Opcode::Fpromote, F64);
        i32_reinterpret_f32 = reinterpret(I32);
        i64_reinterpret_f64 = reinterpret(I64);
        f32_reinterpret_i32 = reinterpret(F32);
        f64_reinterpret_i64 = reinterpret(F64);
    }
}
