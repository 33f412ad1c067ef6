//! Arrays.

use super::object::{MAX_INLINE_BYTES, MAX_UNROLLED_BYTES, Object};
use crate::compiler::FuncCompiler;
use crate::masm::{Cond, Gpr, Width};
use crate::ops::call::BuiltinArg;
use crate::value::{Operand, Reg, Ty, Value};
use upshift_abi::builtin::{Builtin, pack_indices};
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{ArrayLayout, Cell, LENGTH_OFFSET, MAX_ARRAY_LENGTH};
use upshift_abi::trap::Trap;

impl FuncCompiler<'_> {
    fn array(&self, ty: TypeIndex) -> ArrayLayout {
        self.src.input.module.array(ty)
    }

    /// A new array of constant length with its header; nothing was popped yet.
    fn allocate_array(&mut self, ty: TypeIndex, length: u32) -> Object {
        let bytes = self.array(ty).size_bytes(length);
        let object = self.allocate(ty, bytes as u32);
        let place = object.at(LENGTH_OFFSET);
        self.asm.store_imm(4, place, length as i32);
        object
    }

    /// The length on top of the stack when it is a constant small enough to unroll the array.
    fn small_length(&self, ty: TypeIndex) -> Option<u32> {
        let Value::Const(length) = self.stack.last()?.value() else { return None };
        let length = u32::try_from(length).ok().filter(|&length| length <= MAX_ARRAY_LENGTH)?;
        (self.array(ty).size_bytes(length) <= MAX_UNROLLED_BYTES).then_some(length)
    }

    fn element_at(layout: ArrayLayout, index: u32) -> (Cell, u32) {
        (layout.element, layout.first + index * layout.element.bytes())
    }

    /// `array.new`
    pub(crate) fn array_new(&mut self, ty: TypeIndex) {
        let layout = self.array(ty);
        if let Some(length) = self.small_length(ty) {
            let object = self.allocate_array(ty, length);
            self.pop();
            let value = self.pop();
            self.fill_unrolled(layout, object, (length, Some(value)));
            return self.push_gpr(object.offset, Ty::Ref);
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
        let object = self.pop_object();
        let value = self.pop();
        self.pass_value(layout.element, value);
        let length = self.alloc_gpr();
        let place = object.at(LENGTH_OFFSET);
        self.asm.load_w(Width::W32, length, place);
        self.push_gpr(object.offset, Ty::Ref);
        self.settle(self.stack.len() - 1);
        let array = *self.stack.last().expect("just pushed");
        let length = Operand::new(Value::Reg(length.into()), Ty::I32, 0);
        let args = [BuiltinArg::Operand(array), BuiltinArg::Imm(0), BuiltinArg::Operand(length)];
        self.call_builtin(Builtin::array_fill, &args, None);
    }

    /// `array.new_default`
    pub(crate) fn array_new_default(&mut self, ty: TypeIndex) {
        if let Some(length) = self.small_length(ty) {
            let object = self.allocate_array(ty, length);
            self.pop();
            self.fill_unrolled(self.array(ty), object, (length, None));
            return self.push_gpr(object.offset, Ty::Ref);
        }
        let length = self.pop();
        self.push_cleared(ty, length);
    }

    /// Whether the operand on top of the stack is null or 0, of a type of which constants are known.
    fn is_zero_on_top(&self) -> bool {
        let top = self.stack.last();
        top.is_some_and(|top| top.ty() != Ty::V128 && top.value() == Value::Const(0))
    }

    /// Pushes a new array of a popped length, its elements 0.
    fn push_cleared(&mut self, ty: TypeIndex, length: Operand) {
        if self.src.input.config.fuel {
            // The runtime charges for what it clears.
            let args = [BuiltinArg::Imm(ty.0.into()), BuiltinArg::Operand(length)];
            return self.call_builtin(Builtin::array_alloc, &args, Some(Ty::Ref));
        }
        self.push_filled(ty, length, false);
    }

    /// `array.new_fixed`
    pub(crate) fn array_new_fixed(&mut self, ty: TypeIndex, length: u32) {
        let layout = self.array(ty);
        if layout.size_bytes(length) > MAX_INLINE_BYTES {
            return self.large_array_new_fixed(ty, length);
        }
        let object = self.allocate_array(ty, length);
        let locked = self.regs.locked;
        for index in (0..length).rev() {
            let value = self.pop();
            self.init_cell(object, Self::element_at(layout, index), value);
            self.regs.locked = locked;
        }
        self.push_gpr(object.offset, Ty::Ref);
    }

    /// The same for an array that may be allocated among the old objects.
    fn large_array_new_fixed(&mut self, ty: TypeIndex, length: u32) {
        let layout = self.array(ty);
        let args = [BuiltinArg::Imm(ty.0.into()), BuiltinArg::Imm(length.into())];
        self.call_builtin(Builtin::array_alloc, &args, Some(Ty::Ref));
        let reference = self.pop();
        let object = Object { heap: self.heap_base(), offset: self.own_gpr(reference) };
        let locked = self.regs.locked;
        for index in (0..length).rev() {
            let value = self.pop();
            self.set_cell(object, Self::element_at(layout, index), value, None);
            self.regs.locked = locked;
        }
        self.push_gpr(object.offset, Ty::Ref);
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
            BuiltinArg::Operand(offset),
            BuiltinArg::Operand(length),
        ];
        self.call_builtin(builtin, &args, Some(Ty::Ref));
    }

    /// `array.get`, `array.get_s`, `array.get_u`
    pub(crate) fn array_get(&mut self, ty: TypeIndex, signed: bool) {
        let layout = self.array(ty);
        let index = self.pop();
        let element = self.array_element(layout, index);
        self.push_cell(element, (layout.element, layout.first), signed, None);
    }

    /// `array.set`
    pub(crate) fn array_set(&mut self, ty: TypeIndex) {
        let layout = self.array(ty);
        let value = self.pop();
        let index = self.pop();
        let array = self.pop_object();
        let index = self.read_gpr(index);
        self.check_index(array, index);
        let r = self.stored_form(layout.element, value);
        if layout.element == Cell::Ref && !matches!(value.value(), Value::Const(_)) {
            self.write_barrier(array, Some(index));
        }
        let element = self.scale_index(layout, array, index);
        self.store_form(layout.element, element.at(layout.first), r);
    }

    /// Pops an array; its element at a popped index, as an object whose elements start there.
    fn array_element(&mut self, layout: ArrayLayout, index: Operand) -> Object {
        let array = self.pop_object();
        let index = self.read_gpr(index);
        self.check_index(array, index);
        self.scale_index(layout, array, index)
    }

    /// Traps when the array is null or has no element at an index.
    fn check_index(&mut self, array: Object, index: Gpr) {
        self.note_trap(Trap::NullArrayReference);
        let length = array.at(LENGTH_OFFSET);
        self.asm.cmp_rm(Width::W32, index, length);
        self.trap_if(Cond::AE, Trap::ArrayOutOfBounds);
    }

    fn scale_index(&mut self, layout: ArrayLayout, array: Object, index: Gpr) -> Object {
        let place = self.alloc_gpr();
        let mut shift = layout.element_shift();
        let mut scaled = index;
        if shift > 3 {
            self.asm.lea_scaled(Width::W64, place, index, index, 0);
            (scaled, shift) = (place, 3);
        }
        self.asm.lea_scaled(Width::W64, place, array.offset, scaled, shift);
        Object { heap: array.heap, offset: place }
    }

    /// `array.len`
    pub(crate) fn array_len(&mut self) {
        let array = self.pop_object();
        let length = self.alloc_gpr();
        self.load_length(length, array);
        self.push_gpr(length, Ty::I32);
    }

    /// `array.copy`
    pub(crate) fn array_copy(&mut self) {
        let length = self.pop();
        let src_index = self.pop();
        let src = self.pop();
        let dst_index = self.pop();
        let indices = self.pack_operands(dst_index, src_index);
        let dst = self.pop();
        let args = [dst, src, indices, length].map(BuiltinArg::Operand);
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
        let indices = self.pack_operands(dst_index, src_index);
        let array = self.pop();
        let args = [
            BuiltinArg::Operand(array),
            BuiltinArg::Imm(segment.into()),
            BuiltinArg::Operand(indices),
            BuiltinArg::Operand(length),
        ];
        self.call_builtin(builtin, &args, None);
    }

    /// Two popped 32-bit operands in one, as [`pack_indices`] packs them.
    fn pack_operands(&mut self, first: Operand, second: Operand) -> Operand {
        let packed = self.own_gpr(second);
        let low = self.read_gpr(first);
        self.asm.shl_ri(Width::W64, packed, 32);
        self.asm.or_rr(Width::W64, packed, low);
        Operand::new(Value::Reg(Reg::from(packed)), Ty::I64, 0)
    }
}
