//! Element and data segments.

use super::const_expr::{Origin, evaluate};
use crate::Result;
use crate::Trap;
use crate::store::StoreInner;
use crate::store::entities::InstanceId;
use crate::vm::TablePtr;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;
use upshift_abi::index::ElemIndex;
use upshift_abi::module::{ConstOp, ElemItems, ElemMode};

/// Elements evaluated at a time.
const CHUNK: usize = 256;

/// Copies all active element segments in order. One that does not fit traps, and what was copied
/// before stays.
pub(crate) fn copy_active_elems(store: &mut StoreInner, id: InstanceId) -> Result<()> {
    let at = Origin::of(store.entities.instance(id));
    let module = at.module().declarations();
    let layout = at.module().layout();
    for segment in &module.elems {
        if let ElemMode::Active { table, offset } = &segment.mode {
            let dst = evaluate(store, &at, offset)?[0];
            let table = at.vm().table(layout, *table);
            let all = 0..segment.items.len();
            write_elements(store, &at, (&segment.items, all), table, dst)?;
        }
    }
    Ok(())
}

/// Copies all active data segments in order, like [`copy_active_elems`], after these.
pub(crate) fn copy_active_data(store: &mut StoreInner, id: InstanceId) -> Result<()> {
    let at = Origin::of(store.entities.instance(id));
    let module = at.module().declarations();
    let layout = at.module().layout();
    let bytes = at.module().bytes();
    let interrupts = Arc::clone(store.interrupts());
    for segment in &module.data {
        if let Some((memory, offset)) = &segment.active {
            let dst = evaluate(store, &at, offset)?[0];
            let content = &bytes[segment.range.clone()];
            let memory = at.vm().memory(layout, *memory);
            let len = content.len() as u64;
            memory.init(dst, (content, 0), len, &mut || Ok(interrupts.check()?))?;
        }
    }
    Ok(())
}

/// Writes the elements of `range` to a table from `dst` on, all or none.
fn write_elements(
    store: &mut StoreInner,
    at: &Origin,
    (items, range): (&ElemItems, Range<usize>),
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
                bits.extend(funcs[chunk].iter().map(|&func| at.func_bits(func)));
            }
            ElemItems::Exprs(exprs) => {
                for expr in &exprs[chunk] {
                    bits.push(evaluate(store, at, expr)?[0]);
                }
            }
        }
        table.write(dst, &bits)?;
        dst += bits.len() as u64;
    }
    Ok(())
}

/// Makes the objects that passive segments consist of, once for the instance.
pub(crate) fn make_elem_values(store: &mut StoreInner, id: InstanceId) -> Result<()> {
    let at = Origin::of(store.entities.instance(id));
    for (i, segment) in at.module().declarations().elems.iter().enumerate() {
        if !matches!(segment.mode, ElemMode::Passive) {
            continue;
        }
        let ElemItems::Exprs(exprs) = &segment.items else { continue };
        if !exprs.iter().flat_map(|expr| &expr.ops).any(makes_object) {
            continue;
        }
        // Constant expressions do not collect: none of these moves.
        let values = exprs.iter().map(|expr| Ok(evaluate(store, &at, expr)?[0]));
        let values = values.collect::<Result<Box<[u64]>>>()?;
        let index = ElemIndex::new(i);
        store.entities.instance_of_mut(at.vm()).set_elem_values(index, values);
        store.note_global_write();
    }
    Ok(())
}

fn makes_object(op: &ConstOp) -> bool {
    matches!(
        op,
        ConstOp::StructNew(_)
            | ConstOp::StructNewDefault(_)
            | ConstOp::ArrayNew(_)
            | ConstOp::ArrayNewDefault(_)
            | ConstOp::ArrayNewFixed(..)
    )
}

/// The bits of one element of a passive segment.
pub(crate) fn element_bits(
    store: &mut StoreInner,
    at: &Origin,
    elem: ElemIndex,
    item: usize,
) -> Result<u64> {
    if let Some(values) = store.entities.instance_of(at.vm()).elem_values(elem) {
        return Ok(values[item]);
    }
    match &at.module().declarations().elems[elem.index()].items {
        ElemItems::Funcs(funcs) => Ok(at.func_bits(funcs[item])),
        ElemItems::Exprs(exprs) => Ok(evaluate(store, at, &exprs[item])?[0]),
    }
}

/// The elements of `range` of a passive segment go to a table from `dst` on, all or none.
pub(crate) fn init_table(
    store: &mut StoreInner,
    at: &Origin,
    (elem, range): (ElemIndex, Range<usize>),
    table: TablePtr,
    dst: u64,
) -> Result<()> {
    if let Some(values) = store.entities.instance_of(at.vm()).elem_values(elem) {
        return Ok(table.write(dst, &values[range])?);
    }
    let items = &at.module().declarations().elems[elem.index()].items;
    write_elements(store, at, (items, range), table, dst)
}
