//! Garbage-collected objects of a store: their memory, allocation and collection.
//!
//! [`Heap`] is what the rest of the engine uses; `abi`'s `layout::object` says what objects look
//! like. A [`Collector`] behind it decides where objects go and frees them. There are two: `null`
//! never frees anything, `generational` copies what survives of the young objects among the old
//! ones, and marks these now and then.
//!
//! # A collection
//! 1. Machine code, or the host, finds no room between the thread's cursor and limit, and asks
//!    for some ([`Heap::refill`]). Only allocation collects.
//! 2. The store gathers its roots ([`RootSet`]): slots of frames by the stack maps of their calls,
//!    registers that a stub saved, globals, tables, handles of the host, fields of exceptions.
//! 3. The collector follows them, and writes back where objects went. When it looks at all objects,
//!    exceptions are looked at like objects: the fields of those that are in use are roots, and the
//!    others are freed.
//! 4. The thread's cursor and limit are set to new room.

pub(crate) mod access;
#[cfg(test)]
mod faults;
mod generational;
mod mark;
mod mark_bits;
mod null;
pub(crate) mod numbers;
mod old;
#[cfg(test)]
mod order;
pub(crate) mod stats;
mod verify;

use crate::api::engine::Engine;
use crate::code::innermost;
use crate::fallible::{self, OutOfMemory};
use crate::tier::event::{CollectionKind, EventKind};
use crate::vm::{Context, FuncPtr, HEAP_BYTES, HeapMemory, TypeShape, TypeTable};
use generational::Generational;
use null::Null;
use numbers::NumberSet;
use stats::{GcStats, Pauses};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;
use upshift_abi::layout::{
    CARD_ELEMENTS, CARD_SHIFT, CanonTypeId, GC_CARDS, GC_OFFSET, GC_UNLOGGED, NULL_GUARD_BYTES,
    ObjectHeader, TypeKind,
};

/// Which collector a store's objects have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CollectorKind {
    /// Generational: a nursery that survivors are copied out of, and old objects that are marked.
    #[default]
    Generational,
    /// Frees nothing before the store is dropped: fastest for short runs.
    Null,
}

/// What a heap is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HeapConfig {
    pub(crate) collector: CollectorKind,
    /// Most bytes of objects.
    pub(crate) max_bytes: u64,
    /// Size of the nursery when it has grown.
    pub(crate) nursery_bytes: u32,
    /// Collect at every allocation and check the heap afterwards.
    pub(crate) zeal: bool,
}

impl Default for HeapConfig {
    fn default() -> Self {
        Self {
            collector: CollectorKind::default(),
            max_bytes: DEFAULT_MAX_BYTES,
            nursery_bytes: DEFAULT_NURSERY_BYTES,
            zeal: false,
        }
    }
}

/// Most bytes of objects of a store unless the host says otherwise.
const DEFAULT_MAX_BYTES: u64 = 2 << 30;
/// Size of the nursery unless the host says otherwise.
const DEFAULT_NURSERY_BYTES: u32 = 4 << 20;

/// How much is to be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// The young objects.
    Minor,
    /// All objects.
    Full,
}

impl From<Extent> for CollectionKind {
    fn from(extent: Extent) -> Self {
        match extent {
            Extent::Minor => Self::Minor,
            Extent::Full => Self::Major,
        }
    }
}

/// What refers to objects from outside of the heap.
pub(crate) trait RootSet {
    /// Calls `visit` with every word that may hold a reference to a young object, and replaces the
    /// word by what it returns: nothing is young afterwards, and what is not written until the next
    /// time may be left out there. Words of functions and exceptions, which lie outside of the heap,
    /// have more than 32 bits; all others are references as machine code has them.
    fn visit_young(&mut self, visit: &mut dyn FnMut(u64) -> u64);

    /// Begins to look for all that is in use: calls `visit` with the words of the roots but for the
    /// fields of exceptions, of which some may not be in use.
    fn mark(&mut self, visit: &mut dyn FnMut(u64));

    /// The exceptions at these positions are in use: calls `visit` with the fields of all exceptions
    /// that are in use and whose fields it was not called with before.
    fn mark_exceptions(&mut self, positions: &[u32], visit: &mut dyn FnMut(u64));

    /// Frees the exceptions that were not found in use.
    fn free_exceptions(&mut self);

    /// Calls `check` with every word that may hold a reference, whether it was written or not.
    fn check(&mut self, check: &mut dyn FnMut(u64));

    /// Whether there is an exception at a position.
    fn has_exception(&self, position: u32) -> bool;
}

/// What a collector says of the references that are no objects, in a full collection.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    /// Whether this is all: the collection looked at all objects.
    pub(crate) complete: bool,
    /// Handles of host values.
    pub(crate) handles: NumberSet,
}

/// What a collector works on.
pub(crate) struct Space<'a> {
    pub(crate) memory: &'a mut HeapMemory,
    pub(crate) context: &'a Context,
    pub(crate) engine: &'a Engine,
    pub(crate) types: &'a TypeTable,
}

/// See the module head.
pub(crate) trait Collector: fmt::Debug + Send + Sync {
    /// Room for new objects: at least `bytes` from an offset on. `None` when it is time to collect.
    fn room(&mut self, bytes: u32) -> Option<(u64, u64)>;

    /// Room for one object that is old from the start, and what its gc word is; `None` when there
    /// is none.
    fn allocate_old(&mut self, bytes: u64, shape: TypeShape) -> Option<(u32, u32)>;

    /// Frees objects. All references are those of live objects afterwards.
    fn collect(
        &mut self,
        space: &mut Space<'_>,
        extent: Extent,
        roots: &mut dyn RootSet,
    ) -> Result<Outside, OutOfMemory>;

    /// How much the next collection had better look at.
    fn wants(&self) -> Extent;

    /// Bytes that old objects take, and that the nursery may.
    fn used_bytes(&self) -> u64;

    /// Bytes that old objects take: looking at all objects takes the longer the more they are.
    fn old_bytes(&self) -> u64;

    /// Bytes that the heap would like to take when `young_bytes` of the nursery are in use and an
    /// old object of `bytes` is to be made, and the least that it needs to go on.
    fn wanted_bytes(&self, young_bytes: u64, bytes: u64) -> (u64, u64);

    /// Takes no more than so many bytes from now on, or no more than are in use.
    fn set_limit(&mut self, bytes: u64);

    /// Checks that all references lead to objects.
    fn verify(&self, space: &mut Space<'_>, roots: &mut dyn RootSet);
}

/// The heap of a store.
#[derive(Debug)]
pub(crate) struct Heap {
    memory: HeapMemory,
    collector: Box<dyn Collector>,
    config: HeapConfig,
    funcs: FuncTable,
    pauses: Pauses,
    /// Bytes that a limiter agreed to.
    granted_bytes: u64,
    /// Collections so far, for the zeal mode.
    collections: u64,
}

impl Heap {
    /// An empty heap; sets up the thread's allocation.
    pub(crate) fn new(context: &Context, config: HeapConfig) -> std::io::Result<Self> {
        let max_bytes = config.max_bytes.min(HEAP_BYTES - u64::from(NULL_GUARD_BYTES));
        let zeal = config.zeal && config.collector == CollectorKind::Generational;
        let config = HeapConfig { max_bytes, zeal, ..config };
        let memory = HeapMemory::new()?;
        memory.set_barrier(context);
        let collector: Box<dyn Collector> = match config.collector {
            CollectorKind::Generational => Box::new(Generational::new(config)),
            CollectorKind::Null => Box::new(Null::new(config)),
        };
        context.set_allocation(0, 0);
        let funcs = FuncTable::new();
        context.set_func_table(&funcs.records);
        let pauses = Pauses::default();
        Ok(Self { memory, collector, config, funcs, pauses, granted_bytes: 0, collections: 0 })
    }

    /// What offsets count from.
    pub(crate) fn base(&self) -> *mut u8 {
        self.memory.base()
    }

    /// The memory, to look into objects.
    pub(crate) fn memory(&self) -> &HeapMemory {
        &self.memory
    }

    /// The memory, to write to objects.
    pub(crate) fn memory_mut(&mut self) -> &mut HeapMemory {
        &mut self.memory
    }

    /// The settings.
    pub(crate) fn config(&self) -> &HeapConfig {
        &self.config
    }

    /// Whether anything is ever freed.
    pub(crate) fn collects(&self) -> bool {
        self.config.collector != CollectorKind::Null
    }

    /// Whether the heap is checked after each collection, of which there are many then.
    #[cfg(test)]
    fn set_zeal(&mut self, zeal: bool) {
        self.config.zeal = zeal;
    }

    /// Room for `bytes` at the thread's cursor without a collection; whether there is.
    pub(crate) fn extend(&mut self, context: &Context, bytes: u32) -> bool {
        let (cursor, limit) = context.allocation();
        cursor + u64::from(bytes) <= limit || self.take_room(context, bytes)
    }

    fn take_room(&mut self, context: &Context, bytes: u32) -> bool {
        let Some((cursor, limit)) = self.collector.room(bytes) else { return false };
        let limit = if self.config.zeal { cursor + u64::from(bytes) } else { limit };
        context.set_allocation(cursor, limit);
        true
    }

    /// Whether it is time to look at all objects.
    pub(crate) fn wants_full(&self) -> bool {
        self.collector.wants() == Extent::Full
    }

    /// Bytes of exceptions, strings and values of the host, which lie outside of the heap, that are made before
    /// all objects are looked at to free what is not in use: as many as there are to look at, so that the
    /// time this takes is in proportion to what was made.
    pub(crate) fn allowance_bytes(&self) -> u64 {
        self.collector.old_bytes()
    }

    /// What a limiter is to be asked for before an old object of `bytes` is made or a collection may
    /// happen: the bytes it agreed to, those that are wanted, and the least that will do.
    pub(crate) fn shortfall(&self, context: &Context, bytes: u64) -> Option<(u64, u64, u64)> {
        let young = context.allocation().0.saturating_sub(NULL_GUARD_BYTES.into());
        let (wanted, least) = self.collector.wanted_bytes(young, bytes);
        let most = self.config.max_bytes;
        let found = (self.granted_bytes, wanted.min(most), least.min(most));
        (found.1 > found.0).then_some(found)
    }

    /// The bytes that a limiter agreed to, and those in use.
    pub(crate) fn granted_and_used(&self) -> (u64, u64) {
        (self.granted_bytes, self.collector.used_bytes())
    }

    /// A limiter agreed to so many bytes in all.
    pub(crate) fn grant(&mut self, bytes: u64) {
        self.granted_bytes = bytes;
        self.collector.set_limit(bytes);
    }

    /// Collects, and makes room for `bytes`.
    pub(crate) fn collect(
        &mut self,
        context: &Context,
        engine: &Engine,
        (extent, bytes): (Extent, u32),
        roots: &mut dyn RootSet,
    ) -> Result<Outside, OutOfMemory> {
        let extent = extent.max(self.collector.wants());
        let zeal_full = self.config.zeal && self.collections.is_multiple_of(8);
        let extent = if zeal_full { Extent::Full } else { extent };
        let outside = self.collect_once(context, engine, extent, roots)?;
        if self.take_room(context, bytes) {
            return Ok(outside);
        }
        let outside = self.collect_once(context, engine, Extent::Full, roots)?;
        if self.take_room(context, bytes) { Ok(outside) } else { Err(OutOfMemory) }
    }

    fn collect_once(
        &mut self,
        context: &Context,
        engine: &Engine,
        extent: Extent,
        roots: &mut dyn RootSet,
    ) -> Result<Outside, OutOfMemory> {
        // A pause with a check in it is none that anybody would want to know of.
        let start = (!self.config.zeal).then(thread_cpu);
        let events = engine.tiers().events();
        let began = events.enabled().then(|| events.now());
        self.collections += 1;
        let types = engine.types().table();
        let mut space = Space { memory: &mut self.memory, context, engine, types };
        let collected = self.collector.collect(&mut space, extent, roots);
        if self.config.zeal && collected.is_ok() {
            self.collector.verify(&mut space, roots);
        }
        // The collector looks at all objects when young ones alone would not do.
        let extent = match &collected {
            Ok(outside) if outside.complete => Extent::Full,
            _ => extent,
        };
        let pause = start.map_or(Duration::ZERO, |start| thread_cpu().saturating_sub(start));
        self.pauses.add(extent, pause);
        self.pauses.note_used(self.collector.used_bytes());
        if let Some(began) = began.filter(|_| collected.is_ok()) {
            events.emit(innermost(context), || EventKind::Collected {
                kind: extent.into(),
                pause: events.now().saturating_sub(began),
                heap_bytes: self.collector.used_bytes(),
            });
        }
        collected
    }

    /// A new old object with its header; its content is whatever was there before.
    pub(crate) fn allocate_old(
        &mut self,
        engine: &Engine,
        ty: CanonTypeId,
        bytes: u64,
    ) -> Option<u32> {
        let shape = engine.types().table().shape(ty);
        let (offset, gc) = self.collector.allocate_old(bytes, shape)?;
        self.write_header(offset, ObjectHeader { ty, gc });
        Some(offset)
    }

    /// A new object with its header, out of the room at the thread's cursor; its content is
    /// whatever was there before.
    pub(crate) fn allocate_young(
        &mut self,
        context: &Context,
        ty: CanonTypeId,
        bytes: u32,
    ) -> Option<u32> {
        let (cursor, limit) = context.allocation();
        let end = cursor + u64::from(bytes);
        if end > limit {
            return None;
        }
        context.set_allocation(end, limit);
        let offset = u32::try_from(cursor).expect("room lies in the heap");
        self.write_header(offset, ObjectHeader { ty, gc: 0 });
        Some(offset)
    }

    fn write_header(&mut self, offset: u32, header: ObjectHeader) {
        self.memory.write_u64(offset, u64::from(header.ty.0) | u64::from(header.gc) << 32);
    }

    /// An object is written that may be old: machine code's barrier.
    pub(crate) fn note_write(&mut self, context: &Context, object: u32) {
        let place = object + GC_OFFSET;
        if self.memory.read_u8(place) & GC_UNLOGGED != 0 {
            self.memory.write_u8(place, 0);
            self.memory.log(context, object);
        }
    }

    /// `count` elements of an array of references are written, from `index` on.
    pub(crate) fn note_write_elements(
        &mut self,
        context: &Context,
        array: u32,
        (index, count): (u32, u32),
    ) {
        if self.memory.read_u8(array + GC_OFFSET) & GC_CARDS == 0 {
            return self.note_write(context, array);
        }
        let first = card_of(array, index);
        self.memory.mark_cards(first..card_of(array, index + count.max(1) - 1) + 1);
    }

    /// The table of function records.
    pub(crate) fn funcs(&self) -> &FuncTable {
        &self.funcs
    }

    /// The position that stands for a function in objects.
    pub(crate) fn func_position(
        &mut self,
        context: &Context,
        func: FuncPtr,
    ) -> Result<u32, OutOfMemory> {
        let position = self.funcs.position(func);
        context.set_func_table(&self.funcs.records);
        position
    }

    /// Numbers of what happened so far.
    pub(crate) fn stats(&self) -> GcStats {
        self.pauses.stats(self.collector.used_bytes())
    }
}

/// The card of an array's element, when the array has cards.
fn card_of(array: u32, index: u32) -> u32 {
    (array >> CARD_SHIFT) + index / CARD_ELEMENTS
}

/// Whether objects that look like this hold nothing but references that collections follow.
fn is_reference_array(shape: TypeShape) -> bool {
    shape.kind == TypeKind::Array && shape.references != 0
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Function records that objects hold, by position.
#[derive(Debug)]
pub(crate) struct FuncTable {
    records: Vec<Option<FuncPtr>>,
    /// Positions of records that stores share, and so do not know their own.
    shared: HashMap<FuncPtr, u32>,
}

impl FuncTable {
    fn new() -> Self {
        Self { records: vec![None], shared: HashMap::new() }
    }

    /// The function at a position.
    pub(crate) fn get(&self, position: u32) -> Option<FuncPtr> {
        self.records.get(position as usize).copied().flatten()
    }

    fn position(&mut self, func: FuncPtr) -> Result<u32, OutOfMemory> {
        let known = match func.heap_index() {
            0 => self.shared.get(&func).copied(),
            position => Some(position),
        };
        if let Some(position) = known {
            return Ok(position);
        }
        let position = u32::try_from(self.records.len()).expect("fewer functions than memory");
        fallible::reserve_entry(&mut self.shared)?;
        fallible::push(&mut self.records, Some(func))?;
        if !func.set_heap_index(position) {
            self.shared.insert(func, position);
        }
        Ok(position)
    }
}
