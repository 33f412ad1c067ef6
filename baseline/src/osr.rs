//! Loop headers: which locals stay in registers around the loop, and the place of the poll.
//!
//! The header's state is fixed before the body is seen; the pre-scan of the body
//! ([`upshift_abi::scan`]) says which locals the loop touches most. They get registers (callee-saved
//! ones when the loop calls) and every back edge brings them back there; all other locals are in
//! their slots at the header. Operands are in their slots, too, so the header is a place where
//! optimised code can take over: an [`OsrEntry`] describes it.

use crate::compiler::FuncCompiler;
use crate::frame::RETURN_AREA_SLOT;
use crate::masm::{Addr, Cond, THREAD};
use crate::regs::{CALLEE_SAVED_GPRS, Holder, State, XMMS, regs_in};
use crate::value::{Reg, Ty, Value};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::code::{OsrEntry, OsrMap, OsrPlace};
use upshift_abi::index::MemoryIndex;
use upshift_abi::layout::ThreadContext;
use upshift_abi::module::Body;
use upshift_abi::scan::LoopScan;

/// General registers a loop without calls may keep: all but rax, rcx, rdx and two more, which
/// operators need.
const LOOP_GPRS: u32 = 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | CALLEE_SAVED_GPRS;
/// How many of them.
const MAX_LOOP_GPRS: u32 = 7;
/// How many vector registers a loop without calls may keep.
const MAX_LOOP_XMMS: u32 = 10;
/// Most operands of all OSR entries of a function together.
const MAX_OSR_OPERANDS: usize = 1 << 20;

impl<'a> FuncCompiler<'a> {
    /// The state at the header of the loop at hand.
    pub(crate) fn loop_header_state(&mut self) -> State {
        let mut state = State::EMPTY;
        if self.src.input.config.zeal_spill {
            return state;
        }
        let Some(scan) = self.next_scan() else { return state };
        let mut gprs = if scan.has_call { CALLEE_SAVED_GPRS } else { LOOP_GPRS };
        let mut gprs_left = if scan.has_call { 3 } else { MAX_LOOP_GPRS };
        let mut xmms = XMMS;
        let mut xmms_left = if scan.has_call { 0 } else { MAX_LOOP_XMMS };
        let mut memory_weight = if self.guarded_memory0() { scan.memory_weight } else { 0 };
        for entry in &*scan.locals {
            if memory_weight > 0 && memory_weight >= entry.weight && gprs_left > 0 {
                self.keep(&mut state, Holder::MEMORY0, false, &mut gprs);
                gprs_left -= 1;
                memory_weight = 0;
            }
            let ty = self.frame.locals[entry.local as usize].ty;
            let (set, left) = match ty {
                Ty::I32 | Ty::I64 => (&mut gprs, &mut gprs_left),
                Ty::F32 | Ty::F64 | Ty::V128 => (&mut xmms, &mut xmms_left),
                Ty::Ref => continue,
            };
            if *left > 0 && *set != 0 {
                self.keep(&mut state, Holder::local(entry.local), entry.written, set);
                *left -= 1;
            }
        }
        if gprs_left > 0 && memory_weight > 0 {
            self.keep(&mut state, Holder::MEMORY0, false, &mut gprs);
            gprs_left -= 1;
        }
        if gprs_left > 0
            && !scan.has_call
            && let Some(budget) = self.frame_budget
        {
            self.keep(&mut state, Holder::local(budget), true, &mut gprs);
            gprs_left -= 1;
        }
        if gprs_left > 0 {
            self.keep(&mut state, Holder::VMCTX, false, &mut gprs);
        }
        self.regs.saved |= state.used & CALLEE_SAVED_GPRS;
        state
    }

    /// Gives `holder` a register of `set`: the one it is in when that is possible.
    fn keep(&self, state: &mut State, holder: Holder, dirty: bool, set: &mut u32) {
        let now = regs_in(self.regs.state.used & *set).find(|&r| self.regs.holder(r) == holder);
        let unused = *set & !self.regs.state.used;
        let r = now
            .unwrap_or_else(|| Reg(if unused != 0 { unused } else { *set }.trailing_zeros() as u8));
        state.set(r, holder, dirty);
        *set &= !r.bit();
    }

    /// The scan of the loop at hand.
    fn next_scan(&mut self) -> Option<&'a LoopScan> {
        let body: &'a Body = &self.src.input.module.bodies[self.src.input.func.index()];
        let offset = (self.src.pc - body.range.start) as u32;
        while body.loops.get(self.src.next_loop).is_some_and(|scan| scan.offset < offset) {
            self.src.next_loop += 1;
        }
        body.loops.get(self.src.next_loop).filter(|scan| scan.offset == offset)
    }

    /// Whether memory 0 exists and its base never moves.
    pub(crate) fn guarded_memory0(&self) -> bool {
        let memory = self.src.input.module.memories.get(MemoryIndex(0).index());
        memory.is_some_and(|ty| self.src.input.config.memory_style(ty).has_fixed_base())
    }

    /// Poll, or its place, and hotness counter at the header of the loop whose frame is at `index`.
    pub(crate) fn loop_checks(&mut self, index: usize) {
        if self.src.input.config.loop_polls {
            let limit = Addr::Base(THREAD, offset_of!(ThreadContext, stack_limit) as i32);
            self.asm.cmp_rsp(limit);
            self.slow_call_if(Cond::B, Builtin::loop_poll);
        } else {
            self.tables.pcs.push((self.asm.pos(), self.src.pc as u32));
            self.tables.polls.push(self.asm.pos());
        }
        if self.src.input.config.counts_hotness() {
            self.loop_counter(index);
        }
    }

    /// The function's OSR map; `shift` is what offsets in the buffer exceed those from the entry by.
    pub(crate) fn osr_map(&mut self, shift: u32) -> OsrMap {
        let entries = std::mem::take(&mut self.tables.osr);
        if entries.is_empty() {
            return OsrMap::default();
        }
        let return_area = (self.src.conv.return_area_bytes > 0).then_some(RETURN_AREA_SLOT);
        let locals = self.frame_budget.map_or(self.frame.locals.len(), |budget| budget as usize);
        let local_slots = self.frame.locals[..locals].iter().map(|local| local.slot).collect();
        let entries = entries.into_iter().map(|(at, entry)| (at - shift, entry)).collect();
        OsrMap::new(return_area, local_slots, entries)
    }

    /// Where everything is at the header at hand; nothing when all entries of the function together
    /// would become too large, so that no input makes the tables grow with its square.
    pub(crate) fn osr_entry(&mut self) -> Option<OsrEntry> {
        self.osr_operands += self.stack.len();
        if self.osr_operands > MAX_OSR_OPERANDS {
            return None;
        }
        let state = &self.regs.state;
        let locals = regs_in(state.used).filter_map(|r| {
            let local = state.holders[r.index()].as_local()?;
            if Some(local) == self.frame_budget {
                return None;
            }
            let place = if r.is_float() { OsrPlace::Float(r.0 - 16) } else { OsrPlace::Int(r.0) };
            Some((local, place))
        });
        let operands = self.stack.iter().map(|operand| match operand.value() {
            Value::Const(bits) => OsrPlace::Const(bits),
            Value::Slot => OsrPlace::Slot(operand.slot()),
            Value::Reg(_) | Value::Local(_) | Value::Flags(_) => {
                unreachable!("operands are settled at a loop header")
            }
        });
        Some(OsrEntry {
            loop_offset: self.src.pc as u32,
            locals: locals.collect(),
            operands: operands.collect(),
        })
    }
}

#[cfg(test)]
mod tests;
