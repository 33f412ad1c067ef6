//! Inline maps: which code is that of another function, translated in place of a call.
//!
//! Each body that was inlined is a frame with the call that it stands for. A range holds from its
//! code offset up to the next one and names the innermost frame, or none. Example: function 3 has at
//! byte 0x120 of the module a call of function 7, inlined, which has at 0x204 one of function 9,
//! inlined too:
//!
//! ```text
//! frames:  0: { func 7, call 0x120, no parent }    1: { func 9, call 0x204, parent 0 }
//! ranges:  [(0x10, frame 0), (0x18, frame 1), (0x30, no frame)]
//! ```
//!
//! The code at 0x20 is at some operator of 9, called at 0x204 of 7, called at 0x120 of 3.

use crate::index::DefinedFuncIndex;

/// No frame: the function's own code.
const NONE: u32 = u32::MAX;

/// A body in place of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlineFrame {
    /// Whose body.
    pub func: DefinedFuncIndex,
    /// Offset in the module of the call that it stands for.
    pub call: u32,
    /// The frame that the call lies in; none when the function itself makes it.
    pub parent: Option<u32>,
}

/// Inlined bodies by code offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InlineMap {
    frames: Vec<InlineFrame>,
    ranges: Vec<(u32, u32)>,
}

impl InlineMap {
    /// A map from frames, each behind its parent, and ranges in ascending order.
    ///
    /// # Panics
    /// When they are not.
    #[must_use]
    pub fn new(frames: Vec<InlineFrame>, ranges: &[(u32, Option<u32>)]) -> Self {
        assert!(ranges.is_sorted_by_key(|range| range.0), "ranges ascend");
        for (i, frame) in frames.iter().enumerate() {
            assert!(frame.parent.is_none_or(|parent| (parent as usize) < i), "parents come first");
        }
        let ranges = ranges.iter().map(|&(at, frame)| (at, frame.unwrap_or(NONE))).collect();
        Self { frames, ranges }
    }

    /// The frames around the code at `offset`, innermost first.
    pub fn lookup(&self, offset: u32) -> impl Iterator<Item = InlineFrame> + '_ {
        let after = self.ranges.partition_point(|range| range.0 <= offset);
        let innermost = after.checked_sub(1).and_then(|i| self.frame(self.ranges[i].1));
        std::iter::successors(innermost, |frame| self.frame(frame.parent?))
    }

    fn frame(&self, index: u32) -> Option<InlineFrame> {
        self.frames.get(index as usize).copied()
    }

    /// All bodies that were inlined, in the order of their calls.
    #[must_use]
    pub fn frames(&self) -> &[InlineFrame] {
        &self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> InlineMap {
        let frame = |func, call, parent| InlineFrame { func: DefinedFuncIndex(func), call, parent };
        let frames = vec![frame(7, 0x120, None), frame(9, 0x204, Some(0))];
        InlineMap::new(frames, &[(0x10, Some(0)), (0x18, Some(1)), (0x30, None)])
    }

    #[test]
    fn frames_come_innermost_first() {
        let map = example();
        let funcs = |offset| map.lookup(offset).map(|frame| frame.func.0).collect::<Vec<_>>();
        assert_eq!(funcs(0x0f), []);
        assert_eq!(funcs(0x10), [7]);
        assert_eq!(funcs(0x2f), [9, 7]);
        assert_eq!(funcs(0x30), []);
    }

    #[test]
    #[should_panic(expected = "parents come first")]
    fn a_frame_is_not_its_own_parent() {
        let frame = InlineFrame { func: DefinedFuncIndex(0), call: 0, parent: Some(0) };
        let _ = InlineMap::new(vec![frame], &[]);
    }
}
