//! Limits on what a store may use: [`ResourceLimiter`] and a ready-made one, [`StoreLimits`].

use crate::Result;

/// Asked whenever a store is about to use more of something.
///
/// Sizes of memories are in bytes, sizes of tables in elements. The answer `Ok(false)` makes the
/// operation fail in the way WebAssembly knows (`memory.grow` returns -1); `Err` is a trap that
/// carries the error.
///
/// The heap of objects is asked for like a memory, in bytes that its objects may take, garbage
/// included. Where the answer is `Ok(false)`, the heap stays as large as it is and more is
/// collected; when that is not enough, allocation traps.
pub trait ResourceLimiter: Send {
    /// A memory, or the heap of objects, is about to grow, or to be made, with `current` bytes now.
    ///
    /// # Errors
    /// An error ends the call into WebAssembly.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool>;

    /// Growing a memory failed although [`Self::memory_growing`] agreed.
    ///
    /// # Errors
    /// An error ends the call into WebAssembly.
    fn memory_grow_failed(&mut self, error: crate::Error) -> Result<()> {
        let _ = error;
        Ok(())
    }

    /// A table is about to grow, or to be made, with `current` elements now.
    ///
    /// # Errors
    /// An error ends the call into WebAssembly.
    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool>;

    /// Growing a table failed although [`Self::table_growing`] agreed.
    ///
    /// # Errors
    /// An error ends the call into WebAssembly.
    fn table_grow_failed(&mut self, error: crate::Error) -> Result<()> {
        let _ = error;
        Ok(())
    }

    /// How many instances the store may hold.
    fn instances(&self) -> usize {
        DEFAULT_INSTANCE_LIMIT
    }

    /// How many tables the store may hold.
    fn tables(&self) -> usize {
        DEFAULT_TABLE_LIMIT
    }

    /// How many memories the store may hold.
    fn memories(&self) -> usize {
        DEFAULT_MEMORY_LIMIT
    }
}

/// Instances of a store unless a limiter says otherwise.
pub const DEFAULT_INSTANCE_LIMIT: usize = 10_000;
/// Tables of a store unless a limiter says otherwise.
pub const DEFAULT_TABLE_LIMIT: usize = 10_000;
/// Memories of a store unless a limiter says otherwise.
pub const DEFAULT_MEMORY_LIMIT: usize = 10_000;

/// A [`ResourceLimiter`] of fixed limits.
#[derive(Clone, Debug)]
pub struct StoreLimits {
    memory_size: Option<usize>,
    table_elements: Option<usize>,
    instances: usize,
    tables: usize,
    memories: usize,
    trap_on_grow_failure: bool,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            memory_size: None,
            table_elements: None,
            instances: DEFAULT_INSTANCE_LIMIT,
            tables: DEFAULT_TABLE_LIMIT,
            memories: DEFAULT_MEMORY_LIMIT,
            trap_on_grow_failure: false,
        }
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let allowed = self.memory_size.is_none_or(|limit| desired <= limit)
            && maximum.is_none_or(|maximum| desired <= maximum);
        if !allowed && self.trap_on_grow_failure {
            anyhow::bail!("forcing trap when growing memory to {desired} bytes");
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: crate::Error) -> Result<()> {
        if self.trap_on_grow_failure {
            return Err(error.context("forcing a memory growth failure to be a trap"));
        }
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let allowed = self.table_elements.is_none_or(|limit| desired <= limit)
            && maximum.is_none_or(|maximum| desired <= maximum);
        if !allowed && self.trap_on_grow_failure {
            anyhow::bail!("forcing trap when growing table to {desired} elements");
        }
        Ok(allowed)
    }

    fn table_grow_failed(&mut self, error: crate::Error) -> Result<()> {
        if self.trap_on_grow_failure {
            return Err(error.context("forcing a table growth failure to be a trap"));
        }
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

/// Makes [`StoreLimits`].
#[derive(Clone, Debug, Default)]
pub struct StoreLimitsBuilder(StoreLimits);

impl StoreLimitsBuilder {
    /// A builder without limits other than the default counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The largest size of each memory in bytes.
    #[must_use]
    pub fn memory_size(mut self, limit: usize) -> Self {
        self.0.memory_size = Some(limit);
        self
    }

    /// The largest number of elements of each table.
    #[must_use]
    pub fn table_elements(mut self, limit: usize) -> Self {
        self.0.table_elements = Some(limit);
        self
    }

    /// The largest number of instances.
    #[must_use]
    pub fn instances(mut self, limit: usize) -> Self {
        self.0.instances = limit;
        self
    }

    /// The largest number of tables.
    #[must_use]
    pub fn tables(mut self, tables: usize) -> Self {
        self.0.tables = tables;
        self
    }

    /// The largest number of memories.
    #[must_use]
    pub fn memories(mut self, memories: usize) -> Self {
        self.0.memories = memories;
        self
    }

    /// Whether growing beyond a limit is a trap instead of a result of -1.
    #[must_use]
    pub fn trap_on_grow_failure(mut self, trap: bool) -> Self {
        self.0.trap_on_grow_failure = trap;
        self
    }

    /// The limits.
    #[must_use]
    pub fn build(self) -> StoreLimits {
        self.0
    }
}
