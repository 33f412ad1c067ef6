//! Tests of stubs, entry, traps and publishing with hand-made machine code.
