//! Atomic memory accesses. Plain loads and exchanges are sequentially consistent on x86-64.

use super::{Addr, Asm, Cond, Gpr, RAX, SCRATCH, Width, fits_i8, with_addr};
use dynasm::dynasm;
use dynasmrt::DynasmApi;

/// A read-modify-write operation that needs a compare-and-exchange loop when its old value is
/// wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtomicLogic {
    /// `and`
    And,
    /// `or`
    Or,
    /// `xor`
    Xor,
}

impl Asm {
    /// Adds `r` to memory and puts the old value into the low `bytes` of `r`.
    pub(crate) fn lock_xadd(&mut self, bytes: u32, mem: Addr, r: Gpr) {
        match bytes {
            1 => with_addr!(self, mem, [lock xadd BYTE], [, Rb(r.0)]),
            2 => with_addr!(self, mem, [lock xadd WORD], [, Rw(r.0)]),
            4 => with_addr!(self, mem, [lock xadd DWORD], [, Rd(r.0)]),
            _ => with_addr!(self, mem, [lock xadd QWORD], [, Rq(r.0)]),
        }
    }

    /// Exchanges memory and the low `bytes` of `r`.
    pub(crate) fn xchg_mem(&mut self, bytes: u32, mem: Addr, r: Gpr) {
        match bytes {
            1 => with_addr!(self, mem, [xchg BYTE], [, Rb(r.0)]),
            2 => with_addr!(self, mem, [xchg WORD], [, Rw(r.0)]),
            4 => with_addr!(self, mem, [xchg DWORD], [, Rd(r.0)]),
            _ => with_addr!(self, mem, [xchg QWORD], [, Rq(r.0)]),
        }
    }

    /// Stores `r` to memory when that equals `rax`; `rax` gets what memory held.
    pub(crate) fn lock_cmpxchg(&mut self, bytes: u32, mem: Addr, r: Gpr) {
        match bytes {
            1 => with_addr!(self, mem, [lock cmpxchg BYTE], [, Rb(r.0)]),
            2 => with_addr!(self, mem, [lock cmpxchg WORD], [, Rw(r.0)]),
            4 => with_addr!(self, mem, [lock cmpxchg DWORD], [, Rd(r.0)]),
            _ => with_addr!(self, mem, [lock cmpxchg QWORD], [, Rq(r.0)]),
        }
    }

    /// Combines memory with `s` until no other thread interfered; `rax`, which must hold the value
    /// read first, gets the old value. `mem` must not use the scratch register.
    pub(crate) fn atomic_logic(&mut self, op: AtomicLogic, bytes: u32, mem: Addr, s: Gpr) {
        let start = self.pos();
        self.mov_rr(Width::W64, SCRATCH, RAX);
        match op {
            AtomicLogic::And => self.and_rr(Width::W64, SCRATCH, s),
            AtomicLogic::Or => self.or_rr(Width::W64, SCRATCH, s),
            AtomicLogic::Xor => self.xor_rr(Width::W64, SCRATCH, s),
        }
        self.lock_cmpxchg(bytes, mem, SCRATCH);
        self.jcc_short_back(Cond::NE, start);
    }

    /// A short jump back to `target`, at most 126 bytes away.
    fn jcc_short_back(&mut self, cond: Cond, target: u32) {
        let opcode = 0x70 | cond.0;
        let distance = i64::from(target) - i64::from(self.pos()) - 2;
        let distance = i8::try_from(distance).expect("the loop is a few instructions long");
        dynasm!(self ; .arch x64 ; .u8 opcode ; .i8 distance);
    }

    /// `mfence`
    pub(crate) fn fence(&mut self) {
        dynasm!(self ; .arch x64 ; mfence);
    }

    /// `adc d, s`
    pub(crate) fn adc_rr(&mut self, d: Gpr, s: Gpr) {
        dynasm!(self ; .arch x64 ; adc Rq(d.0), Rq(s.0));
    }

    /// `sbb d, s`
    pub(crate) fn sbb_rr(&mut self, d: Gpr, s: Gpr) {
        dynasm!(self ; .arch x64 ; sbb Rq(d.0), Rq(s.0));
    }
}
