//! x86-64 machine code as text, for dumps and golden tests.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

/// One machine instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Offset of its first byte in the code.
    pub offset: u32,
    /// The instruction in Intel syntax; branch targets are offsets in the code.
    pub text: String,
}

/// Takes `code` apart. Bytes that are no instruction come out as `(bad)`.
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
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        lines.push(Line { offset: instruction.ip32(), text });
    }
    lines
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
}
