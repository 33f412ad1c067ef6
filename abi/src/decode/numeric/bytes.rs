//! Reading the immediates of operators.

/// The bytes of a body from a position on.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The offset of the next byte.
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    #[inline(always)]
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    #[inline(always)]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let &byte = self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    pub(super) fn zero(&mut self) -> Option<()> {
        (self.byte()? == 0).then_some(())
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        // An operator follows.
        (self.at < self.bytes.len()).then_some(())
    }

    /// A number of at most 32 bits.
    #[inline(always)]
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let byte = self.byte()?;
        if byte < 0x80 {
            return Some(byte.into());
        }
        let (value, at) = long_unsigned(self.bytes, self.at - 1)?;
        self.at = at;
        Some(value)
    }

    /// Passes over a signed number of at most `bits` bits.
    #[inline(always)]
    pub(super) fn skip_signed(&mut self, bits: u32) -> Option<()> {
        if self.byte()? >= 0x80 {
            self.at = after_signed(self.bytes, self.at, bits)?;
        }
        Some(())
    }

    /// Passes over the immediate of an operator on memory 0.
    #[inline(always)]
    pub(super) fn memarg(&mut self, max_align: u8) -> Option<()> {
        // Larger numbers are flags or wrong.
        if self.byte()? > max_align {
            return None;
        }
        self.unsigned().map(drop)
    }
}

/// The number of several bytes at `at`, and the position behind it.
fn long_unsigned(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let mut value = 0;
    for i in 0..5 {
        let &byte = bytes.get(at + i)?;
        if i == 4 && byte > 0x0f {
            return None;
        }
        value |= u32::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((value, at + i + 1));
        }
    }
    None
}

/// The position behind a signed number of `bits` bits whose second byte is at `at`.
fn after_signed(bytes: &[u8], mut at: usize, bits: u32) -> Option<usize> {
    // Bits that are left: seven were in the first byte.
    let mut left = bits - 7;
    loop {
        let &byte = bytes.get(at)?;
        at += 1;
        if left < 7 {
            // The bits above must be copies of the sign.
            let above = (byte << 1).cast_signed() >> left;
            return (byte < 0x80 && (above == 0 || above == -1)).then_some(at);
        }
        if byte < 0x80 {
            return Some(at);
        }
        left -= 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::BinaryReader;

    /// Reads a number in both ways, of which one must not accept more than the other, nor less.
    fn check(bytes: &[u8]) {
        let position = |reader: BinaryReader<'_>| reader.current_position();
        let mut theirs = BinaryReader::new(bytes, 0);
        let expected = theirs.read_var_u32().ok().map(|value| (value, position(theirs)));
        let mut ours = Bytes::new(bytes);
        let value = ours.unsigned();
        assert_eq!(value.map(|value| (value, ours.at)), expected, "{bytes:02x?}");
        for bits in [32, 64] {
            let mut theirs = BinaryReader::new(bytes, 0);
            let read = match bits {
                32 => theirs.read_var_i32().map(drop),
                _ => theirs.read_var_i64().map(drop),
            };
            let expected = read.ok().map(|()| position(theirs));
            let mut ours = Bytes::new(bytes);
            let skipped = ours.skip_signed(bits);
            assert_eq!(skipped.map(|()| ours.at), expected, "{bits} bits of {bytes:02x?}");
        }
    }

    #[test]
    fn numbers_are_those_that_wasmparser_reads() {
        for length in 1..=11 {
            for filler in [0x80, 0xff, 0xd5] {
                for last in 0..=0xff {
                    let mut bytes = vec![filler; length];
                    bytes[length - 1] = last;
                    check(&bytes);
                    bytes.push(0);
                    check(&bytes);
                }
            }
        }
    }
}
