//! Throwing: from the frame that throws to the landing pad that catches.
//!
//! # Life of an exception
//! 1. `throw` builds the exception in the thread's buffer and calls the runtime; `throw_ref` calls
//!    it with a reference, and a host function returns an error that carries one.
//! 2. The frames of the innermost activation are looked at, from the one that left machine code to
//!    its entry trampoline. A return address leads to the handlers of its call, through a cache that
//!    the store keeps: code of a store's modules stays where it is as long as the store.
//! 3. A handler matches when it catches all, or when the tag's identity in its frame's instance is
//!    that of the exception. The first one wins; it was never left, so its frame is as it was.
//! 4. The landing is noted in the context, `pending` is set, and the stub that called the runtime
//!    loads frame pointer, stack pointer and `rax` from there and jumps. Frames in between are gone
//!    without having run. When the pad keeps a reference, the exception in the buffer was copied.
//! 5. Without a handler the activation is left as by a trap, with the exception as an error. When
//!    the host function that made the inner call returns that error, it goes on at 2, in the outer
//!    activation. No frame of the host is ever unwound.

use super::code_map;
use super::context::ContextCell;
use super::exception::ExnPtr;
use super::func::TagPtr;
use std::ptr;
use upshift_abi::code::{HandlerMap, HandlerSite};
use upshift_abi::layout::Landing;

/// Return addresses that the cache holds, as a power of two.
const CACHE_LOG2: u32 = 9;

/// What is known of a return address.
#[derive(Clone, Copy, Debug)]
struct Known {
    pc: usize,
    /// The handlers of its function, null when its call has none.
    map: *const HandlerMap,
    site: HandlerSite,
    /// Address of the function's code.
    code: usize,
}

const NOTHING: Known = Known {
    pc: 0,
    map: ptr::null(),
    site: HandlerSite { return_offset: 0, scope: 0, vmctx_slot: 0 },
    code: 0,
};

/// Handlers by return address, direct-mapped.
#[derive(Debug, Default)]
pub(super) struct RaiseCache(Vec<Known>);

impl RaiseCache {
    fn get(&mut self, pc: usize) -> Known {
        if self.0.is_empty() {
            self.0 = vec![NOTHING; 1 << CACHE_LOG2];
        }
        let hash = pc ^ pc >> CACHE_LOG2;
        let place = &mut self.0[hash & ((1 << CACHE_LOG2) - 1)];
        if place.pc != pc {
            *place = look_up(pc);
        }
        *place
    }
}

#[cold]
fn look_up(pc: usize) -> Known {
    let found = code_map::with_module(pc, |module| {
        // A call may be the last instruction of its function.
        let function = module.function_at(pc - 1)?;
        let offset = module.text_offset(pc)? - function.start;
        let map = &function.tables.handlers;
        let site = map.lookup(u32::try_from(offset).ok()?)?;
        Some(Known { pc, map: &raw const *map, site, code: pc - offset })
    });
    found.flatten().unwrap_or(Known { pc, ..NOTHING })
}

/// A handler, in its frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caught {
    pc: usize,
    fp: usize,
    sp: usize,
    /// Whether the exception must be one that may be referred to.
    pub(super) by_ref: bool,
}

impl ContextCell {
    /// The handler of an exception that is thrown where machine code of this context was left.
    pub(super) fn find_handler(&self, tag: TagPtr) -> Option<Caught> {
        let (mut fp, mut pc) = self.exit_frame();
        let entry_fp = self.entry_frame();
        // SAFETY: the field belongs to the thread that has the store, and nobody else uses it now.
        let cache = unsafe { &mut *self.raise_cache() };
        while fp != 0 && fp < entry_fp {
            let known = cache.get(pc);
            // SAFETY: tables stay where they are as long as their module, which the store keeps.
            if let Some(map) = unsafe { known.map.as_ref() }
                && let Some(caught) = match_frame(map, &known, fp, tag)
            {
                return Some(caught);
            }
            let frame = ptr::with_exposed_provenance::<[usize; 2]>(fp);
            // SAFETY: `fp` lies between the exit and the entry frame of this stack; the saved frame
            // pointer and the return address are the two words at it.
            let [next, return_address] = unsafe { frame.read() };
            if next <= fp {
                return None;
            }
            (fp, pc) = (next, return_address);
        }
        None
    }

    /// Has the stub that called the runtime go on at a handler's landing pad.
    pub(super) fn land(&self, caught: Caught, exn: ExnPtr) {
        self.set_landing(caught.landing(exn.bits()));
    }
}

impl Caught {
    /// The landing with a reference to an exception.
    pub(super) fn landing(self, exn: u64) -> Landing {
        Landing { pc: self.pc as u64, sp: self.sp as u64, fp: self.fp as u64, exn }
    }
}

fn match_frame(map: &HandlerMap, known: &Known, fp: usize, tag: TagPtr) -> Option<Caught> {
    let vmctx = ptr::with_exposed_provenance::<usize>(fp - known.site.vmctx_slot as usize);
    let handler = map.handlers(known.site).find(|handler| {
        handler.tag.is_none_or(|offset| {
            // SAFETY: the frame is alive, and its vmctx is where the compiler says, as a handler has
            // a tag.
            let vmctx = unsafe { vmctx.read() };
            let identity = ptr::with_exposed_provenance::<usize>(vmctx + offset as usize);
            // SAFETY: the instance is alive, and has the tag's identity there.
            unsafe { identity.read() == tag.0 }
        })
    })?;
    Some(Caught {
        pc: known.code + handler.landing_pad as usize,
        fp,
        sp: fp - map.fp_to_sp() as usize,
        by_ref: handler.by_ref,
    })
}
