//! Instances per second: instantiate a small module, call an export, drop the instance.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::comparison::show;
use crate::engine::Engine;
use crate::report::Report;
use crate::stats::Estimate;
use crate::svg::bars::{Bars, Group};
use crate::table::Table;

/// Instances per process.
const REPEAT: usize = 20_000;

/// Measures all engines in interleaved rounds and prints the table.
pub(crate) fn measure(upshift: &Engine, peers: &[Engine], rounds: usize) -> Report {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules/small.wasm");
    let engines: Vec<&Engine> = std::iter::once(upshift).chain(peers).collect();
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); engines.len()];
    for round in 0..rounds {
        eprintln!("instantiating, round {} of {rounds}", round + 1);
        for (index, engine) in engines.iter().enumerate() {
            match engine.instantiate(&module, "run", REPEAT) {
                Ok(microseconds) => samples[index].push(microseconds),
                Err(error) => eprintln!("{}: {error:#}", engine.name),
            }
        }
    }
    let head = vec!["engine".to_owned(), "µs".to_owned()];
    let mut table = Table::new("Instantiate, call and drop a small module, CPU time", head);
    let mut json = Map::new();
    let mut medians = Vec::new();
    for (engine, samples) in engines.iter().zip(&samples) {
        let estimate = Estimate::of(samples);
        table.row(vec![engine.name.clone(), show(estimate)]);
        medians.push(estimate.map(|estimate| estimate.median));
        json.insert(engine.name.clone(), json!(samples));
    }
    table.print();
    let names: Vec<String> = engines.iter().map(|engine| engine.name.clone()).collect();
    let groups = vec![Group { name: "a small module".to_owned(), figures: medians }];
    let title = "CPU time of an instance, as a multiple of the least";
    let image = Bars { title, unit: "µs", engines: &names, groups }.draw();
    Report::new(Value::Object(json), Some(image))
}
