//! Requests within a pass: each is taken from it before the upstream is asked, durably, and given back
//! when it was not served. Nothing is charged for them.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Request, Response};
use tollway_core::rules::Rule;
use tollway_core::seller::{ExactReceipt, PassBought, Receipt};
use tollway_ledger::{PassTaken, PassUse};
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::{NonceRule, Policy};

use super::context::PaidBy;
use super::counters::Outcome;
use super::proof;
use super::request::{Asked, has_body};
use super::sell::{finished, insert, is_sold};
use super::service::{Gate, keep_private, with_body};
use crate::body::Body;
use crate::{dress, upload};

/// A payment whose answer is on its way, and how its payer uses what it has opened.
#[derive(Clone)]
pub(super) struct Bought {
    bought: PassBought,
    /// Nobody signs a wallet's requests: it gets a token to show.
    by_token: bool,
}

impl Bought {
    pub(super) fn of(receipt: &Receipt) -> Self {
        let (payer, offer) = (receipt.payer.clone(), receipt.offer.clone());
        Self { bought: PassBought { id: receipt.id.into(), payer, offer }, by_token: false }
    }

    pub(super) fn at_once(receipt: &ExactReceipt) -> Self {
        let (payer, offer) = (receipt.payer.clone(), receipt.offer.clone());
        Self { bought: PassBought { id: receipt.id.into(), payer, offer }, by_token: true }
    }
}

impl Gate {
    /// Opens what a paid answer's payment has bought, and tells its payer.
    pub(super) async fn with_pass(&self, rule: &Rule, mut response: Response<Body>) -> Response<Body> {
        let Some(Bought { bought, by_token }) = response.extensions_mut().remove::<Bought>() else { return response };
        let seller = &self.shared.seller;
        match seller.open_pass(&bought, rule, seller.now()).await {
            Ok(None) => {}
            Ok(Some(record)) => {
                insert(response.headers_mut(), header::TOLLWAY_PASS_LEFT, &record.left().to_string());
                if by_token {
                    insert(response.headers_mut(), header::TOLLWAY_PASS, &seller.pass_token(&record));
                }
            }
            // What was paid for is served; the same payment shown again opens its pass.
            Err(refusal) => tracing::error!(reason = refusal.reason.code(), pass = %bought.id, "a pass was not opened"),
        }
        response
    }

    /// Serves a request within a pass. The request comes back where it is within none.
    pub(super) async fn within_pass(
        self,
        rule: &Arc<Rule>,
        asked: &Arc<Asked>,
        parts: Parts,
        body: Body,
    ) -> Result<Result<Response<Body>, (Self, Parts, Body)>, Refusal> {
        // What can no longer be bought may still be used: a pass outlives its terms.
        let shows = parts.headers.contains_key(header::TOLLWAY_PASS);
        let signs = parts.headers.contains_key(header::SIGNATURE) && dress::read(&parts.headers)?.is_none();
        let may_be = shows || (signs && self.shared.seller.has_passes(rule).await?);
        if !may_be {
            return Ok(Err((self, parts, body)));
        }
        let body = upload::gather(body, self.shared.options.request_body_max).await?;
        let Some(taken) = self.take(rule, asked, &parts, &body).await? else {
            return Ok(Err((self, parts, crate::body::full(body))));
        };
        let (rule, asked) = (Arc::clone(rule), Arc::clone(asked));
        let request = Request::from_parts(parts, body);
        // A client that hangs up leaves no request taken and neither served nor given back.
        let serving = async move { Ok(self.serve_within(&rule, &asked, taken, request).await) };
        finished(tokio::spawn(serving).await).map(Ok)
    }

    async fn take(&self, rule: &Rule, asked: &Asked, parts: &Parts, body: &[u8]) -> Result<Option<PassTaken>, Refusal> {
        let seller = &self.shared.seller;
        let now = seller.now();
        let used = PassUse { method: parts.method.as_str().to_owned(), url: asked.url.clone(), nonce: None };
        if let Some(token) = token_of(parts)? {
            return seller.take_by_token(rule, token, used, now).await.map(Some);
        }
        let mut policy = Policy { nonce: NonceRule::Required, ..Policy::request(seller.agents()) };
        if has_body(parts) || !body.is_empty() {
            policy.whole_fields.push(header::CONTENT_DIGEST.to_owned());
        }
        let view = asked.view(&parts.method, &parts.headers);
        let signed = seller.identify(&view, &policy, now).await?;
        signed.signature.in_window(now, policy.skew)?;
        proof::refuse_two_agents(asked, &signed)?;
        super::service::checked_digest(&parts.headers, body)?;
        seller.take_by_agent(rule, &signed, used, now).await
    }

    async fn serve_within(
        &self,
        rule: &Rule,
        asked: &Asked,
        taken: PassTaken,
        request: Request<bytes::Bytes>,
    ) -> Response<Body> {
        let paid = PaidBy::within(&taken, self.shared.seller.network());
        let mut request = with_body(request);
        request.headers_mut().remove(header::TOLLWAY_PASS);
        let asking = self.paid_upstream(request, paid, &asked.url);
        let left = taken.record.left();
        let refused = match tokio::time::timeout(self.shared.options.upstream_wait, asking).await {
            Ok(mut response) if is_sold(response.status()) => {
                self.shared.counters.count(Some(&rule.id), Outcome::Within);
                keep_private(response.headers_mut());
                insert(response.headers_mut(), header::TOLLWAY_PASS_LEFT, &left.to_string());
                return response;
            }
            Ok(mut response) => {
                keep_private(response.headers_mut());
                Ok(response)
            }
            Err(_) => Err(Refusal::new(Reason::UpstreamTimeout, "the upstream did not answer in time")),
        };
        self.shared.counters.count(Some(&rule.id), Outcome::Released);
        if let Err(refusal) = self.shared.seller.return_pass(taken).await {
            tracing::error!(reason = refusal.reason.code(), "a request was not given back to its pass");
        }
        refused.unwrap_or_else(|refusal| {
            super::Refused { refusal, dress: tollway_protocol::Dress::X402, terms: None }.into_response()
        })
    }
}

/// The one token that a request shows.
fn token_of(parts: &Parts) -> Result<Option<&str>, Refusal> {
    let mut shown = parts.headers.get_all(header::TOLLWAY_PASS).iter();
    let Some(token) = shown.next() else { return Ok(None) };
    if shown.next().is_some() {
        return Err(Refusal::new(Reason::FieldRepeated, "the request shows more than one pass"));
    }
    let text = HeaderValue::to_str(token);
    text.map(Some).map_err(|_| Refusal::new(Reason::PassUnknown, "this is no pass of this seller"))
}
