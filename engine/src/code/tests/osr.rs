//! Transfers out of baseline frames, with hand-made OSR bodies.
#![expect(clippy::useless_conversion, reason = "dynasm converts dynamic registers")]

use super::harness::*;
use crate::code::{ModuleCode, Tier};
use crate::vm::Slot;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use upshift_abi::code::{CompiledFunction, PcMap, TrapMap};
use upshift_abi::config::CodegenConfig;
use upshift_abi::conv::CallLayout;
use upshift_abi::hotness::ENTRY_MODULUS;
use upshift_abi::index::{DefinedFuncIndex, FuncIndex};
use upshift_abi::layout::{FuncRef, ThreadContext};
use upshift_abi::trap::Trap;
use upshift_abi::types::{FuncType, ValType};

use ValType::{F32, F64, I32, I64, V128};

const BUFFER: i32 = disp(offset_of!(ThreadContext, osr_buffer));
const VMCTX: i32 = disp(offset_of!(FuncRef, vmctx));
const CODE: i32 = disp(offset_of!(FuncRef, code));

/// A structure offset as a displacement.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "asserted small")]
const fn disp(offset: usize) -> i32 {
    assert!(offset < 1 << 16);
    offset as i32
}

fn configs() -> [CodegenConfig; 3] {
    let plain = CodegenConfig::default();
    [
        plain.clone(),
        CodegenConfig { zeal_spill: true, ..plain.clone() },
        CodegenConfig { fuel: true, ..plain },
    ]
}

/// Offset in the module of a loop of the first function.
fn loop_offset(code: &ModuleCode, index: usize) -> u32 {
    let body = &code.source().module.bodies[0];
    u32::try_from(body.range.start).unwrap() + body.loops[index].offset
}

fn publish(code: &ModuleCode, index: usize, asm: Asm, frame_bytes: u32) -> usize {
    let compiled =
        CompiledFunction { code: asm.finalize().unwrap(), frame_bytes, ..Default::default() };
    code.publish_osr(DefinedFuncIndex(0), loop_offset(code, index), compiled).unwrap()
}

fn func_type(code: &ModuleCode, index: u32) -> FuncType {
    code.source().module.func_type(FuncIndex(index)).clone()
}

/// What an OSR body found.
struct Record(Vec<AtomicU64>);

/// Registers that are recorded before the buffer: rdi rsi rbx r12 r13 r14.
const RECORDED: [u8; 6] = [7, 6, 3, 12, 13, 14];

impl Record {
    fn new(values: usize) -> Self {
        Self((0..RECORDED.len() + 1 + 2 * values).map(|_| AtomicU64::new(0)).collect())
    }

    fn address(&self) -> i64 {
        (self.0.as_ptr().expose_provenance() as u64).cast_signed()
    }

    fn word(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::SeqCst)
    }

    /// Times that the body was entered.
    fn entries(&self) -> u64 {
        self.word(RECORDED.len())
    }

    fn values(&self) -> Vec<Slot> {
        let words: Vec<u64> = (RECORDED.len() + 1..self.0.len()).map(|i| self.word(i)).collect();
        words.chunks(2).map(|pair| [pair[0], pair[1]]).collect()
    }

    /// An OSR body that records registers and buffer, destroys the callee-saved registers but
    /// keeps them for its caller, and returns 77.
    fn body(&self, ty: &FuncType) -> Asm {
        let layout = CallLayout::of(ty);
        let mut a = asm();
        dynasm!(a; .arch x64; push rbp; mov rbp, rsp; mov r10, QWORD self.address());
        for (reg, at) in RECORDED.into_iter().zip((0..).step_by(8)) {
            dynasm!(a; .arch x64; mov [r10 + at], Rq(reg));
        }
        dynasm!(a; .arch x64; push rbx; push r12; push r13; push r14; inc QWORD [r10 + 48]);
        dynasm!(a; .arch x64; mov r11, [r15 + BUFFER]);
        for at in (0..).step_by(8).take(self.0.len() - RECORDED.len() - 1) {
            dynasm!(a; .arch x64; mov rax, [r11 + at]; mov [r10 + at + 56], rax);
        }
        dynasm!(a; .arch x64; test r11, 15; jz >aligned; ud2; aligned:);
        dynasm!(a; .arch x64; mov ebx, 1; mov r12, rbx; mov r13, rbx; mov r14, rbx);
        dynasm!(a; .arch x64; mov eax, 77; pop r14; pop r13; pop r12; pop rbx; pop rbp);
        match i16::try_from(layout.stack_args_bytes).unwrap() {
            0 => dynasm!(a; .arch x64; ret),
            bytes => dynasm!(a; .arch x64; ret bytes),
        }
        a
    }
}

/// The bits of a value that mean something.
pub(super) fn bits(ty: ValType, value: Slot) -> Slot {
    match ty {
        I32 | F32 => [value[0] & 0xffff_ffff, 0],
        V128 => value,
        I64 | F64 | ValType::Ref(_) => [value[0], 0],
    }
}

fn assert_values(types: &[ValType], found: &[Slot], expected: &[Slot], what: &str) {
    assert_eq!(types.len(), found.len());
    for (i, &ty) in types.iter().enumerate() {
        assert_eq!(bits(ty, found[i]), bits(ty, expected[i]), "value {i}, {ty:?}, {what}");
    }
}

/// Runs the first function of `wat` up to a loop header, where it becomes a recording body.
fn record_at(
    wat: &str,
    loop_index: usize,
    config: CodegenConfig,
    args: &[Slot],
    values: usize,
) -> (Record, Vec<Slot>) {
    let code = baseline_code(wat, config);
    let record = Record::new(values);
    let ty = func_type(&code, 0);
    let address = publish(&code, loop_index, record.body(&ty), 64);
    let mut store = TestStore::new(&code);
    store.context.set_fuel(1 << 40);
    // Headers that have no body report and go on; the next one reports again.
    store.again = Some(0);
    store.heat(0);
    let results = store.call(store.func(0), &ty, args).unwrap();
    assert_eq!(record.entries(), 1, "the body was entered");
    let (function, entry, _) = code.code_of(DefinedFuncIndex(0)).unwrap();
    assert_eq!(function.tier, Tier::Baseline);
    assert_ne!(entry, address);
    let osr = code.function_at(address).unwrap();
    assert_eq!((osr.tier, osr.index), (Tier::Osr, DefinedFuncIndex(0)));
    (record, results)
}

/// Parameters and other locals of every type, operands of every type and kind below the loop, and
/// two parameters of the loop.
const ALL_TYPES: &str = r#"(module (func (export "f")
    (param i32 i64 f32 f64 v128 funcref externref) (result i64)
    (local i32 i64 f32 f64 v128 externref i64)
    (local.set 7 (i32.add (local.get 0) (i32.const 1)))
    (local.set 8 (i64.add (local.get 1) (i64.const 1)))
    (local.set 9 (f32.const 1.5))
    (local.set 10 (f64.add (local.get 3) (f64.const 1)))
    (local.set 11 (v128.not (local.get 4)))
    (local.set 12 (local.get 6))
    (i32.const -3)
    (f64.const 2.5)
    (ref.null func)
    (local.get 4)
    (v128.const i64x2 5 6)
    (v128.const i64x2 0 0)
    (local.get 6)
    (i32.mul (local.get 0) (i32.const 3))
    (local.get 2)
    (i64.const 99)
    (i32.eqz (local.get 0))
    (loop (param i64 i32)
      (local.set 0) (local.set 8)
      (local.set 7 (i32.add (local.get 7) (i32.add (local.get 0) (local.get 0))))
      (local.set 10 (f64.add (local.get 10) (local.get 3)))
      (local.set 11 (v128.or (local.get 11) (local.get 4)))
      (local.set 9 (f32.add (local.get 9) (local.get 2)))
      (i64.const 3) (i32.const 4)
      (br_if 0 (i32.wrap_i64 (local.tee 8 (i64.add (local.get 8) (local.get 1)))))
      (drop) (drop))
    (unreachable)))"#;

#[test]
fn values_of_all_types_reach_the_body() {
    let args: Vec<Slot> = vec![
        [0x8765_4321, 0],
        [0x1122_3344_5566_7788, 0],
        [u64::from(1.25f32.to_bits()), 0],
        [7.5f64.to_bits(), 0],
        [0xaaaa_bbbb_cccc_dddd, 0x1111_2222_3333_4444],
        [0, 0],
        [41, 0],
    ];
    let params = [I32, I64, F32, F64, V128, ValType::FUNCREF, ValType::EXTERNREF];
    let others = [I32, I64, F32, F64, V128, ValType::EXTERNREF, I64];
    let operands =
        [I32, F64, ValType::FUNCREF, V128, V128, V128, ValType::EXTERNREF, I32, F32, I64, I32];
    let types = [params.as_slice(), &others, &operands].concat();
    let locals: [Slot; 7] = [
        [0x8765_4322, 0],
        [0x1122_3344_5566_7789, 0],
        [u64::from(1.5f32.to_bits()), 0],
        [8.5f64.to_bits(), 0],
        [!0xaaaa_bbbb_cccc_dddd, !0x1111_2222_3333_4444],
        [41, 0],
        [0, 0],
    ];
    let stack: [Slot; 11] = [
        [0xffff_fffd, 0],
        [2.5f64.to_bits(), 0],
        [0, 0],
        args[4],
        [5, 6],
        [0, 0],
        [41, 0],
        [u64::from(0x8765_4321u32.wrapping_mul(3)), 0],
        args[2],
        [99, 0],
        [0, 0],
    ];
    let expected = [args.as_slice(), &locals, &stack].concat();
    for config in configs() {
        let what = format!("{config:?}");
        let (record, results) = record_at(ALL_TYPES, 0, config, &args, types.len());
        assert_values(&types, &record.values(), &expected, &what);
        assert_eq!(results, [[77, 0]]);
    }
}

#[test]
fn a_thousand_locals_and_a_deep_operand_stack_reach_the_body() {
    let locals: String =
        (0..1000).map(|i| format!("(local.set {} (i64.const {i}))", i + 1)).collect();
    let hot: String = (0..12)
        .map(|i| format!("(local.set {i} (i64.add (local.get {i}) (i64.const 1)))"))
        .collect();
    let operands: String = (0..300)
        .map(|i| match i % 3 {
            0 => format!("(i64.const {i})"),
            1 => format!("(i64.add (local.get 0) (i64.const {i}))"),
            _ => format!("(local.get {i})"),
        })
        .collect();
    let wat = format!(
        r#"(module (func (export "f") (param i64) (result i64) (local {})
            {locals} {operands}
            (loop {hot} (br 0)) unreachable))"#,
        "i64 ".repeat(1000)
    );
    let mut expected: Vec<Slot> = vec![[5, 0]];
    expected.extend((0..1000).map(|i| [i, 0]));
    expected.extend((0..300).map(|i| match i % 3 {
        0 => [i, 0],
        1 => [5 + i, 0],
        _ => [i - 1, 0],
    }));
    for config in configs() {
        let (record, _) = record_at(&wat, 0, config, &[[5, 0]], expected.len());
        assert_values(&vec![I64; expected.len()], &record.values(), &expected, "deep");
    }
}

#[test]
fn each_loop_of_a_nest_has_its_own_entry() {
    let wat = r#"(module (func (export "f") (param i64) (result i64) (local i64 i64)
        (i64.const 11)
        (loop
          (local.set 1 (i64.add (local.get 1) (i64.const 2)))
          (if (i64.eq (local.get 1) (i64.const 2))
            (then
              (i64.mul (local.get 1) (i64.const 8))
              (loop
                (local.set 2 (i64.add (local.get 2) (local.get 1)))
                (br_if 0 (i64.lt_u (local.get 2) (local.get 0))))
              (drop)))
          (br_if 0 (i64.lt_u (local.get 1) (local.get 0))))))"#;
    for config in configs() {
        let (inner, _) = record_at(wat, 1, config.clone(), &[[9, 0]], 5);
        assert_values(&[I64; 5], &inner.values(), &[[9, 0], [2, 0], [0, 0], [11, 0], [16, 0]], "");
        let (outer, _) = record_at(wat, 0, config, &[[9, 0]], 4);
        assert_values(&[I64; 4], &outer.values(), &[[9, 0], [0, 0], [0, 0], [11, 0]], "");
    }
}

/// A function that calls `func` with stack arguments and a return area, and returns 1 when the
/// stack and all callee-saved registers are as before.
fn careful_caller(func: u64, ty: &FuncType) -> TestFunc {
    let layout = CallLayout::of(ty);
    let stack_args = i32::try_from(layout.stack_args_bytes).unwrap();
    let area = i32::try_from(layout.return_area_bytes).unwrap();
    let mut a = asm();
    dynasm!(a; .arch x64; push rbp; mov rbp, rsp; push rbx; push r12; push r13; push r14);
    dynasm!(a; .arch x64; sub rsp, stack_args + area + 32);
    for at in (0..stack_args).step_by(8) {
        dynasm!(a; .arch x64; mov QWORD [rsp + at], at + 1000);
    }
    for (reg, value) in [(3, 0x333), (12, 0xccc), (13, 0xddd), (14, 0xeee)] {
        dynasm!(a; .arch x64; mov Rq(reg), value);
    }
    for reg in [6u8, 2, 1, 8, 9] {
        dynasm!(a; .arch x64; mov Rq(reg), i32::from(reg));
    }
    dynasm!(a; .arch x64; lea rdi, [rsp + stack_args]; mov rax, QWORD func.cast_signed());
    dynasm!(a; .arch x64; mov Rq(layout.vmctx), [rax + VMCTX]; call QWORD [rax + CODE]);
    dynasm!(a; .arch x64; lea rcx, [rsp + area + 64]; cmp rcx, rbp; jne ->wrong);
    for (reg, value) in [(3u8, 0x333), (12, 0xccc), (13, 0xddd), (14, 0xeee)] {
        dynasm!(a; .arch x64; cmp Rq(reg), value; jne ->wrong);
    }
    dynasm!(a; .arch x64; cmp eax, 77; mov eax, 1; je >out; ->wrong: ; xor eax, eax; out:);
    dynasm!(a; .arch x64; lea rsp, [rbp - 32]; pop r14; pop r13; pop r12; pop rbx; pop rbp; ret);
    TestFunc::new(a)
}

/// A function whose loop keeps `hot` of its locals in registers, callee-saved ones when the loop
/// makes calls.
fn counting_loop(params: usize, results: usize, hot: usize, calls: bool) -> String {
    let touch: String = (0..hot)
        .map(|i| format!("(local.set {i} (i64.add (local.get {i}) (i64.const 1)))"))
        .collect();
    let call = if calls { "(call $g)" } else { "" };
    format!(
        r#"(module
            (func (export "f") (param {}) (result {}) (loop {touch} {call} (br 0)) unreachable)
            (func $g (export "g")))"#,
        "i64 ".repeat(params),
        "i64 ".repeat(results)
    )
}

#[test]
fn callers_keep_their_registers_stack_and_return_area() {
    let cases =
        [(1, 1), (5, 1), (6, 1), (12, 1), (3, 9), (4, 9), (11, 20)].into_iter().flat_map(|shape| {
            [(0, false), (1, true), (2, true), (3, true), (7, false)].map(|hot| (shape, hot))
        });
    for ((params, results), (hot, calls)) in cases {
        let what = format!("{params} to {results}, {hot} locals, calls: {calls}");
        let code = baseline_code(
            &counting_loop(params, results, hot.min(params), calls),
            CodegenConfig::default(),
        );
        let ty = func_type(&code, 0);
        let record = Record::new(params);
        publish(&code, 0, record.body(&ty), 64);
        let mut store = TestStore::new(&code);
        let callee = store.func(0);
        let caller = TestStore::of(&[careful_caller(callee.bits(), &ty)]);
        store.heat(0);
        let ok = store.call(caller.func(0), &FuncType::new([], [I64]), &[]).unwrap();
        assert_eq!((ok[0][0], record.entries()), (1, 1), "{what}");
        let saved: Vec<u64> = (2..6).map(|i| record.word(i)).collect();
        assert_eq!(saved, [0x333, 0xccc, 0xddd, 0xeee], "{what}");
        let layout = CallLayout::of(&ty);
        let vmctx = record.word(if layout.return_area_bytes > 0 { 1 } else { 0 });
        let (instance, _) = callee.instance().unwrap();
        assert_eq!(vmctx, instance.address() as u64, "{what}");
        let registers = [6u64, 2, 1, 8, 9].into_iter().skip(usize::from(layout.vmctx == 6));
        let args = registers.chain((1000..).step_by(8)).take(params);
        let expected: Vec<Slot> = args.map(|arg| [arg, 0]).collect();
        assert_values(&vec![I64; params], &record.values(), &expected, &what);
    }
}

/// `f(n)`: the sum of the numbers below `n`, by a loop.
const SUM: &str = r#"(module (func (export "f") (param i64) (result i64) (local i64 i64)
    (loop
      (local.set 2 (i64.add (local.get 2) (local.get 1)))
      (br_if 0 (i64.lt_u (local.tee 1 (i64.add (local.get 1) (i64.const 1))) (local.get 0))))
    (local.get 2)))"#;

/// The OSR body of [`SUM`] at its loop; adds 1 to `entries`.
fn sum_body(entries: &AtomicU64) -> Asm {
    let address = std::ptr::from_ref(entries).expose_provenance() as u64;
    let mut a = asm();
    dynasm!(a
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; mov r10, QWORD address.cast_signed()
        ; lock inc QWORD [r10]
        ; mov r10, [r15 + BUFFER]
        ; mov rdx, [r10]
        ; mov rcx, [r10 + 16]
        ; mov rax, [r10 + 32]
        ; again:
        ; add rax, rcx
        ; inc rcx
        ; cmp rcx, rdx
        ; jb <again
        ; pop rbp
        ; ret
    );
    a
}

fn sum(n: u64) -> u64 {
    n * (n - 1) / 2
}

#[test]
fn a_transfer_in_the_middle_goes_on_where_the_loop_was() {
    let code = baseline_code(SUM, CodegenConfig::default());
    let entries = AtomicU64::new(0);
    let mut store = TestStore::new(&code);
    store.again = Some(100 * ENTRY_MODULUS);
    store.heat(0);
    // Without a body the loop goes on in the baseline and asks again.
    assert_eq!(store.run(0, &[10_000]).unwrap(), sum(10_000));
    let asked = store.hot.len();
    assert!(asked > 50, "asked {asked} times");
    let site = (DefinedFuncIndex(0), Some(loop_offset(&code, 0)));
    assert!(store.hot.iter().all(|hot| *hot == site));
    publish(&code, 0, sum_body(&entries), 0);
    assert_eq!(store.run(0, &[10_000]).unwrap(), sum(10_000));
    assert_eq!((entries.load(Ordering::SeqCst), store.hot.len()), (1, asked + 1));
}

#[test]
fn entries_of_functions_are_reported_without_a_loop() {
    let code = baseline_code(SUM, CodegenConfig::default());
    let entries = AtomicU64::new(0);
    publish(&code, 0, sum_body(&entries), 0);
    let mut store = TestStore::new(&code);
    store.set_counter(0, 0);
    assert_eq!(store.run(0, &[100]).unwrap(), sum(100));
    assert_eq!(store.hot, [(DefinedFuncIndex(0), None)]);
    assert_eq!(entries.load(Ordering::SeqCst), 0);
}

#[test]
fn a_body_that_does_not_fit_the_stack_is_not_entered() {
    let entries = AtomicU64::new(0);
    // The store's stack has 256 KiB.
    for (frame_bytes, expected) in [(1 << 30, 0), (257 << 10, 0), (200 << 10, 1), (0, 2)] {
        let code = baseline_code(SUM, CodegenConfig::default());
        publish(&code, 0, sum_body(&entries), frame_bytes);
        let mut store = TestStore::new(&code);
        store.heat(0);
        assert_eq!(store.run(0, &[1000]).unwrap(), sum(1000));
        assert_eq!(store.hot.len(), 1);
        assert_eq!(entries.load(Ordering::SeqCst), expected, "{frame_bytes} bytes");
    }
}

#[test]
fn a_request_to_interrupt_does_not_look_like_a_full_stack() {
    let entries = AtomicU64::new(0);
    let code = baseline_code(SUM, CodegenConfig::default());
    publish(&code, 0, sum_body(&entries), 64);
    let mut store = TestStore::new(&code);
    store.on_interrupt = Box::new(|_| Ok(()));
    for _ in 0..10 {
        store.heat(0);
        store.context.interrupter().request(1);
        assert_eq!(store.run(0, &[1000]).unwrap(), sum(1000));
    }
    assert_eq!(entries.load(Ordering::SeqCst), 10);
}

#[test]
fn activations_inside_of_a_body_transfer_too() {
    // The OSR body of `f(n)` reads `n` from the buffer and calls the host with it, which runs
    // `f(n - 1)` in the same store; the results add up.
    let code = baseline_code(SUM, CodegenConfig::default());
    let ty = FuncType::new([I64], [I64]);
    let inner = host(&ty, |store, slots| {
        let n = slots[0][0];
        store.heat(0);
        slots[0] = [if n == 0 { 0 } else { store.run(0, &[n - 1]).unwrap() }, 0];
        Ok(())
    });
    let mut a = asm();
    dynasm!(a
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; push rbx
        ; push rbx
        ; mov r10, [r15 + BUFFER]
        ; mov rbx, [r10]
        ; mov rsi, rbx
        ; mov rax, QWORD inner.func().bits().cast_signed()
        ; mov rdi, [rax + VMCTX]
        ; call QWORD [rax + CODE]
        ; add rax, rbx
        ; mov rbx, [rbp - 8]
        ; mov rsp, rbp
        ; pop rbp
        ; ret
    );
    publish(&code, 0, a, 64);
    let mut store = TestStore::new(&code);
    store.heat(0);
    assert_eq!(store.run(0, &[30]).unwrap(), sum(31));
    assert_eq!(store.hot.len(), 31);
}

#[test]
fn traps_in_a_body_have_the_frames_of_the_program() {
    let wat = r#"(module
        (func (export "f") (loop (br 0)))
        (func (export "g") (result i64) (call 0) (i64.const 0)))"#;
    let code = baseline_code(wat, CodegenConfig::default());
    let mut a = asm();
    dynasm!(a; .arch x64; push rbp; mov rbp, rsp);
    let at = u32::try_from(a.offset().0).unwrap();
    dynasm!(a; .arch x64; ud2);
    let offset = loop_offset(&code, 0);
    let compiled = CompiledFunction {
        code: a.finalize().unwrap(),
        traps: TrapMap::from_unsorted(vec![(at, Trap::Unreachable)]),
        pcs: PcMap::from_unsorted(vec![(at, offset + 2)]),
        ..CompiledFunction::default()
    };
    code.publish_osr(DefinedFuncIndex(0), offset, compiled).unwrap();
    let mut store = TestStore::new(&code);
    store.heat(0);
    let exit = store.run(1, &[]).unwrap_err();
    assert_eq!(trap_of(&exit), Trap::Unreachable);
    let symbols = exit.frames.iter().flat_map(|&frame| crate::code::symbolize(frame));
    let found: Vec<_> = symbols.map(|symbol| (symbol.func.0, symbol.module_offset)).collect();
    let call = u32::try_from(code.source().module.bodies[1].range.start).unwrap() + 1;
    assert_eq!(found, [(0, Some(offset + 2)), (1, Some(call))]);
    // The store can be used again.
    store.heat(0);
    assert_eq!(trap_of(&store.run(1, &[]).unwrap_err()), Trap::Unreachable);
}

#[test]
fn threads_enter_the_same_body() {
    let code = baseline_code(SUM, CodegenConfig::default());
    let entries = AtomicU64::new(0);
    publish(&code, 0, sum_body(&entries), 0);
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = TestStore::new(&code);
                barrier.wait();
                for n in 1..500 {
                    store.heat(0);
                    assert_eq!(store.run(0, &[n]).unwrap(), sum(n));
                }
            });
        }
    });
    // Threads that share a shard of the counters may undo each other's setting.
    assert!(entries.load(Ordering::SeqCst) >= 500);
}

#[test]
fn a_body_published_meanwhile_ends_endless_loops() {
    let code = baseline_code(
        r#"(module (func (export "f") (param i64) (result i64) (loop (br 0)) unreachable))"#,
        CodegenConfig::default(),
    );
    let record = Arc::new(Record::new(1));
    let started = Barrier::new(4);
    std::thread::scope(|scope| {
        for i in 0..3 {
            let (code, started) = (&code, &started);
            scope.spawn(move || {
                let mut store = TestStore::new(code);
                store.again = Some(1000);
                store.heat(0);
                started.wait();
                assert_eq!(store.run(0, &[i]).unwrap(), 77);
            });
        }
        started.wait();
        std::thread::sleep(Duration::from_millis(20));
        publish(&code, 0, record.body(&func_type(&code, 0)), 64);
    });
    assert!(record.entries() >= 1);
}

#[test]
fn a_panic_of_the_store_leaves_the_loop() {
    let code = baseline_code(SUM, CodegenConfig::default());
    let mut store = TestStore::new(&code);
    store.panics_when_hot = true;
    store.heat(0);
    let exit = store.run(0, &[1_000]).unwrap_err();
    assert!(matches!(exit.reason, crate::vm::ExitReason::Panic(_)));
    store.panics_when_hot = false;
    assert_eq!(store.run(0, &[1_000]).unwrap(), sum(1_000));
}
