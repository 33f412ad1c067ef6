//! The directives of a test script, one by one.

use super::threads::{Outcome, Threads, Watchdog};
use super::{Note, spectest, values};
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::thread::Scope;
use upshift::{
    DecodeError, Engine, Exception, Extern, Instance, LinkError, Linker, Module, SharedMemory,
    Store, Trap, Val,
};
use wast::token::Id;
use wast::{QuoteWat, QuoteWatTest, WastDirective, WastExecute, WastInvoke, WastThread, Wat};

/// What became of a directive that did not fail.
enum Verdict {
    Passed,
    Skipped(&'static str),
}

/// Something that a script refers to by `$name`.
enum Named {
    /// An instance of the script.
    Instance(Instance),
    /// What a thread sees of a module of its parent: its shared memories.
    Shared(Vec<(String, SharedMemory)>),
}

/// The state of a script, or of one of its threads, between two directives.
pub(super) struct Runner<'scope, 'env> {
    engine: &'env Engine,
    text: &'env str,
    scope: &'scope Scope<'scope, 'env>,
    watchdog: &'env Watchdog,
    store: Store<()>,
    linker: Linker<()>,
    /// The instance made last: what directives without a name mean.
    current: Option<Instance>,
    named: HashMap<String, Named>,
    last_definition: Option<Module>,
    definitions: HashMap<String, Module>,
    threads: Threads<'scope>,
    outcome: Outcome,
}

impl<'scope, 'env> Runner<'scope, 'env> {
    /// A runner that has seen no directive yet.
    pub(super) fn new(
        engine: &'env Engine,
        text: &'env str,
        scope: &'scope Scope<'scope, 'env>,
        watchdog: &'env Watchdog,
    ) -> Self {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store).expect("the definitions are valid");
        watchdog.add(store.interrupt_handle());
        Self {
            engine,
            text,
            scope,
            watchdog,
            store,
            linker,
            current: None,
            named: HashMap::new(),
            last_definition: None,
            definitions: HashMap::new(),
            threads: Threads::new(),
            outcome: Outcome::default(),
        }
    }

    /// Runs directives and notes what became of each.
    pub(super) fn run(&mut self, directives: Vec<WastDirective<'env>>) {
        for directive in directives {
            let span = directive.span();
            match self.directive(directive) {
                Ok(Verdict::Passed) => self.outcome.passed += 1,
                Ok(Verdict::Skipped(reason)) => {
                    let note = self.note(span, reason.to_owned());
                    self.outcome.skips.push(note);
                }
                Err(error) => {
                    let note = self.note(span, format!("{error:#}"));
                    self.outcome.failures.push(note);
                }
            }
        }
    }

    /// Waits for the threads that the script did not wait for, and gives the results.
    pub(super) fn finish(mut self) -> Outcome {
        let names: Vec<String> = self.threads.keys().cloned().collect();
        for name in names {
            if let Err(error) = self.wait(&name) {
                self.outcome.failures.push(Note { line: 0, message: format!("{error:#}") });
            }
        }
        self.outcome
    }

    fn note(&self, span: wast::token::Span, message: String) -> Note {
        Note { line: span.linecol_in(self.text).0 + 1, message }
    }

    fn directive(&mut self, directive: WastDirective<'env>) -> Result<Verdict> {
        match directive {
            WastDirective::Module(module) => self.module(module)?,
            WastDirective::ModuleDefinition(module) => self.definition(module)?,
            WastDirective::ModuleInstance { instance, module, .. } => {
                self.instance(instance, module)?;
            }
            WastDirective::Register { name, module, .. } => self.register(name, module)?,
            WastDirective::Invoke(invoke) => {
                self.invoke(&invoke)?;
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                let actual = self.execute(exec)?;
                values::check_results(&self.store, &actual, &results)?;
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let result = self.execute(exec);
                check_trap(&result, message)?;
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let result = self.invoke(&call);
                check_trap(&result, message)?;
            }
            WastDirective::AssertMalformed { module, message, .. } => {
                self.assert_rejected(module, message)?;
            }
            WastDirective::AssertInvalid { module, message, .. } => {
                self.assert_rejected(module, message)?;
            }
            WastDirective::AssertUnlinkable { module, message, .. } => {
                self.assert_unlinkable(module, message)?;
            }
            WastDirective::Thread(thread) => self.spawn(thread)?,
            WastDirective::Wait { thread, .. } => self.wait(thread.name())?,
            WastDirective::AssertException { exec, .. } => {
                let result = self.execute(exec);
                check_exception(&result)?;
            }
            WastDirective::AssertSuspension { .. } => {
                return Ok(Verdict::Skipped("continuations are not supported"));
            }
            WastDirective::AssertInvalidCustom { module, .. } => self.custom_is_ignored(module)?,
            WastDirective::AssertMalformedCustom { module, .. } => {
                return self.malformed_custom(module);
            }
        }
        Ok(Verdict::Passed)
    }

    fn module(&mut self, module: QuoteWat<'env>) -> Result<()> {
        // Directives that follow a module that fails must not reach the one before it.
        self.current = None;
        let name = module.name();
        if let Some(name) = name {
            self.named.remove(name.name());
        }
        let module = self.compile(module)?;
        let instance = self.linker.instantiate(&mut self.store, &module)?;
        self.set_current(name, instance);
        Ok(())
    }

    fn set_current(&mut self, name: Option<Id<'_>>, instance: Instance) {
        if let Some(name) = name {
            self.named.insert(name.name().to_owned(), Named::Instance(instance));
        }
        self.current = Some(instance);
    }

    fn definition(&mut self, module: QuoteWat<'env>) -> Result<()> {
        let name = module.name();
        let module = self.compile(module)?;
        if let Some(name) = name {
            self.definitions.insert(name.name().to_owned(), module.clone());
        }
        self.last_definition = Some(module);
        Ok(())
    }

    fn instance(&mut self, name: Option<Id<'_>>, module: Option<Id<'_>>) -> Result<()> {
        let module = match module {
            Some(module) => self.definitions.get(module.name()),
            None => self.last_definition.as_ref(),
        };
        let module = module.context("no such module definition")?;
        let instance = self.linker.instantiate(&mut self.store, module)?;
        self.set_current(name, instance);
        Ok(())
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> Result<()> {
        let shared = match module.map(|id| self.named.get(id.name())) {
            Some(Some(Named::Shared(memories))) => memories.clone(),
            _ => {
                let instance = self.find_instance(module)?;
                self.linker.instance(&mut self.store, name, instance)?;
                return Ok(());
            }
        };
        for (field, memory) in shared {
            self.linker.define(&self.store, name, &field, Extern::SharedMemory(memory))?;
        }
        Ok(())
    }

    /// The instance called `name`, or the current one.
    fn find_instance(&self, name: Option<Id<'_>>) -> Result<Instance> {
        match name {
            None => self.current.context("there is no current instance"),
            Some(name) => match self.named.get(name.name()) {
                Some(Named::Instance(instance)) => Ok(*instance),
                Some(Named::Shared(_)) => bail!("`${}` belongs to another thread", name.name()),
                None => bail!("there is no instance `${}`", name.name()),
            },
        }
    }

    fn compile(&self, mut module: QuoteWat<'_>) -> Result<Module> {
        Module::from_binary(self.engine, &module.encode()?)
    }

    fn execute(&mut self, action: WastExecute<'_>) -> Result<Vec<Val>> {
        match action {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(QuoteWat::Wat(module))?;
                self.linker.instantiate(&mut self.store, &module)?;
                Ok(Vec::new())
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.find_instance(module)?;
                let global = instance
                    .get_global(&mut self.store, global)
                    .with_context(|| format!("no global is exported as `{global}`"))?;
                Ok(vec![global.get(&mut self.store)])
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Vec<Val>> {
        let instance = self.find_instance(invoke.module)?;
        let func = instance
            .get_func(&mut self.store, invoke.name)
            .with_context(|| format!("no function is exported as `{}`", invoke.name))?;
        let mut args = Vec::with_capacity(invoke.args.len());
        for arg in &invoke.args {
            args.push(values::argument(&mut self.store, arg)?);
        }
        let ty = func.ty(&self.store);
        let mut results = crate::invoke::result_buffer(&ty);
        func.call(&mut self.store, &args, &mut results)?;
        Ok(results)
    }

    /// A module that must not be accepted, be it that its text, its bytes or its types are wrong.
    fn assert_rejected(&mut self, mut module: QuoteWat<'_>, message: &str) -> Result<()> {
        let bytes = match module.to_test() {
            Ok(QuoteWatTest::Binary(bytes)) => bytes,
            Ok(QuoteWatTest::Text(text)) => match encode_text(&text) {
                Some(bytes) => bytes,
                None => return Ok(()),
            },
            Err(_) => return Ok(()),
        };
        match Module::from_binary(self.engine, &bytes) {
            Ok(_) => bail!("the module was accepted, expected: {message}"),
            Err(error) => {
                let rejected = error.downcast_ref::<DecodeError>();
                ensure!(rejected.is_some(), "rejected for another reason: {error:#}");
                Ok(())
            }
        }
    }

    /// A module with a custom section whose content makes no sense, which must not keep it from being
    /// [used](https://webassembly.github.io/spec/core/binary/modules.html#custom-section).
    fn custom_is_ignored(&self, module: QuoteWat<'_>) -> Result<()> {
        let module = self.compile(module).context("a custom section makes the module unusable")?;
        module.compile_all(1).context("a custom section makes functions unusable")?;
        Ok(())
    }

    /// A module whose text has an annotation that cannot be made a custom section: the text's parser,
    /// which is no part of the engine, is to refuse it.
    fn malformed_custom(&self, mut module: QuoteWat<'_>) -> Result<Verdict> {
        let refused = match module.to_test() {
            Ok(QuoteWatTest::Text(text)) => encode_text(&text).is_none(),
            Ok(QuoteWatTest::Binary(bytes)) => {
                Module::from_binary(self.engine, &bytes)?;
                return Ok(Verdict::Passed);
            }
            Err(_) => true,
        };
        let accepted = Verdict::Skipped("the parser of the text format takes the annotation");
        Ok(if refused { Verdict::Passed } else { accepted })
    }

    fn assert_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Result<()> {
        let module = self.compile(QuoteWat::Wat(module))?;
        match self.linker.instantiate(&mut self.store, &module) {
            Ok(_) => bail!("the module was linked, expected: {message}"),
            Err(error) => {
                let cause = error.chain().find_map(|cause| cause.downcast_ref::<LinkError>());
                let cause = cause.with_context(|| format!("no link error: {error:#}"))?;
                // The suites have several words for what does not fit.
                let expects_unknown = message.starts_with("unknown");
                let is_unknown = matches!(cause, LinkError::UnknownImport { .. });
                ensure!(
                    expects_unknown == is_unknown,
                    "expected the link error `{message}`, got: {cause}"
                );
                Ok(())
            }
        }
    }

    /// Starts a thread with a store of its own, which sees the shared memories of one module.
    fn spawn(&mut self, thread: WastThread<'env>) -> Result<()> {
        let shared = match thread.shared_module {
            Some(id) => Some((id.name().to_owned(), Named::Shared(self.shared_memories(id)?))),
            None => None,
        };
        let (engine, text, scope, watchdog) = (self.engine, self.text, self.scope, self.watchdog);
        let handle = scope.spawn(move || {
            let mut runner = Runner::new(engine, text, scope, watchdog);
            runner.named.extend(shared);
            runner.run(thread.directives);
            runner.finish()
        });
        self.threads.insert(thread.name.name().to_owned(), handle);
        Ok(())
    }

    /// The shared memories that an instance exports, or that this thread was given itself.
    fn shared_memories(&self, id: Id<'_>) -> Result<Vec<(String, SharedMemory)>> {
        if let Some(Named::Shared(memories)) = self.named.get(id.name()) {
            return Ok(memories.clone());
        }
        let instance = self.find_instance(Some(id))?;
        let exports = instance.exports(&self.store);
        let memories = exports.filter_map(|export| {
            let name = export.name().to_owned();
            Some((name, export.into_extern().into_shared_memory()?))
        });
        Ok(memories.collect())
    }

    fn wait(&mut self, thread: &str) -> Result<()> {
        let handle = self.threads.remove(thread);
        let handle = handle.with_context(|| format!("there is no thread `${thread}`"))?;
        match handle.join() {
            Ok(outcome) => {
                self.outcome.merge(outcome);
                Ok(())
            }
            Err(panic) => bail!("thread `${thread}` panicked: {}", super::payload_text(&*panic)),
        }
    }
}

/// The bytes of a module in the text format, `None` when the text is malformed.
fn encode_text(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let buffer = wast::parser::ParseBuffer::new(text).ok()?;
    let mut module = wast::parser::parse::<Wat<'_>>(&buffer).ok()?;
    module.encode().ok()
}

/// Whether an action ended with an exception that nobody caught.
fn check_exception(result: &Result<Vec<Val>>) -> Result<()> {
    match result {
        Ok(values) => {
            let values: Vec<_> = values.iter().map(values::value_text).collect();
            bail!("expected an exception, got a result: [{}]", values.join(", "))
        }
        Err(error) => {
            ensure!(error.is::<Exception>(), "expected an exception, got: {error:#}");
            Ok(())
        }
    }
}

/// Whether an action ended with the trap that `message` tells of. The specification's interpreter
/// accepts messages that go on where the expected one ends; ours may also be the shorter one.
fn check_trap(result: &Result<Vec<Val>>, message: &str) -> Result<()> {
    match result {
        Ok(values) => {
            let values: Vec<_> = values.iter().map(values::value_text).collect();
            bail!("expected the trap `{message}`, got a result: [{}]", values.join(", "))
        }
        Err(error) => {
            let trap = error.downcast_ref::<Trap>();
            let trap = trap.or_else(|| error.chain().find_map(|cause| cause.downcast_ref()));
            let trap = trap.with_context(|| format!("expected a trap, got: {error:#}"))?;
            let actual = trap.message();
            ensure!(
                actual.starts_with(message) || message.starts_with(actual),
                "expected the trap `{message}`, got `{actual}`"
            );
            Ok(())
        }
    }
}
