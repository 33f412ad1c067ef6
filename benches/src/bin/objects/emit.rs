//! Functions in the text format, instruction by instruction.

use crate::syntax::{Expr, Function, Program, Stmt, Ty, Typed};
use crate::tables::{Tables, array_type, signature, storage};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;

/// What every program needs of the system: the argument, the timed region and the line with the
/// checksum.
const RUNTIME: &str = include_str!("runtime.wat");

/// The module of a program, as text.
pub(crate) fn module(program: &Program) -> Result<String> {
    let tables = Tables { program };
    let mut out = format!("(module\n{}", tables.types()?);
    out.push_str(&RUNTIME.replace("SIZE", &program.size.to_string()));
    out.push_str(&tables.globals()?);
    for class in &program.classes {
        for method in class.methods.iter().filter(|method| method.body.is_some()) {
            let context = || format!("in `{}.{}`", class.name, method.name);
            let code =
                Body::new(&tables, Some(&class.name), method).emit().with_context(context)?;
            out.push_str(&code);
        }
    }
    for function in &program.functions {
        let code = Body::new(&tables, None, function).emit();
        out.push_str(&code.with_context(|| format!("in `{}`", function.name))?);
    }
    out.push_str(")\n");
    Ok(out)
}

/// A function that is being written.
pub(crate) struct Body<'a> {
    pub(crate) tables: &'a Tables<'a>,
    class: Option<&'a str>,
    function: &'a Function,
    /// Locals that are visible, the innermost last; the number makes their names unique.
    visible: Vec<(Typed, usize)>,
    /// Declarations of all locals.
    locals: String,
    local_count: usize,
    loops: usize,
    /// Loops around, the innermost last.
    open_loops: Vec<usize>,
    code: String,
}

impl<'a> Body<'a> {
    fn new(tables: &'a Tables<'a>, class: Option<&'a str>, function: &'a Function) -> Self {
        Self {
            tables,
            class,
            function,
            visible: Vec::new(),
            locals: String::new(),
            local_count: 0,
            loops: 0,
            open_loops: Vec::new(),
            code: String::new(),
        }
    }

    fn emit(mut self) -> Result<String> {
        let function = self.function;
        let mut head = format!("(func ${}", function.name);
        if let Some(class) = self.class {
            let root = self.tables.method(class, &function.name)?.root;
            head = format!("(func ${class}.{} (type ${root}.{0}.type)", function.name);
            write!(head, " (param $receiver (ref ${root}))")?;
        }
        for param in &function.params {
            let number = self.add_visible(param.clone());
            write!(head, " (param ${}.{number} {})", param.name, storage(&param.ty)?)?;
        }
        let result = Function { params: Vec::new(), ..function.clone() };
        writeln!(head, "{}", signature(&result, "")?)?;
        if let Some(class) = self.class {
            writeln!(self.locals, "(local $this (ref ${class}))")?;
            self.push(&format!(
                "(local.set $this (ref.cast (ref ${class}) (local.get $receiver)))"
            ));
        }
        self.block(function.body.as_ref().context("no body")?)?;
        if function.result != Ty::Void {
            self.push("unreachable");
        }
        Ok(format!("{head}{}{})\n", self.locals, self.code))
    }

    pub(crate) fn push(&mut self, instruction: &str) {
        self.code.push_str(instruction);
        self.code.push('\n');
    }

    fn add_visible(&mut self, local: Typed) -> usize {
        self.local_count += 1;
        self.visible.push((local, self.local_count));
        self.local_count
    }

    /// A local that has no name in the program.
    pub(crate) fn scratch(&mut self, ty: &str) -> Result<String> {
        self.local_count += 1;
        let name = format!("$scratch.{}", self.local_count);
        writeln!(self.locals, "(local {name} {ty})")?;
        Ok(name)
    }

    fn block(&mut self, statements: &[Stmt]) -> Result<()> {
        let outer = self.visible.len();
        for statement in statements {
            self.statement(statement)?;
        }
        self.visible.truncate(outer);
        Ok(())
    }

    fn statement(&mut self, statement: &Stmt) -> Result<()> {
        match statement {
            Stmt::Let(name, ty, value) => {
                let found = self.expr(value)?;
                let ty = ty.clone().unwrap_or(found.clone());
                self.check(&found, &ty)?;
                let storage = storage(&ty)?;
                let number = self.add_visible(Typed { name: name.clone(), ty });
                writeln!(self.locals, "(local ${name}.{number} {storage})")?;
                self.push(&format!("local.set ${name}.{number}"));
            }
            Stmt::Assign(place, value) => self.assign(place, value)?,
            Stmt::Do(call) => {
                if self.expr(call)? != Ty::Void {
                    self.push("drop");
                }
            }
            Stmt::If(condition, then, otherwise) => {
                self.expect(condition, &Ty::I32)?;
                self.push("if");
                self.block(then)?;
                if !otherwise.is_empty() {
                    self.push("else");
                    self.block(otherwise)?;
                }
                self.push("end");
            }
            Stmt::While(condition, body) => self.while_loop(condition, body)?,
            Stmt::Return(value) => {
                let result = self.function.result.clone();
                match value {
                    Some(value) => self.expect(value, &result)?,
                    None => ensure!(result == Ty::Void, "a value must be returned"),
                }
                self.push("return");
            }
            Stmt::Break => self.jump("out")?,
            Stmt::Continue => self.jump("next")?,
        }
        Ok(())
    }

    fn while_loop(&mut self, condition: &Expr, body: &[Stmt]) -> Result<()> {
        self.loops += 1;
        let number = self.loops;
        self.push(&format!("block $out.{number}\nloop $next.{number}"));
        self.expect(condition, &Ty::I32)?;
        self.push(&format!("i32.eqz\nbr_if $out.{number}"));
        self.open_loops.push(number);
        self.block(body)?;
        self.open_loops.pop();
        self.push(&format!("br $next.{number}\nend\nend"));
        Ok(())
    }

    fn jump(&mut self, label: &str) -> Result<()> {
        let number = *self.open_loops.last().context("no loop around")?;
        self.push(&format!("br ${label}.{number}"));
        Ok(())
    }

    fn assign(&mut self, place: &Expr, value: &Expr) -> Result<()> {
        match place {
            Expr::Name(name) => match self.find(name)? {
                Place::Local(ty, local) => {
                    self.expect(value, &ty)?;
                    self.push(&format!("local.set {local}"));
                }
                Place::Global(ty) => {
                    self.expect(value, &ty)?;
                    self.push(&format!("global.set ${name}"));
                }
                Place::Field(ty, class) => {
                    self.push("local.get $this");
                    self.expect(value, &ty)?;
                    self.push(&format!("struct.set ${class} ${name}"));
                }
                Place::Constant(_) => bail!("`{name}` is constant"),
            },
            Expr::Field(object, name) => {
                let (ty, class) = self.field(object, name)?;
                self.expect(value, &ty)?;
                self.push(&format!("struct.set ${class} ${name}"));
            }
            Expr::Index(array, index) => {
                let element = self.element(array, index)?;
                self.expect(value, &value_type(&element))?;
                self.push(&format!("array.set {}", array_type(&element)?));
            }
            other => bail!("nothing can be assigned to {other:?}"),
        }
        Ok(())
    }

    /// Emits an expression that must fit a type.
    pub(crate) fn expect(&mut self, expr: &Expr, expected: &Ty) -> Result<()> {
        let found = match (expr, expected) {
            (Expr::Null, Ty::Class(name)) => {
                self.push(&format!("ref.null ${name}"));
                Ty::Null
            }
            (Expr::Null, Ty::Array(element)) => {
                let name = array_type(element)?;
                self.push(&format!("ref.null {name}"));
                Ty::Null
            }
            _ => self.expr(expr)?,
        };
        self.check(&found, expected)
    }

    fn check(&self, found: &Ty, expected: &Ty) -> Result<()> {
        ensure!(self.tables.fits(found, expected), "`{expected}` expected, `{found}` found");
        Ok(())
    }

    /// What a name stands for.
    pub(crate) fn find(&self, name: &str) -> Result<Place> {
        if let Some((local, number)) = self.visible.iter().rev().find(|(l, _)| l.name == name) {
            return Ok(Place::Local(local.ty.clone(), format!("${name}.{number}")));
        }
        if let Some(class) = self.class {
            if name == "this" {
                return Ok(Place::Local(Ty::Class(class.to_owned()), "$this".to_owned()));
            }
            if let Some((_, ty)) = self.tables.fields(class)?.into_iter().find(|f| f.0 == name) {
                return Ok(Place::Field(ty.clone(), class.to_owned()));
            }
        }
        let program = self.tables.program;
        if let Some(global) = program.globals.iter().find(|global| global.name == name) {
            return Ok(Place::Global(global.ty.clone()));
        }
        let constant = program.constants.iter().find(|constant| constant.0 == name);
        Ok(Place::Constant(constant.with_context(|| format!("no name `{name}`"))?.1))
    }

    /// Emits an object whose field is meant: the field's type and the object's class.
    pub(crate) fn field(&mut self, object: &Expr, name: &str) -> Result<(Ty, String)> {
        let found = self.expr(object)?;
        let Ty::Class(class) = found else { bail!("`{found}` has no field `{name}`") };
        let field = self.tables.fields(&class)?.into_iter().find(|field| field.0 == name);
        let (_, ty) = field.with_context(|| format!("`{class}` has no field `{name}`"))?;
        Ok((ty.clone(), class))
    }

    /// Emits an array and an index: the type of the elements.
    pub(crate) fn element(&mut self, array: &Expr, index: &Expr) -> Result<Ty> {
        let found = self.expr(array)?;
        let Ty::Array(element) = found else { bail!("`{found}` is no array") };
        self.expect(index, &Ty::I32)?;
        Ok(*element)
    }
}

/// What a name stands for.
pub(crate) enum Place {
    /// A local, and what it is called in the text format.
    Local(Ty, String),
    /// A variable of the program.
    Global(Ty),
    /// A field of `this`, and its class.
    Field(Ty, String),
    /// A number.
    Constant(i64),
}

/// What an element is on the operand stack.
pub(crate) fn value_type(element: &Ty) -> Ty {
    if *element == Ty::U8 { Ty::I32 } else { element.clone() }
}
