//! Functions on descriptors that move no data.

use crate::call::Env;
use crate::clock::to_nanoseconds;
use crate::descriptor::{Descriptor, Kind};
use crate::error::Result;
use crate::memory::Span;
use crate::types::{
    Errno, Fdstat, Filestat, Filetype, PREOPENTYPE_DIR, Prestat, fdflags, fstflags, rights, whence,
};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{
    Advice, FallocateFlags, FileType, SeekFrom, Stat, Timestamps, UTIME_NOW, UTIME_OMIT,
};
use rustix::time::Timespec;
use std::num::NonZeroU64;
use std::sync::Arc;

pub(crate) fn fd_advise(env: &mut Env<'_>, fd: u32, offset: u64, len: u64, advice: u32) -> Result {
    let descriptor = file(env, fd, rights::FD_ADVISE)?;
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    let host = host_file(&descriptor)?;
    Ok(rustix::fs::fadvise(host, offset, NonZeroU64::new(len), advice)?)
}

pub(crate) fn fd_allocate(env: &mut Env<'_>, fd: u32, offset: u64, len: u64) -> Result {
    let descriptor = file(env, fd, rights::FD_ALLOCATE)?;
    let end = offset.checked_add(len).ok_or(Errno::Fbig)?;
    if i64::try_from(end).is_err() {
        return Err(Errno::Fbig.into());
    }
    Ok(rustix::fs::fallocate(host_file(&descriptor)?, FallocateFlags::empty(), offset, len)?)
}

pub(crate) fn fd_close(env: &mut Env<'_>, fd: u32) -> Result {
    env.ctx.table.remove(fd)?;
    Ok(())
}

pub(crate) fn fd_datasync(env: &mut Env<'_>, fd: u32) -> Result {
    let descriptor = env.descriptor(fd, rights::FD_DATASYNC)?;
    Ok(rustix::fs::fdatasync(host_file(&descriptor)?)?)
}

pub(crate) fn fd_sync(env: &mut Env<'_>, fd: u32) -> Result {
    let descriptor = env.descriptor(fd, rights::FD_SYNC)?;
    Ok(rustix::fs::fsync(host_file(&descriptor)?)?)
}

pub(crate) fn fd_fdstat_get(env: &mut Env<'_>, fd: u32, out: u32) -> Result {
    let descriptor = env.ctx.table.get(fd)?;
    let (base, inheriting) = descriptor.rights();
    let possible = match &descriptor.kind {
        Kind::Host(host) => host.class().rights(),
        Kind::Dir(_) | Kind::Input(_) | Kind::Output(_) => base,
    };
    let fdstat = Fdstat {
        fs_filetype: descriptor.filetype() as u8,
        fs_flags: descriptor.flags(),
        fs_rights_base: base & possible,
        fs_rights_inheriting: inheriting,
    };
    env.memory.write(out, &fdstat.to_bytes())?;
    Ok(())
}

pub(crate) fn fd_fdstat_set_flags(env: &mut Env<'_>, fd: u32, flags: u32) -> Result {
    let descriptor = file(env, fd, rights::FD_FDSTAT_SET_FLAGS)?;
    descriptor.set_flags(descriptor_flags(flags)?);
    Ok(())
}

pub(crate) fn fd_fdstat_set_rights(
    env: &mut Env<'_>,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Result {
    env.ctx.table.get(fd)?.limit_rights(base, inheriting)
}

pub(crate) fn fd_filestat_get(env: &mut Env<'_>, fd: u32, out: u32) -> Result {
    let filestat = filestat(env, fd)?;
    env.memory.write(out, &filestat.to_bytes())?;
    Ok(())
}

pub(crate) fn filestat(env: &Env<'_>, fd: u32) -> Result<Filestat> {
    let descriptor = env.descriptor(fd, rights::FD_FILESTAT_GET)?;
    let filetype = descriptor.filetype() as u8;
    match &descriptor.kind {
        Kind::Dir(_) | Kind::Host(_) => {
            let stat = rustix::fs::fstat(host_file(&descriptor)?)?;
            Ok(Filestat { filetype, ..host_filestat(&stat) })
        }
        Kind::Input(_) | Kind::Output(_) => Ok(Filestat { filetype, ..Filestat::default() }),
    }
}

pub(crate) fn fd_filestat_set_size(env: &mut Env<'_>, fd: u32, size: u64) -> Result {
    let descriptor = file(env, fd, rights::FD_FILESTAT_SET_SIZE)?;
    if i64::try_from(size).is_err() {
        return Err(Errno::Inval.into());
    }
    Ok(rustix::fs::ftruncate(host_file(&descriptor)?, size)?)
}

pub(crate) fn fd_filestat_set_times(
    env: &mut Env<'_>,
    fd: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Result {
    let descriptor = env.descriptor(fd, rights::FD_FILESTAT_SET_TIMES)?;
    let times = timestamps(atim, mtim, flags)?;
    Ok(rustix::fs::futimens(host_file(&descriptor)?, &times)?)
}

pub(crate) fn fd_prestat_get(env: &mut Env<'_>, fd: u32, out: u32) -> Result {
    // C libraries look for preopened directories until the first number that is `Badf`.
    let descriptor = env.ctx.table.get(fd)?;
    let Kind::Dir(dir) = &descriptor.kind else { return Err(Errno::Badf.into()) };
    let name = dir.preopen.as_ref().ok_or(Errno::Notsup)?;
    let pr_name_len = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    env.memory.write(out, &Prestat { tag: PREOPENTYPE_DIR, pr_name_len }.to_bytes())?;
    Ok(())
}

pub(crate) fn fd_prestat_dir_name(env: &mut Env<'_>, fd: u32, name: Span) -> Result {
    let descriptor = env.ctx.table.get(fd)?;
    let preopen = descriptor.dir()?.preopen.as_ref().ok_or(Errno::Notsup)?;
    if preopen.len() > name.len() {
        return Err(Errno::Nametoolong.into());
    }
    env.memory.write(name.address, preopen.as_bytes())?;
    Ok(())
}

pub(crate) fn fd_renumber(env: &mut Env<'_>, from: u32, to: u32) -> Result {
    Ok(env.ctx.table.renumber(from, to)?)
}

pub(crate) fn fd_seek(env: &mut Env<'_>, fd: u32, offset: i64, from: u32, out: u32) -> Result {
    env.memory.check(Span::new(out, 8))?;
    let position = match from {
        whence::SET => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        whence::CUR => SeekFrom::Current(offset),
        whence::END => SeekFrom::End(offset),
        _ => return Err(Errno::Inval.into()),
    };
    // Asking for the position is something that the right to tell it allows as well.
    let wanted = if position == SeekFrom::Current(0) { rights::FD_TELL } else { rights::FD_SEEK };
    let position = seek(env, fd, wanted, position)?;
    env.memory.write_u64(out, position)?;
    Ok(())
}

pub(crate) fn fd_tell(env: &mut Env<'_>, fd: u32, out: u32) -> Result {
    env.memory.check(Span::new(out, 8))?;
    let position = seek(env, fd, rights::FD_TELL, SeekFrom::Current(0))?;
    env.memory.write_u64(out, position)?;
    Ok(())
}

fn seek(env: &Env<'_>, fd: u32, wanted: u64, position: SeekFrom) -> Result<u64> {
    let descriptor = file(env, fd, 0)?;
    let Kind::Host(host) = &descriptor.kind else { return Err(Errno::Spipe.into()) };
    if host.class().rights() & rights::FD_SEEK == 0 {
        return Err(Errno::Spipe.into());
    }
    if descriptor.require(rights::FD_SEEK).is_err() {
        descriptor.require(wanted)?;
    }
    Ok(rustix::fs::seek(host.fd(), position)?)
}

/// A descriptor that is not a directory.
fn file(env: &Env<'_>, fd: u32, wanted: u64) -> Result<Arc<Descriptor>> {
    let descriptor = env.ctx.table.get(fd)?;
    if matches!(descriptor.kind, Kind::Dir(_)) {
        return Err(Errno::Badf.into());
    }
    descriptor.require(wanted)?;
    Ok(descriptor)
}

/// The host's file behind a descriptor; streams have none.
fn host_file(descriptor: &Descriptor) -> Result<BorrowedFd<'_>> {
    match &descriptor.kind {
        Kind::Dir(dir) => Ok(dir.file.as_fd()),
        Kind::Host(host) => Ok(host.fd()),
        Kind::Input(_) | Kind::Output(_) => Err(Errno::Inval.into()),
    }
}

/// The flags of a descriptor, if they exist.
pub(crate) fn descriptor_flags(flags: u32) -> Result<u16> {
    let flags = u16::try_from(flags).ok().filter(|flags| flags & !fdflags::ALL == 0);
    Ok(flags.ok_or(Errno::Inval)?)
}

fn host_filestat(stat: &Stat) -> Filestat {
    let time = |seconds, nanoseconds: u64| {
        to_nanoseconds(Timespec { tv_sec: seconds, tv_nsec: nanoseconds.cast_signed() })
    };
    Filestat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        filetype: Filetype::from(FileType::from_raw_mode(stat.st_mode)) as u8,
        nlink: stat.st_nlink,
        size: stat.st_size.cast_unsigned(),
        atim: time(stat.st_atime, stat.st_atime_nsec),
        mtim: time(stat.st_mtime, stat.st_mtime_nsec),
        ctim: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// The times to set, as the host wants them.
pub(crate) fn timestamps(atim: u64, mtim: u64, flags: u32) -> Result<Timestamps> {
    let flags = u16::try_from(flags).ok().filter(|flags| flags & !fstflags::ALL == 0);
    let flags = flags.ok_or(Errno::Inval)?;
    let time = |value: u64, set: u16, now: u16| -> Result<Timespec> {
        let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        match (flags & set != 0, flags & now != 0) {
            (true, true) => Err(Errno::Inval.into()),
            (true, false) => Ok(crate::clock::to_timespec(value)),
            (false, true) => Ok(special(UTIME_NOW)),
            (false, false) => Ok(special(UTIME_OMIT)),
        }
    };
    Ok(Timestamps {
        last_access: time(atim, fstflags::ATIM, fstflags::ATIM_NOW)?,
        last_modification: time(mtim, fstflags::MTIM, fstflags::MTIM_NOW)?,
    })
}
