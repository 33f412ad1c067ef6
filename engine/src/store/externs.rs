//! The store's table of host values behind `externref`.
//!
//! A reference holds a handle: the position in the table plus one
//! ([`upshift_abi::layout::HOST_BIT`]). Values live as long as the store.

use std::any::Any;
use std::fmt;
use upshift_abi::layout::HOST_SHIFT;

/// Host values by handle.
#[derive(Default)]
pub(crate) struct ExternTable {
    values: Vec<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for ExternTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternTable").field("len", &self.values.len()).finish()
    }
}

impl ExternTable {
    /// Adds a value; `None` when all handles are in use.
    pub(crate) fn insert(&mut self, value: Box<dyn Any + Send + Sync>) -> Option<u32> {
        let handle = u32::try_from(self.values.len() + 1).ok()?;
        if handle >= 1 << (u32::BITS - HOST_SHIFT) {
            return None;
        }
        self.values.push(value);
        Some(handle)
    }

    /// The value of a handle.
    pub(crate) fn get(&self, handle: u32) -> Option<&(dyn Any + Send + Sync)> {
        let position = usize::try_from(handle.checked_sub(1)?).ok()?;
        self.values.get(position).map(|value| &**value)
    }
}
