//! A quick check for continuous integration: every program runs and prints the right line, those of
//! the warm-up curve, of the table of exceptions and of the example of real programs included.

use anyhow::Result;

use crate::curve;
use crate::engine::Engine;
use crate::exceptions;
use crate::real;
use crate::run_time;
use crate::suite::{Size, Suite};

/// True when all is well; every failure is printed.
pub(crate) fn check(suite: &Suite, engines: &[Engine]) -> Result<bool> {
    let mut failures = 0;
    for engine in engines {
        for program in &suite.programs {
            if let Err(error) = run_time::checked_run(engine, program, Size::Tiny) {
                failures += 1;
                println!("{} on {}: {error:#}", program.name, engine.name);
            }
        }
    }
    let engine = &engines[0];
    for (what, result) in [
        ("warm-up curve", curve::check(engine)),
        ("real programs", real::check(engine)),
        ("exceptions", exceptions::check(engine)),
    ] {
        if let Err(error) = result {
            failures += 1;
            println!("{what} on {}: {error:#}", engine.name);
        }
    }
    println!("smoke: {} programs, {failures} failed", suite.programs.len() * engines.len());
    Ok(failures == 0)
}
