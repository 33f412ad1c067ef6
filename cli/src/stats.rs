//! Clocks, and the JSON files that `--stats` writes.

use crate::output::print;
use crate::units::milliseconds;
use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// What `upshift run --stats` writes. Times that were not taken are `null`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct RunStats {
    #[serde(flatten)]
    pub(crate) module: ModuleFigures,
    #[serde(flatten)]
    pub(crate) tiers: TierFigures,
    pub(crate) load_wall_ms: f64,
    pub(crate) load_cpu_ms: f64,
    pub(crate) instantiate_wall_ms: Option<f64>,
    pub(crate) run_wall_ms: Option<f64>,
    pub(crate) run_cpu_ms: Option<f64>,
    pub(crate) process_cpu_ms: f64,
    pub(crate) peak_rss_bytes: u64,
    #[serde(flatten)]
    pub(crate) gc: GcFigures,
    pub(crate) bench_wall_ms: Option<f64>,
    pub(crate) bench_cpu_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoke_wall_ms: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoke_cpu_ms: Option<Vec<f64>>,
}

/// Sizes of a module.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct ModuleFigures {
    pub(crate) file_bytes: u64,
    pub(crate) code_section_bytes: u64,
    pub(crate) functions: u64,
}

/// What the tiers did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct TierFigures {
    pub(crate) baseline_functions: u64,
    pub(crate) baseline_compile_cpu_ms: f64,
    pub(crate) baseline_code_bytes: u64,
    pub(crate) optimizer_functions: u64,
    pub(crate) optimizer_compile_cpu_ms: f64,
    pub(crate) optimizer_code_bytes: u64,
    pub(crate) osr_bodies: u64,
    pub(crate) osr_entries: u64,
}

/// What collections of garbage did; pauses are in CPU time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct GcFigures {
    pub(crate) gc_minor: u64,
    pub(crate) gc_major: u64,
    pub(crate) gc_pause_p50_us: f64,
    pub(crate) gc_pause_p99_us: f64,
    pub(crate) gc_pause_max_us: f64,
    pub(crate) gc_cpu_ms: f64,
    pub(crate) gc_heap_peak_bytes: u64,
}

impl GcFigures {
    /// What the store reports.
    pub(crate) fn of(stats: &upshift::GcStats) -> Self {
        let micros = |pause: Duration| milliseconds(pause) * 1e3;
        Self {
            gc_minor: stats.minor,
            gc_major: stats.major,
            gc_pause_p50_us: micros(stats.pause_p50),
            gc_pause_p99_us: micros(stats.pause_p99),
            gc_pause_max_us: micros(stats.pause_max),
            gc_cpu_ms: milliseconds(stats.total),
            gc_heap_peak_bytes: stats.heap_peak_bytes,
        }
    }
}

impl ModuleFigures {
    /// The sizes that the engine reports.
    pub(crate) fn of(stats: &upshift::ModuleStats) -> Self {
        Self {
            file_bytes: stats.file_bytes as u64,
            code_section_bytes: stats.code_section_bytes as u64,
            functions: stats.functions as u64,
        }
    }
}

impl TierFigures {
    /// What the engine reports.
    pub(crate) fn of(stats: &upshift::ModuleStats) -> Self {
        Self {
            baseline_functions: stats.baseline_functions as u64,
            baseline_compile_cpu_ms: milliseconds(stats.baseline_compile_cpu),
            baseline_code_bytes: stats.baseline_code_bytes as u64,
            optimizer_functions: stats.optimizer_functions as u64,
            optimizer_compile_cpu_ms: milliseconds(stats.optimizer_compile_cpu),
            optimizer_code_bytes: stats.optimizer_code_bytes as u64,
            osr_bodies: stats.osr_bodies as u64,
            osr_entries: stats.osr_entries,
        }
    }
}

/// Writes `stats` as one JSON object to the file at `path`, or to stdout for `-`.
pub(crate) fn write(path: &Path, stats: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(stats)?;
    text.push('\n');
    if path.as_os_str() == "-" {
        return print(&text);
    }
    std::fs::write(path, text)
        .with_context(|| format!("failed to write statistics to {}", path.display()))
}

/// Wall clock and CPU clock of a stretch of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    clock: ClockId,
    wall: Instant,
    cpu: Duration,
}

/// What a [`Stopwatch`] measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Elapsed {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Stopwatch {
    /// Counts the CPU time of the calling thread.
    pub(crate) fn of_thread() -> Self {
        Self::start(ClockId::ThreadCPUTime)
    }

    /// Counts the CPU time of all threads.
    pub(crate) fn of_process() -> Self {
        Self::start(ClockId::ProcessCPUTime)
    }

    fn start(clock: ClockId) -> Self {
        Self { clock, wall: Instant::now(), cpu: cpu_time(clock) }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Elapsed {
        Elapsed { wall: self.wall.elapsed(), cpu: cpu_time(self.clock).saturating_sub(self.cpu) }
    }
}

/// CPU time that the process has used so far, all threads.
pub(crate) fn process_cpu() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Largest resident set of the process so far, 0 when the kernel does not say.
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024)
}

/// The middle of some measurements (the lower one of an even number); 0 when there are none.
pub(crate) fn median(measurements: &[f64]) -> f64 {
    let mut sorted = measurements.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// The smallest of some measurements; 0 when there are none.
pub(crate) fn minimum(measurements: &[f64]) -> f64 {
    measurements.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_advance_and_memory_is_known() {
        let watch = Stopwatch::of_thread();
        let sum: u64 = std::hint::black_box((0..3_000_000_u64).map(|n| n * n).sum());
        assert!(sum > 0);
        let elapsed = watch.elapsed();
        assert!(elapsed.cpu > Duration::ZERO && elapsed.wall > Duration::ZERO);
        assert!(peak_rss_bytes() > 1 << 16);
    }

    #[test]
    fn summaries() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((minimum(&[3.0, 1.0, 2.0]) - 1.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }

    #[test]
    fn run_stats_have_the_documented_fields() {
        let text = serde_json::to_string(&RunStats::default()).unwrap();
        for field in [
            "file_bytes",
            "code_section_bytes",
            "functions",
            "load_wall_ms",
            "load_cpu_ms",
            "instantiate_wall_ms",
            "run_wall_ms",
            "run_cpu_ms",
            "process_cpu_ms",
            "baseline_functions",
            "baseline_compile_cpu_ms",
            "baseline_code_bytes",
            "optimizer_functions",
            "optimizer_compile_cpu_ms",
            "optimizer_code_bytes",
            "osr_bodies",
            "osr_entries",
            "peak_rss_bytes",
            "gc_minor",
            "gc_major",
            "gc_pause_p50_us",
            "gc_pause_p99_us",
            "gc_pause_max_us",
            "gc_cpu_ms",
            "gc_heap_peak_bytes",
            "bench_wall_ms",
            "bench_cpu_ms",
        ] {
            assert!(text.contains(&format!("\"{field}\":")), "{field}");
        }
    }
}
