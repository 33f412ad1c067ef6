//! What programs do, by the text of the specification.

use super::{
    Binary, Expr, Function, GLOBALS, HASH_DEPTH, HASH_ELEMENTS, Outcome, Program, ROUNDS,
    Statement, Storage, TABLE, Target, Ty, small,
};
use upshift::Trap;

/// Expressions and statements that all calls together may evaluate.
const MAX_STEPS: u32 = 20_000;
/// Length of an array that stands in for null.
pub(super) const SPARE_LENGTH: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Int(i32),
    Null,
    I31(i32),
    Object(usize),
}

/// A structure, or an array.
struct Object {
    ty: Ty,
    cells: Vec<Value>,
}

enum Stop {
    Trap(Trap),
    Throw(Value, i32),
    TooLong,
}

type Result<T> = std::result::Result<T, Stop>;

struct Machine<'a> {
    program: &'a Program,
    objects: Vec<Object>,
    globals: [Value; GLOBALS.len()],
    table: [Value; TABLE],
    steps: u32,
}

/// What all calls give; `None` when they take too long.
pub(super) fn run(program: &Program) -> Option<Vec<Outcome>> {
    let mut machine = Machine {
        program,
        objects: Vec::new(),
        globals: [Value::Null; GLOBALS.len()],
        table: [Value::Null; TABLE],
        steps: 0,
    };
    let mut outcomes = Vec::new();
    for round in 0..ROUNDS {
        for function in &program.functions {
            outcomes.push(match machine.export(function, round) {
                Ok(value) => Outcome::Value(value),
                Err(Stop::Trap(trap)) => Outcome::Trap(trap),
                Err(Stop::Throw(..)) => Outcome::Exception,
                Err(Stop::TooLong) => return None,
            });
        }
    }
    Some(outcomes)
}

impl Value {
    fn int(self) -> i32 {
        match self {
            Self::Int(value) => value,
            _ => unreachable!("expressions are typed"),
        }
    }

    fn unsigned(self) -> u32 {
        self.int().cast_unsigned()
    }
}

impl Storage {
    fn zero(self) -> Value {
        if self.ty() == Ty::I32 { Value::Int(0) } else { Value::Null }
    }

    fn stored(self, value: Value) -> Value {
        match (self, value) {
            (Self::I8, Value::Int(value)) => Value::Int(value & 0xff),
            (Self::I16, Value::Int(value)) => Value::Int(value & 0xffff),
            (Self::Func, Value::Int(value)) => Value::Int(value & 1),
            _ => value,
        }
    }

    fn loaded(self, value: Value, signed: bool) -> Value {
        match (self, value) {
            (Self::I8, Value::Int(value)) if signed => Value::Int(value << 24 >> 24),
            (Self::I16, Value::Int(value)) if signed => Value::Int(value << 16 >> 16),
            _ => value,
        }
    }
}

impl Machine<'_> {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(Stop::TooLong) } else { Ok(()) }
    }

    fn export(&mut self, function: &Function, round: i32) -> Result<i32> {
        let args = vec![self.globals[0], Value::Int(round), Value::Null];
        let result = self.call(function, args)?;
        let mut hash = match result {
            Value::Int(value) => value,
            _ => self.hash(result, HASH_DEPTH)?,
        };
        let state: Vec<Value> = self.globals.iter().chain(&self.table).copied().collect();
        for value in state {
            hash = hash.wrapping_mul(31).wrapping_add(self.hash(value, HASH_DEPTH)?);
        }
        Ok(hash)
    }

    fn call(&mut self, function: &Function, args: Vec<Value>) -> Result<Value> {
        let mut locals = args;
        for ty in &function.locals[function.params.len()..] {
            locals.push(if *ty == Ty::I32 { Value::Int(0) } else { Value::Null });
        }
        self.block(&function.body, &mut locals)?;
        self.eval(&function.result, &mut locals)
    }

    fn block(&mut self, statements: &[Statement], locals: &mut [Value]) -> Result<()> {
        statements.iter().try_for_each(|statement| self.execute(statement, locals))
    }

    fn execute(&mut self, statement: &Statement, locals: &mut [Value]) -> Result<()> {
        self.step()?;
        match statement {
            Statement::SetLocal(local, value) => locals[*local] = self.eval(value, locals)?,
            Statement::SetGlobal(global, value) => {
                self.globals[*global] = self.eval(value, locals)?;
            }
            Statement::SetTable(index, value) => {
                let index = self.eval(index, locals)?.unsigned() as usize;
                self.table[index] = self.eval(value, locals)?;
            }
            Statement::SetField { ty, field, object, value } => {
                let object = self.eval(object, locals)?;
                let value = self.eval(value, locals)?;
                let object = existing(object, Trap::NullStructReference)?;
                let storage = self.program.structs[*ty].fields[*field];
                self.objects[object].cells[*field] = storage.stored(value);
            }
            Statement::SetElement { ty, array, index, value } => {
                let array = self.eval(array, locals)?;
                let index = self.eval(index, locals)?;
                let value = self.eval(value, locals)?;
                let at = self.element(array, index)?;
                let storage = self.program.arrays[*ty];
                self.objects[at.0].cells[at.1] = storage.stored(value);
            }
            Statement::Fill { .. } | Statement::Copy { .. } => self.bulk(statement, locals)?,
            Statement::If { condition, then, or } => {
                let taken = if self.eval(condition, locals)?.int() != 0 { then } else { or };
                self.block(taken, locals)?;
            }
            Statement::Loop { counter, turns, body } => {
                locals[*counter] = Value::Int(*turns);
                while locals[*counter].int() > 0 {
                    self.block(body, locals)?;
                    locals[*counter] = Value::Int(locals[*counter].int() - 1);
                }
            }
            Statement::Try { body, reference, number } => match self.block(body, locals) {
                Err(Stop::Throw(value, code)) => {
                    locals[*number] = Value::Int(code);
                    locals[*reference] = value;
                }
                other => other?,
            },
            Statement::Throw { condition, reference, number } => {
                if self.eval(condition, locals)?.int() != 0 {
                    let reference = self.eval(reference, locals)?;
                    let number = self.eval(number, locals)?.int();
                    return Err(Stop::Throw(reference, number));
                }
            }
        }
        Ok(())
    }

    fn bulk(&mut self, statement: &Statement, locals: &mut [Value]) -> Result<()> {
        match statement {
            Statement::Fill { ty, array, index, value, length } => {
                let array = self.eval(array, locals)?;
                let index = self.eval(index, locals)?.unsigned();
                let value = self.eval(value, locals)?;
                let length = self.eval(length, locals)?.unsigned();
                let range = self.range(array, index, length)?;
                let value = self.program.arrays[*ty].stored(value);
                self.objects[range.0].cells[range.1].fill(value);
            }
            Statement::Copy { to, to_index, from, from_index, length, .. } => {
                let to = self.eval(to, locals)?;
                let to_index = self.eval(to_index, locals)?.unsigned();
                let from = self.eval(from, locals)?;
                let from_index = self.eval(from_index, locals)?.unsigned();
                let length = self.eval(length, locals)?.unsigned();
                existing(to, Trap::NullArrayReference)?;
                existing(from, Trap::NullArrayReference)?;
                let to = self.range(to, to_index, length)?;
                let from = self.range(from, from_index, length)?;
                let values = self.objects[from.0].cells[from.1].to_vec();
                self.objects[to.0].cells[to.1].copy_from_slice(&values);
            }
            _ => unreachable!("not in bulk"),
        }
        Ok(())
    }

    fn range(
        &self,
        array: Value,
        index: u32,
        length: u32,
    ) -> Result<(usize, std::ops::Range<usize>)> {
        let array = existing(array, Trap::NullArrayReference)?;
        let range = index as usize..index as usize + length as usize;
        if range.end > self.objects[array].cells.len() {
            return Err(Stop::Trap(Trap::ArrayOutOfBounds));
        }
        Ok((array, range))
    }

    fn element(&self, array: Value, index: Value) -> Result<(usize, usize)> {
        let array = existing(array, Trap::NullArrayReference)?;
        let index = index.unsigned() as usize;
        if index >= self.objects[array].cells.len() {
            return Err(Stop::Trap(Trap::ArrayOutOfBounds));
        }
        Ok((array, index))
    }

    fn eval_all(&mut self, values: &[Expr], locals: &mut [Value]) -> Result<Vec<Value>> {
        values.iter().map(|value| self.eval(value, locals)).collect()
    }

    fn eval(&mut self, expr: &Expr, locals: &mut [Value]) -> Result<Value> {
        self.step()?;
        match expr {
            Expr::Local(local) => Ok(locals[*local]),
            Expr::Global(global) => Ok(self.globals[*global]),
            Expr::Table(index) => {
                let index = self.eval(index, locals)?.unsigned() as usize;
                Ok(self.table[index])
            }
            Expr::Field { ty, field, signed, object } => {
                let object = self.eval(object, locals)?;
                let object = existing(object, Trap::NullStructReference)?;
                let storage = self.program.structs[*ty].fields[*field];
                Ok(storage.loaded(self.objects[object].cells[*field], *signed))
            }
            Expr::Element { ty, signed, array, index } => {
                let array = self.eval(array, locals)?;
                let index = self.eval(index, locals)?;
                let at = self.element(array, index)?;
                Ok(self.program.arrays[*ty].loaded(self.objects[at.0].cells[at.1], *signed))
            }
            Expr::If { condition, then, or, .. } => {
                let taken = if self.eval(condition, locals)?.int() != 0 { then } else { or };
                self.eval(taken, locals)
            }
            Expr::Select { condition, then, or, .. } => {
                let then = self.eval(then, locals)?;
                let or = self.eval(or, locals)?;
                Ok(if self.eval(condition, locals)?.int() != 0 { then } else { or })
            }
            Expr::Call(callee, args) => {
                let args = self.eval_all(args, locals)?;
                let program = self.program;
                self.call(&program.functions[*callee], args)
            }
            Expr::Host(value) => self.eval(value, locals),
            Expr::Null(_) | Expr::I31(_) | Expr::NewDefault(_) => self.eval_new(expr, locals),
            Expr::NewStruct(..) | Expr::NewFixed(..) => self.eval_new(expr, locals),
            Expr::NewArray { .. } | Expr::NewArrayDefault { .. } => self.eval_new(expr, locals),
            Expr::Cast { .. } | Expr::CastOr { .. } | Expr::OrNew(..) => {
                self.eval_cast(expr, locals)
            }
            _ => self.eval_number(expr, locals).map(Value::Int),
        }
    }

    fn eval_number(&mut self, expr: &Expr, locals: &mut [Value]) -> Result<i32> {
        Ok(match expr {
            Expr::Const(value) => *value,
            Expr::Binary(op, first, second) => {
                let first = self.eval(first, locals)?.int();
                let second = self.eval(second, locals)?.int();
                match op {
                    Binary::Add => first.wrapping_add(second),
                    Binary::Sub => first.wrapping_sub(second),
                    Binary::Mul => first.wrapping_mul(second),
                    Binary::Xor => first ^ second,
                    Binary::And => first & second,
                    Binary::LtS => i32::from(first < second),
                }
            }
            Expr::Length(array) => {
                let array = self.eval(array, locals)?;
                let array = existing(array, Trap::NullArrayReference)?;
                i32::try_from(self.objects[array].cells.len()).expect("arrays are small")
            }
            Expr::Test { target, nullable, value } => {
                let value = self.eval(value, locals)?;
                i32::from(self.matches(value, *target, *nullable))
            }
            Expr::Same(first, second) => {
                let first = self.eval(first, locals)?;
                i32::from(first == self.eval(second, locals)?)
            }
            Expr::IsNull(value) => i32::from(self.eval(value, locals)? == Value::Null),
            Expr::Unboxed(value, other) => match self.eval(value, locals)? {
                Value::I31(value) => value,
                _ => self.eval(other, locals)?.int(),
            },
            Expr::Hash(value) => {
                let value = self.eval(value, locals)?;
                self.hash(value, HASH_DEPTH)?
            }
            _ => unreachable!("no number"),
        })
    }

    fn eval_new(&mut self, expr: &Expr, locals: &mut [Value]) -> Result<Value> {
        let program = self.program;
        Ok(match expr {
            Expr::I31(value) => Value::I31(self.eval(value, locals)?.int() << 1 >> 1),
            Expr::NewStruct(ty, values) => {
                let values = self.eval_all(values, locals)?;
                let fields = &program.structs[*ty].fields;
                let cells = fields.iter().zip(values).map(|(field, value)| field.stored(value));
                self.make(Ty::Struct(*ty), cells.collect())
            }
            Expr::NewDefault(ty) => self.make_default(Ty::Struct(*ty), 0),
            Expr::NewArray { ty, init, length } => {
                let init = self.eval(init, locals)?;
                let length = self.eval(length, locals)?.unsigned() as usize;
                let init = program.arrays[*ty].stored(init);
                self.make(Ty::Array(*ty), vec![init; length])
            }
            Expr::NewArrayDefault { ty, length } => {
                let length = self.eval(length, locals)?.unsigned();
                self.make_default(Ty::Array(*ty), length)
            }
            Expr::NewFixed(ty, values) => {
                let values = self.eval_all(values, locals)?;
                let storage = program.arrays[*ty];
                let cells = values.into_iter().map(|value| storage.stored(value)).collect();
                self.make(Ty::Array(*ty), cells)
            }
            _ => Value::Null,
        })
    }

    fn make(&mut self, ty: Ty, cells: Vec<Value>) -> Value {
        self.objects.push(Object { ty, cells });
        Value::Object(self.objects.len() - 1)
    }

    fn make_default(&mut self, ty: Ty, length: u32) -> Value {
        let cells = match ty {
            Ty::Struct(index) => {
                self.program.structs[index].fields.iter().map(|field| field.zero()).collect()
            }
            Ty::Array(index) => vec![self.program.arrays[index].zero(); length as usize],
            _ => unreachable!("no type of objects"),
        };
        self.make(ty, cells)
    }

    fn eval_cast(&mut self, expr: &Expr, locals: &mut [Value]) -> Result<Value> {
        match expr {
            Expr::Cast { ty, nullable, value } => {
                let value = self.eval(value, locals)?;
                match self.matches(value, Target::Ty(*ty), *nullable) {
                    true => Ok(value),
                    false => Err(Stop::Trap(Trap::CastFailure)),
                }
            }
            Expr::CastOr { ty, nullable, value, other, .. } => {
                let value = self.eval(value, locals)?;
                match self.matches(value, Target::Ty(*ty), *nullable) {
                    true => Ok(value),
                    false => self.eval(other, locals),
                }
            }
            Expr::OrNew(ty, value) => match self.eval(value, locals)? {
                Value::Null => Ok(self.make_default(*ty, SPARE_LENGTH)),
                value => Ok(value),
            },
            _ => unreachable!("no cast"),
        }
    }

    fn matches(&self, value: Value, target: Target, nullable: bool) -> bool {
        let ty = match value {
            Value::Null => return nullable,
            Value::I31(_) => {
                return matches!(target, Target::I31 | Target::Eq | Target::Ty(Ty::Any));
            }
            Value::Object(object) => self.objects[object].ty,
            Value::Int(_) => unreachable!("no reference"),
        };
        match (target, ty) {
            (Target::Eq, _) | (Target::AnyStruct, Ty::Struct(_)) => true,
            (Target::AnyArray, Ty::Array(_)) | (Target::Ty(Ty::Any), _) => true,
            (Target::Ty(Ty::Struct(wanted)), Ty::Struct(ty)) => {
                let parent = |ty: &usize| self.program.structs[*ty].parent;
                std::iter::successors(Some(ty), parent).any(|ty| ty == wanted)
            }
            (Target::Ty(wanted), ty) => wanted == ty,
            _ => false,
        }
    }

    fn hash(&mut self, value: Value, depth: i32) -> Result<i32> {
        self.step()?;
        let object = match value {
            Value::Null => return Ok(1),
            Value::I31(value) => return Ok(value.wrapping_mul(3).wrapping_add(2)),
            Value::Object(_) if depth == 0 => return Ok(5),
            Value::Object(object) => object,
            Value::Int(_) => unreachable!("no reference"),
        };
        let Object { ty, ref cells } = self.objects[object];
        let (mut hash, cells) = match ty {
            Ty::Struct(index) => (small(index) + 11, cells.clone()),
            Ty::Array(index) => {
                let first = cells.iter().take(small_usize(HASH_ELEMENTS)).copied();
                (small(cells.len()) * 7 + small(index), first.collect())
            }
            _ => unreachable!("no object"),
        };
        for cell in cells {
            let part = match cell {
                Value::Int(value) => value,
                reference => self.hash(reference, depth - 1)?,
            };
            hash = hash.wrapping_mul(31).wrapping_add(part);
        }
        Ok(hash)
    }
}

fn existing(value: Value, trap: Trap) -> Result<usize> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Stop::Trap(trap)),
    }
}

fn small_usize(value: i32) -> usize {
    usize::try_from(value).expect("a small number")
}
