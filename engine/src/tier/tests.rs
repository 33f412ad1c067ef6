//! Tests of tiering with stand-ins for the optimising compiler. Most are the baseline compiler: its
//! code is right, only never faster.

use super::cost::CostModel;
use crate::code::{OptimizeFn, compile_baseline};
use crate::{
    Config, Engine, Event, EventKind, FunctionSet, Instance, Linker, Module, Policy, Store, Tier,
    TierRejection, Zeal,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::FunctionInput;
use upshift_optimizer::{Entry, Request};

const PROGRAM: &str = r#"(module
    (func (export "leaf") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $sum (export "sum") (param i32) (result i32) (local i32)
        (loop $l
            (local.set 1 (i32.add (local.get 1) (local.get 0)))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))
    (func (export "other") (param i32) (result i32) (local.get 0)))"#;

/// Code of functions is that of the baseline, which has no counter at a second entry either; code
/// of loops cannot be made.
fn stand_in(input: &FunctionInput<'_>, request: Request) -> Result<CompiledFunction, CompileError> {
    match request.entry {
        Entry::Function => compile_baseline(input),
        Entry::Loop { .. } => failing(input, request),
    }
}

fn failing(input: &FunctionInput<'_>, _: Request) -> Result<CompiledFunction, CompileError> {
    Err(CompileError::CodeTooLarge { func: input.func.0, limit: 1 })
}

fn panicking(_: &FunctionInput<'_>, _: Request) -> Result<CompiledFunction, CompileError> {
    panic!("a bug of the compiler")
}

struct Setup {
    engine: Engine,
    module: Module,
    store: Store<()>,
    instance: Instance,
}

impl Setup {
    fn new(optimize: OptimizeFn, configure: impl FnOnce(&mut Config) -> &mut Config) -> Self {
        let mut config = Config::new();
        config.profiling(true);
        configure(&mut config);
        Self::with_engine(&Engine::with_optimizer(&config, optimize).unwrap())
    }

    fn with_engine(engine: &Engine) -> Self {
        let module = Module::new(engine, PROGRAM).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
        Self { engine: engine.clone(), module, store, instance }
    }

    fn call(&mut self, name: &str, argument: i32) -> i32 {
        let func = self.instance.get_typed_func::<i32, i32>(&mut self.store, name).unwrap();
        func.call(&mut self.store, argument).unwrap()
    }

    /// Calls until events have all been seen that `wanted` names.
    fn call_until(&mut self, name: &str, argument: i32, wanted: &[&str]) -> Vec<Event> {
        let mut events = Vec::new();
        let start = Instant::now();
        let seen = |events: &[Event], name: &str| events.iter().any(|e| e.kind.name() == name);
        while !wanted.iter().all(|name| seen(&events, name)) {
            assert!(start.elapsed() < Duration::from_secs(60), "{wanted:?} of {events:#?}");
            for _ in 0..1000 {
                self.call(name, argument);
            }
            events.extend(self.engine.events());
        }
        events
    }

    fn tier(&self, func: u32) -> &'static str {
        self.module.function_code(func).unwrap().tier
    }
}

fn names(events: &[Event]) -> Vec<&'static str> {
    let names = events.iter().map(|event| event.kind.name());
    names.filter(|name| *name != "slow-path" && *name != "reprioritized").collect()
}

#[test]
fn a_hot_function_goes_through_all_steps() {
    let mut setup = Setup::new(stand_in, |config| config);
    assert_eq!(setup.call("other", 3), 3);
    let events = setup.call_until("leaf", 1, &["first-entered"]);
    let func = |index| -> Vec<Event> {
        events.iter().filter(|event| event.func == Some(index)).cloned().collect()
    };
    let steps = ["lazy-compile-started", "lazy-compiled"];
    let hot = ["requested", "dequeued", "compiled", "published", "first-entered"];
    assert_eq!(names(&events)[0], "module-loaded");
    assert_eq!(names(&func(0)), [&steps[..], &hot[..]].concat());
    assert_eq!(names(&func(2)), steps);
    assert!(events.iter().all(|event| event.module == Some(setup.module.id())));
    assert!(events.is_sorted_by_key(|event| event.at) || events.len() > 4);
    let requested = events.iter().find_map(|event| match event.kind {
        EventKind::Requested { counted, .. } => Some(counted),
        _ => None,
    });
    assert!(requested.unwrap() >= 320_000);
    assert_eq!((setup.tier(0), setup.tier(2)), ("optimized", "baseline"));
    let stats = setup.module.stats();
    assert_eq!((stats.baseline_functions, stats.optimizer_functions), (2, 1));
    assert!(stats.optimizer_code_bytes > 0);
    assert_eq!(setup.call("leaf", 41), 42);
}

#[test]
fn a_slow_path_that_sends_a_request_stands_for_itself() {
    let mut setup = Setup::new(stand_in, |config| config);
    let mut events = setup.call_until("leaf", 1, &["requested"]);
    events.extend(setup.call_until("sum", 1_000_000, &["requested"]));
    for func in [0, 1] {
        let of_func = events.iter().filter(|event| event.func == Some(func));
        let kinds: Vec<_> = of_func.map(|event| &event.kind).collect();
        let sent = kinds.iter().position(|kind| matches!(kind, EventKind::Requested { .. }));
        let told = kinds[sent.unwrap()..].iter().find_map(|kind| match kind {
            EventKind::SlowPath { count, .. } => Some(*count),
            _ => None,
        });
        assert_eq!(told, Some(1), "{func}: {kinds:?}");
    }
}

#[test]
fn a_hot_loop_asks_for_a_body_of_its_own() {
    let mut setup = Setup::new(stand_in, |config| config);
    let events = setup.call_until("sum", 1_000_000, &["published", "rejected"]);
    let of_loop = events.iter().filter(|event| event.loop_offset.is_some());
    let of_loop: Vec<_> = of_loop.cloned().collect();
    let names = names(&of_loop);
    assert!(names.starts_with(&["requested"]) && names.contains(&"rejected"), "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "requested").count(), 1);
    assert_eq!(setup.tier(1), "optimized");
    assert_eq!(setup.call("sum", 10), 55);
}

#[test]
fn a_loop_of_a_function_that_is_entered_once_comes_first() {
    let first = |events: &[Event]| {
        let mut asked = events.iter().filter(|event| event.kind.name() == "requested");
        asked.next().unwrap().loop_offset
    };
    let mut setup = Setup::new(stand_in, |config| config);
    setup.call("sum", 100_000_000);
    let events: Vec<_> = setup.engine.events().into_iter().collect();
    assert!(first(&events).is_some(), "{events:#?}");

    for turns in [3, 50_000] {
        let mut setup = Setup::new(stand_in, |config| config);
        let events = setup.call_until("sum", turns, &["requested"]);
        assert!(first(&events).is_none(), "{turns}: {events:#?}");
    }
}

#[test]
fn an_enormous_function_runs_as_long_as_its_cost_asks_for() {
    let mut config = Config::new();
    config.profiling(true);
    let engine = Engine::with_optimizer(&config, stand_in).unwrap();
    let step = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 31)) (i32.const 7)))";
    let text = format!(
        "(module (func (export \"long\") (param i32) (result i32) {} (local.get 0)))",
        step.repeat(12_000)
    );
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let long = instance.get_typed_func::<i32, i32>(&mut store, "long").unwrap();
    let requested = |event: &Event| match event.kind {
        EventKind::Requested { counted, expected } => Some((counted, expected)),
        _ => None,
    };
    let start = Instant::now();
    let (counted, expected) = loop {
        assert!(start.elapsed() < Duration::from_secs(60));
        for _ in 0..1000 {
            long.call(&mut store, 1).unwrap();
        }
        if let Some(found) = engine.events().iter().find_map(requested) {
            break found;
        }
    };
    // Twice what it costs, less what may be a change of the estimate; a counter has 0.09 s.
    let ran = Duration::from_nanos(CostModel::ns_of_units(counted));
    assert!(expected > Duration::from_millis(150), "{expected:?}");
    assert!(ran > expected * 3 / 2, "{ran:?} of {expected:?}");
    assert!(ran < expected * 3, "{ran:?} of {expected:?}");
}

#[test]
fn a_function_that_cannot_be_optimised_stays_in_the_baseline() {
    for optimize in [failing as OptimizeFn, panicking] {
        let mut setup = Setup::new(optimize, |config| config);
        let events = setup.call_until("leaf", 1, &["rejected"]);
        let reason = events.iter().find_map(|event| match &event.kind {
            EventKind::Rejected { reason } => Some(reason.clone()),
            _ => None,
        });
        assert!(matches!(reason, Some(TierRejection::Failed(_))), "{reason:?}");
        for _ in 0..500_000 {
            setup.call("leaf", 1);
        }
        assert!(!names(&setup.engine.events()).contains(&"requested"));
        assert_eq!(setup.tier(0), "baseline");
        assert_eq!(setup.call("leaf", 41), 42);
    }
}

#[test]
fn policies_that_do_not_tier() {
    let never = |configure: fn(&mut Config) -> &mut Config| {
        let mut setup = Setup::new(panicking, configure);
        for _ in 0..200_000 {
            setup.call("leaf", 1);
        }
        assert_eq!(setup.tier(0), "baseline");
        assert!(!names(&setup.engine.events()).contains(&"requested"));
    };
    never(|config| config.policy(Policy::BaselineOnly));
    never(|config| config.tier(Tier::Baseline));
    never(|config| config.hotness_counters(false));
    never(|config| config.tier_only(Some("1-2,main".parse().unwrap())));
    never(|config| config.max_optimized_code(0).tier_only(Some(FunctionSet::new())));
}

#[test]
fn deterministic_tiering_counts_entries_exactly() {
    for entries in [1, 2, 5, 100] {
        let mut setup = Setup::new(stand_in, |config| config.deterministic_tiering(entries));
        for _ in 1..entries {
            setup.call("leaf", 1);
        }
        if entries > 1 {
            assert_eq!(setup.tier(0), "baseline", "{entries}");
        }
        setup.call("leaf", 1);
        assert_eq!(setup.tier(0), "optimized", "{entries}");
    }
}

#[test]
fn there_are_never_many_more_threads_than_cpus() {
    let threads = |asked| Config::new().optimize_threads(asked).tier_settings().threads;
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!([threads(1), threads(3000)], [1, 4 * cpus]);
    assert_eq!(threads(0), (cpus - 1).max(1));
}

/// Two loops, one in the other, and a third.
const LOOPS: &str = r#"(module
    (func (export "loops") (param i32) (result i32) (local i32 i32)
        (loop $outer
            (local.set 1 (i32.const 3))
            (loop $inner
                (local.set 2 (i32.add (local.get 2) (i32.const 1)))
                (br_if $inner (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
            (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.set 1 (i32.const 5))
        (loop $last (br_if $last (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
        (local.get 2)))"#;

/// What was optimised of [`LOOPS`] with a set made from the loops' offsets: loops by their positions, none
/// for the function.
fn optimized_of_loops(
    configure: fn(&mut Config) -> &mut Config,
    set: impl FnOnce(&[u32]) -> FunctionSet,
    calls: usize,
) -> Vec<Option<usize>> {
    let bytes = wat::parse_str(LOOPS).unwrap();
    let module = Module::new(&Engine::default(), &bytes).unwrap();
    let body = &module.declarations().bodies[0];
    let offsets: Vec<u32> = (0..3).map(|position| body.loop_offset(position)).collect();
    let mut config = Config::new();
    configure(&mut config).profiling(true).tier_only(Some(set(&offsets)));
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, &bytes).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let loops = instance.get_typed_func::<i32, i32>(&mut store, "loops").unwrap();
    for _ in 0..calls {
        assert_eq!(loops.call(&mut store, 4).unwrap(), 12);
    }
    let published = engine.events().into_iter().filter(|event| event.kind == EventKind::Published);
    let position = |offset| offsets.iter().position(|&other| other == offset);
    published.map(|event| event.loop_offset.and_then(position)).collect()
}

#[test]
fn loops_alone_are_optimized() {
    let modes: [fn(&mut Config) -> &mut Config; 3] = [
        |config| config.zeal(Zeal { tier: true, ..Zeal::none() }),
        |config| config.zeal(Zeal { tier: true, seed: Some(1), ..Zeal::none() }),
        |config| config.deterministic_tiering(3),
    ];
    for mode in modes {
        for wanted in 0..3 {
            let one = |offsets: &[u32]| {
                let mut set = FunctionSet::new();
                set.add_loops(0, offsets[wanted]..=offsets[wanted]).clone()
            };
            assert_eq!(optimized_of_loops(mode, one, 5), [Some(wanted)]);
        }
        let all =
            |offsets: &[u32]| FunctionSet::new().add_loops(0, offsets[0]..=offsets[2]).clone();
        // What is entered first has the others within.
        let found = optimized_of_loops(mode, all, 5);
        assert!(found.contains(&Some(0)) && !found.contains(&None), "{found:?}");
        let other = |_: &[u32]| FunctionSet::new().add_loops(0, 0..=1).clone();
        assert!(optimized_of_loops(mode, other, 5).is_empty());
    }
    let first = |offsets: &[u32]| FunctionSet::new().add_loops(0, offsets[0]..=offsets[0]).clone();
    assert!(optimized_of_loops(|config| config.tier(Tier::Optimizer), first, 5).is_empty());
}

#[test]
fn a_loop_alone_is_optimized_in_the_background() {
    let mut config = Config::new();
    let all_loops = FunctionSet::new().add_loops(1, 0..=u32::MAX).clone();
    config.policy(Policy::OptimizeEagerly).profiling(true).tier_only(Some(all_loops));
    let mut setup = Setup::with_engine(&Engine::new(&config).unwrap());
    // However often it is entered.
    let events = setup.call_until("sum", 100, &["osr-entered"]);
    let published = events.iter().filter(|event| event.kind == EventKind::Published);
    let published: Vec<_> = published.map(|event| event.loop_offset.is_some()).collect();
    assert_eq!(published, [true]);
    assert_eq!(setup.tier(1), "baseline");
}

#[test]
fn the_optimizer_alone_compiles_at_the_first_call() {
    let mut setup = Setup::new(stand_in, |config| config.tier(Tier::Optimizer));
    assert_eq!(setup.call("sum", 10), 55);
    assert_eq!(setup.tier(1), "optimized");
    setup.module.compile_all(2).unwrap();
    assert_eq!(setup.tier(0), "optimized");
    let stats = setup.module.stats();
    assert_eq!((stats.baseline_functions, stats.optimizer_functions), (0, 3));
    let mut only = Setup::new(stand_in, |config| {
        config.tier(Tier::Optimizer).tier_only(Some("leaf,2".parse().unwrap()))
    });
    only.module.compile_all(1).unwrap();
    assert_eq!([0, 1, 2].map(|func| only.tier(func)), ["optimized", "baseline", "optimized"]);
    assert_eq!(only.call("leaf", 1), 2);
    let refused = Setup::new(failing, |config| config.tier(Tier::Optimizer));
    assert!(refused.module.compile_all(1).is_err());
    let mut panics = Setup::new(panicking, |config| config.tier(Tier::Optimizer));
    let leaf = panics.instance.get_typed_func::<i32, i32>(&mut panics.store, "leaf").unwrap();
    assert!(leaf.call(&mut panics.store, 1).unwrap_err().to_string().contains("panicked"));
}

#[test]
fn zeal_optimises_at_once() {
    let zeal = |seed| Zeal { tier: true, seed, ..Zeal::none() };
    let mut setup = Setup::new(stand_in, |config| config.zeal(zeal(None)));
    assert_eq!((setup.call("leaf", 1), setup.call("sum", 4)), (2, 10));
    assert_eq!((setup.tier(0), setup.tier(1)), ("optimized", "optimized"));
    let asked = setup.engine.events().into_iter();
    assert!(asked.into_iter().any(|event| event.loop_offset.is_some()));
    let mut seen = std::collections::HashSet::new();
    for seed in 0..20 {
        let mut setup = Setup::new(stand_in, |config| config.zeal(zeal(Some(seed))));
        assert_eq!((setup.call("leaf", 1), setup.call("other", 4)), (2, 4));
        seen.insert([0, 2].map(|func| setup.tier(func)));
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    let mut failed = Setup::new(failing, |config| config.zeal(zeal(None)));
    assert_eq!((failed.call("leaf", 1), failed.call("sum", 4)), (2, 10));
    assert_eq!(failed.tier(0), "baseline");
}

/// Bytes of the optimised code of `leaf`.
fn leaf_bytes() -> u64 {
    let mut setup = Setup::new(stand_in, |config| config);
    let events = setup.call_until("leaf", 1, &["compiled"]);
    let bytes = events.iter().find_map(|event| match event.kind {
        EventKind::Compiled { code_bytes, .. } => Some(code_bytes),
        _ => None,
    });
    bytes.unwrap() as u64
}

#[test]
fn optimised_code_has_a_limit() {
    let limit = EventKind::Rejected { reason: TierRejection::CodeLimit };
    let bytes = leaf_bytes();
    let mut setup = Setup::new(stand_in, |config| config.max_optimized_code(bytes - 1));
    let events = setup.call_until("leaf", 1, &["compiled", "rejected"]);
    assert!(events.iter().any(|event| {
        let failed = |text: &String| text.ends_with("above the limit of code");
        event.func == Some(0)
            && matches!(&event.kind, EventKind::Rejected { reason: TierRejection::Failed(text) } if failed(text))
    }));
    assert_eq!(setup.tier(0), "baseline");
    let mut setup = Setup::new(stand_in, |config| config.max_optimized_code(bytes));
    setup.call_until("leaf", 1, &["published"]);
    let events = setup.call_until("other", 1, &["rejected"]);
    assert!(events.iter().any(|event| event.func == Some(2) && event.kind == limit));
    assert_eq!((setup.tier(0), setup.tier(2)), ("optimized", "baseline"));
}

#[test]
fn code_that_goes_with_its_module_makes_room() {
    let bytes = leaf_bytes();
    let mut setup = Setup::new(stand_in, |config| config.max_optimized_code(bytes));
    setup.call_until("leaf", 1, &["published"]);
    let mut later = Setup::with_engine(&setup.engine);
    later.call_until("leaf", 1, &["rejected"]);
    assert_eq!(later.tier(0), "baseline");
    drop(setup);
    later.call_until("leaf", 1, &["published"]);
    assert_eq!(later.tier(0), "optimized");
}

#[test]
fn a_request_that_finds_no_place_is_made_again() {
    let mut setup = Setup::new(stand_in, |config| config.optimize_queue(0));
    let events = setup.call_until("leaf", 1, &["rejected"]);
    let full = EventKind::Rejected { reason: TierRejection::QueueFull };
    assert!(events.iter().any(|event| event.kind == full));
    setup.call_until("leaf", 1, &["requested", "rejected"]);
    assert_eq!(setup.tier(0), "baseline");
}

#[test]
fn what_finds_no_place_at_its_first_call_does_not_ask_at_each() {
    let mut setup =
        Setup::new(stand_in, |config| config.policy(Policy::OptimizeEagerly).optimize_queue(0));
    setup.call_until("leaf", 1, &["rejected"]);
    for _ in 0..1000 {
        setup.call("leaf", 1);
        std::thread::sleep(Duration::from_micros(50));
    }
    let asked = names(&setup.engine.events()).iter().filter(|&&name| name == "requested").count();
    assert!(asked <= 1, "{asked}");
}

#[test]
fn latency_compiles_quickly_first_and_fully_behind() {
    let mut setup = Setup::new(stand_in, |config| config.policy(Policy::Latency));
    let mut full = Vec::new();
    let start = Instant::now();
    while full.len() < 2 && start.elapsed() < Duration::from_secs(60) {
        for _ in 0..1000 {
            setup.call("leaf", 1);
        }
        full.extend(setup.engine.events().iter().filter_map(|event| match event.kind {
            EventKind::Compiled { full, .. } => Some(full),
            _ => None,
        }));
    }
    assert_eq!(full, [false, true]);
}

/// Threads heat the same functions in many instances while modules come and go under them.
#[test]
fn many_threads_heat_and_drop_modules() {
    static COMPILED: AtomicUsize = AtomicUsize::new(0);
    fn counting(
        input: &FunctionInput<'_>,
        request: Request,
    ) -> Result<CompiledFunction, CompileError> {
        COMPILED.fetch_add(1, Ordering::Relaxed);
        if input.func.0 == 2 { panicking(input, request) } else { stand_in(input, request) }
    }
    let mut config = Config::new();
    config.policy(Policy::OptimizeEagerly).optimize_threads(2).optimize_queue(5).profiling(true);
    let engine = Engine::with_optimizer(&config, counting).unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    let shared = Module::new(&engine, PROGRAM).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (engine, shared) = (&engine, &shared);
            scope.spawn(move || {
                for round in 0..60 {
                    let own = Module::new(engine, PROGRAM).unwrap();
                    let module = if round % 2 == 0 { shared } else { &own };
                    let mut store = Store::new(engine, ());
                    let instance = Linker::new(engine).instantiate(&mut store, module).unwrap();
                    for (name, argument, expected) in
                        [("leaf", 1, 2), ("sum", 10, 55), ("other", 7, 7), ("sum", 1000, 500_500)]
                    {
                        let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
                        for _ in 0..50 {
                            let result = func.call(&mut store, argument).unwrap();
                            assert_eq!(result, expected, "{thread}");
                        }
                    }
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    assert!(COMPILED.load(Ordering::Relaxed) > 0);
    assert!(engine.events().iter().any(|event| event.kind.name() == "published"));
    let weak = engine.weak();
    drop((shared, engine));
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_module_is_gone_at_once_while_its_functions_compile() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    fn slow(input: &FunctionInput<'_>, request: Request) -> Result<CompiledFunction, CompileError> {
        STARTED.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(100));
        stand_in(input, request)
    }
    let mut setup = Setup::new(slow, |config| config.policy(Policy::OptimizeEagerly));
    setup.call("leaf", 1);
    while STARTED.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let code = setup.module.code().to_weak();
    let Setup { engine, module, store, .. } = setup;
    drop((module, store));
    assert_eq!(code.strong_count(), 0);
    let start = Instant::now();
    let dropped = EventKind::Rejected { reason: TierRejection::ModuleDropped };
    while !engine.events().iter().any(|event| event.kind == dropped) {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
}
