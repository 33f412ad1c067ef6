//! Tables as machine code sees them.

/// A table: elements of 8 bytes, null is 0.
#[repr(C)]
#[derive(Debug)]
pub struct TableDef {
    /// First element. Changes when the table grows.
    pub base: *mut u64,
    /// Number of elements.
    pub len: u64,
}
