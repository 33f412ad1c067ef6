//! Types, and operators that give a value of each.

use std::fmt;

/// A type of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Extern,
    Exn,
    Any,
    /// `(ref null $node)`, a structure.
    Node,
    /// `(ref null $refs)`, an array.
    Refs,
    /// `(ref null $code)`, a function of the last one's type.
    Code,
}

use Ty::{Any, Code, Exn, Extern, F32, F64, Func, I32, I64, Node, Refs, V128};

/// An operator and what it takes.
pub(super) type Operator = (&'static str, &'static [Ty]);

impl Ty {
    pub(super) const ALL: [Self; 12] =
        [I32, I64, F32, F64, V128, Func, Extern, Exn, Any, Node, Refs, Code];
    pub(super) const NUMERIC: [Self; 5] = [I32, I64, F32, F64, V128];

    pub(super) fn name(self) -> &'static str {
        match self {
            I32 => "i32",
            I64 => "i64",
            F32 => "f32",
            F64 => "f64",
            V128 => "v128",
            Func => "funcref",
            Extern => "externref",
            Exn => "exnref",
            Any => "anyref",
            Node => "(ref null $node)",
            Refs => "(ref null $refs)",
            Code => "(ref null $code)",
        }
    }

    pub(super) fn is_reference(self) -> bool {
        matches!(self, Func | Extern | Exn | Any | Node | Refs | Code)
    }

    /// Operators that give a value of this type and do not trap.
    pub(super) fn operators(self) -> &'static [Operator] {
        match self {
            I32 => I32_OPERATORS,
            I64 => I64_OPERATORS,
            F32 => F32_OPERATORS,
            F64 => F64_OPERATORS,
            V128 => V128_OPERATORS,
            Func => &[
                ("ref.func $leaf", &[]),
                ("ref.null func", &[]),
                ("", &[Code]),
                ("i32.const 3 i32.and table.get $refs", &[I32]),
            ],
            Extern => &[("ref.null extern", &[]), ("extern.convert_any", &[Any])],
            Exn => &[("ref.null exn", &[])],
            Any => ANY_OPERATORS,
            Node => NODE_OPERATORS,
            Refs => REFS_OPERATORS,
            Code => CODE_OPERATORS,
        }
    }

    pub(super) fn constants(self) -> &'static [&'static str] {
        match self {
            I32 => &["i32.const 0", "i32.const 1", "i32.const -1", "i32.const 0x80000000"],
            I64 => &["i64.const 0", "i64.const 3", "i64.const -1", "i64.const 0x123456789abcdef"],
            F32 => &["f32.const 1.5", "f32.const -0", "f32.const inf", "f32.const nan"],
            F64 => &["f64.const 0.1", "f64.const -0", "f64.const -inf", "f64.const nan"],
            V128 => &["v128.const i64x2 0 0", "v128.const i32x4 1 -2 3 0x40400000"],
            Func => &["ref.func $leaf", "ref.null func"],
            Extern => &["ref.null extern"],
            Exn => &["ref.null exn"],
            Any => &["ref.null any", "i32.const 5 ref.i31", "global.get $g_any"],
            Node => &["ref.null $node", "i32.const 2 call $many"],
            Refs => &["ref.null $refs", "i32.const 7 call $long"],
            Code => &["ref.null $code", "ref.func $leaf", "global.get $g_code"],
        }
    }

    /// Code that turns a value into an i64; all of them together say all about it.
    pub(super) fn to_i64(self) -> &'static [&'static str] {
        match self {
            I32 => &["i64.extend_i32_u"],
            I64 => &[""],
            F32 => &["i32.reinterpret_f32 i64.extend_i32_u"],
            F64 => &["i64.reinterpret_f64"],
            V128 => &["i64x2.extract_lane 0", "i64x2.extract_lane 1"],
            Func | Extern | Exn | Code => &["ref.is_null i64.extend_i32_u"],
            Any | Node | Refs => &["i32.const 3 call $digest"],
        }
    }

    /// Code that turns an i64 into a value.
    pub(super) fn narrowing(self) -> &'static str {
        match self {
            I32 => "i32.wrap_i64",
            I64 => "",
            F32 => "i32.wrap_i64 f32.reinterpret_i32",
            F64 => "f64.reinterpret_i64",
            V128 => "i64x2.splat",
            Func => "drop ref.null func",
            Extern => "drop ref.null extern",
            Exn => "drop ref.null exn",
            Any => "i32.wrap_i64 ref.i31",
            Node => "drop ref.null $node",
            Refs => "drop ref.null $refs",
            Code => "drop ref.null $code",
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Operators that give references of any kind.
const ANY_OPERATORS: &[Operator] = &[
    ("ref.i31", &[I32]),
    ("", &[Node]),
    ("", &[Refs]),
    ("any.convert_extern", &[Extern]),
    ("global.get $g_any", &[]),
    ("i32.const 3 i32.and table.get $objects", &[I32]),
    (
        "block (param (ref null $node)) (result anyref) block (param (ref null $node)) \
         br_on_null 0 struct.get $node 1 br 1 end ref.null any end",
        &[Node],
    ),
    ("i32.const 3 array.new $halves", &[I32]),
    ("ref.func $leaf i32.const 40 array.new $funcs", &[]),
    ("array.new_fixed $halves 2", &[I32, I32]),
];

/// Operators that give structures.
const NODE_OPERATORS: &[Operator] = &[
    ("struct.new $node", &[I32, Any, Func, F64, Extern, Exn, I32]),
    ("struct.new $big", &[I32, Any, Func, F64, Extern, Exn, I32, V128, Node, I32]),
    ("struct.new_default $node", &[]),
    ("struct.new_default $big", &[]),
    ("call $many", &[I32]),
    (
        "block (param anyref) (result (ref null $node)) br_on_cast 0 anyref (ref null $node) \
         drop ref.null $node end",
        &[Any],
    ),
    (
        "block (param (ref null $node)) (result (ref null $node)) block (param (ref null $node)) \
         (result (ref null $node)) br_on_cast_fail 0 (ref null $node) (ref $big) \
         struct.get $big 8 br 1 end drop ref.null $big end",
        &[Node],
    ),
];

/// Operators that give arrays.
const REFS_OPERATORS: &[Operator] = &[
    ("call $long", &[I32]),
    ("array.new_fixed $refs 3", &[Any, Node, Refs]),
    ("i32.const 5 array.new $refs", &[Any]),
    ("i32.const 0 array.new_default $refs", &[]),
    ("i32.const 200 array.new $refs", &[Any]),
    (
        "block (param anyref) (result (ref null $refs)) br_on_cast 0 anyref (ref $refs) \
         drop ref.null $refs end",
        &[Any],
    ),
];

/// Operators that give functions of a known type.
const CODE_OPERATORS: &[Operator] = &[
    ("ref.func $leaf", &[]),
    ("global.get $g_code", &[]),
    ("i32.const 3 i32.and table.get $codes", &[I32]),
    (
        "block (param (ref null $code)) (result (ref null $code)) \
         br_on_non_null 0 ref.func $leaf end",
        &[Code],
    ),
    (
        "block (param (ref null $code)) (result (ref null $code)) block (param (ref null $code)) \
         br_on_null 0 ref.as_non_null br 1 end ref.null $code end",
        &[Code],
    ),
];

const I32_OPERATORS: &[Operator] = &[
    ("ref.is_null", &[Code]),
    (
        "block (param i32 (ref null $code)) (result i32) br_on_null 0 drop i32.const 1 i32.add end",
        &[I32, Code],
    ),
    ("ref.eq", &[Node, Refs]),
    ("ref.eq", &[Node, Node]),
    ("ref.test (ref $big)", &[Any]),
    ("ref.test (ref null $node)", &[Any]),
    ("ref.test (ref array)", &[Any]),
    ("ref.test (ref eq)", &[Any]),
    ("ref.test (ref struct)", &[Node]),
    ("i32.const 2 call $digest i32.wrap_i64", &[Any]),
    (
        "block (param (ref null $node)) (result i32) block (param (ref null $node)) \
         br_on_null 0 struct.get_u $node 6 br 1 end i32.const -7 end",
        &[Node],
    ),
    ("i32.add", &[I32, I32]),
    ("i32.sub", &[I32, I32]),
    ("i32.mul", &[I32, I32]),
    ("i32.and", &[I32, I32]),
    ("i32.xor", &[I32, I32]),
    ("i32.shl", &[I32, I32]),
    ("i32.shr_s", &[I32, I32]),
    ("i32.rotr", &[I32, I32]),
    ("i32.lt_s", &[I32, I32]),
    ("i32.ge_u", &[I32, I32]),
    ("i32.eqz", &[I32]),
    ("i32.popcnt", &[I32]),
    ("i32.extend8_s", &[I32]),
    ("i32.const 1 i32.or i32.div_u", &[I32, I32]),
    ("i32.const 1 i32.or i32.rem_s", &[I32, I32]),
    ("i32.wrap_i64", &[I64]),
    ("i64.ne", &[I64, I64]),
    ("i64.lt_u", &[I64, I64]),
    ("f32.lt", &[F32, F32]),
    ("f64.ne", &[F64, F64]),
    ("i32.trunc_sat_f64_s", &[F64]),
    ("i32.trunc_sat_f32_u", &[F32]),
    ("i32.reinterpret_f32", &[F32]),
    ("i8x16.bitmask", &[V128]),
    ("i32x4.extract_lane 1", &[V128]),
    ("i16x8.all_true", &[V128]),
    ("ref.is_null", &[Func]),
    ("ref.is_null", &[Extern]),
];

const I64_OPERATORS: &[Operator] = &[
    ("i64.add", &[I64, I64]),
    ("i64.sub", &[I64, I64]),
    ("i64.mul", &[I64, I64]),
    ("i64.or", &[I64, I64]),
    ("i64.xor", &[I64, I64]),
    ("i64.shl", &[I64, I64]),
    ("i64.shr_u", &[I64, I64]),
    ("i64.rotl", &[I64, I64]),
    ("i64.ctz", &[I64]),
    ("i64.extend32_s", &[I64]),
    ("i64.const 1 i64.or i64.rem_u", &[I64, I64]),
    ("i64.extend_i32_s", &[I32]),
    ("i64.extend_i32_u", &[I32]),
    ("i64.trunc_sat_f64_u", &[F64]),
    ("i64.reinterpret_f64", &[F64]),
    ("i64x2.extract_lane 1", &[V128]),
];

const F32_OPERATORS: &[Operator] = &[
    ("f32.add", &[F32, F32]),
    ("f32.sub", &[F32, F32]),
    ("f32.mul", &[F32, F32]),
    ("f32.div", &[F32, F32]),
    ("f32.min", &[F32, F32]),
    ("f32.copysign", &[F32, F32]),
    ("f32.sqrt", &[F32]),
    ("f32.neg", &[F32]),
    ("f32.nearest", &[F32]),
    ("f32.demote_f64", &[F64]),
    ("f32.convert_i32_s", &[I32]),
    ("f32.convert_i64_u", &[I64]),
    ("f32.reinterpret_i32", &[I32]),
    ("f32x4.extract_lane 2", &[V128]),
];

const F64_OPERATORS: &[Operator] = &[
    ("f64.add", &[F64, F64]),
    ("f64.sub", &[F64, F64]),
    ("f64.mul", &[F64, F64]),
    ("f64.div", &[F64, F64]),
    ("f64.max", &[F64, F64]),
    ("f64.abs", &[F64]),
    ("f64.floor", &[F64]),
    ("f64.promote_f32", &[F32]),
    ("f64.convert_i32_u", &[I32]),
    ("f64.convert_i64_s", &[I64]),
    ("f64.reinterpret_i64", &[I64]),
    ("f64x2.extract_lane 0", &[V128]),
];

const V128_OPERATORS: &[Operator] = &[
    ("i8x16.add", &[V128, V128]),
    ("i16x8.mul", &[V128, V128]),
    ("i32x4.sub", &[V128, V128]),
    ("i64x2.add", &[V128, V128]),
    ("f32x4.mul", &[V128, V128]),
    ("f64x2.add", &[V128, V128]),
    ("i8x16.swizzle", &[V128, V128]),
    ("i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31", &[V128, V128]),
    ("v128.xor", &[V128, V128]),
    ("v128.not", &[V128]),
    ("v128.bitselect", &[V128, V128, V128]),
    ("i32x4.gt_s", &[V128, V128]),
    ("i16x8.shl", &[V128, I32]),
    ("i8x16.splat", &[I32]),
    ("i64x2.splat", &[I64]),
    ("f32x4.splat", &[F32]),
    ("f64x2.replace_lane 1", &[V128, F64]),
    ("i32x4.replace_lane 3", &[V128, I32]),
];
