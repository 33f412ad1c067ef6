//! [`Func`]: a function of an instance or of the host.

use super::caller::Caller;
use super::into_func::IntoFunc;
use super::module::ImportType;
use super::store::{AsContext, AsContextMut};
use super::typed_func::TypedFunc;
use super::val::Val;
use super::wasm_ty::{WasmParams, WasmResults};
use crate::Result;
use crate::canon::TypeEntry;
use crate::store::host_func::{HostFunc, HostFuncParts};
use crate::store::{AnyStore, Slot, StoreId, StoreInner};
use crate::vm::FuncPtr;
use anyhow::bail;
use smallvec::{SmallVec, smallvec};
use upshift_abi::index::FuncIndex;
use upshift_abi::types::FuncType;

/// A function in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Func {
    store: StoreId,
    ptr: FuncPtr,
}

impl Func {
    /// A host function whose type is known at run time only.
    ///
    /// # Panics
    /// When the type names a concrete type that the store's engine does not have.
    #[track_caller]
    pub fn new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let parts = untyped_parts(ty, body);
        Self::from_parts(store.as_context_mut().inner_mut(), parts)
    }

    /// A host function of exactly the type that an import of a module has. Types of modules may be
    /// declared together with others, or above or below others, and are not the same then as a
    /// [`FuncType`] with the same parameters and results, which stands alone.
    ///
    /// # Errors
    /// When the import is no function, or its module belongs to another engine than the store.
    pub fn for_import<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        import: &ImportType<'_>,
        body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut store = store.as_context_mut();
        let inner = store.inner_mut();
        let func = import_parts(import, body)?.register(inner.engine().types())?;
        Ok(Self::from_host(inner, func))
    }

    /// A host function from a closure, whose type is that of the closure.
    pub fn wrap<T: 'static, Params, Results>(
        mut store: impl AsContextMut<Data = T>,
        closure: impl IntoFunc<T, Params, Results>,
    ) -> Self {
        Self::from_parts(store.as_context_mut().inner_mut(), closure.into_parts())
    }

    #[track_caller]
    fn from_parts(store: &mut StoreInner, parts: HostFuncParts) -> Self {
        match parts.register(store.engine().types()) {
            Ok(func) => Self::from_host(store, func),
            Err(error) => panic!("a function type of another engine: {error}"),
        }
    }

    /// The type.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context();
        self.entry(store.inner()).ty().clone()
    }

    /// Calls the function.
    ///
    /// # Errors
    /// When arguments or the number of results do not fit the type; a [`Trap`](crate::Trap) or
    /// the error of a host function, with a [`WasmBacktrace`](crate::WasmBacktrace).
    pub fn call(
        &self,
        mut store: impl AsContextMut,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let mut store = store.as_context_mut();
        let entry = self.entry(store.inner());
        let ty = entry.ty();
        if params.len() != ty.params.len() {
            bail!("expected {} arguments, got {}", ty.params.len(), params.len());
        }
        if results.len() != ty.results.len() {
            bail!("expected {} results, got {}", ty.results.len(), results.len());
        }
        let mut slots: SmallVec<[Slot; 8]> = smallvec![[0; 2]; entry.slot_count()];
        for (i, (param, &expected)) in params.iter().zip(&*ty.params).enumerate() {
            param.check(store.inner(), expected, || format!("argument {i}"))?;
            slots[i] = param.to_slot(store.inner());
        }
        call_raw(store.store(), self.ptr, &entry, &mut slots)?;
        for ((result, &ty), &slot) in results.iter_mut().zip(&*ty.results).zip(&slots) {
            *result = Val::from_slot(store.inner(), ty, slot)?;
        }
        Ok(())
    }

    /// The function with its types checked once, for fast calls. Arguments may have subtypes of what the
    /// function takes, and results supertypes of what it gives: one that gives `(ref null $t)`, a
    /// structure, is one to `Option<StructRef>` or `Option<AnyRef>`. Where it takes `(ref $t)`, a
    /// [`StructRef`](crate::StructRef) is checked at each call.
    ///
    /// # Errors
    /// When the function has another type; a [`TypeMismatch`](crate::TypeMismatch) says which parameter
    /// or result differs.
    ///
    /// # Panics
    /// When the function belongs to another store.
    pub fn typed<P: WasmParams, R: WasmResults>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<P, R>> {
        let store = store.as_context();
        let entry = self.entry(store.inner());
        TypedFunc::new(store.inner().engine().types(), *self, &entry)
    }

    pub(crate) fn from_ptr(store: &StoreInner, ptr: FuncPtr) -> Self {
        Self { store: store.id(), ptr }
    }

    /// A host function, kept by the store from now on.
    pub(crate) fn from_host(store: &mut StoreInner, func: HostFunc) -> Self {
        let ptr = func.ptr();
        store.entities.keep_host_func(func);
        Self::from_ptr(store, ptr)
    }

    pub(crate) fn ptr(self, store: &StoreInner) -> FuncPtr {
        store.check(self.store);
        self.ptr
    }

    pub(crate) fn to_bits(self, store: &StoreInner) -> u64 {
        self.ptr(store).bits()
    }

    pub(crate) fn from_bits(store: &StoreInner, bits: u64) -> Option<Self> {
        FuncPtr::from_bits(bits).map(|ptr| Self::from_ptr(store, ptr))
    }

    /// The type's entry.
    pub(crate) fn entry(self, store: &StoreInner) -> TypeEntry {
        type_of(store, self.ptr(store))
    }
}

/// The type's entry of a function in the store.
pub(crate) fn type_of(store: &StoreInner, ptr: FuncPtr) -> TypeEntry {
    match ptr.instance() {
        Some((instance, index)) => {
            let module = &store.entities.instance_of(instance).module;
            module.func_type_entry(FuncIndex(index)).clone()
        }
        None => store.engine().types().get(ptr.type_id()),
    }
}

/// Calls a function with arguments in slots; results are left there.
pub(crate) fn call_raw(
    store: &mut dyn AnyStore,
    func: FuncPtr,
    entry: &TypeEntry,
    slots: &mut [Slot],
) -> Result<()> {
    crate::vm::enter(store.as_vm_host(), entry.trampoline(), func, slots)
        .map_err(|exit| super::backtrace::exit_error(store.inner_mut(), exit))
}

/// Makes a closure over values a function of the type of an import.
pub(crate) fn import_parts<T: 'static>(
    import: &ImportType<'_>,
    body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
) -> Result<HostFuncParts> {
    let Some(entry) = import.func_type_entry() else {
        bail!("import `{}::{}` is no function", import.module(), import.name())
    };
    Ok(untyped_parts(entry.ty().clone(), body).with_entry(entry.clone()))
}

/// Wraps a closure over values in one over slots.
pub(crate) fn untyped_parts<T: 'static>(
    ty: FuncType,
    body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
) -> HostFuncParts {
    let signature = ty.clone();
    HostFuncParts::new::<T, _>(ty, move |mut caller: Caller<'_, T>, slots: &mut [Slot]| {
        let FuncType { params, results } = &signature;
        let mut values: SmallVec<[Val; 8]> = SmallVec::with_capacity(params.len() + results.len());
        for (&ty, &slot) in params.iter().zip(&*slots) {
            values.push(Val::from_slot(caller.inner(), ty, slot)?);
        }
        // What the body does not set stays null or zero.
        values.extend(results.iter().map(|&ty| Val::default_for_ty(ty).unwrap_or(Val::I32(0))));
        let (arguments, returned) = values.split_at_mut(params.len());
        body(caller.reborrow(), arguments, returned)?;
        for (i, (value, &expected)) in returned.iter().zip(&**results).enumerate() {
            let what = || format!("result {i} of a host function");
            value.check(caller.inner(), expected, what)?;
            slots[i] = value.to_slot(caller.inner());
        }
        Ok(())
    })
}
