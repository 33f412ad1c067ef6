//! `ref.eq`, `i31`, tests and casts.

use crate::memory_flags::Region;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use std::mem::offset_of;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{
    DESCRIPTOR_SHIFT, DISPLAY_LENGTH, FuncRef, HOST_BIT, I31_BIT, Instance, TypeDescriptor,
};
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
        self.builder.ins().trapz(reference, trap);
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
        let reference = self.pop();
        let matches = self.test_type(reference, RefType { nullable, heap: heap.into() });
        let matches = self.builder.ins().uextend(types::I32, matches);
        self.push(matches);
    }

    /// `ref.cast`
    pub(crate) fn ref_cast(&mut self, nullable: bool, heap: wasmparser::HeapType) {
        let ty = RefType { nullable, heap: heap.into() };
        let reference = self.pop();
        let matches = self.test_type(reference, ty);
        let trap = crate::lower::trap_code(Trap::CastFailure);
        self.builder.ins().trapz(matches, trap);
        self.push_kind(reference, !self.is_outside(ty.heap));
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
    pub(crate) fn br_on_cast(&mut self, depth: u32, to: wasmparser::RefType, on: bool) {
        let ty = RefType { nullable: to.is_nullable(), heap: to.heap_type().into() };
        let reference = self.pop();
        let matches = self.test_type(reference, ty);
        self.push_kind(reference, !self.is_outside(ty.heap));
        let condition = match on {
            true => matches,
            false => self.builder.ins().bxor_imm_u(matches, 1),
        };
        self.branch_if(condition, depth);
        self.charge_fuel();
    }

    /// Whether a reference is of a type, as a truth value of 8 bits.
    fn test_type(&mut self, reference: Value, ty: RefType) -> Value {
        match ty.heap {
            HeapType::Any | HeapType::Func | HeapType::Extern | HeapType::Exn | HeapType::Cont => {
                match ty.nullable {
                    true => self.builder.ins().iconst(types::I8, 1),
                    false => self.builder.ins().icmp_imm_s(IntCC::NotEqual, reference, 0),
                }
            }
            HeapType::None
            | HeapType::NoFunc
            | HeapType::NoExtern
            | HeapType::NoExn
            | HeapType::NoCont => match ty.nullable {
                true => self.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0),
                false => self.builder.ins().iconst(types::I8, 0),
            },
            HeapType::I31 => {
                let bit = self.builder.ins().band_imm_u(reference, i64::from(I31_BIT));
                let is_i31 = self.builder.ins().icmp_imm_s(IntCC::NotEqual, bit, 0);
                self.or_null(is_i31, reference, ty.nullable)
            }
            HeapType::Eq => {
                let bits = self.builder.ins().band_imm_u(reference, UNBOXED_BITS);
                let is_eq =
                    self.builder.ins().icmp_imm_s(IntCC::NotEqual, bits, i64::from(HOST_BIT));
                if ty.nullable {
                    return is_eq;
                }
                let is_some = self.builder.ins().icmp_imm_s(IntCC::NotEqual, reference, 0);
                self.builder.ins().band(is_eq, is_some)
            }
            HeapType::Struct | HeapType::Array | HeapType::Concrete(_) => {
                self.test_object(reference, ty)
            }
        }
    }

    fn or_null(&mut self, matches: Value, reference: Value, nullable: bool) -> Value {
        if !nullable {
            return matches;
        }
        let is_null = self.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0);
        self.builder.ins().bor(matches, is_null)
    }

    /// [`Self::test_type`] of a type of objects or functions.
    fn test_object(&mut self, reference: Value, ty: RefType) -> Value {
        let end = self.builder.create_block();
        let result = self.builder.append_block_param(end, types::I8);
        let is_func = matches!(ty.heap, HeapType::Concrete(index) if self.is_func_type(index));
        let of_null = self.builder.ins().iconst(types::I8, i64::from(ty.nullable));
        let some = self.builder.create_block();
        self.builder.ins().brif(reference, some, &[], end, &[of_null.into()]);
        self.builder.seal_block(some);
        self.builder.switch_to_block(some);
        if !is_func {
            let object = self.builder.create_block();
            let bits = self.builder.ins().band_imm_u(reference, UNBOXED_BITS);
            let no = self.builder.ins().iconst(types::I8, 0);
            self.builder.ins().brif(bits, end, &[no.into()], object, &[]);
            self.builder.seal_block(object);
            self.builder.switch_to_block(object);
        }
        let matches = match ty.heap {
            HeapType::Concrete(index) if is_func => self.test_record(reference, index, end),
            HeapType::Concrete(index) => self.test_concrete(reference, index, end),
            heap => self.test_kind(reference, heap == HeapType::Struct),
        };
        self.builder.ins().jump(end, &[matches.into()]);
        self.builder.seal_block(end);
        self.builder.switch_to_block(end);
        result
    }

    fn object_type(&mut self, reference: Value) -> Value {
        let address = self.object_address(reference);
        self.load_changing(Region::Headers, types::I32, address, 0)
    }

    /// The address of the descriptor of a type.
    fn descriptor(&mut self, id: Value) -> Value {
        let at = offset_of!(Instance, descriptors);
        let descriptors = self.load_fixed(types::I64, self.vmctx, at);
        let id = self.builder.ins().uextend(types::I64, id);
        let offset = self.builder.ins().ishl_imm_u(id, i64::from(DESCRIPTOR_SHIFT));
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

    /// Whether an object is of a type of the module; jumps to `end` when it is exactly.
    fn test_concrete(&mut self, reference: Value, index: TypeIndex, end: Block) -> Value {
        let id = self.object_type(reference);
        let expected = self.type_id(index);
        let same = self.builder.ins().icmp(IntCC::Equal, id, expected);
        let module = self.src.input.module;
        if module.types[index.index()].is_final {
            return same;
        }
        self.end_if(same, end);
        let descriptor = self.descriptor(id);
        let depth = module.supertype_depth(index);
        let fixed = self.regions.fixed_here(self.builder.func);
        let list = if depth < DISPLAY_LENGTH {
            let display = offset_of!(TypeDescriptor, display);
            self.builder.ins().iadd_imm_s(descriptor, i64::from(crate::offset(display)))
        } else {
            let at = crate::offset(offset_of!(TypeDescriptor, supertypes));
            self.builder.ins().load(types::I64, fixed, descriptor, at)
        };
        let at = crate::offset(depth * size_of::<u32>());
        let found = self.builder.ins().load(types::I32, fixed, list, at);
        self.builder.ins().icmp(IntCC::Equal, found, expected)
    }

    /// The same of a function.
    fn test_record(&mut self, record: Value, index: TypeIndex, end: Block) -> Value {
        let fixed = self.regions.fixed_here(self.builder.func);
        let at = crate::offset(offset_of!(FuncRef, type_id));
        let id = self.builder.ins().load(types::I32, fixed, record, at);
        let expected = self.type_id(index);
        let same = self.builder.ins().icmp(IntCC::Equal, id, expected);
        let module = self.src.input.module;
        if module.types[index.index()].is_final {
            return same;
        }
        self.end_if(same, end);
        let at = crate::offset(offset_of!(FuncRef, supertypes));
        let list = self.builder.ins().load(types::I64, fixed, record, at);
        let at = crate::offset(module.supertype_depth(index) * size_of::<u32>());
        let found = self.builder.ins().load(types::I32, fixed, list, at);
        self.builder.ins().icmp(IntCC::Equal, found, expected)
    }

    /// Goes to `end` with "yes" when `same` holds.
    fn end_if(&mut self, same: Value, end: Block) {
        let other = self.builder.create_block();
        let yes = self.builder.ins().iconst(types::I8, 1);
        self.builder.ins().brif(same, end, &[yes.into()], other, &[]);
        self.builder.seal_block(other);
        self.builder.switch_to_block(other);
    }
}
