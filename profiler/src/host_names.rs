//! Names of the host's functions, from the symbol tables of the program and its libraries.
//!
//! A symbol's name has the path of its function, which what debug information says often lacks. Only tables
//! of files that an address is in are read.

use crate::maps::Mapping;
use crate::symbols::demangle;
use object::read::ReadCache;
use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};
use std::fs::File;
use std::ops::Range;

/// The names of all files that the process has mapped.
#[derive(Debug)]
pub(crate) struct HostNames {
    files: Vec<HostFile>,
}

#[derive(Debug)]
struct HostFile {
    path: String,
    range: Range<u64>,
    /// Read when they are looked for first, by address.
    names: Option<Vec<Name>>,
}

/// A symbol: where its code is, and its name as the compiler wrote it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    start: u64,
    size: u64,
    name: String,
}

impl HostNames {
    pub(crate) fn new(maps: &[Mapping]) -> Self {
        let file = |(path, range): (&str, Range<u64>)| HostFile {
            path: path.to_owned(),
            range,
            names: None,
        };
        Self { files: crate::maps::files(maps).into_iter().map(file).collect() }
    }

    /// The name of the function that an address is in.
    pub(crate) fn find(&mut self, address: usize) -> Option<String> {
        let address = address as u64;
        let file = self.files.iter_mut().find(|file| file.range.contains(&address))?;
        let names = file
            .names
            .get_or_insert_with(|| read(&file.path, file.range.start).unwrap_or_default());
        find(names, address).map(demangle)
    }
}

/// The name that an address has among these. Of several, the one that begins last.
fn find(names: &[Name], address: u64) -> Option<&str> {
    let after = names.partition_point(|name| name.start <= address);
    let found = &names[after.checked_sub(1)?];
    // Code in assembly seldom says its size.
    (found.size == 0 || address - found.start < found.size).then_some(found.name.as_str())
}

/// The functions of a file that is mapped from `start` on; `None` when it cannot be read.
fn read(path: &str, start: u64) -> Option<Vec<Name>> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    // The first segment lies where the file begins.
    let base = start.wrapping_sub(file.segments().next()?.address());
    let function = |symbol: &object::Symbol<'_, '_, &ReadCache<File>>| {
        symbol.kind() == SymbolKind::Text && symbol.is_definition()
    };
    let name = |symbol: object::Symbol<'_, '_, &ReadCache<File>>| {
        let name = symbol.name().ok().filter(|name| !name.is_empty())?.to_owned();
        Some(Name { start: base.wrapping_add(symbol.address()), size: symbol.size(), name })
    };
    // Libraries often have only those that others may use.
    let symbols = file.symbols().chain(file.dynamic_symbols());
    let mut names: Vec<Name> = symbols.filter(function).filter_map(name).collect();
    // Of names of one place, the longer symbol's is the whole, and the first in the order is kept.
    names.sort_by(|a, b| (a.start, b.size, &a.name).cmp(&(b.start, a.size, &b.name)));
    names.dedup_by_key(|name| name.start);
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn here() -> usize {
        let here: fn() -> usize = here;
        here as usize
    }

    #[test]
    fn names_have_the_path_of_their_function() {
        let mut names = HostNames::new(&crate::maps::of_process());
        let name = names.find(here()).expect("the test has symbols");
        assert!(name.ends_with("host_names::tests::here"), "{name}");
        let malloc = libc::malloc as *const () as usize;
        assert!(names.find(malloc).is_some_and(|name| name.contains("malloc")));
        assert_eq!(names.find(0), None);
    }

    #[test]
    fn a_name_ends_where_its_code_does() {
        let name = |start, size, name: &str| Name { start, size, name: name.to_owned() };
        let names = [name(10, 5, "f"), name(20, 0, "g"), name(30, 2, "h")];
        let found = [9, 10, 14, 15, 20, 29, 31, 32].map(|address| find(&names, address));
        let (f, g, h) = (Some("f"), Some("g"), Some("h"));
        assert_eq!(found, [None, f, f, None, g, g, h, None]);
    }
}
