//! The payer as a tower layer around any service that sends HTTP requests.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use tollway_http::body::BoxError;
use tollway_http::payer::{Order, Payer, ServiceTransport};
use tower::{Layer, Service};
use url::Url;

use super::answer::PaidAnswer;
use super::client::with_field;
use super::directory::KeyDirectoryService;
use super::error::SendError;
use super::purse::Purse;

/// Longest body of a request, in bytes: it is signed, and may have to be sent again.
const REQUEST_BODY_MAX: usize = 1 << 20;

/// Pays for the requests of the services it is put around. They share one budget and one journal. `B` is the body of
/// the requests that they take.
pub struct PayingLayer<B> {
    purse: Arc<Purse>,
    takes: PhantomData<fn(B)>,
}

impl<B> PayingLayer<B> {
    pub(super) fn new(purse: Arc<Purse>) -> Self {
        Self { purse, takes: PhantomData }
    }

    /// The service that publishes the key under its agent's URL.
    pub fn directory(&self) -> KeyDirectoryService {
        KeyDirectoryService::of(&self.purse)
    }
}

impl<B> Clone for PayingLayer<B> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.purse))
    }
}

impl<S, B, R> Layer<S> for PayingLayer<B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: From<Bytes> + Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Service = Paying<B>;

    fn layer(&self, inner: S) -> Paying<B> {
        let payer = self.purse.payer(Arc::new(ServiceTransport::<S, B>::new(inner)));
        Paying { payer: Arc::new(payer), purse: Arc::clone(&self.purse), takes: PhantomData }
    }
}

/// A service whose requests are paid for where they cost money. Its requests have an absolute URL; its answers carry
/// [`Charged`](super::Charged) and [`ReceiptFacts`](super::ReceiptFacts) among their extensions where they cost
/// something.
pub struct Paying<B> {
    payer: Arc<Payer>,
    /// The journal stays this buyer's as long as something pays from it.
    purse: Arc<Purse>,
    takes: PhantomData<fn(B)>,
}

impl<B> Paying<B> {
    /// The payer beneath: budget, open promises, orders.
    pub fn payer(&self) -> &Payer {
        &self.payer
    }
}

impl<B> Clone for Paying<B> {
    fn clone(&self) -> Self {
        Self { payer: Arc::clone(&self.payer), purse: Arc::clone(&self.purse), takes: PhantomData }
    }
}

impl<B> Service<Request<B>> for Paying<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        // The inner service is asked when it is used.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let paying = self.clone();
        Box::pin(async move {
            let answer = paying.payer.buy_order(&order(request).await?).await?;
            Ok(PaidAnswer(answer).into_http().map(Full::new))
        })
    }
}

/// The whole of a request, as the payer takes it. Fields of framing are the inner service's to write.
async fn order<B>(request: Request<B>) -> Result<Order, SendError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let url = Url::parse(&parts.uri.to_string())
        .map_err(|error| SendError::Request(format!("`{}` is no absolute URL: {error}", parts.uri)))?;
    let mut order = Order::new(parts.method, url);
    let framing = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, TE];
    for (name, value) in parts.headers.iter().filter(|(name, _)| !framing.contains(name)) {
        order = with_field(order, name.clone(), value.clone())?;
    }
    let body = Limited::new(body, REQUEST_BODY_MAX).collect().await;
    let body = body.map_err(|error| SendError::Request(format!("its body (of at most 1 MiB): {error}")))?;
    Ok(order.with_body(body.to_bytes()))
}
