//! Random bytes, from the kernel.

use crate::call::Env;
use crate::error::{Result, Wait};
use crate::memory::{BOUNCE_BYTES, GuestMemory, Span};
use crate::types::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes of one attempt: a guest can ask for gigabytes and must stay interruptible.
const CHUNK_BYTES: usize = 256 << 10;

pub(crate) fn random_get(env: &mut Env<'_>, buffer: Span) -> Result {
    env.memory.check(buffer)?;
    let start = buffer.start() + env.progress.done as usize;
    let left = buffer.len() - env.progress.done as usize;
    let filled = match &mut env.memory {
        GuestMemory::Exclusive(bytes) => {
            let chunk = bytes.get_mut(start..start + left.min(CHUNK_BYTES)).ok_or(Errno::Fault)?;
            getrandom(chunk, GetRandomFlags::empty())?
        }
        GuestMemory::Shared(shared) => {
            let mut chunk = vec![0; left.min(BOUNCE_BYTES)];
            let len = getrandom(chunk.as_mut_slice(), GetRandomFlags::empty())?;
            if !shared.write(start, &chunk[..len]) {
                return Err(Errno::Fault.into());
            }
            len
        }
    };
    env.progress.done += u32::try_from(filled).map_err(|_| Errno::Io)?;
    if filled == left { Ok(()) } else { Err(Wait::pause()) }
}
