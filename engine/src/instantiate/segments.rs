//! Element and data segments.

use super::const_expr::{evaluate, func_bits};
use crate::Result;
use crate::Trap;
use crate::store::StoreInner;
use crate::store::entities::{InstanceData, InstanceId};
use crate::vm::TablePtr;
use smallvec::SmallVec;
use std::ops::Range;
use upshift_abi::module::{ElemItems, ElemMode};

/// Elements evaluated at a time.
const CHUNK: usize = 256;

/// Copies all active element segments in order. One that does not fit traps, and what was copied
/// before stays.
pub(crate) fn copy_active_elems(store: &StoreInner, id: InstanceId) -> Result<()> {
    let instance = store.entities.instance(id);
    let module = instance.module.declarations();
    let layout = instance.module.layout();
    for segment in &module.elems {
        if let ElemMode::Active { table, offset } = &segment.mode {
            let dst = evaluate(instance, offset)?[0];
            let table = instance.instance().table(layout, *table);
            write_elements(instance, &segment.items, 0..segment.items.len(), table, dst)?;
        }
    }
    Ok(())
}

/// Copies all active data segments in order, like [`copy_active_elems`], after these.
pub(crate) fn copy_active_data(store: &StoreInner, id: InstanceId) -> Result<()> {
    let instance = store.entities.instance(id);
    let module = instance.module.declarations();
    let layout = instance.module.layout();
    let bytes = instance.module.bytes();
    let interrupts = store.interrupts();
    for segment in &module.data {
        if let Some((memory, offset)) = &segment.active {
            let dst = evaluate(instance, offset)?[0];
            let content = &bytes[segment.range.clone()];
            let memory = instance.instance().memory(layout, *memory);
            let len = content.len() as u64;
            memory.init(dst, (content, 0), len, &mut || Ok(interrupts.check()?))?;
        }
    }
    Ok(())
}

/// Writes the elements of `range` to a table from `dst` on, all or none.
pub(crate) fn write_elements(
    instance: &InstanceData,
    items: &ElemItems,
    range: Range<usize>,
    table: TablePtr,
    dst: u64,
) -> Result<()> {
    let end = dst.checked_add(range.len() as u64);
    if end.is_none_or(|end| end > table.len()) {
        return Err(Trap::TableOutOfBounds.into());
    }
    let mut bits: SmallVec<[u64; CHUNK]> = SmallVec::new();
    let mut dst = dst;
    for start in range.clone().step_by(CHUNK) {
        let chunk = start..range.end.min(start + CHUNK);
        bits.clear();
        match items {
            ElemItems::Funcs(funcs) => {
                bits.extend(funcs[chunk].iter().map(|&func| func_bits(instance, func)));
            }
            ElemItems::Exprs(exprs) => {
                for expr in &exprs[chunk] {
                    bits.push(evaluate(instance, expr)?[0]);
                }
            }
        }
        table.write(dst, &bits)?;
        dst += bits.len() as u64;
    }
    Ok(())
}
