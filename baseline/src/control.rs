//! Structured control: blocks, branches and their labels.
//!
//! At the start of every block all operands are put into their slots (constants excepted), so what
//! lies below a block never differs between the paths that meet at its label. A block's single
//! result travels in a register that the first jump chooses, several results in their slots.

mod frames;

pub(crate) use frames::{Control, ControlStack, StateId};
pub(crate) use upshift_abi::ops::BlockKind as Kind;

use crate::compiler::FuncCompiler;
use crate::handlers;
use crate::masm::{Cond, Label, Width};
use crate::value::{Operand, Ty, Value};
use frames::BlockSig;
use upshift_abi::hotness::{entry_cost, loop_cost};
use wasmparser::BlockType;

impl FuncCompiler<'_> {
    /// `block`
    pub(crate) fn block(&mut self, ty: BlockType) {
        self.open(Kind::Block, ty);
    }

    /// `loop`
    pub(crate) fn loop_(&mut self, ty: BlockType) {
        self.open_loops += 1;
        let index = self.open(Kind::Loop, ty);
        self.asm.keeps_lines = self.src.input.config.slow_jumps;
        self.control.frames[index].outer_hot = self.regs.hot;
        let header = self.loop_header_state();
        self.regs.hot = header.used;
        let id = self.control.new_state();
        *self.control.state_mut(id) = header;
        self.plan_edge(id, false);
        self.emit_moves();
        self.adopt(id);
        self.control.frames[index].state = Some(id);
        self.asm.bind(&mut self.control.frames[index].label);
        self.flow_into_loop(index);
        self.loop_checks(index);
        self.count_loop_turn();
        self.charge_fuel();
    }

    /// Notes where the cost of the loop at `index` is patched in.
    pub(crate) fn set_cost_place(&mut self, index: usize, at: u32) {
        self.control.frames[index].cost_at = Some(at);
    }

    /// `if`
    pub(crate) fn if_(&mut self, ty: BlockType) {
        let condition = self.pop();
        self.settle_all();
        let cond = self.condition(condition);
        let index = self.open(Kind::If, ty);
        let mut label = Label::new();
        self.asm.jcc(cond.negate(), &mut label);
        self.control.frames[index].else_label = label;
        self.control.frames[index].else_state = Some(self.save_state());
        self.flow_into_if(index);
        self.charge_fuel();
    }

    /// Settles all operands and opens a frame; returns its index.
    pub(crate) fn open(&mut self, kind: Kind, ty: BlockType) -> usize {
        self.settle_all();
        let sig = BlockSig::of(ty);
        let params = match sig {
            BlockSig::Empty | BlockSig::Result(_) => 0,
            BlockSig::Func(ty) => self.src.input.module.func_type_at(ty).params.len(),
        };
        let height = self.stack.len() - params;
        if matches!(kind, Kind::Loop | Kind::If) {
            // Other paths than this one bring their own parameters.
            for position in height..self.stack.len() {
                let operand = self.stack[position];
                self.copy_to_slot(operand, operand.slot());
                self.stack[position].set_value(Value::Slot);
            }
        }
        let (scope, flow) = (self.scope(), self.flow_into());
        self.control.push(Control { scope, flow, ..Control::new(kind, sig, height) });
        self.control.frames.len() - 1
    }

    /// The flags condition under which a popped `i32` is not zero.
    pub(crate) fn condition(&mut self, operand: Operand) -> Cond {
        if let Value::Flags(cond) = operand.value() {
            return cond;
        }
        let r = self.read_gpr(operand);
        self.asm.test_rr(Width::W32, r, r);
        Cond::NE
    }

    /// `else`
    pub(crate) fn else_(&mut self) {
        let index = self.control.frames.len() - 1;
        if !self.dead {
            self.jump_to_end(index);
        }
        self.flow_into_else(index);
        self.start_else(index);
        self.charge_fuel();
    }

    fn start_else(&mut self, index: usize) {
        let frame = self.control.frames[index];
        self.truncate(frame.height);
        self.push_slots(&frame.sig.params(self.src.input.module));
        let frame = &mut self.control.frames[index];
        frame.kind = Kind::Else;
        self.asm.bind(&mut frame.else_label);
        let id = frame.else_state.take().expect("an if saves its state");
        self.adopt(id);
        self.control.free(Some(id));
        self.dead = false;
    }

    /// Goes from the end of a branch of an `if` to the label behind it.
    pub(crate) fn jump_to_end(&mut self, index: usize) {
        self.plan_branch(index);
        self.emit_moves();
        self.asm.jmp(&mut self.control.frames[index].label);
    }

    /// `end`
    pub(crate) fn end(&mut self) {
        let index = self.control.frames.len() - 1;
        match self.control.frames[index].kind {
            Kind::Func | Kind::Inlined => return self.end_function(),
            Kind::Loop => return self.end_loop(index),
            Kind::If | Kind::Block | Kind::Else | Kind::TryTable => {}
            Kind::Try | Kind::Catch | Kind::CatchAll => {}
        }
        self.flow_to_end(index);
        if self.control.frames[index].kind == Kind::If {
            self.end_if(index);
        }
        let has_pads = self.control.frames[index].pads != handlers::NONE;
        if has_pads || self.control.frames[index].state.is_some() {
            if !self.dead {
                self.plan_branch(index);
                self.emit_moves();
                if has_pads {
                    self.jump(index);
                }
            }
            self.truncate(self.control.frames[index].height);
            if has_pads {
                self.landing_pads(index);
                self.skip_flow();
            }
            let frame = self.control.frames[index];
            let id = frame.state.expect("something goes to the label");
            self.asm.bind(&mut self.control.frames[index].label);
            self.adopt(id);
            self.control.free(Some(id));
            self.dead = false;
            self.push_results(&frame);
            self.charge_fuel();
        } else if self.dead {
            self.truncate(self.control.frames[index].height);
        }
        self.control.frames.pop();
    }

    /// An `if` without `else`: a false condition goes to the label behind it.
    fn end_if(&mut self, index: usize) {
        let frame = self.control.frames[index];
        let has_params = matches!(frame.sig, BlockSig::Func(_));
        let has_pads = frame.pads != handlers::NONE;
        if frame.state.is_none() && !has_params && !has_pads {
            let frame = &mut self.control.frames[index];
            frame.state = frame.else_state.take();
            frame.label = frame.else_label;
        } else {
            if !self.dead {
                self.jump_to_end(index);
            }
            self.start_else(index);
            if self.control.frames[index].state.is_none() && !has_pads {
                // Nothing else goes to the label, so this is where the block behind it begins.
                self.charge_fuel();
            }
        }
    }

    fn end_loop(&mut self, index: usize) {
        let frame = self.control.frames[index];
        let turn = self.flow_out_of_loop(index);
        self.patch_cost(frame.cost_at, loop_cost(turn));
        if frame.pads != handlers::NONE {
            self.loop_landing_pads(index);
            self.skip_flow();
        }
        self.regs.hot = frame.outer_hot;
        self.open_loops -= 1;
        self.asm.keeps_lines &= self.open_loops > 0;
        self.control.free(frame.state);
        if self.dead {
            self.truncate(frame.height);
        }
        self.control.frames.pop();
        if self.dead {
            return;
        }
        self.charge_fuel();
    }

    fn end_function(&mut self) {
        let has_pads = self.control.frames[0].pads != handlers::NONE;
        if !self.dead {
            self.plan_return();
            self.emit_moves();
            self.returns = true;
            if has_pads {
                self.jump(0);
            }
        }
        if has_pads {
            self.count_flow();
            self.truncate(0);
            self.landing_pads(0);
            self.skip_flow();
        }
        self.finish_fuel();
        let bytes = self.flow_of_entry();
        self.patch_cost(self.entry_cost_at, entry_cost(bytes, self.has_loops()));
        self.control.frames.pop();
        self.dead = true;
    }

    /// `br`
    pub(crate) fn br(&mut self, depth: u32) {
        let index = self.control.index_of(depth);
        self.flow_to(index, 1);
        self.branch_now(index);
        self.dead = true;
    }

    /// `return`
    pub(crate) fn return_(&mut self) {
        self.branch_now(0);
        self.dead = true;
    }

    pub(crate) fn branch_now(&mut self, index: usize) {
        self.plan_branch(index);
        self.emit_moves();
        self.jump(index);
    }

    /// The same from a landing pad, where hardly ever anybody is: it loads what the others have in registers.
    pub(crate) fn land(&mut self, index: usize) {
        self.plan_branch_to(index, false);
        self.emit_moves();
        self.jump(index);
    }

    fn jump(&mut self, index: usize) {
        if self.control.frames[index].kind == Kind::Func {
            self.returns = true;
            self.asm.jmp(&mut self.epilogue);
        } else {
            self.asm.jmp(&mut self.control.frames[index].label);
        }
    }

    fn jump_if(&mut self, cond: Cond, index: usize) {
        if self.control.frames[index].kind == Kind::Func {
            self.returns = true;
            self.asm.jcc(cond, &mut self.epilogue);
        } else {
            self.asm.jcc(cond, &mut self.control.frames[index].label);
        }
    }

    /// `br_if`
    pub(crate) fn br_if(&mut self, depth: u32) {
        let condition = self.pop();
        let cond = self.condition(condition);
        self.branch_if(cond, depth);
        self.charge_fuel();
    }

    /// Branches when `cond` holds; the operands stay for the path that goes on.
    pub(crate) fn branch_if(&mut self, cond: Cond, depth: u32) {
        let index = self.control.index_of(depth);
        self.flow_past(index);
        self.prepare_branch(index);
        if self.stores_results(index) {
            let mut skip = Label::new();
            self.asm.jcc(cond.negate(), &mut skip);
            self.branch_now(index);
            self.asm.bind(&mut skip);
            return;
        }
        self.plan_branch(index);
        if self.moves.is_empty() {
            return self.jump_if(cond, index);
        }
        let mut skip = Label::new();
        self.asm.jcc(cond.negate(), &mut skip);
        self.emit_moves();
        self.jump(index);
        self.asm.bind(&mut skip);
    }

    /// `br_table` with its targets, the default last.
    pub(crate) fn br_table(&mut self, targets: &wasmparser::BrTable<'_>) {
        let index = self.pop();
        let index = self.own_gpr(index);
        let count = targets.len();
        let default = self.control.index_of(targets.default());
        self.prepare_branch(default);
        for depth in targets.targets().flatten() {
            let target = self.control.index_of(depth);
            self.prepare_branch(target);
        }
        // An index beyond the table takes its last entry, the default.
        self.asm.mov_ri(crate::masm::SCRATCH, u64::from(count));
        self.asm.cmp_rr(Width::W32, index, crate::masm::SCRATCH);
        self.asm.cmov(Cond::A, Width::W32, index, crate::masm::SCRATCH);
        let mut table = Label::new();
        self.asm.jump_table(index, &mut table);
        self.count_flow();
        self.asm.pad_to(4);
        self.asm.bind(&mut table);
        let start = self.asm.pos();
        for _ in 0..=count {
            self.asm.data_i32(0);
        }
        self.control.table += 1;
        for (i, depth) in targets.targets().flatten().enumerate() {
            let target = self.control.index_of(depth);
            self.flow_to(target, count + 1);
            let edge = self.table_edge(target);
            self.asm.patch_i32(start + 4 * i as u32, edge.wrapping_sub(start) as i32);
        }
        self.flow_to(default, count + 1);
        let edge = self.table_edge(default);
        self.asm.patch_i32(start + 4 * count, edge.wrapping_sub(start) as i32);
        // One of the edges runs, which are a jump each, if that.
        self.skip_flow();
        self.dead = true;
    }

    /// The code that goes to the frame at `index`, made once for each `br_table`.
    fn table_edge(&mut self, index: usize) -> u32 {
        if let Some((table, edge)) = self.control.frames[index].table_edge
            && table == self.control.table
        {
            return edge;
        }
        let edge = self.asm.pos();
        self.control.frames[index].table_edge = Some((self.control.table, edge));
        self.branch_now(index);
        edge
    }

    /// Whether branches to a frame put their values into slots.
    fn stores_results(&self, index: usize) -> bool {
        let frame = &self.control.frames[index];
        match (frame.kind, frame.sig) {
            (Kind::Func, _) => self.src.conv.return_area_bytes > 0,
            (_, BlockSig::Empty | BlockSig::Result(_)) => false,
            (Kind::Loop, BlockSig::Func(_)) => true,
            (_, BlockSig::Func(ty)) => self.src.input.module.func_type_at(ty).results.len() != 1,
        }
    }

    /// Decides the state at a label that nothing jumped to yet. May evict, so it comes before code
    /// that runs on one path only.
    fn prepare_branch(&mut self, index: usize) {
        let frame = self.control.frames[index];
        if frame.kind == Kind::Func || frame.state.is_some() {
            return;
        }
        if !self.stores_results(index)
            && let Some(&ty) = frame.sig.results(self.src.input.module).first()
        {
            let top = *self.stack.last().expect("a branch has its operands");
            let result = match top.value() {
                Value::Reg(r) => r,
                Value::Const(_) | Value::Local(_) | Value::Slot | Value::Flags(_) => {
                    let r = self.alloc_for(ty);
                    self.regs.locked &= !r.bit();
                    r
                }
            };
            self.control.frames[index].result = Some(result);
        }
        self.control.frames[index].state = Some(self.save_state());
    }

    /// Saves what the registers cache now.
    pub(crate) fn save_state(&mut self) -> StateId {
        let id = self.control.new_state();
        self.regs.write_cached(self.control.state_mut(id));
        id
    }

    /// Plans a branch to a frame; values that travel in slots are stored at once.
    fn plan_branch(&mut self, index: usize) {
        self.plan_branch_to(index, true);
    }

    /// The same; when it `weakens`, the label's state loses what the present one lacks, if it can.
    fn plan_branch_to(&mut self, index: usize, weakens: bool) {
        self.prepare_branch(index);
        let frame = self.control.frames[index];
        if frame.kind == Kind::Func {
            return self.plan_return();
        }
        if self.stores_results(index) {
            self.store_results(&frame);
        } else if let Some(result) = frame.result {
            let top = *self.stack.last().expect("a branch has its operands");
            self.plan_operand(result, top);
        }
        let id = frame.state.expect("prepared");
        self.plan_edge(id, weakens && frame.kind != Kind::Loop);
    }

    /// Stores the operands of a branch into the slots they have at the label. Slots only move
    /// towards the bottom of the stack, so ascending order never overwrites one that is still read.
    fn store_results(&mut self, frame: &Control) {
        let module = self.src.input.module;
        let types = match frame.kind {
            Kind::Loop => frame.sig.params(module),
            _ => frame.sig.results(module),
        };
        let mut slot = match frame.height {
            0 => self.frame.operand_base(),
            height => self.stack[height - 1].slot(),
        };
        let first = self.stack.len() - types.len();
        for (i, ty) in types.iter().enumerate() {
            slot += ty.slot_bytes();
            self.copy_to_slot(self.stack[first + i], slot);
        }
    }

    /// Drops operands above `height`.
    pub(crate) fn truncate(&mut self, height: usize) {
        while self.stack.len() > height {
            self.pop();
        }
        self.regs.locked = 0;
    }

    fn push_slots(&mut self, types: &[Ty]) {
        for &ty in types {
            self.push(Value::Slot, ty);
        }
    }

    fn push_results(&mut self, frame: &Control) {
        let types = frame.sig.results(self.src.input.module);
        match frame.result {
            Some(r) => self.push(Value::Reg(r), types[0]),
            None => self.push_slots(&types),
        }
    }
}
