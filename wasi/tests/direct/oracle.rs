//! Random operations on this crate and on `wasi-common`, in two directories of the host: same error
//! codes, same results, apart from the differences listed in [`is_justified`].

use crate::common::{Guest, Outcome, Random, TempDir, Wasi};
use crate::ops::{Op, Paths, Run, SLOTS, Value, random_op};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use upshift_wasi::types::{Errno, rights};
use wasi_common::WasiCtx;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as preview1;
use wasi_common::sync::{Dir, WasiCtxBuilder, ambient_authority};
use wiggle::GuestMemory;

struct Oracle(WasiCtx);

impl Oracle {
    fn in_dir(dir: &TempDir) -> Guest<Self> {
        let dir = Dir::open_ambient_dir(&dir.0, ambient_authority()).unwrap();
        let mut builder = WasiCtxBuilder::new();
        builder.preopened_dir(dir, "/").unwrap();
        Guest::with(Self(builder.build()))
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the oracle is synchronous"),
    }
}

macro_rules! dispatch {
    ($ctx:expr, $memory:expr, $name:expr, $args:expr;
        $($function:ident($($arg:ident: $ty:ident),*);)*) => {
        match ($name, $args) {
            $((stringify!($function), &[$($arg),*]) => {
                now(preview1::$function($ctx, $memory $(, dispatch!(@ $ty $arg))*))
            })*
            (name, args) => panic!("{name} with {} arguments", args.len()),
        }
    };
    (@ i32 $arg:ident) => { u32::try_from($arg).unwrap().cast_signed() };
    (@ i64 $arg:ident) => { $arg.cast_signed() };
}

impl Wasi for Oracle {
    fn call(&mut self, memory: &mut [u8], name: &str, args: &[u64]) -> anyhow::Result<Errno> {
        let memory = &mut GuestMemory::Unshared(memory);
        let errno = dispatch! { &mut self.0, memory, name, args;
            fd_close(a: i32);
            fd_filestat_get(a: i32, b: i32);
            fd_filestat_set_size(a: i32, b: i64);
            fd_pread(a: i32, b: i32, c: i32, d: i64, e: i32);
            fd_pwrite(a: i32, b: i32, c: i32, d: i64, e: i32);
            fd_read(a: i32, b: i32, c: i32, d: i32);
            fd_readdir(a: i32, b: i32, c: i32, d: i64, e: i32);
            fd_renumber(a: i32, b: i32);
            fd_seek(a: i32, b: i64, c: i32, d: i32);
            fd_tell(a: i32, b: i32);
            fd_write(a: i32, b: i32, c: i32, d: i32);
            path_create_directory(a: i32, b: i32, c: i32);
            path_filestat_get(a: i32, b: i32, c: i32, d: i32, e: i32);
            path_filestat_set_times(a: i32, b: i32, c: i32, d: i32, e: i64, f: i64, g: i32);
            path_link(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32);
            path_open(a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32);
            path_readlink(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
            path_remove_directory(a: i32, b: i32, c: i32);
            path_rename(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
            path_symlink(a: i32, b: i32, c: i32, d: i32, e: i32);
            path_unlink_file(a: i32, b: i32, c: i32);
        }?;
        Ok(Errno::ALL[usize::try_from(errno).unwrap()])
    }
}

/// Whether a difference is meant.
fn is_justified(op: &Op, ours: &Outcome<Value>, theirs: &Outcome<Value>) -> bool {
    match (op, ours, theirs) {
        // Rights are checked here; the oracle checks none but reading and writing.
        (Op::Entries(_), Err(Errno::Notcapable), Ok(_)) => true,
        // What a file cannot do as a directory is `Notdir`, as on the host; there it is `Badf`.
        (Op::Entries(_), Err(Errno::Notdir), Err(Errno::Badf)) => true,
        // A link that is not followed is no directory, as the host says.
        (Op::Open { lookup: 0, .. }, Err(Errno::Notdir), Err(Errno::Loop)) => true,
        // A file cannot become what a slash at the end says is a directory.
        (Op::Rename(_, to), Err(Errno::Notdir), Ok(_)) => to.ends_with('/'),
        // Of two errors, the one of the old name comes first then.
        (Op::Rename(_, to), Err(_), Err(_)) => to.ends_with('/'),
        // A slash after a name means the directory that it leads to.
        (Op::PathStat(0, path), _, Ok(_)) => path.ends_with('/'),
        (Op::PathTimes(0, path, _), Ok(_), Ok(_)) => path.ends_with('/'),
        // Not so where one is removed, as links themselves cannot be.
        (Op::Rmdir(path), Ok(_), Err(Errno::Inval)) => path.ends_with('/'),
        (Op::Rmdir(path), Err(_), Err(_)) => path.ends_with('/'),
        // A directory that has been removed has no entries, not even its own.
        (Op::Entries(_), Ok(Value::Entries(ours)), Ok(Value::Entries(theirs))) => {
            ours.is_empty() && theirs.len() == 2
        }
        _ => false,
    }
}

#[test]
fn random_operations_do_what_the_oracle_does() {
    let mut differences = Vec::new();
    for seed in 1..=60 {
        let (ours_dir, theirs_dir) = (TempDir::new(), TempDir::new());
        let mut ours_run = Run::new(Guest::in_dir(&ours_dir.0));
        let mut theirs_run = Run::new(Oracle::in_dir(&theirs_dir));
        let mut random = Random(seed * 0x9e37_79b9_7f4a);
        let mut log = Vec::new();
        for _ in 0..400 {
            let mut op = random_op(&mut random, Paths::Wild);
            if let Op::Open { fdflags, base, .. } = &mut op
                && *base & rights::FD_WRITE == 0
            {
                // To append is a way to write, not the right to; but the oracle opens for writing.
                *fdflags = 0;
            }
            let slot = random.below(SLOTS);
            let (ours, theirs) = (ours_run.apply(&op, slot), theirs_run.apply(&op, slot));
            log.push(format!("{op:?} in {slot}: {ours:?}"));
            if ours == theirs {
                continue;
            }
            if !is_justified(&op, &ours, &theirs) {
                let last = &log[log.len().saturating_sub(40)..];
                let last = last.join("\n");
                differences.push(format!("{last}\nbut {theirs:?} there (seed {seed})"));
                break;
            }
            if ours.is_ok() != theirs.is_ok() {
                // The two file systems may have gone apart.
                break;
            }
        }
    }
    let count = differences.len();
    assert!(differences.is_empty(), "{count} differences:\n{}", differences.join("\n\n"));
}
