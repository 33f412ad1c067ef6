//! Transfers between guest memory and descriptors.
//!
//! A call names its buffers by a vector of (address, length). It is worked off in batches of at
//! most [`MAX_SLICES`] buffers and [`BATCH_BYTES`] bytes, so that neither a huge vector nor a huge
//! buffer takes host memory or keeps the host from interrupting the guest. An error after the first
//! byte ends the call with the number of bytes that were transferred, as on the host.

use crate::call::{Env, Progress};
use crate::descriptor::{At, Class, Descriptor, Kind, receive, send};
use crate::error::{Failure, Interest, Result, Wait};
use crate::memory::{BOUNCE_BYTES, GuestMemory, Span, disjoint_slices};
use crate::types::{Errno, Filetype, Iovec, riflags, rights, roflags};
use rustix::net::RecvFlags;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

/// Most buffers of one system call, as the host has it.
const MAX_SLICES: usize = 1024;

/// Most bytes of one attempt.
const BATCH_BYTES: usize = 4 << 20;

/// Most bytes of one call, as the host has it.
const MAX_CALL_BYTES: u32 = 0x7fff_f000;

/// Vectors that one attempt looks at.
const MAX_VECTORS: u32 = 16 << 10;

pub(crate) fn fd_read(env: &mut Env<'_>, fd: u32, vectors: Span, out: u32) -> Result {
    let descriptor = file(env, fd, rights::FD_READ)?;
    read(env, &descriptor, vectors, At::Current, out)
}

pub(crate) fn fd_pread(env: &mut Env<'_>, fd: u32, vectors: Span, at: u64, out: u32) -> Result {
    let descriptor = file(env, fd, rights::FD_READ)?;
    require_position(&descriptor)?;
    let at = offset(at, env.progress)?;
    read(env, &descriptor, vectors, at, out)
}

pub(crate) fn fd_write(env: &mut Env<'_>, fd: u32, vectors: Span, out: u32) -> Result {
    let descriptor = file(env, fd, rights::FD_WRITE)?;
    write(env, &descriptor, vectors, At::Current, out)
}

pub(crate) fn fd_pwrite(env: &mut Env<'_>, fd: u32, vectors: Span, at: u64, out: u32) -> Result {
    let descriptor = file(env, fd, rights::FD_WRITE)?;
    require_position(&descriptor)?;
    let at = offset(at, env.progress)?;
    write(env, &descriptor, vectors, at, out)
}

pub(crate) fn sock_recv(
    env: &mut Env<'_>,
    fd: u32,
    vectors: Span,
    flags: u32,
    (len_out, flags_out): (u32, u32),
) -> Result {
    let descriptor = env.descriptor(fd, 0)?;
    let Kind::Host(host) = &descriptor.kind else { return Err(Errno::Notsock.into()) };
    if !matches!(host.class(), Class::StreamSocket | Class::DatagramSocket) {
        return Err(Errno::Notsock.into());
    }
    descriptor.require(rights::FD_READ)?;
    let flags = u16::try_from(flags).ok().filter(|f| f & !riflags::ALL == 0).ok_or(Errno::Inval)?;
    let (peek, wait_all) = (flags & riflags::RECV_PEEK != 0, flags & riflags::RECV_WAITALL != 0);
    let host_flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
    let mut truncated = false;
    env.memory.check(Span::new(flags_out, 2))?;
    let transfer = Transfer {
        descriptor: &descriptor,
        interest: Interest::Read,
        extent: if wait_all && !peek { Extent::Whole } else { Extent::Once },
    };
    transfer.run(env, vectors, len_out, |memory, batch| {
        read_batch(memory, batch, |slices| {
            let (len, cut) = receive(host.fd(), slices, host_flags)?;
            truncated |= cut;
            Ok(len)
        })
    })?;
    let flags = if truncated { roflags::RECV_DATA_TRUNCATED } else { 0 };
    env.memory.write(flags_out, &flags.to_le_bytes())?;
    Ok(())
}

pub(crate) fn sock_send(env: &mut Env<'_>, fd: u32, vectors: Span, flags: u32, out: u32) -> Result {
    let descriptor = env.descriptor(fd, 0)?;
    let Kind::Host(host) = &descriptor.kind else { return Err(Errno::Notsock.into()) };
    if !matches!(host.class(), Class::StreamSocket | Class::DatagramSocket) {
        return Err(Errno::Notsock.into());
    }
    descriptor.require(rights::FD_WRITE)?;
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    let extent = write_extent(&descriptor);
    let transfer = Transfer { descriptor: &descriptor, interest: Interest::Write, extent };
    transfer.run(env, vectors, out, |memory, batch| {
        write_batch(memory, batch, |slices| Ok(send(host.fd(), slices)?))
    })
}

/// A descriptor that is not a directory.
fn file(env: &Env<'_>, fd: u32, wanted: u64) -> Result<Arc<Descriptor>> {
    let descriptor = env.ctx.table.get(fd)?;
    if matches!(descriptor.kind, Kind::Dir(_)) {
        return Err(Errno::Badf.into());
    }
    descriptor.require(wanted)?;
    Ok(descriptor)
}

fn require_position(descriptor: &Descriptor) -> Result {
    match &descriptor.kind {
        Kind::Host(host) if host.class().rights() & rights::FD_SEEK != 0 => {
            descriptor.require(rights::FD_SEEK)
        }
        Kind::Host(_) | Kind::Input(_) | Kind::Output(_) => Err(Errno::Spipe.into()),
        Kind::Dir(_) => Err(Errno::Badf.into()),
    }
}

/// Where the rest of a transfer at `at` starts. Offsets are signed on the host.
fn offset(at: u64, progress: &Progress) -> Result<At> {
    let at = at.checked_add(progress.done.into()).filter(|&at| i64::try_from(at).is_ok());
    Ok(At::Offset(at.ok_or(Errno::Inval)?))
}

fn read(
    env: &mut Env<'_>,
    descriptor: &Arc<Descriptor>,
    vectors: Span,
    at: At,
    out: u32,
) -> Result {
    let extent = if descriptor.fills_buffers() { Extent::WhileFilled } else { Extent::Once };
    let transfer = Transfer { descriptor, interest: Interest::Read, extent };
    transfer.run(env, vectors, out, |memory, batch| {
        read_batch(memory, batch, |slices| descriptor.read(slices, at))
    })
}

fn write(
    env: &mut Env<'_>,
    descriptor: &Arc<Descriptor>,
    vectors: Span,
    at: At,
    out: u32,
) -> Result {
    let extent = write_extent(descriptor);
    let transfer = Transfer { descriptor, interest: Interest::Write, extent };
    transfer.run(env, vectors, out, |memory, batch| {
        write_batch(memory, batch, |slices| descriptor.write(slices, at))
    })
}

/// How much of a vector one call transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What the first system call gives.
    Once,
    /// As long as the buffers are filled.
    WhileFilled,
    /// All of it, waiting for the rest.
    Whole,
    /// All of it, at once: a message.
    Message,
}

fn write_extent(descriptor: &Descriptor) -> Extent {
    let is_message = descriptor.filetype() == Filetype::SocketDgram;
    if is_message { Extent::Message } else { Extent::Whole }
}

/// One direction of a call on a descriptor.
struct Transfer<'a> {
    descriptor: &'a Arc<Descriptor>,
    interest: Interest,
    extent: Extent,
}

impl Transfer<'_> {
    /// Makes one attempt, and writes the number of bytes to `out` when the call is over.
    fn run(
        &self,
        env: &mut Env<'_>,
        vectors: Span,
        out: u32,
        transfer: impl FnOnce(&mut GuestMemory<'_>, &Batch) -> Result<usize>,
    ) -> Result {
        env.memory.check(Span::new(out, 4))?;
        let outcome = Batch::gather(&env.memory, vectors, env.progress)
            .map_err(Failure::from)
            .and_then(|batch| {
                if batch.pieces.is_empty() {
                    (env.progress.index, env.progress.offset) = (batch.next_index, 0);
                    return if batch.is_last { Ok(()) } else { Err(Wait::pause()) };
                }
                if self.extent == Extent::Message && !batch.is_last {
                    return Err(Errno::Msgsize.into());
                }
                let moved = transfer(&mut env.memory, &batch)?;
                batch.advance(env.progress, moved)?;
                let is_whole = moved == batch.total && batch.is_last;
                let goes_on = match self.extent {
                    Extent::Once | Extent::Message => false,
                    Extent::WhileFilled => moved == batch.total,
                    Extent::Whole => moved > 0,
                };
                if goes_on && !is_whole { Err(Wait::pause()) } else { Ok(()) }
            });
        match self.resolve(outcome, env.progress.done) {
            Ok(()) => Ok(env.memory.write_u32(out, env.progress.done)?),
            Err(failure) => Err(failure),
        }
    }

    /// What an attempt's outcome means after `done` bytes.
    fn resolve(&self, outcome: Result, done: u32) -> Result {
        match outcome {
            Err(Failure::Errno(Errno::Again)) if !self.descriptor.is_nonblocking() => {
                if done > 0 && self.extent != Extent::Whole {
                    return Ok(());
                }
                Err(Wait::ready(self.descriptor, self.interest))
            }
            Err(Failure::Errno(_)) if done > 0 => Ok(()),
            outcome => outcome,
        }
    }
}

/// A part of a vector of buffers.
struct Batch {
    pieces: Vec<Piece>,
    total: usize,
    /// The vector entry after the last one that was looked at.
    next_index: u32,
    is_last: bool,
}

/// A piece of guest memory, and where in the vector it comes from.
#[derive(Clone, Copy)]
struct Piece {
    span: Span,
    index: u32,
    offset: u32,
}

impl Batch {
    /// The next buffers after what the progress says is done, without empty ones. All of them are
    /// within the memory.
    fn gather(memory: &GuestMemory<'_>, vectors: Span, progress: &Progress) -> Result<Self, Errno> {
        let limit = if memory.is_shared() { BOUNCE_BYTES } else { BATCH_BYTES };
        let limit = limit.min((MAX_CALL_BYTES - progress.done) as usize);
        let (mut index, mut offset) = (progress.index, progress.offset);
        let mut batch = Self { pieces: Vec::new(), total: 0, next_index: index, is_last: false };
        while index < vectors.len && batch.pieces.len() < MAX_SLICES && batch.total < limit {
            if index - progress.index >= MAX_VECTORS {
                break;
            }
            let address = u64::from(vectors.address) + u64::from(index) * 8;
            let address = u32::try_from(address).map_err(|_| Errno::Fault)?;
            let vector = Iovec::from_bytes(&memory.read_array(address)?);
            memory.check(Span::new(vector.buf, vector.buf_len))?;
            // Another thread may have made the buffer smaller since the last attempt.
            let left = vector.buf_len.saturating_sub(offset);
            let room = u32::try_from(limit - batch.total).unwrap_or(u32::MAX);
            let len = left.min(room);
            if len > 0 {
                let span = Span::new(vector.buf + offset, len);
                batch.pieces.push(Piece { span, index, offset });
                batch.total += span.len();
            }
            if len == left {
                index += 1;
                offset = 0;
            } else {
                offset += len;
            }
        }
        batch.next_index = index;
        let call_is_full = batch.total == (MAX_CALL_BYTES - progress.done) as usize;
        batch.is_last = index >= vectors.len || call_is_full;
        Ok(batch)
    }

    /// Notes that the first `moved` bytes of the batch are done.
    fn advance(&self, progress: &mut Progress, moved: usize) -> Result {
        let mut left = u32::try_from(moved.min(self.total)).map_err(|_| Errno::Io)?;
        progress.done += left;
        for piece in &self.pieces {
            if left < piece.span.len {
                (progress.index, progress.offset) = (piece.index, piece.offset + left);
                return Ok(());
            }
            left -= piece.span.len;
            (progress.index, progress.offset) = (piece.index, piece.offset + piece.span.len);
        }
        Ok(())
    }

    fn spans(&self) -> impl ExactSizeIterator<Item = Span> {
        self.pieces.iter().map(|piece| piece.span)
    }
}

/// Reads into the batch's pieces: directly where they can be written at once, otherwise through a
/// buffer that fits at least the first of them or [`BOUNCE_BYTES`].
fn read_batch(
    memory: &mut GuestMemory<'_>,
    batch: &Batch,
    read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize>,
) -> Result<usize> {
    if let GuestMemory::Exclusive(bytes) = memory {
        if let [piece] = batch.pieces[..] {
            let range = piece.span.start()..piece.span.start() + piece.span.len();
            return read(&mut [IoSliceMut::new(&mut bytes[range])]);
        }
        if let Some(mut slices) = disjoint_slices(bytes, batch.spans()) {
            return read(&mut slices);
        }
    }
    let mut buffer = vec![0; batch.total.min(BOUNCE_BYTES)];
    let len = read(&mut [IoSliceMut::new(&mut buffer)])?;
    let mut rest = &buffer[..len];
    for span in batch.spans() {
        let (now, later) = rest.split_at(rest.len().min(span.len()));
        memory.write(span.address, now)?;
        rest = later;
    }
    Ok(len)
}

fn write_batch(
    memory: &GuestMemory<'_>,
    batch: &Batch,
    write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize>,
) -> Result<usize> {
    match memory {
        GuestMemory::Exclusive(bytes) => {
            let slice = |span: Span| IoSlice::new(&bytes[span.start()..span.start() + span.len()]);
            if let [piece] = batch.pieces[..] {
                return write(&[slice(piece.span)]);
            }
            write(&batch.spans().map(slice).collect::<Vec<_>>())
        }
        GuestMemory::Shared(_) => {
            let mut buffer = vec![0; batch.total];
            let mut rest = buffer.as_mut_slice();
            for span in batch.spans() {
                let (now, later) = rest.split_at_mut(span.len());
                memory.read_bytes(span.address, now)?;
                rest = later;
            }
            write(&[IoSlice::new(&buffer)])
        }
    }
}
