//! Tests of the registry.

use super::*;
use upshift_abi::decode::{DecodeOptions, decode};

fn many_params(n: usize) -> FuncType {
    FuncType::new(vec![ValType::I32; n], vec![])
}

fn register(registry: &TypeRegistry, wat: &str) -> Box<[TypeEntry]> {
    let bytes = wat::parse_str(wat).unwrap();
    let features = wasmparser::WasmFeatures::all();
    let options = DecodeOptions { features, objects: true, parallel: false };
    registry.register_module(&mut decode(&bytes, &options).unwrap())
}

#[test]
fn equal_types_share_a_number() {
    let registry = TypeRegistry::new().unwrap();
    let a = registry.register(&many_params(1)).unwrap();
    let b = registry.register(&many_params(1)).unwrap();
    let c = registry.register(&many_params(2)).unwrap();
    assert_eq!(a.id(), b.id());
    assert_ne!(a.id(), c.id());
    assert_eq!(registry.get(c.id()).ty().params.len(), 2);
}

#[test]
fn numbers_of_dead_types_are_used_again_and_others_are_not() {
    let registry = TypeRegistry::new().unwrap();
    let kept = registry.register(&many_params(5000)).unwrap();
    for n in 0..4 * MIN_SWEEP {
        registry.register(&many_params(n)).unwrap();
    }
    assert!(registry.read().entries.len() <= 2 * MIN_SWEEP);
    assert_eq!(registry.get(kept.id()).ty().params.len(), 5000);
    assert_eq!(registry.register(&many_params(5000)).unwrap().id(), kept.id());
}

#[test]
fn groups_are_equal_position_by_position() {
    let registry = TypeRegistry::new().unwrap();
    let rec = "(rec (type $a (func (param (ref null $b)))) (type $b (func (result (ref $a)))))";
    let a = register(&registry, &format!("(module (type (func)) {rec})"));
    let b = register(&registry, &format!("(module {rec} (type (func (param i32))))"));
    assert_eq!((a[1].id(), a[2].id()), (b[0].id(), b[1].id()));
    assert_ne!(a[1].id(), a[2].id());
    // The same types in groups of their own, and in another order, are others.
    let alone = register(&registry, "(module (type $a (func (param (ref null $a)))))");
    assert_ne!(alone[0].id(), a[1].id());
    let turned = "(module (rec (type $b (func (result (ref $a))))
        (type $a (func (param (ref null $b))))))";
    assert_ne!(register(&registry, turned)[1].id(), a[1].id());
}

#[test]
fn what_a_type_names_lives_as_long() {
    let registry = TypeRegistry::new().unwrap();
    let entries = register(
        &registry,
        "(module (type $x (func (param i64))) (type $y (func (param (ref $x)))))",
    );
    let (x, y) = (entries[0].name(), entries[1].clone());
    drop(entries);
    for n in 0..4 * MIN_SWEEP {
        registry.register(&many_params(n)).unwrap();
    }
    assert_eq!(registry.get_named(x).ty().params[..], [ValType::I64]);
    let ValType::Ref(named) = y.ty().params[0] else { panic!("a reference") };
    assert_eq!(named.heap, HeapType::Concrete(x));
}

#[test]
fn supertypes_are_known_by_depth() {
    let registry = TypeRegistry::new().unwrap();
    let text = "(module (type $a (sub (func))) (type $b (sub $a (func)))
        (type $c (sub final $b (func))) (type $d (func)))";
    let entries = register(&registry, text);
    let ids: Vec<_> = entries.iter().map(TypeEntry::id).collect();
    assert_eq!(entries[2].supertypes().ids[..4], [ids[0], ids[1], ids[2], CanonTypeId::NONE]);
    assert!(entries[2].is_subtype_of(ids[0]) && !entries[0].is_subtype_of(ids[2]));
    assert!(!entries[3].is_subtype_of(ids[0]));
    let concrete =
        |at: usize| ValType::Ref(RefType { nullable: false, heap: entries[at].heap_type() });
    assert!(registry.is_subtype(concrete(2), concrete(0)));
    assert!(registry.is_subtype(concrete(2), ValType::FUNCREF));
    assert!(!registry.is_subtype(concrete(2), ValType::EXTERNREF));
    assert!(!registry.is_subtype(ValType::FUNCREF, concrete(0)));
    let above = |at: usize| entries[at].supertype_entry().map(|above| above.id());
    assert_eq!([above(0), above(2), above(3)], [None, Some(ids[1]), None]);
    assert_eq!([0, 2, 3].map(|at| entries[at].depth()), [0, 2, 0]);
}

#[test]
fn a_name_is_one_type_of_one_engine() {
    let (registry, other) = (TypeRegistry::new().unwrap(), TypeRegistry::new().unwrap());
    let (mine, theirs) =
        (registry.register(&many_params(1)).unwrap(), other.register(&many_params(1)).unwrap());
    assert_eq!(mine.id(), theirs.id());
    assert_ne!(mine.name(), theirs.name());
    assert!(registry.find(theirs.name()).is_none());
    assert!(!names_objects(mine.name()));
    let of_objects = registry.register_composite(CompositeType::Struct([].into())).unwrap();
    assert!(names_objects(of_objects.name()));
    drop(of_objects);
    let (id, name) = (mine.id(), mine.name());
    drop(mine);
    assert!(registry.find(name).is_none());
    // A type that comes again before it is forgotten is what it was.
    assert_eq!(registry.register(&many_params(1)).unwrap().name(), name);
    let mut alive = Vec::new();
    for n in 0..4 * MIN_SWEEP {
        alive.push(registry.register(&many_params(n + 2)).unwrap());
    }
    assert!(alive.iter().any(|entry| entry.id() == id), "the number is used again");
    assert!(registry.find(name).is_none());
    assert!(alive.iter().all(|entry| entry.name() != name));
    assert_eq!(registry.read().names.len(), alive.len());
    let param = ValType::Ref(RefType { nullable: true, heap: HeapType::Concrete(name) });
    assert!(registry.register(&FuncType::new([param], [])).is_err());
}

#[test]
fn threads_register_and_drop_the_same_types() {
    const FORMS: usize = 3 * MIN_SWEEP;
    let registry = TypeRegistry::new().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let registry = &registry;
            scope.spawn(move || {
                let mut alive = std::collections::VecDeque::new();
                for n in 0..10_000 {
                    let form = (n * 7 + thread) % FORMS;
                    let entry = registry.register(&many_params(form)).unwrap();
                    let again = registry.register(&many_params(form)).unwrap();
                    assert_eq!(entry.id(), again.id());
                    alive.push_back((form, entry));
                    if alive.len() > 50 {
                        alive.pop_front();
                    }
                    // What is alive is what its number stands for, and nothing else is.
                    let (form, entry) = &alive[n % alive.len()];
                    assert_eq!(registry.get(entry.id()).ty().params.len(), *form);
                }
            });
        }
    });
    // Dead groups are swept when their number has doubled.
    assert!(registry.read().entries.len() <= 2 * FORMS);
}
