//! How a payer's requests reach a seller: over a `reqwest` client, or over any tower service that
//! sends HTTP requests.

use std::marker::PhantomData;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use tower::{Service, ServiceExt as _};
use url::Url;

use crate::body::{Body, BoxError, boxed};

/// A request on its way out, signed: nothing of it may change any more, and it is sent once. Whoever sends it follows
/// no redirect and repeats nothing.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Where to, without a fragment.
    pub url: Url,
    /// Fields, without those of the connection.
    pub headers: HeaderMap,
    /// Body; empty where there is none.
    pub body: Bytes,
}

/// Sends requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a request and answers with the head of what came back.
    ///
    /// # Errors
    /// When no answer came.
    async fn send(&self, request: Outgoing) -> Result<Response<Body>, BoxError>;
}

#[async_trait]
impl Transport for reqwest::Client {
    async fn send(&self, request: Outgoing) -> Result<Response<Body>, BoxError> {
        let Outgoing { method, url, headers, body } = request;
        let sending = self.request(method, url).headers(headers);
        let sending = if body.is_empty() { sending } else { sending.body(body) };
        let response: Response<reqwest::Body> = sending.send().await?.into();
        Ok(response.map(boxed))
    }
}

/// A tower service as a transport; each request is sent by a clone.
pub struct ServiceTransport<S, B> {
    service: S,
    takes: PhantomData<fn(B)>,
}

impl<S, B> ServiceTransport<S, B> {
    /// Sends by this service.
    pub fn new(service: S) -> Self {
        Self { service, takes: PhantomData }
    }
}

#[async_trait]
impl<S, B, R> Transport for ServiceTransport<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: From<Bytes> + Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    async fn send(&self, request: Outgoing) -> Result<Response<Body>, BoxError> {
        let Outgoing { method, url, headers, body } = request;
        let mut sending = Request::builder().method(method).uri(url.as_str()).body(B::from(body))?;
        *sending.headers_mut() = headers;
        let response = self.service.clone().oneshot(sending).await.map_err(Into::into)?;
        Ok(response.map(boxed))
    }
}
