//! Instantiation ([§4.7.2](https://webassembly.github.io/spec/core/exec/modules.html#instantiation)).
//!
//! 1. Imports were resolved and checked before ([`Resolved`]).
//! 2. The instance is allocated and connected: imports, memories, tables, function records.
//! 3. Globals and tables get their initial values.
//! 4. The store owns the instance from here on, for segments make it reachable from outside.
//! 5. Active segments are copied, and the start function runs; both may trap.

pub(crate) mod const_expr;
pub(crate) mod image;
pub(crate) mod limits;
pub(crate) mod matching;
pub(crate) mod segments;

use crate::Result;
use crate::api::engine::Engine;
use crate::api::externs::Extern;
use crate::api::func::{Func, call_raw, type_of};
use crate::api::instance::Instance;
use crate::api::link_error::LinkError;
use crate::api::memory::Memory;
use crate::api::module::Module;
use crate::api::tag::Tag;
use crate::store::entities::{InstanceData, InstanceId, MemoryId, StoreMemory, TableId};
use crate::store::host_func::HostFunc;
use crate::store::{AnyStore, StoreInner};
use crate::vm::{FuncPtr, InstanceBox, InstanceHead};
use anyhow::bail;
use const_expr::Origin;
use matching::ProvidedType;
use std::sync::Arc;
use upshift_abi::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use upshift_abi::module::{ExternIndex, Import};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Definition {
    /// A host function, of no store yet.
    Host(HostFunc),
    /// Something in a store.
    Item {
        /// The thing.
        item: Extern,
        /// Its type when it was defined.
        ty: ProvidedType,
    },
}

impl Definition {
    /// A definition of something in the store.
    pub(crate) fn item(store: &StoreInner, item: Extern) -> Self {
        let ty = ProvidedType::of(store, &item);
        Self::Item { item, ty }
    }

    /// The thing, in a store that it belongs to or will belong to.
    pub(crate) fn to_extern(&self, store: &mut StoreInner) -> Extern {
        match self {
            Self::Host(func) => Extern::Func(Func::from_host(store, func.clone())),
            Self::Item { item, .. } => item.clone(),
        }
    }

    /// What kind of thing it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Host(_) => "function",
            Self::Item { item, .. } => item.kind(),
        }
    }
}

/// The imports of a module, found and checked, in the module's order.
#[derive(Debug)]
pub(crate) struct Resolved {
    imports: Box<[Definition]>,
}

impl Resolved {
    /// Checks a list of imports.
    pub(crate) fn check(store: &StoreInner, module: &Module, items: &[Extern]) -> Result<Self> {
        check_engine(store, module)?;
        let declared = &module.declarations().imports;
        if declared.len() != items.len() {
            let (expected, found) = (declared.len(), items.len());
            return Err(LinkError::WrongNumberOfImports { expected, found }.into());
        }
        let check = |(import, item): (&Import, &Extern)| {
            let definition = Definition::item(store, item.clone());
            check_import(module, import, &definition)?;
            Ok(definition)
        };
        let imports = declared.iter().zip(items).map(check).collect::<Result<_>>()?;
        Ok(Self { imports })
    }

    /// Looks all imports up by name. With a store, items count with the size they have now.
    pub(crate) fn by_name(
        store: Option<&StoreInner>,
        module: &Module,
        lookup: impl Fn(&str, &str) -> Option<Definition>,
    ) -> Result<Self> {
        let resolve = |import: &Import| {
            let Some(mut definition) = lookup(&import.module, &import.name) else {
                let (module, name) = (import.module.clone(), import.name.clone());
                return Err(LinkError::UnknownImport { module, name }.into());
            };
            if let (Some(store), Definition::Item { item, ty }) = (store, &mut definition) {
                *ty = ProvidedType::of(store, item);
            }
            check_import(module, import, &definition)?;
            Ok(definition)
        };
        let imports = module.declarations().imports.iter().map(resolve).collect::<Result<_>>()?;
        Ok(Self { imports })
    }

    fn has_host_funcs(&self) -> bool {
        self.imports.iter().any(|import| matches!(import, Definition::Host(_)))
    }
}

fn check_engine(store: &StoreInner, module: &Module) -> Result<()> {
    if !Engine::same(store.engine(), module.engine()) {
        bail!("module and store belong to different engines");
    }
    Ok(())
}

fn check_import(module: &Module, import: &Import, definition: &Definition) -> Result<()> {
    matching::check(module, import.item, definition).map_err(|reason| {
        let (module, name) = (import.module.clone(), import.name.clone());
        LinkError::IncompatibleImport { module, name, reason }.into()
    })
}

/// Instantiates a module. The store keeps the host functions among the imports.
///
/// # Panics
/// When an import belongs to another store.
pub(crate) fn instantiate(
    store: &mut dyn AnyStore,
    module: &Module,
    imports: &Arc<Resolved>,
) -> Result<Instance> {
    check_engine(store.inner(), module)?;
    limits::check_instances(store)?;
    if imports.has_host_funcs() {
        store.inner_mut().entities.keep(Arc::<Resolved>::clone(imports));
    }
    let id = store.inner().entities.next_instance();
    let heap = match module.declarations().uses_objects {
        true => store.inner_mut().ensure_heap()?.base(),
        false => std::ptr::null_mut(),
    };
    store.inner_mut().objects_hold_exceptions |= module.objects_hold_exceptions();
    let head = InstanceHead {
        id: id.0,
        counters: module.code().counters(),
        type_ids: module.type_ids(),
        heap,
        descriptors: module.engine().types().table().base(),
    };
    let vm = InstanceBox::new(module.layout(), head);
    let mut instance = InstanceData::new(vm, module.clone());
    connect_imports(store.inner_mut(), module, &mut instance, &imports.imports);
    define_memories(store, module, &mut instance)?;
    write_func_records(&instance);
    define_globals(store.inner_mut(), &instance)?;
    define_tables(store, module, &mut instance)?;
    define_tags(store.inner_mut(), module, &mut instance)?;
    let id = store.inner_mut().entities.push_instance(instance);
    store.inner().note_global_write();
    segments::copy_active_elems(store.inner_mut(), id)?;
    segments::make_elem_values(store.inner_mut(), id)?;
    if module.declarations().uses_objects {
        limits::check_heap(store)?;
    }
    if !image::map(store.inner_mut(), id) {
        segments::copy_active_data(store.inner_mut(), id)?;
    }
    run_start(store, id)?;
    Ok(Instance::from_id(store.inner(), id))
}

fn connect_imports(
    store: &mut StoreInner,
    module: &Module,
    instance: &mut InstanceData,
    imports: &[Definition],
) {
    let (vm, layout) = (instance.instance(), module.layout());
    for (import, definition) in module.declarations().imports.iter().zip(imports) {
        match (import.item, definition) {
            (ExternIndex::Func(index), Definition::Host(func)) => {
                connect_func(instance, index, func.ptr());
            }
            (ExternIndex::Func(index), Definition::Item { item: Extern::Func(func), .. }) => {
                connect_func(instance, index, func.ptr(store));
            }
            (ExternIndex::Global(index), Definition::Item { item: Extern::Global(item), .. }) => {
                vm.set_global_import(layout, index, item.ptr(store));
            }
            (ExternIndex::Table(index), Definition::Item { item: Extern::Table(item), .. }) => {
                vm.set_table(layout, index, item.ptr(store));
                instance.tables.push(item.id(store));
            }
            (ExternIndex::Memory(index), Definition::Item { item, .. }) => {
                let id = imported_memory(store, item);
                vm.set_memory(layout, index, store.entities.memory(id).ptr());
                instance.memories.push(id);
            }
            (ExternIndex::Tag(index), Definition::Item { item: Extern::Tag(tag), .. }) => {
                vm.set_tag(layout, index, tag.ptr(store));
                instance.tags.push(tag.clone());
            }
            _ => unreachable!("imports were checked"),
        }
    }
}

fn connect_func(instance: &InstanceData, index: FuncIndex, func: FuncPtr) {
    let layout = instance.module.layout();
    instance.instance().set_func_import(layout, index, func);
    instance.instance().set_import_record(layout, index, func);
}

fn imported_memory(store: &mut StoreInner, item: &Extern) -> MemoryId {
    match item {
        Extern::Memory(memory) => Memory::id(*memory, store),
        Extern::SharedMemory(memory) => store
            .entities
            .find_shared(memory)
            .unwrap_or_else(|| store.entities.push_memory(StoreMemory::Shared(memory.clone()))),
        _ => unreachable!("imports were checked"),
    }
}

fn define_memories(
    store: &mut dyn AnyStore,
    module: &Module,
    instance: &mut InstanceData,
) -> Result<()> {
    let declarations = module.declarations();
    for i in declarations.imported.memories as usize..declarations.memories.len() {
        let ty = &declarations.memories[i];
        limits::check_new_memory(store, ty)?;
        let id = if ty.shared {
            let memory = crate::SharedMemory::new(module.engine(), *ty)?;
            store.inner_mut().entities.push_memory(StoreMemory::Shared(memory))
        } else {
            limits::make_memory(store, ty)?
        };
        let memory = store.inner().entities.memory(id).ptr();
        instance.instance().set_memory(module.layout(), MemoryIndex::new(i), memory);
        instance.memories.push(id);
    }
    Ok(())
}

fn write_func_records(instance: &InstanceData) {
    let module = &instance.module;
    let declarations = module.declarations();
    for &index in &declarations.escaping_funcs {
        if let Some(defined) = declarations.defined_func(index) {
            let ty = module.func_type_entry(index);
            let code = module.code().stub(defined);
            let ty = (ty.id(), ty.supertypes());
            instance.instance().set_func_record(module.layout(), index, code, ty);
        }
    }
}

fn define_globals(store: &mut StoreInner, instance: &InstanceData) -> Result<()> {
    let at = Origin::of(instance);
    let module = &instance.module;
    for (i, global) in module.declarations().globals.iter().enumerate() {
        if let Some(init) = &global.init {
            let value = const_expr::evaluate(store, &at, init)?;
            instance.instance().global(module.layout(), GlobalIndex::new(i)).set(value);
        }
    }
    Ok(())
}

fn define_tables(
    store: &mut dyn AnyStore,
    module: &Module,
    instance: &mut InstanceData,
) -> Result<()> {
    let declarations = module.declarations();
    for i in declarations.imported.tables as usize..declarations.tables.len() {
        let table = &declarations.tables[i];
        let init = match &table.init {
            Some(init) => const_expr::evaluate(store.inner_mut(), &Origin::of(instance), init)?[0],
            None => 0,
        };
        let id: TableId = limits::new_table(store, &table.ty, init)?;
        let table = store.inner().entities.table(id).table.ptr();
        instance.instance().set_table(module.layout(), TableIndex::new(i), table);
        instance.tables.push(id);
    }
    Ok(())
}

fn define_tags(store: &mut StoreInner, module: &Module, instance: &mut InstanceData) -> Result<()> {
    let declarations = module.declarations();
    let fields = |&ty: &TypeIndex| declarations.func_type_at(ty).params.len();
    if let Some(most) = declarations.tags.iter().map(fields).max() {
        store.reserve_exception(most)?;
    }
    for i in declarations.imported.tags as usize..declarations.tags.len() {
        let entry = module.type_entry(declarations.tags[i]).clone();
        let (tag, index) = (Tag::from_entry(store, entry), TagIndex::new(i));
        let identity = tag.ptr(store);
        store.exceptions.set_definition(identity, module, index);
        instance.instance().set_tag(module.layout(), index, identity);
        instance.tags.push(tag);
    }
    Ok(())
}

fn run_start(store: &mut dyn AnyStore, id: InstanceId) -> Result<()> {
    let instance = store.inner().entities.instance(id);
    let module = &instance.module;
    let Some(start) = module.declarations().start else { return Ok(()) };
    let layout = module.layout();
    let func = match module.declarations().defined_func(start) {
        None => instance.instance().func_import(layout, start),
        Some(_) => {
            let record = instance.instance().func_record(layout, start);
            record.expect("the start function has a record")
        }
    };
    let entry = type_of(store.inner(), func);
    call_raw(store, func, &entry, &mut [])
}
