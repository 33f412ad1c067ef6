//! Exception handlers: the scopes that calls lie in, and the landing pads of their clauses.
//!
//! A call in a scope is a `try_call` whose exception table lists the clauses of all scopes around
//! it, up to the first that catches all. Cranelift hands the numbers of the clauses through to
//! [`crate::emit`], which makes the function's [`upshift_abi::code::HandlerMap`] of them. A landing
//! pad is a block whose parameter is the address of the exception; it loads the fields and jumps to
//! its clause's label.
//!
//! # Registers
//! To Cranelift a `try_call` of the tail convention destroys every register, so that all that is used after
//! it would lie in the frame, also when nothing throws. One of the System V convention keeps those that other
//! calls keep, as our landings do ([`upshift_abi::code::HandlerMap`]). Where all arguments and results are in
//! registers the two conventions are one, and calls with handlers say System V.

use crate::control::{Control, block_args};
use crate::memory_flags::Region;
use crate::nothrow::Nothrow;
use crate::safepoint::Stored;
use crate::translate::{Translator, value_type};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::packed_option::PackedOption;
use cranelift_codegen::ir::{self, Block, BlockArg, InstBuilder, Value, types};
use cranelift_codegen::isa::CallConv;
use smallvec::SmallVec;
use std::collections::HashMap;
use upshift_abi::conv::{FLOAT_REGS, INT_ARGS};
use upshift_abi::index::{FuncIndex, TagIndex};
use upshift_abi::layout::exn_field_offset;
use wasmparser::{Operator, OperatorsReader};

/// No scope.
pub(crate) const NONE: usize = usize::MAX;
/// Clauses that `throw` looks at for one that catches what it throws.
const MAX_CLAUSES_SEEN: usize = 64;
/// Entries of all exception tables of a function together: no input shall make them grow with its
/// square.
const MAX_TABLE_ENTRIES: usize = 1 << 18;
/// Clauses that are looked at for them, likewise.
const MAX_LOOKED_AT: usize = 1 << 26;

/// What a clause catches, and what its label gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    /// The tag, whose parameters the label gets; `None` catches all.
    pub(crate) tag: Option<TagIndex>,
    /// Whether the label gets a reference to the exception, too.
    pub(crate) by_ref: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pad {
    /// Its block, when a call may go there.
    block: PackedOption<Block>,
    /// Position of the control frame whose label it goes to; none for the clauses of a `try`.
    target: Option<usize>,
}

#[derive(Clone, Debug)]
struct Scope {
    parent: usize,
    /// Numbers of its clauses.
    clauses: SmallVec<[u32; 2]>,
}

/// What catches in the function that throws.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LocalHandler {
    /// A clause of a `try_table`, whose label is that of the frame at this position.
    Label(usize, Clause),
    /// A clause of a `try`, by its number, that keeps no reference to what it catches.
    Pad(u32),
}

/// The clauses of a `try`, or the depth that it delegates to.
#[derive(Clone, Debug, Default)]
pub(crate) struct TryClauses {
    pub(crate) tags: SmallVec<[Option<TagIndex>; 2]>,
    pub(crate) delegate: Option<u32>,
}

/// The handlers of the function at hand.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    scopes: Vec<Scope>,
    pads: Vec<Pad>,
    /// All clauses by number.
    pub(crate) clauses: Vec<Clause>,
    /// Entries of exception tables so far, and clauses that were looked at for them.
    entries: usize,
    looked_at: usize,
    nothrow: Nothrow,
    /// Whether a call has a handler for a tag.
    by_tag: bool,
    /// Functions, and signatures, as calls that keep registers name them.
    preserving_funcs: HashMap<ir::FuncRef, ir::FuncRef>,
    preserving_signatures: HashMap<ir::SigRef, ir::SigRef>,
    /// Clauses of each `try` by its offset, once there was one.
    tries: Option<HashMap<usize, TryClauses>>,
}

impl Handlers {
    /// Opens a scope in another one.
    pub(crate) fn open_scope(&mut self, parent: usize) -> usize {
        self.scopes.push(Scope { parent, clauses: SmallVec::new() });
        self.scopes.len() - 1
    }

    /// The scope around a scope.
    pub(crate) fn parent(&self, scope: usize) -> usize {
        self.scopes[scope].parent
    }

    /// The number of a scope's clause.
    pub(crate) fn number(&self, scope: usize, position: usize) -> u32 {
        self.scopes[scope].clauses[position]
    }

    /// The clauses around a call in a scope, in the order in which they are tried. No scope is without
    /// clauses.
    fn of_scope(&mut self, mut scope: usize) -> SmallVec<[u32; 8]> {
        let mut found = SmallVec::new();
        while let Some(here) = self.scopes.get(scope) {
            self.looked_at += here.clauses.len();
            for &number in &here.clauses {
                let clause = self.clauses[number as usize];
                let hidden = found.len() <= MAX_CLAUSES_SEEN
                    && found.iter().any(|&f: &u32| self.clauses[f as usize].tag == clause.tag);
                if !hidden {
                    found.push(number);
                }
                if clause.tag.is_none() {
                    return found;
                }
            }
            scope = here.parent;
        }
        found
    }
}

/// Who is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Callee {
    /// A function of the module.
    Slot(ir::FuncRef),
    /// The code at an address.
    Code(ir::SigRef, Value),
}

impl Translator<'_, '_> {
    /// The scope of the code at hand.
    pub(crate) fn scope(&self) -> usize {
        self.control.last().map_or(NONE, |frame| frame.scope)
    }

    /// Adds a clause to a scope.
    pub(crate) fn add_clause(&mut self, scope: usize, clause: Clause, target: Option<usize>) {
        let number = u32::try_from(self.handlers.clauses.len()).expect("bodies are below 4 GiB");
        self.handlers.clauses.push(clause);
        self.handlers.pads.push(Pad { block: None.into(), target });
        self.handlers.scopes[scope].clauses.push(number);
    }

    /// The landing pad of a clause, whose parameter is the exception.
    pub(crate) fn pad(&mut self, number: u32) -> Block {
        if let Some(block) = self.handlers.pads[number as usize].block.expand() {
            return block;
        }
        let block = self.builder.create_block();
        self.builder.append_block_param(block, types::I64);
        self.builder.set_cold_block(block);
        self.handlers.pads[number as usize].block = block.into();
        block
    }

    /// Whether a call of `func` needs the handlers around it.
    pub(crate) fn may_throw(&mut self, func: FuncIndex) -> bool {
        self.scope() != NONE && !self.handlers.nothrow.is_nothrow(&self.src.input, func)
    }

    /// Emits a call, with the handlers around it when it `throws`, and a stack map when it `collects`;
    /// the results.
    pub(crate) fn emit_call(
        &mut self,
        callee: Callee,
        args: &[Value],
        (throws, collects): (bool, bool),
    ) -> SmallVec<[Value; 4]> {
        self.run = None;
        let stored = if collects { self.store_references() } else { Stored::new() };
        let scope = if throws { self.scope() } else { NONE };
        let handlers = self.handlers.of_scope(scope);
        if handlers.is_empty() {
            let call = match callee {
                Callee::Slot(func) => self.builder.ins().call(func, args),
                Callee::Code(signature, code) => {
                    self.builder.ins().call_indirect(signature, code, args)
                }
            };
            self.map_references(call, &stored);
            let results = self.builder.inst_results(call).into();
            self.outdate_references(&stored);
            return results;
        }
        self.handlers.entries += handlers.len();
        if self.handlers.entries > MAX_TABLE_ENTRIES || self.handlers.looked_at > MAX_LOOKED_AT {
            let at = self.src.pc as u64;
            self.refused.get_or_insert((at, "a call within so many handlers"));
        }
        self.emit_try_call(callee, args, &handlers, &stored)
    }

    fn emit_try_call(
        &mut self,
        callee: Callee,
        args: &[Value],
        handlers: &[u32],
        stored: &Stored,
    ) -> SmallVec<[Value; 4]> {
        let (callee, signature) = self.preserving(callee);
        let dfg = &self.builder.func.dfg;
        let returns = dfg.signatures[signature].returns.iter();
        let returns: SmallVec<[ir::Type; 4]> = returns.map(|param| param.value_type).collect();
        let normal = self.builder.create_block();
        for &ty in &returns {
            self.builder.append_block_param(normal, ty);
        }
        let results = (0..).take(returns.len()).map(BlockArg::TryCallRet);
        let results: SmallVec<[BlockArg; 4]> = results.collect();
        let normal_call = self.builder.func.dfg.block_call(normal, &results);
        // Whose tags they are, the vmctx tells; who catches all needs none.
        let clauses = &self.handlers.clauses;
        self.handlers.by_tag |= handlers.iter().any(|&n| clauses[n as usize].tag.is_some());
        let mut items = Vec::new();
        for &number in handlers {
            let pad = self.pad(number);
            let call = self.builder.func.dfg.block_call(pad, &[BlockArg::TryCallExn(0)]);
            items.push(ir::ExceptionTableItem::Tag(ir::ExceptionTag::from_u32(number), call));
        }
        let table = ir::ExceptionTableData::new(signature, normal_call, items);
        let table = self.builder.func.dfg.exception_tables.push(table);
        let call = match callee {
            Callee::Slot(func) => self.builder.ins().try_call(func, args, table),
            Callee::Code(_, code) => self.builder.ins().try_call_indirect(code, args, table),
        };
        self.map_references(call, stored);
        self.builder.seal_block(normal);
        self.builder.switch_to_block(normal);
        self.outdate_references(stored);
        self.builder.block_params(normal).into()
    }

    /// The callee, called so that registers are kept where that is possible, and its signature.
    fn preserving(&mut self, callee: Callee) -> (Callee, ir::SigRef) {
        let dfg = &self.builder.func.dfg;
        let signature = match callee {
            Callee::Slot(func) => dfg.ext_funcs[func].signature,
            Callee::Code(signature, _) => signature,
        };
        let Some(preserving) = self.preserving_signature(signature) else {
            return (callee, signature);
        };
        let callee = match callee {
            Callee::Slot(func) => {
                let data = &self.builder.func.dfg.ext_funcs[func];
                let data = ir::ExtFuncData { signature: preserving, ..data.clone() };
                let made = &mut self.handlers.preserving_funcs;
                Callee::Slot(
                    *made.entry(func).or_insert_with(|| self.builder.import_function(data)),
                )
            }
            Callee::Code(_, code) => Callee::Code(preserving, code),
        };
        (callee, preserving)
    }

    /// A signature of the tail convention as one of the System V convention, when both say the same of its
    /// arguments and results: none is in memory, and the first integer result is the only one.
    fn preserving_signature(&mut self, signature: ir::SigRef) -> Option<ir::SigRef> {
        let data = &self.builder.func.dfg.signatures[signature];
        let ints = |list: &[ir::AbiParam]| list.iter().filter(|p| p.value_type.is_int()).count();
        let [args, results] = [&data.params, &data.returns].map(|list| {
            let ints = ints(list);
            (ints, list.len() - ints)
        });
        let in_registers = args.0 <= INT_ARGS.len() && args.1 <= usize::from(FLOAT_REGS);
        let alike =
            data.call_conv == CallConv::Tail && in_registers && results.0 <= 1 && results.1 <= 2;
        if !alike {
            return None;
        }
        if let Some(&found) = self.handlers.preserving_signatures.get(&signature) {
            return Some(found);
        }
        let made = ir::Signature { call_conv: CallConv::SystemV, ..data.clone() };
        let made = self.builder.import_signature(made);
        self.handlers.preserving_signatures.insert(signature, made);
        Some(made)
    }

    /// When handlers need the vmctx, has the function note it in its frame; where.
    pub(crate) fn note_vmctx(&mut self) -> Option<ir::StackSlot> {
        if !self.handlers.by_tag {
            return None;
        }
        let data = ir::StackSlotData::new(ir::StackSlotKind::ExplicitSlot, 8, 3);
        let slot = self.builder.func.create_sized_stack_slot(data);
        let mut cursor = FuncCursor::new(self.builder.func);
        let entry = cursor.layout().entry_block().expect("a function has a body");
        cursor.goto_first_insertion_point(entry);
        cursor.ins().stack_store(types::I64, self.vmctx, slot, 0);
        Some(slot)
    }

    /// Where a `throw` of `tag` goes, when that is certain: two tags that are both imported may be the
    /// same.
    pub(crate) fn local_handler(&self, tag: TagIndex) -> Option<LocalHandler> {
        let imported = |tag: TagIndex| tag.0 < self.src.input.module.imported.tags;
        let mut seen = 0;
        let mut scope = self.scope();
        while let Some(here) = self.handlers.scopes.get(scope) {
            for &number in &here.clauses {
                seen += 1;
                let clause = self.handlers.clauses[number as usize];
                if clause.tag.is_none_or(|caught| caught == tag) {
                    return match self.handlers.pads[number as usize].target {
                        Some(target) => Some(LocalHandler::Label(target, clause)),
                        None => (!clause.by_ref).then_some(LocalHandler::Pad(number)),
                    };
                }
                let may_be = clause.tag.is_some_and(|other| imported(other) && imported(tag));
                if may_be || seen > MAX_CLAUSES_SEEN {
                    return None;
                }
            }
            scope = here.parent;
        }
        None
    }

    /// What a clause's label gets of an exception.
    pub(crate) fn exception_values(&mut self, clause: Clause, exn: Value) -> SmallVec<[Value; 4]> {
        let mut values = SmallVec::new();
        if let Some(tag) = clause.tag {
            let module = self.src.input.module;
            let params = &module.func_type_at(module.tags[tag.index()]).params;
            for (i, &param) in params.iter().enumerate() {
                let flags = self.regions.changing(self.builder.func, Region::Exceptions);
                let offset = crate::offset(exn_field_offset(i));
                values.push(self.builder.ins().load(value_type(param), flags, exn, offset));
            }
        }
        if clause.by_ref {
            values.push(exn);
        }
        values
    }

    /// At the end of a `try_table`, whose control frame is at hand, emits its landing pads, but for those
    /// that no call goes to.
    pub(crate) fn landing_pads(&mut self, index: usize) {
        let Control { height, start, scope, .. } = self.control[index];
        let mut clauses = self.handlers.scopes[scope].clauses.clone();
        clauses.retain(|&mut number| self.handlers.pads[number as usize].block.is_some());
        if clauses.is_empty() {
            return;
        }
        let next = (!self.dead).then(|| {
            let next = self.builder.create_block();
            self.builder.ins().jump(next, &[]);
            next
        });
        for &number in &clauses {
            self.landing_pad(number, (start, height));
        }
        if let Some(next) = next {
            self.builder.switch_to_block(next);
            self.builder.seal_block(next);
        }
    }

    fn landing_pad(&mut self, number: u32, (start, height): (usize, usize)) {
        let block = self.pad(number);
        let target = self.handlers.pads[number as usize].target;
        let target = target.expect("a clause of a try_table has a label");
        self.builder.switch_to_block(block);
        self.builder.seal_block(block);
        let exn = self.builder.block_params(block)[0];
        let values = self.exception_values(self.handlers.clauses[number as usize], exn);
        let places = self.places_at_pads(start, height, Some(self.control[target].start));
        self.meet_from_pad(&places, target);
        let label = self.label_of(target);
        self.builder.ins().jump(label, &block_args(&values));
    }

    /// The clauses of the `try` at hand. The first one has the body read ahead, once.
    pub(crate) fn try_clauses(&mut self) -> TryClauses {
        let at = self.src.pc;
        let tries = match self.handlers.tries.take() {
            Some(tries) => tries,
            None => self.read_tries().expect("the body was validated"),
        };
        let found = tries.get(&at).cloned().unwrap_or_default();
        self.handlers.tries = Some(tries);
        found
    }

    fn read_tries(&self) -> wasmparser::Result<HashMap<usize, TryClauses>> {
        let body = self.src.input.body(self.src.input.func);
        let mut reader: OperatorsReader<'_> = body.get_operators_reader()?;
        let mut tries = HashMap::new();
        // The offset of the `try` that each open block is.
        let mut open: Vec<Option<usize>> = vec![None];
        while !reader.eof() {
            let at = usize::try_from(reader.original_position()).unwrap_or(usize::MAX);
            let mut innermost = |open: &[Option<usize>], add: &dyn Fn(&mut TryClauses)| {
                if let Some(&Some(at)) = open.last() {
                    add(tries.entry(at).or_default());
                }
            };
            match reader.read()? {
                Operator::Try { .. } => open.push(Some(at)),
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. } => open.push(None),
                Operator::Catch { tag_index } => {
                    innermost(&open, &|clauses| clauses.tags.push(Some(TagIndex(tag_index))));
                }
                Operator::CatchAll => innermost(&open, &|clauses| clauses.tags.push(None)),
                Operator::Delegate { relative_depth } => {
                    innermost(&open, &|clauses| clauses.delegate = Some(relative_depth));
                    open.pop();
                }
                Operator::End => {
                    open.pop();
                }
                _ => {}
            }
        }
        Ok(tries)
    }
}
