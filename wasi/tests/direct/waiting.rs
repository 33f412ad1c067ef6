//! Calls that block the guest: they wait for the right thing, and the host can end them.

use crate::common::{ALL_FILE_RIGHTS, DATA, Guest, OUT, Ours, ROOT, TempDir};
use rustix::event::PollFd;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use upshift_wasi::types::{
    Errno, Event, Filetype, Subscription, clockid, eventrwflags, eventtype, fdflags, rights,
    sdflags,
};
use upshift_wasi::{InputStream, MemoryInputPipe, PlainWaiter, Waiter, WasiCtx};

fn clock(userdata: u64, id: u32, timeout: u64, flags: u16) -> Subscription {
    let tag = eventtype::CLOCK;
    Subscription { userdata, tag, id, timeout, flags, ..Subscription::default() }
}

fn file(userdata: u64, tag: u8, fd: u32) -> Subscription {
    Subscription { userdata, tag, id: fd, ..Subscription::default() }
}

/// A guest whose descriptor 3 is one end of a socket pair, and the other end.
fn with_socket() -> (Guest, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut builder = WasiCtx::builder();
    builder.stdin(Box::new(MemoryInputPipe::new("x"))).preopened_socket(OwnedFd::from(ours));
    (Guest::new(builder.build().unwrap()), theirs)
}

#[test]
fn sleeping() {
    let mut guest = Guest::new(WasiCtx::builder().build().unwrap());
    let now = |guest: &mut Guest, clock: u32| {
        guest.call("clock_time_get", &[clock.into(), 0, OUT.into()]).unwrap();
        guest.u64_at(OUT)
    };
    let start = Instant::now();
    let events = guest.poll(&[clock(7, clockid::MONOTONIC, 30_000_000, 0)]).unwrap();
    assert_eq!(events, [Event { userdata: 7, ..Event::default() }]);
    assert!(start.elapsed() >= Duration::from_millis(30));
    for id in [clockid::MONOTONIC, clockid::REALTIME] {
        let start = Instant::now();
        let end = now(&mut guest, id) + 20_000_000;
        guest.poll(&[clock(1, id, end, 1), clock(2, id, end + (1 << 40), 1)]).unwrap();
        let slept = start.elapsed();
        assert!((19..5000).contains(&slept.as_millis()), "{slept:?}");
        assert_eq!(guest.poll(&[clock(1, id, 1, 1)]).unwrap().len(), 1, "long past");
    }
    let both = [clock(1, clockid::MONOTONIC, 0, 0), clock(2, clockid::MONOTONIC, 0, 0)];
    assert_eq!(guest.poll(&both).unwrap().len(), 2);
    let error = |events: Vec<Event>| events[0].error;
    assert_eq!(error(guest.poll(&[clock(1, 9, 0, 0)]).unwrap()), Errno::Inval as u16);
    assert_eq!(error(guest.poll(&[clock(1, 0, 0, 2)]).unwrap()), Errno::Inval as u16);
    let cpu = clock(1, clockid::THREAD_CPUTIME, 5, 1);
    assert_eq!(error(guest.poll(&[cpu]).unwrap()), Errno::Notsup as u16);
    assert_eq!(guest.poll(&[]), Err(Errno::Inval));
    for count in [1 << 16, 1 << 28, u64::from(u32::MAX)] {
        let args = [DATA.into(), DATA.into(), count, OUT.into()];
        assert_eq!(guest.call("poll_oneoff", &args), Err(Errno::Inval));
    }
}

#[test]
fn polling_descriptors() {
    let dir = TempDir::new();
    let (mut guest, mut peer) = with_socket();
    let timeout = clock(9, clockid::MONOTONIC, 10_000_000, 0);
    let events = guest.poll(&[file(1, eventtype::FD_READ, 3), timeout]).unwrap();
    assert_eq!(events, [Event { userdata: 9, ..Event::default() }]);
    peer.write_all(b"hello").unwrap();
    let forever = clock(9, clockid::MONOTONIC, u64::MAX, 0);
    let both = [file(1, eventtype::FD_READ, 3), file(2, eventtype::FD_WRITE, 3), forever];
    let events = guest.poll(&both).unwrap();
    assert_eq!(events[0], Event { userdata: 1, type_: 1, nbytes: 5, ..Event::default() });
    assert_eq!(events[1], Event { userdata: 2, type_: 2, ..Event::default() });
    assert_eq!(events.len(), 2);
    drop(peer);
    let events = guest.poll(&both[..1]).unwrap();
    assert_eq!(events[0].flags, eventrwflags::FD_READWRITE_HANGUP);
    // One bad subscription does not spoil the others.
    let events =
        guest.poll(&[file(1, eventtype::FD_READ, 77), file(2, 1, 0), file(3, 9, 0)]).unwrap();
    let errors: Vec<_> = events.iter().map(|event| (event.userdata, event.error)).collect();
    let (badf, inval) = (Errno::Badf as u16, Errno::Inval as u16);
    assert!(
        errors.contains(&(1, badf)) && errors.contains(&(2, 0)) && errors.contains(&(3, inval))
    );
    let mut guest = Guest::in_dir(&dir.0);
    guest.create("file", b"12345678");
    let fd = guest.open("file", 0).unwrap();
    let events = guest.poll(&[file(1, 1, fd), file(2, 2, fd), file(3, 1, ROOT)]).unwrap();
    assert_eq!(events.len(), 3, "files are always ready");
    assert_eq!(events.iter().find(|e| e.userdata == 1).unwrap().nbytes, 8);
    assert_eq!(events.iter().find(|e| e.userdata == 3).unwrap().error, badf);
}

/// Interrupts at the `n`th wait, or after a time.
struct Interrupting {
    waits: Arc<AtomicUsize>,
    after: Duration,
}

impl Waiter for Interrupting {
    fn wait(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> anyhow::Result<()> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        if timeout == Some(Duration::ZERO) {
            return Ok(());
        }
        let limit = timeout.map_or(self.after, |timeout| timeout.min(self.after));
        PlainWaiter.wait(fds, Some(limit))?;
        if fds.iter().any(|fd| !fd.revents().is_empty()) || timeout == Some(limit) {
            return Ok(());
        }
        anyhow::bail!("interrupted")
    }
}

fn assert_interrupted(guest: &mut Guest, name: &str, args: &[u64]) {
    let waits = Arc::new(AtomicUsize::new(0));
    let after = Duration::from_millis(20);
    guest.wasi.waiter = Box::new(Interrupting { waits: Arc::clone(&waits), after });
    let start = Instant::now();
    let error = crate::common::Wasi::call(&mut guest.wasi, &mut guest.memory, name, args);
    assert_eq!(error.unwrap_err().to_string(), "interrupted", "{name}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(waits.load(Ordering::Relaxed) > 0);
    guest.wasi.waiter = Box::new(PlainWaiter);
}

#[test]
fn blocked_calls_can_be_interrupted() {
    let (mut guest, peer) = with_socket();
    let [iovs, count] = guest.vectors(&[(DATA, 100)]);
    assert_interrupted(&mut guest, "fd_read", &[3, iovs, count, OUT.into()]);
    assert_interrupted(&mut guest, "sock_recv", &[3, iovs, count, 0, OUT.into(), OUT.into()]);
    guest.put(DATA, &clock(1, clockid::MONOTONIC, u64::MAX, 0).to_bytes());
    assert_interrupted(&mut guest, "poll_oneoff", &[DATA.into(), DATA.into(), 1, OUT.into()]);
    guest.put(DATA, &file(1, eventtype::FD_READ, 3).to_bytes());
    assert_interrupted(&mut guest, "poll_oneoff", &[DATA.into(), DATA.into(), 1, OUT.into()]);
    // More than the socket takes.
    let [iovs, count] = guest.vectors(&[(DATA, 3 << 20)]);
    assert_interrupted(&mut guest, "fd_write", &[3, iovs, count, OUT.into()]);
    assert_interrupted(&mut guest, "sock_send", &[3, iovs, count, 0, OUT.into()]);
    drop(peer);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ctx = WasiCtx::builder().preopened_socket(listener).build().unwrap();
    assert_interrupted(&mut Guest::new(ctx), "sock_accept", &[3, 0, OUT.into()]);
}

#[test]
fn long_work_pauses_for_interruptions() {
    let waits = Arc::new(AtomicUsize::new(0));
    let mut guest = Guest::new(WasiCtx::builder().build().unwrap());
    let after = Duration::from_secs(9);
    guest.wasi.waiter = Box::new(Interrupting { waits: Arc::clone(&waits), after });
    guest.call("random_get", &[0, 2 << 20]).unwrap();
    assert!(waits.load(Ordering::Relaxed) >= 7);
    let empty = guest.memory.len() as u64 / 8;
    guest.memory.fill(0);
    let before = waits.load(Ordering::Relaxed);
    guest.call("fd_read", &[0, 0, empty, OUT.into()]).unwrap();
    assert!(waits.load(Ordering::Relaxed) - before >= 16, "empty buffers are work as well");
}

#[test]
fn a_blocked_write_goes_on_until_all_is_written() {
    let (mut guest, mut peer) = with_socket();
    guest.memory = vec![1; 8 << 20];
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.len()
    });
    let [iovs, count] = guest.vectors(&[(DATA, 5 << 20), (DATA, 1 << 20)]);
    guest.call("fd_write", &[3, iovs, count, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), 6 << 20);
    guest.close(3).unwrap();
    assert_eq!(reader.join().unwrap(), 6 << 20);
}

#[test]
fn a_blocked_read_gets_what_comes() {
    let (mut guest, mut peer) = with_socket();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        peer.write_all(b"late").unwrap();
        peer
    });
    assert_eq!(guest.read(3, 100).unwrap(), b"late");
    let _peer = writer.join().unwrap();
    guest.call("fd_fdstat_set_flags", &[3, fdflags::NONBLOCK.into()]).unwrap();
    assert_eq!(guest.read(3, 100), Err(Errno::Again));
    assert_eq!(guest.fdstat(3).unwrap().fs_flags, fdflags::NONBLOCK);
}

#[test]
fn pipes_in_the_file_system_block_only_the_guest() {
    let dir = TempDir::new();
    let fifo = dir.0.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
    let mut guest = Guest::in_dir(&dir.0);
    // On the host each of these would wait for a peer.
    let fd = guest.open_at(ROOT, 0, "fifo", 0, ALL_FILE_RIGHTS & !rights::FD_WRITE, 0).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().fs_filetype, Filetype::Unknown as u8);
    guest.path_times(1, "fifo", [1, 1], 4).unwrap();
    let mut peer = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let [iovs, count] = guest.vectors(&[(DATA, 10)]);
    assert_interrupted(&mut guest, "fd_read", &[fd.into(), iovs, count, OUT.into()]);
    peer.write_all(b"data").unwrap();
    assert_eq!(guest.read(fd, 10).unwrap(), b"data");
    assert_eq!(guest.seek(fd, 0, 0), Err(Errno::Spipe));
    drop(peer);
    assert_eq!(guest.read(fd, 10).unwrap(), b"");
}

#[test]
fn streams_of_the_host_can_make_the_guest_wait() {
    struct Slow(Mutex<u32>);
    impl InputStream for Slow {
        fn read(&self, bytes: &mut [u8]) -> std::io::Result<usize> {
            let mut left = self.0.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            bytes[0] = b'!';
            Ok(1)
        }
    }
    let ctx = WasiCtx::builder().stdin(Box::new(Slow(Mutex::new(3)))).build().unwrap();
    assert_eq!(Guest::new(ctx).read(0, 5).unwrap(), b"!");
    let ctx = WasiCtx::builder().stdin(Box::new(Slow(Mutex::new(u32::MAX)))).build().unwrap();
    let mut guest = Guest::new(ctx);
    guest.call("fd_fdstat_set_flags", &[0, fdflags::NONBLOCK.into()]).unwrap();
    assert_eq!(guest.read(0, 5), Err(Errno::Again));
}

#[test]
fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut guest = Guest::new(WasiCtx::builder().preopened_socket(listener).build().unwrap());
    guest.call("fd_fdstat_set_flags", &[3, fdflags::NONBLOCK.into()]).unwrap();
    assert_eq!(guest.call("sock_accept", &[3, 0, OUT.into()]), Err(Errno::Again));
    guest.call("fd_fdstat_set_flags", &[3, 0]).unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    guest.call("sock_accept", &[3, fdflags::NONBLOCK.into(), OUT.into()]).unwrap();
    let fd = guest.u32_at(OUT);
    assert_eq!(guest.fdstat(fd).unwrap().fs_flags, fdflags::NONBLOCK);
    assert_eq!(guest.fdstat(fd).unwrap().fs_filetype, Filetype::SocketStream as u8);
    guest.call("fd_fdstat_set_flags", &[fd.into(), 0]).unwrap();
    client.write_all(b"hello").unwrap();
    let [iovs, count] = guest.vectors(&[(DATA, 2), (DATA + 2, 100)]);
    let receive = |guest: &mut Guest, flags: u64| {
        guest.call("sock_recv", &[fd.into(), iovs, count, flags, OUT.into(), OUT.into()])
    };
    receive(&mut guest, 1).unwrap();
    let args = [fd.into(), iovs, count, 0, OUT.into(), u64::from(OUT) + 4];
    guest.call("sock_recv", &args).unwrap();
    assert_eq!((guest.u32_at(OUT), guest.bytes(DATA, 5)), (5, b"hello".to_vec()), "peeked before");
    assert_eq!(receive(&mut guest, 4), Err(Errno::Inval));
    guest.put(DATA, b"answer");
    let [iovs, count] = guest.vectors(&[(DATA, 3), (DATA + 3, 3)]);
    guest.call("sock_send", &[fd.into(), iovs, count, 0, OUT.into()]).unwrap();
    assert_eq!(guest.u32_at(OUT), 6);
    assert_eq!(
        guest.call("sock_send", &[fd.into(), iovs, count, 1, OUT.into()]),
        Err(Errno::Inval)
    );
    guest.call("sock_shutdown", &[fd.into(), sdflags::WR.into()]).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
    assert_eq!(guest.write(fd, b"x"), Err(Errno::Pipe), "and no signal");
    assert_eq!(guest.call("sock_shutdown", &[fd.into(), 0]), Err(Errno::Inval));
    assert_eq!(guest.call("sock_shutdown", &[fd.into(), 4]), Err(Errno::Inval));
    assert_eq!(guest.call("sock_shutdown", &[0, 1]), Err(Errno::Notsock));
    assert_eq!(guest.call("sock_accept", &[0, 0, OUT.into()]), Err(Errno::Notsock));
    assert_eq!(guest.call("sock_accept", &[99, 0, OUT.into()]), Err(Errno::Badf));
    assert_eq!(guest.call("sock_accept", &[fd.into(), 0, OUT.into()]), Err(Errno::Notcapable));
    assert_eq!(guest.seek(fd, 0, 0), Err(Errno::Spipe));
    assert_eq!(guest.pread(fd, 1, 0), Err(Errno::Spipe));
}

#[test]
fn waiting_for_all_bytes() {
    let (mut guest, mut peer) = with_socket();
    let writer = std::thread::spawn(move || {
        for byte in b"abcdef" {
            peer.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    let [iovs, count] = guest.vectors(&[(DATA, 4), (DATA + 10, 2)]);
    let args = [3, iovs, count, 2, OUT.into(), u64::from(OUT) + 4];
    guest.call("sock_recv", &args).unwrap();
    assert_eq!(guest.u32_at(OUT), 6);
    assert_eq!(
        (guest.bytes(DATA, 4), guest.bytes(DATA + 10, 2)),
        (b"abcd".to_vec(), b"ef".to_vec())
    );
    writer.join().unwrap();
}

#[test]
fn datagrams_stay_whole() {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    a.connect(b.local_addr().unwrap()).unwrap();
    b.connect(a.local_addr().unwrap()).unwrap();
    let mut guest = Guest::new(WasiCtx::builder().preopened_socket(a).build().unwrap());
    assert_eq!(guest.fdstat(3).unwrap().fs_filetype, Filetype::SocketDgram as u8);
    b.send(b"a message").unwrap();
    let [iovs, count] = guest.vectors(&[(DATA, 1), (DATA + 1, 3)]);
    let args = [3, iovs, count, 0, OUT.into(), u64::from(OUT) + 4];
    guest.call("sock_recv", &args).unwrap();
    assert_eq!((guest.u32_at(OUT), guest.u32_at(OUT + 4) & 0xffff), (4, 1), "cut off, and said so");
    guest.put(DATA, b"one datagram");
    let [iovs, count] = guest.vectors(&[(DATA, 4), (DATA + 4, 8)]);
    guest.call("sock_send", &[3, iovs, count, 0, OUT.into()]).unwrap();
    let mut buffer = [0; 100];
    assert_eq!(b.recv(&mut buffer).unwrap(), 12);
    let many = vec![(DATA, 1); 2000];
    let [iovs, count] = guest.vectors(&many);
    assert_eq!(guest.call("sock_send", &[3, iovs, count, 0, OUT.into()]), Err(Errno::Msgsize));
}

/// Guests on several threads share a context.
#[test]
fn a_context_serves_many_threads() {
    let dir = TempDir::new();
    let (end, peer) = UnixStream::pair().unwrap();
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(&dir.0, "/").preopened_socket(OwnedFd::from(end));
    let ctx = builder.build().unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            let mut memory = vec![0; 4096];
            memory[64..72].copy_from_slice(&[0, 1, 0, 0, 10, 0, 0, 0]);
            upshift_wasi::DirectCalls::new(&ctx, &mut memory).fd_read(4, 64, 1, 0).unwrap();
            memory[0]
        });
        for thread in 0..4 {
            let ctx = &ctx;
            scope.spawn(move || {
                for round in 0..200 {
                    let mut memory = vec![0; 4096];
                    let name = format!("file-{thread}-{}", round % 3);
                    memory[..name.len()].copy_from_slice(name.as_bytes());
                    let mut calls = upshift_wasi::DirectCalls::new(ctx, &mut memory);
                    let len = u32::try_from(name.len()).unwrap();
                    let opened = calls.path_open(3, 0, 0, len, 1, 0, 0, 0, 128).unwrap();
                    assert_eq!(opened, Errno::Success);
                    let fd = calls.memory()[128].into();
                    assert_eq!(calls.fd_close(fd).unwrap(), Errno::Success);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(10));
        (&peer).write_all(b"go").unwrap();
        assert_eq!(blocked.join().unwrap(), 2);
    });
    fn assert_shared<T: Send + Sync>(_: &T) {}
    assert_shared(&ctx);
    let _ = Ours::new(ctx);
}
