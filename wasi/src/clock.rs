//! Clocks.

use crate::call::Env;
use crate::error::Result;
use crate::types::{Errno, clockid};
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

pub(crate) fn clock_res_get(env: &mut Env<'_>, clock: u32, out: u32) -> Result {
    let nanoseconds = to_nanoseconds(clock_getres(host_clock(clock)?));
    env.memory.write_u64(out, nanoseconds)?;
    Ok(())
}

pub(crate) fn clock_time_get(env: &mut Env<'_>, clock: u32, _precision: u64, out: u32) -> Result {
    let nanoseconds = to_nanoseconds(clock_gettime(host_clock(clock)?));
    env.memory.write_u64(out, nanoseconds)?;
    Ok(())
}

pub(crate) fn host_clock(clock: u32) -> Result<ClockId> {
    match clock {
        clockid::REALTIME => Ok(ClockId::Realtime),
        clockid::MONOTONIC => Ok(ClockId::Monotonic),
        clockid::PROCESS_CPUTIME => Ok(ClockId::ProcessCPUTime),
        clockid::THREAD_CPUTIME => Ok(ClockId::ThreadCPUTime),
        _ => Err(Errno::Inval.into()),
    }
}

/// Nanoseconds since the clock's start; times before 1970 or after 2554 are cut off.
pub(crate) fn to_nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

pub(crate) fn to_timespec(nanoseconds: u64) -> Timespec {
    Timespec {
        tv_sec: (nanoseconds / 1_000_000_000).cast_signed(),
        tv_nsec: (nanoseconds % 1_000_000_000).cast_signed(),
    }
}
