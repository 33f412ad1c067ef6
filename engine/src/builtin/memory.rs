//! Memory operators: grow, fill, copy, init, and `data.drop`.

use crate::Result;
use crate::instantiate::limits;
use crate::store::{AnyStore, StoreInner};
use crate::vm::{InstanceRef, MemoryPtr};
use upshift_abi::index::{DataIndex, MemoryIndex};

/// Bytes of a bulk operation that cost one unit of fuel.
const BYTES_PER_FUEL: u64 = 64;

pub(crate) fn grow(
    store: &mut dyn AnyStore,
    instance: InstanceRef,
    memory: MemoryIndex,
    delta: u64,
) -> Result<Option<u64>> {
    let id = store.inner().entities.instance_of(instance).memories[memory.index()];
    limits::grow_memory(store, id, delta)
}

pub(crate) fn fill(
    store: &mut StoreInner,
    instance: InstanceRef,
    memory: MemoryIndex,
    (dst, value, len): (u64, u8, u64),
) -> Result<()> {
    store.charge_fuel(len / BYTES_PER_FUEL)?;
    let interrupts = store.interrupts();
    memory_of(store, instance, memory).fill(dst, value, len, &mut || Ok(interrupts.check()?))
}

pub(crate) fn copy(
    store: &mut StoreInner,
    instance: InstanceRef,
    (to, from): (MemoryIndex, MemoryIndex),
    (dst, src, len): (u64, u64, u64),
) -> Result<()> {
    store.charge_fuel(len / BYTES_PER_FUEL)?;
    let source = memory_of(store, instance, from);
    let interrupts = store.interrupts();
    memory_of(store, instance, to).copy(dst, (source, src), len, &mut || Ok(interrupts.check()?))
}

pub(crate) fn init(
    store: &mut StoreInner,
    instance: InstanceRef,
    (memory, segment): (MemoryIndex, DataIndex),
    (dst, src, len): (u64, u64, u64),
) -> Result<()> {
    store.charge_fuel(len / BYTES_PER_FUEL)?;
    let data = store.entities.instance_of(instance);
    let declared = &data.module.declarations().data[segment.index()];
    // An active segment was dropped when it had been copied.
    let dropped = declared.active.is_some() || data.is_data_dropped(segment);
    let content = if dropped { &[] } else { &data.module.bytes()[declared.range.clone()] };
    let interrupts = store.interrupts();
    memory_of(store, instance, memory)
        .init(dst, (content, src), len, &mut || Ok(interrupts.check()?))
}

pub(crate) fn data_drop(store: &mut StoreInner, instance: InstanceRef, segment: DataIndex) {
    store.entities.instance_of_mut(instance).drop_data(segment);
}

/// A memory of an instance.
pub(crate) fn memory_of(
    store: &StoreInner,
    instance: InstanceRef,
    memory: MemoryIndex,
) -> MemoryPtr {
    instance.memory(store.entities.instance_of(instance).module.layout(), memory)
}
