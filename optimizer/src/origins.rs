//! Where instructions come from, also those that Cranelift made anew.
//!
//! Its optimizer copies an instruction that is wanted in several places, or one with a constant, and the
//! copy has no location. So expressions are looked up by what they compute: each without effects has a
//! number made of its operator, its immediates and its operands' numbers, which is the same before and
//! after. What was rewritten to something else is not found, and belongs to what comes next
//! ([`crate::emit`]).

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Function, Inst, InstructionData, Opcode, SourceLoc, Value, ValueDef, ValueListPool,
};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The locations of a function's expressions, by number.
#[derive(Debug)]
pub(crate) struct Origins {
    known: HashMap<u64, SourceLoc>,
}

impl Origins {
    /// Those of `func`. Of equal expressions the first counts.
    pub(crate) fn of(func: &Function) -> Self {
        let mut known = HashMap::new();
        let mut numbers = Numbers::default();
        for block in func.layout.blocks() {
            for inst in func.layout.block_insts(block) {
                let location = func.srcloc(inst);
                if let Some(number) = numbers.add(func, inst).filter(|_| !location.is_default()) {
                    known.entry(number).or_insert(location);
                }
            }
        }
        Self { known }
    }

    /// Gives the instructions without location that of their expression.
    pub(crate) fn restore(&self, func: &mut Function) {
        let mut numbers = Numbers::default();
        let blocks: Vec<_> = func.layout.blocks().collect();
        for block in blocks {
            let insts: Vec<_> = func.layout.block_insts(block).collect();
            for inst in insts {
                let number = numbers.add(func, inst).filter(|_| func.srcloc(inst).is_default());
                if let Some(&location) = number.and_then(|number| self.known.get(&number)) {
                    func.set_srcloc(inst, location);
                }
            }
        }
    }
}

/// What values compute.
#[derive(Debug, Default)]
struct Numbers(SecondaryMap<Value, Option<u64>>);

impl Numbers {
    /// Takes note of an instruction: its number, when it has no effects.
    fn add(&mut self, func: &Function, inst: Inst) -> Option<u64> {
        let &[result] = func.dfg.inst_results(inst) else { return None };
        if !has_no_effects(func, inst) {
            return None;
        }
        let mut data = func.dfg.insts[inst];
        let mut hasher = DefaultHasher::new();
        for argument in func.dfg.inst_args(inst) {
            self.of(func, *argument).hash(&mut hasher);
        }
        // The operands are above.
        data.arguments_mut(&mut ValueListPool::new()).fill(Value::from_u32(0));
        data.hash(&mut hasher, &func.dfg.value_lists);
        func.dfg.value_type(result).hash(&mut hasher);
        let number = hasher.finish();
        self.0[result] = Some(number);
        Some(number)
    }

    /// The number of a value; of parameters and of what has effects it stands for themselves.
    fn of(&self, func: &Function, value: Value) -> u64 {
        let value = func.dfg.resolve_aliases(value);
        self.0[value].unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            match func.dfg.value_def(value) {
                ValueDef::Param(block, position) => (block, position).hash(&mut hasher),
                _ => value.hash(&mut hasher),
            }
            hasher.finish()
        })
    }
}

/// Whether an instruction with one result may be copied.
fn has_no_effects(func: &Function, inst: Inst) -> bool {
    let data = &func.dfg.insts[inst];
    if let InstructionData::Load { opcode: Opcode::Load, flags, .. } = *data {
        let flags = func.dfg.mem_flags[flags];
        return flags.readonly() && flags.notrap() && flags.can_move();
    }
    let opcode = data.opcode();
    let effects = opcode.is_call()
        || opcode.is_branch()
        || opcode.is_terminator()
        || opcode.can_trap()
        || opcode.can_load()
        || opcode.can_store()
        || opcode.other_side_effects();
    !effects
}
