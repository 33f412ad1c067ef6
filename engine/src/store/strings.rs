//! Memory for strings of the host, which a guest makes as many and as long as it likes.

use super::AnyStore;
use crate::{Result, Trap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of strings below which it is not worth looking for those that are not in use, and that a limiter
/// is not asked for.
const MIN_BYTES: u64 = 1 << 20;
/// Bytes of strings at which those that are not in use are looked for, however many objects there are to
/// look at, unless there were half as many the last time.
const MAX_UNSEEN_BYTES: u64 = 64 << 20;

/// The strings of a store: how many bytes they have, and what is done before there are more.
#[derive(Debug)]
pub(crate) struct Strings {
    live: Arc<AtomicU64>,
    /// Bytes at which it is time to look for strings that are not in use.
    collect_at: u64,
    /// What the limiter agreed to.
    granted: u64,
}

impl Default for Strings {
    fn default() -> Self {
        Self { live: Arc::default(), collect_at: MIN_BYTES, granted: MIN_BYTES }
    }
}

/// What a string has of its store's bytes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    live: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.live.fetch_sub(self.bytes, Relaxed);
    }
}

impl Strings {
    /// Charges a store for a string of `bytes`; drops strings that are not in use when it is time to, or
    /// when there is no room otherwise. All of them may have as many bytes as the objects of the store.
    ///
    /// # Errors
    /// When there is no room, or what the limiter says.
    pub(crate) fn charge(store: &mut dyn AnyStore, bytes: u64) -> Result<Charge> {
        let (strings, heap) = (&store.inner().strings, &store.inner().heap);
        let allowance = heap.as_ref().map_or(0, |heap| heap.allowance_bytes());
        let due_at = strings.collect_at.max(allowance.min(MAX_UNSEEN_BYTES));
        let is_due = strings.with(bytes) > due_at;
        if is_due {
            Self::collect(store, bytes);
        }
        if !Self::has_room(store, bytes)? {
            if is_due {
                return Err(Trap::AllocationTooLarge.into());
            }
            Self::collect(store, bytes);
            if !Self::has_room(store, bytes)? {
                return Err(Trap::AllocationTooLarge.into());
            }
        }
        let live = Arc::clone(&store.inner().strings.live);
        live.fetch_add(bytes, Relaxed);
        Ok(Charge { live, bytes })
    }

    /// Drops strings that are not in use, before there is one of `bytes`.
    fn collect(store: &mut dyn AnyStore, bytes: u64) {
        // What cannot be dropped now stays.
        let _ = store.inner_mut().collect_all();
        let strings = &mut store.inner_mut().strings;
        strings.collect_at = MIN_BYTES.max(2 * strings.with(bytes));
    }

    /// Whether there may be a string of `bytes` more: what the limiter says, when it was not asked before.
    fn has_room(store: &mut dyn AnyStore, bytes: u64) -> Result<bool> {
        let strings = &store.inner().strings;
        let (least, granted) = (strings.with(bytes), strings.granted);
        let most = store.inner().engine().config().heap_config().max_bytes;
        if least > most {
            return Ok(false);
        }
        if least <= granted {
            return Ok(true);
        }
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        for desired in [(least + least / 8).min(most), least] {
            let agrees = match store.limiter() {
                Some(limiter) => {
                    limiter.memory_growing(size(granted), size(desired), Some(size(most)))?
                }
                None => true,
            };
            if agrees {
                store.inner_mut().strings.granted = desired;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Bytes of all strings, with so many more.
    fn with(&self, bytes: u64) -> u64 {
        self.live.load(Relaxed).saturating_add(bytes)
    }
}
