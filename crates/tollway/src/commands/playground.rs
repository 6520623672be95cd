//! `tollway playground`: everything on loopback, with test money, and a page to watch it pay.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tollway_playground::planner::LlmOptions;
use tollway_playground::{Playground, PlaygroundOptions};

use super::gateway::stop_signal;
use super::say;
use crate::cli::PlaygroundArgs;
use crate::demo::write_site;

/// How long a language model may take for one answer.
const LLM_WAIT: Duration = Duration::from_secs(120);

pub(crate) async fn run(args: PlaygroundArgs) -> anyhow::Result<ExitCode> {
    ensure!(
        args.listen.ip().is_loopback(),
        "the playground is for this machine alone: --listen takes a loopback address"
    );
    let llm = llm(&args)?;
    let folder = scratch()?;
    let site = Path::new(&folder).join("site");
    let started = async {
        write_site(&site)?;
        anyhow::Ok(Playground::start(PlaygroundOptions { listen: args.listen, site: site.clone(), llm }).await?)
    };
    let outcome = match started.await {
        Ok(playground) => serve(playground, args.no_open).await,
        Err(error) => Err(error),
    };
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    outcome
}

async fn serve(playground: Playground, no_open: bool) -> anyhow::Result<ExitCode> {
    let stopped = stop_signal();
    say("Tollway: a toll road to play with, on this machine alone\n");
    say(format_args!("  open       {}", playground.url()));
    match playground.model() {
        Some(model) => say(format_args!("  planner    {model}")),
        None => say("  planner    built in, a small grammar (--llm-url takes a language model)"),
    }
    say(format_args!("  wallet     {}, funded with test USDC", playground.agent().wallet_address()));
    for shop in playground.agent().stage().shops() {
        say(format_args!("  seller     {:<24} {}", shop.origin, shop.name));
    }
    say("\nctrl-c ends it; nothing is kept.");
    if !no_open {
        open(playground.url());
    }
    playground.serve(stopped).await?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

fn llm(args: &PlaygroundArgs) -> anyhow::Result<Option<LlmOptions>> {
    let Some(url) = &args.llm_url else { return Ok(None) };
    let model = args.llm_model.clone().context("--llm-url needs --llm-model")?;
    let key = match &args.llm_key_env {
        Some(name) => Some(std::env::var(name).with_context(|| format!("--llm-key-env: {name} is not set"))?),
        None => None,
    };
    Ok(Some(LlmOptions { url: url.clone(), model, key, wait: LLM_WAIT }))
}

/// A folder of this run's own.
fn scratch() -> anyhow::Result<std::path::PathBuf> {
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let folder = std::env::temp_dir().join(format!("tollway-site-{:016x}", u64::from_be_bytes(name)));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Asks the desktop to open the page, where there is one. That there is none is no error.
fn open(url: &str) {
    let (program, first) = match std::env::consts::OS {
        "macos" => ("open", None),
        "windows" => ("explorer", None),
        _ if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() => return,
        _ => ("xdg-open", None::<&str>),
    };
    let mut command = Command::new(program);
    command.args(first).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(mut opening) = command.spawn() {
        // It ends by itself, whatever became of it.
        std::thread::spawn(move || opening.wait());
    }
}
