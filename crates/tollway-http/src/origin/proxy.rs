//! Another HTTP server as an upstream, over HTTP/1.1 or 2, plain or TLS, streamed both ways.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, COOKIE, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tollway_protocol::{Dress, Reason, Refusal};
use tower::Service;

use super::connect::{Connector, Http2, Roots, TlsError, connector};
use super::forwarded::{self, Client};
use super::health::Health;
use super::upgrade::Streams;
use super::waits::{Download, Progress, Upload};
use crate::body::{Body, boxed, empty};
use crate::gate::Refused;

/// Fields that speak of one connection only (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// How an upstream is spoken to.
#[derive(Debug, Clone)]
pub struct ProxyOptions {
    /// Which version of HTTP.
    pub http2: Http2,
    /// What its certificate is held against.
    pub roots: Roots,
    /// How long a connection may take to be made.
    pub connect_wait: Duration,
    /// How long it may keep silent before its answer begins, counted from the last byte sent to it.
    pub first_byte_wait: Duration,
    /// How long it may keep silent in the middle of an answer.
    pub idle_wait: Duration,
    /// Idle connections kept.
    pub idle_max: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            http2: Http2::Negotiate,
            roots: Roots::Public,
            connect_wait: Duration::from_secs(5),
            first_byte_wait: Duration::from_secs(60),
            idle_wait: Duration::from_secs(60),
            idle_max: 128,
            keep_alive: Duration::from_secs(60),
        }
    }
}

/// Forwards requests to one upstream, target and all as they came.
#[derive(Clone)]
pub struct Proxy {
    pool: Pool<Connector, Body>,
    scheme: Scheme,
    authority: Authority,
    /// Over HTTP/2 the request itself names the public host.
    names_host: bool,
    first_byte_wait: Duration,
    idle_wait: Duration,
    health: Health,
    streams: Streams,
}

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The text is not an upstream.
    #[error("`{0}` is not an upstream such as http://127.0.0.1:8080 or https://origin.example")]
    Url(String),
    /// TLS to it cannot be set up.
    #[error("TLS to the upstream: {0}")]
    Tls(#[from] TlsError),
}

impl Proxy {
    /// A proxy to `http://host:port` or `https://host:port`, with the usual options.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub fn new(url: &str) -> Result<Self, ProxyError> {
        Self::with(url, &ProxyOptions::default())
    }

    /// The same with other options.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub fn with(url: &str, options: &ProxyOptions) -> Result<Self, ProxyError> {
        let wrong = || ProxyError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let bare = uri.path() == "/" && uri.query().is_none();
        let known = |scheme: &&Scheme| **scheme == Scheme::HTTP || **scheme == Scheme::HTTPS;
        let scheme = uri.scheme().filter(known).cloned().ok_or_else(wrong)?;
        let authority = uri.authority().filter(|own| bare && !own.as_str().contains('@')).cloned().ok_or_else(wrong)?;
        let connector = connector((&scheme, &authority), options.http2, &options.roots, options.connect_wait)?;
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.keep_alive)
            .pool_max_idle_per_host(options.idle_max)
            .timer(TokioTimer::new())
            .http2_only(options.http2 == Http2::Always)
            .build(connector);
        Ok(Self {
            pool,
            names_host: options.http2 == Http2::Always
                || (options.http2 == Http2::Negotiate && scheme == Scheme::HTTPS),
            scheme,
            authority,
            first_byte_wait: options.first_byte_wait,
            idle_wait: options.idle_wait,
            health: Health::default(),
            streams: Streams::default(),
        })
    }

    /// What is known of the upstream.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Asks the upstream for `path` each `every`, for ever: any answer below 500 says that it is well.
    pub fn watch(&self, path: PathAndQuery, every: Duration) -> impl Future<Output = ()> + Send + use<> {
        let proxy = self.clone();
        proxy.health.is_asked();
        async move {
            let mut times = tokio::time::interval(every);
            loop {
                times.tick().await;
                let uri = Uri::builder()
                    .scheme(proxy.scheme.clone())
                    .authority(proxy.authority.clone())
                    .path_and_query(path.clone())
                    .build();
                let Ok(uri) = uri else { return };
                let mut request = Request::new(empty());
                *request.uri_mut() = uri;
                match tokio::time::timeout(every, proxy.pool.request(request)).await {
                    Ok(Ok(response)) if !response.status().is_server_error() => proxy.health.answered(),
                    _ => proxy.health.failed(Instant::now()),
                }
            }
        }
    }

    async fn forward(&self, mut request: Request<Body>) -> Response<Body> {
        let way_out = self.streams.take(&mut request);
        let Ok(mut request) = self.forwarded(request) else {
            return refused(Reason::MalformedTarget, "the target cannot be forwarded");
        };
        if let Some(way_out) = &way_out {
            way_out.ask(request.headers_mut());
        }
        let progress = Progress::now();
        let request = request.map(|body| boxed(Upload { body, progress: progress.clone() }));
        let answer = tokio::select! {
            answer = self.pool.request(request) => answer,
            () = progress.stalled(self.first_byte_wait) => {
                self.health.failed(Instant::now());
                return refused(Reason::UpstreamTimeout, "the upstream did not begin to answer in time");
            }
        };
        match answer {
            Ok(mut response) => {
                self.health.answered();
                drop_hop_by_hop(response.headers_mut());
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    // What follows the head is no body.
                    return joined(response.map(|_| empty()), way_out);
                }
                response.map(|body| boxed(Download::new(boxed(body), self.idle_wait)))
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &hyper_util::client::legacy::Error) -> Response<Body> {
        // A client that broke off its own upload says nothing of the upstream.
        if is_of_the_upload(error) {
            return refused(Reason::MalformedTarget, "the request body broke off");
        }
        self.health.failed(Instant::now());
        if !error.is_connect() {
            tracing::warn!(%error, "the upstream broke off");
            return refused(Reason::UpstreamMalformed, "the upstream's answer broke off");
        }
        let untrusted = cause_says(error, "certificate");
        tracing::warn!(%error, untrusted, "the upstream is not reached");
        let detail = if untrusted {
            "the upstream is not who its certificate would have to name"
        } else {
            "the upstream cannot be reached"
        };
        refused(Reason::UpstreamUnreachable, detail)
    }

    fn forwarded(&self, request: Request<Body>) -> Result<Request<Body>, http::Error> {
        let (mut parts, body) = request.into_parts();
        let host = parts.headers.get(HOST).cloned().or_else(|| authority_of(&parts.uri));
        let path_and_query = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let named = host.as_ref().filter(|_| self.names_host);
        let named = named.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        parts.uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(named.unwrap_or_else(|| self.authority.clone()))
            .path_and_query(path_and_query)
            .build()?;
        drop_hop_by_hop(&mut parts.headers);
        join_cookies(&mut parts.headers);
        let client = parts.extensions.remove::<Client>();
        forwarded::write(&mut parts.headers, client.as_ref());
        if let Some(host) = host {
            parts.headers.insert(HOST, host);
        }
        parts.version = Version::HTTP_11;
        Ok(Request::from_parts(parts, body))
    }
}

impl Service<Request<Body>> for Proxy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let proxy = self.clone();
        Box::pin(async move { Ok(proxy.forward(request).await) })
    }
}

/// The upstream leaves HTTP; one that was not asked to has broken the protocol.
fn joined(mut response: Response<Body>, way_out: Option<super::upgrade::WayOut>) -> Response<Body> {
    let Some(way_out) = way_out else {
        return refused(Reason::UpstreamMalformed, "the upstream changed to another protocol unasked");
    };
    way_out.ask(response.headers_mut());
    way_out.join(&mut response);
    response
}

fn refused(reason: Reason, detail: &'static str) -> Response<Body> {
    Refused { refusal: Refusal::new(reason, detail), dress: Dress::X402, terms: None }.into_response()
}

/// Whether a cause says so, however deep: TLS tells of certificates in words only.
fn cause_says(error: &(dyn Error + 'static), word: &str) -> bool {
    causes(error).iter().any(|error| error.to_string().contains(word))
}

fn is_of_the_upload(error: &(dyn Error + 'static)) -> bool {
    causes(error).iter().filter_map(|error| error.downcast_ref::<hyper::Error>()).any(hyper::Error::is_user)
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    let mut all = vec![error];
    while let Some(deeper) = all[all.len() - 1].source() {
        all.push(deeper);
    }
    all
}

fn authority_of(uri: &Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(uri.authority()?.as_str()).ok()
}

/// HTTP/2 may split cookies over several fields; HTTP/1.1 has one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// Drops what speaks of this connection, named in `Connection` or by standard.
fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}
