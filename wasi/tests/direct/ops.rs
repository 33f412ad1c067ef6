//! Random operations, the same for a model, for this crate and for an oracle.

use crate::common::{ALL_FILE_RIGHTS, Guest, Outcome, ROOT, Random, Wasi};
use upshift_wasi::types::{Filetype, fdflags, fstflags, oflags, rights, whence};

/// An operation. Descriptors are named by slots, as implementations number them differently.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Open { path: String, lookup: u32, oflags: u16, base: u64, fdflags: u16 },
    Close(usize),
    Renumber(usize, usize),
    Read(usize, u32),
    Write(usize, Vec<u8>),
    Pread(usize, u32, u64),
    Pwrite(usize, Vec<u8>, u64),
    Seek(usize, i64, u32),
    Tell(usize),
    SetSize(usize, u64),
    Stat(usize),
    Entries(usize),
    PathStat(u32, String),
    PathTimes(u32, String, u64),
    Mkdir(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    Readlink(String),
}

pub(crate) const SLOTS: usize = 6;

/// What an operation gives, without what no two runs share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Nothing,
    Number(u64),
    Bytes(Vec<u8>),
    Text(String),
    /// Type, and for all but directories links and size.
    Stat(u8, Option<(u64, u64)>),
    Entries(Vec<(String, u8)>),
}

/// How paths are made: plain names, or all that a guest can think of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    Plain,
    Wild,
}

pub(crate) fn random_op(random: &mut Random, paths: Paths) -> Op {
    let slot = random.below(SLOTS);
    let path = random_path(random, paths);
    let lookup = u32::from(random.below(2) == 0);
    let bytes = vec![u8::try_from(random.below(256)).unwrap(); random.below(40)];
    let number = random.below(60) as u64;
    match random.below(24) {
        0..=3 => random_open(random, path, lookup),
        4 => Op::Close(slot),
        5 => Op::Renumber(slot, random.below(SLOTS)),
        6 => Op::Read(slot, u32::try_from(number).unwrap()),
        7 | 8 => Op::Write(slot, bytes),
        9 => Op::Pread(slot, 30, number),
        10 => Op::Pwrite(slot, bytes, number),
        11 => {
            let whence = *random.pick(&[whence::SET, whence::CUR, whence::END]);
            Op::Seek(slot, number.cast_signed() - 20, whence)
        }
        12 => Op::Tell(slot),
        13 => Op::SetSize(slot, number),
        14 => Op::Stat(slot),
        15 => Op::Entries(slot),
        16 => Op::PathStat(lookup, path),
        17 if random.below(3) == 0 => Op::PathTimes(lookup, path, number),
        17 | 18 => Op::Mkdir(path),
        19 => Op::Rmdir(path),
        20 => Op::Unlink(path),
        21 => Op::Rename(path, random_path(random, paths)),
        22 if random.below(2) == 0 => Op::Link(path, random_path(random, paths)),
        22 => Op::Symlink(random_path(random, paths), path),
        _ => Op::Readlink(path),
    }
}

fn random_open(random: &mut Random, path: String, lookup: u32) -> Op {
    let (creat, excl, trunc) = (oflags::CREAT, oflags::EXCL, oflags::TRUNC);
    let write = ALL_FILE_RIGHTS;
    let read = ALL_FILE_RIGHTS & !rights::FD_WRITE;
    let dir = read | rights::FD_READDIR;
    let (oflags, base) = *random.pick(&[
        (0, read),
        (0, write),
        (0, dir),
        (creat, write),
        (creat, write),
        (creat | excl, write),
        (creat | trunc, write),
        (trunc, write),
        (oflags::DIRECTORY, dir),
        (oflags::DIRECTORY, dir),
        (oflags::DIRECTORY, write),
        (oflags::DIRECTORY | creat, read),
    ]);
    let append = random.below(8) == 0 && oflags & trunc == 0;
    let fdflags = if append { fdflags::APPEND } else { 0 };
    Op::Open { path, lookup, oflags, base, fdflags }
}

fn random_path(random: &mut Random, paths: Paths) -> String {
    let names: &[&str] = match paths {
        Paths::Plain => &["a", "b", "c", "d"],
        Paths::Wild => &["a", "b", "c", "a", "b", "c", "..", ".", ""],
    };
    let count = 1 + random.below(3);
    let mut path = (0..count).map(|_| *random.pick(names)).collect::<Vec<_>>().join("/");
    if paths == Paths::Wild {
        match random.below(20) {
            0..=2 => path.push('/'),
            3 => path.push_str("/."),
            4 => path.insert(0, '/'),
            _ => {}
        }
    }
    path
}

/// The descriptors of a run.
pub(crate) struct Run<W> {
    pub(crate) guest: Guest<W>,
    slots: [u32; SLOTS],
}

/// A number that is never open.
const CLOSED: u32 = 1 << 20;

impl<W: Wasi> Run<W> {
    pub(crate) fn new(guest: Guest<W>) -> Self {
        Self { guest, slots: [CLOSED; SLOTS] }
    }

    pub(crate) fn apply(&mut self, op: &Op, random_slot: usize) -> Outcome<Value> {
        let (guest, slots) = (&mut self.guest, &mut self.slots);
        let nothing = |outcome: Outcome| outcome.map(|()| Value::Nothing);
        match op {
            Op::Open { path, lookup, oflags, base, fdflags } => {
                let fd = guest.open_at(ROOT, *lookup, path, *oflags, *base, *fdflags)?;
                let old = std::mem::replace(&mut slots[random_slot], fd);
                if old != CLOSED {
                    guest.close(old)?;
                }
                Ok(Value::Nothing)
            }
            Op::Close(slot) => nothing(guest.close(std::mem::replace(&mut slots[*slot], CLOSED))),
            Op::Renumber(from, to) => {
                guest.call("fd_renumber", &[slots[*from].into(), slots[*to].into()])?;
                if from != to {
                    slots[*from] = CLOSED;
                }
                Ok(Value::Nothing)
            }
            Op::Read(slot, len) => guest.read(slots[*slot], *len).map(Value::Bytes),
            Op::Write(slot, bytes) => {
                guest.write(slots[*slot], bytes).map(|len| Value::Number(len.into()))
            }
            Op::Pread(slot, len, at) => guest.pread(slots[*slot], *len, *at).map(Value::Bytes),
            Op::Pwrite(slot, bytes, at) => {
                guest.pwrite(slots[*slot], bytes, *at).map(|len| Value::Number(len.into()))
            }
            Op::Seek(slot, offset, whence) => {
                guest.seek(slots[*slot], *offset, *whence).map(Value::Number)
            }
            Op::Tell(slot) => guest.tell(slots[*slot]).map(Value::Number),
            Op::SetSize(slot, size) => {
                nothing(guest.call("fd_filestat_set_size", &[slots[*slot].into(), *size]))
            }
            Op::Stat(slot) => guest.filestat(slots[*slot]).map(stat),
            Op::Entries(slot) => guest.entries(slots[*slot], 300).map(|entries| {
                let pairs = entries.into_iter().map(|entry| (entry.name, entry.filetype));
                let mut pairs: Vec<_> = pairs.collect();
                pairs.sort();
                Value::Entries(pairs)
            }),
            Op::PathStat(lookup, path) => guest.path_filestat(*lookup, path).map(stat),
            Op::PathTimes(lookup, path, time) => {
                guest.path_times(*lookup, path, [0, *time], fstflags::MTIM)?;
                guest.path_filestat(*lookup, path).map(|stat| Value::Number(stat.mtim))
            }
            Op::Mkdir(path) => nothing(guest.mkdir(path)),
            Op::Rmdir(path) => nothing(guest.rmdir(path)),
            Op::Unlink(path) => nothing(guest.unlink(path)),
            Op::Rename(from, to) => nothing(guest.rename((ROOT, from), (ROOT, to))),
            Op::Link(from, to) => nothing(guest.link(0, (ROOT, from), (ROOT, to))),
            Op::Symlink(contents, path) => nothing(guest.symlink(contents, path)),
            Op::Readlink(path) => guest.readlink(path, 100).map(Value::Text),
        }
    }
}

fn stat(stat: upshift_wasi::types::Filestat) -> Value {
    let is_dir = stat.filetype == Filetype::Directory as u8;
    Value::Stat(stat.filetype, (!is_dir).then_some((stat.nlink, stat.size)))
}
