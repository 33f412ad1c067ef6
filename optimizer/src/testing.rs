//! What unit tests share.

use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;
use wasmparser::WasmFeatures;

/// Runs `test` with the first function that a module in the text format defines. All intermediate code
/// is verified.
pub(crate) fn with_first_function<R>(
    text: &str,
    config: &CodegenConfig,
    test: impl FnOnce(&FunctionInput<'_>) -> R,
) -> R {
    let bytes = wat::parse_str(text).expect("the test is right");
    let options = DecodeOptions { features: WasmFeatures::all(), objects: true, parallel: false };
    let module = decode(&bytes, &options).expect("the test is right");
    let layout = InstanceLayout::of(&module);
    let func = DefinedFuncIndex(0);
    let config = CodegenConfig { verify: true, ..config.clone() };
    test(&FunctionInput::new((&module, &bytes), &layout, func, &config))
}
