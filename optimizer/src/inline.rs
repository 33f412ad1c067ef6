//! Inlining: the body of a small function, translated in place of a call of it.
//!
//! The callee's body goes through the same translator as its caller's. Its operands lie on top of
//! the caller's, its blocks within the caller's, so a branch, a handler of the caller and what
//! lies on the operand stack at a safepoint need no special case. Locals, the position in the
//! module and the scan of references are the callee's as long as its body is at hand ([`Caller`]
//! keeps the caller's), and `return` goes to the end of the body.
//!
//! What is called is decided by the module alone ([`policy`]): functions of the same module, thus
//! of the same instance, and never one whose body is at hand already. A body that was inlined has
//! no stack check of its own: the frame of its caller is as large as both need, and has one as
//! soon as it calls anything.
//!
//! # Where code comes from
//! Each inlined body is a frame of the function's [`InlineMap`]. Cranelift carries one number with
//! an instruction. For the function's own code that is the offset in the module. Inlined bodies get
//! numbers behind the module's end, each a range of its own as long as the body:
//!
//! ```text
//! module of 0x300 bytes; the body at 0x200..0x210 is inlined twice, in one at 0x100..0x140
//! 0x100..0x140  the function     0x300..0x310  frame 0     0x310..0x320  frame 1
//! ```

pub(crate) mod policy;

use crate::control::Kind;
use crate::facts::Fact;
use crate::safepoint::RefLocals;
use crate::translate::{Source, Translator};
use cranelift_codegen::ir::{self, Type};
use cranelift_frontend::Variable;
use policy::{Place, Policy, Share};
use upshift_abi::code::InlineFrame;
use upshift_abi::config::FunctionInput;
use upshift_abi::index::{DefinedFuncIndex, FuncIndex};

/// The bodies of the function at hand.
#[derive(Debug)]
pub(crate) struct Inlining {
    root: DefinedFuncIndex,
    /// Without it nothing is inlined.
    policy: Option<Policy>,
    /// Positions of the control frames of the bodies at hand; that of the function is the first.
    bodies: Vec<usize>,
    /// What the number of the present body's first byte is above its offset in the module.
    shift: u32,
    /// The frame of the present body.
    current: Option<u32>,
    /// Loops around the code at hand.
    pub(crate) loops: u32,
    /// Whether a profile says that the call at hand is worth it.
    pub(crate) profiled: bool,
    /// How often the code at hand is executed by what profiles say of the calls it was inlined for.
    pub(crate) share: Share,
    /// What was inlined.
    pub(crate) sources: Sources,
}

/// The inlined bodies of a function, and their numbers for Cranelift.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) frames: Vec<InlineFrame>,
    /// For each frame, the first of its numbers and the offset in the module that it stands for.
    starts: Vec<(u32, u32)>,
    /// The number behind the last.
    end: u32,
}

impl Sources {
    /// The offset in the module of a number, and the frame.
    pub(crate) fn resolve(&self, number: u32) -> (u32, Option<u32>) {
        let after = self.starts.partition_point(|start| start.0 <= number);
        let Some(i) = after.checked_sub(1) else { return (number, None) };
        let (first, offset) = self.starts[i];
        (number - first + offset, u32::try_from(i).ok())
    }

    /// Adds a frame; how far its numbers are above its offsets. `None` when they run out.
    fn add(&mut self, frame: InlineFrame, body: &std::ops::Range<usize>) -> Option<u32> {
        let (start, len) = (u32::try_from(body.start).ok()?, u32::try_from(body.len()).ok()?);
        let first = self.end;
        // The last number means no number.
        self.end = first.checked_add(len).filter(|&end| end < u32::MAX)?;
        self.frames.push(frame);
        self.starts.push((first, start));
        Some(first - start)
    }
}

/// What is the caller's while the body of a callee is at hand.
struct Caller<'a> {
    src: Source<'a>,
    locals: Vec<(Variable, Type)>,
    ref_locals: Vec<bool>,
    references: RefLocals,
    /// What its locals are declared as.
    declared: Vec<Fact>,
    /// How many references of callers' callers there are.
    outer: usize,
    shift: u32,
    current: Option<u32>,
}

impl Inlining {
    /// For the function of `input`.
    pub(crate) fn new(input: &FunctionInput<'_>, limits: Option<policy::Limits>) -> Self {
        let body = input.module.bodies[input.func.index()].range.len();
        let end = u32::try_from(input.bytes.len()).unwrap_or(u32::MAX);
        Self {
            root: input.func,
            policy: limits.map(|limits| Policy::new(limits, body)),
            bodies: vec![0],
            shift: 0,
            current: None,
            loops: 0,
            profiled: false,
            share: Share::ALL,
            sources: Sources { end, ..Sources::default() },
        }
    }

    /// The position of the control frame of the present body.
    pub(crate) fn body_frame(&self) -> usize {
        *self.bodies.last().expect("there is always a body at hand")
    }

    /// The number of what stands at `offset` in the module.
    pub(crate) fn location(&self, offset: usize) -> ir::SourceLoc {
        let offset = u32::try_from(offset).expect("modules are below 4 GiB");
        ir::SourceLoc::new(offset + self.shift)
    }

    /// Where the call at hand stands.
    fn place(&self) -> Place {
        let profiled = self.profiled.then_some(self.share);
        Place { depth: self.bodies.len() - 1, in_loop: self.loops > 0, profiled }
    }

    /// Whether the body of `func` is at hand.
    fn is_open(&self, func: DefinedFuncIndex) -> bool {
        let mut frame = self.current;
        while let Some(here) = frame.map(|frame| self.sources.frames[frame as usize]) {
            if here.func == func {
                return true;
            }
            frame = here.parent;
        }
        func == self.root
    }
}

impl<'a> Translator<'a, '_> {
    /// Whether [`Self::inline_call`] would inline a call of `func` here.
    pub(crate) fn would_inline(&mut self, func: FuncIndex) -> bool {
        let input = self.src.input;
        let candidate = self.candidate(func);
        candidate
            .is_some_and(|(callee, place, policy)| policy.find(&input, callee, place).is_some())
    }

    /// The callee of a call here, when its body may be put in its place, and who says whether that
    /// is worth it.
    fn candidate(&mut self, func: FuncIndex) -> Option<(DefinedFuncIndex, Place, &mut Policy)> {
        let callee = self.src.input.module.defined_func(func)?;
        if self.inlining.is_open(callee) {
            return None;
        }
        let place = self.inlining.place();
        Some((callee, place, self.inlining.policy.as_mut()?))
    }

    /// Translates the body of `func` in place of the call at hand, if that is worth it. Its
    /// arguments are on the stack, and then its results are.
    pub(crate) fn inline_call(&mut self, func: FuncIndex) -> wasmparser::Result<bool> {
        let input = self.src.input;
        let Some((callee, place, policy)) = self.candidate(func) else { return Ok(false) };
        if policy.choose(&input, callee, place).is_none() {
            return Ok(false);
        }
        let Some(caller) = self.enter_callee(callee) else { return Ok(false) };
        self.inlining.profiled = false;
        let body = input.body(callee);
        let args = self.pop_many(self.src.ty.params.len());
        self.declare_locals(&body, &args)?;
        self.inlining.bodies.push(self.control.len());
        self.open_body(Kind::Inlined);
        self.count_entry();
        self.charge_fuel();
        self.operators(&body)?;
        self.inlining.bodies.pop();
        self.leave_callee(caller);
        if !self.dead {
            self.charge_fuel();
        }
        Ok(true)
    }

    /// Puts the callee in the caller's place.
    fn enter_callee(&mut self, callee: DefinedFuncIndex) -> Option<Caller<'a>> {
        let module = self.src.input.module;
        let call = u32::try_from(self.src.pc).ok()?;
        let frame = InlineFrame { func: callee, call, parent: self.inlining.current };
        let range = &module.bodies[callee.index()].range;
        let shift = self.inlining.sources.add(frame, range)?;
        let (references, outer) = self.enter_references();
        let src = Source {
            input: FunctionInput { func: callee, ..self.src.input },
            ty: module.func_type(module.func_index(callee)),
            entry: self.src.entry,
            pc: range.start,
            next_hint: 0,
        };
        let current = u32::try_from(self.inlining.sources.frames.len() - 1).ok();
        let caller = Caller {
            src: std::mem::replace(&mut self.src, src),
            locals: std::mem::take(&mut self.locals),
            ref_locals: std::mem::take(&mut self.ref_locals),
            references,
            declared: self.facts.replace_locals(Vec::new()),
            outer,
            shift: std::mem::replace(&mut self.inlining.shift, shift),
            current: std::mem::replace(&mut self.inlining.current, current),
        };
        self.builder.set_srcloc(self.inlining.location(range.start));
        Some(caller)
    }

    /// Puts the caller in its place again, behind the call.
    fn leave_callee(&mut self, caller: Caller<'a>) {
        self.src = caller.src;
        self.locals = caller.locals;
        self.ref_locals = caller.ref_locals;
        self.facts.replace_locals(caller.declared);
        self.inlining.shift = caller.shift;
        self.inlining.current = caller.current;
        self.leave_references(caller.references, caller.outer);
        self.builder.set_srcloc(self.inlining.location(self.src.pc));
    }
}
