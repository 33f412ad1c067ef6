//! Integer operators.

use crate::compiler::FuncCompiler;
use crate::masm::{COMPARE_BYTES, Cond, Gpr, RAX, RCX, RDX, Width};
use crate::value::{Operand, Reg, Ty, Value};
use upshift_abi::trap::Trap;

/// An operator of two integers with one instruction for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AluOp {
    /// Addition.
    Add,
    /// Subtraction.
    Sub,
    /// Multiplication.
    Mul,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
}

impl AluOp {
    const fn commutes(self) -> bool {
        !matches!(self, Self::Sub)
    }

    const fn eval(self, a: u64, b: u64) -> u64 {
        match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
        }
    }
}

/// A shift or rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShiftOp {
    /// To the left.
    Shl,
    /// To the right, copying the sign.
    ShrS,
    /// To the right, filling with zeroes.
    ShrU,
    /// Rotation to the left.
    Rotl,
    /// Rotation to the right.
    Rotr,
}

/// An operator of one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    /// Leading zeroes.
    Clz,
    /// Trailing zeroes.
    Ctz,
    /// Ones.
    Popcnt,
    /// Sign extension of the low 8 bits.
    Extend8,
    /// Sign extension of the low 16 bits.
    Extend16,
    /// Sign extension of the low 32 bits.
    Extend32,
}

/// A division: signedness, and whether the remainder is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DivOp {
    pub(crate) signed: bool,
    pub(crate) remainder: bool,
}

/// The register that a result goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dest {
    pub(crate) reg: Reg,
    /// The local that the next operator sets: the result goes to its register at once.
    local: Option<u32>,
}

const fn truncate(ty: Ty, bits: u64) -> u64 {
    match ty {
        Ty::I32 => bits as u32 as u64,
        _ => bits,
    }
}

/// Constant bits as a sign-extended 32-bit immediate of an operation of type `ty`.
fn immediate(ty: Ty, operand: Operand) -> Option<i32> {
    let Value::Const(bits) = operand.value() else { return None };
    match ty {
        Ty::I32 => Some(bits as u32 as i32),
        _ => i32::try_from(bits as i64).ok(),
    }
}

impl FuncCompiler<'_> {
    /// When the operator behind the one at hand (`ahead` bytes on) sets a local that a loop keeps in
    /// a register, that register is where the result should go.
    pub(crate) fn fused_local(&mut self, ahead: usize, float: bool) -> Option<(u32, Reg)> {
        if self.regs.hot == 0 || !matches!(self.peek(ahead), 0x21 | 0x22) {
            return None;
        }
        let index = self.peek(ahead + 1);
        let local = self.frame.locals.get(usize::from(index)).filter(|_| index < 0x80)?;
        let r = local.reg?;
        let fits = r.is_float() == float && local.latent == 0 && self.regs.hot & r.bit() != 0;
        fits.then(|| {
            self.regs.lock(r);
            (u32::from(index), r)
        })
    }

    /// Where the result of the operator at hand goes: the register of a local that is set next, or
    /// one of the `reusable` registers of popped operands, or a new one.
    pub(crate) fn dest(&mut self, ahead: usize, ty: Ty, reusable: &[Operand]) -> Dest {
        if let Some((local, reg)) = self.fused_local(ahead, ty.is_float()) {
            return Dest { reg, local: Some(local) };
        }
        for operand in reusable {
            if let Value::Reg(reg) = operand.value()
                && reg.is_float() == ty.is_float()
            {
                return Dest { reg, local: None };
            }
        }
        Dest { reg: self.alloc_for(ty), local: None }
    }

    /// Pushes the result that was written to `dest`.
    pub(crate) fn push_dest(&mut self, dest: Dest, ty: Ty) {
        match dest.local {
            None => self.push(Value::Reg(dest.reg), ty),
            Some(local) => {
                self.regs.state.dirty |= dest.reg.bit();
                self.push_local(local);
            }
        }
    }

    /// Addition, multiplication and bitwise operators.
    pub(crate) fn int_alu(&mut self, op: AluOp, ty: Ty) {
        let rhs = self.pop();
        let lhs = self.pop();
        if rhs.value() == Value::Const(0) && op == AluOp::Add {
            return self.push_again(lhs);
        }
        if let (Value::Const(a), Value::Const(b)) = (lhs.value(), rhs.value()) {
            return self.push(Value::Const(truncate(ty, op.eval(a, b))), ty);
        }
        let swap = op.commutes()
            && (matches!(lhs.value(), Value::Const(_))
                || (matches!(rhs.value(), Value::Reg(_)) && !matches!(lhs.value(), Value::Reg(_))));
        let (lhs, rhs) = if swap { (rhs, lhs) } else { (lhs, rhs) };
        if op == AluOp::And && self.is_tested_next() {
            return self.int_test(ty, lhs, rhs);
        }
        if let Some(imm) = immediate(ty, rhs) {
            return self.alu_imm(op, ty, lhs, imm);
        }
        self.alu_reg(op, ty, lhs, rhs);
    }

    /// Whether the next operator only asks whether the result is zero.
    fn is_tested_next(&self) -> bool {
        matches!(self.peek(1), 0x0d | 0x04)
    }

    /// `and` whose result is only compared with zero.
    fn int_test(&mut self, ty: Ty, lhs: Operand, rhs: Operand) {
        let a = self.read_gpr(lhs);
        match immediate(ty, rhs) {
            Some(imm) => self.asm.test_ri(ty.width(), a, imm),
            None => {
                let b = self.read_gpr(rhs);
                self.asm.test_rr(ty.width(), a, b);
            }
        }
        self.push(Value::Flags(Cond::NE), Ty::I32);
    }

    fn alu_imm(&mut self, op: AluOp, ty: Ty, lhs: Operand, imm: i32) {
        let w = ty.width();
        let s = self.read_gpr(lhs);
        let dest = self.dest(1, ty, &[lhs]);
        let d = dest.reg.gpr();
        match op {
            AluOp::Add if d != s => self.asm.lea_disp(w, d, s, imm),
            AluOp::Sub if d != s && imm != i32::MIN => self.asm.lea_disp(w, d, s, -imm),
            AluOp::Mul if imm > 0 && imm.count_ones() == 1 => {
                self.move_reg(dest.reg, s.into());
                self.asm.shl_ri(w, d, imm.trailing_zeros() as u8);
            }
            AluOp::Mul => self.asm.imul_rri(w, d, s, imm),
            _ => {
                self.move_reg(dest.reg, s.into());
                match op {
                    AluOp::Add => self.asm.add_ri(w, d, imm),
                    AluOp::Sub => self.asm.sub_ri(w, d, imm),
                    AluOp::And => self.asm.and_ri(w, d, imm),
                    AluOp::Or => self.asm.or_ri(w, d, imm),
                    AluOp::Xor | AluOp::Mul => self.asm.xor_ri(w, d, imm),
                }
            }
        }
        self.push_dest(dest, ty);
    }

    fn alu_reg(&mut self, op: AluOp, ty: Ty, lhs: Operand, rhs: Operand) {
        let w = ty.width();
        if let Some(mem) = self.memory_of(rhs) {
            let d = self.own_gpr(lhs);
            match op {
                AluOp::Add => self.asm.add_rm(w, d, mem),
                AluOp::Sub => self.asm.sub_rm(w, d, mem),
                AluOp::Mul => self.asm.imul_rm(w, d, mem),
                AluOp::And => self.asm.and_rm(w, d, mem),
                AluOp::Or => self.asm.or_rm(w, d, mem),
                AluOp::Xor => self.asm.xor_rm(w, d, mem),
            }
            return self.push_gpr(d, ty);
        }
        let mut a = self.read_gpr(lhs);
        let mut b = self.read_gpr(rhs);
        let mut dest = self.dest(1, ty, &[lhs]);
        if dest.reg == b.into() && a != b {
            if op.commutes() {
                std::mem::swap(&mut a, &mut b);
            } else {
                dest = Dest { reg: self.alloc_for(ty), local: None };
            }
        }
        let d = dest.reg.gpr();
        if op == AluOp::Add && d != a {
            self.asm.lea_scaled(w, d, a, b, 0);
        } else {
            self.move_reg(dest.reg, a.into());
            self.alu_rr(op, w, d, b);
        }
        self.push_dest(dest, ty);
    }

    fn alu_rr(&mut self, op: AluOp, w: Width, d: Gpr, s: Gpr) {
        match op {
            AluOp::Add => self.asm.add_rr(w, d, s),
            AluOp::Sub => self.asm.sub_rr(w, d, s),
            AluOp::Mul => self.asm.imul_rr(w, d, s),
            AluOp::And => self.asm.and_rr(w, d, s),
            AluOp::Or => self.asm.or_rr(w, d, s),
            AluOp::Xor => self.asm.xor_rr(w, d, s),
        }
    }

    /// Shifts and rotations.
    pub(crate) fn int_shift(&mut self, op: ShiftOp, ty: Ty) {
        let top = self.stack.last().expect("two operands");
        if let Value::Const(amount) = top.value() {
            return self.shift_imm(op, ty, amount);
        }
        if matches!(op, ShiftOp::Rotl | ShiftOp::Rotr) {
            return self.rotate(op, ty);
        }
        let rhs = self.pop();
        let lhs = self.pop();
        let amount = self.read_gpr(rhs);
        let s = self.read_gpr(lhs);
        let dest = self.dest(1, ty, &[lhs, rhs]);
        let (w, d) = (ty.width(), dest.reg.gpr());
        match op {
            ShiftOp::Shl => self.asm.shlx(w, d, s, amount),
            ShiftOp::ShrS => self.asm.sarx(w, d, s, amount),
            ShiftOp::ShrU | ShiftOp::Rotl | ShiftOp::Rotr => self.asm.shrx(w, d, s, amount),
        }
        self.push_dest(dest, ty);
    }

    fn shift_imm(&mut self, op: ShiftOp, ty: Ty, amount: u64) {
        self.pop();
        let lhs = self.pop();
        let bits = if ty == Ty::I32 { 32 } else { 64 };
        let amount = (amount % bits) as u8;
        if op == ShiftOp::Shl && (1..=3).contains(&amount) && self.scaled_add(ty, lhs, amount) {
            return;
        }
        let s = self.read_gpr(lhs);
        let dest = self.dest(1, ty, &[lhs]);
        let (w, d) = (ty.width(), dest.reg.gpr());
        self.move_reg(dest.reg, s.into());
        match op {
            ShiftOp::Shl => self.asm.shl_ri(w, d, amount),
            ShiftOp::ShrS => self.asm.sar_ri(w, d, amount),
            ShiftOp::ShrU => self.asm.shr_ri(w, d, amount),
            ShiftOp::Rotl => self.asm.rol_ri(w, d, amount),
            ShiftOp::Rotr => self.asm.ror_ri(w, d, amount),
        }
        self.push_dest(dest, ty);
    }

    /// A shift to the left whose result is added to the operand below next: one address
    /// computation does both. The addition then finds its result with nothing left to add.
    fn scaled_add(&mut self, ty: Ty, index: Operand, amount: u8) -> bool {
        let add = if ty == Ty::I32 { 0x6a } else { 0x7c };
        let Some(below) = self.stack.last() else { return false };
        if self.peek(1) != add || matches!(below.value(), Value::Const(_)) {
            return false;
        }
        let base = self.pop();
        let scaled = self.read_gpr(index);
        let base_reg = self.read_gpr(base);
        let dest = self.dest(2, ty, &[index, base]);
        self.asm.lea_scaled(ty.width(), dest.reg.gpr(), base_reg, scaled, amount);
        self.push_dest(dest, ty);
        self.push(Value::Const(0), ty);
        true
    }

    fn rotate(&mut self, op: ShiftOp, ty: Ty) {
        self.vacate(RCX.into());
        let rhs = self.pop();
        let lhs = self.pop();
        self.load_into(RCX.into(), rhs);
        let d = self.own_gpr(lhs);
        self.asm.rotate_cl(ty.width(), op == ShiftOp::Rotl, d);
        self.push_gpr(d, ty);
    }

    /// Operators of one integer.
    pub(crate) fn int_unary(&mut self, op: UnaryOp, ty: Ty) {
        let operand = self.pop();
        let s = self.read_gpr(operand);
        let dest = self.dest(1, ty, &[operand]);
        let (w, d) = (ty.width(), dest.reg.gpr());
        match op {
            UnaryOp::Clz => self.asm.lzcnt_rr(w, d, s),
            UnaryOp::Ctz => self.asm.tzcnt_rr(w, d, s),
            UnaryOp::Popcnt => self.asm.popcnt_rr(w, d, s),
            UnaryOp::Extend8 => self.asm.movsx8(w, d, s),
            UnaryOp::Extend16 => self.asm.movsx16(w, d, s),
            UnaryOp::Extend32 => self.asm.movsxd(d, s),
        }
        self.push_dest(dest, ty);
    }

    /// Comparisons of two integers.
    pub(crate) fn int_compare(&mut self, cond: Cond, ty: Ty) {
        let rhs = self.pop();
        let lhs = self.pop();
        let swap = matches!(lhs.value(), Value::Const(_));
        let (lhs, rhs, cond) = if swap { (rhs, lhs, cond.swap()) } else { (lhs, rhs, cond) };
        let w = ty.width();
        let a = self.read_gpr(lhs);
        self.asm.keep_with_jump(COMPARE_BYTES);
        match immediate(ty, rhs) {
            Some(0) => self.asm.test_rr(w, a, a),
            Some(imm) => self.asm.cmp_ri(w, a, imm),
            None => match self.memory_of(rhs) {
                Some(mem) => self.asm.cmp_rm(w, a, mem),
                None => {
                    let b = self.read_gpr(rhs);
                    self.asm.cmp_rr(w, a, b);
                }
            },
        }
        self.push_condition(cond);
    }

    /// `eqz`
    pub(crate) fn int_eqz(&mut self, ty: Ty) {
        let operand = self.pop();
        if let Value::Flags(cond) = operand.value() {
            return self.push_condition(cond.negate());
        }
        let r = self.read_gpr(operand);
        self.asm.test_rr(ty.width(), r, r);
        self.push_condition(Cond::E);
    }

    /// Pushes the truth of a condition: as flags when the next operator consumes them.
    pub(crate) fn push_condition(&mut self, cond: Cond) {
        self.push_condition_before(1, cond);
    }

    /// [`Self::push_condition`] of an operator of `ahead` bytes.
    pub(crate) fn push_condition_before(&mut self, ahead: usize, cond: Cond) {
        // br_if, if, select, select t, i32.eqz
        if matches!(self.peek(ahead), 0x0d | 0x04 | 0x1b | 0x1c | 0x45) {
            return self.push(Value::Flags(cond), Ty::I32);
        }
        let dest = self.dest(ahead, Ty::I32, &[]);
        self.asm.setcc(cond, dest.reg.gpr());
        self.push_dest(dest, Ty::I32);
    }

    /// Divisions and remainders.
    pub(crate) fn int_div(&mut self, op: DivOp, ty: Ty) {
        if !op.signed && self.unsigned_power_of_two(op, ty) {
            return;
        }
        self.vacate(RAX.into());
        self.vacate(RDX.into());
        let rhs = self.pop();
        let lhs = self.pop();
        let divisor = self.read_gpr(rhs);
        self.load_into(RAX.into(), lhs);
        let w = ty.width();
        if !op.signed {
            self.asm.zero(RDX);
            self.note_trap(Trap::IntegerDivisionByZero);
            self.asm.div(w, divisor);
        } else {
            self.signed_division(op, w, divisor, immediate(ty, rhs));
        }
        self.push_gpr(if op.remainder { RDX } else { RAX }, ty);
    }

    fn signed_division(&mut self, op: DivOp, w: Width, divisor: Gpr, constant: Option<i32>) {
        if constant.is_none_or(|value| value == 0) {
            self.asm.test_rr(w, divisor, divisor);
            self.trap_if(Cond::E, Trap::IntegerDivisionByZero);
        }
        let minus_one = if op.remainder && constant.is_none_or(|value| value == -1) {
            // The remainder by -1 is 0, where the instruction would overflow.
            self.asm.zero(RDX);
            self.asm.cmp_ri(w, divisor, -1);
            Some(self.asm.jcc_short(Cond::E))
        } else {
            None
        };
        self.asm.sign_extend_rax(w);
        self.note_trap(Trap::IntegerOverflow);
        self.asm.idiv(w, divisor);
        if let Some(jump) = minus_one {
            self.asm.end_short(jump);
        }
    }

    /// Division by a constant power of two is a shift, its remainder a mask.
    fn unsigned_power_of_two(&mut self, op: DivOp, ty: Ty) -> bool {
        let Value::Const(divisor) = self.stack.last().expect("two operands").value() else {
            return false;
        };
        if !divisor.is_power_of_two() || divisor > i32::MAX as u64 {
            return false;
        }
        self.pop();
        let lhs = self.pop();
        let s = self.read_gpr(lhs);
        let dest = self.dest(1, ty, &[lhs]);
        self.move_reg(dest.reg, s.into());
        if op.remainder {
            self.asm.and_ri(ty.width(), dest.reg.gpr(), divisor as i32 - 1);
        } else {
            self.asm.shr_ri(ty.width(), dest.reg.gpr(), divisor.trailing_zeros() as u8);
        }
        self.push_dest(dest, ty);
        true
    }
}
