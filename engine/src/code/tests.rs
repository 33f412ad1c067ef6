//! Tests of stubs, entry, traps and publishing with hand-made machine code.

mod budgets;
mod calls;
mod harness;
mod interrupts;
mod osr;
mod osr_optimized;
mod osr_random;
mod profiles;
mod publishing;
mod signals;
mod traps;
