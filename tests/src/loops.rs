//! Generated modules full of loops, for the code that tiers replace while it runs.
//!
//! [`module`] writes a valid module from a seed: nested loops with bounded trip counts, many live
//! locals of all types, values on the operand stack below loops, loops with several parameters,
//! calls, also through references, tail calls, exceptions, objects and traps inside, branches out of
//! several levels. Every local is folded into what a function returns, so that a value that gets
//! lost on the way shows. One module in three does without what only some engines know (`plain`).

mod exceptions;
mod objects;
mod ops;
mod plain;
mod references;

use crate::mutate::Random;
use ops::Ty;
use std::fmt::{Display, Write};

/// Loops inside each other, at most; each level has its counter.
const MAX_NEST: usize = 4;
/// Statements of a function, at most, those inside others included.
const STATEMENTS: usize = 40;

/// The module of `seed`, as text.
#[must_use]
pub fn text(seed: u64) -> String {
    let mut random = Random::new(seed);
    let plain = random.below(3) == 0;
    let types = if plain { &Ty::PLAIN[..] } else { &Ty::ALL };
    let mut results: Vec<Vec<Ty>> = Vec::new();
    for _ in 0..2 {
        results.push(random.some_of(1, 4, &Ty::NUMERIC));
    }
    let funcs = (0..2 + random.below(4))
        .map(|_| Signature {
            params: random.some_of(0, 5, types),
            results: results[random.below(2)].clone(),
        })
        .collect();
    let mut generator =
        Generator { random, plain, out: String::new(), funcs, func: Func::default() };
    generator.module();
    generator.out
}

/// The module of `seed`.
///
/// # Panics
/// When the generator wrote something that is no module.
#[must_use]
pub fn module(seed: u64) -> Vec<u8> {
    let text = text(seed);
    wat::parse_str(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"))
}

struct Signature {
    params: Vec<Ty>,
    results: Vec<Ty>,
}

/// Where a branch can go, and what it takes along.
struct Label {
    number: usize,
    types: Vec<Ty>,
}

/// What is known inside the function that is being written.
#[derive(Default)]
struct Func {
    index: usize,
    /// Locals that statements change; the counters of loops come after them.
    locals: Vec<Ty>,
    labels: Vec<Label>,
    next_label: usize,
    /// Loops around the current place.
    nest: usize,
    statements_left: usize,
}

struct Generator {
    random: Random,
    /// See [`plain`].
    plain: bool,
    out: String,
    funcs: Vec<Signature>,
    func: Func,
}

impl Generator {
    fn module(&mut self) {
        self.line("(module");
        if !self.plain {
            self.declare_objects();
        }
        self.declare_code();
        if !self.plain {
            self.import_exceptions();
        }
        self.line("(memory (export \"memory\") 1 3)");
        if !self.plain {
            self.define_tags();
            self.define_digest();
            self.define_code();
        }
        for ty in Ty::NUMERIC {
            let start = match ty {
                Ty::V128 => "v128.const i64x2 7 9".to_owned(),
                _ => format!("{ty}.const 3"),
            };
            self.line(format!("(global $g_{ty} (export \"{ty}\") (mut {ty}) ({start}))"));
        }
        self.line("(table $refs (export \"refs\") 4 4 funcref)");
        let hole = if self.random.below(8) == 0 { "(ref.null func)" } else { "(ref.func $leaf)" };
        self.line("(table $calls 4 4 funcref)");
        let leaves = "(ref.func $leaf) ".repeat(3);
        self.line(format!("(elem (table $calls) (i32.const 0) funcref {leaves} {hole})"));
        self.line("(elem declare func $leaf)");
        for index in 0..self.funcs.len() {
            self.function(index);
        }
        self.line(")");
    }

    fn func_name(&self, index: usize) -> String {
        if index + 1 == self.funcs.len() { "leaf".to_owned() } else { format!("f{index}") }
    }

    fn function(&mut self, index: usize) {
        let Signature { params, results } = &self.funcs[index];
        let (mut locals, results) = (params.clone(), results.clone());
        let name = self.func_name(index);
        let ty = if index + 1 == self.funcs.len() { "(type $code)" } else { "" };
        let types = signature_text(&locals, &results);
        let header = format!("(func ${name} (export \"f{index}\") {ty} {types}");
        self.line(header);
        // One of each type at least, and sometimes more than there are registers.
        let spread = if self.random.below(4) == 0 { 9 } else { 2 };
        for &ty in self.types() {
            let count = 1 + self.random.below(spread);
            locals.extend(std::iter::repeat_n(ty, count));
        }
        let params = self.funcs[index].params.len();
        let declared: Vec<&str> = locals[params..].iter().map(|ty| ty.name()).collect();
        self.line(format!("(local {})", declared.join(" ")));
        self.line(format!("(local {})", "i32 ".repeat(MAX_NEST)));
        self.func = Func { index, locals, statements_left: STATEMENTS, ..Func::default() };
        for local in params..self.func.locals.len() {
            if self.random.below(3) > 0 {
                self.push(self.func.locals[local], 0);
                self.line(format!("local.set {local}"));
            }
        }
        self.loop_statement();
        for _ in 0..1 + self.random.below(4) {
            self.statement();
        }
        self.fold(&results);
        self.line(")");
    }

    /// Leaves values of the types `results` that all locals went into.
    fn fold(&mut self, results: &[Ty]) {
        let last = self.func.locals.len() + MAX_NEST;
        self.line("i64.const 1");
        for local in 0..last {
            let ty = self.func.locals.get(local).copied().unwrap_or(Ty::I32);
            for part in ty.to_i64() {
                self.line(format!("local.get {local} {part}"));
                self.line("i64.add i64.const 0x9e3779b97f4a7c15 i64.mul i64.const 29 i64.rotl");
            }
        }
        let scratch = self.local(Ty::I64);
        self.line(format!("local.set {scratch}"));
        for (i, ty) in results.iter().enumerate() {
            self.line(format!("local.get {scratch} i64.const {i} i64.rotl {}", ty.narrowing()));
        }
    }

    fn statements(&mut self, most: usize) {
        for _ in 0..1 + self.random.below(most) {
            self.statement();
        }
    }

    /// Writes code that leaves the operand stack as it was.
    fn statement(&mut self) {
        let Some(left) = self.func.statements_left.checked_sub(1) else { return };
        self.func.statements_left = left;
        match self.random.below(35) {
            0..=5 => {
                let ty = self.any_type();
                self.push(ty, 3);
                self.pop(ty);
            }
            6 | 7 => self.store(),
            8 => {
                let ty = Ty::NUMERIC[self.random.below(5)];
                self.push(ty, 2);
                self.line(format!("global.set $g_{ty}"));
            }
            9..=12 if self.func.nest < MAX_NEST => self.loop_statement(),
            13 | 14 => self.if_statement(),
            15 => self.block_statement(),
            16 | 17 => self.branch(),
            18 => self.branch_table(),
            19 | 20 => self.call(),
            21 => self.leave(),
            22 => self.trap(),
            23.. if self.plain => self.plain_statement(),
            23..=25 => self.try_statement(),
            26 => self.throw(),
            28..=31 => self.object_statement(),
            32..=34 => self.reference_statement(),
            _ => self.rare(),
        }
    }

    fn store(&mut self) {
        const STORES: [(Ty, &str); 8] = [
            (Ty::I32, "i32.store"),
            (Ty::I32, "i32.store8"),
            (Ty::I32, "i32.store16"),
            (Ty::I64, "i64.store"),
            (Ty::I64, "i64.store32"),
            (Ty::F32, "f32.store"),
            (Ty::F64, "f64.store"),
            (Ty::V128, "v128.store"),
        ];
        let (ty, name) = STORES[self.random.below(STORES.len())];
        self.push_address(1);
        self.push(ty, 2);
        let offset = self.random.below(64);
        self.line(format!("{name} offset={offset}"));
    }

    /// A loop with values below it, parameters and results.
    fn loop_statement(&mut self) {
        let below = self.some_types(4);
        let params = self.some_types(4);
        let counter = self.func.locals.len() + self.func.nest;
        // Called functions and inner loops turn less often: fuel has to last.
        let most: usize = [24, 6, 3, 2][self.func.nest];
        let most = if self.func.index == 0 { most } else { most.div_ceil(3) };
        let turns = 1 + self.random.below(most);
        self.push_all(&below);
        self.open_plain(&params);
        self.push_all(&params);
        self.line(format!("i32.const {turns} local.set {counter}"));
        self.func.nest += 1;
        if self.random.below(2) == 0 {
            self.loop_tested_first(&params, counter);
        } else {
            self.loop_tested_last(&params, counter);
        }
        self.func.nest -= 1;
        self.close_plain();
        self.pop_all(&params);
        self.pop_all(&below);
    }

    /// Its counter is tested where it begins, so that any branch may go there.
    fn loop_tested_first(&mut self, params: &[Ty], counter: usize) {
        let types = signature_text(params, params);
        let exit = self.open("block", &types, params);
        let again = self.open("loop", &types, params);
        self.line(format!("local.get {counter} i32.const 1 i32.sub local.tee {counter}"));
        self.line(format!("i32.const 0 i32.lt_s br_if $l{exit}"));
        let consumed = self.body(params);
        self.push_all(&params[params.len() - consumed..]);
        self.line(format!("br $l{again}"));
        self.close();
        self.close();
    }

    /// Its counter is tested at the end; no other branch goes to its beginning.
    fn loop_tested_last(&mut self, params: &[Ty], counter: usize) {
        let again = self.open("loop", &signature_text(params, params), params);
        let hidden = self.func.labels.pop();
        let consumed = self.body(params);
        self.push_all(&params[params.len() - consumed..]);
        self.line(format!("local.get {counter} i32.const 1 i32.sub local.tee {counter}"));
        self.line(format!("i32.const 0 i32.gt_s br_if $l{again}"));
        self.func.labels.extend(hidden);
        self.close();
    }

    /// The statements of a loop. Some of the parameters are taken off the stack before them, the
    /// others stay below them; gives how many are gone.
    fn body(&mut self, params: &[Ty]) -> usize {
        let consumed = self.random.below(params.len() + 1);
        self.pop_all(&params[params.len() - consumed..]);
        self.statements(6);
        consumed
    }

    fn if_statement(&mut self) {
        let results = self.some_types(2);
        let with_else = !results.is_empty() || self.random.below(2) == 0;
        self.push_condition();
        self.open("if", &signature_text(&[], &results), &results);
        self.statements(3);
        self.push_all(&results);
        if with_else {
            self.line("else");
            self.statements(3);
            self.push_all(&results);
        }
        self.close();
        self.pop_all(&results);
    }

    fn block_statement(&mut self) {
        let below = self.some_types(2);
        let results = self.some_types(3);
        self.push_all(&below);
        self.open("block", &signature_text(&[], &results), &results);
        self.statements(4);
        self.push_all(&results);
        self.close();
        self.pop_all(&results);
        self.pop_all(&below);
    }

    /// A conditional branch to any label around.
    fn branch(&mut self) {
        if self.func.labels.is_empty() {
            return;
        }
        let label = &self.func.labels[self.random.below(self.func.labels.len())];
        let (number, types) = (label.number, label.types.clone());
        if self.random.below(2) == 0 {
            self.push_all(&types);
            self.push_condition();
            self.line(format!("br_if $l{number}"));
            self.pop_all(&types);
        } else {
            self.push_condition();
            self.line("if");
            self.push_all(&types);
            self.line(format!("br $l{number} end"));
        }
    }

    /// A branch to one of several labels of the same types, in a condition.
    fn branch_table(&mut self) {
        if self.func.labels.is_empty() {
            return;
        }
        let types = self.func.labels[self.random.below(self.func.labels.len())].types.clone();
        if self.plain && !types.is_empty() {
            return self.branch();
        }
        let fitting = self.func.labels.iter().filter(|label| label.types == types);
        let fitting: Vec<usize> = fitting.map(|label| label.number).collect();
        let mut targets = String::new();
        for _ in 0..1 + self.random.below(5) {
            let target = fitting[self.random.below(fitting.len())];
            write!(targets, " $l{target}").expect("strings take anything");
        }
        self.push_condition();
        self.line("if");
        self.push_all(&types);
        self.push(Ty::I32, 1);
        self.line(format!("i32.const 7 i32.and br_table{targets} end"));
    }

    /// A call of a function further down, so that there is no recursion.
    fn call(&mut self) {
        let later = self.func.index + 1;
        if later == self.funcs.len() {
            return self.store();
        }
        let indirect = self.random.below(3) == 0;
        let callee = if indirect {
            self.funcs.len() - 1
        } else {
            later + self.random.below(self.funcs.len() - later)
        };
        let Signature { params, results } = &self.funcs[callee];
        let (params, results) = (params.clone(), results.clone());
        let below = self.some_types(2);
        self.push_all(&below);
        self.push_all(&params);
        if indirect {
            self.push(Ty::I32, 1);
            self.line("i32.const 3 i32.and call_indirect $calls (type $code)");
        } else {
            self.line(format!("call ${}", self.func_name(callee)));
        }
        self.pop_all(&results);
        self.pop_all(&below);
    }

    /// Leaves the function at some turn of a loop: with a tail call where there is one.
    fn leave(&mut self) {
        let results = self.funcs[self.func.index].results.clone();
        let callee = (self.func.index + 1..self.funcs.len())
            .find(|&callee| self.funcs[callee].results == results);
        self.push_turn();
        self.line("if");
        if let Some(callee) = callee.filter(|_| self.random.below(3) > 0) {
            let params = self.funcs[callee].params.clone();
            self.push_all(&params);
            self.line(format!("return_call ${} end", self.func_name(callee)));
        } else if !self.plain && self.calls_leaf(&results) {
            self.push_all(&self.leaf().params.clone());
            self.push_code();
            self.line("return_call_ref $code end");
        } else if self.random.below(2) == 0 {
            self.fold(&results);
            self.line("return end");
        } else {
            self.push_all(&results);
            self.line("return end");
        }
    }

    /// Something that traps at some turn of a loop, or never.
    fn trap(&mut self) {
        let ty = if self.random.below(2) == 0 { Ty::I32 } else { Ty::I64 };
        match self.random.below(6) {
            0 => {
                self.push_turn();
                return self.line("if unreachable end");
            }
            5 if !self.plain => return self.object_trap(),
            1 | 2 => {
                const DIVISIONS: [&str; 4] = ["div_s", "div_u", "rem_s", "rem_u"];
                let division = DIVISIONS[self.random.below(4)];
                self.push(ty, 2);
                self.push_turn();
                self.line("i32.eqz");
                self.line(if ty == Ty::I64 { "i64.extend_i32_u" } else { "" });
                self.line(format!("{ty}.{division}"));
            }
            3 => {
                // Out of bounds when the turn has come.
                self.push_address(1);
                self.push_turn();
                self.line("i32.const 31 i32.shl i32.or");
                self.line(format!("{ty}.load"));
            }
            _ => {
                self.open_plain(&[Ty::F64]);
                self.push(Ty::F64, 1);
                self.push_turn();
                self.line("if (param f64) (result f64) f64.const inf f64.mul");
                self.line("else drop f64.const 17.5 end");
                self.close_plain();
                self.line(format!("{ty}.trunc_f64_s"));
            }
        }
        self.pop(ty);
    }

    /// What programs do seldom in loops.
    fn rare(&mut self) {
        match self.random.below(6) {
            0 => {
                self.push_turn();
                self.line("memory.grow");
                self.pop(Ty::I32);
            }
            1 => {
                self.push_address(1);
                self.push(Ty::I32, 1);
                self.line("i32.const 40 memory.fill");
            }
            2 => {
                self.push_address(1);
                self.push_address(1);
                self.line("i32.const 33 memory.copy");
            }
            3 => {
                self.push(Ty::I32, 1);
                self.line("i32.const 3 i32.and");
                self.push(Ty::Func, 1);
                self.line("table.set $refs");
            }
            4 => {
                self.line("memory.size");
                self.pop(Ty::I32);
            }
            _ => self.line("nop"),
        }
    }

    /// An i32 that is 1 at one turn of a loop around, else 0.
    fn push_turn(&mut self) {
        let counter = self.func.locals.len() + self.random.below(self.func.nest.max(1));
        let turn = self.random.below(40);
        self.line(format!("local.get {counter} i32.const {turn} i32.eq"));
    }

    /// An i32 that is often 0 and often not.
    fn push_condition(&mut self) {
        match self.random.below(3) {
            0 => {
                let counter = self.func.locals.len() + self.random.below(self.func.nest.max(1));
                let mask = 1 + self.random.below(3);
                self.line(format!("local.get {counter} i32.const {mask} i32.and"));
            }
            1 => self.push_turn(),
            _ => {
                self.push(Ty::I32, 2);
                self.line("i32.const 1 i32.and");
            }
        }
    }

    /// An address well within the memory.
    fn push_address(&mut self, depth: usize) {
        if self.random.below(2) == 0 {
            let counter = self.func.locals.len() + self.random.below(self.func.nest.max(1));
            let step = 1 << self.random.below(6);
            self.line(format!("local.get {counter} i32.const {step} i32.mul"));
        } else {
            self.push(Ty::I32, depth);
        }
        self.line("i32.const 0x3ff i32.and");
    }

    fn open(&mut self, kind: &str, types: &str, takes: &[Ty]) -> usize {
        let number = self.func.next_label;
        self.func.next_label += 1;
        self.line(format!("{kind} $l{number} {types}"));
        self.func.labels.push(Label { number, types: takes.to_vec() });
        number
    }

    fn close(&mut self) {
        self.func.labels.pop();
        self.line("end");
    }

    fn push_all(&mut self, types: &[Ty]) {
        types.iter().for_each(|&ty| self.push(ty, 2));
    }

    fn pop_all(&mut self, types: &[Ty]) {
        types.iter().rev().for_each(|&ty| self.pop(ty));
    }

    /// Takes a value off the stack, into a local nearly always.
    fn pop(&mut self, ty: Ty) {
        let local = self.local(ty);
        match self.random.below(8) {
            0 => self.line("drop"),
            1 | 2 if ty == Ty::I32 || ty == Ty::I64 => {
                self.line(format!("local.get {local} {ty}.add local.set {local}"));
            }
            _ => self.line(format!("local.set {local}")),
        }
    }

    /// A value of type `ty`, from operators at most `depth` deep.
    fn push(&mut self, ty: Ty, depth: usize) {
        let operators = self.operators(ty);
        if depth == 0 || self.random.below(4) == 0 {
            return self.push_simple(ty);
        }
        match self.random.below(12) {
            0 if !self.plain => {
                self.push(ty, depth - 1);
                self.push(ty, depth - 1);
                self.push(Ty::I32, depth - 1);
                self.line(format!("select (result {ty})"));
            }
            1 => {
                let local = self.local(ty);
                self.push(ty, depth - 1);
                self.line(format!("local.tee {local}"));
            }
            2 if !ty.is_reference() => {
                self.push_address(depth - 1);
                let offset = self.random.below(64);
                self.line(format!("{ty}.load offset={offset}"));
            }
            _ => {
                let (name, operands) = operators[self.random.below(operators.len())];
                operands.iter().for_each(|&ty| self.push(ty, depth - 1));
                self.line(name);
            }
        }
    }

    /// A local, a constant or a global.
    fn push_simple(&mut self, ty: Ty) {
        let constants = ty.constants();
        match self.random.below(6) {
            0 => {
                let constant = constants[self.random.below(constants.len())];
                self.line(constant);
            }
            1 if ty == Ty::I32 => {
                let counter = self.func.locals.len() + self.random.below(MAX_NEST);
                self.line(format!("local.get {counter}"));
            }
            1 | 2 if !ty.is_reference() => self.line(format!("global.get $g_{ty}")),
            _ => {
                let local = self.local(ty);
                self.line(format!("local.get {local}"));
            }
        }
    }

    /// A local of type `ty`; there is one of each.
    fn local(&mut self, ty: Ty) -> usize {
        let locals = self.func.locals.iter().enumerate();
        let fitting: Vec<usize> =
            locals.filter(|(_, found)| **found == ty).map(|(local, _)| local).collect();
        fitting[self.random.below(fitting.len())]
    }

    fn line(&mut self, text: impl Display) {
        writeln!(self.out, "{text}").expect("strings take anything");
    }
}

fn signature_text(params: &[Ty], results: &[Ty]) -> String {
    let list = |kind: &str, types: &[Ty]| {
        let names: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
        if names.is_empty() { String::new() } else { format!("({kind} {})", names.join(" ")) }
    };
    format!("{} {}", list("param", params), list("result", results))
}
