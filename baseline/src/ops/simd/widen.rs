//! Operators that change the width of integer lanes.

use super::lowerings;
use crate::compiler::FuncCompiler;
use crate::masm::Asm;
use crate::masm::vex::*;

impl FuncCompiler<'_> {
    lowerings! {
        i8x16_narrow_i16x8_s = vbinary(VPACKSSWB);
        i8x16_narrow_i16x8_u = vbinary(VPACKUSWB);
        i16x8_narrow_i32x4_s = vbinary(VPACKSSDW);
        i16x8_narrow_i32x4_u = vbinary(VPACKUSDW);
        i16x8_extend_low_i8x16_s = vunary(VPMOVSXBW);
        i16x8_extend_low_i8x16_u = vunary(VPMOVZXBW);
        i32x4_extend_low_i16x8_s = vunary(VPMOVSXWD);
        i32x4_extend_low_i16x8_u = vunary(VPMOVZXWD);
        i64x2_extend_low_i32x4_s = vunary(VPMOVSXDQ);
        i64x2_extend_low_i32x4_u = vunary(VPMOVZXDQ);
        i16x8_extend_high_i8x16_s = vunary_seq(|asm, d, a| asm.vextend_high(VPMOVSXBW, d, a));
        i16x8_extend_high_i8x16_u = vunary_seq(|asm, d, a| asm.vextend_high(VPMOVZXBW, d, a));
        i32x4_extend_high_i16x8_s = vunary_seq(|asm, d, a| asm.vextend_high(VPMOVSXWD, d, a));
        i32x4_extend_high_i16x8_u = vunary_seq(|asm, d, a| asm.vextend_high(VPMOVZXWD, d, a));
        i64x2_extend_high_i32x4_s = vunary_seq(|asm, d, a| asm.vextend_high(VPMOVSXDQ, d, a));
        i64x2_extend_high_i32x4_u = vunary_seq(|asm, d, a| asm.vextend_high(VPMOVZXDQ, d, a));
        i16x8_extadd_pairwise_i8x16_s = vunary_seq(Asm::i16x8_extadd_pairwise_i8x16_s);
        i16x8_extadd_pairwise_i8x16_u = vunary_seq(Asm::i16x8_extadd_pairwise_i8x16_u);
        i32x4_extadd_pairwise_i16x8_s = vunary_seq(Asm::i32x4_extadd_pairwise_i16x8_s);
        i32x4_extadd_pairwise_i16x8_u = vunary_seq(Asm::i32x4_extadd_pairwise_i16x8_u);
    }

    lowerings! {
        i16x8_extmul_low_i8x16_s =
            vbinary_seq(|asm, d, a, b| asm.i16x8_extmul_low(VPMOVSXBW, d, a, b));
        i16x8_extmul_low_i8x16_u =
            vbinary_seq(|asm, d, a, b| asm.i16x8_extmul_low(VPMOVZXBW, d, a, b));
        i16x8_extmul_high_i8x16_s =
            vbinary_seq(|asm, d, a, b| asm.i16x8_extmul_high(VPMOVSXBW, d, a, b));
        i16x8_extmul_high_i8x16_u =
            vbinary_seq(|asm, d, a, b| asm.i16x8_extmul_high(VPMOVZXBW, d, a, b));
        i32x4_extmul_low_i16x8_s =
            vbinary_seq(|asm, d, a, b| asm.i32x4_extmul(VPMULHW, VPUNPCKLWD, d, a, b));
        i32x4_extmul_low_i16x8_u =
            vbinary_seq(|asm, d, a, b| asm.i32x4_extmul(VPMULHUW, VPUNPCKLWD, d, a, b));
        i32x4_extmul_high_i16x8_s =
            vbinary_seq(|asm, d, a, b| asm.i32x4_extmul(VPMULHW, VPUNPCKHWD, d, a, b));
        i32x4_extmul_high_i16x8_u =
            vbinary_seq(|asm, d, a, b| asm.i32x4_extmul(VPMULHUW, VPUNPCKHWD, d, a, b));
        i64x2_extmul_low_i32x4_s =
            vbinary_seq(|asm, d, a, b| asm.i64x2_extmul_low(VPMULDQ, d, a, b));
        i64x2_extmul_low_i32x4_u =
            vbinary_seq(|asm, d, a, b| asm.i64x2_extmul_low(VPMULUDQ, d, a, b));
        i64x2_extmul_high_i32x4_s =
            vbinary_seq(|asm, d, a, b| asm.i64x2_extmul_high(VPMULDQ, d, a, b));
        i64x2_extmul_high_i32x4_u =
            vbinary_seq(|asm, d, a, b| asm.i64x2_extmul_high(VPMULUDQ, d, a, b));
    }
}
