//! Two profiles of the same program: what takes longer, and what shorter.
//!
//! Functions are compared by name over all tiers, because when a function changes its tier differs
//! from run to run; how much of a function's time was optimised is a column of its own.

use crate::profile::Category;
use crate::summary::{Row, Summary};
use crate::text::{Options, line, percent, shortened};
use anyhow::{Result, bail};
use inferno::{differential, flamegraph};
use std::collections::BTreeMap;

/// A function in both profiles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Its name: not yet safe to print.
    pub name: String,
    /// Times of its own, in milliseconds: of the old profile and of the new.
    pub self_ms: [f64; 2],
    /// How much of it was in optimised code.
    pub optimized_ms: [f64; 2],
}

impl Change {
    /// How much longer it takes.
    #[must_use]
    pub fn difference_ms(&self) -> f64 {
        self.self_ms[1] - self.self_ms[0]
    }
}

/// What changed between two profiles, the greatest change first.
#[must_use]
pub fn changes(old: &Summary, new: &Summary) -> Vec<Change> {
    let mut by_name: BTreeMap<&str, Change> = BTreeMap::new();
    let mut add = |row: &'_ Row, name, side: usize| {
        let change: &mut Change = by_name.entry(name).or_default();
        change.self_ms[side] += row.self_ms;
        if matches!(row.tier, Category::Optimized | Category::Osr) {
            change.optimized_ms[side] += row.self_ms;
        }
    };
    for (side, summary) in [old, new].into_iter().enumerate() {
        for row in &summary.functions {
            add(row, row.name.as_str(), side);
        }
    }
    let named = |(name, change): (&str, Change)| Change { name: name.to_owned(), ..change };
    let mut changes: Vec<Change> = by_name.into_iter().map(named).collect();
    changes.sort_by(|a, b| b.difference_ms().abs().total_cmp(&a.difference_ms().abs()));
    changes
}

/// The table for people.
#[must_use]
pub fn text(old: &Summary, new: &Summary, options: &Options) -> String {
    let mut out = String::new();
    let (before, after) = (old.sampled_ms(), new.sampled_ms());
    line(
        &mut out,
        &format!("\nCompared with the old profile: {before:.1} ms then, {after:.1} ms now"),
    );
    line(&mut out, "    self ms      then    change  optimized   then  function");
    let share = |part: f64, whole: f64| match whole > 0.0 {
        true => format!("{:.0} %", percent(part, whole)),
        false => "-".to_owned(),
    };
    let changes = changes(old, new);
    for change in changes.iter().filter(|change| options.shows(&change.name)).take(options.top) {
        let ([then, now], [fast_then, fast_now]) = (change.self_ms, change.optimized_ms);
        let difference = change.difference_ms();
        let (fast, fast_then) = (share(fast_now, now), share(fast_then, then));
        let name = shortened(&change.name);
        let times = format!("  {now:>9.1} {then:>9.1} {difference:>+9.1}");
        line(&mut out, &format!("{times} {fast:>10} {fast_then:>6}  {name}"));
    }
    out
}

/// The new profile as a flamegraph whose colours say what grew (red) and what shrank (blue). Both
/// come as folded stacks.
///
/// # Errors
/// When one of them has no stacks.
pub fn svg(old: &str, new: &str) -> Result<Vec<u8>> {
    let (old, new) = (without_tiers(old), without_tiers(new));
    if old.is_empty() || new.is_empty() {
        bail!("a profile has no samples");
    }
    let mut lines = Vec::new();
    let options = differential::Options::default();
    differential::from_readers(options, old.as_bytes(), new.as_bytes(), &mut lines)?;
    let mut options = flamegraph::Options::default();
    crate::flame::set_style(&mut options);
    options.title = "CPU time by stack: red takes longer than before, blue shorter".to_owned();
    let mut out = Vec::new();
    flamegraph::from_reader(&mut options, lines.as_slice(), &mut out)?;
    Ok(out)
}

/// Folded stacks whose frames have no tiers.
fn without_tiers(folded: &str) -> String {
    let suffixes = Category::ALL.map(|category| format!(" [{}]", category.name()));
    let bare = |frame: &str| {
        let found = suffixes.iter().find_map(|suffix| frame.strip_suffix(suffix.as_str()));
        found.unwrap_or(frame).to_owned()
    };
    let line = |line: &str| {
        let (stack, count) = line.rsplit_once(' ')?;
        let frames: Vec<String> = stack.split(';').map(bare).collect();
        Some(format!("{} {count}\n", frames.join(";")))
    };
    folded.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Kind;

    fn summary(rows: &[(&str, Category, f64)]) -> Summary {
        let row = |&(name, tier, self_ms): &(&str, Category, f64)| Row {
            name: name.to_owned(),
            index: Some(0),
            inlined: false,
            tier,
            self_ms,
            total_ms: self_ms,
            samples: 1,
            counts: BTreeMap::default(),
        };
        let kind = |&(_, kind, self_ms): &(&str, Category, f64)| Kind {
            kind,
            self_ms,
            counts: BTreeMap::default(),
        };
        let (kinds, functions) = (rows.iter().map(kind).collect(), rows.iter().map(row).collect());
        Summary { kinds, functions, ..Summary::default() }
    }

    #[test]
    fn the_greatest_change_comes_first() {
        let old = summary(&[
            ("a", Category::Baseline, 10.0),
            ("b", Category::Baseline, 5.0),
            ("gone", Category::Host, 1.0),
        ]);
        let new = summary(&[
            ("a", Category::Optimized, 4.0),
            ("a", Category::Baseline, 4.0),
            ("b", Category::Baseline, 11.0),
        ]);
        let found = changes(&old, &new);
        let names: Vec<(&str, f64)> =
            found.iter().map(|change| (change.name.as_str(), change.difference_ms())).collect();
        assert_eq!(names, [("b", 6.0), ("a", -2.0), ("gone", -1.0)]);
        let options = Options { top: 2, function: None, colour: false };
        let text = text(&old, &new, &options);
        assert!(text.contains("16.0 ms then, 19.0 ms now"), "{text}");
        assert!(text.contains("        8.0      10.0      -2.0       50 %    0 %  a\n"), "{text}");
        assert!(!text.contains("gone"), "{text}");
    }

    #[test]
    fn the_picture_compares_stacks_whatever_their_tiers() {
        let old = "main [baseline];a [baseline] 100\n";
        let new = "main [baseline];a [osr] 160\nmain [baseline];b [baseline] 1\n";
        let picture = String::from_utf8(svg(old, new).unwrap()).unwrap();
        assert!(picture.contains("a (160 µs"), "{picture}");
        assert!(!picture.contains("[osr]"));
        assert!(svg("", new).is_err());
    }
}
