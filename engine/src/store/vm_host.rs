//! The store as machine code's runtime functions see it.

use super::StoreBox;
use crate::Result;
use crate::api::exception::Exception;
use crate::builtin::{atomics, memory, object, poll, table};
use crate::code::OsrBody;
use crate::instantiate::limits;
use crate::vm::{Context, ExnHeap, ExnPtr, FuncPtr, InstanceRef, Registers, Throws, VmHost};
use std::any::Any;
use upshift_abi::index::{
    DataIndex, DefinedFuncIndex, ElemIndex, MemoryIndex, TableIndex, TypeIndex,
};

impl<T: 'static> StoreBox<T> {
    /// Asks the limiter, if there is one, before an object of `bytes` is made.
    fn ask_for_heap(&mut self, bytes: u64) -> Result<()> {
        match self.limiter {
            Some(_) => limits::grow_heap(self, bytes),
            None => Ok(()),
        }
    }

    /// The same for an array.
    fn ask_for_array(&mut self, instance: InstanceRef, ty: TypeIndex, length: u32) -> Result<()> {
        if self.limiter.is_none() {
            return Ok(());
        }
        let module = &self.inner.entities.instance_of(instance).module;
        let bytes = module.declarations().array(ty).size_bytes(length);
        self.ask_for_heap(bytes)
    }
}

impl<T: 'static> VmHost for StoreBox<T> {
    fn context(&self) -> &Context {
        self.inner.context()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn memory_grow(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        delta: u64,
    ) -> Result<Option<u64>> {
        memory::grow(self, instance, memory, delta)
    }

    fn memory_fill(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        dst: u64,
        value: u8,
        len: u64,
    ) -> Result<()> {
        memory::fill(&mut self.inner, instance, memory, (dst, value, len))
    }

    fn memory_copy(
        &mut self,
        instance: InstanceRef,
        memories: (MemoryIndex, MemoryIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<()> {
        memory::copy(&mut self.inner, instance, memories, (dst, src, len))
    }

    fn memory_init(
        &mut self,
        instance: InstanceRef,
        memory_data: (MemoryIndex, DataIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<()> {
        memory::init(&mut self.inner, instance, memory_data, (dst, src, len))
    }

    fn data_drop(&mut self, instance: InstanceRef, data: DataIndex) {
        memory::data_drop(&mut self.inner, instance, data);
    }

    fn table_grow(
        &mut self,
        instance: InstanceRef,
        table: TableIndex,
        init: u64,
        delta: u64,
    ) -> Result<Option<u64>> {
        table::grow(self, instance, table, (init, delta))
    }

    fn table_fill(
        &mut self,
        instance: InstanceRef,
        table: TableIndex,
        dst: u64,
        value: u64,
        len: u64,
    ) -> Result<()> {
        table::fill(&mut self.inner, instance, table, (dst, value, len))
    }

    fn table_copy(
        &mut self,
        instance: InstanceRef,
        tables: (TableIndex, TableIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<()> {
        table::copy(&mut self.inner, instance, tables, (dst, src, len))
    }

    fn table_init(
        &mut self,
        instance: InstanceRef,
        table_elem: (TableIndex, ElemIndex),
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<()> {
        table::init(&mut self.inner, instance, table_elem, (dst, src, len))
    }

    fn elem_drop(&mut self, instance: InstanceRef, elem: ElemIndex) {
        table::elem_drop(&mut self.inner, instance, elem);
    }

    fn memory_atomic_notify(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        address: u64,
        count: u32,
    ) -> Result<u32> {
        atomics::notify(&self.inner, instance, memory, (address, count))
    }

    fn memory_atomic_wait32(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        address: u64,
        expected: u32,
        timeout: i64,
    ) -> Result<u32> {
        atomics::wait32(self, instance, memory, (address, expected, timeout))
    }

    fn memory_atomic_wait64(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        address: u64,
        expected: u64,
        timeout: i64,
    ) -> Result<u32> {
        atomics::wait64(self, instance, memory, (address, expected, timeout))
    }

    fn copy_exception(&mut self) -> Result<ExnPtr> {
        self.inner.new_exception(ExnHeap::copy_buffer)
    }

    fn uncaught(&mut self, exn: ExnPtr) -> crate::Error {
        match Exception::new(&mut self.inner, exn) {
            Ok(exception) => crate::Error::new(exception),
            Err(refused) => refused.into(),
        }
    }

    fn thrown(&self, error: &crate::Error) -> Option<ExnPtr> {
        Exception::in_error(&self.inner, error)
    }

    fn threw(&self, throws: Throws) {
        self.inner.tell_of_throws(throws);
    }

    fn zeal_throws(&mut self) -> bool {
        self.inner.exceptions.zeal_throws()
    }

    fn gc_refill(&mut self, bytes: u32, registers: Registers) -> Result<()> {
        self.ask_for_heap(0)?;
        self.inner.refill(bytes, Some(registers))
    }

    fn func_heap_index(&mut self, func: FuncPtr) -> Result<u32> {
        self.inner.func_position(func)
    }

    fn array_alloc(&mut self, instance: InstanceRef, ty: TypeIndex, length: u32) -> Result<u32> {
        self.ask_for_array(instance, ty, length)?;
        object::new_default(&mut self.inner, instance, ty, length)
    }

    fn array_new_data(
        &mut self,
        instance: InstanceRef,
        ty: TypeIndex,
        data: DataIndex,
        range: (u32, u32),
    ) -> Result<u32> {
        self.ask_for_array(instance, ty, range.1)?;
        object::new_data(&mut self.inner, (instance, data), ty, range)
    }

    fn array_new_elem(
        &mut self,
        instance: InstanceRef,
        ty: TypeIndex,
        elem: ElemIndex,
        range: (u32, u32),
    ) -> Result<u32> {
        self.ask_for_array(instance, ty, range.1)?;
        object::new_elem(&mut self.inner, (instance, elem), ty, range)
    }

    fn array_fill(&mut self, array: u64, index: u32, length: u32) -> Result<()> {
        object::fill(&mut self.inner, array, index, length)
    }

    fn array_copy(&mut self, arrays: (u64, u64), indices: (u32, u32), length: u32) -> Result<()> {
        object::copy(&mut self.inner, arrays, indices, length)
    }

    fn array_init_data(
        &mut self,
        segment: (InstanceRef, DataIndex),
        array: u64,
        indices: (u32, u32),
        length: u32,
    ) -> Result<()> {
        object::init_data(&mut self.inner, segment, array, indices, length)
    }

    fn array_init_elem(
        &mut self,
        segment: (InstanceRef, ElemIndex),
        array: u64,
        indices: (u32, u32),
        length: u32,
    ) -> Result<()> {
        object::init_elem(&mut self.inner, segment, array, indices, length)
    }

    fn interrupted(&mut self, _bits: u32) -> Result<()> {
        poll::interrupted(self)
    }

    fn out_of_fuel(&mut self) -> Result<()> {
        poll::out_of_fuel(self)
    }

    fn hot_function(
        &mut self,
        instance: InstanceRef,
        func: DefinedFuncIndex,
        loop_offset: Option<u32>,
    ) -> Option<OsrBody> {
        let code = self.inner.entities.instance_of(instance).module.code();
        crate::tier::hot(code, func, loop_offset);
        let body = code.osr_body(func, loop_offset?)?;
        code.note_osr_entry(func, loop_offset?);
        Some(body)
    }
}
