//! How far an endless program has come at which time.
//!
//! Such programs (see `programs/src/curve.h`) print one letter after each unit of work. This
//! process looks for letters once per millisecond and notes when they came; at the end of the
//! time it kills the program. So the start of an engine, what it compiles ahead, and how it gets
//! faster are all in there, and nothing of it is told by the engine itself.

use std::io::Read;
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::engine::Engine;
use crate::invocation::Invocation;
use crate::process::last_lines;

/// How often letters are looked for.
const INTERVAL: Duration = Duration::from_millis(1);

/// When a program is ended: at this time after its start, or when it has done that much.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    /// The time.
    pub(crate) time: Duration,
    /// The units of work.
    pub(crate) units: usize,
}

/// What one run did.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Milliseconds after the start, and the units of work done by then; both grow.
    steps: Vec<(f64, usize)>,
    /// What each unit of work printed, once there was one.
    pub(crate) letter: Option<u8>,
}

impl Progress {
    /// The units of work done `ms` after the start.
    pub(crate) fn work(&self, ms: f64) -> f64 {
        let seen = self.steps.partition_point(|step| step.0 <= ms);
        seen.checked_sub(1).map_or(0, |last| self.steps[last].1) as f64
    }

    /// All units of work.
    pub(crate) fn total(&self) -> usize {
        self.steps.last().map_or(0, |step| step.1)
    }

    /// All units print the same.
    fn add(&mut self, ms: f64, letters: &[u8]) -> Result<()> {
        let letter = *self.letter.get_or_insert(letters[0]);
        ensure!(letters.iter().all(|&other| other == letter), "its units of work differ");
        self.steps.push((ms, self.total() + letters.len()));
        Ok(())
    }
}

/// Letters that were found together.
struct Letters {
    at: Instant,
    text: Vec<u8>,
}

/// Runs a program and ends it.
pub(crate) fn observe(engine: &Engine, program: &Invocation, until: Until) -> Result<Progress> {
    let mut command = engine.plain_run(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().context("cannot start")?;
    let stdout = child.stdout.take().context("no pipe")?;
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || read(stdout, &sender));
    let progress = follow(&receiver, start, until);
    // It may have ended already; then its status says so.
    child.kill().ok();
    let output = child.wait_with_output()?;
    reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
    match progress? {
        Some(progress) => Ok(progress),
        None => {
            bail!("{}: {}", output.status, last_lines(&String::from_utf8_lossy(&output.stderr)))
        }
    }
}

/// Sends on what a program prints, to its end.
fn read(mut stdout: ChildStdout, sender: &Sender<Letters>) {
    let mut buffer = [0; 1 << 16];
    while let Ok(count @ 1..) = stdout.read(&mut buffer) {
        let letters = Letters { at: Instant::now(), text: buffer[..count].to_vec() };
        if sender.send(letters).is_err() {
            return;
        }
        thread::sleep(INTERVAL);
    }
}

/// Takes letters until it is time; [`None`] if the program ends before.
fn follow(letters: &Receiver<Letters>, start: Instant, until: Until) -> Result<Option<Progress>> {
    let mut progress = Progress::default();
    let end = start + until.time;
    while progress.total() < until.units {
        match letters.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Letters { at, text }) => {
                progress.add((at - start).as_secs_f64() * 1e3, &text)?;
            }
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
    Ok(Some(progress))
}

#[cfg(test)]
impl Progress {
    /// Of steps that a test makes up.
    pub(crate) fn of(steps: &[(f64, usize)]) -> Self {
        Self { steps: steps.to_vec(), letter: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: Until = Until { time: Duration::from_secs(60), units: 3 };

    fn sent(texts: &[&str], start: Instant) -> Receiver<Letters> {
        let (sender, receiver) = mpsc::channel();
        for (index, text) in (1..).zip(texts) {
            let at = start + index * Duration::from_millis(10);
            sender.send(Letters { at, text: text.as_bytes().to_vec() }).unwrap();
        }
        receiver
    }

    #[test]
    fn work_is_what_was_seen_by_then() {
        let start = Instant::now();
        let progress = follow(&sent(&["a", "aaa", "a"], start), start, UNTIL).unwrap().unwrap();
        let work: Vec<f64> =
            [0.0, 9.9, 10.0, 15.0, 20.0, 99.0].map(|ms| progress.work(ms)).to_vec();
        assert_eq!(work, [0.0, 0.0, 1.0, 1.0, 4.0, 4.0]);
        assert_eq!((progress.total(), progress.letter), (4, Some(b'a')));
    }

    #[test]
    fn units_that_differ_are_an_error() {
        let start = Instant::now();
        assert!(follow(&sent(&["a", "ab"], start), start, UNTIL).is_err());
    }

    #[test]
    fn an_end_before_the_time_is_told_apart() {
        let start = Instant::now();
        assert!(follow(&sent(&["a"], start), start, UNTIL).unwrap().is_none());
    }
}
