//! [`TypeMismatch`]: a value where one of another type is expected.

use super::type_names::{type_name, value_type_name};
use super::val::Val;
use crate::canon::TypeRegistry;
use crate::store::StoreInner;
use upshift_abi::types::ValType;

/// A value or a type where another type is expected. Found by downcasting the error of a call, an
/// access to an object, or a conversion to a [`TypedFunc`](crate::TypedFunc).
///
/// Defined types are named by their structure, shortened when it is long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has type {found}, expected {expected}")]
pub struct TypeMismatch {
    what: String,
    found: String,
    expected: String,
}

impl TypeMismatch {
    /// What has the wrong type, such as `argument 0`.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The type that it has; of an object, the object's own.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// The type that it should have.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    pub(crate) fn of_value(
        store: &StoreInner,
        what: impl Into<String>,
        value: &Val,
        expected: ValType,
    ) -> Self {
        let types = store.engine().types();
        Self::new(what, value_type_name(store, value), type_name(types, expected))
    }

    pub(crate) fn of_type(
        types: &TypeRegistry,
        what: impl Into<String>,
        found: ValType,
        expected: ValType,
    ) -> Self {
        Self::new(what, type_name(types, found), type_name(types, expected))
    }

    fn new(what: impl Into<String>, mut found: String, expected: String) -> Self {
        if found == expected {
            // They differ in their recursion groups, or where the names are cut.
            found.push_str(" (another type of this form)");
        }
        Self { what: what.into(), found, expected }
    }
}
