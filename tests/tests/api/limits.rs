//! Limits of stores.

use upshift::{
    Config, Engine, Instance, Linker, Memory, MemoryType, Module, ResourceLimiter, Result, Store,
    StoreLimits, StoreLimitsBuilder, Trap,
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
