//! What can be measured: one engine in one configuration, asked through its command line.
//!
//! The three kinds differ in their flags and in how they hand their figures back; everything
//! above this file sees milliseconds.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{process, upshift};

/// One engine in one configuration.
#[derive(Clone)]
pub(crate) struct Engine {
    /// How the tables call it.
    pub(crate) name: String,
    /// The executable.
    pub(crate) program: PathBuf,
    /// How to talk to it.
    pub(crate) kind: Kind,
}

/// How an engine is driven.
#[derive(Clone)]
pub(crate) enum Kind {
    /// The `upshift` binary with `--tier`; figures come in the file named by `--stats`.
    Upshift {
        /// The value of `--tier`.
        tier: String,
    },
    /// A driver that prints `@@{json}`: `program [before] MODE FILE [after] ...`.
    Driver {
        /// Arguments before the mode (V8's flags and its script).
        before: Vec<String>,
        /// Arguments after the file (Wasmtime's flags).
        after: Vec<String>,
    },
}

/// One run of a program.
#[derive(Clone)]
pub(crate) struct RunSample {
    /// CPU time of the calling thread between `bench.start` and `bench.end`.
    pub(crate) bench_cpu_ms: f64,
    /// Wall time of the same region.
    pub(crate) bench_wall_ms: f64,
    /// CPU time of the whole process, compilation and all threads included.
    pub(crate) process_cpu_ms: f64,
    /// What the program printed.
    pub(crate) stdout: String,
}

/// One compilation of a whole module.
#[derive(Clone, Copy)]
pub(crate) struct CompileSample {
    /// CPU time of the best repetition, validation included.
    pub(crate) cpu_ms: f64,
    /// Size of the code section, where the engine tells it.
    pub(crate) code_section_bytes: Option<f64>,
}

impl Engine {
    /// Runs a program once.
    pub(crate) fn run(&self, module: &Path, args: &[String]) -> Result<RunSample> {
        let (output, figures, names) = match &self.kind {
            Kind::Upshift { tier } => {
                let mut command = Command::new(&self.program);
                command.args(["run", "--tier", tier]);
                let (output, figures) = upshift::with_stats(command, module, args)?;
                (output, figures, ["bench_cpu_ms", "bench_wall_ms", "process_cpu_ms"])
            }
            Kind::Driver { .. } => {
                let mut command = self.driver("run", module);
                command.arg("--").args(args);
                let output = process::output(&mut command)?;
                let figures = process::marked_json(&output.stderr)?;
                (output, figures, ["bench_cpu", "bench_ms", "total_cpu"])
            }
        };
        Ok(RunSample {
            bench_cpu_ms: number(&figures, names[0])?,
            bench_wall_ms: number(&figures, names[1])?,
            process_cpu_ms: number(&figures, names[2])?,
            stdout: output.stdout,
        })
    }

    /// Validates and compiles every function of a module, `repeat` times in one process.
    pub(crate) fn compile(&self, module: &Path, repeat: usize) -> Result<CompileSample> {
        let repeat = repeat.to_string();
        match &self.kind {
            Kind::Upshift { tier } => {
                let tier = if tier == "optimizer" { "optimizer" } else { "baseline" };
                let mut command = Command::new(&self.program);
                command.args(["compile", "--tier", tier, "--threads", "1", "--repeat", &repeat]);
                let (_, figures) = upshift::with_stats(command, module, &[])?;
                Ok(CompileSample {
                    cpu_ms: number(&figures, "cpu_ms_min")?,
                    code_section_bytes: Some(number(&figures, "code_section_bytes")?),
                })
            }
            Kind::Driver { .. } => {
                let mut command = self.driver("compile", module);
                let output = process::output(command.args(["--reps", &repeat]))?;
                let figures = process::marked_json(&output.stdout)?;
                let cpu_ms = number(&figures, "cpu_min_ms")?;
                Ok(CompileSample { cpu_ms, code_section_bytes: None })
            }
        }
    }

    /// Microseconds to instantiate a module, call an export and drop the instance.
    pub(crate) fn instantiate(&self, module: &Path, invoke: &str, repeat: usize) -> Result<f64> {
        let repeat = repeat.to_string();
        match &self.kind {
            Kind::Upshift { .. } => {
                let mut command = Command::new(&self.program);
                command.args(["instantiate", "--repeat", &repeat, "--invoke", invoke]);
                let (_, figures) = upshift::with_stats(command, module, &[])?;
                number(&figures, "instantiate_us_median")
            }
            Kind::Driver { .. } => {
                let mut command = self.driver("inst", module);
                command.args(["--invoke", invoke, "--reps", &repeat]);
                let output = process::output(&mut command)?;
                number(&process::marked_json(&output.stdout)?, "us_per_inst")
            }
        }
    }

    /// The plainest command that runs a program: nothing is measured inside the process.
    pub(crate) fn plain_run(&self, module: &Path) -> Command {
        match &self.kind {
            Kind::Upshift { tier } => {
                let mut command = Command::new(&self.program);
                command.args(["run", "--tier", tier]).arg(module);
                command
            }
            Kind::Driver { .. } => self.driver("run", module),
        }
    }

    fn driver(&self, mode: &str, module: &Path) -> Command {
        let mut command = Command::new(&self.program);
        if let Kind::Driver { before, after } = &self.kind {
            command.args(before).arg(mode).arg(module).args(after);
        }
        command
    }
}

fn number(figures: &Value, name: &str) -> Result<f64> {
    figures[name].as_f64().with_context(|| format!("no figure named {name}"))
}
