//! Ends of loops, copied to the ways that lead there.
//!
//! Where the sides of an `if` meet just before a loop's jump back, one of them jumps there, and two jumps
//! are taken in that turn. In short loops these take longer than all the rest, so the few instructions
//! there, the jump back included, are copied to the end of each side. Values that are used behind the
//! loop become parameters of what comes there:
//!
//! ```text
//! side:  … jump meet(v1)               side:  … v6 = isub v1, v2
//! other: … jump meet(v3)                      brif v6, loop(v6), next(v6)
//! meet(v4):                      =>    other: … v7 = isub v3, v2
//!     v5 = isub v4, v2                        brif v7, loop(v7), next(v7)
//!     brif v5, loop(v5), next          next(v8):
//! next:                                    use v8
//!     use v5
//! ```
//!
//! Stores stay where they are: Zen 4 learns which store a load gets its value from, by the places of
//! both, and goes on with the value before it knows the addresses. With two places for the store it
//! waits, and what turns carry through memory takes half as long again.

use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::flowgraph::{BlockPredecessor, ControlFlowGraph};
use cranelift_codegen::ir::{Block, Function, Inst, Opcode, Value, ValueDef};
use std::collections::HashMap;

/// Most instructions that are copied, the jump included: what a counter and its comparison take.
const MOST_INSTRUCTIONS: usize = 8;
/// Most copies.
const MOST_WAYS: usize = 4;

/// The end of a loop that all ways to it jump to.
struct Latch {
    block: Block,
    /// The jumps that lead here.
    ways: Vec<(Block, Inst)>,
    /// Where it goes when not back, if nothing else goes there.
    next: Option<Block>,
}

/// Copies the ends of the loops of `func`.
pub(crate) fn copy_latches(func: &mut Function) {
    let (places, mut candidates) = candidates(func);
    if candidates.is_empty() {
        return;
    }
    let cfg = ControlFlowGraph::with_function(func);
    let mut latches: Vec<Latch> = Vec::new();
    candidates.retain(|&(block, _)| only_jumps_lead_to(func, &cfg, &places, block));
    if candidates.is_empty() {
        return;
    }
    let tree = DominatorTree::with_function(func, &cfg);
    for (block, header) in candidates {
        // In an OSR body, a header may be reached by the end of its loop only.
        if !tree.is_reachable(block) || tree.block_dominates(block, header) {
            continue;
        }
        let ways = cfg.pred_iter(block).map(|way| (way.block, way.inst)).collect();
        let alone = |next: &Block| *next != header && cfg.pred_iter(*next).count() == 1;
        let next = cfg.succ_iter(block).find(alone);
        latches.push(Latch { block, ways, next });
    }
    if latches.is_empty() {
        return;
    }
    // Chains of aliases may be as long as loops are nested.
    func.dfg.resolve_all_aliases();
    let escaping = escaping(func, &latches);
    for latch in &latches {
        copy(func, latch, &escaping);
    }
}

/// Which block stands where, counted from 1.
type Places = SecondaryMap<Block, usize>;

/// Where blocks stand, and the short ones that end with a jump to a block before them, with that one.
fn candidates(func: &Function) -> (Places, Vec<(Block, Block)>) {
    let mut places = Places::new();
    let mut found = Vec::new();
    for (place, block) in func.layout.blocks().enumerate() {
        places[block] = place + 1;
        if func.layout.is_cold(block) || !is_short(func, block) {
            continue;
        }
        let Some(last) = func.layout.last_inst(block) else { continue };
        let dfg = &func.dfg;
        let targets = dfg.insts[last].branch_destination(&dfg.jump_tables, &dfg.exception_tables);
        let targets = targets.iter().map(|call| call.block(&dfg.value_lists));
        let headers: Vec<Block> = targets.filter(|&target| places[target] > 0).collect();
        if let [header] = headers[..]
            && header != block
        {
            found.push((block, header));
        }
    }
    (places, found)
}

/// Whether a block has few instructions, all of which may be copied, and more than a jump.
fn is_short(func: &Function, block: Block) -> bool {
    let opcode = |inst| func.dfg.insts[inst].opcode();
    let mut count = 0;
    for inst in func.layout.block_insts(block) {
        count += 1;
        let opcode = opcode(inst);
        let copied = match opcode {
            Opcode::Brif => true,
            Opcode::Jump => count > 1,
            _ => {
                let acts = opcode.can_store() || opcode.other_side_effects();
                !acts && !opcode.is_call() && !opcode.is_terminator()
            }
        };
        if !copied || count > MOST_INSTRUCTIONS {
            return false;
        }
    }
    true
}

/// Whether a few ways lead to a block, all from before it and by jumps without a condition.
fn only_jumps_lead_to(
    func: &Function,
    cfg: &ControlFlowGraph,
    places: &Places,
    block: Block,
) -> bool {
    let leads = |way: BlockPredecessor| {
        let is_jump = func.dfg.insts[way.inst].opcode() == Opcode::Jump;
        is_jump && places[way.block] < places[block]
    };
    (2..=MOST_WAYS).contains(&cfg.pred_iter(block).count()) && cfg.pred_iter(block).all(leads)
}

/// The values of latches that are used elsewhere.
fn escaping(func: &Function, latches: &[Latch]) -> SecondaryMap<Value, bool> {
    let mut is_latch: SecondaryMap<Block, bool> = SecondaryMap::new();
    for latch in latches {
        is_latch[latch.block] = true;
    }
    let mut escaping = SecondaryMap::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            for value in func.dfg.inst_values(inst) {
                let value = func.dfg.resolve_aliases(value);
                let home = match func.dfg.value_def(value) {
                    ValueDef::Result(inst, _) => func.layout.inst_block(inst),
                    ValueDef::Param(block, _) => Some(block),
                    ValueDef::Union(..) => None,
                };
                if home.is_some_and(|home| home != block && is_latch[home]) {
                    escaping[value] = true;
                }
            }
        }
    }
    escaping
}

/// Puts copies of a latch in the place of the jumps that lead to it.
fn copy(func: &mut Function, latch: &Latch, escaping: &SecondaryMap<Value, bool>) {
    let insts: Vec<Inst> = func.layout.block_insts(latch.block).collect();
    let mut values = func.dfg.block_params(latch.block).to_vec();
    values.extend(insts.iter().flat_map(|&inst| func.dfg.inst_results(inst)));
    values.retain(|&value| escaping[value]);
    let params = match latch.next {
        Some(next) => pass(func, (&insts, next), &values),
        None if values.is_empty() => Vec::new(),
        None => return,
    };
    for &way in &latch.ways {
        copy_to(func, way, latch.block, &insts);
    }
    for inst in insts {
        func.dfg.detach_inst_results(inst);
    }
    func.layout.remove_block_and_insts(latch.block);
    func.dfg.detach_block_params(latch.block);
    for (value, param) in values.into_iter().zip(params) {
        func.dfg.change_to_alias(value, param);
    }
}

/// Passes values from the end of a latch to the block behind it, as parameters.
fn pass(func: &mut Function, (insts, next): (&[Inst], Block), values: &[Value]) -> Vec<Value> {
    let dfg = &mut func.dfg;
    let mut params = Vec::with_capacity(values.len());
    for &value in values {
        params.push(dfg.append_block_param(next, dfg.value_type(value)));
    }
    let Some(&last) = insts.last() else { return params };
    let (tables, exceptions) = (&mut dfg.jump_tables, &mut dfg.exception_tables);
    for call in dfg.insts[last].branch_destination_mut(tables, exceptions) {
        if call.block(&dfg.value_lists) == next {
            for &value in values {
                call.append_argument(value, &mut dfg.value_lists);
            }
        }
    }
    params
}

/// Puts a copy of the instructions of `block` in the place of a jump that leads there.
fn copy_to(func: &mut Function, (way, jump): (Block, Inst), block: Block, insts: &[Inst]) {
    let args: Vec<Value> = func.dfg.inst_values(jump).collect();
    let params = func.dfg.block_params(block).iter().copied();
    let mut copies: HashMap<Value, Value> = params.zip(args).collect();
    func.layout.remove_inst(jump);
    for &inst in insts {
        let copy = func.dfg.clone_inst(inst);
        let used: Vec<Value> = func.dfg.inst_values(copy).collect();
        let used = used.into_iter().map(|value| {
            let value = func.dfg.resolve_aliases(value);
            copies.get(&value).copied().unwrap_or(value)
        });
        let used: Vec<Value> = used.collect();
        func.dfg.overwrite_inst_values(copy, used.into_iter());
        func.layout.append_inst(copy, way);
        let location = func.srcloc(inst);
        if !location.is_default() {
            func.set_srcloc(copy, location);
        }
        let results = func.dfg.inst_results(inst).iter().copied();
        copies.extend(results.zip(func.dfg.inst_results(copy).iter().copied()));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::with_first_function;
    use crate::{Compiler, Effort, Entry, Request};
    use upshift_abi::config::CodegenConfig;

    /// The intermediate code of a function, which is verified, and has machine code.
    fn intermediate_code(function: &str, entry: Entry) -> String {
        let text = format!("(module {function})");
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let request = Request { entry, effort: Effort::Full };
            let mut compiler = Compiler::new();
            compiler.compile(input, request).expect("the test is right");
            compiler.intermediate_code(input, request).expect("the test is right")
        })
    }

    fn branches(function: &str) -> usize {
        intermediate_code(function, Entry::Function).matches("brif").count()
    }

    /// A loop that ends with an `if`, then some code, then the jump back.
    fn looping(end: &str) -> String {
        format!(
            "(func (param $n i32) (result i32) (local $s i32) (local $t i32)
                (loop $l
                    (if (i32.and (local.get $n) (i32.const 1))
                        (then (local.set $s (i32.add (local.get $s) (local.get $n))))
                        (else (local.set $t (i32.xor (local.get $t) (local.get $s)))))
                    {end}
                    (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (i32.add (local.get $s) (i32.add (local.get $t) (local.get $n))))"
        )
    }

    #[test]
    fn a_short_end_is_copied_to_both_sides() {
        let code = intermediate_code(&looping(""), Entry::Function);
        assert_eq!(code.matches("isub").count(), 2, "{code}");
        assert_eq!(code.matches("brif").count(), 3, "{code}");
    }

    #[test]
    fn long_ends_calls_and_stores_are_not_copied() {
        let step = "(local.set $s (i32.mul (local.get $s) (local.get $s)))";
        assert_eq!(branches(&looping(step)), 3);
        assert_eq!(branches(&looping(&step.repeat(10))), 2);
        let call = looping("(drop (call 0 (local.get $n)))");
        assert_eq!(branches(&call), 2);
        let store = looping("(i32.store (local.get $n) (local.get $s))");
        assert_eq!(branches(&format!("(memory 1) {store}")), 2);
    }

    #[test]
    fn what_is_used_behind_the_loop_is_there_in_a_loop_around() {
        // Ends of both loops, the inner one's values used by the outer one's.
        let code = "(func (param $n i32) (result i32) (local $i i32) (local $s i32)
            (loop $outer
                (local.set $i (local.get $n))
                (loop $inner
                    (if (i32.and (local.get $i) (i32.const 3))
                        (then (local.set $s (i32.add (local.get $s) (local.get $i))))
                        (else (local.set $s (i32.mul (local.get $s) (i32.const 3)))))
                    (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                (if (i32.and (local.get $s) (i32.const 1))
                    (then (local.set $s (i32.add (local.get $s) (local.get $i))))
                    (else (local.set $s (i32.sub (local.get $s) (i32.const 5)))))
                (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.add (local.get $s) (local.get $i)))";
        assert_eq!(branches(code), 6);
    }

    #[test]
    fn a_header_that_only_its_end_leads_to_keeps_it() {
        // An OSR body that is entered at the inner loop.
        let function = "(func (param $n i32) (local $i i32) (local $s i32)
            (loop $outer
                (local.set $i (local.get $s))
                (loop $inner
                    (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                (if (local.get $n)
                    (then (local.set $s (local.get $i)))
                    (else (local.set $s (local.get $n))))
                (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))";
        let bytes = wat::parse_str(format!("(module {function})")).expect("the test is right");
        let places = bytes.windows(2).zip(0u32..).filter(|(bytes, _)| *bytes == [0x03, 0x40]);
        let inner = places.map(|(_, at)| at).last().expect("there are loops");
        intermediate_code(function, Entry::Loop { offset: inner });
    }
}
