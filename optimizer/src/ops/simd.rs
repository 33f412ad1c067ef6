//! Vector operators. Each casts its operands from the stack's type to the lanes it works on.

mod convert;
mod float;
mod int;
mod lane;
mod relaxed;
mod shift;
mod widen;

use crate::lower::{Lowering, lowerings};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value, types::*};

impl Lowering<'_, '_> {
    lowerings! {
        v128_not = vunary(I8X16, Opcode::Bnot);
        v128_and = vbinary(I8X16, Opcode::Band);
        v128_or = vbinary(I8X16, Opcode::Bor);
        v128_xor = vbinary(I8X16, Opcode::Bxor);
        v128_any_true = vtest(I8X16, Opcode::VanyTrue);
    }

    pub(crate) fn v128_andnot(&mut self, args: &[Value]) -> Value {
        let inverted = self.ins().bnot(args[1]);
        self.ins().band(args[0], inverted)
    }

    pub(crate) fn v128_bitselect(&mut self, args: &[Value]) -> Value {
        self.ins().bitselect(args[2], args[0], args[1])
    }

    /// Two operands as lanes of type `lanes`.
    fn pair(&mut self, args: &[Value], lanes: Type) -> (Value, Value) {
        (self.cast(args[0], lanes), self.cast(args[1], lanes))
    }

    /// One instruction of one vector.
    fn vunary(&mut self, args: &[Value], lanes: Type, op: Opcode) -> Value {
        let a = self.cast(args[0], lanes);
        let result = self.one(op, lanes, a);
        self.pack(result)
    }

    /// One instruction of two vectors.
    fn vbinary(&mut self, args: &[Value], lanes: Type, op: Opcode) -> Value {
        let (a, b) = self.pair(args, lanes);
        let result = self.two(op, a, b);
        self.pack(result)
    }

    /// A truth value of a vector.
    fn vtest(&mut self, args: &[Value], lanes: Type, op: Opcode) -> Value {
        let a = self.cast(args[0], lanes);
        let bit = self.one(op, lanes, a);
        self.truth(bit)
    }
}
