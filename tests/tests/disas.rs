//! Golden tests of machine code: `disas/<tier>/<family>/*.wat` hold a module and, in comments at
//! their end, the code of its functions.
//!
//! With `UPSHIFT_BLESS=1` in the environment the comments are written anew; read the difference
//! before it is committed.

use std::fmt::Write as _;
use std::path::Path;
use upshift::{Engine, Module, Tier};
use upshift_cli::disasm::disassemble;
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
        let expected = format!("{source}\n{}", listing(&engine, source, &name));
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

/// The code of all functions of a module as comments.
fn listing(engine: &Engine, source: &str, name: &str) -> String {
    let module = Module::new(engine, source).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    module.compile_all(1).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let mut out = String::new();
    let mut index = 0;
    let mut left = module.stats().functions;
    while left > 0 {
        if let Some(code) = module.function_code(index) {
            left -= 1;
            let function = module.function_name(index).unwrap_or("");
            writeln!(out, "{MARK}function {index} {function}").expect("to a string");
            for line in disassemble(&code.bytes) {
                let trap = code.traps.iter().find(|trap| trap.0 == line.offset);
                let trap = trap.map(|trap| format!(" ; {}", trap.1.message()));
                let text = without_placement(&line.text);
                let line = format!("{MARK}{:5x}  {text}{}", line.offset, trap.unwrap_or_default());
                writeln!(out, "{}", line.trim_end()).expect("to a string");
            }
        }
        index += 1;
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
