//! The check of a heap after a collection, when the nursery is empty: panics when something is wrong.
//!
//! All that is reached from the roots must be objects of known types in blocks that are in use, must
//! not overlap, and must be as the write barrier expects old objects to be. Exceptions that objects
//! hold must be there.

use super::access::{Reference, for_each_reference, size_of_object, type_of};
use super::mark_bits::{Marks, words_for};
use super::old::{MAX_SMALL_BYTES, OldSpace};
use super::{RootSet, Space, is_reference_array};
use crate::vm::{HeapMemory, TypeShape, TypeTable};
use upshift_abi::layout::{GC_CARDS, GC_OFFSET, GC_UNLOGGED, OBJECT_ALIGN, TypeKind};

/// See the module head.
pub(super) fn verify(old: &OldSpace, space: &Space<'_>, roots: &mut dyn RootSet) {
    assert_eq!(space.memory.log_len(space.context), 0, "the log is empty after a collection");
    let (memory, types) = (&*space.memory, space.types);
    let words = words_for(old.end());
    let (found, taken) = (vec![0; words], vec![0; words]);
    let mut check = Check { old, memory, types, found, taken, left: Vec::new() };
    roots.check(&mut |word| {
        if let Ok(bits) = u32::try_from(word) {
            check.reach(bits);
        }
    });
    while let Some((object, shape)) = check.left.pop() {
        let exception = |position| {
            let there_is = position == 0 || roots.has_exception(position);
            assert!(there_is, "{object:#x} holds an exception that was freed");
        };
        let visit = |place| check.reach(memory.read_u32(place));
        for_each_reference(memory, space.engine, (object, shape), visit, exception);
    }
}

struct Check<'a> {
    old: &'a OldSpace,
    memory: &'a HeapMemory,
    types: &'a TypeTable,
    /// A bit for each 8 bytes of the heap ([`Marks`]), where a known object starts.
    found: Vec<u64>,
    /// The same, where any part of one lies.
    taken: Vec<u64>,
    /// Objects that were not looked through yet.
    left: Vec<(u32, TypeShape)>,
}

impl Check<'_> {
    /// A reference leads to an object, or to none.
    fn reach(&mut self, bits: u32) {
        let Reference::Object(object) = Reference::from_bits(bits) else { return };
        assert!(self.old.contains(object), "{object:#x} is young after a collection");
        assert!(self.old.may_hold_object(object), "{object:#x} is in a free block");
        assert_eq!(object % OBJECT_ALIGN, 0, "{object:#x} is no place for an object");
        if Marks::of(&mut self.found).insert(object) {
            self.look_at(object);
        }
    }

    fn look_at(&mut self, object: u32) {
        let shape = self.types.shape(type_of(self.memory, object));
        assert!(shape.kind != TypeKind::None, "{object:#x} has no type");
        let bytes = size_of_object(self.memory, object, shape);
        let end = u64::from(object) + u64::from(bytes);
        assert!(end <= self.old.end(), "{object:#x} ends behind the heap");
        let mut taken = Marks::of(&mut self.taken);
        for at in (u64::from(object)..end).step_by(OBJECT_ALIGN as usize) {
            let at = u32::try_from(at).expect("the heap has 4 GiB");
            assert!(taken.insert(at), "{object:#x} overlaps with another object");
        }
        let has_cards = bytes > MAX_SMALL_BYTES && is_reference_array(shape);
        let state = if has_cards { GC_UNLOGGED | GC_CARDS } else { GC_UNLOGGED };
        let found = self.memory.read_u8(object + GC_OFFSET);
        assert_eq!(found, state, "{object:#x} is not as the write barrier expects");
        self.left.push((object, shape));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AnyRef, ArrayRef, ArrayType, AsContextMut, Config, Engine, FieldType, StorageType, Store,
        Val, ValType, Zeal,
    };
    use upshift_abi::layout::TYPE_OFFSET;

    /// A store whose heap is checked.
    fn store() -> Store<()> {
        let mut zeal = Zeal::none();
        zeal.gc = true;
        let mut config = Config::new();
        config.zeal(zeal);
        Store::new(&Engine::new(&config).unwrap(), ())
    }

    fn array(store: &mut Store<()>, element: ValType, value: Val) -> ArrayRef {
        let field = FieldType { storage: StorageType::Val(element), mutable: true };
        let ty = ArrayType::new(store.engine(), field).unwrap();
        ArrayRef::new(store, &ty, value, 8).unwrap()
    }

    fn offset(store: &mut Store<()>, object: AnyRef) -> u32 {
        object.object(store.as_context_mut().inner_mut())
    }

    #[test]
    #[should_panic(expected = "is not as the write barrier expects")]
    fn an_old_object_that_would_not_be_logged_is_found() {
        let mut store = store();
        let any = array(&mut store, ValType::I32, Val::I32(0)).to_any_ref();
        store.gc().unwrap();
        let place = offset(&mut store, any) + GC_OFFSET;
        let mut context = store.as_context_mut();
        context.inner_mut().heap_mut().memory_mut().write_u8(place, 0);
        store.gc().unwrap();
    }

    #[test]
    #[should_panic(expected = "overlaps with another object")]
    fn an_object_within_another_one_is_found() {
        let mut store = store();
        let numbers = array(&mut store, ValType::I32, Val::I32(0)).to_any_ref();
        let references =
            array(&mut store, ValType::ANYREF, Val::AnyRef(Some(numbers))).to_any_ref();
        store.gc().unwrap();
        let [numbers, references] = [numbers, references].map(|any| offset(&mut store, any));
        let mut context = store.as_context_mut();
        let memory = context.inner_mut().heap_mut().memory_mut();
        // An array without elements among the numbers.
        let within = numbers + 16;
        memory.write_u32(within + TYPE_OFFSET, memory.read_u32(numbers + TYPE_OFFSET));
        memory.write_u8(within + GC_OFFSET, GC_UNLOGGED);
        memory.write_u32(references + 12, within);
        store.gc().unwrap();
    }
}
