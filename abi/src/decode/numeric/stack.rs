//! The operand stack and the open blocks of a body of numbers.

use super::context::{Num, Signature};
use crate::ops::ScalarOp;

/// An operator without immediates: one or two operands of a type, and a result.
#[derive(Clone, Copy)]
pub(super) struct Simple {
    pub(super) operand: Num,
    pub(super) operands: usize,
    pub(super) result: Num,
}

/// The opcode of the first row of the table of scalar operators, whose order is that of the opcodes.
pub(super) const FIRST_SIMPLE: u8 = 0x45;

/// The last opcode of one byte in that table.
pub(super) const LAST_SIMPLE: u8 = 0xc4;

/// How many rows of the table have opcodes of one byte; those behind them follow the prefix `0xfc`.
pub(super) const ONE_BYTE: u8 = LAST_SIMPLE - FIRST_SIMPLE + 1;

/// How many rows follow the prefix.
pub(super) const TWO_BYTES: u8 = 8;

/// The table of scalar operators as [`Simple`] ones.
pub(super) const SIMPLE: [Simple; (ONE_BYTE + TWO_BYTES) as usize] = {
    let mut rows = [Simple { operand: Num::I32, operands: 1, result: Num::I32 }; _];
    assert!(ScalarOp::ALL.len() == rows.len());
    let mut i = 0;
    while i < rows.len() {
        let op = ScalarOp::ALL[i];
        let params = op.params();
        let (Some(operand), Some(result)) = (Num::of(params[0]), Num::of(op.result())) else {
            panic!("scalars are numbers")
        };
        let last = Num::of(params[params.len() - 1]);
        assert!(params.len() <= 2 && matches!(last, Some(last) if last as u8 == operand as u8));
        rows[i] = Simple { operand, operands: params.len(), result };
        i += 1;
    }
    rows
};

/// How many operands a body may have at once here.
pub(super) const MAX_OPERANDS: usize = 1024;

/// How many blocks of a body may be open at once here.
const MAX_FRAMES: usize = 1024;

/// An open block.
#[derive(Clone, Copy)]
pub(super) struct Frame<'c> {
    pub(super) kind: Kind,
    pub(super) params: &'c [Num],
    pub(super) results: &'c [Num],
    /// [`Stack::floor`] around it.
    outer_floor: usize,
    /// [`Stack::unreachable`] around it.
    outer_unreachable: bool,
}

/// What kind of block is open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Block,
    Loop,
    If,
    Else,
}

impl<'c> Frame<'c> {
    /// What a branch to it takes.
    pub(super) fn label(&self) -> &'c [Num] {
        if self.kind == Kind::Loop { self.params } else { self.results }
    }
}

/// The operand stack.
pub(super) struct Stack<'o> {
    operands: &'o mut [Num; MAX_OPERANDS],
    height: usize,
    /// Operands of the blocks around.
    floor: usize,
    /// Whether the present block goes on behind a branch: then it has what it lacks.
    unreachable: bool,
}

impl<'o> Stack<'o> {
    /// A stack without operands.
    pub(super) fn new(operands: &'o mut [Num; MAX_OPERANDS]) -> Self {
        Self { operands, height: 0, floor: 0, unreachable: false }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, ty: Num) -> Option<()> {
        *self.operands.get_mut(self.height)? = ty;
        self.height += 1;
        Some(())
    }

    #[inline(always)]
    pub(super) fn push_all(&mut self, types: &[Num]) -> Option<()> {
        for &ty in types {
            self.push(ty)?;
        }
        Some(())
    }

    /// The operand that is `depth` operands below the top; meaningless if there is none.
    #[inline(always)]
    fn below(&self, depth: usize) -> Num {
        self.operands[self.height.wrapping_sub(depth + 1) % MAX_OPERANDS]
    }

    #[inline(always)]
    pub(super) fn pop(&mut self, ty: Num) -> Option<()> {
        if self.height > self.floor {
            self.height -= 1;
            return (self.operands[self.height % MAX_OPERANDS] == ty).then_some(());
        }
        self.unreachable.then_some(())
    }

    #[inline(always)]
    pub(super) fn pop_all(&mut self, types: &[Num]) -> Option<()> {
        for &ty in types.iter().rev() {
            self.pop(ty)?;
        }
        Some(())
    }

    #[inline(always)]
    pub(super) fn call(&mut self, signature: &Signature) -> Option<()> {
        self.pop_all(&signature.params)?;
        self.push_all(&signature.results)
    }

    /// Replaces the operands of an operator by its result.
    #[inline(always)]
    pub(super) fn replace(&mut self, op: Simple) -> Option<()> {
        if self.height < self.floor + op.operands {
            return self.replace_unreachable(op);
        }
        let fit = self.below(0) == op.operand && self.below(op.operands - 1) == op.operand;
        self.height -= op.operands;
        self.operands[self.height % MAX_OPERANDS] = op.result;
        self.height += 1;
        fit.then_some(())
    }

    #[inline(always)]
    fn replace_unreachable(&mut self, op: Simple) -> Option<()> {
        for _ in 0..op.operands {
            self.pop(op.operand)?;
        }
        self.push(op.result)
    }

    #[inline(always)]
    pub(super) fn drop_one(&mut self) -> Option<()> {
        if self.height > self.floor {
            self.height -= 1;
            return Some(());
        }
        self.unreachable.then_some(())
    }

    /// Replaces a condition and two operands of the same type by one of them.
    #[inline(always)]
    pub(super) fn select(&mut self) -> Option<()> {
        // With fewer operands the type of the result might be unknown.
        let there = self.height >= self.floor + 3;
        let fit = self.below(0) == Num::I32 && self.below(1) == self.below(2);
        self.height = self.height.wrapping_sub(2);
        (there && fit).then_some(())
    }

    /// Opens a block.
    #[inline(always)]
    pub(super) fn enter<'c>(
        &mut self,
        frames: &mut Vec<Frame<'c>>,
        kind: Kind,
        (params, results): (&'c [Num], &'c [Num]),
    ) -> Option<()> {
        self.pop_all(params)?;
        if frames.len() >= MAX_FRAMES {
            return None;
        }
        let (outer_floor, outer_unreachable) = (self.floor, self.unreachable);
        frames.push(Frame { kind, params, results, outer_floor, outer_unreachable });
        self.floor = self.height;
        self.unreachable = false;
        self.push_all(params)
    }

    /// Takes the results at the end of a block, which leaves nothing more.
    #[inline(always)]
    fn leave(&mut self, results: &[Num]) -> Option<()> {
        self.pop_all(results)?;
        (self.height == self.floor).then_some(())
    }

    /// Goes on with the second half of an `if`.
    #[inline(always)]
    pub(super) fn enter_else(&mut self, frame: &Frame<'_>) -> Option<()> {
        self.leave(frame.results)?;
        self.unreachable = false;
        self.push_all(frame.params)
    }

    /// Goes on behind the end of a block.
    #[inline(always)]
    pub(super) fn leave_block(&mut self, frame: &Frame<'_>) -> Option<()> {
        self.leave(frame.results)?;
        self.floor = frame.outer_floor;
        self.unreachable = frame.outer_unreachable;
        self.push_all(frame.results)
    }

    /// What follows in the block is not reached.
    #[inline(always)]
    pub(super) fn leave_reachable(&mut self) {
        self.height = self.floor;
        self.unreachable = true;
    }
}
