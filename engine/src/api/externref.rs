//! [`ExternRef`]: values of the host that wasm code holds but cannot look into.

use super::store::{AsContext, AsContextMut};
use crate::Result;
use crate::store::{StoreId, StoreInner};
use std::any::Any;

/// A reference to a host value. The value lives as long as its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternRef {
    store: StoreId,
    handle: u32,
}

impl ExternRef {
    /// Puts a value into the store.
    ///
    /// # Errors
    /// When the store holds 2³² − 1 values.
    pub fn new<T: Any + Send + Sync>(mut store: impl AsContextMut, value: T) -> Result<Self> {
        let mut store = store.as_context_mut();
        let inner = store.inner_mut();
        let handle = inner.externs.insert(Box::new(value));
        let handle = handle.ok_or_else(|| anyhow::anyhow!("the store holds too many values"))?;
        Ok(Self { store: inner.id(), handle })
    }

    /// The value; `None` for a reference that did not come from [`Self::new`].
    ///
    /// # Panics
    /// When the reference belongs to another store.
    pub fn data<'a, T: 'static>(
        &self,
        store: impl Into<super::store::StoreContext<'a, T>>,
    ) -> Option<&'a (dyn Any + Send + Sync)> {
        let inner = store.into().inner();
        inner.check(self.store);
        inner.externs.get(self.handle)
    }

    /// Whether both refer to the same value.
    ///
    /// # Panics
    /// When one of them belongs to another store.
    pub fn same(store: impl AsContext, a: &Self, b: &Self) -> bool {
        let store = store.as_context();
        store.inner().check(a.store);
        store.inner().check(b.store);
        a == b
    }

    pub(crate) fn to_bits(self, store: &StoreInner) -> u64 {
        store.check(self.store);
        u64::from(self.handle)
    }

    pub(crate) fn from_bits(store: &StoreInner, bits: u64) -> Option<Self> {
        let handle = u32::try_from(bits).expect("external references have 32 bits");
        (handle != 0).then(|| Self { store: store.id(), handle })
    }
}
