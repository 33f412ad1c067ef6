//! What `^C` and SIGTERM do to a program that is looked on at: it is interrupted, so that what was seen of it
//! is still written.
//!
//! A second signal ends the process at once, and so does the first one when the program is over.

use crate::output::say;
use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, signal_name};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use upshift::{Error, InterruptHandle, Trap};

/// What a shell adds to the number of a signal that ended a process.
const SIGNAL_CODE: i32 = 128;

/// See the module head.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// The signal that came, or 0.
    signal: Arc<AtomicI32>,
    program_ended: Arc<AtomicBool>,
}

impl Stop {
    /// From now on signals interrupt the program of this handle.
    pub(crate) fn watch(&self, program: InterruptHandle) -> Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("failed to listen to signals")?;
        let (signal, ended) = (Arc::clone(&self.signal), Arc::clone(&self.program_ended));
        let listen = move || {
            for number in signals.forever() {
                let first = signal.swap(number, Ordering::Relaxed) == 0;
                if !first || ended.load(Ordering::Relaxed) {
                    // It does not return for these signals.
                    emulate_default_handler(number).ok();
                }
                let name = signal_name(number).unwrap_or("a signal");
                say(&format!("{name}: writing what there is; again to end at once\n"));
                program.interrupt();
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(())
    }

    /// There is nothing left to interrupt.
    pub(crate) fn program_ended(&self) {
        self.program_ended.store(true, Ordering::Relaxed);
    }

    /// The exit code of a run that ended so: the shell's for the signal, when that ended it.
    pub(crate) fn exit_code(&self, result: Result<i32>) -> Result<i32> {
        let interrupted = |error: &Error| {
            error.chain().any(|cause| matches!(cause.downcast_ref(), Some(Trap::Interrupt)))
        };
        match (self.signal.load(Ordering::Relaxed), &result) {
            (signal, Err(error)) if signal != 0 && interrupted(error) => Ok(SIGNAL_CODE + signal),
            _ => result,
        }
    }
}
