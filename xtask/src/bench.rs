//! `cargo xtask bench`: builds the benchmark with optimisation, runs it, and passes arguments and exit code through.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

/// Runs `tollway-bench` with these arguments.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The working folder stays the caller's: a path among the arguments is meant from there.
    let manifest = crate::root().join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "--quiet", "--package", "tollway-bench", "--manifest-path"]).arg(manifest);
    crate::forget_package(&mut command);
    let status = command.arg("--").args(arguments).status().context("cargo does not start")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
