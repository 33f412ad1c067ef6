//! How long collections of all objects take: makes about a hundred megabytes of live objects of one
//! shape, collects them again and again, and tells the CPU time of the pauses.
//!
//! `cargo run --release -p upshift-benches --bin pauses [NAME…]`; all shapes without a name.

use anyhow::Result;
use std::time::Duration;
use upshift::{Config, Engine, Instance, Module, Store};

/// Collections of each shape; the first, which finds them as they were made, does not count.
const COLLECTIONS: usize = 151;

/// An export of [`MODULE`] that makes objects, how often it is called with which argument, and what
/// it makes.
const SHAPES: [(&str, i32, i32, &str); 7] = [
    ("tree", 16, 17, "16 trees of 262,143 objects of 24 bytes"),
    ("list", 16, 262_143, "16 lists of 262,143 objects of 24 bytes"),
    ("scattered", 16, 262_144, "arrays that refer to 4.2 million objects of 24 bytes in no order"),
    ("leaves", 16, 393_216, "arrays that refer to 6.3 million objects of 16 bytes in order"),
    ("nulls", 25, 1_000_000, "25 arrays of a million null references"),
    ("one", 25, 1_000_000, "25 arrays of a million references to the same object"),
    ("numbers", 25, 1_000_000, "25 arrays of a million numbers"),
];

const MODULE: &str = r#"(module
    (type $node (struct (field (ref null $node) (ref null $node) i32)))
    (type $leaf (struct (field i32)))
    (type $refs (array (mut eqref)))
    (type $numbers (array (mut i32)))
    (table $kept 64 eqref)
    (global $next (mut i32) (i32.const 0))
    (func $keep (param eqref)
        (table.set $kept (global.get $next) (local.get 0))
        (global.set $next (i32.add (global.get $next) (i32.const 1))))
    (func $grow (param $depth i32) (result (ref null $node))
        (if (result (ref null $node)) (local.get $depth)
            (then
                (struct.new $node
                    (call $grow (i32.sub (local.get $depth) (i32.const 1)))
                    (call $grow (i32.sub (local.get $depth) (i32.const 1)))
                    (local.get $depth)))
            (else (struct.new $node (ref.null $node) (ref.null $node) (i32.const 0)))))
    (func (export "tree") (param i32) (call $keep (call $grow (local.get 0))))
    (func (export "list") (param $n i32)
        (local $list (ref null $node))
        (loop $l
            (local.set $list
                (struct.new $node (local.get $list) (ref.null $node) (local.get $n)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $keep (local.get $list)))
    (func (export "scattered") (param $n i32)
        (local $refs (ref $refs)) (local $i i32)
        (local.set $refs (array.new_default $refs (local.get $n)))
        (loop $l
            ;; A multiplier without a factor of two visits each place once.
            (array.set $refs (local.get $refs)
                (i32.and (i32.mul (local.get $i) (i32.const 40503))
                    (i32.sub (local.get $n) (i32.const 1)))
                (struct.new $node (ref.null $node) (ref.null $node) (local.get $i)))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (local.get $n))))
        (call $keep (local.get $refs)))
    (func (export "leaves") (param $n i32)
        (local $refs (ref $refs)) (local $i i32)
        (local.set $refs (array.new_default $refs (local.get $n)))
        (loop $l
            (array.set $refs (local.get $refs) (local.get $i) (struct.new $leaf (local.get $i)))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (local.get $n))))
        (call $keep (local.get $refs)))
    (func (export "nulls") (param i32)
        (call $keep (array.new_default $refs (local.get 0))))
    (func (export "one") (param i32)
        (call $keep (array.new $refs (struct.new $leaf (i32.const 1)) (local.get 0))))
    (func (export "numbers") (param i32)
        (call $keep (array.new $numbers (i32.const 1) (local.get 0)))))"#;

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let engine = Engine::new(&Config::new())?;
    let module = Module::new(&engine, MODULE)?;
    let heads = ["least", "p50", "p90", "p99", "most"].map(|head| format!("{head:>6}"));
    println!("{:>9}  {}  of", "CPU ms:", heads.join("  "));
    for shape in
        SHAPES.iter().filter(|shape| wanted.is_empty() || wanted.iter().any(|name| name == shape.0))
    {
        let pauses = pauses_of(&engine, &module, *shape)?;
        // The pause that so many percent of them do not exceed.
        let ms = |percent: usize| {
            let at = (percent * pauses.len()).div_ceil(100).max(1) - 1;
            format!("{:>6.1}", pauses[at].as_secs_f64() * 1e3)
        };
        println!("{:>9}  {}  {}", shape.0, [0, 50, 90, 99, 100].map(ms).join("  "), shape.3);
    }
    Ok(())
}

/// The CPU times of collections of what a shape's export makes, the shortest first.
fn pauses_of(
    engine: &Engine,
    module: &Module,
    (name, calls, argument, _): (&str, i32, i32, &str),
) -> Result<Vec<Duration>> {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    let make = instance.get_typed_func::<i32, ()>(&mut store, name)?;
    for _ in 0..calls {
        make.call(&mut store, argument)?;
    }
    store.gc()?;
    let mut pauses = Vec::new();
    for _ in 1..COLLECTIONS {
        let before = store.gc_stats().total;
        store.gc()?;
        pauses.push(store.gc_stats().total - before);
    }
    pauses.sort();
    Ok(pauses)
}
