//! Measures what decoding costs beside plain validation:
//! `cargo run --release -p upshift-abi --example decode_speed -- FILES…`
//!
//! Both run on one thread, alternately, and the best of several rounds counts.

use std::error::Error;
use std::time::{Duration, Instant};
use upshift_abi::decode::{DecodeOptions, decode};
use wasmparser::{Validator, WasmFeatures};

/// Rounds per file.
const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let features = WasmFeatures::all();
    let options = DecodeOptions { features, objects: true, parallel: false };
    println!(
        "{:>9} {:>9} {:>9} {:>7} {:>8}  file",
        "bytes", "validate", "decode", "ratio", "loops"
    );
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let (mut plain, mut whole) = (Duration::MAX, Duration::MAX);
        let mut loops = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            Validator::new_with_features(features).validate_all(&bytes)?;
            plain = plain.min(start.elapsed());
            let start = Instant::now();
            let module = decode(&bytes, &options)?;
            whole = whole.min(start.elapsed());
            loops = module.bodies.iter().map(|body| body.loops.len()).sum();
        }
        let mb_per_s = |time: Duration| bytes.len() as f64 / 1e6 / time.as_secs_f64();
        let ratio = whole.as_secs_f64() / plain.as_secs_f64();
        println!(
            "{:>9} {:>6.0}/s {:>6.0}/s {ratio:>7.3} {loops:>8}  {path}",
            bytes.len(),
            mb_per_s(plain),
            mb_per_s(whole),
        );
    }
    Ok(())
}
