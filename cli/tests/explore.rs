//! `upshift explore` as its users see it.

mod common;

use common::{Scratch, stderr, stdout, upshift};

/// `_start` spends its time in `hot`, whose name needs escaping.
const PROGRAM: &str = r#"(module
    (func $hot (@name "hot <\"a\">") (param i32) (result i32) (local i32)
        (loop (result i32)
            (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) (local.get 0)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))
            (local.get 1)))
    (func (export "_start") (drop (call $hot (i32.const 100_000_000))))
    (func (export "f") (result i32) (i32.const 1)))"#;

/// The samples in the margin of a column.
fn samples(page: &str, title: &str) -> u64 {
    let column = page.split("<h3>").find(|column| column.starts_with(title)).expect("a column");
    let margins = column.split("<b>").skip(1).map(|rest| rest.split("</b>").next().unwrap_or(""));
    margins.filter_map(|margin| margin.parse::<u64>().ok()).sum()
}

#[test]
fn every_form_of_a_function_stands_beside_the_others() {
    let scratch = Scratch::new("explore");
    let file = scratch.file("program.wat", PROGRAM);
    let out = scratch.0.join("page.html").display().to_string();
    let output = upshift(&["explore", "--out", &out, &file, "hot <\"a\">", "arg"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(&out).expect("the page was written");
    for part in ["<h3>wasm", "<h3>intermediate code", "<h3>baseline", "<h3>optimized", "i32.mul"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("hot &lt;&quot;a&quot;&gt;") && !page.contains("hot <"));
    assert!(page.contains("imul") && page.contains("data-o="), "{page}");
    assert!(!page.contains("http"), "the page needs nothing else");
    let (wasm, osr) = (samples(&page, "wasm"), samples(&page, "osr"));
    assert!(osr > 0 && wasm >= osr, "{wasm} {osr}");
    assert_eq!(samples(&page, "optimized"), 0, "nobody called it");
    assert_eq!(wasm, samples(&page, "baseline") + osr, "all samples have an operator");
    assert!(page.contains(&format!("<h3>wasm: {wasm} samples</h3>")), "{page}");
}

#[test]
fn all_threads_of_a_program_count() {
    let program = r#"(module
        (import "env" "memory" (memory 1 1 shared))
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (export "memory" (memory 0))
        (func $hot (@name "hot") (param i32)
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "wasi_thread_start") (param i32 i32)
            (call $hot (i32.const 100_000_000))
            (i32.atomic.store (i32.const 8) (i32.const 1))
            (drop (memory.atomic.notify (i32.const 8) (i32.const 1))))
        (func (export "_start")
            (drop (call $spawn (i32.const 0)))
            (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))))"#;
    let scratch = Scratch::new("explore-threads");
    let file = scratch.file("program.wat", program);
    let out = scratch.0.join("page.html").display().to_string();
    let output = upshift(&["explore", "--out", &out, &file, "hot"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(&out).expect("the page was written");
    assert!(page.contains("samples of the program's 2 threads by"), "{page}");
    assert!(samples(&page, "osr") > 0, "the first thread waits: {page}");
}

#[test]
fn a_function_can_be_looked_at_without_a_run() {
    let scratch = Scratch::new("explore-static");
    let file = scratch.file("program.wat", PROGRAM);
    let out = scratch.0.join("page.html").display().to_string();
    let output = upshift(&["explore", "--no-run", "--out", &out, &file, "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(&out).expect("the page was written");
    assert!(page.contains("did not run") && !page.contains("<h3>osr"), "{page}");
    // As reports show functions: one without a name, and one of C++.
    let mangled = r#"(module (func (nop)) (func (@name "_Z3fooi") (nop)))"#;
    let mangled = scratch.file("mangled.wat", mangled);
    for function in ["func[0]", "foo(int)", "_Z3fooi"] {
        let output = upshift(&["explore", "--no-run", "--out", &out, &mangled, function]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    // Reports show an index behind names that several functions have.
    let two = r#"(module (import "m" "f" (func $imported))
        (func (@name "same") (nop)) (func (@name "other") (nop)) (func (@name "same") (nop)))"#;
    let two = scratch.file("two.wat", two);
    for (function, sections) in [("same", 2), ("same[3]", 1), ("other", 1), ("all", 3)] {
        let output = upshift(&["explore", "--no-run", "--out", &out, &two, function]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let page = std::fs::read_to_string(&out).expect("the page was written");
        assert_eq!(page.matches("<section>").count(), sections, "{function}");
    }
    let nothing = scratch.file("nothing.wat", "(module)");
    for (file, function, why) in [
        (&nothing, "0", "the module has no functions of its own"),
        (&two, "imported", "is imported"),
        (&two, "func[0]", "is imported"),
        (&two, "other[3]", "no function is called"),
        (&two, "4", "there is no function 4: those are 1 to 3"),
    ] {
        let output = upshift(&["explore", "--no-run", "--out", &out, file, function]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(why), "{function}: {}", stderr(&output));
    }
    for (function, code) in [(None, 2), (Some("nobody"), 1)] {
        let args = ["explore", "--invoke", "f", &file].into_iter().chain(function);
        let output = upshift(&args.collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stdout(&output).is_empty());
    }
}
