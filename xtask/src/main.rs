//! The command line of the repository's chores: `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the Tollway repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Measure what a paid request costs, beside references from the same run (release build).
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed on: --json, --rounds, --seconds, --dir, --plot, --help.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Compile the contracts with the pinned compiler and write their artifacts.
    Contracts {
        /// Only say which artifacts differ from their source.
        #[arg(long)]
        check: bool,
    },
    /// Feed every decoder of the libraries mutated input; the same seed gives the same inputs.
    #[command(disable_help_flag = true)]
    Fuzz {
        /// Passed on: --seconds (of each target), --only, --seed, --list, --help.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Pay and be paid by other people's clients, servers and facilitators, on two chains; prints the matrix.
    Interop {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        /// Only cells with this word in the name of client, server, facilitator, way or chain; may be repeated.
        #[arg(long, value_name = "WORD")]
        only: Vec<String>,
    },
    /// Run everything a change must pass: format, lints, tests, documentation, interop.
    Test {
        /// Only the steps that need Rust alone; says which steps it leaves out.
        #[arg(long)]
        core: bool,
    },
    /// Print what breaks the rules of the house: names, sizes, documents, places.
    Tidy {
        /// Also print the ten longest source files.
        #[arg(long)]
        long: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().chore {
        Chore::Bench { arguments } => xtask::bench::run(&arguments),
        Chore::Contracts { check } => xtask::contracts::run(check),
        Chore::Fuzz { arguments } => xtask::fuzz::run(&arguments),
        Chore::Interop { json, only } => xtask::interop::run(json, &only),
        Chore::Test { core } => xtask::test::run(core),
        Chore::Tidy { long } => xtask::tidy::run(long),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Arguments, Chore};

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_bench_is_told_is_passed_on() {
        let words = ["--json", "--rounds", "3", "--help"];
        let line = ["cargo xtask", "bench"].into_iter().chain(words);
        let Chore::Bench { arguments } = Arguments::parse_from(line).chore else { panic!("another chore") };
        assert_eq!(arguments, words);
    }
}
