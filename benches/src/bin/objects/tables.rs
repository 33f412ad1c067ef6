//! What the names of a program mean, and its types in the text format.
//!
//! ```text
//! class C : P { x: i32; fn m(a: i32): i32 … }
//!   $C        (sub $P (struct (field $C.table (ref $C.table)) …P's fields… (field $x (mut i32))))
//!   $C.table  (sub $P.table (struct …P's methods… (field $m (ref $C.m.type))))
//!   $C.m.type (func (param (ref $C)) (param i32) (result i32))
//! struct S { x: i32; }
//!   $S        (sub final (struct (field $x (mut i32))))
//! [i32]       $array.i32, (array (mut i32))
//! ```
//! All of them are one recursion group. A method that overrides another has the type of the first,
//! so its receiver is cast at its start.

use crate::syntax::{Class, Function, Program, Ty};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;

/// A method as callers see it.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    /// Where it was declared first: the type of the receiver.
    pub(crate) root: String,
    /// The class whose body is called.
    pub(crate) owner: String,
    pub(crate) function: Function,
}

/// The program, looked up by name.
pub(crate) struct Tables<'a> {
    pub(crate) program: &'a Program,
}

impl<'a> Tables<'a> {
    pub(crate) fn class(&self, name: &str) -> Result<&'a Class> {
        let found = self.program.classes.iter().find(|class| class.name == name);
        found.with_context(|| format!("no class `{name}`"))
    }

    /// A class and its superclasses, the outermost first.
    fn lineage(&self, name: &str) -> Result<Vec<&'a Class>> {
        let mut classes = vec![self.class(name)?];
        while let Some(parent) = classes.last().and_then(|class| class.parent.as_ref()) {
            ensure!(classes.len() < 64, "`{name}` inherits from itself");
            classes.push(self.class(parent)?);
        }
        classes.reverse();
        Ok(classes)
    }

    /// Types of all fields of a class, by name and in order.
    pub(crate) fn fields(&self, class: &str) -> Result<Vec<(&'a str, &'a Ty)>> {
        let lineage = self.lineage(class)?;
        let fields = lineage.into_iter().flat_map(|class| &class.fields);
        Ok(fields.map(|field| (field.name.as_str(), &field.ty)).collect())
    }

    /// All methods of a class, in the order of its method table.
    pub(crate) fn methods(&self, class: &str) -> Result<Vec<Method>> {
        let mut methods: Vec<Method> = Vec::new();
        for owner in self.lineage(class)? {
            for function in &owner.methods {
                let name = owner.name.clone();
                let known = methods.iter_mut().find(|m| m.function.name == function.name);
                let function = function.clone();
                match known {
                    Some(method) => (method.owner, method.function) = (name, function),
                    None => methods.push(Method { root: name.clone(), owner: name, function }),
                }
            }
        }
        Ok(methods)
    }

    pub(crate) fn method(&self, class: &str, name: &str) -> Result<Method> {
        let found = self.methods(class)?.into_iter().find(|m| m.function.name == name);
        found.with_context(|| format!("`{class}` has no method `{name}`"))
    }

    /// Whether a value of one type may be where another is expected.
    pub(crate) fn fits(&self, found: &Ty, expected: &Ty) -> bool {
        match (found, expected) {
            (Ty::Null, Ty::Class(_) | Ty::Array(_) | Ty::Null) => true,
            (Ty::Class(found), Ty::Class(expected)) => self
                .lineage(found)
                .is_ok_and(|classes| classes.iter().any(|class| class.name == *expected)),
            _ => found == expected,
        }
    }

    /// Whether objects of the class exist: all of its methods have bodies.
    fn is_concrete(&self, class: &Class) -> Result<bool> {
        Ok(self.methods(&class.name)?.iter().all(|method| method.function.body.is_some()))
    }

    /// The recursion group with all types.
    pub(crate) fn types(&self) -> Result<String> {
        let mut out = String::from("(rec\n");
        for class in &self.program.classes {
            self.struct_type(class, &mut out)?;
        }
        for class in self.program.classes.iter().filter(|class| !class.is_struct) {
            self.table_type(class, &mut out)?;
        }
        for class in &self.program.classes {
            for method in self.methods(&class.name)?.iter().filter(|m| m.root == class.name) {
                let function = &method.function;
                let receiver = format!("(param (ref ${}))", class.name);
                let (root, name) = (&class.name, &function.name);
                let signature = signature(function, &receiver)?;
                writeln!(out, "  (type ${root}.{name}.type (func {signature}))")?;
            }
        }
        let elements = ["i32", "i64", "u8"].map(|name| match name {
            "i32" => Ty::I32,
            "i64" => Ty::I64,
            _ => Ty::U8,
        });
        let classes = self.program.classes.iter().map(|class| Ty::Class(class.name.clone()));
        for element in elements.into_iter().chain(classes) {
            let name = array_type(&element)?;
            writeln!(out, "  (type {name} (array (mut {})))", storage(&element)?)?;
        }
        out.push_str(")\n");
        Ok(out)
    }

    fn struct_type(&self, class: &Class, out: &mut String) -> Result<()> {
        let name = &class.name;
        let parent = class.parent.as_ref().map_or(String::new(), |parent| format!("${parent} "));
        let is_final = if class.is_struct { "final " } else { "" };
        write!(out, "  (type ${name} (sub {is_final}{parent}(struct")?;
        if !class.is_struct {
            write!(out, " (field $table (ref ${name}.table))")?;
        }
        for (field, ty) in self.fields(name)? {
            write!(out, " (field ${field} (mut {}))", storage(ty)?)?;
        }
        out.push_str(")))\n");
        Ok(())
    }

    fn table_type(&self, class: &Class, out: &mut String) -> Result<()> {
        let name = &class.name;
        let parent = class.parent.as_ref();
        let parent = parent.map_or(String::new(), |parent| format!("${parent}.table "));
        write!(out, "  (type ${name}.table (sub {parent}(struct")?;
        for method in self.methods(name)? {
            let (root, method) = (&method.root, &method.function.name);
            write!(out, " (field ${method} (ref ${root}.{method}.type))")?;
        }
        out.push_str(")))\n");
        Ok(())
    }

    /// The method tables, and the variables of the program.
    pub(crate) fn globals(&self) -> Result<String> {
        let mut out = String::new();
        for class in self.program.classes.iter().filter(|class| !class.is_struct) {
            let name = &class.name;
            if !self.is_concrete(class)? {
                continue;
            }
            write!(out, "(global ${name}.table (ref ${name}.table) (struct.new ${name}.table")?;
            for method in self.methods(name)? {
                write!(out, " (ref.func ${}.{})", method.owner, method.function.name)?;
            }
            out.push_str("))\n");
        }
        for global in &self.program.globals {
            let (name, ty) = (&global.name, storage(&global.ty)?);
            let value = match &global.ty {
                Ty::I32 | Ty::I64 => format!("({ty}.const {})", global.value),
                Ty::Class(class) => format!("(ref.null ${class})"),
                Ty::Array(element) => format!("(ref.null {})", array_type(element)?),
                other => bail!("no global is of type `{other}`"),
            };
            writeln!(out, "(global ${name} (mut {ty}) {value})")?;
        }
        Ok(out)
    }
}

/// The type that a field, an element or a local has.
pub(crate) fn storage(ty: &Ty) -> Result<String> {
    Ok(match ty {
        Ty::I32 => "i32".to_owned(),
        Ty::I64 => "i64".to_owned(),
        Ty::U8 => "i8".to_owned(),
        Ty::Class(name) => format!("(ref null ${name})"),
        Ty::Array(element) => format!("(ref null {})", array_type(element)?),
        Ty::Null | Ty::Void => bail!("nothing is of type `{ty}`"),
    })
}

/// The name of the type of arrays of `element`.
pub(crate) fn array_type(element: &Ty) -> Result<String> {
    match element {
        Ty::I32 | Ty::I64 | Ty::U8 | Ty::Class(_) => Ok(format!("$array.{element}")),
        other => bail!("no arrays of `{other}`"),
    }
}

/// Parameters and results; `receiver` comes first.
pub(crate) fn signature(function: &Function, receiver: &str) -> Result<String> {
    let mut out = receiver.to_owned();
    for param in &function.params {
        write!(out, " (param {})", storage(&param.ty)?)?;
    }
    if function.result != Ty::Void {
        write!(out, " (result {})", storage(&function.result)?)?;
    }
    Ok(out)
}
