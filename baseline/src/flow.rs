//! How much of the code runs each time: what entries of the function and turns of its loops cost.
//!
//! How often the place at hand is reached for each entry of the function is carried along, by guesses
//! that need nothing but the code so far. A conditional branch forward is taken each second time, an
//! entry of a `br_table` as often as each other. What leaves a loop, also for the header of one around
//! it, does not do so at most turns, but what the loop was entered with comes out of it in the end.
//! Exceptions are caught seldom. Bytes of code count as often as they are reached; those of a loop are
//! its own.
//!
//! Against counts of executed operators (functions that execute two million or more; yosys, cc1,
//! nextpnr, CPython), half of the functions with loops are charged 0.75 to 1.3 times what they do,
//! nine of ten 0.5 to 2 times. By the sizes of their loops that is 0.6 to 3.7, and 0.25 to 13 times:
//! most of a large loop is skipped at each turn.

use crate::compiler::FuncCompiler;
use crate::control::Kind;

/// What is carried along.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// How often the place is reached.
    weight: f32,
    /// Bytes that were reached for each entry up to [`Self::seen`], without those of loops that are
    /// closed or around.
    bytes: f32,
    /// Size of the code that counts already.
    seen: u32,
}

/// What a control frame keeps of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameFlow {
    /// How often the frame was reached.
    entry: f32,
    /// How often its label is, by branches.
    label: f32,
    /// How often the condition of an `if` is false, as long as there was no `else`.
    other: f32,
    /// [`Flow::bytes`] before the loop.
    outside: f32,
    /// Loops that are open, this one included.
    loops: u32,
}

impl FrameFlow {
    /// Of a function's body.
    pub(crate) const FUNCTION: Self =
        Self { entry: 1.0, label: 0.0, other: 0.0, outside: 0.0, loops: 0 };
}

/// However many branches there are, nothing is rarer than that; far from where numbers lose precision.
const RAREST: f32 = 1e-30;
/// How often code runs that only exceptions lead to, for each entry of the block.
const SELDOM: f32 = 1.0 / 64.0;

impl Flow {
    /// At the entry of a function with so many bytes of code before.
    pub(crate) const fn at_entry(seen: u32) -> Self {
        Self { weight: 1.0, bytes: 0.0, seen }
    }
}

impl FuncCompiler<'_> {
    /// The code up to here has run as often as the place is reached.
    pub(crate) fn count_flow(&mut self) {
        let (size, flow) = (self.asm.size(), &mut self.flow);
        flow.bytes += flow.weight * (size - flow.seen) as f32;
        flow.seen = size;
    }

    /// A frame opens here.
    pub(crate) fn flow_into(&self) -> FrameFlow {
        let entry = self.flow.weight;
        FrameFlow { entry, loops: self.open_loops, ..FrameFlow::FUNCTION }
    }

    /// The header of the loop at `index`.
    pub(crate) fn flow_into_loop(&mut self, index: usize) {
        self.count_flow();
        let frame = &mut self.control.frame_mut(index).flow;
        frame.outside = std::mem::take(&mut self.flow.bytes);
    }

    /// Bytes of a turn of the loop at `index`, which ends here.
    pub(crate) fn flow_out_of_loop(&mut self, index: usize) -> u32 {
        self.count_flow();
        let frame = self.control.frame(index).flow;
        let turn = std::mem::replace(&mut self.flow.bytes, frame.outside) / frame.entry;
        self.flow.weight = frame.entry;
        turn as u32
    }

    /// Behind the condition of the `if` at `index`.
    pub(crate) fn flow_into_if(&mut self, index: usize) {
        self.count_flow();
        self.flow.weight = (self.flow.weight / 2.0).max(RAREST);
        self.control.frame_mut(index).flow.other = self.flow.weight;
    }

    /// The end of what comes before an `else`, or a `catch`, of the frame at `index`.
    pub(crate) fn flow_into_else(&mut self, index: usize) {
        self.count_flow();
        let frame = &mut self.control.frame_mut(index).flow;
        if !self.dead {
            frame.label += self.flow.weight;
        }
        // There is no condition before a `catch`.
        let other = std::mem::take(&mut frame.other);
        self.flow.weight = if other > 0.0 { other } else { (frame.entry * SELDOM).max(RAREST) };
    }

    /// The end of the frame at `index`, which is no loop.
    pub(crate) fn flow_to_end(&mut self, index: usize) {
        self.count_flow();
        let frame = self.control.frame(index).flow;
        let falls_through = if self.dead { 0.0 } else { self.flow.weight };
        let reached = falls_through + frame.label + frame.other;
        let reached = if reached > 0.0 { reached.min(frame.entry) } else { frame.entry * SELDOM };
        self.flow.weight = reached.max(RAREST);
    }

    /// One of `ways` branches goes to the frame at `index`; whether it stays in all loops.
    pub(crate) fn flow_to(&mut self, index: usize, ways: u32) -> bool {
        let stays = self.open_loops == self.control.frame(index).flow.loops;
        if self.control.frame(index).kind != Kind::Loop {
            let part = if stays { self.flow.weight / ways as f32 } else { self.flow.weight };
            self.control.frame_mut(index).flow.label += part;
        }
        stays
    }

    /// Behind a branch to the frame at `index`, which may be taken.
    pub(crate) fn flow_past(&mut self, index: usize) {
        self.count_flow();
        if self.flow_to(index, 2) {
            self.flow.weight = (self.flow.weight / 2.0).max(RAREST);
        }
    }

    /// What was emitted since the last call, or does not run: tables, and ways to handlers.
    pub(crate) fn skip_flow(&mut self) {
        self.flow.seen = self.asm.size();
    }

    /// Bytes that an entry of the function runs, without its loops, when all was compiled.
    pub(crate) fn flow_of_entry(&mut self) -> u32 {
        self.count_flow();
        self.flow.bytes as u32
    }
}
