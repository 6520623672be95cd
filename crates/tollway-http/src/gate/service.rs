//! The road of a request through the gate (the life of a request, step by step).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tollway_core::rules::{Profile, Rule, Ruling};
use tollway_core::seller::{Admission, Identified, Purchase};
use tollway_protocol::{Dress, Reason, Refusal, header};
use tollway_signatures::{Policy, digest};
use tower::Service;

use super::context::PaidBy;
use super::counters::{Class, Outcome};
use super::demand::{Refused, Terms, VARY_ON, speaks_v1};
use super::layer::Shared;
use super::page;
use super::proof;
use super::ready::AtOnce;
use super::request::{Asked, drop_replacements, has_body, preflighted};
use crate::body::{Body, empty, full};
use crate::dress::{self, Presented, Promised};
use crate::endpoint::Endpoint;
use crate::origin::is_upgrade;
use crate::{upload, wellknown};

/// A service behind a gate.
#[derive(Clone)]
pub struct Gate {
    pub(super) shared: Arc<Shared>,
    pub(super) inner: Arc<dyn Endpoint>,
}

impl Gate {
    pub(super) fn new(shared: Arc<Shared>, inner: Arc<dyn Endpoint>) -> Self {
        Self { shared, inner }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service is asked when it is used.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.at_once(&request) {
            Some(AtOnce::Demand(demand)) => return Box::pin(std::future::ready(Ok(demand))),
            Some(AtOnce::Free(class, guarded)) => return Box::pin(self.clone().free(class, request, guarded).map(Ok)),
            None => {}
        }
        let gate = self.clone();
        Box::pin(async move { Ok(gate.answer(request).await) })
    }
}

impl Gate {
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let dress = dress::intended(request.headers());
        let (parts, body) = request.into_parts();
        match self.clone().route(parts, body, dress).await {
            Ok(response) => response,
            Err(refusal) => self.refused(Class::Open, None, refusal, dress),
        }
    }

    /// Refuses without an offer.
    fn refused(&self, class: Class, rule: Option<&str>, refusal: Refusal, dress: Dress) -> Response<Body> {
        self.shared.counters.count_for(class, rule, Outcome::Refused(refusal.reason));
        Refused { refusal, dress, terms: None }.into_response()
    }

    /// Which rule decides; what no rule speaks of passes untouched.
    async fn route(self, parts: Parts, body: Body, dress: Dress) -> Result<Response<Body>, Refusal> {
        let mut asked = Asked::read(&parts, &self.shared.sites)?;
        if wellknown::concerns(&asked.path)? {
            if let Some(token) = wellknown::bill_token(asked.path.plain()) {
                let token = token.to_owned();
                return self.bill(&token, &Arc::new(asked), parts).await;
            }
            return wellknown::answer(&self.shared, &Arc::new(asked), &parts).await;
        }
        let rules = self.shared.seller.rules();
        if let Some(method) = preflighted(&parts)
            && let Ruling::Charge(_) = rules.decide(&asked.path, method, asked.who)?
        {
            return Ok(preflight(&parts.headers));
        }
        let ruling = proof::decide(&self.shared, &mut asked, &parts).await?;
        let asked = Arc::new(asked);
        match ruling {
            Ruling::Pass | Ruling::Allow => Ok(self.pass(&asked, parts, body).await),
            Ruling::Block(rule) => {
                let refusal = Refusal::new(Reason::RuleBlocks, "this resource is not served to this requester");
                Ok(self.refused(Class::of(asked.who), Some(&rule.id), refusal, dress))
            }
            Ruling::Charge(rule) if is_upgrade(&parts.headers) && !rule.conditions.upgrade => {
                let detail = "this resource is not sold over another protocol";
                Ok(self.refused(Class::of(asked.who), Some(&rule.id), Refusal::new(Reason::RuleBlocks, detail), dress))
            }
            Ruling::Charge(rule) => Ok(self.charge(&rule, &asked, parts, body, dress).await),
            Ruling::Trial(rule) => Ok(self.on_trial(&rule, &asked, parts, body).await),
        }
    }

    /// A free request. Where a rule prices the same resource for others, no shared cache may keep it.
    async fn pass(self, asked: &Asked, parts: Parts, body: Body) -> Response<Body> {
        let guarded = self.shared.seller.rules().guards(asked.path.plain());
        self.free(Class::of(asked.who), Request::from_parts(parts, body), guarded).await
    }

    async fn free(self, class: Class, request: Request<Body>, guarded: bool) -> Response<Body> {
        self.shared.counters.count_for(class, None, Outcome::Passed);
        let mut response = self.forward(request, guarded).await;
        if guarded {
            keep_private(response.headers_mut());
        }
        response
    }

    /// A rule on trial changes nothing; what it would have done is counted and logged.
    async fn on_trial(self, rule: &Rule, asked: &Asked, parts: Parts, body: Body) -> Response<Body> {
        let would = if rule.charge_terms().is_some() { "charge" } else { "block" };
        tracing::info!(rule = rule.id, would, method = %parts.method, path = asked.path.plain(), "dry run");
        self.shared.counters.count_for(Class::of(asked.who), Some(&rule.id), Outcome::Trial);
        self.pass(asked, parts, body).await
    }

    async fn charge(
        self,
        rule: &Arc<Rule>,
        asked: &Arc<Asked>,
        parts: Parts,
        body: Body,
        dress: Dress,
    ) -> Response<Body> {
        let seller = self.shared.seller.clone();
        let now = seller.now();
        let (Some(charge), Some(offer)) = (rule.charge_terms(), seller.offer(&rule.id, now)) else {
            let refusal = Refusal::new(Reason::Internal, "a charging rule has no offer");
            return self.refused(Class::of(asked.who), Some(&rule.id), refusal, dress);
        };
        let shared = Arc::clone(&self.shared);
        let person = page::is_wanted(&parts.headers).then_some(&shared.look);
        let mut signed_fields = vec![dress::field(&parts.headers)];
        if has_body(&parts) {
            signed_fields.push(header::CONTENT_DIGEST);
        }
        let signed_fields = signed_fields.as_slice();
        let dress = if charge.dresses.contains(&Dress::Cloudflare) {
            dress::intended_among(&parts.headers, &charge.dresses)
        } else {
            dress
        };
        let v1 = speaks_v1(charge, dress, &parts.headers);
        let terms = Terms { seller: &seller, offer: &offer, charge, url: &asked.url, person, v1, signed_fields };
        match self.clone().purchase(rule, asked, parts, body).await {
            Ok(response) if charge.pass.is_some() => self.with_pass(rule, response).await,
            Ok(response) => response,
            Err(refusal) => {
                self.shared.counters.count_for(Class::of(asked.who), Some(&rule.id), Outcome::Refused(refusal.reason));
                Refused { refusal, dress, terms: Some(terms) }.into_response()
            }
        }
    }

    /// A request for something priced: read its commitment, prove its signature, ask the books.
    async fn purchase(
        self,
        rule: &Arc<Rule>,
        asked: &Arc<Asked>,
        parts: Parts,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        if parts.method == Method::HEAD {
            return Err(unpaid());
        }
        let (gate, parts, body) = match self.within_pass(rule, asked, parts, body).await? {
            Ok(response) => return Ok(response),
            Err(outside) => outside,
        };
        gate.pay(rule, asked, parts, body).await
    }

    async fn pay(
        self,
        rule: &Arc<Rule>,
        asked: &Arc<Asked>,
        parts: Parts,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let presented = match dress::read(&parts.headers)?.ok_or_else(unpaid)? {
            Presented::Promise(promised) => promised,
            Presented::Exact(payment) => return self.buy_exact(rule, asked, parts, body, *payment).await,
        };
        refuse_dress_not_offered(rule, &presented)?;
        // A body need not be announced in the head: not over HTTP/2, nor by a service in this process.
        let carries = has_body(&parts) || !http_body::Body::is_end_stream(&body);
        let policy = self.policy(rule, &presented, carries);
        let now = self.shared.seller.now();
        let view = asked.view(&parts.method, &parts.headers);
        let identified = self.shared.seller.identify(&view, &policy, now).await?;
        proof::refuse_two_agents(asked, &identified)?;
        let body = upload::gather(body, self.shared.options.request_body_max).await?;
        let content_digest = checked_digest(&parts.headers, &body)?;
        let request = Request::from_parts(parts, body);
        let offer = Sold { rule, asked, content_digest };
        self.admit(offer, presented, identified, request).await
    }

    /// What the rule's profile demands of a signature.
    fn policy(&self, rule: &Rule, presented: &Promised, carries: bool) -> Policy {
        let agents = self.shared.seller.agents();
        match rule.charge_terms().map(|charge| charge.profile) {
            Some(Profile::Published) => Policy::published(presented.field, agents),
            Some(Profile::Strict) | None => Policy::strict_payment(presented.field, carries, agents),
        }
    }

    async fn admit(
        self,
        sold: Sold<'_>,
        presented: Promised,
        identified: Identified,
        request: Request<bytes::Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let seller = self.shared.seller.clone();
        let purchase = Purchase {
            rule: Arc::clone(sold.rule),
            promise: presented.promise,
            identified,
            method: request.method().as_str().to_owned(),
            url: sold.asked.url.clone(),
            content_digest: sold.content_digest,
        };
        let mut admission = seller.admit(&purchase, seller.now()).await?;
        if let Admission::Wait(landing) = admission {
            // Whoever waited too long is told to ask again; the first copy goes on.
            tokio::time::timeout(self.shared.options.replay_wait, landing.wait())
                .await
                .map_err(|_| Refusal::new(Reason::ReplayPending, "the same request is still being served"))?;
            admission = seller.admit(&purchase, seller.now()).await?;
        }
        match admission {
            Admission::Fresh(verified) => self.sell(*verified, sold.asked, request).await,
            Admission::Known(known) => self.replay(*known, sold.asked, request).await,
            Admission::Wait(_) => Err(Refusal::new(Reason::ReplayPending, "the same request is being served again")),
        }
    }

    /// Asks the service behind the gate for something that is guarded.
    pub(super) async fn upstream(&self, request: Request<Body>) -> Response<Body> {
        self.forward(request, true).await
    }

    /// Asks the service behind the gate, which never sees fields that only a seller may set, nor any
    /// that would make another request of this one.
    async fn forward(&self, mut request: Request<Body>, guarded: bool) -> Response<Body> {
        drop_replacements(request.headers_mut(), guarded);
        for field in header::SELLER_ONLY {
            request.headers_mut().remove(*field);
        }
        self.ask(request).await
    }

    /// Asks it for a paid request, and tells it who pays.
    pub(super) async fn paid_upstream(&self, mut request: Request<Body>, paid: PaidBy, url: &str) -> Response<Body> {
        // What was bought is what is asked for: the signature covers none of these.
        drop_replacements(request.headers_mut(), true);
        for field in header::SELLER_ONLY {
            request.headers_mut().remove(*field);
        }
        if self.shared.options.payment_context {
            paid.write_token(request.headers_mut(), &self.shared.seller, url);
        }
        request.extensions_mut().insert(paid);
        self.ask(request).await
    }

    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        let mut response = self.inner.answer(request).await;
        for field in header::SELLER_ONLY {
            response.headers_mut().remove(*field);
        }
        response
    }
}

/// A request for a priced resource, between its parts.
struct Sold<'a> {
    rule: &'a Arc<Rule>,
    asked: &'a Arc<Asked>,
    content_digest: Option<String>,
}

pub(super) fn unpaid() -> Refusal {
    Refusal::new(Reason::PaymentRequired, "this resource has a price")
}

fn refuse_dress_not_offered(rule: &Rule, presented: &Promised) -> Result<(), Refusal> {
    let offered = rule.charge_terms().is_some_and(|charge| charge.dresses.contains(&presented.promise.dress));
    if offered {
        return Ok(());
    }
    Err(Refusal::new(Reason::UnsupportedScheme, "this resource is not sold in this dress"))
}

/// Recomputes the digest of a body; a request without one has none.
pub(super) fn checked_digest(headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Refusal> {
    let line = headers.get(header::CONTENT_DIGEST);
    if body.is_empty() && line.is_none() {
        return Ok(None);
    }
    let text = line.and_then(|line| line.to_str().ok());
    let text =
        text.ok_or_else(|| Refusal::new(Reason::DigestMissing, "a paid request with a body has a Content-Digest"))?;
    digest::verify(text.as_bytes(), body)?;
    Ok(Some(text.to_owned()))
}

/// What was charged for, or could be, is nobody else's to keep.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    let private = match headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()) {
        None => "private".to_owned(),
        Some(own) => {
            let kept = own.split(',').map(str::trim).filter(|part| {
                let lower = part.to_ascii_lowercase();
                !matches!(lower.as_str(), "public" | "private") && !lower.starts_with("s-maxage") && !lower.is_empty()
            });
            std::iter::once("private").chain(kept).collect::<Vec<_>>().join(", ")
        }
    };
    if let Ok(value) = HeaderValue::from_str(&private) {
        headers.insert(CACHE_CONTROL, value);
    }
    // Fields that speak to one kind of cache only would overrule it (RFC 9213).
    let targeted = |name: &&HeaderName| {
        let name = name.as_str();
        name.ends_with("cdn-cache-control") || matches!(name, "surrogate-control" | "edge-control" | "x-accel-expires")
    };
    for name in headers.keys().filter(targeted).cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
    headers.append(VARY, HeaderValue::from_static(VARY_ON));
}

/// The gate answers a preflight by itself: no priced upstream runs for it, and no credentials ride.
fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    for (question, answer) in [
        (http::header::ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        (http::header::ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
    ] {
        if let Some(value) = asked.get(question) {
            headers.insert(answer, value.clone());
        }
    }
    response
}

/// A gathered request as the inner service takes it.
pub(super) fn with_body(request: Request<bytes::Bytes>) -> Request<Body> {
    request.map(|bytes| if bytes.is_empty() { empty() } else { full(bytes) })
}
