//! The inside of a store: what owns everything that machine code refers to.
//!
//! [`StoreBox`] is what an embedder's [`Store`](crate::Store) boxes: the host's data, its
//! callbacks, and a [`StoreInner`] that does not depend on their type. Nothing is removed from a
//! store before it is dropped, so the addresses it gives to machine code stay valid.
//!
//! Handles of the API are small: a store's id and an index or address in that store. Every use
//! checks the id, so a handle never reaches into another store.

pub(crate) mod entities;
mod events;
pub(crate) mod exceptions;
pub(crate) mod externs;
pub(crate) mod gc;
pub(crate) mod host_func;
pub(crate) mod interrupt;
mod kept_types;
pub(crate) mod roots;
pub(crate) mod strings;
mod vm_host;

use crate::Result;
use crate::api::engine::Engine;
use crate::api::interrupt::UpdateDeadline;
use crate::api::limits::ResourceLimiter;
use crate::api::store::StoreContextMut;
use crate::gc::Heap;
use crate::vm::{self, VmHost};
use entities::Entities;
use events::Traps;
use exceptions::Exceptions;
use externs::ExternTable;
use interrupt::InterruptState;
use kept_types::KeptTypes;
use roots::Roots;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strings::Strings;

pub(crate) use vm::Slot;

/// Identity of a store, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoreId(u64);

impl StoreId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The part of a store that does not depend on the host's data.
pub struct StoreInner {
    id: StoreId,
    engine: Engine,
    context: vm::Context,
    interrupts: Arc<InterruptState>,
    /// Fuel beyond what the machine code's signed counter holds.
    fuel_reserve: u64,
    pub(crate) entities: Entities,
    pub(crate) externs: ExternTable,
    pub(crate) exceptions: Exceptions,
    pub(crate) roots: Roots,
    pub(crate) strings: Strings,
    traps: Traps,
    /// Objects, when there are any.
    heap: Option<Box<Heap>>,
    /// Types of objects that the host made.
    kept_types: KeptTypes,
    /// Whether objects may hold exceptions.
    pub(crate) objects_hold_exceptions: bool,
    /// Whether references in frames can be found where machine code was left.
    pub(crate) may_collect: bool,
}

impl fmt::Debug for StoreInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        self.tell_the_rest();
    }
}

impl StoreInner {
    fn new(engine: Engine) -> Self {
        let config = engine.config();
        let context = vm::Context::new(vm::Settings {
            max_stack_bytes: config.max_wasm_stack,
            by_signal: !engine.codegen().loop_polls,
            fuel: engine.codegen().fuel,
            times_throws: engine.tiers().events().enabled(),
        });
        let interrupts = Arc::new(InterruptState::new(&engine, context.interrupter()));
        let exceptions = Exceptions::new(config.zeal.seed);
        Self {
            id: StoreId::next(),
            engine,
            context,
            interrupts,
            fuel_reserve: 0,
            entities: Entities::default(),
            externs: ExternTable::default(),
            exceptions,
            roots: Roots::default(),
            strings: Strings::default(),
            traps: Traps::default(),
            heap: None,
            kept_types: KeptTypes::default(),
            objects_hold_exceptions: false,
            may_collect: true,
        }
    }

    /// The store's identity.
    pub(crate) fn id(&self) -> StoreId {
        self.id
    }

    /// Checks that a handle belongs to this store.
    ///
    /// # Panics
    /// When it does not.
    #[inline]
    #[track_caller]
    pub(crate) fn check(&self, id: StoreId) {
        if id != self.id {
            wrong_store();
        }
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The execution context.
    pub(crate) fn context(&self) -> &vm::Context {
        &self.context
    }

    /// Requests to interrupt the store.
    pub(crate) fn interrupts(&self) -> &Arc<InterruptState> {
        &self.interrupts
    }

    /// Fuel left in all.
    pub(crate) fn fuel(&self) -> u64 {
        u64::try_from(self.context.fuel()).unwrap_or(0).saturating_add(self.fuel_reserve)
    }

    /// Sets the fuel that is left.
    pub(crate) fn set_fuel(&mut self, fuel: u64) {
        let active = i64::try_from(fuel).unwrap_or(i64::MAX);
        self.fuel_reserve = fuel - active.cast_unsigned();
        self.context.set_fuel(active);
    }

    /// Moves fuel from the reserve to a counter that went below zero; whether there was enough.
    pub(crate) fn refuel(&mut self) -> bool {
        let deficit = self.context.fuel();
        let missing = deficit.min(0).unsigned_abs();
        if self.fuel_reserve < missing.max(1) {
            return false;
        }
        self.set_fuel(self.fuel_reserve - missing);
        true
    }

    /// Takes fuel for an operation whose cost is known before it starts.
    pub(crate) fn charge_fuel(&mut self, cost: u64) -> Result<()> {
        if !self.engine.config().codegen.fuel || cost == 0 {
            return Ok(());
        }
        match self.fuel().checked_sub(cost) {
            Some(left) => {
                self.set_fuel(left);
                Ok(())
            }
            None => {
                self.set_fuel(0);
                Err(crate::Trap::OutOfFuel.into())
            }
        }
    }
}

#[cold]
#[track_caller]
fn wrong_store() -> ! {
    panic!("object used with the wrong store")
}

/// Chooses the limiter in the host's data.
pub(crate) type LimiterFn<T> = Box<dyn FnMut(&mut T) -> &mut (dyn ResourceLimiter) + Send + Sync>;
/// Decides what happens when the epoch deadline is reached.
pub(crate) type DeadlineFn<T> =
    Box<dyn FnMut(StoreContextMut<'_, T>) -> Result<UpdateDeadline> + Send + Sync>;

/// A store with the host's data.
pub(crate) struct StoreBox<T: 'static> {
    pub(crate) inner: StoreInner,
    pub(crate) limiter: Option<LimiterFn<T>>,
    pub(crate) deadline_callback: Option<DeadlineFn<T>>,
    pub(crate) data: T,
}

impl<T: 'static> StoreBox<T> {
    /// A store with nothing in it.
    pub(crate) fn new(engine: &Engine, data: T) -> Self {
        let inner = StoreInner::new(engine.clone());
        Self { inner, limiter: None, deadline_callback: None, data }
    }
}

/// A store whose data's type is not known: for everything that is the same for all.
pub(crate) trait AnyStore: VmHost {
    /// The store.
    fn inner(&self) -> &StoreInner;
    /// The store.
    fn inner_mut(&mut self) -> &mut StoreInner;
    /// The store as machine code's runtime functions see it.
    fn as_vm_host(&mut self) -> &mut dyn VmHost;
    /// The host's limiter.
    fn limiter(&mut self) -> Option<&mut dyn ResourceLimiter>;
    /// The epoch deadline was reached: what the host says.
    fn deadline_reached(&mut self) -> Result<UpdateDeadline>;
}

impl<T: 'static> AnyStore for StoreBox<T> {
    fn inner(&self) -> &StoreInner {
        &self.inner
    }

    fn inner_mut(&mut self) -> &mut StoreInner {
        &mut self.inner
    }

    fn as_vm_host(&mut self) -> &mut dyn VmHost {
        self
    }

    fn limiter(&mut self) -> Option<&mut dyn ResourceLimiter> {
        let choose = self.limiter.as_mut()?;
        Some(choose(&mut self.data))
    }

    fn deadline_reached(&mut self) -> Result<UpdateDeadline> {
        // Taken out while it runs, since it gets the store.
        let Some(mut callback) = self.deadline_callback.take() else {
            return Err(crate::Trap::Interrupt.into());
        };
        // At a poll, references are in registers that no map knows: what runs meanwhile may
        // allocate, but not collect.
        let could_collect = std::mem::replace(&mut self.inner.may_collect, false);
        let update = panic::catch_unwind(AssertUnwindSafe(|| callback(StoreContextMut::new(self))));
        self.inner.may_collect = could_collect;
        self.deadline_callback.get_or_insert(callback);
        update.unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}
