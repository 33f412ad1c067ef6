//! Linear memories.
//!
//! | style | address space | base |
//! |---|---|---|
//! | `Guarded` | 4 GiB and the guard reserved (and reused: [`super::memory_pool`]), pages committed as the memory grows | fixed |
//! | `Checked`, fixed | the maximum reserved (bounded by [`MemoryPlan::max_reserved_bytes`]) | fixed |
//! | `Checked`, may move | as much as it is long | moves |

use super::memory_pool;
use super::pages::{Image, Reservation, page_bytes};
use rustix::io;
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use upshift_abi::layout::{MemoryDef, MemorySlot, MemoryStyle};
use upshift_abi::types::MemoryType;

/// Why a memory could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MemoryError {
    /// The minimum does not fit the host's address space or the reservation.
    #[error("a memory of {pages} pages is too large for this host")]
    TooLarge {
        /// The minimum size in pages.
        pages: u64,
    },
    /// The host has no address space or memory left.
    #[error("the host could not provide memory: {0}")]
    Host(io::Errno),
}

/// How a memory is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryPlan {
    /// Its type.
    pub(crate) ty: MemoryType,
    /// How code bounds accesses, `CodegenConfig::memory_style` of the type.
    pub(crate) style: MemoryStyle,
    /// Most address space reserved for a memory of fixed base that is not guarded; such a memory
    /// cannot grow beyond.
    pub(crate) max_reserved_bytes: u64,
}

/// A memory that one store owns.
#[derive(Debug)]
pub(crate) struct LinearMemory {
    plan: MemoryPlan,
    pages: MemoryPages,
    def: Box<UnsafeCell<MemoryDef>>,
}

/// The pages of a memory; those of guarded memories are kept for others when dropped.
#[derive(Debug)]
pub(super) struct MemoryPages {
    /// Always there, except while dropping.
    reservation: Option<Reservation>,
    /// Bytes that are accessible, whole host pages.
    committed: usize,
    /// Whether the reservation may be given to another memory.
    reusable: bool,
}

// SAFETY: the memory owns its pages; it is used by the thread that has the store.
unsafe impl Send for LinearMemory {}
// SAFETY: shared references only read, and the store's owner decides who may write.
unsafe impl Sync for LinearMemory {}

impl LinearMemory {
    /// A memory of its minimum size, all zero.
    pub(crate) fn new(plan: MemoryPlan) -> Result<Self, MemoryError> {
        let too_large = MemoryError::TooLarge { pages: plan.ty.minimum };
        let len = bytes_of(&plan.ty, plan.ty.minimum).ok_or(too_large)?;
        let committed = len.checked_next_multiple_of(page_bytes()).ok_or(too_large)?;
        let reserved = match plan.style {
            MemoryStyle::Checked { may_move: true } => None,
            MemoryStyle::Checked { may_move: false } | MemoryStyle::Guarded { .. } => {
                let reserved = reserved_bytes(&plan).filter(|&reserved| reserved >= committed);
                Some(reserved.ok_or(too_large)?)
            }
        };
        let reusable = matches!(plan.style, MemoryStyle::Guarded { .. });
        let pages = MemoryPages::new(committed, reserved, reusable).map_err(MemoryError::Host)?;
        let def = MemoryDef { base: pages.base().as_ptr(), len_bytes: len as u64 };
        Ok(Self { plan, pages, def: Box::new(UnsafeCell::new(def)) })
    }

    /// The handle, valid as long as `self`; the memory's owner may move it.
    pub(crate) fn ptr(&self) -> MemoryPtr {
        MemoryPtr::from_ptr(self.def.get())
    }

    /// Its type, as declared.
    pub(crate) fn ty(&self) -> &MemoryType {
        &self.plan.ty
    }

    /// Current size in pages.
    pub(crate) fn size_pages(&self) -> u64 {
        self.ptr().len_bytes() >> self.plan.ty.page_size_log2
    }

    /// Grows by `delta` pages: the old size, or `None` when the type's maximum or the host do not
    /// allow it.
    pub(crate) fn grow(&mut self, delta: u64) -> Option<u64> {
        let old = self.size_pages();
        let pages = grown_pages(&self.plan.ty, old, delta)?;
        let len = bytes_of(&self.plan.ty, pages)?;
        let committed = len.checked_next_multiple_of(page_bytes())?;
        if committed > self.pages.committed {
            if self.plan.style.has_fixed_base() {
                self.pages.grow_in_place(&self.plan, committed)?;
            } else {
                self.pages.grow_moving(committed)?;
            }
        }
        let def = self.def.get_mut();
        def.base = self.pages.base().as_ptr();
        def.len_bytes = len as u64;
        Some(old)
    }

    /// The content.
    pub(crate) fn data(&self) -> &[u8] {
        let (base, len) = self.ptr().parts();
        // SAFETY: the first `len` bytes are committed, and no machine code of the store runs while
        // its owner has this reference.
        unsafe { std::slice::from_raw_parts(base, len) }
    }

    /// The content, to be changed.
    pub(crate) fn data_mut(&mut self) -> &mut [u8] {
        let (base, len) = self.ptr().parts();
        // SAFETY: as in `data`; `&mut self` excludes others.
        unsafe { std::slice::from_raw_parts_mut(base, len) }
    }

    /// Maps an image over its place in the (fresh) memory, in which it must lie. Memories that
    /// move cannot have one.
    pub(crate) fn map_image(&mut self, image: &Image) -> io::Result<()> {
        if !self.plan.style.has_fixed_base() {
            return Err(io::Errno::NOTSUP);
        }
        assert!(image.range().end <= self.pages.committed, "an image lies in its memory");
        self.pages.reusable = false;
        self.pages.reservation().map_image(image.range(), image)
    }
}

impl MemoryPages {
    /// Pages of which `committed` bytes are accessible and zero; with a fixed base when there is a
    /// number of bytes to reserve.
    fn new(committed: usize, reserved: Option<usize>, reusable: bool) -> io::Result<Self> {
        let reservation = match reserved {
            None => Reservation::new_committed(committed)?,
            Some(reserved) => match memory_pool::take(reserved, committed, reusable) {
                Some(reservation) => reservation,
                None => {
                    let reservation = Reservation::new(reserved)?;
                    reservation.commit(0..committed)?;
                    reservation
                }
            },
        };
        Ok(Self { reservation: Some(reservation), committed, reusable })
    }

    fn reservation(&self) -> &Reservation {
        self.reservation.as_ref().expect("not dropped yet")
    }

    fn base(&self) -> NonNull<u8> {
        self.reservation().base()
    }

    fn grow_in_place(&mut self, plan: &MemoryPlan, committed: usize) -> Option<()> {
        let reservation = self.reservation();
        if committed > usable_bytes(plan, reservation.len()) {
            return None;
        }
        reservation.commit(self.committed..committed).ok()?;
        self.committed = committed;
        Some(())
    }

    fn grow_moving(&mut self, committed: usize) -> Option<()> {
        let reservation = self.reservation.as_mut().expect("not dropped yet");
        reservation.grow_committed(committed).ok()?;
        self.committed = committed;
        Some(())
    }
}

impl Drop for MemoryPages {
    fn drop(&mut self) {
        let reservation = self.reservation.take().expect("dropped once");
        if self.reusable {
            memory_pool::give(reservation, self.committed);
        }
    }
}

/// A memory that several threads share. It never moves.
#[derive(Clone, Debug)]
pub(crate) struct SharedLinearMemory(Arc<SharedInner>);

#[derive(Debug)]
struct SharedInner {
    plan: MemoryPlan,
    pages: Mutex<MemoryPages>,
    def: Box<UnsafeCell<MemoryDef>>,
}

// SAFETY: `base` never changes, `len_bytes` is accessed atomically, the content is shared memory.
unsafe impl Send for SharedInner {}
// SAFETY: as above.
unsafe impl Sync for SharedInner {}

impl SharedLinearMemory {
    /// A shared memory of its minimum size, all zero.
    pub(crate) fn new(plan: MemoryPlan) -> Result<Self, MemoryError> {
        assert!(plan.style.has_fixed_base(), "shared memories never move");
        let LinearMemory { plan, pages, def } = LinearMemory::new(plan)?;
        Ok(Self(Arc::new(SharedInner { plan, pages: Mutex::new(pages), def })))
    }

    /// The handle, valid as long as a clone of `self`.
    pub(crate) fn ptr(&self) -> MemoryPtr {
        MemoryPtr::from_ptr(self.0.def.get())
    }

    /// Its type, as declared.
    pub(crate) fn ty(&self) -> &MemoryType {
        &self.0.plan.ty
    }

    /// Current size in pages.
    pub(crate) fn size_pages(&self) -> u64 {
        self.ptr().len_bytes() >> self.0.plan.ty.page_size_log2
    }

    /// Grows by `delta` pages, like [`LinearMemory::grow`].
    pub(crate) fn grow(&self, delta: u64) -> Option<u64> {
        let inner = &*self.0;
        let mut memory = inner.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.size_pages();
        let pages = grown_pages(&inner.plan.ty, old, delta)?;
        let len = bytes_of(&inner.plan.ty, pages)?;
        let end = len.checked_next_multiple_of(page_bytes())?;
        if end > memory.committed {
            memory.grow_in_place(&inner.plan, end)?;
        }
        self.ptr().len_atomic().store(len as u64, Ordering::SeqCst);
        Some(old)
    }

    /// The content; other threads may change it at any time.
    pub(crate) fn data(&self) -> &[UnsafeCell<u8>] {
        let (base, len) = self.ptr().parts();
        // SAFETY: the first `len` bytes are committed for good, since shared memories do not
        // shrink, and `UnsafeCell` allows them to change.
        unsafe { std::slice::from_raw_parts(base.cast::<UnsafeCell<u8>>(), len) }
    }

    /// Whether both are the same memory.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A handle of a memory, shared or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemoryPtr(NonNull<MemoryDef>);

// SAFETY: a handle; the module head of `vm` says who keeps the memory alive and who uses it.
unsafe impl Send for MemoryPtr {}
// SAFETY: as above.
unsafe impl Sync for MemoryPtr {}

impl MemoryPtr {
    pub(super) fn from_ptr(def: *mut MemoryDef) -> Self {
        Self(NonNull::new(def).expect("memories are connected before they are used"))
    }

    /// Current length.
    pub(crate) fn len_bytes(self) -> u64 {
        self.len_atomic().load(Ordering::SeqCst)
    }

    /// First byte and length now.
    pub(super) fn parts(self) -> (*mut u8, usize) {
        let len = usize::try_from(self.len_bytes()).expect("it is mapped");
        // SAFETY: the holder of the handle keeps the memory alive; only its grower, the thread
        // that has the store, writes the field.
        let base = unsafe { (*self.0.as_ptr()).base };
        (base, len)
    }

    /// What an instance stores.
    pub(super) fn slot(self) -> MemorySlot {
        MemorySlot { base: self.parts().0, def: self.0.as_ptr() }
    }

    pub(super) fn len_atomic<'a>(self) -> &'a AtomicU64 {
        let def = self.0.as_ptr();
        // SAFETY: the field is inside the structure the handle points to.
        let field = unsafe { &raw mut (*def).len_bytes };
        // SAFETY: it is aligned, lives as long as the memory, and Rust code accesses it atomically
        // where other threads can write it.
        unsafe { AtomicU64::from_ptr(field) }
    }
}

/// `pages` of a memory in bytes, when that can be mapped at all.
fn bytes_of(ty: &MemoryType, pages: u64) -> Option<usize> {
    let bytes = u128::from(pages) << ty.page_size_log2;
    usize::try_from(bytes).ok().filter(|&bytes| bytes < 1 << 46)
}

/// The size after growing, when the type allows it.
fn grown_pages(ty: &MemoryType, old: u64, delta: u64) -> Option<u64> {
    let pages = old.checked_add(delta)?;
    let limit = ty.maximum.unwrap_or(u64::MAX).min(ty.address_space_pages());
    (pages <= limit).then_some(pages)
}

/// Bytes to reserve for a memory of fixed base.
fn reserved_bytes(plan: &MemoryPlan) -> Option<usize> {
    let ty = &plan.ty;
    match plan.style {
        MemoryStyle::Guarded { guard_bytes } => {
            usize::try_from((1u64 << 32).checked_add(guard_bytes)?).ok()
        }
        MemoryStyle::Checked { .. } => {
            let maximum = ty.maximum.unwrap_or(u64::MAX).min(ty.address_space_pages());
            let bytes = u128::from(maximum) << ty.page_size_log2;
            let bytes = bytes.min(u128::from(plan.max_reserved_bytes));
            usize::try_from(bytes).ok()?.checked_next_multiple_of(page_bytes())
        }
    }
}

/// Bytes of a reservation that may become accessible.
fn usable_bytes(plan: &MemoryPlan, reserved: usize) -> usize {
    match plan.style {
        MemoryStyle::Guarded { .. } => reserved.min(1 << 32),
        MemoryStyle::Checked { .. } => reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(style: MemoryStyle, minimum: u64, maximum: Option<u64>) -> MemoryPlan {
        let ty = MemoryType { is_64: false, shared: false, minimum, maximum, page_size_log2: 16 };
        MemoryPlan { ty, style, max_reserved_bytes: 1 << 30 }
    }

    const STYLES: [MemoryStyle; 3] = [
        MemoryStyle::Guarded { guard_bytes: 32 << 20 },
        MemoryStyle::Checked { may_move: false },
        MemoryStyle::Checked { may_move: true },
    ];

    #[test]
    fn memories_grow_up_to_their_maximum() {
        for style in STYLES {
            let mut memory = LinearMemory::new(plan(style, 1, Some(3))).unwrap();
            memory.data_mut()[65535] = 5;
            assert_eq!(memory.grow(2), Some(1));
            assert_eq!(memory.grow(1), None);
            assert_eq!(memory.data().len(), 3 << 16);
            assert_eq!((memory.data()[65535], memory.data()[65536]), (5, 0));
        }
    }

    #[test]
    fn a_whole_32_bit_address_space_can_be_used() {
        let mut memory = LinearMemory::new(plan(STYLES[0], 0, None)).unwrap();
        assert_eq!(memory.grow(65536), Some(0));
        memory.data_mut()[(1 << 32) - 1] = 1;
        assert_eq!(memory.grow(1), None);
    }

    #[test]
    fn shared_memories_grow_in_place() {
        let memory = SharedLinearMemory::new(plan(STYLES[1], 1, Some(4))).unwrap();
        let base = memory.ptr().parts().0;
        assert_eq!(memory.grow(3), Some(1));
        assert_eq!(memory.ptr().parts(), (base, 4 << 16));
    }

    #[test]
    fn huge_minimums_are_errors() {
        let mut huge = plan(STYLES[2], 1 << 47, None);
        huge.ty.is_64 = true;
        assert!(matches!(LinearMemory::new(huge), Err(MemoryError::TooLarge { .. })));
    }

    #[test]
    fn images_are_the_initial_content() {
        let mut memory = LinearMemory::new(plan(STYLES[0], 2, None)).unwrap();
        let image = Image::new(70000, b"hello").unwrap();
        memory.map_image(&image).unwrap();
        assert_eq!(&memory.data()[70000..70005], b"hello");
        assert_eq!(memory.data()[69999], 0);
    }
}
