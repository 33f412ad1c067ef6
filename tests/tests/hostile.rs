//! Broken and extreme modules: every one gives a typed error or works, in time, without a panic.

use std::fmt::Write as _;
use std::time::{Duration, Instant};
use upshift::{
    Config, DecodeError, Engine, Instance, Module, Store, StoreLimits, StoreLimitsBuilder, Tier,
    Trap, Val,
};
use upshift_abi::code::CompileError;
use upshift_tests::corpus;
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction, TypeSection,
    ValType,
};

/// No module of this file may take longer, even without optimization.
const LIMIT: Duration = Duration::from_secs(30);

fn engine() -> Engine {
    let mut config = Config::new();
    config.consume_fuel(true).wasm_custom_page_sizes(true);
    Engine::new(&config).expect("the machine runs the engine")
}

fn store(engine: &Engine) -> Store<StoreLimits> {
    let limits = StoreLimitsBuilder::new().memory_size(1 << 20).table_elements(1000).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    store.set_fuel(100_000).expect("the engine has fuel");
    store
}

/// Loads, compiles and, when it has no imports, instantiates and calls `f`.
///
/// # Panics
/// On an error that is not typed.
fn survive(engine: &Engine, bytes: &[u8]) -> Outcome {
    let module = match Module::from_binary(engine, bytes) {
        Ok(module) => module,
        Err(error) => {
            let typed = error.downcast_ref::<DecodeError>();
            assert!(typed.is_some(), "not a DecodeError: {error:#}");
            return Outcome::Rejected;
        }
    };
    if let Err(error) = module.compile_all(1) {
        let typed = error.chain().any(|cause| cause.is::<CompileError>());
        assert!(typed, "not a CompileError: {error:#}");
        return Outcome::TooLarge;
    }
    if module.imports().len() > 0 {
        return Outcome::Compiled;
    }
    let mut store = store(engine);
    if let Ok(instance) = Instance::new(&mut store, &module, &[])
        && let Some(func) = instance.get_func(&store, "f")
    {
        let ty = func.ty(&store);
        let default = |ty: &upshift::ValType| Val::default_for_ty(*ty).unwrap_or(Val::I32(0));
        let args: Vec<Val> = ty.params.iter().map(default).collect();
        let mut results: Vec<Val> = ty.results.iter().map(default).collect();
        if let Err(error) = func.call(&mut store, &args, &mut results) {
            assert!(error.downcast_ref::<Trap>().is_some(), "not a trap: {error:#}");
            return Outcome::Trapped;
        }
    }
    Outcome::Ran
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Rejected,
    TooLarge,
    Compiled,
    Trapped,
    Ran,
}

fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let elapsed = start.elapsed();
    assert!(elapsed < LIMIT, "{what} took {elapsed:?}");
    result
}

#[test]
fn truncated_modules_are_rejected() {
    let engine = engine();
    for (name, bytes) in corpus::modules() {
        for end in 0..bytes.len() {
            let outcome = survive(&engine, &bytes[..end]);
            let whole_sections = outcome != Outcome::Rejected;
            assert!(!whole_sections || end >= 8, "{name} cut at {end}: {outcome:?}");
        }
    }
}

#[test]
fn modules_with_flipped_bits_do_no_harm() {
    let engine = engine();
    for (_, bytes) in corpus::modules() {
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            survive(&engine, &bytes);
        }
    }
}

#[test]
fn giant_counts_are_rejected_without_giant_allocations() {
    let engine = engine();
    for section in 1..=13_u8 {
        for count in [0x7fff_ffff_u32, 0xffff_ffff, 10_000_000] {
            let mut bytes = b"\0asm\x01\0\0\0".to_vec();
            let mut content = Vec::new();
            leb128(&mut content, count);
            content.extend([0; 8]);
            bytes.push(section);
            leb128(&mut bytes, u32::try_from(content.len()).expect("a few bytes"));
            bytes.extend(content);
            let outcome = in_time("a giant count", || survive(&engine, &bytes));
            assert_eq!(outcome, Outcome::Rejected, "section {section}, {count}");
        }
    }
}

fn leb128(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        out.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

/// A module with one function `f` without parameters and results.
fn one_function(locals: Vec<(u32, ValType)>, body: impl FnOnce(&mut Function)) -> Vec<u8> {
    let mut function = Function::new(locals);
    body(&mut function);
    function.instruction(&Instruction::End);
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("f", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    module.finish()
}

#[test]
fn deep_nesting() {
    let engine = engine();
    let openers: [fn(&mut Function); 3] = [
        |f| {
            f.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
        },
        |f| {
            f.instruction(&Instruction::Loop(wasm_encoder::BlockType::Empty));
        },
        |f| {
            f.instruction(&Instruction::I32Const(1));
            f.instruction(&Instruction::If(wasm_encoder::BlockType::Empty));
        },
    ];
    for open in openers {
        let bytes = one_function(vec![(2, ValType::I64)], |f| {
            (0..100_000).for_each(|_| open(f));
            (0..100_000).for_each(|_| {
                f.instruction(&Instruction::End);
            });
        });
        let outcome = in_time("deep nesting", || survive(&engine, &bytes));
        assert!(matches!(outcome, Outcome::Ran | Outcome::Trapped | Outcome::TooLarge));
    }
}

#[test]
fn many_handlers() {
    const TAGS: usize = 1000;
    for (nested, tries, calls) in [(1, 5000, 5000), (TAGS, 1000, 3000), (1, 30_000, 3000)] {
        let mut text = String::from("(module (func $callee (param i32) (if (local.get 0) (then ");
        text.push_str("(throw $t0))))");
        for tag in 0..TAGS {
            write!(text, "(tag $t{tag})").unwrap();
        }
        text.push_str("(func (export \"f\") block ");
        for n in 0..tries {
            write!(text, "try_table (catch $t{} {n}) ", n % nested).unwrap();
        }
        for n in 0..calls {
            write!(text, "i32.const {} call $callee ", n / (calls - 1)).unwrap();
        }
        text.push_str(&"end ".repeat(tries + 1));
        text.push_str("))");
        let bytes = wat::parse_str(text).unwrap();
        for tier in [Tier::Baseline, Tier::Optimizer] {
            let mut config = Config::new();
            config.consume_fuel(true).tier(tier);
            let engine = Engine::new(&config).unwrap();
            let outcome = in_time("many handlers", || survive(&engine, &bytes));
            let expected = match tier {
                Tier::Optimizer if nested > 1 || tries > 5000 => Outcome::TooLarge,
                _ => Outcome::Ran,
            };
            assert_eq!(outcome, expected, "{tier:?}, {nested} tags");
        }
    }
}

#[test]
fn many_handlers_that_nothing_goes_to() {
    let (opened, closed) = nested_handlers("$e", 20);
    let one = format!("{opened} (call $thrower) {closed}");
    let (opened, closed) = ("try_table ".repeat(50_000), "end ".repeat(50_000));
    let none = format!("try_table (catch $e $h) {opened} call $thrower {closed} end");
    let many = "(try_table (catch $e $h) (global.set $g (i32.const 1)))".repeat(100_000);
    for body in [one, none, many] {
        let text = format!(
            "(module (tag $e) (global $g (mut i32) (i32.const 0)) (func $thrower (throw $e))
            (func (export \"f\") (block $h {body})))"
        );
        let bytes = wat::parse_str(text).unwrap();
        for tier in [Tier::Baseline, Tier::Optimizer] {
            let mut config = Config::new();
            config.consume_fuel(true).tier(tier);
            let engine = Engine::new(&config).unwrap();
            let outcome = in_time("handlers without calls", || survive(&engine, &bytes));
            assert!(matches!(outcome, Outcome::Ran | Outcome::Trapped), "{tier:?}: {outcome:?}");
        }
    }
}

/// The beginning and the end of `try_table`s, as many within each other, with as many clauses for a tag as one
/// may have.
fn nested_handlers(tag: &str, count: usize) -> (String, String) {
    let clauses = format!("(catch {tag} $h) ").repeat(10_000);
    (format!("(try_table {clauses} ").repeat(count), ")".repeat(count))
}

/// Frames of a recursion have the same handlers, none of which catches what goes through all of them.
#[test]
fn an_exception_through_many_frames_with_many_handlers() {
    let (opened, closed) = nested_handlers("$other", 60);
    let text = format!(
        "(module (tag $e) (tag $other)
            (func $down (param i32)
                (if (i32.eqz (local.get 0)) (then (throw $e)))
                (block $h {opened} (call $down (i32.sub (local.get 0) (i32.const 1))) {closed}))
            (func (export \"f\") (local i32)
                (loop $again
                    (block $h (try_table (catch $e $h) (call $down (i32.const 4000))) unreachable)
                    (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get 0) (i32.const 60))))))"
    );
    let bytes = wat::parse_str(text).unwrap();
    for tier in [Tier::Baseline, Tier::Optimizer] {
        let mut config = Config::new();
        config.tier(tier);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        in_time("handlers in all frames", || run.call(&mut store, ())).unwrap();
    }
}

#[test]
fn many_locals() {
    let engine = engine();
    for ty in [ValType::I32, ValType::F64, ValType::V128] {
        let bytes = one_function(vec![(50_000, ty)], |f| {
            f.instruction(&Instruction::LocalGet(49_999));
            f.instruction(&Instruction::LocalSet(3));
        });
        let outcome = in_time("50k locals", || survive(&engine, &bytes));
        assert!(
            matches!(outcome, Outcome::Ran | Outcome::Trapped | Outcome::TooLarge),
            "{outcome:?}"
        );
    }
    let too_many = one_function(vec![(50_001, ValType::I32)], |_| {});
    assert_eq!(survive(&engine, &too_many), Outcome::Rejected);
}

#[test]
fn large_functions() {
    let engine = engine();
    let straight = one_function(vec![(1, ValType::I32)], |f| {
        for i in 0..150_000 {
            f.instruction(&Instruction::LocalGet(0));
            f.instruction(&Instruction::I32Const(i));
            f.instruction(&Instruction::I32Add);
            f.instruction(&Instruction::LocalSet(0));
        }
    });
    assert!(straight.len() > 1 << 20);
    let outcome = in_time("1 MiB of arithmetic", || survive(&engine, &straight));
    assert!(matches!(outcome, Outcome::Trapped | Outcome::Ran), "{outcome:?}");

    let deep_stack = one_function(vec![], |f| {
        (0..20_000).for_each(|i| {
            f.instruction(&Instruction::I64Const(i));
            f.instruction(&Instruction::I64Clz);
        });
        (0..20_000).for_each(|_| {
            f.instruction(&Instruction::Drop);
        });
    });
    let outcome = in_time("20k operands", || survive(&engine, &deep_stack));
    assert_ne!(outcome, Outcome::Rejected);
}

#[test]
fn large_branch_tables() {
    let engine = engine();
    let targets = |count: usize| {
        one_function(vec![], |f| {
            f.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
            f.instruction(&Instruction::I32Const(5));
            let depths: Vec<u32> = (0..count).map(|i| u32::from(i % 2 == 1)).collect();
            f.instruction(&Instruction::BrTable(depths.into(), 0));
            f.instruction(&Instruction::End);
        })
    };
    for count in [60_000, 1_000_000] {
        let bytes = targets(count);
        let outcome = in_time("a large br_table", || survive(&engine, &bytes));
        assert!(
            matches!(outcome, Outcome::Ran | Outcome::TooLarge | Outcome::Rejected),
            "{outcome:?}"
        );
    }
}

#[test]
fn many_functions_types_and_parameters() {
    let engine = engine();
    let mut text = String::from("(module (func (export \"f\")");
    for _ in 0..1000 {
        text.push_str(" (param i64)");
    }
    for _ in 0..1000 {
        text.push_str(" (result i64)");
    }
    for i in 0..1000 {
        write!(text, " local.get {}", 999 - i).expect("to a string");
    }
    text.push_str(") (func $g))");
    let bytes = wat::parse_str(&text).expect("valid");
    assert_eq!(in_time("1000 parameters", || survive(&engine, &bytes)), Outcome::Ran);

    let mut text = String::from("(module (func (export \"f\"))");
    text.push_str(&"(func (param i32) (result i32) local.get 0)".repeat(100_000));
    text.push(')');
    let bytes = wat::parse_str(&text).expect("valid");
    assert_eq!(in_time("100k functions", || survive(&engine, &bytes)), Outcome::Ran);
}

#[test]
fn giant_memories_and_tables_are_errors() {
    let engine = engine();
    for text in [
        "(module (memory 65536))",
        "(module (memory i64 0x1_0000_0000_0000))",
        "(module (memory 65535 65536) (data (i32.const -1) \"a\"))",
        "(module (table 0xffff_ffff funcref))",
        "(module (table i64 0xffff_ffff_ffff funcref))",
        "(module (memory 0xffff_ffff (pagesize 1)))",
    ] {
        let bytes = wat::parse_str(text).expect("the text is well-formed");
        let Ok(module) = Module::from_binary(&engine, &bytes) else { continue };
        let mut store = store(&engine);
        let result = in_time(text, || Instance::new(&mut store, &module, &[]));
        assert!(result.is_err(), "{text}: the limiter allows less");
    }
}

#[test]
fn endless_recursion_and_loops_end() {
    let engine = engine();
    for (text, trap) in [
        ("(module (func $f (export \"f\") call $f))", Trap::StackOverflow),
        ("(module (func $f (export \"f\") return_call $f))", Trap::OutOfFuel),
        ("(module (func (export \"f\") (loop br 0)))", Trap::OutOfFuel),
    ] {
        let module = Module::new(&engine, text).expect("valid");
        let mut store = store(&engine);
        let instance = Instance::new(&mut store, &module, &[]).expect("no imports");
        let func = instance.get_func(&store, "f").expect("exported");
        let error = func.call(&mut store, &[], &mut []).expect_err("it has no end");
        assert_eq!(error.downcast_ref::<Trap>(), Some(&trap), "{text}");
    }
}

/// A function with `count` references that stay alive across as many calls.
fn references_across_calls(count: usize) -> Vec<u8> {
    let mut text =
        String::from("(module (type $s (struct)) (func $g) (func (export \"f\") (local i32) ");
    text.push_str(&"(local (ref null $s))".repeat(count));
    for i in 1..=count {
        write!(text, "(local.set {i} (struct.new $s))").expect("strings take all");
    }
    text.push_str(&"(call $g)".repeat(count));
    for i in 1..=count {
        write!(text, "(drop (local.get {i}))").expect("strings take all");
    }
    text.push_str("))");
    wat::parse_str(&text).expect("valid")
}

#[test]
fn many_references_across_many_calls() {
    let bytes = references_across_calls(3000);
    for tier in [Tier::Baseline, Tier::Optimizer, Tier::Auto] {
        let mut config = Config::new();
        config.consume_fuel(true).tier(tier);
        let engine = Engine::new(&config).expect("the machine runs the engine");
        let outcome = in_time("references across calls", || survive(&engine, &bytes));
        assert_eq!(outcome, Outcome::Ran, "{tier:?}");
    }
}

#[test]
fn operands_that_wait_for_many_allocations() {
    let objects = |count: usize| {
        let text = format!(
            "(module (type $s (struct (field i32))) (type $a (array (ref $s)))
                (func (export \"f\") (result (ref $a)) (array.new_fixed $a {count} {})))",
            "(struct.new $s (i32.const 1))".repeat(count)
        );
        wat::parse_str(&text).expect("valid")
    };
    for tier in [Tier::Baseline, Tier::Optimizer, Tier::Auto] {
        let config = Config::new().consume_fuel(true).tier(tier).clone();
        let engine = Engine::new(&config).expect("the machine runs the engine");
        let outcome = in_time("operands", || survive(&engine, &objects(2500)));
        assert_eq!(outcome, Outcome::Ran, "{tier:?}");
        let module = Module::from_binary(&engine, &objects(3500)).expect("it is valid");
        match in_time("operands", || module.compile_all(1)) {
            // One check makes room for many of them.
            Ok(_) => assert_eq!(tier, Tier::Optimizer),
            Err(error) => {
                assert!(format!("{error:#}").contains("references"), "{tier:?}: {error:#}");
            }
        }
    }
}

#[test]
fn deep_nesting_around_references() {
    let mut config = Config::new();
    config.consume_fuel(true).tier(Tier::Optimizer);
    let engine = Engine::new(&config).expect("the machine runs the engine");
    let any = ValType::Ref(wasm_encoder::RefType::ANYREF);
    let bytes = one_function(vec![(1, any)], |f| {
        for _ in 0..DEPTH {
            f.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
        }
        f.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::Drop);
        for _ in 0..DEPTH {
            f.instruction(&Instruction::End);
        }
    });
    let outcome = in_time("nested blocks", || survive(&engine, &bytes));
    assert_eq!(outcome, Outcome::Ran);
}

/// Blocks within each other: as many as time that grows with the square would be noticed with.
const DEPTH: usize = 200_000;

/// A module that the optimizer alone compiles.
fn for_optimizer(text: &str) -> Module {
    let mut config = Config::new();
    config.tier(Tier::Optimizer);
    let engine = Engine::new(&config).expect("the machine runs the engine");
    Module::new(&engine, text).expect("a valid module")
}

/// Optimises a module whose functions call each other; the bytes of machine code.
fn optimize(text: &str) -> usize {
    let module = for_optimizer(text);
    module.compile_all(1).expect("within all limits");
    module.stats().optimizer_code_bytes
}

#[test]
fn many_fields_and_many_stores() {
    let text = format!(
        "(module (type $p (struct (field (mut i32)))) (type $w (struct {}))
            (global $g (mut (ref null $w)) (ref.null $w))
            (func (param (ref null $p)) (global.set $g (struct.new_default $w)) {}))",
        "(field (mut i32))".repeat(9_000),
        "(struct.set $p 0 (local.get 0) (i32.const 3))".repeat(200_000)
    );
    in_time("fields", || optimize(&text));
}

#[test]
fn inlining_has_a_budget() {
    // Each of 24 functions calls the next one twice, or the one before; all are small.
    let mut deep = String::from("(module");
    for i in 0..24 {
        let next = (i + 1) % 24;
        write!(deep, "(func $f{i} (call $f{next}) (call $f{next}))").expect("to a string");
    }
    deep.push(')');
    let bytes = in_time("a deep chain", || optimize(&deep));
    assert!(bytes < 100_000, "{bytes} bytes");
    // Many functions that are little but calls: their code has to fit into what is reserved.
    let mut flat = String::from("(module (memory 1)");
    flat.push_str("(func $leaf (param i32) (result i32)");
    flat.push_str(&"(i64.store (i32.const 8) (i64.load (local.get 0)))".repeat(5));
    flat.push_str("(local.get 0))");
    for _ in 0..10_000 {
        flat.push_str(
            "(func (param i32) (drop (call $leaf (call $leaf (call $leaf (local.get 0))))))",
        );
    }
    flat.push(')');
    in_time("little but calls", || optimize(&flat));
    // 10,000 calls of 100 functions of middle size.
    let mut wide = String::from("(module (memory 1)");
    for i in 0..100 {
        let work = format!("(i32.store (local.get 0) (i32.add (local.get 0) (i32.const {i})))");
        write!(wide, "(func $g{i} (param i32) {})", work.repeat(4)).expect("to a string");
    }
    wide.push_str("(func (param i32)");
    for i in 0..10_000 {
        write!(wide, "(call $g{} (local.get 0))", i % 100).expect("to a string");
    }
    wide.push_str("))");
    let bytes = in_time("many calls", || optimize(&wide));
    assert!(bytes < 1_000_000, "{bytes} bytes");
    // Handlers around calls, each of which brings more calls.
    let mut caught = String::from("(module (import \"\" \"\" (func $i)) (tag $e)");
    caught.push_str("(func $g (call $i) (call $i) (call $i)) (func (block");
    caught.push_str(&"(try_table (catch $e 0)".repeat(400));
    caught.push_str(&"(call $g)".repeat(400));
    caught.push_str(&")".repeat(402));
    caught.push(')');
    in_time("handlers", || optimize(&caught));
}

/// Compiles with the optimizer; whether it was refused for its references.
fn is_refused_for_references(text: &str) -> bool {
    match for_optimizer(text).compile_all(1) {
        Ok(_) => false,
        Err(error) => {
            assert!(format!("{error:?}").contains("so many live references"), "{error:?}");
            true
        }
    }
}

#[test]
fn many_operands_below_many_branches() {
    let mut text = String::from("(module (func (param i32)");
    text.push_str(&"i32.const 0 ".repeat(200_000));
    text.push_str("block ");
    text.push_str(&"local.get 0 br_if 0 ".repeat(100_000));
    text.push_str("end ");
    text.push_str(&"drop ".repeat(200_000));
    text.push_str("))");
    in_time("operands", || assert!(!is_refused_for_references(&text)));
}

#[test]
fn many_references_around_many_branches() {
    // None is alive at the label.
    let mut text = String::from("(module (func (param i32)");
    text.push_str(&"(local anyref)".repeat(10_000));
    text.push_str("(block $out ");
    text.push_str(&"(br_if $out (local.get 0))".repeat(10_000));
    for local in 1..=10_000 {
        write!(text, "(drop (local.get {local}))").expect("to a string");
    }
    text.push_str(")))");
    in_time("branches", || assert!(is_refused_for_references(&text)));
}

#[test]
fn many_references_around_many_allocations() {
    let cases = [(20, 50, false), (1000, 2000, false), (1000, 6000, true)];
    for (locals, allocations, refused) in cases {
        let mut text = String::from("(module (type $a (array i32)) (func (param i32)");
        text.push_str(&"(param anyref)".repeat(locals - 1));
        text.push_str(&"(drop (array.new_default $a (local.get 0)))".repeat(allocations));
        for local in 1..locals {
            write!(text, "(drop (local.get {local}))").expect("to a string");
        }
        text.push_str("))");
        in_time("allocations", || assert_eq!(is_refused_for_references(&text), refused));
    }
}

#[test]
fn many_references_around_many_handlers() {
    // All are in the stack map of each call.
    let mut text = String::from("(module (import \"\" \"\" (func $g)) (tag $e) (func");
    text.push_str(&"(local anyref)".repeat(3000));
    text.push_str("(loop $l ");
    text.push_str(&"(block (try_table (catch $e 0) (call $g)))".repeat(3000));
    for local in 0..3000 {
        write!(text, "(drop (local.get {local}))").expect("to a string");
        write!(text, "(local.set {local} (ref.i31 (i32.const 1)))").expect("to a string");
    }
    text.push_str("(br $l))))");
    in_time("handlers", || assert!(is_refused_for_references(&text)));
}
