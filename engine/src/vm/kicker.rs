//! Signals to threads whose code is to be interrupted, until it is.

use super::context::ContextCell;
use super::step::{self, KICK};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two signals.
const PERIOD: Duration = Duration::from_millis(1);
/// The same while all threads are in the host.
const LONGEST: Duration = Duration::from_millis(8);

/// Which thread runs machine code of a store, and whether it is in it.
#[derive(Debug, Default)]
pub(super) struct Runner {
    /// The thread's number; 0 while nothing runs that signals interrupt.
    thread: AtomicU32,
    /// Whether it is in a runtime or host function that looks for requests when it returns; so a
    /// wrong answer costs time only.
    away: AtomicBool,
    /// Whether the kicker knows of the request at hand.
    watched: AtomicBool,
}

/// What was so before an activation.
#[derive(Debug)]
pub(super) struct Outer {
    thread: u32,
    away: bool,
}

impl Runner {
    /// Whether signals reach the store's code, for who asked for the store before.
    pub(super) fn is_reachable(&self) -> bool {
        self.thread.load(SeqCst) != 0
    }

    /// This thread enters machine code; it looks for requests after this.
    pub(super) fn enter(&self) -> Outer {
        let away = self.away.swap(false, Relaxed);
        Outer { thread: self.thread.swap(this_thread(), SeqCst), away }
    }

    /// It has left it.
    pub(super) fn leave(&self, outer: Outer) {
        step::end();
        self.away.store(outer.away, Relaxed);
        self.thread.store(outer.thread, Relaxed);
    }

    /// The thread is in a runtime function, or no more.
    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Relaxed);
    }

    /// Sends the signal, unless it is not needed now; whether it did.
    fn send(&self) -> bool {
        let thread = self.thread.load(SeqCst);
        let is_needed = thread != 0 && !self.away.load(Relaxed);
        if is_needed {
            let process = std::process::id();
            // The thread may have ended meanwhile; then nobody gets the signal, or a thread that
            // does not care.
            // SAFETY: sends a signal that has a handler to a thread of this process.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, KICK) };
        }
        is_needed
    }
}

/// The kernel's number of this thread, which lets the signals through.
fn this_thread() -> u32 {
    thread_local! {
        static THREAD: Cell<u32> = const { Cell::new(0) };
    }
    if THREAD.get() == 0 {
        step::unblock();
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
    if !watched.has_thread {
        let thread = std::thread::Builder::new().name("upshift-kicker".into());
        watched.has_thread = thread.spawn(watch).is_ok();
    }
    if watched.has_thread {
        watched.cells.push(Arc::clone(cell));
        CHANGED.notify_one();
    } else {
        // Without memory for a thread the next request tries again; the first signal was sent.
        cell.runner().watched.store(false, SeqCst);
    }
}

fn lock() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() {
    let mut period = PERIOD;
    loop {
        let mut watched = lock();
        while watched.cells.is_empty() {
            watched = CHANGED.wait(watched).unwrap_or_else(PoisonError::into_inner);
        }
        drop(watched);
        std::thread::sleep(period);
        let mut sent = false;
        lock().cells.retain(|cell| again(cell, &mut sent));
        // A store may be in the host for long.
        period = if sent { PERIOD } else { LONGEST.min(period * 2) };
    }
}

/// Sends the signal again, unless the request was taken.
fn again(cell: &ContextCell, sent: &mut bool) -> bool {
    let runner = cell.runner();
    let is_wanted = || cell.is_requested() && runner.is_reachable();
    if !is_wanted() {
        runner.watched.store(false, SeqCst);
        // A new request may have found the flag still set.
        if !is_wanted() || runner.watched.swap(true, SeqCst) {
            return false;
        }
    }
    *sent |= runner.send();
    true
}
