//! Tables: elements of 8 bytes that machine code reads and writes through [`TableDef`].

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use upshift_abi::layout::TableDef;
use upshift_abi::trap::Trap;

/// A table that a store owns.
#[derive(Debug)]
pub(crate) struct TableBox {
    /// The elements: `def.base` points to them. Only touched through that pointer.
    elements: Vec<u64>,
    def: Box<UnsafeCell<TableDef>>,
}

// SAFETY: the table owns its elements; it is used by the thread that has the store.
unsafe impl Send for TableBox {}
// SAFETY: shared references give out nothing but the address.
unsafe impl Sync for TableBox {}

impl TableBox {
    /// A table of `len` elements with these bits; `None` when there is no memory for it.
    pub(crate) fn new(len: u64, init: u64) -> Option<Self> {
        let len = usize::try_from(len).ok()?;
        let elements = if init == 0 {
            zeroed(len)?
        } else {
            let mut elements = Vec::new();
            elements.try_reserve_exact(len).ok()?;
            elements.resize(len, init);
            elements
        };
        let def = TableDef { base: ptr::null_mut(), len: len as u64 };
        let mut table = Self { elements, def: Box::new(UnsafeCell::new(def)) };
        table.def.get_mut().base = table.elements.as_mut_ptr();
        Some(table)
    }

    /// The handle, valid as long as `self`.
    pub(crate) fn ptr(&self) -> TablePtr {
        TablePtr::from_ptr(self.def.get())
    }

    /// Grows by `delta` elements with these bits: the old length, or `None` when there is no
    /// memory for it. Limits of the type and of the host are the caller's to check.
    pub(crate) fn grow(&mut self, delta: u64, init: u64) -> Option<u64> {
        let old = self.elements.len();
        let delta = usize::try_from(delta).ok()?;
        let len = old.checked_add(delta)?;
        self.elements.try_reserve(delta).ok()?;
        self.elements.resize(len, init);
        let def = self.def.get_mut();
        def.base = self.elements.as_mut_ptr();
        def.len = len as u64;
        Some(old as u64)
    }
}

/// Zeroes without touching them.
fn zeroed(len: usize) -> Option<Vec<u64>> {
    let mut probe = Vec::<u64>::new();
    // A failing reservation is an answer, not an abort; the kernel commits nothing for it.
    probe.try_reserve_exact(len).ok()?;
    drop(probe);
    Some(vec![0; len])
}

/// A handle of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TablePtr(NonNull<TableDef>);

// SAFETY: a handle; the module head of `vm` says who keeps the table alive and who uses it.
unsafe impl Send for TablePtr {}
// SAFETY: as above.
unsafe impl Sync for TablePtr {}

impl TablePtr {
    pub(super) fn from_ptr(def: *mut TableDef) -> Self {
        Self(NonNull::new(def).expect("tables are connected before they are used"))
    }

    pub(super) fn as_ptr(self) -> *mut TableDef {
        self.0.as_ptr()
    }

    /// Number of elements.
    pub(crate) fn len(self) -> u64 {
        self.parts().1 as u64
    }

    /// The bits of an element.
    pub(crate) fn get(self, index: u64) -> Option<u64> {
        let (place, _) = self.checked(index, 1).ok()?;
        // SAFETY: the index was checked.
        Some(unsafe { place.read() })
    }

    /// Sets the bits of an element.
    pub(crate) fn set(self, index: u64, bits: u64) -> Result<(), Trap> {
        let (place, _) = self.checked(index, 1)?;
        // SAFETY: the index was checked.
        unsafe { place.write(bits) };
        Ok(())
    }

    /// Replaces every element by what `update` returns for it.
    pub(crate) fn update(self, mut update: impl FnMut(u64) -> u64) {
        let (base, len) = self.parts();
        for i in 0..len {
            let place = base.wrapping_add(i);
            // SAFETY: the element is one of the table's.
            let bits = unsafe { place.read() };
            // SAFETY: as above.
            unsafe { place.write(update(bits)) };
        }
    }

    /// `table.fill`
    pub(crate) fn fill(self, dst: u64, bits: u64, len: u64) -> Result<(), Trap> {
        let (place, len) = self.checked(dst, len)?;
        for i in 0..len {
            // SAFETY: the whole range was checked.
            unsafe { place.wrapping_add(i).write(bits) };
        }
        Ok(())
    }

    /// `table.copy` from `source` (maybe the same table) to `self`.
    pub(crate) fn copy(self, dst: u64, (source, src): (Self, u64), len: u64) -> Result<(), Trap> {
        let (from, _) = source.checked(src, len)?;
        let (to, len) = self.checked(dst, len)?;
        // SAFETY: both ranges were checked; `copy` allows overlap.
        unsafe { ptr::copy(from, to, len) };
        Ok(())
    }

    /// Writes elements from `dst` on; for `table.init` and segments.
    pub(crate) fn write(self, dst: u64, bits: &[u64]) -> Result<(), Trap> {
        let (to, len) = self.checked(dst, bits.len() as u64)?;
        // SAFETY: the range was checked; a slice of Rust is never part of a table.
        unsafe { ptr::copy_nonoverlapping(bits.as_ptr(), to, len) };
        Ok(())
    }

    fn parts(self) -> (*mut u64, usize) {
        // SAFETY: the holder of the handle keeps the table alive and has the store.
        let TableDef { base, len } = unsafe { self.0.as_ptr().read() };
        (base, usize::try_from(len).expect("it is allocated"))
    }

    fn checked(self, start: u64, len: u64) -> Result<(*mut u64, usize), Trap> {
        let (base, size) = self.parts();
        let end = start.checked_add(len).ok_or(Trap::TableOutOfBounds)?;
        if end > size as u64 {
            return Err(Trap::TableOutOfBounds);
        }
        let fits = |n: u64| usize::try_from(n).expect("below the table's length");
        Ok((base.wrapping_add(fits(start)), fits(len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_survive_growth() {
        let mut table = TableBox::new(2, 0).unwrap();
        let handle = table.ptr();
        handle.set(1, 7).unwrap();
        assert_eq!(table.grow(1000, 9), Some(2));
        assert_eq!((handle.len(), handle.get(1), handle.get(2)), (1002, Some(7), Some(9)));
        assert_eq!((handle.get(0), handle.get(1002)), (Some(0), None));
    }

    #[test]
    fn ranges_are_checked_before_anything_is_written() {
        let table = TableBox::new(4, 1).unwrap();
        let handle = table.ptr();
        assert_eq!(handle.fill(2, 5, 3), Err(Trap::TableOutOfBounds));
        assert_eq!(handle.copy(0, (handle, 3), 2), Err(Trap::TableOutOfBounds));
        handle.write(1, &[2, 3]).unwrap();
        handle.copy(0, (handle, 1), 3).unwrap();
        assert_eq!([0, 1, 2, 3].map(|i| handle.get(i).unwrap()), [2, 3, 1, 1]);
    }
}
