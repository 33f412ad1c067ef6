//! [`SharedMemory`]: a linear memory that stores on different threads use at once.

use super::engine::Engine;
use crate::builtin::parking;
use crate::instantiate::limits::{check_new_memory, memory_plan};
use crate::vm::{MemoryPtr, SharedLinearMemory};
use crate::{AsContextMut, Result, Trap};
use std::cell::UnsafeCell;
use std::time::Duration;
use upshift_abi::types::MemoryType;

/// A memory shared between threads. Cheap to clone; clones are the same memory.
#[derive(Clone, Debug)]
pub struct SharedMemory {
    engine: Engine,
    memory: SharedLinearMemory,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitResult {
    /// Another thread notified.
    Ok = 0,
    /// The value was not the expected one.
    Mismatch = 1,
    /// The time was over.
    TimedOut = 2,
}

impl SharedMemory {
    /// A new shared memory of its minimum size.
    ///
    /// # Errors
    /// When the type is not shared or has no maximum, threads are switched off in the engine, or
    /// the host has no memory.
    pub fn new(engine: &Engine, ty: MemoryType) -> Result<Self> {
        if !ty.shared {
            anyhow::bail!("a shared memory needs a shared memory type");
        }
        if ty.maximum.is_none() {
            anyhow::bail!("a shared memory needs a maximum size");
        }
        let memory = SharedLinearMemory::new(memory_plan(engine, &ty))?;
        Ok(Self { engine: engine.clone(), memory })
    }

    /// The same when the limiter of a store, whose guest imports it, agrees. Memories that are made
    /// otherwise are the host's, which has no limits.
    ///
    /// # Errors
    /// As [`Self::new`], and when a limit forbids it.
    pub fn new_within_limits(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        let mut store = store.as_context_mut();
        check_new_memory(store.store(), &ty)?;
        Self::new(store.inner().engine(), ty)
    }

    /// The type as declared.
    #[must_use]
    pub fn ty(&self) -> MemoryType {
        *self.memory.ty()
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The content, which other threads may read and write at any time.
    #[must_use]
    pub fn data(&self) -> &[UnsafeCell<u8>] {
        self.memory.data()
    }

    /// Bytes now.
    #[must_use]
    pub fn data_size(&self) -> usize {
        self.memory.data().len()
    }

    /// Pages now.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.memory.size_pages()
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        1 << self.memory.ty().page_size_log2
    }

    /// Copies from the memory; a snapshot of each byte, not of the range.
    ///
    /// # Errors
    /// When the range does not lie in the memory.
    pub fn read(
        &self,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<(), super::memory::MemoryAccessError> {
        self.ptr()
            .read(offset as u64, buffer)
            .map_err(|_out_of_bounds| super::memory::MemoryAccessError)
    }

    /// Copies into the memory, not atomically.
    ///
    /// # Errors
    /// When the range does not lie in the memory.
    pub fn write(
        &self,
        offset: usize,
        buffer: &[u8],
    ) -> Result<(), super::memory::MemoryAccessError> {
        self.ptr()
            .write(offset as u64, buffer)
            .map_err(|_out_of_bounds| super::memory::MemoryAccessError)
    }

    /// Grows by `delta` pages and returns the size before.
    ///
    /// # Errors
    /// When the maximum forbids it or the host has no memory.
    pub fn grow(&self, delta: u64) -> Result<u64> {
        let grown = self.memory.grow(delta);
        grown.ok_or_else(|| anyhow::anyhow!("failed to grow memory by {delta} pages"))
    }

    /// Wakes up to `count` threads that wait at `address`, and returns how many.
    ///
    /// # Errors
    /// When the address is out of bounds or not aligned.
    pub fn atomic_notify(&self, address: u64, count: u32) -> Result<u32, Trap> {
        Ok(parking::notify(self.ptr().atomic_address(address, 4)?, count))
    }

    /// Waits at `address` while it holds `expected`. `None` waits for ever.
    ///
    /// # Errors
    /// When the address is out of bounds or not aligned.
    pub fn atomic_wait32(
        &self,
        address: u64,
        expected: u32,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, Trap> {
        let memory = self.ptr();
        let key = memory.atomic_address(address, 4)?;
        let unchanged = || memory.load_u32(address).is_ok_and(|value| value == expected);
        Ok(parking::wait(key, &unchanged, timeout, None)
            .expect("no store that could be interrupted"))
    }

    /// Waits at `address` while it holds `expected`. `None` waits for ever.
    ///
    /// # Errors
    /// When the address is out of bounds or not aligned.
    pub fn atomic_wait64(
        &self,
        address: u64,
        expected: u64,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, Trap> {
        let memory = self.ptr();
        let key = memory.atomic_address(address, 8)?;
        let unchanged = || memory.load_u64(address).is_ok_and(|value| value == expected);
        Ok(parking::wait(key, &unchanged, timeout, None)
            .expect("no store that could be interrupted"))
    }

    pub(crate) fn ptr(&self) -> MemoryPtr {
        self.memory.ptr()
    }

    pub(crate) fn memory(&self) -> &SharedLinearMemory {
        &self.memory
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.memory.same(&other.memory)
    }
}
