//! The profiler samples whatever happens; `src/bin/profiler.rs` does the same for longer.

use std::sync::atomic::Ordering;
use std::time::Duration;
use upshift_tests::profiled::stress;

#[test]
fn sampling_disturbs_nothing_while_modules_come_and_go() {
    let totals = stress::run(2, Duration::from_secs(2)).unwrap();
    let [timer, best] = &totals.samples;
    for count in [&totals.modules, &totals.machine_code, timer, best] {
        assert!(count.load(Ordering::Relaxed) > 0, "{totals:?}");
    }
}
