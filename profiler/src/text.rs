//! The report for people.

use crate::printable;
use crate::profile::Category;
use crate::sampler::Clock;
use crate::summary::{Sampling, Summary};
use crate::tiers::sum;
use std::fmt::Write;

/// What a text report shows.
#[derive(Clone, Debug)]
pub struct Options {
    /// Functions of the table.
    pub top: usize,
    /// Only functions whose name contains this.
    pub function: Option<String>,
}

impl Options {
    /// Whether a function of this name is shown.
    pub(crate) fn shows(&self, name: &str) -> bool {
        self.function.as_ref().is_none_or(|part| name.contains(part))
    }
}

/// The report as text.
#[must_use]
pub fn report(summary: &Summary, options: &Options) -> String {
    let mut out = String::new();
    match &summary.sampling {
        Some(sampling) => {
            head(&mut out, summary, sampling);
            categories(&mut out, summary);
            functions(&mut out, summary, options);
            lines(&mut out, summary, options);
        }
        None => line(&mut out, "No samples were asked for."),
    }
    tier_table(&mut out, summary, options);
    out.push_str("\nCounters of the thread\n");
    for reading in &summary.counters {
        let value = reading.value.map_or("not available".to_owned(), |value| value.to_string());
        line(&mut out, &format!("  {:<18} {value}", reading.name));
    }
    out
}

/// Adds a line.
pub(crate) fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take anything");
}

/// A part of a whole in percent.
pub(crate) fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

fn head(out: &mut String, summary: &Summary, sampling: &Sampling) {
    line(out, &format!("Sampled by: {}", sampling.source));
    line(
        out,
        &format!(
            "{} samples in {:.0} ms ({:.0} ms of CPU time); {} per second{} asked, {:.0} reached; {} lost",
            summary.samples,
            sampling.wall_ms,
            sampling.cpu_ms,
            sampling.rate_asked,
            match sampling.rate_clock {
                Clock::Cpu => " of CPU time",
                Clock::Wall => "",
            },
            sampling.rate_reached,
            sampling.samples_lost
        ),
    );
}

fn categories(out: &mut String, summary: &Summary) {
    line(out, "\nTime by kind of code");
    let whole = summary.sampled_ms();
    for kind in &summary.kinds {
        let (name, time, share) = (kind.kind.name(), kind.self_ms, percent(kind.self_ms, whole));
        line(out, &format!("  {name:<10} {time:>9.1} ms {share:>6.1} %"));
    }
}

fn functions(out: &mut String, summary: &Summary, options: &Options) {
    line(out, "\n    self ms      %   total ms  tier       function");
    let whole = summary.sampled_ms();
    let shown = summary.functions.iter().filter(|row| options.shows(&row.name));
    for row in shown.take(options.top) {
        line(
            out,
            &format!(
                "  {:>9.1} {:>6.1} {:>10.1}  {:<9}  {}",
                row.self_ms,
                percent(row.self_ms, whole),
                row.total_ms,
                row.tier.name(),
                printable(&row.name)
            ),
        );
    }
}

/// Lines of source, when the module says any.
fn lines(out: &mut String, summary: &Summary, options: &Options) {
    if summary.lines.is_empty() {
        return;
    }
    line(out, "\n    self ms      %  line");
    let whole = summary.sampled_ms();
    for row in summary.lines.iter().take(options.top) {
        let (time, share) = (row.self_ms, percent(row.self_ms, whole));
        line(out, &format!("  {time:>9.1} {share:>6.1}  {}:{}", printable(&row.file), row.line));
    }
}

fn tier_table(out: &mut String, summary: &Summary, options: &Options) {
    let tiers = &summary.tiers;
    line(
        out,
        &format!(
            "\nTiers: {:.1} ms baseline compilation, {:.1} ms optimizing, {:.3} ms in {} slow paths of \
             counters, {} rejections, {} events lost",
            tiers.baseline_ms(),
            tiers.optimizer_ms(),
            tiers.slow_path_ms,
            tiers.slow_paths,
            tiers.rejections,
            tiers.lost
        ),
    );
    let shown = tiers.functions.iter().filter(|function| options.shows(&function.name));
    let mut optimized: Vec<_> =
        shown.filter(|function| function.optimizer_compile_ms > 0.0).collect();
    if optimized.is_empty() {
        return;
    }
    optimized.sort_by(|a, b| b.optimizer_compile_ms.total_cmp(&a.optimizer_compile_ms));
    line(out, "   compile ms  ready after ms  code bytes  osr  verdict           function");
    for function in optimized.into_iter().take(options.top) {
        line(
            out,
            &format!(
                "  {:>11.2} {:>15} {:>11} {:>4}  {:<16}  {}",
                function.optimizer_compile_ms,
                function.tier_up_ms.map_or("-".to_owned(), |ms| format!("{ms:.2}")),
                function.optimizer_code_bytes,
                function.osr_entries.len(),
                verdict(summary, function.index, function.optimizer_compile_ms),
                printable(&function.name)
            ),
        );
    }
}

/// Whether what the optimised code saved pays for its compilation: the baseline is taken to need
/// as much more time as it does on this project's benchmarks.
fn verdict(summary: &Summary, index: u32, compile_ms: f64) -> String {
    /// Time that baseline code takes, with that of optimised code as 1.
    const BASELINE_FACTOR: f64 = 1.4;
    if summary.sampling.is_none() {
        return "not sampled".to_owned();
    }
    let in_optimized = summary.functions.iter().filter(|row| {
        let optimized = matches!(row.tier, Category::Optimized | Category::Osr);
        row.index == Some(index) && optimized
    });
    let saved = sum(in_optimized.map(|row| row.self_ms)) * (BASELINE_FACTOR - 1.0);
    if saved >= compile_ms {
        format!("repaid {:.0}x", saved / compile_ms.max(0.001))
    } else {
        "not repaid".to_owned()
    }
}
