//! What stands behind the gate, as a configuration writes it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::uri::PathAndQuery;
use serde::Deserialize;
use tollway_http::gate::GateOptions;
use tollway_http::origin::{Http2, Proxy, ProxyOptions, Roots};

use super::Config;

/// Longest window that can be configured, in seconds.
const WINDOW_MAX: u64 = 3_600;

/// A folder or an HTTP server.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OriginConfig {
    /// Folder of files.
    pub(crate) folder: Option<PathBuf>,
    /// `http://host:port` or `https://host:port`.
    pub(crate) url: Option<String>,
    /// Whether an HTTP server behind the gate is told who paid, by a signed `PAYMENT-CONTEXT`.
    #[serde(default = "super::yes")]
    pub(crate) payment_context: bool,
    /// Certificates that its own is held against, PEM; those of the public web unless given.
    ca: Option<PathBuf>,
    /// Whether HTTP/2 is spoken to it.
    http2: Option<Http2Config>,
    /// Seconds in which a connection has to be made.
    connect_wait: Option<u64>,
    /// Seconds in which it has to begin its answer.
    first_byte_wait: Option<u64>,
    /// Seconds in which a priced answer has to be there, as much of it as is gathered.
    answer_wait: Option<u64>,
    /// Seconds it may keep silent in the middle of an answer.
    idle_wait: Option<u64>,
    /// Idle connections kept.
    idle_connections: Option<usize>,
    /// Seconds for which an idle connection is kept.
    keep_alive: Option<u64>,
    /// A path that it is asked for again and again, to see whether it is well.
    pub(crate) health: Option<String>,
    /// Seconds between two such questions.
    health_every: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Http2Config {
    Never,
    Negotiate,
    Always,
}

impl OriginConfig {
    /// Whether nothing stands behind.
    pub(super) fn is_empty(&self) -> bool {
        self.folder.is_none() && self.url.is_none()
    }

    /// Checks what does not depend on files.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match (&self.folder, &self.url) {
            (Some(_), None) if self.speaks_http() => bail!("[origin] says of a `folder` what only a `url` has"),
            (Some(_), None) | (None, Some(_)) => {}
            _ => bail!("[origin] takes either `folder` or `url`"),
        }
        let windows = [
            self.connect_wait,
            self.first_byte_wait,
            self.answer_wait,
            self.idle_wait,
            self.keep_alive,
            self.health_every,
        ];
        if windows.iter().flatten().any(|seconds| !(1..=WINDOW_MAX).contains(seconds)) {
            bail!("[origin] windows are 1 to {WINDOW_MAX} seconds");
        }
        let first_byte = self.first_byte_wait.unwrap_or(ProxyOptions::default().first_byte_wait.as_secs());
        if self.url.is_some() && self.answer_wait.is_some_and(|whole| whole < first_byte) {
            bail!("[origin] `answer_wait` is not shorter than `first_byte_wait`, which is {first_byte} seconds");
        }
        self.health().map(drop)
    }

    /// How long the gate waits for a priced answer: longer than the origin may take to begin it.
    pub(crate) fn answer_wait(&self) -> Duration {
        let usual = GateOptions::default().upstream_wait;
        let begins = match (&self.url, self.first_byte_wait) {
            (None, _) => Duration::ZERO,
            (Some(_), None) => ProxyOptions::default().first_byte_wait,
            (Some(_), Some(seconds)) => Duration::from_secs(seconds),
        };
        self.answer_wait.map_or(begins + usual, Duration::from_secs)
    }

    /// The path that the origin is asked for, and how often.
    pub(crate) fn health(&self) -> anyhow::Result<Option<(PathAndQuery, Duration)>> {
        let Some(path) = &self.health else { return Ok(None) };
        let wrong = || format!("[origin] health = \"{path}\" is no path");
        let path: PathAndQuery = path.parse().with_context(wrong)?;
        anyhow::ensure!(path.as_str().starts_with('/'), wrong());
        Ok(Some((path, Duration::from_secs(self.health_every.unwrap_or(10)))))
    }

    fn speaks_http(&self) -> bool {
        self.ca.is_some() || self.http2.is_some() || self.first_byte_wait.is_some() || self.health.is_some()
    }
}

impl Config {
    /// The proxy to an origin with a URL.
    pub(crate) fn proxy(&self) -> anyhow::Result<Option<Proxy>> {
        let origin = &self.origin;
        let Some(url) = &origin.url else { return Ok(None) };
        let usual = ProxyOptions::default();
        let seconds = |own: Option<u64>, usual: Duration| own.map_or(usual, Duration::from_secs);
        let options = ProxyOptions {
            http2: match origin.http2 {
                None => usual.http2,
                Some(Http2Config::Never) => Http2::Never,
                Some(Http2Config::Negotiate) => Http2::Negotiate,
                Some(Http2Config::Always) => Http2::Always,
            },
            roots: origin.ca.as_ref().map_or(Roots::Public, |ca| Roots::File(self.path(ca))),
            connect_wait: seconds(origin.connect_wait, usual.connect_wait),
            first_byte_wait: seconds(origin.first_byte_wait, usual.first_byte_wait),
            idle_wait: seconds(origin.idle_wait, usual.idle_wait),
            idle_max: origin.idle_connections.unwrap_or(usual.idle_max),
            keep_alive: seconds(origin.keep_alive, usual.keep_alive),
        };
        Ok(Some(Proxy::with(url, &options).context("[origin]")?))
    }
}
