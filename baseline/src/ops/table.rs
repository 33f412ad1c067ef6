//! Tables.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Cond, Gpr, SCRATCH, Width};
use crate::ops::call::BuiltinArg;
use crate::value::{Ty, Value};
use std::mem::offset_of;
use upshift_abi::builtin::{Builtin, pack_indices};
use upshift_abi::index::TableIndex;
use upshift_abi::layout::{TABLE_CARD_SHIFT, TABLE_CARD_WRITTEN, TableDef};
use upshift_abi::trap::Trap;

impl FuncCompiler<'_> {
    /// `table.get`
    pub(crate) fn table_get(&mut self, table: TableIndex) {
        let index = self.pop();
        let index = self.read_gpr(index);
        let element = self.table_element(table, index, Trap::TableOutOfBounds);
        self.asm.load_w(Width::W64, element, Addr::Base(element, 0));
        self.push_gpr(element, Ty::Ref);
    }

    /// `table.set`
    pub(crate) fn table_set(&mut self, table: TableIndex) {
        let operand = self.pop();
        let value = self.read_gpr(operand);
        let index = self.pop();
        let index = self.read_gpr(index);
        let element = self.table_element(table, index, Trap::TableOutOfBounds);
        self.asm.store_w(Width::W64, Addr::Base(element, 0), value);
        let is_constant = matches!(operand.value(), Value::Const(_));
        if self.src.input.module.table_has_cards(table) && !is_constant {
            self.mark_table_card(table, index, element);
        }
    }

    /// Marks the card of an element that was written; the table's definition is loaded into `def`.
    fn mark_table_card(&mut self, table: TableIndex, index: Gpr, def: Gpr) {
        self.load_table_def(table, def);
        let field = |offset: usize| Addr::Base(def, offset as i32);
        self.asm.mov_rr(Width::W64, SCRATCH, index);
        self.asm.shr_ri(Width::W64, SCRATCH, TABLE_CARD_SHIFT as u8);
        self.asm.add_rm(Width::W64, SCRATCH, field(offset_of!(TableDef, cards)));
        self.asm.store_imm(1, Addr::Base(SCRATCH, 0), TABLE_CARD_WRITTEN.into());
        self.asm.store_imm(1, field(offset_of!(TableDef, is_written)), 1);
    }

    /// The register with the address of an element; traps when `index` is out of bounds.
    pub(crate) fn table_element(&mut self, table: TableIndex, index: Gpr, trap: Trap) -> Gpr {
        let def = self.table_def(table);
        let element = self.alloc_gpr();
        let len = Addr::Base(def, offset_of!(TableDef, len) as i32);
        let base = Addr::Base(def, offset_of!(TableDef, base) as i32);
        self.asm.mov_rr(Width::W64, element, index);
        self.asm.cmp_rm(Width::W64, element, len);
        self.trap_if(Cond::AE, trap);
        // An index that a mispredicted check lets through becomes 0.
        self.asm.mov_ri(SCRATCH, 0);
        self.asm.cmov(Cond::AE, Width::W64, element, SCRATCH);
        self.asm.load_w(Width::W64, def, base);
        self.asm.lea_scaled(Width::W64, element, def, element, 3);
        element
    }

    fn table_def(&mut self, table: TableIndex) -> Gpr {
        self.vmctx();
        let def = self.alloc_gpr();
        self.load_table_def(table, def);
        def
    }

    fn load_table_def(&mut self, table: TableIndex, def: Gpr) {
        let vmctx = self.vmctx();
        let slot = Addr::Base(vmctx, self.src.input.layout.table(table) as i32);
        self.asm.load_w(Width::W64, def, slot);
    }

    fn table_index_type(&self, table: TableIndex) -> Ty {
        match self.src.input.module.tables[table.index()].ty.is_64 {
            true => Ty::I64,
            false => Ty::I32,
        }
    }

    /// `table.size`
    pub(crate) fn table_size(&mut self, table: TableIndex) {
        let def = self.table_def(table);
        let len = Addr::Base(def, offset_of!(TableDef, len) as i32);
        self.asm.load_w(Width::W64, def, len);
        self.push_gpr(def, self.table_index_type(table));
    }

    /// `table.grow`
    pub(crate) fn table_grow(&mut self, table: TableIndex) {
        let delta = self.pop();
        let init = self.pop();
        let args = [
            BuiltinArg::Imm(table.0.into()),
            BuiltinArg::Operand(init),
            BuiltinArg::Operand(delta),
        ];
        self.call_builtin(Builtin::table_grow, &args, Some(self.table_index_type(table)));
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
