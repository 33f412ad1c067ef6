//! Addresses of linear memory accesses, kept in bounds.
//!
//! A guarded memory has 4 GiB and a guard reserved: a 32-bit address plus a constant offset within
//! the guard needs no check, the access itself faults. Everything else compares the end of the
//! access with the memory's length first.
//!
//! Where the constant part of an access ends within what the memory has at least, the comparison is
//! of the variable part, which accesses of the same address share: those that end nowhere behind one
//! that dominates them need none of their own.
//!
//! ```text
//! i64.load offset=16 (local.get $p)    v3 = len - 24; trap if v1 > v3; v4 = v1 > v3 ? v3 : v1
//! i64.load offset=8 (local.get $p)     load v4 + 8
//! ```

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

/// What a check has found of an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Bytes from the address on that the memory has.
    end: u32,
    /// The address, 64 bits wide. When a mispredicted check lets it through, the last one of which
    /// that is true.
    index: Value,
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
        let least = self.src.input.module.memories[memory.index()].least_bytes();
        let end = memarg.offset.saturating_add(u64::from(bytes));
        let (index, offset) = match u32::try_from(end) {
            Ok(end) if end <= least => {
                (self.bounded_index(memory, address, end), (end - bytes).cast_signed())
            }
            _ => {
                let index = self.effective_address(memory, address, memarg.offset);
                (self.checked_index(memory, index, bytes), 0)
            }
        };
        let base = if style.has_fixed_base() {
            self.memory_base(memory)
        } else {
            let def = self.memory_def(memory);
            self.load_changing(Region::MemoryDefs, types::I64, def, offset_of!(MemoryDef, base))
        };
        let base = self.builder.ins().iadd(base, index);
        Place { base, offset, flags }
    }

    /// An address of which the memory, which is never shorter than `end`, has `end` bytes; traps
    /// when it has not.
    fn bounded_index(&mut self, memory: MemoryIndex, address: Value, end: u32) -> Value {
        let address = self.builder.func.dfg.resolve_aliases(address);
        if let Some(bound) = self.facts.bound(memory, address)
            && end <= bound.end
        {
            return bound.index;
        }
        let least = self.src.input.module.memories[memory.index()].least_bytes();
        let index = self.address_index(memory, address);
        if self.constant(address).is_some_and(|address| address <= u64::from(least - end)) {
            return index;
        }
        let len = self.memory_len(memory);
        let end_value = self.builder.ins().iconst(types::I64, i64::from(end));
        let last = self.builder.ins().isub(len, end_value);
        let index = self.limited(index, last);
        self.facts.note_bound(memory, address, Bound { end, index });
        index
    }

    /// An index that is `last` at most; traps when it is not.
    fn limited(&mut self, index: Value, last: Value) -> Value {
        let trap = crate::lower::trap_code(Trap::MemoryOutOfBounds);
        let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, last);
        self.builder.ins().trapnz(beyond, trap);
        // An index that a mispredicted check lets through becomes the last one in bounds.
        self.builder.ins().select_spectre_guard(beyond, last, index)
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

    /// Compares the end of the access with the length; the index.
    fn checked_index(&mut self, memory: MemoryIndex, index: Value, bytes: u32) -> Value {
        let trap = crate::lower::trap_code(Trap::MemoryOutOfBounds);
        let len = self.memory_len(memory);
        let bytes = self.builder.ins().iconst(types::I64, i64::from(bytes));
        let too_small = self.builder.ins().icmp(IntCC::UnsignedLessThan, len, bytes);
        self.builder.ins().trapnz(too_small, trap);
        let last = self.builder.ins().isub(len, bytes);
        self.limited(index, last)
    }

    /// An address plus a constant offset, 64 bits wide; traps when the sum does not fit them.
    pub(crate) fn effective_address(
        &mut self,
        memory: MemoryIndex,
        address: Value,
        offset: u64,
    ) -> Value {
        let index = self.address_index(memory, address);
        if offset == 0 {
            return index;
        }
        let offset = self.builder.ins().iconst(types::I64, offset.cast_signed());
        let trap = crate::lower::trap_code(Trap::MemoryOutOfBounds);
        self.builder.ins().uadd_overflow_trap(index, offset, trap)
    }

    /// An address of a memory, 64 bits wide.
    fn address_index(&mut self, memory: MemoryIndex, address: Value) -> Value {
        match self.src.input.module.memories[memory.index()].is_64 {
            true => address,
            false => self.builder.ins().uextend(types::I64, address),
        }
    }
}
