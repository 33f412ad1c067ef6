//! x86-64 machine code as text, for dumps and golden tests.

use iced_x86::{Code, Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use std::collections::BTreeSet;

/// One machine instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Offset of its first byte in the code.
    pub offset: u32,
    /// The instruction in Intel syntax; branch targets are offsets in the code.
    pub text: String,
}

/// Takes `code` apart. Entries of jump tables come out with the offsets that they lead to, bytes that are
/// no instruction as `(bad)`.
#[must_use]
pub fn disassemble(code: &[u8]) -> Vec<Line> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_rip_relative_addresses(true);
    options.set_branch_leading_zeros(false);
    options.set_space_after_operand_separator(true);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    let mut lines = Vec::new();
    let mut instruction = Instruction::default();
    let mut tables = Tables::new(code);
    while decoder.can_decode() {
        if let Some(entries) = tables.entries_at(decoder.position()) {
            let entry = |(i, (at, target))| Line {
                offset: u32::try_from(at).unwrap_or(u32::MAX),
                text: format!("entry {i}: {target:#x}"),
            };
            let end = decoder.position() + entries.len() * ENTRY_BYTES;
            lines.extend(entries.into_iter().enumerate().map(entry));
            decoder.set_position(end).expect("entries lie in the code");
            decoder.set_ip(end as u64);
            continue;
        }
        decoder.decode_out(&mut instruction);
        tables.note(&instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        lines.push(Line { offset: instruction.ip32(), text });
    }
    lines
}

/// Bytes of a jump table's entry: the distance of its target from the table's start.
const ENTRY_BYTES: usize = 4;
/// A jump through a table is so many instructions behind that which loads the table's address.
const MOST_BETWEEN: u8 = 3;

/// Finds jump tables, which lie behind the jumps through them.
///
/// ```text
/// lea r11, [table]; movsxd rax, [r11+rax*4]; add r11, rax; jmp r11; …; table: first - table, …
/// ```
struct Tables<'a> {
    code: &'a [u8],
    /// The address that was loaded last, and how many instructions followed.
    loaded: Option<(u64, u8)>,
    found: BTreeSet<usize>,
}

impl<'a> Tables<'a> {
    fn new(code: &'a [u8]) -> Self {
        Self { code, loaded: None, found: BTreeSet::new() }
    }

    /// Looks at the next instruction.
    fn note(&mut self, instruction: &Instruction) {
        if instruction.code() == Code::Lea_r64_m && instruction.is_ip_rel_memory_operand() {
            self.loaded = Some((instruction.ip_rel_memory_address(), 0));
            return;
        }
        let Some((address, between)) = &mut self.loaded else { return };
        if *between >= MOST_BETWEEN {
            self.loaded = None;
        } else if instruction.code() == Code::Jmp_rm64 {
            self.found.extend(usize::try_from(*address).ok());
            self.loaded = None;
        } else {
            *between += 1;
        }
    }

    /// Offsets and targets of the entries when a table begins here. It ends where one of its targets is,
    /// or the next table.
    fn entries_at(&self, start: usize) -> Option<Vec<(usize, usize)>> {
        self.found.get(&start)?;
        let mut end = self.found.range(start + 1..).next().copied().unwrap_or(self.code.len());
        let mut entries = Vec::new();
        let mut at = start;
        while at + ENTRY_BYTES <= end {
            let distance = i32::from_le_bytes(*self.code[at..].first_chunk()?);
            let target = start.checked_add_signed(distance.try_into().ok()?);
            let Some(target) = target.filter(|&target| target < self.code.len()) else { break };
            if target > start {
                end = end.min(target);
            }
            entries.push((at, target));
            at += ENTRY_BYTES;
        }
        (!entries.is_empty()).then_some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_show_offsets() {
        // push rbp; jmp to the first byte; ud2
        let lines = disassemble(&[0x55, 0xeb, 0xfd, 0x0f, 0x0b]);
        let text: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(text[0], "push rbp");
        assert_eq!(text[1], "jmp short 0");
        assert_eq!((text[2], lines[2].offset), ("ud2", 3));
    }

    #[test]
    fn jump_tables_show_where_they_lead() {
        let mut code = vec![0x4c, 0x8d, 0x1d, 10, 0, 0, 0]; // lea r11, [0x11]
        code.extend([0x49, 0x63, 0x04, 0x83]); // movsxd rax, [r11+rax*4]
        code.extend([0x49, 0x01, 0xc3]); // add r11, rax
        code.extend([0x41, 0xff, 0xe3]); // jmp r11
        assert_eq!(code.len(), 0x11);
        // Backwards, and behind the table.
        for distance in [-0x11i32, 8] {
            code.extend(distance.to_le_bytes());
        }
        code.extend([0x90, 0xc3]);
        let lines = disassemble(&code);
        let text: Vec<_> = lines.iter().map(|line| (line.offset, line.text.as_str())).collect();
        let expected = [
            (0xe, "jmp r11"),
            (0x11, "entry 0: 0x0"),
            (0x15, "entry 1: 0x19"),
            (0x19, "nop"),
            (0x1a, "ret"),
        ];
        assert_eq!(text[3..], expected);
    }

    #[test]
    fn what_leads_nowhere_is_no_table() {
        let mut code = vec![0x4c, 0x8d, 0x1d, 3, 0, 0, 0, 0x41, 0xff, 0xe3];
        code.extend(1000i32.to_le_bytes());
        let lines = disassemble(&code);
        assert!(lines.iter().all(|line| !line.text.starts_with("entry")), "{lines:?}");
    }
}
