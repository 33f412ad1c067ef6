//! A profile for <https://profiler.firefox.com>, with a category for each kind of code.
//!
//! ```text
//! sampled threads ── samples; a frame's address is the operator's offset in the module
//!                 └─ markers: what happened to functions there, when
//! threads that compile ── markers: compilations, and how many requests waited as a graph
//! process ── memory track: bytes of machine code
//! ```
//! Time 0 is when the engine was made.

mod markers;

use crate::printable;
use crate::profile::{Category, Frame, Function, Profile, Sample};
use crate::source::SourceLine;
use crate::tiers::TierReport;
use fxprof_processed_profile::debugid::DebugId;
use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame as Place, FrameFlags, FrameInfo, LibraryHandle,
    LibraryInfo, ProcessHandle, Profile as Processed, SamplingInterval, Symbol, SymbolTable,
    ThreadHandle, Timestamp,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The profile as JSON. `start_ms` is when sampling began, since the engine was made.
///
/// # Errors
/// Never in practice: all keys are strings.
pub fn json(
    profile: &Profile,
    tiers: &TierReport,
    program: &str,
    start_ms: f64,
) -> serde_json::Result<String> {
    let mut out = Document::new(profile, program);
    let threads = out.threads(profile);
    for sample in &profile.samples {
        if let Some(&thread) = threads.get(sample.thread) {
            out.sample(profile, sample, thread, start_ms);
        }
    }
    out.tier_events(tiers, threads.first().copied());
    let mut json = serde_json::to_value(&out.profile)?;
    add_lines(&mut json, profile);
    serde_json::to_string(&json)
}

/// The profile while it is made.
struct Document {
    profile: Processed,
    process: ProcessHandle,
    categories: HashMap<Category, CategoryHandle>,
    module: LibraryHandle,
}

impl Document {
    fn new(profile: &Profile, program: &str) -> Self {
        let interval = Duration::from_secs(1) / profile.rate.max(1);
        let micros = u64::try_from(interval.as_micros()).unwrap_or(1).max(1);
        let interval = SamplingInterval::from_nanos(micros * 1000);
        let program = printable(program);
        let mut out = Processed::new(&program, SystemTime::now().into(), interval);
        let process = out.add_process(&program, std::process::id(), at_ms(0.0));
        let categories = Category::ALL
            .into_iter()
            .map(|category| (category, out.add_category(category.name(), colour(category))))
            .collect();
        let module = out.add_lib(LibraryInfo {
            name: program.clone(),
            debug_name: program.clone(),
            path: program.clone(),
            debug_path: program,
            debug_id: DebugId::nil(),
            code_id: None,
            arch: None,
            symbol_table: Some(Arc::new(SymbolTable::new(symbols(profile)))),
        });
        out.set_symbolicated(true);
        Self { profile: out, process, categories, module }
    }

    /// A track for each thread.
    fn threads(&mut self, profile: &Profile) -> Vec<ThreadHandle> {
        let mut handles = Vec::new();
        for (place, thread) in profile.threads.iter().enumerate() {
            let id = thread.id.unsigned_abs();
            let handle = self.profile.add_thread(self.process, id, at_ms(0.0), place == 0);
            self.profile.set_thread_name(handle, &printable(&thread.name));
            self.profile.set_thread_show_markers_in_timeline(handle, true);
            handles.push(handle);
        }
        handles
    }

    fn sample(&mut self, profile: &Profile, sample: &Sample, thread: ThreadHandle, start_ms: f64) {
        let mut frames = Vec::with_capacity(sample.frames.len());
        for frame in sample.frames.iter().rev() {
            let function = profile.function(frame.function);
            frames.push(FrameInfo {
                frame: self.place(function, frame),
                category_pair: self.categories[&function.category].into(),
                flags: FrameFlags::empty(),
            });
        }
        let stack = self.profile.intern_stack_frames(thread, frames.into_iter());
        let at = at_ms(start_ms + sample.at.as_secs_f64() * 1e3);
        self.profile.add_sample(thread, at, stack, CpuDelta::from(sample.cpu), 1);
    }

    fn place(&mut self, function: &Function, frame: &Frame) -> Place {
        match frame.module_offset {
            Some(offset) if function.index.is_some() => {
                Place::RelativeAddressFromInstructionPointer(self.module, offset)
            }
            _ => Place::Label(self.profile.intern_string(&printable(&function.name))),
        }
    }
}

fn at_ms(ms: f64) -> Timestamp {
    Timestamp::from_millis_since_reference(ms)
}

/// A symbol for each function, over all its offsets that were met. Bodies do not overlap.
fn symbols(profile: &Profile) -> Vec<Symbol> {
    let mut spans: BTreeMap<u32, (u32, u32, &str)> = BTreeMap::new();
    for frame in profile.samples.iter().flat_map(|sample| &sample.frames) {
        let function = profile.function(frame.function);
        if let (Some(index), Some(offset)) = (function.index, frame.module_offset) {
            let span = spans.entry(index).or_insert((offset, offset, &function.name));
            (span.0, span.1) = (span.0.min(offset), span.1.max(offset));
        }
    }
    let symbol = |(first, last, name): (u32, u32, &str)| Symbol {
        address: first,
        size: Some(last - first + 1),
        name: printable(name),
    };
    spans.into_values().map(symbol).collect()
}

/// Adds lines of source to frames of the module, and files to their functions: the crate has no place
/// for them.
fn add_lines(json: &mut Value, profile: &Profile) {
    if profile.lines.is_empty() {
        return;
    }
    let Some(threads) = json["threads"].as_array_mut() else { return };
    for thread in threads {
        let found = lines_of(&thread["frameTable"], profile);
        for (frame, line) in found {
            let function = thread["frameTable"]["func"][frame].as_u64();
            thread["frameTable"]["line"][frame] = line.line.into();
            let file = add_string(thread, &printable(&line.file));
            if let Some(function) = function.and_then(|place| usize::try_from(place).ok()) {
                thread["funcTable"]["fileName"][function] = file.into();
            }
        }
    }
}

/// Frames of a table whose line is known.
fn lines_of<'a>(frames: &Value, profile: &'a Profile) -> Vec<(usize, &'a SourceLine)> {
    let addresses = frames["address"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |(frame, address): (usize, &Value)| {
        let offset = u32::try_from(address.as_u64()?).ok()?;
        Some((frame, profile.lines.get(&offset)?))
    };
    addresses.iter().enumerate().filter_map(line).collect()
}

/// The place of a string in the table of a thread.
fn add_string(thread: &mut Value, text: &str) -> usize {
    let Some(strings) = thread["stringArray"].as_array_mut() else { return 0 };
    let known = strings.iter().position(|string| string == text);
    known.unwrap_or_else(|| {
        strings.push(json!(text));
        strings.len() - 1
    })
}

const fn colour(category: Category) -> CategoryColor {
    match category {
        Category::Baseline => CategoryColor::Orange,
        Category::Optimized => CategoryColor::Green,
        Category::Osr => CategoryColor::LightGreen,
        Category::Stub => CategoryColor::Gray,
        Category::Host => CategoryColor::Blue,
        Category::Compiler => CategoryColor::Purple,
    }
}

#[cfg(test)]
mod tests;
