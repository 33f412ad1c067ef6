//! [`TypedFunc`]: calls without type checks, as far as Rust types prove that none are needed.
//!
//! What is given must be of a subtype of what the function takes, and what it gives of a subtype of
//! what is taken. Rust has no type for a type that a module defines, `(ref $t)`: an argument for one
//! may have any Rust type above it, and is checked at each call.

use super::func::Func;
use super::store::AsContextMut;
use super::type_mismatch::TypeMismatch;
use super::type_names::func_type_name;
use super::val::{Ref, Val};
use super::wasm_ty::{MAX_TUPLE, WasmParams, WasmResults};
use crate::Result;
use crate::canon::{TypeEntry, TypeRegistry};
use crate::store::{Slot, StoreInner};
use crate::vm::Trampoline;
use anyhow::{Context, ensure};
use smallvec::SmallVec;
use std::fmt;
use std::marker::PhantomData;
use upshift_abi::types::{HeapType, RefType, ValType};

/// A function whose type was checked to be that of `P` and `R`.
pub struct TypedFunc<P, R> {
    func: Func,
    trampoline: Trampoline,
    /// Bit by bit, which arguments are checked at each call.
    unproven: u16,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P, R> fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}

/// Calls with at most this many slots use a small buffer.
const FEW_SLOTS: usize = 4;

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// A function whose type `entry` is.
    ///
    /// # Errors
    /// When it is not that of `P` and `R`.
    pub(crate) fn new(types: &TypeRegistry, func: Func, entry: &TypeEntry) -> Result<Self> {
        let ty = entry.ty();
        let unproven = unproven_params::<P>(types, &ty.params)
            .and_then(|unproven| check_results::<R>(types, &ty.results).map(|()| unproven))
            .with_context(|| {
                format!("type mismatch: the function has type {}", func_type_name(types, ty))
            })?;
        Ok(Self { func, trampoline: entry.trampoline(), unproven, types: PhantomData })
    }

    /// The function.
    #[must_use]
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls the function.
    ///
    /// # Errors
    /// A [`Trap`](crate::Trap) or the error of a host function, with a
    /// [`WasmBacktrace`](crate::WasmBacktrace). A [`TypeMismatch`] when the function takes a reference of
    /// a defined type, such as `(ref $t)`, and the argument is none.
    ///
    /// # Panics
    /// When the function or an argument belongs to another store, or the scope of an argument is over.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R> {
        if P::COUNT <= FEW_SLOTS && R::COUNT <= FEW_SLOTS {
            self.call_with(store, params, &mut [[0; 2]; FEW_SLOTS])
        } else {
            self.call_with(&mut store, params, &mut [[0; 2]; MAX_TUPLE])
        }
    }

    #[inline]
    fn call_with(&self, mut store: impl AsContextMut, params: P, slots: &mut [Slot]) -> Result<R> {
        let mut store = store.as_context_mut();
        let func = self.func.ptr(store.inner());
        params.store(store.inner(), slots);
        if self.unproven != 0 {
            self.check_params(store.inner(), slots)?;
        }
        crate::vm::enter(store.store(), self.trampoline, func, slots)
            .map_err(|exit| super::backtrace::exit_error(store.inner_mut(), exit))?;
        R::load(store.inner(), slots)
    }

    /// Checks the arguments whose Rust types do not prove that they fit.
    #[inline(never)]
    fn check_params(&self, store: &StoreInner, slots: &[Slot]) -> Result<()> {
        let entry = self.func.entry(store);
        for (i, (&ty, &slot)) in entry.ty().params.iter().zip(slots).enumerate() {
            if let ValType::Ref(expected) = ty
                && self.unproven & 1 << i != 0
                && !Ref::bits_match(store, expected, slot[0])
            {
                let value = Val::from_slot(store, ty, slot)?;
                return Err(
                    TypeMismatch::of_value(store, format!("argument {i}"), &value, ty).into()
                );
            }
        }
        Ok(())
    }
}

type Types = SmallVec<[ValType; 4]>;

fn types_of<P: WasmParams>() -> Types {
    let mut types = Types::with_capacity(P::COUNT);
    P::for_each_type(&mut |ty| types.push(ty));
    types
}

/// Which parameters have to be checked at each call, as [`TypedFunc::unproven`].
fn unproven_params<P: WasmParams>(types: &TypeRegistry, declared: &[ValType]) -> Result<u16> {
    const { assert!(P::COUNT <= u16::BITS as usize) };
    let given = types_of::<P>();
    let (expected, found) = (given.len(), declared.len());
    ensure!(expected == found, "expected {expected} parameters, found {found}");
    let mut unproven = 0;
    for (i, (&given, &declared)) in given.iter().zip(declared).enumerate() {
        if types.is_subtype(given, declared) {
            continue;
        }
        if !may_fit(types, given, declared) {
            return Err(
                TypeMismatch::of_type(types, format!("parameter {i}"), declared, given).into()
            );
        }
        unproven |= 1 << i;
    }
    Ok(unproven)
}

fn check_results<R: WasmParams>(types: &TypeRegistry, declared: &[ValType]) -> Result<()> {
    let taken = types_of::<R>();
    let (expected, found) = (taken.len(), declared.len());
    ensure!(expected == found, "expected {expected} results, found {found}");
    for (i, (&taken, &declared)) in taken.iter().zip(declared).enumerate() {
        if !types.is_subtype(declared, taken) {
            return Err(TypeMismatch::of_type(types, format!("result {i}"), declared, taken).into());
        }
    }
    Ok(())
}

/// Whether a value of type `given` may be one of a defined type, which Rust has no name for.
fn may_fit(types: &TypeRegistry, given: ValType, declared: ValType) -> bool {
    match (given, declared) {
        (ValType::Ref(given), ValType::Ref(declared)) => {
            let not_null = RefType { nullable: false, ..declared };
            matches!(declared.heap, HeapType::Concrete(_)) && types.is_ref_subtype(not_null, given)
        }
        _ => false,
    }
}
