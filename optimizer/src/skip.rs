//! Passing over code that cannot be reached.

use crate::translate::Translator;
use upshift_abi::index::TagIndex;
use wasmparser::*;

/// Skips operators until the `end`, `else` or `catch` that makes code reachable again.
pub(crate) struct SkipDead<'t, 'a, 'b> {
    translator: &'t mut Translator<'a, 'b>,
}

impl<'t, 'a, 'b> SkipDead<'t, 'a, 'b> {
    /// Skips one operator of `translator`'s function.
    pub(crate) fn new(translator: &'t mut Translator<'a, 'b>) -> Self {
        Self { translator }
    }

    fn enter(&mut self) {
        self.translator.dead_depth += 1;
    }
}

impl FrameStack for SkipDead<'_, '_, '_> {
    /// The frame that the operator at hand wants to stand in: bodies are validated.
    fn current_frame(&self) -> Option<FrameKind> {
        Some(upshift_abi::ops::wanted_frame(self.translator.opcode()))
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
            match self.translator.dead_depth {
                0 => self.translator.end(),
                _ => self.translator.dead_depth -= 1,
            }
        }
    };
    (@one visit_else $($rest:tt)*) => {
        fn visit_else(&mut self) {
            if self.translator.dead_depth == 0 {
                self.translator.else_();
            }
        }
    };
    (@one visit_catch $($rest:tt)*) => {
        fn visit_catch(&mut self, tag: u32) {
            if self.translator.dead_depth == 0 {
                self.translator.catch(Some(TagIndex(tag)));
            }
        }
    };
    (@one visit_catch_all $($rest:tt)*) => {
        fn visit_catch_all(&mut self) {
            if self.translator.dead_depth == 0 {
                self.translator.catch(None);
            }
        }
    };
    (@one visit_delegate $($rest:tt)*) => {
        fn visit_delegate(&mut self, depth: u32) {
            match self.translator.dead_depth {
                0 => self.translator.delegate(depth),
                _ => self.translator.dead_depth -= 1,
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

impl<'a> VisitOperator<'a> for SkipDead<'_, 'a, '_> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    for_each_visit_operator!(skip);
}

impl<'a> VisitSimdOperator<'a> for SkipDead<'_, 'a, '_> {
    for_each_visit_simd_operator!(skip);
}
