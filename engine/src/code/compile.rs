//! The way from the engine to the compilers.

use std::cell::{Cell, RefCell};
use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::FunctionInput;
use upshift_optimizer::{Effort, Entry, Request};

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

/// Optimises a function.
pub(crate) type OptimizeFn =
    fn(&FunctionInput<'_>, Request) -> Result<CompiledFunction, CompileError>;

/// Compiles with the optimising compiler, reusing the memory of this thread's last one.
pub(crate) fn compile_optimized(
    input: &FunctionInput<'_>,
    request: Request,
) -> Result<CompiledFunction, CompileError> {
    thread_local! {
        static COMPILER: Cell<Option<upshift_optimizer::Compiler>> = const { Cell::new(None) };
    }
    // A compiler that panics does not come back.
    let mut compiler = COMPILER.take().unwrap_or_default();
    let result = compiler.compile(input, request);
    COMPILER.set(Some(compiler));
    result
}

/// What the optimising compiler makes of a function before it optimises.
pub(crate) fn intermediate_code(input: &FunctionInput<'_>) -> Result<String, CompileError> {
    let request = Request { entry: Entry::Function, effort: Effort::Full };
    upshift_optimizer::Compiler::new().intermediate_code(input, request)
}
