//! Requests to interrupt a store: by its host, by the epoch, for tests.
//!
//! What is wanted is kept here; the bits in the execution context ([`crate::vm::Interrupter`])
//! only ring the bell, so that a bell without a wish is harmless.
//!
//! 1. The requester notes its wish: [`InterruptState::interrupt`] sets a flag, the engine's
//!    epoch moves past [`InterruptState::deadline`].
//! 2. It rings: machine code polls, a sleeping `memory.atomic.wait` is unparked, and the event
//!    descriptor that blocking host calls include in their `ppoll` becomes readable.
//! 3. Whoever wakes drains the descriptor first and looks for wishes then, so none is lost.

use crate::api::engine::Engine;
use crate::vm::Interrupter;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

/// The bit that rings for everything but the test mode.
const RING: u32 = 1;
/// The bit of the test mode in which every poll takes the slow path.
const ZEAL: u32 = 2;
/// A deadline that is never reached.
const NEVER: u64 = u64::MAX;

/// Wishes of other threads for one store, and what wakes it.
pub(crate) struct InterruptState {
    interrupter: Interrupter,
    interrupted: AtomicBool,
    /// Epoch at which the deadline is reached.
    deadline: AtomicU64,
    /// Whether the host decides at the deadline; then only wasm code is interrupted by it.
    deadline_callback: AtomicBool,
    /// Whether the engine knows of the deadline.
    registered: AtomicBool,
    /// The engine's epoch.
    epoch: Arc<AtomicU64>,
    event: OnceLock<OwnedFd>,
    /// The thread that waits in `memory.atomic.wait`.
    waiting: Mutex<Option<Thread>>,
}

impl fmt::Debug for InterruptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterruptState").finish_non_exhaustive()
    }
}

impl InterruptState {
    /// The state of a new store.
    pub(crate) fn new(engine: &Engine, interrupter: Interrupter) -> Self {
        let config = engine.config();
        if config.zeal.interrupt || config.zeal.step {
            interrupter.request(ZEAL);
        }
        if config.epoch_interruption {
            interrupter.request(RING);
        }
        let deadline = if config.epoch_interruption { engine.epoch().load(SeqCst) } else { NEVER };
        Self {
            interrupter,
            interrupted: AtomicBool::new(false),
            deadline: AtomicU64::new(deadline),
            deadline_callback: AtomicBool::new(false),
            registered: AtomicBool::new(false),
            epoch: Arc::clone(engine.epoch()),
            event: OnceLock::new(),
            waiting: Mutex::new(None),
        }
    }

    /// Asks the store to leave wasm code, from any thread.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, SeqCst);
        self.ring();
    }

    /// Wakes the store when its deadline is reached.
    pub(crate) fn epoch_changed(&self) {
        if self.deadline_reached() {
            self.ring();
        }
    }

    /// Sets the deadline; the caller makes sure that the engine knows the store.
    pub(crate) fn set_deadline(&self, epoch: u64) {
        self.deadline.store(epoch, SeqCst);
        self.epoch_changed();
    }

    /// Whether this is the first call.
    pub(crate) fn first_registration(&self) -> bool {
        !self.registered.swap(true, SeqCst)
    }

    /// Whether the host has a callback for the deadline.
    pub(crate) fn set_deadline_callback(&self, exists: bool) {
        self.deadline_callback.store(exists, SeqCst);
    }

    /// Whether the epoch reached the deadline.
    pub(crate) fn deadline_reached(&self) -> bool {
        let deadline = self.deadline.load(SeqCst);
        deadline != NEVER && self.epoch.load(SeqCst) >= deadline
    }

    /// Takes the wish to interrupt.
    pub(crate) fn take_interrupt(&self) -> bool {
        self.interrupted.load(SeqCst) && self.interrupted.swap(false, SeqCst)
    }

    /// Whether somebody asked for the store: to interrupt it, or by reaching its deadline.
    pub(crate) fn is_wanted(&self) -> bool {
        self.interrupted.load(SeqCst) || self.deadline_reached()
    }

    /// Whether a blocking operation must end: takes the wish to interrupt, leaves the deadline.
    pub(crate) fn check(&self) -> Result<(), crate::Trap> {
        let deadline = self.deadline_reached() && !self.deadline_callback.load(SeqCst);
        if deadline || self.take_interrupt() { Err(crate::Trap::Interrupt) } else { Ok(()) }
    }

    /// Rings again for the test mode.
    pub(crate) fn rearm_zeal(&self) {
        self.interrupter.request(ZEAL);
    }

    /// The descriptor that becomes readable when the store shall wake. Drain it with
    /// [`Self::drain`] before looking for wishes.
    pub(crate) fn event(&self) -> rustix::io::Result<&OwnedFd> {
        if let Some(event) = self.event.get() {
            return Ok(event);
        }
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let event = self.event.get_or_init(|| event);
        // A wish noted before the descriptor existed did not ring it.
        if self.is_wanted() {
            ring_event(event);
        }
        Ok(event)
    }

    /// Makes the descriptor unreadable.
    pub(crate) fn drain(&self) {
        if let Some(event) = self.event.get() {
            let mut count = [0; 8];
            // Nothing to read is as good as drained.
            let _ = rustix::io::read(event, &mut count);
        }
    }

    /// Notes the thread to unpark, or that none waits any more.
    pub(crate) fn set_waiting(&self, thread: Option<Thread>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = thread;
    }

    fn ring(&self) {
        self.interrupter.request(RING);
        if let Some(event) = self.event.get() {
            ring_event(event);
        }
        if let Some(thread) = &*self.waiting.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
    }
}

fn ring_event(event: &OwnedFd) {
    // The only possible failure is a full counter, and then the descriptor is readable.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}
