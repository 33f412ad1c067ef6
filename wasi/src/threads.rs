//! Threads of a guest: `thread-spawn` of [wasi-threads](https://github.com/WebAssembly/wasi-threads).
//!
//! Each thread has a store of its own, and an instance of the guest's module; the instances share the
//! memory that the module imports. A thread is started with the module's export `wasi_thread_start`.
//!
//! A guest ends as a whole: when its main function returns, or when any of its threads calls
//! `proc_exit` or fails. The first of these decides how it ended, and interrupts all others, which may
//! wait in memory or in WASI. What blocks them in other functions of the host has to end by itself.

use crate::error::I32Exit;
use crate::types::Errno;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use upshift::{ExternType, InstancePre, InterruptHandle, Linker, Module, SharedMemory, Store};

/// Threads that a guest can have at once, the main one not counted, unless the host says otherwise.
const DEFAULT_MAX_THREADS: usize = 1024;
/// The largest number of a thread: the interface keeps the upper bits for itself.
const MAX_ID: i32 = 0x1fff_ffff;
/// Stack of a thread, used as it is needed, unless the host says otherwise.
const DEFAULT_STACK_BYTES: usize = 8 << 20;
const MODULE: &str = "wasi";
const SPAWN: &str = "thread-spawn";
const START: &str = "wasi_thread_start";

/// The threads of one guest. See the module head.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use upshift::{Engine, Linker, Module, Store};
/// # use upshift_wasi::{WasiCtx, WasiThreads};
/// # fn main() -> anyhow::Result<()> {
/// # let engine = Engine::default();
/// # let module = Module::from_file(&engine, "program.wasm")?;
/// let wasi = Arc::new(WasiCtx::builder().inherit_stdio().build()?);
/// let mut linker = Linker::new(&engine);
/// upshift_wasi::add_to_linker(&mut linker, |wasi: &mut Arc<WasiCtx>| &**wasi)?;
/// let mut store = Store::new(&engine, Arc::clone(&wasi));
/// let make_store = move || Ok(Store::new(&engine, Arc::clone(&wasi)));
/// let mut threads = WasiThreads::add_to_linker(&mut linker, &mut store, &module, make_store)?;
/// threads.run(&mut store, |store| {
///     let instance = linker.instantiate(&mut *store, &module)?;
///     instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call(store, ())
/// })
/// # }
/// ```
pub struct WasiThreads<T: 'static> {
    group: Arc<Group<T>>,
}

struct Group<T: 'static> {
    module: OnceLock<InstancePre<T>>,
    make_store: Box<dyn Fn() -> Result<Store<T>> + Send + Sync>,
    state: Mutex<State>,
    /// A thread is gone.
    fewer: Condvar,
}

struct State {
    max_threads: usize,
    stack_bytes: usize,
    /// How to interrupt each thread, as soon as it has a store.
    running: HashMap<i32, Option<InterruptHandle>>,
    main: Option<InterruptHandle>,
    last_id: i32,
    ended: bool,
    /// What ended the guest, when it was not its main function.
    error: Option<anyhow::Error>,
}

impl State {
    fn new(main: InterruptHandle) -> Self {
        Self {
            max_threads: DEFAULT_MAX_THREADS,
            stack_bytes: DEFAULT_STACK_BYTES,
            running: HashMap::new(),
            main: Some(main),
            last_id: 0,
            ended: false,
            error: None,
        }
    }

    fn end(&mut self) {
        self.ended = true;
        for handle in self.running.values().flatten().chain(&self.main) {
            handle.interrupt();
        }
    }
}

impl<T: 'static> WasiThreads<T> {
    /// Whether a module wants to start threads.
    #[must_use]
    pub fn are_imported_by(module: &Module) -> bool {
        module.imports().any(|import| import.module() == MODULE && import.name() == SPAWN)
    }

    /// Provides `thread-spawn` to `module`, and the shared memories that it imports. All else that it
    /// imports must be defined before. The main function will run in `store`; `make_store` makes the
    /// store of each other thread, on that thread.
    ///
    /// The memories are within the limits of `store`; where a thread grows one, its own store is asked, so
    /// `make_store` gives each its limiter, if there is to be one.
    ///
    /// # Errors
    /// When one of the names is defined already, when an import is missing, when the store's limiter
    /// refuses a memory, or when there is none.
    pub fn add_to_linker(
        linker: &mut Linker<T>,
        store: &mut Store<T>,
        module: &Module,
        make_store: impl Fn() -> Result<Store<T>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut defined = HashSet::new();
        for import in module.imports() {
            if let ExternType::Memory(ty) = import.ty()
                && ty.shared
                && defined.insert((import.module(), import.name()))
            {
                let memory = SharedMemory::new_within_limits(&mut *store, ty)?;
                linker.define(&*store, import.module(), import.name(), memory)?;
            }
        }
        let group = Arc::new(Group {
            module: OnceLock::new(),
            make_store: Box::new(make_store),
            state: Mutex::new(State::new(store.interrupt_handle())),
            fewer: Condvar::new(),
        });
        // The group has the module's imports, this function among them.
        let weak = Arc::downgrade(&group);
        linker.func_wrap(MODULE, SPAWN, move |argument: i32| {
            let group = weak.upgrade().ok_or(Errno::Again);
            let id = group.and_then(|group| group.spawn(argument));
            id.unwrap_or_else(|errno| -i32::from(errno as u16))
        })?;
        let module = linker.instantiate_pre(module)?;
        group.module.get_or_init(|| module);
        Ok(Self { group })
    }

    /// Sets how many threads the guest can have at once, the main one not counted: 1024 unless set.
    /// To start more fails with `EAGAIN`.
    pub fn max_threads(&mut self, limit: usize) -> &mut Self {
        self.group.lock().max_threads = limit;
        self
    }

    /// Sets the size of the stack of each thread, 8 MiB unless set: what
    /// [`Config::max_wasm_stack`](upshift::Config::max_wasm_stack) allows, and some for the host.
    pub fn stack_size(&mut self, bytes: usize) -> &mut Self {
        self.group.lock().stack_bytes = bytes;
        self
    }

    /// Instantiates the guest and runs its main function, in `main`, and returns when that and all
    /// threads have ended. When another thread ended the guest, the store is interrupted, which `main`
    /// shall give back, also when its function had just returned.
    ///
    /// # Errors
    /// The guest's: what its main function failed with, or the thread that ended it.
    pub fn run<R>(
        &mut self,
        store: &mut Store<T>,
        main: impl FnOnce(&mut Store<T>) -> Result<R>,
    ) -> Result<R> {
        let group = &self.group;
        let mut state = group.lock();
        state.main = Some(store.interrupt_handle());
        // Threads may have been started before, and failed.
        let ended = state.ended;
        drop(state);
        let result = if ended { Err(anyhow!("a thread had ended")) } else { main(store) };
        let mut state = group.lock();
        state.main = None;
        if !state.ended {
            state.end();
        }
        while !state.running.is_empty() {
            state = group.fewer.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.ended = false;
        state.error.take().map_or(result, Err)
    }
}

impl<T: 'static> std::fmt::Debug for WasiThreads<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasiThreads").finish_non_exhaustive()
    }
}

impl<T: 'static> Drop for WasiThreads<T> {
    /// Interrupts threads that run still, but does not wait for them.
    fn drop(&mut self) {
        self.group.lock().end();
    }
}

impl<T: 'static> Group<T> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread; its number.
    fn spawn(self: &Arc<Self>, argument: i32) -> Result<i32, Errno> {
        let (id, stack_bytes) = {
            let mut state = self.lock();
            let full = state.running.len() >= state.max_threads || state.last_id == MAX_ID;
            if state.ended || full {
                return Err(Errno::Again);
            }
            state.last_id += 1;
            let id = state.last_id;
            state.running.insert(id, None);
            (id, state.stack_bytes)
        };
        let group = Arc::clone(self);
        let builder = std::thread::Builder::new().name(format!("wasi-{id}"));
        let spawned = builder.stack_size(stack_bytes).spawn(move || {
            let run = AssertUnwindSafe(|| group.run_thread(id, argument));
            let result = catch_unwind(run).unwrap_or_else(|_| bail!("the host panicked"));
            group.leave(id, result);
        });
        if spawned.is_err() {
            self.leave(id, Ok(()));
            return Err(Errno::Again);
        }
        Ok(id)
    }

    fn run_thread(&self, id: i32, argument: i32) -> Result<()> {
        let module = self.module.get().context("the module is not linked")?;
        let mut store = (self.make_store)()?;
        {
            let mut state = self.lock();
            if state.ended {
                return Ok(());
            }
            state.running.insert(id, Some(store.interrupt_handle()));
        }
        let instance = module.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(i32, i32), ()>(&mut store, START)?;
        start.call(&mut store, (id, argument))
    }

    fn leave(&self, id: i32, result: Result<()>) {
        let mut state = self.lock();
        state.running.remove(&id);
        if let Err(error) = result
            && !state.ended
        {
            let exits = error.chain().any(|cause| cause.is::<I32Exit>());
            let error = if exits { error } else { error.context(format!("thread {id} failed")) };
            state.error = Some(error);
            state.end();
        }
        drop(state);
        self.fewer.notify_all();
    }
}
