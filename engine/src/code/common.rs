//! Stubs that all modules share: one set per process, never freed.
//!
//! Entry trampolines and host stubs depend on a function type only through the classes of its
//! values, so they are cached by class and their number stays small.

use crate::vm::code_memory::CodeArena;
use crate::vm::{CodePtr, Trampoline, shims, signals};
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use upshift_abi::builtin::BUILTIN_COUNT;
use upshift_abi::types::{FuncType, ValType};
use upshift_baseline::stubs;

/// Text of one of the shared arenas.
const ARENA_BYTES: usize = 1 << 20;

/// Builds the stubs and installs the signal handlers; an engine calls it before anything else here.
pub(crate) fn initialize() -> io::Result<()> {
    if COMMON.get().is_none() {
        let common = Common::new()?;
        let common = COMMON.get_or_init(|| common);
        signals::install(common.trap_stub);
    }
    Ok(())
}

/// Entry stub of each builtin, for a thread context.
pub(crate) fn builtin_table() -> [*const u8; BUILTIN_COUNT] {
    common().builtins.map(std::ptr::with_exposed_provenance)
}

/// Address of the common part of all lazy stubs.
pub(crate) fn lazy_common() -> usize {
    common().lazy_common
}

/// The entry trampoline for functions of type `ty`.
pub(crate) fn trampoline(ty: &FuncType) -> Trampoline {
    let address = common().cached(Kind::Entry, ty, || stubs::entry_trampoline(ty));
    Trampoline::new(address, ty.params.len().max(ty.results.len()))
}

/// The code of host functions of type `ty`.
pub(crate) fn host_stub(ty: &FuncType) -> CodePtr {
    CodePtr::new(common().cached(Kind::Host, ty, || stubs::host_stub(ty)))
}

static COMMON: OnceLock<Common> = OnceLock::new();

fn common() -> &'static Common {
    if COMMON.get().is_none() {
        initialize().expect("the first engine reports when there is no memory for the stubs");
    }
    COMMON.get().expect("initialised above")
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Entry,
    Host,
}

/// What a stub depends on: the class of each parameter and result.
type Key = (Kind, Box<[u8]>, Box<[u8]>);

struct Common {
    builtins: [usize; BUILTIN_COUNT],
    trap_stub: usize,
    lazy_common: usize,
    arenas: Mutex<Vec<CodeArena>>,
    by_type: RwLock<HashMap<Key, usize>>,
}

impl Common {
    fn new() -> io::Result<Self> {
        let common = Self {
            builtins: [0; BUILTIN_COUNT],
            trap_stub: 0,
            lazy_common: 0,
            arenas: Mutex::new(Vec::new()),
            by_type: RwLock::new(HashMap::new()),
        };
        let (code, offsets) = stubs::builtin_stubs(&shims::builtin_addresses());
        let base = common.place(&code)?;
        let builtins = offsets.map(|offset| base + offset as usize);
        let trap_stub = common.place(&stubs::trap_stub(shims::raise_address()))?;
        let lazy_common = common.place(&stubs::lazy_common(shims::lazy_address()))?;
        Ok(Self { builtins, trap_stub, lazy_common, ..common })
    }

    /// Puts code into an arena: its address.
    fn place(&self, code: &[u8]) -> io::Result<usize> {
        let mut arenas = self.arenas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(arena) = arenas.last()
            && let Some(offset) = arena.append(code, 16)
        {
            return Ok(arena.text_address() + offset);
        }
        let arena = CodeArena::new(0, ARENA_BYTES.max(code.len()))?;
        let offset = arena.append(code, 16).expect("a new arena has room");
        let address = arena.text_address() + offset;
        arenas.push(arena);
        Ok(address)
    }

    fn cached(&self, kind: Kind, ty: &FuncType, make: impl FnOnce() -> Vec<u8>) -> usize {
        let classes = |types: &[ValType]| types.iter().map(|&ty| class(ty)).collect::<Box<[u8]>>();
        let key = (kind, classes(&ty.params), classes(&ty.results));
        let known = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&address) = known.get(&key) {
            return address;
        }
        drop(known);
        let mut known = self.by_type.write().unwrap_or_else(PoisonError::into_inner);
        *known.entry(key).or_insert_with(|| {
            self.place(&make()).expect("the host has memory for a stub of a few hundred bytes")
        })
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
