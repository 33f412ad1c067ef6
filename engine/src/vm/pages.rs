//! Address space: reservations, their pages, and copy-on-write images.
//!
//! A [`Reservation`] is inaccessible address space that costs no memory. Parts of it are made
//! accessible ([`Reservation::commit`]) or replaced by a mapping of a file. Ranges are in bytes
//! from the start of the reservation and must be multiples of [`page_bytes`].

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io;
use rustix::mm::{self, Advice, MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::ptr::{self, NonNull};

/// Bytes of a page of the host.
pub(super) fn page_bytes() -> usize {
    rustix::param::page_size()
}

/// Address space of our own, unmapped when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a reservation is address space; what is read and written in it is up to its owner.
unsafe impl Send for Reservation {}
// SAFETY: as above; changes of mappings go to the kernel, which serialises them.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves `len` bytes (at least a page), inaccessible.
    pub(super) fn new(len: usize) -> io::Result<Self> {
        Self::map(len, ProtFlags::empty())
    }

    /// Reserves `len` bytes (at least a page), all readable, writable and zero.
    pub(super) fn new_committed(len: usize) -> io::Result<Self> {
        Self::map(len, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn map(len: usize, protection: ProtFlags) -> io::Result<Self> {
        let len = len.max(1).checked_next_multiple_of(page_bytes()).ok_or(io::Errno::NOMEM)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address the kernel chooses touches nothing that exists.
        let base = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, protection, flags) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::Errno::NOMEM)?;
        Ok(Self { base, len })
    }

    /// The first byte.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Length in bytes, a multiple of the page size.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes a range readable and writable. Pages that were never accessible are zero.
    pub(super) fn commit(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// Makes a range of anonymous memory zero and gives its pages back.
    pub(super) fn zero(&self, range: Range<usize>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let (start, len) = self.checked(range);
        // SAFETY: the range lies in the reservation, whose owner asks for its content to vanish.
        unsafe { mm::madvise(start, len, Advice::LinuxDontNeed) }
    }

    /// Asks for huge pages where a range is used.
    pub(super) fn prefer_huge_pages(&self, range: Range<usize>) -> io::Result<()> {
        let (start, len) = self.checked(range);
        // SAFETY: the range lies in the reservation; the advice changes no content.
        unsafe { mm::madvise(start, len, Advice::LinuxHugepage) }
    }

    /// Makes an accessible range of anonymous memory zero and keeps its pages.
    pub(super) fn clear(&self, range: Range<usize>) {
        let (start, len) = self.checked(range);
        // SAFETY: the range lies in the reservation and is accessible, as its owner says.
        unsafe { start.cast::<u8>().write_bytes(0, len) };
    }

    /// Makes a range inaccessible; its content stays.
    pub(super) fn protect_none(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::empty())
    }

    fn protect(&self, range: Range<usize>, flags: MprotectFlags) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let (start, len) = self.checked(range);
        // SAFETY: the range lies in the reservation, whose owner asks for it.
        unsafe { mm::mprotect(start, len, flags) }
    }

    /// Maps `file` from `offset` on, shared and executable (never writable), over a range.
    pub(super) fn map_executable(
        &self,
        range: Range<usize>,
        file: BorrowedFd<'_>,
        offset: u64,
    ) -> io::Result<()> {
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        self.map_file(range, ProtFlags::READ | ProtFlags::EXEC, flags, (file, offset))
    }

    /// Maps an image copy-on-write, readable and writable, over a range.
    pub(super) fn map_image(&self, range: Range<usize>, image: &Image) -> io::Result<()> {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        self.map_file(range, ProtFlags::READ | ProtFlags::WRITE, flags, (image.file.as_fd(), 0))
    }

    fn map_file(
        &self,
        range: Range<usize>,
        protection: ProtFlags,
        flags: MapFlags,
        (file, offset): (BorrowedFd<'_>, u64),
    ) -> io::Result<()> {
        let (start, len) = self.checked(range);
        // SAFETY: the fixed mapping replaces a part of the reservation, whose owner asks for it.
        unsafe { mm::mmap(start, len, protection, flags, file, offset) }.map(|_| ())
    }

    /// Makes a committed reservation longer; it may move. New bytes are zero.
    pub(super) fn grow_committed(&mut self, len: usize) -> io::Result<()> {
        let len = len.checked_next_multiple_of(page_bytes()).ok_or(io::Errno::NOMEM)?;
        let old = self.base.as_ptr().cast::<c_void>();
        // SAFETY: the mapping is our own, and `&mut self` says that nobody uses it.
        let base = unsafe { mm::mremap(old, self.len, len, mm::MremapFlags::MAYMOVE) }?;
        self.base = NonNull::new(base.cast::<u8>()).ok_or(io::Errno::NOMEM)?;
        self.len = len;
        Ok(())
    }

    fn checked(&self, range: Range<usize>) -> (*mut c_void, usize) {
        assert!(range.start <= range.end && range.end <= self.len, "range in the reservation");
        let page = page_bytes();
        assert!(range.start.is_multiple_of(page) && range.end.is_multiple_of(page));
        let start = self.base.as_ptr().wrapping_add(range.start).cast::<c_void>();
        (start, range.end - range.start)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is our own, and its owner is gone.
        let unmapped = unsafe { mm::munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole reservation cannot fail");
    }
}

/// Initial content of a memory, mapped copy-on-write into each instance.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    start: usize,
    len: usize,
}

impl Image {
    /// An image of `content` that begins at byte `start` of the memory.
    pub(crate) fn new(start: usize, content: &[u8]) -> std::io::Result<Self> {
        let page = page_bytes();
        let aligned_start = start - start % page;
        let pad = start - aligned_start;
        let len = (pad + content.len()).next_multiple_of(page);
        let file = File::from(memfd_create("upshift-image", MemfdFlags::CLOEXEC)?);
        ftruncate(&file, len as u64)?;
        file.write_all_at(content, pad as u64)?;
        Ok(Self { file, start: aligned_start, len })
    }

    /// The bytes of the memory it covers, in whole pages.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// An empty memfd of `len` sparse bytes.
pub(super) fn sparse_file(name: &str, len: usize) -> io::Result<File> {
    let file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    ftruncate(&file, len as u64)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_pages_are_zero_again_after_zeroing() {
        let page = page_bytes();
        let reservation = Reservation::new(16 * page).unwrap();
        reservation.commit(page..3 * page).unwrap();
        let place = reservation.base().as_ptr().wrapping_add(page);
        // SAFETY: the page was committed above.
        unsafe { place.write(7) };
        reservation.zero(page..2 * page).unwrap();
        // SAFETY: the page is still committed.
        assert_eq!(unsafe { place.read() }, 0);
        reservation.protect_none(page..2 * page).unwrap();
    }

    #[test]
    fn images_are_copied_on_write() {
        let page = page_bytes();
        let image = Image::new(page + 3, b"abc").unwrap();
        assert_eq!(image.range(), page..2 * page);
        let reservations = [0; 2].map(|_| Reservation::new(4 * page).unwrap());
        for reservation in &reservations {
            reservation.map_image(image.range(), &image).unwrap();
        }
        let place = |i: usize| reservations[i].base().as_ptr().wrapping_add(page + 3);
        // SAFETY: the image is mapped there.
        unsafe { place(0).write(b'x') };
        // SAFETY: as above.
        assert_eq!(unsafe { place(1).read() }, b'a');
    }

    #[test]
    fn a_grown_reservation_keeps_its_content() {
        let page = page_bytes();
        let mut reservation = Reservation::new_committed(page).unwrap();
        // SAFETY: the page is committed.
        unsafe { reservation.base().write(9) };
        reservation.grow_committed(300 * page).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { reservation.base().read() }, 9);
        let last = reservation.base().as_ptr().wrapping_add(300 * page - 1);
        // SAFETY: within the grown length.
        assert_eq!(unsafe { last.read() }, 0);
    }
}
