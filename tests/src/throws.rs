//! Generated programs that throw and catch, and what they have to give.
//!
//! A [`Program`] is made from a seed: tags of all types, functions with nested `try_table`s or the
//! `try`, `catch`, `delegate` and `rethrow` of the first proposal, loops inside of them, tail calls
//! out of them, and a host that throws, catches, rethrows, fails and panics. [`Program::bytes`] is the
//! module, of which there are two instances: the second imports a tag and a function of the first,
//! and their own tags have the same parameters but are not the same. [`Program::expected`] is what
//! the exports give, from a model that knows nothing of frames, handlers and compilers.
//!
//! Every value is made from a number and read as one: of an `i64`, say, both halves hold it, of a
//! structure a field does, and null is 0. Exceptions are read by throwing them once more.

mod encode;
mod generate;
mod host;
mod model;
mod peer;

use crate::engines::Engines;
use crate::modes::Mode;
use std::fmt;
use upshift::{Engine, Module, Trap};

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Extern,
    Any,
    I31,
    Struct,
    Exn,
}

impl Ty {
    /// All but exceptions, which the first proposal has no references to.
    const PLAIN: [Self; 10] = [
        Self::I32,
        Self::I64,
        Self::F32,
        Self::F64,
        Self::V128,
        Self::Func,
        Self::Extern,
        Self::Any,
        Self::I31,
        Self::Struct,
    ];

    /// Those that the host can make of any number.
    fn is_number(self) -> bool {
        matches!(self, Self::I32 | Self::I64 | Self::F32 | Self::F64 | Self::V128)
    }

    /// What is read of a value that was made from `n`.
    fn normal(self, n: i32) -> i32 {
        match self {
            Self::F32 => n & 0xff_ffff,
            Self::Func => n & 3,
            Self::Extern | Self::Any | Self::I31 => n << 1 >> 1,
            _ => n,
        }
    }
}

/// A parameter of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    ty: Ty,
    non_null: bool,
}

#[derive(Clone, Copy, Debug)]
enum Binary {
    Add,
    Mul,
    Xor,
    And,
    Eq,
    LtS,
}

#[derive(Clone, Debug)]
enum Expr {
    Const(i32),
    Local(usize),
    Global(usize),
    Kept(Box<Expr>),
    /// A value made from a number.
    Make(Ty, Box<Expr>),
    /// The number of a value.
    Number(Ty, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
}

/// Values that lie on the operand stack while something else happens, and the locals that get them.
type Below = Vec<(Expr, usize)>;

#[derive(Clone, Copy, Debug)]
enum Callee {
    Direct(usize),
    Indirect(usize),
    Ref(usize),
    /// The imported function: of the host in the first instance, of the first in the second.
    Next,
    NextIndirect,
}

#[derive(Clone, Debug)]
enum Target {
    /// Code behind the `try`.
    Handler { to: Vec<usize>, body: Vec<Statement>, values: Vec<Expr> },
    /// A label around the `try`.
    Label(usize),
}

#[derive(Clone, Debug)]
struct Clause {
    tag: Option<usize>,
    by_ref: bool,
    target: Target,
}

#[derive(Clone, Debug)]
struct Try {
    legacy: bool,
    /// What `delegate`, `rethrow` and branches know it by.
    label: usize,
    below: Below,
    params: Below,
    results: Vec<Ty>,
    body: Vec<Statement>,
    values: Vec<Expr>,
    clauses: Vec<Clause>,
    to: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Statement {
    Set(usize, Expr),
    SetGlobal(usize, Expr),
    /// Puts an exception into the table of exceptions.
    Keep(Expr, Expr),
    If {
        condition: Expr,
        then: Vec<Statement>,
        or: Vec<Statement>,
    },
    /// A loop whose parameters go to locals at each turn.
    Loop {
        label: usize,
        counter: usize,
        turns: i32,
        below: Below,
        types: Vec<Ty>,
        init: Vec<Expr>,
        to: Vec<usize>,
        body: Vec<Statement>,
        again: Vec<Expr>,
    },
    Block {
        label: usize,
        types: Vec<Ty>,
        body: Vec<Statement>,
        values: Vec<Expr>,
        to: Vec<usize>,
    },
    /// A branch, on a condition.
    Break {
        label: usize,
        values: Vec<Expr>,
        condition: Expr,
    },
    Call {
        callee: Callee,
        below: Below,
        args: Vec<Expr>,
        to: Vec<usize>,
    },
    TailCall {
        callee: Callee,
        args: Vec<Expr>,
    },
    /// Calls the host with the number of what it shall do.
    Host {
        op: i32,
        arg: Expr,
        to: usize,
    },
    /// Has the host throw the values that it gets.
    HostThrow(Vec<Expr>),
    /// Has the host throw an exception once more.
    HostAgain(Expr),
    Throw {
        tag: usize,
        args: Vec<Expr>,
    },
    ThrowRef(Expr),
    Rethrow(usize),
    Try(Try),
    /// A `try` that delegates to a label.
    Delegate {
        to: usize,
        body: Vec<Statement>,
    },
    Unreachable,
    DivideByZero(usize),
}

#[derive(Clone, Debug)]
struct Function {
    params: Vec<Ty>,
    results: Vec<Ty>,
    /// Parameters and locals.
    locals: Vec<Ty>,
    body: Vec<Statement>,
    values: Vec<Expr>,
}

/// A generated program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Whether there are references to exceptions.
    references: bool,
    /// Whether it has operators of both proposals.
    mixed: bool,
    /// Whether hosts do what those of a JavaScript engine do otherwise, or cannot.
    special_host: bool,
    /// Whether the first instance imports one tag twice.
    alias: bool,
    /// Whether the second instance imports a tag of the first, else one of the host.
    cross: bool,
    /// The first two are imported; the first three have the same parameters.
    tags: Vec<Vec<Field>>,
    functions: Vec<Function>,
    /// Functions that are exported to hosts follow those that they call.
    called: usize,
    /// The function of the first instance that the second imports.
    next: usize,
    expected: Vec<Outcome>,
}

/// Types of globals. The last one is there with references to exceptions only.
const GLOBALS: [Ty; 6] = [Ty::I32, Ty::I32, Ty::F64, Ty::V128, Ty::Any, Ty::Exn];
/// The global that counts how often functions may call themselves.
const BUDGET: usize = 0;
/// The one that hosts of all kinds and handlers count in.
const COUNT: usize = 1;
/// Elements of the table of exceptions.
const KEPT: i32 = 4;
/// How many tags are imported.
const IMPORTED_TAGS: usize = 2;
/// How deep the number of an exception looks.
const HASH_DEPTH: i32 = 2;
/// Times that all exports are called.
const ROUNDS: i32 = 3;

/// What a call gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A number.
    Value(i32),
    /// A trap.
    Trap(Trap),
    /// An exception, by its tag and fields.
    Exception(i32),
    /// An error of the host.
    Error,
    /// A panic of the host.
    Panic,
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

    /// Runs the program.
    ///
    /// # Errors
    /// What is not as expected.
    pub fn check(&self, engine: &Engine, bytes: &[u8]) -> Result<(), String> {
        let module = Module::from_binary(engine, bytes).map_err(|error| format!("{error:#}"))?;
        let mut machine = host::Machine::new(self, engine, &module)?;
        let mut expected = self.expected.iter();
        for (round, instance, function) in self.calls() {
            let outcome = machine.run(instance, function, round)?;
            let wanted = expected.next().expect("the model made the same calls");
            if outcome != *wanted {
                let call = format!("run{function}({round}) of instance {instance}");
                return Err(format!("{call} gave {outcome}, not {wanted}"));
            }
        }
        Ok(())
    }

    /// The calls that are made: round, instance and function.
    fn calls(&self) -> impl Iterator<Item = (i32, usize, usize)> {
        let count = self.called;
        (0..ROUNDS).flat_map(move |round| {
            [1, 0].into_iter().flat_map(move |i| (0..count).map(move |f| (round, i, f)))
        })
    }

    /// Globals that there are.
    fn globals(&self) -> &'static [Ty] {
        if self.references { &GLOBALS } else { &GLOBALS[..GLOBALS.len() - 1] }
    }

    /// The identity of a tag in an instance: 0 and 1 are those of the host.
    fn identity(&self, instance: usize, tag: usize) -> i32 {
        let own = |instance: usize, tag: usize| small(instance * 16 + tag);
        match (tag, instance) {
            (0, _) => 0,
            (1, 0) => i32::from(!self.alias),
            (1, _) if self.cross => own(0, IMPORTED_TAGS),
            (1, _) => 1,
            _ => own(instance, tag),
        }
    }
}

fn small(value: usize) -> i32 {
    i32::try_from(value).expect("a small number")
}

/// One program in so many is optimised, which takes ten times as long as all else.
const OPTIMIZED: u64 = 4;

/// Engines of these modes.
///
/// # Panics
/// When the machine cannot run the engine.
#[must_use]
pub fn engines(modes: Vec<Mode>) -> Engines {
    Engines::of(modes, OPTIMIZED)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Trap(trap) => write!(f, "trap: {}", trap.message()),
            Self::Exception(hash) => write!(f, "exception {hash}"),
            Self::Error => f.write_str("an error of the host"),
            Self::Panic => f.write_str("a panic of the host"),
        }
    }
}
