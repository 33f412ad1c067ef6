//! From a function's body to Cranelift's intermediate code.
//!
//! The operand stack holds SSA values; locals are variables of the frontend, which builds their
//! phis. Code that cannot be reached is passed over ([`crate::skip`]).

use crate::Entry;
use crate::control::{Control, Kind};
use crate::facts::{Fact, Facts};
use crate::fresh::{Made, Run};
use crate::fuel::FuelState;
use crate::handlers::{Clause, Handlers};
use crate::inline::{Inlining, Sources, policy};
use crate::memory_flags::Regions;
use crate::safepoint::{Safepoints, is_object};
use cranelift_codegen::ir::{self, InstBuilder, Type, Value, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use std::collections::BTreeMap;
use upshift_abi::config::FunctionInput;
use upshift_abi::conv::{CallLayout, ValueLoc};
use upshift_abi::index::TypeIndex;
use upshift_abi::types::{FuncType, ValType};
use wasmparser::{BinaryReader, FunctionBody};

/// An operand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    /// A value.
    Value(Value),
    /// A variable: in an OSR body, an operand that is there when its loop is entered has one value
    /// on the path from the function's start and one from the buffer.
    Var(Variable),
    /// A reference to an object: the variable of its position.
    Ref(Variable),
}

/// The body that is translated, and where in it the translator is.
pub(crate) struct Source<'a> {
    pub(crate) input: FunctionInput<'a>,
    pub(crate) ty: &'a FuncType,
    pub(crate) entry: Entry,
    /// Offset in the module of the operator at hand.
    pub(crate) pc: usize,
    /// The next of the body's branch hints.
    pub(crate) next_hint: usize,
}

/// The translator of one function.
pub(crate) struct Translator<'a, 'b> {
    pub(crate) src: Source<'a>,
    pub(crate) builder: FunctionBuilder<'b>,
    pub(crate) stack: Vec<Operand>,
    pub(crate) locals: Vec<(Variable, Type)>,
    /// Which locals hold references to objects.
    pub(crate) ref_locals: Vec<bool>,
    pub(crate) safepoints: Safepoints,
    pub(crate) facts: Facts,
    pub(crate) control: Vec<Control>,
    /// Blocks opened in code that is passed over.
    pub(crate) dead_depth: u32,
    /// Whether the code at hand cannot be reached.
    pub(crate) dead: bool,
    pub(crate) vmctx: Value,
    pub(crate) regions: Regions,
    pub(crate) signatures: BTreeMap<TypeIndex, ir::SigRef>,
    pub(crate) builtin_signatures: BTreeMap<(usize, bool, bool), ir::SigRef>,
    pub(crate) callees: BTreeMap<u32, ir::FuncRef>,
    pub(crate) fuel: FuelState,
    pub(crate) handlers: Handlers,
    pub(crate) inlining: Inlining,
    /// Whether the function checks the stack limit: it calls something, or has loops.
    pub(crate) makes_calls: bool,
    /// Whether places for polls were marked.
    pub(crate) has_loops: bool,
    /// The block that an OSR body's values are loaded in, until its loop is met.
    pub(crate) osr_block: Option<ir::Block>,
    /// The objects that were made last, and all of them.
    pub(crate) run: Option<Run>,
    pub(crate) made: Made,
    pub(crate) refused: Option<(u64, &'static str)>,
}

/// What translation finds out besides the code.
#[derive(Clone, Debug)]
pub(crate) struct Translated {
    /// Whether the function checks the stack limit: it calls something, or has loops.
    pub(crate) makes_calls: bool,
    /// Whether places for polls were marked.
    pub(crate) has_loops: bool,
    /// The first operator that this tier does not have, and its offset.
    pub(crate) refused: Option<(u64, &'static str)>,
    /// Whether the loop of an OSR body was found.
    pub(crate) entered: bool,
    /// Where the frame holds the vmctx, when handlers need it.
    pub(crate) vmctx: Option<ir::StackSlot>,
    /// The clauses of handlers by number.
    pub(crate) clauses: Vec<Clause>,
    /// What was inlined.
    pub(crate) sources: Sources,
    /// The objects that are made inline.
    pub(crate) made: Made,
}

/// Cranelift's type for values of a type.
pub(crate) fn value_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 | ValType::Ref(_) => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
    }
}

/// The type of a decoder's value type.
pub(crate) fn parser_type(ty: wasmparser::ValType) -> Type {
    match ty {
        wasmparser::ValType::I32 => types::I32,
        wasmparser::ValType::I64 | wasmparser::ValType::Ref(_) => types::I64,
        wasmparser::ValType::F32 => types::F32,
        wasmparser::ValType::F64 => types::F64,
        wasmparser::ValType::V128 => types::I8X16,
    }
}

/// The signature of functions of type `ty`: the vmctx, then the parameters.
pub(crate) fn signature(ty: &FuncType) -> ir::Signature {
    let layout = CallLayout::of(ty);
    let mut signature = ir::Signature::new(CallConv::Tail);
    signature.params.push(ir::AbiParam::new(types::I64));
    let params = ty.params.iter().zip(&layout.params);
    signature.params.extend(params.map(|(&ty, &loc)| passed(ty, loc)));
    let results = ty.results.iter().zip(&layout.results);
    signature.returns.extend(results.map(|(&ty, &loc)| passed(ty, loc)));
    signature
}

/// A parameter or result of a type, which is passed there. An `i32` in memory is extended: both tiers read
/// 64 bits, and where only 32 were written before, the processor waits until they are in the cache.
fn passed(ty: ValType, loc: ValueLoc) -> ir::AbiParam {
    let param = ir::AbiParam::new(value_type(ty));
    match (ty, loc) {
        (ValType::I32, ValueLoc::Memory(_)) => param.uext(),
        _ => param,
    }
}

/// Translates the function of `input` into `func`.
pub(crate) fn translate<'a, 'b>(
    input: FunctionInput<'a>,
    (entry, inlining): (Entry, Option<policy::Limits>),
    func: &'b mut ir::Function,
    context: &'b mut FunctionBuilderContext,
) -> wasmparser::Result<Translated> {
    let index = input.module.func_index(input.func);
    let ty = input.module.func_type(index);
    func.signature = signature(ty);
    func.name = ir::UserFuncName::user(0, input.func.0);
    let regions = Regions::new(func);
    let builder = FunctionBuilder::new(func, context);
    let mut translator = Translator {
        src: Source { input, ty, entry, pc: 0, next_hint: 0 },
        builder,
        stack: Vec::new(),
        locals: Vec::new(),
        ref_locals: Vec::new(),
        safepoints: Safepoints::default(),
        facts: Facts::default(),
        control: Vec::new(),
        dead_depth: 0,
        dead: false,
        vmctx: Value::from_u32(0),
        regions,
        signatures: BTreeMap::new(),
        builtin_signatures: BTreeMap::new(),
        callees: BTreeMap::new(),
        fuel: FuelState::default(),
        handlers: Handlers::default(),
        inlining: Inlining::new(&input, inlining),
        makes_calls: false,
        has_loops: false,
        osr_block: None,
        run: None,
        made: Made::default(),
        refused: None,
    };
    translator.body()?;
    let translated = Translated {
        makes_calls: translator.makes_calls,
        has_loops: translator.has_loops,
        refused: translator.refused,
        entered: translator.osr_block.is_none(),
        vmctx: translator.note_vmctx(),
        clauses: std::mem::take(&mut translator.handlers.clauses),
        sources: std::mem::take(&mut translator.inlining.sources),
        made: std::mem::take(&mut translator.made),
    };
    if translated.refused.is_none() {
        translator.builder.seal_all_blocks();
        let target = crate::isa::target(crate::isa::Goal::Full, false);
        translator.builder.finalize(target.frontend_config());
    }
    Ok(translated)
}

impl<'a> Translator<'a, '_> {
    fn body(&mut self) -> wasmparser::Result<()> {
        let input = self.src.input;
        let start = input.module.bodies[input.func.index()].range.start;
        self.builder.set_srcloc(self.inlining.location(start));
        let body = input.body(input.func);
        let params = self.enter();
        self.declare_locals(&body, &params)?;
        self.open_body(Kind::Func);
        self.count_entry();
        self.charge_fuel();
        self.operators(&body)
    }

    /// Translates all operators of a body.
    pub(crate) fn operators(&mut self, body: &FunctionBody<'a>) -> wasmparser::Result<()> {
        let mut reader = body.get_binary_reader_for_operators()?;
        while !reader.eof() {
            self.src.pc = position(&reader);
            if self.dead {
                reader.visit_operator(&mut crate::skip::SkipDead::new(self))?;
            } else {
                self.builder.set_srcloc(self.inlining.location(self.src.pc));
                self.count_fuel();
                reader.visit_operator(self)?;
            }
            if self.refused.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Makes the entry block; the values of the function's parameters.
    fn enter(&mut self) -> Vec<Value> {
        let block = self.builder.create_block();
        self.builder.append_block_params_for_function_params(block);
        self.builder.switch_to_block(block);
        self.builder.seal_block(block);
        let params = self.builder.block_params(block).to_vec();
        self.vmctx = params[0];
        if matches!(self.src.entry, Entry::Loop { .. }) {
            let osr = self.builder.create_block();
            self.builder.ins().jump(osr, &[]);
            self.osr_block = Some(osr);
            // What stands before the outermost loop around the one that is entered has no way in,
            // and Cranelift removes it.
            let unreachable = self.builder.create_block();
            self.builder.switch_to_block(unreachable);
            self.builder.seal_block(unreachable);
        }
        params[1..].to_vec()
    }

    pub(crate) fn declare_locals(
        &mut self,
        body: &FunctionBody<'a>,
        params: &[Value],
    ) -> wasmparser::Result<()> {
        for (ty, &value) in self.src.ty.params.iter().zip(params) {
            let is_ref = is_object(self.src.input.module, *ty);
            self.declare_local(value_type(*ty), Some(value), is_ref);
            self.facts.declare_local(Fact::of_value(self.src.input.module, *ty));
        }
        let mut locals = body.get_locals_reader()?;
        for _ in 0..locals.get_count() {
            let (count, ty) = locals.read()?;
            let (is_ref, fact) = (self.is_parser_object(ty), Fact::of_parser(ty));
            let ty = parser_type(ty);
            let zero = (count > 0).then(|| self.zero(ty));
            for _ in 0..count {
                self.declare_local(ty, zero, is_ref);
                self.facts.declare_local(fact);
            }
        }
        self.find_references(body)
    }

    fn declare_local(&mut self, ty: Type, value: Option<Value>, is_ref: bool) {
        let var = self.builder.declare_var(ty);
        if let Some(value) = value {
            self.builder.def_var(var, value);
        }
        self.locals.push((var, ty));
        self.ref_locals.push(is_ref);
    }

    /// The zero of a type.
    pub(crate) fn zero(&mut self, ty: Type) -> Value {
        match ty {
            types::F32 => self.builder.ins().f32const(0.0),
            types::F64 => self.builder.ins().f64const(0.0),
            types::I8X16 => self.vector_constant(0),
            _ => self.builder.ins().iconst(ty, 0),
        }
    }

    /// A vector with these bits.
    pub(crate) fn vector_constant(&mut self, bits: u128) -> Value {
        let data = ir::ConstantData::from(bits.to_le_bytes().to_vec());
        let constant = self.builder.func.dfg.constants.insert(data);
        self.builder.ins().vconst(types::I8X16, constant)
    }

    /// Pushes an operand.
    pub(crate) fn push(&mut self, value: Value) {
        self.safepoints.note_operand(self.stack.len(), false);
        self.stack.push(Operand::Value(value));
    }

    /// Pops an operand.
    ///
    /// # Panics
    /// When there is none, which validation rules out.
    pub(crate) fn pop(&mut self) -> Value {
        let operand = self.stack.pop().expect("validated code has its operands");
        self.read(operand)
    }

    /// The value of an operand here.
    pub(crate) fn read(&mut self, operand: Operand) -> Value {
        match operand {
            Operand::Value(value) => value,
            Operand::Var(var) => self.builder.use_var(var),
            Operand::Ref(var) => self.value_of(var),
        }
    }

    /// Pops `count` operands, in order of pushing.
    pub(crate) fn pop_many(&mut self, count: usize) -> Vec<Value> {
        let values = self.peek_many(count);
        self.stack.truncate(self.stack.len() - count);
        values
    }

    /// The topmost `count` operands, in order of pushing.
    pub(crate) fn peek_many(&mut self, count: usize) -> Vec<Value> {
        let first = self.stack.len() - count;
        (first..self.stack.len()).map(|i| self.read(self.stack[i])).collect()
    }

    /// The first byte of the operator at hand.
    pub(crate) fn opcode(&self) -> u8 {
        self.src.input.bytes.get(self.src.pc).copied().unwrap_or(0x0b)
    }

    /// Notes an operator that this tier does not have.
    pub(crate) fn refuse(&mut self, operator: &'static str) {
        self.refused.get_or_insert((self.src.pc as u64, operator));
        self.trap(upshift_abi::trap::Trap::Unreachable);
    }

    /// Traps always.
    pub(crate) fn trap(&mut self, trap: upshift_abi::trap::Trap) {
        // Cranelift would make a branch to a block that only traps a trap at the branch's offset.
        self.builder.ins().nop();
        self.builder.ins().trap(crate::lower::trap_code(trap));
        self.dead = true;
    }
}

/// Offset in the module of what comes next.
fn position(reader: &BinaryReader<'_>) -> usize {
    usize::try_from(reader.original_position()).expect("addresses have 64 bits")
}
