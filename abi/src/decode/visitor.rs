//! The visitor that validates an operator and notes what the pre-scan wants to know.
//!
//! Every method forwards to the validator's visitor; `note!` adds a line for the operators that
//! matter for loops. The operator lists are those of `wasmparser`, so none can be forgotten.

use crate::scan::LoopScanner;
use wasmparser::{FrameKind, FrameStack, MemArgTarget, Result, VisitOperator, VisitSimdOperator};

/// Validates one operator at `offset` from the start of the body.
pub(super) struct ScanVisitor<'s, V> {
    pub(super) validator: V,
    pub(super) scanner: &'s mut LoopScanner,
    pub(super) offset: u32,
}

impl<V: FrameStack> FrameStack for ScanVisitor<'_, V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.current_frame()
    }
}

/// What the scanner learns from an operator, before the operator is validated. The last two
/// arguments are the names of the operator's immediates, once to match and once to use.
macro_rules! note {
    ($s:ident visit_loop $a:tt $b:tt) => {
        $s.scanner.enter_loop($s.offset)
    };
    ($s:ident visit_end $a:tt $b:tt) => {
        if $s.validator.current_frame() == Some(FrameKind::Loop) {
            $s.scanner.leave_loop();
        }
    };
    ($s:ident visit_local_get $a:tt [$local:ident]) => {
        $s.scanner.access_local($local, false)
    };
    ($s:ident visit_local_set $a:tt [$local:ident]) => {
        $s.scanner.access_local($local, true)
    };
    ($s:ident visit_local_tee $a:tt [$local:ident]) => {
        $s.scanner.access_local($local, true)
    };

    ($s:ident visit_call $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_call_indirect $a:tt $b:tt) => {
        $s.scanner.call_through_reference($s.offset)
    };
    ($s:ident visit_call_ref $a:tt $b:tt) => {
        $s.scanner.call_through_reference($s.offset)
    };
    ($s:ident visit_br_on_cast $a:tt $b:tt) => {
        $s.scanner.branch_on_cast($s.offset)
    };
    ($s:ident visit_br_on_cast_fail $a:tt $b:tt) => {
        $s.scanner.branch_on_cast($s.offset)
    };
    ($s:ident visit_rethrow $a:tt $b:tt) => {
        $s.scanner.rethrow()
    };
    ($s:ident visit_return_call $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_return_call_indirect $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_return_call_ref $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_grow $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_fill $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_copy $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_init $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_discard $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_data_drop $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_table_grow $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_table_fill $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_table_copy $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_table_init $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_elem_drop $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_atomic_notify $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_atomic_wait32 $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_memory_atomic_wait64 $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_new $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_new_default $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_new_data $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_new_elem $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_copy $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_fill $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_init_data $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_array_init_elem $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_cont_new $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_cont_bind $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_suspend $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_resume $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_resume_throw $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_resume_throw_ref $a:tt $b:tt) => {
        $s.scanner.call()
    };
    ($s:ident visit_switch $a:tt $b:tt) => {
        $s.scanner.call()
    };

    // All other operators with a memory immediate load or store.
    ($s:ident $visit:ident [memarg $($a:ident)*] [$memarg:ident $($b:ident)*]) => {
        if $memarg.target == MemArgTarget::Memory(0) {
            $s.scanner.access_memory();
        }
    };
    ($s:ident $visit:ident $a:tt $b:tt) => {};
}

/// Operators on objects.
macro_rules! note_objects {
    ($s:ident gc) => {
        $s.scanner.object()
    };
    ($s:ident $proposal:ident) => {};
}

macro_rules! validate_and_note {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        #[inline(always)]
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Result<()> {
            note!(self $visit [$($($arg)*)?] [$($($arg)*)?]);
            note_objects!(self $proposal);
            self.validator.$visit($($($arg),*)?)
        }
    )*};
}

macro_rules! validate_and_note_simd {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Result<()> {
            note!(self $visit [$($($arg)*)?] [$($($arg)*)?]);
            let validator = self.validator.simd_visitor();
            validator.expect("the validator knows SIMD").$visit($($($arg),*)?)
        }
    )*};
}

impl<'a, V> VisitOperator<'a> for ScanVisitor<'_, V>
where
    V: VisitOperator<'a, Output = Result<()>> + FrameStack,
{
    type Output = Result<()>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Result<()>>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(validate_and_note);
}

impl<'a, V> VisitSimdOperator<'a> for ScanVisitor<'_, V>
where
    V: VisitOperator<'a, Output = Result<()>> + FrameStack,
{
    wasmparser::for_each_visit_simd_operator!(validate_and_note_simd);
}
