//! Conversion of constant expressions.

use super::error::{DecodeError, DecodeErrorKind};
use super::types;
use crate::index::{FuncIndex, GlobalIndex, TypeIndex};
use crate::module::{ConstExpr, ConstOp};
use wasmparser::Operator;

/// Converts a valid constant expression and appends the functions it names to `funcs`.
pub(super) fn convert(
    expr: &wasmparser::ConstExpr<'_>,
    funcs: &mut Vec<FuncIndex>,
) -> Result<ConstExpr, DecodeError> {
    if let Some(op) = single_const(expr) {
        return Ok(ConstExpr { ops: Box::new([op]) });
    }
    let mut reader = expr.get_operators_reader();
    let mut ops = Vec::with_capacity(1);
    while !reader.eof() {
        let offset = reader.original_position();
        let operator = reader.read()?;
        if matches!(operator, Operator::End) {
            continue;
        }
        let op = convert_op(&operator).ok_or_else(|| {
            let message = format!("the constant operator {operator:?} is not supported");
            DecodeError::new(DecodeErrorKind::Unsupported, message, offset as usize)
        })?;
        if let ConstOp::RefFunc(func) = op {
            funcs.push(func);
        }
        ops.push(op);
    }
    Ok(ConstExpr { ops: ops.into() })
}

/// The operator of an expression that is just an integer constant, as the offsets of nearly all
/// segments are: modules may have hundreds of thousands of these.
fn single_const(expr: &wasmparser::ConstExpr<'_>) -> Option<ConstOp> {
    let mut reader = expr.get_binary_reader();
    let op = match reader.read_u8().ok()? {
        0x41 => ConstOp::I32Const(reader.read_var_i32().ok()?),
        0x42 => ConstOp::I64Const(reader.read_var_i64().ok()?),
        _ => return None,
    };
    (reader.read_u8().ok()? == 0x0b && reader.eof()).then_some(op)
}

fn convert_op(operator: &Operator<'_>) -> Option<ConstOp> {
    Some(match *operator {
        Operator::I32Const { value } => ConstOp::I32Const(value),
        Operator::I64Const { value } => ConstOp::I64Const(value),
        Operator::F32Const { value } => ConstOp::F32Const(value.bits()),
        Operator::F64Const { value } => ConstOp::F64Const(value.bits()),
        Operator::V128Const { value } => ConstOp::V128Const(u128::from_le_bytes(*value.bytes())),
        Operator::GlobalGet { global_index } => ConstOp::GlobalGet(GlobalIndex(global_index)),
        Operator::RefNull { hty } => ConstOp::RefNull(types::heap_type(hty)),
        Operator::RefFunc { function_index } => ConstOp::RefFunc(FuncIndex(function_index)),
        Operator::I32Add => ConstOp::I32Add,
        Operator::I32Sub => ConstOp::I32Sub,
        Operator::I32Mul => ConstOp::I32Mul,
        Operator::I64Add => ConstOp::I64Add,
        Operator::I64Sub => ConstOp::I64Sub,
        Operator::I64Mul => ConstOp::I64Mul,
        Operator::RefI31 => ConstOp::RefI31,
        Operator::StructNew { struct_type_index } => {
            ConstOp::StructNew(TypeIndex(struct_type_index))
        }
        Operator::StructNewDefault { struct_type_index } => {
            ConstOp::StructNewDefault(TypeIndex(struct_type_index))
        }
        Operator::ArrayNew { array_type_index } => ConstOp::ArrayNew(TypeIndex(array_type_index)),
        Operator::ArrayNewDefault { array_type_index } => {
            ConstOp::ArrayNewDefault(TypeIndex(array_type_index))
        }
        Operator::ArrayNewFixed { array_type_index, array_size } => {
            ConstOp::ArrayNewFixed(TypeIndex(array_type_index), array_size)
        }
        Operator::AnyConvertExtern => ConstOp::AnyConvertExtern,
        Operator::ExternConvertAny => ConstOp::ExternConvertAny,
        _ => return None,
    })
}
