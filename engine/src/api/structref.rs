//! [`StructRef`]: structures of the garbage-collected heap.

use super::anyref::{AnyRef, OwnedRef, with_heap, with_store};
use super::eqref::EqRef;
use super::object_type::StructType;
use super::store::{AsContext, AsContextMut};
use super::type_mismatch::TypeMismatch;
use super::val::{Val, low_u32};
use crate::Result;
use crate::canon::TypeEntry;
use crate::store::StoreInner;
use anyhow::{Context, bail};
use upshift_abi::layout::{Cell, ObjectLayout};
use upshift_abi::types::{FieldType, StorageType, ValType};

/// A reference to a structure; valid as an [`AnyRef`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StructRef(AnyRef);

impl StructRef {
    /// A new structure with the values of its fields.
    ///
    /// # Errors
    /// When the values do not fit the fields, the type belongs to another engine, or the heap is
    /// full.
    ///
    /// # Panics
    /// When a value belongs to another store.
    pub fn new(store: impl AsContextMut, ty: &StructType, fields: &[Val]) -> Result<Self> {
        with_heap(store, 0, |store| {
            let types = ty.fields();
            if types.len() != fields.len() {
                bail!("expected {} fields, got {}", types.len(), fields.len());
            }
            for (i, (field, ty)) in fields.iter().zip(types).enumerate() {
                check_field(store, *field, *ty, || format!("field {i}"))?;
            }
            let object = allocate(store, &ty.entry)?;
            // Values are read after the object was made: that may have moved what they refer to.
            for (field, &(cell, offset)) in fields.iter().zip(layout_of(&ty.entry)) {
                let value = field.to_slot(store);
                store.note_write(object);
                store.write_cell(cell, object + offset, value)?;
            }
            Ok(Self(AnyRef::from_object(store, object)?))
        })
    }

    /// The type.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn ty(&self, store: impl AsContext) -> StructType {
        StructType { entry: self.entry(store.as_context().inner()) }
    }

    /// The value of a field; packed integers are zero-extended.
    ///
    /// # Errors
    /// When there is no such field, or the system has no memory for a handle.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn field(&self, store: impl AsContextMut, index: usize) -> Result<Val> {
        with_store(store, |store| {
            let entry = self.entry(store);
            let (ty, cell, offset) = field_of(&entry, index)?;
            let slot = store.read_cell(cell, self.0.object(store) + offset);
            value_of(store, ty, slot)
        })
    }

    /// The values of all fields.
    ///
    /// # Panics
    /// When the reference belongs to another store, its scope is over, or the system has no memory for
    /// handles.
    pub fn fields(&self, mut store: impl AsContextMut) -> Vec<Val> {
        let count = self.ty(store.as_context_mut().as_context()).fields().len();
        let field = |i| self.field(store.as_context_mut(), i).expect("a field of the type");
        (0..count).map(field).collect()
    }

    /// Sets a field.
    ///
    /// # Errors
    /// When there is no such field, it may not be set, or the value does not fit it.
    ///
    /// # Panics
    /// When the reference or the value belongs to another store, or its scope is over.
    pub fn set_field(&self, store: impl AsContextMut, index: usize, value: Val) -> Result<()> {
        with_store(store, |store| {
            let entry = self.entry(store);
            let (ty, cell, offset) = field_of(&entry, index)?;
            if !ty.mutable {
                bail!("field {index} may not be set");
            }
            check_field(store, value, ty, || format!("the value of field {index}"))?;
            let (slot, object) = (value.to_slot(store), self.0.object(store));
            store.note_write(object);
            store.write_cell(cell, object + offset, slot)
        })
    }

    /// The reference as one of any type.
    #[must_use]
    pub const fn to_any_ref(self) -> AnyRef {
        self.0
    }

    /// The reference as one that `ref.eq` compares.
    #[must_use]
    pub const fn to_eq_ref(self) -> EqRef {
        EqRef::from_any(self.0)
    }

    /// A form that lasts until it is dropped; [`OwnedRef::to_any_ref`] and [`AnyRef::as_struct`] lead back.
    ///
    /// # Panics
    /// When the reference belongs to another store, its scope is over, or the system has no memory for
    /// a handle.
    pub fn to_owned_ref(&self, store: impl AsContext) -> OwnedRef {
        self.0.to_owned_ref(store)
    }

    /// Of what is known to be one.
    pub(crate) const fn from_any(any: AnyRef) -> Self {
        Self(any)
    }

    fn entry(&self, store: &StoreInner) -> TypeEntry {
        self.0.entry(store).expect("a structure")
    }
}

impl From<StructRef> for AnyRef {
    fn from(value: StructRef) -> Self {
        value.0
    }
}

fn layout_of(entry: &TypeEntry) -> &[(Cell, u32)] {
    match entry.layout() {
        ObjectLayout::Struct(layout) => &layout.fields,
        ObjectLayout::Array(_) | ObjectLayout::None => unreachable!("a structure type"),
    }
}

fn field_of(entry: &TypeEntry, index: usize) -> Result<(FieldType, Cell, u32)> {
    let ty = StructType { entry: entry.clone() };
    let fields = ty.fields();
    let field = fields.get(index);
    let field = *field.with_context(|| format!("field {index} of {}", fields.len()))?;
    let (cell, offset) = layout_of(entry)[index];
    Ok((field, cell, offset))
}

/// A structure of zeros.
fn allocate(store: &mut StoreInner, entry: &TypeEntry) -> Result<u32> {
    store.keep_type(entry)?;
    let ObjectLayout::Struct(layout) = entry.layout() else { unreachable!("a structure type") };
    let object = store.allocate(entry.id(), layout.size_bytes.into())?;
    store.heap_mut().memory_mut().fill(object + 8, 0, layout.size_bytes - 8);
    Ok(object)
}

/// Whether a field may hold a value.
pub(crate) fn check_field(
    store: &StoreInner,
    value: Val,
    ty: FieldType,
    what: impl FnOnce() -> String,
) -> Result<(), TypeMismatch> {
    let expected = match ty.storage {
        StorageType::I8 | StorageType::I16 => ValType::I32,
        StorageType::Val(ty) => ty,
    };
    value.check(store, expected, what)
}

/// The value that a field holds.
pub(crate) fn value_of(store: &StoreInner, ty: FieldType, slot: crate::store::Slot) -> Result<Val> {
    match ty.storage {
        StorageType::I8 | StorageType::I16 => Ok(Val::I32(low_u32(slot).cast_signed())),
        StorageType::Val(ty) => Ok(Val::from_slot(store, ty, slot)?),
    }
}
