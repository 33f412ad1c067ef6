//! Opcodes of the operators that are not rows of a table
//! ([§5.4](https://webassembly.github.io/spec/core/binary/instructions.html)).

pub(super) const UNREACHABLE: u8 = 0x00;
pub(super) const NOP: u8 = 0x01;
pub(super) const BLOCK: u8 = 0x02;
pub(super) const LOOP: u8 = 0x03;
pub(super) const IF: u8 = 0x04;
pub(super) const ELSE: u8 = 0x05;
pub(super) const END: u8 = 0x0b;
pub(super) const BR: u8 = 0x0c;
pub(super) const BR_IF: u8 = 0x0d;
pub(super) const BR_TABLE: u8 = 0x0e;
pub(super) const RETURN: u8 = 0x0f;
pub(super) const CALL: u8 = 0x10;
pub(super) const CALL_INDIRECT: u8 = 0x11;
pub(super) const DROP: u8 = 0x1a;
pub(super) const SELECT: u8 = 0x1b;
pub(super) const LOCAL_GET: u8 = 0x20;
pub(super) const LOCAL_SET: u8 = 0x21;
pub(super) const LOCAL_TEE: u8 = 0x22;
pub(super) const GLOBAL_GET: u8 = 0x23;
pub(super) const GLOBAL_SET: u8 = 0x24;
/// `i32.load`, in front of the other loads.
pub(super) const FIRST_LOAD: u8 = 0x28;
/// `i32.store`, in front of the other stores.
pub(super) const FIRST_STORE: u8 = 0x36;
pub(super) const MEMORY_SIZE: u8 = 0x3f;
pub(super) const MEMORY_GROW: u8 = 0x40;
pub(super) const I32_CONST: u8 = 0x41;
pub(super) const I64_CONST: u8 = 0x42;
pub(super) const F32_CONST: u8 = 0x43;
pub(super) const F64_CONST: u8 = 0x44;
/// Of operators of two bytes.
pub(super) const PREFIX: u8 = 0xfc;
/// Behind [`PREFIX`].
pub(super) const MEMORY_COPY: u8 = 0x0a;
/// Behind [`PREFIX`].
pub(super) const MEMORY_FILL: u8 = 0x0b;
