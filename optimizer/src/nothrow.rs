//! Which functions never throw: calls of these stay plain calls within a `try_table`.
//!
//! A call with handlers ends its block, has landing pads, and may give up all registers
//! ([`crate::handlers`]). So a callee is looked through, bottom-up, before it gets handlers: when neither it nor what it calls throws, calls through a table or a reference,
//! or calls an import, no exception comes out of it. Traps are none.

use std::collections::HashMap;
use upshift_abi::config::FunctionInput;
use upshift_abi::index::{DefinedFuncIndex, FuncIndex};
use wasmparser::Operator;

/// Bytes of bodies that are read for one function that is compiled.
const MAX_BYTES: usize = 16 << 10;
/// Calls within calls that are followed.
const MAX_DEPTH: u32 = 8;

/// What is known of the callees of the function at hand.
#[derive(Debug, Default)]
pub(crate) struct Nothrow {
    known: HashMap<FuncIndex, bool>,
    read: usize,
}

impl Nothrow {
    /// Whether no call of `func` ends with an exception. `false` when it is not certain.
    pub(crate) fn is_nothrow(&mut self, input: &FunctionInput<'_>, func: FuncIndex) -> bool {
        self.look(input, func, MAX_DEPTH)
    }

    fn look(&mut self, input: &FunctionInput<'_>, func: FuncIndex, depth: u32) -> bool {
        if let Some(&known) = self.known.get(&func) {
            return known;
        }
        let Some(defined) = input.module.defined_func(func) else { return false };
        // Who comes back to itself counts as one that throws.
        self.known.insert(func, false);
        let nothrow = depth > 0 && self.body(input, defined, depth - 1).unwrap_or(false);
        self.known.insert(func, nothrow);
        nothrow
    }

    fn body(
        &mut self,
        input: &FunctionInput<'_>,
        func: DefinedFuncIndex,
        depth: u32,
    ) -> wasmparser::Result<bool> {
        let body = input.body(func);
        self.read += body.as_bytes().len();
        if self.read > MAX_BYTES {
            return Ok(false);
        }
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::Throw { .. }
                | Operator::ThrowRef
                | Operator::Rethrow { .. }
                | Operator::CallIndirect { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::CallRef { .. }
                | Operator::ReturnCallRef { .. }
                | Operator::Resume { .. }
                | Operator::ResumeThrow { .. }
                | Operator::ResumeThrowRef { .. }
                | Operator::Suspend { .. }
                | Operator::Switch { .. } => return Ok(false),
                Operator::Call { function_index } | Operator::ReturnCall { function_index }
                    if !self.look(input, FuncIndex(function_index), depth) =>
                {
                    return Ok(false);
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::with_first_function;
    use crate::{Compiler, Effort, Entry, Request};
    use upshift_abi::config::CodegenConfig;

    /// Whether a call of `$callee` gets handlers, with these functions beside it.
    fn has_handlers(functions: &str) -> bool {
        let text = format!(
            "(module (import \"\" \"\" (func $import)) (tag $e) (table 1 funcref)
               (func (try_table (catch_all 0) (call $callee)))
               {functions})"
        );
        let config = CodegenConfig { inlining: false, ..CodegenConfig::default() };
        with_first_function(&text, &config, |input| {
            let request = Request { entry: Entry::Function, effort: Effort::Full };
            !Compiler::new().compile(input, request).unwrap().handlers.is_empty()
        })
    }

    #[test]
    fn callees_that_throw_get_handlers() {
        assert!(has_handlers("(func $callee (throw $e))"));
        assert!(has_handlers("(func $callee (call $import))"));
        assert!(has_handlers("(func $callee (call_indirect (i32.const 0)))"));
        assert!(has_handlers("(func $callee (call $deep)) (func $deep (throw $e))"));
        assert!(has_handlers("(func $callee (return_call $callee))"));
    }

    #[test]
    fn callees_that_do_not_throw_stay_plain_calls() {
        assert!(!has_handlers("(func $callee unreachable)"));
        assert!(!has_handlers("(func $callee (call $deep)) (func $deep)"));
    }

    #[test]
    fn bodies_beyond_the_limit_count_as_throwing() {
        let long = "nop ".repeat(super::MAX_BYTES + 1);
        assert!(has_handlers(&format!("(func $callee {long})")));
    }
}
