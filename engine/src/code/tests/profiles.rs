//! Whom calls through references call, as baseline code notes it.

use super::harness::*;
use upshift_abi::config::CodegenConfig;
use upshift_abi::index::FuncIndex;
use upshift_abi::profile::CallProfile;

/// Calls one of five functions, through a reference.
const CALLER: &str = "(module
    (type $f (func (result i64)))
    (func $a (result i64) (i64.const 10)) (func $b (result i64) (i64.const 11))
    (func $c (result i64) (i64.const 12)) (func $d (result i64) (i64.const 13))
    (func $e (result i64) (i64.const 14))
    (elem declare func $a $b $c $d $e 5 6)
    (func (param i64) (result i64)
        (block $done (result (ref $f))
            (block $4 (block $3 (block $2 (block $1 (block $0
                (br_table $0 $1 $2 $3 $4 (i32.wrap_i64 (local.get 0))))
                (br $done (ref.func $a))) (br $done (ref.func $b)))
                (br $done (ref.func $c))) (br $done (ref.func $d)))
            (ref.func $e))
        (call_ref $f))
    (func (param i64) (result i64) (call_ref $f (ref.null $f))))";

#[test]
fn four_functions_of_a_site_are_told_apart() {
    for zeal_spill in [false, true] {
        let config = CodegenConfig { zeal_spill, ..CodegenConfig::default() };
        let code = baseline_code(CALLER, config);
        let mut store = TestStore::new(&code);
        let calls = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 1];
        for func in calls {
            assert_eq!(store.run(5, &[func]).unwrap(), func + 10);
        }
        let targets = code.source().targets(0);
        let funcs = [(0, 5), (1, 4), (3, 4), (2, 2)].map(|(func, count)| (FuncIndex(func), count));
        assert_eq!((targets.funcs.as_slice(), targets.total), (&funcs[..], 17));
        assert_eq!(code.source().targets(1).total, 0);
    }
}

#[test]
fn null_is_no_function() {
    let code = baseline_code(CALLER, CodegenConfig::default());
    let mut store = TestStore::new(&code);
    assert!(store.run(6, &[0]).is_err());
    assert!(code.source().targets(1).funcs.is_empty());
}

#[test]
fn nothing_is_noted_when_it_is_not_asked_for() {
    let config = CodegenConfig { counters: false, ..CodegenConfig::default() };
    let code = baseline_code(CALLER, config);
    let mut store = TestStore::new(&code);
    assert_eq!(store.run(5, &[2]).unwrap(), 12);
    assert_eq!(code.source().targets(0).total, 0);
}

#[test]
fn branches_on_casts_are_counted() {
    let value = "(select (result anyref) (ref.i31 (i32.const 1)) (ref.null any)
        (i32.wrap_i64 (local.get 0)))";
    let text = &format!(
        "(module (elem declare func 0 1)
            (func (param i64) (result i64)
                (block $is (result (ref i31))
                    (br_on_cast $is anyref (ref i31) {value}) (drop) (return (i64.const 0)))
                (drop) (i64.const 1))
            (func (param i64) (result i64)
                (block $not (result anyref)
                    (br_on_cast_fail $not anyref (ref i31) {value}) (drop) (return (i64.const 1)))
                (drop) (i64.const 0)))"
    );
    for zeal_spill in [false, true] {
        let config = CodegenConfig { zeal_spill, ..CodegenConfig::default() };
        let code = baseline_code(text, config);
        let mut store = TestStore::new(&code);
        for i in 0..10 {
            let is = u64::from(i % 5 == 0);
            assert_eq!(store.run(0, &[is]).unwrap(), is);
            assert_eq!(store.run(1, &[is]).unwrap(), is);
        }
        assert_eq!(code.source().branches(0), [10, 8]);
        assert_eq!(code.source().branches(1), [10, 2]);
    }
}
