//! Stubs that all modules share: one set per process, never freed but for those in [`StubCache`].

use super::stub_cache::{Kind, Stub, StubCache};
use crate::vm::{CodePtr, Trampoline, shims, signals};
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use upshift_abi::builtin::{BUILTIN_COUNT, Builtin};
use upshift_abi::types::FuncType;
use upshift_baseline::stubs;

/// Builds the stubs and installs the signal handlers; an engine calls it before anything else here.
pub(crate) fn initialize() -> io::Result<()> {
    if COMMON.get().is_none() {
        let common = Common::new()?;
        let common = COMMON.get_or_init(|| common);
        signals::install(common.trap_stub.start);
    }
    Ok(())
}

/// Entry stub of each builtin, for a thread context.
pub(crate) fn builtin_table() -> [*const u8; BUILTIN_COUNT] {
    common().builtins.map(std::ptr::with_exposed_provenance)
}

/// Address of the common part of all lazy stubs.
pub(crate) fn lazy_common() -> usize {
    common().lazy_common.start
}

/// What the stub at an address is for: a builtin's name, or a few words.
pub(crate) fn stub_name(address: usize) -> Option<&'static str> {
    let common = COMMON.get()?;
    let last = common.builtins.partition_point(|&start| start <= address);
    if let Some(builtin) = last.checked_sub(1)
        && address < common.builtins_end
    {
        return Some(Builtin::ALL[builtin].name());
    }
    let others = [(&common.trap_stub, "traps"), (&common.lazy_common, "first calls")];
    let other = others.into_iter().find(|(stub, _)| stub.contains(&address));
    other.map(|(_, name)| name).or_else(|| {
        Some(match stub_cache().kind_at(address)? {
            Kind::Entry => "entry of WebAssembly code",
            Kind::Host => "calls of the host",
        })
    })
}

/// An entry trampoline, kept as long as this.
#[derive(Clone, Debug)]
pub(crate) struct EntryStub {
    stub: Arc<Stub>,
    slots: usize,
}

impl EntryStub {
    /// The trampoline for functions of type `ty`.
    pub(crate) fn of(ty: &FuncType) -> Self {
        let stub = cached(Kind::Entry, ty, || stubs::entry_trampoline(ty));
        Self { stub, slots: ty.params.len().max(ty.results.len()) }
    }

    /// The trampoline; to be used as long as `self` or a clone of it is there.
    pub(crate) fn trampoline(&self) -> Trampoline {
        Trampoline::new(self.stub.address(), self.slots)
    }
}

/// The code of host functions of one type, kept as long as this.
#[derive(Clone, Debug)]
pub(crate) struct HostStub(Arc<Stub>);

impl HostStub {
    /// The code of host functions of type `ty`.
    pub(crate) fn of(ty: &FuncType) -> Self {
        Self(cached(Kind::Host, ty, || stubs::host_stub(ty)))
    }

    /// Its entry; to be used as long as `self` or a clone of it is there.
    pub(crate) fn code(&self) -> CodePtr {
        CodePtr::new(self.0.address())
    }
}

static COMMON: OnceLock<Common> = OnceLock::new();
static STUBS: OnceLock<StubCache> = OnceLock::new();

fn common() -> &'static Common {
    if COMMON.get().is_none() {
        initialize().expect("the first engine reports when there is no memory for the stubs");
    }
    COMMON.get().expect("initialised above")
}

fn stub_cache() -> &'static StubCache {
    STUBS.get_or_init(StubCache::default)
}

fn cached(kind: Kind, ty: &FuncType, make: impl FnOnce() -> Vec<u8>) -> Arc<Stub> {
    let stub = stub_cache().get(kind, ty, make);
    stub.expect("the host has memory for a stub of a few hundred bytes")
}

struct Common {
    /// In ascending order.
    builtins: [usize; BUILTIN_COUNT],
    builtins_end: usize,
    trap_stub: Range<usize>,
    lazy_common: Range<usize>,
}

impl Common {
    fn new() -> io::Result<Self> {
        let cache = stub_cache();
        let (code, offsets) = stubs::builtin_stubs(&shims::builtin_addresses());
        let Range { start, end } = cache.place(&code)?;
        Ok(Self {
            builtins: offsets.map(|offset| start + offset as usize),
            builtins_end: end,
            trap_stub: cache.place(&stubs::trap_stub(shims::raise_address()))?,
            lazy_common: cache.place(&stubs::lazy_common(shims::lazy_address()))?,
        })
    }
}
