//! Real programs, named by a manifest, on all engines: what the run took, what the whole process
//! took, and its memory, in one table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::comparison::{Figure, mean_ratio, show, show_number};
use crate::engine::{Engine, RunSample};
use crate::manifest::{self, Expected, RealProgram};
use crate::report::Report;
use crate::rounds::{self, Measured};
use crate::sha256;
use crate::stats::Estimate;
use crate::svg::bars::{Bars, Group};
use crate::table::Table;

/// The columns: title, figure, digits behind the point.
const COLUMNS: [(&str, Figure, usize); 4] = [
    ("run CPU s", |sample| Some(sample.call.cpu_ms / 1e3), 2),
    ("run wall s", |sample| Some(sample.call.wall_ms / 1e3), 2),
    ("total CPU s", TOTAL, 2),
    ("peak RSS MB", |sample| sample.peak_rss_bytes.map(|bytes| bytes / 1e6), 0),
];

const RUN: Figure = |sample| Some(sample.call.cpu_ms);
/// Of the kernel, so that the process's end is in it.
const TOTAL: Figure = |sample| Some(sample.kernel_cpu_ms / 1e3);

/// Runs the programs of a manifest and prints the table; nothing without a manifest.
pub(crate) fn measure(
    manifest: Option<&Path>,
    filter: Option<&str>,
    tiers: &[Engine],
    peers: &[Engine],
    rounds: usize,
) -> Result<Report> {
    let Some(manifest) = manifest else {
        println!("\nReal programs: none, give --real FILE (see benches/README.md)");
        return Ok(Report::new(Value::Null, None));
    };
    let engines: Vec<&Engine> = tiers.iter().chain(peers).collect();
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let mut programs = Vec::new();
    for program in manifest::load(manifest)? {
        if filter.is_some_and(|part| !program.name.contains(part)) {
            continue;
        }
        eprintln!("running {}", program.name);
        let seen = Seen::default();
        let run = |engine: &Engine| checked_run(engine, &program, &seen);
        programs.push(rounds::take(&program.name, &engines, rounds, run));
    }
    print(&programs, &names);
    Ok(Report {
        json: to_json(&programs, &names),
        image: Some(draw(&programs, &names)),
        correct: programs.iter().all(|program| program.succeeded(tiers.len())),
    })
}

/// Runs the programs of the example once, without peers.
pub(crate) fn check(engine: &Engine) -> Result<()> {
    for program in manifest::load(Path::new(env!("CARGO_MANIFEST_DIR")))? {
        checked_run(engine, &program, &Seen::default()).with_context(|| program.name)?;
    }
    Ok(())
}

/// The digests of what the first run printed and wrote, by the output's name.
type Seen = RefCell<BTreeMap<String, String>>;

/// Runs a program without what an earlier run left, and checks what comes of it.
fn checked_run(engine: &Engine, program: &RealProgram, seen: &Seen) -> Result<RunSample> {
    for path in program.files.keys() {
        remove(path)?;
    }
    let sample = engine.run(&program.invocation)?;
    compare("standard output", &sample.stdout, &program.stdout, seen)?;
    for (path, expected) in &program.files {
        let name = path.display().to_string();
        let content = fs::read(path).with_context(|| format!("it has not written {name}"))?;
        compare(&name, &content, expected, seen)?;
    }
    Ok(sample)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            bail!("cannot remove {}: {error}", path.display())
        }
        _ => Ok(()),
    }
}

fn compare(name: &str, content: &[u8], expected: &Expected, seen: &Seen) -> Result<()> {
    let digest = sha256::hex(content);
    let mut seen = seen.borrow_mut();
    let expected = match expected {
        Expected::Any => return Ok(()),
        Expected::Digest(digest) => digest,
        Expected::Same => seen.entry(name.to_owned()).or_insert_with(|| digest.clone()),
    };
    ensure!(&digest == expected, "{name} has the SHA-256 digest {digest}, expected {expected}");
    Ok(())
}

/// A row per program and engine; below them the means, then who could not run what.
fn print(programs: &[Measured<RunSample>], engines: &[String]) {
    let first = &engines[0];
    let mut head = vec!["program".to_owned(), "engine".to_owned()];
    head.extend(COLUMNS.map(|(title, ..)| title.to_owned()));
    head.push(format!("{first}'s run CPU / this"));
    head.push(format!("{first}'s total CPU / this"));
    let mut table = Table::new("Real programs", head);
    for program in programs {
        for (engine, name) in engines.iter().enumerate() {
            let mut row = vec![program.name.clone(), name.clone()];
            row.extend(
                COLUMNS
                    .map(|(_, figure, digits)| show_number(program.median(engine, figure), digits)),
            );
            let ratio = |figure| show(Estimate::of(&program.ratios(engine, figure)));
            row.extend(if engine == 0 { Default::default() } else { [RUN, TOTAL].map(ratio) });
            table.row(row);
        }
    }
    for (engine, name) in engines.iter().enumerate().skip(1) {
        let mut row = vec!["geometric mean".to_owned(), name.clone()];
        row.extend(COLUMNS.map(|_| String::new()));
        row.extend([RUN, TOTAL].map(|figure| show(mean_ratio(programs, engine, figure))));
        table.row(row);
    }
    table.print();
    for program in programs {
        for (name, failure) in engines.iter().zip(&program.failures) {
            if let Some(failure) = failure {
                println!("{} on {name}: {failure}", program.name);
            }
        }
    }
}

fn draw(programs: &[Measured<RunSample>], engines: &[String]) -> String {
    let groups = programs.iter().map(|program| Group {
        name: program.name.clone(),
        figures: (0..engines.len()).map(|engine| program.median(engine, TOTAL)).collect(),
    });
    let title = "CPU time of the whole process, as a multiple of the least";
    Bars { title, unit: "s", engines, groups: groups.collect() }.draw()
}

fn to_json(programs: &[Measured<RunSample>], engines: &[String]) -> Value {
    let rows = programs.iter().flat_map(|program| {
        engines.iter().enumerate().map(move |(engine, name)| {
            let all = |figure: Figure| program.figures(engine, figure);
            json!({
                "program": program.name,
                "engine": name,
                "failure": program.failures[engine],
                "run_cpu_ms": all(RUN),
                "run_wall_ms": all(|sample| Some(sample.call.wall_ms)),
                "process_cpu_ms": all(|sample| Some(sample.process_cpu_ms)),
                "kernel_cpu_ms": all(|sample| Some(sample.kernel_cpu_ms)),
                "peak_rss_bytes": all(|sample| sample.peak_rss_bytes),
            })
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_compared_with_the_first_one_or_a_digest() {
        let seen = Seen::default();
        let check = |content: &[u8], expected: &Expected| compare("o", content, expected, &seen);
        check(b"one", &Expected::Same).unwrap();
        check(b"one", &Expected::Same).unwrap();
        assert!(check(b"other", &Expected::Same).unwrap_err().to_string().contains("SHA-256"));
        check(b"other", &Expected::Any).unwrap();
        check(b"abc", &Expected::Digest(sha256::hex(b"abc"))).unwrap();
        assert!(check(b"abd", &Expected::Digest(sha256::hex(b"abc"))).is_err());
    }
}
