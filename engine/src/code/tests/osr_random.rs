//! Random programs full of loops for [`super::osr_optimized`]: many live values of all types in
//! locals and below loops on the operand stack, calls, traps, ways out of and back to loops.

use std::fmt::Write;

/// The types of values, and an operator without traps for each.
const TYPES: [(&str, &str); 5] = [
    ("i32", "i32.add"),
    ("i64", "i64.xor"),
    ("f32", "f32.add"),
    ("f64", "f64.mul"),
    ("v128", "i64x2.sub"),
];

const OTHER_OPS: [&[&str]; 5] = [
    &["i32.sub", "i32.mul", "i32.and", "i32.rotl", "i32.lt_s", "i32.div_u"],
    &["i64.add", "i64.mul", "i64.or", "i64.shr_u", "i64.rem_s", "i64.sub"],
    &["f32.sub", "f32.mul", "f32.min", "f32.copysign"],
    &["f64.add", "f64.sub", "f64.div", "f64.max"],
    &["v128.xor", "i32x4.add", "i16x8.mul", "i8x16.max_u"],
];

/// Conversions to each type: source type and operator.
const CONVERSIONS: [&[(usize, &str)]; 5] = [
    &[(1, "i32.wrap_i64"), (2, "i32.trunc_sat_f32_s"), (4, "i32x4.extract_lane 2")],
    &[(0, "i64.extend_i32_s"), (3, "i64.reinterpret_f64"), (4, "i64x2.extract_lane 1")],
    &[(0, "f32.convert_i32_u"), (3, "f32.demote_f64")],
    &[(1, "f64.convert_i64_s"), (2, "f64.promote_f32")],
    &[(1, "i64x2.splat"), (2, "f32x4.splat")],
];

struct Signature {
    params: Vec<usize>,
    results: Vec<usize>,
}

/// Makes one module.
pub(super) struct Generator {
    state: u64,
    text: String,
    signatures: Vec<Signature>,
    /// Types of the locals of the function at hand that are no loop counters.
    locals: Vec<usize>,
    /// Loops of it so far, each with a counter.
    loops: usize,
    /// Index of the function at hand.
    func: usize,
    /// Labels without values that are open.
    labels: Vec<String>,
    next_label: usize,
    /// What the function may still contain.
    budget: usize,
}

const LOCALS: usize = 10;
const MAX_LOOPS: usize = 8;

impl Generator {
    /// The text of the module of a seed; its first function has no parameters.
    pub(super) fn module(seed: u64) -> String {
        let mut generator = Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            text: String::new(),
            signatures: Vec::new(),
            locals: Vec::new(),
            loops: 0,
            func: 0,
            labels: Vec::new(),
            next_label: 0,
            budget: 0,
        };
        for func in 0..3 {
            let params = if func == 0 { 0 } else { generator.below(9) };
            let results = if generator.below(4) == 0 { 11 } else { 1 + generator.below(3) };
            let params = (0..params).map(|_| generator.below(5)).collect();
            let results = (0..results).map(|_| generator.below(5)).collect();
            generator.signatures.push(Signature { params, results });
        }
        let funcs: String = (0..3).map(|func| generator.function(func)).collect();
        format!("(module (global $g (mut i64) (i64.const 0)) {funcs})")
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 20) % bound as u64).unwrap()
    }

    fn function(&mut self, func: usize) -> String {
        self.func = func;
        (self.loops, self.budget) = (0, 40);
        let names =
            |types: &[usize]| types.iter().map(|&ty| TYPES[ty].0).collect::<Vec<_>>().join(" ");
        let params = self.signatures[func].params.clone();
        let results = self.signatures[func].results.clone();
        let others: Vec<usize> = (0..LOCALS).map(|_| self.below(5)).collect();
        self.locals = [params.as_slice(), &others].concat();
        self.text.clear();
        for local in params.len()..self.locals.len() {
            self.text.push_str("(local.set ");
            write!(self.text, "{local} ").unwrap();
            self.constant(self.locals[local]);
            self.text.push(')');
        }
        for _ in 0..3 {
            self.statement(3);
        }
        for result in &results {
            self.value(*result, 3);
        }
        let counters = "i32 ".repeat(MAX_LOOPS);
        format!(
            "(func (export \"f{func}\") (param {}) (result {}) (local {} {counters}) {})\n",
            names(&params),
            names(&results),
            names(&others),
            self.text
        )
    }

    fn constant(&mut self, ty: usize) {
        let n = self.below(7);
        match TYPES[ty].0 {
            "v128" => write!(self.text, "(v128.const i64x2 {n} -{n})").unwrap(),
            name => write!(self.text, "({name}.const {n})").unwrap(),
        }
    }

    fn local(&mut self, ty: usize) -> Option<usize> {
        let start = self.below(self.locals.len());
        let found = (0..self.locals.len()).map(|i| (start + i) % self.locals.len());
        found.into_iter().find(|&local| self.locals[local] == ty)
    }

    fn wrapped(&mut self, head: &str, parts: &[usize], depth: usize) {
        write!(self.text, "({head} ").unwrap();
        for &ty in parts {
            self.value(ty, depth);
        }
        self.text.push(')');
    }

    /// Code that leaves one value.
    fn value(&mut self, ty: usize, depth: usize) {
        self.budget = self.budget.saturating_sub(1);
        let choice = if depth == 0 || self.budget == 0 { self.below(2) } else { self.below(11) };
        let name = TYPES[ty].0;
        match choice {
            0 => self.constant(ty),
            1 | 2 => match self.local(ty) {
                Some(local) => write!(self.text, "(local.get {local})").unwrap(),
                None => self.constant(ty),
            },
            3 => self.wrapped(TYPES[ty].1, &[ty, ty], depth - 1),
            4 => {
                let op = OTHER_OPS[ty][self.below(OTHER_OPS[ty].len())];
                self.wrapped(op, &[ty, ty], depth - 1);
            }
            5 => {
                let (from, op) = CONVERSIONS[ty][self.below(CONVERSIONS[ty].len())];
                self.wrapped(op, &[from], depth - 1);
            }
            6 => self.wrapped("select", &[ty, ty, 0], depth - 1),
            7 => {
                write!(self.text, "(if (result {name}) ").unwrap();
                self.value(0, depth - 1);
                for side in ["then", "else"] {
                    write!(self.text, " ({side} ").unwrap();
                    self.statement(depth - 1);
                    self.value(ty, depth - 1);
                    self.text.push(')');
                }
                self.text.push(')');
            }
            8 if ty == 1 => self.text.push_str("(global.get $g)"),
            _ => self.loop_value(ty, depth - 1),
        }
    }

    /// A loop that takes a value around and leaves it. Operands may lie below.
    fn loop_value(&mut self, ty: usize, depth: usize) {
        let Some(counter) = self.new_counter() else { return self.constant(ty) };
        let (name, op) = TYPES[ty];
        write!(self.text, "(local.set {counter} (i32.const 0)) ").unwrap();
        self.value(ty, depth);
        write!(self.text, "(loop (param {name}) (result {name}) ").unwrap();
        self.value(ty, depth);
        write!(self.text, "({op}) ").unwrap();
        self.statement(depth);
        let turns = 1 + self.below(5);
        write!(
            self.text,
            "(br_if 0 (i32.lt_u (local.tee {counter} (i32.add (local.get {counter}) \
             (i32.const 1))) (i32.const {turns}))))"
        )
        .unwrap();
    }

    /// The local that counts the turns of a new loop.
    fn new_counter(&mut self) -> Option<usize> {
        self.loops += 1;
        (self.loops <= MAX_LOOPS).then(|| self.locals.len() + self.loops - 1)
    }

    /// Code that leaves nothing.
    fn statement(&mut self, depth: usize) {
        self.budget = self.budget.saturating_sub(1);
        let choice = if depth == 0 || self.budget == 0 { self.below(3) } else { self.below(10) };
        match choice {
            0 => {
                self.text.push_str("(global.set $g ");
                self.value(1, depth.saturating_sub(1));
                self.text.push(')');
            }
            1 | 2 => {
                let local = self.below(self.locals.len());
                let ty = self.locals[local];
                write!(self.text, "(local.set {local} ").unwrap();
                self.value(ty, depth.saturating_sub(1));
                self.text.push(')');
            }
            3 => self.if_statement(depth - 1),
            4 | 5 => self.call(depth - 1),
            6 => {
                let label = self.labels.len().checked_sub(1).map(|last| self.below(last + 1));
                if let Some(label) = label {
                    let head = format!("br_if {}", self.labels[label]);
                    self.wrapped(&head, &[0], depth - 1);
                }
            }
            _ => self.loop_statement(depth - 1),
        }
    }

    fn if_statement(&mut self, depth: usize) {
        self.text.push_str("(if ");
        self.value(0, depth);
        self.text.push_str(" (then ");
        self.statement(depth);
        if self.below(6) == 0 {
            for result in self.signatures[self.func].results.clone() {
                self.value(result, 1);
            }
            self.text.push_str(" return ");
        }
        self.text.push_str(") (else ");
        self.statement(depth);
        self.text.push_str("))");
    }

    /// A call of a function further down. Its results go to locals.
    fn call(&mut self, depth: usize) {
        if self.func == 2 {
            return self.statement(depth);
        }
        let callee = self.func + 1 + self.below(2 - self.func);
        for param in self.signatures[callee].params.clone() {
            self.value(param, depth.min(1));
        }
        let results = self.signatures[callee].results.clone();
        write!(self.text, "(call {callee})").unwrap();
        for result in results.into_iter().rev() {
            match self.local(result) {
                Some(local) => write!(self.text, "(local.set {local})").unwrap(),
                None => self.text.push_str("(drop)"),
            }
        }
    }

    /// A loop with a way out at its head and ways back in its middle.
    fn loop_statement(&mut self, depth: usize) {
        let Some(counter) = self.new_counter() else { return };
        let label = self.next_label;
        self.next_label += 1;
        let turns = 2 + self.below(5);
        write!(
            self.text,
            "(local.set {counter} (i32.const 0)) (block $out{label} (loop $again{label} \
             (br_if $out{label} (i32.gt_u (local.tee {counter} (i32.add (local.get {counter}) \
             (i32.const 1))) (i32.const {turns})))"
        )
        .unwrap();
        self.labels.extend([format!("$out{label}"), format!("$again{label}")]);
        for _ in 0..1 + self.below(3) {
            self.statement(depth);
        }
        self.labels.truncate(self.labels.len() - 2);
        write!(self.text, "(br $again{label})))").unwrap();
    }
}
