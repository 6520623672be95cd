//! New rules and certificates without a restart: SIGHUP reads configuration and certificate again. Each
//! is taken whole, or refused whole with what is wrong, and the old one stays.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use tollway_http::tls::Certificate;

use super::say;
use crate::compose::Gateway;
use crate::config::Config;

/// Reloads at each SIGHUP. Signals are caught from the call on.
#[cfg(unix)]
pub(super) fn at_signal(
    gateway: Arc<Gateway>,
    path: PathBuf,
    started: Arc<Config>,
    certificate: Option<Arc<Certificate>>,
) -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let hangups = signal(SignalKind::hangup());
    async move {
        let mut hangups = match hangups {
            Ok(hangups) => hangups,
            Err(error) => {
                eprintln!("SIGHUP will not reload: {error}");
                return;
            }
        };
        while hangups.recv().await.is_some() {
            match reload(&gateway, &path, &started).await {
                Ok(rules) => say(format_args!("reloaded {}: {rules} rules", path.display())),
                Err(error) => eprintln!("not reloaded, the old rules stay: {error:#}"),
            }
            if let Some(Err(error)) = certificate.as_ref().map(|certificate| certificate.reload()) {
                eprintln!("the old certificate stays: {error}");
            }
        }
    }
}

/// There is no SIGHUP here; a restart reads the configuration.
#[cfg(not(unix))]
pub(super) async fn at_signal(_: Arc<Gateway>, _: PathBuf, _: Arc<Config>, _: Option<Arc<Certificate>>) {}

async fn reload(gateway: &Gateway, path: &Path, started: &Config) -> anyhow::Result<usize> {
    let config = Config::read(path)?;
    for (what, same) in [
        ("public_urls[0]", config.public_urls.first() == started.public_urls.first()),
        ("[seller]", config.seller == started.seller),
        ("[exact]", config.exact == started.exact),
        ("[books]", config.books == started.books),
        ("[agents] allow_loopback", config.agents.allow_loopback == started.agents.allow_loopback),
    ] {
        if !same {
            bail!("{what} has changed, which takes a restart");
        }
    }
    gateway.reload(&config).await?;
    Ok(config.rules.len())
}
