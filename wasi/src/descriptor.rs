//! What stands behind a descriptor number: a directory, a file of the host, or a stream.
//!
//! Files that this crate opened are non-blocking on the host and block only the guest. Inherited
//! ones are shared with other processes, so their mode is left alone: each attempt asks the kernel
//! not to wait (`RWF_NOWAIT`), or where a file cannot do that, polls first.
//! `APPEND`, `SYNC` and `DSYNC` are passed with each write for the same reason.

use crate::error::{Interest, Result};
use crate::stdio::{InputStream, OutputStream};
use crate::types::{Errno, Filetype, fdflags, rights};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::FileType;
use rustix::io::{Errno as HostErrno, ReadWriteFlags};
use rustix::net::{RecvFlags, SendFlags};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, IsTerminal};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

/// Bytes that fit into a pipe or terminal that polls as writable.
const ATOMIC_WRITE_BYTES: usize = 4096;

/// Stands for "at the current position" in `preadv2` and `pwritev2`.
const CURRENT: u64 = u64::MAX;

/// Rights that a directory can have itself.
pub(crate) const DIRECTORY_BASE: u64 = rights::PATH_CREATE_DIRECTORY
    | rights::PATH_CREATE_FILE
    | rights::PATH_LINK_SOURCE
    | rights::PATH_LINK_TARGET
    | rights::PATH_OPEN
    | rights::FD_READDIR
    | rights::PATH_READLINK
    | rights::PATH_RENAME_SOURCE
    | rights::PATH_RENAME_TARGET
    | rights::PATH_FILESTAT_GET
    | rights::PATH_FILESTAT_SET_SIZE
    | rights::PATH_FILESTAT_SET_TIMES
    | rights::FD_FILESTAT_GET
    | rights::FD_FILESTAT_SET_TIMES
    | rights::FD_FDSTAT_SET_FLAGS
    | rights::FD_SYNC
    | rights::FD_DATASYNC
    | rights::PATH_SYMLINK
    | rights::PATH_REMOVE_DIRECTORY
    | rights::PATH_UNLINK_FILE
    | rights::POLL_FD_READWRITE;

/// Rights that a file can have.
pub(crate) const FILE_BASE: u64 = rights::FD_DATASYNC
    | rights::FD_READ
    | rights::FD_SEEK
    | rights::FD_FDSTAT_SET_FLAGS
    | rights::FD_SYNC
    | rights::FD_TELL
    | rights::FD_WRITE
    | rights::FD_ADVISE
    | rights::FD_ALLOCATE
    | rights::FD_FILESTAT_GET
    | rights::FD_FILESTAT_SET_SIZE
    | rights::FD_FILESTAT_SET_TIMES
    | rights::POLL_FD_READWRITE;

/// Rights of a stream: a file that has no position.
pub(crate) const STREAM_BASE: u64 =
    FILE_BASE & !(rights::FD_SEEK | rights::FD_TELL | rights::FD_ALLOCATE | rights::FD_ADVISE);

/// Rights of a socket.
pub(crate) const SOCKET_BASE: u64 = rights::FD_READ
    | rights::FD_WRITE
    | rights::FD_FDSTAT_SET_FLAGS
    | rights::FD_FILESTAT_GET
    | rights::POLL_FD_READWRITE
    | rights::SOCK_SHUTDOWN
    | rights::SOCK_ACCEPT;

pub(crate) struct Descriptor {
    pub(crate) kind: Kind,
    base: AtomicU64,
    inheriting: AtomicU64,
    flags: AtomicU16,
}

impl std::fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Descriptor").field("rights", &self.rights()).finish_non_exhaustive()
    }
}

pub(crate) enum Kind {
    Dir(Dir),
    Host(HostFile),
    Input(Box<dyn InputStream>),
    Output(Box<dyn OutputStream>),
}

pub(crate) struct Dir {
    pub(crate) file: File,
    /// The guest's name of a preopened directory.
    pub(crate) preopen: Option<String>,
    /// Held while entries are read, as that moves the host's position.
    pub(crate) position: Mutex<()>,
}

pub(crate) struct HostFile {
    handle: Handle,
    class: OnceLock<Class>,
}

pub(crate) enum Handle {
    /// Opened for this guest alone, and non-blocking on the host.
    Owned(File),
    /// A standard stream of this process.
    Inherited(BorrowedFd<'static>),
}

/// What matters for I/O on a file of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Regular files and block devices: never wait, have a position.
    Storage(Filetype),
    Terminal,
    Device,
    Pipe,
    StreamSocket,
    DatagramSocket,
}

/// Where an operation on a file starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Current,
    Offset(u64),
}

impl Descriptor {
    pub(crate) fn new(kind: Kind, base: u64, inheriting: u64) -> Self {
        Self { kind, base: base.into(), inheriting: inheriting.into(), flags: AtomicU16::new(0) }
    }

    pub(crate) fn with_flags(self, flags: u16) -> Self {
        self.flags.store(flags, Ordering::Relaxed);
        self
    }

    /// Base and inheriting rights.
    pub(crate) fn rights(&self) -> (u64, u64) {
        (self.base.load(Ordering::Relaxed), self.inheriting.load(Ordering::Relaxed))
    }

    /// Gives up all rights but these; fails if one of them is not held.
    pub(crate) fn limit_rights(&self, base: u64, inheriting: u64) -> Result {
        for (held, wanted) in [(&self.base, base), (&self.inheriting, inheriting)] {
            if wanted & !held.load(Ordering::Relaxed) != 0 {
                return Err(Errno::Notcapable.into());
            }
        }
        // Another thread may give up rights at the same time: neither brings any back.
        self.base.fetch_and(base, Ordering::Relaxed);
        self.inheriting.fetch_and(inheriting, Ordering::Relaxed);
        Ok(())
    }

    /// Fails unless all of `wanted` are held. Reading and writing fail as on a file that is not
    /// open for it, which is what C libraries expect.
    pub(crate) fn require(&self, wanted: u64) -> Result {
        let missing = wanted & !self.rights().0;
        if missing == 0 {
            Ok(())
        } else if missing & (rights::FD_READ | rights::FD_WRITE) != 0 {
            Err(Errno::Badf.into())
        } else {
            Err(Errno::Notcapable.into())
        }
    }

    pub(crate) fn flags(&self) -> u16 {
        self.flags.load(Ordering::Relaxed)
    }

    pub(crate) fn set_flags(&self, flags: u16) {
        self.flags.store(flags, Ordering::Relaxed);
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.flags() & fdflags::NONBLOCK != 0
    }

    pub(crate) fn dir(&self) -> Result<&Dir> {
        match &self.kind {
            Kind::Dir(dir) => Ok(dir),
            Kind::Host(_) | Kind::Input(_) | Kind::Output(_) => Err(Errno::Notdir.into()),
        }
    }

    pub(crate) fn filetype(&self) -> Filetype {
        match &self.kind {
            Kind::Dir(_) => Filetype::Directory,
            Kind::Host(host) => host.class().filetype(),
            Kind::Input(stream) => stream_type(stream.is_terminal()),
            Kind::Output(stream) => stream_type(stream.is_terminal()),
        }
    }

    /// The host's descriptor to wait on; `None` if the descriptor is always ready, or cannot tell.
    pub(crate) fn pollable(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Dir(_) => None,
            Kind::Host(host) => Some(host.fd()),
            Kind::Input(stream) => stream.pollable(),
            Kind::Output(stream) => stream.pollable(),
        }
    }

    /// Whether a transfer that filled its buffers goes on with the next ones.
    pub(crate) fn fills_buffers(&self) -> bool {
        match &self.kind {
            Kind::Host(host) => matches!(host.class(), Class::Storage(_)),
            Kind::Input(_) => true,
            Kind::Dir(_) | Kind::Output(_) => false,
        }
    }

    pub(crate) fn read(&self, slices: &mut [IoSliceMut<'_>], at: At) -> Result<usize> {
        match &self.kind {
            Kind::Dir(_) | Kind::Output(_) => Err(Errno::Badf.into()),
            Kind::Host(host) => Ok(host.read(slices, at)?),
            Kind::Input(stream) => {
                require_current(at)?;
                Ok(each(slices, |slice| stream.read(slice).map(|len| (len, slice.len())))?)
            }
        }
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>], at: At) -> Result<usize> {
        match &self.kind {
            Kind::Dir(_) | Kind::Input(_) => Err(Errno::Badf.into()),
            Kind::Host(host) => Ok(host.write(slices, at, self.flags())?),
            Kind::Output(stream) => {
                require_current(at)?;
                Ok(each(slices, |slice| stream.write(slice).map(|len| (len, slice.len())))?)
            }
        }
    }
}

fn require_current(at: At) -> Result {
    if at == At::Current { Ok(()) } else { Err(Errno::Spipe.into()) }
}

/// Transfers slice after slice until one is not done whole. `transfer` returns how much of how much
/// it did. An error counts only if nothing was done before it.
fn each<S>(
    slices: impl IntoIterator<Item = S>,
    mut transfer: impl FnMut(S) -> std::io::Result<(usize, usize)>,
) -> std::io::Result<usize> {
    let mut done = 0;
    for slice in slices {
        match transfer(slice) {
            Ok((len, whole)) => {
                done += len;
                if len < whole {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

fn stream_type(is_terminal: bool) -> Filetype {
    if is_terminal { Filetype::CharacterDevice } else { Filetype::Unknown }
}

impl Class {
    pub(crate) fn filetype(self) -> Filetype {
        match self {
            Self::Storage(filetype) => filetype,
            Self::Terminal | Self::Device => Filetype::CharacterDevice,
            Self::Pipe => Filetype::Unknown,
            Self::StreamSocket => Filetype::SocketStream,
            Self::DatagramSocket => Filetype::SocketDgram,
        }
    }

    /// The most rights that make sense for such a file. A terminal without the right to seek is
    /// how C libraries recognise one.
    pub(crate) fn rights(self) -> u64 {
        match self {
            Self::Storage(_) | Self::Device => FILE_BASE,
            Self::Terminal | Self::Pipe => STREAM_BASE,
            Self::StreamSocket | Self::DatagramSocket => SOCKET_BASE,
        }
    }
}

impl HostFile {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, class: OnceLock::new() }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.handle {
            Handle::Owned(file) => file.as_fd(),
            Handle::Inherited(fd) => *fd,
        }
    }

    /// Found out at the first use, so that a context costs no system calls.
    pub(crate) fn class(&self) -> Class {
        *self.class.get_or_init(|| classify(self.fd()))
    }

    fn read(&self, slices: &mut [IoSliceMut<'_>], at: At) -> rustix::io::Result<usize> {
        let fd = self.fd();
        match (self.class(), at) {
            (_, At::Offset(offset)) => rustix::io::preadv(fd, slices, offset),
            (Class::Storage(_), At::Current) => rustix::io::readv(fd, slices),
            (Class::StreamSocket | Class::DatagramSocket, At::Current) => {
                receive(fd, slices, RecvFlags::empty()).map(|(len, _)| len)
            }
            (Class::Terminal | Class::Device | Class::Pipe, At::Current) => match self.handle {
                Handle::Owned(_) => rustix::io::readv(fd, slices),
                Handle::Inherited(_) => read_without_waiting(fd, slices),
            },
        }
    }

    fn write(&self, slices: &[IoSlice<'_>], at: At, flags: u16) -> rustix::io::Result<usize> {
        let fd = self.fd();
        let mode = write_mode(flags);
        match (self.class(), at) {
            (_, At::Offset(offset)) => rustix::io::pwritev2(fd, slices, offset, mode),
            (Class::Storage(_), At::Current) if mode.is_empty() => rustix::io::writev(fd, slices),
            (Class::Storage(_), At::Current) => rustix::io::pwritev2(fd, slices, CURRENT, mode),
            (Class::StreamSocket | Class::DatagramSocket, At::Current) => send(fd, slices),
            (Class::Terminal | Class::Device | Class::Pipe, At::Current) => match self.handle {
                Handle::Owned(_) => rustix::io::writev(fd, slices),
                Handle::Inherited(_) => write_without_waiting(fd, slices),
            },
        }
    }
}

fn classify(fd: BorrowedFd<'_>) -> Class {
    let Ok(stat) = rustix::fs::fstat(fd) else { return Class::Device };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Class::Storage(Filetype::RegularFile),
        FileType::BlockDevice => Class::Storage(Filetype::BlockDevice),
        FileType::Directory => Class::Storage(Filetype::Directory),
        FileType::CharacterDevice if fd.is_terminal() => Class::Terminal,
        FileType::Socket => match rustix::net::sockopt::socket_type(fd) {
            Ok(rustix::net::SocketType::STREAM) => Class::StreamSocket,
            _ => Class::DatagramSocket,
        },
        FileType::Fifo => Class::Pipe,
        FileType::CharacterDevice | FileType::Symlink | FileType::Unknown => Class::Device,
    }
}

fn write_mode(flags: u16) -> ReadWriteFlags {
    let mut mode = ReadWriteFlags::empty();
    mode.set(ReadWriteFlags::APPEND, flags & fdflags::APPEND != 0);
    mode.set(ReadWriteFlags::DSYNC, flags & fdflags::DSYNC != 0);
    mode.set(ReadWriteFlags::SYNC, flags & fdflags::SYNC != 0);
    mode
}

fn read_without_waiting(
    fd: BorrowedFd<'_>,
    slices: &mut [IoSliceMut<'_>],
) -> rustix::io::Result<usize> {
    match rustix::io::preadv2(fd, slices, CURRENT, ReadWriteFlags::NOWAIT) {
        Err(HostErrno::OPNOTSUPP) if is_ready(fd, Interest::Read)? => rustix::io::readv(fd, slices),
        Err(HostErrno::OPNOTSUPP) => Err(HostErrno::AGAIN),
        result => result,
    }
}

fn write_without_waiting(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    match rustix::io::pwritev2(fd, slices, CURRENT, ReadWriteFlags::NOWAIT) {
        Err(HostErrno::OPNOTSUPP) if is_ready(fd, Interest::Write)? => {
            let first = &slices[0];
            rustix::io::write(fd, &first[..first.len().min(ATOMIC_WRITE_BYTES)])
        }
        Err(HostErrno::OPNOTSUPP) => Err(HostErrno::AGAIN),
        result => result,
    }
}

fn is_ready(fd: BorrowedFd<'_>, interest: Interest) -> rustix::io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, interest.into())];
    Ok(rustix::event::poll(&mut fds, Some(&Timespec::default()))? != 0)
}

impl From<Interest> for PollFlags {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Read => Self::IN,
            Interest::Write => Self::OUT,
        }
    }
}

/// Receives without waiting; the second value says whether a message was cut off.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    slices: &mut [IoSliceMut<'_>],
    flags: RecvFlags,
) -> rustix::io::Result<(usize, bool)> {
    let mut control = rustix::net::RecvAncillaryBuffer::new(&mut []);
    let message = rustix::net::recvmsg(fd, slices, &mut control, flags | RecvFlags::DONTWAIT)?;
    Ok((message.bytes, message.flags.contains(rustix::net::ReturnFlags::TRUNC)))
}

/// Sends without waiting, and without a signal when the peer is gone.
pub(crate) fn send(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    let mut control = rustix::net::SendAncillaryBuffer::default();
    rustix::net::sendmsg(fd, slices, &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
}
