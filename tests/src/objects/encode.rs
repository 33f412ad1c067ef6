//! Writes programs as modules.

mod helpers;

use super::{
    Binary, Expr, Form, Function, GLOBALS, HASH_DEPTH, Program, Statement, Storage, Struct, TABLE,
    Target, Ty, model,
};
use crate::encoding::{FuncTypes, functions, index};
use helpers::{FROM_EXN, HASH, TO_EXN, TO_FUNC};
use wasm_encoder::{
    AbstractHeapType, ArrayType, BlockType, Catch, CodeSection, CompositeInnerType, CompositeType,
    ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, FieldType,
    GlobalSection, GlobalType, HeapType, ImportSection, Instruction as I, Module, RefType,
    StorageType, StructType, SubType, TableSection, TableType, TagKind, TagSection, TagType,
    TypeSection, ValType,
};

/// The host's function, the tag of all exceptions, the table of references, and that of the function that
/// hashes.
const BETWEEN: u32 = 0;
const TAG: u32 = 0;
const KEPT: u32 = 0;
const HASHES: u32 = 1;
/// What labels without a name are called.
const NO_LABEL: u32 = u32::MAX;

const I31: HeapType = abstract_type(AbstractHeapType::I31);
const EQ: HeapType = abstract_type(AbstractHeapType::Eq);
const ANY: ValType = ValType::Ref(RefType::ANYREF);

pub(super) fn module(program: &Program) -> Vec<u8> {
    let mut types = FuncTypes::from(index(program.structs.len() + program.arrays.len()));
    let tag = types.func(&[ANY, ValType::I32], &[]);
    let mut imports = ImportSection::new();
    imports.import("host", "between", EntityType::Function(types.func(&[ANY], &[ANY])));
    let mut code = CodeSection::new();
    let mut declared = helpers::write(program, &mut types, &mut code);
    let first = helpers::end(program);
    let mut exports = ExportSection::new();
    for (i, function) in program.functions.iter().enumerate() {
        declared.push(types.func(&list(program, &function.params), &[val(program, function.ty)]));
        write_function(program, &mut types, first, function).add_to(&mut code);
        declared.push(types.func(&[ValType::I32], &[ValType::I32]));
        write_export(program, &mut types, first + 2 * index(i), function).add_to(&mut code);
        exports.export(&format!("run{i}"), ExportKind::Func, first + 2 * index(i) + 1);
    }
    let mut tags = TagSection::new();
    tags.tag(TagType { kind: TagKind::Exception, func_type_idx: tag });
    let mut globals = GlobalSection::new();
    for ty in GLOBALS {
        let null = ConstExpr::ref_null(heap(program, ty));
        globals
            .global(GlobalType { val_type: val(program, ty), mutable: true, shared: false }, &null);
    }
    let mut elements = ElementSection::new();
    elements.active(Some(HASHES), &ConstExpr::i32_const(0), Elements::Functions([HASH][..].into()));
    elements.declared(Elements::Functions([helpers::LEAF][..].into()));
    let mut module = Module::new();
    module.section(&type_section(program, &types)).section(&imports).section(&functions(&declared));
    module.section(&tables()).section(&tags).section(&globals);
    module.section(&exports).section(&elements).section(&code);
    module.finish()
}

fn tables() -> TableSection {
    let mut tables = TableSection::new();
    for (element_type, size) in [(RefType::ANYREF, TABLE as u64), (RefType::FUNCREF, 1)] {
        tables.table(TableType {
            element_type,
            table64: false,
            minimum: size,
            maximum: Some(size),
            shared: false,
        });
    }
    tables
}

fn write_function<'a>(
    program: &'a Program,
    types: &'a mut FuncTypes,
    first: u32,
    function: &Function,
) -> Body<'a> {
    let mut locals = list(program, &function.locals[function.params.len()..]);
    locals.push(ANY);
    let mut body = Body::new(program, types, &locals);
    (body.first, body.spare) = (first, index(function.locals.len()));
    body.statements(&function.body);
    body.expr(&function.result);
    body
}

/// Calls the function at an index and hashes the result, the globals and the table.
fn write_export<'a>(
    program: &'a Program,
    types: &'a mut FuncTypes,
    callee: u32,
    function: &Function,
) -> Body<'a> {
    let mut body = Body::new(program, types, &[]);
    let last = I::RefNull(heap(program, function.params[2]));
    body.all([I::GlobalGet(0), I::LocalGet(0), last, I::Call(callee)]);
    if function.ty != Ty::I32 {
        body.hash(I::I32Const(HASH_DEPTH));
    }
    let globals = (0..index(GLOBALS.len())).map(|global| vec![I::GlobalGet(global)]);
    let table = (0..TABLE).map(|at| vec![I::I32Const(super::small(at)), I::TableGet(KEPT)]);
    for value in globals.chain(table) {
        body.all([I::I32Const(31), I::I32Mul]);
        body.all(value);
        body.hash(I::I32Const(HASH_DEPTH));
        body.push(I::I32Add);
    }
    body
}

/// Those of objects, then those of functions.
fn type_section(program: &Program, types: &FuncTypes) -> TypeSection {
    let mut section = TypeSection::new();
    let structs = program.structs.iter().map(|ty| {
        let fields = ty.fields.iter().map(|field| field.cell(program)).collect();
        let composite = CompositeInnerType::Struct(StructType { fields });
        sub_type(ty.is_final, ty.parent, composite)
    });
    let arrays = program.arrays.iter().map(|element| {
        let composite = CompositeInnerType::Array(ArrayType(element.cell(program)));
        sub_type(true, None, composite)
    });
    section.ty().rec(structs.chain(arrays).collect::<Vec<_>>());
    types.add_to(&mut section);
    section
}

fn sub_type(is_final: bool, parent: Option<usize>, inner: CompositeInnerType) -> SubType {
    SubType {
        is_final,
        supertype_idxs: parent.map(index).into_iter().collect(),
        composite_type: CompositeType { inner, shared: false, descriptor: None, describes: None },
    }
}

const fn abstract_type(ty: AbstractHeapType) -> HeapType {
    HeapType::Abstract { shared: false, ty }
}

/// The number of an array's type, behind those of structures.
fn array_type(program: &Program, array: usize) -> u32 {
    index(program.structs.len() + array)
}

fn heap(program: &Program, ty: Ty) -> HeapType {
    match ty {
        Ty::I32 | Ty::Any => abstract_type(AbstractHeapType::Any),
        Ty::Struct(ty) => HeapType::Concrete(index(ty)),
        Ty::Array(ty) => HeapType::Concrete(array_type(program, ty)),
    }
}

fn val(program: &Program, ty: Ty) -> ValType {
    match ty {
        Ty::I32 => ValType::I32,
        _ => ValType::Ref(RefType { nullable: true, heap_type: heap(program, ty) }),
    }
}

fn list(program: &Program, types: &[Ty]) -> Vec<ValType> {
    types.iter().map(|&ty| val(program, ty)).collect()
}

/// A test of a type, or a cast to it.
fn cast(nullable: bool, heap_type: HeapType) -> I<'static> {
    if nullable { I::RefCastNullable(heap_type) } else { I::RefCastNonNull(heap_type) }
}

fn test(nullable: bool, heap_type: HeapType) -> I<'static> {
    if nullable { I::RefTestNullable(heap_type) } else { I::RefTestNonNull(heap_type) }
}

impl Storage {
    fn cell(self, program: &Program) -> FieldType {
        let val = match self {
            Self::I8 => return FieldType { element_type: StorageType::I8, mutable: true },
            Self::I16 => return FieldType { element_type: StorageType::I16, mutable: true },
            Self::I32 => ValType::I32,
            Self::I64 => ValType::I64,
            Self::F64 => ValType::F64,
            Self::V128 => ValType::V128,
            Self::Func => ValType::Ref(RefType::FUNCREF),
            Self::Any => ANY,
            Self::Extern => ValType::Ref(RefType::EXTERNREF),
            Self::Exn => ValType::Ref(RefType::EXNREF),
            Self::Base => val(program, Ty::Struct(0)),
        };
        FieldType { element_type: StorageType::Val(val), mutable: true }
    }

    /// Code that makes what is stored from a value.
    fn store(self) -> Option<I<'static>> {
        match self {
            Self::I8 | Self::I16 | Self::I32 | Self::Any | Self::Base => None,
            Self::I64 => Some(I::I64ExtendI32S),
            Self::F64 => Some(I::F64ConvertI32S),
            Self::V128 => Some(I::I32x4Splat),
            Self::Func => Some(I::Call(TO_FUNC)),
            Self::Extern => Some(I::ExternConvertAny),
            Self::Exn => Some(I::Call(TO_EXN)),
        }
    }

    /// The other way round.
    fn load(self) -> &'static [I<'static>] {
        match self {
            Self::I8 | Self::I16 | Self::I32 | Self::Any | Self::Base => &[],
            Self::I64 => &[I::I32WrapI64],
            Self::F64 => &[I::I32TruncF64S],
            Self::V128 => &[I::I32x4ExtractLane(2)],
            Self::Func => &[I::RefIsNull, I::I32Eqz],
            Self::Extern => &[I::AnyConvertExtern],
            Self::Exn => &[I::Call(FROM_EXN)],
        }
    }

    fn get_field(self, ty: u32, field: u32, signed: bool) -> I<'static> {
        let (struct_type_index, field_index) = (ty, field);
        match self {
            Self::I8 | Self::I16 if signed => I::StructGetS { struct_type_index, field_index },
            Self::I8 | Self::I16 => I::StructGetU { struct_type_index, field_index },
            _ => I::StructGet { struct_type_index, field_index },
        }
    }

    fn get_element(self, ty: u32, signed: bool) -> I<'static> {
        match self {
            Self::I8 | Self::I16 if signed => I::ArrayGetS(ty),
            Self::I8 | Self::I16 => I::ArrayGetU(ty),
            _ => I::ArrayGet(ty),
        }
    }
}

/// The body of a function as it is written.
struct Body<'a> {
    program: &'a Program,
    types: &'a mut FuncTypes,
    /// The first of the program's functions.
    first: u32,
    /// A local that casts use.
    spare: u32,
    out: wasm_encoder::Function,
    /// Names of the open blocks, and the next name.
    labels: Vec<u32>,
    next_label: u32,
}

impl<'a> Body<'a> {
    fn new(program: &'a Program, types: &'a mut FuncTypes, locals: &[ValType]) -> Self {
        let out = wasm_encoder::Function::new_with_locals_types(locals.iter().copied());
        Self { program, types, first: 0, spare: 0, out, labels: vec![NO_LABEL], next_label: 0 }
    }

    fn add_to(mut self, code: &mut CodeSection) {
        self.push(I::End);
        code.function(&self.out);
    }

    fn push(&mut self, instruction: I<'_>) {
        self.out.instruction(&instruction);
    }

    fn all<'i>(&mut self, instructions: impl IntoIterator<Item = I<'i>>) {
        instructions.into_iter().for_each(|instruction| self.push(instruction));
    }

    /// Opens a block: its name.
    fn open(&mut self, instruction: I<'_>) -> u32 {
        self.push(instruction);
        let label = self.next_label;
        self.next_label += 1;
        self.labels.push(label);
        label
    }

    fn close(&mut self) {
        self.push(I::End);
        self.labels.pop();
    }

    fn depth(&self, label: u32) -> u32 {
        let found = self.labels.iter().rev().position(|&open| open == label);
        index(found.expect("labels are used where they are known"))
    }

    fn result(&self, ty: Ty) -> BlockType {
        BlockType::Result(val(self.program, ty))
    }

    fn struct_field(&self, ty: usize, field: usize) -> Storage {
        self.program.structs[ty].fields[field]
    }

    fn array(&self, ty: usize) -> (Storage, u32) {
        (self.program.arrays[ty], array_type(self.program, ty))
    }

    /// Hashes a reference down to a depth. By way of a table: inlining had better spend itself on what
    /// differs from program to program.
    fn hash(&mut self, depth: I<'static>) {
        let type_index = self.types.func(&[ANY, ValType::I32], &[ValType::I32]);
        self.all([depth, I::I32Const(0), I::CallIndirect { type_index, table_index: HASHES }]);
    }

    fn load(&mut self, storage: Storage) {
        self.all(storage.load().iter().cloned());
    }

    /// A value as it is stored.
    fn stored(&mut self, storage: Storage, value: &Expr) {
        self.expr(value);
        self.all(storage.store());
    }

    fn statements(&mut self, statements: &[Statement]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::SetLocal(local, value) => {
                self.expr(value);
                self.push(I::LocalSet(index(*local)));
            }
            Statement::SetGlobal(global, value) => {
                self.expr(value);
                self.push(I::GlobalSet(index(*global)));
            }
            Statement::SetTable(at, value) => {
                self.exprs([at, value]);
                self.push(I::TableSet(KEPT));
            }
            Statement::SetField { ty, field, object, value } => {
                self.expr(object);
                self.stored(self.struct_field(*ty, *field), value);
                let (struct_type_index, field_index) = (index(*ty), index(*field));
                self.push(I::StructSet { struct_type_index, field_index });
            }
            Statement::SetElement { ty, array, index, value } => {
                let (storage, ty) = self.array(*ty);
                self.exprs([array, index]);
                self.stored(storage, value);
                self.push(I::ArraySet(ty));
            }
            Statement::Fill { ty, array, index, value, length } => {
                let (storage, ty) = self.array(*ty);
                self.exprs([array, index]);
                self.stored(storage, value);
                self.expr(length);
                self.push(I::ArrayFill(ty));
            }
            Statement::Copy { ty, to, to_index, from, from_index, length } => {
                let (_, ty) = self.array(*ty);
                self.exprs([to, to_index, from, from_index, length]);
                self.push(I::ArrayCopy { array_type_index_dst: ty, array_type_index_src: ty });
            }
            _ => self.nested(statement),
        }
    }

    /// Statements with others in them.
    fn nested(&mut self, statement: &Statement) {
        match statement {
            Statement::If { condition, then, or } => {
                self.expr(condition);
                self.open(I::If(BlockType::Empty));
                self.statements(then);
                self.push(I::Else);
                self.statements(or);
                self.close();
            }
            Statement::Loop { counter, turns, body } => {
                let counter = index(*counter);
                self.all([I::I32Const(*turns), I::LocalSet(counter)]);
                self.open(I::Loop(BlockType::Empty));
                self.statements(body);
                self.all([I::LocalGet(counter), I::I32Const(1), I::I32Sub, I::LocalTee(counter)]);
                self.all([I::I32Const(0), I::I32GtS, I::BrIf(0)]);
                self.close();
            }
            Statement::Try { body, reference, number } => {
                let payload = self.types.func(&[], &[ANY, ValType::I32]);
                let done = self.open(I::Block(BlockType::Empty));
                self.open(I::Block(BlockType::FunctionType(payload)));
                let catch = Catch::One { tag: TAG, label: 0 };
                self.open(I::TryTable(BlockType::Empty, [catch][..].into()));
                self.statements(body);
                self.close();
                self.push(I::Br(self.depth(done)));
                self.close();
                self.all([I::LocalSet(index(*number)), I::LocalSet(index(*reference))]);
                self.close();
            }
            Statement::Throw { condition, reference, number } => {
                self.expr(condition);
                self.open(I::If(BlockType::Empty));
                self.exprs([reference, number]);
                self.push(I::Throw(TAG));
                self.close();
            }
            _ => unreachable!("no statement with others in it"),
        }
    }

    fn exprs<'e>(&mut self, values: impl IntoIterator<Item = &'e Expr>) {
        values.into_iter().for_each(|value| self.expr(value));
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Local(local) => self.push(I::LocalGet(index(*local))),
            Expr::Global(global) => self.push(I::GlobalGet(index(*global))),
            Expr::Table(at) => {
                self.expr(at);
                self.push(I::TableGet(KEPT));
            }
            Expr::Field { ty, field, signed, object } => {
                let storage = self.struct_field(*ty, *field);
                self.expr(object);
                self.push(storage.get_field(index(*ty), index(*field), *signed));
                self.load(storage);
            }
            Expr::Element { ty, signed, array, index } => {
                let (storage, ty) = self.array(*ty);
                self.exprs([&**array, index]);
                self.push(storage.get_element(ty, *signed));
                self.load(storage);
            }
            Expr::If { ty, condition, then, or } => {
                self.expr(condition);
                self.open(I::If(self.result(*ty)));
                self.expr(then);
                self.push(I::Else);
                self.expr(or);
                self.close();
            }
            Expr::Select { ty, condition, then, or } => {
                self.exprs([&**then, or, condition]);
                self.push(I::TypedSelect(val(self.program, *ty)));
            }
            Expr::Call(callee, args) => {
                self.exprs(args);
                self.push(I::Call(self.first + 2 * index(*callee)));
            }
            Expr::Host(value) => {
                self.expr(value);
                self.push(I::Call(BETWEEN));
            }
            Expr::Null(ty) => self.push(I::RefNull(heap(self.program, *ty))),
            Expr::I31(value) => {
                self.expr(value);
                self.push(I::RefI31);
            }
            Expr::Cast { .. } | Expr::CastOr { .. } | Expr::OrNew(..) => self.cast(expr),
            _ => self.new_object(expr),
        }
    }

    fn new_object(&mut self, expr: &Expr) {
        match expr {
            Expr::NewStruct(ty, values) => {
                let program = self.program;
                let Struct { fields, .. } = &program.structs[*ty];
                fields.iter().zip(values).for_each(|(field, value)| self.stored(*field, value));
                self.push(I::StructNew(index(*ty)));
            }
            Expr::NewDefault(ty) => self.push(I::StructNewDefault(index(*ty))),
            Expr::NewArray { ty, init, length } => {
                let (storage, ty) = self.array(*ty);
                self.stored(storage, init);
                self.expr(length);
                self.push(I::ArrayNew(ty));
            }
            Expr::NewArrayDefault { ty, length } => {
                self.expr(length);
                self.push(I::ArrayNewDefault(self.array(*ty).1));
            }
            Expr::NewFixed(ty, values) => {
                let (storage, ty) = self.array(*ty);
                values.iter().for_each(|value| self.stored(storage, value));
                let array_size = index(values.len());
                self.push(I::ArrayNewFixed { array_type_index: ty, array_size });
            }
            _ => self.number(expr),
        }
    }

    fn number(&mut self, expr: &Expr) {
        match expr {
            Expr::Const(value) => self.push(I::I32Const(*value)),
            Expr::Binary(op, first, second) => {
                self.exprs([&**first, second]);
                self.push(match op {
                    Binary::Add => I::I32Add,
                    Binary::Sub => I::I32Sub,
                    Binary::Mul => I::I32Mul,
                    Binary::Xor => I::I32Xor,
                    Binary::And => I::I32And,
                    Binary::LtS => I::I32LtS,
                });
            }
            Expr::Length(array) => {
                self.expr(array);
                self.push(I::ArrayLen);
            }
            Expr::Test { target, nullable, value } => {
                self.expr(value);
                self.push(test(*nullable, self.target(*target)));
            }
            Expr::Same(first, second) => {
                for value in [first, second] {
                    self.expr(value);
                    self.push(cast(true, EQ));
                }
                self.push(I::RefEq);
            }
            Expr::IsNull(value) => {
                self.expr(value);
                self.push(I::RefIsNull);
            }
            Expr::Unboxed(value, other) => {
                let done = self.open(I::Block(BlockType::Result(ValType::I32)));
                let no = self.open(I::Block(BlockType::Result(ANY)));
                self.expr(value);
                let to_ref_type = RefType { nullable: false, heap_type: I31 };
                self.branch_on_fail(no, to_ref_type);
                self.all([I::I31GetS, I::Br(self.depth(done))]);
                self.close();
                self.push(I::Drop);
                self.expr(other);
                self.close();
            }
            Expr::Hash(value) => {
                self.expr(value);
                self.hash(I::I32Const(HASH_DEPTH));
            }
            _ => unreachable!("no number"),
        }
    }

    fn target(&self, target: Target) -> HeapType {
        match target {
            Target::Ty(ty) => heap(self.program, ty),
            Target::I31 => I31,
            Target::Eq => EQ,
            Target::AnyStruct => abstract_type(AbstractHeapType::Struct),
            Target::AnyArray => abstract_type(AbstractHeapType::Array),
            Target::None => abstract_type(AbstractHeapType::None),
        }
    }

    fn branch_on_fail(&mut self, label: u32, to_ref_type: RefType) {
        let (relative_depth, from_ref_type) = (self.depth(label), RefType::ANYREF);
        self.push(I::BrOnCastFail { relative_depth, from_ref_type, to_ref_type });
    }

    fn cast(&mut self, expr: &Expr) {
        match expr {
            Expr::Cast { ty, nullable, value } => {
                self.expr(value);
                self.push(cast(*nullable, heap(self.program, *ty)));
            }
            Expr::CastOr { form: Form::Test, ty, nullable, value, other } => {
                let heap = heap(self.program, *ty);
                self.expr(value);
                self.all([I::LocalTee(self.spare), test(*nullable, heap)]);
                self.open(I::If(self.result(*ty)));
                self.all([I::LocalGet(self.spare), cast(*nullable, heap), I::Else]);
                self.expr(other);
                self.close();
            }
            Expr::CastOr { ty, nullable, form, value, other } => {
                let to_ref_type =
                    RefType { nullable: *nullable, heap_type: heap(self.program, *ty) };
                let done = self.open(I::Block(self.result(*ty)));
                if let Form::Branch = form {
                    self.expr(value);
                    let (relative_depth, from_ref_type) = (self.depth(done), RefType::ANYREF);
                    self.push(I::BrOnCast { relative_depth, from_ref_type, to_ref_type });
                } else {
                    let no = self.open(I::Block(BlockType::Result(ANY)));
                    self.expr(value);
                    self.branch_on_fail(no, to_ref_type);
                    self.push(I::Br(self.depth(done)));
                    self.close();
                }
                self.push(I::Drop);
                self.expr(other);
                self.close();
            }
            Expr::OrNew(ty, value) => {
                let heap_type = heap(self.program, *ty);
                let present = ValType::Ref(RefType { nullable: false, heap_type });
                let label = self.open(I::Block(BlockType::Result(present)));
                self.expr(value);
                self.push(I::BrOnNonNull(self.depth(label)));
                match *ty {
                    Ty::Struct(ty) => self.push(I::StructNewDefault(index(ty))),
                    Ty::Array(ty) => {
                        self.push(I::I32Const(model::SPARE_LENGTH.cast_signed()));
                        self.push(I::ArrayNewDefault(self.array(ty).1));
                    }
                    Ty::I32 | Ty::Any => unreachable!("no type of objects"),
                }
                self.close();
            }
            _ => unreachable!("no cast"),
        }
    }
}
