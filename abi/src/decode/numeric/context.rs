//! The declarations of a module as far as they are about numbers.

use super::bytes::Bytes;
use crate::index::TypeIndex;
use crate::module::Module;
use crate::types::{CompositeType, FuncType, RefType, ValType};
use wasmparser::WasmFeatures;

/// Proposals whose operators are accepted here.
const NEEDED: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES);

/// The type of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Num {
    I32,
    I64,
    F32,
    F64,
}

impl Num {
    /// The number type that this is.
    pub(super) const fn of(ty: ValType) -> Option<Self> {
        match ty {
            ValType::I32 => Some(Self::I32),
            ValType::I64 => Some(Self::I64),
            ValType::F32 => Some(Self::F32),
            ValType::F64 => Some(Self::F64),
            ValType::V128 | ValType::Ref(_) => None,
        }
    }

    /// The type whose encoding is this byte.
    pub(super) const fn encoded(byte: u8) -> Option<Self> {
        match byte {
            0x7f => Some(Self::I32),
            0x7e => Some(Self::I64),
            0x7d => Some(Self::F32),
            0x7c => Some(Self::F64),
            _ => None,
        }
    }

    /// This type alone in a slice.
    const fn alone(self) -> &'static [Self] {
        match self {
            Self::I32 => &[Self::I32],
            Self::I64 => &[Self::I64],
            Self::F32 => &[Self::F32],
            Self::F64 => &[Self::F64],
        }
    }

    /// Addresses of a memory, or indices of a table.
    const fn address(is_64: bool) -> Self {
        if is_64 { Self::I64 } else { Self::I32 }
    }

    fn all(types: &[ValType]) -> Option<Box<[Self]>> {
        types.iter().map(|&ty| Self::of(ty)).collect()
    }
}

/// A function type of numbers.
pub(super) struct Signature {
    pub(super) params: Box<[Num]>,
    pub(super) results: Box<[Num]>,
}

/// The declarations of a module as far as they are about numbers.
pub(crate) struct NumericContext<'m> {
    /// By type.
    signatures: Box<[Option<Signature>]>,
    /// The type of each function.
    funcs: &'m [TypeIndex],
    /// By table: its indices, when functions can be called through it.
    tables: Box<[Option<Num>]>,
    /// By global: its type and whether it is mutable.
    globals: Box<[Option<(Num, bool)>]>,
    /// Addresses of memory 0.
    pub(super) memory: Option<Num>,
}

impl<'m> NumericContext<'m> {
    /// Nothing when the features ask for rules that are not those of this module.
    pub(crate) fn new(module: &'m Module, features: WasmFeatures) -> Option<Self> {
        if !features.contains(NEEDED) || features.contains(WasmFeatures::SHARED_EVERYTHING_THREADS)
        {
            return None;
        }
        let signature = |FuncType { params, results }: &FuncType| {
            Some(Signature { params: Num::all(params)?, results: Num::all(results)? })
        };
        let signatures = module.types.iter().map(|ty| match &ty.composite {
            CompositeType::Func(ty) => signature(ty),
            _ => None,
        });
        let tables = module.tables.iter().map(|table| {
            (table.ty.element == RefType::FUNCREF).then_some(Num::address(table.ty.is_64))
        });
        let globals = module.globals.iter().map(|g| Some((Num::of(g.ty.content)?, g.ty.mutable)));
        Some(Self {
            signatures: signatures.collect(),
            funcs: &module.funcs,
            tables: tables.collect(),
            globals: globals.collect(),
            memory: module.memories.first().map(|memory| Num::address(memory.is_64)),
        })
    }

    /// A function type, when it is of numbers.
    #[inline(always)]
    pub(super) fn signature(&self, index: u32) -> Option<&Signature> {
        self.signatures.get(index as usize)?.as_ref()
    }

    /// A function's type, when it is of numbers.
    #[inline(always)]
    pub(super) fn func(&self, index: u32) -> Option<&Signature> {
        self.signature(self.funcs.get(index as usize)?.0)
    }

    /// Indices of a table through which functions can be called.
    #[inline(always)]
    pub(super) fn table(&self, index: u32) -> Option<Num> {
        *self.tables.get(index as usize)?
    }

    /// A global of a number: its type and whether it is mutable.
    #[inline(always)]
    pub(super) fn global(&self, index: u32) -> Option<(Num, bool)> {
        *self.globals.get(index as usize)?
    }

    /// Parameters and results of the block whose type is next.
    #[inline(always)]
    pub(super) fn block_type(&self, bytes: &mut Bytes<'_>) -> Option<(&[Num], &[Num])> {
        match bytes.byte()? {
            0x40 => Some((&[], &[])),
            // A number that is not negative, in one byte.
            index @ 0..0x40 => {
                let signature = self.signature(index.into())?;
                Some((&signature.params, &signature.results))
            }
            ty => Some((&[], Num::encoded(ty)?.alone())),
        }
    }
}
