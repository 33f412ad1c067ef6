//! Run time of the programs: CPU time of the timed region, in interleaved rounds.
//!
//! In every round each engine runs the program once, and the round's ratio is that of its own
//! pair of runs: what slows the machine for a while slows both. A peer's column holds the
//! median of these ratios (first engine over peer) with its interval.

use serde_json::{Value, json};

use crate::engine::{Engine, RunSample};
use crate::stats::{Estimate, geometric_mean};
use crate::suite::{Program, Size, Suite};
use crate::table::Table;

/// Samples of one program: per engine one per round, none after the engine failed.
pub(crate) struct Measured {
    /// The program.
    pub(crate) name: String,
    /// Indexed like [`Outcome::engines`].
    pub(crate) samples: Vec<Vec<RunSample>>,
}

/// All figures of the table.
pub(crate) struct Outcome {
    /// Names of the engines; the first one is what the ratios are about.
    pub(crate) engines: Vec<String>,
    /// All programs.
    pub(crate) programs: Vec<Measured>,
    /// Whether Upshift ran every program and printed what it should.
    pub(crate) correct: bool,
    /// The samples for `--json`.
    pub(crate) json: Value,
}

type Figure = fn(&RunSample) -> f64;

/// Runs the suite and prints the tables.
pub(crate) fn measure(
    suite: &Suite,
    size: Size,
    tiers: &[Engine],
    peers: &[Engine],
    rounds: usize,
) -> Outcome {
    let engines: Vec<&Engine> = tiers.iter().chain(peers).collect();
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let mut programs = Vec::new();
    let mut correct = true;
    for program in &suite.programs {
        eprintln!("running {}", program.name);
        let (measured, failed) = measure_program(program, size, &engines, rounds);
        correct &= failed.iter().all(|&engine| engine >= tiers.len());
        programs.push(measured);
    }
    let title = "CPU time of the timed region, main thread";
    print(title, &names, &programs, |sample| sample.bench_cpu_ms);
    let title = "CPU time of the whole process: start, compilation and all threads included";
    print(title, &names, &programs, |sample| sample.process_cpu_ms);
    let json = to_json(&names, &programs);
    Outcome { engines: names, programs, correct, json }
}

/// The samples, and the engines that failed; a failure ends an engine's part in the program.
fn measure_program(
    program: &Program,
    size: Size,
    engines: &[&Engine],
    rounds: usize,
) -> (Measured, Vec<usize>) {
    let mut samples = vec![Vec::new(); engines.len()];
    let mut failed = Vec::new();
    for _ in 0..rounds {
        for (index, engine) in engines.iter().enumerate() {
            if failed.contains(&index) {
                continue;
            }
            match checked_run(engine, program, size) {
                Ok(sample) => samples[index].push(sample),
                Err(error) => {
                    eprintln!("{} on {}: {error:#}", program.name, engine.name);
                    samples[index].clear();
                    failed.push(index);
                }
            }
        }
    }
    (Measured { name: program.name.clone(), samples }, failed)
}

fn checked_run(engine: &Engine, program: &Program, size: Size) -> anyhow::Result<RunSample> {
    let sample = engine.run(&program.module, program.args(size))?;
    let (printed, expected) = (sample.stdout.trim(), program.output(size));
    anyhow::ensure!(printed == expected, "printed {printed}, expected {expected}");
    Ok(sample)
}

fn print(title: &str, engines: &[String], programs: &[Measured], figure: Figure) {
    let first = &engines[0];
    let mut head = vec!["program".to_owned(), format!("{first} ms")];
    for engine in &engines[1..] {
        head.push(format!("{engine} ms"));
        head.push(format!("{first} / {engine}"));
    }
    let mut table = Table::new(title, head);
    for program in programs {
        let mut row = vec![program.name.clone(), milliseconds(&program.samples[0], figure)];
        for peer in 1..engines.len() {
            row.push(milliseconds(&program.samples[peer], figure));
            row.push(show(Estimate::of(&program.ratios(peer, figure))));
        }
        table.row(row);
    }
    let mut means = vec!["geometric mean".to_owned(), String::new()];
    for peer in 1..engines.len() {
        means.push(String::new());
        means.push(show(mean_ratio(programs, peer, figure)));
    }
    table.row(means);
    table.print();
}

impl Measured {
    /// Per round, the first engine's figure over the peer's.
    fn ratios(&self, peer: usize, figure: Figure) -> Vec<f64> {
        let pairs = self.samples[0].iter().zip(&self.samples[peer]);
        pairs.map(|(first, other)| figure(first) / figure(other)).collect()
    }

    /// The median CPU time of the timed region.
    pub(crate) fn median_ms(&self, engine: usize) -> Option<f64> {
        let times: Vec<f64> = self.samples[engine].iter().map(|s| s.bench_cpu_ms).collect();
        Estimate::of(&times).map(|estimate| estimate.median)
    }
}

/// The geometric mean over the programs that both engines ran, one per round.
fn mean_ratio(programs: &[Measured], peer: usize, figure: Figure) -> Option<Estimate> {
    let ratios: Vec<Vec<f64>> = programs
        .iter()
        .map(|program| program.ratios(peer, figure))
        .filter(|ratios| !ratios.is_empty())
        .collect();
    let rounds = ratios.iter().map(Vec::len).min()?;
    let means: Vec<f64> =
        (0..rounds).map(|round| geometric_mean(ratios.iter().map(|r| r[round]))).collect();
    Estimate::of(&means)
}

fn milliseconds(samples: &[RunSample], figure: Figure) -> String {
    let figures: Vec<f64> = samples.iter().map(figure).collect();
    Estimate::of(&figures).map_or_else(|| "-".to_owned(), |e| format!("{:.1}", e.median))
}

fn show(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "-".to_owned(), |estimate| estimate.to_string())
}

fn to_json(engines: &[String], programs: &[Measured]) -> Value {
    let all = |samples: &[RunSample], figure: Figure| -> Vec<f64> {
        samples.iter().map(figure).collect()
    };
    let rows = programs.iter().flat_map(|program| {
        engines.iter().zip(&program.samples).map(move |(engine, samples)| {
            json!({
                "program": program.name,
                "engine": engine,
                "bench_cpu_ms": all(samples, |sample| sample.bench_cpu_ms),
                "bench_wall_ms": all(samples, |sample| sample.bench_wall_ms),
                "process_cpu_ms": all(samples, |sample| sample.process_cpu_ms),
            })
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(milliseconds: f64) -> RunSample {
        RunSample {
            bench_cpu_ms: milliseconds,
            bench_wall_ms: milliseconds,
            process_cpu_ms: milliseconds,
            stdout: String::new(),
        }
    }

    #[test]
    fn ratios_pair_the_runs_of_one_round() {
        let samples = vec![vec![sample(2.0), sample(6.0)], vec![sample(1.0), sample(2.0)]];
        let program = Measured { name: "p".into(), samples };
        assert_eq!(program.ratios(1, |sample| sample.bench_cpu_ms), [2.0, 3.0]);
        let mean = mean_ratio(&[program], 1, |sample| sample.bench_cpu_ms).unwrap();
        assert!((mean.median - 2.5).abs() < 1e-12);
    }

    #[test]
    fn programs_that_one_engine_cannot_run_are_left_out() {
        let program = Measured { name: "p".into(), samples: vec![vec![sample(1.0)], vec![]] };
        assert_eq!(mean_ratio(&[program], 1, |sample| sample.bench_cpu_ms), None);
    }
}
