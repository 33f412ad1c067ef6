//! The [name section](https://webassembly.github.io/spec/core/appendix/custom.html#name-section),
//! read when a name is asked for.
//!
//! Names only serve people, so a malformed section is never an error: what precedes the first
//! malformed byte counts. Nothing is copied; [`NameSection`] keeps byte ranges of the module.

use std::ops::Range;
use wasmparser::{BinaryReader, Name, NameSectionReader};

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
        for name in sections(bytes, range) {
            match name? {
                Name::Module { name, .. } => self.module = Some(range_in(bytes, name)),
                Name::Function(functions) => {
                    // The raw iterator: names out of order are as good as others.
                    for naming in functions.names {
                        let naming = naming?;
                        let range = range_in(bytes, naming.name);
                        self.functions.push(FunctionName { func: naming.index, range });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The module's name alone, without reading the rest of the section.
    #[must_use]
    pub fn module_name_of(bytes: &[u8], range: Range<usize>) -> Option<String> {
        match sections(bytes, range).next()? {
            Ok(Name::Module { name, .. }) => Some(name.to_owned()),
            _ => None,
        }
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

/// The subsections of the name section.
fn sections(bytes: &[u8], range: Range<usize>) -> NameSectionReader<'_> {
    let content = bytes.get(range.clone()).unwrap_or_default();
    NameSectionReader::new(BinaryReader::new(content, range.start as u64))
}

/// Where `name`, a part of `bytes`, lies in them.
fn range_in(bytes: &[u8], name: &str) -> Range<u32> {
    let start = name.as_ptr().addr() - bytes.as_ptr().addr();
    // Modules are smaller than 4 GiB.
    start as u32..(start + name.len()) as u32
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
    fn malformed_sections_do_not_panic() {
        for end in 0..SECTION.len() {
            let names = NameSection::parse(&SECTION[..end], 2..end.max(2));
            assert!(names.function_names(SECTION).count() <= 2);
        }
        assert!(NameSection::parse(SECTION, 90..95).module_name(SECTION).is_none());
        assert!(NameSection::parse(b"\x01\x80\x80", 0..3).functions.is_empty());
    }
}
