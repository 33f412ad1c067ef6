//! What a manifest of real programs says: see `benches/real.toml` for one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::invocation::Invocation;

/// The manifest's name where only its directory is given.
const FILE_NAME: &str = "real.toml";

/// A program, how it is run, and what comes of it.
pub(crate) struct RealProgram {
    /// How the table calls it.
    pub(crate) name: String,
    /// How it is run: in the manifest's directory.
    pub(crate) invocation: Invocation,
    /// What it prints.
    pub(crate) stdout: Expected,
    /// The files that it writes, and what is in them.
    pub(crate) files: BTreeMap<PathBuf, Expected>,
}

/// What an output must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Expected {
    /// The same in all runs of all engines.
    #[default]
    Same,
    /// Anything.
    Any,
    /// What has this SHA-256 digest.
    Digest(String),
}

impl TryFrom<String> for Expected {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        match text.as_str() {
            "same" => Ok(Self::Same),
            "any" => Ok(Self::Any),
            _ if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Self::Digest(text.to_ascii_lowercase()))
            }
            _ => bail!("`{text}` is neither `same` nor `any` nor a SHA-256 digest"),
        }
    }
}

/// The text as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    program: Vec<Entry>,
}

/// One `[[program]]`. Paths are relative to the manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    module: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    /// `HOST[::GUEST]`.
    #[serde(default)]
    dirs: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// The file that is the standard input.
    input: Option<PathBuf>,
    #[serde(default)]
    stdout: Expected,
    #[serde(default)]
    files: BTreeMap<PathBuf, Expected>,
}

/// Reads a manifest, given as a file or as the directory that it is in.
pub(crate) fn load(path: &Path) -> Result<Vec<RealProgram>> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let path = path.canonicalize()?;
    let directory = path.parent().context("the manifest is in no directory")?;
    parse(&text, directory).with_context(|| path.display().to_string())
}

fn parse(text: &str, directory: &Path) -> Result<Vec<RealProgram>> {
    let manifest: Manifest = toml::from_str(text)?;
    let programs: Vec<RealProgram> =
        manifest.program.into_iter().map(|entry| entry.program(directory)).collect();
    for (index, program) in programs.iter().enumerate() {
        let twice = programs[..index].iter().any(|other| other.name == program.name);
        ensure!(!twice, "{}: two programs have this name", program.name);
    }
    Ok(programs)
}

impl Entry {
    fn program(self, directory: &Path) -> RealProgram {
        let dirs = self.dirs.into_iter().map(named_on_both_sides).collect();
        let files = self.files.into_iter();
        RealProgram {
            name: self.name,
            invocation: Invocation {
                module: directory.join(self.module),
                args: self.args,
                dirs,
                env: self.env,
                directory: Some(directory.to_owned()),
                input: self.input.map(|path| directory.join(path)),
            },
            stdout: self.stdout,
            files: files.map(|(path, expected)| (directory.join(path), expected)).collect(),
        }
    }
}

/// Engines differ in what a directory without a name for the guest is called there.
fn named_on_both_sides(dir: String) -> String {
    if dir.contains("::") { dir } else { format!("{dir}::{dir}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_manifest() {
        let text = r#"
            [[program]]
            name = "p"
            module = "p.wasm"
            args = ["-o", "out"]
            dirs = [".", "share::/share"]
            env = { A = "1" }
            input = "in.txt"
            files = { out = "any", other = "same" }
        "#;
        let [program] = &parse(text, Path::new("/d")).unwrap()[..] else { panic!("one") };
        let Invocation { module, args, dirs, env, directory, input } = &program.invocation;
        assert_eq!(module, Path::new("/d/p.wasm"));
        assert_eq!(args, &["-o", "out"]);
        assert_eq!(dirs, &[".::.", "share::/share"]);
        assert_eq!(env["A"], "1");
        assert_eq!(directory.as_deref(), Some(Path::new("/d")));
        assert_eq!(input.as_deref(), Some(Path::new("/d/in.txt")));
        assert_eq!(program.stdout, Expected::Same);
        assert_eq!(program.files[Path::new("/d/out")], Expected::Any);
    }

    #[test]
    fn digests_are_hexadecimal() {
        let digest = "0123456789ABCDEF".repeat(4);
        let expected = Expected::try_from(digest.clone()).unwrap();
        assert_eq!(expected, Expected::Digest(digest.to_ascii_lowercase()));
        for text in ["", "none", &digest[1..], &digest.replace('0', "g")] {
            assert!(Expected::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_are_refused() {
        let good = "[[program]]\nname = \"p\"\nmodule = \"m\"\n";
        assert_eq!(parse(good, Path::new("")).unwrap().len(), 1);
        for bad in [
            "program = []\nprogramme = 1\n".to_owned(),
            "[[program]]\nname = \"p\"\n".to_owned(),
            format!("{good}arguments = []\n"),
            format!("{good}stdout = \"x\"\n"),
            good.repeat(2),
        ] {
            assert!(parse(&bad, Path::new("")).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_example_names_files_that_there_are() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE_NAME);
        let programs = load(path.parent().unwrap()).unwrap();
        assert!(!programs.is_empty());
        assert!(programs.iter().all(|program| program.invocation.module.is_file()));
    }
}
