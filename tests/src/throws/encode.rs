//! Writes programs as modules. Text has no form for the operators of the first proposal.

mod helpers;

use super::{
    Below, Binary, Callee, Clause, Expr, Field, Function, IMPORTED_TAGS, KEPT, Program, Statement,
    Target, Try, Ty,
};
use crate::encoding::{FuncTypes, functions, index};
use wasm_encoder::{
    AbstractHeapType, BlockType, Catch, CodeSection, ConstExpr, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, FieldType, GlobalSection, GlobalType, HeapType,
    ImportSection, Instruction as I, Module, RefType, StorageType, TableSection, TableType,
    TagKind, TagSection, TagType, TypeSection, ValType,
};

/// The type of structures comes first.
const STRUCT: u32 = 0;
/// The table of functions that values are made of, the table of calls, and that of exceptions.
const FUNCS: u32 = 0;
const CALLS: u32 = 1;
const EXNS: u32 = 2;
/// Imported functions.
const OP: u32 = 0;
const THROW: u32 = 1;
const NEXT: u32 = 2;
const AGAIN: u32 = 3;
/// What labels without a name are called.
const NO_LABEL: usize = usize::MAX;

pub(super) fn module(program: &Program) -> Vec<u8> {
    let mut types = FuncTypes::from(STRUCT + 1);
    let imports = if program.references { AGAIN + 1 } else { AGAIN };
    let first = imports + helpers::count(program);
    let mut code = CodeSection::new();
    let mut declared = helpers::write(program, &mut types, &mut code, imports);
    for function in &program.functions {
        declared.push(types.func(&list(&function.params), &list(&function.results)));
        let mut body = Body {
            program,
            types: &mut types,
            helpers: imports,
            first,
            out: Vec::new(),
            labels: vec![0],
        };
        body.statements(&function.body);
        body.exprs(&function.values);
        let mut out = std::mem::take(&mut body.out);
        out.push(I::End);
        code.function(&assemble(&list(&function.locals[function.params.len()..]), &out));
    }
    let (import_section, tag_section) = imports_and_tags(program, &mut types);
    let (tables, elements) = tables(program, imports, first);
    let mut globals = GlobalSection::new();
    for &ty in program.globals() {
        globals.global(GlobalType { val_type: val(ty), mutable: true, shared: false }, &zero(ty));
    }
    let mut module = Module::new();
    module.section(&type_section(&types)).section(&import_section).section(&functions(&declared));
    module.section(&tables).section(&tag_section).section(&globals);
    module.section(&exports(program, first)).section(&elements).section(&code);
    module.finish()
}

fn imports_and_tags(program: &Program, types: &mut FuncTypes) -> (ImportSection, TagSection) {
    let (mut imports, mut tags) = (ImportSection::new(), TagSection::new());
    let mut import = |name: &str, ty: u32| {
        imports.import("host", name, EntityType::Function(ty));
    };
    import("op", types.func(&[ValType::I32, ValType::I32], &[ValType::I32]));
    import("throw", types.func(&fields(&program.tags[0]), &[]));
    let next = &program.functions[program.next];
    import("next", types.func(&list(&next.params), &list(&next.results)));
    if program.references {
        import("again", types.func(&[val(Ty::Exn)], &[]));
    }
    for (index, tag) in program.tags.iter().enumerate() {
        let ty = TagType { kind: TagKind::Exception, func_type_idx: types.func(&fields(tag), &[]) };
        if index < IMPORTED_TAGS {
            imports.import("host", "tag", EntityType::Tag(ty));
        } else {
            tags.tag(ty);
        }
    }
    (imports, tags)
}

fn tables(program: &Program, imports: u32, first: u32) -> (TableSection, ElementSection) {
    let (mut tables, mut elements) = (TableSection::new(), ElementSection::new());
    let table = |element_type: RefType, size: u32| TableType {
        element_type,
        table64: false,
        minimum: size.into(),
        maximum: Some(size.into()),
        shared: false,
    };
    let called: Vec<u32> = (first..first + index(program.called)).chain([NEXT]).collect();
    tables.table(table(RefType::FUNCREF, 4)).table(table(RefType::FUNCREF, index(called.len())));
    if program.references {
        tables.table(table(RefType::EXNREF, KEPT.cast_unsigned()));
    }
    let numbers: Vec<u32> = (0..3).map(|n| imports + n).collect();
    elements.active(Some(FUNCS), &ConstExpr::i32_const(1), Elements::Functions(numbers.into()));
    elements.active(Some(CALLS), &ConstExpr::i32_const(0), Elements::Functions(called.into()));
    (tables, elements)
}

fn exports(program: &Program, first: u32) -> ExportSection {
    let mut exports = ExportSection::new();
    for run in 0..program.called {
        let function = first + index(program.called + run);
        exports.export(&format!("run{run}"), ExportKind::Func, function);
    }
    exports.export("next", ExportKind::Func, first + index(program.next));
    for tag in IMPORTED_TAGS..program.tags.len() {
        exports.export(&format!("tag{tag}"), ExportKind::Tag, index(tag));
    }
    exports
}

fn assemble(locals: &[ValType], code: &[I<'_>]) -> wasm_encoder::Function {
    let mut function = wasm_encoder::Function::new_with_locals_types(locals.iter().copied());
    code.iter().for_each(|instruction| {
        function.instruction(instruction);
    });
    function
}

fn type_section(types: &FuncTypes) -> TypeSection {
    let mut section = TypeSection::new();
    let field = FieldType { element_type: StorageType::Val(ValType::I32), mutable: true };
    section.ty().struct_([field]);
    types.add_to(&mut section);
    section
}

fn abstract_type(nullable: bool, ty: AbstractHeapType) -> RefType {
    RefType { nullable, heap_type: HeapType::Abstract { shared: false, ty } }
}

fn reference(ty: Ty, nullable: bool) -> RefType {
    match ty {
        Ty::Func => abstract_type(nullable, AbstractHeapType::Func),
        Ty::Extern => abstract_type(nullable, AbstractHeapType::Extern),
        Ty::I31 => abstract_type(nullable, AbstractHeapType::I31),
        Ty::Struct => RefType { nullable, heap_type: HeapType::Concrete(STRUCT) },
        Ty::Exn => abstract_type(nullable, AbstractHeapType::Exn),
        _ => abstract_type(nullable, AbstractHeapType::Any),
    }
}

fn val(ty: Ty) -> ValType {
    match ty {
        Ty::I32 => ValType::I32,
        Ty::I64 => ValType::I64,
        Ty::F32 => ValType::F32,
        Ty::F64 => ValType::F64,
        Ty::V128 => ValType::V128,
        _ => ValType::Ref(reference(ty, true)),
    }
}

fn zero(ty: Ty) -> ConstExpr {
    match ty {
        Ty::I32 => ConstExpr::i32_const(0),
        Ty::F64 => ConstExpr::f64_const(0.0.into()),
        Ty::V128 => ConstExpr::v128_const(0),
        _ => ConstExpr::ref_null(reference(ty, true).heap_type),
    }
}

fn list(types: &[Ty]) -> Vec<ValType> {
    types.iter().map(|&ty| val(ty)).collect()
}

/// Parameters of a tag.
fn fields(tag: &[Field]) -> Vec<ValType> {
    let one = |field: &Field| match field.non_null {
        true => ValType::Ref(reference(field.ty, false)),
        false => val(field.ty),
    };
    tag.iter().map(one).collect()
}

/// The body of a function as it is written.
struct Body<'a> {
    program: &'a Program,
    types: &'a mut FuncTypes,
    /// The first of the helpers, and the first of the program's functions.
    helpers: u32,
    first: u32,
    out: Vec<I<'static>>,
    labels: Vec<usize>,
}

impl Body<'_> {
    fn push(&mut self, instruction: I<'static>) {
        self.out.push(instruction);
    }

    fn open(&mut self, instruction: I<'static>, label: usize) {
        self.out.push(instruction);
        self.labels.push(label);
    }

    fn close(&mut self) {
        self.out.push(I::End);
        self.labels.pop();
    }

    fn depth(&self, label: usize) -> u32 {
        let found = self.labels.iter().rev().position(|&open| open == label);
        index(found.expect("labels are used where they are known"))
    }

    fn pop(&mut self, to: &[usize]) {
        to.iter().rev().for_each(|&local| self.push(I::LocalSet(index(local))));
    }

    fn pop_below(&mut self, below: &Below) {
        below.iter().rev().for_each(|(_, local)| self.push(I::LocalSet(index(*local))));
    }

    fn push_below(&mut self, below: &Below) {
        below.iter().for_each(|(value, _)| self.expr(value));
    }

    fn exprs(&mut self, values: &[Expr]) {
        values.iter().for_each(|value| self.expr(value));
    }

    fn statements(&mut self, statements: &[Statement]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Set(local, value) => {
                self.expr(value);
                self.pop(&[*local]);
            }
            Statement::SetGlobal(global, value) => {
                self.expr(value);
                self.push(I::GlobalSet(index(*global)));
            }
            Statement::Keep(at, value) => {
                self.kept_index(at);
                self.expr(value);
                self.push(I::TableSet(EXNS));
            }
            Statement::If { condition, then, or } => {
                self.expr(condition);
                self.open(I::If(BlockType::Empty), NO_LABEL);
                self.statements(then);
                if !or.is_empty() {
                    self.push(I::Else);
                    self.statements(or);
                }
                self.close();
            }
            Statement::Block { label, types, body, values, to } => {
                let ty = self.types.block(&[], &list(types));
                self.open(I::Block(ty), *label);
                self.statements(body);
                self.exprs(values);
                self.close();
                self.pop(to);
            }
            Statement::Break { label, values, condition } => {
                self.exprs(values);
                self.expr(condition);
                self.push(I::BrIf(self.depth(*label)));
                values.iter().for_each(|_| self.push(I::Drop));
            }
            Statement::Loop { .. } => self.loop_statement(statement),
            Statement::Try(block) if block.legacy => self.legacy_try(block),
            Statement::Try(block) => self.try_table(block),
            Statement::Delegate { to, body } => {
                self.open(I::Try(BlockType::Empty), NO_LABEL);
                self.statements(body);
                self.labels.pop();
                self.push(I::Delegate(self.depth(*to)));
            }
            _ => self.leave(statement),
        }
    }

    /// Calls, and what does not go on.
    fn leave(&mut self, statement: &Statement) {
        match statement {
            Statement::Call { callee, below, args, to } => {
                self.push_below(below);
                self.exprs(args);
                self.call(*callee, false);
                self.pop(to);
                self.pop_below(below);
            }
            Statement::TailCall { callee, args } => {
                self.exprs(args);
                self.call(*callee, true);
            }
            Statement::Host { op, arg, to } => {
                self.push(I::I32Const(*op));
                self.expr(arg);
                self.push(I::Call(OP));
                self.pop(&[*to]);
            }
            Statement::HostThrow(args) => {
                self.exprs(args);
                self.push(I::Call(THROW));
            }
            Statement::HostAgain(value) => {
                self.expr(value);
                self.push(I::Call(AGAIN));
            }
            Statement::Throw { tag, args } => {
                for (field, arg) in self.program.tags[*tag].iter().zip(args) {
                    self.expr(arg);
                    match field {
                        Field { ty: Ty::I31, non_null: true } => self.push(I::RefI31),
                        Field { non_null: true, .. } => self.push(I::StructNew(STRUCT)),
                        _ => {}
                    }
                }
                self.push(I::Throw(index(*tag)));
            }
            Statement::ThrowRef(value) => {
                self.expr(value);
                self.push(I::ThrowRef);
            }
            Statement::Rethrow(label) => self.push(I::Rethrow(self.depth(*label))),
            Statement::DivideByZero(local) => {
                self.push(I::LocalGet(index(*local)));
                self.push(I::I32Const(0));
                self.push(I::I32DivS);
                self.push(I::Drop);
            }
            _ => self.push(I::Unreachable),
        }
    }

    fn call(&mut self, callee: Callee, tail: bool) {
        let function = match callee {
            Callee::Direct(f) | Callee::Indirect(f) | Callee::Ref(f) => f,
            Callee::Next | Callee::NextIndirect => self.program.next,
        };
        let Function { params, results, .. } = &self.program.functions[function];
        let ty = self.types.func(&list(params), &list(results));
        let target = self.first + index(function);
        let indirect = match callee {
            Callee::Indirect(f) => Some(f),
            Callee::NextIndirect => Some(self.program.called),
            _ => None,
        };
        if let Some(at) = indirect {
            self.push(I::I32Const(super::small(at)));
        }
        if let Callee::Ref(_) = callee {
            self.push(I::RefFunc(target));
        }
        self.push(match (callee, tail) {
            (Callee::Direct(_), false) => I::Call(target),
            (Callee::Direct(_), true) => I::ReturnCall(target),
            (Callee::Next, false) => I::Call(NEXT),
            (Callee::Next, true) => I::ReturnCall(NEXT),
            (Callee::Ref(_), false) => I::CallRef(ty),
            (Callee::Ref(_), true) => I::ReturnCallRef(ty),
            (_, false) => I::CallIndirect { type_index: ty, table_index: CALLS },
            (_, true) => I::ReturnCallIndirect { type_index: ty, table_index: CALLS },
        });
    }

    fn loop_statement(&mut self, statement: &Statement) {
        let Statement::Loop { label, counter, turns, below, types, init, to, body, again } =
            statement
        else {
            unreachable!("not a loop")
        };
        self.push_below(below);
        self.exprs(init);
        self.push(I::I32Const(*turns));
        self.pop(&[*counter]);
        let types = list(types);
        let ty = self.types.block(&types, &types);
        self.open(I::Loop(ty), *label);
        self.pop(to);
        self.push(I::LocalGet(index(*counter)));
        self.push(I::I32Const(1));
        self.push(I::I32Sub);
        self.pop(&[*counter]);
        self.statements(body);
        self.exprs(again);
        self.push(I::LocalGet(index(*counter)));
        self.push(I::I32Const(0));
        self.push(I::I32GtS);
        self.push(I::BrIf(0));
        self.close();
        self.pop(to);
        self.pop_below(below);
    }

    /// Blocks around the `try_table`, one for each clause with a handler, whose code follows them.
    fn try_table(&mut self, block: &Try) {
        self.push_below(&block.below);
        let results = list(&block.results);
        let out = self.types.block(&[], &results);
        self.open(I::Block(out), block.label);
        let outside = self.labels.len();
        for clause in block.clauses.iter().rev() {
            if let Target::Handler { .. } = clause.target {
                let payload = self.payload(clause);
                let ty = self.types.block(&[], &payload);
                self.open(I::Block(ty), NO_LABEL);
            }
        }
        let mut handler = 0;
        let catches = block.clauses.iter().map(|clause| {
            let label = match clause.target {
                Target::Label(label) => self.depth(label),
                Target::Handler { .. } => {
                    handler += 1;
                    handler - 1
                }
            };
            match (clause.tag.map(index), clause.by_ref) {
                (Some(tag), false) => Catch::One { tag, label },
                (Some(tag), true) => Catch::OneRef { tag, label },
                (None, false) => Catch::All { label },
                (None, true) => Catch::AllRef { label },
            }
        });
        let catches: Vec<Catch> = catches.collect();
        self.push_below(&block.params);
        let params: Vec<ValType> =
            block.params.iter().map(|(value, _)| val(type_of(value))).collect();
        let ty = self.types.block(&params, &results);
        self.open(I::TryTable(ty, catches.into()), NO_LABEL);
        self.pop_below(&block.params);
        self.statements(&block.body);
        self.exprs(&block.values);
        self.close();
        for clause in &block.clauses {
            let Target::Handler { to, body, values } = &clause.target else { continue };
            self.push(I::Br(self.depth(block.label)));
            self.close();
            self.pop(to);
            self.statements(body);
            self.exprs(values);
        }
        debug_assert_eq!(self.labels.len(), outside, "all blocks are closed");
        self.close();
        self.pop(&block.to);
        self.pop_below(&block.below);
    }

    fn legacy_try(&mut self, block: &Try) {
        self.push_below(&block.below);
        self.push_below(&block.params);
        let params: Vec<ValType> =
            block.params.iter().map(|(value, _)| val(type_of(value))).collect();
        let ty = self.types.block(&params, &list(&block.results));
        self.open(I::Try(ty), block.label);
        self.pop_below(&block.params);
        self.statements(&block.body);
        self.exprs(&block.values);
        for clause in &block.clauses {
            self.push(clause.tag.map_or(I::CatchAll, |tag| I::Catch(index(tag))));
            let Target::Handler { to, body, values } = &clause.target else {
                unreachable!("clauses of the first proposal have code")
            };
            self.pop(to);
            self.statements(body);
            self.exprs(values);
        }
        self.close();
        self.pop(&block.to);
        self.pop_below(&block.below);
    }

    fn payload(&self, clause: &Clause) -> Vec<ValType> {
        let mut payload = clause.tag.map_or(Vec::new(), |tag| fields(&self.program.tags[tag]));
        if clause.by_ref {
            payload.push(val(Ty::Exn));
        }
        payload
    }

    fn kept_index(&mut self, at: &Expr) {
        self.expr(at);
        self.push(I::I32Const(KEPT - 1));
        self.push(I::I32And);
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Const(value) => self.push(I::I32Const(*value)),
            Expr::Local(local) => self.push(I::LocalGet(index(*local))),
            Expr::Global(global) => self.push(I::GlobalGet(index(*global))),
            Expr::Kept(at) => {
                self.kept_index(at);
                self.push(I::TableGet(EXNS));
            }
            Expr::Make(ty, number) => {
                self.expr(number);
                let code = helpers::make(*ty, self.helpers);
                self.out.extend(code);
            }
            Expr::Number(ty, value) => {
                self.expr(value);
                let code = helpers::number(*ty, self.helpers);
                self.out.extend(code);
            }
            Expr::Binary(op, first, second) => {
                self.expr(first);
                self.expr(second);
                self.push(match op {
                    Binary::Add => I::I32Add,
                    Binary::Mul => I::I32Mul,
                    Binary::Xor => I::I32Xor,
                    Binary::And => I::I32And,
                    Binary::Eq => I::I32Eq,
                    Binary::LtS => I::I32LtS,
                });
            }
        }
    }
}

/// The type of a value that is made from a number: nothing else goes into a block.
fn type_of(value: &Expr) -> Ty {
    match value {
        Expr::Make(ty, _) => *ty,
        _ => Ty::I32,
    }
}
