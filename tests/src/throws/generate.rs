//! Makes programs from a seed.

use super::{
    BUDGET, Below, Binary, COUNT, Callee, Clause, Expr, Field, Function, GLOBALS, Program,
    Statement, Target, Try, Ty,
};
use crate::mutate::Random;

/// Loops inside each other, at most.
const MAX_NEST: usize = 2;
/// Times that functions may call themselves in one call of an export.
const RECURSION: i32 = 4;
/// One program in so many has functions with many parameters and locals.
const WIDE: usize = 128;

pub(super) fn program(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let dialect = random.below(4);
    // Of either proposal, or of both.
    let (references, legacy) = (dialect != 0, dialect == 0 || dialect == 3);
    let types = palette(&mut random, references);
    let shared = shared_fields(&mut random, &types);
    let mut tags = vec![shared.clone(), shared.clone(), shared];
    for _ in 0..1 + random.below(2) {
        tags.push(own_fields(&mut random, &types));
    }
    let wide = random.below(WIDE) == 0;
    let most = if random.below(8) == 0 { 11 } else { 2 };
    let results = [random.some_of(0, 1, &types), random.some_of(1, most, &types)];
    let count = 2 + random.below(2);
    let next = random.below(count);
    let mut signatures = Vec::new();
    for index in 0..count {
        let most = if wide && index == 1 { 1000 } else { 4 };
        let mut params = random.some_of(0, most, &types);
        let mut results = results[usize::from(random.below(3) == 0)].clone();
        if index == next {
            // The host stands in for this one, and knows no structures.
            params.iter_mut().filter(|ty| **ty == Ty::Struct).for_each(|ty| *ty = Ty::I64);
            results.iter_mut().filter(|ty| **ty == Ty::Struct).for_each(|ty| *ty = Ty::V128);
        }
        signatures.push((params, results));
    }
    let (alias, cross) = (random.below(4) == 0, random.below(2) == 0);
    let mut generator = Generator {
        random,
        references,
        legacy,
        wide,
        types,
        tags,
        signatures,
        next,
        special_host: false,
        func: Func::default(),
    };
    let mut functions: Vec<Function> = (0..count).map(|index| generator.function(index)).collect();
    functions.extend((0..count).map(|index| generator.export(index)).collect::<Vec<_>>());
    let Generator { tags, special_host, .. } = generator;
    let mixed = references && legacy;
    Program {
        references,
        mixed,
        special_host,
        alias,
        cross,
        tags,
        functions,
        called: count,
        next,
        expected: Vec::new(),
    }
}

/// The types that a program uses: a few, so that it is small.
fn palette(random: &mut Random, references: bool) -> Vec<Ty> {
    let mut types = vec![Ty::I32];
    for _ in 0..3 {
        let ty = Ty::PLAIN[random.below(Ty::PLAIN.len())];
        if !types.contains(&ty) {
            types.push(ty);
        }
    }
    types.extend(references.then_some(Ty::Exn));
    types
}

/// Parameters of the tags that hosts throw.
fn shared_fields(random: &mut Random, types: &[Ty]) -> Vec<Field> {
    let known = types.iter().filter(|&&ty| !matches!(ty, Ty::Any | Ty::I31 | Ty::Struct));
    let known: Vec<Ty> = known.copied().collect();
    (0..random.below(4))
        .map(|_| Field { ty: known[random.below(known.len())], non_null: false })
        .collect()
}

fn own_fields(random: &mut Random, types: &[Ty]) -> Vec<Field> {
    let most = if random.below(8) == 0 { 14 } else { 4 };
    let types = random.some_of(0, most, types);
    let field = |ty| {
        let can_be = matches!(ty, Ty::I31 | Ty::Struct);
        Field { ty, non_null: can_be && random.below(2) == 0 }
    };
    types.into_iter().map(field).collect()
}

/// A label, and what it takes.
#[derive(Clone)]
struct Label {
    number: usize,
    types: Vec<Ty>,
}

/// What is known within the function that is made.
#[derive(Default)]
struct Func {
    index: usize,
    params: usize,
    locals: Vec<Ty>,
    labels: Vec<Label>,
    /// `try`s of the first proposal whose clauses are around.
    catching: Vec<usize>,
    next_label: usize,
    nest: usize,
    /// Statements that the function may still have.
    left: usize,
}

struct Generator {
    random: Random,
    references: bool,
    legacy: bool,
    wide: bool,
    /// Types that the program uses.
    types: Vec<Ty>,
    tags: Vec<Vec<Field>>,
    signatures: Vec<(Vec<Ty>, Vec<Ty>)>,
    next: usize,
    /// See [`Program`].
    special_host: bool,
    func: Func,
}

impl Generator {
    fn function(&mut self, index: usize) -> Function {
        let (params, results) = self.signatures[index].clone();
        let mut locals = params.clone();
        locals.extend([Ty::I32; MAX_NEST]);
        // One of each type at least; those that stand in for structures are among them.
        locals.extend(&self.types);
        locals.extend([Ty::I64, Ty::V128].into_iter().filter(|ty| !self.types.contains(ty)));
        if self.wide && index <= 1 {
            locals.extend(self.random.some_of(100, 1000, &self.types));
        }
        let body = Label { number: 0, types: results.clone() };
        self.func = Func {
            index,
            params: params.len(),
            locals,
            labels: vec![body],
            next_label: 1,
            left: 4 + self.random.below(8),
            ..Func::default()
        };
        let mut body = Vec::new();
        for _ in 0..3 {
            let local = self.any_local();
            let value = self.value(self.func.locals[local], 1);
            body.push(Statement::Set(local, value));
        }
        body.push(self.try_statement());
        body.extend(self.statements(5));
        let sum = self.fold();
        let number = self.local(Ty::I32);
        body.push(Statement::Set(number, sum));
        let values = results.iter().zip(0..);
        let values = values
            .map(|(&ty, i)| match ty {
                Ty::Exn => Expr::Local(self.local(Ty::Exn)),
                _ => make(ty, binary(Binary::Add, Expr::Local(number), Expr::Const(i))),
            })
            .collect();
        Function { params, results, locals: std::mem::take(&mut self.func.locals), body, values }
    }

    /// A number that all locals went into.
    fn fold(&self) -> Expr {
        let locals = self.func.locals.iter().enumerate();
        locals.fold(Expr::Global(COUNT), |sum, (local, &ty)| {
            let sum = binary(Binary::Mul, sum, Expr::Const(31));
            binary(Binary::Add, sum, Expr::Number(ty, Box::new(Expr::Local(local))))
        })
    }

    /// What hosts call: calls a function, and gives a number of its results and of the globals.
    fn export(&mut self, index: usize) -> Function {
        let (params, results) = self.signatures[index].clone();
        let mut locals = vec![Ty::I32];
        locals.extend(&results);
        let arg = |(ty, i): (&Ty, i32)| match ty {
            Ty::Exn => Expr::Kept(Box::new(Expr::Const(i))),
            _ => make(*ty, binary(Binary::Add, Expr::Local(0), Expr::Const(i * 5))),
        };
        let args = params.iter().zip(0..).map(arg).collect();
        let to = (1..=results.len()).collect();
        let callee = Callee::Direct(index);
        let body = vec![
            Statement::SetGlobal(BUDGET, Expr::Const(RECURSION)),
            Statement::Call { callee, below: Vec::new(), args, to },
        ];
        self.func = Func { locals, ..Func::default() };
        // The first one looks at all of the state.
        let count = if self.references { GLOBALS.len() } else { GLOBALS.len() - 1 };
        let globals = GLOBALS[..if index == 0 { count } else { 0 }].iter().enumerate();
        let sum = globals.fold(self.fold(), |sum, (global, &ty)| {
            let sum = binary(Binary::Mul, sum, Expr::Const(31));
            binary(Binary::Add, sum, Expr::Number(ty, Box::new(Expr::Global(global))))
        });
        let locals = std::mem::take(&mut self.func.locals);
        Function { params: vec![Ty::I32], results: vec![Ty::I32], locals, body, values: vec![sum] }
    }

    fn statements(&mut self, most: usize) -> Vec<Statement> {
        let mut statements = Vec::new();
        for _ in 0..1 + self.random.below(most) {
            let Some(left) = self.func.left.checked_sub(1) else { break };
            self.func.left = left;
            statements.push(self.statement());
        }
        statements
    }

    fn statement(&mut self) -> Statement {
        match self.random.below(32) {
            0..=3 => {
                let local = self.any_local();
                Statement::Set(local, self.value(self.func.locals[local], 2))
            }
            4 | 5 => {
                // Not the one that bounds recursion.
                let count = if self.references { GLOBALS.len() } else { GLOBALS.len() - 1 };
                let global = COUNT + self.random.below(count - COUNT);
                let value = match GLOBALS[global] {
                    ty if self.types.contains(&ty) => self.value(ty, 2),
                    ty => make(ty, self.number(2)),
                };
                Statement::SetGlobal(global, value)
            }
            6 if self.references => Statement::Keep(self.number(1), self.value(Ty::Exn, 0)),
            6..=8 => Statement::If {
                condition: self.condition(),
                then: self.statements(3),
                or: if self.random.below(2) == 0 { self.statements(2) } else { Vec::new() },
            },
            9..=11 if self.func.nest < MAX_NEST => self.loop_statement(),
            12 => self.block_statement(),
            13 | 14 => self.break_statement(),
            15..=18 => self.call(),
            19 | 20 => self.host(),
            21..=25 => self.try_statement(),
            26 if self.legacy => self.delegate(),
            _ => self.rarely(),
        }
    }

    /// Something that mostly does not go on, on a condition.
    fn rarely(&mut self) -> Statement {
        let condition = self.condition();
        let leaving = self.leaving();
        Statement::If { condition, then: vec![leaving], or: Vec::new() }
    }

    fn leaving(&mut self) -> Statement {
        match self.random.below(14) {
            0 if self.references => Statement::ThrowRef(self.value(Ty::Exn, 0)),
            1 if self.references => {
                self.special_host = true;
                Statement::HostAgain(self.value(Ty::Exn, 0))
            }
            2 | 3 if !self.func.catching.is_empty() => {
                let at = self.random.below(self.func.catching.len());
                Statement::Rethrow(self.func.catching[at])
            }
            4 => Statement::HostThrow(self.fields(0)),
            5 | 6 => self.tail_call(),
            7 => match self.random.below(6) {
                0 => Statement::Unreachable,
                1 => Statement::DivideByZero(self.local(Ty::I32)),
                _ => Statement::Set(self.local(Ty::I32), Expr::Const(3)),
            },
            _ => {
                let tag = self.random.below(self.tags.len());
                Statement::Throw { tag, args: self.fields(tag) }
            }
        }
    }

    /// Values for the fields of a tag; for one without null, the number that it is made from.
    fn fields(&mut self, tag: usize) -> Vec<Expr> {
        let fields = self.tags[tag].clone();
        let value = |field: Field| match field.non_null {
            true => self.number(1),
            false => self.value(field.ty, 1),
        };
        fields.into_iter().map(value).collect()
    }

    fn loop_statement(&mut self) -> Statement {
        let below = self.below(2);
        let types = match self.random.below(3) {
            // What a tag's clause can go to.
            0 => self.payload(false),
            _ => self.some_types(2),
        };
        let init = self.values(&types);
        let to = self.locals(&types);
        let counter = self.func.params + self.func.nest;
        let most: usize = [10, 3][self.func.nest];
        let most = if self.func.index == 0 { most } else { most.div_ceil(3) };
        let turns = super::small(1 + self.random.below(most));
        let label = self.label();
        self.func.labels.push(Label { number: label, types: types.clone() });
        self.func.nest += 1;
        let body = self.statements(4);
        self.func.nest -= 1;
        let again = self.values(&types);
        self.func.labels.pop();
        Statement::Loop { label, counter, turns, below, types, init, to, body, again }
    }

    fn block_statement(&mut self) -> Statement {
        let types = match self.random.below(2) {
            0 => self.payload(true),
            _ => self.some_types(2),
        };
        let (label, to) = (self.label(), self.locals(&types));
        self.func.labels.push(Label { number: label, types: types.clone() });
        let body = self.statements(4);
        let values = self.values(&types);
        self.func.labels.pop();
        Statement::Block { label, types, body, values, to }
    }

    fn break_statement(&mut self) -> Statement {
        let at = self.random.below(self.func.labels.len());
        let Label { number, types } = self.func.labels[at].clone();
        Statement::Break { label: number, values: self.values(&types), condition: self.condition() }
    }

    /// A function further down, or now and then the same.
    fn callee(&mut self, fits: impl Fn(&(Vec<Ty>, Vec<Ty>)) -> bool) -> Option<(Callee, usize)> {
        if self.random.below(4) == 0 && fits(&self.signatures[self.next]) {
            let indirect = self.random.below(2) == 0;
            return Some((if indirect { Callee::NextIndirect } else { Callee::Next }, self.next));
        }
        let later = self.func.index + 1..self.signatures.len();
        let fitting: Vec<usize> = later.filter(|&f| fits(&self.signatures[f])).collect();
        let mut callee = *fitting.get(self.random.below(fitting.len()))?;
        if self.random.below(6) == 0 && fits(&self.signatures[self.func.index]) {
            callee = self.func.index;
        }
        let how = [Callee::Direct, Callee::Direct, Callee::Indirect, Callee::Ref];
        Some((how[self.random.below(how.len())](callee), callee))
    }

    fn call(&mut self) -> Statement {
        let Some((callee, function)) = self.callee(|_| true) else { return self.host() };
        let (params, results) = self.signatures[function].clone();
        let (below, args) = (self.below(2), self.values(&params));
        let call = Statement::Call { callee, below, args, to: self.locals(&results) };
        self.bounded(function, call)
    }

    fn tail_call(&mut self) -> Statement {
        let results = self.signatures[self.func.index].1.clone();
        match self.callee(|(_, found)| *found == results) {
            Some((callee, function)) => {
                let params = self.signatures[function].0.clone();
                let call = Statement::TailCall { callee, args: self.values(&params) };
                self.bounded(function, call)
            }
            None => Statement::Break {
                label: 0,
                values: self.values(&results),
                condition: Expr::Const(1),
            },
        }
    }

    /// Lets functions call themselves a few times only.
    fn bounded(&self, function: usize, call: Statement) -> Statement {
        let again = match &call {
            Statement::Call { callee, .. } | Statement::TailCall { callee, .. } => {
                !matches!(callee, Callee::Next | Callee::NextIndirect)
            }
            _ => false,
        };
        if !again || function != self.func.index {
            return call;
        }
        let left = binary(Binary::Add, Expr::Global(BUDGET), Expr::Const(-1));
        Statement::If {
            condition: binary(Binary::LtS, Expr::Const(0), Expr::Global(BUDGET)),
            then: vec![Statement::SetGlobal(BUDGET, left), call],
            or: Vec::new(),
        }
    }

    fn host(&mut self) -> Statement {
        let op = match self.random.below(64) {
            op @ 0..7 => op,
            op @ 7..10 if self.random.below(2) == 0 => op,
            op if op < 40 => 1 + op % 6,
            _ => 10,
        };
        self.special_host |= (7..10).contains(&op);
        Statement::Host { op: super::small(op), arg: self.number(2), to: self.local(Ty::I32) }
    }

    fn delegate(&mut self) -> Statement {
        let body = self.statements(3);
        let at = self.random.below(self.func.labels.len());
        Statement::Delegate { to: self.func.labels[at].number, body }
    }

    fn try_statement(&mut self) -> Statement {
        let legacy = self.legacy && (!self.references || self.random.below(2) == 0);
        let (below, params) = (self.below(2), self.below(2));
        let results = self.some_types(2);
        let to = self.locals(&results);
        let label = self.label();
        let around = self.func.labels.clone();
        self.func.labels.push(Label { number: label, types: results.clone() });
        let mut body = self.statements(4);
        if self.random.below(3) > 0 {
            body.push(self.rarely());
            body.extend(self.statements(2));
        }
        let values = self.values(&results);
        let mut clauses = Vec::new();
        for _ in 0..self.random.below(4) {
            let clause = self.clause(legacy, label, &results, &around);
            let last = legacy && clause.tag.is_none();
            clauses.push(clause);
            if last {
                break;
            }
        }
        self.func.labels.pop();
        Statement::Try(Try { legacy, label, below, params, results, body, values, clauses, to })
    }

    fn clause(&mut self, legacy: bool, label: usize, results: &[Ty], around: &[Label]) -> Clause {
        let tag = match self.random.below(4) {
            0 => None,
            _ => Some(self.random.below(self.tags.len())),
        };
        let by_ref = !legacy && self.random.below(2) == 0;
        let payload = self.payload_of(tag, by_ref);
        let fitting: Vec<&Label> = around.iter().filter(|label| label.types == payload).collect();
        if !legacy && !fitting.is_empty() && self.random.below(2) == 0 {
            let target = Target::Label(fitting[self.random.below(fitting.len())].number);
            return Clause { tag, by_ref, target };
        }
        let to = self.locals(&payload);
        if legacy {
            self.func.catching.push(label);
        }
        let count = binary(Binary::Mul, Expr::Global(COUNT), Expr::Const(31));
        let place = super::small(label * 8 + self.random.below(8));
        let count = binary(Binary::Add, count, Expr::Const(place));
        let mut body = vec![Statement::SetGlobal(COUNT, count)];
        body.extend(self.statements(3));
        if legacy {
            self.func.catching.pop();
        }
        let values = self.values(results);
        Clause { tag, by_ref, target: Target::Handler { to, body, values } }
    }

    /// What some clause of a `try_table` gives.
    fn payload(&mut self, by_ref: bool) -> Vec<Ty> {
        let tag = self.random.below(self.tags.len());
        let by_ref = by_ref && self.references && self.random.below(2) == 0;
        self.payload_of(Some(tag), by_ref)
    }

    fn payload_of(&self, tag: Option<usize>, by_ref: bool) -> Vec<Ty> {
        let fields = tag.map_or(&[][..], |tag| &self.tags[tag]);
        fields.iter().map(|field| field.ty).chain(by_ref.then_some(Ty::Exn)).collect()
    }

    fn label(&mut self) -> usize {
        self.func.next_label += 1;
        self.func.next_label - 1
    }

    fn some_types(&mut self, most: usize) -> Vec<Ty> {
        self.random.some_of(0, most, &self.types)
    }

    /// Values that are made from numbers, and locals for them.
    fn below(&mut self, most: usize) -> Below {
        let types = self.some_types(most);
        types.into_iter().map(|ty| (make(ty, self.number(1)), self.local(ty))).collect()
    }

    fn values(&mut self, types: &[Ty]) -> Vec<Expr> {
        types.iter().map(|&ty| self.value(ty, 1)).collect()
    }

    fn locals(&mut self, types: &[Ty]) -> Vec<usize> {
        types.iter().map(|&ty| self.local(ty)).collect()
    }

    fn value(&mut self, ty: Ty, depth: usize) -> Expr {
        match (ty, self.random.below(3)) {
            (Ty::I32, _) => self.number(depth),
            (Ty::Exn, 0) => Expr::Kept(Box::new(self.number(0))),
            (Ty::Exn, _) => Expr::Local(self.local(ty)),
            (_, 0) => make(ty, self.number(depth)),
            _ => Expr::Local(self.local(ty)),
        }
    }

    fn number(&mut self, depth: usize) -> Expr {
        if depth == 0 || self.random.below(3) == 0 {
            return match self.random.below(3) {
                0 => Expr::Const(super::small(self.random.below(100))),
                1 => Expr::Global(COUNT),
                _ => Expr::Local(self.counter_or(Ty::I32)),
            };
        }
        match self.random.below(6) {
            0 | 1 => {
                let local = self.any_local();
                Expr::Number(self.func.locals[local], Box::new(Expr::Local(local)))
            }
            n => {
                use Binary::{Add, Eq, Mul, Xor};
                let op = [Add, Mul, Xor, Eq][n - 2];
                binary(op, self.number(depth - 1), self.number(depth - 1))
            }
        }
    }

    fn condition(&mut self) -> Expr {
        let mask = [1, 1, 3, 3, 7][self.random.below(5)];
        let number = self.number(1);
        let masked = binary(Binary::And, number, Expr::Const(mask));
        binary(Binary::Eq, masked, Expr::Const(super::small(self.random.below(2))))
    }

    /// A local of a type, that may be the counter of a loop.
    fn counter_or(&mut self, ty: Ty) -> usize {
        match self.random.below(2) {
            0 => self.func.params + self.random.below(MAX_NEST),
            _ => self.local(ty),
        }
    }

    /// A local that statements set: no counter of a loop.
    fn any_local(&mut self) -> usize {
        let at = self.random.below(self.func.locals.len() - MAX_NEST);
        if at < self.func.params { at } else { at + MAX_NEST }
    }

    /// One of a type, of which each function has one at least.
    fn local(&mut self, ty: Ty) -> usize {
        let counters = self.func.params..self.func.params + MAX_NEST;
        let locals = self.func.locals.iter().enumerate();
        let fitting = locals.filter(|(at, found)| **found == ty && !counters.contains(at));
        let fitting: Vec<usize> = fitting.map(|(at, _)| at).collect();
        fitting[self.random.below(fitting.len())]
    }
}

fn make(ty: Ty, number: Expr) -> Expr {
    Expr::Make(ty, Box::new(number))
}

fn binary(op: Binary, first: Expr, second: Expr) -> Expr {
    Expr::Binary(op, Box::new(first), Box::new(second))
}
