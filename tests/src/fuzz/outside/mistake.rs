//! Mistakes of wasmi 2.0.0, which modules can run into.
//!
//! A `br_table` that takes values along does not bring all of them to each of its targets. A `select` takes
//! the other value after some comparisons. And an operand that is a local as it is gets a place of its own where a block, a loop or an `if` begins, as
//! the local may be set inside; but of those below n parameters, wasmi forgets the topmost n that are
//! locals:
//!
//! ```text
//! local.get 0  i32.const 1  loop (param i32) … local.set 0 … end  ;; now the first operand has changed
//! ```

use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, OperatorsReader, Parser,
    Result, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

/// Whether a module has code in which they may show. Also when it is not valid.
pub(super) fn may_show(bytes: &[u8], features: WasmFeatures) -> bool {
    find(bytes, features).unwrap_or(true)
}

fn find(bytes: &[u8], features: WasmFeatures) -> Result<bool> {
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(bytes) {
        if let ValidPayload::Func(func, body) = validator.payload(&payload?)?
            && find_in_body(func, &body, &mut allocations)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn find_in_body(
    func: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: &mut FuncValidatorAllocations,
) -> Result<bool> {
    let mut validator = func.into_validator(std::mem::take(allocations));
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let mut operators = OperatorsReader::new(reader);
    // Whether each operand is a local.
    let mut operands = Vec::new();
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        let (popped, pushed) = operator.operator_arity(&validator).unwrap_or_default();
        validator.op(offset, &operator)?;
        let height = validator.operand_stack_height();
        let below = usize::try_from(height.saturating_sub(pushed)).expect("a small number");
        operands.truncate(below);
        operands.resize(below, false);
        match operator {
            Operator::LocalGet { .. } | Operator::LocalTee { .. } => operands.push(true),
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                if pushed > 0 && operands.contains(&true) {
                    return Ok(true);
                }
                operands.fill(false);
            }
            Operator::Select | Operator::TypedSelect { .. } => return Ok(true),
            Operator::BrTable { .. } if popped > 1 => return Ok(true),
            _ => {}
        }
    }
    *allocations = validator.into_allocations();
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_which_mistakes_may_show_is_found() {
        let may = |body: &str| {
            let text = format!("(module (func (param i32) {body}))");
            may_show(&wat::parse_str(text).expect("the test is right"), WasmFeatures::default())
        };
        assert!(may("local.get 0 i32.const 1 loop (param i32) drop end drop"));
        assert!(may("local.get 0 local.tee 0 i32.const 1 block (param i32) drop end drop"));
        assert!(may("block (result i32) i32.const 1 local.get 0 br_table 0 0 end drop"));
        assert!(may("i32.const 1 i32.const 2 local.get 0 i32.eqz select drop"));
        assert!(!may("block local.get 0 br_table 0 0 end"));
        assert!(!may("local.get 0 loop (param i32) drop end"));
        assert!(!may("local.get 0 loop end drop"));
        assert!(!may("local.get 0 block i32.const 1 loop (param i32) drop end end drop"));
        assert!(!may("local.get 0 drop i32.const 1 i32.const 1 loop (param i32) drop end drop"));
        assert!(!may("local.get 0 i32.eqz i32.const 1 loop (param i32) drop end drop"));
    }
}
