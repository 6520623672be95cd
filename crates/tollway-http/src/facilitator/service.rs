//! The service: `POST /verify`, `POST /settle`, `GET /supported`, and what operators look at.
//!
//! A payment that is refused is an answer and has status 200, as other facilitators answer. What
//! could not be asked or is not allowed has a status of its own and a body that both says so and
//! reads as a refusal, so that no client takes it for a yes.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL,
    CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY,
};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use tollway_core::clock::Clock;
use tollway_core::facilitator::{Facilitator, FacilitatorError};
use tollway_protocol::{
    Dress, FacilitatorRequest, Reason, Refusal, SettleResponse, VerifyResponse, encode_json, limits, v1,
};
use tower::Service;

use super::counters::FacilitatorCounters;
use super::door::{Door, Guest};
use super::openapi;
use crate::body::{Body, empty, full};
use crate::{status, upload};

/// Longest id of a payment that is looked up, in characters.
const ID_MAX: usize = 128;

/// What a facilitator's service is made of.
pub struct FacilitatorParts {
    /// Who verifies and settles.
    pub facilitator: Arc<dyn Facilitator>,
    /// Who may ask.
    pub door: Door,
    /// Origins whose scripts may ask; `*` is every origin.
    pub cors: Vec<String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The facilitator's HTTP service. Cheap to clone; all clones are one service.
#[derive(Clone)]
pub struct FacilitatorService {
    shared: Arc<Shared>,
}

struct Shared {
    parts: FacilitatorParts,
    counters: FacilitatorCounters,
}

impl FacilitatorService {
    /// A service made of these parts.
    #[must_use]
    pub fn new(parts: FacilitatorParts) -> Self {
        Self { shared: Arc::new(Shared { parts, counters: FacilitatorCounters::default() }) }
    }
}

impl Service<Request<Body>> for FacilitatorService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let mut response = shared.route(&parts, body).await;
            shared.allow_origin(&parts, &mut response);
            Ok(response)
        })
    }
}

impl Shared {
    async fn route(self: &Arc<Self>, parts: &Parts, body: Body) -> Response<Body> {
        let path = parts.uri.path();
        if parts.method == Method::OPTIONS {
            return preflight();
        }
        match (path, &parts.method) {
            ("/verify", &Method::POST) => self.verify(parts, body).await,
            ("/settle", &Method::POST) => self.settle(parts, body).await,
            ("/supported", &Method::GET) => self.supported().await,
            ("/health", &Method::GET) => text(StatusCode::OK, "ok\n".to_owned()),
            ("/ready", &Method::GET) => match self.parts.facilitator.ready().await {
                Ok(()) => text(StatusCode::OK, "ready\n".to_owned()),
                Err(error) => {
                    tracing::warn!(%error, "not ready");
                    text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned())
                }
            },
            ("/metrics", &Method::GET) => match self.parts.door.admit(&parts.headers, self.parts.clock.now()) {
                Ok(_) => text(StatusCode::OK, self.counters.to_prometheus()),
                Err(refusal) => problem(&refusal),
            },
            ("/openapi.json", &Method::GET) => json_answer(StatusCode::OK, &openapi::document()),
            ("/verify" | "/settle", _) => not_allowed("POST, OPTIONS"),
            ("/supported" | "/health" | "/ready" | "/metrics" | "/openapi.json", _) => not_allowed("GET, OPTIONS"),
            (other, &Method::GET) if other.starts_with("/payments/") => {
                self.status(parts, &other["/payments/".len()..]).await
            }
            _ => problem(&Refusal::new(Reason::NotFound, "see /openapi.json")),
        }
    }

    async fn verify(&self, parts: &Parts, body: Body) -> Response<Body> {
        let outcome = async {
            let guest = self.parts.door.admit(&parts.headers, self.parts.clock.now())?;
            let asked = self.request(body).await?;
            let answer = self.parts.facilitator.verify(&asked.request).await;
            tracing::debug!(caller = guest.name(), "verify");
            let answer = answer.map_err(|error| unanswered(&error, Reason::UnexpectedVerifyError))?;
            Ok::<_, Refusal>((asked.version, answer))
        };
        match outcome.await {
            Ok((version, answer)) => {
                let word = match &answer {
                    VerifyResponse::Valid { .. } => "ok",
                    VerifyResponse::Invalid { reason, .. } => reason.as_deref().unwrap_or("unnamed"),
                };
                self.counters.count("verify", word);
                match version {
                    Version::One => json_answer(StatusCode::OK, &v1::verify_response(&answer)),
                    Version::Two => json_answer(StatusCode::OK, &answer),
                }
            }
            Err(refusal) => {
                self.counters.count("verify", refusal.reason.code());
                refused(&refusal, "isValid", "invalidReason", "invalidMessage")
            }
        }
    }

    /// Settles in a task of its own: a caller who hangs up cannot leave a payment half recorded.
    async fn settle(self: &Arc<Self>, parts: &Parts, body: Body) -> Response<Body> {
        let (shared, headers) = (Arc::clone(self), parts.headers.clone());
        let settling = tokio::spawn(async move {
            let now = shared.parts.clock.now();
            let guest = shared.parts.door.admit(&headers, now)?;
            let asked = shared.request(body).await?;
            Ok::<_, Refusal>((asked.version, shared.settle_for(&guest, &asked.request, now).await?))
        });
        let outcome = settling.await.unwrap_or_else(|_| {
            Err(Refusal::new(Reason::UnexpectedSettleError, "a task of the facilitator broke off"))
        });
        match outcome {
            Ok((version, answer)) => {
                let word = match &answer {
                    SettleResponse::Settled(_) => "ok",
                    SettleResponse::Failed(failure) => failure.reason.as_deref().unwrap_or("unnamed"),
                };
                self.counters.count("settle", word);
                match version {
                    Version::One => json_answer(StatusCode::OK, &v1::settle_response(&answer)),
                    Version::Two => json_answer(StatusCode::OK, &answer),
                }
            }
            Err(refusal) => {
                self.counters.count("settle", refusal.reason.code());
                refused(&refusal, "success", "errorReason", "errorMessage")
            }
        }
    }

    async fn settle_for(
        &self,
        guest: &Guest<'_>,
        request: &FacilitatorRequest,
        now: u64,
    ) -> Result<SettleResponse, Refusal> {
        let facilitator = &self.parts.facilitator;
        let unanswered = |error: FacilitatorError| unanswered(&error, Reason::UnexpectedSettleError);
        let ceiling = facilitator.gas_ceiling(&request.payment_requirements.network).await.map_err(unanswered)?;
        let held = guest.hold_gas(ceiling, now)?;
        let answer = facilitator.settle(request).await.map_err(|error| {
            tracing::warn!(caller = guest.name(), %error, "a payment was not settled");
            unanswered(error)
        })?;
        tracing::debug!(caller = guest.name(), "settle");
        if let Some(spent) = self.gas_of(&answer).await {
            held.spent(spent);
        }
        Ok(answer)
    }

    /// What an answer has cost; `None` while that is not known.
    async fn gas_of(&self, answer: &SettleResponse) -> Option<u128> {
        let transaction = match answer {
            SettleResponse::Settled(settlement) => &settlement.transaction,
            SettleResponse::Failed(failure) => match &failure.transaction {
                Some(transaction) => transaction,
                // Nothing was sent, so nothing was spent.
                None => return Some(0),
            },
        };
        self.parts.facilitator.status(transaction).await.ok()??.gas
    }

    async fn supported(&self) -> Response<Body> {
        match self.parts.facilitator.supported().await {
            Ok(supported) => {
                self.counters.count("supported", "ok");
                json_answer(StatusCode::OK, &supported)
            }
            Err(error) => problem(&unanswered(&error, Reason::UnexpectedVerifyError)),
        }
    }

    async fn status(&self, parts: &Parts, id: &str) -> Response<Body> {
        let outcome = async {
            self.parts.door.admit(&parts.headers, self.parts.clock.now())?;
            let not_found = || Refusal::new(Reason::NotFound, "no payment under this id or transaction");
            if id.is_empty() || id.len() > ID_MAX {
                return Err(not_found());
            }
            let status = self.parts.facilitator.status(id).await;
            let status = status.map_err(|error| unanswered(&error, Reason::UnexpectedSettleError))?;
            status.ok_or_else(not_found)
        };
        match outcome.await {
            Ok(status) => json_answer(StatusCode::OK, &status),
            Err(refusal) => problem(&refusal),
        }
    }

    async fn request(&self, body: Body) -> Result<Asked, Refusal> {
        let body: Bytes = upload::gather(body, limits::FACILITATOR_REQUEST).await?;
        let (version, request) = if v1::is_v1(&body, limits::FACILITATOR_REQUEST) {
            (Version::One, v1::FacilitatorRequest::decode(&body)?.to_v2()?)
        } else {
            (Version::Two, FacilitatorRequest::decode(&body)?)
        };
        self.parts.door.admits_payee(&request)?;
        Ok(Asked { version, request })
    }

    fn allow_origin(&self, parts: &Parts, response: &mut Response<Body>) {
        let Some(origin) = parts.headers.get(ORIGIN) else { return };
        let allowed = &self.parts.cors;
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("origin"));
        if allowed.iter().any(|own| own == "*") {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else if allowed.iter().any(|own| own.as_bytes() == origin.as_bytes()) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

/// A payment to look at, in the words of version 2, and the version it was sent in.
struct Asked {
    version: Version,
    request: FacilitatorRequest,
}

/// The version in which the answer is written.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// No answer, as the caller sees it. Details of ours stay in the log.
fn unanswered(error: &FacilitatorError, reason: Reason) -> Refusal {
    tracing::warn!(%error, "no answer");
    let detail = match error {
        FacilitatorError::Unreachable { .. } => "the network of the payment cannot be reached now",
        FacilitatorError::NoAnswer { .. } => "the network of the payment did not answer in time",
        FacilitatorError::Malformed { .. } => "the network of the payment answered with something else",
        FacilitatorError::Declined { .. } => "nothing is settled on this network now",
    };
    Refusal::new(reason, detail)
}

/// A refusal that also reads as the "no" of this endpoint.
fn refused(refusal: &Refusal, flag: &str, reason: &str, message: &str) -> Response<Body> {
    let mut body = json!({flag: false, reason: refusal.reason.code(), message: refusal.detail});
    if flag == "success" {
        body["transaction"] = json!("");
        body["network"] = json!("");
    }
    with_retry(json_answer(status_of(refusal.reason), &body), refusal.reason)
}

fn problem(refusal: &Refusal) -> Response<Body> {
    let body = json!({"error": refusal.reason.code(), "detail": refusal.detail});
    with_retry(json_answer(status_of(refusal.reason), &body), refusal.reason)
}

/// The one map of the gate, but for what here is about the caller and not about a payment.
fn status_of(reason: Reason) -> StatusCode {
    match status::status(reason, Dress::X402) {
        // The payment itself is refused, and that is an answer.
        _ if matches!(reason, Reason::UnsupportedScheme | Reason::UnsupportedNetwork) => StatusCode::OK,
        StatusCode::PAYMENT_REQUIRED => StatusCode::FORBIDDEN,
        code => code,
    }
}

fn with_retry(mut response: Response<Body>, reason: Reason) -> Response<Body> {
    if let Some(seconds) = status::retry_after(reason) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    response
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = problem(&Refusal::new(Reason::MethodNotAllowed, "this endpoint has another method"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn json_answer(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    typed(status, "application/json", encode_json(value))
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    typed(status, "text/plain; version=0.0.4; charset=utf-8", body)
}

fn typed(status: StatusCode, media_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
