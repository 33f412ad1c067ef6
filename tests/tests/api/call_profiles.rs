//! Calls through references that were optimised by their profiles: whatever is called afterwards, the
//! result is the same.

use upshift::{
    Config, Engine, EventKind, Extern, Func, Instance, Module, Store, Tier, Trap, Val, Zeal,
};

/// Functions of several sizes in a table, which `indirect` and `reference` call. Elements 4 and 5 are
/// functions of others, 6 is one of another type, 7 is null.
const CALLER: &str = r#"(module
    (type $op (func (param i32) (result i32)))
    (import "" "host" (func $host (type $op)))
    (import "" "other" (func $other (type $op)))
    (table $table (export "table") 8 (ref null $op))
    (table $any 8 funcref)
    (elem (table $table) (i32.const 0) (ref null $op)
        (ref.func $double) (ref.func $divide) (ref.func $sum) (ref.func $nested)
        (ref.func $host) (ref.func $other))
    (elem (table $any) (i32.const 0) func
        $double $divide $sum $nested $host $other $none)
    (global $seven (mut i32) (i32.const 7))
    (func $double (type $op) (i32.mul (local.get 0) (i32.const 2)))
    (func $divide (type $op) (i32.div_s (i32.const 1000) (local.get 0)))
    (func $sum (type $op) (local $s i32)
        (loop $l
            (local.set $s (i32.add (local.get $s) (local.get 0)))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $s))
    (func $nested (type $op)
        (call_ref $op
            (i32.add (local.get 0) (global.get $seven))
            (table.get $table (i32.and (local.get 0) (i32.const 1)))))
    (func $none)
    (func (export "indirect") (param i32 i32) (result i32)
        (call_indirect $any (type $op) (local.get 1) (local.get 0)))
    (func (export "reference") (param i32 i32) (result i32)
        (call_ref $op (local.get 1) (table.get $table (local.get 0)))))"#;

/// Adds a number.
const OTHER: &str = r#"(module
    (func (export "other") (param i32) (result i32) (i32.add (local.get 0) (i32.const 100))))"#;

fn instance(store: &mut Store<()>, module: &Module) -> Instance {
    let other = Module::new(store.engine(), OTHER).expect("a valid test");
    let other = Instance::new(&mut *store, &other, &[]).expect("a valid test");
    let other = other.get_func(&mut *store, "other").expect("a valid test");
    let host = Func::wrap(&mut *store, |number: i32| number - 1);
    Instance::new(&mut *store, module, &[host.into(), Extern::from(other)]).expect("a valid test")
}

/// What calls of all elements give, with two arguments: numbers or traps.
fn outcomes(store: &mut Store<()>, instance: &Instance) -> Vec<String> {
    let mut outcomes = Vec::new();
    for name in ["indirect", "reference"] {
        let call =
            instance.get_typed_func::<(i32, i32), i32>(&mut *store, name).expect("a valid test");
        for (element, argument) in (0..9).flat_map(|element| [(element, 3), (element, 0)]) {
            // A sum of 0 numbers takes long.
            let argument = if element == 2 { argument + 2 } else { argument };
            outcomes.push(match call.call(&mut *store, (element, argument)) {
                Ok(result) => result.to_string(),
                Err(error) => {
                    let trap = error.chain().find_map(|cause| cause.downcast_ref::<Trap>());
                    format!("{trap:?}")
                }
            });
        }
    }
    outcomes
}

/// Calls each of some elements so often that callers are optimised.
fn warm(store: &mut Store<()>, instance: &Instance, elements: &[i32]) {
    for name in ["indirect", "reference"] {
        let call = instance.get_func(&mut *store, name).expect("a valid test");
        for i in 0..60 {
            for &element in elements {
                let args = [Val::I32(element), Val::I32(i % 5 + 1)];
                call.call(&mut *store, &args, &mut [Val::I32(0)]).expect("a valid test");
            }
        }
    }
}

fn expected() -> Vec<String> {
    let mut config = Config::new();
    config.tier(Tier::Baseline);
    let engine = Engine::new(&config).expect("a valid test");
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, CALLER).expect("a valid test");
    let instance = instance(&mut store, &module);
    outcomes(&mut store, &instance)
}

#[test]
fn calls_are_the_same_whatever_was_called_before() {
    let expected = expected();
    assert_eq!(expected[..2], ["6", "0"]);
    for elements in [&[0][..], &[1, 0], &[0, 1, 2, 3], &[5, 4, 3], &[0, 1, 2, 3, 4, 5], &[4]] {
        for inline in [false, true] {
            let mut config = Config::new();
            let mut zeal = Zeal::none();
            zeal.inline = inline;
            config.zeal(zeal).deterministic_tiering(40).profiling(true);
            let engine = Engine::new(&config).expect("a valid test");
            let module = Module::new(&engine, CALLER).expect("a valid test");
            let mut store = Store::new(&engine, ());
            let [first, second] = [0, 1].map(|_| instance(&mut store, &module));
            warm(&mut store, &first, elements);
            let found = outcomes(&mut store, &first);
            assert_eq!(found, expected, "{elements:?}");
            // The code is the second instance's, too, whose records lie elsewhere.
            let found = outcomes(&mut store, &second);
            assert_eq!(found, expected, "{elements:?}, second instance");
            let mut other_store = Store::new(&engine, ());
            let third = instance(&mut other_store, &module);
            warm(&mut other_store, &third, &[3]);
            assert_eq!(outcomes(&mut other_store, &third), expected, "{elements:?}, third");
        }
    }
}

/// How many bodies were inlined in a function that was called so often with these elements.
fn inlined_after(elements: &[i32], name: &str) -> usize {
    let mut config = Config::new();
    config.deterministic_tiering(40).profiling(true);
    let engine = Engine::new(&config).expect("a valid test");
    let module = Module::new(&engine, CALLER).expect("a valid test");
    let mut store = Store::new(&engine, ());
    let instance = instance(&mut store, &module);
    warm(&mut store, &instance, elements);
    let func = if name == "indirect" { 7 } else { 8 };
    let compiled = engine.events().into_iter().find_map(|event| match event.kind {
        EventKind::Compiled { inlined, .. } if event.func == Some(func) => Some(inlined),
        _ => None,
    });
    compiled.expect("it was called often enough")
}

#[test]
fn what_is_called_is_inlined() {
    for name in ["indirect", "reference"] {
        assert_eq!(inlined_after(&[0], name), 1);
        assert_eq!(inlined_after(&[0, 1], name), 2);
        // Functions of others, and those with loops, are called.
        assert_eq!(inlined_after(&[2, 4, 5], name), 0);
    }
}
