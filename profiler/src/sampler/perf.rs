//! The kernel's task clock: the kernel notes stacks in a ring, and a thread reads them from there.
//!
//! # A sample is taken
//! 1. The event counts CPU time of the sampled thread. Each time a period has passed, the kernel
//!    writes a record ([`super::record`]): the addresses that frame pointers lead to, registers, and
//!    a copy of the upper end of the stack.
//! 2. The reader's thread wakes up when a part of the ring is full. When the interrupted instruction
//!    is machine code, the addresses are the stack. When it is host code, which keeps no frame
//!    pointers, the copy is unwound ([`super::host`]) until it comes to machine code.
//! 3. When sampling stops, the reader takes what is left and ends.
//!
//! Time in the kernel is sampled where that is permitted; where it is not, the first sample behind
//! it weighs more.

use super::host::HostUnwinder;
use super::record::{Record, Sample, records};
use super::timer::Claim;
use super::{BUFFER_WORDS, HEAD_WORDS, MAX_FRAMES, Noted, RawSample};
use crate::symbols::KERNEL_START;
use memmap2::{MmapOptions, MmapRaw};
use perf_event_open_sys::bindings::{self, perf_event_attr, perf_event_mmap_page};
use perf_event_open_sys::{ioctls, perf_event_open};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use upshift::is_machine_code;

const PAGE_BYTES: usize = 4096;
/// Pages of the ring: many where that is permitted, else what everybody may have.
const RING_PAGES: [usize; 2] = [2048, 128];
/// The reader wakes up when so much of the ring is full: a few samples.
const WAKE_BYTES: u32 = 128 << 10;
/// Bytes of stack that are copied; a power of two below 64 KiB.
const STACK_BYTES: u32 = 16 << 10;
/// Numbers of registers in a record.
const REGISTER_BP: u64 = 6;
const REGISTER_SP: u64 = 7;
const REGISTER_IP: u64 = 8;

/// Samples the thread that made it.
#[derive(Debug)]
pub(super) struct Ring {
    event: Arc<OwnedFd>,
    /// Written when the reader shall end.
    end: Arc<OwnedFd>,
    reader: Option<JoinHandle<Noted>>,
    kernel: bool,
    _claim: Claim,
}

impl Ring {
    /// Starts.
    pub(super) fn start(rate: u32, claim: Claim) -> io::Result<Self> {
        let (event, kernel) = match open(rate, true) {
            Ok(event) => (event, true),
            Err(_) => (open(rate, false)?, false),
        };
        let event = Arc::new(event);
        let map = Map::new(&event)?;
        let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let reader = Reader {
            map,
            event: Arc::clone(&event),
            end: Arc::clone(&end),
            host: None,
            last_cpu: 0,
            words: 0,
            noted: Noted::default(),
        };
        let reader =
            std::thread::Builder::new().name("profiler".to_owned()).spawn(|| reader.run())?;
        let ring = Self { event, end, reader: Some(reader), kernel, _claim: claim };
        // SAFETY: the descriptor is that of an event.
        check(unsafe { ioctls::ENABLE(ring.event.as_raw_fd(), 0) })?;
        Ok(ring)
    }

    /// What reports call this way of sampling.
    pub(super) fn source(&self) -> &'static str {
        match self.kernel {
            true => "the kernel's task clock (perf_event), in user code and in the kernel",
            false => "the kernel's task clock (perf_event), in user code",
        }
    }

    /// Stops, and gives what was noted.
    pub(super) fn stop(mut self) -> Noted {
        self.finish()
    }

    fn finish(&mut self) -> Noted {
        let Some(reader) = self.reader.take() else { return Noted::default() };
        // SAFETY: the descriptor is that of an event. What it still has to say is in the ring.
        unsafe { ioctls::DISABLE(self.event.as_raw_fd(), 0) };
        // Without this the reader would wait for ever; a counter that is 0 takes a 1.
        rustix::io::write(&*self.end, &1u64.to_ne_bytes()).ok();
        reader.join().unwrap_or_default()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.finish();
    }
}

/// An event of this thread that is not running yet.
fn open(rate: u32, kernel: bool) -> io::Result<OwnedFd> {
    let mut attributes = perf_event_attr {
        size: u32::try_from(size_of::<perf_event_attr>()).unwrap_or(0),
        type_: bindings::PERF_TYPE_SOFTWARE,
        config: bindings::PERF_COUNT_SW_TASK_CLOCK.into(),
        sample_type: u64::from(
            bindings::PERF_SAMPLE_IP
                | bindings::PERF_SAMPLE_TIME
                | bindings::PERF_SAMPLE_READ
                | bindings::PERF_SAMPLE_CALLCHAIN
                | bindings::PERF_SAMPLE_REGS_USER
                | bindings::PERF_SAMPLE_STACK_USER,
        ),
        sample_regs_user: 1 << REGISTER_BP | 1 << REGISTER_SP | 1 << REGISTER_IP,
        sample_stack_user: STACK_BYTES,
        clockid: libc::CLOCK_MONOTONIC,
        ..perf_event_attr::default()
    };
    attributes.__bindgen_anon_1.sample_period = 1_000_000_000 / u64::from(rate);
    attributes.__bindgen_anon_2.wakeup_watermark = WAKE_BYTES;
    attributes.set_disabled(1);
    attributes.set_watermark(1);
    attributes.set_use_clockid(1);
    attributes.set_exclude_hv(1);
    attributes.set_exclude_kernel((!kernel).into());
    attributes.set_exclude_callchain_kernel(1);
    let (this_thread, any_cpu, no_group) = (0, -1, -1);
    let flags = bindings::PERF_FLAG_FD_CLOEXEC.into();
    let attributes = &raw mut attributes;
    // SAFETY: the attributes are initialized; the event belongs to this thread.
    let event = unsafe { perf_event_open(attributes, this_thread, any_cpu, no_group, flags) };
    check(event)?;
    // SAFETY: the call above made the descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(event) })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The map of a ring: a page with positions, then the data.
#[derive(Debug)]
struct Map {
    map: MmapRaw,
    data_bytes: usize,
}

impl Map {
    /// The largest ring that is permitted.
    fn new(event: &OwnedFd) -> io::Result<Self> {
        let mut result = Err(io::ErrorKind::InvalidInput.into());
        for pages in RING_PAGES {
            let data_bytes = pages * PAGE_BYTES;
            let map = MmapOptions::new().len(PAGE_BYTES + data_bytes).map_raw(event);
            match map {
                Ok(map) => return Ok(Self { map, data_bytes }),
                Err(error) => result = Err(error),
            }
        }
        result
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        assert!(offset + size_of::<AtomicU64>() <= PAGE_BYTES, "a field of the first page");
        let place = self.map.as_mut_ptr().wrapping_add(offset).cast::<u64>();
        // SAFETY: the place lies in the map, which lives as long as this one. The kernel keeps
        // positions there, aligned, and accesses them as atomic ones.
        unsafe { AtomicU64::from_ptr(place) }
    }

    /// Moves all there is to the end of `out`.
    fn take(&self, out: &mut Vec<u8>) {
        let head = self.position(offset_of!(perf_event_mmap_page, data_head));
        let tail = self.position(offset_of!(perf_event_mmap_page, data_tail));
        let (to, from) = (head.load(Ordering::Acquire), tail.load(Ordering::Relaxed));
        let mut at = from;
        while at < to {
            let place = usize::try_from(at % self.data_bytes as u64).unwrap_or(0);
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            let len = left.min(self.data_bytes - place);
            let data = self.map.as_mut_ptr().wrapping_add(PAGE_BYTES + place).cast_const();
            // SAFETY: `len` bytes from there lie in the map, and between the tail and the head the
            // kernel writes nothing.
            out.extend_from_slice(unsafe { std::slice::from_raw_parts(data, len) });
            at += len as u64;
        }
        tail.store(to, Ordering::Release);
    }
}

/// What the reader's thread has.
struct Reader {
    map: Map,
    event: Arc<OwnedFd>,
    end: Arc<OwnedFd>,
    /// Made for the first stack that needs it: the tables of large programs take a while to read.
    host: Option<HostUnwinder>,
    last_cpu: u64,
    /// Words that samples take.
    words: usize,
    noted: Noted,
}

impl Reader {
    fn run(mut self) -> Noted {
        let mut bytes = Vec::new();
        loop {
            let mut wanted =
                [PollFd::new(&*self.event, PollFlags::IN), PollFd::new(&*self.end, PollFlags::IN)];
            // An interruption is a reason to look.
            poll(&mut wanted, None).ok();
            // Asked before the ring is read, so that nothing stays behind.
            let end = !wanted[1].revents().is_empty();
            bytes.clear();
            self.map.take(&mut bytes);
            for record in records(&bytes) {
                match record {
                    Record::Sample(sample) => self.note(&sample),
                    Record::Lost(count) => self.noted.lost += count,
                }
            }
            if end {
                return self.noted;
            }
        }
    }

    fn note(&mut self, sample: &Sample<'_>) {
        if self.words > BUFFER_WORDS {
            self.noted.lost += 1;
            return;
        }
        let addresses = self.addresses(sample);
        self.words += HEAD_WORDS + addresses.len();
        let cpu = sample.cpu.saturating_sub(self.last_cpu);
        self.last_cpu = sample.cpu;
        self.noted.samples.push(RawSample {
            at: Duration::from_nanos(sample.time),
            cpu: Duration::from_nanos(cpu),
            addresses,
        });
    }

    fn addresses(&mut self, sample: &Sample<'_>) -> Vec<usize> {
        let mut addresses = Vec::new();
        let usable = |word: u64| usize::try_from(word).unwrap_or(0);
        addresses.extend(sample.kernel.map(usable).filter(|&word| word >= KERNEL_START));
        let Some(registers) = sample.registers else { return addresses };
        let interrupted = usable(registers.ip);
        addresses.push(interrupted);
        if is_machine_code(interrupted) {
            let callers = sample.chain.iter().skip(1).map(|&word| usable(word));
            let callers = callers.take_while(|&address| is_machine_code(address));
            addresses.extend(callers.take(MAX_FRAMES));
        } else {
            let host = self.host.get_or_insert_with(HostUnwinder::new);
            host.walk(registers, sample.stack, &mut addresses);
        }
        addresses
    }
}
