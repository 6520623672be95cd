//! `cargo xtask bench`: builds the benchmark with optimisation, runs it, and passes arguments and exit code through.

use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};

/// The part that measures facilitators, and needs another one.
const FACILITATORS: &str = "facilitators";
/// What it is measured beside: a package outside the workspace.
const PEER: &str = "bench-peer";

/// Runs `tollway-bench` with these arguments.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let peer = match arguments.first().is_some_and(|word| word == FACILITATORS) {
        true => Some(built_peer(&cargo)?),
        false => None,
    };
    // The working folder stays the caller's: a path among the arguments is meant from there.
    let manifest = crate::root().join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "--quiet", "--package", "tollway-bench", "--manifest-path"]).arg(manifest);
    crate::forget_package(&mut command);
    command.arg("--").args(arguments);
    if let Some(peer) = peer {
        command.arg("--peer").arg(peer);
    }
    let status = command.status().context("cargo does not start")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The other facilitator, built with its own lock in a folder of its own among what is built.
fn built_peer(cargo: &OsStr) -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from).join(PEER);
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet", "--locked", "--manifest-path"]);
    command.arg(crate::root().join(PEER).join("Cargo.toml")).arg("--target-dir").arg(&target);
    crate::forget_package(&mut command);
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "{PEER} was not built");
    Ok(target.join("release").join(PEER))
}
