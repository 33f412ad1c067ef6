//! Exceptions in memory: their heap, and which of them are still in use.
//!
//! An exception is an [`ExnHeader`] with its fields, owned by the store's [`ExnHeap`], and never
//! moves. Most are never made: `throw` builds its exception in a buffer of the thread, and a
//! handler that wants the fields only takes them from there. A copy is made when somebody wants a
//! reference ([`ExnHeap::copy_buffer`]).
//!
//! # Reclamation
//! When twice as much is allocated as survived last time, but no less than what is allowed because of
//! the objects that are looked at together with exceptions, and when all objects are collected, what is
//! not in use is freed. In use is the exception that was just made, what the roots name (globals,
//! tables, host handles: [`ExnHeap::mark_word`]), what any word on the stack of the store's
//! activations might name ([`ExnHeap::mark_stack`], registers included), what objects in use hold
//! ([`ExnHeap::mark_position`]), and what the fields of these name. Taking an integer for a
//! reference keeps an exception longer than needed, nothing else, for nothing moves.
//!
//! Whoever marks takes out each exception that was found in use ([`ExnHeap::take_found`]) and looks
//! for objects in its fields, which may hold further exceptions. So a cycle through objects is found
//! in use only from outside of it.

use super::context::Context;
use super::entry::Slot;
use super::func::TagPtr;
use crate::fallible::{self, OutOfMemory};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::arch::asm;
use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use upshift_abi::layout::{ExnHeader, exn_field_offset};

/// Bytes that are allocated before what is not in use is looked for.
const MIN_THRESHOLD_BYTES: usize = 256 << 10;
/// Most bytes of exceptions of a store, whatever it may have of objects.
pub(crate) const MAX_EXCEPTION_BYTES: usize = 256 << 20;

/// An exception; whoever keeps one sees to it that it is found as a root, or collects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct ExnPtr(NonNull<ExnHeader>);

// SAFETY: a handle; exceptions are used by the thread that has the store.
unsafe impl Send for ExnPtr {}
// SAFETY: as above.
unsafe impl Sync for ExnPtr {}

impl ExnPtr {
    /// The exception behind the bits of a reference that wasm code produced; `None` for null.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        let address = usize::try_from(bits).expect("addresses have 64 bits");
        NonNull::new(std::ptr::with_exposed_provenance_mut(address)).map(Self)
    }

    /// The bits of the reference.
    pub(crate) fn bits(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// The tag it was thrown with.
    pub(crate) fn tag(self) -> TagPtr {
        TagPtr(self.header().tag.addr())
    }

    /// The number of its fields.
    pub(crate) fn field_count(self) -> usize {
        self.header().fields as usize
    }

    /// A field; what lies above its type means nothing.
    pub(crate) fn field(self, index: usize) -> Slot {
        assert!(index < self.field_count(), "an exception has the fields of its tag");
        // SAFETY: the field lies within the exception, which is in use.
        unsafe { self.field_place(index).read() }
    }

    /// The position that stands for it in objects.
    pub(crate) fn position(self) -> u32 {
        self.header().heap_index
    }

    /// Changes a field: a reference to an object that has moved.
    pub(crate) fn set_field(self, index: usize, value: Slot) {
        assert!(index < self.field_count(), "an exception has the fields of its tag");
        // SAFETY: the field lies within the exception, which is in use.
        unsafe { self.field_place(index).write(value) };
    }

    fn header(self) -> ExnHeader {
        // SAFETY: whoever has the handle keeps the exception.
        unsafe { self.0.as_ptr().read() }
    }

    fn field_place(self, index: usize) -> *mut Slot {
        self.0.as_ptr().wrapping_byte_add(exn_field_offset(index)).cast::<Slot>()
    }
}

/// Memory for an exception.
struct ExnBox {
    exn: ExnPtr,
    capacity: usize,
    /// Whether it was found in use.
    mark: bool,
}

impl fmt::Debug for ExnBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExnBox").field("exn", &self.exn).finish_non_exhaustive()
    }
}

impl ExnBox {
    /// An exception of no tag with `fields` fields of zero; `None` when there is no memory.
    fn new(fields: usize) -> Option<Self> {
        fallible::permit().ok()?;
        // SAFETY: the size is not 0.
        let memory = unsafe { alloc_zeroed(layout(fields)) };
        let exn = ExnPtr(NonNull::new(memory.cast::<ExnHeader>())?);
        Some(Self { exn, capacity: fields, mark: false })
    }

    fn bytes(&self) -> usize {
        layout(self.capacity).size()
    }

    fn address(&self) -> usize {
        self.exn.0.as_ptr().addr()
    }

    fn fill(
        &mut self,
        (tag, heap_index): (*const c_void, u32),
        fields: impl ExactSizeIterator<Item = Slot>,
    ) {
        assert!(fields.len() <= self.capacity);
        let count = u32::try_from(fields.len()).expect("a tag has few parameters");
        let header = ExnHeader { tag, fields: count, heap_index };
        // SAFETY: the box owns the memory.
        unsafe { self.exn.0.as_ptr().write(header) };
        for (i, field) in fields.enumerate() {
            // SAFETY: the box owns the memory, which has room for that many fields.
            unsafe { self.exn.field_place(i).write(field) };
        }
    }
}

impl Drop for ExnBox {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.exn.0.as_ptr().cast::<u8>(), layout(self.capacity)) };
    }
}

fn layout(fields: usize) -> Layout {
    Layout::from_size_align(exn_field_offset(fields), align_of::<ExnHeader>())
        .expect("a tag has few parameters")
}

/// All exceptions of a store.
#[derive(Debug)]
pub(crate) struct ExnHeap {
    objects: Vec<ExnBox>,
    bytes: usize,
    threshold_bytes: usize,
    buffer: Option<ExnBox>,
    /// Exceptions by the position that stands for each in objects; the first is null.
    positions: Vec<Option<ExnPtr>>,
    free_positions: Vec<u32>,
    /// Those that are marked and were not taken out yet.
    found: Vec<ExnPtr>,
}

// SAFETY: the heap owns its exceptions, which the thread that has the store uses.
unsafe impl Send for ExnHeap {}
// SAFETY: shared references give out nothing but addresses.
unsafe impl Sync for ExnHeap {}

impl Default for ExnHeap {
    fn default() -> Self {
        let threshold_bytes = MIN_THRESHOLD_BYTES;
        Self {
            objects: Vec::new(),
            bytes: 0,
            threshold_bytes,
            buffer: None,
            positions: vec![None],
            free_positions: Vec::new(),
            found: Vec::new(),
        }
    }
}

impl ExnHeap {
    /// Sees to it that exceptions with `fields` fields can be built in the thread's buffer; `false`
    /// when there is no memory.
    pub(crate) fn reserve_buffer(&mut self, context: &Context, fields: usize) -> bool {
        if self.buffer.as_ref().is_some_and(|buffer| buffer.capacity >= fields) {
            return true;
        }
        let Some(buffer) = ExnBox::new(fields) else { return false };
        context.set_exn_buffer(buffer.exn.0.as_ptr().cast::<u8>());
        self.buffer = Some(buffer);
        true
    }

    /// A new exception; `None` when there is no memory for it. [`Self::is_full`] says whether there
    /// are too many now.
    pub(crate) fn alloc(
        &mut self,
        tag: TagPtr,
        fields: impl ExactSizeIterator<Item = Slot>,
    ) -> Option<ExnPtr> {
        self.reserve_one().ok()?;
        let mut object = ExnBox::new(fields.len())?;
        let exn = object.exn;
        let position = self.take_position(exn);
        object.fill((std::ptr::without_provenance(tag.0), position), fields);
        self.bytes += object.bytes();
        self.objects.push(object);
        Some(exn)
    }

    /// A copy of the exception that the thread just built; `None` as for [`Self::alloc`].
    pub(crate) fn copy_buffer(&mut self) -> Option<ExnPtr> {
        let exn = self.buffer.as_ref()?.exn;
        self.alloc(exn.tag(), (0..exn.field_count()).map(|i| exn.field(i)))
    }

    /// Sees to it that neither adding an exception nor freeing any needs more memory.
    fn reserve_one(&mut self) -> Result<(), OutOfMemory> {
        let (objects, positions) = (self.objects.len() + 1, self.positions.len() + 1);
        fallible::reserve(&mut self.objects, objects)?;
        fallible::reserve(&mut self.found, objects)?;
        fallible::reserve(&mut self.positions, positions)?;
        fallible::reserve(&mut self.free_positions, positions)
    }

    /// Frees an exception that nothing refers to.
    pub(crate) fn free(&mut self, exn: ExnPtr) {
        let at = self.objects.iter().rposition(|object| object.exn == exn);
        let object = self.objects.swap_remove(at.expect("an exception of the heap"));
        self.bytes -= object.bytes();
        self.positions[exn.position() as usize] = None;
        self.free_positions.push(exn.position());
    }

    fn take_position(&mut self, exn: ExnPtr) -> u32 {
        match self.free_positions.pop() {
            Some(position) => {
                self.positions[position as usize] = Some(exn);
                position
            }
            None => {
                self.positions.push(Some(exn));
                u32::try_from(self.positions.len() - 1).expect("fewer exceptions than memory")
            }
        }
    }

    /// Exceptions by the position that stands for each in objects.
    pub(crate) fn positions(&self) -> &[Option<ExnPtr>] {
        &self.positions
    }

    /// The exception at a position.
    pub(crate) fn at(&self, position: u32) -> Option<ExnPtr> {
        self.positions.get(position as usize).copied().flatten()
    }

    /// All exceptions.
    pub(crate) fn objects(&self) -> impl Iterator<Item = ExnPtr> {
        self.objects.iter().map(|object| object.exn)
    }

    /// Whether it is time to look for what is not in use, of which there may be `allowance` bytes at
    /// least, but no more than `most` bytes in all.
    pub(crate) fn wants_collection(&self, allowance: usize, most: usize) -> bool {
        self.bytes >= self.threshold_bytes.max(allowance).min(most)
    }

    /// Whether there are more bytes than a store may have.
    pub(crate) fn is_full(&self, most: usize) -> bool {
        self.bytes > most
    }

    /// The number of exceptions.
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Begins to look for what is in use; marks of a time when that was given up are gone.
    pub(crate) fn begin_marking(&mut self) {
        self.found.clear();
        self.objects.iter_mut().for_each(|object| object.mark = false);
        self.objects.sort_unstable_by_key(ExnBox::address);
        if let Some(buffer) = self.buffer.as_ref().map(|buffer| buffer.exn) {
            self.mark_fields(buffer);
        }
    }

    /// Marks the exception that a word names, if it names any.
    pub(crate) fn mark_word(&mut self, word: u64) {
        let Ok(address) = usize::try_from(word) else { return };
        let (Some(first), Some(last)) = (self.objects.first(), self.objects.last()) else { return };
        if address < first.address() || address > last.address() {
            return;
        }
        let Ok(at) = self.objects.binary_search_by_key(&address, ExnBox::address) else { return };
        let object = &mut self.objects[at];
        if !object.mark {
            object.mark = true;
            self.found.push(object.exn);
        }
    }

    /// Marks the exception at a position.
    pub(crate) fn mark_position(&mut self, position: u32) {
        if let Some(exn) = self.at(position) {
            self.mark_word(exn.bits());
        }
    }

    /// Marks what any word on the stack of the store's activations names, or any register.
    pub(crate) fn mark_stack(&mut self, context: &Context) {
        let mut registers = [0u64; 5];
        // SAFETY: stores registers to the array, nothing else.
        unsafe {
            asm!(
                "mov [{0}], rbx",
                "mov [{0} + 8], r12",
                "mov [{0} + 16], r13",
                "mov [{0} + 24], r14",
                "mov [{0} + 32], rbp",
                in(reg) registers.as_mut_ptr(),
                options(nostack, preserves_flags)
            );
        }
        let end = context.outermost_frame();
        let mut at = registers.as_ptr().addr();
        for word in registers {
            self.mark_word(word);
        }
        while at < end {
            let place = std::ptr::with_exposed_provenance::<u64>(at);
            // SAFETY: `at` is aligned and lies between this frame and that of the outermost
            // activation, on this thread's stack.
            self.mark_word(unsafe { place.read_volatile() });
            at += size_of::<u64>();
        }
    }

    /// An exception that was marked and not taken out before; the exceptions that its fields name
    /// are marked.
    pub(crate) fn take_found(&mut self) -> Option<ExnPtr> {
        let exn = self.found.pop()?;
        self.mark_fields(exn);
        Some(exn)
    }

    fn mark_fields(&mut self, exn: ExnPtr) {
        (0..exn.field_count()).for_each(|i| self.mark_word(exn.field(i)[0]));
    }

    /// Frees what is not marked, and takes the marks away.
    pub(crate) fn sweep(&mut self) {
        assert!(self.found.is_empty(), "the fields of all that is in use were looked through");
        let (positions, free) = (&mut self.positions, &mut self.free_positions);
        self.objects.retain_mut(|object| {
            let marked = std::mem::take(&mut object.mark);
            if !marked {
                let position = object.exn.position();
                positions[position as usize] = None;
                free.push(position);
            }
            marked
        });
        self.bytes = self.objects.iter().map(ExnBox::bytes).sum();
        self.threshold_bytes = (2 * self.bytes).max(MIN_THRESHOLD_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap_of(count: u64) -> (ExnHeap, Vec<ExnPtr>) {
        let mut heap = ExnHeap::default();
        let made = (0..count).map(|i| heap.alloc(TagPtr(8), [[i, 0], [0, 1]].into_iter()));
        let made = made.map(Option::unwrap).collect();
        (heap, made)
    }

    /// Frees what is not reached from these words.
    fn collect(heap: &mut ExnHeap, roots: &[u64]) {
        heap.begin_marking();
        roots.iter().for_each(|&word| heap.mark_word(word));
        while heap.take_found().is_some() {}
        heap.sweep();
    }

    #[test]
    fn fields_and_tags_are_kept() {
        let (_heap, made) = heap_of(3);
        assert_eq!((made[2].tag(), made[2].field_count()), (TagPtr(8), 2));
        assert_eq!((made[2].field(0), made[2].field(1)), ([2, 0], [0, 1]));
        assert_eq!(ExnPtr::from_bits(made[1].bits()), Some(made[1]));
        assert_eq!(ExnPtr::from_bits(0), None);
    }

    #[test]
    fn what_is_not_marked_is_freed() {
        let (mut heap, made) = heap_of(100);
        collect(&mut heap, &[made[7].bits(), made[7].bits(), made[8].bits() + 1, u64::MAX]);
        assert_eq!(heap.len(), 1);
        assert_eq!(made[7].field(0), [7, 0]);
        collect(&mut heap, &[]);
        assert_eq!((heap.len(), heap.bytes), (0, 0));
    }

    #[test]
    fn fields_are_followed() {
        let (mut heap, made) = heap_of(1);
        let mut last = made[0];
        for _ in 0..10_000 {
            last = heap.alloc(TagPtr(8), [[last.bits(), 0]].into_iter()).unwrap();
        }
        assert!(
            heap.wants_collection(0, usize::MAX)
                && !heap.wants_collection(heap.bytes + 1, usize::MAX)
        );
        collect(&mut heap, &[last.bits()]);
        assert_eq!(heap.len(), 10_001);
        assert!(!heap.wants_collection(0, usize::MAX));
    }
}
