//! A profile for <https://profiler.firefox.com>, with a category for each kind of code.
//!
//! ```text
//! sampled threads ── samples; a frame's address is the operator's offset in the module
//!                 └─ markers: what happened to functions there, when; collections, exceptions, traps
//! threads that compile ── markers: compilations, and how many requests waited as a graph
//! process ── memory tracks: bytes of machine code, and of objects
//! ```
//! Time 0 is when the engine was made. Functions that the module's compiler inlined have the address of
//! what they are in, and a depth. The crate has no place for that, nor for lines of source: each such
//! frame gets an address beyond all modules, which is replaced in the JSON.

mod incidents;
mod markers;

use crate::printable;
use crate::profile::{Category, Frame, Function, FunctionId, Profile, Sample};
use crate::source::SourceLine;
use crate::tiers::TierReport;
use fxprof_processed_profile::debugid::DebugId;
use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame as Place, FrameFlags, FrameInfo, LibraryHandle,
    LibraryInfo, MarkerFieldFlags, MarkerFieldFormat, ProcessHandle, Profile as Processed,
    SamplingInterval, StaticSchemaMarkerField, Symbol, SymbolTable, ThreadHandle, Timestamp,
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
    out.tier_events(tiers, profile, &threads);
    out.incidents(&tiers.incidents, threads.first().copied());
    let mut json = serde_json::to_value(&out.profile)?;
    add_sources(&mut json, &out.sources);
    serde_json::to_string(&json)
}

const fn field(
    key: &'static str,
    label: &'static str,
    format: MarkerFieldFormat,
) -> StaticSchemaMarkerField {
    StaticSchemaMarkerField { key, label, format, flags: MarkerFieldFlags::SEARCHABLE }
}

/// The methods of a marker that has its name and its category in fields called so.
macro_rules! name_and_category {
    () => {
        fn name(&self, _: &mut Profile) -> StringHandle {
            self.name
        }

        fn category(&self, _: &mut Profile) -> CategoryHandle {
            self.category
        }
    };
}
use name_and_category;

/// The profile while it is made.
struct Document {
    profile: Processed,
    process: ProcessHandle,
    categories: HashMap<Category, CategoryHandle>,
    module: LibraryHandle,
    sources: Sources,
}

/// Addresses of frames with a line of source, or of functions that were inlined; modules end before.
const FIRST_SOURCE: u32 = 1 << 31;

/// What the JSON says of these frames, by their address above [`FIRST_SOURCE`].
#[derive(Debug, Default)]
struct Sources(Vec<SourcePlace>);

#[derive(Debug)]
struct SourcePlace {
    frame: Frame,
    name: String,
    depth: usize,
    line: Option<SourceLine>,
}

impl Sources {
    /// The places of a profile, in the order of frames and depths.
    fn new(profile: &Profile) -> Self {
        let mut found: BTreeMap<(FunctionId, Option<u32>, usize), &Frame> = BTreeMap::new();
        for sample in &profile.samples {
            for (frame, depth) in with_depths(profile, &sample.frames) {
                if depth > 0 || profile.line(frame).is_some() {
                    found.insert((frame.function, frame.module_offset, depth), frame);
                }
            }
        }
        let place = |((function, _, depth), frame): ((FunctionId, _, usize), &Frame)| SourcePlace {
            frame: *frame,
            name: printable(&profile.function(function).name),
            depth,
            line: profile.line(frame).cloned(),
        };
        Self(found.into_iter().map(place).collect())
    }

    fn address(&self, frame: &Frame, depth: usize) -> Option<u32> {
        let key =
            |place: &SourcePlace| (place.frame.function, place.frame.module_offset, place.depth);
        let wanted = (frame.function, frame.module_offset, depth);
        let place = self.0.binary_search_by_key(&wanted, key).ok()?;
        Some(FIRST_SOURCE + u32::try_from(place).ok()?)
    }

    fn at(&self, address: u64) -> Option<&SourcePlace> {
        let place = address.checked_sub(FIRST_SOURCE.into())?;
        self.0.get(usize::try_from(place).ok()?)
    }

    fn symbols(&self) -> impl Iterator<Item = Symbol> {
        self.0.iter().zip(FIRST_SOURCE..).map(|(place, address)| Symbol {
            address,
            size: Some(1),
            name: place.name.clone(),
        })
    }
}

/// Frames, innermost first, with how deep each is inlined in the function of the module around it.
fn with_depths<'a>(
    profile: &Profile,
    frames: &'a [Frame],
) -> impl Iterator<Item = (&'a Frame, usize)> {
    let inlined = |frame: &Frame| profile.function(frame.function).inlined;
    let groups = frames.chunk_by(move |frame, _| inlined(frame));
    groups.flat_map(|group| group.iter().zip((0..group.len()).rev()))
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
        let sources = Sources::new(profile);
        let table = symbols(profile).into_iter().chain(sources.symbols()).collect();
        let module = out.add_lib(LibraryInfo {
            name: program.clone(),
            debug_name: program.clone(),
            path: program.clone(),
            debug_path: program,
            debug_id: DebugId::nil(),
            code_id: None,
            arch: None,
            symbol_table: Some(Arc::new(SymbolTable::new(table))),
        });
        out.set_symbolicated(true);
        Self { profile: out, process, categories, module, sources }
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
        for (frame, depth) in with_depths(profile, &sample.frames) {
            let function = profile.function(frame.function);
            frames.push(FrameInfo {
                frame: self.place(function, frame, depth),
                category_pair: self.categories[&function.category].into(),
                flags: FrameFlags::empty(),
            });
        }
        let stack = self.profile.intern_stack_frames(thread, frames.into_iter().rev());
        let at = at_ms(start_ms + sample.at.as_secs_f64() * 1e3);
        self.profile.add_sample(thread, at, stack, CpuDelta::from(sample.cpu), 1);
    }

    fn place(&mut self, function: &Function, frame: &Frame, depth: usize) -> Place {
        let offset = self.sources.address(frame, depth).or(frame.module_offset);
        match offset {
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
        if let (Some(index), Some(offset), false) =
            (function.index, frame.module_offset, function.inlined)
        {
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

/// Says of frames with a line, and of those that were inlined, what they are.
fn add_sources(json: &mut Value, sources: &Sources) {
    let Some(threads) = json["threads"].as_array_mut() else { return };
    for thread in threads {
        let addresses = thread["frameTable"]["address"].as_array().cloned().unwrap_or_default();
        for (frame, address) in addresses.iter().enumerate() {
            let Some(place) = address.as_u64().and_then(|address| sources.at(address)) else {
                continue;
            };
            let function = thread["frameTable"]["func"][frame].as_u64();
            let table = &mut thread["frameTable"];
            table["address"][frame] = place.frame.module_offset.into();
            table["inlineDepth"][frame] = place.depth.into();
            // It was of the address that nothing has.
            table["nativeSymbol"][frame] = Value::Null;
            let Some(line) = &place.line else { continue };
            table["line"][frame] = line.line.into();
            let file = add_string(thread, &printable(&line.file));
            if let Some(function) = function.and_then(|place| usize::try_from(place).ok()) {
                thread["funcTable"]["fileName"][function] = file.into();
            }
        }
    }
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
