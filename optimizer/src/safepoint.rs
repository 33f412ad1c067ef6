//! Safepoints: where a collection may move objects, and how references get over them.
//!
//! References to objects are always variables of the frontend: locals, and operands by their
//! position on the stack. Each has a stack slot. Before a call that may collect, those that are
//! alive are stored there, the call's stack map lists the slots, and behind the call they are
//! loaded again, as other values of their variables; the frontend joins the values where control
//! flow does.
//!
//! ```text
//! v7 = …                       local $p is v7
//! stack_store v7, slot 1
//! call fn, map: slot 1
//! v9 = stack_load slot 1       local $p is v9
//! ```
//!
//! What is stored once need not be stored again as long as the variable stays: the collector
//! updates the slot. So a value that lives across many calls is stored once, and where the call is
//! in a cold block, like that for more room for objects, all of this is in the cold block.
//!
//! Functions and exceptions do not move; references to them are values like others.

use crate::facts::Fact;
use crate::translate::{Operand, Translator};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::packed_option::PackedOption;
use cranelift_codegen::entity::{EntitySet, SecondaryMap};
use cranelift_codegen::ir::{self, Inst, InstBuilder, StackSlot, Value, types};
use cranelift_frontend::Variable;
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap};
use upshift_abi::module::Module;
use upshift_abi::types::{CompositeType, HeapType, RefType, ValType};
use wasmparser::{FunctionBody, Operator, OperatorsReader};

/// Bytes of a slot.
const SLOT_BYTES: u32 = 8;
/// log2 of their alignment.
const SLOT_ALIGN: u8 = 3;
/// References that all stack maps and landing pads of a function may have together: their number is
/// otherwise the product of its references and its calls.
const MAX_STORED: usize = 1 << 18;

/// A local that holds references to objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefLocal {
    var: Variable,
    /// Offsets in the module between which its value may be read.
    alive: (usize, usize),
}

/// Locals that hold references, and which of them are alive where the translator is.
#[derive(Debug, Default)]
pub(crate) struct RefLocals {
    /// All, by where their lives start.
    all: Vec<RefLocal>,
    /// How many of them had started at the last look.
    started: usize,
    /// Which of those had not ended.
    alive: Vec<RefLocal>,
}

impl RefLocals {
    fn new(mut all: Vec<RefLocal>) -> Self {
        all.sort_by_key(|local| local.alive.0);
        Self { all, started: 0, alive: Vec::new() }
    }

    /// Looks at an offset in the module, which is not before that of the last look.
    fn advance(&mut self, at: usize) {
        let more = self.all[self.started..].partition_point(|local| local.alive.0 <= at);
        self.alive.extend_from_slice(&self.all[self.started..][..more]);
        self.started += more;
        self.alive.retain(|local| at < local.alive.1);
    }

    /// Those that are alive at an offset.
    fn at(&mut self, at: usize) -> impl Iterator<Item = Variable> {
        self.advance(at);
        self.alive.iter().map(|local| local.var)
    }

    /// Those that are alive at an offset or later.
    fn from(&mut self, at: usize) -> impl Iterator<Item = Variable> {
        self.advance(at);
        self.alive.iter().chain(&self.all[self.started..]).map(|local| local.var)
    }
}

/// References that are stored, and their slots.
pub(crate) type Stored = SmallVec<[(Variable, StackSlot); 8]>;

/// References of the function at hand.
#[derive(Debug, Default)]
pub(crate) struct Safepoints {
    locals: RefLocals,
    /// Locals of the callers of an inlined body that are alive behind the calls.
    outer: Vec<Variable>,
    /// Variables of operands, by position.
    operands: Vec<Option<Variable>>,
    slots: SecondaryMap<Variable, PackedOption<StackSlot>>,
    all_slots: Vec<StackSlot>,
    /// Variables whose slot holds their value.
    current: EntitySet<Variable>,
    /// References in stack maps so far.
    entries: usize,
}

/// Whether references of a type may be ones to objects.
pub(crate) fn is_object_ref(module: &Module, ty: RefType) -> bool {
    is_object_heap(module, module.own_type(ty.heap))
}

/// The same of a heap type as bodies write it.
fn is_object_heap(module: &Module, heap: HeapType) -> bool {
    match heap {
        HeapType::Func | HeapType::NoFunc | HeapType::Exn | HeapType::NoExn => false,
        HeapType::Concrete(index) => {
            !matches!(module.types[index.index()].composite, CompositeType::Func(_))
        }
        _ => true,
    }
}

/// Whether values of a type may be references to objects.
pub(crate) fn is_object(module: &Module, ty: ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if is_object_ref(module, ty))
}

impl<'a> Translator<'a, '_> {
    /// Whether values of a type of a body may be references to objects.
    pub(crate) fn is_parser_object(&self, ty: wasmparser::ValType) -> bool {
        let wasmparser::ValType::Ref(ty) = ty else { return false };
        is_object_heap(self.src.input.module, ty.heap_type().into())
    }

    /// Notes which locals hold references to objects, and reads ahead where they are alive.
    pub(crate) fn find_references(&mut self, body: &FunctionBody<'a>) -> wasmparser::Result<()> {
        if !self.ref_locals.contains(&true) {
            return Ok(());
        }
        let lives = Lives::of(body, &self.ref_locals)?;
        let mut locals = Vec::new();
        for (i, &(var, _)) in self.locals.iter().enumerate() {
            if self.ref_locals[i]
                && let Some(alive) = lives.of_local(i, self.src.ty.params.len())
            {
                locals.push(RefLocal { var, alive });
            }
        }
        self.safepoints.locals = RefLocals::new(locals);
        Ok(())
    }

    /// Pushes a reference to an object.
    pub(crate) fn push_ref(&mut self, value: Value) {
        let position = self.stack.len();
        let operands = &mut self.safepoints.operands;
        if position >= operands.len() {
            operands.resize(position + 1, None);
        }
        let var = match operands[position] {
            Some(var) => var,
            None => *operands[position].insert(self.builder.declare_var(types::I64)),
        };
        self.builder.def_var(var, value);
        self.safepoints.current.remove(var);
        self.stack.push(Operand::Ref(var));
    }

    /// Pushes a value that is a reference to an object when `is_ref`.
    pub(crate) fn push_kind(&mut self, value: Value, is_ref: bool) {
        if is_ref {
            self.push_ref(value);
        } else {
            self.push(value);
        }
    }

    /// Pops a reference, and whether it is one to an object.
    pub(crate) fn pop_kind(&mut self) -> (Value, bool) {
        let is_ref = matches!(self.stack.last(), Some(Operand::Ref(_)));
        (self.pop(), is_ref)
    }

    /// Pushes a value of a type.
    pub(crate) fn push_typed(&mut self, value: Value, ty: ValType) {
        self.note_declared(value, Fact::of_value(self.src.input.module, ty));
        self.push_kind(value, is_object(self.src.input.module, ty));
    }

    /// The variable has another value now.
    pub(crate) fn note_change(&mut self, var: Variable) {
        self.safepoints.current.remove(var);
    }

    /// Control flow joins here: what slots hold is not known.
    pub(crate) fn forget_slots(&mut self) {
        self.safepoints.current.clear();
    }

    /// References that are alive at the operator at hand: locals, and what is on the stack.
    fn live_references(&mut self) -> SmallVec<[Variable; 8]> {
        let Safepoints { locals, outer, .. } = &mut self.safepoints;
        let locals = locals.at(self.src.pc);
        outer.iter().copied().chain(locals).chain(references(&self.stack)).collect()
    }

    /// The function at hand calls one whose body is next: its references are outer ones there. Gives
    /// back what [`Self::leave_references`] needs.
    pub(crate) fn enter_references(&mut self) -> (RefLocals, usize) {
        let Safepoints { locals, outer, .. } = &mut self.safepoints;
        let before = outer.len();
        outer.extend(locals.at(self.src.pc));
        (std::mem::take(locals), before)
    }

    /// Goes on behind the call.
    pub(crate) fn leave_references(&mut self, locals: RefLocals, outer: usize) {
        self.safepoints.locals = locals;
        self.safepoints.outer.truncate(outer);
    }

    /// Makes the slots of all locals null, where a body is inlined that has landing pads: it may
    /// have run before, and left something else.
    pub(crate) fn clear_references(&mut self) {
        for i in 0..self.safepoints.locals.all.len() {
            let slot = self.slot_of(self.safepoints.locals.all[i].var);
            let null = self.builder.ins().iconst(types::I64, 0);
            self.builder.ins().stack_store(types::I64, null, slot, 0);
        }
    }

    /// Stores the references that are alive; those that are stored.
    pub(crate) fn store_references(&mut self) -> Stored {
        let mut stored = Stored::new();
        if !self.count_references(0) {
            return stored;
        }
        let live = self.live_references();
        if !self.count_references(live.len()) {
            return stored;
        }
        for var in live {
            let slot = self.slot_of(var);
            if self.safepoints.current.insert(var) {
                let value = self.builder.use_var(var);
                self.builder.ins().stack_store(types::I64, value, slot, 0);
            }
            stored.push((var, slot));
        }
        stored
    }

    /// Counts `more` references that a call stores or a landing pad loads; refuses the function when
    /// they are too many.
    fn count_references(&mut self, more: usize) -> bool {
        self.safepoints.entries += more;
        let few = self.safepoints.entries <= MAX_STORED;
        if !few {
            let at = self.src.pc as u64;
            self.refused.get_or_insert((at, "calls with so many live references"));
        }
        few
    }

    fn slot_of(&mut self, var: Variable) -> StackSlot {
        if let Some(slot) = self.safepoints.slots[var].expand() {
            return slot;
        }
        let kind = ir::StackSlotKind::ExplicitSlot;
        let data = ir::StackSlotData::new(kind, SLOT_BYTES, SLOT_ALIGN);
        let slot = self.builder.create_sized_stack_slot(data);
        self.safepoints.slots[var] = slot.into();
        self.safepoints.all_slots.push(slot);
        slot
    }

    /// Gives a call its stack map.
    pub(crate) fn map_references(&mut self, call: Inst, stored: &Stored) {
        for &(_, slot) in stored {
            let entry = ir::UserStackMapEntry { ty: types::I64, slot, offset: 0 };
            self.builder.func.dfg.append_user_stack_map_entry(call, entry);
        }
    }

    /// Loads references behind a call.
    pub(crate) fn load_references(&mut self, stored: &Stored) {
        self.begin_carry();
        for &(var, slot) in stored {
            let before = self.builder.use_var(var);
            let value = self.builder.ins().stack_load(types::I64, types::I64, slot, 0);
            self.builder.def_var(var, value);
            self.carry_fact(var, before, value);
        }
    }

    /// Loads references at a landing pad, which calls of the scope at hand lead to: each has stored
    /// what was alive there. What was not is not read again.
    pub(crate) fn load_references_at_pad(&mut self) {
        if !self.count_references(0) {
            return;
        }
        let mut vars: Vec<Variable> = self.safepoints.locals.from(self.src.pc).collect();
        vars.extend(&self.safepoints.outer);
        vars.extend(references(&self.stack));
        if !self.count_references(vars.len()) {
            vars.clear();
        }
        for var in vars {
            let slot = self.slot_of(var);
            let value = self.builder.ins().stack_load(types::I64, types::I64, slot, 0);
            self.builder.def_var(var, value);
        }
        self.forget_slots();
    }

    /// Runs `emit` on a path that joins the present one again: what it stores is not stored on the
    /// other path.
    pub(crate) fn aside<R>(&mut self, emit: impl FnOnce(&mut Self) -> R) -> R {
        let current = self.safepoints.current.clone();
        let result = emit(self);
        self.safepoints.current = current;
        result
    }

    /// In a function with landing pads, slots start as null: a pad may load one that no call has
    /// stored to, of a local that was not written yet.
    pub(crate) fn clear_slots(&mut self) {
        if self.handlers.clauses.is_empty() || self.safepoints.all_slots.is_empty() {
            return;
        }
        let entry = self.builder.func.layout.entry_block().expect("the function has a body");
        let mut cursor = FuncCursor::new(self.builder.func).at_first_insertion_point(entry);
        let null = cursor.ins().iconst(types::I64, 0);
        for &slot in &self.safepoints.all_slots {
            cursor.ins().stack_store(types::I64, null, slot, 0);
        }
    }
}

/// The variables of the operands that are references to objects.
fn references(stack: &[Operand]) -> impl Iterator<Item = Variable> {
    stack.iter().filter_map(|operand| match *operand {
        Operand::Ref(var) => Some(var),
        Operand::Value(_) | Operand::Var(_) => None,
    })
}

/// Where locals may be read again: from the first write to the last read, and around loops.
struct Lives {
    /// First write and last read.
    spans: HashMap<u32, (usize, usize)>,
}

impl Lives {
    fn of(body: &FunctionBody<'_>, refs: &[bool]) -> wasmparser::Result<Self> {
        let mut lives = Self { spans: HashMap::new() };
        let mut reader: OperatorsReader<'_> = body.get_operators_reader()?;
        // Whether each open block is an outermost loop, and the start of that loop.
        let mut open = vec![false];
        let mut outermost: Option<usize> = None;
        let mut touched: BTreeSet<u32> = BTreeSet::new();
        while !reader.eof() {
            let at = usize::try_from(reader.original_position()).unwrap_or(usize::MAX);
            match reader.read()? {
                Operator::Loop { .. } => {
                    open.push(outermost.is_none());
                    outermost.get_or_insert(at);
                }
                Operator::Block { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. }
                | Operator::Try { .. } => open.push(false),
                Operator::End => {
                    if open.pop() == Some(true)
                        && let Some(start) = outermost.take()
                    {
                        // A turn may read what an earlier one wrote.
                        for local in std::mem::take(&mut touched) {
                            let span = lives.spans.entry(local).or_insert((start, at));
                            *span = (span.0.min(start), span.1.max(at));
                        }
                    }
                }
                Operator::Delegate { .. } => {
                    open.pop();
                }
                Operator::LocalGet { local_index }
                | Operator::LocalSet { local_index }
                | Operator::LocalTee { local_index }
                    if refs[local_index as usize] =>
                {
                    let span = lives.spans.entry(local_index).or_insert((at, at));
                    span.1 = at;
                    if outermost.is_some() {
                        touched.insert(local_index);
                    }
                }
                _ => {}
            }
        }
        Ok(lives)
    }

    /// The offsets between which a local is alive; `None` for one that is never touched.
    fn of_local(&self, local: usize, params: usize) -> Option<(usize, usize)> {
        let (first, last) = *self.spans.get(&u32::try_from(local).ok()?)?;
        Some((if local < params { 0 } else { first }, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift_abi::decode::{DecodeOptions, decode};
    use upshift_abi::index::TypeIndex;

    #[test]
    fn declared_functions_are_no_objects() {
        let text = "(module (type (func)) (type (struct)))";
        let options = DecodeOptions {
            features: wasmparser::WasmFeatures::all(),
            objects: true,
            parallel: false,
        };
        let mut module = decode(&wat::parse_str(text).unwrap(), &options).unwrap();
        // Numbers of an engine, the other way round.
        module.numbered = [(TypeIndex(1), TypeIndex(0)), (TypeIndex(0), TypeIndex(1))].into();
        let is_object = |number| {
            let heap = HeapType::Concrete(TypeIndex(number));
            is_object_ref(&module, RefType { nullable: true, heap })
        };
        assert!(is_object(0) && !is_object(1));
    }
}
