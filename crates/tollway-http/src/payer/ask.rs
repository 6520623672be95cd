//! Asks for a resource without paying, and reads the demand when it costs money.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use tollway_core::offer::{OFFER_MAX, Offer};
use tollway_protocol::{HandshakeDemand, PaymentRequired, Reason, Refusal, header};
use tollway_signatures::jws;
use url::Url;

use super::request::{Reply, Target};
use super::{Answer, Order, PayError, PayFailure, Payer};
use crate::dress;

impl Payer {
    /// One unpaid, signed request; where it is answered by a demand, the offer is bought.
    pub(super) async fn ask(&self, target: &Target) -> Result<Answer, PayFailure> {
        let reply = self.ask_unpaid(target).await?;
        // A HEAD is answered by the demand and never sold.
        if reply.status != StatusCode::PAYMENT_REQUIRED || target.method == Method::HEAD {
            return Ok(reply.into());
        }
        let offer = self.read_demand(target, &reply).await?;
        self.buy(target, offer).await
    }

    /// What a resource costs, without buying it; `None` when it is free.
    ///
    /// # Errors
    /// See [`PayError`].
    pub async fn quote(&self, url: &Url) -> Result<Option<Arc<Offer>>, PayError> {
        self.quote_order(&Order::get(url.clone())).await
    }

    /// What an order costs, without buying it; `None` when it is free. A seller that does not price it runs it:
    /// asking for the price of an unsafe request is a request.
    ///
    /// # Errors
    /// See [`PayError`].
    pub async fn quote_order(&self, order: &Order) -> Result<Option<Arc<Offer>>, PayError> {
        let target = Target::of_order(order)?;
        let reply = self.ask_unpaid(&target).await?;
        if reply.status == StatusCode::PAYMENT_REQUIRED {
            self.read_demand(&target, &reply).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// A signed request that promises nothing, answered with a signed body: how an agent asks about
    /// its own account.
    ///
    /// # Errors
    /// [`PayError::Refused`] with the seller's reason, or when the answer is not signed by the seller.
    pub async fn ask_signed(&self, url: &Url) -> Result<Answer, PayError> {
        let target = Target::of(url)?;
        let prepared = self.prepare(&target, None)?;
        let request = self.sign(&target, prepared)?;
        let reply = self.send(&target, &request.headers).await?;
        if reply.status != StatusCode::OK {
            return Err(said(&reply).into());
        }
        self.check_seller_signature(&target, &request.headers, &reply, None).await?;
        Ok(reply.into())
    }

    pub(super) async fn ask_unpaid(&self, target: &Target) -> Result<Reply, PayError> {
        let prepared = self.prepare(target, None)?;
        let request = self.sign(target, prepared)?;
        self.send(target, &request.headers).await
    }

    /// The signed offer behind a demand, verified with the seller's own key and put on the shelf.
    pub(super) async fn read_demand(&self, target: &Target, reply: &Reply) -> Result<Arc<Offer>, PayError> {
        let document = match inline_offer(&reply.headers)? {
            Some(document) => document,
            None => self.fetch_offer(target, &reply.body).await?,
        };
        let keyid = jws::kid(&document, OFFER_MAX)?;
        let key = self.seller_key(target, &keyid).await?;
        let offer = Arc::new(Offer::verify(&document, &key)?);
        if offer.document().seller != target.origin {
            return Err(Refusal::new(Reason::PayToMismatch, "the offer is another seller's").into());
        }
        self.parts.buyer.shelf.put(Arc::clone(&offer));
        Ok(offer)
    }

    /// The handshake names the offer by id only.
    async fn fetch_offer(&self, target: &Target, body: &[u8]) -> Result<String, PayError> {
        let demand = HandshakeDemand::decode(body)?;
        let ours = demand.accepts.iter().find(|entry| entry.network.as_str() == self.parts.buyer.network.as_str());
        let entry =
            ours.ok_or_else(|| Refusal::new(Reason::UnsupportedNetwork, "no offer is on a network we are billed on"))?;
        let path = format!("{}offers/{}", crate::wellknown::PREFIX, entry.extras.id);
        let url = target.url.join(&path).map_err(|error| PayError::Unreachable(error.to_string()))?;
        let reply = self.send(&Target::of(&url)?, &HeaderMap::new()).await?;
        if reply.status != StatusCode::OK || reply.body.len() > OFFER_MAX {
            return Err(Refusal::new(Reason::OfferUnknown, "the seller does not show its offer").into());
        }
        let text = String::from_utf8(reply.body.to_vec());
        text.map_err(|_| Refusal::new(Reason::OfferUnknown, "the seller's offer is not text").into())
    }
}

fn inline_offer(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(line) = headers.get(header::PAYMENT_REQUIRED) else { return Ok(None) };
    let text = line.to_str().map_err(|_| Refusal::new(Reason::MalformedPayment, "the demand is not ASCII"))?;
    let demand = PaymentRequired::decode(text)?;
    Ok(dress::offer_document(&demand).map(str::to_owned))
}

/// What a seller says when it refuses, as its reason where it uses one of ours.
pub(super) fn said(reply: &Reply) -> Refusal {
    let (reason, detail) = words(reply);
    let status = reply.status.as_u16();
    let reason = reason.unwrap_or(if status == 402 { Reason::PaymentRequired } else { Reason::Internal });
    Refusal::new(reason, format!("the seller answers {status}: {detail}"))
}

/// Whether a refusal names one of our reasons: then it is the gate's, not the upstream's.
pub(super) fn names_reason(reply: &Reply) -> bool {
    reply.headers.contains_key(header::CRAWLER_ERROR) || words(reply).0.is_some()
}

fn words(reply: &Reply) -> (Option<Reason>, String) {
    #[derive(serde::Deserialize)]
    struct Said {
        error: String,
        #[serde(default)]
        detail: String,
    }
    let named = reply.headers.get(header::PAYMENT_REQUIRED).and_then(|line| line.to_str().ok());
    let demanded = named.and_then(|text| PaymentRequired::decode(text).ok()).and_then(|demand| demand.error);
    let said = serde_json::from_slice::<Said>(&reply.body).ok();
    let code = said.as_ref().map(|said| said.error.clone()).or(demanded).unwrap_or_default();
    let detail: String = said.map_or_else(|| code.clone(), |said| said.detail).chars().take(200).collect();
    (code.parse().ok(), detail)
}
