//! Functions that all programs have: they make values from numbers, and numbers from values.

use super::{FUNCS, HeapType, I, STRUCT, assemble, fields, reference, val};
use crate::encoding::{FuncTypes, index};
use crate::throws::{HASH_DEPTH, Program, Ty, small};
use wasm_encoder::{BlockType, Catch, CodeSection, ValType};

/// Their order. The first three are functions that values are made of, and give their number.
const OF_FUNC: u32 = 3;
const TO_ANY: u32 = 4;
const OF_ANY: u32 = 5;
const TO_STRUCT: u32 = 6;
const OF_STRUCT: u32 = 7;
const OF_EXN: u32 = 8;

pub(super) fn count(program: &Program) -> u32 {
    if program.references { OF_EXN + 1 } else { OF_EXN }
}

/// Code that makes a value from the number on the stack.
pub(super) fn make(ty: Ty, helpers: u32) -> Vec<I<'static>> {
    match ty {
        Ty::I32 => vec![],
        Ty::I64 => vec![I::I64ExtendI32U, I::I64Const(0x1_0000_0001), I::I64Mul],
        Ty::F32 => vec![I::I32Const(0xff_ffff), I::I32And, I::F32ConvertI32S],
        Ty::F64 => vec![I::F64ConvertI32S],
        Ty::V128 => vec![I::I32x4Splat],
        Ty::Func => vec![I::I32Const(3), I::I32And, I::TableGet(FUNCS)],
        Ty::Extern => vec![I::Call(helpers + TO_ANY), I::ExternConvertAny],
        Ty::Any => vec![I::Call(helpers + TO_ANY)],
        Ty::I31 => {
            let i31 = reference(Ty::I31, true).heap_type;
            vec![I::Call(helpers + TO_ANY), I::RefCastNullable(i31)]
        }
        Ty::Struct => vec![I::Call(helpers + TO_STRUCT)],
        Ty::Exn => vec![I::Drop, I::RefNull(reference(Ty::Exn, true).heap_type)],
    }
}

/// The other way round.
pub(super) fn number(ty: Ty, helpers: u32) -> Vec<I<'static>> {
    match ty {
        Ty::I32 => vec![],
        Ty::I64 => vec![I::I64Const(32), I::I64ShrU, I::I32WrapI64],
        Ty::F32 => vec![I::I32TruncF32S],
        Ty::F64 => vec![I::I32TruncF64S],
        Ty::V128 => vec![I::I32x4ExtractLane(3)],
        Ty::Func => vec![I::Call(helpers + OF_FUNC)],
        Ty::Extern => vec![I::AnyConvertExtern, I::Call(helpers + OF_ANY)],
        Ty::Any | Ty::I31 => vec![I::Call(helpers + OF_ANY)],
        Ty::Struct => vec![I::Call(helpers + OF_STRUCT)],
        Ty::Exn => vec![I::I32Const(HASH_DEPTH), I::Call(helpers + OF_EXN)],
    }
}

/// Writes all of them; gives their types.
pub(super) fn write(
    program: &Program,
    types: &mut FuncTypes,
    code: &mut CodeSection,
    helpers: u32,
) -> Vec<u32> {
    let number = types.func(&[], &[ValType::I32]);
    let mut declared = vec![number; 3];
    for n in 1..=3 {
        code.function(&assemble(&[], &[I::I32Const(n), I::End]));
    }
    let null = I::I32Const(0);
    let mut add = |param: Ty, result: Ty, body: Vec<I<'static>>| {
        declared.push(types.func(&[val(param)], &[val(result)]));
        code.function(&assemble(&[], &body));
    };
    let of_func = [I::RefCastNonNull(HeapType::Concrete(number)), I::CallRef(number)];
    add(Ty::Func, Ty::I32, unless_null(vec![I::RefIsNull], null.clone(), &of_func));
    let shifted = vec![I::I32Const(1), I::I32Shl, I::I32Eqz];
    let no_any = I::RefNull(reference(Ty::Any, true).heap_type);
    add(Ty::I32, Ty::Any, unless_null(shifted, no_any, &[I::RefI31]));
    let of_any = [I::RefCastNonNull(reference(Ty::I31, true).heap_type), I::I31GetS];
    add(Ty::Any, Ty::I32, unless_null(vec![I::RefIsNull], null.clone(), &of_any));
    let no_struct = I::RefNull(HeapType::Concrete(STRUCT));
    add(Ty::I32, Ty::Struct, unless_null(vec![I::I32Eqz], no_struct, &[I::StructNew(STRUCT)]));
    let of_struct = [I::StructGet { struct_type_index: STRUCT, field_index: 0 }];
    add(Ty::Struct, Ty::I32, unless_null(vec![I::RefIsNull], null, &of_struct));
    if program.references {
        declared.push(types.func(&[val(Ty::Exn), ValType::I32], &[ValType::I32]));
        let body = of_exn(program, types, helpers);
        // The number, and a field of each type.
        let mut locals = vec![ValType::I32];
        locals.extend(Ty::PLAIN.into_iter().chain([Ty::Exn]).map(val));
        code.function(&assemble(&locals, &body));
    }
    declared
}

/// `null` where the test of the parameter holds, else what `code` makes of the parameter.
fn unless_null(test: Vec<I<'static>>, null: I<'static>, code: &[I<'static>]) -> Vec<I<'static>> {
    let mut body = vec![I::LocalGet(0)];
    body.extend(test);
    body.extend([I::If(BlockType::Empty), null, I::Return, I::End, I::LocalGet(0)]);
    body.extend_from_slice(code);
    body.push(I::End);
    body
}

/// The number of an exception: throws it to see which tag catches it.
fn of_exn(program: &Program, types: &mut FuncTypes, helpers: u32) -> Vec<I<'static>> {
    const EXN: u32 = 0;
    const DEPTH: u32 = 1;
    const HASH: u32 = 2;
    let give = |n: i32| [I::If(BlockType::Empty), I::I32Const(n), I::Return, I::End];
    let mut body = vec![I::LocalGet(EXN), I::RefIsNull];
    body.extend(give(1));
    body.extend([I::LocalGet(DEPTH), I::I32Eqz]);
    body.extend(give(2));
    body.push(I::Block(BlockType::Empty));
    let tags: Vec<Vec<ValType>> = program.tags.iter().map(|tag| fields(tag)).collect();
    for payload in tags.iter().rev() {
        body.push(I::Block(types.block(&[], payload)));
    }
    let mut catches: Vec<Catch> =
        (0..index(tags.len())).map(|tag| Catch::One { tag, label: tag }).collect();
    catches.push(Catch::All { label: index(tags.len()) });
    body.push(I::TryTable(BlockType::Empty, catches.into()));
    body.extend([I::LocalGet(EXN), I::ThrowRef, I::End, I::Unreachable]);
    for (tag, fields) in program.tags.iter().enumerate() {
        body.extend([I::End, I::I32Const(10 + small(tag)), I::LocalSet(HASH)]);
        for field in fields.iter().rev() {
            let plain = Ty::PLAIN.iter().position(|&ty| ty == field.ty);
            let local = HASH + 1 + index(plain.unwrap_or(Ty::PLAIN.len()));
            body.extend([I::LocalSet(local), I::LocalGet(HASH), I::I32Const(31), I::I32Mul]);
            body.push(I::LocalGet(local));
            if field.ty == Ty::Exn {
                body.extend([I::LocalGet(DEPTH), I::I32Const(1), I::I32Sub]);
                body.push(I::Call(helpers + OF_EXN));
            } else {
                body.extend(number(field.ty, helpers));
            }
            body.extend([I::I32Add, I::LocalSet(HASH)]);
        }
        body.extend([I::LocalGet(HASH), I::Return]);
    }
    body.extend([I::End, I::I32Const(3), I::End]);
    body
}
