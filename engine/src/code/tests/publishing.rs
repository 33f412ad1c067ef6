//! Lazy compilation by several threads, whole modules, and the end of an arena.

use super::harness::*;
use dynasmrt::{DynasmApi, dynasm};
use std::sync::{Arc, Barrier};
use upshift_abi::code::CompileError;
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::trap::Trap;

fn constant(value: i32) -> TestFunc {
    let mut a = asm();
    dynasm!(a; .arch x64; mov eax, value; ret);
    TestFunc::new(a)
}

#[test]
fn threads_race_on_lazy_functions() {
    let funcs: Vec<TestFunc> = (0..200).map(constant).collect();
    let code = module_code(&funcs);
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = TestStore::new(&code);
                barrier.wait();
                for i in 0..200 {
                    assert_eq!(store.run(i, &[]).unwrap(), u64::from(i));
                }
            });
        }
    });
    assert_eq!(code.stats().baseline.functions, 200);
}

#[test]
fn a_module_is_compiled_as_a_whole_by_many_threads() {
    let funcs: Vec<TestFunc> = (0..100).map(constant).collect();
    for threads in [1, 3] {
        let code = module_code(&funcs);
        code.ensure_compiled(DefinedFuncIndex(50)).unwrap();
        code.compile_all(threads).unwrap();
        assert_eq!(code.stats().baseline.functions, 100);
        let mut store = TestStore::new(&code);
        assert!((0..100).all(|i| store.run(i, &[]).unwrap() == u64::from(i)));
        let (function, address, bytes) = code.code_of(DefinedFuncIndex(9)).unwrap();
        assert_eq!((function.index.0, bytes.len(), bytes[0]), (9, function.len, 0xb8));
        assert_eq!(code.function_at(address + 1).unwrap().index.0, 9);
    }
}

#[test]
fn dropping_a_module_unmaps_its_arena() {
    let code = module_code(&[constant(1)]);
    let address = code.ensure_compiled(DefinedFuncIndex(0)).unwrap();
    let file = mapped_file(address).expect("the code is mapped");
    let module =
        || crate::vm::code_map::with_module(address, |code| std::ptr::from_ref(code).addr());
    let registered = module().expect("the code is registered");
    drop(code);
    // Another test's arena may be there by now.
    assert_ne!(mapped_file(address).as_ref(), Some(&file));
    assert_ne!(module(), Some(registered));
}

#[test]
fn code_is_never_writable_and_executable() {
    let code = module_code(&[constant(1)]);
    code.ensure_compiled(DefinedFuncIndex(0)).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains("upshift-code"));
    assert!(!maps.contains("rwx"));
}

/// The number of the file with machine code that is mapped at an address.
fn mapped_file(address: usize) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut mappings = maps.lines().filter(|line| line.contains("upshift-code"));
    let mapping = mappings.find(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let parse = |s| usize::from_str_radix(s, 16).unwrap();
        (parse(start)..parse(end)).contains(&address)
    });
    // Addresses, permissions, offset, device, file.
    mapping.and_then(|line| line.split_whitespace().nth(4)).map(str::to_owned)
}

#[test]
fn compile_errors_are_traps_of_the_caller_and_may_be_retried() {
    let code = module_code(&[constant(1)]);
    let mut source = code.source().clone();
    source.config = Arc::default();
    let failing = crate::code::ModuleCode::new(
        source,
        |_| Err(CompileError::CodeTooLarge { func: 0, limit: 3 }),
        None,
        None,
    )
    .unwrap();
    let mut store = TestStore::new(&failing);
    for _ in 0..2 {
        let exit = store.run(0, &[]).unwrap_err();
        let crate::vm::ExitReason::Error(error) = exit.reason else { panic!("an error") };
        assert!(error.downcast_ref::<CompileError>().is_some());
    }
    assert!(failing.compile_all(2).is_err());
}

#[test]
fn a_full_arena_is_an_error_with_its_size() {
    let large = || {
        let mut a = asm();
        dynasm!(a; .arch x64; mov eax, 1; ret);
        (0..3 << 20).for_each(|_| dynasm!(a; .arch x64; nop));
        TestFunc::new(a)
    };
    let code = module_code(&[constant(1), large(), large()]);
    assert!((0..2).all(|i| code.ensure_compiled(DefinedFuncIndex(i)).is_ok()));
    match code.ensure_compiled(DefinedFuncIndex(2)) {
        Err(CompileError::ModuleCodeTooLarge { func: 2, limit }) => assert!(limit >= 4 << 20),
        other => panic!("{other:?}"),
    }
}

#[test]
fn modules_come_and_go_on_many_threads() {
    let trapping = || {
        let mut a = asm();
        dynasm!(a; .arch x64; push rbp; mov rbp, rsp);
        let at = a.offset();
        dynasm!(a; .arch x64; ud2);
        TestFunc::new(a).trap(at, Trap::Unreachable)
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..40 {
                    let mut store = TestStore::of(&[constant(i), trapping()]);
                    assert_eq!(store.run(0, &[]).unwrap(), u64::from(i.unsigned_abs()));
                    let exit = store.run(1, &[]).unwrap_err();
                    assert_eq!(trap_of(&exit), Trap::Unreachable);
                    let symbol = &crate::code::symbolize(exit.frames[0])[0];
                    assert!(Arc::ptr_eq(&symbol.code, &store.code));
                }
            });
        }
    });
}
