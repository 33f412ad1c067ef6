//! Values and the content of memories as text and numbers.

use upshift::{Val, ValType};

/// A value of type `ty` that is often a boundary case; none of a reference that must not be null.
pub(super) fn argument(ty: ValType, random: &mut crate::mutate::Random) -> Option<Val> {
    const EDGES: [u64; 10] =
        [0, 1, 2, 8, 0x7f, 0xffff, 0x7fff_ffff, 0x8000_0000, u64::MAX, 0x7ff8_0000_0000_0000];
    let bits = match random.below(4) {
        0 => random.bits(),
        _ => EDGES[random.below(EDGES.len())],
    };
    let low = u32::try_from(bits & 0xffff_ffff).expect("masked");
    Some(match ty {
        ValType::I32 => Val::I32(low.cast_signed()),
        ValType::I64 => Val::I64(bits.cast_signed()),
        ValType::F32 => Val::F32(low),
        ValType::F64 => Val::F64(bits),
        ValType::V128 => Val::V128((u128::from(bits) << 64 | u128::from(low)).into()),
        ValType::Ref(ty) if !ty.nullable => return None,
        ValType::Ref(ty) => Val::null_ref(ty.heap).unwrap_or(Val::FuncRef(None)),
    })
}

/// A value by its bits; references by whether they are null.
pub(super) fn value_text(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("{value:#x}"),
        Val::I64(value) => format!("{value:#x}"),
        Val::F32(bits) => format!("f{bits:#x}"),
        Val::F64(bits) => format!("f{bits:#x}"),
        Val::V128(value) => format!("v{:#x}", value.as_u128()),
        Val::FuncRef(func) => format!("func {}", func.is_some()),
        Val::ExternRef(value) => format!("extern {}", value.is_some()),
        Val::ExnRef(value) => format!("exn {}", value.is_some()),
        Val::AnyRef(value) => match value.and_then(|any| any.as_i31()) {
            Some(value) => format!("i31 {value}"),
            None => format!("any {}", value.is_some()),
        },
    }
}

/// A memory by its size and its bytes.
pub(super) fn memory_text(data: &[u8]) -> String {
    format!("memory of {} bytes, {:x}", data.len(), digest(data))
}

/// A table by its size and by which elements are null.
pub(super) fn table_text(size: u64, is_null: impl FnMut(u64) -> bool) -> String {
    let nulls: Vec<u8> = (0..size).map(is_null).map(u8::from).collect();
    format!("table of {size} elements, {:x}", digest(&nulls))
}

/// A number that changes with every byte of `data`.
fn digest(data: &[u8]) -> u64 {
    const LANES: usize = 4;
    fn mix(sum: u64, word: u64) -> u64 {
        (sum.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
    }
    // Several sums, as each waits for the one before it.
    let mut sums = [0; LANES];
    let (blocks, rest) = data.as_chunks::<{ 8 * LANES }>();
    let mut last = [0; 8 * LANES];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain([&last]) {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum = mix(*sum, u64::from_le_bytes(*word));
        }
    }
    sums.into_iter().fold(0, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_memory_counts() {
        for len in [1, 7, 8, 31, 32, 33, 100, 65_536 + 5] {
            let mut data = vec![0; len];
            let before = memory_text(&data);
            for place in (0..len).step_by(len.div_ceil(1000)).chain([len - 1]) {
                data[place] = 1;
                assert_ne!(memory_text(&data), before, "byte {place} of {len}");
                data[place] = 0;
            }
        }
        assert_ne!(memory_text(&[0]), memory_text(&[0, 0]));
    }

    #[test]
    fn each_null_of_a_table_counts() {
        let all: Vec<String> = (0..40).map(|null| table_text(40, |i| i == null)).collect();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 40);
    }
}
