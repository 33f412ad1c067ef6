//! The decoded module: declarations and index spaces, immutable after decoding.
//!
//! [`Module`] holds no code. Function bodies are byte ranges ([`Body`]) of the module's bytes,
//! which the engine keeps; a body was validated when its module was made and is never validated
//! again ([`mod@crate::decode`]).

use crate::index::{
    DefinedFuncIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex,
};
use crate::layout::{ArrayLayout, ObjectLayout, StructLayout};
use crate::methods::Methods;
use crate::scan::LoopScan;
use crate::types::{
    CompositeType, FuncType, GlobalType, HeapType, MemoryType, RefType, SubType, TableType, ValType,
};
use std::collections::HashMap;
use std::ops::Range;

/// A decoded and validated module.
#[derive(Debug, Default)]
pub struct Module {
    /// The module's own name, from the name section.
    pub name: Option<String>,
    /// All types, recursion groups flattened.
    pub types: Vec<SubType>,
    /// How the objects of each type lie in memory.
    pub objects: Box<[ObjectLayout]>,
    /// Whether each type has types of the module below it.
    pub extended: Box<[bool]>,
    /// Types of the module by the names that the engine put in their place in declarations.
    pub numbered: HashMap<TypeIndex, TypeIndex>,
    /// What the method tables of the module hold.
    pub methods: Methods,
    /// Whether code may touch objects: then instances need a heap.
    pub uses_objects: bool,
    /// Imports in their order.
    pub imports: Vec<Import>,
    /// Types of all functions, imports first.
    pub funcs: Vec<TypeIndex>,
    /// All tables, imports first.
    pub tables: Vec<TableDecl>,
    /// All memories, imports first.
    pub memories: Vec<MemoryType>,
    /// All globals, imports first.
    pub globals: Vec<GlobalDecl>,
    /// Types of all tags, imports first.
    pub tags: Vec<TypeIndex>,
    /// Exports in their order; names are unique.
    pub exports: Vec<Export>,
    /// The start function.
    pub start: Option<FuncIndex>,
    /// Element segments.
    pub elems: Vec<ElemSegment>,
    /// Data segments.
    pub data: Vec<DataSegment>,
    /// Bodies of the defined functions.
    pub bodies: Vec<Body>,
    /// Sizes of the import part of each index space.
    pub imported: ImportCounts,
    /// The code section's content in the module's bytes.
    pub code_section: Range<usize>,
    /// The name section's content in the module's bytes; read when a name is asked for.
    pub name_section: Option<Range<usize>>,
    /// Functions that `ref.func` may name, or that exports, element segments and globals mention,
    /// and the start function: those that need a function record.
    pub escaping_funcs: Vec<FuncIndex>,
    /// Offsets in the module of calls through references and of branches on casts, ascending, as far as
    /// they have a profile ([`crate::profile`]).
    pub call_sites: Box<[u32]>,
}

/// How many entries of each index space are imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportCounts {
    /// Imported functions.
    pub funcs: u32,
    /// Imported tables.
    pub tables: u32,
    /// Imported memories.
    pub memories: u32,
    /// Imported globals.
    pub globals: u32,
    /// Imported tags.
    pub tags: u32,
}

impl Module {
    /// The number of the call through a reference, or the branch on a cast, at an offset in the module,
    /// if it has a profile.
    #[must_use]
    pub fn call_site(&self, offset: usize) -> Option<usize> {
        let offset = u32::try_from(offset).ok()?;
        self.call_sites.binary_search(&offset).ok()
    }

    /// The function type of type `index`.
    ///
    /// # Panics
    /// When the type is no function type; validation rules that out for every use of the compilers.
    #[inline]
    #[must_use]
    pub fn func_type_at(&self, index: TypeIndex) -> &FuncType {
        match &self.types[index.index()].composite {
            CompositeType::Func(ty) => ty,
            CompositeType::Struct(_) | CompositeType::Array(_) | CompositeType::Cont(_) => {
                panic!("type {} is no function type", index.0)
            }
        }
    }

    /// A heap type of a declaration as bodies write it: concrete types are the engine's names in
    /// declarations, and indices in bodies.
    #[must_use]
    pub fn own_type(&self, heap: HeapType) -> HeapType {
        match heap {
            HeapType::Concrete(number) => {
                HeapType::Concrete(self.numbered.get(&number).copied().unwrap_or(number))
            }
            other => other,
        }
    }

    /// Whether a table has cards ([`crate::layout::TableDef`]): whether its elements are anything but
    /// functions.
    #[must_use]
    pub fn table_has_cards(&self, index: TableIndex) -> bool {
        !self.is_function_type(self.tables[index.index()].ty.element)
    }

    /// Whether whoever writes a global tells the collector
    /// ([`crate::layout::ThreadContext::globals_written`]): whether it is a reference to anything but
    /// functions.
    #[must_use]
    pub fn global_is_noted(&self, index: GlobalIndex) -> bool {
        let ty = self.globals[index.index()].ty.content;
        matches!(ty, ValType::Ref(ty) if !self.is_function_type(ty))
    }

    /// Whether values of the type of a declaration are references to functions.
    fn is_function_type(&self, ty: RefType) -> bool {
        match self.own_type(ty.heap) {
            HeapType::Func | HeapType::NoFunc => true,
            HeapType::Concrete(ty) => {
                matches!(self.types[ty.index()].composite, CompositeType::Func(_))
            }
            _ => false,
        }
    }

    /// The layout of structures of type `index`.
    ///
    /// # Panics
    /// When it is no structure type; validation rules that out for every use of the compilers.
    #[must_use]
    pub fn structure(&self, index: TypeIndex) -> &StructLayout {
        match &self.objects[index.index()] {
            ObjectLayout::Struct(layout) => layout,
            ObjectLayout::Array(_) | ObjectLayout::None => {
                panic!("type {} is no structure type", index.0)
            }
        }
    }

    /// The layout of arrays of type `index`.
    ///
    /// # Panics
    /// When it is no array type; validation rules that out for every use of the compilers.
    #[must_use]
    pub fn array(&self, index: TypeIndex) -> ArrayLayout {
        match &self.objects[index.index()] {
            ObjectLayout::Array(layout) => *layout,
            ObjectLayout::Struct(_) | ObjectLayout::None => {
                panic!("type {} is no array type", index.0)
            }
        }
    }

    /// How many types a type is declared to be below, one above the other.
    #[must_use]
    pub fn supertype_depth(&self, index: TypeIndex) -> usize {
        let above = |ty: &SubType| ty.supertype;
        let mut depth = 0;
        let mut next = above(&self.types[index.index()]);
        while let Some(supertype) = next {
            depth += 1;
            next = above(&self.types[supertype.index()]);
        }
        depth
    }

    /// The type of function `index`.
    #[inline]
    #[must_use]
    pub fn func_type(&self, index: FuncIndex) -> &FuncType {
        self.func_type_at(self.funcs[index.index()])
    }

    /// The function with a body behind `index`, or `None` for an import.
    #[inline]
    #[must_use]
    pub fn defined_func(&self, index: FuncIndex) -> Option<DefinedFuncIndex> {
        index.0.checked_sub(self.imported.funcs).map(DefinedFuncIndex)
    }

    /// The index in the function index space of a function with a body.
    #[inline]
    #[must_use]
    pub fn func_index(&self, defined: DefinedFuncIndex) -> FuncIndex {
        FuncIndex(defined.0 + self.imported.funcs)
    }
}

/// One import.
#[derive(Clone, Debug)]
pub struct Import {
    /// Module name.
    pub module: String,
    /// Field name.
    pub name: String,
    /// What is imported, as index into its index space.
    pub item: ExternIndex,
}

/// One export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What is exported.
    pub item: ExternIndex,
}

/// Something that can be imported or exported, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternIndex {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
    /// A tag.
    Tag(TagIndex),
}

/// A table with its initial element.
#[derive(Clone, Debug)]
pub struct TableDecl {
    /// The table's type.
    pub ty: TableType,
    /// The value of each initial element; null when absent.
    pub init: Option<ConstExpr>,
}

/// A global with its initial value.
#[derive(Clone, Debug)]
pub struct GlobalDecl {
    /// The global's type.
    pub ty: GlobalType,
    /// The initial value; absent for imports.
    pub init: Option<ConstExpr>,
}

/// A constant expression ([§3.4.15](https://webassembly.github.io/spec/core/valid/instructions.html#constant-expressions)),
/// as code for a small stack machine.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstExpr {
    /// Operators in order; the value left on the stack is the result.
    pub ops: Box<[ConstOp]>,
}

/// An operator of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConstOp {
    /// `i32.const`
    I32Const(i32),
    /// `i64.const`
    I64Const(i64),
    /// `f32.const`, as bits.
    F32Const(u32),
    /// `f64.const`, as bits.
    F64Const(u64),
    /// `v128.const`
    V128Const(u128),
    /// `global.get`
    GlobalGet(GlobalIndex),
    /// `ref.null`
    RefNull(HeapType),
    /// `ref.func`
    RefFunc(FuncIndex),
    /// `i32.add`
    I32Add,
    /// `i32.sub`
    I32Sub,
    /// `i32.mul`
    I32Mul,
    /// `i64.add`
    I64Add,
    /// `i64.sub`
    I64Sub,
    /// `i64.mul`
    I64Mul,
    /// `ref.i31`
    RefI31,
    /// `struct.new`
    StructNew(TypeIndex),
    /// `struct.new_default`
    StructNewDefault(TypeIndex),
    /// `array.new`
    ArrayNew(TypeIndex),
    /// `array.new_default`
    ArrayNewDefault(TypeIndex),
    /// `array.new_fixed` with its number of elements.
    ArrayNewFixed(TypeIndex, u32),
    /// `any.convert_extern`
    AnyConvertExtern,
    /// `extern.convert_any`
    ExternConvertAny,
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct ElemSegment {
    /// When and where the segment is copied.
    pub mode: ElemMode,
    /// The elements' type.
    pub ty: RefType,
    /// The elements.
    pub items: ElemItems,
}

/// The mode of an element segment.
#[derive(Clone, Debug)]
pub enum ElemMode {
    /// Copied by `table.init`.
    Passive,
    /// Only declares functions for `ref.func`.
    Declared,
    /// Copied at instantiation.
    Active {
        /// Into this table.
        table: TableIndex,
        /// At this offset.
        offset: ConstExpr,
    },
}

/// The content of an element segment.
#[derive(Clone, Debug)]
pub enum ElemItems {
    /// Function references.
    Funcs(Box<[FuncIndex]>),
    /// General constant expressions.
    Exprs(Box<[ConstExpr]>),
}

impl ElemItems {
    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Funcs(items) => items.len(),
            Self::Exprs(items) => items.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct DataSegment {
    /// Where an active segment is copied to at instantiation; `None` for a passive one.
    pub active: Option<(MemoryIndex, ConstExpr)>,
    /// The segment's content in the module's bytes.
    pub range: Range<usize>,
}

/// The body of a function.
#[derive(Clone, Debug)]
pub struct Body {
    /// Locals and operators, in the module's bytes.
    pub range: Range<usize>,
    /// What the pre-scan found: which locals each loop touches most.
    pub loops: Box<[LoopScan]>,
    /// Loops of the bodies before it.
    pub first_loop: u32,
    /// Branch hints in the order of their offsets (relative to the start of `range`):
    /// `true` for likely taken.
    pub branch_hints: Box<[(u32, bool)]>,
    /// Whether it has a `rethrow`: then what a `catch` caught is kept as an object.
    pub rethrows: bool,
}

impl Body {
    /// The position in [`Self::loops`] of the loop whose operator is at this offset in the module.
    #[must_use]
    pub fn loop_position(&self, module_offset: u32) -> Option<usize> {
        let offset = module_offset.checked_sub(u32::try_from(self.range.start).ok()?)?;
        self.loops.binary_search_by_key(&offset, |scan| scan.offset).ok()
    }

    /// The offset in the module of the operator of the loop at a position.
    ///
    /// # Panics
    /// When there is no such loop.
    #[must_use]
    pub fn loop_offset(&self, position: usize) -> u32 {
        let start = u32::try_from(self.range.start).unwrap_or(u32::MAX);
        start.saturating_add(self.loops[position].offset)
    }
}
