//! The warm-up curve: how much work a program has done `t` milliseconds after its process was
//! started, and how fast it is in the end.

mod wide;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::comparison::show_number;
use crate::engine::Engine;
use crate::invocation::Invocation;
use crate::progress::{self, Progress, Until};
use crate::report::Report;
use crate::rounds::{self, Measured};
use crate::stats::{Estimate, geometric_mean};
use crate::svg::lines::{Lines, Panel};
use crate::table::Table;

/// The programs of the suite, and sizes that make one unit 0.1 to 0.3 ms of optimized code.
const PROGRAMS: [(&str, &str); 5] =
    [("gemm", "64"), ("recursion", "20"), ("interpreter", "200"), ("lz", "16"), ("markdown", "60")];

/// The points of a decade at which the tables tell the work, and those of the images.
const TABLE_POINTS: [f64; 3] = [1.0, 2.0, 5.0];
const IMAGE_POINTS: [f64; 12] = [1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.5];

/// The program that is made up.
const WIDE: &str = "wide";

/// Runs all programs for `time` and prints the tables.
pub(crate) fn measure(
    filter: Option<&str>,
    tiers: &[Engine],
    peers: &[Engine],
    time: Duration,
    rounds: usize,
) -> Result<Report> {
    let engines: Vec<&Engine> = tiers.iter().chain(peers).collect();
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let until = Until { time, units: usize::MAX };
    let mut programs = Vec::new();
    for (name, invocation) in invocations(filter)? {
        eprintln!("warming up {name}");
        // What the first engine to print something printed.
        let mut expected = None;
        programs.push(rounds::take(name, &engines, rounds, |engine| {
            let progress = progress::observe(engine, &invocation, until)?;
            if let Some(letter) = progress.letter {
                ensure!(*expected.get_or_insert(letter) == letter, "its work has another result");
            }
            Ok(progress)
        }));
    }
    let end = time.as_secs_f64() * 1e3;
    for program in &programs {
        print(program, &names, end);
    }
    print_ratios(&programs, &names, end);
    fs::remove_file(wide_path()).ok();
    Ok(Report {
        json: to_json(&programs, &names, end),
        image: Some(draw(&programs, &names, end)),
        correct: programs.iter().all(|program| program.succeeded(tiers.len())),
    })
}

/// Does a little work of the first program, without peers and without measuring anything.
pub(crate) fn check(engine: &Engine) -> Result<()> {
    const FEW: Until = Until { time: Duration::from_secs(60), units: 5 };
    let (name, size) = PROGRAMS[0];
    let progress = progress::observe(engine, &program(name, size), FEW)?;
    progress.letter.context("no work was done")?;
    ensure!(progress.total() >= FEW.units, "only {} units of work", progress.total());
    Ok(())
}

/// The programs whose name contains the filter.
fn invocations(filter: Option<&str>) -> Result<Vec<(&'static str, Invocation)>> {
    let is_wanted = |name: &str| filter.is_none_or(|part| name.contains(part));
    let suite = PROGRAMS.into_iter().filter(|program| is_wanted(program.0));
    let mut programs: Vec<_> = suite.map(|(name, size)| (name, program(name, size))).collect();
    if is_wanted(WIDE) {
        let path = wide_path();
        fs::write(&path, wat::parse_str(wide::text())?).context("cannot write a module")?;
        programs.push((WIDE, Invocation::new(&path, &[])));
    }
    Ok(programs)
}

/// The file of the program that is made up; it goes at the end.
fn wide_path() -> PathBuf {
    std::env::temp_dir().join(format!("upshift-benches-{}.wasm", std::process::id()))
}

fn program(name: &str, size: &str) -> Invocation {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/curves");
    Invocation::new(&dir.join(name).with_extension("wasm"), &[size.to_owned()])
}

/// The points of all decades up to `end`, and `end` itself.
fn points(decade: &[f64], end: f64) -> Vec<f64> {
    let decades = (0..).map(|power| 10_f64.powi(power)).take_while(|&start| start < end);
    let mut points: Vec<f64> = decades
        .flat_map(|start| decade.iter().map(move |point| point * start))
        .filter(|&point| point < end)
        .collect();
    points.push(end);
    points
}

impl Measured<Progress> {
    /// The median of the work done by then; [`None`] if the engine failed.
    fn work(&self, engine: usize, ms: f64) -> Option<f64> {
        let work: Vec<f64> = self.samples[engine].iter().map(|sample| sample.work(ms)).collect();
        Estimate::of(&work).map(|estimate| estimate.median)
    }

    /// Units of work per millisecond in the second half of the time.
    fn speed(&self, engine: usize, end: f64) -> Option<f64> {
        let half = end / 2.0;
        let speed = |sample: &Progress| (sample.work(end) - sample.work(half)) / half;
        let speeds: Vec<f64> = self.samples[engine].iter().map(speed).collect();
        Estimate::of(&speeds).map(|estimate| estimate.median)
    }

    /// The first engine's work over the peer's, while both have done some.
    fn ratio(&self, peer: usize, ms: f64) -> Option<f64> {
        let (first, other) = (self.work(0, ms)?, self.work(peer, ms)?);
        (first > 0.0 && other > 0.0).then(|| first / other)
    }
}

fn print(program: &Measured<Progress>, engines: &[String], end: f64) {
    let mut head = vec!["ms".to_owned()];
    head.extend_from_slice(engines);
    let title = format!("{}: units of work done after t ms", program.name);
    let mut table = Table::new(&title, head);
    for ms in points(&TABLE_POINTS, end) {
        let mut row = vec![format!("{ms}")];
        row.extend((0..engines.len()).map(|engine| show_number(program.work(engine, ms), 0)));
        table.row(row);
    }
    let mut row = vec!["per ms, in the second half".to_owned()];
    row.extend((0..engines.len()).map(|engine| show_number(program.speed(engine, end), 2)));
    table.row(row);
    table.print();
}

/// Geometric means over the programs on which both engines have done some work by then, if
/// that is more than half of those that both can run.
fn print_ratios(programs: &[Measured<Progress>], engines: &[String], end: f64) {
    let mut head = vec!["ms".to_owned()];
    head.extend(engines[1..].iter().map(|engine| format!("{} / {engine}", engines[0])));
    let title = "Work done after t ms, geometric means of ratios: above 1 is more than the peer's";
    let mut table = Table::new(title, head);
    for ms in points(&TABLE_POINTS, end) {
        let mut row = vec![format!("{ms}")];
        row.extend((1..engines.len()).map(|peer| show_number(mean_ratio(programs, peer, ms), 2)));
        table.row(row);
    }
    table.print();
}

fn mean_ratio(programs: &[Measured<Progress>], peer: usize, ms: f64) -> Option<f64> {
    let ran = programs
        .iter()
        .filter(|program| [0, peer].iter().all(|&engine| !program.samples[engine].is_empty()));
    let ratios: Vec<f64> = programs.iter().filter_map(|program| program.ratio(peer, ms)).collect();
    (2 * ratios.len() > ran.count()).then(|| geometric_mean(ratios))
}

fn draw(programs: &[Measured<Progress>], engines: &[String], end: f64) -> String {
    let line = |program: &Measured<Progress>, engine| -> Vec<(f64, f64)> {
        let points = points(&IMAGE_POINTS, end).into_iter();
        points.filter_map(|ms| Some((ms, program.work(engine, ms)?))).collect()
    };
    let panels = programs.iter().map(|program| Panel {
        name: program.name.clone(),
        lines: (0..engines.len()).map(|engine| line(program, engine)).collect(),
    });
    let (title, x) = ("Work done since the process was started", "ms since the start");
    Lines { title, x, y: "units of work", engines, panels: panels.collect() }.draw()
}

fn to_json(programs: &[Measured<Progress>], engines: &[String], end: f64) -> Value {
    let times = points(&IMAGE_POINTS, end);
    let rows = programs.iter().flat_map(|program| {
        engines.iter().enumerate().map(|(engine, name)| {
            let work = |sample: &Progress| -> Vec<f64> {
                times.iter().map(|&ms| sample.work(ms)).collect()
            };
            let rounds: Vec<Vec<f64>> = program.samples[engine].iter().map(work).collect();
            json!({
                "program": program.name,
                "engine": name,
                "failure": program.failures[engine],
                "work": rounds,
            })
        })
    });
    let rows: Vec<Value> = rows.collect();
    json!({ "ms": times, "programs": rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Work as a function of the time, on each of two engines.
    fn measured(first: &[(f64, usize)], other: &[(f64, usize)]) -> Measured<Progress> {
        let samples = [first, other].map(|steps| vec![Progress::of(steps)]).into();
        Measured { name: "p".into(), samples, failures: vec![None, None] }
    }

    #[test]
    fn points_fill_the_decades_up_to_the_end() {
        assert_eq!(points(&TABLE_POINTS, 30.0), [1.0, 2.0, 5.0, 10.0, 20.0, 30.0]);
        assert_eq!(points(&TABLE_POINTS, 10.0), [1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn the_speed_is_that_of_the_second_half() {
        let program = measured(&[(10.0, 1), (50.0, 2), (90.0, 12)], &[]);
        assert_eq!(program.speed(0, 100.0), Some(10.0 / 50.0));
    }

    #[test]
    fn there_is_no_ratio_before_both_have_worked() {
        let programs = [measured(&[(10.0, 4)], &[(20.0, 2)])];
        assert_eq!(mean_ratio(&programs, 1, 10.0), None);
        assert_eq!(mean_ratio(&programs, 1, 20.0), Some(2.0));
    }
}
