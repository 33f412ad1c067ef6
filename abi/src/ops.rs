//! The table of simple operators: those that are pure functions of their operands.
//!
//! One row per operator is all that names it: the visitors of both compilers, constant folding,
//! constant expressions and the generated test matrix are made from the rows. A row reads
//!
//! ```text
//! visit_i32_div_s i32_div_s binary (I32 I32) -> I32 traps;
//! ```
//!
//! visitor method, name, [`OpShape`], parameter types, result type, and whether it may trap. The
//! reference semantics of a row is the function of the same name in [`crate::eval`].
//!
//! | table | enumeration | rows |
//! |---|---|---|
//! | [`for_each_scalar_op!`](crate::for_each_scalar_op) | [`ScalarOp`] | numeric operators |
//! | [`for_each_simd_op!`](crate::for_each_simd_op) | [`SimdOp`] | vector operators, relaxed too |
//! | [`for_each_lane_op!`](crate::for_each_lane_op) | [`LaneOp`] | vector operators with a lane |

mod lane;
mod scalar;
mod simd;

use crate::types::ValType;
use wasmparser::FrameKind;

/// Whether an operator with this opcode costs no fuel: block structure and what makes no code.
#[inline]
#[must_use]
pub const fn is_free(opcode: u8) -> bool {
    // unreachable nop block loop, else try catch, end, return, delegate catch_all drop, try_table
    matches!(opcode, 0x00..=0x03 | 0x05..=0x07 | 0x0b | 0x0f | 0x18..=0x1a | 0x1f)
}

/// The position behind the LEB128 integer at `at`: encodings need not be the shortest.
#[inline]
#[must_use]
pub fn after_leb128(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| byte & 0x80 != 0) {
        at += 1;
    }
    at + 1
}

/// The kind of block that the decoder wants to see around an operator with this opcode.
#[must_use]
pub const fn wanted_frame(opcode: u8) -> FrameKind {
    match opcode {
        0x07 | 0x18 | 0x19 => FrameKind::LegacyTry,
        _ => FrameKind::If,
    }
}

/// What kind of block a control frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// The function's body.
    Func,
    /// A body in place of a call, where a tier has that.
    Inlined,
    /// `block`
    Block,
    /// `loop`
    Loop,
    /// `if` before its `else`
    If,
    /// `if` behind its `else`
    Else,
    /// `try_table`
    TryTable,
    /// `try` before its first clause
    Try,
    /// `catch`
    Catch,
    /// `catch_all`
    CatchAll,
}

impl From<BlockKind> for FrameKind {
    fn from(kind: BlockKind) -> Self {
        match kind {
            BlockKind::Func | BlockKind::Inlined | BlockKind::Block => Self::Block,
            BlockKind::Loop => Self::Loop,
            BlockKind::If => Self::If,
            BlockKind::Else => Self::Else,
            BlockKind::TryTable => Self::TryTable,
            BlockKind::Try => Self::LegacyTry,
            BlockKind::Catch => Self::LegacyCatch,
            BlockKind::CatchAll => Self::LegacyCatchAll,
        }
    }
}

/// What an operator does with its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpShape {
    /// One operand and a result of the same type.
    Unary,
    /// Two operands and a result of the same type.
    Binary,
    /// Three vectors to one.
    Ternary,
    /// An integer to a truth value.
    Test,
    /// Two scalars to a truth value.
    Compare,
    /// A scalar to another scalar type.
    Convert,
    /// A vector and a shift count.
    Shift,
    /// A scalar to all lanes of a vector.
    Splat,
    /// A vector to an `i32`.
    Reduce,
}

macro_rules! shape {
    (unary) => {
        OpShape::Unary
    };
    (binary) => {
        OpShape::Binary
    };
    (ternary) => {
        OpShape::Ternary
    };
    (test) => {
        OpShape::Test
    };
    (compare) => {
        OpShape::Compare
    };
    (convert) => {
        OpShape::Convert
    };
    (shift) => {
        OpShape::Shift
    };
    (splat) => {
        OpShape::Splat
    };
    (reduce) => {
        OpShape::Reduce
    };
}

macro_rules! effect {
    (total) => {
        false
    };
    (traps) => {
        true
    };
}

/// The text format's name of an operator: the prefix up to the first `_` is set off by a dot.
fn text_name(name: &str) -> String {
    name.replacen('_', ".", 1)
}

/// Defines an enumeration of the rows `$rows` of a table with the columns of the module head.
macro_rules! define_ops {
    ($(#[$doc:meta])* $enum:ident: $($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $effect:ident;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(non_camel_case_types, reason = "the names are those of the reference functions")]
        pub enum $enum {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)*
        }

        impl $enum {
            /// All operators in table order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the variant and of its reference function.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The name in the text format.
            #[must_use]
            pub fn wat_name(self) -> String {
                text_name(self.name())
            }

            /// What the operator does with its operands.
            #[must_use]
            pub const fn shape(self) -> OpShape {
                match self { $(Self::$name => shape!($shape),)* }
            }

            /// Types of the operands.
            #[must_use]
            pub const fn params(self) -> &'static [ValType] {
                match self { $(Self::$name => &[$(ValType::$param),*],)* }
            }

            /// Type of the result.
            #[must_use]
            pub const fn result(self) -> ValType {
                match self { $(Self::$name => ValType::$result,)* }
            }

            /// Whether some operands make it trap.
            #[must_use]
            pub const fn traps(self) -> bool {
                match self { $(Self::$name => effect!($effect),)* }
            }
        }
    };
}

macro_rules! define_scalar_ops {
    ($($rows:tt)*) => {
        define_ops! {
            /// A scalar operator without immediates.
            ScalarOp: $($rows)*
        }
    };
}

macro_rules! define_simd_ops {
    ($($rows:tt)*) => {
        define_ops! {
            /// A vector operator without immediates.
            SimdOp: $($rows)*
        }
    };
}

macro_rules! define_lane_ops {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $lanes:literal;)*) => {
        /// A vector operator with a lane immediate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(non_camel_case_types, reason = "the names are those of the reference functions")]
        pub enum LaneOp {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)*
        }

        impl LaneOp {
            /// All operators in table order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the variant and of its reference function.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The name in the text format.
            #[must_use]
            pub fn wat_name(self) -> String {
                text_name(self.name())
            }

            /// Types of the operands.
            #[must_use]
            pub const fn params(self) -> &'static [ValType] {
                match self { $(Self::$name => &[$(ValType::$param),*],)* }
            }

            /// Type of the result.
            #[must_use]
            pub const fn result(self) -> ValType {
                match self { $(Self::$name => ValType::$result,)* }
            }

            /// Number of lanes: the immediate is below it.
            #[must_use]
            pub const fn lanes(self) -> u8 {
                match self { $(Self::$name => $lanes,)* }
            }
        }
    };
}

crate::for_each_scalar_op! { define_scalar_ops }
crate::for_each_simd_op! { define_simd_ops }
crate::for_each_lane_op! { define_lane_ops }

/// A simple operator without immediates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SimpleOp {
    /// A row of the scalar table.
    Scalar(ScalarOp),
    /// A row of the vector table.
    Simd(SimdOp),
}

impl From<ScalarOp> for SimpleOp {
    fn from(op: ScalarOp) -> Self {
        Self::Scalar(op)
    }
}

impl From<SimdOp> for SimpleOp {
    fn from(op: SimdOp) -> Self {
        Self::Simd(op)
    }
}

impl SimpleOp {
    /// All operators of both tables.
    pub fn all() -> impl Iterator<Item = Self> {
        let scalars = ScalarOp::ALL.iter().map(|&op| Self::Scalar(op));
        scalars.chain(SimdOp::ALL.iter().map(|&op| Self::Simd(op)))
    }

    /// The name of the reference function.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar(op) => op.name(),
            Self::Simd(op) => op.name(),
        }
    }

    /// The name in the text format.
    #[must_use]
    pub fn wat_name(self) -> String {
        text_name(self.name())
    }

    /// What the operator does with its operands.
    #[must_use]
    pub const fn shape(self) -> OpShape {
        match self {
            Self::Scalar(op) => op.shape(),
            Self::Simd(op) => op.shape(),
        }
    }

    /// Types of the operands.
    #[must_use]
    pub const fn params(self) -> &'static [ValType] {
        match self {
            Self::Scalar(op) => op.params(),
            Self::Simd(op) => op.params(),
        }
    }

    /// Type of the result.
    #[must_use]
    pub const fn result(self) -> ValType {
        match self {
            Self::Scalar(op) => op.result(),
            Self::Simd(op) => op.result(),
        }
    }

    /// Whether some operands make it trap.
    #[must_use]
    pub const fn traps(self) -> bool {
        match self {
            Self::Scalar(op) => op.traps(),
            Self::Simd(op) => op.traps(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_have_their_dot_after_the_type() {
        assert_eq!(ScalarOp::i64_trunc_sat_f32_u.wat_name(), "i64.trunc_sat_f32_u");
        assert_eq!(SimdOp::f64x2_convert_low_i32x4_s.wat_name(), "f64x2.convert_low_i32x4_s");
        assert_eq!(LaneOp::i8x16_extract_lane_s.wat_name(), "i8x16.extract_lane_s");
    }

    #[test]
    fn columns_are_read() {
        assert_eq!(ScalarOp::i32_div_s.params(), [ValType::I32, ValType::I32]);
        assert!(ScalarOp::i32_div_s.traps());
        assert!(!ScalarOp::i32_add.traps());
        assert_eq!(ScalarOp::f64_eq.shape(), OpShape::Compare);
        assert_eq!(SimdOp::i8x16_shl.params(), [ValType::V128, ValType::I32]);
        assert_eq!(LaneOp::f64x2_replace_lane.lanes(), 2);
        assert_eq!(SimpleOp::all().count(), ScalarOp::ALL.len() + SimdOp::ALL.len());
    }
}
