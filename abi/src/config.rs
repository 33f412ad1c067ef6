//! What changes generated code: part of the key of compiled code, fixed for an engine.

use crate::index::DefinedFuncIndex;
use crate::layout::{InstanceLayout, MemoryStyle};
use crate::module::Module;
use crate::profile::{CallProfile, turn_word};
use crate::types::MemoryType;
use wasmparser::{BinaryReader, FunctionBody};

/// Settings that both compilers read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodegenConfig {
    /// Charge fuel.
    pub fuel: bool,
    /// Make NaN results canonical.
    pub nan_canonicalize: bool,
    /// Relaxed SIMD with the deterministic results of the specification's profile.
    pub relaxed_simd_deterministic: bool,
    /// Emit hotness counters, and note whom calls through references call ([`crate::profile`]).
    pub counters: bool,
    /// Count exactly how often each basic block is entered, instead of [`Self::counters`]. Only the
    /// baseline compiler can.
    pub block_counts: bool,
    /// Count entries of functions and turns of loops in the code of both tiers
    /// ([`crate::profile`]).
    pub turn_counts: bool,
    /// Have tables lead from each instruction to its operator, and not only from those that call or trap.
    pub operator_offsets: bool,
    /// Bytes of inaccessible address space behind the 4 GiB of a 32-bit memory;
    /// 0 makes every memory [`MemoryStyle::Checked`].
    pub memory_guard_bytes: u64,
    /// Whether memories that are not guarded may move when they grow.
    pub memory_may_move: bool,
    /// Leave the baseline compiler only two allocatable registers of each class (a test mode).
    pub zeal_spill: bool,
    /// Have baseline code take work from a budget of the thread, and charge a function's counter
    /// only when that is used up: cheaper, and right on average ([`crate::hotness`]).
    pub work_budget: bool,
    /// Keep the log of written objects that a generational collector needs.
    pub gc_barrier: bool,
    /// Have the optimising tier inline small functions.
    pub inlining: bool,
    /// Have it inline as much as it can (a test mode).
    pub zeal_inline: bool,
    /// Have the optimising tier compile everything with the least effort (a test mode).
    pub zeal_quick: bool,
    /// Have the optimising tier check its intermediate code, which tests want: a mistake there is a panic.
    /// Changes no code.
    pub verify: bool,
    /// Have loop headers compare the stack limit, instead of noting where they are
    /// ([`crate::code::CompiledFunction::polls`]).
    pub loop_polls: bool,
    /// Throw and catch an exception before calls of functions now and then (a test mode).
    pub zeal_exceptions: bool,
    /// The processor decodes jumps again and again that cross into the next line of
    /// [`CODE_LINE_BYTES`](crate::code::CODE_LINE_BYTES) or end where it begins (Intel, "Mitigations
    /// for Jump Conditional Code Erratum", 2019): keep those of loops away from there.
    pub slow_jumps: bool,
}

impl Default for CodegenConfig {
    fn default() -> Self {
        Self {
            fuel: false,
            nan_canonicalize: false,
            relaxed_simd_deterministic: false,
            counters: true,
            block_counts: false,
            turn_counts: false,
            operator_offsets: false,
            memory_guard_bytes: 32 << 20,
            memory_may_move: true,
            zeal_spill: false,
            work_budget: false,
            gc_barrier: true,
            inlining: true,
            zeal_inline: false,
            zeal_quick: false,
            verify: cfg!(debug_assertions),
            loop_polls: false,
            zeal_exceptions: false,
            slow_jumps: false,
        }
    }
}

impl CodegenConfig {
    /// Whether hotness counters are emitted, and calls through references profiled.
    #[must_use]
    pub const fn counts_hotness(&self) -> bool {
        self.counters && !self.block_counts
    }

    /// Whether both tiers count entries and turns. Exact counts take the place of these.
    #[must_use]
    pub const fn counts_turns(&self) -> bool {
        self.turn_counts && !self.block_counts
    }

    /// How accesses to a memory of type `ty` are bounded.
    #[must_use]
    pub fn memory_style(&self, ty: &MemoryType) -> MemoryStyle {
        if ty.can_be_guarded() && self.memory_guard_bytes > 0 {
            MemoryStyle::Guarded { guard_bytes: self.memory_guard_bytes }
        } else {
            MemoryStyle::Checked { may_move: self.memory_may_move && !ty.shared }
        }
    }
}

/// What a compiler needs to compile one function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInput<'a> {
    /// The module.
    pub module: &'a Module,
    /// The bytes the module was decoded from.
    pub bytes: &'a [u8],
    /// Layout of the module's instances.
    pub layout: &'a InstanceLayout,
    /// The function.
    pub func: DefinedFuncIndex,
    /// Settings.
    pub config: &'a CodegenConfig,
    /// Whom calls through references have called so far.
    pub calls: Option<&'a dyn CallProfile>,
}

impl<'a> FunctionInput<'a> {
    /// What to compile when nothing is known of its calls.
    #[must_use]
    pub const fn new(
        (module, bytes): (&'a Module, &'a [u8]),
        layout: &'a InstanceLayout,
        func: DefinedFuncIndex,
        config: &'a CodegenConfig,
    ) -> Self {
        Self { module, bytes, layout, func, config, calls: None }
    }

    /// Where the code counts entries of the function, or turns of the loop whose operator is at this
    /// offset in the module, in bytes behind the instance's counters; [`None`] when it does not.
    #[must_use]
    pub fn turn_counter(&self, loop_offset: Option<usize>, optimized: bool) -> Option<usize> {
        if !self.config.counts_turns() {
            return None;
        }
        let body = &self.module.bodies[self.func.index()];
        let position = match loop_offset {
            Some(offset) => Some(body.loop_position(u32::try_from(offset).ok()?)?),
            None => None,
        };
        Some(size_of::<u32>() * turn_word(self.module, self.func, position, optimized))
    }

    /// The body of a function of the module.
    #[must_use]
    pub fn body(&self, func: DefinedFuncIndex) -> FunctionBody<'a> {
        let range = self.module.bodies[func.index()].range.clone();
        let start = range.start as u64;
        FunctionBody::new(BinaryReader::new(&self.bytes[range], start))
    }
}
