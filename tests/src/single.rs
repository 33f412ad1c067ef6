//! The code of a single function, without an engine.

use upshift_abi::code::CompiledFunction;
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;

/// Has the first function of a module compiled.
///
/// # Panics
/// When the module is not valid or has no function.
pub fn compile_first(
    bytes: &[u8],
    config: &CodegenConfig,
    compile: impl FnOnce(&FunctionInput<'_>) -> CompiledFunction,
) -> CompiledFunction {
    let features = upshift::Config::new().features();
    let module = decode(bytes, &DecodeOptions { features, objects: false, parallel: false });
    let module = module.expect("valid");
    let layout = InstanceLayout::of(&module);
    compile(&FunctionInput::new((&module, bytes), &layout, DefinedFuncIndex(0), config))
}

/// The same by the baseline compiler.
///
/// # Panics
/// Also when that does not compile it.
#[must_use]
pub fn baseline_first(bytes: &[u8], config: &CodegenConfig) -> CompiledFunction {
    compile_first(bytes, config, |input| {
        upshift_baseline::Compiler::new().compile(input).expect("supported")
    })
}
