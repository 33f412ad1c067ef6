//! Hardware traps, host errors and panics leave machine code; activations nest.

use super::harness::*;
use crate::code::symbolize;
use crate::vm::{Exit, ExitReason};
use anyhow::anyhow;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::layout::FuncRef;
use upshift_abi::trap::Trap;
use upshift_abi::types::{FuncType, ValType};

fn frame_start(a: &mut Asm) {
    dynasm!(a; .arch x64; push rbp; mov rbp, rsp);
}

fn frame_end(a: &mut Asm) {
    dynasm!(a; .arch x64; mov rsp, rbp; pop rbp; ret);
}

/// A function that traps with `ud2`.
fn unreachable() -> TestFunc {
    let mut a = asm();
    frame_start(&mut a);
    let at = a.offset();
    dynasm!(a; .arch x64; ud2);
    TestFunc::new(a).trap(at, Trap::Unreachable)
}

/// A function of type (funcref) -> i64 that calls the reference, and adds 1 to its result.
fn call_ref() -> TestFunc {
    let mut a = asm();
    frame_start(&mut a);
    let vmctx = i32::try_from(offset_of!(FuncRef, vmctx)).unwrap();
    dynasm!(a; .arch x64; mov rdi, [rsi + vmctx]; call QWORD [rsi]; add rax, 1);
    frame_end(&mut a);
    TestFunc::new(a)
}

fn functions_of(exit: &Exit) -> Vec<usize> {
    exit.frames.iter().flat_map(|&frame| symbolize(frame)).map(|s| s.func.index()).collect()
}

#[test]
fn faults_become_traps_with_their_frames() {
    let mut segv = asm();
    frame_start(&mut segv);
    let at = segv.offset();
    dynasm!(segv; .arch x64; mov rax, [rsi]);
    frame_end(&mut segv);
    let segv = TestFunc::new(segv).trap(at, Trap::MemoryOutOfBounds);
    let mut fpe = asm();
    frame_start(&mut fpe);
    dynasm!(fpe; .arch x64; mov rax, rsi; cqo; mov rcx, -1);
    let at = fpe.offset();
    dynasm!(fpe; .arch x64; idiv rcx);
    frame_end(&mut fpe);
    let fpe = TestFunc::new(fpe).trap(at, Trap::IntegerOverflow);
    let mut store = TestStore::of(&[segv, fpe, unreachable()]);
    let some = 5u64;
    let address = (&raw const some).expose_provenance() as u64;
    for _ in 0..3 {
        assert_eq!(store.run(0, &[address]).unwrap(), 5);
        let exit = store.run(0, &[8]).unwrap_err();
        assert_eq!((trap_of(&exit), functions_of(&exit)), (Trap::MemoryOutOfBounds, vec![0]));
        assert_eq!(store.run(1, &[40]).unwrap(), 40u64.wrapping_neg());
        let exit = store.run(1, &[1 << 63]).unwrap_err();
        assert_eq!((trap_of(&exit), functions_of(&exit)), (Trap::IntegerOverflow, vec![1]));
        let exit = store.run(2, &[]).unwrap_err();
        assert_eq!((trap_of(&exit), functions_of(&exit)), (Trap::Unreachable, vec![2]));
        assert!(exit.frames[0].is_exact);
    }
}

#[test]
fn activations_nest_and_outer_ones_survive_inner_traps() {
    let ty = FuncType::new([], [ValType::I64]);
    let mut store = TestStore::of(&[call_ref(), unreachable()]);
    let (caller, trapping) = (store.func(0), store.func(1));
    // host → f0 → inner host → f0 → host error / f1 traps; the inner host swallows it.
    let inner_ty = FuncType::new([ValType::FUNCREF], [ValType::I64]);
    let swallow = host(&ty, move |store, slots| {
        let exit = store.call(caller, &inner_ty, &[[trapping.bits(), 0]]).unwrap_err();
        assert_eq!(trap_of(&exit), Trap::Unreachable);
        assert_eq!(functions_of(&exit), [1, 0, 0]);
        assert!(store.context.is_active());
        slots[0] = [41, 0];
        Ok(())
    });
    for _ in 0..3 {
        assert_eq!(store.run(0, &[swallow.func().bits()]).unwrap(), 42);
        assert!(!store.context.is_active());
    }
    let exit = store.run(0, &[trapping.bits()]).unwrap_err();
    assert_eq!(functions_of(&exit), [1, 0]);
}

#[test]
fn host_errors_and_panics_cross_machine_code() {
    let ty = FuncType::new([], [ValType::I64]);
    let mut store = TestStore::of(&[call_ref()]);
    let fails = host(&ty, |_, _| Err(anyhow!("no such thing")));
    let exit = store.run(0, &[fails.func().bits()]).unwrap_err();
    assert_eq!(functions_of(&exit), [0]);
    let ExitReason::Error(error) = exit.reason else { panic!("an error") };
    assert_eq!(error.to_string(), "no such thing");
    let panics = host(&ty, |_, _| std::panic::panic_any(17u8));
    let exit = store.run(0, &[panics.func().bits()]).unwrap_err();
    let ExitReason::Panic(payload) = exit.reason else { panic!("a panic") };
    assert_eq!(*payload.downcast::<u8>().unwrap(), 17);
    let fine = host(&ty, |_, slots| {
        slots[0] = [1, 0];
        Ok(())
    });
    assert_eq!(store.run(0, &[fine.func().bits()]).unwrap(), 2);
}

#[test]
fn builtins_return_or_trap() {
    let mut a = asm();
    frame_start(&mut a);
    let grow = builtin(Builtin::memory_grow);
    dynasm!(a
        ; .arch x64
        ; mov rcx, rsi
        ; mov rsi, rdi
        ; mov rdi, r15
        ; mov edx, 3
        ; call QWORD [r15 + grow]
    );
    frame_end(&mut a);
    let mut store = TestStore::of(&[TestFunc::new(a)]);
    assert_eq!(store.run(0, &[21]).unwrap(), 42);
    assert_eq!(store.run(0, &[1]).unwrap(), u64::MAX);
    let exit = store.run(0, &[0]).unwrap_err();
    assert_eq!((trap_of(&exit), functions_of(&exit)), (Trap::AllocationTooLarge, vec![0]));
}

#[test]
fn a_stack_that_is_used_up_is_a_trap() {
    // The entry check of the compilers, then a call of itself.
    let mut a = asm();
    let check = builtin(Builtin::stack_check);
    dynasm!(a
        ; .arch x64
        ; ->retry:
        ; cmp rsp, [r15]
        ; jb ->slow
        ; push rbp
        ; mov rbp, rsp
        ; sub rsp, 48
        ; call QWORD [rip + 0]
    );
    let end = a.offset();
    frame_end(&mut a);
    dynasm!(a
        ; .arch x64
        ; ->slow:
        ; push rbp
        ; mov rbp, rsp
        ; call QWORD [r15 + check]
        ; pop rbp
        ; jmp ->retry
    );
    let mut store = TestStore::of(&[TestFunc::new(a).slot(end, 0), unreachable()]);
    for _ in 0..3 {
        let exit = store.run(0, &[]).unwrap_err();
        assert_eq!(trap_of(&exit), Trap::StackOverflow);
        assert!(exit.frames.len() > 3000, "{} frames", exit.frames.len());
        assert!(functions_of(&exit).iter().all(|&func| func == 0));
        assert_eq!(trap_of(&store.run(1, &[]).unwrap_err()), Trap::Unreachable);
    }
}
