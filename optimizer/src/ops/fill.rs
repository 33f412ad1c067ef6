//! Arrays that hold the same value everywhere: short ones are filled inline, 16 bytes at a time, longer
//! ones by the runtime.

use super::object::{MAX_CLEARED_BYTES, NewObject, Place};
use crate::lower::little_endian;
use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{
    ArrayHeader, ArrayLayout, Cell, GC_UNLOGGED, MIN_OBJECT_BYTES, OBJECT_ALIGN, ObjectHeader,
    ThreadContext,
};
use upshift_abi::trap::Trap;

/// Bytes of a vector.
const VECTOR_BYTES: i64 = 16;
/// Most stores of single elements that fill an array of constant length; what they store is known to
/// loads of the same elements.
const MAX_SINGLE_STORES: u32 = 8;

/// The lanes of a vector that repeats the elements of an array; `None` where values are not stored as
/// they are.
const fn lanes(cell: Cell) -> Option<Type> {
    match cell {
        Cell::I8 => Some(types::I8X16),
        Cell::I16 => Some(types::I16X8),
        Cell::I32 | Cell::Ref => Some(types::I32X4),
        Cell::I64 => Some(types::I64X2),
        Cell::F32 => Some(types::F32X4),
        Cell::F64 => Some(types::F64X2),
        Cell::V128 | Cell::Func | Cell::Exn => None,
    }
}

impl Translator<'_, '_> {
    /// Whether short arrays are filled inline.
    pub(crate) fn fills_inline(&self, cell: Cell) -> bool {
        // With fuel, the runtime charges for what it fills.
        lanes(cell).is_some() && !self.src.input.config.fuel
    }

    /// A vector that repeats a value, as it is stored.
    fn repeated(&mut self, cell: Cell, value: Value) -> Value {
        let lanes = lanes(cell).expect("such elements are filled inline");
        let value = self.narrow(value, lanes.lane_type());
        let vector = self.builder.ins().splat(lanes, value);
        match lanes {
            types::I8X16 => vector,
            _ => self.builder.ins().bitcast(types::I8X16, little_endian(), vector),
        }
    }

    fn element_flags(&mut self, layout: ArrayLayout) -> MemFlagsData {
        self.regions.changing(self.builder.func, Region::ArrayElements(layout.element))
    }

    /// Stores a value to each element of a new array of constant length.
    pub(crate) fn fill_unrolled(
        &mut self,
        layout: ArrayLayout,
        address: Value,
        (length, value): (u32, Value),
    ) {
        let bytes = i64::from(length * layout.element.bytes());
        let is_vector = length > MAX_SINGLE_STORES && bytes >= VECTOR_BYTES;
        if !is_vector || lanes(layout.element).is_none() {
            let stored = self.stored_form(layout.element, value);
            for index in 0..length {
                let offset = layout.first + index * layout.element.bytes();
                let region = Region::ArrayElements(layout.element);
                let place = Place { base: address, offset, region };
                self.store_form(layout.element, place, stored, None);
            }
            return;
        }
        let (vector, flags) = (self.repeated(layout.element, value), self.element_flags(layout));
        let mut at = 0;
        while at < bytes {
            // The last one may overlap the one before.
            let offset = i64::from(layout.first) + at.min(bytes - VECTOR_BYTES);
            let offset = crate::offset(usize::try_from(offset).expect("arrays are short here"));
            self.builder.ins().store(flags, vector, address, offset);
            at += VECTOR_BYTES;
        }
    }

    /// Pushes a new array of a length known at run time: made inline when it is short, else by the
    /// runtime. Its elements are the value on top of the stack, which is popped, or 0 without `fills`.
    pub(crate) fn push_filled(&mut self, ty: TypeIndex, length: Value, fills: bool) {
        let layout = self.src.input.module.array(ty);
        self.settle_references();
        if fills {
            // A reference is in its variable from here on, on both ways.
            self.peek();
        }
        let most = (MAX_CLEARED_BYTES - layout.first) >> layout.element_shift();
        let [long, short, next] = [(); 3].map(|()| self.builder.create_block());
        let array = self.builder.append_block_param(next, types::I64);
        self.builder.set_cold_block(long);
        let is_long =
            self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, length, i64::from(most));
        self.builder.ins().brif(is_long, long, &[], short, &[]);
        self.builder.seal_block(short);
        self.builder.switch_to_block(short);
        let reference = self.make_short(ty, length, fills);
        self.builder.ins().jump(next, &[reference.into()]);
        self.builder.seal_block(long);
        self.builder.switch_to_block(long);
        self.makes_calls = true;
        self.aside(|this| {
            let thread = this.thread();
            let ty = this.builder.ins().iconst(types::I64, i64::from(ty.0));
            let length = this.widen(length, types::I64);
            let array = this.call_stub(Builtin::array_alloc, &[thread, this.vmctx, ty, length])[0];
            if fills {
                let value = this.peek();
                let zero = this.builder.ins().iconst(types::I64, 0);
                this.fill_by_runtime(layout.element, value, [array, zero, length]);
            }
            this.builder.ins().jump(next, &[array.into()]);
        });
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        self.join_carried();
        if fills {
            self.pop();
        }
        self.push_ref(array);
    }

    fn peek(&mut self) -> Value {
        let top = *self.stack.last().expect("validated code has its operands");
        self.read(top)
    }

    /// Makes a short array of a length known at run time.
    fn make_short(&mut self, ty: TypeIndex, length: Value, fills: bool) -> Value {
        const ALIGN: i64 = OBJECT_ALIGN as i64;
        // What is aligned is not shorter than the shortest object, and elements that do not begin
        // there begin one half of a word before.
        const _: () = assert!(size_of::<ArrayHeader>() + 4 == MIN_OBJECT_BYTES as usize);
        let layout = self.src.input.module.array(ty);
        let wide = self.widen(length, types::I64);
        let bytes = self.builder.ins().ishl_imm_u(wide, i64::from(layout.element_shift()));
        let bytes = self.builder.ins().iadd_imm_s(bytes, i64::from(layout.first) + ALIGN - 1);
        let bytes = self.builder.ins().band_imm_s(bytes, -ALIGN);
        let object = self.allocate_sized(ty, bytes);
        let lengths = self.regions.changing(self.builder.func, Region::Lengths);
        let place = crate::offset(offset_of!(ArrayHeader, length));
        self.builder.ins().store(lengths, length, object.address, place);
        let vector = if fills {
            let value = self.peek();
            self.repeated(layout.element, value)
        } else {
            self.zero(types::I8X16)
        };
        self.fill_new(layout, object, vector);
        object.reference
    }

    /// Fills a new array up to its end, what is behind the last element included.
    fn fill_new(&mut self, layout: ArrayLayout, object: NewObject, vector: Value) {
        let flags = self.element_flags(layout);
        if layout.first < MIN_OBJECT_BYTES {
            let words = self.builder.ins().bitcast(types::I32X4, little_endian(), vector);
            let word = self.builder.ins().extractlane(words, 0);
            self.builder.ins().store(
                flags,
                word,
                object.address,
                crate::offset(layout.first as usize),
            );
        }
        let heap = self.heap_base();
        let end = self.builder.ins().iadd(heap, object.end);
        let last = self.builder.ins().iadd_imm_s(end, -VECTOR_BYTES);
        let first = self.builder.ins().iadd_imm_s(object.address, i64::from(MIN_OBJECT_BYTES));
        let at = self.store_turns((first, last), IntCC::UnsignedLessThanOrEqual, vector, flags);
        let [half, next] = [(); 2].map(|()| self.builder.create_block());
        let more = self.builder.ins().icmp(IntCC::UnsignedLessThan, at, end);
        self.builder.ins().brif(more, half, &[], next, &[]);
        self.builder.seal_block(half);
        self.builder.switch_to_block(half);
        let halves = self.builder.ins().bitcast(types::I64X2, little_endian(), vector);
        let low = self.builder.ins().extractlane(halves, 0);
        self.builder.ins().store(flags, low, at, 0);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// Stores a value from `first` on as long as its place is `cond` to `last`: the place behind.
    fn store_turns(
        &mut self,
        (first, last): (Value, Value),
        cond: IntCC,
        value: Value,
        flags: MemFlagsData,
    ) -> Value {
        let [turn, next] = [(); 2].map(|()| self.builder.create_block());
        let place = self.builder.append_block_param(turn, types::I64);
        let behind = self.builder.append_block_param(next, types::I64);
        let more = self.builder.ins().icmp(cond, first, last);
        self.builder.ins().brif(more, turn, &[first.into()], next, &[first.into()]);
        self.builder.switch_to_block(turn);
        self.builder.ins().store(flags, value, place, 0);
        let bytes = self.builder.func.dfg.value_type(value).bytes();
        let following = self.builder.ins().iadd_imm_s(place, i64::from(bytes));
        let more = self.builder.ins().icmp(cond, following, last);
        self.builder.ins().brif(more, turn, &[following.into()], next, &[following.into()]);
        self.builder.seal_block(turn);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        behind
    }

    /// `array.fill`
    pub(crate) fn array_fill(&mut self, ty: TypeIndex) {
        let layout = self.src.input.module.array(ty);
        let count = self.pop();
        let value = self.pop();
        let index = self.pop();
        let array = self.pop();
        if !self.fills_inline(layout.element) {
            self.fill_by_runtime(layout.element, value, [array, index, count]);
            return self.charge_fuel();
        }
        let address = self.object_address(array);
        let (first, bytes) = self.elements_to_fill(layout, address, (index, count));
        let most = i64::from(MAX_CLEARED_BYTES);
        let mut by_runtime = self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, bytes, most);
        if layout.element == Cell::Ref
            && self.constant(value).is_none()
            && self.src.input.config.gc_barrier
        {
            let flags = self.regions.changing(self.builder.func, Region::GcWords);
            let place = crate::offset(offset_of!(ObjectHeader, gc));
            let word = self.builder.ins().uload8(types::I32, flags, address, place);
            let unlogged = self.builder.ins().band_imm_u(word, i64::from(GC_UNLOGGED));
            let unlogged = self.builder.ins().icmp_imm_u(IntCC::NotEqual, unlogged, 0);
            by_runtime = self.builder.ins().bor(by_runtime, unlogged);
        }
        let [long, short, next] = [(); 3].map(|()| self.builder.create_block());
        self.builder.set_cold_block(long);
        self.builder.ins().brif(by_runtime, long, &[], short, &[]);
        self.builder.seal_block(short);
        self.builder.switch_to_block(short);
        self.fill_short(layout, (first, bytes), value);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(long);
        self.builder.switch_to_block(long);
        self.fill_by_runtime(layout.element, value, [array, index, count]);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// The address of elements, and how many bytes they take; traps when the array has no such ones.
    fn elements_to_fill(
        &mut self,
        layout: ArrayLayout,
        address: Value,
        (index, count): (Value, Value),
    ) -> (Value, Value) {
        let length = self.array_length(address);
        let [length, index, count] = [length, index, count].map(|v| self.widen(v, types::I64));
        let end = self.builder.ins().iadd(index, count);
        let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        self.builder.ins().trapnz(beyond, crate::lower::trap_code(Trap::ArrayOutOfBounds));
        let shift = i64::from(layout.element_shift());
        let offset = self.builder.ins().ishl_imm_u(index, shift);
        let first = self.builder.ins().iadd(address, offset);
        let first = self.builder.ins().iadd_imm_s(first, i64::from(layout.first));
        (first, self.builder.ins().ishl_imm_u(count, shift))
    }

    /// Fills a few elements.
    fn fill_short(&mut self, layout: ArrayLayout, (first, bytes): (Value, Value), value: Value) {
        let flags = self.element_flags(layout);
        let [wide, narrow, next] = [(); 3].map(|()| self.builder.create_block());
        let is_wide =
            self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, bytes, VECTOR_BYTES);
        let end = self.builder.ins().iadd(first, bytes);
        self.builder.ins().brif(is_wide, wide, &[], narrow, &[]);
        self.builder.seal_block(wide);
        self.builder.switch_to_block(wide);
        let vector = self.repeated(layout.element, value);
        let last = self.builder.ins().iadd_imm_s(end, -VECTOR_BYTES);
        // The last one may overlap the one before.
        self.builder.ins().store(flags, vector, last, 0);
        self.store_turns((first, last), IntCC::UnsignedLessThan, vector, flags);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(narrow);
        self.builder.switch_to_block(narrow);
        let element = lanes(layout.element).expect("filled inline").lane_type();
        let element = self.narrow(value, element);
        self.store_turns((first, end), IntCC::UnsignedLessThan, element, flags);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// Has the runtime fill elements: array, index and count.
    pub(crate) fn fill_by_runtime(&mut self, cell: Cell, value: Value, elements: [Value; 3]) {
        self.makes_calls = true;
        let stored = self.stored_form(cell, value);
        let thread = self.thread();
        let offset =
            u32::try_from(offset_of!(ThreadContext, value)).expect("a field of a structure");
        let place = Place { base: thread, offset, region: Region::Thread };
        self.store_form(cell, place, stored, None);
        let [array, index, count] = elements.map(|value| self.widen(value, types::I64));
        self.call_stub(Builtin::array_fill, &[thread, self.vmctx, array, index, count]);
    }
}
