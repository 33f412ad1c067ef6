//! Records that the kernel writes to a ring, as [`super::perf`] asks for them.
//!
//! ```text
//! head:   kind (4 bytes), flags (2), size of the record (2)
//! sample: head, address, time, counts, n, n addresses of the user's stack,
//!         2 or 0 (whether registers follow), rbp, rsp, rip, size of the stack's copy, copy, valid bytes
//! lost:   head, number of the event, how many
//! counts: n, for how long they were wanted, for how long they counted, n values
//! ```
//! All but the head are words of eight bytes; the last word is there only when there is a copy.

use std::ops::Range;

/// Bytes of a record's head.
pub(super) const HEAD_BYTES: usize = 8;
/// Kinds of records.
const LOST: u32 = 2;
const SAMPLE: u32 = 9;
/// The part of the flags that says what was interrupted.
const MODE: u16 = 7;
const MODE_KERNEL: u16 = 1;
/// Values from here on are no addresses in a stack but say whose addresses follow.
const FIRST_CONTEXT: u64 = 0u64.wrapping_sub(4095);

/// What a ring tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A stack.
    Sample(Sample<'a>),
    /// So many samples found no place.
    Lost(u64),
}

/// A stack as the kernel noted it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sample<'a> {
    /// The kernel's instruction, when the kernel was interrupted.
    pub(super) kernel: Option<u64>,
    /// When, in nanoseconds.
    pub(super) time: u64,
    /// What the group counted.
    pub(super) counts: Counts,
    /// Addresses that frame pointers lead to, innermost first.
    pub(super) chain: Vec<u64>,
    /// Registers, when the thread ran code of the user at all.
    pub(super) registers: Option<Registers>,
    /// The stack, from the stack pointer on.
    pub(super) stack: &'a [u8],
}

/// What a group of events counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// For how long it was to count, in nanoseconds.
    pub(super) enabled: u64,
    /// For how long it did.
    pub(super) running: u64,
    /// The values of its events.
    pub(super) values: Vec<u64>,
}

impl Counts {
    /// What a read of the group's leader gives.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Reader(bytes).counts()
    }
}

/// Registers of the user's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) bp: u64,
    pub(super) sp: u64,
    pub(super) ip: u64,
}

/// Bytes of the record that begins here, its head included; `None` when it is none.
pub(super) fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let size = u16::from_le_bytes(bytes.get(6..HEAD_BYTES)?.try_into().ok()?);
    Some(usize::from(size)).filter(|&size| size >= HEAD_BYTES)
}

/// The records of `bytes`; what is malformed ends them, what is unknown is left out.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = Reader(bytes);
    std::iter::from_fn(move || {
        loop {
            let (kind, flags, body) = rest.record()?;
            match kind {
                SAMPLE => return Some(Record::Sample(body.sample(flags)?)),
                LOST => return Some(Record::Lost(body.lost()?)),
                _ => {}
            }
        }
    })
}

/// Bytes that were not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn record(&mut self) -> Option<(u32, u16, Self)> {
        let part = |range: Range<usize>, head: &'a [u8]| head.get(range);
        let head = self.take(HEAD_BYTES)?;
        let kind = u32::from_le_bytes(part(0..4, head)?.try_into().ok()?);
        let flags = u16::from_le_bytes(part(4..6, head)?.try_into().ok()?);
        let size = u16::from_le_bytes(part(6..8, head)?.try_into().ok()?);
        let body = self.take(usize::from(size).checked_sub(HEAD_BYTES)?)?;
        Some((kind, flags, Self(body)))
    }

    fn lost(mut self) -> Option<u64> {
        self.word()?;
        self.word()
    }

    /// A number, and so many words.
    fn words(&mut self) -> Option<impl Iterator<Item = u64> + use<'a>> {
        let count = usize::try_from(self.word()?).ok()?;
        let mut words = Self(self.take(count.checked_mul(8)?)?);
        Some(std::iter::from_fn(move || words.word()))
    }

    fn counts(&mut self) -> Option<Counts> {
        let count = usize::try_from(self.word()?).ok()?;
        let (enabled, running) = (self.word()?, self.word()?);
        let mut words = Self(self.take(count.checked_mul(8)?)?);
        let values = std::iter::from_fn(|| words.word()).collect();
        Some(Counts { enabled, running, values })
    }

    fn sample(mut self, flags: u16) -> Option<Sample<'a>> {
        let (address, time, counts) = (self.word()?, self.word()?, self.counts()?);
        let chain = self.words()?.filter(|&word| word < FIRST_CONTEXT).collect();
        let registers = match self.word()? {
            0 => None,
            _ => Some(Registers { bp: self.word()?, sp: self.word()?, ip: self.word()? }),
        };
        let kernel = (flags & MODE == MODE_KERNEL).then_some(address);
        let size = usize::try_from(self.word()?).ok()?;
        let copy = self.take(size)?;
        let valid = if size > 0 { usize::try_from(self.word()?).ok()? } else { 0 };
        Some(Sample { kernel, time, counts, chain, registers, stack: copy.get(..valid)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, flags: u16, words: &[u64]) -> Vec<u8> {
        let mut out = kind.to_le_bytes().to_vec();
        out.extend(flags.to_le_bytes());
        out.extend(u16::try_from(HEAD_BYTES + words.len() * 8).unwrap().to_le_bytes());
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        out
    }

    /// A sample of the user's code, with sixteen bytes of stack of which eight are valid.
    const USER: [u64; 18] = [
        0x10,
        5,
        2,
        20,
        10,
        7,
        70,
        3,
        FIRST_CONTEXT + 3000,
        0x10,
        0x20,
        2,
        0xb,
        0x5,
        0x10,
        8,
        0xabcd,
        8,
    ];

    #[test]
    fn records_are_read_as_the_kernel_writes_them() {
        let kernel = [u64::MAX - 5000, 6, 0, 9, 9, 0, 0, 0];
        let bytes = [
            record(SAMPLE, 2, &USER),
            record(14, 0, &[1, 2, 3]),
            record(LOST, 0, &[77, 12]),
            record(SAMPLE, MODE_KERNEL, &kernel),
        ];
        let bytes = bytes.concat();
        let found: Vec<Record<'_>> = records(&bytes).collect();
        let [Record::Sample(user), Record::Lost(12), Record::Sample(inside)] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((user.kernel, user.time), (None, 5));
        let counts = Counts { enabled: 20, running: 10, values: vec![7, 70] };
        assert_eq!(user.counts, counts);
        let read: Vec<u8> = USER[2..7].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!((Counts::read(&read), Counts::read(&read[..30])), (Some(counts), None));
        assert_eq!(user.chain, [0x10, 0x20]);
        assert_eq!(user.registers, Some(Registers { bp: 0xb, sp: 0x5, ip: 0x10 }));
        assert_eq!(user.stack, 0xabcdu64.to_le_bytes());
        assert_eq!((inside.kernel, inside.registers), (Some(u64::MAX - 5000), None));
        assert!(inside.stack.is_empty() && inside.chain.is_empty());
    }

    #[test]
    fn what_is_cut_short_is_no_record() {
        let bytes = record(SAMPLE, 2, &USER);
        for len in 0..bytes.len() {
            assert_eq!(records(&bytes[..len]).count(), 0, "{len}");
        }
        // Counts that are larger than the record.
        for place in [2, 7, 15, 17] {
            let mut words = USER;
            words[place] = u64::MAX;
            assert_eq!(records(&record(SAMPLE, 2, &words)).count(), 0, "{place}");
        }
        assert_eq!(records(&[0; 64]).count(), 0);
    }
}
