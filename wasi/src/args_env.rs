//! Arguments and environment.

use crate::call::Env;
use crate::ctx::Strings;
use crate::error::Result;
use crate::memory::{GuestMemory, Span};

pub(crate) fn args_get(env: &mut Env<'_>, pointers: u32, bytes: u32) -> Result {
    write_strings(&mut env.memory, &env.ctx.args, pointers, bytes)
}

pub(crate) fn args_sizes_get(env: &mut Env<'_>, count: u32, len_bytes: u32) -> Result {
    write_sizes(&mut env.memory, &env.ctx.args, count, len_bytes)
}

pub(crate) fn environ_get(env: &mut Env<'_>, pointers: u32, bytes: u32) -> Result {
    write_strings(&mut env.memory, &env.ctx.env, pointers, bytes)
}

pub(crate) fn environ_sizes_get(env: &mut Env<'_>, count: u32, len_bytes: u32) -> Result {
    write_sizes(&mut env.memory, &env.ctx.env, count, len_bytes)
}

fn write_sizes(
    memory: &mut GuestMemory<'_>,
    strings: &Strings,
    count: u32,
    len_bytes: u32,
) -> Result {
    memory.write_u32(count, strings.count())?;
    memory.write_u32(len_bytes, strings.len_bytes())?;
    Ok(())
}

fn write_strings(
    memory: &mut GuestMemory<'_>,
    strings: &Strings,
    pointers: u32,
    bytes: u32,
) -> Result {
    memory.check(Span::new(bytes, strings.len_bytes()))?;
    memory.check(Span::new(pointers, strings.count().saturating_mul(4)))?;
    memory.write(bytes, &strings.bytes)?;
    for (start, pointer) in strings.starts.iter().zip((pointers..).step_by(4)) {
        memory.write_u32(pointer, bytes.wrapping_add(*start))?;
    }
    Ok(())
}
