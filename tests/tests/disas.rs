//! Golden tests of machine code: `disas/<tier>/<family>/*.wat` hold a module and, in comments at
//! their end, the code of its functions; below `osr` also that of their loops, and below `polls` that
//! of loops that compare a word at each turn.
//!
//! With `UPSHIFT_BLESS=1` in the environment the comments are written anew; read the difference
//! before it is committed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use upshift::{Engine, Module, Tier};
use upshift_abi::code::CompiledFunction;
use upshift_abi::config::{CodegenConfig, FunctionInput};
use upshift_abi::decode::{DecodeOptions, decode};
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::InstanceLayout;
use upshift_cli::disasm::disassemble;
use upshift_optimizer::{Effort, Entry, Request};
use upshift_tests::modes;

/// What starts each line of the stored code.
const MARK: &str = ";; ";

#[test]
fn machine_code_is_as_stored() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("disas");
    let bless = std::env::var_os("UPSHIFT_BLESS").is_some_and(|value| value == "1");
    let mut differences = Vec::new();
    let mut modes = [modes::baseline(), modes::optimizer()];
    // As in front of the optimizer, with hotness counters.
    let none = "no such function".parse().expect("a name");
    modes[0].config.tier(Tier::Auto).tier_only(Some(none));
    // The same on all machines.
    modes.iter_mut().for_each(|mode| _ = mode.config.avoid_slow_jumps(false));
    let files = modes.iter().flat_map(|mode| {
        let engine = Engine::new(&mode.config).expect("the machine runs the engine");
        let files = upshift_tests::files_below(&root.join(mode.name), "wat");
        assert!(!files.is_empty(), "there are golden files");
        files.into_iter().map(move |file| (file, engine.clone()))
    });
    for (file, engine) in files {
        let text = std::fs::read_to_string(&file).expect("golden files are readable");
        let source = source_part(&text);
        let name = file.strip_prefix(&root).expect("below the root").display().to_string();
        let is_optimized = name.starts_with("optimizer");
        let codes_of = if is_optimized { optimized } else { of_engine };
        let codes = codes_of(&engine, source, &name);
        let expected = format!("{source}\n{}", listing(&codes));
        if expected == text {
            continue;
        }
        if bless {
            std::fs::write(&file, &expected).expect("golden files are writable");
        } else {
            differences.push(format!("{name}:\n{}", difference(&text, &expected)));
        }
    }
    assert!(
        differences.is_empty(),
        "machine code changed (UPSHIFT_BLESS=1 stores it):\n{}",
        differences.join("\n")
    );
}

/// The file without the stored code.
fn source_part(text: &str) -> &str {
    let end = text.find("\n;; function ").unwrap_or(text.len());
    text[..end].trim_end()
}

/// Code, and what is known of places in it.
struct Code {
    title: String,
    bytes: Vec<u8>,
    notes: BTreeMap<u32, String>,
}

/// The code of all functions of a module as the engine has it.
fn of_engine(engine: &Engine, source: &str, name: &str) -> Vec<Code> {
    let module = Module::new(engine, source).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    module.compile_all(1).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let codes = (0..).filter_map(|index| {
        let code = module.function_code(index)?;
        let notes = code.traps.iter().map(|(at, trap)| (*at, trap.message().to_owned()));
        Some(Code { title: title(&module, index), bytes: code.bytes, notes: notes.collect() })
    });
    codes.take(module.stats().functions).collect()
}

/// The code that the optimizer makes of all functions of a module, and of what else its family shows.
fn optimized(engine: &Engine, source: &str, name: &str) -> Vec<Code> {
    let names = Module::new(engine, source).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let bytes = wat::parse_str(source).expect("it is a module");
    let features = upshift::Config::new().features();
    let options = DecodeOptions { features, objects: true, parallel: false };
    let module = decode(&bytes, &options).expect("the engine took it");
    let layout = InstanceLayout::of(&module);
    let of_family = |family: &str| name.starts_with(&format!("optimizer/{family}/"));
    let loop_polls = of_family("polls");
    let config = CodegenConfig { counters: false, loop_polls, ..CodegenConfig::default() };
    let mut codes = Vec::new();
    for (i, body) in module.bodies.iter().enumerate() {
        let func = DefinedFuncIndex::new(i);
        let loops = if of_family("osr") { body.loops.len() } else { 0 };
        for position in std::iter::once(None).chain((0..loops).map(Some)) {
            let entry = position.map_or(Entry::Function, |position| Entry::Loop {
                offset: body.loop_offset(position),
            });
            let input = FunctionInput::new((&module, &bytes), &layout, func, &config);
            let request = Request { entry, effort: Effort::Full };
            let compiled = upshift_optimizer::Compiler::new().compile(&input, request);
            let compiled = compiled.unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut title = title(&names, module.func_index(func).0);
            if let Some(position) = position {
                write!(title, ", entered at loop {position}").expect("to a string");
            }
            codes.push(Code { title, notes: notes_of(&compiled), bytes: compiled.code });
        }
    }
    codes
}

/// Where the code may trap, and where loops may be interrupted.
fn notes_of(compiled: &CompiledFunction) -> BTreeMap<u32, String> {
    let traps = compiled.traps.iter().map(|(at, trap)| (at, trap.message().to_owned()));
    traps.chain(compiled.polls.iter().map(|&at| (at, "poll".to_owned()))).collect()
}

fn title(module: &Module, index: u32) -> String {
    let name = module.function_name(index).unwrap_or("");
    format!("function {index} {name}")
}

/// Code as comments.
fn listing(codes: &[Code]) -> String {
    let mut out = String::new();
    for code in codes {
        writeln!(out, "{MARK}{}", code.title).expect("to a string");
        for line in disassemble(&code.bytes) {
            let note = code.notes.get(&line.offset).map(|note| format!(" ; {note}"));
            let text = without_placement(&line.text);
            let line = format!("{MARK}{:5x}  {text}{}", line.offset, note.unwrap_or_default());
            writeln!(out, "{}", line.trim_end()).expect("to a string");
        }
    }
    out
}

/// The instruction without what depends on where the code lies: the distance to its data.
fn without_placement(text: &str) -> String {
    let Some(start) = text.find("[rip") else { return text.to_owned() };
    let end = text[start..].find(']').map_or(text.len(), |end| start + end + 1);
    format!("{}[slot]{}", &text[..start], &text[end..])
}

/// The first lines that differ.
fn difference(old: &str, new: &str) -> String {
    let mut shown = String::new();
    let (mut old, mut new) = (old.lines(), new.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return shown,
            (a, b) if a != b => {
                let (a, b) = (a.unwrap_or(""), b.unwrap_or(""));
                writeln!(shown, "  stored: {a}\n     now: {b}").expect("to a string");
                if shown.lines().count() >= 8 {
                    return shown;
                }
            }
            _ => {}
        }
    }
}
