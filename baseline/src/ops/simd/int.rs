//! Integer arithmetic, comparisons and reductions of vectors.

use super::lowerings;
use crate::compiler::FuncCompiler;
use crate::masm::vex::*;
use crate::masm::{Asm, Cond, Gpr, Xmm};
use crate::value::Ty;

impl FuncCompiler<'_> {
    lowerings! {
        v128_and = vbinary(VPAND);
        v128_or = vbinary(VPOR);
        v128_xor = vbinary(VPXOR);
        v128_andnot = vbinary_swapped(VPANDN);
        v128_not = vunary_seq(Asm::v128_not);
        v128_bitselect = vternary_seq(Asm::v128_bitselect);
        i8x16_add = vbinary(VPADDB);
        i16x8_add = vbinary(VPADDW);
        i32x4_add = vbinary(VPADDD);
        i64x2_add = vbinary(VPADDQ);
        i8x16_sub = vbinary(VPSUBB);
        i16x8_sub = vbinary(VPSUBW);
        i32x4_sub = vbinary(VPSUBD);
        i64x2_sub = vbinary(VPSUBQ);
        i8x16_add_sat_s = vbinary(VPADDSB);
        i8x16_add_sat_u = vbinary(VPADDUSB);
        i16x8_add_sat_s = vbinary(VPADDSW);
        i16x8_add_sat_u = vbinary(VPADDUSW);
        i8x16_sub_sat_s = vbinary(VPSUBSB);
        i8x16_sub_sat_u = vbinary(VPSUBUSB);
        i16x8_sub_sat_s = vbinary(VPSUBSW);
        i16x8_sub_sat_u = vbinary(VPSUBUSW);
        i16x8_mul = vbinary(VPMULLW);
        i32x4_mul = vbinary(VPMULLD);
        i64x2_mul = vbinary_seq_temp(Asm::i64x2_mul);
        i32x4_dot_i16x8_s = vbinary(VPMADDWD);
        i16x8_q15mulr_sat_s = vbinary_seq(Asm::i16x8_q15mulr_sat_s);
        i8x16_min_s = vbinary(VPMINSB);
        i8x16_min_u = vbinary(VPMINUB);
        i8x16_max_s = vbinary(VPMAXSB);
        i8x16_max_u = vbinary(VPMAXUB);
        i16x8_min_s = vbinary(VPMINSW);
        i16x8_min_u = vbinary(VPMINUW);
        i16x8_max_s = vbinary(VPMAXSW);
        i16x8_max_u = vbinary(VPMAXUW);
        i32x4_min_s = vbinary(VPMINSD);
        i32x4_min_u = vbinary(VPMINUD);
        i32x4_max_s = vbinary(VPMAXSD);
        i32x4_max_u = vbinary(VPMAXUD);
        i8x16_avgr_u = vbinary(VPAVGB);
        i16x8_avgr_u = vbinary(VPAVGW);
        i8x16_abs = vunary(VPABSB);
        i16x8_abs = vunary(VPABSW);
        i32x4_abs = vunary(VPABSD);
        i64x2_abs = vunary_seq(Asm::i64x2_abs);
        i8x16_neg = vunary_seq(|asm, d, a| asm.vneg(VPSUBB, d, a));
        i16x8_neg = vunary_seq(|asm, d, a| asm.vneg(VPSUBW, d, a));
        i32x4_neg = vunary_seq(|asm, d, a| asm.vneg(VPSUBD, d, a));
        i64x2_neg = vunary_seq(|asm, d, a| asm.vneg(VPSUBQ, d, a));
        i8x16_popcnt = vunary_seq_temp(Asm::i8x16_popcnt);
        i8x16_swizzle = vbinary_seq(Asm::i8x16_swizzle);
    }

    lowerings! {
        i8x16_eq = vbinary(VPCMPEQB);
        i16x8_eq = vbinary(VPCMPEQW);
        i32x4_eq = vbinary(VPCMPEQD);
        i64x2_eq = vbinary(VPCMPEQQ);
        i8x16_ne = vbinary_seq(|asm, d, a, b| asm.vcompare_not(VPCMPEQB, d, a, b));
        i16x8_ne = vbinary_seq(|asm, d, a, b| asm.vcompare_not(VPCMPEQW, d, a, b));
        i32x4_ne = vbinary_seq(|asm, d, a, b| asm.vcompare_not(VPCMPEQD, d, a, b));
        i64x2_ne = vbinary_seq(|asm, d, a, b| asm.vcompare_not(VPCMPEQQ, d, a, b));
        i8x16_gt_s = vbinary(VPCMPGTB);
        i16x8_gt_s = vbinary(VPCMPGTW);
        i32x4_gt_s = vbinary(VPCMPGTD);
        i64x2_gt_s = vbinary(VPCMPGTQ);
        i8x16_lt_s = vbinary_swapped(VPCMPGTB);
        i16x8_lt_s = vbinary_swapped(VPCMPGTW);
        i32x4_lt_s = vbinary_swapped(VPCMPGTD);
        i64x2_lt_s = vbinary_swapped(VPCMPGTQ);
        i64x2_le_s = vbinary_seq(|asm, d, a, b| asm.vcompare_not(VPCMPGTQ, d, a, b));
        i64x2_ge_s = vbinary_seq(|asm, d, a, b| asm.vcompare_not(VPCMPGTQ, d, b, a));
        i8x16_le_s = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMINSB, VPCMPEQB, d, a, b));
        i16x8_le_s = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMINSW, VPCMPEQW, d, a, b));
        i32x4_le_s = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMINSD, VPCMPEQD, d, a, b));
        i8x16_ge_s = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMAXSB, VPCMPEQB, d, a, b));
        i16x8_ge_s = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMAXSW, VPCMPEQW, d, a, b));
        i32x4_ge_s = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMAXSD, VPCMPEQD, d, a, b));
        i8x16_le_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMINUB, VPCMPEQB, d, a, b));
        i16x8_le_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMINUW, VPCMPEQW, d, a, b));
        i32x4_le_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMINUD, VPCMPEQD, d, a, b));
        i8x16_ge_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMAXUB, VPCMPEQB, d, a, b));
        i16x8_ge_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMAXUW, VPCMPEQW, d, a, b));
        i32x4_ge_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by(VPMAXUD, VPCMPEQD, d, a, b));
        i8x16_gt_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by_not(VPMINUB, VPCMPEQB, d, a, b));
        i16x8_gt_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by_not(VPMINUW, VPCMPEQW, d, a, b));
        i32x4_gt_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by_not(VPMINUD, VPCMPEQD, d, a, b));
        i8x16_lt_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by_not(VPMAXUB, VPCMPEQB, d, a, b));
        i16x8_lt_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by_not(VPMAXUW, VPCMPEQW, d, a, b));
        i32x4_lt_u = vbinary_seq(|asm, d, a, b| asm.vcompare_by_not(VPMAXUD, VPCMPEQD, d, a, b));
    }

    lowerings! {
        v128_any_true = vtest(Cond::NE, Asm::vtest_any);
        i8x16_all_true = vtest(Cond::E, |asm, a| asm.vtest_all(VPCMPEQB, a));
        i16x8_all_true = vtest(Cond::E, |asm, a| asm.vtest_all(VPCMPEQW, a));
        i32x4_all_true = vtest(Cond::E, |asm, a| asm.vtest_all(VPCMPEQD, a));
        i64x2_all_true = vtest(Cond::E, |asm, a| asm.vtest_all(VPCMPEQQ, a));
        i8x16_bitmask = vbitmask(|asm, d, a| asm.vmask_to_gpr(VPMOVMSKB, d, a));
        i16x8_bitmask = vbitmask(Asm::i16x8_bitmask);
        i32x4_bitmask = vbitmask(|asm, d, a| asm.vmask_to_gpr(VMOVMSKPS, d, a));
        i64x2_bitmask = vbitmask(|asm, d, a| asm.vmask_to_gpr(VMOVMSKPD, d, a));
    }

    /// A test whose result is a condition.
    fn vtest(&mut self, cond: Cond, emit: fn(&mut Asm, Xmm)) {
        let operand = self.pop();
        let a = self.read_xmm(operand);
        emit(&mut self.asm, a);
        self.push_condition_before(self.after_opcode(), cond);
    }

    /// Sign bits of lanes.
    fn vbitmask(&mut self, emit: fn(&mut Asm, Gpr, Xmm)) {
        let operand = self.pop();
        let a = self.read_xmm(operand);
        let d = self.dest(self.after_opcode(), Ty::I32, &[]);
        emit(&mut self.asm, d.reg.gpr(), a);
        self.push_dest(d, Ty::I32);
    }
}
