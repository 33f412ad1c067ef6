//! The profiler under test: whether it tells the truth, and whether it survives everything.

pub mod accuracy;
pub mod counted;
pub mod stress;
