//! Exact counts: with [`block_counts`](upshift_abi::config::CodegenConfig::block_counts), how often
//! each basic block is entered is counted at its head.
//!
//! Blocks are those of fuel: one begins behind every label, branch and call, and at the entry.
//! [`CountedBlock`] says what a block is made of; the counters lie where hotness counters lie
//! otherwise, so the instance is the same.
//!
//! With [`turn_counts`](upshift_abi::config::CodegenConfig::turn_counts), only entries and turns of
//! loops are, behind the hotness counters ([`upshift_abi::profile`]).

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, SCRATCH, Width};
use upshift_abi::code::CountedBlock;

impl FuncCompiler<'_> {
    /// Counts an entry of the function.
    pub(crate) fn count_entry(&mut self) {
        self.count_turn(None);
    }

    /// Counts a turn of the loop at hand. Behind the place where an OSR body takes over, which
    /// counts its first turn itself.
    pub(crate) fn count_loop_turn(&mut self) {
        self.count_turn(Some(self.src.pc));
    }

    fn count_turn(&mut self, loop_offset: Option<usize>) {
        if let Some(counter) = self.src.input.turn_counter(loop_offset, false) {
            self.add_one(counter as i32);
        }
    }

    /// Adds to the 64-bit counter at this place among the instance's counters.
    fn add_one(&mut self, at: i32) {
        self.load_counters(None);
        self.asm.sub_mi_patchable(Width::W64, Addr::Base(SCRATCH, at), -1);
    }

    /// Begins the block behind the operator at hand, or the first one.
    pub(crate) fn count_block(&mut self) {
        if !self.src.input.config.block_counts {
            return;
        }
        let module = self.src.input.module;
        let after = match self.src.pc {
            0 => module.bodies[self.src.input.func.index()].range.start as u32,
            pc => pc as u32,
        };
        // An operator that calls the engine more than once has one block behind it.
        if self.tables.blocks.last().is_some_and(|block| block.after == after) {
            return;
        }
        let block = CountedBlock { after, end: after };
        self.tables.blocks.push(block);
        self.add_one(block.counter(module) as i32 * 8);
    }

    /// The operator at hand belongs to the block at hand.
    #[inline]
    pub(crate) fn count_operator(&mut self) {
        if self.src.input.config.block_counts
            && let Some(block) = self.tables.blocks.last_mut()
        {
            block.end = self.src.pc as u32;
        }
    }
}
