//! The pre-scan of function bodies: which locals each loop touches most.
//!
//! The scan rides on validation ([`mod@crate::decode`]) and costs almost nothing there. Its result lets the
//! single-pass baseline compiler keep the hottest locals of a loop in registers across the back
//! edge without a second pass over the body.

/// What the pre-scan found about one `loop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopScan {
    /// Offset of the `loop` operator from the start of the body's range.
    pub offset: u32,
    /// The locals that the loop touches most, hottest first; integers, references, floats and
    /// vectors mixed, at most [`MAX_LOOP_LOCALS`].
    pub locals: Box<[LoopLocal]>,
    /// Weight of accesses to memory 0 in the same unit as [`LoopLocal::weight`].
    pub memory_weight: u32,
    /// Whether the loop or a loop inside it makes calls (also `memory.grow` and other operators
    /// that call the runtime on their ordinary path).
    pub has_call: bool,
    /// Whether another loop lies inside this one.
    pub has_inner_loop: bool,
}

/// A local in a [`LoopScan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopLocal {
    /// Index of the local.
    pub local: u32,
    /// Number of accesses; one in an inner loop counts [`INNER_LOOP_FACTOR`] times.
    pub weight: u32,
    /// Whether the loop writes the local.
    pub written: bool,
}

/// How many locals a [`LoopScan`] names at most.
pub const MAX_LOOP_LOCALS: usize = 24;

/// How much more an access counts in a loop one level further in.
pub const INNER_LOOP_FACTOR: u32 = 8;
