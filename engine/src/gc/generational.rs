//! The generational collector: a nursery that is copied out of, and old objects that are marked.
//!
//! ```text
//! guard ─ nursery ──────────────────── old blocks ───────────────────►
//!         young: offset < nursery end
//!
//! gc word   bits 0–7    GC_UNLOGGED in old objects that are not in the log, else 0; with GC_CARDS
//!                       in arrays of references that are large objects
//! header    bit 31 of the type word: the object was copied, and the gc word says where to
//! ```
//!
//! **Minor**: roots and the objects in the log lead to young objects, each of which is copied among
//! the old ones once; then the copies are looked through. The nursery is empty afterwards, so log
//! and cards are all there is to know of references from old to young. Large arrays of references
//! have cards: only the parts that were written are looked through.
//!
//! **Full**: everything that the roots lead to is marked, young objects where they are; what was
//! not marked among the old ones is freed; then a minor collection empties the nursery. What it
//! needs at most is known then, so it never runs out of room halfway: a heap that is too small, or a
//! system that has no memory left, is found out before anything has moved.

use super::access::{Reference, first_element, length_of, size_of_object, type_of};
use super::mark::Marker;
use super::mark_bits::MarkBits;
use super::old::{BLOCK_BYTES, MAX_SMALL_BYTES, OldSpace};
use super::verify::verify;
use super::{Collector, Extent, HeapConfig, Outside, RootSet, Space, card_of, is_reference_array};
use crate::fallible::{self, OutOfMemory};
use crate::vm::TypeShape;
use upshift_abi::layout::{
    CARD_ELEMENTS, CanonTypeId, Cell, GC_CARDS, GC_OFFSET, GC_UNLOGGED, HEADER_BYTES,
    MIN_OBJECT_BYTES, NULL_GUARD_BYTES, ObjectLayout, TypeKind,
};

/// Offset of the nursery.
const NURSERY_START: u32 = NULL_GUARD_BYTES;
/// Size of the first nursery; it doubles with each collection.
const FIRST_NURSERY_BYTES: u32 = 64 << 10;
/// Beyond this size the nursery only grows while little survives, and it shrinks to this when much
/// does: what is copied bounds the pause.
const SHORT_NURSERY_BYTES: u32 = 1 << 20;
/// The smallest nursery that may be asked for: the largest structure fits.
pub(super) const MIN_NURSERY_BYTES: u32 = 256 << 10;
/// Bytes of old objects below which no full collection is worth it.
const MIN_FULL_BYTES: u64 = 32 << 20;
/// A full collection is wanted as well when so many times the old bytes went through the nursery since
/// the last one: old objects may have died, though there are no new ones. The number doubles, up to the
/// most, when that freed less than half.
const FIRST_FULL_TURNS: u64 = 8;
/// See [`FIRST_FULL_TURNS`].
const MAX_FULL_TURNS: u64 = 64;
/// Old bytes from which on huge pages are worth it; a mapping is cut in two for them.
const LARGE_HEAP_BYTES: u64 = 2 << 20;
/// Set in the type word of an object that was copied.
const COPIED: u32 = 1 << 31;
/// What old copies are overwritten with in the zeal mode.
const POISON: u8 = 0xa5;

/// See the module head.
#[derive(Debug)]
pub(super) struct Generational {
    config: HeapConfig,
    old: OldSpace,
    /// Size of the nursery now, and the most it may get.
    nursery_bytes: u32,
    max_nursery_bytes: u32,
    /// The most that the heap may take, when somebody said so after it was made.
    limit_bytes: Option<u64>,
    /// Whether the room in the nursery was handed out.
    handed_out: bool,
    /// Old bytes that make the next collection a full one.
    full_at: u64,
    /// Bytes that went through the nursery since the last full collection.
    young_bytes: u64,
    /// How many times the old bytes these may be, see [`FIRST_FULL_TURNS`].
    full_turns: u64,
    /// Bytes that the last minor collection copied.
    survived_bytes: u64,
    /// Objects that were copied and not looked through yet.
    grey: Vec<u32>,
    /// Arrays with cards.
    card_arrays: Vec<u32>,
    /// Whether huge pages were asked for.
    is_large: bool,
}

impl Generational {
    /// A collector of an empty heap.
    pub(super) fn new(config: HeapConfig) -> Self {
        let most = u32::try_from(config.max_bytes / 4).unwrap_or(u32::MAX);
        let max_nursery_bytes = config.nursery_bytes.min(most).clamp(MIN_NURSERY_BYTES, 1 << 30);
        let max_nursery_bytes = max_nursery_bytes.next_multiple_of(BLOCK_BYTES);
        let old_bytes = config.max_bytes.saturating_sub(max_nursery_bytes.into());
        let old_blocks = usize::try_from(old_bytes / u64::from(BLOCK_BYTES)).expect("few blocks");
        Self {
            config,
            old: OldSpace::new(NURSERY_START + max_nursery_bytes, old_blocks),
            nursery_bytes: FIRST_NURSERY_BYTES.min(max_nursery_bytes),
            max_nursery_bytes,
            limit_bytes: None,
            handed_out: false,
            full_at: MIN_FULL_BYTES,
            young_bytes: 0,
            full_turns: FIRST_FULL_TURNS,
            survived_bytes: 0,
            grey: Vec::new(),
            card_arrays: Vec::new(),
            is_large: false,
        }
    }

    const fn is_young(&self, offset: u32) -> bool {
        offset < self.young_end()
    }

    /// Where young objects end.
    const fn young_end(&self) -> u32 {
        NURSERY_START + self.max_nursery_bytes
    }

    /// Old memory that copying `bytes` of young objects takes at most: the end of a block is lost
    /// to objects that do not fit there.
    fn need_for(bytes: u64) -> u64 {
        2 * bytes + 2 * u64::from(BLOCK_BYTES)
    }

    fn shape(space: &Space<'_>, object: u32) -> TypeShape {
        space.types.shape(type_of(space.memory, object))
    }

    fn size(space: &Space<'_>, object: u32) -> u32 {
        size_of_object(space.memory, object, Self::shape(space, object))
    }

    /// Copies a young object, unless that was done: where it is.
    #[inline]
    fn copy_young(&mut self, space: &mut Space<'_>, object: u32) -> u32 {
        let header = space.memory.read_u64(object);
        let (ty, gc) = split(header);
        if ty & COPIED != 0 {
            return gc;
        }
        let shape = space.types.shape(CanonTypeId(ty));
        let bytes = size_of_object(space.memory, object, shape);
        let copy = match bytes {
            0..=MAX_SMALL_BYTES => self.old.allocate_small(bytes),
            _ => self.old.allocate_large(bytes.into()),
        };
        let copy = copy.expect("there is room for all young objects");
        self.survived_bytes += u64::from(bytes);
        space.memory.copy_object(copy, object, bytes);
        let gc = self.gc_word(copy, bytes.into(), shape);
        space.memory.write_u32(copy + GC_OFFSET, gc);
        space.memory.write_u64(object, join(ty | COPIED, copy));
        if shape.references != 0 || shape.kind == TypeKind::LargeStruct {
            self.grey.push(copy);
        }
        copy
    }

    /// Sees to it that emptying a nursery of which `used` bytes are in use needs no memory of the
    /// system.
    fn prepare_minor(&mut self, used: u64) -> Result<(), OutOfMemory> {
        let most = |bytes: u32| usize::try_from(used / u64::from(bytes)).expect("in the heap");
        let blocks = Self::need_for(used) / u64::from(BLOCK_BYTES);
        self.old.reserve(usize::try_from(blocks).expect("in the heap"))?;
        fallible::reserve(&mut self.grey, most(MIN_OBJECT_BYTES))?;
        let arrays = self.card_arrays.len() + most(MAX_SMALL_BYTES);
        fallible::reserve(&mut self.card_arrays, arrays)
    }

    /// The gc word of a new old object, for which there is room among the arrays with cards.
    #[inline]
    fn gc_word(&mut self, object: u32, bytes: u64, shape: TypeShape) -> u32 {
        let word = u32::from(GC_UNLOGGED);
        if bytes <= MAX_SMALL_BYTES.into() || !is_reference_array(shape) {
            return word;
        }
        self.card_arrays.push(object);
        word | u32::from(GC_CARDS)
    }

    /// Replaces the references to young objects in the parts of large arrays that were written.
    fn update_cards(&mut self, space: &mut Space<'_>) {
        for i in 0..self.card_arrays.len() {
            let array = self.card_arrays[i];
            let length = length_of(space.memory, array);
            let first = card_of(array, 0);
            let mut left = first..card_of(array, length - 1) + 1;
            while let Some(card) = space.memory.take_card(&mut left) {
                let index = (card - first) * CARD_ELEMENTS;
                let count = (length - index).min(CARD_ELEMENTS);
                self.update_elements(space, array + first_element(4) + 4 * index, count);
            }
        }
    }

    /// Takes an object out of the log.
    fn set_unlogged(&self, space: &mut Space<'_>, object: u32) {
        let cards = self.old.is_large(object) && is_reference_array(Self::shape(space, object));
        let byte = if cards { GC_UNLOGGED | GC_CARDS } else { GC_UNLOGGED };
        space.memory.write_u8(object + GC_OFFSET, byte);
    }

    /// Replaces the references of an old object to young ones.
    #[inline]
    fn update_object(&mut self, space: &mut Space<'_>, object: u32) {
        let shape = Self::shape(space, object);
        if shape.kind == TypeKind::Struct {
            // The last field first: what the first one leads to is looked through next, and lies behind,
            // where programs that visit it first find it.
            let mut left = shape.references;
            while left != 0 {
                let last = left.ilog2();
                self.update_place(space, object + HEADER_BYTES + 4 * last);
                left ^= 1 << last;
            }
        } else if shape.kind == TypeKind::Array && shape.references != 0 {
            let length = length_of(space.memory, object);
            self.update_elements(space, object + first_element(4), length);
        } else if shape.kind == TypeKind::LargeStruct {
            let entry = space.engine.types().get(type_of(space.memory, object));
            let ObjectLayout::Struct(layout) = entry.layout() else { return };
            // In the same order as above.
            let references = layout.fields.iter().rev().filter(|field| field.0 == Cell::Ref);
            references.for_each(|field| self.update_place(space, object + field.1));
        }
    }

    /// The same of elements that lie one behind the other. Which of them are young is in no order,
    /// so they are listed first, without a branch, and fetched before they are copied.
    fn update_elements(&mut self, space: &mut Space<'_>, first: u32, count: u32) {
        let last_young = NURSERY_START + self.max_nursery_bytes - 1;
        let mut young = [0; CARD_ELEMENTS as usize];
        for start in (0..count).step_by(CARD_ELEMENTS as usize) {
            let chunk = CARD_ELEMENTS.min(count - start);
            let mut found = 0;
            for place in (0..chunk).map(|i| first + 4 * (start + i)) {
                let bits = space.memory.read_u32(place);
                young[found % young.len()] = place;
                // 0 is null.
                found += usize::from(bits.wrapping_sub(1) < last_young);
            }
            let young = &young[..found];
            young.iter().for_each(|&at| space.memory.prefetch(space.memory.read_u32(at)));
            young.iter().for_each(|&place| self.update_place(space, place));
        }
    }

    #[inline]
    fn update_place(&mut self, space: &mut Space<'_>, place: u32) {
        let bits = space.memory.read_u32(place);
        if let Reference::Object(object) = Reference::from_bits(bits)
            && self.is_young(object)
        {
            let copy = self.copy_young(space, object);
            space.memory.write_u32(place, copy);
        }
    }

    /// The size of a nursery that is twice as large.
    fn twice_the_nursery(&self) -> u32 {
        (2 * self.nursery_bytes).min(self.max_nursery_bytes)
    }

    /// Whether the limit leaves room to copy all of a nursery of that size.
    fn may_have_nursery(&self, bytes: u32) -> bool {
        let bytes = u64::from(bytes);
        let needed = self.old.used_bytes() + Self::need_for(bytes) + bytes;
        self.limit_bytes.is_none_or(|limit| needed <= limit)
    }

    /// Leaves the old objects what the nursery does not take of the limit.
    fn limit_old(&mut self) {
        if let Some(limit) = self.limit_bytes {
            let old = limit.saturating_sub(self.nursery_bytes.into()) / u64::from(BLOCK_BYTES);
            self.old.limit_blocks(usize::try_from(old).unwrap_or(usize::MAX));
        }
    }

    /// Decides on the size of the next nursery.
    fn adapt_nursery(&mut self, space: &Space<'_>) {
        let used = space.context.allocation().0.saturating_sub(NURSERY_START.into());
        let twice = self.twice_the_nursery();
        let short = SHORT_NURSERY_BYTES.min(self.max_nursery_bytes);
        let little = self.survived_bytes * 8 < used;
        let much = self.survived_bytes * 2 > used;
        if (twice <= short || little) && self.may_have_nursery(twice) {
            self.nursery_bytes = twice;
        } else if much {
            self.nursery_bytes = short.min(self.nursery_bytes);
        }
        self.limit_old();
    }

    /// Empties the nursery.
    fn minor(&mut self, space: &mut Space<'_>, roots: &mut dyn RootSet) {
        self.survived_bytes = 0;
        for i in 0..space.memory.log_len(space.context) {
            let object = space.memory.logged(i);
            self.set_unlogged(space, object);
            self.update_object(space, object);
        }
        space.memory.empty_log(space.context);
        self.update_cards(space);
        roots.visit_young(&mut |word| match object_of(word) {
            Some(object) if self.is_young(object) => self.copy_young(space, object).into(),
            _ => word,
        });
        while let Some(object) = self.grey.pop() {
            self.update_object(space, object);
        }
        if self.config.zeal {
            let used = space.context.allocation().0;
            let used = u32::try_from(used).expect("in the heap").saturating_sub(NURSERY_START);
            space.memory.fill(NURSERY_START, POISON, used.min(self.max_nursery_bytes));
        }
        if !self.is_large && self.old.used_bytes() >= LARGE_HEAP_BYTES {
            self.is_large = true;
            space.memory.prefer_huge_pages();
        }
        self.adapt_nursery(space);
        self.handed_out = false;
        space.context.set_allocation(0, 0);
    }

    /// Marks all that is alive and frees old objects that are not: what was found besides objects.
    /// Fails as well when there would be no room for what is alive of `used` bytes of the nursery.
    fn mark_and_sweep(
        &mut self,
        space: &mut Space<'_>,
        used: u64,
        roots: &mut dyn RootSet,
    ) -> Result<Outside, OutOfMemory> {
        let mut marker = Marker::default();
        marker.begin(self.old.end())?;
        roots.mark(&mut |word| marker.add_root(space, word));
        marker.run(space);
        loop {
            let mut found = false;
            roots.mark_exceptions(&marker.take_exceptions(), &mut |word| {
                found = true;
                marker.add_root(space, word);
            });
            if !found {
                break;
            }
            marker.run(space);
        }
        marker.check()?;
        roots.free_exceptions();
        let bits = marker.bits();
        Self::keep_log(space, bits);
        self.keep_cards(space, bits);
        self.old.gather_marks(bits, |object| Self::size(space, object));
        let (before, was_turn) = (self.old.used_bytes(), self.is_turn());
        self.old.sweep(space.memory);
        self.young_bytes = 0;
        if was_turn {
            let freed_half = 2 * self.old.used_bytes() <= before;
            let more = (2 * self.full_turns).min(MAX_FULL_TURNS);
            self.full_turns = if freed_half { FIRST_FULL_TURNS } else { more };
        }
        self.full_at = MIN_FULL_BYTES.max(2 * self.old.used_bytes());
        if !self.has_room_for_young(space, bits, used) {
            return Err(OutOfMemory);
        }
        Ok(Outside { complete: true, handles: marker.into_handles() })
    }

    /// Whether so much went through the nursery that old objects may have died.
    fn is_turn(&self) -> bool {
        let old = self.old.used_bytes();
        old >= MIN_FULL_BYTES && self.young_bytes >= self.full_turns * old
    }

    /// Whether there is room for the marked objects among `used` bytes of the nursery, which are counted
    /// only when there is not room for all.
    fn has_room_for_young(&self, space: &Space<'_>, marks: &MarkBits, used: u64) -> bool {
        let free = self.old.free_bytes();
        if free >= Self::need_for(used) {
            return true;
        }
        let nursery = MarkBits::word_of(NURSERY_START)..MarkBits::word_of(self.young_end());
        let sizes = marks.objects(nursery).map(|object| u64::from(Self::size(space, object)));
        free >= Self::need_for(sizes.sum())
    }

    /// Takes dead objects out of the log: their memory is about to be used again.
    fn keep_log(space: &mut Space<'_>, marks: &MarkBits) {
        let len = space.memory.log_len(space.context);
        space.memory.empty_log(space.context);
        // What is kept goes where something was that was looked at.
        for i in 0..len {
            let object = space.memory.logged(i);
            if marks.contains(object) {
                space.memory.log(space.context, object);
            }
        }
    }

    /// Forgets dead arrays with cards.
    fn keep_cards(&mut self, space: &mut Space<'_>, marks: &MarkBits) {
        self.card_arrays.retain(|&array| {
            let live = marks.contains(array);
            if !live {
                let last = card_of(array, length_of(space.memory, array) - 1);
                let mut left = card_of(array, 0)..last + 1;
                while space.memory.take_card(&mut left).is_some() {}
            }
            live
        });
    }
}

impl Collector for Generational {
    fn room(&mut self, bytes: u32) -> Option<(u64, u64)> {
        let size = self.nursery_bytes.max(bytes).min(self.max_nursery_bytes);
        if self.handed_out || bytes > size {
            return None;
        }
        self.handed_out = true;
        let start = u64::from(NURSERY_START);
        Some((start, start + u64::from(size)))
    }

    fn allocate_old(&mut self, bytes: u64, shape: TypeShape) -> Option<(u32, u32)> {
        let young = u64::from(self.nursery_bytes);
        if self.old.free_bytes() < bytes + Self::need_for(young) && !self.config.zeal {
            return None;
        }
        let arrays = self.card_arrays.len() + 1;
        fallible::reserve(&mut self.card_arrays, arrays).ok()?;
        let offset = match u32::try_from(bytes) {
            Ok(bytes) if bytes <= MAX_SMALL_BYTES => self.old.allocate_small(bytes),
            _ => self.old.allocate_large(bytes),
        };
        offset.map(|offset| (offset, self.gc_word(offset, bytes, shape)))
    }

    fn collect(
        &mut self,
        space: &mut Space<'_>,
        extent: Extent,
        roots: &mut dyn RootSet,
    ) -> Result<Outside, OutOfMemory> {
        let used = space.context.allocation().0.saturating_sub(NURSERY_START.into());
        let mut outside = Outside::default();
        let full = extent == Extent::Full || self.old.free_bytes() < Self::need_for(used);
        self.prepare_minor(used)?;
        self.young_bytes += used;
        if full {
            outside = self.mark_and_sweep(space, used, roots)?;
        }
        self.minor(space, roots);
        if full && self.limit_bytes.is_some() {
            // Old objects may need what the nursery took.
            self.nursery_bytes = FIRST_NURSERY_BYTES.min(self.max_nursery_bytes);
            self.limit_old();
        }
        Ok(outside)
    }

    fn wants(&self) -> Extent {
        match self.old.used_bytes() >= self.full_at || self.is_turn() {
            true => Extent::Full,
            false => Extent::Minor,
        }
    }

    fn used_bytes(&self) -> u64 {
        self.old.used_bytes() + u64::from(self.nursery_bytes)
    }

    fn old_bytes(&self) -> u64 {
        self.old.used_bytes()
    }

    fn wanted_bytes(&self, young_bytes: u64, bytes: u64) -> (u64, u64) {
        let blocks = bytes.next_multiple_of(BLOCK_BYTES.into());
        let old = self.old.used_bytes() + blocks;
        let twice = u64::from(self.twice_the_nursery());
        // Somewhat more, so that a limiter is not asked each time.
        let wanted = old + old / 8 + Self::need_for(young_bytes.max(twice)) + twice;
        let least = old + Self::need_for(young_bytes) + u64::from(self.nursery_bytes);
        (wanted.next_multiple_of(BLOCK_BYTES.into()), least)
    }

    fn set_limit(&mut self, bytes: u64) {
        self.limit_bytes = Some(bytes.min(self.config.max_bytes));
        self.limit_old();
    }

    fn verify(&self, space: &mut Space<'_>, roots: &mut dyn RootSet) {
        verify(&self.old, space, roots);
    }
}

/// The object that a word of the roots refers to.
#[inline]
fn object_of(word: u64) -> Option<u32> {
    match Reference::from_bits(u32::try_from(word).ok()?) {
        Reference::Object(object) => Some(object),
        Reference::Null | Reference::I31(_) | Reference::Host(_) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "takes both halves")]
const fn split(header: u64) -> (u32, u32) {
    (header as u32, (header >> 32) as u32)
}

const fn join(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}
