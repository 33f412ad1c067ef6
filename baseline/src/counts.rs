//! Exact counts: with [`block_counts`](upshift_abi::config::CodegenConfig::block_counts), how often
//! each basic block is entered is counted at its head.
//!
//! Blocks are those of fuel: one begins behind every label, branch and call, and at the entry.
//! [`CountedBlock`] says what a block is made of; the counters lie where hotness counters lie
//! otherwise, so the instance is the same.

use crate::compiler::FuncCompiler;
use crate::frame::{VMCTX_SLOT, slot_addr};
use crate::masm::{Addr, SCRATCH, Width};
use std::mem::offset_of;
use upshift_abi::code::CountedBlock;
use upshift_abi::layout::Instance;

impl FuncCompiler<'_> {
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
        self.asm.load_w(Width::W64, SCRATCH, slot_addr(VMCTX_SLOT));
        let counters = offset_of!(Instance, counters) as i32;
        self.asm.load_w(Width::W64, SCRATCH, Addr::Base(SCRATCH, counters));
        let counter = block.counter(module) as i32 * 8;
        self.asm.sub_mi_patchable(Width::W64, Addr::Base(SCRATCH, counter), -1);
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
