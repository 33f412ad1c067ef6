//! Calls of functions and of the runtime.

use crate::compiler::{FuncCompiler, Safepoint};
use crate::frame::{RETURN_AREA_SLOT, VMCTX_SLOT, slot_addr};
use crate::masm::{
    Addr, Cond, Gpr, Label, Prec, RAX, RBP, RDI, RSP, SCRATCH, THREAD, Width, XSCRATCH,
};
use crate::merge::Source;
use crate::outline::{TailCall, builtin_addr};
use crate::regs::CALLEE_SAVED_GPRS;
use crate::value::{Operand, Reg, Ty, Value};
use smallvec::SmallVec;
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::code::{Reloc, RelocTarget};
use upshift_abi::conv::{CallLayout, ValueLoc};
use upshift_abi::index::{FuncIndex, TableIndex, TypeIndex};
use upshift_abi::layout::{FuncImport, FuncRef, Instance, ThreadContext};
use upshift_abi::profile::site_word;
use upshift_abi::trap::Trap;

/// An argument of a builtin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BuiltinArg {
    /// A constant.
    Imm(u64),
    /// A popped operand.
    Operand(Operand),
}

/// Registers that no arguments are passed in.
const CALLEES: u32 = 1 << 0 | 1 << 10 | CALLEE_SAVED_GPRS;
/// The register of a record whose call is profiled.
const PROFILED: Gpr = Gpr(10);

/// Who is called.
#[derive(Clone, Copy, Debug)]
enum Callee {
    /// A function of the module, or an import.
    Func(FuncIndex),
    /// The function whose record a register points to.
    Record(Gpr),
    /// The same, which may be null.
    Reference(Gpr),
}

impl FuncCompiler<'_> {
    /// `call`
    pub(crate) fn call(&mut self, func: FuncIndex) {
        self.zeal_exception();
        self.call_function(Callee::Func(func), self.src.input.module.funcs[func.index()]);
    }

    /// `call_indirect`
    pub(crate) fn call_indirect(&mut self, ty: TypeIndex, table: TableIndex) {
        self.zeal_exception();
        let record = self.indirect_callee(ty, table);
        let record = self.profile_call(record);
        self.call_function(Callee::Record(record), ty);
    }

    /// `return_call`
    pub(crate) fn return_call(&mut self, func: FuncIndex) {
        self.tail_call(Callee::Func(func), self.src.input.module.funcs[func.index()]);
    }

    /// `return_call_indirect`
    pub(crate) fn return_call_indirect(&mut self, ty: TypeIndex, table: TableIndex) {
        let record = self.indirect_callee(ty, table);
        self.tail_call(Callee::Record(record), ty);
    }

    /// Pops an index; the register with the record of the function there, of the right type. It is
    /// none that arguments are passed in.
    fn indirect_callee(&mut self, ty: TypeIndex, table: TableIndex) -> Gpr {
        let index = self.pop();
        let index = self.read_gpr(index);
        let element = self.table_element(table, index, Trap::UndefinedElement);
        let record = self.alloc_callee();
        self.asm.load_w(Width::W64, record, Addr::Base(element, 0));
        let vmctx = self.vmctx();
        let ids = Addr::Base(vmctx, offset_of!(Instance, type_ids) as i32);
        self.asm.load_w(Width::W64, SCRATCH, ids);
        self.asm.load_w(Width::W32, SCRATCH, Addr::Base(SCRATCH, ty.0 as i32 * 4));
        // A null record faults here.
        self.note_trap(Trap::UninitializedElement);
        let id = Addr::Base(record, offset_of!(FuncRef, type_id) as i32);
        self.asm.cmp_rm(Width::W32, SCRATCH, id);
        if self.src.input.module.types[ty.index()].is_final {
            self.trap_if(Cond::NE, Trap::BadSignature);
        } else {
            self.check_supertype(record, ty);
        }
        self.regs.locked = Reg::from(record).bit();
        record
    }

    /// After the comparison of a record's type with the expected one, whose number the scratch
    /// register holds: a type below it has that number among its supertypes, at its depth.
    fn check_supertype(&mut self, record: Gpr, ty: TypeIndex) {
        let mut same = Label::new();
        let supertypes = self.alloc_gpr();
        self.asm.jcc(Cond::E, &mut same);
        let place = Addr::Base(record, offset_of!(FuncRef, supertypes) as i32);
        self.asm.load_w(Width::W64, supertypes, place);
        let depth = self.src.input.module.supertype_depth(ty);
        let id = Addr::Base(supertypes, depth as i32 * size_of::<u32>() as i32);
        self.asm.cmp_rm(Width::W32, SCRATCH, id);
        self.trap_if(Cond::NE, Trap::BadSignature);
        self.asm.bind(&mut same);
    }

    /// `call_ref`
    pub(crate) fn call_ref(&mut self, ty: TypeIndex) {
        self.zeal_exception();
        let record = self.referred_callee();
        let record = self.profile_call(record);
        self.call_function(Callee::Reference(record), ty);
    }

    /// Notes in the profile of the call at hand whom it calls. Gives the register that has the record then.
    fn profile_call(&mut self, record: Gpr) -> Gpr {
        let Some(site) = self.profiled_site() else { return record };
        if record != PROFILED {
            let profiled = self.alloc(Reg::from(PROFILED).bit());
            self.asm.mov_rr(Width::W64, PROFILED, record);
            self.regs.locked = profiled.bit();
        }
        self.asm.mov_ri(SCRATCH, (site * size_of::<u32>()) as u64);
        self.asm.call_mem(builtin_addr(Builtin::note_call_target));
        PROFILED
    }

    /// How many words behind the counters the profile of the operator at hand begins, if it has one.
    pub(crate) fn profiled_site(&self) -> Option<usize> {
        let module = self.src.input.module;
        if !self.src.input.config.counts_hotness() {
            return None;
        }
        Some(site_word(module.bodies.len(), module.call_site(self.src.pc)?))
    }

    /// `return_call_ref`
    pub(crate) fn return_call_ref(&mut self, ty: TypeIndex) {
        let record = self.referred_callee();
        self.tail_call(Callee::Reference(record), ty);
    }

    /// Pops a function reference into a register that no arguments are passed in.
    fn referred_callee(&mut self) -> Gpr {
        let reference = self.pop();
        let record = self.alloc_callee();
        self.load_into(record.into(), reference);
        self.regs.locked = Reg::from(record).bit();
        record
    }

    /// A register that no arguments are passed in, where there is a choice that for profiles.
    fn alloc_callee(&mut self) -> Gpr {
        let profiled = Reg::from(PROFILED).bit();
        let free = self.regs.locked & profiled == 0;
        self.alloc(if free { profiled } else { CALLEES }).gpr()
    }

    fn call_function(&mut self, callee: Callee, ty: TypeIndex) {
        let conv = self.src.input.layout.call(ty);
        self.frame.need_outgoing(conv.stack_args_bytes + conv.return_area_bytes);
        self.place_arguments(conv, true);
        if conv.return_area_bytes > 0 {
            self.asm.lea_disp(Width::W64, RDI, RSP, conv.stack_args_bytes as i32);
        }
        self.note_pc();
        match self.load_callee(callee, conv) {
            Target::Slot(func) => {
                let offset = self.asm.call_slot();
                self.tables.relocs.push(Reloc { offset, target: RelocTarget::EntrySlot(func) });
            }
            Target::Code(mem) => self.asm.call_mem(mem),
        }
        self.note_handlers();
        self.after_call();
        if conv.stack_args_bytes > 0 {
            self.asm.sub_rsp(conv.stack_args_bytes as i32);
        }
        self.push_call_results(conv, ty);
        self.charge_fuel();
    }

    /// Everything that a call changes: registers, calls seen, the stack map.
    fn after_call(&mut self) {
        self.note_safepoint();
        self.end_call();
    }

    /// Registers hold what a call left in them.
    pub(crate) fn end_call(&mut self) {
        self.makes_calls = true;
        self.forget_after_call();
        self.regs.locked = 0;
    }

    /// Moves the arguments on top of the stack to where `conv` wants them, and the vmctx of this
    /// function to the scratch register. Saves what the call destroys, and for a call that
    /// `returns` what its handlers need.
    fn place_arguments(&mut self, conv: &CallLayout, returns: bool) {
        let count = conv.params.len();
        let args: SmallVec<[Operand; 8]> = (0..count).map(|_| self.pop()).collect();
        self.flush_for_call(returns);
        for (arg, loc) in args.iter().rev().zip(&conv.params) {
            if let ValueLoc::Memory(offset) = *loc {
                self.store_value(*arg, Addr::Base(RSP, offset as i32));
            }
        }
        for (arg, loc) in args.iter().rev().zip(&conv.params) {
            match *loc {
                ValueLoc::Int(r) => self.plan_operand(Reg(r), *arg),
                ValueLoc::Float(r) => self.plan_operand(Reg(r + 16), *arg),
                ValueLoc::Memory(_) => {}
            }
        }
        self.emit_moves();
    }

    /// Stores an operand, references and integers with 64 bits.
    pub(crate) fn store_value(&mut self, arg: Operand, mem: Addr) {
        let r: Reg = match arg.value() {
            Value::Reg(r) => r,
            _ => {
                let r: Reg = if arg.ty().is_float() { XSCRATCH.into() } else { SCRATCH.into() };
                self.load_into(r, arg);
                r
            }
        };
        match arg.ty() {
            Ty::I32 | Ty::I64 | Ty::Ref => self.asm.store_w(Width::W64, mem, r.gpr()),
            Ty::F32 | Ty::F64 => self.asm.fstore(arg.ty().prec(), mem, r.xmm()),
            Ty::V128 => self.asm.vstore(mem, r.xmm()),
        }
    }

    /// Loads the callee's vmctx and says where its code is. Calls that may leave the module record
    /// this function's vmctx as the caller.
    fn load_callee(&mut self, callee: Callee, conv: &CallLayout) -> Target {
        let vmctx = Gpr(conv.vmctx);
        let module = self.src.input.module;
        if let Callee::Func(func) = callee
            && let Some(defined) = module.defined_func(func)
        {
            self.asm.load_w(Width::W64, vmctx, slot_addr(VMCTX_SLOT));
            return Target::Slot(defined);
        }
        self.asm.load_w(Width::W64, SCRATCH, slot_addr(VMCTX_SLOT));
        let caller = Addr::Base(THREAD, offset_of!(ThreadContext, caller) as i32);
        self.asm.store_w(Width::W64, caller, SCRATCH);
        let (base, offset) = match callee {
            Callee::Func(func) => (SCRATCH, self.src.input.layout.imported_func(func) as i32),
            Callee::Record(r) | Callee::Reference(r) => (r, 0),
        };
        const _: () = assert!(offset_of!(FuncImport, code) == offset_of!(FuncRef, code));
        const _: () = assert!(offset_of!(FuncImport, vmctx) == offset_of!(FuncRef, vmctx));
        let callee_vmctx = Addr::Base(base, offset + offset_of!(FuncRef, vmctx) as i32);
        if matches!(callee, Callee::Reference(_)) {
            // A null record faults here.
            self.note_trap(Trap::NullFunctionReference);
        }
        self.asm.load_w(Width::W64, vmctx, callee_vmctx);
        Target::Code(Addr::Base(base, offset + offset_of!(FuncRef, code) as i32))
    }

    fn push_call_results(&mut self, conv: &CallLayout, ty: TypeIndex) {
        let ty = self.src.input.module.func_type_at(ty);
        for (result, loc) in ty.results.iter().zip(&conv.results) {
            let ty = Ty::of(*result);
            match *loc {
                ValueLoc::Int(r) => {
                    let r = Gpr(r);
                    if ty == Ty::I32 {
                        self.asm.mov_rr(Width::W32, r, r);
                    }
                    self.push_gpr(r, ty);
                }
                ValueLoc::Float(r) => self.push(Value::Reg(Reg(r + 16)), ty),
                ValueLoc::Memory(offset) => {
                    let from = Addr::Base(RSP, (conv.stack_args_bytes + offset) as i32);
                    self.asm.vload_part(XSCRATCH, from, ty == Ty::V128);
                    self.push(Value::Slot, ty);
                    let slot = self.stack.last().expect("just pushed").slot();
                    self.frame.touch(slot);
                    self.asm.vstore_part(slot_addr(slot), XSCRATCH, ty == Ty::V128);
                }
            }
        }
    }

    /// Calls a builtin that follows the System V convention.
    pub(crate) fn call_builtin(
        &mut self,
        builtin: Builtin,
        args: &[BuiltinArg],
        result: Option<Ty>,
    ) {
        const ARGS: [u8; 4] = [2, 1, 8, 9];
        debug_assert_eq!(args.len(), builtin.arg_count(), "arguments of {}", builtin.name());
        self.flush_for_call(builtin.throws());
        for (arg, r) in args.iter().zip(ARGS) {
            match *arg {
                BuiltinArg::Imm(bits) => {
                    self.moves.push_load(Reg(r), Source::Const(Ty::I64, bits));
                }
                BuiltinArg::Operand(operand) => self.plan_operand(Reg(r), operand),
            }
        }
        self.moves.push_load(Reg(6), Source::Slot(Ty::I64, VMCTX_SLOT));
        self.moves.push_move(Reg(7), THREAD.into());
        self.emit_moves();
        self.note_pc();
        self.asm.call_mem(builtin_addr(builtin));
        if builtin.throws() {
            self.note_handlers();
        }
        self.after_call();
        if let Some(ty) = result {
            if ty == Ty::I32 {
                self.asm.mov_rr(Width::W32, RAX, RAX);
            }
            self.push_gpr(RAX, ty);
        }
        self.charge_fuel();
    }

    /// Records which operand slots hold references at the call that was just emitted.
    fn note_safepoint(&mut self) {
        let map = self.slot_safepoint();
        self.push_slot_safepoint(map);
    }

    /// Records what [`Self::slot_safepoint`] gave, at the call that was just emitted.
    pub(crate) fn push_slot_safepoint(&mut self, map: Safepoint) {
        if map.end > map.start {
            self.tables.safepoints.push(Safepoint { at: self.asm.pos(), ..map });
        }
    }

    /// Leaves this function for `callee`: arguments in place, then the frame goes.
    fn tail_call(&mut self, callee: Callee, ty: TypeIndex) {
        let conv = self.src.input.layout.call(ty);
        self.frame.need_outgoing(conv.stack_args_bytes);
        self.place_arguments(conv, false);
        if conv.return_area_bytes > 0 {
            self.asm.load_w(Width::W64, RDI, slot_addr(RETURN_AREA_SLOT));
        }
        let target = self.load_callee(callee, conv);
        let direct = match target {
            Target::Slot(func) => Some(func),
            Target::Code(mem) => {
                self.asm.load_w(Width::W64, RAX, mem);
                None
            }
        };
        self.makes_calls = true;
        let mut label = Label::new();
        self.asm.jmp(&mut label);
        let stack_args_bytes = conv.stack_args_bytes;
        self.outline.tail_calls.push(TailCall { label, callee: direct, stack_args_bytes });
        self.dead = true;
    }

    /// The end of a tail call: takes the frame down, moves stack arguments to where the caller's
    /// were, and jumps.
    pub(crate) fn finish_tail_call(&mut self, tail: &TailCall) {
        let own = self.src.conv.stack_args_bytes;
        let bytes = tail.stack_args_bytes;
        if own == 0 && bytes == 0 {
            self.leave_frame();
        } else {
            self.move_stack_arguments(own, bytes);
        }
        match tail.callee {
            None => self.asm.jmp_reg(RAX),
            Some(func) => {
                let offset = self.asm.jmp_slot();
                self.tables.relocs.push(Reloc { offset, target: RelocTarget::EntrySlot(func) });
            }
        }
    }

    /// Stack arguments go from the bottom of the frame to right below where the caller's stack
    /// arguments end; the return address goes below them. The copy runs from the far end, as the
    /// destination lies above the source.
    fn move_stack_arguments(&mut self, own: u32, bytes: u32) {
        const RETURN: Gpr = Gpr(10);
        let shift = own as i32 - bytes as i32;
        self.restore_saved();
        self.asm.load_w(Width::W64, RETURN, Addr::Frame(8));
        self.asm.load_w(Width::W64, SCRATCH, Addr::Frame(0));
        self.asm.push_reg(SCRATCH);
        for at in (0..bytes as i32).step_by(8).rev() {
            self.asm.load_w(Width::W64, SCRATCH, Addr::Base(RSP, 8 + at));
            self.asm.store_w(Width::W64, Addr::Frame(16 + shift + at), SCRATCH);
        }
        self.asm.lea(SCRATCH, Addr::Frame(8 + shift));
        self.asm.pop_reg(RBP);
        self.asm.store_w(Width::W64, Addr::Base(SCRATCH, 0), RETURN);
        self.asm.mov_rr(Width::W64, RSP, SCRATCH);
    }

    /// Plans the moves of the function's results; results in memory are stored at once.
    pub(crate) fn plan_return(&mut self) {
        let count = self.src.conv.results.len();
        let first = self.stack.len() - count;
        for i in 0..count {
            let operand = self.stack[first + i];
            match self.src.conv.results[i] {
                ValueLoc::Int(r) => self.plan_operand(Reg(r), operand),
                ValueLoc::Float(r) => self.plan_operand(Reg(r + 16), operand),
                ValueLoc::Memory(offset) => self.store_result(operand, offset),
            }
        }
    }

    /// Stores a result into the return area.
    fn store_result(&mut self, operand: Operand, offset: u32) {
        let area = Addr::Base(SCRATCH, offset as i32);
        let wide = operand.ty() == Ty::V128;
        let r: Reg = match operand.value() {
            Value::Reg(r) => r,
            Value::Local(index) if self.frame.locals[index as usize].reg.is_some() => {
                self.cached_local(index)
            }
            Value::Const(bits) => {
                self.asm.mov_ri(SCRATCH, bits);
                self.asm.mov_xr(Width::W64, XSCRATCH, SCRATCH);
                XSCRATCH.into()
            }
            _ => {
                let from = match operand.value() {
                    Value::Local(index) => self.frame.locals[index as usize].slot,
                    _ => operand.slot(),
                };
                self.asm.vload_part(XSCRATCH, slot_addr(from), wide);
                XSCRATCH.into()
            }
        };
        self.asm.load_w(Width::W64, SCRATCH, slot_addr(RETURN_AREA_SLOT));
        if !r.is_float() {
            self.asm.store_w(Width::W64, area, r.gpr());
        } else if wide {
            self.asm.vstore(area, r.xmm());
        } else {
            self.asm.fstore(Prec::Double, area, r.xmm());
        }
    }
}

/// Where a callee's code is.
enum Target {
    /// In the entry slot of a function of the module.
    Slot(upshift_abi::index::DefinedFuncIndex),
    /// At the address that lies here.
    Code(Addr),
}
