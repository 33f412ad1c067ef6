//! The OSR bodies of a module: optimised code that takes over from baseline frames at a loop.
//!
//! An OSR body is code of its function like any other: it lies in the module's arena, and its
//! address leads to its tables. Only no entry slot points to it, as it cannot be called: it is
//! entered with the state of a frame ([`crate::vm`] tells how), once for each frame that it
//! takes over.
//!
//! Bodies are only added. They go with the module's arena, and a frame in one keeps the module
//! as a frame in any other code of it does. So whoever has looked a body up may enter it at any
//! later time, whatever was published meanwhile.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use upshift_abi::index::DefinedFuncIndex;

/// Code that may be entered from a baseline frame at a loop header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OsrBody {
    /// Its address.
    pub(crate) address: usize,
    /// Bytes of its frame below the saved frame pointer: it does not check the stack itself.
    pub(crate) frame_bytes: u32,
}

/// See the module head.
#[derive(Debug, Default)]
pub(super) struct OsrBodies {
    bodies: RwLock<HashMap<(DefinedFuncIndex, u32), OsrBody>>,
}

impl OsrBodies {
    /// The body for the loop at `loop_offset`.
    pub(super) fn get(&self, index: DefinedFuncIndex, loop_offset: u32) -> Option<OsrBody> {
        let bodies = self.bodies.read().unwrap_or_else(PoisonError::into_inner);
        bodies.get(&(index, loop_offset)).copied()
    }

    /// Adds a body; it is found instead of an older one for the same loop from now on.
    pub(super) fn set(&self, index: DefinedFuncIndex, loop_offset: u32, body: OsrBody) {
        let mut bodies = self.bodies.write().unwrap_or_else(PoisonError::into_inner);
        bodies.insert((index, loop_offset), body);
    }
}
