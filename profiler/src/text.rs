//! The report for people.

use crate::counters::Reading;
use crate::printable;
use crate::profile::Profile;
use crate::tiers::TierReport;
use std::fmt::Write;
use std::time::Duration;

/// What a text report shows.
#[derive(Clone, Debug)]
pub struct Options {
    /// Functions of the table.
    pub top: usize,
    /// Only functions whose name contains this.
    pub function: Option<String>,
}

/// The report as text.
#[must_use]
pub fn report(
    profile: &Profile,
    tiers: &TierReport,
    counters: &[Reading],
    options: &Options,
) -> String {
    let mut out = String::new();
    head(&mut out, profile);
    categories(&mut out, profile);
    functions(&mut out, profile, options);
    tier_table(&mut out, profile, tiers, options);
    out.push_str("\nCounters of the thread\n");
    for reading in counters {
        let value = reading.value.map_or("not available".to_owned(), |value| value.to_string());
        line(&mut out, &format!("  {:<18} {value}", reading.name));
    }
    out
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take anything");
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn percent(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { 100.0 * part.as_secs_f64() / whole.as_secs_f64() }
}

fn head(out: &mut String, profile: &Profile) {
    line(out, &format!("Sampled by: {}", profile.source));
    line(
        out,
        &format!(
            "{} samples in {:.0} ms ({:.0} ms of CPU time); rate {} asked, {:.0} reached; {} lost",
            profile.samples.len(),
            ms(profile.wall),
            ms(profile.cpu),
            profile.rate,
            profile.reached_rate(),
            profile.lost
        ),
    );
}

fn categories(out: &mut String, profile: &Profile) {
    line(out, "\nTime by kind of code");
    for (category, time) in profile.by_category() {
        let share = percent(time, profile.sampled());
        line(out, &format!("  {:<10} {:>9.1} ms {share:>6.1} %", category.name(), ms(time)));
    }
}

fn functions(out: &mut String, profile: &Profile, options: &Options) {
    line(out, "\n    self ms      %   total ms  tier       function");
    let wanted = |name: &str| options.function.as_ref().is_none_or(|part| name.contains(part));
    let times = profile.times();
    let shown = times.iter().filter(|times| wanted(&profile.function(times.function).name));
    for times in shown.take(options.top) {
        let function = profile.function(times.function);
        line(
            out,
            &format!(
                "  {:>9.1} {:>6.1} {:>10.1}  {:<9}  {}",
                ms(times.own),
                percent(times.own, profile.sampled()),
                ms(times.total),
                function.category.name(),
                printable(&function.name)
            ),
        );
    }
}

fn tier_table(out: &mut String, profile: &Profile, tiers: &TierReport, options: &Options) {
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
    let mut optimized: Vec<_> =
        tiers.functions.iter().filter(|function| function.optimizer_compile_ms > 0.0).collect();
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
                verdict(profile, function.index, function.optimizer_compile_ms),
                printable(&function.name)
            ),
        );
    }
}

/// Whether what the optimised code saved pays for its compilation: the baseline is taken to need
/// as much more time as it does on this project's benchmarks.
fn verdict(profile: &Profile, index: u32, compile_ms: f64) -> String {
    /// Time that baseline code takes, with that of optimised code as 1.
    const BASELINE_FACTOR: f64 = 1.4;
    let in_optimized = profile.times().into_iter().filter(|times| {
        let function = profile.function(times.function);
        let optimized = matches!(function.category.name(), "optimized" | "osr");
        function.index == Some(index) && optimized
    });
    let spent = crate::tiers::sum(in_optimized.map(|times| ms(times.own)));
    let saved = spent * (BASELINE_FACTOR - 1.0);
    if saved >= compile_ms {
        format!("repaid {:.0}x", saved / compile_ms.max(0.001))
    } else {
        "not repaid".to_owned()
    }
}
