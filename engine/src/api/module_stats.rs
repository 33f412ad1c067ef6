//! Numbers about modules, and their machine code for people to look at.

use crate::Trap;
use crate::code::{CodeStats, FunctionCode, Tier};
use std::time::Duration;

/// Sizes of a module, and what was compiled so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleStats {
    /// Bytes of the binary.
    pub file_bytes: usize,
    /// Bytes of its code section.
    pub code_section_bytes: usize,
    /// Functions with a body.
    pub functions: usize,
    /// Functions that the baseline compiler has compiled.
    pub baseline_functions: usize,
    /// Bytes of their machine code.
    pub baseline_code_bytes: usize,
    /// CPU time that took, on all threads.
    pub baseline_compile_cpu: Duration,
    /// Functions that have optimised code; with [`Self::osr_bodies`] what the optimising compiler
    /// was asked for.
    pub optimizer_functions: usize,
    /// Bytes of all optimised code, that of loops too.
    pub optimizer_code_bytes: usize,
    /// CPU time that took, on all threads.
    pub optimizer_compile_cpu: Duration,
    /// Loops that have optimised code which takes over from the baseline.
    pub osr_bodies: usize,
    /// How often it did.
    pub osr_entries: u64,
}

/// What a call of [`Module::compile_all`](crate::Module::compile_all) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileStats {
    /// Functions compiled.
    pub functions: usize,
    /// Bytes of their machine code.
    pub code_bytes: usize,
    /// CPU time that took, on all threads.
    pub compile_cpu: Duration,
}

impl CompileStats {
    pub(crate) fn between(before: CodeStats, after: CodeStats) -> Self {
        let (before, after) = (before.total(), after.total());
        Self {
            functions: after.functions - before.functions,
            code_bytes: after.code_bytes - before.code_bytes,
            compile_cpu: after.compile_cpu.saturating_sub(before.compile_cpu),
        }
    }
}

/// The machine code of a function. Offsets count from its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeDump {
    /// Which compiler made it.
    pub tier: &'static str,
    /// Where it runs.
    pub address: usize,
    /// The code.
    pub bytes: Vec<u8>,
    /// Code offset and the offset in the module of the operator that starts to count there.
    pub pcs: Vec<(u32, u32)>,
    /// Code offset of each instruction that may trap.
    pub traps: Vec<(u32, Trap)>,
}

impl CodeDump {
    pub(crate) fn new(function: &FunctionCode, address: usize, bytes: &[u8]) -> Self {
        Self {
            tier: match function.tier {
                Tier::Baseline => "baseline",
                Tier::Optimized => "optimized",
                Tier::Osr => "osr",
            },
            address,
            bytes: bytes.to_vec(),
            pcs: function.tables.pcs.entries().to_vec(),
            traps: function.tables.traps.iter().collect(),
        }
    }
}
