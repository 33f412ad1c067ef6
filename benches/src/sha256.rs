//! SHA-256 (FIPS 180-4), by which a manifest says what a program prints and writes.

/// The first 32 bits of the fractional parts of the square roots of the first eight primes.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

const BLOCK: usize = 64;

/// The digest as 64 hexadecimal digits, as `sha256sum` prints it.
pub(crate) fn hex(message: &[u8]) -> String {
    let constants = constants();
    let mut state = START;
    for block in padded(message).chunks_exact(BLOCK) {
        compress(&mut state, block, &constants);
    }
    state.iter().map(|word| format!("{word:08x}")).collect()
}

/// The message, a one bit, zeros, and the message's length in bits: whole blocks.
fn padded(message: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    bytes.push(0x80);
    while bytes.len() % BLOCK != BLOCK - 8 {
        bytes.push(0);
    }
    bytes.extend((message.len() as u64 * 8).to_be_bytes());
    bytes
}

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes: of each
/// prime p, the whole part of the cube root of p shifted left by 96 bits, without what was
/// before the point.
fn constants() -> [u32; BLOCK] {
    let mut primes = (2_u128..).filter(|&n| (2..n).take_while(|d| d * d <= n).all(|d| n % d != 0));
    std::array::from_fn(|_| {
        let prime = primes.next().expect("there are enough primes");
        let (mut low, mut high) = (0_u128, 1 << 36);
        while high - low > 1 {
            let middle = low.midpoint(high);
            // The root has 35 bits, so its cube has 105.
            if middle.pow(3) <= prime << 96 { low = middle } else { high = middle }
        }
        u32::try_from(low & 0xffff_ffff).expect("32 bits")
    })
}

fn compress(state: &mut [u32; 8], block: &[u8], constants: &[u32; BLOCK]) {
    let mut words = [0_u32; BLOCK];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    }
    for at in 16..BLOCK {
        let (early, late) = (words[at - 15], words[at - 2]);
        let early = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3);
        let late = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10);
        let sum = words[at - 16].wrapping_add(early).wrapping_add(words[at - 7]);
        words[at] = sum.wrapping_add(late);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (word, constant) in words.iter().zip(constants) {
        let mixed = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let chosen = (e & f) ^ (!e & g);
        let added = h.wrapping_add(mixed).wrapping_add(chosen);
        let added = added.wrapping_add(*constant).wrapping_add(*word);
        let mixed = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let most = (a & b) ^ (a & c) ^ (b & c);
        (h, g, f, e) = (g, f, e, d.wrapping_add(added));
        (d, c, b, a) = (c, b, a, added.wrapping_add(mixed).wrapping_add(most));
    }
    for (word, change) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(b""), empty);
        let short = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(b"abc"), short);
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let long = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
        assert_eq!(hex(two_blocks), long);
    }

    #[test]
    fn lengths_around_a_block_are_padded() {
        assert_eq!([55, 56, 64].map(|length| padded(&vec![b'x'; length]).len()), [64, 128, 128]);
    }
}
