//! [`Memory`]: a linear memory of a store.

use super::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use crate::Result;
use crate::instantiate::limits;
use crate::store::entities::{MemoryId, StoreMemory};
use crate::store::{StoreId, StoreInner};
use crate::vm::LinearMemory;
use upshift_abi::types::MemoryType;

/// A memory in a store that is not shared between threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    store: StoreId,
    id: MemoryId,
}

/// A range that does not lie in the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of bounds memory access")]
#[non_exhaustive]
pub struct MemoryAccessError;

impl Memory {
    /// A new memory of its minimum size.
    ///
    /// # Errors
    /// When the type is shared (see [`SharedMemory`](crate::SharedMemory)), a limit forbids it, or
    /// the host has no memory.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        if ty.shared {
            anyhow::bail!("shared memories are made with `SharedMemory::new`");
        }
        let mut store = store.as_context_mut();
        let id = limits::new_memory(store.store(), &ty)?;
        Ok(Self::from_id(store.inner(), id))
    }

    /// The type as declared.
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        *self.owned(store.as_context().inner()).ty()
    }

    /// The content.
    pub fn data<'a, T: 'static>(&self, store: impl Into<StoreContext<'a, T>>) -> &'a [u8] {
        self.owned(store.into().inner()).data()
    }

    /// The content, to be changed.
    pub fn data_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> &'a mut [u8] {
        self.owned_mut(&mut store.into().into_store().inner).data_mut()
    }

    /// The content and the host's data, both to be changed.
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store = store.into().into_store();
        (self.owned_mut(&mut store.inner).data_mut(), &mut store.data)
    }

    /// Copies from the memory.
    ///
    /// # Errors
    /// When the range does not lie in the memory.
    pub fn read(
        &self,
        store: impl AsContext,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<(), MemoryAccessError> {
        let store = store.as_context();
        let data = self.owned(store.inner()).data();
        let end = offset.checked_add(buffer.len()).ok_or(MemoryAccessError)?;
        buffer.copy_from_slice(data.get(offset..end).ok_or(MemoryAccessError)?);
        Ok(())
    }

    /// Copies into the memory.
    ///
    /// # Errors
    /// When the range does not lie in the memory.
    pub fn write(
        &self,
        mut store: impl AsContextMut,
        offset: usize,
        buffer: &[u8],
    ) -> Result<(), MemoryAccessError> {
        let mut store = store.as_context_mut();
        let data = self.owned_mut(store.inner_mut()).data_mut();
        let end = offset.checked_add(buffer.len()).ok_or(MemoryAccessError)?;
        data.get_mut(offset..end).ok_or(MemoryAccessError)?.copy_from_slice(buffer);
        Ok(())
    }

    /// Bytes now.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        self.owned(store.as_context().inner()).data().len()
    }

    /// Pages now.
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.owned(store.as_context().inner()).size_pages()
    }

    /// Bytes of a page.
    pub fn page_size(&self, store: impl AsContext) -> u64 {
        1 << self.owned(store.as_context().inner()).ty().page_size_log2
    }

    /// Grows by `delta` pages and returns the size before.
    ///
    /// # Errors
    /// When a limit forbids it or the host has no memory.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let mut store = store.as_context_mut();
        store.inner().check(self.store);
        let grown = limits::grow_memory(store.store(), self.id, delta)?;
        grown.ok_or_else(|| anyhow::anyhow!("failed to grow memory by {delta} pages"))
    }

    pub(crate) fn from_id(store: &StoreInner, id: MemoryId) -> Self {
        Self { store: store.id(), id }
    }

    pub(crate) fn id(self, store: &StoreInner) -> MemoryId {
        store.check(self.store);
        self.id
    }

    fn owned(self, store: &StoreInner) -> &LinearMemory {
        match store.entities.memory(self.id(store)) {
            StoreMemory::Owned(memory) => memory,
            StoreMemory::Shared(_) => unreachable!("shared memories have handles of their own"),
        }
    }

    fn owned_mut(self, store: &mut StoreInner) -> &mut LinearMemory {
        let id = self.id(store);
        match store.entities.memory_mut(id) {
            StoreMemory::Owned(memory) => memory,
            StoreMemory::Shared(_) => unreachable!("shared memories have handles of their own"),
        }
    }
}
