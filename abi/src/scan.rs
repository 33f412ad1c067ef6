//! The pre-scan of function bodies: which locals each loop touches most.
//!
//! The scan rides on validation ([`mod@crate::decode`]) and costs almost nothing there. Its result lets the
//! single-pass baseline compiler keep the hottest locals of a loop in registers across the back
//! edge without a second pass over the body.

/// What the pre-scan found about one `loop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopScan {
    /// Offset of the `loop` operator from the start of the body's range.
    pub offset: u32,
    /// The locals that the loop touches most, hottest first; integers, references, floats and
    /// vectors mixed, at most [`MAX_LOOP_LOCALS`].
    pub locals: Box<[LoopLocal]>,
    /// Weight of accesses to memory 0 in the same unit as [`LoopLocal::weight`].
    pub memory_weight: u32,
    /// Whether the loop or a loop inside it makes calls (also `memory.grow` and other operators
    /// that call the runtime on their ordinary path).
    pub has_call: bool,
    /// Whether another loop lies inside this one.
    pub has_inner_loop: bool,
}

/// A local in a [`LoopScan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopLocal {
    /// Index of the local.
    pub local: u32,
    /// Number of accesses; one in an inner loop counts [`INNER_LOOP_FACTOR`] times.
    pub weight: u32,
    /// Whether the loop writes the local.
    pub written: bool,
}

/// How many locals a [`LoopScan`] names at most.
pub const MAX_LOOP_LOCALS: usize = 24;

/// How much more an access counts in a loop one level further in.
pub const INNER_LOOP_FACTOR: u32 = 8;

/// From this height of a nest of loops on, a loop names at most [`HIGH_LOOP_LOCALS`]: what a
/// hostile nest can make the scan store is bounded by a small multiple of its size. The locals
/// deep inside dominate there anyway.
const HIGH_LOOP: u32 = 8;

/// How many locals a loop of height [`HIGH_LOOP`] or more names at most.
const HIGH_LOOP_LOCALS: usize = 4;

/// Collects the [`LoopScan`]s of one function after the other.
///
/// Accesses inside loops go to a log. When a loop ends, the part of the log that it wrote is
/// counted per local and replaced by its hottest locals, weighted, for the loop around it. So the
/// work is linear in the body whatever the nesting, and nothing is allocated for a function
/// without loops.
///
/// ```text
/// loop A            log: a
///   local.get a     log: a
///   loop B          log: a | b b c      ends: B = [b×2 c×1], log: a b×16 c×8
///     …             log: a b×16 c×8     ends: A = [b c a]
/// ```
#[derive(Default)]
pub struct LoopScanner {
    /// Finished and open loops in the order of their starts.
    loops: Vec<LoopScan>,
    /// The open loops, outermost first.
    open: Vec<OpenLoop>,
    /// Accesses inside the open loops.
    log: Vec<LoopLocal>,
    /// Sums by local while a loop is counted; all weights are zero in between.
    sums: Vec<LoopLocal>,
    /// Number of locals of the function.
    local_count: u32,
}

/// A loop whose end was not seen yet.
struct OpenLoop {
    /// Its subscript in [`LoopScanner::loops`].
    index: usize,
    /// Where its part of the log starts.
    log_start: usize,
    /// How many levels of loops were seen inside.
    height: u32,
}

impl LoopScanner {
    /// Starts a function with `local_count` locals.
    pub fn begin(&mut self, local_count: u32) {
        // An error may have ended the function before.
        self.loops.clear();
        self.open.clear();
        self.log.clear();
        self.local_count = local_count;
    }

    /// The loops of the function, in the order of their offsets.
    #[must_use]
    pub fn finish(&mut self) -> Box<[LoopScan]> {
        self.loops.drain(..).collect()
    }

    /// A `loop` operator at `offset` from the start of the body.
    pub fn enter_loop(&mut self, offset: u32) {
        let known = u32::try_from(self.sums.len()).expect("functions have at most 50000 locals");
        let unmet = |local| LoopLocal { local, weight: 0, written: false };
        self.sums.extend((known..self.local_count).map(unmet));
        self.open.push(OpenLoop { index: self.loops.len(), log_start: self.log.len(), height: 0 });
        self.loops.push(LoopScan {
            offset,
            locals: Box::default(),
            memory_weight: 0,
            has_call: false,
            has_inner_loop: false,
        });
    }

    /// The `end` of the innermost loop.
    pub fn leave_loop(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let limit = if closed.height < HIGH_LOOP { MAX_LOOP_LOCALS } else { HIGH_LOOP_LOCALS };
        self.count_log(closed.log_start, limit);
        let scan = &mut self.loops[closed.index];
        scan.locals = self.log[closed.log_start..].into();
        let (memory_weight, has_call) = (scan.memory_weight, scan.has_call);
        let Some(outer) = self.open.last_mut() else {
            self.log.clear();
            return;
        };
        outer.height = outer.height.max(closed.height + 1);
        let outer = &mut self.loops[outer.index];
        outer.memory_weight = add_inner(outer.memory_weight, memory_weight);
        outer.has_call |= has_call;
        outer.has_inner_loop = true;
        for entry in &mut self.log[closed.log_start..] {
            entry.weight = add_inner(0, entry.weight);
        }
    }

    /// Replaces the log from `start` by its sums per local: the `limit` hottest, hottest first.
    fn count_log(&mut self, start: usize, limit: usize) {
        let mut distinct = start;
        for i in start..self.log.len() {
            let entry = self.log[i];
            let sum = &mut self.sums[entry.local as usize];
            if sum.weight == 0 {
                // The front of the segment lists the locals met; it never overtakes the reader.
                self.log[distinct].local = entry.local;
                distinct += 1;
            }
            sum.weight = sum.weight.saturating_add(entry.weight);
            sum.written |= entry.written;
        }
        self.log.truncate(distinct);
        for entry in &mut self.log[start..] {
            let sum = &mut self.sums[entry.local as usize];
            *entry = *sum;
            sum.weight = 0;
            sum.written = false;
        }
        let hottest_first = |l: &LoopLocal| (std::cmp::Reverse(l.weight), l.local);
        if distinct - start > limit {
            self.log[start..].select_nth_unstable_by_key(limit, hottest_first);
            self.log.truncate(start + limit);
        }
        self.log[start..].sort_unstable_by_key(hottest_first);
    }

    /// An access to a local.
    #[inline]
    pub fn access_local(&mut self, local: u32, written: bool) {
        // The operator is not validated yet: an unknown local is the validator's to refuse.
        if !self.open.is_empty() && local < self.local_count {
            self.log.push(LoopLocal { local, weight: 1, written });
        }
    }

    /// A load or store of memory 0.
    #[inline]
    pub fn access_memory(&mut self) {
        if let Some(open) = self.open.last() {
            let weight = &mut self.loops[open.index].memory_weight;
            *weight = weight.saturating_add(1);
        }
    }

    /// A call, or an operator that calls the runtime.
    #[inline]
    pub fn call(&mut self) {
        if let Some(open) = self.open.last() {
            self.loops[open.index].has_call = true;
        }
    }
}

/// Adds the weight of an inner loop to that of the loop around it.
fn add_inner(outer: u32, inner: u32) -> u32 {
    outer.saturating_add(inner.saturating_mul(INNER_LOOP_FACTOR))
}
