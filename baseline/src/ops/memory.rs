//! Linear memory.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, LoadKind, Prec, Width};
use crate::ops::call::BuiltinArg;
use crate::value::{Ty, Value};
use std::mem::offset_of;
use upshift_abi::builtin::{Builtin, pack_indices};
use upshift_abi::index::MemoryIndex;
use upshift_abi::layout::MemoryDef;
use upshift_abi::trap::Trap;
use wasmparser::MemArg;

impl FuncCompiler<'_> {
    /// Integer loads.
    pub(crate) fn load(&mut self, memarg: &MemArg, kind: LoadKind, ty: Ty) {
        let mem = self.memory_operand(memarg, kind.bytes());
        let dest = self.dest(self.after_memarg(1), ty, &[]);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.load(kind, dest.reg.gpr(), mem);
        self.push_dest(dest, ty);
    }

    /// Float loads.
    pub(crate) fn load_float(&mut self, memarg: &MemArg, ty: Ty) {
        let bytes = if ty.prec() == Prec::Single { 4 } else { 8 };
        let mem = self.memory_operand(memarg, bytes);
        let dest = self.dest(self.after_memarg(1), ty, &[]);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.fload(ty.prec(), dest.reg.xmm(), mem);
        self.push_dest(dest, ty);
    }

    /// Integer stores of the low `bytes`.
    pub(crate) fn store(&mut self, memarg: &MemArg, bytes: u32) {
        let value = self.pop();
        if let Value::Const(bits) = value.value() {
            let signed = if bytes < 8 { bits as u32 as i32 as i64 } else { bits as i64 };
            if let Ok(imm) = i32::try_from(signed) {
                let mem = self.memory_operand(memarg, bytes);
                self.note_trap(Trap::MemoryOutOfBounds);
                return self.asm.store_imm(bytes, mem, imm);
            }
        }
        let r = self.read_gpr(value);
        let mem = self.memory_operand(memarg, bytes);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.store(bytes, mem, r);
    }

    /// Float stores.
    pub(crate) fn store_float(&mut self, memarg: &MemArg, ty: Ty) {
        let value = self.pop();
        let r = self.read_xmm(value);
        let bytes = if ty.prec() == Prec::Single { 4 } else { 8 };
        let mem = self.memory_operand(memarg, bytes);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.fstore(ty.prec(), mem, r);
    }

    /// The class of a memory's addresses.
    pub(crate) fn address_type(&self, memory: MemoryIndex) -> Ty {
        match self.src.input.module.memories[memory.index()].is_64 {
            true => Ty::I64,
            false => Ty::I32,
        }
    }

    /// `memory.size`
    pub(crate) fn memory_size(&mut self, memory: MemoryIndex) {
        let def = self.memory_def(memory);
        let r = self.alloc_gpr();
        let mem = Addr::Base(def, offset_of!(MemoryDef, len_bytes) as i32);
        self.asm.load_w(Width::W64, r, mem);
        let log2 = self.src.input.module.memories[memory.index()].page_size_log2;
        if log2 > 0 {
            self.asm.shr_ri(Width::W64, r, log2);
        }
        self.push_gpr(r, self.address_type(memory));
    }

    /// `memory.grow`
    pub(crate) fn memory_grow(&mut self, memory: MemoryIndex) {
        let delta = self.pop();
        let args = [BuiltinArg::Imm(memory.0.into()), BuiltinArg::Operand(delta)];
        self.call_builtin(Builtin::memory_grow, &args, Some(self.address_type(memory)));
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
            BuiltinArg::Operand(first),
            BuiltinArg::Operand(second),
            BuiltinArg::Operand(third),
        ];
        self.call_builtin(builtin, &args, None);
    }
}
