//! Old objects: blocks of lines, and runs of blocks for large objects
//! ([Immix](https://dl.acm.org/doi/10.1145/1375581.1375586)).
//!
//! ```text
//! block   32 KiB = 128 lines of 256 bytes. A line is marked when a live object lies in it.
//! hole    a run of lines that are not marked: new objects go there, one behind the other
//! large   an object of more than half a block, in blocks of its own
//! ```
//!
//! Objects never move. A full collection marks lines anew; blocks without any are free, and the
//! others' holes are filled again. Free blocks are given back to the system beyond a reserve.

use super::mark_bits::{BLOCK_WORDS, MarkBits};
use crate::fallible::{self, OutOfMemory};
use crate::vm::HeapMemory;
use upshift_abi::layout::OBJECT_ALIGN;

/// log2 of the size of a block.
const BLOCK_SHIFT: u32 = 15;
/// Bytes of a block.
pub(super) const BLOCK_BYTES: u32 = 1 << BLOCK_SHIFT;
/// log2 of the size of a line.
const LINE_SHIFT: u32 = 8;
/// Lines of a block: one bit each.
const LINES: u32 = 1 << (BLOCK_SHIFT - LINE_SHIFT);
/// Objects above this size have blocks of their own.
pub(super) const MAX_SMALL_BYTES: u32 = BLOCK_BYTES / 2;
/// Free blocks that keep their memory at least; as many as are in use do in any case.
const RESERVE_BLOCKS: usize = 64;

/// What a block is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Nothing; whether its pages may hold memory.
    Free { touched: bool },
    /// Small objects.
    Small,
    /// The start of a large object with that many blocks; whether it was found alive.
    Large { blocks: u32, marked: bool },
    /// The rest of a large object.
    Rest,
}

/// The space of old objects.
#[derive(Debug)]
pub(super) struct OldSpace {
    /// Offset of the first block.
    start: u32,
    blocks: Vec<Block>,
    /// Marked lines of each block of small objects, since the last sweep.
    lines: Vec<u128>,
    /// Blocks of small objects whose holes were not used yet, the next one last.
    partial: Vec<u32>,
    /// Free blocks, the next one last.
    free: Vec<u32>,
    /// The hole in use.
    cursor: u32,
    limit: u32,
    /// The block of the hole in use, and the line behind it.
    hole: Option<(u32, u32)>,
    /// Blocks that are not free.
    used_blocks: usize,
    /// Most blocks there may be.
    max_blocks: usize,
    /// Most blocks there ever may be.
    there_are: usize,
}

impl OldSpace {
    /// An empty space of at most `max_blocks` blocks from offset `start` on.
    pub(super) fn new(start: u32, max_blocks: usize) -> Self {
        assert!(start.is_multiple_of(BLOCK_BYTES));
        let there_are = ((1u64 << 32) - u64::from(start)) >> BLOCK_SHIFT;
        let there_are = usize::try_from(there_are).expect("few blocks");
        Self {
            start,
            blocks: Vec::new(),
            lines: Vec::new(),
            partial: Vec::new(),
            free: Vec::new(),
            cursor: 0,
            limit: 0,
            hole: None,
            used_blocks: 0,
            max_blocks: max_blocks.min(there_are),
            there_are: max_blocks.min(there_are),
        }
    }

    /// Uses no more than so many blocks from now on; those in use stay.
    pub(super) fn limit_blocks(&mut self, blocks: usize) {
        self.max_blocks = blocks.min(self.there_are);
    }

    /// Bytes of blocks in use.
    pub(super) fn used_bytes(&self) -> u64 {
        (self.used_blocks as u64) << BLOCK_SHIFT
    }

    /// Bytes of blocks that may still be used.
    pub(super) fn free_bytes(&self) -> u64 {
        (self.max_blocks.saturating_sub(self.used_blocks) as u64) << BLOCK_SHIFT
    }

    /// Where the last block ends.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.start) + ((self.blocks.len() as u64) << BLOCK_SHIFT)
    }

    /// Whether an offset lies in the space.
    pub(super) fn contains(&self, offset: u32) -> bool {
        offset >= self.start
    }

    fn offset_of(&self, block: u32) -> u32 {
        self.start + (block << BLOCK_SHIFT)
    }

    fn block_of(&self, offset: u32) -> u32 {
        (offset - self.start) >> BLOCK_SHIFT
    }

    /// Room for an object of up to [`MAX_SMALL_BYTES`]; `None` when no block is free.
    #[inline]
    pub(super) fn allocate_small(&mut self, bytes: u32) -> Option<u32> {
        if self.limit - self.cursor < bytes {
            self.find_room(bytes)?;
        }
        let offset = self.cursor;
        self.cursor += bytes;
        Some(offset)
    }

    /// Finds a hole of `bytes`. Smaller holes on the way are passed over; most objects are smaller
    /// than a line, and these fit everywhere.
    #[cold]
    fn find_room(&mut self, bytes: u32) -> Option<()> {
        loop {
            let (block, line) = match self.hole.take() {
                Some(place) => place,
                None => match self.partial.pop() {
                    Some(block) => (block, 0),
                    None => (self.take_block()?, 0),
                },
            };
            let marked = self.lines[block as usize];
            let Some((first, end)) = next_hole(marked, line) else { continue };
            self.hole = Some((block, end));
            let start = self.offset_of(block);
            (self.cursor, self.limit) =
                (start + (first << LINE_SHIFT), start + (end << LINE_SHIFT));
            if self.limit - self.cursor >= bytes {
                return Some(());
            }
        }
    }

    /// A free block, for small objects.
    fn take_block(&mut self) -> Option<u32> {
        if self.used_blocks >= self.max_blocks {
            return None;
        }
        let block = match self.free.pop() {
            Some(block) => block,
            None => self.add_block().ok()?,
        };
        self.used_blocks += 1;
        self.blocks[block as usize] = Block::Small;
        self.lines[block as usize] = 0;
        Some(block)
    }

    fn add_block(&mut self) -> Result<u32, OutOfMemory> {
        self.reserve(1)?;
        let block = u32::try_from(self.blocks.len()).expect("few blocks");
        self.blocks.push(Block::Free { touched: false });
        self.lines.push(0);
        Ok(block)
    }

    /// Sees to it that neither the use of so many blocks more nor a sweep needs memory of the system.
    pub(super) fn reserve(&mut self, blocks: usize) -> Result<(), OutOfMemory> {
        let total = self.blocks.len() + blocks;
        fallible::reserve(&mut self.blocks, total)?;
        fallible::reserve(&mut self.lines, total)?;
        fallible::reserve(&mut self.partial, total)?;
        fallible::reserve(&mut self.free, total)
    }

    /// Room for an object of any size above [`MAX_SMALL_BYTES`]: the first run of free blocks.
    pub(super) fn allocate_large(&mut self, bytes: u64) -> Option<u32> {
        let count = usize::try_from(bytes.div_ceil(BLOCK_BYTES.into())).ok()?;
        if count > self.max_blocks.saturating_sub(self.used_blocks) {
            return None;
        }
        let first = self.find_run(count)?;
        self.used_blocks += count;
        let blocks = u32::try_from(count).expect("few blocks");
        self.blocks[first..first + count].fill(Block::Rest);
        self.blocks[first] = Block::Large { blocks, marked: false };
        let taken = first..first + count;
        self.free.retain(|&block| !taken.contains(&(block as usize)));
        Some(self.offset_of(u32::try_from(first).expect("few blocks")))
    }

    /// The first of `count` free blocks in a row, of which the last ones may be new.
    fn find_run(&mut self, count: usize) -> Option<usize> {
        let mut first = 0;
        for (i, block) in self.blocks.iter().enumerate() {
            if !matches!(block, Block::Free { .. }) {
                first = i + 1;
            } else if i + 1 - first == count {
                return Some(first);
            }
        }
        let there_are = ((1u64 << 32) - u64::from(self.start)) >> BLOCK_SHIFT;
        if (first + count) as u64 > there_are {
            return None;
        }
        let added = (first + count).saturating_sub(self.blocks.len());
        self.reserve(added).ok()?;
        for _ in 0..added {
            self.add_block().ok()?;
        }
        Some(first)
    }

    /// Notes which lines of small objects, and which large objects, are marked. A line is when a
    /// marked object starts there, or when the last one of a line before reaches that far, for which
    /// alone the size of an object is looked at, where no other marked object starts behind it.
    pub(super) fn gather_marks(&mut self, marks: &MarkBits, size: impl Fn(u32) -> u32) {
        let start = self.start;
        for ((block, lines), i) in self.blocks.iter_mut().zip(&mut self.lines).zip(0..) {
            let at = start + (i << BLOCK_SHIFT);
            match block {
                Block::Large { marked, .. } => *marked = marks.contains(at),
                Block::Small => *lines = marked_lines(marks.block(at), at, &size),
                Block::Free { .. } | Block::Rest => {}
            }
        }
    }

    /// Frees what [`Self::gather_marks`] did not find marked, and starts to fill the holes from the
    /// first block on.
    pub(super) fn sweep(&mut self, memory: &mut HeapMemory) {
        self.partial.clear();
        self.free.clear();
        (self.cursor, self.limit, self.hole) = (0, 0, None);
        self.used_blocks = 0;
        let mut i = 0;
        while i < self.blocks.len() {
            let count = match self.blocks[i] {
                Block::Large { blocks, marked } if marked => {
                    self.used_blocks += blocks as usize;
                    blocks as usize
                }
                Block::Large { blocks, .. } => {
                    let end = i + blocks as usize;
                    self.blocks[i..end].fill(Block::Free { touched: true });
                    blocks as usize
                }
                Block::Small if self.lines[i] != 0 => {
                    self.used_blocks += 1;
                    if self.lines[i] != u128::MAX {
                        self.partial.push(u32::try_from(i).expect("few blocks"));
                    }
                    1
                }
                Block::Small => {
                    self.blocks[i] = Block::Free { touched: true };
                    1
                }
                Block::Free { .. } | Block::Rest => 1,
            };
            i += count;
        }
        self.partial.reverse();
        self.list_free(memory);
    }

    /// Lists the free blocks; those beyond a reserve lose their memory, those at the end vanish.
    fn list_free(&mut self, memory: &mut HeapMemory) {
        let is_free = |block: &Block| matches!(block, Block::Free { .. });
        let (mut kept, reserve) = (0, self.used_blocks.max(RESERVE_BLOCKS));
        for i in 0..self.blocks.len() {
            let block = u32::try_from(i).expect("few blocks");
            if let Block::Free { touched } = &mut self.blocks[i] {
                let was_touched = std::mem::take(touched);
                if was_touched && kept < reserve {
                    kept += 1;
                    *touched = true;
                } else if was_touched {
                    let at = u64::from(self.start) + ((i as u64) << BLOCK_SHIFT);
                    memory.release(at..at + u64::from(BLOCK_BYTES));
                }
                self.free.push(block);
            }
        }
        while self.blocks.last().is_some_and(is_free) {
            self.blocks.pop();
            self.lines.pop();
        }
        let len = self.blocks.len();
        self.free.retain(|&block| (block as usize) < len);
        self.free.reverse();
    }

    /// Whether an object has blocks of its own.
    pub(super) fn is_large(&self, offset: u32) -> bool {
        matches!(self.blocks[self.block_of(offset) as usize], Block::Large { .. })
    }

    /// Whether an object may start at an offset: used by the heap's check.
    pub(super) fn may_hold_object(&self, offset: u32) -> bool {
        let block = self.block_of(offset) as usize;
        match self.blocks.get(block) {
            Some(Block::Small) => true,
            Some(Block::Large { .. }) => offset == self.offset_of(self.block_of(offset)),
            Some(Block::Free { .. } | Block::Rest) | None => false,
        }
    }
}

/// The lines of the block at an offset that hold marked objects, by the words of its marks.
fn marked_lines(words: &[u64], at: u32, size: impl Fn(u32) -> u32) -> u128 {
    const _: () = assert!(BLOCK_WORDS * 2 == LINES as usize, "a word stands for two lines");
    let (low, high) = words.split_at(BLOCK_WORDS / 2);
    let starts = u128::from(line_starts(low)) | u128::from(line_starts(high)) << (LINES / 2);
    let mut lines = starts;
    // The last object of a block ends within it.
    let mut left = starts & !(starts >> 1) & !(1 << (LINES - 1));
    while left != 0 {
        let line = left.trailing_zeros();
        left &= left - 1;
        let word = words[(line / 2) as usize];
        let bits = if line.is_multiple_of(2) { word << 32 } else { word };
        let last = at + ((line + 1) << LINE_SHIFT) - OBJECT_ALIGN * (bits.leading_zeros() + 1);
        let end = (last + size(last) - 1 - at) >> LINE_SHIFT;
        let reached = (1u128 << (end - line)).wrapping_sub(1);
        lines |= reached << line << 1;
    }
    lines
}

/// A bit for each half of up to 32 words that is not 0.
fn line_starts(words: &[u64]) -> u64 {
    words.iter().rev().fold(0, |lines, &word| {
        let (low, high) = (word << 32 != 0, word >> 32 != 0);
        lines << 2 | u64::from(high) << 1 | u64::from(low)
    })
}

/// The first run of lines from `line` on that are not marked: its first line and the one behind.
fn next_hole(marked: u128, line: u32) -> Option<(u32, u32)> {
    if line >= LINES {
        return None;
    }
    let first = line + (!(marked >> line)).trailing_zeros();
    if first >= LINES {
        return None;
    }
    let end = first + (marked >> first).trailing_zeros();
    Some((first, end.min(LINES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_runs_of_free_lines() {
        assert_eq!(next_hole(0, 0), Some((0, LINES)));
        assert_eq!(next_hole(0, LINES), None);
        assert_eq!(next_hole(u128::MAX, 0), None);
        assert_eq!(next_hole(0b0011_0011, 0), Some((2, 4)));
        assert_eq!(next_hole(0b0011_0011, 4), Some((6, LINES)));
        assert_eq!(next_hole(1 << 127, 0), Some((0, 127)));
        assert_eq!(next_hole(1 << 127, 127), None);
    }

    fn space() -> (OldSpace, HeapMemory) {
        (OldSpace::new(1 << 20, 100), HeapMemory::new().unwrap())
    }

    #[test]
    fn holes_between_marked_objects_are_filled() {
        let (mut old, mut memory) = space();
        let objects: Vec<u32> = (0..256).map(|_| old.allocate_small(256).unwrap()).collect();
        assert_eq!(old.used_bytes(), 2 * u64::from(BLOCK_BYTES));
        let mut marks = MarkBits::new(old.end()).unwrap();
        for object in objects.iter().skip(1).step_by(2) {
            marks.marks().insert(*object);
        }
        old.gather_marks(&marks, |_| 256);
        old.sweep(&mut memory);
        let again: Vec<u32> = (0..128).map(|_| old.allocate_small(256).unwrap()).collect();
        assert_eq!(old.used_bytes(), 2 * u64::from(BLOCK_BYTES));
        let free: Vec<u32> = objects.iter().step_by(2).copied().collect();
        assert_eq!(again, free);
    }

    #[test]
    fn lines_are_marked_as_far_as_objects_reach() {
        const AT: u32 = 1 << 20;
        let lines = |objects: &[(u32, u32)]| {
            let mut marks = MarkBits::new(u64::from(AT + BLOCK_BYTES)).unwrap();
            objects.iter().for_each(|&(offset, _)| assert!(marks.marks().insert(AT + offset)));
            let size = |object| objects.iter().find(|&&(at, _)| AT + at == object).unwrap().1;
            marked_lines(marks.block(AT), AT, size)
        };
        assert_eq!(lines(&[]), 0);
        assert_eq!(lines(&[(0, 16), (240, 16)]), 0b1);
        assert_eq!(lines(&[(240, 24)]), 0b11);
        assert_eq!(lines(&[(248, 16), (512, 256)]), 0b111);
        assert_eq!(lines(&[(256, 1024), (3 * 256 + 8 + 512, 16)]), 0b11_1110);
        assert_eq!(lines(&[(504, 1000)]), 0b11_1110);
        assert_eq!(lines(&[(BLOCK_BYTES - 16, 16)]), 1 << 127);
        assert_eq!(lines(&[(BLOCK_BYTES / 2, BLOCK_BYTES / 2)]), !0 << 64);
        assert_eq!(lines(&[(0, BLOCK_BYTES / 2), (BLOCK_BYTES / 2, BLOCK_BYTES / 2)]), !0);
    }

    #[test]
    fn large_objects_take_runs_of_blocks_and_give_them_back() {
        let (mut old, mut memory) = space();
        let first = old.allocate_large(100_000).unwrap();
        let second = old.allocate_large(u64::from(BLOCK_BYTES)).unwrap();
        assert_eq!(second - first, 4 * BLOCK_BYTES);
        assert_eq!(old.allocate_large(96 * u64::from(BLOCK_BYTES)), None);
        let mut marks = MarkBits::new(old.end()).unwrap();
        marks.marks().insert(second);
        old.gather_marks(&marks, |_| BLOCK_BYTES);
        old.sweep(&mut memory);
        assert_eq!(old.used_bytes(), u64::from(BLOCK_BYTES));
        let small = old.allocate_small(16).unwrap();
        assert!(small < second);
        assert_eq!(old.allocate_large(u64::from(BLOCK_BYTES) * 3), Some(first + BLOCK_BYTES));
        assert!(old.may_hold_object(second) && !old.may_hold_object(second + 64));
    }

    #[test]
    fn there_is_an_end() {
        let mut old = OldSpace::new(1 << 20, 2);
        assert!((0..4).all(|_| old.allocate_small(MAX_SMALL_BYTES).is_some()));
        assert_eq!(old.allocate_small(16), None);
        assert_eq!(old.allocate_large(40_000), None);
        let mut huge = OldSpace::new(1 << 20, usize::MAX);
        assert_eq!(huge.allocate_large(1 << 32), None);
        assert!(huge.allocate_large((1 << 32) - (1 << 20)).is_some());
    }
}
