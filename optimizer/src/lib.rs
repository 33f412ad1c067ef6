//! The optimising tier: wasm to x86-64 machine code through Cranelift.

//!
//! A function's body is translated to Cranelift's intermediate code (`translate`, with one line for
//! each operator in `visit` and the lowerings in `ops` and `lower`), compiled, and the result
//! gathered into the tables that the engine knows (`emit`). An OSR body is the same translation
//! with another entry (`osr`). Cranelift's settings are in `isa`.

#![forbid(unsafe_code)]

mod bounds;
mod control;
mod counts;
mod derived;
mod emit;
mod facts;
mod fresh;
mod fuel;
mod handlers;
mod inline;
mod isa;
mod latch;
mod liveness;
mod lower;
mod memory_flags;
mod nothrow;
mod ops;
mod origins;
mod osr;
mod phis;
mod placement;
mod safepoint;
mod skip;
#[cfg(test)]
mod testing;
mod translate;
mod visit;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::{CodegenError, CodegenResult, Context};
use cranelift_frontend::FunctionBuilderContext;
use isa::Goal;
use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::{CodegenConfig, FunctionInput};

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

/// A frame of quick code that is larger is not worth the time that was saved: a program that recurses
/// in the baseline's frames must not run out of stack because a function became hot.
const MAX_QUICK_FRAME_BYTES: u32 = 2048;

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
pub struct Compiler {
    context: Context,
    builder: FunctionBuilderContext,
    /// Whether the last function has other bodies in it.
    inlined: bool,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").finish_non_exhaustive()
    }
}

impl Default for Compiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Compiler {
    /// A compiler without any memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self { context: Context::new(), builder: FunctionBuilderContext::new(), inlined: false }
    }

    /// Compiles one function of a validated module.
    ///
    /// # Errors
    /// When the function exceeds a limit of the implementation or of Cranelift.
    ///
    /// # Panics
    /// When [`CodegenConfig::verify`] finds a mistake of this compiler.
    pub fn compile(
        &mut self,
        input: &FunctionInput<'_>,
        request: Request,
    ) -> Result<CompiledFunction, CompileError> {
        let request = with_zeal(input, request);
        let limits = inlining(input, request);
        let goal = Goal::of(request.effort);
        let result = match self.compile_with(input, request.entry, limits, goal) {
            // It may be within the limits by itself.
            Err(_) if self.inlined => self.compile_with(input, request.entry, None, goal),
            result => result,
        };
        match result {
            Ok(compiled) if goal == Goal::Quick && compiled.frame_bytes > MAX_QUICK_FRAME_BYTES => {
                self.compile_with(input, request.entry, limits, Goal::SmallFrame)
            }
            Err(CompileError::FrameTooLarge { .. }) if goal == Goal::Quick => {
                self.compile_with(input, request.entry, limits, Goal::SmallFrame)
            }
            result => result,
        }
    }

    /// The intermediate code that [`Self::compile`] gives to Cranelift, as text.
    ///
    /// # Errors
    /// When the function exceeds a limit of the implementation.
    pub fn intermediate_code(
        &mut self,
        input: &FunctionInput<'_>,
        request: Request,
    ) -> Result<String, CompileError> {
        let request = with_zeal(input, request);
        let limits = inlining(input, request);
        self.translate(input, request.entry, limits, Goal::of(request.effort))?;
        Ok(self.context.func.display().to_string())
    }

    fn compile_with(
        &mut self,
        input: &FunctionInput<'_>,
        entry: Entry,
        limits: Option<inline::policy::Limits>,
        goal: Goal,
    ) -> Result<CompiledFunction, CompileError> {
        let translated = self.translate(input, entry, limits, goal)?;
        if let Err(error) = self.generate(goal, input.config) {
            let func = input.module.func_index(input.func).0;
            if let CodegenError::Verifier(errors) = &error {
                panic!("function {func}, {entry:?}: the intermediate code is wrong: {errors}");
            }
            return Err(CompileError::Malformed { func, message: format!("Cranelift: {error:?}") });
        }
        let may_miss = !input.config.loop_polls && translated.has_loops;
        if may_miss && emit::misses_polls(&self.context.func) {
            let config = CodegenConfig { loop_polls: true, ..input.config.clone() };
            let input = FunctionInput { config: &config, ..*input };
            return self.compile_with(&input, entry, limits, goal);
        }
        let compiled = self.context.compiled_code().expect("just compiled");
        emit::gather(input, entry, translated, &self.context.func, compiled)
    }

    /// Makes machine code of the intermediate code in the context.
    fn generate(&mut self, goal: Goal, config: &CodegenConfig) -> CodegenResult<()> {
        let context = &mut self.context;
        let mut goal = goal;
        if config.operator_offsets && goal == Goal::Full {
            let origins = origins::Origins::of(&context.func);
            let target = isa::target(goal, config.verify);
            context.optimize(&**target, &mut ControlPlane::default())?;
            origins.restore(&mut context.func);
            // It is optimised now, and the rest is the same.
            goal = Goal::SmallFrame;
        }
        let target = isa::target(goal, config.verify);
        context.compile(&**target, &mut ControlPlane::default()).map_err(|error| error.inner)?;
        Ok(())
    }

    /// Puts the intermediate code of a function into the context.
    fn translate(
        &mut self,
        input: &FunctionInput<'_>,
        entry: Entry,
        limits: Option<inline::policy::Limits>,
        goal: Goal,
    ) -> Result<translate::Translated, CompileError> {
        self.context.clear();
        // Cranelift 0.135 leaves these, and then looks through all of them each time.
        self.context.func.dfg.exception_tables.clear();
        self.inlined = false;
        let func = input.module.func_index(input.func).0;
        let malformed = |message: String| CompileError::Malformed { func, message };
        let translated = translate::translate(
            *input,
            (entry, limits),
            &mut self.context.func,
            &mut self.builder,
        );
        if !matches!(&translated, Ok(translated) if translated.refused.is_none()) {
            // The builder was left in the middle of a function.
            self.builder = FunctionBuilderContext::new();
        }
        let translated = translated.map_err(|error| malformed(error.to_string()))?;
        self.inlined = !translated.sources.frames.is_empty();
        if let Some((offset, operator)) = translated.refused {
            return Err(CompileError::Unsupported { func, offset, operator });
        }
        if !translated.entered {
            return Err(malformed(format!("no loop to enter: {entry:?}")));
        }
        phis::remove_redundant(&mut self.context.func);
        fresh::remove_unused(&mut self.context.func, &translated.made);
        if goal == Goal::Full {
            latch::copy_latches(&mut self.context.func);
        }
        Ok(translated)
    }
}

/// The request, or one of the test mode for the least effort.
fn with_zeal(input: &FunctionInput<'_>, request: Request) -> Request {
    let effort = if input.config.zeal_quick { Effort::Quick } else { request.effort };
    Request { effort, ..request }
}

/// How much of other functions goes into this one.
fn inlining(input: &FunctionInput<'_>, request: Request) -> Option<inline::policy::Limits> {
    match (input.config.inlining, input.config.zeal_inline) {
        (false, _) => None,
        (true, false) => (request.effort == Effort::Full).then_some(inline::policy::USUAL),
        (true, true) => Some(inline::policy::ZEAL),
    }
}

/// An offset in one of the engine's structures.
fn offset(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("instances and contexts are below 2 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_codegen::ir::{AbiParam, types};

    /// Size of the frame of the first function of a module.
    fn frame_bytes(text: &str, effort: Effort) -> u32 {
        let request = Request { entry: Entry::Function, effort };
        testing::with_first_function(text, &CodegenConfig::default(), |input| {
            Compiler::new().compile(input, request).unwrap().frame_bytes
        })
    }

    /// What becomes of intermediate code in which the entry block has a parameter too few.
    fn wrong_code(goal: Goal, config: &CodegenConfig) -> CodegenResult<()> {
        let text = "(module (func (param i32) (result i32) (local.get 0)))";
        testing::with_first_function(text, config, |input| {
            let mut compiler = Compiler::new();
            compiler.translate(input, Entry::Function, None, goal).unwrap();
            let func = &mut compiler.context.func;
            func.signature.params.push(AbiParam::new(types::I64));
            compiler.generate(goal, config)
        })
    }

    #[test]
    fn the_switch_has_wrong_intermediate_code_found() {
        for goal in [Goal::Quick, Goal::SmallFrame, Goal::Full] {
            for operator_offsets in [false, true] {
                let config =
                    CodegenConfig { verify: true, operator_offsets, ..CodegenConfig::default() };
                let result = wrong_code(goal, &config);
                assert!(matches!(result, Err(CodegenError::Verifier(_))), "{goal:?}: {result:?}");
            }
        }
    }

    #[test]
    fn the_least_effort_can_be_forced() {
        let text = "(module (func (param i32) (result i32)
            (i32.add (i32.mul (local.get 0) (i32.const 6)) (i32.mul (local.get 0) (i32.const 6)))))";
        let compile = |effort, zeal_quick| {
            let config = CodegenConfig { zeal_quick, ..CodegenConfig::default() };
            testing::with_first_function(text, &config, |input| {
                let request = Request { entry: Entry::Function, effort };
                Compiler::new().compile(input, request).unwrap()
            })
        };
        assert!(compile(Effort::Full, true) == compile(Effort::Quick, false));
        assert!(compile(Effort::Full, true) != compile(Effort::Full, false));
    }

    #[test]
    fn nothing_is_left_of_functions_compiled_before() {
        let text = "(module (tag $t) (func (block (try_table (catch $t 0) (call 0)))))";
        testing::with_first_function(text, &CodegenConfig::default(), |input| {
            let request = Request { entry: Entry::Function, effort: Effort::Full };
            let mut compiler = Compiler::new();
            let mut entities = || {
                compiler.compile(input, request).unwrap();
                let func = &compiler.context.func;
                let (dfg, stencil) = (&func.dfg, &func.stencil);
                [
                    dfg.exception_tables.len(),
                    dfg.jump_tables.len(),
                    dfg.num_insts(),
                    dfg.num_values(),
                    dfg.num_blocks(),
                    dfg.signatures.len(),
                    dfg.ext_funcs.len(),
                    dfg.constants.len(),
                    dfg.immediates.len(),
                    stencil.sized_stack_slots.len(),
                    stencil.global_values.len(),
                    func.params.user_named_funcs().len(),
                ]
            };
            let first = entities();
            assert!(first[0] > 0, "{first:?}");
            assert_eq!(entities(), first);
        });
    }

    #[test]
    fn a_loop_that_lost_its_place_compares() {
        let has_places = |function: &str| {
            let text = format!("(module {function})");
            testing::with_first_function(&text, &CodegenConfig::default(), |input| {
                let request = Request { entry: Entry::Function, effort: Effort::Full };
                !Compiler::new().compile(input, request).unwrap().polls.is_empty()
            })
        };
        assert!(has_places("(func (loop $l (br $l)))"));
        assert!(has_places("(func (param i32) (loop $l (br_if $l (local.get 0))))"));
        assert!(!has_places(
            r#"(func (param i32) (block $b
                (br_if $b (local.get 0))
                (loop $l (@metadata.code.branch_hint "\00") (if (i32.const 1) (then (br $l))))))"#
        ));
    }

    #[test]
    fn quick_code_of_large_functions_has_small_frames() {
        // Two thousand values, few of which are alive at once.
        let step = "(local.set 0 (i32.add (call $f (local.get 0)) (call $f (local.get 0))))";
        let body = step.repeat(1000);
        let text = format!(
            "(module (func $f (param i32) (result i32) (if (local.get 0) (then {body})) local.get 0))"
        );
        for effort in [Effort::Quick, Effort::Full] {
            let bytes = frame_bytes(&text, effort);
            assert!(bytes <= MAX_QUICK_FRAME_BYTES, "{effort:?}: {bytes}");
        }
    }
}
