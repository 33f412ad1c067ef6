//! What writing generated programs as modules has in common.

use wasm_encoder::{BlockType, FunctionSection, TypeSection, ValType};

/// Types of functions, each once, behind other types.
#[derive(Debug)]
pub(crate) struct FuncTypes {
    first: u32,
    funcs: Vec<(Vec<ValType>, Vec<ValType>)>,
}

impl FuncTypes {
    /// None yet; the first one gets this index.
    pub(crate) fn from(first: u32) -> Self {
        Self { first, funcs: Vec::new() }
    }

    /// The index of a type.
    pub(crate) fn func(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let found = self.funcs.iter().position(|(p, r)| p == params && r == results);
        let found = found.unwrap_or_else(|| {
            self.funcs.push((params.to_vec(), results.to_vec()));
            self.funcs.len() - 1
        });
        index(found) + self.first
    }

    /// The type of a block.
    pub(crate) fn block(&mut self, params: &[ValType], results: &[ValType]) -> BlockType {
        match (params, results) {
            ([], []) => BlockType::Empty,
            ([], [result]) => BlockType::Result(*result),
            _ => BlockType::FunctionType(self.func(params, results)),
        }
    }

    /// Writes them behind the others.
    pub(crate) fn add_to(&self, section: &mut TypeSection) {
        for (params, results) in &self.funcs {
            section.ty().function(params.iter().copied(), results.iter().copied());
        }
    }
}

/// Functions of these types.
pub(crate) fn functions(types: &[u32]) -> FunctionSection {
    let mut functions = FunctionSection::new();
    types.iter().for_each(|&ty| {
        functions.function(ty);
    });
    functions
}

/// An index of something that programs have few of.
pub(crate) fn index(value: usize) -> u32 {
    u32::try_from(value).expect("a small number")
}
