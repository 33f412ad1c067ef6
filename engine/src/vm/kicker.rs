//! Signals to threads whose code is to be interrupted, until it is.

use super::context::ContextCell;
use super::step::{self, KICK};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two signals.
const PERIOD: Duration = Duration::from_millis(1);

/// Which thread runs machine code of a store, and whether it is in it.
#[derive(Debug)]
pub(super) struct Runner {
    /// The thread's number; 0 while nothing runs.
    thread: AtomicU32,
    /// Whether it is in a runtime or host function, which looks for requests when it returns; so a
    /// wrong answer costs time only.
    away: AtomicBool,
    /// Whether the kicker knows of the request at hand.
    watched: AtomicBool,
    by_signal: bool,
}

/// What was so before an activation.
#[derive(Debug)]
pub(super) struct Outer {
    is_none: bool,
    away: bool,
}

impl Runner {
    /// Nobody runs.
    pub(super) fn new(by_signal: bool) -> Self {
        let (away, watched) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { thread: AtomicU32::new(0), away, watched, by_signal }
    }

    /// Whether the store's code is interrupted by signals.
    pub(super) fn is_by_signal(&self) -> bool {
        self.by_signal
    }

    /// Whether some thread runs the store's code, for who asked for the store before.
    pub(super) fn is_reachable(&self) -> bool {
        self.by_signal && self.thread.load(SeqCst) != 0
    }

    /// This thread enters machine code; it looks for requests after this.
    pub(super) fn enter(&self) -> Outer {
        let is_none = self.thread.load(Relaxed) == 0;
        if is_none {
            self.thread.store(this_thread(), SeqCst);
        }
        Outer { is_none, away: self.away.swap(false, Relaxed) }
    }

    /// It has left it.
    pub(super) fn leave(&self, outer: Outer) {
        self.away.store(outer.away, Relaxed);
        if outer.is_none {
            step::end();
            self.thread.store(0, Relaxed);
        }
    }

    /// The thread is in a runtime function, or no more.
    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Relaxed);
    }

    /// Sends the signal, unless it is not needed now.
    fn send(&self) {
        let thread = self.thread.load(SeqCst);
        if thread != 0 && !self.away.load(Relaxed) {
            let process = std::process::id();
            // The thread may have ended meanwhile; then nobody gets the signal, or a thread that
            // does not care.
            // SAFETY: sends a signal that has a handler to a thread of this process.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, KICK) };
        }
    }
}

/// The kernel's number of this thread.
fn this_thread() -> u32 {
    thread_local! {
        static THREAD: Cell<u32> = const { Cell::new(0) };
    }
    if THREAD.get() == 0 {
        THREAD.set(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs());
    }
    THREAD.get()
}

/// The contexts whose requests are not taken yet.
static WATCHED: Mutex<Watched> = Mutex::new(Watched { cells: Vec::new(), has_thread: false });
static CHANGED: Condvar = Condvar::new();

struct Watched {
    cells: Vec<Arc<ContextCell>>,
    has_thread: bool,
}

/// Interrupts the thread that runs a store, which was asked for.
pub(super) fn kick(cell: &Arc<ContextCell>) {
    cell.runner().send();
    if cell.runner().watched.swap(true, SeqCst) {
        return;
    }
    let mut watched = lock();
    watched.cells.push(Arc::clone(cell));
    if !watched.has_thread {
        let thread = std::thread::Builder::new().name("upshift-kicker".into());
        // Without memory for a thread the next request tries again; the first signal was sent.
        watched.has_thread = thread.spawn(watch).is_ok();
    }
    CHANGED.notify_one();
}

fn lock() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() {
    loop {
        let mut watched = lock();
        while watched.cells.is_empty() {
            watched = CHANGED.wait(watched).unwrap_or_else(PoisonError::into_inner);
        }
        drop(watched);
        std::thread::sleep(PERIOD);
        lock().cells.retain(|cell| again(cell));
    }
}

/// Sends the signal again, unless the request was taken.
fn again(cell: &ContextCell) -> bool {
    let runner = cell.runner();
    let is_wanted = || cell.is_requested() && runner.is_reachable();
    if !is_wanted() {
        runner.watched.store(false, SeqCst);
        // A new request may have found the flag still set.
        if !is_wanted() || runner.watched.swap(true, SeqCst) {
            return false;
        }
    }
    runner.send();
    true
}
