//! References in the frames of a store's activations.
//!
//! The walk is that of `unwind`; each return address leads to a stack map, which says what slots of
//! its frame hold references. The innermost frame may have called a stub that saved its registers:
//! the map says which of those hold references, and what is written there is restored.

use super::code_map;
use super::context::Context;
use super::shims::SavedRegisters;
use std::ptr;

/// Registers that a stub saved of the innermost frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers(*mut SavedRegisters);

impl Registers {
    /// The registers that a stub passed to a shim, for as long as the shim runs.
    pub(super) const fn new(saved: *mut SavedRegisters) -> Self {
        Self(saved)
    }
}

impl Context {
    /// Replaces each word that holds a reference by what `visit` returns. `registers` are those of
    /// the innermost frame, when it called a stub that preserves them.
    pub(crate) fn visit_frames(
        &self,
        registers: Option<Registers>,
        visit: &mut dyn FnMut(u64) -> u64,
    ) {
        let mut registers = registers;
        for frame in self.walk() {
            let found = code_map::with_module(frame.pc, |module| {
                // A call may be the last instruction of its function.
                let function = module.function_at(frame.pc - 1)?;
                let offset = module.text_offset(frame.pc)? - function.start;
                Some((&raw const function.tables.stack_maps, u32::try_from(offset).ok()?))
            });
            if let Some((maps, offset)) = found.flatten() {
                // SAFETY: tables stay where they are as long as their module, which the store
                // keeps.
                let maps = unsafe { &*maps };
                for slot in maps.lookup(offset) {
                    visit_word(ptr::with_exposed_provenance_mut(frame.fp - slot as usize), visit);
                }
                if let Some(Registers(saved)) = registers.take() {
                    let mut set = maps.registers(offset);
                    while set != 0 {
                        let register = set.trailing_zeros() as usize;
                        // SAFETY: the stub's frame is alive while its shim runs, and nobody else
                        // looks at the registers now.
                        let place = unsafe { &raw mut (*saved).ints[register] };
                        visit_word(place, visit);
                        set &= set - 1;
                    }
                }
            }
            registers = None;
        }
    }
}

fn visit_word(place: *mut u64, visit: &mut dyn FnMut(u64) -> u64) {
    // SAFETY: the word is a slot of a frame that is alive, on this thread's stack, and machine code
    // is not running.
    let word = unsafe { place.read() };
    let new = visit(word);
    if new != word {
        // SAFETY: as above.
        unsafe { place.write(new) };
    }
}
