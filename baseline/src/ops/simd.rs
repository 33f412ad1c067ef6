//! Vector operators.
//!
//! Operators without immediates and those with a lane come from the shared tables; their bodies
//! have the operators' names and are in the files of their families. Most bodies are rows: the
//! operator, the shape of its lowering, and the instruction or sequence that it takes.
//!
//! | shape | lowering |
//! |---|---|
//! | `vunary`, `vbinary` | one instruction; the second operand may stay in its frame slot |
//! | `vbinary_swapped` | the same with operands exchanged |
//! | `vunary_seq`, `vbinary_seq` | a sequence of the assembler |
//! | `.._temp` | a sequence that needs a register more |

mod convert;
mod float;
mod int;
mod lane;
mod memory;
mod relaxed;
mod shift;
mod widen;

use crate::compiler::FuncCompiler;
use crate::masm::vex::Vex;
use crate::masm::{Asm, Xmm};
use crate::ops::int::Dest;
use crate::value::{Operand, Ty, Value};
use upshift_abi::{for_each_lane_op, for_each_simd_op};
use wasmparser::{MemArg, V128, VisitSimdOperator};

/// Declares bodies of one shape per row: `operator = shape(arguments);`.
macro_rules! lowerings {
    ($($name:ident = $shape:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self) {
            self.$shape($($arg),*);
        }
    )*};
}
use lowerings;

macro_rules! visit_simple {
    ($($visit:ident $name:ident $shape:ident ($($param:ident)*) -> $result:ident total;)*) => {$(
        fn $visit(&mut self) {
            self.$name();
        }
    )*};
}

macro_rules! visit_lanes {
    ($($visit:ident $name:ident $shape:ident
        ($($param:ident)*) -> $result:ident $lanes:literal;)*) => {$(
        fn $visit(&mut self, lane: u8) {
            self.$name(lane);
        }
    )*};
}

macro_rules! visit_memory {
    ($($visit:ident $name:ident;)*) => {$(
        fn $visit(&mut self, memarg: MemArg) {
            self.$name(&memarg);
        }
    )*};
}

macro_rules! visit_memory_lanes {
    ($($visit:ident $name:ident;)*) => {$(
        fn $visit(&mut self, memarg: MemArg, lane: u8) {
            self.$name(&memarg, lane);
        }
    )*};
}

impl<'a> VisitSimdOperator<'a> for FuncCompiler<'a> {
    for_each_simd_op! { visit_simple }
    for_each_lane_op! { visit_lanes }

    visit_memory! {
        visit_v128_load v128_load;
        visit_v128_load8x8_s v128_load8x8_s;
        visit_v128_load8x8_u v128_load8x8_u;
        visit_v128_load16x4_s v128_load16x4_s;
        visit_v128_load16x4_u v128_load16x4_u;
        visit_v128_load32x2_s v128_load32x2_s;
        visit_v128_load32x2_u v128_load32x2_u;
        visit_v128_load8_splat v128_load8_splat;
        visit_v128_load16_splat v128_load16_splat;
        visit_v128_load32_splat v128_load32_splat;
        visit_v128_load64_splat v128_load64_splat;
        visit_v128_load32_zero v128_load32_zero;
        visit_v128_load64_zero v128_load64_zero;
        visit_v128_store v128_store;
    }

    visit_memory_lanes! {
        visit_v128_load8_lane v128_load8_lane;
        visit_v128_load16_lane v128_load16_lane;
        visit_v128_load32_lane v128_load32_lane;
        visit_v128_load64_lane v128_load64_lane;
        visit_v128_store8_lane v128_store8_lane;
        visit_v128_store16_lane v128_store16_lane;
        visit_v128_store32_lane v128_store32_lane;
        visit_v128_store64_lane v128_store64_lane;
    }

    fn visit_v128_const(&mut self, value: V128) {
        let d = self.dest(self.after_opcode() + 16, Ty::V128, &[]);
        self.asm.v128_const(d.reg.xmm(), u128::from_le_bytes(*value.bytes()));
        self.push_dest(d, Ty::V128);
    }

    fn visit_i8x16_shuffle(&mut self, lanes: [u8; 16]) {
        let (a, b, d) = self.vbinary_operands(16);
        self.asm.i8x16_shuffle(d.reg.xmm(), a, b, lanes);
        self.push_dest(d, Ty::V128);
    }
}

impl FuncCompiler<'_> {
    /// The register of a popped operand. When it may be overwritten, `operand` says so afterwards.
    fn vread(&mut self, operand: &mut Operand) -> Xmm {
        let r = self.read_xmm(*operand);
        if !matches!(operand.value(), Value::Local(_)) {
            operand.set_value(Value::Reg(r.into()));
        }
        r
    }

    /// Where the result of an operator without immediates goes: perhaps over one of `operands`.
    fn vdest(&mut self, operands: &[Operand]) -> Dest {
        self.dest(self.after_opcode(), Ty::V128, operands)
    }

    /// Pops a vector: its register, and the result's, which may be the same.
    fn vunary_operand(&mut self, immediate_bytes: usize) -> (Xmm, Dest) {
        let mut operand = self.pop();
        let a = self.vread(&mut operand);
        let ahead = self.after_opcode() + immediate_bytes;
        (a, self.dest(ahead, Ty::V128, &[operand]))
    }

    /// Pops two vectors: their registers, and the result's.
    fn vbinary_operands(&mut self, immediate_bytes: usize) -> (Xmm, Xmm, Dest) {
        let (mut second, mut first) = (self.pop(), self.pop());
        let a = self.vread(&mut first);
        let b = self.vread(&mut second);
        let ahead = self.after_opcode() + immediate_bytes;
        (a, b, self.dest(ahead, Ty::V128, &[first, second]))
    }

    /// Pops three vectors: their registers, and the result's.
    fn vternary_operands(&mut self) -> (Xmm, Xmm, Xmm, Dest) {
        let (mut third, mut second, mut first) = (self.pop(), self.pop(), self.pop());
        let a = self.vread(&mut first);
        let b = self.vread(&mut second);
        let c = self.vread(&mut third);
        (a, b, c, self.vdest(&[first, second, third]))
    }

    /// `d = op(a)`
    fn vunary(&mut self, op: Vex) {
        let (a, d) = self.vunary_operand(0);
        self.asm.vrr(op, d.reg.xmm(), a);
        self.push_dest(d, Ty::V128);
    }

    /// `d = op(a, b)`
    fn vbinary(&mut self, op: Vex) {
        let d = self.vbinary_result(op);
        self.push_dest(d, Ty::V128);
    }

    /// `op(a, b)` in a register; the second operand may stay in its slot.
    fn vbinary_result(&mut self, op: Vex) -> Dest {
        let (mut second, mut first) = (self.pop(), self.pop());
        let a = self.vread(&mut first);
        if let Some(mem) = self.memory_of(second) {
            let d = self.vdest(&[first]);
            self.asm.vrrm(op, d.reg.xmm(), a, mem);
            return d;
        }
        let b = self.vread(&mut second);
        let d = self.vdest(&[first, second]);
        self.asm.vrrr(op, d.reg.xmm(), a, b);
        d
    }

    /// `d = op(b, a)`
    fn vbinary_swapped(&mut self, op: Vex) {
        let (a, b, d) = self.vbinary_operands(0);
        self.asm.vrrr(op, d.reg.xmm(), b, a);
        self.push_dest(d, Ty::V128);
    }

    /// `d, a` to a sequence.
    fn vunary_seq(&mut self, emit: fn(&mut Asm, Xmm, Xmm)) {
        let (a, d) = self.vunary_operand(0);
        emit(&mut self.asm, d.reg.xmm(), a);
        self.push_dest(d, Ty::V128);
    }

    /// `d, a` and a temporary to a sequence.
    fn vunary_seq_temp(&mut self, emit: fn(&mut Asm, Xmm, Xmm, Xmm)) {
        let (a, d) = self.vunary_operand(0);
        let t = self.alloc_xmm();
        emit(&mut self.asm, d.reg.xmm(), a, t);
        self.push_dest(d, Ty::V128);
    }

    /// `d, a, b` to a sequence.
    fn vbinary_seq(&mut self, emit: fn(&mut Asm, Xmm, Xmm, Xmm)) {
        let (a, b, d) = self.vbinary_operands(0);
        emit(&mut self.asm, d.reg.xmm(), a, b);
        self.push_dest(d, Ty::V128);
    }

    /// `d, a, b` and a temporary to a sequence.
    fn vbinary_seq_temp(&mut self, emit: fn(&mut Asm, Xmm, Xmm, Xmm, Xmm)) {
        let (a, b, d) = self.vbinary_operands(0);
        let t = self.alloc_xmm();
        emit(&mut self.asm, d.reg.xmm(), a, b, t);
        self.push_dest(d, Ty::V128);
    }

    /// `d, a, b, c` to a sequence.
    fn vternary_seq(&mut self, emit: fn(&mut Asm, Xmm, Xmm, Xmm, Xmm)) {
        let (a, b, c, d) = self.vternary_operands();
        emit(&mut self.asm, d.reg.xmm(), a, b, c);
        self.push_dest(d, Ty::V128);
    }
}
