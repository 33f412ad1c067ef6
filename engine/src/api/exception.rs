//! [`ExnRef`] and [`Exception`]: exceptions as values, and as errors.
//!
//! A host function throws by returning an `Err` that holds an [`Exception`] ([`Store::throw`] makes
//! one), catches what the wasm code that it calls throws by looking for one in the error, and
//! rethrows by returning that error.

use super::store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
use super::tag::Tag;
use super::type_names::params_name;
use super::val::Val;
use crate::fallible::OutOfMemory;
use crate::store::roots::{OwnedRoot, RootIndex, expect_handle};
use crate::store::{Slot, StoreId, StoreInner};
use crate::vm::ExnPtr;
use crate::{Error, Result};
use anyhow::bail;
use std::fmt;
use std::sync::Arc;
use upshift_abi::types::ValType;

/// A reference to an exception in a store, valid in the scope it was obtained in: the host call, or
/// the innermost [`RootScope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExnRef {
    store: StoreId,
    root: RootIndex,
}

impl ExnRef {
    /// A new exception with a tag and the values of its parameters.
    ///
    /// # Errors
    /// When the values do not fit the tag, or the store has no room for the exception.
    ///
    /// # Panics
    /// When the tag or a value belongs to another store.
    pub fn new(mut store: impl AsContextMut, tag: &Tag, fields: &[Val]) -> Result<Self> {
        let mut store = store.as_context_mut();
        let inner = store.inner_mut();
        let ty = tag.entry(inner).ty().clone();
        if fields.len() != ty.params.len() {
            bail!("expected {} fields, got {}", ty.params.len(), fields.len());
        }
        for (i, (field, &expected)) in fields.iter().zip(&*ty.params).enumerate() {
            field.check(inner, expected, || format!("field {i}"))?;
        }
        let slots: Vec<Slot> = fields.iter().map(|field| field.to_slot(inner)).collect();
        let identity = tag.ptr(inner);
        let exn = inner.new_exception(|heap| heap.alloc(identity, slots.iter().copied()))?;
        Ok(Self::from_ptr(inner, exn)?)
    }

    /// The tag.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn tag(&self, store: impl AsContext) -> Tag {
        let store = store.as_context();
        let inner = store.inner();
        inner.exceptions.tag_of(self.ptr(inner)).clone()
    }

    /// The values it was thrown with.
    ///
    /// # Panics
    /// When the reference belongs to another store, its scope is over, or the system has no memory for
    /// handles.
    pub fn fields(&self, mut store: impl AsContextMut) -> Vec<Val> {
        let store = store.as_context_mut();
        let inner = store.inner();
        expect_handle(fields_of(inner, self.ptr(inner)))
    }

    /// One of the values.
    ///
    /// # Errors
    /// When it has no such field, or the system has no memory for a handle.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn field(&self, mut store: impl AsContextMut, index: usize) -> Result<Val> {
        let store = store.as_context_mut();
        let inner = store.inner();
        let exn = self.ptr(inner);
        let ty = inner.exceptions.tag_of(exn).entry(inner).ty();
        let Some(&field) = ty.params.get(index) else {
            bail!("field {index} of an exception with {}", ty.params.len())
        };
        Ok(Val::from_slot(inner, field, exn.field(index))?)
    }

    pub(crate) fn from_ptr(store: &StoreInner, exn: ExnPtr) -> Result<Self, OutOfMemory> {
        Ok(Self { store: store.id(), root: store.roots.add(exn.bits())? })
    }

    pub(crate) fn ptr(self, store: &StoreInner) -> ExnPtr {
        store.check(self.store);
        ExnPtr::from_bits(store.roots.get(self.root)).expect("a root of an exception")
    }

    pub(crate) fn to_bits(self, store: &StoreInner) -> u64 {
        self.ptr(store).bits()
    }

    pub(crate) fn from_bits(store: &StoreInner, bits: u64) -> Result<Option<Self>, OutOfMemory> {
        ExnPtr::from_bits(bits).map(|exn| Self::from_ptr(store, exn)).transpose()
    }
}

fn fields_of(store: &StoreInner, exn: ExnPtr) -> Result<Vec<Val>, OutOfMemory> {
    let ty = store.exceptions.tag_of(exn).entry(store).ty();
    let fields = ty.params.iter().enumerate();
    fields.map(|(i, &ty)| Val::from_slot(store, ty, exn.field(i))).collect()
}

/// An exception as an error: thrown by wasm code that no wasm code caught, or by a host function.
///
/// `error.downcast_ref::<Exception>()` finds it. It keeps the exception as long as it lives.
#[derive(Clone)]
pub struct Exception {
    root: OwnedRoot,
    message: Arc<str>,
}

impl Exception {
    pub(crate) fn new(store: &mut StoreInner, exn: ExnPtr) -> Result<Self, OutOfMemory> {
        let message = message(store, exn).into();
        let id = store.id();
        Ok(Self { root: store.roots.own(id, exn.bits())?, message })
    }

    /// The exception that an error carries, if it belongs to this store.
    pub(crate) fn in_error(store: &StoreInner, error: &Error) -> Option<ExnPtr> {
        let found = error.downcast_ref::<Self>()?;
        if found.root.store == store.id() { ExnPtr::from_bits(found.root.bits()) } else { None }
    }

    /// A reference to the exception.
    ///
    /// # Panics
    /// When it belongs to another store, or the system has no memory for a handle.
    pub fn exn_ref(&self, mut store: impl AsContextMut) -> ExnRef {
        let store = store.as_context_mut();
        expect_handle(ExnRef::from_ptr(store.inner(), self.ptr(store.inner())))
    }

    /// The tag.
    ///
    /// # Panics
    /// When it belongs to another store.
    pub fn tag(&self, store: impl AsContext) -> Tag {
        let store = store.as_context();
        store.inner().exceptions.tag_of(self.ptr(store.inner())).clone()
    }

    /// The values it was thrown with.
    ///
    /// # Panics
    /// When it belongs to another store, or the system has no memory for handles.
    pub fn fields(&self, mut store: impl AsContextMut) -> Vec<Val> {
        let store = store.as_context_mut();
        expect_handle(fields_of(store.inner(), self.ptr(store.inner())))
    }

    fn ptr(&self, store: &StoreInner) -> ExnPtr {
        store.check(self.root.store);
        ExnPtr::from_bits(self.root.bits()).expect("a root of an exception")
    }
}

/// What is known of an exception: ``uncaught exception with the tag `error` of (i32 externref): 5, _``.
fn message(store: &StoreInner, exn: ExnPtr) -> String {
    let params = &store.exceptions.tag_of(exn).entry(store).ty().params;
    let mut text = String::from("uncaught exception with ");
    match store.exceptions.tag_name_of(exn) {
        // Whatever a module calls it, it is seen and short.
        Some(name) => {
            let name: String = name.chars().flat_map(char::escape_debug).collect();
            text.push_str(&format!("the tag `{name}` of "));
        }
        None => text.push_str("a tag of "),
    }
    text.push_str(&params_name(store.engine().types(), params));
    if params.iter().all(|ty| matches!(ty, ValType::Ref(_))) {
        return text;
    }
    for (i, &ty) in params.iter().enumerate() {
        text.push_str(if i == 0 { ": " } else { ", " });
        if i == MOST_FIELDS {
            text.push_str("...");
            break;
        }
        text.push_str(&field_text(ty, exn.field(i)));
    }
    text
}

/// Fields that a message shows.
const MOST_FIELDS: usize = 16;

/// A field for people: numbers as signed ones, references not at all.
fn field_text(ty: ValType, [low, high]: Slot) -> String {
    let bits = u32::try_from(low & u64::from(u32::MAX)).unwrap_or(0);
    match ty {
        ValType::I32 => bits.cast_signed().to_string(),
        ValType::I64 => low.cast_signed().to_string(),
        ValType::F32 => f32::from_bits(bits).to_string(),
        ValType::F64 => f64::from_bits(low).to_string(),
        ValType::V128 => format!("{:#034x}", u128::from(high) << 64 | u128::from(low)),
        ValType::Ref(_) => "_".to_owned(),
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exception").field("message", &self.message).finish_non_exhaustive()
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exception {}

/// Makes the error that throws an exception.
fn thrown<R>(store: &mut StoreInner, exn: ExnRef) -> Result<R> {
    let exn = exn.ptr(store);
    Err(Error::new(Exception::new(store, exn)?))
}

impl<T: 'static> Store<T> {
    /// The error that throws an exception when a host function returns it.
    ///
    /// # Errors
    /// Always: an error with an [`Exception`].
    ///
    /// # Panics
    /// When the exception belongs to another store, or its scope is over.
    pub fn throw<R>(&mut self, exn: ExnRef) -> Result<R> {
        thrown(self.as_context_mut().inner_mut(), exn)
    }

    /// The number of exceptions in the store's memory, those included that are not in use but not
    /// found to be so yet.
    pub fn exception_count(&self) -> usize {
        self.as_context().inner().exception_count()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// As [`Store::throw`].
    ///
    /// # Errors
    /// Always: an error with an [`Exception`].
    ///
    /// # Panics
    /// When the exception belongs to another store, or its scope is over.
    pub fn throw<R>(&mut self, exn: ExnRef) -> Result<R> {
        thrown(self.inner_mut(), exn)
    }
}

impl<T: 'static> super::caller::Caller<'_, T> {
    /// As [`Store::throw`]: `return caller.throw(exn)`.
    ///
    /// # Errors
    /// Always: an error with an [`Exception`].
    ///
    /// # Panics
    /// When the exception belongs to another store, or its scope is over.
    pub fn throw<R>(&mut self, exn: ExnRef) -> Result<R> {
        thrown(self.context_mut().inner_mut(), exn)
    }
}

/// A scope for references to objects and exceptions: those obtained from the store within it end
/// with it.
pub struct RootScope<C: AsContextMut> {
    store: C,
    outer: usize,
}

impl<C: AsContextMut> RootScope<C> {
    /// Opens a scope.
    pub fn new(mut store: C) -> Self {
        let outer = store.as_context_mut().inner_mut().roots.open_scope();
        Self { store, outer }
    }
}

impl<C: AsContextMut> fmt::Debug for RootScope<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootScope").field("outer", &self.outer).finish_non_exhaustive()
    }
}

impl<C: AsContextMut> Drop for RootScope<C> {
    fn drop(&mut self) {
        self.store.as_context_mut().inner_mut().roots.close_scope(self.outer);
    }
}

impl<C: AsContextMut> AsContext for RootScope<C> {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        self.store.as_context()
    }
}

impl<C: AsContextMut> AsContextMut for RootScope<C> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        self.store.as_context_mut()
    }
}
