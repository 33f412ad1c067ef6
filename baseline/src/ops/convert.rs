//! Conversions between integers and floats.

use crate::compiler::FuncCompiler;
use crate::masm::{Cond, Gpr, Prec, SCRATCH, Width, XSCRATCH, Xmm};
use crate::value::{Ty, Value};
use upshift_abi::trap::Trap;

/// Bits of 2^63 as a float.
const fn two_pow_63(p: Prec) -> u64 {
    match p {
        Prec::Single => 0x5f00_0000,
        Prec::Double => 0x43e0_0000_0000_0000,
    }
}

/// The greatest float that is too small for a signed integer, or the smallest integer itself where
/// no float lies between: bits, and the condition (after comparing with it) of being too small.
const fn lower_bound(p: Prec, w: Width) -> (u64, Cond) {
    match (p, w) {
        (Prec::Single, Width::W32) => (0xcf00_0000, Cond::B),
        (Prec::Double, Width::W32) => (0xc1e0_0000_0020_0000, Cond::BE),
        (Prec::Single, Width::W64) => (0xdf00_0000, Cond::B),
        (Prec::Double, Width::W64) => (0xc3e0_0000_0000_0000, Cond::B),
    }
}

impl FuncCompiler<'_> {
    /// `i32.wrap_i64`
    pub(crate) fn wrap(&mut self) {
        let operand = self.pop();
        if let Value::Const(bits) = operand.value() {
            return self.push(Value::Const(u64::from(bits as u32)), Ty::I32);
        }
        let s = self.read_gpr(operand);
        let dest = self.dest(1, Ty::I32, &[operand]);
        self.asm.mov_rr(Width::W32, dest.reg.gpr(), s);
        self.push_dest(dest, Ty::I32);
    }

    /// `i64.extend_i32_s`
    pub(crate) fn extend_signed(&mut self) {
        let operand = self.pop();
        if let Value::Const(bits) = operand.value() {
            return self.push(Value::Const(i64::from(bits as u32 as i32) as u64), Ty::I64);
        }
        let s = self.read_gpr(operand);
        let dest = self.dest(1, Ty::I64, &[operand]);
        self.asm.movsxd(dest.reg.gpr(), s);
        self.push_dest(dest, Ty::I64);
    }

    /// `i64.extend_i32_u`: registers hold `i32` zero-extended already.
    pub(crate) fn extend_unsigned(&mut self) {
        let operand = self.pop();
        match operand.value() {
            Value::Const(bits) => self.push(Value::Const(bits), Ty::I64),
            Value::Reg(r) => self.push(Value::Reg(r), Ty::I64),
            Value::Local(_) | Value::Slot | Value::Flags(_) => {
                let s = self.read_gpr(operand);
                let dest = self.dest(1, Ty::I64, &[]);
                self.asm.mov_rr(Width::W32, dest.reg.gpr(), s);
                self.push_dest(dest, Ty::I64);
            }
        }
    }

    /// Reinterpretation of an integer's bits as a float.
    pub(crate) fn reinterpret_int(&mut self, to: Ty) {
        let operand = self.pop();
        if let Value::Const(bits) = operand.value() {
            return self.push(Value::Const(bits), to);
        }
        let s = self.read_gpr(operand);
        let dest = self.dest(1, to, &[]);
        self.asm.mov_xr(to.width(), dest.reg.xmm(), s);
        self.push_dest(dest, to);
    }

    /// Reinterpretation of a float's bits as an integer.
    pub(crate) fn reinterpret_float(&mut self, to: Ty) {
        let operand = self.pop();
        if let Value::Const(bits) = operand.value() {
            return self.push(Value::Const(bits), to);
        }
        let s = self.read_xmm(operand);
        let dest = self.dest(1, to, &[]);
        self.asm.mov_rx(to.width(), dest.reg.gpr(), s);
        self.push_dest(dest, to);
    }

    /// `f64.promote_f32` and `f32.demote_f64`
    pub(crate) fn convert_precision(&mut self, to: Ty) {
        let operand = self.pop();
        let s = self.read_xmm(operand);
        let dest = self.dest(1, to, &[]);
        let from = if to == Ty::F64 { Prec::Single } else { Prec::Double };
        self.asm.fconvert(from, dest.reg.xmm(), s);
        self.canonicalize(to.prec(), dest.reg.xmm());
        self.push_dest(dest, to);
    }

    /// Integer to float.
    pub(crate) fn int_to_float(&mut self, from: Ty, signed: bool, to: Ty) {
        let operand = self.pop();
        let s = self.read_gpr(operand);
        let p = to.prec();
        if !signed && from == Ty::I64 {
            return self.u64_to_float(s, to);
        }
        let dest = self.dest(1, to, &[]);
        // An unsigned 32-bit integer is a signed 64-bit one, as it is zero-extended.
        let w = if signed { from.width() } else { Width::W64 };
        self.asm.int_to_float(p, w, dest.reg.xmm(), s);
        self.push_dest(dest, to);
    }

    /// Values with the top bit set are halved (keeping the last bit for rounding) and doubled again.
    fn u64_to_float(&mut self, s: Gpr, to: Ty) {
        let p = to.prec();
        let t = self.alloc_gpr();
        let d = self.alloc_xmm();
        self.asm.test_rr(Width::W64, s, s);
        let big = self.asm.jcc_short(Cond::S);
        self.asm.int_to_float(p, Width::W64, d, s);
        let done = self.asm.jmp_short();
        self.asm.end_short(big);
        self.asm.mov_rr(Width::W64, t, s);
        self.asm.mov_rr(Width::W64, SCRATCH, s);
        self.asm.shr_ri(Width::W64, t, 1);
        self.asm.and_ri(Width::W64, SCRATCH, 1);
        self.asm.or_rr(Width::W64, t, SCRATCH);
        self.asm.int_to_float(p, Width::W64, d, t);
        self.asm.fadd_rr(p, d, d, d);
        self.asm.end_short(done);
        self.push_xmm(d, to);
    }

    /// Float to integer, trapping.
    pub(crate) fn trunc(&mut self, from: Ty, to: Ty, signed: bool) {
        let operand = self.pop();
        let s = self.read_xmm(operand);
        let d = self.alloc_gpr();
        let p = from.prec();
        match (signed, to) {
            (true, _) => self.trunc_signed(p, to.width(), d, s),
            (false, Ty::I32) => self.trunc_u32(p, d, s),
            (false, _) => self.trunc_u64(p, d, s),
        }
        self.push_gpr(d, to);
    }

    /// The hardware gives the smallest integer for everything out of range.
    fn trunc_signed(&mut self, p: Prec, w: Width, d: Gpr, s: Xmm) {
        self.asm.ftrunc_to_int(p, w, d, s);
        self.asm.cmp_ri(w, d, 1);
        let fits = self.asm.jcc_short(Cond::NO);
        self.asm.fcmp(p, s, s);
        self.trap_if(Cond::P, Trap::BadConversionToInteger);
        let (bits, too_small) = lower_bound(p, w);
        let bound = self.asm.pool_u64(bits);
        self.asm.fload(p, XSCRATCH, bound);
        self.asm.fcmp(p, s, XSCRATCH);
        self.trap_if(too_small, Trap::IntegerOverflow);
        self.asm.vxorps(XSCRATCH, XSCRATCH, XSCRATCH);
        self.asm.fcmp(p, s, XSCRATCH);
        self.trap_if(Cond::A, Trap::IntegerOverflow);
        self.asm.end_short(fits);
    }

    fn trunc_u32(&mut self, p: Prec, d: Gpr, s: Xmm) {
        self.asm.fcmp(p, s, s);
        self.trap_if(Cond::P, Trap::BadConversionToInteger);
        self.asm.ftrunc_to_int(p, Width::W64, d, s);
        self.asm.mov_rr(Width::W64, SCRATCH, d);
        self.asm.shr_ri(Width::W64, SCRATCH, 32);
        self.trap_if(Cond::NE, Trap::IntegerOverflow);
    }

    fn trunc_u64(&mut self, p: Prec, d: Gpr, s: Xmm) {
        self.asm.fcmp(p, s, s);
        self.trap_if(Cond::P, Trap::BadConversionToInteger);
        let bound = self.asm.pool_u64(two_pow_63(p));
        self.asm.fload(p, XSCRATCH, bound);
        self.asm.fcmp(p, s, XSCRATCH);
        let big = self.asm.jcc_short(Cond::AE);
        self.asm.ftrunc_to_int(p, Width::W64, d, s);
        self.asm.test_rr(Width::W64, d, d);
        self.trap_if(Cond::S, Trap::IntegerOverflow);
        let done = self.asm.jmp_short();
        self.asm.end_short(big);
        self.asm.fsub_rr(p, XSCRATCH, s, XSCRATCH);
        self.asm.ftrunc_to_int(p, Width::W64, d, XSCRATCH);
        self.asm.test_rr(Width::W64, d, d);
        self.trap_if(Cond::S, Trap::IntegerOverflow);
        self.asm.mov_ri(SCRATCH, 1 << 63);
        self.asm.xor_rr(Width::W64, d, SCRATCH);
        self.asm.end_short(done);
    }

    /// Float to integer, saturating; NaN gives 0.
    pub(crate) fn trunc_sat(&mut self, from: Ty, to: Ty, signed: bool) {
        let operand = self.pop();
        let s = self.read_xmm(operand);
        let d = self.alloc_gpr();
        let p = from.prec();
        match (signed, to) {
            (true, _) => self.trunc_sat_signed(p, to.width(), d, s),
            (false, Ty::I32) => self.trunc_sat_u32(p, d, s),
            (false, _) => self.trunc_sat_u64(p, d, s),
        }
        self.push_gpr(d, to);
    }

    fn trunc_sat_signed(&mut self, p: Prec, w: Width, d: Gpr, s: Xmm) {
        self.asm.ftrunc_to_int(p, w, d, s);
        self.asm.cmp_ri(w, d, 1);
        let fits = self.asm.jcc_short(Cond::NO);
        self.asm.vxorps(XSCRATCH, XSCRATCH, XSCRATCH);
        self.asm.fcmp(p, s, XSCRATCH);
        let number = self.asm.jcc_short(Cond::NP);
        self.asm.mov_ri(d, 0);
        let was_nan = self.asm.jmp_short();
        self.asm.end_short(number);
        let negative = self.asm.jcc_short(Cond::BE);
        self.asm.mov_ri(d, if w == Width::W32 { i32::MAX as u64 } else { i64::MAX as u64 });
        self.asm.end_short(negative);
        self.asm.end_short(was_nan);
        self.asm.end_short(fits);
    }

    /// The larger of the value and 0, where the instruction gives 0 for NaN.
    fn clamp_at_zero(&mut self, p: Prec, s: Xmm) -> Xmm {
        let t = self.alloc_xmm();
        self.asm.vxorps(XSCRATCH, XSCRATCH, XSCRATCH);
        self.asm.fmax_rr(p, t, s, XSCRATCH);
        t
    }

    fn trunc_sat_u32(&mut self, p: Prec, d: Gpr, s: Xmm) {
        let t = self.clamp_at_zero(p, s);
        self.asm.ftrunc_to_int(p, Width::W64, d, t);
        self.asm.mov_ri(SCRATCH, u64::from(u32::MAX));
        self.asm.cmp_rr(Width::W64, d, SCRATCH);
        self.asm.cmov(Cond::A, Width::W64, d, SCRATCH);
    }

    fn trunc_sat_u64(&mut self, p: Prec, d: Gpr, s: Xmm) {
        let t = self.clamp_at_zero(p, s);
        let bound = self.asm.pool_u64(two_pow_63(p));
        self.asm.fload(p, XSCRATCH, bound);
        self.asm.fcmp(p, t, XSCRATCH);
        let big = self.asm.jcc_short(Cond::AE);
        self.asm.ftrunc_to_int(p, Width::W64, d, t);
        let done = self.asm.jmp_short();
        self.asm.end_short(big);
        self.asm.fsub_rr(p, t, t, XSCRATCH);
        self.asm.ftrunc_to_int(p, Width::W64, d, t);
        self.asm.mov_ri(SCRATCH, 1 << 63);
        self.asm.xor_rr(Width::W64, d, SCRATCH);
        // Out of range gave the sign bit alone, which is now zero: all ones instead.
        let in_range = self.asm.jcc_short(Cond::S);
        self.asm.mov_ri(d, u64::MAX);
        self.asm.end_short(in_range);
        self.asm.end_short(done);
    }
}
