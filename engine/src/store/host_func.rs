//! Host functions: what is left of a Rust closure when its types are settled.

use crate::Result;
use crate::api::caller::Caller;
use crate::canon::{TypeEntry, TypeRegistry};
use crate::store::{Slot, StoreBox};
use crate::vm::{self, FuncPtr, HostFuncBody};
use std::sync::Arc;
use upshift_abi::types::FuncType;

/// A function type and a body over slots, not yet known to an engine.
pub struct HostFuncParts {
    ty: FuncType,
    /// The type, when it is one that an engine has: a type of a module may be more than its
    /// parameters and results say.
    entry: Option<TypeEntry>,
    body: HostFuncBody,
}

impl HostFuncParts {
    /// A function of type `ty` for stores with data of type `T`.
    pub(crate) fn new<T, F>(ty: FuncType, body: F) -> Self
    where
        T: 'static,
        F: Fn(Caller<'_, T>, &mut [Slot]) -> Result<()> + Send + Sync + 'static,
    {
        let body: HostFuncBody = Box::new(move |host, slots| {
            let store = host.as_any_mut().downcast_mut::<StoreBox<T>>();
            let store = store.expect("host functions are called in stores of their own type");
            let scope = store.inner.roots.open_scope();
            let result = body(Caller::new(store), slots);
            store.inner.roots.close_scope(scope);
            result
        });
        Self { ty, entry: None, body }
    }

    /// The same with a type that an engine has, and that looks like the type of the parts.
    pub(crate) fn with_entry(self, entry: TypeEntry) -> Self {
        debug_assert_eq!(self.ty, *entry.ty(), "the body is one for the type");
        Self { entry: Some(entry), ..self }
    }

    /// The function, for all stores of an engine.
    ///
    /// # Errors
    /// When its type is another engine's, or names a concrete type that the engine does not have.
    pub(crate) fn register(self, types: &TypeRegistry) -> Result<HostFunc> {
        let entry = match self.entry {
            Some(entry) if types.owns(&entry) => entry,
            Some(_) => anyhow::bail!("the type belongs to another engine"),
            None => types.register(&self.ty)?,
        };
        let ty = (entry.id(), entry.supertypes());
        let func = vm::HostFunc::new(&self.ty, ty, self.body);
        Ok(HostFunc(Arc::new(HostFuncInner { func, entry })))
    }
}

/// A host function; whoever gives its [`FuncPtr`] to a store has the store keep a clone.
#[derive(Clone, Debug)]
pub(crate) struct HostFunc(Arc<HostFuncInner>);

#[derive(Debug)]
struct HostFuncInner {
    /// Boxed: its address is its identity.
    func: Box<vm::HostFunc>,
    entry: TypeEntry,
}

impl HostFunc {
    /// The function as a reference, valid while a clone of `self` lives.
    pub(crate) fn ptr(&self) -> FuncPtr {
        self.0.func.func()
    }

    /// Its type.
    pub(crate) fn entry(&self) -> &TypeEntry {
        &self.0.entry
    }
}
