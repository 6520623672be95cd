//! Buys one resource: approve, write down, sign, send; and when the answer is lost, ask again with
//! the same bytes or look the outcome up. Nothing is ever signed twice for one purchase.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tollway_core::buyer::{Approved, AuditLine};
use tollway_core::offer::Offer;
use tollway_ledger::CommitmentId;
use tollway_protocol::{Amount, Reason, Refusal, header};
use url::Url;

use super::ask::{names_reason, said};
use super::request::{Reply, SignedRequest, Target};
use super::{Answer, Charged, Open, PayError, PayFailure, Payer};
use crate::dress::{self, ReceiptFacts};

/// How often the same bytes are sent at most.
const TRIES: u32 = 4;

/// How a promise ended.
enum Outcome {
    Sold(Reply, Box<ReceiptFacts>, Charged),
    Refused(Reply),
}

/// What the seller's books say of a promise.
pub(super) enum Looked {
    Charged(Charged),
    NotCharged,
    /// Nothing yet.
    Open,
    /// They cannot be asked.
    Silent,
}

impl Payer {
    /// Buys under an offer. When the seller refuses it for a fresher one, that one is bought
    /// instead: a new purchase, as the old commitment is refused for good.
    pub(super) async fn buy(&self, target: &Target, offer: Arc<Offer>) -> Result<Answer, PayFailure> {
        match self.buy_once(target, &offer).await? {
            Outcome::Sold(reply, facts, charged) => Ok(sold_answer(reply, *facts, charged)),
            Outcome::Refused(reply) if reply.status == StatusCode::PAYMENT_REQUIRED => {
                self.parts.buyer.shelf.discard(&offer);
                let refusal = said(&reply);
                let fresh = self.read_demand(target, &reply).await?;
                if fresh.id() == offer.id() || !is_about_the_offer(refusal.reason) {
                    return Err(refusal.into());
                }
                match self.buy_once(target, &fresh).await? {
                    Outcome::Sold(reply, facts, charged) => Ok(sold_answer(reply, *facts, charged)),
                    Outcome::Refused(reply) => Err(said(&reply).into()),
                }
            }
            // The upstream's own answer (not found, moved) passes through and costs nothing.
            Outcome::Refused(reply) if is_upstream(&reply) => Ok(reply.into()),
            Outcome::Refused(reply) => Err(said(&reply).into()),
        }
    }

    async fn buy_once(&self, target: &Target, offer: &Arc<Offer>) -> Result<Outcome, PayFailure> {
        let buyer = &self.parts.buyer;
        let asked = offer.document().amount;
        if asked > buyer.budget.max_price() {
            return Err(PayError::TooDear { asked }.into());
        }
        let approved = buyer.approve(offer, &target.origin, target.method.as_str(), &target.decoded_path)?;
        let payment = dress::commitment(approved.promise())?;
        let prepared = self.prepare(target, Some(payment))?;
        buyer.journal.write(&promise_line(target, &approved, prepared.id, buyer.clock.now(), buyer.dress)).await?;
        let request = self.sign(target, prepared)?;
        self.deliver(target, &request, approved.promised()).await
    }

    /// Sends the same bytes until there is a definite answer, then settles the budget and the log.
    async fn deliver(
        &self,
        target: &Target,
        request: &SignedRequest,
        approved: Approved,
    ) -> Result<Outcome, PayFailure> {
        let mut detail = String::new();
        let mut asked = Duration::ZERO;
        for attempt in 0..TRIES {
            if attempt > 0 {
                // A pause before asking again, longer each time, and as long as the seller wants.
                let pause = asked.max(Duration::from_millis(200 << attempt));
                if self.parts.buyer.clock.now().saturating_add(pause.as_secs()).saturating_add(1) >= request.expires {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            match self.send(target, &request.headers).await {
                Ok(reply) if has_receipt(&reply) => return self.sold(target, request, approved, reply).await,
                Ok(reply) if is_definite(&reply) => return self.refused(request.id, approved, reply).await,
                Ok(reply) => {
                    asked = retry_after(&reply);
                    detail = said(&reply).to_string();
                }
                // The same answer would be as long again.
                Err(PayError::Refused(refusal)) if refusal.reason == Reason::BodyTooLarge => {
                    return self.too_long(target, request.id, approved, refusal).await;
                }
                Err(PayError::Refused(refusal)) => detail = refusal.to_string(),
                Err(error) => detail = error.to_string(),
            }
        }
        self.unknown(target, request.id, approved, detail).await
    }

    async fn sold(
        &self,
        target: &Target,
        request: &SignedRequest,
        approved: Approved,
        reply: Reply,
    ) -> Result<Outcome, PayFailure> {
        let facts = match self.check_receipt(target, request, &approved, &reply).await {
            Ok(facts) => facts,
            // A receipt that does not hold is no proof of either outcome.
            Err(error) => return self.unknown(target, request.id, approved, error.to_string()).await,
        };
        approved.spent();
        let delivered = reply.status.is_success();
        let charged = self.charged(request.id, &facts, delivered).await?;
        if let Some(fresh) = &facts.current_offer {
            self.refresh(target, fresh).await;
        }
        if delivered {
            return Ok(Outcome::Sold(reply, Box::new(facts), charged));
        }
        let detail = "the resource was charged and delivered before; its body is not served again";
        Err(PayFailure::charged(Refusal::new(Reason::AlreadyDelivered, detail), charged))
    }

    async fn refused(&self, id: CommitmentId, approved: Approved, reply: Reply) -> Result<Outcome, PayFailure> {
        approved.returned();
        let at = self.parts.buyer.clock.now();
        let reason =
            if is_upstream(&reply) { reply.status.as_str().to_owned() } else { said(&reply).reason.code().to_owned() };
        self.parts.buyer.journal.write(&AuditLine::Refused { at, id, reason }).await?;
        Ok(Outcome::Refused(reply))
    }

    /// Nobody answered. The money stays held until the seller's books say what came of it.
    async fn unknown(
        &self,
        target: &Target,
        id: CommitmentId,
        approved: Approved,
        detail: String,
    ) -> Result<Outcome, PayFailure> {
        let at = self.parts.buyer.clock.now();
        self.parts.buyer.journal.write(&AuditLine::Unknown { at, id, detail: detail.clone() }).await?;
        let open = Open { id, origin: target.origin.clone(), amount: approved.amount() };
        match self.look_up(&open).await {
            Looked::Charged(charged) => {
                approved.spent();
                let detail = format!("charged, but the answer was lost: {detail}");
                Err(PayFailure::charged(Refusal::new(Reason::AlreadyDelivered, detail), charged))
            }
            Looked::NotCharged => {
                approved.returned();
                Err(PayError::Unreachable(detail).into())
            }
            Looked::Open | Looked::Silent => {
                self.open.lock().push(open);
                approved.unknown();
                Err(PayError::Unknown { id, detail }.into())
            }
        }
    }

    /// The answer is longer than is read. It came, so its promise is charged unless the books say otherwise.
    async fn too_long(
        &self,
        target: &Target,
        id: CommitmentId,
        approved: Approved,
        refusal: Refusal,
    ) -> Result<Outcome, PayFailure> {
        match self.unknown(target, id, approved, refusal.to_string()).await {
            Err(PayFailure { charged: Some(charged), .. }) => Err(PayFailure::charged(refusal, charged)),
            other => other,
        }
    }

    /// Asks the seller's books. What they know, the log has then.
    pub(super) async fn look_up(&self, open: &Open) -> Looked {
        let Open { id, ref origin, amount: most } = *open;
        #[derive(serde::Deserialize)]
        struct Known {
            commitment: Commitment,
        }
        #[derive(serde::Deserialize)]
        struct Commitment {
            state: tollway_ledger::SaleState,
            amount: Amount,
            posted_at: u64,
            sequence: u64,
            head: String,
        }
        use tollway_ledger::SaleState as State;
        let Ok(url) = Url::parse(&format!("{origin}{}commitments/{id}", crate::wellknown::PREFIX)) else {
            return Looked::Open;
        };
        let answer = match self.ask_signed(&url).await {
            Ok(answer) => answer,
            Err(PayError::Refused(refusal)) if refusal.reason == Reason::NotFound && self.is_over(id) => {
                return self.not_charged(id, "not_found").await;
            }
            Err(PayError::Unreachable(_)) => return Looked::Silent,
            Err(_) => return Looked::Open,
        };
        let Ok(Known { commitment }) = serde_json::from_slice(&answer.body) else { return Looked::Open };
        match commitment.state {
            // Books that claim more than was promised are wrong about this promise.
            State::Posted if commitment.amount > most => Looked::Open,
            State::Posted => {
                let facts = ReceiptFacts {
                    commitment: id.to_string(),
                    amount: commitment.amount,
                    asset: tollway_protocol::Asset::usd(),
                    posted_at: commitment.posted_at,
                    sequence: Some(commitment.sequence),
                    head: Some(commitment.head),
                    current_offer: None,
                };
                self.charged(id, &facts, false).await.map_or(Looked::Open, Looked::Charged)
            }
            State::Voided | State::Expired | State::Undelivered => self.not_charged(id, "released").await,
            State::Pending => Looked::Open,
        }
    }

    /// Whether a commitment's window has ended: what the books do not know by then was never sold.
    fn is_over(&self, id: CommitmentId) -> bool {
        self.parts.buyer.clock.now() > id.created() + 300
    }

    async fn not_charged(&self, id: CommitmentId, reason: &str) -> Looked {
        let at = self.parts.buyer.clock.now();
        let line = AuditLine::Refused { at, id, reason: reason.to_owned() };
        self.parts.buyer.journal.write(&line).await.map_or(Looked::Open, |()| Looked::NotCharged)
    }

    async fn charged(&self, id: CommitmentId, facts: &ReceiptFacts, delivered: bool) -> Result<Charged, Refusal> {
        let line = AuditLine::Receipt {
            at: self.parts.buyer.clock.now(),
            id,
            amount: facts.amount,
            posted_at: facts.posted_at,
            sequence: facts.sequence,
            head: facts.head.clone(),
            delivered,
        };
        self.parts.buyer.journal.write(&line).await?;
        Ok(Charged { id, amount: facts.amount })
    }

    /// A receipt named a fresher offer: fetched now, so that the next page still costs one trip.
    async fn refresh(&self, target: &Target, offer_id: &str) {
        let Ok(url) = target.url.join(&format!("{}offers/{offer_id}", crate::wellknown::PREFIX)) else { return };
        let Ok(offers) = Target::of(&url) else { return };
        let Ok(reply) = self.send(&offers, &http::HeaderMap::new()).await else { return };
        let Ok(document) = std::str::from_utf8(&reply.body) else { return };
        let Ok(keyid) = tollway_signatures::jws::kid(document, tollway_core::offer::OFFER_MAX) else { return };
        let Ok(key) = self.seller_key(target, &keyid).await else { return };
        if let Ok(offer) = Offer::verify(document, &key)
            && offer.document().seller == target.origin
        {
            self.parts.buyer.shelf.put(Arc::new(offer));
        }
    }
}

fn promise_line(
    target: &Target,
    approved: &Approved,
    id: CommitmentId,
    at: u64,
    dress: tollway_protocol::Dress,
) -> AuditLine {
    AuditLine::Promise {
        at,
        id,
        seller: target.origin.clone(),
        method: target.method.as_str().to_owned(),
        url: format!("{}{}", target.origin, target.path_and_query),
        amount: approved.amount(),
        asset: approved.offer().document().asset.clone(),
        offer: approved.offer().id().to_string(),
        dress,
    }
}

fn has_receipt(reply: &Reply) -> bool {
    reply.headers.contains_key(header::PAYMENT_RESPONSE)
}

/// Whether an answer without a receipt says for sure that nothing was charged. A success without
/// one, a conflict and a server that cannot tell do not; nor does a server's error that a machine in
/// between may have made of a sale: only the gate knows what it has released.
fn is_definite(reply: &Reply) -> bool {
    let status = reply.status;
    if status.is_server_error() {
        let released = [Reason::UpstreamUnreachable, Reason::UpstreamMalformed, Reason::UpstreamTimeout];
        return released.contains(&said(reply).reason);
    }
    !status.is_success() && ![StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// Whether an answer is the upstream's own: no refusal of the gate looks like it.
fn is_upstream(reply: &Reply) -> bool {
    let gates_own = matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED);
    reply.status.is_redirection()
        || matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NOT_ACCEPTABLE)
        || (reply.status.is_client_error() && !gates_own && !names_reason(reply))
}

/// How long the seller asks to wait; nothing where it does not say so in seconds.
fn retry_after(reply: &Reply) -> Duration {
    let seconds =
        reply.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// Whether another offer can help.
fn is_about_the_offer(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::OfferUnknown
            | Reason::OfferExpired
            | Reason::NoMatchingOffer
            | Reason::AmountTooLow
            | Reason::AmountMismatch
            | Reason::PaymentRequired
    )
}

fn sold_answer(reply: Reply, facts: ReceiptFacts, charged: Charged) -> Answer {
    Answer { charged: Some(charged), receipt: Some(facts), ..reply.into() }
}
