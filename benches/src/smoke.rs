//! A quick check for continuous integration: every program runs and prints the right line.

use anyhow::Result;

use crate::engine::Engine;
use crate::suite::{Program, Size, Suite};

/// True when all is well; every failure is printed.
pub(crate) fn check(suite: &Suite, engines: &[Engine]) -> Result<bool> {
    let mut failures = 0;
    for engine in engines {
        for program in &suite.programs {
            if let Err(error) = check_one(engine, program) {
                failures += 1;
                println!("{} on {}: {error:#}", program.name, engine.name);
            }
        }
    }
    println!("smoke: {} programs, {failures} failed", suite.programs.len() * engines.len());
    Ok(failures == 0)
}

fn check_one(engine: &Engine, program: &Program) -> Result<()> {
    let sample = engine.run(&program.module, program.args(Size::Tiny))?;
    let (printed, expected) = (sample.stdout.trim(), program.output(Size::Tiny));
    anyhow::ensure!(printed == expected, "printed {printed}, expected {expected}");
    Ok(())
}
