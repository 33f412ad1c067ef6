//! Folded stacks and the flamegraph.

use crate::printable;
use crate::profile::Profile;
use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{self, Options};
use std::collections::BTreeMap;

/// Folded stacks: outermost frame first, with the tier behind each name, and microseconds.
///
/// ```text
/// main [baseline];work [optimized] 1250
/// ```
#[must_use]
pub fn folded(profile: &Profile) -> String {
    let mut sums: BTreeMap<String, u128> = BTreeMap::new();
    for sample in &profile.samples {
        let frames = sample.frames.iter().rev();
        let names: Vec<String> = frames.map(|frame| label(profile, frame.function)).collect();
        *sums.entry(names.join(";")).or_default() += sample.cpu.as_micros();
    }
    sums.into_iter().map(|(stack, micros)| format!("{stack} {micros}\n")).collect()
}

fn label(profile: &Profile, id: crate::profile::FunctionId) -> String {
    let function = profile.function(id);
    // A semicolon would end the frame.
    let name = printable(&function.name).replace(';', ",");
    format!("{name} [{}]", function.category.name())
}

/// The flamegraph as SVG, coloured by tier.
///
/// # Errors
/// When there are no samples.
pub fn svg(profile: &Profile) -> anyhow::Result<Vec<u8>> {
    let folded = folded(profile);
    let mut palette = PaletteMap::default();
    for (id, function) in profile.functions.0.iter().enumerate() {
        let (r, g, b) = function.category.colour();
        let name = label(profile, crate::profile::FunctionId(id));
        palette.insert(name, Color { r, g, b });
    }
    let mut options = Options::default();
    options.title =
        "Upshift: orange baseline, green optimized, light green OSR, blue host".to_owned();
    options.count_name = "µs".to_owned();
    options.bgcolors = Some(BackgroundColor::Flat(Color { r: 255, g: 255, b: 255 }));
    options.palette_map = Some(&mut palette);
    let mut out = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut out)?;
    Ok(out)
}
