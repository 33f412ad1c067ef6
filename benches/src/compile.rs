//! Compile throughput: CPU time to validate and compile every function on one thread.
//!
//! The files come from `--compile DIR`, as they are large and not part of this repository.
//! Each engine compiles a file a few times in one process, in interleaved rounds; its figure
//! is the best of all, and the ratio that of the megabytes per CPU second.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::engine::{CompileSample, Engine};
use crate::report::Report;
use crate::stats::{Estimate, geometric_mean};
use crate::svg::bars::{Bars, Group};
use crate::table::Table;

/// Repetitions within one process: the first one pays for cold caches and page faults.
const REPEAT: usize = 3;

/// Bytes of a megabyte, as throughput is told in decimal.
const MEGABYTE: f64 = 1e6;

/// One file on every engine.
struct Row {
    name: String,
    file_bytes: f64,
    code_section_bytes: Option<f64>,
    best_cpu_ms: Vec<Option<f64>>,
}

/// Compiles all files and prints the table; nothing without a directory.
pub(crate) fn measure(
    dir: Option<&Path>,
    filter: Option<&str>,
    tiers: &[Engine],
    peers: &[Engine],
    rounds: usize,
) -> Result<Report> {
    let Some(dir) = dir else {
        println!("\nCompile throughput: no files, give --compile DIR");
        return Ok(Report::new(Value::Null, None));
    };
    let engines: Vec<&Engine> = tiers.iter().chain(peers).collect();
    let mut rows = Vec::new();
    for path in modules(dir, filter)? {
        eprintln!("compiling {}", path.display());
        rows.push(measure_file(&path, &engines, rounds)?);
    }
    print(&rows, &engines);
    Ok(Report::new(to_json(&rows, &engines), Some(draw(&rows, &engines))))
}

fn modules(dir: &Path, filter: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let is_module = path.extension().is_some_and(|extension| extension == "wasm");
        if is_module && filter.is_none_or(|part| stem(&path).contains(part)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn measure_file(path: &Path, engines: &[&Engine], rounds: usize) -> Result<Row> {
    let mut samples: Vec<Option<Vec<CompileSample>>> = vec![Some(Vec::new()); engines.len()];
    for _ in 0..rounds {
        for (engine, slot) in engines.iter().zip(&mut samples) {
            let Some(taken) = slot else { continue };
            match engine.compile(path, REPEAT) {
                Ok(sample) => taken.push(sample),
                Err(error) => {
                    eprintln!("{} on {}: {error:#}", stem(path), engine.name);
                    *slot = None;
                }
            }
        }
    }
    let best = |samples: &Option<Vec<CompileSample>>| {
        samples.iter().flatten().map(|sample| sample.cpu_ms).min_by(f64::total_cmp)
    };
    Ok(Row {
        name: stem(path),
        file_bytes: fs::metadata(path)?.len() as f64,
        code_section_bytes: samples.iter().flatten().flatten().find_map(|s| s.code_section_bytes),
        best_cpu_ms: samples.iter().map(best).collect(),
    })
}

impl Row {
    fn throughput(&self, engine: usize) -> Option<f64> {
        self.best_cpu_ms[engine].map(|ms| self.file_bytes / MEGABYTE / (ms / 1e3))
    }

    /// The first engine's megabytes of code section per CPU second.
    fn code_throughput(&self) -> Option<f64> {
        Some(self.code_section_bytes? / MEGABYTE / (self.best_cpu_ms[0]? / 1e3))
    }

    fn ratio(&self, peer: usize) -> Option<f64> {
        Some(self.throughput(0)? / self.throughput(peer)?)
    }
}

fn print(rows: &[Row], engines: &[&Engine]) {
    let mut head = ["file", "MB", "MB of code", "code MB/s"].map(str::to_owned).to_vec();
    for (index, engine) in engines.iter().enumerate() {
        head.push(format!("{} MB/s", engine.name));
        if index > 0 {
            head.push("ratio".to_owned());
        }
    }
    let title = "Compile throughput: MB of file per CPU second, one thread, validation included";
    let mut table = Table::new(title, head);
    for row in rows {
        let code = row.code_section_bytes.map(|bytes| bytes / MEGABYTE);
        let mut cells = vec![row.name.clone(), show(Some(row.file_bytes / MEGABYTE)), show(code)];
        cells.push(show(row.code_throughput()));
        cells.extend(figures(engines.len(), |engine| row.throughput(engine), |p| row.ratio(p)));
        table.row(cells);
    }
    let all = |figure: &dyn Fn(&Row) -> Option<f64>| -> Vec<f64> {
        rows.iter().filter_map(figure).collect()
    };
    let median = |numbers: Vec<f64>| Estimate::of(&numbers).map(|estimate| estimate.median);
    let code = median(all(&Row::code_throughput));
    let mut cells = vec!["median".to_owned(), String::new(), String::new(), show(code)];
    cells.extend(figures(
        engines.len(),
        |engine| median(all(&|row| row.throughput(engine))),
        |peer| median(all(&|row| row.ratio(peer))),
    ));
    table.row(cells);
    let code = Some(geometric_mean(all(&Row::code_throughput)));
    let mut cells = vec!["geometric mean".to_owned(), String::new(), String::new(), show(code)];
    cells.extend(figures(
        engines.len(),
        |engine| Some(geometric_mean(all(&|row| row.throughput(engine)))),
        |peer| Some(geometric_mean(all(&|row| row.ratio(peer)))),
    ));
    table.row(cells);
    table.print();
}

/// One throughput per engine, followed by the ratio for every engine but the first.
fn figures(
    engines: usize,
    throughput: impl Fn(usize) -> Option<f64>,
    ratio: impl Fn(usize) -> Option<f64>,
) -> Vec<String> {
    let mut cells = Vec::new();
    for engine in 0..engines {
        cells.push(show(throughput(engine)));
        if engine > 0 {
            cells.push(show(ratio(engine)));
        }
    }
    cells
}

fn show(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"))
}

fn draw(rows: &[Row], engines: &[&Engine]) -> String {
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let groups =
        rows.iter().map(|row| Group { name: row.name.clone(), figures: row.best_cpu_ms.clone() });
    let title = "CPU time to compile, as a multiple of the least";
    Bars { title, unit: "ms", engines: &names, groups: groups.collect() }.draw()
}

fn to_json(rows: &[Row], engines: &[&Engine]) -> Value {
    let lines = rows.iter().map(|row| {
        let best: serde_json::Map<String, Value> = engines
            .iter()
            .zip(&row.best_cpu_ms)
            .map(|(engine, ms)| (engine.name.clone(), json!(ms)))
            .collect();
        json!({
            "file": row.name,
            "file_bytes": row.file_bytes,
            "code_section_bytes": row.code_section_bytes,
            "cpu_ms_min": best,
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_counts_bytes_of_the_file() {
        let row = Row {
            name: "m".into(),
            file_bytes: 3e6,
            code_section_bytes: None,
            best_cpu_ms: vec![Some(100.0), Some(300.0), None],
        };
        assert!((row.throughput(0).unwrap() - 30.0).abs() < 1e-9);
        assert!((row.ratio(1).unwrap() - 3.0).abs() < 1e-9);
        assert_eq!(row.ratio(2), None);
    }
}
