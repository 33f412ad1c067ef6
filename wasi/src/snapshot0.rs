//! `wasi_unstable`, the snapshot before preview 1: the same functions, with other layouts of file
//! attributes and subscriptions and another order of `fd_seek`'s codes.

use crate::call::Env;
use crate::error::Result;
use crate::memory::Span;
use crate::poll::{Poll, poll_with};
use crate::types::{Errno, Filestat, Subscription, eventtype, whence};

/// Bytes of this snapshot's file attributes: the number of links takes four.
const FILESTAT_BYTES: usize = 56;

/// Bytes of this snapshot's subscriptions: a clock has an identifier more.
const SUBSCRIPTION_BYTES: usize = 56;

pub(crate) fn fd_seek(env: &mut Env<'_>, fd: u32, offset: i64, from: u32, out: u32) -> Result {
    let from = match from {
        0 => whence::CUR,
        1 => whence::END,
        2 => whence::SET,
        _ => return Err(Errno::Inval.into()),
    };
    crate::fd::fd_seek(env, fd, offset, from, out)
}

pub(crate) fn fd_filestat_get(env: &mut Env<'_>, fd: u32, out: u32) -> Result {
    let filestat = crate::fd::filestat(env, fd)?;
    env.memory.write(out, &filestat_bytes(&filestat))?;
    Ok(())
}

pub(crate) fn path_filestat_get(
    env: &mut Env<'_>,
    fd: u32,
    lookup: u32,
    path: Span,
    out: u32,
) -> Result {
    let filestat = crate::path::filestat(env, fd, lookup, path)?;
    env.memory.write(out, &filestat_bytes(&filestat))?;
    Ok(())
}

pub(crate) fn poll_oneoff(env: &mut Env<'_>, poll: &Poll) -> Result {
    poll_with(env, poll, SUBSCRIPTION_BYTES, |env, address| {
        Ok(subscription(&env.memory.read_array(address)?))
    })
}

/// `dev ino | filetype .. nlink | size atim mtim ctim`.
fn filestat_bytes(filestat: &Filestat) -> [u8; FILESTAT_BYTES] {
    let nlink = u32::try_from(filestat.nlink).unwrap_or(u32::MAX);
    let mut bytes = [0; FILESTAT_BYTES];
    bytes[..8].copy_from_slice(&filestat.dev.to_le_bytes());
    bytes[8..16].copy_from_slice(&filestat.ino.to_le_bytes());
    bytes[16] = filestat.filetype;
    bytes[20..24].copy_from_slice(&nlink.to_le_bytes());
    let rest = [filestat.size, filestat.atim, filestat.mtim, filestat.ctim];
    for (slot, value) in bytes[24..].chunks_exact_mut(8).zip(rest) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// `userdata | tag .. | identifier | clock .. | timeout precision | flags ..`; a descriptor is where
/// the identifier would be.
fn subscription(bytes: &[u8; SUBSCRIPTION_BYTES]) -> Subscription {
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let half =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let tag = bytes[8];
    Subscription {
        userdata: word(0),
        tag,
        reserved: 0,
        id: if tag == eventtype::CLOCK { half(24) } else { half(16) },
        timeout: word(32),
        precision: word(40),
        flags: u16::from_le_bytes([bytes[48], bytes[49]]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_lie_as_in_the_snapshot() {
        let filestat =
            Filestat { dev: 1, ino: 2, filetype: 4, nlink: 3, size: 5, atim: 6, mtim: 7, ctim: 8 };
        let bytes = filestat_bytes(&filestat);
        for (at, value) in [(0, 1), (8, 2), (16, 4), (20, 3), (24, 5), (32, 6), (40, 7), (48, 8)] {
            assert_eq!(bytes[at], value, "at {at}");
        }
    }

    #[test]
    fn subscriptions_lie_as_in_the_snapshot() {
        let mut bytes = [0; SUBSCRIPTION_BYTES];
        (bytes[0], bytes[16], bytes[24], bytes[32], bytes[40], bytes[48]) = (9, 8, 1, 7, 6, 1);
        let clock = subscription(&bytes);
        assert_eq!((clock.userdata, clock.id, clock.timeout, clock.precision), (9, 1, 7, 6));
        assert_eq!(clock.flags, 1);
        bytes[8] = eventtype::FD_READ;
        assert_eq!(subscription(&bytes).id, 8);
    }
}
