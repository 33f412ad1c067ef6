//! Writes programs as text.

use super::{
    Binary, Expr, Form, Function, GLOBALS, HASH_DEPTH, HASH_ELEMENTS, Program, Statement, Storage,
    TABLE, Target, Ty, model,
};
use std::cell::Cell;
use std::fmt::Write as _;

/// What all programs have: exceptions that hold a reference, and functions that wrap references
/// into other values and get them back.
const HELPERS: &str = r#"
(tag $e (param anyref i32))
(func $leaf)
(elem declare func $leaf)
(func $to_func (param i32) (result funcref)
  (if (result funcref) (i32.and (local.get 0) (i32.const 1))
    (then (ref.func $leaf)) (else (ref.null func))))
(func $to_exn (param anyref) (result exnref)
  (block $h (result exnref)
    (try_table (catch_all_ref $h) (throw $e (local.get 0) (i32.const 0)))
    unreachable))
(func $from_exn (param exnref) (result anyref)
  (if (ref.is_null (local.get 0)) (then (return (ref.null any))))
  (block $h (result anyref i32)
    (try_table (catch $e $h) (throw_ref (local.get 0)))
    unreachable)
  drop)
"#;

pub(super) fn module(program: &Program) -> String {
    let writer = Writer { program, labels: Cell::new(0) };
    let mut out = String::from("(module\n");
    writer.types(&mut out);
    out.push_str("(import \"host\" \"between\" (func $between (param anyref) (result anyref)))\n");
    for (index, ty) in GLOBALS.into_iter().enumerate() {
        let ty_text = type_text(ty);
        line(&mut out, &format!("(global $g{index} (mut {ty_text}) {})", null(ty)));
    }
    line(&mut out, &format!("(table $t {TABLE} {TABLE} anyref)"));
    out.push_str(HELPERS);
    writer.hash(&mut out);
    for (index, function) in program.functions.iter().enumerate() {
        writer.function(&mut out, index, function);
        writer.export(&mut out, index, function);
    }
    out.push_str(")\n");
    out
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("strings take anything");
}

fn type_text(ty: Ty) -> String {
    match ty {
        Ty::I32 => "i32".into(),
        Ty::Any => "anyref".into(),
        Ty::Struct(index) => format!("(ref null $s{index})"),
        Ty::Array(index) => format!("(ref null $a{index})"),
    }
}

fn heap_type(ty: Ty) -> String {
    match ty {
        Ty::I32 | Ty::Any => "any".into(),
        Ty::Struct(index) => format!("$s{index}"),
        Ty::Array(index) => format!("$a{index}"),
    }
}

fn null(ty: Ty) -> String {
    format!("(ref.null {})", heap_type(ty))
}

fn reference(ty: Ty, nullable: bool) -> String {
    let null = if nullable { "null " } else { "" };
    format!("(ref {null}{})", heap_type(ty))
}

fn target_text(target: Target, nullable: bool) -> String {
    let heap = match target {
        Target::Ty(ty) => return reference(ty, nullable),
        Target::I31 => "i31",
        Target::Eq => "eq",
        Target::AnyStruct => "struct",
        Target::AnyArray => "array",
        Target::None => "none",
    };
    let null = if nullable { "null " } else { "" };
    format!("(ref {null}{heap})")
}

impl Storage {
    fn text(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::Func => "funcref",
            Self::Any => "anyref",
            Self::Extern => "externref",
            Self::Exn => "exnref",
            Self::Base => "(ref null $s0)",
        }
    }

    fn suffix(self, signed: bool) -> &'static str {
        match self {
            Self::I8 | Self::I16 if signed => "_s",
            Self::I8 | Self::I16 => "_u",
            _ => "",
        }
    }

    /// Code that makes what is stored from a value.
    fn store(self, value: &str) -> String {
        match self {
            Self::I8 | Self::I16 | Self::I32 | Self::Any | Self::Base => value.to_owned(),
            Self::I64 => format!("(i64.extend_i32_s {value})"),
            Self::F64 => format!("(f64.convert_i32_s {value})"),
            Self::V128 => format!("(i32x4.splat {value})"),
            Self::Func => format!("(call $to_func {value})"),
            Self::Extern => format!("(extern.convert_any {value})"),
            Self::Exn => format!("(call $to_exn {value})"),
        }
    }

    /// The other way round.
    fn load(self, stored: &str) -> String {
        match self {
            Self::I8 | Self::I16 | Self::I32 | Self::Any | Self::Base => stored.to_owned(),
            Self::I64 => format!("(i32.wrap_i64 {stored})"),
            Self::F64 => format!("(i32.trunc_f64_s {stored})"),
            Self::V128 => format!("(i32x4.extract_lane 2 {stored})"),
            Self::Func => format!("(i32.eqz (ref.is_null {stored}))"),
            Self::Extern => format!("(any.convert_extern {stored})"),
            Self::Exn => format!("(call $from_exn {stored})"),
        }
    }
}

struct Writer<'a> {
    program: &'a Program,
    labels: Cell<u32>,
}

impl Writer<'_> {
    fn label(&self) -> u32 {
        self.labels.replace(self.labels.get() + 1)
    }

    fn types(&self, out: &mut String) {
        line(out, "(rec");
        for (index, ty) in self.program.structs.iter().enumerate() {
            let parent = ty.parent.map(|parent| format!("$s{parent}")).unwrap_or_default();
            let is_final = if ty.is_final { "final " } else { "" };
            let fields = ty.fields.iter().map(|field| format!("(field (mut {}))", field.text()));
            let fields = fields.collect::<Vec<_>>().join(" ");
            line(out, &format!("(type $s{index} (sub {is_final}{parent} (struct {fields})))"));
        }
        for (index, element) in self.program.arrays.iter().enumerate() {
            line(out, &format!("(type $a{index} (array (mut {})))", element.text()));
        }
        line(out, ")");
    }

    /// The function that hashes what a reference leads to.
    fn hash(&self, out: &mut String) {
        line(out, "(func $hash (param $r anyref) (param $d i32) (result i32) (local $h i32)");
        line(out, "(local $i i32) (local $n i32)");
        line(out, "(if (ref.is_null (local.get $r)) (then (return (i32.const 1))))");
        line(out, "(if (ref.test (ref i31) (local.get $r)) (then (return (i32.add (i32.const 2)");
        line(out, "(i32.mul (i32.const 3) (i31.get_s (ref.cast (ref i31) (local.get $r))))))))");
        line(out, "(if (i32.eqz (local.get $d)) (then (return (i32.const 5))))");
        line(out, "(local.set $d (i32.sub (local.get $d) (i32.const 1)))");
        for (index, ty) in self.program.structs.iter().enumerate().rev() {
            line(out, &format!("(if (ref.test (ref $s{index}) (local.get $r)) (then"));
            line(out, &format!("(local.set $h (i32.const {}))", index + 11));
            for (field, storage) in ty.fields.iter().enumerate() {
                let suffix = storage.suffix(false);
                let object = format!("(ref.cast (ref $s{index}) (local.get $r))");
                let stored = format!("(struct.get{suffix} $s{index} {field} {object})");
                line(out, &hash_part(*storage, &stored));
            }
            line(out, "(return (local.get $h))))");
        }
        for (index, storage) in self.program.arrays.iter().enumerate() {
            let suffix = storage.suffix(false);
            let array = format!("(ref.cast (ref null $a{index}) (local.get $r))");
            line(out, &format!("(if (ref.test (ref $a{index}) (local.get $r)) (then"));
            line(out, &format!("(local.set $n (array.len {array}))"));
            line(out, "(local.set $h (i32.add (i32.mul (local.get $n) (i32.const 7))");
            line(out, &format!("(i32.const {index})))"));
            line(out, "(loop $l (if (i32.lt_s (local.get $i) (select (local.get $n)");
            line(out, &format!("(i32.const {HASH_ELEMENTS}) (i32.lt_s (local.get $n)"));
            line(out, &format!("(i32.const {HASH_ELEMENTS})))) (then"));
            let stored = format!("(array.get{suffix} $a{index} {array} (local.get $i))");
            line(out, &hash_part(*storage, &stored));
            line(out, "(local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))");
            line(out, "(return (local.get $h))))");
        }
        line(out, "unreachable)");
    }

    fn function(&self, out: &mut String, index: usize, function: &Function) {
        let list =
            |types: &[Ty]| types.iter().map(|ty| type_text(*ty)).collect::<Vec<_>>().join(" ");
        let (params, result) = (list(&function.params), type_text(function.ty));
        line(out, &format!("(func $f{index} (param {params}) (result {result})"));
        let count = function.params.len();
        line(out, &format!("(local {}) (local $tmp anyref)", list(&function.locals[count..])));
        self.statements(out, &function.body);
        line(out, &self.expr(&function.result));
        line(out, ")");
    }

    fn export(&self, out: &mut String, index: usize, function: &Function) {
        line(out, &format!("(func (export \"run{index}\") (param i32) (result i32)"));
        let last = null(function.params[2]);
        let call = format!("(call $f{index} (global.get $g0) (local.get 0) {last})");
        let hash = |value: &str| format!("(call $hash {value} (i32.const {HASH_DEPTH}))");
        line(out, &if function.ty == Ty::I32 { call } else { hash(&call) });
        let globals = (0..GLOBALS.len()).map(|global| format!("(global.get $g{global})"));
        let table = (0..TABLE).map(|index| format!("(table.get $t (i32.const {index}))"));
        for value in globals.chain(table) {
            line(out, &format!("i32.const 31 i32.mul {} i32.add", hash(&value)));
        }
        line(out, ")");
    }

    fn statements(&self, out: &mut String, statements: &[Statement]) {
        statements.iter().for_each(|statement| self.statement(out, statement));
    }

    fn statement(&self, out: &mut String, statement: &Statement) {
        match statement {
            Statement::SetLocal(local, value) => {
                line(out, &format!("(local.set {local} {})", self.expr(value)));
            }
            Statement::SetGlobal(global, value) => {
                line(out, &format!("(global.set $g{global} {})", self.expr(value)));
            }
            Statement::SetTable(index, value) => {
                let (index, value) = (self.expr(index), self.expr(value));
                line(out, &format!("(table.set $t {index} {value})"));
            }
            Statement::SetField { ty, field, object, value } => {
                let value = self.program.structs[*ty].fields[*field].store(&self.expr(value));
                let object = self.expr(object);
                line(out, &format!("(struct.set $s{ty} {field} {object} {value})"));
            }
            Statement::SetElement { ty, array, index, value } => {
                let value = self.program.arrays[*ty].store(&self.expr(value));
                let (array, index) = (self.expr(array), self.expr(index));
                line(out, &format!("(array.set $a{ty} {array} {index} {value})"));
            }
            Statement::Fill { ty, array, index, value, length } => {
                let value = self.program.arrays[*ty].store(&self.expr(value));
                let operands = [self.expr(array), self.expr(index), value, self.expr(length)];
                line(out, &format!("(array.fill $a{ty} {})", operands.join(" ")));
            }
            Statement::Copy { ty, to, to_index, from, from_index, length } => {
                let operands = [to, to_index, from, from_index, length].map(|e| self.expr(e));
                line(out, &format!("(array.copy $a{ty} $a{ty} {})", operands.join(" ")));
            }
            _ => self.nested(out, statement),
        }
    }

    /// Statements with others in them.
    fn nested(&self, out: &mut String, statement: &Statement) {
        match statement {
            Statement::If { condition, then, or } => {
                line(out, &format!("(if {} (then", self.expr(condition)));
                self.statements(out, then);
                line(out, ") (else");
                self.statements(out, or);
                line(out, "))");
            }
            Statement::Loop { counter, turns, body } => {
                let label = self.label();
                line(out, &format!("(local.set {counter} (i32.const {turns}))"));
                line(out, &format!("(loop $l{label}"));
                self.statements(out, body);
                let next = format!("(i32.sub (local.get {counter}) (i32.const 1))");
                let next = format!("(i32.gt_s (local.tee {counter} {next}) (i32.const 0))");
                line(out, &format!("(br_if $l{label} {next}))"));
            }
            Statement::Try { body, reference, number } => {
                let (done, caught) = (self.label(), self.label());
                line(out, &format!("(block $l{done} (block $l{caught} (result anyref i32)"));
                line(out, &format!("(try_table (catch $e $l{caught})"));
                self.statements(out, body);
                line(out, &format!(") (br $l{done}))"));
                line(out, &format!("local.set {number} local.set {reference})"));
            }
            Statement::Throw { condition, reference, number } => {
                let operands = [condition, reference, number].map(|e| self.expr(e));
                let [condition, reference, number] = operands;
                line(out, &format!("(if {condition} (then (throw $e {reference} {number})))"));
            }
            _ => unreachable!("no statement with others in it"),
        }
    }

    fn exprs(&self, values: &[Expr]) -> String {
        values.iter().map(|value| self.expr(value)).collect::<Vec<_>>().join(" ")
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Local(local) => format!("(local.get {local})"),
            Expr::Global(global) => format!("(global.get $g{global})"),
            Expr::Table(index) => format!("(table.get $t {})", self.expr(index)),
            Expr::Field { ty, field, signed, object } => {
                let storage = self.program.structs[*ty].fields[*field];
                let (suffix, object) = (storage.suffix(*signed), self.expr(object));
                storage.load(&format!("(struct.get{suffix} $s{ty} {field} {object})"))
            }
            Expr::Element { ty, signed, array, index } => {
                let storage = self.program.arrays[*ty];
                let (suffix, array) = (storage.suffix(*signed), self.expr(array));
                storage.load(&format!("(array.get{suffix} $a{ty} {array} {})", self.expr(index)))
            }
            Expr::If { ty, condition, then, or } => {
                let [condition, then, or] = [condition, then, or].map(|e| self.expr(e));
                let ty = type_text(*ty);
                format!("(if (result {ty}) {condition} (then {then}) (else {or}))")
            }
            Expr::Select { ty, condition, then, or } => {
                let [condition, then, or] = [condition, then, or].map(|e| self.expr(e));
                format!("(select (result {}) {then} {or} {condition})", type_text(*ty))
            }
            Expr::Call(callee, args) => format!("(call $f{callee} {})", self.exprs(args)),
            Expr::Host(value) => format!("(call $between {})", self.expr(value)),
            Expr::Null(ty) => null(*ty),
            Expr::I31(value) => format!("(ref.i31 {})", self.expr(value)),
            Expr::Cast { .. } | Expr::CastOr { .. } | Expr::OrNew(..) => self.cast(expr),
            _ => self.other(expr),
        }
    }

    fn other(&self, expr: &Expr) -> String {
        match expr {
            Expr::NewStruct(ty, values) => {
                let fields = &self.program.structs[*ty].fields;
                let values = fields.iter().zip(values);
                let values = values.map(|(field, value)| field.store(&self.expr(value)));
                format!("(struct.new $s{ty} {})", values.collect::<Vec<_>>().join(" "))
            }
            Expr::NewDefault(ty) => format!("(struct.new_default $s{ty})"),
            Expr::NewArray { ty, init, length } => {
                let init = self.program.arrays[*ty].store(&self.expr(init));
                format!("(array.new $a{ty} {init} {})", self.expr(length))
            }
            Expr::NewArrayDefault { ty, length } => {
                format!("(array.new_default $a{ty} {})", self.expr(length))
            }
            Expr::NewFixed(ty, values) => {
                let storage = self.program.arrays[*ty];
                let stored = values.iter().map(|value| storage.store(&self.expr(value)));
                let stored = stored.collect::<Vec<_>>().join(" ");
                format!("(array.new_fixed $a{ty} {} {stored})", values.len())
            }
            _ => self.number(expr),
        }
    }

    fn number(&self, expr: &Expr) -> String {
        match expr {
            Expr::Const(value) => format!("(i32.const {value})"),
            Expr::Binary(op, first, second) => {
                let op = match op {
                    Binary::Add => "add",
                    Binary::Sub => "sub",
                    Binary::Mul => "mul",
                    Binary::Xor => "xor",
                    Binary::And => "and",
                    Binary::LtS => "lt_s",
                };
                format!("(i32.{op} {} {})", self.expr(first), self.expr(second))
            }
            Expr::Length(array) => format!("(array.len {})", self.expr(array)),
            Expr::Test { target, nullable, value } => {
                let target = target_text(*target, *nullable);
                format!("(ref.test {target} {})", self.expr(value))
            }
            Expr::Same(first, second) => {
                let [first, second] = [first, second].map(|e| self.expr(e));
                format!("(ref.eq (ref.cast eqref {first}) (ref.cast eqref {second}))")
            }
            Expr::IsNull(value) => format!("(ref.is_null {})", self.expr(value)),
            Expr::Unboxed(value, other) => {
                let (done, no) = (self.label(), self.label());
                let [value, other] = [value, other].map(|e| self.expr(e));
                let number = format!("(i31.get_s (br_on_cast_fail $l{no} anyref i31ref {value}))");
                let number = number.replace("i31ref", "(ref i31)");
                format!(
                    "(block $l{done} (result i32) \
                     (drop (block $l{no} (result anyref) (br $l{done} {number}))) {other})"
                )
            }
            Expr::Hash(value) => {
                format!("(call $hash {} (i32.const {HASH_DEPTH}))", self.expr(value))
            }
            _ => unreachable!("no number"),
        }
    }

    fn cast(&self, expr: &Expr) -> String {
        match expr {
            Expr::Cast { ty, nullable, value } => {
                format!("(ref.cast {} {})", reference(*ty, *nullable), self.expr(value))
            }
            Expr::CastOr { ty, nullable, form, value, other } => {
                let (to, result) = (reference(*ty, *nullable), type_text(*ty));
                let [value, other] = [value, other].map(|e| self.expr(e));
                let (a, b) = (self.label(), self.label());
                match form {
                    Form::Test => format!(
                        "(if (result {result}) (ref.test {to} (local.tee $tmp {value})) \
                         (then (ref.cast {to} (local.get $tmp))) (else {other}))"
                    ),
                    Form::Branch => format!(
                        "(block $l{a} (result {result}) \
                         (drop (br_on_cast $l{a} anyref {to} {value})) {other})"
                    ),
                    Form::BranchOnFail => format!(
                        "(block $l{a} (result {result}) (drop (block $l{b} (result anyref) \
                         (br $l{a} (br_on_cast_fail $l{b} anyref {to} {value})))) {other})"
                    ),
                }
            }
            Expr::OrNew(ty, value) => {
                let (label, value) = (self.label(), self.expr(value));
                let new = match ty {
                    Ty::Struct(ty) => format!("(struct.new_default $s{ty})"),
                    _ => format!(
                        "(array.new_default {} (i32.const {}))",
                        heap_type(*ty),
                        model::SPARE_LENGTH
                    ),
                };
                let result = reference(*ty, false);
                format!(
                    "(block $l{label} (result {result}) (br_on_non_null $l{label} {value}) {new})"
                )
            }
            _ => unreachable!("no cast"),
        }
    }
}

/// Code that mixes a field or an element into the hash.
fn hash_part(storage: Storage, stored: &str) -> String {
    let value = storage.load(stored);
    let part = match storage.ty() {
        Ty::I32 => value,
        _ => format!("(call $hash {value} (local.get $d))"),
    };
    format!("(local.set $h (i32.add (i32.mul (local.get $h) (i32.const 31)) {part}))")
}
