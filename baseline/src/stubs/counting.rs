//! Stubs of what baseline code counts: they are called so often that they do not leave machine code, and
//! from so many places that these should be short.
//!
//! All find the counters of their caller through its frame, and preserve all registers but r11.

use super::emit::{Assembler, disp, finish};
use crate::frame::VMCTX_SLOT;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::hotness::{
    BUDGET_CHARGE, FRAME_BUDGET, LEAST_REFILL, REFILL_SHIFT, SEED_FACTOR, SEED_STEP,
};
use upshift_abi::layout::{Instance, ThreadContext};
use upshift_abi::profile::MAX_TARGETS;

const COUNTERS: i32 = disp(offset_of!(Instance, counters));
const BUDGET: i32 = disp(offset_of!(ThreadContext, work_budget));
const SEED: i32 = disp(offset_of!(ThreadContext, work_seed));
const HOT_FUNCTION: i32 =
    disp(offset_of!(ThreadContext, builtins) + Builtin::hot_function as usize * size_of::<usize>());
const VMCTX: i32 = VMCTX_SLOT.cast_signed();

/// The stub of a builtin that is machine code altogether.
pub(super) fn counting_stub(builtin: Builtin) -> Vec<u8> {
    match builtin {
        Builtin::refill_budget => refill_budget(),
        Builtin::charge_budget => charge_budget(),
        _ => note_call_target(),
    }
}

/// Counts a call of the record r10 with its function, in the first free entry, or with those that found
/// none; r11 is the distance of the site from the counters.
fn note_call_target() -> Vec<u8> {
    let mut asm = Assembler::new(0);
    dynasm!(asm; .arch x64; push rax);
    find_counter(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; neg eax
        ; add eax, r10d
        ; cmp eax, [r11]
        ; je ->found
    );
    for _ in 0..MAX_TARGETS {
        dynasm!(asm
            ; .arch x64
            ; cmp DWORD [r11 + 4], 0
            ; je ->free
            ; cmp [r11], eax
            ; je ->found
            ; add r11, 8
        );
    }
    dynasm!(asm
        ; .arch x64
        ; jmp ->found
        ; ->free:
        ; mov [r11], eax
        ; ->found:
        ; add DWORD [r11 + 4], 1
        ; pop rax
        ; ret
    );
    finish(asm)
}

fn refill_budget() -> Vec<u8> {
    let mut asm = Assembler::new(0);
    dynasm!(asm
        ; .arch x64
        ; push rax
        ; imul eax, [r15 + SEED], SEED_FACTOR
        ; add eax, SEED_STEP
        ; mov [r15 + SEED], eax
        ; shr eax, REFILL_SHIFT.cast_signed()
        ; add eax, LEAST_REFILL
        ; add [r15 + BUDGET], eax
    );
    charge(asm, BUDGET_CHARGE)
}

fn charge_budget() -> Vec<u8> {
    let mut asm = Assembler::new(0);
    dynasm!(asm; .arch x64; push rax);
    charge(asm, FRAME_BUDGET)
}

/// Goes on, with rax on the stack: takes work from the counter, and returns, or goes on in the stub for hot
/// functions as if that had been called.
fn charge(mut asm: Assembler, work: i32) -> Vec<u8> {
    find_counter(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; pop rax
        ; sub DWORD [r11], work
        ; js >hot
        ; ret
        ; hot:
        ; jmp QWORD [r15 + HOT_FUNCTION]
    );
    finish(asm)
}

/// Gets the caller's vmctx into rax, and the address of the counter that is r11 bytes behind its counters
/// into r11.
fn find_counter(asm: &mut Assembler) {
    dynasm!(asm
        ; .arch x64
        ; mov rax, [rbp - VMCTX]
        ; add r11, [rax + COUNTERS]
    );
}
