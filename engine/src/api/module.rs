//! [`Module`]: a validated module, its code and its declarations.

use super::engine::Engine;
use super::externs::ExternType;
use super::module_stats::{CodeDump, CompileStats, ModuleStats};
use crate::Result;
use crate::canon::TypeEntry;
use crate::code::{Counters, ModuleCode, ModuleSource, compile_baseline, intermediate_code};
use crate::instantiate::image::DataImage;
use crate::tier::ModuleTiering;
use crate::tier::event::EventKind;
use crate::vm::{Image, map_file};
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::{FuncIndex, GlobalIndex, TagIndex};
use upshift_abi::layout::{CanonTypeId, Cell, InstanceLayout, ObjectLayout};
use upshift_abi::module::ExternIndex;
use wasmparser::{BinaryReader, Name, NameSectionReader};

/// Characters of a tag's name that are kept.
const MOST_NAME_CHARS: usize = 100;
/// Largest code section whose blocks or turns are counted: each of its bytes may have a counter of eight.
const MAX_COUNTED_BYTES: usize = 128 << 20;

/// A module. Cheap to clone; may be used by many stores of its engine on many threads.
///
/// Functions are compiled when they are first called, unless the engine was told otherwise.
#[derive(Clone)]
pub struct Module {
    inner: Arc<ModuleInner>,
}

struct ModuleInner {
    engine: Engine,
    source: ModuleSource,
    code: Arc<ModuleCode>,
    /// Entry of each type that is a function type.
    types: Box<[TypeEntry]>,
    /// The same as machine code compares them; other types have number 0 and are never compared.
    type_ids: Box<[CanonTypeId]>,
    exports: HashMap<String, ExternIndex>,
    /// Globals of the module's own that may refer to objects, values of the host or exceptions.
    noted_globals: Box<[GlobalIndex]>,
    image: DataImage,
    file_bytes: usize,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Module {
    /// A module from its binary or text format.
    ///
    /// # Errors
    /// When the bytes are not a valid module: a [`DecodeError`](crate::DecodeError), or an error
    /// of the text parser.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        let bytes = bytes.as_ref();
        if !bytes.starts_with(b"\0asm") && std::str::from_utf8(bytes).is_err() {
            bail!("neither a binary module, which begins with `\\0asm`, nor a text");
        }
        let bytes = wat::parse_bytes(bytes)?;
        Self::from_bytes(engine, Arc::new(bytes.into_owned()))
    }

    /// A module from its binary format.
    ///
    /// # Errors
    /// A [`DecodeError`](crate::DecodeError) that says what is wrong and where.
    pub fn from_binary(engine: &Engine, bytes: &[u8]) -> Result<Self> {
        Self::from_bytes(engine, Arc::new(bytes.to_vec()))
    }

    /// A module from a file, which is mapped and not read. It must not be changed while the
    /// module is in use; replacing it by a new file is fine.
    ///
    /// # Errors
    /// When the file cannot be mapped, or as [`Self::new`].
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let open = || -> Result<Self> {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() {
                bail!("it is a directory, not a file");
            }
            let map = map_file(&file)?;
            if map.starts_with(b"\0asm") {
                return Self::from_bytes(engine, Arc::new(map));
            }
            Self::new(engine, &map)
        };
        open().with_context(|| format!("failed to load {}", path.display()))
    }

    /// Checks that bytes are a valid binary module under the engine's settings.
    ///
    /// # Errors
    /// A [`DecodeError`](crate::DecodeError) that says what is wrong and where.
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<()> {
        decode(bytes, &decode_options(engine))?;
        Ok(())
    }

    fn from_bytes(engine: &Engine, bytes: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self> {
        let content = (*bytes).as_ref();
        let file_bytes = content.len();
        let mut module = decode(content, &decode_options(engine))?;
        let counts = engine.codegen().block_counts || engine.codegen().turn_counts;
        if counts && module.code_section.len() > MAX_COUNTED_BYTES {
            bail!("counts are for code sections up to {MAX_COUNTED_BYTES} bytes");
        }
        let types = engine.types().register_module(&mut module);
        let type_ids = types.iter().map(TypeEntry::id).collect();
        let exports =
            module.exports.iter().map(|export| (export.name.clone(), export.item)).collect();
        let own = module.imported.globals as usize..module.globals.len();
        let noted = own.map(GlobalIndex::new).filter(|&index| module.global_is_noted(index));
        let noted_globals = noted.collect();
        let layout = Arc::new(InstanceLayout::of(&module));
        let config = Arc::clone(engine.codegen());
        let (module, names) = (Arc::new(module), Arc::default());
        let counters = Arc::new(Counters::of(&module, config.counts_turns()));
        let source = ModuleSource { module, bytes, layout, config, names, counters };
        let tiering = Some(tiering(engine, &source));
        let observer = engine.config().code_observer.clone();
        let code = ModuleCode::new(source.clone(), compile_baseline, tiering, observer)?;
        let inner = ModuleInner {
            engine: engine.clone(),
            source,
            code,
            types,
            type_ids,
            exports,
            noted_globals,
            image: DataImage::default(),
            file_bytes,
        };
        let module = Self { inner: Arc::new(inner) };
        if engine.config().eager_compilation {
            module.compile_all(engine.config().compile_threads)?;
        }
        Ok(module)
    }

    /// Globals of the module's own that may refer to objects, values of the host or exceptions.
    pub(crate) fn noted_globals(&self) -> &[GlobalIndex] {
        &self.inner.noted_globals
    }

    /// The module's number, never used twice in a process: what
    /// [`Event::module`](crate::Event::module) says.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.inner.code.tiering().map_or(0, ModuleTiering::id)
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The module's own name, from its name section.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.declarations().name.as_deref()
    }

    /// All imports, in their order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        self.declarations().imports.iter().map(|import| ImportType {
            module: &import.module,
            name: &import.name,
            ty: self.extern_type(import.item),
            entry: match import.item {
                ExternIndex::Func(index) => Some(self.func_type_entry(index)),
                ExternIndex::Tag(index) => {
                    Some(self.type_entry(self.declarations().tags[index.index()]))
                }
                ExternIndex::Table(_) | ExternIndex::Memory(_) | ExternIndex::Global(_) => None,
            },
        })
    }

    /// All exports, in their order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        self.declarations()
            .exports
            .iter()
            .map(|export| ExportType { name: &export.name, ty: self.extern_type(export.item) })
    }

    /// The type of the export `name`.
    #[must_use]
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        Some(self.extern_type(self.export_index(name)?))
    }

    /// Compiles every function that was not compiled yet, on `threads` threads (0: one per CPU).
    ///
    /// # Errors
    /// When a function exceeds a limit of the compiler.
    pub fn compile_all(&self, threads: usize) -> Result<CompileStats> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            _ => threads,
        };
        let before = self.inner.code.stats();
        self.inner.code.compile_all(threads)?;
        Ok(CompileStats::between(before, self.inner.code.stats()))
    }

    /// Sizes, and what was compiled so far.
    #[must_use]
    pub fn stats(&self) -> ModuleStats {
        let declarations = self.declarations();
        let code = self.inner.code.stats();
        ModuleStats {
            file_bytes: self.inner.file_bytes,
            code_section_bytes: declarations.code_section.len(),
            functions: declarations.bodies.len(),
            baseline_functions: code.baseline.functions,
            baseline_code_bytes: code.baseline.code_bytes,
            baseline_compile_cpu: code.baseline.compile_cpu,
            optimizer_functions: code.optimizer.functions,
            optimizer_code_bytes: code.optimizer.code_bytes,
            optimizer_compile_cpu: code.optimizer.compile_cpu,
            osr_bodies: code.osr_bodies,
            osr_entries: code.osr_entries,
        }
    }

    /// The machine code of the function `index` (imports count), if it is compiled.
    #[must_use]
    pub fn function_code(&self, index: u32) -> Option<CodeDump> {
        let defined = self.declarations().defined_func(FuncIndex(index))?;
        let (function, address, bytes) = self.inner.code.code_of(defined)?;
        Some(CodeDump::new(self.declarations(), function, address, bytes))
    }

    /// All code that the function `index` has by now, in the order in which it was made.
    #[must_use]
    pub fn function_codes(&self, index: u32) -> Vec<CodeDump> {
        let Some(defined) = self.declarations().defined_func(FuncIndex(index)) else {
            return Vec::new();
        };
        let codes = self.inner.code.codes_of(defined);
        let dump = |(function, address, bytes)| {
            CodeDump::new(self.declarations(), function, address, bytes)
        };
        codes.map(dump).collect()
    }

    /// Compiles the function `index` unless it has code already, as its first call would.
    ///
    /// # Errors
    /// When there is no such function with a body, or it exceeds a limit of the compiler.
    pub fn compile_function(&self, index: u32) -> Result<()> {
        let defined = self.declarations().defined_func(FuncIndex(index));
        let defined = defined.with_context(|| format!("function {index} has no body"))?;
        self.inner.code.ensure_compiled(defined)?;
        Ok(())
    }

    /// The intermediate code that the optimising compiler makes of the function `index`, before it is
    /// optimised. `@` says the offset of an instruction's operator in the module, as far as it is one
    /// of the function's own.
    ///
    /// # Errors
    /// When there is no such function with a body, or the optimising compiler cannot compile it.
    pub fn intermediate_code(&self, index: u32) -> Result<String> {
        let defined = self.declarations().defined_func(FuncIndex(index));
        let defined = defined.with_context(|| format!("function {index} has no body"))?;
        Ok(intermediate_code(&self.inner.source.input(defined))?)
    }

    /// The name of the function `index`: from the name section, else of its first export.
    #[must_use]
    pub fn function_name(&self, index: u32) -> Option<&str> {
        self.inner.source.function_name(FuncIndex(index))
    }

    /// The beginning of a tag's name: that of its first export, else the one in the name section.
    pub(crate) fn tag_name(&self, index: TagIndex) -> Option<Box<str>> {
        let short = |name: &str| name.chars().take(MOST_NAME_CHARS).collect::<String>().into();
        let declarations = self.declarations();
        let mut exports = declarations.exports.iter();
        if let Some(export) = exports.find(|export| export.item == ExternIndex::Tag(index)) {
            return Some(short(&export.name));
        }
        let section = self.bytes().get(declarations.name_section.clone()?)?;
        let subsections = NameSectionReader::new(BinaryReader::new(section, 0));
        // What is behind something malformed does not count.
        let mut names = subsections.map_while(Result::ok).filter_map(|names| match names {
            Name::Tag(names) => Some(names),
            _ => None,
        });
        let mut named = names.next()?.map_while(Result::ok);
        named.find(|name| name.index == index.0).map(|name| short(name.name))
    }

    /// Where the body of the function `index` lies in the module's bytes.
    #[must_use]
    pub fn function_body_range(&self, index: u32) -> Option<Range<usize>> {
        let declarations = self.declarations();
        let defined = declarations.defined_func(FuncIndex(index))?;
        declarations.bodies.get(defined.index()).map(|body| body.range.clone())
    }

    /// The binary that the module was made from.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        (*self.inner.source.bytes).as_ref()
    }

    /// The decoded module.
    pub(crate) fn declarations(&self) -> &upshift_abi::module::Module {
        &self.inner.source.module
    }

    /// The image of its data for an instance that is made now, where that pays.
    pub(crate) fn data_image(&self) -> Option<&Image> {
        self.inner.image.get(self)
    }

    /// The code.
    pub(crate) fn code(&self) -> &ModuleCode {
        &self.inner.code
    }

    /// The layout of instances.
    pub(crate) fn layout(&self) -> &InstanceLayout {
        &self.inner.source.layout
    }

    /// Canonical number of each type, at an address that never changes.
    pub(crate) fn type_ids(&self) -> &[CanonTypeId] {
        &self.inner.type_ids
    }

    /// The entry of a function's type.
    pub(crate) fn func_type_entry(&self, func: FuncIndex) -> &TypeEntry {
        self.type_entry(self.declarations().funcs[func.index()])
    }

    /// Whether objects of the module's types may hold exceptions.
    pub(crate) fn objects_hold_exceptions(&self) -> bool {
        self.declarations().objects.iter().any(|layout| match layout {
            ObjectLayout::Struct(layout) => layout.fields.iter().any(|field| field.0 == Cell::Exn),
            ObjectLayout::Array(layout) => layout.element == Cell::Exn,
            ObjectLayout::None => false,
        })
    }

    /// The entry of a type.
    pub(crate) fn type_entry(&self, index: upshift_abi::index::TypeIndex) -> &TypeEntry {
        &self.inner.types[index.index()]
    }

    /// What is exported as `name`.
    pub(crate) fn export_index(&self, name: &str) -> Option<ExternIndex> {
        self.inner.exports.get(name).copied()
    }

    /// The type of an item.
    pub(crate) fn extern_type(&self, item: ExternIndex) -> ExternType {
        let module = self.declarations();
        match item {
            ExternIndex::Func(index) => ExternType::Func(module.func_type(index).clone()),
            ExternIndex::Table(index) => ExternType::Table(module.tables[index.index()].ty),
            ExternIndex::Memory(index) => ExternType::Memory(module.memories[index.index()]),
            ExternIndex::Global(index) => ExternType::Global(module.globals[index.index()].ty),
            ExternIndex::Tag(index) => {
                ExternType::Tag(module.func_type_at(module.tags[index.index()]).clone())
            }
        }
    }
}

/// What the engine's tier controller does with a new module.
fn tiering(engine: &Engine, source: &ModuleSource) -> ModuleTiering {
    let controller = Arc::clone(engine.tiers());
    let name = |index| source.function_name(FuncIndex(index));
    let tiering = ModuleTiering::new(controller, &source.module, name);
    let (functions, code) = (source.module.bodies.len(), source.module.code_section.len());
    engine.tiers().events().emit(tiering.module_subject(), || EventKind::ModuleLoaded {
        functions,
        code_section_bytes: code,
    });
    tiering
}

fn decode_options(engine: &Engine) -> DecodeOptions {
    let config = engine.config();
    let mut features = config.features;
    let objects = features.contains(wasmparser::WasmFeatures::GC);
    if features.contains(wasmparser::WasmFeatures::FUNCTION_REFERENCES) {
        // Recursion groups and subtypes of function types are part of this proposal's text.
        features.insert(wasmparser::WasmFeatures::GC);
    }
    DecodeOptions { features, objects, parallel: config.parallel_validation }
}

/// An import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'a> {
    module: &'a str,
    name: &'a str,
    ty: ExternType,
    /// The declared type of a function or tag.
    entry: Option<&'a TypeEntry>,
}

impl<'a> ImportType<'a> {
    /// The declared type of a function.
    pub(crate) fn func_type_entry(&self) -> Option<&'a TypeEntry> {
        self.entry.filter(|_| matches!(self.ty, ExternType::Func(_)))
    }

    /// The declared type of a tag.
    pub(crate) fn tag_type_entry(&self) -> Option<&'a TypeEntry> {
        self.entry.filter(|_| matches!(self.ty, ExternType::Tag(_)))
    }

    /// The module name.
    #[must_use]
    pub fn module(&self) -> &'a str {
        self.module
    }

    /// The field name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What is wanted.
    #[must_use]
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}

/// An export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'a> {
    name: &'a str,
    ty: ExternType,
}

impl<'a> ExportType<'a> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What is exported.
    #[must_use]
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}
