//! Lines of source, from a module's [DWARF](https://yurydelendik.github.io/webassembly-dwarf/)
//! sections.
//!
//! ```text
//! offset in the module ── minus the start of the code section ── address in DWARF ── file, line
//! ```

use addr2line::Context;
use addr2line::gimli::{self, Dwarf, EndianSlice, LittleEndian, SectionId};
use std::collections::HashMap;
use upshift::Module;
use wasmparser::{Parser, Payload};

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceLine {
    /// The file, as the compiler called it: not yet safe to print.
    pub file: String,
    /// Counts from 1.
    pub line: u32,
}

/// Knows which lines a module was made from; none when it has no debug sections, or broken ones.
pub struct SourceMap<'a> {
    context: Option<Context<EndianSlice<'a, LittleEndian>>>,
    code_start: u64,
}

impl std::fmt::Debug for SourceMap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceMap").finish_non_exhaustive()
    }
}

impl<'a> SourceMap<'a> {
    /// The lines of a module.
    #[must_use]
    pub fn new(module: &'a Module) -> Self {
        let (sections, code_start) = sections(module.bytes());
        let load = |id: SectionId| {
            let bytes = sections.get(id.name()).copied().unwrap_or_default();
            Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        let dwarf = sections.contains_key(".debug_line").then(|| Dwarf::load(load).ok()).flatten();
        Self { context: dwarf.and_then(|dwarf| Context::from_dwarf(dwarf).ok()), code_start }
    }

    /// The line of what stands at an offset in the module.
    #[must_use]
    pub fn find(&self, module_offset: u32) -> Option<SourceLine> {
        let address = u64::from(module_offset).checked_sub(self.code_start)?;
        let location = self.context.as_ref()?.find_location(address).ok()??;
        // Line 0 stands for code that no line is responsible for.
        let line = location.line.filter(|&line| line > 0)?;
        Some(SourceLine { file: location.file?.to_owned(), line })
    }
}

/// The custom sections by name, and where the content of the code section starts.
fn sections(bytes: &[u8]) -> (HashMap<&str, &[u8]>, u64) {
    let (mut found, mut code_start) = (HashMap::new(), 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::CodeSectionStart { unchecked_range, .. }) => {
                code_start = unchecked_range.start;
            }
            Ok(Payload::CustomSection(section)) => {
                found.insert(section.name(), section.data());
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    (found, code_start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use addr2line::gimli::write::{
        Address, AttributeValue, DwarfUnit, EndianVec, LineProgram, LineString, Sections,
    };
    use addr2line::gimli::{Encoding, Format, LineEncoding};
    use std::fmt::Write;
    use upshift::Engine;

    /// Debug sections in the text format: line 7 at the address `address` and line 8 behind it.
    fn debug_sections(address: u64) -> String {
        let encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 4 };
        let mut unit = DwarfUnit::new(encoding);
        let text = |text: &str| LineString::String(text.as_bytes().to_vec());
        let (folder, file) = (text("/src"), text("main.c"));
        let mut program =
            LineProgram::new(encoding, LineEncoding::default(), folder, None, file, None);
        let folder = program.default_directory();
        let file = program.add_file(text("main.c"), folder, None);
        program.begin_sequence(Some(Address::Constant(address)));
        for (offset, line) in [(0, 7), (1, 8)] {
            let row = program.row();
            (row.address_offset, row.line, row.file) = (offset, line, file);
            program.generate_row();
        }
        program.end_sequence(100);
        unit.unit.line_program = program;
        let root = unit.unit.root();
        let low = AttributeValue::Address(Address::Constant(address));
        let entry = unit.unit.get_mut(root);
        entry.set(gimli::DW_AT_low_pc, low);
        entry.set(gimli::DW_AT_high_pc, AttributeValue::Udata(100));
        let mut sections = Sections::new(EndianVec::new(LittleEndian));
        unit.write(&mut sections).unwrap();
        let mut out = String::new();
        sections
            .for_each(|id, data| {
                write!(out, "(@custom \"{}\" \"", id.name()).unwrap();
                data.slice().iter().for_each(|byte| write!(out, "\\{byte:02x}").unwrap());
                out.push_str("\")");
                Ok::<_, gimli::Error>(())
            })
            .unwrap();
        out
    }

    #[test]
    fn lines_are_those_of_the_debug_sections() {
        // The code section's content: count, size of the body, locals, the body.
        let engine = Engine::default();
        let text = format!("(module (func (nop) (nop)) {})", debug_sections(3));
        let module = Module::new(&engine, text).unwrap();
        let body = module.function_body_range(0).unwrap();
        let first = u32::try_from(body.start).unwrap() + 1;
        let source = SourceMap::new(&module);
        let line = |offset| source.find(offset).map(|found| (found.file, found.line));
        assert_eq!(line(first), Some(("main.c".to_owned(), 7)));
        assert_eq!(line(first + 1), Some(("main.c".to_owned(), 8)));
        assert_eq!((line(first - 1), line(0), line(u32::MAX)), (None, None, None));
    }

    #[test]
    fn broken_sections_have_no_lines() {
        let engine = Engine::default();
        let sections = "(@custom \".debug_line\" \"\\ff\\ff\") (@custom \".debug_info\" \"x\")";
        for sections in ["", sections] {
            let module = Module::new(&engine, format!("(module (func) {sections})")).unwrap();
            let source = SourceMap::new(&module);
            assert_eq!((0..100).find_map(|offset| source.find(offset)), None);
        }
    }
}
