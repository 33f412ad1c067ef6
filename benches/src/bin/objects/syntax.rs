//! The syntax tree of the class language, as [`parse`](crate::parse) makes it.

use std::fmt;

/// A type as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    /// A 32-bit integer; also what conditions are.
    I32,
    /// A 64-bit integer.
    I64,
    /// A byte, which only arrays hold; it is an `i32` elsewhere.
    U8,
    /// A reference to an object, or null.
    Class(String),
    /// A reference to an array, or null.
    Array(Box<Ty>),
    /// What `null` is.
    Null,
    /// Nothing: what some functions return.
    Void,
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32 => f.write_str("i32"),
            Self::I64 => f.write_str("i64"),
            Self::U8 => f.write_str("u8"),
            Self::Class(name) => f.write_str(name),
            Self::Array(element) => write!(f, "[{element}]"),
            Self::Null => f.write_str("null"),
            Self::Void => f.write_str("void"),
        }
    }
}

/// A field or a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) name: String,
    pub(crate) ty: Ty,
}

/// A function, or a method of a class.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) params: Vec<Typed>,
    pub(crate) result: Ty,
    /// `None` for a method that subclasses define.
    pub(crate) body: Option<Vec<Stmt>>,
}

/// A class, or a `struct`: a class without methods, superclass and method table.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) is_struct: bool,
    pub(crate) parent: Option<String>,
    pub(crate) fields: Vec<Typed>,
    pub(crate) methods: Vec<Function>,
}

/// A global variable with its initial value; references are null at first.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    pub(crate) name: String,
    pub(crate) ty: Ty,
    pub(crate) value: i64,
}

/// A whole program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// The size that `main` gets without an argument.
    pub(crate) size: i64,
    pub(crate) classes: Vec<Class>,
    pub(crate) globals: Vec<Global>,
    /// Names of numbers.
    pub(crate) constants: Vec<(String, i64)>,
    pub(crate) functions: Vec<Function>,
}

/// A statement.
#[derive(Clone, Debug)]
pub(crate) enum Stmt {
    /// `let name: ty = value;`
    Let(String, Option<Ty>, Expr),
    /// `place = value;`
    Assign(Expr, Expr),
    /// A call whose result is dropped.
    Do(Expr),
    /// `if (…) {…} else {…}`
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// `while (…) {…}`
    While(Expr, Vec<Stmt>),
    /// `return …;`
    Return(Option<Expr>),
    /// `break;`
    Break,
    /// `continue;`
    Continue,
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    /// A number; `7L` is an `i64`.
    Number(i64, Ty),
    /// `null`
    Null,
    /// A local, a parameter, `this`, a global or a constant.
    Name(String),
    /// `object.field`
    Field(Box<Expr>, String),
    /// `array[index]`
    Index(Box<Expr>, Box<Expr>),
    /// `function(…)`
    Call(String, Vec<Expr>),
    /// `object.method(…)`, through the method table
    Method(Box<Expr>, String, Vec<Expr>),
    /// `new Class(…)`: a value for each field, those of superclasses first
    New(String, Vec<Expr>),
    /// `new [ty](length)`, all zero or null
    NewArray(Ty, Box<Expr>),
    /// `[ty: a, b, …]`
    ArrayOf(Ty, Vec<Expr>),
    /// `a op b`
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `-a` and `!a`
    Unary(&'static str, Box<Expr>),
    /// `a is Class`
    Is(Box<Expr>, String),
    /// `a as Class`
    As(Box<Expr>, String),
}
