//! How a function ends when it does not simply succeed.

use crate::descriptor::Descriptor;
use crate::types::Errno;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The guest called `proc_exit`: carried as an error to the embedder, who decides what it means
/// for the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exited with status {0}")]
pub struct I32Exit(pub i32);

pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Why an attempt at a function did not complete.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guest gets an error code.
    Errno(Errno),
    /// Nothing can be done now: wait, then attempt again.
    Wait(Wait),
    /// Execution of the guest ends with this error.
    Host(anyhow::Error),
}

/// What to wait for before the next attempt.
///
/// Functions never block while they hold guest memory: an attempt that cannot go on returns this,
/// the caller waits in a way that the host can interrupt, and attempts again.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    pub(crate) targets: Vec<(Arc<Descriptor>, Interest)>,
    /// Longest time to wait; for ever if `None`.
    pub(crate) timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

impl Wait {
    pub(crate) fn ready(descriptor: &Arc<Descriptor>, interest: Interest) -> Failure {
        Failure::Wait(Self { targets: vec![(Arc::clone(descriptor), interest)], timeout: None })
    }

    /// Long work pauses: only see whether the host wants an end, then go on.
    pub(crate) fn pause() -> Failure {
        Failure::Wait(Self { targets: Vec::new(), timeout: Some(Duration::ZERO) })
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        // A signal's arrival is the host's business: the guest's call is attempted again.
        if error == rustix::io::Errno::INTR {
            Wait::pause()
        } else {
            Errno::from_host(error).into()
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if let Some(host) = rustix::io::Errno::from_io_error(&error) {
            return host.into();
        }
        let errno = match error.kind() {
            io::ErrorKind::NotFound => Errno::Noent,
            io::ErrorKind::PermissionDenied => Errno::Perm,
            io::ErrorKind::AlreadyExists => Errno::Exist,
            io::ErrorKind::InvalidInput => Errno::Inval,
            io::ErrorKind::WouldBlock => Errno::Again,
            io::ErrorKind::BrokenPipe => Errno::Pipe,
            io::ErrorKind::Unsupported => Errno::Notsup,
            io::ErrorKind::StorageFull => Errno::Nospc,
            _ => Errno::Io,
        };
        errno.into()
    }
}

impl From<I32Exit> for Failure {
    fn from(exit: I32Exit) -> Self {
        Self::Host(exit.into())
    }
}
