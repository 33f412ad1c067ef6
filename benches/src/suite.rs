//! The programs of `benches/programs` and what they must print.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

/// How much a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    /// 50 to 200 ms of optimized code: what starting and tiering up cost can be seen.
    Default,
    /// So little that all programs together are a check and not a measurement.
    Tiny,
    /// About a second of optimized code: the speed after tier-up.
    Long,
}

/// One program at all its sizes.
pub(crate) struct Program {
    /// The file's stem.
    pub(crate) name: String,
    /// The module.
    pub(crate) module: PathBuf,
    /// Arguments and output by [`Size`].
    sizes: [Expectation; 3],
}

/// What a program prints, given some arguments.
struct Expectation {
    args: Vec<String>,
    output: String,
}

impl Program {
    /// Arguments that make it that large.
    pub(crate) fn args(&self, size: Size) -> &[String] {
        &self.sizes[size as usize].args
    }

    /// What it prints then.
    pub(crate) fn output(&self, size: Size) -> &str {
        &self.sizes[size as usize].output
    }
}

/// The programs that passed the filter.
pub(crate) struct Suite {
    /// In the order of the table of expectations.
    pub(crate) programs: Vec<Program>,
}

impl Suite {
    /// Reads `expected.tsv`: name, arguments, output; one row for each [`Size`].
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
    for rows in rows.chunks(3) {
        let [full, tiny, long] = rows else { anyhow::bail!("a program has not three rows") };
        ensure!(rows.iter().all(|row| row.len() == 3), "a row has not three columns");
        let name = full[0];
        let in_order = rows.iter().all(|row| row[0] == name) && full[1].is_empty();
        ensure!(in_order, "{name}: rows out of order");
        programs.push(Program {
            name: name.to_owned(),
            module: modules.join(name).with_extension("wasm"),
            sizes: [full, tiny, long].map(|row| Expectation {
                args: row[1].split_whitespace().map(str::to_owned).collect(),
                output: row[2].to_owned(),
            }),
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
        assert!(parse("head\na\t\t1\nb\t2\t1\na\t9\t1\n", Path::new("")).is_err());
    }
}
