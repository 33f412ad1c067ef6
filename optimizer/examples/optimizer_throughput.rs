//! Compiles every function of the given modules on one thread and prints the speed.
//!
//! `cargo run --release -p upshift-optimizer --example optimizer_throughput -- [--verify] [--quick] FILE.wasm…`
//!
//! With `--verify` it checks all intermediate code and compiles every loop as an OSR body, too.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;
use upshift_optimizer::{Compiler, Effort, Entry, Request};

fn main() {
    let (flags, paths): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    let effort = if has("--quick") { Effort::Quick } else { Effort::Full };
    for path in paths {
        match measure(&path, has("--verify"), effort) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
}

fn measure(path: &str, verify: bool, effort: Effort) -> Result<String, Box<dyn std::error::Error>> {
    let bytes = std::fs::read(path)?;
    let options = DecodeOptions {
        features: wasmparser::WasmFeatures::default(),
        objects: true,
        parallel: true,
    };
    let module = decode(&bytes, &options)?;
    let layout = InstanceLayout::of(&module);
    let config = CodegenConfig { verify, ..CodegenConfig::default() };
    let mut compiler = Compiler::new();
    let (mut code_bytes, mut bodies, mut failures) = (0, 0, 0);
    let start = cpu_time();
    for func in 0..module.bodies.len() {
        let func = DefinedFuncIndex::new(func);
        let input = FunctionInput::new((&module, &bytes), &layout, func, &config);
        let body = &module.bodies[func.index()];
        let loops = body.loops.iter().filter(|_| verify).map(|scan| scan.offset);
        let loops = loops.map(|offset| offset + u32::try_from(body.range.start).unwrap_or(0));
        let entries = loops.map(|offset| Entry::Loop { offset });
        for entry in std::iter::once(Entry::Function).chain(entries) {
            bodies += 1;
            match compiler.compile(&input, Request { entry, effort }) {
                Ok(compiled) => code_bytes += compiled.code.len(),
                Err(error) => {
                    failures += 1;
                    eprintln!("{entry:?}: {error}");
                }
            }
        }
    }
    let time = cpu_time() - start;
    let section = module.code_section.len() as f64;
    Ok(format!(
        "{path}: {bodies} bodies, {failures} failures, {:.3} MB/s of code section, {:.2} bytes out per byte in",
        section / 1e6 / time.as_secs_f64(),
        code_bytes as f64 / section,
    ))
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
