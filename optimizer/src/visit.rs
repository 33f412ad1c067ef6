//! One line for each operator: the name that the decoder calls, and the lowering behind it.
//!
//! Pure operators come from the tables of [`upshift_abi::ops`]. The visitor has no default methods,
//! so an operator that is missing here does not compile. Operators of proposals that this tier does
//! not have are refused by proposal, at the end; the engine switches these proposals off, so no
//! valid module gets there.

use crate::lower::Lowering;
use crate::translate::Translator;
use cranelift_codegen::ir::{AtomicRmwOp, types};
use smallvec::SmallVec;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use upshift_abi::ops::{LaneOp, ScalarOp, SimdOp};
use wasmparser::*;

/// Rows: `visit method(arguments) => lowering(arguments);`
macro_rules! lower {
    ($($visit:ident($($arg:ident: $ty:ty),*) => $lowering:ident($($value:expr),*);)*) => {$(
        fn $visit(&mut self $(, $arg: $ty)*) {
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

/// Rows of memory accesses with a lane.
macro_rules! lane_access {
    ($($visit:ident => $lowering:ident($($value:expr),*);)*) => {$(
        fn $visit(&mut self, memarg: MemArg, lane: u8) {
            self.$lowering(&memarg, $($value,)* lane);
        }
    )*};
}

macro_rules! scalar_rows {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $effect:ident;)*) => {$(
        fn $visit(&mut self) {
            self.scalar(ScalarOp::$name);
        }
    )*};
}

macro_rules! simd_rows {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $effect:ident;)*) => {$(
        fn $visit(&mut self) {
            self.simd(SimdOp::$name);
        }
    )*};
}

macro_rules! lane_rows {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $lanes:literal;)*) => {$(
        fn $visit(&mut self, lane: u8) {
            self.lane(LaneOp::$name, lane);
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

impl<'b> Translator<'_, 'b> {
    fn nothing(&mut self) {}

    fn lowering(&mut self) -> Lowering<'b, '_> {
        Lowering {
            builder: &mut self.builder,
            nan_canonicalize: self.src.input.config.nan_canonicalize,
            relaxed_deterministic: self.src.input.config.relaxed_simd_deterministic,
        }
    }

    fn scalar(&mut self, op: ScalarOp) {
        let args: SmallVec<[_; 2]> = self.pop_many(op.params().len()).into();
        let result = self.lowering().scalar(op, &args);
        self.push(result);
    }

    fn simd(&mut self, op: SimdOp) {
        let args: SmallVec<[_; 3]> = self.pop_many(op.params().len()).into();
        let result = self.lowering().simd(op, &args);
        self.push(result);
    }

    fn lane(&mut self, op: LaneOp, lane: u8) {
        let args: SmallVec<[_; 2]> = self.pop_many(op.params().len()).into();
        let result = self.lowering().lane(op, lane, &args);
        self.push(result);
    }

    fn shuffle(&mut self, lanes: [u8; 16]) {
        let b = self.pop();
        let a = self.pop();
        let result = self.lowering().shuffle(lanes, a, b);
        self.push(result);
    }

    fn v128_const(&mut self, bits: i128) {
        let value = self.vector_constant(bits.cast_unsigned());
        self.push(value);
    }
}

impl FrameStack for Translator<'_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.control.last().map(|frame| frame.kind.into())
    }
}

impl<'a> VisitOperator<'a> for Translator<'a, '_> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    lower! {
        visit_unreachable() => unreachable();
        visit_nop() => nothing();
        visit_block(ty: BlockType) => block(ty);
        visit_loop(ty: BlockType) => loop_(ty);
        visit_if(ty: BlockType) => if_(ty);
        visit_else() => else_();
        visit_end() => end();
        visit_br(depth: u32) => br(depth);
        visit_br_if(depth: u32) => br_if(depth);
        visit_br_table(targets: BrTable<'a>) => br_table(&targets);
        visit_return() => return_();
        visit_call(func: u32) => call(FuncIndex(func));
        visit_call_indirect(ty: u32, table: u32) => call_indirect(TypeIndex(ty), TableIndex(table));
        visit_return_call(func: u32) => return_call(FuncIndex(func));
        visit_return_call_indirect(ty: u32, table: u32) =>
            return_call_indirect(TypeIndex(ty), TableIndex(table));
        visit_call_ref(ty: u32) => call_ref(TypeIndex(ty));
        visit_return_call_ref(ty: u32) => return_call_ref(TypeIndex(ty));
        visit_ref_as_non_null() => ref_as_non_null();
        visit_br_on_null(depth: u32) => br_on_null(depth);
        visit_br_on_non_null(depth: u32) => br_on_non_null(depth);
        visit_try_table(table: TryTable) => try_table(&table);
        visit_throw(tag: u32) => throw(TagIndex(tag));
        visit_throw_ref() => throw_ref();
        visit_try(ty: BlockType) => try_(ty);
        visit_catch(tag: u32) => catch(Some(TagIndex(tag)));
        visit_catch_all() => catch(None);
        visit_delegate(depth: u32) => delegate(depth);
        visit_rethrow(depth: u32) => rethrow(depth);
        visit_drop() => drop_operand();
        visit_select() => select();
        visit_typed_select(_ty: ValType) => select();
        visit_typed_select_multi(_types: Vec<ValType>) => select();
        visit_local_get(index: u32) => local_get(index);
        visit_local_set(index: u32) => local_set(index);
        visit_local_tee(index: u32) => local_tee(index);
        visit_global_get(index: u32) => global_get(GlobalIndex(index));
        visit_global_set(index: u32) => global_set(GlobalIndex(index));
        visit_i32_const(value: i32) => i32_const(value);
        visit_i64_const(value: i64) => i64_const(value);
        visit_f32_const(value: Ieee32) => f32_const(value.bits());
        visit_f64_const(value: Ieee64) => f64_const(value.bits());
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
        visit_ref_is_null() => ref_is_null();
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
        visit_br_on_cast(depth: u32, from: RefType, to: RefType) =>
            br_on_cast(depth, (from, to), true);
        visit_br_on_cast_fail(depth: u32, from: RefType, to: RefType) =>
            br_on_cast(depth, (from, to), false);
        visit_ref_eq() => ref_eq();
        visit_ref_i31() => ref_i31();
        visit_i31_get_s() => i31_get(true);
        visit_i31_get_u() => i31_get(false);
        visit_any_convert_extern() => convert_reference();
        visit_extern_convert_any() => convert_reference();
        visit_i64_add128() => i64_add128();
        visit_i64_sub128() => i64_sub128();
        visit_i64_mul_wide_s() => i64_mul_wide(true);
        visit_i64_mul_wide_u() => i64_mul_wide(false);
    }

    access! {
        visit_i32_load => load(types::I32);
        visit_i64_load => load(types::I64);
        visit_f32_load => load(types::F32);
        visit_f64_load => load(types::F64);
        visit_i32_load8_s => load_extend(types::I8, true, types::I32);
        visit_i32_load8_u => load_extend(types::I8, false, types::I32);
        visit_i32_load16_s => load_extend(types::I16, true, types::I32);
        visit_i32_load16_u => load_extend(types::I16, false, types::I32);
        visit_i64_load8_s => load_extend(types::I8, true, types::I64);
        visit_i64_load8_u => load_extend(types::I8, false, types::I64);
        visit_i64_load16_s => load_extend(types::I16, true, types::I64);
        visit_i64_load16_u => load_extend(types::I16, false, types::I64);
        visit_i64_load32_s => load_extend(types::I32, true, types::I64);
        visit_i64_load32_u => load_extend(types::I32, false, types::I64);
        visit_i32_store => store(types::I32);
        visit_i64_store => store(types::I64);
        visit_f32_store => store(types::F32);
        visit_f64_store => store(types::F64);
        visit_i32_store8 => store_part(types::I8);
        visit_i32_store16 => store_part(types::I16);
        visit_i64_store8 => store_part(types::I8);
        visit_i64_store16 => store_part(types::I16);
        visit_i64_store32 => store_part(types::I32);
    }

    upshift_abi::for_each_scalar_op!(scalar_rows);
    crate::ops::atomic::visit_atomics!();
    for_each_visit_operator!(refuse);
}

impl<'a> VisitSimdOperator<'a> for Translator<'a, '_> {
    lower! {
        visit_v128_const(value: V128) => v128_const(value.i128());
        visit_i8x16_shuffle(lanes: [u8; 16]) => shuffle(lanes);
    }

    access! {
        visit_v128_load => load(types::I8X16);
        visit_v128_load8x8_s => load_widened(types::I8X8, true);
        visit_v128_load8x8_u => load_widened(types::I8X8, false);
        visit_v128_load16x4_s => load_widened(types::I16X4, true);
        visit_v128_load16x4_u => load_widened(types::I16X4, false);
        visit_v128_load32x2_s => load_widened(types::I32X2, true);
        visit_v128_load32x2_u => load_widened(types::I32X2, false);
        visit_v128_load8_splat => load_splat(types::I8);
        visit_v128_load16_splat => load_splat(types::I16);
        visit_v128_load32_splat => load_splat(types::I32);
        visit_v128_load64_splat => load_splat(types::I64);
        visit_v128_load32_zero => load_zero(types::I32);
        visit_v128_load64_zero => load_zero(types::I64);
        visit_v128_store => store(types::I8X16);
    }

    lane_access! {
        visit_v128_load8_lane => load_lane(types::I8);
        visit_v128_load16_lane => load_lane(types::I16);
        visit_v128_load32_lane => load_lane(types::I32);
        visit_v128_load64_lane => load_lane(types::I64);
        visit_v128_store8_lane => store_lane(types::I8);
        visit_v128_store16_lane => store_lane(types::I16);
        visit_v128_store32_lane => store_lane(types::I32);
        visit_v128_store64_lane => store_lane(types::I64);
    }

    upshift_abi::for_each_simd_op!(simd_rows);
    upshift_abi::for_each_lane_op!(lane_rows);
}
