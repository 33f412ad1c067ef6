//! Scalar float operators.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Cond, Gpr, Prec, Width, XSCRATCH, Xmm};
use crate::value::{Operand, Ty, Value};

/// Arithmetic of two floats with one instruction for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatOp {
    /// Addition.
    Add,
    /// Subtraction.
    Sub,
    /// Multiplication.
    Mul,
    /// Division.
    Div,
}

/// A comparison of two floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatCmp {
    /// Equal.
    Eq,
    /// Not equal, or unordered.
    Ne,
    /// Less.
    Lt,
    /// Greater.
    Gt,
    /// Less or equal.
    Le,
    /// Greater or equal.
    Ge,
}

/// Rounding modes of the hardware.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Round {
    /// To nearest, ties to even.
    Nearest = 0,
    /// Towards negative infinity.
    Floor = 1,
    /// Towards positive infinity.
    Ceil = 2,
    /// Towards zero.
    Trunc = 3,
}

/// Bits of the sign in both halves or all quarters of a vector.
const fn sign_mask(p: Prec) -> u128 {
    match p {
        Prec::Single => 0x8000_0000_8000_0000_8000_0000_8000_0000,
        Prec::Double => 0x8000_0000_0000_0000_8000_0000_0000_0000,
    }
}

/// The canonical NaN.
const fn canonical_nan(p: Prec) -> u64 {
    match p {
        Prec::Single => 0x7fc0_0000,
        Prec::Double => 0x7ff8_0000_0000_0000,
    }
}

impl FuncCompiler<'_> {
    /// A second source: memory when the operand is in its slot or a constant.
    fn float_source(&mut self, operand: Operand) -> Result<Xmm, Addr> {
        match operand.value() {
            Value::Slot => Err(crate::frame::slot_addr(operand.slot())),
            Value::Const(bits) => Err(self.asm.pool_u64(bits)),
            _ => Ok(self.read_xmm(operand)),
        }
    }

    /// Addition, subtraction, multiplication and division.
    pub(crate) fn float_binary(&mut self, op: FloatOp, ty: Ty) {
        let rhs = self.pop();
        let lhs = self.pop();
        let p = ty.prec();
        let a = self.read_xmm(lhs);
        let b = self.float_source(rhs);
        let dest = self.dest(1, ty, &[lhs, rhs]);
        let d = dest.reg.xmm();
        match (op, b) {
            (FloatOp::Add, Ok(b)) => self.asm.fadd_rr(p, d, a, b),
            (FloatOp::Add, Err(mem)) => self.asm.fadd_rm(p, d, a, mem),
            (FloatOp::Sub, Ok(b)) => self.asm.fsub_rr(p, d, a, b),
            (FloatOp::Sub, Err(mem)) => self.asm.fsub_rm(p, d, a, mem),
            (FloatOp::Mul, Ok(b)) => self.asm.fmul_rr(p, d, a, b),
            (FloatOp::Mul, Err(mem)) => self.asm.fmul_rm(p, d, a, mem),
            (FloatOp::Div, Ok(b)) => self.asm.fdiv_rr(p, d, a, b),
            (FloatOp::Div, Err(mem)) => self.asm.fdiv_rm(p, d, a, mem),
        }
        self.canonicalize(p, d);
        self.push_dest(dest, ty);
    }

    /// Replaces a NaN by the canonical one when the configuration asks for it.
    pub(crate) fn canonicalize(&mut self, p: Prec, r: Xmm) {
        if !self.src.input.config.nan_canonicalize {
            return;
        }
        self.asm.fcmp(p, r, r);
        let ordered = self.asm.jcc_short(Cond::NP);
        let nan = self.asm.pool_u64(canonical_nan(p));
        self.asm.fload(p, r, nan);
        self.asm.end_short(ordered);
    }

    /// `min` and `max`: the instructions take the second operand when the operands are equal or
    /// unordered, so these cases are told apart first.
    pub(crate) fn float_min_max(&mut self, max: bool, ty: Ty) {
        let rhs = self.pop();
        let lhs = self.pop();
        let p = ty.prec();
        let a = self.read_xmm(lhs);
        let b = self.read_xmm(rhs);
        let d = self.alloc_xmm();
        if max {
            self.asm.fmax_rr(p, d, a, b);
        } else {
            self.asm.fmin_rr(p, d, a, b);
        }
        self.asm.fcmp(p, a, b);
        let unordered = self.asm.jcc_short(Cond::P);
        let differ = self.asm.jcc_short(Cond::NE);
        // Equal operands differ at most in the sign of zero.
        if max {
            self.asm.vandps(d, a, b);
        } else {
            self.asm.vorps(d, a, b);
        }
        let done = self.asm.jmp_short();
        self.asm.end_short(unordered);
        self.asm.fadd_rr(p, d, a, b);
        self.asm.end_short(differ);
        self.asm.end_short(done);
        self.canonicalize(p, d);
        self.push_xmm(d, ty);
    }

    /// `copysign`
    pub(crate) fn float_copysign(&mut self, ty: Ty) {
        let rhs = self.pop();
        let lhs = self.pop();
        let a = self.read_xmm(lhs);
        let b = self.read_xmm(rhs);
        let d = self.alloc_xmm();
        let sign = self.asm.pool_u128(sign_mask(ty.prec()));
        let magnitude = self.asm.pool_u128(!sign_mask(ty.prec()));
        self.asm.vand_rm(XSCRATCH, b, sign);
        self.asm.vand_rm(d, a, magnitude);
        self.asm.vorps(d, d, XSCRATCH);
        self.push_xmm(d, ty);
    }

    /// `neg` and `abs`, which only touch the sign.
    pub(crate) fn float_sign(&mut self, negate: bool, ty: Ty) {
        let operand = self.pop();
        let s = self.read_xmm(operand);
        let dest = self.dest(1, ty, &[operand]);
        if negate {
            let mask = self.asm.pool_u128(sign_mask(ty.prec()));
            self.asm.vxor_rm(dest.reg.xmm(), s, mask);
        } else {
            let mask = self.asm.pool_u128(!sign_mask(ty.prec()));
            self.asm.vand_rm(dest.reg.xmm(), s, mask);
        }
        self.push_dest(dest, ty);
    }

    /// `sqrt`
    pub(crate) fn float_sqrt(&mut self, ty: Ty) {
        let operand = self.pop();
        let s = self.read_xmm(operand);
        let dest = self.dest(1, ty, &[operand]);
        self.asm.fsqrt_rr(ty.prec(), dest.reg.xmm(), s, s);
        self.canonicalize(ty.prec(), dest.reg.xmm());
        self.push_dest(dest, ty);
    }

    /// `nearest`, `floor`, `ceil`, `trunc`
    pub(crate) fn float_round(&mut self, mode: Round, ty: Ty) {
        let operand = self.pop();
        let s = self.read_xmm(operand);
        let dest = self.dest(1, ty, &[operand]);
        self.asm.fround(ty.prec(), dest.reg.xmm(), s, mode as u8);
        self.canonicalize(ty.prec(), dest.reg.xmm());
        self.push_dest(dest, ty);
    }

    /// Comparisons. Less is greater with the operands exchanged, as only "above" is false when
    /// unordered; equality goes through a mask.
    pub(crate) fn float_compare(&mut self, cmp: FloatCmp, ty: Ty) {
        let rhs = self.pop();
        let lhs = self.pop();
        let p = ty.prec();
        let a = self.read_xmm(lhs);
        let b = self.read_xmm(rhs);
        match cmp {
            FloatCmp::Lt => self.asm.fcmp(p, b, a),
            FloatCmp::Le => self.asm.fcmp(p, b, a),
            FloatCmp::Gt | FloatCmp::Ge => self.asm.fcmp(p, a, b),
            FloatCmp::Eq => return self.float_equality(p, a, b, 0),
            FloatCmp::Ne => return self.float_equality(p, a, b, 4),
        }
        let strict = matches!(cmp, FloatCmp::Lt | FloatCmp::Gt);
        self.push_condition(if strict { Cond::A } else { Cond::AE });
    }

    fn float_equality(&mut self, p: Prec, a: Xmm, b: Xmm, predicate: u8) {
        self.asm.fcmp_mask(p, XSCRATCH, a, b, predicate);
        let d: Gpr = self.alloc_gpr();
        self.asm.mov_rx(Width::W32, d, XSCRATCH);
        self.asm.and_ri(Width::W32, d, 1);
        self.push_gpr(d, Ty::I32);
    }
}
