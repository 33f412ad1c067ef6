//! [`Instance`]: an instantiated module, and [`InstancePre`]: one whose imports are resolved.

use super::externs::{Extern, ExternType};
use super::func::Func;
use super::global::Global;
use super::memory::Memory;
use super::module::Module;
use super::shared_memory::SharedMemory;
use super::store::{AsContext, AsContextMut};
use super::table::Table;
use super::tag::Tag;
use super::typed_func::TypedFunc;
use super::wasm_ty::{WasmParams, WasmResults};
use crate::Result;
use crate::instantiate::{self, Resolved};
use crate::store::entities::{InstanceId, StoreMemory};
use crate::store::{StoreId, StoreInner};
use anyhow::Context;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use upshift_abi::index::{GlobalIndex, MemoryIndex};
use upshift_abi::module::ExternIndex;

/// An instantiated module in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    store: StoreId,
    id: InstanceId,
}

/// An export of an instance.
#[derive(Clone, Debug)]
pub struct Export<'a> {
    name: &'a str,
    item: Extern,
}

impl<'a> Export<'a> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What is exported.
    #[must_use]
    pub fn into_extern(self) -> Extern {
        self.item
    }

    /// The function, if it is one.
    #[must_use]
    pub fn into_func(self) -> Option<Func> {
        self.item.into_func()
    }

    /// The unshared memory, if it is one.
    #[must_use]
    pub fn into_memory(self) -> Option<Memory> {
        self.item.into_memory()
    }

    /// The table, if it is one.
    #[must_use]
    pub fn into_table(self) -> Option<Table> {
        self.item.into_table()
    }

    /// The global, if it is one.
    #[must_use]
    pub fn into_global(self) -> Option<Global> {
        self.item.into_global()
    }

    /// The type.
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        self.item.ty(store)
    }
}

impl Instance {
    /// Instantiates a module with imports in the module's order.
    ///
    /// # Errors
    /// A [`LinkError`](crate::LinkError) when imports do not fit, an error of a limit, or what the
    /// start function or a segment trapped with.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Self> {
        let mut store = store.as_context_mut();
        let resolved = Resolved::check(store.inner(), module, imports)?;
        instantiate::instantiate(store.store(), module, &Arc::new(resolved))
    }

    /// What is exported as `name`.
    pub fn get_export(&self, store: impl AsContext, name: &str) -> Option<Extern> {
        let store = store.as_context();
        store.inner().check(self.store);
        export_of(store.inner(), self.id, name)
    }

    /// The exported function `name`.
    pub fn get_func(&self, store: impl AsContext, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The exported function `name`, with its type checked as by [`Func::typed`].
    ///
    /// # Errors
    /// When there is no such function or it has another type.
    pub fn get_typed_func<P: WasmParams, R: WasmResults>(
        &self,
        store: impl AsContext,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        let func = self.get_func(store.as_context(), name);
        let func = func.with_context(|| format!("failed to find function export `{name}`"))?;
        func.typed(store).with_context(|| format!("failed to convert function `{name}`"))
    }

    /// The exported unshared memory `name`.
    pub fn get_memory(&self, store: impl AsContext, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// The exported shared memory `name`.
    pub fn get_shared_memory(&self, store: impl AsContext, name: &str) -> Option<SharedMemory> {
        self.get_export(store, name)?.into_shared_memory()
    }

    /// The exported table `name`.
    pub fn get_table(&self, store: impl AsContext, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// The exported global `name`.
    pub fn get_global(&self, store: impl AsContext, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// The exported tag `name`.
    pub fn get_tag(&self, store: impl AsContext, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.into_tag()
    }

    /// The module.
    pub fn module<'a, T: 'static>(
        &self,
        store: impl Into<super::store::StoreContext<'a, T>>,
    ) -> &'a Module {
        let inner = store.into().inner();
        inner.check(self.store);
        &inner.entities.instance(self.id).module
    }

    /// All exports, in the module's order.
    pub fn exports<'a, T: 'static>(
        &self,
        store: impl Into<super::store::StoreContext<'a, T>>,
    ) -> impl ExactSizeIterator<Item = Export<'a>> {
        let inner = store.into().inner();
        inner.check(self.store);
        let id = self.id;
        let exports = &inner.entities.instance(id).module.declarations().exports;
        exports
            .iter()
            .map(move |export| Export { name: &export.name, item: item_of(inner, id, export.item) })
    }

    /// The memories, then the globals, those included that are imported or not exported: for debuggers.
    pub fn memories_and_globals(&self, store: impl AsContext) -> Vec<Extern> {
        let store = store.as_context();
        let inner = store.inner();
        inner.check(self.store);
        let declarations = inner.entities.instance(self.id).module.declarations();
        let memories = (0..declarations.memories.len()).map(MemoryIndex::new);
        let globals = (0..declarations.globals.len()).map(GlobalIndex::new);
        let items = memories.map(ExternIndex::Memory).chain(globals.map(ExternIndex::Global));
        items.map(|item| item_of(inner, self.id, item)).collect()
    }

    pub(crate) fn from_id(store: &StoreInner, id: InstanceId) -> Self {
        Self { store: store.id(), id }
    }
}

/// What an instance exports as `name`.
pub(crate) fn export_of(store: &StoreInner, id: InstanceId, name: &str) -> Option<Extern> {
    let index = store.entities.instance(id).module.export_index(name)?;
    Some(item_of(store, id, index))
}

/// An item of an instance that escapes from it.
pub(crate) fn item_of(store: &StoreInner, id: InstanceId, index: ExternIndex) -> Extern {
    let data = store.entities.instance(id);
    let module = &data.module;
    let (instance, layout) = (data.instance(), module.layout());
    match index {
        ExternIndex::Func(index) => {
            let ptr = match module.declarations().defined_func(index) {
                None => instance.func_import(layout, index),
                Some(_) => {
                    let record = instance.func_record(layout, index);
                    record.expect("exported functions have records")
                }
            };
            Extern::Func(Func::from_ptr(store, ptr))
        }
        ExternIndex::Table(index) => {
            Extern::Table(Table::from_id(store, data.tables[index.index()]))
        }
        ExternIndex::Memory(index) => {
            let id = data.memories[index.index()];
            match store.entities.memory(id) {
                StoreMemory::Owned(_) => Extern::Memory(Memory::from_id(store, id)),
                StoreMemory::Shared(memory) => Extern::SharedMemory(memory.clone()),
            }
        }
        ExternIndex::Global(index) => {
            let ty = module.declarations().globals[index.index()].ty;
            Extern::Global(Global::from_ptr(store, instance.global(layout, index), ty))
        }
        ExternIndex::Tag(index) => Extern::Tag(data.tags[index.index()].clone()),
    }
}

/// A module with resolved imports, to be instantiated many times, on any thread.
pub struct InstancePre<T> {
    module: Module,
    imports: Arc<Resolved>,
    data: PhantomData<fn() -> T>,
}

impl<T> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        Self { module: self.module.clone(), imports: Arc::clone(&self.imports), data: PhantomData }
    }
}

impl<T> fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancePre").field("module", &self.module).finish_non_exhaustive()
    }
}

impl<T: 'static> InstancePre<T> {
    pub(crate) fn new(module: &Module, imports: Resolved) -> Self {
        Self { module: module.clone(), imports: Arc::new(imports), data: PhantomData }
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Instantiates the module.
    ///
    /// # Errors
    /// An error of a limit, or what the start function or a segment trapped with.
    ///
    /// # Panics
    /// When an import belongs to another store.
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let mut store = store.as_context_mut();
        instantiate::instantiate(store.store(), &self.module, &self.imports)
    }
}
