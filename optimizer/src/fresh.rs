//! New objects in straight-line code: made in a row, read back without loads, and not made at all when
//! nobody else sees them.
//!
//! Objects that are made without anything between that may collect lie behind each other: the check for
//! the first makes room for all of them, a *run*. As long as code goes on in the block that the run
//! began in, and calls nothing, the values of their fields are known. So a structure that is made, read
//! and forgotten, most often one that an inlined function returns, is only written in the end:
//! [`remove_unused`] takes these stores away, and the room when none of the run's objects is left.

use crate::translate::Translator;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, InstructionData, Opcode, Value};
use smallvec::SmallVec;
use std::collections::HashMap;
use upshift_abi::index::TypeIndex;

/// Most that one check makes room for.
const MAX_RUN_BYTES: u32 = 4 << 10;

/// Objects that lie behind each other.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Where code still is if nothing else came between.
    block: Block,
    first: Value,
    /// The constant that says how much room there is, which is changed with each object.
    total: Value,
    bytes: u32,
    /// The structures among them.
    structs: Vec<Fresh>,
}

/// A structure whose fields are known.
#[derive(Clone, Debug)]
struct Fresh {
    /// Its number among [`Made::objects`].
    number: usize,
    ty: TypeIndex,
    fields: SmallVec<[Option<Value>; 6]>,
}

/// All objects of a function that were made inline with a known size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    runs: Vec<MadeRun>,
    objects: Vec<MadeObject>,
}

/// Instructions of a run.
#[derive(Clone, Copy, Debug)]
struct MadeRun {
    /// The branch to where room is made.
    check: Inst,
    /// Takes the room.
    take: Inst,
}

/// See [`Made`].
#[derive(Clone, Debug)]
struct MadeObject {
    run: usize,
    reference: Value,
    address: Value,
    /// Writes its header and fields.
    stores: SmallVec<[Inst; 6]>,
}

impl Run {
    /// The run, when code is still where nothing else came between.
    fn open(run: &mut Option<Self>, here: Option<Block>) -> Option<&mut Self> {
        run.as_mut().filter(|run| Some(run.block) == here)
    }
}

impl Translator<'_, '_> {
    /// The run that goes on here.
    fn open_run(&mut self) -> Option<&mut Run> {
        Run::open(&mut self.run, self.builder.current_block())
    }

    /// A reference to room for another object of the run at hand, if there is one.
    pub(crate) fn allocate_in_run(&mut self, bytes: u32) -> Option<Value> {
        let run = self.open_run()?;
        let offset = run.bytes;
        if offset.saturating_add(bytes) > MAX_RUN_BYTES {
            return None;
        }
        run.bytes += bytes;
        let Run { first, total, bytes, .. } = *run;
        let dfg = &mut self.builder.func.dfg;
        let constant = dfg.value_def(total).unwrap_inst();
        let imm = Imm64::new(i64::from(bytes));
        dfg.insts[constant] = InstructionData::UnaryImm { opcode: Opcode::Iconst, imm };
        Some(self.builder.ins().iadd_imm_s(first, i64::from(offset)))
    }

    /// A run begins with an object of `bytes` bytes, whose check and whose taking of room these are.
    pub(crate) fn begin_run(
        &mut self,
        (first, total): (Value, Value),
        bytes: u32,
        (check, take): (Inst, Inst),
    ) {
        let Some(block) = self.builder.current_block() else { return };
        self.made.runs.push(MadeRun { check, take });
        self.run = Some(Run { block, first, total, bytes, structs: Vec::new() });
    }

    /// Notes an object of the run, whose header the last instruction has written.
    pub(crate) fn note_made(&mut self, reference: Value, address: Value) {
        let run = self.made.runs.len() - 1;
        let stores = self.last_inst().into_iter().collect();
        self.made.objects.push(MadeObject { run, reference, address, stores });
    }

    fn last_inst(&self) -> Option<Inst> {
        self.builder.func.layout.last_inst(self.builder.current_block()?)
    }

    /// Notes that the last instruction has written a field of the object that was made last.
    pub(crate) fn note_field_store(&mut self) {
        let inst = self.last_inst();
        if let Some(object) = self.made.objects.last_mut() {
            object.stores.extend(inst);
        }
    }

    /// The object that was made last is a structure with these fields: what `struct.get` gives, where
    /// that is the value itself.
    pub(crate) fn note_struct(&mut self, ty: TypeIndex, fields: SmallVec<[Option<Value>; 6]>) {
        let number = self.made.objects.len() - 1;
        if let Some(run) = self.open_run() {
            run.structs.push(Fresh { number, ty, fields });
        }
    }

    fn find_struct(&mut self, reference: Value) -> Option<&mut Fresh> {
        let dfg = &self.builder.func.dfg;
        let reference = dfg.resolve_aliases(reference);
        let run = Run::open(&mut self.run, self.builder.current_block())?;
        let objects = &self.made.objects;
        let is_it = |fresh: &&mut Fresh| objects[fresh.number].reference == reference;
        run.structs.iter_mut().rev().find(is_it)
    }

    /// The value of a field of a structure, when it was made here.
    pub(crate) fn known_field(&mut self, reference: Value, field: u32) -> Option<Value> {
        let fresh = self.find_struct(reference)?;
        fresh.fields.get(field as usize).copied().flatten()
    }

    /// The address of a structure that was made here. It is young, so writing it needs no barrier.
    pub(crate) fn fresh_address(&mut self, reference: Value) -> Option<Value> {
        let number = self.find_struct(reference)?.number;
        Some(self.made.objects[number].address)
    }

    /// The last instruction has written a field of a structure that was made here.
    pub(crate) fn note_fresh_store(&mut self, reference: Value, field: u32, value: Option<Value>) {
        let inst = self.last_inst();
        let Some(fresh) = self.find_struct(reference) else { return };
        if let Some(known) = fresh.fields.get_mut(field as usize) {
            *known = value;
        }
        let number = fresh.number;
        self.made.objects[number].stores.extend(inst);
    }

    /// A field at this offset of some structure is written, which may be one of those made here.
    pub(crate) fn forget_fields(&mut self, offset: u32) {
        let module = self.src.input.module;
        let Some(run) = self.open_run() else { return };
        for fresh in &mut run.structs {
            let layout = module.structure(fresh.ty);
            for (known, (_, at)) in fresh.fields.iter_mut().zip(&layout.fields) {
                if *at == offset {
                    *known = None;
                }
            }
        }
    }
}

/// Removes objects that are written and nothing else.
pub(crate) fn remove_unused(func: &mut Function, made: &Made) {
    if made.objects.is_empty() {
        return;
    }
    func.dfg.resolve_all_aliases();
    let unused = find_unused(func, made);
    let mut used_runs = vec![false; made.runs.len()];
    for (object, &unused) in made.objects.iter().zip(&unused) {
        if unused {
            for &store in &object.stores {
                func.layout.remove_inst(store);
            }
        } else {
            used_runs[object.run] = true;
        }
    }
    for (run, used) in made.runs.iter().zip(used_runs) {
        if !used {
            remove_run(func, *run);
        }
    }
}

/// Which objects are only written.
fn find_unused(func: &Function, made: &Made) -> Vec<bool> {
    let mut references = HashMap::new();
    let mut addresses = HashMap::new();
    let mut writers = HashMap::new();
    for (number, object) in made.objects.iter().enumerate() {
        references.insert(object.reference, number);
        addresses.insert(object.address, number);
        writers.extend(object.stores.iter().map(|&store| (store, number)));
    }
    let mut escapes = vec![false; made.objects.len()];
    // Objects whose fields refer to an object.
    let mut referred = vec![SmallVec::<[usize; 2]>::new(); made.objects.len()];
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let made_here = func.dfg.inst_results(inst).first().copied();
            let makes = |value: Option<Value>, of: &HashMap<Value, usize>| {
                value.and_then(|value| of.get(&value).copied())
            };
            for value in func.dfg.inst_values(inst) {
                if let Some(&number) = addresses.get(&value)
                    && writers.get(&inst) != Some(&number)
                {
                    escapes[number] = true;
                }
                let Some(&number) = references.get(&value) else { continue };
                let to_address = makes(made_here, &addresses) == Some(number);
                let next = makes(made_here, &references)
                    .is_some_and(|next| made.objects[next].run == made.objects[number].run);
                if to_address || next {
                    continue;
                }
                match writers.get(&inst) {
                    Some(&writer) => referred[number].push(writer),
                    None => escapes[number] = true,
                }
            }
        }
    }
    // What refers to an object by a field that was written when it was made came later; others may
    // have been before, and are taken for used.
    let mut unused = vec![false; made.objects.len()];
    for number in (0..made.objects.len()).rev() {
        unused[number] = !escapes[number] && referred[number].iter().all(|&by| unused[by]);
    }
    unused
}

/// Takes no room for a run: the code that makes room is not reached any more.
fn remove_run(func: &mut Function, run: MadeRun) {
    func.layout.remove_inst(run.take);
    let InstructionData::Brif { blocks: [_, next], .. } = func.dfg.insts[run.check] else { return };
    let lists = &func.dfg.value_lists;
    let (block, args) = (next.block(lists), next.args(lists).collect::<Vec<_>>());
    let mut pos = FuncCursor::new(func).at_inst(run.check);
    pos.ins().jump(block, &args);
    pos.remove_inst();
}

#[cfg(test)]
mod tests {
    use crate::testing::with_first_function;
    use crate::{Compiler, Effort, Entry, Request};
    use upshift_abi::config::CodegenConfig;

    /// How often code takes room for objects, and stores to objects; it is verified, too.
    fn room_and_stores(function: &str) -> (usize, usize) {
        let text = format!(
            "(module (type $p (struct (field (mut i32)) (field (mut i32))))
                (type $a (array (mut (ref null $p)))) (type $l (struct (field (mut (ref null $p)))))
                (import \"\" \"f\" (func $f)) (global $g (mut (ref null $p)) (ref.null $p))
                (func {function}))"
        );
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let request = Request { entry: Entry::Function, effort: Effort::Full };
            let mut compiler = Compiler::new();
            compiler.compile(input, request).expect("the test is right");
            let code = compiler.intermediate_code(input, request).expect("the test is right");
            // Those of the runs: the check, and one store that takes the room; where the runtime is to
            // make room, one that says how much.
            let room = code.matches("brif").count();
            let runtime = code.matches(" cold:").count();
            (room, code.matches("store").count() - room - runtime)
        })
    }

    const NEW: &str = "(struct.new $p (local.get 0) (i32.const 2))";

    #[test]
    fn one_check_makes_room_for_a_run() {
        let function = |objects: usize| {
            format!(
                "(param i32) (result (ref $a)) (array.new_fixed $a {objects} {})",
                NEW.repeat(objects)
            )
        };
        let (room, stores) = room_and_stores(&function(3));
        // Header and two fields each; header, length and three elements.
        assert_eq!((room, stores), (1, 3 * 3 + 5));
        assert_eq!(room_and_stores(&function(300)).0, 2);
        // A call may collect.
        let called = format!("(param i32) (result (ref $p)) (drop {NEW}) call $f {NEW}");
        assert_eq!(room_and_stores(&called).0, 1);
        let called = format!("(param i32) (result (ref $p)) (global.set $g {NEW}) call $f {NEW}");
        assert_eq!(room_and_stores(&called).0, 2);
    }

    #[test]
    fn what_is_only_read_here_is_not_made() {
        let read = format!("(param i32) (result i32) (struct.get $p 0 {NEW})");
        assert_eq!(room_and_stores(&read), (0, 0));
        let written = format!(
            "(param i32) (result i32) (local (ref null $p))
                (local.set 1 {NEW}) (struct.set $p 1 (local.get 1) (i32.const 5))
                (i32.add (struct.get $p 0 (local.get 1)) (struct.get $p 1 (local.get 1)))"
        );
        assert_eq!(room_and_stores(&written), (0, 0));
        let nested = format!(
            "(param i32) (result i32) (struct.get $p 0 (struct.get $l 0 (struct.new $l {NEW})))"
        );
        assert_eq!(room_and_stores(&nested), (0, 0));
    }

    #[test]
    fn what_others_see_is_made() {
        let inner = format!("(param i32) (result (ref $l)) (struct.new $l {NEW})");
        assert_eq!(room_and_stores(&inner), (1, 5));
        // The outer one is forgotten, the inner one returned.
        let outer =
            format!("(param i32) (result (ref null $p)) (struct.get $l 0 (struct.new $l {NEW}))");
        assert_eq!(room_and_stores(&outer), (1, 3));
        let later = format!(
            "(param i32) (result i32) (local (ref null $p))
                (local.set 1 {NEW}) call $f (struct.get $p 0 (local.get 1))"
        );
        assert_eq!(room_and_stores(&later).0, 1);
    }
}
