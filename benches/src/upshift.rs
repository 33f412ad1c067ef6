//! The `upshift` binary: where it is, what its tiers are called, and how its figures come back.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use ::upshift::Policy;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::engine::{Engine, Kind};
use crate::process::{self, Output};

/// A way to run Upshift: `auto`, `auto:POLICY`, `baseline` or `optimizer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// The value of `--tier`.
    name: String,
    /// The value of `--policy`.
    policy: Option<Policy>,
}

impl FromStr for Tier {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, policy) = match text.split_once(':') {
            Some((name, policy)) => (name, Some(policy)),
            None => (text, None),
        };
        match (name, policy) {
            ("auto", _) | ("baseline" | "optimizer", None) => {}
            ("baseline" | "optimizer", Some(_)) => bail!("only auto has policies, {name} has none"),
            _ => bail!("no tier {name}: auto, auto:POLICY, baseline, optimizer"),
        }
        let policy = policy.map(str::parse).transpose()?;
        Ok(Self { name: name.to_owned(), policy })
    }
}

impl Tier {
    /// What it adds to the command line.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--tier".to_owned(), self.name.clone()];
        if let Some(policy) = self.policy {
            flags.extend(["--policy".to_owned(), policy.to_string()]);
        }
        flags
    }

    /// The compiler that `upshift compile` takes for it.
    pub(crate) fn compiler(&self) -> &'static str {
        if self.name == "optimizer" { "optimizer" } else { "baseline" }
    }

    fn label(&self) -> String {
        match self.policy {
            Some(policy) => format!("{}:{policy}", self.name),
            None => self.name.clone(),
        }
    }
}

/// The binary given by the user, or the one beside this program. `cargo run -p
/// upshift-benches` does not build it, so cargo is asked to; that is quick when it is fresh.
pub(crate) fn locate(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let here = env::current_exe().context("where is this program?")?;
    if let Some(cargo) = env::var_os("CARGO") {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "-p", "upshift-cli", "--manifest-path"]).arg(manifest);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        ensure!(command.status()?.success(), "cargo cannot build upshift-cli");
    }
    let binary = here.with_file_name(format!("upshift{}", env::consts::EXE_SUFFIX));
    ensure!(binary.exists(), "no {}: build upshift-cli or give --upshift", binary.display());
    Ok(binary)
}

/// Upshift run in one way.
pub(crate) fn engine(program: &Path, tier: &Tier) -> Engine {
    Engine {
        name: format!("Upshift {}", tier.label()),
        program: program.to_owned(),
        kind: Kind::Upshift(tier.clone()),
    }
}

/// Runs `command --stats FILE module` and reads the file.
pub(crate) fn with_stats(mut command: Command, module: &Path) -> Result<(Output, Value)> {
    let path = stats_path();
    let output = process::output(command.arg("--stats").arg(&path).arg(module))?;
    Ok((output, read_stats(&path)?))
}

/// A file for `--stats`; one run after the other uses it.
pub(crate) fn stats_path() -> PathBuf {
    env::temp_dir().join(format!("upshift-benches-{}.json", std::process::id()))
}

/// What `--stats` wrote; the file goes.
pub(crate) fn read_stats(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).context("upshift wrote no --stats file")?;
    fs::remove_file(path).context("cannot remove the --stats file")?;
    serde_json::from_str(&text).context("the --stats file is not JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_may_have_a_policy() {
        let tier: Tier = "auto:throughput".parse().unwrap();
        assert_eq!(tier.flags(), ["--tier", "auto", "--policy", "throughput"]);
        assert_eq!(engine(Path::new("u"), &tier).name, "Upshift auto:throughput");
        let tier: Tier = "optimizer".parse().unwrap();
        assert_eq!(tier.flags(), ["--tier", "optimizer"]);
        assert_eq!(tier.compiler(), "optimizer");
    }

    #[test]
    fn tiers_that_upshift_does_not_have_are_refused() {
        for text in ["", "turbo", "auto:", "auto:fast", "baseline:latency"] {
            assert!(text.parse::<Tier>().is_err(), "{text}");
        }
    }
}
