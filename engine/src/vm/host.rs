//! What the machine code's runtime functions need from the store.
//!
//! The extern "C" functions that machine code calls are in [`super::shims`]. Each turns its raw
//! arguments into handles and calls a method of [`VmHost`], which the store implements in safe
//! code. An `Err` or a panic becomes the [`Exit`] of the innermost [`super::enter`].

use super::context::Context;
use super::exception::ExnPtr;
use super::func::FuncPtr;
use super::instance::InstanceRef;
use super::raise::Throws;
use super::roots::Registers;
use super::unwind::Frame;
use crate::code::OsrBody;
use anyhow::Error;
use std::any::Any;
use upshift_abi::index::{
    DataIndex, DefinedFuncIndex, ElemIndex, MemoryIndex, TableIndex, TypeIndex,
};

/// The store, as the runtime functions of machine code see it.
///
/// The instance is the one whose code makes the call. Addresses and lengths are those of the
/// operators, zero-extended; they are not checked yet. A trap is an `Err` whose cause is a
/// [`upshift_abi::trap::Trap`].
pub(crate) trait VmHost: Any {
    /// The store's execution context.
    fn context(&self) -> &Context;

    /// The store itself, for host functions that know its type.
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// `memory.grow`: the old size in pages, `None` when it does not grow.
    fn memory_grow(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        delta: u64,
    ) -> Result<Option<u64>, Error>;

    /// `memory.fill`
    fn memory_fill(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        dst: u64,
        value: u8,
        len: u64,
    ) -> Result<(), Error>;

    /// `memory.copy`; `memories` are destination and source.
    fn memory_copy(
        &mut self,
        instance: InstanceRef,
        memories: (MemoryIndex, MemoryIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), Error>;

    /// `memory.init`
    fn memory_init(
        &mut self,
        instance: InstanceRef,
        memory_data: (MemoryIndex, DataIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), Error>;

    /// `data.drop`
    fn data_drop(&mut self, instance: InstanceRef, data: DataIndex);

    /// `table.grow`: the old size, `None` when it does not grow.
    fn table_grow(
        &mut self,
        instance: InstanceRef,
        table: TableIndex,
        init: u64,
        delta: u64,
    ) -> Result<Option<u64>, Error>;

    /// `table.fill`
    fn table_fill(
        &mut self,
        instance: InstanceRef,
        table: TableIndex,
        dst: u64,
        value: u64,
        len: u64,
    ) -> Result<(), Error>;

    /// `table.copy`; `tables` are destination and source.
    fn table_copy(
        &mut self,
        instance: InstanceRef,
        tables: (TableIndex, TableIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), Error>;

    /// `table.init`
    fn table_init(
        &mut self,
        instance: InstanceRef,
        table_elem: (TableIndex, ElemIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), Error>;

    /// `elem.drop`
    fn elem_drop(&mut self, instance: InstanceRef, elem: ElemIndex);

    /// `memory.atomic.notify`: the number of waiters woken.
    fn memory_atomic_notify(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        address: u64,
        count: u32,
    ) -> Result<u32, Error>;

    /// `memory.atomic.wait32`; a negative timeout waits forever, others are nanoseconds.
    fn memory_atomic_wait32(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        address: u64,
        expected: u32,
        timeout: i64,
    ) -> Result<u32, Error>;

    /// `memory.atomic.wait64`
    fn memory_atomic_wait64(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        address: u64,
        expected: u64,
        timeout: i64,
    ) -> Result<u32, Error>;

    /// A reference to a copy of the exception in the thread's buffer.
    fn copy_exception(&mut self) -> Result<ExnPtr, Error>;

    /// The error that an exception without a handler becomes.
    fn uncaught(&mut self, exn: ExnPtr) -> Error;

    /// The exception that an error of a host function carries.
    fn thrown(&self, error: &Error) -> Option<ExnPtr>;

    /// Exceptions were thrown, and it is time to tell of them.
    fn threw(&self, throws: Throws);

    /// Whether the `exceptions` zeal mode throws at this call.
    fn zeal_throws(&mut self) -> bool;

    /// Makes room for `bytes` at the thread's cursor; may collect.
    fn gc_refill(&mut self, bytes: u32, registers: Registers) -> Result<(), Error>;

    /// The position that stands for a function in objects.
    fn func_heap_index(&mut self, func: FuncPtr) -> Result<u32, Error>;

    /// A new array of zeros; may collect.
    fn array_alloc(
        &mut self,
        instance: InstanceRef,
        ty: TypeIndex,
        length: u32,
    ) -> Result<u32, Error>;

    /// `array.new_data` with offset and length; may collect.
    fn array_new_data(
        &mut self,
        instance: InstanceRef,
        ty: TypeIndex,
        data: DataIndex,
        range: (u32, u32),
    ) -> Result<u32, Error>;

    /// `array.new_elem` with offset and length; may collect.
    fn array_new_elem(
        &mut self,
        instance: InstanceRef,
        ty: TypeIndex,
        elem: ElemIndex,
        range: (u32, u32),
    ) -> Result<u32, Error>;

    /// `array.fill` with the value that the thread passes.
    fn array_fill(&mut self, array: u64, index: u32, length: u32) -> Result<(), Error>;

    /// `array.copy`; arrays and indices are those of destination and source.
    fn array_copy(
        &mut self,
        arrays: (u64, u64),
        indices: (u32, u32),
        length: u32,
    ) -> Result<(), Error>;

    /// `array.init_data`; indices are those in array and segment.
    fn array_init_data(
        &mut self,
        segment: (InstanceRef, DataIndex),
        array: u64,
        indices: (u32, u32),
        length: u32,
    ) -> Result<(), Error>;

    /// `array.init_elem`; indices are those in array and segment.
    fn array_init_elem(
        &mut self,
        segment: (InstanceRef, ElemIndex),
        array: u64,
        indices: (u32, u32),
        length: u32,
    ) -> Result<(), Error>;

    /// An interruption was requested with these bits ([`super::Interrupter::request`]); each
    /// request is seen at least once. `Ok` goes on with the program.
    fn interrupted(&mut self, bits: u32) -> Result<(), Error>;

    /// The fuel went below zero; `Ok` goes on (after [`Context::set_fuel`]).
    fn out_of_fuel(&mut self) -> Result<(), Error>;

    /// A function's counter went below zero, at its entry or at the header of the loop at
    /// `loop_offset`; it was re-armed to its maximum before. At a loop, the code to go on in
    /// instead of the baseline's, if there is any.
    fn hot_function(
        &mut self,
        instance: InstanceRef,
        func: DefinedFuncIndex,
        loop_offset: Option<u32>,
    ) -> Option<OsrBody>;
}

/// Why machine code was left without a result.
#[derive(Debug)]
pub(crate) struct Exit {
    /// What happened.
    pub(crate) reason: ExitReason,
    /// The wasm frames of all activations of the store at that moment, innermost first. Symbolise
    /// them with `code::frames` while the store is alive.
    pub(crate) frames: Vec<Frame>,
}

/// See [`Exit`].
#[derive(Debug)]
pub(crate) enum ExitReason {
    /// A trap (then the cause is a [`upshift_abi::trap::Trap`]) or the error of a host function.
    Error(Error),
    /// A host function panicked; to be given to `resume_unwind` in the caller of wasm.
    Panic(Box<dyn Any + Send>),
}
