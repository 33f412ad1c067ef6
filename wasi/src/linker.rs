//! Registration of the functions with a linker.
//!
//! The guest's memory is its export `memory`. A call holds it only during an attempt; between
//! attempts it waits through the store's interruption.

use crate::call::{Env, Waiter, complete};
use crate::ctx::WasiCtx;
use crate::error::Result;
use crate::functions::{Snapshot, for_each_function};
use crate::memory::{GuestMemory, SharedBytes, Span};
use crate::types::Errno;
use rustix::event::PollFd;
use std::sync::Arc;
use std::time::Duration;
use upshift::{Caller, Extern, Interruption, Linker, SharedMemory};

macro_rules! register {
    ([$linker:ident, $get:ident, $data:ident] $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty
        => $function:path [$($value:expr),*] $(, unstable $older:path [$($older_value:expr),*])?;)*
    ) => {
        for snapshot in [Snapshot::Preview1, Snapshot::Unstable] {
            $({
                let get = Arc::clone(&$get);
                $linker.func_wrap(
                    snapshot.module(),
                    stringify!($name),
                    move |mut caller: Caller<'_, $data>, $($arg: $ty),*| -> anyhow::Result<$ret> {
                        $(if snapshot == Snapshot::Unstable {
                            let attempt = |env: &mut Env<'_>| $older(env $(, $older_value)*);
                            return run(&mut caller, &*get, attempt).map(Status::from_errno);
                        })?
                        let attempt = |env: &mut Env<'_>| $function(env $(, $value)*);
                        run(&mut caller, &*get, attempt).map(Status::from_errno)
                    },
                )?;
            })*
        }
    };
}

/// Provides `wasi_snapshot_preview1` and `wasi_unstable` to modules. `get` finds the guest's context
/// in the data of its store.
///
/// # Errors
///
/// Fails if the linker has one of the functions already.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &WasiCtx + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let get = Arc::new(get);
    for_each_function!(register! linker, get, T);
    Ok(())
}

fn run<T: 'static>(
    caller: &mut Caller<'_, T>,
    get: &impl Fn(&mut T) -> &WasiCtx,
    mut attempt: impl FnMut(&mut Env<'_>) -> Result,
) -> anyhow::Result<Errno> {
    let export = caller.get_export("memory");
    // Both the attempts and the waits need the store, one after the other.
    let caller = std::cell::RefCell::new(caller);
    complete(
        |progress| {
            let mut caller = caller.borrow_mut();
            match &export {
                Some(Extern::Memory(memory)) => {
                    let (bytes, data) = memory.data_and_store_mut(&mut **caller);
                    let memory = GuestMemory::Exclusive(bytes);
                    attempt(&mut Env { ctx: get(data), memory, progress })
                }
                Some(Extern::SharedMemory(shared)) => {
                    let memory = GuestMemory::Shared(shared);
                    attempt(&mut Env { ctx: get(caller.data_mut()), memory, progress })
                }
                // Without a memory every address is a bad one.
                _ => {
                    let memory = GuestMemory::Exclusive(&mut []);
                    attempt(&mut Env { ctx: get(caller.data_mut()), memory, progress })
                }
            }
        },
        |wait| wait.perform(&caller.borrow().interruption()),
    )
}

impl Waiter for Interruption<'_> {
    fn wait(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> anyhow::Result<()> {
        if fds.is_empty() && timeout == Some(Duration::ZERO) {
            return self.check();
        }
        self.poll(fds, timeout)?;
        Ok(())
    }
}

impl SharedBytes for SharedMemory {
    fn len(&self) -> usize {
        self.data_size()
    }

    fn read(&self, address: usize, bytes: &mut [u8]) -> bool {
        Self::read(self, address, bytes).is_ok()
    }

    fn write(&self, address: usize, bytes: &[u8]) -> bool {
        Self::write(self, address, bytes).is_ok()
    }
}

/// What a function gives back to its caller.
trait Status {
    fn from_errno(errno: Errno) -> Self;
}

impl Status for u32 {
    fn from_errno(errno: Errno) -> Self {
        Self::from(errno as u16)
    }
}

impl Status for () {
    fn from_errno(_errno: Errno) -> Self {}
}
