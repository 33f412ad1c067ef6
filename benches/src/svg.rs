//! Images of tables: what their kinds share.

pub(crate) mod bars;
pub(crate) mod lines;

use std::fmt::Write as _;

/// One colour per engine, in their order; told apart without red and green.
const COLOURS: [&str; 8] =
    ["#0b559f", "#e69f00", "#a6761d", "#56b4e9", "#999999", "#cc79a7", "#332288", "#117733"];

const LEGEND_LEFT: usize = 10;
const LEGEND_STEP: usize = 160;
/// The height of the title and the legend.
const HEAD_HEIGHT: usize = 48;

/// An image that grows line by line.
struct Image {
    text: String,
}

impl Image {
    /// An empty image with a title and a line that says which colour is whose; at least as wide
    /// as these are.
    fn new(width: usize, height: usize, title: &str, engines: &[String]) -> Self {
        let width = width.max(LEGEND_LEFT + engines.len() * LEGEND_STEP);
        let mut image = Self { text: String::new() };
        image.push(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
        ));
        image.text(LEGEND_LEFT as f64, 16.0, "font-weight=\"bold\"", title);
        for (index, engine) in engines.iter().enumerate() {
            let x = LEGEND_LEFT + index * LEGEND_STEP;
            image.push(format_args!(
                "<rect x=\"{x}\" y=\"25\" width=\"10\" height=\"10\" fill=\"{}\"/>",
                colour(index)
            ));
            image.text((x + 14) as f64, 34.0, "", engine);
        }
        image
    }

    /// Writes a text, with more attributes if any.
    fn text(&mut self, x: f64, y: f64, attributes: &str, text: &str) {
        let text = escape(text);
        self.push(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>"));
    }

    /// Appends a line; writing to a string cannot fail.
    fn push(&mut self, line: std::fmt::Arguments<'_>) {
        self.text.write_fmt(line).expect("a string takes all text");
        self.text.push('\n');
    }

    fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

fn colour(engine: usize) -> &'static str {
    COLOURS[engine % COLOURS.len()]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_its_colour_in_the_legend() {
        let image = Image::new(10, 20, "a < b", &["one".to_owned(), "two".to_owned()]).finish();
        assert!(image.contains("a &lt; b") && image.ends_with("</svg>\n"), "{image}");
        assert!(image.contains(COLOURS[0]) && image.contains(COLOURS[1]), "{image}");
        assert!(image.contains("width=\"330\" height=\"20\""), "{image}");
    }
}
