//! A second way to count what runs, that the engine knows nothing of: before each operator stand
//! others that add to a global of the function.
//!
//! ```text
//! global.get g   i64.const 1   i64.add   global.set g   the operator
//! ```

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use upshift::{Engine, FuncType, Instance, Linker, Module, Store, Tag, Val};
use upshift_profiler::ExactReport;
use wasm_encoder::{CodeSection, Encode, RawSection};
use wasmparser::{BinaryReader, FunctionBody, Operator, Parser, Payload, TypeRef};

/// Sections of the binary format that get longer.
const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;

/// Counts of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often it was entered.
    pub entries: u64,
    /// Operators that it executed; `else` and `end` are none.
    pub executed: u64,
}

/// What the exports of a module do when they are called with zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// By index.
    pub functions: BTreeMap<u32, Counts>,
    /// Whether a trap or an exception left a function in the middle.
    pub cut_short: bool,
}

/// What the engine's own counters say.
///
/// # Errors
/// When the module does not load.
pub fn by_the_engine(engine: &Engine, bytes: &[u8]) -> Result<Counted> {
    let module = Module::from_binary(engine, bytes)?;
    let (.., cut_short) = run(engine, &module)?;
    let report = ExactReport::new(&module)?;
    let thrown = ["throw", "throw_ref", "rethrow"];
    let thrown = thrown.iter().any(|&name| report.operators.contains_key(name));
    let counts = report.functions.iter().map(|function| {
        let (entries, executed) = (function.entries, function.executed);
        (function.index, Counts { entries, executed })
    });
    Ok(Counted { functions: counts.collect(), cut_short: cut_short || thrown })
}

/// What the operators say that were added to the module.
///
/// # Errors
/// When the module does not load.
pub fn by_the_program(engine: &Engine, bytes: &[u8]) -> Result<Counted> {
    let instrumented = Instrumented::new(bytes)?;
    let module = Module::from_binary(engine, &instrumented.bytes)?;
    let (mut store, instance, cut_short) = run(engine, &module)?;
    let mut read = |name: String| -> Result<u64> {
        let global = instance.get_global(&mut store, &name).context("it was added")?;
        match global.get(&mut store) {
            Val::I64(value) => Ok(value.cast_unsigned()),
            other => anyhow::bail!("{other:?} in a counter"),
        }
    };
    let mut functions = BTreeMap::new();
    for place in 0..instrumented.functions {
        let (executed, entries) = (read(name(2 * place))?, read(name(2 * place + 1))?);
        if entries > 0 {
            functions.insert(instrumented.imported + place, Counts { entries, executed });
        }
    }
    Ok(Counted { functions, cut_short })
}

/// Calls all exports with zeros; whether one of the calls failed.
fn run(engine: &Engine, module: &Module) -> Result<(Store<()>, Instance, bool)> {
    let mut store = Store::new(engine, ());
    let mut linker = Linker::new(engine);
    let tag = Tag::new(&mut store, &FuncType::new([upshift::ValType::I32], []));
    linker.define(&store, "host", "tag", tag)?;
    linker.func_wrap("host", "throw", |n: i32| n / 2)?;
    let instance = linker.instantiate(&mut store, module)?;
    let names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    let mut failed = false;
    for name in names {
        let Some(func) = instance.get_func(&mut store, &name) else { continue };
        let ty = func.ty(&store);
        let params: Vec<Val> = ty.params.iter().filter_map(|&ty| Val::default_for_ty(ty)).collect();
        let mut results = vec![Val::I32(0); ty.results.len()];
        failed |= func.call(&mut store, &params, &mut results).is_err();
    }
    Ok((store, instance, failed))
}

/// The name of the export of a counter.
fn name(counter: u32) -> String {
    format!("counter {counter}")
}

/// A module that counts.
struct Instrumented {
    bytes: Vec<u8>,
    /// Functions that it imports, and that it has.
    imported: u32,
    functions: u32,
}

impl Instrumented {
    fn new(bytes: &[u8]) -> Result<Self> {
        let (mut imported, mut globals, mut functions) = (0, 0, 0);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) => imported += 1,
                            TypeRef::Global(_) => globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::GlobalSection(section) => globals += section.count(),
                Payload::FunctionSection(section) => functions = section.count(),
                _ => {}
            }
        }
        let bytes = rewrite(bytes, globals, functions)?;
        Ok(Self { bytes, imported, functions })
    }
}

/// The module with two more globals for each function, exported, and code that counts in them.
fn rewrite(bytes: &[u8], globals: u32, functions: u32) -> Result<Vec<u8>> {
    let mut out = wasm_encoder::Module::new();
    let mut code = CodeSection::new();
    let mut bodies = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::CodeSectionEntry(body) = &payload {
            code.raw(&counting(body, globals + 2 * bodies)?);
            bodies += 1;
            if bodies == functions {
                out.section(&code);
            }
        }
        let Some((id, range)) = payload.as_section() else { continue };
        let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
        let data = &bytes[range];
        let longer = match id {
            GLOBALS => {
                more(data, 2 * functions, &[0x7e, 1, 0x42, 0, 0x0b].repeat(2 * functions as usize))?
            }
            EXPORTS => more(data, 2 * functions, &exports(globals, functions))?,
            10 | 0 => continue,
            _ => data.to_vec(),
        };
        out.section(&RawSection { id, data: &longer });
    }
    Ok(out.finish())
}

/// A vector with more elements.
fn more(vector: &[u8], count: u32, elements: &[u8]) -> Result<Vec<u8>> {
    let mut reader = BinaryReader::new(vector, 0);
    let old = reader.read_var_u32()?;
    let mut out = Vec::new();
    (old + count).encode(&mut out);
    out.extend(&vector[reader.current_position()..]);
    out.extend(elements);
    Ok(out)
}

fn exports(globals: u32, functions: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for counter in 0..2 * functions {
        name(counter).as_str().encode(&mut out);
        out.push(3);
        (globals + counter).encode(&mut out);
    }
    out
}

/// A body that counts operators in the global `counter`, and its entries in the next.
fn counting(body: &FunctionBody<'_>, counter: u32) -> Result<Vec<u8>> {
    let start = body.range().start;
    let bytes = body.as_bytes();
    let mut reader = body.get_operators_reader()?;
    let at = |position: u64| usize::try_from(position - start);
    let first = at(reader.original_position())?;
    let mut out = bytes[..first].to_vec();
    add_one(counter + 1, &mut out);
    while !reader.eof() {
        let from = at(reader.original_position())?;
        let operator = reader.read()?;
        let to = at(reader.original_position())?;
        let marks = matches!(
            operator,
            Operator::Block { .. }
                | Operator::Else
                | Operator::End
                | Operator::Catch { .. }
                | Operator::CatchAll
                | Operator::Delegate { .. }
        );
        if !marks {
            add_one(counter, &mut out);
        }
        out.extend(&bytes[from..to]);
    }
    Ok(out)
}

/// `global.get`, `i64.const 1`, `i64.add`, `global.set`.
fn add_one(global: u32, out: &mut Vec<u8>) {
    out.push(0x23);
    global.encode(out);
    out.extend([0x42, 1, 0x7c, 0x24]);
    global.encode(out);
}
