//! Tables of references to objects: what is written to them is found by collections.

use upshift::{
    Config, Engine, FieldType, Instance, Module, Ref, RootScope, StorageType, Store, StructRef,
    StructType, Table, Tier, Val, ValType, Zeal,
};

/// Every way to write references to a table. `main` says how many of the elements hold what they should.
const TABLES: &str = r#"(module
    (type $box (struct (field i32)))
    (type $garbage (array (mut i64)))
    (table $t (export "table") 2000 anyref)
    (table $fixed 300 300 anyref)
    (table $other 300 anyref (ref.i31 (i32.const 1)))
    (table $made 200 (ref $box) (struct.new $box (i32.const 9)))
    (elem $e (ref null $box) (item (struct.new $box (i32.const 7))) (item (ref.null $box)))
    (elem (table $t) (i32.const 1) anyref (item (struct.new $box (i32.const 8))))
    (func $set (param $i i32) (param $n i32)
        (table.set $t (local.get $i) (struct.new $box (local.get $n))))
    (func $sweep (param $n i32)
        (loop $l
            (drop (array.new_default $garbage (i32.const 100)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (global $sum (mut i32) (i32.const 0))
    (func $add (param $any anyref) (param $n i32)
        (global.set $sum (i32.add (global.get $sum)
            (i32.eq (local.get $n) (struct.get $box 0 (ref.cast (ref $box) (local.get $any)))))))
    (func (export "main") (param $garbage i32) (result i32)
        (call $set (i32.const 1999) (i32.const 1))
        (call $set (i32.const 127) (i32.const 2))
        (table.set $fixed (i32.const 128) (struct.new $box (i32.const 3)))
        (call $sweep (local.get $garbage))
        ;; Next to what is old by now.
        (call $set (i32.const 126) (i32.const 4))
        (table.fill $t (i32.const 250) (struct.new $box (i32.const 5)) (i32.const 10))
        (drop (table.grow $t (struct.new $box (i32.const 6)) (i32.const 500)))
        (table.init $t $e (i32.const 1000) (i32.const 0) (i32.const 2))
        (call $sweep (local.get $garbage))
        (call $set (i32.const 2499) (i32.const 10))
        (table.copy $other $t (i32.const 290) (i32.const 2490) (i32.const 10))
        (call $set (i32.const 2499) (i32.const 11))
        (call $sweep (local.get $garbage))
        (global.set $sum (i32.const 0))
        (call $add (table.get $t (i32.const 1999)) (i32.const 1))
        (call $add (table.get $t (i32.const 127)) (i32.const 2))
        (call $add (table.get $fixed (i32.const 128)) (i32.const 3))
        (call $add (table.get $t (i32.const 126)) (i32.const 4))
        (call $add (table.get $t (i32.const 250)) (i32.const 5))
        (call $add (table.get $t (i32.const 259)) (i32.const 5))
        (call $add (table.get $t (i32.const 2000)) (i32.const 6))
        (call $add (table.get $t (i32.const 1000)) (i32.const 7))
        (call $add (table.get $t (i32.const 1)) (i32.const 8))
        (call $add (table.get $made (i32.const 199)) (i32.const 9))
        (call $add (table.get $other (i32.const 299)) (i32.const 10))
        (call $add (table.get $t (i32.const 2499)) (i32.const 11))
        (global.get $sum)))"#;

/// Elements that `main` looks at.
const RIGHT: u32 = 12;
/// What the host writes where.
const WRITTEN: [(u64, i32); 2] = [(600, 12), (2300, 13)];

#[test]
fn tables_keep_what_is_written_to_them_in_any_way() {
    for tier in [Tier::Baseline, Tier::Optimizer] {
        for (zeal, garbage) in [(false, 100_000), (true, 10)] {
            let mut modes = Zeal::none();
            modes.gc = zeal;
            let mut config = Config::new();
            config.tier(tier).zeal(modes);
            let engine = Engine::new(&config).expect("the test is right");
            let module = Module::new(&engine, TABLES).expect("the test is right");
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("the test is right");
            let main = instance.get_typed_func::<u32, u32>(&mut store, "main");
            let main = main.expect("the test is right");
            assert_eq!(main.call(&mut store, garbage).expect("no trap"), RIGHT, "{tier:?} {zeal}");
            let table = instance.get_table(&mut store, "table").expect("the test is right");
            write(&mut store, table);
            assert_eq!(main.call(&mut store, garbage).expect("no trap"), RIGHT, "{tier:?} {zeal}");
            check(&mut store, table);
        }
    }
}

fn write(store: &mut Store<()>, table: Table) {
    let field = FieldType { storage: StorageType::Val(ValType::I32), mutable: false };
    let ty = StructType::new(store.engine(), [field]).expect("the test is right");
    for (at, n) in WRITTEN {
        let mut scope = RootScope::new(&mut *store);
        let made = StructRef::new(&mut scope, &ty, &[Val::I32(n)]).expect("there is room");
        let made = Ref::Any(Some(made.to_any_ref()));
        table.set(&mut scope, at, made).expect("the test is right");
    }
}

fn check(store: &mut Store<()>, table: Table) {
    for (at, n) in WRITTEN {
        let found = table.get(&mut *store, at).expect("in bounds");
        let Ref::Any(Some(any)) = found else { panic!("{found:?}") };
        let made = any.as_struct(&mut *store).expect("a structure");
        assert_eq!(made.field(&mut *store, 0).expect("a field").i32(), Some(n));
    }
}
