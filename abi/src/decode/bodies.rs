//! Validation of function bodies, in parallel where that pays.

use super::error::DecodeError;
use super::numeric::{NumericContext, NumericValidator};
use super::operators::Operators;
use super::to_range;
use super::visitor::ScanVisitor;
use crate::module::{Body, Module};
use crate::scan::LoopScanner;
use rayon::prelude::*;
use wasmparser::{
    FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, ValidatorResources,
    WasmFeatures, WasmModuleResources,
};

/// Bodies that were outlined and wait for validation.
#[derive(Default)]
pub(super) struct Pending<'a> {
    /// There as soon as there is a body.
    context: Option<Context>,
    bodies: Vec<PendingBody<'a>>,
}

/// What all bodies are validated against. They borrow it: counting references for each of them, on
/// several threads, took a hundredth of the whole.
struct Context {
    resources: ValidatorResources,
    features: WasmFeatures,
}

struct PendingBody<'a> {
    index: u32,
    ty: u32,
    body: FunctionBody<'a>,
}

impl<'a> Pending<'a> {
    pub(super) fn reserve(&mut self, count: usize) {
        self.bodies.reserve(count);
    }

    pub(super) fn push(
        &mut self,
        func: FuncToValidate<ValidatorResources>,
        body: FunctionBody<'a>,
    ) {
        let FuncToValidate { resources, index, ty, features } = func;
        self.context.get_or_insert(Context { resources, features });
        self.bodies.push(PendingBody { index, ty, body });
    }
}

/// Code sections below this size are validated on the calling thread: handing the chunks out would
/// cost more than it gains.
const MIN_PARALLEL_BYTES: usize = 64 << 10;

/// A chunk is at least this large, which hides the cost of handing it out.
const MIN_CHUNK_BYTES: usize = 32 << 10;

/// Chunks per thread: enough that a thread that finishes early finds more to do.
const CHUNKS_PER_THREAD: usize = 8;

/// Bodies of a module, or some of them.
#[derive(Default)]
pub(super) struct Validated {
    pub(super) bodies: Vec<Body>,
    /// Whether any has an operator on objects.
    pub(super) use_objects: bool,
    /// Offsets of calls through references.
    pub(super) call_sites: Vec<u32>,
}

/// Validates all bodies of the module, whose declarations are known; reports the first error in
/// module order.
pub(super) fn validate(
    pending: &Pending<'_>,
    module: &Module,
    parallel: bool,
) -> Result<Validated, DecodeError> {
    let Some(context) = &pending.context else { return Ok(Validated::default()) };
    let numeric = &NumericContext::new(module, context.features);
    let rules = BodyRules { context, numeric: numeric.as_ref() };
    let code_bytes = module.code_section.len();
    let bodies = &pending.bodies;
    // Asking for the number of threads starts them, so the size comes first.
    if !parallel || code_bytes < MIN_PARALLEL_BYTES {
        return rules.validate(bodies);
    }
    let threads = rayon::current_num_threads();
    if threads < 2 {
        return rules.validate(bodies);
    }
    let chunk_bytes = (code_bytes / (threads * CHUNKS_PER_THREAD)).max(MIN_CHUNK_BYTES);
    let results: Vec<Result<Validated, DecodeError>> =
        split(bodies, chunk_bytes).into_par_iter().map(|chunk| rules.validate(chunk)).collect();
    let mut all = Validated { bodies: Vec::with_capacity(bodies.len()), ..Validated::default() };
    for chunk in results {
        let mut chunk = chunk?;
        all.bodies.append(&mut chunk.bodies);
        all.use_objects |= chunk.use_objects;
        all.call_sites.append(&mut chunk.call_sites);
    }
    Ok(all)
}

/// Tells each body how many loops are before it.
pub(super) fn number_loops(bodies: &mut [Body]) {
    let mut loops = 0;
    for body in bodies {
        body.first_loop = loops;
        loops += u32::try_from(body.loops.len()).expect("a module has fewer loops than bytes");
    }
}

/// Splits the bodies in their order into chunks of at least `chunk_bytes`.
fn split<'p, 'a>(bodies: &'p [PendingBody<'a>], chunk_bytes: usize) -> Vec<&'p [PendingBody<'a>]> {
    let mut bytes = 0;
    let ends_chunk = |body: &PendingBody<'_>| {
        bytes += body.body.as_bytes().len();
        let ends = bytes >= chunk_bytes;
        if ends {
            bytes = 0;
        }
        ends
    };
    bodies.split_inclusive(ends_chunk).collect()
}

/// What bodies have to obey.
struct BodyRules<'c> {
    context: &'c Context,
    /// What those of numbers have to obey, when their validator knows all rules.
    numeric: Option<&'c NumericContext<'c>>,
}

impl BodyRules<'_> {
    fn validate(&self, chunk: &[PendingBody<'_>]) -> Result<Validated, DecodeError> {
        let mut allocations = FuncValidatorAllocations::default();
        let mut scanner = LoopScanner::default();
        let mut numeric = self.numeric.map(NumericValidator::new);
        let mut bodies = Vec::with_capacity(chunk.len());
        for &PendingBody { index, ty, ref body } in chunk {
            let range = to_range(body.range());
            let accepted = numeric.as_mut().is_some_and(|numeric| {
                numeric.accepts(ty, body.as_bytes(), range.start as u32, &mut scanner)
            });
            if !accepted {
                let &Context { ref resources, features } = self.context;
                let func = FuncToValidate { resources, index, ty, features };
                let mut validator = func.into_validator(allocations);
                validate_body(&mut validator, body, &mut scanner)
                    .map_err(|e| DecodeError::from(e).in_func(index))?;
                allocations = validator.into_allocations();
            }
            let (loops, first_loop) = (scanner.finish(), 0);
            let (branch_hints, rethrows) = (Box::default(), scanner.takes_rethrow());
            bodies.push(Body { range, loops, first_loop, branch_hints, rethrows });
        }
        let call_sites = scanner.take_call_sites();
        Ok(Validated { bodies, use_objects: scanner.takes_objects(), call_sites })
    }
}

fn validate_body(
    validator: &mut FuncValidator<impl WasmModuleResources>,
    body: &FunctionBody<'_>,
    scanner: &mut LoopScanner,
) -> wasmparser::Result<()> {
    let mut reader = body.get_binary_reader();
    let start = reader.original_position();
    validator.read_locals(&mut reader)?;
    reader.set_features(*validator.features());
    // Modules are smaller than 4 GiB.
    scanner.begin(validator.len_locals(), start as u32);
    let mut operators = Operators::new(reader)?;
    while !operators.is_at_end() {
        let at = operators.position();
        let offset = (at - start) as u32;
        let mut visitor = ScanVisitor { validator: validator.visitor(at), scanner, offset };
        operators.visit(&mut visitor)??;
    }
    operators.reader().finish_expression(&validator.visitor(operators.position()))
}

#[cfg(test)]
mod tests;
