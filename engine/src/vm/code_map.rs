//! From an address to the module whose machine code lies there.
//!
//! A two-level table over the 47-bit address space, by granules of 64 KiB: the root's entry for
//! each 4 GiB points to a leaf with an entry per granule. Code arenas begin and end at granules, so
//! a granule belongs to one arena at most. Readers load two pointers; they take no lock, so a
//! signal handler may look up. Leaves are never freed.
//!
//! A looked-up module is alive because the pc that was asked for lies in a frame, and the store
//! whose frame it is keeps the module. [`Registration`] takes the entries out before the arena goes.

use super::pages::Reservation;
use crate::code::ModuleCode;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use upshift_abi::trap::Trap;

/// Arenas are aligned to this and a multiple of it long.
pub(super) const GRANULE_BYTES: usize = 1 << GRANULE_LOG2;
const GRANULE_LOG2: u32 = 16;
const LEAF_LOG2: u32 = 16;
const ROOT_LOG2: u32 = 47 - LEAF_LOG2 - GRANULE_LOG2;

type Leaf = [AtomicPtr<ModuleCode>; 1 << LEAF_LOG2];

static ROOT: [AtomicPtr<Leaf>; 1 << ROOT_LOG2] =
    [const { AtomicPtr::new(ptr::null_mut()) }; 1 << ROOT_LOG2];

/// Entries of a module; taken out when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    range: Range<usize>,
}

impl Registration {
    /// Registers `module` for the addresses of its arena, whole granules. The module must stay
    /// where it is, and drop the registration before anything else of it.
    pub(super) fn new(range: Range<usize>, module: *const ModuleCode) -> std::io::Result<Self> {
        assert!(
            range.start.is_multiple_of(GRANULE_BYTES) && range.end.is_multiple_of(GRANULE_BYTES)
        );
        for granule in range.clone().step_by(GRANULE_BYTES) {
            let leaf = leaf_or_new(granule)?;
            leaf[leaf_index(granule)].store(module.cast_mut(), Ordering::Release);
        }
        Ok(Self { range })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        for granule in self.range.clone().step_by(GRANULE_BYTES) {
            if let Some(leaf) = leaf(granule) {
                leaf[leaf_index(granule)].store(ptr::null_mut(), Ordering::Release);
            }
        }
    }
}

/// Calls `f` with the module whose arena contains `pc`, which is a pc of a frame of a live store.
pub(crate) fn with_module<R>(pc: usize, f: impl FnOnce(&ModuleCode) -> R) -> Option<R> {
    let module = leaf(pc)?[leaf_index(pc)].load(Ordering::Acquire);
    // SAFETY: registered modules are alive; this one stays so because a frame of it exists.
    unsafe { module.as_ref() }.map(f)
}

/// Whether an address lies in the arena of some module, as far as anybody can say who does not keep
/// the module; async-signal-safe.
pub(crate) fn is_machine_code(address: usize) -> bool {
    let granule = || Some(leaf(address)?[leaf_index(address)].load(Ordering::Acquire));
    granule().is_some_and(|module| !module.is_null())
}

/// The trap of the instruction at `pc`, if that is a trapping instruction of machine code.
pub(super) fn trap_at(pc: usize) -> Option<Trap> {
    with_module(pc, |module| module.trap_at(pc)).flatten()
}

/// Whether an interruption may be taken at `pc`; `None` when that is not code of a function.
/// Async-signal-safe, for a pc of this thread.
pub(super) fn polls_at(pc: usize) -> Option<bool> {
    with_module(pc, |module| module.polls_at(pc)).flatten()
}

fn leaf(address: usize) -> Option<&'static Leaf> {
    let leaf = ROOT.get(address >> (GRANULE_LOG2 + LEAF_LOG2))?.load(Ordering::Acquire);
    // SAFETY: leaves are whole, zero-initialised mappings that are never unmapped.
    unsafe { leaf.as_ref() }
}

fn leaf_index(address: usize) -> usize {
    (address >> GRANULE_LOG2) & ((1 << LEAF_LOG2) - 1)
}

fn leaf_or_new(address: usize) -> std::io::Result<&'static Leaf> {
    if let Some(leaf) = leaf(address) {
        return Ok(leaf);
    }
    let root = &ROOT[address >> (GRANULE_LOG2 + LEAF_LOG2)];
    let pages = Reservation::new_committed(size_of::<Leaf>())?;
    let new = pages.base().as_ptr().cast::<Leaf>();
    if root.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        std::mem::forget(pages);
    }
    Ok(leaf(address).expect("somebody put a leaf there"))
}
