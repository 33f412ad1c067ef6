//! Lowering of the pure operators: what their bodies in [`crate::ops`] share.
//!
//! On the translator's stack, a vector is a value of type `I8X16` and a truth value one of type
//! `I32`. Everything else has the type of Cranelift with the same name.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    ConstantData, DataFlowGraph, Endianness, Inst, InstBuilder, InstructionData, MemFlagsData,
    Opcode, TrapCode, Type, Value, ValueDef, types,
};
use cranelift_frontend::{FuncInstBuilder, FunctionBuilder};
use upshift_abi::ops::{LaneOp, ScalarOp, SimdOp};
use upshift_abi::trap::Trap;
use upshift_abi::{for_each_lane_op, for_each_scalar_op, for_each_simd_op};

/// Declares one method of [`Lowering`] per row: operator, and the shape that lowers it, with
/// further arguments of that shape.
macro_rules! lowerings {
    ($($name:ident = $shape:ident($($arg:expr),* $(,)?);)*) => {$(
        pub(crate) fn $name(&mut self, args: &[Value]) -> Value {
            self.$shape(args, $($arg),*)
        }
    )*};
}
pub(crate) use lowerings;

macro_rules! define_scalar {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $effect:ident;)*) => {
        /// The result of a scalar operator.
        pub(crate) fn scalar(&mut self, op: ScalarOp, args: &[Value]) -> Value {
            match op { $(ScalarOp::$name => self.$name(args),)* }
        }
    };
}

macro_rules! define_simd {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $effect:ident;)*) => {
        /// The result of a vector operator.
        pub(crate) fn simd(&mut self, op: SimdOp, args: &[Value]) -> Value {
            match op { $(SimdOp::$name => self.$name(args),)* }
        }
    };
}

macro_rules! define_lane {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $lanes:literal;)*) => {
        /// The result of a vector operator on lane `lane`.
        pub(crate) fn lane(&mut self, op: LaneOp, lane: u8, args: &[Value]) -> Value {
            match op { $(LaneOp::$name => self.$name(lane, args),)* }
        }
    };
}

/// Lowers operators, given their operands, at the current position of a function builder.
pub(crate) struct Lowering<'f, 'b> {
    /// Builder of the function.
    pub(crate) builder: &'b mut FunctionBuilder<'f>,
    /// Whether NaNs of arithmetic are made canonical.
    pub(crate) nan_canonicalize: bool,
    /// Whether relaxed operators follow the deterministic profile.
    pub(crate) relaxed_deterministic: bool,
}

impl<'f> Lowering<'f, '_> {
    for_each_scalar_op! { define_scalar }
    for_each_simd_op! { define_simd }
    for_each_lane_op! { define_lane }

    /// Inserts instructions.
    pub(crate) fn ins(&mut self) -> FuncInstBuilder<'_, 'f> {
        self.builder.ins()
    }

    /// The result, of type `ty`, of an instruction with one operand.
    pub(crate) fn one(&mut self, op: Opcode, ty: Type, a: Value) -> Value {
        let (inst, dfg) = self.ins().Unary(op, ty, a);
        dfg.first_result(inst)
    }

    /// The result of an instruction with two operands whose type is that of the first.
    pub(crate) fn two(&mut self, op: Opcode, a: Value, b: Value) -> Value {
        let ty = self.type_of(a);
        let (inst, dfg) = self.ins().Binary(op, ty, a, b);
        dfg.first_result(inst)
    }

    /// Type of a value.
    pub(crate) fn type_of(&self, value: Value) -> Type {
        self.builder.func.dfg.value_type(value)
    }

    /// An operator of one operand with one instruction for it, the result of type `ty`.
    pub(crate) fn unary(&mut self, args: &[Value], op: Opcode, ty: Type) -> Value {
        self.one(op, ty, args[0])
    }

    /// An operator of two operands with one instruction for it.
    pub(crate) fn binary(&mut self, args: &[Value], op: Opcode) -> Value {
        self.two(op, args[0], args[1])
    }

    /// A truth value on the stack.
    pub(crate) fn truth(&mut self, bit: Value) -> Value {
        self.ins().uextend(types::I32, bit)
    }

    /// The same bits in another type.
    pub(crate) fn reinterpret(&mut self, args: &[Value], ty: Type) -> Value {
        self.ins().bitcast(ty, little_endian(), args[0])
    }

    /// A vector of bits, little-endian, as lanes of type `ty`.
    pub(crate) fn constant(&mut self, ty: Type, bits: u128) -> Value {
        let data = ConstantData::from(bits.to_le_bytes().as_slice());
        let handle = self.builder.func.dfg.constants.insert(data);
        self.ins().vconst(ty, handle)
    }

    /// A vector as lanes of type `ty`. Casts do not pile up on each other, nor on constants and
    /// loads, so that instruction selection sees what is behind them.
    pub(crate) fn cast(&mut self, vector: Value, ty: Type) -> Value {
        if self.type_of(vector) == ty {
            return vector;
        }
        let dfg = &self.builder.func.dfg;
        let vector = dfg.resolve_aliases(vector);
        if let Some(inst) = definition(dfg, vector) {
            match dfg.insts[inst] {
                InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. }
                    if dfg.value_type(arg).is_vector() =>
                {
                    return self.cast(arg, ty);
                }
                InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle } => {
                    return self.ins().vconst(ty, constant_handle);
                }
                InstructionData::Load { opcode: Opcode::Load, .. } => {
                    return self.retype(inst, vector, ty);
                }
                _ => {}
            }
        }
        self.ins().bitcast(ty, little_endian(), vector)
    }

    /// Makes a load one of lanes of type `ty`, so that an instruction may take them from memory.
    /// What was loaded before, `vector`, becomes a cast of the lanes.
    fn retype(&mut self, load: Inst, vector: Value, ty: Type) -> Value {
        let before = self.type_of(vector);
        let func = &mut *self.builder.func;
        let lanes = func.dfg.replace_result(vector, ty);
        let mut cursor = FuncCursor::new(func).after_inst(load);
        cursor.use_srcloc(load);
        cursor.ins().with_result(vector).bitcast(before, little_endian(), lanes);
        lanes
    }

    /// A vector as it is on the stack.
    pub(crate) fn pack(&mut self, lanes: Value) -> Value {
        self.cast(lanes, types::I8X16)
    }
}

/// The instruction whose only result a value is, by whatever alias.
pub(crate) fn definition(dfg: &DataFlowGraph, value: Value) -> Option<Inst> {
    match dfg.value_def(dfg.resolve_aliases(value)) {
        ValueDef::Result(inst, 0) => Some(inst),
        _ => None,
    }
}

/// The bits of a value that is an integer constant.
pub(crate) fn constant_bits(dfg: &DataFlowGraph, value: Value) -> Option<u64> {
    match dfg.insts[definition(dfg, value)?] {
        InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => {
            let unused = u64::BITS - dfg.value_type(value).bits();
            Some(imm.bits().cast_unsigned() << unused >> unused)
        }
        _ => None,
    }
}

/// The flags of a cast: lanes are in the order of memory.
pub(crate) fn little_endian() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}

/// The code that stands for `trap` in Cranelift.
pub(crate) fn trap_code(trap: Trap) -> TrapCode {
    TrapCode::unwrap_user(trap as u8)
}

/// The trap that `code` stands for: one of [`trap_code`], or of Cranelift's own for divisions and
/// conversions.
pub(crate) fn trap_of(code: TrapCode) -> Option<Trap> {
    match code {
        TrapCode::INTEGER_OVERFLOW => Some(Trap::IntegerOverflow),
        TrapCode::INTEGER_DIVISION_BY_ZERO => Some(Trap::IntegerDivisionByZero),
        TrapCode::BAD_CONVERSION_TO_INTEGER => Some(Trap::BadConversionToInteger),
        TrapCode::STACK_OVERFLOW => Some(Trap::StackOverflow),
        TrapCode::HEAP_OUT_OF_BOUNDS => Some(Trap::MemoryOutOfBounds),
        code => Trap::from_u8(code.as_raw().get()),
    }
}

#[cfg(test)]
mod tests;
