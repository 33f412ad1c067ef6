//! Runs a module in one engine, within limits.

use super::state::{argument, memory_text, table_text, value_text};
use super::trace::{Step, Trace, is_resource_error};
use super::{DEADLINE_TICKS, FUEL, MAX_MEMORY, MAX_TABLE, ROUNDS, Stage};
use crate::mutate::Random;
use upshift::{
    Caller, DecodeError, Engine, Error, Exception, ExnRef, Extern, Func, FuncType, Instance,
    Linker, Module, Store, StoreLimits, StoreLimitsBuilder, Tag, Val, ValType,
};

/// How far the module comes; what it does goes into the trace.
pub(super) fn run_module(
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
        trace.note(Step::Refused("no default import"));
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
    let mut random = Random::new(seed);
    for export in module.exports() {
        let Some(Extern::Func(func)) = instance.get_export(&*store, export.name()) else {
            continue;
        };
        store.set_fuel(FUEL).map_err(|error| error.to_string())?;
        trace.calls += 1;
        match call(store, func, &mut random) {
            Ok(results) => trace.see(results),
            Err(error) => match error.downcast_ref::<Exception>() {
                Some(exception) => trace.see(exception_text(store, exception)),
                None => trace.note_error(&error)?,
            },
        }
        let fuel = store.get_fuel().map_err(|error| error.to_string())?;
        trace.note(Step::Fuel(fuel));
        if trace.ended_early {
            break;
        }
    }
    Ok(())
}

fn call(store: &mut Store<StoreLimits>, func: Func, random: &mut Random) -> Result<String, Error> {
    let ty = func.ty(&*store);
    let args: Option<Vec<Val>> = ty.params.iter().map(|&ty| argument(ty, random)).collect();
    let Some(args) = args else { return Ok("not called".into()) };
    let mut results = vec![Val::I32(0); ty.results.len()];
    func.call(store, &args, &mut results)?;
    Ok(results.iter().map(value_text).collect::<Vec<_>>().join(", "))
}

/// An exception that nobody caught, with its fields.
fn exception_text(store: &mut Store<StoreLimits>, exception: &Exception) -> String {
    let fields = exception.fields(&mut *store);
    format!("exception ({})", fields.iter().map(value_text).collect::<Vec<_>>().join(", "))
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
                trace.see(memory_text(memory.data(&*store)));
            }
            Some(Extern::SharedMemory(memory)) => {
                let mut data = vec![0; memory.data_size()];
                memory.read(0, &mut data).expect("within its size");
                trace.see(memory_text(&data));
            }
            Some(Extern::Global(global)) => {
                let value = global.get(&mut *store);
                trace.see(format!("global {}", value_text(&value)));
            }
            Some(Extern::Table(table)) => {
                let size = table.size(&*store);
                trace.see(table_text(size, |index| {
                    table.get(&mut *store, index).is_none_or(|element| element.is_null())
                }));
            }
            _ => {}
        }
    }
}
