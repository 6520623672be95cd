//! `cargo xtask fuzz`: feeds every decoder mutated input, and passes arguments and exit code through. Built as tests are:
//! with checks of overflow.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

/// Runs `tollway-fuzz` with these arguments.
///
/// # Errors
///
/// When cargo cannot be started.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--package", "tollway-fuzz", "--manifest-path"])
        .arg(crate::root().join("Cargo.toml"));
    crate::forget_package(&mut command);
    let status = command.arg("--").args(arguments).status().context("cargo does not start")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
