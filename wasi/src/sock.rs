//! Functions that only sockets have, apart from transfers.

use crate::call::Env;
use crate::descriptor::{Class, Descriptor, Handle, HostFile, Kind, SOCKET_BASE};
use crate::error::{Interest, Result, Wait};
use crate::fd::descriptor_flags;
use crate::memory::Span;
use crate::types::{Errno, fdflags, rights, sdflags};
use rustix::io::Errno as HostErrno;
use rustix::net::{Shutdown, SocketFlags};
use std::fs::File;
use std::sync::Arc;

pub(crate) fn sock_accept(env: &mut Env<'_>, fd: u32, flags: u32, out: u32) -> Result {
    env.memory.check(Span::new(out, 4))?;
    let flags = descriptor_flags(flags)?;
    if flags & !fdflags::NONBLOCK != 0 {
        return Err(Errno::Inval.into());
    }
    let descriptor = socket(env, fd, rights::SOCK_ACCEPT)?;
    let Kind::Host(listener) = &descriptor.kind else { return Err(Errno::Notsock.into()) };
    let host_flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let accepted = match rustix::net::accept_with(listener.fd(), host_flags) {
        Err(HostErrno::AGAIN) if !descriptor.is_nonblocking() => {
            return Err(Wait::ready(&descriptor, Interest::Read));
        }
        result => File::from(result?),
    };
    let kind = Kind::Host(HostFile::new(Handle::Owned(accepted)));
    let base = SOCKET_BASE & !rights::SOCK_ACCEPT;
    let fd = env.ctx.table.insert(Descriptor::new(kind, base, 0).with_flags(flags))?;
    env.memory.write_u32(out, fd)?;
    Ok(())
}

pub(crate) fn sock_shutdown(env: &mut Env<'_>, fd: u32, how: u32) -> Result {
    let descriptor = socket(env, fd, rights::SOCK_SHUTDOWN)?;
    let Kind::Host(host) = &descriptor.kind else { return Err(Errno::Notsock.into()) };
    let how = match u8::try_from(how).map_err(|_| Errno::Inval)? {
        sdflags::RD => Shutdown::Read,
        sdflags::WR => Shutdown::Write,
        sdflags::ALL => Shutdown::Both,
        _ => return Err(Errno::Inval.into()),
    };
    Ok(rustix::net::shutdown(host.fd(), how)?)
}

fn socket(env: &Env<'_>, fd: u32, wanted: u64) -> Result<Arc<Descriptor>> {
    let descriptor = env.ctx.table.get(fd)?;
    match &descriptor.kind {
        Kind::Host(host) if matches!(host.class(), Class::StreamSocket | Class::DatagramSocket) => {
        }
        _ => return Err(Errno::Notsock.into()),
    }
    descriptor.require(wanted)?;
    Ok(descriptor)
}
