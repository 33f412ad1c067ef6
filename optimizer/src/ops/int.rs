//! Integer operators.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    InstBuilder, InstructionData, Opcode, Type, Value, ValueDef, types::*,
};

impl Lowering<'_, '_> {
    lowerings! {
        i32_eqz = int_eqz();
        i32_eq = int_compare(IntCC::Equal);
        i32_ne = int_compare(IntCC::NotEqual);
        i32_lt_s = int_compare(IntCC::SignedLessThan);
        i32_lt_u = int_compare(IntCC::UnsignedLessThan);
        i32_gt_s = int_compare(IntCC::SignedGreaterThan);
        i32_gt_u = int_compare(IntCC::UnsignedGreaterThan);
        i32_le_s = int_compare(IntCC::SignedLessThanOrEqual);
        i32_le_u = int_compare(IntCC::UnsignedLessThanOrEqual);
        i32_ge_s = int_compare(IntCC::SignedGreaterThanOrEqual);
        i32_ge_u = int_compare(IntCC::UnsignedGreaterThanOrEqual);
        i64_eqz = int_eqz();
        i64_eq = int_compare(IntCC::Equal);
        i64_ne = int_compare(IntCC::NotEqual);
        i64_lt_s = int_compare(IntCC::SignedLessThan);
        i64_lt_u = int_compare(IntCC::UnsignedLessThan);
        i64_gt_s = int_compare(IntCC::SignedGreaterThan);
        i64_gt_u = int_compare(IntCC::UnsignedGreaterThan);
        i64_le_s = int_compare(IntCC::SignedLessThanOrEqual);
        i64_le_u = int_compare(IntCC::UnsignedLessThanOrEqual);
        i64_ge_s = int_compare(IntCC::SignedGreaterThanOrEqual);
        i64_ge_u = int_compare(IntCC::UnsignedGreaterThanOrEqual);
        i32_clz = unary(Opcode::Clz, I32);
        i32_ctz = unary(Opcode::Ctz, I32);
        i32_popcnt = unary(Opcode::Popcnt, I32);
        i64_clz = unary(Opcode::Clz, I64);
        i64_ctz = unary(Opcode::Ctz, I64);
        i64_popcnt = unary(Opcode::Popcnt, I64);
        i32_extend8_s = int_extend(I8, I32);
        i32_extend16_s = int_extend(I16, I32);
        i64_extend8_s = int_extend(I8, I64);
        i64_extend16_s = int_extend(I16, I64);
        i64_extend32_s = int_extend(I32, I64);
    }

    // Counts of shifts are taken modulo the width by the instructions, and divisions trap as wasm
    // has it.
    lowerings! {
        i32_add = binary(Opcode::Iadd);
        i32_sub = binary(Opcode::Isub);
        i32_mul = binary(Opcode::Imul);
        i32_div_s = binary(Opcode::Sdiv);
        i32_div_u = binary(Opcode::Udiv);
        i32_rem_s = binary(Opcode::Srem);
        i32_rem_u = binary(Opcode::Urem);
        i32_and = int_and();
        i32_or = binary(Opcode::Bor);
        i32_xor = binary(Opcode::Bxor);
        i32_shl = binary(Opcode::Ishl);
        i32_shr_s = binary(Opcode::Sshr);
        i32_shr_u = binary(Opcode::Ushr);
        i32_rotl = binary(Opcode::Rotl);
        i32_rotr = binary(Opcode::Rotr);
        i64_add = binary(Opcode::Iadd);
        i64_sub = binary(Opcode::Isub);
        i64_mul = binary(Opcode::Imul);
        i64_div_s = binary(Opcode::Sdiv);
        i64_div_u = binary(Opcode::Udiv);
        i64_rem_s = binary(Opcode::Srem);
        i64_rem_u = binary(Opcode::Urem);
        i64_and = int_and();
        i64_or = binary(Opcode::Bor);
        i64_xor = binary(Opcode::Bxor);
        i64_shl = binary(Opcode::Ishl);
        i64_shr_s = binary(Opcode::Sshr);
        i64_shr_u = binary(Opcode::Ushr);
        i64_rotl = binary(Opcode::Rotl);
        i64_rotr = binary(Opcode::Rotr);
    }

    fn int_compare(&mut self, args: &[Value], cond: IntCC) -> Value {
        let bit = self.ins().icmp(cond, args[0], args[1]);
        self.truth(bit)
    }

    fn int_eqz(&mut self, args: &[Value]) -> Value {
        let ty = self.type_of(args[0]);
        let zero = self.ins().iconst(ty, 0);
        self.int_compare(&[args[0], zero], IntCC::Equal)
    }

    /// `and`. One that clears only what a load or a comparison leaves clear is left out: languages with
    /// small integers have many, and Cranelift makes them anew in each block where they are used.
    fn int_and(&mut self, args: &[Value]) -> Value {
        if self.constant_of(args[1]).is_some_and(|mask| self.possible_bits(args[0]) & !mask == 0) {
            return args[0];
        }
        self.two(Opcode::Band, args[0], args[1])
    }

    fn constant_of(&self, value: Value) -> Option<u64> {
        match self.definition(value)? {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => {
                Some(imm.bits().cast_unsigned())
            }
            _ => None,
        }
    }

    /// The bits of a value that may be set.
    fn possible_bits(&self, value: Value) -> u64 {
        let dfg = &self.builder.func.dfg;
        let all = u64::MAX >> (64 - dfg.value_type(value).bits());
        match self.definition(value) {
            Some(InstructionData::Load { opcode: Opcode::Uload8, .. }) => 0xff,
            Some(InstructionData::Load { opcode: Opcode::Uload16, .. }) => 0xffff,
            Some(InstructionData::Load { opcode: Opcode::Uload32, .. }) => 0xffff_ffff,
            Some(InstructionData::Unary { opcode: Opcode::Uextend, arg }) => {
                match self.definition(*arg) {
                    Some(
                        InstructionData::IntCompare { .. } | InstructionData::FloatCompare { .. },
                    ) => 1,
                    _ => u64::MAX >> (64 - dfg.value_type(*arg).bits()),
                }
            }
            _ => all,
        }
    }

    /// The instruction whose only result a value is.
    fn definition(&self, value: Value) -> Option<&InstructionData> {
        let dfg = &self.builder.func.dfg;
        match dfg.value_def(dfg.resolve_aliases(value)) {
            ValueDef::Result(inst, 0) => Some(&dfg.insts[inst]),
            _ => None,
        }
    }

    /// Sign extension of the low bits.
    fn int_extend(&mut self, args: &[Value], from: Type, to: Type) -> Value {
        let low = self.ins().ireduce(from, args[0]);
        self.ins().sextend(to, low)
    }
}
