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
    places: Vec<Place>,
}

/// Where the code of a symbol is, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    start: u64,
    size: u64,
    /// In the table for the dynamic linker, or else in the one with all symbols.
    dynamic: bool,
    index: usize,
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
        symbols.name(find(&symbols.places, address)).map(|name| demangle(&name))
    }
}

/// The symbols that an address is in, of those that begin last the largest ones.
fn find(places: &[Place], address: u64) -> &[Place] {
    let after = places.partition_point(|place| place.start <= address);
    let Some(last) = places[..after].last() else { return &[] };
    // Code in assembly seldom says its size.
    if last.size != 0 && address - last.start >= last.size {
        return &[];
    }
    let same = |place: &Place| (place.start, place.size) < (last.start, last.size);
    &places[places[..after].partition_point(same)..after]
}

impl Symbols {
    /// The functions of a file that is mapped from `start` on; `None` when it cannot be read.
    fn read(path: &str, start: u64) -> Option<Self> {
        let content = ReadCache::new(File::open(path).ok()?);
        let file = object::File::parse(&content).ok()?;
        // The first segment lies where the file begins.
        let base = start.wrapping_sub(file.segments().next()?.address());
        let place = |symbol: &object::Symbol<'_, '_, &ReadCache<File>>, dynamic| Place {
            start: base.wrapping_add(symbol.address()),
            size: symbol.size(),
            dynamic,
            index: symbol.index().0,
        };
        // Libraries often have only those that others may use.
        let all = file.symbols().map(|symbol| (symbol, false));
        let all = all.chain(file.dynamic_symbols().map(|symbol| (symbol, true)));
        let functions =
            all.filter(|(symbol, _)| symbol.kind() == SymbolKind::Text && symbol.is_definition());
        let mut places: Vec<Place> =
            functions.map(|(symbol, dynamic)| place(&symbol, dynamic)).collect();
        places.sort_unstable();
        Some(Self { content: Some(content), places })
    }

    /// The name of these symbols, as the compiler wrote it; of several the first in the order.
    fn name(&self, places: &[Place]) -> Option<String> {
        let file = object::File::parse(self.content.as_ref()?).ok()?;
        let name = |place: &Place| {
            let table =
                if place.dynamic { file.dynamic_symbol_table() } else { file.symbol_table() };
            let symbol = table?.symbol_by_index(SymbolIndex(place.index)).ok()?;
            symbol.name().ok().filter(|name| !name.is_empty()).map(str::to_owned)
        };
        places.iter().filter_map(name).min()
    }
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
        let place = |start, size, index| Place { start, size, dynamic: false, index };
        // At 20 one says no size, at 30 two are the same, and at 40 one is a part of the other.
        let places = [
            place(10, 5, 1),
            place(20, 0, 2),
            place(30, 2, 3),
            place(30, 2, 4),
            place(40, 1, 5),
            place(40, 9, 6),
        ];
        let found = |address| find(&places, address).iter().map(|place| place.index).collect();
        let all = [9, 10, 14, 15, 20, 29, 31, 32, 40, 48, 49].map(found);
        let expected: [&[usize]; 11] =
            [&[], &[1], &[1], &[], &[2], &[2], &[3, 4], &[], &[6], &[6], &[]];
        assert_eq!(all.map(|found: Vec<usize>| found), expected.map(<[usize]>::to_vec));
    }
}
