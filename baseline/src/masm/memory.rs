//! Loads and stores of general registers.

use super::{Addr, Asm, Gpr, Width, fits_i8, with_addr};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

/// How a load widens what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadKind {
    /// 32 bits, zero-extended.
    U32,
    /// 64 bits.
    U64,
    /// 8 bits, zero-extended.
    U8,
    /// 16 bits, zero-extended.
    U16,
    /// 8 bits, sign-extended to 32.
    S8To32,
    /// 16 bits, sign-extended to 32.
    S16To32,
    /// 8 bits, sign-extended to 64.
    S8To64,
    /// 16 bits, sign-extended to 64.
    S16To64,
    /// 32 bits, sign-extended to 64.
    S32To64,
}

impl LoadKind {
    /// Bytes that are read.
    pub(crate) const fn bytes(self) -> u32 {
        match self {
            Self::U8 | Self::S8To32 | Self::S8To64 => 1,
            Self::U16 | Self::S16To32 | Self::S16To64 => 2,
            Self::U32 | Self::S32To64 => 4,
            Self::U64 => 8,
        }
    }
}

impl Asm {
    /// Loads a register.
    pub(crate) fn load(&mut self, kind: LoadKind, d: Gpr, mem: Addr) {
        match kind {
            LoadKind::U32 => with_addr!(self, mem, [mov Rd(d.0),], []),
            LoadKind::U64 => with_addr!(self, mem, [mov Rq(d.0),], []),
            LoadKind::U8 => with_addr!(self, mem, [movzx Rd(d.0), BYTE], []),
            LoadKind::U16 => with_addr!(self, mem, [movzx Rd(d.0), WORD], []),
            LoadKind::S8To32 => with_addr!(self, mem, [movsx Rd(d.0), BYTE], []),
            LoadKind::S16To32 => with_addr!(self, mem, [movsx Rd(d.0), WORD], []),
            LoadKind::S8To64 => with_addr!(self, mem, [movsx Rq(d.0), BYTE], []),
            LoadKind::S16To64 => with_addr!(self, mem, [movsx Rq(d.0), WORD], []),
            LoadKind::S32To64 => with_addr!(self, mem, [movsxd Rq(d.0), DWORD], []),
        }
    }

    /// Loads 32 or 64 bits.
    #[inline]
    pub(crate) fn load_w(&mut self, w: Width, d: Gpr, mem: Addr) {
        match w {
            Width::W32 => with_addr!(self, mem, [mov Rd(d.0),], []),
            Width::W64 => with_addr!(self, mem, [mov Rq(d.0),], []),
        }
    }

    /// Stores 32 or 64 bits.
    #[inline]
    pub(crate) fn store_w(&mut self, w: Width, mem: Addr, s: Gpr) {
        match w {
            Width::W32 => with_addr!(self, mem, [mov DWORD], [, Rd(s.0)]),
            Width::W64 => with_addr!(self, mem, [mov QWORD], [, Rq(s.0)]),
        }
    }

    /// Stores the low `bytes` (1, 2, 4 or 8) of a register.
    pub(crate) fn store(&mut self, bytes: u32, mem: Addr, s: Gpr) {
        match bytes {
            1 => with_addr!(self, mem, [mov BYTE], [, Rb(s.0)]),
            2 => with_addr!(self, mem, [mov WORD], [, Rw(s.0)]),
            4 => with_addr!(self, mem, [mov DWORD], [, Rd(s.0)]),
            _ => with_addr!(self, mem, [mov QWORD], [, Rq(s.0)]),
        }
    }

    /// Stores a constant of `bytes` (1, 2, 4 or 8, sign-extended from 32 bits).
    pub(crate) fn store_imm(&mut self, bytes: u32, mem: Addr, imm: i32) {
        match bytes {
            1 => with_addr!(self, mem, [mov BYTE], [, BYTE imm as i8], 1),
            2 => with_addr!(self, mem, [mov WORD], [, WORD imm as i16], 2),
            4 => with_addr!(self, mem, [mov DWORD], [, DWORD imm], 4),
            _ => with_addr!(self, mem, [mov QWORD], [, DWORD imm], 4),
        }
    }
}
