//! Runs of programs on several engines beside each other: medians, and ratios formed within
//! each round, as what slows the machine for a while slows both runs of a pair.

use crate::engine::RunSample;
use crate::rounds::Measured;
use crate::stats::{Estimate, geometric_mean};
use crate::table::Table;

/// One figure of a run; [`None`] where the engine does not tell it.
pub(crate) type Figure = fn(&RunSample) -> Option<f64>;

impl Measured<RunSample> {
    /// What one engine's runs say.
    pub(crate) fn figures(&self, engine: usize, figure: Figure) -> Vec<f64> {
        self.samples[engine].iter().filter_map(figure).collect()
    }

    /// The median of [`Self::figures`].
    pub(crate) fn median(&self, engine: usize, figure: Figure) -> Option<f64> {
        Estimate::of(&self.figures(engine, figure)).map(|estimate| estimate.median)
    }

    /// Per round, the first engine's figure over the peer's; nothing of rounds in which one is
    /// zero, as what a clock does not tell apart has no ratio.
    pub(crate) fn ratios(&self, peer: usize, figure: Figure) -> Vec<f64> {
        let pairs = self.samples[0].iter().zip(&self.samples[peer]);
        pairs
            .filter_map(|(first, other)| Some((figure(first)?, figure(other)?)))
            .filter(|&(first, other)| first > 0.0 && other > 0.0)
            .map(|(first, other)| first / other)
            .collect()
    }
}

/// The geometric mean of the ratios over the programs that both engines ran, one per round.
pub(crate) fn mean_ratio(
    programs: &[Measured<RunSample>],
    peer: usize,
    figure: Figure,
) -> Option<Estimate> {
    let ratios: Vec<Vec<f64>> = programs
        .iter()
        .map(|program| program.ratios(peer, figure))
        .filter(|ratios| !ratios.is_empty())
        .collect();
    let rounds = ratios.iter().map(Vec::len).min()?;
    let means: Vec<f64> =
        (0..rounds).map(|round| geometric_mean(ratios.iter().map(|r| r[round]))).collect();
    Estimate::of(&means)
}

/// Prints a row per program: each engine's median, and the first engine's ratio to each other.
pub(crate) fn print(
    title: &str,
    unit: &str,
    engines: &[String],
    programs: &[Measured<RunSample>],
    figure: Figure,
) {
    let first = &engines[0];
    let mut head = vec!["program".to_owned(), format!("{first} {unit}")];
    for engine in &engines[1..] {
        head.push(format!("{engine} {unit}"));
        head.push(format!("{first} / {engine}"));
    }
    let mut table = Table::new(title, head);
    for program in programs {
        let median = |engine| show_number(program.median(engine, figure), 1);
        let mut row = vec![program.name.clone(), median(0)];
        for peer in 1..engines.len() {
            row.push(median(peer));
            row.push(show(Estimate::of(&program.ratios(peer, figure))));
        }
        table.row(row);
    }
    let mut means = vec!["geometric mean".to_owned(), String::new()];
    for peer in 1..engines.len() {
        means.push(String::new());
        means.push(show(mean_ratio(programs, peer, figure)));
    }
    table.row(means);
    table.print();
}

/// An estimate as a cell.
pub(crate) fn show(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "-".to_owned(), |estimate| estimate.to_string())
}

/// A number as a cell.
pub(crate) fn show_number(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(samples: [&[f64]; 2]) -> Measured<RunSample> {
        let sample = |&process_cpu_ms: &f64| RunSample { process_cpu_ms, ..RunSample::default() };
        Measured {
            name: "p".into(),
            samples: samples.map(|s| s.iter().map(sample).collect()).to_vec(),
            failures: vec![None, None],
        }
    }

    const PROCESS: Figure = |sample| Some(sample.process_cpu_ms);

    #[test]
    fn ratios_pair_the_runs_of_one_round() {
        let program = program([&[2.0, 6.0], &[1.0, 2.0]]);
        assert_eq!(program.ratios(1, PROCESS), [2.0, 3.0]);
        let mean = mean_ratio(&[program], 1, PROCESS).unwrap();
        assert!((mean.median - 2.5).abs() < 1e-12);
    }

    #[test]
    fn programs_that_one_engine_cannot_run_are_left_out() {
        let ran = program([&[3.0], &[1.0]]);
        let failed = program([&[9.0], &[]]);
        let mean = mean_ratio(&[failed, ran], 1, PROCESS).unwrap();
        assert!((mean.median - 3.0).abs() < 1e-12);
    }

    #[test]
    fn rounds_too_short_for_the_clock_are_left_out() {
        assert_eq!(program([&[2.0, 0.0, 3.0], &[0.0, 1.0, 1.0]]).ratios(1, PROCESS), [3.0]);
    }

    #[test]
    fn what_an_engine_does_not_tell_has_no_ratio() {
        let program = program([&[2.0], &[1.0]]);
        assert!(program.ratios(1, |sample| sample.peak_rss_bytes).is_empty());
        assert_eq!(show(mean_ratio(&[program], 1, |sample| sample.peak_rss_bytes)), "-");
    }
}
