//! An engine of others, wasmi, as one more run of a module.
//!
//! It knows no objects, exceptions, atomics or references of known types: modules with these do without.
//! Its floats are as canonical as ours are here. Its fuel only ends what would run for long; where it is
//! used up, or the stack is, nothing is compared any more. Modules that a known [`mistake`] of its may show
//! in do without it, too.

mod mistake;

use super::state::{argument, memory_text, table_text, value_text};
use super::trace::{Step, Trace};
use super::{MAX_MEMORY, MAX_TABLE, ROUNDS, Stage};
use crate::mutate::Random;
use std::collections::HashMap;
use upshift::{Trap, Val};
use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{
    Config, Engine, Error, Extern, ExternType, Func, FuncType, Global, Instance, Memory, Module,
    Ref, Store, StoreLimits, StoreLimitsBuilder, Table, TrapCode, ValType,
};
use wasmparser::{Parser, Payload, WasmFeatures};

/// Fuel of a call: more than what we allow it, also by the bytes of bulk operators.
const FUEL: u64 = 1_000_000;
/// More frames than our stack has room for.
const MAX_FRAMES: usize = 10_000;
/// What [`crate::loops`] imports, which does more than return zeros.
const HOST: (&str, &str) = ("host", "throw");

/// See the module head.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    engine: Engine,
}

impl Outside {
    pub(super) fn new() -> Self {
        let mut config = Config::default();
        config.consume_fuel(true).wasm_custom_page_sizes(true).wasm_wide_arithmetic(true);
        config.set_max_recursion_depth(MAX_FRAMES);
        Self { engine: Engine::new(&config) }
    }

    /// Compares what the module does with what it did elsewhere; whether it ran at all.
    pub(super) fn compare(
        &self,
        (bytes, features): (&[u8], WasmFeatures),
        seed: u64,
        (stage, trace): (Stage, &Trace),
    ) -> Result<bool, String> {
        let expected = trace.for_others();
        if expected.len() == 0 {
            return Ok(false);
        }
        let Ok(module) = Module::new(&self.engine, bytes) else { return Ok(false) };
        if mistake::may_show(bytes, features) {
            return Ok(false);
        }
        let limits = StoreLimitsBuilder::new().memory_size(MAX_MEMORY).table_elements(MAX_TABLE);
        let mut store = Store::new(&self.engine, limits.build());
        store.limiter(|limits| limits);
        let Some(imports) = imports(&mut store, &module) else { return Ok(false) };
        let mut run = Run { store, trace: Trace::default(), wanted: expected.len() };
        let own_stage = run.run(bytes, &module, &imports, seed);
        if own_stage != stage && !run.trace.ended_early && !expected.ended_early {
            return Err(format!("came to {own_stage:?}, not {stage:?}"));
        }
        expected.compare(&run.trace)?;
        Ok(true)
    }
}

/// One run of a module.
struct Run {
    store: Store<StoreLimits>,
    trace: Trace,
    /// After so many steps the rest has nothing to be compared with.
    wanted: usize,
}

impl Run {
    fn run(&mut self, bytes: &[u8], module: &Module, imports: &[Extern], seed: u64) -> Stage {
        self.refuel();
        let instance = match Instance::new(&mut self.store, module, imports) {
            Ok(instance) => instance,
            Err(error) => {
                self.note_error(&error);
                return Stage::Loaded;
            }
        };
        // In the order of the module, which decides about arguments.
        let exports: Vec<Extern> =
            export_names(bytes).filter_map(|name| instance.get_export(&self.store, name)).collect();
        for round in 0..ROUNDS {
            let mut random = Random::new(seed.wrapping_add(round));
            for func in exports.iter().filter_map(|export| export.into_func()) {
                if !self.is_done() {
                    self.call(func, &mut random);
                }
            }
        }
        for export in &exports {
            if !self.is_done() {
                self.note_state(export);
            }
        }
        Stage::Ran
    }

    fn is_done(&self) -> bool {
        self.trace.ended_early || self.trace.len() >= self.wanted
    }

    fn refuel(&mut self) {
        self.store.set_fuel(FUEL).expect("it is metered");
    }

    fn call(&mut self, func: Func, random: &mut Random) {
        self.refuel();
        let ty = func.ty(&self.store);
        let args = ty.params().iter().map(|&ty| argument(our_type(ty), random));
        let args = args.map(|value| value.expect("all references may be null"));
        let args: Vec<wasmi::Val> =
            args.zip(ty.params()).map(|(value, &ty)| their_value(&value, ty)).collect();
        let mut results: Vec<wasmi::Val> =
            ty.results().iter().copied().map(wasmi::Val::default_for_ty).collect();
        match func.call(&mut self.store, &args, &mut results) {
            Ok(()) => {
                let results: Vec<String> = results.iter().map(text_of).collect();
                self.trace.see(results.join(", "));
            }
            Err(error) => self.note_error(&error),
        }
    }

    fn note_error(&mut self, error: &Error) {
        match trap_of(error) {
            Some(trap) => self.trace.note(Step::Trap(trap)),
            None => self.trace.ended_early = true,
        }
    }

    fn note_state(&mut self, export: &Extern) {
        match export {
            Extern::Memory(memory) => self.trace.see(memory_text(memory.data(&self.store))),
            Extern::Global(global) => {
                let value = global.get(&self.store);
                self.trace.see(format!("global {}", text_of(&value)));
            }
            Extern::Table(table) => {
                let size = table.size(&self.store);
                let is_null =
                    |index| table.get(&self.store, index).is_none_or(|element| element.is_null());
                self.trace.see(table_text(size, is_null));
            }
            Extern::Func(_) => {}
        }
    }
}

/// Default values for all imports, one for each name as in a linker; none when there are some that have
/// no such value.
fn imports(store: &mut Store<StoreLimits>, module: &Module) -> Option<Vec<Extern>> {
    let mut made: HashMap<(&str, &str), Extern> = HashMap::new();
    let mut imports = Vec::new();
    for import in module.imports() {
        let name = (import.module(), import.name());
        if name == HOST {
            return None;
        }
        let item = match made.get(&name) {
            Some(&item) => item,
            None => default_item(store, import.ty())?,
        };
        made.insert(name, item);
        imports.push(item);
    }
    Some(imports)
}

fn default_item(store: &mut Store<StoreLimits>, ty: &ExternType) -> Option<Extern> {
    Some(match ty {
        ExternType::Global(ty) => {
            let value = wasmi::Val::default_for_ty(ty.content());
            Extern::Global(Global::new(store, value, ty.mutability()))
        }
        ExternType::Table(ty) => {
            Extern::Table(Table::new(store, *ty, Ref::null(ty.element())).ok()?)
        }
        ExternType::Memory(ty) => Extern::Memory(Memory::new(store, *ty).ok()?),
        ExternType::Func(ty) => Extern::Func(returning_zeros(store, ty)),
    })
}

fn returning_zeros(store: &mut Store<StoreLimits>, ty: &FuncType) -> Func {
    let zeros: Vec<wasmi::Val> =
        ty.results().iter().copied().map(wasmi::Val::default_for_ty).collect();
    Func::new(store, ty.clone(), move |_, _, results| {
        results.clone_from_slice(&zeros);
        Ok(())
    })
}

/// The names of a valid module's exports in their order.
fn export_names(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let sections = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
        Ok(Payload::ExportSection(section)) => Some(section),
        _ => None,
    });
    sections.flatten().flatten().map(|export| export.name)
}

/// What we call the trap; none for an end that says nothing of the module.
fn trap_of(error: &Error) -> Option<Trap> {
    if let ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) =
        error.kind()
    {
        return Some(Trap::TableOutOfBounds);
    }
    Some(match error.as_trap_code()? {
        TrapCode::UnreachableCodeReached => Trap::Unreachable,
        TrapCode::MemoryOutOfBounds => Trap::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => Trap::TableOutOfBounds,
        TrapCode::IndirectCallToNull => Trap::UninitializedElement,
        TrapCode::IntegerDivisionByZero => Trap::IntegerDivisionByZero,
        TrapCode::IntegerOverflow => Trap::IntegerOverflow,
        TrapCode::BadConversionToInteger => Trap::BadConversionToInteger,
        TrapCode::BadSignature => Trap::BadSignature,
        TrapCode::StackOverflow
        | TrapCode::OutOfFuel
        | TrapCode::GrowthOperationLimited
        | TrapCode::OutOfSystemMemory => return None,
    })
}

fn our_type(ty: ValType) -> upshift::ValType {
    match ty {
        ValType::I32 => upshift::ValType::I32,
        ValType::I64 => upshift::ValType::I64,
        ValType::F32 => upshift::ValType::F32,
        ValType::F64 => upshift::ValType::F64,
        ValType::V128 => upshift::ValType::V128,
        ValType::FuncRef => upshift::ValType::FUNCREF,
        ValType::ExternRef => upshift::ValType::EXTERNREF,
    }
}

/// A value that [`argument`] gave; references are null.
fn their_value(value: &Val, ty: ValType) -> wasmi::Val {
    match value {
        Val::I32(value) => wasmi::Val::I32(*value),
        Val::I64(value) => wasmi::Val::I64(*value),
        Val::F32(bits) => wasmi::Val::F32(wasmi::F32::from_bits(*bits)),
        Val::F64(bits) => wasmi::Val::F64(wasmi::F64::from_bits(*bits)),
        Val::V128(value) => wasmi::Val::V128(value.as_u128().into()),
        Val::FuncRef(_) | Val::ExternRef(_) | Val::ExnRef(_) | Val::AnyRef(_) => {
            wasmi::Val::default_for_ty(ty)
        }
    }
}

fn text_of(value: &wasmi::Val) -> String {
    let value = match value {
        wasmi::Val::I32(value) => Val::I32(*value),
        wasmi::Val::I64(value) => Val::I64(*value),
        wasmi::Val::F32(value) => Val::F32(value.to_bits()),
        wasmi::Val::F64(value) => Val::F64(value.to_bits()),
        wasmi::Val::V128(value) => Val::V128(value.as_u128().into()),
        wasmi::Val::FuncRef(func) => return format!("func {}", !func.is_null()),
        wasmi::Val::ExternRef(value) => return format!("extern {}", !value.is_null()),
    };
    value_text(&value)
}
