//! Events of what a store does beside running code: collections, exceptions and traps.

use super::instantiate;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use upshift::{
    Caller, CollectionKind, Config, Engine, Event, EventKind, EventObserver, Exception, Linker,
    Module, Store, Trap,
};

const PROGRAM: &str = r#"(module
    (type $pair (struct (field (mut i32)) (field (mut i64))))
    (tag $t (param i32))
    (global $kept (mut (ref null $pair)) (ref.null $pair))
    (func $throw (param i32) (throw $t (local.get 0)))
    (func (export "allocate") (param i32)
        (loop $more
            (global.set $kept (struct.new $pair (local.get 0) (i64.const 7)))
            (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "catch") (param i32)
        (loop $more
            (block $caught (result i32)
                (try_table (catch $t $caught) (call $throw (local.get 0)))
                (i32.const 0))
            drop
            (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "escape") (call $throw (i32.const 1)))
    (func (export "divide") (param i32) (result i32)
        (i32.div_u (i32.const 1) (local.get 0))))"#;

const ALLOCATE: u32 = 1;
const DIVIDE: u32 = 4;

fn engine() -> Engine {
    let mut config = Config::new();
    config.profiling(true);
    Engine::new(&config).expect("the machine runs the engine")
}

/// The events that a test is about.
fn rest(engine: &Engine) -> Vec<Event> {
    let wanted = ["collected", "thrown", "trapped"];
    engine.events().into_iter().filter(|event| wanted.contains(&event.kind.name())).collect()
}

#[test]
fn each_collection_is_an_event_of_the_function_that_allocates() {
    let engine = engine();
    let (mut store, instance) = instantiate(&engine, PROGRAM);
    let allocate = instance.get_typed_func::<i32, ()>(&mut store, "allocate").unwrap();
    allocate.call(&mut store, 1_000_000).unwrap();
    let stats = store.gc_stats();
    assert!(stats.minor > 3, "{stats:?}");
    let events = rest(&engine);
    assert_eq!(events.len() as u64, stats.minor + stats.major);
    let minor = events.iter().filter(|event| {
        matches!(event.kind, EventKind::Collected { kind: CollectionKind::Minor, .. })
    });
    assert_eq!(minor.count() as u64, stats.minor);
    for event in &events {
        assert_eq!((event.func, event.module.is_some()), (Some(ALLOCATE), true), "{event:?}");
        let EventKind::Collected { pause, heap_bytes, .. } = event.kind else {
            panic!("{event:?}")
        };
        assert!(!pause.is_zero() && pause <= event.at && heap_bytes > 0, "{event:?}");
    }
    // One that the host asks for is no function's.
    store.gc().unwrap();
    let events = rest(&engine);
    assert_eq!((events.len(), events[0].module, events[0].func), (1, None, None), "{events:?}");
    let EventKind::Collected { kind, .. } = events[0].kind else { panic!("{events:?}") };
    assert_eq!(kind, CollectionKind::Major);
}

/// Panics when it is told of an event of the name.
#[derive(Debug)]
struct Panics {
    on: &'static str,
    panics: AtomicU32,
}

impl EventObserver for Panics {
    fn event(&self, event: &Event) {
        if event.kind.name() == self.on {
            self.panics.fetch_add(1, Ordering::Relaxed);
            panic!("an observer's");
        }
    }
}

#[test]
fn an_observer_that_panics_harms_nothing() {
    for (on, export) in [("collected", "allocate"), ("thrown", "catch"), ("thrown", "escape")] {
        let observer = Arc::new(Panics { on, panics: AtomicU32::new(0) });
        let mut config = Config::new();
        config.event_observer(observer.clone());
        let engine = Engine::new(&config).expect("the machine runs the engine");
        let (mut store, instance) = instantiate(&engine, PROGRAM);
        let allocate = instance.get_typed_func::<i32, ()>(&mut store, "allocate").unwrap();
        allocate.call(&mut store, 1).unwrap();
        if export == "escape" {
            let escape = instance.get_typed_func::<(), ()>(&mut store, export).unwrap();
            assert!(escape.call(&mut store, ()).unwrap_err().is::<Exception>());
        } else {
            let func = instance.get_typed_func::<i32, ()>(&mut store, export).unwrap();
            func.call(&mut store, 1_000_000).unwrap();
        }
        store.gc().unwrap();
        allocate.call(&mut store, 1_000_000).unwrap();
        drop(store);
        assert_eq!(observer.panics.load(Ordering::Relaxed), 1, "{on}");
    }
}

/// Exceptions of events, thrown and caught.
fn thrown(events: &[Event]) -> (u64, u64) {
    events.iter().fold((0, 0), |sum, event| match event.kind {
        EventKind::Thrown { thrown, caught } => (sum.0 + thrown, sum.1 + caught),
        _ => sum,
    })
}

#[test]
fn many_exceptions_are_few_events_and_all_are_told_of() {
    let engine = engine();
    let (mut store, instance) = instantiate(&engine, PROGRAM);
    let catch = instance.get_typed_func::<i32, ()>(&mut store, "catch").unwrap();
    catch.call(&mut store, 1).unwrap();
    let first = rest(&engine);
    assert_eq!((first.len(), thrown(&first)), (1, (1, 1)), "{first:?}");
    assert!(first[0].func.is_some() && first[0].module.is_some());
    catch.call(&mut store, 100_000).unwrap();
    let escape = instance.get_typed_func::<(), ()>(&mut store, "escape").unwrap();
    escape.call(&mut store, ()).unwrap_err();
    let counted = store.exception_stats();
    assert_eq!(counted.thrown - counted.caught, 1);
    store.flush_events();
    let later = rest(&engine);
    assert_eq!(thrown(&later), (counted.thrown - 1, counted.caught - 1));
    assert!(later.len() < 10_000, "{}", later.len());
    drop(store);
    assert_eq!(rest(&engine), []);
}

/// Traps of events.
fn trapped(events: &[Event]) -> u64 {
    events.iter().fold(0, |sum, event| match event.kind {
        EventKind::Trapped { trap: Trap::IntegerDivisionByZero, count, .. } => sum + count,
        _ => sum,
    })
}

#[test]
fn a_trap_is_an_event_with_its_place_and_many_are_told_of_together() {
    let engine = engine();
    let module = Module::new(&engine, PROGRAM).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let divide = instance.get_typed_func::<i32, i32>(&mut store, "divide").unwrap();
    assert_eq!(divide.call(&mut store, 1).unwrap(), 1);
    assert_eq!(rest(&engine), []);
    divide.call(&mut store, 0).unwrap_err();
    let events = rest(&engine);
    assert_eq!((events.len(), trapped(&events)), (1, 1), "{events:?}");
    assert_eq!((events[0].module, events[0].func), (Some(module.id()), Some(DIVIDE)));
    let EventKind::Trapped { module_offset, .. } = events[0].kind else { panic!("{events:?}") };
    let place = usize::try_from(module_offset.unwrap()).unwrap();
    assert!(module.function_body_range(DIVIDE).unwrap().contains(&place));
    (0..50_000).for_each(|_| _ = divide.call(&mut store, 0).unwrap_err());
    drop(store);
    let events = rest(&engine);
    assert_eq!(trapped(&events), 50_000);
    assert!(events.len() < 5_000, "{}", events.len());
}

#[test]
fn a_trap_that_passes_the_host_is_told_of_once() {
    let engine = engine();
    let program = r#"(module (import "host" "pass" (func $pass))
        (func (export "outer") (call $pass)) (func (export "inner") unreachable))"#;
    let module = Module::new(&engine, program).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let pass = |mut caller: Caller<'_, ()>| {
        let inner = caller.get_export("inner").and_then(|inner| inner.into_func()).unwrap();
        inner.call(&mut caller, &[], &mut [])
    };
    linker.func_wrap("host", "pass", pass).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let outer = instance.get_typed_func::<(), ()>(&mut store, "outer").unwrap();
    let error = outer.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Unreachable));
    drop(store);
    let events = rest(&engine);
    assert_eq!((events.len(), events[0].func), (1, Some(2)), "{events:?}");
    let EventKind::Trapped { count, .. } = events[0].kind else { panic!("{events:?}") };
    assert_eq!(count, 1);
}
