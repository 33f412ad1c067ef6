//! What an exception costs: nanoseconds from the throw to the handler, by how far that is, and what
//! a `try_table` costs in which nothing is thrown.
//!
//! The programs are made here, one per case: a loop that is run so often, between `bench.start`
//! and `bench.end`. What they print is the sum that the handlers made, so that none was missed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::comparison::{self, Figure};
use crate::engine::{Engine, RunSample};
use crate::invocation::Invocation;
use crate::report::Report;
use crate::rounds::{self, Measured};
use crate::svg::bars::{Bars, Group};

/// A loop around one turn, which leaves an `i32` for the sum.
struct Case {
    name: &'static str,
    turns: u32,
    turn: &'static str,
}

/// Turns that only show that a case runs.
const FEW: u32 = 10;

const CASES: [Case; 8] = [
    Case {
        name: "caught where it is thrown",
        turns: 20_000_000,
        turn: "(block $h (result i32)
            (try_table (catch $e $h) (throw $e (local.get $n))) unreachable)",
    },
    Case {
        name: "caught by the caller",
        turns: 2_000_000,
        turn:
            "(block $h (result i32)
            (try_table (catch $e $h)
                (call_indirect (type $deep) (i32.const 0) (local.get $n) (i32.const 2)) drop) unreachable)",
    },
    Case {
        name: "ten frames further out",
        turns: 500_000,
        turn: "(block $h (result i32)
            (try_table (catch $e $h)
                (call_indirect (type $deep) (i32.const 10) (local.get $n) (i32.const 2)) drop)
            unreachable)",
    },
    Case {
        name: "a hundred frames further out",
        turns: 100_000,
        turn: "(block $h (result i32)
            (try_table (catch $e $h)
                (call_indirect (type $deep) (i32.const 100) (local.get $n) (i32.const 2)) drop)
            unreachable)",
    },
    Case {
        name: "thrown again in ten frames",
        turns: 100_000,
        turn: "(block $h (result i32)
            (try_table (catch $e $h) (call $cleans (i32.const 10) (local.get $n)) drop)
            unreachable)",
    },
    Case {
        name: "a call",
        turns: 50_000_000,
        turn: "(call_indirect (type $step) (local.get $n) (i32.const 0))",
    },
    Case {
        name: "a call in a try_table",
        turns: 50_000_000,
        turn: "(block $h (result i32)
            (try_table (result i32) (catch $e $h)
                (call_indirect (type $step) (local.get $n) (i32.const 0))))",
    },
    Case {
        name: "a call with two results in a try_table",
        turns: 50_000_000,
        turn: "(block $h (result i32)
            (try_table (result i32) (catch $e $h)
                (call_indirect (type $pair) (local.get $n) (i32.const 1)) drop))",
    },
];

/// Which of the functions in the table is called is not known when code is made.
const FUNCTIONS: &str = r#"
    (type $step (func (param i32) (result i32)))
    (type $pair (func (param i32) (result i32 i32)))
    (type $deep (func (param i32 i32) (result i32)))
    (import "bench" "start" (func $start))
    (import "bench" "end" (func $end))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table $t (export "table") funcref (elem $step $pair $throws))
    (tag $e (param i32))
    (func $step (type $step)
        (if (i32.lt_s (local.get 0) (i32.const 0)) (then (throw $e (local.get 0))))
        (local.get 0))
    (func $pair (type $pair)
        (if (i32.lt_s (local.get 0) (i32.const 0)) (then (throw $e (local.get 0))))
        (local.get 0) (local.get 0))
    (func $throws (type $deep) (param $deeper i32) (param $value i32) (result i32)
        (if (i32.eqz (local.get $deeper)) (then (throw $e (local.get $value))))
        (i32.add (i32.const 1)
            (call $throws (i32.sub (local.get $deeper) (i32.const 1)) (local.get $value))))
    (func $cleans (param $deeper i32) (param $value i32) (result i32)
        (if (i32.eqz (local.get $deeper)) (then (throw $e (local.get $value))))
        (block $h (result exnref)
            (try_table (catch_all_ref $h)
                (return (i32.add (i32.const 1)
                    (call $cleans (i32.sub (local.get $deeper) (i32.const 1))
                        (local.get $value)))))
            unreachable)
        throw_ref)"#;

/// Prints the sum in hexadecimal digits.
const PRINT: &str = r#"
    (func $print (param $sum i32) (local $at i32) (local $digit i32)
        (local.set $at (i32.const 8))
        (loop $digits
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (local.set $digit (i32.and (local.get $sum) (i32.const 15)))
            (i32.store8 offset=64 (local.get $at)
                (i32.add (local.get $digit)
                    (select (i32.const 48) (i32.const 87)
                        (i32.lt_u (local.get $digit) (i32.const 10)))))
            (local.set $sum (i32.shr_u (local.get $sum) (i32.const 4)))
            (br_if $digits (local.get $at)))
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 8))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))"#;

/// Runs all cases and prints the table.
pub(crate) fn measure(
    filter: Option<&str>,
    tiers: &[Engine],
    peers: &[Engine],
    rounds: usize,
) -> Result<Report> {
    let engines: Vec<&Engine> = tiers.iter().chain(peers).collect();
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let mut measured = Vec::new();
    for case in CASES.iter().filter(|case| filter.is_none_or(|part| case.name.contains(part))) {
        eprintln!("throwing: {}", case.name);
        let module = Module::write(case, case.turns)?;
        let run = |engine: &Engine| run(engine, &module.0, case.turns);
        measured.push(rounds::take(case.name, &engines, rounds, run));
    }
    comparison::print("Exceptions: CPU time of a turn", "ns", &names, &measured, NANOSECONDS);
    Ok(Report {
        json: to_json(&names, &measured),
        image: Some(draw(&names, &measured)),
        correct: measured.iter().all(|case| case.succeeded(tiers.len())),
    })
}

/// Whether an engine runs all cases as it should.
pub(crate) fn check(engine: &Engine) -> Result<()> {
    for case in &CASES {
        let module = Module::write(case, FEW)?;
        run(engine, &module.0, FEW).with_context(|| case.name)?;
    }
    Ok(())
}

/// The timed region of [`run`] is that of one turn, in nanoseconds.
const NANOSECONDS: Figure = |sample| Some(sample.region?.cpu_ms);

fn run(engine: &Engine, module: &Path, turns: u32) -> Result<RunSample> {
    let mut sample = engine.run(&Invocation::new(module, &[]))?;
    let printed = String::from_utf8_lossy(&sample.stdout);
    let (printed, expected) = (printed.trim(), sum(turns));
    ensure!(printed == expected, "printed {printed}, expected {expected}");
    let region = sample.region.as_mut().context("the program has no timed region")?;
    region.cpu_ms *= 1e6 / f64::from(turns);
    region.wall_ms *= 1e6 / f64::from(turns);
    Ok(sample)
}

/// What is printed after so many turns: each adds its number.
fn sum(turns: u32) -> String {
    let sum = (1..=turns).fold(0_u32, u32::wrapping_add);
    format!("{sum:08x}")
}

fn text(case: &Case, turns: u32) -> String {
    format!(
        r#"(module {FUNCTIONS} {PRINT}
        (func (export "_start") (local $n i32) (local $sum i32)
            (local.set $n (i32.const {turns}))
            (call $start)
            (loop $turns
                (local.set $sum (i32.add (local.get $sum) {}))
                (br_if $turns (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (call $end)
            (call $print (local.get $sum))))"#,
        case.turn
    )
}

/// A module in a file, which goes with it.
struct Module(PathBuf);

impl Module {
    fn write(case: &Case, turns: u32) -> Result<Self> {
        let bytes = wat::parse_str(text(case, turns)).context(case.name)?;
        let name = format!("upshift-exceptions-{}.wasm", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // One that stays does no harm.
        std::fs::remove_file(&self.0).ok();
    }
}

fn draw(engines: &[String], cases: &[Measured<RunSample>]) -> String {
    let groups = cases.iter().map(|case| Group {
        name: case.name.clone(),
        figures: (0..engines.len()).map(|engine| case.median(engine, NANOSECONDS)).collect(),
    });
    let title = "CPU time of an exception, as a multiple of the fastest";
    Bars { title, unit: "ns", engines, groups: groups.collect() }.draw()
}

fn to_json(engines: &[String], cases: &[Measured<RunSample>]) -> Value {
    let rows = cases.iter().flat_map(|case| {
        engines.iter().enumerate().map(move |(engine, name)| {
            json!({
                "case": case.name,
                "engine": name,
                "failure": case.failures[engine],
                "cpu_ns": case.figures(engine, NANOSECONDS),
            })
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cases_are_modules() {
        for case in &CASES {
            assert!(wat::parse_str(text(case, 7)).is_ok(), "{}", case.name);
        }
    }

    #[test]
    fn sums_wrap() {
        assert_eq!(sum(10), "00000037");
        assert_eq!(sum(100_000), "2a06b550");
    }
}
