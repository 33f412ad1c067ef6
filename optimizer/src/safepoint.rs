//! Safepoints: where a collection may move objects, and how references get over them.
//!
//! References to objects are always variables of the frontend: locals, and operands by their
//! position on the stack. Each has a stack slot. Before a call that may collect, those that are
//! alive ([`crate::liveness`]) are stored there, and the call's stack map lists the slots. Behind it,
//! the slots alone hold them: a reference is loaded again where it is read, or where control joins
//! code that expects it in its variable ([`meet`]).
//!
//! ```text
//! v7 = …                       local $p is v7
//! stack_store v7, slot 1
//! call fn, map: slot 1         the slot alone holds $p
//! call fn, map: slot 1
//! v9 = stack_load slot 1       local.get $p
//! ```
//!
//! What is stored once need not be stored again as long as the variable stays: the collector
//! updates the slot. So a value that lives across many calls is stored once, and where the call is
//! in a cold block, like that for more room for objects, all of this is in the cold block.
//!
//! Functions and exceptions do not move; references to them are values like others.

mod meet;

use crate::facts::Fact;
use crate::liveness::Liveness;
use crate::translate::{Operand, Translator};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::entity::packed_option::PackedOption;
use cranelift_codegen::ir::{self, Inst, InstBuilder, StackSlot, Value, types};
use cranelift_frontend::Variable;
use smallvec::SmallVec;
use upshift_abi::module::Module;
use upshift_abi::types::{CompositeType, HeapType, RefType, ValType};
use wasmparser::FunctionBody;

/// Bytes of a slot.
const SLOT_BYTES: u32 = 8;
/// log2 of their alignment.
const SLOT_ALIGN: u8 = 3;
/// References that all stack maps of a function may have together: their number is otherwise the
/// product of its references and its calls.
const MAX_STORED: usize = 1 << 22;
/// What a reference counts for that is stored and loaded on a path aside: it has two values where
/// that path joins.
const ASIDE_WEIGHT: usize = 16;
/// References in variables that paths aside store and load: more would be more code, for each of them and
/// each path, than one store and one load of each.
const MOST_ASIDE: usize = 8;

/// Locals that hold references, and where they are alive.
#[derive(Debug, Default)]
pub(crate) struct RefLocals {
    liveness: Liveness,
    /// By number.
    vars: Vec<Variable>,
}

impl RefLocals {
    /// Those that are alive at an offset in the module, which is not before that of the last look.
    fn at(&mut self, at: usize) -> impl Iterator<Item = Variable> {
        self.liveness.at(at).iter().map(|&local| self.vars[local as usize])
    }

    /// Those of them that are alive at the label of a block, too.
    fn at_label(&mut self, at: usize, block: usize) -> impl Iterator<Item = Variable> {
        self.liveness.at_label(at, block).map(|local| self.vars[local as usize])
    }
}

/// References that are stored, and their slots.
pub(crate) type Stored = SmallVec<[(Variable, StackSlot); 8]>;

/// Where a reference is besides its variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Since when its slot holds it; 0 when it does not.
    since: u32,
    /// Whether the slot alone does.
    only: bool,
    /// The value that the variable had before that: what is known of it holds.
    before: PackedOption<Value>,
}

/// Where the references are that slots hold.
pub(crate) type Places = Vec<(Variable, Held)>;

/// References of the function at hand.
#[derive(Debug)]
pub(crate) struct Safepoints {
    locals: RefLocals,
    /// Locals of the callers of an inlined body that are alive behind the calls.
    outer: Vec<Variable>,
    /// Variables of operands, by position.
    operands: Vec<Option<Variable>>,
    /// Positions of operands that are references, and maybe such that are not on the stack any more.
    positions: Vec<usize>,
    slots: SecondaryMap<Variable, PackedOption<StackSlot>>,
    held: SecondaryMap<Variable, Held>,
    /// Variables whose slots may hold them.
    listed: Vec<Variable>,
    /// Counts the blocks that were opened.
    clock: u32,
    /// What was changed on a path that joins the present one again.
    undo: Option<Places>,
    /// References in stack maps so far, those that were looked at, and those that wait.
    stored: usize,
    met: usize,
    waiting: usize,
}

impl Default for Safepoints {
    fn default() -> Self {
        Self {
            locals: RefLocals::default(),
            outer: Vec::new(),
            operands: Vec::new(),
            positions: Vec::new(),
            slots: SecondaryMap::new(),
            held: SecondaryMap::new(),
            listed: Vec::new(),
            clock: 1,
            undo: None,
            stored: 0,
            met: 0,
            waiting: 0,
        }
    }
}

impl Safepoints {
    fn set(&mut self, var: Variable, held: Held) {
        let before = std::mem::replace(&mut self.held[var], held);
        if before.since == 0 && held.since != 0 {
            self.listed.push(var);
        }
        if let Some(undo) = &mut self.undo {
            undo.push((var, before));
        }
    }

    /// Runs a path that joins the present one again, or none of it.
    fn begin_aside(&mut self) {
        debug_assert!(self.undo.is_none(), "a path aside has none of its own");
        self.undo = Some(Places::new());
    }

    fn end_aside(&mut self) {
        for (var, held) in self.undo.take().into_iter().flatten().rev() {
            self.set(var, held);
        }
    }

    /// The operand at a position, which is the last one, is a reference, or none.
    pub(crate) fn note_operand(&mut self, position: usize, is_ref: bool) {
        while self.positions.last().is_some_and(|&last| last >= position) {
            self.positions.pop();
        }
        if is_ref {
            self.positions.push(position);
        }
    }

    /// The variables of the references among the operands below a height.
    fn operands_below(&self, height: usize) -> impl Iterator<Item = Variable> {
        let below = self.positions.partition_point(|&position| position < height);
        self.positions[..below].iter().filter_map(|&position| self.operands[position])
    }

    /// A block is opened now: what slots held before is older.
    pub(crate) fn tick(&mut self) -> u32 {
        self.clock += 1;
        self.clock - 1
    }

    /// Slots hold these references, and no others.
    fn place(&mut self, places: &[(Variable, Held)]) {
        for var in std::mem::take(&mut self.listed) {
            self.held[var] = Held::default();
        }
        for &(var, held) in places {
            self.set(var, held);
        }
    }
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
        let mut vars = Vec::new();
        let mut numbers = Vec::with_capacity(self.locals.len());
        for (&(var, _), &is_ref) in self.locals.iter().zip(&self.ref_locals) {
            numbers.push(is_ref.then_some(vars.len()).and_then(|number| number.try_into().ok()));
            vars.extend(is_ref.then_some(var));
        }
        match Liveness::of(body, &numbers)? {
            Some(liveness) => self.safepoints.locals = RefLocals { liveness, vars },
            None => self.refuse_references(),
        }
        Ok(())
    }

    fn refuse_references(&mut self) {
        let at = self.src.pc as u64;
        self.refused.get_or_insert((at, "calls with so many live references"));
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
        self.note_change(var);
        self.safepoints.note_operand(position, true);
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
        if self.safepoints.held[var].since != 0 {
            self.safepoints.set(var, Held::default());
        }
    }

    /// The value of a variable, which is loaded when its slot alone holds it.
    pub(crate) fn value_of(&mut self, var: Variable) -> Value {
        let held = self.safepoints.held[var];
        if !held.only {
            return self.builder.use_var(var);
        }
        let value = self.load_slot(var);
        self.safepoints.set(var, Held { since: held.since, ..Held::default() });
        if let Some(before) = held.before.expand() {
            self.inherit_fact(before, value);
        }
        value
    }

    fn load_slot(&mut self, var: Variable) -> Value {
        let slot = self.slot_of(var);
        let value = self.builder.ins().stack_load(types::I64, types::I64, slot, 0);
        self.builder.def_var(var, value);
        value
    }

    fn store_slot(&mut self, var: Variable) {
        let slot = self.slot_of(var);
        let value = self.builder.use_var(var);
        self.builder.ins().stack_store(types::I64, value, slot, 0);
        let since = self.safepoints.clock;
        self.safepoints.set(var, Held { since, ..Held::default() });
    }

    fn slot_of(&mut self, var: Variable) -> StackSlot {
        if let Some(slot) = self.safepoints.slots[var].expand() {
            return slot;
        }
        let kind = ir::StackSlotKind::ExplicitSlot;
        let data = ir::StackSlotData::new(kind, SLOT_BYTES, SLOT_ALIGN);
        let slot = self.builder.create_sized_stack_slot(data);
        self.safepoints.slots[var] = slot.into();
        slot
    }

    /// References that are alive at the operator at hand: locals, and operands below a height.
    fn live_below(&mut self, height: usize) -> SmallVec<[Variable; 8]> {
        let mut live: SmallVec<[Variable; 8]> = self.safepoints.operands_below(height).collect();
        let Safepoints { locals, outer, .. } = &mut self.safepoints;
        live.extend(outer.iter().copied());
        live.extend(locals.at(self.src.pc));
        live
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

    /// Stores the references that are alive; those that are stored.
    pub(crate) fn store_references(&mut self) -> Stored {
        let mut stored = Stored::new();
        if self.safepoints.stored > MAX_STORED {
            self.refuse_references();
            return stored;
        }
        for var in self.live_below(self.stack.len()) {
            if self.safepoints.held[var].since == 0 {
                self.store_slot(var);
            }
            stored.push((var, self.slot_of(var)));
        }
        self.safepoints.stored += stored.len();
        stored
    }

    /// Gives a call its stack map.
    pub(crate) fn map_references(&mut self, call: Inst, stored: &Stored) {
        for &(_, slot) in stored {
            let entry = ir::UserStackMapEntry { ty: types::I64, slot, offset: 0 };
            self.builder.func.dfg.append_user_stack_map_entry(call, entry);
        }
    }

    /// Behind a call, the slots alone hold the references. On a path aside, those that the path it
    /// joins has in variables are loaded at once.
    pub(crate) fn outdate_references(&mut self, stored: &Stored) {
        self.begin_carry();
        for &(var, _) in stored {
            let held = self.safepoints.held[var];
            if held.only {
                continue;
            }
            let before = self.builder.use_var(var);
            if self.safepoints.undo.is_some() {
                self.safepoints.stored += ASIDE_WEIGHT;
                let value = self.load_slot(var);
                self.carry_fact(var, before, value);
            } else {
                let held = Held { only: true, before: before.into(), ..held };
                self.safepoints.set(var, held);
            }
        }
    }

    /// Ahead of a path aside: with more references in variables than such a path shall store and load
    /// again, all are left to their slots. So what many allocations in a row keep is stored once.
    pub(crate) fn settle_references(&mut self) {
        let live = self.live_below(self.stack.len());
        let held = &self.safepoints.held;
        if live.iter().filter(|&&var| !held[var].only).count() <= MOST_ASIDE {
            return;
        }
        for var in live {
            if self.safepoints.held[var].since == 0 {
                self.store_slot(var);
            }
            let held = self.safepoints.held[var];
            if !held.only {
                let before = self.builder.use_var(var).into();
                self.safepoints.set(var, Held { only: true, before, ..held });
            }
        }
    }

    /// Runs `emit` on a path that joins the present one again: what it stores is not stored on the
    /// other path.
    pub(crate) fn aside<R>(&mut self, emit: impl FnOnce(&mut Self) -> R) -> R {
        self.safepoints.begin_aside();
        let result = emit(self);
        self.safepoints.end_aside();
        result
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

    /// How often references are stored and loaded in the code of a function.
    fn stores_and_loads(function: &str) -> (usize, usize) {
        let text = format!(
            r#"(module (import "" "f" (func $f)) (tag $e) (global $g (mut anyref) (ref.null any))
            (func {function}))"#
        );
        let config = upshift_abi::config::CodegenConfig::default();
        crate::testing::with_first_function(&text, &config, |input| {
            let (entry, effort) = (crate::Entry::Function, crate::Effort::Full);
            let request = crate::Request { entry, effort };
            let code = crate::Compiler::new().intermediate_code(input, request).unwrap();
            // Accesses of slots alone are not known to be aligned.
            (code.matches(" store notrap v").count(), code.matches("= load.i64 notrap v").count())
        })
    }

    #[test]
    fn one_load_for_many_calls() {
        let text = "(param $a anyref) call $f call $f call $f (global.set $g (local.get $a))";
        assert_eq!(stores_and_loads(text), (1, 1));
        let text = "(param $a anyref) call $f call $f call $f";
        assert_eq!(stores_and_loads(text), (0, 0));
    }

    #[test]
    fn slots_hold_what_branches_leave_alone() {
        let text = "(param $a anyref) (param $c i32)
            call $f
            (if (local.get $c) (then call $f) (else (if (local.get $c) (then call $f))))
            (global.set $g (local.get $a))";
        assert_eq!(stores_and_loads(text), (1, 1));
        // The other side writes it: it is in its variable where both join.
        let text = "(param $a anyref) (param $c i32)
            call $f
            (if (local.get $c)
                (then (local.set $a (ref.i31 (local.get $c))))
                (else call $f))
            (global.set $g (local.get $a))";
        assert_eq!(stores_and_loads(text), (1, 1));
    }

    #[test]
    fn loops_load_what_they_read_once_in_a_turn() {
        let text = "(param $a anyref) (param $b anyref) (param $c i32)
            call $f
            (loop $l
                (global.set $g (local.get $a)) (global.set $g (local.get $a))
                call $f
                (br_if $l (local.get $c)))
            (global.set $g (local.get $b))";
        // $a before the loop and in each turn, $b behind it.
        assert_eq!(stores_and_loads(text), (2, 3));
    }

    #[test]
    fn landing_pads_load_nothing() {
        let text = "(param $a anyref)
            (block $caught
                (try_table (catch $e $caught) call $f call $f)
                return)
            call $f
            (global.set $g (local.get $a))";
        // The other store is the vmctx's, for who looks for handlers.
        assert_eq!(stores_and_loads(text), (2, 1));
    }
}
