//! Lanes of vectors: splats, extraction, replacement, permutation.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

/// Declares one method of [`Lowering`] per operator with a lane.
macro_rules! lane_lowerings {
    ($($name:ident = $shape:ident($($arg:expr),*);)*) => {$(
        pub(crate) fn $name(&mut self, lane: u8, args: &[Value]) -> Value {
            self.$shape(lane, args, $($arg),*)
        }
    )*};
}

impl Lowering<'_, '_> {
    lowerings! {
        i8x16_splat = splat(I8X16);
        i16x8_splat = splat(I16X8);
        i32x4_splat = splat(I32X4);
        i64x2_splat = splat(I64X2);
        f32x4_splat = splat(F32X4);
        f64x2_splat = splat(F64X2);
        i8x16_swizzle = vbinary(I8X16, Opcode::Swizzle);
    }

    lane_lowerings! {
        i8x16_extract_lane_s = extract_small(I8X16, Opcode::Sextend);
        i8x16_extract_lane_u = extract_small(I8X16, Opcode::Uextend);
        i8x16_replace_lane = replace(I8X16);
        i16x8_extract_lane_s = extract_small(I16X8, Opcode::Sextend);
        i16x8_extract_lane_u = extract_small(I16X8, Opcode::Uextend);
        i16x8_replace_lane = replace(I16X8);
        i32x4_extract_lane = extract(I32X4);
        i32x4_replace_lane = replace(I32X4);
        i64x2_extract_lane = extract(I64X2);
        i64x2_replace_lane = replace(I64X2);
        f32x4_extract_lane = extract(F32X4);
        f32x4_replace_lane = replace(F32X4);
        f64x2_extract_lane = extract(F64X2);
        f64x2_replace_lane = replace(F64X2);
    }

    /// The bytes of two vectors, chosen by index.
    pub(crate) fn shuffle(&mut self, lanes: [u8; 16], a: Value, b: Value) -> Value {
        let immediate = self.builder.func.dfg.immediates.push(lanes.as_slice().into());
        self.ins().shuffle(a, b, immediate)
    }

    /// A scalar from the stack as a lane of a vector of type `lanes`.
    fn lane_scalar(&mut self, scalar: Value, lanes: Type) -> Value {
        let ty = lanes.lane_type();
        if self.type_of(scalar) == ty { scalar } else { self.ins().ireduce(ty, scalar) }
    }

    fn splat(&mut self, args: &[Value], lanes: Type) -> Value {
        let scalar = self.lane_scalar(args[0], lanes);
        let result = self.ins().splat(lanes, scalar);
        self.pack(result)
    }

    fn extract(&mut self, lane: u8, args: &[Value], lanes: Type) -> Value {
        let a = self.cast(args[0], lanes);
        self.ins().extractlane(a, lane)
    }

    /// A lane narrower than `i32`, extended by `op`.
    fn extract_small(&mut self, lane: u8, args: &[Value], lanes: Type, op: Opcode) -> Value {
        let scalar = self.extract(lane, args, lanes);
        self.one(op, I32, scalar)
    }

    fn replace(&mut self, lane: u8, args: &[Value], lanes: Type) -> Value {
        let a = self.cast(args[0], lanes);
        let scalar = self.lane_scalar(args[1], lanes);
        let result = self.ins().insertlane(a, scalar, lane);
        self.pack(result)
    }
}
