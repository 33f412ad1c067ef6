//! Exceptions are counted where they are thrown and where they are caught.

use upshift::{Config, Engine, Linker, Module, Store, Tier};

/// `work` catches what `thrower` throws at each of its odd turns; `escape` lets one out.
const PROGRAM: &str = r#"(module
    (tag $t (param i32))
    (func $thrower (param i32)
        (if (i32.and (local.get 0) (i32.const 1)) (then (throw $t (local.get 0)))))
    (func $between (param i32) (call $thrower (local.get 0)))
    (func (export "work") (param i32) (result i32) (local i32)
        (loop $l
            (block $caught (result i32)
                (try_table (catch $t $caught) (call $between (local.get 0)))
                (i32.const 0))
            (local.set 1 (i32.add (local.get 1)))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))
    (func (export "escape") (call $between (i32.const 1))))"#;

#[test]
fn throws_and_catches_count_by_function() {
    for (tier, timed) in [(Tier::Baseline, false), (Tier::Baseline, true), (Tier::Optimizer, true)]
    {
        let mut config = Config::new();
        // Inlined, they would be branches.
        config.tier(tier).profiling(timed).inlining(false);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, PROGRAM).unwrap();
        let mut store = Store::new(&engine, ());
        assert_eq!(store.exception_stats().thrown, 0);
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let work = instance.get_typed_func::<i32, i32>(&mut store, "work").unwrap();
        assert_eq!(work.call(&mut store, 1000).unwrap(), 250_000);
        let escape = instance.get_typed_func::<(), ()>(&mut store, "escape").unwrap();
        assert!(escape.call(&mut store, ()).is_err());
        let stats = store.exception_stats();
        assert_eq!((stats.thrown, stats.caught), (501, 500), "{tier:?}");
        assert_eq!(stats.searching.is_some_and(|time| !time.is_zero()), timed, "{tier:?}");
        let of = |func: u32| {
            let here = stats.sites.iter().filter(|site| {
                module.code_location(site.address).is_some_and(|found| found.func == func)
            });
            here.fold((0, 0), |sum, site| (sum.0 + site.thrown, sum.1 + site.caught))
        };
        let found = [0, 1, 2, 3].map(of);
        assert_eq!(found, [(501, 0), (0, 0), (0, 500), (0, 0)], "{tier:?}");
    }
}
