//! A profile for <https://profiler.firefox.com>, with a category for each kind of code.

use crate::printable;
use crate::profile::{Category, Profile};
use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile as Processed,
    SamplingInterval, Timestamp,
};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The profile as JSON.
///
/// # Errors
/// Never in practice: all keys are strings.
pub fn json(profile: &Profile, program: &str) -> serde_json::Result<String> {
    let interval = Duration::from_secs(1) / profile.rate.max(1);
    let micros = u64::try_from(interval.as_micros()).unwrap_or(1).max(1);
    let interval = SamplingInterval::from_nanos(micros * 1000);
    let mut out = Processed::new(program, SystemTime::now().into(), interval);
    let start = Timestamp::from_millis_since_reference(0.0);
    let process = out.add_process(program, std::process::id(), start);
    let thread = out.add_thread(process, std::process::id(), start, true);
    out.set_thread_name(thread, "wasm");
    let categories: HashMap<Category, CategoryHandle> = Category::ALL
        .into_iter()
        .map(|category| (category, out.add_category(category.name(), colour(category))))
        .collect();
    for sample in &profile.samples {
        let mut frames = Vec::with_capacity(sample.frames.len());
        for frame in sample.frames.iter().rev() {
            let function = profile.function(frame.function);
            let name = out.intern_string(&printable(&function.name));
            let category = categories[&function.category];
            frames.push(FrameInfo {
                frame: Frame::Label(name),
                category_pair: category.into(),
                flags: FrameFlags::empty(),
            });
        }
        let stack = out.intern_stack_frames(thread, frames.into_iter());
        let at = Timestamp::from_millis_since_reference(sample.at.as_secs_f64() * 1e3);
        out.add_sample(thread, at, stack, CpuDelta::from(sample.cpu), 1);
    }
    serde_json::to_string(&out)
}

const fn colour(category: Category) -> CategoryColor {
    match category {
        Category::Baseline => CategoryColor::Orange,
        Category::Optimized => CategoryColor::Green,
        Category::Osr => CategoryColor::LightGreen,
        Category::Stub => CategoryColor::Gray,
        Category::Host => CategoryColor::Blue,
    }
}
