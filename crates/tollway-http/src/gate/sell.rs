//! Serves a verified purchase and settles it: durable before the first paid byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response, StatusCode, header as names};
use http_body::Body as _;
use tollway_core::seller::{Receipt, Verified};
use tollway_ledger::{Delivery, Hash};
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::digest;

use super::answers::Answer;
use super::context::PaidBy;
use super::counters::Outcome;
use super::delivered::Delivered;
use super::pass::Bought;
use super::receipt::{Answered, write_receipt};
use super::request::{Asked, is_safe};
use super::service::{Gate, keep_private, with_body};
use crate::body::{Body, boxed, full};
use crate::upload::{self, Gathered};

impl Gate {
    /// Serves a purchase. A method with effects runs in a task of its own: a buyer who hangs up
    /// cannot leave the handler half done and the claim open.
    pub(super) async fn sell(
        self,
        verified: Verified,
        asked: &Arc<Asked>,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        if is_safe(request.method()) {
            return self.serve(verified, Arc::clone(asked), request).await;
        }
        let asked = Arc::clone(asked);
        let claimed = async move { self.serve(verified.claim().await?, asked, request).await };
        finished(tokio::spawn(claimed).await)
    }

    async fn serve(
        self,
        verified: Verified,
        asked: Arc<Asked>,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let wait = self.shared.options.upstream_wait;
        let head = Head { method: request.method().clone(), headers: request.headers().clone() };
        let paid = PaidBy::of(&verified, self.shared.seller.network());
        let asking = self.paid_upstream(with_body(request), paid, &asked.url);
        let Ok(response) = tokio::time::timeout(wait, asking).await else {
            return refused_after_release(verified, Reason::UpstreamTimeout, "the upstream did not answer in time")
                .await;
        };
        if !is_sold(response.status()) {
            // Errors, redirects and 304 are passed on and cost nothing.
            self.shared.counters.count(Some(&verified.rule().id), Outcome::Released);
            verified.release().await?;
            let mut response = response;
            keep_private(response.headers_mut());
            return Ok(response);
        }
        let served = Served { verified, asked, head };
        if is_short(&response, self.shared.options.gathered_max) {
            self.settle_gathered(served, response, wait).await
        } else {
            self.settle_streamed(served, response).await
        }
    }

    /// The whole answer is here before it is charged: a cut one costs nothing.
    async fn settle_gathered(
        &self,
        served: Served,
        response: Response<Body>,
        wait: Duration,
    ) -> Result<Response<Body>, Refusal> {
        let (parts, body) = response.into_parts();
        let gathering = upload::read(body, self.shared.options.gathered_max);
        let body = match tokio::time::timeout(wait, gathering).await {
            Ok(Gathered::Whole(body)) => body,
            Ok(Gathered::Cut | Gathered::TooLong) => {
                let detail = "the upstream's answer broke off or was longer than it said";
                return refused_after_release(served.verified, Reason::UpstreamMalformed, detail).await;
            }
            Err(_) => {
                let detail = "the upstream did not finish its answer in time";
                return refused_after_release(served.verified, Reason::UpstreamTimeout, detail).await;
            }
        };
        let hash = Hash::of(&body);
        let content_digest = digest::of_sha256(hash.as_bytes());
        let delivery = Delivery {
            status: parts.status.as_u16(),
            validator: Some(validator(&parts.headers).unwrap_or_else(|| content_digest.clone())),
            digest: Some(hash),
            bytes: u64::try_from(body.len()).ok(),
        };
        let keep = parts.status.is_success()
            && served.verified.rule().charge_terms().is_some_and(|charge| !charge.live && charge.re_serves > 0);
        let receipt = self.settle(served.verified, delivery).await?;
        if keep && served.head.method == http::Method::GET {
            let answer = Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() };
            self.shared.answers.keep(receipt.id, answer, self.shared.seller.now());
        }
        let mut response = Response::from_parts(parts, full(body));
        insert(response.headers_mut(), header::CONTENT_DIGEST, &content_digest);
        Ok(self.finish(response, &receipt, &served.asked, &served.head))
    }

    /// A long answer is charged at its head and watched while it streams.
    async fn settle_streamed(&self, served: Served, response: Response<Body>) -> Result<Response<Body>, Refusal> {
        let delivery = Delivery {
            status: response.status().as_u16(),
            validator: validator(response.headers()),
            digest: None,
            bytes: response.body().size_hint().exact(),
        };
        let receipt = self.settle(served.verified, delivery).await?;
        let seller = self.shared.seller.clone();
        let id = receipt.id;
        let response = without_digest(response.map(|body| boxed(Delivered::new(body, seller, id))));
        Ok(self.finish(response, &receipt, &served.asked, &served.head))
    }

    /// Posts in a task of its own, which a dropped connection cannot cancel.
    async fn settle(&self, verified: Verified, delivery: Delivery) -> Result<Receipt, Refusal> {
        let shared = Arc::clone(&self.shared);
        let settling = async move {
            let rule = verified.rule().id.clone();
            let receipt = verified.settle(delivery).await?;
            shared.counters.count(Some(&rule), Outcome::Sold(receipt.amount));
            Ok(receipt)
        };
        finished(tokio::spawn(settling).await)
    }

    /// Puts the receipt, the seller's signature and the caching rules on a paid answer.
    pub(super) fn finish(
        &self,
        mut response: Response<Body>,
        receipt: &Receipt,
        asked: &Asked,
        head: &Head,
    ) -> Response<Body> {
        keep_private(response.headers_mut());
        response.extensions_mut().insert(Bought::of(receipt));
        let status = response.status().as_u16();
        let request = asked.view(&head.method, &head.headers);
        let now = self.shared.seller.now();
        write_receipt(
            Answered { status, headers: response.headers_mut(), request },
            receipt,
            self.shared.seller.key(),
            now,
        );
        response
    }
}

/// What a buyer pays for: success, and a stream that has left HTTP where the rule allows one.
pub(super) fn is_sold(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS
}

/// The request's line and fields, kept for the signature of the answer.
pub(super) struct Head {
    pub(super) method: http::Method,
    pub(super) headers: HeaderMap,
}

/// A purchase whose answer has come.
struct Served {
    verified: Verified,
    asked: Arc<Asked>,
    head: Head,
}

pub(super) fn finished<T>(joined: Result<Result<T, Refusal>, tokio::task::JoinError>) -> Result<T, Refusal> {
    joined.unwrap_or_else(|_| Err(Refusal::new(Reason::Internal, "a task of the gate broke off")))
}

async fn refused_after_release<T>(verified: Verified, reason: Reason, detail: &'static str) -> Result<T, Refusal> {
    verified.release().await?;
    Err(Refusal::new(reason, detail))
}

/// What the upstream says of bytes that nobody has looked at is not ours to sign.
pub(super) fn without_digest(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().remove(header::CONTENT_DIGEST);
    response
}

/// Whether an answer says that it is short enough to be gathered before it is charged.
pub(super) fn is_short(response: &Response<Body>, cap: usize) -> bool {
    told_length(response).is_some_and(|length| usize::try_from(length).is_ok_and(|length| length <= cap))
}

/// How long an answer says it is.
pub(super) fn told_length(response: &Response<Body>) -> Option<u64> {
    let told = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    response.body().size_hint().exact().or(told)
}

/// By what the upstream tells two versions of an answer apart.
pub(super) fn validator(headers: &HeaderMap) -> Option<String> {
    let field = headers.get(names::ETAG).or_else(|| headers.get(names::LAST_MODIFIED))?;
    field.to_str().ok().map(str::to_owned)
}

pub(super) fn insert(headers: &mut HeaderMap, name: &'static str, text: &str) {
    if let Ok(value) = http::HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
