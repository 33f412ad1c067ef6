//! Numbers about modules, and their machine code for people to look at.

use crate::Trap;
use crate::code::{CodeStats, FunctionCode, Tier};
use std::time::Duration;
use upshift_abi::code::InlineFrame;

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
    /// Functions whose bodies were inlined.
    pub inlined: Vec<InlinedBody>,
    /// Code offset of each instruction that may trap.
    pub traps: Vec<(u32, Trap)>,
}

/// A body that was inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlinedBody {
    /// Index of the function, imports count.
    pub func: u32,
    /// Offset of the call in the module.
    pub call: u32,
}

impl CodeDump {
    pub(crate) fn new(
        module: &upshift_abi::module::Module,
        function: &FunctionCode,
        address: usize,
        bytes: &[u8],
    ) -> Self {
        let (tables, func) = (&function.tables, function.index);
        let own = |&(at, _): &(u32, u32)| Some((at, tables.frames_at(func, at).last()?.1?));
        let body = |frame: &InlineFrame| InlinedBody {
            func: module.func_index(frame.func).0,
            call: frame.call,
        };
        Self {
            inlined: tables.inlined.frames().iter().map(body).collect(),
            tier: match function.tier {
                Tier::Baseline => "baseline",
                Tier::Optimized => "optimized",
                Tier::Osr => "osr",
            },
            address,
            bytes: bytes.to_vec(),
            pcs: tables.pcs.entries().iter().filter_map(own).collect(),
            traps: tables.traps.iter().collect(),
        }
    }
}
