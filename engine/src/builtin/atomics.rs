//! `memory.atomic.wait32`, `wait64` and `notify`.

use super::memory::memory_of;
use super::{parking, poll};
use crate::store::entities::StoreMemory;
use crate::store::{AnyStore, StoreInner};
use crate::vm::{InstanceRef, MemoryPtr};
use crate::{Result, Trap};
use std::time::{Duration, Instant};
use upshift_abi::index::MemoryIndex;

pub(crate) fn notify(
    store: &StoreInner,
    instance: InstanceRef,
    memory: MemoryIndex,
    (address, count): (u64, u32),
) -> Result<u32> {
    let key = memory_of(store, instance, memory).atomic_address(address, 4)?;
    // Nobody can wait on a memory that is not shared.
    Ok(parking::notify(key, count))
}

pub(crate) fn wait32(
    store: &mut dyn AnyStore,
    instance: InstanceRef,
    memory: MemoryIndex,
    (address, expected, timeout): (u64, u32, i64),
) -> Result<u32> {
    let (memory, key) = shared_memory_of(store.inner(), instance, memory, (address, 4))?;
    let unchanged = || memory.load_u32(address).is_ok_and(|value| value == expected);
    wait(store, key, &unchanged, timeout)
}

pub(crate) fn wait64(
    store: &mut dyn AnyStore,
    instance: InstanceRef,
    memory: MemoryIndex,
    (address, expected, timeout): (u64, u64, i64),
) -> Result<u32> {
    let (memory, key) = shared_memory_of(store.inner(), instance, memory, (address, 8))?;
    let unchanged = || memory.load_u64(address).is_ok_and(|value| value == expected);
    wait(store, key, &unchanged, timeout)
}

fn wait(
    store: &mut dyn AnyStore,
    key: usize,
    unchanged: &dyn Fn() -> bool,
    timeout_ns: i64,
) -> Result<u32> {
    let timeout = u64::try_from(timeout_ns).ok().map(Duration::from_nanos);
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        match parking::wait(key, unchanged, left, Some(store.inner().interrupts())) {
            Some(result) => return Ok(result as u32),
            // Goes on waiting when that is what the host wants.
            None => poll::interrupted(store)?,
        }
    }
}

fn shared_memory_of(
    store: &StoreInner,
    instance: InstanceRef,
    index: MemoryIndex,
    (address, size): (u64, u64),
) -> Result<(MemoryPtr, usize)> {
    let memory = memory_of(store, instance, index);
    let key = memory.atomic_address(address, size)?;
    let id = store.entities.instance_of(instance).memories[index.index()];
    match store.entities.memory(id) {
        StoreMemory::Shared(_) => Ok((memory, key)),
        StoreMemory::Owned(_) => Err(Trap::ExpectedSharedMemory.into()),
    }
}
