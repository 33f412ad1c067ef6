//! Upshift: a tiered WebAssembly engine for Rust programs.
//!
//! The names are those that users of other engines for Rust know: an [`Engine`] holds what is
//! fixed ([`Config`]) and shared, a [`Module`] is compiled once per engine, a [`Store`] owns
//! instances and the host's data, a [`Linker`] provides imports.
//!
//! ```
//! use upshift::{Engine, Linker, Module, Store};
//!
//! let engine = Engine::default();
//! let module = Module::new(
//!     &engine,
//!     r#"(module
//!         (import "host" "offset" (func $offset (result i32)))
//!         (func (export "add") (param i32) (result i32)
//!             (i32.add (local.get 0) (call $offset))))"#,
//! )?;
//! let mut linker = Linker::new(&engine);
//! linker.func_wrap("host", "offset", |caller: upshift::Caller<'_, i32>| *caller.data())?;
//! let mut store = Store::new(&engine, 40);
//! let instance = linker.instantiate(&mut store, &module)?;
//! let add = instance.get_typed_func::<i32, i32>(&mut store, "add")?;
//! assert_eq!(add.call(&mut store, 2)?, 42);
//! # Ok::<(), upshift::Error>(())
//! ```
//!
//! # Safety
//! All unsafe code of the engine lies in one private module; everything else is checked by the
//! compiler to be safe code.

#![deny(unsafe_code)]

mod api;
mod builtin;
mod canon;
mod code;
mod cpu;
mod fallible;
mod gc;
mod instantiate;
mod store;
mod tier;
#[expect(unsafe_code, reason = "the unsafe kernel; see its module head for the invariants")]
mod vm;

pub use anyhow::{Error, Result};
pub use api::anyref::{AnyRef, I31, OwnedRef};
pub use api::arrayref::ArrayRef;
pub use api::backtrace::{FrameInfo, WasmBacktrace};
pub use api::caller::Caller;
pub use api::config::{Config, Tier};
pub use api::engine::{Engine, EngineWeak};
pub use api::eqref::EqRef;
pub use api::exception::{Exception, ExnRef, RootScope};
pub use api::externref::ExternRef;
pub use api::externs::{Extern, ExternType};
pub use api::func::Func;
pub use api::function_set::FunctionSet;
pub use api::global::Global;
pub use api::instance::{Export, Instance, InstancePre};
pub use api::interrupt::{InterruptHandle, Interruption, UpdateDeadline};
pub use api::into_func::IntoFunc;
pub use api::js_string::JsString;
pub use api::limits::{
    DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT, ResourceLimiter,
    StoreLimits, StoreLimitsBuilder,
};
pub use api::link_error::LinkError;
pub use api::linker::Linker;
pub use api::memory::{Memory, MemoryAccessError};
pub use api::module::{ExportType, ImportType, Module};
pub use api::module_stats::{CodeDump, CompileStats, InlinedBody, ModuleStats};
pub use api::object_type::{ArrayType, Finality, StructType, TypeError};
pub use api::profiling::{
    ActivationProbe, BlockCount, CodeLocation, CodeRange, ExceptionStats, ThrowSite, TurnCount,
    is_machine_code, stub_name,
};
pub use api::shared_memory::{SharedMemory, WaitResult};
pub use api::store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use api::structref::StructRef;
pub use api::table::Table;
pub use api::tag::Tag;
pub use api::type_mismatch::TypeMismatch;
pub use api::typed_func::TypedFunc;
pub use api::val::{Ref, V128, Val};
pub use api::wasm_ty::{WasmParams, WasmResults, WasmRet, WasmTy};
pub use api::zeal::Zeal;
pub use code::observer::{CodeKind, CodeObserver, PublishedCode};
pub use gc::CollectorKind;
pub use gc::stats::{GcStats, PauseStats};
pub use tier::event::{CollectionKind, Event, EventKind, EventObserver, TierRejection};
pub use tier::policy::Policy;
pub use upshift_abi::decode::DecodeError;
pub use upshift_abi::trap::Trap;
pub use upshift_abi::types::{
    FieldType, FuncType, GlobalType, HeapType, MemoryType, RefType, StorageType, TableType, ValType,
};
pub use vm::code_memory::CODE_MAPPING_NAME;
pub use wasmparser::WasmFeatures;
