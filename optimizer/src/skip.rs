//! Passing over code that cannot be reached.

use crate::translate::Translator;
use wasmparser::*;

/// Skips operators until the `end` or `else` that makes code reachable again.
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
    /// Bodies are validated, so any frame will do for the decoder's check of `else`.
    fn current_frame(&self) -> Option<FrameKind> {
        Some(FrameKind::If)
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
