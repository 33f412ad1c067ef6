//! The tier timeline: a page of our own that needs nothing else.
//!
//! Time runs to the right. The upper part shows which kind of code ran, in slices of time; below,
//! each function that the optimising tier worked on has a row with its compilations, when its code
//! was published, and where execution went over at a loop.

use crate::printable;
use crate::profile::{Category, Profile};
use crate::tiers::{FunctionTiers, TierReport};
use std::fmt::Write;

/// Width of the drawing, in units of the picture.
const WIDTH: f64 = 1000.0;
/// Space for names.
const LEFT: f64 = 260.0;
/// Height of a row.
const ROW: f64 = 18.0;
/// Slices of the upper part.
const SLICES: usize = 200;
/// Functions shown.
const MOST_FUNCTIONS: usize = 60;

/// The page. `start_ms` is when sampling began, since the engine was made.
#[must_use]
pub fn html(profile: &Profile, report: &TierReport, start_ms: f64) -> String {
    let end_ms = start_ms + profile.wall.as_secs_f64() * 1e3;
    let scale = (WIDTH - LEFT - 10.0) / end_ms.max(1.0);
    let x = |at: f64| LEFT + at * scale;
    let mut body = String::new();
    let rows = slices(&mut body, profile, &|at| x(start_ms + at));
    let mut y = rows;
    let mut functions: Vec<&FunctionTiers> =
        report.functions.iter().filter(|function| function.optimizer_compile_ms > 0.0).collect();
    functions.sort_by(|a, b| b.optimizer_compile_ms.total_cmp(&a.optimizer_compile_ms));
    for function in functions.into_iter().take(MOST_FUNCTIONS) {
        row(&mut body, report, function, (y, &x));
        y += ROW;
    }
    let ticks = ticks(end_ms, &x, y);
    let height = y + 30.0;
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>Tier timeline</title>\n\
         <style>body{{font:13px sans-serif;margin:1em}}text{{font:11px sans-serif}}</style></head>\n\
         <body><h1>Tier timeline</h1><p>{}</p>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\">\n\
         {body}{ticks}</svg></body></html>\n",
        legend()
    )
}

fn put(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take anything");
}

fn colour(category: Category) -> String {
    let (r, g, b) = category.colour();
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn legend() -> String {
    let entry = |category: &Category| {
        format!("<b style=\"color:{}\">&#9632;</b> {} &nbsp; ", colour(*category), category.name())
    };
    let kinds: String = Category::ALL.iter().map(entry).collect();
    format!("{kinds} | bar: compiling &nbsp; line: published &nbsp; dot: entered at a loop")
}

/// The upper part; where the rows of functions begin.
fn slices(out: &mut String, profile: &Profile, x: &dyn Fn(f64) -> f64) -> f64 {
    const HEIGHT: f64 = 80.0;
    let wall = profile.wall.as_secs_f64() * 1e3;
    let slice = (wall / SLICES as f64).max(f64::MIN_POSITIVE);
    let mut sums = vec![[0.0f64; Category::ALL.len()]; SLICES];
    for sample in &profile.samples {
        let Some(leaf) = sample.frames.first() else { continue };
        let category = profile.function(leaf.function).category;
        let kind = Category::ALL.iter().position(|&other| other == category).unwrap_or(0);
        let at = sample.at.as_secs_f64() * 1e3 / slice;
        // Below the number of slices, and not negative.
        let place = (0..SLICES).rev().find(|&i| i as f64 <= at).unwrap_or(0);
        sums[place][kind] += sample.cpu.as_secs_f64() * 1e3;
    }
    for (i, sums) in sums.iter().enumerate() {
        let mut y = HEIGHT;
        for (category, time) in Category::ALL.iter().zip(sums) {
            let height = (time / slice).min(1.0) * (HEIGHT - 10.0);
            if height > 0.05 {
                y -= height;
                let (left, right) = (x(i as f64 * slice), x((i + 1) as f64 * slice));
                let width = (right - left).max(0.3);
                let fill = colour(*category);
                put(
                    out,
                    &format!(
                        "<rect x=\"{left:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{fill}\"/>"
                    ),
                );
            }
        }
    }
    put(out, "<text x=\"4\" y=\"60\">CPU time by kind of code</text>");
    HEIGHT + 14.0
}

fn row(
    out: &mut String,
    report: &TierReport,
    function: &FunctionTiers,
    (y, x): (f64, &dyn Fn(f64) -> f64),
) {
    let name = escaped(&printable(&function.name));
    let middle = y + ROW / 2.0;
    put(out, &format!("<text x=\"4\" y=\"{:.1}\">{name}</text>", y + 13.0));
    let of_it = report.compilations.iter().filter(|entry| entry.func == function.index);
    for compilation in of_it {
        let (start, end) = compilation.span_ms;
        let kind =
            if compilation.loop_offset.is_some() { Category::Osr } else { Category::Optimized };
        let (left, width) = (x(start), (x(end) - x(start)).max(0.5));
        let (top, height, fill) = (y + 3.0, ROW - 6.0, colour(kind));
        let title =
            format!("{:.2} ms of CPU time, {} bytes", compilation.cpu_ms, compilation.code_bytes);
        put(
            out,
            &format!(
                "<rect x=\"{left:.2}\" y=\"{top:.1}\" width=\"{width:.2}\" height=\"{height:.1}\" fill=\"{fill}\"><title>{title}</title></rect>"
            ),
        );
    }
    for step in function.steps.iter().filter(|step| step.what == "published") {
        let (at, bottom) = (x(step.at_ms), y + ROW - 2.0);
        put(
            out,
            &format!(
                "<line x1=\"{at:.2}\" x2=\"{at:.2}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke=\"#222\" stroke-width=\"0.8\"/>",
                y + 2.0
            ),
        );
    }
    for (offset, at) in &function.osr_entries {
        put(
            out,
            &format!(
                "<circle cx=\"{:.2}\" cy=\"{middle:.1}\" r=\"2.5\" fill=\"#b03060\"><title>entered at the loop at {offset:#x}</title></circle>",
                x(*at)
            ),
        );
    }
}

fn ticks(end_ms: f64, x: &dyn Fn(f64) -> f64, y: f64) -> String {
    let mut out = String::new();
    for i in 0..=5 {
        let at = end_ms * f64::from(i) / 5.0;
        put(
            &mut out,
            &format!(
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{y:.1}\" stroke=\"#ccc\" stroke-width=\"0.5\"/>",
                x(at)
            ),
        );
        put(
            &mut out,
            &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at:.0} ms</text>",
                x(at),
                y + 16.0
            ),
        );
    }
    out
}

/// Text for a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(escaped("<script>&\"x\""), "&lt;script&gt;&amp;&quot;x&quot;");
    }
}
