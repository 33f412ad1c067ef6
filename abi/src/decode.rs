//! From the bytes of a module to a validated [`Module`].
//!
//! One pass reads the sections in order, validates each and copies its declarations; the function
//! bodies are only outlined on the way. They are validated afterwards, in parallel over chunks of
//! about equal size, and the pre-scan ([`mod@crate::scan`]) rides on that pass. A [`Module`] that
//! [`decode`] returns is valid as a whole.
//!
//! **Errors are deterministic.** Whatever the number of threads, the error reported is the first
//! in module order: an error of a section before the code section, then the first invalid body,
//! then an error behind the outlined bodies.
//!
//! Custom sections never make a module invalid: the name section is only located here
//! ([`mod@crate::names`]), and malformed branch hints are dropped.

mod bodies;
mod const_expr;
mod error;
mod hints;
mod numeric;
mod operators;
mod sections;
#[cfg(test)]
mod tests;
mod types;
mod visitor;

pub use error::{DecodeError, DecodeErrorKind};
pub use operators::Operators;

use crate::index::TypeIndex;
use crate::layout::ObjectLayout;
use crate::methods::Methods;
use crate::module::Module;
use crate::names::NameSection;
use crate::profile::MAX_SITES;
use crate::types::{CompositeType, SubType};
use bodies::Pending;
use hints::BranchHints;
use std::ops::Range;
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

/// How to decode.
#[derive(Clone, Copy, Debug)]
pub struct DecodeOptions {
    /// The proposals whose operators and types are accepted.
    pub features: WasmFeatures,
    /// Whether structures and arrays are accepted, when the features have them: typed function
    /// references need the same features for their recursion groups.
    pub objects: bool,
    /// Whether bodies may be validated on the threads of the current rayon pool.
    pub parallel: bool,
}

/// The largest module: offsets into a module are 32-bit everywhere.
const MAX_MODULE_BYTES: usize = u32::MAX as usize;

/// Decodes and validates the module in `bytes`.
///
/// # Errors
/// When the bytes are no valid module of the given features, or exceed a limit.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Module, DecodeError> {
    if bytes.len() > MAX_MODULE_BYTES {
        let message = format!("the module has more than {MAX_MODULE_BYTES} bytes");
        return Err(DecodeError::new(DecodeErrorKind::Limit, message, MAX_MODULE_BYTES));
    }
    if Parser::is_component(bytes) {
        let message = "this is a component, not a core module".to_owned();
        return Err(DecodeError::new(DecodeErrorKind::Unsupported, message, 0));
    }
    let mut decoder = Decoder::new(options.features);
    let outcome = decoder.read_sections(bytes, options.features);
    let Decoder { mut module, pending, hints, .. } = decoder;
    // An invalid body precedes whatever went wrong behind it.
    let validated = bodies::validate(&pending, &module, options.parallel)
        .map_err(|e| e.with_name(bytes, module.name_section.clone()))?;
    (module.bodies, module.uses_objects) = (validated.bodies, validated.use_objects);
    bodies::number_loops(&mut module.bodies);
    module.call_sites = validated.call_sites.into_iter().take(MAX_SITES).collect();
    outcome?;
    hints.attach(&mut module);
    place_objects(&mut module);
    if module.uses_objects && !options.objects {
        let message = "garbage collection is switched off".to_owned();
        let at = module.code_section.start;
        return Err(DecodeError::new(DecodeErrorKind::Unsupported, message, at));
    }
    module.escaping_funcs.sort_unstable();
    module.escaping_funcs.dedup();
    module.name = module.name_section.clone().and_then(|r| NameSection::module_name_of(bytes, r));
    Ok(module)
}

/// Computes the layouts of the module's objects.
fn place_objects(module: &mut Module) {
    let is_func =
        |index: TypeIndex| matches!(module.types[index.index()].composite, CompositeType::Func(_));
    module.extended = extended_types(&module.types);
    module.methods = Methods::of(&module.types, &module.globals);
    module.objects = module.types.iter().map(|ty| ObjectLayout::of(ty, is_func)).collect();
    let mut objects = module.objects.iter();
    module.uses_objects |= objects.any(|layout| *layout != ObjectLayout::None);
}

/// State of the pass over the sections.
struct Decoder<'a> {
    validator: Validator,
    module: Module,
    pending: Pending<'a>,
    hints: BranchHints,
}

impl<'a> Decoder<'a> {
    fn new(features: WasmFeatures) -> Self {
        Self {
            validator: Validator::new_with_features(features),
            module: Module::default(),
            pending: Pending::default(),
            hints: BranchHints::default(),
        }
    }

    fn read_sections(
        &mut self,
        bytes: &'a [u8],
        features: WasmFeatures,
    ) -> Result<(), DecodeError> {
        let mut parser = Parser::new(0);
        parser.set_features(features);
        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            match self.validator.payload(&payload)? {
                ValidPayload::Func(func, body) => self.pending.push(func, body),
                ValidPayload::Ok | ValidPayload::Parser(_) | ValidPayload::End(_) => {
                    self.read_section(payload)?;
                }
            }
        }
        Ok(())
    }

    /// Copies the declarations of a section that was found valid.
    fn read_section(&mut self, payload: Payload<'a>) -> Result<(), DecodeError> {
        let module = &mut self.module;
        match payload {
            Payload::TypeSection(s) => sections::read_types(module, s),
            Payload::ImportSection(s) => sections::read_imports(module, s),
            Payload::FunctionSection(s) => sections::read_functions(module, s),
            Payload::TableSection(s) => sections::read_tables(module, s),
            Payload::MemorySection(s) => sections::read_memories(module, s),
            Payload::TagSection(s) => sections::read_tags(module, s),
            Payload::GlobalSection(s) => sections::read_globals(module, s),
            Payload::ExportSection(s) => sections::read_exports(module, s),
            Payload::StartSection { func, .. } => {
                let start = crate::index::FuncIndex(func);
                module.start = Some(start);
                module.escaping_funcs.push(start);
                Ok(())
            }
            Payload::ElementSection(s) => sections::read_elements(module, s),
            Payload::DataSection(s) => sections::read_data(module, s),
            Payload::CodeSectionStart { count, unchecked_range, .. } => {
                module.code_section = to_range(unchecked_range);
                // A body takes at least two bytes, so a hostile count reserves nothing absurd.
                let plausible = module.code_section.len() / 2;
                self.pending.reserve(plausible.min(count as usize));
                Ok(())
            }
            Payload::CustomSection(s) => {
                match s.name() {
                    "name" => module.name_section = Some(to_range(s.data_range())),
                    "metadata.code.branch_hint" => self.hints.read(s.data_reader()),
                    _ => {}
                }
                Ok(())
            }
            // The validator has dealt with the rest, or has refused it.
            _ => Ok(()),
        }
    }
}

/// A range of the parser as a range of the module's bytes, which are fewer than 4 GiB.
fn to_range(range: Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Which types are supertypes of others.
fn extended_types(types: &[SubType]) -> Box<[bool]> {
    let mut extended = vec![false; types.len()];
    for above in types.iter().filter_map(|ty| ty.supertype) {
        extended[above.index()] = true;
    }
    extended.into()
}
