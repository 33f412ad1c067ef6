//! Integer arithmetic and comparisons of vectors.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

impl Lowering<'_, '_> {
    lowerings! {
        i8x16_eq = vcompare(I8X16, IntCC::Equal);
        i8x16_ne = vcompare(I8X16, IntCC::NotEqual);
        i8x16_lt_s = vcompare(I8X16, IntCC::SignedLessThan);
        i8x16_lt_u = vcompare(I8X16, IntCC::UnsignedLessThan);
        i8x16_gt_s = vcompare(I8X16, IntCC::SignedGreaterThan);
        i8x16_gt_u = vcompare(I8X16, IntCC::UnsignedGreaterThan);
        i8x16_le_s = vcompare(I8X16, IntCC::SignedLessThanOrEqual);
        i8x16_le_u = vcompare(I8X16, IntCC::UnsignedLessThanOrEqual);
        i8x16_ge_s = vcompare(I8X16, IntCC::SignedGreaterThanOrEqual);
        i8x16_ge_u = vcompare(I8X16, IntCC::UnsignedGreaterThanOrEqual);
        i16x8_eq = vcompare(I16X8, IntCC::Equal);
        i16x8_ne = vcompare(I16X8, IntCC::NotEqual);
        i16x8_lt_s = vcompare(I16X8, IntCC::SignedLessThan);
        i16x8_lt_u = vcompare(I16X8, IntCC::UnsignedLessThan);
        i16x8_gt_s = vcompare(I16X8, IntCC::SignedGreaterThan);
        i16x8_gt_u = vcompare(I16X8, IntCC::UnsignedGreaterThan);
        i16x8_le_s = vcompare(I16X8, IntCC::SignedLessThanOrEqual);
        i16x8_le_u = vcompare(I16X8, IntCC::UnsignedLessThanOrEqual);
        i16x8_ge_s = vcompare(I16X8, IntCC::SignedGreaterThanOrEqual);
        i16x8_ge_u = vcompare(I16X8, IntCC::UnsignedGreaterThanOrEqual);
        i32x4_eq = vcompare(I32X4, IntCC::Equal);
        i32x4_ne = vcompare(I32X4, IntCC::NotEqual);
        i32x4_lt_s = vcompare(I32X4, IntCC::SignedLessThan);
        i32x4_lt_u = vcompare(I32X4, IntCC::UnsignedLessThan);
        i32x4_gt_s = vcompare(I32X4, IntCC::SignedGreaterThan);
        i32x4_gt_u = vcompare(I32X4, IntCC::UnsignedGreaterThan);
        i32x4_le_s = vcompare(I32X4, IntCC::SignedLessThanOrEqual);
        i32x4_le_u = vcompare(I32X4, IntCC::UnsignedLessThanOrEqual);
        i32x4_ge_s = vcompare(I32X4, IntCC::SignedGreaterThanOrEqual);
        i32x4_ge_u = vcompare(I32X4, IntCC::UnsignedGreaterThanOrEqual);
        i64x2_eq = vcompare(I64X2, IntCC::Equal);
        i64x2_ne = vcompare(I64X2, IntCC::NotEqual);
        i64x2_lt_s = vcompare(I64X2, IntCC::SignedLessThan);
        i64x2_gt_s = vcompare(I64X2, IntCC::SignedGreaterThan);
        i64x2_le_s = vcompare(I64X2, IntCC::SignedLessThanOrEqual);
        i64x2_ge_s = vcompare(I64X2, IntCC::SignedGreaterThanOrEqual);
    }

    lowerings! {
        i8x16_abs = vunary(I8X16, Opcode::Iabs);
        i8x16_neg = vunary(I8X16, Opcode::Ineg);
        i8x16_popcnt = vunary(I8X16, Opcode::Popcnt);
        i8x16_all_true = vtest(I8X16, Opcode::VallTrue);
        i8x16_bitmask = vbitmask(I8X16);
        i8x16_add = vbinary(I8X16, Opcode::Iadd);
        i8x16_sub = vbinary(I8X16, Opcode::Isub);
        i8x16_add_sat_s = vbinary(I8X16, Opcode::SaddSat);
        i8x16_add_sat_u = vbinary(I8X16, Opcode::UaddSat);
        i8x16_sub_sat_s = vbinary(I8X16, Opcode::SsubSat);
        i8x16_sub_sat_u = vbinary(I8X16, Opcode::UsubSat);
        i8x16_avgr_u = vbinary(I8X16, Opcode::AvgRound);
        i8x16_min_s = vbinary(I8X16, Opcode::Smin);
        i8x16_min_u = vbinary(I8X16, Opcode::Umin);
        i8x16_max_s = vbinary(I8X16, Opcode::Smax);
        i8x16_max_u = vbinary(I8X16, Opcode::Umax);
        i16x8_abs = vunary(I16X8, Opcode::Iabs);
        i16x8_neg = vunary(I16X8, Opcode::Ineg);
        i16x8_all_true = vtest(I16X8, Opcode::VallTrue);
        i16x8_bitmask = vbitmask(I16X8);
        i16x8_add = vbinary(I16X8, Opcode::Iadd);
        i16x8_sub = vbinary(I16X8, Opcode::Isub);
        i16x8_mul = vbinary(I16X8, Opcode::Imul);
        i16x8_add_sat_s = vbinary(I16X8, Opcode::SaddSat);
        i16x8_add_sat_u = vbinary(I16X8, Opcode::UaddSat);
        i16x8_sub_sat_s = vbinary(I16X8, Opcode::SsubSat);
        i16x8_sub_sat_u = vbinary(I16X8, Opcode::UsubSat);
        i16x8_avgr_u = vbinary(I16X8, Opcode::AvgRound);
        i16x8_min_s = vbinary(I16X8, Opcode::Smin);
        i16x8_min_u = vbinary(I16X8, Opcode::Umin);
        i16x8_max_s = vbinary(I16X8, Opcode::Smax);
        i16x8_max_u = vbinary(I16X8, Opcode::Umax);
        i32x4_abs = vunary(I32X4, Opcode::Iabs);
        i32x4_neg = vunary(I32X4, Opcode::Ineg);
        i32x4_all_true = vtest(I32X4, Opcode::VallTrue);
        i32x4_bitmask = vbitmask(I32X4);
        i32x4_add = vbinary(I32X4, Opcode::Iadd);
        i32x4_sub = vbinary(I32X4, Opcode::Isub);
        i32x4_mul = vbinary(I32X4, Opcode::Imul);
        i32x4_min_s = vbinary(I32X4, Opcode::Smin);
        i32x4_min_u = vbinary(I32X4, Opcode::Umin);
        i32x4_max_s = vbinary(I32X4, Opcode::Smax);
        i32x4_max_u = vbinary(I32X4, Opcode::Umax);
        i64x2_abs = vunary(I64X2, Opcode::Iabs);
        i64x2_neg = vunary(I64X2, Opcode::Ineg);
        i64x2_all_true = vtest(I64X2, Opcode::VallTrue);
        i64x2_bitmask = vbitmask(I64X2);
        i64x2_add = vbinary(I64X2, Opcode::Iadd);
        i64x2_sub = vbinary(I64X2, Opcode::Isub);
        i64x2_mul = vbinary(I64X2, Opcode::Imul);
        i16x8_q15mulr_sat_s = vbinary(I16X8, Opcode::SqmulRoundSat);
        i8x16_narrow_i16x8_s = vbinary(I16X8, Opcode::Snarrow);
        i8x16_narrow_i16x8_u = vbinary(I16X8, Opcode::Unarrow);
        i16x8_narrow_i32x4_s = vbinary(I32X4, Opcode::Snarrow);
        i16x8_narrow_i32x4_u = vbinary(I32X4, Opcode::Unarrow);
    }

    fn vcompare(&mut self, args: &[Value], lanes: Type, cond: IntCC) -> Value {
        let (a, b) = self.pair(args, lanes);
        let mask = self.ins().icmp(cond, a, b);
        self.pack(mask)
    }

    /// The top bits of all lanes.
    fn vbitmask(&mut self, args: &[Value], lanes: Type) -> Value {
        let a = self.cast(args[0], lanes);
        self.ins().vhigh_bits(I32, a)
    }
}
