//! [`Global`]: a global variable.

use super::store::{AsContext, AsContextMut};
use super::val::Val;
use crate::Result;
use crate::store::roots::expect_handle;
use crate::store::{StoreId, StoreInner};
use crate::vm::{GlobalBox, GlobalPtr};
use anyhow::bail;
use upshift_abi::types::GlobalType;

/// A global in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global {
    store: StoreId,
    ptr: GlobalPtr,
    ty: GlobalType,
}

impl Global {
    /// A new global.
    ///
    /// # Errors
    /// When the value does not have the type, or that names none of the store's engine, or one that is not
    /// in use any more.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Self> {
        let mut store = store.as_context_mut();
        let inner = store.inner_mut();
        inner.keep_named(ty.content)?;
        value.check(inner, ty.content, || "the value of a global".to_owned())?;
        let global = GlobalBox::new(value.to_slot(inner));
        let ptr = inner.entities.push_global(ty.content, global);
        inner.note_global_write();
        Ok(Self::from_ptr(inner, ptr, ty))
    }

    /// The type.
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        store.as_context().inner().check(self.store);
        self.ty
    }

    /// The value.
    ///
    /// # Panics
    /// When the global belongs to another store, or the system has no memory for a handle.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let store = store.as_context_mut();
        let slot = self.ptr(store.inner()).get();
        expect_handle(Val::from_slot(store.inner(), self.ty.content, slot))
    }

    /// Sets the value.
    ///
    /// # Errors
    /// When the global is immutable or the value does not have its type.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let store = store.as_context_mut();
        let ptr = self.ptr(store.inner());
        if !self.ty.mutable {
            bail!("an immutable global cannot be set");
        }
        value.check(store.inner(), self.ty.content, || "the value of a global".to_owned())?;
        ptr.set(value.to_slot(store.inner()));
        store.inner().note_global_write();
        Ok(())
    }

    pub(crate) fn from_ptr(store: &StoreInner, ptr: GlobalPtr, ty: GlobalType) -> Self {
        Self { store: store.id(), ptr, ty }
    }

    pub(crate) fn ptr(self, store: &StoreInner) -> GlobalPtr {
        store.check(self.store);
        self.ptr
    }

    pub(crate) fn type_in(self, store: &StoreInner) -> GlobalType {
        store.check(self.store);
        self.ty
    }
}
