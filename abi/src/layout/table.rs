//! Tables as machine code sees them.
//!
//! Tables whose elements may refer to objects, values of the host or exceptions have **cards**
//! ([`crate::module::Module::table_has_cards`]): a byte for each [`TABLE_CARD_ELEMENTS`] elements,
//! which whoever writes elements that are not null marks, so that collections look through what was
//! written and nothing else.

/// A table: elements of 8 bytes, null is 0.
#[repr(C)]
#[derive(Debug)]
pub struct TableDef {
    /// First element. Changes when the table grows.
    pub base: *mut u64,
    /// Number of elements.
    pub len: u64,
    /// First card, when the table has cards. Changes when the table grows.
    pub cards: *mut u8,
    /// Not 0 when a card was marked since the last collection.
    pub is_written: u8,
}

/// log2 of the elements that a card of a table stands for.
pub const TABLE_CARD_SHIFT: u32 = 7;
/// Elements that a card of a table stands for.
pub const TABLE_CARD_ELEMENTS: u64 = 1 << TABLE_CARD_SHIFT;
/// The bit of a card whose elements were written since the last collection: they may refer to young
/// objects.
pub const TABLE_CARD_YOUNG: u8 = 1;
/// What a card is marked with: a card that is 0 was never written, or has nothing but null since.
pub const TABLE_CARD_WRITTEN: u8 = TABLE_CARD_YOUNG | 2;
