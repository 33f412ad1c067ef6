//! A spinner for work that takes longer than a second, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a message with a spinner on stderr from a second after its creation until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    worker: Option<(Sender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts with a message; does nothing at all when stderr is no terminal.
    pub(crate) fn start(message: impl Into<String>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { worker: None };
        }
        let (messages, receiver) = mpsc::channel();
        let message = message.into();
        let worker = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || show(message, &receiver))
            .ok();
        Self { worker: worker.map(|worker| (messages, worker)) }
    }

    /// Changes the message.
    pub(crate) fn set_message(&self, message: impl FnOnce() -> String) {
        if let Some((messages, _)) = &self.worker {
            // A spinner that has gone away needs no message.
            messages.send(message()).ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((messages, worker)) = self.worker.take() {
            drop(messages);
            worker.join().ok();
        }
    }
}

fn show(mut message: String, messages: &mpsc::Receiver<String>) {
    let start = std::time::Instant::now();
    while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
        match messages.recv_timeout(left) {
            Ok(next) => message = next,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
    bar.set_style(style.expect("the template is valid"));
    bar.set_message(message);
    bar.enable_steady_tick(Duration::from_millis(120));
    for message in messages {
        bar.set_message(message);
    }
    bar.finish_and_clear();
}
