//! `cargo xtask test`: everything a change must pass, in order, stopping at the first step that fails.
//!
//! What the steps need beyond Rust is looked for first. A step is never skipped in silence: without `--core` anything
//! missing ends the run before it begins, with it the steps left out are named at the start and again at the end.

mod plan;
mod tools;

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use plan::{Plan, Step};
use tools::Tools;

/// Exit code when something that the steps need is not on this machine.
const MISSING: u8 = 2;

/// Runs the steps; the exit code is that of the first step that fails.
///
/// # Errors
///
/// When the folder of interop scripts cannot be listed, or a step cannot be started.
pub fn run(core: bool) -> Result<ExitCode> {
    let root = crate::root();
    let tools = Tools::find();
    let missing = tools.missing();
    if !core && !missing.is_empty() {
        println!("missing:");
        for tool in &missing {
            println!("  {tool}");
        }
        println!("install with: {}", tools::install_line(&missing));
        println!("or run what needs Rust alone: cargo xtask test --core");
        return Ok(ExitCode::from(MISSING));
    }
    let scripts = plan::scripts(&root)?;
    let plan = Plan::of(core, tools.has_nextest(), &scripts);
    print_left_out(&plan);
    let outcome = run_steps(&root, &plan.steps)?;
    print_left_out(&plan);
    println!("{}", outcome.last_line);
    Ok(ExitCode::from(outcome.code))
}

fn print_left_out(plan: &Plan) {
    for left_out in &plan.left_out {
        println!("left out by --core: {left_out}");
    }
}

/// How the run ended.
struct Outcome {
    /// That of the first step that fails, or 0.
    code: u8,
    last_line: String,
}

fn run_steps(root: &Path, steps: &[Step]) -> Result<Outcome> {
    let start = Instant::now();
    for (at, step) in steps.iter().enumerate() {
        println!("== {}/{} {}", at + 1, steps.len(), step.name);
        let began = Instant::now();
        let code = run_step(root, step)?;
        let time = seconds(began.elapsed());
        if code != 0 {
            let last_line = format!("failed after {time}, exit code {code}: {}", step.name);
            return Ok(Outcome { code, last_line });
        }
        println!("== ok in {time}: {}", step.name);
    }
    let time = seconds(start.elapsed());
    let last_line = format!("all {} steps passed in {time}", steps.len());
    Ok(Outcome { code: 0, last_line })
}

fn run_step(root: &Path, step: &Step) -> Result<u8> {
    let mut command = Command::new(&step.program);
    command.args(&step.arguments).envs(step.environment.iter().copied()).current_dir(root).stdin(Stdio::null());
    crate::forget_package(&mut command);
    let status = command.status().with_context(|| format!("{} does not start", step.program))?;
    let code = status.code().unwrap_or(1);
    // A code outside a byte is a failure too.
    Ok(u8::try_from(code).unwrap_or(1))
}

fn seconds(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failing_step_gives_its_code_and_the_last_line() {
        let root = crate::root();
        let passes = || Step::new("rustc", &["--version"]);
        let fails = Step::new("rustc", &["--no-such-option"]);
        let never = Step::new("no-such-program", &[]);
        let outcome = run_steps(&root, &[passes(), passes()]).unwrap();
        assert_eq!(outcome.code, 0);
        assert!(outcome.last_line.starts_with("all 2 steps passed"));
        let outcome = run_steps(&root, &[passes(), fails, never]).unwrap();
        assert_eq!(outcome.code, 1);
        assert!(outcome.last_line.ends_with("rustc --no-such-option"));
    }

    #[test]
    fn a_program_that_does_not_start_is_an_error() {
        assert!(run_steps(&crate::root(), &[Step::new("no-such-program", &[])]).is_err());
    }

    #[test]
    fn times_have_one_decimal() {
        assert_eq!(seconds(Duration::from_millis(12_345)), "12.3 s");
        assert_eq!(seconds(Duration::from_millis(49)), "0.0 s");
    }
}
