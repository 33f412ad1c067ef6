//! Table operators: grow, fill, copy, init, and `elem.drop`.

use crate::Result;
use crate::Trap;
use crate::instantiate::const_expr::Origin;
use crate::instantiate::{limits, segments};
use crate::store::{AnyStore, StoreInner};
use crate::vm::{InstanceRef, TablePtr};
use std::ops::Range;
use upshift_abi::index::{ElemIndex, TableIndex};
use upshift_abi::module::ElemMode;

/// Elements of a bulk operation that cost one unit of fuel.
const ELEMENTS_PER_FUEL: u64 = 8;

pub(crate) fn grow(
    store: &mut dyn AnyStore,
    instance: InstanceRef,
    table: TableIndex,
    (init, delta): (u64, u64),
) -> Result<Option<u64>> {
    let id = store.inner().entities.instance_of(instance).tables[table.index()];
    let grown = limits::grow_table(store, id, delta, init)?;
    if grown.is_some() {
        store.inner_mut().charge_fuel(delta / ELEMENTS_PER_FUEL)?;
    }
    Ok(grown)
}

pub(crate) fn fill(
    store: &mut StoreInner,
    instance: InstanceRef,
    table: TableIndex,
    (dst, value, len): (u64, u64, u64),
) -> Result<()> {
    store.charge_fuel(len / ELEMENTS_PER_FUEL)?;
    Ok(table_of(store, instance, table).fill(dst, value, len)?)
}

pub(crate) fn copy(
    store: &mut StoreInner,
    instance: InstanceRef,
    (to, from): (TableIndex, TableIndex),
    (dst, src, len): (u64, u64, u64),
) -> Result<()> {
    store.charge_fuel(len / ELEMENTS_PER_FUEL)?;
    let source = table_of(store, instance, from);
    Ok(table_of(store, instance, to).copy(dst, (source, src), len)?)
}

pub(crate) fn init(
    store: &mut StoreInner,
    instance: InstanceRef,
    (table, segment): (TableIndex, ElemIndex),
    (dst, src, len): (u64, u64, u64),
) -> Result<()> {
    store.charge_fuel(len / ELEMENTS_PER_FUEL)?;
    let data = store.entities.instance_of(instance);
    let at = Origin::of(data);
    let declared = &at.module().declarations().elems[segment.index()];
    // Active and declared segments were dropped at instantiation.
    let dropped = !matches!(declared.mode, ElemMode::Passive) || data.is_elem_dropped(segment);
    let available = if dropped { 0 } else { declared.items.len() };
    let range = range_within(src, len, available).ok_or(Trap::TableOutOfBounds)?;
    let table = table_of(store, instance, table);
    segments::init_table(store, &at, (segment, range), table, dst)
}

pub(crate) fn elem_drop(store: &mut StoreInner, instance: InstanceRef, segment: ElemIndex) {
    store.entities.instance_of_mut(instance).drop_elem(segment);
}

fn table_of(store: &StoreInner, instance: InstanceRef, table: TableIndex) -> TablePtr {
    instance.table(store.entities.instance_of(instance).module.layout(), table)
}

fn range_within(start: u64, len: u64, available: usize) -> Option<Range<usize>> {
    let end = usize::try_from(start.checked_add(len)?).ok()?;
    (end <= available).then_some(usize::try_from(start).ok()?..end)
}
