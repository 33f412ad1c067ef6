//! Events of the kernel that sample the thread which opens them, and count beside that.
//!
//! They are a group: the leader interrupts, the others count, and each sample has the values of all.
//! What the machine or its permissions do not have is left out.

use super::COUNTERS;
use perf_event_open_sys::bindings::{self, perf_event_attr};
use perf_event_open_sys::{ioctls, perf_event_open};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Bytes of stack that are copied; whole words below 64 KiB. The host's part of a stack fits, but for what
/// compiles and instantiates; the kernel needs 1 µs for each 3 KiB at every sample.
pub(super) const STACK_BYTES: u32 = 6 << 10;
/// The reader wakes up when so much of the ring is full: half of the smallest one.
const WAKE_BYTES: u32 = 256 << 10;
/// Numbers of registers in a record.
const REGISTER_BP: u64 = 6;
const REGISTER_SP: u64 = 7;
const REGISTER_IP: u64 = 8;
/// What samples and reads say of a group: all values, and for how long it counted.
const READ_FORMAT: u32 = bindings::PERF_FORMAT_GROUP
    | bindings::PERF_FORMAT_TOTAL_TIME_ENABLED
    | bindings::PERF_FORMAT_TOTAL_TIME_RUNNING;
/// Counters by their place in [`COUNTERS`].
const EVENTS: [(u32, u32); COUNTERS.len()] = [
    (bindings::PERF_TYPE_HARDWARE, bindings::PERF_COUNT_HW_CPU_CYCLES),
    (bindings::PERF_TYPE_HARDWARE, bindings::PERF_COUNT_HW_INSTRUCTIONS),
    (bindings::PERF_TYPE_HARDWARE, bindings::PERF_COUNT_HW_BRANCH_MISSES),
    (bindings::PERF_TYPE_HARDWARE, bindings::PERF_COUNT_HW_CACHE_MISSES),
    (bindings::PERF_TYPE_SOFTWARE, bindings::PERF_COUNT_SW_PAGE_FAULTS),
    (bindings::PERF_TYPE_SOFTWARE, CONTEXT_SWITCHES),
];
/// They happen in the kernel, so an event that leaves the kernel out counts none.
const CONTEXT_SWITCHES: u32 = bindings::PERF_COUNT_SW_CONTEXT_SWITCHES;

/// What interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    /// The processor's cycles.
    Cycles,
    /// The task clock.
    TaskClock,
    /// A clock that is not the task clock, and that every machine has.
    #[cfg(test)]
    CpuClock,
}

impl Leader {
    fn event(self) -> (u32, u32) {
        match self {
            Self::Cycles => EVENTS[0],
            Self::TaskClock => (bindings::PERF_TYPE_SOFTWARE, bindings::PERF_COUNT_SW_TASK_CLOCK),
            #[cfg(test)]
            Self::CpuClock => (bindings::PERF_TYPE_SOFTWARE, bindings::PERF_COUNT_SW_CPU_CLOCK),
        }
    }
}

/// What a value of the group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// CPU time in nanoseconds.
    TaskClock,
    /// A counter by its place in [`COUNTERS`].
    Counter(usize),
    /// What only interrupts.
    #[cfg(test)]
    Unused,
}

/// Events of one thread.
#[derive(Debug)]
pub(super) struct Group {
    leader: OwnedFd,
    /// They count as long as they are open.
    _members: Vec<OwnedFd>,
    slots: Vec<Slot>,
    /// Whether the kernel is sampled, too.
    kernel: bool,
}

impl Group {
    /// A group of this thread that does not run yet.
    pub(super) fn open(leader: Leader, rate: u32) -> io::Result<Self> {
        Self::open_in(leader, rate, true).or_else(|_| Self::open_in(leader, rate, false))
    }

    fn open_in(leader: Leader, rate: u32, kernel: bool) -> io::Result<Self> {
        let mut attributes = attributes(leader.event(), kernel);
        sample(&mut attributes, leader, rate);
        let first = open(&mut attributes, None)?;
        let first_slot = match leader {
            Leader::Cycles => Slot::Counter(0),
            Leader::TaskClock => Slot::TaskClock,
            #[cfg(test)]
            Leader::CpuClock => Slot::Unused,
        };
        let mut group =
            Self { leader: first, _members: Vec::new(), slots: vec![first_slot], kernel };
        if leader != Leader::TaskClock {
            group.add(Leader::TaskClock.event(), Slot::TaskClock)?;
        }
        for (place, &event) in EVENTS.iter().enumerate() {
            let blind = !kernel && event == (bindings::PERF_TYPE_SOFTWARE, CONTEXT_SWITCHES);
            if !blind && event != leader.event() {
                // Left out when it is not to be had.
                group.add(event, Slot::Counter(place)).ok();
            }
        }
        Ok(group)
    }

    fn add(&mut self, event: (u32, u32), slot: Slot) -> io::Result<()> {
        let member = open(&mut attributes(event, self.kernel), Some(&self.leader))?;
        self._members.push(member);
        self.slots.push(slot);
        Ok(())
    }

    /// The descriptor of the samples.
    pub(super) fn leader(&self) -> &OwnedFd {
        &self.leader
    }

    /// What the values of a sample are, in their order.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether the kernel is sampled, too.
    pub(super) fn kernel(&self) -> bool {
        self.kernel
    }

    /// Has them run.
    pub(super) fn enable(&self) -> io::Result<()> {
        // SAFETY: the descriptor is that of an event.
        check(unsafe { ioctls::ENABLE(self.leader.as_raw_fd(), 0) })
    }

    /// Stops them. What they still have to say is in the ring.
    pub(super) fn disable(&self) {
        // SAFETY: the descriptor is that of an event.
        unsafe { ioctls::DISABLE(self.leader.as_raw_fd(), 0) };
    }
}

/// What all events of a group have in common.
fn attributes((kind, config): (u32, u32), kernel: bool) -> perf_event_attr {
    let mut attributes = perf_event_attr {
        size: u32::try_from(size_of::<perf_event_attr>()).unwrap_or(0),
        type_: kind,
        config: config.into(),
        read_format: READ_FORMAT.into(),
        // A group has one clock.
        clockid: libc::CLOCK_MONOTONIC,
        ..perf_event_attr::default()
    };
    attributes.set_use_clockid(1);
    attributes.set_exclude_hv(1);
    attributes.set_exclude_kernel((!kernel).into());
    attributes
}

/// Has an event take samples.
fn sample(attributes: &mut perf_event_attr, leader: Leader, rate: u32) {
    attributes.sample_type = u64::from(
        bindings::PERF_SAMPLE_IP
            | bindings::PERF_SAMPLE_TIME
            | bindings::PERF_SAMPLE_READ
            | bindings::PERF_SAMPLE_CALLCHAIN
            | bindings::PERF_SAMPLE_REGS_USER
            | bindings::PERF_SAMPLE_STACK_USER,
    );
    attributes.sample_regs_user = 1 << REGISTER_BP | 1 << REGISTER_SP | 1 << REGISTER_IP;
    attributes.sample_stack_user = STACK_BYTES;
    if leader == Leader::TaskClock {
        attributes.__bindgen_anon_1.sample_period = 1_000_000_000 / u64::from(rate);
    } else {
        attributes.__bindgen_anon_1.sample_freq = rate.into();
        attributes.set_freq(1);
    }
    attributes.__bindgen_anon_2.wakeup_watermark = WAKE_BYTES;
    attributes.set_disabled(1);
    attributes.set_watermark(1);
    attributes.set_exclude_callchain_kernel(1);
}

fn open(attributes: &mut perf_event_attr, leader: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    let (this_thread, any_cpu) = (0, -1);
    let group = leader.map_or(-1, AsRawFd::as_raw_fd);
    let flags = bindings::PERF_FLAG_FD_CLOEXEC.into();
    let attributes: *mut perf_event_attr = attributes;
    // SAFETY: the attributes are initialized; the event belongs to this thread.
    let event = unsafe { perf_event_open(attributes, this_thread, any_cpu, group, flags) };
    check(event)?;
    // SAFETY: the call above made the descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(event) })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_interrupt_by_their_frequency_and_the_clock_by_its_period() {
        let asked = |leader: Leader| {
            let mut attributes = attributes(leader.event(), false);
            sample(&mut attributes, leader, 1000);
            attributes
        };
        let (cycles, clock) = (asked(Leader::Cycles), asked(Leader::TaskClock));
        assert_eq!((cycles.type_, cycles.config), (bindings::PERF_TYPE_HARDWARE, 0));
        assert_eq!((cycles.freq(), clock.freq()), (1, 0));
        // SAFETY: both fields of the union are numbers of the same size.
        assert_eq!(unsafe { cycles.__bindgen_anon_1.sample_freq }, 1000);
        // SAFETY: as above.
        assert_eq!(unsafe { clock.__bindgen_anon_1.sample_period }, 1_000_000);
        for attributes in [cycles, clock] {
            assert_eq!(attributes.read_format, u64::from(READ_FORMAT));
            assert_eq!((attributes.exclude_kernel(), attributes.disabled()), (1, 1));
            assert_ne!(attributes.sample_type & u64::from(bindings::PERF_SAMPLE_READ), 0);
        }
    }
}
