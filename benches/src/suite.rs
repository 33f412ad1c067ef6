//! The programs of `benches/programs` and what they must print.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// One program at its default size and at a tiny one.
pub(crate) struct Program {
    /// The file's stem.
    pub(crate) name: String,
    /// The module.
    pub(crate) module: PathBuf,
    /// Output at the default size.
    pub(crate) expected: String,
    /// Arguments of the tiny size.
    pub(crate) smoke_args: Vec<String>,
    /// Output at the tiny size.
    pub(crate) smoke_expected: String,
}

/// The programs that passed the filter.
pub(crate) struct Suite {
    /// In the order of the table of expectations.
    pub(crate) programs: Vec<Program>,
}

impl Suite {
    /// Reads `expected.tsv`: name, arguments, output; first the default size, then the tiny.
    pub(crate) fn load(filter: Option<&str>) -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
        let path = dir.join("expected.tsv");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut programs = parse(&text, &dir.join("wasm"))?;
        programs.retain(|program| filter.is_none_or(|part| program.name.contains(part)));
        Ok(Self { programs })
    }
}

fn parse(table: &str, modules: &Path) -> Result<Vec<Program>> {
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let mut programs = Vec::new();
    for pair in rows.chunks(2) {
        let [full, tiny] = pair else { anyhow::bail!("a program has one row only") };
        ensure!(full.len() == 3 && tiny.len() == 3, "a row has not three columns");
        ensure!(full[0] == tiny[0] && full[1].is_empty(), "{}: rows out of order", full[0]);
        programs.push(Program {
            name: full[0].to_owned(),
            module: modules.join(full[0]).with_extension("wasm"),
            expected: full[2].to_owned(),
            smoke_args: tiny[1].split(' ').map(str::to_owned).collect(),
            smoke_expected: tiny[2].to_owned(),
        });
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_has_expectations_and_the_other_way_round() {
        let suite = Suite::load(None).unwrap();
        assert!(suite.programs.iter().all(|program| program.module.exists()));
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/wasm");
        assert_eq!(fs::read_dir(dir).unwrap().count(), suite.programs.len());
    }

    #[test]
    fn broken_tables_are_refused() {
        assert!(parse("head\na\t\t1\n", Path::new("")).is_err());
        assert!(parse("head\na\t\t1\nb\t2\t1\n", Path::new("")).is_err());
    }
}
