//! Tests of the document's tables.

use super::*;
use crate::profile::ThreadProfile;
use crate::tiers::{Compilation, FunctionTiers, Step};

/// `main` in baseline code calls `work`, on two threads.
fn profile() -> Profile {
    let mut profile = Profile { rate: 1000, ..Profile::default() };
    let main = profile.functions.add("main \u{1b}".to_owned(), Category::Baseline, Some(0));
    let work = profile.functions.add("work".to_owned(), Category::Optimized, Some(1));
    let host = profile.functions.add("malloc".to_owned(), Category::Host, None);
    let frame = |function: FunctionId, offset| Frame { function, module_offset: offset };
    let stacks = [
        (0, vec![frame(work, Some(20)), frame(main, Some(10))]),
        (1, vec![frame(host, None), frame(work, Some(24)), frame(main, Some(10))]),
    ];
    for (thread, frames) in stacks {
        let cpu = Duration::from_micros(1000);
        profile.samples.push(Sample { thread, cpu, frames, ..Sample::default() });
    }
    for (name, id) in [("first", 70), ("second", 71)] {
        let name = name.to_owned();
        profile.threads.push(ThreadProfile { name, id, ..ThreadProfile::default() });
    }
    profile.lines.insert((24, work), SourceLine { file: "work.c".to_owned(), line: 7 });
    profile
}

fn tiers() -> TierReport {
    let step = |what: &'static str, thread, at_ms| Step {
        at_ms,
        thread,
        what: what.into(),
        loop_offset: None,
    };
    let steps = vec![
        step("lazy-compile-started", 0, 0.25),
        step("lazy-compiled", 0, 0.75),
        step("requested", 0, 1.0),
        step("published", 5, 3.0),
    ];
    let work = FunctionTiers { index: 1, name: "work".to_owned(), steps, ..Default::default() };
    let compilation = Compilation {
        func: 1,
        loop_offset: Some(20),
        span_ms: (1.5, 2.5),
        thread: 5,
        cpu_ms: 0.5,
        code_bytes: 100,
    };
    TierReport {
        functions: vec![work],
        compilations: vec![compilation],
        queue: vec![(1.5, 3)],
        code_growth: vec![(2.5, 100)],
        ..TierReport::default()
    }
}

fn document() -> Value {
    serde_json::from_str(&json(&profile(), &tiers(), "a.wasm", 10.0).unwrap()).unwrap()
}

fn thread<'a>(document: &'a Value, name: &str) -> &'a Value {
    let threads = document["threads"].as_array().unwrap();
    // The main thread goes by another name.
    let id = match name {
        "first" => "70",
        "second" => "71",
        _ => "1000005",
    };
    threads.iter().find(|thread| thread["tid"] == id).unwrap()
}

/// The frames of a thread: name, address, line, file, category.
fn frames(document: &Value, name: &str) -> Vec<(String, i64, Value, Value, String)> {
    let thread = thread(document, name);
    let (frames, functions) = (&thread["frameTable"], &thread["funcTable"]);
    let at = |table: &Value, place: &Value| {
        table[usize::try_from(place.as_u64().unwrap()).unwrap()].clone()
    };
    let string = |place: &Value| at(&thread["stringArray"], place);
    let count = usize::try_from(frames["length"].as_u64().unwrap()).unwrap();
    let frame = |i: usize| {
        let function = &frames["func"][i];
        let file = at(&functions["fileName"], function);
        let category = at(&document["meta"]["categories"], &frames["category"][i]);
        (
            string(&at(&functions["name"], function)).as_str().unwrap().to_owned(),
            frames["address"][i].as_i64().unwrap(),
            frames["line"][i].clone(),
            if file.is_null() { file } else { string(&file) },
            category["name"].as_str().unwrap().to_owned(),
        )
    };
    (0..count).map(frame).collect()
}

#[test]
fn frames_have_offsets_lines_and_tiers() {
    let document = document();
    let main = ("main \\u{1b}".to_owned(), 10, Value::Null, Value::Null, "baseline".to_owned());
    let work = |offset, line: Value, file: Value| {
        ("work".to_owned(), offset, line, file, "optimized".to_owned())
    };
    let first = frames(&document, "first");
    assert_eq!(first, [main.clone(), work(20, Value::Null, Value::Null)]);
    let host = ("malloc".to_owned(), -1, Value::Null, Value::Null, "host".to_owned());
    let second = frames(&document, "second");
    assert_eq!(second, [main, work(24, json!(7), json!("work.c")), host]);
}

#[test]
fn what_the_tiers_did_is_marked() {
    let document = document();
    let markers = |name: &str| {
        let markers = &thread(&document, name)["markers"];
        let data = markers["data"].as_array().unwrap().iter();
        let times = markers["startTime"].as_array().unwrap().iter();
        let marker = |(data, start): (&Value, &Value)| {
            (data["type"].as_str().unwrap().to_owned(), start.as_f64().unwrap())
        };
        data.zip(times).map(marker).collect::<Vec<_>>()
    };
    let steps = [0.25, 1.0].map(|at| ("tier step".to_owned(), at));
    assert_eq!(markers("first"), steps);
    let compiled = &thread(&document, "first")["markers"];
    assert_eq!((&compiled["endTime"][0], &compiled["phase"]), (&json!(0.75), &json!([1, 0])));
    let mut compiler = markers("optimizer 0");
    compiler.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("compilation", 1.5), ("queue", 1.5), ("tier step", 3.0)];
    assert_eq!(compiler, expected.map(|(name, at)| (name.to_owned(), at)));
    // A compiler that was sampled has one track for all.
    let mut profile = profile();
    profile.threads[1].compiler = Some(5);
    let text = json(&profile, &tiers(), "a.wasm", 10.0).unwrap();
    let sampled: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sampled["threads"].as_array().unwrap().len(), 2);
    let track = thread(&sampled, "second");
    assert_eq!((&track["markers"]["length"], &track["samples"]["length"]), (&json!(3), &json!(1)));
    let counter = &document["counters"][0];
    assert_eq!(counter["category"], "Memory");
    assert_eq!(counter["samples"]["count"], json!([0.0, 100.0]));
    let schemas = document["meta"]["markerSchema"].as_array().unwrap();
    assert!(schemas.iter().any(|schema| schema["name"] == "queue"));
}

#[test]
fn collections_exceptions_and_traps_are_marked() {
    let incidents = crate::incidents::examples();
    let tiers = TierReport { incidents, ..TierReport::default() };
    let text = json(&profile(), &tiers, "a.wasm", 10.0).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let thread = thread(&document, "first");
    let (markers, strings) = (&thread["markers"], &thread["stringArray"]);
    assert_eq!(markers["startTime"], json!([2.0, 5.0, 6.0]));
    assert_eq!(markers["endTime"][0], 4.5);
    let string = |place: &Value| strings[usize::try_from(place.as_u64().unwrap()).unwrap()].clone();
    let names: Vec<Value> = markers["name"].as_array().unwrap().iter().map(string).collect();
    assert_eq!(names, ["major collection", "exceptions", "traps"]);
    let data = &markers["data"];
    assert_eq!((&data[0]["type"], &data[0]["heap"]), (&json!("collection"), &json!(4096.0)));
    assert_eq!(data[1]["count"], 7.0);
    assert_eq!(string(&data[2]["function"]), "a\\u{1b}<b>");
    let heap = document["counters"].as_array().unwrap().iter().find(|of| of["name"] == "objects");
    assert_eq!(heap.unwrap()["samples"]["count"], json!([4096.0]));
}

#[test]
fn what_was_inlined_is_deeper_at_the_same_address() {
    let mut profile = profile();
    let work = FunctionId(1);
    let min = profile.functions.add_inlined("min".to_owned(), Category::Optimized, 1);
    profile.lines.insert((24, min), SourceLine { file: "min.h".to_owned(), line: 3 });
    let frame = |function| Frame { function, module_offset: Some(24) };
    profile.samples[0].frames = vec![frame(min), frame(work)];
    let text = json(&profile, &tiers(), "a.wasm", 10.0).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let found = frames(&document, "first");
    let of = |name: &str, line: i32, file: &str| {
        (name.to_owned(), 24, json!(line), json!(file), "optimized".to_owned())
    };
    assert_eq!(found, [of("work", 7, "work.c"), of("min", 3, "min.h")]);
    let depths = &thread(&document, "first")["frameTable"]["inlineDepth"];
    assert_eq!(depths, &json!([0, 1]));
}
