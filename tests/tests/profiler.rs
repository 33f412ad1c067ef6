//! The profiler tells the truth, and samples whatever happens; `src/bin/profiler.rs` does the same for
//! longer.

use std::sync::atomic::Ordering;
use std::time::Duration;
use upshift::{Config, Engine, Tier};
use upshift_profiler::sampler::Source;
use upshift_tests::loops;
use upshift_tests::profiled::accuracy::{self, Accuracy};
use upshift_tests::profiled::{counted, stress};

/// Modules run for so short a time that a loaded machine may see none of their code in the first rounds.
#[test]
fn sampling_disturbs_nothing_while_modules_come_and_go() {
    const ROUNDS: usize = 30;
    let mut seen = [0; 4];
    for _ in 0..ROUNDS {
        let totals = stress::run(2, Duration::from_secs(2)).unwrap();
        let [timer, best] = &totals.samples;
        let counts = [&totals.modules, &totals.machine_code, timer, best];
        for (seen, count) in seen.iter_mut().zip(counts) {
            *seen += count.load(Ordering::Relaxed);
        }
        if seen.iter().all(|&count| count > 0) {
            return;
        }
    }
    panic!("nothing of modules, machine code, samples by timer or the best source: {seen:?}");
}

/// Some thousand samples tell a share to a few points; `bin/profiler accuracy 10` to less than two. What
/// else runs on the machine may disturb a try; an account that is wrong is wrong in all of them.
#[test]
fn shares_are_those_of_the_clock() {
    const TRIES: usize = 4;
    for source in [Source::Timer, Source::Auto] {
        let mut seen = Vec::new();
        let agrees = (0..TRIES).any(|_| {
            let found = accuracy::measure(source, Duration::from_secs(2)).unwrap();
            let agrees = agrees_with_the_clock(&found);
            seen.push(found);
            agrees
        });
        assert!(agrees, "{seen:?}");
    }
}

fn agrees_with_the_clock(found: &Accuracy) -> bool {
    const POINTS: f64 = 8.0;
    let [cpu, sampled] = found.cpu.map(|time| time.as_secs_f64());
    // Only what follows the last sample is missing.
    found.worst() < POINTS && sampled <= cpu * 1.000_001 && sampled > cpu * 0.9
}

#[test]
fn exact_counts_are_those_of_a_program_that_counts_itself() {
    let mut config = Config::new();
    config.exact_counts(true);
    let exact = Engine::new(&config).unwrap();
    let mut config = Config::new();
    config.tier(Tier::Optimizer);
    let other = Engine::new(&config).unwrap();
    let mut whole = 0;
    for seed in 0..60 {
        let bytes = loops::module(seed);
        let found = counted::by_the_engine(&exact, &bytes).unwrap();
        let expected = counted::by_the_program(&other, &bytes).unwrap();
        let entries = |counted: &counted::Counted| -> Vec<(u32, u64)> {
            counted.functions.iter().map(|(&index, counts)| (index, counts.entries)).collect()
        };
        assert_eq!(entries(&found), entries(&expected), "seed {seed}");
        // What leaves a block early takes the rest of it along in the engine's counts.
        if !found.cut_short && !expected.cut_short {
            assert_eq!(found.functions, expected.functions, "seed {seed}");
            whole += 1;
        }
    }
    assert!(whole > 5, "{whole}");
}
