//! Memories and tables under the limits of the store, of their types and of the host.

use crate::Result;
use crate::api::engine::Engine;
use crate::api::limits::{
    DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT, ResourceLimiter,
};
use crate::store::AnyStore;
use crate::store::entities::{MemoryId, StoreMemory, TableId};
use crate::store::gc::has_cards;
use crate::vm::{LinearMemory, MemoryPlan, TableBox};
use anyhow::{anyhow, bail};
use upshift_abi::types::{MemoryType, TableType};

/// Elements that a table may have at most, whatever its type says.
const MAX_TABLE_ELEMENTS: u64 = 10_000_000;

/// Address space reserved at most for a memory that never moves and is not fully guarded.
const MAX_RESERVED_BYTES: u64 = 16 << 30;

/// What a heap may take whatever a limiter says: its first nursery.
const UNASKED_BYTES: u64 = 64 << 10;

/// How memories of type `ty` are made.
pub(crate) fn memory_plan(engine: &Engine, ty: &MemoryType) -> MemoryPlan {
    let style = engine.codegen().memory_style(ty);
    MemoryPlan { ty: *ty, style, max_reserved_bytes: MAX_RESERVED_BYTES }
}

/// Refuses one more instance.
pub(crate) fn check_instances(store: &mut dyn AnyStore) -> Result<()> {
    let limit = store.limiter().map_or(DEFAULT_INSTANCE_LIMIT, |limiter| limiter.instances());
    if store.inner().entities.counts().0 >= limit {
        bail!("resource limit exceeded: the store may hold {limit} instances");
    }
    Ok(())
}

/// Whether the store may hold one more memory, with the pages that it has from the start.
pub(crate) fn check_new_memory(store: &mut dyn AnyStore, ty: &MemoryType) -> Result<()> {
    let (_, memories, _) = store.inner().entities.counts();
    let limit = store.limiter().map_or(DEFAULT_MEMORY_LIMIT, |limiter| limiter.memories());
    if memories >= limit {
        bail!("resource limit exceeded: the store may hold {limit} memories");
    }
    let desired = pages_to_bytes(ty, ty.minimum);
    let maximum = ty.maximum.map(|maximum| pages_to_bytes(ty, maximum));
    if let Some(limiter) = store.limiter()
        && !limiter.memory_growing(0, desired, maximum)?
    {
        bail!("memory minimum size of {} pages exceeds memory limits", ty.minimum);
    }
    Ok(())
}

/// Makes a memory that the store owns, if limits allow it.
pub(crate) fn new_memory(store: &mut dyn AnyStore, ty: &MemoryType) -> Result<MemoryId> {
    check_new_memory(store, ty)?;
    make_memory(store, ty)
}

/// The same once they were asked.
pub(crate) fn make_memory(store: &mut dyn AnyStore, ty: &MemoryType) -> Result<MemoryId> {
    let memory = LinearMemory::new(memory_plan(store.inner().engine(), ty))?;
    Ok(store.inner_mut().entities.push_memory(StoreMemory::Owned(memory)))
}

/// Grows a memory: the old size in pages, `None` when it cannot.
pub(crate) fn grow_memory(
    store: &mut dyn AnyStore,
    id: MemoryId,
    delta: u64,
) -> Result<Option<u64>> {
    let (ty, size) = match store.inner().entities.memory(id) {
        StoreMemory::Owned(memory) => (*memory.ty(), memory.size_pages()),
        StoreMemory::Shared(memory) => (*memory.memory().ty(), memory.memory().size_pages()),
    };
    let Some(desired) = size.checked_add(delta) else { return Ok(None) };
    let (current, desired) = (pages_to_bytes(&ty, size), pages_to_bytes(&ty, desired));
    let maximum = ty.maximum.map(|maximum| pages_to_bytes(&ty, maximum));
    if let Some(limiter) = store.limiter()
        && !limiter.memory_growing(current, desired, maximum)?
    {
        return Ok(None);
    }
    let grown = match store.inner_mut().entities.memory_mut(id) {
        StoreMemory::Owned(memory) => memory.grow(delta),
        StoreMemory::Shared(memory) => memory.memory().grow(delta),
    };
    if grown.is_none()
        && let Some(limiter) = store.limiter()
    {
        limiter.memory_grow_failed(anyhow!("memory cannot grow to {desired} bytes"))?;
    }
    Ok(grown)
}

/// Asks the limiter when the heap of objects would like to grow, for a collection that may come or
/// for an object of `bytes`. Without its consent the heap stays as it is.
pub(crate) fn grow_heap(store: &mut dyn AnyStore, bytes: u64) -> Result<()> {
    let Some((granted, wanted, least)) = store.inner().heap_shortfall(bytes) else {
        return Ok(());
    };
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let most = store.inner().heap().config().max_bytes;
    for desired in [wanted, least] {
        let Some(limiter) = store.limiter() else { return Ok(()) };
        if desired <= granted
            || limiter.memory_growing(size(granted), size(desired), Some(size(most)))?
        {
            store.inner_mut().heap_mut().grant(desired.max(granted));
            return Ok(());
        }
    }
    store.inner_mut().heap_mut().grant(granted);
    Ok(())
}

/// Asks the limiter for what the values of an instance took of the heap.
pub(crate) fn check_heap(store: &mut dyn AnyStore) -> Result<()> {
    if store.limiter().is_none() {
        return Ok(());
    }
    grow_heap(store, 0)?;
    let (granted, used) = store.inner().heap().granted_and_used();
    let allowed = granted.max(UNASKED_BYTES);
    anyhow::ensure!(used <= allowed, "objects of {used} bytes exceed memory limits");
    Ok(())
}

/// Makes a table of its minimum size, every element `init`.
pub(crate) fn new_table(store: &mut dyn AnyStore, ty: &TableType, init: u64) -> Result<TableId> {
    let (.., tables) = store.inner().entities.counts();
    let limiter = store.limiter();
    let limit = limiter.as_ref().map_or(DEFAULT_TABLE_LIMIT, |limiter| limiter.tables());
    if tables >= limit {
        bail!("resource limit exceeded: the store may hold {limit} tables");
    }
    if !table_may_grow(limiter, 0, ty.minimum, ty.maximum)? || ty.minimum > MAX_TABLE_ELEMENTS {
        bail!("table minimum size of {} elements exceeds table limits", ty.minimum);
    }
    let table = TableBox::new(ty.minimum, init, has_cards(ty.element));
    let table = table.ok_or_else(|| anyhow!("no memory for {} table elements", ty.minimum))?;
    Ok(store.inner_mut().entities.push_table(table, *ty))
}

/// Grows a table: the old size, `None` when it cannot.
pub(crate) fn grow_table(
    store: &mut dyn AnyStore,
    id: TableId,
    delta: u64,
    init: u64,
) -> Result<Option<u64>> {
    let table = store.inner().entities.table(id);
    let (ty, current) = (table.ty, table.table.ptr().len());
    let Some(desired) = current.checked_add(delta) else { return Ok(None) };
    if !table_may_grow(store.limiter(), current, desired, ty.maximum)? {
        return Ok(None);
    }
    let allowed = desired <= ty.maximum.unwrap_or(u64::MAX).min(MAX_TABLE_ELEMENTS);
    let table = &mut store.inner_mut().entities.table_mut(id).table;
    let grown = if allowed { table.grow(delta, init) } else { None };
    if grown.is_none()
        && let Some(limiter) = store.limiter()
    {
        limiter.table_grow_failed(anyhow!("table cannot grow to {desired} elements"))?;
    }
    Ok(grown)
}

fn table_may_grow(
    limiter: Option<&mut dyn ResourceLimiter>,
    current: u64,
    desired: u64,
    maximum: Option<u64>,
) -> Result<bool> {
    let Some(limiter) = limiter else { return Ok(true) };
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    limiter.table_growing(count(current), count(desired), maximum.map(count))
}

/// A size in bytes, for limiters; what no host has is all ones.
fn pages_to_bytes(ty: &MemoryType, pages: u64) -> usize {
    let bytes = u128::from(pages) << ty.page_size_log2;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
