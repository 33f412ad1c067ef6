//! The guest as a process.

use crate::call::Env;
use crate::error::{I32Exit, Result};
use crate::types::Errno;

/// Signals of the interface: none, and 1 to 30.
const SIGNALS: u32 = 31;

pub(crate) fn proc_exit(_env: &mut Env<'_>, status: u32) -> Result {
    Err(I32Exit(status.cast_signed()).into())
}

/// Signals do not exist here: a guest that raises one learns so.
pub(crate) fn proc_raise(_env: &mut Env<'_>, signal: u32) -> Result {
    Err(if signal < SIGNALS { Errno::Notsup } else { Errno::Inval }.into())
}

pub(crate) fn sched_yield(_env: &mut Env<'_>) -> Result {
    rustix::thread::sched_yield();
    Ok(())
}
