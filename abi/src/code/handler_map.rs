//! Handler maps: which exception handlers cover a call
//! ([§4.4.10](https://webassembly.github.io/spec/core/exec/instructions.html#exec-throw-ref)).
//!
//! Keyed by return address offset. A site names a *scope*: some handlers, in the order in which
//! they are tried, and the scope around it that comes after them. Scopes are shared, so nested
//! `try_table`s with many calls take space for the scopes and the calls, not for their product.
//!
//! ```text
//! try_table (catch $e $l) (catch_all $m)       scope 0: parent none   handlers [$e → pad 0x80, all → pad 0x90]
//!   call $f         returns to 0x20            scope 1: parent 0      handlers [$x → pad 0xa0]
//!   try_table (catch_ref $x $n)
//!     call $g       returns to 0x40            sites: (0x20, scope 0) (0x40, scope 1)
//! ```
//!
//! Whoever goes to a landing pad sets the frame pointer to that of the frame, the stack pointer to
//! [`HandlerMap::fp_to_sp`] bytes below it and `rax` to the address of the exception
//! ([`crate::layout::ExnHeader`]). The registers that calls preserve hold what they held at the call
//! ([`super::CompiledFunction::saved`] says where the frames in between have it); all others are lost.

/// One handler of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handler {
    /// Where in the frame's instance the tag's identity is; `None` catches all.
    pub tag: Option<u32>,
    /// Whether the landing pad keeps a reference to the exception.
    pub by_ref: bool,
    /// Offset of the landing pad.
    pub landing_pad: u32,
}

/// A call with handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerSite {
    /// Return address offset.
    pub return_offset: u32,
    /// The innermost scope around it.
    pub scope: u32,
    /// Where the frame's vmctx is, in bytes below the frame pointer; only when a handler has a tag.
    pub vmctx_slot: u32,
}

/// Handlers that cover the same calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scope {
    /// The scope around it, [`NO_SCOPE`] at the outermost.
    parent: u32,
    first: u32,
    end: u32,
}

const NO_SCOPE: u32 = u32::MAX;

/// Handlers by return address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlerMap {
    fp_to_sp: u32,
    sites: Box<[HandlerSite]>,
    scopes: Vec<Scope>,
    handlers: Vec<Handler>,
}

impl HandlerMap {
    /// An empty map of a function whose frame has `fp_to_sp` bytes below the frame pointer.
    #[must_use]
    pub fn new(fp_to_sp: u32) -> Self {
        Self { fp_to_sp, ..Self::default() }
    }

    /// Bytes from the stack pointer at a landing pad up to the frame pointer.
    #[must_use]
    pub fn fp_to_sp(&self) -> u32 {
        self.fp_to_sp
    }

    /// Whether no call has handlers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Adds a scope in `parent`, an earlier one, and returns its number.
    ///
    /// # Panics
    /// When `parent` is not an earlier scope.
    pub fn add_scope(
        &mut self,
        parent: Option<u32>,
        handlers: impl IntoIterator<Item = Handler>,
    ) -> u32 {
        let number = bounded(self.scopes.len());
        assert!(parent.is_none_or(|parent| parent < number), "scopes nest");
        let first = bounded(self.handlers.len());
        self.handlers.extend(handlers);
        let end = bounded(self.handlers.len());
        self.scopes.push(Scope { parent: parent.unwrap_or(NO_SCOPE), first, end });
        number
    }

    /// Sets the calls, whose return offsets ascend.
    ///
    /// # Panics
    /// When they do not ascend, or name a scope that does not exist.
    pub fn set_sites(&mut self, sites: Vec<HandlerSite>) {
        assert!(sites.is_sorted_by(|a, b| a.return_offset < b.return_offset), "ascending offsets");
        let scopes = bounded(self.scopes.len());
        assert!(sites.iter().all(|site| site.scope < scopes), "sites name scopes");
        self.sites = sites.into();
    }

    /// The site of the call that returns to `return_offset`, if it has handlers.
    #[must_use]
    pub fn lookup(&self, return_offset: u32) -> Option<HandlerSite> {
        let found = self.sites.binary_search_by_key(&return_offset, |site| site.return_offset);
        found.ok().map(|i| self.sites[i])
    }

    /// The scopes around a site by number, from the innermost on, and the handlers of each in the order in
    /// which they are tried.
    pub fn scopes(&self, site: HandlerSite) -> impl Iterator<Item = (u32, &[Handler])> {
        let mut number = site.scope;
        std::iter::from_fn(move || {
            let here = self.scopes.get(number as usize)?;
            let scope = std::mem::replace(&mut number, here.parent);
            Some((scope, &self.handlers[here.first as usize..here.end as usize]))
        })
    }
}

fn bounded(count: usize) -> u32 {
    u32::try_from(count).expect("handlers of one function fit 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn handler(tag: Option<u32>, landing_pad: u32) -> Handler {
        Handler { tag, by_ref: false, landing_pad }
    }

    const fn site(return_offset: u32, scope: u32) -> HandlerSite {
        HandlerSite { return_offset, scope, vmctx_slot: 8 }
    }

    /// The handlers of a site in the order in which they are tried.
    fn handlers(map: &HandlerMap, site: HandlerSite) -> Vec<Handler> {
        map.scopes(site).flat_map(|(_, handlers)| handlers).copied().collect()
    }

    #[test]
    fn the_example_of_the_head() {
        let mut map = HandlerMap::new(64);
        let outer = [handler(Some(40), 0x80), handler(None, 0x90)];
        let inner = handler(Some(48), 0xa0);
        let outer_scope = map.add_scope(None, outer);
        let inner_scope = map.add_scope(Some(outer_scope), [inner]);
        map.set_sites(vec![site(0x20, outer_scope), site(0x40, inner_scope)]);
        let tried = |at| handlers(&map, map.lookup(at).unwrap());
        assert_eq!(tried(0x20), outer);
        assert_eq!(tried(0x40), [inner, outer[0], outer[1]]);
        assert_eq!(map.lookup(0x41), None);
        assert_eq!(map.fp_to_sp(), 64);
    }

    #[test]
    fn scopes_without_handlers_lead_to_the_one_around() {
        let mut map = HandlerMap::new(0);
        let outer = map.add_scope(None, [handler(None, 4)]);
        let middle = map.add_scope(Some(outer), []);
        let inner = map.add_scope(Some(middle), []);
        map.set_sites(vec![site(1, inner)]);
        assert_eq!(handlers(&map, site(1, inner)), [handler(None, 4)]);
        let numbers = map.scopes(site(1, inner)).map(|(number, _)| number);
        assert_eq!(numbers.collect::<Vec<_>>(), [inner, middle, outer]);
        assert!(!map.is_empty() && HandlerMap::default().is_empty());
    }

    #[test]
    #[should_panic(expected = "ascending")]
    fn sites_ascend() {
        let mut map = HandlerMap::default();
        let scope = map.add_scope(None, []);
        map.set_sites(vec![site(2, scope), site(1, scope)]);
    }
}
