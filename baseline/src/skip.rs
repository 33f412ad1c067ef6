//! Passing over code that cannot be reached.

use crate::compiler::FuncCompiler;
use upshift_abi::index::TagIndex;
use wasmparser::*;

/// Skips operators until the `end`, `else` or `catch` that makes code reachable again.
pub(crate) struct SkipDead<'c, 'a> {
    compiler: &'c mut FuncCompiler<'a>,
}

impl<'c, 'a> SkipDead<'c, 'a> {
    /// Skips one operator of `compiler`'s function.
    pub(crate) fn new(compiler: &'c mut FuncCompiler<'a>) -> Self {
        Self { compiler }
    }

    fn enter(&mut self) {
        self.compiler.control.dead_depth += 1;
    }
}

impl FrameStack for SkipDead<'_, '_> {
    /// The frame that the operator at hand wants to stand in: bodies are validated.
    fn current_frame(&self) -> Option<FrameKind> {
        Some(upshift_abi::ops::wanted_frame(self.compiler.peek(0)))
    }
}

macro_rules! skip {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(skip!(@one $visit $($($arg: $argty),*)?);)*
    };
    (@one visit_block $($rest:tt)*) => { skip!(@enter visit_block $($rest)*); };
    (@one visit_loop $($rest:tt)*) => { skip!(@enter visit_loop $($rest)*); };
    (@one visit_if $($rest:tt)*) => { skip!(@enter visit_if $($rest)*); };
    (@one visit_try_table $($rest:tt)*) => { skip!(@enter visit_try_table $($rest)*); };
    (@one visit_try $($rest:tt)*) => { skip!(@enter visit_try $($rest)*); };
    (@one visit_end $($rest:tt)*) => {
        fn visit_end(&mut self) {
            match self.compiler.control.dead_depth {
                0 => self.compiler.end(),
                _ => self.compiler.control.dead_depth -= 1,
            }
        }
    };
    (@one visit_else $($rest:tt)*) => {
        fn visit_else(&mut self) {
            if self.compiler.control.dead_depth == 0 {
                self.compiler.else_();
            }
        }
    };
    (@one visit_catch $($rest:tt)*) => {
        fn visit_catch(&mut self, tag: u32) {
            if self.compiler.control.dead_depth == 0 {
                self.compiler.catch(Some(TagIndex(tag)));
            }
        }
    };
    (@one visit_catch_all $($rest:tt)*) => {
        fn visit_catch_all(&mut self) {
            if self.compiler.control.dead_depth == 0 {
                self.compiler.catch(None);
            }
        }
    };
    (@one visit_delegate $($rest:tt)*) => {
        fn visit_delegate(&mut self, depth: u32) {
            match self.compiler.control.dead_depth {
                0 => self.compiler.delegate(depth),
                _ => self.compiler.control.dead_depth -= 1,
            }
        }
    };
    (@one $visit:ident $($arg:ident: $argty:ty),*) => {
        fn $visit(&mut self $(, _: $argty)*) {}
    };
    (@enter $visit:ident $($arg:ident: $argty:ty),*) => {
        fn $visit(&mut self $(, _: $argty)*) {
            self.enter();
        }
    };
}

impl<'a> VisitOperator<'a> for SkipDead<'_, 'a> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    for_each_visit_operator!(skip);
}

impl<'a> VisitSimdOperator<'a> for SkipDead<'_, 'a> {
    for_each_visit_simd_operator!(skip);
}
