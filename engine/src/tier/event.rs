//! What an event tells.

use crate::Trap;
use std::fmt;
use std::time::Duration;

/// A step in the life of a function, or something that the program's thread did beside running code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When, since the engine was made.
    pub at: Duration,
    /// Number of the thread on which it happened, small and never used twice in a process.
    pub thread: u32,
    /// [`Module::id`](crate::Module::id) of the module; none where no code of a module ran.
    pub module: Option<u64>,
    /// Index of the function, imports count; none for events of the whole module. For collections,
    /// exceptions and traps the one that ran, inlined or not.
    pub func: Option<u32>,
    /// Offset of the `loop` operator in the module, for code that is entered at a loop header.
    pub loop_offset: Option<u32>,
    /// What happened.
    pub kind: EventKind,
}

/// What a [`Event`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A module was made.
    ModuleLoaded {
        /// Functions with a body.
        functions: usize,
        /// Bytes of the code section.
        code_section_bytes: usize,
    },
    /// A function is called for the first time and is compiled now.
    LazyCompileStarted,
    /// It is compiled.
    LazyCompiled {
        /// Whether by the optimising compiler.
        optimized: bool,
        /// CPU time.
        cpu: Duration,
        /// Bytes of machine code.
        code_bytes: usize,
    },
    /// A counter ran down, and optimised code was asked for.
    Requested {
        /// What all threads have counted, in bytes of machine code.
        counted: u64,
        /// CPU time that the compilation is expected to take.
        expected: Duration,
    },
    /// The function still runs in the baseline while it waits: it moves forward in the queue.
    Reprioritized,
    /// A thread begins with the compilation.
    Dequeued {
        /// Requests that wait behind it.
        waiting: usize,
    },
    /// The optimising compiler is done.
    Compiled {
        /// CPU time.
        cpu: Duration,
        /// Bytes of machine code.
        code_bytes: usize,
        /// Whether with all optimisations.
        full: bool,
        /// Calls that have the callee's body in their place.
        inlined: usize,
    },
    /// The next call, or the next turn of the loop, enters the code.
    Published,
    /// Optimised code that took the place of other code is called for the first time.
    FirstEntered,
    /// Execution goes over from the baseline to optimised code at a loop header.
    OsrEntered,
    /// The function stays as it is for now, or for good.
    Rejected {
        /// Why.
        reason: TierRejection,
    },
    /// The slow path of a counter took this much of the program's thread. Not every one is measured, but
    /// each that sends a request.
    SlowPath {
        /// CPU time of the thread.
        cpu: Duration,
        /// How many slow paths of the engine this one stands for.
        count: u32,
    },
    /// A store's objects were collected, which ends now.
    Collected {
        /// What was looked at.
        kind: CollectionKind,
        /// How long the program waited.
        pause: Duration,
        /// Bytes that objects take afterwards, garbage and room for new ones included; exceptions, when they
        /// were collected alone.
        heap_bytes: u64,
    },
    /// Exceptions were thrown since a store told of the last ones. Of many in a short time it tells every
    /// 10 ms, by the function that threw last.
    Thrown {
        /// How many, as [`ExceptionStats`](crate::ExceptionStats) counts them.
        thrown: u64,
        /// How many of them were caught.
        caught: u64,
    },
    /// A call of the host ended with a trap. Of many in a short time a store tells every 10 ms.
    Trapped {
        /// The last one.
        trap: Trap,
        /// Offset in the module of the operator.
        module_offset: Option<u32>,
        /// How many there were since the store told of the last ones, with this one.
        count: u64,
    },
}

/// What a collection looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollectionKind {
    /// Young objects alone.
    Minor,
    /// All objects, and exceptions.
    Major,
    /// Exceptions alone.
    Exceptions,
}

impl CollectionKind {
    /// A name for logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Exceptions => "exceptions",
        }
    }
}

impl EventKind {
    /// A name for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ModuleLoaded { .. } => "module-loaded",
            Self::LazyCompileStarted => "lazy-compile-started",
            Self::LazyCompiled { .. } => "lazy-compiled",
            Self::Requested { .. } => "requested",
            Self::Reprioritized => "reprioritized",
            Self::Dequeued { .. } => "dequeued",
            Self::Compiled { .. } => "compiled",
            Self::Published => "published",
            Self::FirstEntered => "first-entered",
            Self::OsrEntered => "osr-entered",
            Self::Rejected { .. } => "rejected",
            Self::SlowPath { .. } => "slow-path",
            Self::Collected { .. } => "collected",
            Self::Thrown { .. } => "thrown",
            Self::Trapped { .. } => "trapped",
        }
    }
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierRejection {
    /// The queue was full; the function asks again when it stays hot.
    QueueFull,
    /// Requests that are worth more took its place; the function asks again when it stays hot.
    Evicted,
    /// There is as much optimised code as the configuration allows.
    CodeLimit,
    /// The module is gone.
    ModuleDropped,
    /// The compiler cannot do it. The function stays in the baseline for good.
    Failed(String),
}

impl fmt::Display for TierRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull => f.write_str("queue full"),
            Self::Evicted => f.write_str("evicted from the queue"),
            Self::CodeLimit => f.write_str("limit of optimised code reached"),
            Self::ModuleDropped => f.write_str("module dropped"),
            Self::Failed(message) => f.write_str(message),
        }
    }
}

/// Hears of events as they happen: see
/// [`Config::event_observer`](crate::Config::event_observer).
pub trait EventObserver: fmt::Debug + Send + Sync {
    /// Something happened, on this thread. Called with nothing locked; a program or a compilation
    /// waits until it returns. It may be in the middle of something, so a panic goes no further than
    /// this call: the observer is told of nothing more.
    fn event(&self, event: &Event);
}
