//! Validation of bodies that work on numbers only.
//!
//! Most bodies of programs that were compiled from C, C++, Rust or Go have no references, no vectors
//! and no exception handlers, and validating them is most of what loading such a program costs.
//! [`NumericValidator`] accepts them in a fraction of the time that `wasmparser` takes: types are a byte
//! each, signatures are translated once for the module, and operators without immediates are rows of a
//! table. It follows the algorithm of the specification's
//! [appendix](https://webassembly.github.io/spec/core/appendix/algorithm.html), without the unknown
//! type.
//!
//! It knows two answers: the body is valid, or `wasmparser` has to look at it. So it needs no errors,
//! and may give up on anything that is rare: all other operators, deep stacks, long encodings, values
//! of unknown type behind a branch. What it must never do is to accept a body that `wasmparser` does
//! not. Tests compare the two, and what the pre-scan learns from each, on bodies of programs and what
//! mutations make of them; the fuzzer has `wasmparser` validate every module that was loaded.

mod bytes;
mod context;
mod opcode;
mod stack;

use crate::scan::LoopScanner;
use bytes::Bytes;
use context::Num;
pub(super) use context::NumericContext;
use opcode::*;
use stack::{
    FIRST_SIMPLE, Frame, Kind, LAST_SIMPLE, MAX_OPERANDS, ONE_BYTE, SIMPLE, Simple, Stack,
    TWO_BYTES,
};

/// What the loads from [`FIRST_LOAD`] on give, and the greatest alignment of each.
const LOADS: [(Num, u8); 14] = [
    (Num::I32, 2),
    (Num::I64, 3),
    (Num::F32, 2),
    (Num::F64, 3),
    (Num::I32, 0),
    (Num::I32, 0),
    (Num::I32, 1),
    (Num::I32, 1),
    (Num::I64, 0),
    (Num::I64, 0),
    (Num::I64, 1),
    (Num::I64, 1),
    (Num::I64, 2),
    (Num::I64, 2),
];

/// What the stores from [`FIRST_STORE`] on take, and the greatest alignment of each.
const STORES: [(Num, u8); 9] = [
    (Num::I32, 2),
    (Num::I64, 3),
    (Num::F32, 2),
    (Num::F64, 3),
    (Num::I32, 0),
    (Num::I32, 1),
    (Num::I64, 0),
    (Num::I64, 1),
    (Num::I64, 2),
];

/// How many locals a body may have here, which is fewer than `wasmparser` accepts.
const MAX_LOCALS: usize = 10_000;

/// Validates bodies one after the other.
pub(super) struct NumericValidator<'c> {
    context: &'c NumericContext<'c>,
    locals: Vec<Num>,
    operands: Box<[Num; MAX_OPERANDS]>,
    frames: Vec<Frame<'c>>,
}

impl<'c> NumericValidator<'c> {
    pub(super) fn new(context: &'c NumericContext<'c>) -> Self {
        let operands = Box::new([Num::I32; MAX_OPERANDS]);
        Self { context, locals: Vec::new(), operands, frames: Vec::new() }
    }

    /// Whether the body of a function of type `ty` is valid; if it does not know, `false`. The body
    /// is at `start` in the module, and its loops are told to the scanner.
    pub(super) fn accepts(
        &mut self,
        ty: u32,
        body: &[u8],
        start: u32,
        scanner: &mut LoopScanner,
    ) -> bool {
        let mut bytes = Bytes::new(body);
        if self.read_locals(ty, &mut bytes).is_none() {
            return false;
        }
        scanner.begin(self.locals.len() as u32, start);
        let accepted = self.check(ty, bytes, scanner).is_some();
        if !accepted {
            scanner.abandon();
        }
        accepted
    }

    /// Reads the types of the locals, up to the first operator.
    fn read_locals(&mut self, ty: u32, bytes: &mut Bytes<'_>) -> Option<()> {
        self.locals.clear();
        self.locals.extend(&self.context.signature(ty)?.params);
        for _ in 0..bytes.unsigned()? {
            let count = bytes.unsigned()? as usize;
            let ty = Num::encoded(bytes.byte()?)?;
            if count > MAX_LOCALS - self.locals.len().min(MAX_LOCALS) {
                return None;
            }
            self.locals.resize(self.locals.len() + count, ty);
        }
        Some(())
    }

    /// Checks the operators from where `bytes` is: nothing if one is not accepted.
    fn check(&mut self, ty: u32, bytes: Bytes<'_>, scanner: &mut LoopScanner) -> Option<()> {
        let Self { context, locals, operands, frames } = self;
        let stack = Stack::new(operands);
        frames.clear();
        let mut body = BodyState { context, locals, bytes, stack, frames, scanner };
        let results = &*context.signature(ty)?.results;
        body.stack.enter(body.frames, Kind::Block, (&[], results))?;
        loop {
            let offset = body.bytes.position() as u32;
            match body.bytes.byte()? {
                END => {
                    if body.end()? {
                        return body.bytes.is_at_end().then_some(());
                    }
                }
                opcode @ UNREACHABLE..=CALL_INDIRECT => body.control(opcode, offset)?,
                opcode => body.value(opcode)?,
            }
        }
    }
}

/// A body that is being validated.
struct BodyState<'b, 'c> {
    context: &'c NumericContext<'c>,
    locals: &'b [Num],
    bytes: Bytes<'b>,
    stack: Stack<'b>,
    frames: &'b mut Vec<Frame<'c>>,
    scanner: &'b mut LoopScanner,
}

impl<'c> BodyState<'_, 'c> {
    /// The end of a block; says whether it was the last.
    #[inline(always)]
    fn end(&mut self) -> Option<bool> {
        let frame = self.frames.pop()?;
        self.stack.leave_block(&frame)?;
        match frame.kind {
            Kind::Loop => self.scanner.leave_loop(),
            Kind::If if frame.params != frame.results => return None,
            _ => {}
        }
        Some(self.frames.is_empty())
    }

    /// An operator that goes elsewhere or opens a block.
    #[inline(always)]
    fn control(&mut self, opcode: u8, offset: u32) -> Option<()> {
        let Self { context, bytes, stack, frames, scanner, .. } = self;
        match opcode {
            UNREACHABLE => stack.leave_reachable(),
            NOP => {}
            BLOCK => stack.enter(frames, Kind::Block, context.block_type(bytes)?)?,
            LOOP => {
                scanner.enter_loop(offset);
                stack.enter(frames, Kind::Loop, context.block_type(bytes)?)?;
            }
            IF => {
                stack.pop(Num::I32)?;
                stack.enter(frames, Kind::If, context.block_type(bytes)?)?;
            }
            ELSE => {
                let frame = frames.last_mut().filter(|frame| frame.kind == Kind::If)?;
                frame.kind = Kind::Else;
                stack.enter_else(frame)?;
            }
            BR => {
                stack.pop_all(target(frames, bytes.unsigned()?)?)?;
                stack.leave_reachable();
            }
            BR_IF => {
                let target = target(frames, bytes.unsigned()?)?;
                stack.pop(Num::I32)?;
                stack.pop_all(target)?;
                stack.push_all(target)?;
            }
            BR_TABLE => {
                stack.pop(Num::I32)?;
                let others = bytes.unsigned()?;
                let first = target(frames, bytes.unsigned()?)?;
                for _ in 0..others {
                    if target(frames, bytes.unsigned()?)? != first {
                        return None;
                    }
                }
                stack.pop_all(first)?;
                stack.leave_reachable();
            }
            RETURN => {
                stack.pop_all(frames[0].results)?;
                stack.leave_reachable();
            }
            CALL => {
                stack.call(context.func(bytes.unsigned()?)?)?;
                scanner.call();
            }
            CALL_INDIRECT => {
                let signature = context.signature(bytes.unsigned()?)?;
                stack.pop(context.table(bytes.unsigned()?)?)?;
                stack.call(signature)?;
                scanner.call_through_reference(offset);
            }
            _ => return None,
        }
        Some(())
    }

    /// An operator on values and memory.
    #[inline(always)]
    fn value(&mut self, opcode: u8) -> Option<()> {
        let Self { context, locals, bytes, stack, scanner, .. } = self;
        match opcode {
            DROP => stack.drop_one()?,
            SELECT => stack.select()?,
            LOCAL_GET => {
                let local = bytes.unsigned()?;
                stack.push(*locals.get(local as usize)?)?;
                scanner.access_local(local, false);
            }
            LOCAL_SET => {
                let local = bytes.unsigned()?;
                stack.pop(*locals.get(local as usize)?)?;
                scanner.access_local(local, true);
            }
            LOCAL_TEE => {
                let local = bytes.unsigned()?;
                let ty = *locals.get(local as usize)?;
                stack.replace(Simple { operand: ty, operands: 1, result: ty })?;
                scanner.access_local(local, true);
            }
            GLOBAL_GET => {
                let (ty, _) = context.global(bytes.unsigned()?)?;
                stack.push(ty)?;
            }
            GLOBAL_SET => {
                let (ty, mutable) = context.global(bytes.unsigned()?)?;
                if !mutable {
                    return None;
                }
                stack.pop(ty)?;
            }
            FIRST_LOAD..=MEMORY_GROW => self.memory(opcode)?,
            I32_CONST..=F64_CONST => self.constant(opcode)?,
            FIRST_SIMPLE..=LAST_SIMPLE => {
                stack.replace(SIMPLE[usize::from(opcode - FIRST_SIMPLE)])?;
            }
            PREFIX => self.prefixed()?,
            _ => return None,
        }
        Some(())
    }

    /// An operator on memory.
    #[inline(always)]
    fn memory(&mut self, opcode: u8) -> Option<()> {
        let Self { context, bytes, stack, scanner, .. } = self;
        let address = context.memory?;
        match opcode {
            FIRST_LOAD..FIRST_STORE => {
                let (result, max_align) = LOADS[usize::from(opcode - FIRST_LOAD)];
                bytes.memarg(max_align)?;
                stack.replace(Simple { operand: address, operands: 1, result })?;
                scanner.access_memory();
            }
            FIRST_STORE..MEMORY_SIZE => {
                let (ty, max_align) = STORES[usize::from(opcode - FIRST_STORE)];
                bytes.memarg(max_align)?;
                stack.pop(ty)?;
                stack.pop(address)?;
                scanner.access_memory();
            }
            MEMORY_SIZE => {
                bytes.zero()?;
                stack.push(address)?;
            }
            MEMORY_GROW => {
                bytes.zero()?;
                stack.replace(Simple { operand: address, operands: 1, result: address })?;
                scanner.call();
            }
            _ => return None,
        }
        Some(())
    }

    #[inline(always)]
    fn constant(&mut self, opcode: u8) -> Option<()> {
        let Self { bytes, stack, .. } = self;
        match opcode {
            I32_CONST => {
                bytes.skip_signed(32)?;
                stack.push(Num::I32)?;
            }
            I64_CONST => {
                bytes.skip_signed(64)?;
                stack.push(Num::I64)?;
            }
            F32_CONST => {
                bytes.skip(4)?;
                stack.push(Num::F32)?;
            }
            F64_CONST => {
                bytes.skip(8)?;
                stack.push(Num::F64)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// An operator of two bytes.
    #[inline(always)]
    fn prefixed(&mut self) -> Option<()> {
        let Self { context, bytes, stack, scanner, .. } = self;
        match bytes.byte()? {
            opcode @ 0..TWO_BYTES => stack.replace(SIMPLE[usize::from(ONE_BYTE + opcode)])?,
            MEMORY_COPY => {
                bytes.zero()?;
                bytes.zero()?;
                let address = context.memory?;
                stack.pop_all(&[address, address, address])?;
                scanner.call();
            }
            MEMORY_FILL => {
                bytes.zero()?;
                let address = context.memory?;
                stack.pop_all(&[address, Num::I32, address])?;
                scanner.call();
            }
            _ => return None,
        }
        Some(())
    }
}

/// What a branch to the block `depth` blocks further out takes.
#[inline(always)]
fn target<'c>(frames: &[Frame<'c>], depth: u32) -> Option<&'c [Num]> {
    let index = (frames.len() - 1).checked_sub(depth as usize)?;
    Some(frames[index].label())
}
