//! The register file: what each register holds at this point of the code.
//!
//! A register is free, belongs to an operand, or caches a local, the vmctx or the base of memory 0
//! or of the heap.
//! Locals are cached: their home is a frame slot, and a *dirty* register holds a newer value than
//! the slot. The whole state is a fixed number of words ([`State`]), so saving it at a branch and
//! comparing it at a label costs the same in a function with ten locals and with fifty thousand.

use crate::value::Reg;
use upshift_abi::conv::CALLEE_SAVED;

/// Number of registers of both classes.
pub(crate) const REG_COUNT: usize = 32;

/// rax rcx rdx rsi rdi r8 r9 r10
const CALLER_SAVED_GPRS: u32 = 0b0000_0111_1100_0111;
/// rbx r12 r13 r14
pub(crate) const CALLEE_SAVED_GPRS: u32 =
    1 << CALLEE_SAVED[0] | 1 << CALLEE_SAVED[1] | 1 << CALLEE_SAVED[2] | 1 << CALLEE_SAVED[3];
/// All general registers that values may live in.
pub(crate) const GPRS: u32 = CALLER_SAVED_GPRS | CALLEE_SAVED_GPRS;
/// All vector registers that values may live in: xmm0 to xmm14.
pub(crate) const XMMS: u32 = 0x7fff_0000;
/// Registers a call destroys.
pub(crate) const CALL_CLOBBERED: u32 = CALLER_SAVED_GPRS | XMMS;
/// What the `spill` zeal mode leaves: rax, rcx, xmm0, xmm1.
const ZEAL_REGS: u32 = 0b11 | 0b11 << 16;

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder(u32);

impl Holder {
    /// Nothing.
    pub(crate) const FREE: Self = Self(u32::MAX);
    /// The vmctx.
    pub(crate) const VMCTX: Self = Self(0x4000_0000);
    /// The base of memory 0.
    pub(crate) const MEMORY0: Self = Self(0x4000_0001);
    /// The base of the heap of objects.
    pub(crate) const HEAP: Self = Self(0x4000_0002);

    /// A local.
    #[inline]
    pub(crate) const fn local(index: u32) -> Self {
        Self(index)
    }

    /// The operand at a stack position.
    #[inline]
    pub(crate) const fn operand(position: usize) -> Self {
        Self(0x8000_0000 | position as u32)
    }

    /// The local, if it is one.
    #[inline]
    pub(crate) const fn as_local(self) -> Option<u32> {
        if self.0 < Self::VMCTX.0 { Some(self.0) } else { None }
    }

    /// The operand's stack position, if it is one.
    #[inline]
    pub(crate) const fn as_operand(self) -> Option<usize> {
        if self.0 & 0x8000_0000 != 0 && self.0 != u32::MAX {
            Some((self.0 & 0x7fff_ffff) as usize)
        } else {
            None
        }
    }
}

/// What the registers cache at a label: locals, vmctx and memory base, never operands.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// What each register holds.
    pub(crate) holders: [Holder; REG_COUNT],
    /// Registers that hold something.
    pub(crate) used: u32,
    /// Registers whose local is newer than its slot.
    pub(crate) dirty: u32,
}

impl State {
    /// Nothing in registers.
    pub(crate) const EMPTY: Self = Self { holders: [Holder::FREE; REG_COUNT], used: 0, dirty: 0 };

    /// The registers that hold the same in both states (also those that are free in both).
    pub(crate) fn same(&self, other: &Self) -> u32 {
        let mut same = 0;
        for (i, (a, b)) in self.holders.iter().zip(&other.holders).enumerate() {
            same |= u32::from(a == b) << i;
        }
        same
    }

    /// Lets register `r` hold `holder`.
    pub(crate) fn set(&mut self, r: Reg, holder: Holder, dirty: bool) {
        self.holders[r.index()] = holder;
        self.used |= r.bit();
        self.dirty = if dirty { self.dirty | r.bit() } else { self.dirty & !r.bit() };
    }

    /// Lets register `r` hold nothing.
    pub(crate) fn clear(&mut self, r: Reg) {
        self.holders[r.index()] = Holder::FREE;
        self.used &= !r.bit();
        self.dirty &= !r.bit();
    }
}

/// The register file.
#[derive(Clone, Debug)]
pub(crate) struct RegFile {
    /// What each register holds now, operands included.
    pub(crate) state: State,
    /// Registers that belong to operands.
    pub(crate) operands: u32,
    /// Registers that the operator at hand reads or writes; they are neither evicted nor handed out.
    pub(crate) locked: u32,
    /// Registers that the innermost loop header expects in place: evicted last.
    pub(crate) hot: u32,
    /// Callee-saved registers that were handed out: the prologue saves them.
    pub(crate) saved: u32,
    /// Registers that are handed out at all.
    allocatable: u32,
    /// Rotates the choice of what to evict.
    victim: u32,
}

/// What to do to get a register.
pub(crate) enum Choice {
    /// It is free.
    Free(Reg),
    /// Its holder must go first.
    Evict(Reg),
}

impl RegFile {
    /// An empty file.
    pub(crate) const fn new(zeal_spill: bool) -> Self {
        Self {
            state: State::EMPTY,
            operands: 0,
            locked: 0,
            hot: 0,
            saved: 0,
            allocatable: if zeal_spill { ZEAL_REGS } else { GPRS | XMMS },
            victim: 0,
        }
    }

    /// What the registers cache: the state with operands left out.
    pub(crate) fn write_cached(&self, state: &mut State) {
        state.clone_from(&self.state);
        for r in regs_in(self.operands) {
            state.clear(r);
        }
    }

    /// What register `r` holds.
    #[inline]
    pub(crate) fn holder(&self, r: Reg) -> Holder {
        self.state.holders[r.index()]
    }

    /// Keeps `r` from being handed out until the operator ends.
    #[inline]
    pub(crate) fn lock(&mut self, r: Reg) {
        self.locked |= r.bit();
    }

    /// Lets `r` hold a local (or the vmctx, or the memory base).
    #[inline]
    pub(crate) fn cache(&mut self, r: Reg, holder: Holder, dirty: bool) {
        self.note_use(r);
        self.operands &= !r.bit();
        self.state.set(r, holder, dirty);
    }

    /// Gives `r` to the operand at `position`.
    #[inline]
    pub(crate) fn give(&mut self, r: Reg, position: usize) {
        self.note_use(r);
        self.state.set(r, Holder::operand(position), false);
        self.operands |= r.bit();
    }

    /// Lets `r` hold nothing.
    #[inline]
    pub(crate) fn release(&mut self, r: Reg) {
        self.state.clear(r);
        self.operands &= !r.bit();
    }

    #[inline]
    fn note_use(&mut self, r: Reg) {
        self.saved |= r.bit() & CALLEE_SAVED_GPRS;
    }

    /// Chooses a register of `class` and locks it.
    ///
    /// Free ones first, caller-saved before callee-saved. Then, in this order, what costs least to
    /// lose: clean cached values, dirty ones, operands; those of the innermost loop header last.
    pub(crate) fn choose(&mut self, class: u32) -> Choice {
        let mut candidates = class & self.allocatable & !self.locked;
        if candidates == 0 {
            // Zeal modes leave fewer registers than some operators need at once.
            candidates = class & (GPRS | XMMS) & !self.locked;
        }
        assert!(candidates != 0, "an operator never locks every register");
        let free = candidates & !self.state.used;
        if free != 0 {
            let cheap = free & !CALLEE_SAVED_GPRS;
            let r = Reg(if cheap != 0 { cheap } else { free }.trailing_zeros() as u8);
            self.note_use(r);
            self.lock(r);
            return Choice::Free(r);
        }
        let clean = candidates & !self.operands & !self.state.dirty;
        let dirty = candidates & self.state.dirty;
        let order = [
            clean & !self.hot,
            dirty & !self.hot,
            candidates & self.operands,
            clean & self.hot,
            dirty & self.hot,
        ];
        let set = order.into_iter().find(|&set| set != 0).expect("some candidate is in a set");
        let turned = set & !((1u32 << self.victim) - 1);
        let r = Reg(if turned != 0 { turned } else { set }.trailing_zeros() as u8);
        self.victim = (u32::from(r.0) + 1) % 32;
        self.lock(r);
        Choice::Evict(r)
    }
}

/// The registers of a set, lowest first.
pub(crate) fn regs_in(mut set: u32) -> impl Iterator<Item = Reg> {
    std::iter::from_fn(move || {
        if set == 0 {
            return None;
        }
        let r = Reg(set.trailing_zeros() as u8);
        set &= set - 1;
        Some(r)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_registers_come_first_and_are_locked() {
        let mut regs = RegFile::new(false);
        regs.cache(Reg(0), Holder::local(0), true);
        let Choice::Free(r) = regs.choose(GPRS) else { panic!("eleven registers are free") };
        assert_eq!(r, Reg(1));
        let Choice::Free(r) = regs.choose(GPRS) else { panic!("ten registers are free") };
        assert_eq!(r, Reg(2));
    }

    #[test]
    fn clean_locals_are_evicted_before_dirty_ones() {
        let mut regs = RegFile::new(false);
        for (i, r) in regs_in(GPRS).enumerate() {
            regs.cache(r, Holder::local(i as u32), r != Reg(6));
        }
        let Choice::Evict(r) = regs.choose(GPRS) else { panic!("no register is free") };
        assert_eq!(r, Reg(6));
    }

    #[test]
    fn states_are_compared_register_by_register() {
        let mut a = State::EMPTY;
        for r in (0..32).map(Reg) {
            a.set(r, Holder::local(u32::from(r.0)), false);
        }
        for r in (0..32).map(Reg) {
            let mut b = a.clone();
            b.clear(r);
            assert_eq!(a.same(&b), !r.bit());
        }
        assert_eq!(a.same(&a.clone()), u32::MAX);
        assert_eq!(a.same(&State::EMPTY), 0);
    }

    #[test]
    fn hot_registers_go_last() {
        let mut regs = RegFile::new(false);
        for (i, r) in regs_in(GPRS).enumerate() {
            regs.cache(r, Holder::local(i as u32), false);
        }
        regs.hot = GPRS & !Reg(9).bit();
        let Choice::Evict(r) = regs.choose(GPRS) else { panic!("no register is free") };
        assert_eq!(r, Reg(9));
    }
}
