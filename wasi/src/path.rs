//! Functions on paths.
//!
//! Every path is resolved by `cap-primitives`, relative to a directory that the guest holds and
//! never out of it; nothing here splits or joins paths. Where the host's call would block or act on
//! more than the guest may, the path is first resolved to a handle and the call made on that.

use crate::call::Env;
use crate::clock::to_nanoseconds;
use crate::descriptor::{DIRECTORY_BASE, Descriptor, Dir, Handle, HostFile, Kind};
use crate::error::Result;
use crate::fd::{descriptor_flags, timestamps};
use crate::memory::Span;
use crate::types::{Errno, Filestat, Filetype, lookupflags, oflags, rights};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_primitives::fs::{DirOptions, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::time::Timespec;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

/// The arguments of `path_open`.
pub(crate) struct Open {
    pub(crate) fd: u32,
    pub(crate) lookup: u32,
    pub(crate) path: Span,
    pub(crate) oflags: u32,
    pub(crate) base: u64,
    pub(crate) inheriting: u64,
    pub(crate) fdflags: u32,
    pub(crate) out: u32,
}

pub(crate) fn path_open(env: &mut Env<'_>, open: &Open) -> Result {
    env.memory.check(Span::new(open.out, 4))?;
    let parent = env.directory(open.fd, rights::PATH_OPEN)?;
    let follow = follow(open.lookup)?;
    let how = Opening::new(open, &parent)?;
    let path = env.path(open.path)?;
    let file = how.open(&parent.dir()?.file, Path::new(&path), follow)?;
    let descriptor = how.descriptor(file)?;
    let fd = env.ctx.table.insert(descriptor)?;
    env.memory.write_u32(open.out, fd)?;
    Ok(())
}

/// An opening that the directory's rights allow.
struct Opening {
    oflags: u16,
    fdflags: u16,
    /// Rights of the new descriptor: what is asked for, as far as the directory passes it on.
    base: u64,
    inheriting: u64,
}

impl Opening {
    fn new(open: &Open, parent: &Descriptor) -> Result<Self> {
        let flags = u16::try_from(open.oflags).ok().filter(|flags| flags & !oflags::ALL == 0);
        let oflags = flags.ok_or(Errno::Inval)?;
        let fdflags = descriptor_flags(open.fdflags)?;
        let others = oflags & (oflags::CREAT | oflags::EXCL | oflags::TRUNC);
        if oflags & oflags::DIRECTORY != 0 && others != 0 {
            return Err(Errno::Inval.into());
        }
        if oflags & oflags::CREAT != 0 {
            parent.require(rights::PATH_CREATE_FILE)?;
        }
        if oflags & oflags::TRUNC != 0 {
            parent.require(rights::PATH_FILESTAT_SET_SIZE)?;
        }
        let (_, passed_on) = parent.rights();
        if open.base & !passed_on & (rights::FD_READ | rights::FD_WRITE) != 0 {
            return Err(Errno::Notcapable.into());
        }
        Ok(Self {
            oflags,
            fdflags,
            base: open.base & passed_on,
            inheriting: open.inheriting & passed_on,
        })
    }

    fn has(&self, flag: u16) -> bool {
        self.oflags & flag != 0
    }

    fn open(&self, parent: &File, path: &Path, follow: FollowSymlinks) -> Result<File> {
        let write = self.base & rights::FD_WRITE != 0 || self.has(oflags::TRUNC);
        let mut options = OpenOptions::new();
        options
            .read(self.base & rights::FD_READ != 0 || !write)
            .write(write)
            .truncate(self.has(oflags::TRUNC))
            .follow(follow)
            // A pipe without a peer must not hold the host up; nor may a terminal take it over.
            .nonblock(true);
        let directory =
            if self.has(oflags::DIRECTORY) { OFlags::DIRECTORY } else { OFlags::empty() };
        options.custom_flags((OFlags::NOCTTY | directory).bits().cast_signed());
        let open = |options: &OpenOptions| cap_primitives::fs::open(parent, path, options);
        if !self.has(oflags::CREAT) {
            return Ok(open(&options)?);
        }
        // The library creates only files that it opens for writing. A file that exists and is not
        // to be written is opened as it is.
        if !write && !self.has(oflags::EXCL) {
            match open(&options) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => return self.refuse_directory(result?),
            }
        }
        options.write(true).create(true).create_new(self.has(oflags::EXCL));
        Ok(open(&options)?)
    }

    /// A directory cannot be created by opening it.
    fn refuse_directory(&self, file: File) -> Result<File> {
        if file.metadata()?.is_dir() { Err(Errno::Isdir.into()) } else { Ok(file) }
    }

    fn descriptor(&self, file: File) -> Result<Descriptor> {
        let descriptor = if file.metadata()?.is_dir() {
            let dir = Dir { file, preopen: None, position: Mutex::new(()) };
            Descriptor::new(Kind::Dir(dir), self.base & DIRECTORY_BASE, self.inheriting)
        } else {
            let file = HostFile::new(Handle::Owned(file));
            let base = self.base & file.class().rights();
            Descriptor::new(Kind::Host(file), base, self.inheriting).with_flags(self.fdflags)
        };
        Ok(descriptor)
    }
}

pub(crate) fn path_create_directory(env: &mut Env<'_>, fd: u32, path: Span) -> Result {
    let descriptor = env.directory(fd, rights::PATH_CREATE_DIRECTORY)?;
    let path = env.path(path)?;
    let file = &descriptor.dir()?.file;
    Ok(cap_primitives::fs::create_dir(file, Path::new(&path), &DirOptions::new())?)
}

pub(crate) fn path_filestat_get(
    env: &mut Env<'_>,
    fd: u32,
    lookup: u32,
    path: Span,
    out: u32,
) -> Result {
    let filestat = filestat(env, fd, lookup, path)?;
    env.memory.write(out, &filestat.to_bytes())?;
    Ok(())
}

pub(crate) fn filestat(env: &Env<'_>, fd: u32, lookup: u32, path: Span) -> Result<Filestat> {
    let descriptor = env.directory(fd, rights::PATH_FILESTAT_GET)?;
    let follow = follow(lookup)?;
    let path = env.path(path)?;
    // A slash at the end asks for the directory that a link leads to.
    let follow = if path.ends_with('/') { FollowSymlinks::Yes } else { follow };
    let metadata = cap_primitives::fs::stat(&descriptor.dir()?.file, Path::new(&path), follow)?;
    let time = |tv_sec, tv_nsec| to_nanoseconds(Timespec { tv_sec, tv_nsec });
    Ok(Filestat {
        dev: metadata.dev(),
        ino: metadata.ino(),
        filetype: Filetype::from(FileType::from_raw_mode(metadata.mode())) as u8,
        nlink: metadata.nlink(),
        size: metadata.size(),
        atim: time(metadata.atime(), metadata.atime_nsec()),
        mtim: time(metadata.mtime(), metadata.mtime_nsec()),
        ctim: time(metadata.ctime(), metadata.ctime_nsec()),
    })
}

pub(crate) fn path_filestat_set_times(
    env: &mut Env<'_>,
    (fd, lookup): (u32, u32),
    path: Span,
    (atim, mtim): (u64, u64),
    flags: u32,
) -> Result {
    let descriptor = env.directory(fd, rights::PATH_FILESTAT_SET_TIMES)?;
    let follow = follow(lookup)?;
    let times = timestamps(atim, mtim, flags)?;
    let path = env.path(path)?;
    let handle = resolve(&descriptor.dir()?.file, Path::new(&path), follow)?;
    Ok(rustix::fs::utimensat(&handle, "", &times, AtFlags::EMPTY_PATH)?)
}

pub(crate) fn path_link(
    env: &mut Env<'_>,
    (from_fd, lookup, from): (u32, u32, Span),
    (to_fd, to): (u32, Span),
) -> Result {
    let source = env.directory(from_fd, rights::PATH_LINK_SOURCE)?;
    let target = env.directory(to_fd, rights::PATH_LINK_TARGET)?;
    if follow(lookup)? == FollowSymlinks::Yes {
        return Err(Errno::Inval.into());
    }
    refuse_gain(&source, &target)?;
    let (from, to) = (env.path(from)?, env.path(to)?);
    Ok(cap_primitives::fs::hard_link(
        &source.dir()?.file,
        Path::new(&from),
        &target.dir()?.file,
        Path::new(&to),
    )?)
}

pub(crate) fn path_readlink(
    env: &mut Env<'_>,
    fd: u32,
    path: Span,
    buffer: Span,
    out: u32,
) -> Result {
    let descriptor = env.directory(fd, rights::PATH_READLINK)?;
    let path = env.path(path)?;
    let target = cap_primitives::fs::read_link(&descriptor.dir()?.file, Path::new(&path))?;
    let target = target.into_os_string().into_string().map_err(|_| Errno::Ilseq)?;
    let len = target.len().min(buffer.len());
    env.memory.write(buffer.address, &target.as_bytes()[..len])?;
    env.memory.write_u32(out, u32::try_from(len).map_err(|_| Errno::Overflow)?)?;
    Ok(())
}

pub(crate) fn path_remove_directory(env: &mut Env<'_>, fd: u32, path: Span) -> Result {
    let descriptor = env.directory(fd, rights::PATH_REMOVE_DIRECTORY)?;
    let path = env.path(path)?;
    // Only a directory can be removed, so a slash at the end says nothing; the library takes it for
    // the directory's own entry, which cannot be removed.
    let trimmed = path.trim_end_matches('/');
    let path = Path::new(if trimmed.is_empty() { path.as_str() } else { trimmed });
    Ok(cap_primitives::fs::remove_dir(&descriptor.dir()?.file, path)?)
}

pub(crate) fn path_rename(
    env: &mut Env<'_>,
    (from_fd, from): (u32, Span),
    (to_fd, to): (u32, Span),
) -> Result {
    let source = env.directory(from_fd, rights::PATH_RENAME_SOURCE)?;
    let target = env.directory(to_fd, rights::PATH_RENAME_TARGET)?;
    refuse_gain(&source, &target)?;
    let (from_path, to_path) = (env.path(from)?, env.path(to)?);
    let (from, to) = (Path::new(&from_path), Path::new(&to_path));
    let (source, target) = (&source.dir()?.file, &target.dir()?.file);
    // A slash at the end of the new name asks for a directory; the library drops it.
    if to_path.ends_with('/') {
        let renamed = cap_primitives::fs::stat(source, from, FollowSymlinks::No)?;
        if !renamed.is_dir() {
            return Err(Errno::Notdir.into());
        }
    }
    Ok(cap_primitives::fs::rename(source, from, target, to)?)
}

pub(crate) fn path_symlink(env: &mut Env<'_>, contents: Span, fd: u32, path: Span) -> Result {
    let descriptor = env.directory(fd, rights::PATH_SYMLINK)?;
    let (contents, path) = (env.path(contents)?, env.path(path)?);
    let file = &descriptor.dir()?.file;
    Ok(cap_primitives::fs::symlink(Path::new(&contents), file, Path::new(&path))?)
}

pub(crate) fn path_unlink_file(env: &mut Env<'_>, fd: u32, path: Span) -> Result {
    let descriptor = env.directory(fd, rights::PATH_UNLINK_FILE)?;
    let path = env.path(path)?;
    Ok(cap_primitives::fs::remove_file(&descriptor.dir()?.file, Path::new(&path))?)
}

fn follow(lookup: u32) -> Result<FollowSymlinks> {
    match lookup {
        0 => Ok(FollowSymlinks::No),
        lookupflags::SYMLINK_FOLLOW => Ok(FollowSymlinks::Yes),
        _ => Err(Errno::Inval.into()),
    }
}

/// A handle that only names what is at the path: it needs no permissions on it, opens no device and
/// waits for no pipe.
fn resolve(parent: &File, path: &Path, follow: FollowSymlinks) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(follow).custom_flags(OFlags::PATH.bits().cast_signed());
    Ok(cap_primitives::fs::open(parent, path, &options)?)
}

/// A file must not gain rights by a new name in a directory that passes on more.
fn refuse_gain(source: &Descriptor, target: &Descriptor) -> Result {
    let (_, held) = source.rights();
    let (_, gained) = target.rights();
    if gained & !held == 0 { Ok(()) } else { Err(Errno::Notcapable.into()) }
}
