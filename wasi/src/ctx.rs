//! What one guest is given: arguments, environment, standard streams, directories, sockets.

use crate::descriptor::{
    DIRECTORY_BASE, Descriptor, Dir, FILE_BASE, Handle, HostFile, Kind, SOCKET_BASE, STREAM_BASE,
};
use crate::stdio::{Empty, InputStream, OutputStream, Sink};
use crate::table::Table;
use crate::types::rights;
use anyhow::{Context, Result, bail};
use rustix::fd::{BorrowedFd, OwnedFd};
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Descriptors that a guest can have open unless the host says otherwise.
const DEFAULT_MAX_DESCRIPTORS: usize = 4096;

/// The state of one guest. All of it can be used from several threads at once.
pub struct WasiCtx {
    pub(crate) args: Strings,
    pub(crate) env: Strings,
    pub(crate) table: Table,
}

impl WasiCtx {
    /// Starts to describe a context.
    #[must_use]
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }
}

impl std::fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasiCtx").finish_non_exhaustive()
    }
}

/// Strings as a guest gets them: one after the other, each with a zero byte at its end.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    pub(crate) bytes: Vec<u8>,
    pub(crate) starts: Vec<u32>,
}

impl Strings {
    fn new(strings: &[Vec<u8>]) -> Result<Self> {
        let mut all = Self::default();
        for string in strings {
            if string.contains(&0) {
                bail!("string {:?} contains a zero byte", String::from_utf8_lossy(string));
            }
            let start = u32::try_from(all.bytes.len()).context("strings are too long")?;
            all.starts.push(start);
            all.bytes.extend_from_slice(string);
            all.bytes.push(0);
        }
        u32::try_from(all.bytes.len()).context("strings are too long")?;
        Ok(all)
    }

    pub(crate) fn len_bytes(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("the length was checked when the context was built")
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.starts.len()).expect("each string takes at least one byte")
    }
}

/// Describes a [`WasiCtx`]. Without further calls a guest has no arguments, no environment, an
/// empty standard input, outputs that lead nowhere, and no directory.
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    stdio: [Option<Kind>; 3],
    preopens: Vec<Preopen>,
    sockets: Vec<OwnedFd>,
    max_descriptors: usize,
}

struct Preopen {
    host: PathBuf,
    guest: String,
    rights: u64,
}

impl Default for WasiCtxBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl WasiCtxBuilder {
    /// An empty description.
    #[must_use]
    pub fn new() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            stdio: [None, None, None],
            preopens: Vec::new(),
            sockets: Vec::new(),
            max_descriptors: DEFAULT_MAX_DESCRIPTORS,
        }
    }

    /// Adds an argument; the first one is the program's name.
    pub fn arg(&mut self, arg: impl Into<Vec<u8>>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_vec()));
        self
    }

    /// Adds an environment variable.
    pub fn env(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.env.push([name.as_ref(), b"=", value.as_ref()].concat());
        self
    }

    /// Adds environment variables.
    pub fn envs<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Adds the environment of this process.
    pub fn inherit_env(&mut self) -> &mut Self {
        let variables = std::env::vars_os();
        self.envs(variables.map(|(name, value)| (name.into_vec(), value.into_vec())))
    }

    /// Gives the guest the standard streams of this process.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.inherit_stdin().inherit_stdout().inherit_stderr()
    }

    /// Gives the guest the standard input of this process.
    pub fn inherit_stdin(&mut self) -> &mut Self {
        self.inherit(0, rustix::stdio::stdin())
    }

    /// Gives the guest the standard output of this process.
    pub fn inherit_stdout(&mut self) -> &mut Self {
        self.inherit(1, rustix::stdio::stdout())
    }

    /// Gives the guest the standard error of this process.
    pub fn inherit_stderr(&mut self) -> &mut Self {
        self.inherit(2, rustix::stdio::stderr())
    }

    fn inherit(&mut self, index: usize, fd: BorrowedFd<'static>) -> &mut Self {
        self.stdio[index] = Some(Kind::Host(HostFile::new(Handle::Inherited(fd))));
        self
    }

    /// Sets the standard input.
    pub fn stdin(&mut self, stream: Box<dyn InputStream>) -> &mut Self {
        self.stdio[0] = Some(Kind::Input(stream));
        self
    }

    /// Sets the standard output.
    pub fn stdout(&mut self, stream: Box<dyn OutputStream>) -> &mut Self {
        self.stdio[1] = Some(Kind::Output(stream));
        self
    }

    /// Sets the standard error.
    pub fn stderr(&mut self, stream: Box<dyn OutputStream>) -> &mut Self {
        self.stdio[2] = Some(Kind::Output(stream));
        self
    }

    /// Opens the directory `host` for the guest, who sees it as `guest`, with all rights.
    pub fn preopened_dir(&mut self, host: impl AsRef<Path>, guest: impl Into<String>) -> &mut Self {
        self.preopened_dir_with_rights(host, guest, rights::ALL)
    }

    /// Opens the directory `host` for the guest, who sees it as `guest` and can only read below.
    pub fn preopened_dir_read_only(
        &mut self,
        host: impl AsRef<Path>,
        guest: impl Into<String>,
    ) -> &mut Self {
        self.preopened_dir_with_rights(host, guest, READ_ONLY)
    }

    /// Opens the directory `host` for the guest, with no more than the given
    /// [rights](crate::types::rights) for it and all that is opened through it.
    pub fn preopened_dir_with_rights(
        &mut self,
        host: impl AsRef<Path>,
        guest: impl Into<String>,
        rights: u64,
    ) -> &mut Self {
        let host = host.as_ref().to_path_buf();
        self.preopens.push(Preopen { host, guest: guest.into(), rights });
        self
    }

    /// Gives the guest a socket. Sockets are numbered after the directories; this one becomes
    /// non-blocking on the host.
    pub fn preopened_socket(&mut self, socket: impl Into<OwnedFd>) -> &mut Self {
        self.sockets.push(socket.into());
        self
    }

    /// Sets how many descriptors the guest can have open at once.
    pub fn max_descriptors(&mut self, limit: usize) -> &mut Self {
        self.max_descriptors = limit;
        self
    }

    /// Builds the context and leaves an empty description behind.
    ///
    /// # Errors
    ///
    /// Fails if a directory cannot be opened or a string contains a zero byte.
    pub fn build(&mut self) -> Result<WasiCtx> {
        let parts = std::mem::take(self);
        let [stdin, stdout, stderr] = parts.stdio;
        let mut descriptors = Vec::with_capacity(3 + parts.preopens.len() + parts.sockets.len());
        descriptors.push(stream(stdin.unwrap_or_else(|| Kind::Input(Box::new(Empty))), INPUT));
        for kind in [stdout, stderr] {
            descriptors.push(stream(kind.unwrap_or_else(|| Kind::Output(Box::new(Sink))), OUTPUT));
        }
        for preopen in parts.preopens {
            descriptors.push(open_preopen(preopen)?);
        }
        for socket in parts.sockets {
            descriptors.push(adopt_socket(socket)?);
        }
        Ok(WasiCtx {
            args: Strings::new(&parts.args).context("argument")?,
            env: Strings::new(&parts.env).context("environment variable")?,
            table: Table::new(descriptors, parts.max_descriptors),
        })
    }
}

/// What the guest cannot do to standard input, and to the standard outputs.
const INPUT: u64 = !rights::FD_WRITE;
const OUTPUT: u64 = !rights::FD_READ;

const READ_ONLY: u64 = rights::PATH_OPEN
    | rights::FD_READDIR
    | rights::PATH_READLINK
    | rights::PATH_FILESTAT_GET
    | rights::FD_FILESTAT_GET
    | rights::FD_READ
    | rights::FD_SEEK
    | rights::FD_TELL
    | rights::FD_ADVISE
    | rights::FD_FDSTAT_SET_FLAGS
    | rights::POLL_FD_READWRITE;

fn stream(kind: Kind, mask: u64) -> Descriptor {
    // The type of an inherited stream is not known yet: `fd_fdstat_get` narrows these rights.
    let is_host = matches!(kind, Kind::Host(_));
    let base = if is_host { FILE_BASE | SOCKET_BASE } else { STREAM_BASE };
    Descriptor::new(kind, base & mask, 0)
}

fn open_preopen(preopen: Preopen) -> Result<Descriptor> {
    let flags = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&preopen.host)
        .with_context(|| format!("failed to open directory {}", preopen.host.display()))?;
    let kind = Kind::Dir(Dir { file, preopen: Some(preopen.guest), position: Mutex::new(()) });
    let inheriting = (DIRECTORY_BASE | FILE_BASE) & preopen.rights;
    Ok(Descriptor::new(kind, DIRECTORY_BASE & preopen.rights, inheriting))
}

fn adopt_socket(socket: OwnedFd) -> Result<Descriptor> {
    rustix::io::ioctl_fionbio(&socket, true).context("failed to prepare a socket")?;
    let kind = Kind::Host(HostFile::new(Handle::Owned(File::from(socket))));
    Ok(Descriptor::new(kind, SOCKET_BASE, SOCKET_BASE))
}
