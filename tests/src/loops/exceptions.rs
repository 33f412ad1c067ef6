//! Exceptions in generated modules: tags, `try_table` with every kind of clause, and throws.

use super::ops::Ty;
use super::{Generator, signature_text};

/// The parameters of each tag. The first two may be one tag: both are the same import.
const TAGS: [&[Ty]; 6] = [
    &[Ty::I32],
    &[Ty::I32],
    &[],
    &[Ty::I64, Ty::F64, Ty::V128],
    &[Ty::Func, Ty::Extern, Ty::F32, Ty::Exn, Ty::Code],
    &[Ty::I32, Ty::I64, Ty::I32, Ty::I64, Ty::I32, Ty::I64, Ty::I32, Ty::I64, Ty::V128, Ty::I32],
];
/// How many of them are imported.
const IMPORTED: usize = 2;

impl Generator {
    /// The imports: a tag under two indices, and a function that throws it for odd numbers.
    pub(super) fn import_exceptions(&mut self) {
        for tag in 0..IMPORTED {
            self.line(format!("(import \"host\" \"tag\" (tag $e{tag} (param i32)))"));
        }
        self.line("(import \"host\" \"throw\" (func $throw (param i32) (result i32)))");
    }

    /// The tags that the module defines.
    pub(super) fn define_tags(&mut self) {
        for (tag, params) in TAGS.iter().enumerate().skip(IMPORTED) {
            self.line(format!("(tag $e{tag} {})", signature_text(params, &[])));
        }
    }

    /// A `try_table` whose first clause goes to a block around it.
    pub(super) fn try_statement(&mut self) {
        let below = self.some_types(2);
        let (clause, types) = self.clause();
        let results = self.some_types(2);
        self.push_all(&below);
        let caught = self.open("block", &signature_text(&[], &types), &types);
        self.open("try_table", &signature_text(&[], &results), &results);
        let hidden = self.func.labels.pop();
        self.line(format!("({clause} $l{caught})"));
        for _ in 0..self.random.below(3) {
            self.further_clause();
        }
        self.func.labels.extend(hidden);
        self.statements(5);
        self.throw();
        self.statements(2);
        self.push_all(&results);
        self.close();
        self.pop_all(&results);
        self.push_all(&types);
        self.close();
        self.pop_all(&types);
        self.pop_all(&below);
    }

    /// A clause, and what its label gets.
    fn clause(&mut self) -> (String, Vec<Ty>) {
        let tag = self.random.below(TAGS.len());
        let (name, mut types) = match self.random.below(3) {
            0 => ("catch_all".to_owned(), Vec::new()),
            _ => ("catch".to_owned(), TAGS[tag].to_vec()),
        };
        let by_ref = self.random.below(2) == 0;
        if by_ref {
            types.push(Ty::Exn);
        }
        let suffix = if by_ref { "_ref" } else { "" };
        let operand = if name == "catch" { format!(" $e{tag}") } else { String::new() };
        (format!("{name}{suffix}{operand}"), types)
    }

    /// One more clause, to any label around that takes what it gives.
    fn further_clause(&mut self) {
        let (clause, types) = self.clause();
        let labels = self.func.labels.iter().filter(|label| label.types == types);
        let labels: Vec<usize> = labels.map(|label| label.number).collect();
        if !labels.is_empty() {
            let label = labels[self.random.below(labels.len())];
            self.line(format!("({clause} $l{label})"));
        }
    }

    /// Throws at some turn of a loop: something new, what was caught, or what the host throws.
    pub(super) fn throw(&mut self) {
        match self.random.below(4) {
            0 => {
                self.push(Ty::I32, 1);
                self.line("call $throw");
                self.pop(Ty::I32);
            }
            1 => {
                let exn = self.local(Ty::Exn);
                self.line(format!("local.get {exn} ref.is_null i32.eqz"));
                self.push_condition();
                self.line(format!("i32.and if local.get {exn} throw_ref end"));
            }
            _ => {
                let tag = self.random.below(TAGS.len());
                self.push_condition();
                self.line("if");
                self.push_all(TAGS[tag]);
                self.line(format!("throw $e{tag} end"));
            }
        }
    }
}
