//! What baseline code takes from the hotness counters.
//!
//! A unit is a byte of machine code that runs, by an estimate of how often each place is reached.
//! Turns of loops take multiples of [`ENTRY_MODULUS`], an entry of a function with loops takes one
//! more than such a multiple: the remainder of what was counted is how often the function was entered, up to the modulus, at no cost.
//!
//! # Budgets
//! To find a counter takes two loads, and to count in memory takes four cycles at least, which
//! shows in small functions and loops. With budgets, a counter is charged for much work at a time,
//! and on average each function for what it did:
//! - Entries of functions without loops take from the `work_budget` of the
//!   [`ThreadContext`](crate::layout::ThreadContext). Who uses it up refills it with a random
//!   number and charges its function's counter with [`BUDGET_CHARGE`], the mean of the refills. No
//!   program runs in step with random numbers. The first budget of a store is any part of a full
//!   one, so that work in many short-lived stores counts as well.
//! - Turns of loops take from a budget in the frame, which is in a register where possible. When
//!   that is used up it gets [`FRAME_BUDGET`], and the counter is charged as much. At the
//!   function's entry it is the counter modulo [`FRAME_BUDGET`]: as an entry takes an odd number,
//!   all such values come up equally often, and what is left of a budget at the end need not be
//!   counted.

/// What remains of a count is the entries, modulo this.
pub const ENTRY_MODULUS: i32 = 16;

/// What the entry of any function takes from its counter without budgets: so tests ask for
/// optimised code at an exact entry.
pub const EXACT_ENTRY_COST: i8 = 7 * ENTRY_MODULUS as i8 + 1;

/// What a call takes but for the callee's own code: the frame, the registers, the jumps.
const CALL_COST: u32 = 4 * ENTRY_MODULUS as u32;

/// What the entry of a function takes of which so many bytes run outside of loops.
#[must_use]
pub fn entry_cost(bytes: u32, has_loops: bool) -> i32 {
    // Nobody tells the calls of a function without loops from others.
    loop_cost(bytes.saturating_add(CALL_COST)) + i32::from(has_loops)
}

/// What a frame's budget gets when it is used up, a power of two.
pub const FRAME_BUDGET: i32 = 1 << 15;

/// What a refill of the thread's budget is at least.
pub const LEAST_REFILL: i32 = 1 << 15;

/// A refill has the random number shifted right by this on top.
pub const REFILL_SHIFT: u8 = 17;

/// What who refills the thread's budget charges: the mean refill.
pub const BUDGET_CHARGE: i32 = LEAST_REFILL + (1 << (31 - REFILL_SHIFT as u32));

/// Random numbers are made by a linear congruence modulo 2³² with this factor (Knuth, TAOCP 2,
/// 3.3.4, table 1).
pub const SEED_FACTOR: i32 = 1_664_525;

/// See [`SEED_FACTOR`].
pub const SEED_STEP: i32 = 1_013_904_223;

const _: () = assert!(BUDGET_CHARGE % ENTRY_MODULUS == 0);
const _: () = assert!(FRAME_BUDGET % ENTRY_MODULUS == 0);
const _: () = assert!(MAX_LOOP_COST + 16 < FRAME_BUDGET.cast_unsigned());

/// The first budget of the store with this number, and its seed. The budgets of stores whose
/// numbers follow each other are spread evenly (multiples of the golden ratio), their seeds have
/// nothing to do with them.
#[must_use]
pub fn first_budget(store: u32) -> (i32, u32) {
    let spread = store.wrapping_mul(0x9e37_79b9);
    let part = (u64::from(spread) * u64::from(BUDGET_CHARGE.unsigned_abs())) >> 32;
    let seed = (spread ^ spread >> 15).wrapping_mul(SEED_FACTOR.cast_unsigned()).swap_bytes();
    (i32::try_from(part).unwrap_or(BUDGET_CHARGE), seed)
}

/// Most that one turn of a loop takes.
const MAX_LOOP_COST: u32 = 1000 * ENTRY_MODULUS as u32;

/// What a turn of a loop takes in which so many bytes run.
#[must_use]
pub fn loop_cost(bytes: u32) -> i32 {
    let modulus = ENTRY_MODULUS.cast_unsigned();
    let cost = bytes.clamp(modulus / 2, MAX_LOOP_COST) + modulus / 2;
    let cost = cost / modulus * modulus;
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
    fn first_budgets_are_spread_evenly() {
        let mut sum = 0;
        for store in 0..1000 {
            let (budget, _) = first_budget(store);
            assert!((0..BUDGET_CHARGE).contains(&budget));
            sum += i64::from(budget);
        }
        let mean = i64::from(BUDGET_CHARGE) / 2;
        assert!((mean * 9 / 10..mean * 11 / 10).contains(&(sum / 1000)), "{sum}");
    }

    #[test]
    fn entries_are_told_from_turns() {
        let turns: i32 = [0, 1, 15, 16, 17, 500, 70_000, u32::MAX].map(loop_cost).iter().sum();
        for entered in 0..ENTRY_MODULUS.cast_unsigned() {
            let entry = |i| entry_cost(i * 97, true);
            let counted = turns + (0..entered).map(entry).sum::<i32>();
            assert_eq!(entries(u64::from(counted.cast_unsigned())), u64::from(entered));
        }
        assert_eq!([0, 24, 39, 40, u32::MAX].map(loop_cost), [16, 32, 32, 48, 16_000]);
        assert_eq!([0, 100, u32::MAX].map(|bytes| entry_cost(bytes, false)), [64, 160, 16_000]);
    }
}
