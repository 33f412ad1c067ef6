//! Counts of entries and of turns of loops, when
//! [`turn_counts`](upshift_abi::config::CodegenConfig::turn_counts) asks for them.
//!
//! The counters are those of [`upshift_abi::profile`]. A body that was inlined counts as the function
//! that it is of.

use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::{InstBuilder, types};
use std::mem::offset_of;
use upshift_abi::layout::Instance;
use upshift_abi::profile::turn_word;

impl Translator<'_, '_> {
    /// Counts an entry of the body at hand.
    pub(crate) fn count_entry(&mut self) {
        self.count_turn(None);
    }

    /// Counts a turn of the loop at hand.
    pub(crate) fn count_loop_turn(&mut self) {
        let input = self.src.input;
        if input.config.counts_turns() {
            let body = &input.module.bodies[input.func.index()];
            let position = u32::try_from(self.src.pc).ok().and_then(|pc| body.loop_position(pc));
            if position.is_some() {
                self.count_turn(position);
            }
        }
    }

    fn count_turn(&mut self, position: Option<usize>) {
        let input = self.src.input;
        if !input.config.counts_turns() {
            return;
        }
        let counters = self.load_fixed(types::I64, self.vmctx, offset_of!(Instance, counters));
        let at = crate::offset(turn_word(input.module, input.func, position, true) * 4);
        let flags = self.regions.changing(self.builder.func, Region::Counters);
        let count = self.builder.ins().load(types::I64, flags, counters, at);
        let one = self.builder.ins().iconst(types::I64, 1);
        let more = self.builder.ins().iadd(count, one);
        self.builder.ins().store(flags, more, counters, at);
    }
}
