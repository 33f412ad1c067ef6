//! Locals at a loop's header that are constants or computed from other locals, for the entry from the buffer.
//!
//! In front of loops, compilers put addresses in the frame, bases of tables and constants into locals. Code that
//! comes by there knows what they are and makes them anew where they are used, or a part of an address. Loaded
//! from the buffer they would be values of their own, alive in the whole function: large functions with hundreds
//! of them take several times as long to compile, and the code is worse.
//!
//! A walk through the body gives each write of a local a number, which stands for the value. Where control meets, a
//! local with different numbers gets a new one. So does a local at a loop's header that has another number where
//! the loop turns; which ones do, earlier walks have found. (What follows within a `loop` behind its last turn may
//! be most of a function.)
//!
//! What is written by `local.get a; i32.const c; i32.add; local.set b` still holds at the header when
//! `a` has the number there that it had then, and `b` that of this write.
//!
//! ```text
//! local.get 0
//! i32.const 16          local 1 has number 5: number 0 of local 0, plus 16
//! i32.add
//! local.set 1
//! loop                  local 2, written below, has number 6
//!   local.get 1         1 = local 0 + 16 holds, as local 0 still has number 0
//! ```

use crate::liveness::steps::{Opened, Step, Steps};
use std::collections::{HashMap, HashSet};
use wasmparser::{FunctionBody, Operator, OperatorsReader};

/// Numbers of locals that may be looked at.
const MAX_WORK: usize = 1 << 27;
/// Numbers that may be kept at a time, in the states of open blocks.
const MAX_KEPT: usize = 1 << 22;
/// Walks through a body: loops in loops that pass values on take one each.
const MAX_WALKS: usize = 6;

/// What a local holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Derived {
    /// The low bits of this.
    Constant(u64),
    /// Another local's value and a constant, combined.
    Of {
        /// The local.
        base: u32,
        how: Combined,
        /// Sign-extended from the type.
        with: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combined {
    Sum,
    Or,
}

/// What an operator wrote to a local, and the number of the other local's value.
#[derive(Clone, Copy, Debug)]
struct Known {
    value: Derived,
    base: u32,
}

/// The locals that hold something known at the header of the loop at `offset` whenever control is there, each after
/// those it is computed from. Of `locals`, those with a `false` are not looked at; the first `params` have any value
/// at the start, others zero.
pub(crate) fn at_loop(
    body: &FunctionBody<'_>,
    offset: u32,
    locals: &[bool],
    params: usize,
) -> wasmparser::Result<Vec<(u32, Derived)>> {
    let numbers: Vec<Option<u32>> =
        (0u32..).zip(locals).map(|(local, &wanted)| wanted.then_some(local)).collect();
    let steps = Steps::read(body, &numbers, locals.len())?;
    let count = locals.len();
    let zeros = (0u32..).take(count).skip(params);
    let zeros = zeros.map(|local| (local, Known { value: Derived::Constant(0), base: 0 }));
    let zeros: HashMap<u32, Known> = zeros.collect();
    let mut walk = Walk {
        steps: &steps,
        effects: effects(body)?,
        known: HashMap::new(),
        next: 0,
        state: None,
        frames: Vec::new(),
        catching: Vec::new(),
        is_noted: false,
        changing: vec![HashSet::new(); steps.loops.len()],
        is_stable: false,
        work: 0,
    };
    for _ in 0..MAX_WALKS {
        walk.known.clone_from(&zeros);
        walk.next = u32::try_from(count).unwrap_or(u32::MAX);
        walk.state = Some((0..).take(count).collect());
        walk.frames.clear();
        walk.catching.clear();
        walk.is_stable = true;
        let header = walk.all_steps(offset);
        if walk.is_too_much() {
            break;
        }
        if walk.is_stable {
            return Ok(header.map_or_else(Vec::new, |state| walk.known_in(&state, locals)));
        }
    }
    Ok(Vec::new())
}

/// What operators do, by their offset.
#[derive(Default)]
struct Effects {
    /// What they write to locals.
    writes: HashMap<u32, Derived>,
    /// Those that exceptions come from.
    throws: HashSet<u32>,
}

fn effects(body: &FunctionBody<'_>) -> wasmparser::Result<Effects> {
    let mut effects = Effects::default();
    let mut reader: OperatorsReader<'_> = body.get_operators_reader()?;
    // The operand on top, as far as it is known, and the local below a constant on top.
    let (mut top, mut below) = (None, None);
    while !reader.eof() {
        let at = u32::try_from(reader.original_position()).unwrap_or(u32::MAX);
        let constant = |bits| Some(Derived::Constant(bits));
        let copy = |base| Some(Derived::Of { base, how: Combined::Sum, with: 0 });
        let combined = |how| match (below, top) {
            (Some(Derived::Of { base, how: Combined::Sum, with }), Some(Derived::Constant(c)))
                if how == Combined::Sum || with == 0 =>
            {
                Some(Derived::Of { base, how, with: with.wrapping_add(c.cast_signed()) })
            }
            _ => None,
        };
        let new = match reader.read()? {
            Operator::I32Const { value } => constant(i64::from(value).cast_unsigned()),
            Operator::I64Const { value } => constant(value.cast_unsigned()),
            Operator::F32Const { value } => constant(value.bits().into()),
            Operator::F64Const { value } => constant(value.bits()),
            Operator::LocalGet { local_index } => copy(local_index),
            Operator::LocalSet { .. } => {
                effects.writes.extend(top.map(|value| (at, value)));
                None
            }
            Operator::LocalTee { local_index } => {
                effects.writes.extend(top.map(|value| (at, value)));
                copy(local_index)
            }
            Operator::I32Add | Operator::I64Add => combined(Combined::Sum),
            Operator::I32Or | Operator::I64Or => combined(Combined::Or),
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Rethrow { .. } => {
                effects.throws.insert(at);
                None
            }
            _ => None,
        };
        (below, top) = (top, new);
    }
    Ok(effects)
}

/// Numbers of the values of all locals.
type State = Vec<u32>;

/// An open block.
#[derive(Debug)]
struct Frame {
    /// The state at its label, of the branches so far.
    label: Option<State>,
    /// That of the other ways through an `if` or a `try`: at its start, or where exceptions are thrown in it.
    other: Option<State>,
    /// Of a loop: its number, and the state at its header.
    header: Option<(u32, Option<State>)>,
}

struct Walk<'s> {
    steps: &'s Steps,
    effects: Effects,
    /// What is known of values.
    known: HashMap<u32, Known>,
    /// The next number.
    next: u32,
    /// Where control is; [`None`] where it never is.
    state: Option<State>,
    frames: Vec<Frame>,
    /// Those of them that get exceptions.
    catching: Vec<usize>,
    /// Whether the innermost of them knows the state.
    is_noted: bool,
    /// Locals that change in each loop, as far as it is known.
    changing: Vec<HashSet<u32>>,
    /// Whether this walk found no more.
    is_stable: bool,
    work: usize,
}

impl Walk<'_> {
    /// Goes through the body; the state at the header of the loop at `offset`, [`None`] when control does not get
    /// there.
    fn all_steps(&mut self, offset: u32) -> Option<State> {
        let steps = self.steps;
        let mut header = None;
        for (at, step) in &steps.all {
            self.work += 1;
            self.step(*at, step);
            if *at == offset && matches!(step, Step::Open(Opened::Loop(_))) {
                header.clone_from(&self.state);
            }
            if self.is_too_much() {
                break;
            }
        }
        header
    }

    fn is_too_much(&self) -> bool {
        self.work > MAX_WORK
    }

    fn step(&mut self, at: u32, step: &Step) {
        if matches!(step, Step::Throwing | Step::Stop) && self.effects.throws.contains(&at) {
            self.throw();
        }
        match step {
            Step::Read(_) | Step::Throwing => return,
            Step::Write(local) => self.write(at, *local),
            Step::Open(opened) => self.open(opened),
            Step::Else => {
                self.merge(0);
                self.state = self.frames.last_mut().and_then(|frame| frame.other.take());
            }
            Step::End(start) => self.end(&self.steps.all[*start as usize].1),
            Step::Delegate(_) => self.end(&Step::Open(Opened::Try)),
            Step::Catch(is_first) => {
                self.merge(0);
                if *is_first {
                    self.end_catching();
                }
                self.state = self.frames.last().and_then(|frame| frame.other.clone());
                self.work += self.state.as_ref().map_or(0, Vec::len);
            }
            Step::BranchIf(depth) => {
                self.merge(*depth);
                return;
            }
            Step::Branch(depths) => {
                let mut depths = self.steps.depths(depths).to_vec();
                depths.sort_unstable();
                depths.dedup();
                for depth in depths {
                    if !self.is_too_much() {
                        self.merge(depth);
                    }
                }
                self.state = None;
            }
            Step::Stop | Step::Leave => self.state = None,
        }
        self.is_noted = false;
    }

    /// The innermost block that gets exceptions may get one now.
    fn throw(&mut self) {
        let Some(&position) = self.catching.last().filter(|_| !self.is_noted) else { return };
        self.is_noted = true;
        let state = self.copy();
        self.merge_other(position, state);
    }

    /// Exceptions go to the block around from here on, as may those that the innermost one got.
    fn end_catching(&mut self) {
        let Some(position) = self.catching.pop() else { return };
        if let Some(&outer) = self.catching.last() {
            let thrown = self.frames[position].other.clone();
            self.work += thrown.as_ref().map_or(0, Vec::len);
            self.merge_other(outer, thrown);
        }
    }

    fn merge_other(&mut self, position: usize, state: Option<State>) {
        let other = self.frames[position].other.take();
        self.frames[position].other = self.met(other, state);
    }

    fn write(&mut self, at: u32, local: u32) {
        let number = self.number();
        let Some(state) = &mut self.state else { return };
        if let Some(&value) = self.effects.writes.get(&at) {
            let base = match value {
                Derived::Constant(_) => 0,
                Derived::Of { base, .. } => state[base as usize],
            };
            self.known.insert(number, Known { value, base });
        }
        state[local as usize] = number;
    }

    fn open(&mut self, opened: &Opened) {
        let (mut other, mut header) = (None, None);
        match opened {
            Opened::Block => {}
            Opened::If => other = self.copy(),
            Opened::Try | Opened::TryTable(..) => self.catching.push(self.frames.len()),
            Opened::Loop(number) => {
                let changing = std::mem::take(&mut self.changing[*number as usize]);
                self.work += changing.len();
                if let Some(mut state) = self.state.take() {
                    changing.iter().for_each(|&local| state[local as usize] = self.number());
                    self.state = Some(state);
                }
                self.changing[*number as usize] = changing;
                header = Some((*number, self.copy()));
            }
        }
        self.frames.push(Frame { label: None, other, header });
        // A frame has one state at its start or from its throws, and one at its label.
        let locals = self.steps.written.len();
        if self.frames.len().saturating_mul(2 * locals) > MAX_KEPT {
            self.work = MAX_WORK + 1;
        }
    }

    fn end(&mut self, opened: &Step) {
        let innermost = self.frames.len().checked_sub(1);
        match opened {
            // There is no `else`.
            Step::Open(Opened::If) => {
                let other = self.frames.last_mut().and_then(|frame| frame.other.take());
                self.merge_state(other, 0);
            }
            Step::Open(Opened::Try) if self.catching.last() == innermost.as_ref() => {
                self.end_catching();
            }
            // The labels count from outside.
            Step::Open(Opened::TryTable(labels, _)) => {
                self.end_catching();
                let thrown = self.frames.last_mut().and_then(|frame| frame.other.take());
                let steps = self.steps;
                for &depth in steps.depths(labels) {
                    if self.is_too_much() {
                        return;
                    }
                    self.work += thrown.as_ref().map_or(0, Vec::len);
                    self.merge_state(thrown.clone(), depth + 1);
                }
            }
            _ => {}
        }
        let Some(frame) = self.frames.last() else { return };
        if frame.header.is_none() {
            self.merge(0);
            self.state = self.frames.last_mut().and_then(|frame| frame.label.take());
        }
        self.frames.pop();
    }

    /// Control may go to the label at this depth.
    fn merge(&mut self, depth: u32) {
        let state = self.copy();
        self.merge_state(state, depth);
    }

    fn merge_state(&mut self, state: Option<State>, depth: u32) {
        let Some(state) = state else { return };
        let Some(position) = self.frames.len().checked_sub(depth as usize + 1) else { return };
        self.work += state.len();
        if let Some((number, Some(header))) = &self.frames[position].header {
            let changing = &mut self.changing[*number as usize];
            for (local, _) in (0..).zip(state.iter().zip(header)).filter(|(_, (a, b))| a != b) {
                self.is_stable &= !changing.insert(local);
            }
            return;
        }
        let label = self.frames[position].label.take();
        self.frames[position].label = self.met(label, Some(state));
    }

    /// The state where control comes from two places.
    fn met(&mut self, one: Option<State>, other: Option<State>) -> Option<State> {
        let (mut one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => return one.or(other),
        };
        self.work += one.len();
        for (number, other) in one.iter_mut().zip(other) {
            if *number != other {
                *number = self.number();
            }
        }
        Some(one)
    }

    fn copy(&mut self) -> Option<State> {
        self.work += self.state.as_ref().map_or(0, Vec::len);
        self.state.clone()
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// What holds in a state.
    fn known_in(&self, state: &State, locals: &[bool]) -> Vec<(u32, Derived)> {
        let mut found: Vec<(u32, u32, Derived)> = Vec::new();
        for (local, &number) in (0u32..).zip(state) {
            let Some(&Known { value, base }) = self.known.get(&number) else { continue };
            let holds = match value {
                Derived::Constant(_) => true,
                Derived::Of { base: other, .. } => {
                    locals[other as usize] && state[other as usize] == base
                }
            };
            if holds && locals[local as usize] {
                found.push((number, local, value));
            }
        }
        // A value was written after those it is computed from.
        found.sort_unstable_by_key(|&(number, local, _)| (number, local));
        found.into_iter().map(|(_, local, value)| (local, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known at the innermost first loop of a function of four `i32` locals, the first of them a parameter,
    /// beside zeros.
    fn known(body: &str) -> Vec<(u32, Derived)> {
        known_of(&format!("(param i32) (local i32 i32 i32) {body}"), 4)
    }

    fn known_of(function: &str, locals: usize) -> Vec<(u32, Derived)> {
        let text = format!("(module (tag $e) (func {function}))");
        let bytes = wat::parse_str(text).unwrap();
        for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
            if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
                let mut reader = body.get_operators_reader().unwrap();
                let mut last = 0;
                while !reader.eof() {
                    let at = u32::try_from(reader.original_position()).unwrap();
                    if let Operator::Loop { .. } = reader.read().unwrap() {
                        last = at;
                    }
                }
                let known = at_loop(&body, last, &vec![true; locals], 1).unwrap();
                let zero = Derived::Constant(0);
                return known.into_iter().filter(|(_, value)| *value != zero).collect();
            }
        }
        panic!("no function")
    }

    fn sum(base: u32, with: i64) -> Derived {
        Derived::Of { base, how: Combined::Sum, with }
    }

    const SET: &str = "(local.set 1 (i32.add (local.get 0) (i32.const 16)))";

    #[test]
    fn sums_copies_and_constants_are_known() {
        let body = format!(
            "{SET} (local.set 2 (i32.const -7)) (local.set 3 (local.get 1))
             (loop (br_if 0 (local.get 3)))"
        );
        let constant = Derived::Constant((-7i64).cast_unsigned());
        assert_eq!(known(&body), [(1, sum(0, 16)), (2, constant), (3, sum(1, 0))]);
        let body = "(local.set 1 (i32.add (i32.add (local.get 0) (i32.const 4)) (i32.const -16)))
                    (loop (br_if 0 (local.get 1)))";
        assert_eq!(known(body), [(1, sum(0, -12))]);
        // What lies below the operand that a write takes is not known.
        let body = "(i32.clz (local.get 0)) (i32.const 3) (local.set 1) (local.set 2)
                    (loop (br_if 0 (local.get 1)))";
        assert_eq!(known(body), [(1, Derived::Constant(3))]);
        let body = "(i32.const 4) (i32.or (local.tee 2 (i32.load8_u (local.get 0)))) (local.set 1)
                    (loop (br_if 0 (local.get 1)))";
        assert!(known(body).is_empty(), "operands in this order are not looked at");
        let body = "(local.set 1 (i32.or (local.tee 0 (i32.clz (local.get 0))) (i32.const 4)))
                    (loop (br_if 0 (local.get 1)))";
        assert_eq!(known(body), [(1, Derived::Of { base: 0, how: Combined::Or, with: 4 })]);
    }

    #[test]
    fn what_the_loop_writes_is_not_known() {
        let writes_it = "(loop (local.set 1 (local.get 2)) (br_if 0 (local.get 1)))";
        assert!(known(&format!("{SET} {writes_it}")).is_empty());
        let writes_base = "(loop (local.set 0 (local.get 2)) (br_if 0 (local.get 1)))";
        assert!(known(&format!("{SET} {writes_base}")).is_empty());
        // Unless it is behind the last turn.
        let behind = "(loop (br_if 0 (local.get 1)) (local.set 0 (local.get 2)))";
        assert_eq!(known(&format!("{SET} {behind}")), [(1, sum(0, 16))]);
        // In a loop around it, it is known behind the write, and not before, where a later turn has it.
        let outer = format!("(loop {SET} (loop (br_if 0 (local.get 1))) (br 0))");
        assert_eq!(known(&outer), [(1, sum(0, 16))]);
        let outer = format!("(loop (loop (br_if 0 (local.get 1))) {SET} (br 0))");
        assert!(known(&outer).is_empty());
    }

    #[test]
    fn later_writes_count() {
        let reader = "(loop (br_if 0 (local.get 1)))";
        assert!(known(&format!("{SET} (local.set 0 (i32.const 0)) {reader}")).is_empty());
        assert!(known(&format!("{SET} (local.set 1 (i32.clz (local.get 0))) {reader}")).is_empty());
    }

    #[test]
    fn handlers_see_what_was_written_before_each_throw() {
        let reader = "(loop (br_if 0 (local.get 1)))";
        let call = "(call 0 (i32.const 1))";
        let other = "(local.set 0 (i32.const 3))";
        for unsure in [
            format!("(loop $l {reader} (try_table (catch_all $l) {SET} {call}))"),
            format!("{SET} (block (try_table (catch_all 0) {other} {call} (return))) {reader}"),
            format!(
                "(block (try_table (catch_all 0) {SET} {call} {other} {call} (return))) {reader}"
            ),
            format!("{SET} (block (try_table (catch_all 0) {other} (throw $e))) {reader}"),
            format!(
                "{SET} (block (try_table (catch_all 0) (try_table {other} {call}) (return))) {reader}"
            ),
            format!(
                "(block $out (block (try_table (catch_all 1) {call}) (return)) {SET} (br 0)) {reader}"
            ),
        ] {
            assert!(known(&unsure).iter().all(|&(local, _)| local != 1), "{unsure}");
        }
        let sure = format!(
            "{SET} (block (try_table (catch_all 0) {call} (local.set 2 (i32.const 1)) {call})) {reader}"
        );
        assert_eq!(known(&sure), [(1, sum(0, 16))]);
    }

    #[test]
    fn long_ways_are_given_up() {
        let many = format!("(block {}", "(br_table 0 0 0 0 0 0 0 (local.get 0))".repeat(3));
        let text = format!("{SET} {many}) (loop (br_if 0 (local.get 1)))");
        assert_eq!(known(&text), [(1, sum(0, 16))]);
        let locals = "(local i32)".repeat(40_000);
        let blocks = 200;
        let deep = format!(
            "{} (loop (br_if 0 (local.get 1))) {}",
            "(if (local.get 0) (then ".repeat(blocks),
            "))".repeat(blocks)
        );
        assert!(known_of(&format!("(param i32) {locals} {deep}"), 40_001).is_empty());
    }

    #[test]
    fn where_control_meets_values_must_be_the_same() {
        let reader = "(loop (br_if 0 (local.get 1)))";
        let sure =
            format!("(block {SET} (br_if 0 (local.get 0)) (local.set 2 (i32.const 1))) {reader}");
        assert_eq!(known(&sure), [(1, sum(0, 16))]);
        for unsure in [
            format!("(block (br_if 0 (local.get 0)) {SET}) {reader}"),
            format!("(if (local.get 0) (then {SET})) {reader}"),
            format!("(if (local.get 0) (then {SET}) (else {SET})) {reader}"),
            format!("(block (try_table (catch_all 0) (call 0 (i32.const 1)) {SET})) {reader}"),
            format!("(block (br_table 0 1 (local.get 0)) {SET}) {reader}"),
        ] {
            assert!(known(&unsure).is_empty(), "{unsure}");
        }
        let both = format!("{SET} (if (local.get 0) (then (nop)) (else (unreachable))) {reader}");
        assert_eq!(known(&both), [(1, sum(0, 16))]);
        let caught =
            format!("{SET} (block (try_table (catch_all 0) (call 0 (i32.const 1)))) {reader}");
        assert_eq!(known(&caught), [(1, sum(0, 16))]);
    }
}
