//! Out-of-line code: what is rarely executed stands behind the function.

use crate::compiler::{FuncCompiler, Prologue, Safepoint};
use crate::hotness::{Budget, HotSite};
use crate::masm::{Addr, Cond, Gpr, Label, RBP, THREAD};
use crate::ops::fill::Filler;
use crate::ops::object::Object;
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::code::OsrEntry;
use upshift_abi::index::{DefinedFuncIndex, TypeIndex};
use upshift_abi::layout::ThreadContext;
use upshift_abi::trap::Trap;

/// Out-of-line parts of the function at hand.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    traps: Vec<TrapSite>,
    slow_calls: Vec<SlowCall>,
    pub(crate) tail_calls: Vec<TailCall>,
    pub(crate) colds: Vec<ColdSite>,
}

impl Outline {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.traps.clear();
        self.slow_calls.clear();
        self.tail_calls.clear();
        self.colds.clear();
    }
}

/// A conditional trap.
#[derive(Debug)]
struct TrapSite {
    label: Label,
    trap: Trap,
    pc: u32,
}

/// A call of a builtin that preserves every register, and goes back; budgets may need none.
#[derive(Debug)]
struct SlowCall {
    label: Label,
    back: u32,
    pc: u32,
    call: Slow,
}

/// What a slow path calls.
#[derive(Debug)]
enum Slow {
    Builtin(Builtin),
    Hot(HotSite),
}

/// A cold path of an operator on objects.
#[derive(Debug)]
pub(crate) struct ColdSite {
    /// What leads to it.
    pub(crate) label: Label,
    /// Where it goes back to.
    pub(crate) back: u32,
    /// The operator.
    pub(crate) pc: u32,
    /// What it does.
    pub(crate) cold: Cold,
}

/// What a cold path does; but for arrays, all registers are as they were when it goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cold {
    /// Makes room for a new object.
    Refill {
        /// Its size.
        bytes: u32,
        /// What holds references there.
        map: Safepoint,
    },
    /// Has the runtime make an array whose length is where [`Builtin::array_alloc`] takes it; only the
    /// result's register is as it should be afterwards.
    NewArray {
        /// Its type.
        ty: TypeIndex,
        /// What holds references there.
        map: Safepoint,
        /// What its elements are, other than 0.
        filler: Option<Filler>,
    },
    /// Has the runtime fill elements of an array.
    FillArray,
    /// Notes an old object that is written.
    Barrier {
        /// The object.
        object: Object,
        /// The element that is written, of an array that may have cards.
        element: Option<Gpr>,
    },
    /// Gives a function record its position in the table of the store.
    FuncIndex {
        /// The record.
        record: Gpr,
        /// The register that gets the position.
        position: Gpr,
    },
}

/// The end of a tail call, which must know which registers the prologue saves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailCall {
    pub(crate) label: Label,
    /// The callee; without one its address is in `rax`.
    pub(crate) callee: Option<DefinedFuncIndex>,
    /// Bytes of the callee's stack arguments, which lie at the bottom of the frame.
    pub(crate) stack_args_bytes: u32,
}

/// The address of a builtin's stub.
pub(crate) fn builtin_addr(builtin: Builtin) -> Addr {
    Addr::Base(THREAD, (offset_of!(ThreadContext, builtins) + builtin as usize * 8) as i32)
}

impl FuncCompiler<'_> {
    /// Traps when `cond` holds.
    pub(crate) fn trap_if(&mut self, cond: Cond, trap: Trap) {
        let pc = self.src.pc as u32;
        let shared = self.outline.traps.last().is_some_and(|s| s.pc == pc && s.trap == trap);
        if !shared {
            self.outline.traps.push(TrapSite { label: Label::new(), trap, pc });
        }
        let site = self.outline.traps.last_mut().expect("just pushed");
        self.asm.jcc(cond, &mut site.label);
    }

    /// Calls `builtin` out of line when `cond` holds, and comes back with all registers intact.
    pub(crate) fn slow_call_if(&mut self, cond: Cond, builtin: Builtin) {
        self.slow_path_if(cond, Slow::Builtin(builtin));
    }

    /// After a hotness counter, or a budget, went down: what happens below zero.
    pub(crate) fn hot_slow_path(&mut self, budget: Budget, osr: Option<OsrEntry>) {
        // A frame's budget was not below zero before, so it is when the subtraction borrows: this
        // jump is one instruction with it to the processor.
        let below = if matches!(budget, Budget::Frame(_)) { Cond::B } else { Cond::S };
        self.slow_path_if(below, Slow::Hot(HotSite { budget, osr }));
    }

    fn slow_path_if(&mut self, cond: Cond, call: Slow) {
        let mut label = Label::new();
        self.asm.jcc(cond, &mut label);
        let (back, pc) = (self.asm.pos(), self.src.pc as u32);
        self.outline.slow_calls.push(SlowCall { label, back, pc, call });
    }

    /// Emits all slow paths.
    pub(crate) fn slow_paths(&mut self, prologue: &Prologue) {
        if prologue.checked {
            self.stack_check_path(prologue);
        }
        for mut slow in std::mem::take(&mut self.outline.slow_calls) {
            self.asm.bind(&mut slow.label);
            match slow.call {
                Slow::Builtin(builtin) => {
                    self.tables.pcs.push((self.asm.pos(), slow.pc));
                    self.asm.call_mem(builtin_addr(builtin));
                }
                Slow::Hot(hot) => self.emit_hot(hot, slow.pc),
            }
            self.asm.jmp(&mut Label::at(slow.back));
        }
        self.cold_paths();
        for mut site in std::mem::take(&mut self.outline.traps) {
            self.asm.bind(&mut site.label);
            self.tables.pcs.push((self.asm.pos(), site.pc));
            self.tables.traps.push((self.asm.pos(), site.trap));
            self.asm.ud2();
        }
    }

    fn cold_paths(&mut self) {
        for mut site in std::mem::take(&mut self.outline.colds) {
            self.asm.bind(&mut site.label);
            self.tables.pcs.push((self.asm.pos(), site.pc));
            match site.cold {
                Cold::Refill { bytes, map } => self.emit_refill(bytes, map),
                Cold::NewArray { ty, map, filler } => self.emit_new_array(ty, map, filler),
                Cold::FillArray => self.emit_fill_array(),
                Cold::Barrier { object, element } => self.emit_barrier(object, element, site.back),
                Cold::FuncIndex { record, position } => self.emit_func_index(record, position),
            }
            self.asm.jmp(&mut Label::at(site.back));
        }
    }

    /// The stack limit was reached before the frame was built: a small frame lets the stack be
    /// walked from the builtin.
    fn stack_check_path(&mut self, prologue: &Prologue) {
        self.asm.patch_jump(prologue.frame_start);
        let start = self.src.input.module.bodies[self.src.input.func.index()].range.start;
        self.tables.pcs.push((self.asm.pos(), start as u32));
        self.asm.enter_frame();
        self.asm.call_mem(builtin_addr(Builtin::stack_check));
        self.asm.pop_reg(RBP);
        self.asm.jmp(&mut Label::at(prologue.frame_start));
    }
}
