//! Generated programs over objects, and what they have to give.
//!
//! A [`Program`] is made from a seed: types of structures that extend one another, with fields of
//! all kinds, types of arrays, and functions over them with loops, casts, calls, exceptions and
//! calls of the host that collect. [`Program::bytes`] is the program as a module, and
//! [`Program::expected`] is what its exports give, from a model that knows nothing of collectors,
//! layouts and compilers.

mod encode;
mod generate;
mod model;

use crate::engines::Engines;
use crate::modes::{self, Mode};
use std::fmt;
use upshift::{
    AnyRef, AsContextMut, Caller, Config, Engine, Exception, Linker, Module, Store, Trap,
};

/// What a field or an element holds. Numbers of all kinds are made from an i32 and read as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    I8,
    I16,
    I32,
    I64,
    F64,
    V128,
    /// A function, or null for even numbers.
    Func,
    Any,
    /// Any reference, as an external one.
    Extern,
    /// Any reference, within an exception.
    Exn,
    /// A structure of the first type.
    Base,
}

impl Storage {
    /// What is read and written.
    fn ty(self) -> Ty {
        match self {
            Self::Any | Self::Extern | Self::Exn => Ty::Any,
            Self::Base => Ty::Struct(0),
            _ => Ty::I32,
        }
    }
}

/// The type of an expression; references may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ty {
    I32,
    Any,
    Struct(usize),
    Array(usize),
}

/// What a cast or a test asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Ty(Ty),
    I31,
    Eq,
    AnyStruct,
    AnyArray,
    None,
}

/// How a cast that may fail is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Test,
    Branch,
    BranchOnFail,
}

/// A structure: its supertype, and all of its fields.
#[derive(Clone, Debug)]
struct Struct {
    parent: Option<usize>,
    is_final: bool,
    fields: Vec<Storage>,
}

#[derive(Clone, Copy, Debug)]
enum Binary {
    Add,
    Sub,
    Mul,
    Xor,
    And,
    LtS,
}

#[derive(Clone, Debug)]
enum Expr {
    Const(i32),
    Local(usize),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Field {
        ty: usize,
        field: usize,
        signed: bool,
        object: Box<Expr>,
    },
    Element {
        ty: usize,
        signed: bool,
        array: Box<Expr>,
        index: Box<Expr>,
    },
    Length(Box<Expr>),
    Test {
        target: Target,
        nullable: bool,
        value: Box<Expr>,
    },
    Same(Box<Expr>, Box<Expr>),
    IsNull(Box<Expr>),
    /// The number in an i31, else what the second is.
    Unboxed(Box<Expr>, Box<Expr>),
    Hash(Box<Expr>),
    Null(Ty),
    I31(Box<Expr>),
    NewStruct(usize, Vec<Expr>),
    NewDefault(usize),
    NewArray {
        ty: usize,
        init: Box<Expr>,
        length: Box<Expr>,
    },
    NewArrayDefault {
        ty: usize,
        length: Box<Expr>,
    },
    NewFixed(usize, Vec<Expr>),
    Global(usize),
    Table(Box<Expr>),
    /// A cast that traps.
    Cast {
        ty: Ty,
        nullable: bool,
        value: Box<Expr>,
    },
    /// A cast, or else another value.
    CastOr {
        ty: Ty,
        nullable: bool,
        form: Form,
        value: Box<Expr>,
        other: Box<Expr>,
    },
    /// A reference, or a new object when it is null.
    OrNew(Ty, Box<Expr>),
    If {
        ty: Ty,
        condition: Box<Expr>,
        then: Box<Expr>,
        or: Box<Expr>,
    },
    Select {
        ty: Ty,
        condition: Box<Expr>,
        then: Box<Expr>,
        or: Box<Expr>,
    },
    Call(usize, Vec<Expr>),
    /// What the host gives back, which collects.
    Host(Box<Expr>),
}

#[derive(Clone, Debug)]
enum Statement {
    SetLocal(usize, Expr),
    SetGlobal(usize, Expr),
    SetTable(Expr, Expr),
    SetField {
        ty: usize,
        field: usize,
        object: Expr,
        value: Expr,
    },
    SetElement {
        ty: usize,
        array: Expr,
        index: Expr,
        value: Expr,
    },
    Fill {
        ty: usize,
        array: Expr,
        index: Expr,
        value: Expr,
        length: Expr,
    },
    Copy {
        ty: usize,
        to: Expr,
        to_index: Expr,
        from: Expr,
        from_index: Expr,
        length: Expr,
    },
    If {
        condition: Expr,
        then: Vec<Statement>,
        or: Vec<Statement>,
    },
    /// A loop, and the local that counts down to 0.
    Loop {
        counter: usize,
        turns: i32,
        body: Vec<Statement>,
    },
    /// A block with a handler, which puts a caught reference and number into locals.
    Try {
        body: Vec<Statement>,
        reference: usize,
        number: usize,
    },
    Throw {
        condition: Expr,
        reference: Expr,
        number: Expr,
    },
}

#[derive(Clone, Debug)]
struct Function {
    params: Vec<Ty>,
    /// Parameters and locals.
    locals: Vec<Ty>,
    body: Vec<Statement>,
    result: Expr,
    ty: Ty,
}

/// A generated program.
#[derive(Clone, Debug)]
pub struct Program {
    structs: Vec<Struct>,
    arrays: Vec<Storage>,
    functions: Vec<Function>,
    expected: Vec<Outcome>,
}

/// Globals of a program, and elements of its table.
const GLOBALS: [Ty; 4] = [Ty::Any, Ty::Any, Ty::Struct(0), Ty::Array(0)];
const TABLE: usize = 4;
/// How deep the hash of a reference looks, and how many elements of an array.
const HASH_DEPTH: i32 = 3;
const HASH_ELEMENTS: i32 = 10;
/// Times that all exports are called.
const ROUNDS: i32 = 3;

/// What a call gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A number.
    Value(i32),
    /// A trap.
    Trap(Trap),
    /// An exception.
    Exception,
}

impl Program {
    /// The program of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (mut program, expected) = crate::first_that_ends(seed, generate::program, model::run);
        program.expected = expected;
        program
    }

    /// What the calls of its exports give, in order.
    #[must_use]
    pub fn expected(&self) -> &[Outcome] {
        &self.expected
    }

    /// The program as a module.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        encode::module(self)
    }

    /// Runs the program, of which these are the bytes.
    ///
    /// # Errors
    /// What is not as expected.
    pub fn check(&self, engine: &Engine, bytes: &[u8]) -> Result<(), String> {
        let module = Module::new(engine, bytes).map_err(|error| format!("{error:#}"))?;
        let mut linker: Linker<()> = Linker::new(engine);
        let between = |mut caller: Caller<'_, ()>, value: Option<AnyRef>| {
            caller.as_context_mut().gc().map(|()| value)
        };
        linker.func_wrap("host", "between", between).map_err(|error| error.to_string())?;
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).map_err(|e| format!("{e:#}"))?;
        let mut expected = self.expected.iter();
        for round in 0..ROUNDS {
            for index in 0..self.functions.len() {
                let name = format!("run{index}");
                let run = instance.get_typed_func::<i32, i32>(&mut store, &name);
                let run = run.map_err(|error| error.to_string())?;
                let outcome = Outcome::of(run.call(&mut store, round))?;
                let wanted = expected.next().expect("the model made the same calls");
                if outcome != *wanted {
                    return Err(format!("{name}({round}) gave {outcome}, not {wanted}"));
                }
            }
        }
        Ok(())
    }
}

impl Outcome {
    fn of(result: Result<i32, upshift::Error>) -> Result<Self, String> {
        match result {
            Ok(value) => Ok(Self::Value(value)),
            Err(error) if error.is::<Exception>() => Ok(Self::Exception),
            Err(error) => match error.chain().find_map(|cause| cause.downcast_ref::<Trap>()) {
                Some(trap) => Ok(Self::Trap(*trap)),
                None => Err(format!("{error:#}")),
            },
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Trap(trap) => write!(f, "trap: {}", trap.message()),
            Self::Exception => f.write_str("an exception"),
        }
    }
}

fn small(value: usize) -> i32 {
    i32::try_from(value).expect("a small number")
}

/// One program in so many is optimised, which takes most of the time.
const OPTIMIZED: u64 = 8;
/// Less than a nursery may have.
const SMALLEST_NURSERY: u32 = 1 << 16;

/// Engines of all modes, some with nurseries so small that they fill up.
///
/// # Panics
/// When the machine cannot run the engine.
#[must_use]
pub fn engines() -> Engines {
    let with_small_nursery = |mut mode: Mode, name| {
        let config: &mut Config = &mut mode.config;
        config.gc_nursery(SMALLEST_NURSERY);
        mode.name = name;
        mode
    };
    // Where all collects, no nursery fills up, and marks of an empty one need not be looked at.
    let all = modes::all().map(|mut mode| {
        let is_zealous = ["gc-mixed", "gc-optimizer", "inline-tier"].contains(&mode.name);
        if is_zealous {
            mode.config.gc_nursery(SMALLEST_NURSERY);
        }
        mode
    });
    let more = [
        with_small_nursery(modes::gc(), "gc"),
        modes::null_collector(),
        with_small_nursery(modes::optimizer(), "optimizer, small nursery"),
        with_small_nursery(modes::tier_mixed(7), "tier-mixed, small nursery"),
    ];
    Engines::of(all.into_iter().chain(more), OPTIMIZED)
}
