//! Which locals that hold references may be read again, at each operator.
//!
//! One walk backwards over a body's control operators, accesses of such locals, and what may throw.
//! The blocks are nested, so what is alive at a label is known when a branch to it is met, except
//! for loops, whose header lies before. What is alive there is what is without the branches back,
//! and what is alive at the headers of the loops around it [Boissinot et al., *Computing Liveness
//! Sets for SSA-Form Programs*, 2011, §4]; of a body with loops there is a first walk that finds
//! that.
//!
//! A local that is alive somewhere is alive wherever control comes from, up to a write: one that is
//! not in the stack map of a call is outdated behind it, and never counted as alive there.

pub(crate) mod steps;

use std::collections::HashMap;
use steps::{Opened, Step, Steps, bounded};
use wasmparser::FunctionBody;

/// Words of sets that may be looked at in a body.
const MAX_WORK: usize = 1 << 28;
/// Words that may be kept of them at a time.
const MAX_KEPT: usize = 1 << 22;
/// Changes that may be noted, and locals at landing pads.
const MAX_NOTED: usize = 1 << 22;

/// Locals by number, which counts those alone that hold references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Locals(Vec<u64>);

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

impl Locals {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(WORD)])
    }

    fn contains(&self, local: u32) -> bool {
        self.0[local as usize / WORD] >> (local % u64::BITS) & 1 != 0
    }

    fn insert(&mut self, local: u32) {
        self.0[local as usize / WORD] |= 1 << (local % u64::BITS);
    }

    fn remove(&mut self, local: u32) {
        self.0[local as usize / WORD] &= !(1 << (local % u64::BITS));
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }

    fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Those that are in one of two sets, but not in both.
    fn changes<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = u32> + 's {
        let words = self.0.iter().zip(&other.0).zip(0u32..);
        words.flat_map(|((a, b), word)| {
            let mut bits = a ^ b;
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros())?;
                bits &= bits - 1;
                Some(word * u64::BITS + bit)
            })
        })
    }
}

/// An open block of a walk.
struct Frame {
    /// What is alive at its label.
    label: Locals,
    /// At the `else` of an `if`, or at the clauses of a `try`.
    other: Option<Locals>,
    /// The set of what is alive at the handlers around code in it.
    handlers: Option<usize>,
}

/// A walk from the end of a body to its start.
struct Walk<'s> {
    steps: &'s Steps,
    frames: Vec<Frame>,
    handlers: Vec<Locals>,
    /// What is alive at the headers of loops.
    headers: Vec<Locals>,
    live: Locals,
    work: usize,
}

impl Walk<'_> {
    /// Goes back to the end.
    fn start(&mut self) {
        self.live.clear();
        self.handlers.clear();
        self.frames.clear();
        self.open(self.live.clone(), None);
    }

    /// Notes how much a step looks at; whether there was too much.
    fn is_too_much(&mut self, step: &Step) -> bool {
        let words = self.live.0.len() + 1;
        let sets = match step {
            Step::Read(_) | Step::Write(_) => return false,
            Step::Branch(depths) => depths.len() + 3,
            Step::End(start) => match &self.steps.all[*start as usize].1 {
                Step::Open(Opened::TryTable(depths, _)) => depths.len() + 5,
                _ => 3,
            },
            _ => 4,
        };
        self.work += sets * words;
        let kept = (self.frames.len() * 2 + self.handlers.len()) * words;
        self.work > MAX_WORK || kept > MAX_KEPT
    }

    fn frame(&self, depth: u32) -> &Frame {
        &self.frames[self.frames.len() - 1 - depth as usize]
    }

    fn innermost(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a block is open")
    }

    fn open(&mut self, label: Locals, handlers: Option<usize>) {
        self.frames.push(Frame { label, other: None, handlers });
    }

    /// Handlers at which `own` is alive, and what is around them unless they catch all.
    fn add_handlers(&mut self, mut own: Locals, all: bool) -> Option<usize> {
        if let Some(around) = self.frame(0).handlers.filter(|_| !all) {
            own.add(&self.handlers[around]);
        }
        self.handlers.push(own);
        Some(self.handlers.len() - 1)
    }

    /// Goes back over a step. At the end of a `try_table`: where it starts, and what is alive at
    /// its landing pads.
    fn step(&mut self, step: &Step) -> Option<(u32, Locals)> {
        match *step {
            Step::Read(local) => self.live.insert(local),
            Step::Write(local) => self.live.remove(local),
            Step::End(start) => return self.end(start),
            Step::Open(ref opened) => self.start_of(opened),
            Step::Else => {
                let label = self.frame(0).label.clone();
                let other = std::mem::replace(&mut self.live, label);
                self.innermost().other = Some(other);
            }
            Step::Catch(first) => self.catch(first),
            Step::Delegate(depth) => self.open(self.live.clone(), self.frame(depth).handlers),
            Step::BranchIf(depth) => {
                let to = self.frames.len() - 1 - depth as usize;
                self.live.add(&self.frames[to].label);
            }
            Step::Branch(ref depths) => {
                self.live.clear();
                for &depth in self.steps.depths(depths) {
                    let to = self.frames.len() - 1 - depth as usize;
                    self.live.add(&self.frames[to].label);
                }
            }
            Step::Leave => self.live.clear(),
            Step::Stop | Step::Throwing => {
                if matches!(step, Step::Stop) {
                    self.live.clear();
                }
                if let Some(around) = self.frame(0).handlers {
                    self.live.add(&self.handlers[around]);
                }
            }
        }
        None
    }

    fn start_of(&mut self, opened: &Opened) {
        let frame = self.frames.pop().expect("the walk met the block's end");
        match *opened {
            Opened::If => self.live.add(frame.other.as_ref().unwrap_or(&frame.label)),
            Opened::Loop(number) => self.headers[number as usize].add(&self.live),
            Opened::Block | Opened::TryTable(..) | Opened::Try => {}
        }
    }

    /// A clause of a `try` comes before what precedes it, which goes to the label. Before the first
    /// one is what they protect.
    fn catch(&mut self, first: bool) {
        let label = self.frame(0).label.clone();
        let here = std::mem::replace(&mut self.live, label);
        let frame = self.innermost();
        match &mut frame.other {
            Some(other) => other.add(&here),
            None => frame.other = Some(here),
        }
        if first {
            let own = frame.other.take().expect("a clause was met");
            // The clauses themselves are outside of what they protect: the set is that around.
            let handlers = self.add_handlers(own, false);
            self.innermost().handlers = handlers;
        }
    }

    fn end(&mut self, start: u32) -> Option<(u32, Locals)> {
        let (at, Step::Open(opened)) = &self.steps.all[start as usize] else {
            unreachable!("an end knows its start")
        };
        let around = self.frame(0).handlers;
        match opened {
            Opened::Loop(number) => self.open(self.headers[*number as usize].clone(), around),
            Opened::TryTable(depths, all) => {
                let mut own = Locals::none(self.live.0.len() * WORD);
                for &depth in self.steps.depths(depths) {
                    own.add(&self.frame(depth).label);
                }
                let handlers = self.add_handlers(own.clone(), *all);
                self.open(self.live.clone(), handlers);
                return Some((*at, own));
            }
            Opened::Block | Opened::If | Opened::Try => self.open(self.live.clone(), around),
        }
        None
    }
}

/// What is alive in a body.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    /// Offsets in the module from which on locals are alive that were not before, or the other way
    /// round; in order.
    changes: Vec<(u32, u32)>,
    /// What landing pads find alive, by the offset of their `try_table` or `catch`.
    pads: HashMap<u32, Box<[u32]>>,
    /// What is alive at labels to which control may go, or not, by the offsets of their blocks.
    labels: HashMap<u32, Locals>,
    /// Locals at landing pads.
    at_pads: usize,
    /// Ends of loops by their starts.
    loops: HashMap<u32, u32>,
    touched: Vec<Vec<u32>>,
    pub(crate) written: Vec<Vec<u32>>,
    /// How many changes were made, and what is alive there.
    done: usize,
    alive: Vec<u32>,
    /// Where in that list a local is.
    places: Vec<Option<u32>>,
}

impl Liveness {
    /// Of a body, `numbers` of whose locals are of interest: they count from 0. `None` when there is
    /// too much of it.
    pub(crate) fn of(
        body: &FunctionBody<'_>,
        numbers: &[Option<u32>],
    ) -> wasmparser::Result<Option<Self>> {
        let count = numbers.iter().flatten().count();
        let steps = Steps::read(body, numbers, count)?;
        let count = steps.touched.len();
        let live = Locals::none(count);
        if steps.loops.len() * live.0.len() > MAX_KEPT {
            return Ok(None);
        }
        let headers = vec![live.clone(); steps.loops.len()];
        let (frames, handlers) = (Vec::new(), Vec::new());
        let mut walk = Walk { steps: &steps, frames, handlers, headers, live, work: 0 };
        let mut found = Self { places: vec![None; count], ..Self::default() };
        if !steps.loops.is_empty() {
            if !found.walk(&mut walk, false) {
                return Ok(None);
            }
            for (number, inner) in steps.loops.iter().enumerate() {
                if let Some(around) = inner.around {
                    let (before, here) = walk.headers.split_at_mut(number);
                    here[0].add(&before[around as usize]);
                }
            }
        }
        if !found.walk(&mut walk, true) {
            return Ok(None);
        }
        found.changes.reverse();
        let ends = steps.loops.iter().map(|found| (found.range.start, found.range.end));
        found.loops = ends.collect();
        found.touched = steps.touched;
        found.written = steps.written;
        Ok(Some(found))
    }

    /// Walks from the end to the start, and may note what is found. Whether that was not too much.
    fn walk(&mut self, walk: &mut Walk<'_>, notes: bool) -> bool {
        walk.start();
        let none = walk.live.clone();
        for (at, step) in walk.steps.all.iter().rev() {
            let noted = self.changes.len() + self.at_pads;
            let kept = self.labels.len() * none.0.len();
            if walk.is_too_much(step) || noted > MAX_NOTED || kept > MAX_KEPT {
                return false;
            }
            if let Step::Read(local) | Step::Write(local) = *step {
                let reads = matches!(step, Step::Read(_));
                if notes && walk.live.contains(local) != reads {
                    self.changes.push((*at, local));
                }
                walk.step(step);
                continue;
            }
            let behind = walk.live.clone();
            let pads = walk.step(step);
            if !notes {
                continue;
            }
            match (step, pads) {
                (Step::Catch(_), _) => self.note_pads(*at, &behind, &none),
                (_, Some((start, live))) => self.note_pads(start, &live, &none),
                _ => {}
            }
            if let Step::End(start) = step
                && walk.steps.optional.contains(start)
            {
                let start = walk.steps.all[*start as usize].0;
                self.labels.insert(start, walk.frame(0).label.clone());
            }
            // Where control may go elsewhere, what is alive there counts at the operator, too.
            self.changes.extend(walk.live.changes(&behind).map(|local| (at + 1, local)));
        }
        if notes {
            self.changes.extend(walk.live.changes(&none).map(|local| (0, local)));
        }
        true
    }

    fn note_pads(&mut self, at: u32, live: &Locals, none: &Locals) {
        let live: Box<[u32]> = live.changes(none).collect();
        self.at_pads += live.len() + 1;
        self.pads.insert(at, live);
    }

    /// The locals that are alive behind the operator at an offset, which is not before that of the
    /// last question; or at its targets, too, where control may go elsewhere.
    pub(crate) fn at(&mut self, at: usize) -> &[u32] {
        let at = bounded(at);
        while let Some(&(_, local)) = self.changes.get(self.done).filter(|change| change.0 <= at) {
            self.done += 1;
            match self.places[local as usize].take() {
                None => {
                    self.places[local as usize] = u32::try_from(self.alive.len()).ok();
                    self.alive.push(local);
                }
                Some(place) => {
                    self.alive.swap_remove(place as usize);
                    if let Some(&moved) = self.alive.get(place as usize) {
                        self.places[moved as usize] = Some(place);
                    }
                }
            }
        }
        &self.alive
    }

    /// Those of them that are alive at the label of a block, too, to which the operator branches.
    pub(crate) fn at_label(&mut self, at: usize, block: usize) -> impl Iterator<Item = u32> {
        self.at(at);
        at_label(&self.alive, self.label(block))
    }

    /// What is alive at the landing pads of a `try_table`, or of a `catch`, at an offset. Where there
    /// is none in the body: what is alive there.
    pub(crate) fn at_pads(&mut self, at: usize) -> &[u32] {
        if !self.pads.contains_key(&bounded(at)) {
            self.at(at);
        }
        self.pads_or_here(at)
    }

    /// Those of them that are alive at the label of a block, too, to which one of the pads goes.
    pub(crate) fn at_pads_and_label(
        &mut self,
        at: usize,
        block: Option<usize>,
    ) -> impl Iterator<Item = u32> {
        self.at_pads(at);
        let label = block.and_then(|block| self.label(block));
        at_label(self.pads_or_here(at), label)
    }

    fn pads_or_here(&self, at: usize) -> &[u32] {
        self.pads.get(&bounded(at)).map_or(&self.alive, AsRef::as_ref)
    }

    fn label(&self, block: usize) -> Option<&Locals> {
        self.labels.get(&bounded(block))
    }

    /// Whether the loop at an offset touches a local, and whether it writes it.
    pub(crate) fn in_loop(&self, at: usize, local: u32) -> (bool, bool) {
        let at = bounded(at);
        let end = self.loops.get(&at).copied().unwrap_or(u32::MAX);
        let within = |all: &[u32]| {
            let first = all.partition_point(|&access| access < at);
            all.get(first).is_some_and(|&access| access < end)
        };
        (within(&self.touched[local as usize]), within(&self.written[local as usize]))
    }
}

/// Those locals that are alive at a label, or all where the label is not known.
fn at_label<'s>(locals: &'s [u32], label: Option<&'s Locals>) -> impl Iterator<Item = u32> + 's {
    let is_alive = move |local: &u32| label.is_none_or(|label| label.contains(*local));
    locals.iter().copied().filter(is_alive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_first_function;
    use upshift_abi::config::CodegenConfig;
    use wasmparser::Operator;

    /// The locals, all of interest, that are alive at each `call` of a function.
    fn at_calls(count: u32, function: &str) -> Vec<Vec<u32>> {
        let text = format!(r#"(module (import "" "f" (func $f)) (tag $e) (func {function}))"#);
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let body = input.body(input.func);
            let numbers: Vec<_> = (0..count).map(Some).collect();
            let mut liveness = Liveness::of(&body, &numbers).unwrap().expect("not too much");
            let mut found = Vec::new();
            let operators = body.get_operators_reader().unwrap();
            for item in operators.into_iter_with_offsets() {
                let (operator, at) = item.unwrap();
                let mut alive = liveness.at(usize::try_from(at).unwrap()).to_vec();
                if matches!(operator, Operator::Call { .. }) {
                    alive.sort_unstable();
                    found.push(alive);
                }
            }
            found
        })
    }

    #[test]
    fn between_writes_and_reads() {
        let text = "(param $a anyref) (local $b anyref)
            call $f
            (local.set $b (local.get $a))
            call $f
            (drop (local.get $b))
            call $f";
        assert_eq!(at_calls(2, text), [vec![0], vec![1], vec![]]);
    }

    #[test]
    fn around_loops() {
        // $a is read in the next turn, $b is written before it is read, $c is read in the outer
        // loop, $d behind both.
        let text = "(param $a anyref) (param $b anyref) (param $c anyref) (param $d anyref)
            (loop $outer
                (loop $inner
                    call $f
                    (drop (local.get $a))
                    (local.set $b (local.get $a))
                    call $f
                    (drop (local.get $b))
                    (br_if $inner (i32.const 0)))
                call $f
                (drop (local.get $c))
                (br_if $outer (i32.const 0)))
            (drop (local.get $d))
            call $f";
        let all = [vec![0, 2, 3], vec![0, 1, 2, 3], vec![0, 2, 3], vec![]];
        assert_eq!(at_calls(4, text), all);
    }

    #[test]
    fn on_both_sides_of_branches() {
        let text = "(param $a anyref) (param $b anyref) (param $c anyref)
            (block $out
                call $f
                (if (i32.const 1)
                    (then call $f (drop (local.get $a)))
                    (else call $f (br_if $out (i32.const 0)) call $f (drop (local.get $b)) return)))
            call $f
            (drop (local.get $c))";
        let all = [vec![0, 1, 2], vec![0, 2], vec![1, 2], vec![1], vec![2]];
        assert_eq!(at_calls(3, text), all);
    }

    #[test]
    fn at_handlers() {
        let text = "(param $a anyref) (param $b anyref)
            (block $caught
                (try_table (catch $e $caught) call $f (local.set $a (ref.null any)) call $f)
                call $f
                (drop (local.get $b))
                return)
            (drop (local.get $a))";
        // The second call throws with the other value of $a.
        assert_eq!(at_calls(2, text), [vec![0, 1], vec![0, 1], vec![1]]);
    }

    #[test]
    fn at_legacy_handlers() {
        let text = "(param $a anyref) (param $b anyref)
            try $outer
                try
                    call $f
                catch $e
                    call $f
                    local.get $b
                    drop
                end
                try
                    call $f
                delegate $outer
            catch_all
                local.get $a
                drop
            end
            call $f";
        assert_eq!(at_calls(2, text), [vec![0, 1], vec![0, 1], vec![0], vec![]]);
    }

    #[test]
    fn what_a_branch_leaves_behind() {
        let text = "(module (func (param $a anyref) (param $b anyref)
            (block $out (br_if $out (i32.const 0)) (drop (local.get $a)))
            (drop (local.get $b))))";
        with_first_function(text, &CodegenConfig::default(), |input| {
            let body = input.body(input.func);
            let mut liveness = Liveness::of(&body, &[Some(0), Some(1)]).unwrap().unwrap();
            let operators = body.get_operators_reader().unwrap().into_iter_with_offsets();
            let places: Vec<(Operator<'_>, usize)> = operators
                .map(|item| item.unwrap())
                .map(|(op, at)| (op, at.try_into().unwrap()))
                .collect();
            let block = places[0].1;
            let branch = places.iter().find(|(op, _)| matches!(op, Operator::BrIf { .. })).unwrap();
            assert_eq!(liveness.at(branch.1).len(), 2);
            assert_eq!(liveness.at_label(branch.1, block).collect::<Vec<_>>(), [1]);
        });
    }

    #[test]
    fn too_much() {
        let text = format!(
            "(module (func {} {} {}))",
            "(local anyref)".repeat(40_000),
            "(loop".repeat(10_000),
            ")".repeat(10_000)
        );
        with_first_function(&text, &CodegenConfig::default(), |input| {
            let numbers: Vec<_> = (0..40_000).map(Some).collect();
            assert!(Liveness::of(&input.body(input.func), &numbers).unwrap().is_none());
        });
    }
}
