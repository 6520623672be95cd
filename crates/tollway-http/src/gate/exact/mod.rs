//! Sales that are paid at once. The payment is verified and claimed; then either the handler runs,
//! its answer is held, the payment settles and the bytes leave (`authorization`), or the payment
//! settles and the handler runs (`upfront`). The road runs in a task of its own: no dropped
//! connection leaves a payment half way.

mod answers;
mod bill;
mod handing;
mod hold;
mod job;
mod kept;
mod known;
mod serve;
mod spool;

pub use spool::{Spool, SpoolError};

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use tollway_core::rules::Rule;
use tollway_core::scheme::exact::{ExactPayment, PaymentVersion};
use tollway_core::seller::{ExactAdmission, ExactPurchase};
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::digest;

use super::request::Asked;
use super::sell::{Head, finished};
use super::service::Gate;
use crate::body::Body;
use crate::upload;

/// The request of a payment, kept for its answer.
pub(super) struct Buying {
    asked: Arc<Asked>,
    head: Head,
    version: PaymentVersion,
}

impl Gate {
    /// A request that pays at once.
    pub(super) async fn buy_exact(
        self,
        rule: &Arc<Rule>,
        asked: &Arc<Asked>,
        parts: Parts,
        body: Body,
        payment: ExactPayment,
    ) -> Result<Response<Body>, Refusal> {
        let body = upload::gather(body, self.shared.options.request_body_max).await?;
        let content_digest = own_digest(&parts.headers, &body)?;
        let head = Head { method: parts.method.clone(), headers: parts.headers.clone() };
        let buying = Buying { asked: Arc::clone(asked), head, version: payment.version() };
        let purchase = ExactPurchase {
            rule: Arc::clone(rule),
            payment,
            method: parts.method.as_str().to_owned(),
            url: asked.url.clone(),
            content_digest,
        };
        let mut request = Request::from_parts(parts, body);
        // Who pays is told by the gate; the signed payment is nobody else's business.
        for field in header::PAYMENTS {
            request.headers_mut().remove(*field);
        }
        finished(tokio::spawn(self.exact_road(purchase, buying, request)).await)
    }

    async fn exact_road(
        self,
        purchase: ExactPurchase,
        buying: Buying,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let seller = self.shared.seller.clone();
        let deadline = tokio::time::Instant::now() + self.shared.options.replay_wait;
        loop {
            match seller.admit_exact(&purchase, seller.now()).await? {
                ExactAdmission::Fresh(verified) => return self.sell_exact(*verified, buying, request).await,
                ExactAdmission::Known(known) => return self.known_exact(*known, buying, request).await,
                // The first copy goes on; each of the others gets its outcome in turn.
                ExactAdmission::Wait(landing) => tokio::time::timeout_at(deadline, landing.wait())
                    .await
                    .map_err(|_| Refusal::new(Reason::ReplayPending, "the same payment is still being worked on"))?,
            }
        }
    }
}

/// The digest of a body, by which a payment is bound to it. One that was sent must be right.
fn own_digest(headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Refusal> {
    if let Some(line) = headers.get(header::CONTENT_DIGEST) {
        digest::verify(line.as_bytes(), body)?;
    }
    Ok(if body.is_empty() { None } else { Some(digest::make(body)) })
}
