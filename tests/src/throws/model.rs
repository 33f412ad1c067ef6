//! What programs do, by the text of the specification.

use super::{
    Below, Binary, Callee, Clause, Expr, Function, HASH_DEPTH, IMPORTED_TAGS, KEPT, Outcome,
    Program, Statement, Target, Try, Ty, small,
};
use upshift::Trap;

/// Expressions and statements that all calls together may evaluate.
const MAX_STEPS: u32 = 6_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Int(i32),
    Exn(Option<usize>),
}

/// An exception.
struct Thrown {
    identity: i32,
    fields: Vec<Value>,
}

/// Why code does not go on at its next statement.
enum Stop {
    Branch(usize, Vec<Value>),
    Throw(usize),
    /// On its way to a label, from where it is thrown.
    Delegated(usize, usize),
    Tail(Callee, Vec<Value>),
    Trap(Trap),
    Error,
    Panic,
    TooLong,
}

type Result<T> = std::result::Result<T, Stop>;

struct Frame {
    instance: usize,
    locals: Vec<Value>,
    /// What the `catch`es around have caught, by the label of their `try`.
    caught: Vec<(usize, usize)>,
}

struct Machine<'a> {
    program: &'a Program,
    globals: [Vec<Value>; 2],
    kept: [Vec<Value>; 2],
    thrown: Vec<Thrown>,
    callbacks: u32,
    steps: u32,
}

/// What all calls give; `None` when they take too long.
pub(super) fn run(program: &Program) -> Option<Vec<Outcome>> {
    let globals: Vec<Value> = program.globals().iter().map(|&ty| zero(ty)).collect();
    let kept = vec![Value::Exn(None); usize::try_from(KEPT).expect("a small number")];
    let mut machine = Machine {
        program,
        globals: [globals.clone(), globals],
        kept: [kept.clone(), kept],
        thrown: Vec::new(),
        callbacks: 0,
        steps: 0,
    };
    program
        .calls()
        .map(|(round, instance, function)| machine.outcome(instance, function, round))
        .collect()
}

fn zero(ty: Ty) -> Value {
    if ty == Ty::Exn { Value::Exn(None) } else { Value::Int(0) }
}

impl Value {
    fn int(self) -> i32 {
        match self {
            Self::Int(value) => value,
            Self::Exn(_) => unreachable!("expressions are typed"),
        }
    }

    fn exn(self) -> Option<usize> {
        match self {
            Self::Exn(exn) => exn,
            Self::Int(_) => unreachable!("expressions are typed"),
        }
    }
}

impl Machine<'_> {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(Stop::TooLong) } else { Ok(()) }
    }

    fn outcome(&mut self, instance: usize, function: usize, round: i32) -> Option<Outcome> {
        self.callbacks = 0;
        let result = self.call(instance, self.program.called + function, vec![Value::Int(round)]);
        Some(match result {
            Ok(values) => Outcome::Value(values[0].int()),
            Err(Stop::Throw(exn)) => Outcome::Exception(self.seen_by_host(exn)),
            Err(Stop::Trap(trap)) => Outcome::Trap(trap),
            Err(Stop::Error) => Outcome::Error,
            Err(Stop::Panic) => Outcome::Panic,
            Err(Stop::TooLong) => return None,
            Err(Stop::Branch(..) | Stop::Delegated(..) | Stop::Tail(..)) => {
                unreachable!("calls take care of them")
            }
        })
    }

    fn call(&mut self, instance: usize, function: usize, args: Vec<Value>) -> Result<Vec<Value>> {
        let (mut instance, mut function, mut args) = (instance, function, args);
        loop {
            self.step()?;
            let program = self.program;
            let callee = match self.activation(instance, &program.functions[function], args) {
                Err(Stop::Tail(callee, values)) => {
                    args = values;
                    callee
                }
                Err(Stop::Branch(_, values)) => return Ok(values),
                Err(Stop::Delegated(exn, _)) => return Err(Stop::Throw(exn)),
                other => return other,
            };
            (instance, function) = match (callee, instance) {
                (Callee::Direct(f) | Callee::Indirect(f) | Callee::Ref(f), _) => (instance, f),
                (_, 0) => return Ok(self.host_next()),
                _ => (0, program.next),
            };
        }
    }

    fn activation(
        &mut self,
        instance: usize,
        function: &Function,
        args: Vec<Value>,
    ) -> Result<Vec<Value>> {
        let mut locals = args;
        locals.extend(function.locals[function.params.len()..].iter().map(|&ty| zero(ty)));
        let mut frame = Frame { instance, locals, caught: Vec::new() };
        self.block(&function.body, &mut frame)?;
        self.eval_all(&function.values, &mut frame)
    }

    /// What the host's function in place of another instance's gives.
    fn host_next(&self) -> Vec<Value> {
        let results = self.program.functions[self.program.next].results.iter().zip(0..);
        results.map(|(&ty, i)| host_value(ty, 7 + i)).collect()
    }

    fn invoke(&mut self, callee: Callee, args: Vec<Value>, frame: &Frame) -> Result<Vec<Value>> {
        match (callee, frame.instance) {
            (Callee::Direct(f) | Callee::Indirect(f) | Callee::Ref(f), instance) => {
                self.call(instance, f, args)
            }
            (_, 0) => Ok(self.host_next()),
            _ => self.call(0, self.program.next, args),
        }
    }

    fn block(&mut self, statements: &[Statement], frame: &mut Frame) -> Result<()> {
        statements.iter().try_for_each(|statement| self.execute(statement, frame))
    }

    fn eval_all(&mut self, values: &[Expr], frame: &mut Frame) -> Result<Vec<Value>> {
        values.iter().map(|value| self.eval(value, frame)).collect()
    }

    fn eval_below(&mut self, below: &Below, frame: &mut Frame) -> Result<Vec<(usize, Value)>> {
        below.iter().map(|(value, to)| Ok((*to, self.eval(value, frame)?))).collect()
    }

    fn execute(&mut self, statement: &Statement, frame: &mut Frame) -> Result<()> {
        self.step()?;
        match statement {
            Statement::Set(local, value) => frame.locals[*local] = self.eval(value, frame)?,
            Statement::SetGlobal(global, value) => {
                self.globals[frame.instance][*global] = self.eval(value, frame)?;
            }
            Statement::Keep(index, value) => {
                let index = kept_index(self.eval(index, frame)?);
                self.kept[frame.instance][index] = self.eval(value, frame)?;
            }
            Statement::If { condition, then, or } => {
                let taken = if self.eval(condition, frame)?.int() != 0 { then } else { or };
                self.block(taken, frame)?;
            }
            Statement::Break { label, values, condition } => {
                let values = self.eval_all(values, frame)?;
                if self.eval(condition, frame)?.int() != 0 {
                    return Err(Stop::Branch(*label, values));
                }
            }
            Statement::Call { callee, below, args, to } => {
                let below = self.eval_below(below, frame)?;
                let args = self.eval_all(args, frame)?;
                let results = self.invoke(*callee, args, frame)?;
                pop_all(to, &results, frame);
                pop_below(&below, frame);
            }
            Statement::Loop { .. } => self.execute_loop(statement, frame)?,
            Statement::Block { label, body, values, to, .. } => {
                let result = self.block(body, frame);
                let result = match result {
                    Ok(()) => self.eval_all(values, frame),
                    Err(stop) => Err(stop),
                };
                pop_all(to, &at_label(*label, result)?, frame);
            }
            Statement::Try(block) => self.execute_try(block, frame)?,
            Statement::Delegate { to, body } => match self.block(body, frame) {
                Err(Stop::Throw(exn)) => return Err(Stop::Delegated(exn, *to)),
                other => other?,
            },
            _ => self.leave(statement, frame)?,
        }
        Ok(())
    }

    /// Statements that throw, trap, or call the host.
    fn leave(&mut self, statement: &Statement, frame: &mut Frame) -> Result<()> {
        match statement {
            Statement::TailCall { callee, args } => {
                let args = self.eval_all(args, frame)?;
                Err(Stop::Tail(*callee, args))
            }
            Statement::Host { op, arg, to } => {
                let arg = self.eval(arg, frame)?.int();
                frame.locals[*to] = Value::Int(self.host(*op, arg)?);
                Ok(())
            }
            Statement::HostThrow(args) => {
                let fields = self.eval_all(args, frame)?;
                Err(self.throw(0, fields))
            }
            Statement::HostAgain(value) => match self.eval(value, frame)?.exn() {
                Some(exn) => Err(Stop::Throw(exn)),
                None => Ok(()),
            },
            Statement::Throw { tag, args } => {
                let mut fields = self.eval_all(args, frame)?;
                for (value, field) in fields.iter_mut().zip(&self.program.tags[*tag]) {
                    if let (true, Value::Int(n)) = (field.non_null, *value) {
                        *value = Value::Int(field.ty.normal(n));
                    }
                }
                Err(self.throw(self.program.identity(frame.instance, *tag), fields))
            }
            Statement::ThrowRef(value) => match self.eval(value, frame)?.exn() {
                Some(exn) => Err(Stop::Throw(exn)),
                None => Err(Stop::Trap(Trap::NullReference)),
            },
            Statement::Rethrow(label) => {
                let caught = frame.caught.iter().rev().find(|(of, _)| of == label);
                Err(Stop::Throw(caught.expect("it is within a catch").1))
            }
            Statement::Unreachable => Err(Stop::Trap(Trap::Unreachable)),
            Statement::DivideByZero(_) => Err(Stop::Trap(Trap::IntegerDivisionByZero)),
            _ => unreachable!("it does not leave"),
        }
    }

    fn throw(&mut self, identity: i32, fields: Vec<Value>) -> Stop {
        self.thrown.push(Thrown { identity, fields });
        Stop::Throw(self.thrown.len() - 1)
    }

    fn execute_loop(&mut self, statement: &Statement, frame: &mut Frame) -> Result<()> {
        let Statement::Loop { label, counter, turns, below, init, to, body, again, .. } = statement
        else {
            unreachable!("not a loop")
        };
        let below = self.eval_below(below, frame)?;
        let mut values = self.eval_all(init, frame)?;
        frame.locals[*counter] = Value::Int(*turns);
        loop {
            self.step()?;
            pop_all(to, &values, frame);
            let left = frame.locals[*counter].int().wrapping_sub(1);
            frame.locals[*counter] = Value::Int(left);
            match self.block(body, frame) {
                Ok(()) => {}
                Err(Stop::Branch(to, taken)) if to == *label => {
                    values = taken;
                    continue;
                }
                Err(Stop::Delegated(exn, to)) if to == *label => return Err(Stop::Throw(exn)),
                Err(stop) => return Err(stop),
            }
            values = self.eval_all(again, frame)?;
            if frame.locals[*counter].int() <= 0 {
                break;
            }
        }
        pop_all(to, &values, frame);
        pop_below(&below, frame);
        Ok(())
    }

    fn execute_try(&mut self, block: &Try, frame: &mut Frame) -> Result<()> {
        let below = self.eval_below(&block.below, frame)?;
        let params = self.eval_below(&block.params, frame)?;
        pop_below(&params, frame);
        let result = match self.block(&block.body, frame) {
            Ok(()) => self.eval_all(&block.values, frame),
            Err(stop) => Err(stop),
        };
        let thrown = match result {
            Err(Stop::Throw(exn)) => Some(exn),
            // The label of a `try` is within its handlers, that of the block around a `try_table`
            // is not.
            Err(Stop::Delegated(exn, to)) if to == block.label && block.legacy => Some(exn),
            _ => None,
        };
        let clause = thrown.and_then(|exn| Some((exn, self.clause(block, exn, frame)?)));
        let result = match clause {
            Some((exn, clause)) => self.caught(block, exn, clause, frame),
            None => result,
        };
        let values = at_label(block.label, result)?;
        pop_all(&block.to, &values, frame);
        pop_below(&below, frame);
        Ok(())
    }

    fn clause<'a>(&self, block: &'a Try, exn: usize, frame: &Frame) -> Option<&'a Clause> {
        let identity = self.thrown[exn].identity;
        let fits = |tag: usize| self.program.identity(frame.instance, tag) == identity;
        block.clauses.iter().find(|clause| clause.tag.is_none_or(fits))
    }

    fn caught(
        &mut self,
        block: &Try,
        exn: usize,
        clause: &Clause,
        frame: &mut Frame,
    ) -> Result<Vec<Value>> {
        let mut payload = Vec::new();
        if clause.tag.is_some() {
            payload.extend_from_slice(&self.thrown[exn].fields);
        }
        if clause.by_ref {
            payload.push(Value::Exn(Some(exn)));
        }
        match &clause.target {
            Target::Label(label) => Err(Stop::Branch(*label, payload)),
            Target::Handler { to, body, values } => {
                pop_all(to, &payload, frame);
                let depth = frame.caught.len();
                frame.caught.push((block.label, exn));
                let result = match self.block(body, frame) {
                    Ok(()) => self.eval_all(values, frame),
                    Err(stop) => Err(stop),
                };
                frame.caught.truncate(depth);
                result
            }
        }
    }

    /// What the host does, see [`super::host`].
    fn host(&mut self, op: i32, arg: i32) -> Result<i32> {
        let own = |instance: usize| self.program.identity(instance, IMPORTED_TAGS);
        match op {
            1 => {
                let fields = self.host_fields(arg);
                Err(self.throw(0, fields))
            }
            2 => {
                let (identity, fields) = (own(low_bit(arg)), self.host_fields(arg));
                Err(self.throw(identity, fields))
            }
            3..=6 if self.callbacks > 0 => Ok(-1),
            3..=6 => {
                let function = usize::try_from(arg >> 1 & 7).expect("three bits");
                let function = self.program.called + function % self.program.called;
                self.callbacks += 1;
                let result = self.call(low_bit(arg), function, vec![Value::Int(arg & 3)]);
                self.callbacks -= 1;
                match (op, result) {
                    (4, Err(Stop::Throw(exn))) => Ok(self.seen_by_host(exn)),
                    (6, Err(Stop::Throw(exn))) => {
                        let fields = self.host_fields(self.seen_by_host(exn));
                        Err(self.throw(0, fields))
                    }
                    (_, result) => result.map(|values| values[0].int()),
                }
            }
            7 => Err(Stop::Error),
            8 => Err(Stop::Panic),
            9 => Err(Stop::Trap(Trap::Unreachable)),
            _ => Ok(arg.wrapping_mul(3).wrapping_add(1)),
        }
    }

    fn host_fields(&self, n: i32) -> Vec<Value> {
        let fields = self.program.tags[0].iter().zip(0..);
        fields.map(|(field, i)| host_value(field.ty, n.wrapping_add(i))).collect()
    }

    /// The number that the host sees in an exception: of its tag, and of fields that are numbers.
    fn seen_by_host(&self, exn: usize) -> i32 {
        let Thrown { identity, fields } = &self.thrown[exn];
        let ty = if *identity < small(IMPORTED_TAGS) { *identity } else { identity % 16 };
        let tag = &self.program.tags[usize::try_from(ty).expect("a tag")];
        let numbers = tag.iter().zip(fields).filter(|(field, _)| field.ty.is_number());
        numbers.fold(*identity, |sum, (_, value)| sum.wrapping_mul(31).wrapping_add(value.int()))
    }

    fn eval(&mut self, expr: &Expr, frame: &mut Frame) -> Result<Value> {
        self.step()?;
        Ok(match expr {
            Expr::Const(value) => Value::Int(*value),
            Expr::Local(local) => frame.locals[*local],
            Expr::Global(global) => self.globals[frame.instance][*global],
            Expr::Kept(index) => {
                let index = kept_index(self.eval(index, frame)?);
                self.kept[frame.instance][index]
            }
            // Exceptions are not made from numbers.
            Expr::Make(Ty::Exn, number) => {
                self.eval(number, frame)?;
                Value::Exn(None)
            }
            Expr::Make(ty, number) => Value::Int(ty.normal(self.eval(number, frame)?.int())),
            Expr::Number(_, value) => match self.eval(value, frame)? {
                Value::Exn(exn) => Value::Int(self.hash(exn, HASH_DEPTH, frame.instance)?),
                value => value,
            },
            Expr::Binary(op, first, second) => {
                let first = self.eval(first, frame)?.int();
                let second = self.eval(second, frame)?.int();
                Value::Int(match op {
                    Binary::Add => first.wrapping_add(second),
                    Binary::Mul => first.wrapping_mul(second),
                    Binary::Xor => first ^ second,
                    Binary::And => first & second,
                    Binary::Eq => i32::from(first == second),
                    Binary::LtS => i32::from(first < second),
                })
            }
        })
    }

    /// The number of an exception: of the first tag that catches it, and of its fields.
    fn hash(&mut self, exn: Option<usize>, depth: i32, instance: usize) -> Result<i32> {
        self.step()?;
        let Some(exn) = exn else { return Ok(1) };
        if depth == 0 {
            return Ok(2);
        }
        let identity = self.thrown[exn].identity;
        let mut tags = 0..self.program.tags.len();
        let Some(tag) = tags.find(|&tag| self.program.identity(instance, tag) == identity) else {
            return Ok(3);
        };
        let mut hash = 10 + small(tag);
        for value in self.thrown[exn].fields.clone().into_iter().rev() {
            let part = match value {
                Value::Int(value) => value,
                Value::Exn(exn) => self.hash(exn, depth - 1, instance)?,
            };
            hash = hash.wrapping_mul(31).wrapping_add(part);
        }
        Ok(hash)
    }
}

/// What a label does with what comes to it.
fn at_label(label: usize, result: Result<Vec<Value>>) -> Result<Vec<Value>> {
    match result {
        Err(Stop::Branch(to, values)) if to == label => Ok(values),
        Err(Stop::Delegated(exn, to)) if to == label => Err(Stop::Throw(exn)),
        other => other,
    }
}

/// A value that the host makes from a number: references are null.
fn host_value(ty: Ty, n: i32) -> Value {
    match ty {
        Ty::Exn => Value::Exn(None),
        _ if ty.is_number() => Value::Int(ty.normal(n)),
        _ => Value::Int(0),
    }
}

fn pop_all(to: &[usize], values: &[Value], frame: &mut Frame) {
    for (&local, &value) in to.iter().zip(values).rev() {
        frame.locals[local] = value;
    }
}

fn pop_below(below: &[(usize, Value)], frame: &mut Frame) {
    for &(local, value) in below.iter().rev() {
        frame.locals[local] = value;
    }
}

fn kept_index(value: Value) -> usize {
    usize::try_from(value.int() & (KEPT - 1)).expect("a masked number")
}

fn low_bit(n: i32) -> usize {
    usize::from(n & 1 != 0)
}
