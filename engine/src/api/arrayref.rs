//! [`ArrayRef`]: arrays of the garbage-collected heap.

use super::anyref::{AnyRef, OwnedRef, with_heap, with_store};
use super::eqref::EqRef;
use super::object_type::ArrayType;
use super::store::{AsContext, AsContextMut};
use super::structref::{check_field, value_of};
use super::val::Val;
use crate::Result;
use crate::builtin::object::new_array;
use crate::fallible;
use crate::gc::access::{element_place, length_of};
use crate::store::StoreInner;
use anyhow::{Context, bail};

/// A reference to an array; valid as an [`AnyRef`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArrayRef(AnyRef);

impl ArrayRef {
    /// A new array of `length` elements that are all the same.
    ///
    /// # Errors
    /// When the value does not fit the elements, the type belongs to another engine, or the heap is
    /// full.
    ///
    /// # Panics
    /// When the value belongs to another store.
    pub fn new(
        store: impl AsContextMut,
        ty: &ArrayType,
        element: Val,
        length: u32,
    ) -> Result<Self> {
        make(store, ty, length, &[element])
    }

    /// A new array of these elements.
    ///
    /// # Errors
    /// When a value does not fit the elements, the type belongs to another engine, or the heap is
    /// full.
    ///
    /// # Panics
    /// When a value belongs to another store.
    pub fn new_fixed(store: impl AsContextMut, ty: &ArrayType, elements: &[Val]) -> Result<Self> {
        let length = u32::try_from(elements.len()).context("too many elements")?;
        make(store, ty, length, elements)
    }

    /// The type.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn ty(&self, store: impl AsContext) -> ArrayType {
        self.ty_in(store.as_context().inner())
    }

    /// The number of elements.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn len(&self, store: impl AsContext) -> u32 {
        let store = store.as_context();
        length_of(store.inner().heap().memory(), self.0.object(store.inner()))
    }

    /// An element; packed integers are zero-extended.
    ///
    /// # Errors
    /// When there is no such element, or the system has no memory for a handle.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn get(&self, store: impl AsContextMut, index: u32) -> Result<Val> {
        with_store(store, |store| {
            let (ty, place) = self.place(store, index)?;
            let slot = store.read_cell(ty.layout().element, place);
            value_of(store, ty.element(), slot)
        })
    }

    /// All elements.
    ///
    /// # Errors
    /// When the system has no memory for so many values.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn elements(&self, store: impl AsContextMut) -> Result<Vec<Val>> {
        with_store(store, |store| {
            let (ty, object) = (self.ty_in(store), self.0.object(store));
            let length = length_of(store.heap().memory(), object);
            let mut values = Vec::new();
            fallible::reserve(&mut values, length as usize)?;
            for i in 0..length {
                let slot =
                    store.read_cell(ty.layout().element, element_place(ty.layout(), object, i));
                values.push(value_of(store, ty.element(), slot)?);
            }
            Ok(values)
        })
    }

    /// Sets an element.
    ///
    /// # Errors
    /// When there is no such element, it may not be set, or the value does not fit.
    ///
    /// # Panics
    /// When the reference or the value belongs to another store, or its scope is over.
    pub fn set(&self, store: impl AsContextMut, index: u32, value: Val) -> Result<()> {
        with_store(store, |store| {
            let (ty, place) = self.place(store, index)?;
            if !ty.element().mutable {
                bail!("elements of the array may not be set");
            }
            check_field(store, value, ty.element(), || format!("the value of element {index}"))?;
            let (slot, object) = (value.to_slot(store), self.0.object(store));
            store.note_write_elements(object, (index, 1));
            store.write_cell(ty.layout().element, place, slot)
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

    /// A form that lasts until it is dropped; [`OwnedRef::to_any_ref`] and [`AnyRef::as_array`] lead back.
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

    fn ty_in(&self, store: &StoreInner) -> ArrayType {
        ArrayType { entry: self.0.entry(store).expect("an array") }
    }

    /// The type, and where an element is.
    fn place(&self, store: &StoreInner, index: u32) -> Result<(ArrayType, u32)> {
        let (ty, object) = (self.ty_in(store), self.0.object(store));
        let length = length_of(store.heap().memory(), object);
        if index >= length {
            bail!("element {index} of an array of {length}");
        }
        let place = element_place(ty.layout(), object, index);
        Ok((ty, place))
    }
}

impl From<ArrayRef> for AnyRef {
    fn from(value: ArrayRef) -> Self {
        value.0
    }
}

/// An array of these elements, the last of which is repeated.
fn make(
    store: impl AsContextMut,
    ty: &ArrayType,
    length: u32,
    elements: &[Val],
) -> Result<ArrayRef> {
    with_heap(store, ty.layout().size_bytes(length), |store| {
        for (i, &element) in elements.iter().enumerate() {
            check_field(store, element, ty.element(), || format!("element {i}"))?;
        }
        store.keep_type(&ty.entry)?;
        let layout = ty.layout();
        let array = new_array(store, ty.entry.id(), layout, length)?;
        // Values are read after the array was made: that may have moved what they refer to.
        for i in 0..length {
            let value = elements[(i as usize).min(elements.len() - 1)].to_slot(store);
            store.note_write_elements(array, (i, 1));
            store.write_cell(layout.element, element_place(layout, array, i), value)?;
        }
        Ok(ArrayRef(AnyRef::from_object(store, array)?))
    })
}
