//! Exit stubs of the runtime functions, and the trap stub.

use super::bulk::{copy_small, fill_small};
use super::counting::counting_stub;
use super::emit::{
    Assembler, EXIT_FP, EXIT_PC, PENDING, call_engine, disp, finish, leave_to_landing, record_exit,
};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use std::mem::offset_of;
use upshift_abi::builtin::{BUILTIN_COUNT, Builtin, BuiltinConv};
use upshift_abi::conv::CALLEE_SAVED;
use upshift_abi::layout::OsrTransfer;

/// The exit stubs of all builtins as one piece of code, and the offset of each.
///
/// `implementations` are the addresses of the engine's functions in table order:
/// `extern "C" fn(thread, vmctx, arguments…) -> u64` for the System V ones, and
/// `extern "C" fn(thread, registers)` for those that preserve registers, where `registers` are the
/// vector registers 0–15 (16 bytes each) followed by the general registers 0–15 (8 bytes each) as
/// they were; they are restored from there, except rsp, rbp and r15. That of `hot_function`
/// returns a `*const OsrTransfer`: null to go on, or what to go on with instead. That of a leaf is
/// not called.
#[must_use]
pub fn builtin_stubs(implementations: &[u64; BUILTIN_COUNT]) -> (Vec<u8>, [u32; BUILTIN_COUNT]) {
    let mut code = Vec::new();
    let mut offsets = [0; BUILTIN_COUNT];
    for ((&builtin, &address), offset) in Builtin::ALL.iter().zip(implementations).zip(&mut offsets)
    {
        code.resize(code.len().next_multiple_of(16), 0xcc);
        *offset = u32::try_from(code.len()).expect("stubs are small");
        code.extend(match builtin.conv() {
            BuiltinConv::SysV => sysv_stub(builtin, address),
            BuiltinConv::PreservesAll => {
                preserving_stub(address, builtin.traps(), builtin == Builtin::hot_function)
            }
            BuiltinConv::Leaf => counting_stub(builtin),
        });
    }
    (code, offsets)
}

fn sysv_stub(builtin: Builtin, address: u64) -> Vec<u8> {
    let mut asm = Assembler::new(0);
    // Also in front of what is done here: samplers begin at the exit when they find a thread in a stub.
    record_exit(&mut asm);
    match builtin {
        Builtin::memory_copy => copy_small(&mut asm),
        Builtin::memory_fill => fill_small(&mut asm),
        _ => {}
    }
    dynasm!(asm; .arch x64; push rbp; mov rbp, rsp; mov rdi, r15);
    call_engine(&mut asm, address);
    dynasm!(asm; .arch x64; pop rbp);
    finish_stub(asm, builtin.traps())
}

/// Bytes of the vector registers in the saved ones.
const VECTOR_BYTES: i32 = 16 * 16;
/// Bytes of all saved registers.
const SAVED_BYTES: i32 = VECTOR_BYTES + 16 * 8;

const VECTORS: std::ops::Range<u8> = 0..16;

/// General registers to restore: all but rsp, rbp and r15.
fn restored_ints() -> impl Iterator<Item = u8> {
    (0..15).filter(|&reg| reg != 4 && reg != 5)
}

fn int_disp(reg: u8) -> i32 {
    VECTOR_BYTES + i32::from(reg) * 8
}

fn vector_disp(reg: u8) -> i32 {
    i32::from(reg) * 16
}

fn preserving_stub(address: u64, traps: bool, transfers: bool) -> Vec<u8> {
    let mut asm = Assembler::new(0);
    dynasm!(asm
        ; .arch x64
        ; mov [r15 + EXIT_FP], rbp
        ; push rbp
        ; mov rbp, rsp
        ; sub rsp, SAVED_BYTES
        ; and rsp, -16
    );
    for reg in restored_ints() {
        dynasm!(asm; .arch x64; mov [rsp + int_disp(reg)], Rq(reg));
    }
    for reg in VECTORS {
        dynasm!(asm; .arch x64; movups [rsp + vector_disp(reg)], Rx(reg));
    }
    dynasm!(asm
        ; .arch x64
        ; mov rax, [rbp + 8]
        ; mov [r15 + EXIT_PC], rax
        ; mov rdi, r15
        ; mov rsi, rsp
    );
    call_engine(&mut asm, address);
    if transfers {
        dynasm!(asm; .arch x64; test rax, rax; jnz ->transfer);
    }
    for reg in VECTORS {
        dynasm!(asm; .arch x64; movups Rx(reg), [rsp + vector_disp(reg)]);
    }
    for reg in restored_ints() {
        dynasm!(asm; .arch x64; mov Rq(reg), [rsp + int_disp(reg)]);
    }
    dynasm!(asm; .arch x64; mov rsp, rbp; pop rbp);
    finish_preserving(asm, traps, transfers)
}

/// Returns, goes on at the landing when the function asks for it, or goes on in an OSR body.
fn finish_preserving(mut asm: Assembler, traps: bool, transfers: bool) -> Vec<u8> {
    if !transfers {
        return finish_stub(asm, traps);
    }
    dynasm!(asm
        ; .arch x64
        ; cmp DWORD [r15 + PENDING], 0
        ; jne ->out
        ; ret
        ; ->transfer:
        ; mov rdi, [rax + disp(offset_of!(OsrTransfer, rdi))]
        ; mov rsi, [rax + disp(offset_of!(OsrTransfer, rsi))]
        ; mov rbp, [rax + disp(offset_of!(OsrTransfer, rbp))]
    );
    for (reg, offset) in CALLEE_SAVED.into_iter().zip((0..).step_by(8)) {
        let saved = disp(offset_of!(OsrTransfer, callee_saved)) + offset;
        dynasm!(asm; .arch x64; mov Rq(reg), [rax + saved]);
    }
    dynasm!(asm
        ; .arch x64
        ; mov rsp, [rax + disp(offset_of!(OsrTransfer, rsp))]
        ; jmp QWORD [rax + disp(offset_of!(OsrTransfer, target))]
        ; ->out:
    );
    leave_to_landing(&mut asm);
    finish(asm)
}

/// Returns, or goes on at the landing when the function asks for it.
fn finish_stub(mut asm: Assembler, traps: bool) -> Vec<u8> {
    if !traps {
        dynasm!(asm; .arch x64; ret);
        return finish(asm);
    }
    dynasm!(asm
        ; .arch x64
        ; cmp DWORD [r15 + PENDING], 0
        ; jne ->out
        ; ret
        ; ->out:
    );
    leave_to_landing(&mut asm);
    finish(asm)
}

/// Where a thread goes on whose instruction trapped.
///
/// The signal handler has set `exit_fp`, `exit_pc` and `trap_code` and lowered rsp below the red
/// zone. The stub calls `raise`, an `extern "C" fn(thread)` that sets `pending`, and leaves.
#[must_use]
pub fn trap_stub(raise: u64) -> Vec<u8> {
    let mut asm = Assembler::new(0);
    dynasm!(asm
        ; .arch x64
        ; and rsp, -16
        ; mov rdi, r15
    );
    call_engine(&mut asm, raise);
    leave_to_landing(&mut asm);
    finish(asm)
}

const _: () = assert!(SAVED_BYTES == disp(384));
