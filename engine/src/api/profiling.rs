//! What profilers need: whether an address is machine code, what it stands for, and where machine
//! code of a store was left.

use super::module::Module;
use super::store::{AsContext, AsContextMut, Store};
use crate::code::common;
use crate::code::observer::CodeKind;
use crate::vm::{self, Probe, SiteCounts};
use std::marker::PhantomData;
use std::time::Duration;
use upshift_abi::index::DefinedFuncIndex;

/// What an address in a module's machine code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLocation {
    /// Index of the function, imports count.
    pub func: u32,
    /// Which code of it.
    pub kind: CodeKind,
    /// Offset of the operator in the module, where the code's tables have it.
    pub module_offset: Option<u32>,
}

/// A piece of a module's machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRange {
    /// Index of the function, imports count.
    pub func: u32,
    /// Which code of it.
    pub kind: CodeKind,
    /// Its first byte.
    pub address: usize,
    /// How many there are.
    pub len: usize,
}

/// A basic block of a function, and how often it was entered. It consists of the operators behind
/// `after`, up to the one at `end` and with it. A trap leaves a block early; it counts all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCount {
    /// Index of the function, imports count.
    pub func: u32,
    /// Offset in the module of the operator before it: for a loop, the `loop`. For the first block
    /// where the body begins.
    pub after: u32,
    /// Offset of its last operator.
    pub end: u32,
    /// How often it was entered.
    pub count: u64,
}

/// How often a function was entered, or one of its loops turned, by the tier whose code that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnCount {
    /// Index of the function, imports count.
    pub func: u32,
    /// Offset of the `loop` operator in the module; none for entries of the function.
    pub loop_offset: Option<u32>,
    /// In code of the baseline.
    pub baseline: u64,
    /// In optimised code, whether inlined or entered at a loop or not.
    pub optimized: u64,
}

/// The exceptions of a store so far.
///
/// They count where the engine looks for a handler. A `throw` whose handler is in the same function, after
/// inlining, may be a branch, of which nobody hears. One that passes a host function counts on either
/// side of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExceptionStats {
    /// How many were thrown.
    pub thrown: u64,
    /// How many were caught; the others left the code that the host had called.
    pub caught: u64,
    /// About what it took to find the handlers; none unless somebody wants events
    /// ([`Config::profiling`](crate::Config::profiling)).
    pub searching: Option<Duration>,
    /// Where.
    pub sites: Vec<ThrowSite>,
}

/// A call that exceptions were thrown from, or that handlers are around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrowSite {
    /// The last byte of the call, for [`Module::code_frames`].
    pub address: usize,
    /// Exceptions that were thrown here: by an operator, or by a function of the host that it called.
    pub thrown: u64,
    /// Exceptions of what it called that were caught here.
    pub caught: u64,
}

impl<T: 'static> Store<T> {
    /// Tells of the exceptions and traps that wait to be events together with others, as the end of the
    /// store does.
    pub fn flush_events(&mut self) {
        self.as_context_mut().inner_mut().tell_the_rest();
    }

    /// The exceptions that were thrown and caught so far.
    #[must_use]
    pub fn exception_stats(&self) -> ExceptionStats {
        let store = self.as_context();
        let counts = store.inner().context().throw_counts();
        let site = |(&pc, counts): (&usize, &SiteCounts)| ThrowSite {
            address: pc.saturating_sub(1),
            thrown: counts.thrown,
            caught: counts.caught,
        };
        let sites: Vec<ThrowSite> = counts.sites.iter().map(site).collect();
        let timed = store.inner().engine().tiers().events().enabled();
        ExceptionStats {
            thrown: sites.iter().map(|site| site.thrown).sum(),
            caught: sites.iter().map(|site| site.caught).sum(),
            searching: timed.then_some(counts.searching),
            sites,
        }
    }
}

/// Whether an address lies in the machine code of some module. Async-signal-safe.
#[must_use]
pub fn is_machine_code(address: usize) -> bool {
    vm::is_machine_code(address)
}

/// What the stub at an address is for, one of those that all modules share: the name of a builtin function
/// (`memory_copy`), or a few words (`calls of the host`). `None` when there is none.
#[must_use]
pub fn stub_name(address: usize) -> Option<&'static str> {
    common::stub_name(address)
}

/// Where machine code of a store was left last, for a profiler that interrupts the thread which has
/// the store. It stays on that thread.
#[derive(Debug)]
pub struct ActivationProbe {
    probe: Probe,
    _stays: PhantomData<*const ()>,
}

impl ActivationProbe {
    /// A probe of a store.
    pub fn new(store: impl AsContext) -> Self {
        let probe = store.as_context().inner().context().probe();
        Self { probe, _stays: PhantomData }
    }

    /// Frame pointer and return address of the machine code that called out of itself last; `None`
    /// when no machine code of the store is on the stack. Says nothing while machine code runs.
    /// Async-signal-safe.
    #[must_use]
    pub fn left_at(&self) -> Option<(usize, usize)> {
        self.probe.left_at()
    }
}

impl Module {
    /// What an address stands for that is in code of this module: an instruction, or what lies one
    /// byte before a return address. Code stays where it is as long as the module. In the code of a
    /// body that was inlined this is the caller, at its call.
    #[must_use]
    pub fn code_location(&self, address: usize) -> Option<CodeLocation> {
        self.code_frames(address).pop()
    }

    /// The same with functions whose bodies were inlined there, innermost first. Empty for other
    /// addresses.
    #[must_use]
    pub fn code_frames(&self, address: usize) -> Vec<CodeLocation> {
        self.find_frames(address).unwrap_or_default()
    }

    fn find_frames(&self, address: usize) -> Option<Vec<CodeLocation>> {
        let code = self.code();
        let function = code.function_at(address)?;
        let offset = u32::try_from(code.text_offset(address)? - function.start).ok()?;
        let frames = function.tables.frames_at(function.index, offset);
        let location = |(func, module_offset)| CodeLocation {
            func: self.func_number(func),
            kind: function.tier.into(),
            module_offset,
        };
        Some(frames.map(location).collect())
    }

    /// How often each basic block of the functions that ran was entered, in the order of their
    /// offsets; nothing without [`Config::exact_counts`](crate::Config::exact_counts).
    #[must_use]
    pub fn block_counts(&self) -> Vec<BlockCount> {
        let functions = (0..self.declarations().bodies.len()).map(DefinedFuncIndex::new);
        let blocks = functions.flat_map(|defined| {
            let func = self.func_number(defined);
            let blocks = self.code().counted_blocks(defined).into_iter();
            blocks.map(move |(block, count)| BlockCount {
                func,
                after: block.after,
                end: block.end,
                count,
            })
        });
        blocks.collect()
    }

    /// How often functions were entered and loops turned, those that were, in the order of their
    /// offsets; nothing without [`Config::turn_counts`](crate::Config::turn_counts). A turn of a loop
    /// begins at its head, so the first one counts. All instances count together; threads as with exact
    /// counts.
    #[must_use]
    pub fn turn_counts(&self) -> Vec<TurnCount> {
        let code = self.code();
        if !code.source().config.counts_turns() {
            return Vec::new();
        }
        let bodies = self.declarations().bodies.iter().enumerate();
        let places = bodies.flat_map(|(i, body)| {
            let loops = (0..body.loops.len()).map(move |at| (Some(at), Some(body.loop_offset(at))));
            std::iter::once((None, None)).chain(loops).map(move |place| (i, place))
        });
        let count = |(i, (position, loop_offset))| {
            let func = DefinedFuncIndex::new(i);
            let [baseline, optimized] = code.turns(func, position);
            TurnCount { func: self.func_number(func), loop_offset, baseline, optimized }
        };
        places.map(count).filter(|count| count.baseline + count.optimized > 0).collect()
    }

    /// All code that the module has by now, in the order in which it was made.
    #[must_use]
    pub fn code_ranges(&self) -> Vec<CodeRange> {
        let range = |function: &crate::code::FunctionCode, address| CodeRange {
            func: self.func_number(function.index),
            kind: function.tier.into(),
            address,
            len: function.len,
        };
        self.code().all_functions(range)
    }

    fn func_number(&self, defined: DefinedFuncIndex) -> u32 {
        self.declarations().func_index(defined).0
    }
}
