//! [`Extern`]: anything that can be imported or exported, and its type.

use super::func::Func;
use super::global::Global;
use super::memory::Memory;
use super::shared_memory::SharedMemory;
use super::store::AsContext;
use super::table::Table;
use super::tag::Tag;
use upshift_abi::types::{FuncType, GlobalType, MemoryType, TableType};

/// Something that can be imported or exported.
#[derive(Clone, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A global.
    Global(Global),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// A memory shared between threads.
    SharedMemory(SharedMemory),
    /// A tag.
    Tag(Tag),
}

/// The type of an [`Extern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// Of a function.
    Func(FuncType),
    /// Of a global.
    Global(GlobalType),
    /// Of a table.
    Table(TableType),
    /// Of a memory, shared or not.
    Memory(MemoryType),
    /// Of a tag: its parameters.
    Tag(FuncType),
}

macro_rules! conversions {
    ($($(#[$doc:meta])* $into:ident $variant:ident($ty:ty);)*) => {
        impl Extern {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $into(self) -> Option<$ty> {
                    match self {
                        Self::$variant(item) => Some(item),
                        _ => None,
                    }
                }
            )*
        }

        $(
            impl From<$ty> for Extern {
                fn from(item: $ty) -> Self {
                    Self::$variant(item)
                }
            }
        )*
    };
}

conversions! {
    /// The function, if it is one.
    into_func Func(Func);
    /// The global, if it is one.
    into_global Global(Global);
    /// The table, if it is one.
    into_table Table(Table);
    /// The unshared memory, if it is one.
    into_memory Memory(Memory);
    /// The shared memory, if it is one.
    into_shared_memory SharedMemory(SharedMemory);
    /// The tag, if it is one.
    into_tag Tag(Tag);
}

impl Extern {
    /// The type.
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        let store = store.as_context();
        match self {
            Self::Func(item) => ExternType::Func(item.ty(store)),
            Self::Global(item) => ExternType::Global(item.ty(store)),
            Self::Table(item) => ExternType::Table(item.ty(store)),
            Self::Memory(item) => ExternType::Memory(item.ty(store)),
            Self::SharedMemory(item) => ExternType::Memory(item.ty()),
            Self::Tag(item) => ExternType::Tag(item.ty(store)),
        }
    }

    /// What kind of thing it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Func(_) => "function",
            Self::Global(_) => "global",
            Self::Table(_) => "table",
            Self::Memory(_) | Self::SharedMemory(_) => "memory",
            Self::Tag(_) => "tag",
        }
    }
}

impl ExternType {
    /// What kind of thing it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Func(_) => "function",
            Self::Global(_) => "global",
            Self::Table(_) => "table",
            Self::Memory(_) => "memory",
            Self::Tag(_) => "tag",
        }
    }

    /// The function type, if it is one.
    #[must_use]
    pub fn func(&self) -> Option<&FuncType> {
        match self {
            Self::Func(ty) => Some(ty),
            _ => None,
        }
    }

    /// The memory type, if it is one.
    #[must_use]
    pub fn memory(&self) -> Option<&MemoryType> {
        match self {
            Self::Memory(ty) => Some(ty),
            _ => None,
        }
    }

    /// The global type, if it is one.
    #[must_use]
    pub fn global(&self) -> Option<&GlobalType> {
        match self {
            Self::Global(ty) => Some(ty),
            _ => None,
        }
    }

    /// The table type, if it is one.
    #[must_use]
    pub fn table(&self) -> Option<&TableType> {
        match self {
            Self::Table(ty) => Some(ty),
            _ => None,
        }
    }
}
