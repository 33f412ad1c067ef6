//! Runs a module under several configurations and compares what it does.
//!
//! A module may be anything: broken, endless, hungry. Fuel, limits and a deadline bound it. What
//! is compared is a trace: how loading ended, the result of every call, the fuel that it left, and the
//! final content of exported memories, globals and tables; all but fuel also with an engine of others
//! (`outside`), where that knows what the module uses. A module that is loaded must also be valid for
//! `wasmparser` alone: the engine validates most bodies without it. And the optimizing compiler must not
//! refuse anything but for its limits.

mod outside;
mod run;
mod state;
mod trace;

use crate::modes::Mode;
use outside::Outside;
use run::run_module;
use trace::Trace;
use upshift::{Config, Engine, Module};
use wasmparser::{Validator, WasmFeatures};

/// Fuel of a store.
const FUEL: u64 = 10_000;
/// Largest memory in bytes.
const MAX_MEMORY: usize = 16 << 20;
/// Largest table in elements.
const MAX_TABLE: usize = 20_000;
/// Times the exports are called.
const ROUNDS: u64 = 2;
/// Ticks of the engine's epoch that a store may live, see [`Engines::tick`].
const DEADLINE_TICKS: u64 = 20;

/// Engines that must agree.
#[derive(Clone, Debug)]
pub struct Engines {
    engines: Vec<(Mode, Engine)>,
    outside: Outside,
    /// What all of them accept.
    features: WasmFeatures,
}

/// How far a module came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It was refused.
    Rejected,
    /// It is valid, but could not be instantiated.
    Loaded,
    /// Its exports were called.
    Ran,
}

/// What a run under all configurations came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// How far the module came.
    pub stage: Stage,
    /// Calls of exports, of all configurations together.
    pub calls: u64,
    /// Whether an engine of others ran it as well.
    pub outside: bool,
}

impl Engines {
    /// One engine for each of the modes.
    ///
    /// # Panics
    /// When the machine cannot run the engine.
    #[must_use]
    pub fn new() -> Self {
        Self::of(crate::modes::all())
    }

    /// The same for these modes.
    ///
    /// # Panics
    /// When the machine cannot run the engine.
    #[must_use]
    pub fn of(modes: impl IntoIterator<Item = Mode>) -> Self {
        let engine = |mode: Mode| {
            let mut config: Config = mode.config.clone();
            config.consume_fuel(true);
            config.nan_canonicalization(true);
            config.relaxed_simd_deterministic(true);
            config.wasm_custom_page_sizes(true);
            config.parallel_validation(false);
            config.max_wasm_stack(64 << 10);
            let engine = Engine::new(&config).expect("the machine can run the engine");
            (config.features(), (mode, engine))
        };
        let (features, engines): (Vec<_>, Vec<_>) = modes.into_iter().map(engine).unzip();
        let features = features.into_iter().fold(WasmFeatures::all(), WasmFeatures::intersection);
        Self { engines, outside: Outside::new(), features }
    }

    /// Lets time pass for all stores. Something has to call this now and then, else an endless
    /// wait is not ended.
    pub fn tick(&self) {
        self.engines.iter().for_each(|(_, engine)| engine.increment_epoch());
    }

    /// Runs the module under every configuration.
    ///
    /// # Errors
    /// A description of the first difference, or of an error that has no business there.
    pub fn run(&self, bytes: &[u8], seed: u64) -> Result<Outcome, String> {
        // Before compilers rely on it.
        let validated = Validator::new_with_features(self.features).validate_all(bytes);
        if let (Err(error), Some((_, engine))) = (validated, self.engines.first())
            && Module::from_binary(engine, bytes).is_ok()
        {
            return Err(format!("loaded, but invalid: {error}"));
        }
        let mut calls = 0;
        let mut first: Option<(Stage, Trace)> = None;
        for (mode, engine) in &self.engines {
            let in_mode = |error| format!("{}: {error}", mode.name);
            let mut trace = Trace::default();
            let stage = run_module(engine, bytes, seed, &mut trace).map_err(in_mode)?;
            mode.refusals.check().map_err(in_mode)?;
            calls += trace.calls;
            let Some((first_stage, first_trace)) = &first else {
                if stage == Stage::Rejected {
                    return Ok(Outcome { stage, calls, outside: false });
                }
                first = Some((stage, trace));
                continue;
            };
            if stage != *first_stage && !trace.ended_early && !first_trace.ended_early {
                return Err(in_mode(format!("came to {stage:?}, not {first_stage:?}")));
            }
            first_trace.compare(&trace).map_err(in_mode)?;
        }
        let (stage, trace) = first.expect("there are modes");
        let outside = self.outside.compare((bytes, self.features), seed, (stage, &trace));
        let outside = outside.map_err(|error| format!("wasmi: {error}"))?;
        Ok(Outcome { stage, calls, outside })
    }
}

impl Default for Engines {
    fn default() -> Self {
        Self::new()
    }
}
