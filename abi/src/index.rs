//! Typed indices into the index spaces of a module.
//!
//! Every index space of the specification ([§2.5.1](https://webassembly.github.io/spec/core/syntax/modules.html#indices))
//! has its own newtype, so that a table index cannot be used where a memory index is meant.

macro_rules! index_types {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as a subscript of a vector.
            #[inline]
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The index of subscript `i`.
            ///
            /// # Panics
            /// When `i` does not fit 32 bits; the module limits of `wasmparser` keep every index
            /// space far below that.
            #[inline]
            #[must_use]
            pub fn new(i: usize) -> Self {
                Self(u32::try_from(i).expect("index spaces are limited to 32 bits"))
            }
        }
    )*};
}

index_types! {
    /// A type of the module's type section (after flattening of recursion groups).
    TypeIndex
    /// A function: imports first, then definitions.
    FuncIndex
    /// A function with a body: the function index less the number of imported functions.
    DefinedFuncIndex
    /// A table: imports first.
    TableIndex
    /// A linear memory: imports first.
    MemoryIndex
    /// A global: imports first.
    GlobalIndex
    /// An exception tag: imports first.
    TagIndex
    /// An element segment.
    ElemIndex
    /// A data segment.
    DataIndex
    /// A local of a function: parameters first.
    LocalIndex
}
