//! Fuel: what a basic block costs is charged when it is entered.
//!
//! The blocks and their costs are those of the baseline tier, so both tiers charge the same: a
//! block ends at every label, branch and call. The cost is not known at the head of the block, so
//! the charge is made with a constant that is replaced when the block ends.

use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Inst, InstBuilder, InstructionData, Opcode, types};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::layout::ThreadContext;

/// The charge at the head of the block at hand.
#[derive(Debug, Default)]
pub(crate) struct FuelState {
    /// Operators of the block so far that cost anything.
    count: u32,
    /// The constant of the charge.
    amount: Option<Inst>,
}

impl Translator<'_, '_> {
    /// Counts the operator at hand.
    pub(crate) fn count_fuel(&mut self) {
        if self.src.input.config.fuel {
            let free = upshift_abi::ops::is_free(self.opcode());
            self.fuel.count += u32::from(!free);
        }
    }

    /// Ends the block at hand and begins the next.
    pub(crate) fn charge_fuel(&mut self) {
        if !self.src.input.config.fuel {
            return;
        }
        self.finish_fuel();
        let thread = self.thread();
        let flags = self.regions.changing(self.builder.func, Region::Thread);
        let offset = crate::offset(offset_of!(ThreadContext, fuel));
        let fuel = self.builder.ins().load(types::I64, flags, thread, offset);
        let amount = self.builder.ins().iconst(types::I64, 0);
        self.fuel.amount = self.builder.func.dfg.value_def(amount).inst();
        let left = self.builder.ins().isub(fuel, amount);
        self.builder.ins().store(flags, left, thread, offset);
        let zero = self.builder.ins().iconst(types::I64, 0);
        let used_up = self.builder.ins().icmp(IntCC::SignedLessThan, left, zero);
        self.slow_call_if(used_up, Builtin::out_of_fuel);
    }

    /// Ends the block at hand.
    pub(crate) fn finish_fuel(&mut self) {
        if let Some(inst) = self.fuel.amount {
            self.builder.func.dfg.insts[inst] = InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm: i64::from(self.fuel.count).into(),
            };
        }
        self.fuel = FuelState::default();
    }
}
