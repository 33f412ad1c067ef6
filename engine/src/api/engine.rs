//! [`Engine`]: settings and everything that modules and stores share.

use super::config::Config;
use crate::Result;
use crate::canon::TypeRegistry;
use crate::code::{OptimizeFn, compile_optimized};
use crate::store::interrupt::InterruptState;
use crate::tier::controller::Controller;
use crate::tier::event::Event;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use upshift_abi::config::CodegenConfig;

/// Holds the settings, and what modules share. Cheap to clone; clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<EngineInner>,
}

#[derive(Debug)]
struct EngineInner {
    config: Config,
    codegen: Arc<CodegenConfig>,
    types: TypeRegistry,
    epoch: Arc<AtomicU64>,
    tiers: Arc<Controller>,
    /// Stores that have an epoch deadline.
    deadlines: Mutex<Vec<Weak<InterruptState>>>,
}

impl Drop for EngineInner {
    fn drop(&mut self) {
        self.tiers.stop();
    }
}

impl Default for Engine {
    /// An engine with default settings.
    ///
    /// # Panics
    /// When the CPU lacks what the compilers need; [`Engine::new`] gives an error instead.
    fn default() -> Self {
        match Self::new(&Config::new()) {
            Ok(engine) => engine,
            Err(error) => panic!("no engine on this machine: {error}"),
        }
    }
}

impl Engine {
    /// An engine with these settings.
    ///
    /// # Errors
    /// When the CPU lacks extensions that compiled code uses, or the settings ask for what the
    /// engine does not support.
    pub fn new(config: &Config) -> Result<Self> {
        Self::with_optimizer(config, compile_optimized)
    }

    /// An engine with another optimising compiler, for tests of tiering.
    pub(crate) fn with_optimizer(config: &Config, optimize: OptimizeFn) -> Result<Self> {
        crate::cpu::check()?;
        config.check()?;
        crate::code::common::initialize()?;
        Ok(Self {
            inner: Arc::new(EngineInner {
                codegen: Arc::new(config.codegen()),
                config: config.clone(),
                types: TypeRegistry::new()?,
                epoch: Arc::new(AtomicU64::new(0)),
                tiers: Controller::new(config.tier_settings(), optimize),
                deadlines: Mutex::new(Vec::new()),
            }),
        })
    }

    /// Whether both are the same engine.
    #[must_use]
    pub fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.inner, &b.inner)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// A handle that does not keep the engine alive.
    #[must_use]
    pub fn weak(&self) -> EngineWeak {
        EngineWeak { inner: Arc::downgrade(&self.inner) }
    }

    /// Advances the epoch by one: stores whose deadline it reaches are interrupted at once, also
    /// while they wait in a blocking host call. Call it from a timer thread, not from a signal
    /// handler. Its cost grows with the number of stores that have a deadline.
    pub fn increment_epoch(&self) {
        self.inner.epoch.fetch_add(1, SeqCst);
        let mut deadlines = self.deadlines();
        deadlines.retain(|store| store.upgrade().map(|store| store.epoch_changed()).is_some());
    }

    /// Checks that bytes are a valid binary module under the engine's settings.
    ///
    /// # Errors
    /// A [`DecodeError`](crate::DecodeError) that says what is wrong and where.
    pub fn validate(&self, bytes: &[u8]) -> Result<()> {
        super::module::Module::validate(self, bytes)
    }

    /// Takes out what happened to functions since the last time, and collections, exceptions and traps, in
    /// their order, if [`Config::profiling`] is on. The engine keeps the last 65536 events of
    /// each thread.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.inner.tiers.events().drain()
    }

    /// [`Event::at`] of an event that would happen now, to set events beside what other clocks tell.
    #[must_use]
    pub fn event_clock(&self) -> std::time::Duration {
        self.inner.tiers.events().now()
    }

    /// How many events of [`Self::events`] were lost because nobody took them out.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.inner.tiers.events().lost()
    }

    /// What decides on tiers.
    pub(crate) fn tiers(&self) -> &Arc<Controller> {
        &self.inner.tiers
    }

    /// The current epoch.
    pub(crate) fn epoch(&self) -> &Arc<AtomicU64> {
        &self.inner.epoch
    }

    /// Has [`Self::increment_epoch`] look at a store.
    pub(crate) fn register_deadline(&self, store: &Arc<InterruptState>) {
        let mut deadlines = self.deadlines();
        if deadlines.len() == deadlines.capacity() {
            deadlines.retain(|store| store.strong_count() > 0);
        }
        deadlines.push(Arc::downgrade(store));
    }

    /// What compilers read.
    pub(crate) fn codegen(&self) -> &Arc<CodegenConfig> {
        &self.inner.codegen
    }

    /// Canonical types.
    pub(crate) fn types(&self) -> &TypeRegistry {
        &self.inner.types
    }

    fn deadlines(&self) -> std::sync::MutexGuard<'_, Vec<Weak<InterruptState>>> {
        self.inner.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An [`Engine`] that may be gone.
#[derive(Clone, Debug)]
pub struct EngineWeak {
    inner: Weak<EngineInner>,
}

impl EngineWeak {
    /// The engine, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Engine> {
        Some(Engine { inner: self.inner.upgrade()? })
    }
}
