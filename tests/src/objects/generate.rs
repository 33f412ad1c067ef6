//! Makes programs from a seed.

use super::{
    Binary, Expr, Form, Function, GLOBALS, Program, Statement, Storage, Struct, TABLE, Target, Ty,
};
use crate::mutate::Random;

/// Supertypes of the structures: a tree, and a chain longer than what types list inline.
const PARENTS: [Option<usize>; 11] = [
    None,
    Some(0),
    Some(1),
    Some(0),
    Some(2),
    Some(4),
    Some(5),
    Some(6),
    Some(7),
    Some(8),
    Some(9),
];
/// The one that is final.
const FINAL: usize = 3;
/// Loops inside each other, at most.
const MAX_NEST: usize = 2;
/// Where the counters of loops are among the locals, behind the parameters.
const PARAMS: usize = 3;
/// The shortest array that programs usually make, so that most accesses are within bounds.
const USUAL_LENGTH: i32 = 8;

pub(super) fn program(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let structs = structs(&mut random);
    let last = storage(&mut random);
    let arrays = vec![Storage::Any, Storage::Base, Storage::I8, last];
    let mut generator = Generator {
        random,
        structs,
        arrays,
        signatures: Vec::new(),
        function: 0,
        locals: Vec::new(),
        nest: 0,
        left: 0,
    };
    let count = 2 + generator.random.below(3);
    for _ in 0..count {
        let ty = generator.any_type();
        let reference = generator.reference_type();
        generator.signatures.push((vec![Ty::Any, Ty::I32, reference], ty));
    }
    let functions = (0..count).map(|index| generator.function(index)).collect();
    let Generator { structs, arrays, .. } = generator;
    Program { structs, arrays, functions, expected: Vec::new() }
}

fn storage(random: &mut Random) -> Storage {
    use Storage::{Any, Base, Exn, Extern, F64, Func, I8, I16, I32, I64, V128};
    const ALL: [Storage; 12] = [I8, I16, I32, I64, F64, V128, Func, Any, Extern, Exn, Base, Any];
    ALL[random.below(ALL.len())]
}

fn structs(random: &mut Random) -> Vec<Struct> {
    let mut structs: Vec<Struct> = Vec::new();
    for (index, parent) in PARENTS.into_iter().enumerate() {
        let mut fields = match parent {
            Some(parent) => structs[parent].fields.clone(),
            None => vec![Storage::I32, Storage::Any],
        };
        let most = if index < 4 { 4 } else { 2 };
        for _ in 0..random.below(most) {
            fields.push(storage(random));
        }
        structs.push(Struct { parent, is_final: index == FINAL, fields });
    }
    structs
}

struct Generator {
    random: Random,
    structs: Vec<Struct>,
    arrays: Vec<Storage>,
    signatures: Vec<(Vec<Ty>, Ty)>,
    function: usize,
    locals: Vec<Ty>,
    nest: usize,
    /// Statements that the function may still have.
    left: usize,
}

impl Generator {
    fn function(&mut self, index: usize) -> Function {
        let (params, ty) = self.signatures[index].clone();
        self.function = index;
        self.locals = params.clone();
        self.locals.extend([Ty::I32; MAX_NEST]);
        self.locals.extend([Ty::I32, Ty::Any, Ty::Struct(0), Ty::Array(0)]);
        for _ in 0..self.random.below(6) {
            let local = self.any_type();
            self.locals.push(local);
        }
        self.nest = 0;
        self.left = 10 + self.random.below(20);
        let body = self.statements(12);
        let result = self.expr(ty, 2);
        Function { params, locals: std::mem::take(&mut self.locals), body, result, ty }
    }

    fn reference_type(&mut self) -> Ty {
        match self.random.below(7) {
            0 | 1 => Ty::Any,
            2..=4 => Ty::Struct(self.random.below(self.structs.len())),
            _ => Ty::Array(self.random.below(self.arrays.len())),
        }
    }

    fn any_type(&mut self) -> Ty {
        if self.random.below(4) == 0 { Ty::I32 } else { self.reference_type() }
    }

    fn statements(&mut self, most: usize) -> Vec<Statement> {
        let count = 1 + self.random.below(most);
        let mut statements = Vec::new();
        for _ in 0..count {
            let Some(left) = self.left.checked_sub(1) else { break };
            self.left = left;
            statements.push(self.statement());
        }
        statements
    }

    fn statement(&mut self) -> Statement {
        match self.random.below(26) {
            0..=6 => {
                let local = self.assignable();
                Statement::SetLocal(local, self.expr(self.locals[local], 3))
            }
            7..=9 => {
                let global = self.random.below(GLOBALS.len());
                Statement::SetGlobal(global, self.expr(GLOBALS[global], 3))
            }
            10 => Statement::SetTable(self.masked(TABLE), self.expr(Ty::Any, 2)),
            11..=14 => {
                let ty = self.random.below(self.structs.len());
                let field = self.random.below(self.structs[ty].fields.len());
                let object = self.present(Ty::Struct(ty), 2);
                let value = self.expr(self.structs[ty].fields[field].ty(), 2);
                Statement::SetField { ty, field, object, value }
            }
            15 | 16 => {
                let ty = self.random.below(self.arrays.len());
                let array = self.present(Ty::Array(ty), 2);
                let index = self.masked(8);
                let value = self.expr(self.arrays[ty].ty(), 2);
                Statement::SetElement { ty, array, index, value }
            }
            17 => self.bulk(),
            18 | 19 => Statement::If {
                condition: self.expr(Ty::I32, 2),
                then: self.statements(4),
                or: self.statements(3),
            },
            20..=22 if self.nest < MAX_NEST => self.loop_statement(),
            23 | 24 => {
                let body = self.statements(5);
                let (reference, number) = (self.local(Ty::Any), self.number_local());
                Statement::Try { body, reference, number }
            }
            _ => Statement::Throw {
                condition: self.rarely(),
                reference: self.expr(Ty::Any, 2),
                number: self.expr(Ty::I32, 1),
            },
        }
    }

    fn loop_statement(&mut self) -> Statement {
        let counter = PARAMS + self.nest;
        let most = [40, 5][self.nest];
        let turns = i32::try_from(1 + self.random.below(most)).expect("a small number");
        self.nest += 1;
        let body = self.statements(6);
        self.nest -= 1;
        Statement::Loop { counter, turns, body }
    }

    fn bulk(&mut self) -> Statement {
        let ty = self.random.below(self.arrays.len());
        let array = self.present(Ty::Array(ty), 2);
        let index = self.masked(4);
        if self.random.below(2) == 0 {
            let value = self.expr(self.arrays[ty].ty(), 2);
            return Statement::Fill { ty, array, index, value, length: self.masked(4) };
        }
        let from = self.present(Ty::Array(ty), 2);
        let (from_index, length) = (self.masked(4), self.masked(4));
        Statement::Copy { ty, to: array, to_index: index, from, from_index, length }
    }

    /// A local that statements set: no counter.
    fn assignable(&mut self) -> usize {
        loop {
            let local = self.random.below(self.locals.len());
            if !(PARAMS..PARAMS + MAX_NEST).contains(&local) {
                return local;
            }
        }
    }

    /// A number that is not a counter.
    fn number_local(&mut self) -> usize {
        PARAMS + MAX_NEST
    }

    /// A local of a type or of a subtype; there may be none.
    fn some_local(&mut self, ty: Ty) -> Option<usize> {
        let fitting: Vec<usize> =
            (0..self.locals.len()).filter(|&local| self.fits(self.locals[local], ty)).collect();
        (!fitting.is_empty()).then(|| fitting[self.random.below(fitting.len())])
    }

    /// A local of exactly a type that each function has.
    fn local(&mut self, ty: Ty) -> usize {
        let fitting: Vec<usize> =
            (0..self.locals.len()).filter(|&local| self.locals[local] == ty).collect();
        fitting[self.random.below(fitting.len())]
    }

    fn fits(&self, ty: Ty, wanted: Ty) -> bool {
        match (ty, wanted) {
            (Ty::I32, _) | (_, Ty::I32) => ty == wanted,
            (_, Ty::Any) => true,
            (Ty::Struct(ty), Ty::Struct(wanted)) => {
                let mut at = Some(ty);
                while let Some(found) = at.filter(|&found| found != wanted) {
                    at = self.structs[found].parent;
                }
                at.is_some()
            }
            _ => ty == wanted,
        }
    }

    /// A number that is nearly always 0.
    fn rarely(&mut self) -> Expr {
        let counter = PARAMS + self.random.below(MAX_NEST);
        let turn = i32::try_from(1 + self.random.below(20)).expect("a small number");
        let (local, turn) = (Expr::Local(counter), Expr::Const(turn));
        let difference = Expr::Binary(Binary::Xor, local.into(), turn.into());
        let one = Expr::Const(1).into();
        Expr::Binary(Binary::And, Expr::Binary(Binary::LtS, difference.into(), one).into(), {
            Expr::Binary(Binary::LtS, Expr::Const(0).into(), Expr::Local(counter).into()).into()
        })
    }

    /// A number below a power of 2.
    fn masked(&mut self, below: usize) -> Expr {
        let mask = i32::try_from(below - 1).expect("a small number");
        match self.random.below(3) {
            0 => Expr::Const(mask.min(i32::from(self.random.byte() & 7))),
            _ => {
                let value = self.expr(Ty::I32, 1);
                Expr::Binary(Binary::And, value.into(), Expr::Const(mask).into())
            }
        }
    }

    fn length(&mut self) -> Expr {
        match self.random.below(12) {
            0 => self.masked(32),
            1 => Expr::Const(200),
            2..=5 => {
                let more = self.masked(64);
                Expr::Binary(Binary::Add, more.into(), Expr::Const(USUAL_LENGTH).into())
            }
            _ => Expr::Const(USUAL_LENGTH + i32::from(self.random.byte() & 15)),
        }
    }

    /// A reference that is hardly ever null.
    fn present(&mut self, ty: Ty, depth: usize) -> Expr {
        let value = self.expr(ty, depth);
        match value {
            Expr::NewStruct(..) | Expr::NewDefault(_) | Expr::NewFixed(..) => value,
            _ if self.random.below(40) == 0 => value,
            _ => Expr::OrNew(ty, value.into()),
        }
    }

    fn expr(&mut self, ty: Ty, depth: usize) -> Expr {
        if depth == 0 || self.random.below(5) == 0 {
            return self.simple(ty);
        }
        let below = depth - 1;
        match self.random.below(12) {
            0 => Expr::If {
                ty,
                condition: self.expr(Ty::I32, below).into(),
                then: self.expr(ty, below).into(),
                or: self.expr(ty, below).into(),
            },
            1 => Expr::Select {
                ty,
                then: self.expr(ty, below).into(),
                or: self.expr(ty, below).into(),
                condition: self.expr(Ty::I32, below).into(),
            },
            2 => self.call(ty, depth),
            3 | 4 => self.read(ty, below),
            _ if ty == Ty::I32 => self.number(below),
            5 if ty == Ty::Any => Expr::Host(self.expr(Ty::Any, below).into()),
            6 if ty == Ty::Any => Expr::I31(self.expr(Ty::I32, below).into()),
            7..=9 if ty != Ty::Any => self.cast(ty, below),
            _ => self.new_object(ty, below),
        }
    }

    fn cast(&mut self, ty: Ty, depth: usize) -> Expr {
        let nullable = self.random.below(2) == 0;
        let value = self.expr(Ty::Any, depth).into();
        if self.random.below(40) == 0 {
            return Expr::Cast { ty, nullable, value };
        }
        let form = [Form::Test, Form::Branch, Form::BranchOnFail][self.random.below(3)];
        Expr::CastOr { ty, nullable, form, value, other: self.expr(ty, depth).into() }
    }

    /// A call of a function further down.
    fn call(&mut self, ty: Ty, depth: usize) -> Expr {
        let fitting = (self.function + 1..self.signatures.len())
            .find(|&callee| self.fits(self.signatures[callee].1, ty));
        let Some(callee) = fitting.filter(|_| self.nest < 2) else { return self.simple(ty) };
        let params = self.signatures[callee].0.clone();
        Expr::Call(callee, params.into_iter().map(|ty| self.expr(ty, depth - 1)).collect())
    }

    /// A field or an element of a type.
    fn read(&mut self, ty: Ty, depth: usize) -> Expr {
        let signed = self.random.below(2) == 0;
        if self.random.below(3) == 0 {
            let array = self.random.below(self.arrays.len());
            if self.fits(self.arrays[array].ty(), ty) {
                let index = self.masked(8).into();
                let object = self.present(Ty::Array(array), depth).into();
                return Expr::Element { ty: array, signed, array: object, index };
            }
        }
        let owner = self.random.below(self.structs.len());
        let fields = &self.structs[owner].fields;
        let start = self.random.below(fields.len());
        let field = (0..fields.len())
            .map(|i| (start + i) % fields.len())
            .find(|&field| self.fits(fields[field].ty(), ty));
        let Some(field) = field else { return self.simple(ty) };
        let object = self.present(Ty::Struct(owner), depth).into();
        Expr::Field { ty: owner, field, signed, object }
    }

    fn number(&mut self, depth: usize) -> Expr {
        match self.random.below(10) {
            0 => {
                let array = self.random.below(self.arrays.len());
                Expr::Length(self.present(Ty::Array(array), depth).into())
            }
            1..=3 => {
                let target = match self.random.below(10) {
                    0 => Target::I31,
                    1 => Target::Eq,
                    2 => Target::AnyStruct,
                    3 => Target::AnyArray,
                    4 => Target::None,
                    _ => Target::Ty(match self.reference_type() {
                        Ty::Any | Ty::I32 => Ty::Struct(0),
                        ty => ty,
                    }),
                };
                let nullable = self.random.below(2) == 0;
                Expr::Test { target, nullable, value: self.expr(Ty::Any, depth).into() }
            }
            4 => Expr::Same(self.expr(Ty::Any, depth).into(), self.expr(Ty::Any, depth).into()),
            5 => Expr::IsNull(self.expr(Ty::Any, depth).into()),
            6 => {
                let other = self.expr(Ty::I32, depth).into();
                Expr::Unboxed(self.expr(Ty::Any, depth).into(), other)
            }
            7 => Expr::Hash(self.expr(Ty::Any, depth).into()),
            _ => {
                use Binary::{Add, And, LtS, Mul, Sub, Xor};
                let op = [Add, Sub, Mul, Xor, And, LtS][self.random.below(6)];
                let first = self.expr(Ty::I32, depth).into();
                Expr::Binary(op, first, self.expr(Ty::I32, depth).into())
            }
        }
    }

    /// A new object of a type or of a subtype.
    fn new_object(&mut self, ty: Ty, depth: usize) -> Expr {
        match ty {
            Ty::Array(ty) => self.new_array(ty, depth),
            Ty::Any if self.random.below(3) == 0 => {
                let ty = self.random.below(self.arrays.len());
                self.new_array(ty, depth)
            }
            _ => {
                let mut made = self.random.below(self.structs.len());
                while !self.fits(Ty::Struct(made), ty) {
                    made = self.random.below(self.structs.len());
                }
                if self.random.below(4) == 0 {
                    return Expr::NewDefault(made);
                }
                let fields = self.structs[made].fields.clone();
                let value = |field: Storage| self.expr(field.ty(), depth);
                Expr::NewStruct(made, fields.into_iter().map(value).collect())
            }
        }
    }

    fn new_array(&mut self, ty: usize, depth: usize) -> Expr {
        let element = self.arrays[ty].ty();
        match self.random.below(5) {
            0 | 1 => {
                let init = self.expr(element, depth).into();
                Expr::NewArray { ty, init, length: self.length().into() }
            }
            2 => Expr::NewArrayDefault { ty, length: self.length().into() },
            _ => {
                let count = 8 + self.random.below(3);
                let values = (0..count).map(|_| self.expr(element, depth / 2));
                Expr::NewFixed(ty, values.collect())
            }
        }
    }

    fn simple(&mut self, ty: Ty) -> Expr {
        match self.random.below(8) {
            0 if ty == Ty::I32 => Expr::Const(i32::from(self.random.byte()) - 100),
            1 if ty == Ty::Any => {
                Expr::Table(Expr::Const(i32::from(self.random.byte() & 3)).into())
            }
            2 | 3 => {
                let fitting = (0..GLOBALS.len()).find(|&global| self.fits(GLOBALS[global], ty));
                fitting.map_or_else(|| self.plain(ty), Expr::Global)
            }
            4 if ty == Ty::Any => Expr::I31(Expr::Const(i32::from(self.random.byte())).into()),
            _ => match self.some_local(ty) {
                Some(local) => Expr::Local(local),
                None => self.plain(ty),
            },
        }
    }

    fn plain(&mut self, ty: Ty) -> Expr {
        match ty {
            Ty::I32 => Expr::Const(7),
            Ty::Struct(ty) if self.random.below(2) == 0 => Expr::NewDefault(ty),
            ty => Expr::Null(ty),
        }
    }
}
