//! Guest memory as the functions see it.
//!
//! A memory that only this call can touch is a slice, and I/O goes straight into it. A memory that
//! other threads write at the same time is never a slice: it is copied from and to through bounded
//! buffers ([`SharedBytes`]).

use crate::types::Errno;
use std::io::IoSliceMut;

/// Largest buffer that is allocated to copy from or to a shared memory.
pub(crate) const BOUNCE_BYTES: usize = 64 << 10;

/// Memory that several threads access at once, byte by byte.
pub trait SharedBytes: Sync {
    /// Size in bytes. It can grow, never shrink.
    fn len(&self) -> usize;

    /// Whether there is no memory at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies out; false if the range is not within the memory.
    fn read(&self, address: usize, bytes: &mut [u8]) -> bool;

    /// Copies in; false if the range is not within the memory.
    fn write(&self, address: usize, bytes: &[u8]) -> bool;
}

/// The memory of the calling guest.
pub enum GuestMemory<'a> {
    /// A memory that nothing else accesses during the call.
    Exclusive(&'a mut [u8]),
    /// A memory shared between threads.
    Shared(&'a dyn SharedBytes),
}

/// A range of guest memory, not checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) address: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn new(address: u32, len: u32) -> Self {
        Self { address, len }
    }

    pub(crate) fn start(self) -> usize {
        self.address as usize
    }

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}

impl GuestMemory<'_> {
    /// Size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Exclusive(bytes) => bytes.len(),
            Self::Shared(shared) => shared.len(),
        }
    }

    /// Whether there is no memory at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Fails unless the range is within the memory.
    pub(crate) fn check(&self, span: Span) -> Result<(), Errno> {
        let end = span.start() + span.len();
        if end <= self.len() { Ok(()) } else { Err(Errno::Fault) }
    }

    pub(crate) fn read_bytes(&self, address: u32, into: &mut [u8]) -> Result<(), Errno> {
        let start = address as usize;
        match self {
            Self::Exclusive(bytes) => {
                let range = start..start + into.len();
                into.copy_from_slice(bytes.get(range).ok_or(Errno::Fault)?);
            }
            Self::Shared(shared) => {
                if !shared.read(start, into) {
                    return Err(Errno::Fault);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn read_array<const N: usize>(&self, address: u32) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        self.read_bytes(address, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn write(&mut self, address: u32, from: &[u8]) -> Result<(), Errno> {
        let start = address as usize;
        match self {
            Self::Exclusive(bytes) => {
                let range = start..start + from.len();
                bytes.get_mut(range).ok_or(Errno::Fault)?.copy_from_slice(from);
            }
            Self::Shared(shared) => {
                if !shared.write(start, from) {
                    return Err(Errno::Fault);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, address: u32, value: u64) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }
}

/// The pieces of `memory` that `spans` name, in their order, to be written at once; `None` if two
/// of them overlap. The spans have been checked and are not empty.
pub(crate) fn disjoint_slices<'m>(
    memory: &'m mut [u8],
    spans: impl ExactSizeIterator<Item = Span>,
) -> Option<Vec<IoSliceMut<'m>>> {
    let mut order: Vec<(Span, usize)> = spans.zip(0..).collect();
    order.sort_unstable_by_key(|(span, _)| span.address);
    let mut slices: Vec<Option<IoSliceMut<'m>>> = order.iter().map(|_| None).collect();
    let mut rest = memory;
    let mut rest_start = 0;
    for (span, position) in order {
        let gap = span.start().checked_sub(rest_start)?;
        let (slice, tail) = rest.split_at_mut(gap).1.split_at_mut(span.len());
        slices[position] = Some(IoSliceMut::new(slice));
        rest = tail;
        rest_start = span.start() + span.len();
    }
    slices.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_keep_their_order_and_refuse_overlaps() {
        let mut bytes: Vec<u8> = (0..16).collect();
        let spans = [Span::new(8, 2), Span::new(0, 3), Span::new(3, 1)];
        let slices = disjoint_slices(&mut bytes, spans.into_iter()).expect("disjoint");
        let lens: Vec<Vec<u8>> = slices.iter().map(|s| s.to_vec()).collect();
        assert_eq!(lens, [vec![8, 9], vec![0, 1, 2], vec![3]]);
        let spans = [Span::new(4, 4), Span::new(7, 1)];
        assert!(disjoint_slices(&mut bytes, spans.into_iter()).is_none());
    }

    #[test]
    fn ranges_at_the_end_of_the_address_space_are_faults() {
        let mut bytes = [0; 8];
        let mut memory = GuestMemory::Exclusive(&mut bytes);
        assert_eq!(memory.check(Span::new(u32::MAX, u32::MAX)), Err(Errno::Fault));
        assert_eq!(memory.check(Span::new(8, 0)), Ok(()));
        assert_eq!(memory.check(Span::new(9, 0)), Err(Errno::Fault));
        assert_eq!(memory.write_u32(5, 0), Err(Errno::Fault));
        assert_eq!(memory.read_array::<8>(u32::MAX), Err(Errno::Fault));
    }
}
