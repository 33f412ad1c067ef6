//! Interruption from other threads, and stubs that preserve registers.
#![expect(clippy::useless_conversion, reason = "dynasm converts dynamic registers")]

use super::harness::*;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::trap::Trap;

/// Loops until interrupted, with a poll at the header.
fn endless() -> TestFunc {
    let mut a = asm();
    let poll = builtin(Builtin::loop_poll);
    dynasm!(a
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; ->header:
        ; cmp rsp, [r15]
        ; jae ->header
        ; call QWORD [r15 + poll]
        ; jmp ->header
    );
    TestFunc::new(a)
}

#[test]
fn a_loop_is_left_when_another_thread_asks() {
    let mut store = TestStore::of(&[endless()]);
    let interrupter = store.context.interrupter();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        interrupter.request(4);
    });
    let exit = store.run(0, &[]).unwrap_err();
    assert_eq!((trap_of(&exit), exit.frames.len()), (Trap::Interrupt, 1));
    thread.join().unwrap();
    store.context.interrupter().request(1);
    assert_eq!(store.context.requested(), 1);
    assert_eq!(trap_of(&store.run(0, &[]).unwrap_err()), Trap::Interrupt);
    assert_eq!(store.context.requested(), 0);
}

#[test]
fn no_request_is_lost_and_the_program_can_go_on() {
    let mut store = TestStore::of(&[endless()]);
    let seen = Arc::new(AtomicU32::new(0));
    let requests = 20_000;
    let interrupter = store.context.interrupter();
    let stop = Arc::clone(&seen);
    store.on_interrupt = Box::new({
        let seen = Arc::clone(&seen);
        move |bits| match bits & 2 {
            0 => {
                seen.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            _ => Err(Trap::Interrupt.into()),
        }
    });
    let thread = std::thread::spawn(move || {
        for i in 0..requests {
            let before = stop.load(Ordering::SeqCst);
            interrupter.request(1);
            // Every tenth time wait until the request was seen; else they may pile up.
            while i % 10 == 0 && stop.load(Ordering::SeqCst) == before {
                std::hint::spin_loop();
            }
        }
        interrupter.request(2);
    });
    assert_eq!(trap_of(&store.run(0, &[]).unwrap_err()), Trap::Interrupt);
    thread.join().unwrap();
    assert!(seen.load(Ordering::SeqCst) >= requests / 10);
}

#[test]
fn preserving_stubs_keep_every_register() {
    let mut a = asm();
    let poll = builtin(Builtin::loop_poll);
    let ints = [0u8, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14];
    dynasm!(a; .arch x64; push rbp; mov rbp, rsp; push rbx; push r12; push r13; push r14);
    for reg in ints {
        dynasm!(a; .arch x64; mov Rd(reg), i32::from(reg) + 100);
    }
    for reg in 0..16u8 {
        dynasm!(a; .arch x64; movd Rx(reg), eax; pshufd Rx(reg), Rx(reg), 0; add eax, 1);
    }
    dynasm!(a; .arch x64; mov eax, 100; call QWORD [r15 + poll]);
    for reg in ints {
        dynasm!(a; .arch x64; cmp Rq(reg), i32::from(reg) + 100; jne ->wrong);
    }
    for reg in 0..16u8 {
        dynasm!(a
            ; .arch x64
            ; pextrd ecx, Rx(reg), 3
            ; cmp ecx, eax
            ; jne ->wrong
            ; movd ecx, Rx(reg)
            ; cmp ecx, eax
            ; jne ->wrong
            ; add eax, 1
        );
    }
    dynasm!(a
        ; .arch x64
        ; mov eax, 1
        ; jmp ->out
        ; ->wrong:
        ; xor eax, eax
        ; ->out:
        ; pop r14; pop r13; pop r12; pop rbx; pop rbp
        ; ret
    );
    let mut store = TestStore::of(&[TestFunc::new(a)]);
    store.on_interrupt = Box::new(|bits| {
        // Something that uses vector registers.
        assert!(format!("{}", f64::from(bits) * 1.5).len() > 1);
        Ok(())
    });
    store.context.interrupter().request(1);
    assert_eq!(store.run(0, &[]).unwrap(), 1);
}

#[test]
fn hot_functions_are_reported_and_re_armed() {
    let mut a = asm();
    let hot = builtin(Builtin::hot_function);
    dynasm!(a
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; push rdi
        ; push rdi
        ; call QWORD [r15 + hot]
        ; mov eax, 3
        ; mov rsp, rbp
        ; pop rbp
        ; ret
    );
    let mut store = TestStore::of(&[endless(), TestFunc::new(a)]);
    assert_eq!(store.run(1, &[]).unwrap(), 3);
    assert_eq!(store.hot, [(DefinedFuncIndex(1), None)]);
}
