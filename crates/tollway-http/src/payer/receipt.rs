//! Checks what a seller says: that it signed it, that it is about this request and this body, and
//! that it charges no more than was approved.

use http::HeaderMap;
use tollway_core::buyer::Approved;
use tollway_protocol::{Dress, Reason, Refusal, header};
use tollway_signatures::{Component, Policy, Unverified, digest};

use super::request::{Reply, SignedRequest, Target};
use super::{PayError, Payer};
use crate::dress::{self, ReceiptFacts};
use crate::message::ResponseView;

impl Payer {
    /// Reads and checks the receipt of an answer.
    ///
    /// # Errors
    /// `receipt_missing`, `receipt_invalid`, `digest_mismatch`, or a reason of the seller's signature.
    pub(super) async fn check_receipt(
        &self,
        target: &Target,
        request: &SignedRequest,
        approved: &Approved,
        reply: &Reply,
    ) -> Result<ReceiptFacts, PayError> {
        let dress = self.parts.buyer.dress;
        let facts = dress::read_receipt(&reply.headers, dress)?;
        self.check_seller_signature(target, &request.headers, reply, Some(header::PAYMENT_RESPONSE)).await?;
        check_facts(&facts, request, approved)?;
        if dress == Dress::Crawl && !reply.headers.contains_key(header::CRAWLER_CHARGED) {
            return Err(invalid("the answer does not say what was charged").into());
        }
        Ok(facts)
    }

    /// Checks that the seller signed this answer to this request, body included.
    pub(super) async fn check_seller_signature(
        &self,
        target: &Target,
        sent: &HeaderMap,
        reply: &Reply,
        field: Option<&str>,
    ) -> Result<(), PayError> {
        let mut policy = Policy::seller_response(field.unwrap_or(header::CONTENT_DIGEST));
        policy.required.push(Component::new("@query").req());
        for own in [header::CONTENT_DIGEST, header::CRAWLER_CHARGED] {
            if reply.headers.contains_key(own) && field != Some(own) {
                policy.whole_fields.push(own.to_owned());
            }
        }
        policy.skew = 120;
        let now = self.parts.buyer.clock.now();
        let unverified = {
            let view =
                ResponseView { status: reply.status.as_u16(), headers: &reply.headers, request: target.view(sent) };
            Unverified::read(&view, &policy)?
        };
        let key = self.seller_key(target, unverified.keyid()).await?;
        unverified.verify(&key)?.in_window(now, policy.skew)?;
        if let Some(line) = reply.headers.get(header::CONTENT_DIGEST) {
            digest::verify(line.as_bytes(), &reply.body)?;
        }
        Ok(())
    }
}

fn check_facts(facts: &ReceiptFacts, request: &SignedRequest, approved: &Approved) -> Result<(), Refusal> {
    if facts.commitment != request.id.to_string() {
        return Err(invalid("the receipt is for another commitment"));
    }
    if facts.amount > approved.amount() {
        return Err(invalid("the receipt charges more than was promised"));
    }
    if facts.asset != approved.offer().document().asset {
        return Err(invalid("the receipt charges in another asset"));
    }
    Ok(())
}

fn invalid(detail: &'static str) -> Refusal {
    Refusal::new(Reason::ReceiptInvalid, detail)
}
