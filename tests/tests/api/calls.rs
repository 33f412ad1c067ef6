//! Calls in both directions, with all kinds of values.

use super::instantiate;
use upshift::{
    Caller, Engine, ExternRef, Func, FuncType, Linker, Module, Store, V128, Val, ValType,
};

#[test]
fn typed_calls_pass_every_type() {
    let (mut store, instance) = instantiate(
        &Engine::default(),
        r#"(module (func (export "swap")
            (param i32 i64 f32 f64 v128 externref funcref)
            (result funcref externref v128 f64 f32 i64 i32)
            local.get 6 local.get 5 local.get 4 local.get 3 local.get 2 local.get 1 local.get 0))"#,
    );
    type Args = (i32, i64, f32, f64, V128, Option<ExternRef>, Option<Func>);
    type Results = (Option<Func>, Option<ExternRef>, V128, f64, f32, i64, i32);
    let swap = instance.get_typed_func::<Args, Results>(&mut store, "swap").unwrap();
    let value = ExternRef::new(&mut store, "hello".to_owned()).unwrap();
    let func = *swap.func();
    let vector = V128::from(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10_u128);
    let results =
        swap.call(&mut store, (-1, i64::MIN, 1.5, -2.5, vector, Some(value), Some(func))).unwrap();
    let returned = results.1.unwrap();
    assert!(ExternRef::same(&store, &value, &returned));
    assert_eq!(results, (Some(func), Some(returned), vector, -2.5, 1.5, i64::MIN, -1));
    let text = results.1.unwrap().data(&store).unwrap().downcast_ref::<String>().cloned();
    assert_eq!(text.as_deref(), Some("hello"));
    let nulls = swap.call(&mut store, (0, 0, 0.0, 0.0, V128::default(), None, None)).unwrap();
    assert_eq!((nulls.0, nulls.1), (None, None));
}

#[test]
fn untyped_calls_check_arguments() {
    let (mut store, instance) = instantiate(
        &Engine::default(),
        r#"(module (func (export "f") (param i32) (result i64)
            (i64.extend_i32_s (local.get 0))))"#,
    );
    let f = instance.get_func(&mut store, "f").unwrap();
    let mut results = [Val::I32(0)];
    f.call(&mut store, &[Val::I32(-3)], &mut results).unwrap();
    assert_eq!(results[0].unwrap_i64(), -3);
    assert!(f.call(&mut store, &[], &mut results).is_err());
    assert!(f.call(&mut store, &[Val::I64(1)], &mut results).is_err());
    assert!(f.call(&mut store, &[Val::I32(1)], &mut []).is_err());
    assert!(f.typed::<i32, i32>(&store).is_err());
    assert_eq!(f.ty(&store).to_string(), "(i32) -> (i64)");
}

#[test]
fn host_functions_take_many_parameters() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "sum", |a: i32, b: i64, c: f32, d: f64, e: u32, f: u64, g: i32, h: i32| {
            let ints = i64::from(a) + b + i64::from(e) + f.cast_signed() + i64::from(g);
            (ints + i64::from(h), f64::from(c) + d)
        })
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module
            (import "" "sum" (func $sum (param i32 i64 f32 f64 i32 i64 i32 i32) (result i64 f64)))
            (func (export "run") (result i64 f64)
                (call $sum (i32.const 1) (i64.const 2) (f32.const 0.5) (f64.const 0.25)
                    (i32.const 3) (i64.const 4) (i32.const 5) (i32.const 6))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), (i64, f64)>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), (21, 0.75));
}

#[test]
fn callers_see_data_and_exports_of_the_calling_instance() {
    let engine = Engine::default();
    let mut linker: Linker<Vec<u8>> = Linker::new(&engine);
    linker
        .func_wrap("host", "log", |mut caller: Caller<'_, Vec<u8>>, at: u32, len: u32| {
            let memory = caller.get_export("memory").unwrap().into_memory().unwrap();
            let (bytes, log) = memory.data_and_store_mut(&mut caller);
            log.extend_from_slice(&bytes[at as usize..(at + len) as usize]);
            assert!(caller.get_export("nothing").is_none());
        })
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "log" (func $log (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 10) "hello")
            (func (export "run") (call $log (i32.const 10) (i32.const 5))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    instance.get_typed_func::<(), ()>(&mut store, "run").unwrap().call(&mut store, ()).unwrap();
    assert_eq!(store.data(), b"hello");
}

#[test]
fn host_functions_called_by_the_host_have_no_calling_instance() {
    let engine = Engine::default();
    let mut linker: Linker<Vec<bool>> = Linker::new(&engine);
    linker
        .func_wrap("", "look", |mut caller: Caller<'_, Vec<bool>>| -> upshift::Result<()> {
            let seen = caller.get_export("run");
            caller.data_mut().push(seen.is_some());
            if seen.is_some() {
                let inner = Func::wrap(&mut caller, |mut caller: Caller<'_, Vec<bool>>| {
                    let seen = caller.get_export("run").is_some();
                    caller.data_mut().push(seen);
                });
                inner.call(&mut caller, &[], &mut [])?;
                let still = caller.get_export("run").is_some();
                caller.data_mut().push(still);
            }
            Ok(())
        })
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "" "look" (func $look)) (func (export "run") (call $look)))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    run.call(&mut store, ()).unwrap();
    assert_eq!(*store.data(), [true, false, true]);
    let look = linker.get(&mut store, "", "look").unwrap().into_func().unwrap();
    look.call(&mut store, &[], &mut []).unwrap();
    assert_eq!(store.data().last(), Some(&false));
}

#[test]
fn wasm_and_host_call_each_other_recursively() {
    let engine = Engine::default();
    let mut linker: Linker<u32> = Linker::new(&engine);
    linker
        .func_wrap("", "down", |mut caller: Caller<'_, u32>, n: i32| -> upshift::Result<i32> {
            *caller.data_mut() += 1;
            let down = caller.get_export("down").unwrap().into_func().unwrap();
            let down = down.typed::<i32, i32>(&caller)?;
            down.call(&mut caller, n)
        })
        .unwrap();
    let module = Module::new(
        &engine,
        r#"(module
            (import "" "down" (func $host (param i32) (result i32)))
            (func (export "down") (param i32) (result i32)
                (if (result i32) (i32.eqz (local.get 0))
                    (then (i32.const 0))
                    (else (i32.add (i32.const 1)
                        (call $host (i32.sub (local.get 0) (i32.const 1))))))))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let down = instance.get_typed_func::<i32, i32>(&mut store, "down").unwrap();
    assert_eq!(down.call(&mut store, 20).unwrap(), 20);
    assert_eq!(*store.data(), 20);
}

#[test]
fn host_functions_are_values() {
    let engine = Engine::default();
    let (mut store, instance) = instantiate(
        &engine,
        r#"(module
            (table (export "t") 2 funcref)
            (type $f (func (param i32) (result i32)))
            (func (export "call") (param i32 i32) (result i32)
                (call_indirect (type $f) (local.get 1) (local.get 0))))"#,
    );
    let table = instance.get_table(&mut store, "t").unwrap();
    let double = Func::wrap(&mut store, |x: i32| x * 2);
    let ty = FuncType::new([ValType::I32], [ValType::I32]);
    let triple = Func::new(&mut store, ty, |_, args, results| {
        results[0] = Val::I32(args[0].unwrap_i32() * 3);
        Ok(())
    });
    table.set(&mut store, 0, double.into()).unwrap();
    table.set(&mut store, 1, triple.into()).unwrap();
    let call = instance.get_typed_func::<(i32, i32), i32>(&mut store, "call").unwrap();
    assert_eq!(call.call(&mut store, (0, 21)).unwrap(), 42);
    assert_eq!(call.call(&mut store, (1, 21)).unwrap(), 63);
    let mut results = [Val::I32(0)];
    double.call(&mut store, &[Val::I32(4)], &mut results).unwrap();
    assert_eq!(results[0].unwrap_i32(), 8);
}
