//! Operators on arrays that machine code leaves to the runtime.

use crate::Result;
use crate::Trap;
use crate::gc::access::{Reference, first_element, length_of, type_of, write_bytes};
use crate::instantiate::const_expr::Origin;
use crate::instantiate::segments::element_bits;
use crate::store::StoreInner;
use crate::vm::{InstanceRef, TypeShape};
use std::ops::Range;
use upshift_abi::index::{DataIndex, ElemIndex, TypeIndex};
use upshift_abi::layout::{
    ArrayLayout, CanonTypeId, Cell, LENGTH_OFFSET, MAX_ARRAY_LENGTH, TypeKind,
};
use upshift_abi::module::ElemMode;

/// Bytes of a bulk operation that cost one unit of fuel: more than any that is done inline.
const BYTES_PER_FUEL: u64 = 512;

/// An array in the heap.
#[derive(Clone, Copy, Debug)]
struct Array {
    offset: u32,
    length: u32,
    shape: TypeShape,
}

impl Array {
    fn at(store: &StoreInner, offset: u32) -> Self {
        let memory = store.heap().memory();
        let shape = store.engine().types().table().shape(type_of(memory, offset));
        Self { offset, length: length_of(memory, offset), shape }
    }

    /// The array that machine code passes.
    fn passed(store: &StoreInner, bits: u64) -> Result<Self> {
        match Reference::from_bits(u32::try_from(bits).expect("references have 32 bits")) {
            Reference::Object(offset) => Ok(Self::at(store, offset)),
            Reference::Null => Err(Trap::NullArrayReference.into()),
            Reference::I31(_) | Reference::Host(_) => panic!("an array"),
        }
    }

    /// Checks that elements exist: their first one's place.
    fn elements(&self, index: u32, count: u32) -> Result<u32> {
        let end = index.checked_add(count).filter(|&end| end <= self.length);
        end.ok_or(Trap::ArrayOutOfBounds)?;
        Ok(self.offset + first_element(self.shape.size_bytes) + self.bytes(index))
    }

    fn bytes(&self, count: u32) -> u32 {
        count * self.shape.size_bytes
    }

    /// Whether elements are references that collections follow.
    fn holds_references(&self) -> bool {
        self.shape.references != 0
    }

    /// How an element lies in memory, when it is a reference.
    fn reference_cell(&self) -> Cell {
        match self.shape.kind {
            TypeKind::ExnArray => Cell::Exn,
            _ if self.holds_references() => Cell::Ref,
            _ => Cell::Func,
        }
    }
}

/// `array.new_default`
pub(crate) fn new_default(
    store: &mut StoreInner,
    instance: InstanceRef,
    ty: TypeIndex,
    length: u32,
) -> Result<u32> {
    let module = &store.entities.instance_of(instance).module;
    let (layout, id) = (module.declarations().array(ty), module.type_entry(ty).id());
    new_array(store, id, layout, length)
}

/// A new array, all elements zero.
pub(crate) fn new_array(
    store: &mut StoreInner,
    id: CanonTypeId,
    layout: ArrayLayout,
    length: u32,
) -> Result<u32> {
    if length > MAX_ARRAY_LENGTH {
        return Err(Trap::AllocationTooLarge.into());
    }
    let bytes = layout.size_bytes(length);
    store.charge_fuel(bytes / BYTES_PER_FUEL)?;
    let array = store.allocate(id, bytes)?;
    let memory = store.heap_mut().memory_mut();
    memory.write_u32(array + LENGTH_OFFSET, length);
    let filled = u32::try_from(bytes).expect("it was allocated") - layout.first;
    memory.fill(array + layout.first, 0, filled);
    Ok(array)
}

/// `array.fill` with the value that the thread passes.
pub(crate) fn fill(store: &mut StoreInner, array: u64, index: u32, count: u32) -> Result<()> {
    let array = Array::passed(store, array)?;
    let first = array.elements(index, count)?;
    let value = store.context().passed_value();
    let (element, bytes) = (array.shape.size_bytes, array.bytes(count));
    store.charge_fuel(u64::from(bytes) / BYTES_PER_FUEL)?;
    if array.holds_references() {
        store.note_write_elements(array.offset, (index, count));
    }
    let memory = store.heap_mut().memory_mut();
    if count == 0 {
        return Ok(());
    }
    if element == 1 {
        memory.fill(first, value[0].to_le_bytes()[0], count);
        return Ok(());
    }
    write_bytes(memory, element, first, value);
    // What is there is copied behind itself, twice as much each time.
    let mut done = element;
    while done < bytes {
        let more = done.min(bytes - done);
        memory.copy(first + done, first, more);
        done += more;
    }
    Ok(())
}

/// `array.copy`
pub(crate) fn copy(
    store: &mut StoreInner,
    (dst, src): (u64, u64),
    (dst_index, src_index): (u32, u32),
    count: u32,
) -> Result<()> {
    let (dst, src) = (Array::passed(store, dst)?, Array::passed(store, src)?);
    let to = dst.elements(dst_index, count)?;
    let from = src.elements(src_index, count)?;
    store.charge_fuel(u64::from(dst.bytes(count)) / BYTES_PER_FUEL)?;
    if dst.holds_references() {
        store.note_write_elements(dst.offset, (dst_index, count));
    }
    store.heap_mut().memory_mut().copy(to, from, dst.bytes(count));
    Ok(())
}

/// `array.init_data`
pub(crate) fn init_data(
    store: &mut StoreInner,
    (instance, data): (InstanceRef, DataIndex),
    array: u64,
    (index, offset): (u32, u32),
    count: u32,
) -> Result<()> {
    let array = Array::passed(store, array)?;
    let first = array.elements(index, count)?;
    let range = data_range(store, instance, data, offset, u64::from(array.bytes(count)))?;
    write_data(store, instance, range, first)
}

/// `array.new_data`
pub(crate) fn new_data(
    store: &mut StoreInner,
    (instance, data): (InstanceRef, DataIndex),
    ty: TypeIndex,
    (offset, length): (u32, u32),
) -> Result<u32> {
    let module = &store.entities.instance_of(instance).module;
    let layout = module.declarations().array(ty);
    let bytes = u64::from(length) * u64::from(layout.element.bytes());
    let range = data_range(store, instance, data, offset, bytes)?;
    let array = new_default(store, instance, ty, length)?;
    write_data(store, instance, range, array + layout.first)?;
    Ok(array)
}

/// The bytes of a data segment, in the module's bytes.
fn data_range(
    store: &StoreInner,
    instance: InstanceRef,
    data: DataIndex,
    offset: u32,
    bytes: u64,
) -> Result<Range<usize>> {
    let instance = store.entities.instance_of(instance);
    let segment = &instance.module.declarations().data[data.index()];
    let dropped = segment.active.is_some() || instance.is_data_dropped(data);
    let available = if dropped { 0 } else { segment.range.len() as u64 };
    let end = u64::from(offset).checked_add(bytes).filter(|&end| end <= available);
    let end = end.ok_or(Trap::MemoryOutOfBounds)?;
    let place = |at: u64| segment.range.start + usize::try_from(at).expect("in the segment");
    Ok(place(offset.into())..place(end))
}

fn write_data(
    store: &mut StoreInner,
    instance: InstanceRef,
    range: Range<usize>,
    place: u32,
) -> Result<()> {
    store.charge_fuel(range.len() as u64 / BYTES_PER_FUEL)?;
    store.write_module_bytes(instance, range, place);
    Ok(())
}

/// `array.new_elem`
pub(crate) fn new_elem(
    store: &mut StoreInner,
    (instance, elem): (InstanceRef, ElemIndex),
    ty: TypeIndex,
    (offset, length): (u32, u32),
) -> Result<u32> {
    let range = elem_range(store, instance, elem, (offset, length))?;
    let array = new_default(store, instance, ty, length)?;
    write_elem(store, (instance, elem), range, (Array::at(store, array), 0))?;
    Ok(array)
}

/// `array.init_elem`
pub(crate) fn init_elem(
    store: &mut StoreInner,
    (instance, elem): (InstanceRef, ElemIndex),
    array: u64,
    (index, offset): (u32, u32),
    count: u32,
) -> Result<()> {
    let array = Array::passed(store, array)?;
    array.elements(index, count)?;
    let range = elem_range(store, instance, elem, (offset, count))?;
    write_elem(store, (instance, elem), range, (array, index))
}

fn elem_range(
    store: &StoreInner,
    instance: InstanceRef,
    elem: ElemIndex,
    (offset, count): (u32, u32),
) -> Result<Range<usize>> {
    let instance = store.entities.instance_of(instance);
    let segment = &instance.module.declarations().elems[elem.index()];
    let dropped = !matches!(segment.mode, ElemMode::Passive) || instance.is_elem_dropped(elem);
    let available = if dropped { 0 } else { segment.items.len() };
    let start = offset as usize;
    let end = start + count as usize;
    if end > available {
        return Err(Trap::TableOutOfBounds.into());
    }
    Ok(start..end)
}

/// Writes elements of a segment to an array, which stays where it is: constant expressions do not
/// collect.
fn write_elem(
    store: &mut StoreInner,
    (instance, elem): (InstanceRef, ElemIndex),
    range: Range<usize>,
    (array, index): (Array, u32),
) -> Result<()> {
    store.charge_fuel(range.len() as u64 * 4 / BYTES_PER_FUEL)?;
    let count = u32::try_from(range.len()).expect("they are elements of the array");
    let first = array.elements(index, count)?;
    if count == 0 {
        return Ok(());
    }
    let cell = array.reference_cell();
    store.note_write_elements(array.offset, (index, count));
    if cell == Cell::Ref && store.write_elem_values((instance, elem), range.clone(), first) {
        return Ok(());
    }
    let at = Origin::of(store.entities.instance_of(instance));
    for (item, place) in range.zip((first..).step_by(cell.bytes() as usize)) {
        let bits = element_bits(store, &at, elem, item)?;
        store.write_cell(cell, place, [bits, 0])?;
    }
    Ok(())
}
