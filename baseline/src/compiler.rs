//! The compiler of one function: its parts, the driver loop, prologue and epilogue.
//!
//! The body is compiled first, into a buffer that leaves room for a prologue; when the frame size
//! and the callee-saved registers in use are known, the prologue is written so that it ends where
//! the body begins. Offsets in tables are shifted at the end so that they count from the entry.

use crate::control::{Control, ControlStack};
use crate::flow::Flow;
use crate::frame::{Frame, MAX_FRAME_BYTES, RETURN_AREA_SLOT, SAVED_SLOTS, VMCTX_SLOT, slot_addr};
use crate::fuel::FuelState;
use crate::handlers::Handlers;
use crate::masm::{Addr, Asm, Cond, Label, RSP, SCRATCH, THREAD, Width};
use crate::merge::MoveList;
use crate::outline::Outline;
use crate::regs::{Holder, RegFile};
use crate::skip::SkipDead;
use crate::value::{Operand, Reg, Ty};
use std::mem::{offset_of, take};
use upshift_abi::code::{
    CODE_LINE_BYTES, CompileError, CompiledFunction, CountedBlock, InlineMap, OsrEntry, PcMap,
    Reloc, StackMaps, TrapMap,
};
use upshift_abi::config::FunctionInput;
use upshift_abi::conv::{CALLEE_SAVED, CallLayout, ValueLoc};
use upshift_abi::decode::Operators;
use upshift_abi::layout::{STACK_HEADROOM_BYTES, ThreadContext};
use upshift_abi::ops::after_leb128;
use upshift_abi::trap::Trap;
use upshift_abi::types::FuncType;
use wasmparser::FunctionBody;

/// Bytes left for the prologue.
const PROLOGUE_BYTES: usize = 3 * CODE_LINE_BYTES;
/// Largest machine code of a function.
const MAX_CODE_BYTES: usize = 1 << 30;
/// Most entries of all stack maps of a function together.
const MAX_REF_SLOTS: usize = 1 << 22;
/// Frames below this size compare the stack pointer itself with the limit.
const SMALL_FRAME_BYTES: u64 = STACK_HEADROOM_BYTES as u64 / 2;

/// Memory that is kept from function to function.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    asm: Asm,
    frame: Frame,
    stack: Vec<Operand>,
    control: ControlStack,
    tables: Tables,
    handlers: Handlers,
    outline: Outline,
    moves: MoveList,
}

/// Tables under construction; offsets count from the start of the buffer.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) relocs: Vec<Reloc>,
    pub(crate) traps: Vec<(u32, Trap)>,
    pub(crate) pcs: Vec<(u32, u32)>,
    pub(crate) osr: Vec<(u32, OsrEntry)>,
    pub(crate) polls: Vec<u32>,
    pub(crate) safepoints: Vec<Safepoint>,
    pub(crate) ref_slots: Vec<u32>,
    pub(crate) blocks: Vec<CountedBlock>,
}

/// What holds references at a return address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Safepoint {
    /// The return address.
    pub(crate) at: u32,
    /// Its part of the slots.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// General registers, at calls that preserve them.
    pub(crate) registers: u16,
}

/// What does not change while a function is compiled, and where it stands in the body.
pub(crate) struct Source<'a> {
    pub(crate) input: FunctionInput<'a>,
    /// The function's type.
    pub(crate) ty: &'a FuncType,
    /// Where its arguments and results are.
    pub(crate) conv: &'a CallLayout,
    /// Offset in the module of the operator at hand.
    pub(crate) pc: usize,
    /// The next entry of the body's loop scans.
    pub(crate) next_loop: usize,
}

/// The compiler of one function.
pub(crate) struct FuncCompiler<'a> {
    pub(crate) src: Source<'a>,
    pub(crate) asm: Asm,
    pub(crate) frame: Frame,
    pub(crate) stack: Vec<Operand>,
    pub(crate) regs: RegFile,
    pub(crate) control: ControlStack,
    pub(crate) tables: Tables,
    pub(crate) handlers: Handlers,
    pub(crate) outline: Outline,
    pub(crate) moves: MoveList,
    /// The end of the function: everything that returns jumps here.
    pub(crate) epilogue: Label,
    /// Whether anything gets there.
    pub(crate) returns: bool,
    /// Whether the code at hand cannot be reached.
    pub(crate) dead: bool,
    /// Whether the function calls anything on an ordinary path.
    pub(crate) makes_calls: bool,
    /// The local behind those of the function that has the frame's budget of work.
    pub(crate) frame_budget: Option<u32>,
    /// Operands in OSR entries so far.
    pub(crate) osr_operands: usize,
    /// Where the vmctx, the base of memory 0 and that of the heap were found last.
    pub(crate) hints: [Reg; 3],
    /// Loops around the operator at hand.
    pub(crate) open_loops: u32,
    /// References on the operand stack.
    pub(crate) ref_operands: u32,
    /// The first operator that this tier does not have, and its offset.
    pub(crate) refused: Option<(u64, &'static str)>,
    /// The basic block that fuel is being counted for.
    pub(crate) fuel: FuelState,
    /// How often the code at hand is reached.
    pub(crate) flow: Flow,
    /// Where the hotness cost of an entry is patched in.
    pub(crate) entry_cost_at: Option<u32>,
}

impl<'a> FuncCompiler<'a> {
    /// Compiles the function of `input` with the memory of `scratch`.
    pub(crate) fn compile(
        input: FunctionInput<'a>,
        scratch: &mut Scratch,
    ) -> Result<CompiledFunction, CompileError> {
        let func_index = input.module.func_index(input.func);
        let ty = input.module.func_type(func_index);
        let mut compiler = FuncCompiler {
            src: Source {
                input,
                ty,
                conv: input.layout.call(input.module.funcs[func_index.index()]),
                pc: input.module.bodies[input.func.index()].range.start,
                next_loop: 0,
            },
            asm: take(&mut scratch.asm),
            frame: take(&mut scratch.frame),
            stack: take(&mut scratch.stack),
            regs: RegFile::new(input.config.zeal_spill),
            control: take(&mut scratch.control),
            tables: take(&mut scratch.tables),
            handlers: take(&mut scratch.handlers),
            outline: take(&mut scratch.outline),
            moves: take(&mut scratch.moves),
            epilogue: Label::new(),
            returns: false,
            fuel: FuelState::default(),
            flow: Flow::default(),
            entry_cost_at: None,
            refused: None,
            open_loops: 0,
            ref_operands: 0,
            hints: [Reg(0); 3],
            frame_budget: None,
            osr_operands: 0,
            dead: false,
            makes_calls: false,
        };
        let result = compiler.run();
        scratch.asm = compiler.asm;
        scratch.frame = compiler.frame;
        scratch.stack = compiler.stack;
        scratch.control = compiler.control;
        scratch.tables = compiler.tables;
        scratch.handlers = compiler.handlers;
        scratch.outline = compiler.outline;
        scratch.moves = compiler.moves;
        result
    }

    fn run(&mut self) -> Result<CompiledFunction, CompileError> {
        let body = self.src.input.body(self.src.input.func);
        self.clear(body.as_bytes().len());
        self.body(&body).map_err(|error| CompileError::Malformed {
            func: self.func_index(),
            message: error.to_string(),
        })?;
        self.finish()
    }

    pub(crate) fn func_index(&self) -> u32 {
        self.src.input.module.func_index(self.src.input.func).0
    }

    fn clear(&mut self, body_bytes: usize) {
        self.asm.start(PROLOGUE_BYTES, PROLOGUE_BYTES + body_bytes * 8);
        self.frame.clear();
        self.stack.clear();
        self.control.clear();
        self.tables.clear();
        self.handlers.clear();
        self.outline.clear();
    }

    /// Declares locals and compiles all operators.
    fn body(&mut self, body: &FunctionBody<'a>) -> wasmparser::Result<()> {
        for &param in &*self.src.ty.params {
            self.frame.add_local(Ty::of(param));
        }
        let mut locals = body.get_locals_reader()?;
        for _ in 0..locals.get_count() {
            let (count, ty) = locals.read()?;
            let ty = crate::value_type_class(ty);
            for _ in 0..count {
                self.frame.add_local(ty);
            }
        }
        self.add_frame_budget();
        self.start_body();
        let mut operators = Operators::new(body.get_binary_reader_for_operators()?)?;
        while !operators.is_at_end() {
            self.src.pc = operators.position() as usize;
            if self.dead {
                let mut skip = SkipDead::new(self);
                operators.visit(&mut skip)?;
            } else {
                self.regs.locked = 0;
                self.count_fuel();
                self.count_operator();
                if self.src.input.config.operator_offsets {
                    self.note_operator();
                }
                operators.visit(self)?;
            }
        }
        Ok(())
    }

    /// Whether stack maps have more entries than a function may have.
    pub(crate) fn has_too_many_slots(&self) -> bool {
        self.tables.ref_slots.len() > MAX_REF_SLOTS
    }

    /// Parameters in their registers, other locals zero, counter, outermost label.
    fn start_body(&mut self) {
        self.regs.cache(Reg(self.src.conv.vmctx), Holder::VMCTX, false);
        self.place_params();
        self.zero_locals();
        if self.src.input.config.counts_hotness() {
            self.entry_counter();
        }
        self.count_entry();
        self.flow = Flow::at_entry(self.asm.size());
        self.control.push(Control::function());
        self.charge_fuel();
    }

    fn place_params(&mut self) {
        for i in 0..self.src.conv.params.len() {
            let local = self.frame.locals[i];
            match self.src.conv.params[i] {
                ValueLoc::Int(r) => {
                    if local.ty == Ty::I32 {
                        let r = Reg(r).gpr();
                        self.asm.mov_rr(Width::W32, r, r);
                    }
                    self.bind_local(i as u32, Reg(r), true);
                    self.write_through(i as u32);
                }
                ValueLoc::Float(r) => self.bind_local(i as u32, Reg(r + 16), true),
                ValueLoc::Memory(offset) => {
                    self.copy_stack_param(Addr::Frame(16 + offset as i32), local.slot, local.ty);
                }
            }
        }
    }

    /// Moves a parameter from the caller's frame to its slot.
    fn copy_stack_param(&mut self, from: Addr, slot: u32, ty: Ty) {
        if ty == Ty::V128 {
            self.asm.vload(crate::masm::XSCRATCH, from);
            self.asm.vstore(slot_addr(slot), crate::masm::XSCRATCH);
        } else {
            self.asm.load_w(Width::W64, SCRATCH, from);
            self.asm.store_w(Width::W64, slot_addr(slot), SCRATCH);
        }
    }

    /// Zeroes the slots of all locals that are no parameters.
    fn zero_locals(&mut self) {
        let params = self.src.ty.params.len();
        let Some(first) = self.frame.locals.get(params) else { return };
        let start = first.slot - first.ty.slot_bytes();
        let end = match self.frame_budget {
            Some(budget) => self.frame.locals[budget as usize].slot - Ty::I32.slot_bytes(),
            None => self.frame.operand_base(),
        };
        self.asm.zero_slots(start, end);
    }

    /// Writes epilogue, slow paths, pool and prologue, and gathers the result.
    fn finish(&mut self) -> Result<CompiledFunction, CompileError> {
        let func = self.func_index();
        if self.has_too_many_slots() {
            return Err(CompileError::StackMapsTooLarge { func, limit: MAX_REF_SLOTS });
        }
        if self.asm.code().len() > MAX_CODE_BYTES {
            return Err(CompileError::CodeTooLarge { func, limit: MAX_CODE_BYTES as u64 });
        }
        if let Some((offset, operator)) = self.refused {
            return Err(CompileError::Unsupported { func, offset, operator });
        }
        let bytes = self.frame.bytes();
        if bytes > MAX_FRAME_BYTES {
            return Err(CompileError::FrameTooLarge { func, bytes, limit: MAX_FRAME_BYTES });
        }
        self.epilogue();
        let prologue = self.prologue(bytes);
        self.slow_paths(&prologue);
        self.asm.place_pool();
        Ok(self.gather(prologue.start, bytes as u32))
    }

    fn epilogue(&mut self) {
        if self.returns {
            let mut label = self.epilogue;
            self.asm.bind(&mut label);
            self.leave_frame();
            let pop = self.src.conv.stack_args_bytes;
            self.asm.ret(u16::try_from(pop).expect("1000 parameters of 16 bytes at most"));
        }
        for mut tail in take(&mut self.outline.tail_calls) {
            self.asm.bind(&mut tail.label);
            self.finish_tail_call(&tail);
        }
    }

    /// Restores callee-saved registers and takes the frame down.
    pub(crate) fn leave_frame(&mut self) {
        self.restore_saved();
        self.asm.leave();
    }

    /// Restores callee-saved registers.
    pub(crate) fn restore_saved(&mut self) {
        for (r, slot) in self.saved_registers() {
            self.asm.load_w(Width::W64, r.gpr(), slot_addr(slot));
        }
    }

    fn saved_registers(&self) -> impl Iterator<Item = (Reg, u32)> + use<> {
        let pairs = CALLEE_SAVED.map(Reg).into_iter().zip(self.saved_slots());
        pairs.filter(|&(_, slot)| slot != 0)
    }

    /// The slots of the registers that are saved, 0 for others.
    fn saved_slots(&self) -> [u32; CALLEE_SAVED.len()] {
        let is_saved = |i: usize| self.regs.saved & Reg(CALLEE_SAVED[i]).bit() != 0;
        std::array::from_fn(|i| if is_saved(i) { SAVED_SLOTS[i] } else { 0 })
    }

    /// Writes the prologue so that it ends where the body begins.
    fn prologue(&mut self, frame_bytes: u64) -> Prologue {
        let body_end = self.asm.pos();
        let frame = frame_bytes as i32;
        let checked = self.makes_calls || frame_bytes > SMALL_FRAME_BYTES;
        if checked {
            let limit = Addr::Base(THREAD, offset_of!(ThreadContext, stack_limit) as i32);
            if frame_bytes <= SMALL_FRAME_BYTES {
                self.asm.cmp_rsp(limit);
            } else {
                self.asm.lea_disp(Width::W64, SCRATCH, RSP, -frame);
                self.asm.cmp_rm(Width::W64, SCRATCH, limit);
            }
            self.asm.jcc(Cond::B, &mut Label::new());
        }
        let check_bytes = self.asm.pos() - body_end;
        self.asm.enter_frame();
        self.asm.sub_rsp(frame);
        let vmctx = Reg(self.src.conv.vmctx).gpr();
        self.asm.store_w(Width::W64, slot_addr(VMCTX_SLOT), vmctx);
        if self.src.conv.return_area_bytes > 0 {
            self.asm.store_w(Width::W64, slot_addr(RETURN_AREA_SLOT), crate::masm::RDI);
        }
        for (r, slot) in self.saved_registers() {
            self.asm.store_w(Width::W64, slot_addr(slot), r.gpr());
        }
        let prologue = self.asm.split_off(body_end as usize);
        let start = PROLOGUE_BYTES - prologue.len();
        self.asm.overwrite(start, &prologue);
        let frame_start = start as u32 + check_bytes;
        Prologue { start, frame_start, checked }
    }

    fn gather(&mut self, start: usize, frame_bytes: u32) -> CompiledFunction {
        let shift = start as u32;
        let osr = self.osr_map(shift);
        let handlers = self.handler_map(shift, frame_bytes);
        let tables = &self.tables;
        let mut stack_maps = StackMaps::new(self.frame.ref_slots.clone());
        for &Safepoint { at, start, end, registers } in &tables.safepoints {
            let slots = &tables.ref_slots[start as usize..end as usize];
            stack_maps.push(at - shift, slots.iter().copied(), registers);
        }
        let shift_all = |entry: &(u32, u32)| (entry.0 - shift, entry.1);
        CompiledFunction {
            code: self.asm.code()[start..].to_vec(),
            relocs: tables
                .relocs
                .iter()
                .map(|reloc| Reloc { offset: reloc.offset - shift, ..*reloc })
                .collect(),
            traps: TrapMap::from_sorted(tables.traps.iter().map(|&(at, trap)| (at - shift, trap))),
            inlined: InlineMap::default(),
            pcs: PcMap::from_unsorted(tables.pcs.iter().map(shift_all).collect()),
            stack_maps,
            handlers,
            saved: self.saved_slots(),
            polls: tables.polls.iter().map(|at| at - shift).collect(),
            osr,
            blocks: tables.blocks.clone(),
            frame_bytes,
            // As where it lies here, for the jumps that were kept in their lines.
            phase: (start % CODE_LINE_BYTES) as u8,
        }
    }

    /// Notes that the code from here on belongs to the operator at hand.
    #[inline]
    pub(crate) fn note_pc(&mut self) {
        let pc = self.src.pc as u32;
        if self.tables.pcs.last().is_none_or(|last| last.1 != pc) {
            self.tables.pcs.push((self.asm.pos(), pc));
        }
    }

    /// Notes that what comes belongs to the operator at hand, and leaves out those before it that have
    /// no code.
    fn note_operator(&mut self) {
        let at = self.asm.pos();
        while self.tables.pcs.last().is_some_and(|last| last.0 == at) {
            self.tables.pcs.pop();
        }
        self.note_pc();
    }

    /// Notes that the next instruction may fault with `trap`.
    #[inline]
    pub(crate) fn note_trap(&mut self, trap: Trap) {
        self.note_pc();
        self.tables.traps.push((self.asm.pos(), trap));
    }

    /// Byte `ahead` bytes behind the first byte of the operator at hand.
    #[inline]
    pub(crate) fn peek(&self, ahead: usize) -> u8 {
        self.src.input.bytes.get(self.src.pc + ahead).copied().unwrap_or(0x0b)
    }

    /// Bytes from the start of the operator at hand to the end of the integer `ahead` bytes on.
    #[inline]
    pub(crate) fn after_leb128(&self, ahead: usize) -> usize {
        after_leb128(self.src.input.bytes, self.src.pc + ahead) - self.src.pc
    }

    /// Bytes from the start of the operator at hand, which has a prefix, to the end of its opcode.
    #[inline]
    pub(crate) fn after_opcode(&self) -> usize {
        self.after_leb128(1)
    }

    /// Bytes from the start of the operator at hand to the end of its memory immediate, which is
    /// `ahead` bytes on.
    pub(crate) fn after_memarg(&self, ahead: usize) -> usize {
        let has_memory = self.peek(ahead) & 0x40 != 0;
        let flags_end = self.after_leb128(ahead);
        self.after_leb128(if has_memory { self.after_leb128(flags_end) } else { flags_end })
    }
}

/// Where the parts of a prologue are.
pub(crate) struct Prologue {
    /// The entry point.
    start: usize,
    /// Where the frame is built, behind the stack check; the check ends with a 32-bit
    /// displacement right before it.
    pub(crate) frame_start: u32,
    /// Whether there is a stack check.
    pub(crate) checked: bool,
}

impl Tables {
    fn clear(&mut self) {
        self.relocs.clear();
        self.traps.clear();
        self.pcs.clear();
        self.osr.clear();
        self.polls.clear();
        self.safepoints.clear();
        self.ref_slots.clear();
        self.blocks.clear();
    }
}
