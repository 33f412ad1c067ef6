//! Exceptions: how many were thrown and caught, and in which functions.

use crate::names::Names;
use crate::symbols::{operators, unnamed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use upshift::{CodeLocation, ExceptionStats, Module};
use wasmparser::Operator;

/// See the module head. A throw that the compilers made a branch is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exceptions {
    /// How many were thrown.
    pub thrown: u64,
    /// How many were caught; the others left the program's code for the host.
    pub caught: u64,
    /// About what it took to find handlers, in milliseconds; none when it was not measured.
    pub searching_ms: Option<f64>,
    /// Functions that threw or caught, those that threw most first.
    pub functions: Vec<FunctionExceptions>,
}

/// The exceptions of a function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionExceptions {
    /// Index in the module; none for functions of other modules.
    pub index: Option<u32>,
    /// Its name: not yet safe to print.
    pub name: String,
    /// Exceptions that it threw, or a function of the host that it called.
    pub thrown: u64,
    /// Exceptions that it caught.
    pub caught: u64,
}

impl Exceptions {
    /// What a store has counted; none when nothing was thrown.
    #[must_use]
    pub fn new(stats: &ExceptionStats, module: &Module) -> Option<Self> {
        if stats.thrown == 0 {
            return None;
        }
        let mut functions: BTreeMap<Option<u32>, FunctionExceptions> = BTreeMap::new();
        let mut names = Names::new(module);
        let mut tries = Tries { module, known: HashMap::new() };
        for site in &stats.sites {
            let frames = module.code_frames(site.address);
            let [thrower, catcher] = [frames.first(), tries.catcher(&frames)];
            let counts = [(thrower, site.thrown, 0), (catcher, 0, site.caught)];
            for (frame, thrown, caught) in counts.into_iter().filter(|of| of.1 + of.2 > 0) {
                let index = frame.map(|frame| frame.func);
                let function = functions.entry(index).or_insert_with(|| FunctionExceptions {
                    index,
                    name: name(&mut names, index),
                    ..FunctionExceptions::default()
                });
                function.thrown += thrown;
                function.caught += caught;
            }
        }
        let mut functions: Vec<_> = functions.into_values().collect();
        functions.sort_by_key(|of| (u64::MAX - of.thrown, u64::MAX - of.caught, of.index));
        Some(Self {
            thrown: stats.thrown,
            caught: stats.caught,
            searching_ms: stats.searching.map(|time| time.as_secs_f64() * 1e3),
            functions,
        })
    }

    /// Replaces the names of functions by their numbers, for reports that leave the house.
    pub fn redact(&mut self) {
        for function in &mut self.functions {
            if let Some(index) = function.index {
                function.name = unnamed(index);
            }
        }
    }

    /// The functions as CSV with a head line.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::from("function,index,thrown,caught\r\n");
        for of in &self.functions {
            let name = crate::table::quoted(&crate::printable(&of.name));
            let index = of.index.map_or_else(String::new, |index| index.to_string());
            out.push_str(&format!("{name},{index},{},{}\r\n", of.thrown, of.caught));
        }
        out
    }
}

fn name(names: &mut Names<'_>, index: Option<u32>) -> String {
    index.map_or_else(|| "other modules".to_owned(), |index| names.of(index))
}

/// Knows where exceptions are caught.
struct Tries<'a> {
    module: &'a Module,
    /// By function.
    known: HashMap<u32, Vec<Range<u32>>>,
}

impl Tries<'_> {
    /// The function among those of a call, where others may be inlined, whose handler is around it.
    fn catcher<'f>(&mut self, frames: &'f [CodeLocation]) -> Option<&'f CodeLocation> {
        let around = frames.iter().find(|frame| {
            let tries = self.known.entry(frame.func).or_insert_with(|| {
                // The module was read before.
                tries(self.module, frame.func).unwrap_or_default()
            });
            let at = frame.module_offset;
            at.is_some_and(|at| tries.iter().any(|range| range.contains(&at)))
        });
        around.or(frames.last())
    }
}

/// What handlers of a function are around.
fn tries(module: &Module, func: u32) -> anyhow::Result<Vec<Range<u32>>> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for operator in operators(module, func)? {
        let (operator, offset) = operator?;
        match operator {
            Operator::Try { .. } => open.push(Some(offset)),
            Operator::TryTable { try_table } => {
                open.push((!try_table.catches.is_empty()).then_some(offset));
            }
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => open.push(None),
            // What follows the first clause is not in the `try`.
            Operator::Catch { .. } | Operator::CatchAll => {
                let start = open.last_mut().and_then(Option::take);
                found.extend(start.map(|start| start..offset));
            }
            Operator::End => found.extend(open.pop().flatten().map(|start| start..offset)),
            Operator::Delegate { .. } => _ = open.pop(),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift::{Config, Engine, Linker, Store, Tier};

    /// `rec` is inlined in `catches`, once in itself or not, and its throws are caught there.
    const PROGRAM: &str = r#"(module
        (tag $t)
        (func $rec (param i32)
            (if (i32.eqz (local.get 0)) (then (throw $t)))
            (call $rec (i32.sub (local.get 0) (i32.const 1))))
        (func $catches (export "catches")
            (block $caught (try_table (catch $t $caught) (call $rec (i32.const 5))))))"#;

    #[test]
    fn a_catch_is_of_the_function_with_the_handler() {
        for tier in [Tier::Baseline, Tier::Optimizer] {
            let mut config = Config::new();
            config.tier(tier);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, PROGRAM).unwrap();
            let mut store = Store::new(&engine, ());
            assert_eq!(Exceptions::new(&store.exception_stats(), &module), None);
            let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
            let func = instance.get_typed_func::<(), ()>(&mut store, "catches").unwrap();
            for _ in 0..9 {
                func.call(&mut store, ()).unwrap();
            }
            let mut found = Exceptions::new(&store.exception_stats(), &module).unwrap();
            let functions = |found: &Exceptions| -> Vec<(String, u64, u64)> {
                let of = |f: &FunctionExceptions| (f.name.clone(), f.thrown, f.caught);
                found.functions.iter().map(of).collect()
            };
            let (rec, catches) = (("rec".to_owned(), 9, 0), ("catches".to_owned(), 0, 9));
            assert_eq!(functions(&found), [rec, catches], "{tier:?}");
            assert_eq!((found.thrown, found.caught, found.searching_ms), (9, 9, None));
            found.redact();
            assert_eq!(
                found.csv(),
                "function,index,thrown,caught\r\n\"func[0]\",0,9,0\r\n\"func[1]\",1,0,9\r\n"
            );
        }
    }
}
