//! The report for people.

use crate::exceptions::Exceptions;
use crate::incidents::{Incident, What};
use crate::printable;
use crate::profile::Category;
use crate::sampler::Clock;
use crate::source::short;
use crate::summary::{Basis, Collector, Kind, Row, Sampling, Summary};
use crate::tiers::{TierReport, Unfinished, Waiting};
use crate::turns::Factor;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What a text report shows.
#[derive(Clone, Debug)]
pub struct Options {
    /// Functions of the table.
    pub top: usize,
    /// Only functions whose name contains this.
    pub function: Option<String>,
    /// Whether the names of tiers are coloured, for a terminal.
    pub colour: bool,
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
            if summary.samples == 0 {
                line(&mut out, "It took less CPU time than there is between two samples.");
            } else {
                threads(&mut out, summary);
                categories(&mut out, summary, options);
                functions(&mut out, summary, options);
                counts(&mut out, summary, options);
                lines(&mut out, summary, options);
            }
        }
        None => line(&mut out, "No samples were asked for."),
    }
    tier_table(&mut out, summary, options);
    turns(&mut out, summary, options);
    if let Some(collector) = &summary.collector {
        self::collector(&mut out, collector);
    }
    if let Some(exceptions) = &summary.exceptions {
        self::exceptions(&mut out, exceptions, options);
    }
    traps(&mut out, &summary.tiers.incidents, options);
    out.push_str("\nCounters of the thread\n");
    for reading in &summary.counters {
        let value = reading.value.map_or("not available".to_owned(), |value| value.to_string());
        line(&mut out, &format!("  {:<18} {value}", reading.name));
    }
    out
}

/// Rows of the table in [`screen`].
pub const SCREEN_ROWS: usize = 8;

/// What matters most, in fewer lines than a screen has.
#[must_use]
pub fn screen(summary: &Summary, options: &Options) -> String {
    let mut out = String::new();
    let options = Options { top: options.top.min(SCREEN_ROWS), ..options.clone() };
    if let Some(sampling) = summary.sampling.as_ref() {
        head(&mut out, summary, sampling);
        if summary.samples > 0 {
            categories(&mut out, summary, &options);
            functions(&mut out, summary, &options);
        }
    }
    tier_totals(&mut out, &summary.tiers);
    out
}

/// Adds a line.
pub(crate) fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take anything");
}

/// Characters of a name that a table shows at most.
const MOST_NAME: usize = 160;

/// A name that is safe to print, and no longer than a table bears.
pub(crate) fn shortened(name: &str) -> String {
    let mut shown: String = name.chars().take(MOST_NAME).collect();
    if shown.len() < name.len() {
        shown.push('…');
        shown.push_str(number(name));
    }
    printable(&shown)
}

/// What tells a function apart from others that are called so: `[3]`.
fn number(name: &str) -> &str {
    let found = name.rfind('[').map(|at| &name[at..]);
    let digits = |of: &&str| {
        let within = of.strip_prefix('[').and_then(|of| of.strip_suffix(']'));
        within.is_some_and(|of| !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_digit()))
    };
    found.filter(digits).unwrap_or_default()
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

/// The name of a tier in a column of this width.
fn tier(category: Category, width: usize, options: &Options) -> String {
    let name = format!("{:<width$}", category.name());
    if !options.colour {
        return name;
    }
    let (r, g, b) = category.colour();
    format!("\u{1b}[38;2;{r};{g};{b}m{name}\u{1b}[0m")
}

/// The threads, when there are several.
fn threads(out: &mut String, summary: &Summary) {
    if summary.threads.len() < 2 {
        return;
    }
    line(out, "\n     CPU ms  samples     lost  thread");
    for thread in &summary.threads {
        let (cpu, samples, lost) = (thread.cpu_ms, thread.samples, thread.lost);
        let (id, name) = (thread.id, printable(&thread.name));
        line(out, &format!("  {cpu:>9.1} {samples:>8} {lost:>8}  {name} ({id})"));
    }
}

fn categories(out: &mut String, summary: &Summary, options: &Options) {
    line(out, "\nTime by kind of code");
    let whole = summary.sampled_ms();
    // Threads that optimize are seldom sampled.
    let there = |kind: &&Kind| kind.kind != Category::Compiler || kind.self_ms > 0.0;
    for kind in summary.kinds.iter().filter(there) {
        let (name, time) = (tier(kind.kind, 10, options), kind.self_ms);
        let share = percent(time, whole);
        line(out, &format!("  {name} {time:>9.1} ms {share:>6.1} %"));
    }
}

/// What was counted in each kind of code, and in the functions where most of it was.
fn counts(out: &mut String, summary: &Summary, options: &Options) {
    let counted: BTreeSet<&String> =
        summary.kinds.iter().flat_map(|kind| kind.counts.keys()).collect();
    if counted.is_empty() {
        return;
    }
    let heads = counted.iter().map(|name| format!("{name:>17}")).collect::<String>();
    line(out, &format!("\n{heads}  tier       function"));
    let cells = |counts: &BTreeMap<String, u64>| {
        let cell = |name: &&String| format!("{:>17}", counts.get(*name).copied().unwrap_or(0));
        counted.iter().map(cell).collect::<String>()
    };
    let any = |counts: &BTreeMap<String, u64>| counts.values().any(|&count| count > 0);
    for kind in summary.kinds.iter().filter(|kind| any(&kind.counts)) {
        line(out, &format!("{}  {} (all)", cells(&kind.counts), tier(kind.kind, 9, options)));
    }
    let shown = summary.functions.iter().filter(|row| options.shows(&row.name) && any(&row.counts));
    for row in shown.take(options.top) {
        let (tier, name) = (tier(row.tier, 9, options), shown_name(row, summary));
        line(out, &format!("{}  {tier}  {name}", cells(&row.counts)));
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
                "  {:>9.1} {:>6.1} {:>10.1}  {}  {}",
                row.self_ms,
                percent(row.self_ms, whole),
                row.total_ms,
                tier(row.tier, 9, options),
                shown_name(row, summary)
            ),
        );
    }
}

/// The name of a function, and where it is when the module has it inlined only.
fn shown_name(row: &Row, summary: &Summary) -> String {
    let name = shortened(&row.name);
    let is_own = |other: &&Row| other.index == row.index && !other.inlined;
    match summary.functions.iter().find(is_own).filter(|_| row.inlined) {
        Some(own) => format!("{name} (inlined in {})", shortened(&own.name)),
        None => name,
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

fn collector(out: &mut String, collector: &Collector) {
    let Collector { minor, major, pauses_ms, longest_ms, peak_bytes } = collector;
    let counts = format!("{minor} collections of young objects, {major} of all");
    let pauses = format!("{pauses_ms:.1} ms in all, {longest_ms:.2} ms the longest");
    line(out, &format!("\nCollector: {counts}; {pauses}; at most {peak_bytes} bytes"));
}

fn exceptions(out: &mut String, exceptions: &Exceptions, options: &Options) {
    let Exceptions { thrown, caught, searching_ms, functions } = exceptions;
    let time =
        searching_ms.map_or_else(String::new, |ms| format!("; about {ms:.1} ms to find handlers"));
    line(out, &format!("\nExceptions: {thrown} thrown, {caught} caught{time}"));
    line(out, "      thrown     caught  function");
    let shown = functions.iter().filter(|function| options.shows(&function.name));
    for of in shown.take(options.top) {
        line(out, &format!("  {:>10} {:>10}  {}", of.thrown, of.caught, shortened(&of.name)));
    }
}

/// Traps that calls of the host ended with.
fn traps(out: &mut String, incidents: &[Incident], options: &Options) {
    let trap = |incident: &Incident| {
        let What::Traps { offset, .. } = incident.what else { return None };
        let place = offset.map(|offset| format!(" at {offset:#x}")).unwrap_or_default();
        let name = shortened(incident.name.as_deref().unwrap_or("the host"));
        let (at, title) = (incident.at_ms, printable(&incident.what.title()));
        Some(format!("\nAfter {at:.1} ms, {title}; in {name}{place}"))
    };
    incidents.iter().filter_map(trap).take(options.top).for_each(|text| line(out, &text));
}

/// What the tiers cost in all.
fn tier_totals(out: &mut String, tiers: &TierReport) {
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
    let (baseline, optimizer) = tiers.code_bytes();
    line(out, &format!("Machine code: {baseline} bytes of the baseline, {optimizer} optimized"));
    if let Some(Waiting { most, median_ms, longest_ms }) = tiers.waiting() {
        let begun = tiers.waits.len();
        line(
            out,
            &format!(
                "Queue: {begun} compilations begun, at most {most} waiting behind one; they waited \
                 {median_ms:.2} ms (median), {longest_ms:.2} ms (longest)"
            ),
        );
    }
    unfinished(out, tiers);
}

/// Compilations that came too late.
fn unfinished(out: &mut String, tiers: &TierReport) {
    if tiers.unfinished.is_empty() {
        return;
    }
    let of = |unfinished: &Unfinished| {
        let found = tiers.functions.iter().find(|function| function.index == unfinished.func);
        let name = found.map_or_else(String::new, |function| shortened(&function.name));
        format!("{name}, begun after {:.0} ms", unfinished.began_ms)
    };
    let all: Vec<String> = tiers.unfinished.iter().map(of).collect();
    line(out, &format!("Not compiled when the program ended: {}", all.join("; ")));
}

fn tier_table(out: &mut String, summary: &Summary, options: &Options) {
    let tiers = &summary.tiers;
    tier_totals(out, tiers);
    for (reason, count) in &tiers.rejected {
        line(out, &format!("  {count} rejected: {}", printable(reason)));
    }
    let shown = tiers.functions.iter().filter(|function| options.shows(&function.name));
    let mut optimized: Vec<_> =
        shown.filter(|function| function.optimizer_compile_ms > 0.0).collect();
    if optimized.is_empty() {
        return;
    }
    optimized.sort_by(|a, b| b.optimizer_compile_ms.total_cmp(&a.optimizer_compile_ms));
    line(
        out,
        "   compile ms  waited ms  ready after ms  entered after ms  code bytes  osr       speed-up  verdict                 function",
    );
    for function in optimized.into_iter().take(options.top) {
        line(
            out,
            &format!(
                "  {:>11.2} {:>10.2} {:>15} {:>17} {:>11} {:>4} {:>14}  {:<22}  {}",
                function.optimizer_compile_ms,
                function.waited_ms,
                or_dash(function.tier_up_ms, |ms| format!("{ms:.2}")),
                or_dash(function.first_entry_ms, |ms| format!("{ms:.2}")),
                function.optimizer_code_bytes,
                function.osr_entries.len(),
                speed_up(summary, function.index),
                verdict(summary, function.index, function.optimizer_compile_ms),
                shortened(&function.name)
            ),
        );
    }
    if let Some(explanation) = explanation(summary) {
        line(out, explanation);
    }
}

/// What there is, or a dash.
fn or_dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// How much faster optimised code is, and how well that is known: the explanation stands below.
fn speed_up(summary: &Summary, index: u32) -> String {
    let found = summary.repaid.iter().find(|repaid| repaid.index == index);
    or_dash(found, |repaid| match repaid.basis {
        Basis::Measured => times(repaid.factor),
        Basis::Program => format!("~{:.2}x", repaid.factor.times),
        Basis::Assumed => format!("({:.2}x)", repaid.factor.times),
    })
}

/// A speed-up with its standard error.
fn times(Factor { times, error }: Factor) -> String {
    format!("{times:.2}x ±{:.0} %", error * 100.0)
}

/// What the marks of speed-ups mean, as far as there are any.
fn explanation(summary: &Summary) -> Option<&'static str> {
    let any = |basis| summary.repaid.iter().any(|repaid| repaid.basis == basis);
    match (any(Basis::Measured), any(Basis::Program), any(Basis::Assumed)) {
        (_, _, true) if !summary.turns.is_empty() => Some(
            "speed-up (in brackets): too few samples in one of the tiers to measure it, or turns that cannot \
             be compared, so that of this project's benchmarks is assumed; a higher --rate takes more samples",
        ),
        (_, _, true) => Some(
            "speed-up (in brackets): nothing was measured, so that of this project's benchmarks is \
             assumed; --turns measures it",
        ),
        (_, true, _) => Some(
            "speed-up: measured by turns of loops and calls, ± the standard error; ~ is the program's average, where there \
             were too few samples in one of the tiers",
        ),
        (true, ..) => Some("speed-up: measured by turns of loops and calls, ± the standard error"),
        _ => None,
    }
}

/// What turns of loops and calls took in each tier, when they were counted.
fn turns(out: &mut String, summary: &Summary, options: &Options) {
    if summary.turns.is_empty() {
        return;
    }
    line(
        out,
        "\nTurns of loops, and calls: time in the function's own code\n  baseline ns  optimized ns  \
         \u{20}    speed-up  baseline turns  optimized turns  of",
    );
    let shown = summary.turns.iter().filter(|of| {
        let known = of.baseline_ns().is_some() || of.optimized_ns().is_some();
        known && options.shows(&of.name)
    });
    for of in shown.take(options.top) {
        let ns = |ns: Option<f64>| or_dash(ns, |ns| format!("{ns:.2}"));
        let (slow, fast) = (&of.baseline, &of.optimized);
        let factor = or_dash(of.factor(), times);
        let place = match (of.loop_offset, &of.line) {
            (None, _) => "calls".to_owned(),
            (Some(offset), None) => format!("loop at {offset:#x}"),
            (Some(offset), Some((file, line))) => {
                format!("loop at {offset:#x}, {}", printable(&short(file, *line)))
            }
        };
        let times =
            format!("  {:>11} {:>13} {factor:>14}", ns(of.baseline_ns()), ns(of.optimized_ns()));
        let turns = format!("{:>15} {:>16}", slow.turns, fast.turns);
        line(out, &format!("{times} {turns}  {}: {place}", shortened(&of.name)));
    }
}

/// Whether what the optimised code saved pays for its compilation.
fn verdict(summary: &Summary, index: u32, compile_ms: f64) -> String {
    if summary.sampling.is_none() {
        return "not sampled".to_owned();
    }
    let Some(repaid) = summary.repaid.iter().find(|repaid| repaid.index == index) else {
        return "no time spent in it".to_owned();
    };
    let times = repaid.saved_ms / compile_ms.max(0.001);
    match repaid.after_ms {
        Some(after) => format!("repaid {times:.0}x, after {after:.0} ms"),
        // A part of it: no rounding to all.
        None => format!("never repaid ({:.1}x)", (times * 10.0).floor() / 10.0 + 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_cut_are_still_told_apart() {
        let long = "x".repeat(MOST_NAME);
        assert_eq!(shortened(&long), long);
        assert_eq!(shortened(&format!("{long}y[12]")), format!("{long}…[12]"));
        assert_eq!(shortened(&format!("{long}y[]")), format!("{long}…"));
    }
    use crate::profile::{Frame, Profile, Sample};
    use crate::sampler::COUNTERS;
    use crate::{Reading, table};
    use std::time::Duration;

    /// A function's profile on a machine that counts in hardware, but no cache misses.
    fn summary() -> Summary {
        let mut profile = Profile {
            source: Some("the processor's cycles (perf_event), in user code"),
            rate: 1000,
            clock: Clock::Cpu,
            counted: COUNTERS.map(|name| name != "cache-misses"),
            threads: vec![crate::profile::ThreadProfile {
                cpu: Duration::from_millis(10),
                ..Default::default()
            }],
            ..Profile::default()
        };
        let function = profile.functions.add("work".to_owned(), Category::Osr, Some(3));
        let frames = vec![Frame { function, module_offset: None }];
        let (cpu, counts) = (Duration::from_millis(1), [3_000_000, 6_000_000, 0, 0, 1, 0]);
        profile.samples = vec![Sample { cpu, counts, frames, ..Sample::default() }; 10];
        let reading = |name: &'static str, value| Reading { name: name.into(), value };
        let counters = vec![reading("cycles", Some(30_000_000)), reading("cache-misses", None)];
        Summary::new(&profile, TierReport::default(), counters)
    }

    /// The words of the line that ends so.
    fn words<'a>(report: &'a str, end: &str) -> Vec<&'a str> {
        let line = report.lines().find(|line| line.ends_with(end)).expect("there is one");
        line.split_whitespace().collect()
    }

    #[test]
    fn traps_have_their_place() {
        let mut summary = summary();
        summary.tiers.incidents = crate::incidents::examples();
        let report = report(&summary, &Options { top: 1, function: None, colour: false });
        let expected = "\nAfter 6.0 ms, trap: wasm trap: unreachable; in a\\u{1b}<b> at 0x20\n";
        assert!(report.contains(expected), "{report}");
    }

    #[test]
    fn what_is_compiled_too_late_is_told() {
        let mut summary = summary();
        let function = crate::tiers::FunctionTiers {
            index: 3,
            name: "late\u{1b}".to_owned(),
            ..Default::default()
        };
        summary.tiers.functions = vec![function];
        let late = Unfinished { func: 3, loop_offset: None, began_ms: 7.0 };
        summary.tiers.unfinished = vec![late];
        let expected = "\nNot compiled when the program ended: late\\u{1b}, begun after 7 ms\n";
        let options = Options { top: 1, function: None, colour: false };
        for text in [report(&summary, &options), screen(&summary, &options)] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn verdicts_tell_how_much_came_back() {
        let mut summary = summary();
        let repaid = |saved_ms, after_ms| crate::summary::Repaid {
            index: 3,
            saved_ms,
            factor: Factor { times: 1.4, error: 0.0 },
            basis: Basis::Assumed,
            after_ms,
        };
        assert_eq!(verdict(&summary, 7, 2.0), "no time spent in it");
        for (saved, after, expected) in [
            (4.0, Some(6.0), "repaid 2x, after 6 ms"),
            (1.99, None, "never repaid (0.9x)"),
            (-0.01, None, "never repaid (-0.1x)"),
            (0.0, None, "never repaid (0.0x)"),
        ] {
            summary.repaid = vec![repaid(saved, after)];
            assert_eq!(verdict(&summary, 3, 2.0), expected);
        }
        summary.sampling = None;
        assert_eq!(verdict(&summary, 3, 2.0), "not sampled");
    }

    #[test]
    fn what_hardware_counts_has_columns_and_what_it_lacks_has_none() {
        let summary = summary();
        let options = Options { top: 5, function: None, colour: false };
        let report = report(&summary, &options);
        assert!(
            report.starts_with("Sampled by: the processor's cycles (perf_event), in user code\n")
        );
        assert!(report.contains("1000 per second of CPU time asked, 1000 reached;"), "{report}");
        // In the order of their names.
        let heads = words(&report, "instructions      page-faults  tier       function");
        assert_eq!(heads[..3], ["branch-misses", "context-switches", "cycles"]);
        let row = words(&report, "osr        work");
        assert!(row.contains(&"10.0"), "the table of times comes first: {row:?}");
        let row = words(&report, "osr       (all)");
        assert_eq!(row[..5], ["0", "0", "30000000", "60000000", "10"]);
        assert_eq!(words(&report, "not available"), ["cache-misses", "not", "available"]);
        assert_eq!(words(&report, " 30000000"), ["cycles", "30000000"]);
        let csv = table::functions(&summary);
        assert!(csv.ends_with("10,false,30000000,60000000,0,,10,0\r\n"), "{csv}");
        let json: serde_json::Value =
            serde_json::from_str(&summary.json().expect("it can be written")).expect("it is one");
        let counts = &json["functions"][0]["counts"];
        assert_eq!((&counts["branch-misses"], &counts["cycles"]), (&0.into(), &30_000_000.into()));
        assert!(counts.get("cache-misses").is_none() && json["counters"][1]["value"].is_null());
    }
}
