//! Answers a request that was sold before: the same body while the replay rule allows it, the
//! receipt in any case, never a second charge.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::json;
use tollway_core::seller::{Known, Replay, Seller};
use tollway_ledger::Recorded;
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::digest;

use super::answers::Answer;
use super::context::PaidBy;
use super::counters::Outcome;
use super::request::Asked;
use super::sell::{Head, insert, is_short, validator, without_digest};
use super::service::{Gate, with_body};
use crate::body::{Body, full};
use crate::upload::{self, Gathered};

impl Gate {
    pub(super) async fn replay(
        self,
        known: Known,
        asked: &Asked,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        Seller::expect_sold(&known.recorded)?;
        self.shared.counters.count(Some(&known.recorded.rule), Outcome::Replayed);
        let head = Head { method: request.method().clone(), headers: request.headers().clone() };
        let receipt = self.shared.seller.receipt_again(&known.recorded);
        let again = match known.replay {
            Replay::ReceiptOnly => None,
            Replay::Serve { validator } => self.same_answer(&known.recorded, &validator, request).await,
        };
        let response = again.unwrap_or_else(receipt_only);
        Ok(self.finish(response, &receipt, asked, &head))
    }

    /// The sold answer: a moment old and still here, or from the upstream if it is still the same.
    async fn same_answer(
        &self,
        recorded: &Recorded,
        sold: &str,
        mut request: Request<Bytes>,
    ) -> Option<Response<Body>> {
        if let Some(answer) = self.shared.answers.get(recorded.id, self.shared.seller.now()) {
            return Some(whole(answer));
        }
        let cap = self.shared.options.gathered_max;
        // A handler that asks who paid is told so this time too.
        request.extensions_mut().insert(PaidBy::of_recorded(recorded, self.shared.seller.network()));
        let fresh = async {
            let response = self.upstream(with_body(request)).await;
            if !response.status().is_success() {
                return None;
            }
            let named = validator(response.headers());
            if !is_short(&response, cap) {
                // Too long to look at first: what the upstream says of its version decides.
                return (named.as_deref() == Some(sold)).then(|| without_digest(response));
            }
            let (parts, body) = response.into_parts();
            let Gathered::Whole(body) = upload::read(body, cap).await else { return None };
            let now = named.unwrap_or_else(|| digest::make(&body));
            (now == sold).then(|| whole(Answer { status: parts.status, headers: parts.headers, body }))
        };
        tokio::time::timeout(self.shared.options.upstream_wait, fresh).await.ok().flatten()
    }
}

fn whole(answer: Answer) -> Response<Body> {
    let digest = digest::make(&answer.body);
    let mut response = Response::new(full(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    insert(response.headers_mut(), header::CONTENT_DIGEST, &digest);
    response
}

/// The sale stands and was delivered once: its receipt is all there is.
fn receipt_only() -> Response<Body> {
    let reason = Reason::AlreadyDelivered;
    let body = json!({"error": reason.code(), "detail": reason.meaning()}).to_string();
    let mut response = Response::new(full(body.clone()));
    *response.status_mut() = StatusCode::CONFLICT;
    insert(response.headers_mut(), "content-type", "application/json");
    insert(response.headers_mut(), header::CONTENT_DIGEST, &digest::make(body.as_bytes()));
    response
}
