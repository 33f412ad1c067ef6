//! The table of all functions: one row each, with the signature that modules import and the Rust
//! function that makes an attempt at it.
//!
//! A row `name(parameters) -> result => function [arguments];` may end in
//! `, unstable function [arguments]` where the older snapshot differs. The linker's registration,
//! the calls without an engine and the tests all derive from the rows.

/// Hands all rows to the macro `$with`.
macro_rules! for_each_function {
    ($with:ident! $($extra:tt)*) => {
        $with! {
            [$($extra)*]
            args_get(argv: u32, argv_buf: u32) -> u32
                => crate::args_env::args_get [argv, argv_buf];
            args_sizes_get(argc: u32, argv_buf_size: u32) -> u32
                => crate::args_env::args_sizes_get [argc, argv_buf_size];
            environ_get(environ: u32, environ_buf: u32) -> u32
                => crate::args_env::environ_get [environ, environ_buf];
            environ_sizes_get(count: u32, buf_size: u32) -> u32
                => crate::args_env::environ_sizes_get [count, buf_size];
            clock_res_get(id: u32, out: u32) -> u32
                => crate::clock::clock_res_get [id, out];
            clock_time_get(id: u32, precision: u64, out: u32) -> u32
                => crate::clock::clock_time_get [id, precision, out];
            fd_advise(fd: u32, offset: u64, len: u64, advice: u32) -> u32
                => crate::fd::fd_advise [fd, offset, len, advice];
            fd_allocate(fd: u32, offset: u64, len: u64) -> u32
                => crate::fd::fd_allocate [fd, offset, len];
            fd_close(fd: u32) -> u32
                => crate::fd::fd_close [fd];
            fd_datasync(fd: u32) -> u32
                => crate::fd::fd_datasync [fd];
            fd_fdstat_get(fd: u32, out: u32) -> u32
                => crate::fd::fd_fdstat_get [fd, out];
            fd_fdstat_set_flags(fd: u32, flags: u32) -> u32
                => crate::fd::fd_fdstat_set_flags [fd, flags];
            fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) -> u32
                => crate::fd::fd_fdstat_set_rights [fd, base, inheriting];
            fd_filestat_get(fd: u32, out: u32) -> u32
                => crate::fd::fd_filestat_get [fd, out],
                unstable crate::snapshot0::fd_filestat_get [fd, out];
            fd_filestat_set_size(fd: u32, size: u64) -> u32
                => crate::fd::fd_filestat_set_size [fd, size];
            fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32) -> u32
                => crate::fd::fd_filestat_set_times [fd, atim, mtim, flags];
            fd_pread(fd: u32, iovs: u32, iovs_len: u32, offset: u64, out: u32) -> u32
                => crate::io::fd_pread [fd, Span::new(iovs, iovs_len), offset, out];
            fd_prestat_get(fd: u32, out: u32) -> u32
                => crate::fd::fd_prestat_get [fd, out];
            fd_prestat_dir_name(fd: u32, path: u32, path_len: u32) -> u32
                => crate::fd::fd_prestat_dir_name [fd, Span::new(path, path_len)];
            fd_pwrite(fd: u32, iovs: u32, iovs_len: u32, offset: u64, out: u32) -> u32
                => crate::io::fd_pwrite [fd, Span::new(iovs, iovs_len), offset, out];
            fd_read(fd: u32, iovs: u32, iovs_len: u32, out: u32) -> u32
                => crate::io::fd_read [fd, Span::new(iovs, iovs_len), out];
            fd_readdir(fd: u32, buf: u32, buf_len: u32, cookie: u64, out: u32) -> u32
                => crate::dir::fd_readdir [fd, Span::new(buf, buf_len), cookie, out];
            fd_renumber(fd: u32, to: u32) -> u32
                => crate::fd::fd_renumber [fd, to];
            fd_seek(fd: u32, offset: i64, whence: u32, out: u32) -> u32
                => crate::fd::fd_seek [fd, offset, whence, out],
                unstable crate::snapshot0::fd_seek [fd, offset, whence, out];
            fd_sync(fd: u32) -> u32
                => crate::fd::fd_sync [fd];
            fd_tell(fd: u32, out: u32) -> u32
                => crate::fd::fd_tell [fd, out];
            fd_write(fd: u32, iovs: u32, iovs_len: u32, out: u32) -> u32
                => crate::io::fd_write [fd, Span::new(iovs, iovs_len), out];
            path_create_directory(fd: u32, path: u32, path_len: u32) -> u32
                => crate::path::path_create_directory [fd, Span::new(path, path_len)];
            path_filestat_get(fd: u32, flags: u32, path: u32, path_len: u32, out: u32) -> u32
                => crate::path::path_filestat_get [fd, flags, Span::new(path, path_len), out],
                unstable crate::snapshot0::path_filestat_get
                    [fd, flags, Span::new(path, path_len), out];
            path_filestat_set_times(
                fd: u32, flags: u32, path: u32, path_len: u32, atim: u64, mtim: u64, fst_flags: u32
            ) -> u32
                => crate::path::path_filestat_set_times
                    [(fd, flags), Span::new(path, path_len), (atim, mtim), fst_flags];
            path_link(
                old_fd: u32, old_flags: u32, old_path: u32, old_path_len: u32,
                new_fd: u32, new_path: u32, new_path_len: u32
            ) -> u32
                => crate::path::path_link [
                    (old_fd, old_flags, Span::new(old_path, old_path_len)),
                    (new_fd, Span::new(new_path, new_path_len))
                ];
            path_open(
                fd: u32, lookup: u32, path: u32, path_len: u32, oflags: u32,
                base: u64, inheriting: u64, fdflags: u32, out: u32
            ) -> u32
                => crate::path::path_open [&crate::path::Open {
                    fd, lookup, path: Span::new(path, path_len), oflags,
                    base, inheriting, fdflags, out,
                }];
            path_readlink(
                fd: u32, path: u32, path_len: u32, buf: u32, buf_len: u32, out: u32
            ) -> u32
                => crate::path::path_readlink
                    [fd, Span::new(path, path_len), Span::new(buf, buf_len), out];
            path_remove_directory(fd: u32, path: u32, path_len: u32) -> u32
                => crate::path::path_remove_directory [fd, Span::new(path, path_len)];
            path_rename(
                fd: u32, old_path: u32, old_path_len: u32,
                new_fd: u32, new_path: u32, new_path_len: u32
            ) -> u32
                => crate::path::path_rename [
                    (fd, Span::new(old_path, old_path_len)),
                    (new_fd, Span::new(new_path, new_path_len))
                ];
            path_symlink(
                old_path: u32, old_path_len: u32, fd: u32, new_path: u32, new_path_len: u32
            ) -> u32
                => crate::path::path_symlink
                    [Span::new(old_path, old_path_len), fd, Span::new(new_path, new_path_len)];
            path_unlink_file(fd: u32, path: u32, path_len: u32) -> u32
                => crate::path::path_unlink_file [fd, Span::new(path, path_len)];
            poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32) -> u32
                => crate::poll::poll_oneoff
                    [&crate::poll::Poll { subscriptions, events, count, out }],
                unstable crate::snapshot0::poll_oneoff
                    [&crate::poll::Poll { subscriptions, events, count, out }];
            proc_exit(status: u32) -> ()
                => crate::proc::proc_exit [status];
            proc_raise(signal: u32) -> u32
                => crate::proc::proc_raise [signal];
            sched_yield() -> u32
                => crate::proc::sched_yield [];
            random_get(buf: u32, buf_len: u32) -> u32
                => crate::random::random_get [Span::new(buf, buf_len)];
            sock_accept(fd: u32, flags: u32, out: u32) -> u32
                => crate::sock::sock_accept [fd, flags, out];
            sock_recv(
                fd: u32, iovs: u32, iovs_len: u32, flags: u32, out: u32, out_flags: u32
            ) -> u32
                => crate::io::sock_recv
                    [fd, Span::new(iovs, iovs_len), flags, (out, out_flags)];
            sock_send(fd: u32, iovs: u32, iovs_len: u32, flags: u32, out: u32) -> u32
                => crate::io::sock_send [fd, Span::new(iovs, iovs_len), flags, out];
            sock_shutdown(fd: u32, how: u32) -> u32
                => crate::sock::sock_shutdown [fd, how];
        }
    };
}
pub(crate) use for_each_function;

/// The two snapshots of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// Preview 1.
    Preview1,
    /// The snapshot before it.
    Unstable,
}

impl Snapshot {
    /// The name of the module that guests import from.
    #[must_use]
    pub const fn module(self) -> &'static str {
        match self {
            Self::Preview1 => "wasi_snapshot_preview1",
            Self::Unstable => "wasi_unstable",
        }
    }
}

macro_rules! names {
    ([] $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty
        => $function:path [$($value:expr),*] $(, unstable $older:path [$($older_value:expr),*])?;)*
    ) => {
        /// The names of all functions, each with the number of its parameters.
        pub const FUNCTIONS: &[(&str, usize)] =
            &[$((stringify!($name), <[&str]>::len(&[$(stringify!($arg)),*])),)*];
    };
}
for_each_function!(names!);
