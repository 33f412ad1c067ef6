//! [`Tag`]: the identity and parameters of an exception.

use super::module::ImportType;
use super::store::{AsContext, AsContextMut};
use crate::Result;
use crate::canon::TypeEntry;
use crate::store::{StoreId, StoreInner};
use crate::vm::TagPtr;
use anyhow::bail;
use std::fmt;
use std::sync::Arc;
use upshift_abi::types::FuncType;

/// A tag in a store.
#[derive(Clone)]
pub struct Tag {
    store: StoreId,
    /// Its address is the tag's identity; the store keeps a clone.
    identity: Arc<TypeEntryOwner>,
}

/// What a tag's identity is the address of.
#[derive(Debug)]
pub(crate) struct TypeEntryOwner(TypeEntry);

/// Tags are equal when they are the same tag, whatever their parameters.
impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.identity, &other.identity)
    }
}

impl Eq for Tag {}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tag").field("ty", self.identity.0.ty()).finish_non_exhaustive()
    }
}

impl Tag {
    /// A new tag with the parameters of `ty`. [`Self::for_import`] makes one whose type is declared by a
    /// module.
    ///
    /// # Panics
    /// When the type names a concrete type that the store's engine does not have.
    #[track_caller]
    pub fn new(mut store: impl AsContextMut, ty: &FuncType) -> Self {
        let mut store = store.as_context_mut();
        let inner = store.inner_mut();
        match inner.engine().types().register(ty) {
            Ok(entry) => Self::from_entry(inner, entry),
            Err(error) => panic!("a function type of another engine: {error}"),
        }
    }

    /// A new tag of exactly the type that an import of a module has. Types of modules may be declared
    /// together with others, and are not the same then as a [`FuncType`] with the same parameters,
    /// which stands alone.
    ///
    /// # Errors
    /// When the import is no tag, or its module belongs to another engine than the store.
    pub fn for_import(mut store: impl AsContextMut, import: &ImportType<'_>) -> Result<Self> {
        let mut store = store.as_context_mut();
        let inner = store.inner_mut();
        let Some(entry) = import.tag_type_entry() else {
            bail!("import `{}::{}` is no tag", import.module(), import.name())
        };
        if !inner.engine().types().owns(entry) {
            bail!("the type belongs to another engine");
        }
        Ok(Self::from_entry(inner, entry.clone()))
    }

    /// The parameters.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        store.as_context().inner().check(self.store);
        self.identity.0.ty().clone()
    }

    pub(crate) fn from_entry(store: &mut StoreInner, entry: TypeEntry) -> Self {
        let identity = Arc::new(TypeEntryOwner(entry));
        let tag = Self { store: store.id(), identity };
        store.add_tag(tag.clone());
        tag
    }

    pub(crate) fn entry(&self, store: &StoreInner) -> &TypeEntry {
        store.check(self.store);
        &self.identity.0
    }

    pub(crate) fn ptr(&self, store: &StoreInner) -> TagPtr {
        store.check(self.store);
        TagPtr(Arc::as_ptr(&self.identity).addr())
    }
}
