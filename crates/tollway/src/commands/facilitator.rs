//! `tollway facilitator`: verify and settle payments for others until told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::net::TcpListener;
use tollway_core::clock::{Clock, SystemClock};
use tollway_http::facilitator::{Door, FacilitatorParts, FacilitatorService};
use tollway_http::server::{ServerOptions, serve};

use super::gateway::stop_signal;
use super::say;
use crate::arriving;
use crate::cli::{FacilitatorArgs, FacilitatorCommand};
use crate::config::FacilitatorConfig;

pub(crate) async fn run(args: FacilitatorArgs) -> anyhow::Result<ExitCode> {
    if let Some(FacilitatorCommand::Key) = args.command {
        return key();
    }
    let config = FacilitatorConfig::read(&args.config)?;
    let listen = args.listen.unwrap_or(config.listen);
    config.check_reach(listen)?;
    if args.check {
        announce(&config);
        say("the configuration is understood");
        return Ok(ExitCode::SUCCESS);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = Arc::new(config);
    let facilitator = Arc::new(arriving::facilitator(Arc::clone(&config), Arc::clone(&clock)).await?);
    let parts = FacilitatorParts { facilitator, door: config.door()?, cors: config.cors.clone(), clock };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let stopped = stop_signal();
    say(format_args!("listening on http://{}", listener.local_addr()?));
    announce(&config);
    // A settlement under way may take as long as it is waited for; what is cut off is taken up again.
    let longest = config.networks.iter().map(crate::config::NetworkConfig::settle_wait).max();
    let options = ServerOptions { drain_wait: longest.unwrap_or_default(), ..ServerOptions::default() };
    serve(listener, Arc::new(FacilitatorService::new(parts)), options, stopped).await?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// A new API key. Only its digest belongs into a configuration.
fn key() -> anyhow::Result<ExitCode> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let key = format!("tw_{}", URL_SAFE_NO_PAD.encode(bytes));
    let digest: String = Door::digest(&key).iter().map(|byte| format!("{byte:02x}")).collect();
    say(format_args!("key     {key}"));
    say(format_args!("sha256  {digest}"));
    Ok(ExitCode::SUCCESS)
}

fn announce(config: &FacilitatorConfig) {
    for network in &config.networks {
        let batches = match network.batch_window() {
            window if window.is_zero() => "each payment alone".to_owned(),
            window => format!("payments of {} ms together", window.as_millis()),
        };
        say(format_args!(
            "  network  {}  {} endpoints, {} signers, {batches}",
            network.network,
            network.rpc.len(),
            network.signers.len()
        ));
    }
    match config.keys.len() {
        0 => say("  callers  anyone who reaches this address"),
        count => say(format_args!("  callers  {count} with keys")),
    }
}
