//! `ref.eq`, `i31`, tests and casts.

use super::call::{MIN_EXECUTIONS, RARE_SHARE};
use crate::facts::Fact;
use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use std::mem::offset_of;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{DISPLAY_LENGTH, FuncRef, HOST_BIT, I31_BIT, Instance, TypeDescriptor};
use upshift_abi::ops::after_leb128;
use upshift_abi::trap::Trap;
use upshift_abi::types::{CompositeType, HeapType, RefType};

/// The bits of a reference that are 0 for objects and null.
const UNBOXED_BITS: i64 = (I31_BIT | HOST_BIT) as i64;

impl Translator<'_, '_> {
    /// `ref.eq`
    pub(crate) fn ref_eq(&mut self) {
        let second = self.pop();
        let first = self.pop();
        let same = self.builder.ins().icmp(IntCC::Equal, first, second);
        let same = self.builder.ins().uextend(types::I32, same);
        self.push(same);
    }

    /// `ref.i31`
    pub(crate) fn ref_i31(&mut self) {
        let value = self.pop();
        let shifted = self.builder.ins().ishl_imm_u(value, 1);
        let tagged = self.builder.ins().bor_imm_u(shifted, i64::from(I31_BIT));
        let reference = self.builder.ins().uextend(types::I64, tagged);
        self.push_ref(reference);
    }

    /// `i31.get_s`, `i31.get_u`
    pub(crate) fn i31_get(&mut self, signed: bool) {
        let reference = self.pop();
        let trap = crate::lower::trap_code(Trap::NullI31Reference);
        if !self.fact(reference).non_null {
            self.builder.ins().trapz(reference, trap);
            self.learn(reference, Fact::some());
        }
        let word = self.builder.ins().ireduce(types::I32, reference);
        let value = if signed {
            self.builder.ins().sshr_imm_u(word, 1)
        } else {
            self.builder.ins().ushr_imm_u(word, 1)
        };
        self.push(value);
    }

    /// `any.convert_extern`, `extern.convert_any`
    pub(crate) fn convert_reference(&mut self) {}

    /// `ref.test`
    pub(crate) fn ref_test(&mut self, nullable: bool, heap: wasmparser::HeapType) {
        let ty = RefType { nullable, heap: heap.into() };
        let reference = self.pop();
        if self.is_if_next() {
            self.leave_test(reference, ty);
            // The branch takes its condition from the test.
            let unused = self.builder.ins().iconst(types::I32, 0);
            return self.push(unused);
        }
        let yes = self.builder.create_block();
        let no = self.builder.create_block();
        let end = self.builder.create_block();
        let truth = self.builder.append_block_param(end, types::I32);
        self.branch_on_test((reference, ty), yes, no);
        for (block, answer) in [(yes, 1), (no, 0)] {
            self.builder.seal_block(block);
            self.builder.switch_to_block(block);
            let answer = self.builder.ins().iconst(types::I32, answer);
            self.builder.ins().jump(end, &[answer.into()]);
        }
        self.builder.seal_block(end);
        self.builder.switch_to_block(end);
        self.note_test(truth, reference, ty);
        self.push(truth);
    }

    /// Whether `if` follows the test at hand.
    fn is_if_next(&self) -> bool {
        const IF: u8 = 0x04;
        let bytes = self.src.input.bytes;
        let heap_type = after_leb128(bytes, self.src.pc + 1);
        bytes.get(after_leb128(bytes, heap_type)) == Some(&IF)
    }

    /// Whether the operator at hand is a `struct.get` and `call_ref` follows it.
    pub(crate) fn is_call_ref_next(&self) -> bool {
        const STRUCT_GET: &[u8] = &[0xfb, 0x02];
        const CALL_REF: u8 = 0x14;
        let (bytes, pc) = (self.src.input.bytes, self.src.pc);
        let field = after_leb128(bytes, pc + STRUCT_GET.len());
        bytes.get(pc..pc + STRUCT_GET.len()) == Some(STRUCT_GET)
            && bytes.get(after_leb128(bytes, field)) == Some(&CALL_REF)
    }

    /// `ref.cast`
    pub(crate) fn ref_cast(&mut self, nullable: bool, heap: wasmparser::HeapType) {
        let ty = RefType { nullable, heap: heap.into() };
        let reference = self.pop();
        let fact = self.fact(reference);
        if !self.is_proved(fact, ty) {
            match ty.heap {
                HeapType::Concrete(index)
                    if (!nullable || fact.non_null) && !self.is_func_type(index) =>
                {
                    self.cast_object(reference, fact, index);
                }
                _ => self.cast_by_test(reference, ty),
            }
            self.learn(reference, Fact::of(ty));
        }
        self.push_kind(reference, !self.is_outside(ty.heap));
    }

    /// Traps unless a test succeeds.
    fn cast_by_test(&mut self, reference: Value, ty: RefType) {
        let yes = self.builder.create_block();
        let no = self.builder.create_block();
        self.builder.set_cold_block(no);
        self.branch_on_test((reference, ty), yes, no);
        self.builder.seal_block(no);
        self.builder.switch_to_block(no);
        self.builder.ins().trap(crate::lower::trap_code(Trap::CastFailure));
        self.builder.seal_block(yes);
        self.builder.switch_to_block(yes);
    }

    /// Traps unless a reference is one to an object of a type; null faults where its type would be.
    /// A type that nothing in the module is below is compared with first.
    fn cast_object(&mut self, reference: Value, fact: Fact, index: TypeIndex) {
        let trap = crate::lower::trap_code(Trap::CastFailure);
        if !fact.boxed {
            let bits = self.builder.ins().band_imm_u(reference, UNBOXED_BITS);
            self.builder.ins().trapnz(bits, trap);
        }
        let address = self.object_address(reference);
        let flags = match fact.non_null {
            true => self.regions.changing(self.builder.func, Region::Headers),
            false => self.regions.faulting(self.builder.func, Region::Headers, Trap::CastFailure),
        };
        let id = self.builder.ins().load(types::I32, flags, address, 0);
        let module = self.src.input.module;
        let next = self.builder.create_block();
        if !module.types[index.index()].is_final && !module.extended[index.index()] {
            let expected = self.type_id(index);
            let same = self.builder.ins().icmp(IntCC::Equal, id, expected);
            let other = self.builder.create_block();
            self.builder.set_cold_block(other);
            self.builder.ins().brif(same, next, &[], other, &[]);
            self.builder.seal_block(other);
            self.builder.switch_to_block(other);
        }
        let matches = self.has_type(id, index);
        self.builder.ins().trapz(matches, trap);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// Whether references of a heap type lead outside of the heap of objects.
    fn is_outside(&self, heap: HeapType) -> bool {
        match heap {
            HeapType::Func | HeapType::NoFunc | HeapType::Exn | HeapType::NoExn => true,
            HeapType::Concrete(index) => self.is_func_type(index),
            _ => false,
        }
    }

    fn is_func_type(&self, index: TypeIndex) -> bool {
        let composite = &self.src.input.module.types[index.index()].composite;
        matches!(composite, CompositeType::Func(_))
    }

    /// `br_on_cast`, and `br_on_cast_fail` when `on` is false.
    pub(crate) fn br_on_cast(
        &mut self,
        depth: u32,
        (from, to): (wasmparser::RefType, wasmparser::RefType),
        on: bool,
    ) {
        let ty = RefType { nullable: to.is_nullable(), heap: to.heap_type().into() };
        let from = RefType { nullable: from.is_nullable(), heap: from.heap_type().into() };
        let reference = self.pop();
        self.note_declared(reference, Fact::of(from));
        let condition = self.condition(reference, Some((reference, ty)));
        self.push_kind(reference, !self.is_outside(ty.heap));
        let (label, args) = self.branch_values(self.frame_at(depth));
        let taken = self.builder.create_block();
        let next = self.builder.create_block();
        match self.branch_profile() {
            Some([executed, others]) if others <= executed / RARE_SHARE => {
                self.builder.set_cold_block(next);
            }
            Some([executed, others])
                if executed.saturating_sub(others) <= executed / RARE_SHARE =>
            {
                self.builder.set_cold_block(taken);
            }
            _ => {}
        }
        let (yes, no) = if on { (taken, next) } else { (next, taken) };
        self.branch_on_test((reference, ty), yes, no);
        self.builder.seal_block(taken);
        self.builder.switch_to_block(taken);
        self.builder.ins().jump(label, &args);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        self.learn_condition(condition, !on);
        self.charge_fuel();
    }

    /// How often the baseline executed the branch at hand, and how often it was not taken, when that is
    /// enough to tell.
    fn branch_profile(&self) -> Option<[u64; 2]> {
        let input = self.src.input;
        let (profile, site) = input.calls.zip(input.module.call_site(self.src.pc))?;
        Some(profile.branches(site)).filter(|counts| counts[0] >= MIN_EXECUTIONS)
    }

    /// Goes to `yes` when a reference is of a type, else to `no`.
    pub(crate) fn branch_on_test(
        &mut self,
        (reference, ty): (Value, RefType),
        yes: Block,
        no: Block,
    ) {
        let fact = self.fact(reference);
        if self.is_proved(fact, ty) {
            self.builder.ins().jump(yes, &[]);
            return;
        }
        if self.has_heap_type(fact, ty.heap) {
            self.builder.ins().brif(reference, yes, &[], no, &[]);
            return;
        }
        if !fact.non_null {
            let some = self.builder.create_block();
            let of_null = if ty.nullable { yes } else { no };
            self.builder.ins().brif(reference, some, &[], of_null, &[]);
            self.builder.seal_block(some);
            self.builder.switch_to_block(some);
        }
        match ty.heap {
            HeapType::None
            | HeapType::NoFunc
            | HeapType::NoExtern
            | HeapType::NoExn
            | HeapType::NoCont => {
                self.builder.ins().jump(no, &[]);
            }
            HeapType::I31 => {
                let bit = self.builder.ins().band_imm_u(reference, i64::from(I31_BIT));
                self.builder.ins().brif(bit, yes, &[], no, &[]);
            }
            HeapType::Eq => {
                let bits = self.builder.ins().band_imm_u(reference, UNBOXED_BITS);
                let is_host =
                    self.builder.ins().icmp_imm_s(IntCC::Equal, bits, i64::from(HOST_BIT));
                self.builder.ins().brif(is_host, no, &[], yes, &[]);
            }
            HeapType::Concrete(index) if self.is_func_type(index) => {
                let matches = self.test_record(reference, index);
                self.builder.ins().brif(matches, yes, &[], no, &[]);
            }
            // The tops of the hierarchies were proved.
            heap => self.branch_on_object((reference, fact), heap, yes, no),
        }
    }

    /// The same for a type of objects and a reference that is not null.
    fn branch_on_object(
        &mut self,
        (reference, fact): (Value, Fact),
        heap: HeapType,
        yes: Block,
        no: Block,
    ) {
        if !fact.boxed {
            let object = self.builder.create_block();
            let bits = self.builder.ins().band_imm_u(reference, UNBOXED_BITS);
            self.builder.ins().brif(bits, no, &[], object, &[]);
            self.builder.seal_block(object);
            self.builder.switch_to_block(object);
        }
        let matches = match heap {
            HeapType::Concrete(index) => {
                let id = self.object_type(reference);
                self.has_type(id, index)
            }
            heap => self.test_kind(reference, heap == HeapType::Struct),
        };
        self.builder.ins().brif(matches, yes, &[], no, &[]);
    }

    fn object_type(&mut self, reference: Value) -> Value {
        let address = self.object_address(reference);
        self.load_changing(Region::Headers, types::I32, address, 0)
    }

    /// The address of the descriptor of a type.
    fn descriptor(&mut self, id: Value) -> Value {
        let at = offset_of!(Instance, descriptors);
        let descriptors = self.load_fixed(types::I64, self.vmctx, at);
        let offset = self.builder.ins().uextend(types::I64, id);
        self.builder.ins().iadd(descriptors, offset)
    }

    /// Whether an object is a structure, or else an array: structures have odd kinds.
    fn test_kind(&mut self, reference: Value, is_struct: bool) -> Value {
        let id = self.object_type(reference);
        let descriptor = self.descriptor(id);
        let fixed = self.regions.fixed_here(self.builder.func);
        let at = crate::offset(offset_of!(TypeDescriptor, kind));
        let kind = self.builder.ins().load(types::I32, fixed, descriptor, at);
        let odd = self.builder.ins().band_imm_u(kind, 1);
        self.builder.ins().icmp_imm_s(IntCC::Equal, odd, i64::from(is_struct))
    }

    /// Whether the type of an object is one of the module, or below it.
    fn has_type(&mut self, id: Value, index: TypeIndex) -> Value {
        let expected = self.type_id(index);
        let module = self.src.input.module;
        if module.types[index.index()].is_final {
            return self.builder.ins().icmp(IntCC::Equal, id, expected);
        }
        let descriptor = self.descriptor(id);
        let depth = module.supertype_depth(index);
        let fixed = self.regions.fixed_here(self.builder.func);
        let place = depth * size_of::<u32>();
        let (list, place) = if depth < DISPLAY_LENGTH {
            (descriptor, offset_of!(TypeDescriptor, display) + place)
        } else {
            let at = crate::offset(offset_of!(TypeDescriptor, supertypes));
            (self.builder.ins().load(types::I64, fixed, descriptor, at), place)
        };
        let found = self.builder.ins().load(types::I32, fixed, list, crate::offset(place));
        self.builder.ins().icmp(IntCC::Equal, found, expected)
    }

    /// The same of a function: its record has the list, and its own type is part of that.
    fn test_record(&mut self, record: Value, index: TypeIndex) -> Value {
        let expected = self.type_id(index);
        let module = self.src.input.module;
        let fixed = self.regions.fixed_here(self.builder.func);
        if module.types[index.index()].is_final {
            let at = crate::offset(offset_of!(FuncRef, type_id));
            let id = self.builder.ins().load(types::I32, fixed, record, at);
            return self.builder.ins().icmp(IntCC::Equal, id, expected);
        }
        let at = crate::offset(offset_of!(FuncRef, supertypes));
        let list = self.builder.ins().load(types::I64, fixed, record, at);
        let at = crate::offset(module.supertype_depth(index) * size_of::<u32>());
        let found = self.builder.ins().load(types::I32, fixed, list, at);
        self.builder.ins().icmp(IntCC::Equal, found, expected)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::with_first_function;
    use crate::{Compiler, Effort, Entry, Request};
    use upshift_abi::config::{CodegenConfig, FunctionInput};
    use upshift_abi::profile::{CallProfile, Targets};

    /// Executions of each branch, and how many of them did not take it.
    #[derive(Debug)]
    struct Counted([u64; 2]);

    impl CallProfile for Counted {
        fn targets(&self, _: usize) -> Targets {
            Targets::default()
        }

        fn branches(&self, _: usize) -> [u64; 2] {
            self.0
        }
    }

    #[test]
    fn rare_ways_of_branches_on_casts_are_cold() {
        let text = "(module (type $s (struct))
            (func (param anyref) (result i32)
                (block $is (result (ref $s))
                    (br_on_cast $is anyref (ref $s) (local.get 0)) (drop) (return (i32.const 7)))
                (drop) (i32.const 8)))";
        let cold = |counts| {
            with_first_function(text, &CodegenConfig::default(), |input| {
                let profile = Counted(counts);
                let input = FunctionInput { calls: Some(&profile), ..*input };
                let request = Request { entry: Entry::Function, effort: Effort::Full };
                let code = Compiler::new().intermediate_code(&input, request).unwrap();
                // Which constant is in a cold block.
                let block = code.split("\n\n").find(|block| block.contains(" cold:"));
                block.map(|block| block.contains("iconst.i32 7"))
            })
        };
        assert_eq!(cold([1000, 500]), None);
        assert_eq!(cold([10, 0]), None);
        assert_eq!(cold([1000, 3]), Some(true));
        assert_eq!(cold([1000, 997]), Some(false));
    }
}
