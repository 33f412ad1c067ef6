//! Functions that all programs have: they wrap references into other values and get them back, and hash
//! what a reference leads to.

use super::{ANY, Body, I, I31, TAG, array_type, cast, test};
use crate::encoding::{FuncTypes, index};
use crate::objects::{HASH_ELEMENTS, Program, Storage, Ty, small};
use wasm_encoder::{AbstractHeapType, BlockType, Catch, CodeSection, HeapType, RefType, ValType};

/// Their order, behind the host's function. Behind them is one that hashes for each type of objects.
pub(super) const LEAF: u32 = 1;
pub(super) const TO_FUNC: u32 = 2;
pub(super) const TO_EXN: u32 = 3;
pub(super) const FROM_EXN: u32 = 4;
pub(super) const HASH: u32 = 5;
const HASH_OBJECT: u32 = 6;

const EXN: ValType = ValType::Ref(RefType::EXNREF);

/// Behind the last one.
pub(super) fn end(program: &Program) -> u32 {
    HASH_OBJECT + index(program.structs.len() + program.arrays.len())
}

/// Writes all of them; gives their types.
pub(super) fn write(program: &Program, types: &mut FuncTypes, code: &mut CodeSection) -> Vec<u32> {
    let hash = types.func(&[ANY, ValType::I32], &[ValType::I32]);
    let mut declared = vec![
        types.func(&[], &[]),
        types.func(&[ValType::I32], &[ValType::Ref(RefType::FUNCREF)]),
        types.func(&[ANY], &[EXN]),
        types.func(&[EXN], &[ANY]),
        hash,
    ];
    Body::new(program, types, &[]).add_to(code);
    to_func(program, types).add_to(code);
    to_exn(program, types).add_to(code);
    from_exn(program, types).add_to(code);
    hash_any(program, types).add_to(code);
    for ty in 0..program.structs.len() {
        hash_struct(program, types, ty).add_to(code);
    }
    for ty in 0..program.arrays.len() {
        hash_array(program, types, ty).add_to(code);
    }
    declared.extend((HASH_OBJECT..end(program)).map(|_| hash));
    declared
}

fn to_func<'a>(program: &'a Program, types: &'a mut FuncTypes) -> Body<'a> {
    let mut body = Body::new(program, types, &[]);
    let result = BlockType::Result(ValType::Ref(RefType::FUNCREF));
    body.all([I::LocalGet(0), I::I32Const(1), I::I32And, I::If(result), I::RefFunc(LEAF)]);
    body.all([I::Else, I::RefNull(HeapType::FUNC), I::End]);
    body
}

fn to_exn<'a>(program: &'a Program, types: &'a mut FuncTypes) -> Body<'a> {
    let mut body = Body::new(program, types, &[]);
    let catch = Catch::AllRef { label: 0 };
    body.all([I::Block(BlockType::Result(EXN)), try_table(catch)]);
    body.all([I::LocalGet(0), I::I32Const(0), I::Throw(TAG), I::End, I::Unreachable, I::End]);
    body
}

fn from_exn<'a>(program: &'a Program, types: &'a mut FuncTypes) -> Body<'a> {
    let payload = types.func(&[], &[ANY, ValType::I32]);
    let mut body = Body::new(program, types, &[]);
    let none = I::RefNull(super::abstract_type(AbstractHeapType::Any));
    body.all([I::LocalGet(0), I::RefIsNull, I::If(BlockType::Empty), none, I::Return, I::End]);
    let catch = Catch::One { tag: TAG, label: 0 };
    body.all([I::Block(BlockType::FunctionType(payload)), try_table(catch)]);
    body.all([I::LocalGet(0), I::ThrowRef, I::End, I::Unreachable, I::End, I::Drop]);
    body
}

fn try_table(catch: Catch) -> I<'static> {
    I::TryTable(BlockType::Empty, vec![catch].into())
}

/// Hashes a reference, down to a depth: calls the function of the object's type.
fn hash_any<'a>(program: &'a Program, types: &'a mut FuncTypes) -> Body<'a> {
    let mut body = Body::new(program, types, &[]);
    let when = I::If(BlockType::Empty);
    body.all([I::LocalGet(0), I::RefIsNull, when.clone(), I::I32Const(1), I::Return, I::End]);
    body.all([I::LocalGet(0), test(false, I31), when.clone()]);
    body.all([I::LocalGet(0), cast(false, I31), I::I31GetS, I::I32Const(3), I::I32Mul]);
    body.all([I::I32Const(2), I::I32Add, I::Return, I::End]);
    body.all([I::LocalGet(1), I::I32Eqz, when.clone(), I::I32Const(5), I::Return, I::End]);
    // Subtypes come behind their supertypes.
    for ty in (0..index(program.structs.len() + program.arrays.len())).rev() {
        body.all([I::LocalGet(0), test(false, HeapType::Concrete(ty)), when.clone()]);
        body.all([I::LocalGet(0), I::LocalGet(1), I::I32Const(1), I::I32Sub]);
        body.all([I::Call(HASH_OBJECT + ty), I::Return, I::End]);
    }
    body.push(I::Unreachable);
    body
}

/// The hash is in local 2.
fn hash_struct<'a>(program: &'a Program, types: &'a mut FuncTypes, ty: usize) -> Body<'a> {
    let mut body = Body::new(program, types, &[ValType::I32]);
    body.all([I::I32Const(small(ty) + 11), I::LocalSet(2)]);
    for (field, storage) in program.structs[ty].fields.iter().enumerate() {
        let object = [I::LocalGet(0), cast(false, HeapType::Concrete(index(ty)))];
        let get = storage.get_field(index(ty), index(field), false);
        body.hash_part(*storage, object.into_iter().chain([get]));
    }
    body.push(I::LocalGet(2));
    body
}

/// The index is in local 3, the length in local 4.
fn hash_array<'a>(program: &'a Program, types: &'a mut FuncTypes, ty: usize) -> Body<'a> {
    let (storage, number) = (program.arrays[ty], array_type(program, ty));
    let mut body = Body::new(program, types, &[ValType::I32; 3]);
    let array = [I::LocalGet(0), cast(true, HeapType::Concrete(number))];
    body.all(array.clone());
    body.all([I::ArrayLen, I::LocalTee(4), I::I32Const(7), I::I32Mul]);
    body.all([I::I32Const(small(ty)), I::I32Add, I::LocalSet(2)]);
    body.all([I::Loop(BlockType::Empty), I::LocalGet(3), I::LocalGet(4)]);
    body.all([I::I32Const(HASH_ELEMENTS), I::LocalGet(4), I::I32Const(HASH_ELEMENTS), I::I32LtS]);
    body.all([I::Select, I::I32LtS, I::If(BlockType::Empty)]);
    let get = [I::LocalGet(3), storage.get_element(number, false)];
    body.hash_part(storage, array.into_iter().chain(get));
    body.all([I::LocalGet(3), I::I32Const(1), I::I32Add, I::LocalSet(3), I::Br(1)]);
    body.all([I::End, I::End, I::LocalGet(2)]);
    body
}

impl Body<'_> {
    /// Code that mixes a field or an element into the hash.
    fn hash_part(&mut self, storage: Storage, get: impl IntoIterator<Item = I<'static>>) {
        self.all([I::LocalGet(2), I::I32Const(31), I::I32Mul]);
        self.all(get);
        self.load(storage);
        if storage.ty() != Ty::I32 {
            self.hash(I::LocalGet(1));
        }
        self.all([I::I32Add, I::LocalSet(2)]);
    }
}
