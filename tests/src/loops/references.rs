//! References to functions of a known type in generated modules: calls through them, and branches on
//! null with whatever is live.

use super::ops::Ty;
use super::{Generator, Signature, signature_text};

impl Generator {
    /// The last function, which all others may call.
    pub(super) fn leaf(&self) -> &Signature {
        self.funcs.last().expect("there are functions")
    }

    /// Whether to call the last function for these results: it does not call itself.
    pub(super) fn calls_leaf(&mut self, results: &[Ty]) -> bool {
        let other = self.func.index + 1 < self.funcs.len();
        other && self.leaf().results == results && self.random.below(3) > 0
    }

    /// The type of the last function.
    pub(super) fn declare_code(&mut self) {
        let Signature { params, results } = self.leaf();
        let types = signature_text(params, results);
        self.line(format!("(type $code (func {types}))"));
    }

    /// Where references to it are kept.
    pub(super) fn define_code(&mut self) {
        self.line("(table $codes 4 4 (ref null $code))");
        self.line("(global $g_code (export \"code\") (mut (ref null $code)) (ref.func $leaf))");
    }

    /// Something with references to functions that leaves the operand stack as it was.
    pub(super) fn reference_statement(&mut self) {
        match self.random.below(8) {
            0 => {
                self.push(Ty::I32, 1);
                self.line("i32.const 3 i32.and");
                self.push(Ty::Code, 1);
                self.line("table.set $codes");
            }
            1 => {
                self.push(Ty::Code, 1);
                self.line("global.set $g_code");
            }
            2 | 3 => self.call_reference(),
            4 | 5 => self.branch_on_null(),
            _ => self.branch_on_non_null(),
        }
    }

    fn call_reference(&mut self) {
        if self.func.index + 1 == self.funcs.len() {
            return self.store();
        }
        let Signature { params, results } = self.leaf();
        let (params, results) = (params.clone(), results.clone());
        let below = self.some_types(3);
        self.push_all(&below);
        self.push_all(&params);
        self.push_code();
        self.line("call_ref $code");
        self.pop_all(&results);
        self.pop_all(&below);
    }

    /// A function of type `$code` that is null now and then only.
    pub(super) fn push_code(&mut self) {
        self.push(Ty::Code, 2);
        match self.random.below(12) {
            0 => {}
            1 => self.line("ref.as_non_null"),
            _ => self.line(
                "block (param (ref null $code)) (result (ref $code)) br_on_non_null 0 ref.func $leaf end",
            ),
        }
    }

    /// A branch to any label around, when a reference is null.
    fn branch_on_null(&mut self) {
        if self.func.labels.is_empty() {
            return;
        }
        let label = &self.func.labels[self.random.below(self.func.labels.len())];
        let (number, types) = (label.number, label.types.clone());
        self.push_all(&types);
        self.push(Ty::Code, 2);
        self.line(format!("br_on_null $l{number}"));
        self.pop(Ty::Code);
        self.pop_all(&types);
    }

    /// A branch with a reference as the last of several values, to a block made for it or to any
    /// label around that takes one.
    fn branch_on_non_null(&mut self) {
        let taking = |types: &[Ty]| types.last() == Some(&Ty::Code);
        let around = self.func.labels.iter().filter(|label| taking(&label.types));
        let around: Vec<_> = around.map(|label| (label.number, label.types.clone())).collect();
        if !around.is_empty() && self.random.below(2) == 0 {
            let (number, types) = around[self.random.below(around.len())].clone();
            self.push_all(&types);
            self.line(format!("br_on_non_null $l{number}"));
            return self.pop_all(&types[..types.len() - 1]);
        }
        let mut types = self.some_types(3);
        types.push(Ty::Code);
        let number = self.open("block", &signature_text(&[], &types), &types);
        self.statements(2);
        self.push_all(&types);
        self.line(format!("br_on_non_null $l{number}"));
        self.pop_all(&types[..types.len() - 1]);
        self.statements(2);
        self.push_all(&types);
        self.close();
        self.pop_all(&types);
    }
}
