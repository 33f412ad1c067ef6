//! Writing to the standard streams, also when nobody reads them any more.
//!
//! A reader that goes away (`upshift inspect FILE | head -1`) has seen enough: what is left to say
//! is dropped, and the exit code stays what it is. Every other failure to write results is an error.

use anyhow::{Context, Result};
use std::io::{self, ErrorKind, Write};

/// Prints results to stdout.
///
/// # Errors
/// When they cannot be written although somebody reads them: a full disk.
pub(crate) fn print(text: &str) -> Result<()> {
    write_all(&mut io::stdout().lock(), text).context("failed to write to stdout")
}

/// Prints messages to stderr. When that fails there is nobody to tell.
pub(crate) fn say(text: &str) {
    write_all(&mut io::stderr().lock(), text).ok();
}

fn write_all(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails always in one way.
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn only_a_reader_that_left_is_no_error() {
        assert!(write_all(&mut Failing(ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write_all(&mut Failing(ErrorKind::StorageFull), "x").is_err());
    }
}
