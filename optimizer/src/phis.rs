//! Redundant parameters of blocks, taken away.
//!
//! A parameter of a block is a phi function. The frontend makes one for a variable where several ways
//! meet and does not see yet that all of them bring the same value: so it is in a loop that leaves a
//! variable as it is, when the variable is asked for behind the loop first and sides of an `if` meet in
//! the loop. Each such parameter would take a register, or a copy at each turn, and Cranelift itself only
//! takes away what stands for a value that is none.
//!
//! Code that is not reached brings nothing, though it is still there: in front of the loop that a body for
//! on-stack replacement begins with, it sets most locals.
//!
//! Parameters that refer to each other and to one value besides all stand for that value. The strongly
//! connected components of the graph of parameters show which do; in a component with more values, those
//! parameters that refer to others of it alone may do so among themselves
//! [Braun et al., *Simple and Efficient Construction of Static Single Assignment Form*, 2013, §3.2].

use cranelift_codegen::entity::packed_option::PackedOption;
use cranelift_codegen::entity::{EntitySet, SecondaryMap};
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, Function, Inst, Value};

/// How deeply components are looked for within components: loops within loops.
const MOST_LEVELS: usize = 64;
/// Arguments that are looked at.
const MOST_WORK: usize = 1 << 24;

/// Takes the parameters of blocks away that stand for one value.
pub(crate) fn remove_redundant(func: &mut Function) {
    let Some(mut phis) = Phis::of(func) else { return };
    let all: Vec<usize> = (0..phis.values.len()).collect();
    phis.find(&all, 0);
    phis.edit(func);
}

/// The blocks that control gets to.
fn reached(func: &Function) -> EntitySet<Block> {
    let mut reached = EntitySet::with_capacity(func.dfg.num_blocks());
    let mut left: Vec<Block> = func.layout.entry_block().into_iter().collect();
    while let Some(block) = left.pop() {
        let last = func.layout.last_inst(block).filter(|_| reached.insert(block));
        let Some(branch) = last else { continue };
        let dfg = &func.dfg;
        let calls = dfg.insts[branch].branch_destination(&dfg.jump_tables, &dfg.exception_tables);
        left.extend(calls.iter().map(|call| call.block(&dfg.value_lists)));
    }
    reached
}

/// The parameters of blocks by number, and what they stand for.
struct Phis {
    values: Vec<Value>,
    /// What the ways to its block bring for each.
    args: Vec<Vec<PackedOption<Value>>>,
    /// Numbers of parameters, counted from 1.
    numbers: SecondaryMap<Value, u32>,
    /// Branches with arguments: the instruction, and which of its targets.
    edges: Vec<(Inst, usize, Block)>,
    /// What each redundant parameter stands for.
    same: Vec<Option<Value>>,
    /// The last set that each was in, and how many there were.
    set: Vec<u32>,
    sets: u32,
    /// When each was met in the last search that it was in, counted from 1, and the first that it leads
    /// back to.
    met: Vec<usize>,
    low: Vec<usize>,
    work: usize,
}

impl Phis {
    /// Those of a function; `None` when there are none.
    fn of(func: &Function) -> Option<Self> {
        let mut values = Vec::new();
        let mut numbers = SecondaryMap::new();
        // What the engine passes to the function comes from nowhere.
        for block in func.layout.blocks().skip(1) {
            for &value in func.dfg.block_params(block) {
                values.push(value);
                numbers[value] =
                    u32::try_from(values.len()).expect("values are numbered by 32 bits");
            }
        }
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mut phis = Self {
            values,
            args: vec![Vec::new(); count],
            numbers,
            edges: Vec::new(),
            same: vec![None; count],
            set: vec![0; count],
            sets: 0,
            met: vec![0; count],
            low: vec![0; count],
            work: 0,
        };
        let reached = reached(func);
        for block in func.layout.blocks() {
            if let Some(branch) = func.layout.last_inst(block) {
                phis.note(func, branch, reached.contains(block));
            }
        }
        Some(phis)
    }

    /// Notes what a branch brings to its targets, if it is `reached`.
    fn note(&mut self, func: &Function, branch: Inst, reached: bool) {
        let dfg = &func.dfg;
        let calls = dfg.insts[branch].branch_destination(&dfg.jump_tables, &dfg.exception_tables);
        for (place, call) in calls.iter().enumerate() {
            let target = call.block(&dfg.value_lists);
            let params = dfg.block_params(target);
            let Some(first) = params.first().and_then(|&param| self.number(param)) else {
                continue;
            };
            self.edges.push((branch, place, target));
            if !reached {
                continue;
            }
            // Those of a block have numbers in a row.
            for (args, arg) in self.args[first..].iter_mut().zip(call.args(&dfg.value_lists)) {
                args.push(arg.as_value().map(|value| dfg.resolve_aliases(value)).into());
            }
        }
    }

    /// What an argument is, by what was found so far; `None` is a value that nothing else is.
    fn resolved(&self, arg: PackedOption<Value>) -> Option<Value> {
        let value = arg.expand()?;
        // What a parameter stands for is not redundant.
        Some(self.number(value).and_then(|n| self.same[n]).unwrap_or(value))
    }

    fn number(&self, value: Value) -> Option<usize> {
        (self.numbers[value] as usize).checked_sub(1)
    }

    /// Finds redundant ones among some parameters, which refer to no others that are not decided.
    fn find(&mut self, members: &[usize], level: usize) {
        for component in self.components(members) {
            if self.work > MOST_WORK {
                return;
            }
            self.sets += 1;
            for &n in &component {
                self.set[n] = self.sets;
            }
            let mut only: Option<Option<Value>> = None;
            let mut several = false;
            let mut inner = Vec::new();
            for &n in &component {
                let mut is_inner = true;
                for &arg in &self.args[n] {
                    let value = self.resolved(arg);
                    let phi = value.and_then(|value| self.number(value));
                    if phi.is_some_and(|m| self.set[m] == self.sets) {
                        continue;
                    }
                    is_inner = false;
                    several |= value.is_none() || only.is_some_and(|only| only != value);
                    only = Some(value);
                }
                if is_inner {
                    inner.push(n);
                }
            }
            match only {
                Some(Some(value)) if !several => {
                    for n in component {
                        self.same[n] = Some(value);
                    }
                }
                // Nothing comes from outside: the code is not reached.
                None => {}
                Some(_) if inner.is_empty() || level == MOST_LEVELS => {}
                Some(_) => self.find(&inner, level + 1),
            }
        }
    }

    /// The strongly connected components of the graph of some parameters, those that others refer to
    /// first [Tarjan, *Depth-First Search and Linear Graph Algorithms*, 1972].
    fn components(&mut self, members: &[usize]) -> Vec<Vec<usize>> {
        self.sets += 1;
        let set = self.sets;
        for &n in members {
            self.set[n] = set;
            self.met[n] = 0;
        }
        let mut found = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut clock = 0;
        for &start in members {
            if self.met[start] != 0 {
                continue;
            }
            // Each with how many of its arguments were gone through.
            let mut path = vec![(start, 0)];
            while let Some(&mut (n, ref mut next)) = path.last_mut() {
                if *next == 0 {
                    clock += 1;
                    (self.met[n], self.low[n]) = (clock, clock);
                    open.push(n);
                }
                let Some(&arg) = self.args[n].get(*next) else {
                    path.pop();
                    if let Some(&(before, _)) = path.last() {
                        self.low[before] = self.low[before].min(self.low[n]);
                    }
                    if self.low[n] == self.met[n] {
                        let first = open.iter().rposition(|&m| m == n).expect("it is open");
                        let component = open.split_off(first);
                        for &m in &component {
                            // Not open any more.
                            self.low[m] = usize::MAX;
                        }
                        found.push(component);
                    }
                    continue;
                };
                *next += 1;
                self.work += 1;
                let Some(m) = self.resolved(arg).and_then(|value| self.number(value)) else {
                    continue;
                };
                if self.set[m] != set {
                    continue;
                }
                if self.met[m] == 0 {
                    path.push((m, 0));
                } else if self.low[m] != usize::MAX {
                    self.low[n] = self.low[n].min(self.met[m]);
                }
            }
        }
        found
    }

    fn edit(&self, func: &mut Function) {
        let is_kept = |value: Value| self.number(value).is_none_or(|n| self.same[n].is_none());
        for &(inst, place, target) in &self.edges {
            let params = func.dfg.block_params(target).iter();
            let kept: Vec<bool> = params.map(|&param| is_kept(param)).collect();
            if !kept.contains(&false) {
                continue;
            }
            let dfg = &mut func.dfg;
            let (tables, exceptions) = (&mut dfg.jump_tables, &mut dfg.exception_tables);
            let call = &mut dfg.insts[inst].branch_destination_mut(tables, exceptions)[place];
            let args = call.args(&dfg.value_lists).zip(kept);
            let args: Vec<BlockArg> = args.filter(|&(_, kept)| kept).map(|(arg, _)| arg).collect();
            *call = BlockCall::new(target, args, &mut dfg.value_lists);
        }
        // Behind those that stay, from the last: each that goes moves those behind it.
        for (&value, &same) in self.values.iter().zip(&self.same).rev() {
            if let Some(same) = same {
                func.dfg.remove_block_param(value);
                func.dfg.change_to_alias(value, same);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::with_first_function;
    use crate::{Compiler, Effort, Entry, Request};
    use upshift_abi::config::CodegenConfig;

    /// How many parameters the blocks of a function have that have some, in their order; the code is
    /// verified.
    fn params(function: &str) -> Vec<usize> {
        params_from(function, None)
    }

    /// The same, of the body for the entry at a loop.
    fn params_from(function: &str, from_loop: Option<usize>) -> Vec<usize> {
        let text = format!("(module (memory 1) {function})");
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let body = &input.module.bodies[input.func.index()];
            let entry = from_loop.map_or(Entry::Function, |position| Entry::Loop {
                offset: body.loop_offset(position),
            });
            let request = Request { entry, effort: Effort::Full };
            let mut compiler = Compiler::new();
            compiler.compile(input, request).expect("the test is right");
            let code = compiler.intermediate_code(input, request).expect("the test is right");
            let heads = code
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("block") && line.contains("):"));
            // Without the function's own.
            heads.skip(1).map(|head| head.matches(": ").count()).collect()
        })
    }

    /// Sides of an `if` that meet in the inner of two loops, which `outer` is in front of.
    fn nested(outer: &str) -> String {
        format!(
            "(func (param $n i32) (param $m i32) (result i32)
                (local $i i32) (local $j i32) (local $x i32)
                (loop $outer
                    {outer}
                    (local.set $j (local.get $m))
                    (loop $inner
                        (if (i32.load (local.get $j))
                            (then (i32.store (local.get $j) (i32.const 1)))
                            (else (i32.store (local.get $j) (i32.const 2))))
                        (i32.store offset=4 (local.get $j) (i32.const 3))
                        (i32.store offset=8 (local.get $j) (i32.const 3))
                        (i32.store offset=12 (local.get $j) (i32.const 3))
                        (br_if $inner (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $outer (i32.ne (local.get $i) (local.get $n))))
                (i32.add (local.get $i) (local.get $x)))"
        )
    }

    #[test]
    fn what_an_inner_loop_leaves_as_it_is_is_no_parameter_of_it() {
        // $i of the outer loop, $j of the inner.
        assert_eq!(params(&nested("")), [1, 1]);
    }

    #[test]
    fn what_changes_on_one_way_stays_a_parameter_where_the_ways_meet() {
        // $i and $x of the outer loop, $x behind the `if`, $j of the inner loop.
        let outer =
            "(if (local.get $i) (then (local.set $x (i32.mul (local.get $x) (i32.const 3)))))";
        assert_eq!(params(&nested(outer)), [2, 1, 1]);
    }

    #[test]
    fn what_is_set_in_front_of_an_entered_loop_is_no_parameter_of_it() {
        let function = "(func (param $n i32) (param $m i32) (local $base i32) (local $j i32)
            (local.set $base (i32.load (local.get $n)))
            (loop $outer
                (local.set $j (local.get $m))
                (loop $inner
                    (i32.store (local.get $base) (local.get $j))
                    (br_if $inner (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
                (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))";
        // $n of the outer loop, $j of the inner.
        assert_eq!(params(function), [1, 1]);
        // Both of the inner one, which is entered besides from the outer.
        let entered = params_from(function, Some(1));
        assert_eq!(entered.iter().filter(|&&count| count > 2).count(), 0, "{entered:?}");
    }

    #[test]
    fn values_that_swap_places_are_told_apart() {
        let function =
            "(func (param $n i32) (param $a i32) (param $b i32) (result i32) (local $t i32)
            (loop $l
                (local.set $t (local.get $a))
                (local.set $a (local.get $b))
                (local.set $b (local.get $t))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.sub (local.get $a) (local.get $b)))";
        assert_eq!(params(function), [3]);
    }

    #[test]
    fn many_loops_within_loops_with_many_variables_come_to_an_end() {
        let (depth, count) = (300, 100);
        let locals = "(local i32)".repeat(count);
        let uses: String = (0..count)
            .map(|n| format!("(local.set {n} (i32.xor (local.get {n}) (local.get 0)))"))
            .collect();
        let function = format!(
            "(func {locals} {} (if (local.get 0) (then {uses})) {})",
            "(loop ".repeat(depth),
            "(br_if 0 (local.get 1)))".repeat(depth)
        );
        assert!(!params(&function).is_empty());
    }
}
