//! [`Linker`]: definitions by name, and instantiation with what they resolve to.

use super::engine::Engine;
use super::externs::{Extern, ExternType};
use super::func::{import_parts, untyped_parts};
use super::instance::{Instance, InstancePre};
use super::into_func::IntoFunc;
use super::link_error::LinkError;
use super::module::{ImportType, Module};
use super::store::{AsContext, AsContextMut};
use super::val::Val;
use crate::api::caller::Caller;
use crate::instantiate::{Definition, Resolved};
use crate::store::host_func::HostFuncParts;
use crate::{Func, FuncType, Result};
use anyhow::bail;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Definitions by module and field name, from which imports are resolved.
///
/// Host functions belong to no store, so one linker serves all stores with data `T`.
pub struct Linker<T> {
    engine: Engine,
    /// By module name, then field name.
    definitions: HashMap<Arc<str>, HashMap<Arc<str>, Definition>>,
    allow_shadowing: bool,
    data: PhantomData<fn() -> T>,
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            definitions: self.definitions.clone(),
            allow_shadowing: self.allow_shadowing,
            data: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.definitions.iter().flat_map(|(module, fields)| {
            fields.keys().map(move |name| format!("{module}::{name}"))
        });
        f.debug_set().entries(names).finish()
    }
}

impl<T: 'static> Linker<T> {
    /// A linker without definitions.
    #[must_use]
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            definitions: HashMap::new(),
            allow_shadowing: false,
            data: PhantomData,
        }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name may be defined again. Off by default.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.allow_shadowing = allow;
        self
    }

    /// Defines a host function from a closure.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed.
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        closure: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Self> {
        self.define_host(module, name, closure.into_parts())
    }

    /// Defines a host function whose type is known at run time only.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed, or when the type names a concrete type
    /// that the engine does not have.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        self.define_host(module, name, untyped_parts(ty, body))
    }

    /// Defines a host function for an import of a module, of exactly the type that the import has: see
    /// [`Func::for_import`].
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed, when the import is no function, or when
    /// its module belongs to another engine.
    pub fn func_for_import(
        &mut self,
        import: &ImportType<'_>,
        body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        self.define_host(import.module(), import.name(), import_parts(import, body)?)
    }

    /// Defines an item of a store. Modules that use it can be instantiated in that store only.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed.
    ///
    /// # Panics
    /// When the item belongs to another store than `store`.
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        let definition = Definition::item(store.as_context().inner(), item.into());
        self.insert(module, name, definition)
    }

    /// Defines an item under a name without a module name.
    ///
    /// # Errors
    /// As [`Self::define`].
    pub fn define_name(
        &mut self,
        store: impl AsContext<Data = T>,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        self.define(store, "", name, item)
    }

    /// Defines all exports of an instance under a module name.
    ///
    /// # Errors
    /// When a name is defined and shadowing is not allowed.
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        let store = store.as_context_mut();
        let inner = store.inner();
        for export in instance.exports(store.as_context()) {
            let name = export.name();
            self.insert(module, name, Definition::item(inner, export.into_extern()))?;
        }
        Ok(self)
    }

    /// Instantiates a module and defines all its exports under a module name. Its `_initialize`
    /// is called if it exports such a function.
    ///
    /// # Errors
    /// As [`Self::instantiate`] and [`Self::instance`].
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        module: &Module,
    ) -> Result<&mut Self> {
        let instance = self.instantiate(&mut store, module)?;
        if let Some(initialize) = instance.get_func(&store, "_initialize") {
            initialize.typed::<(), ()>(&store)?.call(&mut store, ())?;
        }
        self.instance(store, module_name, instance)
    }

    /// Defines a name as what another name stands for.
    ///
    /// # Errors
    /// When the other name is not defined, or this one is and shadowing is not allowed.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Self> {
        let Some(definition) = self.lookup(module, name).cloned() else {
            bail!("`{module}::{name}` has not been defined");
        };
        self.insert(as_module, as_name, definition)
    }

    /// Defines all names of a module name under another one too.
    ///
    /// # Errors
    /// When a name is defined and shadowing is not allowed.
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<()> {
        for (name, definition) in self.definitions.get(module).cloned().unwrap_or_default() {
            self.insert(as_module, &name, definition)?;
        }
        Ok(())
    }

    /// What a name stands for.
    ///
    /// # Panics
    /// When the store belongs to another engine or to other stores than the item.
    pub fn get(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Option<Extern> {
        let definition = self.lookup(module, name)?;
        let mut store = store.as_context_mut();
        let same = Engine::same(&self.engine, store.engine());
        assert!(same, "linker and store belong to different engines");
        Some(definition.to_extern(store.inner_mut()))
    }

    /// The function that runs a module: its export `_start` or the one without a name, and a
    /// function that does nothing when there is neither.
    ///
    /// # Errors
    /// When what has the name is not a function.
    pub fn get_default(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
    ) -> Result<Func> {
        for name in ["", "_start"] {
            if let Some(item) = self.get(&mut store, module, name) {
                let kind = item.kind();
                return item.into_func().ok_or_else(|| {
                    anyhow::anyhow!("`{module}::{name}` is a {kind}, not a function")
                });
            }
        }
        Ok(Func::wrap(store, || {}))
    }

    /// Instantiates a module with its imports resolved by name.
    ///
    /// # Errors
    /// A [`LinkError`] when imports are missing or do not fit, an error of a limit, or what the
    /// start function or a segment trapped with.
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        let resolved = self.resolve(module, Some(store.as_context().inner()))?;
        crate::instantiate::instantiate(store.as_context_mut().store(), module, &Arc::new(resolved))
    }

    /// Resolves and checks a module's imports once, for many instantiations.
    ///
    /// # Errors
    /// A [`LinkError`] when imports are missing or do not fit.
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        Ok(InstancePre::new(module, self.resolve(module, None)?))
    }

    /// Defines every import of the module that is a function and not defined yet, as a function
    /// that fails with an error naming it.
    ///
    /// # Errors
    /// Never for functions; other imports stay undefined.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        for import in module.imports() {
            if matches!(import.ty(), ExternType::Func(_))
                && self.lookup(import.module(), import.name()).is_none()
            {
                let name = format!("{}::{}", import.module(), import.name());
                let body = move |_: Caller<'_, T>, _: &[Val], _: &mut [Val]| {
                    bail!("unknown import: `{name}` has not been defined")
                };
                self.func_for_import(&import, body)?;
            }
        }
        Ok(())
    }

    /// Defines every import of the module that is not defined yet: functions return zeros and
    /// nulls, globals and tables hold them, memories are empty.
    ///
    /// # Errors
    /// When a default value does not exist or a limit forbids to make the item.
    pub fn define_unknown_imports_as_default_values(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<()> {
        for import in module.imports() {
            let (module, name) = (import.module(), import.name());
            if self.lookup(module, name).is_some() {
                continue;
            }
            if matches!(import.ty(), ExternType::Func(_)) {
                self.func_for_import(&import, |_, _, _| Ok(()))?;
            } else {
                let item = default_item(&mut store, &import)?;
                self.define(&store, module, name, item)?;
            }
        }
        Ok(())
    }

    /// All definitions as module and field name.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.definitions
            .iter()
            .flat_map(|(module, fields)| fields.keys().map(move |name| (&**module, &**name)))
    }

    fn resolve(
        &self,
        module: &Module,
        store: Option<&crate::store::StoreInner>,
    ) -> Result<Resolved> {
        if !Engine::same(&self.engine, module.engine()) {
            bail!("module and linker belong to different engines");
        }
        let lookup = |module: &str, name: &str| self.lookup(module, name).cloned();
        Resolved::by_name(store, module, lookup)
    }

    fn lookup(&self, module: &str, name: &str) -> Option<&Definition> {
        self.definitions.get(module)?.get(name)
    }

    fn define_host(&mut self, module: &str, name: &str, parts: HostFuncParts) -> Result<&mut Self> {
        let func = parts.register(self.engine.types())?;
        self.insert(module, name, Definition::Host(func))
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> Result<&mut Self> {
        if !self.definitions.contains_key(module) {
            self.definitions.insert(Arc::from(module), HashMap::new());
        }
        let fields = self.definitions.get_mut(module).expect("it was just inserted");
        match fields.entry(Arc::from(name)) {
            Entry::Occupied(_) if !self.allow_shadowing => {
                let (module, name) = (module.to_owned(), name.to_owned());
                return Err(LinkError::DefinedTwice { module, name }.into());
            }
            Entry::Occupied(mut entry) => {
                entry.insert(definition);
            }
            Entry::Vacant(entry) => {
                entry.insert(definition);
            }
        }
        Ok(self)
    }
}

fn default_item<T: 'static>(
    store: &mut impl AsContextMut<Data = T>,
    import: &ImportType<'_>,
) -> Result<Extern> {
    let no_default = |what: &dyn fmt::Display| anyhow::anyhow!("{what} has no default value");
    Ok(match import.ty() {
        ExternType::Global(ty) => {
            let value = Val::default_for_ty(ty.content).ok_or_else(|| no_default(&ty.content))?;
            crate::Global::new(store, ty, value)?.into()
        }
        ExternType::Table(ty) => {
            let value = Val::default_for_ty(crate::ValType::Ref(ty.element));
            let value = value.and_then(|value| value.as_ref());
            let value = value.ok_or_else(|| no_default(&ty.element))?;
            crate::Table::new(store, ty, value)?.into()
        }
        ExternType::Memory(ty) if ty.shared => {
            crate::SharedMemory::new(store.as_context().engine(), ty)?.into()
        }
        ExternType::Memory(ty) => crate::Memory::new(store, ty)?.into(),
        ExternType::Tag(_) => crate::Tag::for_import(store, import)?.into(),
        ExternType::Func(_) => Func::for_import(store, import, |_, _, _| Ok(()))?.into(),
    })
}
