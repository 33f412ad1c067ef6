//! Addresses of linear memory accesses, kept in bounds.
//!
//! A guarded memory has 4 GiB and a guard reserved: a 32-bit address plus a constant offset within
//! the guard needs no check, the access itself faults. Everything else compares the end of the
//! access with the memory's length first. The length is read anew each time, since any call or any
//! other thread may grow the memory. Where the constant part of an access ends within what the
//! memory has at least, the variable part is compared with the last one in bounds.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Cond, Gpr, SCRATCH, Width};
use crate::value::{Operand, Value};
use std::mem::offset_of;
use upshift_abi::index::MemoryIndex;
use upshift_abi::layout::{MemoryDef, MemorySlot, MemoryStyle};
use upshift_abi::trap::Trap;
use wasmparser::{MemArg, MemArgTarget};

/// The memory of an access.
///
/// # Panics
/// For an access to an array: such accesses are refused before.
pub(crate) fn memory_index(memarg: &MemArg) -> MemoryIndex {
    match memarg.target {
        MemArgTarget::Memory(index) => MemoryIndex(index),
        MemArgTarget::Array { .. } => unreachable!("array accesses are of a proposal that is off"),
    }
}

impl FuncCompiler<'_> {
    /// Pops the address of an access of `bytes` bytes. The registers of the result are locked; the
    /// access must be emitted right behind [`FuncCompiler::note_trap`].
    pub(crate) fn memory_operand(&mut self, memarg: &MemArg, bytes: u32) -> Addr {
        let address = self.pop();
        let memory = memory_index(memarg);
        let ty = self.src.input.module.memories[memory.index()];
        match self.src.input.config.memory_style(&ty) {
            MemoryStyle::Guarded { guard_bytes } => {
                let end = memarg.offset.saturating_add(u64::from(bytes));
                if end <= guard_bytes && memarg.offset <= i32::MAX as u64 {
                    return self.guarded_operand(memory, address, memarg.offset as i32);
                }
                self.checked_operand(memory, address, memarg.offset, bytes, true)
            }
            MemoryStyle::Checked { may_move } => {
                self.checked_operand(memory, address, memarg.offset, bytes, !may_move)
            }
        }
    }

    fn guarded_operand(&mut self, memory: MemoryIndex, address: Operand, offset: i32) -> Addr {
        if let Value::Const(bits) = address.value()
            && let Ok(disp) = i32::try_from(u64::from(bits as u32) + offset as u64)
        {
            let base = self.memory_base(memory);
            return Addr::Base(base, disp);
        }
        let index = self.read_gpr(address);
        let base = self.memory_base(memory);
        Addr::Indexed(base, index, offset)
    }

    /// The register with the base of a memory that never moves.
    fn memory_base(&mut self, memory: MemoryIndex) -> Gpr {
        if memory.0 == 0 {
            return self.memory0_base();
        }
        let vmctx = self.vmctx();
        let r = self.alloc_gpr();
        let slot = self.src.input.layout.memory(memory) as i32;
        self.asm.load_w(
            Width::W64,
            r,
            Addr::Base(vmctx, slot + offset_of!(MemorySlot, base) as i32),
        );
        r
    }

    /// Compares the end of the access with the length, then adds the base.
    fn checked_operand(
        &mut self,
        memory: MemoryIndex,
        address: Operand,
        offset: u64,
        bytes: u32,
        fixed_base: bool,
    ) -> Addr {
        let least = self.src.input.module.memories[memory.index()].least_bytes();
        let end = offset.saturating_add(bytes.into());
        let small = end <= least.into();
        if let Some(disp) = self.constant_in_bounds(memory, address, offset, end) {
            let base = if fixed_base { self.memory_base(memory) } else { self.moving_base(memory) };
            return Addr::Base(base, disp);
        }
        let (offset, disp) = if small { (0, offset as i32) } else { (offset, 0) };
        let index = self.effective_address(address, offset);
        let def = self.memory_def(memory);
        let len = self.alloc_gpr();
        let mem = Addr::Base(def, offset_of!(MemoryDef, len_bytes) as i32);
        self.asm.load_w(Width::W64, len, mem);
        if small {
            self.asm.sub_ri(Width::W64, len, end as i32);
        } else {
            // The access ends within the memory: index <= len - bytes, and len >= bytes.
            self.asm.sub_ri(Width::W64, len, bytes as i32);
            self.trap_if(Cond::B, Trap::MemoryOutOfBounds);
        }
        self.asm.cmp_rr(Width::W64, index, len);
        self.trap_if(Cond::A, Trap::MemoryOutOfBounds);
        // An index that a mispredicted check lets through becomes the last one in bounds.
        self.asm.cmov(Cond::A, Width::W64, index, len);
        if fixed_base {
            let base = self.memory_base(memory);
            return Addr::Indexed(base, index, disp);
        }
        let base = Addr::Base(def, offset_of!(MemoryDef, base) as i32);
        self.asm.load_w(Width::W64, len, base);
        Addr::Indexed(len, index, disp)
    }

    /// The register with the base that a memory has now.
    fn moving_base(&mut self, memory: MemoryIndex) -> Gpr {
        let r = self.memory_def(memory);
        let base = Addr::Base(r, offset_of!(MemoryDef, base) as i32);
        self.asm.load_w(Width::W64, r, base);
        r
    }

    /// Where an access at a constant address lies, when the memory always has all of it.
    fn constant_in_bounds(
        &self,
        memory: MemoryIndex,
        address: Operand,
        offset: u64,
        end: u64,
    ) -> Option<i32> {
        let Value::Const(bits) = address.value() else { return None };
        let ty = &self.src.input.module.memories[memory.index()];
        let address = if ty.is_64 { bits } else { u64::from(bits as u32) };
        (address.checked_add(end)? <= ty.least_bytes().into()).then_some((address + offset) as i32)
    }

    /// The register with the address of a memory's [`MemoryDef`].
    pub(crate) fn memory_def(&mut self, memory: MemoryIndex) -> Gpr {
        let vmctx = self.vmctx();
        let def = self.alloc_gpr();
        let slot = self.src.input.layout.memory(memory) as i32;
        let mem = Addr::Base(vmctx, slot + offset_of!(MemorySlot, def) as i32);
        self.asm.load_w(Width::W64, def, mem);
        def
    }

    /// A register of the operator's own with a popped address plus a constant offset; traps when
    /// the sum does not fit 64 bits.
    pub(crate) fn effective_address(&mut self, address: Operand, offset: u64) -> Gpr {
        let index = self.own_gpr(address);
        if offset == 0 {
            return index;
        }
        if let Ok(small) = i32::try_from(offset) {
            self.asm.add_ri(Width::W64, index, small);
        } else {
            self.asm.mov_ri(SCRATCH, offset);
            self.asm.add_rr(Width::W64, index, SCRATCH);
        }
        self.trap_if(Cond::B, Trap::MemoryOutOfBounds);
        index
    }
}
