//! [`Config`]: everything that is fixed for the life of an engine.
//!
//! What changes generated code ends in the compilers' [`CodegenConfig`]; the rest is read by the
//! engine. A store only sets values (its fuel, its deadline), never options.

use super::function_set::FunctionSet;
use super::zeal::Zeal;
use crate::code::observer::CodeObserver;
use crate::cpu;
use crate::gc::{CollectorKind, HeapConfig};
use crate::tier::controller::{Mode, Settings};
use crate::tier::event::EventObserver;
use crate::tier::policy::Policy;
use std::sync::Arc;
use upshift_abi::config::CodegenConfig;
use wasmparser::WasmFeatures;

/// Bytes of wasm stack that an activation may use unless the host says otherwise.
const DEFAULT_MAX_WASM_STACK: usize = 512 << 10;
/// Largest stack that can be asked for: the host's thread has to provide it.
const MAX_WASM_STACK_LIMIT: usize = 1 << 30;
/// Bytes of optimised code of an engine unless the host says otherwise.
const DEFAULT_MAX_OPTIMIZED_CODE: u64 = 512 << 20;
/// Threads that optimise, for each CPU, at most: beyond that they only take memory.
const MOST_OPTIMIZE_THREADS_PER_CPU: usize = 4;
/// Requests for optimised code that wait unless the host says otherwise.
const DEFAULT_OPTIMIZE_QUEUE: usize = 4096;

/// Which compilers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Baseline first, hot functions optimised later.
    #[default]
    Auto,
    /// The baseline compiler only.
    Baseline,
    /// The optimising compiler only: no function has baseline code.
    Optimizer,
}

/// Settings of an [`Engine`](crate::Engine).
///
/// Builder methods return `&mut Self`, so that they chain:
///
/// ```
/// let mut config = upshift::Config::new();
/// config.consume_fuel(true).max_wasm_stack(1 << 20);
/// let engine = upshift::Engine::new(&config)?;
/// # Ok::<(), upshift::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) features: WasmFeatures,
    pub(crate) codegen: CodegenConfig,
    pub(crate) epoch_interruption: bool,
    signal_interruption: bool,
    pub(crate) max_wasm_stack: usize,
    pub(crate) eager_compilation: bool,
    pub(crate) compile_threads: usize,
    pub(crate) parallel_validation: bool,
    pub(crate) tier: Tier,
    pub(crate) zeal: Zeal,
    pub(crate) heap: HeapConfig,
    pub(crate) code_observer: Option<Arc<dyn CodeObserver>>,
    tiering: TieringConfig,
}

/// What only the tier controller reads.
#[derive(Clone, Debug)]
struct TieringConfig {
    policy: Policy,
    deterministic: Option<u32>,
    threads: usize,
    cpu_share: u32,
    max_code_bytes: u64,
    queue: usize,
    events: bool,
    observer: Option<Arc<dyn EventObserver>>,
    only: Option<FunctionSet>,
}

impl Default for TieringConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            deterministic: None,
            threads: 0,
            cpu_share: 100,
            max_code_bytes: DEFAULT_MAX_OPTIMIZED_CODE,
            queue: DEFAULT_OPTIMIZE_QUEUE,
            events: false,
            observer: None,
            only: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! feature_switches {
    ($($(#[$doc:meta])* $name:ident = $flag:ident;)*) => {
        /// Switches of WebAssembly proposals.
        impl Config {
            $(
                $(#[$doc])*
                pub fn $name(&mut self, enable: bool) -> &mut Self {
                    self.features.set(WasmFeatures::$flag, enable);
                    self
                }
            )*
        }
    };
}

feature_switches! {
    /// Imports and exports of mutable globals. On by default.
    wasm_mutable_global = MUTABLE_GLOBAL;
    /// Conversions of floats to integers that do not trap. On by default.
    wasm_saturating_float_to_int = SATURATING_FLOAT_TO_INT;
    /// Sign extension operators. On by default.
    wasm_sign_extension = SIGN_EXTENSION;
    /// 128-bit vectors. On by default.
    wasm_simd = SIMD;
    /// Relaxed vector operators. On by default.
    wasm_relaxed_simd = RELAXED_SIMD;
    /// Shared memories and atomic operators. On by default.
    wasm_threads = THREADS;
    /// More than one memory in a module. On by default.
    wasm_multi_memory = MULTI_MEMORY;
    /// 64-bit memories and tables. On by default.
    wasm_memory64 = MEMORY64;
    /// Tail calls. On by default.
    wasm_tail_call = TAIL_CALL;
    /// Bulk memory and table operators. On by default.
    wasm_bulk_memory = BULK_MEMORY;
    /// `externref`, several tables, table operators. On by default.
    wasm_reference_types = REFERENCE_TYPES;
    /// Several results of functions and blocks. On by default.
    wasm_multi_value = MULTI_VALUE;
    /// Arithmetic in constant expressions. On by default.
    wasm_extended_const = EXTENDED_CONST;
    /// 128-bit integer arithmetic. On by default.
    wasm_wide_arithmetic = WIDE_ARITHMETIC;
    /// Memories with pages of one byte. Off by default.
    wasm_custom_page_sizes = CUSTOM_PAGE_SIZES;
    /// Typed function references, recursion groups and subtypes. On by default.
    wasm_function_references = FUNCTION_REFERENCES;
    /// Garbage-collected structures and arrays. On by default.
    wasm_gc = GC;
    /// Exceptions with `try_table`. On by default.
    wasm_exceptions = EXCEPTIONS;
    /// Exceptions of the first proposal, with `try` and `catch`. On by default.
    wasm_legacy_exceptions = LEGACY_EXCEPTIONS;
    /// Continuations. Not supported yet.
    wasm_stack_switching = STACK_SWITCHING;
    /// Shared functions, tables, globals and objects. Not supported yet.
    wasm_shared_everything_threads = SHARED_EVERYTHING_THREADS;
}

/// Proposals that can be switched on in [`Config`] but that no compiler implements yet.
const UNSUPPORTED: [(WasmFeatures, &str); 2] = [
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
];

impl Config {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        let features = WasmFeatures::MUTABLE_GLOBAL
            | WasmFeatures::SATURATING_FLOAT_TO_INT
            | WasmFeatures::SIGN_EXTENSION
            | WasmFeatures::REFERENCE_TYPES
            | WasmFeatures::MULTI_VALUE
            | WasmFeatures::BULK_MEMORY
            | WasmFeatures::SIMD
            | WasmFeatures::RELAXED_SIMD
            | WasmFeatures::THREADS
            | WasmFeatures::TAIL_CALL
            | WasmFeatures::FLOATS
            | WasmFeatures::MULTI_MEMORY
            | WasmFeatures::MEMORY64
            | WasmFeatures::EXTENDED_CONST
            | WasmFeatures::WIDE_ARITHMETIC
            | WasmFeatures::FUNCTION_REFERENCES
            | WasmFeatures::EXCEPTIONS
            | WasmFeatures::LEGACY_EXCEPTIONS
            | WasmFeatures::GC
            | WasmFeatures::GC_TYPES;
        Self {
            features,
            codegen: CodegenConfig {
                slow_jumps: cpu::has_slow_jumps(),
                ..CodegenConfig::default()
            },
            epoch_interruption: false,
            signal_interruption: true,
            max_wasm_stack: DEFAULT_MAX_WASM_STACK,
            eager_compilation: false,
            compile_threads: 0,
            parallel_validation: true,
            tier: Tier::Auto,
            zeal: Zeal::none(),
            heap: HeapConfig::default(),
            code_observer: None,
            tiering: TieringConfig::default(),
        }
    }

    /// Which collector frees objects; [`CollectorKind::Generational`] by default. Changes generated
    /// code.
    pub fn collector(&mut self, collector: CollectorKind) -> &mut Self {
        self.heap.collector = collector;
        self.codegen.gc_barrier = collector != CollectorKind::Null;
        self
    }

    /// The least that [`Self::gc_heap_max`] may be: 1 MiB. A nursery, and room to copy what survives of
    /// it, must fit.
    pub const MIN_GC_HEAP: u64 = 1 << 20;

    /// The most bytes of objects that a store may have, room for new ones included: 2 GiB unless
    /// set, and less than 4 GiB in any case. Beyond it, allocation traps. An engine refuses less than
    /// [`Self::MIN_GC_HEAP`]; memory is only taken as it is needed. Exceptions, which lie elsewhere, may
    /// have as many bytes again, and no more than 256 MiB.
    pub fn gc_heap_max(&mut self, bytes: u64) -> &mut Self {
        self.heap.max_bytes = bytes;
        self
    }

    /// The most bytes of the nursery, which new objects are in: 4 MiB unless set. It starts smaller,
    /// and beyond 1 MiB it only grows while little survives, as that is what pauses are made of.
    pub fn gc_nursery(&mut self, bytes: u32) -> &mut Self {
        self.heap.nursery_bytes = bytes;
        self
    }

    /// What the heaps of stores are made with.
    pub(crate) fn heap_config(&self) -> HeapConfig {
        self.heap
    }

    /// The proposals that modules may use.
    #[must_use]
    pub fn features(&self) -> WasmFeatures {
        self.features
    }

    /// Replaces all proposal switches at once.
    pub fn set_features(&mut self, features: WasmFeatures) -> &mut Self {
        self.features = features;
        self
    }

    /// Whether code charges fuel, see [`Store::set_fuel`](crate::Store::set_fuel). Off by default.
    pub fn consume_fuel(&mut self, enable: bool) -> &mut Self {
        self.codegen.fuel = enable;
        self
    }

    /// Whether stores start with an epoch deadline that has passed, so that the host must set one
    /// with [`Store::set_epoch_deadline`](crate::Store::set_epoch_deadline) before it runs code.
    ///
    /// The checks themselves cost nothing and are always there: deadlines work without this
    /// switch too.
    pub fn epoch_interruption(&mut self, enable: bool) -> &mut Self {
        self.epoch_interruption = enable;
        self
    }

    /// Whether loops are interrupted by a signal (SIGURG) to the thread that runs them, which then
    /// goes step by step to the next loop header (SIGTRAP). On by default: loops cost nothing then.
    /// The engine leaves signals that are not its own to the handlers that were there before; a host
    /// that replaces these handlers later, or blocks the signals in a thread that runs code, must
    /// switch this off. Loops compare a word with a constant at each turn then, which takes up to a
    /// fifth of the time of small ones. Changes generated code.
    pub fn signal_interruption(&mut self, enable: bool) -> &mut Self {
        self.signal_interruption = enable;
        self
    }

    /// Whether float operators turn every NaN they produce into the canonical one.
    pub fn nan_canonicalization(&mut self, enable: bool) -> &mut Self {
        self.codegen.nan_canonicalize = enable;
        self
    }

    /// Whether relaxed vector operators give the results of the deterministic profile.
    pub fn relaxed_simd_deterministic(&mut self, enable: bool) -> &mut Self {
        self.codegen.relaxed_simd_deterministic = enable;
        self
    }

    /// Bytes of stack that wasm code may use, counted from the host's call. Default: 512 KiB.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_wasm_stack = bytes;
        self
    }

    /// Bytes of inaccessible address space behind the 4 GiB of 32-bit memories. Default: 32 MiB.
    /// With 0 every access is checked explicitly and memories reserve only what they need.
    pub fn memory_guard_size(&mut self, bytes: u64) -> &mut Self {
        self.codegen.memory_guard_bytes = bytes;
        self
    }

    /// Whether 32-bit memories reserve their whole address space. Default: yes.
    /// Without, every access is checked explicitly.
    pub fn memory_reservation(&mut self, enable: bool) -> &mut Self {
        self.codegen.memory_guard_bytes =
            if enable { CodegenConfig::default().memory_guard_bytes } else { 0 };
        self
    }

    /// Whether memories without a full reservation may move when they grow. Default: yes.
    pub fn memory_may_move(&mut self, enable: bool) -> &mut Self {
        self.codegen.memory_may_move = enable;
        self
    }

    /// Whether [`Module::new`](crate::Module::new) compiles all functions at once, in parallel,
    /// instead of each at its first call. Off by default.
    pub fn eager_compilation(&mut self, enable: bool) -> &mut Self {
        self.eager_compilation = enable;
        self
    }

    /// Threads of eager compilation, in whichever tier functions start; 0 means one per CPU, which is the default.
    pub fn compile_threads(&mut self, threads: usize) -> &mut Self {
        self.compile_threads = threads;
        self
    }

    /// Whether function bodies are validated in parallel. On by default.
    pub fn parallel_validation(&mut self, enable: bool) -> &mut Self {
        self.parallel_validation = enable;
        self
    }

    /// Which compilers run. [`Tier::Auto`] by default.
    pub fn tier(&mut self, tier: Tier) -> &mut Self {
        self.tier = tier;
        self
    }

    /// Test modes.
    pub fn zeal(&mut self, zeal: Zeal) -> &mut Self {
        self.zeal = zeal;
        self.codegen.zeal_spill = zeal.spill;
        self.codegen.zeal_exceptions = zeal.exceptions;
        self.codegen.zeal_inline = zeal.inline;
        self.codegen.zeal_quick = zeal.quick;
        self.heap.zeal = zeal.gc;
        self
    }

    /// Whether the optimising compiler checks its intermediate code. For tests of the compiler: a function
    /// in which it finds a mistake stays in the baseline, or is an error where there is none.
    #[doc(hidden)]
    pub fn verify_intermediate_code(&mut self, enable: bool) -> &mut Self {
        self.codegen.verify = enable;
        self
    }

    /// Whether jumps of loops are kept from the ends of lines of 32 bytes of code, where they are slow
    /// on Intel's processors from Skylake to Cascade Lake ("Mitigations for Jump Conditional Code
    /// Erratum", 2019). On by default where the processor is one of them.
    pub fn avoid_slow_jumps(&mut self, enable: bool) -> &mut Self {
        self.codegen.slow_jumps = enable;
        self
    }

    /// Whether the optimising compiler puts bodies of small functions in place of calls. On by
    /// default.
    pub fn inlining(&mut self, enable: bool) -> &mut Self {
        self.codegen.inlining = enable;
        self
    }

    /// What tiering aims at. [`Policy::Balanced`] by default. Means something with [`Tier::Auto`]
    /// only, like all that follows.
    pub fn policy(&mut self, policy: Policy) -> &mut Self {
        self.tiering.policy = policy;
        self
    }

    /// Threads that optimise in the background, at low priority; 0 means one less than there are
    /// CPUs, at least one, which is the default. There are never more than four for each CPU. They
    /// start when a function is hot.
    pub fn optimize_threads(&mut self, threads: usize) -> &mut Self {
        self.tiering.threads = threads;
        self
    }

    /// Percent of their time that these threads may use, 1 to 100. Default: 100.
    pub fn optimize_cpu_share(&mut self, percent: u32) -> &mut Self {
        self.tiering.cpu_share = percent;
        self
    }

    /// Bytes of optimised code that the engine makes at most, all living modules together.
    /// Default: 512 MiB.
    pub fn max_optimized_code(&mut self, bytes: u64) -> &mut Self {
        self.tiering.max_code_bytes = bytes;
        self
    }

    /// How many requests for optimised code may wait; the least urgent are dropped, and made again
    /// when their functions stay hot. Default: 4096.
    pub fn optimize_queue(&mut self, requests: usize) -> &mut Self {
        self.tiering.queue = requests;
        self
    }

    /// Optimises these functions only; all others stay in the baseline, with any [`Tier`]. Of a function
    /// of which only loops are named, code is made that is entered there, with [`Tier::Auto`].
    pub fn tier_only(&mut self, functions: Option<FunctionSet>) -> &mut Self {
        self.tiering.only = functions;
        self
    }

    /// Optimises on the program's own thread, at a point that depends on nothing but the program: a
    /// function when it is entered for the `entries`-th time. A turn of a loop counts as well, by
    /// the size of its code (16 bytes are an eighth of an entry); a loop in which a function
    /// becomes hot goes over to optimised code at once. For tests.
    pub fn deterministic_tiering(&mut self, entries: u32) -> &mut Self {
        self.tiering.deterministic = Some(entries);
        self
    }

    /// Whether baseline code counts how hot functions are. On by default; without, nothing is ever
    /// optimised in the background.
    pub fn hotness_counters(&mut self, enable: bool) -> &mut Self {
        self.codegen.counters = enable;
        self
    }

    /// Whether every basic block counts how often it is entered, for
    /// [`Module::block_counts`](crate::Module::block_counts). Everything runs in the baseline then,
    /// whatever else says otherwise. Counts are exact for stores that were made on different threads,
    /// up to sixteen of them, or that do not run at the same time. Off by default.
    pub fn exact_counts(&mut self, enable: bool) -> &mut Self {
        self.codegen.block_counts = enable;
        self
    }

    /// Whether the code of both tiers counts entries of functions and turns of loops, for
    /// [`Module::turn_counts`](crate::Module::turn_counts). An instruction at each. Exact counts take
    /// the place of these. Off by default.
    pub fn turn_counts(&mut self, enable: bool) -> &mut Self {
        self.codegen.turn_counts = enable;
        self
    }

    /// Whether tables lead from each instruction to its operator, and not only from those that call or trap,
    /// so that samples are found to the instruction. Eight bytes for each operator that has code, which stays
    /// the same. Off by default.
    pub fn operator_offsets(&mut self, enable: bool) -> &mut Self {
        self.codegen.operator_offsets = enable;
        self
    }

    /// Whether the engine keeps what happens to functions, collections, exceptions and traps for
    /// [`Engine::events`](crate::Engine::events). Off by default.
    pub fn profiling(&mut self, enable: bool) -> &mut Self {
        self.tiering.events = enable;
        self
    }

    /// Who hears of events, when they happen; whether or not
    /// [`Self::profiling`] keeps it. Nobody by default.
    pub fn event_observer(&mut self, observer: Arc<dyn EventObserver>) -> &mut Self {
        self.tiering.observer = Some(observer);
        self
    }

    /// Who hears of machine code before it runs. Nobody by default.
    pub fn code_observer(&mut self, observer: Arc<dyn CodeObserver>) -> &mut Self {
        self.code_observer = Some(observer);
        self
    }

    /// What the tier controller reads.
    pub(crate) fn tier_settings(&self) -> Settings {
        let tiering = &self.tiering;
        let mode = match (self.tier, tiering.deterministic, tiering.policy.thresholds()) {
            _ if self.codegen.block_counts => Mode::Baseline,
            (Tier::Baseline, ..) => Mode::Baseline,
            (Tier::Optimizer, ..) => Mode::Optimizer,
            (Tier::Auto, ..) if self.zeal.tier => Mode::Zeal { seed: self.zeal.seed },
            (Tier::Auto, Some(entries), _) => Mode::Deterministic { entries },
            (Tier::Auto, None, Some(thresholds)) => Mode::Tiered(thresholds),
            (Tier::Auto, None, None) => Mode::Baseline,
        };
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        Settings {
            mode,
            threads: match tiering.threads {
                0 => cpus().saturating_sub(1).max(1),
                threads => threads.min(cpus() * MOST_OPTIMIZE_THREADS_PER_CPU),
            },
            cpu_share: tiering.cpu_share,
            max_code_bytes: tiering.max_code_bytes,
            queue_capacity: tiering.queue,
            events: tiering.events,
            observer: tiering.observer.clone(),
            only: tiering.only.clone(),
        }
    }

    /// What the compilers read: what was set, and what follows from several settings. Counters are for
    /// code that may be optimised.
    pub(crate) fn codegen(&self) -> CodegenConfig {
        let mode = self.tier_settings().mode;
        let loop_polls = !self.signal_interruption || self.zeal.interrupt;
        // Other modes, and a policy that asks at the first entry, need exact counts.
        let work_budget = matches!(mode, Mode::Tiered(thresholds) if thresholds.start_percent > 0);
        let counters = self.codegen.counters && !matches!(mode, Mode::Baseline | Mode::Optimizer);
        CodegenConfig { counters, loop_polls, work_budget, ..self.codegen.clone() }
    }

    /// Refuses what the engine cannot do.
    pub(crate) fn check(&self) -> crate::Result<()> {
        for (feature, name) in UNSUPPORTED {
            if self.features.contains(feature) {
                anyhow::bail!("the {name} proposal is not supported");
            }
        }
        if self.max_wasm_stack > MAX_WASM_STACK_LIMIT {
            anyhow::bail!("max_wasm_stack must not exceed {MAX_WASM_STACK_LIMIT} bytes");
        }
        if self.max_wasm_stack == 0 {
            anyhow::bail!("max_wasm_stack must not be zero");
        }
        if !(1..=100).contains(&self.tiering.cpu_share) {
            anyhow::bail!("optimize_cpu_share is a percentage, from 1 to 100");
        }
        if self.tiering.deterministic == Some(0) {
            anyhow::bail!("deterministic_tiering counts entries from 1");
        }
        if self.heap.max_bytes < Self::MIN_GC_HEAP {
            anyhow::bail!("gc_heap_max must be at least {} bytes", Self::MIN_GC_HEAP);
        }
        if self.codegen.memory_guard_bytes > 1 << 32 {
            anyhow::bail!("memory_guard_size must not exceed 4 GiB");
        }
        Ok(())
    }
}
