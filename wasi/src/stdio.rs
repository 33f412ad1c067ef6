//! Streams that a host can put behind a descriptor instead of a file, and pipes in memory for tests
//! and tools.

use rustix::fd::BorrowedFd;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A source of bytes for a descriptor, such as standard input.
///
/// A read must not block: it fails with [`io::ErrorKind::WouldBlock`] when there is nothing yet, and
/// the guest then waits until [`pollable`](Self::pollable) can be read, or tries again now and then
/// if there is no such descriptor.
pub trait InputStream: Send + Sync {
    /// Reads some bytes; zero means the end.
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize>;

    /// The host's descriptor to wait on.
    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the guest shall take the stream for a terminal.
    fn is_terminal(&self) -> bool {
        false
    }
}

/// A sink of bytes for a descriptor, such as standard output. As with [`InputStream`], a write must
/// not block.
pub trait OutputStream: Send + Sync {
    /// Writes some of the bytes and returns how many.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// The host's descriptor to wait on.
    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the guest shall take the stream for a terminal.
    fn is_terminal(&self) -> bool {
        false
    }
}

/// Bytes that a guest can read once.
#[derive(Clone, Debug)]
pub struct MemoryInputPipe {
    state: Arc<Mutex<(Vec<u8>, usize)>>,
}

impl MemoryInputPipe {
    /// A pipe that delivers `bytes`, then its end.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { state: Arc::new(Mutex::new((bytes.into(), 0))) }
    }
}

impl InputStream for MemoryInputPipe {
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        let (contents, position) = &mut *state;
        let rest = &contents[*position..];
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        *position += len;
        Ok(len)
    }
}

/// Collects what a guest writes, up to a capacity; beyond it, the guest gets an error.
#[derive(Clone, Debug)]
pub struct MemoryOutputPipe {
    contents: Arc<Mutex<Vec<u8>>>,
    capacity: usize,
}

impl MemoryOutputPipe {
    /// An empty pipe that holds at most `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { contents: Arc::default(), capacity }
    }

    /// A copy of what has been written so far.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        lock(&self.contents).clone()
    }
}

impl OutputStream for MemoryOutputPipe {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut contents = lock(&self.contents);
        let len = bytes.len().min(self.capacity - contents.len());
        if len == 0 && !bytes.is_empty() {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        contents.extend_from_slice(&bytes[..len]);
        Ok(len)
    }
}

/// The default standard input: at its end from the start.
pub(crate) struct Empty;

impl InputStream for Empty {
    fn read(&self, _bytes: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// The default standard output and error: takes everything, keeps nothing.
pub(crate) struct Sink;

impl OutputStream for Sink {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
}

/// A panic elsewhere while a lock was held leaves only complete states here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
