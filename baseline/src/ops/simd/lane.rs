//! Single lanes of vectors.

use super::lowerings;
use crate::compiler::FuncCompiler;
use crate::masm::{Asm, Gpr, LaneWidth, Prec, Width};
use crate::value::{Ty, Value};

/// Declares bodies of one shape per row for operators with a lane.
macro_rules! lane_lowerings {
    ($($name:ident = $shape:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, lane: u8) {
            self.$shape($($arg,)* lane);
        }
    )*};
}

impl FuncCompiler<'_> {
    lowerings! {
        i8x16_splat = splat_int(LaneWidth::L8);
        i16x8_splat = splat_int(LaneWidth::L16);
        i32x4_splat = splat_int(LaneWidth::L32);
        i64x2_splat = splat_int(LaneWidth::L64);
        f32x4_splat = splat_float(Prec::Single);
        f64x2_splat = splat_float(Prec::Double);
    }

    lane_lowerings! {
        i8x16_extract_lane_u = extract_int(LaneWidth::L8);
        i16x8_extract_lane_u = extract_int(LaneWidth::L16);
        i32x4_extract_lane = extract_int(LaneWidth::L32);
        i64x2_extract_lane = extract_int(LaneWidth::L64);
        f32x4_extract_lane = extract_float(Prec::Single);
        f64x2_extract_lane = extract_float(Prec::Double);
        i8x16_replace_lane = replace_int(LaneWidth::L8);
        i16x8_replace_lane = replace_int(LaneWidth::L16);
        i32x4_replace_lane = replace_int(LaneWidth::L32);
        i64x2_replace_lane = replace_int(LaneWidth::L64);
        f32x4_replace_lane = replace_float(Prec::Single);
        f64x2_replace_lane = replace_float(Prec::Double);
    }

    /// A constant becomes a constant of the pool.
    fn splat_int(&mut self, lane: LaneWidth) {
        let operand = self.pop();
        let d = self.vdest(&[]);
        if let Value::Const(bits) = operand.value() {
            self.asm.v128_const(d.reg.xmm(), lane.splat(bits));
        } else {
            let s = self.read_gpr(operand);
            self.asm.splat_int(lane, d.reg.xmm(), s);
        }
        self.push_dest(d, Ty::V128);
    }

    fn splat_float(&mut self, p: Prec) {
        let mut operand = self.pop();
        if let Value::Const(bits) = operand.value() {
            let lane = if p == Prec::Single { LaneWidth::L32 } else { LaneWidth::L64 };
            let d = self.vdest(&[]);
            self.asm.v128_const(d.reg.xmm(), lane.splat(bits));
            return self.push_dest(d, Ty::V128);
        }
        let s = self.vread(&mut operand);
        let d = self.vdest(&[operand]);
        self.asm.splat_float(p, d.reg.xmm(), s);
        self.push_dest(d, Ty::V128);
    }

    /// Zero-extended.
    fn extract_int(&mut self, lane: LaneWidth, index: u8) {
        self.extract_by(lane, index, |_, _| {});
    }

    pub(super) fn i8x16_extract_lane_s(&mut self, index: u8) {
        self.extract_by(LaneWidth::L8, index, |asm, d| asm.movsx8(Width::W32, d, d));
    }

    pub(super) fn i16x8_extract_lane_s(&mut self, index: u8) {
        self.extract_by(LaneWidth::L16, index, |asm, d| asm.movsx16(Width::W32, d, d));
    }

    fn extract_by(&mut self, lane: LaneWidth, index: u8, extend: fn(&mut Asm, Gpr)) {
        let operand = self.pop();
        let s = self.read_xmm(operand);
        let ty = if lane == LaneWidth::L64 { Ty::I64 } else { Ty::I32 };
        let d = self.dest(self.after_opcode() + 1, ty, &[]);
        self.asm.extract_int(lane, d.reg.gpr(), s, index);
        extend(&mut self.asm, d.reg.gpr());
        self.push_dest(d, ty);
    }

    fn extract_float(&mut self, p: Prec, index: u8) {
        let mut operand = self.pop();
        let s = self.vread(&mut operand);
        let ty = if p == Prec::Single { Ty::F32 } else { Ty::F64 };
        let d = self.dest(self.after_opcode() + 1, ty, &[operand]);
        self.asm.extract_float(p, d.reg.xmm(), s, index);
        self.push_dest(d, ty);
    }

    fn replace_int(&mut self, lane: LaneWidth, index: u8) {
        let value = self.pop();
        let s = self.read_gpr(value);
        let (a, d) = self.vunary_operand(1);
        self.asm.replace_int(lane, d.reg.xmm(), a, s, index);
        self.push_dest(d, Ty::V128);
    }

    fn replace_float(&mut self, p: Prec, index: u8) {
        let value = self.pop();
        let s = self.read_xmm(value);
        let (a, d) = self.vunary_operand(1);
        self.asm.replace_float(p, d.reg.xmm(), a, s, index);
        self.push_dest(d, Ty::V128);
    }
}
