//! The [name section](https://webassembly.github.io/spec/core/appendix/custom.html#name-section),
//! read when a name is asked for.
//!
//! Names only serve people, so a malformed section is never an error: of each subsection what precedes the
//! first malformed byte counts. A name that is not UTF-8, or longer than `MOST_BYTES`, is none; those behind it
//! are. Nothing is copied; [`NameSection`] keeps byte ranges of the module.

use std::ops::Range;
use wasmparser::BinaryReader;

/// Longer names are not for people.
const MOST_BYTES: usize = 100_000;
/// Kinds of subsections.
const MODULE: u8 = 0;
const FUNCTIONS: u8 = 1;

/// Where the names of a module and its functions are in the module's bytes.
#[derive(Clone, Debug, Default)]
pub struct NameSection {
    module: Option<Range<u32>>,
    /// Sorted by function, one entry each.
    functions: Vec<FunctionName>,
}

/// The name of one function.
#[derive(Clone, Debug)]
struct FunctionName {
    func: u32,
    range: Range<u32>,
}

impl NameSection {
    /// Reads the name section whose content is `bytes[range]`; offsets beyond 4 GiB are ignored.
    #[must_use]
    pub fn parse(bytes: &[u8], range: Range<usize>) -> Self {
        let mut names = Self::default();
        // The error, if any, has no consequence: the names before it count.
        let _ = names.read(bytes, range);
        names.functions.sort_by_key(|name| name.func);
        names.functions.dedup_by_key(|name| name.func);
        names
    }

    fn read(&mut self, bytes: &[u8], range: Range<usize>) -> wasmparser::Result<()> {
        let mut section = reader(bytes, range);
        while !section.eof() {
            let kind = section.read_u8()?;
            let mut content = subsection(&mut section)?;
            match kind {
                MODULE => self.module = name(&mut content).unwrap_or(None),
                FUNCTIONS => self.read_functions(content).unwrap_or(()),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_functions(&mut self, mut functions: BinaryReader<'_>) -> wasmparser::Result<()> {
        for _ in 0..functions.read_var_u32()? {
            // Names out of order are as good as others.
            let func = functions.read_var_u32()?;
            if let Some(range) = name(&mut functions)? {
                self.functions.push(FunctionName { func, range });
            }
        }
        Ok(())
    }

    /// The module's name alone, without reading the rest of the section.
    #[must_use]
    pub fn module_name_of(bytes: &[u8], range: Range<usize>) -> Option<String> {
        let mut section = reader(bytes, range);
        let is_first = section.read_u8().ok()? == MODULE;
        let name = is_first.then(|| name(&mut subsection(&mut section).ok()?).ok()?)??;
        text(bytes, &name).map(str::to_owned)
    }

    /// The module's name; `bytes` are those of [`NameSection::parse`].
    #[must_use]
    pub fn module_name<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        text(bytes, self.module.as_ref()?)
    }

    /// The name of function `func`, imports counted; `bytes` are those of [`NameSection::parse`].
    #[must_use]
    pub fn function_name<'a>(&self, bytes: &'a [u8], func: u32) -> Option<&'a str> {
        let at = self.functions.binary_search_by_key(&func, |name| name.func).ok()?;
        text(bytes, &self.functions[at].range)
    }

    /// All functions with a name, in the order of their indices.
    pub fn function_names<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (u32, &'a str)> {
        self.functions.iter().filter_map(|name| Some((name.func, text(bytes, &name.range)?)))
    }
}

/// Reads a part of the module; positions are offsets in the module.
fn reader(bytes: &[u8], range: Range<usize>) -> BinaryReader<'_> {
    let content = bytes.get(range.clone()).unwrap_or_default();
    BinaryReader::new(content, range.start as u64)
}

/// The content of the subsection whose kind was read.
fn subsection<'a>(section: &mut BinaryReader<'a>) -> wasmparser::Result<BinaryReader<'a>> {
    let len = section.read_var_u32()? as usize;
    let start = section.original_position();
    Ok(BinaryReader::new(section.read_bytes(len)?, start))
}

/// Where the next name lies in the module, when it is one to show.
fn name(reader: &mut BinaryReader<'_>) -> wasmparser::Result<Option<Range<u32>>> {
    let len = reader.read_var_u32()? as usize;
    // Modules are smaller than 4 GiB.
    let start = reader.original_position() as u32;
    let bytes = reader.read_bytes(len)?;
    let shown = len <= MOST_BYTES && std::str::from_utf8(bytes).is_ok();
    Ok(shown.then(|| start..start + len as u32))
}

fn text<'a>(bytes: &'a [u8], range: &Range<u32>) -> Option<&'a str> {
    let text = bytes.get(range.start as usize..range.end as usize)?;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Module name "m", functions 3 "c" and 1 "aé", then a malformed third entry.
    const SECTION: &[u8] = b"??\x00\x02\x01m\x01\x0c\x03\x03\x01c\x01\x03a\xc3\xa9\x02\x7f!";

    #[test]
    fn names_are_found() {
        let names = NameSection::parse(SECTION, 2..SECTION.len());
        assert_eq!(names.module_name(SECTION), Some("m"));
        assert_eq!(names.function_name(SECTION, 1), Some("aé"));
        assert_eq!(names.function_name(SECTION, 3), Some("c"));
        assert_eq!(names.function_name(SECTION, 2), None);
        let all: Vec<_> = names.function_names(SECTION).collect();
        assert_eq!(all, [(1, "aé"), (3, "c")]);
        let module = NameSection::module_name_of(SECTION, 2..SECTION.len());
        assert_eq!(module.as_deref(), Some("m"));
    }

    #[test]
    fn a_name_that_is_none_takes_no_others_with_it() {
        // A number may take more bytes than it needs.
        let number = |n: usize| {
            let digits = [n & 0x7f | 0x80, n >> 7 & 0x7f | 0x80, n >> 14];
            digits.map(|digit| u8::try_from(digit).unwrap())
        };
        let long = vec![b'l'; MOST_BYTES + 1];
        let mut functions = vec![3];
        for (func, name) in [(0, &b"a\xff"[..]), (1, &long), (2, b"b")] {
            functions.push(func);
            functions.extend(number(name.len()));
            functions.extend(name);
        }
        // The module's name would end behind its subsection.
        let mut section = vec![MODULE, 2, 2, b'm', FUNCTIONS];
        section.extend(number(functions.len()));
        section.extend(functions);
        let names = NameSection::parse(&section, 0..section.len());
        assert_eq!(names.module_name(&section), None);
        assert_eq!(names.function_names(&section).collect::<Vec<_>>(), [(2, "b")]);
    }

    #[test]
    fn malformed_sections_do_not_panic() {
        for end in 0..SECTION.len() {
            let names = NameSection::parse(&SECTION[..end], 2..end.max(2));
            assert!(names.function_names(SECTION).count() <= 2);
        }
        assert!(NameSection::parse(SECTION, 90..95).module_name(SECTION).is_none());
        assert!(NameSection::parse(b"\x01\x80\x80", 0..3).functions.is_empty());
    }
}
