//! `tollway-bench`: what a paid request costs the machine.
//!
//! Promise: every figure is a ratio to a named reference that was measured in the same run, round by round, as CPU
//! time of the serving process alone; throughput, latency and the spread of the rounds stand beside it. A round in
//! which one request was not answered as expected, or not charged exactly once, ends the run.
//!
//! Refusal: this program never ships, never leaves loopback, and never measures a build without optimisation.

mod books;
mod child;
mod cpu;
mod crypto;
mod facilitators;
mod figure;
mod hold;
mod load;
mod machine;
mod mcp;
mod measure;
mod orders;
mod plot;
mod relay;
mod rounds;
mod stage;
mod table;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::facilitators::FacilitatorArgs;
use crate::load::LoadArgs;
use crate::mcp::McpArgs;

/// Measure what a paid request costs, beside references from the same run.
#[derive(Debug, Parser)]
#[command(name = "tollway-bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(subcommand)]
    part: Option<Part>,
}

/// How long to measure, and what to write.
#[derive(Debug, clap::Args)]
struct PlanArgs {
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
    /// Rounds; the median of each figure is reported.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement within a round.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Folder whose disk the books are measured on.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also draw requests per second by connections into this SVG file.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// What else there is to measure, and the processes that a run starts of itself.
#[derive(Debug, Subcommand)]
enum Part {
    /// Serve everything that is measured, until standard input ends.
    #[command(hide = true)]
    Serve {
        /// Folder for the site and the books.
        dir: PathBuf,
    },
    /// Serve two bodies from memory, as what stands behind proxies.
    #[command(hide = true)]
    Upstream,
    /// Serve a gate in front of that, with one worker.
    #[command(hide = true)]
    Relay {
        /// Folder for the books.
        dir: PathBuf,
        /// Where it forwards to.
        upstream: SocketAddr,
    },
    /// Hold hostile connections.
    #[command(hide = true)]
    Hold {
        /// Where to.
        address: SocketAddr,
        /// How many.
        connections: usize,
    },
    /// Measure our facilitator beside another program, and print the figures as one JSON object.
    Facilitators(FacilitatorArgs),
    /// Be a chain with blocks at these intervals in milliseconds, 0 for one a transaction.
    #[command(hide = true)]
    Chain {
        /// Milliseconds.
        interval: u64,
    },
    /// Be our facilitator on a chain.
    #[command(hide = true)]
    Facilitator {
        /// Where the chain is.
        rpc: String,
        /// File of its books.
        store: PathBuf,
        /// Most payments in one transaction.
        batch: usize,
    },
    /// Send requests, signed beforehand, and report what came back.
    #[command(hide = true)]
    Load(LoadArgs),
    /// Measure what a paid call of a tool costs over the same call free, promised and settled on a test chain.
    Mcp(McpArgs),
}

/// Many small allocations a request, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { plan, part } = Arguments::parse();
    match part {
        Some(Part::Serve { dir }) => stage::serve(&dir)?,
        Some(Part::Upstream) => relay::upstream()?,
        Some(Part::Relay { dir, upstream }) => relay::gateway(&dir, upstream)?,
        Some(Part::Hold { address, connections }) => hold::run(address, connections)?,
        Some(Part::Load(args)) => load::run(&args)?,
        Some(Part::Facilitators(args)) => facilitators::run(&args)?,
        Some(Part::Chain { interval }) => facilitators::chain(interval)?,
        Some(Part::Facilitator { rpc, store, batch }) => facilitators::facilitator(&rpc, &store, batch)?,
        Some(Part::Mcp(args)) => mcp::run(&args)?,
        None => run(&plan)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run(plan: &PlanArgs) -> anyhow::Result<()> {
    optimised()?;
    let report = measure::run(&measure::Plan {
        rounds: plan.rounds,
        seconds: plan.seconds,
        dir: plan.dir.clone().unwrap_or_else(std::env::temp_dir),
    })?;
    if let Some(path) = &plan.plot {
        std::fs::write(path, plot::svg(&report.curves)).with_context(|| path.display().to_string())?;
    }
    let text = if plan.json { report.json()? } else { table::text(&report) };
    table::say(&text)
}

fn optimised() -> anyhow::Result<()> {
    anyhow::ensure!(!cfg!(debug_assertions), "figures of a build without optimisation say nothing: use --release");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
