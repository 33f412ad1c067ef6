//! What was compiled of a module, in each tier.

use super::function_table::Tier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What was compiled so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeStats {
    /// By the baseline compiler.
    pub(crate) baseline: TierStats,
    /// By the optimising compiler; the code of OSR bodies is counted, their functions are not.
    pub(crate) optimizer: TierStats,
    /// OSR bodies.
    pub(crate) osr_bodies: usize,
    /// How often one was entered.
    pub(crate) osr_entries: u64,
}

impl CodeStats {
    /// Both compilers together.
    pub(crate) fn total(&self) -> TierStats {
        let (a, b) = (self.baseline, self.optimizer);
        TierStats {
            functions: a.functions + b.functions,
            code_bytes: a.code_bytes + b.code_bytes,
            compile_cpu: a.compile_cpu + b.compile_cpu,
        }
    }
}

/// What one compiler did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TierStats {
    /// Functions compiled.
    pub(crate) functions: usize,
    /// Bytes of their code.
    pub(crate) code_bytes: usize,
    /// Time that all threads spent compiling and publishing.
    pub(crate) compile_cpu: Duration,
}

/// Counts for [`CodeStats`].
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// The baseline compiler and the optimising one.
    tiers: [TierTotals; 2],
    osr_bodies: AtomicUsize,
    osr_entries: AtomicU64,
}

#[derive(Debug, Default)]
struct TierTotals {
    functions: AtomicUsize,
    code_bytes: AtomicUsize,
    compile_ns: AtomicU64,
}

impl Totals {
    /// A piece of code was published.
    pub(super) fn add_code(&self, tier: Tier, bytes: usize) {
        let totals = self.of(tier);
        totals.code_bytes.fetch_add(bytes, Ordering::Relaxed);
        match tier {
            Tier::Baseline | Tier::Optimized => totals.functions.fetch_add(1, Ordering::Relaxed),
            Tier::Osr => self.osr_bodies.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Somebody compiled for this long.
    pub(super) fn add_time(&self, tier: Tier, ns: u64) {
        self.of(tier).compile_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// An OSR body is entered.
    pub(super) fn add_osr_entry(&self) {
        self.osr_entries.fetch_add(1, Ordering::Relaxed);
    }

    /// What there is now.
    pub(super) fn read(&self) -> CodeStats {
        let read = |tier| {
            let totals: &TierTotals = self.of(tier);
            TierStats {
                functions: totals.functions.load(Ordering::Relaxed),
                code_bytes: totals.code_bytes.load(Ordering::Relaxed),
                compile_cpu: Duration::from_nanos(totals.compile_ns.load(Ordering::Relaxed)),
            }
        };
        CodeStats {
            baseline: read(Tier::Baseline),
            optimizer: read(Tier::Optimized),
            osr_bodies: self.osr_bodies.load(Ordering::Relaxed),
            osr_entries: self.osr_entries.load(Ordering::Relaxed),
        }
    }

    fn of(&self, tier: Tier) -> &TierTotals {
        &self.tiers[usize::from(tier != Tier::Baseline)]
    }
}

/// CPU time of this thread.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}
