//! Branch hints: the `metadata.code.branch_hint` custom section of the
//! [branch hinting proposal](https://github.com/WebAssembly/branch-hinting).
//!
//! The section precedes the code section and names functions by index, so the hints are kept until
//! the bodies are known. A malformed section is read up to its first error: hints never matter for
//! the meaning of a module.

use crate::index::FuncIndex;
use crate::module::Module;
use wasmparser::{BinaryReader, BranchHintSectionReader};

/// All hints of a module.
#[derive(Default)]
pub(super) struct BranchHints {
    entries: Vec<Hint>,
}

/// One hint: function, offset from the start of its body, likely taken.
type Hint = (u32, u32, bool);

impl BranchHints {
    /// Reads what is well-formed of the section.
    pub(super) fn read(&mut self, data: BinaryReader<'_>) {
        if let Ok(section) = BranchHintSectionReader::new(data) {
            // The error, if any, has no consequence: the hints before it are valid.
            let _ = self.read_section(section);
        }
    }

    fn read_section(&mut self, section: BranchHintSectionReader<'_>) -> wasmparser::Result<()> {
        for func in section {
            let func = func?;
            for hint in func.hints {
                let hint = hint?;
                self.entries.push((func.func, hint.func_offset, hint.taken));
            }
        }
        Ok(())
    }

    /// Gives each body its hints.
    pub(super) fn attach(mut self, module: &mut Module) {
        self.entries.sort_unstable();
        self.entries.dedup_by_key(|&mut (func, offset, _)| (func, offset));
        for hints in self.entries.chunk_by(|a, b| a.0 == b.0) {
            let Some(defined) = module.defined_func(FuncIndex(hints[0].0)) else { continue };
            if let Some(body) = module.bodies.get_mut(defined.index()) {
                body.branch_hints = hints.iter().map(|&(_, at, taken)| (at, taken)).collect();
            }
        }
    }
}
