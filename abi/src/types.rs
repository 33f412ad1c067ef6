//! Value, reference and composite types of a module.
//!
//! The types are those of the specification's
//! [§2.3](https://webassembly.github.io/spec/core/syntax/types.html). A concrete heap type carries the
//! module's own [`TypeIndex`] when it was decoded; the engine replaces it by the type's name, which is
//! equal exactly when the types are.

use crate::index::TypeIndex;
use std::fmt;

/// A value type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit IEEE 754 float.
    F32,
    /// 64-bit IEEE 754 float.
    F64,
    /// 128-bit vector.
    V128,
    /// A reference.
    Ref(RefType),
}

impl ValType {
    /// A nullable `funcref`.
    pub const FUNCREF: Self = Self::Ref(RefType { nullable: true, heap: HeapType::Func });
    /// A nullable `externref`.
    pub const EXTERNREF: Self = Self::Ref(RefType { nullable: true, heap: HeapType::Extern });

    /// A nullable `anyref`.
    pub const ANYREF: Self = Self::Ref(RefType::ANYREF);

    /// A nullable `exnref`.
    pub const EXNREF: Self = Self::Ref(RefType { nullable: true, heap: HeapType::Exn });

    /// Whether values live in vector registers (floats and vectors).
    #[inline]
    #[must_use]
    pub const fn is_float_class(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::V128)
    }

    /// Whether the type is a reference.
    #[inline]
    #[must_use]
    pub const fn is_ref(self) -> bool {
        matches!(self, Self::Ref(_))
    }

    /// Bytes of a frame slot that holds a value of this type: 16 for `v128`, else 8.
    #[inline]
    #[must_use]
    pub const fn slot_bytes(self) -> u32 {
        if matches!(self, Self::V128) { 16 } else { 8 }
    }

    /// Whether a default value exists ([§3.1.6](https://webassembly.github.io/spec/core/valid/conventions.html#defaultable-types)).
    #[must_use]
    pub const fn is_defaultable(self) -> bool {
        !matches!(self, Self::Ref(RefType { nullable: false, .. }))
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32 => f.write_str("i32"),
            Self::I64 => f.write_str("i64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::V128 => f.write_str("v128"),
            Self::Ref(r) => r.fmt(f),
        }
    }
}

/// A reference type: nullability and heap type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefType {
    /// Whether `null` belongs to the type.
    pub nullable: bool,
    /// What is referred to.
    pub heap: HeapType,
}

impl RefType {
    /// A nullable `funcref`.
    pub const FUNCREF: Self = Self { nullable: true, heap: HeapType::Func };
    /// A nullable `externref`.
    pub const EXTERNREF: Self = Self { nullable: true, heap: HeapType::Extern };
    /// A nullable `exnref`.
    pub const EXNREF: Self = Self { nullable: true, heap: HeapType::Exn };
    /// A nullable `anyref`.
    pub const ANYREF: Self = Self { nullable: true, heap: HeapType::Any };
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, self.heap) {
            (true, HeapType::Func) => f.write_str("funcref"),
            (true, HeapType::Extern) => f.write_str("externref"),
            (true, HeapType::Exn) => f.write_str("exnref"),
            (true, HeapType::Any) => f.write_str("anyref"),
            (true, HeapType::Eq) => f.write_str("eqref"),
            (true, HeapType::I31) => f.write_str("i31ref"),
            (true, HeapType::Struct) => f.write_str("structref"),
            (true, HeapType::Array) => f.write_str("arrayref"),
            (true, HeapType::None) => f.write_str("nullref"),
            (true, heap) => write!(f, "(ref null {heap})"),
            (false, heap) => write!(f, "(ref {heap})"),
        }
    }
}

/// What a reference refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeapType {
    /// Any function.
    Func,
    /// No function: the bottom of the function hierarchy.
    NoFunc,
    /// Any external value.
    Extern,
    /// The bottom of the external hierarchy.
    NoExtern,
    /// The top of the internal hierarchy.
    Any,
    /// Values that `ref.eq` compares.
    Eq,
    /// Unboxed 31-bit integers.
    I31,
    /// Any structure.
    Struct,
    /// Any array.
    Array,
    /// The bottom of the internal hierarchy.
    None,
    /// Any exception.
    Exn,
    /// The bottom of the exception hierarchy.
    NoExn,
    /// Any continuation.
    Cont,
    /// The bottom of the continuation hierarchy.
    NoCont,
    /// A type of this module.
    Concrete(TypeIndex),
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Func => "func",
            Self::NoFunc => "nofunc",
            Self::Extern => "extern",
            Self::NoExtern => "noextern",
            Self::Any => "any",
            Self::Eq => "eq",
            Self::I31 => "i31",
            Self::Struct => "struct",
            Self::Array => "array",
            Self::None => "none",
            Self::Exn => "exn",
            Self::NoExn => "noexn",
            Self::Cont => "cont",
            Self::NoCont => "nocont",
            Self::Concrete(t) => return write!(f, "{}", t.0),
        };
        f.write_str(name)
    }
}

/// A function type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct FuncType {
    /// Parameter types.
    pub params: Box<[ValType]>,
    /// Result types.
    pub results: Box<[ValType]>,
}

impl FuncType {
    /// A function type from its parameter and result types.
    #[must_use]
    pub fn new(params: impl Into<Box<[ValType]>>, results: impl Into<Box<[ValType]>>) -> Self {
        Self { params: params.into(), results: results.into() }
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().enumerate() {
                let separator = if i == 0 { "" } else { " " };
                write!(f, "{separator}{ty}")?;
            }
            f.write_str(")")
        };
        list(f, &self.params)?;
        f.write_str(" -> ")?;
        list(f, &self.results)
    }
}

/// Storage of a structure field or array element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageType {
    /// A packed 8-bit integer.
    I8,
    /// A packed 16-bit integer.
    I16,
    /// A whole value.
    Val(ValType),
}

/// A structure field or the element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldType {
    /// How the field is stored.
    pub storage: StorageType,
    /// Whether it may be set after creation.
    pub mutable: bool,
}

/// The composite part of a type definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CompositeType {
    /// A function type.
    Func(FuncType),
    /// A structure with its fields.
    Struct(Box<[FieldType]>),
    /// An array with its element.
    Array(FieldType),
    /// A continuation over a function type.
    Cont(TypeIndex),
}

/// One type definition: composite type, finality, declared supertype and recursion group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubType {
    /// Whether no further subtypes may be declared.
    pub is_final: bool,
    /// The declared supertype.
    pub supertype: Option<TypeIndex>,
    /// The composite type.
    pub composite: CompositeType,
    /// The first type of the recursion group this type belongs to.
    pub group_start: TypeIndex,
    /// The number of types in that group.
    pub group_len: u32,
}

/// A table type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableType {
    /// Element type.
    pub element: RefType,
    /// Whether indices are 64-bit.
    pub is_64: bool,
    /// Initial number of elements.
    pub minimum: u64,
    /// Largest number of elements, if declared.
    pub maximum: Option<u64>,
    /// Whether it may be shared between threads.
    pub shared: bool,
}

impl TableType {
    /// A table with 32-bit indices.
    #[must_use]
    pub const fn new(element: RefType, minimum: u32, maximum: Option<u32>) -> Self {
        let maximum = match maximum {
            Some(maximum) => Some(maximum as u64),
            None => None,
        };
        Self { element, is_64: false, minimum: minimum as u64, maximum, shared: false }
    }
}

/// A linear memory type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryType {
    /// Whether addresses are 64-bit.
    pub is_64: bool,
    /// Whether it is shared between threads.
    pub shared: bool,
    /// Initial size in pages.
    pub minimum: u64,
    /// Largest size in pages, if declared.
    pub maximum: Option<u64>,
    /// log2 of the page size in bytes: 16, or 0 with the custom page sizes proposal.
    pub page_size_log2: u8,
}

impl MemoryType {
    /// A 32-bit memory with the ordinary page size.
    #[must_use]
    pub const fn new(minimum: u32, maximum: Option<u32>) -> Self {
        let maximum = match maximum {
            Some(maximum) => Some(maximum as u64),
            None => None,
        };
        Self { is_64: false, shared: false, minimum: minimum as u64, maximum, page_size_log2: 16 }
    }

    /// A 64-bit memory with the ordinary page size.
    #[must_use]
    pub const fn new64(minimum: u64, maximum: Option<u64>) -> Self {
        Self { is_64: true, shared: false, minimum, maximum, page_size_log2: 16 }
    }

    /// A 32-bit memory that threads share.
    #[must_use]
    pub const fn shared(minimum: u32, maximum: u32) -> Self {
        Self { shared: true, ..Self::new(minimum, Some(maximum)) }
    }

    /// Bytes that a memory of this type always has, as far as that is less than 2 GiB.
    #[must_use]
    pub fn least_bytes(&self) -> u32 {
        let bytes = self.minimum.saturating_mul(1 << self.page_size_log2);
        bytes.min(i32::MAX as u64) as u32
    }

    /// The largest number of pages that the address type can reach.
    #[must_use]
    pub const fn address_space_pages(&self) -> u64 {
        let bits = if self.is_64 { 64 } else { 32 };
        let pages_log2 = bits - self.page_size_log2 as u32;
        if pages_log2 >= 64 { u64::MAX } else { 1 << pages_log2 }
    }
}

/// A global's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalType {
    /// The type of its content.
    pub content: ValType,
    /// Whether it may be set.
    pub mutable: bool,
    /// Whether it is shared between threads.
    pub shared: bool,
}

impl GlobalType {
    /// A global's type.
    #[must_use]
    pub const fn new(content: ValType, mutable: bool) -> Self {
        Self { content, mutable, shared: false }
    }
}
