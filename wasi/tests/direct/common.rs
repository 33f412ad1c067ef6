//! A guest without WebAssembly: a byte buffer as memory, and helpers that lay arguments out in it.
//! Generic over the implementation, so that the same operations run on this crate and on an oracle.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use upshift_wasi::types::{Dirent, Errno, Event, Fdstat, Filestat, Subscription, oflags, rights};
use upshift_wasi::{DirectCalls, GuestMemory, PlainWaiter, Snapshot, Waiter, WasiCtx};

/// Where results lie in the guest's memory, and where arguments do.
pub(crate) const OUT: u32 = 64;
pub(crate) const VECTORS: u32 = 32 << 10;
pub(crate) const PATH_1: u32 = 16 << 10;
pub(crate) const PATH_2: u32 = 24 << 10;
pub(crate) const DATA: u32 = 64 << 10;
pub(crate) const MEMORY_BYTES: usize = 4 << 20;

/// The first preopened directory.
pub(crate) const ROOT: u32 = 3;

/// An implementation of the interface.
pub(crate) trait Wasi {
    fn call(&mut self, memory: &mut [u8], name: &str, args: &[u64]) -> anyhow::Result<Errno>;
}

/// This crate.
pub(crate) struct Ours {
    pub(crate) ctx: WasiCtx,
    pub(crate) waiter: Box<dyn Waiter>,
    pub(crate) snapshot: Snapshot,
}

impl Ours {
    pub(crate) fn new(ctx: WasiCtx) -> Self {
        Self { ctx, waiter: Box::new(PlainWaiter), snapshot: Snapshot::Preview1 }
    }
}

impl Wasi for Ours {
    fn call(&mut self, memory: &mut [u8], name: &str, args: &[u64]) -> anyhow::Result<Errno> {
        let memory = GuestMemory::Exclusive(memory);
        let calls = DirectCalls::with(&self.ctx, memory, &*self.waiter);
        calls.snapshot(self.snapshot).call(name, args).unwrap_or_else(|| panic!("no {name}"))
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Errno>;

pub(crate) struct Guest<W = Ours> {
    pub(crate) wasi: W,
    pub(crate) memory: Vec<u8>,
}

/// A directory entry as a guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) ino: u64,
    pub(crate) filetype: u8,
    pub(crate) next: u64,
}

impl Guest {
    /// A guest with the directory `dir` as its root.
    pub(crate) fn in_dir(dir: &Path) -> Self {
        Self::new(WasiCtx::builder().preopened_dir(dir, "/").build().unwrap())
    }

    pub(crate) fn new(ctx: WasiCtx) -> Self {
        Self::with(Ours::new(ctx))
    }
}

impl<W: Wasi> Guest<W> {
    pub(crate) fn with(wasi: W) -> Self {
        Self { wasi, memory: vec![0; MEMORY_BYTES] }
    }

    /// Calls a function that must not end the guest.
    pub(crate) fn call(&mut self, name: &str, args: &[u64]) -> Outcome {
        match self.wasi.call(&mut self.memory, name, args).unwrap() {
            Errno::Success => Ok(()),
            errno => Err(errno),
        }
    }

    pub(crate) fn put(&mut self, address: u32, bytes: &[u8]) {
        self.memory[address as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn bytes(&self, address: u32, len: u32) -> Vec<u8> {
        self.memory[address as usize..][..len as usize].to_vec()
    }

    pub(crate) fn array<const N: usize>(&self, address: u32) -> [u8; N] {
        self.memory[address as usize..][..N].try_into().unwrap()
    }

    pub(crate) fn u32_at(&self, address: u32) -> u32 {
        u32::from_le_bytes(self.array(address))
    }

    pub(crate) fn u64_at(&self, address: u32) -> u64 {
        u64::from_le_bytes(self.array(address))
    }

    fn path(&mut self, address: u32, path: &str) -> [u64; 2] {
        self.put(address, path.as_bytes());
        [address.into(), path.len() as u64]
    }

    /// Writes a vector of buffers and returns its address and length.
    pub(crate) fn vectors(&mut self, buffers: &[(u32, u32)]) -> [u64; 2] {
        for (index, (buf, len)) in buffers.iter().enumerate() {
            let at = VECTORS + u32::try_from(index).unwrap() * 8;
            self.put(at, &buf.to_le_bytes());
            self.put(at + 4, &len.to_le_bytes());
        }
        [VECTORS.into(), buffers.len() as u64]
    }

    /// Opens with every right and follows links.
    pub(crate) fn open(&mut self, path: &str, oflags: u16) -> Outcome<u32> {
        self.open_at(ROOT, 1, path, oflags, ALL_FILE_RIGHTS, 0)
    }

    pub(crate) fn create(&mut self, path: &str, contents: &[u8]) {
        let fd = self.open(path, oflags::CREAT | oflags::TRUNC).unwrap();
        assert_eq!(self.write(fd, contents).unwrap() as usize, contents.len());
        self.close(fd).unwrap();
    }

    pub(crate) fn open_dir(&mut self, path: &str) -> Outcome<u32> {
        self.open_at(ROOT, 1, path, oflags::DIRECTORY, rights::ALL & !rights::FD_WRITE, 0)
    }

    pub(crate) fn open_at(
        &mut self,
        fd: u32,
        lookup: u32,
        path: &str,
        oflags: u16,
        base: u64,
        fdflags: u16,
    ) -> Outcome<u32> {
        let [path, len] = self.path(PATH_1, path);
        let args =
            [fd.into(), lookup.into(), path, len, oflags.into(), base, rights::ALL, fdflags.into()];
        self.call("path_open", &[&args[..], &[OUT.into()]].concat())?;
        Ok(self.u32_at(OUT))
    }

    pub(crate) fn close(&mut self, fd: u32) -> Outcome {
        self.call("fd_close", &[fd.into()])
    }

    pub(crate) fn read(&mut self, fd: u32, len: u32) -> Outcome<Vec<u8>> {
        let [iovs, count] = self.vectors(&[(DATA, len)]);
        self.call("fd_read", &[fd.into(), iovs, count, OUT.into()])?;
        Ok(self.bytes(DATA, self.u32_at(OUT)))
    }

    pub(crate) fn write(&mut self, fd: u32, bytes: &[u8]) -> Outcome<u32> {
        self.put(DATA, bytes);
        let [iovs, count] = self.vectors(&[(DATA, u32::try_from(bytes.len()).unwrap())]);
        self.call("fd_write", &[fd.into(), iovs, count, OUT.into()])?;
        Ok(self.u32_at(OUT))
    }

    pub(crate) fn pread(&mut self, fd: u32, len: u32, offset: u64) -> Outcome<Vec<u8>> {
        let [iovs, count] = self.vectors(&[(DATA, len)]);
        self.call("fd_pread", &[fd.into(), iovs, count, offset, OUT.into()])?;
        Ok(self.bytes(DATA, self.u32_at(OUT)))
    }

    pub(crate) fn pwrite(&mut self, fd: u32, bytes: &[u8], offset: u64) -> Outcome<u32> {
        self.put(DATA, bytes);
        let [iovs, count] = self.vectors(&[(DATA, u32::try_from(bytes.len()).unwrap())]);
        self.call("fd_pwrite", &[fd.into(), iovs, count, offset, OUT.into()])?;
        Ok(self.u32_at(OUT))
    }

    pub(crate) fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Outcome<u64> {
        self.call("fd_seek", &[fd.into(), offset.cast_unsigned(), whence.into(), OUT.into()])?;
        Ok(self.u64_at(OUT))
    }

    pub(crate) fn tell(&mut self, fd: u32) -> Outcome<u64> {
        self.call("fd_tell", &[fd.into(), OUT.into()])?;
        Ok(self.u64_at(OUT))
    }

    pub(crate) fn fdstat(&mut self, fd: u32) -> Outcome<Fdstat> {
        self.call("fd_fdstat_get", &[fd.into(), OUT.into()])?;
        Ok(Fdstat::from_bytes(&self.array(OUT)))
    }

    pub(crate) fn filestat(&mut self, fd: u32) -> Outcome<Filestat> {
        self.call("fd_filestat_get", &[fd.into(), OUT.into()])?;
        Ok(Filestat::from_bytes(&self.array(OUT)))
    }

    pub(crate) fn path_filestat(&mut self, lookup: u32, path: &str) -> Outcome<Filestat> {
        let [path, len] = self.path(PATH_1, path);
        self.call("path_filestat_get", &[ROOT.into(), lookup.into(), path, len, OUT.into()])?;
        Ok(Filestat::from_bytes(&self.array(OUT)))
    }

    pub(crate) fn path_times(
        &mut self,
        lookup: u32,
        path: &str,
        times: [u64; 2],
        flags: u16,
    ) -> Outcome {
        let [path, len] = self.path(PATH_1, path);
        let args = [ROOT.into(), lookup.into(), path, len, times[0], times[1], flags.into()];
        self.call("path_filestat_set_times", &args)
    }

    /// A function of a directory and one path.
    pub(crate) fn at(&mut self, name: &str, fd: u32, path: &str) -> Outcome {
        let [path, len] = self.path(PATH_1, path);
        self.call(name, &[fd.into(), path, len])
    }

    pub(crate) fn mkdir(&mut self, path: &str) -> Outcome {
        self.at("path_create_directory", ROOT, path)
    }

    pub(crate) fn rmdir(&mut self, path: &str) -> Outcome {
        self.at("path_remove_directory", ROOT, path)
    }

    pub(crate) fn unlink(&mut self, path: &str) -> Outcome {
        self.at("path_unlink_file", ROOT, path)
    }

    pub(crate) fn rename(&mut self, from: (u32, &str), to: (u32, &str)) -> Outcome {
        let [old, old_len] = self.path(PATH_1, from.1);
        let [new, new_len] = self.path(PATH_2, to.1);
        self.call("path_rename", &[from.0.into(), old, old_len, to.0.into(), new, new_len])
    }

    pub(crate) fn link(&mut self, lookup: u32, from: (u32, &str), to: (u32, &str)) -> Outcome {
        let [old, old_len] = self.path(PATH_1, from.1);
        let [new, new_len] = self.path(PATH_2, to.1);
        let args = [from.0.into(), lookup.into(), old, old_len, to.0.into(), new, new_len];
        self.call("path_link", &args)
    }

    pub(crate) fn symlink(&mut self, contents: &str, path: &str) -> Outcome {
        let [old, old_len] = self.path(PATH_1, contents);
        let [new, new_len] = self.path(PATH_2, path);
        self.call("path_symlink", &[old, old_len, ROOT.into(), new, new_len])
    }

    pub(crate) fn readlink(&mut self, path: &str, len: u32) -> Outcome<String> {
        let [path, path_len] = self.path(PATH_1, path);
        let args = [ROOT.into(), path, path_len, DATA.into(), len.into(), OUT.into()];
        self.call("path_readlink", &args)?;
        Ok(String::from_utf8(self.bytes(DATA, self.u32_at(OUT))).unwrap())
    }

    /// One call of `fd_readdir`: its whole entries, and whether the buffer was not filled.
    pub(crate) fn readdir(
        &mut self,
        fd: u32,
        len: u32,
        cookie: u64,
    ) -> Outcome<(Vec<Entry>, bool)> {
        self.call("fd_readdir", &[fd.into(), DATA.into(), len.into(), cookie, OUT.into()])?;
        let used = self.u32_at(OUT);
        let mut bytes = &self.bytes(DATA, used)[..];
        let mut entries = Vec::new();
        while let Some((head, rest)) = bytes.split_at_checked(Dirent::SIZE) {
            let head = Dirent::from_bytes(head.try_into().unwrap());
            let Some((name, rest)) = rest.split_at_checked(head.d_namlen as usize) else { break };
            entries.push(Entry {
                name: String::from_utf8(name.to_vec()).unwrap(),
                ino: head.d_ino,
                filetype: head.d_type,
                next: head.d_next,
            });
            bytes = rest;
        }
        Ok((entries, used < len))
    }

    /// All entries of a directory, read with buffers of `len` bytes.
    pub(crate) fn entries(&mut self, fd: u32, len: u32) -> Outcome<Vec<Entry>> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let cookie = all.last().map_or(0, |entry| entry.next);
            let (entries, end) = self.readdir(fd, len, cookie)?;
            assert!(end || !entries.is_empty(), "the buffer is too small for an entry");
            all.extend(entries);
            if end {
                return Ok(all);
            }
        }
    }

    pub(crate) fn poll(&mut self, subscriptions: &[Subscription]) -> Outcome<Vec<Event>> {
        for (index, subscription) in (0..).zip(subscriptions) {
            self.put(DATA + index * 48, &subscription.to_bytes());
        }
        let events = DATA + 48 * u32::try_from(subscriptions.len()).unwrap();
        let args = [DATA.into(), events.into(), subscriptions.len() as u64, OUT.into()];
        self.call("poll_oneoff", &args)?;
        let count = self.u32_at(OUT);
        Ok((0..count).map(|i| Event::from_bytes(&self.array(events + i * 32))).collect())
    }
}

pub(crate) const ALL_FILE_RIGHTS: u64 = rights::FD_READ
    | rights::FD_WRITE
    | rights::FD_SEEK
    | rights::FD_TELL
    | rights::FD_SYNC
    | rights::FD_DATASYNC
    | rights::FD_ADVISE
    | rights::FD_ALLOCATE
    | rights::FD_FDSTAT_SET_FLAGS
    | rights::FD_FILESTAT_GET
    | rights::FD_FILESTAT_SET_SIZE
    | rights::FD_FILESTAT_SET_TIMES
    | rights::POLL_FD_READWRITE;

/// A directory of the host that is removed at the end.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wasi-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A small generator of reproducible numbers (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
