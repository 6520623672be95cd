//! `tollway gateway`: serve until told to stop, then let open requests finish.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tollway_core::clock::SystemClock;
use tollway_core::rules::Action;
use tollway_http::server::{ServerOptions, serve};

use super::say;
use crate::cli::GatewayArgs;
use crate::compose;
use crate::config::Config;
use crate::money::dollars;

pub(crate) async fn run(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let listen = args.listen.unwrap_or(config.listen);
    let gateway = compose::gateway(&config, Arc::new(SystemClock)).await?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    announce(&config, &gateway, &listener)?;
    let janitor = tokio::spawn(expire_claims(gateway.seller.clone()));
    serve(listener, gateway.endpoint, ServerOptions::default(), stop_signal()).await?;
    janitor.abort();
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Ends at ctrl-c or SIGTERM.
pub(crate) async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    if interrupted.await.is_err() {
        // Without signals it serves until it is killed.
        std::future::pending::<()>().await;
    }
}

/// Claims that a crash left behind are given back when their window has ended.
async fn expire_claims(seller: tollway_core::seller::Seller) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(30));
    loop {
        every.tick().await;
        match seller.books().expire_claims(seller.now()).await {
            Ok(0) => {}
            Ok(count) => eprintln!("{count} claims expired uncharged"),
            Err(error) => eprintln!("claims were not looked through: {error}"),
        }
    }
}

fn announce(config: &Config, gateway: &compose::Gateway, listener: &TcpListener) -> anyhow::Result<()> {
    say(format_args!("listening on http://{}", listener.local_addr()?));
    for site in config.sites()? {
        say(format_args!("  site       {}", site.origin()));
    }
    say(format_args!("  seller key {}", gateway.seller.key().public().thumbprint()));
    for rule in gateway.seller.rules().rules() {
        let what = match &rule.action {
            Action::Charge(charge) => format!("{} a request", dollars(charge.price.amount)),
            Action::Allow => "free".to_owned(),
            Action::Block => "blocked".to_owned(),
        };
        say(format_args!("  rule       {:<16} {:<28} {:<9} {what}", rule.id, rule.pattern, rule.audience.as_str()));
    }
    if config.agents.allow_loopback {
        say("  WARNING    allow_loopback: agents on this machine are believed over plain http; for trials only");
    }
    match &config.agents.starter_credit {
        Some(credit) => say(format_args!("  strangers  get {} of credit", dollars(credit.0.amount))),
        None => say("  strangers  get no credit; open accounts with `tollway agents add`"),
    }
    Ok(())
}
