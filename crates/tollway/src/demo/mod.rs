//! `tollway demo`: a whole day in one command, on this machine alone: a site of real pages, its
//! gateway, a crawler that was never seen before, the day closed, the bill checked by both sides.

mod day;
mod report;
mod stage;

pub(crate) use stage::write_site;

use std::process::ExitCode;

use crate::cli::DemoArgs;
use crate::commands::gateway::stop_signal;
use crate::commands::{say, say_json};

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let stage = stage::build(&args).await?;
    if !args.json {
        report::before(&stage, &args);
    }
    let day = day::play(&stage, &args).await?;
    if args.json {
        say_json(&report::json(&stage, &day))?;
    } else {
        report::after(&stage, &day);
    }
    if args.keep {
        if !args.json {
            say("\nStill running; ctrl-c ends it.");
        }
        stop_signal().await;
    }
    stage.end().await;
    Ok(if day.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
