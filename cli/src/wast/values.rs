//! Arguments and expected results of test scripts.

use anyhow::{Result, bail};
use upshift::{AnyRef, ExternRef, HeapType, Store, Val};
use wast::core::{
    AbstractHeapType, HeapType as WastHeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore,
};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

/// The value of an argument.
pub(super) fn argument(store: &mut Store<()>, arg: &WastArg<'_>) -> Result<Val> {
    let WastArg::Core(arg) = arg else { bail!("component values are not supported") };
    Ok(match arg {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes()).into()),
        WastArgCore::RefNull(heap) => null(*heap)?,
        WastArgCore::RefExtern(number) => Val::ExternRef(Some(ExternRef::new(store, *number)?)),
        WastArgCore::RefHost(number) => {
            let value = ExternRef::new(&mut *store, *number)?;
            Val::AnyRef(Some(AnyRef::convert_extern(&*store, value)))
        }
    })
}

fn null(heap: WastHeapType<'_>) -> Result<Val> {
    let heap = match heap {
        WastHeapType::Abstract { ty: AbstractHeapType::Func, .. } => HeapType::Func,
        WastHeapType::Abstract { ty: AbstractHeapType::NoFunc, .. } => HeapType::NoFunc,
        WastHeapType::Abstract { ty: AbstractHeapType::Extern, .. } => HeapType::Extern,
        WastHeapType::Abstract { ty: AbstractHeapType::NoExtern, .. } => HeapType::NoExtern,
        WastHeapType::Abstract { ty: AbstractHeapType::Exn, .. } => HeapType::Exn,
        WastHeapType::Abstract { ty: AbstractHeapType::NoExn, .. } => HeapType::NoExn,
        WastHeapType::Abstract { ty: AbstractHeapType::Any, .. } => HeapType::Any,
        WastHeapType::Abstract { ty: AbstractHeapType::Eq, .. } => HeapType::Eq,
        WastHeapType::Abstract { ty: AbstractHeapType::I31, .. } => HeapType::I31,
        WastHeapType::Abstract { ty: AbstractHeapType::Struct, .. } => HeapType::Struct,
        WastHeapType::Abstract { ty: AbstractHeapType::Array, .. } => HeapType::Array,
        WastHeapType::Abstract { ty: AbstractHeapType::None, .. } => HeapType::None,
        _ => bail!("null references of type {heap:?} are not supported"),
    };
    match Val::null_ref(heap) {
        Some(value) => Ok(value),
        None => bail!("null references of type {heap} are not supported"),
    }
}

/// Compares results with what a script expects of them.
pub(super) fn check_results(
    store: &Store<()>,
    actual: &[Val],
    expected: &[WastRet<'_>],
) -> Result<()> {
    if actual.len() != expected.len() {
        bail!("expected {} results, got {}", expected.len(), actual.len());
    }
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let WastRet::Core(expected) = expected else { bail!("component values are not supported") };
        if !matches(store, *actual, expected)? {
            bail!("result {i}: expected {}, got {}", pattern_text(expected), value_text(actual));
        }
    }
    Ok(())
}

/// Whether a value is among those that a pattern stands for.
fn matches(store: &Store<()>, actual: Val, expected: &WastRetCore<'_>) -> Result<bool> {
    Ok(match (actual, expected) {
        (actual, WastRetCore::Either(cases)) => {
            for case in cases {
                if matches(store, actual, case)? {
                    return Ok(true);
                }
            }
            false
        }
        (Val::I32(actual), WastRetCore::I32(expected)) => actual == *expected,
        (Val::I64(actual), WastRetCore::I64(expected)) => actual == *expected,
        (Val::F32(actual), WastRetCore::F32(expected)) => matches_f32(actual, expected),
        (Val::F64(actual), WastRetCore::F64(expected)) => matches_f64(actual, expected),
        (Val::V128(actual), WastRetCore::V128(expected)) => {
            matches_v128(actual.as_u128(), expected)
        }
        (
            Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) | Val::AnyRef(None),
            WastRetCore::RefNull(None),
        ) => true,
        (Val::ExnRef(None), WastRetCore::RefNull(Some(heap))) => {
            matches!(null(*heap), Ok(Val::ExnRef(None)))
        }
        (Val::FuncRef(None), WastRetCore::RefNull(Some(heap))) => {
            matches!(null(*heap), Ok(Val::FuncRef(None)))
                || matches!(heap, WastHeapType::Concrete(_))
        }
        (Val::ExternRef(None), WastRetCore::RefNull(Some(heap))) => {
            matches!(null(*heap), Ok(Val::ExternRef(None)))
        }
        (Val::ExternRef(Some(actual)), WastRetCore::RefExtern(expected)) => match expected {
            Some(expected) => {
                let data = actual.data(store);
                data.and_then(|data| data.downcast_ref::<u32>()) == Some(expected)
            }
            None => true,
        },
        (Val::FuncRef(Some(_)), WastRetCore::RefFunc(_)) => true,
        (Val::AnyRef(None), WastRetCore::RefNull(Some(heap))) => {
            matches!(null(*heap), Ok(Val::AnyRef(None)))
                || matches!(heap, WastHeapType::Concrete(_))
        }
        (Val::AnyRef(Some(any)), expected) => matches_any(store, any, expected),
        _ => false,
    })
}

/// Whether a reference of the `any` hierarchy is one of those that a pattern stands for.
fn matches_any(store: &Store<()>, any: AnyRef, expected: &WastRetCore<'_>) -> bool {
    match expected {
        WastRetCore::RefAny => true,
        WastRetCore::RefEq => any.is_eqref(),
        WastRetCore::RefI31 => any.as_i31().is_some(),
        WastRetCore::RefStruct => any.as_struct(store).is_some(),
        WastRetCore::RefArray => any.as_array(store).is_some(),
        WastRetCore::RefHost(expected) => {
            let value = ExternRef::convert_any(store, any);
            value.data(store).and_then(|data| data.downcast_ref::<u32>()) == Some(expected)
        }
        _ => false,
    }
}

fn matches_f32(actual: u32, expected: &NanPattern<F32>) -> bool {
    const CANONICAL: u32 = 0x7fc0_0000;
    match expected {
        NanPattern::Value(expected) => actual == expected.bits,
        NanPattern::CanonicalNan => actual & 0x7fff_ffff == CANONICAL,
        NanPattern::ArithmeticNan => actual & CANONICAL == CANONICAL,
    }
}

fn matches_f64(actual: u64, expected: &NanPattern<F64>) -> bool {
    const CANONICAL: u64 = 0x7ff8_0000_0000_0000;
    match expected {
        NanPattern::Value(expected) => actual == expected.bits,
        NanPattern::CanonicalNan => actual & 0x7fff_ffff_ffff_ffff == CANONICAL,
        NanPattern::ArithmeticNan => actual & CANONICAL == CANONICAL,
    }
}

fn matches_v128(actual: u128, expected: &V128Pattern) -> bool {
    let bytes = actual.to_le_bytes();
    match expected {
        V128Pattern::I8x16(lanes) => lanes_of(&bytes).eq(lanes.map(i8::to_le_bytes)),
        V128Pattern::I16x8(lanes) => lanes_of(&bytes).eq(lanes.map(i16::to_le_bytes)),
        V128Pattern::I32x4(lanes) => lanes_of(&bytes).eq(lanes.map(i32::to_le_bytes)),
        V128Pattern::I64x2(lanes) => lanes_of(&bytes).eq(lanes.map(i64::to_le_bytes)),
        V128Pattern::F32x4(lanes) => lanes_of(&bytes)
            .zip(lanes)
            .all(|(actual, lane)| matches_f32(u32::from_le_bytes(actual), lane)),
        V128Pattern::F64x2(lanes) => lanes_of(&bytes)
            .zip(lanes)
            .all(|(actual, lane)| matches_f64(u64::from_le_bytes(actual), lane)),
    }
}

/// The lanes of `N` bytes each.
fn lanes_of<const N: usize>(bytes: &[u8; 16]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// A value for a message, floats with their bits.
pub(super) fn value_text(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32 {value} ({value:#x})"),
        Val::I64(value) => format!("i64 {value} ({value:#x})"),
        Val::F32(bits) => format!("f32 {} ({bits:#010x})", f32::from_bits(*bits)),
        Val::F64(bits) => format!("f64 {} ({bits:#018x})", f64::from_bits(*bits)),
        Val::V128(value) => format!("v128 {:#034x}", value.as_u128()),
        Val::FuncRef(None) => "null funcref".to_owned(),
        Val::FuncRef(Some(_)) => "a function".to_owned(),
        Val::ExternRef(None) => "null externref".to_owned(),
        Val::ExternRef(Some(_)) => "a host reference".to_owned(),
        Val::ExnRef(None) => "null exnref".to_owned(),
        Val::ExnRef(Some(_)) => "an exception".to_owned(),
        Val::AnyRef(None) => "null anyref".to_owned(),
        Val::AnyRef(Some(any)) => match any.as_i31() {
            Some(value) => format!("i31 {value}"),
            None => "an object".to_owned(),
        },
    }
}

fn pattern_text(pattern: &WastRetCore<'_>) -> String {
    match pattern {
        WastRetCore::I32(value) => value_text(&Val::I32(*value)),
        WastRetCore::I64(value) => value_text(&Val::I64(*value)),
        WastRetCore::F32(NanPattern::Value(value)) => value_text(&Val::F32(value.bits)),
        WastRetCore::F64(NanPattern::Value(value)) => value_text(&Val::F64(value.bits)),
        WastRetCore::V128(V128Pattern::I8x16(lanes)) => format!("i8x16 {lanes:x?}"),
        WastRetCore::V128(V128Pattern::I16x8(lanes)) => format!("i16x8 {lanes:x?}"),
        WastRetCore::V128(V128Pattern::I32x4(lanes)) => format!("i32x4 {lanes:x?}"),
        WastRetCore::V128(V128Pattern::I64x2(lanes)) => format!("i64x2 {lanes:x?}"),
        other => format!("{other:x?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_patterns() {
        assert!(matches_f32(0xffc0_0000, &NanPattern::CanonicalNan));
        assert!(!matches_f32(0x7fc0_0001, &NanPattern::CanonicalNan));
        assert!(matches_f32(0x7fc0_0001, &NanPattern::ArithmeticNan));
        assert!(!matches_f32(0x7fa0_0000, &NanPattern::ArithmeticNan));
        assert!(matches_f64(0x7ff8_0000_0000_0000, &NanPattern::CanonicalNan));
        assert!(!matches_f64(0x7ff0_0000_0000_0000, &NanPattern::ArithmeticNan));
    }

    #[test]
    fn lanes() {
        let bits = u128::from_le_bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0]);
        assert!(matches_v128(bits, &V128Pattern::I16x8([1, 2, 3, 4, 5, 6, 7, 8])));
        assert!(!matches_v128(bits, &V128Pattern::I16x8([1, 2, 3, 4, 5, 6, 7, 9])));
        let nan = NanPattern::CanonicalNan;
        let bits = u128::from(0x7fc0_0000_u32) * 0x1_0000_0001_0000_0001_0000_0001;
        assert!(matches_v128(bits, &V128Pattern::F32x4([nan, nan, nan, nan])));
    }
}
