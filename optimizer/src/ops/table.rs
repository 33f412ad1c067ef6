//! Tables.
//!
//! The length and the base of a table that cannot grow are constants of the instance, and so is where
//! its cards are.

use crate::facts::Fact;
use crate::memory_flags::Region;
use crate::ops::call::BuiltinArg;
use crate::safepoint::is_object_ref;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use std::mem::offset_of;
use upshift_abi::builtin::{Builtin, pack_indices};
use upshift_abi::index::TableIndex;
use upshift_abi::layout::{TABLE_CARD_SHIFT, TABLE_CARD_WRITTEN, TableDef};
use upshift_abi::trap::Trap;

/// log2 of the bytes of an element.
const ELEMENT_LOG2: i64 = 3;

impl Translator<'_, '_> {
    /// `table.get`
    pub(crate) fn table_get(&mut self, table: TableIndex) {
        let index = self.pop();
        let element = self.table_element(table, index, Trap::TableOutOfBounds);
        let value = self.load_changing(Region::Elements, types::I64, element, 0);
        let ty = self.src.input.module.tables[table.index()].ty.element;
        self.note_declared(value, Fact::declared(self.src.input.module, ty));
        self.push_kind(value, is_object_ref(self.src.input.module, ty));
    }

    /// `table.set`
    pub(crate) fn table_set(&mut self, table: TableIndex) {
        let value = self.pop();
        let index = self.pop();
        let element = self.table_element(table, index, Trap::TableOutOfBounds);
        let flags = self.regions.changing(self.builder.func, Region::Elements);
        self.builder.ins().store(flags, value, element, 0);
        if self.src.input.module.table_has_cards(table) && self.constant(value).is_none() {
            self.mark_table_card(table, index);
        }
    }

    /// Marks the card of an element that was written.
    fn mark_table_card(&mut self, table: TableIndex, index: Value) {
        let index = self.widen(index, types::I64);
        let cards = self.table_field(table, offset_of!(TableDef, cards));
        let number = self.builder.ins().ushr_imm_u(index, i64::from(TABLE_CARD_SHIFT));
        let place = self.builder.ins().iadd(cards, number);
        let flags = self.regions.changing(self.builder.func, Region::RootMarks);
        let written = self.builder.ins().iconst(types::I32, i64::from(TABLE_CARD_WRITTEN));
        self.builder.ins().istore8(flags, written, place, 0);
        let def = self.load_fixed(types::I64, self.vmctx, self.table_slot(table));
        let at = crate::offset(offset_of!(TableDef, is_written));
        self.builder.ins().istore8(flags, written, def, at);
    }

    /// The address of an element; traps when `index` is out of bounds.
    pub(crate) fn table_element(&mut self, table: TableIndex, index: Value, trap: Trap) -> Value {
        let index = self.widen(index, types::I64);
        let len = self.table_len(table);
        let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        self.builder.ins().trapnz(beyond, crate::lower::trap_code(trap));
        let base = self.table_field(table, offset_of!(TableDef, base));
        let offset = self.builder.ins().ishl_imm_u(index, ELEMENT_LOG2);
        let element = self.builder.ins().iadd(base, offset);
        // An index that a mispredicted check lets through becomes 0.
        self.builder.ins().select_spectre_guard(beyond, base, element)
    }

    /// The number of elements of a table that has the same number for ever.
    fn fixed_len(&self, table: TableIndex) -> Option<u64> {
        let ty = self.src.input.module.tables[table.index()].ty;
        ty.maximum.filter(|&maximum| maximum == ty.minimum)
    }

    fn table_len(&mut self, table: TableIndex) -> Value {
        match self.fixed_len(table) {
            Some(len) => self.builder.ins().iconst(types::I64, len.cast_signed()),
            None => self.table_field(table, offset_of!(TableDef, len)),
        }
    }

    /// Where the instance has the address of the table.
    fn table_slot(&self, table: TableIndex) -> usize {
        self.src.input.layout.table(table) as usize
    }

    fn table_field(&mut self, table: TableIndex, field: usize) -> Value {
        let def = self.load_fixed(types::I64, self.vmctx, self.table_slot(table));
        match self.fixed_len(table) {
            Some(_) => self.load_fixed(types::I64, def, field),
            None => self.load_changing(Region::TableDefs, types::I64, def, field),
        }
    }

    fn table_index_type(&self, table: TableIndex) -> Type {
        match self.src.input.module.tables[table.index()].ty.is_64 {
            true => types::I64,
            false => types::I32,
        }
    }

    /// `table.size`
    pub(crate) fn table_size(&mut self, table: TableIndex) {
        let len = self.table_len(table);
        let len = self.narrow(len, self.table_index_type(table));
        self.push(len);
    }

    /// `table.grow`
    pub(crate) fn table_grow(&mut self, table: TableIndex) {
        let delta = self.pop();
        let init = self.pop();
        let args =
            [BuiltinArg::Imm(table.0.into()), BuiltinArg::Value(init), BuiltinArg::Value(delta)];
        let ty = self.table_index_type(table);
        self.call_builtin(Builtin::table_grow, &args, Some(ty));
    }

    /// `table.fill`
    pub(crate) fn table_fill(&mut self, table: TableIndex) {
        self.bulk(Builtin::table_fill, table.0.into());
    }

    /// `table.copy`
    pub(crate) fn table_copy(&mut self, dst: TableIndex, src: TableIndex) {
        self.bulk(Builtin::table_copy, pack_indices(dst.0, src.0));
    }

    /// `table.init`
    pub(crate) fn table_init(&mut self, table: TableIndex, elem: u32) {
        self.bulk(Builtin::table_init, pack_indices(table.0, elem));
    }

    /// `elem.drop`
    pub(crate) fn elem_drop(&mut self, elem: u32) {
        self.call_builtin(Builtin::elem_drop, &[BuiltinArg::Imm(elem.into())], None);
    }
}
