//! The assembler: x86-64 instructions on registers known by their hardware numbers.
//!
//! Letters in names: `rr` register from register, `ri` register and immediate, `rm` register from
//! memory, `mr` memory from register; `d` is the destination, `s` the source. [`Width`] says
//! whether an integer operation works on 32 or 64 bits; a 32-bit operation zeroes the upper half of
//! its destination, which is how every `i32` in a register stays zero-extended.
//!
//! `r11` and `xmm15` belong to this module: instructions that need a temporary use them, so no value
//! lives there across a call of a function of the assembler. Emission cannot fail.
//!
//! A [`Label`] that is not bound yet chains the places that jump to it through their own 32-bit
//! displacements: each holds the offset of the previous one. No label needs memory of its own.

#![expect(clippy::useless_conversion, reason = "dynasm! converts register numbers to u8")]

mod alu;
mod atomic;
mod branch;
mod call;
mod encode;
mod float;
mod memory;
mod simd;
pub(crate) mod vex;

pub(crate) use atomic::AtomicLogic;
pub(crate) use simd::{FloatCompare, FusedOp, LaneShift, LaneWidth, Lanes};

use branch::JCC_BYTES;
pub(crate) use branch::ShortJump;
pub(crate) use memory::LoadKind;

use dynasmrt::{AssemblyOffset, DynasmApi};
use upshift_abi::code::{CODE_LINE_BYTES, nops};

/// Bytes of most comparisons.
pub(crate) const COMPARE_BYTES: usize = 4;

/// A general register, by hardware number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gpr(pub(crate) u8);

/// A vector register, by hardware number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Xmm(pub(crate) u8);

/// First result, dividend.
pub(crate) const RAX: Gpr = Gpr(0);
/// Shift counts.
pub(crate) const RCX: Gpr = Gpr(1);
/// Upper half of dividends and products.
pub(crate) const RDX: Gpr = Gpr(2);
/// Second argument.
pub(crate) const RSI: Gpr = Gpr(6);
/// First argument.
pub(crate) const RDI: Gpr = Gpr(7);
/// Fifth argument.
pub(crate) const R8: Gpr = Gpr(8);
/// The stack pointer.
pub(crate) const RSP: Gpr = Gpr(4);
/// The frame pointer.
pub(crate) const RBP: Gpr = Gpr(5);
/// The assembler's temporary.
pub(crate) const SCRATCH: Gpr = Gpr(11);
/// The thread context.
pub(crate) const THREAD: Gpr = Gpr(15);
/// The assembler's temporary vector register.
pub(crate) const XSCRATCH: Xmm = Xmm(15);

/// Whether an integer operation works on 32 or 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
}

/// Precision of a scalar float operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prec {
    /// `f32`
    Single,
    /// `f64`
    Double,
}

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addr {
    /// `[rbp + disp]`
    Frame(i32),
    /// `[base + disp]`
    Base(Gpr, i32),
    /// `[base + index * 1 + disp]`
    Indexed(Gpr, Gpr, i32),
    /// A constant of the function's pool; see [`Asm::link_constant`].
    Pool(u32),
}

/// Condition codes by their hardware number; bit 0 negates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cond(pub(crate) u8);

#[expect(dead_code, reason = "the whole set of conditions is named")]
impl Cond {
    pub(crate) const O: Self = Self(0);
    pub(crate) const NO: Self = Self(1);
    pub(crate) const B: Self = Self(2);
    pub(crate) const AE: Self = Self(3);
    pub(crate) const E: Self = Self(4);
    pub(crate) const NE: Self = Self(5);
    pub(crate) const BE: Self = Self(6);
    pub(crate) const A: Self = Self(7);
    pub(crate) const S: Self = Self(8);
    pub(crate) const NS: Self = Self(9);
    pub(crate) const P: Self = Self(10);
    pub(crate) const NP: Self = Self(11);
    pub(crate) const L: Self = Self(12);
    pub(crate) const GE: Self = Self(13);
    pub(crate) const LE: Self = Self(14);
    pub(crate) const G: Self = Self(15);

    /// The opposite condition.
    pub(crate) const fn negate(self) -> Self {
        Self(self.0 ^ 1)
    }

    /// The condition that holds for `b ? a` when this one holds for `a ? b`.
    pub(crate) const fn swap(self) -> Self {
        match self.0 {
            2 => Self::A,
            3 => Self::BE,
            6 => Self::AE,
            7 => Self::B,
            12 => Self::G,
            13 => Self::LE,
            14 => Self::GE,
            15 => Self::L,
            _ => self,
        }
    }
}

/// A place in the code that jumps refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    /// The label's offset when bound, else the last place that refers to it, plus 1; 0 for none.
    value: u32,
    bound: bool,
}

impl Label {
    /// A label that nothing refers to.
    pub(crate) const fn new() -> Self {
        Self { value: 0, bound: false }
    }

    /// The label of code that was emitted before.
    pub(crate) const fn at(offset: u32) -> Self {
        Self { value: offset, bound: true }
    }
}

/// The code buffer.
#[derive(Debug, Default)]
pub(crate) struct Asm {
    buf: Vec<u8>,
    /// Constants of the pool: 8 or 16 bytes each, in `pool_bytes`.
    pool_bytes: Vec<u8>,
    /// Places whose displacement refers to the pool: offset of the displacement, pool offset.
    pool_refs: Vec<(u32, u32)>,
    /// Whether jumps, and comparisons in front of them, are kept from the ends of lines.
    pub(crate) keeps_lines: bool,
    /// Bytes of what was put in front of them.
    padding: u32,
    /// Short jumps that were not ended: what they skip must not grow.
    open_short: u32,
}

impl Extend<u8> for Asm {
    #[inline]
    fn extend<T: IntoIterator<Item = u8>>(&mut self, iter: T) {
        self.buf.extend(iter);
    }
}

impl<'a> Extend<&'a u8> for Asm {
    #[inline]
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, iter: T) {
        self.buf.extend(iter);
    }
}

impl DynasmApi for Asm {
    #[inline]
    fn offset(&self) -> AssemblyOffset {
        AssemblyOffset(self.buf.len())
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.buf.push(byte);
    }

    fn align(&mut self, alignment: usize, with: u8) {
        self.buf.resize(self.buf.len().next_multiple_of(alignment), with);
    }

    #[inline]
    fn push_i32(&mut self, value: i32) {
        self.buf.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn push_i64(&mut self, value: i64) {
        self.buf.extend_from_slice(&value.to_le_bytes());
    }
}

impl Asm {
    /// Starts a function: `reserved` bytes are left for the prologue that is written last.
    pub(crate) fn start(&mut self, reserved: usize, capacity: usize) {
        self.buf.clear();
        self.buf.reserve(capacity);
        self.buf.resize(reserved, 0x90);
        self.pool_bytes.clear();
        self.pool_refs.clear();
        self.keeps_lines = false;
        self.padding = 0;
        self.open_short = 0;
    }

    /// Bytes of code so far without padding: the same on all processors.
    pub(crate) fn size(&self) -> u32 {
        self.pos() - self.padding
    }

    /// Has the comparison that comes next, of up to `len` bytes, in one line with its jump: the
    /// processor makes one of both.
    #[inline]
    pub(crate) fn keep_with_jump(&mut self, len: usize) {
        self.keep_in_line(len + JCC_BYTES);
    }

    /// Goes on in the next line of code when the next `len` bytes would not end within this one.
    #[inline]
    fn keep_in_line(&mut self, len: usize) {
        if self.keeps_lines && self.open_short == 0 {
            let left = CODE_LINE_BYTES - self.buf.len() % CODE_LINE_BYTES;
            if left <= len {
                self.buf.extend(nops(left));
                self.padding += left as u32;
            }
        }
    }

    /// Offset of the next instruction.
    #[inline]
    pub(crate) fn pos(&self) -> u32 {
        self.buf.len() as u32
    }

    /// The code so far.
    pub(crate) fn code(&self) -> &[u8] {
        &self.buf
    }

    /// Writes `bytes` over what stands at `at`.
    pub(crate) fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self.buf[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Removes everything behind `len` and returns it.
    pub(crate) fn split_off(&mut self, len: usize) -> Vec<u8> {
        self.buf.split_off(len)
    }

    /// Pads with `int3` to a multiple of `alignment`.
    pub(crate) fn pad_to(&mut self, alignment: usize) {
        let before = self.pos();
        self.align(alignment, 0xcc);
        self.padding += self.pos() - before;
    }

    /// Appends a 32-bit value (of a jump table).
    pub(crate) fn data_i32(&mut self, value: i32) {
        self.push_i32(value);
    }

    /// Writes a 32-bit value at `at`.
    pub(crate) fn patch_i32(&mut self, at: u32, value: i32) {
        self.overwrite(at as usize, &value.to_le_bytes());
    }

    fn read_u32(&self, at: u32) -> u32 {
        let at = at as usize;
        let bytes: [u8; 4] = self.buf[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes)
    }

    /// What to put at `at`, the displacement at the end of a jump to `label`.
    #[inline(always)]
    fn refer(label: &mut Label, at: u32) -> u32 {
        if label.bound {
            label.value.wrapping_sub(at + 4)
        } else {
            std::mem::replace(&mut label.value, at + 1)
        }
    }

    /// Binds `label` to the next instruction.
    pub(crate) fn bind(&mut self, label: &mut Label) {
        assert!(!label.bound, "a label is bound once");
        let here = self.pos();
        let mut next = label.value;
        while next != 0 {
            let at = next - 1;
            next = self.read_u32(at);
            self.patch_i32(at, here.wrapping_sub(at + 4) as i32);
        }
        *label = Label { value: here, bound: true };
    }

    /// Puts an 8-byte constant into the pool.
    pub(crate) fn pool_u64(&mut self, value: u64) -> Addr {
        let bytes = value.to_le_bytes();
        let recent = self.pool_bytes.len().saturating_sub(128);
        let found = self.pool_bytes[recent..].chunks_exact(8).position(|chunk| chunk == bytes);
        if let Some(i) = found {
            return Addr::Pool((recent + i * 8) as u32);
        }
        let offset = self.pool_bytes.len() as u32;
        self.pool_bytes.extend_from_slice(&bytes);
        Addr::Pool(offset)
    }

    /// Puts a 16-byte constant into the pool.
    pub(crate) fn pool_u128(&mut self, value: u128) -> Addr {
        let bytes = value.to_le_bytes();
        let recent = (self.pool_bytes.len().saturating_sub(256)).next_multiple_of(16);
        let tail = self.pool_bytes.get(recent..).unwrap_or(&[]);
        if let Some(i) = tail.chunks_exact(16).position(|chunk| chunk == bytes) {
            return Addr::Pool((recent + i * 16) as u32);
        }
        self.pool_bytes.resize(self.pool_bytes.len().next_multiple_of(16), 0);
        let offset = self.pool_bytes.len() as u32;
        self.pool_bytes.extend_from_slice(&bytes);
        Addr::Pool(offset)
    }

    /// Notes that the displacement that was just emitted refers to the pool.
    #[inline]
    fn link_constant(&mut self, pool_offset: u32, trailing_bytes: u32) {
        let at = self.pos() - 4 - trailing_bytes;
        self.patch_i32(at, trailing_bytes as i32);
        self.pool_refs.push((at, pool_offset));
    }

    /// Appends the pool and resolves references to it.
    pub(crate) fn place_pool(&mut self) {
        if self.pool_bytes.is_empty() {
            return;
        }
        self.pad_to(16);
        let start = self.pos();
        let bytes = std::mem::take(&mut self.pool_bytes);
        self.buf.extend_from_slice(&bytes);
        self.pool_bytes = bytes;
        for (at, offset) in std::mem::take(&mut self.pool_refs) {
            let trailing = self.read_u32(at);
            self.patch_i32(at, (start + offset).wrapping_sub(at + 4 + trailing) as i32);
        }
    }
}

/// Whether `value` fits a sign-extended byte.
#[inline]
pub(crate) fn fits_i8(value: i32) -> bool {
    i8::try_from(value).is_ok()
}

/// Emits an instruction with a memory operand in its shortest form: the operand stands where the
/// two bracketed token lists meet.
macro_rules! with_addr {
    ($asm:ident, $addr:expr, [$($pre:tt)*], [$($post:tt)*]) => {
        with_addr!($asm, $addr, [$($pre)*], [$($post)*], 0)
    };
    ($asm:ident, $addr:expr, [$($pre:tt)*], [$($post:tt)*], $trailing:expr) => {
        match $addr {
            Addr::Frame(disp) if fits_i8(disp) => {
                dynasm!($asm ; .arch x64 ; $($pre)* [BYTE rbp + disp as i8] $($post)*);
            }
            Addr::Frame(disp) => {
                dynasm!($asm ; .arch x64 ; $($pre)* [DWORD rbp + disp] $($post)*);
            }
            Addr::Base(base, disp) if fits_i8(disp) => {
                dynasm!($asm ; .arch x64 ; $($pre)* [BYTE Rq(base.0) + disp as i8] $($post)*);
            }
            Addr::Base(base, disp) => {
                dynasm!($asm ; .arch x64 ; $($pre)* [DWORD Rq(base.0) + disp] $($post)*);
            }
            Addr::Indexed(base, index, disp) if fits_i8(disp) => {
                dynasm!($asm ; .arch x64
                    ; $($pre)* [BYTE Rq(base.0) + Rq(index.0) * 1 + disp as i8] $($post)*);
            }
            Addr::Indexed(base, index, disp) => {
                dynasm!($asm ; .arch x64
                    ; $($pre)* [DWORD Rq(base.0) + Rq(index.0) * 1 + disp] $($post)*);
            }
            Addr::Pool(offset) => {
                dynasm!($asm ; .arch x64 ; $($pre)* [rip + 0] $($post)*);
                $asm.link_constant(offset, $trailing);
            }
        }
    };
}
pub(crate) use with_addr;
