//! The kernel notes stacks in a [ring](super::ring), and a thread reads them from there.
//!
//! # A sample is taken
//! 1. The group's leader ([`super::event`]) counts CPU time of the sampled thread, or cycles. Each
//!    time a period has passed, the kernel writes a record ([`super::record`]): what the group counted,
//!    the addresses that frame pointers lead to, registers, and a copy of the upper end of the stack.
//! 2. The reader's thread wakes up when a part of the ring is full. When the interrupted instruction
//!    is machine code, the addresses are the stack. When it is host code, which keeps no frame
//!    pointers, the copy is unwound ([`super::host`]) until it comes to machine code.
//! 3. Who takes samples out reads what is left in the ring first.
//!
//! The task clock counts the time that the thread was on a processor, and with it what interrupts and
//! the machine below took from it. The thread's CPU clock leaves those out, so the task clock runs
//! ahead of it on a busy machine. Samples weigh what the CPU clock says: taken out, each is scaled by
//! the ratio of both clocks since the last time.
//!
//! Time in the kernel is sampled where that is permitted; where it is not, the first sample behind
//! it weighs more.

use super::event::{Group, Leader, STACK_BYTES};
use super::host::HostUnwinder;
use super::record::{Counts, Record, Sample, records};
use super::ring::Ring;
use super::scale::Scaled;
use super::{BUFFER_WORDS, COUNTERS, HEAD_WORDS, MAX_FRAMES, Noted, RawSample, lock};
use crate::symbols::KERNEL_START;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use upshift::is_machine_code;

/// Bytes of a record beside the copy of the stack, about.
const RECORD_BYTES: u32 = 512;

/// Samples the thread that made it.
#[derive(Debug)]
pub(super) struct Kernel {
    group: Arc<Group>,
    leader: Leader,
    /// Written when the reader's thread shall end.
    end: Arc<OwnedFd>,
    reader: Arc<Mutex<Reader>>,
    thread: Option<JoinHandle<()>>,
}

impl Kernel {
    /// Sampling of the calling thread, which does not run yet.
    pub(super) fn new(leader: Leader, rate: u32) -> io::Result<Self> {
        let group = Arc::new(Group::open(leader, rate)?);
        let bytes_per_second = f64::from(STACK_BYTES + RECORD_BYTES) * f64::from(rate);
        let ring = Ring::new(group.leader(), bytes_per_second)?;
        let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let reader = Arc::new(Mutex::new(Reader {
            ring,
            joined: Vec::new(),
            notes: Notes { last: Scaled::new(group.slots().to_vec()), ..Notes::default() },
        }));
        let (events, ended, shared) = (Arc::clone(&group), Arc::clone(&end), Arc::clone(&reader));
        let thread = std::thread::Builder::new().name("profiler".to_owned());
        let thread = thread.spawn(move || read(&events, &ended, &shared))?;
        Ok(Self { group, leader, end, reader, thread: Some(thread) })
    }

    /// Takes samples from now on.
    pub(super) fn enable(&self) -> io::Result<()> {
        self.group.enable()
    }

    /// What reports call this way of sampling.
    pub(super) fn source(&self) -> &'static str {
        source(self.leader, self.group.kernel())
    }

    /// Which of [`COUNTERS`] samples have.
    pub(super) fn counted(&self) -> [bool; COUNTERS.len()] {
        lock(&self.reader).notes.last.counted()
    }

    /// Takes what was noted since the last time, in which the thread had this much CPU time.
    pub(super) fn take(&self, cpu: Duration) -> Noted {
        let mut reader = lock(&self.reader);
        reader.fetch();
        // What the clock says now; the samples since the last one have no weight yet.
        let notes = &mut reader.notes;
        let clock = self.clock_after(&notes.last).max(notes.taken_clock);
        let passed = Duration::from_nanos(clock - notes.taken_clock);
        notes.taken_clock = clock;
        notes.words = 0;
        let mut noted = std::mem::take(&mut notes.noted);
        if !passed.is_zero() {
            let factor = cpu.as_secs_f64() / passed.as_secs_f64();
            noted.samples.iter_mut().for_each(|sample| sample.cpu = sample.cpu.mul_f64(factor));
        }
        noted
    }

    /// What the task clock says now, which is no earlier than `last`.
    fn clock_after(&self, last: &Scaled) -> u64 {
        let mut bytes = [0u8; 8 * (4 + COUNTERS.len() + 1)];
        let read = rustix::io::read(self.group.leader(), &mut bytes).ok();
        let counts = read.and_then(|len| Counts::read(bytes.get(..len)?));
        let mut now = last.clone();
        if let Some(counts) = counts {
            now.advance(&counts);
        }
        now.clock()
    }

    /// Takes no more samples.
    pub(super) fn disable(&self) {
        self.group.disable();
    }
}

/// What reports call sampling by this leader, in user code and maybe in the kernel.
fn source(leader: Leader, kernel: bool) -> &'static str {
    match (leader, kernel) {
        (Leader::Cycles, true) => {
            "the processor's cycles (perf_event), in user code and in the kernel"
        }
        (Leader::Cycles, false) => "the processor's cycles (perf_event), in user code",
        (_, true) => "the kernel's task clock (perf_event), in user code and in the kernel",
        (_, false) => "the kernel's task clock (perf_event), in user code",
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.group.disable();
        // Without this the reader would wait for ever; a counter that is 0 takes a 1.
        rustix::io::write(&*self.end, &1u64.to_ne_bytes()).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// What the reader's thread does: keeps the ring from running over.
fn read(group: &Group, end: &OwnedFd, reader: &Mutex<Reader>) {
    loop {
        let mut wanted =
            [PollFd::new(group.leader(), PollFlags::IN), PollFd::new(end, PollFlags::IN)];
        // An interruption is a reason to look.
        poll(&mut wanted, None).ok();
        if !wanted[1].revents().is_empty() {
            return;
        }
        lock(reader).fetch();
        // The sampled thread has ended, and nothing comes any more.
        if wanted[0].revents().contains(PollFlags::HUP) {
            poll(&mut [PollFd::new(end, PollFlags::IN)], None).ok();
            return;
        }
    }
}

/// Reads the ring.
#[derive(Debug)]
struct Reader {
    ring: Ring,
    /// Space for a record.
    joined: Vec<u8>,
    notes: Notes,
}

impl Reader {
    /// Notes all that is in the ring. Of a stack, only what is needed is read.
    fn fetch(&mut self) {
        let Self { ring, joined, notes } = self;
        ring.read(joined, |bytes| {
            for record in records(bytes) {
                match record {
                    Record::Sample(sample) => notes.note(&sample),
                    Record::Lost(count) => notes.noted.lost += count,
                }
            }
        });
    }
}

/// What was read.
#[derive(Debug, Default)]
struct Notes {
    /// Made for the first stack that needs it.
    host: Option<HostUnwinder>,
    /// What was counted until the last sample.
    last: Scaled,
    /// Space for the addresses of a sample.
    addresses: Vec<usize>,
    /// Words that samples take.
    words: usize,
    noted: Noted,
    /// What the task clock said when samples were taken out last.
    taken_clock: u64,
}

impl Notes {
    fn note(&mut self, sample: &Sample<'_>) {
        let step =
            if self.words <= BUFFER_WORDS { self.last.advance(&sample.counts) } else { None };
        let Some(step) = step else {
            self.noted.lost += 1;
            return;
        };
        self.find_addresses(sample);
        self.words += HEAD_WORDS + self.addresses.len();
        self.noted.samples.push(RawSample {
            at: Duration::from_nanos(sample.time),
            cpu: Duration::from_nanos(step.clock),
            counts: step.counts,
            addresses: self.addresses.clone(),
        });
    }

    /// Puts the addresses of a sample together.
    fn find_addresses(&mut self, sample: &Sample<'_>) {
        let addresses = &mut self.addresses;
        addresses.clear();
        let usable = |word: u64| usize::try_from(word).unwrap_or(0);
        addresses.extend(sample.kernel.map(usable).filter(|&word| word >= KERNEL_START));
        let Some(registers) = sample.registers else { return };
        let interrupted = usable(registers.ip);
        addresses.push(interrupted);
        if is_machine_code(interrupted) {
            let callers = sample.chain.iter().skip(1).map(|&word| usable(word));
            let callers = callers.take_while(|&address| is_machine_code(address));
            addresses.extend(callers.take(MAX_FRAMES));
        } else {
            let host = self.host.get_or_insert_with(HostUnwinder::new);
            host.walk(registers, sample.stack, addresses);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Slot;
    use super::*;

    /// What the kernel would write on a machine with hardware counters, whose group gets half of the
    /// processor's: cycles, the task clock, instructions, branch misses; no cache misses.
    fn hardware(step: u64) -> Sample<'static> {
        let values = vec![3_000_000 * step, 1_000_000 * step, 6_000_000 * step, 400 * step];
        let counts = Counts { enabled: 2_000_000 * step, running: 1_000_000 * step, values };
        let (kernel, registers) = (Some(KERNEL_START as u64), None);
        Sample { kernel, time: step, counts, chain: Vec::new(), registers, stack: &[] }
    }

    #[test]
    fn samples_have_the_counts_of_hardware_where_there_is_any() {
        let slots = vec![Slot::Counter(0), Slot::TaskClock, Slot::Counter(1), Slot::Counter(2)];
        let mut notes = Notes { last: Scaled::new(slots), ..Notes::default() };
        for step in 1..=3 {
            notes.note(&hardware(step));
        }
        let samples = &notes.noted.samples;
        assert_eq!((samples.len(), notes.noted.lost), (3, 0));
        for sample in samples {
            assert_eq!(sample.cpu, Duration::from_millis(2));
            assert_eq!(sample.counts, [6_000_000, 12_000_000, 800, 0, 0, 0]);
        }
        assert_eq!(notes.last.counted(), [true, true, true, false, false, false]);
    }

    #[test]
    fn reports_say_what_interrupted() {
        let cycles = source(Leader::Cycles, false);
        assert_eq!(cycles, "the processor's cycles (perf_event), in user code");
        assert!(source(Leader::Cycles, true).ends_with("and in the kernel"));
        assert!(source(Leader::TaskClock, true).contains("task clock"));
    }
}
