//! Folded stacks and the flamegraph.

use crate::printable;
use crate::profile::{Category, Frame, Profile};
use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{self, Options, TextTruncateDirection};
use std::collections::{BTreeMap, HashSet};

/// Folded stacks: outermost frame first, with the tier behind each name, and microseconds. `lines` adds
/// the line of source of each frame that has one.
///
/// ```text
/// main [baseline];work [optimized] 1250
/// main (main.c:7) [baseline];work (work.c:12) [optimized] 1250     with lines
/// ```
#[must_use]
pub fn folded(profile: &Profile, lines: bool) -> String {
    let mut sums: BTreeMap<String, u128> = BTreeMap::new();
    for sample in &profile.samples {
        let frames = sample.frames.iter().rev();
        let names: Vec<String> = frames.map(|frame| label(profile, frame, lines)).collect();
        *sums.entry(names.join(";")).or_default() += sample.cpu.as_micros();
    }
    sums.into_iter().map(|(stack, micros)| format!("{stack} {micros}\n")).collect()
}

fn label(profile: &Profile, frame: &Frame, lines: bool) -> String {
    let function = profile.function(frame.function);
    let line = profile.line(frame).filter(|_| lines);
    let line = line.map_or_else(String::new, |line| format!(" ({})", line.short()));
    // A semicolon would end the frame.
    let name = printable(&format!("{}{line}", function.name)).replace(';', ",");
    format!("{name} [{}]", function.category.name())
}

/// The flamegraph as SVG, coloured by tier, with frames as [`folded`] has them.
///
/// # Errors
/// When there are no samples.
pub fn svg(profile: &Profile, lines: bool) -> anyhow::Result<Vec<u8>> {
    let folded = folded(profile, lines);
    let mut palette = PaletteMap::default();
    let frames: HashSet<&Frame> =
        profile.samples.iter().flat_map(|sample| &sample.frames).collect();
    for frame in frames {
        let (r, g, b) = profile.function(frame.function).category.colour();
        palette.insert(label(profile, frame, lines), Color { r, g, b });
    }
    // The root has no name and stands for no code.
    palette.insert(String::new(), Color { r: 230, g: 230, b: 230 });
    let mut options = Options::default();
    options.title = "CPU time by stack".to_owned();
    // Makes room for the legend.
    options.subtitle = Some(" ".to_owned());
    set_style(&mut options);
    options.palette_map = Some(&mut palette);
    let mut out = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut out)?;
    Ok(with_legend(out))
}

/// What all flamegraphs have in common.
pub(crate) fn set_style(options: &mut Options<'_>) {
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.count_name = "µs".to_owned();
    options.bgcolors = Some(BackgroundColor::Flat(Color { r: 255, g: 255, b: 255 }));
}

/// The picture with a legend below the title.
fn with_legend(svg: Vec<u8>) -> Vec<u8> {
    const END: &[u8] = b"</svg>";
    let Some(end) = svg.windows(END.len()).rposition(|window| window == END) else { return svg };
    let entry = |(place, category): (usize, &Category)| {
        let (r, g, b) = category.colour();
        let (x, name) = (10 + 110 * place, category.name());
        format!(
            "<rect x=\"{x}\" y=\"36\" width=\"12\" height=\"12\" fill=\"rgb({r},{g},{b})\"/>\
             <text x=\"{}\" y=\"46\">{name}</text>",
            x + 17
        )
    };
    let legend: String = Category::ALL.iter().enumerate().map(entry).collect();
    [&svg[..end], b"<g id=\"legend\">", legend.as_bytes(), b"</g>", &svg[end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{FunctionId, Sample};
    use crate::source::SourceLine;
    use std::time::Duration;

    /// `hot;"<` in optimised code under `main` in baseline code.
    fn profile() -> Profile {
        let mut profile = Profile::default();
        let main = profile.functions.add("main".to_owned(), Category::Baseline, Some(0));
        let hot = profile.functions.add("hot;\"<".to_owned(), Category::Optimized, Some(1));
        for (count, functions) in [(2, vec![hot, main]), (1, vec![main])] {
            for _ in 0..count {
                let frame =
                    |function: &FunctionId| Frame { function: *function, module_offset: None };
                let frames = functions.iter().map(frame).collect();
                let cpu = Duration::from_micros(1000);
                profile.samples.push(Sample { cpu, frames, ..Sample::default() });
            }
        }
        profile
    }

    #[test]
    fn stacks_are_what_the_readers_of_the_format_take() {
        let expected = "main [baseline] 1000\nmain [baseline];hot,\"< [optimized] 2000\n";
        assert_eq!(folded(&profile(), false), expected);
        let mut out = Vec::new();
        let mut options = Options::default();
        flamegraph::from_lines(&mut options, expected.lines(), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("hot,&quot;&lt; [optimized] (2,000"));
    }

    #[test]
    fn the_picture_has_the_colours_of_the_tiers_and_says_so() {
        let svg = String::from_utf8(svg(&profile(), false).unwrap()).unwrap();
        for category in [Category::Baseline, Category::Optimized] {
            let (r, g, b) = category.colour();
            let fill = format!("fill=\"rgb({r},{g},{b})\"");
            assert_eq!(svg.matches(&fill).count(), 2, "a frame and the legend: {svg}");
        }
        assert!(svg.contains("hot,&quot;&lt; [optimized]") && svg.ends_with("</g></svg>"), "{svg}");
        assert!(super::svg(&Profile::default(), false).is_err());
    }

    #[test]
    fn frames_have_lines_when_asked_for() {
        let mut profile = profile();
        for frame in profile.samples.iter_mut().flat_map(|sample| &mut sample.frames) {
            frame.module_offset = Some(10);
        }
        let line = SourceLine { file: "/src/a;b.c".to_owned(), line: 7 };
        profile.lines.insert((10, FunctionId(0)), line);
        let expected = "main (a,b.c:7) [baseline] 1000\n\
                        main (a,b.c:7) [baseline];hot,\"< [optimized] 2000\n";
        assert_eq!(folded(&profile, true), expected);
        assert!(!folded(&profile, false).contains("b.c"));
        let svg = String::from_utf8(svg(&profile, true).unwrap()).unwrap();
        let (r, g, b) = Category::Baseline.colour();
        let fill = format!("fill=\"rgb({r},{g},{b})\"");
        assert_eq!(svg.matches(&fill).count(), 2, "a frame and the legend: {svg}");
    }
}
