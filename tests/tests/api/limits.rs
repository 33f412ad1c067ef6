//! Limits of stores.

use upshift::{
    CollectorKind, Config, Engine, Instance, Linker, Memory, MemoryType, Module, ResourceLimiter,
    Result, Store, StoreLimits, StoreLimitsBuilder, Trap,
};

const GROWS: &str = r#"(module
    (memory (export "m") 1)
    (table (export "t") 1 funcref)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "grow_table") (param i32) (result i32)
        (table.grow (ref.null func) (local.get 0))))"#;

fn limited(limits: StoreLimits) -> (Store<StoreLimits>, Result<Instance>) {
    let engine = Engine::default();
    let module = Module::new(&engine, GROWS).expect("a valid module");
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    let instance = Linker::new(&engine).instantiate(&mut store, &module);
    (store, instance)
}

#[test]
fn growth_beyond_a_limit_fails_as_wasm_expects() {
    let limits = StoreLimitsBuilder::new().memory_size(3 << 16).table_elements(4).build();
    let (mut store, instance) = limited(limits);
    let instance = instance.unwrap();
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
    let grow_table = instance.get_typed_func::<i32, i32>(&mut store, "grow_table").unwrap();
    assert_eq!(grow.call(&mut store, 2).unwrap(), 1);
    assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
    assert_eq!(grow.call(&mut store, -1).unwrap(), -1);
    assert_eq!(grow_table.call(&mut store, 3).unwrap(), 1);
    assert_eq!(grow_table.call(&mut store, 1).unwrap(), -1);
    let memory = instance.get_memory(&mut store, "m").unwrap();
    assert!(memory.grow(&mut store, 1).is_err());
    assert_eq!(memory.size(&store), 3);
    assert_eq!(memory.data_size(&store), 3 << 16);
}

#[test]
fn growth_can_be_a_trap_instead() {
    let limits = StoreLimitsBuilder::new().memory_size(1 << 16).trap_on_grow_failure(true).build();
    let (mut store, instance) = limited(limits);
    let grow = instance.unwrap().get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
    assert!(grow.call(&mut store, 1).unwrap_err().root_cause().to_string().contains("forcing"));
}

#[test]
fn minimums_and_counts_are_limited() {
    assert!(limited(StoreLimitsBuilder::new().memory_size(100).build()).1.is_err());
    assert!(limited(StoreLimitsBuilder::new().table_elements(0).build()).1.is_err());
    assert!(limited(StoreLimitsBuilder::new().instances(0).build()).1.is_err());
    assert!(limited(StoreLimitsBuilder::new().memories(0).build()).1.is_err());
    assert!(limited(StoreLimitsBuilder::new().tables(0).build()).1.is_err());
}

struct Refuses;

impl ResourceLimiter for Refuses {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Err(Trap::AllocationTooLarge.into())
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

#[test]
fn errors_of_the_limiter_come_back() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Refuses);
    store.limiter(|limiter| limiter);
    let error = Memory::new(&mut store, MemoryType::new(1, None)).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::AllocationTooLarge));
}

#[test]
fn the_wasm_stack_is_as_large_as_configured() {
    let depth = |bytes: usize| {
        let mut config = Config::new();
        config.max_wasm_stack(bytes);
        let (mut store, instance) = super::instantiate(
            &Engine::new(&config).unwrap(),
            r#"(module
                (global $depth (export "depth") (mut i32) (i32.const 0))
                (func $f (export "f")
                    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
                    (call $f)))"#,
        );
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        assert!(f.call(&mut store, ()).is_err());
        let depth = instance.get_global(&mut store, "depth").unwrap();
        depth.get(&mut store).unwrap_i32()
    };
    let (small, large) = (depth(64 << 10), depth(512 << 10));
    assert!(small * 6 < large && large < small * 12, "{small} and {large}");
}

#[test]
fn unreasonable_settings_are_refused() {
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = Config::new();
        change(&mut config);
        Engine::new(&config).is_err()
    };
    assert!(refused(&|config| _ = config.max_wasm_stack(0)));
    assert!(refused(&|config| _ = config.max_wasm_stack(usize::MAX)));
    assert!(refused(&|config| _ = config.memory_guard_size(u64::MAX)));
}

/// Remembers what it was asked for, and agrees up to a limit.
struct Counts {
    most: usize,
    asked: Vec<(usize, usize)>,
    fails: bool,
}

impl ResourceLimiter for Counts {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        assert!(current < desired && maximum.is_some_and(|maximum| desired <= maximum));
        self.asked.push((current, desired));
        if self.fails && desired > self.most {
            anyhow::bail!("no objects of {desired} bytes");
        }
        Ok(desired <= self.most)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

const OBJECTS: &str = r#"(module
    (type $node (struct (field i32) (field (ref null $node))))
    (type $bytes (array (mut i8)))
    (global $list (mut (ref null $node)) (ref.null $node))
    (func (export "keep") (param $i i32)
        (global.set $list (ref.null $node))
        (loop $l
            (global.set $list (struct.new $node (local.get $i) (global.get $list)))
            (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
    (func (export "waste") (param $i i32)
        (loop $l
            (drop (struct.new $node (local.get $i) (ref.null $node)))
            (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
    (func (export "large") (param $i i32)
        (drop (array.new_default $bytes (local.get $i)))))"#;

fn objects(collector: CollectorKind, most: usize, fails: bool) -> (Store<Counts>, Instance) {
    let mut config = Config::new();
    config.collector(collector);
    let engine = Engine::new(&config).expect("the test is right");
    let module = Module::new(&engine, OBJECTS).expect("a valid module");
    let mut store = Store::new(&engine, Counts { most, asked: Vec::new(), fails });
    store.limiter(|counts| counts);
    let instance = Linker::new(&engine).instantiate(&mut store, &module).expect("no objects yet");
    (store, instance)
}

#[test]
fn heaps_of_objects_ask_before_they_grow() {
    let (mut store, instance) = objects(CollectorKind::Generational, 8 << 20, false);
    let func = |store: &mut Store<Counts>, name| {
        instance.get_typed_func::<i32, ()>(store, name).expect("an export")
    };
    let (keep, waste) = (func(&mut store, "keep"), func(&mut store, "waste"));
    let large = func(&mut store, "large");
    keep.call(&mut store, 100_000).unwrap();
    assert!(store.gc_stats().heap_peak_bytes <= 8 << 20, "{:?}", store.gc_stats());
    waste.call(&mut store, 1_000_000).unwrap();
    large.call(&mut store, 2 << 20).unwrap();
    let error = large.call(&mut store, 16 << 20).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::AllocationTooLarge));
    // 16 MB of objects.
    let error = keep.call(&mut store, 1_000_000).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::AllocationTooLarge));
    assert!(store.gc_stats().heap_peak_bytes <= 8 << 20, "{:?}", store.gc_stats());
    // What was kept is let go of, and there is room again.
    keep.call(&mut store, 1000).unwrap();
    keep.call(&mut store, 100_000).unwrap();
    let asked = &store.data().asked;
    assert!(asked.first().is_some_and(|first| first.0 == 0 && first.1 < 1 << 20), "{asked:?}");
    assert!(asked.iter().any(|ask| ask.1 > 8 << 20));
    store.data_mut().most = 64 << 20;
    keep.call(&mut store, 1_000_000).unwrap();
    large.call(&mut store, 16 << 20).unwrap();
}

#[test]
fn a_limiter_of_objects_may_fail() {
    for collector in [CollectorKind::Generational, CollectorKind::Null] {
        let (mut store, instance) = objects(collector, 4 << 20, true);
        let keep = instance.get_typed_func::<i32, ()>(&mut store, "keep").unwrap();
        let error = keep.call(&mut store, 1_000_000).unwrap_err();
        assert!(error.root_cause().to_string().starts_with("no objects of"), "{error:#}");
        assert!(store.gc_stats().heap_peak_bytes <= 4 << 20);
    }
}

#[test]
fn the_null_collector_asks_too() {
    let (mut store, instance) = objects(CollectorKind::Null, 4 << 20, false);
    let waste = instance.get_typed_func::<i32, ()>(&mut store, "waste").unwrap();
    waste.call(&mut store, 100_000).unwrap();
    let error = waste.call(&mut store, 1_000_000).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::AllocationTooLarge));
    assert!(store.gc_stats().heap_peak_bytes <= 4 << 20, "{:?}", store.gc_stats());
}
