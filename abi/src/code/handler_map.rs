//! Handler maps: which exception handlers cover a call.
//!
//! Keyed by return address offset; handlers of one call are in the order in which they are tried,
//! innermost first.

use crate::index::TagIndex;

/// One handler of a call site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// The tag it catches; `None` catches all.
    pub tag: Option<TagIndex>,
    /// Offset of its landing pad.
    pub landing_pad: u32,
}

/// Handlers by return address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlerMap {
    /// Return address offset and handler, sorted by offset, stable within a site.
    entries: Vec<(u32, Handler)>,
}

impl HandlerMap {
    /// Adds the handlers of the call that returns to `return_offset`; offsets must ascend.
    ///
    /// # Panics
    /// When offsets do not ascend.
    pub fn push(&mut self, return_offset: u32, handlers: impl IntoIterator<Item = Handler>) {
        assert!(self.entries.last().is_none_or(|last| last.0 < return_offset), "ascending offsets");
        self.entries.extend(handlers.into_iter().map(|handler| (return_offset, handler)));
    }

    /// The handlers at a return address, in order.
    pub fn lookup(&self, return_offset: u32) -> impl Iterator<Item = Handler> + '_ {
        let start = self.entries.partition_point(|entry| entry.0 < return_offset);
        self.entries[start..]
            .iter()
            .take_while(move |entry| entry.0 == return_offset)
            .map(|entry| entry.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_of_a_site() {
        let mut map = HandlerMap::default();
        let first = Handler { tag: Some(TagIndex(1)), landing_pad: 4 };
        let second = Handler { tag: None, landing_pad: 8 };
        map.push(0x10, [first, second]);
        assert_eq!(map.lookup(0x10).collect::<Vec<_>>(), [first, second]);
        assert_eq!(map.lookup(0x11).count(), 0);
    }
}
