//! Integer instructions.

use super::encode::{Imm, Opcode};
use super::{Addr, Asm, COMPARE_BYTES, Cond, Gpr, RSP, Width};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

/// Two-operand instructions of the group that numbers them 0 to 7, in all their forms: `rr`, `ri`
/// (short immediate where it fits), `rm`.
macro_rules! alu {
    ($($rr:ident $ri:ident $rm:ident $op:ident $number:literal;)*) => {$(
        #[doc = concat!("`", stringify!($op), " d, s`")]
        #[inline]
        pub(crate) fn $rr(&mut self, w: Width, d: Gpr, s: Gpr) {
            self.op_rr(w, Opcode::one($number << 3 | 3), d.0, s.0);
        }

        #[doc = concat!("`", stringify!($op), " d, imm`, sign-extended to the width")]
        pub(crate) fn $ri(&mut self, w: Width, d: Gpr, imm: i32) {
            let imm = Imm::short(imm);
            let opcode = if matches!(imm, Imm::I8(_)) { 0x83 } else { 0x81 };
            self.op_rri(w, Opcode::one(opcode), $number, d.0, imm);
        }

        #[doc = concat!("`", stringify!($op), " d, [mem]`")]
        pub(crate) fn $rm(&mut self, w: Width, d: Gpr, mem: Addr) {
            self.op_rm(w, Opcode::one($number << 3 | 3), d.0, mem);
        }
    )*};
}

/// Instructions of one register source and destination.
macro_rules! unary {
    ($($name:ident $op:ident;)*) => {$(
        #[doc = concat!("`", stringify!($op), " d, s`")]
        pub(crate) fn $name(&mut self, w: Width, d: Gpr, s: Gpr) {
            match w {
                Width::W32 => dynasm!(self ; .arch x64 ; $op Rd(d.0), Rd(s.0)),
                Width::W64 => dynasm!(self ; .arch x64 ; $op Rq(d.0), Rq(s.0)),
            }
        }
    )*};
}

/// Shifts by a constant.
macro_rules! shift_imm {
    ($($name:ident $op:ident $number:literal;)*) => {$(
        #[doc = concat!("`", stringify!($op), " d, amount`")]
        pub(crate) fn $name(&mut self, w: Width, d: Gpr, amount: u8) {
            self.op_rri(w, Opcode::one(0xc1), $number, d.0, Imm::I8(amount.into()));
        }
    )*};
}

/// Shifts by a register that leave the source alone (BMI2).
macro_rules! shift_reg {
    ($($name:ident $op:ident;)*) => {$(
        #[doc = concat!("`", stringify!($op), " d, s, amount`, the amount taken modulo the width")]
        pub(crate) fn $name(&mut self, w: Width, d: Gpr, s: Gpr, amount: Gpr) {
            match w {
                Width::W32 => dynasm!(self ; .arch x64 ; $op Rd(d.0), Rd(s.0), Rd(amount.0)),
                Width::W64 => dynasm!(self ; .arch x64 ; $op Rq(d.0), Rq(s.0), Rq(amount.0)),
            }
        }
    )*};
}

/// Divisions of `rdx:rax` and shifts by `cl`: one register operand.
macro_rules! single {
    ($($name:ident [$($op32:tt)*] [$($op64:tt)*];)*) => {$(
        #[doc = concat!("`", stringify!($name), "` of one register")]
        pub(crate) fn $name(&mut self, w: Width, r: Gpr) {
            match w {
                Width::W32 => dynasm!(self ; .arch x64 ; $($op32)* Rd(r.0)),
                Width::W64 => dynasm!(self ; .arch x64 ; $($op64)* Rq(r.0)),
            }
        }
    )*};
}

impl Asm {
    alu! {
        add_rr add_ri add_rm add 0;
        or_rr or_ri or_rm or 1;
        and_rr and_ri and_rm and 4;
        sub_rr sub_ri sub_rm sub 5;
        xor_rr xor_ri xor_rm xor 6;
        cmp_rr cmp_ri cmp_rm cmp 7;
    }

    unary! {
        lzcnt_rr lzcnt;
        tzcnt_rr tzcnt;
        popcnt_rr popcnt;
    }

    shift_imm! {
        rol_ri rol 0;
        ror_ri ror 1;
        shl_ri shl 4;
        shr_ri shr 5;
        sar_ri sar 7;
    }

    shift_reg! {
        shlx shlx;
        shrx shrx;
        sarx sarx;
    }

    single! {
        idiv [idiv] [idiv];
        div [div] [div];
        neg [neg] [neg];
        mul [mul] [mul];
        imul_wide [imul] [imul];
    }

    /// `rol d, cl` or `ror d, cl`
    pub(crate) fn rotate_cl(&mut self, w: Width, left: bool, d: Gpr) {
        match (w, left) {
            (Width::W32, true) => dynasm!(self ; .arch x64 ; rol Rd(d.0), cl),
            (Width::W32, false) => dynasm!(self ; .arch x64 ; ror Rd(d.0), cl),
            (Width::W64, true) => dynasm!(self ; .arch x64 ; rol Rq(d.0), cl),
            (Width::W64, false) => dynasm!(self ; .arch x64 ; ror Rq(d.0), cl),
        }
    }

    /// `mov d, s`; a 32-bit move zeroes the upper half.
    #[inline]
    pub(crate) fn mov_rr(&mut self, w: Width, d: Gpr, s: Gpr) {
        self.op_rr(w, Opcode::one(0x8b), d.0, s.0);
    }

    /// `mov d, imm` in the shortest form; leaves the flags alone.
    pub(crate) fn mov_ri(&mut self, d: Gpr, imm: u64) {
        if let Ok(low) = u32::try_from(imm) {
            self.op_short(Width::W32, 0xb8, d, Imm::I32(low as i32));
        } else if let Ok(signed) = i32::try_from(imm as i64) {
            self.op_rri(Width::W64, Opcode::one(0xc7), 0, d.0, Imm::I32(signed));
        } else {
            self.op_short(Width::W64, 0xb8, d, Imm::None);
            self.push_i64(imm as i64);
        }
    }

    /// `xor d, d`: zero, changing the flags.
    pub(crate) fn zero(&mut self, d: Gpr) {
        self.xor_rr(Width::W32, d, d);
    }

    /// `test a, b`
    #[inline]
    pub(crate) fn test_rr(&mut self, w: Width, a: Gpr, b: Gpr) {
        self.keep_with_jump(COMPARE_BYTES);
        self.op_rr(w, Opcode::one(0x85), b.0, a.0);
    }

    /// `test r, imm`, to learn whether the result is zero.
    pub(crate) fn test_ri(&mut self, w: Width, r: Gpr, imm: i32) {
        if (0..0x80).contains(&imm) {
            let test = Opcode::one(0xf6).on_bytes();
            self.op_rri(Width::W32, test, 0, r.0, Imm::I8(imm));
        } else {
            self.op_rri(w, Opcode::one(0xf7), 0, r.0, Imm::I32(imm));
        }
    }

    /// `imul d, s`
    pub(crate) fn imul_rr(&mut self, w: Width, d: Gpr, s: Gpr) {
        self.op_rr(w, Opcode::two(0xaf), d.0, s.0);
    }

    /// `imul d, s, imm`
    pub(crate) fn imul_rri(&mut self, w: Width, d: Gpr, s: Gpr, imm: i32) {
        let imm = Imm::short(imm);
        let opcode = if matches!(imm, Imm::I8(_)) { 0x6b } else { 0x69 };
        self.op_rri(w, Opcode::one(opcode), d.0, s.0, imm);
    }

    /// `imul d, [mem]`
    pub(crate) fn imul_rm(&mut self, w: Width, d: Gpr, mem: Addr) {
        self.op_rm(w, Opcode::two(0xaf), d.0, mem);
    }

    /// `d = s + imm` without touching the flags or `s`.
    pub(crate) fn lea_disp(&mut self, w: Width, d: Gpr, s: Gpr, imm: i32) {
        self.op_rm(w, Opcode::one(0x8d), d.0, Addr::Base(s, imm));
    }

    /// `d = base + index << shift`, shift at most 3.
    pub(crate) fn lea_scaled(&mut self, w: Width, d: Gpr, base: Gpr, index: Gpr, shift: u8) {
        match (w, shift) {
            (_, 0) => self.op_rm(w, Opcode::one(0x8d), d.0, Addr::Indexed(base, index, 0)),
            (Width::W32, 1) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [Rq(base.0) + Rq(index.0) * 2]);
            }
            (Width::W32, 2) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [Rq(base.0) + Rq(index.0) * 4]);
            }
            (Width::W32, _) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [Rq(base.0) + Rq(index.0) * 8]);
            }
            (Width::W64, 1) => {
                dynasm!(self ; .arch x64 ; lea Rq(d.0), [Rq(base.0) + Rq(index.0) * 2]);
            }
            (Width::W64, 2) => {
                dynasm!(self ; .arch x64 ; lea Rq(d.0), [Rq(base.0) + Rq(index.0) * 4]);
            }
            (Width::W64, _) => {
                dynasm!(self ; .arch x64 ; lea Rq(d.0), [Rq(base.0) + Rq(index.0) * 8]);
            }
        }
    }

    /// `lea d, [mem]`, 64 bits.
    pub(crate) fn lea(&mut self, d: Gpr, mem: Addr) {
        self.op_rm(Width::W64, Opcode::one(0x8d), d.0, mem);
    }

    /// Sign extension of `rax` into `rdx`, before a signed division.
    pub(crate) fn sign_extend_rax(&mut self, w: Width) {
        match w {
            Width::W32 => dynasm!(self ; .arch x64 ; cdq),
            Width::W64 => dynasm!(self ; .arch x64 ; cqo),
        }
    }

    /// Sign-extends the low byte of `s`.
    pub(crate) fn movsx8(&mut self, w: Width, d: Gpr, s: Gpr) {
        self.op_rr(w, Opcode::two(0xbe).on_bytes(), d.0, s.0);
    }

    /// Sign-extends the low 16 bits of `s`.
    pub(crate) fn movsx16(&mut self, w: Width, d: Gpr, s: Gpr) {
        self.op_rr(w, Opcode::two(0xbf), d.0, s.0);
    }

    /// Sign-extends the low 32 bits of `s` to 64.
    pub(crate) fn movsxd(&mut self, d: Gpr, s: Gpr) {
        self.op_rr(Width::W64, Opcode::one(0x63), d.0, s.0);
    }

    /// Zero-extends the low byte of `s`.
    pub(crate) fn movzx8(&mut self, d: Gpr, s: Gpr) {
        self.op_rr(Width::W32, Opcode::two(0xb6).on_bytes(), d.0, s.0);
    }

    /// Zero-extends the low 16 bits of `s`.
    pub(crate) fn movzx16(&mut self, d: Gpr, s: Gpr) {
        self.op_rr(Width::W32, Opcode::two(0xb7), d.0, s.0);
    }

    /// `d = condition as i32`; the flags stay as they are.
    pub(crate) fn setcc(&mut self, cond: Cond, d: Gpr) {
        self.op_rr(Width::W32, Opcode::two(0x90 | cond.0).on_bytes(), 0, d.0);
        self.movzx8(d, d);
    }

    /// `if condition { d = s }`
    pub(crate) fn cmov(&mut self, cond: Cond, w: Width, d: Gpr, s: Gpr) {
        self.op_rr(w, Opcode::two(0x40 | cond.0), d.0, s.0);
    }

    /// `sub [mem], imm` of 32 or 64 bits, always with a 32-bit immediate at the end so that it can
    /// be patched.
    pub(crate) fn sub_mi_patchable(&mut self, w: Width, mem: Addr, imm: i32) {
        self.op_rmi(w, Opcode::one(0x81), 5, mem, Imm::I32(imm));
    }

    /// `sub [mem], imm`
    pub(crate) fn sub_mi8(&mut self, w: Width, mem: Addr, imm: i8) {
        self.op_rmi(w, Opcode::one(0x83), 5, mem, Imm::I8(imm.into()));
    }

    /// `sub d, imm`, with a 32-bit immediate at the end so that it can be patched.
    pub(crate) fn sub_ri_patchable(&mut self, w: Width, d: Gpr, imm: i32) {
        self.op_rri(w, Opcode::one(0x81), 5, d.0, Imm::I32(imm));
    }

    /// `test byte [mem], imm`
    pub(crate) fn test_mi8(&mut self, mem: Addr, imm: u8) {
        self.op_rmi(Width::W32, Opcode::one(0xf6), 0, mem, Imm::I8(imm.into()));
    }

    /// Compares `rsp` with a memory operand.
    pub(crate) fn cmp_rsp(&mut self, mem: Addr) {
        self.cmp_rm(Width::W64, RSP, mem);
    }
}
