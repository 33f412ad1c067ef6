//! How long a turn of a loop took, and a call of a function, in the baseline and in optimised code.
//!
//! The module counts turns and calls ([`upshift::Config::turn_counts`]); samples tell the time. A sample
//! belongs to the innermost loop that its operator is in:
//!
//! ```text
//! func                 ── calls, and the time outside of its loops
//!   loop 0x30          ── turns, and the time in it outside of inner loops
//!     loop 0x40 … end
//! ```
//!
//! What a turn takes is what readers expect, the time in inner loops included. What was saved is
//! reckoned by the time outside of them, so that no time counts twice.

use crate::profile::{Category, Function, Profile};
use crate::source::SourceLine;
use crate::symbols::{function_name, operators};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use upshift::{Module, TurnCount};
use wasmparser::Operator;

/// Samples that a time is told from at least: with fewer, chance has too much of a say.
pub const MIN_SAMPLES: usize = 8;

/// See [`TurnTimes::uneven`].
const UNEVEN: f64 = 1.5;
/// See [`TurnTimes::uneven`].
const OTHER_PHASE: f64 = 3.0;
/// Much of the time.
const MUCH: f64 = 0.1;
/// What the loops of a function account for by their own turns is preferred to what one of them does with
/// all in it, unless that is so much more.
const WHOLE_PREFERENCE: f64 = 1.25;

/// Turns of a loop, or calls of a function, and their time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnTimes {
    /// Index of the function.
    pub index: u32,
    /// Its name: not yet safe to print.
    pub name: String,
    /// Offset of the `loop` operator in the module; none for calls of the function.
    pub loop_offset: Option<u32>,
    /// The line of source of one of its samples, the first in the loop.
    pub line: Option<(String, u32)>,
    /// In code of the baseline.
    pub baseline: TierTurns,
    /// In optimised code.
    pub optimized: TierTurns,
    /// Whether calls went over from one tier to the other, in a loop: then their time tells nothing of
    /// either.
    pub mixed: bool,
    /// Whether the tiers did different work: a loop inside, where much of the time is, turned 1.5
    /// times as often in each turn, or the loop itself three times as often each time. Then their
    /// times cannot be compared.
    #[serde(default)]
    pub uneven: bool,
}

/// Turns in one tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TierTurns {
    /// How many.
    pub turns: u64,
    /// Time in the function's own code, inner loops included, in milliseconds.
    pub total_ms: f64,
    /// Samples of that.
    pub total_samples: usize,
    /// Time outside of inner loops, in milliseconds.
    pub self_ms: f64,
    /// Samples of that.
    pub samples: usize,
}

impl TierTurns {
    /// Nanoseconds of a turn, when there are samples enough to tell.
    fn ns(&self) -> Option<f64> {
        let told = self.total_samples >= MIN_SAMPLES && self.turns > 0;
        told.then(|| self.total_ms * 1e6 / self.turns as f64)
    }
}

impl TurnTimes {
    /// Nanoseconds of a turn in the baseline, when that is known.
    #[must_use]
    pub fn baseline_ns(&self) -> Option<f64> {
        self.baseline.ns().filter(|_| !self.mixed)
    }

    /// Nanoseconds of a turn in optimised code, when that is known.
    #[must_use]
    pub fn optimized_ns(&self) -> Option<f64> {
        self.optimized.ns().filter(|_| !self.mixed)
    }

    /// How many times as long a turn takes in the baseline, when both are known.
    #[must_use]
    pub fn factor(&self) -> Option<Factor> {
        self.compared().map(Compared::factor)
    }

    /// Time of all its turns, in milliseconds.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        self.baseline.total_ms + self.optimized.total_ms
    }

    /// The same outside of inner loops.
    fn compared_outside(&self) -> Option<Compared> {
        let told = |side: &TierTurns| side.samples >= MIN_SAMPLES && side.turns > 0;
        let (slow, fast) = (&self.baseline, &self.optimized);
        (!self.mixed && told(slow) && told(fast)).then(|| {
            let baseline_ms = slow.self_ms / slow.turns as f64 * fast.turns as f64;
            Compared::new((fast.self_ms, fast.samples), (baseline_ms, slow.samples))
        })
    }

    /// What its turns in optimised code took, and what they would have taken in the baseline.
    fn compared(&self) -> Option<Compared> {
        let (slow, fast) = (self.baseline_ns()?, self.optimized_ns()?);
        if self.uneven {
            return None;
        }
        let ms = self.optimized.turns as f64 / 1e6;
        let samples = [&self.optimized, &self.baseline].map(|side| side.total_samples);
        Some(Compared::new((fast * ms, samples[0]), (slow * ms, samples[1])))
    }
}

/// How many times as long the baseline takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// So many times.
    pub times: f64,
    /// The standard error of that as a part of it: what chance makes of the number of samples.
    pub error: f64,
}

/// What optimised code took, and what the baseline would have taken, in milliseconds; with the squares of
/// their standard errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Compared {
    took_ms: f64,
    took_error: f64,
    baseline_ms: f64,
    baseline_error: f64,
}

impl Compared {
    /// From times, and the samples that they were told from.
    fn new((took_ms, fast): (f64, usize), (baseline_ms, slow): (f64, usize)) -> Self {
        let error = |ms: f64, samples: usize| ms * ms / samples.max(1) as f64;
        Self {
            took_ms,
            took_error: error(took_ms, fast),
            baseline_ms,
            baseline_error: error(baseline_ms, slow),
        }
    }

    /// Of a function's turns: what accounts for most of its time in optimised code, all its loops each by
    /// its own turns, or else one of them with all in it, or calls. None when there is nothing that tells.
    pub(crate) fn of_function<'a>(turns: impl Iterator<Item = &'a TurnTimes>) -> Option<Self> {
        let turns: Vec<&TurnTimes> = turns.collect();
        let outside = turns.iter().filter_map(|of| of.compared_outside());
        let outside = outside.reduce(Self::plus);
        let wholes = turns.iter().filter_map(|of| of.compared());
        let wholes = wholes.filter(|of| of.took_ms > 0.0);
        let whole =
            wholes.reduce(|best, next| if next.took_ms > best.took_ms { next } else { best });
        match (outside.filter(|of| of.took_ms > 0.0), whole) {
            (Some(outside), Some(whole)) if whole.took_ms > outside.took_ms * WHOLE_PREFERENCE => {
                Some(whole)
            }
            (outside, whole) => outside.or(whole),
        }
    }

    /// Of a program: all its functions together.
    pub(crate) fn of_program(turns: &[TurnTimes]) -> Option<Self> {
        let mut functions: BTreeMap<u32, Vec<&TurnTimes>> = BTreeMap::new();
        for of in turns {
            functions.entry(of.index).or_default().push(of);
        }
        let told = functions.into_values().filter_map(|of| Self::of_function(of.into_iter()));
        told.reduce(Self::plus)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            took_ms: self.took_ms + other.took_ms,
            took_error: self.took_error + other.took_error,
            baseline_ms: self.baseline_ms + other.baseline_ms,
            baseline_error: self.baseline_error + other.baseline_error,
        }
    }

    /// How many times as long the baseline takes.
    pub(crate) fn factor(self) -> Factor {
        let part = |error: f64, ms: f64| error / (ms * ms).max(f64::MIN_POSITIVE);
        let error =
            part(self.took_error, self.took_ms) + part(self.baseline_error, self.baseline_ms);
        let times = self.baseline_ms / self.took_ms.max(f64::MIN_POSITIVE);
        Factor { times, error: error.sqrt() }
    }
}

/// By operator, and whether in optimised code.
type ByOperator<'a> = BTreeMap<(u32, bool), Sampled<'a>>;

/// Samples of an operator.
#[derive(Clone, Copy, Default)]
struct Sampled<'a> {
    time: Duration,
    count: usize,
    line: Option<&'a SourceLine>,
}

/// The turns that the module has counted, with the time of the profile's samples, those with most time
/// first.
pub(crate) fn measure(module: &Module, profile: &Profile) -> Vec<TurnTimes> {
    let counts = module.turn_counts();
    if counts.is_empty() {
        return Vec::new();
    }
    let times = by_operator(profile);
    let none = ByOperator::new();
    let mut all: Vec<TurnTimes> = Vec::with_capacity(counts.len());
    for counts in counts.chunk_by(|a, b| a.func == b.func) {
        let times = times.get(&counts[0].func).unwrap_or(&none);
        all.extend(of_function(module, profile, counts, times));
    }
    all.sort_by(|a, b| b.total_ms().total_cmp(&a.total_ms()));
    all
}

/// The time of the functions' own code.
fn by_operator(profile: &Profile) -> BTreeMap<u32, ByOperator<'_>> {
    let mut times: BTreeMap<u32, ByOperator<'_>> = BTreeMap::new();
    for sample in &profile.samples {
        let Some(leaf) = sample.frames.first() else { continue };
        let function = profile.function(leaf.function);
        let optimized = match function.category {
            Category::Baseline => false,
            Category::Optimized | Category::Osr => true,
            Category::Stub | Category::Host | Category::Compiler => continue,
        };
        let Some(index) = function.index else { continue };
        // What has no offset is the entry of the function.
        let at = (leaf.module_offset.unwrap_or(0), optimized);
        let sampled = times.entry(index).or_default().entry(at).or_default();
        sampled.time += sample.cpu;
        sampled.count += 1;
        sampled.line = sampled.line.or_else(|| profile.line(leaf));
    }
    times
}

fn of_function(
    module: &Module,
    profile: &Profile,
    counts: &[TurnCount],
    times: &ByOperator<'_>,
) -> Vec<TurnTimes> {
    let func = counts[0].func;
    let osr =
        |function: &Function| function.index == Some(func) && function.category == Category::Osr;
    let went_over = profile.functions.0.iter().any(osr);
    let loops = loops(module, func).unwrap_or_default();
    let name = function_name(module, func);
    let mut found: BTreeMap<Option<u32>, TurnTimes> = BTreeMap::new();
    for count in counts {
        let side = |turns| TierTurns { turns, ..TierTurns::default() };
        found.insert(
            count.loop_offset,
            TurnTimes {
                index: func,
                name: name.clone(),
                loop_offset: count.loop_offset,
                line: None,
                baseline: side(count.baseline),
                optimized: side(count.optimized),
                mixed: count.loop_offset.is_none() && went_over,
                uneven: false,
            },
        );
    }
    for (&(offset, optimized), sampled) in times {
        let around = loops.iter().filter(|(start, end)| (*start..=*end).contains(&offset));
        let around: Vec<u32> = around.map(|&(start, _)| start).collect();
        let innermost = around.last().copied();
        for place in std::iter::once(None).chain(around.into_iter().map(Some)) {
            let Some(turns) = found.get_mut(&place) else { continue };
            if place.is_some() && place == innermost && turns.line.is_none() {
                turns.line = sampled.line.map(|line| (line.file.clone(), line.line));
            }
            let side = if optimized { &mut turns.optimized } else { &mut turns.baseline };
            let ms = sampled.time.as_secs_f64() * 1e3;
            side.total_ms += ms;
            side.total_samples += sampled.count;
            if place == innermost {
                side.self_ms += ms;
                side.samples += sampled.count;
            }
        }
    }
    for place in uneven(&found, &loops) {
        found.entry(place).and_modify(|of| of.uneven = true);
    }
    found.into_values().collect()
}

/// Which of a function's loops, and whether its calls, did different work in the tiers.
fn uneven(found: &BTreeMap<Option<u32>, TurnTimes>, loops: &[(u32, u32)]) -> Vec<Option<u32>> {
    let mut uneven = Vec::new();
    // The calls, and the loops around the one at hand: where they begin and end.
    let mut around = vec![(None, u32::MAX)];
    for &(start, end) in loops {
        while around.last().is_some_and(|&(_, end)| end < start) {
            around.pop();
        }
        if let Some(inner) = found.get(&Some(start)) {
            // One without time does not matter further out.
            let reach = if inner.total_ms() > 0.0 { usize::MAX } else { 1 };
            for (distance, &(place, _)) in around.iter().rev().take(reach).enumerate() {
                let Some(outer) = found.get(&place) else { continue };
                if distance == 0 && unevenness(outer, inner) > OTHER_PHASE {
                    uneven.push(Some(start));
                }
                if turns_unevenly(outer, inner) {
                    uneven.push(place);
                }
            }
        }
        around.push((Some(start), end));
    }
    uneven
}

/// Whether a loop with much of the time of what is around it turned much more often there in one tier.
fn turns_unevenly(outer: &TurnTimes, inner: &TurnTimes) -> bool {
    let sides = [(&outer.baseline, &inner.baseline), (&outer.optimized, &inner.optimized)];
    let matters = sides.iter().any(|(outer, inner)| inner.total_ms > outer.total_ms * MUCH);
    matters && unevenness(outer, inner) > UNEVEN
}

/// How many times as often a loop turned, for each turn of what is around it, in one tier as in the other; 1
/// when one of them had none.
fn unevenness(outer: &TurnTimes, inner: &TurnTimes) -> f64 {
    let sides = [(&outer.baseline, &inner.baseline), (&outer.optimized, &inner.optimized)];
    if sides.iter().any(|(outer, _)| outer.turns == 0) {
        return 1.0;
    }
    let [slow, fast] = sides.map(|(outer, inner)| inner.turns.max(1) as f64 / outer.turns as f64);
    (slow / fast).max(fast / slow)
}

/// Where the loops of a function begin and end, outer ones before inner ones.
fn loops(module: &Module, func: u32) -> anyhow::Result<Vec<(u32, u32)>> {
    let (mut loops, mut open) = (Vec::new(), Vec::new());
    for operator in operators(module, func)? {
        let (operator, offset) = operator?;
        match operator {
            Operator::Loop { .. } => {
                open.push(Some(loops.len()));
                loops.push((offset, u32::MAX));
            }
            Operator::Block { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. } => open.push(None),
            Operator::End | Operator::Delegate { .. } => {
                if let Some(Some(place)) = open.pop() {
                    let started: &mut (u32, u32) = &mut loops[place];
                    started.1 = offset;
                }
            }
            _ => {}
        }
    }
    Ok(loops)
}

/// The turns as CSV with a head line; what is not known is empty.
#[must_use]
pub fn csv(turns: &[TurnTimes]) -> String {
    let mut out = String::from(
        "function,index,loop,file,line,baseline_turns,optimized_turns,baseline_ms,optimized_ms,\
         baseline_ns_per_turn,optimized_ns_per_turn\r\n",
    );
    for of in turns {
        let name = crate::table::quoted(&crate::printable(&of.name));
        let (file, line) = of.line.as_ref().map_or_else(Default::default, |(file, line)| {
            (crate::table::quoted(&crate::printable(file)), line.to_string())
        });
        let place = of.loop_offset.map_or_else(String::new, |offset| offset.to_string());
        let ns = |ns: Option<f64>| ns.map_or_else(String::new, |ns| format!("{ns:.3}"));
        let (slow, fast) = (&of.baseline, &of.optimized);
        out.push_str(&format!(
            "{name},{},{place},{file},{line},{},{},{:.3},{:.3},{},{}\r\n",
            of.index,
            slow.turns,
            fast.turns,
            slow.total_ms,
            fast.total_ms,
            ns(of.baseline_ns()),
            ns(of.optimized_ns())
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Frame, Sample};

    /// Entered once, with 10 turns of the outer loop and 30 of the inner one.
    const PROGRAM: &str = r#"(module (func $f (export "f") (local $i i32) (local $j i32)
        (local.set $i (i32.const 10))
        (loop $outer
            (local.set $j (i32.const 3))
            (loop $inner (br_if $inner (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
            (br_if $outer (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#;

    fn program() -> Module {
        let mut config = upshift::Config::new();
        config.turn_counts(true);
        let engine = upshift::Engine::new(&config).unwrap();
        let module = Module::new(&engine, PROGRAM).unwrap();
        let mut store = upshift::Store::new(&engine, ());
        let instance = upshift::Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "f").unwrap().call(&mut store, ()).unwrap();
        module
    }

    #[test]
    fn samples_go_to_the_innermost_loop_and_to_those_around_it() {
        let module = program();
        let loops = loops(&module, 0).unwrap();
        assert!(loops[0].0 < loops[1].0 && loops[1].1 < loops[0].1);
        let mut profile = Profile::default();
        let function = profile.functions.add("f".to_owned(), Category::Baseline, Some(0));
        // A millisecond before the loops, two in the outer one, twelve in the inner one.
        for (offset, ms) in
            [(loops[0].0 - 2, 1), (loops[0].0, 1), (loops[1].1 + 1, 1), (loops[1].0, 12)]
        {
            for _ in 0..ms {
                let frames = vec![Frame { function, module_offset: Some(offset) }];
                let cpu = Duration::from_millis(1);
                profile.samples.push(Sample { cpu, frames, ..Sample::default() });
            }
        }
        let found = measure(&module, &profile);
        let sides: Vec<_> = found
            .iter()
            .map(|of| {
                (of.loop_offset, of.baseline.turns, of.baseline.total_ms, of.baseline.self_ms)
            })
            .collect();
        let (outer, inner) = (Some(loops[0].0), Some(loops[1].0));
        assert_eq!(sides, [(None, 1, 15.0, 1.0), (outer, 10, 14.0, 2.0), (inner, 30, 12.0, 12.0)]);
        assert_eq!((found[2].baseline_ns(), found[2].optimized_ns()), (Some(400_000.0), None));
        assert!(csv(&found).contains(",30,0,12.000,0.000,400000.000,\r\n"), "{}", csv(&found));
    }

    #[test]
    fn only_what_was_sampled_in_both_tiers_tells_a_factor() {
        let side = |turns, ms: u32| TierTurns {
            turns,
            total_ms: ms.into(),
            total_samples: ms as usize,
            self_ms: ms.into(),
            samples: ms as usize,
        };
        let of = |baseline, optimized| TurnTimes { baseline, optimized, ..TurnTimes::default() };
        // 1 µs a turn before, 0.25 after; and one that nobody saw in the baseline.
        let known = of(side(10_000, 10), side(80_000, 20));
        let unknown = of(side(10_000, 2), side(80_000, 20));
        let times = |factor: Option<Factor>| factor.map(|factor| factor.times);
        assert_eq!((times(known.factor()), unknown.factor()), (Some(4.0), None));
        let factor = |turns: &[&TurnTimes]| {
            Compared::of_function(turns.iter().copied()).map(Compared::factor)
        };
        assert_eq!((times(factor(&[&known, &unknown])), factor(&[&unknown])), (Some(4.0), None));
        // Ten samples before, twenty after: chance makes 39 % of that.
        let error = known.factor().unwrap().error;
        assert!((error - 0.15_f64.sqrt()).abs() < 1e-9, "{error}");
        // Calls that went over to optimised code in a loop tell nothing.
        let mixed = TurnTimes { mixed: true, ..known.clone() };
        assert_eq!((mixed.factor(), factor(&[&mixed])), (None, None));
        // A loop of which only all in it together was sampled often enough.
        let few = |mut of: TierTurns| {
            (of.self_ms, of.samples) = (1.0, 1);
            of
        };
        let outer = of(few(known.baseline), few(known.optimized));
        assert_eq!(times(factor(&[&outer])), Some(4.0));
        // Loops by their own turns count, not what has most of the time with all in it.
        let whole = of(few(side(100, 11)), few(side(100, 22)));
        assert_eq!(times(factor(&[&whole, &known])), Some(4.0));
    }

    #[test]
    fn turns_that_did_not_do_the_same_are_not_compared() {
        let side = |turns, total_ms| TierTurns {
            turns,
            total_ms,
            total_samples: 100,
            ..TierTurns::default()
        };
        let of = |baseline, optimized| TurnTimes { baseline, optimized, ..TurnTimes::default() };
        let outer = of(side(10, 100.0), side(1000, 1000.0));
        // 30 turns in one, then 31; or 300, of which only the time of the second would matter.
        let even = of(side(300, 90.0), side(31_000, 900.0));
        let uneven = of(side(300, 9.0), side(300_000, 900.0));
        let short = of(side(300, 9.0), side(300_000, 90.0));
        let found = [&even, &uneven, &short].map(|inner| turns_unevenly(&outer, inner));
        assert_eq!(found, [false, true, false]);
        let marked = TurnTimes { uneven: true, ..outer.clone() };
        assert!(outer.factor().is_some() && marked.factor().is_none());
        // Calls with an outer loop, in which one loop is even and one is not, and a loop behind it.
        let loops = [(10, 50), (20, 25), (30, 40), (60, 70)];
        let of_loops = [outer.clone(), even, uneven, outer.clone()];
        let places = loops.iter().map(|&(start, _)| Some(start));
        let mut found: BTreeMap<_, _> = places.zip(of_loops).collect();
        found.insert(None, outer);
        assert_eq!(super::uneven(&found, &loops), [Some(30), Some(10), None]);
    }
}
