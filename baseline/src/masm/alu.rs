//! Integer instructions.

use super::{Addr, Asm, Cond, Gpr, Width, fits_i8, with_addr};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

/// Two-operand instructions in all their forms: `rr`, `ri` (short immediate where it fits), `rm`.
macro_rules! alu {
    ($($rr:ident $ri:ident $rm:ident $op:ident;)*) => {$(
        #[doc = concat!("`", stringify!($op), " d, s`")]
        pub(crate) fn $rr(&mut self, w: Width, d: Gpr, s: Gpr) {
            match w {
                Width::W32 => dynasm!(self ; .arch x64 ; $op Rd(d.0), Rd(s.0)),
                Width::W64 => dynasm!(self ; .arch x64 ; $op Rq(d.0), Rq(s.0)),
            }
        }

        #[doc = concat!("`", stringify!($op), " d, imm`, sign-extended to the width")]
        pub(crate) fn $ri(&mut self, w: Width, d: Gpr, imm: i32) {
            match (w, fits_i8(imm)) {
                (Width::W32, true) => dynasm!(self ; .arch x64 ; $op Rd(d.0), BYTE imm as i8),
                (Width::W32, false) => dynasm!(self ; .arch x64 ; $op Rd(d.0), DWORD imm),
                (Width::W64, true) => dynasm!(self ; .arch x64 ; $op Rq(d.0), BYTE imm as i8),
                (Width::W64, false) => dynasm!(self ; .arch x64 ; $op Rq(d.0), DWORD imm),
            }
        }

        #[doc = concat!("`", stringify!($op), " d, [mem]`")]
        pub(crate) fn $rm(&mut self, w: Width, d: Gpr, mem: Addr) {
            match w {
                Width::W32 => with_addr!(self, mem, [$op Rd(d.0),], []),
                Width::W64 => with_addr!(self, mem, [$op Rq(d.0),], []),
            }
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
    ($($name:ident $op:ident;)*) => {$(
        #[doc = concat!("`", stringify!($op), " d, amount`")]
        pub(crate) fn $name(&mut self, w: Width, d: Gpr, amount: u8) {
            match w {
                Width::W32 => dynasm!(self ; .arch x64 ; $op Rd(d.0), BYTE amount as i8),
                Width::W64 => dynasm!(self ; .arch x64 ; $op Rq(d.0), BYTE amount as i8),
            }
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
        add_rr add_ri add_rm add;
        sub_rr sub_ri sub_rm sub;
        and_rr and_ri and_rm and;
        or_rr or_ri or_rm or;
        xor_rr xor_ri xor_rm xor;
    }

    unary! {
        test_rr test;
        lzcnt_rr lzcnt;
        tzcnt_rr tzcnt;
        popcnt_rr popcnt;
        imul_rr imul;
        cmp_rr cmp;
    }

    shift_imm! {
        shl_ri shl;
        shr_ri shr;
        sar_ri sar;
        rol_ri rol;
        ror_ri ror;
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
        match w {
            Width::W32 => dynasm!(self ; .arch x64 ; mov Rd(d.0), Rd(s.0)),
            Width::W64 => dynasm!(self ; .arch x64 ; mov Rq(d.0), Rq(s.0)),
        }
    }

    /// `mov d, imm` in the shortest form; leaves the flags alone.
    pub(crate) fn mov_ri(&mut self, d: Gpr, imm: u64) {
        if let Ok(low) = u32::try_from(imm) {
            dynasm!(self ; .arch x64 ; mov Rd(d.0), DWORD low as i32);
        } else if let Ok(signed) = i32::try_from(imm as i64) {
            dynasm!(self ; .arch x64 ; mov Rq(d.0), DWORD signed);
        } else {
            dynasm!(self ; .arch x64 ; mov Rq(d.0), QWORD imm as i64);
        }
    }

    /// `xor d, d`: zero, changing the flags.
    pub(crate) fn zero(&mut self, d: Gpr) {
        dynasm!(self ; .arch x64 ; xor Rd(d.0), Rd(d.0));
    }

    /// `imul d, s, imm`
    pub(crate) fn imul_rri(&mut self, w: Width, d: Gpr, s: Gpr, imm: i32) {
        match (w, fits_i8(imm)) {
            (Width::W32, true) => dynasm!(self ; .arch x64 ; imul Rd(d.0), Rd(s.0), BYTE imm as i8),
            (Width::W32, false) => dynasm!(self ; .arch x64 ; imul Rd(d.0), Rd(s.0), DWORD imm),
            (Width::W64, true) => dynasm!(self ; .arch x64 ; imul Rq(d.0), Rq(s.0), BYTE imm as i8),
            (Width::W64, false) => dynasm!(self ; .arch x64 ; imul Rq(d.0), Rq(s.0), DWORD imm),
        }
    }

    /// `imul d, [mem]`
    pub(crate) fn imul_rm(&mut self, w: Width, d: Gpr, mem: Addr) {
        match w {
            Width::W32 => with_addr!(self, mem, [imul Rd(d.0),], []),
            Width::W64 => with_addr!(self, mem, [imul Rq(d.0),], []),
        }
    }

    /// `d = s + imm` without touching the flags or `s`.
    pub(crate) fn lea_disp(&mut self, w: Width, d: Gpr, s: Gpr, imm: i32) {
        match (w, fits_i8(imm)) {
            (Width::W32, true) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [BYTE Rq(s.0) + imm as i8]);
            }
            (Width::W32, false) => dynasm!(self ; .arch x64 ; lea Rd(d.0), [DWORD Rq(s.0) + imm]),
            (Width::W64, true) => {
                dynasm!(self ; .arch x64 ; lea Rq(d.0), [BYTE Rq(s.0) + imm as i8]);
            }
            (Width::W64, false) => dynasm!(self ; .arch x64 ; lea Rq(d.0), [DWORD Rq(s.0) + imm]),
        }
    }

    /// `d = base + index << shift`, shift at most 3.
    pub(crate) fn lea_scaled(&mut self, w: Width, d: Gpr, base: Gpr, index: Gpr, shift: u8) {
        match (w, shift) {
            (Width::W32, 0) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [Rq(base.0) + Rq(index.0) * 1]);
            }
            (Width::W32, 1) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [Rq(base.0) + Rq(index.0) * 2]);
            }
            (Width::W32, 2) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [Rq(base.0) + Rq(index.0) * 4]);
            }
            (Width::W32, _) => {
                dynasm!(self ; .arch x64 ; lea Rd(d.0), [Rq(base.0) + Rq(index.0) * 8]);
            }
            (Width::W64, 0) => {
                dynasm!(self ; .arch x64 ; lea Rq(d.0), [Rq(base.0) + Rq(index.0) * 1]);
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
        with_addr!(self, mem, [lea Rq(d.0),], []);
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
        match w {
            Width::W32 => dynasm!(self ; .arch x64 ; movsx Rd(d.0), Rb(s.0)),
            Width::W64 => dynasm!(self ; .arch x64 ; movsx Rq(d.0), Rb(s.0)),
        }
    }

    /// Sign-extends the low 16 bits of `s`.
    pub(crate) fn movsx16(&mut self, w: Width, d: Gpr, s: Gpr) {
        match w {
            Width::W32 => dynasm!(self ; .arch x64 ; movsx Rd(d.0), Rw(s.0)),
            Width::W64 => dynasm!(self ; .arch x64 ; movsx Rq(d.0), Rw(s.0)),
        }
    }

    /// Sign-extends the low 32 bits of `s` to 64.
    pub(crate) fn movsxd(&mut self, d: Gpr, s: Gpr) {
        dynasm!(self ; .arch x64 ; movsxd Rq(d.0), Rd(s.0));
    }

    /// Zero-extends the low byte of `s`.
    pub(crate) fn movzx8(&mut self, d: Gpr, s: Gpr) {
        dynasm!(self ; .arch x64 ; movzx Rd(d.0), Rb(s.0));
    }

    /// Zero-extends the low 16 bits of `s`.
    pub(crate) fn movzx16(&mut self, d: Gpr, s: Gpr) {
        dynasm!(self ; .arch x64 ; movzx Rd(d.0), Rw(s.0));
    }

    /// `d = condition as i32`; the flags stay as they are.
    pub(crate) fn setcc(&mut self, cond: Cond, d: Gpr) {
        let rex = 0x40 | (d.0 >> 3);
        let opcode = 0x90 | cond.0;
        let modrm = 0xc0 | (d.0 & 7);
        dynasm!(self ; .arch x64 ; .u8 rex ; .u8 0x0f ; .u8 opcode ; .u8 modrm);
        self.movzx8(d, d);
    }

    /// `if condition { d = s }`
    pub(crate) fn cmov(&mut self, cond: Cond, w: Width, d: Gpr, s: Gpr) {
        let wide = if w == Width::W64 { 8 } else { 0 };
        let rex = 0x40 | wide | ((d.0 >> 3) << 2) | (s.0 >> 3);
        let opcode = 0x40 | cond.0;
        let modrm = 0xc0 | ((d.0 & 7) << 3) | (s.0 & 7);
        dynasm!(self ; .arch x64 ; .u8 rex ; .u8 0x0f ; .u8 opcode ; .u8 modrm);
    }

    /// `test r, imm`
    pub(crate) fn test_ri(&mut self, w: Width, r: Gpr, imm: i32) {
        match w {
            Width::W32 => dynasm!(self ; .arch x64 ; test Rd(r.0), DWORD imm),
            Width::W64 => dynasm!(self ; .arch x64 ; test Rq(r.0), DWORD imm),
        }
    }

    /// `cmp d, imm`, sign-extended to the width
    pub(crate) fn cmp_ri(&mut self, w: Width, d: Gpr, imm: i32) {
        match (w, fits_i8(imm)) {
            // The assembler has no short form of this one.
            (_, true) => {
                let wide = if w == Width::W64 { 8 } else { 0 };
                let rex = 0x40 | wide | (d.0 >> 3);
                let modrm = 0xf8 | (d.0 & 7);
                dynasm!(self ; .arch x64 ; .u8 rex ; .u8 0x83 ; .u8 modrm ; .i8 imm as i8);
            }
            (Width::W32, false) => dynasm!(self ; .arch x64 ; cmp Rd(d.0), DWORD imm),
            (Width::W64, false) => dynasm!(self ; .arch x64 ; cmp Rq(d.0), DWORD imm),
        }
    }

    /// `cmp d, [mem]`
    pub(crate) fn cmp_rm(&mut self, w: Width, d: Gpr, mem: Addr) {
        match w {
            Width::W32 => with_addr!(self, mem, [cmp Rd(d.0),], []),
            Width::W64 => with_addr!(self, mem, [cmp Rq(d.0),], []),
        }
    }

    /// `sub [mem], imm` of 32 or 64 bits, always with a 32-bit immediate at the end so that it can
    /// be patched.
    pub(crate) fn sub_mi_patchable(&mut self, w: Width, mem: Addr, imm: i32) {
        match w {
            Width::W32 => with_addr!(self, mem, [sub DWORD], [, DWORD imm], 4),
            Width::W64 => with_addr!(self, mem, [sub QWORD], [, DWORD imm], 4),
        }
    }

    /// Compares `rsp` with a memory operand.
    pub(crate) fn cmp_rsp(&mut self, mem: Addr) {
        with_addr!(self, mem, [cmp rsp,], []);
    }
}
