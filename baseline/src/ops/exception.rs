//! Exceptions: `try_table` and `throw`, and the `try` and `catch` of before.

use crate::compiler::FuncCompiler;
use crate::control::Kind;
use crate::handlers::Clause;
use crate::masm::{Addr, SCRATCH, THREAD, Width};
use crate::ops::call::BuiltinArg;
use crate::value::Ty;
use smallvec::SmallVec;
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::index::TagIndex;
use upshift_abi::layout::{ExnHeader, ThreadContext, exn_field_offset};
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

impl FuncCompiler<'_> {
    /// `try_table`
    pub(crate) fn try_table(&mut self, table: &TryTable) {
        if table.catches.is_empty() {
            return self.block(table.ty);
        }
        let clauses = table.catches.iter().map(|catch| {
            let (clause, label) = clause(catch);
            (clause, self.control.index_of(label))
        });
        let clauses: SmallVec<[_; 4]> = clauses.collect();
        let scope = self.handler_scope(&clauses);
        let index = self.open(Kind::TryTable, table.ty);
        self.control.frame_mut(index).scope = scope;
    }

    /// `throw`
    pub(crate) fn throw(&mut self, tag: TagIndex) {
        match self.local_handler(tag) {
            Some((target, clause)) => {
                if clause.by_ref {
                    self.build_exception(tag, clause.tag.is_some());
                    self.call_builtin(Builtin::exn_new, &[], Some(Ty::Ref));
                }
                self.flow_to(target, 1);
                self.branch_now(target);
            }
            None => {
                self.build_exception(tag, false);
                self.call_builtin(Builtin::throw, &[], None);
            }
        }
        self.dead = true;
    }

    /// `throw_ref`
    pub(crate) fn throw_ref(&mut self) {
        let exn = self.pop();
        self.call_builtin(Builtin::throw_ref, &[BuiltinArg::Operand(exn)], None);
        self.dead = true;
    }

    /// Builds an exception of the operands on top of the stack in the thread's buffer.
    fn build_exception(&mut self, tag: TagIndex, keeps_operands: bool) {
        let ty = self.src.input.module.tags[tag.index()];
        let count = self.src.input.module.func_type_at(ty).params.len();
        let first = self.stack.len() - count;
        let buffer = self.alloc_gpr();
        let place = Addr::Base(THREAD, offset_of!(ThreadContext, exn_buffer) as i32);
        self.asm.load_w(Width::W64, buffer, place);
        for i in 0..count {
            let field = Addr::Base(buffer, exn_field_offset(i) as i32);
            self.store_value(self.stack[first + i], field);
        }
        if !keeps_operands {
            self.truncate(first);
            self.regs.lock(buffer.into());
        }
        let vmctx = self.vmctx();
        let identity = Addr::Base(vmctx, self.src.input.layout.tag(tag) as i32);
        self.asm.load_w(Width::W64, SCRATCH, identity);
        let header = |offset: usize| Addr::Base(buffer, offset as i32);
        self.asm.store_w(Width::W64, header(offset_of!(ExnHeader, tag)), SCRATCH);
        self.asm.store_imm(4, header(offset_of!(ExnHeader, fields)), count as i32);
    }

    /// `try`
    pub(crate) fn try_(&mut self, ty: BlockType) {
        let scope = self.handlers.open_scope(self.scope());
        let index = self.open(Kind::Try, ty);
        let frame = self.control.frame_mut(index);
        frame.scope = scope;
        frame.try_scope = scope;
    }

    /// `catch`, or `catch_all` without a tag. What the clause catches is on the stack below its
    /// operands, for `rethrow`; null where there is none.
    pub(crate) fn catch(&mut self, tag: Option<TagIndex>) {
        let index = self.control.index_of(0);
        if !self.dead {
            self.jump_to_end(index);
        }
        self.flow_into_else(index);
        let frame = self.control.frame_mut(index);
        frame.kind = if tag.is_some() { Kind::Catch } else { Kind::CatchAll };
        let (scope, height) = (frame.try_scope, frame.height);
        frame.scope = self.handlers.parent(scope);
        self.truncate(height);
        self.forget_registers();
        let input = &self.src.input;
        let by_ref = input.module.bodies[input.func.index()].rethrows;
        self.handlers.add_clause_at(scope, Clause { tag, by_ref }, self.asm.pos());
        if by_ref {
            self.push_exception(Clause { tag: None, by_ref });
        } else {
            self.ref_null();
        }
        self.push_exception(Clause { tag, by_ref: false });
        self.dead = false;
        self.charge_fuel();
    }

    /// `delegate`
    pub(crate) fn delegate(&mut self, depth: u32) {
        let scope = self.control.top().try_scope;
        let target = self.control.index_of(depth + 1);
        self.handlers.set_parent(scope, self.control.frame(target).scope);
        self.end();
    }

    /// `rethrow`
    pub(crate) fn rethrow(&mut self, depth: u32) {
        let frame = self.control.frame(self.control.index_of(depth));
        let exn = self.stack[frame.height];
        self.call_builtin(Builtin::throw_ref, &[BuiltinArg::Operand(exn)], None);
        self.dead = true;
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
