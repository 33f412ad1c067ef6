//! Exact counts are those that another way of counting gives.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use upshift::{
    Caller, Config, Engine, ExnRef, FuncType, Linker, Module, Store, Tag, Tier, Trap, Val, ValType,
};
use upshift_profiler::ExactReport;
use upshift_tests::loops;
use upshift_tests::mutate::Random;
use wasmparser::{BinaryReader, FunctionBody};

/// Fuel that a module of the generator may use.
const FUEL: u64 = 1 << 18;

/// Runs all exports that can be called with zeros; the fuel they took, when neither it nor the stack
/// ran out.
fn run(engine: &Engine, module: &Module) -> Option<u64> {
    let mut store = Store::new(engine, ());
    store.set_fuel(FUEL).expect("the module is valid, the store has room");
    let mut linker = Linker::new(engine);
    let tag = Tag::new(&mut store, &FuncType::new([ValType::I32], []));
    linker
        .define(&store, "host", "tag", tag.clone())
        .expect("the module is valid, the store has room");
    let throw = move |mut caller: Caller<'_, ()>, n: i32| {
        if n % 2 == 0 {
            return Ok(n / 2);
        }
        let exn = ExnRef::new(&mut caller, &tag, &[Val::I32(n)])?;
        caller.throw(exn)
    };
    linker.func_wrap("host", "throw", throw).expect("the module is valid, the store has room");
    let instance = linker.instantiate(&mut store, module).ok()?;
    let names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    for name in names {
        let Some(func) = instance.get_func(&mut store, &name) else { continue };
        let ty = func.ty(&store);
        let params: Vec<Val> = ty.params.iter().filter_map(|&ty| Val::default_for_ty(ty)).collect();
        if params.len() != ty.params.len() {
            continue;
        }
        let mut results = vec![Val::I32(0); ty.results.len()];
        if let Err(error) = func.call(&mut store, &params, &mut results) {
            // How deep the stack may be depends on the tier, not on the program.
            let trap = error.chain().find_map(|cause| cause.downcast_ref::<Trap>());
            if trap == Some(&Trap::StackOverflow) {
                return None;
            }
        }
    }
    let left = store.get_fuel().expect("the module is valid, the store has room");
    (left > 0).then_some(FUEL - left)
}

fn config(exact: bool) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).exact_counts(exact);
    config.tier(Tier::Optimizer);
    config
}

/// The executed operators that cost fuel, and whether one of them may have cost more than the others
/// do, because it works on many elements.
fn counted(module: &Module) -> (u64, bool) {
    let mut blocks = HashMap::<u32, Vec<_>>::new();
    for block in module.block_counts() {
        blocks.entry(block.func).or_default().push(block);
    }
    let (mut sum, mut bulk) = (0, false);
    for (func, blocks) in blocks {
        let range =
            module.function_body_range(func).expect("the module is valid, the store has room");
        let bytes = module.bytes();
        let reader = BinaryReader::new(&bytes[range.clone()], range.start as u64);
        let operators = FunctionBody::new(reader)
            .get_operators_reader()
            .expect("the module is valid, the store has room");
        for operator in operators.into_iter_with_offsets() {
            let (operator, offset) = operator.expect("the module is valid, the store has room");
            let offset = u32::try_from(offset).expect("the module is valid, the store has room");
            let mut around = blocks.iter().filter(|b| b.after < offset && offset <= b.end);
            if let Some(block) = around.next() {
                assert!(around.next().is_none(), "an operator is in one block");
                let free = upshift_abi::ops::is_free(bytes[offset as usize]);
                sum += if free { 0 } else { block.count };
                let name = format!("{operator:?}");
                let many = ["Fill", "Copy", "Init", "ArrayNew", "TableGrow"];
                let many = many.iter().any(|part| name.contains(part));
                bulk |= many && block.count > 0;
            }
        }
    }
    (sum, bulk)
}

/// Modules of the generator that are tried.
const SEEDS: u64 = 800;
/// How many of them can be compared at least: they end, and do no work in bulk.
const COMPARED: usize = 5;

#[test]
fn counts_agree_with_the_fuel_of_optimised_code() {
    let next = AtomicU64::new(0);
    let work = || {
        let (exact, plain) =
            (Engine::new(&config(true)).unwrap(), Engine::new(&config(false)).unwrap());
        let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let seeds = seeds.take_while(|&seed| seed < SEEDS);
        seeds.filter(|&seed| agrees(seed, &exact, &plain)).count()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let compared: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(compared >= COMPARED, "only {compared} modules could be compared");
}

/// Whether the module of `seed` could be compared. Counting takes little time beside optimising, so
/// it says first whether that is worth while.
fn agrees(seed: u64, exact: &Engine, plain: &Engine) -> bool {
    let bytes = loops::module(seed);
    let module = Module::new(exact, &bytes).expect("the generator writes valid modules");
    let Some(fuel) = run(exact, &module) else { return false };
    let (counted, bulk) = counted(&module);
    if bulk {
        assert!(counted <= fuel, "seed {seed}");
        return false;
    }
    let Some(other) = run(plain, &Module::new(plain, &bytes).expect("valid")) else { return false };
    assert_eq!(fuel, other, "seed {seed}");
    assert_eq!(counted, other, "seed {seed}");
    true
}

#[test]
fn nothing_is_counted_unless_asked_for() {
    let engine = Engine::default();
    let module = Module::new(&engine, "(module (func (export \"f\")))").unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    instance.get_func(&mut store, "f").unwrap().call(&mut store, &[], &mut []).unwrap();
    assert!(module.block_counts().is_empty());
}

/// Writes programs whose counts it knows: as it writes an operator it adds how often it will run.
struct Known {
    random: Random,
    text: String,
    locals: usize,
    /// Executed operators by function and name.
    operators: BTreeMap<(u32, &'static str), u64>,
    /// Turns of all loops by function.
    turns: BTreeMap<u32, u64>,
    /// Entries of the functions.
    entries: Vec<u64>,
    func: u32,
}

impl Known {
    /// Functions call those that follow; the first is called once.
    fn new(seed: u64) -> Self {
        const FUNCTIONS: u32 = 4;
        let mut known = Self {
            random: Random::new(seed),
            text: String::from("(module"),
            locals: 0,
            operators: BTreeMap::new(),
            turns: BTreeMap::new(),
            entries: vec![0; FUNCTIONS as usize],
            func: 0,
        };
        known.entries[0] = 1;
        for func in 0..FUNCTIONS {
            (known.func, known.locals) = (func, 0);
            let (before, times) = (std::mem::take(&mut known.text), known.entries[func as usize]);
            known.statements(times, 3);
            let export = if func == 0 { "(export \"f\")" } else { "" };
            let locals = "i32 ".repeat(known.locals);
            known.text = format!("{before}(func {export} (local {locals}) {})", known.text);
        }
        known.text.push(')');
        known
    }

    fn run(&mut self, times: u64, operators: &[&'static str]) {
        for name in operators.iter().filter(|_| times > 0) {
            *self.operators.entry((self.func, name)).or_default() += times;
        }
    }

    fn statements(&mut self, times: u64, depth: u32) {
        for _ in 0..1 + self.random.below(4) {
            self.statement(times, depth);
        }
    }

    fn statement(&mut self, times: u64, depth: u32) {
        match self.random.below(if depth == 0 { 2 } else { 6 }) {
            0 => {
                self.text.push_str("(nop)");
                self.run(times, &["nop"]);
            }
            1 => self.call(times),
            2 | 3 => self.turn(times, depth),
            4 => {
                let taken = self.random.below(2) as u64;
                write!(self.text, "(if (i32.const {taken}) (then ").expect("strings take anything");
                self.run(times, &["i32_const", "if"]);
                self.statements(times * taken, depth - 1);
                self.text.push_str(") (else ");
                self.statements(times * (1 - taken), depth - 1);
                self.text.push_str("))");
            }
            _ => {
                // It only marks a place.
                self.text.push_str("(block ");
                self.statements(times, depth - 1);
                let left = self.random.below(2) as u64;
                write!(self.text, "(br_if 0 (i32.const {left}))").expect("strings take anything");
                self.run(times, &["i32_const", "br_if"]);
                self.statements(times * (1 - left), depth - 1);
                self.text.push_str("(br 0) (nop))");
                self.run(times * (1 - left), &["br"]);
            }
        }
    }

    fn call(&mut self, times: u64) {
        let callee = self.func as usize + 1;
        if callee < self.entries.len() {
            write!(self.text, "(call {callee})").expect("strings take anything");
            self.run(times, &["call"]);
            self.entries[callee] += times;
        }
    }

    fn turn(&mut self, times: u64, depth: u32) {
        let (local, turns) = (self.locals, 1 + self.random.below(4) as u64);
        self.locals += 1;
        write!(self.text, "(local.set {local} (i32.const {turns})) (loop ")
            .expect("strings take anything");
        self.run(times, &["i32_const", "local_set", "loop"]);
        *self.turns.entry(self.func).or_default() += times * turns;
        self.statements(times * turns, depth - 1);
        write!(
            self.text,
            "(br_if 0 (local.tee {local} (i32.sub (local.get {local}) (i32.const 1)))))"
        )
        .expect("strings take anything");
        let again = ["local_get", "i32_const", "i32_sub", "local_tee", "br_if"];
        self.run(times * turns, &again);
    }
}

#[test]
fn counts_are_those_that_programs_were_built_to_have() {
    let engine = Engine::new(Config::new().exact_counts(true)).unwrap();
    for seed in 0..200 {
        let known = Known::new(seed);
        let module = Module::new(&engine, &known.text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        instance.get_func(&mut store, "f").unwrap().call(&mut store, &[], &mut []).unwrap();
        let report = ExactReport::new(&module).unwrap();
        let (mut operators, mut entries) = (BTreeMap::new(), vec![0; known.entries.len()]);
        let mut turns = BTreeMap::new();
        for function in &report.functions {
            entries[function.index as usize] = function.entries;
            let all: u64 = function.loops.iter().map(|found| found.turns).sum();
            if !function.loops.is_empty() {
                turns.insert(function.index, all);
            }
            let counts = function.operators.iter();
            operators.extend(counts.map(|(&name, &count)| ((function.index, name), count)));
        }
        assert_eq!(entries, known.entries, "seed {seed}: {}", known.text);
        assert_eq!(operators, known.operators, "seed {seed}: {}", known.text);
        let known_turns: BTreeMap<u32, u64> = known
            .turns
            .iter()
            .filter(|(f, _)| entries[**f as usize] > 0)
            .map(|(&f, &n)| (f, n))
            .collect();
        assert_eq!(turns, known_turns, "seed {seed}: {}", known.text);
        for calls in &report.calls {
            assert_eq!(calls.callee, Some(calls.caller + 1));
            assert_eq!(calls.count, entries[calls.caller as usize + 1], "seed {seed}");
        }
    }
}

/// Counts by function and loop, those that are not zero.
type Counts = BTreeMap<(u32, Option<u32>), u64>;

fn turns_of_blocks(module: &Module) -> Counts {
    let mut counts = Counts::new();
    for block in module.block_counts().into_iter().filter(|block| block.count > 0) {
        let body = module.function_body_range(block.func).expect("it has blocks");
        let after = usize::try_from(block.after).expect("modules are below 4 GiB");
        if after == body.start {
            counts.insert((block.func, None), block.count);
        } else if module.bytes()[after] == 0x03 {
            counts.insert((block.func, Some(block.after)), block.count);
        }
    }
    counts
}

#[test]
fn turns_of_both_tiers_together_are_the_exact_counts() {
    let exact = Engine::new(&config(true)).unwrap();
    let mut tiered = config(false);
    tiered.tier(Tier::Auto).deterministic_tiering(3).turn_counts(true);
    let tiered = Engine::new(&tiered).unwrap();
    let (mut compared, mut both) = (0, 0);
    for seed in 0..100 {
        let bytes = loops::module(seed);
        let module = Module::new(&exact, &bytes).expect("the generator writes valid modules");
        let turning = Module::new(&tiered, &bytes).expect("the generator writes valid modules");
        if run(&exact, &module).is_none() || run(&tiered, &turning).is_none() {
            continue;
        }
        let turns = turning.turn_counts();
        let sums: Counts = turns
            .iter()
            .map(|turn| ((turn.func, turn.loop_offset), turn.baseline + turn.optimized))
            .collect();
        assert_eq!(sums, turns_of_blocks(&module), "seed {seed}");
        compared += 1;
        both += turns.iter().filter(|turn| turn.baseline > 0 && turn.optimized > 0).count();
    }
    assert!(compared >= 5 && both > 0, "{compared} compared, {both} in both tiers");
    assert!(Module::new(&exact, loops::module(0)).unwrap().turn_counts().is_empty());
}
