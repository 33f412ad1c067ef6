//! Runs a module under several configurations and compares what it does.
//!
//! A module may be anything: broken, endless, hungry. Fuel, limits and a deadline bound it. What
//! is compared is a [`Trace`]: how loading ended, the result of every call, and the final content
//! of exported memories and globals. A module that is loaded must also be valid for `wasmparser` alone:
//! the engine validates most bodies without it.

use crate::modes::Mode;
use upshift::{
    Caller, Config, DecodeError, Engine, Error, Exception, ExnRef, Extern, Func, FuncType,
    Instance, LinkError, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, Tag, Trap, Val,
    ValType,
};
use upshift_abi::code::CompileError;
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
    engines: Vec<Engine>,
    /// What all of them accept.
    features: WasmFeatures,
}

/// What a module did, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    steps: Vec<String>,
    /// Whether the steps from here on depend on more than the module: the stack's size, time.
    ended_early: bool,
    /// Exports that were called.
    calls: u64,
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
            let mut config: Config = mode.config;
            config.consume_fuel(true);
            config.nan_canonicalization(true);
            config.relaxed_simd_deterministic(true);
            config.wasm_custom_page_sizes(true);
            config.parallel_validation(false);
            config.max_wasm_stack(64 << 10);
            (config.features(), Engine::new(&config).expect("the machine can run the engine"))
        };
        let (features, engines): (Vec<_>, Vec<_>) = modes.into_iter().map(engine).unzip();
        let features = features.into_iter().fold(WasmFeatures::all(), WasmFeatures::intersection);
        Self { engines, features }
    }

    /// Lets time pass for all stores. Something has to call this now and then, else an endless
    /// wait is not ended.
    pub fn tick(&self) {
        self.engines.iter().for_each(Engine::increment_epoch);
    }

    /// Runs the module under every configuration.
    ///
    /// # Errors
    /// A description of the first difference, or of an error that has no business there.
    pub fn run(&self, bytes: &[u8], seed: u64) -> Result<Outcome, String> {
        // Before compilers rely on it.
        let validated = Validator::new_with_features(self.features).validate_all(bytes);
        if let (Err(error), Some(engine)) = (validated, self.engines.first())
            && Module::from_binary(engine, bytes).is_ok()
        {
            return Err(format!("loaded, but invalid: {error}"));
        }
        let mut calls = 0;
        let mut first: Option<(Stage, Trace)> = None;
        for (i, engine) in self.engines.iter().enumerate() {
            let mut trace = Trace::default();
            let stage = run_module(engine, bytes, seed, &mut trace)?;
            calls += trace.calls;
            let Some((first_stage, first_trace)) = &first else {
                if stage == Stage::Rejected {
                    return Ok(Outcome { stage, calls });
                }
                first = Some((stage, trace));
                continue;
            };
            if stage != *first_stage && !trace.ended_early && !first_trace.ended_early {
                return Err(format!("configuration {i} came to {stage:?}, not {first_stage:?}"));
            }
            first_trace.compare(&trace).map_err(|error| format!("configuration {i}: {error}"))?;
        }
        Ok(Outcome { stage: first.map_or(Stage::Rejected, |(stage, _)| stage), calls })
    }
}

impl Default for Engines {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    fn note(&mut self, step: impl Into<String>) {
        if !self.ended_early {
            self.steps.push(step.into());
        }
    }

    /// Notes an error; one that depends on the stack or on time ends the trace.
    fn note_error(&mut self, error: &Error) -> Result<(), String> {
        let trap = error.chain().find_map(|cause| cause.downcast_ref::<Trap>());
        match trap {
            Some(Trap::StackOverflow | Trap::Interrupt) => self.ended_early = true,
            Some(trap) => self.note(format!("trap: {}", trap.message())),
            None if error.is::<Exception>() => self.note("exception"),
            None if error.chain().any(|cause| cause.is::<LinkError>()) => self.note("link error"),
            None if error.chain().any(|cause| cause.is::<CompileError>()) => {
                // Frames and code differ in size between configurations.
                self.ended_early = true;
            }
            None if is_resource_error(error) => self.note("limit"),
            None => return Err(format!("untyped error: {error:#}")),
        }
        Ok(())
    }

    /// Compares two traces as far as both are certain.
    fn compare(&self, other: &Self) -> Result<(), String> {
        for (i, (a, b)) in self.steps.iter().zip(&other.steps).enumerate() {
            if a != b {
                return Err(format!("step {i}: `{b}`, not `{a}`"));
            }
        }
        let (a, b) = (self.steps.len(), other.steps.len());
        let shorter_ended = if a < b { self.ended_early } else { other.ended_early };
        if a != b && !shorter_ended {
            return Err(format!("{b} steps, not {a}"));
        }
        Ok(())
    }
}

/// Errors that say that a limit of the store was reached.
fn is_resource_error(error: &Error) -> bool {
    let text = format!("{error:#}");
    ["limit", "exceed", "too large", "out of memory", "allocate"]
        .iter()
        .any(|word| text.contains(word))
}

fn run_module(
    engine: &Engine,
    bytes: &[u8],
    seed: u64,
    trace: &mut Trace,
) -> Result<Stage, String> {
    let module = match Module::from_binary(engine, bytes) {
        Ok(module) => module,
        Err(error) if error.downcast_ref::<DecodeError>().is_some() => return Ok(Stage::Rejected),
        Err(error) => return Err(format!("untyped error of the loader: {error:#}")),
    };
    let limits = StoreLimitsBuilder::new().memory_size(MAX_MEMORY).table_elements(MAX_TABLE);
    let mut store = Store::new(engine, limits.build());
    store.limiter(|limits: &mut StoreLimits| limits);
    store.set_epoch_deadline(DEADLINE_TICKS);
    store.set_fuel(FUEL).map_err(|error| error.to_string())?;
    let mut linker = Linker::new(engine);
    define_host(&mut linker, &mut store).map_err(|error| error.to_string())?;
    if let Err(error) = linker.define_unknown_imports_as_default_values(&mut store, &module) {
        trace.note("no default import");
        return if is_resource_error(&error) || error.to_string().contains("default") {
            Ok(Stage::Loaded)
        } else {
            trace.note_error(&error).map(|()| Stage::Loaded)
        };
    }
    let instance = match linker.instantiate(&mut store, &module) {
        Ok(instance) => instance,
        Err(error) => {
            trace.note_error(&error)?;
            return Ok(Stage::Loaded);
        }
    };
    for round in 0..ROUNDS {
        call_exports(&mut store, &module, instance, seed.wrapping_add(round), trace)?;
    }
    note_state(&mut store, &module, instance, trace);
    Ok(Stage::Ran)
}

/// What [`crate::loops`] imports: a tag, and a function that throws it for odd numbers.
fn define_host(
    linker: &mut Linker<StoreLimits>,
    store: &mut Store<StoreLimits>,
) -> Result<(), Error> {
    let tag = Tag::new(&mut *store, &FuncType::new([ValType::I32], []));
    linker.define(&*store, "host", "tag", tag.clone())?;
    linker.func_wrap("host", "throw", move |mut caller: Caller<'_, StoreLimits>, n: i32| {
        if n % 2 == 0 {
            return Ok(n / 2);
        }
        let exn = ExnRef::new(&mut caller, &tag, &[Val::I32(n)])?;
        caller.throw(exn)
    })?;
    Ok(())
}

fn call_exports(
    store: &mut Store<StoreLimits>,
    module: &Module,
    instance: Instance,
    seed: u64,
    trace: &mut Trace,
) -> Result<(), String> {
    let mut random = crate::mutate::Random::new(seed);
    for export in module.exports() {
        let Some(Extern::Func(func)) = instance.get_export(&*store, export.name()) else {
            continue;
        };
        store.set_fuel(FUEL).map_err(|error| error.to_string())?;
        trace.calls += 1;
        match call(store, func, &mut random) {
            Ok(results) => trace.note(results),
            Err(error) => match error.downcast_ref::<Exception>() {
                Some(exception) => trace.note(exception_text(store, exception)),
                None => trace.note_error(&error)?,
            },
        }
        let fuel = store.get_fuel().map_err(|error| error.to_string())?;
        trace.note(format!("fuel {fuel}"));
        if trace.ended_early {
            break;
        }
    }
    Ok(())
}

fn call(
    store: &mut Store<StoreLimits>,
    func: Func,
    random: &mut crate::mutate::Random,
) -> Result<String, Error> {
    let ty = func.ty(&*store);
    let args: Option<Vec<Val>> = ty.params.iter().map(|&ty| argument(ty, random)).collect();
    let Some(args) = args else { return Ok("not called".into()) };
    let mut results = vec![Val::I32(0); ty.results.len()];
    func.call(store, &args, &mut results)?;
    Ok(results.iter().map(value_text).collect::<Vec<_>>().join(", "))
}

/// A value of type `ty` that is often a boundary case; none of a reference that must not be null.
fn argument(ty: ValType, random: &mut crate::mutate::Random) -> Option<Val> {
    const EDGES: [u64; 10] =
        [0, 1, 2, 8, 0x7f, 0xffff, 0x7fff_ffff, 0x8000_0000, u64::MAX, 0x7ff8_0000_0000_0000];
    let bits = match random.below(4) {
        0 => random.bits(),
        _ => EDGES[random.below(EDGES.len())],
    };
    let low = u32::try_from(bits & 0xffff_ffff).expect("masked");
    Some(match ty {
        ValType::I32 => Val::I32(low.cast_signed()),
        ValType::I64 => Val::I64(bits.cast_signed()),
        ValType::F32 => Val::F32(low),
        ValType::F64 => Val::F64(bits),
        ValType::V128 => Val::V128((u128::from(bits) << 64 | u128::from(low)).into()),
        ValType::Ref(ty) if !ty.nullable => return None,
        ValType::Ref(ty) => Val::null_ref(ty.heap).unwrap_or(Val::FuncRef(None)),
    })
}

/// A result, by its bits; references by whether they are null.
fn value_text(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("{value:#x}"),
        Val::I64(value) => format!("{value:#x}"),
        Val::F32(bits) => format!("f{bits:#x}"),
        Val::F64(bits) => format!("f{bits:#x}"),
        Val::V128(value) => format!("v{:#x}", value.as_u128()),
        Val::FuncRef(func) => format!("func {}", func.is_some()),
        Val::ExternRef(value) => format!("extern {}", value.is_some()),
        Val::ExnRef(value) => format!("exn {}", value.is_some()),
        Val::AnyRef(value) => match value.and_then(|any| any.as_i31()) {
            Some(value) => format!("i31 {value}"),
            None => format!("any {}", value.is_some()),
        },
    }
}

/// An exception that nobody caught, with its fields.
fn exception_text(store: &mut Store<StoreLimits>, exception: &Exception) -> String {
    let fields = exception.fields(&mut *store);
    format!("exception ({})", fields.iter().map(value_text).collect::<Vec<_>>().join(", "))
}

/// A number that changes with every byte of the start and of the end of `data`.
fn digest(data: &[u8]) -> u64 {
    const PART: usize = 128 << 10;
    let parts = [&data[..data.len().min(PART)], &data[data.len().saturating_sub(PART)..]];
    let words = parts.into_iter().flat_map(|part| part.as_chunks::<8>().0);
    words.fold(0, |sum: u64, &word| {
        (sum.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
    })
}

/// Notes the exported memories, globals and tables.
fn note_state(
    store: &mut Store<StoreLimits>,
    module: &Module,
    instance: Instance,
    trace: &mut Trace,
) {
    for export in module.exports() {
        match instance.get_export(&*store, export.name()) {
            Some(Extern::Memory(memory)) => {
                let data = memory.data(&*store);
                trace.note(format!("memory of {} bytes, {:x}", data.len(), digest(data)));
            }
            Some(Extern::Global(global)) => {
                let value = global.get(&mut *store);
                trace.note(format!("global {}", value_text(&value)));
            }
            Some(Extern::Table(table)) => trace.note(format!("table {}", table.size(&*store))),
            _ => {}
        }
    }
}
