//! Objects: allocation, fields and elements as they lie in memory, and the write barrier.
//!
//! Allocation takes from the room between the thread's cursor and limit. When there is too little,
//! a cold path makes room and tries again; it may collect, so it comes before operands are popped:
//! references in registers are in the stack map of its call, as the builtin preserves them.

use crate::compiler::{FuncCompiler, Safepoint};
use crate::masm::{Addr, Cond, Gpr, Label, LoadKind, SCRATCH, THREAD, Width};
use crate::outline::{Cold, ColdSite};
use crate::regs::{GPRS, regs_in};
use crate::value::{Operand, Reg, Ty, Value};
use std::mem::offset_of;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{
    CARD_SHIFT, Cell, ExnHeader, FuncRef, GC_CARDS, GC_OFFSET, GC_UNLOGGED, Instance,
    LENGTH_OFFSET, ThreadContext,
};
use upshift_abi::trap::Trap;

/// Largest object that is allocated inline.
pub(crate) const MAX_INLINE_BYTES: u64 = 128 << 10;
/// Largest memory that is filled with single stores.
pub(crate) const MAX_UNROLLED_BYTES: u64 = 256;
/// Largest array of a length known at run time that is made inline.
pub(crate) const MAX_CLEARED_BYTES: u32 = 512;

/// An object that an operator works on; both registers are locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    /// The base of the heap.
    pub(crate) heap: Gpr,
    /// The reference, or an offset derived from it.
    pub(crate) offset: Gpr,
}

impl Object {
    /// The memory at `displacement` from the object's address.
    pub(crate) const fn at(self, displacement: u32) -> Addr {
        Addr::Indexed(self.heap, self.offset, displacement as i32)
    }
}

/// The class of the value that a cell holds.
pub(crate) const fn class_of(cell: Cell) -> Ty {
    match cell {
        Cell::I8 | Cell::I16 | Cell::I32 => Ty::I32,
        Cell::I64 => Ty::I64,
        Cell::F32 => Ty::F32,
        Cell::F64 => Ty::F64,
        Cell::V128 => Ty::V128,
        Cell::Ref | Cell::Func | Cell::Exn => Ty::Ref,
    }
}

/// A field of the thread's context.
pub(crate) const fn thread_field(offset: usize) -> Addr {
    Addr::Base(THREAD, offset as i32)
}

impl FuncCompiler<'_> {
    /// A new object of `bytes` bytes with its header; nothing was popped yet. The register of its
    /// reference belongs to the operator.
    pub(crate) fn allocate(&mut self, ty: TypeIndex, bytes: u32) -> Object {
        let heap = self.heap_base();
        let vmctx = self.vmctx();
        let object = Object { heap, offset: self.alloc_gpr() };
        let id = self.alloc_gpr();
        let retry = self.asm.pos();
        let cursor = thread_field(offset_of!(ThreadContext, alloc_cursor));
        self.asm.load_w(Width::W64, object.offset, cursor);
        self.asm.lea_disp(Width::W64, id, object.offset, bytes as i32);
        let limit = thread_field(offset_of!(ThreadContext, alloc_limit));
        self.asm.cmp_rm(Width::W64, id, limit);
        let map = self.register_safepoint();
        let mut label = Label::new();
        self.asm.jcc(Cond::A, &mut label);
        self.add_cold(label, retry, Cold::Refill { bytes, map });
        self.asm.store_w(Width::W64, cursor, id);
        let ids = Addr::Base(vmctx, offset_of!(Instance, type_ids) as i32);
        self.asm.load_w(Width::W64, id, ids);
        self.asm.load_w(Width::W32, id, Addr::Base(id, ty.0 as i32 * 4));
        // The gc word of a new object is 0.
        self.asm.store_w(Width::W64, object.at(0), id);
        self.regs.locked &= !Reg::from(id).bit();
        object
    }

    /// Which operand slots hold references now: the entry of a stack map, but for the place. Those of
    /// locals hold at every call.
    pub(crate) fn slot_safepoint(&mut self) -> Safepoint {
        let start = self.tables.ref_slots.len() as u32;
        if self.ref_operands > 0 && !self.has_too_many_slots() {
            let refs = self.stack.iter().filter(|operand| operand.ty() == Ty::Ref);
            for operand in refs.filter(|operand| operand.value() == Value::Slot) {
                self.tables.ref_slots.push(operand.slot());
            }
        }
        Safepoint { at: 0, start, end: self.tables.ref_slots.len() as u32, registers: 0 }
    }

    /// The same at a call that preserves registers, and which of these hold references.
    fn register_safepoint(&mut self) -> Safepoint {
        let slots = self.slot_safepoint();
        let mut registers = 0;
        for r in regs_in(self.regs.state.used & GPRS) {
            let holder = self.regs.holder(r);
            let ty = match (holder.as_operand(), holder.as_local()) {
                (Some(position), _) => self.stack[position].ty(),
                (_, Some(index)) => self.frame.locals[index as usize].ty,
                (None, None) => Ty::I64,
            };
            if ty == Ty::Ref {
                registers |= 1 << r.0;
            }
        }
        Safepoint { registers, ..slots }
    }

    /// A cold path that `label` leads to and that goes back to `back`.
    pub(crate) fn add_cold(&mut self, label: Label, back: u32, cold: Cold) {
        let pc = self.src.pc as u32;
        self.outline.colds.push(ColdSite { label, back, pc, cold });
    }

    /// Pops a reference: the object it refers to. Whether it is null, the first access tells.
    pub(crate) fn pop_object(&mut self) -> Object {
        let reference = self.pop();
        let offset = self.read_gpr(reference);
        Object { heap: self.heap_base(), offset }
    }

    /// Pushes the value at `displacement`; packed integers are extended by sign when `signed`. With
    /// `faults`, the access is the one that finds a null reference.
    pub(crate) fn push_cell(
        &mut self,
        object: Object,
        (cell, displacement): (Cell, u32),
        signed: bool,
        faults: Option<Trap>,
    ) {
        let mem = object.at(displacement);
        let ty = class_of(cell);
        let r = self.alloc_for(ty);
        if let Some(trap) = faults {
            self.note_trap(trap);
        }
        match cell {
            Cell::I8 if signed => self.asm.load(LoadKind::S8To32, r.gpr(), mem),
            Cell::I8 => self.asm.load(LoadKind::U8, r.gpr(), mem),
            Cell::I16 if signed => self.asm.load(LoadKind::S16To32, r.gpr(), mem),
            Cell::I16 => self.asm.load(LoadKind::U16, r.gpr(), mem),
            Cell::I32 | Cell::Ref => self.asm.load_w(Width::W32, r.gpr(), mem),
            Cell::I64 => self.asm.load_w(Width::W64, r.gpr(), mem),
            Cell::F32 | Cell::F64 => self.asm.fload(ty.prec(), r.xmm(), mem),
            Cell::V128 => self.asm.vload(r.xmm(), mem),
            Cell::Func => self.load_entry(r.gpr(), mem, offset_of!(ThreadContext, func_table)),
            Cell::Exn => self.load_entry(r.gpr(), mem, offset_of!(ThreadContext, exn_table)),
        }
        self.push(Value::Reg(r), ty);
    }

    /// Loads the entry of a table of the thread whose position is in memory.
    fn load_entry(&mut self, d: Gpr, position: Addr, table: usize) {
        self.asm.load_w(Width::W32, d, position);
        self.asm.load_w(Width::W64, SCRATCH, thread_field(table));
        self.asm.lea_scaled(Width::W64, d, SCRATCH, d, 3);
        self.asm.load_w(Width::W64, d, Addr::Base(d, 0));
    }

    /// Stores a popped operand into a cell of a new object.
    pub(crate) fn init_cell(
        &mut self,
        object: Object,
        (cell, displacement): (Cell, u32),
        value: Operand,
    ) {
        let mem = object.at(displacement);
        if let (Value::Const(bits), 1..=4) = (value.value(), cell.bytes()) {
            return self.asm.store_imm(cell.bytes(), mem, bits as i32);
        }
        if let (Value::Const(0), Cell::I64 | Cell::F64) = (value.value(), cell) {
            return self.asm.store_imm(8, mem, 0);
        }
        let r = self.stored_form(cell, value);
        self.store_form(cell, mem, r);
    }

    /// Stores a popped operand into a cell of an object that may be old. With `faults`, this is the access that finds a null reference.
    pub(crate) fn set_cell(
        &mut self,
        object: Object,
        (cell, displacement): (Cell, u32),
        value: Operand,
        faults: Option<Trap>,
    ) {
        let r = self.stored_form(cell, value);
        if let Some(trap) = faults {
            self.note_trap(trap);
        }
        if cell == Cell::Ref && !matches!(value.value(), Value::Const(_)) {
            self.write_barrier(object, None);
        }
        self.store_form(cell, object.at(displacement), r);
    }

    /// Before a reference is stored into an object: an old one that is not in the log gets there.
    /// Of a large array that is written at `element`, the card is marked instead.
    pub(crate) fn write_barrier(&mut self, object: Object, element: Option<Gpr>) {
        if !self.src.input.config.gc_barrier {
            return;
        }
        self.asm.test_mi8(object.at(GC_OFFSET), GC_UNLOGGED);
        let mut label = Label::new();
        self.asm.jcc(Cond::NE, &mut label);
        let back = self.asm.pos();
        self.add_cold(label, back, Cold::Barrier { object, element });
    }

    /// A register with what is stored for a value: itself, or its position in a table.
    pub(crate) fn stored_form(&mut self, cell: Cell, value: Operand) -> Reg {
        let r = self.read(value);
        match cell {
            Cell::Func => self.table_position(r.gpr(), offset_of!(FuncRef, heap_index), true),
            Cell::Exn => self.table_position(r.gpr(), offset_of!(ExnHeader, heap_index), false),
            _ => r,
        }
    }

    /// The position that a record or exception has in its table, 0 for null.
    fn table_position(&mut self, record: Gpr, offset: usize, may_lack: bool) -> Reg {
        let position = self.alloc_gpr();
        let place = Addr::Base(record, offset as i32);
        self.asm.mov_rr(Width::W64, position, record);
        self.asm.test_rr(Width::W64, record, record);
        let mut end = Label::new();
        self.asm.jcc(Cond::E, &mut end);
        self.asm.load_w(Width::W32, position, place);
        if may_lack {
            self.asm.test_rr(Width::W32, position, position);
            let mut label = Label::new();
            self.asm.jcc(Cond::E, &mut label);
            let back = self.asm.pos();
            self.add_cold(label, back, Cold::FuncIndex { record, position });
        }
        self.asm.bind(&mut end);
        position.into()
    }

    /// Stores what [`Self::stored_form`] gave.
    pub(crate) fn store_form(&mut self, cell: Cell, mem: Addr, r: Reg) {
        match cell {
            Cell::I8 | Cell::I16 | Cell::I32 | Cell::I64 | Cell::Ref | Cell::Func | Cell::Exn => {
                self.asm.store(cell.bytes(), mem, r.gpr());
            }
            Cell::F32 | Cell::F64 => self.asm.fstore(class_of(cell).prec(), mem, r.xmm()),
            Cell::V128 => self.asm.vstore(mem, r.xmm()),
        }
    }

    /// The length of an array; null faults.
    pub(crate) fn load_length(&mut self, d: Gpr, array: Object) {
        self.note_trap(Trap::NullArrayReference);
        let length = array.at(LENGTH_OFFSET);
        self.asm.load_w(Width::W32, d, length);
    }

    /// The cold path of [`Self::allocate`], up to where it goes back.
    pub(crate) fn emit_refill(&mut self, bytes: u32, map: Safepoint) {
        let request = thread_field(offset_of!(ThreadContext, alloc_request));
        self.asm.store_imm(8, request, bytes as i32);
        self.asm.call_mem(crate::outline::builtin_addr(upshift_abi::builtin::Builtin::gc_refill));
        self.tables.safepoints.push(Safepoint { at: self.asm.pos(), ..map });
    }

    /// The cold path of the write barrier: the object goes into the log, or the card of the element
    /// is marked.
    pub(crate) fn emit_barrier(&mut self, object: Object, element: Option<Gpr>, back: u32) {
        if let Some(index) = element {
            self.asm.test_mi8(object.at(GC_OFFSET), GC_CARDS);
            let mut no_cards = Label::new();
            self.asm.jcc(Cond::E, &mut no_cards);
            self.asm.lea_scaled(Width::W64, SCRATCH, object.offset, index, 2);
            self.asm.shr_ri(Width::W64, SCRATCH, CARD_SHIFT as u8);
            let cards = thread_field(offset_of!(ThreadContext, gc_cards));
            self.asm.add_rm(Width::W64, SCRATCH, cards);
            self.asm.store_imm(1, Addr::Base(SCRATCH, 0), 1);
            self.asm.jmp(&mut Label::at(back));
            self.asm.bind(&mut no_cards);
        }
        let log = thread_field(offset_of!(ThreadContext, gc_log));
        self.asm.store_imm(1, object.at(GC_OFFSET), 0);
        self.asm.load_w(Width::W64, SCRATCH, log);
        self.asm.store_w(Width::W32, Addr::Base(SCRATCH, 0), object.offset);
        self.asm.sub_mi_patchable(Width::W64, log, -4);
    }

    /// The cold path of a reference to a function that no object has held yet.
    pub(crate) fn emit_func_index(&mut self, record: Gpr, position: Gpr) {
        let value = thread_field(offset_of!(ThreadContext, value));
        self.asm.store_w(Width::W64, value, record);
        let builtin = upshift_abi::builtin::Builtin::func_heap_index;
        self.asm.call_mem(crate::outline::builtin_addr(builtin));
        self.asm.load_w(Width::W32, position, value);
    }
}
