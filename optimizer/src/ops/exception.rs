//! Exceptions: `try_table` and `throw`, and the `try` and `catch` of before.

use crate::control::Kind;
use crate::handlers::{Clause, LocalHandler};
use crate::memory_flags::Region;
use crate::ops::call::BuiltinArg;
use crate::translate::Translator;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::TagIndex;
use upshift_abi::layout::{ExnHeader, ThreadContext, exn_field_offset};
use upshift_abi::trap::Trap;
use wasmparser::{BlockType, Catch, TryTable};

/// A clause of a `try_table`, and the depth of its label.
fn clause(catch: &Catch) -> (Clause, u32) {
    let (tag, by_ref, label) = match *catch {
        Catch::One { tag, label } => (Some(TagIndex(tag)), false, label),
        Catch::OneRef { tag, label } => (Some(TagIndex(tag)), true, label),
        Catch::All { label } => (None, false, label),
        Catch::AllRef { label } => (None, true, label),
    };
    (Clause { tag, by_ref }, label)
}

impl Translator<'_, '_> {
    /// `try_table`
    pub(crate) fn try_table(&mut self, table: &TryTable) {
        if table.catches.is_empty() {
            return self.block(table.ty);
        }
        let parent = self.scope();
        let scope = self.handlers.open_scope(parent);
        for catch in &table.catches {
            let (clause, depth) = clause(catch);
            let target = self.frame_at(depth);
            self.add_clause(scope, clause, Some(target));
            self.name_label(target);
        }
        self.open_block(Kind::TryTable, table.ty);
        self.control.last_mut().expect("just opened").scope = scope;
    }

    /// `throw`
    pub(crate) fn throw(&mut self, tag: TagIndex) {
        match self.local_handler(tag) {
            Some(LocalHandler::Label(target, clause)) => {
                if clause.by_ref {
                    self.build_exception(tag, clause.tag.is_some());
                    self.call_builtin(Builtin::exn_new, &[], Some(types::I64));
                }
                self.branch_to(target);
            }
            Some(LocalHandler::Pad(number)) => {
                let exn = self.build_exception(tag, false);
                self.throw_to_pad(number, exn);
            }
            None => {
                self.build_exception(tag, false);
                self.call_builtin(Builtin::throw, &[], None);
                self.trap(Trap::Unreachable);
            }
        }
    }

    /// Goes to a landing pad, where references are in their slots as behind a call.
    fn throw_to_pad(&mut self, number: u32, exn: Value) {
        self.run = None;
        self.store_references();
        let pad = self.pad(number);
        self.builder.ins().jump(pad, &[BlockArg::Value(exn)]);
        self.dead = true;
    }

    /// `throw_ref`
    pub(crate) fn throw_ref(&mut self) {
        let exn = self.pop();
        self.call_builtin(Builtin::throw_ref, &[BuiltinArg::Value(exn)], None);
        self.trap(Trap::Unreachable);
    }

    /// Builds an exception of the operands on top of the stack in the thread's buffer; its address.
    fn build_exception(&mut self, tag: TagIndex, keeps_operands: bool) -> Value {
        let module = self.src.input.module;
        let count = module.func_type_at(module.tags[tag.index()]).params.len();
        let fields = self.peek_many(count);
        if !keeps_operands {
            self.stack.truncate(self.stack.len() - count);
        }
        let thread = self.thread();
        let place = offset_of!(ThreadContext, exn_buffer);
        let buffer = self.load_changing(Region::Thread, types::I64, thread, place);
        let flags = self.regions.changing(self.builder.func, Region::Exceptions);
        for (i, field) in fields.into_iter().enumerate() {
            let offset = crate::offset(exn_field_offset(i));
            self.builder.ins().store(flags, field, buffer, offset);
        }
        let place = self.src.input.layout.tag(tag) as usize;
        let identity = self.load_fixed(types::I64, self.vmctx, place);
        let header = |offset: usize| crate::offset(offset);
        self.builder.ins().store(flags, identity, buffer, header(offset_of!(ExnHeader, tag)));
        let count = i64::try_from(count).expect("a tag has few parameters");
        let count = self.builder.ins().iconst(types::I32, count);
        self.builder.ins().store(flags, count, buffer, header(offset_of!(ExnHeader, fields)));
        buffer
    }

    /// `try`
    pub(crate) fn try_(&mut self, ty: BlockType) {
        let clauses = self.try_clauses();
        let parent = match clauses.delegate {
            Some(depth) => self.control[self.frame_at(depth)].scope,
            None => self.scope(),
        };
        let scope = match clauses.tags.is_empty() {
            true => parent,
            false => self.handlers.open_scope(parent),
        };
        let by_ref = self.rethrows();
        for &tag in &clauses.tags {
            self.add_clause(scope, Clause { tag, by_ref }, None);
        }
        self.open_block(Kind::Try, ty);
        let frame = self.control.last_mut().expect("just opened");
        frame.scope = scope;
        frame.try_scope = scope;
    }

    /// Whether what a `catch` of the function at hand caught may be thrown again.
    fn rethrows(&self) -> bool {
        let input = &self.src.input;
        input.module.bodies[input.func.index()].rethrows
    }

    /// `catch`, or `catch_all` without a tag. What the clause catches is on the stack below its
    /// operands, for `rethrow`; null where there is none.
    pub(crate) fn catch(&mut self, tag: Option<TagIndex>) {
        let index = self.control.len() - 1;
        if !self.dead {
            self.jump_to(index);
        }
        let frame = &mut self.control[index];
        frame.kind = if tag.is_some() { Kind::Catch } else { Kind::CatchAll };
        let (scope, clause, height) = (frame.try_scope, frame.next_clause, frame.height);
        frame.next_clause += 1;
        frame.scope = self.handlers.parent(scope);
        let facts = frame.facts;
        self.facts.undo_to(facts);
        self.stack.truncate(height);
        let pad = self.pad(self.handlers.number(scope, clause));
        self.builder.switch_to_block(pad);
        self.builder.seal_block(pad);
        let places = self.places_at_pads(self.src.pc, height, None);
        self.go_on_at_pad(&places);
        let exn = self.builder.block_params(pad)[0];
        if self.rethrows() {
            self.push(exn);
        } else {
            self.ref_null();
        }
        let values = self.exception_values(Clause { tag, by_ref: false }, exn);
        let module = self.src.input.module;
        let params = tag.map(|tag| &module.func_type_at(module.tags[tag.index()]).params);
        for (value, &ty) in values.into_iter().zip(params.into_iter().flatten()) {
            self.push_typed(value, ty);
        }
        self.dead = false;
        self.charge_fuel();
    }

    /// `delegate`
    pub(crate) fn delegate(&mut self, _depth: u32) {
        self.end();
    }

    /// `rethrow`
    pub(crate) fn rethrow(&mut self, depth: u32) {
        let height = self.control[self.frame_at(depth)].height;
        let exn = self.read(self.stack[height]);
        self.call_builtin(Builtin::throw_ref, &[BuiltinArg::Value(exn)], None);
        self.trap(Trap::Unreachable);
    }

    /// Throws and catches before a call, in the zeal mode that asks for it.
    pub(crate) fn zeal_exception(&mut self) {
        if !self.src.input.config.zeal_exceptions {
            return;
        }
        self.block(BlockType::Empty);
        self.try_table(&TryTable { ty: BlockType::Empty, catches: vec![Catch::All { label: 0 }] });
        self.call_builtin(Builtin::zeal_throw, &[], None);
        self.end();
        self.end();
    }
}
