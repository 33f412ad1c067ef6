//! Interim.
use cranelift_codegen::ir::{TrapCode, Value};
use cranelift_frontend::FunctionBuilder;
use upshift_abi::ops::*;
use upshift_abi::trap::Trap;
pub(crate) struct Lowering<'f, 'b> {
    pub(crate) builder: &'b mut FunctionBuilder<'f>,
    pub(crate) nan_canonicalize: bool,
    pub(crate) relaxed_deterministic: bool,
}
impl Lowering<'_, '_> {
    pub(crate) fn scalar(&mut self, _op: ScalarOp, args: &[Value]) -> Value {
        args[0]
    }
    pub(crate) fn simd(&mut self, _op: SimdOp, args: &[Value]) -> Value {
        args[0]
    }
    pub(crate) fn lane(&mut self, _op: LaneOp, _l: u8, args: &[Value]) -> Value {
        args[0]
    }
    pub(crate) fn shuffle(&mut self, _l: [u8; 16], a: Value, _b: Value) -> Value {
        a
    }
}
pub(crate) fn trap_code(trap: Trap) -> TrapCode {
    TrapCode::unwrap_user(trap as u8)
}
pub(crate) fn trap_of(_code: TrapCode) -> Option<Trap> {
    None
}
