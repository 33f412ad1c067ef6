//! Resolving imports.

use super::instantiate;
use upshift::{
    Caller, Engine, ExnRef, Extern, ExternType, Func, Global, GlobalType, Instance, LinkError,
    Linker, Memory, MemoryType, Module, Store, Tag, Val, ValType,
};

const NEEDS: &str = r#"(module
    (import "env" "f" (func $f (param i32) (result i32)))
    (import "env" "m" (memory 1 4))
    (import "env" "g" (global $g i32))
    (func (export "run") (result i32) (call $f (global.get $g))))"#;

fn link_error(error: &upshift::Error) -> &LinkError {
    error.downcast_ref::<LinkError>().expect("a link error")
}

#[test]
fn missing_and_incompatible_imports_are_named() {
    let engine = Engine::default();
    let module = Module::new(&engine, NEEDS).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert_eq!(error.to_string(), "unknown import: `env::f` has not been defined");
    linker.func_wrap("env", "f", |_: i64| 1i32).unwrap();
    let error = linker.instantiate_pre(&module).unwrap_err();
    assert_eq!(
        error.to_string(),
        "incompatible import type for `env::f`: \
         expected function type (i32) -> (i32), found (i64) -> (i32)"
    );
    linker.allow_shadowing(true).func_wrap("env", "f", |x: i32| x + 1).unwrap();
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(5))).unwrap();
    linker.define(&store, "env", "m", memory).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert!(
        matches!(link_error(&error), LinkError::IncompatibleImport { name, .. } if name == "m")
    );
    assert!(
        error.to_string().ends_with("expected a memory of at most 4 pages, found 5"),
        "{error}"
    );
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(3))).unwrap();
    linker.define(&store, "env", "m", memory).unwrap();
    linker.define(&store, "env", "g", memory).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert!(error.to_string().ends_with("expected a global, found a memory"), "{error}");
    let global = Global::new(&mut store, GlobalType::new(ValType::I32, false), Val::I32(41));
    linker.define(&store, "env", "g", global.unwrap()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 42);
}

#[test]
fn a_name_is_defined_once_unless_shadowing_is_allowed() {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("a", "b", || {}).unwrap();
    let error = linker.func_wrap("a", "b", || {}).unwrap_err();
    assert!(matches!(link_error(&error), LinkError::DefinedTwice { .. }));
    linker.allow_shadowing(true).func_wrap("a", "b", || {}).unwrap();
}

#[test]
fn instances_link_to_each_other() {
    let engine = Engine::default();
    let (mut store, library) = instantiate(
        &engine,
        r#"(module
            (global $n (export "n") (mut i32) (i32.const 0))
            (func (export "next") (result i32)
                (global.set $n (i32.add (global.get $n) (i32.const 1)))
                (global.get $n)))"#,
    );
    let mut linker = Linker::new(&engine);
    linker.instance(&mut store, "lib", library).unwrap();
    linker.alias("lib", "next", "other", "succ").unwrap();
    linker.alias_module("lib", "again").unwrap();
    let user = Module::new(
        &engine,
        r#"(module
            (import "other" "succ" (func $succ (result i32)))
            (import "again" "n" (global $n (mut i32)))
            (export "succ" (func $succ))
            (func (export "twice") (result i32)
                (drop (call $succ)) (drop (call $succ)) (global.get $n)))"#,
    )
    .unwrap();
    let user = linker.instantiate(&mut store, &user).unwrap();
    let twice = user.get_typed_func::<(), i32>(&mut store, "twice").unwrap();
    assert_eq!(twice.call(&mut store, ()).unwrap(), 2);
    assert_eq!(library.get_func(&mut store, "next"), user.get_func(&mut store, "succ"));
    assert!(linker.get(&mut store, "lib", "next").is_some());
}

#[test]
fn one_pre_serves_many_stores() {
    let engine = Engine::default();
    let mut linker: Linker<i32> = Linker::new(&engine);
    linker.func_wrap("", "data", |caller: Caller<'_, i32>| *caller.data()).unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "" "data" (func $data (result i32))) (memory 1)
            (func (export "run") (result i32)
                (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (call $data)))
                (i32.load (i32.const 8))))"#,
    )
    .unwrap();
    let pre = linker.instantiate_pre(&module).unwrap();
    drop(linker);
    for i in 0..100 {
        let mut store = Store::new(&engine, i);
        let instance = pre.instantiate(&mut store).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        // Memory is zero each time, although address space is used again.
        assert_eq!(run.call(&mut store, ()).unwrap(), i);
    }
}

#[test]
fn unknown_imports_become_traps_or_defaults() {
    let engine = Engine::default();
    let module = Module::new(&engine, NEEDS).unwrap();
    let mut linker = Linker::new(&engine);
    let mut store = Store::new(&engine, ());
    linker.define_unknown_imports_as_traps(&module).unwrap();
    linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    assert_eq!(error.root_cause().to_string(), "unknown import: `env::f` has not been defined");
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 0);
}

#[test]
fn imports_can_be_given_in_order() {
    let engine = Engine::default();
    let module =
        Module::new(&engine, r#"(module (import "a" "b" (func)) (export "f" (func 0)) (start 0))"#)
            .unwrap();
    let mut store = Store::new(&engine, 0);
    let count = Func::wrap(&mut store, |mut caller: Caller<'_, i32>| *caller.data_mut() += 1);
    let instance = Instance::new(&mut store, &module, &[count.into()]).unwrap();
    assert_eq!(*store.data(), 1);
    assert_eq!(instance.exports(&store).map(|export| export.name()).collect::<Vec<_>>(), ["f"]);
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert_eq!(error.to_string(), "expected 1 imports, found 0");
}

#[test]
fn a_module_describes_itself() {
    let engine = Engine::default();
    let module = Module::new(&engine, NEEDS).unwrap();
    let imports: Vec<_> =
        module.imports().map(|i| format!("{}.{}", i.module(), i.name())).collect();
    assert_eq!(imports, ["env.f", "env.m", "env.g"]);
    assert!(
        matches!(module.get_export("run"), Some(ExternType::Func(ty)) if ty.results.len() == 1)
    );
    assert!(module.get_export("f").is_none());
    assert_eq!(module.function_name(1), Some("run"));
    assert_eq!(module.stats().functions, 1);
    assert_eq!(module.stats().baseline_functions, 0);
    assert!(module.function_code(1).is_none());
    assert_eq!(module.compile_all(1).unwrap().functions, 1);
    let dump = module.function_code(1).unwrap();
    assert_eq!(dump.bytes.len(), module.stats().baseline_code_bytes);
}

#[test]
fn segments_that_do_not_fit_trap_and_leave_what_was_written() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define(&store, "", "m", memory).unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "" "m" (memory 1))
            (data (i32.const 0) "ok") (data (i32.const 65535) "no"))"#,
    )
    .unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert_eq!(error.downcast_ref::<upshift::Trap>(), Some(&upshift::Trap::MemoryOutOfBounds));
    assert_eq!((&memory.data(&store)[..2], memory.data(&store)[65535]), (&b"ok"[..], 0));
}

#[test]
fn engines_are_not_mixed() {
    let (one, two) = (Engine::default(), Engine::default());
    let module = Module::new(&one, "(module)").unwrap();
    let mut store = Store::new(&two, ());
    assert!(Linker::new(&two).instantiate(&mut store, &module).is_err());
    assert!(Instance::new(&mut store, &module, &[] as &[Extern]).is_err());
    let memory = upshift::SharedMemory::new(&one, MemoryType::shared(1, 1)).unwrap();
    let module = Module::new(&two, r#"(module (import "" "" (memory 1 1 shared)))"#).unwrap();
    assert!(Instance::new(&mut store, &module, &[memory.into()]).is_err());
    assert!(!Engine::same(&one, &two) && Engine::same(&one, &one.clone()));
}

/// Imports functions whose types are more than their parameters and results: one of a recursion group of
/// two, one that others may be below, and one below that.
const NEEDS_DECLARED: &str = r#"(module
    (rec (type $f (func (param i32) (result i32))) (type $g (func (param (ref null $f)))))
    (type $above (sub (func (result i32))))
    (type $below (sub final $above (func (result i32))))
    (import "env" "f" (func $f (type $f)))
    (import "env" "above" (func $above (type $above)))
    (import "env" "below" (func $below (type $below)))
    (elem declare func $f)
    (func (export "run") (result i32)
        (i32.add (call_ref $f (i32.const 1) (ref.func $f))
            (i32.add (call $above) (call $below)))))"#;

#[test]
fn functions_for_imports_have_the_types_of_the_module() {
    let engine = Engine::default();
    let module = Module::new(&engine, NEEDS_DECLARED).unwrap();
    let mut store = Store::new(&engine, ());
    let body = |_: Caller<'_, ()>, arguments: &[Val], results: &mut [Val]| {
        results[0] = Val::I32(arguments.first().map_or(10, Val::unwrap_i32) + 100);
        Ok(())
    };
    // A type with the same parameters and results is another one.
    let mut linker = Linker::new(&engine);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else { panic!("a function") };
        linker.func_new(import.module(), import.name(), ty, body).unwrap();
    }
    assert!(linker.instantiate(&mut store, &module).is_err());
    let mut linker = Linker::new(&engine);
    for import in module.imports() {
        linker.func_for_import(&import, body).unwrap();
    }
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 101 + 110 + 110);
    let functions = module.imports().map(|import| Func::for_import(&mut store, &import, body));
    let functions: Vec<Extern> = functions.map(|func| func.unwrap().into()).collect();
    Instance::new(&mut store, &module, &functions).unwrap();
    // Another engine has none of these types.
    let mut other = Store::new(&Engine::default(), ());
    let import = module.imports().next().unwrap();
    assert!(Func::for_import(&mut other, &import, body).is_err());
}

#[test]
fn tags_for_imports_have_the_types_of_the_module() {
    let engine = Engine::default();
    let wat = r#"(module
        (rec (type $other (func)) (type $declared (func (param i32))))
        (import "host" "tag" (tag $tag (type $declared)))
        (import "host" "func" (func))
        (func $throw (throw $tag (i32.const 7)))
        (func (export "run") (result i32)
            (block $caught (result i32)
                (try_table (catch $tag $caught) (call $throw))
                unreachable)))"#;
    let module = Module::new(&engine, wat).unwrap();
    let mut store = Store::new(&engine, ());
    let imports: Vec<_> = module.imports().collect();
    let ExternType::Tag(ty) = imports[0].ty() else { panic!("a tag") };
    let nothing = Func::wrap(&mut store, || {}).into();
    // A tag with the same parameters has another type.
    let alone = Tag::new(&mut store, &ty).into();
    assert!(Instance::new(&mut store, &module, &[alone, nothing]).is_err());
    let tag = Tag::for_import(&mut store, &imports[0]).unwrap();
    assert_eq!(tag.ty(&store), ty);
    let nothing = Func::wrap(&mut store, || {}).into();
    let instance = Instance::new(&mut store, &module, &[tag.clone().into(), nothing]).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 7);
    let exn = ExnRef::new(&mut store, &tag, &[Val::I32(8)]).unwrap();
    assert_eq!(exn.field(&mut store, 0).unwrap().unwrap_i32(), 8);
    // A function is no tag, and another engine has none of these types.
    assert!(Tag::for_import(&mut store, &imports[1]).is_err());
    let mut other = Store::new(&Engine::default(), ());
    assert!(Tag::for_import(&mut other, &imports[0]).is_err());
    // Stand-ins have them, too.
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 7);
}

#[test]
fn stand_ins_have_the_types_of_the_module() {
    let engine = Engine::default();
    let module = Module::new(&engine, NEEDS_DECLARED).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    assert!(format!("{error:#}").contains("`env::f`"), "{error:#}");
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 0);
}
