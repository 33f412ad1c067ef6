//! Structured control: blocks, branches and their labels.
//!
//! A label is a block whose parameters are the values that branches to it carry.

use crate::Entry;
use crate::facts::{Condition, Fact};
use crate::memory_flags::Region;
use crate::safepoint::{Places, is_object};
use crate::translate::{Operand, Translator, parser_type, value_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, Block, BlockArg, DebugTag, InstBuilder, Type, Value, types};
use smallvec::SmallVec;
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::ThreadContext;
use upshift_abi::module::Module;
pub(crate) use upshift_abi::ops::BlockKind as Kind;
use upshift_abi::types::ValType;
use wasmparser::BlockType;

/// Marks the places of polls. Nothing else is marked.
const POLL: DebugTag = DebugTag::User(0);

/// Types of values, whether each is a reference to an object, and what the type says of it.
type Types = SmallVec<[(Type, bool, Fact); 4]>;

/// A control frame.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) kind: Kind,
    /// Operands below the parameters.
    pub(crate) height: usize,
    /// Where branches go.
    label: Block,
    /// How many values they carry.
    arity: usize,
    /// Which of them are references to objects, and what their types say.
    refs: SmallVec<[(bool, Fact); 4]>,
    /// How many facts were known where it was opened.
    pub(crate) facts: usize,
    /// What the condition of an `if` says.
    condition: Option<Condition>,
    /// What goes to the label.
    used: Used,
    /// Where a false condition of an `if` goes, the parameters there, and where references are.
    otherwise: Option<(Block, Vec<Operand>, Places)>,
    /// Offset in the module of the operator that opened it.
    pub(crate) start: usize,
    /// The safepoints' clock then.
    pub(crate) opened: u32,
    /// Where references are at the label, once something goes to it.
    pub(crate) places: Option<Places>,
    /// The scope of handlers in which its code lies.
    pub(crate) scope: usize,
    /// The scope that a `try` opened, and how many of its clauses were met.
    pub(crate) try_scope: usize,
    pub(crate) next_clause: usize,
}

/// What goes to a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    Not,
    /// A clause of a `try_table` names it, but nothing that was translated goes there. Fuel is charged at it as
    /// the baseline compiler does, to which a clause is a way.
    Named,
    Yes,
}

/// The type of values of a type, whether they are references to objects, and what it says of them.
fn kind_of(module: &Module, ty: ValType) -> (Type, bool, Fact) {
    (value_type(ty), is_object(module, ty), Fact::of_value(module, ty))
}

/// The arguments of a branch.
pub(crate) fn block_args(values: &[Value]) -> SmallVec<[BlockArg; 4]> {
    values.iter().map(|&value| value.into()).collect()
}

impl Translator<'_, '_> {
    /// Opens the frame of a function's body.
    pub(crate) fn open_body(&mut self, kind: Kind) {
        let module = self.src.input.module;
        let results = self.src.ty.results.iter().map(|&ty| kind_of(module, ty)).collect();
        self.open(kind, 0, &results);
    }

    fn open(&mut self, kind: Kind, params: usize, label_types: &Types) {
        self.name_operands();
        let label = self.builder.create_block();
        for &(ty, ..) in label_types {
            self.builder.append_block_param(label, ty);
        }
        let height = self.stack.len() - params;
        let arity = label_types.len();
        let (otherwise, scope) = (None, self.scope());
        self.control.push(Control {
            kind,
            height,
            label,
            arity,
            refs: label_types.iter().map(|ty| (ty.1, ty.2)).collect(),
            facts: self.facts.height(),
            condition: None,
            used: Used::Not,
            otherwise,
            start: self.src.pc,
            opened: self.safepoints.tick(),
            places: None,
            scope,
            try_scope: crate::handlers::NONE,
            next_clause: 0,
        });
    }

    /// Parameters and results of a block.
    fn block_types(&self, ty: BlockType) -> (Types, Types) {
        match ty {
            BlockType::Empty => Default::default(),
            BlockType::Type(ty) => {
                let result = (parser_type(ty), self.is_parser_object(ty), Fact::of_parser(ty));
                (Types::new(), Types::from_slice(&[result]))
            }
            BlockType::FuncType(index) => {
                let module = self.src.input.module;
                let ty = module.func_type_at(TypeIndex(index));
                let types = |list: &[ValType]| list.iter().map(|&ty| kind_of(module, ty)).collect();
                (types(&ty.params), types(&ty.results))
            }
        }
    }

    /// `block`
    pub(crate) fn block(&mut self, ty: BlockType) {
        self.open_block(Kind::Block, ty);
    }

    /// Opens the frame of a block whose label is at its end.
    pub(crate) fn open_block(&mut self, kind: Kind, ty: BlockType) {
        let (params, results) = self.block_types(ty);
        self.open(kind, params.len(), &results);
    }

    /// `loop`
    pub(crate) fn loop_(&mut self, ty: BlockType) {
        let here = Entry::Loop { offset: u32::try_from(self.src.pc).unwrap_or(u32::MAX) };
        if self.src.entry == here {
            self.enter_from_buffer();
        }
        let (params, _) = self.block_types(ty);
        self.open(Kind::Loop, params.len(), &params);
        self.inlining.loops += 1;
        let header = self.control.last().expect("just opened").label;
        let args = self.pop_many(params.len());
        self.meet_header();
        self.builder.ins().jump(header, &block_args(&args));
        self.builder.switch_to_block(header);
        self.push_label_values(self.control.len() - 1);
        self.poll();
        self.count_loop_turn();
        self.charge_fuel();
    }

    /// Where an interruption is taken. Without polls of its own, the code has a place here that the
    /// engine finds by its address when it needs one; like a call, it is a barrier for what may be
    /// known of memory.
    fn poll(&mut self) {
        if self.src.input.config.loop_polls {
            return self.compare_limit();
        }
        let place = self.builder.ins().sequence_point();
        self.builder.func.debug_tags.set(place, [POLL]);
        // Calls are places, too: every function with a loop checks at its entry.
        self.makes_calls = true;
        self.has_loops = true;
    }

    /// Leaves for the runtime when an interruption was requested: the limit is all ones then. The
    /// stack does not grow in a loop, so nothing else can be the matter, and the comparison with a
    /// constant needs no register.
    fn compare_limit(&mut self) {
        let thread = self.thread();
        let flags = self.regions.changing(self.builder.func, Region::Thread);
        let limit = crate::offset(offset_of!(ThreadContext, stack_limit));
        let limit = self.builder.ins().load(types::I64, flags, thread, limit);
        let asked = self.builder.ins().icmp_imm_s(IntCC::Equal, limit, -1);
        self.slow_call_if(asked, Builtin::loop_poll);
    }

    fn push_label_values(&mut self, index: usize) {
        let frame = &self.control[index];
        let refs = frame.refs.clone();
        let values: SmallVec<[Value; 4]> = self.builder.block_params(frame.label).into();
        for (value, (is_ref, fact)) in values.into_iter().zip(refs) {
            self.note_declared(value, fact);
            self.push_kind(value, is_ref);
        }
    }

    /// `if`
    pub(crate) fn if_(&mut self, ty: BlockType) {
        let truth = self.pop();
        let test = self.take_test();
        let condition = self.condition(truth, test);
        let (params, results) = self.block_types(ty);
        self.open(Kind::If, params.len(), &results);
        let then = self.builder.create_block();
        let otherwise = self.builder.create_block();
        match self.hint() {
            Some(true) => self.builder.set_cold_block(otherwise),
            Some(false) => self.builder.set_cold_block(then),
            None => {}
        }
        match test {
            Some(test) => self.branch_on_test(test, then, otherwise),
            None => _ = self.builder.ins().brif(truth, then, &[], otherwise, &[]),
        }
        self.builder.seal_block(then);
        self.builder.seal_block(otherwise);
        let saved = self.stack[self.stack.len() - params.len()..].to_vec();
        let places = self.places_here();
        let frame = self.control.last_mut().expect("just opened");
        frame.otherwise = Some((otherwise, saved, places));
        frame.condition = condition;
        self.builder.switch_to_block(then);
        self.learn_condition(condition, true);
        self.charge_fuel();
    }

    /// The other side of the `if` that was just opened is unlikely.
    pub(crate) fn expect_then(&mut self) {
        let frame = self.control.last().expect("just opened");
        let (otherwise, ..) = frame.otherwise.as_ref().expect("an if has its other side");
        self.builder.set_cold_block(*otherwise);
    }

    /// The hint of the branch at hand: whether it is likely taken.
    fn hint(&mut self) -> Option<bool> {
        let body = &self.src.input.module.bodies[self.src.input.func.index()];
        let offset = u32::try_from(self.src.pc - body.range.start).ok()?;
        let hints = &body.branch_hints;
        while hints.get(self.src.next_hint).is_some_and(|hint| hint.0 < offset) {
            self.src.next_hint += 1;
        }
        hints.get(self.src.next_hint).filter(|hint| hint.0 == offset).map(|hint| hint.1)
    }

    /// `else`
    pub(crate) fn else_(&mut self) {
        let index = self.control.len() - 1;
        if !self.dead {
            self.jump_to(index);
        }
        self.start_else(index);
        self.charge_fuel();
    }

    fn start_else(&mut self, index: usize) {
        let frame = &mut self.control[index];
        let (block, params, places) = frame.otherwise.take().expect("an if has its other side");
        frame.kind = Kind::Else;
        self.stack.truncate(frame.height);
        for operand in params {
            let is_ref = matches!(operand, Operand::Ref(_));
            self.safepoints.note_operand(self.stack.len(), is_ref);
            self.stack.push(operand);
        }
        let (facts, condition) = (frame.facts, frame.condition);
        self.facts.undo_to(facts);
        self.builder.switch_to_block(block);
        self.learn_condition(condition, false);
        self.go_on_with(&places);
        self.dead = false;
    }

    /// `end`
    pub(crate) fn end(&mut self) {
        let index = self.control.len() - 1;
        let frame = &self.control[index];
        let kind = frame.kind;
        match kind {
            Kind::Func => return self.end_function(),
            Kind::Loop => return self.end_loop(index),
            Kind::If => {
                if !self.dead {
                    self.jump_to(index);
                }
                self.start_else(index);
            }
            Kind::TryTable => self.landing_pads(index),
            Kind::Inlined | Kind::Block | Kind::Else => {}
            Kind::Try | Kind::Catch | Kind::CatchAll => {}
        }
        let frame = &self.control[index];
        // Behind an `if` without `else` there always is a label, that of a false condition.
        if frame.used == Used::Yes || kind == Kind::If {
            if self.control[index].used == Used::Yes {
                self.facts.undo_to(self.control[index].facts);
            }
            if !self.dead {
                self.jump_to(index);
            }
            let (label, height) = (self.control[index].label, self.control[index].height);
            self.builder.switch_to_block(label);
            self.builder.seal_block(label);
            let places = self.control[index].places.take().unwrap_or_default();
            self.go_on_with(&places);
            self.stack.truncate(height);
            self.push_label_values(index);
            self.dead = false;
            // Behind a body in place of a call, the caller charges.
            if self.control[index].kind != Kind::Inlined {
                self.charge_fuel();
            }
        } else if self.dead {
            self.stack.truncate(frame.height);
        } else if frame.used == Used::Named && kind != Kind::Inlined {
            self.charge_fuel();
        }
        self.control.pop();
    }

    /// A clause of a `try_table` names the label of a frame.
    pub(crate) fn name_label(&mut self, index: usize) {
        let used = &mut self.control[index].used;
        if *used == Used::Not {
            *used = Used::Named;
        }
    }

    fn end_loop(&mut self, index: usize) {
        self.inlining.loops -= 1;
        let frame = &self.control[index];
        self.builder.seal_block(frame.label);
        if self.dead {
            self.stack.truncate(frame.height);
        }
        let frame = self.control.pop().expect("the loop is open");
        self.drop_places(&frame.places.unwrap_or_default());
        if !self.dead {
            self.charge_fuel();
        }
    }

    fn end_function(&mut self) {
        if self.control[0].used == Used::Yes {
            if !self.dead {
                self.jump_to(0);
            }
            let label = self.control[0].label;
            self.builder.switch_to_block(label);
            self.builder.seal_block(label);
            let values = self.builder.block_params(label).to_vec();
            self.builder.ins().return_(&values);
        } else if !self.dead {
            let values = self.peek_many(self.control[0].arity);
            self.builder.ins().return_(&values);
        }
        self.finish_fuel();
        self.control.pop();
        self.dead = true;
    }

    /// Jumps to a frame's label with the values on top of the stack.
    pub(crate) fn jump_to(&mut self, index: usize) {
        let (label, args) = self.branch_values(index);
        self.builder.ins().jump(label, &args);
    }

    pub(crate) fn branch_values(&mut self, index: usize) -> (Block, SmallVec<[BlockArg; 4]>) {
        self.meet(index);
        self.control[index].used = Used::Yes;
        let (label, arity) = (self.control[index].label, self.control[index].arity);
        let values = self.peek_many(arity);
        (label, block_args(&values))
    }

    /// The label of a frame, which something goes to.
    pub(crate) fn label_of(&mut self, index: usize) -> Block {
        self.control[index].used = Used::Yes;
        self.control[index].label
    }

    /// The position of the frame that a label means.
    pub(crate) fn frame_at(&self, depth: u32) -> usize {
        self.control.len() - 1 - depth as usize
    }

    /// `br`
    pub(crate) fn br(&mut self, depth: u32) {
        self.branch_to(self.frame_at(depth));
    }

    /// Goes to the label of a frame.
    pub(crate) fn branch_to(&mut self, index: usize) {
        if self.control[index].kind == Kind::Func {
            let values = self.peek_many(self.control[index].arity);
            self.builder.ins().return_(&values);
        } else {
            self.jump_to(index);
        }
        self.dead = true;
    }

    /// `return`
    pub(crate) fn return_(&mut self) {
        self.branch_to(self.inlining.body_frame());
    }

    /// `br_if`
    pub(crate) fn br_if(&mut self, depth: u32) {
        let truth = self.pop();
        let condition = self.condition(truth, None);
        self.branch_if(truth, depth);
        self.learn_condition(condition, false);
        self.charge_fuel();
    }

    /// Branches when `condition` is not zero; the operands stay for the path that goes on.
    pub(crate) fn branch_if(&mut self, condition: Value, depth: u32) {
        let index = self.frame_at(depth);
        let (label, args) = self.branch_values(index);
        let next = self.builder.create_block();
        if self.hint() == Some(true) {
            self.builder.set_cold_block(next);
        }
        self.builder.ins().brif(condition, label, &args, next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// `br_table` with its targets, the default last.
    pub(crate) fn br_table(&mut self, targets: &wasmparser::BrTable<'_>) {
        let index = self.pop();
        let mut calls: Vec<ir::BlockCall> = Vec::new();
        for depth in targets.targets().flatten() {
            calls.push(self.table_edge(depth));
        }
        let default = self.table_edge(targets.default());
        let table = self.builder.create_jump_table(ir::JumpTableData::new(default, &calls));
        self.builder.ins().br_table(index, table);
        self.dead = true;
    }

    fn table_edge(&mut self, depth: u32) -> ir::BlockCall {
        let frame = self.frame_at(depth);
        let (label, args) = self.branch_values(frame);
        self.builder.func.dfg.block_call(label, &args)
    }

    /// `unreachable`
    pub(crate) fn unreachable(&mut self) {
        self.trap(upshift_abi::trap::Trap::Unreachable);
    }
}
