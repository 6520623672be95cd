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
        Chore::Test { core } => xtask::test::run(core),
        Chore::Tidy { long } => xtask::tidy::run(long),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
