//! [`StructType`] and [`ArrayType`]: types of objects, those of modules and those that the host defines.

use super::engine::Engine;
use super::type_names::{definition_name, field_name};
use crate::canon::{TypeEntry, TypeRegistry};
use crate::{Result, canon};
use std::fmt;
use upshift_abi::layout::{ArrayLayout, ObjectLayout};
use upshift_abi::types::{CompositeType, FieldType, HeapType, StorageType};

/// Whether other types may be declared to be below a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finality {
    /// They may not.
    Final,
    /// They may.
    NonFinal,
}

/// Why a type cannot be defined. Found by downcasting the error of a constructor of [`StructType`] or
/// [`ArrayType`]. Types are named by their structure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// It has more fields than a structure may have.
    #[error("a structure has {MAX_FIELDS} fields at most, this one {0}")]
    TooManyFields(usize),
    /// A field, the elements or the supertype are of another engine, or of a type that nothing keeps any
    /// more.
    #[error("a type that is named is not one of the engine's")]
    UnknownType,
    /// The supertype allows no subtypes.
    #[error("the supertype {0} is final")]
    FinalSupertype(String),
    /// The type has fewer fields than the supertype.
    #[error("the supertype has {expected} fields, the type has only {found}")]
    MissingFields {
        /// How many the supertype has.
        expected: usize,
        /// How many the type has.
        found: usize,
    },
    /// A field or the elements are of no subtype of the supertype's, or of another type where they may be
    /// set, or not both of them may be set.
    #[error("{what} has type {found}, which is not below {expected} of the supertype")]
    NotBelow {
        /// Which field, or the elements.
        what: String,
        /// Its type.
        found: String,
        /// The supertype's.
        expected: String,
    },
    /// It is below too many others.
    #[error("a type is below {} others at most", canon::MAX_DEPTH)]
    TooDeep,
}

/// Most fields of a structure.
const MAX_FIELDS: usize = 10_000;

macro_rules! object_types {
    ($($name:ident $composite:ident $what:literal)*) => {$(
        /// Types are equal when the specification says so.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.entry.same(&other.entry)
            }
        }

        impl Eq for $name {}

        /// Tells the structure of the type.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = format_args!("{:?}, {:?}", self.finality(), self.entry.composite());
                f.debug_tuple(stringify!($name)).field(&name).finish()
            }
        }

        impl $name {
            #[doc = concat!("The ", $what, " type that a type of references names, as those of parameters, results")]
            /// and fields do; `None` when it names none of the engine's.
            #[must_use]
            pub fn from_heap_type(engine: &Engine, heap: HeapType) -> Option<Self> {
                let HeapType::Concrete(name) = heap else { return None };
                let entry = engine.types().find(name)?;
                matches!(entry.composite(), CompositeType::$composite(_)).then_some(Self { entry })
            }

            /// The type as one of references, for fields, elements and signatures. It is good in the
            /// type's engine as long as something keeps the type: this, or what names it. Elsewhere and
            /// later it is a type that does not exist, which errors tell.
            #[must_use]
            pub fn heap_type(&self) -> HeapType {
                self.entry.heap_type()
            }

            /// Whether types may be declared to be below it.
            #[must_use]
            pub fn finality(&self) -> Finality {
                if self.entry.is_final() { Finality::Final } else { Finality::NonFinal }
            }

            /// The type that it is declared to be right below.
            #[must_use]
            pub fn supertype(&self) -> Option<Self> {
                self.entry.supertype_entry().map(|entry| Self { entry })
            }

            #[doc = concat!("Whether references to ", $what, "s of this type are references of type `other`:")]
            /// whether it is that type, or declared to be below it.
            #[must_use]
            pub fn matches(&self, other: &Self) -> bool {
                let mut above = Some(self.entry.clone());
                while let Some(entry) = above {
                    if entry.same(&other.entry) {
                        return true;
                    }
                    above = entry.supertype_entry();
                }
                false
            }
        }
    )*};
}

object_types! {
    StructType Struct "structure"
    ArrayType Array "array"
}

/// A structure type of an engine. It keeps the types that it names.
#[derive(Clone)]
pub struct StructType {
    pub(super) entry: TypeEntry,
}

impl StructType {
    /// A final type with these fields that stands alone.
    ///
    /// # Errors
    /// A [`TypeError`] when there are more than 10,000 fields, or one is of a defined type that is not one
    /// of the engine's.
    pub fn new(engine: &Engine, fields: impl IntoIterator<Item = FieldType>) -> Result<Self> {
        Self::with_finality_and_supertype(engine, Finality::Final, None, fields)
    }

    /// A type with these fields below another one, whose fields come first: they may have subtypes of
    /// that one's where they may not be set, and are of the same types otherwise.
    ///
    /// ```
    /// use upshift::{Engine, FieldType, Finality, StorageType, StructType, ValType};
    ///
    /// let engine = Engine::default();
    /// let number = FieldType { storage: StorageType::Val(ValType::I32), mutable: true };
    /// let open = Finality::NonFinal;
    /// let point = StructType::with_finality_and_supertype(&engine, open, None, [number; 2])?;
    /// let pixel = StructType::with_finality_and_supertype(
    ///     &engine,
    ///     Finality::Final,
    ///     Some(&point),
    ///     [number, number, FieldType { storage: StorageType::I8, mutable: false }],
    /// )?;
    /// assert!(pixel.matches(&point) && !point.matches(&pixel));
    /// # Ok::<(), upshift::Error>(())
    /// ```
    ///
    /// # Errors
    /// A [`TypeError`]: as [`Self::new`], or when the type may not be below the supertype.
    pub fn with_finality_and_supertype(
        engine: &Engine,
        finality: Finality,
        supertype: Option<&Self>,
        fields: impl IntoIterator<Item = FieldType>,
    ) -> Result<Self> {
        let fields: Box<[FieldType]> = fields.into_iter().collect();
        if fields.len() > MAX_FIELDS {
            return Err(TypeError::TooManyFields(fields.len()).into());
        }
        let supertype = supertype.map(|ty| &ty.entry);
        let entry = define(engine, finality, supertype, CompositeType::Struct(fields))?;
        Ok(Self { entry })
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldType] {
        match self.entry.composite() {
            CompositeType::Struct(fields) => fields,
            CompositeType::Func(_) | CompositeType::Array(_) | CompositeType::Cont(_) => {
                unreachable!("a structure type")
            }
        }
    }
}

/// An array type of an engine. It keeps the types that it names.
#[derive(Clone)]
pub struct ArrayType {
    pub(super) entry: TypeEntry,
}

impl ArrayType {
    /// A final type with these elements that stands alone.
    ///
    /// # Errors
    /// A [`TypeError`] when elements are of a defined type that is not one of the engine's.
    pub fn new(engine: &Engine, element: FieldType) -> Result<Self> {
        Self::with_finality_and_supertype(engine, Finality::Final, None, element)
    }

    /// A type with these elements below another one: they may have a subtype of that one's where they may
    /// not be set, and are of the same type otherwise.
    ///
    /// # Errors
    /// A [`TypeError`]: as [`Self::new`], or when the type may not be below the supertype.
    pub fn with_finality_and_supertype(
        engine: &Engine,
        finality: Finality,
        supertype: Option<&Self>,
        element: FieldType,
    ) -> Result<Self> {
        let supertype = supertype.map(|ty| &ty.entry);
        let entry = define(engine, finality, supertype, CompositeType::Array(element))?;
        Ok(Self { entry })
    }

    /// The elements.
    #[must_use]
    pub fn element(&self) -> FieldType {
        match self.entry.composite() {
            CompositeType::Array(element) => *element,
            CompositeType::Func(_) | CompositeType::Struct(_) | CompositeType::Cont(_) => {
                unreachable!("an array type")
            }
        }
    }

    pub(super) fn layout(&self) -> ArrayLayout {
        match self.entry.layout() {
            ObjectLayout::Array(layout) => *layout,
            ObjectLayout::Struct(_) | ObjectLayout::None => unreachable!("an array type"),
        }
    }
}

/// Defines a type that stands alone, when that is valid
/// ([§3.4.2](https://webassembly.github.io/spec/core/valid/types.html#sub-types)).
fn define(
    engine: &Engine,
    finality: Finality,
    supertype: Option<&TypeEntry>,
    composite: CompositeType,
) -> Result<TypeEntry, TypeError> {
    let types = engine.types();
    if let Some(supertype) = supertype {
        // What it names must not go away while it is looked at.
        let _held = types.hold(&composite).ok_or(TypeError::UnknownType)?;
        check_supertype(types, &composite, supertype)?;
    }
    let entry = types.register_sub(finality == Finality::Final, supertype, composite);
    entry.map_err(|_| TypeError::UnknownType)
}

fn check_supertype(
    types: &TypeRegistry,
    composite: &CompositeType,
    supertype: &TypeEntry,
) -> Result<(), TypeError> {
    if !types.owns(supertype) {
        return Err(TypeError::UnknownType);
    }
    if supertype.is_final() {
        return Err(TypeError::FinalSupertype(definition_name(types, supertype)));
    }
    if supertype.depth() >= canon::MAX_DEPTH {
        return Err(TypeError::TooDeep);
    }
    let (fields, above) = (fields_of(composite), fields_of(supertype.composite()));
    if fields.len() < above.len() {
        let (expected, found) = (above.len(), fields.len());
        return Err(TypeError::MissingFields { expected, found });
    }
    for (i, (&field, &above)) in fields.iter().zip(above).enumerate() {
        if !is_field_below(types, field, above) {
            let is_array = matches!(composite, CompositeType::Array(_));
            let what = if is_array { "the element".to_owned() } else { format!("field {i}") };
            let [found, expected] = [field, above].map(|field| field_name(types, field));
            return Err(TypeError::NotBelow { what, found, expected });
        }
    }
    Ok(())
}

fn fields_of(composite: &CompositeType) -> &[FieldType] {
    match composite {
        CompositeType::Struct(fields) => fields,
        CompositeType::Array(element) => std::slice::from_ref(element),
        CompositeType::Func(_) | CompositeType::Cont(_) => unreachable!("a type of objects"),
    }
}

fn is_field_below(types: &TypeRegistry, field: FieldType, above: FieldType) -> bool {
    if field.mutable || above.mutable {
        return field == above;
    }
    match (field.storage, above.storage) {
        (StorageType::Val(field), StorageType::Val(above)) => types.is_subtype(field, above),
        (field, above) => field == above,
    }
}
