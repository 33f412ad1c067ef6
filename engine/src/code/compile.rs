//! The way from the engine to the baseline compiler.

use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::FunctionInput;

/// Compiles a function.
pub(crate) type CompileFn = fn(&FunctionInput<'_>) -> Result<CompiledFunction, CompileError>;

/// Compiles with the baseline compiler, reusing the scratch memory of this thread's last one.
pub(crate) fn compile_baseline(
    input: &FunctionInput<'_>,
) -> Result<CompiledFunction, CompileError> {
    let func = input.module.func_index(input.func).0;
    Err(CompileError::Malformed { func, message: "the baseline compiler is absent".to_owned() })
}
