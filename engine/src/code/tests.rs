//! Tests of stubs, entry, traps and publishing with hand-made machine code.

mod calls;
mod harness;
mod interrupts;
mod osr;
mod publishing;
mod signals;
mod traps;
