//! `tollway`: the open, self-hosted toll road of the web, as one program. Everything it decides is
//! decided in the libraries; here are the command line, configuration, files, sockets and words.

mod arriving;
mod cli;
mod commands;
mod compose;
mod config;
mod console;
mod counts;
mod crawl;
mod demo;
mod evm;
mod keys;
mod keystore;
mod money;
mod request_log;
mod spending;

use std::process::ExitCode;

use clap::Parser as _;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use cli::{Cli, Command, LogArgs, LogFormat, LogLevel, McpCommand};

/// Many small allocations a request, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // What the libraries warn of is for whoever runs the program; results go to standard output.
    start_log(&cli.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tollway: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(cli.command));
    // Writers of files end with what they hold; nothing waits for idle connections.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tollway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ours at the level asked for, everybody else's warnings: no library tells what it was given to carry.
fn start_log(args: &LogArgs) {
    let level = match args.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("tollway", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    match args.log_format {
        LogFormat::Text => registry.with(lines.with_filter(targets)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_filter(targets)).init(),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Playground(args) => commands::playground::run(args).await,
        Command::Gateway(args) => commands::gateway::run(args).await,
        Command::Check(args) => commands::explain::check(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Doctor(args) => commands::doctor::run(args).await,
        Command::Agents(args) => commands::agents::run(args).await,
        Command::Ledger(args) => commands::ledger::run(args).await,
        Command::Crawl(args) => commands::crawl::run(args).await,
        Command::Statement(args) => commands::statement::run(args).await,
        Command::Wallet(args) => commands::wallet::run(args).await,
        Command::Facilitator(args) => commands::facilitator::run(args).await,
        Command::Mcp(args) => match args.command {
            McpCommand::Sell(args) => commands::mcp_sell::run(args).await,
            McpCommand::Pay(args) => commands::mcp_pay::run(*args).await,
        },
        Command::Spending(args) => commands::spending::run(&args).await,
        Command::Keys(args) => commands::keys::run(args).await,
        Command::Devnet(args) => commands::devnet::run(args).await,
        Command::Pay(args) => commands::pay::run(args).await,
        Command::Quote(args) => commands::quote::run(args).await,
        Command::Completions { shell } => commands::pages::completions(shell),
        Command::Man { out } => commands::pages::manual(&out),
    }
}
