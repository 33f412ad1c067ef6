//! Structures.

use super::object::{Place, cell_type};
use crate::facts::Fact;
use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::Value;
use smallvec::SmallVec;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::Cell;
use upshift_abi::trap::Trap;
use upshift_abi::types::{CompositeType, HeapType, RefType, StorageType, ValType};

/// Whether what is stored in a cell and what is read from it are one value.
const fn holds_itself(cell: Cell) -> bool {
    matches!(cell, Cell::Ref | Cell::I32 | Cell::I64 | Cell::F32 | Cell::F64 | Cell::V128)
}

impl Translator<'_, '_> {
    fn field(&self, ty: TypeIndex, field: usize) -> (Cell, u32) {
        self.src.input.module.structure(ty).fields[field]
    }

    fn field_place(base: Value, offset: u32) -> Place {
        Place { base, offset, region: Region::Field(offset) }
    }

    /// What an access proves of a structure.
    fn object_fact(ty: TypeIndex) -> Fact {
        Fact::of(RefType { nullable: false, heap: HeapType::Concrete(ty) })
    }

    /// The value on top of the stack is that of a field: its type tells of it.
    fn note_field(&mut self, of: TypeIndex, field: u32) {
        let CompositeType::Struct(fields) = &self.src.input.module.types[of.index()].composite
        else {
            return;
        };
        if let StorageType::Val(ty @ ValType::Ref(_)) = fields[field as usize].storage
            && let Some(&operand) = self.stack.last()
        {
            let value = self.read(operand);
            self.note_declared(value, Fact::of_value(self.src.input.module, ty));
            if self.field(of, field as usize).0 == Cell::Func && !fields[field as usize].mutable {
                self.note_method(value, of, field);
            }
        }
    }

    /// `struct.new`
    pub(crate) fn struct_new(&mut self, ty: TypeIndex) {
        let layout = self.src.input.module.structure(ty);
        let (bytes, count) = (layout.size_bytes, layout.fields.len());
        let (reference, address) = self.allocate(ty, bytes);
        let mut known = SmallVec::from_elem(None, count);
        for i in (0..count).rev() {
            let value = self.pop();
            let (cell, offset) = self.field(ty, i);
            self.set_cell((cell, Self::field_place(address, offset)), value, None, None);
            self.note_field_store();
            known[i] = holds_itself(cell).then_some(value);
        }
        self.note_struct(ty, known);
        self.learn(reference, Self::object_fact(ty));
        self.push_ref(reference);
    }

    /// `struct.new_default`
    pub(crate) fn struct_new_default(&mut self, ty: TypeIndex) {
        let layout = self.src.input.module.structure(ty);
        let (bytes, count) = (layout.size_bytes, layout.fields.len());
        let (reference, address) = self.allocate(ty, bytes);
        let mut known = SmallVec::new();
        for i in 0..count {
            let (cell, offset) = self.field(ty, i);
            let zero = self.zero(cell_type(cell));
            // The position of null is 0, too.
            self.store_form(cell, Self::field_place(address, offset), zero, None);
            self.note_field_store();
            known.push(holds_itself(cell).then_some(zero));
        }
        self.note_struct(ty, known);
        self.learn(reference, Self::object_fact(ty));
        self.push_ref(reference);
    }

    /// `struct.get`, `struct.get_s`, `struct.get_u`
    pub(crate) fn struct_get(&mut self, ty: TypeIndex, field: u32, signed: bool) {
        let (cell, offset) = self.field(ty, field as usize);
        let reference = self.pop();
        if let Some(value) = self.known_field(reference, field) {
            self.push_kind(value, cell == Cell::Ref);
            return self.note_field(ty, field);
        }
        let address = self.object_address(reference);
        let place = Self::field_place(address, offset);
        self.learn(reference, Self::object_fact(ty));
        self.push_cell(cell, place, signed, Some(Trap::NullStructReference));
        self.note_field(ty, field);
    }

    /// `struct.set`
    pub(crate) fn struct_set(&mut self, ty: TypeIndex, field: u32) {
        let (cell, offset) = self.field(ty, field as usize);
        let value = self.pop();
        let reference = self.pop();
        if let Some(address) = self.fresh_address(reference) {
            self.set_cell((cell, Self::field_place(address, offset)), value, None, None);
            let known = holds_itself(cell).then_some(value);
            return self.note_fresh_store(reference, field, known);
        }
        self.forget_fields(offset);
        let address = self.object_address(reference);
        let place = Self::field_place(address, offset);
        let faults = Some(Trap::NullStructReference);
        self.set_cell((cell, place), value, Some(reference), faults);
        self.learn(reference, Self::object_fact(ty));
    }
}
