//! Memory of the system is refused at every place that asks for it, one after the other: that is an
//! error of the call, and nothing that was there before is lost.

use crate::fallible::refusing;
use crate::{
    AnyRef, ArrayRef, ArrayType, AsContextMut, CollectorKind, Config, Engine, ExnRef, Extern,
    ExternRef, FieldType, Func, FuncType, Instance, Module, Result, RootScope, StorageType, Store,
    StructType, Tag, Tier, Trap, Val, ValType,
};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// `keep` adds nodes to a list, each with a value of the host, an exception, and a function; `sound`
/// says whether the list has all of them. `work` makes what is garbage afterwards, in all spaces of
/// the heap: how much of it there was.
const GUEST: &str = r#"(module
    (import "" "value" (func $value (result externref)))
    (rec
        (type $node (struct
            (field $next (mut (ref null $node))) (field $any (mut anyref))
            (field $exn (mut exnref)) (field $func (mut funcref)) (field $n i32)))
        (type $pair (struct (field $next (ref null $pair)) (field $n i32)))
        (type $array (array (mut anyref)))
        (type $bytes (array (mut i8))))
    (tag $e (param i32 anyref))
    (global $list (mut (ref null $node)) (ref.null $node))
    (global $length (mut i32) (i32.const 0))
    (elem declare func $exception $work)
    (func $exception (param $n i32) (param $any anyref) (result exnref)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (throw $e (local.get $n) (local.get $any)))
            unreachable))
    (func (export "keep") (param $count i32)
        (loop $l
            (global.set $list (struct.new $node
                (global.get $list)
                (any.convert_extern (call $value))
                (call $exception (global.get $length)
                    (struct.new $pair (ref.null $pair) (global.get $length)))
                (if (result funcref) (i32.and (global.get $length) (i32.const 1))
                    (then (ref.func $exception)) (else (ref.func $work)))
                (global.get $length)))
            (global.set $length (i32.add (global.get $length) (i32.const 1)))
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (func (export "sound") (result i32)
        (local $node (ref null $node)) (local $n i32) (local $any anyref)
        (local.set $node (global.get $list))
        (local.set $n (global.get $length))
        (loop $l
            (if (ref.is_null (local.get $node)) (then (return (i32.eqz (local.get $n)))))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (block $h (result i32 anyref)
                (try_table (catch $e $h) (throw_ref (struct.get $node $exn (local.get $node))))
                unreachable)
            (local.set $any)
            (if (i32.ne (local.get $n)) (then (return (i32.const 0))))
            (if (i32.ne (local.get $n)
                    (struct.get $pair $n (ref.cast (ref $pair) (local.get $any))))
                (then (return (i32.const 0))))
            (if (i32.ne (local.get $n) (struct.get $node $n (local.get $node)))
                (then (return (i32.const 0))))
            (if (ref.is_null (struct.get $node $func (local.get $node)))
                (then (return (i32.const 0))))
            (local.set $node (struct.get $node $next (local.get $node)))
            (br $l))
        unreachable)
    (func $work (export "work") (param $count i32) (result i32)
        (local $outer (ref $array)) (local $inner (ref $array)) (local $deep (ref null $pair))
        (local $i i32) (local $found i32)
        (local.set $outer (array.new_default $array (local.get $count)))
        (loop $l
            ;; Long arrays of references to young objects, in a long list.
            (local.set $inner (array.new_default $array (i32.const 5000)))
            (array.set $array (local.get $inner) (local.get $i) (local.get $inner))
            (array.set $array (local.get $outer) (local.get $i) (local.get $inner))
            (local.set $deep (struct.new $pair (local.get $deep) (local.get $i)))
            (array.fill $array (local.get $inner) (i32.const 100) (local.get $deep)
                (i32.const 4000))
            (drop (array.new_default $bytes (i32.const 40000)))
            (drop (array.new_default $bytes (i32.const 5000)))
            (br_if $l (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count))))
        (loop $l
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (local.set $inner
                (ref.cast (ref $array) (array.get $array (local.get $outer) (local.get $i))))
            (local.set $found (i32.add (local.get $found) (struct.get $pair $n
                (ref.cast (ref $pair) (array.get $array (local.get $inner) (i32.const 3000))))))
            (br_if $l (local.get $i)))
        (local.get $found)))"#;
/// Nodes that are kept, and how much work there is.
const KEPT: i32 = 200;
const WORK: i32 = 60;

struct Guest {
    engine: Engine,
    module: Module,
}

impl Guest {
    fn new(collector: CollectorKind) -> Self {
        let mut config = Config::new();
        config.tier(Tier::Baseline).collector(collector).gc_nursery(1 << 20);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, GUEST).unwrap();
        Self { engine, module }
    }

    fn instantiate(&self, store: &mut Store<()>) -> Result<Instance> {
        let ty = FuncType::new([], [ValType::EXTERNREF]);
        let value = Func::new(&mut *store, ty, |caller, _, results| {
            results[0] = Val::ExternRef(Some(ExternRef::new(caller, [7u8; 100])?));
            Ok(())
        });
        Instance::new(store, &self.module, &[Extern::Func(value)])
    }
}

/// What a host does with objects: an array of a guest's length, and a handle for each of its elements.
fn read_elements(store: &mut Store<()>) -> Result<()> {
    const LENGTH: u32 = 1000;
    let field = FieldType { storage: StorageType::Val(ValType::ANYREF), mutable: true };
    let ty = ArrayType::new(store.engine(), field)?;
    let mut scope = RootScope::new(store);
    let array = ArrayRef::new(&mut scope, &ty, Val::AnyRef(None), LENGTH)?;
    for i in 0..LENGTH {
        array.set(&mut scope, i, array.to_any_ref().into())?;
    }
    let elements = array.elements(&mut scope)?;
    let same =
        |value: &Val| AnyRef::ref_eq(&scope, &array.to_any_ref(), &value.unwrap_any_ref().unwrap());
    assert!(elements.len() == LENGTH as usize && elements.iter().all(same));
    Ok(())
}

/// What a guest does, step by step, whatever fails.
fn run(guest: &Guest, store: &mut Store<()>) -> (Option<Instance>, Vec<crate::Error>) {
    let instance = match guest.instantiate(store) {
        Ok(instance) => instance,
        Err(error) => return (None, vec![error]),
    };
    let keep = instance.get_typed_func::<i32, ()>(&mut *store, "keep").unwrap();
    let work = instance.get_typed_func::<i32, i32>(&mut *store, "work").unwrap();
    let mut errors = Vec::new();
    for _ in 0..2 {
        errors.extend(keep.call(&mut *store, KEPT).err());
        errors.extend(work.call(&mut *store, WORK).err());
        errors.extend(read_elements(store).err());
        errors.extend(store.gc().err());
    }
    (Some(instance), errors)
}

/// The store has all it had before something was refused, and goes on.
fn assert_sound(store: &mut Store<()>, instance: Instance, what: &str) {
    let sound = instance.get_typed_func::<(), i32>(&mut *store, "sound").unwrap();
    let keep = instance.get_typed_func::<i32, ()>(&mut *store, "keep").unwrap();
    let work = instance.get_typed_func::<i32, i32>(&mut *store, "work").unwrap();
    assert_eq!(sound.call(&mut *store, ()).unwrap(), 1, "{what}");
    collect_and_verify(store);
    keep.call(&mut *store, 10).unwrap();
    assert_eq!(work.call(&mut *store, 10).unwrap(), (0..10).sum::<i32>(), "{what}");
    collect_and_verify(store);
    assert_eq!(sound.call(&mut *store, ()).unwrap(), 1, "{what}");
}

fn collect_and_verify(store: &mut Store<()>) {
    store.as_context_mut().inner_mut().heap_mut().set_zeal(true);
    store.gc().unwrap();
    store.as_context_mut().inner_mut().heap_mut().set_zeal(false);
}

fn is_typed(error: &crate::Error) -> bool {
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::OutOfMemory;
    error.downcast_ref() == Some(&Trap::AllocationTooLarge)
        || error.root_cause().downcast_ref().is_some_and(refused)
        || ["too many values", "out of memory"]
            .iter()
            .any(|text| error.root_cause().to_string().contains(text))
}

/// Refuses each request in turn, with as many behind it as `count` says.
fn refuse_each(collector: CollectorKind, count: u64) {
    let guest = Guest::new(collector);
    let mut other = Store::new(&guest.engine, ());
    let (other_instance, errors) = run(&guest, &mut other);
    assert!(errors.is_empty(), "{errors:?}");
    let (_, requests) = refusing(0..0, || run(&guest, &mut Store::new(&guest.engine, ())));
    assert!(requests > 50, "{requests}");
    let mut failed = 0;
    for first in 0..requests {
        let what = format!("{collector:?}: {count} requests from {first} on were refused");
        let mut store = Store::new(&guest.engine, ());
        let refused = first..first.saturating_add(count);
        let ((instance, errors), _) = refusing(refused, || run(&guest, &mut store));
        assert!(errors.iter().all(is_typed), "{what}: {errors:?}");
        failed += u64::from(!errors.is_empty());
        if let Some(instance) = instance {
            assert_sound(&mut store, instance, &what);
        }
    }
    assert!(failed > requests / 2, "{failed} of {requests}");
    assert_sound(&mut other, other_instance.unwrap(), "another store");
}

#[test]
fn a_refused_request_is_an_error_of_its_call() {
    refuse_each(CollectorKind::Generational, 1);
}

#[test]
fn a_store_survives_a_time_without_memory() {
    refuse_each(CollectorKind::Generational, u64::MAX);
}

#[test]
fn the_null_collector_survives_refusals_too() {
    refuse_each(CollectorKind::Null, 1);
    refuse_each(CollectorKind::Null, u64::MAX);
}

/// Where the API has no error to give, a handle without memory is a panic, and nothing is lost.
#[test]
fn handles_without_an_error_panic_and_harm_nothing() {
    let guest = Guest::new(CollectorKind::Generational);
    let mut store = Store::new(&guest.engine, ());
    let (instance, errors) = run(&guest, &mut store);
    assert!(errors.is_empty(), "{errors:?}");
    let mut scope = RootScope::new(&mut store);
    let value = ExternRef::new(&mut scope, 5).unwrap();
    let any = AnyRef::convert_extern(&scope, value);
    let mut panics = 0;
    // Handles until the table of scopes is full once, and that of owned ones.
    let (owned, _) = refusing(0..u64::MAX, || {
        let mut owned = Vec::new();
        for _ in 0..5000 {
            let made = catch_unwind(AssertUnwindSafe(|| any.to_owned_ref(&scope)));
            panics += u32::from(made.is_err());
            owned.extend(made.ok());
        }
        for one in &owned {
            panics += u32::from(catch_unwind(AssertUnwindSafe(|| one.to_any_ref(&scope))).is_err());
        }
        let made = catch_unwind(AssertUnwindSafe(|| any.to_owned_ref(&scope)));
        panics += u32::from(made.is_err());
        owned
    });
    assert!(panics > 0);
    assert!(owned.iter().all(|one| AnyRef::ref_eq(&scope, &one.to_any_ref(&scope), &any)));
    assert!(any.to_owned_ref(&scope).to_any_ref(&scope).is_eqref() == any.is_eqref());
    drop(scope);
    assert_sound(&mut store, instance.unwrap(), "after panics");
}

#[test]
fn exceptions_beyond_their_limit_are_freed_or_refused() {
    // 16 KiB each.
    const FIELDS: usize = 1000;
    const MORE_THAN_FIT: usize = 17_000;
    for collector in [CollectorKind::Generational, CollectorKind::Null] {
        let mut store = Store::new(&Guest::new(collector).engine, ());
        let holds_exceptions =
            FieldType { storage: StorageType::Val(ValType::EXNREF), mutable: true };
        let ty = StructType::new(store.engine(), [holds_exceptions]).unwrap();
        let _holder = crate::StructRef::new(&mut store, &ty, &[Val::ExnRef(None)]).unwrap();
        let tag = Tag::new(&mut store, &FuncType::new(vec![ValType::I32; FIELDS], []));
        let fields = [Val::I32(1); FIELDS];
        let make = |scope: &mut RootScope<&mut Store<()>>| ExnRef::new(scope, &tag, &fields);
        let made = (0..MORE_THAN_FIT).map(|_| make(&mut RootScope::new(&mut store)).err());
        let refused: Vec<_> = made.flatten().collect();
        assert!(refused.iter().all(is_typed), "{refused:?}");
        let collects = collector != CollectorKind::Null;
        assert_eq!(refused.is_empty(), collects);
        let (count, stats) = (store.exception_count(), store.gc_stats());
        assert!(count + refused.len() <= MORE_THAN_FIT);
        assert_eq!(stats.minor + stats.major > 0, collects, "{stats:?}");
        // Those that are in use are refused with any collector, and take nothing then.
        let mut scope = RootScope::new(&mut store);
        let error = (0..MORE_THAN_FIT).find_map(|_| make(&mut scope).err()).unwrap();
        assert_eq!(error.downcast_ref(), Some(&Trap::AllocationTooLarge));
        drop(scope);
        let full = store.exception_count();
        (0..10).for_each(|_| drop(make(&mut RootScope::new(&mut store))));
        assert!(store.exception_count() <= full, "{full}");
    }
}
