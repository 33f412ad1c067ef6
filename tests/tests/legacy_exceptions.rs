//! Exceptions as the first proposal wrote them: `try`, `catch`, `catch_all`, `delegate`, `rethrow`.
//!
//! The text format has no form for them any more, so the modules are made of operators.

use upshift::{Engine, Exception, Linker, Module, Store};
use upshift_tests::modes;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction as I,
    TagKind, TagSection, TagType, TypeSection, ValType,
};

/// Types: of the functions under test, of the tag `A`, of the tag `B`, of `$throw`.
const RUN: u32 = 0;
const A: u32 = 0;
const B: u32 = 1;
/// `$throw 0` returns 0, `$throw 1` throws `A 10`, `$throw 2` throws `B`.
const THROW: u32 = 0;
const I32: BlockType = BlockType::Result(ValType::I32);
const EMPTY: BlockType = BlockType::Empty;

fn module(bodies: &[&[I<'_>]]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    types.ty().function([], []);
    let mut tags = TagSection::new();
    for func_type_idx in [1, 2] {
        tags.tag(TagType { kind: TagKind::Exception, func_type_idx });
    }
    let throw: &[I<'_>] = &[
        I::LocalGet(0),
        I::If(EMPTY),
        I::LocalGet(0),
        I::I32Const(1),
        I::I32Eq,
        I::If(EMPTY),
        I::I32Const(10),
        I::Throw(A),
        I::End,
        I::Throw(B),
        I::End,
        I::I32Const(0),
    ];
    let (mut functions, mut exports, mut code) =
        (FunctionSection::new(), ExportSection::new(), CodeSection::new());
    for (index, body) in (0..).zip([&[throw], bodies].concat()) {
        functions.function(RUN);
        exports.export(&format!("f{index}"), ExportKind::Func, index);
        // The parameter, and three more.
        let mut function = Function::new([(3, ValType::I32)]);
        body.iter().for_each(|instruction| {
            function.instruction(instruction);
        });
        function.instruction(&I::End);
        code.function(&function);
    }
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&tags).section(&exports).section(&code);
    module.finish()
}

/// What the last function gives for 0, 1 and 2, in every mode; `None` for an exception.
fn check(bodies: &[&[I<'_>]], expected: [Option<i32>; 3]) {
    let bytes = module(bodies);
    for mode in modes::all() {
        let engine = Engine::new(&mode.config).expect("a valid module");
        let module = Module::from_binary(&engine, &bytes).expect("a valid module");
        let mut store = Store::new(&engine, ());
        let instance =
            Linker::new(&engine).instantiate(&mut store, &module).expect("a valid module");
        let name = format!("f{}", bodies.len());
        let run = instance.get_typed_func::<i32, i32>(&mut store, &name).expect("a valid module");
        // Three times, for the tiers to change in between.
        for (case, expected) in (0..).zip(expected).chain((0..).zip(expected)) {
            let got = run.call(&mut store, case);
            let got = got.map_or_else(
                |error| {
                    assert!(error.is::<Exception>(), "{}: {error:#}", mode.name);
                    None
                },
                Some,
            );
            assert_eq!(got, expected, "{}: case {case}", mode.name);
        }
    }
}

#[test]
fn clauses_are_tried_in_order() {
    let body = [
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::Catch(A),
        I::I32Const(1),
        I::I32Add,
        I::CatchAll,
        I::I32Const(20),
        I::End,
    ];
    check(&[&body], [Some(0), Some(11), Some(20)]);
}

#[test]
fn what_no_clause_catches_goes_on() {
    let body = [I::Try(I32), I::LocalGet(0), I::Call(THROW), I::Catch(B), I::I32Const(5), I::End];
    check(&[&body], [Some(0), None, Some(5)]);
    let body = [I::Try(I32), I::LocalGet(0), I::Call(THROW), I::End];
    check(&[&body], [Some(0), None, None]);
}

#[test]
fn rethrow_throws_what_its_block_caught() {
    // The inner clause throws anew what the outer one caught.
    let body = [
        I::Try(I32),
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::CatchAll,
        I::Try(I32),
        I::I32Const(2),
        I::Call(THROW),
        I::Catch(B),
        I::Rethrow(1),
        I::End,
        I::End,
        I::Catch(A),
        I::I32Const(100),
        I::I32Add,
        I::Catch(B),
        I::I32Const(7),
        I::End,
    ];
    check(&[&body], [Some(0), Some(110), Some(7)]);
}

#[test]
fn delegate_skips_handlers() {
    // To the outer try, past the one in between.
    let body = [
        I::Try(I32),
        I::Try(I32),
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::Delegate(1),
        I::CatchAll,
        I::I32Const(-1),
        I::End,
        I::Catch(A),
        I::I32Const(1000),
        I::I32Add,
        I::CatchAll,
        I::I32Const(2000),
        I::End,
    ];
    check(&[&body], [Some(0), Some(1010), Some(2000)]);
    // To a block within a try: that try's handlers.
    let body = [
        I::Try(I32),
        I::Block(I32),
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::Delegate(0),
        I::End,
        I::CatchAll,
        I::I32Const(3),
        I::End,
    ];
    check(&[&body], [Some(0), Some(3), Some(3)]);
    // To the caller.
    let callee = [
        I::Try(I32),
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::Delegate(1),
        I::CatchAll,
        I::I32Const(-1),
        I::End,
    ];
    let caller =
        [I::Try(I32), I::LocalGet(0), I::Call(1), I::Catch(A), I::Catch(B), I::I32Const(4), I::End];
    check(&[&callee, &caller], [Some(0), Some(10), Some(4)]);
    // From within a clause, the handlers around the whole.
    let body = [
        I::Try(I32),
        I::Try(I32),
        I::I32Const(1),
        I::Call(THROW),
        I::Catch(A),
        I::Drop,
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::Delegate(0),
        I::End,
        I::Catch(A),
        I::I32Const(50),
        I::I32Add,
        I::CatchAll,
        I::I32Const(60),
        I::End,
    ];
    check(&[&body], [Some(0), Some(60), Some(60)]);
}

#[test]
fn code_that_is_not_reached_is_passed_over() {
    let body = [
        I::Block(I32),
        I::LocalGet(0),
        I::Br(0),
        I::Try(EMPTY),
        I::Try(EMPTY),
        I::Unreachable,
        I::Delegate(0),
        I::Catch(A),
        I::Drop,
        I::Rethrow(0),
        I::CatchAll,
        I::End,
        I::Unreachable,
        I::End,
        I::LocalSet(1),
        // The body ends in dead code, and so does a clause.
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::Br(0),
        I::Catch(A),
        I::Br(0),
        I::Try(EMPTY),
        I::Catch(A),
        I::Unreachable,
        I::End,
        I::Unreachable,
        I::Catch(B),
        I::I32Const(8),
        I::End,
        I::LocalGet(1),
        I::I32Const(100),
        I::I32Mul,
        I::I32Add,
    ];
    check(&[&body], [Some(0), Some(110), Some(208)]);
}

#[test]
fn loops_in_clauses_keep_what_was_caught() {
    // A loop in a clause, with operands below, that rethrows at its end.
    let inner = [
        I::Try(I32),
        I::LocalGet(0),
        I::Call(THROW),
        I::Catch(A),
        I::LocalSet(1),
        I::I32Const(7),
        I::Loop(EMPTY),
        I::LocalGet(2),
        I::LocalGet(1),
        I::I32Add,
        I::LocalSet(2),
        I::LocalGet(3),
        I::I32Const(1),
        I::I32Add,
        I::LocalTee(3),
        I::I32Const(1000),
        I::I32LtS,
        I::BrIf(0),
        I::End,
        I::LocalGet(2),
        I::I32Const(10_000),
        I::I32Ne,
        I::If(EMPTY),
        I::Unreachable,
        I::End,
        I::Drop,
        I::Rethrow(0),
        I::End,
    ];
    let outer =
        [I::Try(I32), I::LocalGet(0), I::Call(1), I::Catch(A), I::I32Const(1), I::I32Add, I::End];
    check(&[&inner, &outer], [Some(0), Some(11), None]);
}

#[test]
fn loops_around_tries_turn_after_each_throw() {
    let body = [
        I::Loop(EMPTY),
        I::Try(EMPTY),
        I::LocalGet(0),
        I::Call(THROW),
        I::LocalGet(2),
        I::I32Add,
        I::LocalSet(2),
        I::Catch(A),
        I::LocalGet(2),
        I::I32Add,
        I::LocalSet(2),
        I::CatchAll,
        I::LocalGet(2),
        I::I32Const(3),
        I::I32Add,
        I::LocalSet(2),
        I::End,
        I::LocalGet(3),
        I::I32Const(1),
        I::I32Add,
        I::LocalTee(3),
        I::I32Const(2000),
        I::I32LtS,
        I::BrIf(0),
        I::End,
        I::LocalGet(2),
    ];
    check(&[&body], [Some(0), Some(20_000), Some(6000)]);
}
