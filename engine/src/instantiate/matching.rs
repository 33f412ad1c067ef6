//! Whether what is provided fits what is imported
//! ([§3.3.8](https://webassembly.github.io/spec/core/valid/matching.html)).

use super::Definition;
use crate::api::engine::Engine;
use crate::api::externs::Extern;
use crate::api::module::Module;
use crate::api::type_names::Named;
use crate::canon::{TypeEntry, TypeRegistry};
use crate::store::StoreInner;
use crate::store::entities::StoreMemory;
use std::fmt::Display;
use upshift_abi::module::ExternIndex;
use upshift_abi::types::{FuncType, GlobalType, MemoryType, TableType, ValType};

/// The type of a definition with the sizes it has now.
#[derive(Clone, Debug)]
pub(crate) enum ProvidedType {
    /// A function: its canonical type.
    Func(TypeEntry),
    /// A global.
    Global(GlobalType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A tag: its canonical type.
    Tag(TypeEntry),
}

impl ProvidedType {
    /// The type of an item of the store.
    pub(crate) fn of(store: &StoreInner, item: &Extern) -> Self {
        match item {
            Extern::Func(func) => Self::Func(func.entry(store)),
            Extern::Global(global) => Self::Global(global.type_in(store)),
            Extern::Table(table) => {
                let minimum = table.ptr(store).len();
                Self::Table(TableType { minimum, ..table.type_in(store) })
            }
            Extern::Memory(memory) => {
                let StoreMemory::Owned(memory) = store.entities.memory(memory.id(store)) else {
                    unreachable!("shared memories have handles of their own")
                };
                Self::Memory(MemoryType { minimum: memory.size_pages(), ..*memory.ty() })
            }
            Extern::SharedMemory(memory) => {
                Self::Memory(MemoryType { minimum: memory.size(), ..memory.ty() })
            }
            Extern::Tag(tag) => Self::Tag(tag.entry(store).clone()),
        }
    }
}

/// Checks a definition against an import; the error says what differs.
pub(crate) fn check(
    module: &Module,
    import: ExternIndex,
    provided: &Definition,
) -> Result<(), String> {
    let declarations = module.declarations();
    let host;
    let ty = match provided {
        Definition::Host(func) => {
            host = ProvidedType::Func(func.entry().clone());
            &host
        }
        // Code of another engine may rely on another way to reserve memory.
        Definition::Item { item: Extern::SharedMemory(memory), .. }
            if !Engine::same(memory.engine(), module.engine()) =>
        {
            return Err("the shared memory belongs to another engine".to_owned());
        }
        Definition::Item { ty, .. } => ty,
    };
    let types = module.engine().types();
    match (import, ty) {
        (ExternIndex::Func(index), ProvidedType::Func(found)) => {
            let wanted = module.func_type_entry(index);
            let fits = found.is_subtype_of(wanted.id());
            equal(fits, "function type", &named(types, wanted), &named(types, found))
        }
        (ExternIndex::Tag(index), ProvidedType::Tag(found)) => {
            let wanted = module.type_entry(declarations.tags[index.index()]);
            let same = wanted.id() == found.id();
            equal(same, "tag type", &named(types, wanted), &named(types, found))
        }
        (ExternIndex::Global(index), ProvidedType::Global(found)) => {
            global(types, &declarations.globals[index.index()].ty, found)
        }
        (ExternIndex::Table(index), ProvidedType::Table(found)) => {
            table(types, &declarations.tables[index.index()].ty, found)
        }
        (ExternIndex::Memory(index), ProvidedType::Memory(found)) => {
            memory(&declarations.memories[index.index()], found)
        }
        (wanted, _) => {
            let wanted = module.extern_type(wanted).kind();
            Err(format!("expected a {wanted}, found a {}", provided.kind()))
        }
    }
}

fn equal(same: bool, what: &str, wanted: &dyn Display, found: &dyn Display) -> Result<(), String> {
    if same {
        return Ok(());
    }
    let (wanted, found) = (wanted.to_string(), found.to_string());
    // Types of one form differ by what they are declared to be below, or by their recursion groups.
    let note = if wanted == found { " (another type of this form)" } else { "" };
    Err(format!("expected {what} {wanted}, found {found}{note}"))
}

fn named<'a>(types: &'a TypeRegistry, entry: &'a TypeEntry) -> Named<'a, &'a FuncType> {
    Named(types, entry.ty())
}

fn global(types: &TypeRegistry, wanted: &GlobalType, found: &GlobalType) -> Result<(), String> {
    if wanted.mutable != found.mutable {
        let mutability = |mutable| if mutable { "mutable" } else { "immutable" };
        let (wanted, found) = (mutability(wanted.mutable), mutability(found.mutable));
        return Err(format!("expected {wanted} global, found {found}"));
    }
    let fits = if wanted.mutable {
        wanted.content == found.content
    } else {
        types.is_subtype(found.content, wanted.content)
    };
    equal(fits, "global type", &Named(types, wanted.content), &Named(types, found.content))
}

fn table(types: &TypeRegistry, wanted: &TableType, found: &TableType) -> Result<(), String> {
    let element = |ty: &TableType| Named(types, ValType::Ref(ty.element));
    equal(wanted.element == found.element, "table of", &element(wanted), &element(found))?;
    same_width(wanted.is_64, found.is_64)?;
    limits("table", "elements", (wanted.minimum, wanted.maximum), (found.minimum, found.maximum))
}

fn memory(wanted: &MemoryType, found: &MemoryType) -> Result<(), String> {
    let sharing = |shared| if shared { "shared" } else { "unshared" };
    let (shared, found_shared) = (sharing(wanted.shared), sharing(found.shared));
    equal(wanted.shared == found.shared, "memory that is", &shared, &found_shared)?;
    same_width(wanted.is_64, found.is_64)?;
    let (size, found_size) = (1u64 << wanted.page_size_log2, 1u64 << found.page_size_log2);
    equal(size == found_size, "page size", &size, &found_size)?;
    limits("memory", "pages", (wanted.minimum, wanted.maximum), (found.minimum, found.maximum))
}

fn same_width(wanted_64: bool, found_64: bool) -> Result<(), String> {
    let width = |is_64| if is_64 { "64-bit" } else { "32-bit" };
    equal(wanted_64 == found_64, "addresses of", &width(wanted_64), &width(found_64))
}

fn limits(
    what: &str,
    unit: &str,
    wanted: (u64, Option<u64>),
    found: (u64, Option<u64>),
) -> Result<(), String> {
    if found.0 < wanted.0 {
        return Err(format!(
            "expected a {what} of at least {} {unit}, found {}",
            wanted.0, found.0
        ));
    }
    match (wanted.1, found.1) {
        (Some(wanted), None) => {
            Err(format!("expected a {what} of at most {wanted} {unit}, found one without maximum"))
        }
        (Some(wanted), Some(found)) if found > wanted => {
            Err(format!("expected a {what} of at most {wanted} {unit}, found {found}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_match_when_the_found_range_lies_within() {
        assert!(limits("memory", "pages", (1, Some(4)), (2, Some(3))).is_ok());
        assert!(limits("memory", "pages", (1, None), (2, None)).is_ok());
        assert!(limits("memory", "pages", (3, None), (2, None)).is_err());
        assert!(limits("memory", "pages", (1, Some(4)), (2, None)).is_err());
        assert!(limits("memory", "pages", (1, Some(4)), (2, Some(5))).is_err());
    }
}
