//! What the tests of the command share.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A directory of its own for one test, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// A new one; `name` is the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("upshift-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary directories can be made");
        Self(path)
    }

    /// Writes a file into it; its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("temporary files can be written");
        path.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs the command.
pub(crate) fn upshift(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upshift")).args(args).output().expect("the command starts")
}

/// Its output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Its messages as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
