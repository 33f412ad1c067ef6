//! [`FunctionSet`]: functions by index and by name.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// A set of functions of any module, by index (imports count) and by name.
///
/// ```
/// let set: upshift::FunctionSet = "3,10-12,main".parse()?;
/// assert!(set.contains(11, || None) && set.contains(99, || Some("main")));
/// assert!(!set.contains(4, || Some("other")));
/// # Ok::<(), upshift::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionSet {
    ranges: Vec<RangeInclusive<u32>>,
    names: Vec<String>,
}

impl FunctionSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the functions with these indices.
    pub fn add_range(&mut self, range: RangeInclusive<u32>) -> &mut Self {
        self.ranges.push(range);
        self
    }

    /// Adds the functions with this name.
    pub fn add_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.names.push(name.into());
        self
    }

    /// Whether a function is in the set.
    pub fn contains<'a>(&self, index: u32, name: impl FnOnce() -> Option<&'a str>) -> bool {
        if self.ranges.iter().any(|range| range.contains(&index)) {
            return true;
        }
        !self.names.is_empty() && name().is_some_and(|name| self.names.iter().any(|n| n == name))
    }
}

/// Parses a list like `3,10-12,20-,main`: indices, ranges of indices with both ends, without
/// their end, or without their start, and names. A part that is no range is a name.
impl FromStr for FunctionSet {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut set = Self::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match parse_range(part) {
                Some(range) => set.add_range(range),
                None => set.add_name(part),
            };
        }
        Ok(set)
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u32>> {
    let number = |text: &str, empty: u32| match text {
        "" => Some(empty),
        _ => text.parse().ok(),
    };
    match text.split_once('-') {
        Some(("", "")) => None,
        Some((start, end)) => Some(number(start, 0)?..=number(end, u32::MAX)?),
        None => text.parse().ok().map(|index| index..=index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_parsed() {
        let set: FunctionSet = "3, 10-12,20-,main,a-b".parse().unwrap();
        let has = |index| set.contains(index, || None);
        assert!(has(3) && has(10) && has(12) && has(20) && has(u32::MAX));
        assert!(!has(2) && !has(13));
        assert!(set.contains(0, || Some("main")) && set.contains(0, || Some("a-b")));
        assert!(!set.contains(0, || Some("b")));
        let below: FunctionSet = "-5".parse().unwrap();
        assert!(below.contains(0, || None) && !below.contains(6, || None));
        assert_eq!("".parse::<FunctionSet>().unwrap(), FunctionSet::new());
    }
}
