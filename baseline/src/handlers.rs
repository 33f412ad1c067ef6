//! Exception handlers: the scopes that calls lie in, and the landing pads of their clauses.
//!
//! A call in a scope stores every local that its slot lacks first, for a landing pad expects nothing
//! in registers but the exception's address in `rax` ([`upshift_abi::code::HandlerMap`]). A pad
//! puts the fields of the exception into operand slots and goes to its clause's label as any branch
//! does. It stands before the end of the block that the label belongs to: code that does not throw
//! rarely gets there, for it has left the block with its own results by then.
//!
//! ```text
//! block $l (result i32)
//!   try_table (catch $e $l)       scope 1 in scope 0, pad 0 for $l
//!     call $f                     site (return address, scope 1)
//!   end
//!   br $done
//!   pad 0:                        mov r11, [rax+16]; mov [slot], r11
//! end                             label $l, its result in the slot
//! ```

use crate::compiler::FuncCompiler;
use crate::frame::slot_addr;
use crate::masm::{Addr, Label, RAX, Width, XSCRATCH};
use crate::regs::regs_in;
use crate::value::{Ty, Value};
use upshift_abi::code::{Handler, HandlerMap, HandlerSite};
use upshift_abi::index::TagIndex;
use upshift_abi::layout::exn_field_offset;

/// No scope, or no pad.
pub(crate) const NONE: u32 = u32::MAX;
/// Clauses that `throw` looks at for one that catches what it throws.
const MAX_CLAUSES_SEEN: usize = 64;

/// What a clause catches, and what its label gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    /// The tag, whose parameters the label gets; `None` catches all.
    pub(crate) tag: Option<TagIndex>,
    /// Whether the label gets a reference to the exception, too.
    pub(crate) by_ref: bool,
}

/// A clause of a scope.
#[derive(Clone, Copy, Debug)]
struct ScopeClause {
    scope: u32,
    clause: Clause,
    pad: u32,
}

#[derive(Clone, Copy, Debug)]
struct Scope {
    parent: u32,
    /// Its clauses, when all are known from the start.
    clauses: Option<(usize, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Pad {
    clause: Clause,
    /// Position of the control frame whose label it goes to.
    target: usize,
    /// The next pad for that label.
    next: u32,
    /// Where it is, once it is emitted.
    at: u32,
}

/// The handlers of the function at hand.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    scopes: Vec<Scope>,
    clauses: Vec<ScopeClause>,
    pads: Vec<Pad>,
    /// Return address and scope of each call with handlers.
    sites: Vec<(u32, u32)>,
}

impl Handlers {
    /// Forgets the previous function.
    pub(crate) fn clear(&mut self) {
        self.scopes.clear();
        self.clauses.clear();
        self.pads.clear();
        self.sites.clear();
    }

    /// Opens a scope whose clauses come later.
    pub(crate) fn open_scope(&mut self, parent: u32) -> u32 {
        self.scopes.push(Scope { parent, clauses: None });
        self.scopes.len() as u32 - 1
    }

    /// The scope around a scope.
    pub(crate) fn parent(&self, scope: u32) -> u32 {
        self.scopes[scope as usize].parent
    }

    /// Lets another scope come after a scope.
    pub(crate) fn set_parent(&mut self, scope: u32, parent: u32) {
        self.scopes[scope as usize].parent = parent;
    }

    /// Adds a clause to a scope, whose landing pad is at `at`.
    pub(crate) fn add_clause_at(&mut self, scope: u32, clause: Clause, at: u32) {
        self.add_clause(scope, clause, Pad { clause, target: 0, next: NONE, at });
    }

    fn add_clause(&mut self, scope: u32, clause: Clause, pad: Pad) -> u32 {
        self.pads.push(pad);
        let pad = self.pads.len() as u32 - 1;
        self.clauses.push(ScopeClause { scope, clause, pad });
        pad
    }
}

impl FuncCompiler<'_> {
    /// The scope of the code at hand.
    pub(crate) fn scope(&self) -> u32 {
        self.control.top().scope
    }

    /// Opens a scope with the clauses of a `try_table` and the control frames they go to.
    pub(crate) fn handler_scope(&mut self, clauses: &[(Clause, usize)]) -> u32 {
        let parent = self.scope();
        let scope = self.handlers.open_scope(parent);
        let first = self.handlers.clauses.len();
        for &(clause, target) in clauses {
            let next = self.control.frame(target).pads;
            let pad = Pad { clause, target, next, at: NONE };
            self.control.frame_mut(target).pads = self.handlers.add_clause(scope, clause, pad);
        }
        let end = self.handlers.clauses.len();
        self.handlers.scopes[scope as usize].clauses = Some((first, end));
        scope
    }

    /// Notes that the call that was just emitted may throw.
    pub(crate) fn note_handlers(&mut self) {
        let scope = self.scope();
        if scope != NONE {
            self.handlers.sites.push((self.asm.pos(), scope));
        }
    }

    /// The frame that a `throw` of `tag` goes to, and the clause that catches it, when that is
    /// certain: two tags that are both imported may be the same.
    pub(crate) fn local_handler(&self, tag: TagIndex) -> Option<(usize, Clause)> {
        let imported = |tag: TagIndex| tag.0 < self.src.input.module.imported.tags;
        let mut seen = 0;
        let mut scope = self.scope();
        while scope != NONE {
            let (first, end) = self.handlers.scopes[scope as usize].clauses?;
            for entry in &self.handlers.clauses[first..end] {
                seen += 1;
                let caught = entry.clause.tag.is_none_or(|caught| caught == tag);
                if caught {
                    let target = self.handlers.pads[entry.pad as usize].target;
                    return Some((target, entry.clause));
                }
                let may_be = entry.clause.tag.is_some_and(|other| imported(other) && imported(tag));
                if may_be || seen > MAX_CLAUSES_SEEN {
                    return None;
                }
            }
            scope = self.handlers.parent(scope);
        }
        None
    }

    /// Emits the landing pads that go to the label of the frame at `index`; the code before them
    /// does not fall through.
    pub(crate) fn landing_pads(&mut self, index: usize) {
        let mut number = self.control.frame(index).pads;
        while number != NONE {
            let pad = self.handlers.pads[number as usize];
            self.handlers.pads[number as usize].at = self.asm.pos();
            let height = self.stack.len();
            self.forget_registers();
            self.push_exception(pad.clause);
            self.land(index);
            self.truncate(height);
            number = pad.next;
        }
    }

    /// The same for the label of a loop, whose end may be reached.
    pub(crate) fn loop_landing_pads(&mut self, index: usize) {
        if self.dead {
            self.truncate(self.control.frame(index).height);
            return self.landing_pads(index);
        }
        self.settle_all();
        let state = self.save_state();
        let mut over = Label::new();
        self.asm.jmp(&mut over);
        self.landing_pads(index);
        self.adopt(state);
        self.control.free(Some(state));
        self.asm.bind(&mut over);
    }

    /// Pushes what a clause's label gets of the exception at `rax`, in slots.
    pub(crate) fn push_exception(&mut self, clause: Clause) {
        if let Some(tag) = clause.tag {
            let ty = self.src.input.module.tags[tag.index()];
            let params = &self.src.input.module.func_type_at(ty).params;
            for (i, &param) in params.iter().enumerate() {
                let ty = Ty::of(param);
                let from = Addr::Base(RAX, exn_field_offset(i) as i32);
                let slot = self.push_slot(ty);
                self.asm.vload_part(XSCRATCH, from, ty == Ty::V128);
                self.asm.vstore_part(slot_addr(slot), XSCRATCH, ty == Ty::V128);
            }
        }
        if clause.by_ref {
            let slot = self.push_slot(Ty::Ref);
            self.asm.store_w(Width::W64, slot_addr(slot), RAX);
        }
    }

    /// Pushes an operand that is in its slot; the slot.
    fn push_slot(&mut self, ty: Ty) -> u32 {
        self.push(Value::Slot, ty);
        let slot = self.stack.last().expect("just pushed").slot();
        self.frame.touch(slot);
        slot
    }

    /// What is known at a landing pad: locals and operands are in their slots.
    pub(crate) fn forget_registers(&mut self) {
        debug_assert!(self.regs.operands == 0, "no operand is in a register at a landing pad");
        for r in regs_in(self.regs.state.used) {
            if let Some(index) = self.regs.holder(r).as_local() {
                self.frame.locals[index as usize].reg = None;
            }
            self.regs.release(r);
        }
        self.regs.locked = 0;
    }

    /// The function's handler map; `shift` is what offsets in the buffer exceed those from the
    /// entry by.
    pub(crate) fn handler_map(&mut self, shift: u32, frame_bytes: u32) -> HandlerMap {
        let handlers = &mut self.handlers;
        if handlers.sites.is_empty() {
            return HandlerMap::default();
        }
        let layout = self.src.input.layout;
        let pads = &handlers.pads;
        let handler = |entry: &ScopeClause| {
            let landing_pad = pads[entry.pad as usize].at;
            assert!(landing_pad != NONE, "every block has its end");
            Handler {
                tag: entry.clause.tag.map(|tag| layout.tag(tag)),
                by_ref: entry.clause.by_ref,
                landing_pad: landing_pad - shift,
            }
        };
        // The clauses of a scope keep their order; those of a `try` come between those of others.
        handlers.clauses.sort_by_key(|entry| entry.scope);
        let mut map = HandlerMap::new(frame_bytes);
        let mut rest = handlers.clauses.as_slice();
        // The scope in the map that each one is, or the one around where it has no clauses.
        let mut mapped: Vec<Option<u32>> = Vec::with_capacity(handlers.scopes.len());
        for (number, scope) in handlers.scopes.iter().enumerate() {
            let count = rest.partition_point(|entry| entry.scope as usize <= number);
            let parent = mapped.get(scope.parent as usize).copied().flatten();
            mapped.push(match count {
                0 => parent,
                _ => Some(map.add_scope(parent, rest[..count].iter().map(handler))),
            });
            rest = &rest[count..];
        }
        let site = |&(at, scope): &(u32, u32)| {
            Some(HandlerSite {
                return_offset: at - shift,
                scope: mapped[scope as usize]?,
                vmctx_slot: crate::frame::VMCTX_SLOT,
            })
        };
        map.set_sites(handlers.sites.iter().filter_map(site).collect());
        map
    }
}
