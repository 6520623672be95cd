//! The paying client: requests built like those of any HTTP client, answers with what they cost.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use tollway_core::buyer::BudgetView;
use tollway_http::payer::{Order, PayFailure, Payer, Transport};
use tollway_protocol::Price;
use url::Url;

use super::answer::PaidAnswer;
use super::directory::KeyDirectoryService;
use super::error::SendError;
use super::purse::Purse;

/// A client that pays for what costs money, within its budget. Clones share budget, journal and offers.
#[derive(Clone)]
pub struct PayingClient {
    payer: Arc<Payer>,
    purse: Arc<Purse>,
}

impl PayingClient {
    pub(super) fn new(purse: Arc<Purse>, transport: Arc<dyn Transport>) -> Self {
        Self { payer: Arc::new(purse.payer(transport)), purse }
    }

    /// A GET.
    pub fn get(&self, url: &str) -> PaidRequest {
        self.request(Method::GET, url)
    }

    /// A POST.
    pub fn post(&self, url: &str) -> PaidRequest {
        self.request(Method::POST, url)
    }

    /// A request of any method.
    pub fn request(&self, method: Method, url: &str) -> PaidRequest {
        let order = Url::parse(url).map(|url| Order::new(method, url));
        let order = order.map_err(|error| SendError::Request(format!("`{url}`: {error}")));
        PaidRequest { client: self.clone(), order }
    }

    /// What a GET costs, without buying it; `None` where it is free.
    ///
    /// # Errors
    /// When the seller cannot be asked or is not believed.
    pub async fn quote(&self, url: &str) -> Result<Option<Price>, SendError> {
        let order = self.get(url).order?;
        let offer = self.payer.quote_order(&order).await.map_err(PayFailure::from)?;
        Ok(offer.map(|offer| {
            let document = offer.document();
            Price { amount: document.amount, asset: document.asset.clone(), scale: document.scale }
        }))
    }

    /// Sends a request of `reqwest`, whose body is all there; the answer is one of `reqwest`, with
    /// [`Charged`](super::Charged) and [`ReceiptFacts`](super::ReceiptFacts) among its extensions where it cost
    /// something.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, SendError> {
        let mut order = Order::new(request.method().clone(), request.url().clone());
        for (name, value) in request.headers() {
            order = with_field(order, name.clone(), value.clone())?;
        }
        if let Some(body) = request.body() {
            let bytes = body.as_bytes().ok_or_else(|| SendError::Request("its body is a stream".into()))?;
            order = order.with_body(Bytes::copy_from_slice(bytes));
        }
        let answer = PaidAnswer(self.payer.buy_order(&order).await?);
        Ok(answer.into_http().map(reqwest::Body::from).into())
    }

    /// The budget now.
    pub fn budget(&self) -> BudgetView {
        self.payer.buyer().budget.view()
    }

    /// Asks sellers what became of promises whose answers were lost, in this run or an earlier one; how many are still
    /// open.
    pub async fn resolve_open(&self) -> usize {
        self.payer.resolve_open().await
    }

    /// The service that publishes this client's key under its agent's URL.
    pub fn directory(&self) -> KeyDirectoryService {
        KeyDirectoryService::of(&self.purse)
    }

    /// The payer beneath: statements, open promises, orders.
    pub fn payer(&self) -> &Payer {
        &self.payer
    }
}

/// A request about to be sent. Mistakes are told by [`PaidRequest::send`].
#[must_use = "nothing is sent before `send`"]
pub struct PaidRequest {
    client: PayingClient,
    order: Result<Order, SendError>,
}

impl PaidRequest {
    /// Adds a field. Fields of payment, signature and framing are the client's own.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: std::fmt::Display>,
        V: TryInto<HeaderValue, Error: std::fmt::Display>,
    {
        self.and(|order| {
            let name = name.try_into().map_err(|error| SendError::Request(error.to_string()))?;
            let value = value.try_into().map_err(|error| SendError::Request(error.to_string()))?;
            with_field(order, name, value)
        })
    }

    /// Sets the body; its digest is signed.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.and(|order| Ok(order.with_body(body.into())))
    }

    /// Sets the body to a value as JSON.
    pub fn json(self, value: &impl serde::Serialize) -> Self {
        self.and(|order| {
            let body = serde_json::to_vec(value).map_err(|error| SendError::Request(error.to_string()))?;
            let json = HeaderValue::from_static("application/json");
            Ok(with_field(order, CONTENT_TYPE, json)?.with_body(body.into()))
        })
    }

    /// Sends it, and pays where it costs money and the budget allows. What was paid for is asked for again with the same
    /// bytes when its answer is lost, and never bought twice.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(self) -> Result<PaidAnswer, SendError> {
        Ok(PaidAnswer(self.client.payer.buy_order(&self.order?).await?))
    }

    fn and(self, next: impl FnOnce(Order) -> Result<Order, SendError>) -> Self {
        Self { order: self.order.and_then(next), ..self }
    }
}

/// Adds a field that may be the buyer's.
pub(super) fn with_field(order: Order, name: HeaderName, value: HeaderValue) -> Result<Order, SendError> {
    order.with_field(name, value).map_err(|refusal| SendError::Request(refusal.to_string()))
}
