//! [`ExternRef`]: values of the host that wasm code holds but cannot look into, or references of the
//! `any` hierarchy that were converted.

use super::anyref::Rooted;
use super::store::{AsContext, AsContextMut};
use crate::Result;
use crate::fallible::OutOfMemory;
use crate::gc::access::Reference;
use crate::store::{StoreId, StoreInner};
use std::any::Any;

/// A reference of the `extern` hierarchy that is not null: a value of the host, or a reference to
/// an object that was converted.
///
/// It is valid as an [`AnyRef`](crate::AnyRef) is: in the scope it was obtained in, the host call
/// or the innermost [`RootScope`](crate::RootScope); outside of any scope as long as the store. A
/// value of the host is dropped with the store, or by a collection when neither the host nor
/// anything in the store refers to it any more. [`AnyRef::convert_extern`](crate::AnyRef) and
/// [`AnyRef::to_owned_ref`](crate::AnyRef::to_owned_ref) keep it beyond a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternRef {
    store: StoreId,
    value: Rooted,
}

impl ExternRef {
    /// Puts a value into the store. May collect.
    ///
    /// # Errors
    /// When the store holds 2³⁰ − 1 values, or there is no memory for another one.
    pub fn new<T: Any + Send + Sync>(mut store: impl AsContextMut, value: T) -> Result<Self> {
        let mut store = store.as_context_mut();
        let inner = store.inner_mut();
        let handle = inner.add_host_value(Box::new(value));
        let handle = handle.ok_or_else(|| anyhow::anyhow!("the store holds too many values"))?;
        let bits = Reference::Host(handle).bits();
        Ok(Self { store: inner.id(), value: Rooted::Host(inner.roots.add(bits.into())?) })
    }

    /// The value; `None` for a reference that did not come from [`Self::new`].
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn data<'a, T: 'static>(
        &self,
        store: impl Into<super::store::StoreContext<'a, T>>,
    ) -> Option<&'a (dyn Any + Send + Sync)> {
        let inner = store.into().inner();
        match self.reference(inner) {
            Reference::Host(handle) => inner.externs.get(handle),
            Reference::Null | Reference::I31(_) | Reference::Object(_) => None,
        }
    }

    /// Whether both refer to the same value.
    ///
    /// # Panics
    /// When one of them belongs to another store, or its scope is over.
    pub fn same(store: impl AsContext, a: &Self, b: &Self) -> bool {
        let store = store.as_context();
        a.reference(store.inner()) == b.reference(store.inner())
    }

    #[track_caller]
    pub(crate) fn reference(&self, store: &StoreInner) -> Reference {
        store.check(self.store);
        self.value.reference(store)
    }

    pub(crate) const fn parts(self) -> (StoreId, Rooted) {
        (self.store, self.value)
    }

    pub(crate) const fn from_parts(store: StoreId, value: Rooted) -> Self {
        Self { store, value }
    }

    pub(crate) fn to_bits(self, store: &StoreInner) -> u64 {
        self.reference(store).bits().into()
    }

    pub(crate) fn from_bits(store: &StoreInner, bits: u64) -> Result<Option<Self>, OutOfMemory> {
        let value = Rooted::from_bits(store, bits)?;
        Ok(value.map(|value| Self { store: store.id(), value }))
    }
}
