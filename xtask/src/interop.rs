//! `cargo xtask interop`: our client, gateway and facilitator with other people's, in every combination, on two chains.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// The script that runs the matrix, from the root. It builds the program and installs its packages by itself.
pub(crate) const SCRIPT: &str = "interop/x402/main.mjs";

/// Runs the matrix, or those of its cells that have each of the words in a name; the exit code is the script's.
///
/// # Errors
///
/// When node cannot be started.
pub fn run(json: bool, only: &[String]) -> Result<ExitCode> {
    let mut command = Command::new("node");
    command.arg(SCRIPT).current_dir(crate::root());
    if json {
        command.arg("--json");
    }
    for word in only {
        command.args(["--only", word]);
    }
    crate::forget_package(&mut command);
    let status = command.status().context("node does not start; `cargo xtask test` says what is missing")?;
    // A code outside a byte is a failure too.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_there() {
        assert!(crate::root().join(SCRIPT).is_file());
    }
}
