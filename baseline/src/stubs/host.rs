//! The host stub: from wasm code to a host function.
//!
//! ```text
//! rbp+16  stack arguments
//! rbp+8   return address
//! rbp     saved rbp, the frame of the wasm code that calls
//! rbp-16  address of the return area, if the type has one
//!         slots                                            <- rsp
//! ```

use super::emit::{
    Assembler, Base, PENDING, SLOT_BYTES, finish, leave_to_landing, load_values, record_exit, reg,
    store_values,
};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use upshift_abi::conv::CallLayout;
use upshift_abi::types::FuncType;

/// The code of all host functions of type `ty`, in the wasm calling convention.
///
/// The vmctx is the record of a host function, which begins with the address of an
/// `extern "C" fn(thread, record, slots: *mut [u64; 2])`. The stub stores the arguments to slots on
/// the stack, scalars zero-extended to 64 bits, calls that function and loads the results from the
/// slots. When `pending` is set afterwards it goes on at the landing.
#[must_use]
pub fn host_stub(ty: &FuncType) -> Vec<u8> {
    let layout = CallLayout::of(ty);
    let count = i32::try_from(ty.params.len().max(ty.results.len())).expect("few values");
    let area = if layout.return_area_bytes > 0 { 16 } else { 0 };
    let mut asm = Assembler::new(0);
    record_exit(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; sub rsp, count * SLOT_BYTES + area
    );
    if area > 0 {
        dynasm!(asm; .arch x64; mov [rbp - area], rdi);
    }
    let slots = Base::new(reg::RSP, 0);
    let params = (&*ty.params, &*layout.params);
    store_values(&mut asm, params, slots, Base::new(reg::RBP, 16));
    // The record is in rdi or, behind a return area, in rsi: read before rdi is overwritten.
    dynasm!(asm
        ; .arch x64
        ; mov rsi, Rq(layout.vmctx)
        ; mov rdi, r15
        ; mov rdx, rsp
        ; call QWORD [rsi]
        ; cmp DWORD [r15 + PENDING], 0
        ; jne ->out
    );
    if area > 0 {
        dynasm!(asm; .arch x64; mov r11, [rbp - area]);
    }
    let results = (&*ty.results, &*layout.results);
    load_values(&mut asm, results, slots, Base::new(reg::R11, 0));
    dynasm!(asm; .arch x64; mov rsp, rbp; pop rbp);
    match i16::try_from(layout.stack_args_bytes).expect("at most 1000 parameters of 16 bytes") {
        0 => dynasm!(asm; .arch x64; ret),
        bytes => dynasm!(asm; .arch x64; ret bytes),
    }
    dynasm!(asm; .arch x64; ->out:);
    leave_to_landing(&mut asm);
    finish(asm)
}
