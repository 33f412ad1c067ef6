//! Throwing: from the frame that throws to the landing pad that catches.
//!
//! # Life of an exception
//! 1. `throw` builds the exception in the thread's buffer and calls the runtime; `throw_ref` calls
//!    it with a reference, and a host function returns an error that carries one.
//! 2. The frames of the innermost activation are looked at, from the one that left machine code to
//!    its entry trampoline. A return address leads to the handlers of its call, through a cache that
//!    the store keeps: code of a store's modules stays where it is as long as the store.
//!    Where a frame has many, it is noted which scopes have none that matches.
//! 3. A handler matches when it catches all, or when the tag's identity in its frame's instance is
//!    that of the exception. The first one wins; it was never left, so its frame is as it was.
//! 4. The landing is noted in the context, `pending` is set, and the stub that called the runtime
//!    loads frame pointer, stack pointer and `rax` from there and jumps. Frames in between are gone
//!    without having run; what they saved of the registers that calls preserve, the stub restores, so
//!    that a call with handlers may keep values in them. When the pad keeps a reference, the exception in the buffer was copied.
//! 5. Without a handler the activation is left as by a trap, with the exception as an error. When
//!    the host function that made the inner call returns that error, it goes on at 2, in the outer
//!    activation. No frame of the host is ever unwound.
//!
//! Each entry of the cache counts the exceptions that were thrown from its call and those that its call's
//! handlers caught, so that to count costs an addition ([`ThrowCounts`]).

use super::code_map;
use super::context::ContextCell;
use super::exception::ExnPtr;
use super::func::TagPtr;
use crate::tier::batch::{Batch, coarse_clock};
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashSet};
use std::ptr;
use std::time::{Duration, Instant};
use upshift_abi::code::{Handler, HandlerMap, HandlerSite};
use upshift_abi::conv::CALLEE_SAVED;
use upshift_abi::layout::Landing;

/// Return addresses that the cache holds, as a power of two.
const CACHE_LOG2: u32 = 9;

/// What is known of a return address.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Known {
    pc: usize,
    /// The handlers of its function, null when its call has none.
    map: *const HandlerMap,
    site: HandlerSite,
    /// Address of the function's code.
    code: usize,
    /// Where the function's frame holds what its caller had in registers.
    saved: SavedPlaces,
    counts: SiteCounts,
}

/// [`upshift_abi::code::CompiledFunction::saved`] in words, a byte for each register: they lie next to the frame
/// pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SavedPlaces(u32);

impl SavedPlaces {
    fn of(saved: [u32; CALLEE_SAVED.len()]) -> Self {
        let word = |below: u32| u8::try_from(below / 8).expect("a place next to the frame pointer");
        Self(u32::from_le_bytes(saved.map(word)))
    }

    /// Registers by their position, and how many words below the frame pointer each is.
    fn places(self) -> impl Iterator<Item = (usize, usize)> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let shift = (left != 0).then(|| left.trailing_zeros() & !7)?;
            let words = left >> shift & 0xff;
            left &= !(0xff << shift);
            Some((shift as usize / 8, words as usize))
        })
    }
}

/// Exceptions at a return address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SiteCounts {
    pub(crate) thrown: u64,
    pub(crate) caught: u64,
}

const _: () = assert!(size_of::<Known>() == 64, "a line of the processor's cache");

const NOTHING: Known = Known {
    pc: 0,
    map: ptr::null(),
    site: HandlerSite { return_offset: 0, scope: 0, vmctx_slot: 0 },
    code: 0,
    saved: SavedPlaces(0),
    counts: SiteCounts { thrown: 0, caught: 0 },
};

/// One search in so many is timed: to read the clock twice takes a good part of a search.
const TIMED: u64 = 32;

/// Exceptions of a store so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThrowCounts {
    /// By return address.
    pub(crate) sites: BTreeMap<usize, SiteCounts>,
    /// What the searches for handlers took; zero when they are not timed.
    pub(crate) searching: Duration,
}

/// Exceptions since somebody was told of the last ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Throws {
    pub(crate) thrown: u64,
    pub(crate) caught: u64,
}

impl ThrowCounts {
    fn add(&mut self, known: &Known) {
        if known.counts != SiteCounts::default() {
            let site = self.sites.entry(known.pc).or_default();
            site.thrown += known.counts.thrown;
            site.caught += known.counts.caught;
        }
    }
}

/// Handlers by return address, direct-mapped.
#[derive(Debug, Default)]
pub(super) struct RaiseCache {
    known: Vec<Known>,
    /// What entries had counted that are no longer there.
    before: ThrowCounts,
    searches: u64,
    /// What nobody was told of yet.
    untold: Throws,
    batch: Batch,
}

impl RaiseCache {
    fn get(&mut self, pc: usize) -> &mut Known {
        if self.known.is_empty() {
            self.known = vec![NOTHING; 1 << CACHE_LOG2];
        }
        let hash = pc ^ pc >> CACHE_LOG2;
        let place = &mut self.known[hash & ((1 << CACHE_LOG2) - 1)];
        if place.pc != pc {
            self.before.add(place);
            *place = look_up(pc);
        }
        place
    }

    fn count_throw(&mut self, pc: usize) {
        self.get(pc).counts.thrown += 1;
        self.untold.thrown += 1;
    }

    fn take_untold(&mut self) -> Option<Throws> {
        Some(std::mem::take(&mut self.untold)).filter(|untold| untold.thrown > 0)
    }

    /// What is left to tell of, and how long ago that was.
    pub(super) fn take_rest(&mut self, now: Duration) -> Option<(Throws, Duration)> {
        Some((self.take_untold()?, self.batch.age(now)))
    }

    /// What was counted so far.
    pub(super) fn counts(&self) -> ThrowCounts {
        let mut counts = self.before.clone();
        self.known.iter().for_each(|known| counts.add(known));
        counts
    }

    /// When the search that begins now is one that is timed, the time.
    fn begin(&mut self, timed: bool) -> Option<Instant> {
        self.searches += 1;
        (timed && self.searches % TIMED == 1).then(Instant::now)
    }

    fn end(&mut self, begun: Option<Instant>) {
        if let Some(begun) = begun {
            // The first one is cold, and stands for itself.
            let stands_for = if self.searches == 1 { 1 } else { TIMED };
            let stands_for = u32::try_from(stands_for).unwrap_or(1);
            self.before.searching += begun.elapsed() * stands_for;
        }
    }
}

#[cold]
fn look_up(pc: usize) -> Known {
    let found = code_map::with_module(pc, |module| {
        // A call may be the last instruction of its function.
        let function = module.function_at(pc - 1)?;
        let offset = module.text_offset(pc)? - function.start;
        let map = &function.tables.handlers;
        let known = Known {
            pc,
            code: pc - offset,
            saved: SavedPlaces::of(function.tables.saved),
            ..NOTHING
        };
        Some(match map.lookup(u32::try_from(offset).ok()?) {
            Some(site) => Known { map: &raw const *map, site, ..known },
            None => known,
        })
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
    /// The handler of an exception that is thrown where machine code of this context was left. Without
    /// one, whoever asked last counts the exception.
    pub(super) fn find_handler(&self, tag: TagPtr) -> Option<Caught> {
        // SAFETY: the field belongs to the thread that has the store, and nobody else uses it now.
        let cache = unsafe { &mut *self.raise_cache() };
        let begun = cache.begin(self.settings().times_throws);
        let caught = self.search(cache, tag);
        cache.end(begun);
        if caught.is_some() {
            cache.count_throw(self.exit_frame().1);
            cache.untold.caught += 1;
        }
        caught
    }

    /// What is to be told of exceptions, when somebody wants events and it is time to.
    pub(super) fn throws_to_tell(&self) -> Option<Throws> {
        if !self.settings().times_throws {
            return None;
        }
        // SAFETY: as in `find_handler`.
        let cache = unsafe { &mut *self.raise_cache() };
        let due = cache.untold.thrown > 0 && cache.batch.is_due(coarse_clock);
        if due { cache.take_untold() } else { None }
    }

    /// Counts an exception that has no handler.
    pub(super) fn count_uncaught(&self) {
        // SAFETY: as in `find_handler`.
        let cache = unsafe { &mut *self.raise_cache() };
        cache.count_throw(self.exit_frame().1);
    }

    fn search(&self, cache: &mut RaiseCache, tag: TagPtr) -> Option<Caught> {
        let (mut fp, mut pc) = self.exit_frame();
        let entry_fp = self.entry_frame();
        let saved = self.landing_saved();
        saved.forget();
        let mut misses = Misses::default();
        while fp != 0 && fp < entry_fp {
            let known = cache.get(pc);
            // SAFETY: tables stay where they are as long as their module, which the store keeps.
            if let Some(map) = unsafe { known.map.as_ref() }
                && let Some(caught) = match_frame(map, known, fp, (tag, &mut misses))
            {
                known.counts.caught += 1;
                return Some(caught);
            }
            saved.leave_frame(fp, known.saved);
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

/// Where the stub that goes to a landing pad gets the registers from that calls preserve. Written in place, a
/// word at a time, as the stub reads it: a copy as a whole right behind the writes takes ten times as long.
#[derive(Clone, Copy, Debug)]
pub(super) struct LandingSaved(pub(super) *mut [u64; CALLEE_SAVED.len()]);

impl LandingSaved {
    /// The registers hold what they should.
    pub(super) fn forget(self) {
        // SAFETY: the field of a context, which belongs to the thread that has the store.
        unsafe { self.0.write([0; CALLEE_SAVED.len()]) };
    }

    /// A frame is left that holds what its caller had in registers.
    fn leave_frame(self, fp: usize, places: SavedPlaces) {
        for (i, words) in places.places() {
            // SAFETY: as above, and there is a word for each register. (The stub reads the place: the frame saved
            // the register there, as the call that `fp` is left by comes behind its prologue.)
            unsafe { self.0.cast::<u64>().wrapping_add(i).write((fp - 8 * words) as u64) };
        }
    }
}

/// Scopes without a handler for the exception at hand, once many handlers were looked at: frames of a deep
/// recursion share them, and no program shall make a search long that nothing interrupts.
#[derive(Debug, Default)]
struct Misses(HashSet<(*const HandlerMap, u32, usize)>);

/// Handlers of a frame that are looked at before their scopes are kept.
const MANY_HANDLERS: usize = 64;

impl Misses {
    /// The handler of a frame, whose handlers are `map` and whose vmctx is at `vmctx`.
    ///
    /// # Safety
    /// The frame is alive, and so is the instance of its vmctx, which is there if a handler of the frame has
    /// a tag.
    unsafe fn find(
        &mut self,
        (map, site): (&HandlerMap, HandlerSite),
        vmctx: *const usize,
        tag: TagPtr,
    ) -> Option<Handler> {
        let mut seen = SmallVec::<[u32; 8]>::new();
        let mut looked_at = 0;
        for (scope, handlers) in map.scopes(site) {
            let has_tag = handlers.first().is_some_and(|first| first.tag.is_some());
            // SAFETY: as the caller says.
            let missed = || (map as *const HandlerMap, scope, unsafe { vmctx.read() });
            if has_tag && !self.0.is_empty() && self.0.contains(&missed()) {
                break;
            }
            let matches = |handler: &&Handler| {
                handler.tag.is_none_or(|offset| {
                    // SAFETY: as the caller says.
                    let vmctx = unsafe { vmctx.read() };
                    let identity = ptr::with_exposed_provenance::<usize>(vmctx + offset as usize);
                    // SAFETY: the instance has the tag's identity there.
                    unsafe { identity.read() == tag.0 }
                })
            };
            if let Some(handler) = handlers.iter().find(matches) {
                return Some(*handler);
            }
            looked_at += handlers.len();
            if has_tag {
                seen.push(scope);
            }
        }
        if looked_at > MANY_HANDLERS {
            // SAFETY: as the caller says: a handler without a tag would have matched.
            let vmctx = unsafe { vmctx.read() };
            self.0.extend(seen.into_iter().map(|scope| (map as *const HandlerMap, scope, vmctx)));
        }
        None
    }
}

fn match_frame(
    map: &HandlerMap,
    known: &Known,
    fp: usize,
    (tag, misses): (TagPtr, &mut Misses),
) -> Option<Caught> {
    let vmctx = ptr::with_exposed_provenance::<usize>(fp - known.site.vmctx_slot as usize);
    // SAFETY: the frame is alive, and its vmctx is where the compiler says, when a handler has a tag.
    let handler = unsafe { misses.find((map, known.site), vmctx, tag) }?;
    Some(Caught {
        pc: known.code + handler.landing_pad as usize,
        fp,
        sp: fp - map.fp_to_sp() as usize,
        by_ref: handler.by_ref,
    })
}
