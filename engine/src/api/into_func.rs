//! [`IntoFunc`]: Rust closures as host functions, without a signature written by hand.
//!
//! The closure is wrapped in one that reads its arguments from slots and writes its results there;
//! everything about types is settled when the program is compiled.

use super::caller::Caller;
use super::wasm_ty::{WasmRet, WasmTy};
use crate::store::Slot;
use crate::store::host_func::HostFuncParts;
use upshift_abi::types::FuncType;

/// A closure that can become a host function.
///
/// Implemented for `Fn(A, B, ...) -> R` and `Fn(Caller<'_, T>, A, B, ...) -> R` with up to 16
/// parameters that are [`WasmTy`] and an `R` that is [`WasmRet`]. The type parameters `Params` and
/// `Results` only tell these implementations apart.
pub trait IntoFunc<T: 'static, Params, Results>: Send + Sync + 'static {
    /// The function type and the closure over slots.
    #[doc(hidden)]
    fn into_parts(self) -> HostFuncParts;
}

macro_rules! into_func {
    ($($($name:ident $value:ident $i:literal),*;)*) => {$(
        impl<T, Fun, Ret, $($name),*> IntoFunc<T, ($($name,)*), Ret> for Fun
        where
            T: 'static,
            Fun: Fn($($name),*) -> Ret + Send + Sync + 'static,
            Ret: WasmRet,
            $($name: WasmTy,)*
        {
            fn into_parts(self) -> HostFuncParts {
                let ty = FuncType::new(vec![$($name::val_type()),*], Ret::result_types());
                HostFuncParts::new::<T, _>(ty, move |caller: Caller<'_, T>, slots: &mut [Slot]| {
                    $(let $value = $name::from_slot(caller.inner(), slots[$i])?;)*
                    self($($value),*).finish(caller.inner(), slots)
                })
            }
        }

        impl<T, Fun, Ret, $($name),*> IntoFunc<T, (Caller<'_, T>, $($name,)*), Ret> for Fun
        where
            T: 'static,
            Fun: Fn(Caller<'_, T>, $($name),*) -> Ret + Send + Sync + 'static,
            Ret: WasmRet,
            $($name: WasmTy,)*
        {
            fn into_parts(self) -> HostFuncParts {
                let ty = FuncType::new(vec![$($name::val_type()),*], Ret::result_types());
                HostFuncParts::new::<T, _>(ty, move |mut caller: Caller<'_, T>, slots: &mut [Slot]| {
                    $(let $value = $name::from_slot(caller.inner(), slots[$i])?;)*
                    let ret = self(caller.reborrow(), $($value),*);
                    ret.finish(caller.inner(), slots)
                })
            }
        }
    )*};
}

into_func! {
    ;
    A a 0;
    A a 0, B b 1;
    A a 0, B b 1, C c 2;
    A a 0, B b 1, C c 2, D d 3;
    A a 0, B b 1, C c 2, D d 3, E e 4;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12, N n 13;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12, N n 13, O o 14;
    A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12, N n 13, O o 14, P p 15;
}
