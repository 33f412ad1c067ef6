//! Marking: which objects the roots lead to.
//!
//! ```text
//! bits     one for each 8 bytes of the heap: set when an object that starts there is marked
//! waiting  objects that marked ones refer to: a stack of bounded size
//! arrays   long arrays, and the element at which to go on
//! again    segments of 32 KiB with marked objects that refer to others for which there was no room
//! ```
//!
//! An object is marked when it is taken from the stack, and what it refers to is pushed then, unless
//! it is null. (To look whether it is marked already would take more time than taking it twice, but
//! for the elements of arrays, of which many may be the same. Structures that elements refer to are
//! marked at once: an array tells early enough what to fetch.) Before, there must be room for all it
//! refers to. When there is none, objects that wait twice or are marked are taken out; when that does
//! not help, the segment is noted, and all marked objects of the segment are looked through again
//! when nothing waits any more. Long arrays are looked through by parts, each when nothing else waits.
//!
//! Nothing but marks has changed before all is marked, so when memory is refused marking is given up.
//!
//! So what marking takes besides the bits does not grow with the longest array or the deepest list.
//! It seldom takes longer for that: half of [`MAX_WAITING`] objects are marked, or taken out, from
//! one time that there is no room to the next.

use super::access::{first_element, for_each_reference, length_of, type_of};
use super::mark_bits::{MarkBits, Marks};
use super::numbers::NumberSet;
use super::{Space, is_reference_array};
use crate::fallible::{self, OutOfMemory};
use crate::vm::{HeapMemory, TypeShape, TypeTable};
use smallvec::SmallVec;
use upshift_abi::layout::{HEADER_BYTES, HOST_BIT, HOST_SHIFT, I31_BIT, TypeKind};

/// log2 of the words of bits of a segment.
const SEGMENT_SHIFT: u32 = 6;
/// Most elements of an array that are looked through at once.
const ARRAY_PART: u32 = 4096;
/// Most references of a structure whose type has a bit for each.
const STRUCT_REFERENCES: usize = u64::BITS as usize;
/// Most fields of any structure.
const MAX_FIELDS: usize = 10_000;
/// Objects that may wait at first.
const FIRST_WAITING: usize = 1 << 10;
/// Objects that may wait at least: more than any object that is looked through at once refers to.
const LEAST_WAITING: usize = 16 << 10;
/// Most objects that may wait.
const MAX_WAITING: usize = 1 << 20;
/// Objects that wait for their memory to be fetched while others are looked through.
const FETCHED: usize = 32;
/// Elements of an array that are compared together.
const ELEMENTS_COMPARED: usize = 32;

const _: () = assert!(LEAST_WAITING > MAX_FIELDS + 1 && LEAST_WAITING > ARRAY_PART as usize + 1);

/// See the module head.
#[derive(Debug, Default)]
pub(super) struct Marker {
    bits: MarkBits,
    waiting: Waiting,
    arrays: Vec<(u32, u32)>,
    again: Vec<bool>,
    /// Whether taking objects out of the stack helped little, since nothing but them was looked at.
    is_compact: bool,
    /// The segment from which on to look for one that was noted.
    next: usize,
    /// Handles of host values that were found.
    handles: NumberSet,
    /// Positions of exceptions that were found, and those of them that were not taken yet.
    exceptions: NumberSet,
    new_exceptions: Vec<u32>,
    /// Whether something was not noted because memory was refused.
    is_incomplete: bool,
}

impl Marker {
    /// Marking begins, of a heap that ends at `end`.
    pub(super) fn begin(&mut self, end: u64) -> Result<(), OutOfMemory> {
        self.bits = MarkBits::new(end)?;
        let segments = self.segment_count();
        fallible::reserve(&mut self.again, segments)?;
        self.waiting.begin()
    }

    /// Adds what a word of the roots refers to.
    pub(super) fn add_root(&mut self, space: &Space<'_>, word: u64) {
        let Ok(bits) = u32::try_from(word) else { return };
        if !self.waiting.has_room(1) {
            self.drain(space);
        }
        self.with_reached(|reached| reached.add(bits));
    }

    /// Marks all that is reached from what was added.
    pub(super) fn run(&mut self, space: &Space<'_>) {
        loop {
            self.drain(space);
            self.is_compact = false;
            if let Some((array, index)) = self.arrays.pop() {
                self.look_into_array(space, array, index);
            } else if let Some(segment) = self.take_segment() {
                self.look_again(space, segment);
            } else {
                return;
            }
        }
    }

    /// The marks.
    pub(super) fn bits(&self) -> &MarkBits {
        &self.bits
    }

    /// The exceptions that objects hold and that were not taken before, by their positions.
    pub(super) fn take_exceptions(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.new_exceptions)
    }

    /// Whether everything was noted that was found.
    pub(super) fn check(&self) -> Result<(), OutOfMemory> {
        let sets_are = self.handles.is_complete() && self.exceptions.is_complete();
        if sets_are && !self.is_incomplete { Ok(()) } else { Err(OutOfMemory) }
    }

    /// The handles of host values that were found.
    pub(super) fn into_handles(self) -> NumberSet {
        self.handles
    }

    /// Looks through all that waits but for long arrays.
    fn drain(&mut self, space: &Space<'_>) {
        let mut queue = Queue { objects: [0; FETCHED], first: 0, count: 0 };
        while let Some(object) = self.drain_structures(space, &mut queue) {
            let shape = space.types.shape(type_of(space.memory, object));
            self.look_into(space, object, shape);
        }
    }

    /// Marks structures and looks through them, until there is something else or little room: that
    /// object, which is marked.
    #[inline]
    fn drain_structures(&mut self, space: &Space<'_>, queue: &mut Queue) -> Option<u32> {
        let (memory, types) = (&*space.memory, space.types);
        let mut reached = self.reached();
        // Positions that only this function has stay in registers.
        let Queue { objects, first, count } = queue;
        let mut fetched = Fetched { objects, first: *first, count: *count };
        let found = loop {
            let Some(object) = fetched.next(memory, &mut reached) else { break None };
            if !reached.marks.insert(object) {
                continue;
            }
            let shape = types.shape(type_of(memory, object));
            match shape.kind {
                TypeKind::Struct | TypeKind::Array if shape.references == 0 => {}
                TypeKind::Struct if reached.room() > STRUCT_REFERENCES => {
                    reached.add_fields(memory, object, shape.references);
                }
                _ => break Some(object),
            }
        };
        (*first, *count) = (fetched.first, fetched.count);
        self.waiting.len = reached.len;
        found
    }

    /// Adds what an object refers to.
    fn look_into(&mut self, space: &Space<'_>, object: u32, shape: TypeShape) {
        if shape.kind != TypeKind::Struct {
            return self.look_into_other(space, object, shape);
        }
        if !self.has_room(STRUCT_REFERENCES) {
            return self.note_segment(object);
        }
        self.with_reached(|reached| reached.add_fields(space.memory, object, shape.references));
    }

    fn look_into_other(&mut self, space: &Space<'_>, object: u32, shape: TypeShape) {
        if is_reference_array(shape) {
            return self.look_into_array(space, object, 0);
        }
        if shape.kind == TypeKind::Array {
            return;
        }
        // Each reference takes 4 bytes. Arrays of exceptions have none.
        if !self.has_room(shape.size_bytes as usize / 4) {
            return self.note_segment(object);
        }
        let mut exceptions = std::mem::take(&mut self.exceptions);
        let mut new_exceptions = std::mem::take(&mut self.new_exceptions);
        let mut noted = Ok(());
        self.with_reached(|reached| {
            let visit = |place| reached.add(space.memory.read_u32(place));
            let exception = |position| {
                if exceptions.insert(position) {
                    noted = noted.and(fallible::push(&mut new_exceptions, position));
                }
            };
            for_each_reference(space.memory, space.engine, (object, shape), visit, exception);
        });
        (self.exceptions, self.new_exceptions) = (exceptions, new_exceptions);
        self.is_incomplete |= noted.is_err();
    }

    /// Adds what the elements of an array from `index` on refer to, or a part of them. Elements that
    /// lie one behind the other are often the same, as in an array that is filled with one value, or
    /// mostly null.
    fn look_into_array(&mut self, space: &Space<'_>, array: u32, index: u32) {
        let left = length_of(space.memory, array) - index;
        let part = left.min(ARRAY_PART);
        if !self.has_room(part as usize) {
            return self.note_segment(array);
        }
        if part < left {
            self.is_incomplete |= fallible::push(&mut self.arrays, (array, index + part)).is_err();
        }
        let elements = space.memory.words(array + first_element(4) + 4 * index, part);
        self.with_reached(|reached| reached.add_elements((space.memory, space.types), elements));
    }

    fn reached(&mut self) -> Reached<'_> {
        Reached {
            marks: self.bits.marks(),
            objects: &mut self.waiting.objects,
            len: self.waiting.len,
            handles: &mut self.handles,
        }
    }

    fn with_reached(&mut self, add: impl FnOnce(&mut Reached<'_>)) {
        let mut reached = self.reached();
        add(&mut reached);
        self.waiting.len = reached.len;
    }

    /// Whether so many may be added.
    fn has_room(&mut self, count: usize) -> bool {
        if !self.waiting.has_room(count) && !self.is_compact {
            let bits = &self.bits;
            self.waiting.compact(|object| bits.contains(object));
            self.is_compact = self.waiting.len > self.waiting.most / 2;
        }
        self.waiting.has_room(count)
    }

    /// There is no room for what an object refers to: it is looked into later.
    #[cold]
    fn note_segment(&mut self, object: u32) {
        self.again.resize(self.segment_count(), false);
        self.again[MarkBits::word_of(object) >> SEGMENT_SHIFT] = true;
    }

    fn segment_count(&self) -> usize {
        self.bits.word_count().div_ceil(1 << SEGMENT_SHIFT)
    }

    /// A segment that was noted, which it is not any more.
    fn take_segment(&mut self) -> Option<usize> {
        let count = self.again.len();
        let found = (0..count).map(|i| (self.next + i) % count).find(|&i| self.again[i])?;
        self.again[found] = false;
        self.next = found + 1;
        Some(found)
    }

    /// Adds what the marked objects of a segment refer to.
    fn look_again(&mut self, space: &Space<'_>, segment: usize) {
        for word in segment << SEGMENT_SHIFT..(segment + 1) << SEGMENT_SHIFT {
            // Nothing is marked meanwhile.
            let objects: SmallVec<[u32; 64]> = self.bits.objects(word..word + 1).collect();
            for object in objects {
                let shape = space.types.shape(type_of(space.memory, object));
                self.look_into(space, object, shape);
            }
        }
    }
}

/// A stack of bounded size.
#[derive(Debug)]
struct Waiting {
    /// What lies behind the first `len` means nothing.
    objects: Vec<u32>,
    len: usize,
    most: usize,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { objects: Vec::new(), len: 0, most: MAX_WAITING }
    }
}

impl Waiting {
    /// Whether `count` more objects may be pushed.
    #[inline]
    fn has_room(&mut self, count: usize) -> bool {
        self.objects.len() - self.len > count || self.grow(count)
    }

    /// Asks for what it takes to look into any object.
    fn begin(&mut self) -> Result<(), OutOfMemory> {
        fallible::reserve(&mut self.objects, LEAST_WAITING.min(self.most))
    }

    #[cold]
    fn grow(&mut self, count: usize) -> bool {
        // Whatever is added is written where the next one goes, also when it is null.
        let needed = self.len + count + 1;
        if needed > self.most {
            return false;
        }
        let len = needed.next_power_of_two().clamp(FIRST_WAITING.min(self.most), self.most);
        if fallible::grow(&mut self.objects, len, 0).is_err() {
            // It goes on with what there is.
            self.most = self.objects.capacity();
            self.objects.resize(self.most, 0);
        }
        needed <= self.most
    }

    /// Takes out what is marked, and all but one of the same.
    fn compact(&mut self, is_marked: impl Fn(u32) -> bool) {
        let room = self.objects.len();
        self.objects.truncate(self.len);
        self.objects.retain(|&object| !is_marked(object));
        self.objects.sort_unstable();
        self.objects.dedup();
        self.len = self.objects.len();
        self.objects.resize(room, 0);
    }
}

/// What marking writes for each reference, at hand.
struct Reached<'a> {
    marks: Marks<'a>,
    /// The stack of what waits.
    objects: &'a mut [u32],
    len: usize,
    handles: &'a mut NumberSet,
}

impl Reached<'_> {
    /// How many objects may be added; one less is sure to fit.
    #[inline]
    fn room(&self) -> usize {
        self.objects.len() - self.len
    }

    /// Adds what a reference leads to, for which there is room. Which are null is in no order, so
    /// there is no branch on it.
    #[inline]
    fn add(&mut self, bits: u32) {
        if bits & (HOST_BIT | I31_BIT) == HOST_BIT {
            self.handles.insert(bits >> HOST_SHIFT);
            return;
        }
        self.objects[self.len] = bits;
        self.len += usize::from(bits & I31_BIT == 0 && bits != 0);
    }

    /// The same of a structure's fields.
    #[inline]
    fn add_fields(&mut self, memory: &HeapMemory, object: u32, references: u64) {
        let mut left = references;
        while left != 0 {
            self.add(memory.read_u32(object + HEADER_BYTES + 4 * left.trailing_zeros()));
            left &= left - 1;
        }
    }

    /// The same of elements, for each of which there is room. Structures are not added but marked, and
    /// what they refer to is added: they are fetched while those of the elements before are marked.
    fn add_elements(&mut self, of: (&HeapMemory, &TypeTable), elements: &[u32]) {
        let (mut fetched, mut fetched_count) = ([0; ELEMENTS_COMPARED], 0);
        let mut before = 0;
        for chunk in elements.chunks(ELEMENTS_COMPARED) {
            if chunk.iter().fold(0, |differences, &bits| differences | (bits ^ before)) == 0 {
                continue;
            }
            before = chunk[chunk.len() - 1];
            let mut found = [0; ELEMENTS_COMPARED];
            let count = self.list_unmarked(chunk, &mut found);
            found[..count].iter().for_each(|&object| fetch(of.0, object));
            self.mark_listed(of, &fetched[..fetched_count]);
            (fetched, fetched_count) = (found, count);
        }
        self.mark_listed(of, &fetched[..fetched_count]);
    }

    /// The objects that elements refer to and that are not marked: their number.
    #[inline]
    fn list_unmarked(&mut self, elements: &[u32], found: &mut [u32; ELEMENTS_COMPARED]) -> usize {
        let mut count = 0;
        for &bits in elements {
            if bits & (HOST_BIT | I31_BIT) == HOST_BIT {
                self.handles.insert(bits >> HOST_SHIFT);
                continue;
            }
            // Null is marked from the beginning.
            let object = if bits & I31_BIT == 0 { bits } else { 0 };
            found[count % ELEMENTS_COMPARED] = object;
            count += usize::from(!self.marks.contains(object));
        }
        count
    }

    /// Marks structures and adds what they refer to, while more than a part of an array fits behind
    /// that; adds all other objects.
    #[inline]
    fn mark_listed(&mut self, (memory, types): (&HeapMemory, &TypeTable), objects: &[u32]) {
        for &object in objects {
            let shape = types.shape(type_of(memory, object));
            let fits =
                shape.references == 0 || self.room() > STRUCT_REFERENCES + ARRAY_PART as usize;
            if shape.kind != TypeKind::Struct || !fits {
                self.objects[self.len] = object;
                self.len += 1;
            } else if self.marks.insert(object) {
                self.add_fields(memory, object, shape.references);
            }
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        Some(self.objects[self.len])
    }
}

/// Objects that are fetched. They lie anywhere in memory, so it takes a while until they can be
/// looked at.
struct Queue {
    objects: [u32; FETCHED],
    first: usize,
    count: usize,
}

/// The same while objects are taken out and put in.
struct Fetched<'a> {
    objects: &'a mut [u32; FETCHED],
    first: usize,
    count: usize,
}

impl Fetched<'_> {
    /// The next object to look at.
    #[inline]
    fn next(&mut self, memory: &HeapMemory, reached: &mut Reached<'_>) -> Option<u32> {
        while self.count < FETCHED {
            let Some(object) = reached.pop() else { return self.take() };
            fetch(memory, object);
            self.objects[(self.first + self.count) % FETCHED] = object;
            self.count += 1;
        }
        let Some(object) = reached.pop() else { return self.take() };
        fetch(memory, object);
        let next = std::mem::replace(&mut self.objects[self.first % FETCHED], object);
        self.first = (self.first + 1) % FETCHED;
        Some(next)
    }

    fn take(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        let object = self.objects[self.first];
        self.first = (self.first + 1) % FETCHED;
        Some(object)
    }
}

/// Has the start of an object fetched, the first fields included, which may lie in another cache line.
#[inline]
fn fetch(memory: &HeapMemory, object: u32) {
    memory.prefetch(object);
    memory.prefetch(object.wrapping_add(2 * HEADER_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::gc::old::OldSpace;
    use crate::vm::{Context, Settings};
    use upshift_abi::layout::{CanonTypeId, DISPLAY_LENGTH, LENGTH_OFFSET, TypeDescriptor};

    /// A structure of eight references.
    const NODE: CanonTypeId = CanonTypeId::at(1);
    const NODE_BYTES: u32 = HEADER_BYTES + 4 * NODE_REFERENCES;
    const NODE_REFERENCES: u32 = 8;
    /// An array of references.
    const REFS: CanonTypeId = CanonTypeId::at(2);

    /// A heap whose objects are made one behind the other and never collected.
    struct Heap {
        memory: HeapMemory,
        context: Context,
        engine: Engine,
        types: TypeTable,
        old: OldSpace,
        objects: Vec<u32>,
    }

    impl Heap {
        fn new() -> Self {
            let types = TypeTable::new().unwrap();
            let describe = |ty, kind, size_bytes, references| {
                let display = [CanonTypeId::NONE; DISPLAY_LENGTH];
                let supertypes = std::ptr::null();
                types.write(
                    ty,
                    TypeDescriptor { size_bytes, kind, references, display, supertypes },
                );
            };
            describe(NODE, TypeKind::Struct, NODE_BYTES, (1 << NODE_REFERENCES) - 1);
            describe(REFS, TypeKind::Array, 4, 1);
            Self {
                memory: HeapMemory::new().unwrap(),
                context: Context::new(Settings::default()),
                engine: Engine::default(),
                types,
                old: OldSpace::new(1 << 20, usize::MAX),
                objects: Vec::new(),
            }
        }

        fn node(&mut self) -> u32 {
            let node = self.old.allocate_small(NODE_BYTES).unwrap();
            self.memory.write_u32(node, NODE.0);
            self.objects.push(node);
            node
        }

        fn set(&mut self, node: u32, field: u32, bits: u32) {
            self.memory.write_u32(node + HEADER_BYTES + 4 * field, bits);
        }

        fn array(&mut self, length: u32) -> u32 {
            let array = self.old.allocate_large(u64::from(first_element(4) + 4 * length)).unwrap();
            self.memory.write_u32(array, REFS.0);
            self.memory.write_u32(array + LENGTH_OFFSET, length);
            self.objects.push(array);
            array
        }

        /// Marks from one object with at most so many waiting.
        fn mark(&mut self, root: u32, most: usize) -> Marker {
            let Self { memory, context, engine, types, .. } = self;
            let space = Space { memory, context, engine, types };
            let mut marker = Marker::default();
            marker.waiting.most = most;
            marker.begin(self.old.end()).unwrap();
            marker.add_root(&space, root.into());
            marker.run(&space);
            assert!(marker.waiting.objects.capacity() <= most && marker.arrays.capacity() <= most);
            marker
        }

        fn assert_all_marked(&self, marker: &Marker) {
            let missing =
                self.objects.iter().filter(|&&object| !marker.bits().contains(object)).count();
            assert_eq!(missing, 0, "of {} objects", self.objects.len());
        }
    }

    #[test]
    fn deep_lists_need_no_room() {
        const WAITING: usize = 256;
        for next in [0, NODE_REFERENCES - 1] {
            let mut heap = Heap::new();
            let first = heap.node();
            let mut last = first;
            for _ in 0..5000 {
                for field in 0..NODE_REFERENCES {
                    let node = heap.node();
                    heap.set(last, field, node);
                }
                last = heap.memory.read_u32(last + HEADER_BYTES + 4 * next);
            }
            let garbage = heap.node();
            heap.objects.pop();
            let marker = heap.mark(first, WAITING);
            heap.assert_all_marked(&marker);
            assert!(!marker.bits().contains(garbage));
        }
    }

    #[test]
    fn wide_graphs_are_marked_without_room_for_them() {
        // A node refers to eight that follow, each of which is referred to by others as well.
        let mut heap = Heap::new();
        let nodes: Vec<u32> = (0..50_000).map(|_| heap.node()).collect();
        for (i, &node) in nodes.iter().enumerate() {
            for field in 0..NODE_REFERENCES {
                let to = nodes.get(i * 7 + field as usize + 1).copied();
                heap.set(node, field, to.unwrap_or(1));
            }
        }
        let marker = heap.mark(nodes[0], 100);
        assert!(!marker.again.is_empty(), "there was no room for some");
        heap.assert_all_marked(&marker);
    }

    #[test]
    fn long_arrays_need_no_room() {
        const LENGTH: u32 = 300_000;
        const WAITING: usize = 3 * ARRAY_PART as usize;
        let mut heap = Heap::new();
        let array = heap.array(LENGTH);
        for i in 0..LENGTH {
            let node = heap.node();
            heap.memory.write_u32(array + first_element(4) + 4 * i, node);
        }
        let inner = heap.array(5000);
        let node = heap.node();
        heap.memory.write_u32(inner + first_element(4) + 4 * 4999, node);
        heap.memory.write_u32(array + first_element(4) + 4 * 7, inner);
        heap.objects.remove(8);
        let marker = heap.mark(array, WAITING);
        heap.assert_all_marked(&marker);
    }

    #[test]
    fn the_host_values_of_an_array_are_found_once() {
        let mut heap = Heap::new();
        let array = heap.array(100_000);
        for i in 0..100_000 {
            let host = (i % 3 + 1) << HOST_SHIFT | HOST_BIT;
            heap.memory.write_u32(array + first_element(4) + 4 * i, host);
        }
        let handles = heap.mark(array, 2 * ARRAY_PART as usize).into_handles();
        assert_eq!(handles, [1, 2, 3].into_iter().collect());
    }
}
