//! References.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Cond, Width};
use crate::value::{Ty, Value};
use upshift_abi::index::FuncIndex;

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
