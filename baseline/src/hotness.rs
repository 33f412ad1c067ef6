//! Hotness counters: what a function's entry and the turns of its loops cost
//! ([`upshift_abi::hotness`]).
//!
//! Exactly, each goes down from the function's counter. With
//! [`work_budget`](upshift_abi::config::CodegenConfig::work_budget), only entries of functions with
//! loops do. Those of other functions go down from the thread's budget, and turns of loops from the
//! frame's, which is a local of its own behind those of the function: so it has a register where
//! one is left, and joins take care of it. Below zero, a stub that a few instructions behind
//! the function call refills the thread's budget, and charges the counter.

use crate::compiler::FuncCompiler;
use crate::frame::{VMCTX_SLOT, slot_addr};
use crate::masm::{Addr, Gpr, SCRATCH, THREAD, Width};
use crate::outline::builtin_addr;
use crate::regs::{Holder, regs_in};
use crate::value::{Reg, Ty};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::code::OsrEntry;
use upshift_abi::hotness::{EXACT_ENTRY_COST, FRAME_BUDGET};
use upshift_abi::layout::{Instance, ThreadContext};

const THREAD_BUDGET: Addr = Addr::Base(THREAD, offset_of!(ThreadContext, work_budget) as i32);

/// Bytes that subtract a number of 32 bits from a register.
const SUBTRACTION_BYTES: usize = 7;

/// What went below zero.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// None: the counter itself.
    Counter,
    /// The thread's.
    Thread,
    /// The frame's, which is in this register or in its slot.
    Frame(Option<Reg>),
}

/// Where something went below zero.
#[derive(Debug)]
pub(crate) struct HotSite {
    pub(crate) budget: Budget,
    /// The state, at a loop header.
    pub(crate) osr: Option<OsrEntry>,
}

impl FuncCompiler<'_> {
    /// Adds the local for the frame's budget, behind all others, when the function needs one.
    pub(crate) fn add_frame_budget(&mut self) {
        let config = self.src.input.config;
        if config.counts_hotness() && config.work_budget && self.has_loops() {
            self.frame_budget = Some(self.frame.locals.len() as u32);
            self.frame.add_local(Ty::I32);
        }
    }

    pub(crate) fn has_loops(&self) -> bool {
        let input = &self.src.input;
        !input.module.bodies[input.func.index()].loops.is_empty()
    }

    /// Takes the cost of the function's entry.
    pub(crate) fn entry_counter(&mut self) {
        if self.src.input.config.work_budget && !self.has_loops() {
            self.asm.sub_mi_patchable(Width::W32, THREAD_BUDGET, 0);
            self.entry_cost_at = Some(self.asm.pos() - 4);
            return self.hot_slow_path(Budget::Thread, None);
        }
        self.load_counters(self.cached_vmctx());
        if let Some(budget) = self.frame_budget {
            self.asm.sub_mi_patchable(Width::W32, self.counter(), 0);
            self.entry_cost_at = Some(self.asm.pos() - 4);
            let r = self.alloc_gpr();
            self.asm.load_w(Width::W32, r, self.counter());
            self.hot_slow_path(Budget::Counter, None);
            self.asm.and_ri(Width::W32, r, FRAME_BUDGET - 1);
            self.bind_local(budget, r.into(), true);
        } else {
            self.asm.sub_mi8(Width::W32, self.counter(), EXACT_ENTRY_COST);
            self.hot_slow_path(Budget::Counter, None);
        }
    }

    /// Takes the cost of a turn of the loop whose frame is at `index`.
    pub(crate) fn loop_counter(&mut self, index: usize) {
        // The cost is filled in when the size of the loop is known.
        let budget = match self.frame_budget {
            None => {
                self.load_counters(self.cached_vmctx());
                self.asm.sub_mi_patchable(Width::W32, self.counter(), 1);
                Budget::Counter
            }
            Some(budget) => {
                let local = self.frame.locals[budget as usize];
                match local.reg {
                    Some(r) => {
                        self.asm.keep_with_jump(SUBTRACTION_BYTES);
                        self.asm.sub_ri_patchable(Width::W32, r.gpr(), 1);
                        self.regs.state.dirty |= r.bit();
                    }
                    None => self.asm.sub_mi_patchable(Width::W32, slot_addr(local.slot), 1),
                }
                Budget::Frame(local.reg)
            }
        };
        self.set_cost_place(index, self.asm.pos() - 4);
        let osr = self.osr_entry();
        self.hot_slow_path(budget, osr);
    }

    /// Fills in a cost when it is known, if it is counted.
    pub(crate) fn patch_cost(&mut self, at: Option<u32>, cost: i32) {
        if let Some(at) = at {
            self.asm.patch_i32(at, cost);
        }
    }

    /// The register that has the vmctx at this place.
    pub(crate) fn cached_vmctx(&self) -> Option<Gpr> {
        let state = &self.regs.state;
        let found = regs_in(state.used).find(|r| state.holders[r.index()] == Holder::VMCTX);
        found.map(Reg::gpr)
    }

    /// Gets the counters' address into the scratch register, by a register that has the vmctx or
    /// else by its slot.
    pub(crate) fn load_counters(&mut self, vmctx: Option<Gpr>) {
        let base = vmctx.unwrap_or(SCRATCH);
        if vmctx.is_none() {
            self.asm.load_w(Width::W64, base, slot_addr(VMCTX_SLOT));
        }
        let counters = Addr::Base(base, offset_of!(Instance, counters) as i32);
        self.asm.load_w(Width::W64, SCRATCH, counters);
    }

    /// The function's counter, when the scratch register has the counters' address.
    fn counter(&self) -> Addr {
        Addr::Base(SCRATCH, self.counter_distance())
    }

    /// Where the function's counter is, behind the start of the counters.
    fn counter_distance(&self) -> i32 {
        self.src.input.func.0 as i32 * size_of::<i32>() as i32
    }

    /// Out of line, where all registers but the scratch one are as they were at the site: charges the
    /// counter when a budget was used up, and reports the function when the counter is below zero.
    pub(crate) fn emit_hot(&mut self, hot: HotSite, pc: u32) {
        let builtin = match hot.budget {
            Budget::Counter => Builtin::hot_function,
            Budget::Thread => Builtin::refill_budget,
            Budget::Frame(place) => {
                self.refill_frame_budget(place);
                Builtin::charge_budget
            }
        };
        if !matches!(hot.budget, Budget::Counter) {
            self.asm.mov_ri(SCRATCH, self.counter_distance().cast_unsigned().into());
        }
        self.tables.pcs.push((self.asm.pos(), pc));
        self.asm.call_mem(builtin_addr(builtin));
        if let Some(osr) = hot.osr {
            self.tables.osr.push((self.asm.pos(), osr));
        }
    }

    fn refill_frame_budget(&mut self, place: Option<Reg>) {
        if let Some(r) = place {
            self.asm.add_ri(Width::W32, r.gpr(), FRAME_BUDGET);
        } else {
            let budget = self.frame_budget.expect("the site has one");
            let slot = slot_addr(self.frame.locals[budget as usize].slot);
            self.asm.sub_mi_patchable(Width::W32, slot, -FRAME_BUDGET);
        }
    }
}
