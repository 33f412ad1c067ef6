//! [`Table`]: a table of references.

use super::store::{AsContext, AsContextMut};
use super::type_mismatch::TypeMismatch;
use super::val::Ref;
use crate::Result;
use crate::instantiate::limits;
use crate::store::entities::TableId;
use crate::store::roots::expect_handle;
use crate::store::{StoreId, StoreInner};
use crate::vm::TablePtr;
use upshift_abi::types::{TableType, ValType};

/// A table in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    store: StoreId,
    id: TableId,
}

impl Table {
    /// A new table of its minimum size, every element `init`.
    ///
    /// # Errors
    /// When `init` does not have the element type, that names none of the store's engine, or one that is
    /// not in use any more, a limit forbids it, or the host has no memory.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Ref) -> Result<Self> {
        let mut store = store.as_context_mut();
        store.inner_mut().keep_named(ValType::Ref(ty.element))?;
        let bits = element_bits(store.inner(), &ty, init)?;
        let id = limits::new_table(store.store(), &ty, bits)?;
        Ok(Self::from_id(store.inner(), id))
    }

    /// The type as declared.
    pub fn ty(&self, store: impl AsContext) -> TableType {
        self.type_in(store.as_context().inner())
    }

    /// An element; `None` when the index is out of bounds.
    ///
    /// # Panics
    /// When the table belongs to another store, or the system has no memory for a handle.
    pub fn get(&self, mut store: impl AsContextMut, index: u64) -> Option<Ref> {
        let store = store.as_context_mut();
        let ty = self.type_in(store.inner());
        let bits = self.ptr(store.inner()).get(index)?;
        Some(expect_handle(Ref::from_bits(store.inner(), ty.element, bits)))
    }

    /// Sets an element.
    ///
    /// # Errors
    /// When the index is out of bounds or the value does not have the element type.
    pub fn set(&self, mut store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        let store = store.as_context_mut();
        let bits = element_bits(store.inner(), &self.type_in(store.inner()), value)?;
        Ok(self.ptr(store.inner()).set(index, bits)?)
    }

    /// Number of elements.
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.ptr(store.as_context().inner()).len()
    }

    /// Grows by `delta` elements `init` and returns the size before.
    ///
    /// # Errors
    /// When a limit forbids it, the host has no memory, or `init` does not have the element type.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Ref) -> Result<u64> {
        let mut store = store.as_context_mut();
        let bits = element_bits(store.inner(), &self.type_in(store.inner()), init)?;
        let grown = limits::grow_table(store.store(), self.id, delta, bits)?;
        grown.ok_or_else(|| anyhow::anyhow!("failed to grow table by {delta} elements"))
    }

    /// Sets `len` elements from `dst` on.
    ///
    /// # Errors
    /// When the range is out of bounds or the value does not have the element type.
    pub fn fill(&self, mut store: impl AsContextMut, dst: u64, value: Ref, len: u64) -> Result<()> {
        let store = store.as_context_mut();
        let bits = element_bits(store.inner(), &self.type_in(store.inner()), value)?;
        Ok(self.ptr(store.inner()).fill(dst, bits, len)?)
    }

    /// Copies `len` elements between tables, which may be the same.
    ///
    /// # Errors
    /// When a range is out of bounds or the element types differ.
    pub fn copy(
        mut store: impl AsContextMut,
        dst_table: &Self,
        dst: u64,
        src_table: &Self,
        src: u64,
        len: u64,
    ) -> Result<()> {
        let store = store.as_context_mut();
        let inner = store.inner();
        let (to, from) = (dst_table.type_in(inner), src_table.type_in(inner));
        if to.element != from.element {
            let types = inner.engine().types();
            let (from, to) = (ValType::Ref(from.element), ValType::Ref(to.element));
            return Err(TypeMismatch::of_type(types, "the table copied from", from, to).into());
        }
        Ok(dst_table.ptr(inner).copy(dst, (src_table.ptr(inner), src), len)?)
    }

    pub(crate) fn from_id(store: &StoreInner, id: TableId) -> Self {
        Self { store: store.id(), id }
    }

    pub(crate) fn id(self, store: &StoreInner) -> TableId {
        store.check(self.store);
        self.id
    }

    pub(crate) fn type_in(self, store: &StoreInner) -> TableType {
        store.entities.table(self.id(store)).ty
    }

    pub(crate) fn ptr(self, store: &StoreInner) -> TablePtr {
        store.entities.table(self.id(store)).table.ptr()
    }
}

fn element_bits(store: &StoreInner, ty: &TableType, value: Ref) -> Result<u64> {
    if !value.matches(store, ty.element) {
        let expected = ValType::Ref(ty.element);
        return Err(TypeMismatch::of_value(store, "the element", &value.into(), expected).into());
    }
    Ok(value.to_bits(store))
}
