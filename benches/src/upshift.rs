//! The `upshift` binary: where it is, and how its figures come back.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::engine::{Engine, Kind};
use crate::process::{self, Output};

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

/// Upshift restricted to a tier.
pub(crate) fn engine(program: &Path, tier: &str) -> Engine {
    Engine {
        name: format!("Upshift {tier}"),
        program: program.to_owned(),
        kind: Kind::Upshift { tier: tier.to_owned() },
    }
}

/// Runs `command --stats FILE module args` and reads the file.
pub(crate) fn with_stats(
    mut command: Command,
    module: &Path,
    args: &[String],
) -> Result<(Output, Value)> {
    let path = env::temp_dir().join(format!("upshift-benches-{}.json", std::process::id()));
    let output = process::output(command.arg("--stats").arg(&path).arg(module).args(args))?;
    let text = fs::read_to_string(&path).context("upshift wrote no --stats file")?;
    fs::remove_file(&path).context("cannot remove the --stats file")?;
    let figures = serde_json::from_str(&text).context("the --stats file is not JSON")?;
    Ok((output, figures))
}
