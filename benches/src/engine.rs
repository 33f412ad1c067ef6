//! What can be measured: one engine in one configuration, asked through its command line.
//!
//! The three kinds differ in their flags and in how they hand their figures back; everything
//! above this file sees milliseconds.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::invocation::Invocation;
use crate::process::{self, Output};
use crate::upshift::{self, Tier};

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
    /// The `upshift` binary in one of its ways; figures come in the file named by `--stats`.
    Upshift(Tier),
    /// A driver that prints `@@{json}`: `program [before] MODE FILE [after] ...`.
    Driver {
        /// Arguments before the mode (V8's flags and its script).
        before: Vec<String>,
        /// Arguments after the file (Wasmtime's flags).
        after: Vec<String>,
    },
}

/// One run of a program.
#[derive(Clone, Default)]
pub(crate) struct RunSample {
    /// What the calling thread took between `bench.start` and `bench.end`, if the program
    /// calls them.
    pub(crate) region: Option<Times>,
    /// What the calling thread took for `_start`.
    pub(crate) call: Times,
    /// CPU time of the process until it reported, compilation and all threads included.
    pub(crate) process_cpu_ms: f64,
    /// CPU time of the whole process as the kernel counts it, in ticks.
    pub(crate) kernel_cpu_ms: f64,
    /// The largest resident set.
    pub(crate) peak_rss_bytes: Option<f64>,
    /// What was compiled, as Upshift tells it.
    pub(crate) compiled: Option<Compiled>,
    /// What the program printed.
    pub(crate) stdout: Vec<u8>,
}

/// Times of one thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Times {
    /// CPU time.
    pub(crate) cpu_ms: f64,
    /// Wall time.
    pub(crate) wall_ms: f64,
}

/// What Upshift's compilers did in one run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Compiled {
    /// CPU time of the baseline compiler.
    pub(crate) baseline_cpu_ms: f64,
    /// CPU time of the optimizer, on all threads.
    pub(crate) optimizer_cpu_ms: f64,
    /// Machine code of the baseline compiler.
    pub(crate) baseline_bytes: f64,
    /// Machine code of the optimizer.
    pub(crate) optimizer_bytes: f64,
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
    pub(crate) fn run(&self, invocation: &Invocation) -> Result<RunSample> {
        match &self.kind {
            Kind::Upshift(_) => {
                let mut command = self.run_command(invocation);
                let path = upshift::stats_path();
                // The options stand before the file; what follows it is the program's.
                command.arg("--stats").arg(&path).arg(&invocation.module).args(&invocation.args);
                let output = process::output_of(&mut command, invocation.stdin()?)?;
                upshift_sample(output, &upshift::read_stats(&path)?)
            }
            Kind::Driver { .. } => {
                let mut command = self.run_command(invocation);
                command.arg("--").args(&invocation.args);
                let output = process::output_of(&mut command, invocation.stdin()?)?;
                let figures = process::marked_json(&output.stderr)?;
                driver_sample(output, &figures)
            }
        }
    }

    /// The command that runs a program and measures nothing inside the process.
    pub(crate) fn plain_run(&self, invocation: &Invocation) -> Command {
        let mut command = self.run_command(invocation);
        match &self.kind {
            Kind::Upshift(_) => command.arg(&invocation.module),
            Kind::Driver { .. } => command.arg("--"),
        };
        command.args(&invocation.args);
        command
    }

    /// All of a command but the program's arguments and, for Upshift, the module before them.
    fn run_command(&self, invocation: &Invocation) -> Command {
        let mut command = match &self.kind {
            Kind::Upshift(tier) => {
                let mut command = Command::new(&self.program);
                command.arg("run").args(tier.flags());
                for (name, value) in &invocation.env {
                    command.arg("--env").arg(format!("{name}={value}"));
                }
                command
            }
            Kind::Driver { .. } => {
                let mut command = self.driver("run", &invocation.module);
                command.envs(&invocation.env);
                command
            }
        };
        for dir in &invocation.dirs {
            command.arg("--dir").arg(dir);
        }
        if let Some(directory) = &invocation.directory {
            command.current_dir(directory);
        }
        command
    }

    /// Validates and compiles every function of a module, `repeat` times in one process.
    pub(crate) fn compile(&self, module: &Path, repeat: usize) -> Result<CompileSample> {
        let repeat = repeat.to_string();
        match &self.kind {
            Kind::Upshift(tier) => {
                let mut command = Command::new(&self.program);
                command.args(["compile", "--tier", tier.compiler(), "--threads", "1"]);
                command.args(["--repeat", &repeat]);
                let (_, figures) = upshift::with_stats(command, module)?;
                Ok(CompileSample {
                    cpu_ms: number(&figures, "cpu_ms_min")?,
                    code_section_bytes: Some(number(&figures, "code_section_bytes")?),
                })
            }
            Kind::Driver { .. } => {
                let mut command = self.driver("compile", module);
                let output = process::output(command.args(["--reps", &repeat]))?;
                let figures = process::marked_json(&String::from_utf8_lossy(&output.stdout))?;
                let cpu_ms = number(&figures, "cpu_min_ms")?;
                Ok(CompileSample { cpu_ms, code_section_bytes: None })
            }
        }
    }

    /// Microseconds to instantiate a module, call an export and drop the instance.
    pub(crate) fn instantiate(&self, module: &Path, invoke: &str, repeat: usize) -> Result<f64> {
        let repeat = repeat.to_string();
        match &self.kind {
            Kind::Upshift(_) => {
                let mut command = Command::new(&self.program);
                command.args(["instantiate", "--repeat", &repeat, "--invoke", invoke]);
                let (_, figures) = upshift::with_stats(command, module)?;
                number(&figures, "instantiate_us_median")
            }
            Kind::Driver { .. } => {
                let mut command = self.driver("inst", module);
                command.args(["--invoke", invoke, "--reps", &repeat]);
                let output = process::output(&mut command)?;
                number(
                    &process::marked_json(&String::from_utf8_lossy(&output.stdout))?,
                    "us_per_inst",
                )
            }
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

fn upshift_sample(output: Output, figures: &Value) -> Result<RunSample> {
    let compiled = Compiled {
        baseline_cpu_ms: number(figures, "baseline_compile_cpu_ms")?,
        optimizer_cpu_ms: number(figures, "optimizer_compile_cpu_ms")?,
        baseline_bytes: number(figures, "baseline_code_bytes")?,
        optimizer_bytes: number(figures, "optimizer_code_bytes")?,
    };
    Ok(RunSample {
        region: times(figures, "bench_cpu_ms", "bench_wall_ms"),
        call: times(figures, "run_cpu_ms", "run_wall_ms").context("no figures of the run")?,
        process_cpu_ms: number(figures, "process_cpu_ms")?,
        kernel_cpu_ms: output.cpu_ms,
        peak_rss_bytes: figures["peak_rss_bytes"].as_f64(),
        compiled: Some(compiled),
        stdout: output.stdout,
    })
}

fn driver_sample(output: Output, figures: &Value) -> Result<RunSample> {
    Ok(RunSample {
        region: times(figures, "bench_cpu", "bench_ms"),
        call: times(figures, "run_cpu", "run_ms").context("no figures of the run")?,
        process_cpu_ms: number(figures, "total_cpu")?,
        kernel_cpu_ms: output.cpu_ms,
        peak_rss_bytes: figures["peak_rss_bytes"].as_f64(),
        compiled: None,
        stdout: output.stdout,
    })
}

/// [`None`] without the figures; the drivers tell -1 then.
fn times(figures: &Value, cpu: &str, wall: &str) -> Option<Times> {
    let figure = |name: &str| figures[name].as_f64().filter(|&ms| ms >= 0.0);
    Some(Times { cpu_ms: figure(cpu)?, wall_ms: figure(wall)? })
}

fn number(figures: &Value, name: &str) -> Result<f64> {
    figures[name].as_f64().with_context(|| format!("no figure named {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn output() -> Output {
        Output { stdout: b"x".to_vec(), stderr: String::new(), cpu_ms: 30.0 }
    }

    #[test]
    fn a_driver_without_a_timed_region_tells_minus_one() {
        let mut figures =
            json!({"bench_cpu": -1, "bench_ms": -1, "run_cpu": 2.0, "run_ms": 3.0, "total_cpu": 9});
        let sample = driver_sample(output(), &figures).unwrap();
        assert!(sample.region.is_none() && sample.peak_rss_bytes.is_none());
        assert_eq!((sample.call.cpu_ms, sample.call.wall_ms), (2.0, 3.0));
        assert_eq!(sample.kernel_cpu_ms, 30.0);
        figures["run_cpu"] = Value::Null;
        assert!(driver_sample(output(), &figures).is_err());
    }

    #[test]
    fn policies_directories_and_variables_reach_the_command_line() {
        let engine = upshift::engine(Path::new("u"), &"auto:latency".parse().unwrap());
        let invocation = Invocation {
            dirs: vec!["a::b".to_owned()],
            env: [("N".to_owned(), "1".to_owned())].into(),
            ..Invocation::new(Path::new("m.wasm"), &["-x".to_owned()])
        };
        let command = engine.plain_run(&invocation);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
        let expected = "run --tier auto --policy latency --env N=1 --dir a::b m.wasm -x";
        assert_eq!(args.join(" "), expected);
    }
}
