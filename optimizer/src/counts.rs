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

impl Translator<'_, '_> {
    /// Counts an entry of the body at hand.
    pub(crate) fn count_entry(&mut self) {
        self.count_turn(None);
    }

    /// Counts a turn of the loop at hand.
    pub(crate) fn count_loop_turn(&mut self) {
        self.count_turn(Some(self.src.pc));
    }

    fn count_turn(&mut self, loop_offset: Option<usize>) {
        let Some(counter) = self.src.input.turn_counter(loop_offset, true) else { return };
        let counters = self.load_fixed(types::I64, self.vmctx, offset_of!(Instance, counters));
        let at = crate::offset(counter);
        let flags = self.regions.changing(self.builder.func, Region::Counters);
        let count = self.builder.ins().load(types::I64, flags, counters, at);
        let one = self.builder.ins().iconst(types::I64, 1);
        let more = self.builder.ins().iadd(count, one);
        self.builder.ins().store(flags, more, counters, at);
    }
}
