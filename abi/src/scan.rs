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
    /// Number of loops inside this one, at any depth: that many follow it in the list.
    pub inner_loops: u32,
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
/// Accesses are counted per local for the innermost open loop. Where an inner loop starts, the
/// counts so far move to a list, entry by entry; where it ends, its hottest locals join that list,
/// weighted, for the loop around it, which adds everything up at its own end. So the work is linear
/// in the body whatever the nesting, and nothing is allocated for a function without loops.
///
/// ```text
/// loop A            counts        carried
///   local.get a     a×1
///   loop B                        A: a×1
///     b b c         b×2 c×1       A: a×1
///   end                           A: a×1 b×16 c×8          B = [b×2 c×1]
///   local.set c     c×1           A: a×1 b×16 c×8
/// end                                                      A = [b×16 c×9 a×1]
/// ```
#[derive(Default)]
pub struct LoopScanner {
    /// Accesses of the innermost open loop by local: their number times two, plus one if any is a
    /// write. Empty outside loops, so that one bounds check also tells that there is no loop.
    counts: Vec<u64>,
    /// The locals whose count is not zero: the first [`Self::touched_len`] entries. One longer than
    /// the counts, so that an entry can be written before it is known whether it is needed.
    touched: Vec<u32>,
    /// How many locals have a count that is not zero.
    touched_len: usize,
    /// Accesses of the innermost open loop to memory 0; outside loops without meaning.
    memory: u64,
    /// Whether the innermost open loop makes calls; outside loops without meaning.
    has_call: bool,
    /// The open loops, outermost first.
    open: Vec<OpenLoop>,
    /// For each open loop what was counted before and in its inner loops that have ended.
    carried: Vec<LoopLocal>,
    /// Finished and open loops in the order of their starts.
    loops: Vec<LoopScan>,
    /// Keeps the memory of [`Self::counts`] outside loops; all zero.
    spare_counts: Vec<u64>,
    /// Number of locals of the function.
    local_count: usize,
    /// Whether any function had an operator on objects.
    objects: bool,
    /// Whether the present function has a `rethrow`.
    rethrows: bool,
    /// Offset of the present body in the module.
    start: u32,
    /// Offsets in the module of calls through references.
    call_sites: Vec<u32>,
    /// How many of them are before the present body.
    first_call_site: usize,
}

/// A loop whose end was not seen yet, and what was counted for the loop around it.
struct OpenLoop {
    /// Its subscript in [`LoopScanner::loops`].
    index: usize,
    /// Where its part of [`LoopScanner::carried`] starts.
    carried_start: usize,
    /// How many levels of loops were seen inside.
    height: u32,
    /// [`LoopScanner::memory`] of the loop around.
    outer_memory: u64,
    /// [`LoopScanner::has_call`] of the loop around.
    outer_call: bool,
}

impl LoopScanner {
    /// Starts a function with `local_count` locals, whose body is at `start` in the module. The one
    /// before has to be finished or abandoned.
    pub fn begin(&mut self, local_count: u32, start: u32) {
        self.start = start;
        self.local_count = local_count as usize;
        self.memory = 0;
        self.has_call = false;
        self.rethrows = false;
        self.first_call_site = self.call_sites.len();
    }

    /// Forgets what was told of the present function, which may begin again.
    pub fn abandon(&mut self) {
        self.call_sites.truncate(self.first_call_site);
        for &local in &self.touched[..std::mem::take(&mut self.touched_len)] {
            self.counts[local as usize] = 0;
        }
        if !self.open.is_empty() {
            self.spare_counts = std::mem::take(&mut self.counts);
        }
        self.open.clear();
        self.carried.clear();
        self.loops.clear();
    }

    /// The loops of the function, in the order of their offsets.
    #[must_use]
    pub fn finish(&mut self) -> Box<[LoopScan]> {
        self.loops.drain(..).collect()
    }

    /// A `rethrow` operator.
    pub fn rethrow(&mut self) {
        self.rethrows = true;
    }

    /// Whether the function had one.
    #[must_use]
    pub fn takes_rethrow(&self) -> bool {
        self.rethrows
    }

    /// A `loop` operator at `offset` from the start of the body.
    pub fn enter_loop(&mut self, offset: u32) {
        if self.open.is_empty() {
            self.counts = std::mem::take(&mut self.spare_counts);
            if self.counts.len() < self.local_count {
                self.counts.resize(self.local_count, 0);
                self.touched.resize(self.local_count + 1, 0);
            }
        }
        self.carry_counts();
        self.open.push(OpenLoop {
            index: self.loops.len(),
            carried_start: self.carried.len(),
            height: 0,
            outer_memory: std::mem::take(&mut self.memory),
            outer_call: std::mem::take(&mut self.has_call),
        });
        self.loops.push(LoopScan {
            offset,
            locals: Box::default(),
            memory_weight: 0,
            has_call: false,
            inner_loops: 0,
        });
    }

    /// The `end` of the innermost loop.
    pub fn leave_loop(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let limit = if closed.height < HIGH_LOOP { MAX_LOOP_LOCALS } else { HIGH_LOOP_LOCALS };
        self.count_carried(closed.carried_start);
        self.carry_counts();
        self.keep_hottest(closed.carried_start, limit);
        let inner_loops = self.loops.len() - closed.index - 1;
        let scan = &mut self.loops[closed.index];
        scan.locals = self.carried[closed.carried_start..].into();
        scan.memory_weight = saturate(self.memory);
        scan.has_call = self.has_call;
        scan.inner_loops = inner_loops as u32;
        let Some(outer) = self.open.last_mut() else {
            self.carried.clear();
            self.spare_counts = std::mem::take(&mut self.counts);
            return;
        };
        outer.height = outer.height.max(closed.height + 1);
        self.has_call |= closed.outer_call;
        let inner_memory = scan.memory_weight.saturating_mul(INNER_LOOP_FACTOR);
        self.memory = closed.outer_memory + u64::from(inner_memory);
        for entry in &mut self.carried[closed.carried_start..] {
            entry.weight = entry.weight.saturating_mul(INNER_LOOP_FACTOR);
        }
    }

    /// Moves the counts to the end of the list.
    fn carry_counts(&mut self) {
        for &local in &self.touched[..std::mem::take(&mut self.touched_len)] {
            let count = std::mem::take(&mut self.counts[local as usize]);
            let written = count & 1 != 0;
            self.carried.push(LoopLocal { local, weight: saturate(count >> 1), written });
        }
    }

    /// Moves the list from `start` to the counts.
    fn count_carried(&mut self, start: usize) {
        for entry in self.carried.drain(start..) {
            let count = &mut self.counts[entry.local as usize];
            self.touched[self.touched_len] = entry.local;
            self.touched_len += usize::from(*count == 0);
            *count = (*count + (u64::from(entry.weight) << 1)) | u64::from(entry.written);
        }
    }

    /// Reduces the list from `start`, which names no local twice, to the hottest, in order.
    fn keep_hottest(&mut self, start: usize, limit: usize) {
        let hottest_first = |l: &LoopLocal| (std::cmp::Reverse(l.weight), l.local);
        if self.carried.len() - start > limit {
            self.carried[start..].select_nth_unstable_by_key(limit, hottest_first);
            self.carried.truncate(start + limit);
        }
        self.carried[start..].sort_unstable_by_key(hottest_first);
    }

    /// An access to a local. The operator is not validated yet: an unknown local only has to leave
    /// the scanner in a state that [`Self::abandon`] can end.
    #[inline]
    pub fn access_local(&mut self, local: u32, written: bool) {
        if let Some(count) = self.counts.get_mut(local as usize) {
            // Without a branch: whether a local is met first is hard to predict.
            self.touched[self.touched_len] = local;
            self.touched_len += usize::from(*count == 0);
            *count = (*count + 2) | u64::from(written);
        }
    }

    /// A load or store of memory 0.
    #[inline]
    pub fn access_memory(&mut self) {
        self.memory += 1;
    }

    /// A call, or an operator that calls the runtime.
    #[inline]
    pub fn call(&mut self) {
        self.has_call = true;
    }

    /// A call through a reference, at `offset` from the start of the body.
    pub fn call_through_reference(&mut self, offset: u32) {
        self.has_call = true;
        self.call_sites.push(self.start + offset);
    }

    /// A `br_on_cast` or `br_on_cast_fail`, at `offset` from the start of the body.
    pub fn branch_on_cast(&mut self, offset: u32) {
        self.call_sites.push(self.start + offset);
    }

    /// Offsets in the module of calls through references and branches on casts in all functions so far.
    pub fn take_call_sites(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.call_sites)
    }

    /// An operator on objects.
    pub fn object(&mut self) {
        self.objects = true;
    }

    /// Whether any function so far had an operator on objects.
    #[must_use]
    pub fn takes_objects(&self) -> bool {
        self.objects
    }
}

/// A count as weight.
fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
