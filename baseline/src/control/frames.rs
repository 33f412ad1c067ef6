//! Control frames, and the states that their labels hold.

use crate::flow::FrameFlow;
use crate::handlers;
use crate::masm::Label;
use crate::regs::State;
use crate::value::{Reg, Ty};
use smallvec::SmallVec;
use upshift_abi::index::TypeIndex;
use upshift_abi::module::Module;
use upshift_abi::ops::BlockKind as Kind;
use wasmparser::BlockType;

/// A saved register file state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateId(u32);

/// A control frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) kind: Kind,
    /// Parameters and results.
    pub(super) sig: BlockSig,
    /// Operands below the parameters.
    pub(crate) height: usize,
    /// Where branches go.
    pub(crate) label: Label,
    /// The state there, once known.
    pub(crate) state: Option<StateId>,
    /// The register of a single result.
    pub(super) result: Option<Reg>,
    /// Where a false condition of an `if` goes, and the state there.
    pub(super) else_label: Label,
    pub(super) else_state: Option<StateId>,
    /// Registers of the header of the loop around this one.
    pub(super) outer_hot: u32,
    /// Where the hotness cost of the loop is patched in.
    pub(crate) cost_at: Option<u32>,
    /// How often it is reached.
    pub(crate) flow: FrameFlow,
    /// Marks the edge that the `br_table` at hand made for this frame.
    pub(super) table_edge: Option<(u32, u32)>,
    /// The scope of handlers in which its code lies.
    pub(crate) scope: u32,
    /// The scope that a `try` opened.
    pub(crate) try_scope: u32,
    /// The first landing pad that goes to the label.
    pub(crate) pads: u32,
}

impl Control {
    /// The frame of a function's body.
    pub(crate) const fn function() -> Self {
        Self::new(Kind::Func, BlockSig::Empty, 0)
    }

    pub(super) const fn new(kind: Kind, sig: BlockSig, height: usize) -> Self {
        Self {
            kind,
            sig,
            height,
            label: Label::new(),
            state: None,
            result: None,
            else_label: Label::new(),
            else_state: None,
            outer_hot: 0,
            cost_at: None,
            flow: FrameFlow::FUNCTION,
            table_edge: None,
            scope: handlers::NONE,
            try_scope: handlers::NONE,
            pads: handlers::NONE,
        }
    }
}

/// A block's type.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockSig {
    Empty,
    Result(Ty),
    Func(TypeIndex),
}

pub(super) type Types = SmallVec<[Ty; 4]>;

impl BlockSig {
    pub(super) fn of(ty: BlockType) -> Self {
        match ty {
            BlockType::Empty => Self::Empty,
            BlockType::Type(ty) => Self::Result(crate::value_type_class(ty)),
            BlockType::FuncType(index) => Self::Func(TypeIndex(index)),
        }
    }

    pub(super) fn params(self, module: &Module) -> Types {
        match self {
            Self::Empty | Self::Result(_) => Types::new(),
            Self::Func(ty) => {
                module.func_type_at(ty).params.iter().map(|&param| Ty::of(param)).collect()
            }
        }
    }

    pub(super) fn results(self, module: &Module) -> Types {
        match self {
            Self::Empty => Types::new(),
            Self::Result(ty) => Types::from_slice(&[ty]),
            Self::Func(ty) => {
                module.func_type_at(ty).results.iter().map(|&result| Ty::of(result)).collect()
            }
        }
    }
}

/// All open control frames and the states that labels hold.
#[derive(Debug, Default)]
pub(crate) struct ControlStack {
    pub(super) frames: Vec<Control>,
    states: Vec<State>,
    free_states: Vec<StateId>,
    /// Blocks opened in code that is skipped.
    pub(crate) dead_depth: u32,
    /// Number of the `br_table` at hand.
    pub(super) table: u32,
}

impl ControlStack {
    /// Forgets the previous function.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.states.clear();
        self.free_states.clear();
        self.dead_depth = 0;
        self.table = 0;
    }

    /// Opens a frame.
    pub(crate) fn push(&mut self, control: Control) {
        self.frames.push(control);
    }

    /// Whether the whole body was passed.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The innermost frame.
    pub(crate) fn top(&self) -> &Control {
        self.frames.last().expect("operators stand inside of a frame")
    }

    /// The frame at a position.
    pub(crate) fn frame(&self, index: usize) -> &Control {
        &self.frames[index]
    }

    /// The frame at a position.
    pub(crate) fn frame_mut(&mut self, index: usize) -> &mut Control {
        &mut self.frames[index]
    }

    /// The position of the frame that a label means.
    pub(crate) fn index_of(&self, depth: u32) -> usize {
        self.frames.len() - 1 - depth as usize
    }

    /// A saved state to be written.
    pub(crate) fn new_state(&mut self) -> StateId {
        self.free_states.pop().unwrap_or_else(|| {
            self.states.push(State::EMPTY);
            StateId(self.states.len() as u32 - 1)
        })
    }

    /// Gives a saved state back.
    pub(crate) fn free(&mut self, id: Option<StateId>) {
        self.free_states.extend(id);
    }

    /// A saved state.
    pub(crate) fn state_mut(&mut self, id: StateId) -> &mut State {
        &mut self.states[id.0 as usize]
    }
}
