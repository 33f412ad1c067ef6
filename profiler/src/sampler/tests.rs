//! Tests of the sampler, with all the sources that the system permits.

use super::clock::thread_cpu;
use super::event::Leader;
use super::*;
use upshift::{Engine, Store};

/// The sources that this system permits.
fn sources(store: &Store<()>) -> Vec<Source> {
    let permitted =
        |&source: &Source| Sampler::start_with(source, 100, ActivationProbe::new(store)).is_ok();
    let kernel = [Source::Perf, Source::Cycles].into_iter().filter(permitted);
    [Source::Timer, Source::Auto].into_iter().chain(kernel).collect()
}

fn work(time: Duration) {
    let end = thread_cpu() + time;
    while thread_cpu() < end {
        std::hint::spin_loop();
    }
}

fn weight(samples: &[RawSample]) -> Duration {
    samples.iter().map(|sample| sample.cpu).sum()
}

#[test]
fn samples_weigh_the_time_that_was_spent() {
    let store = Store::new(&Engine::default(), ());
    for source in sources(&store) {
        let sampler = Sampler::start_with(source, 2000, ActivationProbe::new(&store)).unwrap();
        let other = Sampler::start(100, ActivationProbe::new(&store));
        assert!(other.is_err(), "one at a time");
        work(Duration::from_millis(100));
        let recording = sampler.stop();
        assert!(!recording.samples.is_empty() && recording.lost == 0, "{source:?}");
        // Weights are rounded to nanoseconds.
        let most = recording.cpu + Duration::from_micros(1);
        assert!(weight(&recording.samples) <= most, "{source:?}");
        assert!(recording.samples.is_sorted_by_key(|sample| sample.at));
        assert!(recording.samples.iter().all(|sample| !sample.addresses.is_empty()));
        assert!(recording.source.is_some_and(|name| !name.is_empty()));
    }
}

#[test]
fn a_thread_can_be_sampled_again_when_it_is_not() {
    let store = Store::new(&Engine::default(), ());
    for source in sources(&store) {
        let start = || Sampler::start_with(source, 100, ActivationProbe::new(&store));
        drop(start().unwrap());
        let _ = start().unwrap().stop();
        assert!(start().is_ok(), "{source:?}");
    }
}

#[test]
fn each_thread_may_have_its_own() {
    let engine = Engine::default();
    let sample = || {
        let store = Store::new(&engine, ());
        let sampler = Sampler::start_with(Source::Timer, 5000, ActivationProbe::new(&store));
        let sampler = sampler.unwrap();
        work(Duration::from_millis(50));
        sampler.stop().samples.len()
    };
    let counts = std::thread::scope(|scope| {
        let threads = [scope.spawn(sample), scope.spawn(sample)];
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
}

#[test]
fn rates_are_bounded() {
    let store = Store::new(&Engine::default(), ());
    assert!(Sampler::start(0, ActivationProbe::new(&store)).is_err());
    assert!(Sampler::start(1_000_000, ActivationProbe::new(&store)).is_err());
}

/// Touches so many mebibytes of fresh memory while it works.
fn fault(mebibytes: usize) {
    let mut kept = Vec::new();
    for _ in 0..mebibytes {
        kept.push(std::hint::black_box(vec![1u8; 1 << 20]));
        work(Duration::from_millis(2));
    }
}

#[test]
fn samples_count_what_happened_between_them() {
    const FAULTS: usize = COUNTERS.len() - 2;
    let store = Store::new(&Engine::default(), ());
    for source in sources(&store) {
        let sampler = Sampler::start_with(source, 1000, ActivationProbe::new(&store)).unwrap();
        fault(64);
        let recording = sampler.stop();
        assert!(recording.counted[FAULTS], "{source:?}");
        let counted: u64 = recording.samples.iter().map(|sample| sample.counts[FAULTS]).sum();
        // Pages may have two mebibytes.
        assert!(counted > 16, "{source:?}: {counted}");
        for (place, counted) in recording.counted.into_iter().enumerate() {
            let zero = recording.samples.iter().all(|sample| sample.counts[place] == 0);
            assert!(counted || zero, "{source:?}: {}", COUNTERS[place]);
        }
    }
}

/// A leader that is not the task clock: what machines with hardware counters have.
#[test]
fn time_is_that_of_the_task_clock_whatever_interrupts() {
    if perf::Kernel::new(Leader::TaskClock, 1000).is_err() {
        return;
    }
    let kernel = perf::Kernel::new(Leader::CpuClock, 1000).unwrap();
    let start = thread_cpu();
    kernel.enable().unwrap();
    work(Duration::from_millis(100));
    kernel.disable();
    let spent = thread_cpu() - start;
    let noted = kernel.take(spent);
    assert!(noted.samples.len() > 10, "{}", noted.samples.len());
    assert!(weight(&noted.samples) <= spent + Duration::from_micros(1));
    // Half of it in case that the machine was taken away for long.
    assert!(weight(&noted.samples) > spent / 2);
}

#[test]
fn cycles_are_refused_by_name_where_there_are_none() {
    let store = Store::new(&Engine::default(), ());
    let cycles = Sampler::start_with(Source::Cycles, 100, ActivationProbe::new(&store));
    if let Err(error) = cycles {
        assert!(error.to_string().contains("by cycles"), "{error}");
        let auto = Sampler::start(100, ActivationProbe::new(&store)).unwrap().stop();
        assert!(!auto.source.unwrap().contains("cycles"));
        assert!(!auto.counted[0]);
    }
}
