//! Stubs of functions that were not compiled yet.
//!
//! ```text
//! stub:    jmp [rip + slot]        6 bytes; what function references point to
//! slow:    push index              5 bytes; what the entry slot points to at first
//!          jmp thunk               5 bytes
//! thunk:   r10 = module; jmp lazy_common
//! common:  save arguments; compile(thread, module, index); restore; jmp code
//! ```

use super::emit::{Assembler, call_engine, finish, leave_to_landing};
use super::emit::{EXIT_FP, EXIT_PC};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use upshift_abi::conv::{FLOAT_REGS, INT_ARGS};

/// Bytes of a [`lazy_stub`].
pub const LAZY_STUB_BYTES: usize = 16;
/// Offset in a [`lazy_stub`] that its slot's displacement counts from.
pub const LAZY_STUB_SLOT_FROM: usize = 6;
/// Offset in a [`lazy_stub`] of what the entry slot points to at first.
pub const LAZY_STUB_SLOW: usize = 6;

/// The stub of the function with this defined index.
///
/// `slot` is the displacement of its entry slot from [`LAZY_STUB_SLOT_FROM`], `thunk` that of the
/// module's [`lazy_thunk`] from the end of the stub.
#[must_use]
pub fn lazy_stub(index: u32, slot: i32, thunk: i32) -> [u8; LAZY_STUB_BYTES] {
    let mut stub = [0; LAZY_STUB_BYTES];
    stub[..2].copy_from_slice(&[0xff, 0x25]);
    stub[2..6].copy_from_slice(&slot.to_le_bytes());
    stub[6] = 0x68;
    stub[7..11].copy_from_slice(&index.to_le_bytes());
    stub[11] = 0xe9;
    stub[12..].copy_from_slice(&thunk.to_le_bytes());
    stub
}

/// The thunk of the module at address `module`; `common` is the address of [`lazy_common`].
#[must_use]
pub fn lazy_thunk(module: u64, common: u64) -> Vec<u8> {
    let mut asm = Assembler::new(0);
    dynasm!(asm
        ; .arch x64
        ; mov r10, QWORD module.cast_signed()
        ; mov r11, QWORD common.cast_signed()
        ; jmp r11
    );
    finish(asm)
}

/// Bytes of the saved float argument registers.
const FLOAT_BYTES: i32 = 16 * 8;
/// Bytes of all saved argument registers.
const SAVED_BYTES: i32 = FLOAT_BYTES + 8 * 6;
const _: () = assert!(SAVED_BYTES % 16 == 0 && FLOAT_REGS == 8 && INT_ARGS.len() == 6);

/// What all lazy stubs come to: with the function's index on the stack above the return address,
/// and the module in r10.
///
/// `compile` is the address of an `extern "C" fn(thread, module, index: u32) -> *const u8`, which
/// returns the function's code, or null when `pending` is set. Argument registers and callee-saved
/// registers are as before when the code is entered; rax, r10 and r11 are lost.
#[must_use]
pub fn lazy_common(compile: u64) -> Vec<u8> {
    let mut asm = Assembler::new(0);
    let floats = || (0..FLOAT_REGS).map(|reg| (reg, i32::from(reg) * 16));
    let ints = || INT_ARGS.into_iter().zip((FLOAT_BYTES..).step_by(8));
    dynasm!(asm
        ; .arch x64
        ; pop r11
        ; mov [r15 + EXIT_FP], rbp
        ; mov rax, [rsp]
        ; mov [r15 + EXIT_PC], rax
        ; push rbp
        ; mov rbp, rsp
        ; sub rsp, SAVED_BYTES
    );
    for (reg, disp) in floats() {
        dynasm!(asm; .arch x64; movups [rsp + disp], Rx(reg));
    }
    for (reg, disp) in ints() {
        dynasm!(asm; .arch x64; mov [rsp + disp], Rq(reg));
    }
    dynasm!(asm
        ; .arch x64
        ; mov rdi, r15
        ; mov rsi, r10
        ; mov edx, r11d
    );
    call_engine(&mut asm, compile);
    dynasm!(asm
        ; .arch x64
        ; test rax, rax
        ; jz ->out
        ; mov r11, rax
    );
    for (reg, disp) in floats() {
        dynasm!(asm; .arch x64; movups Rx(reg), [rsp + disp]);
    }
    for (reg, disp) in ints() {
        dynasm!(asm; .arch x64; mov Rq(reg), [rsp + disp]);
    }
    dynasm!(asm
        ; .arch x64
        ; mov rsp, rbp
        ; pop rbp
        ; jmp r11
        ; ->out:
    );
    leave_to_landing(&mut asm);
    finish(asm)
}
