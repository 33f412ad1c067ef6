//! Evaluation of constant expressions in an instance.

use crate::Result;
use crate::store::Slot;
use crate::store::entities::InstanceData;
use anyhow::bail;
use smallvec::SmallVec;
use upshift_abi::index::FuncIndex;
use upshift_abi::module::{ConstExpr, ConstOp};

/// The value of an expression. Function records and the globals it reads must be in place.
pub(crate) fn evaluate(instance: &InstanceData, expr: &ConstExpr) -> Result<Slot> {
    if let [op] = &*expr.ops
        && let Some(value) = leaf(instance, op)
    {
        return Ok(value);
    }
    let mut stack: SmallVec<[Slot; 8]> = SmallVec::new();
    for op in &expr.ops {
        match leaf(instance, op) {
            Some(value) => stack.push(value),
            None => {
                let (Some(b), Some(a)) = (stack.pop(), stack.pop()) else {
                    bail!("{op:?} is not supported in constant expressions");
                };
                stack.push([binary(op, a[0], b[0])?, 0]);
            }
        }
    }
    stack.pop().ok_or_else(|| anyhow::anyhow!("a constant expression has a value"))
}

/// The bits of a reference to a function of the instance.
pub(crate) fn func_bits(instance: &InstanceData, func: FuncIndex) -> u64 {
    let record = instance.instance().func_record(instance.module.layout(), func);
    record.expect("functions that are referred to have records").bits()
}

/// The value of an operator without operands.
fn leaf(instance: &InstanceData, op: &ConstOp) -> Option<Slot> {
    Some(match *op {
        ConstOp::I32Const(v) => [u64::from(v.cast_unsigned()), 0],
        ConstOp::I64Const(v) => [v.cast_unsigned(), 0],
        ConstOp::F32Const(v) => [u64::from(v), 0],
        ConstOp::F64Const(v) => [v, 0],
        ConstOp::V128Const(v) => crate::api::val::split_u128(v),
        ConstOp::GlobalGet(index) => {
            instance.instance().global(instance.module.layout(), index).get()
        }
        ConstOp::RefNull(_) => [0, 0],
        ConstOp::RefFunc(index) => [func_bits(instance, index), 0],
        _ => return None,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "32-bit arithmetic on slots")]
fn binary(op: &ConstOp, a: u64, b: u64) -> Result<u64> {
    let (a32, b32) = (a as u32, b as u32);
    Ok(match op {
        ConstOp::I32Add => u64::from(a32.wrapping_add(b32)),
        ConstOp::I32Sub => u64::from(a32.wrapping_sub(b32)),
        ConstOp::I32Mul => u64::from(a32.wrapping_mul(b32)),
        ConstOp::I64Add => a.wrapping_add(b),
        ConstOp::I64Sub => a.wrapping_sub(b),
        ConstOp::I64Mul => a.wrapping_mul(b),
        _ => bail!("{op:?} is not supported in constant expressions"),
    })
}
