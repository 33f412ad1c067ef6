//! What is known of references and addresses: the checks that need not be made again.
//!
//! A [`Fact`] says that a value is not null, or what it refers to when it is not. Facts come from
//! declared types, from checks, and from accesses that would have trapped. They belong to values,
//! not to locals: a value never changes, so a fact holds wherever the place that proved it
//! dominates, also around loops, and whoever assigns a local gives it another value.
//!
//! ```text
//! local.get $x         v7
//! ref.cast (ref $b)    v7 is a $b
//! local.set $y         the value of $x and $y is v7
//! if                   facts of the branch are undone at its end
//!   local.get $x
//!   ref.cast (ref $a)  $a is above $b: nothing is left to check
//! end
//! ```
//!
//! Dominance follows the structure of the code: what was known where a block was opened holds at
//! its label, what was learned since does not, unless nothing branches there. So facts are undone
//! by a log, and each costs constant time and memory. After a call that may collect, references
//! are other values; they inherit what was known of the old ones. What was found of an address of
//! a linear memory ([`Bound`]) obeys the same rule: memories do not shrink.

use crate::bounds::Bound;
use crate::lower::{constant_bits, definition};
use crate::translate::Translator;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstructionData, Opcode, Value, types};
use cranelift_frontend::Variable;
use std::collections::HashMap;
use upshift_abi::index::{FuncIndex, MemoryIndex, TypeIndex};
use upshift_abi::module::Module;
use upshift_abi::types::{CompositeType, HeapType, RefType, ValType};

/// Instructions between a truth value and what it says of a reference that are looked through.
const MOST_STEPS: usize = 4;

/// What is known of a reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fact {
    /// It is not null.
    pub(crate) non_null: bool,
    /// What it refers to when it is not null; the top of a hierarchy says nothing.
    pub(crate) heap: Option<HeapType>,
    /// It is no `i31` and no host value.
    pub(crate) boxed: bool,
    /// Whether a check or an access told more than declared types do.
    proved: bool,
}

impl Fact {
    /// What a reference type says that a body has written.
    pub(crate) fn of(ty: RefType) -> Self {
        let boxed = matches!(ty.heap, HeapType::Struct | HeapType::Array | HeapType::Concrete(_));
        Self { non_null: !ty.nullable, heap: Some(ty.heap), boxed, proved: false }
    }

    /// What a reference type of a declaration says.
    pub(crate) fn declared(module: &Module, ty: RefType) -> Self {
        Self::of(RefType { heap: module.own_type(ty.heap), ..ty })
    }

    /// What a value type of a declaration says.
    pub(crate) fn of_value(module: &Module, ty: ValType) -> Self {
        match ty {
            ValType::Ref(ty) => Self::declared(module, ty),
            _ => Self::default(),
        }
    }

    /// What a value type of a body says.
    pub(crate) fn of_parser(ty: wasmparser::ValType) -> Self {
        match ty {
            wasmparser::ValType::Ref(ty) => {
                Self::of(RefType { nullable: ty.is_nullable(), heap: ty.heap_type().into() })
            }
            _ => Self::default(),
        }
    }

    /// It is not null.
    pub(crate) fn some() -> Self {
        Self { non_null: true, ..Self::default() }
    }
}

/// What was known before.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// Of a reference.
    Reference(Value, Fact),
    /// Of an address of a memory.
    Address(MemoryIndex, Value, Option<Bound>),
}

/// What is known of the references and addresses of a function.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    known: SecondaryMap<Value, Fact>,
    bounds: HashMap<(MemoryIndex, Value), Bound>,
    /// What was known before of values, the newest last.
    log: Vec<Before>,
    /// What locals are declared as.
    locals: Vec<Fact>,
    /// Truth values that say whether a reference is of a type.
    tests: HashMap<Value, (Value, RefType)>,
    /// A test whose branch comes next and makes it.
    latent: Option<(Value, RefType)>,
    /// Immutable fields that references to functions were loaded from.
    methods: HashMap<Value, (TypeIndex, u32)>,
    /// The position in the store's table of the function that the next operator calls.
    position: Option<Value>,
    /// What was known of variables that the last safepoint gave other values.
    carried: Vec<(Variable, Fact)>,
}

impl Facts {
    /// Notes what the next local is declared as.
    pub(crate) fn declare_local(&mut self, fact: Fact) {
        self.locals.push(fact);
    }

    /// What a local is declared as.
    pub(crate) fn local(&self, index: u32) -> Fact {
        self.locals[index as usize]
    }

    /// Puts what the locals of another body are declared as in the place of the present ones, which
    /// are given back.
    pub(crate) fn replace_locals(&mut self, locals: Vec<Fact>) -> Vec<Fact> {
        std::mem::replace(&mut self.locals, locals)
    }

    /// How much was learned so far.
    pub(crate) fn height(&self) -> usize {
        self.log.len()
    }

    /// Undoes what was learned since there was that much.
    pub(crate) fn undo_to(&mut self, height: usize) {
        while self.log.len() > height {
            match self.log.pop().expect("the log is longer") {
                Before::Reference(value, before) => self.known[value] = before,
                Before::Address(memory, value, before) => {
                    match before {
                        Some(bound) => self.bounds.insert((memory, value), bound),
                        None => self.bounds.remove(&(memory, value)),
                    };
                }
            }
        }
    }

    /// What is known of an address of a memory.
    pub(crate) fn bound(&self, memory: MemoryIndex, address: Value) -> Option<Bound> {
        self.bounds.get(&(memory, address)).copied()
    }

    /// Notes what was found of one.
    pub(crate) fn note_bound(&mut self, memory: MemoryIndex, address: Value, bound: Bound) {
        let before = self.bounds.insert((memory, address), bound);
        self.log.push(Before::Address(memory, address, before));
    }

    /// Forgets all: another way leads here.
    pub(crate) fn forget_all(&mut self) {
        self.undo_to(0);
    }
}

/// What a condition says of a reference when it holds, and when it does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    reference: Value,
    holds: Fact,
    fails: Fact,
}

impl Condition {
    /// Of the test whether a reference is of a type.
    fn of_test(reference: Value, ty: RefType) -> Self {
        // What is not of a nullable type is not null.
        let fails = if ty.nullable { Fact::some() } else { Fact::default() };
        Self { reference, holds: Fact::of(ty), fails }
    }

    fn negated(self) -> Self {
        Self { holds: self.fails, fails: self.holds, ..self }
    }
}

impl Translator<'_, '_> {
    /// What is known of a reference.
    pub(crate) fn fact(&self, reference: Value) -> Fact {
        self.facts.known[self.builder.func.dfg.resolve_aliases(reference)]
    }

    /// A check that was passed, or an access that would have trapped, says this of a reference.
    pub(crate) fn learn(&mut self, reference: Value, fact: Fact) {
        self.note_fact(reference, Fact { proved: true, ..fact });
    }

    /// The declared type of a reference says this.
    pub(crate) fn note_declared(&mut self, reference: Value, fact: Fact) {
        if fact != Fact::default() {
            self.note_fact(reference, fact);
        }
    }

    fn note_fact(&mut self, reference: Value, fact: Fact) {
        let value = self.builder.func.dfg.resolve_aliases(reference);
        let before = self.facts.known[value];
        let heap = match (before.heap, fact.heap) {
            (Some(old), Some(new)) if !is_below(self.src.input.module, new, old) => Some(old),
            (old, new) => new.or(old),
        };
        let non_null = before.non_null || fact.non_null;
        let boxed = before.boxed || fact.boxed;
        let after = Fact { non_null, heap, boxed, proved: before.proved };
        if after != before {
            let proved = before.proved || fact.proved;
            self.facts.log.push(Before::Reference(value, before));
            self.facts.known[value] = Fact { proved, ..after };
        }
    }

    /// Whether a reference of which `fact` is known is of a type of its hierarchy.
    pub(crate) fn is_proved(&self, fact: Fact, ty: RefType) -> bool {
        (ty.nullable || fact.non_null) && self.has_heap_type(fact, ty.heap)
    }

    /// The same when it is not null.
    pub(crate) fn has_heap_type(&self, fact: Fact, heap: HeapType) -> bool {
        is_top(heap) || fact.heap.is_some_and(|known| is_below(self.src.input.module, known, heap))
    }

    /// A truth value says whether a reference is of a type.
    pub(crate) fn note_test(&mut self, truth: Value, reference: Value, ty: RefType) {
        self.facts.tests.insert(truth, (reference, ty));
    }

    /// A reference to a function was loaded from an immutable field.
    pub(crate) fn note_method(&mut self, func: Value, ty: TypeIndex, field: u32) {
        self.facts.methods.insert(func, (ty, field));
    }

    /// Leaves it to the call that is the next operator to load a function that an object holds: the
    /// position is on the stack in the place of the reference.
    pub(crate) fn leave_position(&mut self, position: Value) {
        self.facts.position = Some(position);
    }

    /// The position that the operator before left to the call at hand.
    pub(crate) fn take_position(&mut self) -> Option<Value> {
        self.facts.position.take()
    }

    /// The functions that a reference most likely is one of.
    pub(crate) fn method_targets(&self, func: Value) -> &[FuncIndex] {
        let func = self.builder.func.dfg.resolve_aliases(func);
        let Some(&(ty, field)) = self.facts.methods.get(&func) else { return &[] };
        self.src.input.module.methods.targets(ty, field)
    }

    /// Leaves a test to the branch that is the next operator.
    pub(crate) fn leave_test(&mut self, reference: Value, ty: RefType) {
        self.facts.latent = Some((reference, ty));
    }

    /// The test that the operator before left to the branch at hand.
    pub(crate) fn take_test(&mut self) -> Option<(Value, RefType)> {
        self.facts.latent.take()
    }

    /// What the condition of a branch says, or the test in its place.
    pub(crate) fn condition(
        &self,
        truth: Value,
        test: Option<(Value, RefType)>,
    ) -> Option<Condition> {
        if let Some((reference, ty)) = test {
            return Some(Condition::of_test(reference, ty));
        }
        let dfg = &self.builder.func.dfg;
        let mut value = dfg.resolve_aliases(truth);
        let mut negate = false;
        let mut found = None;
        for _ in 0..MOST_STEPS {
            if let Some(&(reference, ty)) = self.facts.tests.get(&value) {
                found = Some(Condition::of_test(reference, ty));
                break;
            }
            let Some(inst) = definition(dfg, value) else { break };
            match dfg.insts[inst] {
                InstructionData::Unary { opcode: Opcode::Uextend, arg } => value = arg,
                InstructionData::IntCompare { cond: IntCC::Equal, args: [arg, zero], .. }
                    if self.constant(zero) == Some(0) =>
                {
                    if dfg.value_type(arg) == types::I64 {
                        let (reference, holds) = (arg, Fact::default());
                        found = Some(Condition { reference, holds, fails: Fact::some() });
                        break;
                    }
                    negate = !negate;
                    value = arg;
                }
                _ => break,
            }
            value = dfg.resolve_aliases(value);
        }
        found.map(|found| if negate { found.negated() } else { found })
    }

    /// The bits of a value that is an integer constant.
    pub(crate) fn constant(&self, value: Value) -> Option<u64> {
        constant_bits(&self.builder.func.dfg, value)
    }

    /// A condition holds on the path at hand, or does not.
    pub(crate) fn learn_condition(&mut self, condition: Option<Condition>, holds: bool) {
        let Some(condition) = condition else { return };
        let fact = if holds { condition.holds } else { condition.fails };
        if fact != Fact::default() {
            self.learn(condition.reference, fact);
        }
    }

    /// A value stands for the same reference as an older one; what it inherits, if checks told more
    /// than the types.
    pub(crate) fn inherit_fact(&mut self, before: Value, after: Value) -> Option<Fact> {
        let fact = Some(self.fact(before)).filter(|fact| fact.proved)?;
        self.learn(after, fact);
        Some(fact)
    }

    /// A safepoint begins to give variables other values.
    pub(crate) fn begin_carry(&mut self) {
        self.facts.carried.clear();
    }

    /// A variable has another value for the same reference.
    pub(crate) fn carry_fact(&mut self, var: Variable, before: Value, after: Value) {
        if let Some(fact) = self.inherit_fact(before, after) {
            self.facts.carried.push((var, fact));
        }
    }

    /// The path with a safepoint, which is the last one, joins one without: whatever variables have
    /// there, it is the same reference.
    pub(crate) fn join_carried(&mut self) {
        for (var, fact) in std::mem::take(&mut self.facts.carried) {
            let value = self.builder.use_var(var);
            self.learn(value, fact);
        }
    }
}

/// Whether a heap type is the top of its hierarchy.
fn is_top(heap: HeapType) -> bool {
    matches!(
        heap,
        HeapType::Any | HeapType::Func | HeapType::Extern | HeapType::Exn | HeapType::Cont
    )
}

/// Whether one heap type is certainly below another one of its hierarchy, or the same.
fn is_below(module: &Module, heap: HeapType, above: HeapType) -> bool {
    if heap == above || is_top(above) {
        return true;
    }
    match (heap, above) {
        (HeapType::Concrete(index), HeapType::Concrete(above)) => {
            let mut next = module.types[index.index()].supertype;
            while let Some(ty) = next {
                if ty == above {
                    return true;
                }
                next = module.types[ty.index()].supertype;
            }
            false
        }
        (HeapType::Concrete(index), above) => {
            matches!(
                (&module.types[index.index()].composite, above),
                (CompositeType::Struct(_), HeapType::Struct | HeapType::Eq)
                    | (CompositeType::Array(_), HeapType::Array | HeapType::Eq)
            )
        }
        (HeapType::Struct | HeapType::Array | HeapType::I31, HeapType::Eq) => true,
        _ => false,
    }
}
