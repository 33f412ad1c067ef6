//! Calls, frames and returns.

use super::encode::Opcode;
use super::{Addr, Asm, Cond, Gpr, Label, Prec, RAX, SCRATCH, Width, XSCRATCH, fits_i8};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

impl Asm {
    /// `call [rip + slot]`; returns the offset of the displacement for a relocation.
    pub(crate) fn call_slot(&mut self) -> u32 {
        dynasm!(self ; .arch x64 ; call QWORD [rip + 0]);
        self.pos() - 4
    }

    /// `jmp [rip + slot]`; returns the offset of the displacement.
    pub(crate) fn jmp_slot(&mut self) -> u32 {
        dynasm!(self ; .arch x64 ; jmp QWORD [rip + 0]);
        self.pos() - 4
    }

    /// `call [mem]`
    pub(crate) fn call_mem(&mut self, mem: Addr) {
        self.op_rm(Width::W32, Opcode::one(0xff), 2, mem);
    }

    /// `push r`
    pub(crate) fn push_reg(&mut self, r: Gpr) {
        dynasm!(self ; .arch x64 ; push Rq(r.0));
    }

    /// `pop r`
    pub(crate) fn pop_reg(&mut self, r: Gpr) {
        dynasm!(self ; .arch x64 ; pop Rq(r.0));
    }

    /// `push rbp; mov rbp, rsp`
    pub(crate) fn enter_frame(&mut self) {
        dynasm!(self ; .arch x64 ; push rbp ; mov rbp, rsp);
    }

    /// `sub rsp, bytes`
    pub(crate) fn sub_rsp(&mut self, bytes: i32) {
        if fits_i8(bytes) {
            dynasm!(self ; .arch x64 ; sub rsp, BYTE bytes as i8);
        } else {
            dynasm!(self ; .arch x64 ; sub rsp, DWORD bytes);
        }
    }

    /// `leave`
    pub(crate) fn leave(&mut self) {
        dynasm!(self ; .arch x64 ; leave);
    }

    /// `ret`, popping `bytes` of stack arguments.
    pub(crate) fn ret(&mut self, bytes: u16) {
        if bytes == 0 {
            dynasm!(self ; .arch x64 ; ret);
        } else {
            dynasm!(self ; .arch x64 ; ret WORD bytes as i16);
        }
    }
}

/// Slots that are zeroed one by one; more are zeroed by a loop.
const MAX_UNROLLED_BYTES: u32 = 256;

impl Asm {
    /// Zeroes the frame between the distances `start` and `end` below the frame pointer. Destroys
    /// the scratch registers.
    pub(crate) fn zero_slots(&mut self, start: u32, end: u32) {
        if start == end {
            return;
        }
        self.vxorps(XSCRATCH, XSCRATCH, XSCRATCH);
        let mut at = end;
        if end - start > MAX_UNROLLED_BYTES {
            at = self.zero_loop(start, end);
        }
        while at - start >= 16 {
            self.vstore(Addr::Frame(-(at as i32)), XSCRATCH);
            at -= 16;
        }
        if at > start {
            self.fstore(Prec::Double, Addr::Frame(-(at as i32)), XSCRATCH);
        }
    }

    /// Zeroes 16 bytes a turn from the far end upwards; returns where it stopped.
    fn zero_loop(&mut self, start: u32, end: u32) -> u32 {
        let turns = (end - start) / 16;
        let stop = end - turns * 16;
        self.lea(SCRATCH, Addr::Frame(-(end as i32)));
        self.push_reg(RAX);
        self.lea(RAX, Addr::Frame(-(stop as i32)));
        let mut again = Label::new();
        self.bind(&mut again);
        self.vstore(Addr::Base(SCRATCH, 0), XSCRATCH);
        self.add_ri(Width::W64, SCRATCH, 16);
        self.cmp_rr(Width::W64, SCRATCH, RAX);
        self.jcc(Cond::B, &mut again);
        self.pop_reg(RAX);
        stop
    }
}
