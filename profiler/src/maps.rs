//! What the process has mapped where.
//!
//! ```text
//! 7f00-7f80 r-xp 00001000 08:01 1234   /usr/lib/libc.so.6
//! ```

use std::ops::Range;

/// A mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) range: Range<u64>,
    pub(crate) executable: bool,
    /// The file, or a name in brackets; nothing for anonymous memory.
    pub(crate) path: String,
}

/// All mappings of this process, by address; none where the system does not say.
pub(crate) fn of_process() -> Vec<Mapping> {
    parse(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
}

/// Reads lines as shown at the head.
pub(crate) fn parse(maps: &str) -> Vec<Mapping> {
    let line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        let (low, high) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let path = line.find(['/', '[']).map_or("", |start| &line[start..]);
        let executable = rights.contains('x');
        Some(Mapping { range: number(low)?..number(high)?, executable, path: path.to_owned() })
    };
    maps.lines().filter_map(line).collect()
}

/// Files with executable parts, and where all of their parts lie.
pub(crate) fn files(maps: &[Mapping]) -> Vec<(&str, Range<u64>)> {
    let mut found: Vec<(&str, Range<u64>, bool)> = Vec::new();
    for Mapping { range, executable, path } in maps.iter().filter(|map| map.path.starts_with('/')) {
        match found.last_mut().filter(|last| last.0 == path) {
            Some(last) => (last.1.end, last.2) = (range.end, last.2 || *executable),
            None => found.push((path, range.clone(), *executable)),
        }
    }
    found.into_iter().filter(|file| file.2).map(|(path, range, _)| (path, range)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let maps = "\
1000-2000 r--p 00000000 08:01 7   /usr/bin/a program
7000-8000 r-xp 00000000 00:00 0                          [vdso]
9000-a000 rw-p 00000000 00:00 0
nonsense
";
        let mapping =
            |range, executable, path: &str| Mapping { range, executable, path: path.to_owned() };
        let expected = [
            mapping(0x1000..0x2000, false, "/usr/bin/a program"),
            mapping(0x7000..0x8000, true, "[vdso]"),
            mapping(0x9000..0xa000, false, ""),
        ];
        assert_eq!(parse(maps), expected);
        let here = lines_are_read as *const () as u64;
        let found = of_process().into_iter().find(|mapping| mapping.range.contains(&here));
        assert!(found.is_some_and(|found| found.executable && found.path.starts_with('/')));
    }

    #[test]
    fn maps_are_read_by_file() {
        let maps = "\
1000-2000 r--p 00000000 08:01 7   /usr/bin/a program
2000-3000 r-xp 00001000 08:01 7   /usr/bin/a program
3000-4000 rw-p 00000000 00:00 0
5000-6000 r--p 00000000 08:01 8   /data
7000-8000 r-xp 00000000 00:00 0   [vdso]
";
        assert_eq!(files(&parse(maps)), [("/usr/bin/a program", 0x1000..0x3000)]);
    }
}
