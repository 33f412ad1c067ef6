//! References: 64 bits, null is 0.

use crate::facts::Fact;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use upshift_abi::index::FuncIndex;
use upshift_abi::trap::Trap;

impl Translator<'_, '_> {
    /// `ref.null`
    pub(crate) fn ref_null(&mut self) {
        let null = self.builder.ins().iconst(types::I64, 0);
        self.push(null);
    }

    /// `ref.is_null`
    pub(crate) fn ref_is_null(&mut self) {
        let reference = self.pop();
        let null = self.builder.ins().iconst(types::I64, 0);
        let is_null = self.builder.ins().icmp(IntCC::Equal, reference, null);
        let is_null = self.builder.ins().uextend(types::I32, is_null);
        self.push(is_null);
    }

    /// `ref.as_non_null`
    pub(crate) fn ref_as_non_null(&mut self) {
        let (reference, is_ref) = self.pop_kind();
        if !self.fact(reference).non_null {
            self.builder.ins().trapz(reference, crate::lower::trap_code(Trap::NullReference));
            self.learn(reference, Fact::some());
        }
        self.push_kind(reference, is_ref);
    }

    /// `br_on_null`
    pub(crate) fn br_on_null(&mut self, depth: u32) {
        let (reference, is_ref) = self.pop_kind();
        if self.fact(reference).non_null {
            self.label_of(self.frame_at(depth));
        } else {
            let is_null = self.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0);
            self.branch_if(is_null, depth);
            self.learn(reference, Fact::some());
        }
        self.push_kind(reference, is_ref);
        self.charge_fuel();
    }

    /// `br_on_non_null`
    pub(crate) fn br_on_non_null(&mut self, depth: u32) {
        let (reference, is_ref) = self.pop_kind();
        self.push_kind(reference, is_ref);
        let is_some = self.builder.ins().icmp_imm_s(IntCC::NotEqual, reference, 0);
        self.branch_if(is_some, depth);
        self.pop();
        self.charge_fuel();
    }

    /// `ref.func`: the function's record lies in the instance.
    pub(crate) fn ref_func(&mut self, func: FuncIndex) {
        let offset = self.src.input.layout.func_ref(func);
        let offset = offset.expect("a function that ref.func names has a record");
        let record = self.builder.ins().iadd_imm_s(self.vmctx, i64::from(offset));
        self.push(record);
    }
}
