//! Arrays.

use super::object::{MAX_INLINE_BYTES, MAX_UNROLLED_BYTES, Place, cell_type};
use crate::memory_flags::Region;
use crate::ops::call::BuiltinArg;
use crate::translate::{Operand, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use std::mem::offset_of;
use upshift_abi::builtin::{Builtin, pack_indices};
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{ArrayHeader, ArrayLayout, Cell, MAX_ARRAY_LENGTH};
use upshift_abi::trap::Trap;

impl Translator<'_, '_> {
    fn array(&self, ty: TypeIndex) -> ArrayLayout {
        self.src.input.module.array(ty)
    }

    /// A new array of constant length with its header: the reference and its address.
    fn allocate_array(&mut self, ty: TypeIndex, length: u32) -> (Value, Value) {
        let bytes = self.array(ty).size_bytes(length);
        let bytes = u32::try_from(bytes).expect("small arrays are allocated inline");
        let (reference, address) = self.allocate(ty, bytes);
        let length = self.builder.ins().iconst(types::I32, i64::from(length));
        let flags = self.regions.changing(self.builder.func, Region::Lengths);
        let place = crate::offset(offset_of!(ArrayHeader, length));
        self.builder.ins().store(flags, length, address, place);
        (reference, address)
    }

    /// The length on top of the stack when it is a constant small enough to unroll the array.
    fn small_length(&self, ty: TypeIndex) -> Option<u32> {
        let Operand::Value(value) = *self.stack.last()? else { return None };
        let length = u32::try_from(self.constant(value)?)
            .ok()
            .filter(|&length| length <= MAX_ARRAY_LENGTH)?;
        (self.array(ty).size_bytes(length) <= MAX_UNROLLED_BYTES).then_some(length)
    }

    fn element_at(layout: ArrayLayout, base: Value, index: u32) -> Place {
        let offset = layout.first + index * layout.element.bytes();
        Place { base, offset, region: Region::ArrayElements(layout.element) }
    }

    /// `array.new`
    pub(crate) fn array_new(&mut self, ty: TypeIndex) {
        let layout = self.array(ty);
        if let Some(length) = self.small_length(ty) {
            let (reference, address) = self.allocate_array(ty, length);
            self.pop();
            let value = self.pop();
            self.fill_unrolled(layout, address, (length, value));
            return self.push_ref(reference);
        }
        let length = self.pop();
        if self.is_zero_on_top() && !self.src.input.config.fuel {
            self.pop();
            return self.push_cleared(ty, length);
        }
        if self.fills_inline(layout.element) {
            return self.push_filled(ty, length, true);
        }
        self.push_cleared(ty, length);
        let array = self.pop();
        let value = self.pop();
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.fill_by_runtime(layout.element, value, [array, zero, length]);
        self.charge_fuel();
        self.push_ref(array);
    }

    /// Calls a builtin whose result is a reference to an object.
    fn call_collecting(&mut self, builtin: Builtin, args: &[BuiltinArg]) {
        self.call_builtin(builtin, args, Some(types::I64));
        let reference = self.pop();
        self.push_ref(reference);
    }

    /// `array.new_default`
    pub(crate) fn array_new_default(&mut self, ty: TypeIndex) {
        let layout = self.array(ty);
        if let Some(length) = self.small_length(ty) {
            let (reference, address) = self.allocate_array(ty, length);
            self.pop();
            let zero = self.zero(cell_type(layout.element));
            self.fill_unrolled(layout, address, (length, zero));
            return self.push_ref(reference);
        }
        let length = self.pop();
        self.push_cleared(ty, length);
    }

    /// Whether the operand on top of the stack is null or an integer 0.
    fn is_zero_on_top(&self) -> bool {
        let Some(&Operand::Value(value)) = self.stack.last() else { return false };
        self.constant(value) == Some(0)
    }

    /// Pushes a new array of a length known at run time, its elements 0.
    fn push_cleared(&mut self, ty: TypeIndex, length: Value) {
        if self.src.input.config.fuel {
            // The runtime charges for what it clears.
            let args = [BuiltinArg::Imm(ty.0.into()), BuiltinArg::Value(length)];
            return self.call_collecting(Builtin::array_alloc, &args);
        }
        self.push_filled(ty, length, false);
    }

    /// `array.new_fixed`
    pub(crate) fn array_new_fixed(&mut self, ty: TypeIndex, length: u32) {
        let layout = self.array(ty);
        if layout.size_bytes(length) > MAX_INLINE_BYTES {
            return self.large_array_new_fixed(ty, length);
        }
        let (reference, address) = self.allocate_array(ty, length);
        for index in (0..length).rev() {
            let value = self.pop();
            let place = Self::element_at(layout, address, index);
            self.set_cell((layout.element, place), value, None, None);
        }
        self.push_ref(reference);
    }

    /// The same for an array that may be allocated among the old objects.
    fn large_array_new_fixed(&mut self, ty: TypeIndex, length: u32) {
        let layout = self.array(ty);
        let args = [BuiltinArg::Imm(ty.0.into()), BuiltinArg::Imm(length.into())];
        self.call_collecting(Builtin::array_alloc, &args);
        let reference = self.pop();
        let address = self.object_address(reference);
        if layout.element == Cell::Ref {
            self.write_barrier(reference, None, None);
        }
        for index in (0..length).rev() {
            let value = self.pop();
            let place = Self::element_at(layout, address, index);
            self.set_cell((layout.element, place), value, None, None);
        }
        self.push_ref(reference);
    }

    /// `array.new_data`
    pub(crate) fn array_new_data(&mut self, ty: TypeIndex, data: u32) {
        self.array_new_from(Builtin::array_new_data, ty, data);
    }

    /// `array.new_elem`
    pub(crate) fn array_new_elem(&mut self, ty: TypeIndex, elem: u32) {
        self.array_new_from(Builtin::array_new_elem, ty, elem);
    }

    fn array_new_from(&mut self, builtin: Builtin, ty: TypeIndex, segment: u32) {
        let length = self.pop();
        let offset = self.pop();
        let args = [
            BuiltinArg::Imm(pack_indices(ty.0, segment)),
            BuiltinArg::Value(offset),
            BuiltinArg::Value(length),
        ];
        self.call_collecting(builtin, &args);
    }

    /// `array.get`, `array.get_s`, `array.get_u`
    pub(crate) fn array_get(&mut self, ty: TypeIndex, signed: bool) {
        let layout = self.array(ty);
        let index = self.pop();
        let array = self.pop();
        let place = self.element_place(layout, array, index);
        self.push_cell(layout.element, place, signed, None);
    }

    /// `array.set`
    pub(crate) fn array_set(&mut self, ty: TypeIndex) {
        let layout = self.array(ty);
        let value = self.pop();
        let index = self.pop();
        let array = self.pop();
        let place = self.element_place(layout, array, index);
        if layout.element == Cell::Ref && self.constant(value).is_none() {
            self.write_barrier(array, Some(place.base), None);
        }
        self.set_cell((layout.element, place), value, None, None);
    }

    /// The place of an element; traps when the array is null or has no such element.
    fn element_place(&mut self, layout: ArrayLayout, array: Value, index: Value) -> Place {
        let address = self.object_address(array);
        let length = self.array_length(address);
        let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        self.builder.ins().trapnz(beyond, crate::lower::trap_code(Trap::ArrayOutOfBounds));
        let index = self.widen(index, types::I64);
        let scaled = self.builder.ins().ishl_imm_u(index, i64::from(layout.element_shift()));
        let base = self.builder.ins().iadd(address, scaled);
        Place { base, offset: layout.first, region: Region::ArrayElements(layout.element) }
    }

    /// `array.len`
    pub(crate) fn array_len(&mut self) {
        let array = self.pop();
        let address = self.object_address(array);
        let length = self.array_length(address);
        self.push(length);
    }

    /// `array.copy`
    pub(crate) fn array_copy(&mut self) {
        let length = self.pop();
        let src_index = self.pop();
        let src = self.pop();
        let dst_index = self.pop();
        let indices = self.pack_values(dst_index, src_index);
        let dst = self.pop();
        let args = [dst, src, indices, length].map(BuiltinArg::Value);
        self.call_builtin(Builtin::array_copy, &args, None);
    }

    /// `array.init_data`
    pub(crate) fn array_init_data(&mut self, data: u32) {
        self.array_init(Builtin::array_init_data, data);
    }

    /// `array.init_elem`
    pub(crate) fn array_init_elem(&mut self, elem: u32) {
        self.array_init(Builtin::array_init_elem, elem);
    }

    fn array_init(&mut self, builtin: Builtin, segment: u32) {
        let length = self.pop();
        let src_index = self.pop();
        let dst_index = self.pop();
        let indices = self.pack_values(dst_index, src_index);
        let array = self.pop();
        let args = [
            BuiltinArg::Value(array),
            BuiltinArg::Imm(segment.into()),
            BuiltinArg::Value(indices),
            BuiltinArg::Value(length),
        ];
        self.call_builtin(builtin, &args, None);
    }

    /// Two 32-bit values in one, as [`pack_indices`] packs them.
    fn pack_values(&mut self, first: Value, second: Value) -> Value {
        let first = self.widen(first, types::I64);
        let second = self.widen(second, types::I64);
        let second = self.builder.ins().ishl_imm_u(second, 32);
        self.builder.ins().bor(first, second)
    }
}
