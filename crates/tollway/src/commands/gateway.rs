//! `tollway gateway`: serve until told to stop, then let open requests finish.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tollway_core::clock::SystemClock;
use tollway_http::endpoint::Endpoint;
use tollway_http::gate::expire_claims;
use tollway_http::server::{ServerOptions, serve_tls};
use tollway_http::tls::Certificate;

use super::{described, say};
use crate::cli::GatewayArgs;
use crate::compose;
use crate::config::Config;
use crate::money::dollars;

pub(crate) async fn run(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    let config = Arc::new(Config::read(&args.config.config)?);
    let listen = args.listen.unwrap_or(config.listen);
    let gateway = Arc::new(compose::gateway(&config, Arc::new(SystemClock)).await?);
    let certificate = match &config.tls {
        None => None,
        Some(tls) => {
            let read = Certificate::read(&config.path(&tls.certificate), &config.path(&tls.key));
            Some(Arc::new(read.context("[tls]")?))
        }
    };
    let acceptor = certificate.clone().map(Certificate::acceptor).transpose().context("[tls]")?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let stopped = stop_signal();
    let path = args.config.config.clone();
    let reloading = super::reload::at_signal(Arc::clone(&gateway), path, Arc::clone(&config), certificate);
    let mut beside = tokio::task::JoinSet::new();
    if let Some(metrics) = &config.metrics {
        let serving = super::metrics::serve_metrics(metrics.listen, Arc::clone(&gateway)).await?;
        beside.spawn(async move {
            if let Err(error) = serving.await {
                eprintln!("metrics ended: {error}");
            }
        });
    }
    announce(&config, &gateway, &listener)?;
    if let Some(console) = &config.console {
        let listening = crate::console::listen(console, Arc::clone(&config), Arc::clone(&gateway)).await?;
        say(format_args!("  console    {}", listening.url));
        beside.spawn(async move {
            if let Err(error) = listening.serving.await {
                eprintln!("the console ended: {error}");
            }
        });
    }
    beside.spawn(expire_claims(gateway.current().seller));
    if config.exact.is_some() {
        beside.spawn(resolve_payments(Arc::clone(&gateway)));
    }
    beside.spawn(reloading);
    beside.spawn(crate::counts::keep(Arc::clone(&gateway)));
    let endpoint: Arc<dyn Endpoint> = gateway.endpoint.clone();
    let options = ServerOptions { tell_peer: compose::tells_peer(&config), ..ServerOptions::default() };
    serve_tls(listener, endpoint, options, acceptor, stopped).await?;
    beside.shutdown().await;
    crate::counts::flush(&gateway).await;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Ends at ctrl-c or SIGTERM. Signals are caught from the call on, not only once it is waited for:
/// whoever was told that the program listens may stop it at once.
pub(crate) fn stop_signal() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let (interrupted, terminated) = {
        use tokio::signal::unix::{Signal, SignalKind, signal};
        let ended = |caught: std::io::Result<Signal>| async move {
            match caught {
                Ok(mut signal) => drop(signal.recv().await),
                // Without signals it serves until it is killed.
                Err(_) => std::future::pending().await,
            }
        };
        (ended(signal(SignalKind::interrupt())), ended(signal(SignalKind::terminate())))
    };
    #[cfg(not(unix))]
    let (interrupted, terminated) = (tokio::signal::ctrl_c(), std::future::pending::<()>());
    async move {
        tokio::select! {
            _ = interrupted => {}
            () = terminated => {}
        }
    }
}

/// Payments whose outcome a crash or a lost answer has left open are asked about, at start and again.
async fn resolve_payments(gateway: Arc<compose::Gateway>) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(15));
    loop {
        every.tick().await;
        match gateway.current().gate.resolve_exact().await {
            Ok(resolved) => {
                for (id, said) in &resolved.open {
                    tracing::warn!(payment = %id, %said, "a payment is neither paid nor unpaid yet");
                }
            }
            Err(error) => tracing::warn!(%error, "open payments were not looked through"),
        }
    }
}

fn announce(config: &Config, gateway: &compose::Gateway, listener: &TcpListener) -> anyhow::Result<()> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    say(format_args!("listening on {scheme}://{}", listener.local_addr()?));
    for site in config.sites()? {
        say(format_args!("  site       {}", site.origin()));
    }
    let seller = gateway.current().seller;
    say(format_args!("  seller key {}", seller.key().public().thumbprint()));
    for rule in seller.rules().rules() {
        let what = described(rule);
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
