//! `ref.eq`, `i31`, tests and casts.
//!
//! A test ends with the zero flag set exactly when the value belongs to the type, so that tests,
//! casts and branches share it.

use crate::compiler::FuncCompiler;
use crate::masm::{Addr, Cond, Gpr, RSP, SCRATCH, ShortJump, Width};
use crate::value::Ty;
use smallvec::SmallVec;
use std::mem::offset_of;
use upshift_abi::index::TypeIndex;
use upshift_abi::layout::{DISPLAY_LENGTH, FuncRef, HOST_BIT, I31_BIT, Instance, TypeDescriptor};
use upshift_abi::profile::BRANCH_WORDS;
use upshift_abi::trap::Trap;
use upshift_abi::types::{CompositeType, HeapType, RefType};

/// Jumps to the end of a test.
type Ends = SmallVec<[ShortJump; 4]>;

/// The bits of a reference that are 0 for objects and null.
const UNBOXED_BITS: i32 = (I31_BIT | HOST_BIT) as i32;

impl FuncCompiler<'_> {
    /// `ref.eq`
    pub(crate) fn ref_eq(&mut self) {
        let second = self.pop();
        let second = self.read_gpr(second);
        let first = self.pop();
        let first = self.read_gpr(first);
        self.asm.cmp_rr(Width::W64, first, second);
        self.push_condition(Cond::E);
    }

    /// `ref.i31`
    pub(crate) fn ref_i31(&mut self) {
        let value = self.pop();
        let r = self.own_gpr(value);
        self.asm.add_rr(Width::W32, r, r);
        self.asm.or_ri(Width::W32, r, I31_BIT as i32);
        self.push_gpr(r, Ty::Ref);
    }

    /// `i31.get_s`, `i31.get_u`
    pub(crate) fn i31_get(&mut self, signed: bool) {
        let reference = self.pop();
        let r = self.own_gpr(reference);
        self.asm.test_rr(Width::W32, r, r);
        self.trap_if(Cond::E, Trap::NullI31Reference);
        if signed {
            self.asm.sar_ri(Width::W32, r, 1);
        } else {
            self.asm.shr_ri(Width::W32, r, 1);
        }
        self.push_gpr(r, Ty::I32);
    }

    /// `ref.test`
    pub(crate) fn ref_test(&mut self, nullable: bool, heap: wasmparser::HeapType) {
        let reference = self.pop();
        let r = self.read_gpr(reference);
        self.test_type(r, RefType { nullable, heap: heap.into() });
        self.push_condition_before(self.after_leb128(self.after_opcode()), Cond::E);
    }

    /// `ref.cast`
    pub(crate) fn ref_cast(&mut self, nullable: bool, heap: wasmparser::HeapType) {
        let reference = self.pop();
        let r = self.own_gpr(reference);
        self.test_type(r, RefType { nullable, heap: heap.into() });
        self.trap_if(Cond::NE, Trap::CastFailure);
        self.push_gpr(r, Ty::Ref);
    }

    /// `br_on_cast`, and `br_on_cast_fail` with the opposite condition.
    pub(crate) fn br_on_cast(&mut self, depth: u32, to: wasmparser::RefType, cond: Cond) {
        let reference = self.pop();
        let r = self.own_gpr(reference);
        self.push_gpr(r, Ty::Ref);
        let heap = to.heap_type().into();
        let [executed, others] = BRANCH_WORDS;
        let site = self.profiled_site();
        self.count_branch(site, executed);
        self.test_type(r, RefType { nullable: to.is_nullable(), heap });
        self.branch_if(cond, depth);
        self.count_branch(site, others);
        self.charge_fuel();
    }

    /// Counts in a word of the site of a branch, which begins so many words behind the counters.
    fn count_branch(&mut self, site: Option<usize>, word: usize) {
        let Some(site) = site else { return };
        self.load_counters(self.cached_vmctx());
        let at = (site + word) * size_of::<u32>();
        self.asm.sub_mi8(Width::W32, Addr::Base(SCRATCH, at as i32), -1);
    }

    /// Sets the zero flag exactly when the reference in `r` is of type `ty`.
    fn test_type(&mut self, r: Gpr, ty: RefType) {
        let temp = self.alloc_gpr();
        match ty.heap {
            HeapType::Any | HeapType::Func | HeapType::Extern | HeapType::Exn | HeapType::Cont => {
                if ty.nullable {
                    return self.asm.cmp_rr(Width::W64, r, r);
                }
                self.asm.test_rr(Width::W64, r, r);
                self.asm.setcc(Cond::NE, temp);
                self.asm.cmp_ri(Width::W32, temp, 1);
            }
            HeapType::None
            | HeapType::NoFunc
            | HeapType::NoExtern
            | HeapType::NoExn
            | HeapType::NoCont => {
                // The stack pointer is not 0.
                let tested = if ty.nullable { r } else { RSP };
                self.asm.test_rr(Width::W64, tested, tested);
            }
            HeapType::I31 | HeapType::Eq | HeapType::Struct | HeapType::Array => {
                self.test_abstract(r, temp, ty);
            }
            HeapType::Concrete(index) => self.test_concrete(r, temp, ty.nullable, index),
        }
    }

    /// Jumps to the end for null, with what that means there in the zero flag.
    fn end_for_null(&mut self, r: Gpr, nullable: bool, ends: &mut Ends) {
        if nullable {
            self.asm.test_rr(Width::W64, r, r);
            ends.push(self.asm.jcc_short(Cond::E));
        } else {
            self.asm.cmp_ri(Width::W64, r, 1);
            ends.push(self.asm.jcc_short(Cond::B));
        }
    }

    fn end_tests(&mut self, ends: Ends) {
        for end in ends {
            self.asm.end_short(end);
        }
    }

    fn test_abstract(&mut self, r: Gpr, temp: Gpr, ty: RefType) {
        let heap = (!matches!(ty.heap, HeapType::I31 | HeapType::Eq)).then(|| self.heap_base());
        let vmctx = heap.map(|_| self.vmctx());
        let mut ends = Ends::new();
        self.end_for_null(r, ty.nullable, &mut ends);
        match (ty.heap, heap, vmctx) {
            (HeapType::I31, ..) => {
                self.asm.mov_rr(Width::W32, temp, r);
                self.asm.xor_ri(Width::W32, temp, 1);
                self.asm.test_ri(Width::W32, temp, I31_BIT as i32);
            }
            (_, Some(heap), Some(vmctx)) => {
                self.asm.test_ri(Width::W32, r, UNBOXED_BITS);
                ends.push(self.asm.jcc_short(Cond::NE));
                self.load_descriptor(temp, Addr::Indexed(heap, r, 0), vmctx);
                let kind = Addr::Base(temp, offset_of!(TypeDescriptor, kind) as i32);
                self.asm.load_w(Width::W32, temp, kind);
                // Structures have odd kinds, arrays even ones.
                if ty.heap == HeapType::Struct {
                    self.asm.xor_ri(Width::W32, temp, 1);
                }
                self.asm.test_ri(Width::W32, temp, 1);
            }
            _ => {
                self.asm.mov_rr(Width::W32, temp, r);
                self.asm.and_ri(Width::W32, temp, UNBOXED_BITS);
                self.asm.cmp_ri(Width::W32, temp, HOST_BIT as i32);
                self.asm.setcc(Cond::NE, temp);
                self.asm.cmp_ri(Width::W32, temp, 1);
            }
        }
        self.end_tests(ends);
    }

    /// The address of the descriptor of the type whose number is in memory.
    fn load_descriptor(&mut self, d: Gpr, number: Addr, vmctx: Gpr) {
        self.asm.load_w(Width::W32, d, number);
        let descriptors = Addr::Base(vmctx, offset_of!(Instance, descriptors) as i32);
        self.asm.add_rm(Width::W64, d, descriptors);
    }

    fn test_concrete(&mut self, r: Gpr, temp: Gpr, nullable: bool, index: TypeIndex) {
        let module = self.src.input.module;
        let ty = &module.types[index.index()];
        let is_func = matches!(ty.composite, CompositeType::Func(_));
        let heap = if is_func { r } else { self.heap_base() };
        let vmctx = self.vmctx();
        let id = self.alloc_gpr();
        let ids = Addr::Base(vmctx, offset_of!(Instance, type_ids) as i32);
        self.asm.load_w(Width::W64, id, ids);
        self.asm.load_w(Width::W32, id, Addr::Base(id, index.0 as i32 * 4));
        let mut ends = Ends::new();
        self.end_for_null(r, nullable, &mut ends);
        let number = if is_func {
            Addr::Base(r, offset_of!(FuncRef, type_id) as i32)
        } else {
            self.asm.test_ri(Width::W32, r, UNBOXED_BITS);
            ends.push(self.asm.jcc_short(Cond::NE));
            Addr::Indexed(heap, r, 0)
        };
        self.asm.cmp_rm(Width::W32, id, number);
        if !ty.is_final {
            ends.push(self.asm.jcc_short(Cond::E));
            let depth = module.supertype_depth(index);
            let offset = depth as i32 * size_of::<u32>() as i32;
            let supertype = if is_func {
                let list = Addr::Base(r, offset_of!(FuncRef, supertypes) as i32);
                self.asm.load_w(Width::W64, temp, list);
                Addr::Base(temp, offset)
            } else {
                self.load_descriptor(temp, number, vmctx);
                if depth < DISPLAY_LENGTH {
                    Addr::Base(temp, offset + offset_of!(TypeDescriptor, display) as i32)
                } else {
                    let list = Addr::Base(temp, offset_of!(TypeDescriptor, supertypes) as i32);
                    self.asm.load_w(Width::W64, temp, list);
                    Addr::Base(temp, offset)
                }
            };
            self.asm.cmp_rm(Width::W32, id, supertype);
        }
        self.end_tests(ends);
    }
}
