//! Shifts of lanes. The instructions take the count modulo the width of a lane.

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::{Opcode, Type, Value, types::*};

impl Lowering<'_, '_> {
    lowerings! {
        i8x16_shl = vshift(I8X16, Opcode::Ishl);
        i8x16_shr_s = vshift(I8X16, Opcode::Sshr);
        i8x16_shr_u = vshift(I8X16, Opcode::Ushr);
        i16x8_shl = vshift(I16X8, Opcode::Ishl);
        i16x8_shr_s = vshift(I16X8, Opcode::Sshr);
        i16x8_shr_u = vshift(I16X8, Opcode::Ushr);
        i32x4_shl = vshift(I32X4, Opcode::Ishl);
        i32x4_shr_s = vshift(I32X4, Opcode::Sshr);
        i32x4_shr_u = vshift(I32X4, Opcode::Ushr);
        i64x2_shl = vshift(I64X2, Opcode::Ishl);
        i64x2_shr_s = vshift(I64X2, Opcode::Sshr);
        i64x2_shr_u = vshift(I64X2, Opcode::Ushr);
    }

    fn vshift(&mut self, args: &[Value], lanes: Type, op: Opcode) -> Value {
        let a = self.cast(args[0], lanes);
        let result = self.two(op, a, args[1]);
        self.pack(result)
    }
}
