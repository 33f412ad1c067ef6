//! Functions on open files.

use crate::common::{ALL_FILE_RIGHTS, DATA, Guest, OUT, Ours, ROOT, TempDir, VECTORS};
use upshift_wasi::types::{Errno, Filetype, fdflags, fstflags, oflags, rights, whence};
use upshift_wasi::{Snapshot, WasiCtx};

#[test]
fn reading_writing_and_seeking() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let fd = guest.open("file", oflags::CREAT).unwrap();
    assert_eq!(guest.write(fd, b"0123456789"), Ok(10));
    assert_eq!(guest.tell(fd), Ok(10));
    assert_eq!(guest.seek(fd, 2, whence::SET), Ok(2));
    assert_eq!(guest.read(fd, 3).unwrap(), b"234");
    assert_eq!(guest.seek(fd, -1, whence::CUR), Ok(4));
    assert_eq!(guest.seek(fd, -2, whence::END), Ok(8));
    assert_eq!(guest.read(fd, 100).unwrap(), b"89");
    assert_eq!(guest.read(fd, 100).unwrap(), b"");
    assert_eq!(guest.seek(fd, 100, whence::SET), Ok(100), "beyond the end");
    assert_eq!(guest.seek(fd, -1, whence::SET), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, -101, whence::CUR), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, 0, 3), Err(Errno::Inval));
    assert_eq!(guest.tell(fd), Ok(100));
    assert_eq!(guest.pread(fd, 4, 6).unwrap(), b"6789");
    assert_eq!(guest.pwrite(fd, b"xy", 4), Ok(2));
    assert_eq!(guest.pread(fd, 4, 3).unwrap(), b"3xy6");
    assert_eq!(guest.tell(fd), Ok(100), "positioned transfers leave the position");
    for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
        assert_eq!(guest.pread(fd, 4, offset), Err(Errno::Inval));
        assert_eq!(guest.pwrite(fd, b"x", offset), Err(Errno::Inval));
    }
    for name in ["fd_sync", "fd_datasync"] {
        guest.call(name, &[fd.into()]).unwrap();
    }
    guest.close(fd).unwrap();
    assert_eq!(guest.close(fd), Err(Errno::Badf));
    assert_eq!(guest.tell(fd), Err(Errno::Badf));
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 31 % 253).unwrap()).collect()
}

fn open_filled(guest: &mut Guest, len: usize) -> (u32, Vec<u8>) {
    let bytes = content(len);
    let fd = guest.open("file", oflags::CREAT | oflags::TRUNC).unwrap();
    for chunk in bytes.chunks(1 << 20) {
        assert_eq!(guest.write(fd, chunk).unwrap() as usize, chunk.len());
    }
    guest.seek(fd, 0, whence::SET).unwrap();
    (fd, bytes)
}

#[test]
fn every_buffer_of_a_vector_is_used() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let (fd, bytes) = open_filled(&mut guest, 9000);
    // Out of order, with empty ones, more than one system call takes.
    let buffers: Vec<(u32, u32)> = (0..3000).map(|i| (DATA + (3000 - i) * 4, i % 5)).collect();
    let total: u32 = buffers.iter().map(|b| b.1).sum();
    let [iovs, count] = guest.vectors(&buffers);
    guest.call("fd_read", &[fd.into(), iovs, count, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), total);
    let read: Vec<u8> =
        buffers.iter().flat_map(|&(address, len)| guest.bytes(address, len)).collect();
    assert_eq!(read, bytes[..total as usize]);

    let copy = guest.open("copy", oflags::CREAT).unwrap();
    guest.call("fd_write", &[copy.into(), iovs, count, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), total);
    assert_eq!(std::fs::read(dir.0.join("copy")).unwrap(), bytes[..total as usize]);
    // The same at a position.
    guest.call("fd_pwrite", &[copy.into(), iovs, count, 10, OUT.into()]).unwrap();
    assert_eq!(std::fs::read(dir.0.join("copy")).unwrap()[10..], bytes[..total as usize]);
    let [iovs, count] = guest.vectors(&[(DATA, 100), (DATA + 200, 0), (DATA + 300, 50)]);
    guest.call("fd_pread", &[fd.into(), iovs, count, 8900, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), 100, "up to the end of the file");
}

#[test]
fn overlapping_buffers_are_filled_in_order() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let (fd, bytes) = open_filled(&mut guest, 100);
    let [iovs, count] = guest.vectors(&[(DATA, 10), (DATA + 5, 10)]);
    guest.call("fd_read", &[fd.into(), iovs, count, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), 20);
    assert_eq!(guest.bytes(DATA, 15), [&bytes[..5], &bytes[10..20]].concat());
    // Writing from overlapping buffers is nothing special.
    let fd = guest.open("out", oflags::CREAT).unwrap();
    guest.put(DATA, b"abcdef");
    let [iovs, count] = guest.vectors(&[(DATA, 4), (DATA + 2, 4)]);
    guest.call("fd_write", &[fd.into(), iovs, count, OUT.into()]).unwrap();
    assert_eq!(std::fs::read(dir.0.join("out")).unwrap(), b"abcdcdef");
}

#[test]
fn large_transfers_are_whole() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.memory = vec![0; 16 << 20];
    let (fd, bytes) = open_filled(&mut guest, 11 << 20);
    let [iovs, count] = guest.vectors(&[(DATA, 7 << 20), (DATA + (7 << 20), 8 << 20)]);
    guest.call("fd_read", &[fd.into(), iovs, count, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), 11 << 20);
    assert!(guest.memory[DATA as usize..][..11 << 20] == bytes[..]);
    let copy = guest.open("copy", oflags::CREAT).unwrap();
    guest.call("fd_write", &[copy.into(), iovs, count, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), 15 << 20);
    assert!(std::fs::read(dir.0.join("copy")).unwrap()[..11 << 20] == bytes[..]);
}

#[test]
fn bad_pointers_are_faults() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let (fd, _) = open_filled(&mut guest, 100);
    let end = u32::try_from(guest.memory.len()).unwrap();
    let fd64 = u64::from(fd);
    for name in ["fd_read", "fd_write"] {
        for buffer in [(end - 1, 2), (u32::MAX, 1), (1, u32::MAX), (end + 1, 0)] {
            let [iovs, count] = guest.vectors(&[(DATA, 4), buffer]);
            assert_eq!(guest.call(name, &[fd64, iovs, count, OUT.into()]), Err(Errno::Fault));
        }
        let [iovs, _] = guest.vectors(&[(DATA, 4)]);
        assert_eq!(guest.call(name, &[fd64, iovs, 1, (end - 3).into()]), Err(Errno::Fault));
        assert_eq!(guest.call(name, &[fd64, (end - 4).into(), 1, OUT.into()]), Err(Errno::Fault));
        assert_eq!(guest.call(name, &[fd64, u64::from(u32::MAX) - 3, 1, 0]), Err(Errno::Fault));
    }
    assert_eq!(guest.tell(fd), Ok(0), "a fault found beforehand moves nothing");
    // A vector of many empty buffers runs into the end of memory, and is an error only there.
    guest.memory[VECTORS as usize..].fill(0);
    let count = u64::from(end - VECTORS) / 8;
    guest.call("fd_read", &[fd64, VECTORS.into(), count, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), 0);
    let args = [fd64, VECTORS.into(), u64::from(u32::MAX), OUT.into()];
    assert_eq!(guest.call("fd_read", &args), Err(Errno::Fault));
    for path in [(end - 1, 2), (u32::MAX, 1)] {
        let args = [u64::from(ROOT), path.0.into(), path.1];
        assert_eq!(guest.call("path_unlink_file", &args), Err(Errno::Fault));
    }
}

#[test]
fn rights_are_kept_and_only_shrink() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("file", b"contents");
    let wanted = rights::FD_READ | rights::FD_WRITE | rights::FD_SEEK | rights::PATH_OPEN;
    let fd = guest.open_at(ROOT, 0, "file", 0, wanted, 0).unwrap();
    let stat = guest.fdstat(fd).unwrap();
    assert_eq!(stat.fs_rights_base, wanted & !rights::PATH_OPEN, "a file opens no paths");
    assert_eq!(stat.fs_filetype, Filetype::RegularFile as u8);
    assert_eq!(guest.filestat(fd), Err(Errno::Notcapable));
    assert_eq!(guest.call("fd_sync", &[fd.into()]), Err(Errno::Notcapable));
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 1]), Err(Errno::Notcapable));
    assert_eq!(guest.tell(fd), Ok(0), "seeking includes telling");

    let fd64 = u64::from(fd);
    guest.call("fd_fdstat_set_rights", &[fd64, rights::FD_READ, 0]).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().fs_rights_base, rights::FD_READ);
    assert_eq!(guest.write(fd, b"x"), Err(Errno::Badf));
    assert_eq!(guest.seek(fd, 1, whence::SET), Err(Errno::Notcapable));
    assert_eq!(guest.pread(fd, 1, 0), Err(Errno::Notcapable));
    assert_eq!(guest.read(fd, 8).unwrap(), b"contents");
    let args = [fd64, rights::FD_READ | rights::FD_SEEK, 0];
    assert_eq!(guest.call("fd_fdstat_set_rights", &args), Err(Errno::Notcapable));
    assert_eq!(guest.call("fd_fdstat_set_rights", &[99, 0, 0]), Err(Errno::Badf));

    let none = guest.open_at(ROOT, 0, "file", 0, 0, 0).unwrap();
    assert_eq!(guest.read(none, 1), Err(Errno::Badf));
    assert_eq!(guest.write(none, b"x"), Err(Errno::Badf));
}

#[test]
fn directories_pass_on_no_more_rights_than_they_have() {
    let dir = TempDir::new();
    std::fs::write(dir.0.join("file"), "contents").unwrap();
    std::fs::create_dir(dir.0.join("sub")).unwrap();
    let ctx = WasiCtx::builder().preopened_dir_read_only(&dir.0, "/").build().unwrap();
    let mut guest = Guest::new(ctx);
    let read = rights::FD_READ | rights::FD_SEEK | rights::FD_FILESTAT_SET_SIZE;
    let fd = guest.open_at(ROOT, 0, "file", 0, read, 0).unwrap();
    assert_eq!(guest.read(fd, 8).unwrap(), b"contents");
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 0]), Err(Errno::Notcapable));
    let refused = Err(Errno::Notcapable);
    assert_eq!(guest.open("file", 0), refused.map(|()| 0), "writing");
    for oflags in [oflags::TRUNC, oflags::CREAT] {
        assert_eq!(
            guest.open_at(ROOT, 0, "file", oflags, rights::FD_READ, 0),
            Err(Errno::Notcapable)
        );
    }
    assert_eq!(guest.mkdir("new"), refused);
    assert_eq!(guest.rmdir("sub"), refused);
    assert_eq!(guest.unlink("file"), refused);
    assert_eq!(guest.rename((ROOT, "file"), (ROOT, "new")), refused);
    assert_eq!(guest.link(0, (ROOT, "file"), (ROOT, "new")), refused);
    assert_eq!(guest.symlink("file", "new"), refused);
    assert_eq!(guest.path_times(0, "file", [0, 0], fstflags::ATIM_NOW), refused);
    let sub = guest.open_dir("sub").unwrap();
    assert_eq!(guest.at("path_create_directory", sub, "new"), refused);
    assert_eq!(std::fs::read(dir.0.join("file")).unwrap(), b"contents");
}

/// A file that can only be read must not become writable by a name in another directory.
#[test]
fn links_and_renames_gain_no_rights() {
    let (locked, open) = (TempDir::new(), TempDir::new());
    std::fs::write(locked.0.join("file"), "contents").unwrap();
    let no_write = rights::ALL & !rights::FD_WRITE;
    let mut builder = WasiCtx::builder();
    builder.preopened_dir_with_rights(&locked.0, "/locked", no_write).preopened_dir(&open.0, "/");
    let mut guest = Guest::new(builder.build().unwrap());
    assert_eq!(guest.link(0, (3, "file"), (4, "file")), Err(Errno::Notcapable));
    assert_eq!(guest.rename((3, "file"), (4, "file")), Err(Errno::Notcapable));
    guest.link(0, (3, "file"), (3, "other")).unwrap();
    std::fs::write(open.0.join("mine"), "").unwrap();
    guest.rename((4, "mine"), (3, "mine")).unwrap();
}

#[test]
fn truncation_needs_the_directorys_right() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("file", b"contents");
    let root = guest.fdstat(ROOT).unwrap();
    assert_eq!(root.fs_rights_base & rights::FD_FILESTAT_SET_SIZE, 0);
    let fd = guest.open_at(ROOT, 0, "file", oflags::TRUNC, 0, 0).unwrap();
    guest.close(fd).unwrap();
    assert_eq!(guest.path_filestat(0, "file").unwrap().size, 0);
    guest.create("file", b"contents");
    let base = root.fs_rights_base & !rights::PATH_FILESTAT_SET_SIZE;
    let args = [u64::from(ROOT), base, root.fs_rights_inheriting];
    guest.call("fd_fdstat_set_rights", &args).unwrap();
    for base in [0, rights::FD_WRITE, ALL_FILE_RIGHTS] {
        assert_eq!(guest.open_at(ROOT, 0, "file", oflags::TRUNC, base, 0), Err(Errno::Notcapable));
    }
    assert_eq!(guest.path_filestat(0, "file").unwrap().size, 8);
}

#[test]
fn append_and_sync_flags() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let flags = fdflags::APPEND | fdflags::SYNC;
    let fd = guest.open_at(ROOT, 0, "file", oflags::CREAT, ALL_FILE_RIGHTS, flags).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().fs_flags, flags);
    guest.write(fd, b"one").unwrap();
    guest.seek(fd, 0, whence::SET).unwrap();
    guest.write(fd, b"two").unwrap();
    assert_eq!(guest.tell(fd), Ok(6));
    assert_eq!(std::fs::read(dir.0.join("file")).unwrap(), b"onetwo");
    guest.call("fd_fdstat_set_flags", &[fd.into(), fdflags::DSYNC.into()]).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().fs_flags, fdflags::DSYNC);
    guest.seek(fd, 0, whence::SET).unwrap();
    guest.write(fd, b"ONE").unwrap();
    assert_eq!(std::fs::read(dir.0.join("file")).unwrap(), b"ONEtwo");
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd.into(), 0x20]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_fdstat_set_flags", &[ROOT.into(), 0]), Err(Errno::Badf));
    let args = (ROOT, 0, "x", oflags::CREAT, ALL_FILE_RIGHTS);
    assert_eq!(guest.open_at(args.0, args.1, args.2, args.3, args.4, 0x20), Err(Errno::Inval));
}

#[test]
fn sizes_and_allocation() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let fd = guest.open("file", oflags::CREAT).unwrap();
    guest.call("fd_filestat_set_size", &[fd.into(), 1000]).unwrap();
    assert_eq!(guest.filestat(fd).unwrap().size, 1000);
    guest.call("fd_allocate", &[fd.into(), 500, 1500]).unwrap();
    assert_eq!(guest.filestat(fd).unwrap().size, 2000);
    guest.call("fd_allocate", &[fd.into(), 0, 10]).unwrap();
    assert_eq!(guest.filestat(fd).unwrap().size, 2000);
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 0, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), u64::MAX, 2]), Err(Errno::Fbig));
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), u64::MAX]), Err(Errno::Inval));
    for advice in 0..6 {
        guest.call("fd_advise", &[fd.into(), 0, 100, advice]).unwrap();
    }
    assert_eq!(guest.call("fd_advise", &[fd.into(), 0, 100, 6]), Err(Errno::Inval));
    assert_eq!(guest.filestat(fd).unwrap().size, 2000, "advice changes nothing");
}

#[test]
fn times() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let fd = guest.open("file", oflags::CREAT).unwrap();
    let set = |guest: &mut Guest, flags: u16| {
        let args = [fd.into(), 1_000_000_007, 5_000_000_011, flags.into()];
        guest.call("fd_filestat_set_times", &args)
    };
    set(&mut guest, fstflags::ATIM | fstflags::MTIM).unwrap();
    let stat = guest.filestat(fd).unwrap();
    assert_eq!((stat.atim, stat.mtim), (1_000_000_007, 5_000_000_011));
    set(&mut guest, fstflags::MTIM_NOW).unwrap();
    let stat = guest.filestat(fd).unwrap();
    assert_eq!(stat.atim, 1_000_000_007);
    assert!(stat.mtim > 1 << 60);
    assert!(stat.ctim > 1 << 60);
    for flags in [fstflags::ATIM | fstflags::ATIM_NOW, fstflags::MTIM | fstflags::MTIM_NOW, 16] {
        assert_eq!(set(&mut guest, flags), Err(Errno::Inval));
    }
    guest.path_times(0, "file", [9, 8], fstflags::ATIM | fstflags::MTIM).unwrap();
    let stat = guest.path_filestat(0, "file").unwrap();
    assert_eq!((stat.atim, stat.mtim), (9, 8));
}

#[test]
fn renumbering_is_complete() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("a", b"aaa");
    guest.create("b", b"bbb");
    let (a, b) = (guest.open("a", 0).unwrap(), guest.open("b", 0).unwrap());
    guest.call("fd_renumber", &[a.into(), b.into()]).unwrap();
    assert_eq!(guest.read(b, 3).unwrap(), b"aaa");
    assert_eq!(guest.read(a, 3), Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[b.into(), a.into()]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[a.into(), b.into()]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[b.into(), u64::from(u32::MAX)]), Err(Errno::Badf));
    guest.call("fd_renumber", &[b.into(), b.into()]).unwrap();
    assert_eq!(guest.open("b", 0), Ok(a), "the highest free number");
    // Over a preopened directory, which then is no longer one.
    guest.call("fd_renumber", &[a.into(), ROOT.into()]).unwrap();
    assert_eq!(guest.read(ROOT, 3).unwrap(), b"bbb");
    assert_eq!(guest.call("fd_prestat_get", &[ROOT.into(), OUT.into()]), Err(Errno::Badf));
    assert_eq!(guest.open("b", 0), Err(Errno::Notdir));
}

#[test]
fn the_number_of_descriptors_is_limited() {
    let dir = TempDir::new();
    let ctx = WasiCtx::builder().preopened_dir(&dir.0, "/").max_descriptors(10).build().unwrap();
    let mut guest = Guest::new(ctx);
    for fd in 4..10 {
        assert_eq!(guest.open("file", oflags::CREAT), Ok(fd));
    }
    assert_eq!(guest.open("file", 0), Err(Errno::Mfile));
    guest.close(5).unwrap();
    assert_eq!(guest.open("file", 0), Ok(5));
}

#[test]
fn directories_are_no_files() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    assert_eq!(guest.read(ROOT, 1), Err(Errno::Badf));
    assert_eq!(guest.write(ROOT, b"x"), Err(Errno::Badf));
    assert_eq!(guest.pread(ROOT, 1, 0), Err(Errno::Badf));
    assert_eq!(guest.pwrite(ROOT, b"x", 0), Err(Errno::Badf));
    assert_eq!(guest.seek(ROOT, 0, whence::CUR), Err(Errno::Badf));
    assert_eq!(guest.tell(ROOT), Err(Errno::Badf));
    assert_eq!(guest.call("fd_allocate", &[ROOT.into(), 0, 1]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_advise", &[ROOT.into(), 0, 1, 0]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_filestat_set_size", &[ROOT.into(), 0]), Err(Errno::Badf));
    guest.call("fd_sync", &[ROOT.into()]).unwrap();
    guest.call("fd_datasync", &[ROOT.into()]).unwrap();
    assert_eq!(guest.filestat(ROOT).unwrap().filetype, Filetype::Directory as u8);
    let fd = guest.open("file", oflags::CREAT).unwrap();
    let args = [fd.into(), DATA.into(), 100, 0, OUT.into()];
    assert_eq!(guest.call("fd_readdir", &args), Err(Errno::Notdir));
    assert_eq!(guest.open_at(fd, 0, "x", 0, 0, 0), Err(Errno::Notdir));
    assert_eq!(guest.at("path_create_directory", fd, "x"), Err(Errno::Notdir));
}

#[test]
fn the_older_snapshot_has_its_own_layouts() {
    let dir = TempDir::new();
    let ctx = WasiCtx::builder().preopened_dir(&dir.0, "/").build().unwrap();
    let mut guest = Guest::with(Ours { snapshot: Snapshot::Unstable, ..Ours::new(ctx) });
    guest.create("file", b"0123456789");
    std::fs::hard_link(dir.0.join("file"), dir.0.join("link")).unwrap();
    let fd = guest.open("file", 0).unwrap();
    assert_eq!(guest.seek(fd, 4, 2), Ok(4), "from the start");
    assert_eq!(guest.seek(fd, 1, 0), Ok(5), "from here");
    assert_eq!(guest.seek(fd, -1, 1), Ok(9), "from the end");
    assert_eq!(guest.seek(fd, 0, 3), Err(Errno::Inval));
    guest.memory[OUT as usize..][..64].fill(0xaa);
    guest.call("fd_filestat_get", &[fd.into(), OUT.into()]).unwrap();
    let by_fd = guest.bytes(OUT, 64);
    assert_eq!((by_fd[16], by_fd[20], by_fd[24]), (4, 2, 10), "type, links, size");
    assert_eq!(by_fd[56..], [0xaa; 8], "eight bytes less than today");
    guest.path_filestat(0, "file").unwrap();
    assert_eq!(guest.bytes(OUT, 56), by_fd[..56]);
    // A clock subscription of 56 bytes.
    let mut subscription = [0; 56];
    (subscription[0], subscription[24], subscription[32]) = (7, 1, 1);
    guest.put(DATA, &subscription);
    let args = [u64::from(DATA), u64::from(DATA) + 64, 1, OUT.into()];
    guest.call("poll_oneoff", &args).unwrap();
    assert_eq!((guest.u32_at(OUT), guest.u64_at(DATA + 64)), (1, 7));
}

#[test]
fn contexts_cost_next_to_nothing() {
    let build = || {
        let mut builder = WasiCtx::builder();
        builder.arg("program").inherit_stdio().build().unwrap()
    };
    let best = (0..50)
        .map(|_| {
            let start = std::time::Instant::now();
            for _ in 0..100 {
                drop(std::hint::black_box(build()));
            }
            start.elapsed() / 100
        })
        .min();
    let best = best.unwrap();
    println!("a context: {best:?}");
    assert!(best < std::time::Duration::from_micros(5), "a context took {best:?}");
}
