//! The gate as a layer around any service that takes HTTP requests, whatever its body.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Method, Request, Response, StatusCode, Uri};
use tollway_http::body::{Body, BoxError, boxed, empty};
use tollway_http::endpoint::Endpoint;
use tollway_http::gate::Gate;
use tower::{Layer, Service, ServiceExt as _};

use super::builder::Opened;

/// Charges for what stands behind it; see [the module](super).
#[derive(Clone)]
pub struct TollwayLayer {
    opened: Arc<Opened>,
}

impl TollwayLayer {
    pub(super) fn new(opened: Arc<Opened>) -> Self {
        Self { opened }
    }
}

impl<S, R> Layer<S> for TollwayLayer
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Service = Tolled;

    fn layer(&self, inner: S) -> Tolled {
        let behind = Behind { inner };
        let gate = self.opened.gate().layer(behind.clone());
        Tolled { gate, behind: Arc::new(behind), opened: Arc::clone(&self.opened) }
    }
}

/// A service that is charged for.
#[derive(Clone)]
pub struct Tolled {
    gate: Gate,
    /// What stands behind the gate.
    behind: Arc<dyn Endpoint>,
    /// The seller works as long as something serves.
    opened: Arc<Opened>,
}

impl<B> Service<Request<B>> for Tolled
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service is asked when it is used.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let opened = Arc::clone(&self.opened);
        let mut request = whole_path(request.map(boxed));
        let asked = Asked::of(&request, &opened);
        if request.extensions().get() == Some(&asked) {
            return Box::pin(self.behind.answer(request).map(Ok));
        }
        request.extensions_mut().insert(asked);
        let answering = self.gate.call(request);
        Box::pin(async move {
            let answer = answering.await;
            drop(opened);
            answer
        })
    }
}

/// What a gate of this seller was asked: a second one further in, on a route under a router that has one, lets the
/// same request pass. A request that was made another in between is asked about anew.
#[derive(Clone, PartialEq, Eq)]
struct Asked {
    seller: usize,
    method: Method,
    uri: Uri,
}

impl Asked {
    fn of(request: &Request<Body>, opened: &Arc<Opened>) -> Self {
        let seller = Arc::as_ptr(opened).addr();
        Self { seller, method: request.method().clone(), uri: request.uri().clone() }
    }
}

/// What stands behind the gate, as the gate takes it.
#[derive(Clone)]
struct Behind<S> {
    inner: S,
}

impl<S, R> Service<Request<Body>> for Behind<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answering = self.inner.clone().oneshot(nested_path(request));
        let answered = |answer: Result<Response<R>, S::Error>| match answer {
            Ok(response) => response.map(boxed),
            Err(error) => failed(error.into()),
        };
        Box::pin(answering.map(move |answer| Ok(answered(answer))))
    }
}

/// An inner service that fails is a server's error: nothing is charged for it.
fn failed(error: BoxError) -> Response<Body> {
    tracing::error!(%error, "the service behind the gate failed");
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The target as a nested router sees it: without the prefix under which it is nested.
#[cfg(feature = "axum")]
#[derive(Clone)]
struct Nested(Uri);

/// Shows the gate the path that was asked for and signed, also inside a nested router.
#[cfg(feature = "axum")]
fn whole_path(mut request: Request<Body>) -> Request<Body> {
    let asked = request.extensions().get::<axum::extract::OriginalUri>().map(|asked| asked.0.clone());
    if let Some(asked) = asked.filter(|asked| asked != request.uri()) {
        let nested = std::mem::replace(request.uri_mut(), asked);
        request.extensions_mut().insert(Nested(nested));
    }
    request
}

#[cfg(feature = "axum")]
fn nested_path(mut request: Request<Body>) -> Request<Body> {
    if let Some(Nested(uri)) = request.extensions_mut().remove() {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(not(feature = "axum"))]
fn whole_path(request: Request<Body>) -> Request<Body> {
    request
}

#[cfg(not(feature = "axum"))]
fn nested_path(request: Request<Body>) -> Request<Body> {
    request
}
