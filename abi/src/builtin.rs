//! Functions of the runtime that wasm code calls.
//!
//! One row per function. Code calls `[r15 + ThreadContext::builtins + 8 * id]`, an *exit stub* that
//! records the frame in [`crate::layout::ThreadContext::exit_fp`] and `exit_pc`, calls the engine
//! and, where the row says `traps`, tests `pending` afterwards. Those that `throws` may go on at a
//! landing pad of their caller, like any call of a function.
//!
//! Ordinary builtins follow the System V convention: `rdi` = thread context, `rsi` = vmctx, then up
//! to four integer arguments in `rdx rcx r8 r9`; result in `rax`. Those of the second group
//! (`preserves`) take no arguments and preserve every register, so that a slow path is one call;
//! they find what they need through the return address. A `Leaf` is machine code altogether.
//!
//! Two indices are packed as `first | second << 32`.

/// How a builtin treats registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinConv {
    /// System V: caller-saved registers are lost.
    SysV,
    /// Every register is preserved.
    PreservesAll,
    /// The stub is the whole function and does not call the engine. What it preserves is said there.
    Leaf,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*) $(-> $ret:ident)?;
        conv = $conv:ident, traps = $traps:literal, collects = $collects:literal
        $(, throws = $throws:literal)?;)*) => {
        /// A runtime function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[expect(non_camel_case_types, reason = "the names are those of the functions")]
        pub enum Builtin {
            $($(#[$doc])* $name,)*
        }

        impl Builtin {
            /// All builtins in table order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The function's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Whether the function may leave wasm code with a trap.
            #[must_use]
            pub const fn traps(self) -> bool {
                match self { $(Self::$name => $traps,)* }
            }

            /// Whether the function may collect garbage.
            #[must_use]
            pub const fn collects(self) -> bool {
                match self { $(Self::$name => $collects,)* }
            }

            /// Whether the function may throw an exception to its caller.
            #[must_use]
            pub const fn throws(self) -> bool {
                match self { $(Self::$name => false $(|| $throws)?,)* }
            }

            /// How it treats registers.
            #[must_use]
            pub const fn conv(self) -> BuiltinConv {
                match self { $(Self::$name => BuiltinConv::$conv,)* }
            }

            /// Number of arguments after thread context and vmctx.
            #[must_use]
            pub const fn arg_count(self) -> usize {
                match self { $(Self::$name => <[&str]>::len(&[$(stringify!($arg)),*]),)* }
            }

            /// Whether it has a result.
            #[must_use]
            pub const fn has_result(self) -> bool {
                match self { $(Self::$name => builtins!(@ret $($ret)?),)* }
            }
        }

        /// Calls the macro `$with` with all builtin names, for tables of implementations.
        #[macro_export]
        macro_rules! for_each_builtin {
            ($with:ident) => { $with! { $($name)* } };
        }
    };
    (@ret) => { false };
    (@ret $ret:ident) => { true };
}

builtins! {
    /// `memory.grow`: old size in pages or all ones.
    memory_grow(memory, delta) -> u64; conv = SysV, traps = true, collects = false;
    /// `memory.fill`
    memory_fill(memory, dst, value, len); conv = SysV, traps = true, collects = false;
    /// `memory.copy`; first argument packs destination and source memory.
    memory_copy(memories, dst, src, len); conv = SysV, traps = true, collects = false;
    /// `memory.init`; first argument packs memory and data segment.
    memory_init(memory_data, dst, src, len); conv = SysV, traps = true, collects = false;
    /// `data.drop`
    data_drop(data); conv = SysV, traps = false, collects = false;
    /// `table.grow`: old size or all ones.
    table_grow(table, init, delta) -> u64; conv = SysV, traps = true, collects = false;
    /// `table.fill`
    table_fill(table, dst, value, len); conv = SysV, traps = true, collects = false;
    /// `table.copy`; first argument packs destination and source table.
    table_copy(tables, dst, src, len); conv = SysV, traps = true, collects = false;
    /// `table.init`; first argument packs table and element segment.
    table_init(table_elem, dst, src, len); conv = SysV, traps = true, collects = false;
    /// `elem.drop`
    elem_drop(elem); conv = SysV, traps = false, collects = false;
    /// `memory.atomic.notify` at an effective address.
    memory_atomic_notify(memory, address, count) -> u64;
        conv = SysV, traps = true, collects = false;
    /// `memory.atomic.wait32` at an effective address.
    memory_atomic_wait32(memory, address, expected, timeout) -> u64;
        conv = SysV, traps = true, collects = true;
    /// `memory.atomic.wait64` at an effective address.
    memory_atomic_wait64(memory, address, expected, timeout) -> u64;
        conv = SysV, traps = true, collects = true;
    /// The stack limit was hit at a function entry: overflow or a request to interrupt. The mini
    /// frame `push rbp; mov rbp, rsp` stands when it is called.
    stack_check(); conv = PreservesAll, traps = true, collects = false;
    /// The stack limit was hit at a loop header.
    loop_poll(); conv = PreservesAll, traps = true, collects = false;
    /// A hotness counter went below zero. At a loop header it may not come back: the stub then
    /// takes the frame down and goes on in optimised code.
    hot_function(); conv = PreservesAll, traps = true, collects = false;
    /// The fuel is used up.
    out_of_fuel(); conv = PreservesAll, traps = true, collects = false;
    /// `throw` of the exception in [`crate::layout::ThreadContext::exn_buffer`]; does not return.
    throw(); conv = SysV, traps = true, collects = true, throws = true;
    /// `throw_ref`; does not return.
    throw_ref(exn); conv = SysV, traps = true, collects = true, throws = true;
    /// A reference to a copy of the exception in the buffer.
    exn_new() -> u64; conv = SysV, traps = true, collects = true;
    /// Throws an exception that no tag matches, now and then: the `exceptions` zeal mode.
    zeal_throw(); conv = SysV, traps = true, collects = true, throws = true;
    /// Makes room for [`crate::layout::ThreadContext::alloc_request`] bytes at the cursor, which is
    /// 256 KiB at most.
    gc_refill(); conv = PreservesAll, traps = true, collects = true;
    /// A new array of a type of the module, all elements zero.
    array_alloc(ty, length) -> u64; conv = SysV, traps = true, collects = true;
    /// `array.new_data`; first argument packs type and data segment.
    array_new_data(ty_data, offset, length) -> u64; conv = SysV, traps = true, collects = true;
    /// `array.new_elem`; first argument packs type and element segment.
    array_new_elem(ty_elem, offset, length) -> u64; conv = SysV, traps = true, collects = true;
    /// `array.fill` with [`crate::layout::ThreadContext::value`], as it is stored: of functions and
    /// exceptions, their position.
    array_fill(array, index, length); conv = SysV, traps = true, collects = false;
    /// `array.copy`; the third argument packs the indices of destination and source.
    array_copy(dst, src, indices, length); conv = SysV, traps = true, collects = false;
    /// `array.init_data`; the third argument packs the indices in array and segment.
    array_init_data(array, data, indices, length); conv = SysV, traps = true, collects = false;
    /// `array.init_elem`; the third argument packs the indices in array and segment.
    array_init_elem(array, elem, indices, length); conv = SysV, traps = true, collects = true;
    /// Replaces the function record in the low half of [`crate::layout::ThreadContext::value`] by the
    /// position that stands for it in objects, for one without [`crate::layout::FuncRef::heap_index`].
    func_heap_index(); conv = PreservesAll, traps = true, collects = false;
    /// Notes a call in a profile ([`crate::profile`]): of the function whose record `r10` points to, at
    /// the site that is `r11` bytes behind the start of the counters. Preserves all registers but `r11`.
    note_call_target(); conv = Leaf, traps = false, collects = false;
    /// Refills the thread's budget, and charges the counter that is `r11` bytes behind the start of the
    /// counters ([`crate::hotness`]). Below zero, it is a jump to [`Builtin::hot_function`]. Preserves
    /// all registers but `r11`.
    refill_budget(); conv = Leaf, traps = true, collects = false;
    /// Charges the counter that is `r11` bytes behind the start of the counters with what a frame's
    /// budget gets, and as [`Builtin::refill_budget`].
    charge_budget(); conv = Leaf, traps = true, collects = false;
}

/// Number of builtins.
pub const BUILTIN_COUNT: usize = Builtin::ALL.len();

/// Packs two indices into one argument.
#[inline]
#[must_use]
pub const fn pack_indices(first: u32, second: u32) -> u64 {
    first as u64 | (second as u64) << 32
}

/// Takes apart what [`pack_indices`] packed.
#[inline]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "halves of a packed pair")]
pub const fn unpack_indices(packed: u64) -> (u32, u32) {
    (packed as u32, (packed >> 32) as u32)
}
