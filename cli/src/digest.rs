//! What a program left behind, so that runs of it can be compared: how it ended, and its memories and
//! globals.

use crate::wasi_setup::Host;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use upshift::{Error, Exception, Extern, SharedMemory, Store, Trap, Val};
use upshift_wasi::I32Exit;

/// Bytes of a shared memory that are read at once.
const CHUNK_BYTES: usize = 1 << 16;

/// See the module head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// How the program ended.
    pub(crate) end: String,
    /// What is left by what it is, in an order that is the same each time.
    pub(crate) state: Vec<(String, String)>,
}

impl Digest {
    /// The digest of a program that ended so; `None` when it could not begin, or failed as a program
    /// does not by itself.
    pub(crate) fn of(result: &Result<()>, store: &mut Store<Host>) -> Option<Self> {
        let (end, comparable) = match result {
            Ok(()) => ("returned".to_owned(), true),
            Err(error) => end_of(error)?,
        };
        Some(Self { end, state: if comparable { state_of(store) } else { Vec::new() } })
    }

    /// Writes it to a file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_string(self)?)
            .with_context(|| format!("failed to write a digest to {}", path.display()))
    }

    /// Reads what [`Self::write`] wrote; `None` when nobody did.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
    }
}

/// How a program ended with an error, and whether it always is in the same state then. Where the stack or
/// the heap are full, and where the host interrupts it, depends on the tier.
fn end_of(error: &Error) -> Option<(String, bool)> {
    if let Some(exit) = error.chain().find_map(|cause| cause.downcast_ref::<I32Exit>()) {
        return Some((format!("exit {}", exit.0), true));
    }
    let trap = error.downcast_ref::<Trap>();
    if let Some(trap) = trap.or_else(|| error.chain().find_map(|cause| cause.downcast_ref())) {
        let anywhere = [Trap::StackOverflow, Trap::AllocationTooLarge, Trap::Interrupt];
        return Some((format!("trap: {}", trap.message()), !anywhere.contains(trap)));
    }
    let exception = error.downcast_ref::<Exception>()?;
    Some((exception.to_string(), true))
}

/// The memories and the numbers in globals of all instances.
fn state_of(store: &mut Store<Host>) -> Vec<(String, String)> {
    let mut state = Vec::new();
    for (i, instance) in store.instances().into_iter().enumerate() {
        let of_instance = if i == 0 { String::new() } else { format!(" of instance {i}") };
        let (mut memories, mut globals) = (0, 0);
        for item in instance.memories_and_globals(&*store) {
            let (what, value) = match item {
                Extern::Global(global) => {
                    globals += 1;
                    let Some(value) = number(&global.get(&mut *store)) else { continue };
                    (format!("global {}", globals - 1), value)
                }
                Extern::Memory(memory) => {
                    memories += 1;
                    let mut hasher = DefaultHasher::new();
                    hasher.write(memory.data(&*store));
                    (format!("memory {}", memories - 1), format!("{:016x}", hasher.finish()))
                }
                Extern::SharedMemory(memory) => {
                    memories += 1;
                    (format!("memory {}", memories - 1), hash_of_shared(&memory))
                }
                _ => continue,
            };
            state.push((what + &of_instance, value));
        }
    }
    state
}

fn hash_of_shared(memory: &SharedMemory) -> String {
    let mut hasher = DefaultHasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let size = memory.data_size();
    for start in (0..size).step_by(CHUNK_BYTES) {
        let part = &mut chunk[..CHUNK_BYTES.min(size - start)];
        // It does not become smaller.
        if memory.read(start, part).is_ok() {
            hasher.write(part);
        }
    }
    format!("{:016x}", hasher.finish())
}

/// The bits of a number.
fn number(value: &Val) -> Option<String> {
    Some(match value {
        Val::I32(value) => format!("{value:#x}"),
        Val::I64(value) => format!("{value:#x}"),
        Val::F32(bits) => format!("{bits:#x}"),
        Val::F64(bits) => format!("{bits:#x}"),
        Val::V128(value) => format!("{:#x}", value.as_u128()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn ends_are_told_apart() {
        let end = |error: Error| end_of(&error.context("failed to run"));
        let trap = |trap: Trap| end(trap.into()).unwrap();
        assert_ne!(trap(Trap::Unreachable).0, trap(Trap::MemoryOutOfBounds).0);
        assert!(trap(Trap::Unreachable).1 && !trap(Trap::StackOverflow).1);
        assert_eq!(end(I32Exit(7).into()), Some(("exit 7".to_owned(), true)));
        assert_eq!(end(anyhow!("no such import")), None);
    }
}
