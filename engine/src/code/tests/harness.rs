//! Modules of hand-made machine code, and a store that runs them.

use crate::code::common::EntryStub;
use crate::code::{Counters, ModuleCode, ModuleSource, OsrBody, compile_baseline};
use crate::vm::{
    Context, Exit, ExitReason, ExnPtr, FuncPtr, HostFunc, InstanceBox, InstanceHead, InstanceRef,
    Registers, Settings, Slot, Throws, VmHost, enter,
};
use anyhow::Error;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{AssemblyOffset, VecAssembler};
use std::any::Any;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use upshift_abi::builtin::Builtin;
use upshift_abi::code::{CompileError, CompiledFunction, PcMap, Reloc, RelocTarget, TrapMap};
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode as decode_module};
use upshift_abi::hotness::EXACT_ENTRY_COST;
use upshift_abi::index::*;
use upshift_abi::layout::{CanonTypeId, InstanceLayout, MAX_SUPERTYPES, Supertypes, ThreadContext};
use upshift_abi::module::{Body, Module};
use upshift_abi::trap::Trap;
use upshift_abi::types::{FuncType, ValType};
use wasmparser::WasmFeatures;

pub(super) type Asm = VecAssembler<X64Relocation>;

pub(super) fn asm() -> Asm {
    Asm::new(0)
}

/// Displacement of a builtin's stub from r15.
pub(super) fn builtin(builtin: Builtin) -> i32 {
    (offset_of!(ThreadContext, builtins) + builtin as usize * 8).try_into().unwrap()
}

/// One hand-made function.
#[derive(Clone, Default)]
pub(super) struct TestFunc {
    code: Vec<u8>,
    traps: Vec<(u32, Trap)>,
    slots: Vec<(u32, u32)>,
}

impl TestFunc {
    pub(super) fn new(asm: Asm) -> Self {
        Self { code: asm.finalize().unwrap(), ..Self::default() }
    }

    pub(super) fn trap(mut self, at: AssemblyOffset, trap: Trap) -> Self {
        self.traps.push((at.0.try_into().unwrap(), trap));
        self
    }

    /// The four bytes before `end` refer to the entry slot of function `target`.
    pub(super) fn slot(mut self, end: AssemblyOffset, target: u32) -> Self {
        self.slots.push((u32::try_from(end.0).unwrap() - 4, target));
        self
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let count = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        bytes.extend(count(self.traps.len()));
        for &(offset, trap) in &self.traps {
            bytes.extend(offset.to_le_bytes());
            bytes.extend((trap as u32).to_le_bytes());
        }
        bytes.extend(count(self.slots.len()));
        for (offset, target) in &self.slots {
            bytes.extend(offset.to_le_bytes());
            bytes.extend(target.to_le_bytes());
        }
        bytes.extend(&self.code);
        bytes
    }
}

pub(super) static COMPILED: AtomicUsize = AtomicUsize::new(0);

/// "Compiles" the bytes that [`TestFunc::encode`] made.
fn decode(input: &FunctionInput<'_>) -> Result<CompiledFunction, CompileError> {
    let bytes = &input.bytes[input.module.bodies[input.func.index()].range.clone()];
    let mut words = bytes.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap()));
    let mut read = 0;
    let mut next = || {
        read += 4;
        words.next().unwrap()
    };
    let traps =
        (0..next()).map(|_| (next(), Trap::from_u8(next().to_le_bytes()[0]).unwrap())).collect();
    let relocs = (0..next())
        .map(|_| Reloc { offset: next(), target: RelocTarget::EntrySlot(DefinedFuncIndex(next())) })
        .collect();
    COMPILED.fetch_add(1, Ordering::SeqCst);
    std::thread::sleep(std::time::Duration::from_millis(1));
    let start = u32::try_from(input.module.bodies[input.func.index()].range.start).unwrap();
    Ok(CompiledFunction {
        code: bytes[read..].to_vec(),
        traps: TrapMap::from_unsorted(traps),
        relocs,
        pcs: PcMap::from_unsorted(vec![(0, start)]),
        ..CompiledFunction::default()
    })
}

pub(super) fn module_code(funcs: &[TestFunc]) -> Arc<ModuleCode> {
    let mut bytes = Vec::new();
    let mut module = Module::default();
    for (i, func) in funcs.iter().enumerate() {
        let start = bytes.len();
        bytes.extend(func.encode());
        let range = start..bytes.len();
        module.bodies.push(Body {
            range,
            loops: Box::default(),
            first_loop: 0,
            branch_hints: Box::default(),
            rethrows: false,
        });
        module.funcs.push(TypeIndex(0));
        module.escaping_funcs.push(FuncIndex::new(i));
    }
    let layout = Arc::new(InstanceLayout::of(&module));
    let source = ModuleSource {
        counters: Arc::new(Counters::of(&module, false)),
        module: Arc::new(module),
        bytes: Arc::new(bytes),
        layout,
        config: Arc::new(CodegenConfig::default()),
        names: Arc::default(),
    };
    ModuleCode::new(source, decode, None, None).unwrap()
}

/// A module of the baseline tier.
pub(super) fn baseline_code(wat: &str, config: CodegenConfig) -> Arc<ModuleCode> {
    let bytes = wat::parse_str(wat).unwrap();
    let options = DecodeOptions {
        features: WasmFeatures::all().difference(WasmFeatures::SHARED_EVERYTHING_THREADS),
        objects: true,
        parallel: false,
    };
    let module = decode_module(&bytes, &options).unwrap();
    let layout = Arc::new(InstanceLayout::of(&module));
    let source = ModuleSource {
        counters: Arc::new(Counters::of(&module, false)),
        module: Arc::new(module),
        bytes: Arc::new(bytes),
        layout,
        config: Arc::new(config),
        names: Arc::default(),
    };
    ModuleCode::new(source, compile_baseline, None, None).unwrap()
}

type OnInterrupt = Box<dyn FnMut(u32) -> Result<(), Error> + Send>;

/// A store with one instance of one module.
pub(super) struct TestStore {
    pub(super) context: Context,
    pub(super) code: Arc<ModuleCode>,
    instance: InstanceBox,
    /// What was reported hot, and the loop.
    pub(super) hot: Vec<(DefinedFuncIndex, Option<u32>)>,
    /// What counters are set to when a report finds no OSR body.
    pub(super) again: Option<i32>,
    pub(super) panics_when_hot: bool,
    pub(super) on_interrupt: OnInterrupt,
}

static NO_SUPERTYPES: Supertypes = Supertypes { ids: [CanonTypeId::NONE; MAX_SUPERTYPES] };

impl TestStore {
    pub(super) fn new(code: &Arc<ModuleCode>) -> Self {
        let layout = &code.source().layout;
        let head = InstanceHead {
            id: 7,
            counters: code.counters(),
            type_ids: &[],
            heap: std::ptr::null_mut(),
            descriptors: std::ptr::null(),
        };
        let instance = InstanceBox::new(layout, head);
        for i in 0..code.source().module.bodies.len() {
            let stub = code.stub(DefinedFuncIndex::new(i));
            let id = CanonTypeId(0);
            instance.instance().set_func_record(
                layout,
                FuncIndex::new(i),
                stub,
                (id, &NO_SUPERTYPES),
            );
        }
        Self {
            context: Context::new(Settings { max_stack_bytes: 256 << 10, ..Settings::default() }),
            code: Arc::clone(code),
            instance,
            hot: Vec::new(),
            again: None,
            panics_when_hot: false,
            on_interrupt: Box::new(|_| Err(Trap::Interrupt.into())),
        }
    }

    pub(super) fn of(funcs: &[TestFunc]) -> Self {
        Self::new(&module_code(funcs))
    }

    pub(super) fn func(&self, index: u32) -> FuncPtr {
        let layout = &self.code.source().layout;
        self.instance.instance().func_record(layout, FuncIndex(index)).unwrap()
    }

    pub(super) fn call(
        &mut self,
        func: FuncPtr,
        ty: &FuncType,
        args: &[Slot],
    ) -> Result<Vec<Slot>, Exit> {
        let stub = EntryStub::of(ty);
        let trampoline = stub.trampoline();
        let mut slots = vec![[0xdead; 2]; trampoline.slots()];
        slots[..args.len()].copy_from_slice(args);
        enter(self, trampoline, func, &mut slots)?;
        slots.truncate(ty.results.len());
        Ok(slots)
    }

    /// Lets the counter of a function go below zero at the first loop header after its next entry.
    pub(super) fn heat(&self, index: u32) {
        self.set_counter(index, EXACT_ENTRY_COST.into());
    }

    /// Sets the counter of a function.
    pub(super) fn set_counter(&self, index: u32, value: i32) {
        self.instance.instance().counter(DefinedFuncIndex(index)).store(value, Ordering::Relaxed);
    }

    /// The counter of a function.
    pub(super) fn counter(&self, index: u32) -> i32 {
        self.instance.instance().counter(DefinedFuncIndex(index)).load(Ordering::Relaxed)
    }

    /// Calls function `index`, with integer parameters and one integer result.
    pub(super) fn run(&mut self, index: u32, args: &[u64]) -> Result<u64, Exit> {
        let ty = FuncType::new(vec![ValType::I64; args.len()], [ValType::I64]);
        let args: Vec<Slot> = args.iter().map(|&arg| [arg, 0]).collect();
        Ok(self.call(self.func(index), &ty, &args)?[0][0])
    }
}

pub(super) fn trap_of(exit: &Exit) -> Trap {
    match &exit.reason {
        ExitReason::Error(error) => *error.downcast_ref::<Trap>().unwrap(),
        ExitReason::Panic(_) => panic!("a panic, not a trap"),
    }
}

/// What a test's host function does with the store and the slots.
pub(super) fn host(
    ty: &FuncType,
    body: impl Fn(&mut TestStore, &mut [Slot]) -> Result<(), Error> + Send + Sync + 'static,
) -> Box<HostFunc> {
    let body = move |host: &mut dyn VmHost, slots: &mut [Slot]| {
        body(host.as_any_mut().downcast_mut::<TestStore>().unwrap(), slots)
    };
    HostFunc::new(ty, (CanonTypeId(0), &NO_SUPERTYPES), Box::new(body))
}

impl VmHost for TestStore {
    fn context(&self) -> &Context {
        &self.context
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn memory_grow(
        &mut self,
        instance: InstanceRef,
        memory: MemoryIndex,
        delta: u64,
    ) -> Result<Option<u64>, Error> {
        assert_eq!((instance.id(), memory), (7, MemoryIndex(3)));
        match delta {
            0 => Err(Trap::AllocationTooLarge.into()),
            1 => Ok(None),
            _ => Ok(Some(delta * 2)),
        }
    }

    fn memory_fill(
        &mut self,
        _: InstanceRef,
        _: MemoryIndex,
        _: u64,
        _: u8,
        _: u64,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn memory_copy(
        &mut self,
        _: InstanceRef,
        _: (MemoryIndex, MemoryIndex),
        _: u64,
        _: u64,
        _: u64,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn memory_init(
        &mut self,
        _: InstanceRef,
        _: (MemoryIndex, DataIndex),
        _: u64,
        _: u64,
        _: u64,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn data_drop(&mut self, _: InstanceRef, _: DataIndex) {}

    fn table_grow(
        &mut self,
        _: InstanceRef,
        _: TableIndex,
        _: u64,
        _: u64,
    ) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    fn table_fill(
        &mut self,
        _: InstanceRef,
        _: TableIndex,
        _: u64,
        _: u64,
        _: u64,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn table_copy(
        &mut self,
        _: InstanceRef,
        _: (TableIndex, TableIndex),
        _: u64,
        _: u64,
        _: u64,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn table_init(
        &mut self,
        _: InstanceRef,
        _: (TableIndex, ElemIndex),
        _: u64,
        _: u64,
        _: u64,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn elem_drop(&mut self, _: InstanceRef, _: ElemIndex) {}

    fn memory_atomic_notify(
        &mut self,
        _: InstanceRef,
        _: MemoryIndex,
        _: u64,
        count: u32,
    ) -> Result<u32, Error> {
        Ok(count)
    }

    fn memory_atomic_wait32(
        &mut self,
        _: InstanceRef,
        _: MemoryIndex,
        _: u64,
        _: u32,
        _: i64,
    ) -> Result<u32, Error> {
        Ok(1)
    }

    fn memory_atomic_wait64(
        &mut self,
        _: InstanceRef,
        _: MemoryIndex,
        _: u64,
        _: u64,
        _: i64,
    ) -> Result<u32, Error> {
        Ok(2)
    }

    fn interrupted(&mut self, bits: u32) -> Result<(), Error> {
        (self.on_interrupt)(bits)
    }

    fn copy_exception(&mut self) -> Result<ExnPtr, Error> {
        unreachable!("no test of this harness throws")
    }

    fn uncaught(&mut self, _: ExnPtr) -> Error {
        unreachable!("no test of this harness throws")
    }

    fn thrown(&self, _: &Error) -> Option<ExnPtr> {
        None
    }

    fn gc_refill(&mut self, _: u32, _: Registers) -> Result<(), Error> {
        unreachable!("no test of this harness has objects")
    }

    fn func_heap_index(&mut self, _: FuncPtr) -> Result<u32, Error> {
        unreachable!("no test of this harness has objects")
    }

    fn array_alloc(&mut self, _: InstanceRef, _: TypeIndex, _: u32) -> Result<u32, Error> {
        unreachable!("no test of this harness has objects")
    }

    fn array_new_data(
        &mut self,
        _: InstanceRef,
        _: TypeIndex,
        _: DataIndex,
        _: (u32, u32),
    ) -> Result<u32, Error> {
        unreachable!("no test of this harness has objects")
    }

    fn array_new_elem(
        &mut self,
        _: InstanceRef,
        _: TypeIndex,
        _: ElemIndex,
        _: (u32, u32),
    ) -> Result<u32, Error> {
        unreachable!("no test of this harness has objects")
    }

    fn array_fill(&mut self, _: u64, _: u32, _: u32) -> Result<(), Error> {
        unreachable!("no test of this harness has objects")
    }

    fn array_copy(&mut self, _: (u64, u64), _: (u32, u32), _: u32) -> Result<(), Error> {
        unreachable!("no test of this harness has objects")
    }

    fn array_init_data(
        &mut self,
        _: (InstanceRef, DataIndex),
        _: u64,
        _: (u32, u32),
        _: u32,
    ) -> Result<(), Error> {
        unreachable!("no test of this harness has objects")
    }

    fn array_init_elem(
        &mut self,
        _: (InstanceRef, ElemIndex),
        _: u64,
        _: (u32, u32),
        _: u32,
    ) -> Result<(), Error> {
        unreachable!("no test of this harness has objects")
    }

    fn threw(&self, _: Throws) {
        unreachable!("nobody wants events of this harness")
    }

    fn zeal_throws(&mut self) -> bool {
        false
    }

    fn out_of_fuel(&mut self) -> Result<(), Error> {
        Err(Trap::OutOfFuel.into())
    }

    fn hot_function(
        &mut self,
        instance: InstanceRef,
        func: DefinedFuncIndex,
        loop_offset: Option<u32>,
    ) -> Option<OsrBody> {
        assert!(!self.panics_when_hot, "as asked for");
        self.hot.push((func, loop_offset));
        let body = loop_offset.and_then(|offset| self.code.osr_body(func, offset));
        let again = self.again.filter(|_| body.is_none()).unwrap_or(i32::MAX);
        instance.counter(func).store(again, Ordering::Relaxed);
        body
    }
}
