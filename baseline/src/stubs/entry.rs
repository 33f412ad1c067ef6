//! The entry trampoline: from the engine into wasm code.
//!
//! ```text
//! rbp+8   return address
//! rbp     saved rbp
//! rbp-40  saved rbx r12 r13 r14 r15
//! rbp-48  address of the slots
//! rbp-112 ActivationLink             <- entry_sp, ThreadContext::outer
//!         return area, if the type has one
//!         stack arguments, if the type has them
//! ```

use super::emit::{
    Assembler, Base, CALLER, ENTRY_FP, ENTRY_HANDLER, ENTRY_SP, EXIT_FP, EXIT_PC, OUTER, disp,
    finish, load_values, reg, store_values,
};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use std::mem::{offset_of, size_of};
use upshift_abi::conv::CallLayout;
use upshift_abi::layout::ActivationLink;
use upshift_abi::types::FuncType;

/// Bytes below the frame pointer up to the address of the slots.
const SAVED_BYTES: i32 = 48;
/// Bytes below the frame pointer up to the activation link.
const LINK: i32 = SAVED_BYTES + disp(size_of::<ActivationLink>());
const _: () = assert!(LINK % 16 == 0);

/// The fields that an activation saves and restores: in the thread context, in the link.
const LINKED: [(i32, i32); 7] = [
    (EXIT_FP, disp(offset_of!(ActivationLink, exit_fp))),
    (EXIT_PC, disp(offset_of!(ActivationLink, exit_pc))),
    (ENTRY_SP, disp(offset_of!(ActivationLink, entry_sp))),
    (ENTRY_FP, disp(offset_of!(ActivationLink, entry_fp))),
    (ENTRY_HANDLER, disp(offset_of!(ActivationLink, entry_handler))),
    (CALLER, disp(offset_of!(ActivationLink, caller))),
    (OUTER, disp(offset_of!(ActivationLink, outer))),
];

/// The entry trampoline for functions of type `ty`:
///
/// ```text
/// extern "C" fn(thread: *mut ThreadContext, vmctx: *mut Instance, code: *const u8,
///               slots: *mut [u64; 2]) -> u32
/// ```
///
/// It loads the arguments from `slots` (16 bytes each, from the first on), calls `code` with
/// `vmctx`, stores the results to `slots`, scalars zero-extended to 64 bits, and returns 0. It
/// returns 1 when code below it went to its handler. `slots` has room for the larger of both
/// counts. The activation that it interrupts is saved in its frame and restored either way.
#[must_use]
pub fn entry_trampoline(ty: &FuncType) -> Vec<u8> {
    let layout = CallLayout::of(ty);
    let mut asm = Assembler::new(0);
    dynasm!(asm
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; push rbx
        ; push r12
        ; push r13
        ; push r14
        ; push r15
        ; push rcx
        ; sub rsp, LINK - SAVED_BYTES
        ; mov r15, rdi
    );
    push_activation(&mut asm);
    call(&mut asm, ty, &layout);
    dynasm!(asm
        ; .arch x64
        ; mov r11, [rbp - SAVED_BYTES]
    );
    let results = (&*ty.results, &*layout.results);
    store_values(&mut asm, results, Base::new(reg::R11, 0), Base::new(reg::RSP, 0));
    dynasm!(asm
        ; .arch x64
        ; xor eax, eax
        ; ->leave:
    );
    for (thread, link) in LINKED {
        dynasm!(asm
            ; .arch x64
            ; mov rcx, [rbp - LINK + link]
            ; mov [r15 + thread], rcx
        );
    }
    dynasm!(asm
        ; .arch x64
        ; lea rsp, [rbp - 40]
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbx
        ; pop rbp
        ; ret
        ; ->handler:
        ; mov eax, 1
        ; jmp ->leave
    );
    finish(asm)
}

/// Saves the outer activation in the link at rsp and makes this one current. Clobbers rax.
fn push_activation(asm: &mut Assembler) {
    for (thread, link) in LINKED {
        dynasm!(asm
            ; .arch x64
            ; mov rax, [r15 + thread]
            ; mov [rsp + link], rax
        );
    }
    dynasm!(asm
        ; .arch x64
        ; xor eax, eax
        ; mov [rsp + disp(offset_of!(ActivationLink, reserved))], rax
        ; mov [r15 + EXIT_FP], rax
        ; mov [r15 + EXIT_PC], rax
        ; mov [r15 + CALLER], rax
        ; mov [r15 + OUTER], rsp
        ; mov [r15 + ENTRY_SP], rsp
        ; mov [r15 + ENTRY_FP], rbp
        ; lea rax, [->handler]
        ; mov [r15 + ENTRY_HANDLER], rax
    );
}

/// Loads the arguments and calls the function: rsi is the vmctx, rdx the code, rcx the slots.
fn call(asm: &mut Assembler, ty: &FuncType, layout: &CallLayout) {
    let bytes = |n: u32| i32::try_from(n).expect("a function type has few values");
    let (stack_args, return_area) =
        (bytes(layout.stack_args_bytes), bytes(layout.return_area_bytes));
    dynasm!(asm
        ; .arch x64
        ; mov r11, rdx
        ; mov r10, rcx
    );
    if stack_args + return_area > 0 {
        dynasm!(asm; .arch x64; sub rsp, stack_args + return_area);
    }
    // Without a return area the vmctx is in rdi, else in rsi, where it is already.
    if return_area > 0 {
        dynasm!(asm; .arch x64; lea rdi, [rsp + stack_args]);
    } else {
        dynasm!(asm; .arch x64; mov Rq(layout.vmctx), rsi);
    }
    let params = (&*ty.params, &*layout.params);
    load_values(asm, params, Base::new(reg::R10, 0), Base::new(reg::RSP, 0));
    dynasm!(asm; .arch x64; call r11);
}
