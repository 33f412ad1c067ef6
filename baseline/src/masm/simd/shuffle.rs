//! `i8x16.shuffle` and swizzles.
//!
//! A shuffle names sixteen bytes out of the thirty-two of its operands. Patterns that one
//! instruction has are found by looking at groups of bytes: `[4 5 6 7, 0 1 2 3, ..]` has the
//! 32-bit groups `[1, 0, ..]`, which is a `vpshufd`.

use super::splat8;
use crate::masm::vex::*;
use crate::masm::{Asm, XSCRATCH, Xmm};

/// Instructions that interleave the low and the high halves of groups of some bytes.
const UNPACKS: [(u8, Vex, Vex); 4] = [
    (1, VPUNPCKLBW, VPUNPCKHBW),
    (2, VPUNPCKLWD, VPUNPCKHWD),
    (4, VPUNPCKLDQ, VPUNPCKHDQ),
    (8, VPUNPCKLQDQ, VPUNPCKHQDQ),
];

/// How one instruction does a shuffle of two operands; `swap` exchanges these first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// An instruction without immediate.
    Plain { op: Vex, swap: bool },
    /// An instruction with an immediate.
    Immediate { op: Vex, imm: u8, swap: bool },
}

/// The groups of `size` bytes that a shuffle moves as a whole; entries behind `16 / size` are 0.
fn groups(lanes: &[u8; 16], size: u8) -> Option<[u8; 16]> {
    let mut found = [0; 16];
    for (group, bytes) in found.iter_mut().zip(lanes.chunks_exact(size.into())) {
        *group = bytes[0] / size;
        if !bytes.iter().zip(*group * size..).all(|(&byte, expected)| byte == expected) {
            return None;
        }
    }
    Some(found)
}

/// Four two-bit selectors.
fn selectors(groups: &[u8; 16]) -> u8 {
    groups[..4].iter().rev().fold(0, |imm, group| imm << 2 | (group & 3))
}

fn unpack(lanes: &[u8; 16]) -> Option<Pattern> {
    UNPACKS.into_iter().find_map(|(size, low, high)| {
        let groups = groups(lanes, size)?;
        let count = 16 / size;
        let swap = groups[0] >= count;
        let first = groups[0] % count;
        let interleaved = (0..count).all(|i| {
            let source = if (i % 2 == 1) == swap { 0 } else { count };
            groups[usize::from(i)] == source + first + i / 2
        });
        match first {
            _ if !interleaved => None,
            0 => Some(Pattern::Plain { op: low, swap }),
            first if first == count / 2 => Some(Pattern::Plain { op: high, swap }),
            _ => None,
        }
    })
}

/// A window of sixteen bytes in both operands, one behind the other.
fn align(lanes: &[u8; 16]) -> Option<Pattern> {
    let first = lanes[0];
    let consecutive = lanes.iter().zip(0..).all(|(&lane, i)| lane == (first + i) % 32);
    // The instruction takes the upper part first.
    consecutive.then_some(Pattern::Immediate {
        op: imm::VPALIGNR,
        imm: first % 16,
        swap: first < 16,
    })
}

/// 16-bit groups that stay where they are.
fn blend(lanes: &[u8; 16]) -> Option<Pattern> {
    let groups = groups(lanes, 2)?;
    let in_place = groups[..8].iter().zip(0..).all(|(&group, i)| group % 8 == i);
    let imm = groups[..8].iter().rev().fold(0, |imm, &group| (imm << 1) | (group / 8));
    in_place.then_some(Pattern::Immediate { op: imm::VPBLENDW, imm, swap: false })
}

/// Two 32-bit groups of one operand below two of the other.
fn halves(lanes: &[u8; 16]) -> Option<Pattern> {
    let groups = groups(lanes, 4)?;
    let swap = groups[0] >= 4;
    let source = |group: u8, second: bool| (group >= 4) == (second != swap);
    let split = source(groups[0], false)
        && source(groups[1], false)
        && source(groups[2], true)
        && source(groups[3], true);
    split.then_some(Pattern::Immediate { op: imm::VSHUFPS, imm: selectors(&groups), swap })
}

impl Asm {
    /// `i8x16.shuffle`
    pub(crate) fn i8x16_shuffle(&mut self, d: Xmm, a: Xmm, b: Xmm, lanes: [u8; 16]) {
        if a == b || lanes.iter().all(|&lane| lane < 16) {
            return self.shuffle_one(d, a, lanes.map(|lane| lane % 16));
        }
        if lanes.iter().all(|&lane| lane >= 16) {
            return self.shuffle_one(d, b, lanes.map(|lane| lane % 16));
        }
        let pattern = unpack(&lanes)
            .or_else(|| align(&lanes))
            .or_else(|| blend(&lanes))
            .or_else(|| halves(&lanes));
        match pattern {
            Some(Pattern::Plain { op, swap: false }) => self.vrrr(op, d, a, b),
            Some(Pattern::Plain { op, swap: true }) => self.vrrr(op, d, b, a),
            Some(Pattern::Immediate { op, imm, swap: false }) => self.vrrri(op, d, a, b, imm),
            Some(Pattern::Immediate { op, imm, swap: true }) => self.vrrri(op, d, b, a, imm),
            None => self.shuffle_two(d, a, b, lanes),
        }
    }

    /// A shuffle of one operand, lanes below 16.
    fn shuffle_one(&mut self, d: Xmm, s: Xmm, lanes: [u8; 16]) {
        match groups(&lanes, 4) {
            Some(groups) if groups[..4] == [0, 1, 2, 3] => self.mov_xx(d, s),
            Some(groups) => self.vrri(imm::VPSHUFD, d, s, selectors(&groups)),
            None => {
                let indices = self.pool_u128(u128::from_le_bytes(lanes));
                self.vrrm(VPSHUFB, d, s, indices);
            }
        }
    }

    /// A shuffle of each operand, where an index with its top bit set gives 0.
    fn shuffle_two(&mut self, d: Xmm, a: Xmm, b: Xmm, lanes: [u8; 16]) {
        let of_a = lanes.map(|lane| if lane < 16 { lane } else { 0x80 });
        let of_b = lanes.map(|lane| if lane < 16 { 0x80 } else { lane - 16 });
        let of_a = self.pool_u128(u128::from_le_bytes(of_a));
        let of_b = self.pool_u128(u128::from_le_bytes(of_b));
        self.vrrm(VPSHUFB, XSCRATCH, a, of_a);
        self.vrrm(VPSHUFB, d, b, of_b);
        self.vrrr(VPOR, d, d, XSCRATCH);
    }

    /// `i8x16.swizzle`: indices above 15 get their top bit set by a saturating addition.
    pub(crate) fn i8x16_swizzle(&mut self, d: Xmm, a: Xmm, indices: Xmm) {
        let above_15 = self.pool_u128(splat8(0x70));
        self.vrrm(VPADDUSB, XSCRATCH, indices, above_15);
        self.vrrr(VPSHUFB, d, a, XSCRATCH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(groups: &[u8]) -> [u8; 16] {
        let size = 16 / groups.len();
        std::array::from_fn(|i| groups[i / size] * size as u8 + (i % size) as u8)
    }

    #[test]
    fn interleaving_is_found_in_both_orders() {
        let low = unpack(&bytes(&[0, 8, 1, 9, 2, 10, 3, 11]));
        assert_eq!(low, Some(Pattern::Plain { op: VPUNPCKLWD, swap: false }));
        let high = unpack(&bytes(&[6, 2, 7, 3]));
        assert_eq!(high, Some(Pattern::Plain { op: VPUNPCKHDQ, swap: true }));
        assert_eq!(unpack(&bytes(&[1, 5, 2, 6])), None);
        let quads = unpack(&bytes(&[0, 2]));
        assert_eq!(quads, Some(Pattern::Plain { op: VPUNPCKLQDQ, swap: false }));
    }

    #[test]
    fn windows_blends_and_halves() {
        let window = std::array::from_fn(|i| i as u8 + 3);
        let expected = Pattern::Immediate { op: imm::VPALIGNR, imm: 3, swap: true };
        assert_eq!(align(&window), Some(expected));
        let wrapped = std::array::from_fn(|i| (i as u8 + 20) % 32);
        let expected = Pattern::Immediate { op: imm::VPALIGNR, imm: 4, swap: false };
        assert_eq!(align(&wrapped), Some(expected));
        let expected = Pattern::Immediate { op: imm::VPBLENDW, imm: 0b1000_0010, swap: false };
        assert_eq!(blend(&bytes(&[0, 9, 2, 3, 4, 5, 6, 15])), Some(expected));
        let expected = Pattern::Immediate { op: imm::VSHUFPS, imm: 0b01_00_11_10, swap: true };
        assert_eq!(halves(&bytes(&[6, 7, 0, 1])), Some(expected));
        assert_eq!(halves(&bytes(&[6, 3, 0, 1])), None);
    }
}
