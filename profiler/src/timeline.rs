//! The tier timeline: a page of our own that needs nothing else.
//!
//! Time runs to the right. The upper part shows which kind of code ran, in slices of time, and below it
//! collections as long as they took, exceptions and traps. Below, each
//! function has a row: when it ran, in the colour of its tier and paler the less of the slice it took;
//! under that its compilations, when their code was published, and where execution went over at a loop.

use crate::incidents::{Incident, What};
use crate::printable;
use crate::profile::{Category, Profile, Sample};
use crate::tiers::{FunctionTiers, TierReport};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Width of the drawing, in units of the picture.
const WIDTH: f64 = 1000.0;
/// Space for names, and behind the last tick.
const LEFT: f64 = 260.0;
const RIGHT: f64 = 40.0;
/// Height of the upper part, with the space below it.
const UPPER: f64 = 112.0;
/// Height of the labels of time above it.
const LABELS: f64 = 12.0;
/// Where collections, exceptions and traps are, and how high their marks.
const INCIDENTS: (f64, f64) = (96.0, 9.0);
/// Height of a row, and of what runs in it.
const ROW: f64 = 22.0;
const BAND: f64 = 11.0;
/// Least distance between dots of a function.
const DOT_DISTANCE: f64 = 0.5;
/// Slices of time: so many samples for each, within these bounds.
const SAMPLES_PER_SLICE: usize = 5;
const SLICES: [usize; 2] = [20, 200];
/// Functions shown.
const MOST_FUNCTIONS: usize = 60;
/// Characters of a name that there is space for.
const NAME_CHARS: usize = 34;

/// The page. `start_ms` is when sampling began, since the engine was made.
#[must_use]
pub fn html(profile: &Profile, report: &TierReport, start_ms: f64) -> String {
    let end_ms = end_ms(profile, report, start_ms);
    let mut page = Page { start_ms, end_ms, slices: Slices::new(profile), body: String::new() };
    let rows = rows(profile, report);
    let bottom = UPPER + ROW * rows.len() as f64;
    page.ticks(bottom);
    page.kinds(profile);
    page.incidents(&report.incidents);
    for (place, row) in rows.iter().enumerate() {
        page.row(row, report, UPPER + ROW * place as f64);
    }
    let height = bottom + 30.0;
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>Tier timeline</title>\n\
         <style>body{{font:13px sans-serif;margin:1em}}text{{font:11px sans-serif}}</style></head>\n\
         <body><h1>Tier timeline</h1><p>{}</p>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\">\n\
         {}</svg></body></html>\n",
        legend(&report.incidents),
        page.body
    )
}

/// When the last that is shown ended.
fn end_ms(profile: &Profile, report: &TierReport, start_ms: f64) -> f64 {
    let sampled = start_ms + profile.wall.as_secs_f64() * 1e3;
    let compiled = report.compilations.iter().map(|of| of.span_ms.1);
    let steps = report.functions.iter().flat_map(|of| of.steps.iter().map(|step| step.at_ms));
    let incidents = report.incidents.iter().map(Incident::end_ms);
    compiled.chain(steps).chain(incidents).fold(sampled.max(1.0), f64::max)
}

fn colour(category: Category) -> String {
    let (r, g, b) = category.colour();
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn legend(incidents: &[Incident]) -> String {
    let mark = |is: fn(&What) -> bool, name: &str| {
        let found = incidents.iter().find(|incident| is(&incident.what));
        let colour = found.map(|found| incident_colour(&found.what));
        colour.map_or_else(String::new, |colour| {
            format!(" &#160; <b style=\"color:{colour}\">&#9632;</b> {name}")
        })
    };
    let marks = [
        mark(|what| matches!(what, What::Collection { .. }), "collecting"),
        mark(|what| matches!(what, What::Exceptions { .. }), "exceptions"),
        mark(|what| matches!(what, What::Traps { .. }), "traps"),
    ]
    .concat();
    let entry = |category: &Category| {
        format!("<b style=\"color:{}\">&#9632;</b> {} &#160; ", colour(*category), category.name())
    };
    let kinds: String = Category::ALL.iter().map(entry).collect();
    format!(
        "{kinds} | thin bar: compiling &#160; line: published &#160; dot: entered at a loop{marks}"
    )
}

/// The colour of an incident.
const fn incident_colour(what: &What) -> &'static str {
    match what {
        What::Collection { .. } => "#444444",
        What::Exceptions { .. } => "#d08000",
        What::Traps { .. } => "#d00000",
    }
}

/// Equal parts of the time that was sampled.
struct Slices {
    count: usize,
    /// Length of one, in milliseconds.
    ms: f64,
}

impl Slices {
    fn new(profile: &Profile) -> Self {
        let count = (profile.samples.len() / SAMPLES_PER_SLICE).clamp(SLICES[0], SLICES[1]);
        let ms = profile.wall.as_secs_f64() * 1e3 / count as f64;
        Self { count, ms: ms.max(f64::MIN_POSITIVE) }
    }

    /// The slice of a sample.
    fn of(&self, sample: &Sample) -> usize {
        let at = sample.at.as_secs_f64() * 1e3 / self.ms;
        (0..self.count).rev().find(|&i| i as f64 <= at).unwrap_or(0)
    }
}

/// A function and when it ran.
struct Row<'a> {
    index: u32,
    name: &'a str,
    tiers: Option<&'a FunctionTiers>,
    /// CPU time by tier, in milliseconds.
    times: BTreeMap<Category, f64>,
    samples: Vec<(&'a Sample, Category)>,
}

impl Row<'_> {
    fn self_ms(&self) -> f64 {
        crate::tiers::sum(self.times.values().copied())
    }

    /// What the row is worth showing for.
    fn weight(&self) -> f64 {
        self.self_ms() + self.tiers.map_or(0.0, |tiers| tiers.optimizer_compile_ms)
    }
}

/// The rows, those with most time first.
fn rows<'a>(profile: &'a Profile, report: &'a TierReport) -> Vec<Row<'a>> {
    let mut rows: BTreeMap<u32, Row<'a>> = BTreeMap::new();
    let new = |index, name, tiers| Row {
        index,
        name,
        tiers,
        times: BTreeMap::new(),
        samples: Vec::new(),
    };
    for function in report.functions.iter().filter(|found| found.optimizer_compile_ms > 0.0) {
        rows.insert(function.index, new(function.index, &function.name, Some(function)));
    }
    for sample in &profile.samples {
        let Some(leaf) = sample.frames.first() else { continue };
        let function = profile.function(leaf.function);
        let Some(index) = function.index else { continue };
        let row = rows.entry(index).or_insert_with(|| new(index, own_name(profile, sample), None));
        *row.times.entry(function.category).or_default() += sample.cpu.as_secs_f64() * 1e3;
        row.samples.push((sample, function.category));
    }
    let mut rows: Vec<Row<'a>> = rows.into_values().collect();
    rows.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    rows.truncate(MOST_FUNCTIONS);
    rows
}

/// The name of the module's function that a sample was in, not of one that its compiler inlined.
fn own_name<'a>(profile: &'a Profile, sample: &Sample) -> &'a str {
    let mut functions = sample.frames.iter().map(|frame| profile.function(frame.function));
    functions.find(|function| !function.inlined).map_or("", |function| &function.name)
}

/// The drawing while it is made.
struct Page {
    start_ms: f64,
    end_ms: f64,
    slices: Slices,
    body: String,
}

impl Page {
    fn put(&mut self, text: &str) {
        writeln!(self.body, "{text}").expect("strings take anything");
    }

    /// Where a time since the engine was made is.
    fn x(&self, ms: f64) -> f64 {
        LEFT + ms * (WIDTH - LEFT - RIGHT) / self.end_ms
    }

    /// A box from one time to another.
    fn bar(&mut self, (from, to): (f64, f64), (y, height): (f64, f64), fill: &str, title: &str) {
        let left = self.x(from);
        let width = (self.x(to) - left).max(0.5);
        let place =
            format!("x=\"{left:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"");
        self.put(&format!("<rect {place} fill=\"{fill}\"><title>{title}</title></rect>"));
    }

    /// When a slice begins and ends.
    fn slice(&self, place: usize) -> (f64, f64) {
        let at = |i: usize| self.start_ms + i as f64 * self.slices.ms;
        (at(place), at(place + 1))
    }

    /// The upper part.
    fn kinds(&mut self, profile: &Profile) {
        const HEIGHT: f64 = 70.0;
        const BASE: f64 = LABELS + 80.0;
        let mut sums = vec![[0.0f64; Category::ALL.len()]; self.slices.count];
        for sample in &profile.samples {
            let Some(leaf) = sample.frames.first() else { continue };
            let category = profile.function(leaf.function).category;
            let kind = Category::ALL.iter().position(|&other| other == category).unwrap_or(0);
            sums[self.slices.of(sample)][kind] += sample.cpu.as_secs_f64() * 1e3;
        }
        // All threads together fill the height.
        let most = self.slices.ms * profile.threads.len().max(1) as f64;
        for (place, sums) in sums.iter().enumerate() {
            let mut y = BASE;
            for (category, time) in Category::ALL.iter().zip(sums) {
                let height = (time / most).min(1.0) * HEIGHT;
                if height > 0.05 {
                    y -= height;
                    let title = format!("{} {time:.1} ms", category.name());
                    self.bar(self.slice(place), (y, height), &colour(*category), &title);
                }
            }
        }
        self.put("<text x=\"4\" y=\"72\">CPU time by kind of code</text>");
    }

    /// What is below the upper part: collections are as long as they took.
    fn incidents(&mut self, incidents: &[Incident]) {
        if incidents.is_empty() {
            return;
        }
        self.put("<text x=\"4\" y=\"104\">collections, exceptions, traps</text>");
        let mut last = f64::NEG_INFINITY;
        for incident in incidents {
            let (start, end) = (incident.at_ms, incident.end_ms());
            // Where one hides another, one is enough; a trap is never left out.
            let hidden = self.x(end) - last < DOT_DISTANCE;
            if hidden && !matches!(incident.what, What::Traps { .. }) {
                continue;
            }
            last = self.x(end);
            let name = match incident.printable_name() {
                name if name.is_empty() => name,
                name => format!(" ({name})"),
            };
            let title = escaped(&(printable(&incident.what.title()) + &name));
            self.bar((start, end), INCIDENTS, incident_colour(&incident.what), &title);
        }
    }

    fn row(&mut self, row: &Row<'_>, report: &TierReport, y: f64) {
        let name = printable(row.name);
        let (full, mut short) = (escaped(&name), name.clone());
        if name.chars().count() > NAME_CHARS {
            short = name.chars().take(NAME_CHARS - 1).collect::<String>() + "\u{2026}";
        }
        let (baseline, short, own) = (y + 13.0, escaped(&short), row.self_ms());
        self.put(&format!("<text x=\"4\" y=\"{baseline:.1}\">{short}<title>{full}</title></text>"));
        let right = LEFT - 8.0;
        self.put(&format!(
            "<text x=\"{right}\" y=\"{baseline:.1}\" text-anchor=\"end\" fill=\"#777\">{own:.0} ms</text>"
        ));
        self.runs(row, y);
        self.compilations(row, report, y);
    }

    /// In which slices a function ran, in which tier.
    fn runs(&mut self, row: &Row<'_>, y: f64) {
        let mut sums: BTreeMap<(usize, Category), f64> = BTreeMap::new();
        for (sample, category) in &row.samples {
            let time = sample.cpu.as_secs_f64() * 1e3;
            *sums.entry((self.slices.of(sample), *category)).or_default() += time;
        }
        let mut slices: BTreeMap<usize, Vec<(Category, f64)>> = BTreeMap::new();
        for ((slice, category), time) in sums {
            slices.entry(slice).or_default().push((category, time));
        }
        for (slice, parts) in slices {
            let all = crate::tiers::sum(parts.iter().map(|part| part.1));
            let opacity = (0.25 + 0.75 * all / self.slices.ms).min(1.0);
            let mut top = y + 2.0;
            for (category, time) in parts {
                // Tiers share the band when a function ran in several.
                let height = BAND * time / all;
                let fill = format!("{}\" opacity=\"{opacity:.2}", colour(category));
                let title = format!("{} {time:.1} ms", category.name());
                self.bar(self.slice(slice), (top, height), &fill, &title);
                top += height;
            }
        }
    }

    fn compilations(&mut self, row: &Row<'_>, report: &TierReport, y: f64) {
        let below = y + 2.0 + BAND + 1.0;
        for entry in report.compilations.iter().filter(|entry| entry.func == row.index) {
            let kind = match entry.loop_offset {
                Some(_) => Category::Osr,
                None => Category::Optimized,
            };
            let (cpu, bytes) = (entry.cpu_ms, entry.code_bytes);
            let title = format!("compiling: {cpu:.2} ms of CPU time, {bytes} bytes");
            self.bar(entry.span_ms, (below, 4.0), &colour(kind), &title);
        }
        for entry in report.unfinished.iter().filter(|entry| entry.func == row.index) {
            let fill = format!("{}\" opacity=\"0.4", colour(Category::Optimized));
            let title = "compiling, and not done when the program ended";
            self.bar((entry.began_ms, self.end_ms), (below, 4.0), &fill, title);
        }
        let Some(tiers) = row.tiers else { return };
        for step in tiers.steps.iter().filter(|step| step.what == "published") {
            let (at, bottom) = (self.x(step.at_ms), y + ROW - 1.0);
            self.put(&format!(
                "<line x1=\"{at:.2}\" x2=\"{at:.2}\" y1=\"{y:.1}\" y2=\"{bottom:.1}\" stroke=\"#222\" stroke-width=\"0.8\"/>"
            ));
        }
        let mut last = f64::NEG_INFINITY;
        for (offset, at) in &tiers.osr_entries {
            let (x, middle) = (self.x(*at), y + 2.0 + BAND / 2.0);
            // Where one dot hides another, one is enough.
            if x - last < DOT_DISTANCE {
                continue;
            }
            last = x;
            self.put(&format!(
                "<circle cx=\"{x:.2}\" cy=\"{middle:.1}\" r=\"2.5\" fill=\"#b03060\"><title>entered at the loop at {offset:#x}</title></circle>"
            ));
        }
    }

    fn ticks(&mut self, bottom: f64) {
        let step = tick_step(self.end_ms);
        let ticks = (0..).map(|i| f64::from(i) * step).take_while(|&at| at <= self.end_ms);
        for at in ticks.collect::<Vec<f64>>() {
            let x = self.x(at);
            self.put(&format!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{LABELS}\" y2=\"{bottom:.1}\" stroke=\"#ccc\" stroke-width=\"0.5\"/>"
            ));
            for y in [LABELS - 3.0, bottom + 16.0] {
                self.put(&format!(
                    "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{at} ms</text>"
                ));
            }
        }
    }
}

/// Time between ticks: a one, two or five with zeros, so that there are four to ten.
fn tick_step(end_ms: f64) -> f64 {
    let mut step = 1.0;
    for factor in [2.0, 2.5, 2.0].into_iter().cycle() {
        if end_ms / step <= 10.0 {
            break;
        }
        step *= factor;
    }
    step
}

/// Text for a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!([1.0, 10.0, 11.0, 388.0, 1e6].map(tick_step), [1.0, 1.0, 2.0, 50.0, 1e5]);
    }

    #[test]
    fn a_function_has_the_colour_of_the_tier_it_ran_in() {
        let mut profile = Profile::default();
        let slow = profile.functions.add("f<".to_owned(), Category::Baseline, Some(3));
        let fast = profile.functions.add("f<".to_owned(), Category::Optimized, Some(3));
        profile.wall = std::time::Duration::from_millis(100);
        for at in 0..100 {
            let function = if at < 50 { slow } else { fast };
            let frames = vec![crate::profile::Frame { function, module_offset: None }];
            let at = std::time::Duration::from_millis(at);
            let cpu = std::time::Duration::from_millis(1);
            profile.samples.push(Sample { at, cpu, frames, ..Sample::default() });
        }
        let report = TierReport::default();
        let page = html(&profile, &report, 20.0);
        let rows = rows(&profile, &report);
        assert_eq!((rows.len(), rows[0].self_ms().round()), (1, 100.0));
        // Twenty slices of five samples, in the upper part and in the row.
        for category in [Category::Baseline, Category::Optimized] {
            let fill = format!("fill=\"{}\"", colour(category));
            assert_eq!(page.matches(&fill).count(), 20, "{page}");
        }
        assert!(page.contains(">f&lt;<title>"), "{page}");
    }

    #[test]
    fn what_ends_later_than_the_program_is_in_the_picture() {
        let compilation = crate::tiers::Compilation {
            func: 3,
            loop_offset: None,
            span_ms: (90.0, 200.0),
            thread: 1,
            cpu_ms: 90.0,
            code_bytes: 10,
        };
        let f = FunctionTiers { index: 3, optimizer_compile_ms: 90.0, ..FunctionTiers::default() };
        let (functions, compilations) = (vec![f], vec![compilation]);
        let report = TierReport { functions, compilations, ..TierReport::default() };
        let wall = std::time::Duration::from_millis(80);
        let page = html(&Profile { wall, ..Profile::default() }, &report, 20.0);
        // From 90 to 200 of 200 ms in 700 units.
        assert!(page.contains("<rect x=\"575.00\" y=\"126.00\" width=\"385.00\""), "{page}");
        assert_eq!(page.matches(">200 ms</text>").count(), 2, "above and below");
    }

    #[test]
    fn dots_that_would_hide_each_other_are_left_out() {
        let osr_entries = (0..50_000_u32).map(|i| (7, f64::from(i) / 500.0)).collect();
        let f =
            FunctionTiers { optimizer_compile_ms: 1.0, osr_entries, ..FunctionTiers::default() };
        let report = TierReport { functions: vec![f], ..TierReport::default() };
        let wall = std::time::Duration::from_millis(100);
        let page = html(&Profile { wall, ..Profile::default() }, &report, 0.0);
        let dots = page.matches("<circle").count();
        assert!((100..2000).contains(&dots), "{dots}");
    }

    #[test]
    fn incidents_are_as_long_as_they_took_and_the_legend_says_what_they_are() {
        let wall = std::time::Duration::from_millis(100);
        let profile = Profile { wall, ..Profile::default() };
        let page = html(&profile, &TierReport::default(), 0.0);
        assert!(!page.contains("collecting") && !page.contains("collections"), "{page}");
        let incidents = crate::incidents::examples();
        let page = html(&profile, &TierReport { incidents, ..TierReport::default() }, 0.0);
        // 2.5 of 100 ms in 700 units.
        assert!(page.contains("width=\"17.50\" height=\"9.00\" fill=\"#444444\""), "{page}");
        for mark in
            ["collecting", "> exceptions", "> traps", "7 thrown, 6 caught (a\\u{1b}&lt;b&gt;)"]
        {
            assert!(page.contains(mark), "{mark}: {page}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(escaped("<script>&\"x\""), "&lt;script&gt;&amp;&quot;x&quot;");
    }
}
