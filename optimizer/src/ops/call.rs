//! Calls of functions and of the runtime.

use crate::handlers::Callee;
use crate::memory_flags::Region;
use crate::translate::{Translator, signature};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, Type, Value, types};
use cranelift_codegen::isa::CallConv;
use smallvec::SmallVec;
use std::mem::offset_of;
use upshift_abi::builtin::{Builtin, BuiltinConv};
use upshift_abi::index::{FuncIndex, TableIndex, TypeIndex};
use upshift_abi::layout::{FuncImport, FuncRef, Instance, ThreadContext};
use upshift_abi::profile::MAX_TARGETS;
use upshift_abi::trap::Trap;
use wasmparser::BlockType;

/// An argument of a builtin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BuiltinArg {
    /// A constant.
    Imm(u64),
    /// An operand.
    Value(Value),
}

/// Executions of a site below which its profile says nothing.
pub(super) const MIN_EXECUTIONS: u64 = 20;
/// A function that takes less than one in this many calls of a site is not expected.
const MIN_SHARE: u64 = 10;
/// What less than one in this many executions of a site does is not expected: a call of another function,
/// a way that a branch takes.
pub(super) const RARE_SHARE: u64 = 50;

/// What is to be checked of the record of a function before it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// That there is one.
    Null,
    /// The type, too.
    Type,
}

/// Whom a reference calls.
#[derive(Clone, Copy, Debug)]
struct Referred {
    /// The record of the function, or its position.
    record: Value,
    /// What is to be checked of it.
    check: Check,
    /// The position of the function in the store's table, where an object held the reference; not that
    /// of null when functions are expected. The record is loaded when it is none of these.
    position: Option<Value>,
}

/// Functions that a call is likely to call.
struct Expected {
    /// Those called most first, and how often; nothing is known of that without a profile.
    funcs: SmallVec<[(FuncIndex, u64); MAX_TARGETS]>,
    /// How often anything was called, when a profile says so.
    profiled: Option<u64>,
    /// Whether hardly any other is called.
    sure: bool,
}

impl Translator<'_, '_> {
    /// The thread context, read anew at each use: with one value for the function, two loads of a
    /// field that another thread writes would become one.
    pub(crate) fn thread(&mut self) -> Value {
        self.builder.ins().get_pinned_reg(types::I64)
    }

    /// Loads what never changes.
    pub(crate) fn load_fixed(&mut self, ty: Type, base: Value, offset: usize) -> Value {
        let flags = self.regions.fixed(self.builder.func);
        self.builder.ins().load(ty, flags, base, crate::offset(offset))
    }

    /// Loads what may change.
    pub(crate) fn load_changing(
        &mut self,
        region: Region,
        ty: Type,
        base: Value,
        offset: usize,
    ) -> Value {
        let flags = self.regions.changing(self.builder.func, region);
        self.builder.ins().load(ty, flags, base, crate::offset(offset))
    }

    /// `call`
    pub(crate) fn call(&mut self, func: FuncIndex) {
        self.zeal_exception();
        self.call_known(func);
    }

    fn call_known(&mut self, func: FuncIndex) {
        if self.inline_call(func).expect("the body was validated") {
            return;
        }
        let ty = self.src.input.module.funcs[func.index()];
        let args = self.pop_arguments(ty);
        let (callee, vmctx) = self.direct_callee(func, ty);
        let throws = self.may_throw(func);
        self.call_function((callee, ty), vmctx, &args, throws);
    }

    /// `call_indirect`
    pub(crate) fn call_indirect(&mut self, ty: TypeIndex, table: TableIndex) {
        self.zeal_exception();
        let record = self.table_record(table);
        let expected = self.expected_targets(None, ty);
        let callee = Referred { record, check: Check::Type, position: None };
        self.call_one_of(callee, ty, (&expected.funcs, &expected));
    }

    /// `call_ref`
    pub(crate) fn call_ref(&mut self, ty: TypeIndex) {
        self.zeal_exception();
        let position = self.take_position();
        let record = self.pop();
        let expected = self.expected_targets(Some(record), ty);
        if let Some(position) = position
            && !expected.funcs.is_empty()
            && !self.fact(record).non_null
        {
            let null = crate::lower::trap_code(Trap::NullFunctionReference);
            self.builder.ins().trapz(position, null);
        }
        let callee = Referred { record, check: Check::Null, position };
        self.call_one_of(callee, ty, (&expected.funcs, &expected));
    }

    /// The functions that the call at hand most likely calls: by its profile when it ran often
    /// enough, else by where the reference comes from.
    fn expected_targets(&self, record: Option<Value>, ty: TypeIndex) -> Expected {
        let input = self.src.input;
        let profile = input.calls.zip(input.module.call_site(self.src.pc));
        let profile = profile.map(|(calls, site)| calls.targets(site));
        let has_type = |func: FuncIndex| input.module.funcs[func.index()] == ty;
        let least = if input.config.zeal_inline { 1 } else { MIN_EXECUTIONS };
        match profile.filter(|profile| profile.total >= least) {
            Some(profile) => {
                let least = profile.total / MIN_SHARE;
                let funcs = profile.funcs.iter().filter(|&&(func, count)| {
                    count > least && has_type(func) && input.layout.func_ref(func).is_some()
                });
                let known: u64 = funcs.clone().map(|(_, count)| count).sum();
                Expected {
                    funcs: funcs.copied().collect(),
                    profiled: Some(profile.total),
                    sure: profile.total - known <= profile.total / RARE_SHARE,
                }
            }
            None => {
                let funcs = record.map_or(&[][..], |record| self.method_targets(record));
                let funcs = funcs.iter().filter(|&&func| has_type(func));
                let funcs: SmallVec<_> = funcs.map(|&func| (func, 0)).collect();
                Expected { sure: funcs.len() == 1, funcs, profiled: None }
            }
        }
    }

    /// Calls the function of a record, likely one of those expected: behind comparisons, they are
    /// inlined when their bodies are worth it, or called directly when they are known to be called.
    fn call_one_of(
        &mut self,
        referred: Referred,
        ty: TypeIndex,
        (funcs, expected): (&[(FuncIndex, u64)], &Expected),
    ) {
        let Some((&(first, count), others)) = funcs.split_first() else {
            return self.call_referred(referred, ty);
        };
        if expected.profiled.is_none() && !self.would_inline(first) {
            return self.call_one_of(referred, ty, (others, expected));
        }
        let is_known = self.is_function(referred, first);
        let is_known = self.builder.ins().uextend(types::I32, is_known);
        self.push(is_known);
        self.if_(BlockType::FuncType(ty.0));
        if others.is_empty() && expected.sure {
            self.expect_then();
        }
        let outer = self.inlining.share;
        if let Some(total) = expected.profiled {
            self.inlining.profiled = true;
            self.inlining.share = outer.of(count, total);
        }
        self.call_known(first);
        self.inlining.profiled = false;
        self.inlining.share = outer;
        if self.refused.is_none() {
            self.else_();
            self.call_one_of(referred, ty, (others, expected));
        }
        if self.refused.is_none() {
            self.end();
        }
    }

    /// Whether a reference is the one to a function of the module that has a record.
    fn is_function(&mut self, referred: Referred, func: FuncIndex) -> Value {
        let Some(position) = referred.position else {
            self.ref_func(func);
            let known = self.pop();
            return self.builder.ins().icmp(IntCC::Equal, referred.record, known);
        };
        // That of a function which no object has held is 0, which the reference's is not.
        let record = self.src.input.layout.func_ref(func).expect("expected functions have records");
        let place = record as usize + offset_of!(FuncRef, heap_index);
        let known = self.load_changing(Region::HeapIndices, types::I32, self.vmctx, place);
        let position = self.builder.ins().ireduce(types::I32, position);
        self.builder.ins().icmp(IntCC::Equal, position, known)
    }

    /// Calls the function of a record.
    fn call_referred(&mut self, referred: Referred, ty: TypeIndex) {
        let Referred { mut record, check, position } = referred;
        if let Some(position) = position {
            record = self.load_func(position);
        }
        if check == Check::Type {
            self.check_record(record, ty);
        }
        let args = self.pop_arguments(ty);
        let (callee, vmctx) = match check {
            Check::Type => self.record_callee(record, 0, ty),
            Check::Null => self.referred_callee(record, ty),
        };
        self.call_function((callee, ty), vmctx, &args, true);
    }

    /// `return_call_ref`
    pub(crate) fn return_call_ref(&mut self, ty: TypeIndex) {
        let record = self.pop();
        let args = self.pop_arguments(ty);
        let (callee, vmctx) = self.referred_callee(record, ty);
        self.tail_call_function(callee, vmctx, &args);
    }

    /// `return_call`
    pub(crate) fn return_call(&mut self, func: FuncIndex) {
        let ty = self.src.input.module.funcs[func.index()];
        let args = self.pop_arguments(ty);
        let (callee, vmctx) = self.direct_callee(func, ty);
        self.tail_call_function(callee, vmctx, &args);
    }

    /// `return_call_indirect`
    pub(crate) fn return_call_indirect(&mut self, ty: TypeIndex, table: TableIndex) {
        let record = self.table_record(table);
        self.check_record(record, ty);
        let args = self.pop_arguments(ty);
        let (callee, vmctx) = self.record_callee(record, 0, ty);
        self.tail_call_function(callee, vmctx, &args);
    }

    fn pop_arguments(&mut self, ty: TypeIndex) -> Vec<Value> {
        self.pop_many(self.src.input.module.func_type_at(ty).params.len())
    }

    fn call_function(
        &mut self,
        (callee, ty): (Callee, TypeIndex),
        vmctx: Value,
        args: &[Value],
        throws: bool,
    ) {
        self.makes_calls = true;
        let args = [&[vmctx], args].concat();
        let results = self.emit_call(callee, &args, (throws, true));
        let types = &self.src.input.module.func_type_at(ty).results;
        for (result, &ty) in results.into_iter().zip(types) {
            self.push_typed(result, ty);
        }
        self.charge_fuel();
    }

    fn tail_call_function(&mut self, callee: Callee, vmctx: Value, args: &[Value]) {
        self.makes_calls = true;
        let args = [&[vmctx], args].concat();
        match callee {
            Callee::Slot(func) => self.builder.ins().return_call(func, &args),
            Callee::Code(signature, code) => {
                self.builder.ins().return_call_indirect(signature, code, &args)
            }
        };
        self.dead = true;
    }

    /// Who `func` is, and its vmctx.
    fn direct_callee(&mut self, func: FuncIndex, ty: TypeIndex) -> (Callee, Value) {
        match self.src.input.module.defined_func(func) {
            Some(defined) => (Callee::Slot(self.function(defined.0, ty)), self.vmctx),
            None => {
                let offset = self.src.input.layout.imported_func(func) as usize;
                self.record_callee(self.vmctx, offset, ty)
            }
        }
    }

    /// The reference to a function of the module: its entry slot plays the part of its entry in a
    /// global offset table.
    fn function(&mut self, defined: u32, ty: TypeIndex) -> ir::FuncRef {
        if let Some(&func) = self.callees.get(&defined) {
            return func;
        }
        let name = ir::UserExternalName::new(0, defined);
        let name = self.builder.func.declare_imported_user_function(name);
        let data = ir::ExtFuncData {
            name: ir::ExternalName::user(name),
            signature: self.signature(ty),
            colocated: false,
            patchable: false,
        };
        let func = self.builder.import_function(data);
        self.callees.insert(defined, func);
        func
    }

    /// The callee that a record, `offset` bytes behind `base`, holds.
    fn record_callee(&mut self, base: Value, offset: usize, ty: TypeIndex) -> (Callee, Value) {
        let flags = self.regions.fixed_here(self.builder.func);
        self.load_callee((base, offset), ty, flags)
    }

    /// The callee of a function reference; a null one faults.
    fn referred_callee(&mut self, record: Value, ty: TypeIndex) -> (Callee, Value) {
        let trap = Trap::NullFunctionReference;
        let flags = self.regions.faulting(self.builder.func, Region::Fixed, trap);
        self.load_callee((record, 0), ty, flags.with_readonly())
    }

    /// Loads the code of a record with `flags`, then its vmctx. Such calls may leave the module, so
    /// they record this function's vmctx as the caller.
    fn load_callee(
        &mut self,
        (base, offset): (Value, usize),
        ty: TypeIndex,
        flags: ir::MemFlagsData,
    ) -> (Callee, Value) {
        const _: () = assert!(offset_of!(FuncImport, code) == offset_of!(FuncRef, code));
        const _: () = assert!(offset_of!(FuncImport, vmctx) == offset_of!(FuncRef, vmctx));
        let code = crate::offset(offset + offset_of!(FuncRef, code));
        let code = self.builder.ins().load(types::I64, flags, base, code);
        let fixed = self.regions.fixed_here(self.builder.func);
        let vmctx = crate::offset(offset + offset_of!(FuncRef, vmctx));
        let vmctx = self.builder.ins().load(types::I64, fixed, base, vmctx);
        let thread = self.thread();
        let changing = self.regions.changing(self.builder.func, Region::Thread);
        let caller = crate::offset(offset_of!(ThreadContext, caller));
        self.builder.ins().store(changing, self.vmctx, thread, caller);
        let signature = self.signature(ty);
        (Callee::Code(signature, code), vmctx)
    }

    /// Pops an index; the record of the function there, which may be null.
    fn table_record(&mut self, table: TableIndex) -> Value {
        let index = self.pop();
        let element = self.table_element(table, index, Trap::UndefinedElement);
        self.load_changing(Region::Elements, types::I64, element, 0)
    }

    /// Traps unless a record is there and of a type.
    fn check_record(&mut self, record: Value, ty: TypeIndex) {
        let ids = self.load_fixed(types::I64, self.vmctx, offset_of!(Instance, type_ids));
        let expected = self.load_fixed(types::I32, ids, ty.index() * size_of::<u32>());
        // A null record faults here.
        let trap = Trap::UninitializedElement;
        let flags = self.regions.faulting(self.builder.func, Region::Fixed, trap);
        let id = crate::offset(offset_of!(FuncRef, type_id));
        let id = self.builder.ins().load(types::I32, flags.with_readonly(), record, id);
        let differs = self.builder.ins().icmp(IntCC::NotEqual, id, expected);
        if self.src.input.module.types[ty.index()].is_final {
            self.builder.ins().trapnz(differs, crate::lower::trap_code(Trap::BadSignature));
        } else {
            self.check_supertype(differs, record, expected, ty);
        }
    }

    /// When the type of a record `differs` from the expected one: a type below it has that one's
    /// number among its supertypes, at its depth.
    fn check_supertype(&mut self, differs: Value, record: Value, expected: Value, ty: TypeIndex) {
        let other = self.builder.create_block();
        let next = self.builder.create_block();
        self.builder.ins().brif(differs, other, &[], next, &[]);
        self.builder.seal_block(other);
        self.builder.switch_to_block(other);
        let fixed = self.regions.fixed_here(self.builder.func);
        let place = crate::offset(offset_of!(FuncRef, supertypes));
        let supertypes = self.builder.ins().load(types::I64, fixed, record, place);
        let depth = self.src.input.module.supertype_depth(ty);
        let place = crate::offset(depth * size_of::<u32>());
        let id = self.builder.ins().load(types::I32, fixed, supertypes, place);
        let differs = self.builder.ins().icmp(IntCC::NotEqual, id, expected);
        self.builder.ins().trapnz(differs, crate::lower::trap_code(Trap::BadSignature));
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    fn signature(&mut self, ty: TypeIndex) -> ir::SigRef {
        if let Some(&found) = self.signatures.get(&ty) {
            return found;
        }
        let made = signature(self.src.input.module.func_type_at(ty));
        let made = self.builder.import_signature(made);
        self.signatures.insert(ty, made);
        made
    }

    /// Calls a builtin that follows the System V convention.
    pub(crate) fn call_builtin(
        &mut self,
        builtin: Builtin,
        args: &[BuiltinArg],
        result: Option<Type>,
    ) {
        debug_assert_eq!(args.len(), builtin.arg_count(), "arguments of {}", builtin.name());
        self.makes_calls = true;
        let thread = self.thread();
        let mut values = vec![thread, self.vmctx];
        for arg in args {
            let value = match *arg {
                BuiltinArg::Imm(bits) => self.builder.ins().iconst(types::I64, bits.cast_signed()),
                BuiltinArg::Value(value) => self.widen(value, types::I64),
            };
            values.push(value);
        }
        let results = self.call_stub(builtin, &values);
        if let Some(ty) = result {
            let value = results[0];
            let value = self.narrow(value, ty);
            self.push(value);
        }
        self.charge_fuel();
    }

    /// Calls a builtin that preserves every register when `condition` is not zero.
    pub(crate) fn slow_call_if(&mut self, condition: Value, builtin: Builtin) {
        let slow = self.builder.create_block();
        let next = self.builder.create_block();
        self.builder.set_cold_block(slow);
        self.builder.ins().brif(condition, slow, &[], next, &[]);
        self.builder.seal_block(slow);
        self.builder.switch_to_block(slow);
        self.call_stub(builtin, &[]);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    pub(crate) fn call_stub(&mut self, builtin: Builtin, args: &[Value]) -> SmallVec<[Value; 4]> {
        let thread = self.thread();
        let stub = offset_of!(ThreadContext, builtins) + builtin as usize * 8;
        let stub = self.load_fixed(types::I64, thread, stub);
        let signature = self.builtin_signature(builtin, args.len());
        let (throws, collects) = (builtin.throws(), builtin.collects());
        self.emit_call(Callee::Code(signature, stub), args, (throws, collects))
    }

    fn builtin_signature(&mut self, builtin: Builtin, args: usize) -> ir::SigRef {
        let conv = match builtin.conv() {
            BuiltinConv::SysV => CallConv::SystemV,
            BuiltinConv::PreservesAll | BuiltinConv::Leaf => CallConv::PreserveAll,
        };
        let key = (args, builtin.has_result(), conv == CallConv::SystemV);
        if let Some(&found) = self.builtin_signatures.get(&key) {
            return found;
        }
        let mut made = ir::Signature::new(conv);
        made.params.extend((0..args).map(|_| ir::AbiParam::new(types::I64)));
        if builtin.has_result() {
            made.returns.push(ir::AbiParam::new(types::I64));
        }
        let made = self.builder.import_signature(made);
        self.builtin_signatures.insert(key, made);
        made
    }
}
