//! Where references are at joins of control: in their variables, or where their slots alone hold them.
//!
//! The first way to a label decides, and others bring what is alive there to the same places
//! ([`Translator::meet`]). A header of a loop has all that the loop reads in variables
//! ([`Translator::meet_header`]), a landing pad has all in slots ([`Translator::places_at_pads`]).

use super::{Held, Places, RefLocals, Safepoints};
use crate::control::{Control, Kind};
use crate::translate::Translator;
use cranelift_frontend::Variable;
use smallvec::SmallVec;

/// References that may be looked at where control branches: their number is otherwise the product of
/// the references and the branches of a function.
const MAX_MET: usize = 1 << 26;
/// References that may wait at a time for the `else` or the label of the blocks around.
const MAX_WAITING: usize = 1 << 21;

impl Translator<'_, '_> {
    /// The places of the references that are alive, for another path that begins here.
    pub(crate) fn places_here(&mut self) -> Places {
        let live = self.live_below(self.stack.len());
        let held = &self.safepoints.held;
        let places = live.iter().map(|&var| (var, held[var])).filter(|place| place.1.since != 0);
        let places: Places = places.collect();
        self.safepoints.waiting += places.len();
        self.count_met(live.len());
        places
    }

    /// Goes on where references have these places, for which that was all.
    pub(crate) fn go_on_with(&mut self, places: &Places) {
        self.drop_places(places);
        self.safepoints.place(places);
    }

    /// Nothing waits for these places any more.
    pub(crate) fn drop_places(&mut self, places: &Places) {
        self.safepoints.waiting -= places.len();
    }

    /// Control goes from here to the label of a frame, too: brings the references that are alive
    /// there to the places that they have there.
    ///
    /// The first way to a label decides. A reference whose slot alone holds it stays there if the
    /// slot did so before the frame was opened: then it does on other ways, too, unless they write
    /// it. Others are in variables.
    pub(crate) fn meet(&mut self, index: usize) {
        let is_body = index == self.inlining.body_frame();
        let Control { height, start, .. } = self.control[index];
        let mut live: SmallVec<[Variable; 8]> = self.safepoints.operands_below(height).collect();
        let Safepoints { locals, outer, .. } = &mut self.safepoints;
        live.extend(outer.iter().copied());
        if !is_body {
            let looked_at = locals.liveness.at(self.src.pc).len();
            live.extend(locals.at_label(self.src.pc, start));
            self.count_met(looked_at);
        }
        self.meet_with(index, live);
    }

    fn meet_with(&mut self, index: usize, mut live: SmallVec<[Variable; 8]>) {
        self.count_met(live.len());
        live.sort_unstable_by_key(|var| var.as_u32());
        let frame = &mut self.control[index];
        let (opened, is_loop) = (frame.opened, frame.kind == Kind::Loop);
        let places = match frame.places.take() {
            None => {
                let places = self.first_places(opened, &live);
                self.safepoints.waiting += places.len();
                places
            }
            Some(mut places) => {
                let before = places.len();
                self.agree(&mut places, &live, is_loop);
                self.safepoints.waiting -= before - places.len();
                places
            }
        };
        self.control[index].places = Some(places);
    }

    fn first_places(&mut self, opened: u32, live: &[Variable]) -> Places {
        let mut places = Places::new();
        for &var in live {
            let held = self.safepoints.held[var];
            if held.only && held.since > opened {
                self.value_of(var);
            }
            if held.since != 0 {
                places.push((var, self.safepoints.held[var]));
            }
        }
        places
    }

    /// Makes the present places agree with those at a label, or those at the label fewer as long as
    /// its code is not there yet.
    fn agree(&mut self, places: &mut Places, live: &[Variable], fixed: bool) {
        let mut here = live.iter().copied().peekable();
        places.retain_mut(|(var, wanted)| {
            while let Some(other) = here.next_if(|&other| other.as_u32() < var.as_u32()) {
                self.value_of_outdated(other);
            }
            if here.next_if_eq(var).is_none() {
                // Nobody reads it there.
                return true;
            }
            if self.safepoints.held[*var].since == 0 {
                if !wanted.only && !fixed {
                    return false;
                }
                self.store_slot(*var);
            }
            let held = self.safepoints.held[*var];
            if !wanted.only {
                self.value_of_outdated(*var);
            } else if held.before != wanted.before {
                wanted.before = None.into();
            }
            true
        });
        for other in here {
            self.value_of_outdated(other);
        }
    }

    fn value_of_outdated(&mut self, var: Variable) {
        if self.safepoints.held[var].only {
            self.value_of(var);
        }
    }

    /// Before the header of the loop at hand, which is the innermost frame: what it reads is in
    /// variables, and what it writes in no slot.
    pub(crate) fn meet_header(&mut self) {
        let at = self.src.pc;
        let locals: SmallVec<[u32; 8]> = self.safepoints.locals.liveness.at(at).into();
        for local in locals {
            let RefLocals { liveness, vars } = &self.safepoints.locals;
            let var = vars[local as usize];
            if self.safepoints.held[var].since == 0 {
                continue;
            }
            let (touches, writes) = liveness.in_loop(at, local);
            if touches {
                self.value_of_outdated(var);
            }
            if writes {
                self.note_change(var);
            }
        }
        let index = self.control.len() - 1;
        self.meet(index);
        let places = self.control[index].places.clone().unwrap_or_default();
        self.safepoints.place(&places);
    }

    /// Where code from elsewhere joins, all references are in variables.
    pub(crate) fn load_references(&mut self) {
        for var in self.live_below(self.stack.len()) {
            self.value_of_outdated(var);
        }
    }

    /// Goes on at a landing pad, where references have these places.
    pub(crate) fn go_on_at_pad(&mut self, places: &Places) {
        self.safepoints.place(places);
    }

    /// No slot holds a reference that is in use.
    pub(crate) fn forget_slots(&mut self) {
        self.safepoints.place(&[]);
    }

    /// The references at the landing pads of the `try_table` or `catch` at an offset, whose frame
    /// has this height, or at one of them, which goes to the label of a block: each call that leads
    /// there has stored them.
    pub(crate) fn places_at_pads(
        &mut self,
        at: usize,
        height: usize,
        block: Option<usize>,
    ) -> Places {
        let mut live: SmallVec<[Variable; 8]> = self.safepoints.operands_below(height).collect();
        let Safepoints { locals, outer, .. } = &mut self.safepoints;
        live.extend(outer.iter().copied());
        let RefLocals { liveness, vars } = locals;
        let looked_at = live.len() + liveness.at_pads(at).len();
        let locals = liveness.at_pads_and_label(at, block);
        live.extend(locals.map(|local| vars[local as usize]));
        self.count_met(looked_at);
        let held = Held { since: 1, only: true, before: None.into() };
        live.into_iter().map(|var| (var, held)).collect()
    }

    /// From the landing pad at hand, where references have these places, control goes to the label of
    /// a frame.
    pub(crate) fn meet_from_pad(&mut self, places: &Places, index: usize) {
        self.safepoints.begin_aside();
        for &(var, held) in places {
            self.safepoints.set(var, held);
        }
        self.meet_with(index, places.iter().map(|place| place.0).collect());
        self.safepoints.end_aside();
    }

    /// Counts references that are looked at where control branches; refuses the function when they
    /// are too many.
    fn count_met(&mut self, more: usize) {
        self.safepoints.met += more;
        if self.safepoints.met > MAX_MET || self.safepoints.waiting > MAX_WAITING {
            self.refuse_references();
        }
    }
}
