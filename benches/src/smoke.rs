//! A quick check for continuous integration: every program runs and prints the right line.

use anyhow::Result;

use crate::curve;
use crate::engine::Engine;
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
    if let Err(error) = curve::check(&engines[0]) {
        failures += 1;
        println!("warm-up curve on {}: {error:#}", engines[0].name);
    }
    println!("smoke: {} programs, {failures} failed", suite.programs.len() * engines.len());
    Ok(failures == 0)
}
