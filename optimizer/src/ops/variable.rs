//! Locals, globals, constants, `drop` and `select`.

use crate::memory_flags::Region;
use crate::safepoint::is_object;
use crate::translate::{Operand, Translator, value_type};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use std::mem::offset_of;
use upshift_abi::index::GlobalIndex;
use upshift_abi::layout::{GlobalPlace, ThreadContext};
use upshift_abi::module::ConstOp;

impl Translator<'_, '_> {
    /// `local.get`
    pub(crate) fn local_get(&mut self, index: u32) {
        let value = self.value_of(self.locals[index as usize].0);
        self.note_declared(value, self.facts.local(index));
        self.push_kind(value, self.ref_locals[index as usize]);
    }

    /// `local.set`
    pub(crate) fn local_set(&mut self, index: u32) {
        let value = self.pop();
        let var = self.locals[index as usize].0;
        self.builder.def_var(var, value);
        self.note_change(var);
    }

    /// `local.tee`
    pub(crate) fn local_tee(&mut self, index: u32) {
        self.local_set(index);
        self.local_get(index);
    }

    /// `i32.const`
    pub(crate) fn i32_const(&mut self, value: i32) {
        // Constants of a type hold no bits above it.
        let value = self.builder.ins().iconst(types::I32, i64::from(value.cast_unsigned()));
        self.push(value);
    }

    /// `i64.const`
    pub(crate) fn i64_const(&mut self, value: i64) {
        let value = self.builder.ins().iconst(types::I64, value);
        self.push(value);
    }

    /// `f32.const`
    pub(crate) fn f32_const(&mut self, bits: u32) {
        let value = cranelift_codegen::ir::immediates::Ieee32::with_bits(bits);
        let value = self.builder.ins().f32const(value);
        self.push(value);
    }

    /// `f64.const`
    pub(crate) fn f64_const(&mut self, bits: u64) {
        let value = cranelift_codegen::ir::immediates::Ieee64::with_bits(bits);
        let value = self.builder.ins().f64const(value);
        self.push(value);
    }

    /// `drop`
    pub(crate) fn drop_operand(&mut self) {
        self.stack.pop();
    }

    /// `select` of values of any type.
    pub(crate) fn select(&mut self) {
        let condition = self.pop();
        let is_ref = matches!(self.stack.last(), Some(Operand::Ref(_)));
        let if_zero = self.pop();
        let is_ref = is_ref || matches!(self.stack.last(), Some(Operand::Ref(_)));
        let if_not = self.pop();
        let value = self.builder.ins().select(condition, if_not, if_zero);
        self.push_kind(value, is_ref);
    }

    /// `global.get`
    pub(crate) fn global_get(&mut self, index: GlobalIndex) {
        if let Some(value) = self.constant_global(index) {
            return self.push(value);
        }
        let global = &self.src.input.module.globals[index.index()];
        let ty = value_type(global.ty.content);
        let (base, offset, flags) = self.global_cell(index);
        let flags = match global.ty.mutable {
            true => flags,
            // Imported globals have their value before any code runs, defined ones get it when the
            // instance is made.
            // Objects move, so references to them change.
            false if is_object(self.src.input.module, global.ty.content) => flags,
            false => flags.with_readonly().with_can_move(),
        };
        let content = global.ty.content;
        let value = self.builder.ins().load(ty, flags, base, offset);
        self.push_typed(value, content);
    }

    /// The value of an immutable global that is the same in all instances.
    fn constant_global(&mut self, index: GlobalIndex) -> Option<Value> {
        let global = &self.src.input.module.globals[index.index()];
        let [op] = &*global.init.as_ref().filter(|_| !global.ty.mutable)?.ops else {
            return None;
        };
        match *op {
            ConstOp::I32Const(value) => self.i32_const(value),
            ConstOp::I64Const(value) => self.i64_const(value),
            ConstOp::F32Const(bits) => self.f32_const(bits),
            ConstOp::F64Const(bits) => self.f64_const(bits),
            _ => return None,
        }
        Some(self.pop())
    }

    /// `global.set`
    pub(crate) fn global_set(&mut self, index: GlobalIndex) {
        let value = self.pop();
        let (base, offset, flags) = self.global_cell(index);
        // The upper half of an integer's cell stays zero.
        let stored = match self.builder.func.dfg.value_type(value) {
            types::I32 => self.builder.ins().uextend(types::I64, value),
            _ => value,
        };
        self.builder.ins().store(flags, stored, base, offset);
        if self.src.input.module.global_is_noted(index) && self.constant(value).is_none() {
            let thread = self.thread();
            let flags = self.regions.changing(self.builder.func, Region::RootMarks);
            let one = self.builder.ins().iconst(types::I32, 1);
            let at = crate::offset(offset_of!(ThreadContext, globals_written));
            self.builder.ins().istore8(flags, one, thread, at);
        }
    }

    fn global_cell(&mut self, index: GlobalIndex) -> (Value, i32, MemFlagsData) {
        match self.src.input.layout.global(index) {
            GlobalPlace::Inline(offset) => {
                let position = index.0 - self.src.input.module.imported.globals;
                let region = Region::Global(position);
                let flags = self.regions.changing(self.builder.func, region);
                (self.vmctx, crate::offset(offset as usize), flags)
            }
            GlobalPlace::Pointer(offset) => {
                let cell = self.load_fixed(types::I64, self.vmctx, offset as usize);
                let flags = self.regions.changing(self.builder.func, Region::ImportedGlobals);
                (cell, 0, flags)
            }
        }
    }
}
