//! Generated modules with what every engine knows: no objects, exceptions or references of known types.

use super::ops::{Operator, Ty};
use super::{Generator, signature_text};

impl Ty {
    /// Types of plain modules.
    pub(super) const PLAIN: [Self; 7] =
        [Self::I32, Self::I64, Self::F32, Self::F64, Self::V128, Self::Func, Self::Extern];
}

impl Generator {
    /// Types that there may be.
    pub(super) fn types(&self) -> &'static [Ty] {
        if self.plain { &Ty::PLAIN } else { &Ty::ALL }
    }

    pub(super) fn any_type(&mut self) -> Ty {
        let types = self.types();
        types[self.random.below(types.len())]
    }

    /// Up to `most` types.
    pub(super) fn some_types(&mut self, most: usize) -> Vec<Ty> {
        let types = self.types();
        self.random.some_of(0, most, types)
    }

    /// Operators that give a value of a type.
    pub(super) fn operators(&self, ty: Ty) -> Vec<Operator> {
        let known = |operator: &&Operator| operator.1.iter().all(|ty| self.types().contains(ty));
        ty.operators().iter().filter(known).copied().collect()
    }

    /// Opens a block around one with parameters, so that other engines keep what is below them
    /// (`mistake` in [`crate::fuzz`]).
    pub(super) fn open_plain(&mut self, params: &[Ty]) {
        if self.plain {
            self.line(format!("block {}", signature_text(&[], params)));
        }
    }

    pub(super) fn close_plain(&mut self) {
        if self.plain {
            self.line("end");
        }
    }

    /// Stands where modules with everything have something with references.
    pub(super) fn plain_statement(&mut self) {
        match self.random.below(4) {
            0 => self.block_statement(),
            1 => self.call(),
            2 => self.store(),
            _ => self.rare(),
        }
    }
}
