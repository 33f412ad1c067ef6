//! What of a body says where its locals are alive: accesses of those of interest, and where control goes.

use std::collections::HashSet;
use std::ops::Range;
use wasmparser::{Catch, FunctionBody, Operator, OperatorsReader};

/// What the walks look at.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Read(u32),
    Write(u32),
    Open(Opened),
    Else,
    /// The end of the block that this step opens.
    End(u32),
    /// A clause of a `try`, and whether it is the first.
    Catch(bool),
    Delegate(u32),
    /// A branch that may be taken, to this depth.
    BranchIf(u32),
    /// One that is taken, to one of these depths.
    Branch(Range<u32>),
    /// Control ends here, unless handlers get it.
    Stop,
    /// The same, and nobody here gets it.
    Leave,
    /// Anything else within a `try`: handlers may get control.
    Throwing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Block,
    /// By number.
    Loop(u32),
    If,
    /// Depths of its labels, and whether the last clause catches all.
    TryTable(Range<u32>, bool),
    Try,
}

/// A loop of a body.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) range: Range<u32>,
    pub(super) around: Option<u32>,
}

/// The steps of a body.
#[derive(Default)]
pub(crate) struct Steps {
    /// With the offset of each in the module.
    pub(crate) all: Vec<(u32, Step)>,
    /// Depths that branches and clauses go to.
    depths: Vec<u32>,
    pub(crate) loops: Vec<Loop>,
    /// Steps that open blocks to whose labels control may go, or not.
    pub(super) optional: HashSet<u32>,
    /// Where each local is read or written, and where it is written.
    pub(super) touched: Vec<Vec<u32>>,
    pub(crate) written: Vec<Vec<u32>>,
}

impl Steps {
    /// Reads a body, `numbers` of whose locals are of interest, all below `count`.
    pub(crate) fn read(
        body: &FunctionBody<'_>,
        numbers: &[Option<u32>],
        count: usize,
    ) -> wasmparser::Result<Self> {
        let touched = vec![Vec::new(); count];
        let mut steps = Self { written: touched.clone(), touched, ..Self::default() };
        let mut reader: OperatorsReader<'_> = body.get_operators_reader()?;
        // The steps that opened the blocks around.
        let mut open: Vec<u32> = Vec::new();
        let mut loops: Vec<u32> = Vec::new();
        // Those that clauses were met of.
        let mut clauses: HashSet<u32> = HashSet::new();
        // How many of the blocks catch exceptions.
        let mut catching = 0usize;
        while !reader.eof() {
            let at = bounded(reader.original_position());
            let operator = reader.read()?;
            let step = match operator {
                Operator::LocalGet { local_index } => {
                    numbers[local_index as usize].map(|local| steps.access(at, local, false))
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    numbers[local_index as usize].map(|local| steps.access(at, local, true))
                }
                Operator::End | Operator::Delegate { .. } => {
                    let start = open.pop();
                    match start.map(|start| &steps.all[start as usize].1) {
                        Some(Step::Open(Opened::Loop(_))) => {
                            let number = loops.pop().expect("the loop is open");
                            steps.loops[number as usize].range.end = at;
                        }
                        Some(Step::Open(Opened::TryTable(..) | Opened::Try)) => catching -= 1,
                        _ => {}
                    }
                    Some(match (operator, start) {
                        (Operator::Delegate { relative_depth }, _) => {
                            Step::Delegate(relative_depth)
                        }
                        (_, Some(start)) => Step::End(start),
                        _ => Step::Leave,
                    })
                }
                Operator::Catch { .. } | Operator::CatchAll => {
                    let try_ = *open.last().expect("a clause stands in a try");
                    Some(Step::Catch(clauses.insert(try_)))
                }
                operator => match steps.opened(&operator, at, &mut loops) {
                    Some(opened) => {
                        let catches = matches!(opened, Opened::TryTable(..) | Opened::Try);
                        if let Opened::TryTable(labels, _) = &opened {
                            steps.note_optional(Some(&Step::Branch(labels.clone())), &open);
                        }
                        catching += usize::from(catches);
                        open.push(bounded(steps.all.len()));
                        Some(Step::Open(opened))
                    }
                    None => {
                        let step = steps.branch(&operator);
                        if !matches!(&step, Some(Step::Branch(depths)) if depths.len() == 1) {
                            steps.note_optional(step.as_ref(), &open);
                        }
                        step.or((catching > 0).then_some(Step::Throwing))
                    }
                },
            };
            steps.all.extend(step.map(|step| (at, step)));
        }
        Ok(steps)
    }

    /// Notes the blocks to which a branch may go, or not.
    fn note_optional(&mut self, step: Option<&Step>, open: &[u32]) {
        let depths = match step {
            Some(Step::BranchIf(depth)) => std::slice::from_ref(depth),
            Some(Step::Branch(depths)) => &self.depths[depths.start as usize..depths.end as usize],
            _ => return,
        };
        let block = |&depth: &u32| open.iter().rev().nth(depth as usize);
        self.optional.extend(depths.iter().filter_map(block));
    }

    fn access(&mut self, at: u32, local: u32, writes: bool) -> Step {
        self.touched[local as usize].push(at);
        if writes {
            self.written[local as usize].push(at);
            return Step::Write(local);
        }
        Step::Read(local)
    }

    fn add_depths(&mut self, depths: impl Iterator<Item = u32>) -> Range<u32> {
        let start = bounded(self.depths.len());
        self.depths.extend(depths);
        start..bounded(self.depths.len())
    }

    pub(crate) fn depths(&self, range: &Range<u32>) -> &[u32] {
        &self.depths[range.start as usize..range.end as usize]
    }

    /// The block that an operator opens.
    fn opened(&mut self, operator: &Operator<'_>, at: u32, loops: &mut Vec<u32>) -> Option<Opened> {
        Some(match operator {
            Operator::Block { .. } => Opened::Block,
            Operator::If { .. } => Opened::If,
            Operator::Try { .. } => Opened::Try,
            Operator::Loop { .. } => {
                let number = bounded(self.loops.len());
                self.loops.push(Loop { range: at..at, around: loops.last().copied() });
                loops.push(number);
                Opened::Loop(number)
            }
            Operator::TryTable { try_table } => {
                let mut all = false;
                let labels = try_table.catches.iter().map(|catch| match *catch {
                    Catch::One { label, .. } | Catch::OneRef { label, .. } => label,
                    Catch::All { label } | Catch::AllRef { label } => {
                        all = true;
                        label
                    }
                });
                Opened::TryTable(self.add_depths(labels), all)
            }
            _ => return None,
        })
    }

    /// The step of an operator that sends control elsewhere.
    fn branch(&mut self, operator: &Operator<'_>) -> Option<Step> {
        Some(match operator {
            Operator::Else => Step::Else,
            Operator::Br { relative_depth } => {
                Step::Branch(self.add_depths([*relative_depth].into_iter()))
            }
            Operator::BrTable { targets } => {
                let targets_and_default = targets.targets().flatten().chain([targets.default()]);
                Step::Branch(self.add_depths(targets_and_default))
            }
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth }
            | Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => Step::BranchIf(*relative_depth),
            Operator::Return
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => Step::Leave,
            Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Rethrow { .. } => Step::Stop,
            _ => return None,
        })
    }
}

pub(super) fn bounded(place: impl TryInto<u32>) -> u32 {
    place.try_into().unwrap_or(u32::MAX)
}
