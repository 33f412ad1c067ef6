//! Integer operators.

use crate::lower::{Lowering, constant_bits, definition, lowerings};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    DataFlowGraph, InstBuilder, InstructionData, Opcode, Type, Value, types::*,
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
        let dfg = &self.builder.func.dfg;
        let mask = constant_bits(dfg, args[1]);
        if mask.is_some_and(|mask| possible_bits(dfg, args[0]) & !mask == 0) {
            return args[0];
        }
        self.two(Opcode::Band, args[0], args[1])
    }

    /// Sign extension of the low bits.
    fn int_extend(&mut self, args: &[Value], from: Type, to: Type) -> Value {
        let low = self.ins().ireduce(from, args[0]);
        self.ins().sextend(to, low)
    }
}

/// The bits of an integer that may be set.
fn possible_bits(dfg: &DataFlowGraph, value: Value) -> u64 {
    let all = |value| u64::MAX >> (64 - dfg.value_type(value).bits());
    match definition(dfg, value).map(|inst| dfg.insts[inst]) {
        Some(InstructionData::Load { opcode: Opcode::Uload8, .. }) => 0xff,
        Some(InstructionData::Load { opcode: Opcode::Uload16, .. }) => 0xffff,
        Some(InstructionData::Load { opcode: Opcode::Uload32, .. }) => 0xffff_ffff,
        Some(InstructionData::Unary { opcode: Opcode::Uextend, arg }) => {
            match definition(dfg, arg).map(|inst| dfg.insts[inst]) {
                Some(InstructionData::IntCompare { .. } | InstructionData::FloatCompare { .. }) => {
                    1
                }
                _ => all(arg),
            }
        }
        _ => all(value),
    }
}
