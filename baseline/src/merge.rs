//! Joining control flow: bringing the register file into the state that a label expects.
//!
//! The first jump to a forward label makes the state there ([`FuncCompiler::freeze`]). Later jumps
//! conform. Until the label is bound its state may still be weakened for free: a clean cached value
//! that a later jump lacks is dropped, and a dirty mark that a later jump brings is added, as both
//! hold for the jumps that were emitted before. A loop's state is fixed when its header is bound.
//!
//! What remains to be done on an edge is a list of stores, one parallel move and loads
//! ([`MoveList`]); it reads the present state and does not change it, so that the path on which a
//! conditional jump is not taken goes on as it was.

use crate::compiler::FuncCompiler;
use crate::control::StateId;
use crate::frame::{Frame, VMCTX_SLOT, slot_addr};
use crate::masm::{Addr, SCRATCH, Width, XSCRATCH};
use crate::regs::{Holder, REG_COUNT, RegFile, State, regs_in};
use crate::value::{Operand, Reg, Ty, Value};
use std::mem::offset_of;
use upshift_abi::layout::{Instance, MemorySlot};

/// Where a moved value comes from when it is in no register.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// Constant bits.
    Const(Ty, u64),
    /// A frame slot.
    Slot(Ty, u32),
    /// What the vmctx, which is in its slot, has at an offset.
    Instance(i32),
}

/// What an edge has to do.
#[derive(Debug, Default)]
pub(crate) struct MoveList {
    /// Registers to store to slots first.
    stores: Vec<(Reg, Ty, u32)>,
    /// Register moves that happen all at once: destination, source.
    moves: Vec<(Reg, Reg)>,
    /// Loads that happen last.
    loads: Vec<(Reg, Source)>,
}

impl MoveList {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.stores.clear();
        self.moves.clear();
        self.loads.clear();
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.stores.is_empty() && self.moves.is_empty() && self.loads.is_empty()
    }

    /// Adds a register move.
    pub(crate) fn push_move(&mut self, d: Reg, s: Reg) {
        if d != s {
            self.moves.push((d, s));
        }
    }

    /// Adds a load.
    pub(crate) fn push_load(&mut self, d: Reg, source: Source) {
        self.loads.push((d, source));
    }
}

/// What registers and slots hold where an edge begins.
struct Present<'c> {
    regs: &'c RegFile,
    frame: &'c Frame,
}

impl Present<'_> {
    /// Drops from `state` what this edge lacks, where that costs nothing.
    fn weaken(&self, state: &mut State, same: u32) {
        for r in regs_in(state.used & !same & !state.dirty & !self.regs.hot) {
            if self.register_of(state.holders[r.index()]).is_none() {
                state.clear(r);
            }
        }
    }

    /// Dirty locals that `state` does not keep dirty go to their slots.
    fn plan_stores(&self, state: &State, same: u32, moves: &mut MoveList) {
        for r in regs_in(self.regs.state.dirty & !(same & state.dirty)) {
            let holder = self.regs.holder(r);
            if !regs_in(state.dirty).any(|t| state.holders[t.index()] == holder) {
                let index = holder.as_local().expect("only locals are dirty");
                let local = self.frame.locals[index as usize];
                moves.stores.push((r, local.ty, local.slot));
            }
        }
    }

    fn plan_holder(&self, r: Reg, holder: Holder, moves: &mut MoveList) {
        if let Some(now) = self.register_of(holder) {
            return moves.push_move(r, now);
        }
        let source = if let Some(index) = holder.as_local() {
            let local = self.frame.locals[index as usize];
            Source::Slot(local.ty, local.slot)
        } else if holder == Holder::VMCTX {
            Source::Slot(Ty::I64, VMCTX_SLOT)
        } else if holder == Holder::MEMORY0 {
            let base = offset_of!(Instance, memory0) + offset_of!(MemorySlot, base);
            Source::Instance(base as i32)
        } else {
            Source::Instance(offset_of!(Instance, heap) as i32)
        };
        moves.push_load(r, source);
    }

    /// The register that caches `holder` now.
    fn register_of(&self, holder: Holder) -> Option<Reg> {
        match holder.as_local() {
            Some(index) => self.frame.locals[index as usize].reg,
            None => {
                let state = &self.regs.state;
                regs_in(state.used).find(|r| state.holders[r.index()] == holder)
            }
        }
    }
}

impl FuncCompiler<'_> {
    /// Adds the move of a popped (or still present) operand to register `d`.
    pub(crate) fn plan_operand(&mut self, d: Reg, operand: Operand) {
        match operand.value() {
            Value::Const(bits) => self.moves.push_load(d, Source::Const(operand.ty(), bits)),
            Value::Reg(s) => self.moves.push_move(d, s),
            Value::Slot => self.moves.push_load(d, Source::Slot(operand.ty(), operand.slot())),
            Value::Local(index) => {
                let local = self.frame.locals[index as usize];
                match local.reg {
                    Some(s) => self.moves.push_move(d, s),
                    None => self.moves.push_load(d, Source::Slot(local.ty, local.slot)),
                }
            }
            Value::Flags(_) => unreachable!("flags are settled before values move"),
        }
    }

    /// Plans what leads from the present state to the one of `target`, weakening that one where it
    /// is still open.
    pub(crate) fn plan_edge(&mut self, target: StateId, open: bool) {
        let now = Present { regs: &self.regs, frame: &self.frame };
        let state = self.control.state_mut(target);
        let same = state.same(&now.regs.state);
        if open {
            state.dirty |= now.regs.state.dirty & same & state.used;
            now.weaken(state, same);
        }
        now.plan_stores(state, same, &mut self.moves);
        for r in regs_in(state.used & !same) {
            now.plan_holder(r, state.holders[r.index()], &mut self.moves);
        }
    }

    /// Emits and empties the list. Leaves the flags alone.
    pub(crate) fn emit_moves(&mut self) {
        if self.moves.is_empty() {
            return;
        }
        for i in 0..self.moves.stores.len() {
            let (r, ty, slot) = self.moves.stores[i];
            self.store_slot(slot, ty, r);
        }
        if !self.moves.moves.is_empty() {
            self.parallel_move();
        }
        for i in 0..self.moves.loads.len() {
            let (r, source) = self.moves.loads[i];
            match source {
                Source::Const(ty, bits) => self.load_const(r, ty, bits),
                Source::Slot(ty, slot) => self.load_slot(r, ty, slot),
                Source::Instance(offset) => {
                    self.asm.load_w(Width::W64, r.gpr(), slot_addr(VMCTX_SLOT));
                    self.asm.load_w(Width::W64, r.gpr(), Addr::Base(r.gpr(), offset));
                }
            }
        }
        self.moves.clear();
    }

    /// Performs all register moves as if at once: moves into registers that no pending move reads
    /// come first; what is left are cycles, broken through the scratch registers.
    fn parallel_move(&mut self) {
        const NONE: u8 = u8::MAX;
        let mut source_of = [NONE; REG_COUNT];
        let mut readers = [0u8; REG_COUNT];
        let mut pending = 0u32;
        for &(d, s) in &self.moves.moves {
            debug_assert!(source_of[d.index()] == NONE, "one value for each register");
            source_of[d.index()] = s.0;
            readers[s.index()] += 1;
            pending |= d.bit();
        }
        while pending != 0 {
            let ready = regs_in(pending).find(|d| readers[d.index()] == 0);
            let d = match ready {
                Some(d) => d,
                None => {
                    let d = Reg(pending.trailing_zeros() as u8);
                    // Every pending register is read: park this one's old value for its readers.
                    let parked: Reg = if d.is_float() { XSCRATCH.into() } else { SCRATCH.into() };
                    self.move_reg(parked, d);
                    for source in source_of.iter_mut().filter(|source| **source == d.0) {
                        *source = parked.0;
                    }
                    readers[parked.index()] = readers[d.index()];
                    readers[d.index()] = 0;
                    d
                }
            };
            let s = Reg(source_of[d.index()]);
            self.move_reg(d, s);
            readers[s.index()] -= 1;
            pending &= !d.bit();
        }
    }

    /// Makes a saved state the present state.
    pub(crate) fn adopt(&mut self, id: StateId) {
        let state = self.control.state_mut(id);
        let same = state.same(&self.regs.state);
        for r in regs_in(self.regs.state.used & !same) {
            if let Some(index) = self.regs.holder(r).as_local() {
                self.frame.locals[index as usize].reg = None;
            }
            self.regs.release(r);
        }
        for r in regs_in(state.used & !same) {
            let holder = state.holders[r.index()];
            self.regs.cache(r, holder, false);
            if let Some(index) = holder.as_local() {
                self.frame.locals[index as usize].reg = Some(r);
            }
        }
        self.regs.state.dirty = state.dirty;
    }
}
