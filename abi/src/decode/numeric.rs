//! Validation of bodies that work on numbers only.
//!
//! Most bodies of programs that were compiled from C, C++, Rust or Go have no references, no vectors
//! and no exception handlers, and validating them is most of what loading such a program costs.
//! [`NumericValidator`] accepts them with a few instructions per operator: types are a byte each,
//! signatures are translated once for the module, and operators without immediates are rows of a
//! table. It follows the algorithm of the specification's
//! [appendix](https://webassembly.github.io/spec/core/appendix/algorithm.html), without the unknown
//! type.
//!
//! It knows two answers: the body is valid, or `wasmparser` has to look at it. So it needs no errors,
//! and may give up on anything that is rare: all other operators, deep stacks, long encodings, values
//! of unknown type behind a branch. What it must never do is to accept a body that `wasmparser` does
//! not; tests and the fuzzer compare the two.

use crate::module::Module;
use crate::ops::{OpShape, ScalarOp};
use crate::scan::LoopScanner;
use crate::types::{CompositeType, FuncType, RefType, ValType};
use wasmparser::WasmFeatures;

/// Proposals whose operators are accepted here.
const NEEDED: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES);

/// The type of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Num {
    I32,
    I64,
    F32,
    F64,
}

impl Num {
    /// The number type that this is.
    const fn of(ty: ValType) -> Option<Self> {
        match ty {
            ValType::I32 => Some(Self::I32),
            ValType::I64 => Some(Self::I64),
            ValType::F32 => Some(Self::F32),
            ValType::F64 => Some(Self::F64),
            ValType::V128 | ValType::Ref(_) => None,
        }
    }

    /// All number types in a slice each, for the results of blocks.
    const fn alone(self) -> &'static [Self] {
        match self {
            Self::I32 => &[Self::I32],
            Self::I64 => &[Self::I64],
            Self::F32 => &[Self::F32],
            Self::F64 => &[Self::F64],
        }
    }

    /// Addresses of a memory, or indices of a table.
    const fn address(is_64: bool) -> Self {
        if is_64 { Self::I64 } else { Self::I32 }
    }

    fn all(types: &[ValType]) -> Option<Box<[Self]>> {
        types.iter().map(|&ty| Self::of(ty)).collect()
    }
}

/// A function type of numbers.
struct Signature {
    params: Box<[Num]>,
    results: Box<[Num]>,
}

/// An operator without immediates: one or two operands of a type, and a result.
#[derive(Clone, Copy)]
struct Simple {
    operand: Num,
    operands: usize,
    result: Num,
}

/// The opcode of the first row of the table of scalar operators, whose order is that of the opcodes.
const FIRST_SIMPLE: u8 = 0x45;

/// The last opcode of one byte in that table.
const LAST_SIMPLE: u8 = 0xc4;

/// How many rows of the table have opcodes of one byte; those behind them follow the prefix `0xfc`.
const ONE_BYTE: usize = (LAST_SIMPLE - FIRST_SIMPLE) as usize + 1;

const SIMPLE: [Simple; ScalarOp::ALL.len()] = {
    let mut rows = [Simple { operand: Num::I32, operands: 1, result: Num::I32 }; _];
    let mut i = 0;
    while i < rows.len() {
        let op = ScalarOp::ALL[i];
        let operands = op.params().len();
        assert!(operands == 1 || matches!(op.shape(), OpShape::Binary | OpShape::Compare));
        let (Some(operand), Some(result)) = (Num::of(op.params()[0]), Num::of(op.result())) else {
            panic!("scalars are numbers")
        };
        rows[i] = Simple { operand, operands, result };
        i += 1;
    }
    rows
};

/// What the loads from `0x28` on give, and the greatest alignment of each.
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

/// What the stores from `0x36` on take, and the greatest alignment of each.
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

/// The declarations of a module as far as they are about numbers.
pub(super) struct NumericContext {
    /// By type.
    signatures: Box<[Option<Signature>]>,
    /// The type of each function.
    funcs: Box<[u32]>,
    /// By table: its indices, when functions can be called through it.
    tables: Box<[Option<Num>]>,
    /// By global: its type and whether it is mutable.
    globals: Box<[Option<(Num, bool)>]>,
    /// Addresses of memory 0.
    memory: Option<Num>,
}

impl NumericContext {
    /// Nothing when the features ask for rules that are not those of this module.
    pub(super) fn new(module: &Module, features: WasmFeatures) -> Option<Self> {
        if !features.contains(NEEDED) || features.contains(WasmFeatures::SHARED_EVERYTHING_THREADS)
        {
            return None;
        }
        let signature = |FuncType { params, results }: &FuncType| {
            Some(Signature { params: Num::all(params)?, results: Num::all(results)? })
        };
        let signatures = module.types.iter().map(|ty| match &ty.composite {
            CompositeType::Func(ty) => signature(ty),
            _ => None,
        });
        let tables = module.tables.iter().map(|table| {
            (table.ty.element == RefType::FUNCREF).then_some(Num::address(table.ty.is_64))
        });
        let globals = module.globals.iter().map(|g| Some((Num::of(g.ty.content)?, g.ty.mutable)));
        Some(Self {
            signatures: signatures.collect(),
            funcs: module.funcs.iter().map(|ty| ty.0).collect(),
            tables: tables.collect(),
            globals: globals.collect(),
            memory: module.memories.first().map(|memory| Num::address(memory.is_64)),
        })
    }

    fn signature(&self, index: u32) -> Option<&Signature> {
        self.signatures.get(index as usize)?.as_ref()
    }

    /// Parameters and results of the block whose type is next.
    #[inline(always)]
    fn block_type(&self, bytes: &mut Bytes<'_>) -> Option<(&[Num], &[Num])> {
        let results: &[Num] = match bytes.byte()? {
            0x40 => &[],
            0x7f => Num::I32.alone(),
            0x7e => Num::I64.alone(),
            0x7d => Num::F32.alone(),
            0x7c => Num::F64.alone(),
            // A number that is not negative, in one byte.
            index @ 0..0x40 => {
                let signature = self.signature(index.into())?;
                return Some((&signature.params, &signature.results));
            }
            _ => return None,
        };
        Some((&[], results))
    }
}

/// How many operands a body may have at once here.
const MAX_OPERANDS: usize = 1024;

/// How many locals a body may have here, which is fewer than `wasmparser` accepts.
const MAX_LOCALS: usize = 10_000;

/// Validates bodies one after the other.
pub(super) struct NumericValidator<'c> {
    context: &'c NumericContext,
    locals: Vec<Num>,
    operands: Box<[Num; MAX_OPERANDS]>,
    frames: Vec<Frame<'c>>,
}

/// An open block.
#[derive(Clone, Copy)]
struct Frame<'c> {
    kind: Kind,
    params: &'c [Num],
    results: &'c [Num],
    /// [`Stack::floor`] around it.
    outer_floor: usize,
    /// [`Stack::unreachable`] around it.
    outer_unreachable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
    Else,
}

impl<'c> Frame<'c> {
    /// What a branch to it takes.
    fn label(&self) -> &'c [Num] {
        if self.kind == Kind::Loop { self.params } else { self.results }
    }
}

impl<'c> NumericValidator<'c> {
    pub(super) fn new(context: &'c NumericContext) -> Self {
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
        let mut bytes = Bytes { bytes: body, at: 0 };
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
            let ty = match bytes.byte()? {
                0x7f => Num::I32,
                0x7e => Num::I64,
                0x7d => Num::F32,
                0x7c => Num::F64,
                _ => return None,
            };
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
        let stack = Stack { operands, height: 0, floor: 0, unreachable: false };
        frames.clear();
        let mut body = BodyState { context, locals, bytes, stack, frames, scanner };
        let results = &*context.signature(ty)?.results;
        body.stack.enter(body.frames, Kind::Block, (&[], results))?;
        loop {
            let offset = body.bytes.at as u32;
            match body.bytes.byte()? {
                0x0b => {
                    if body.end()? {
                        return (body.bytes.at == body.bytes.bytes.len()).then_some(());
                    }
                }
                opcode @ 0x00..=0x11 => body.control(opcode, offset)?,
                opcode => body.value(opcode)?,
            }
        }
    }
}

/// A body that is being validated.
struct BodyState<'b, 'c> {
    context: &'c NumericContext,
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
        self.stack.leave(frame.results)?;
        match frame.kind {
            Kind::Loop => self.scanner.leave_loop(),
            Kind::If if frame.params != frame.results => return None,
            _ => {}
        }
        self.stack.floor = frame.outer_floor;
        self.stack.unreachable = frame.outer_unreachable;
        self.stack.push_all(frame.results)?;
        Some(self.frames.is_empty())
    }

    /// An operator that goes elsewhere or opens a block.
    #[inline(always)]
    fn control(&mut self, opcode: u8, offset: u32) -> Option<()> {
        let Self { context, bytes, stack, frames, scanner, .. } = self;
        match opcode {
            0x00 => stack.leave_reachable(),
            0x01 => {}
            0x02 => stack.enter(frames, Kind::Block, context.block_type(bytes)?)?,
            0x03 => {
                scanner.enter_loop(offset);
                stack.enter(frames, Kind::Loop, context.block_type(bytes)?)?;
            }
            0x04 => {
                stack.pop(Num::I32)?;
                stack.enter(frames, Kind::If, context.block_type(bytes)?)?;
            }
            0x05 => {
                let frame = frames.last_mut().filter(|frame| frame.kind == Kind::If)?;
                frame.kind = Kind::Else;
                stack.leave(frame.results)?;
                stack.unreachable = false;
                stack.push_all(frame.params)?;
            }
            0x0c => {
                stack.pop_all(target(frames, bytes.unsigned()?)?)?;
                stack.leave_reachable();
            }
            0x0d => {
                let target = target(frames, bytes.unsigned()?)?;
                stack.pop(Num::I32)?;
                stack.pop_all(target)?;
                stack.push_all(target)?;
            }
            0x0e => {
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
            0x0f => {
                stack.pop_all(frames[0].results)?;
                stack.leave_reachable();
            }
            0x10 => {
                let func = bytes.unsigned()?;
                let signature = context.signature(*context.funcs.get(func as usize)?)?;
                stack.call(signature)?;
                scanner.call();
            }
            0x11 => {
                let signature = context.signature(bytes.unsigned()?)?;
                let table = bytes.unsigned()?;
                stack.pop((*context.tables.get(table as usize)?)?)?;
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
            0x1a => stack.drop_one()?,
            0x1b => stack.select()?,
            0x20 => {
                let local = bytes.unsigned()?;
                stack.push(*locals.get(local as usize)?)?;
                scanner.access_local(local, false);
            }
            0x21 => {
                let local = bytes.unsigned()?;
                stack.pop(*locals.get(local as usize)?)?;
                scanner.access_local(local, true);
            }
            0x22 => {
                let local = bytes.unsigned()?;
                let ty = *locals.get(local as usize)?;
                stack.replace(Simple { operand: ty, operands: 1, result: ty })?;
                scanner.access_local(local, true);
            }
            0x23 => {
                let (ty, _) = (*context.globals.get(bytes.unsigned()? as usize)?)?;
                stack.push(ty)?;
            }
            0x24 => {
                let (ty, mutable) = (*context.globals.get(bytes.unsigned()? as usize)?)?;
                if !mutable {
                    return None;
                }
                stack.pop(ty)?;
            }
            0x28..=0x40 => self.memory(opcode)?,
            0x41..=0x44 => self.constant(opcode)?,
            FIRST_SIMPLE..=LAST_SIMPLE => {
                stack.replace(SIMPLE[usize::from(opcode - FIRST_SIMPLE)])?;
            }
            0xfc => self.prefixed()?,
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
            0x28..=0x35 => {
                let (result, max_align) = LOADS[usize::from(opcode - 0x28)];
                bytes.memarg(max_align)?;
                stack.replace(Simple { operand: address, operands: 1, result })?;
                scanner.access_memory();
            }
            0x36..=0x3e => {
                let (ty, max_align) = STORES[usize::from(opcode - 0x36)];
                bytes.memarg(max_align)?;
                stack.pop(ty)?;
                stack.pop(address)?;
                scanner.access_memory();
            }
            0x3f => {
                bytes.zero()?;
                stack.push(address)?;
            }
            0x40 => {
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
            0x41 => {
                bytes.skip_signed(32)?;
                stack.push(Num::I32)?;
            }
            0x42 => {
                bytes.skip_signed(64)?;
                stack.push(Num::I64)?;
            }
            0x43 => {
                bytes.skip(4)?;
                stack.push(Num::F32)?;
            }
            0x44 => {
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
            opcode @ 0..8 => stack.replace(SIMPLE[ONE_BYTE + usize::from(opcode)])?,
            0x0a => {
                bytes.zero()?;
                bytes.zero()?;
                let address = context.memory?;
                stack.pop_all(&[address, address, address])?;
                scanner.call();
            }
            0x0b => {
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
    let index = frames.len().checked_sub(depth as usize + 1)?;
    Some(frames[index].label())
}

/// The operand stack.
struct Stack<'o> {
    operands: &'o mut [Num; MAX_OPERANDS],
    height: usize,
    /// Operands of the blocks around.
    floor: usize,
    /// Whether the present block goes on behind a branch: then it has what it lacks.
    unreachable: bool,
}

impl Stack<'_> {
    #[inline(always)]
    fn push(&mut self, ty: Num) -> Option<()> {
        *self.operands.get_mut(self.height)? = ty;
        self.height += 1;
        Some(())
    }

    #[inline(always)]
    fn push_all(&mut self, types: &[Num]) -> Option<()> {
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
    fn pop(&mut self, ty: Num) -> Option<()> {
        if self.height > self.floor {
            self.height -= 1;
            return (self.operands[self.height % MAX_OPERANDS] == ty).then_some(());
        }
        self.unreachable.then_some(())
    }

    #[inline(always)]
    fn pop_all(&mut self, types: &[Num]) -> Option<()> {
        for &ty in types.iter().rev() {
            self.pop(ty)?;
        }
        Some(())
    }

    #[inline(always)]
    fn call(&mut self, signature: &Signature) -> Option<()> {
        self.pop_all(&signature.params)?;
        self.push_all(&signature.results)
    }

    /// Replaces the operands of an operator by its result.
    #[inline(always)]
    fn replace(&mut self, op: Simple) -> Option<()> {
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
    fn drop_one(&mut self) -> Option<()> {
        if self.height > self.floor {
            self.height -= 1;
            return Some(());
        }
        self.unreachable.then_some(())
    }

    /// Replaces a condition and two operands of the same type by one of them.
    #[inline(always)]
    fn select(&mut self) -> Option<()> {
        // With fewer operands the type of the result might be unknown.
        let there = self.height >= self.floor + 3;
        let fit = self.below(0) == Num::I32 && self.below(1) == self.below(2);
        self.height = self.height.wrapping_sub(2);
        (there && fit).then_some(())
    }

    /// Opens a block.
    #[inline(always)]
    fn enter<'c>(
        &mut self,
        frames: &mut Vec<Frame<'c>>,
        kind: Kind,
        (params, results): (&'c [Num], &'c [Num]),
    ) -> Option<()> {
        self.pop_all(params)?;
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

    /// What follows in the block is not reached.
    #[inline(always)]
    fn leave_reachable(&mut self) {
        self.height = self.floor;
        self.unreachable = true;
    }
}

/// The bytes of a body from a position on.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let &byte = self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    fn zero(&mut self) -> Option<()> {
        (self.byte()? == 0).then_some(())
    }

    #[inline(always)]
    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        // An operator follows.
        (self.at < self.bytes.len()).then_some(())
    }

    /// A number of at most 32 bits.
    #[inline(always)]
    fn unsigned(&mut self) -> Option<u32> {
        let byte = self.byte()?;
        if byte < 0x80 {
            return Some(byte.into());
        }
        let (value, at) = long_unsigned(self.bytes, self.at - 1)?;
        self.at = at;
        Some(value)
    }

    /// Passes over a signed number of at most `bits` bits.
    #[inline(always)]
    fn skip_signed(&mut self, bits: u32) -> Option<()> {
        if self.byte()? >= 0x80 {
            self.at = after_signed(self.bytes, self.at, bits)?;
        }
        Some(())
    }

    /// Passes over the immediate of an operator on memory 0.
    #[inline(always)]
    fn memarg(&mut self, max_align: u8) -> Option<()> {
        // Larger numbers are flags or wrong.
        if self.byte()? > max_align {
            return None;
        }
        self.unsigned().map(drop)
    }
}

/// The number of several bytes at `at`, and the position behind it.
fn long_unsigned(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let mut value = 0;
    for i in 0..5 {
        let &byte = bytes.get(at + i)?;
        if i == 4 && byte > 0x0f {
            return None;
        }
        value |= u32::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((value, at + i + 1));
        }
    }
    None
}

/// The position behind a signed number of `bits` bits whose second byte is at `at`.
fn after_signed(bytes: &[u8], mut at: usize, bits: u32) -> Option<usize> {
    // Bits that are left: seven were in the first byte.
    let mut left = bits - 7;
    loop {
        let &byte = bytes.get(at)?;
        at += 1;
        if left < 7 {
            // The bits above must be copies of the sign.
            let above = (byte << 1).cast_signed() >> left;
            return (byte < 0x80 && (above == 0 || above == -1)).then_some(at);
        }
        if byte < 0x80 {
            return Some(at);
        }
        left -= 7;
    }
}
