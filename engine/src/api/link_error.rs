//! [`LinkError`]: why imports could not be resolved.

/// Why a module could not be linked. Found by downcasting the error of an instantiation or of a
/// [`Linker`](crate::Linker) method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing of that name was defined.
    #[error("unknown import: `{module}::{name}` has not been defined")]
    UnknownImport {
        /// Module name.
        module: String,
        /// Field name.
        name: String,
    },
    /// What was provided has another type.
    #[error("incompatible import type for `{module}::{name}`: {reason}")]
    IncompatibleImport {
        /// Module name.
        module: String,
        /// Field name.
        name: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// The list of imports has the wrong length.
    #[error("expected {expected} imports, found {found}")]
    WrongNumberOfImports {
        /// Imports of the module.
        expected: usize,
        /// Imports given.
        found: usize,
    },
    /// A definition of the same name exists and shadowing is not allowed.
    #[error("import of `{module}::{name}` defined twice")]
    DefinedTwice {
        /// Module name.
        module: String,
        /// Field name.
        name: String,
    },
}
