//! [`JsString`], and the functions of `wasm:js-string` over it.
//!
//! A string is a value of the host: any number of 16-bit code units, which need not be valid UTF-16. See the
//! [proposal](https://github.com/WebAssembly/js-string-builtins).

use super::arrayref::ArrayRef;
use super::caller::Caller;
use super::externref::ExternRef;
use super::externs::ExternType;
use super::global::Global;
use super::linker::Linker;
use super::module::Module;
use super::object_type::ArrayType;
use super::store::{AsContextMut, StoreContext};
use super::val::Val;
use crate::fallible;
use crate::gc::access::{element_place, length_of};
use crate::store::StoreInner;
use crate::store::strings::{Charge, Strings};
use crate::{Result, Trap};
use anyhow::bail;
use std::cmp::Ordering;
use std::fmt;
use upshift_abi::layout::{ArrayLayout, ObjectLayout};
use upshift_abi::types::{
    FieldType, FuncType, GlobalType, HeapType, RefType, StorageType, ValType,
};

const MODULE: &str = JsString::MODULE;
/// The most code units of a string.
const MAX_UNITS: usize = (1 << 29) - 1;
/// Code units that are copied to an array at once.
const UNITS_AT_ONCE: usize = 256;
/// Code units that cost one of fuel.
const UNITS_PER_FUEL: u64 = 256;
/// The type of references to strings that are made here.
const STRING: ValType = ValType::Ref(RefType { nullable: false, heap: HeapType::Extern });

/// A string as JavaScript has it: the value of an [`ExternRef`].
pub struct JsString {
    units: Vec<u16>,
    _charge: Charge,
}

impl JsString {
    /// The module that programs import the functions from.
    pub const MODULE: &'static str = "wasm:js-string";

    /// Puts a string into the store. May collect.
    ///
    /// # Errors
    /// When there is no memory for it, or the store's limits leave no room.
    pub fn new_ref(mut store: impl AsContextMut, text: &str) -> Result<ExternRef> {
        let mut room = Room::new(&mut store, text.encode_utf16().count())?;
        room.units.extend(text.encode_utf16());
        room.finish(store)
    }

    /// The string that a reference is to; `None` if it is to something else.
    ///
    /// # Panics
    /// When the reference belongs to another store, or its scope is over.
    pub fn of<'a, T: 'static>(
        store: impl Into<StoreContext<'a, T>>,
        value: &ExternRef,
    ) -> Option<&'a Self> {
        value.data(store)?.downcast_ref()
    }

    /// The code units.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        &self.units
    }
}

/// Unpaired surrogates are replaced.
impl fmt::Display for JsString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.units))
    }
}

impl fmt::Debug for JsString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsString").field(&self.to_string()).finish()
    }
}

/// Room for a string that is paid for.
struct Room {
    units: Vec<u16>,
    charge: Charge,
}

impl Room {
    fn new(mut store: impl AsContextMut, length: usize) -> Result<Self> {
        if length > MAX_UNITS {
            return Err(Trap::AllocationTooLarge.into());
        }
        let mut store = store.as_context_mut();
        store.inner_mut().charge_fuel(length as u64 / UNITS_PER_FUEL)?;
        let charge = Strings::charge(store.store(), 2 * length as u64)?;
        let mut units = Vec::new();
        fallible::reserve(&mut units, length)?;
        Ok(Self { units, charge })
    }

    fn finish(self, store: impl AsContextMut) -> Result<ExternRef> {
        ExternRef::new(store, JsString { units: self.units, _charge: self.charge })
    }
}

impl<T: 'static> Linker<T> {
    /// Defines the functions of `wasm:js-string`, whose strings are [`JsString`]s.
    ///
    /// # Errors
    /// When one of them is defined and shadowing is not allowed.
    pub fn js_string_builtins(&mut self) -> Result<&mut Self> {
        self.func_wrap(MODULE, "cast", |caller: Caller<'_, T>, value: Value| {
            units(&caller, value).map(|_| value.expect("a string"))
        })?;
        self.func_wrap(MODULE, "test", |caller: Caller<'_, T>, value: Value| {
            i32::from(value.is_some_and(|value| JsString::of(&caller, &value).is_some()))
        })?;
        self.func_wrap(MODULE, "length", |caller: Caller<'_, T>, value: Value| {
            units(&caller, value).map(length)
        })?;
        self.func_wrap(MODULE, "charCodeAt", |caller: Caller<'_, T>, value: Value, index: u32| {
            let unit = units(&caller, value)?.get(index as usize);
            Ok::<_, crate::Error>(u32::from(*unit.ok_or(Trap::ArrayOutOfBounds)?))
        })?;
        self.func_wrap(
            MODULE,
            "codePointAt",
            |caller: Caller<'_, T>, value: Value, index: u32| {
                code_point(units(&caller, value)?, index as usize)
            },
        )?;
        self.func_wrap(MODULE, "fromCharCode", |caller: Caller<'_, T>, code: u32| {
            make(caller, 1, |_, units| {
                units.push((code & 0xffff).try_into()?);
                Ok(())
            })
        })?;
        self.func_wrap(MODULE, "fromCodePoint", |caller: Caller<'_, T>, point: u32| {
            from_code_point(caller, point)
        })?;
        self.js_string_comparisons()?;
        self.js_string_arrays()
    }

    /// Defines the globals that a module imports from a namespace of string constants: the value of each is
    /// its name.
    ///
    /// # Errors
    /// When a name is defined and shadowing is not allowed, an import is no global that may hold a string, or
    /// there is no room for the strings.
    pub fn js_string_constants(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
        namespace: &str,
    ) -> Result<&mut Self> {
        let mut defined = std::collections::HashSet::new();
        for import in module.imports().filter(|import| import.module() == namespace) {
            let name = import.name();
            let holds_strings = |ty: GlobalType| {
                matches!(ty.content, ValType::Ref(ty) if ty.heap == HeapType::Extern) && !ty.mutable
            };
            if !matches!(import.ty(), ExternType::Global(ty) if holds_strings(ty)) {
                bail!("`{namespace}::{name}` is imported as something else than a string constant");
            }
            if defined.insert(name) {
                let value = Val::ExternRef(Some(JsString::new_ref(&mut store, name)?));
                let ty = GlobalType { content: STRING, mutable: false, shared: false };
                let global = Global::new(&mut store, ty, value)?;
                self.define(&store, namespace, name, global)?;
            }
        }
        Ok(self)
    }

    fn js_string_comparisons(&mut self) -> Result<()> {
        self.func_wrap(MODULE, "concat", |caller: Caller<'_, T>, a: Value, b: Value| {
            let length = units(&caller, a)?.len() + units(&caller, b)?.len();
            make(caller, length, |caller, made| {
                made.extend_from_slice(units(caller, a)?);
                made.extend_from_slice(units(caller, b)?);
                Ok(())
            })
        })?;
        let substring = |caller: Caller<'_, T>, value: Value, start: u32, end: u32| {
            let length = units(&caller, value)?.len();
            let (start, end) = (start as usize, (end as usize).min(length));
            let part = if start < end { start..end } else { 0..0 };
            make(caller, part.len(), |caller, made| {
                made.extend_from_slice(&units(caller, value)?[part]);
                Ok(())
            })
        };
        self.func_wrap(MODULE, "substring", substring)?;
        self.func_wrap(MODULE, "equals", |mut caller: Caller<'_, T>, a: Value, b: Value| {
            let [a, b] = [a, b].map(|value| value.map(|value| units(&caller, Some(value))));
            let [a, b] = [a.transpose()?, b.transpose()?];
            let (equal, compared) = (a == b, a.map_or(0, <[u16]>::len));
            charge(&mut caller, compared)?;
            Ok::<_, crate::Error>(i32::from(equal))
        })?;
        self.func_wrap(MODULE, "compare", |mut caller: Caller<'_, T>, a: Value, b: Value| {
            let (a, b) = (units(&caller, a)?, units(&caller, b)?);
            let (order, compared) = (a.cmp(b), a.len().min(b.len()));
            charge(&mut caller, compared)?;
            Ok::<_, crate::Error>(match order {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            })
        })?;
        Ok(())
    }

    fn js_string_arrays(&mut self) -> Result<&mut Self> {
        let element = FieldType { storage: StorageType::I16, mutable: true };
        let ty = ArrayType::new(self.engine(), element)?;
        let array = ValType::Ref(RefType { nullable: true, heap: ty.heap_type() });
        let from = FuncType::new([array, ValType::I32, ValType::I32], [STRING]);
        self.func_new(MODULE, "fromCharCodeArray", from, |caller, params, results| {
            let [array, start, end] = arguments(params);
            let (start, end) = (start.unwrap_i32().cast_unsigned(), end.unwrap_i32());
            let end = end.cast_unsigned();
            let array = CharArray::new(caller.inner(), array)?;
            if start > end || end > array.length {
                return Err(Trap::ArrayOutOfBounds.into());
            }
            let count = (end - start) as usize;
            let made = make(caller, count, |caller, units| {
                // It may have moved meanwhile.
                array.now(caller.inner()).read(caller.inner(), start..end, units);
                Ok(())
            })?;
            results[0] = Val::ExternRef(Some(made));
            Ok(())
        })?;
        let into = FuncType::new([ValType::EXTERNREF, array, ValType::I32], [ValType::I32]);
        self.func_new(MODULE, "intoCharCodeArray", into, |mut caller, params, results| {
            let [value, array, start] = arguments(params);
            let (value, start) = (value.unwrap_extern_ref(), start.unwrap_i32().cast_unsigned());
            let array = CharArray::new(caller.inner(), array)?;
            let count = length(units(&caller, value)?);
            if u64::from(start) + u64::from(count) > array.length.into() {
                return Err(Trap::ArrayOutOfBounds.into());
            }
            charge(&mut caller, count as usize)?;
            // The string is the store's, too, which writing borrows.
            let mut some = [0; UNITS_AT_ONCE];
            for from in (0..count).step_by(UNITS_AT_ONCE) {
                let rest = &units(&caller, value)?[from as usize..];
                let part = &mut some[..rest.len().min(UNITS_AT_ONCE)];
                part.copy_from_slice(&rest[..part.len()]);
                for (place, &unit) in (start + from..).zip(&*part) {
                    array.write(caller.context_mut().inner_mut(), place, unit);
                }
            }
            results[0] = Val::I32(count.cast_signed());
            Ok(())
        })
    }
}

/// A parameter that may be a string.
type Value = Option<ExternRef>;

/// The code units of a string.
fn units<'a, T: 'static>(caller: &'a Caller<'_, T>, value: Value) -> Result<&'a [u16]> {
    let string = value.and_then(|value| JsString::of(caller, &value));
    Ok(string.ok_or(Trap::CastFailure)?.units())
}

fn length(units: &[u16]) -> u32 {
    u32::try_from(units.len()).expect("strings have a limit")
}

/// Charges for an operation that looks at so many code units.
fn charge<T: 'static>(caller: &mut Caller<'_, T>, units: usize) -> Result<()> {
    caller.context_mut().inner_mut().charge_fuel(units as u64 / UNITS_PER_FUEL)
}

/// Makes a string.
fn make<T: 'static>(
    mut caller: Caller<'_, T>,
    length: usize,
    fill: impl FnOnce(&Caller<'_, T>, &mut Vec<u16>) -> Result<()>,
) -> Result<ExternRef> {
    let mut room = Room::new(&mut caller, length)?;
    fill(&caller, &mut room.units)?;
    room.finish(caller)
}

/// The code point at an index; that of a surrogate without its other half is itself.
fn code_point(units: &[u16], index: usize) -> Result<u32> {
    let from = units.get(index..).filter(|units| !units.is_empty());
    let from = from.ok_or(Trap::ArrayOutOfBounds)?;
    let first = char::decode_utf16(from.iter().copied()).next().expect("there are units");
    Ok(first.map_or_else(|lone| lone.unpaired_surrogate().into(), u32::from))
}

fn from_code_point<T: 'static>(caller: Caller<'_, T>, point: u32) -> Result<ExternRef> {
    let mut buffer = [0; 2];
    let encoded: &[u16] = match (char::from_u32(point), u16::try_from(point)) {
        (Some(char), _) => char.encode_utf16(&mut buffer),
        (None, Ok(surrogate)) => {
            buffer[0] = surrogate;
            &buffer[..1]
        }
        (None, Err(_)) => bail!("{point:#x} is no code point"),
    };
    make(caller, encoded.len(), |_, units| {
        units.extend_from_slice(encoded);
        Ok(())
    })
}

fn arguments(params: &[Val]) -> [Val; 3] {
    params.try_into().expect("the type of the function")
}

/// An array of 16-bit integers, where it is now.
struct CharArray {
    array: ArrayRef,
    layout: ArrayLayout,
    object: u32,
    length: u32,
}

impl CharArray {
    fn new(store: &StoreInner, array: Val) -> Result<Self> {
        let any = array.unwrap_any_ref().ok_or(Trap::NullArrayReference)?;
        let entry = any.entry(store).expect("an array");
        let ObjectLayout::Array(layout) = *entry.layout() else { unreachable!("an array") };
        let object = any.object(store);
        let length = length_of(store.heap().memory(), object);
        Ok(Self { array: ArrayRef::from_any(any), layout, object, length })
    }

    /// The same after a collection.
    fn now(&self, store: &StoreInner) -> Self {
        Self { object: self.array.to_any_ref().object(store), ..*self }
    }

    fn read(&self, store: &StoreInner, range: std::ops::Range<u32>, units: &mut Vec<u16>) {
        let place = |i| element_place(self.layout, self.object, i);
        units.extend(range.map(|i| store.heap().memory().read_u16(place(i))));
    }

    fn write(&self, store: &mut StoreInner, index: u32, unit: u16) {
        let place = element_place(self.layout, self.object, index);
        store.heap_mut().memory_mut().write_u16(place, unit);
    }
}
