//! [`EqRef`]: references that `ref.eq` compares.

use super::anyref::{AnyRef, I31, OwnedRef};
use super::arrayref::ArrayRef;
use super::store::AsContext;
use super::structref::StructRef;
use upshift_abi::types::HeapType;

/// A reference that `ref.eq` compares: a structure, an array or an [`I31`]. Valid as an [`AnyRef`] is.
///
/// ```
/// use upshift::{EqRef, Engine, I31, Store};
///
/// let store = Store::new(&Engine::default(), ());
/// let five = EqRef::from_i31(&store, I31::wrapping_i32(5));
/// assert_eq!(five.to_any_ref().as_eqref(), Some(five));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EqRef(AnyRef);

impl EqRef {
    /// An `i31`.
    pub fn from_i31(store: impl AsContext, value: I31) -> Self {
        Self(AnyRef::from_i31(store, value))
    }

    /// The `i31`, if it is one.
    #[must_use]
    pub const fn as_i31(&self) -> Option<I31> {
        self.0.as_i31()
    }

    /// The structure, if it is one.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn as_struct(&self, store: impl AsContext) -> Option<StructRef> {
        self.0.as_struct(store)
    }

    /// The array, if it is one.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn as_array(&self, store: impl AsContext) -> Option<ArrayRef> {
        self.0.as_array(store)
    }

    /// `ref.eq`: whether both are the same reference.
    ///
    /// # Panics
    /// When one of them belongs to another store, or its scope is over.
    pub fn ref_eq(store: impl AsContext, a: &Self, b: &Self) -> bool {
        AnyRef::ref_eq(store, &a.0, &b.0)
    }

    /// Whether it is a value of type `ty` of the store's engine.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn matches_ty(&self, store: impl AsContext, ty: HeapType) -> bool {
        self.0.matches_ty(store, ty)
    }

    /// The reference as one of any type.
    #[must_use]
    pub const fn to_any_ref(self) -> AnyRef {
        self.0
    }

    /// A form that lasts until it is dropped; [`OwnedRef::to_any_ref`] and [`AnyRef::as_eqref`] lead back.
    ///
    /// # Panics
    /// When the reference belongs to another store, its scope is over, or the system has no memory for
    /// a handle.
    pub fn to_owned_ref(&self, store: impl AsContext) -> OwnedRef {
        self.0.to_owned_ref(store)
    }

    /// Of what is known to be no value of the host.
    pub(crate) const fn from_any(any: AnyRef) -> Self {
        Self(any)
    }
}

impl From<StructRef> for EqRef {
    fn from(value: StructRef) -> Self {
        Self(value.to_any_ref())
    }
}

impl From<ArrayRef> for EqRef {
    fn from(value: ArrayRef) -> Self {
        Self(value.to_any_ref())
    }
}

impl From<EqRef> for AnyRef {
    fn from(value: EqRef) -> Self {
        value.0
    }
}
