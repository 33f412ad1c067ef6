//! Rust types that stand for WebAssembly types: [`WasmTy`], [`WasmParams`], [`WasmResults`] and
//! [`WasmRet`].
//!
//! Values cross the border between host and wasm code in *slots* of 16 bytes, one per parameter or
//! result, in order. A narrow value lies in the low bytes of its slot.

use super::anyref::{AnyRef, I31};
use super::arrayref::ArrayRef;
use super::eqref::EqRef;
use super::exception::ExnRef;
use super::externref::ExternRef;
use super::func::Func;
use super::structref::StructRef;
use super::val::{V128, join_u128, low_u32, split_u128};
use crate::Result;
use crate::fallible::OutOfMemory;
use crate::gc::access::Reference;
use crate::store::{Slot, StoreInner};
use upshift_abi::types::{HeapType, RefType, ValType};

/// A Rust type that stands for one WebAssembly type.
///
/// | Rust | WebAssembly |
/// |---|---|
/// | `i32`, `u32` | `i32` |
/// | `i64`, `u64` | `i64` |
/// | `f32`, `f64` | `f32`, `f64` |
/// | [`V128`] | `v128` |
/// | [`Func`] | `(ref func)` |
/// | [`ExternRef`] | `(ref extern)` |
/// | [`ExnRef`] | `(ref exn)` |
/// | [`AnyRef`] | `(ref any)` |
/// | [`EqRef`] | `(ref eq)` |
/// | [`StructRef`] | `(ref struct)` |
/// | [`ArrayRef`] | `(ref array)` |
/// | [`I31`] | `(ref i31)` |
/// | `Option` of one of these references | the same with null: `funcref`, `structref`, ... |
pub trait WasmTy: Sized + Send {
    /// The WebAssembly type.
    #[doc(hidden)]
    fn val_type() -> ValType;
    /// The value as it travels in a slot.
    #[doc(hidden)]
    fn into_slot(self, store: &StoreInner) -> Slot;
    /// The value in a slot.
    #[doc(hidden)]
    fn from_slot(store: &StoreInner, slot: Slot) -> Result<Self>;
}

macro_rules! wasm_types {
    ($($ty:ty: $val:ident, |$store:ident, $v:ident| $into:expr, |$from_store:ident, $slot:ident| $from:expr;)*) => {$(
        impl WasmTy for $ty {
            #[inline]
            fn val_type() -> ValType {
                ValType::$val
            }

            #[inline]
            fn into_slot(self, $store: &StoreInner) -> Slot {
                let $v = self;
                $into
            }

            #[inline]
            fn from_slot($from_store: &StoreInner, $slot: Slot) -> Result<Self> {
                Ok($from)
            }
        }
    )*};
}

wasm_types! {
    i32: I32, |_s, v| [u64::from(v.cast_unsigned()), 0], |_s, slot| low_u32(slot).cast_signed();
    u32: I32, |_s, v| [u64::from(v), 0], |_s, slot| low_u32(slot);
    i64: I64, |_s, v| [v.cast_unsigned(), 0], |_s, slot| slot[0].cast_signed();
    u64: I64, |_s, v| [v, 0], |_s, slot| slot[0];
    f32: F32, |_s, v| [u64::from(v.to_bits()), 0], |_s, slot| Self::from_bits(low_u32(slot));
    f64: F64, |_s, v| [v.to_bits(), 0], |_s, slot| Self::from_bits(slot[0]);
    V128: V128, |_s, v| split_u128(v.as_u128()), |_s, slot| Self::from(join_u128(slot));
}

/// A Rust type for references that are not null.
trait WasmRef: Sized {
    const HEAP: HeapType;
    fn bits(self, store: &StoreInner) -> u64;
    /// The reference in bits that are known to be of the type, or null.
    fn of_bits(store: &StoreInner, bits: u64) -> Result<Option<Self>, OutOfMemory>;
}

macro_rules! reference_types {
    ($($ty:ty: $heap:ident, |$store:ident, $v:ident| $bits:expr, |$from_store:ident, $b:ident| $from:expr;)*) => {$(
        impl WasmRef for $ty {
            const HEAP: HeapType = HeapType::$heap;

            #[inline]
            fn bits(self, $store: &StoreInner) -> u64 {
                let $v = self;
                $bits
            }

            #[inline]
            fn of_bits($from_store: &StoreInner, $b: u64) -> Result<Option<Self>, OutOfMemory> {
                $from
            }
        }

        impl WasmTy for $ty {
            #[inline]
            fn val_type() -> ValType {
                ValType::Ref(RefType { nullable: false, heap: Self::HEAP })
            }

            #[inline]
            fn into_slot(self, store: &StoreInner) -> Slot {
                [self.bits(store), 0]
            }

            #[inline]
            fn from_slot(store: &StoreInner, slot: Slot) -> Result<Self> {
                Ok(Self::of_bits(store, slot[0])?.expect("the type has no null"))
            }
        }

        impl WasmTy for Option<$ty> {
            #[inline]
            fn val_type() -> ValType {
                ValType::Ref(RefType { nullable: true, heap: <$ty>::HEAP })
            }

            #[inline]
            fn into_slot(self, store: &StoreInner) -> Slot {
                [self.map_or(0, |reference| reference.bits(store)), 0]
            }

            #[inline]
            fn from_slot(store: &StoreInner, slot: Slot) -> Result<Self> {
                Ok(<$ty>::of_bits(store, slot[0])?)
            }
        }
    )*};
}

reference_types! {
    Func: Func, |s, v| v.to_bits(s), |s, bits| Ok(Self::from_bits(s, bits));
    ExternRef: Extern, |s, v| v.to_bits(s), |s, bits| Self::from_bits(s, bits);
    ExnRef: Exn, |s, v| v.to_bits(s), |s, bits| Self::from_bits(s, bits);
    AnyRef: Any, |s, v| v.to_bits(s), |s, bits| Self::from_bits(s, bits);
    EqRef: Eq,
        |s, v| v.to_any_ref().to_bits(s),
        |s, bits| Ok(AnyRef::from_bits(s, bits)?.map(Self::from_any));
    StructRef: Struct,
        |s, v| v.to_any_ref().to_bits(s),
        |s, bits| Ok(AnyRef::from_bits(s, bits)?.map(Self::from_any));
    ArrayRef: Array,
        |s, v| v.to_any_ref().to_bits(s),
        |s, bits| Ok(AnyRef::from_bits(s, bits)?.map(Self::from_any));
    I31: I31, |_s, v| Reference::I31(v.get_i32()).bits().into(), |_s, bits| Ok(Self::from_bits(bits));
}

/// Parameters of a [`TypedFunc`](crate::TypedFunc): one [`WasmTy`] or a tuple of up to 16.
pub trait WasmParams: Send {
    /// How many there are.
    #[doc(hidden)]
    const COUNT: usize;
    /// Calls `visit` with their types in order.
    #[doc(hidden)]
    fn for_each_type(visit: &mut dyn FnMut(ValType));
    /// Writes them to the first slots.
    #[doc(hidden)]
    fn store(self, store: &StoreInner, slots: &mut [Slot]);
}

/// Results of a [`TypedFunc`](crate::TypedFunc): one [`WasmTy`] or a tuple of up to 16.
pub trait WasmResults: WasmParams + Sized {
    /// Reads them from the first slots.
    #[doc(hidden)]
    fn load(store: &StoreInner, slots: &[Slot]) -> Result<Self>;
}

impl<T: WasmTy> WasmParams for T {
    const COUNT: usize = 1;

    fn for_each_type(visit: &mut dyn FnMut(ValType)) {
        visit(T::val_type());
    }

    #[inline]
    fn store(self, store: &StoreInner, slots: &mut [Slot]) {
        slots[0] = self.into_slot(store);
    }
}

impl<T: WasmTy> WasmResults for T {
    #[inline]
    fn load(store: &StoreInner, slots: &[Slot]) -> Result<Self> {
        T::from_slot(store, slots[0])
    }
}

/// What a host function may return: nothing, one [`WasmTy`], a tuple of them, or a
/// [`Result`] of one of these.
pub trait WasmRet {
    /// The values without the possible error.
    #[doc(hidden)]
    type Values;
    /// The result types.
    #[doc(hidden)]
    fn result_types() -> Vec<ValType>;
    /// How many there are.
    #[doc(hidden)]
    const RESULT_COUNT: usize;
    /// Writes the values to the first slots, or hands back the error.
    #[doc(hidden)]
    fn finish(self, store: &StoreInner, slots: &mut [Slot]) -> Result<()>;
}

impl<T: WasmTy> WasmRet for T {
    type Values = T;
    const RESULT_COUNT: usize = 1;

    fn result_types() -> Vec<ValType> {
        vec![T::val_type()]
    }

    #[inline]
    fn finish(self, store: &StoreInner, slots: &mut [Slot]) -> Result<()> {
        slots[0] = self.into_slot(store);
        Ok(())
    }
}

impl<T: WasmRet, E: Into<crate::Error>> WasmRet for std::result::Result<T, E> {
    type Values = T::Values;
    const RESULT_COUNT: usize = T::RESULT_COUNT;

    fn result_types() -> Vec<ValType> {
        T::result_types()
    }

    #[inline]
    fn finish(self, store: &StoreInner, slots: &mut [Slot]) -> Result<()> {
        self.map_err(Into::into)?.finish(store, slots)
    }
}

impl WasmParams for () {
    const COUNT: usize = 0;

    fn for_each_type(_visit: &mut dyn FnMut(ValType)) {}

    #[inline]
    fn store(self, _store: &StoreInner, _slots: &mut [Slot]) {}
}

impl WasmResults for () {
    #[inline]
    fn load(_store: &StoreInner, _slots: &[Slot]) -> Result<Self> {
        Ok(())
    }
}

impl WasmRet for () {
    type Values = Self;
    const RESULT_COUNT: usize = 0;

    fn result_types() -> Vec<ValType> {
        Vec::new()
    }

    #[inline]
    fn finish(self, _store: &StoreInner, _slots: &mut [Slot]) -> Result<()> {
        Ok(())
    }
}

macro_rules! tuples {
    ($($n:literal: $($name:ident $value:ident $i:literal),*;)*) => {$(
        impl<$($name: WasmTy),*> WasmParams for ($($name,)*) {
            const COUNT: usize = $n;

            fn for_each_type(visit: &mut dyn FnMut(ValType)) {
                $(visit($name::val_type());)*
            }

            #[inline]
            fn store(self, store: &StoreInner, slots: &mut [Slot]) {
                let ($($value,)*) = self;
                $(slots[$i] = $value.into_slot(store);)*
            }
        }

        impl<$($name: WasmTy),*> WasmResults for ($($name,)*) {
            #[inline]
            fn load(store: &StoreInner, slots: &[Slot]) -> Result<Self> {
                Ok(($($name::from_slot(store, slots[$i])?,)*))
            }
        }

        impl<$($name: WasmTy),*> WasmRet for ($($name,)*) {
            type Values = Self;
            const RESULT_COUNT: usize = $n;

            fn result_types() -> Vec<ValType> {
                vec![$($name::val_type()),*]
            }

            #[inline]
            fn finish(self, store: &StoreInner, slots: &mut [Slot]) -> Result<()> {
                WasmParams::store(self, store, slots);
                Ok(())
            }
        }
    )*};
}

tuples! {
    1: A a 0;
    2: A a 0, B b 1;
    3: A a 0, B b 1, C c 2;
    4: A a 0, B b 1, C c 2, D d 3;
    5: A a 0, B b 1, C c 2, D d 3, E e 4;
    6: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5;
    7: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6;
    8: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7;
    9: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8;
    10: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9;
    11: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10;
    12: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11;
    13: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12;
    14: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12, N n 13;
    15: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12, N n 13, O o 14;
    16: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9, K k 10, L l 11, M m 12, N n 13, O o 14, P p 15;
}

/// The most values that a tuple of [`WasmTy`] holds.
pub(crate) const MAX_TUPLE: usize = 16;
