//! Generated modules full of loops do the same in every mode: see [`upshift_tests::loops`].

use upshift_tests::fuzz::{Engines, Outcome, Stage};
use upshift_tests::{loops, modes};

/// Modules to try; the fuzzer's `--loops` tries as many as one likes.
const MODULES: u64 = 100;

#[test]
fn modules_of_loops_do_the_same_in_every_mode() {
    let engines = Engines::new();
    for seed in 0..MODULES {
        match engines.run(&loops::module(seed), seed) {
            Ok(Outcome { stage: Stage::Ran, .. }) => {}
            Ok(outcome) => panic!("seed {seed}: {outcome:?}\n{}", loops::text(seed)),
            Err(difference) => panic!("seed {seed}: {difference}\n{}", loops::text(seed)),
        }
    }
}

#[test]
fn interruptions_at_each_turn_of_optimized_loops_change_nothing() {
    let engines = Engines::of([modes::optimizer(), modes::step()]);
    for seed in 1000..1020 {
        let outcome = engines.run(&loops::module(seed), seed);
        let ran = matches!(outcome, Ok(Outcome { stage: Stage::Ran, .. }));
        assert!(ran, "seed {seed}: {outcome:?}\n{}", loops::text(seed));
    }
}

#[test]
fn a_seed_gives_one_module() {
    assert_eq!(loops::text(7), loops::text(7));
    assert_ne!(loops::text(7), loops::text(8));
}
