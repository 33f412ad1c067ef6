//! The encoder of integer instructions: opcode, registers and memory operand in their shortest form.
//!
//! ```text
//! [rex] opcode ModRM [SIB] [displacement] [immediate]      add rsi, [rbx + 8]  =  48 03 73 08
//! ```
//!
//! An instruction is put together in a word and appended at once. A REX prefix is there when a 64-bit operation or one of the upper eight registers needs it (or a byte register does,
//! which without it would be `ah` to `bh`), a SIB byte for an index and for bases `rsp` and `r12`,
//! a displacement when it is not zero or the base is `rbp` or `r13`.

use super::{Addr, Asm, Gpr, Width, fits_i8};

/// An opcode of one byte, or of two with the first `0f`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opcode {
    bytes: u32,
    len: u32,
    /// Whether ModRM's r/m or reg may name a byte register.
    byte_register: bool,
}

impl Opcode {
    /// An opcode of one byte.
    pub(super) const fn one(byte: u8) -> Self {
        Self { bytes: byte as u32, len: 1, byte_register: false }
    }

    /// `0f` and another byte.
    pub(super) const fn two(byte: u8) -> Self {
        Self { bytes: 0x0f | (byte as u32) << 8, len: 2, byte_register: false }
    }

    /// The same opcode on byte registers.
    pub(super) const fn on_bytes(self) -> Self {
        Self { byte_register: true, ..self }
    }
}

/// An immediate operand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Imm {
    /// There is none.
    None,
    /// Of 8 bits.
    I8(i32),
    /// Of 16 bits.
    I16(i32),
    /// Of 32 bits.
    I32(i32),
}

impl Imm {
    /// The shorter of 8 and 32 bits, sign-extended.
    #[inline(always)]
    pub(super) fn short(value: i32) -> Self {
        if fits_i8(value) { Self::I8(value) } else { Self::I32(value) }
    }

    #[inline(always)]
    fn encode(self) -> Encoded {
        match self {
            Self::None => Encoded { bits: 0, len: 0 },
            Self::I8(value) => Encoded { bits: u64::from(value as u8), len: 1 },
            Self::I16(value) => Encoded { bits: u64::from(value as u16), len: 2 },
            Self::I32(value) => Encoded { bits: u64::from(value as u32), len: 4 },
        }
    }
}

/// A part of an instruction: its bytes, the first one lowest, and their number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoded {
    bits: u64,
    len: u32,
}

impl Encoded {
    /// ModRM, SIB and displacement of a memory operand; the displacement of a pool operand is
    /// filled in later.
    #[inline(always)]
    pub(super) fn memory(reg: u8, mem: Addr) -> Self {
        let reg = u64::from(reg & 7) << 3;
        let (base, sib, disp) = match mem {
            Addr::Frame(disp) => (5, None, disp),
            Addr::Base(base, disp) if base.0 & 7 == 4 => (base.0, Some(4), disp),
            Addr::Base(base, disp) => (base.0, None, disp),
            Addr::Indexed(base, index, disp) => (base.0, Some(index.0), disp),
            Addr::Pool(_) => return Self { bits: reg | 5, len: 5 },
        };
        let base = u64::from(base & 7);
        let (mode, disp_len) = match disp {
            0 if base != 5 => (0x00, 0),
            _ if fits_i8(disp) => (0x40, 1),
            _ => (0x80, 4),
        };
        let disp = u64::from(disp as u32);
        // Bytes of a displacement that is too long are cut off by the length.
        match sib {
            None => Self { bits: mode | reg | base | disp << 8, len: 1 + disp_len },
            Some(index) => {
                let sib = u64::from(index & 7) << 3 | base;
                Self { bits: mode | reg | 4 | sib << 8 | disp << 16, len: 2 + disp_len }
            }
        }
    }

    /// The numbers of index and base, for the bits of a prefix.
    #[inline(always)]
    pub(super) fn index_and_base(mem: Addr) -> (u8, u8) {
        match mem {
            Addr::Frame(_) | Addr::Pool(_) => (0, 0),
            Addr::Base(base, _) => (0, base.0),
            Addr::Indexed(base, index, _) => (index.0, base.0),
        }
    }
}

impl Asm {
    /// `op reg, rm` (or the other way round, as the opcode says) of two registers.
    #[inline(always)]
    pub(super) fn op_rr(&mut self, w: Width, op: Opcode, reg: u8, rm: u8) {
        self.op_rri(w, op, reg, rm, Imm::None);
    }

    /// [`Self::op_rr`] with an immediate. Where the opcode has one register only, `reg` is the rest
    /// of the opcode.
    #[inline(always)]
    pub(super) fn op_rri(&mut self, w: Width, op: Opcode, reg: u8, rm: u8, imm: Imm) {
        let modrm = Encoded { bits: u64::from(0xc0 | (reg & 7) << 3 | rm & 7), len: 1 };
        let rex = rex(w, reg, 0, rm);
        self.instruction(rex, op, modrm, imm);
    }

    /// `op reg, [mem]` or `op [mem], reg`, as the opcode says.
    #[inline(always)]
    pub(super) fn op_rm(&mut self, w: Width, op: Opcode, reg: u8, mem: Addr) {
        self.op_rmi(w, op, reg, mem, Imm::None);
    }

    /// [`Self::op_rm`] with an immediate.
    #[inline(always)]
    pub(super) fn op_rmi(&mut self, w: Width, op: Opcode, reg: u8, mem: Addr, imm: Imm) {
        let (index, base) = Encoded::index_and_base(mem);
        let rex = rex(w, reg, index, base);
        self.instruction(rex, op, Encoded::memory(reg, mem), imm);
        if let Addr::Pool(offset) = mem {
            self.link_constant(offset, imm.encode().len);
        }
    }

    /// `op r, imm` where the register is a part of the opcode.
    #[inline(always)]
    pub(super) fn op_short(&mut self, w: Width, opcode: u8, r: Gpr, imm: Imm) {
        let none = Encoded { bits: 0, len: 0 };
        self.instruction(rex(w, 0, 0, r.0), Opcode::one(opcode | r.0 & 7), none, imm);
    }

    #[inline(always)]
    fn instruction(&mut self, rex: u8, op: Opcode, operands: Encoded, imm: Imm) {
        let imm = imm.encode();
        let prefixed = u32::from(rex != 0x40 || op.byte_register);
        let prefix = u64::from(rex) * u64::from(prefixed);
        let head = (u64::from(op.bytes) << (8 * prefixed)) | prefix;
        let head_len = op.len + prefixed;
        let len = head_len + operands.len;
        self.append(head | operands.bits << (8 * head_len), len.min(8));
        if len > 8 {
            self.append(operands.bits >> (64 - 8 * head_len), len - 8);
        }
        if imm.len > 0 {
            self.append(imm.bits, imm.len);
        }
    }

    /// Appends a part of an instruction.
    #[inline(always)]
    pub(super) fn append_encoded(&mut self, part: Encoded) {
        self.append(part.bits, part.len);
    }

    /// Appends the lowest `len` bytes: all eight, which is one store, without those too many.
    #[inline(always)]
    pub(super) fn append(&mut self, bits: u64, len: u32) {
        let end = self.buf.len() + len as usize;
        self.buf.extend_from_slice(&bits.to_le_bytes());
        self.buf.truncate(end);
    }
}

/// A REX prefix: 0x40 when it says nothing.
#[inline(always)]
fn rex(w: Width, reg: u8, index: u8, rm: u8) -> u8 {
    let wide = u8::from(w == Width::W64) << 3;
    0x40 | wide | (reg >> 3) << 2 | (index >> 3) << 1 | rm >> 3
}

#[cfg(test)]
mod tests {
    use super::super::{Cond, LoadKind, RAX};
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

    /// What the bytes that `emit` appends are, as one instruction.
    fn text(emit: impl FnOnce(&mut Asm)) -> (String, usize) {
        let mut asm = Asm::default();
        emit(&mut asm);
        let mut decoder = Decoder::new(64, asm.code(), DecoderOptions::NONE);
        let instruction = decoder.decode();
        assert_eq!(instruction.len(), asm.code().len(), "one instruction: {:02x?}", asm.code());
        let mut text = String::new();
        IntelFormatter::new().format(&instruction, &mut text);
        (text, asm.code().len())
    }

    const NAMES: [(&str, &str, &str); 16] = [
        ("rax", "eax", "al"),
        ("rcx", "ecx", "cl"),
        ("rdx", "edx", "dl"),
        ("rbx", "ebx", "bl"),
        ("rsp", "esp", "spl"),
        ("rbp", "ebp", "bpl"),
        ("rsi", "esi", "sil"),
        ("rdi", "edi", "dil"),
        ("r8", "r8d", "r8b"),
        ("r9", "r9d", "r9b"),
        ("r10", "r10d", "r10b"),
        ("r11", "r11d", "r11b"),
        ("r12", "r12d", "r12b"),
        ("r13", "r13d", "r13b"),
        ("r14", "r14d", "r14b"),
        ("r15", "r15d", "r15b"),
    ];

    #[test]
    fn registers_are_in_place() {
        for d in 0..16u8 {
            for s in 0..16u8 {
                let (dest, source) = (NAMES[d as usize], NAMES[s as usize]);
                let (d, s) = (Gpr(d), Gpr(s));
                assert_eq!(
                    text(|asm| asm.mov_rr(Width::W64, d, s)).0,
                    format!("mov {},{}", dest.0, source.0)
                );
                assert_eq!(
                    text(|asm| asm.sub_rr(Width::W32, d, s)).0,
                    format!("sub {},{}", dest.1, source.1)
                );
                assert_eq!(
                    text(|asm| asm.imul_rr(Width::W32, d, s)).0,
                    format!("imul {},{}", dest.1, source.1)
                );
                assert_eq!(
                    text(|asm| asm.movsx8(Width::W64, d, s)).0,
                    format!("movsx {},{}", dest.0, source.2)
                );
                assert_eq!(
                    text(|asm| asm.cmov(Cond::E, Width::W32, d, s)).0,
                    format!("cmove {},{}", dest.1, source.1)
                );
            }
        }
    }

    #[test]
    fn memory_operands_are_in_place() {
        for base in 0..16u8 {
            for (disp, end) in [(0, ""), (8, "+8"), (-128, "-80h"), (4096, "+1000h")] {
                let name = NAMES[base as usize].0;
                let mem = Addr::Base(Gpr(base), disp);
                let (load, len) = text(|asm| asm.load(LoadKind::U64, Gpr(9), mem));
                assert_eq!(load, format!("mov r9,[{name}{end}]"));
                let sib = usize::from(base & 7 == 4);
                let disp_len = match disp {
                    0 if base & 7 != 5 => 0,
                    4096 => 4,
                    _ => 1,
                };
                assert_eq!(len, 3 + sib + disp_len, "{load}");
                for index in (0..16u8).filter(|&index| index != 4) {
                    let with_index = format!("[{name}+{}{end}]", NAMES[index as usize].0);
                    let mem = Addr::Indexed(Gpr(base), Gpr(index), disp);
                    for (bytes, source) in [(1, "sil"), (2, "si"), (4, "esi"), (8, "rsi")] {
                        assert_eq!(
                            text(|asm| asm.store(bytes, mem, Gpr(6))).0,
                            format!("mov {with_index},{source}")
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn immediates_are_as_short_as_they_can_be() {
        let size = |emit: &dyn Fn(&mut Asm)| text(|asm| emit(asm)).1;
        assert_eq!(size(&|asm| asm.add_ri(Width::W32, RAX, 127)), 3);
        assert_eq!(size(&|asm| asm.add_ri(Width::W32, RAX, 128)), 6);
        assert_eq!(size(&|asm| asm.cmp_ri(Width::W64, Gpr(8), -1)), 4);
        assert_eq!(size(&|asm| asm.mov_ri(RAX, 0)), 5);
        assert_eq!(size(&|asm| asm.mov_ri(RAX, u64::MAX)), 7);
        assert_eq!(size(&|asm| asm.mov_ri(Gpr(12), 1 << 40)), 10);
        assert_eq!(text(|asm| asm.mov_ri(Gpr(12), 1 << 40)).0, "mov r12,10000000000h");
        assert_eq!(text(|asm| asm.test_ri(Width::W64, Gpr(7), 64)).0, "test dil,40h");
        assert_eq!(text(|asm| asm.test_ri(Width::W64, Gpr(7), 128)).0, "test rdi,80h");
        let mem = Addr::Frame(-8);
        assert_eq!(text(|asm| asm.store_imm(2, mem, -2)).0, "mov word ptr [rbp-8],0FFFEh");
        assert_eq!(
            text(|asm| asm.store_imm(8, mem, -2)).0,
            "mov qword ptr [rbp-8],0FFFFFFFFFFFFFFFEh"
        );
        let patched = text(|asm| asm.sub_mi_patchable(Width::W32, Addr::Base(Gpr(11), 0), 1));
        assert_eq!(patched, ("sub dword ptr [r11],1".to_owned(), 7));
    }
}
