//! What a store tells of beside what its tiers do: collections, exceptions and traps.

use super::StoreInner;
use crate::code::{FrameSymbol, innermost, symbolize};
use crate::tier::batch::{Batch, coarse_clock};
use crate::tier::event::{CollectionKind, EventKind};
use crate::tier::events::{Events, Subject};
use crate::vm::{Exit, ExitReason, Throws};
use crate::{Trap, WasmBacktrace};
use std::time::Duration;

/// The traps that nobody was told of yet.
#[derive(Debug, Default)]
pub(super) struct Traps {
    batch: Batch,
    count: u64,
    last: Option<(Subject, Trap, Option<u32>)>,
}

impl Traps {
    fn take(&mut self) -> Option<(Subject, EventKind)> {
        let (subject, trap, module_offset) = self.last.take()?;
        let count = std::mem::take(&mut self.count);
        Some((subject, EventKind::Trapped { trap, module_offset, count }))
    }
}

impl StoreInner {
    fn events(&self) -> &Events {
        self.engine().tiers().events()
    }

    /// Tells of exceptions, the last of which was thrown where machine code was left.
    pub(super) fn tell_of_throws(&self, Throws { thrown, caught }: Throws) {
        let subject = innermost(&self.context);
        self.events().emit(subject, || EventKind::Thrown { thrown, caught });
    }

    /// Exceptions were collected without objects, since `began`.
    pub(super) fn tell_of_exceptions(&self, began: Duration) {
        let events = self.events();
        if events.enabled() {
            let kind = EventKind::Collected {
                kind: CollectionKind::Exceptions,
                pause: events.now().saturating_sub(began),
                heap_bytes: self.exceptions.heap().bytes() as u64,
            };
            events.emit(innermost(&self.context), || kind);
        }
    }

    /// A call of the host was left. Tells of it when that was a trap.
    #[cold]
    pub(crate) fn note_exit(&mut self, exit: &Exit) {
        if !self.events().enabled() {
            return;
        }
        let ExitReason::Error(error) = &exit.reason else { return };
        // One with a backtrace came from an inner activation, and was told of.
        let is_new = |_: &&Trap| !error.is::<WasmBacktrace>();
        let Some(&trap) = error.downcast_ref::<Trap>().filter(is_new) else { return };
        let symbols = exit.frames.first().map(|&frame| symbolize(frame)).unwrap_or_default();
        let symbol = symbols.first();
        let subject = symbol.map(FrameSymbol::subject);
        let offset = symbol.and_then(|symbol| symbol.module_offset);
        self.traps.count += 1;
        self.traps.last = Some((subject.unwrap_or_default(), trap, offset));
        if self.traps.batch.is_due(coarse_clock)
            && let Some((subject, kind)) = self.traps.take()
        {
            self.events().emit(subject, || kind);
        }
    }

    /// Tells of what waits for others.
    pub(crate) fn tell_the_rest(&mut self) {
        if !self.events().enabled() {
            return;
        }
        let (now, coarse) = (self.events().now(), coarse_clock());
        if let Some((subject, kind)) = self.traps.take() {
            let at = now.saturating_sub(self.traps.batch.age(coarse));
            self.events().tell(at, subject, kind);
        }
        if let Some((Throws { thrown, caught }, age)) = self.context.take_throws(coarse) {
            let kind = EventKind::Thrown { thrown, caught };
            self.events().tell(now.saturating_sub(age), Subject::default(), kind);
        }
    }
}
