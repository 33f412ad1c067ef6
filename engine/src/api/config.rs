//! [`Config`]: everything that is fixed for the life of an engine.
//!
//! What changes generated code ends in the compilers' [`CodegenConfig`]; the rest is read by the
//! engine. A store only sets values (its fuel, its deadline), never options.

use upshift_abi::config::CodegenConfig;
use wasmparser::WasmFeatures;

/// Bytes of wasm stack that an activation may use unless the host says otherwise.
const DEFAULT_MAX_WASM_STACK: usize = 512 << 10;
/// Largest stack that can be asked for: the host's thread has to provide it.
const MAX_WASM_STACK_LIMIT: usize = 1 << 30;

/// Which compilers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Baseline first, hot functions optimised later.
    #[default]
    Auto,
    /// The baseline compiler only.
    Baseline,
}

/// Test modes that make rare paths frequent. All are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Zeal {
    /// Leave the baseline compiler two allocatable registers of each class.
    pub spill: bool,
    /// Run the slow path of every stack check and loop poll.
    pub interrupt: bool,
}

impl Zeal {
    /// No test mode.
    #[must_use]
    pub const fn none() -> Self {
        Self { spill: false, interrupt: false }
    }

    /// Sets the mode called `name`.
    ///
    /// # Errors
    /// When there is no such mode.
    pub fn enable(&mut self, name: &str) -> crate::Result<()> {
        match name {
            "spill" => self.spill = true,
            "interrupt" => self.interrupt = true,
            _ => anyhow::bail!("unknown zeal mode `{name}`; known are: spill, interrupt"),
        }
        Ok(())
    }
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
    pub(crate) max_wasm_stack: usize,
    pub(crate) eager_compilation: bool,
    pub(crate) compile_threads: usize,
    pub(crate) parallel_validation: bool,
    pub(crate) tier: Tier,
    pub(crate) zeal: Zeal,
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
    /// Typed function references. Not supported yet.
    wasm_function_references = FUNCTION_REFERENCES;
    /// Garbage-collected structures and arrays. Not supported yet.
    wasm_gc = GC;
    /// Exceptions with `try_table`. Not supported yet.
    wasm_exceptions = EXCEPTIONS;
    /// Exceptions of the first proposal. Not supported yet.
    wasm_legacy_exceptions = LEGACY_EXCEPTIONS;
    /// Continuations. Not supported yet.
    wasm_stack_switching = STACK_SWITCHING;
    /// Shared functions, tables, globals and objects. Not supported yet.
    wasm_shared_everything_threads = SHARED_EVERYTHING_THREADS;
}

/// Proposals that can be switched on in [`Config`] but that no compiler implements yet.
const UNSUPPORTED: [(WasmFeatures, &str); 6] = [
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references"),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::EXCEPTIONS, "exception handling"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exception handling"),
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
            | WasmFeatures::GC_TYPES;
        Self {
            features,
            codegen: CodegenConfig::default(),
            epoch_interruption: false,
            max_wasm_stack: DEFAULT_MAX_WASM_STACK,
            eager_compilation: false,
            compile_threads: 0,
            parallel_validation: true,
            tier: Tier::Auto,
            zeal: Zeal::none(),
        }
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

    /// Threads of eager compilation; 0 means one per CPU, which is the default.
    pub fn compile_threads(&mut self, threads: usize) -> &mut Self {
        self.compile_threads = threads;
        self
    }

    /// Whether function bodies are validated in parallel. On by default.
    pub fn parallel_validation(&mut self, enable: bool) -> &mut Self {
        self.parallel_validation = enable;
        self
    }

    /// Which compilers run.
    pub fn tier(&mut self, tier: Tier) -> &mut Self {
        self.tier = tier;
        self
    }

    /// Test modes.
    pub fn zeal(&mut self, zeal: Zeal) -> &mut Self {
        self.zeal = zeal;
        self.codegen.zeal_spill = zeal.spill;
        self
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
        if self.codegen.memory_guard_bytes > 1 << 32 {
            anyhow::bail!("memory_guard_size must not exceed 4 GiB");
        }
        Ok(())
    }
}
