//! Run times as a bar chart: per program one bar for each engine, as a multiple of the
//! fastest, so that long and short programs share a scale. Bars beyond the scale are cut.

use std::fmt::Write as _;

use crate::run_time::{Measured, Outcome};

const BAR_HEIGHT: usize = 9;
const GAP: usize = 8;
const LABEL_WIDTH: usize = 150;
const UNIT_WIDTH: f64 = 90.0;
const MOST_UNITS: f64 = 8.0;
const LEGEND_HEIGHT: usize = 30;
const LEGEND_STEP: usize = 140;

/// One colour per engine, in the order of the outcome; told apart without red and green.
const COLOURS: [&str; 8] =
    ["#0b559f", "#e69f00", "#a6761d", "#56b4e9", "#999999", "#cc79a7", "#332288", "#117733"];

/// The whole image.
pub(crate) fn draw(outcome: &Outcome) -> String {
    let bars = outcome.engines.len();
    let block = bars * BAR_HEIGHT + GAP;
    let height = LEGEND_HEIGHT + outcome.programs.len() * block;
    let chart_width = (UNIT_WIDTH * MOST_UNITS).ceil();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        chart_width + (LABEL_WIDTH + 40) as f64,
    );
    legend(&mut svg, &outcome.engines);
    for (index, program) in outcome.programs.iter().enumerate() {
        draw_program(&mut svg, program, LEGEND_HEIGHT + index * block);
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, engines: &[String]) {
    for (index, engine) in engines.iter().enumerate() {
        let x = 10 + index * LEGEND_STEP;
        push(
            svg,
            format_args!(
                "<rect x=\"{x}\" y=\"8\" width=\"10\" height=\"10\" fill=\"{}\"/>",
                colour(index)
            ),
        );
        push(svg, format_args!("<text x=\"{}\" y=\"17\">{engine}</text>", x + 14));
    }
}

fn draw_program(svg: &mut String, program: &Measured, top: usize) {
    let times: Vec<Option<f64>> =
        (0..program.samples.len()).map(|engine| program.median_ms(engine)).collect();
    let Some(fastest) = times.iter().flatten().copied().min_by(f64::total_cmp) else { return };
    push(svg, format_args!("<text x=\"10\" y=\"{}\">{}</text>", top + BAR_HEIGHT, program.name));
    for (index, time) in times.iter().enumerate() {
        let Some(time) = time else { continue };
        let multiple = time / fastest;
        let width = UNIT_WIDTH * multiple.min(MOST_UNITS);
        let y = top + index * BAR_HEIGHT;
        push(
            svg,
            format_args!(
                "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\">\
                 <title>{time:.1} ms, {multiple:.2} times the fastest</title></rect>",
                BAR_HEIGHT - 1,
                colour(index),
            ),
        );
    }
}

fn colour(engine: usize) -> &'static str {
    COLOURS[engine % COLOURS.len()]
}

/// Appends a line; writing to a string cannot fail.
fn push(svg: &mut String, line: std::fmt::Arguments<'_>) {
    svg.write_fmt(line).expect("a string takes all text");
    svg.push('\n');
}
