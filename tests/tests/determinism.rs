//! Compiling is a pure function: the same module gives the same bytes and tables, whatever the
//! compiler compiled before.

use upshift_abi::code::{CompileError, CompiledFunction};
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;
use upshift_baseline::Compiler;
use upshift_tests::corpus;

type Compiled = Result<CompiledFunction, CompileError>;

/// Compiles all functions of a module, in reverse order if asked.
fn compile(bytes: &[u8], config: &CodegenConfig, reverse: bool) -> Vec<Compiled> {
    let features = upshift::Config::new().wasm_custom_page_sizes(true).features();
    let module = decode(bytes, &DecodeOptions { features, objects: true, parallel: reverse });
    let module = module.expect("the corpus is valid");
    let layout = InstanceLayout::of(&module);
    let mut compiler = Compiler::new();
    let mut compile = |i: usize| {
        let func = DefinedFuncIndex(u32::try_from(i).expect("small modules"));
        compiler.compile(&FunctionInput::new((&module, bytes), &layout, func, config))
    };
    let count = module.bodies.len();
    if reverse {
        let mut compiled: Vec<_> = (0..count).rev().map(&mut compile).collect();
        compiled.reverse();
        compiled
    } else {
        (0..count).map(compile).collect()
    }
}

#[test]
fn the_same_module_gives_the_same_code() {
    let mut random = upshift_tests::mutate::Random::new(11);
    let generated = (0..60).filter_map(|_| corpus::generate(&random.bytes(2000)));
    let embedded = corpus::modules().into_iter().map(|(_, bytes)| bytes);
    let modules: Vec<Vec<u8>> = embedded.chain(generated).collect();
    for fuel in [false, true] {
        let config = CodegenConfig { fuel, slow_jumps: fuel, ..CodegenConfig::default() };
        for (i, bytes) in modules.iter().enumerate() {
            let (once, again) = (compile(bytes, &config, false), compile(bytes, &config, true));
            assert!(once == again, "module {i}, fuel {fuel}");
        }
    }
}
