//! Line charts on logarithmic axes, one panel per program and one line for each engine. Points
//! that such an axis does not have (zero) are left out.

use super::{HEAD_HEIGHT, Image, colour};

const PANEL_WIDTH: usize = 420;
const PANEL_HEIGHT: usize = 280;
/// Panels beside each other.
const COLUMNS: usize = 3;
/// Around the axes, for their labels.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;

/// What is drawn.
pub(crate) struct Lines<'a> {
    /// What the lines are.
    pub(crate) title: &'a str,
    /// The label of the horizontal axis.
    pub(crate) x: &'a str,
    /// The label of the vertical axis.
    pub(crate) y: &'a str,
    /// Who has a line in each panel.
    pub(crate) engines: &'a [String],
    /// In rows, from left to right.
    pub(crate) panels: Vec<Panel>,
}

/// The lines of one program.
pub(crate) struct Panel {
    /// The program.
    pub(crate) name: String,
    /// Points from left to right, indexed like the engines.
    pub(crate) lines: Vec<Vec<(f64, f64)>>,
}

/// A logarithmic axis over whole decades.
#[derive(Clone, Copy)]
struct Axis {
    /// The decade that it starts with, as a power of ten.
    first: i32,
    /// The decade that it ends with; a later one than the first.
    last: i32,
    /// Where the first one is in the image.
    from: f64,
    /// Where the last one is.
    to: f64,
}

impl Axis {
    /// [`None`] without a number to show.
    fn over(numbers: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let (least, most) = numbers
            .filter(|&number| number > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), number| {
                (least.min(number), most.max(number))
            });
        if most == 0.0 {
            return None;
        }
        let decades = -18..19;
        let first = decades.clone().rev().find(|&power| 10_f64.powi(power) <= least)?;
        let last = decades.clone().find(|&power| 10_f64.powi(power) >= most)?;
        Some(Self { first, last: last.max(first + 1), from, to })
    }

    fn place(self, number: f64) -> f64 {
        let part = (number.log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        self.from + part * (self.to - self.from)
    }

    /// The decades, and how each is written.
    fn decades(self) -> impl Iterator<Item = (f64, String)> {
        (self.first..=self.last).map(|power| {
            let number = 10_f64.powi(power);
            let digits = usize::try_from(-power).unwrap_or(0);
            (number, format!("{number:.digits$}"))
        })
    }
}

impl Lines<'_> {
    /// The whole image.
    pub(crate) fn draw(&self) -> String {
        let columns = self.panels.len().clamp(1, COLUMNS);
        let height = HEAD_HEIGHT + self.panels.len().div_ceil(columns) * PANEL_HEIGHT;
        let mut image = Image::new(columns * PANEL_WIDTH, height, self.title, self.engines);
        for (index, panel) in self.panels.iter().enumerate() {
            let left = (index % columns * PANEL_WIDTH) as f64;
            let top = (HEAD_HEIGHT + index / columns * PANEL_HEIGHT) as f64;
            self.draw_panel(&mut image, panel, left, top);
        }
        image.finish()
    }

    fn draw_panel(&self, image: &mut Image, panel: &Panel, left: f64, top: f64) {
        let (right, bottom) =
            (left + PANEL_WIDTH as f64 - RIGHT, top + PANEL_HEIGHT as f64 - BOTTOM);
        let shown = || panel.lines.iter().flatten().filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let x = Axis::over(shown().map(|point| point.0), left + LEFT, right);
        let y = Axis::over(shown().map(|point| point.1), bottom, top + TOP);
        image.text(left + LEFT, top + TOP - 8.0, "font-weight=\"bold\"", &panel.name);
        let (Some(x), Some(y)) = (x, y) else { return };
        self.draw_axes(image, x, y);
        for (engine, line) in panel.lines.iter().enumerate() {
            draw_line(image, line, x, y, engine);
        }
    }

    fn draw_axes(&self, image: &mut Image, x: Axis, y: Axis) {
        for (number, label) in x.decades() {
            let at = x.place(number);
            grid_line(image, (at, y.from), (at, y.to));
            image.text(at, y.from + 14.0, "text-anchor=\"middle\"", &label);
        }
        for (number, label) in y.decades() {
            let at = y.place(number);
            grid_line(image, (x.from, at), (x.to, at));
            image.text(x.from - 6.0, at + 4.0, "text-anchor=\"end\"", &label);
        }
        image.text(f64::midpoint(x.from, x.to), y.from + 30.0, "text-anchor=\"middle\"", self.x);
        image.text(x.to, y.to - 8.0, "text-anchor=\"end\"", self.y);
    }
}

fn grid_line(image: &mut Image, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    image.push(format_args!(
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
    ));
}

fn draw_line(image: &mut Image, line: &[(f64, f64)], x: Axis, y: Axis, engine: usize) {
    let points: Vec<String> = line
        .iter()
        .filter(|point| point.0 > 0.0 && point.1 > 0.0)
        .map(|point| format!("{:.1},{:.1}", x.place(point.0), y.place(point.1)))
        .collect();
    image.push(format_args!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>",
        points.join(" "),
        colour(engine)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_spans_whole_decades() {
        let axis = Axis::over([0.0, 3.0, 40.0].into_iter(), 0.0, 200.0).unwrap();
        assert_eq!((axis.first, axis.last), (0, 2));
        assert!((axis.place(10.0) - 100.0).abs() < 1e-9);
        let labels: Vec<String> = axis.decades().map(|decade| decade.1).collect();
        assert_eq!(labels, ["1", "10", "100"]);
        assert!(Axis::over([0.0].into_iter(), 0.0, 1.0).is_none());
        let small = Axis::over([0.01].into_iter(), 0.0, 1.0).unwrap();
        assert_eq!(small.decades().next().unwrap().1, "0.01");
    }

    #[test]
    fn lines_start_with_the_first_work() {
        let engines = ["a", "b"].map(str::to_owned);
        let lines = vec![vec![(1.0, 0.0), (10.0, 1.0), (100.0, 10.0)], vec![]];
        let panels = vec![Panel { name: "p".into(), lines }];
        let svg = Lines { title: "t", x: "ms", y: "work", engines: &engines, panels }.draw();
        assert!(svg.contains("points=\"60.0,288.0 400.0,72.0\""), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2);
    }
}
