//! What baseline code takes from the hotness counters, so that a counter tells two things at once.
//!
//! A unit is a byte of machine code that ran. Turns of loops take multiples of [`ENTRY_MODULUS`], an
//! entry of the function takes one more than such a multiple: the remainder of what was counted is
//! how often the function was entered, up to the modulus, at no cost.

/// What remains of a count is the entries, modulo this.
pub const ENTRY_MODULUS: i32 = 16;

/// What the entry of a function takes from its counter.
pub const ENTRY_COST: i32 = 8 * ENTRY_MODULUS + 1;

/// Most that one turn of a loop takes from the counter.
const MAX_LOOP_COST: u32 = 1000 * ENTRY_MODULUS as u32;

/// What a turn of a loop with so many bytes of code takes from the counter.
#[must_use]
pub fn loop_cost(bytes: u32) -> i32 {
    let modulus = ENTRY_MODULUS.cast_unsigned();
    let cost = bytes.clamp(modulus, MAX_LOOP_COST) / modulus * modulus;
    cost.cast_signed()
}

/// How often a function was entered while `counted` units were counted, modulo [`ENTRY_MODULUS`].
#[must_use]
pub fn entries(counted: u64) -> u64 {
    counted % u64::from(ENTRY_MODULUS.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_from_turns() {
        let turns: i32 = [0, 1, 15, 16, 17, 500, 70_000, u32::MAX].map(loop_cost).iter().sum();
        for entered in 0..ENTRY_MODULUS {
            let counted = turns + entered * ENTRY_COST;
            assert_eq!(
                entries(u64::from(counted.cast_unsigned())),
                u64::from(entered.cast_unsigned())
            );
        }
        assert_eq!((loop_cost(0), loop_cost(40), loop_cost(u32::MAX)), (16, 32, 16_000));
    }
}
