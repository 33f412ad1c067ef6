//! The functions of a module's arena by address.
//!
//! Code is placed at ascending offsets, so a list that only grows at its end is sorted. Chunks of
//! doubling size never move; a reader takes the length and searches, without a lock, so a signal
//! handler can.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use upshift_abi::code::CompiledFunction;
use upshift_abi::index::DefinedFuncIndex;

/// Which compiler made a piece of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// The single-pass compiler.
    Baseline,
    /// The optimising compiler, entered by calls.
    Optimized,
    /// The optimising compiler, entered from baseline frames at a loop.
    Osr,
}

/// A piece of code and its tables.
#[derive(Debug)]
pub(crate) struct FunctionCode {
    /// The function.
    pub(crate) index: DefinedFuncIndex,
    /// Who compiled it.
    pub(crate) tier: Tier,
    /// Offset of the entry in the arena's text.
    pub(crate) start: usize,
    /// Bytes of code.
    pub(crate) len: usize,
    /// What the compiler handed over; `code` and `relocs` are empty by now.
    pub(crate) tables: CompiledFunction,
}

/// Entries of the first chunk, as a power of two.
const FIRST_CHUNK_LOG2: u32 = 6;
/// Enough for 2³² entries.
const CHUNKS: usize = 27;

type Chunk = Box<[OnceLock<FunctionCode>]>;

/// See the module head.
#[derive(Debug, Default)]
pub(super) struct FunctionTable {
    chunks: [OnceLock<Chunk>; CHUNKS],
    len: AtomicUsize,
}

impl FunctionTable {
    /// Adds a function behind all others. One thread at a time.
    pub(super) fn push(&self, function: FunctionCode) {
        let position = self.len.load(Ordering::Relaxed);
        let last = position.checked_sub(1).and_then(|last| self.get(last));
        assert!(last.is_none_or(|last| last.start < function.start), "ascending offsets");
        let (chunk, offset) = split(position);
        let new_chunk = || (0..1usize << chunk_len_log2(chunk)).map(|_| OnceLock::new()).collect();
        let entries = self.chunks[chunk].get_or_init(new_chunk);
        assert!(entries[offset].set(function).is_ok(), "one thread at a time");
        self.len.store(position + 1, Ordering::Release);
    }

    /// The function whose code contains the byte at `offset` in the text.
    pub(super) fn find(&self, offset: usize) -> Option<&FunctionCode> {
        let (mut low, mut high) = (0, self.len.load(Ordering::Acquire));
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle)?.start <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let function = self.get(low.checked_sub(1)?)?;
        (offset - function.start < function.len).then_some(function)
    }

    /// All functions, by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &FunctionCode> {
        (0..self.len.load(Ordering::Acquire)).filter_map(|position| self.get(position))
    }

    fn get(&self, position: usize) -> Option<&FunctionCode> {
        let (chunk, offset) = split(position);
        self.chunks[chunk].get()?.get(offset)?.get()
    }
}

const fn chunk_len_log2(chunk: usize) -> usize {
    FIRST_CHUNK_LOG2 as usize + chunk
}

/// Chunk and place in it of a position: chunk `c` holds the positions from `64 * (2^c - 1)` on.
fn split(position: usize) -> (usize, usize) {
    let shifted = position + (1 << FIRST_CHUNK_LOG2);
    let chunk = (shifted.ilog2() - FIRST_CHUNK_LOG2) as usize;
    (chunk, shifted - (1 << chunk_len_log2(chunk)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(i: usize) -> FunctionCode {
        FunctionCode {
            index: DefinedFuncIndex::new(i),
            tier: Tier::Baseline,
            start: i * 32,
            len: 20,
            tables: CompiledFunction::default(),
        }
    }

    #[test]
    fn positions_are_split_without_gaps() {
        assert_eq!([0, 63, 64, 191, 192].map(split), [(0, 0), (0, 63), (1, 0), (1, 127), (2, 0)]);
    }

    #[test]
    fn finds_what_contains_an_offset() {
        let table = FunctionTable::default();
        assert!(table.find(0).is_none());
        for i in 0..1000 {
            table.push(function(i));
            assert_eq!(table.find(i * 32).unwrap().index.index(), i);
        }
        assert_eq!(table.find(500 * 32 + 19).unwrap().index.index(), 500);
        assert!(table.find(500 * 32 + 20).is_none());
        assert!(table.find(1000 * 32).is_none());
    }
}
