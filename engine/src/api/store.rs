//! [`Store`], and the contexts through which everything else borrows it.

use super::caller::Caller;
use super::engine::Engine;
use super::instance::Instance;
use super::interrupt::{InterruptHandle, UpdateDeadline};
use super::limits::ResourceLimiter;
use crate::Result;
use crate::gc::stats::GcStats;
use crate::store::{StoreBox, StoreInner};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// Owns instances, their memories, tables and globals, and the host's data `T`.
///
/// A store is used by one thread at a time but may move between threads when `T` may. Everything
/// in it lives until it is dropped. Handles ([`Func`](crate::Func), [`Memory`](crate::Memory), …)
/// name things of one store and panic when they are used with another.
pub struct Store<T: 'static> {
    inner: Box<StoreBox<T>>,
}

/// A store that is borrowed.
pub struct StoreContext<'a, T: 'static>(&'a StoreBox<T>);

/// A store that is borrowed and may be changed.
pub struct StoreContextMut<'a, T: 'static>(&'a mut StoreBox<T>);

impl<T: 'static> Store<T> {
    /// An empty store.
    pub fn new(engine: &Engine, data: T) -> Self {
        Self { inner: Box::new(StoreBox::new(engine, data)) }
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        &self.inner.data
    }

    /// The host's data.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.inner.data
    }

    /// The host's data; everything else is dropped.
    pub fn into_data(self) -> T {
        self.inner.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.inner.inner.engine()
    }

    /// Sets the fuel that is left.
    ///
    /// # Errors
    /// When the engine was not made with [`Config::consume_fuel`](crate::Config::consume_fuel).
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.as_context_mut().set_fuel(fuel)
    }

    /// The fuel that is left.
    ///
    /// # Errors
    /// When the engine was not made with [`Config::consume_fuel`](crate::Config::consume_fuel).
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// Has the store interrupted when the engine's epoch has advanced by `ticks` from now.
    pub fn set_epoch_deadline(&mut self, ticks: u64) {
        self.as_context_mut().set_epoch_deadline(ticks);
    }

    /// Makes reaching the epoch deadline a trap, which is the default.
    pub fn epoch_deadline_trap(&mut self) {
        self.inner.deadline_callback = None;
        self.inner.inner.interrupts().set_deadline_callback(false);
    }

    /// Has `callback` decide when the epoch deadline is reached. An `Err` ends the call into
    /// WebAssembly, whose handlers do not see it, even if it is an exception. It is asked where wasm code runs or waits, not while a host function blocks.
    ///
    /// No garbage is collected while it runs: [`gc`](Self::gc) does nothing, and wasm code that it
    /// calls and that needs more room than the nursery has left ends with
    /// [`Trap::AllocationTooLarge`](crate::Trap::AllocationTooLarge).
    pub fn epoch_deadline_callback(
        &mut self,
        callback: impl FnMut(StoreContextMut<'_, T>) -> Result<UpdateDeadline> + Send + Sync + 'static,
    ) {
        self.inner.deadline_callback = Some(Box::new(callback));
        self.inner.inner.interrupts().set_deadline_callback(true);
    }

    /// Has the limiter that `limiter` picks out of the host's data asked before anything grows.
    pub fn limiter(
        &mut self,
        limiter: impl FnMut(&mut T) -> &mut (dyn ResourceLimiter) + Send + Sync + 'static,
    ) {
        self.inner.limiter = Some(Box::new(limiter));
    }

    /// A handle that interrupts this store from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(Arc::clone(self.inner.inner.interrupts()))
    }
}

impl<T: 'static> Store<T> {
    /// Collects garbage: all objects that nothing refers to are freed.
    ///
    /// # Errors
    /// When the heap's limit leaves no room to move the young objects.
    pub fn gc(&mut self) -> Result<()> {
        self.as_context_mut().gc()
    }

    /// All instances in the order in which they were made, those included whose start function
    /// trapped: for debuggers.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        let store = self.as_context();
        let inner = store.inner();
        inner.entities.instance_ids().map(|id| Instance::from_id(inner, id)).collect()
    }

    /// What the collections of the store did so far.
    #[must_use]
    pub fn gc_stats(&self) -> GcStats {
        self.as_context().inner().gc_stats()
    }
}

impl<T: Default + 'static> Default for Store<T> {
    fn default() -> Self {
        Self::new(&Engine::default(), T::default())
    }
}

impl<T: 'static> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.inner.fmt(f)
    }
}

/// Something that a store can be borrowed from: a store, a [`Caller`], a context, or a reference
/// to one of these.
pub trait AsContext {
    /// The host's data.
    type Data: 'static;

    /// The store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Like [`AsContext`], for changes.
pub trait AsContextMut: AsContext {
    /// The store.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<'a, T: 'static> StoreContext<'a, T> {
    /// The host's data.
    pub fn data(&self) -> &'a T {
        &self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &'a Engine {
        self.0.inner.engine()
    }

    /// The fuel that is left.
    ///
    /// # Errors
    /// When the engine was not made with [`Config::consume_fuel`](crate::Config::consume_fuel).
    pub fn get_fuel(&self) -> Result<u64> {
        check_fuel(self.engine())?;
        Ok(self.0.inner.fuel())
    }

    pub(crate) fn inner(&self) -> &'a StoreInner {
        &self.0.inner
    }
}

impl<'a, T: 'static> StoreContextMut<'a, T> {
    pub(crate) fn new(store: &'a mut StoreBox<T>) -> Self {
        Self(store)
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The host's data.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.0.inner.engine()
    }

    /// The fuel that is left.
    ///
    /// # Errors
    /// When the engine was not made with [`Config::consume_fuel`](crate::Config::consume_fuel).
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// As [`Store::gc`].
    ///
    /// # Errors
    /// As [`Store::gc`].
    pub fn gc(&mut self) -> Result<()> {
        self.0.inner.collect_all()
    }

    /// Sets the fuel that is left.
    ///
    /// # Errors
    /// When the engine was not made with [`Config::consume_fuel`](crate::Config::consume_fuel).
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        check_fuel(self.engine())?;
        self.0.inner.set_fuel(fuel);
        Ok(())
    }

    /// Has the store interrupted when the engine's epoch has advanced by `ticks` from now.
    pub fn set_epoch_deadline(&mut self, ticks: u64) {
        let inner = &self.0.inner;
        let interrupts = inner.interrupts();
        if interrupts.first_registration() {
            inner.engine().register_deadline(interrupts);
        }
        interrupts.set_deadline(inner.engine().epoch().load(SeqCst).saturating_add(ticks));
    }

    pub(crate) fn inner(&self) -> &StoreInner {
        &self.0.inner
    }

    pub(crate) fn inner_mut(&mut self) -> &mut StoreInner {
        &mut self.0.inner
    }

    pub(crate) fn store(&mut self) -> &mut StoreBox<T> {
        self.0
    }

    pub(crate) fn into_store(self) -> &'a mut StoreBox<T> {
        self.0
    }
}

fn check_fuel(engine: &Engine) -> Result<()> {
    if engine.config().codegen.fuel {
        return Ok(());
    }
    anyhow::bail!("fuel is not configured in this engine; see `Config::consume_fuel`")
}

impl<T: 'static> fmt::Debug for StoreContext<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.inner.fmt(f)
    }
}

impl<T: 'static> fmt::Debug for StoreContextMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.inner.fmt(f)
    }
}

impl<T: 'static> Clone for StoreContext<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: 'static> Copy for StoreContext<'_, T> {}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(&self.inner)
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(&mut self.inner)
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        *self
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.0)
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        self.context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.context_mut()
    }
}

impl<'a, C: AsContext> From<&'a C> for StoreContext<'a, C::Data> {
    fn from(store: &'a C) -> Self {
        store.as_context()
    }
}

impl<'a, C: AsContext> From<&'a mut C> for StoreContext<'a, C::Data> {
    fn from(store: &'a mut C) -> Self {
        C::as_context(store)
    }
}

impl<'a, C: AsContextMut> From<&'a mut C> for StoreContextMut<'a, C::Data> {
    fn from(store: &'a mut C) -> Self {
        store.as_context_mut()
    }
}

impl<C: AsContext> AsContext for &C {
    type Data = C::Data;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        C::as_context(self)
    }
}

impl<C: AsContext> AsContext for &mut C {
    type Data = C::Data;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        C::as_context(self)
    }
}

impl<C: AsContextMut> AsContextMut for &mut C {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data> {
        C::as_context_mut(self)
    }
}
