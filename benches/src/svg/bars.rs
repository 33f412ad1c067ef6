//! A bar chart: per program one bar for each engine, as a multiple of the least, so that long
//! and short programs share a scale. Bars beyond the scale are cut.

use super::{HEAD_HEIGHT, Image, colour};

const BAR_HEIGHT: usize = 9;
const GAP: usize = 8;
const LABEL_WIDTH: usize = 150;
const UNIT_WIDTH: usize = 90;
const MOST_UNITS: usize = 8;
const RIGHT_MARGIN: usize = 40;

/// What is drawn.
pub(crate) struct Bars<'a> {
    /// What the bars are.
    pub(crate) title: &'a str,
    /// The unit of the figures.
    pub(crate) unit: &'a str,
    /// Who has a bar in each group.
    pub(crate) engines: &'a [String],
    /// From top to bottom.
    pub(crate) groups: Vec<Group>,
}

/// The bars of one program.
pub(crate) struct Group {
    /// The program.
    pub(crate) name: String,
    /// Indexed like the engines; smaller is better.
    pub(crate) figures: Vec<Option<f64>>,
}

impl Bars<'_> {
    /// The whole image.
    pub(crate) fn draw(&self) -> String {
        let block = self.engines.len() * BAR_HEIGHT + GAP;
        let width = LABEL_WIDTH + UNIT_WIDTH * MOST_UNITS + RIGHT_MARGIN;
        let height = HEAD_HEIGHT + self.groups.len() * block;
        let mut image = Image::new(width, height, self.title, self.engines);
        for (index, group) in self.groups.iter().enumerate() {
            self.draw_group(&mut image, group, HEAD_HEIGHT + index * block);
        }
        image.finish()
    }

    fn draw_group(&self, image: &mut Image, group: &Group, top: usize) {
        let present = group.figures.iter().flatten().copied();
        let Some(least) = present.min_by(f64::total_cmp) else { return };
        image.text(10.0, (top + BAR_HEIGHT) as f64, "", &group.name);
        for (index, figure) in group.figures.iter().enumerate() {
            let Some(figure) = figure else { continue };
            let multiple = figure / least;
            let width = UNIT_WIDTH as f64 * multiple.min(MOST_UNITS as f64);
            let y = top + index * BAR_HEIGHT;
            image.push(format_args!(
                "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\">\
                 <title>{figure:.1} {}, {multiple:.2} times the least</title></rect>",
                BAR_HEIGHT - 1,
                colour(index),
                self.unit,
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_multiples_of_the_least_and_end_with_the_scale() {
        let engines = ["a", "b", "c"].map(str::to_owned);
        let figures = vec![Some(2.0), None, Some(100.0)];
        let groups = vec![Group { name: "p".into(), figures }];
        let svg = Bars { title: "t", unit: "ms", engines: &engines, groups }.draw();
        assert!(svg.contains("width=\"90.0\"") && svg.contains("width=\"720.0\""), "{svg}");
        assert!(svg.contains("100.0 ms, 50.00 times"), "{svg}");
        assert_eq!(svg.matches("<title>").count(), 2);
    }
}
