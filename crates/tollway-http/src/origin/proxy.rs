//! Another HTTP/1.1 server as an upstream, streamed both ways.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONNECTION, COOKIE, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tollway_protocol::{Dress, Reason, Refusal};
use tower::Service;

use crate::body::{Body, boxed};
use crate::gate::Refused;

/// Fields that speak of one connection only (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// Idle connections kept to the upstream.
const IDLE_MAX: usize = 128;

/// Forwards requests to one upstream, target and all as they came.
#[derive(Clone)]
pub struct Proxy {
    client: Client<HttpConnector, Body>,
    authority: Authority,
}

/// The text is not an upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an upstream such as http://127.0.0.1:8080")]
pub struct ParseUpstreamError(String);

impl Proxy {
    /// A proxy to `http://host:port`.
    ///
    /// # Errors
    /// When `url` is anything else.
    pub fn new(url: &str) -> Result<Self, ParseUpstreamError> {
        let wrong = || ParseUpstreamError(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let bare = uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|_| bare && uri.scheme() == Some(&Scheme::HTTP)).ok_or_else(wrong)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Ok(Self { client, authority: authority.clone() })
    }

    fn forwarded(&self, request: Request<Body>) -> Result<Request<Body>, http::Error> {
        let (mut parts, body) = request.into_parts();
        let host = parts.headers.get(HOST).cloned().or_else(|| authority_of(&parts.uri));
        let path_and_query = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        parts.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()?;
        drop_hop_by_hop(&mut parts.headers);
        join_cookies(&mut parts.headers);
        if let Some(host) = host {
            parts.headers.insert(HOST, host);
        }
        parts.version = http::Version::HTTP_11;
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
        Box::pin(async move {
            let Ok(request) = proxy.forwarded(request) else {
                return Ok(refused(Reason::MalformedTarget, "the target cannot be forwarded"));
            };
            match proxy.client.request(request).await {
                Ok(mut response) => {
                    drop_hop_by_hop(response.headers_mut());
                    Ok(response.map(boxed))
                }
                Err(error) if error.is_connect() => {
                    Ok(refused(Reason::UpstreamUnreachable, "the upstream cannot be reached"))
                }
                Err(error) => {
                    tracing::warn!(%error, "the upstream broke off");
                    Ok(refused(Reason::UpstreamMalformed, "the upstream's answer broke off"))
                }
            }
        })
    }
}

fn refused(reason: Reason, detail: &'static str) -> Response<Body> {
    Refused { refusal: Refusal::new(reason, detail), dress: Dress::X402, terms: None }.into_response()
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
