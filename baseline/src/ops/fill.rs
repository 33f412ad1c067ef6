//! Arrays that hold the same value everywhere: short ones are filled inline, 16 bytes at a time, longer
//! ones by the runtime.

use super::object::{MAX_CLEARED_BYTES, Object, thread_field};
use crate::compiler::{FuncCompiler, Safepoint};
use crate::frame::{VMCTX_SLOT, slot_addr};
use crate::masm::{
    Addr, Cond, Gpr, Label, LaneWidth, LoadKind, Prec, R8, RAX, RCX, RDI, RDX, RSI, THREAD, Width,
    Xmm,
};
use crate::ops::call::BuiltinArg;
use crate::outline::{Cold, builtin_addr};
use crate::value::{Operand, Ty, Value};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{
    ArrayLayout, Cell, GC_OFFSET, GC_UNLOGGED, Instance, LENGTH_OFFSET, MIN_OBJECT_BYTES,
    OBJECT_ALIGN, ThreadContext,
};
use upshift_abi::trap::Trap;

/// Where [`Builtin::array_alloc`] takes the length.
const LENGTH: Gpr = RCX;
/// Where [`Builtin::array_fill`] takes array, index and count.
const FILLED: [Gpr; 3] = [RDX, RCX, R8];
/// What is stored again and again.
const PATTERN: Xmm = Xmm(0);
/// Bytes of a vector.
const VECTOR_BYTES: u32 = 16;
/// Most stores of single elements that fill an array of constant length.
const MAX_SINGLE_STORES: u32 = 8;

/// The lanes of a vector that repeats the elements of an array; `None` where values are not stored as
/// they are.
const fn lanes(cell: Cell) -> Option<LaneWidth> {
    match cell {
        Cell::I8 => Some(LaneWidth::L8),
        Cell::I16 => Some(LaneWidth::L16),
        Cell::I32 | Cell::F32 | Cell::Ref => Some(LaneWidth::L32),
        Cell::I64 | Cell::F64 => Some(LaneWidth::L64),
        Cell::V128 | Cell::Func | Cell::Exn => None,
    }
}

/// What a new array is filled with: an operand that is a constant or in its slot.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filler {
    Const(u64),
    Slot(u32),
}

impl FuncCompiler<'_> {
    /// Whether short arrays are filled inline.
    pub(crate) fn fills_inline(&self, cell: Cell) -> bool {
        // With fuel, the runtime charges for what it fills.
        lanes(cell).is_some() && !self.src.input.config.fuel
    }

    /// Stores a popped operand, or 0, to each element of a new array of constant length.
    pub(crate) fn fill_unrolled(
        &mut self,
        layout: ArrayLayout,
        object: Object,
        (length, value): (u32, Option<Operand>),
    ) {
        let bytes = length * layout.element.bytes();
        let lanes = lanes(layout.element).filter(|_| bytes >= VECTOR_BYTES);
        let Some(lanes) = lanes.filter(|_| length > MAX_SINGLE_STORES) else {
            return self.fill_singly(layout, object, (length, value));
        };
        let vector = self.alloc_for(Ty::V128).xmm();
        match value {
            None => self.asm.vzero(vector),
            Some(value) => {
                let r = self.read(value);
                match value.ty() {
                    Ty::F32 | Ty::F64 => self.asm.splat_float(value.ty().prec(), vector, r.xmm()),
                    _ => self.asm.splat_int(lanes, vector, r.gpr()),
                }
            }
        }
        let mut at = 0;
        while at < bytes {
            // The last one may overlap the one before.
            let place = object.at(layout.first + at.min(bytes - VECTOR_BYTES));
            self.asm.vstore(place, vector);
            at += VECTOR_BYTES;
        }
    }

    fn fill_singly(
        &mut self,
        layout: ArrayLayout,
        object: Object,
        (length, value): (u32, Option<Operand>),
    ) {
        let cells = (0..length)
            .map(|index| (layout.element, layout.first + index * layout.element.bytes()));
        let Some(value) = value else {
            return cells.for_each(|cell| self.zero_cell(object, cell));
        };
        let r = self.stored_form(layout.element, value);
        cells.for_each(|(cell, at)| self.store_form(cell, object.at(at), r));
    }

    /// Pushes a new array of a popped length: made inline when it is short and there is room, else by
    /// the runtime. Its elements are the value on top of the stack, which is popped, or 0 without
    /// `fills`.
    pub(crate) fn push_filled(&mut self, ty: TypeIndex, length: Operand, fills: bool) {
        let filler = fills.then(|| self.settle_filler());
        // Both ways leave what a call would leave, so that they may meet.
        self.flush_for_call(false);
        self.plan_operand(LENGTH.into(), length);
        self.emit_moves();
        let layout = self.src.input.module.array(ty);
        let mut label = Label::new();
        let object = self.make_short(ty, &mut label);
        match filler {
            None => self.asm.vzero(PATTERN),
            Some(filler) => {
                self.load_filler(RDI, filler);
                let lanes = lanes(layout.element).expect("such elements are filled inline");
                self.asm.splat_int(lanes, PATTERN, RDI);
            }
        }
        self.fill_new(layout, object);
        let map = self.slot_safepoint();
        self.add_cold(label, self.asm.pos(), Cold::NewArray { ty, map, filler });
        if fills {
            self.pop();
        }
        self.end_call();
        self.push_gpr(RAX, Ty::Ref);
        self.charge_fuel();
    }

    /// Brings the operand on top of the stack to its slot, or finds that it is a constant.
    fn settle_filler(&mut self) -> Filler {
        self.settle(self.stack.len() - 1);
        let top = self.stack.last().expect("validated code has its operands");
        match top.value() {
            Value::Const(bits) => Filler::Const(bits),
            _ => Filler::Slot(top.slot()),
        }
    }

    fn load_filler(&mut self, d: Gpr, filler: Filler) {
        match filler {
            Filler::Const(bits) => self.asm.mov_ri(d, bits),
            Filler::Slot(slot) => self.asm.load_w(Width::W64, d, slot_addr(slot)),
        }
    }

    /// Makes a short array of the length in [`LENGTH`], its elements not yet written: its reference is
    /// in `rax`, its end in `rdx`. When it is long or there is no room, `label` is gone to.
    fn make_short(&mut self, ty: TypeIndex, label: &mut Label) -> Object {
        const ALIGN: i32 = OBJECT_ALIGN as i32;
        let layout = self.src.input.module.array(ty);
        let shift = layout.element_shift();
        let (end, heap, id) = (RDX, RSI, RDI);
        self.asm.cmp_ri(Width::W32, LENGTH, ((MAX_CLEARED_BYTES - layout.first) >> shift) as i32);
        self.asm.jcc(Cond::A, label);
        self.asm.mov_rr(Width::W32, end, LENGTH);
        if shift > 0 {
            self.asm.shl_ri(Width::W32, end, shift);
        }
        self.asm.lea_disp(Width::W64, end, end, layout.first as i32 + ALIGN - 1);
        self.asm.and_ri(Width::W64, end, -ALIGN);
        let cursor = thread_field(offset_of!(ThreadContext, alloc_cursor));
        self.asm.load_w(Width::W64, RAX, cursor);
        self.asm.add_rr(Width::W64, end, RAX);
        let limit = thread_field(offset_of!(ThreadContext, alloc_limit));
        self.asm.cmp_rm(Width::W64, end, limit);
        self.asm.jcc(Cond::A, label);
        self.asm.store_w(Width::W64, cursor, end);
        self.asm.load_w(Width::W64, heap, slot_addr(VMCTX_SLOT));
        self.asm.load_w(Width::W64, id, Addr::Base(heap, offset_of!(Instance, type_ids) as i32));
        self.asm.load_w(Width::W32, id, Addr::Base(id, ty.0 as i32 * 4));
        self.asm.load_w(Width::W64, heap, Addr::Base(heap, offset_of!(Instance, heap) as i32));
        let object = Object { heap, offset: RAX };
        // The gc word of a new object is 0.
        self.asm.store_w(Width::W64, object.at(0), id);
        self.asm.store_w(Width::W32, object.at(LENGTH_OFFSET), LENGTH);
        object
    }

    /// Fills a new array with [`PATTERN`] up to its end in `rdx`, what is behind the last element
    /// included.
    fn fill_new(&mut self, layout: ArrayLayout, object: Object) {
        // What is aligned is not shorter than the shortest object, and elements that do not begin
        // behind that begin one half of a word before.
        const _: () = assert!(upshift_abi::layout::ARRAY_HEADER_BYTES + 4 == MIN_OBJECT_BYTES);
        let (at, last) = (RDI, RDX);
        if layout.first < MIN_OBJECT_BYTES {
            self.asm.fstore(Prec::Single, object.at(layout.first), PATTERN);
        }
        self.asm.lea_disp(Width::W64, at, object.offset, MIN_OBJECT_BYTES as i32);
        self.asm.lea_disp(Width::W64, last, last, -(VECTOR_BYTES as i32));
        self.store_turns((at, last), Cond::BE, Addr::Indexed(object.heap, at, 0));
        self.asm.sub_rr(Width::W64, at, last);
        self.asm.cmp_ri(Width::W64, at, VECTOR_BYTES as i32);
        let done = self.asm.jcc_short(Cond::AE);
        let half = Addr::Indexed(object.heap, last, (VECTOR_BYTES / 2) as i32);
        self.asm.fstore(Prec::Double, half, PATTERN);
        self.asm.end_short(done);
    }

    /// Stores [`PATTERN`] to `place` and moves on as long as `at` is `cond` to `last`.
    fn store_turns(&mut self, (at, last): (Gpr, Gpr), cond: Cond, place: Addr) {
        self.asm.cmp_rr(Width::W64, at, last);
        let done = self.asm.jcc_short(cond.negate());
        let mut turn = Label::new();
        self.asm.bind(&mut turn);
        self.asm.vstore(place, PATTERN);
        self.asm.add_ri(Width::W64, at, VECTOR_BYTES as i32);
        self.asm.cmp_rr(Width::W64, at, last);
        self.asm.jcc(cond, &mut turn);
        self.asm.end_short(done);
    }

    /// The cold path of [`Self::push_filled`], up to where it goes back.
    pub(crate) fn emit_new_array(&mut self, ty: TypeIndex, map: Safepoint, filler: Option<Filler>) {
        self.asm.mov_ri(RDX, ty.0.into());
        self.asm.load_w(Width::W64, RSI, slot_addr(VMCTX_SLOT));
        self.asm.mov_rr(Width::W64, RDI, THREAD);
        self.asm.call_mem(builtin_addr(Builtin::array_alloc));
        self.push_slot_safepoint(map);
        let Some(filler) = filler else { return };
        self.load_filler(RDX, filler);
        let value = thread_field(offset_of!(ThreadContext, value));
        self.asm.store_w(Width::W64, value, RDX);
        let kept = thread_field(offset_of!(ThreadContext, value) + 8);
        // Of these elements, the runtime looks at the first half of the value only.
        self.asm.store_w(Width::W64, kept, RAX);
        self.asm.mov_rr(Width::W64, FILLED[0], RAX);
        self.asm.mov_ri(FILLED[1], 0);
        self.asm.load_w(Width::W64, RDI, slot_addr(VMCTX_SLOT));
        self.asm.load_w(Width::W64, RDI, Addr::Base(RDI, offset_of!(Instance, heap) as i32));
        let array = Object { heap: RDI, offset: RAX };
        self.asm.load_w(Width::W32, FILLED[2], array.at(LENGTH_OFFSET));
        self.emit_fill_array();
        self.asm.load_w(Width::W64, RAX, kept);
    }

    /// `array.fill`
    pub(crate) fn array_fill(&mut self, ty: TypeIndex) {
        let layout = self.src.input.module.array(ty);
        let count = self.pop();
        let value = self.pop();
        self.pass_value(layout.element, value);
        let index = self.pop();
        let array = self.pop();
        if !self.fills_inline(layout.element) {
            let args = [array, index, count].map(BuiltinArg::Operand);
            return self.call_builtin(Builtin::array_fill, &args, None);
        }
        self.flush_for_call(false);
        for (r, operand) in FILLED.into_iter().zip([array, index, count]) {
            self.plan_operand(r.into(), operand);
        }
        self.emit_moves();
        let mut label = Label::new();
        let holds_objects =
            layout.element == Cell::Ref && !matches!(value.value(), Value::Const(_));
        let array = self.check_filled(layout, holds_objects, &mut label);
        self.fill_short(layout, array);
        self.add_cold(label, self.asm.pos(), Cold::FillArray);
        self.end_call();
        self.charge_fuel();
    }

    /// Traps when [`FILLED`] are not elements of an array; goes to `label` when they are many, or when
    /// the collector wants to know of it.
    fn check_filled(
        &mut self,
        layout: ArrayLayout,
        holds_objects: bool,
        label: &mut Label,
    ) -> Object {
        let [array, index, count] = FILLED;
        let (heap, end) = (RSI, RDI);
        self.asm.load_w(Width::W64, heap, slot_addr(VMCTX_SLOT));
        self.asm.load_w(Width::W64, heap, Addr::Base(heap, offset_of!(Instance, heap) as i32));
        let object = Object { heap, offset: array };
        self.load_length(RAX, object);
        self.asm.lea_scaled(Width::W64, end, index, count, 0);
        self.asm.cmp_rr(Width::W64, end, RAX);
        self.trap_if(Cond::A, Trap::ArrayOutOfBounds);
        let most = MAX_CLEARED_BYTES >> layout.element_shift();
        self.asm.cmp_ri(Width::W32, count, most as i32);
        self.asm.jcc(Cond::A, label);
        if holds_objects && self.src.input.config.gc_barrier {
            self.asm.test_mi8(object.at(GC_OFFSET), GC_UNLOGGED);
            self.asm.jcc(Cond::NE, label);
        }
        object
    }

    /// Fills few elements, [`FILLED`], with the value that was passed.
    fn fill_short(&mut self, layout: ArrayLayout, array: Object) {
        let [_, index, count] = FILLED;
        let (at, end, value) = (RDI, RAX, RCX);
        let (shift, first) = (layout.element_shift(), layout.first as i32);
        self.asm.lea_scaled(Width::W64, at, array.offset, index, shift);
        self.asm.lea_scaled(Width::W64, end, at, count, shift);
        let passed = thread_field(offset_of!(ThreadContext, value));
        match layout.element.bytes() {
            1 => self.asm.load(LoadKind::U8, value, passed),
            2 => self.asm.load(LoadKind::U16, value, passed),
            4 => self.asm.load_w(Width::W32, value, passed),
            _ => self.asm.load_w(Width::W64, value, passed),
        }
        self.asm.cmp_ri(Width::W32, count, (VECTOR_BYTES >> shift) as i32);
        let mut narrow = Label::new();
        self.asm.jcc(Cond::B, &mut narrow);
        let lanes = lanes(layout.element).expect("such elements are filled inline");
        self.asm.splat_int(lanes, PATTERN, value);
        // The last one may overlap the one before.
        self.asm.lea_disp(Width::W64, end, end, -(VECTOR_BYTES as i32));
        self.asm.vstore(Addr::Indexed(array.heap, end, first), PATTERN);
        self.store_turns((at, end), Cond::B, Addr::Indexed(array.heap, at, first));
        let mut done = Label::new();
        self.asm.jmp(&mut done);
        self.asm.bind(&mut narrow);
        self.asm.cmp_rr(Width::W64, at, end);
        self.asm.jcc(Cond::AE, &mut done);
        let mut turn = Label::new();
        self.asm.bind(&mut turn);
        let bytes = layout.element.bytes();
        self.asm.store(bytes, Addr::Indexed(array.heap, at, first), value);
        self.asm.add_ri(Width::W64, at, bytes as i32);
        self.asm.cmp_rr(Width::W64, at, end);
        self.asm.jcc(Cond::B, &mut turn);
        self.asm.bind(&mut done);
    }

    /// The cold path of [`Self::array_fill`], up to where it goes back: has the runtime fill [`FILLED`]
    /// with the value that was passed.
    pub(crate) fn emit_fill_array(&mut self) {
        self.asm.load_w(Width::W64, RSI, slot_addr(VMCTX_SLOT));
        self.asm.mov_rr(Width::W64, RDI, THREAD);
        self.asm.call_mem(builtin_addr(Builtin::array_fill));
    }

    /// Puts what is stored for a popped operand where a builtin takes it.
    pub(crate) fn pass_value(&mut self, cell: Cell, value: Operand) {
        let stored = self.stored_form(cell, value);
        let place = thread_field(offset_of!(ThreadContext, value));
        self.store_form(cell, place, stored);
    }
}
