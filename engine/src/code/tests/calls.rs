//! Arguments and results of all classes in both directions.

use super::harness::*;
use crate::vm::Slot;
use dynasmrt::{DynasmApi, dynasm};
use upshift_abi::types::{FuncType, ValType};

use ValType::{F32, F64, I32, I64, V128};

/// A value with garbage above its own bits, and as it must come back.
fn sample(ty: ValType, i: u64) -> (Slot, Slot) {
    let low = 0x1122_3344_5566_7700 + i;
    let high = 0x99aa_bbcc_ddee_ff00 + i;
    match ty {
        I32 | F32 => ([low, high], [low & 0xffff_ffff, 0]),
        I64 | F64 | ValType::Ref(_) => ([low, high], [low, 0]),
        V128 => ([low, high], [low, high]),
    }
}

fn assert_slots(types: &[ValType], found: &[Slot], expected: &[Slot]) {
    for (i, ty) in types.iter().enumerate() {
        let words = if *ty == V128 { 2 } else { 1 };
        assert_eq!(found[i][..words], expected[i][..words], "value {i} of {types:?}");
    }
}

/// Calls a host function whose results are its parameters reversed.
fn round_trip(params: &[ValType]) {
    let results: Vec<ValType> = params.iter().rev().copied().collect();
    let ty = FuncType::new(params, results.as_slice());
    let (given, expected): (Vec<Slot>, Vec<Slot>) =
        params.iter().zip(0..).map(|(&ty, i)| sample(ty, i)).unzip();
    let seen = (params.to_vec(), expected.clone());
    let reverse = host(&ty, move |_, slots| {
        assert_slots(&seen.0, slots, &seen.1);
        slots.reverse();
        Ok(())
    });
    let mut store = TestStore::of(&[]);
    let found = store.call(reverse.func(), &ty, &given).unwrap();
    let expected: Vec<Slot> = expected.into_iter().rev().collect();
    assert_slots(&results, &found, &expected);
}

#[test]
fn values_of_all_classes_cross_in_registers() {
    round_trip(&[]);
    round_trip(&[I32, I64, F32, F64, V128, ValType::FUNCREF]);
}

#[test]
fn values_beyond_the_registers_cross_in_memory() {
    round_trip(&[I32; 20]);
    round_trip(&[F32; 20]);
    round_trip(&[V128; 9]);
    round_trip(&[I32, F32].repeat(13));
    round_trip(&[I64, F64, V128, I32, F32].repeat(7));
    round_trip(&[I64; 1000]);
    round_trip(&[V128; 1000]);
}

#[test]
fn machine_code_sees_the_convention() {
    // Six integer parameters: five in registers, the sixth on the stack, popped by the callee.
    let mut a = asm();
    dynasm!(a
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; mov rax, [rbp + 16]
        ; shl rax, 8
        ; or rax, rsi
        ; shl rax, 8
        ; or rax, r9
        ; pop rbp
        ; ret 16
    );
    let mut store = TestStore::of(&[TestFunc::new(a)]);
    assert_eq!(store.run(0, &[1, 2, 3, 4, 5, 6]).unwrap(), 0x06_01_05);
}

#[test]
fn results_beyond_the_registers_come_in_the_return_area() {
    let mut a = asm();
    dynasm!(a
        ; .arch x64
        ; mov rax, 9
        ; mov [rdi], rax
        ; mov [rdi + 8], rdx
        ; mov eax, 1
        ; mov ecx, 2
        ; mov edx, 3
        ; mov esi, 4
        ; mov edi, 5
        ; mov r8d, 6
        ; mov r9d, 7
        ; mov r10d, 8
        ; ret
    );
    let mut store = TestStore::of(&[TestFunc::new(a)]);
    let ty = FuncType::new([I64], vec![I64; 10]);
    let found = store.call(store.func(0), &ty, &[[10, 0]]).unwrap();
    let found: Vec<u64> = found.iter().map(|slot| slot[0]).collect();
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn direct_calls_go_through_slots_and_lazy_stubs() {
    // f0 calls f1 twice: first through its lazy stub, then directly.
    let mut caller = asm();
    dynasm!(caller; .arch x64; push rbp; mov rbp, rsp; call QWORD [rip + 0]);
    let first = caller.offset();
    dynasm!(caller; .arch x64; lea rsi, [rax + 1]; call QWORD [rip + 0]);
    let second = caller.offset();
    dynasm!(caller; .arch x64; pop rbp; ret);
    let mut callee = asm();
    dynasm!(callee; .arch x64; lea rax, [rsi + rsi]; ret);
    let caller = TestFunc::new(caller).slot(first, 1).slot(second, 1);
    let mut store = TestStore::of(&[caller, TestFunc::new(callee)]);
    assert_eq!(store.run(0, &[5]).unwrap(), 22);
    assert_eq!(store.code.stats().baseline.functions, 2);
    assert!(store.code.stats().baseline.code_bytes > 0);
}

#[test]
fn lazy_compilation_keeps_all_arguments() {
    let params = [I64, F64].repeat(9);
    let ty = FuncType::new(params.as_slice(), [I64]);
    // Sums all integer arguments and adds the last float argument's bits.
    let mut a = asm();
    dynasm!(a
        ; .arch x64
        ; lea rax, [rsi + rdx]
        ; add rax, rcx
        ; add rax, r8
        ; add rax, r9
        ; add rax, [rsp + 8]
        ; add rax, [rsp + 16]
        ; add rax, [rsp + 24]
        ; movq rcx, xmm7
        ; add rax, rcx
        ; ret 48
    );
    let mut store = TestStore::of(&[TestFunc::new(a)]);
    let args: Vec<Slot> = (1..=18).map(|i| [i, 0]).collect();
    // Integers 1 3 5 7 9 in registers; on the stack 11, 13, 15, 17 and the ninth float, 18, in
    // signature order; xmm7 is the eighth float, 16.
    let sum = 1 + 3 + 5 + 7 + 9 + 11 + 13 + 15 + 16;
    let found = store.call(store.func(0), &ty, &args).unwrap();
    assert_eq!(found[0][0], sum);
}
