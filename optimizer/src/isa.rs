//! Settings of Cranelift and the instruction sets it may use.
//!
//! Everything here is fixed for the process, so one target serves all threads.

use crate::Effort;
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use std::sync::OnceLock;

/// Settings at every effort: position-independent code whose calls go through entry slots, frame
/// pointers for stack walks, `r15` for the thread context, a hidden return area for many results.
const COMMON: [(&str, &str); 9] = [
    ("enable_pinned_reg", "true"),
    ("preserve_frame_pointers", "true"),
    ("enable_multi_ret_implicit_sret", "true"),
    ("is_pic", "true"),
    ("unwind_info", "true"),
    ("enable_probestack", "false"),
    ("enable_heap_access_spectre_mitigation", "true"),
    ("enable_table_access_spectre_mitigation", "true"),
    ("enable_alias_analysis", "true"),
];

/// Extensions that the engine has checked for, or checks here.
const EXTENSIONS: [&str; 7] =
    ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_avx", "has_avx2", "has_popcnt"];

/// What Cranelift spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// As little time as possible. Each value that does not stay in a register gets a place of its own in
    /// the frame, so large functions have enormous frames.
    Quick,
    /// The same, but values share places in the frame.
    SmallFrame,
    /// Fast code.
    Full,
}

impl Goal {
    /// What an effort means at first.
    pub(crate) fn of(effort: Effort) -> Self {
        match effort {
            Effort::Quick => Self::Quick,
            Effort::Full => Self::Full,
        }
    }
}

/// The target for code compiled with `goal`; `verify` checks the intermediate code.
///
/// # Panics
/// When Cranelift does not know a setting, which its fixed version rules out.
pub(crate) fn target(goal: Goal, verify: bool) -> &'static OwnedTargetIsa {
    static TARGETS: [OnceLock<OwnedTargetIsa>; 6] = [const { OnceLock::new() }; 6];
    let index = goal as usize * 2 + usize::from(verify);
    TARGETS[index].get_or_init(|| make(goal, verify))
}

fn make(goal: Goal, verify: bool) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    let (opt_level, allocator) = match goal {
        Goal::Quick => ("none", "single_pass"),
        Goal::SmallFrame => ("none", "backtracking"),
        Goal::Full => ("speed", "backtracking"),
    };
    let own = [
        ("opt_level", opt_level),
        ("regalloc_algorithm", allocator),
        ("enable_verifier", if verify { "true" } else { "false" }),
    ];
    for (name, value) in COMMON.into_iter().chain(own) {
        flags.set(name, value).expect("a setting of this version of Cranelift");
    }
    let mut builder = isa::lookup_by_name("x86_64").expect("the x86-64 target is compiled in");
    let detected = [
        ("has_fma", std::arch::is_x86_feature_detected!("fma")),
        ("has_bmi1", std::arch::is_x86_feature_detected!("bmi1")),
        ("has_bmi2", std::arch::is_x86_feature_detected!("bmi2")),
        ("has_lzcnt", std::arch::is_x86_feature_detected!("lzcnt")),
    ];
    let detected = detected.into_iter().filter(|extension| extension.1).map(|e| e.0);
    for name in EXTENSIONS.into_iter().chain(detected) {
        builder.enable(name).expect("an extension that this version of Cranelift knows");
    }
    builder.finish(settings::Flags::new(flags)).expect("a consistent target")
}
