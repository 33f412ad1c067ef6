//! [`Caller`]: what a host function knows of the store and the instance that called it.

use super::engine::Engine;
use super::externs::Extern;
use super::instance::export_of;
use super::interrupt::Interruption;
use super::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use crate::Result;
use crate::store::entities::InstanceId;
use crate::store::{StoreBox, StoreInner};
use std::fmt;

/// The store during a host call, and the instance that made the call.
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
    instance: Option<InstanceId>,
}

impl<'a, T: 'static> Caller<'a, T> {
    #[inline]
    pub(crate) fn new(store: &'a mut StoreBox<T>) -> Self {
        let instance = store.inner.context().caller().map(|instance| InstanceId(instance.id()));
        Self { store: StoreContextMut::new(store), instance }
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The host's data.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// What the calling instance exports as `name`. `None` too when the host made the call.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        export_of(self.inner(), self.instance?, name)
    }

    /// The fuel that is left.
    ///
    /// # Errors
    /// When the engine was not made with [`Config::consume_fuel`](crate::Config::consume_fuel).
    pub fn get_fuel(&self) -> Result<u64> {
        self.store.get_fuel()
    }

    /// Sets the fuel that is left.
    ///
    /// # Errors
    /// When the engine was not made with [`Config::consume_fuel`](crate::Config::consume_fuel).
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.store.set_fuel(fuel)
    }

    /// What the host function uses to block.
    pub fn interruption(&self) -> Interruption<'_> {
        Interruption::new(self.inner().interrupts())
    }

    #[inline]
    pub(crate) fn inner(&self) -> &StoreInner {
        self.store.inner()
    }

    #[inline]
    pub(crate) fn reborrow(&mut self) -> Caller<'_, T> {
        Caller { store: self.store.as_context_mut(), instance: self.instance }
    }

    pub(crate) fn context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }

    pub(crate) fn context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}

impl<T: 'static> fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("instance", &self.instance).finish_non_exhaustive()
    }
}
