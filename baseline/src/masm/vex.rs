//! VEX instructions as data: one row per instruction, one encoder for all.
//!
//! A row gives the mandatory prefix, the opcode map, the W bit and the opcode:
//!
//! ```text
//! VPADDB = P66 M0F W0 0xfc     vpaddb xmm1, xmm2, xmm3/m128
//! ```
//!
//! An encoded instruction is the prefix (`c5` when map is `0f`, W is 0 and neither index nor
//! r/m need a fourth bit, else `c4`), the opcode, ModRM with its memory operand, and perhaps an
//! immediate: `vpaddb xmm0, xmm1, xmm9` is `c4 c1 71 fc c1`. All instructions here work on
//! 128 bits. Operands are always destination, first source (`vvvv`), second source (r/m); what has
//! one source leaves `vvvv` unused.

use super::encode::Encoded;
use super::{Addr, Asm, Gpr, Xmm};
use dynasmrt::DynasmApi;

/// A VEX instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vex {
    /// Mandatory prefix: 0 none, 1 `66`, 2 `f3`, 3 `f2`.
    prefix: u8,
    /// Opcode map: 1 `0f`, 2 `0f38`, 3 `0f3a`.
    map: u8,
    /// The W bit, in place.
    wide: u8,
    opcode: u8,
}

const NP: u8 = 0;
const P66: u8 = 1;
const PF3: u8 = 2;
const PF2: u8 = 3;
const M0F: u8 = 1;
const M38: u8 = 2;
const M3A: u8 = 3;
const W0: u8 = 0;
const W1: u8 = 0x80;

macro_rules! instructions {
    ($($name:ident = $prefix:ident $map:ident $wide:ident $opcode:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            pub(crate) const $name: Vex =
                Vex { prefix: $prefix, map: $map, wide: $wide, opcode: $opcode };
        )*

        /// All rows with their names.
        #[cfg(test)]
        const ALL: &[(&str, Vex)] = &[$((stringify!($name), $name),)*];
    };
}

instructions! {
    VMOVSS = PF3 M0F W0 0x10;
    VMOVSD = PF2 M0F W0 0x10;
    VMOVDQU = PF3 M0F W0 0x6f;
    VMOVDDUP = PF2 M0F W0 0x12;
    VBROADCASTSS = P66 M38 W0 0x18;
    VPBROADCASTB = P66 M38 W0 0x78;
    VPBROADCASTW = P66 M38 W0 0x79;
    VPBROADCASTD = P66 M38 W0 0x58;
    VPBROADCASTQ = P66 M38 W0 0x59;
    VPAND = P66 M0F W0 0xdb;
    VPANDN = P66 M0F W0 0xdf;
    VPOR = P66 M0F W0 0xeb;
    VPXOR = P66 M0F W0 0xef;
    VPTEST = P66 M38 W0 0x17;
    VPADDB = P66 M0F W0 0xfc;
    VPADDW = P66 M0F W0 0xfd;
    VPADDD = P66 M0F W0 0xfe;
    VPADDQ = P66 M0F W0 0xd4;
    VPSUBB = P66 M0F W0 0xf8;
    VPSUBW = P66 M0F W0 0xf9;
    VPSUBD = P66 M0F W0 0xfa;
    VPSUBQ = P66 M0F W0 0xfb;
    VPADDSB = P66 M0F W0 0xec;
    VPADDSW = P66 M0F W0 0xed;
    VPADDUSB = P66 M0F W0 0xdc;
    VPADDUSW = P66 M0F W0 0xdd;
    VPSUBSB = P66 M0F W0 0xe8;
    VPSUBSW = P66 M0F W0 0xe9;
    VPSUBUSB = P66 M0F W0 0xd8;
    VPSUBUSW = P66 M0F W0 0xd9;
    VPMULLW = P66 M0F W0 0xd5;
    VPMULLD = P66 M38 W0 0x40;
    VPMULHW = P66 M0F W0 0xe5;
    VPMULHUW = P66 M0F W0 0xe4;
    VPMULHRSW = P66 M38 W0 0x0b;
    VPMULDQ = P66 M38 W0 0x28;
    VPMULUDQ = P66 M0F W0 0xf4;
    VPMADDWD = P66 M0F W0 0xf5;
    VPMADDUBSW = P66 M38 W0 0x04;
    VPMINSB = P66 M38 W0 0x38;
    VPMINUB = P66 M0F W0 0xda;
    VPMINSW = P66 M0F W0 0xea;
    VPMINUW = P66 M38 W0 0x3a;
    VPMINSD = P66 M38 W0 0x39;
    VPMINUD = P66 M38 W0 0x3b;
    VPMAXSB = P66 M38 W0 0x3c;
    VPMAXUB = P66 M0F W0 0xde;
    VPMAXSW = P66 M0F W0 0xee;
    VPMAXUW = P66 M38 W0 0x3e;
    VPMAXSD = P66 M38 W0 0x3d;
    VPMAXUD = P66 M38 W0 0x3f;
    VPAVGB = P66 M0F W0 0xe0;
    VPAVGW = P66 M0F W0 0xe3;
    VPABSB = P66 M38 W0 0x1c;
    VPABSW = P66 M38 W0 0x1d;
    VPABSD = P66 M38 W0 0x1e;
    VPCMPEQB = P66 M0F W0 0x74;
    VPCMPEQW = P66 M0F W0 0x75;
    VPCMPEQD = P66 M0F W0 0x76;
    VPCMPEQQ = P66 M38 W0 0x29;
    VPCMPGTB = P66 M0F W0 0x64;
    VPCMPGTW = P66 M0F W0 0x65;
    VPCMPGTD = P66 M0F W0 0x66;
    VPCMPGTQ = P66 M38 W0 0x37;
    VPSLLW = P66 M0F W0 0xf1;
    VPSLLD = P66 M0F W0 0xf2;
    VPSLLQ = P66 M0F W0 0xf3;
    VPSRLW = P66 M0F W0 0xd1;
    VPSRLD = P66 M0F W0 0xd2;
    VPSRLQ = P66 M0F W0 0xd3;
    VPSRAW = P66 M0F W0 0xe1;
    VPSRAD = P66 M0F W0 0xe2;
    VPACKSSWB = P66 M0F W0 0x63;
    VPACKSSDW = P66 M0F W0 0x6b;
    VPACKUSWB = P66 M0F W0 0x67;
    VPACKUSDW = P66 M38 W0 0x2b;
    VPUNPCKLBW = P66 M0F W0 0x60;
    VPUNPCKLWD = P66 M0F W0 0x61;
    VPUNPCKLDQ = P66 M0F W0 0x62;
    VPUNPCKLQDQ = P66 M0F W0 0x6c;
    VPUNPCKHBW = P66 M0F W0 0x68;
    VPUNPCKHWD = P66 M0F W0 0x69;
    VPUNPCKHDQ = P66 M0F W0 0x6a;
    VPUNPCKHQDQ = P66 M0F W0 0x6d;
    VPMOVSXBW = P66 M38 W0 0x20;
    VPMOVSXWD = P66 M38 W0 0x23;
    VPMOVSXDQ = P66 M38 W0 0x25;
    VPMOVZXBW = P66 M38 W0 0x30;
    VPMOVZXWD = P66 M38 W0 0x33;
    VPMOVZXDQ = P66 M38 W0 0x35;
    VPMOVMSKB = P66 M0F W0 0xd7;
    VMOVMSKPS = NP M0F W0 0x50;
    VMOVMSKPD = P66 M0F W0 0x50;
    VPSHUFB = P66 M38 W0 0x00;
    VADDPS = NP M0F W0 0x58;
    VADDPD = P66 M0F W0 0x58;
    VSUBPS = NP M0F W0 0x5c;
    VSUBPD = P66 M0F W0 0x5c;
    VMULPS = NP M0F W0 0x59;
    VMULPD = P66 M0F W0 0x59;
    VDIVPS = NP M0F W0 0x5e;
    VDIVPD = P66 M0F W0 0x5e;
    VMINPS = NP M0F W0 0x5d;
    VMINPD = P66 M0F W0 0x5d;
    VMAXPS = NP M0F W0 0x5f;
    VMAXPD = P66 M0F W0 0x5f;
    VSQRTPS = NP M0F W0 0x51;
    VSQRTPD = P66 M0F W0 0x51;
    VANDPS = NP M0F W0 0x54;
    VANDPD = P66 M0F W0 0x54;
    VANDNPS = NP M0F W0 0x55;
    VANDNPD = P66 M0F W0 0x55;
    VORPS = NP M0F W0 0x56;
    VORPD = P66 M0F W0 0x56;
    VXORPS = NP M0F W0 0x57;
    VXORPD = P66 M0F W0 0x57;
    VUNPCKLPS = NP M0F W0 0x14;
    VUNPCKLPD = P66 M0F W0 0x14;
    VCVTDQ2PS = NP M0F W0 0x5b;
    VCVTTPS2DQ = PF3 M0F W0 0x5b;
    VCVTDQ2PD = PF3 M0F W0 0xe6;
    VCVTTPD2DQ = P66 M0F W0 0xe6;
    VCVTPS2PD = NP M0F W0 0x5a;
    VCVTPD2PS = P66 M0F W0 0x5a;
    VFMADD213PS = P66 M38 W0 0xa8;
    VFMADD213PD = P66 M38 W1 0xa8;
    VFMADD231PS = P66 M38 W0 0xb8;
    VFMADD231PD = P66 M38 W1 0xb8;
    VFNMADD213PS = P66 M38 W0 0xac;
    VFNMADD213PD = P66 M38 W1 0xac;
    VFNMADD231PS = P66 M38 W0 0xbc;
    VFNMADD231PD = P66 M38 W1 0xbc;
}

/// Instructions with an 8-bit immediate.
pub(crate) mod imm {
    use super::*;

    instructions! {
        VPSHUFD = P66 M0F W0 0x70;
        VSHUFPS = NP M0F W0 0xc6;
        VPALIGNR = P66 M3A W0 0x0f;
        VPBLENDW = P66 M3A W0 0x0e;
        VPBLENDVB = P66 M3A W0 0x4c;
        VBLENDVPS = P66 M3A W0 0x4a;
        VBLENDVPD = P66 M3A W0 0x4b;
        VROUNDPS = P66 M3A W0 0x08;
        VROUNDPD = P66 M3A W0 0x09;
        VCMPPS = NP M0F W0 0xc2;
        VCMPPD = P66 M0F W0 0xc2;
        VINSERTPS = P66 M3A W0 0x21;
        VPINSRB = P66 M3A W0 0x20;
        VPINSRW = P66 M0F W0 0xc4;
        VPINSRD = P66 M3A W0 0x22;
        VPINSRQ = P66 M3A W1 0x22;
        VPEXTRB = P66 M3A W0 0x14;
        VPEXTRW = P66 M3A W0 0x15;
        VPEXTRD = P66 M3A W0 0x16;
        VPEXTRQ = P66 M3A W1 0x16;
    }

    #[cfg(test)]
    pub(super) const ROWS: &[(&str, Vex)] = ALL;
}

/// A shift of lanes by a constant: opcode and the digit that stands for the destination in ModRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShiftImm {
    vex: Vex,
    digit: u8,
}

macro_rules! shifts {
    ($($name:ident = $opcode:literal / $digit:literal;)*) => {$(
        #[doc = concat!("`", stringify!($name), "` by a constant")]
        pub(crate) const $name: ShiftImm = ShiftImm {
            vex: Vex { prefix: P66, map: M0F, wide: W0, opcode: $opcode },
            digit: $digit,
        };
    )*};
}

shifts! {
    PSLLW = 0x71 / 6;
    PSRLW = 0x71 / 2;
    PSRAW = 0x71 / 4;
    PSLLD = 0x72 / 6;
    PSRLD = 0x72 / 2;
    PSRAD = 0x72 / 4;
    PSLLQ = 0x73 / 6;
    PSRLQ = 0x73 / 2;
}

impl Asm {
    /// `op d, a, b`
    #[inline]
    pub(crate) fn vrrr(&mut self, op: Vex, d: Xmm, a: Xmm, b: Xmm) {
        self.vex_reg(op, d.0, a.0, b.0);
    }

    /// `op d, s`
    #[inline]
    pub(crate) fn vrr(&mut self, op: Vex, d: Xmm, s: Xmm) {
        self.vex_reg(op, d.0, 0, s.0);
    }

    /// `op d, a, [mem]`
    pub(crate) fn vrrm(&mut self, op: Vex, d: Xmm, a: Xmm, mem: Addr) {
        self.vex_mem(op, d.0, a.0, mem, None);
    }

    /// `op d, [mem]`, or a store `op [mem], d`
    pub(crate) fn vrm(&mut self, op: Vex, d: Xmm, mem: Addr) {
        self.vex_mem(op, d.0, 0, mem, None);
    }

    /// `op d, a, b, imm`
    pub(crate) fn vrrri(&mut self, op: Vex, d: Xmm, a: Xmm, b: Xmm, imm: u8) {
        self.vex_reg(op, d.0, a.0, b.0);
        self.push(imm);
    }

    /// `op d, s, imm`
    pub(crate) fn vrri(&mut self, op: Vex, d: Xmm, s: Xmm, imm: u8) {
        self.vex_reg(op, d.0, 0, s.0);
        self.push(imm);
    }

    /// `op d, a, [mem], imm`
    pub(crate) fn vrrmi(&mut self, op: Vex, d: Xmm, a: Xmm, mem: Addr, imm: u8) {
        self.vex_mem(op, d.0, a.0, mem, Some(imm));
    }

    /// `op d, [mem], imm`, or a store `op [mem], d, imm`
    pub(crate) fn vrmi(&mut self, op: Vex, d: Xmm, mem: Addr, imm: u8) {
        self.vex_mem(op, d.0, 0, mem, Some(imm));
    }

    /// `op d, a, r, imm` with a general register as second source.
    pub(crate) fn vinsert(&mut self, op: Vex, d: Xmm, a: Xmm, r: Gpr, lane: u8) {
        self.vex_reg(op, d.0, a.0, r.0);
        self.push(lane);
    }

    /// `op r, s, lane` with a general register as destination, which is ModRM's r/m.
    pub(crate) fn vextract(&mut self, op: Vex, r: Gpr, s: Xmm, lane: u8) {
        self.vex_reg(op, s.0, 0, r.0);
        self.push(lane);
    }

    /// `op r, s` with a general register as destination.
    pub(crate) fn vmask_to_gpr(&mut self, op: Vex, r: Gpr, s: Xmm) {
        self.vex_reg(op, r.0, 0, s.0);
    }

    /// `op d, s, amount`
    pub(crate) fn vshift_ri(&mut self, op: ShiftImm, d: Xmm, s: Xmm, amount: u8) {
        self.vex_reg(op.vex, op.digit, d.0, s.0);
        self.push(amount);
    }

    /// Emits prefix, opcode and ModRM with a register as r/m.
    fn vex_reg(&mut self, op: Vex, reg: u8, vvvv: u8, rm: u8) {
        self.vex_prefix(op, reg, vvvv, 0, rm);
        self.push(0xc0 | (reg & 7) << 3 | rm & 7);
    }

    /// Emits prefix, opcode, ModRM with a memory operand, and the immediate.
    fn vex_mem(&mut self, op: Vex, reg: u8, vvvv: u8, mem: Addr, imm: Option<u8>) {
        let (index, base) = Encoded::index_and_base(mem);
        self.vex_prefix(op, reg, vvvv, index, base);
        self.append_encoded(Encoded::memory(reg, mem));
        if let Some(imm) = imm {
            self.push(imm);
        }
        if let Addr::Pool(offset) = mem {
            self.link_constant(offset, u32::from(imm.is_some()));
        }
    }

    /// Emits the prefix in its shorter form where it exists, and the opcode.
    #[inline]
    fn vex_prefix(&mut self, op: Vex, reg: u8, vvvv: u8, index: u8, rm: u8) {
        let r = (!reg & 8) << 4;
        let x = (!index & 8) << 3;
        let b = (!rm & 8) << 2;
        let tail = (!vvvv & 15) << 3 | op.prefix;
        if op.map == M0F && op.wide == 0 && x | b == 0x60 {
            self.push(0xc5);
            self.push(r | tail);
        } else {
            self.push(0xc4);
            self.push(r | x | b | op.map);
            self.push(op.wide | tail);
        }
        self.push(op.opcode);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, Register};

    /// Registers with and without a fourth bit.
    const XMMS: [u8; 3] = [1, 7, 12];

    fn decode(asm: &Asm) -> Instruction {
        let mut decoder = Decoder::new(64, asm.code(), DecoderOptions::NONE);
        let instruction = decoder.decode();
        assert_eq!(instruction.len(), asm.code().len(), "one instruction: {instruction:?}");
        instruction
    }

    fn number(register: Register) -> u8 {
        let starts = [Register::EAX, Register::RAX, Register::XMM0];
        let offsets = starts.map(|start| (register as usize).wrapping_sub(start as usize));
        let offset = offsets.into_iter().find(|&offset| offset < 16);
        offset.expect("a general or vector register") as u8
    }

    /// The numbers of the register operands, vector or general.
    fn registers(instruction: &Instruction) -> Vec<u8> {
        (0..instruction.op_count())
            .filter(|&i| instruction.op_kind(i) == OpKind::Register)
            .map(|i| number(instruction.op_register(i)))
            .collect()
    }

    #[test]
    fn rows_decode_to_their_names() {
        for (name, op) in ALL.iter().chain(imm::ROWS) {
            for (d, b) in XMMS.into_iter().flat_map(|d| XMMS.map(|b| (d, b))) {
                let mut asm = Asm::default();
                asm.vex_reg(*op, d, 0, b);
                if imm::ROWS.contains(&(*name, *op)) {
                    asm.push(0);
                }
                let instruction = decode(&asm);
                let found = format!("{:?}", instruction.mnemonic()).to_lowercase();
                assert_eq!(found, name.to_lowercase(), "{:02x?}", asm.code());
            }
        }
    }

    #[test]
    fn operands_are_in_place() {
        let mut asm = Asm::default();
        asm.vrrr(VPADDB, Xmm(0), Xmm(1), Xmm(9));
        assert_eq!(asm.code(), [0xc4, 0xc1, 0x71, 0xfc, 0xc1]);
        for (d, a, b) in [(1, 2, 3), (9, 2, 3), (1, 9, 3), (1, 2, 9), (15, 14, 13)] {
            let mut asm = Asm::default();
            asm.vrrr(VPSUBW, Xmm(d), Xmm(a), Xmm(b));
            assert_eq!(registers(&decode(&asm)), [d, a, b]);
        }
        let mut asm = Asm::default();
        asm.vshift_ri(PSRAD, Xmm(10), Xmm(3), 31);
        assert_eq!(registers(&decode(&asm)), [10, 3]);
        let mut asm = Asm::default();
        asm.vextract(imm::VPEXTRQ, Gpr(9), Xmm(3), 1);
        assert_eq!(registers(&decode(&asm)), [9, 3]);
        let mut asm = Asm::default();
        asm.vinsert(imm::VPINSRD, Xmm(1), Xmm(2), Gpr(12), 1);
        assert_eq!(registers(&decode(&asm)), [1, 2, 12]);
    }

    #[test]
    fn memory_operands_are_in_place() {
        let gprs = [0, 4, 5, 12, 13];
        for base in gprs {
            for disp in [0, 1, -128, 128, 1 << 20] {
                check_mem(Addr::Base(Gpr(base), disp), base, None, disp);
                for index in [0, 5, 12, 13] {
                    let mem = Addr::Indexed(Gpr(base), Gpr(index), disp);
                    check_mem(mem, base, Some(index), disp);
                }
            }
        }
        check_mem(Addr::Frame(-16), 5, None, -16);
    }

    fn check_mem(mem: Addr, base: u8, index: Option<u8>, disp: i32) {
        for op in [VPADDB, VPMULLD] {
            let mut asm = Asm::default();
            asm.vrrmi(op, Xmm(9), Xmm(3), mem, 0);
            let code = asm.code().to_vec();
            let mut decoder = Decoder::new(64, &code[..code.len() - 1], DecoderOptions::NONE);
            let instruction = decoder.decode();
            assert_eq!(registers(&instruction), [9, 3]);
            assert_eq!(number(instruction.memory_base()), base);
            let found = instruction.memory_index();
            match index {
                None => assert_eq!(found, Register::None),
                Some(index) => assert_eq!(number(found), index),
            }
            assert_eq!(instruction.memory_displacement64() as i64, i64::from(disp));
        }
    }

    #[test]
    fn pool_operands_reach_behind_an_immediate() {
        let mut asm = Asm::default();
        let constant = asm.pool_u128(1);
        asm.vrrmi(imm::VCMPPS, Xmm(8), Xmm(1), constant, 3);
        let end = asm.code().len();
        asm.place_pool();
        let mut decoder = Decoder::new(64, &asm.code()[..end], DecoderOptions::NONE);
        let instruction = decoder.decode();
        assert_eq!(instruction.ip_rel_memory_address(), 16);
        assert_eq!(instruction.immediate8(), 3);
    }
}
