//! Checks of the profiler that take as long as one likes.
//!
//! ```text
//! cargo run --release -p upshift-tests --bin profiler -- accuracy 10    # seconds of CPU time
//! cargo run --release -p upshift-tests --bin profiler -- stress 600     # seconds, on two threads
//! ```
//!
//! The exit code says whether what was measured is good enough, and the process is still there.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use std::sync::atomic::Ordering;
use std::time::Duration;
use upshift_profiler::sampler::Source;
use upshift_tests::profiled::{accuracy, stress};

/// Most that the accounts of a function may differ, in percent points.
const MOST_POINTS: f64 = 2.0;
/// Most that the time of all samples may differ from the thread's, in percent.
const MOST_PERCENT: f64 = 3.0;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (what, seconds) = (args.next(), args.next());
    let seconds: f64 = seconds.context("give seconds")?.parse()?;
    let time = Duration::from_secs_f64(seconds);
    match what.as_deref() {
        Some("accuracy") => measure_accuracy(time),
        Some("stress") => measure_stress(time),
        _ => bail!("give `accuracy` or `stress`"),
    }
}

fn measure_accuracy(time: Duration) -> Result<()> {
    let mut good = true;
    for source in [Source::Perf, Source::Timer] {
        let found = match accuracy::measure(source, time) {
            Ok(found) => found,
            Err(error) => {
                println!("{source:?}: {error:#}");
                continue;
            }
        };
        println!("{}: {} samples", found.source, found.samples);
        for share in &found.shares {
            println!("  {:<16} {:>6.2} % {:>6.2} %", share.name, share.clock, share.sampled);
        }
        let [cpu, sampled] = found.cpu.map(|time| time.as_secs_f64());
        let percent = 100.0 * (sampled / cpu - 1.0);
        println!("  worst {:.2} points; all samples {percent:+.2} % of the thread", found.worst());
        good &= found.worst() <= MOST_POINTS && percent.abs() <= MOST_PERCENT;
    }
    if good { Ok(()) } else { bail!("the profile is not accurate") }
}

fn measure_stress(time: Duration) -> Result<()> {
    let totals = stress::run(2, time)?;
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let [timer, kernel] = totals.samples.each_ref().map(read);
    println!(
        "{} modules; {timer} samples by timer, {kernel} by the best source; {} in machine code; {} lost",
        read(&totals.modules),
        read(&totals.machine_code),
        read(&totals.lost)
    );
    Ok(())
}
