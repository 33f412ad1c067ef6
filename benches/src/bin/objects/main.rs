//! Compiles `benches/programs/src/*.classes` to `benches/programs/wasm`: programs over
//! objects, in a small language with classes whose methods are called through method tables.
//!
//! `cargo run --release -p upshift-benches --bin objects [NAME…]`. [`parse`] shows the language,
//! [`tables`] what becomes of classes.

mod emit;
mod expr;
mod parse;
mod syntax;
mod tables;

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for source in sources()? {
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if wanted.is_empty() || wanted.contains(&name) {
            let module = compile(&source)?;
            fs::write(programs().join("wasm").join(name).with_extension("wasm"), module)?;
        }
    }
    Ok(())
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn sources() -> Result<Vec<PathBuf>> {
    let entries: Vec<_> = fs::read_dir(programs().join("src"))?.collect::<Result<_, _>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "classes"));
    files.sort();
    Ok(files)
}

/// The module of a source file.
fn compile(source: &Path) -> Result<Vec<u8>> {
    let text = fs::read_to_string(source)?;
    let program = parse::parse(&text).with_context(|| source.display().to_string())?;
    let module = emit::module(&program).with_context(|| source.display().to_string())?;
    wat::parse_str(&module).context("the emitted text is wrong")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_modules_are_what_their_sources_say() {
        for source in sources().unwrap() {
            let module = compile(&source).unwrap();
            let name = source.file_stem().unwrap();
            let path = programs().join("wasm").join(name).with_extension("wasm");
            assert!(fs::read(&path).unwrap() == module, "{} is stale", path.display());
        }
    }

    #[test]
    fn mistakes_are_found() {
        let emit = |text: &str| emit::module(&parse::parse(text).unwrap());
        let wrong = |text: &str| format!("{:#}", emit(text).unwrap_err());
        let class = "class A { x: i32; fn get(): i32 { return x; } }";
        assert!(emit(&format!("{class} fn f(a: A): i32 {{ return a.get() + a.x; }}")).is_ok());
        let text = format!("{class} fn f(a: A): i64 {{ return a.get(); }}");
        assert!(wrong(&text).contains("`i64` expected, `i32` found"));
        assert!(wrong("fn f() { g(); }").contains("no function `g`"));
        assert!(wrong("fn f() { let a = new B(); }").contains("no class `B`"));
        assert!(wrong("fn f() { break; }").contains("no loop around"));
    }
}
