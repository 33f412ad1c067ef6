//! What scripts need of threads: the watchdog, and the results of `thread` directives.

use super::Note;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{JoinHandle, ScopedJoinHandle};
use std::time::{Duration, Instant};
use upshift::InterruptHandle;

/// What the directives of a script, or of one of its threads, came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) passed: usize,
    pub(super) failures: Vec<Note>,
    pub(super) skips: Vec<Note>,
}

impl Outcome {
    /// Adds the results of a thread to those of its parent.
    pub(super) fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.skips.extend(other.skips);
    }
}

/// The running threads of a script by their names.
pub(super) type Threads<'scope> = HashMap<String, ScopedJoinHandle<'scope, Outcome>>;

/// Interrupts all stores of a script when its time is up.
#[derive(Debug)]
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    called_off: Condvar,
}

#[derive(Debug, Default)]
struct State {
    done: bool,
    handles: Vec<InterruptHandle>,
}

impl Shared {
    /// The state; a panic of another holder cannot leave it inconsistent.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the watchdog is called off or the time is up, then interrupts again and again:
    /// a script may go on with the next endless loop.
    fn watch(&self, timeout: Duration) {
        const AGAIN: Duration = Duration::from_millis(20);
        let mut end = Instant::now() + timeout;
        let mut state = self.lock();
        while !state.done {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.handles.iter().for_each(InterruptHandle::interrupt);
                end = Instant::now() + AGAIN;
                continue;
            }
            state =
                self.called_off.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Watchdog {
    /// Starts to watch; dropping the watchdog calls it off.
    pub(super) fn start(timeout: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watched.watch(timeout))
            .ok();
        Self { shared, thread }
    }

    /// Watches one more store.
    pub(super) fn add(&self, handle: InterruptHandle) {
        self.shared.lock().handles.push(handle);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().done = true;
        self.shared.called_off.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
