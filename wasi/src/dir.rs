//! Reading directories.
//!
//! A cookie is the host's own position after an entry (`d_off`), so it stays good while entries come
//! and go, and going on costs no re-reading. Zero is the start.

use crate::call::Env;
use crate::descriptor::Dir;
use crate::error::{Result, Wait};
use crate::memory::Span;
use crate::stdio::lock;
use crate::types::{Dirent, Errno, Filetype, rights};
use cap_primitives::fs::{FollowSymlinks, MetadataExt};
use rustix::fs::{FileType, RawDir, RawDirEntry, SeekFrom};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of entries that one system call delivers.
const HOST_BYTES: usize = 8192;

/// Entries of one attempt.
const MAX_ENTRIES: usize = 4096;

pub(crate) fn fd_readdir(
    env: &mut Env<'_>,
    fd: u32,
    buffer: Span,
    cookie: u64,
    out: u32,
) -> Result {
    let descriptor = env.directory(fd, rights::FD_READDIR)?;
    env.memory.check(buffer)?;
    env.memory.check(Span::new(out, 4))?;
    let dir = descriptor.dir()?;
    let start = env.progress.cookie.unwrap_or(cookie);
    if i64::try_from(start).is_err() {
        return Err(Errno::Inval.into());
    }
    let _position = lock(&dir.position);
    rustix::fs::seek(&dir.file, SeekFrom::Start(start))?;
    let mut bytes = [const { MaybeUninit::uninit() }; HOST_BYTES];
    let mut entries = RawDir::new(&dir.file, &mut bytes);
    for _ in 0..MAX_ENTRIES {
        if env.progress.done == buffer.len {
            break;
        }
        let entry = match entries.next() {
            // A directory that has been removed has no entries, as C libraries have it.
            None | Some(Err(rustix::io::Errno::NOENT)) => return finish(env, out),
            Some(entry) => entry?,
        };
        let name = entry.file_name().to_bytes();
        append(env, buffer, &head(dir, &entry, name)?.to_bytes())?;
        append(env, buffer, name)?;
        env.progress.cookie = Some(entry.next_entry_cookie());
    }
    if env.progress.done == buffer.len { finish(env, out) } else { Err(Wait::pause()) }
}

fn finish(env: &mut Env<'_>, out: u32) -> Result {
    Ok(env.memory.write_u32(out, env.progress.done)?)
}

fn head(dir: &Dir, entry: &RawDirEntry<'_>, name: &[u8]) -> Result<Dirent> {
    let d_ino = if name == b".." {
        // What is above is none of the guest's business.
        rustix::fs::fstat(&dir.file)?.st_ino
    } else {
        entry.ino()
    };
    let filetype = match entry.file_type() {
        FileType::Unknown => {
            let path = Path::new(OsStr::from_bytes(name));
            match cap_primitives::fs::stat(&dir.file, path, FollowSymlinks::No) {
                Ok(metadata) => FileType::from_raw_mode(metadata.mode()),
                Err(_) => FileType::Unknown,
            }
        }
        known => known,
    };
    Ok(Dirent {
        d_next: entry.next_entry_cookie(),
        d_ino,
        d_namlen: u32::try_from(name.len()).map_err(|_| Errno::Overflow)?,
        d_type: Filetype::from(filetype) as u8,
    })
}

/// Appends what fits. An entry that is cut off fills the buffer, which tells the guest to come back
/// with the cookie before it.
fn append(env: &mut Env<'_>, buffer: Span, bytes: &[u8]) -> Result {
    let done = env.progress.done;
    let len = bytes.len().min((buffer.len - done) as usize);
    if len == 0 {
        return Ok(());
    }
    env.memory.write(buffer.address + done, &bytes[..len])?;
    env.progress.done += u32::try_from(len).map_err(|_| Errno::Overflow)?;
    Ok(())
}
