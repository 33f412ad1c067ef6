//! Fuel: what a basic block costs is charged when it is entered.
//!
//! The cost is not known before the block was compiled, so the charge is emitted with a zero and
//! patched when the block ends. A block ends at every label, branch and call. Both tiers charge the
//! same, whatever traps in the middle of a block.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Cond, THREAD, Width};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::layout::ThreadContext;

/// The charge at the head of the block at hand.
#[derive(Debug, Default)]
pub(crate) struct FuelState {
    /// Operators of the block so far that cost anything.
    count: u32,
    /// Where the charge's 32-bit amount is; 0 before the first.
    charge_at: u32,
}

impl FuncCompiler<'_> {
    /// Counts the operator at hand.
    #[inline]
    pub(crate) fn count_fuel(&mut self) {
        if self.src.input.config.fuel {
            let free = upshift_abi::ops::is_free(self.peek(0));
            self.fuel.count += u32::from(!free);
        }
    }

    /// Ends the block at hand and begins the next.
    pub(crate) fn charge_fuel(&mut self) {
        self.count_block();
        if !self.src.input.config.fuel {
            return;
        }
        self.finish_fuel();
        let fuel = Addr::Base(THREAD, offset_of!(ThreadContext, fuel) as i32);
        self.asm.sub_mi_patchable(Width::W64, fuel, 0);
        self.fuel.charge_at = self.asm.pos() - 4;
        self.slow_call_if(Cond::S, Builtin::out_of_fuel);
    }

    /// Ends the block at hand.
    pub(crate) fn finish_fuel(&mut self) {
        if self.fuel.charge_at != 0 {
            self.asm.patch_i32(self.fuel.charge_at, self.fuel.count as i32);
        }
        self.fuel = FuelState::default();
    }
}
