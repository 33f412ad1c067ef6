//! The table of vector operators with a lane immediate.
//!
//! Columns: visitor method, name, shape (`extract` or `replace`), parameter types, result type and
//! number of lanes.

/// Calls the macro `$with` with one row per vector operator that has a lane as its immediate.
#[macro_export]
macro_rules! for_each_lane_op {
    ($with:ident) => {
        $with! {
            visit_i8x16_extract_lane_s i8x16_extract_lane_s extract (V128) -> I32 16;
            visit_i8x16_extract_lane_u i8x16_extract_lane_u extract (V128) -> I32 16;
            visit_i8x16_replace_lane i8x16_replace_lane replace (V128 I32) -> V128 16;
            visit_i16x8_extract_lane_s i16x8_extract_lane_s extract (V128) -> I32 8;
            visit_i16x8_extract_lane_u i16x8_extract_lane_u extract (V128) -> I32 8;
            visit_i16x8_replace_lane i16x8_replace_lane replace (V128 I32) -> V128 8;
            visit_i32x4_extract_lane i32x4_extract_lane extract (V128) -> I32 4;
            visit_i32x4_replace_lane i32x4_replace_lane replace (V128 I32) -> V128 4;
            visit_i64x2_extract_lane i64x2_extract_lane extract (V128) -> I64 2;
            visit_i64x2_replace_lane i64x2_replace_lane replace (V128 I64) -> V128 2;
            visit_f32x4_extract_lane f32x4_extract_lane extract (V128) -> F32 4;
            visit_f32x4_replace_lane f32x4_replace_lane replace (V128 F32) -> V128 4;
            visit_f64x2_extract_lane f64x2_extract_lane extract (V128) -> F64 2;
            visit_f64x2_replace_lane f64x2_replace_lane replace (V128 F64) -> V128 2;
        }
    };
}
