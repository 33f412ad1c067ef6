//! The functions of `wasm:js-string`.

use upshift::{
    Caller, Config, Engine, ExternRef, Instance, JsString, Linker, Module, Store, StoreLimits,
    StoreLimitsBuilder, Trap, Val, Zeal,
};

const IMPORTS: &str = r#"
    (type $chars (array (mut i16)))
    (import "wasm:js-string" "cast" (func $cast (param externref) (result (ref extern))))
    (import "wasm:js-string" "test" (func $test (param externref) (result i32)))
    (import "wasm:js-string" "fromCharCodeArray"
        (func $from_array (param (ref null $chars) i32 i32) (result (ref extern))))
    (import "wasm:js-string" "intoCharCodeArray"
        (func $into_array (param externref (ref null $chars) i32) (result i32)))
    (import "wasm:js-string" "fromCharCode" (func $from_code (param i32) (result (ref extern))))
    (import "wasm:js-string" "fromCodePoint" (func $from_point (param i32) (result (ref extern))))
    (import "wasm:js-string" "charCodeAt" (func $code_at (param externref i32) (result i32)))
    (import "wasm:js-string" "codePointAt" (func $point_at (param externref i32) (result i32)))
    (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
    (import "wasm:js-string" "concat"
        (func $concat (param externref externref) (result (ref extern))))
    (import "wasm:js-string" "substring"
        (func $substring (param externref i32 i32) (result (ref extern))))
    (import "wasm:js-string" "equals" (func $equals (param externref externref) (result i32)))
    (import "wasm:js-string" "compare" (func $compare (param externref externref) (result i32)))"#;

const EXPORTS: &str = r#"
    (global $hello (import "'" "h€llo") (ref extern))
    (global $again (import "'" "h€llo") externref)
    (export "cast" (func $cast)) (export "test" (func $test))
    (export "fromCharCode" (func $from_code)) (export "fromCodePoint" (func $from_point))
    (export "charCodeAt" (func $code_at)) (export "codePointAt" (func $point_at))
    (export "length" (func $length)) (export "concat" (func $concat))
    (export "substring" (func $substring)) (export "equals" (func $equals))
    (export "compare" (func $compare))
    (func (export "hello") (result externref)
        (if (i32.eqz (call $equals (global.get $hello) (global.get $again))) (then unreachable))
        (global.get $hello))
    ;; The string by way of an array, `start` units in.
    (func (export "through_array") (param $s externref) (param $start i32) (param $size i32)
        (param $from i32) (param $to i32) (result externref) (local $a (ref $chars))
        (local.set $a (array.new $chars (i32.const 46) (local.get $size)))
        (drop (call $into_array (local.get $s) (local.get $a) (local.get $start)))
        (call $from_array (local.get $a) (local.get $from) (local.get $to)))
    (func (export "null_array") (param $s externref) (result i32)
        (call $into_array (local.get $s) (ref.null $chars) (i32.const 0)))
    (func (export "from_null") (result externref)
        (call $from_array (ref.null $chars) (i32.const 0) (i32.const 0)))
    (func (export "double") (param $s externref) (param $times i32) (result externref)
        (loop $l
            (local.set $s (call $concat (local.get $s) (local.get $s)))
            (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
        (local.get $s))
    (type $list (struct (field (ref null $list)) (field i64)))
    (global $list (mut (ref null $list)) (ref.null $list))
    (func (export "build") (param $n i32)
        (loop $l
            (global.set $list (struct.new $list (global.get $list) (i64.const 1)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "garbage") (param $s externref) (param $times i32)
        (loop $l
            (drop (call $concat (local.get $s) (local.get $s)))
            (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))"#;

struct Guest {
    store: Store<StoreLimits>,
    instance: Instance,
}

impl Guest {
    fn new(config: &Config, limits: StoreLimits) -> Self {
        let engine = Engine::new(config).expect("the test is right");
        let module = Module::new(&engine, format!("(module {IMPORTS} {EXPORTS})"))
            .expect("the test is right");
        let mut store = Store::new(&engine, limits);
        store.limiter(|limits| limits);
        let mut linker = Linker::new(&engine);
        linker.js_string_builtins().expect("the test is right");
        linker.js_string_constants(&mut store, &module, "'").expect("the test is right");
        let instance = linker.instantiate(&mut store, &module).expect("the test is right");
        Self { store, instance }
    }

    fn plain() -> Self {
        Self::new(&Config::new(), StoreLimits::default())
    }

    fn string(&mut self, text: &str) -> Val {
        Val::ExternRef(Some(JsString::new_ref(&mut self.store, text).expect("the test is right")))
    }

    fn call(&mut self, name: &str, args: &[Val]) -> upshift::Result<Val> {
        let func = self.instance.get_func(&mut self.store, name).expect("the test is right");
        let mut results = [Val::I32(0)];
        let count = func.ty(&self.store).results.len();
        func.call(&mut self.store, args, &mut results[..count])?;
        Ok(results[0])
    }

    fn run(&mut self, name: &str, args: &[Val]) {
        let func = self.instance.get_func(&mut self.store, name).expect("the test is right");
        func.call(&mut self.store, args, &mut []).expect("the test is right");
    }

    fn number(&mut self, name: &str, args: &[Val]) -> i32 {
        self.call(name, args).expect("the test is right").unwrap_i32()
    }

    fn text(&mut self, name: &str, args: &[Val]) -> String {
        let value = self.call(name, args).expect("the test is right");
        self.text_of(value)
    }

    fn text_of(&self, value: Val) -> String {
        let value = value.unwrap_extern_ref().expect("the test is right");
        JsString::of(&self.store, &value).expect("the test is right").to_string()
    }

    #[track_caller]
    fn traps(&mut self, name: &str, args: &[Val], trap: Trap) {
        let error = self.call(name, args).expect_err("the test is right");
        assert_eq!(error.downcast_ref(), Some(&trap), "{name}: {error:?}");
    }
}

fn number(value: i32) -> Val {
    Val::I32(value)
}

#[test]
fn strings_are_made_and_read() {
    let mut guest = Guest::plain();
    assert_eq!(guest.text("hello", &[]), "h€llo");
    let [empty, clef, ab] = ["", "a𝄞b", "ab"].map(|text| guest.string(text));
    assert_eq!(guest.text("cast", &[clef]), "a𝄞b");
    let length = |guest: &mut Guest, s| guest.number("length", &[s]);
    assert_eq!([length(&mut guest, empty), length(&mut guest, clef)], [0, 4]);
    let unit = |guest: &mut Guest, i| guest.number("charCodeAt", &[clef, number(i)]);
    let point = |guest: &mut Guest, i| guest.number("codePointAt", &[clef, number(i)]);
    assert_eq!([0, 1, 2, 3].map(|i| unit(&mut guest, i)), [0x61, 0xd834, 0xdd1e, 0x62]);
    assert_eq!([0, 1, 2, 3].map(|i| point(&mut guest, i)), [0x61, 0x1d11e, 0xdd1e, 0x62]);
    assert_eq!(guest.text("fromCharCode", &[number(0x1_0061)]), "a", "the low 16 bits");
    assert_eq!(guest.text("fromCodePoint", &[number(0x1d11e)]), "𝄞");
    let lone = guest.call("fromCodePoint", &[number(0xd834)]).unwrap();
    assert_eq!(guest.number("charCodeAt", &[lone, number(0)]), 0xd834);
    assert_eq!(guest.text("concat", &[clef, ab]), "a𝄞bab");
    let part = |guest: &mut Guest, a, b| guest.text("substring", &[ab, number(a), number(b)]);
    assert_eq!(part(&mut guest, 1, 2), "b");
    assert_eq!(part(&mut guest, 0, -1), "ab", "the end is unsigned, and clamped");
    assert_eq!([part(&mut guest, 2, 1), part(&mut guest, 3, 9)], ["", ""]);
}

#[test]
fn strings_are_compared() {
    let mut guest = Guest::plain();
    let [a, b, ab] = ["a", "b", "ab"].map(|text| guest.string(text));
    let (a_too, null) = (guest.string("a"), Val::ExternRef(None));
    let mut equals = |x, y| guest.number("equals", &[x, y]);
    assert_eq!([equals(a, a_too), equals(a, b), equals(null, null)], [1, 0, 1]);
    assert_eq!([equals(a, null), equals(null, a)], [0, 0]);
    let mut compare = |x, y| guest.number("compare", &[x, y]);
    assert_eq!([compare(a, b), compare(b, ab), compare(a, a_too), compare(a, ab)], [-1, 1, 0, -1]);
    guest.traps("compare", &[a, null], Trap::CastFailure);
}

#[test]
fn arrays_of_units_go_in_and_out_while_objects_move() {
    let mut zeal = Zeal::none();
    zeal.gc = true;
    let mut config = Config::new();
    config.zeal(zeal);
    for config in [Config::new(), config] {
        let mut guest = Guest::new(&config, StoreLimits::default());
        let s = guest.string("x𝄞");
        let mut through = |args: [i32; 4]| {
            let args = [&[s][..], &args.map(number)].concat();
            guest.call("through_array", &args).map(|value| guest.text_of(value))
        };
        assert_eq!(through([2, 6, 0, 6]).unwrap(), "..x𝄞.");
        assert_eq!(through([0, 3, 1, 3]).unwrap(), "𝄞");
        assert_eq!(through([0, 3, 3, 3]).unwrap(), "");
        for out in [[1, 3, 0, 0], [-1, 3, 0, 0], [0, 3, 0, 4], [0, 3, 2, 1], [0, 3, -1, -1]] {
            let error = through(out).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::ArrayOutOfBounds), "{out:?}");
        }
        guest.traps("null_array", &[s], Trap::NullArrayReference);
        guest.traps("from_null", &[], Trap::NullArrayReference);
    }
}

#[test]
fn long_strings_go_through_arrays() {
    let mut guest = Guest::plain();
    for length in [255u16, 256, 257, 600] {
        let text: String = ('a'..='z').cycle().take(length.into()).collect();
        let s = guest.string(&text);
        let (start, end) = (3, 3 + i32::from(length));
        let args = [&[s][..], &[start, end, start, end].map(number)].concat();
        assert_eq!(guest.text("through_array", &args), text);
    }
}

#[test]
fn what_is_no_string_is_refused() {
    let mut guest = Guest::plain();
    let other = Val::ExternRef(Some(ExternRef::new(&mut guest.store, 5).unwrap()));
    let s = guest.string("s");
    assert_eq!([other, Val::ExternRef(None), s].map(|v| guest.number("test", &[v])), [0, 0, 1]);
    for value in [other, Val::ExternRef(None)] {
        for name in ["cast", "length"] {
            guest.traps(name, &[value], Trap::CastFailure);
        }
        guest.traps("charCodeAt", &[value, number(0)], Trap::CastFailure);
        guest.traps("concat", &[s, value], Trap::CastFailure);
        guest.traps("substring", &[value, number(0), number(0)], Trap::CastFailure);
    }
    guest.traps("equals", &[s, other], Trap::CastFailure);
    guest.traps("charCodeAt", &[s, number(1)], Trap::ArrayOutOfBounds);
    guest.traps("codePointAt", &[s, number(-1)], Trap::ArrayOutOfBounds);
    assert!(guest.call("fromCodePoint", &[number(0x11_0000)]).is_err());
}

#[test]
fn strings_have_limits_and_are_dropped() {
    let mut guest = Guest::plain();
    let s = guest.string("0123456789abcdef");
    guest.traps("double", &[s, number(40)], Trap::AllocationTooLarge);
    // 16 MiB each, 8 GiB in all.
    let long = guest.call("double", &[s, number(18)]).unwrap();
    guest.call("garbage", &[long, number(500)]).unwrap();
    let limits = StoreLimitsBuilder::new().memory_size(8 << 20).build();
    let mut guest = Guest::new(&Config::new(), limits);
    let s = guest.string("0123456789abcdef");
    guest.traps("double", &[s, number(18)], Trap::AllocationTooLarge);
    let long = guest.call("double", &[s, number(14)]).unwrap();
    guest.call("garbage", &[long, number(500)]).unwrap();
}

#[test]
fn many_objects_are_not_looked_at_for_few_strings() {
    let mut guest = Guest::plain();
    let s = guest.string("0123456789abcdef");
    let long = guest.call("double", &[s, number(10)]).unwrap();
    // 24 MiB of objects, and 64 KiB a string.
    guest.run("build", &[number(1 << 20)]);
    let before = guest.store.gc_stats().major;
    guest.run("garbage", &[long, number(1000)]);
    let many = guest.store.gc_stats().major - before;
    assert!((1..=4).contains(&many), "{many} collections");
}

#[test]
fn constants_are_globals_of_strings_only() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    for import in ["(func)", "(global (mut externref))", "(global i32)"] {
        let text = format!(r#"(module (import "'" "x" {import}))"#);
        let module = Module::new(&engine, text).unwrap();
        let mut linker = Linker::new(&engine);
        assert!(linker.js_string_constants(&mut store, &module, "'").is_err(), "{import}");
    }
}

/// What V8 14.6 gives (`tests/peers/js_strings.mjs`): for each function how often it was called, how many
/// calls failed, and a hash of what all gave.
const OF_V8: [(&str, usize, usize, i32); 14] = [
    ("cast", 14, 2, -737753646),
    ("test", 14, 0, -1011939136),
    ("length", 14, 2, 1306254176),
    ("charCodeAt", 280, 256, -892435175),
    ("codePointAt", 280, 256, -573977235),
    ("concat", 196, 52, 1325451176),
    ("equals", 196, 27, -1672448248),
    ("compare", 196, 52, 1971748372),
    ("substring", 5600, 800, -983862414),
    ("fromCharCode", 20, 0, -126934127),
    ("fromCodePoint", 20, 4, -1366311896),
    ("intoCharCodeArray", 280, 237, -272487176),
    ("fromCharCodeArray", 400, 372, 1984731478),
    ("fromNull", 1, 1, 57005),
];
/// What stands for the result of a call that failed.
const FAILED: i32 = 0xdead;

#[test]
fn all_functions_do_as_those_of_v8() {
    let engine = Engine::default();
    let text = include_str!("../../peers/js_strings.wat");
    let module = Module::new(&engine, text).expect("the test is right");
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.js_string_builtins().expect("the test is right");
    linker
        .func_wrap("host", "other", |caller: Caller<'_, ()>| ExternRef::new(caller, 5).map(Some))
        .expect("the test is right");
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).expect("the test is right");
    for (name, calls, failures, hash) in OF_V8 {
        let func = instance.get_func(&mut store, name).expect("the test is right");
        let mut found = (name, 0, 0, 0i32);
        for args in arguments(name) {
            let mut results = [number(FAILED)];
            found.1 += 1;
            found.2 += usize::from(func.call(&mut store, &args, &mut results).is_err());
            found.3 = found.3.wrapping_mul(31).wrapping_add(results[0].unwrap_i32());
        }
        assert_eq!(found, (name, calls, failures, hash));
    }
}

/// All that a function is called with, in the order of `tests/peers/js_strings.mjs`.
fn arguments(name: &str) -> Vec<Vec<Val>> {
    let strings: Vec<i32> = (0..14).collect();
    let numbers = vec![
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        383,
        384,
        0xd834,
        0xdd1e,
        0xffff,
        0x10000,
        0x10061,
        0x1d11e,
        0x10_ffff,
        0x11_0000,
        i32::MAX,
        i32::MIN,
        -1,
    ];
    let domains = match name {
        "fromNull" => vec![],
        "cast" | "test" | "length" => vec![strings],
        "fromCharCode" | "fromCodePoint" => vec![numbers],
        "concat" | "equals" | "compare" => vec![strings.clone(), strings],
        "fromCharCodeArray" => vec![numbers.clone(), numbers],
        "substring" => vec![strings, numbers.clone(), numbers],
        _ => vec![strings, numbers],
    };
    domains.iter().fold(vec![vec![]], |lists, domain| {
        let longer = |list: &Vec<Val>, value: i32| [&list[..], &[number(value)]].concat();
        lists.iter().flat_map(|list| domain.iter().map(|&value| longer(list, value))).collect()
    })
}
