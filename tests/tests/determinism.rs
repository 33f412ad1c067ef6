//! Compiling is a pure function: the same module gives the same bytes and tables, whatever the
//! compiler compiled before.

use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;
use upshift_abi::module::Module;
use upshift_optimizer::{Effort, Entry, Request};
use upshift_tests::mutate::Random;
use upshift_tests::{corpus, loops};

type Compiled = Result<CompiledFunction, CompileError>;

/// Some code of a function: baseline code, or what the optimizer is asked for.
type Part = (DefinedFuncIndex, Option<Request>);

/// The parts that each function of a module has, in their order.
type PartsOf = fn(&Module) -> Vec<Part>;

fn baseline_parts(module: &Module) -> Vec<Part> {
    (0..module.bodies.len()).map(|i| (DefinedFuncIndex::new(i), None)).collect()
}

/// Every function from its start and from each of its loops, with both efforts.
fn optimizer_parts(module: &Module) -> Vec<Part> {
    let mut parts = Vec::new();
    for (i, body) in module.bodies.iter().enumerate() {
        let loops = (0..body.loops.len()).map(|i| Entry::Loop { offset: body.loop_offset(i) });
        for entry in std::iter::once(Entry::Function).chain(loops) {
            for effort in [Effort::Quick, Effort::Full] {
                parts.push((DefinedFuncIndex::new(i), Some(Request { entry, effort })));
            }
        }
    }
    parts
}

/// Compiles all parts of a module with new compilers, in reverse order if asked.
fn compile(bytes: &[u8], config: &CodegenConfig, of: PartsOf, reverse: bool) -> Vec<Compiled> {
    let features = upshift::Config::new().wasm_custom_page_sizes(true).features();
    let module = decode(bytes, &DecodeOptions { features, objects: true, parallel: reverse });
    let module = module.expect("the corpus is valid");
    let layout = InstanceLayout::of(&module);
    let mut baseline = upshift_baseline::Compiler::new();
    let mut optimizer = upshift_optimizer::Compiler::new();
    let compile = |&(func, request): &Part| {
        let input = FunctionInput::new((&module, bytes), &layout, func, config);
        match request {
            None => baseline.compile(&input),
            Some(request) => optimizer.compile(&input, request),
        }
    };
    let mut parts = of(&module);
    if !reverse {
        return parts.iter().map(compile).collect();
    }
    parts.reverse();
    let mut compiled: Vec<Compiled> = parts.iter().map(compile).collect();
    compiled.reverse();
    compiled
}

/// Small modules of every kind, generated ones, and some that are full of loops.
fn modules(generated: usize, of_loops: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(11);
    let generated = (0..generated).filter_map(|_| corpus::generate(&random.bytes(2000)));
    let embedded = corpus::modules().into_iter().map(|(_, bytes)| bytes);
    embedded.chain(generated).chain((0..of_loops).map(loops::module)).collect()
}

/// Fails where a part has other code or tables the second time. Gives how many parts there were.
fn compile_twice(modules: &[Vec<u8>], config: &CodegenConfig, of: PartsOf) -> usize {
    let mut parts = 0;
    for (i, bytes) in modules.iter().enumerate() {
        let once = compile(bytes, config, of, false);
        let again = compile(bytes, config, of, true);
        assert!(once == again, "module {i}, fuel {}", config.fuel);
        parts += once.iter().filter(|compiled| compiled.is_ok()).count();
    }
    parts
}

#[test]
fn the_same_module_gives_the_same_code() {
    let modules = modules(60, 0);
    for fuel in [false, true] {
        let config = CodegenConfig { fuel, slow_jumps: fuel, ..CodegenConfig::default() };
        compile_twice(&modules, &config, baseline_parts);
    }
}

#[test]
fn the_same_module_gives_the_same_optimized_code() {
    let modules = modules(20, 6);
    let usual = CodegenConfig::default();
    let all = CodegenConfig {
        fuel: true,
        slow_jumps: true,
        operator_offsets: true,
        zeal_inline: true,
        ..CodegenConfig::default()
    };
    for config in [usual, all] {
        let parts = compile_twice(&modules, &config, optimizer_parts);
        assert!(parts > 300, "{parts} parts");
    }
}
