//! What is wrong with a module, and where.

use crate::names::NameSection;
use std::fmt;
use std::ops::Range;

/// Why a module was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub struct DecodeError {
    /// What is wrong.
    pub message: String,
    /// Where, as offset into the module's bytes.
    pub offset: usize,
    /// The function whose body is wrong, imports counted.
    pub func: Option<u32>,
    /// That function's name, if the module has one for it.
    pub func_name: Option<String>,
    /// The kind of error.
    pub kind: DecodeErrorKind,
}

/// Kinds of [`DecodeError`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The bytes are malformed or the module is invalid.
    Invalid,
    /// The module needs a proposal that is switched off.
    MissingFeature,
    /// The module uses something that this engine does not implement.
    Unsupported,
    /// The module exceeds a limit of this engine.
    Limit,
}

impl DecodeError {
    /// An error outside function bodies.
    #[must_use]
    pub(super) const fn new(kind: DecodeErrorKind, message: String, offset: usize) -> Self {
        Self { message, offset, func: None, func_name: None, kind }
    }

    /// The same error, in the body of function `func`.
    #[must_use]
    pub(super) fn in_func(mut self, func: u32) -> Self {
        self.func = Some(func);
        self
    }

    /// The same error, with the function's name from the name section.
    #[must_use]
    pub(super) fn with_name(mut self, bytes: &[u8], section: Option<Range<usize>>) -> Self {
        if let (Some(func), Some(range)) = (self.func, section) {
            let names = NameSection::parse(bytes, range);
            self.func_name = names.function_name(bytes, func).map(str::to_owned);
        }
        self
    }
}

impl From<wasmparser::Error> for DecodeError {
    fn from(error: wasmparser::Error) -> Self {
        let kind = match error.missing_wasm_feature() {
            Some(_) => DecodeErrorKind::MissingFeature,
            None => DecodeErrorKind::Invalid,
        };
        let offset = usize::try_from(error.offset()).unwrap_or(usize::MAX);
        Self::new(kind, error.message().to_owned(), offset)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DecodeErrorKind::Invalid => "invalid module",
            DecodeErrorKind::MissingFeature => "the module needs a feature that is disabled",
            DecodeErrorKind::Unsupported => "unsupported module",
            DecodeErrorKind::Limit => "the module exceeds a limit",
        };
        write!(f, "{what}: {} (at offset {:#x}", self.message, self.offset)?;
        if let Some(func) = self.func {
            write!(f, " in function {func}")?;
        }
        if let Some(name) = &self.func_name {
            write!(f, " <{name}>")?;
        }
        f.write_str(")")
    }
}
