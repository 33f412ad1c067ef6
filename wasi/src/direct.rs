//! Calls without an engine: for tests, fuzzing, and embedders with guests of another kind.

use crate::call::{Env, Waiter, complete};
use crate::ctx::WasiCtx;
use crate::functions::{Snapshot, for_each_function};
use crate::memory::{GuestMemory, Span};
use crate::types::Errno;
use rustix::event::{PollFd, Timespec};
use std::time::Duration;

/// Waits without a way to interrupt.
#[derive(Clone, Copy, Debug)]
pub struct PlainWaiter;

impl Waiter for PlainWaiter {
    fn wait(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> anyhow::Result<()> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match rustix::event::poll(fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// All functions, on a context and a memory that the caller brings.
///
/// ```
/// use upshift_wasi::{DirectCalls, WasiCtx, types::Errno};
///
/// let ctx = WasiCtx::builder().arg("program").build()?;
/// let mut memory = vec![0; 64];
/// let mut calls = DirectCalls::new(&ctx, &mut memory);
/// assert_eq!(calls.args_sizes_get(0, 4)?, Errno::Success);
/// assert_eq!(memory[..8], [1, 0, 0, 0, 8, 0, 0, 0]);
/// # Ok::<(), anyhow::Error>(())
/// ```
pub struct DirectCalls<'a> {
    ctx: &'a WasiCtx,
    memory: GuestMemory<'a>,
    waiter: &'a dyn Waiter,
    snapshot: Snapshot,
}

impl<'a> DirectCalls<'a> {
    /// Calls of preview 1 that wait without a way to interrupt.
    pub fn new(ctx: &'a WasiCtx, memory: &'a mut [u8]) -> Self {
        Self::with(ctx, GuestMemory::Exclusive(memory), &PlainWaiter)
    }

    /// Calls of preview 1 on any memory, with any waiter.
    pub fn with(ctx: &'a WasiCtx, memory: GuestMemory<'a>, waiter: &'a dyn Waiter) -> Self {
        Self { ctx, memory, waiter, snapshot: Snapshot::Preview1 }
    }

    /// Calls of another snapshot.
    #[must_use]
    pub fn snapshot(self, snapshot: Snapshot) -> Self {
        Self { snapshot, ..self }
    }

    /// The memory, if nothing shares it.
    pub fn memory(&mut self) -> &mut [u8] {
        match &mut self.memory {
            GuestMemory::Exclusive(bytes) => bytes,
            GuestMemory::Shared(_) => &mut [],
        }
    }

    fn run(
        &mut self,
        mut attempt: impl FnMut(&mut Env<'_>) -> crate::error::Result,
    ) -> anyhow::Result<Errno> {
        let (ctx, waiter) = (self.ctx, self.waiter);
        let memory = &mut self.memory;
        complete(
            |progress| {
                let memory = match memory {
                    GuestMemory::Exclusive(bytes) => GuestMemory::Exclusive(bytes),
                    GuestMemory::Shared(shared) => GuestMemory::Shared(*shared),
                };
                attempt(&mut Env { ctx, memory, progress })
            },
            |wait| wait.perform(waiter),
        )
    }
}

macro_rules! methods {
    ([] $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty
        => $function:path [$($value:expr),*] $(, unstable $older:path [$($older_value:expr),*])?;)*
    ) => {
        #[expect(clippy::too_many_arguments, reason = "the interface has them")]
        impl DirectCalls<'_> {
            $(
                #[doc = concat!("Calls `", stringify!($name), "`.")]
                ///
                /// # Errors
                ///
                /// Fails with what ends the guest: an exit or an interruption.
                pub fn $name(&mut self, $($arg: $ty),*) -> anyhow::Result<Errno> {
                    $(if self.snapshot == Snapshot::Unstable {
                        return self.run(|env| $older(env $(, $older_value)*));
                    })?
                    self.run(|env| $function(env $(, $value)*))
                }
            )*
        }

        impl DirectCalls<'_> {
            /// Calls a function by its name; arguments of 32 bits are the low halves. `None` if
            /// there is no such function with that many arguments.
            pub fn call(&mut self, name: &str, arguments: &[u64]) -> Option<anyhow::Result<Errno>> {
                match (name, arguments) {
                    $((stringify!($name), &[$($arg),*]) => {
                        Some(self.$name($(<$ty as Argument>::from_bits($arg)),*))
                    })*
                    _ => None,
                }
            }
        }
    };
}

/// Parameters of the functions.
trait Argument {
    fn from_bits(bits: u64) -> Self;
}

impl Argument for u32 {
    fn from_bits(bits: u64) -> Self {
        let [a, b, c, d, ..] = bits.to_le_bytes();
        Self::from_le_bytes([a, b, c, d])
    }
}

impl Argument for u64 {
    fn from_bits(bits: u64) -> Self {
        bits
    }
}

impl Argument for i64 {
    fn from_bits(bits: u64) -> Self {
        bits.cast_signed()
    }
}

for_each_function!(methods!);
