//! Generated programs that throw and catch give what a model says, in every mode: see
//! [`upshift_tests::throws`].

use upshift_tests::modes;
use upshift_tests::throws::{Outcome, Program, engines};

/// Programs to try; the fuzzer's `--throws` tries as many as one likes.
const PROGRAMS: u64 = 100;

#[test]
fn programs_that_throw_do_as_the_model_says() {
    let engines = engines(modes::all().to_vec());
    for seed in 0..PROGRAMS {
        let program = Program::new(seed);
        let bytes = program.bytes();
        if let Err(difference) = engines.check_all(|engine| program.check(engine, &bytes)) {
            panic!("seed {seed}, {difference}");
        }
    }
}

#[test]
fn calls_end_in_every_way() {
    let all: Vec<Outcome> =
        (0..600).flat_map(|seed| Program::new(seed).expected().to_vec()).collect();
    let count = |is: fn(&Outcome) -> bool| all.iter().filter(|outcome| is(outcome)).count();
    let values = count(|outcome| matches!(outcome, Outcome::Value(_)));
    let thrown = count(|outcome| matches!(outcome, Outcome::Exception(_)));
    assert!(values * 3 > all.len(), "{values} of {}", all.len());
    assert!(thrown * 20 > all.len(), "{thrown} of {}", all.len());
    assert!(count(|outcome| matches!(outcome, Outcome::Trap(_))) > 0);
    assert!(count(|outcome| *outcome == Outcome::Error) > 0);
    assert!(count(|outcome| *outcome == Outcome::Panic) > 0);
}

#[test]
fn a_seed_gives_one_program() {
    assert_eq!(Program::new(7).bytes(), Program::new(7).bytes());
    assert_ne!(Program::new(7).bytes(), Program::new(8).bytes());
}
