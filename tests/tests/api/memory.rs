//! Memories from the host's side, in every style.

use super::instantiate;
use std::time::Duration;
use upshift::{
    Config, Engine, Instance, Linker, Memory, MemoryType, Module, SharedMemory, Store,
    StoreLimitsBuilder, Trap, WaitResult,
};

#[test]
fn hosts_read_and_write() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(2))).unwrap();
    memory.write(&mut store, 10, b"abc").unwrap();
    let mut buffer = [0; 4];
    memory.read(&store, 9, &mut buffer).unwrap();
    assert_eq!(&buffer, b"\0abc");
    assert!(memory.write(&mut store, 65535, b"ab").is_err());
    assert!(memory.read(&store, usize::MAX, &mut buffer).is_err());
    memory.data_mut(&mut store)[65535] = 1;
    assert_eq!(memory.grow(&mut store, 1).unwrap(), 1);
    assert!(memory.grow(&mut store, 1).is_err());
    assert_eq!((memory.data(&store)[65535], memory.data(&store).len()), (1, 2 << 16));
    assert_eq!(memory.page_size(&store), 1 << 16);
}

#[test]
fn every_style_of_bounds_check_behaves_alike() {
    let guarded = Config::new();
    let mut checked = Config::new();
    checked.memory_reservation(false);
    let mut fixed = Config::new();
    fixed.memory_reservation(false).memory_may_move(false);
    for config in [guarded, checked, fixed] {
        let engine = Engine::new(&config).unwrap();
        let (mut store, instance) = instantiate(
            &engine,
            r#"(module (memory (export "m") 1 10)
                (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
                (func (export "far") (param i32) (result i32)
                    (i32.load8_u offset=0xfffffff0 (local.get 0)))
                (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#,
        );
        let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
        let far = instance.get_typed_func::<u32, u32>(&mut store, "far").unwrap();
        let grow = instance.get_typed_func::<(), u32>(&mut store, "grow").unwrap();
        let memory = instance.get_memory(&mut store, "m").unwrap();
        for pages in 1..=10u32 {
            let end = pages << 16;
            memory.data_mut(&mut store)[end as usize - 1] = 9;
            assert_eq!(load.call(&mut store, end - 1).unwrap(), 9);
            for (f, at) in [(load, end), (load, u32::MAX), (far, 0), (far, u32::MAX)] {
                let error = f.call(&mut store, at).unwrap_err();
                assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::MemoryOutOfBounds));
            }
            let grown = grow.call(&mut store, ()).unwrap();
            assert_eq!(grown, if pages < 10 { pages } else { u32::MAX });
        }
    }
}

#[test]
fn shared_memories_belong_to_all_stores() {
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, MemoryType::shared(1, 4)).unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "" "m" (memory 1 4 shared))
            (func (export "add") (result i32)
                (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
            (func (export "grow") (result i32) (memory.grow (i32.const 1)))
            (func (export "last") (result i32) (i32.load8_u (i32.const 0x1ffff))))"#,
    )
    .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = Store::new(&engine, ());
                let mut linker = Linker::new(&engine);
                linker.define(&store, "", "m", memory.clone()).unwrap();
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let add = instance.get_typed_func::<(), i32>(&mut store, "add").unwrap();
                for _ in 0..1000 {
                    add.call(&mut store, ()).unwrap();
                }
            });
        }
    });
    let mut bytes = [0; 4];
    memory.read(0, &mut bytes).unwrap();
    assert_eq!(u32::from_le_bytes(bytes), 4000);
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.define(&store, "", "m", memory.clone()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let last = instance.get_typed_func::<(), i32>(&mut store, "last").unwrap();
    assert!(last.call(&mut store, ()).is_err());
    assert_eq!(memory.grow(1).unwrap(), 1);
    assert_eq!(last.call(&mut store, ()).unwrap(), 0);
    let grow = instance.get_typed_func::<(), i32>(&mut store, "grow").unwrap();
    assert_eq!(grow.call(&mut store, ()).unwrap(), 2);
    assert_eq!(memory.size(), 3);
}

#[test]
fn hosts_wait_and_notify() {
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, MemoryType::shared(1, 1)).unwrap();
    let short = Some(Duration::from_millis(1));
    assert_eq!(memory.atomic_wait32(8, 1, short), Ok(WaitResult::Mismatch));
    assert_eq!(memory.atomic_wait64(8, 0, short), Ok(WaitResult::TimedOut));
    assert_eq!(memory.atomic_wait32(2, 0, short), Err(Trap::HeapMisaligned));
    assert_eq!(memory.atomic_notify(65536, 1), Err(Trap::MemoryOutOfBounds));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| memory.atomic_wait32(16, 0, None));
        while memory.atomic_notify(16, 1).unwrap() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(waiter.join().unwrap(), Ok(WaitResult::Ok));
    });
    assert!(SharedMemory::new(&engine, MemoryType::new(1, Some(1))).is_err());
}

#[test]
fn waiting_needs_a_shared_memory() {
    let (mut store, instance) = instantiate(
        &Engine::default(),
        r#"(module (memory 1)
            (func (export "wait") (result i32)
                (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))
            (func (export "notify") (result i32)
                (memory.atomic.notify (i32.const 0) (i32.const 9))))"#,
    );
    let wait = instance.get_typed_func::<(), i32>(&mut store, "wait").unwrap();
    let error = wait.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::ExpectedSharedMemory));
    let notify = instance.get_typed_func::<(), i32>(&mut store, "notify").unwrap();
    assert_eq!(notify.call(&mut store, ()).unwrap(), 0);
}

#[test]
fn shared_memories_that_a_module_defines_are_within_limits() {
    let engine = Engine::default();
    for (text, allowed) in [
        ("(module (memory 16 200 shared))", true),
        ("(module (memory 17 200 shared))", false),
        ("(module (memory 1 1 shared) (memory 1 1 shared))", false),
    ] {
        let module = Module::new(&engine, text).unwrap();
        let limits = StoreLimitsBuilder::new().memory_size(1 << 20).memories(1).build();
        let mut store = Store::new(&engine, limits);
        store.limiter(|limits| limits);
        let made = Instance::new(&mut store, &module, &[]);
        assert_eq!(made.is_ok(), allowed, "{text}: {:?}", made.err());
    }
}
