//! The profile in the format of [pprof](https://github.com/google/pprof/blob/main/proto/profile.proto):
//! a protocol buffer, compressed by gzip.
//!
//! A function is one function in all tiers; the tier of a sample's innermost frame is the sample's
//! label `tier`, so `pprof -tagfocus=tier=baseline` shows what ran in baseline code; the label
//! `thread` names its thread. The address of a location is the operator's offset in the module. Values
//! are samples, CPU time, and what was counted. Functions that the module's compiler inlined are lines of
//! the location they are in, innermost first.

use crate::printable;
use crate::profile::{Frame, Profile, Sample as Stack};
use crate::sampler::COUNTERS;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::HashMap;
use std::io::Write;
use std::time::SystemTime;

/// What `Profile` is in the format; fields that are not used are left out.
#[derive(Clone, PartialEq, Message)]
struct Encoded {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

/// What a value counts: positions of strings.
#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// A stack, innermost first, with a value of each type.
#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
}

/// What offsets are offsets of.
#[derive(Clone, Copy, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "3")]
    memory_limit: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// The number of the module's mapping; the host has none.
const MODULE: u64 = 1;

/// The profile of `program` as a file.
///
/// # Errors
/// Never in practice: it is written to memory.
pub fn gzip(profile: &Profile, program: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&encode(profile, program).encode_to_vec())?;
    encoder.finish()
}

fn encode(profile: &Profile, program: &str) -> Encoded {
    let mut strings = Strings::default();
    let count = ValueType { r#type: strings.id("samples"), unit: strings.id("count") };
    let cpu = ValueType { r#type: strings.id("cpu"), unit: strings.id("nanoseconds") };
    let module = Mapping {
        id: MODULE,
        memory_limit: u32::MAX.into(),
        filename: strings.id(&printable(program)),
        has_functions: true,
    };
    let mut places = Places { module: module.filename, ..Places::default() };
    let mut sample_type = vec![count, cpu];
    for (name, _) in COUNTERS.iter().zip(profile.counted).filter(|&(_, counted)| counted) {
        sample_type.push(ValueType { r#type: strings.id(name), unit: strings.id("count") });
    }
    let sample = profile.samples.iter().map(|stack| Sample {
        location_id: places.of(profile, stack, &mut strings),
        value: values(profile, stack),
        label: labels(profile, stack, &mut strings),
    });
    let sample = sample.collect();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Encoded {
        sample_type,
        sample,
        mapping: vec![module],
        location: places.locations,
        function: places.functions,
        time_nanos: i64::try_from(since.saturating_sub(profile.wall).as_nanos()).unwrap_or(0),
        duration_nanos: i64::try_from(profile.wall.as_nanos()).unwrap_or(0),
        period_type: Some(cpu),
        period: i64::from(1_000_000_000 / profile.rate.max(1)),
        default_sample_type: cpu.r#type,
        string_table: strings.table,
    }
}

fn values(profile: &Profile, stack: &Stack) -> Vec<i64> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let cpu = i64::try_from(stack.cpu.as_nanos()).unwrap_or(i64::MAX);
    let counts = stack.counts.iter().zip(profile.counted).filter(|&(_, counted)| counted);
    [1, cpu].into_iter().chain(counts.map(|(&count, _)| number(count))).collect()
}

fn labels(profile: &Profile, stack: &Stack, strings: &mut Strings) -> Vec<Label> {
    let tier = stack.frames.first().map(|leaf| profile.function(leaf.function).category.name());
    let thread = profile.threads.get(stack.thread).map(|thread| printable(&thread.name));
    let mut label = |key: &str, value: &str| Label { key: strings.id(key), str: strings.id(value) };
    let tier = tier.map(|tier| label("tier", tier));
    tier.into_iter().chain(thread.map(|name| label("thread", &name))).collect()
}

/// The table of strings; the first is empty.
struct Strings {
    table: Vec<String>,
    known: HashMap<String, i64>,
}

impl Default for Strings {
    fn default() -> Self {
        Self { table: vec![String::new()], known: HashMap::from([(String::new(), 0)]) }
    }
}

impl Strings {
    fn id(&mut self, text: &str) -> i64 {
        if let Some(&id) = self.known.get(text) {
            return id;
        }
        let id = i64::try_from(self.table.len()).unwrap_or(0);
        self.table.push(text.to_owned());
        self.known.insert(text.to_owned(), id);
        id
    }
}

/// Locations and functions that were met. Numbers start from 1.
#[derive(Default)]
struct Places {
    /// Name of the module's file.
    module: i64,
    locations: Vec<Location>,
    functions: Vec<Function>,
    /// By function and offset.
    known: HashMap<(u64, Option<u32>), u64>,
    /// By name and index in the module.
    known_functions: HashMap<(i64, Option<u32>), u64>,
}

impl Places {
    fn of(&mut self, profile: &Profile, stack: &Stack, strings: &mut Strings) -> Vec<u64> {
        // A group is a function of the module, or one of the host, behind those inlined in it.
        let inlined = |frame: &Frame| profile.function(frame.function).inlined;
        let groups = stack.frames.chunk_by(|frame, _| inlined(frame));
        groups.map(|frames| self.location(profile, frames, strings)).collect()
    }

    fn location(&mut self, profile: &Profile, frames: &[Frame], strings: &mut Strings) -> u64 {
        let lines = frames.iter().map(|frame| self.line(profile, frame, strings));
        let line: Vec<Line> = lines.collect();
        let (Some(own), Some(outermost)) = (frames.last(), line.last()) else { return 0 };
        let in_module = profile.function(own.function).index.is_some();
        let locations = &mut self.locations;
        *self.known.entry((outermost.function_id, own.module_offset)).or_insert_with(|| {
            let id = locations.len() as u64 + 1;
            locations.push(Location {
                id,
                mapping_id: if in_module { MODULE } else { 0 },
                address: own.module_offset.unwrap_or(0).into(),
                line,
            });
            id
        })
    }

    fn line(&mut self, profile: &Profile, frame: &Frame, strings: &mut Strings) -> Line {
        let function = profile.function(frame.function);
        let name = strings.id(&printable(&function.name));
        let line = profile.line(frame);
        let file = match (line, function.index) {
            (Some(line), _) => strings.id(&printable(&line.file)),
            (None, Some(_)) => self.module,
            (None, None) => 0,
        };
        let function_id = self.function((name, function.index), file);
        Line { function_id, line: line.map_or(0, |line| line.line.into()) }
    }

    fn function(&mut self, (name, index): (i64, Option<u32>), filename: i64) -> u64 {
        let functions = &mut self.functions;
        *self.known_functions.entry((name, index)).or_insert_with(|| {
            let id = functions.len() as u64 + 1;
            functions.push(Function { id, name, system_name: name, filename });
            id
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Category, FunctionId, ThreadProfile};
    use crate::source::SourceLine;
    use flate2::read::GzDecoder;
    use std::io::Read;
    use std::time::Duration;

    /// `main` in baseline code calls `work`, in both tiers.
    fn profile() -> Profile {
        let mut profile = Profile { rate: 1000, ..Profile::default() };
        let functions = &mut profile.functions;
        let main = functions.add("main".to_owned(), Category::Baseline, Some(0));
        let slow = functions.add("work\u{1b}".to_owned(), Category::Baseline, Some(1));
        let fast = functions.add("work\u{1b}".to_owned(), Category::Optimized, Some(1));
        let host = functions.add("malloc".to_owned(), Category::Host, None);
        let frame = |function: FunctionId, offset| Frame { function, module_offset: offset };
        let stacks = [
            vec![frame(slow, Some(20)), frame(main, Some(10))],
            vec![frame(fast, Some(20)), frame(main, Some(10))],
            vec![frame(host, None), frame(fast, Some(24)), frame(main, Some(10))],
        ];
        let line = SourceLine { file: "work.c".to_owned(), line: 7 };
        for function in [slow, fast] {
            profile.lines.insert((20, function), line.clone());
        }
        for (i, frames) in stacks.into_iter().enumerate() {
            let cpu = Duration::from_nanos(100 + i as u64);
            let counts = [0, 0, 0, 0, i as u64, 9];
            profile.samples.push(Stack { cpu, counts, frames, ..Stack::default() });
        }
        profile.counted[4] = true;
        let thread = ThreadProfile { name: "a \u{1b}".to_owned(), ..ThreadProfile::default() };
        profile.threads.push(thread);
        profile
    }

    #[test]
    fn a_file_decodes_to_what_was_sampled() {
        let file = gzip(&profile(), "program.wasm").unwrap();
        let mut bytes = Vec::new();
        GzDecoder::new(file.as_slice()).read_to_end(&mut bytes).unwrap();
        let decoded = Encoded::decode(bytes.as_slice()).unwrap();
        let text = |id: i64| decoded.string_table[usize::try_from(id).unwrap()].as_str();
        let name = |location: &u64| {
            let location = decoded.location.iter().find(|l| l.id == *location).unwrap();
            let function =
                decoded.function.iter().find(|f| f.id == location.line[0].function_id).unwrap();
            let place = (text(function.filename), location.line[0].line);
            (text(function.name), place, location.address, location.mapping_id)
        };
        let stacks: Vec<Vec<_>> =
            decoded.sample.iter().map(|s| s.location_id.iter().map(name).collect()).collect();
        let main = ("main", ("program.wasm", 0), 10, MODULE);
        let work = |line, address| ("work\\u{1b}", ("work.c", line), address, MODULE);
        assert_eq!(stacks[0], [work(7, 20), main]);
        assert_eq!(stacks[1], stacks[0], "one function in all tiers");
        assert_eq!(stacks[2], [("malloc", ("", 0), 0, 0), work(0, 24), main]);
        let labels: Vec<_> =
            decoded.sample.iter().map(|s| (text(s.label[0].key), text(s.label[0].str))).collect();
        assert_eq!(labels, [("tier", "baseline"), ("tier", "optimized"), ("tier", "host")]);
        let values: Vec<_> = decoded.sample.iter().map(|s| s.value.clone()).collect();
        assert_eq!(values, [[1, 100, 0], [1, 101, 1], [1, 102, 2]]);
        let thread = decoded.sample[0].label[1];
        assert_eq!((text(thread.key), text(thread.str)), ("thread", "a \\u{1b}"));
        let types: Vec<_> =
            decoded.sample_type.iter().map(|t| (text(t.r#type), text(t.unit))).collect();
        let faults = ("page-faults", "count");
        assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds"), faults]);
        assert_eq!((text(0), decoded.period, decoded.function.len()), ("", 1_000_000, 3));
        assert_eq!(text(decoded.mapping[0].filename), "program.wasm");
    }

    #[test]
    fn what_was_inlined_is_a_line_of_its_location() {
        let mut profile = Profile { rate: 1000, ..Profile::default() };
        let main = profile.functions.add("main".to_owned(), Category::Optimized, Some(0));
        let min = profile.functions.add_inlined("min".to_owned(), Category::Optimized, 0);
        let frame = |function: FunctionId, offset| Frame { function, module_offset: Some(offset) };
        for (function, line) in [(main, 7), (min, 3)] {
            let line = SourceLine { file: "main.c".to_owned(), line };
            profile.lines.insert((20, function), line);
        }
        let frames = vec![frame(min, 20), frame(main, 20), frame(main, 30)];
        profile.samples.push(Stack { frames, ..Stack::default() });
        let encoded = encode(&profile, "a.wasm");
        let name = |line: &Line| {
            let function = encoded.function.iter().find(|f| f.id == line.function_id).unwrap();
            let name = usize::try_from(function.name).unwrap();
            (encoded.string_table[name].as_str(), line.line)
        };
        let lines: Vec<Vec<_>> = encoded
            .location
            .iter()
            .map(|location| location.line.iter().map(name).collect())
            .collect();
        assert_eq!(lines, [vec![("min", 3), ("main", 7)], vec![("main", 0)]]);
        assert_eq!(encoded.sample[0].location_id, [1, 2]);
    }
}
