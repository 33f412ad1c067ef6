//! The calling convention of all wasm code: Cranelift's `CallConv::Tail` on x86-64.
//!
//! ```text
//! integers, references   rdi rsi rdx rcx r8 r9     then stack
//! floats, vectors        xmm0 .. xmm7              then stack
//! results                rax rcx rdx rsi rdi r8 r9 r10 / xmm0 .. xmm7, then the return area
//! callee-saved           rbx r12 r13 r14 (rbp by the frame, r15 pinned to the thread context)
//! ```
//!
//! The first integer argument is the vmctx. With more than eight integer or eight float results the
//! address of a return area comes before it. Stack arguments start at `[rsp + 8]` at entry, each
//! of its slot size and aligned to it, the whole rounded up to 16 bytes and popped by the callee.
//! Upper bits of an `i32` in a register are unspecified.

use crate::types::{FuncType, ValType};
use smallvec::SmallVec;

/// A register by its hardware number: a general register or a vector register.
pub type HwReg = u8;

/// Integer argument registers: rdi rsi rdx rcx r8 r9.
pub const INT_ARGS: [HwReg; 6] = [7, 6, 2, 1, 8, 9];
/// Integer result registers: rax rcx rdx rsi rdi r8 r9 r10.
pub const INT_RESULTS: [HwReg; 8] = [0, 1, 2, 6, 7, 8, 9, 10];
/// Number of float argument and of float result registers, from xmm0.
pub const FLOAT_REGS: u8 = 8;
/// Callee-saved registers: rbx r12 r13 r14.
pub const CALLEE_SAVED: [HwReg; 4] = [3, 12, 13, 14];

/// Where an argument or a result is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueLoc {
    /// In a general register.
    Int(HwReg),
    /// In a vector register.
    Float(HwReg),
    /// In memory, at this offset from the start of the stack arguments or the return area.
    Memory(u32),
}

/// Where everything of a call is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLayout {
    /// Register of the vmctx.
    pub vmctx: HwReg,
    /// Each parameter.
    pub params: SmallVec<[ValueLoc; 8]>,
    /// Each result.
    pub results: SmallVec<[ValueLoc; 4]>,
    /// Bytes of stack arguments, a multiple of 16.
    pub stack_args_bytes: u32,
    /// Size of the return area (a multiple of 16), whose address is in `rdi`; 0 when there is none.
    pub return_area_bytes: u32,
}

impl CallLayout {
    /// The layout of calls of functions of type `ty`.
    #[must_use]
    pub fn of(ty: &FuncType) -> Self {
        let mut results = SmallVec::new();
        let mut result_assigner = Assigner::new(&INT_RESULTS);
        for &result in &ty.results {
            results.push(result_assigner.next(result));
        }
        let return_area_bytes = result_assigner.memory_bytes();
        let mut assigner = Assigner::new(&INT_ARGS);
        if return_area_bytes > 0 {
            assigner.next(ValType::I64);
        }
        let ValueLoc::Int(vmctx) = assigner.next(ValType::I64) else {
            unreachable!("six integer argument registers")
        };
        let params = ty.params.iter().map(|&param| assigner.next(param)).collect();
        let stack_args_bytes = assigner.memory_bytes();
        Self { vmctx, params, results, stack_args_bytes, return_area_bytes }
    }
}

/// Hands out locations in signature order.
struct Assigner<'a> {
    int_regs: &'a [HwReg],
    ints: usize,
    floats: u8,
    memory: u32,
}

impl<'a> Assigner<'a> {
    fn new(int_regs: &'a [HwReg]) -> Self {
        Self { int_regs, ints: 0, floats: 0, memory: 0 }
    }

    fn next(&mut self, ty: ValType) -> ValueLoc {
        if ty.is_float_class() {
            if self.floats < FLOAT_REGS {
                self.floats += 1;
                return ValueLoc::Float(self.floats - 1);
            }
        } else if let Some(&reg) = self.int_regs.get(self.ints) {
            self.ints += 1;
            return ValueLoc::Int(reg);
        }
        let bytes = ty.slot_bytes();
        self.memory = self.memory.next_multiple_of(bytes);
        let offset = self.memory;
        self.memory += bytes;
        ValueLoc::Memory(offset)
    }

    fn memory_bytes(&self) -> u32 {
        self.memory.next_multiple_of(16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixth_integer_parameter_goes_to_the_stack() {
        let ty = FuncType::new(vec![ValType::I32; 6], vec![ValType::I32]);
        let layout = CallLayout::of(&ty);
        assert_eq!(layout.vmctx, 7);
        assert_eq!(layout.params[4], ValueLoc::Int(9));
        assert_eq!(layout.params[5], ValueLoc::Memory(0));
        assert_eq!(layout.stack_args_bytes, 16);
    }

    #[test]
    fn ninth_result_makes_a_return_area_and_shifts_the_vmctx() {
        let ty = FuncType::new(vec![ValType::I32], vec![ValType::I64; 9]);
        let layout = CallLayout::of(&ty);
        assert_eq!(layout.vmctx, 6);
        assert_eq!(layout.params[0], ValueLoc::Int(2));
        assert_eq!(layout.results[8], ValueLoc::Memory(0));
        assert_eq!(layout.return_area_bytes, 16);
    }

    #[test]
    fn vectors_on_the_stack_are_aligned() {
        let mut params = vec![ValType::F64; 9];
        params.push(ValType::V128);
        let layout = CallLayout::of(&FuncType::new(params, vec![]));
        assert_eq!(layout.params[8], ValueLoc::Memory(0));
        assert_eq!(layout.params[9], ValueLoc::Memory(16));
        assert_eq!(layout.stack_args_bytes, 32);
    }
}
