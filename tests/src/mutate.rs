//! Random numbers from a seed, and random changes of bytes.

/// A small generator of random numbers (SplitMix64): the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator that starts at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, 0 when there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.bits() % limit).expect("below a usize")
    }

    /// Between `least` and `most` of these, the same ones maybe more than once.
    pub fn some_of<T: Copy>(&mut self, least: usize, most: usize, of: &[T]) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| of[self.below(of.len())]).collect()
    }

    /// A random byte.
    pub fn byte(&mut self) -> u8 {
        self.bits().to_le_bytes()[0]
    }

    /// Random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

/// Bytes that are often something special in a module: opcodes, types, boundaries of numbers.
const SPECIAL: [u8; 24] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0b, 0x0c, 0x0d, 0x0e, 0x10, 0x11, 0x20, 0x21, 0x40, 0x41,
    0x6f, 0x70, 0x7b, 0x7f, 0x80, 0xfc, 0xfd, 0xff,
];

/// Changes a few bytes of `bytes`, sometimes with pieces of `other`.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        mutate_once(bytes, other, random);
    }
}

fn mutate_once(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    if bytes.is_empty() {
        bytes.push(random.byte());
        return;
    }
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 | 3 => bytes[at] = SPECIAL[random.below(SPECIAL.len())],
        4 => bytes.insert(at, SPECIAL[random.below(SPECIAL.len())]),
        5 => {
            bytes.remove(at);
        }
        6 => {
            let (start, length) = (random.below(bytes.len()), random.below(16));
            let piece: Vec<u8> = bytes[start..].iter().take(length).copied().collect();
            bytes.splice(at..at, piece);
        }
        _ => {
            let (start, length) = (random.below(other.len()), random.below(24));
            let piece: Vec<u8> = other.iter().skip(start).take(length).copied().collect();
            let end = (at + piece.len()).min(bytes.len());
            bytes.splice(at..end, piece);
        }
    }
}

/// Changes instructions rather than structure: replaces single bytes of function bodies, which
/// keeps more modules valid than [`mutate`] does. Gives the module unchanged when it has no code.
pub fn mutate_code(bytes: &mut [u8], random: &mut Random) {
    let bodies: Vec<_> = wasmparser::Parser::new(0)
        .parse_all(bytes)
        .map_while(Result::ok)
        .filter_map(|payload| match payload {
            wasmparser::Payload::CodeSectionEntry(body) => Some(body.range()),
            _ => None,
        })
        .collect();
    if bodies.is_empty() {
        return;
    }
    for _ in 0..=random.below(3) {
        let body = &bodies[random.below(bodies.len())];
        let (start, end) = (to_usize(body.start), to_usize(body.end));
        let at = (start + random.below(end - start)).min(bytes.len() - 1);
        bytes[at] = match random.below(3) {
            // Operators of one type lie side by side, so a near opcode often has the same type.
            0 => bytes[at].wrapping_add(1),
            1 => bytes[at].wrapping_sub(1),
            _ => random.byte(),
        };
    }
}

fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).expect("the module is in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_module() {
        let make = || {
            let mut random = Random::new(7);
            let mut bytes = vec![1, 2, 3, 4, 5, 6];
            mutate(&mut bytes, &[9, 9, 9], &mut random);
            bytes
        };
        assert_eq!(make(), make());
    }
}
