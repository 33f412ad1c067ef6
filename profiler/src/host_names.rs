//! Names of the host's functions, from the symbol tables of the program and its libraries.
//!
//! A symbol's name has the path of its function, which what debug information says often lacks. Only tables
//! of files that an address is in are read.

use crate::maps::Mapping;
use crate::symbols::demangle;
use object::read::ReadCache;
use object::{Object, ObjectSegment, ObjectSymbol, ObjectSymbolTable, SymbolIndex, SymbolKind};
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
    /// Read when a name is looked for first.
    symbols: Option<Symbols>,
}

/// The functions of a file, by address. Their names stay in the file, as few are looked for.
#[derive(Debug, Default)]
struct Symbols {
    content: Option<ReadCache<File>>,
    /// Whether they are from the table for the dynamic linker: there is no other.
    dynamic: bool,
    /// Where the address 0 of the file lies.
    base: u64,
    places: Vec<Place>,
}

/// Address in the file at which the code of a symbol begins, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    start: u32,
    index: u32,
}

impl HostNames {
    pub(crate) fn new(maps: &[Mapping]) -> Self {
        let file = |(path, range): (&str, Range<u64>)| HostFile {
            path: path.to_owned(),
            range,
            symbols: None,
        };
        Self { files: crate::maps::files(maps).into_iter().map(file).collect() }
    }

    /// The name of the function that an address is in.
    pub(crate) fn find(&mut self, address: usize) -> Option<String> {
        let address = address as u64;
        let file = self.files.iter_mut().find(|file| file.range.contains(&address))?;
        let symbols = file
            .symbols
            .get_or_insert_with(|| Symbols::read(&file.path, file.range.start).unwrap_or_default());
        symbols.name(address).map(|name| demangle(&name))
    }
}

/// The symbols that begin last before an address.
fn find(places: &[Place], address: u32) -> &[Place] {
    let after = places.partition_point(|place| place.start <= address);
    let Some(last) = places[..after].last() else { return &[] };
    &places[places[..after].partition_point(|place| place.start < last.start)..after]
}

/// The name of the largest of these symbols, each with its size, when it has the byte at `distance`; of
/// several the first in the order.
fn choose(symbols: impl Iterator<Item = (u64, String)>, distance: u64) -> Option<String> {
    let (size, name) = symbols.min_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)))?;
    // Code in assembly seldom says its size.
    (size == 0 || distance < size).then_some(name)
}

impl Symbols {
    /// The functions of a file that is mapped from `start` on; `None` when it cannot be read.
    fn read(path: &str, start: u64) -> Option<Self> {
        let content = ReadCache::new(File::open(path).ok()?);
        let file = object::File::parse(&content).ok()?;
        // The first segment lies where the file begins.
        let base = start.wrapping_sub(file.segments().next()?.address());
        let mut places = places(file.symbols());
        let dynamic = places.is_empty();
        if dynamic {
            places = self::places(file.dynamic_symbols());
        }
        places.sort_unstable();
        Some(Self { content: Some(content), dynamic, base, places })
    }

    /// The name of the symbol that an address is in, as the compiler wrote it.
    fn name(&self, address: u64) -> Option<String> {
        let address = address.wrapping_sub(self.base);
        let found = find(&self.places, u32::try_from(address).ok()?);
        let file = object::File::parse(self.content.as_ref()?).ok()?;
        let table = if self.dynamic { file.dynamic_symbol_table() } else { file.symbol_table() };
        let table = table?;
        let symbols = found.iter().filter_map(|place| {
            let symbol = table.symbol_by_index(SymbolIndex(place.index as usize)).ok()?;
            let name = symbol.name().ok().filter(|name| !name.is_empty())?;
            Some((symbol.size(), name.to_owned()))
        });
        choose(symbols, address - u64::from(found.first()?.start))
    }
}

/// Where functions begin; those behind 4 GiB have no place.
fn places<'a>(symbols: impl Iterator<Item = impl ObjectSymbol<'a>>) -> Vec<Place> {
    let functions =
        symbols.filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition());
    let place = |symbol: &_| {
        let (start, index) = (ObjectSymbol::address(symbol), ObjectSymbol::index(symbol).0);
        Some(Place { start: start.try_into().ok()?, index: index.try_into().ok()? })
    };
    functions.filter_map(|symbol| place(&symbol)).collect()
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
    fn symbols_that_begin_at_one_place_are_found_together() {
        let place = |(start, index)| Place { start, index };
        let places = [(10, 1), (20, 2), (30, 3), (30, 4), (40, 5)].map(place);
        let found = |address| find(&places, address).iter().map(|place| place.index).collect();
        let all = [9, 10, 19, 20, 39, u32::MAX].map(found);
        let expected: [&[u32]; 6] = [&[], &[1], &[1], &[2], &[3, 4], &[5]];
        assert_eq!(all.map(|found: Vec<u32>| found), expected.map(<[u32]>::to_vec));
    }

    #[test]
    fn a_name_ends_where_its_code_does() {
        let choose = |symbols: &[(u64, &str)], distance| {
            choose(symbols.iter().map(|&(size, name)| (size, name.to_owned())), distance)
        };
        assert_eq!(choose(&[], 0), None);
        assert_eq!([4, 5].map(|at| choose(&[(5, "a")], at)), [Some("a".to_owned()), None]);
        assert_eq!(choose(&[(0, "no size")], 1000).as_deref(), Some("no size"));
        assert_eq!(choose(&[(2, "b"), (2, "a")], 1).as_deref(), Some("a"));
        assert_eq!(choose(&[(1, "a part"), (9, "the whole")], 8).as_deref(), Some("the whole"));
    }
}
