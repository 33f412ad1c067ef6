//! The types of WASI preview 1 as they lie in guest memory.
//!
//! Records are `#[repr(C)]` structs of little-endian integers; their layout is the one that the
//! interface definition prescribes for 32-bit guests; the tests below hold every size and
//! offset. They are moved in and out of guest memory with `to_bytes` and `from_bytes`, so nothing
//! here depends on the byte order or the alignment of the host.
//!
//! Example: an [`Fdstat`] of a directory is the 24 bytes
//! `03 00 | 00 00 | 00 00 00 00 | base (8) | inheriting (8)`.

use std::mem::{offset_of, size_of};

macro_rules! errnos {
    ($($name:ident = $code:literal, $text:literal $(, $host:ident)?;)*) => {
        /// Error codes that the functions return.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $text] $name = $code,)*
        }

        impl Errno {
            /// Every error code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The description of the code.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code for an error of the host; what has no counterpart is [`Errno::Io`].
            #[must_use]
            pub fn from_host(error: rustix::io::Errno) -> Self {
                $($(if error == rustix::io::Errno::$host { return Self::$name; })?)*
                Self::Io
            }
        }
    };
}

errnos! {
    Success = 0, "no error";
    TooBig = 1, "argument list too long", TOOBIG;
    Acces = 2, "permission denied", ACCESS;
    Addrinuse = 3, "address in use", ADDRINUSE;
    Addrnotavail = 4, "address not available", ADDRNOTAVAIL;
    Afnosupport = 5, "address family not supported", AFNOSUPPORT;
    Again = 6, "resource unavailable, or operation would block", AGAIN;
    Already = 7, "connection already in progress", ALREADY;
    Badf = 8, "bad file descriptor", BADF;
    Badmsg = 9, "bad message", BADMSG;
    Busy = 10, "device or resource busy", BUSY;
    Canceled = 11, "operation canceled", CANCELED;
    Child = 12, "no child processes", CHILD;
    Connaborted = 13, "connection aborted", CONNABORTED;
    Connrefused = 14, "connection refused", CONNREFUSED;
    Connreset = 15, "connection reset", CONNRESET;
    Deadlk = 16, "resource deadlock would occur", DEADLK;
    Destaddrreq = 17, "destination address required", DESTADDRREQ;
    Dom = 18, "argument out of the function's domain", DOM;
    Dquot = 19, "disk quota exceeded", DQUOT;
    Exist = 20, "file exists", EXIST;
    Fault = 21, "bad address", FAULT;
    Fbig = 22, "file too large", FBIG;
    Hostunreach = 23, "host is unreachable", HOSTUNREACH;
    Idrm = 24, "identifier removed", IDRM;
    Ilseq = 25, "illegal byte sequence", ILSEQ;
    Inprogress = 26, "operation in progress", INPROGRESS;
    Intr = 27, "interrupted function", INTR;
    Inval = 28, "invalid argument", INVAL;
    Io = 29, "i/o error", IO;
    Isconn = 30, "socket is connected", ISCONN;
    Isdir = 31, "is a directory", ISDIR;
    Loop = 32, "too many levels of symbolic links", LOOP;
    Mfile = 33, "file descriptor value too large", MFILE;
    Mlink = 34, "too many links", MLINK;
    Msgsize = 35, "message too large", MSGSIZE;
    Multihop = 36, "multihop attempted", MULTIHOP;
    Nametoolong = 37, "filename too long", NAMETOOLONG;
    Netdown = 38, "network is down", NETDOWN;
    Netreset = 39, "connection aborted by network", NETRESET;
    Netunreach = 40, "network unreachable", NETUNREACH;
    Nfile = 41, "too many files open in system", NFILE;
    Nobufs = 42, "no buffer space available", NOBUFS;
    Nodev = 43, "no such device", NODEV;
    Noent = 44, "no such file or directory", NOENT;
    Noexec = 45, "executable file format error", NOEXEC;
    Nolck = 46, "no locks available", NOLCK;
    Nolink = 47, "link severed", NOLINK;
    Nomem = 48, "not enough space", NOMEM;
    Nomsg = 49, "no message of the desired type", NOMSG;
    Noprotoopt = 50, "protocol not available", NOPROTOOPT;
    Nospc = 51, "no space left on device", NOSPC;
    Nosys = 52, "function not supported", NOSYS;
    Notconn = 53, "the socket is not connected", NOTCONN;
    Notdir = 54, "not a directory or a symbolic link to a directory", NOTDIR;
    Notempty = 55, "directory not empty", NOTEMPTY;
    Notrecoverable = 56, "state not recoverable", NOTRECOVERABLE;
    Notsock = 57, "not a socket", NOTSOCK;
    Notsup = 58, "not supported, or operation not supported on socket", NOTSUP;
    Notty = 59, "inappropriate i/o control operation", NOTTY;
    Nxio = 60, "no such device or address", NXIO;
    Overflow = 61, "value too large to be stored in data type", OVERFLOW;
    Ownerdead = 62, "previous owner died", OWNERDEAD;
    Perm = 63, "operation not permitted", PERM;
    Pipe = 64, "broken pipe", PIPE;
    Proto = 65, "protocol error", PROTO;
    Protonosupport = 66, "protocol not supported", PROTONOSUPPORT;
    Prototype = 67, "protocol wrong type for socket", PROTOTYPE;
    Range = 68, "result too large", RANGE;
    Rofs = 69, "read-only file system", ROFS;
    Spipe = 70, "invalid seek", SPIPE;
    Srch = 71, "no such process", SRCH;
    Stale = 72, "stale file handle", STALE;
    Timedout = 73, "connection timed out", TIMEDOUT;
    Txtbsy = 74, "text file busy", TXTBSY;
    Xdev = 75, "cross-device link", XDEV;
    Notcapable = 76, "capabilities insufficient";
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Errno {}

macro_rules! flags {
    ($($(#[$doc:meta])* $module:ident: $ty:ty { $($name:ident = $bit:literal,)* })*) => {
        $(
            $(#[$doc])*
            pub mod $module {
                $(
                    #[doc = concat!("Bit ", stringify!($bit), ".")]
                    pub const $name: $ty = 1 << $bit;
                )*
                /// Every flag of the interface.
                pub const ALL: $ty = 0 $(| $name)*;
            }
        )*
    };
}

flags! {
    /// Rights of a descriptor.
    rights: u64 {
        FD_DATASYNC = 0,
        FD_READ = 1,
        FD_SEEK = 2,
        FD_FDSTAT_SET_FLAGS = 3,
        FD_SYNC = 4,
        FD_TELL = 5,
        FD_WRITE = 6,
        FD_ADVISE = 7,
        FD_ALLOCATE = 8,
        PATH_CREATE_DIRECTORY = 9,
        PATH_CREATE_FILE = 10,
        PATH_LINK_SOURCE = 11,
        PATH_LINK_TARGET = 12,
        PATH_OPEN = 13,
        FD_READDIR = 14,
        PATH_READLINK = 15,
        PATH_RENAME_SOURCE = 16,
        PATH_RENAME_TARGET = 17,
        PATH_FILESTAT_GET = 18,
        PATH_FILESTAT_SET_SIZE = 19,
        PATH_FILESTAT_SET_TIMES = 20,
        FD_FILESTAT_GET = 21,
        FD_FILESTAT_SET_SIZE = 22,
        FD_FILESTAT_SET_TIMES = 23,
        PATH_SYMLINK = 24,
        PATH_REMOVE_DIRECTORY = 25,
        PATH_UNLINK_FILE = 26,
        POLL_FD_READWRITE = 27,
        SOCK_SHUTDOWN = 28,
        SOCK_ACCEPT = 29,
    }
    /// Flags of an open descriptor.
    fdflags: u16 {
        APPEND = 0,
        DSYNC = 1,
        NONBLOCK = 2,
        RSYNC = 3,
        SYNC = 4,
    }
    /// How `path_open` opens.
    oflags: u16 {
        CREAT = 0,
        DIRECTORY = 1,
        EXCL = 2,
        TRUNC = 3,
    }
    /// How a path is resolved.
    lookupflags: u32 {
        SYMLINK_FOLLOW = 0,
    }
    /// Which times to set.
    fstflags: u16 {
        ATIM = 0,
        ATIM_NOW = 1,
        MTIM = 2,
        MTIM_NOW = 3,
    }
    /// The state of a polled descriptor.
    eventrwflags: u16 {
        FD_READWRITE_HANGUP = 0,
    }
    /// How a clock subscription's time is meant.
    subclockflags: u16 {
        SUBSCRIPTION_CLOCK_ABSTIME = 0,
    }
    /// Flags of `sock_recv`.
    riflags: u16 {
        RECV_PEEK = 0,
        RECV_WAITALL = 1,
    }
    /// Flags that `sock_recv` returns.
    roflags: u16 {
        RECV_DATA_TRUNCATED = 0,
    }
    /// Which directions `sock_shutdown` closes.
    sdflags: u8 {
        RD = 0,
        WR = 1,
    }
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Filetype {
    /// None of the others; pipes too, for which there is no code.
    Unknown = 0,
    /// A block device.
    BlockDevice = 1,
    /// A character device.
    CharacterDevice = 2,
    /// A directory.
    Directory = 3,
    /// A regular file.
    RegularFile = 4,
    /// A datagram socket.
    SocketDgram = 5,
    /// A stream socket.
    SocketStream = 6,
    /// A symbolic link.
    SymbolicLink = 7,
}

impl From<rustix::fs::FileType> for Filetype {
    fn from(host: rustix::fs::FileType) -> Self {
        match host {
            rustix::fs::FileType::RegularFile => Self::RegularFile,
            rustix::fs::FileType::Directory => Self::Directory,
            rustix::fs::FileType::Symlink => Self::SymbolicLink,
            rustix::fs::FileType::CharacterDevice => Self::CharacterDevice,
            rustix::fs::FileType::BlockDevice => Self::BlockDevice,
            rustix::fs::FileType::Socket => Self::SocketStream,
            rustix::fs::FileType::Fifo | rustix::fs::FileType::Unknown => Self::Unknown,
        }
    }
}

/// Codes of the clocks.
pub mod clockid {
    /// Wall-clock time since 1970.
    pub const REALTIME: u32 = 0;
    /// A clock that never goes back.
    pub const MONOTONIC: u32 = 1;
    /// CPU time of the process.
    pub const PROCESS_CPUTIME: u32 = 2;
    /// CPU time of the thread.
    pub const THREAD_CPUTIME: u32 = 3;
}

/// Codes of event types.
pub mod eventtype {
    /// A clock reached a time.
    pub const CLOCK: u8 = 0;
    /// A descriptor can be read.
    pub const FD_READ: u8 = 1;
    /// A descriptor can be written.
    pub const FD_WRITE: u8 = 2;
}

/// Where `fd_seek` counts from.
pub mod whence {
    /// The start of the file.
    pub const SET: u32 = 0;
    /// The current position.
    pub const CUR: u32 = 1;
    /// The end of the file.
    pub const END: u32 = 2;
}

/// The one type of preopened objects: a directory.
pub const PREOPENTYPE_DIR: u8 = 0;

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            #[repr(C)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $ty,)*
            }

            impl $name {
                /// Bytes that a record takes in guest memory.
                pub const SIZE: usize = size_of::<Self>();

                /// The record as it lies in guest memory; padding is zero.
                #[must_use]
                pub fn to_bytes(&self) -> [u8; size_of::<$name>()] {
                    let mut bytes = [0; size_of::<$name>()];
                    $(
                        let at = offset_of!(Self, $field);
                        bytes[at..at + size_of::<$ty>()]
                            .copy_from_slice(&self.$field.to_le_bytes());
                    )*
                    bytes
                }

                /// The record that `bytes` hold.
                #[must_use]
                pub fn from_bytes(bytes: &[u8; size_of::<$name>()]) -> Self {
                    Self {
                        $($field: {
                            let at = offset_of!(Self, $field);
                            let mut field = [0; size_of::<$ty>()];
                            field.copy_from_slice(&bytes[at..at + size_of::<$ty>()]);
                            <$ty>::from_le_bytes(field)
                        },)*
                    }
                }
            }
        )*
    };
}

records! {
    /// A piece of guest memory to read into or to write from.
    Iovec {
        /// Address of the first byte.
        buf: u32,
        /// Number of bytes.
        buf_len: u32,
    }
    /// Attributes of a descriptor.
    Fdstat {
        /// A [`Filetype`].
        fs_filetype: u8,
        /// [`fdflags`].
        fs_flags: u16,
        /// Rights of the descriptor itself.
        fs_rights_base: u64,
        /// Most rights that descriptors opened through it can have.
        fs_rights_inheriting: u64,
    }
    /// Attributes of a file.
    Filestat {
        /// The device that holds the file.
        dev: u64,
        /// The file's number on the device.
        ino: u64,
        /// A [`Filetype`].
        filetype: u8,
        /// Number of hard links.
        nlink: u64,
        /// Size in bytes.
        size: u64,
        /// Last access, in nanoseconds since 1970.
        atim: u64,
        /// Last change of the contents.
        mtim: u64,
        /// Last change of the attributes.
        ctim: u64,
    }
    /// The head of a directory entry; the name follows it.
    Dirent {
        /// Cookie of the entry after this one.
        d_next: u64,
        /// The file's number on the device.
        d_ino: u64,
        /// Bytes of the name.
        d_namlen: u32,
        /// A [`Filetype`].
        d_type: u8,
    }
    /// What is known of a preopened object.
    Prestat {
        /// [`PREOPENTYPE_DIR`].
        tag: u8,
        /// Bytes of the directory's name.
        pr_name_len: u32,
    }
    /// What `poll_oneoff` waits for.
    Subscription {
        /// Handed back in the [`Event`].
        userdata: u64,
        /// One of [`eventtype`].
        tag: u8,
        /// Unused: the union starts at the next multiple of eight.
        reserved: u32,
        /// The clock, or the descriptor.
        id: u32,
        /// When, in nanoseconds (clocks only).
        timeout: u64,
        /// How much later is still good (clocks only).
        precision: u64,
        /// [`subclockflags`] (clocks only).
        flags: u16,
    }
    /// What happened, as `poll_oneoff` reports it.
    Event {
        /// From the subscription.
        userdata: u64,
        /// An [`Errno`].
        error: u16,
        /// One of [`eventtype`].
        type_: u8,
        /// Bytes that can be read.
        nbytes: u64,
        /// [`eventrwflags`].
        flags: u16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! assert_layout {
        ($name:ident, $size:literal: $($field:ident @ $at:literal),*) => {
            assert_eq!($name::SIZE, $size, stringify!($name));
            $(assert_eq!(
                offset_of!($name, $field), $at,
                concat!(stringify!($name), "::", stringify!($field))
            );)*
        };
    }

    #[test]
    fn layouts_are_those_of_the_interface() {
        assert_layout!(Iovec, 8: buf @ 0, buf_len @ 4);
        assert_layout!(Fdstat, 24: fs_filetype @ 0, fs_flags @ 2, fs_rights_base @ 8,
            fs_rights_inheriting @ 16);
        assert_layout!(Filestat, 64: dev @ 0, ino @ 8, filetype @ 16, nlink @ 24, size @ 32,
            atim @ 40, mtim @ 48, ctim @ 56);
        assert_layout!(Dirent, 24: d_next @ 0, d_ino @ 8, d_namlen @ 16, d_type @ 20);
        assert_layout!(Prestat, 8: tag @ 0, pr_name_len @ 4);
        assert_layout!(Subscription, 48: userdata @ 0, tag @ 8, id @ 16, timeout @ 24,
            precision @ 32, flags @ 40);
        assert_layout!(Event, 32: userdata @ 0, error @ 8, type_ @ 10, nbytes @ 16, flags @ 24);
    }

    #[test]
    fn records_survive_a_round_trip() {
        let event = Event { userdata: u64::MAX - 1, error: 8, type_: 2, nbytes: 77, flags: 1 };
        let bytes = event.to_bytes();
        assert_eq!(bytes[8..11], [8, 0, 2]);
        assert_eq!(bytes[11..16], [0; 5], "padding is zero");
        assert_eq!(Event::from_bytes(&bytes), event);
    }

    #[test]
    fn errno_codes_are_consecutive() {
        assert_eq!(Errno::ALL.len(), 77);
        for (code, &errno) in Errno::ALL.iter().enumerate() {
            assert_eq!(errno as usize, code);
        }
        assert_eq!(Errno::from_host(rustix::io::Errno::XDEV), Errno::Xdev);
        assert_eq!(Errno::from_host(rustix::io::Errno::OPNOTSUPP), Errno::Notsup);
        assert_eq!(Errno::from_host(rustix::io::Errno::WOULDBLOCK), Errno::Again);
        assert_eq!(Errno::from_host(rustix::io::Errno::NOTUNIQ), Errno::Io);
    }

    #[test]
    fn flags_have_the_bits_of_the_interface() {
        assert_eq!(rights::ALL, (1 << 30) - 1);
        assert_eq!(fdflags::ALL, 0x1f);
        assert_eq!(oflags::ALL, 0xf);
        assert_eq!(rights::PATH_RENAME_TARGET, 1 << 17);
    }
}
