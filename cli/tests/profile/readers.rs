//! What `upshift profile` writes is read by somebody else's reader of each format, hostile names included.

use super::common::stdout;
use super::{HOT, Run};
use linux_perf_data::jitdump::{JitDumpReader, JitDumpRecord};
use quick_xml::events::Event;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::OnceLock;

/// What a name may have that ends a field, a line, a frame, an element or a string somewhere.
const HOSTILE: &str = "=a\u{1b}[2J;\"b',</title><script>\n\t\u{202e}&amp;\\";
/// The same as outputs show it.
const SHOWN: &str = "=a\\u{1b}[2J;\"b',</title><script>\\u{a}\\u{9}\\u{202e}&amp;\\";

/// `_start` calls the function with the hostile name, whose loop takes all the time, and one with a name
/// of 100 000 characters.
fn program() -> String {
    let hostile: String = HOSTILE.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let huge = "x".repeat(100_000);
    format!(
        r#"(module
        (memory (export "memory") 1)
        (func $hot (@name "{hostile}") {HOT})
        (func $huge (@name "{huge}") (param i32)
            (drop (call $hot (local.get 0))))
        (func (export "_start")
            (call $huge (i32.const 60_000_000)) (drop (call $hot (i32.const 20_000_000)))))"#
    )
}

/// A run under the profiler.
fn profile(name: &str, options: &[&str]) -> Run {
    let run = Run::new(name, &program(), options);
    assert_eq!(run.output.status.code(), Some(0), "{}", run.stderr());
    // A table bears a part of a huge name only.
    assert!(run.stderr().lines().all(|line| line.len() < 1000), "{}", run.stderr());
    run
}

/// One run for all tests.
fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = profile("readers", &["--format", "all", "--turns", "--with-compilers"]);
        assert!(stdout(&run.output).is_empty(), "that is the program's");
        run
    })
}

/// The file whose name begins and ends so.
fn found(start: &str, end: &str) -> String {
    let files = fs::read_dir(run().out()).expect("the folder is there");
    let mut names = files.map(|file| file.expect("readable").file_name().display().to_string());
    names.find(|name| name.starts_with(start) && name.ends_with(end)).expect("it was written")
}

#[test]
fn tables_are_csv() {
    for name in ["functions.csv", "tiers.csv", "turns.csv"] {
        let bytes = run().bytes(name);
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let rows: Vec<_> = reader.records().map(|row| row.expect("as long as the head")).collect();
        // A spreadsheet takes what begins with `=` for a formula.
        let hot = format!("'{SHOWN}");
        assert!(rows.iter().any(|row| row[0] == hot), "{name}: {rows:?}");
        let cut = |name: &str| name.ends_with("x…") && name.chars().count() == 1001;
        assert!(rows.iter().any(|row| cut(&row[0])), "{name}");
    }
    let turns = run().bytes("turns.csv");
    let mut reader = csv::Reader::from_reader(turns.as_slice());
    let rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().map(|row| row.expect("a row")).collect();
    let looped = rows.iter().find(|row| !row["loop"].is_empty()).expect("a loop turned");
    let turns = |side: &str| looped[side].parse::<u64>().expect("a number");
    assert_eq!(turns("baseline_turns") + turns("optimized_turns"), 80_000_000);
    assert!(turns("optimized_turns") > 0, "{rows:?}");
}

/// The text and the attributes of a document; all elements are closed.
fn xml(name: &str) -> String {
    let text = run().read(name);
    let mut reader = quick_xml::Reader::from_str(&text);
    let (mut content, mut depth) = (String::new(), 0_i32);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{name}: {error}")) {
            Event::Start(element) | Event::Empty(element)
                if element.name().as_ref() == b"script" =>
            {
                assert!(name.ends_with("svg"), "our page has no scripts, nor gets one by a name");
                depth += 1;
            }
            Event::Start(element) => {
                for attribute in element.attributes() {
                    attribute.expect("well-formed");
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            Event::Text(part) => content.push_str(&part.decode().expect("UTF-8")),
            Event::GeneralRef(name) => match name.resolve_char_ref().expect("a character") {
                Some(character) => content.push(character),
                None => content.push_str(match &*name.decode().expect("UTF-8") {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    other => panic!("&{other}; is none of XML's"),
                }),
            },
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{name}");
    content
}

#[test]
fn pictures_and_pages_are_xml() {
    for name in ["flamegraph.svg", "timeline.html"] {
        let content = xml(name);
        // Folded stacks end a frame with a semicolon.
        let shown = if name.ends_with("svg") { SHOWN.replace(';', ",") } else { SHOWN.to_owned() };
        assert!(content.contains(&shown), "{name}: {shown}");
    }
    assert!(
        !run().read("timeline.html").contains("http")
            || run().read("timeline.html").matches("http").count() == 1
    );
}

#[test]
fn stacks_are_what_flamegraph_tools_read() {
    let stacks = run().read("stacks.folded");
    let mut out = Vec::new();
    let mut options = inferno::flamegraph::Options::default();
    inferno::flamegraph::from_lines(&mut options, stacks.lines(), &mut out).expect("stacks");
    let weights = stacks.lines().map(|line| line.rsplit_once(' ').expect("a weight").1);
    let sum: f64 = weights.map(|weight| weight.parse::<f64>().expect("a number")).sum();
    let profile: Value = run().json("profile.json");
    let kinds = profile["kinds"].as_array().expect("a list");
    let sampled: f64 = kinds.iter().filter_map(|kind| kind["self_ms"].as_f64()).sum();
    assert!((sum / 1e3 - sampled).abs() < 0.01 * sampled + 1.0, "{sum} µs, {sampled} ms");
}

/// Columns of a thread's tables in version 55 of the format.
const FIREFOX_TABLES: [(&str, &str); 7] = [
    ("samples", "stack timeDeltas weight threadCPUDelta"),
    ("stackTable", "frame prefix"),
    (
        "frameTable",
        "address inlineDepth category subcategory func nativeSymbol innerWindowID line column",
    ),
    ("funcTable", "isJS relevantForJS name resource fileName lineNumber columnNumber"),
    ("resourceTable", "lib name host type"),
    ("nativeSymbols", "libIndex address name functionSize"),
    ("markers", "data name startTime endTime phase category"),
];

/// All places of other tables that a table of the Firefox Profiler names are there, and each stack leads to
/// its root.
#[test]
fn the_document_for_firefox_is_whole() {
    let document: Value = run().json("firefox.json");
    let meta = &document["meta"];
    assert_eq!(meta["preprocessedProfileVersion"], 55);
    assert_eq!(meta["sampleUnits"]["threadCPUDelta"], "µs");
    let schemas = meta["markerSchema"].as_array().expect("a list").iter();
    let schemas: BTreeMap<&str, &Value> =
        schemas.map(|of| (of["name"].as_str().expect("a name"), &of["fields"])).collect();
    for counter in document["counters"].as_array().expect("a list") {
        let samples = &counter["samples"];
        for column in ["count", "number", "timeDeltas"] {
            let rows = samples[column].as_array().map(|rows| rows.len() as u64);
            assert_eq!(rows, samples["length"].as_u64(), "{counter}");
        }
    }
    let categories = meta["categories"].as_array().expect("a list").len();
    let mut names = BTreeSet::new();
    for thread in document["threads"].as_array().expect("a list") {
        let len = |table: &str| thread[table]["length"].as_u64().expect("a length");
        let strings = thread["stringArray"].as_array().expect("a list");
        let within = |table: &str, column: &str, bound: u64| {
            let values = thread[table][column].as_array().expect("a column");
            assert_eq!(values.len() as u64, len(table), "{table}.{column}");
            for value in values.iter().filter(|value| !value.is_null()) {
                assert!(value.as_u64().is_some_and(|at| at < bound), "{table}.{column}: {value}");
            }
        };
        for (table, columns) in FIREFOX_TABLES {
            for column in columns.split(' ') {
                let rows = thread[table][column].as_array().map(Vec::len);
                assert_eq!(rows.map(|rows| rows as u64), Some(len(table)), "{table}.{column}");
            }
        }
        within("samples", "stack", len("stackTable"));
        within("stackTable", "frame", len("frameTable"));
        within("frameTable", "func", len("funcTable"));
        within("frameTable", "category", categories as u64);
        within("frameTable", "nativeSymbol", len("nativeSymbols"));
        within("funcTable", "name", strings.len() as u64);
        within("funcTable", "fileName", strings.len() as u64);
        within("markers", "name", strings.len() as u64);
        within("markers", "category", categories as u64);
        for data in thread["markers"]["data"].as_array().expect("a column") {
            let fields =
                schemas[data["type"].as_str().expect("a type")].as_array().expect("a list");
            for field in fields {
                let value = &data[field["key"].as_str().expect("a key")];
                let is_string = field["format"] == "unique-string";
                let known = value.as_u64().is_some_and(|at| at < strings.len() as u64);
                assert!(if is_string { known } else { value.is_number() }, "{data}");
            }
        }
        for (stack, prefix) in
            thread["stackTable"]["prefix"].as_array().expect("a column").iter().enumerate()
        {
            assert!(prefix.is_null() || prefix.as_u64() < Some(stack as u64));
        }
        names.extend(strings.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    assert!(names.contains(SHOWN), "{names:?}");
}

/// Samples and events are told by two clocks, and stand beside one another.
#[test]
fn no_sample_is_in_code_of_a_loop_before_it_was_entered() {
    let document: Value = run().json("firefox.json");
    let categories = document["meta"]["categories"].as_array().expect("a list");
    let osr = categories.iter().position(|category| category["name"] == "osr").expect("there");
    let (mut sampled, mut entered) = (f64::INFINITY, f64::INFINITY);
    for thread in document["threads"].as_array().expect("a list") {
        let at = |table: &str, column: &str, place: &Value| {
            let place = usize::try_from(place.as_u64().expect("a place")).expect("a place");
            thread[table][column][place].clone()
        };
        let samples = &thread["samples"];
        let deltas = samples["timeDeltas"].as_array().expect("a column").iter();
        let mut now = 0.0;
        for (stack, delta) in samples["stack"].as_array().expect("a column").iter().zip(deltas) {
            now += delta.as_f64().expect("a time");
            let category = at("frameTable", "category", &at("stackTable", "frame", stack));
            if category.as_u64() == Some(osr as u64) {
                sampled = sampled.min(now);
            }
        }
        let names = thread["markers"]["name"].as_array().expect("a column").iter();
        let times = thread["markers"]["startTime"].as_array().expect("a column").iter();
        for (name, time) in names.zip(times) {
            let name = usize::try_from(name.as_u64().expect("a place")).expect("a place");
            if thread["stringArray"][name] == "osr-entered" {
                entered = entered.min(time.as_f64().expect("a time"));
            }
        }
    }
    assert!(entered.is_finite() && sampled.is_finite());
    // The document has microseconds.
    assert!(entered <= sampled + 0.01, "entered at {entered} ms, sampled at {sampled} ms");
}

#[test]
fn the_trace_has_what_its_viewers_ask_for() {
    let trace: Value = run().json("compile-trace.json");
    let events = trace["traceEvents"].as_array().expect("a list");
    let mut compiled = false;
    for event in events {
        assert!(event["name"].is_string() && event["pid"].is_u64() && event["tid"].is_u64());
        assert!(event["ts"].as_f64() >= Some(0.0), "{event}");
        match event["ph"].as_str().expect("a phase") {
            "X" => compiled |= event["dur"].as_f64() >= Some(0.0) && event["name"] == SHOWN,
            "i" => assert_eq!(event["s"], "t"),
            "C" => assert!(event["args"]["waiting"].is_u64()),
            "M" => assert!(event["name"] == "thread_name" && event["args"]["name"].is_string()),
            other => panic!("{other}"),
        }
    }
    assert!(compiled, "{trace}");
}

#[test]
fn the_map_has_a_line_for_each_piece_of_code() {
    let map = run().read(&found("perf-", ".map"));
    let mut codes: Vec<(u64, u64, &str)> = Vec::new();
    for line in map.lines() {
        let mut fields = line.splitn(3, ' ');
        let mut hexadecimal =
            || u64::from_str_radix(fields.next().expect("a field"), 16).expect("a number");
        let (address, len) = (hexadecimal(), hexadecimal());
        codes.push((address, len, fields.next().expect("a name")));
    }
    codes.sort_unstable();
    assert!(codes.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
    for tier in ["baseline", "osr"] {
        let name = format!("{SHOWN}-{tier}");
        assert!(codes.iter().any(|code| code.2 == name), "{name}");
    }
}

#[test]
fn the_jitdump_is_one() {
    let name = found("jit-", ".dump");
    let file = fs::File::open(run().out().join(&name)).expect("it was written");
    let mut reader = JitDumpReader::new(file).expect("a jitdump");
    assert_eq!(name, format!("jit-{}.dump", reader.header().pid));
    let mut codes = BTreeSet::new();
    let mut closed = false;
    while let Some(record) = reader.next_record().expect("a record") {
        match record.parse().expect("whole") {
            JitDumpRecord::CodeLoad(load) => {
                assert!(!load.code_bytes.is_empty());
                let name = load.function_name.as_slice().into_owned();
                codes.insert(String::from_utf8(name).expect("UTF-8"));
            }
            JitDumpRecord::CodeClose => closed = true,
            _ => {}
        }
    }
    assert!(closed);
    for tier in ["baseline", "osr"] {
        assert!(codes.contains(&format!("{SHOWN}-{tier}")), "{tier}: {codes:?}");
    }
}

#[test]
fn exact_counts_are_csv_and_fit_a_screen() {
    let run = profile("readers-exact", &["--mode", "exact", "--format", "text,csv"]);
    let counts = run.bytes("counts.csv");
    let mut reader = csv::Reader::from_reader(counts.as_slice());
    let rows: Vec<_> = reader.records().map(|row| row.expect("as long as the head")).collect();
    let counted = |row: &csv::StringRecord| &row[0] == "loop" && row[2] == format!("'{SHOWN}");
    assert!(rows.iter().any(|row| counted(row) && &row[4] == "80000000"), "{rows:?}");
}
