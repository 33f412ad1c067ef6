//! Reading the operators of a body.
//!
//! A few operators with short immediates make up most of any program. They are read here, and all
//! others by `wasmparser`, which would look again at each byte whether it is there, and at each
//! memory immediate for what proposals add to it.

use wasmparser::{
    BinaryReader, BlockType, FrameStack, MemArg, MemArgTarget, Result, VisitOperator, WasmFeatures,
};

/// Reads the operators of a body one after the other.
pub struct Operators<'a> {
    /// All of the operators.
    bytes: &'a [u8],
    /// Where the next one begins.
    at: usize,
    /// Where the first one begins in the module.
    start: u64,
    features: WasmFeatures,
}

impl<'a> Operators<'a> {
    /// The operators from where `reader` is to its end.
    ///
    /// # Errors
    ///
    /// None: the reader has the bytes that it says it has.
    pub fn new(mut reader: BinaryReader<'a>) -> Result<Operators<'a>> {
        let (start, features) = (reader.original_position(), reader.features());
        let bytes = reader.read_bytes(reader.bytes_remaining())?;
        Ok(Operators { bytes, at: 0, start, features })
    }

    /// Whether all were read.
    #[inline]
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Where the next one begins in the module, in bytes.
    #[inline]
    #[must_use]
    pub fn position(&self) -> u64 {
        self.start + self.at as u64
    }

    /// A reader that is at the next one.
    #[inline]
    #[must_use]
    pub fn reader(&self) -> BinaryReader<'a> {
        BinaryReader::new_features(&self.bytes[self.at..], self.position(), self.features)
    }

    /// Gives the next operator to a visitor.
    ///
    /// # Errors
    ///
    /// It is malformed, or behind the end of the body.
    #[inline]
    pub fn visit<V>(&mut self, visitor: &mut V) -> Result<V::Output>
    where
        V: VisitOperator<'a> + FrameStack,
    {
        if visitor.current_frame().is_some()
            && let Some(output) = self.visit_frequent(visitor)
        {
            return Ok(output);
        }
        let mut reader = self.reader();
        let output = reader.visit_operator(visitor)?;
        self.at += reader.current_position();
        Ok(output)
    }

    /// Gives the next operator to the visitor if it is a frequent one with short immediates.
    #[inline(always)]
    fn visit_frequent<V: VisitOperator<'a>>(&mut self, visitor: &mut V) -> Option<V::Output> {
        let &opcode = self.bytes.get(self.at)?;
        Some(match opcode {
            0x02 => visitor.visit_block(self.no_type()?),
            0x03 => visitor.visit_loop(self.no_type()?),
            0x04 => visitor.visit_if(self.no_type()?),
            0x0c => visitor.visit_br(self.index()?),
            0x0d => visitor.visit_br_if(self.index()?),
            0x10 => visitor.visit_call(self.index()?),
            0x20 => visitor.visit_local_get(self.index()?),
            0x21 => visitor.visit_local_set(self.index()?),
            0x22 => visitor.visit_local_tee(self.index()?),
            0x23 => visitor.visit_global_get(self.index()?),
            0x24 => visitor.visit_global_set(self.index()?),
            0x28 => visitor.visit_i32_load(self.memarg(2)?),
            0x29 => visitor.visit_i64_load(self.memarg(3)?),
            0x2d => visitor.visit_i32_load8_u(self.memarg(0)?),
            0x2f => visitor.visit_i32_load16_u(self.memarg(1)?),
            0x36 => visitor.visit_i32_store(self.memarg(2)?),
            0x37 => visitor.visit_i64_store(self.memarg(3)?),
            0x3a => visitor.visit_i32_store8(self.memarg(0)?),
            0x41 => visitor.visit_i32_const(self.constant()?),
            0x42 => visitor.visit_i64_const(i64::from(self.constant()?)),
            _ => {
                let output = visit_plain(opcode, visitor)?;
                self.at += 1;
                output
            }
        })
    }

    /// The type of a block without parameters and results.
    #[inline(always)]
    fn no_type(&mut self) -> Option<BlockType> {
        if self.byte(1)? != 0x40 {
            return None;
        }
        self.at += 2;
        Some(BlockType::Empty)
    }

    /// An index, the operator's one immediate.
    #[inline(always)]
    fn index(&mut self) -> Option<u32> {
        let (value, length) = self.leb128(1)?;
        self.at += 1 + length;
        Some(value)
    }

    /// A signed number, the operator's one immediate.
    #[inline(always)]
    fn constant(&mut self) -> Option<i32> {
        let (value, length) = self.leb128(1)?;
        self.at += 1 + length;
        let above = 32 - 7 * length;
        Some((value << above).cast_signed() >> above)
    }

    /// The immediate of an operator on the first memory.
    #[inline(always)]
    fn memarg(&mut self, max_align: u8) -> Option<MemArg> {
        // Larger numbers are flags or wrong.
        let align = self.byte(1).filter(|&align| align <= max_align)?;
        let (offset, length) = self.leb128(2)?;
        self.at += 2 + length;
        let (offset, target) = (u64::from(offset), MemArgTarget::Memory(0));
        Some(MemArg { align, max_align, offset, target, ordering: None })
    }

    /// The number that begins `ahead` bytes behind the opcode, and its length; none when that is
    /// more than four bytes.
    #[inline(always)]
    fn leb128(&self, ahead: usize) -> Option<(u32, usize)> {
        let byte = self.byte(ahead)?;
        if byte < 0x80 { Some((u32::from(byte), 1)) } else { self.long_leb128(ahead) }
    }

    fn long_leb128(&self, ahead: usize) -> Option<(u32, usize)> {
        let mut value = 0;
        for i in 0..4 {
            let byte = self.byte(ahead + i)?;
            value |= u32::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return Some((value, i + 1));
            }
        }
        None
    }

    /// The byte `ahead` bytes behind the opcode.
    #[inline(always)]
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }
}

/// Gives a frequent operator without immediates to the visitor.
#[inline(always)]
fn visit_plain<'a, V: VisitOperator<'a>>(opcode: u8, visitor: &mut V) -> Option<V::Output> {
    Some(match opcode {
        0x0b => visitor.visit_end(),
        0x0f => visitor.visit_return(),
        0x1a => visitor.visit_drop(),
        0x1b => visitor.visit_select(),
        0x45 => visitor.visit_i32_eqz(),
        0x46 => visitor.visit_i32_eq(),
        0x47 => visitor.visit_i32_ne(),
        0x48 => visitor.visit_i32_lt_s(),
        0x49 => visitor.visit_i32_lt_u(),
        0x4a => visitor.visit_i32_gt_s(),
        0x4b => visitor.visit_i32_gt_u(),
        0x6a => visitor.visit_i32_add(),
        0x6b => visitor.visit_i32_sub(),
        0x71 => visitor.visit_i32_and(),
        0x72 => visitor.visit_i32_or(),
        0x74 => visitor.visit_i32_shl(),
        0x76 => visitor.visit_i32_shr_u(),
        0x7c => visitor.visit_i64_add(),
        0xa7 => visitor.visit_i32_wrap_i64(),
        0xad => visitor.visit_i64_extend_i32_u(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{FrameKind, Operator, VisitSimdOperator};

    /// Gives operators as they are.
    struct Read;

    impl FrameStack for Read {
        fn current_frame(&self) -> Option<FrameKind> {
            Some(FrameKind::Block)
        }
    }

    macro_rules! read {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {$(
            fn $visit(&mut self $($(, $arg: $argty)*)?) -> Operator<'a> {
                Operator::$op $({ $($arg),* })?
            }
        )*};
    }

    impl<'a> VisitOperator<'a> for Read {
        type Output = Operator<'a>;

        fn simd_visitor(
            &mut self,
        ) -> Option<&mut dyn VisitSimdOperator<'a, Output = Operator<'a>>> {
            Some(self)
        }

        wasmparser::for_each_visit_operator!(read);
    }

    impl<'a> VisitSimdOperator<'a> for Read {
        wasmparser::for_each_visit_simd_operator!(read);
    }

    /// Reads one operator in both ways: they agree on it, on where the next one is, and on errors.
    fn check(bytes: &[u8]) {
        let mut theirs = BinaryReader::new(bytes, 100);
        let mut ours = Operators::new(theirs.clone()).expect("the bytes are there");
        let expected = theirs.visit_operator(&mut Read).map_err(|error| error.to_string());
        let read = ours.visit(&mut Read).map_err(|error| error.to_string());
        assert_eq!(read, expected, "{bytes:02x?}");
        if expected.is_ok() {
            assert_eq!(ours.position(), theirs.original_position(), "{bytes:02x?}");
        }
    }

    #[test]
    fn operators_are_those_that_wasmparser_reads() {
        let immediates: [&[u8]; 14] = [
            &[],
            &[0x00],
            &[0x02, 0x05],
            &[0x02, 0x85, 0x01],
            &[0x03, 0xff, 0xff, 0x7f],
            &[0x40],
            &[0x40, 0x01, 0x05],
            &[0x7f, 0x7f],
            &[0x80, 0x00],
            &[0xc0, 0x00],
            &[0xff, 0xff, 0xff, 0x3f],
            &[0xff, 0xff, 0xff, 0x7f],
            &[0xff, 0xff, 0xff, 0xff, 0x07],
            &[0xff, 0xff, 0xff, 0xff, 0xff],
        ];
        for opcode in 0..=0xff {
            for immediate in immediates {
                let mut bytes = vec![opcode];
                bytes.extend(immediate);
                check(&bytes);
                bytes.extend([0x00, 0x80, 0x01, 0x00]);
                check(&bytes);
            }
        }
    }
}
