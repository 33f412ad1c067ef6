//! Where code should begin, for processors that decode some jumps slowly.
//!
//! Skylake and the processors made like it do not keep a line of 32 bytes of code decoded when a
//! jump crosses into the next line or ends where that begins, or a comparison does that is fused with
//! its jump (Intel, "Mitigations for Jump Conditional Code Erratum", 2019). A loop with such a jump
//! may take twice the time. Compilers insert padding against it; Cranelift has none, so the code as
//! a whole is moved: of the places in a line where it may begin, it gets the one at which the fewest
//! jumps are slow, those of inner loops first.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};
use upshift_abi::code::CODE_LINE_BYTES;

/// What a jump in a loop counts, compared with one around it.
const LOOP_WEIGHT: u64 = 16;
/// Loops around a jump that count.
const MAX_DEPTH: u32 = 6;

/// A jump, with the comparison that is fused with it.
struct Jump {
    start: usize,
    end: usize,
}

/// The offset in a line, a multiple of `align`, at which `code` should begin.
pub(crate) fn best_phase(code: &[u8], align: usize) -> u8 {
    let (jumps, depths) = jumps(code);
    let mut costs = [0; CODE_LINE_BYTES];
    for (jump, depth) in jumps.iter().zip(depths) {
        let weight = LOOP_WEIGHT.pow(depth.min(MAX_DEPTH));
        for (phase, cost) in costs.iter_mut().enumerate().step_by(align) {
            let line = |offset: usize| (phase + offset) / CODE_LINE_BYTES;
            if line(jump.start) != line(jump.end) {
                *cost += weight;
            }
        }
    }
    let phases = (0..CODE_LINE_BYTES).step_by(align);
    // Of equals, the first: entries at the beginning of a line are read in one go.
    let phase = phases.min_by_key(|&phase| costs[phase]).unwrap_or(0);
    u8::try_from(phase).expect("a place in a line")
}

/// All jumps, calls and returns, and how many loops each is in. Constants and tables between the code
/// are read as code, too, which makes the result worse and not wrong.
fn jumps(code: &[u8]) -> (Vec<Jump>, Vec<u32>) {
    let mut jumps: Vec<Jump> = Vec::new();
    let mut loops: Vec<(usize, usize)> = Vec::new();
    let mut last_return = 0;
    let mut fusible = None;
    let mut instruction = Instruction::default();
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    while decoder.can_decode() {
        let start = decoder.position();
        decoder.decode_out(&mut instruction);
        let end = decoder.position();
        let mnemonic = instruction.mnemonic();
        let goes = matches!(mnemonic, Mnemonic::Jmp | Mnemonic::Call | Mnemonic::Ret);
        let direct = instruction.op0_kind() == OpKind::NearBranch64 && mnemonic != Mnemonic::Call;
        if goes || direct {
            let compared = fusible.filter(|_| !goes);
            jumps.push(Jump { start: compared.unwrap_or(start), end });
        }
        if direct {
            let target = instruction.near_branch_target();
            // What is behind a return and jumps back is a path that is rarely taken.
            let target = usize::try_from(target).unwrap_or(usize::MAX);
            if target <= start && last_return <= target {
                loops.push((target, end));
            }
        } else if mnemonic == Mnemonic::Ret {
            last_return = end;
        }
        fusible = can_fuse(mnemonic).then_some(start);
    }
    let depths = depths(&jumps, &loops);
    (jumps, depths)
}

/// Whether the processor makes one of such an instruction and a conditional jump behind it.
fn can_fuse(mnemonic: Mnemonic) -> bool {
    use Mnemonic::{Add, And, Cmp, Dec, Inc, Sub, Test};
    matches!(mnemonic, Cmp | Test | Add | Sub | And | Inc | Dec)
}

/// How many different loop headers reach over each jump.
fn depths(jumps: &[Jump], loops: &[(usize, usize)]) -> Vec<u32> {
    let mut headers = loops.to_vec();
    headers.sort_unstable();
    // The last jump back to each header ends its loop.
    headers.reverse();
    headers.dedup_by_key(|&mut (header, _)| header);
    let mut changes: Vec<(usize, i32)> =
        headers.iter().flat_map(|&(start, end)| [(start, 1), (end, -1)]).collect();
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut depth = 0;
    let mut depth_at = |at: usize| {
        while let Some((_, change)) = changes.next_if(|&(from, _)| from <= at) {
            depth += change;
        }
        depth.max(0).cast_unsigned()
    };
    jumps.iter().map(|jump| depth_at(jump.end - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of `nop`, then a loop: a decrement that is fused with its jump, five bytes together.
    fn looping(before: usize) -> Vec<u8> {
        let mut code = vec![0x90; before];
        code.extend([0x48, 0xff, 0xc9, 0x75, 0xfb]);
        code
    }

    fn is_slow(code: &[u8], jump: usize, phase: u8) -> bool {
        let start = jump + usize::from(phase);
        start / CODE_LINE_BYTES != (code.len() + usize::from(phase)) / CODE_LINE_BYTES
    }

    #[test]
    fn the_jump_of_a_loop_lies_in_one_line() {
        for before in 0..80 {
            let code = looping(before);
            let phase = best_phase(&code, 1);
            assert!(!is_slow(&code, before, phase), "{before} bytes before: {phase}");
            let aligned = best_phase(&code, 16);
            assert_eq!(aligned % 16, 0);
            assert!(!is_slow(&code, before, aligned), "{before} bytes before: {aligned}");
        }
    }

    #[test]
    fn code_without_slow_jumps_begins_a_line() {
        assert_eq!(best_phase(&[], 1), 0);
        assert_eq!(best_phase(&looping(4), 1), 0);
    }

    /// Ten jumps that end at the end of a line, and `inner` in the middle of one, in a loop.
    fn around(inner: &[u8]) -> Vec<u8> {
        let mut code = Vec::new();
        for _ in 0..10 {
            code.extend([0x90; 30]);
            code.extend([0x75, 0x00]);
        }
        code.extend([0x90; 13]);
        code.extend(inner);
        code.extend([0x0f, 0x85]);
        let distance = i32::try_from(code.len() + 4).expect("short");
        code.extend((-distance).to_le_bytes());
        code
    }

    #[test]
    fn inner_loops_come_first() {
        assert_eq!(best_phase(&around(&[0x90; 5]), 16), 16);
        assert_eq!(best_phase(&around(&looping(0)), 16), 0);
    }
}
