//! What the stubs have in common: offsets, value moves, leaving to a landing.

use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm};
use std::mem::offset_of;
use upshift_abi::conv::{CALLEE_SAVED, ValueLoc};
use upshift_abi::layout::{Landing, ThreadContext};
use upshift_abi::types::ValType;

/// The assembler of the stubs.
pub(super) type Assembler = VecAssembler<X64Relocation>;

/// Bytes of a value's slot in the arrays that the engine passes.
pub(super) const SLOT_BYTES: i32 = 16;

pub(super) const EXIT_FP: i32 = disp(offset_of!(ThreadContext, exit_fp));
pub(super) const EXIT_PC: i32 = disp(offset_of!(ThreadContext, exit_pc));
pub(super) const ENTRY_SP: i32 = disp(offset_of!(ThreadContext, entry_sp));
pub(super) const ENTRY_FP: i32 = disp(offset_of!(ThreadContext, entry_fp));
pub(super) const ENTRY_HANDLER: i32 = disp(offset_of!(ThreadContext, entry_handler));
pub(super) const CALLER: i32 = disp(offset_of!(ThreadContext, caller));
pub(super) const PENDING: i32 = disp(offset_of!(ThreadContext, pending));
pub(super) const LANDING: i32 = disp(offset_of!(ThreadContext, landing));
pub(super) const OUTER: i32 = disp(offset_of!(ThreadContext, outer));

/// Hardware numbers of registers that the stubs pick themselves.
pub(super) mod reg {
    pub(in super::super) const RSP: u8 = 4;
    pub(in super::super) const RBP: u8 = 5;
    pub(in super::super) const R10: u8 = 10;
    pub(in super::super) const R11: u8 = 11;
}

/// A structure offset as a displacement.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "asserted small")]
pub(super) const fn disp(offset: usize) -> i32 {
    assert!(offset < 1 << 16);
    offset as i32
}

/// An array of slots or stack arguments: base register and displacement.
#[derive(Clone, Copy)]
pub(super) struct Base {
    pub(super) reg: u8,
    pub(super) disp: i32,
}

impl Base {
    pub(super) const fn new(reg: u8, disp: i32) -> Self {
        Self { reg, disp }
    }

    fn at(self, offset: i32) -> (u8, i32) {
        (self.reg, self.disp + offset)
    }
}

/// Each value: its slot's displacement, its type and place.
fn values<'a>(
    types: &'a [ValType],
    locs: &'a [ValueLoc],
) -> impl Iterator<Item = (i32, ValType, ValueLoc)> + 'a {
    let slots = (0..).step_by(SLOT_BYTES.unsigned_abs() as usize);
    slots.zip(types.iter().zip(locs)).map(|(slot, (&ty, &loc))| (slot, ty, loc))
}

fn memory_offset(offset: u32) -> i32 {
    i32::try_from(offset).expect("a function type has few values")
}

/// Loads values from their slots to where a call passes them; values in memory go to `memory`.
/// Clobbers rax and xmm8 before it loads any integer register.
pub(super) fn load_values(
    asm: &mut Assembler,
    (types, locs): (&[ValType], &[ValueLoc]),
    slots: Base,
    memory: Base,
) {
    for (slot, ty, loc) in values(types, locs) {
        if let ValueLoc::Memory(offset) = loc {
            copy(asm, ty, slots.at(slot), memory.at(memory_offset(offset)));
        }
    }
    for (slot, _, loc) in values(types, locs) {
        if let ValueLoc::Float(reg) = loc {
            let (base, disp) = slots.at(slot);
            dynasm!(asm; .arch x64; movups Rx(reg), [Rq(base) + disp]);
        }
    }
    for (slot, _, loc) in values(types, locs) {
        if let ValueLoc::Int(reg) = loc {
            let (base, disp) = slots.at(slot);
            dynasm!(asm; .arch x64; mov Rq(reg), [Rq(base) + disp]);
        }
    }
}

/// Stores values from where a call passes them to their slots, scalars zero-extended to 64 bits;
/// values in memory come from `memory`. Clobbers rax and xmm8 after all integer registers.
pub(super) fn store_values(
    asm: &mut Assembler,
    (types, locs): (&[ValType], &[ValueLoc]),
    slots: Base,
    memory: Base,
) {
    for (slot, ty, loc) in values(types, locs) {
        if let ValueLoc::Int(reg) = loc {
            let (base, disp) = slots.at(slot);
            if ty == ValType::I32 {
                dynasm!(asm; .arch x64; mov Rd(reg), Rd(reg));
            }
            dynasm!(asm; .arch x64; mov [Rq(base) + disp], Rq(reg));
        }
    }
    for (slot, ty, loc) in values(types, locs) {
        match loc {
            ValueLoc::Int(_) => {}
            ValueLoc::Float(reg) => store_float(asm, ty, reg, slots.at(slot)),
            ValueLoc::Memory(offset) => {
                copy(asm, ty, memory.at(memory_offset(offset)), slots.at(slot));
            }
        }
    }
}

fn store_float(asm: &mut Assembler, ty: ValType, reg: u8, (base, disp): (u8, i32)) {
    match ty {
        ValType::F32 => dynasm!(asm
            ; .arch x64
            ; movd eax, Rx(reg)
            ; mov [Rq(base) + disp], rax
        ),
        ValType::V128 => dynasm!(asm; .arch x64; movups [Rq(base) + disp], Rx(reg)),
        ValType::F64 | ValType::I32 | ValType::I64 | ValType::Ref(_) => {
            dynasm!(asm; .arch x64; movsd [Rq(base) + disp], Rx(reg));
        }
    }
}

/// Copies one value in memory, scalars zero-extended.
fn copy(asm: &mut Assembler, ty: ValType, (from, from_disp): (u8, i32), to: (u8, i32)) {
    let (to, to_disp) = to;
    match ty {
        ValType::I32 | ValType::F32 => dynasm!(asm
            ; .arch x64
            ; mov eax, [Rq(from) + from_disp]
            ; mov [Rq(to) + to_disp], rax
        ),
        ValType::V128 => dynasm!(asm
            ; .arch x64
            ; movups xmm8, [Rq(from) + from_disp]
            ; movups [Rq(to) + to_disp], xmm8
        ),
        ValType::I64 | ValType::F64 | ValType::Ref(_) => dynasm!(asm
            ; .arch x64
            ; mov rax, [Rq(from) + from_disp]
            ; mov [Rq(to) + to_disp], rax
        ),
    }
}

/// Records the frame of the wasm code that called the stub, before the stub has pushed anything.
/// Clobbers rax.
pub(super) fn record_exit(asm: &mut Assembler) {
    dynasm!(asm
        ; .arch x64
        ; mov [r15 + EXIT_FP], rbp
        ; mov rax, [rsp]
        ; mov [r15 + EXIT_PC], rax
    );
}

/// Goes on where the engine says, leaving frames behind: at the handler of the innermost entry
/// trampoline, or at a landing pad. Registers that calls preserve get what the frames saved of them.
pub(super) fn leave_to_landing(asm: &mut Assembler) {
    let saved = disp(offset_of!(ThreadContext, landing_saved));
    for (reg, saved) in CALLEE_SAVED.into_iter().zip((saved..).step_by(size_of::<u64>())) {
        dynasm!(asm
            ; .arch x64
            ; mov rax, [r15 + saved]
            ; test rax, rax
            ; jz >kept
            ; mov Rq(reg), [rax]
            ; kept:
        );
    }
    dynasm!(asm
        ; .arch x64
        ; mov DWORD [r15 + PENDING], 0
        ; mov rsp, [r15 + LANDING + disp(offset_of!(Landing, sp))]
        ; mov rbp, [r15 + LANDING + disp(offset_of!(Landing, fp))]
        ; mov rax, [r15 + LANDING + disp(offset_of!(Landing, exn))]
        ; jmp QWORD [r15 + LANDING + disp(offset_of!(Landing, pc))]
    );
}

/// Calls a function of the engine. Clobbers rax.
pub(super) fn call_engine(asm: &mut Assembler, address: u64) {
    dynasm!(asm
        ; .arch x64
        ; mov rax, QWORD address.cast_signed()
        ; call rax
    );
}

/// The finished bytes.
pub(super) fn finish(asm: Assembler) -> Vec<u8> {
    asm.finalize().expect("every label of a stub is bound")
}
