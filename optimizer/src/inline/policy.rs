//! Which calls are replaced by the callee's body: every threshold, and what is read of a callee.
//!
//! A body is worth it by its number of operators: what a call costs in instructions, and in values
//! that go through memory around it, weighs more than a short body. Callees in loops and callees
//! that call nothing may be longer. All bodies inlined in one function together have a budget, so
//! code and compile time grow by a bounded factor whatever the module looks like.
//!
//! Bodies that a profile says are called often have limits of their own. Where several functions are
//! called at a site, and at those within them, the ways multiply: each is worth it only as far
//! as a good part of all executions goes there ([`Share`]).

use std::collections::HashMap;
use upshift_abi::config::FunctionInput;
use upshift_abi::index::DefinedFuncIndex;
use wasmparser::Operator;

/// Limits of inlining into one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Operators of a body that is inlined anywhere.
    small: u32,
    /// Operators of a body that calls nothing, or whose call is in a loop.
    medium: u32,
    /// Operators of a body that calls nothing and whose call is in a loop.
    large: u32,
    /// Calls within calls.
    depth: usize,
    /// Operators of all bodies together: this, and
    budget: u32,
    /// one more for each so many bytes of the function's own body.
    bytes_per_operator: u32,
    /// The most of them.
    max_budget: u32,
    /// The same of bodies that a profile says are called often; they do not take from the others.
    profiled: Profiled,
}

/// Limits of bodies that a profile says are called often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profiled {
    /// Operators of a body.
    operators: u32,
    /// Calls within calls.
    depth: usize,
    /// Operators of all bodies together: this, one more for each byte of the function's own body,
    budget: u32,
    /// and never more.
    max_budget: u32,
    /// What part of the executions of the function's own code a call has to have.
    share: Share,
}

/// A part of something, in 65,536ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share(u32);

impl Share {
    /// All of it.
    pub(crate) const ALL: Self = Self(1 << 16);

    /// One part of so many.
    const fn one_in(parts: u32) -> Self {
        Self(Self::ALL.0 / parts)
    }

    /// `count` of `total` parts of this one.
    pub(crate) fn of(self, count: u64, total: u64) -> Self {
        let part = u128::from(self.0) * u128::from(count) / u128::from(total.max(1));
        Self(u32::try_from(part).unwrap_or(u32::MAX).min(self.0))
    }
}

/// What is good for run time at a compile time that is not noticed.
pub(crate) const USUAL: Limits = Limits {
    small: 14,
    medium: 24,
    large: 48,
    depth: 4,
    budget: 40,
    bytes_per_operator: 6,
    max_budget: 2_000,
    profiled: Profiled {
        operators: 160,
        depth: 6,
        budget: 1_500,
        max_budget: 4_000,
        share: Share::one_in(5),
    },
};

/// As much as possible, for tests.
pub(crate) const ZEAL: Limits = Limits {
    small: 300,
    medium: 300,
    large: 300,
    depth: 6,
    budget: 200,
    bytes_per_operator: 2,
    max_budget: 1_000,
    profiled: Profiled {
        operators: 300,
        depth: 6,
        budget: 500,
        max_budget: 2_000,
        share: Share(0),
    },
};

/// Bytes of a body that is looked at: longer ones have too many operators, or some that are long.
const MAX_BODY_BYTES: usize = 1 << 10;
/// Bytes for each operator that a body may have.
const BYTES_PER_OPERATOR: usize = 4;
/// Bytes of bodies that are read for one function that is compiled.
const MAX_READ_BYTES: usize = 64 << 10;
/// Parameters, results and locals of a body: each is a variable.
const MAX_VALUES: usize = 40;

/// What is known of a body that may be inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Its operators that stand for anything.
    operators: u32,
    /// Whether it calls functions.
    calls: bool,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Bodies around it that were inlined.
    pub(crate) depth: usize,
    /// Whether it is in a loop.
    pub(crate) in_loop: bool,
    /// How often it calls this function, when a profile says that it does.
    pub(crate) profiled: Option<Share>,
}

/// What may still be inlined in the function at hand.
#[derive(Debug)]
pub(crate) struct Policy {
    limits: Limits,
    left: u32,
    /// The same of what a profile says is called often.
    profiled_left: u32,
    known: HashMap<DefinedFuncIndex, Option<Summary>>,
    read: usize,
}

impl Policy {
    /// The budget of a function whose body has `bytes`.
    pub(crate) fn new(limits: Limits, bytes: usize) -> Self {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let left = (limits.budget + bytes / limits.bytes_per_operator).min(limits.max_budget);
        let Profiled { budget, max_budget, .. } = limits.profiled;
        let profiled_left = budget.saturating_add(bytes).min(max_budget);
        Self { limits, left, profiled_left, known: HashMap::new(), read: 0 }
    }

    /// Whether a call of `func` is replaced by its body, which is paid for then.
    pub(crate) fn choose(
        &mut self,
        input: &FunctionInput<'_>,
        func: DefinedFuncIndex,
        place: Place,
    ) -> Option<Summary> {
        let (summary, left) = self.find(input, func, place)?;
        let often = self.is_often(place);
        *self.left(often) = left;
        Some(summary)
    }

    /// Whether a call of `func` would be replaced by its body, and what was left of the budget then.
    pub(crate) fn find(
        &mut self,
        input: &FunctionInput<'_>,
        func: DefinedFuncIndex,
        place: Place,
    ) -> Option<(Summary, u32)> {
        let often = self.is_often(place);
        let depth = if often { self.limits.profiled.depth } else { self.limits.depth };
        if *self.left(often) == 0 || place.depth >= depth {
            return None;
        }
        let summary = self.summary(input, func)?;
        let most = match (summary.calls, place.in_loop) {
            _ if often => self.limits.profiled.operators,
            (true, false) => self.limits.small,
            (true, true) | (false, false) => self.limits.medium,
            (false, true) => self.limits.large,
        };
        if summary.operators > most {
            return None;
        }
        // A body of nothing has its price, too: it is translated.
        let left = self.left(often).checked_sub(summary.operators + 1)?;
        Some((summary, left))
    }

    /// Whether a call has the limits of those that a profile says are executed often.
    fn is_often(&self, place: Place) -> bool {
        place.profiled.is_some_and(|share| share >= self.limits.profiled.share)
    }

    /// The budget for a call.
    fn left(&mut self, often: bool) -> &mut u32 {
        if often { &mut self.profiled_left } else { &mut self.left }
    }

    fn summary(&mut self, input: &FunctionInput<'_>, func: DefinedFuncIndex) -> Option<Summary> {
        if let Some(&known) = self.known.get(&func) {
            return known;
        }
        let bytes = input.module.bodies[func.index()].range.len();
        let most = (self.limits.large.max(self.limits.profiled.operators) as usize
            * BYTES_PER_OPERATOR)
            .min(MAX_BODY_BYTES);
        let fits = bytes <= most && self.read + bytes <= MAX_READ_BYTES;
        let summary = if fits {
            self.read += bytes;
            summarize(input, func).ok().flatten()
        } else {
            None
        };
        self.known.insert(func, summary);
        summary
    }
}

/// Reads a body; `None` for one that is never inlined.
fn summarize(
    input: &FunctionInput<'_>,
    func: DefinedFuncIndex,
) -> wasmparser::Result<Option<Summary>> {
    let body = input.body(func);
    let ty = input.module.func_type(input.module.func_index(func));
    let mut values = ty.params.len() + ty.results.len();
    for group in body.get_locals_reader()? {
        values = values.saturating_add(group?.0 as usize);
    }
    if values > MAX_VALUES {
        return Ok(None);
    }
    let mut summary = Summary { operators: 0, calls: false };
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        match operators.read()? {
            // The time in a loop is its own. Tail calls take their frame down, which is not there.
            // A `try` keeps what it caught where `rethrow` finds it.
            Operator::Loop { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::Try { .. } => return Ok(None),
            Operator::Nop
            | Operator::Block { .. }
            | Operator::TryTable { .. }
            | Operator::End
            | Operator::Drop => {}
            Operator::LocalGet { .. } | Operator::LocalSet { .. } | Operator::LocalTee { .. } => {}
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                summary.calls = true;
                summary.operators += 1;
            }
            _ => summary.operators += 1,
        }
    }
    Ok(Some(summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_first_function;
    use upshift_abi::config::CodegenConfig;

    /// How often the first of these functions is chosen at a place.
    fn chosen(functions: &str, bytes: usize, place: Place, tries: usize) -> usize {
        let text = format!("(module {functions})");
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let mut policy = Policy::new(USUAL, bytes);
            (0..tries).filter(|_| policy.choose(input, input.func, place).is_some()).count()
        })
    }

    const HERE: Place = Place { depth: 0, in_loop: false, profiled: None };
    const LOOP: Place = Place { depth: 0, in_loop: true, profiled: None };

    #[test]
    fn longer_bodies_are_worth_it_in_loops_and_when_they_call_nothing() {
        let body = |operators: u32, call: &str| {
            let work = "(drop (memory.size))".repeat(operators as usize);
            format!("(func {work} {call}) (func $g) (memory 1)")
        };
        let is_chosen =
            |operators, call, place| chosen(&body(operators, call), 100_000, place, 1) == 1;
        assert!(is_chosen(USUAL.small - 1, "(call $g)", HERE));
        assert!(!is_chosen(USUAL.small, "(call $g)", HERE));
        assert!(
            is_chosen(USUAL.medium, "", HERE) && is_chosen(USUAL.medium - 1, "(call $g)", LOOP)
        );
        assert!(!is_chosen(USUAL.medium + 1, "", HERE));
        assert!(is_chosen(USUAL.large, "", LOOP) && !is_chosen(USUAL.large + 1, "", LOOP));
    }

    #[test]
    fn the_budget_ends() {
        let leaf = "(func (drop (memory.size))) (memory 1)";
        assert_eq!(chosen(leaf, 0, HERE, 1000), USUAL.budget as usize / 2);
        assert_eq!(chosen(leaf, usize::MAX, HERE, 10_000), USUAL.max_budget as usize / 2);
        assert_eq!(chosen(leaf, 0, Place { depth: USUAL.depth, ..HERE }, 1), 0);
    }

    #[test]
    fn what_a_profile_says_is_called_often_has_limits_of_its_own() {
        let often = Place { profiled: Some(Share::ALL), ..HERE };
        let body = |operators: u32| {
            let work = "(drop (memory.size))".repeat(operators as usize);
            format!("(func {work} (call $g)) (func $g) (memory 1)")
        };
        let most = USUAL.profiled.operators - 1;
        assert_eq!(chosen(&body(most), 0, often, 1), 1);
        assert_eq!(chosen(&body(most + 1), 0, often, 1), 0);
        let leaf = "(func (drop (memory.size))) (memory 1)";
        assert_eq!(chosen(leaf, 0, often, 10_000), USUAL.profiled.budget as usize / 2);
        assert_eq!(chosen(leaf, usize::MAX, often, 10_000), USUAL.profiled.max_budget as usize / 2);
        let deep = |depth| chosen(leaf, 0, Place { depth, ..often }, 1);
        assert_eq!((deep(USUAL.profiled.depth - 1), deep(USUAL.profiled.depth)), (1, 0));
        // Half of the calls, and a third of those within what is inlined for them.
        let half = Share::ALL.of(50, 100);
        let rarely = half.of(1, 3);
        let is_chosen = |share| chosen(&body(most), 0, Place { profiled: Some(share), ..HERE }, 1);
        assert_eq!((is_chosen(half), is_chosen(rarely)), (1, 0));
        assert_eq!(chosen(leaf, 0, Place { profiled: Some(rarely), ..HERE }, 1), 1);
    }

    #[test]
    fn shares_of_shares_are_never_more() {
        assert_eq!(Share::ALL.of(1, 4), Share::one_in(4));
        assert_eq!(Share::ALL.of(1, 2).of(1, 2), Share::one_in(4));
        assert_eq!(Share::ALL.of(u64::MAX, u64::MAX), Share::ALL);
        assert_eq!(Share::ALL.of(7, 0), Share::ALL);
        assert_eq!(Share::ALL.of(0, 9).of(5, 5), Share(0));
    }

    #[test]
    fn some_bodies_are_never_inlined() {
        let locals = |count| "(local i32)".repeat(count);
        let is_chosen = |body: &str| chosen(&format!("(func {body})"), 1000, HERE, 1) == 1;
        assert!(is_chosen("") && is_chosen(&locals(MAX_VALUES)));
        assert!(!is_chosen(&locals(MAX_VALUES + 1)));
        assert!(!is_chosen("(loop)"));
        assert!(!is_chosen("(return_call 0)"));
        assert!(!is_chosen("try catch_all end"));
    }
}
