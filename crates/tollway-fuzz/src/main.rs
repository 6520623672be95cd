//! `cargo xtask fuzz`: every decoder under mutated input, from seeds that are written down.
//!
//! Promise: the same seed gives the same inputs everywhere; an input that makes a decoder panic, take a second, or
//! accept what it does not mean when written back ends the run and is printed.

mod mcp;
mod mutate;
mod seeds;
#[cfg(test)]
mod sources;
mod targets;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;

use crate::mutate::Mutator;
use crate::targets::{TARGETS, Target, Told};

/// No input may take a decoder longer.
const HANG: Duration = Duration::from_secs(1);
/// How often it is tried again.
const TRIES: u32 = 3;

/// Feed every decoder mutated input.
#[derive(Debug, Parser)]
#[command(name = "tollway-fuzz")]
struct Arguments {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Only targets whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Say which decoders each target feeds, and feed none.
    #[arg(long)]
    list: bool,
    /// Where the inputs begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What came of a target.
#[derive(Debug, Default)]
struct Run {
    inputs: u64,
    accepted: u64,
    slowest: Duration,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    for target in TARGETS.iter().filter(|target| target.name.contains(&arguments.only)) {
        if arguments.list {
            say(&format!("{:<16} {}", target.name, target.covers.join(", ")))?;
            continue;
        }
        let end = Instant::now() + Duration::from_secs_f64(arguments.seconds);
        match feed(target, arguments.seed, || Instant::now() < end) {
            Ok(Run { inputs, accepted, slowest }) => {
                say(&format!("{:<16} {inputs:>10} inputs, {accepted:>9} accepted, slowest {slowest:?}", target.name))?;
            }
            Err(problem) => {
                say(&format!("{}, seed {}: {problem}", target.name, arguments.seed))?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("standard output is closed")
}

/// Feeds a target for as long as `go_on` says so.
fn feed(target: &Target, seed: u64, mut go_on: impl FnMut() -> bool) -> Result<Run, String> {
    let mut mutator = Mutator::new(seed, seeds::of(target));
    let mut run = Run::default();
    while run.inputs == 0 || go_on() {
        let input = mutator.next();
        let (mut told, mut took) = timed(target, input);
        // On a busy machine anything may take long once.
        for _ in 1..TRIES {
            if took > HANG {
                (told, took) = timed(target, input);
            }
        }
        let problem = match told {
            Ok(Ok(accepted)) => {
                run.accepted += u64::from(accepted);
                (took > HANG).then(|| format!("took {took:?}"))
            }
            Ok(Err(difference)) => Some(difference),
            Err(_) => Some("panicked".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(format!("input {}: {problem}: {:?}", run.inputs, String::from_utf8_lossy(input)));
        }
        run.inputs += 1;
        run.slowest = run.slowest.max(took);
    }
    Ok(run)
}

fn timed(target: &Target, input: &[u8]) -> (std::thread::Result<Told>, Duration) {
    let begun = Instant::now();
    let told = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    (told, begun.elapsed())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn threat_70_every_decoder_answers_mutated_input() {
        for target in TARGETS {
            let mut left = 2_000;
            let run = feed(target, 7, || {
                left -= 1;
                left > 0
            });
            assert!(run.unwrap_or_else(|problem| panic!("{}: {problem}", target.name)).accepted > 0, "{}", target.name);
        }
    }

    #[test]
    fn a_panic_a_difference_and_a_hang_are_found() {
        let broken = |run| Target { name: "broken", covers: &[], seeds: || vec!["seed".to_owned()], run };
        let problem = |run| feed(&broken(run), 1, || true).unwrap_err();
        assert!(problem(|_| panic!("as expected")).contains("panicked"));
        assert!(problem(|_| Err("another meaning".into())).contains("another meaning"));
        let slow = |_: &[u8]| {
            std::thread::sleep(HANG + Duration::from_millis(50));
            Ok(true)
        };
        assert!(problem(slow).contains("took"));
    }
}
