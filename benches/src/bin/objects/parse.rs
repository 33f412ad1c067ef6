//! Text to syntax tree, by recursive descent.
//!
//! ```text
//! size 100;                            the size that main gets without an argument
//! const LIMIT = 8;
//! var seed: i32 = 1;
//! struct Pair { left: Pair; right: Pair; }
//! class Shape { name: i32; fn area(scale: i32): i32; }
//! class Square : Shape { side: i32; fn area(scale: i32): i32 { return scale * side * side; } }
//! fn main(n: i32): i64 { … }
//! ```
//! Fields of `this` are named without `this`. Comments run from `//` to the end of the line.

use crate::syntax::{Class, Expr, Function, Global, Program, Stmt, Ty, Typed};
use anyhow::{Context, Result, bail, ensure};

/// Binary operators, those that bind least first.
const LEVELS: [&[&str]; 8] = [
    &["||"],
    &["&&"],
    &["==", "!=", "<", "<=", ">", ">="],
    &["|"],
    &["^"],
    &["&"],
    &["<<", ">>", ">>>"],
    &["+", "-"],
];
/// Those that bind most.
const PRODUCTS: &[&str] = &["*", "/", "%"];
/// Marks of more than one character, the longest first.
const LONG_MARKS: [&str; 9] = [">>>", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||"];

/// Parses a program.
pub(crate) fn parse(text: &str) -> Result<Program> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let mut program = Program::default();
    while parser.at < parser.tokens.len() {
        let line = parser.line();
        parser.item(&mut program).with_context(|| format!("item in line {line}"))?;
    }
    Ok(program)
}

struct Token {
    text: String,
    line: usize,
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let mut rest = line.split("//").next().unwrap_or("").trim_start();
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let len = if word(first) {
                rest.find(|c| !word(c)).unwrap_or(rest.len())
            } else {
                ensure!(first.is_ascii(), "line {}: {first:?}", i + 1);
                LONG_MARKS.iter().find(|mark| rest.starts_with(**mark)).map_or(1, |mark| mark.len())
            };
            tokens.push(Token { text: rest[..len].to_owned(), line: i + 1 });
            rest = rest[len..].trim_start();
        }
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", |token| &token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.line)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.at += 1;
        token
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.peek() == text;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        let line = self.line();
        let found = self.next();
        ensure!(found == text, "line {line}: `{text}` expected, `{found}` found");
        Ok(())
    }

    fn name(&mut self) -> Result<String> {
        let line = self.line();
        let name = self.next();
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        ensure!(starts, "line {line}: a name expected, `{name}` found");
        Ok(name)
    }

    fn number(&mut self) -> Result<(i64, Ty)> {
        let line = self.line();
        let minus = self.accept("-");
        let token = self.next();
        let (digits, ty) = match token.strip_suffix('L') {
            Some(digits) => (digits, Ty::I64),
            None => (token.as_str(), Ty::I32),
        };
        let value = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).map(u64::cast_signed),
            None => digits.parse::<i64>(),
        };
        let value = value.with_context(|| format!("line {line}: number `{token}`"))?;
        Ok((if minus { -value } else { value }, ty))
    }

    fn item(&mut self, program: &mut Program) -> Result<()> {
        match self.next().as_str() {
            "size" => program.size = self.number()?.0,
            "const" => {
                let name = self.name()?;
                self.expect("=")?;
                program.constants.push((name, self.number()?.0));
            }
            "var" => {
                let Typed { name, ty } = self.typed()?;
                let value = if self.accept("=") { self.number()?.0 } else { 0 };
                program.globals.push(Global { name, ty, value });
            }
            "struct" => {
                program.classes.push(self.class(true)?);
                return Ok(());
            }
            "class" => {
                program.classes.push(self.class(false)?);
                return Ok(());
            }
            "fn" => {
                program.functions.push(self.function()?);
                return Ok(());
            }
            other => bail!("`{other}` starts no item"),
        }
        self.expect(";")
    }

    fn typed(&mut self) -> Result<Typed> {
        let name = self.name()?;
        self.expect(":")?;
        Ok(Typed { name, ty: self.ty()? })
    }

    fn ty(&mut self) -> Result<Ty> {
        if self.accept("[") {
            let element = Box::new(self.ty()?);
            self.expect("]")?;
            return Ok(Ty::Array(element));
        }
        Ok(match self.name()?.as_str() {
            "i32" => Ty::I32,
            "i64" => Ty::I64,
            "u8" => Ty::U8,
            name => Ty::Class(name.to_owned()),
        })
    }

    fn class(&mut self, is_struct: bool) -> Result<Class> {
        let name = self.name()?;
        let parent = if self.accept(":") { Some(self.name()?) } else { None };
        ensure!(!is_struct || parent.is_none(), "a struct has no superclass");
        let (mut fields, mut methods) = (Vec::new(), Vec::new());
        self.expect("{")?;
        while !self.accept("}") {
            if self.accept("fn") {
                ensure!(!is_struct, "a struct has no methods");
                methods.push(self.function()?);
            } else {
                fields.push(self.typed()?);
                self.expect(";")?;
            }
        }
        Ok(Class { name, is_struct, parent, fields, methods })
    }

    fn function(&mut self) -> Result<Function> {
        let name = self.name()?;
        self.expect("(")?;
        let mut params = Vec::new();
        while !self.accept(")") {
            params.push(self.typed()?);
            self.accept(",");
        }
        let result = if self.accept(":") { self.ty()? } else { Ty::Void };
        let body = if self.accept(";") { None } else { Some(self.block()?) };
        Ok(Function { name, params, result, body })
    }

    fn block(&mut self) -> Result<Vec<Stmt>> {
        self.expect("{")?;
        let mut statements = Vec::new();
        while !self.accept("}") {
            statements.push(self.statement()?);
        }
        Ok(statements)
    }

    fn condition(&mut self) -> Result<Expr> {
        self.expect("(")?;
        let condition = self.expr()?;
        self.expect(")")?;
        Ok(condition)
    }

    fn statement(&mut self) -> Result<Stmt> {
        if self.accept("if") {
            let condition = self.condition()?;
            let then = self.block()?;
            let otherwise = if !self.accept("else") {
                Vec::new()
            } else if self.peek() == "if" {
                vec![self.statement()?]
            } else {
                self.block()?
            };
            return Ok(Stmt::If(condition, then, otherwise));
        }
        if self.accept("while") {
            let condition = self.condition()?;
            return Ok(Stmt::While(condition, self.block()?));
        }
        let statement = self.simple_statement()?;
        self.expect(";")?;
        Ok(statement)
    }

    fn simple_statement(&mut self) -> Result<Stmt> {
        if self.accept("let") {
            let name = self.name()?;
            let ty = if self.accept(":") { Some(self.ty()?) } else { None };
            self.expect("=")?;
            return Ok(Stmt::Let(name, ty, self.expr()?));
        }
        if self.accept("return") {
            let value = if self.peek() == ";" { None } else { Some(self.expr()?) };
            return Ok(Stmt::Return(value));
        }
        if self.accept("break") {
            return Ok(Stmt::Break);
        }
        if self.accept("continue") {
            return Ok(Stmt::Continue);
        }
        let place = self.expr()?;
        if self.accept("=") {
            return Ok(Stmt::Assign(place, self.expr()?));
        }
        Ok(Stmt::Do(place))
    }

    fn expr(&mut self) -> Result<Expr> {
        self.level(0)
    }

    fn level(&mut self, level: usize) -> Result<Expr> {
        let operators = *LEVELS.get(level).unwrap_or(&PRODUCTS);
        let deeper = |parser: &mut Self| match level < LEVELS.len() {
            true => parser.level(level + 1),
            false => parser.unary(),
        };
        let mut left = deeper(self)?;
        while let Some(operator) = operators.iter().copied().find(|op| *op == self.peek()) {
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(deeper(self)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.accept("-") {
            return Ok(Expr::Unary("-", Box::new(self.unary()?)));
        }
        if self.accept("!") {
            return Ok(Expr::Unary("!", Box::new(self.unary()?)));
        }
        let mut expr = self.primary()?;
        loop {
            if self.accept(".") {
                let name = self.name()?;
                expr = match self.peek() {
                    "(" => Expr::Method(Box::new(expr), name, self.arguments()?),
                    _ => Expr::Field(Box::new(expr), name),
                };
            } else if self.accept("[") {
                expr = Expr::Index(Box::new(expr), Box::new(self.expr()?));
                self.expect("]")?;
            } else if self.accept("is") {
                expr = Expr::Is(Box::new(expr), self.name()?);
            } else if self.accept("as") {
                expr = Expr::As(Box::new(expr), self.name()?);
            } else {
                return Ok(expr);
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expr>> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.accept(")") {
            arguments.push(self.expr()?);
            self.accept(",");
        }
        Ok(arguments)
    }

    fn primary(&mut self) -> Result<Expr> {
        if self.accept("(") {
            let inner = self.expr()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.accept("[") {
            let element = self.ty()?;
            self.expect(":")?;
            let mut values = Vec::new();
            while !self.accept("]") {
                values.push(self.expr()?);
                self.accept(",");
            }
            return Ok(Expr::ArrayOf(element, values));
        }
        if self.accept("null") {
            return Ok(Expr::Null);
        }
        if self.accept("new") {
            return self.new_object();
        }
        if self.peek().starts_with(|c: char| c.is_ascii_digit()) {
            let (value, ty) = self.number()?;
            return Ok(Expr::Number(value, ty));
        }
        let name = self.name()?;
        match self.peek() {
            "(" => Ok(Expr::Call(name, self.arguments()?)),
            _ => Ok(Expr::Name(name)),
        }
    }

    fn new_object(&mut self) -> Result<Expr> {
        if self.peek() != "[" {
            return Ok(Expr::New(self.name()?, self.arguments()?));
        }
        let Ty::Array(element) = self.ty()? else { bail!("an array's type expected") };
        let length = self.condition()?;
        Ok(Expr::NewArray(*element, Box::new(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_bind_as_usual() {
        let program = parse("fn f(a: i32): i32 { return 1 + a * 2 < 7 && -a.b[3] is C; }").unwrap();
        let body = program.functions[0].body.as_ref().unwrap();
        let Stmt::Return(Some(Expr::Binary("&&", less, is))) = &body[0] else { panic!("{body:?}") };
        assert!(matches!(&**less, Expr::Binary("<", sum, _)
            if matches!(&**sum, Expr::Binary("+", _, product)
                if matches!(&**product, Expr::Binary("*", ..)))));
        assert!(matches!(&**is, Expr::Unary("-", inner) if matches!(&**inner, Expr::Is(..))));
    }

    #[test]
    fn errors_name_their_line() {
        let error = format!("{:#}", parse("size 1;\n\nfn f( { }").unwrap_err());
        assert!(error.contains("line 3"), "{error}");
        assert!(parse("struct S : T { }").is_err());
    }
}
