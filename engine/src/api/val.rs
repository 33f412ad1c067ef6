//! [`Val`]: a WebAssembly value of any type, for calls whose signature is known at run time only.

use super::anyref::{AnyRef, reference_matches, top_of};
use super::arrayref::ArrayRef;
use super::eqref::EqRef;
use super::exception::ExnRef;
use super::externref::ExternRef;
use super::func::Func;
use super::structref::StructRef;
use super::type_mismatch::TypeMismatch;
use crate::fallible::OutOfMemory;
use crate::gc::access::Reference;
use crate::store::{Slot, StoreInner};
use upshift_abi::types::{HeapType, RefType, ValType};

/// A 128-bit vector value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct V128(u128);

impl V128 {
    /// The lanes as one little-endian integer.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl From<u128> for V128 {
    fn from(bits: u128) -> Self {
        Self(bits)
    }
}

impl From<V128> for u128 {
    fn from(vector: V128) -> Self {
        vector.0
    }
}

/// A WebAssembly value.
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
    /// A vector.
    V128(V128),
    /// A function or null.
    FuncRef(Option<Func>),
    /// A host value or null.
    ExternRef(Option<ExternRef>),
    /// An exception or null.
    ExnRef(Option<ExnRef>),
    /// A reference of the `any` hierarchy or null.
    AnyRef(Option<AnyRef>),
}

/// A reference value, as tables hold it.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// A function or null.
    Func(Option<Func>),
    /// A host value or null.
    Extern(Option<ExternRef>),
    /// An exception or null.
    Exn(Option<ExnRef>),
    /// A reference of the `any` hierarchy or null.
    Any(Option<AnyRef>),
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $get:ident $unwrap:ident $ty:ty, $name:literal, $pat:pat => $value:expr;)*) => {
        impl Val {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $get(&self) -> Option<$ty> {
                    match *self {
                        $pat => Some($value),
                        _ => None,
                    }
                }

                /// The same, for a value whose type is known.
                ///
                /// # Panics
                /// When the value has another type.
                #[must_use]
                #[track_caller]
                pub fn $unwrap(&self) -> $ty {
                    match self.$get() {
                        Some(value) => value,
                        None => panic!(concat!("expected ", $name, ", found {}"), self.ty()),
                    }
                }
            )*
        }
    };
}

accessors! {
    /// The `i32`, if it is one.
    i32 unwrap_i32 i32, "i32", Val::I32(v) => v;
    /// The `i64`, if it is one.
    i64 unwrap_i64 i64, "i64", Val::I64(v) => v;
    /// The `f32`, if it is one.
    f32 unwrap_f32 f32, "f32", Val::F32(v) => f32::from_bits(v);
    /// The `f64`, if it is one.
    f64 unwrap_f64 f64, "f64", Val::F64(v) => f64::from_bits(v);
    /// The vector, if it is one.
    v128 unwrap_v128 V128, "v128", Val::V128(v) => v;
    /// The function reference, if it is one.
    func_ref unwrap_func_ref Option<Func>, "funcref", Val::FuncRef(v) => v;
    /// The external reference, if it is one.
    extern_ref unwrap_extern_ref Option<ExternRef>, "externref", Val::ExternRef(v) => v;
    /// The reference to an exception, if it is one.
    exn_ref unwrap_exn_ref Option<ExnRef>, "exnref", Val::ExnRef(v) => v;
    /// The reference of the `any` hierarchy, if it is one.
    any_ref unwrap_any_ref Option<AnyRef>, "anyref", Val::AnyRef(v) => v;
}

impl Val {
    /// The type of the value; references give the nullable type of their hierarchy.
    #[must_use]
    pub const fn ty(&self) -> ValType {
        match self {
            Self::I32(_) => ValType::I32,
            Self::I64(_) => ValType::I64,
            Self::F32(_) => ValType::F32,
            Self::F64(_) => ValType::F64,
            Self::V128(_) => ValType::V128,
            Self::FuncRef(_) => ValType::FUNCREF,
            Self::ExternRef(_) => ValType::EXTERNREF,
            Self::ExnRef(_) => ValType::EXNREF,
            Self::AnyRef(_) => ValType::ANYREF,
        }
    }

    /// The value that a variable of type `ty` starts with.
    #[must_use]
    pub fn default_for_ty(ty: ValType) -> Option<Self> {
        Some(match ty {
            ValType::I32 => Self::I32(0),
            ValType::I64 => Self::I64(0),
            ValType::F32 => Self::F32(0),
            ValType::F64 => Self::F64(0),
            ValType::V128 => Self::V128(V128::default()),
            ValType::Ref(ty) => return Ref::null_of(ty).map(Self::from),
        })
    }

    /// A null reference of the type `heap`, when the API knows values of it.
    #[must_use]
    pub fn null_ref(heap: HeapType) -> Option<Self> {
        Ref::null_of(RefType { nullable: true, heap }).map(Self::from)
    }

    /// The reference, if it is one.
    #[must_use]
    pub fn as_ref(&self) -> Option<Ref> {
        match *self {
            Self::FuncRef(func) => Some(Ref::Func(func)),
            Self::ExternRef(value) => Some(Ref::Extern(value)),
            Self::ExnRef(exn) => Some(Ref::Exn(exn)),
            Self::AnyRef(any) => Some(Ref::Any(any)),
            _ => None,
        }
    }

    /// Whether a variable of type `ty` can hold the value.
    pub(crate) fn matches(&self, store: &StoreInner, ty: ValType) -> bool {
        match ty {
            ValType::Ref(ty) => self.as_ref().is_some_and(|reference| reference.matches(store, ty)),
            _ => self.ty() == ty,
        }
    }

    /// Checks that a variable of type `ty` can hold the value, which `what` names in the error.
    pub(crate) fn check(
        &self,
        store: &StoreInner,
        ty: ValType,
        what: impl FnOnce() -> String,
    ) -> Result<(), TypeMismatch> {
        if self.matches(store, ty) {
            return Ok(());
        }
        Err(TypeMismatch::of_value(store, what(), self, ty))
    }

    /// The value as it travels in a slot.
    ///
    /// # Panics
    /// When it holds a handle of another store.
    pub(crate) fn to_slot(self, store: &StoreInner) -> Slot {
        match self {
            Self::I32(v) => [u64::from(v.cast_unsigned()), 0],
            Self::I64(v) => [v.cast_unsigned(), 0],
            Self::F32(v) => [u64::from(v), 0],
            Self::F64(v) => [v, 0],
            Self::V128(v) => split_u128(v.0),
            Self::FuncRef(v) => [Ref::Func(v).to_bits(store), 0],
            Self::ExternRef(v) => [Ref::Extern(v).to_bits(store), 0],
            Self::ExnRef(v) => [Ref::Exn(v).to_bits(store), 0],
            Self::AnyRef(v) => [Ref::Any(v).to_bits(store), 0],
        }
    }

    /// The value of type `ty` in a slot that wasm code of `store` wrote.
    pub(crate) fn from_slot(
        store: &StoreInner,
        ty: ValType,
        slot: Slot,
    ) -> Result<Self, OutOfMemory> {
        Ok(match ty {
            ValType::I32 => Self::I32(low_u32(slot).cast_signed()),
            ValType::I64 => Self::I64(slot[0].cast_signed()),
            ValType::F32 => Self::F32(low_u32(slot)),
            ValType::F64 => Self::F64(slot[0]),
            ValType::V128 => Self::V128(V128(join_u128(slot))),
            ValType::Ref(ty) => Ref::from_bits(store, ty, slot[0])?.into(),
        })
    }
}

/// The low half of the low word of a slot.
#[expect(clippy::cast_possible_truncation, reason = "upper bits of a narrow slot mean nothing")]
pub(crate) const fn low_u32(slot: Slot) -> u32 {
    slot[0] as u32
}

/// Both words of a slot as one vector.
pub(crate) fn join_u128(slot: Slot) -> u128 {
    u128::from(slot[0]) | u128::from(slot[1]) << 64
}

/// A vector as both words of a slot.
#[expect(clippy::cast_possible_truncation, reason = "takes both halves")]
pub(crate) const fn split_u128(bits: u128) -> Slot {
    [bits as u64, (bits >> 64) as u64]
}

impl Ref {
    /// Whether the reference is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Func(None) | Self::Extern(None) | Self::Exn(None) | Self::Any(None))
    }

    /// The nullable type of the reference's hierarchy.
    #[must_use]
    pub const fn ty(&self) -> RefType {
        match self {
            Self::Func(_) => RefType::FUNCREF,
            Self::Extern(_) => RefType::EXTERNREF,
            Self::Exn(_) => RefType::EXNREF,
            Self::Any(_) => RefType::ANYREF,
        }
    }

    /// The function, if it is a function reference and not null.
    #[must_use]
    pub const fn as_func(&self) -> Option<Func> {
        match self {
            Self::Func(func) => *func,
            Self::Extern(_) | Self::Exn(_) | Self::Any(_) => None,
        }
    }

    /// The host value, if it is an external reference and not null.
    #[must_use]
    pub const fn as_extern(&self) -> Option<ExternRef> {
        match self {
            Self::Extern(value) => *value,
            Self::Func(_) | Self::Exn(_) | Self::Any(_) => None,
        }
    }

    fn null_of(ty: RefType) -> Option<Self> {
        match ty.heap {
            _ if !ty.nullable => None,
            HeapType::Func | HeapType::NoFunc | HeapType::Concrete(_) => Some(Self::Func(None)),
            HeapType::Extern | HeapType::NoExtern => Some(Self::Extern(None)),
            HeapType::Exn | HeapType::NoExn => Some(Self::Exn(None)),
            HeapType::Any
            | HeapType::Eq
            | HeapType::I31
            | HeapType::Struct
            | HeapType::Array
            | HeapType::None => Some(Self::Any(None)),
            HeapType::Cont | HeapType::NoCont => None,
        }
    }

    pub(crate) fn matches(&self, store: &StoreInner, ty: RefType) -> bool {
        if self.is_null() && !ty.nullable {
            return false;
        }
        match ty.heap {
            HeapType::Func => matches!(self, Self::Func(_)),
            HeapType::Concrete(name) => match self {
                Self::Func(Some(func)) => store.engine().types().is_below(&func.entry(store), name),
                Self::Any(Some(any)) => any.matches(store, ty.heap),
                // What is null of a type of this module, only the engine knows.
                Self::Func(None) | Self::Any(None) => true,
                Self::Extern(_) | Self::Exn(_) => false,
            },
            HeapType::Any
            | HeapType::Eq
            | HeapType::I31
            | HeapType::Struct
            | HeapType::Array
            | HeapType::None => match self {
                Self::Any(any) => any.is_none_or(|any| any.matches(store, ty.heap)),
                Self::Func(_) | Self::Extern(_) | Self::Exn(_) => false,
            },
            HeapType::Extern => matches!(self, Self::Extern(_)),
            HeapType::NoFunc => matches!(self, Self::Func(None)),
            HeapType::NoExtern => matches!(self, Self::Extern(None)),
            HeapType::Exn => matches!(self, Self::Exn(_)),
            HeapType::NoExn => matches!(self, Self::Exn(None)),
            HeapType::Cont | HeapType::NoCont => false,
        }
    }

    /// Whether bits of a reference of the hierarchy of `ty` are of that type.
    pub(crate) fn bits_match(store: &StoreInner, ty: RefType, bits: u64) -> bool {
        if bits == 0 {
            return ty.nullable;
        }
        match top_of(store, ty.heap).heap {
            HeapType::Any => {
                let bits = u32::try_from(bits).expect("references have 32 bits");
                reference_matches(store, Reference::from_bits(bits), ty.heap)
            }
            HeapType::Func => {
                Func::from_bits(store, bits).is_some_and(|func| Self::from(func).matches(store, ty))
            }
            // No types are defined there.
            top => top == ty.heap,
        }
    }

    /// The 8 bytes that stand for the reference in slots, tables and globals.
    ///
    /// # Panics
    /// When it is a handle of another store.
    pub(crate) fn to_bits(self, store: &StoreInner) -> u64 {
        match self {
            Self::Func(None) | Self::Extern(None) | Self::Exn(None) | Self::Any(None) => 0,
            Self::Func(Some(func)) => func.to_bits(store),
            Self::Extern(Some(value)) => value.to_bits(store),
            Self::Exn(Some(exn)) => exn.to_bits(store),
            Self::Any(Some(any)) => any.to_bits(store),
        }
    }

    /// The reference of type `ty` that `bits` stand for in `store`.
    pub(crate) fn from_bits(
        store: &StoreInner,
        ty: RefType,
        bits: u64,
    ) -> Result<Self, OutOfMemory> {
        Ok(match top_of(store, ty.heap).heap {
            HeapType::Any => Self::Any(AnyRef::from_bits(store, bits)?),
            HeapType::Extern | HeapType::NoExtern => {
                Self::Extern(ExternRef::from_bits(store, bits)?)
            }
            HeapType::Exn | HeapType::NoExn => Self::Exn(ExnRef::from_bits(store, bits)?),
            _ => Self::Func(Func::from_bits(store, bits)),
        })
    }
}

macro_rules! from_impls {
    ($($ty:ty => |$v:ident| $value:expr;)*) => {$(
        impl From<$ty> for Val {
            fn from($v: $ty) -> Self { $value }
        }
    )*};
}

from_impls! {
    i32 => |v| Self::I32(v);
    i64 => |v| Self::I64(v);
    u32 => |v| Self::I32(v.cast_signed());
    u64 => |v| Self::I64(v.cast_signed());
    f32 => |v| Self::F32(v.to_bits());
    f64 => |v| Self::F64(v.to_bits());
    V128 => |v| Self::V128(v);
    u128 => |v| Self::V128(V128(v));
    Func => |v| Self::FuncRef(Some(v));
    Option<Func> => |v| Self::FuncRef(v);
    ExternRef => |v| Self::ExternRef(Some(v));
    Option<ExternRef> => |v| Self::ExternRef(v);
    ExnRef => |v| Self::ExnRef(Some(v));
    Option<ExnRef> => |v| Self::ExnRef(v);
    AnyRef => |v| Self::AnyRef(Some(v));
    Option<AnyRef> => |v| Self::AnyRef(v);
    EqRef => |v| Self::AnyRef(Some(v.to_any_ref()));
    Option<EqRef> => |v| Self::AnyRef(v.map(EqRef::to_any_ref));
    StructRef => |v| Self::AnyRef(Some(v.to_any_ref()));
    Option<StructRef> => |v| Self::AnyRef(v.map(StructRef::to_any_ref));
    ArrayRef => |v| Self::AnyRef(Some(v.to_any_ref()));
    Option<ArrayRef> => |v| Self::AnyRef(v.map(ArrayRef::to_any_ref));
}

impl From<Ref> for Val {
    fn from(reference: Ref) -> Self {
        match reference {
            Ref::Func(func) => Self::FuncRef(func),
            Ref::Extern(value) => Self::ExternRef(value),
            Ref::Exn(exn) => Self::ExnRef(exn),
            Ref::Any(any) => Self::AnyRef(any),
        }
    }
}

impl From<Option<Func>> for Ref {
    fn from(func: Option<Func>) -> Self {
        Self::Func(func)
    }
}

impl From<Func> for Ref {
    fn from(func: Func) -> Self {
        Self::Func(Some(func))
    }
}

impl From<Option<AnyRef>> for Ref {
    fn from(any: Option<AnyRef>) -> Self {
        Self::Any(any)
    }
}

impl From<Option<ExnRef>> for Ref {
    fn from(exn: Option<ExnRef>) -> Self {
        Self::Exn(exn)
    }
}

impl From<Option<ExternRef>> for Ref {
    fn from(value: Option<ExternRef>) -> Self {
        Self::Extern(value)
    }
}

impl From<ExternRef> for Ref {
    fn from(value: ExternRef) -> Self {
        Self::Extern(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accessors_tell_types_apart() {
        assert_eq!(Val::I32(7).i32(), Some(7));
        assert_eq!(Val::I32(7).i64(), None);
        assert_eq!(Val::from(1.5f32).unwrap_f32(), 1.5);
        assert_eq!(Val::FuncRef(None).ty(), ValType::FUNCREF);
        assert_ne!(Val::FuncRef(None).ty(), ValType::EXTERNREF);
    }

    #[test]
    #[should_panic(expected = "expected i64, found i32")]
    fn unwrap_names_both_types() {
        let _ = Val::I32(0).unwrap_i64();
    }

    #[test]
    fn vectors_split_and_join() {
        let bits = 0x0123_4567_89ab_cdef_1111_2222_3333_4444_u128;
        assert_eq!(join_u128(split_u128(bits)), bits);
    }
}
