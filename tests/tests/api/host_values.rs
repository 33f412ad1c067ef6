//! Values of the host behind `externref`: dropped when nothing refers to them, and not before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use upshift::{
    AnyRef, Caller, CollectorKind, Config, Engine, ExternRef, Instance, Linker, Module, RootScope,
    Store, Val,
};
use upshift_tests::modes;

/// A value that counts itself.
struct Counted {
    number: usize,
    alive: Arc<AtomicUsize>,
}

impl Counted {
    fn new(number: usize, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { number, alive: Arc::clone(alive) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Places for values outside of objects; `held` has one in a local while the host collects.
const PLAIN: &str = r#"(module
    (import "host" "collect" (func $collect))
    (global $g (export "g") (mut externref) (ref.null extern))
    (table (export "t") 3 externref)
    (func (export "held") (param $value externref) (result externref)
        (local $kept externref)
        (local.set $kept (local.get $value))
        (local.set $value (ref.null extern))
        (call $collect)
        (local.get $kept))"#;

/// The same with objects.
const OBJECTS: &str = r#"
    (type $box (struct (field (mut externref))))
    (global $box (mut (ref null $box)) (ref.null $box))
    (func (export "put") (param externref)
        (global.set $box (struct.new $box (local.get 0))))
    (func (export "take") (result externref)
        (struct.get $box 0 (global.get $box)))"#;

struct Guest {
    store: Store<()>,
    instance: Instance,
    alive: Arc<AtomicUsize>,
}

impl Guest {
    fn new(config: &Config, more: &str) -> Self {
        let engine = Engine::new(config).expect("the test is right");
        let module = Module::new(&engine, format!("{PLAIN}{more})")).expect("the test is right");
        let mut linker: Linker<()> = Linker::new(&engine);
        let collect =
            |mut caller: Caller<'_, ()>| upshift::AsContextMut::as_context_mut(&mut caller).gc();
        linker.func_wrap("host", "collect", collect).expect("the test is right");
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).expect("the test is right");
        Self { store, instance, alive: Arc::default() }
    }

    /// Calls a function with a new value that only lasts as long as the guest keeps it.
    fn call(&mut self, name: &str, number: usize) -> Option<usize> {
        let func = self.instance.get_func(&mut self.store, name).expect("the test is right");
        let count = func.ty(&self.store).results.len();
        let mut scope = RootScope::new(&mut self.store);
        let value = ExternRef::new(&mut scope, Counted::new(number, &self.alive))
            .expect("the heap has room");
        let mut results = vec![Val::I32(0); count];
        func.call(&mut scope, &[value.into()], &mut results).expect("the test is right");
        drop(scope);
        results.first().map(|_| number)
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }
}

/// The number of a value.
fn number(store: &Store<()>, value: Val) -> usize {
    let value = value.unwrap_extern_ref().expect("not null");
    let data = value.data(store).expect("a value of the host");
    data.downcast_ref::<Counted>().expect("a counted one").number
}

#[test]
fn values_are_dropped_when_nothing_refers_to_them() {
    let mut modes = modes::all().to_vec();
    modes.push(modes::gc());
    for mode in modes {
        for more in ["", OBJECTS] {
            let mut guest = Guest::new(&mode.config, more);
            let global = guest.instance.get_global(&mut guest.store, "g").unwrap();
            let table = guest.instance.get_table(&mut guest.store, "t").unwrap();
            {
                let mut scope = RootScope::new(&mut guest.store);
                for i in 0..10 {
                    let value = Counted::new(i, &guest.alive);
                    let value = ExternRef::new(&mut scope, value).unwrap();
                    global.set(&mut scope, value.into()).unwrap();
                    table.set(&mut scope, 1, value.into()).unwrap();
                }
            }
            guest.store.gc().unwrap();
            assert_eq!(guest.alive(), 1, "{}", mode.name);
            let value = global.get(&mut guest.store);
            assert_eq!(number(&guest.store, value), 9, "{}", mode.name);
            let func = guest.instance.get_func(&mut guest.store, "held").unwrap();
            for i in 0..20 {
                let mut scope = RootScope::new(&mut guest.store);
                let value = ExternRef::new(&mut scope, Counted::new(i, &guest.alive)).unwrap();
                let mut kept = [Val::ExternRef(None)];
                func.call(&mut scope, &[value.into()], &mut kept).unwrap();
                let kept = kept[0].unwrap_extern_ref().unwrap();
                assert!(ExternRef::same(&scope, &value, &kept), "{}", mode.name);
            }
            guest.store.gc().unwrap();
            // The one in the global and the table, which the test refers to as well.
            assert_eq!(guest.alive(), 1, "{}", mode.name);
        }
    }
}

#[test]
fn frames_keep_the_values_that_they_hold() {
    for mode in modes::all() {
        let mut guest = Guest::new(&mode.config, "");
        let func = guest.instance.get_func(&mut guest.store, "held").unwrap();
        for i in 0..20 {
            let alive = Arc::clone(&guest.alive);
            let value = ExternRef::new(&mut guest.store, Counted::new(i, &alive)).unwrap();
            let mut kept = [Val::ExternRef(None)];
            func.call(&mut guest.store, &[value.into()], &mut kept).unwrap();
            assert_eq!(number(&guest.store, kept[0]), i, "{}", mode.name);
        }
    }
}

#[test]
fn objects_keep_the_values_that_they_hold() {
    let mut modes = modes::all().to_vec();
    modes.push(modes::gc());
    for mode in modes {
        let mut guest = Guest::new(&mode.config, OBJECTS);
        for i in 0..10 {
            guest.call("put", i);
        }
        guest.store.gc().unwrap();
        assert_eq!(guest.alive(), 1, "{}", mode.name);
        let take = guest.instance.get_func(&mut guest.store, "take").unwrap();
        let mut taken = [Val::ExternRef(None)];
        take.call(&mut guest.store, &[], &mut taken).unwrap();
        assert_eq!(number(&guest.store, taken[0]), 9, "{}", mode.name);
    }
}

#[test]
fn values_are_dropped_without_being_asked() {
    for collector in [CollectorKind::Generational, CollectorKind::Null] {
        let mut config = Config::new();
        config.collector(collector);
        let mut guest = Guest::new(&config, "");
        for i in 0..10_000 {
            guest.call("held", i);
        }
        assert!(guest.alive() < 5000, "{} are alive", guest.alive());
    }
}

#[test]
fn owned_references_keep_their_values() {
    let mut guest = Guest::new(&Config::new(), "");
    let owned = {
        let mut scope = RootScope::new(&mut guest.store);
        let value = ExternRef::new(&mut scope, Counted::new(5, &guest.alive)).unwrap();
        AnyRef::convert_extern(&scope, value).to_owned_ref(&scope)
    };
    guest.store.gc().unwrap();
    assert_eq!(guest.alive(), 1);
    let value = ExternRef::convert_any(&guest.store, owned.to_any_ref(&guest.store));
    assert_eq!(number(&guest.store, value.into()), 5);
    drop(guest.store);
    assert_eq!(guest.alive.load(Ordering::Relaxed), 0);
}
