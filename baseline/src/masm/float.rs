//! Scalar float instructions, all in three-operand VEX form.

use super::{Addr, Asm, Gpr, Prec, Width, Xmm, fits_i8, with_addr};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

/// Arithmetic of both precisions, with a register as second source.
macro_rules! arith_rr {
    ($($name:ident $ss:ident $sd:ident;)*) => {$(
        #[doc = concat!("`", stringify!($ss), "`/`", stringify!($sd), " d, a, b`")]
        pub(crate) fn $name(&mut self, p: Prec, d: Xmm, a: Xmm, b: Xmm) {
            match p {
                Prec::Single => dynasm!(self ; .arch x64 ; $ss Rx(d.0), Rx(a.0), Rx(b.0)),
                Prec::Double => dynasm!(self ; .arch x64 ; $sd Rx(d.0), Rx(a.0), Rx(b.0)),
            }
        }
    )*};
}

/// Arithmetic of both precisions, with memory as second source.
macro_rules! arith_rm {
    ($($name:ident $ss:ident $sd:ident;)*) => {$(
        #[doc = concat!("`", stringify!($ss), "`/`", stringify!($sd), " d, a, [mem]`")]
        pub(crate) fn $name(&mut self, p: Prec, d: Xmm, a: Xmm, mem: Addr) {
            match p {
                Prec::Single => with_addr!(self, mem, [$ss Rx(d.0), Rx(a.0), DWORD], []),
                Prec::Double => with_addr!(self, mem, [$sd Rx(d.0), Rx(a.0), QWORD], []),
            }
        }
    )*};
}

/// Bitwise operations on whole registers.
macro_rules! bitwise {
    ($($name:ident $op:ident;)*) => {$(
        #[doc = concat!("`", stringify!($op), " d, a, b`")]
        pub(crate) fn $name(&mut self, d: Xmm, a: Xmm, b: Xmm) {
            dynasm!(self ; .arch x64 ; $op Rx(d.0), Rx(a.0), Rx(b.0));
        }
    )*};
}

impl Asm {
    arith_rr! {
        fadd_rr vaddss vaddsd;
        fsub_rr vsubss vsubsd;
        fmul_rr vmulss vmulsd;
        fdiv_rr vdivss vdivsd;
        fmin_rr vminss vminsd;
        fmax_rr vmaxss vmaxsd;
        fsqrt_rr vsqrtss vsqrtsd;
    }

    arith_rm! {
        fadd_rm vaddss vaddsd;
        fsub_rm vsubss vsubsd;
        fmul_rm vmulss vmulsd;
        fdiv_rm vdivss vdivsd;
    }

    bitwise! {
        vandps vandps;
        vorps vorps;
        vxorps vxorps;
    }

    /// Whole-register move.
    #[inline]
    pub(crate) fn mov_xx(&mut self, d: Xmm, s: Xmm) {
        dynasm!(self ; .arch x64 ; vmovaps Rx(d.0), Rx(s.0));
    }

    /// Loads a scalar, zeroing the rest of the register.
    #[inline]
    pub(crate) fn fload(&mut self, p: Prec, d: Xmm, mem: Addr) {
        match p {
            Prec::Single => with_addr!(self, mem, [vmovss Rx(d.0), DWORD], []),
            Prec::Double => with_addr!(self, mem, [vmovsd Rx(d.0), QWORD], []),
        }
    }

    /// Stores a scalar.
    #[inline]
    pub(crate) fn fstore(&mut self, p: Prec, mem: Addr, s: Xmm) {
        match p {
            Prec::Single => with_addr!(self, mem, [vmovss DWORD], [, Rx(s.0)]),
            Prec::Double => with_addr!(self, mem, [vmovsd QWORD], [, Rx(s.0)]),
        }
    }

    /// Loads 16 bytes, unaligned.
    #[inline]
    pub(crate) fn vload(&mut self, d: Xmm, mem: Addr) {
        with_addr!(self, mem, [vmovdqu Rx(d.0), OWORD], []);
    }

    /// Stores 16 bytes, unaligned.
    #[inline]
    pub(crate) fn vstore(&mut self, mem: Addr, s: Xmm) {
        with_addr!(self, mem, [vmovdqu OWORD], [, Rx(s.0)]);
    }

    /// Loads 16 or 8 bytes.
    pub(crate) fn vload_part(&mut self, d: Xmm, mem: Addr, wide: bool) {
        if wide { self.vload(d, mem) } else { self.fload(Prec::Double, d, mem) }
    }

    /// Stores 16 or 8 bytes.
    pub(crate) fn vstore_part(&mut self, mem: Addr, s: Xmm, wide: bool) {
        if wide { self.vstore(mem, s) } else { self.fstore(Prec::Double, mem, s) }
    }

    /// All ones where the comparison with hardware predicate `predicate` holds, else zero.
    pub(crate) fn fcmp_mask(&mut self, p: Prec, d: Xmm, a: Xmm, b: Xmm, predicate: u8) {
        let predicate = predicate as i8;
        match p {
            Prec::Single => {
                dynasm!(self ; .arch x64 ; vcmpss Rx(d.0), Rx(a.0), Rx(b.0), BYTE predicate);
            }
            Prec::Double => {
                dynasm!(self ; .arch x64 ; vcmpsd Rx(d.0), Rx(a.0), Rx(b.0), BYTE predicate);
            }
        }
    }

    /// `vandps d, a, [mem]` and its like with a constant of the pool.
    pub(crate) fn vand_rm(&mut self, d: Xmm, a: Xmm, mem: Addr) {
        with_addr!(self, mem, [vandps Rx(d.0), Rx(a.0), OWORD], []);
    }

    /// `vxorps d, a, [mem]`
    pub(crate) fn vxor_rm(&mut self, d: Xmm, a: Xmm, mem: Addr) {
        with_addr!(self, mem, [vxorps Rx(d.0), Rx(a.0), OWORD], []);
    }

    /// Unordered comparison setting CF, ZF and PF.
    pub(crate) fn fcmp(&mut self, p: Prec, a: Xmm, b: Xmm) {
        match p {
            Prec::Single => dynasm!(self ; .arch x64 ; vucomiss Rx(a.0), Rx(b.0)),
            Prec::Double => dynasm!(self ; .arch x64 ; vucomisd Rx(a.0), Rx(b.0)),
        }
    }

    /// Rounds with mode 0 nearest, 1 floor, 2 ceil, 3 trunc; no precision exception.
    pub(crate) fn fround(&mut self, p: Prec, d: Xmm, s: Xmm, mode: u8) {
        let control = (mode | 8) as i8;
        match p {
            Prec::Single => {
                dynasm!(self ; .arch x64 ; vroundss Rx(d.0), Rx(s.0), Rx(s.0), BYTE control);
            }
            Prec::Double => {
                dynasm!(self ; .arch x64 ; vroundsd Rx(d.0), Rx(s.0), Rx(s.0), BYTE control);
            }
        }
    }

    /// Float to signed integer with truncation; all ones in the top bit for what does not fit.
    pub(crate) fn ftrunc_to_int(&mut self, p: Prec, w: Width, d: Gpr, s: Xmm) {
        match (p, w) {
            (Prec::Single, Width::W32) => dynasm!(self ; .arch x64 ; vcvttss2si Rd(d.0), Rx(s.0)),
            (Prec::Single, Width::W64) => dynasm!(self ; .arch x64 ; vcvttss2si Rq(d.0), Rx(s.0)),
            (Prec::Double, Width::W32) => dynasm!(self ; .arch x64 ; vcvttsd2si Rd(d.0), Rx(s.0)),
            (Prec::Double, Width::W64) => dynasm!(self ; .arch x64 ; vcvttsd2si Rq(d.0), Rx(s.0)),
        }
    }

    /// Signed integer to float; breaks the dependency on the old destination first.
    pub(crate) fn int_to_float(&mut self, p: Prec, w: Width, d: Xmm, s: Gpr) {
        self.vxorps(d, d, d);
        match (p, w) {
            (Prec::Single, Width::W32) => {
                dynasm!(self ; .arch x64 ; vcvtsi2ss Rx(d.0), Rx(d.0), Rd(s.0));
            }
            (Prec::Single, Width::W64) => {
                dynasm!(self ; .arch x64 ; vcvtsi2ss Rx(d.0), Rx(d.0), Rq(s.0));
            }
            (Prec::Double, Width::W32) => {
                dynasm!(self ; .arch x64 ; vcvtsi2sd Rx(d.0), Rx(d.0), Rd(s.0));
            }
            (Prec::Double, Width::W64) => {
                dynasm!(self ; .arch x64 ; vcvtsi2sd Rx(d.0), Rx(d.0), Rq(s.0));
            }
        }
    }

    /// Converts between the precisions: from `p` to the other.
    pub(crate) fn fconvert(&mut self, p: Prec, d: Xmm, s: Xmm) {
        match p {
            Prec::Single => dynasm!(self ; .arch x64 ; vcvtss2sd Rx(d.0), Rx(s.0), Rx(s.0)),
            Prec::Double => dynasm!(self ; .arch x64 ; vcvtsd2ss Rx(d.0), Rx(s.0), Rx(s.0)),
        }
    }

    /// Bits of a general register into a vector register.
    pub(crate) fn mov_xr(&mut self, w: Width, d: Xmm, s: Gpr) {
        match w {
            Width::W32 => dynasm!(self ; .arch x64 ; vmovd Rx(d.0), Rd(s.0)),
            Width::W64 => dynasm!(self ; .arch x64 ; vmovq Rx(d.0), Rq(s.0)),
        }
    }

    /// Bits of a vector register into a general register.
    pub(crate) fn mov_rx(&mut self, w: Width, d: Gpr, s: Xmm) {
        match w {
            Width::W32 => dynasm!(self ; .arch x64 ; vmovd Rd(d.0), Rx(s.0)),
            Width::W64 => dynasm!(self ; .arch x64 ; vmovq Rq(d.0), Rx(s.0)),
        }
    }
}
