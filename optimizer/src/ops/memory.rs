//! Linear memory.

use crate::ops::call::BuiltinArg;
use crate::translate::Translator;
use cranelift_codegen::ir::{InstBuilder, Type, types};
use upshift_abi::builtin::{Builtin, pack_indices};
use upshift_abi::index::MemoryIndex;
use wasmparser::MemArg;

impl Translator<'_, '_> {
    /// Loads of whole values.
    pub(crate) fn load(&mut self, memarg: &MemArg, ty: Type) {
        let place = self.memory_operand(memarg, ty.bytes());
        let value = self.builder.ins().load(ty, place.flags, place.base, place.offset);
        self.push(value);
    }

    /// Loads of a part that is extended to `ty`.
    pub(crate) fn load_extend(&mut self, memarg: &MemArg, part: Type, signed: bool, ty: Type) {
        let place = self.memory_operand(memarg, part.bytes());
        let (base, offset, flags) = (place.base, place.offset, place.flags);
        let ins = self.builder.ins();
        let value = match (part.bits(), signed) {
            (8, false) => ins.uload8(ty, flags, base, offset),
            (8, true) => ins.sload8(ty, flags, base, offset),
            (16, false) => ins.uload16(ty, flags, base, offset),
            (16, true) => ins.sload16(ty, flags, base, offset),
            (_, false) => ins.uload32(flags, base, offset),
            (_, true) => ins.sload32(flags, base, offset),
        };
        self.push(value);
    }

    /// Stores of whole values.
    pub(crate) fn store(&mut self, memarg: &MemArg, ty: Type) {
        let value = self.pop();
        let place = self.memory_operand(memarg, ty.bytes());
        self.builder.ins().store(place.flags, value, place.base, place.offset);
    }

    /// Stores of the low part of an integer.
    pub(crate) fn store_part(&mut self, memarg: &MemArg, part: Type) {
        let value = self.pop();
        let place = self.memory_operand(memarg, part.bytes());
        let value = self.builder.ins().ireduce(part, value);
        self.builder.ins().store(place.flags, value, place.base, place.offset);
    }

    /// The type of a memory's addresses.
    fn address_type(&self, memory: MemoryIndex) -> Type {
        match self.src.input.module.memories[memory.index()].is_64 {
            true => types::I64,
            false => types::I32,
        }
    }

    /// `memory.size`
    pub(crate) fn memory_size(&mut self, memory: MemoryIndex) {
        let len = self.memory_len(memory);
        let log2 = self.src.input.module.memories[memory.index()].page_size_log2;
        let pages = self.builder.ins().ushr_imm_u(len, i64::from(log2));
        let pages = self.narrow(pages, self.address_type(memory));
        self.push(pages);
    }

    /// `memory.grow`
    pub(crate) fn memory_grow(&mut self, memory: MemoryIndex) {
        let delta = self.pop();
        let args = [BuiltinArg::Imm(memory.0.into()), BuiltinArg::Value(delta)];
        let ty = self.address_type(memory);
        self.call_builtin(Builtin::memory_grow, &args, Some(ty));
    }

    /// `memory.fill`
    pub(crate) fn memory_fill(&mut self, memory: MemoryIndex) {
        self.bulk(Builtin::memory_fill, memory.0.into());
    }

    /// `memory.copy`
    pub(crate) fn memory_copy(&mut self, dst: MemoryIndex, src: MemoryIndex) {
        self.bulk(Builtin::memory_copy, pack_indices(dst.0, src.0));
    }

    /// `memory.init`
    pub(crate) fn memory_init(&mut self, memory: MemoryIndex, data: u32) {
        self.bulk(Builtin::memory_init, pack_indices(memory.0, data));
    }

    /// `data.drop`
    pub(crate) fn data_drop(&mut self, data: u32) {
        self.call_builtin(Builtin::data_drop, &[BuiltinArg::Imm(data.into())], None);
    }

    /// A bulk operator of three operands: the builtin gets `indices` and the operands in order.
    pub(crate) fn bulk(&mut self, builtin: Builtin, indices: u64) {
        let third = self.pop();
        let second = self.pop();
        let first = self.pop();
        let args = [
            BuiltinArg::Imm(indices),
            BuiltinArg::Value(first),
            BuiltinArg::Value(second),
            BuiltinArg::Value(third),
        ];
        self.call_builtin(builtin, &args, None);
    }
}
