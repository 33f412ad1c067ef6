//! Marks of objects, beside the heap.

use super::old::BLOCK_BYTES;
use crate::fallible::{self, OutOfMemory};
use std::ops::Range;
use upshift_abi::layout::OBJECT_ALIGN;

/// log2 of the bytes of the heap that a word stands for.
const WORD_SHIFT: u32 = OBJECT_ALIGN.ilog2() + u64::BITS.ilog2();
/// Words for a block of old objects.
pub(super) const BLOCK_WORDS: usize = (BLOCK_BYTES >> WORD_SHIFT) as usize;

/// A bit for each 8 bytes of the heap: set when an object that starts there is marked.
#[derive(Debug, Default)]
pub(super) struct MarkBits(Vec<u64>);

impl MarkBits {
    /// No marks, of a heap that ends at `end`.
    pub(super) fn new(end: u64) -> Result<Self, OutOfMemory> {
        let mut bits = Vec::new();
        fallible::grow(&mut bits, words_for(end), 0)?;
        // Nothing lies at 0, so null needs no looking at.
        bits[0] = 1;
        Ok(Self(bits))
    }

    /// Whether an object is marked.
    pub(super) fn contains(&self, object: u32) -> bool {
        is_set(&self.0, object)
    }

    /// The marks, to set more of them.
    pub(super) fn marks(&mut self) -> Marks<'_> {
        Marks(&mut self.0)
    }

    /// The number of words.
    pub(super) fn word_count(&self) -> usize {
        self.0.len()
    }

    /// The word with the bit of an object.
    pub(super) fn word_of(object: u32) -> usize {
        bit_of(object).0
    }

    /// The words of the block at an offset.
    pub(super) fn block(&self, offset: u32) -> &[u64] {
        let first = Self::word_of(offset);
        &self.0[first..first + BLOCK_WORDS]
    }

    /// The marked objects of a range of words.
    pub(super) fn objects(&self, words: Range<usize>) -> impl Iterator<Item = u32> {
        let end = words.end.min(self.0.len());
        let words = words.start.min(end)..end;
        words.flat_map(|at| {
            let mut left = self.0[at];
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                let at = u32::try_from(at).expect("bits are of the heap");
                Some((at << WORD_SHIFT) + bit * OBJECT_ALIGN)
            })
        })
    }
}

/// Words for a heap that ends at `end`.
pub(super) fn words_for(end: u64) -> usize {
    usize::try_from(end >> WORD_SHIFT).expect("addresses have 64 bits") + 1
}

/// The same while marks are set, without a way around to the words.
pub(super) struct Marks<'a>(&'a mut [u64]);

impl<'a> Marks<'a> {
    /// Marks in words of somebody else, [`words_for`] a heap.
    pub(super) fn of(words: &'a mut [u64]) -> Self {
        Self(words)
    }
}

impl Marks<'_> {
    /// Whether an object is marked.
    #[inline]
    pub(super) fn contains(&self, object: u32) -> bool {
        is_set(self.0, object)
    }

    /// Marks an object: whether it was not before.
    #[inline]
    pub(super) fn insert(&mut self, object: u32) -> bool {
        let (word, bit) = bit_of(object);
        let word = &mut self.0[word];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

#[inline]
fn is_set(words: &[u64], object: u32) -> bool {
    let (word, bit) = bit_of(object);
    words[word] & bit != 0
}

/// The word of an object's bit, and the bit.
#[inline]
fn bit_of(object: u32) -> (usize, u64) {
    ((object >> WORD_SHIFT) as usize, 1 << (object / OBJECT_ALIGN % u64::BITS))
}
