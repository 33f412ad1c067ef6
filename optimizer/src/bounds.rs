//! Addresses of linear memory accesses, kept in bounds.
//!
//! A guarded memory has 4 GiB and a guard reserved: a 32-bit address plus a constant offset within
//! the guard needs no check, the access itself faults. Everything else compares the end of the
//! access with the memory's length first.

use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use std::mem::offset_of;
use upshift_abi::index::MemoryIndex;
use upshift_abi::layout::{MemoryDef, MemorySlot, MemoryStyle};
use upshift_abi::trap::Trap;
use wasmparser::{MemArg, MemArgTarget};

/// Where an access goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The address without the constant part.
    pub(crate) base: Value,
    /// The constant part.
    pub(crate) offset: i32,
    /// What kind of access it is.
    pub(crate) flags: MemFlagsData,
}

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

impl Translator<'_, '_> {
    /// Pops the address of an access of `bytes` bytes.
    pub(crate) fn memory_operand(&mut self, memarg: &MemArg, bytes: u32) -> Place {
        let address = self.pop();
        let memory = memory_index(memarg);
        let ty = self.src.input.module.memories[memory.index()];
        let flags = self.memory_flags(memory);
        let style = self.src.input.config.memory_style(&ty);
        if let MemoryStyle::Guarded { guard_bytes } = style
            && memarg.offset.saturating_add(u64::from(bytes)) <= guard_bytes
            && let Ok(offset) = i32::try_from(memarg.offset)
        {
            let base = self.memory_base(memory);
            let index = self.builder.ins().uextend(types::I64, address);
            let base = self.builder.ins().iadd(base, index);
            return Place { base, offset, flags };
        }
        let index = self.effective_address(memory, address, memarg.offset);
        let base = self.checked_address(memory, index, bytes, style.has_fixed_base());
        Place { base, offset: 0, flags }
    }

    fn memory_flags(&mut self, memory: MemoryIndex) -> MemFlagsData {
        let region = match memory.0.checked_sub(self.src.input.module.imported.memories) {
            Some(position) => Region::Memory(position),
            None => Region::ImportedMemories,
        };
        self.regions.faulting(self.builder.func, region, Trap::MemoryOutOfBounds)
    }

    /// The base of a memory that never moves.
    fn memory_base(&mut self, memory: MemoryIndex) -> Value {
        let slot = self.src.input.layout.memory(memory) as usize + offset_of!(MemorySlot, base);
        self.load_fixed(types::I64, self.vmctx, slot)
    }

    /// The address of a memory's [`MemoryDef`].
    pub(crate) fn memory_def(&mut self, memory: MemoryIndex) -> Value {
        let slot = self.src.input.layout.memory(memory) as usize + offset_of!(MemorySlot, def);
        self.load_fixed(types::I64, self.vmctx, slot)
    }

    /// A memory's length in bytes, now.
    pub(crate) fn memory_len(&mut self, memory: MemoryIndex) -> Value {
        let def = self.memory_def(memory);
        self.load_changing(Region::MemoryDefs, types::I64, def, offset_of!(MemoryDef, len_bytes))
    }

    /// Compares the end of the access with the length; the address.
    fn checked_address(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        bytes: u32,
        fixed_base: bool,
    ) -> Value {
        let trap = crate::lower::trap_code(Trap::MemoryOutOfBounds);
        let len = self.memory_len(memory);
        let bytes = self.builder.ins().iconst(types::I64, i64::from(bytes));
        let too_small = self.builder.ins().icmp(IntCC::UnsignedLessThan, len, bytes);
        self.builder.ins().trapnz(too_small, trap);
        let last = self.builder.ins().isub(len, bytes);
        let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, last);
        self.builder.ins().trapnz(beyond, trap);
        // An index that a mispredicted check lets through becomes the last one in bounds.
        let index = self.builder.ins().select_spectre_guard(beyond, last, index);
        let base = if fixed_base {
            self.memory_base(memory)
        } else {
            let def = self.memory_def(memory);
            self.load_changing(Region::MemoryDefs, types::I64, def, offset_of!(MemoryDef, base))
        };
        self.builder.ins().iadd(base, index)
    }

    /// An address plus a constant offset, 64 bits wide; traps when the sum does not fit them.
    pub(crate) fn effective_address(
        &mut self,
        memory: MemoryIndex,
        address: Value,
        offset: u64,
    ) -> Value {
        let index = match self.src.input.module.memories[memory.index()].is_64 {
            true => address,
            false => self.builder.ins().uextend(types::I64, address),
        };
        if offset == 0 {
            return index;
        }
        let offset = self.builder.ins().iconst(types::I64, offset.cast_signed());
        let trap = crate::lower::trap_code(Trap::MemoryOutOfBounds);
        self.builder.ins().uadd_overflow_trap(index, offset, trap)
    }
}
