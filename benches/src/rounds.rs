//! Interleaved rounds: in each of them every engine has its turn, so that a slow phase of the
//! machine hits all of them.

use anyhow::Result;

use crate::engine::Engine;

/// Samples of one program: per engine one per round, none once the engine failed.
pub(crate) struct Measured<T> {
    /// The program.
    pub(crate) name: String,
    /// Indexed like the engines.
    pub(crate) samples: Vec<Vec<T>>,
    /// Why an engine could not run the program.
    pub(crate) failures: Vec<Option<String>>,
}

impl<T> Measured<T> {
    /// Whether the engines before `count` could all run the program.
    pub(crate) fn succeeded(&self, count: usize) -> bool {
        self.failures.iter().take(count).all(Option::is_none)
    }
}

/// Asks each engine for one sample in each round; a failure is named on standard error and ends
/// the engine's part in the program.
pub(crate) fn take<T>(
    name: &str,
    engines: &[&Engine],
    rounds: usize,
    mut sample: impl FnMut(&Engine) -> Result<T>,
) -> Measured<T> {
    let mut measured = Measured {
        name: name.to_owned(),
        samples: engines.iter().map(|_| Vec::new()).collect(),
        failures: vec![None; engines.len()],
    };
    for _ in 0..rounds {
        for (index, engine) in engines.iter().enumerate() {
            if measured.failures[index].is_some() {
                continue;
            }
            match sample(engine) {
                Ok(sample) => measured.samples[index].push(sample),
                Err(error) => {
                    eprintln!("{name} on {}: {error:#}", engine.name);
                    measured.samples[index].clear();
                    measured.failures[index] = Some(format!("{error:#}"));
                }
            }
        }
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upshift::engine;
    use std::path::Path;

    #[test]
    fn a_failure_takes_all_samples_of_the_engine_away() {
        let [one, other] =
            ["auto", "baseline"].map(|t| engine(Path::new("u"), &t.parse().unwrap()));
        let mut order = Vec::new();
        let measured = take("p", &[&one, &other], 3, |engine| {
            order.push(engine.name.clone());
            anyhow::ensure!(order.len() != 4, "no more");
            Ok(order.len())
        });
        assert_eq!(order, ["Upshift auto", "Upshift baseline"].repeat(3)[..5]);
        assert_eq!(measured.samples, [vec![1, 3, 5], vec![]]);
        assert_eq!(measured.failures, [None, Some("no more".to_owned())]);
        assert!(measured.succeeded(1) && !measured.succeeded(2));
    }
}
