//! Handles belong to one store; what may cross threads does.

use super::instantiate;
use std::panic::{AssertUnwindSafe, catch_unwind};
use upshift::*;

fn assert_send_sync<T: Send + Sync>() {}
fn assert_send<T: Send>() {}

#[test]
fn types_cross_threads_as_promised() {
    assert_send_sync::<Config>();
    assert_send_sync::<Engine>();
    assert_send_sync::<Module>();
    assert_send_sync::<Linker<std::cell::Cell<u8>>>();
    assert_send_sync::<InstancePre<std::cell::Cell<u8>>>();
    assert_send_sync::<InterruptHandle>();
    assert_send_sync::<SharedMemory>();
    assert_send_sync::<(Func, Memory, Table, Global, Instance, Tag, ExternRef)>();
    assert_send_sync::<(Extern, Val, Trap, Error, WasmBacktrace)>();
    assert_send_sync::<TypedFunc<i32, i32>>();
    assert_send_sync::<Store<u8>>();
    assert_send::<Store<std::cell::Cell<u8>>>();
}

fn panics_with_wrong_store(use_it: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(use_it)).expect_err("a panic");
    let message = panic.downcast_ref::<&str>().copied();
    assert_eq!(message, Some("object used with the wrong store"));
}

#[test]
fn handles_panic_in_another_store() {
    let engine = Engine::default();
    let wat = r#"(module
        (func (export "f"))
        (memory (export "m") 1)
        (table (export "t") 1 funcref)
        (global (export "g") (mut i32) (i32.const 0)))"#;
    let (mut mine, instance) = instantiate(&engine, wat);
    let (mut other, _) = instantiate(&engine, wat);
    let func = instance.get_typed_func::<(), ()>(&mut mine, "f").unwrap();
    let memory = instance.get_memory(&mut mine, "m").unwrap();
    let table = instance.get_table(&mut mine, "t").unwrap();
    let global = instance.get_global(&mut mine, "g").unwrap();
    let value = ExternRef::new(&mut mine, 1).unwrap();
    panics_with_wrong_store(|| drop(func.call(&mut other, ())));
    panics_with_wrong_store(|| drop(func.func().ty(&other)));
    panics_with_wrong_store(|| _ = memory.data(&other).len());
    panics_with_wrong_store(|| drop(memory.grow(&mut other, 1)));
    panics_with_wrong_store(|| _ = table.get(&mut other, 0));
    panics_with_wrong_store(|| _ = global.get(&mut other));
    panics_with_wrong_store(|| drop(global.set(&mut other, Val::I32(0))));
    panics_with_wrong_store(|| drop(instance.get_export(&mut other, "f")));
    panics_with_wrong_store(|| _ = value.data(&other).is_some());
    let foreign = *func.func();
    let other_table =
        Table::new(&mut other, TableType::new(RefType::FUNCREF, 1, None), None::<Func>.into());
    let other_table = other_table.unwrap();
    panics_with_wrong_store(|| drop(other_table.set(&mut other, 0, foreign.into())));
    func.call(&mut mine, ()).unwrap();
}

#[test]
fn a_store_moves_between_threads() {
    let engine = Engine::default();
    let (mut store, instance) = instantiate(
        &engine,
        r#"(module (func $f (export "f") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $f (i32.sub (local.get 0) (i32.const 1))))
                (else (i32.const 5)))))"#,
    );
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    for _ in 0..4 {
        store = std::thread::spawn(move || {
            assert_eq!(f.call(&mut store, 1000).unwrap(), 5);
            store
        })
        .join()
        .unwrap();
        assert_eq!(f.call(&mut store, 1000).unwrap(), 5);
    }
}

#[test]
fn globals_and_tables_are_checked() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let constant = Global::new(&mut store, GlobalType::new(ValType::I64, false), Val::I64(4));
    let constant = constant.unwrap();
    assert!(constant.set(&mut store, Val::I64(5)).is_err());
    assert_eq!(constant.get(&mut store).unwrap_i64(), 4);
    let variable = Global::new(&mut store, GlobalType::new(ValType::F32, true), Val::F32(0));
    let variable = variable.unwrap();
    assert!(variable.set(&mut store, Val::I64(5)).is_err());
    variable.set(&mut store, 2.5f32.into()).unwrap();
    assert_eq!(variable.get(&mut store).unwrap_f32(), 2.5);
    assert!(Global::new(&mut store, GlobalType::new(ValType::I32, true), Val::F32(0)).is_err());
    let ty = TableType::new(RefType::EXTERNREF, 2, Some(5));
    let value = ExternRef::new(&mut store, 9u8).unwrap();
    let table = Table::new(&mut store, ty, value.into()).unwrap();
    assert!(table.set(&mut store, 0, None::<Func>.into()).is_err());
    assert!(table.set(&mut store, 2, value.into()).is_err());
    assert_eq!(table.grow(&mut store, 3, None::<ExternRef>.into()).unwrap(), 2);
    assert!(table.grow(&mut store, 1, value.into()).is_err());
    assert!(matches!(table.get(&mut store, 4), Some(Ref::Extern(None))));
    assert!(table.get(&mut store, 5).is_none());
    table.fill(&mut store, 1, value.into(), 3).unwrap();
    Table::copy(&mut store, &table, 4, &table, 1, 1).unwrap();
    assert!(matches!(table.get(&mut store, 4), Some(Ref::Extern(Some(_)))));
}

#[test]
fn typed_function_references_are_checked_at_the_border() {
    let module = r#"(module
        (type $f (func (param i32) (result i32)))
        (func (export "apply") (param (ref null $f) i32) (result i32)
            (call_ref $f (local.get 1) (local.get 0)))
        (func (export "neg") (type $f) (i32.sub (i32.const 0) (local.get 0)))
        (func (export "other") (param i64))
        (global (export "g") (mut (ref null $f)) (ref.null $f))
        (table (export "t") 1 (ref null $f)))"#;
    let (mut store, instance) = instantiate(&Engine::default(), module);
    let func = |store: &mut Store<()>, name| instance.get_func(store, name).unwrap();
    let (apply, neg) = (func(&mut store, "apply"), func(&mut store, "neg"));
    let other = func(&mut store, "other");
    let host = Func::wrap(&mut store, |n: i32| n + 100);
    let mut result = [Val::I32(0)];
    for (callee, expected) in [(neg, -5), (host, 105)] {
        apply.call(&mut store, &[callee.into(), Val::I32(5)], &mut result).unwrap();
        assert_eq!(result[0].unwrap_i32(), expected);
    }
    let error = apply.call(&mut store, &[other.into(), Val::I32(5)], &mut result).unwrap_err();
    assert!(error.downcast_ref::<Trap>().is_none(), "{error:#}");
    let null = apply.call(&mut store, &[Val::FuncRef(None), Val::I32(5)], &mut result);
    assert_eq!(null.unwrap_err().downcast_ref(), Some(&Trap::NullFunctionReference));
    let global = instance.get_global(&mut store, "g").unwrap();
    global.set(&mut store, neg.into()).unwrap();
    assert!(global.set(&mut store, other.into()).is_err());
    let table = instance.get_table(&mut store, "t").unwrap();
    table.set(&mut store, 0, host.into()).unwrap();
    assert!(table.set(&mut store, 0, other.into()).is_err());
}

/// Types that another engine numbered are not those of this one.
#[test]
fn foreign_concrete_types_are_refused() {
    let text = r#"(module (type $s (struct)) (func (export "f") (param (ref null $s))))"#;
    let (mut other, instance) = instantiate(&Engine::default(), text);
    let ty = instance.get_func(&mut other, "f").unwrap().ty(&other);
    let value = ty.params[0];
    let ValType::Ref(element) = value else { panic!("a reference") };
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    // The type of the same form that this engine has is another one.
    let _same = StructType::new(&engine, []).unwrap();
    let made = catch_unwind(AssertUnwindSafe(|| {
        Func::new(&mut store, ty.clone(), |_, _, _| Ok(()));
    }));
    let message = made.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("the engine has no such type"), "{message}");
    assert!(catch_unwind(AssertUnwindSafe(|| Tag::new(&mut store, &ty))).is_err());
    let mut linker: Linker<()> = Linker::new(store.engine());
    assert!(linker.func_new("m", "f", ty, |_, _, _| Ok(())).is_err());
    assert!(Global::new(&mut store, GlobalType::new(value, true), Val::AnyRef(None)).is_err());
    assert!(Table::new(&mut store, TableType::new(element, 1, None), Ref::Any(None)).is_err());
    // The store is as good as before.
    let double = Func::wrap(&mut store, |a: i32| 2 * a);
    let mut results = [Val::I32(0)];
    double.call(&mut store, &[Val::I32(4)], &mut results).unwrap();
    assert_eq!(results[0].unwrap_i32(), 8);
}
