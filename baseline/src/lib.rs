//! The baseline tier: a single-pass compiler from wasm to x86-64 machine code.
//!
//! One pass over the operators of a function keeps an abstract operand stack
//! (the `stack` module) and the contents of all registers (`regs`), and emits code for each
//! operator at once (`ops`, one line each in `visit`). Locals are cached in registers, within and
//! across blocks, as far as the paths into a label agree (`merge`, `control`); loops keep the locals
//! they touch most in fixed registers (`osr`). What is rarely executed stands behind the function
//! (`outline`). Only the files of `masm` and [`stubs`] know how instructions are encoded.
//!
//! Compilation is a pure function of its input: the same [`FunctionInput`] gives the same bytes.
//!
//! [`FunctionInput`]: upshift_abi::config::FunctionInput

#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "encoders work on bit patterns, and limits on frames, code and modules bound offsets"
)]

mod bounds;
mod compiler;
mod control;
mod counts;
mod flow;
mod frame;
mod fuel;
mod handlers;
mod hotness;
mod masm;
mod merge;
mod ops;
mod osr;
mod outline;
mod regs;
mod skip;
mod stack;
pub mod stubs;
mod value;
mod visit;

use crate::compiler::{FuncCompiler, Scratch};
use crate::value::Ty;
use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::FunctionInput;

/// Compiles functions one after the other, keeping its memory. Make one for each thread.
#[derive(Debug, Default)]
pub struct Compiler {
    scratch: Scratch,
}

impl Compiler {
    /// A compiler without any memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compiles one function of a validated module.
    ///
    /// # Errors
    /// When the function exceeds a limit of the implementation or uses an operator this tier does
    /// not have.
    pub fn compile(&mut self, input: &FunctionInput<'_>) -> Result<CompiledFunction, CompileError> {
        FuncCompiler::compile(*input, &mut self.scratch)
    }
}

/// The class of a decoder's value type.
fn value_type_class(ty: wasmparser::ValType) -> Ty {
    match ty {
        wasmparser::ValType::I32 => Ty::I32,
        wasmparser::ValType::I64 => Ty::I64,
        wasmparser::ValType::F32 => Ty::F32,
        wasmparser::ValType::F64 => Ty::F64,
        wasmparser::ValType::V128 => Ty::V128,
        wasmparser::ValType::Ref(_) => Ty::Ref,
    }
}
