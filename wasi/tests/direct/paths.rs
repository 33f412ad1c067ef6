//! Functions on paths: what they find, and that they find nothing outside of their directory.

use crate::common::{ALL_FILE_RIGHTS, Guest, Outcome, ROOT, TempDir};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use upshift_wasi::types::{Errno, Filetype, fstflags, oflags, rights};

#[test]
fn opening_and_creating() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let (creat, excl, trunc) = (oflags::CREAT, oflags::EXCL, oflags::TRUNC);
    assert_eq!(guest.open("file", 0), Err(Errno::Noent));
    assert_eq!(guest.open("file", trunc), Err(Errno::Noent));
    assert_eq!(guest.open("file", creat | excl), Ok(4));
    assert_eq!(guest.open("file", creat | excl), Err(Errno::Exist));
    assert_eq!(guest.open("file", creat), Ok(5));
    guest.write(5, b"contents").unwrap();
    assert_eq!(guest.open("file", creat | trunc), Ok(6));
    assert_eq!(guest.filestat(6).unwrap().size, 0);
    let open = |guest: &mut Guest, path: &str, oflags: u16, base: u64| {
        let fd = guest.open_at(ROOT, 0, path, oflags, base, 0)?;
        guest.close(fd)
    };
    for base in [0, rights::FD_READ, rights::FD_WRITE, ALL_FILE_RIGHTS] {
        open(&mut guest, &format!("new{base}"), creat, base).unwrap();
        open(&mut guest, &format!("newer{base}"), creat | excl, base).unwrap();
        open(&mut guest, &format!("new{base}"), creat | trunc, base).unwrap();
    }
    // Creating what exists and cannot be written: not to be written, so it is opened.
    let read_only = dir.0.join("read-only");
    std::fs::write(&read_only, "").unwrap();
    open(&mut guest, "read-only", creat, rights::FD_READ).unwrap();
    guest.mkdir("dir").unwrap();
    open(&mut guest, "dir", 0, 0).unwrap();
    open(&mut guest, "dir", oflags::DIRECTORY, rights::FD_READ).unwrap();
    assert_eq!(open(&mut guest, "dir", oflags::DIRECTORY, ALL_FILE_RIGHTS), Err(Errno::Isdir));
    assert_eq!(open(&mut guest, "dir", 0, rights::FD_WRITE), Err(Errno::Isdir));
    for base in [0, rights::FD_READ, rights::FD_WRITE] {
        assert_eq!(open(&mut guest, "dir", creat, base), Err(Errno::Isdir));
        assert_eq!(open(&mut guest, "dir", creat | excl, base), Err(Errno::Exist));
        assert_eq!(open(&mut guest, "dir", trunc, base), Err(Errno::Isdir));
    }
    assert_eq!(open(&mut guest, "file", oflags::DIRECTORY, 0), Err(Errno::Notdir));
    assert_eq!(open(&mut guest, "file/below", 0, 0), Err(Errno::Notdir));
    for other in [creat, excl, trunc, 16] {
        assert_eq!(open(&mut guest, "dir", oflags::DIRECTORY | other, 0), Err(Errno::Inval));
    }
    assert_eq!(guest.open_at(ROOT, 2, "file", 0, 0, 0), Err(Errno::Inval));
}

#[test]
fn strange_paths() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("file", b"");
    assert_eq!(guest.open("", 0), Err(Errno::Noent));
    assert_eq!(guest.open("file\0", 0), Err(Errno::Inval));
    assert_eq!(guest.open("fi\0le", 0), Err(Errno::Inval));
    assert_eq!(guest.open(&"x".repeat(256), 0), Err(Errno::Nametoolong));
    assert_eq!(guest.open(&"x/".repeat(2500), 0), Err(Errno::Nametoolong));
    let args = [u64::from(ROOT), crate::common::PATH_1.into(), 2];
    guest.put(crate::common::PATH_1, &[b'a', 0xff]);
    assert_eq!(guest.call("path_create_directory", &args), Err(Errno::Ilseq));
    guest.mkdir("ä ö\n").unwrap();
    assert!(dir.0.join("ä ö\n").is_dir());
}

/// All ways to name something, tried on a path that must not be reached.
fn assert_unreachable(guest: &mut Guest, path: &str) {
    let escape = |outcome: Outcome<()>, what: &str| {
        let refused = [Errno::Perm, Errno::Noent, Errno::Loop, Errno::Notdir, Errno::Inval];
        match outcome {
            Err(errno) if refused.contains(&errno) => {}
            other => panic!("{what} {path:?}: {other:?}"),
        }
    };
    for lookup in [0, 1] {
        for oflags in [0, oflags::CREAT, oflags::DIRECTORY, oflags::TRUNC] {
            let opened = guest.open_at(ROOT, lookup, path, oflags, rights::FD_READ, 0);
            escape(opened.map(drop), "open");
        }
    }
    escape(guest.path_filestat(1, path).map(drop), "stat");
    escape(guest.path_times(1, path, [0, 0], fstflags::MTIM_NOW), "set times of");
    let below = format!("{path}/new");
    escape(guest.mkdir(&below), "create below");
    escape(guest.symlink("x", &below), "link below");
    escape(guest.unlink(&format!("{path}/secret")), "unlink below");
    escape(guest.rmdir(&format!("{path}/empty")), "remove below");
    escape(guest.rename((ROOT, "inside"), (ROOT, &below)), "rename to below");
    escape(guest.rename((ROOT, &format!("{path}/secret")), (ROOT, "stolen")), "rename from below");
    escape(guest.link(0, (ROOT, "inside"), (ROOT, &below)), "hard link to below");
    escape(guest.link(0, (ROOT, &format!("{path}/secret")), (ROOT, "stolen")), "hard link below");
    escape(guest.readlink(&format!("{path}/secret-link"), 100).map(drop), "read link below");
}

#[test]
fn nothing_outside_is_reachable() {
    let outer = TempDir::new();
    let (root, outside) = (outer.0.join("root"), outer.0.join("outside"));
    std::fs::create_dir_all(root.join("dir/sub")).unwrap();
    std::fs::create_dir_all(outside.join("empty")).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    symlink("secret", outside.join("secret-link")).unwrap();
    std::fs::write(root.join("inside"), "").unwrap();
    let links = [
        ("absolute", outside.to_str().unwrap().to_owned()),
        ("relative", "../outside".to_owned()),
        ("slashed", "../outside/".to_owned()),
        ("dotted", "dir/../../outside/.".to_owned()),
        ("dir/deep", "sub/../../../outside".to_owned()),
        ("chain", "relative".to_owned()),
        ("chain-slash", "chain/".to_owned()),
        ("parent", "..".to_owned()),
        ("root", "/".to_owned()),
        ("self", "/proc/self/root".to_owned()),
    ];
    for (name, target) in &links {
        symlink(target, root.join(name)).unwrap();
    }
    let mut guest = Guest::in_dir(&root);
    for (name, _) in &links {
        for suffix in ["/", "/.", "//", "/./"] {
            assert_unreachable(&mut guest, &format!("{name}{suffix}"));
        }
        let opened = guest.open_at(ROOT, 1, name, 0, rights::FD_READ, 0);
        assert!(matches!(opened, Err(Errno::Perm | Errno::Loop)), "{name}: {opened:?}");
    }
    let absolute = outside.to_str().unwrap();
    for path in
        ["..", "../outside", "dir/../..", "dir/../../outside", "/", absolute, "./../", "../"]
    {
        for suffix in ["", "/", "/.", "//"] {
            assert_unreachable(&mut guest, &format!("{path}{suffix}"));
        }
    }
    assert_eq!(guest.symlink("/etc", "new-absolute"), Err(Errno::Perm));
    // What is inside stays reachable by detours.
    guest.close(4).ok();
    guest.open("dir/.//sub/../../dir/sub/../../inside", 0).unwrap();
    let names: BTreeSet<_> =
        std::fs::read_dir(&outside).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["empty", "secret", "secret-link"].map(Into::into).into());
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
}

#[test]
fn symbolic_links() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("file", b"contents");
    guest.mkdir("dir").unwrap();
    guest.symlink("file", "link").unwrap();
    guest.symlink("dir", "dir-link").unwrap();
    guest.symlink("missing", "dangling").unwrap();
    guest.symlink("loop", "loop").unwrap();
    assert_eq!(guest.symlink("file", "link"), Err(Errno::Exist));
    assert_eq!(guest.symlink("", "empty"), Err(Errno::Noent));
    assert_eq!(guest.readlink("link", 100).unwrap(), "file");
    assert_eq!(guest.readlink("link", 2).unwrap(), "fi");
    assert_eq!(guest.readlink("link", 0).unwrap(), "");
    assert_eq!(guest.readlink("file", 100), Err(Errno::Inval));
    assert_eq!(guest.readlink("missing", 100), Err(Errno::Noent));
    let filetype =
        |guest: &mut Guest, lookup, path| guest.path_filestat(lookup, path).map(|s| s.filetype);
    assert_eq!(filetype(&mut guest, 0, "link"), Ok(Filetype::SymbolicLink as u8));
    assert_eq!(filetype(&mut guest, 1, "link"), Ok(Filetype::RegularFile as u8));
    assert_eq!(filetype(&mut guest, 1, "dir-link"), Ok(Filetype::Directory as u8));
    assert_eq!(filetype(&mut guest, 0, "dir-link/"), Ok(Filetype::Directory as u8));
    assert_eq!(filetype(&mut guest, 1, "dangling"), Err(Errno::Noent));
    assert_eq!(filetype(&mut guest, 0, "dangling"), Ok(Filetype::SymbolicLink as u8));
    assert_eq!(filetype(&mut guest, 1, "loop"), Err(Errno::Loop));
    assert_eq!(filetype(&mut guest, 1, "link/"), Err(Errno::Notdir));
    let open = |guest: &mut Guest, lookup, path, oflags| {
        guest.open_at(ROOT, lookup, path, oflags, rights::FD_READ, 0).map(drop)
    };
    assert_eq!(open(&mut guest, 0, "link", 0), Err(Errno::Loop));
    assert_eq!(open(&mut guest, 1, "link", 0), Ok(()));
    assert_eq!(open(&mut guest, 1, "loop", 0), Err(Errno::Loop));
    assert_eq!(open(&mut guest, 1, "dangling", 0), Err(Errno::Noent));
    assert_eq!(open(&mut guest, 0, "dangling", oflags::CREAT), Err(Errno::Loop));
    assert_eq!(open(&mut guest, 1, "link", oflags::DIRECTORY), Err(Errno::Notdir));
    let nofollow = open(&mut guest, 0, "dir-link", oflags::DIRECTORY);
    assert!(matches!(nofollow, Err(Errno::Loop | Errno::Notdir)), "{nofollow:?}");
    assert_eq!(open(&mut guest, 1, "dir-link", oflags::DIRECTORY), Ok(()));
    // Times of a link and of its target are apart.
    guest.path_times(0, "link", [1, 2], fstflags::ATIM | fstflags::MTIM).unwrap();
    guest.path_times(1, "link", [3, 4], fstflags::ATIM | fstflags::MTIM).unwrap();
    assert_eq!(guest.path_filestat(0, "link").unwrap().mtim, 2);
    assert_eq!(guest.path_filestat(0, "file").unwrap().mtim, 4);
    guest.path_times(0, "loop", [5, 6], fstflags::MTIM).unwrap();
    assert_eq!(guest.path_times(1, "loop", [5, 6], fstflags::MTIM), Err(Errno::Loop));
    assert_eq!(guest.rmdir("dir-link"), Err(Errno::Notdir));
    guest.unlink("dir-link").unwrap();
    guest.unlink("dangling").unwrap();
    assert!(dir.0.join("dir").is_dir());
}

#[test]
fn hard_links() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("file", b"contents");
    guest.mkdir("dir").unwrap();
    guest.symlink("file", "link").unwrap();
    let link = |guest: &mut Guest, from: &str, to: &str| guest.link(0, (ROOT, from), (ROOT, to));
    link(&mut guest, "file", "dir/other").unwrap();
    let (a, b) =
        (guest.path_filestat(0, "file").unwrap(), guest.path_filestat(0, "dir/other").unwrap());
    assert_eq!(a, b);
    assert_eq!(a.nlink, 2);
    assert_eq!(link(&mut guest, "file", "dir/other"), Err(Errno::Exist));
    assert_eq!(link(&mut guest, "file", "file"), Err(Errno::Exist));
    assert_eq!(link(&mut guest, "dir", "new"), Err(Errno::Perm));
    assert_eq!(link(&mut guest, "file", "new/"), Err(Errno::Noent));
    assert_eq!(link(&mut guest, "file/", "new"), Err(Errno::Notdir));
    assert_eq!(link(&mut guest, "missing", "new"), Err(Errno::Noent));
    assert_eq!(guest.link(1, (ROOT, "link"), (ROOT, "new")), Err(Errno::Inval));
    link(&mut guest, "link", "new").unwrap();
    assert_eq!(guest.readlink("new", 100).unwrap(), "file", "the link itself, not its target");
}

#[test]
fn renaming() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    let rename = |guest: &mut Guest, from: &str, to: &str| guest.rename((ROOT, from), (ROOT, to));
    guest.create("a", b"a");
    guest.create("b", b"b");
    guest.mkdir("dir").unwrap();
    guest.mkdir("empty").unwrap();
    guest.mkdir("full").unwrap();
    guest.create("full/file", b"");
    rename(&mut guest, "a", "b").unwrap();
    assert_eq!(std::fs::read(dir.0.join("b")).unwrap(), b"a");
    assert_eq!(rename(&mut guest, "a", "c"), Err(Errno::Noent));
    assert_eq!(rename(&mut guest, "b", "dir"), Err(Errno::Isdir));
    assert_eq!(rename(&mut guest, "dir", "b"), Err(Errno::Notdir));
    assert_eq!(rename(&mut guest, "dir", "full"), Err(Errno::Notempty));
    assert_eq!(rename(&mut guest, "full", "full/below"), Err(Errno::Inval));
    rename(&mut guest, "dir/", "empty/").unwrap();
    rename(&mut guest, "empty", "new-dir/").unwrap();
    assert!(dir.0.join("new-dir").is_dir());
    assert_eq!(rename(&mut guest, "b/", "c"), Err(Errno::Notdir));
    assert_eq!(rename(&mut guest, "b", "c/"), Err(Errno::Notdir));
    rename(&mut guest, "b", "new-dir/b").unwrap();
    let sub = guest.open_dir("new-dir").unwrap();
    guest.rename((sub, "b"), (ROOT, "back")).unwrap();
    assert_eq!(std::fs::read(dir.0.join("back")).unwrap(), b"a");
    guest.symlink("back", "link").unwrap();
    rename(&mut guest, "link", "moved-link").unwrap();
    assert_eq!(guest.readlink("moved-link", 9).unwrap(), "back");
    rename(&mut guest, "back", "back").unwrap();
}

#[test]
fn removing_and_trailing_slashes() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.mkdir("dir/").unwrap();
    guest.create("dir/file", b"");
    assert_eq!(guest.mkdir("dir"), Err(Errno::Exist));
    assert_eq!(guest.mkdir("missing/dir"), Err(Errno::Noent));
    assert_eq!(guest.rmdir("dir"), Err(Errno::Notempty));
    assert_eq!(guest.rmdir("dir/file"), Err(Errno::Notdir));
    assert_eq!(guest.rmdir("dir/file/"), Err(Errno::Notdir));
    assert_eq!(guest.unlink("dir"), Err(Errno::Isdir));
    assert!(matches!(guest.unlink("dir/"), Err(Errno::Isdir | Errno::Notdir)));
    assert_eq!(guest.unlink("dir/file/"), Err(Errno::Notdir));
    assert_eq!(guest.unlink("missing"), Err(Errno::Noent));
    guest.unlink("dir/file").unwrap();
    guest.rmdir("dir/").unwrap();
    assert_eq!(guest.rmdir("dir"), Err(Errno::Noent));
    guest.create("file", b"");
    assert_eq!(guest.open("file/", 0), Err(Errno::Notdir));
    assert_eq!(guest.open("file//", 0), Err(Errno::Notdir));
    assert!(matches!(guest.open("new/", oflags::CREAT), Err(Errno::Isdir | Errno::Noent)));
    guest.mkdir("dir").unwrap();
    guest.open_at(ROOT, 0, "dir///", 0, 0, 0).unwrap();
    assert!(matches!(guest.symlink("x", "new/"), Err(Errno::Noent | Errno::Notdir)));
    assert!(matches!(guest.symlink("x", "file/"), Err(Errno::Exist | Errno::Notdir)));
    assert_eq!(guest.symlink("x", "dir/"), Err(Errno::Exist));
    assert!(!dir.0.join("new").exists());
}

#[test]
fn attributes_of_paths() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("file", b"contents");
    let fd = guest.open("file", 0).unwrap();
    assert_eq!(guest.path_filestat(0, "file"), guest.filestat(fd));
    assert_eq!(guest.path_filestat(0, "file").unwrap().size, 8);
    assert_eq!(guest.path_filestat(0, "."), guest.filestat(ROOT));
    assert_eq!(guest.path_filestat(0, "missing"), Err(Errno::Noent));
    assert_eq!(guest.path_filestat(0, "file/"), Err(Errno::Notdir));
    assert_eq!(guest.path_filestat(4, "file"), Err(Errno::Inval));
}

#[test]
fn directory_entries() {
    let dir = TempDir::new();
    let mut guest = Guest::in_dir(&dir.0);
    guest.mkdir("many").unwrap();
    let fd = guest.open_dir("many").unwrap();
    let names = |entries: &[crate::common::Entry]| -> BTreeSet<String> {
        entries.iter().map(|entry| entry.name.clone()).collect()
    };
    assert_eq!(names(&guest.entries(fd, 256).unwrap()), [".", ".."].map(str::to_owned).into());
    let mut expected: BTreeSet<String> = [".", ".."].map(str::to_owned).into();
    for index in 0..700 {
        let name = format!("file-with-a-rather-long-name-{index}");
        std::fs::write(dir.0.join("many").join(&name), "").unwrap();
        expected.insert(name);
    }
    std::fs::create_dir(dir.0.join("many/dir")).unwrap();
    symlink("dir", dir.0.join("many/link")).unwrap();
    expected.extend(["dir", "link"].map(str::to_owned));
    for len in [64, 100, 4096, 1 << 20] {
        let entries = guest.entries(fd, len).unwrap();
        assert_eq!(entries.len(), expected.len(), "nothing twice");
        assert_eq!(names(&entries), expected);
        for entry in &entries {
            let filetype = match &entry.name[..] {
                "." | ".." | "dir" => Filetype::Directory,
                "link" => Filetype::SymbolicLink,
                _ => Filetype::RegularFile,
            };
            assert_eq!(entry.filetype, filetype as u8, "{}", entry.name);
            if entry.name != ".." {
                let stat = guest.path_filestat(0, &format!("many/{}", entry.name)).unwrap();
                assert_eq!(entry.ino, stat.ino, "{}", entry.name);
            }
        }
        let ino = guest.filestat(fd).unwrap().ino;
        let parent = entries.iter().find(|entry| entry.name == "..").unwrap();
        assert_eq!(parent.ino, ino, "the parent's number is not told");
    }
    // Any cookie can be gone back to, in any order, also after entries have gone.
    let all = guest.entries(fd, 1 << 20).unwrap();
    for index in [600, 3, 300, all.len() - 1] {
        let (rest, end) = guest.readdir(fd, 1 << 20, all[index].next).unwrap();
        assert!(end);
        assert_eq!(rest, all[index + 1..]);
    }
    for entry in &all[..350] {
        if entry.name.starts_with("file") {
            guest.unlink(&format!("many/{}", entry.name)).unwrap();
        }
    }
    let (rest, _) = guest.readdir(fd, 1 << 20, all[399].next).unwrap();
    assert_eq!(rest, all[400..]);
    assert_eq!(guest.readdir(fd, 4096, u64::MAX), Err(Errno::Inval));
    assert_eq!(guest.readdir(fd, 0, 0).unwrap().0, []);
    let (none, end) = guest.readdir(fd, 10, 0).unwrap();
    assert!(none.is_empty() && !end, "a buffer that is too small is filled");
}
