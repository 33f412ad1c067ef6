//! Entry trampolines and host stubs by function type.
//!
//! A stub depends on a type only through the classes of its values. The first [`KEPT`] kinds stay
//! for good, which is more than programs use. A process that sees types without end (one that
//! loads whatever it is given) has the others only as long as somebody holds them; then their code
//! memory is used again, after a `membarrier` that makes every core forget what it had decoded.

use crate::vm::code_memory::{CodeArena, Span};
use rustix::thread::{MembarrierCommand, membarrier};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard, Weak};
use upshift_abi::types::{FuncType, ValType};

/// Text of one arena.
const ARENA_BYTES: usize = 1 << 20;
/// Stubs that are never given up.
const KEPT: usize = 1024;
/// Least bytes of a piece of code memory; sizes are powers of two.
const MIN_PIECE_BYTES: usize = 128;

/// What a stub is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// From the engine into wasm code.
    Entry,
    /// From wasm code to a host function.
    Host,
}

/// What a stub depends on: the class of each parameter and result.
type Key = (Kind, Box<[u8]>, Box<[u8]>);

/// A stub in use; its code stays as long as this.
#[derive(Debug)]
pub(crate) struct Stub {
    cache: &'static StubCache,
    key: Key,
    piece: Piece,
    address: usize,
}

impl Stub {
    /// Where its code is.
    pub(crate) fn address(&self) -> usize {
        self.address
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        // Somebody may have made the same stub anew meanwhile.
        if state.known.get(&self.key).is_some_and(|known| known.stub.strong_count() == 0) {
            state.known.remove(&self.key);
        }
        let Piece { arena, offset, len } = self.piece;
        state.free.entry(len).or_default().push((arena, offset));
    }
}

/// A piece of code memory: number of the arena, offset and length.
#[derive(Clone, Copy, Debug)]
struct Piece {
    arena: usize,
    offset: usize,
    len: usize,
}

#[derive(Debug)]
struct Known {
    stub: Weak<Stub>,
    /// Holds a stub that is never given up.
    _kept: Option<Arc<Stub>>,
}

/// See the module head.
#[derive(Debug, Default)]
pub(super) struct StubCache {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Key, Known>,
    arenas: Vec<CodeArena>,
    /// Pieces that nobody uses, arena and offset, by length.
    free: HashMap<usize, Vec<(usize, usize)>>,
}

impl StubCache {
    /// The stub of a kind for functions of type `ty`, made by `make` when it is not there.
    pub(super) fn get(
        &'static self,
        kind: Kind,
        ty: &FuncType,
        make: impl FnOnce() -> Vec<u8>,
    ) -> io::Result<Arc<Stub>> {
        let classes = |types: &[ValType]| types.iter().map(|&ty| class(ty)).collect::<Box<[u8]>>();
        let key = (kind, classes(&ty.params), classes(&ty.results));
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(stub) = state.known.get(&key).and_then(|known| known.stub.upgrade()) {
            return Ok(stub);
        }
        drop(state);
        let code = make();
        let mut state = self.lock();
        if let Some(stub) = state.known.get(&key).and_then(|known| known.stub.upgrade()) {
            return Ok(stub);
        }
        let (piece, address) = state.place(&code)?;
        let stub = Arc::new(Stub { cache: self, key: key.clone(), piece, address });
        let kept = (state.known.len() < KEPT).then(|| Arc::clone(&stub));
        state.known.insert(key, Known { stub: Arc::downgrade(&stub), _kept: kept });
        Ok(stub)
    }

    /// Puts code somewhere for good: its addresses.
    pub(super) fn place(&self, code: &[u8]) -> io::Result<Range<usize>> {
        let (_, start) = self.lock().place(code)?;
        Ok(start..start + code.len())
    }

    /// What a stub in use that lies at an address is for.
    pub(super) fn kind_at(&self, address: usize) -> Option<Kind> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let stubs: Vec<_> = state.known.values().filter_map(|known| known.stub.upgrade()).collect();
        // To drop the last handle of a stub takes the lock.
        drop(state);
        let contains =
            |stub: &&Arc<Stub>| (stub.address..stub.address + stub.piece.len).contains(&address);
        stubs.iter().find(contains).map(|stub| stub.key.0)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts code into a piece of memory: the piece and its address.
    fn place(&mut self, code: &[u8]) -> io::Result<(Piece, usize)> {
        let len = code.len().max(MIN_PIECE_BYTES).next_power_of_two();
        let (arena, span) = match self.reuse(len) {
            Some(found) => found,
            None => self.allocate(len)?,
        };
        let piece = Piece { arena, offset: span.offset, len };
        let mut bytes = code.to_vec();
        // What is behind the code traps.
        bytes.resize(len, 0xcc);
        self.arenas[arena].write(span, &bytes);
        Ok((piece, self.arenas[arena].text_address() + piece.offset))
    }

    fn reuse(&mut self, len: usize) -> Option<(usize, Span)> {
        let (arena, offset) = self.free.get_mut(&len)?.pop()?;
        // Where the kernel cannot do it, memory is not used again.
        membarrier(MembarrierCommand::PrivateExpeditedSyncCore).ok()?;
        Some((arena, Span { offset, len }))
    }

    fn allocate(&mut self, len: usize) -> io::Result<(usize, Span)> {
        if let Some(arena) = self.arenas.last()
            && let Some(span) = arena.allocate(len, 16)
        {
            return Ok((self.arenas.len() - 1, span));
        }
        if self.arenas.is_empty() {
            // Without it `reuse` finds nothing.
            let _ = membarrier(MembarrierCommand::RegisterPrivateExpeditedSyncCore);
        }
        self.arenas.push(CodeArena::new(0, ARENA_BYTES.max(len))?);
        let position = self.arenas.len() - 1;
        let span = self.arenas[position].allocate(len, 16).expect("a new arena has room");
        Ok((position, span))
    }
}

/// The class of a value: what stubs tell apart.
fn class(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => 0,
        ValType::I64 | ValType::Ref(_) => 1,
        ValType::F32 => 2,
        ValType::F64 => 3,
        ValType::V128 => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `i`-th of many types: the binary digits of `i` as parameters.
    fn ty(i: usize) -> FuncType {
        let digit = |bit: usize| if i >> bit & 1 == 0 { ValType::I32 } else { ValType::F32 };
        FuncType::new((0..16).map(digit).collect::<Vec<_>>(), [])
    }

    #[test]
    fn memory_of_stubs_that_nobody_holds_is_used_again() {
        let cache: &'static StubCache = Box::leak(Box::default());
        let get = |i: usize| cache.get(Kind::Entry, &ty(i), || vec![0x90; 100]).unwrap();
        let first = get(0).address();
        let kept: Vec<_> = (0..KEPT).map(|i| get(i).address()).collect();
        assert_eq!(kept[0], first);
        let loose = get(KEPT);
        assert_eq!(get(KEPT).address(), loose.address());
        let kinds = [first, first + 99, loose.address()].map(|at| cache.kind_at(at));
        assert_eq!((kinds, cache.kind_at(first - 1)), ([Some(Kind::Entry); 3], None));
        let address = loose.address();
        drop(loose);
        for i in KEPT + 1..KEPT + 1000 {
            assert_eq!(get(i).address(), address);
        }
        assert_eq!(get(5).address(), kept[5]);
        assert!(cache.lock().known.len() <= KEPT + 1);
    }
}
