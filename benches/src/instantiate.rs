//! Instances per second: instantiate a small module, call an export, drop the instance.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::stats::Estimate;
use crate::table::Table;

/// Instances per process.
const REPEAT: usize = 20_000;

/// Measures all engines in interleaved rounds and prints the table.
pub(crate) fn measure(upshift: &Engine, peers: &[Engine], rounds: usize) -> Value {
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
    for (engine, samples) in engines.iter().zip(&samples) {
        let cell = Estimate::of(samples).map_or_else(|| "-".to_owned(), |e| e.to_string());
        table.row(vec![engine.name.clone(), cell]);
        json.insert(engine.name.clone(), json!(samples));
    }
    table.print();
    Value::Object(json)
}
