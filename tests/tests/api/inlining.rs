//! Inlined functions show nowhere but in the code: backtraces, fuel, exceptions and collections
//! are what they are without.

use upshift::{
    Config, Engine, Func, Instance, Module, Store, Tier, Trap, Val, WasmBacktrace, Zeal,
};

/// The optimising compiler, with and without inlining, and the baseline.
fn configs() -> [(&'static str, Config); 4] {
    let config = |tier, inlining, inline| {
        let mut config = Config::new();
        let mut zeal = Zeal::none();
        zeal.inline = inline;
        config.tier(tier).inlining(inlining).zeal(zeal).consume_fuel(true);
        config
    };
    [
        ("baseline", config(Tier::Baseline, true, false)),
        ("calls", config(Tier::Optimizer, false, false)),
        ("inlined", config(Tier::Optimizer, true, false)),
        ("all inlined", config(Tier::Optimizer, true, true)),
    ]
}

/// Result or trap, functions and offsets of the backtrace, fuel.
type Outcome = (String, Vec<(u32, Option<usize>)>, u64);

/// What a call of `f` gives: the result or the trap, the functions and offsets of its backtrace,
/// and the fuel it takes.
fn run(config: &Config, text: &str, arg: i32) -> Outcome {
    let engine = Engine::new(config).expect("a valid test");
    let module = Module::new(&engine, text).expect("a valid test");
    let mut store = Store::new(&engine, ());
    store.set_fuel(100_000).expect("a valid test");
    let host = Func::wrap(&mut store, || {});
    let imports = if module.imports().len() > 0 { vec![host.into()] } else { vec![] };
    let instance = Instance::new(&mut store, &module, &imports).expect("a valid test");
    let f = instance.get_func(&mut store, "f").expect("a valid test");
    let mut results = [Val::I32(0)];
    let outcome = f.call(&mut store, &[Val::I32(arg)], &mut results);
    let fuel = 100_000 - store.get_fuel().expect("a valid test");
    match outcome {
        Ok(()) => (format!("{:?}", results[0]), vec![], fuel),
        Err(error) => {
            let frames = error.downcast_ref::<WasmBacktrace>().expect("a valid test").frames();
            let frames = frames.iter().map(|frame| (frame.func_index(), frame.module_offset()));
            let trap = error.chain().find_map(|cause| cause.downcast_ref::<Trap>());
            (format!("{trap:?}"), frames.collect(), fuel)
        }
    }
}

fn same_everywhere(text: &str, args: &[i32]) -> Vec<Outcome> {
    let configs = configs();
    let run_all = |&arg: &i32| {
        let expected = run(&configs[0].1, text, arg);
        for (name, config) in &configs[1..] {
            assert_eq!(run(config, text, arg), expected, "{name}, argument {arg}");
        }
        expected
    };
    args.iter().map(run_all).collect()
}

#[test]
fn traps_tell_all_frames() {
    let text = r#"(module (memory 1)
        (func $f (export "f") (param i32) (result i32)
            (i32.add (call $outer (local.get 0)) (call $outer (i32.const 1))))
        (func $outer (param i32) (result i32)
            (i32.add (call $inner (i32.const 2)) (call $inner (local.get 0))))
        (func $inner (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (i32.div_s (i32.const 7) (i32.load (i32.sub (local.get 0) (i32.const 1))))))"#;
    let found = same_everywhere(text, &[0, 70_000, 3]);
    let functions = |i: usize| found[i].1.iter().map(|frame| frame.0).collect::<Vec<_>>();
    assert_eq!(functions(0), [2, 1, 0]);
    assert_eq!(found[0].0, "Some(IntegerDivisionByZero)");
    assert!(found.iter().all(|run| run.1.iter().all(|frame| frame.1.is_some())));
}

#[test]
fn the_second_of_two_inlined_calls_is_told_from_the_first() {
    let text = r#"(module
        (func $f (export "f") (param i32) (result i32)
            (call $check (local.get 0))
            (call $check (i32.sub (local.get 0) (i32.const 1)))
            (i32.const 5))
        (func $check (param i32) (drop (i32.div_u (i32.const 1) (local.get 0)))))"#;
    let found = same_everywhere(text, &[0, 1, 2]);
    assert_eq!(found[0].1[0], found[1].1[0]);
    assert_ne!(found[0].1[1], found[1].1[1]);
    assert_eq!(found[2].0, "I32(5)");
}

#[test]
fn host_calls_in_inlined_bodies_and_early_returns() {
    let text = r#"(module (import "" "" (func $host))
        (func $f (export "f") (param i32) (result i32) (local i32)
            (loop $again
                (local.set 1 (i32.add (local.get 1) (call $pick (local.get 0))))
                (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1))
        (func $pick (param i32) (result i32)
            (call $host)
            (if (i32.and (local.get 0) (i32.const 1)) (then (return (i32.const 100))))
            (br_table 0 0 (i32.const 1) (local.get 0))))"#;
    let found = same_everywhere(text, &[1, 2, 9]);
    assert_eq!(found[0].0, "I32(100)");
}

#[test]
fn recursion_ends_with_a_trap() {
    let text = r#"(module
        (func $f (export "f") (param i32) (result i32) (call $g (local.get 0)))
        (func $g (param i32) (result i32) (i32.add (i32.const 1) (call $h (local.get 0))))
        (func $h (param i32) (result i32) (i32.add (i32.const 1) (call $g (local.get 0)))))"#;
    for (name, config) in configs() {
        let mut config = config;
        config.consume_fuel(false);
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, text).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance.get_func(&mut store, "f").unwrap();
        let error = f.call(&mut store, &[Val::I32(0)], &mut [Val::I32(0)]).unwrap_err();
        let trap = error.chain().find_map(|cause| cause.downcast_ref::<Trap>());
        assert_eq!(trap, Some(&Trap::StackOverflow), "{name}");
    }
}

#[test]
fn exceptions_find_handlers_around_inlined_bodies() {
    let text = r#"(module (import "" "" (func $host)) (tag $e (param i32)) (tag $other)
        (table funcref (elem $throw $nothing))
        (func $f (export "f") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $e $caught)
                    (i32.add (call $maybe (local.get 0)) (i32.const 1)))
                (return))
            (i32.add (i32.const 1000)))
        (func $maybe (param i32) (result i32)
            (call $host)
            (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e (i32.const 7))))
            (if (i32.eq (local.get 0) (i32.const 2)) (then (call $deeper)))
            (if (i32.eq (local.get 0) (i32.const 3)) (then
                (call_indirect (param i32) (i32.const 5) (i32.const 0))))
            (call $handles (local.get 0)))
        (func $deeper (throw $e (i32.const 8)))
        (func $throw (param i32) (throw $e (local.get 0)))
        (func $nothing (param i32))
        (func $handles (param i32) (result i32)
            (block (try_table (catch $other 0)
                (if (i32.eq (local.get 0) (i32.const 4)) (then (throw $other)))
                (if (i32.eq (local.get 0) (i32.const 5)) (then (throw $e (i32.const 9))))))
            (i32.const 20)))"#;
    let found = same_everywhere(text, &[0, 1, 2, 3, 4, 5]);
    let results: Vec<&str> = found.iter().map(|run| run.0.as_str()).collect();
    let expected = ["I32(21)", "I32(1007)", "I32(1008)", "I32(1005)", "I32(21)", "I32(1009)"];
    assert_eq!(results, expected);
}

#[test]
fn references_move_while_inlined_bodies_run() {
    let text = r#"(module (type $s (struct (field (mut i32))))
        (func $f (export "f") (param i32) (result i32) (local $a (ref null $s)) (local i32)
            (local.set $a (struct.new $s (i32.const 1)))
            (loop $again
                (local.set 2 (i32.add (local.get 2)
                    (struct.get $s 0 (call $make
                        (struct.new $s (local.get 0))
                        (local.get $a)))))
                (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (i32.add (local.get 2) (struct.get $s 0 (local.get $a))))
        (func $make (param $x (ref $s)) (param $y (ref null $s)) (result (ref $s))
            (local $z (ref null $s))
            ;; Null each time the body runs.
            (if (i32.eqz (ref.is_null (local.get $z))) (then unreachable))
            (call $touch (local.get $y))
            (local.set $z (struct.new $s (struct.get $s 0 (local.get $x))))
            (call $touch (local.get $z))
            (ref.as_non_null (local.get $z)))
        (func $touch (param $p (ref null $s)) (local $q (ref null $s))
            (local.set $q (struct.new $s (i32.const 1)))
            (struct.set $s 0 (local.get $p)
                (i32.add (struct.get $s 0 (local.get $p)) (struct.get $s 0 (local.get $q))))))"#;
    let expected = run(&configs()[0].1, text, 10);
    // 10 + ... + 1, one more for each; and 1 + 10.
    assert_eq!(expected.0, "I32(76)");
    for (name, mut config) in configs() {
        for exceptions in [false, true] {
            let mut zeal = Zeal::none();
            (zeal.gc, zeal.exceptions, zeal.inline) = (true, exceptions, name == "all inlined");
            config.zeal(zeal);
            assert_eq!(run(&config, text, 10), expected, "{name}, exceptions {exceptions}");
        }
    }
}

#[test]
fn switched_off_nothing_is_inlined() {
    let text = r#"(module (func (export "f") (result i32) (call $g)) (func $g (result i32) (i32.const 7)))"#;
    for (inlining, expected) in [(true, vec![1]), (false, vec![])] {
        let mut config = Config::new();
        config.tier(Tier::Optimizer).inlining(inlining);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, text).unwrap();
        module.compile_all(1).unwrap();
        let code = module.function_code(0).unwrap();
        let inlined: Vec<u32> = code.inlined.iter().map(|body| body.func).collect();
        assert_eq!(inlined, expected);
    }
}

#[test]
fn events_tell_how_much_was_inlined() {
    let text = r#"(module (func (export "f") (result i32) (call $g)) (func $g (result i32) (i32.const 7)))"#;
    let mut config = Config::new();
    config.deterministic_tiering(2).profiling(true);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_func(&mut store, "f").unwrap();
    for _ in 0..4 {
        f.call(&mut store, &[], &mut [Val::I32(0)]).unwrap();
    }
    let inlined = engine.events().into_iter().find_map(|event| match event.kind {
        upshift::EventKind::Compiled { inlined, .. } if event.func == Some(0) => Some(inlined),
        _ => None,
    });
    assert_eq!(inlined, Some(1));
}
