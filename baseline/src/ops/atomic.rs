//! Atomic memory accesses, and waiting.
//!
//! An address that is not a multiple of the access's size traps. The check tests the low bits of
//! the final address: memories start at page boundaries.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, AtomicLogic, Cond, LoadKind, RAX, SCRATCH, Width};
use crate::ops::call::BuiltinArg;
use crate::value::{Operand, Reg, Ty, Value};
use upshift_abi::builtin::Builtin;
use upshift_abi::trap::Trap;
use wasmparser::MemArg;

/// A read-modify-write operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RmwOp {
    /// `add`
    Add,
    /// `sub`
    Sub,
    /// `xchg`
    Xchg,
    /// `and`, `or`, `xor`
    Logic(AtomicLogic),
}

/// The visitor methods of atomic operators: one row each.
macro_rules! visit_atomic_rows {
    ($($visit:ident => $body:ident($($arg:expr),*);)*) => {$(
        fn $visit(&mut self, memarg: MemArg) {
            self.$body(&memarg, $($arg),*);
        }
    )*};
}
pub(crate) use visit_atomic_rows;

/// Expands, in the visitor of operators, to the methods of all atomic operators with a memory
/// immediate. `LoadKind`, `AtomicLogic`, `RmwOp` and `Ty` must be in scope.
macro_rules! visit_atomics {
    () => {
        $crate::ops::atomic::visit_atomic_rows! {
            visit_memory_atomic_notify => atomic_notify();
            visit_memory_atomic_wait32 => atomic_wait(4);
            visit_memory_atomic_wait64 => atomic_wait(8);
            visit_i32_atomic_load => atomic_load(LoadKind::U32, Ty::I32);
            visit_i64_atomic_load => atomic_load(LoadKind::U64, Ty::I64);
            visit_i32_atomic_load8_u => atomic_load(LoadKind::U8, Ty::I32);
            visit_i32_atomic_load16_u => atomic_load(LoadKind::U16, Ty::I32);
            visit_i64_atomic_load8_u => atomic_load(LoadKind::U8, Ty::I64);
            visit_i64_atomic_load16_u => atomic_load(LoadKind::U16, Ty::I64);
            visit_i64_atomic_load32_u => atomic_load(LoadKind::U32, Ty::I64);
            visit_i32_atomic_store => atomic_store(4);
            visit_i64_atomic_store => atomic_store(8);
            visit_i32_atomic_store8 => atomic_store(1);
            visit_i32_atomic_store16 => atomic_store(2);
            visit_i64_atomic_store8 => atomic_store(1);
            visit_i64_atomic_store16 => atomic_store(2);
            visit_i64_atomic_store32 => atomic_store(4);
            visit_i32_atomic_rmw_add => atomic_rmw(RmwOp::Add, 4, Ty::I32);
            visit_i64_atomic_rmw_add => atomic_rmw(RmwOp::Add, 8, Ty::I64);
            visit_i32_atomic_rmw8_add_u => atomic_rmw(RmwOp::Add, 1, Ty::I32);
            visit_i32_atomic_rmw16_add_u => atomic_rmw(RmwOp::Add, 2, Ty::I32);
            visit_i64_atomic_rmw8_add_u => atomic_rmw(RmwOp::Add, 1, Ty::I64);
            visit_i64_atomic_rmw16_add_u => atomic_rmw(RmwOp::Add, 2, Ty::I64);
            visit_i64_atomic_rmw32_add_u => atomic_rmw(RmwOp::Add, 4, Ty::I64);
            visit_i32_atomic_rmw_sub => atomic_rmw(RmwOp::Sub, 4, Ty::I32);
            visit_i64_atomic_rmw_sub => atomic_rmw(RmwOp::Sub, 8, Ty::I64);
            visit_i32_atomic_rmw8_sub_u => atomic_rmw(RmwOp::Sub, 1, Ty::I32);
            visit_i32_atomic_rmw16_sub_u => atomic_rmw(RmwOp::Sub, 2, Ty::I32);
            visit_i64_atomic_rmw8_sub_u => atomic_rmw(RmwOp::Sub, 1, Ty::I64);
            visit_i64_atomic_rmw16_sub_u => atomic_rmw(RmwOp::Sub, 2, Ty::I64);
            visit_i64_atomic_rmw32_sub_u => atomic_rmw(RmwOp::Sub, 4, Ty::I64);
            visit_i32_atomic_rmw_and => atomic_rmw(RmwOp::Logic(AtomicLogic::And), 4, Ty::I32);
            visit_i64_atomic_rmw_and => atomic_rmw(RmwOp::Logic(AtomicLogic::And), 8, Ty::I64);
            visit_i32_atomic_rmw8_and_u => atomic_rmw(RmwOp::Logic(AtomicLogic::And), 1, Ty::I32);
            visit_i32_atomic_rmw16_and_u => atomic_rmw(RmwOp::Logic(AtomicLogic::And), 2, Ty::I32);
            visit_i64_atomic_rmw8_and_u => atomic_rmw(RmwOp::Logic(AtomicLogic::And), 1, Ty::I64);
            visit_i64_atomic_rmw16_and_u => atomic_rmw(RmwOp::Logic(AtomicLogic::And), 2, Ty::I64);
            visit_i64_atomic_rmw32_and_u => atomic_rmw(RmwOp::Logic(AtomicLogic::And), 4, Ty::I64);
            visit_i32_atomic_rmw_or => atomic_rmw(RmwOp::Logic(AtomicLogic::Or), 4, Ty::I32);
            visit_i64_atomic_rmw_or => atomic_rmw(RmwOp::Logic(AtomicLogic::Or), 8, Ty::I64);
            visit_i32_atomic_rmw8_or_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Or), 1, Ty::I32);
            visit_i32_atomic_rmw16_or_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Or), 2, Ty::I32);
            visit_i64_atomic_rmw8_or_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Or), 1, Ty::I64);
            visit_i64_atomic_rmw16_or_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Or), 2, Ty::I64);
            visit_i64_atomic_rmw32_or_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Or), 4, Ty::I64);
            visit_i32_atomic_rmw_xor => atomic_rmw(RmwOp::Logic(AtomicLogic::Xor), 4, Ty::I32);
            visit_i64_atomic_rmw_xor => atomic_rmw(RmwOp::Logic(AtomicLogic::Xor), 8, Ty::I64);
            visit_i32_atomic_rmw8_xor_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Xor), 1, Ty::I32);
            visit_i32_atomic_rmw16_xor_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Xor), 2, Ty::I32);
            visit_i64_atomic_rmw8_xor_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Xor), 1, Ty::I64);
            visit_i64_atomic_rmw16_xor_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Xor), 2, Ty::I64);
            visit_i64_atomic_rmw32_xor_u => atomic_rmw(RmwOp::Logic(AtomicLogic::Xor), 4, Ty::I64);
            visit_i32_atomic_rmw_xchg => atomic_rmw(RmwOp::Xchg, 4, Ty::I32);
            visit_i64_atomic_rmw_xchg => atomic_rmw(RmwOp::Xchg, 8, Ty::I64);
            visit_i32_atomic_rmw8_xchg_u => atomic_rmw(RmwOp::Xchg, 1, Ty::I32);
            visit_i32_atomic_rmw16_xchg_u => atomic_rmw(RmwOp::Xchg, 2, Ty::I32);
            visit_i64_atomic_rmw8_xchg_u => atomic_rmw(RmwOp::Xchg, 1, Ty::I64);
            visit_i64_atomic_rmw16_xchg_u => atomic_rmw(RmwOp::Xchg, 2, Ty::I64);
            visit_i64_atomic_rmw32_xchg_u => atomic_rmw(RmwOp::Xchg, 4, Ty::I64);
            visit_i32_atomic_rmw_cmpxchg => atomic_cmpxchg(4, Ty::I32);
            visit_i64_atomic_rmw_cmpxchg => atomic_cmpxchg(8, Ty::I64);
            visit_i32_atomic_rmw8_cmpxchg_u => atomic_cmpxchg(1, Ty::I32);
            visit_i32_atomic_rmw16_cmpxchg_u => atomic_cmpxchg(2, Ty::I32);
            visit_i64_atomic_rmw8_cmpxchg_u => atomic_cmpxchg(1, Ty::I64);
            visit_i64_atomic_rmw16_cmpxchg_u => atomic_cmpxchg(2, Ty::I64);
            visit_i64_atomic_rmw32_cmpxchg_u => atomic_cmpxchg(4, Ty::I64);
        }
    };
}
pub(crate) use visit_atomics;

impl FuncCompiler<'_> {
    /// Pops the address of an atomic access; what [`FuncCompiler::memory_operand`] says holds.
    fn atomic_operand(&mut self, memarg: &MemArg, bytes: u32) -> Addr {
        let mem = self.memory_operand(memarg, bytes);
        let mask = bytes as i32 - 1;
        match mem {
            _ if mask == 0 => return mem,
            Addr::Indexed(_, index, disp) if disp & mask == 0 => {
                self.asm.test_ri(Width::W32, index, mask);
            }
            _ => {
                self.asm.lea(SCRATCH, mem);
                self.asm.test_ri(Width::W32, SCRATCH, mask);
            }
        }
        self.trap_if(Cond::NE, Trap::HeapMisaligned);
        mem
    }

    /// Loads.
    pub(crate) fn atomic_load(&mut self, memarg: &MemArg, kind: LoadKind, ty: Ty) {
        let mem = self.atomic_operand(memarg, kind.bytes());
        let d = self.alloc_gpr();
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.load(kind, d, mem);
        self.push_gpr(d, ty);
    }

    /// Stores of the low `bytes`: an exchange orders them against later loads.
    pub(crate) fn atomic_store(&mut self, memarg: &MemArg, bytes: u32) {
        let value = self.pop();
        let r = self.own_gpr(value);
        let mem = self.atomic_operand(memarg, bytes);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.xchg_mem(bytes, mem, r);
    }

    /// Read-modify-write operations on the low `bytes`.
    pub(crate) fn atomic_rmw(&mut self, memarg: &MemArg, op: RmwOp, bytes: u32, ty: Ty) {
        if let RmwOp::Logic(logic) = op {
            return self.atomic_logic(memarg, logic, bytes, ty);
        }
        let value = self.pop();
        let r = self.own_gpr(value);
        if op == RmwOp::Sub {
            self.asm.neg(ty.width(), r);
        }
        let mem = self.atomic_operand(memarg, bytes);
        self.note_trap(Trap::MemoryOutOfBounds);
        match op {
            RmwOp::Xchg => self.asm.xchg_mem(bytes, mem, r),
            RmwOp::Add | RmwOp::Sub | RmwOp::Logic(_) => self.asm.lock_xadd(bytes, mem, r),
        }
        self.zero_extend(bytes, r.into());
        self.push_gpr(r, ty);
    }

    fn atomic_logic(&mut self, memarg: &MemArg, logic: AtomicLogic, bytes: u32, ty: Ty) {
        self.vacate(RAX.into());
        let value = self.pop();
        let s = self.read_gpr(value);
        let mem = self.atomic_operand(memarg, bytes);
        let kind = match bytes {
            1 => LoadKind::U8,
            2 => LoadKind::U16,
            4 => LoadKind::U32,
            _ => LoadKind::U64,
        };
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.load(kind, RAX, mem);
        self.asm.atomic_logic(logic, bytes, mem, s);
        self.push_gpr(RAX, ty);
    }

    /// Compare and exchange of the low `bytes`; upper bits of the expected value do not matter.
    pub(crate) fn atomic_cmpxchg(&mut self, memarg: &MemArg, bytes: u32, ty: Ty) {
        self.vacate(RAX.into());
        let replacement = self.pop();
        let expected = self.pop();
        let r = self.read_gpr(replacement);
        self.load_into(RAX.into(), expected);
        let mem = self.atomic_operand(memarg, bytes);
        self.note_trap(Trap::MemoryOutOfBounds);
        self.asm.lock_cmpxchg(bytes, mem, r);
        self.zero_extend(bytes, RAX.into());
        self.push_gpr(RAX, ty);
    }

    /// Clears what the instruction left above the low `bytes` of a result.
    fn zero_extend(&mut self, bytes: u32, r: Reg) {
        let r = r.gpr();
        match bytes {
            1 => self.asm.movzx8(r, r),
            2 => self.asm.movzx16(r, r),
            4 => self.asm.mov_rr(Width::W32, r, r),
            _ => {}
        }
    }

    /// `memory.atomic.notify`
    pub(crate) fn atomic_notify(&mut self, memarg: &MemArg) {
        let count = self.pop();
        let address = self.pop_effective_address(memarg);
        let args = [
            BuiltinArg::Imm(crate::bounds::memory_index(memarg).0.into()),
            BuiltinArg::Operand(address),
            BuiltinArg::Operand(count),
        ];
        self.call_builtin(Builtin::memory_atomic_notify, &args, Some(Ty::I32));
    }

    /// `memory.atomic.wait32` and `wait64`, by the bytes compared.
    pub(crate) fn atomic_wait(&mut self, memarg: &MemArg, bytes: u32) {
        let timeout = self.pop();
        let expected = self.pop();
        let address = self.pop_effective_address(memarg);
        let args = [
            BuiltinArg::Imm(crate::bounds::memory_index(memarg).0.into()),
            BuiltinArg::Operand(address),
            BuiltinArg::Operand(expected),
            BuiltinArg::Operand(timeout),
        ];
        let builtin = match bytes {
            4 => Builtin::memory_atomic_wait32,
            _ => Builtin::memory_atomic_wait64,
        };
        self.call_builtin(builtin, &args, Some(Ty::I32));
    }

    /// A popped address plus the constant offset, as an operand; the builtin checks it.
    fn pop_effective_address(&mut self, memarg: &MemArg) -> Operand {
        let address = self.pop();
        let r = self.effective_address(address, memarg.offset);
        Operand::new(Value::Reg(r.into()), Ty::I64, address.slot())
    }

    /// `atomic.fence`
    pub(crate) fn atomic_fence(&mut self) {
        self.asm.fence();
    }
}
