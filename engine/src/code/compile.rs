//! The way from the engine to the baseline compiler.

use std::cell::RefCell;
use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::FunctionInput;

/// Compiles a function.
pub(crate) type CompileFn = fn(&FunctionInput<'_>) -> Result<CompiledFunction, CompileError>;

/// Compiles with the baseline compiler, reusing the scratch memory of this thread's last one.
pub(crate) fn compile_baseline(
    input: &FunctionInput<'_>,
) -> Result<CompiledFunction, CompileError> {
    thread_local! {
        static COMPILER: RefCell<upshift_baseline::Compiler> =
            RefCell::new(upshift_baseline::Compiler::new());
    }
    COMPILER.with(|compiler| match compiler.try_borrow_mut() {
        Ok(mut compiler) => compiler.compile(input),
        Err(_) => upshift_baseline::Compiler::new().compile(input),
    })
}
