//! References.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Cond, Width};
use crate::value::{Ty, Value};
use upshift_abi::index::FuncIndex;
use upshift_abi::trap::Trap;

impl FuncCompiler<'_> {
    /// `ref.null`
    pub(crate) fn ref_null(&mut self) {
        self.push(Value::Const(0), Ty::Ref);
    }

    /// `ref.is_null`
    pub(crate) fn ref_is_null(&mut self) {
        let operand = self.pop();
        let r = self.read_gpr(operand);
        self.asm.test_rr(Width::W64, r, r);
        self.push_condition(Cond::E);
    }

    /// `ref.as_non_null`
    pub(crate) fn ref_as_non_null(&mut self) {
        let operand = self.pop();
        let r = self.own_gpr(operand);
        self.asm.test_rr(Width::W64, r, r);
        self.trap_if(Cond::E, Trap::NullReference);
        self.push_gpr(r, Ty::Ref);
    }

    /// `br_on_null`
    pub(crate) fn br_on_null(&mut self, depth: u32) {
        let operand = self.pop();
        let r = self.own_gpr(operand);
        self.asm.test_rr(Width::W64, r, r);
        self.branch_if(Cond::E, depth);
        self.push_gpr(r, Ty::Ref);
        self.charge_fuel();
    }

    /// `br_on_non_null`
    pub(crate) fn br_on_non_null(&mut self, depth: u32) {
        let operand = self.pop();
        let r = self.own_gpr(operand);
        self.push_gpr(r, Ty::Ref);
        self.asm.test_rr(Width::W64, r, r);
        self.branch_if(Cond::NE, depth);
        self.pop();
        self.charge_fuel();
    }

    /// `ref.func`: the function's record lies in the instance.
    pub(crate) fn ref_func(&mut self, func: FuncIndex) {
        let offset = self.src.input.layout.func_ref(func);
        let offset = offset.expect("a function that ref.func names has a record");
        let vmctx = self.vmctx();
        let r = self.alloc_gpr();
        self.asm.lea(r, Addr::Base(vmctx, offset as i32));
        self.push_gpr(r, Ty::Ref);
    }
}
