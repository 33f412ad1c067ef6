//! Expressions in the text format.

use crate::emit::{Body, Place, value_type};
use crate::syntax::{Expr, Ty};
use crate::tables::array_type;
use anyhow::{Context, Result, bail, ensure};

impl Body<'_> {
    /// Emits an expression; its type.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Result<Ty> {
        match expr {
            Expr::Number(value, ty) => {
                self.push(&format!("{ty}.const {value}"));
                Ok(ty.clone())
            }
            Expr::Null => {
                self.push("ref.null none");
                Ok(Ty::Null)
            }
            Expr::Name(name) => self.name(name),
            Expr::Field(object, name) => {
                let (ty, class) = self.field(object, name)?;
                self.push(&format!("struct.get ${class} ${name}"));
                Ok(ty)
            }
            Expr::Index(array, index) => {
                let element = self.element(array, index)?;
                let unsigned = if element == Ty::U8 { "_u" } else { "" };
                self.push(&format!("array.get{unsigned} {}", array_type(&element)?));
                Ok(value_type(&element))
            }
            Expr::Call(name, arguments) => self.call(name, arguments),
            Expr::Method(object, name, arguments) => self.method(object, name, arguments),
            Expr::New(class, values) => self.new_object(class, values),
            Expr::NewArray(element, length) => {
                self.expect(length, &Ty::I32)?;
                self.push(&format!("array.new_default {}", array_type(element)?));
                Ok(Ty::Array(Box::new(element.clone())))
            }
            Expr::ArrayOf(element, values) => {
                for value in values {
                    self.expect(value, &value_type(element))?;
                }
                self.push(&format!("array.new_fixed {} {}", array_type(element)?, values.len()));
                Ok(Ty::Array(Box::new(element.clone())))
            }
            Expr::Binary(operator, left, right) => self.binary(operator, left, right),
            Expr::Unary(operator, operand) => self.unary(operator, operand),
            Expr::Is(object, class) => {
                self.expr(object)?;
                self.push(&format!("ref.test (ref ${class})"));
                Ok(Ty::I32)
            }
            Expr::As(object, class) => {
                self.expr(object)?;
                self.tables.class(class)?;
                self.push(&format!("ref.cast (ref null ${class})"));
                Ok(Ty::Class(class.clone()))
            }
        }
    }

    fn name(&mut self, name: &str) -> Result<Ty> {
        let (ty, instruction) = match self.find(name)? {
            Place::Local(ty, local) => (ty, format!("local.get {local}")),
            Place::Global(ty) => (ty, format!("global.get ${name}")),
            Place::Field(ty, class) => {
                (ty, format!("local.get $this\nstruct.get ${class} ${name}"))
            }
            Place::Constant(value) => (Ty::I32, format!("i32.const {value}")),
        };
        self.push(&instruction);
        Ok(ty)
    }

    fn new_object(&mut self, class: &str, values: &[Expr]) -> Result<Ty> {
        let tables = self.tables;
        if !tables.class(class)?.is_struct {
            self.push(&format!("global.get ${class}.table"));
        }
        let fields = tables.fields(class)?;
        ensure!(fields.len() == values.len(), "`{class}` has {} fields", fields.len());
        for ((_, ty), value) in fields.into_iter().zip(values) {
            self.expect(value, ty)?;
        }
        self.push(&format!("struct.new ${class}"));
        Ok(Ty::Class(class.to_owned()))
    }

    fn call(&mut self, name: &str, arguments: &[Expr]) -> Result<Ty> {
        match (name, arguments) {
            ("len", [array]) => {
                self.expr(array)?;
                self.push("array.len");
                return Ok(Ty::I32);
            }
            ("i64", [value]) => {
                self.expect(value, &Ty::I32)?;
                self.push("i64.extend_i32_s");
                return Ok(Ty::I64);
            }
            ("i32", [value]) => {
                self.expect(value, &Ty::I64)?;
                self.push("i32.wrap_i64");
                return Ok(Ty::I32);
            }
            ("start" | "end", []) => {
                self.push(&format!("call $bench.{name}"));
                return Ok(Ty::Void);
            }
            _ => {}
        }
        let functions = &self.tables.program.functions;
        let function = functions.iter().find(|function| function.name == name);
        let function = function.with_context(|| format!("no function `{name}`"))?;
        ensure!(function.params.len() == arguments.len(), "`{name}`: number of arguments");
        for (param, argument) in function.params.iter().zip(arguments) {
            self.expect(argument, &param.ty)?;
        }
        self.push(&format!("call ${name}"));
        Ok(function.result.clone())
    }

    /// The receiver is evaluated once and used twice.
    fn method(&mut self, object: &Expr, name: &str, arguments: &[Expr]) -> Result<Ty> {
        let found = self.expr(object)?;
        let Ty::Class(class) = found else { bail!("`{found}` has no method `{name}`") };
        let method = self.tables.method(&class, name)?;
        let function = method.function;
        let receiver = self.scratch(&format!("(ref ${class})"))?;
        self.push(&format!("ref.as_non_null\nlocal.tee {receiver}"));
        ensure!(function.params.len() == arguments.len(), "`{name}`: number of arguments");
        for (param, argument) in function.params.iter().zip(arguments) {
            self.expect(argument, &param.ty)?;
        }
        self.push(&format!("local.get {receiver}\nstruct.get ${class} $table"));
        self.push(&format!("struct.get ${class}.table ${name}"));
        self.push(&format!("call_ref ${}.{name}.type", method.root));
        Ok(function.result)
    }

    fn binary(&mut self, operator: &str, left: &Expr, right: &Expr) -> Result<Ty> {
        if let "&&" | "||" = operator {
            self.expect(left, &Ty::I32)?;
            self.push("if (result i32)");
            let (then, otherwise) = match operator {
                "&&" => (right, &Expr::Number(0, Ty::I32)),
                _ => (&Expr::Number(1, Ty::I32), right),
            };
            self.expect(then, &Ty::I32)?;
            self.push("else");
            self.expect(otherwise, &Ty::I32)?;
            self.push("end");
            return Ok(Ty::I32);
        }
        let ty = self.expr(left)?;
        if !matches!(ty, Ty::I32 | Ty::I64) {
            return self.identity(operator, right);
        }
        self.expect(right, &ty)?;
        let (name, result) = match operator {
            "==" => ("eq", Ty::I32),
            "!=" => ("ne", Ty::I32),
            "<" => ("lt_s", Ty::I32),
            "<=" => ("le_s", Ty::I32),
            ">" => ("gt_s", Ty::I32),
            ">=" => ("ge_s", Ty::I32),
            "|" => ("or", ty.clone()),
            "^" => ("xor", ty.clone()),
            "&" => ("and", ty.clone()),
            "<<" => ("shl", ty.clone()),
            ">>" => ("shr_s", ty.clone()),
            ">>>" => ("shr_u", ty.clone()),
            "+" => ("add", ty.clone()),
            "-" => ("sub", ty.clone()),
            "*" => ("mul", ty.clone()),
            "/" => ("div_s", ty.clone()),
            "%" => ("rem_s", ty.clone()),
            other => bail!("no operator `{other}`"),
        };
        self.push(&format!("{ty}.{name}"));
        Ok(result)
    }

    /// `==` and `!=` of references; the left one is on the stack.
    fn identity(&mut self, operator: &str, right: &Expr) -> Result<Ty> {
        if matches!(right, Expr::Null) {
            self.push("ref.is_null");
        } else {
            self.expr(right)?;
            self.push("ref.eq");
        }
        match operator {
            "==" => {}
            "!=" => self.push("i32.eqz"),
            other => bail!("references have no `{other}`"),
        }
        Ok(Ty::I32)
    }

    fn unary(&mut self, operator: &str, operand: &Expr) -> Result<Ty> {
        if operator == "!" {
            self.expect(operand, &Ty::I32)?;
            self.push("i32.eqz");
            return Ok(Ty::I32);
        }
        let ty = self.expr(operand)?;
        ensure!(matches!(ty, Ty::I32 | Ty::I64), "`{ty}` has no sign");
        self.push(&format!("{ty}.const -1\n{ty}.mul"));
        Ok(ty)
    }
}
