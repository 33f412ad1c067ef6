//! Telling the host of machine code before it runs for the first time.

use super::function_table::Tier;
use std::fmt::Debug;

/// Which code of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CodeKind {
    /// The single-pass compiler's.
    Baseline,
    /// The optimising compiler's, entered by calls.
    Optimized,
    /// The optimising compiler's, entered at a loop of a baseline frame.
    Osr,
}

impl From<Tier> for CodeKind {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Baseline => Self::Baseline,
            Tier::Optimized => Self::Optimized,
            Tier::Osr => Self::Osr,
        }
    }
}

/// Code that was written to its place and is about to be published.
#[derive(Clone, Copy, Debug)]
pub struct PublishedCode<'a> {
    /// Index of the function, imports count.
    pub func: u32,
    /// The function's name, as [`Module::function_name`](crate::Module::function_name) gives it.
    pub name: Option<&'a str>,
    /// Which code of it.
    pub kind: CodeKind,
    /// Where it is.
    pub address: usize,
    /// The code.
    pub bytes: &'a [u8],
}

/// Hears of machine code, for tools that keep a copy of it: see
/// [`Config::code_observer`](crate::Config::code_observer).
pub trait CodeObserver: Debug + Send + Sync {
    /// Code is about to be published. Called on the thread that compiled it, with nothing locked;
    /// a program may wait for it.
    fn published(&self, code: &PublishedCode<'_>);
}
