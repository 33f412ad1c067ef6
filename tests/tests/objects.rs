//! Generated programs over objects give what a model says, in every mode: see
//! [`upshift_tests::objects`].

use upshift_tests::objects::{Outcome, Program, engines};

/// Programs to try; the fuzzer's `--gc` tries as many as one likes.
const PROGRAMS: u64 = 100;

#[test]
fn programs_over_objects_do_as_the_model_says() {
    let engines = engines();
    for seed in 0..PROGRAMS {
        let program = Program::new(seed);
        let bytes = program.bytes();
        if let Err(difference) = engines.check_all(|engine| program.check(engine, &bytes)) {
            panic!("seed {seed}, {difference}");
        }
    }
}

#[test]
fn most_calls_come_to_an_end() {
    let all: Vec<Outcome> =
        (0..100).flat_map(|seed| Program::new(seed).expected().to_vec()).collect();
    let ended = all.iter().filter(|outcome| matches!(outcome, Outcome::Value(_))).count();
    assert!(ended * 2 > all.len(), "{ended} of {}", all.len());
    assert!(ended < all.len(), "some trap or throw");
}

#[test]
fn a_seed_gives_one_program() {
    assert_eq!(Program::new(7).bytes(), Program::new(7).bytes());
    assert_ne!(Program::new(7).bytes(), Program::new(8).bytes());
}
