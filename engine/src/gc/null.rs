//! The collector that never collects.

use super::{Collector, Extent, HeapConfig, Outside, RootSet, Space};
use crate::fallible::OutOfMemory;
use crate::vm::TypeShape;
use upshift_abi::layout::NULL_GUARD_BYTES;

/// How much machine code gets at a time, so that the host's limits are asked now and then.
const CHUNK_BYTES: u64 = 1 << 20;

/// See the module head.
#[derive(Debug)]
pub(super) struct Null {
    cursor: u64,
    end: u64,
    max_bytes: u64,
}

impl Null {
    /// A collector of an empty heap.
    pub(super) fn new(config: HeapConfig) -> Self {
        let start = u64::from(NULL_GUARD_BYTES);
        Self { cursor: start, end: start + config.max_bytes, max_bytes: config.max_bytes }
    }
}

impl Collector for Null {
    /// What was handed out and not used is lost: that is little, as chunks follow each other.
    fn room(&mut self, bytes: u32) -> Option<(u64, u64)> {
        let start = self.cursor;
        let end = (start + CHUNK_BYTES.max(bytes.into())).min(self.end);
        if end - start < u64::from(bytes) {
            return None;
        }
        self.cursor = end;
        Some((start, end))
    }

    fn allocate_old(&mut self, bytes: u64, _shape: TypeShape) -> Option<(u32, u32)> {
        if self.end - self.cursor < bytes {
            return None;
        }
        let offset = u32::try_from(self.cursor).ok()?;
        self.cursor += bytes;
        Some((offset, 0))
    }

    fn collect(
        &mut self,
        _space: &mut Space<'_>,
        _extent: Extent,
        _roots: &mut dyn RootSet,
    ) -> Result<Outside, OutOfMemory> {
        Err(OutOfMemory)
    }

    fn wants(&self) -> Extent {
        Extent::Minor
    }

    fn used_bytes(&self) -> u64 {
        self.cursor - u64::from(NULL_GUARD_BYTES)
    }

    fn old_bytes(&self) -> u64 {
        0
    }

    fn wanted_bytes(&self, _young_bytes: u64, bytes: u64) -> (u64, u64) {
        let chunk = bytes.max(CHUNK_BYTES);
        (self.used_bytes() + chunk, self.used_bytes() + chunk)
    }

    fn set_limit(&mut self, bytes: u64) {
        let start = u64::from(NULL_GUARD_BYTES);
        self.end = self.cursor.max(start + bytes.min(self.max_bytes));
    }

    fn verify(&self, _space: &mut Space<'_>, _roots: &mut dyn RootSet) {}
}
