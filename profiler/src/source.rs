//! Lines of source and functions that a module's compiler inlined, from the module's [DWARF](https://yurydelendik.github.io/webassembly-dwarf/)
//! sections.
//!
//! ```text
//! offset in the module ── minus the start of the code section ── address in DWARF ── file, line
//! ```

use crate::symbols::kept;
use addr2line::gimli::{self, Dwarf, EndianSlice, LittleEndian, SectionId};
use addr2line::{Context, Location};
use serde::Serialize;
use std::collections::HashMap;
use upshift::Module;
use wasmparser::{Parser, Payload};

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SourceLine {
    /// The file, as the compiler called it: not yet safe to print.
    pub file: String,
    /// Counts from 1.
    pub line: u32,
}

impl SourceLine {
    /// The name of the file without its folders, and the line, for where there is little space.
    #[must_use]
    pub fn short(&self) -> String {
        short(&self.file, self.line)
    }
}

/// The name of a file without its folders, and a line.
pub(crate) fn short(file: &str, line: u32) -> String {
    format!("{}:{line}", file.rsplit(['/', '\\']).next().unwrap_or(file))
}

/// A function of the source at a place of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFrame {
    /// Its name, as the compiler wrote it: not yet safe to print.
    pub name: Option<String>,
    /// The line in it.
    pub line: Option<SourceLine>,
}

/// Functions of the source that are told of at one place at most; more is no program but an attack.
const MAX_INLINED: usize = 256;

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
        let address = self.address(module_offset)?;
        source_line(self.context.as_ref()?.find_location(address).ok()??)
    }

    /// The functions of the source that what stands at an offset in the module comes from: those that
    /// were inlined first, the innermost first of all, and last the one that the module has a function
    /// for. Empty when nothing is known.
    #[must_use]
    pub fn frames(&self, module_offset: u32) -> Vec<SourceFrame> {
        let mut found = Vec::new();
        let (Some(address), Some(context)) = (self.address(module_offset), &self.context) else {
            return found;
        };
        let Ok(mut frames) = context.find_frames(address).skip_all_loads() else { return found };
        while let Ok(Some(frame)) = frames.next()
            && found.len() < MAX_INLINED
        {
            let name = frame.function.and_then(|name| Some(name.raw_name().ok()?.into_owned()));
            found.push(SourceFrame { name, line: frame.location.and_then(source_line) });
        }
        found
    }

    fn address(&self, module_offset: u32) -> Option<u64> {
        u64::from(module_offset).checked_sub(self.code_start)
    }
}

fn source_line(location: Location<'_>) -> Option<SourceLine> {
    // Line 0 stands for code that no line is responsible for.
    let line = location.line.filter(|&line| line > 0)?;
    Some(SourceLine { file: kept(location.file?), line })
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
    use crate::profile::{Category, Functions};
    use crate::symbols::Symbols;
    use addr2line::gimli::write::{
        Address, AttributeValue, DwarfUnit, EndianVec, FileId, LineProgram, LineString, Sections,
    };
    use addr2line::gimli::{Encoding, Format, LineEncoding};
    use std::fmt::Write;
    use upshift::Engine;

    /// Debug sections in the text format: line 7 at the address `address` and line 8 behind it, where
    /// `min` is inlined in `outer`, from line 70.
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
        add_functions(&mut unit, address, file);
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

    /// Adds `outer`, `min`, and that it is inlined.
    fn add_functions(unit: &mut DwarfUnit, address: u64, file: FileId) {
        let root = unit.unit.root();
        let mut add = |parent, tag, attributes: Vec<(gimli::DwAt, AttributeValue)>| {
            let id = unit.unit.add(parent, tag);
            for (name, value) in attributes {
                unit.unit.get_mut(id).set(name, value);
            }
            id
        };
        let name = |name: &str| (gimli::DW_AT_name, AttributeValue::String(name.into()));
        let range = |start, len| {
            let start = AttributeValue::Address(Address::Constant(start));
            [(gimli::DW_AT_low_pc, start), (gimli::DW_AT_high_pc, AttributeValue::Udata(len))]
        };
        let inline = AttributeValue::Inline(gimli::DW_INL_inlined);
        let min = [name("_Z3minii"), (gimli::DW_AT_inline, inline)];
        let min = add(root, gimli::DW_TAG_subprogram, min.into());
        let outer = [&[name("outer")], &range(address, 100)[..]].concat();
        let outer = add(root, gimli::DW_TAG_subprogram, outer);
        let call = [
            (gimli::DW_AT_abstract_origin, AttributeValue::UnitRef(min)),
            (gimli::DW_AT_call_file, AttributeValue::FileIndex(Some(file))),
            (gimli::DW_AT_call_line, AttributeValue::Udata(70)),
        ];
        let call = [&call[..], &range(address + 1, 99)[..]].concat();
        add(outer, gimli::DW_TAG_inlined_subroutine, call);
    }

    #[test]
    fn what_the_compiler_inlined_has_a_frame_of_its_own() {
        let engine = Engine::default();
        let text = format!(
            "(module (memory 1) (func (export \"f\") (param i32)
                (nop) (i32.store (local.get 0) (local.get 0))) {})",
            debug_sections(3)
        );
        let module = Module::new(&engine, text).unwrap();
        let body = module.function_body_range(0).unwrap();
        let first = u32::try_from(body.start).unwrap() + 1;
        let found = SourceMap::new(&module).frames(first + 1);
        let frames: Vec<_> = found
            .iter()
            .map(|frame| (frame.name.as_deref(), frame.line.as_ref().map(|line| line.line)))
            .collect();
        assert_eq!(frames, [(Some("_Z3minii"), Some(8)), (Some("outer"), Some(70))]);
        // And so has it in samples: the function has no name of its own but an export's.
        module.compile_function(0).unwrap();
        let range = module.code_ranges()[0];
        let (mut symbols, mut functions) = (Symbols::new(&module), Functions::default());
        let addresses = range.address..range.address + range.len;
        let stacks: Vec<_> = addresses
            .map(|address| symbols.frames(&mut functions, address, (true, Category::Host)))
            .collect();
        let stack = stacks.iter().find(|stack| stack.len() > 1).expect("the store is in `min`");
        let names: Vec<_> = stack
            .iter()
            .map(|frame| {
                let function = &functions.0[frame.function.0];
                (function.name.as_str(), function.inlined, function.index)
            })
            .collect();
        assert_eq!(names, [("min(int, int)", true, Some(0)), ("f", false, Some(0))]);
        let lines = symbols.into_parts().0;
        let line = |at: usize| &lines[&(stack[at].module_offset.unwrap(), stack[at].function)];
        assert_eq!((line(0).line, line(1).line), (8, 70));
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
