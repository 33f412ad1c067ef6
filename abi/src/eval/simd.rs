//! Vector operators.

mod float;
mod int;
mod lanes;
mod relaxed;
mod widen;

pub use float::*;
pub use int::*;
pub use lanes::V128;
pub use relaxed::*;
pub use widen::*;
