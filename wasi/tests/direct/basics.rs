//! Functions that need no file system, and arguments that no honest guest passes.

use crate::common::{DATA, Guest, OUT, Ours, Random, TempDir, Wasi};
use upshift_wasi::types::{Errno, Fdstat, Filetype, clockid};
use upshift_wasi::{FUNCTIONS, I32Exit, MemoryInputPipe, MemoryOutputPipe, Snapshot, WasiCtx};

fn strings(guest: &mut Guest, get: &str, sizes: &str) -> Vec<String> {
    guest.call(sizes, &[OUT.into(), (OUT + 4).into()]).unwrap();
    let (count, bytes) = (guest.u32_at(OUT), guest.u32_at(OUT + 4));
    guest.call(get, &[u64::from(DATA), u64::from(DATA) + 4096]).unwrap();
    let buffer = guest.bytes(DATA + 4096, bytes);
    (0..count)
        .map(|i| {
            let start = (guest.u32_at(DATA + i * 4) - DATA - 4096) as usize;
            let len = buffer[start..].iter().position(|&b| b == 0).unwrap();
            String::from_utf8(buffer[start..start + len].to_vec()).unwrap()
        })
        .collect()
}

#[test]
fn there_are_46_functions() {
    assert_eq!(FUNCTIONS.len(), 46);
}

#[test]
fn arguments_and_environment() {
    let mut builder = WasiCtx::builder();
    builder.arg("program").args(["", "äöü", "x=y"]).env("A", "1").envs([("B", "2=3")]);
    let mut guest = Guest::new(builder.build().unwrap());
    assert_eq!(strings(&mut guest, "args_get", "args_sizes_get"), ["program", "", "äöü", "x=y"]);
    assert_eq!(strings(&mut guest, "environ_get", "environ_sizes_get"), ["A=1", "B=2=3"]);
    assert!(WasiCtx::builder().arg("a\0b").build().is_err());
    assert!(WasiCtx::builder().preopened_dir("/does/not/exist", "/").build().is_err());
}

#[test]
fn clocks() {
    let mut guest = Guest::new(WasiCtx::builder().build().unwrap());
    let mut now = |clock: u32| {
        guest.call("clock_time_get", &[clock.into(), 0, OUT.into()]).map(|()| guest.u64_at(OUT))
    };
    let unix = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    assert!(u128::from(now(clockid::REALTIME).unwrap()) >= unix);
    let first = now(clockid::MONOTONIC).unwrap();
    assert!(now(clockid::MONOTONIC).unwrap() >= first);
    assert!(now(clockid::PROCESS_CPUTIME).unwrap() > 0);
    assert!(now(clockid::THREAD_CPUTIME).unwrap() > 0);
    assert_eq!(now(4), Err(Errno::Inval));
    for clock in 0..4 {
        guest.call("clock_res_get", &[clock, OUT.into()]).unwrap();
        assert!((1..=10_000_000).contains(&guest.u64_at(OUT)));
    }
    assert_eq!(guest.call("clock_res_get", &[u64::MAX, OUT.into()]), Err(Errno::Inval));
}

#[test]
fn random_bytes_fill_the_whole_buffer() {
    let mut guest = Guest::new(WasiCtx::builder().build().unwrap());
    let len = 1 << 20;
    guest.call("random_get", &[DATA.into(), len]).unwrap();
    let bytes = guest.bytes(DATA, 1 << 20);
    for chunk in bytes.chunks(64) {
        assert!(chunk.iter().any(|&b| b != 0));
    }
    assert!(guest.memory[DATA as usize + bytes.len()..].iter().all(|&b| b == 0));
    assert_eq!(guest.call("random_get", &[0, u64::from(u32::MAX)]), Err(Errno::Fault));
    guest.call("random_get", &[0, 0]).unwrap();
}

#[test]
fn the_end_of_a_process_is_an_error() {
    let mut guest = Guest::new(WasiCtx::builder().build().unwrap());
    for status in [0, 1, 125, 200, u32::MAX] {
        let error = guest.wasi.call(&mut [], "proc_exit", &[status.into()]).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&I32Exit(status.cast_signed())));
    }
    assert_eq!(guest.call("proc_raise", &[6]), Err(Errno::Notsup));
    assert_eq!(guest.call("proc_raise", &[31]), Err(Errno::Inval));
    guest.call("sched_yield", &[]).unwrap();
}

#[test]
fn standard_streams_in_memory() {
    let (out, err) = (MemoryOutputPipe::new(6), MemoryOutputPipe::new(100));
    let mut builder = WasiCtx::builder();
    builder.stdin(Box::new(MemoryInputPipe::new("hello world")));
    builder.stdout(Box::new(out.clone())).stderr(Box::new(err.clone()));
    let mut guest = Guest::new(builder.build().unwrap());
    assert_eq!(guest.read(0, 5).unwrap(), b"hello");
    assert_eq!(guest.read(0, 100).unwrap(), b" world");
    assert_eq!(guest.read(0, 100).unwrap(), b"");
    assert_eq!(guest.write(1, b"four"), Ok(4));
    assert_eq!(guest.write(1, b"more"), Ok(2));
    assert_eq!(guest.write(1, b"more"), Err(Errno::Nospc));
    assert_eq!(guest.write(2, b"error"), Ok(5));
    assert_eq!(guest.write(0, b"x"), Err(Errno::Badf));
    assert_eq!(guest.read(1, 1), Err(Errno::Badf));
    assert_eq!((out.contents(), err.contents()), (b"fourmo".to_vec(), b"error".to_vec()));
    assert_eq!(guest.seek(0, 0, 0), Err(Errno::Spipe));
    assert_eq!(guest.pread(0, 1, 0), Err(Errno::Spipe));
    assert_eq!(guest.filestat(1).unwrap().filetype, Filetype::Unknown as u8);
    assert_eq!(guest.read(7, 1), Err(Errno::Badf));
}

#[test]
fn without_streams_input_is_empty_and_output_vanishes() {
    let mut guest = Guest::new(WasiCtx::builder().build().unwrap());
    assert_eq!(guest.read(0, 10).unwrap(), b"");
    assert_eq!(guest.write(1, b"gone"), Ok(4));
    assert_eq!(guest.call("fd_prestat_get", &[3, OUT.into()]), Err(Errno::Badf));
    guest.close(1).unwrap();
    assert_eq!(guest.write(1, b"gone"), Err(Errno::Badf));
}

#[test]
fn preopened_directories_have_names() {
    let dir = TempDir::new();
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(&dir.0, "/").preopened_dir(&dir.0, "some/where");
    let mut guest = Guest::new(builder.build().unwrap());
    for (fd, name) in [(3, "/"), (4, "some/where")] {
        guest.call("fd_prestat_get", &[fd, OUT.into()]).unwrap();
        assert_eq!(guest.u32_at(OUT), 0);
        assert_eq!(guest.u32_at(OUT + 4) as usize, name.len());
        let short = name.len() as u64 - 1;
        let args = [fd, DATA.into(), short];
        assert_eq!(guest.call("fd_prestat_dir_name", &args), Err(Errno::Nametoolong));
        guest.call("fd_prestat_dir_name", &[fd, DATA.into(), short + 10]).unwrap();
        assert_eq!(guest.bytes(DATA, u32::try_from(name.len()).unwrap()), name.as_bytes());
    }
    assert_eq!(guest.call("fd_prestat_get", &[1, OUT.into()]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_prestat_get", &[5, OUT.into()]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_prestat_dir_name", &[1, DATA.into(), 9]), Err(Errno::Notdir));
}

/// Every function with extreme arguments, on both snapshots: an error code, or a result, but never a
/// panic, and never a byte outside of the memory.
#[test]
fn hostile_arguments_are_answered() {
    let dir = TempDir::new();
    let extremes = [
        0,
        1,
        2,
        3,
        4,
        5,
        8,
        64,
        4096,
        0xffff,
        0x1_0000,
        0x3f_fff8,
        0x40_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff0,
        0xffff_ffff,
        1 << 62,
        u64::MAX >> 1,
        1 << 63,
        u64::MAX,
    ];
    let mut random = Random(0x5eed);
    for snapshot in [Snapshot::Preview1, Snapshot::Unstable] {
        let mut builder = WasiCtx::builder();
        builder.arg("a").env("b", "c").preopened_dir(&dir.0, "/");
        let ctx = builder.max_descriptors(64).build().unwrap();
        let mut guest = Guest::with(Ours { snapshot, ..Ours::new(ctx) });
        guest.create("file", b"contents");
        for (index, byte) in guest.memory.iter_mut().enumerate() {
            *byte = u8::try_from(index * 7 % 251).unwrap();
        }
        for round in 0..20_000 {
            let (name, count) = *random.pick(FUNCTIONS);
            let mut args: Vec<u64> = (0..count).map(|_| *random.pick(&extremes)).collect();
            // Waiting for ever is not a crash, but the test has an end; no closed root either.
            if name == "poll_oneoff" || name == "fd_close" || name == "fd_renumber" {
                args[0] |= 0xffff_fff0;
            }
            // Nor a file of exabytes.
            if name == "fd_allocate" || name == "fd_pwrite" {
                args[0] = 3;
            }
            let _ = (round, guest.wasi.call(&mut guest.memory, name, &args));
        }
        assert_eq!(guest.fdstat(3).map(|stat: Fdstat| stat.fs_filetype), Ok(3));
    }
}
