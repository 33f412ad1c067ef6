//! Objects: allocation, fields and elements as they lie in memory, and the write barrier.

use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, Inst, InstBuilder, MemFlagsData, Type, Value, types};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{
    ArrayHeader, CARD_SHIFT, Cell, ExnHeader, FuncRef, GC_CARDS, GC_UNLOGGED, Instance,
    ObjectHeader, ThreadContext,
};
use upshift_abi::trap::Trap;

/// Largest object that is allocated inline.
pub(crate) const MAX_INLINE_BYTES: u64 = 128 << 10;
/// Largest memory that is filled with single stores.
pub(crate) const MAX_UNROLLED_BYTES: u64 = 256;
/// Largest array of a length known at run time that is allocated and cleared inline: the runtime
/// clears longer ones faster.
pub(crate) const MAX_CLEARED_BYTES: u32 = 512;

/// Cranelift's type for the value that a cell holds.
pub(crate) const fn cell_type(cell: Cell) -> Type {
    match cell {
        Cell::I8 | Cell::I16 | Cell::I32 => types::I32,
        Cell::I64 | Cell::Ref | Cell::Func | Cell::Exn => types::I64,
        Cell::F32 => types::F32,
        Cell::F64 => types::F64,
        Cell::V128 => types::I8X16,
    }
}

/// A new object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewObject {
    pub(crate) reference: Value,
    pub(crate) address: Value,
    /// The reference to what comes behind it.
    pub(crate) end: Value,
    /// The branch to where room is made.
    pub(crate) check: Inst,
    /// Takes the room.
    pub(crate) take: Inst,
}

/// A place in an object: the address of the object or of one of its elements, and how far behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) base: Value,
    pub(crate) offset: u32,
    pub(crate) region: Region,
}

impl Translator<'_, '_> {
    /// The base of the heap.
    pub(crate) fn heap_base(&mut self) -> Value {
        self.load_fixed(types::I64, self.vmctx, offset_of!(Instance, heap))
    }

    /// The address of an object.
    pub(crate) fn object_address(&mut self, reference: Value) -> Value {
        let heap = self.heap_base();
        self.builder.ins().iadd(heap, reference)
    }

    /// The number of a type of the module.
    pub(crate) fn type_id(&mut self, ty: TypeIndex) -> Value {
        let ids = self.load_fixed(types::I64, self.vmctx, offset_of!(Instance, type_ids));
        self.load_fixed(types::I32, ids, ty.index() * size_of::<u32>())
    }

    /// A new object of `bytes` bytes with its header: the reference and its address. No operand was
    /// popped yet: making room may collect.
    pub(crate) fn allocate(&mut self, ty: TypeIndex, bytes: u32) -> (Value, Value) {
        let (reference, address) = match self.allocate_in_run(bytes) {
            Some(reference) => (reference, self.begin_object(ty, reference)),
            None => {
                self.settle_references();
                let total = self.builder.ins().iconst(types::I64, i64::from(bytes));
                let object = self.allocate_sized(ty, total);
                self.begin_run((object.reference, total), bytes, (object.check, object.take));
                (object.reference, object.address)
            }
        };
        self.note_made(reference, address);
        (reference, address)
    }

    /// A new object of `bytes` bytes, a value of 64 bits, with its header. No reference was popped yet:
    /// making room may collect.
    pub(crate) fn allocate_sized(&mut self, ty: TypeIndex, bytes: Value) -> NewObject {
        let thread = self.thread();
        let (cursor_at, limit_at) =
            (offset_of!(ThreadContext, alloc_cursor), offset_of!(ThreadContext, alloc_limit));
        let cursor = self.load_changing(Region::Thread, types::I64, thread, cursor_at);
        let end = self.builder.ins().iadd(cursor, bytes);
        let limit = self.load_changing(Region::Thread, types::I64, thread, limit_at);
        let over = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        let cold = self.builder.create_block();
        let next = self.builder.create_block();
        let cursor_there = self.builder.append_block_param(next, types::I64);
        let end_there = self.builder.append_block_param(next, types::I64);
        self.builder.set_cold_block(cold);
        let check = self.builder.ins().brif(over, cold, &[], next, &[cursor.into(), end.into()]);
        self.builder.seal_block(cold);
        self.builder.switch_to_block(cold);
        self.aside(|this| {
            let thread = this.thread();
            this.store_thread(thread, bytes, offset_of!(ThreadContext, alloc_request));
            this.call_stub(Builtin::gc_refill, &[]);
            let cursor = this.load_changing(Region::Thread, types::I64, thread, cursor_at);
            let end = this.builder.ins().iadd(cursor, bytes);
            this.builder.ins().jump(next, &[cursor.into(), end.into()]);
        });
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        self.join_carried();
        let thread = self.thread();
        let take = self.store_thread(thread, end_there, cursor_at);
        let address = self.begin_object(ty, cursor_there);
        NewObject { reference: cursor_there, address, end: end_there, check, take }
    }

    /// Writes the header of a new object; its address.
    fn begin_object(&mut self, ty: TypeIndex, reference: Value) -> Value {
        let address = self.object_address(reference);
        let id = self.type_id(ty);
        let header = self.builder.ins().uextend(types::I64, id);
        // The gc word of a new object is 0.
        let flags = self.regions.changing(self.builder.func, Region::Headers);
        self.builder.ins().store(flags, header, address, 0);
        address
    }

    /// Stores to a field of the thread's context.
    pub(crate) fn store_thread(&mut self, thread: Value, value: Value, offset: usize) -> Inst {
        let flags = self.regions.changing(self.builder.func, Region::Thread);
        self.builder.ins().store(flags, value, thread, crate::offset(offset))
    }

    fn cell_flags(&mut self, region: Region, faults: Option<Trap>) -> MemFlagsData {
        match faults {
            Some(trap) => self.regions.faulting(self.builder.func, region, trap),
            None => self.regions.changing(self.builder.func, region),
        }
    }

    /// Pushes the value of a cell; packed integers are extended by sign when `signed`. With
    /// `faults`, the access is the one that finds a null reference.
    pub(crate) fn push_cell(
        &mut self,
        cell: Cell,
        place: Place,
        signed: bool,
        faults: Option<Trap>,
    ) {
        let flags = self.cell_flags(place.region, faults);
        let offset = crate::offset(place.offset as usize);
        let (base, ins) = (place.base, self.builder.ins());
        let value = match cell {
            Cell::I8 if signed => ins.sload8(types::I32, flags, base, offset),
            Cell::I8 => ins.uload8(types::I32, flags, base, offset),
            Cell::I16 if signed => ins.sload16(types::I32, flags, base, offset),
            Cell::I16 => ins.uload16(types::I32, flags, base, offset),
            Cell::Ref | Cell::Func | Cell::Exn => ins.uload32(flags, base, offset),
            Cell::I32 | Cell::I64 | Cell::F32 | Cell::F64 | Cell::V128 => {
                ins.load(cell_type(cell), flags, base, offset)
            }
        };
        match cell {
            Cell::Ref => self.push_ref(value),
            Cell::Func => {
                let is_called = self.is_call_ref_next();
                if is_called {
                    self.leave_position(value);
                }
                let value = if is_called { value } else { self.load_func(value) };
                self.push(value);
            }
            Cell::Exn => {
                let value = self.load_entry(value, offset_of!(ThreadContext, exn_table));
                self.push(value);
            }
            _ => self.push(value),
        }
    }

    /// The function at a position of the store's table.
    pub(crate) fn load_func(&mut self, position: Value) -> Value {
        self.load_entry(position, offset_of!(ThreadContext, func_table))
    }

    /// The entry of a table of the thread at a position.
    fn load_entry(&mut self, position: Value, table: usize) -> Value {
        let thread = self.thread();
        let table = self.load_changing(Region::Thread, types::I64, thread, table);
        let offset = self.builder.ins().ishl_imm_u(position, 3);
        let entry = self.builder.ins().iadd(table, offset);
        self.load_changing(Region::Elements, types::I64, entry, 0)
    }

    /// Stores a value into a cell of a new object, or of one that `old` says is written: the object
    /// itself, which may be old. With `faults`, this is the access that finds a null reference.
    pub(crate) fn set_cell(
        &mut self,
        (cell, place): (Cell, Place),
        value: Value,
        old: Option<Value>,
        faults: Option<Trap>,
    ) {
        let stored = self.stored_form(cell, value);
        let mut faults = faults;
        if let Some(reference) = old
            && cell == Cell::Ref
            && self.constant(value).is_none()
        {
            self.write_barrier(reference, None, faults.take());
        }
        self.store_form(cell, place, stored, faults);
    }

    /// What is stored for a value: itself, or its position in a table.
    pub(crate) fn stored_form(&mut self, cell: Cell, value: Value) -> Value {
        match cell {
            Cell::Func => self.func_position(value),
            Cell::Exn => self.exception_position(value),
            _ => value,
        }
    }

    /// Stores what [`Self::stored_form`] gave.
    pub(crate) fn store_form(
        &mut self,
        cell: Cell,
        place: Place,
        stored: Value,
        faults: Option<Trap>,
    ) {
        let flags = self.cell_flags(place.region, faults);
        let (base, offset) = (place.base, crate::offset(place.offset as usize));
        let ins = self.builder.ins();
        match cell {
            Cell::I8 => ins.istore8(flags, stored, base, offset),
            Cell::I16 => ins.istore16(flags, stored, base, offset),
            Cell::Ref | Cell::Func | Cell::Exn => ins.istore32(flags, stored, base, offset),
            Cell::I32 | Cell::I64 | Cell::F32 | Cell::F64 | Cell::V128 => {
                ins.store(flags, stored, base, offset)
            }
        };
    }

    /// The position of a function record in the store's table, 0 for null.
    fn func_position(&mut self, record: Value) -> Value {
        let known = self.builder.create_block();
        let cold = self.builder.create_block();
        let next = self.builder.create_block();
        let position = self.builder.append_block_param(next, types::I64);
        self.builder.set_cold_block(cold);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().brif(record, known, &[], next, &[zero.into()]);
        self.builder.seal_block(known);
        self.builder.switch_to_block(known);
        let flags = self.regions.changing(self.builder.func, Region::HeapIndices);
        let place = crate::offset(offset_of!(FuncRef, heap_index));
        let found = self.builder.ins().uload32(flags, record, place);
        self.builder.ins().brif(found, next, &[found.into()], cold, &[]);
        self.builder.seal_block(cold);
        self.builder.switch_to_block(cold);
        self.aside(|this| {
            let thread = this.thread();
            this.store_thread(thread, record, offset_of!(ThreadContext, value));
            this.call_stub(Builtin::func_heap_index, &[]);
            let at = offset_of!(ThreadContext, value);
            let made = this.load_changing(Region::Thread, types::I32, thread, at);
            let made = this.builder.ins().uextend(types::I64, made);
            this.builder.ins().jump(next, &[made.into()]);
        });
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        position
    }

    /// The position of an exception in the store's table, 0 for null.
    fn exception_position(&mut self, exception: Value) -> Value {
        let known = self.builder.create_block();
        let next = self.builder.create_block();
        let position = self.builder.append_block_param(next, types::I64);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().brif(exception, known, &[], next, &[zero.into()]);
        self.builder.seal_block(known);
        self.builder.switch_to_block(known);
        let flags = self.regions.changing(self.builder.func, Region::HeapIndices);
        let place = crate::offset(offset_of!(ExnHeader, heap_index));
        let found = self.builder.ins().uload32(flags, exception, place);
        self.builder.ins().jump(next, &[found.into()]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        position
    }

    /// Before a reference is stored into an object: an old one that is not in the log gets there.
    /// Of a large array that is written at `element` (its address, less the header's bytes), the
    /// card is marked instead.
    pub(crate) fn write_barrier(
        &mut self,
        reference: Value,
        element: Option<Value>,
        faults: Option<Trap>,
    ) {
        let address = self.object_address(reference);
        let gc = crate::offset(offset_of!(ObjectHeader, gc));
        let flags = self.cell_flags(Region::GcWords, faults);
        let word = self.builder.ins().uload8(types::I32, flags, address, gc);
        if !self.src.input.config.gc_barrier {
            return;
        }
        let unlogged = self.builder.ins().band_imm_u(word, i64::from(GC_UNLOGGED));
        let cold = self.builder.create_block();
        let next = self.builder.create_block();
        self.builder.set_cold_block(cold);
        self.builder.ins().brif(unlogged, cold, &[], next, &[]);
        self.builder.seal_block(cold);
        self.builder.switch_to_block(cold);
        if let Some(element) = element {
            self.mark_card(word, element, next);
        }
        let flags = self.regions.changing(self.builder.func, Region::GcWords);
        let zero = self.builder.ins().iconst(types::I32, 0);
        self.builder.ins().istore8(flags, zero, address, gc);
        let thread = self.thread();
        let at = offset_of!(ThreadContext, gc_log);
        let log = self.load_changing(Region::Thread, types::I64, thread, at);
        let entries = self.regions.changing(self.builder.func, Region::Log);
        self.builder.ins().istore32(entries, reference, log, 0);
        let log = self.builder.ins().iadd_imm_s(log, size_of::<u32>() as i64);
        self.store_thread(thread, log, at);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// Marks the card of an element and goes to `next`, when the array has cards.
    fn mark_card(&mut self, gc: Value, element: Value, next: Block) {
        let has_cards = self.builder.ins().band_imm_u(gc, i64::from(GC_CARDS));
        let [card, log] = [self.builder.create_block(), self.builder.create_block()];
        for block in [card, log] {
            self.builder.set_cold_block(block);
        }
        self.builder.ins().brif(has_cards, card, &[], log, &[]);
        self.builder.seal_block(card);
        self.builder.switch_to_block(card);
        let heap = self.heap_base();
        let offset = self.builder.ins().isub(element, heap);
        let number = self.builder.ins().ushr_imm_u(offset, i64::from(CARD_SHIFT));
        let thread = self.thread();
        let at = offset_of!(ThreadContext, gc_cards);
        let cards = self.load_changing(Region::Thread, types::I64, thread, at);
        let place = self.builder.ins().iadd(cards, number);
        let flags = self.regions.changing(self.builder.func, Region::Log);
        let one = self.builder.ins().iconst(types::I32, 1);
        self.builder.ins().istore8(flags, one, place, 0);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(log);
        self.builder.switch_to_block(log);
    }

    /// The length of an array; null faults.
    pub(crate) fn array_length(&mut self, address: Value) -> Value {
        let trap = Trap::NullArrayReference;
        let flags = self.regions.faulting(self.builder.func, Region::Lengths, trap);
        let place = crate::offset(offset_of!(ArrayHeader, length));
        self.builder.ins().load(types::I32, flags, address, place)
    }
}
