//! What the processor can do, and what it does badly.

use std::arch::x86_64::__cpuid;

macro_rules! missing_features {
    ($($feature:tt)*) => {
        [$(($feature, std::arch::is_x86_feature_detected!($feature)),)*]
            .iter()
            .filter(|(_, detected)| !detected)
            .map(|(name, _)| name.to_uppercase())
            .collect::<Vec<_>>()
    };
}

/// Refuses a processor without the instructions that compilers use.
pub(crate) fn check() -> crate::Result<()> {
    let missing = missing_features!("avx" "avx2" "bmi1" "bmi2" "lzcnt" "popcnt" "fma");
    if missing.is_empty() {
        return Ok(());
    }
    anyhow::bail!(
        "this CPU lacks instruction set extensions that are needed: {}",
        missing.join(", ")
    )
}

/// Whether jumps at the ends of lines are slow ([`upshift_abi::config::CodegenConfig::slow_jumps`]):
/// Skylake, Kaby Lake, Coffee Lake, Comet Lake, and the Xeons up to Cascade Lake.
pub(crate) fn has_slow_jumps() -> bool {
    let vendor = __cpuid(0);
    let is_intel = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened()
        == b"GenuineIntel";
    let signature = __cpuid(1).eax;
    let (family, stepping) = (signature >> 8 & 0xf, signature & 0xf);
    let model = signature >> 12 & 0xf0 | signature >> 4 & 0xf;
    let affected = match model {
        // Cooper Lake is the same model.
        0x55 => stepping < 0xa,
        model => matches!(model, 0x4e | 0x5e | 0x8e | 0x9e | 0xa5 | 0xa6 | 0xae),
    };
    is_intel && family == 6 && affected
}
