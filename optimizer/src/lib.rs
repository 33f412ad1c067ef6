//! The optimising tier: wasm to x86-64 machine code through Cranelift.

#![forbid(unsafe_code)]

use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::FunctionInput;

/// What to compile of a function, and how hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where the code is entered.
    pub entry: Entry,
    /// How much compile time it is worth.
    pub effort: Effort,
}

/// Where optimised code is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// At the function's start, by a call.
    Function,
    /// At a loop header, from a baseline frame: an OSR body. It has the function's signature, of
    /// which only the vmctx and the address of the return area mean anything; its locals and its
    /// operands come from [`upshift_abi::layout::ThreadContext::osr_buffer`], 16 bytes each, locals
    /// first, then the operand stack from the bottom (the loop's parameters included). It has no stack check: who
    /// enters it makes sure of [`CompiledFunction::frame_bytes`].
    Loop {
        /// Offset of the `loop` operator in the module.
        offset: u32,
    },
}

/// How much compile time a function is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effort {
    /// Fast compilation: no optimisations across operators.
    Quick,
    /// All optimisations.
    #[default]
    Full,
}

/// Compiles functions one after the other, keeping its memory. Make one for each thread.
#[derive(Debug, Default)]
pub struct Compiler {}

impl Compiler {
    /// A compiler without any memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compiles one function of a validated module.
    ///
    /// # Errors
    /// When the function exceeds a limit of the implementation or of Cranelift.
    pub fn compile(
        &mut self,
        input: &FunctionInput<'_>,
        request: Request,
    ) -> Result<CompiledFunction, CompileError> {
        let _ = request;
        Err(CompileError::Unsupported {
            func: input.module.func_index(input.func).0,
            offset: 0,
            operator: "the optimising tier",
        })
    }
}
