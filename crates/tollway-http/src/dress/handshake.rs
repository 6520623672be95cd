//! The dress of the announced `deferred` handshake.

use serde_json::Map;
use tollway_core::offer::Offer;
use tollway_core::scheme::deferred::{Limit, Promise, requirements};
use tollway_core::seller::Receipt;
use tollway_protocol::{
    DeferredPayload, DeferredScheme, Dress, HandshakeDemand, HandshakeExtras, HandshakeOffer, Network, PaymentHeader,
    PaymentResponseHeader, Reason, Reference, Refusal,
};

use super::{ReceiptFacts, invalid_receipt};

/// The body of a 402: one JSON object that holds the deferred offer and nothing else.
pub fn demand_body(offer: &Offer, network: &Network, url: &str) -> String {
    let asked = requirements(offer, network);
    let terms = offer.document().terms.as_ref().map(|terms| terms.url.clone());
    let entry = HandshakeOffer {
        scheme: DeferredScheme,
        network: reference(network.as_str()),
        resource: url.to_owned(),
        amount: asked.amount,
        asset: asked.asset,
        pay_to: asked.pay_to,
        max_timeout_seconds: asked.max_timeout_seconds,
        extras: HandshakeExtras { id: reference(&offer.id().to_string()), terms_url: terms, rest: Map::new() },
        rest: Map::new(),
    };
    HandshakeDemand::new(vec![entry]).encode()
}

pub(super) fn read(text: &str) -> Result<Promise, Refusal> {
    let payment = PaymentHeader::decode(text)?;
    let unknown = |_| Refusal::new(Reason::OfferUnknown, "no offer has an id of this form");
    let foreign = |_| Refusal::new(Reason::UnsupportedNetwork, "this network is not offered here");
    Ok(Promise {
        dress: Dress::Handshake,
        offer: Some(payment.id.as_str().parse().map_err(unknown)?),
        limit: payment.sum.as_ref().map(|sum| Limit::Exact(sum.amount)),
        asset: payment.sum.map(|sum| sum.asset),
        network: Some(payment.network.as_str().parse().map_err(foreign)?),
        accepted: None,
    })
}

pub(super) fn write(promise: &Promise) -> Result<String, Refusal> {
    let unnamed = || Refusal::new(Reason::NoMatchingOffer, "the handshake names an offer and a network");
    let sum = match (promise.limit, &promise.asset) {
        (Some(Limit::Exact(amount)), Some(asset)) => Some(DeferredPayload { amount, asset: asset.clone() }),
        _ => None,
    };
    let header = PaymentHeader {
        network: reference(promise.network.as_ref().ok_or_else(unnamed)?.as_str()),
        id: reference(&promise.offer.ok_or_else(unnamed)?.to_string()),
        sum,
    };
    Ok(header.encode())
}

pub(super) fn receipt(receipt: &Receipt) -> String {
    let header = PaymentResponseHeader {
        network: reference(receipt.network.as_str()),
        id: reference(receipt.offer.as_deref().unwrap_or("-")),
        timestamp: receipt.posted_at,
        commitment: Some(reference(&receipt.id.to_string())),
        sum: Some(DeferredPayload { amount: receipt.amount, asset: receipt.asset.clone() }),
        sequence: Some(receipt.sequence.get()),
        head: Some(reference(&receipt.head.to_string())),
    };
    header.encode().expect("a time, a number and short words fit a dictionary")
}

pub(super) fn read_receipt(text: &str) -> Result<ReceiptFacts, Refusal> {
    let header = PaymentResponseHeader::decode(text).map_err(|refusal| invalid_receipt(&refusal))?;
    let missing = |what: &str| Refusal::new(Reason::ReceiptInvalid, format!("the receipt names no {what}"));
    let sum = header.sum.ok_or_else(|| missing("amount"))?;
    Ok(ReceiptFacts {
        commitment: header.commitment.ok_or_else(|| missing("commitment"))?.as_str().to_owned(),
        amount: sum.amount,
        asset: sum.asset,
        posted_at: header.timestamp,
        sequence: header.sequence,
        head: header.head.map(|head| head.as_str().to_owned()),
        current_offer: None,
    })
}

/// Ids and networks of ours are short words of visible ASCII.
fn reference(text: &str) -> Reference {
    text.parse().expect("an id of ours is a reference")
}
