//! Compiles every function of the given modules on one thread and prints the speed.
//!
//! `cargo run --release -p upshift-baseline --example throughput -- FILE.wasm…`

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;
use upshift_baseline::Compiler;

/// Runs of each measurement; the fastest counts.
const RUNS: usize = 5;

fn main() {
    for path in std::env::args().skip(1) {
        match measure(&path) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
}

fn measure(path: &str) -> Result<String, Box<dyn std::error::Error>> {
    let bytes = std::fs::read(path)?;
    let options = DecodeOptions {
        features: wasmparser::WasmFeatures::default(),
        objects: true,
        parallel: false,
    };
    let mut decoding = Duration::MAX;
    let mut compiling = Duration::MAX;
    let mut code_bytes = 0;
    let mut functions = 0;
    for _ in 0..RUNS {
        let start = cpu_time();
        let module = decode(&bytes, &options)?;
        decoding = decoding.min(cpu_time() - start);
        let layout = InstanceLayout::of(&module);
        let config = CodegenConfig::default();
        let mut compiler = Compiler::new();
        code_bytes = 0;
        functions = module.bodies.len();
        let start = cpu_time();
        for func in 0..functions {
            let func = DefinedFuncIndex::new(func);
            let input = FunctionInput::new((&module, &bytes), &layout, func, &config);
            code_bytes += compiler.compile(&input)?.code.len();
        }
        compiling = compiling.min(cpu_time() - start);
    }
    let rate = |time: Duration| bytes.len() as f64 / 1e6 / time.as_secs_f64();
    Ok(format!(
        "{path}: {functions} functions, validation {:.1} MB/s, compilation {:.1} MB/s, both {:.1} MB/s, {:.2} bytes out per byte in",
        rate(decoding),
        rate(compiling),
        rate(decoding + compiling),
        code_bytes as f64 / bytes.len() as f64,
    ))
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
