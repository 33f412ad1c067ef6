//! [`AnyRef`]: references of the internal hierarchy, and [`I31`].

use super::arrayref::ArrayRef;
use super::eqref::EqRef;
use super::externref::ExternRef;
use super::store::{AsContext, AsContextMut};
use super::structref::StructRef;
use crate::Result;
use crate::canon::{TypeEntry, names_objects};
use crate::fallible::OutOfMemory;
use crate::gc::access::{Reference, type_of};
use crate::instantiate::limits;
use crate::store::roots::{OwnedRoot, RootIndex, expect_handle};
use crate::store::{StoreId, StoreInner};
use std::fmt;
use upshift_abi::types::{CompositeType, HeapType, RefType};

/// An unboxed 31-bit integer, the value of an `i31ref`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct I31(i32);

impl I31 {
    /// The value, if it fits 31 bits with a sign.
    #[must_use]
    pub const fn new_i32(value: i32) -> Option<Self> {
        if value << 1 >> 1 == value { Some(Self(value)) } else { None }
    }

    /// The value, if it fits 31 bits without a sign.
    #[must_use]
    pub const fn new_u32(value: u32) -> Option<Self> {
        if value >> 31 == 0 { Some(Self::wrapping_u32(value)) } else { None }
    }

    /// The low 31 bits.
    #[must_use]
    pub const fn wrapping_i32(value: i32) -> Self {
        Self(value << 1 >> 1)
    }

    /// The low 31 bits.
    #[must_use]
    pub const fn wrapping_u32(value: u32) -> Self {
        Self::wrapping_i32(value.cast_signed())
    }

    /// The value, sign-extended.
    #[must_use]
    pub const fn get_i32(self) -> i32 {
        self.0
    }

    /// The value of bits that are known to be an `i31` or null.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        let bits = u32::try_from(bits).expect("references have 32 bits");
        match Reference::from_bits(bits) {
            Reference::Null => None,
            Reference::I31(value) => Some(Self::wrapping_i32(value)),
            Reference::Object(_) | Reference::Host(_) => unreachable!("no i31"),
        }
    }

    /// The value, zero-extended.
    #[must_use]
    pub const fn get_u32(self) -> u32 {
        self.0.cast_unsigned() & (u32::MAX >> 1)
    }
}

impl fmt::Display for I31 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a handle of the API stands for: a collection moves objects, and drops values of the host, so
/// these are roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rooted {
    /// A value of the host.
    Host(RootIndex),
    /// An `i31`.
    I31(I31),
    /// An object.
    Object(RootIndex),
}

impl Rooted {
    /// What these bits of a reference stand for; `None` for null.
    pub(crate) fn from_bits(store: &StoreInner, bits: u64) -> Result<Option<Self>, OutOfMemory> {
        let bits = u32::try_from(bits).expect("references have 32 bits");
        Ok(Some(match Reference::from_bits(bits) {
            Reference::Null => return Ok(None),
            Reference::Object(offset) => Self::Object(store.roots.add(offset.into())?),
            Reference::I31(value) => Self::I31(I31::wrapping_i32(value)),
            Reference::Host(_) => Self::Host(store.roots.add(bits.into())?),
        }))
    }

    /// The reference.
    ///
    /// # Panics
    /// When its scope is over.
    #[track_caller]
    pub(crate) fn reference(self, store: &StoreInner) -> Reference {
        match self {
            Self::I31(value) => Reference::I31(value.get_i32()),
            Self::Host(root) | Self::Object(root) => {
                let bits = store.roots.get(root);
                Reference::from_bits(u32::try_from(bits).expect("references have 32 bits"))
            }
        }
    }
}

/// A reference of the `any` hierarchy that is not null: a structure, an array, an [`I31`], or a
/// host value that was converted.
///
/// It is valid in the scope it was obtained in: the host call, or the innermost
/// [`RootScope`](crate::RootScope). [`OwnedRef`] outlives scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnyRef {
    store: StoreId,
    value: Rooted,
}

impl AnyRef {
    /// An `i31`.
    pub fn from_i31(store: impl AsContext, value: I31) -> Self {
        Self { store: store.as_context().inner().id(), value: Rooted::I31(value) }
    }

    /// `any.convert_extern`
    ///
    /// # Panics
    /// When the reference belongs to another store.
    pub fn convert_extern(store: impl AsContext, value: ExternRef) -> Self {
        let (id, value) = value.parts();
        store.as_context().inner().check(id);
        Self { store: id, value }
    }

    /// The `i31`, if it is one.
    #[must_use]
    pub const fn as_i31(&self) -> Option<I31> {
        match self.value {
            Rooted::I31(value) => Some(value),
            Rooted::Host(_) | Rooted::Object(_) => None,
        }
    }

    /// The structure, if it is one.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn as_struct(&self, store: impl AsContext) -> Option<StructRef> {
        let entry = self.entry(store.as_context().inner())?;
        matches!(entry.composite(), CompositeType::Struct(_)).then(|| StructRef::from_any(*self))
    }

    /// The array, if it is one.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn as_array(&self, store: impl AsContext) -> Option<ArrayRef> {
        let entry = self.entry(store.as_context().inner())?;
        matches!(entry.composite(), CompositeType::Array(_)).then(|| ArrayRef::from_any(*self))
    }

    /// Whether `ref.eq` may compare it: whether it is no value of the host.
    #[must_use]
    pub const fn is_eqref(&self) -> bool {
        !matches!(self.value, Rooted::Host(_))
    }

    /// The reference as one that `ref.eq` compares, if it is no value of the host.
    #[must_use]
    pub const fn as_eqref(&self) -> Option<EqRef> {
        if self.is_eqref() { Some(EqRef::from_any(*self)) } else { None }
    }

    /// Whether both are the same reference.
    ///
    /// # Panics
    /// When one of them belongs to another store, or its scope is over.
    pub fn ref_eq(store: impl AsContext, a: &Self, b: &Self) -> bool {
        let store = store.as_context();
        a.reference(store.inner()) == b.reference(store.inner())
    }

    /// A form that lasts until it is dropped.
    ///
    /// # Panics
    /// When the reference belongs to another store, its scope is over, or the system has no memory for
    /// a handle.
    pub fn to_owned_ref(&self, store: impl AsContext) -> OwnedRef {
        let store = store.as_context();
        let inner = store.inner();
        let bits = self.reference(inner).bits();
        OwnedRef { root: expect_handle(inner.roots.own(inner.id(), bits.into())) }
    }

    /// Whether it is a value of type `ty` of the store's engine.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn matches_ty(&self, store: impl AsContext, ty: HeapType) -> bool {
        self.matches(store.as_context().inner(), ty)
    }

    pub(crate) fn matches(&self, store: &StoreInner, ty: HeapType) -> bool {
        reference_matches(store, self.reference(store), ty)
    }

    /// The type of the object, if it is one.
    pub(crate) fn entry(&self, store: &StoreInner) -> Option<TypeEntry> {
        match self.reference(store) {
            Reference::Object(object) => Some(entry_of(store, object)),
            Reference::Null | Reference::I31(_) | Reference::Host(_) => None,
        }
    }

    #[track_caller]
    pub(crate) fn reference(&self, store: &StoreInner) -> Reference {
        store.check(self.store);
        self.value.reference(store)
    }

    /// The offset of the object that it is known to be.
    #[track_caller]
    pub(crate) fn object(&self, store: &StoreInner) -> u32 {
        match self.reference(store) {
            Reference::Object(object) => object,
            Reference::Null | Reference::I31(_) | Reference::Host(_) => panic!("an object"),
        }
    }

    pub(crate) const fn parts(self) -> (StoreId, Rooted) {
        (self.store, self.value)
    }

    pub(crate) fn from_object(store: &StoreInner, object: u32) -> Result<Self, OutOfMemory> {
        let value = Rooted::Object(store.roots.add(object.into())?);
        Ok(Self { store: store.id(), value })
    }

    pub(crate) fn to_bits(self, store: &StoreInner) -> u64 {
        self.reference(store).bits().into()
    }

    pub(crate) fn from_bits(store: &StoreInner, bits: u64) -> Result<Option<Self>, OutOfMemory> {
        let value = Rooted::from_bits(store, bits)?;
        Ok(value.map(|value| Self { store: store.id(), value }))
    }
}

/// A reference of the `any` hierarchy that keeps what it refers to until it is dropped.
#[derive(Clone, Debug)]
pub struct OwnedRef {
    root: OwnedRoot,
}

impl OwnedRef {
    /// The reference, for the present scope.
    ///
    /// # Panics
    /// When it belongs to another store, or the system has no memory for a handle.
    pub fn to_any_ref(&self, store: impl AsContext) -> AnyRef {
        let store = store.as_context();
        store.inner().check(self.root.store);
        let any = AnyRef::from_bits(store.inner(), self.root.bits());
        expect_handle(any).expect("owned references are not null")
    }
}

impl ExternRef {
    /// `extern.convert_any`
    ///
    /// # Panics
    /// When the reference belongs to another store.
    pub fn convert_any(store: impl AsContext, value: AnyRef) -> Self {
        let (id, value) = value.parts();
        store.as_context().inner().check(id);
        Self::from_parts(id, value)
    }
}

/// The type of an object.
fn entry_of(store: &StoreInner, object: u32) -> TypeEntry {
    store.engine().types().get(type_of(store.heap().memory(), object))
}

/// Whether a reference of the `any` hierarchy that is not null is a value of type `ty`.
pub(crate) fn reference_matches(store: &StoreInner, reference: Reference, ty: HeapType) -> bool {
    let Reference::Object(object) = reference else {
        let is_i31 = matches!(reference, Reference::I31(_));
        return ty == HeapType::Any || is_i31 && matches!(ty, HeapType::Eq | HeapType::I31);
    };
    match ty {
        HeapType::Any | HeapType::Eq => true,
        HeapType::Struct => {
            matches!(entry_of(store, object).composite(), CompositeType::Struct(_))
        }
        HeapType::Array => matches!(entry_of(store, object).composite(), CompositeType::Array(_)),
        HeapType::Concrete(name) => store.engine().types().is_below(&entry_of(store, object), name),
        _ => false,
    }
}

/// The nullable type at the top of a heap type's hierarchy.
pub(crate) fn top_of(store: &StoreInner, heap: HeapType) -> RefType {
    let heap = match heap {
        HeapType::Concrete(name) if names_objects(name) => HeapType::Any,
        HeapType::Concrete(name) => match store.engine().types().get_named(name).composite() {
            CompositeType::Func(_) => HeapType::Func,
            CompositeType::Struct(_) | CompositeType::Array(_) => HeapType::Any,
            CompositeType::Cont(_) => HeapType::Cont,
        },
        HeapType::Func | HeapType::NoFunc => HeapType::Func,
        HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
        HeapType::Exn | HeapType::NoExn => HeapType::Exn,
        HeapType::Cont | HeapType::NoCont => HeapType::Cont,
        HeapType::Any
        | HeapType::Eq
        | HeapType::I31
        | HeapType::Struct
        | HeapType::Array
        | HeapType::None => HeapType::Any,
    };
    RefType { nullable: true, heap }
}

/// Runs `make`, which may collect, in a store that may be borrowed mutably.
pub(crate) fn with_store<S: AsContextMut, R>(
    mut store: S,
    make: impl FnOnce(&mut StoreInner) -> Result<R>,
) -> Result<R> {
    make(store.as_context_mut().inner_mut())
}

/// The same of what makes an object of `bytes`.
pub(crate) fn with_heap<S: AsContextMut, R>(
    mut store: S,
    bytes: u64,
    make: impl FnOnce(&mut StoreInner) -> Result<R>,
) -> Result<R> {
    let mut store = store.as_context_mut();
    store.inner_mut().ensure_heap()?;
    if store.store().limiter.is_some() {
        limits::grow_heap(store.store(), bytes)?;
    }
    make(store.inner_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i31_keeps_31_bits() {
        assert_eq!(I31::new_i32(-0x4000_0000).map(I31::get_i32), Some(-0x4000_0000));
        assert_eq!(I31::new_i32(0x4000_0000), None);
        assert_eq!(I31::new_u32(0x7fff_ffff).map(I31::get_i32), Some(-1));
        assert_eq!(I31::new_u32(1 << 31), None);
        assert_eq!(I31::wrapping_u32(0xffff_ffff).get_u32(), 0x7fff_ffff);
    }
}
