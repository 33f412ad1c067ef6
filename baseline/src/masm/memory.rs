//! Loads and stores of general registers.

use super::encode::{Imm, Opcode};
use super::{Addr, Asm, Gpr, Width};
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
        let (w, opcode) = match kind {
            LoadKind::U32 => (Width::W32, Opcode::one(0x8b)),
            LoadKind::U64 => (Width::W64, Opcode::one(0x8b)),
            LoadKind::U8 => (Width::W32, Opcode::two(0xb6)),
            LoadKind::U16 => (Width::W32, Opcode::two(0xb7)),
            LoadKind::S8To32 => (Width::W32, Opcode::two(0xbe)),
            LoadKind::S16To32 => (Width::W32, Opcode::two(0xbf)),
            LoadKind::S8To64 => (Width::W64, Opcode::two(0xbe)),
            LoadKind::S16To64 => (Width::W64, Opcode::two(0xbf)),
            LoadKind::S32To64 => (Width::W64, Opcode::one(0x63)),
        };
        self.op_rm(w, opcode, d.0, mem);
    }

    /// Loads 32 or 64 bits.
    pub(crate) fn load_w(&mut self, w: Width, d: Gpr, mem: Addr) {
        self.op_rm(w, Opcode::one(0x8b), d.0, mem);
    }

    /// Stores 32 or 64 bits.
    pub(crate) fn store_w(&mut self, w: Width, mem: Addr, s: Gpr) {
        self.op_rm(w, Opcode::one(0x89), s.0, mem);
    }

    /// Stores the low `bytes` (1, 2, 4 or 8) of a register.
    pub(crate) fn store(&mut self, bytes: u32, mem: Addr, s: Gpr) {
        let (w, opcode) = match bytes {
            1 => (Width::W32, Opcode::one(0x88).on_bytes()),
            2 => {
                self.push(HALF_WORD);
                (Width::W32, Opcode::one(0x89))
            }
            4 => (Width::W32, Opcode::one(0x89)),
            _ => (Width::W64, Opcode::one(0x89)),
        };
        self.op_rm(w, opcode, s.0, mem);
    }

    /// Stores a constant of `bytes` (1, 2, 4 or 8, sign-extended from 32 bits).
    pub(crate) fn store_imm(&mut self, bytes: u32, mem: Addr, imm: i32) {
        let (w, opcode, imm) = match bytes {
            1 => (Width::W32, 0xc6, Imm::I8(imm)),
            2 => {
                self.push(HALF_WORD);
                (Width::W32, 0xc7, Imm::I16(imm))
            }
            4 => (Width::W32, 0xc7, Imm::I32(imm)),
            _ => (Width::W64, 0xc7, Imm::I32(imm)),
        };
        self.op_rmi(w, Opcode::one(opcode), 0, mem, imm);
    }
}

/// The prefix that makes an operation of 32 bits one of 16.
const HALF_WORD: u8 = 0x66;
