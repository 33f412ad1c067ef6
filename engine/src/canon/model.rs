//! A model test of the registry: threads that register, look up and drop types, with random schedules of
//! all steps that others can see: taking the lock, and upgrading, counting and dropping references to
//! groups.

use super::sync::model;
use super::*;
use std::sync::Mutex;

/// Schedules that are tried.
const SCHEDULES: usize = 3000;
/// Types that a thread registers in each.
const ROUNDS: usize = 6;

/// Function types that stand alone, of so many parameters.
fn plain(registry: &TypeRegistry, params: usize) -> TypeEntry {
    registry.register(&FuncType::new(vec![ValType::I32; params], vec![])).expect("it names none")
}

/// A type that names the plain one of so many parameters, which nobody else may hold.
fn naming(registry: &TypeRegistry, params: usize) -> TypeEntry {
    let named = plain(registry, params);
    let heap = named.heap_type();
    let param = ValType::Ref(RefType { nullable: true, heap });
    registry.register(&FuncType::new(vec![param], vec![])).expect("the type is held")
}

/// What is alive: by number, whether it names a type, and how many parameters it or that one has.
type Alive = Mutex<HashMap<CanonTypeId, (bool, usize, usize)>>;

/// Registers a type and checks that its number stands for it alone.
fn hold(registry: &TypeRegistry, alive: &Alive, (names, params): (bool, usize)) -> TypeEntry {
    let entry = if names { naming(registry, params) } else { plain(registry, params) };
    let mut alive = alive.lock().expect("no thread panicked");
    let found = alive.entry(entry.id()).or_insert((names, params, 0));
    assert_eq!((found.0, found.1), (names, params), "a number stands for one type");
    found.2 += 1;
    entry
}

/// Checks that a type is what it was, and drops it.
fn leave(registry: &TypeRegistry, alive: &Alive, entry: TypeEntry, (names, params): (bool, usize)) {
    assert!(registry.get(entry.id()).same(&entry), "a number leads to its type");
    let mut ty = entry.ty().clone();
    if names {
        let ValType::Ref(RefType { heap: HeapType::Concrete(named), .. }) = ty.params[0] else {
            panic!("it names a type");
        };
        ty = registry.get_named(named).ty().clone();
    }
    assert_eq!(ty.params.len(), params);
    let mut alive = alive.lock().expect("no thread panicked");
    let count = &mut alive.get_mut(&entry.id()).expect("it is held").2;
    *count -= 1;
    if *count == 0 {
        alive.remove(&entry.id());
    }
    drop(alive);
    drop(entry);
}

#[test]
fn threads_agree_on_the_numbers_of_types_that_come_and_go() {
    model(|| {
        shuttle::check_random(
            || {
                let registry = TypeRegistry::new().expect("there is address space");
                registry.write().min_sweep = 1;
                let shared = std::sync::Arc::new((registry, Alive::default()));
                let threads: Vec<_> = (0..3usize)
                    .map(|thread| {
                        let shared = std::sync::Arc::clone(&shared);
                        shuttle::thread::spawn(move || {
                            let (registry, alive) = &*shared;
                            let mut held = None;
                            for round in 0..ROUNDS {
                                let form = (round % 2 == thread % 2, (round * 2 + thread) % 3);
                                let entry = hold(registry, alive, form);
                                if let Some((entry, form)) = held.replace((entry, form)) {
                                    leave(registry, alive, entry, form);
                                }
                            }
                            let (entry, form) = held.expect("there was a round");
                            leave(registry, alive, entry, form);
                        })
                    })
                    .collect();
                threads.into_iter().for_each(|thread| thread.join().expect("no thread panicked"));
                // All are dead: their numbers are used again.
                let used = shared.0.read().entries.len();
                assert!(used <= 12, "{used} numbers");
            },
            SCHEDULES,
        );
    });
}
