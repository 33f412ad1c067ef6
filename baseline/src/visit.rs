//! One line for each operator: the name that the decoder calls, and the lowering behind it.
//!
//! The visitor has no default methods, so an operator that is missing here does not compile.
//! Operators of proposals that this tier does not have are refused by proposal, at the end; the
//! engine switches these proposals off, so no valid module gets there.

use crate::compiler::FuncCompiler;
use crate::masm::{AtomicLogic, Cond, LoadKind};
use crate::ops::atomic::RmwOp;
use crate::ops::float::{FloatCmp, FloatOp, Round};
use crate::ops::int::{AluOp, DivOp, ShiftOp, UnaryOp};
use crate::value::{Ty, Value};
use upshift_abi::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use upshift_abi::trap::Trap;
use wasmparser::*;

/// Rows: `visit method(arguments) => lowering(arguments);`
macro_rules! lower {
    ($($visit:ident($($arg:ident: $ty:ty),*) => $lowering:ident($($value:expr),*);)*) => {$(
        fn $visit(&mut self $(, $arg: $ty)*) {
            self.$lowering($($value),*);
        }
    )*};
}

/// Rows of operators without immediates: `visit method => lowering(arguments);`
macro_rules! plain {
    ($($visit:ident => $lowering:ident($($value:expr),*);)*) => {$(
        fn $visit(&mut self) {
            self.$lowering($($value),*);
        }
    )*};
}

/// Rows of memory accesses: `visit method => lowering(arguments behind the memarg);`
macro_rules! access {
    ($($visit:ident => $lowering:ident($($value:expr),*);)*) => {$(
        fn $visit(&mut self, memarg: MemArg) {
            self.$lowering(&memarg, $($value),*);
        }
    )*};
}

/// Refuses the operators of proposals that are not there; passes over all others.
macro_rules! refuse {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(refuse!(@one $proposal $op $visit $($($argty),*)?);)*
    };
    (@one custom_descriptors $($rest:tt)*) => { refuse!(@method $($rest)*); };
    (@one memory_control $($rest:tt)*) => { refuse!(@method $($rest)*); };
    (@one shared_everything_threads $($rest:tt)*) => { refuse!(@method $($rest)*); };
    (@one stack_switching $($rest:tt)*) => { refuse!(@method $($rest)*); };
    (@one acquire_release_atomics $($rest:tt)*) => { refuse!(@method $($rest)*); };
    (@one $proposal:ident $($rest:tt)*) => {};
    (@method $op:ident $visit:ident $($argty:ty),*) => {
        fn $visit(&mut self $(, _: $argty)*) {
            self.refuse(stringify!($op));
        }
    };
}

const fn div(signed: bool, remainder: bool) -> DivOp {
    DivOp { signed, remainder }
}

impl FuncCompiler<'_> {
    fn const_bits(&mut self, bits: u64, ty: Ty) {
        self.push(Value::Const(bits), ty);
    }

    fn nothing(&mut self) {}

    /// `unreachable`
    fn unreachable(&mut self) {
        self.note_trap(Trap::Unreachable);
        self.asm.ud2();
        self.dead = true;
    }

    fn refuse(&mut self, operator: &'static str) {
        self.refused.get_or_insert((self.src.pc as u64, operator));
        self.dead = true;
    }
}

impl FrameStack for FuncCompiler<'_> {
    fn current_frame(&self) -> Option<FrameKind> {
        (!self.control.is_empty()).then(|| self.control.top().kind.into())
    }
}

impl<'a> VisitOperator<'a> for FuncCompiler<'a> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    lower! {
        visit_block(ty: BlockType) => block(ty);
        visit_loop(ty: BlockType) => loop_(ty);
        visit_if(ty: BlockType) => if_(ty);
        visit_br(depth: u32) => br(depth);
        visit_br_if(depth: u32) => br_if(depth);
        visit_br_table(targets: BrTable<'a>) => br_table(&targets);
        visit_call(func: u32) => call(FuncIndex(func));
        visit_call_indirect(ty: u32, table: u32) => call_indirect(TypeIndex(ty), TableIndex(table));
        visit_return_call(func: u32) => return_call(FuncIndex(func));
        visit_return_call_indirect(ty: u32, table: u32) =>
            return_call_indirect(TypeIndex(ty), TableIndex(table));
        visit_call_ref(ty: u32) => call_ref(TypeIndex(ty));
        visit_return_call_ref(ty: u32) => return_call_ref(TypeIndex(ty));
        visit_br_on_null(depth: u32) => br_on_null(depth);
        visit_br_on_non_null(depth: u32) => br_on_non_null(depth);
        visit_try_table(table: TryTable) => try_table(&table);
        visit_throw(tag: u32) => throw(TagIndex(tag));
        visit_try(ty: BlockType) => try_(ty);
        visit_catch(tag: u32) => catch(Some(TagIndex(tag)));
        visit_catch_all() => catch(None);
        visit_delegate(depth: u32) => delegate(depth);
        visit_rethrow(depth: u32) => rethrow(depth);
        visit_typed_select(_ty: ValType) => select();
        visit_typed_select_multi(_types: Vec<ValType>) => select();
        visit_local_get(index: u32) => push_local(index);
        visit_local_set(index: u32) => local_set(index);
        visit_local_tee(index: u32) => local_tee(index);
        visit_global_get(index: u32) => global_get(GlobalIndex(index));
        visit_global_set(index: u32) => global_set(GlobalIndex(index));
        visit_i32_const(value: i32) => const_bits(u64::from(value as u32), Ty::I32);
        visit_i64_const(value: i64) => const_bits(value as u64, Ty::I64);
        visit_f32_const(value: Ieee32) => const_bits(u64::from(value.bits()), Ty::F32);
        visit_f64_const(value: Ieee64) => const_bits(value.bits(), Ty::F64);
        visit_memory_size(memory: u32) => memory_size(MemoryIndex(memory));
        visit_memory_grow(memory: u32) => memory_grow(MemoryIndex(memory));
        visit_memory_fill(memory: u32) => memory_fill(MemoryIndex(memory));
        visit_memory_copy(dst: u32, src: u32) => memory_copy(MemoryIndex(dst), MemoryIndex(src));
        visit_memory_init(data: u32, memory: u32) => memory_init(MemoryIndex(memory), data);
        visit_data_drop(data: u32) => data_drop(data);
        visit_table_get(table: u32) => table_get(TableIndex(table));
        visit_table_set(table: u32) => table_set(TableIndex(table));
        visit_table_size(table: u32) => table_size(TableIndex(table));
        visit_table_grow(table: u32) => table_grow(TableIndex(table));
        visit_table_fill(table: u32) => table_fill(TableIndex(table));
        visit_table_copy(dst: u32, src: u32) => table_copy(TableIndex(dst), TableIndex(src));
        visit_table_init(elem: u32, table: u32) => table_init(TableIndex(table), elem);
        visit_elem_drop(elem: u32) => elem_drop(elem);
        visit_ref_null(_heap: HeapType) => ref_null();
        visit_ref_func(func: u32) => ref_func(FuncIndex(func));
        visit_atomic_fence(_ordering: Ordering) => atomic_fence();
        visit_struct_new(ty: u32) => struct_new(TypeIndex(ty));
        visit_struct_new_default(ty: u32) => struct_new_default(TypeIndex(ty));
        visit_struct_get(ty: u32, field: u32) => struct_get(TypeIndex(ty), field, false);
        visit_struct_get_s(ty: u32, field: u32) => struct_get(TypeIndex(ty), field, true);
        visit_struct_get_u(ty: u32, field: u32) => struct_get(TypeIndex(ty), field, false);
        visit_struct_set(ty: u32, field: u32) => struct_set(TypeIndex(ty), field);
        visit_array_new(ty: u32) => array_new(TypeIndex(ty));
        visit_array_new_default(ty: u32) => array_new_default(TypeIndex(ty));
        visit_array_new_fixed(ty: u32, length: u32) => array_new_fixed(TypeIndex(ty), length);
        visit_array_new_data(ty: u32, data: u32) => array_new_data(TypeIndex(ty), data);
        visit_array_new_elem(ty: u32, elem: u32) => array_new_elem(TypeIndex(ty), elem);
        visit_array_get(ty: u32) => array_get(TypeIndex(ty), false);
        visit_array_get_s(ty: u32) => array_get(TypeIndex(ty), true);
        visit_array_get_u(ty: u32) => array_get(TypeIndex(ty), false);
        visit_array_set(ty: u32) => array_set(TypeIndex(ty));
        visit_array_len() => array_len();
        visit_array_fill(ty: u32) => array_fill(TypeIndex(ty));
        visit_array_copy(_dst: u32, _src: u32) => array_copy();
        visit_array_init_data(_ty: u32, data: u32) => array_init_data(data);
        visit_array_init_elem(_ty: u32, elem: u32) => array_init_elem(elem);
        visit_ref_test_non_null(heap: HeapType) => ref_test(false, heap);
        visit_ref_test_nullable(heap: HeapType) => ref_test(true, heap);
        visit_ref_cast_non_null(heap: HeapType) => ref_cast(false, heap);
        visit_ref_cast_nullable(heap: HeapType) => ref_cast(true, heap);
        visit_br_on_cast(depth: u32, _from: RefType, to: RefType) =>
            br_on_cast(depth, to, Cond::E);
        visit_br_on_cast_fail(depth: u32, _from: RefType, to: RefType) =>
            br_on_cast(depth, to, Cond::NE);
    }

    plain! {
        visit_unreachable => unreachable();
        visit_nop => nothing();
        visit_else => else_();
        visit_end => end();
        visit_return => return_();
        visit_throw_ref => throw_ref();
        visit_drop => drop_operand();
        visit_select => select();
        visit_ref_is_null => ref_is_null();
        visit_ref_as_non_null => ref_as_non_null();
        visit_ref_eq => ref_eq();
        visit_ref_i31 => ref_i31();
        visit_i31_get_s => i31_get(true);
        visit_i31_get_u => i31_get(false);
        visit_any_convert_extern => nothing();
        visit_extern_convert_any => nothing();

        visit_i32_eqz => int_eqz(Ty::I32);
        visit_i32_eq => int_compare(Cond::E, Ty::I32);
        visit_i32_ne => int_compare(Cond::NE, Ty::I32);
        visit_i32_lt_s => int_compare(Cond::L, Ty::I32);
        visit_i32_lt_u => int_compare(Cond::B, Ty::I32);
        visit_i32_gt_s => int_compare(Cond::G, Ty::I32);
        visit_i32_gt_u => int_compare(Cond::A, Ty::I32);
        visit_i32_le_s => int_compare(Cond::LE, Ty::I32);
        visit_i32_le_u => int_compare(Cond::BE, Ty::I32);
        visit_i32_ge_s => int_compare(Cond::GE, Ty::I32);
        visit_i32_ge_u => int_compare(Cond::AE, Ty::I32);
        visit_i64_eqz => int_eqz(Ty::I64);
        visit_i64_eq => int_compare(Cond::E, Ty::I64);
        visit_i64_ne => int_compare(Cond::NE, Ty::I64);
        visit_i64_lt_s => int_compare(Cond::L, Ty::I64);
        visit_i64_lt_u => int_compare(Cond::B, Ty::I64);
        visit_i64_gt_s => int_compare(Cond::G, Ty::I64);
        visit_i64_gt_u => int_compare(Cond::A, Ty::I64);
        visit_i64_le_s => int_compare(Cond::LE, Ty::I64);
        visit_i64_le_u => int_compare(Cond::BE, Ty::I64);
        visit_i64_ge_s => int_compare(Cond::GE, Ty::I64);
        visit_i64_ge_u => int_compare(Cond::AE, Ty::I64);
        visit_f32_eq => float_compare(FloatCmp::Eq, Ty::F32);
        visit_f32_ne => float_compare(FloatCmp::Ne, Ty::F32);
        visit_f32_lt => float_compare(FloatCmp::Lt, Ty::F32);
        visit_f32_gt => float_compare(FloatCmp::Gt, Ty::F32);
        visit_f32_le => float_compare(FloatCmp::Le, Ty::F32);
        visit_f32_ge => float_compare(FloatCmp::Ge, Ty::F32);
        visit_f64_eq => float_compare(FloatCmp::Eq, Ty::F64);
        visit_f64_ne => float_compare(FloatCmp::Ne, Ty::F64);
        visit_f64_lt => float_compare(FloatCmp::Lt, Ty::F64);
        visit_f64_gt => float_compare(FloatCmp::Gt, Ty::F64);
        visit_f64_le => float_compare(FloatCmp::Le, Ty::F64);
        visit_f64_ge => float_compare(FloatCmp::Ge, Ty::F64);

        visit_i32_clz => int_unary(UnaryOp::Clz, Ty::I32);
        visit_i32_ctz => int_unary(UnaryOp::Ctz, Ty::I32);
        visit_i32_popcnt => int_unary(UnaryOp::Popcnt, Ty::I32);
        visit_i32_add => int_alu(AluOp::Add, Ty::I32);
        visit_i32_sub => int_alu(AluOp::Sub, Ty::I32);
        visit_i32_mul => int_alu(AluOp::Mul, Ty::I32);
        visit_i32_div_s => int_div(div(true, false), Ty::I32);
        visit_i32_div_u => int_div(div(false, false), Ty::I32);
        visit_i32_rem_s => int_div(div(true, true), Ty::I32);
        visit_i32_rem_u => int_div(div(false, true), Ty::I32);
        visit_i32_and => int_alu(AluOp::And, Ty::I32);
        visit_i32_or => int_alu(AluOp::Or, Ty::I32);
        visit_i32_xor => int_alu(AluOp::Xor, Ty::I32);
        visit_i32_shl => int_shift(ShiftOp::Shl, Ty::I32);
        visit_i32_shr_s => int_shift(ShiftOp::ShrS, Ty::I32);
        visit_i32_shr_u => int_shift(ShiftOp::ShrU, Ty::I32);
        visit_i32_rotl => int_shift(ShiftOp::Rotl, Ty::I32);
        visit_i32_rotr => int_shift(ShiftOp::Rotr, Ty::I32);
        visit_i64_clz => int_unary(UnaryOp::Clz, Ty::I64);
        visit_i64_ctz => int_unary(UnaryOp::Ctz, Ty::I64);
        visit_i64_popcnt => int_unary(UnaryOp::Popcnt, Ty::I64);
        visit_i64_add => int_alu(AluOp::Add, Ty::I64);
        visit_i64_sub => int_alu(AluOp::Sub, Ty::I64);
        visit_i64_mul => int_alu(AluOp::Mul, Ty::I64);
        visit_i64_div_s => int_div(div(true, false), Ty::I64);
        visit_i64_div_u => int_div(div(false, false), Ty::I64);
        visit_i64_rem_s => int_div(div(true, true), Ty::I64);
        visit_i64_rem_u => int_div(div(false, true), Ty::I64);
        visit_i64_and => int_alu(AluOp::And, Ty::I64);
        visit_i64_or => int_alu(AluOp::Or, Ty::I64);
        visit_i64_xor => int_alu(AluOp::Xor, Ty::I64);
        visit_i64_shl => int_shift(ShiftOp::Shl, Ty::I64);
        visit_i64_shr_s => int_shift(ShiftOp::ShrS, Ty::I64);
        visit_i64_shr_u => int_shift(ShiftOp::ShrU, Ty::I64);
        visit_i64_rotl => int_shift(ShiftOp::Rotl, Ty::I64);
        visit_i64_rotr => int_shift(ShiftOp::Rotr, Ty::I64);
        visit_i32_extend8_s => int_unary(UnaryOp::Extend8, Ty::I32);
        visit_i32_extend16_s => int_unary(UnaryOp::Extend16, Ty::I32);
        visit_i64_extend8_s => int_unary(UnaryOp::Extend8, Ty::I64);
        visit_i64_extend16_s => int_unary(UnaryOp::Extend16, Ty::I64);
        visit_i64_extend32_s => int_unary(UnaryOp::Extend32, Ty::I64);

        visit_f32_abs => float_sign(false, Ty::F32);
        visit_f32_neg => float_sign(true, Ty::F32);
        visit_f32_ceil => float_round(Round::Ceil, Ty::F32);
        visit_f32_floor => float_round(Round::Floor, Ty::F32);
        visit_f32_trunc => float_round(Round::Trunc, Ty::F32);
        visit_f32_nearest => float_round(Round::Nearest, Ty::F32);
        visit_f32_sqrt => float_sqrt(Ty::F32);
        visit_f32_add => float_binary(FloatOp::Add, Ty::F32);
        visit_f32_sub => float_binary(FloatOp::Sub, Ty::F32);
        visit_f32_mul => float_binary(FloatOp::Mul, Ty::F32);
        visit_f32_div => float_binary(FloatOp::Div, Ty::F32);
        visit_f32_min => float_min_max(false, Ty::F32);
        visit_f32_max => float_min_max(true, Ty::F32);
        visit_f32_copysign => float_copysign(Ty::F32);
        visit_f64_abs => float_sign(false, Ty::F64);
        visit_f64_neg => float_sign(true, Ty::F64);
        visit_f64_ceil => float_round(Round::Ceil, Ty::F64);
        visit_f64_floor => float_round(Round::Floor, Ty::F64);
        visit_f64_trunc => float_round(Round::Trunc, Ty::F64);
        visit_f64_nearest => float_round(Round::Nearest, Ty::F64);
        visit_f64_sqrt => float_sqrt(Ty::F64);
        visit_f64_add => float_binary(FloatOp::Add, Ty::F64);
        visit_f64_sub => float_binary(FloatOp::Sub, Ty::F64);
        visit_f64_mul => float_binary(FloatOp::Mul, Ty::F64);
        visit_f64_div => float_binary(FloatOp::Div, Ty::F64);
        visit_f64_min => float_min_max(false, Ty::F64);
        visit_f64_max => float_min_max(true, Ty::F64);
        visit_f64_copysign => float_copysign(Ty::F64);

        visit_i32_wrap_i64 => wrap();
        visit_i64_extend_i32_s => extend_signed();
        visit_i64_extend_i32_u => extend_unsigned();
        visit_i32_trunc_f32_s => trunc(Ty::F32, Ty::I32, true);
        visit_i32_trunc_f32_u => trunc(Ty::F32, Ty::I32, false);
        visit_i32_trunc_f64_s => trunc(Ty::F64, Ty::I32, true);
        visit_i32_trunc_f64_u => trunc(Ty::F64, Ty::I32, false);
        visit_i64_trunc_f32_s => trunc(Ty::F32, Ty::I64, true);
        visit_i64_trunc_f32_u => trunc(Ty::F32, Ty::I64, false);
        visit_i64_trunc_f64_s => trunc(Ty::F64, Ty::I64, true);
        visit_i64_trunc_f64_u => trunc(Ty::F64, Ty::I64, false);
        visit_i32_trunc_sat_f32_s => trunc_sat(Ty::F32, Ty::I32, true);
        visit_i32_trunc_sat_f32_u => trunc_sat(Ty::F32, Ty::I32, false);
        visit_i32_trunc_sat_f64_s => trunc_sat(Ty::F64, Ty::I32, true);
        visit_i32_trunc_sat_f64_u => trunc_sat(Ty::F64, Ty::I32, false);
        visit_i64_trunc_sat_f32_s => trunc_sat(Ty::F32, Ty::I64, true);
        visit_i64_trunc_sat_f32_u => trunc_sat(Ty::F32, Ty::I64, false);
        visit_i64_trunc_sat_f64_s => trunc_sat(Ty::F64, Ty::I64, true);
        visit_i64_trunc_sat_f64_u => trunc_sat(Ty::F64, Ty::I64, false);
        visit_f32_convert_i32_s => int_to_float(Ty::I32, true, Ty::F32);
        visit_f32_convert_i32_u => int_to_float(Ty::I32, false, Ty::F32);
        visit_f32_convert_i64_s => int_to_float(Ty::I64, true, Ty::F32);
        visit_f32_convert_i64_u => int_to_float(Ty::I64, false, Ty::F32);
        visit_f64_convert_i32_s => int_to_float(Ty::I32, true, Ty::F64);
        visit_f64_convert_i32_u => int_to_float(Ty::I32, false, Ty::F64);
        visit_f64_convert_i64_s => int_to_float(Ty::I64, true, Ty::F64);
        visit_f64_convert_i64_u => int_to_float(Ty::I64, false, Ty::F64);
        visit_f32_demote_f64 => convert_precision(Ty::F32);
        visit_f64_promote_f32 => convert_precision(Ty::F64);
        visit_i32_reinterpret_f32 => reinterpret_float(Ty::I32);
        visit_i64_reinterpret_f64 => reinterpret_float(Ty::I64);
        visit_f32_reinterpret_i32 => reinterpret_int(Ty::F32);
        visit_f64_reinterpret_i64 => reinterpret_int(Ty::F64);

        visit_i64_add128 => i64_add128();
        visit_i64_sub128 => i64_sub128();
        visit_i64_mul_wide_s => i64_mul_wide(true);
        visit_i64_mul_wide_u => i64_mul_wide(false);
    }

    access! {
        visit_i32_load => load(LoadKind::U32, Ty::I32);
        visit_i64_load => load(LoadKind::U64, Ty::I64);
        visit_f32_load => load_float(Ty::F32);
        visit_f64_load => load_float(Ty::F64);
        visit_i32_load8_s => load(LoadKind::S8To32, Ty::I32);
        visit_i32_load8_u => load(LoadKind::U8, Ty::I32);
        visit_i32_load16_s => load(LoadKind::S16To32, Ty::I32);
        visit_i32_load16_u => load(LoadKind::U16, Ty::I32);
        visit_i64_load8_s => load(LoadKind::S8To64, Ty::I64);
        visit_i64_load8_u => load(LoadKind::U8, Ty::I64);
        visit_i64_load16_s => load(LoadKind::S16To64, Ty::I64);
        visit_i64_load16_u => load(LoadKind::U16, Ty::I64);
        visit_i64_load32_s => load(LoadKind::S32To64, Ty::I64);
        visit_i64_load32_u => load(LoadKind::U32, Ty::I64);
        visit_i32_store => store(4);
        visit_i64_store => store(8);
        visit_f32_store => store_float(Ty::F32);
        visit_f64_store => store_float(Ty::F64);
        visit_i32_store8 => store(1);
        visit_i32_store16 => store(2);
        visit_i64_store8 => store(1);
        visit_i64_store16 => store(2);
        visit_i64_store32 => store(4);

    }

    crate::ops::atomic::visit_atomics!();

    for_each_visit_operator!(refuse);
}
