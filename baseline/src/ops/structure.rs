//! Structures.

use crate::compiler::FuncCompiler;
use crate::ops::object::Object;
use crate::value::Ty;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{Cell, StructLayout};
use upshift_abi::trap::Trap;

impl FuncCompiler<'_> {
    fn structure(&self, ty: TypeIndex) -> &StructLayout {
        self.src.input.module.structure(ty)
    }

    /// `struct.new`
    pub(crate) fn struct_new(&mut self, ty: TypeIndex) {
        let (bytes, count) = (self.structure(ty).size_bytes, self.structure(ty).fields.len());
        let object = self.allocate(ty, bytes);
        let locked = self.regs.locked;
        for field in (0..count).rev() {
            let value = self.pop();
            let cell = self.structure(ty).fields[field];
            self.init_cell(object, cell, value);
            self.regs.locked = locked;
        }
        self.push_gpr(object.offset, Ty::Ref);
    }

    /// `struct.new_default`
    pub(crate) fn struct_new_default(&mut self, ty: TypeIndex) {
        let bytes = self.structure(ty).size_bytes;
        let object = self.allocate(ty, bytes);
        let locked = self.regs.locked;
        for field in 0..self.structure(ty).fields.len() {
            let cell = self.structure(ty).fields[field];
            self.zero_cell(object, cell);
            self.regs.locked = locked;
        }
        self.push_gpr(object.offset, Ty::Ref);
    }

    /// Zeroes a cell of a new object.
    pub(crate) fn zero_cell(&mut self, object: Object, (cell, at): (Cell, u32)) {
        match cell.bytes() {
            16 => {
                self.asm.store_imm(8, object.at(at), 0);
                self.asm.store_imm(8, object.at(at + 8), 0);
            }
            bytes => self.asm.store_imm(bytes, object.at(at), 0),
        }
    }

    /// `struct.get`, `struct.get_s`, `struct.get_u`
    pub(crate) fn struct_get(&mut self, ty: TypeIndex, field: u32, signed: bool) {
        let cell = self.structure(ty).fields[field as usize];
        let object = self.pop_object();
        self.push_cell(object, cell, signed, Some(Trap::NullStructReference));
    }

    /// `struct.set`
    pub(crate) fn struct_set(&mut self, ty: TypeIndex, field: u32) {
        let cell = self.structure(ty).fields[field as usize];
        let value = self.pop();
        let object = self.pop_object();
        self.set_cell(object, cell, value, Some(Trap::NullStructReference));
    }
}
