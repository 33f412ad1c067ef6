//! Unrolling: several turns of a small innermost loop for each poll and jump back.
//!
//! The body is translated several times. In all copies but the last, what branches to the loop goes
//! to the next copy; in all, what leaves the body goes to one place. The operators are read again
//! for each copy, so a copy is like any code, and its blocks are hidden from the depths of branches:
//!
//! ```text
//! loop $l          loop $l                 polls
//!   BODY             block $exit
//! end                  block $next
//!                        BODY, with $next for $l
//!                        br $exit
//!                      end
//!                      BODY
//!                    end
//!                  end
//! ```
//!
//! Which loops: those without loops or calls in them, by their number of operators. What polls cost
//! is in proportion to that, and so is the code that copies add.

use crate::control::Kind;
use crate::translate::Translator;
use std::collections::HashMap;
use wasmparser::{BinaryReader, BlockType, FunctionBody, Operator, OperatorsReader};

/// Which loops are unrolled, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Operators of a loop, and of all copies of one.
    largest: u32,
    all_copies: u32,
    most_copies: u32,
    /// Operators of all copies in a function that are more than in its body.
    budget: u32,
}

/// What is good for run time at a compile time that is not noticed. More copies of the smallest loops
/// gain more in some programs, and lose in others whose loops make few turns.
pub(crate) const USUAL: Limits =
    Limits { largest: 24, all_copies: 48, most_copies: 2, budget: 1_000 };

/// As much as possible, for tests.
pub(crate) const ZEAL: Limits =
    Limits { largest: 300, all_copies: 900, most_copies: 3, budget: 2_000 };

/// A loop that is unrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    ty: BlockType,
    /// Offset in the module of the loop's `end`.
    end: usize,
    copies: u32,
}

/// The loops of a body that are unrolled.
#[derive(Debug, Default)]
pub(crate) struct Unrolling {
    /// By the offsets of their `loop`.
    plans: HashMap<usize, Plan>,
    /// Whether the code at hand is in copies.
    active: bool,
}

/// A block that is open where a body is read ahead.
struct Open {
    /// Of a loop: its type and offset, and how many operators stood before it.
    is_loop: Option<(BlockType, usize, u32)>,
    /// Whether it has loops or calls in it.
    fits: bool,
}

impl Unrolling {
    /// Reads ahead which loops of a body are worth it.
    pub(crate) fn of(body: &FunctionBody<'_>, limits: Limits) -> wasmparser::Result<Self> {
        let mut plans = HashMap::new();
        let mut reader: OperatorsReader<'_> = body.get_operators_reader()?;
        let mut open: Vec<Open> = Vec::new();
        let (mut operators, mut budget) = (0u32, limits.budget);
        while !reader.eof() {
            let at = usize::try_from(reader.original_position()).unwrap_or(usize::MAX);
            match reader.read()? {
                Operator::Loop { blockty } => {
                    let is_loop = Some((blockty, at, operators));
                    open.push(Open { is_loop, fits: true });
                }
                Operator::Block { .. } => open.push(Open { is_loop: None, fits: true }),
                Operator::If { .. } => {
                    operators += 1;
                    open.push(Open { is_loop: None, fits: true });
                }
                Operator::Try { .. } | Operator::TryTable { .. } => {
                    open.push(Open { is_loop: None, fits: false });
                }
                Operator::End | Operator::Delegate { .. } => {
                    let Some(closed) = open.pop() else { continue };
                    let mut fits = closed.fits;
                    if let Some((ty, start, before)) = closed.is_loop {
                        let copies = limits.copies(operators - before, budget).filter(|_| fits);
                        if let Some(copies) = copies {
                            budget -= (operators - before).max(1) * (copies - 1);
                            plans.insert(start, Plan { ty, end: at, copies });
                        }
                        fits = false;
                    }
                    if let Some(around) = open.last_mut() {
                        around.fits &= fits;
                    }
                }
                Operator::LocalGet { .. }
                | Operator::LocalSet { .. }
                | Operator::LocalTee { .. }
                | Operator::I32Const { .. }
                | Operator::I64Const { .. }
                | Operator::Nop
                | Operator::Drop => {}
                Operator::BrTable { targets } => {
                    operators = operators.saturating_add(targets.len()).saturating_add(2);
                }
                operator => {
                    if calls(&operator)
                        && let Some(around) = open.last_mut()
                    {
                        around.fits = false;
                    }
                    operators = operators.saturating_add(1);
                }
            }
        }
        Ok(Self { plans, active: false })
    }

    /// Whether any loop is.
    pub(crate) fn is_any(&self) -> bool {
        !self.plans.is_empty()
    }
}

impl Limits {
    /// How many copies a loop of so many operators gets.
    fn copies(self, operators: u32, budget: u32) -> Option<u32> {
        let operators = operators.max(1);
        let copies = (self.all_copies / operators).min(self.most_copies);
        let fits = operators <= self.largest && copies > 1 && operators * (copies - 1) <= budget;
        fits.then_some(copies)
    }
}

/// Whether an operator calls a function.
fn calls(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. }
    )
}

impl<'a> Translator<'a, '_> {
    /// The frame that a depth means: blocks of copies have none.
    pub(crate) fn frame_at(&self, depth: u32) -> usize {
        let depth = depth as usize;
        if !self.unrolling.active {
            return self.control.len() - 1 - depth;
        }
        let frames = (0..self.control.len()).rev();
        let mut visible = frames.filter(|&index| !self.control[index].hidden);
        visible.nth(depth).expect("the body was validated")
    }

    /// Translates the loop at hand, which is `reader`'s next operator, if it is unrolled: all of it
    /// but its `end`.
    pub(crate) fn unroll(&mut self, reader: &mut BinaryReader<'a>) -> wasmparser::Result<bool> {
        let Some(&plan) = self.unrolling.plans.get(&self.src.pc) else { return Ok(false) };
        self.operator(reader)?;
        let (body, hint) = (reader.clone(), self.src.next_hint);
        self.unrolling.active = true;
        let header = self.control.len() - 1;
        self.open_copies(plan.ty);
        for copy in 1..=plan.copies {
            *reader = body.clone();
            self.src.next_hint = hint;
            let is_last = copy == plan.copies;
            self.control[header].hidden = !is_last;
            if !is_last {
                self.open_turn(plan.ty);
            }
            self.operators_to(reader, plan.end)?;
            self.src.pc = plan.end;
            if is_last || self.refused.is_some() {
                break;
            }
            if !self.dead {
                self.branch_to(header + 1);
            }
            self.end();
            if self.dead {
                // Nothing goes back to the loop.
                break;
            }
        }
        self.control[header].hidden = false;
        self.unrolling.active = false;
        if self.refused.is_none() {
            self.end();
        }
        Ok(true)
    }

    fn operators_to(
        &mut self,
        reader: &mut BinaryReader<'a>,
        end: usize,
    ) -> wasmparser::Result<()> {
        while self.refused.is_none() {
            self.src.pc = crate::translate::position(reader);
            if self.src.pc >= end {
                break;
            }
            self.operator(reader)?;
        }
        Ok(())
    }

    /// Opens the block that what leaves a copy goes to the end of.
    fn open_copies(&mut self, ty: BlockType) {
        self.open_block(Kind::Block, ty);
        let frame = self.control.last_mut().expect("just opened");
        frame.hidden = true;
        // What is alive there is not what is alive at the loop's label.
        frame.start = usize::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_first_function;
    use upshift_abi::config::CodegenConfig;

    /// How many copies each loop of a function gets, by order of their starts.
    fn copies(function: &str, limits: Limits) -> Vec<u32> {
        let text = format!("(module (memory 1) (func $f {function}))");
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let unrolling = Unrolling::of(&input.body(input.func), limits).unwrap();
            let mut plans: Vec<_> = unrolling.plans.into_iter().collect();
            plans.sort_unstable_by_key(|plan| plan.0);
            plans.into_iter().map(|(_, plan)| plan.copies).collect()
        })
    }

    const STORE: &str = "(i32.store (i32.const 0) (i32.load (i32.const 4)))";

    #[test]
    fn small_innermost_loops_are_unrolled() {
        let limits = Limits { largest: 8, all_copies: 12, most_copies: 3, budget: 20 };
        let of = |text: &str| copies(text, limits);
        assert_eq!(of(&format!("(loop {STORE} (br_if 0 (i32.const 1)))")), [3]);
        assert_eq!(of(&format!("(loop {} (br 0))", STORE.repeat(2))), [2]);
        assert!(of(&format!("(loop {} (br 0))", STORE.repeat(4))).is_empty());
        assert!(of(&format!("(loop {STORE} (call $f) (br 0))")).is_empty());
        assert_eq!(of("(loop (loop (br 0)) (br 0))"), [3]);
        assert!(of("(loop (block (try_table (nop))) (br 0))").is_empty());
        // Two operators more for each of two copies: the budget is good for five loops.
        assert_eq!(of(&format!("(loop {STORE})").repeat(9)), [3; 5]);
    }

    #[test]
    fn copies_share_a_poll() {
        let text = format!(
            "(module (memory 1) (func (param i32) (result i32)
                (loop $l (result i32) {STORE} (br_if $l (local.get 0)) (i32.const 7))))"
        );
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let code = |effort| {
                let request = crate::Request { entry: crate::Entry::Function, effort };
                let text = crate::Compiler::new().intermediate_code(input, request).unwrap();
                let count = |what| text.lines().filter(|line| line.contains(what)).count();
                ((count(" store "), count(" cold:")), text)
            };
            let (full, text) = code(crate::Effort::Full);
            assert_eq!(full, (2, 1), "{text}");
            assert_eq!(code(crate::Effort::Quick).0, (1, 1));
        });
    }
}
