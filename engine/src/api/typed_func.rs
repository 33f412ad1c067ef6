//! [`TypedFunc`]: calls without type checks.

use super::func::Func;
use super::store::AsContextMut;
use super::wasm_ty::{MAX_TUPLE, WasmParams, WasmResults};
use crate::Result;
use crate::store::Slot;
use crate::vm::Trampoline;
use std::fmt;
use std::marker::PhantomData;

/// A function whose type was checked to be that of `P` and `R`.
pub struct TypedFunc<P, R> {
    func: Func,
    trampoline: Trampoline,
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
    pub(crate) fn new(func: Func, trampoline: Trampoline) -> Self {
        Self { func, trampoline, types: PhantomData }
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
    /// [`WasmBacktrace`](crate::WasmBacktrace).
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
        crate::vm::enter(store.store(), self.trampoline, func, slots)
            .map_err(|exit| super::backtrace::exit_error(store.inner_mut(), exit))?;
        R::load(store.inner(), slots)
    }
}
