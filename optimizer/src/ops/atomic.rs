//! Atomic memory accesses, and waiting.
//!
//! An address that is not a multiple of the access's size traps. The check tests the low bits of
//! the final address: memories start at page boundaries.

use crate::bounds::memory_index;
use crate::ops::call::BuiltinArg;
use crate::translate::Translator;
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData, Type, Value, types};
use upshift_abi::builtin::Builtin;
use upshift_abi::trap::Trap;
use wasmparser::MemArg;

/// The visitor methods of atomic operators: one row each.
macro_rules! visit_atomic_rows {
    ($($visit:ident => $body:ident($($arg:expr),*);)*) => {$(
        fn $visit(&mut self, memarg: MemArg) {
            self.$body(&memarg, $($arg),*);
        }
    )*};
}
pub(crate) use visit_atomic_rows;

/// The visitor methods of one read-modify-write operation at all widths.
macro_rules! visit_atomic_rmw {
    ($op:ident: $i32:ident $i64:ident $i32_8:ident $i32_16:ident $i64_8:ident $i64_16:ident
        $i64_32:ident) => {
        $crate::ops::atomic::visit_atomic_rows! {
            $i32 => atomic_rmw(AtomicRmwOp::$op, types::I32, types::I32);
            $i64 => atomic_rmw(AtomicRmwOp::$op, types::I64, types::I64);
            $i32_8 => atomic_rmw(AtomicRmwOp::$op, types::I8, types::I32);
            $i32_16 => atomic_rmw(AtomicRmwOp::$op, types::I16, types::I32);
            $i64_8 => atomic_rmw(AtomicRmwOp::$op, types::I8, types::I64);
            $i64_16 => atomic_rmw(AtomicRmwOp::$op, types::I16, types::I64);
            $i64_32 => atomic_rmw(AtomicRmwOp::$op, types::I32, types::I64);
        }
    };
}
pub(crate) use visit_atomic_rmw;

/// Expands, in the visitor of operators, to the methods of all atomic operators with a memory
/// immediate. `AtomicRmwOp` and `types` must be in scope.
macro_rules! visit_atomics {
    () => {
        $crate::ops::atomic::visit_atomic_rows! {
            visit_memory_atomic_notify => atomic_notify();
            visit_memory_atomic_wait32 => atomic_wait(Builtin::memory_atomic_wait32);
            visit_memory_atomic_wait64 => atomic_wait(Builtin::memory_atomic_wait64);
            visit_i32_atomic_load => atomic_load(types::I32, types::I32);
            visit_i64_atomic_load => atomic_load(types::I64, types::I64);
            visit_i32_atomic_load8_u => atomic_load(types::I8, types::I32);
            visit_i32_atomic_load16_u => atomic_load(types::I16, types::I32);
            visit_i64_atomic_load8_u => atomic_load(types::I8, types::I64);
            visit_i64_atomic_load16_u => atomic_load(types::I16, types::I64);
            visit_i64_atomic_load32_u => atomic_load(types::I32, types::I64);
            visit_i32_atomic_store => atomic_store(types::I32);
            visit_i64_atomic_store => atomic_store(types::I64);
            visit_i32_atomic_store8 => atomic_store(types::I8);
            visit_i32_atomic_store16 => atomic_store(types::I16);
            visit_i64_atomic_store8 => atomic_store(types::I8);
            visit_i64_atomic_store16 => atomic_store(types::I16);
            visit_i64_atomic_store32 => atomic_store(types::I32);
            visit_i32_atomic_rmw_cmpxchg => atomic_cmpxchg(types::I32, types::I32);
            visit_i64_atomic_rmw_cmpxchg => atomic_cmpxchg(types::I64, types::I64);
            visit_i32_atomic_rmw8_cmpxchg_u => atomic_cmpxchg(types::I8, types::I32);
            visit_i32_atomic_rmw16_cmpxchg_u => atomic_cmpxchg(types::I16, types::I32);
            visit_i64_atomic_rmw8_cmpxchg_u => atomic_cmpxchg(types::I8, types::I64);
            visit_i64_atomic_rmw16_cmpxchg_u => atomic_cmpxchg(types::I16, types::I64);
            visit_i64_atomic_rmw32_cmpxchg_u => atomic_cmpxchg(types::I32, types::I64);
        }
        $crate::ops::atomic::visit_atomic_rmw! {
            Add: visit_i32_atomic_rmw_add visit_i64_atomic_rmw_add
                visit_i32_atomic_rmw8_add_u visit_i32_atomic_rmw16_add_u
                visit_i64_atomic_rmw8_add_u visit_i64_atomic_rmw16_add_u
                visit_i64_atomic_rmw32_add_u
        }
        $crate::ops::atomic::visit_atomic_rmw! {
            Sub: visit_i32_atomic_rmw_sub visit_i64_atomic_rmw_sub
                visit_i32_atomic_rmw8_sub_u visit_i32_atomic_rmw16_sub_u
                visit_i64_atomic_rmw8_sub_u visit_i64_atomic_rmw16_sub_u
                visit_i64_atomic_rmw32_sub_u
        }
        $crate::ops::atomic::visit_atomic_rmw! {
            And: visit_i32_atomic_rmw_and visit_i64_atomic_rmw_and
                visit_i32_atomic_rmw8_and_u visit_i32_atomic_rmw16_and_u
                visit_i64_atomic_rmw8_and_u visit_i64_atomic_rmw16_and_u
                visit_i64_atomic_rmw32_and_u
        }
        $crate::ops::atomic::visit_atomic_rmw! {
            Or: visit_i32_atomic_rmw_or visit_i64_atomic_rmw_or
                visit_i32_atomic_rmw8_or_u visit_i32_atomic_rmw16_or_u
                visit_i64_atomic_rmw8_or_u visit_i64_atomic_rmw16_or_u
                visit_i64_atomic_rmw32_or_u
        }
        $crate::ops::atomic::visit_atomic_rmw! {
            Xor: visit_i32_atomic_rmw_xor visit_i64_atomic_rmw_xor
                visit_i32_atomic_rmw8_xor_u visit_i32_atomic_rmw16_xor_u
                visit_i64_atomic_rmw8_xor_u visit_i64_atomic_rmw16_xor_u
                visit_i64_atomic_rmw32_xor_u
        }
        $crate::ops::atomic::visit_atomic_rmw! {
            Xchg: visit_i32_atomic_rmw_xchg visit_i64_atomic_rmw_xchg
                visit_i32_atomic_rmw8_xchg_u visit_i32_atomic_rmw16_xchg_u
                visit_i64_atomic_rmw8_xchg_u visit_i64_atomic_rmw16_xchg_u
                visit_i64_atomic_rmw32_xchg_u
        }
    };
}
pub(crate) use visit_atomics;

impl Translator<'_, '_> {
    /// Pops the address of an atomic access: the final address, checked to be aligned.
    fn atomic_operand(&mut self, memarg: &MemArg, part: Type) -> (Value, MemFlagsData) {
        let place = self.memory_operand(memarg, part.bytes());
        let address = match place.offset {
            0 => place.base,
            offset => self.builder.ins().iadd_imm_s(place.base, i64::from(offset)),
        };
        if part.bytes() > 1 {
            let mask = self.builder.ins().iconst(types::I64, i64::from(part.bytes()) - 1);
            let low = self.builder.ins().band(address, mask);
            let trap = crate::lower::trap_code(Trap::HeapMisaligned);
            self.builder.ins().trapnz(low, trap);
        }
        (address, place.flags)
    }

    /// An integer's low part.
    pub(crate) fn narrow(&mut self, value: Value, ty: Type) -> Value {
        match self.builder.func.dfg.value_type(value) == ty {
            true => value,
            false => self.builder.ins().ireduce(ty, value),
        }
    }

    /// An integer zero-extended to `ty`.
    pub(crate) fn widen(&mut self, value: Value, ty: Type) -> Value {
        match self.builder.func.dfg.value_type(value) == ty {
            true => value,
            false => self.builder.ins().uextend(ty, value),
        }
    }

    /// Loads.
    pub(crate) fn atomic_load(&mut self, memarg: &MemArg, part: Type, ty: Type) {
        let (address, flags) = self.atomic_operand(memarg, part);
        let value = self.builder.ins().atomic_load(part, flags, address);
        let value = self.widen(value, ty);
        self.push(value);
    }

    /// Stores of the low part.
    pub(crate) fn atomic_store(&mut self, memarg: &MemArg, part: Type) {
        let value = self.pop();
        let (address, flags) = self.atomic_operand(memarg, part);
        let value = self.narrow(value, part);
        self.builder.ins().atomic_store(flags, value, address);
    }

    /// Read-modify-write operations on the low part.
    pub(crate) fn atomic_rmw(&mut self, memarg: &MemArg, op: AtomicRmwOp, part: Type, ty: Type) {
        let value = self.pop();
        let (address, flags) = self.atomic_operand(memarg, part);
        let value = self.narrow(value, part);
        let old = self.builder.ins().atomic_rmw(part, flags, op, address, value);
        let old = self.widen(old, ty);
        self.push(old);
    }

    /// Compare and exchange of the low part; upper bits of the expected value do not matter.
    pub(crate) fn atomic_cmpxchg(&mut self, memarg: &MemArg, part: Type, ty: Type) {
        let replacement = self.pop();
        let expected = self.pop();
        let (address, flags) = self.atomic_operand(memarg, part);
        let replacement = self.narrow(replacement, part);
        let expected = self.narrow(expected, part);
        let old = self.builder.ins().atomic_cas(flags, address, expected, replacement);
        let old = self.widen(old, ty);
        self.push(old);
    }

    /// `memory.atomic.notify`
    pub(crate) fn atomic_notify(&mut self, memarg: &MemArg) {
        let count = self.pop();
        let address = self.pop_effective_address(memarg);
        let args = [
            BuiltinArg::Imm(memory_index(memarg).0.into()),
            BuiltinArg::Value(address),
            BuiltinArg::Value(count),
        ];
        self.call_builtin(Builtin::memory_atomic_notify, &args, Some(types::I32));
    }

    /// `memory.atomic.wait32` and `wait64`
    pub(crate) fn atomic_wait(&mut self, memarg: &MemArg, builtin: Builtin) {
        let timeout = self.pop();
        let expected = self.pop();
        let address = self.pop_effective_address(memarg);
        let args = [
            BuiltinArg::Imm(memory_index(memarg).0.into()),
            BuiltinArg::Value(address),
            BuiltinArg::Value(expected),
            BuiltinArg::Value(timeout),
        ];
        self.call_builtin(builtin, &args, Some(types::I32));
    }

    /// A popped address plus the constant offset; the builtin checks it.
    fn pop_effective_address(&mut self, memarg: &MemArg) -> Value {
        let address = self.pop();
        self.effective_address(memory_index(memarg), address, memarg.offset)
    }

    /// `atomic.fence`
    pub(crate) fn atomic_fence(&mut self) {
        self.builder.ins().fence();
    }
}
