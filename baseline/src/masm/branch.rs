//! Jumps, traps and jump tables.

use super::{Asm, Cond, Gpr, Label, SCRATCH};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

/// Bytes of [`Asm::jcc`].
pub(super) const JCC_BYTES: usize = 6;

impl Asm {
    /// `jmp label`
    #[inline]
    pub(crate) fn jmp(&mut self, label: &mut Label) {
        self.keep_in_line(5);
        let at = self.pos() + 1;
        let distance = Self::refer(label, at);
        self.append(0xe9 | u64::from(distance) << 8, 5);
    }

    /// `jcc label`
    #[inline]
    pub(crate) fn jcc(&mut self, cond: Cond, label: &mut Label) {
        self.keep_in_line(JCC_BYTES);
        let at = self.pos() + 2;
        let distance = Self::refer(label, at);
        self.append(0x0f | u64::from(0x80 | cond.0) << 8 | u64::from(distance) << 16, 6);
    }

    /// A short forward jump of at most 127 bytes; give the result to [`Self::end_short`].
    pub(crate) fn jcc_short(&mut self, cond: Cond) -> ShortJump {
        let opcode = 0x70 | cond.0;
        self.keep_in_line(2);
        self.open_short += 1;
        dynasm!(self ; .arch x64 ; .u8 opcode ; .u8 0);
        ShortJump(self.pos())
    }

    /// An unconditional short forward jump.
    pub(crate) fn jmp_short(&mut self) -> ShortJump {
        self.keep_in_line(2);
        self.open_short += 1;
        dynasm!(self ; .arch x64 ; .u8 0xeb ; .u8 0);
        ShortJump(self.pos())
    }

    /// Ends a short jump here.
    pub(crate) fn end_short(&mut self, jump: ShortJump) {
        self.open_short -= 1;
        let distance =
            i8::try_from(self.pos() - jump.0).expect("short jumps stay within 127 bytes");
        self.overwrite(jump.0 as usize - 1, &distance.to_le_bytes());
    }

    /// `jmp r`
    pub(crate) fn jmp_reg(&mut self, r: Gpr) {
        dynasm!(self ; .arch x64 ; jmp Rq(r.0));
    }

    /// `ud2`: raises the trap that the trap map has for it.
    pub(crate) fn ud2(&mut self) {
        dynasm!(self ; .arch x64 ; ud2);
    }

    /// Jumps to entry `index` of a table of 32-bit distances from its own start, which the caller
    /// emits at `table`. Destroys the scratch register and `index`.
    pub(crate) fn jump_table(&mut self, index: Gpr, table: &mut Label) {
        // lea r11, [rip + table]
        dynasm!(self ; .arch x64 ; .u8 0x4c ; .u8 0x8d ; .u8 0x1d);
        let distance = Self::refer(table, self.pos());
        self.push_i32(distance as i32);
        dynasm!(self ; .arch x64
            ; movsxd Rq(index.0), DWORD [Rq(SCRATCH.0) + Rq(index.0) * 4]
            ; add Rq(SCRATCH.0), Rq(index.0)
            ; jmp Rq(SCRATCH.0));
    }
}

/// A short jump whose end is not known yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct ShortJump(u32);

impl Asm {
    /// Lets the jump whose displacement ends at `end` go here.
    pub(crate) fn patch_jump(&mut self, end: u32) {
        let distance = self.pos().wrapping_sub(end) as i32;
        self.patch_i32(end - 4, distance);
    }
}
