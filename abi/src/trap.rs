//! Traps: why execution of WebAssembly code stopped.

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $message:literal;)*) => {
        /// The reason of a trap. The code byte is what trap maps store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Trap {
            $($(#[$doc])* $name = $code,)*
        }

        impl Trap {
            /// Every trap there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The trap with code byte `code`.
            #[must_use]
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The message, as in the specification's test suite where it has one.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)*
                }
            }
        }
    };
}

traps! {
    /// The stack limit was reached.
    StackOverflow = 1, "call stack exhausted";
    /// An access outside of a linear memory.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// An atomic access that is not naturally aligned.
    HeapMisaligned = 3, "unaligned atomic";
    /// An access outside of a table by `table.*`.
    TableOutOfBounds = 4, "out of bounds table access";
    /// `call_indirect` with an index outside of the table.
    UndefinedElement = 5, "undefined element";
    /// `call_indirect` on a null element.
    UninitializedElement = 6, "uninitialized element";
    /// `call_indirect` on a function of another type.
    BadSignature = 7, "indirect call type mismatch";
    /// Division overflow.
    IntegerOverflow = 8, "integer overflow";
    /// Division by zero.
    IntegerDivisionByZero = 9, "integer divide by zero";
    /// A float conversion of NaN.
    BadConversionToInteger = 10, "invalid conversion to integer";
    /// `unreachable` was executed.
    Unreachable = 11, "unreachable";
    /// Execution was interrupted by the host.
    Interrupt = 12, "interrupt";
    /// The fuel is used up.
    OutOfFuel = 13, "all fuel consumed by WebAssembly";
    /// A null reference where a value is needed.
    NullReference = 14, "null reference";
    /// `memory.atomic.wait` on an unshared memory.
    ExpectedSharedMemory = 15, "expected shared memory";
    /// A failing `ref.cast`.
    CastFailure = 16, "cast failure";
    /// An access outside of an array.
    ArrayOutOfBounds = 17, "out of bounds array access";
    /// An allocation that the heap's limit does not allow: the heap is full, or would be.
    AllocationTooLarge = 18, "no room in the heap for an allocation";
    /// A continuation was resumed twice.
    ContinuationConsumed = 19, "continuation already consumed";
    /// A tag without a handler was suspended to.
    UnhandledTag = 20, "unhandled tag";
    /// A float to integer conversion out of range.
    ConversionOverflow = 21, "integer overflow";
    /// `call_ref` of a null reference.
    NullFunctionReference = 22, "null function reference";
    /// An access to a field of a null reference.
    NullStructReference = 23, "null structure reference";
    /// An access to an element or the length of a null reference.
    NullArrayReference = 24, "null array reference";
    /// `i31.get` of a null reference.
    NullI31Reference = 25, "null i31 reference";
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "wasm trap: {}", self.message())
    }
}

impl std::error::Error for Trap {}
