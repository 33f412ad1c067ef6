//! Globals as machine code sees them.

/// The content of a global: the value in the low bytes, references and `i32` zero-extended to 8.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalCell {
    /// Low and high half.
    pub bits: [u64; 2],
}
