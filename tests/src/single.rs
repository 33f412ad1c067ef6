//! The code of a single function, without an engine.

use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind};
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

/// What baseline code that was compiled without budgets takes from hotness counters, in the order of the
/// code: at the function's entry, then at the headers of its loops. With budgets only the first of them.
///
/// # Panics
/// When a cost is not a number of 32 bits.
#[must_use]
pub fn hotness_costs(compiled: &CompiledFunction) -> Vec<i32> {
    // The cost is the last immediate of a subtraction from memory.
    Decoder::new(64, &compiled.code, DecoderOptions::NONE)
        .into_iter()
        .filter(|i| i.mnemonic() == Mnemonic::Sub && i.op0_kind() == OpKind::Memory)
        .map(|i| i32::try_from(i.immediate(1)).expect("a small number"))
        .collect()
}
